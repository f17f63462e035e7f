//! Coming in by a code: the side of the new device, through a place that it was told of, or over the local network, where
//! it is told of one.

use std::fmt;
use std::time::{Duration, Instant};

use safelight_crypto::{InboxWelcome, OsEntropy, PairingCode, PairingPlace, Welcome};
use safelight_store::{Capabilities, RemoteAddress, RemoteCredential, SealedRemote};
use safelight_sync::{
    Asking, Carrier, Joining, LanCarrier, PairingRefusal, SyncError, answer_invitation, find_library_as,
};

use super::at::{Connected, Surroundings, connect_to, parse_address};
use super::keeper::Keeper;
use super::lan::{LanAddress, Looking};
use super::pairing::{PairingTalk, pause};
use crate::effects::now_stamp_millis;
use crate::error::{LibraryError, Result};
use crate::monitor::Monitor;

/// How long a device that invites is looked for on the local network.
const MOST_LOOKING: Duration = Duration::from_secs(20);
/// How long one address there may take to answer.
const MOST_ANSWERING: Duration = Duration::from_secs(10);

/// The code that a join comes in by, and who is asked.
#[derive(Clone, Copy)]
pub struct CodeToJoin<'a> {
    /// The code.
    pub code: &'a PairingCode,
    /// What the new device shall be called.
    pub device_name: &'a str,
    /// Who is asked whether the words are the same.
    pub talk: &'a dyn PairingTalk,
}

impl fmt::Debug for CodeToJoin<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CodeToJoin").field("device_name", &self.device_name).finish_non_exhaustive()
    }
}

/// Where a new device comes from, and what opens places for it.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    /// A place, `lan:`, or `lan:HOST:PORT`.
    pub(crate) address: &'a str,
    /// What opens the place, if that is known before.
    pub(crate) credential: Option<&'a RemoteCredential>,
    pub(crate) surroundings: &'a Surroundings,
    pub(crate) monitor: &'a dyn Monitor,
}

/// The place that a new device was let into.
pub(crate) struct Entered {
    pub(crate) address: RemoteAddress,
    pub(crate) keeper: Keeper,
    pub(crate) store: SealedRemote,
}

impl Entered {
    /// Connects a place that nothing is known about yet.
    pub(super) async fn connect(
        address: &str,
        credential: Option<RemoteCredential>,
        surroundings: &Surroundings,
    ) -> Result<Self> {
        let (address, keeper) = (parse_address(address)?, Keeper::new(credential));
        let untried = Some(Capabilities::untried());
        let Connected { store, .. } = connect_to(&address, keeper.clone(), surroundings, untried).await?;
        Ok(Self { address, keeper, store })
    }
}

/// Asks to be let in, and waits until the device is; then finds what its keys open.
pub(super) async fn come_in(
    way: &Way<'_>,
    by: &CodeToJoin<'_>,
) -> Result<(Entered, Joining, Asking, Welcome)> {
    let met = Met::on(way, by).await?;
    let carrier = met.carrier();
    let look = async || met.asking.be_welcomed(carrier, now_stamp_millis()).await;
    let welcome = met.until(way.monitor, look).await?;
    let (entered, asking) = met.enter(way, by, &welcome.storage).await?;
    let joining = find_library_as(&entered.store, &asking, &welcome).await?;
    Ok((entered, joining, asking, welcome))
}

/// Asks to be let in as a device that may only upload, and waits until it is.
pub(crate) async fn come_in_to_upload(
    way: &Way<'_>,
    by: &CodeToJoin<'_>,
) -> Result<(Entered, Asking, InboxWelcome)> {
    let met = Met::on(way, by).await?;
    let carrier = met.carrier();
    let look = async || met.asking.be_let_upload(carrier, now_stamp_millis()).await;
    let welcome = met.until(way.monitor, look).await?;
    let (entered, asking) = met.enter(way, by, &welcome.storage).await?;
    Ok((entered, asking, welcome))
}

/// A device that has met the one that invites, and whose person found the six words to be the same.
struct Met {
    asking: Asking,
    at: At,
}

/// Where they met.
enum At {
    Place(Box<Entered>),
    Near(LanCarrier),
}

impl Met {
    /// Answers an invitation, and waits until somebody has compared the six words.
    async fn on(way: &Way<'_>, by: &CodeToJoin<'_>) -> Result<Self> {
        let (asking, at) = match LanAddress::parse(way.address) {
            Some(address) => {
                let (asking, near) = ask_near(&address, by, way.monitor).await?;
                (asking, At::Near(near))
            }
            None => {
                let credential = way.credential.cloned();
                let entered = Entered::connect(way.address, credential, way.surroundings).await?;
                (ask(&entered.store, by).await?, At::Place(Box::new(entered)))
            }
        };
        let met = Self { asking, at };
        let carrier = met.carrier();
        let look = async || met.asking.hear(carrier, now_stamp_millis()).await;
        let heard = met.until(way.monitor, look).await?;
        if by.talk.is_same(met.asking.inviter_name(), &heard)? {
            return Ok(met);
        }
        Err(SyncError::from(PairingRefusal::WordsDiffer).into())
    }

    fn carrier(&self) -> &dyn Carrier {
        match &self.at {
            At::Place(entered) => &entered.store,
            At::Near(near) => near,
        }
    }

    fn is_near(&self) -> bool {
        matches!(self.at, At::Near(_))
    }

    /// Looks again and again until there is an answer, or somebody stops it. A device near by that is gone answers no more.
    async fn until<T>(
        &self,
        monitor: &dyn Monitor,
        look: impl AsyncFn() -> std::result::Result<Option<T>, SyncError>,
    ) -> Result<T> {
        loop {
            match look().await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(SyncError::Store(error)) if self.is_near() && error.is_network() => {
                    tracing::debug!(%error, "the device that invited is gone");
                    return Err(SyncError::from(PairingRefusal::NoAnswer).into());
                }
                Err(error) => return Err(error.into()),
            }
            if !pause(monitor).await {
                return Err(LibraryError::Cancelled);
            }
        }
    }

    /// Goes to the place that the device was let into: the one where they met, or the one that it is told of.
    async fn enter(self, way: &Way<'_>, by: &CodeToJoin<'_>, lent: &[u8]) -> Result<(Entered, Asking)> {
        let carrier = self.carrier();
        let places = if self.is_near() {
            let look = async || self.asking.learn_places(carrier, now_stamp_millis()).await;
            self.until(way.monitor, look).await?
        } else {
            Vec::new()
        };
        let asking = self.asking;
        if let At::Place(entered) = self.at {
            return Ok((*entered, asking));
        }
        by.talk.learned(&places);
        let first: &PairingPlace = places.first().ok_or_else(|| LibraryError::Damaged {
            object: "what the invitation told".into(),
            reason: "it names no place".into(),
        })?;
        let credential = match (lent, way.credential) {
            ([], Some(given)) => Some(given.clone()),
            ([], None) => by.talk.credential(&first.address)?,
            (lent, _) => Some(lent_credential(lent)?),
        };
        Ok((Entered::connect(&first.address, credential, way.surroundings).await?, asking))
    }
}

/// The credential that came with an invitation.
pub(crate) fn lent_credential(bytes: &[u8]) -> Result<RemoteCredential> {
    RemoteCredential::from_bytes(bytes).map_err(|error| LibraryError::Damaged {
        object: "the credential that the invitation gave".to_owned(),
        reason: error.to_string(),
    })
}

async fn ask(carrier: &dyn Carrier, by: &CodeToJoin<'_>) -> Result<Asking> {
    let now = now_stamp_millis();
    Ok(answer_invitation(carrier, by.code, by.device_name, now, &mut OsEntropy).await?)
}

/// Looks for the device that invites on the local network, and asks it. Anybody there may say that he is the one: whoever
/// has no invitation that opens is passed over, and named if nobody else has.
async fn ask_near(
    address: &LanAddress,
    by: &CodeToJoin<'_>,
    monitor: &dyn Monitor,
) -> Result<(Asking, LanCarrier)> {
    let mut tried = Tried::default();
    if let LanAddress::At(host) = address {
        for address in LanAddress::resolve(host).await? {
            if let Some(answered) = tried.ask(LanCarrier::new(address), by).await? {
                return Ok(answered);
            }
        }
        return Err(tried.refusal());
    }
    by.talk.looks_near();
    let mut looking = match Looking::start(&by.code.local_name()) {
        Ok(looking) => looking,
        Err(error) => {
            tracing::debug!(%error, "the local network cannot be listened to");
            return Err(tried.refusal());
        }
    };
    let until = Instant::now() + MOST_LOOKING;
    loop {
        for address in looking.found() {
            if let Some(answered) = tried.ask(LanCarrier::new(address), by).await? {
                return Ok(answered);
            }
        }
        if Instant::now() >= until {
            return Err(tried.refusal());
        }
        if !pause(monitor).await {
            return Err(LibraryError::Cancelled);
        }
    }
}

/// What came of the addresses that were asked so far.
#[derive(Default)]
struct Tried(Option<SyncError>);

impl Tried {
    /// Asks one. How the invitation of the code ended is an error; that there is none of it here is not yet.
    async fn ask(&mut self, near: LanCarrier, by: &CodeToJoin<'_>) -> Result<Option<(Asking, LanCarrier)>> {
        let Ok(asked) = tokio::time::timeout(MOST_ANSWERING, ask(&near, by)).await else { return Ok(None) };
        let error = match asked {
            Ok(asking) => return Ok(Some((asking, near))),
            Err(LibraryError::Sync(error)) => error,
            Err(error) => return Err(error),
        };
        match error {
            SyncError::Pairing(PairingRefusal::NoInvitation { .. } | PairingRefusal::WrongCode { .. }) => {
                self.0 = Some(error);
            }
            SyncError::Store(_) => self.0 = self.0.take().or(Some(error)),
            ended => return Err(ended.into()),
        }
        Ok(None)
    }

    fn refusal(self) -> LibraryError {
        self.0.unwrap_or_else(|| PairingRefusal::NobodyNear.into()).into()
    }
}
