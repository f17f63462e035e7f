//! What was granted, written down and signed before the phone hears of it.
//!
//! Invariant: a grant is answered only after the block that it stands in is durable: on this machine's disk, from where it is
//! sent to the remote within seconds, or, where the disk does not outlive the machine, in the remote itself. Grants that come
//! together share one block, one signature and one wait (group commit).

mod journal;
mod record;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use safelight_crypto::SigningKey;
use safelight_store::{Key, Remote};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::journal::{Journal, SEND_AFTER, Unwritten, send, send_closed};
pub use self::record::{BlockFault, BlockReader, GrantBlock, GrantRecord, read_blocks};
use self::record::{Chain, SignedBlock};
use crate::error::GatewayError;
use crate::tokens::random;

/// How many requests may wait to be written down.
const MOST_WAITING: usize = 4_096;
/// The most grants of one block.
const MOST_GRANTS: usize = 2_000;
/// How long the remote may take for a block that somebody waits for.
const WRITE_WITHIN: Duration = Duration::from_secs(15);
/// How long the last files may take to be sent when the gateway ends; what is left is sent at the next start.
const LAST_WITHIN: Duration = Duration::from_secs(10);
/// The random bytes of a run's id.
const RUN_BYTES: usize = 10;

/// Where grants are made durable before they are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// In this folder, from where they are sent to the remote within seconds.
    Disk(PathBuf),
    /// In the remote: for machines whose disk does not outlive them.
    Remote,
}

/// A grant was not written down, so it must not be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotKept;

enum Message {
    Keep(Vec<GrantRecord>, oneshot::Sender<Result<(), NotKept>>),
    Finish(oneshot::Sender<()>),
}

/// Where grants are handed in.
#[derive(Debug)]
pub(crate) struct Ledger {
    messages: mpsc::Sender<Message>,
    is_well: Arc<AtomicBool>,
    sending: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Begins to keep what one run grants.
    pub(crate) fn open(
        durability: &Durability,
        key: SigningKey,
        remote: &Arc<dyn Remote>,
    ) -> Result<Self, GatewayError> {
        let chain = Chain::new(key, random::<RUN_BYTES>()?);
        let (messages, received) = mpsc::channel(MOST_WAITING);
        let is_well = Arc::new(AtomicBool::new(true));
        let (keeper, sending) = match durability {
            Durability::Remote => (Keeper::Remote(Arc::clone(remote)), None),
            Durability::Disk(folder) => {
                let opened = Journal::open(folder.clone());
                let journal = opened.map_err(|error| GatewayError::file(folder, "used", error))?;
                let sending = tokio::spawn(send_on(folder.clone(), Arc::clone(remote)));
                (Keeper::Disk(Some(journal), Arc::clone(remote)), Some(sending))
            }
        };
        tokio::spawn(keep(received, keeper, chain, Arc::clone(&is_well)));
        Ok(Self { messages, is_well, sending })
    }

    /// Writes grants down. When it answers well they are durable; a caller that is dropped may have written them.
    pub(crate) async fn keep(&self, grants: Vec<GrantRecord>) -> Result<(), NotKept> {
        let (done, kept) = oneshot::channel();
        self.messages.send(Message::Keep(grants, done)).await.map_err(|_| NotKept)?;
        kept.await.unwrap_or(Err(NotKept))
    }

    /// Whether the last block was written. After one that was not, it is tried again every some seconds.
    pub(crate) fn is_well(&self) -> bool {
        self.is_well.load(Ordering::Relaxed)
    }

    /// Takes nothing more, and sends what is left.
    pub(crate) async fn finish(&self) {
        let (done, finished) = oneshot::channel();
        if self.messages.send(Message::Finish(done)).await.is_ok() {
            // Whoever ended before has nothing left to say.
            drop(finished.await);
        }
        if let Some(sending) = &self.sending {
            sending.abort();
        }
    }
}

/// Who makes blocks durable.
enum Keeper {
    /// None while a block is being written, or if that broke off.
    Disk(Option<Journal>, Arc<dyn Remote>),
    Remote(Arc<dyn Remote>),
}

async fn keep(
    mut received: mpsc::Receiver<Message>,
    mut keeper: Keeper,
    mut chain: Chain,
    is_well: Arc<AtomicBool>,
) {
    let mut ticks = interval(SEND_AFTER);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            message = received.recv() => message,
            _ = ticks.tick() => {
                keeper.close_if_due();
                if !is_well.load(Ordering::Relaxed) {
                    // A block without grants: whoever is not well is asked for none, and would never find out otherwise.
                    let tried = keeper.write(&mut chain, Vec::new()).await;
                    is_well.store(tried.is_ok(), Ordering::Relaxed);
                }
                continue;
            }
        };
        match message {
            Some(Message::Keep(grants, done)) => {
                let (mut grants, mut waiting, mut last) = (grants, vec![done], None);
                while grants.len() < MOST_GRANTS && last.is_none() {
                    match received.try_recv() {
                        Ok(Message::Keep(more, done)) => {
                            grants.extend(more);
                            waiting.push(done);
                        }
                        Ok(Message::Finish(done)) => last = Some(done),
                        Err(_) => break,
                    }
                }
                let kept = keeper.write(&mut chain, grants).await;
                is_well.store(kept.is_ok(), Ordering::Relaxed);
                for done in waiting {
                    // Who asked may be gone.
                    let _gone = done.send(kept);
                }
                if let Some(done) = last {
                    return keeper.finish(done).await;
                }
            }
            Some(Message::Finish(done)) => return keeper.finish(done).await,
            None => return,
        }
    }
}

impl Keeper {
    async fn write(&mut self, chain: &mut Chain, grants: Vec<GrantRecord>) -> Result<(), NotKept> {
        let SignedBlock { number, bytes, hash } = chain.sign(grants).map_err(|error| not_kept(&error))?;
        let run = chain.run().to_owned();
        let written = match self {
            Self::Remote(remote) => write_there(&**remote, &run, number, bytes).await,
            Self::Disk(journal, _) => write_here(journal, run, number, bytes).await,
        };
        match written {
            Ok(()) => {
                chain.take(number, hash);
                Ok(())
            }
            Err(unwritten) => {
                if !unwritten.is_undone {
                    chain.take(number, hash);
                }
                Err(not_kept(&unwritten.source))
            }
        }
    }

    fn close_if_due(&mut self) {
        if let Self::Disk(Some(journal), _) = self {
            journal.close_if_due();
        }
    }

    async fn finish(self, done: oneshot::Sender<()>) {
        if let Self::Disk(Some(mut journal), remote) = self {
            journal.close();
            match timeout(LAST_WITHIN, send_closed(journal.folder(), &*remote)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "what was granted last is sent at the next start"),
                Err(error) => tracing::warn!(%error, "what was granted last is sent at the next start"),
            }
        }
        let _gone = done.send(());
    }
}

/// Puts a block into the remote. Whether one that failed is there cannot be told.
async fn write_there(remote: &dyn Remote, run: &str, number: u64, block: Vec<u8>) -> Result<(), Unwritten> {
    let unwritten = |source| Unwritten { source, is_undone: false };
    let key = Key::parse(&format!("grants/{run}/{number:010}"));
    let key = key.map_err(|error| unwritten(io::Error::other(error)))?;
    match timeout(WRITE_WITHIN, send(remote, &key, block)).await {
        Ok(sent) => sent.map_err(|error| unwritten(io::Error::other(error))),
        Err(elapsed) => Err(unwritten(elapsed.into())),
    }
}

/// Appends a block to the journal, which is away meanwhile.
async fn write_here(
    journal: &mut Option<Journal>,
    run: String,
    number: u64,
    block: Vec<u8>,
) -> Result<(), Unwritten> {
    let lost = |source| Unwritten { source, is_undone: false };
    let Some(mut writing) = journal.take() else { return Err(lost(io::Error::other("the journal is lost"))) };
    let written = tokio::task::spawn_blocking(move || {
        let written = writing.append(&run, number, &block);
        writing.close_if_due();
        (writing, written)
    });
    let (back, written) = written.await.map_err(|error| lost(io::Error::other(error)))?;
    *journal = Some(back);
    written
}

fn not_kept(error: &(dyn std::error::Error + 'static)) -> NotKept {
    tracing::error!(error, "grants could not be written down, and are not given");
    NotKept
}

/// Sends closed files as long as the gateway runs.
async fn send_on(folder: PathBuf, remote: Arc<dyn Remote>) {
    let mut ticks = interval(SEND_AFTER);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = send_closed(&folder, &*remote).await {
            tracing::warn!(%error, "the files of grants cannot be looked through");
        }
    }
}
