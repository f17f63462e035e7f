//! What is wrong with single objects of a place: named, counted, and survived.

use safelight_crypto::{DeviceId, EpochId};
use safelight_model::history::Tip;
use safelight_model::{SegmentRoot, SegmentSeq};

use crate::error::Result;
use crate::here::Here;

/// Something that a person should know and that did not end the sync.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// An object of the place is not what it should be; it is tried again next time.
    #[error("{object} is damaged: {reason}")]
    Damaged {
        /// Its full name.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An object should be there and is not.
    #[error("{object} is missing")]
    Missing {
        /// Its full name.
        object: String,
    },
    /// An original that could not be sent this time.
    #[error("{object} was not sent: {reason}; the next sync tries it again")]
    NotSent {
        /// The file that it was imported from.
        object: String,
        /// What kept it from going.
        reason: String,
    },
    /// A pack that history knows is not in the place that was asked, and nobody said that it is.
    #[error("{object} is not in this place: it rests in another one, or is lost")]
    NotThere {
        /// Its full name.
        object: String,
    },
    /// An object was damaged or missing and is whole again.
    #[error("{object} was {was} and is whole again")]
    Repaired {
        /// Its full name.
        object: String,
        /// What it was.
        was: &'static str,
    },
    /// An own segment was damaged or missing before anybody had read it: what it and those behind it say goes out in new
    /// ones.
    #[error("{object} was missing or damaged before it was sent: what it says goes out in another segment")]
    Rewritten {
        /// Its full name.
        object: String,
    },
    /// A marked object that this device still needs, and could not copy: it acknowledges the mark later.
    #[error("{object} is to leave, but is still needed here: connect its place, or fetch it")]
    Needed {
        /// Its full name.
        object: String,
    },
    /// An object that was found missing or damaged, which is not here, and which nobody put again yet.
    #[error(
        "{object} was found missing or damaged and is not on this device: the device that holds it sends it again"
    )]
    Lost {
        /// Its full name.
        object: String,
    },
    /// A keys file of another device that is missing or damaged, and of which nothing is here.
    #[error(
        "{object} is missing or damaged, and only device {device}, which it is for, has it: that device puts it there again with a sync within a day, or at once with safelight verify --remote"
    )]
    OwedByAnother {
        /// Its full name.
        object: String,
        /// Whose it is.
        device: DeviceId,
    },
    /// The hint of how far a device wrote opens for nobody.
    #[error(
        "{object} is damaged: it only says how far device {device} wrote, which writes it anew with its next change; nothing is lost"
    )]
    HurtHint {
        /// Its full name.
        object: String,
        /// Whose it is.
        device: DeviceId,
    },
    /// A place says that it deleted an object, and shows it still.
    #[error("{object} is still there, although its deletion was reported done")]
    NotDeleted {
        /// Its full name.
        object: String,
    },
    /// An object that nothing speaks of; it is left alone.
    #[error("{object} is not known to belong here")]
    Stranger {
        /// Its name.
        object: String,
    },
    /// Others have read a segment that the place does not show.
    #[error(
        "log/{device}/{seq:010} is withheld or late: {named_by} knows of it; it comes with a later sync, from another place or from a device that has it"
    )]
    Withheld {
        /// Whose segment.
        device: DeviceId,
        /// Its number.
        seq: u32,
        /// How far others have read.
        until: Tip,
        /// Who has read it.
        named_by: String,
    },
    /// A device has two different segments of one number.
    #[error(
        "device {device} has two different segments {seq}: a copy of it goes on by itself, and what it said before is not here yet"
    )]
    Forked {
        /// The device.
        device: DeviceId,
        /// The number.
        seq: u32,
        /// The segment that is not here yet, where it is known which.
        missing: Option<SegmentRoot>,
    },
    /// A chain forked, and a segment of the branch that is not followed here was taken in all the same.
    #[error(
        "device {device} was copied or restored, and both copies published a segment {seq}: both are kept, nothing is lost"
    )]
    BranchKept {
        /// The device.
        device: DeviceId,
        /// The number.
        seq: u32,
    },
    /// This device found out that a copy of it went on by itself, and has a new name since.
    #[error(
        "a copy of this device went on by itself from segment {seq} on: this one goes on as device {new} (it was {old})"
    )]
    WentOnAs {
        /// Whose name both had.
        old: DeviceId,
        /// Its name now.
        new: DeviceId,
        /// The first segment that both wrote.
        seq: u32,
    },
    /// What is left of a segment of a forked chain, which nobody can read. It is said once.
    #[error(
        "{object} cannot be read: {reason}. A copy of device {device} wrote it before it went on under another name: what it says comes in the chain of that name, and is lost if that copy is gone. There is nothing to do; this is not said again, except by safelight verify --remote and status"
    )]
    Leftover {
        /// Its full name.
        object: String,
        /// Whose it is.
        device: DeviceId,
        /// What is wrong with it.
        reason: String,
    },
    /// A device that was retired or revoked went on; its later segments are not taken in.
    #[error(
        "segment {seq} of device {device} came after the device was revoked or retired: it is not taken in, nor what follows it"
    )]
    Quarantined {
        /// The device.
        device: DeviceId,
        /// The segment's number.
        seq: u32,
    },
    /// Another device took so much at once that nothing is let go here until a person has looked.
    #[error(
        "device {device} trashed, removed or replaced {lost} of {known} photos within a day: nothing leaves this device or its remotes until you have looked; safelight brake says more"
    )]
    Braked {
        /// The device.
        device: DeviceId,
        /// How many photos.
        lost: u64,
        /// How many there were.
        known: u64,
    },
    /// Somebody put other recovery words in force.
    #[error(
        "the recovery words were replaced on {day}: the older ones open nothing that is newer; keep the new ones where they were, and see whether they are right: safelight key recovery test"
    )]
    WordsReplaced {
        /// When: `2026-05-14`.
        day: String,
    },
    /// The recovery words that this device put in force do not count, because another device was earlier.
    #[error(
        "the recovery words that were made on this device do not count: another device replaced them before, on {day}; destroy those from here and keep the others"
    )]
    WordsDoNotCount {
        /// When the other device did: `2026-05-14`.
        day: String,
    },
    /// What was forgotten is still in a place.
    #[error("{place} may still hold what was forgotten: {reason}; the next sync tries it again")]
    NotForgotten {
        /// The place.
        place: String,
        /// What keeps it there.
        reason: String,
    },
    /// Segments of a device that no statement admits.
    #[error("no statement admits device {device}; its history is not read")]
    Unadmitted {
        /// The device.
        device: DeviceId,
    },
    /// Something is sealed under an epoch whose secret this device was not given.
    #[error(
        "{object} is sealed under epoch {epoch}, for which this device has no key: it comes with a later sync, or this device does not belong to the library any more"
    )]
    NoKey {
        /// The object.
        object: String,
        /// The epoch.
        epoch: EpochId,
    },
    /// The checkpoint that this device began with says something else than history.
    #[error(
        "the checkpoint of device {signer} says something else than the history about {things} things; history is \
         right: safelight doctor --fix catalog makes the catalogue anew from it"
    )]
    WrongCheckpoint {
        /// Who signed it.
        signer: DeviceId,
        /// About how many things.
        things: u64,
    },
    /// Part of a segment cannot be read; the rest of it stands.
    #[error("{object}: {reason}")]
    Unreadable {
        /// The segment.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Problem {
    /// Whether it only says that something is not here yet, which another place may bring.
    #[must_use]
    pub fn may_be_late(&self) -> bool {
        matches!(
            self,
            Self::Withheld { .. } | Self::Forked { missing: Some(_), .. } | Self::Unadmitted { .. }
        )
    }

    /// Whether what was not here yet came meanwhile, from whatever place.
    ///
    /// # Errors
    /// Those of the database.
    pub fn has_come(&self, here: &Here<'_>) -> Result<bool> {
        Ok(match self {
            Self::Withheld { device, until, .. } => {
                here.catalog.tip(*device)?.seq >= until.seq || here.catalog.is_carried(*device, *until)?
            }
            Self::Forked { device, seq, missing: Some(root) } => {
                let tip = Tip { seq: SegmentSeq(*seq), root: *root };
                here.catalog.segment_root(*device, tip.seq)? == Some(tip.root)
                    || here.catalog.is_carried(*device, tip)?
            }
            Self::Unadmitted { device } => here.key_of(device)?.is_some(),
            _ => false,
        })
    }
}

/// Who is told how a sync goes, while it goes.
pub trait Monitor {
    /// Something is wrong with one object.
    fn problem(&self, problem: &Problem) {
        tracing::warn!(%problem, "sync");
    }

    /// An object was transferred.
    fn advance(&self, transfer: Transfer, bytes: u64) {
        tracing::trace!(?transfer, bytes, "sync");
    }
}

/// What was transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transfer {
    /// A segment that was put.
    SegmentSent,
    /// A segment that was taken in.
    SegmentTaken,
    /// A part of an original that was put.
    PartSent,
    /// A part of an original that was fetched and opened.
    PartFetched,
    /// A pack that was put.
    PackSent,
    /// A pack that was fetched and opened.
    PackFetched,
    /// A page of a checkpoint that was taken in.
    PageTaken,
    /// An object that was verified.
    Verified,
    /// An object that was deleted.
    Deleted,
}

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Monitor for Silent {}
