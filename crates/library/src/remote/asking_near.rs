//! Looking for the device that invites among all that may say on the local network that they are it.
//!
//! Anybody there may announce the name, answer, hang on, or pass on what another says. Invariant: nobody of them is waited
//! for alone, and only an invitation that opens under the code is answered.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use safelight_crypto::OsEntropy;
use safelight_sync::{Asking, FoundInvitation, LanCarrier, PairingRefusal, SyncError, find_invitation};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::coming::CodeToJoin;
use super::lan::LanAddress;
use super::multicast::Looking;
use crate::effects::now_stamp_millis;
use crate::error::{LibraryError, Result};
use crate::monitor::Monitor;

/// How long a device that invites is looked for.
const MOST_LOOKING: Duration = Duration::from_secs(20);
/// How long one address may take to answer.
const MOST_ANSWERING: Duration = Duration::from_secs(5);
/// How many addresses are asked at a time.
const AT_A_TIME: usize = 64;
/// How often somebody's wish to stop, and what is found meanwhile, is looked for.
const LISTEN: Duration = Duration::from_millis(100);

/// Looks for the device that invites on the local network, and asks it. Whoever has no invitation that opens is passed over,
/// and named if nobody else has one.
pub(super) async fn ask_near(
    address: &LanAddress,
    by: &CodeToJoin<'_>,
    monitor: &dyn Monitor,
) -> Result<(Asking, LanCarrier)> {
    let until = Instant::now() + MOST_LOOKING;
    let mut search = Search::new(by);
    if let LanAddress::At(host) = address {
        search.waiting.extend(LanAddress::resolve(host).await?);
        return search.run(|| None, until, monitor).await;
    }
    by.talk.looks_near();
    match Looking::start(&by.code.local_name()) {
        Ok(mut looking) => search.run(|| Some(looking.found()), until, monitor).await,
        Err(error) => {
            tracing::debug!(%error, "the local network cannot be listened to");
            Err(search.refusal())
        }
    }
}

/// Addresses that wait to be asked, those that are asked now, and what came of the others.
struct Search<'a> {
    by: &'a CodeToJoin<'a>,
    waiting: VecDeque<SocketAddr>,
    asked: JoinSet<(LanCarrier, std::result::Result<FoundInvitation, SyncError>)>,
    refusal: Option<SyncError>,
}

impl<'a> Search<'a> {
    fn new(by: &'a CodeToJoin<'a>) -> Self {
        Self { by, waiting: VecDeque::new(), asked: JoinSet::new(), refusal: None }
    }

    /// Asks what waits and what `more` finds, until one has the invitation, time is over, or all were asked where `more` says
    /// that nothing more comes.
    async fn run(
        mut self,
        mut more: impl FnMut() -> Option<Vec<SocketAddr>>,
        until: Instant,
        monitor: &dyn Monitor,
    ) -> Result<(Asking, LanCarrier)> {
        loop {
            let found = more();
            let is_all = found.is_none();
            self.waiting.extend(found.unwrap_or_default());
            self.ask_some();
            if is_all && self.asked.is_empty() || Instant::now() >= until {
                return Err(self.refusal());
            }
            if monitor.cancelled() {
                return Err(LibraryError::Cancelled);
            }
            match timeout(LISTEN, self.asked.join_next()).await {
                Ok(Some(Ok((near, found)))) => {
                    if let Some(asking) = self.answer(&near, found).await? {
                        return Ok((asking, near));
                    }
                }
                Ok(None) => sleep(LISTEN).await,
                Ok(Some(Err(_))) | Err(_) => {}
            }
        }
    }

    fn ask_some(&mut self) {
        while self.asked.len() < AT_A_TIME
            && let Some(address) = self.waiting.pop_front()
        {
            let (near, code) = (LanCarrier::new(address), self.by.code.clone());
            self.asked.spawn(async move {
                let found = timeout(MOST_ANSWERING, find_invitation(&near, &code, now_stamp_millis())).await;
                let found = found.unwrap_or_else(|_| Err(near.silence()));
                (near, found)
            });
        }
    }

    /// Answers what one address has: one after the other, for a device with two addresses hears one ask only. How the
    /// invitation of the code ended is an error; that there is none of it here is not yet.
    async fn answer(
        &mut self,
        near: &LanCarrier,
        found: std::result::Result<FoundInvitation, SyncError>,
    ) -> Result<Option<Asking>> {
        let answered = match found {
            Ok(found) => {
                let mut entropy = OsEntropy;
                let answer = found.answer(near, self.by.device_name, &mut entropy);
                timeout(MOST_ANSWERING, answer).await.unwrap_or_else(|_| Err(near.silence()))
            }
            Err(error) => Err(error),
        };
        match answered {
            Ok(asking) => Ok(Some(asking)),
            Err(
                error @ SyncError::Pairing(
                    PairingRefusal::NoInvitation { .. } | PairingRefusal::WrongCode { .. },
                ),
            ) => {
                self.refusal = Some(error);
                Ok(None)
            }
            Err(error @ SyncError::Store(_)) => {
                self.refusal.get_or_insert(error);
                Ok(None)
            }
            Err(ended) => Err(ended.into()),
        }
    }

    fn refusal(self) -> LibraryError {
        self.refusal.unwrap_or_else(|| PairingRefusal::NobodyNear.into()).into()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;

    use safelight_crypto::{Closing, PairingCode, PairingId, PairingKey, SeededEntropy, names};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::monitor::Unwatched;
    use crate::remote::pairing::PairingTalk;

    struct Nobody;

    impl PairingTalk for Nobody {
        fn is_same(&self, _other: &str, _six_words: &str) -> Result<bool> {
            Ok(false)
        }
    }

    /// A device on this machine whose invitation of that code was used: the one answer that ends a search.
    async fn used(code: &PairingCode, entropy: &mut SeededEntropy) -> SocketAddr {
        let id = PairingId::generate(entropy);
        let key = PairingKey::derive(code, id);
        let closed = Closing::Used.seal(&key, entropy).expect("seals").as_bytes().to_vec();
        let name = names::pairing_closed(&id).into_bytes();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut begin = [0; 11];
                let _read = stream.read_exact(&mut begin).await;
                let content = if begin[6] == 1 { &name } else { &closed };
                let length = u32::try_from(content.len()).unwrap_or_default().to_be_bytes();
                let answer = [b"SLLN\0\x01\0".as_slice(), &length, content].concat();
                let _written = stream.write_all(&answer).await;
                let _rest = stream.read_to_end(&mut Vec::new()).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn addresses_that_hang_keep_nobody_from_the_one_that_has_the_invitation_and_are_named() {
        let mut entropy = SeededEntropy::new(31);
        let code = PairingCode::generate(&mut entropy);
        let by = CodeToJoin { code: &code, device_name: "Phone", talk: &Nobody };
        // Connections to these are taken by the system, and answered by nobody.
        let hang: Vec<TcpListener> =
            (0..40).map(|_| TcpListener::bind("127.0.0.1:0").expect("listens")).collect();
        let mut all: Vec<SocketAddr> =
            hang.iter().map(|listener| listener.local_addr().expect("an address")).collect();
        let until = || Instant::now() + Duration::from_secs(8);
        let mut search = Search::new(&by);
        search.waiting.extend(&all[..1]);
        let silent = search.run(|| None, until(), &Unwatched).await.expect_err("it hangs").to_string();
        assert!(silent.contains(&all[0].to_string()), "{silent}");
        all.push(used(&code, &mut entropy).await);
        let (mut search, before) = (Search::new(&by), Instant::now());
        search.waiting.extend(all);
        let ended = search.run(|| None, until(), &Unwatched).await.expect_err("it was used");
        let used = SyncError::from(PairingRefusal::Used).to_string();
        assert_eq!(ended.to_string(), used);
        assert!(before.elapsed() < MOST_ANSWERING, "nobody was waited for");
    }

    #[tokio::test]
    async fn a_search_ends_when_somebody_wants_it() {
        struct Stopped;
        impl Monitor for Stopped {
            fn cancelled(&self) -> bool {
                true
            }
        }
        let code = Arc::new(PairingCode::generate(&mut SeededEntropy::new(32)));
        let by = CodeToJoin { code: &code, device_name: "Phone", talk: &Nobody };
        let hang = TcpListener::bind("127.0.0.1:0").expect("listens");
        let mut search = Search::new(&by);
        search.waiting.push_back(hang.local_addr().expect("an address"));
        let ended = search.run(|| None, Instant::now() + MOST_LOOKING, &Stopped).await;
        assert!(matches!(ended, Err(LibraryError::Cancelled)));
    }
}
