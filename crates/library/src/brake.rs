//! The brake, for people: why nothing is let go on this device, and letting it go on.
//!
//! It is put on by what other devices took at once (`safelight_sync`), and by files of a watched folder that changed at once;
//! what somebody does here at once is asked about before it is done. All of them come through here.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use data_encoding::HEXLOWER;
use safelight_catalog::{BrakeCause, Change, Shelf};
use safelight_model::{AssetId, OpBody};
use safelight_sync::{BrakeLimits, is_braked, taken_from};
use serde::Serialize;

use crate::edit::Made;
use crate::effects::now_millis;
use crate::error::{LibraryError, Result};
use crate::history::shown_time;
use crate::library::Library;

/// Why nothing is let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownBrake {
    /// The name of the device whose history said it, or its id; none where files of a folder changed.
    pub device: Option<String>,
    /// The watched folder whose files changed.
    pub folder: Option<String>,
    /// Since when it is on: `2026-05-14 10:11:12`, UTC.
    pub since: String,
    /// The last moment before it, `2026-05-14T10:11:12.345Z`: `safelight restore --to` goes back there.
    pub before: String,
    /// How many photos were trashed, removed or replaced, or how many files are held back.
    pub lost: u64,
    /// How many there were.
    pub known: u64,
}

/// The brake of this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Brake {
    /// Why it is on; nothing while it is off.
    pub causes: Vec<ShownBrake>,
    /// More than this share of all photos at once puts it on, in percent; 100: never.
    pub share_percent: u64,
    /// So many photos at once never do.
    pub photos: u64,
}

/// What a change would take at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Takes {
    /// How many photos would go into the trash or be replaced.
    pub photos: u64,
    /// How many there are.
    pub known: u64,
    /// How many may go without being asked about.
    pub most: u64,
}

/// What is looked at while a change is made.
pub(crate) struct Watch {
    limits: BrakeLimits,
    known: u64,
}

impl Watch {
    /// Refuses a change that takes too much.
    pub(crate) fn judge(&self, change: &mut Change<'_>, made: Made) -> Result<()> {
        let numbers = made.numbers();
        let ops = u64::try_from(numbers.end() - numbers.start() + 1).unwrap_or(0);
        if self.limits.allow(ops, self.known) {
            return Ok(());
        }
        let mut taken: HashSet<AssetId> = HashSet::new();
        for number in numbers {
            taken.extend(change.op_numbered(number)?.as_ref().and_then(taken_from));
        }
        self.judge_count(taken.len() as u64)
    }

    /// Refuses so many photos, if that is too much.
    pub(crate) fn judge_count(&self, photos: u64) -> Result<()> {
        if self.limits.allow(photos, self.known) {
            return Ok(());
        }
        Err(LibraryError::TakesMuch(Takes { photos, known: self.known, most: self.limits.most(self.known) }))
    }
}

impl Library {
    /// The brake as it stands.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn brake(&self) -> Result<Brake> {
        let (names, limits) = (self.device_names()?, BrakeLimits::of(&self.device)?);
        let time = |millis: i64| shown_time(u64::try_from(millis).unwrap_or(0));
        let shown = |cause: BrakeCause| ShownBrake {
            device: cause.device.map(|device| names.called(device)),
            folder: cause
                .device
                .is_none()
                .then(|| OsStr::from_bytes(&cause.folder).to_string_lossy().into_owned()),
            since: time(cause.since_millis),
            before: moment(cause.before_millis),
            lost: cause.lost,
            known: cause.known,
        };
        let causes = self.device.brake_causes()?.into_iter().map(shown).collect();
        Ok(Brake { causes, share_percent: limits.share_percent, photos: limits.photos })
    }

    /// Lets things go on: what put the brake on counts as looked at, and what is held back of watched folders comes in with the
    /// next import. Answers what it was.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn release_brake(&mut self) -> Result<Brake> {
        self.prepare_to_write()?;
        let brake = self.brake()?;
        if brake.causes.is_empty() {
            return Ok(brake);
        }
        let details = brake.causes.iter().map(|cause| {
            let whose = cause.device.as_ref().or(cause.folder.as_ref()).cloned().unwrap_or_default();
            (whose, format!("{} of {}", cause.lost, cause.known).into())
        });
        let note = OpBody::Note { event: "brake released".into(), details: details.collect() };
        self.record(vec![note])?;
        self.close_segment()?;
        for cause in self.device.brake_causes()?.into_iter().filter(|cause| cause.device.is_none()) {
            self.device.set_setting(&released(&cause.folder), Some(&cause.lost.to_le_bytes()))?;
        }
        self.device.let_brake_go()?;
        Ok(brake)
    }

    /// Says from when on the brake comes on.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] for a share that is none; those of the databases.
    pub fn set_brake(&mut self, share_percent: Option<u64>, photos: Option<u64>) -> Result<Brake> {
        self.folder.require_writable()?;
        let kept = BrakeLimits::of(&self.device)?;
        let limits = BrakeLimits {
            share_percent: share_percent.unwrap_or(kept.share_percent),
            photos: photos.unwrap_or(kept.photos),
        };
        if limits.share_percent > 100 {
            return Err(LibraryError::Refused {
                reason: format!("{} percent is more than all photos", limits.share_percent),
                hint: "a share goes from 0 to 100; 100 switches the brake off".into(),
            });
        }
        limits.keep(&mut self.device)?;
        self.brake()
    }

    /// Does what may take as much as it does: a person was shown how much that is.
    pub fn agreeing<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        self.agreed = true;
        let done = run(self);
        self.agreed = false;
        done
    }

    /// What a change is held to; nothing where somebody agreed.
    pub(crate) fn watch(&self) -> Result<Option<Watch>> {
        if self.agreed {
            return Ok(None);
        }
        let limits = BrakeLimits::of(&self.device)?;
        Ok(Some(Watch { limits, known: self.count_on(Shelf::Shown)? }))
    }

    /// Refuses what would remove bytes while the brake is on.
    pub(crate) fn require_unbraked(&self) -> Result<()> {
        if !is_braked(&self.device)? {
            return Ok(());
        }
        Err(LibraryError::Refused {
            reason: "the brake is on: nothing is removed until somebody has looked".into(),
            hint: "safelight brake says why; safelight brake release lets things go on".into(),
        })
    }

    /// How many files of a folder may change at once.
    pub(crate) fn may_change(&self, folder: &[u8], changed: u64, known: u64) -> Result<bool> {
        let kept = self.device.setting(&released(folder))?;
        let agreed = kept.and_then(|kept| kept.try_into().ok()).map_or(0, u64::from_le_bytes);
        Ok(changed <= agreed || BrakeLimits::of(&self.device)?.allow(changed, known))
    }

    /// Nothing of a folder is held back. Nothing is written where nothing was: most imports find nothing new.
    pub(crate) fn note_all_taken(&mut self, folder: &[u8]) -> Result<()> {
        if self.device.setting(&released(folder))?.is_some() {
            self.device.set_setting(&released(folder), None)?;
        }
        let is_on = |cause: &BrakeCause| cause.device.is_none() && cause.folder == folder;
        if self.device.brake_causes()?.iter().any(is_on) {
            self.device.forget_brake_of_folder(folder)?;
        }
        Ok(())
    }

    /// Puts the brake on for files of a folder that changed at once.
    pub(crate) fn note_held_back(
        &mut self,
        folder: &[u8],
        held: u64,
        known: u64,
        first_changed_millis: i64,
    ) -> Result<()> {
        Ok(self.device.put_brake_on(&BrakeCause {
            device: None,
            folder: folder.to_vec(),
            since_millis: now_millis(),
            before_millis: first_changed_millis.saturating_sub(1),
            lost: held,
            known,
        })?)
    }
}

/// A moment to the millisecond, as [`crate::Moment`] reads it.
fn moment(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// The setting that says how many changed files of a folder somebody let in.
fn released(folder: &[u8]) -> String {
    format!("brake/released/{}", HEXLOWER.encode(folder))
}
