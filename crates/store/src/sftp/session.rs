//! A running `ssh` with the SFTP subsystem behind it, shared by any number of requests at once.
//!
//! Cancellation: a request is handed over whole to a task that writes, so that a caller who goes away in the
//! middle leaves no half packet; its answer is then dropped.

use std::collections::HashMap;
use std::ffi::OsString;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};

use super::wire::{INIT, MOST_PACKET_BYTES, Packet, VERSION};
use crate::address::SftpAddress;
use crate::http::Progress;

/// How many requests wait to be written at most.
const QUEUE: usize = 16;
/// How much of what ssh says about itself is kept.
const MOST_SAID_BYTES: usize = 4 << 10;

/// Why a session does not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SessionFault {
    #[error("ssh could not be started: {0}")]
    NotStarted(String),
    #[error("ssh ended: {0}")]
    Ended(String),
    #[error("nothing moved for {} s", .0.as_secs())]
    Stalled(Duration),
    #[error("the other side does not speak SFTP 3")]
    NotSftp,
}

type Waiting = Arc<Mutex<HashMap<u32, oneshot::Sender<(u8, Bytes)>>>>;

/// A session; ssh ends with it.
#[derive(Debug)]
pub(super) struct Session {
    _child: Child,
    to_write: mpsc::Sender<Bytes>,
    waiting: Waiting,
    next: AtomicU32,
    said: Arc<Mutex<String>>,
    stall: Duration,
    /// When something last moved in either direction.
    progress: Progress,
}

impl Session {
    /// Starts ssh, which asks nobody anything, and greets the other side.
    pub(super) async fn start(
        address: &SftpAddress,
        arguments: &[OsString],
        stall: Duration,
    ) -> Result<Self, SessionFault> {
        let mut command = Command::new("ssh");
        command.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15"]);
        command.args(arguments).args(["-p", &address.port.to_string(), "-l", &address.user, "-s", "--"]);
        command.args([&address.host, "sftp"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| SessionFault::NotStarted(error.to_string()))?;
        let (Some(mut input), Some(mut output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(SessionFault::NotStarted("it has no pipes".to_owned()));
        };
        let said = Arc::new(Mutex::new(String::new()));
        tokio::spawn(keep(errors, Arc::clone(&said)));

        // The number stands where the version does.
        let greeting = Packet::new().finish(INIT, 3);
        let greeted = async {
            input.write_all(&greeting).await.ok()?;
            input.flush().await.ok()?;
            packet(&mut output).await
        };
        let greeted = tokio::time::timeout(stall, greeted).await.map_err(|_| SessionFault::Stalled(stall))?;
        match greeted {
            Some((VERSION, body))
                if body.get(..4).is_some_and(|version| version >= [0, 0, 0, 3].as_slice()) => {}
            Some(_) => return Err(SessionFault::NotSftp),
            None => return Err(ended(&said).await),
        }

        let waiting = Waiting::default();
        let (to_write, mut queue) = mpsc::channel::<Bytes>(QUEUE);
        let progress = Progress::begin();
        let written = progress.clone();
        tokio::spawn(async move {
            while let Some(mut packet) = queue.recv().await {
                while !packet.is_empty() {
                    match input.write(&packet).await {
                        Ok(bytes @ 1..) => packet = packet.slice(bytes..),
                        _ => return,
                    }
                    written.note();
                }
            }
        });
        tokio::spawn({
            let (waiting, read) = (Arc::clone(&waiting), progress.clone());
            async move {
                while let Some((kind, mut body)) = packet(&mut output).await {
                    read.note();
                    if body.len() < 4 {
                        break;
                    }
                    let id = bytes::Buf::get_u32(&mut body);
                    let waiter = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                    if let Some(waiter) = waiter {
                        // Whoever asked may have gone away.
                        drop(waiter.send((kind, body)));
                    }
                }
                // Everybody still waiting learns that the session ended.
                waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
        });
        Ok(Self { _child: child, to_write, waiting, next: AtomicU32::new(1), said, stall, progress })
    }

    /// Sends a request, and gives the kind and body of its answer.
    pub(super) async fn ask(&self, kind: u8, packet: Packet) -> Result<(u8, Bytes), SessionFault> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        let asked = async {
            self.to_write.send(packet.finish(kind, id)).await.ok()?;
            receiver.await.ok()
        };
        // Packets of others may be in front: as long as something moves, this one's turn comes.
        match self.progress.watch(self.stall, asked).await {
            Some(Some(answer)) => Ok(answer),
            Some(None) => Err(ended(&self.said).await),
            None => Err(SessionFault::Stalled(self.stall)),
        }
    }

    /// Whether ssh is still there, as far as is known.
    pub(super) fn is_alive(&self) -> bool {
        !self.to_write.is_closed()
    }
}

/// Why ssh ended, in its own words; they come a moment after its output closes.
async fn ended(said: &Mutex<String>) -> SessionFault {
    tokio::time::sleep(Duration::from_millis(50)).await;
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    SessionFault::Ended(last.trim().to_owned())
}

/// Reads one packet: its kind, and its body with the number of the request in front.
async fn packet(output: &mut ChildStdout) -> Option<(u8, Bytes)> {
    let length = usize::try_from(output.read_u32().await.ok()?).ok()?;
    if !(1..=MOST_PACKET_BYTES).contains(&length) {
        return None;
    }
    let kind = output.read_u8().await.ok()?;
    let mut body = vec![0; length - 1];
    output.read_exact(&mut body).await.ok()?;
    Some((kind, body.into()))
}

/// Keeps the last of what ssh says about itself.
async fn keep(mut errors: ChildStderr, said: Arc<Mutex<String>>) {
    let mut piece = [0; 1024];
    while let Ok(read @ 1..) = errors.read(&mut piece).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.push_str(&String::from_utf8_lossy(piece.get(..read).unwrap_or_default()));
        let too_much = said.len().saturating_sub(MOST_SAID_BYTES);
        let from = said.ceil_char_boundary(too_much);
        said.drain(..from);
    }
}
