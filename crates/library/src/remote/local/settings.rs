//! This device's own rules: for originals, for the gallery's lock and for how much of the machine is used; and how originals
//! stand.

use std::ops::RangeInclusive;
use std::time::Duration;

use safelight_store::Found;
use safelight_sync::OLDEST_PROOF_MILLIS;
use serde::Serialize;

use crate::error::{LibraryError, Result};
use crate::library::Library;

const BUDGET: &str = "local/budget";
const PROOF_AGE: &str = "local/proof-age";
const ORIGINALS: &str = "local/originals";
const LOCK_AFTER: &str = "local/lock-after";
const WORKERS: &str = "local/workers";

/// What visitors may take where nobody has said otherwise.
const USUAL_BUDGET_BYTES: u64 = 10_000_000_000;
/// How old a proof may be where nobody has said otherwise.
const USUAL_PROOF_AGE: Duration = Duration::from_secs(7 * 86_400);
/// After so long without use a gallery locks itself where nobody has said otherwise.
const USUAL_LOCK_AFTER: Duration = Duration::from_secs(15 * 60);
/// The shortest and the longest time after which a gallery may lock itself, in seconds.
const LOCK_AFTER_BOUNDS: RangeInclusive<u64> = 60..=86_400;
/// How many pictures may be decoded at once.
const WORKERS_BOUNDS: RangeInclusive<u64> = 1..=64;
/// The word for a budget without an end.
const UNLIMITED: u64 = u64::MAX;

/// Which originals of other devices come here by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Originals {
    /// Those that are opened, fetched or pinned.
    OnDemand,
    /// All of them.
    KeepAll,
}

/// This device's own rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct LocalSettings {
    /// What originals that were fetched for opening may take; none: as much as they want.
    pub budget_bytes: Option<u64>,
    /// How old a proof may be that bytes are freed against, in seconds.
    pub proof_age_seconds: u64,
    /// Which originals of other devices come by themselves.
    pub originals: Originals,
    /// After so many seconds without use a gallery locks itself.
    pub lock_after_seconds: u64,
    /// How many pictures are decoded at once; none: as many as the machine has cores.
    pub workers: Option<u64>,
}

/// How originals stand on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct LocalStanding {
    /// Sealed objects of originals that rest here.
    pub here_objects: u64,
    /// Their bytes.
    pub here_bytes: u64,
    /// Originals that are visiting.
    pub visiting_originals: u64,
    /// Their bytes.
    pub visiting_bytes: u64,
    /// Originals of photos that rest in remotes or on other devices, and not here.
    pub away_originals: u64,
    /// Their bytes.
    pub away_bytes: u64,
    /// Originals that some remote holds archived.
    pub archived_originals: u64,
    /// Those of them that are being thawed.
    pub thawing_originals: u64,
    /// Photos that are pinned by themselves.
    pub pinned_photos: u64,
    /// The paths of albums that are pinned.
    pub pinned_albums: Vec<String>,
    /// The rules.
    pub settings: LocalSettings,
}

/// What of the rules is to change; what is left out stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LocalChange {
    /// What visitors may take; none within is as much as they want.
    pub budget_bytes: Option<Option<u64>>,
    /// How old a proof may be that bytes are freed against.
    pub proof_age: Option<Duration>,
    /// Which originals of other devices come by themselves.
    pub originals: Option<Originals>,
    /// After how long without use a gallery locks itself.
    pub lock_after: Option<Duration>,
    /// How many pictures are decoded at once; none within is as many as the machine has cores.
    pub workers: Option<Option<u64>>,
}

impl Originals {
    fn stored(self) -> &'static [u8] {
        match self {
            Self::OnDemand => b"on-demand",
            Self::KeepAll => b"keep-all",
        }
    }
}

impl LocalSettings {
    pub(super) fn proof_millis(&self) -> i64 {
        let millis = self.proof_age_seconds.saturating_mul(1000);
        i64::try_from(millis).unwrap_or(OLDEST_PROOF_MILLIS).min(OLDEST_PROOF_MILLIS)
    }

    pub(in crate::remote) fn keeps_all(&self) -> bool {
        self.originals == Originals::KeepAll
    }
}

impl Library {
    /// This device's rules.
    ///
    /// # Errors
    /// Those of the database.
    pub fn local_settings(&self) -> Result<LocalSettings> {
        let number = |name: &str| -> Result<Option<u64>> {
            let bytes = self.device.setting(name)?;
            Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes))
        };
        let budget = number(BUDGET)?.unwrap_or(USUAL_BUDGET_BYTES);
        let keeps_all = self.device.setting(ORIGINALS)?.as_deref() == Some(b"keep-all");
        Ok(LocalSettings {
            budget_bytes: (budget != UNLIMITED).then_some(budget),
            proof_age_seconds: number(PROOF_AGE)?.unwrap_or(USUAL_PROOF_AGE.as_secs()),
            originals: if keeps_all { Originals::KeepAll } else { Originals::OnDemand },
            lock_after_seconds: number(LOCK_AFTER)?.unwrap_or(USUAL_LOCK_AFTER.as_secs()),
            workers: number(WORKERS)?,
        })
    }

    /// How many pictures are decoded at once.
    pub(crate) fn workers(&self) -> Result<usize> {
        let chosen = self.local_settings()?.workers.and_then(|workers| usize::try_from(workers).ok());
        Ok(chosen.unwrap_or_else(cores))
    }

    /// Changes this device's rules: all that is asked, or nothing.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] for proofs older than 30 days: what another device marked since then may be gone; for a lock
    /// outside of a minute to a day, and for no workers or more than 64; and those of the database.
    pub fn change_local_settings(&mut self, change: &LocalChange) -> Result<LocalSettings> {
        self.folder.require_writable()?;
        if change.proof_age.is_some_and(|age| age.as_millis() > OLDEST_PROOF_MILLIS.unsigned_abs().into()) {
            return Err(LibraryError::Refused {
                reason: "a proof is worth nothing after 30 days: others may have removed what it speaks of"
                    .into(),
                hint: "safelight local set proof-age=30d is the longest".into(),
            });
        }
        refuse_outside(change)?;
        let budget = change.budget_bytes.map(|bytes| bytes.unwrap_or(UNLIMITED).to_le_bytes());
        let age = change.proof_age.map(|age| age.as_secs().to_le_bytes());
        let mut settings: Vec<(&str, Option<&[u8]>)> = Vec::new();
        settings.extend(budget.as_ref().map(|bytes| (BUDGET, Some(&bytes[..]))));
        settings.extend(age.as_ref().map(|seconds| (PROOF_AGE, Some(&seconds[..]))));
        settings.extend(change.originals.map(|originals| (ORIGINALS, Some(originals.stored()))));
        let lock_after = change.lock_after.map(|after| after.as_secs().to_le_bytes());
        settings.extend(lock_after.as_ref().map(|seconds| (LOCK_AFTER, Some(&seconds[..]))));
        let workers = change.workers.map(|workers| workers.map(u64::to_le_bytes));
        settings.extend(workers.as_ref().map(|workers| (WORKERS, workers.as_ref().map(|count| &count[..]))));
        self.device.set_settings(&settings)?;
        self.local_settings()
    }

    /// How originals stand on this device.
    ///
    /// # Errors
    /// Those of the databases and of the folder.
    pub fn local_standing(&self) -> Result<LocalStanding> {
        let (mut here_objects, mut here_bytes) = (0, 0);
        for found in self.place.walk_below("o")? {
            let Found { length_bytes, .. } = found?;
            here_objects += 1;
            here_bytes += length_bytes;
        }
        let visitors = self.device.visitors()?;
        let (away_originals, away_bytes) = self.device.count_away(&self.purged_contents()?)?;
        let (archived_originals, thawing_originals) = self.device.count_archived()?;
        let pinned = self.pinned()?;
        let albums: Vec<_> = pinned.albums.iter().copied().collect();
        let mut pinned_albums = self.album_paths(&albums)?;
        pinned_albums.sort();
        Ok(LocalStanding {
            here_objects,
            here_bytes,
            visiting_originals: visitors.len() as u64,
            visiting_bytes: visitors.iter().map(|visitor| visitor.size_bytes).sum(),
            away_originals,
            away_bytes,
            archived_originals,
            thawing_originals,
            pinned_photos: pinned.assets.len() as u64,
            pinned_albums,
            settings: self.local_settings()?,
        })
    }
}

/// Refuses a time without use that would lock somebody out at work, or leave a library open for days: as a rule of this device
/// and for one run of the gallery alike.
///
/// # Errors
/// [`LibraryError::Refused`] below a minute and above a day.
pub fn check_lock_after(after: Duration) -> Result<()> {
    if LOCK_AFTER_BOUNDS.contains(&after.as_secs()) {
        return Ok(());
    }
    Err(LibraryError::Refused {
        reason: "a gallery locks itself after 1 minute at the soonest and 24 hours at the latest".into(),
        hint: "safelight local set lock-after=15m is usual".into(),
    })
}

/// Refuses what would lock somebody out at work, leave a library open for days, or take a machine down.
fn refuse_outside(change: &LocalChange) -> Result<()> {
    change.lock_after.map_or(Ok(()), check_lock_after)?;
    if change.workers.flatten().is_some_and(|workers| !WORKERS_BOUNDS.contains(&workers)) {
        return Err(LibraryError::Refused {
            reason: "1 to 64 pictures are decoded at once".into(),
            hint: "safelight local set workers=auto takes as many as the machine has cores".into(),
        });
    }
    Ok(())
}

/// How many cores the machine has.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Place;
    use crate::why::Why;

    #[test]
    fn rules_change_together_or_not_at_all() {
        let place = Place::new();
        let mut library = place.library();
        let before = library.local_settings().unwrap();
        let too_old = Some(Duration::from_secs(31 * 86_400));
        let change = LocalChange {
            budget_bytes: Some(None),
            originals: Some(Originals::KeepAll),
            ..LocalChange::default()
        };
        assert!(library.change_local_settings(&LocalChange { proof_age: too_old, ..change }).is_err());
        assert_eq!(library.local_settings().unwrap(), before);
        let after = library.change_local_settings(&change).unwrap();
        assert_eq!(after, LocalSettings { budget_bytes: None, originals: Originals::KeepAll, ..before });
        let day = LocalChange { proof_age: Some(Duration::from_secs(86_400)), ..LocalChange::default() };
        assert_eq!(
            library.change_local_settings(&day).unwrap(),
            LocalSettings { proof_age_seconds: 86_400, ..after }
        );
    }

    #[test]
    fn a_lock_and_workers_outside_of_their_bounds_are_refused_and_change_nothing() {
        let place = Place::new();
        let mut library = place.library();
        let usual = library.local_settings().unwrap();
        assert_eq!((usual.lock_after_seconds, usual.workers), (900, None));
        assert_eq!(library.workers().unwrap(), cores());
        let lock = |seconds| LocalChange {
            lock_after: Some(Duration::from_secs(seconds)),
            ..LocalChange::default()
        };
        let workers = |count| LocalChange { workers: Some(count), ..LocalChange::default() };
        for change in [lock(59), lock(86_401), workers(Some(0)), workers(Some(65))] {
            let both = LocalChange { budget_bytes: Some(Some(7)), ..change };
            let refused = library.change_local_settings(&both).unwrap_err();
            let why = Why::of(&refused.to_string()).unwrap();
            assert!(["lock-after-bounds", "workers-bounds"].contains(&why.code), "{refused}");
            assert_eq!(library.local_settings().unwrap(), usual);
        }
        assert_eq!(library.change_local_settings(&lock(60)).unwrap().lock_after_seconds, 60);
        library.change_local_settings(&lock(86_400)).unwrap();
        let chosen = library.change_local_settings(&workers(Some(3))).unwrap();
        assert_eq!((chosen.lock_after_seconds, chosen.workers), (86_400, Some(3)));
        assert_eq!(library.workers().unwrap(), 3);
        library.change_local_settings(&workers(None)).unwrap();
        assert_eq!(library.workers().unwrap(), cores());
    }
}
