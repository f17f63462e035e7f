//! Coming in by a code: the side of the new device, through a place that it was told of, or over the local network, where
//! it is told of one.

use std::fmt;
use std::time::{Duration, Instant};

use safelight_crypto::{InboxWelcome, OsEntropy, PairingCode, PairingPlace, Welcome};
use safelight_store::{Capabilities, RemoteAddress, RemoteCredential, SealedRemote};
use safelight_sync::{
    Asking, Carrier, Joining, LanCarrier, PairingRefusal, SyncError, answer_invitation, find_library_as,
};
use tokio::runtime::Runtime;

use super::asking_near::ask_near;
use super::at::{Connected, Surroundings, connect_to, parse_address};
use super::keeper::Keeper;
use super::lan::LanAddress;
use super::pairing::{PairingTalk, pause};
use crate::effects::now_stamp_millis;
use crate::error::{LibraryError, Result};
use crate::monitor::Monitor;

/// How long a device near by that has answered once may be out of reach.
const MOST_SILENT: Duration = Duration::from_secs(30);

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

/// Asks to be let in, and waits until the device is; then finds what its keys open. In between somebody may be asked what
/// opens the place, and may have to sign in there, which drives a runtime of its own: so none is at work then.
pub(super) fn come_in(
    runtime: &Runtime,
    way: &Way<'_>,
    by: &CodeToJoin<'_>,
) -> Result<(Entered, Joining, Asking, Welcome)> {
    let (met, welcome, places) = runtime.block_on(async {
        let met = Met::on(way, by).await?;
        let carrier = met.carrier();
        let look = async || met.asking.be_welcomed(carrier, now_stamp_millis()).await;
        let welcome = met.until(way.monitor, look).await?;
        let places = met.learn_places(way.monitor).await?;
        Ok::<_, LibraryError>((met, welcome, places))
    })?;
    let is_near = met.is_near();
    let (entered, asking) = met.enter(runtime, way, by, (&places, &welcome.storage))?;
    let found = runtime.block_on(find_library_as(&entered.store, &asking, &welcome));
    let joining = found.map_err(|error| match error.into() {
        error if is_near => let_in_only(&entered.address.to_string(), error),
        error => error,
    })?;
    Ok((entered, joining, asking, welcome))
}

/// Asks to be let in as a device that may only upload, and waits until it is. As above, no runtime may be at work.
pub(crate) fn come_in_to_upload(
    runtime: &Runtime,
    way: &Way<'_>,
    by: &CodeToJoin<'_>,
) -> Result<(Entered, Asking, InboxWelcome)> {
    let (met, welcome, places) = runtime.block_on(async {
        let met = Met::on(way, by).await?;
        let carrier = met.carrier();
        let look = async || met.asking.be_let_upload(carrier, now_stamp_millis()).await;
        let welcome = met.until(way.monitor, look).await?;
        let places = met.learn_places(way.monitor).await?;
        Ok::<_, LibraryError>((met, welcome, places))
    })?;
    let (entered, asking) = met.enter(runtime, way, by, (&places, &welcome.storage))?;
    Ok((entered, asking, welcome))
}

/// The device belongs to the library already, and does not get any further.
fn let_in_only(address: &str, source: LibraryError) -> LibraryError {
    LibraryError::LetInOnly { address: address.to_owned(), source: Box::new(source) }
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

    /// Looks again and again until there is an answer, or somebody stops it. A device near by may be out of reach for a
    /// moment; one that stays so answers no more.
    async fn until<T>(
        &self,
        monitor: &dyn Monitor,
        look: impl AsyncFn() -> std::result::Result<Option<T>, SyncError>,
    ) -> Result<T> {
        let mut silent: Option<Instant> = None;
        loop {
            match look().await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => silent = None,
                Err(SyncError::Store(error)) if self.is_near() && error.is_network() => {
                    let since = *silent.get_or_insert_with(Instant::now);
                    let is_over = now_stamp_millis() >= self.asking.offer().expires_millis;
                    if is_over || since.elapsed() >= MOST_SILENT {
                        tracing::debug!(%error, "the device that invited is gone");
                        return Err(SyncError::from(PairingRefusal::NoAnswer).into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
            if !pause(monitor).await {
                return Err(LibraryError::Cancelled);
            }
        }
    }

    /// The places that a device is told of that met the other one near by; none elsewhere.
    async fn learn_places(&self, monitor: &dyn Monitor) -> Result<Vec<PairingPlace>> {
        if !self.is_near() {
            return Ok(Vec::new());
        }
        let look = async || self.asking.learn_places(self.carrier(), now_stamp_millis()).await;
        self.until(monitor, look).await
    }

    /// Goes to the place that the device was let into: the one where they met, or the first that it was told of.
    fn enter(
        self,
        runtime: &Runtime,
        way: &Way<'_>,
        by: &CodeToJoin<'_>,
        (places, lent): (&[PairingPlace], &[u8]),
    ) -> Result<(Entered, Asking)> {
        let asking = self.asking;
        if let At::Place(entered) = self.at {
            return Ok((*entered, asking));
        }
        by.talk.learned(places);
        let first: &PairingPlace = places.first().ok_or_else(|| LibraryError::Damaged {
            object: "what the invitation told".into(),
            reason: "it names no place".into(),
        })?;
        let enter = || {
            let credential = match (lent, way.credential) {
                ([], Some(given)) => Some(given.clone()),
                ([], None) => by.talk.credential(&first.address)?,
                (lent, _) => Some(lent_credential(lent)?),
            };
            runtime.block_on(Entered::connect(&first.address, credential, way.surroundings))
        };
        Ok((enter().map_err(|error| let_in_only(&first.address, error))?, asking))
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
