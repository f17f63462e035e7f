//! Pairing: a device lets a new one in by a one-time code, through any place that both reach, or over the local network
//! beside it.
//!
//! Nobody waits in here: each step looks once, and whoever drives it decides when to look again. Invariant: a device is
//! admitted only after an ask opened under the code, and after the driver said that both screens show the same words; one
//! pairing admits at most one device, within its time, as the clock of the device that invites tells it.
//!
//! What rests below `pair/` is sealed under the code, which is good for one pairing, and the welcome under the new device's
//! key. Where a place cannot delete, the card that says how the pairing ended stands beside the offer, and shuts it.
//!
//! Specified in sl1 §1.14.

mod accept;
mod admission;
mod carrier;
mod invite;
mod lan;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use accept::{Asking, FoundInvitation, answer_invitation, find_invitation};
pub use admission::Admitted;
use bytes::Bytes;
pub use carrier::Carrier;
pub use invite::{Asked, Invitation, Looked, PAIRING_MILLIS};
pub use lan::{Board, LAN_LABEL, LanCarrier, is_local, serve_board};
use safelight_crypto::{Closing, DeviceId, PairingId};
use safelight_store::{Area, ObjectInfo, ObjectPath, SealedRemote, StoreError};

use crate::error::{Result, SyncError};
use crate::keys::path_of;

/// More than any message of a pairing has.
const MESSAGE_BYTES: u64 = 64 << 10;
/// After this time nothing of a pairing is of use to anybody.
const LEFT_OVER: Duration = Duration::from_secs(86_400);

/// Why a pairing came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairingRefusal {
    /// Nobody invited in this place.
    #[error("{place} holds no invitation")]
    NoInvitation {
        /// The place.
        place: String,
    },
    /// Nobody on this network has an invitation of that code.
    #[error("no device on this network invites with this code")]
    NobodyNear,
    /// No invitation opens with the code.
    #[error(
        "no invitation in {place} opens with this code: it is that of another one, or somebody exchanged the card"
    )]
    WrongCode {
        /// The place.
        place: String,
    },
    /// The code let a device in already.
    #[error("this code was used already; it is good for one device")]
    Used,
    /// Three asks did not open.
    #[error("the invitation was closed after three tries with wrong codes")]
    TooManyTries,
    /// The time is over.
    #[error("the invitation has expired")]
    Expired,
    /// Whoever invited gave up, or said that the words differ.
    #[error("the invitation was called off on the device that invited")]
    CalledOff,
    /// What this device wrote is not what rests there.
    #[error("{object} in {place} was exchanged: somebody else who may write there meddles with the pairing")]
    Exchanged {
        /// The message.
        object: String,
        /// The place.
        place: String,
    },
    /// A message that opens, and was not written for this pairing by who should have.
    #[error("{object} in {place} is no answer to this device: {reason}")]
    NotForUs {
        /// The message.
        object: String,
        /// The place.
        place: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// Nobody answered until the end.
    #[error("the device that invited did not answer in time")]
    NoAnswer,
    /// The device that invites was retired or revoked.
    #[error("device {device}, which invited, does not belong to the library any more")]
    InviterLeft {
        /// The device.
        device: DeviceId,
    },
    /// A person said so.
    #[error("the two screens show different words: the devices do not speak with each other alone")]
    WordsDiffer,
    /// No statement that counts admits this device.
    #[error("no device that belongs to the library has let this one in")]
    NotAdmitted,
}

/// A message or file of a place that was not written for this pairing by who should have.
pub(crate) fn not_for_us(place: &str, object: String, reason: String) -> SyncError {
    PairingRefusal::NotForUs { object, place: place.to_owned(), reason }.into()
}

impl From<PairingRefusal> for SyncError {
    fn from(refusal: PairingRefusal) -> Self {
        Self::Pairing(refusal)
    }
}

impl From<Closing> for PairingRefusal {
    fn from(closing: Closing) -> Self {
        match closing {
            Closing::Used => Self::Used,
            Closing::TooManyTries => Self::TooManyTries,
            Closing::Expired => Self::Expired,
            Closing::CalledOff => Self::CalledOff,
        }
    }
}

/// What rests under a name; nothing where nothing does. What is too large was not written by us.
async fn get(store: &SealedRemote, name: &str) -> Result<Option<Bytes>> {
    match store.get(&path_of(name)?, MESSAGE_BYTES).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(StoreError::TooLarge { .. }) => Ok(Some(Bytes::new())),
        Err(error) => Err(error.into()),
    }
}

/// Puts a message under a name that was drawn for it: what is there already is ours, after a reply that was lost.
async fn put_new(store: &SealedRemote, name: &str, sealed: safelight_crypto::Sealed) -> Result<()> {
    match store.put(&path_of(name)?, &sealed.into(), None).await {
        Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Everything below `pair/` with the pairing that it is of.
async fn listed(store: &SealedRemote) -> Result<Vec<(PairingId, ObjectPath, ObjectInfo)>> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(Area::Pairing, after.as_ref()).await?;
        for object in page.objects {
            let Ok(path) = ObjectPath::parse(object.key.as_str()) else { continue };
            if let Some(id) = path.as_str().split('/').nth(1).and_then(|id| id.parse().ok()) {
                found.push((id, path, object));
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

/// Removes what earlier pairings left, where the credential may: after a day a code is good for nothing.
async fn clear_left_over(store: &SealedRemote, now_millis: u64) -> Result<()> {
    let now: SystemTime = UNIX_EPOCH + Duration::from_millis(now_millis);
    for (_, path, object) in listed(store).await? {
        let age = object.modified.and_then(|written| now.duration_since(written).ok());
        if age.is_some_and(|age| age > LEFT_OVER) {
            remove(store, &path).await?;
        }
    }
    Ok(())
}

/// Removes an object of a pairing; one that may not be removed is of no use to anybody.
async fn remove(store: &SealedRemote, path: &ObjectPath) -> Result<()> {
    match store.delete(path).await {
        Ok(())
        | Err(
            StoreError::NotFound { .. }
            | StoreError::Denied { .. }
            | StoreError::Unsupported { .. }
            | StoreError::Refused { .. },
        ) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
