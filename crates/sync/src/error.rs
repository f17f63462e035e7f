//! What ends a sync. What only concerns one object is a [`Problem`](crate::Problem), and the sync goes on.

use safelight_catalog::CatalogError;
use safelight_crypto::{CryptoError, DeviceId};
use safelight_model::{ModelError, PlaceId};
use safelight_store::StoreError;

/// Why a sync, a verification or a join stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// A database of this device.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A place: the remote, or the library folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sealing, opening, signing.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// Encoding history.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A place offers less than it did: it was restored, or somebody hides what came later. Nothing was changed.
    #[error("{place} has gone back: segment {seq} of device {device} was there and is not any more")]
    RolledBack {
        /// The place.
        place: String,
        /// Whose segment is gone.
        device: DeviceId,
        /// Its number.
        seq: u32,
    },
    /// A place has another id than it had: it was exchanged, or went back. Nothing was changed.
    #[error("{place} is another place than before: its id is {found} and was {known}")]
    AnotherPlace {
        /// The place.
        place: String,
        /// The id that it had.
        known: PlaceId,
        /// The id that rests there now.
        found: PlaceId,
    },
    /// Another library rests in a place, and this one does not: each needs a place of its own. Nothing was changed.
    #[error("{place} holds another library")]
    AnotherLibrary {
        /// The place.
        place: String,
    },
    /// Two remotes of this device have the id of one place: one of them is a copy of the other.
    #[error(
        "{place} carries the id of another remote of this device: it is a copy of that place, or the same place again"
    )]
    CopiedPlace {
        /// The place.
        place: String,
    },
    /// A place that held the library holds nothing of it any more. Nothing was changed.
    #[error("{place} is empty: it held this library, and nothing of it is there any more")]
    Emptied {
        /// The place.
        place: String,
    },
    /// The history of this library names no device, not even its birth.
    #[error("{place} does not hold the beginning of this library's history")]
    NoBirth {
        /// The place.
        place: String,
    },
    /// These recovery words have no library in this place.
    #[error("{place} holds no library of these recovery words")]
    NoLibrary {
        /// The place.
        place: String,
    },
    /// These recovery words were in force, and others are: they open nothing that came later.
    #[error(
        "these recovery words were replaced by others on {day}: what came into {place} since then opens with the newer ones only"
    )]
    WordsReplaced {
        /// The place.
        place: String,
        /// The day on which others were put in force, by the clock of who did so: `2026-05-14`.
        day: String,
    },
    /// No place that was asked holds this.
    #[error("no place that was asked holds {object}")]
    NotHeld {
        /// What was asked for.
        object: String,
    },
    /// The query of a policy cannot be understood: a newer version wrote it.
    #[error("the policy cannot be understood:\n{reason}")]
    Policy {
        /// Why, with a mark under the word.
        reason: String,
    },
    /// A place holds this in its archive tier: a state that a thaw ends.
    #[error("{object} is archived in {place} and must be thawed first")]
    Archived {
        /// What was asked for.
        object: String,
        /// The place.
        place: String,
    },
    /// What must be right before anything is believed is not.
    #[error("{object} in {place} cannot be believed: {reason}")]
    Unbelievable {
        /// The object.
        object: String,
        /// The place.
        place: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// A statement demands what this version does not know; it may not write.
    #[error("this library needs a newer version of Safelight: {feature}")]
    NeedsNewerVersion {
        /// What is demanded.
        feature: String,
    },
    /// Keys could not be kept on this device.
    #[error("keys that arrived could not be stored: {reason}")]
    Keys {
        /// Why.
        reason: String,
    },
    /// This device was away from a place for long, or its clock went backwards: it comes back by a sync.
    #[error("this device was away from {place} for long; it must sync there first")]
    Away {
        /// The place.
        place: String,
    },
    /// The credential of a place may not delete: collecting needs that.
    #[error("the credential of {place} may not delete objects")]
    MayNotDelete {
        /// The place.
        place: String,
    },
    /// Other devices of the same name kept publishing first.
    #[error("{place} is busy: other copies of this device publish faster; try again")]
    Overtaken {
        /// The place.
        place: String,
    },
    /// A pairing came to nothing.
    #[error(transparent)]
    Pairing(crate::pairing::PairingRefusal),
    /// The user asked to stop. Everything that was acknowledged is recorded.
    #[error("interrupted")]
    Stopped,
}

/// The crate's result.
pub type Result<T, E = SyncError> = std::result::Result<T, E>;

impl SyncError {
    /// Whether the place has lost or hides what it had: an alarm, not a failure that passes.
    #[must_use]
    pub fn is_rollback(&self) -> bool {
        matches!(
            self,
            Self::RolledBack { .. }
                | Self::Emptied { .. }
                | Self::AnotherPlace { .. }
                | Self::AnotherLibrary { .. }
        )
    }

    /// Whether this is about one object only, so that going on with others makes sense.
    #[must_use]
    pub fn concerns_one_original(&self) -> bool {
        matches!(self, Self::NotHeld { .. } | Self::Archived { .. } | Self::Unbelievable { .. })
    }

    /// Whether the same sync may succeed later without anybody doing something about it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Overtaken { .. } | Self::Stopped => true,
            _ => false,
        }
    }
}
