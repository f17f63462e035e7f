//! Keeps files out of an import until they stand still: whoever copies a film into a watched folder has written a
//! half of it at any moment, and a half must never become a photo.
//!
//! Invariant: a file whose content or inode changed within the settle time is not read. It is looked at again at the
//! end of the run, and taken once that time has passed, or once it was seen to stay the same for as long; the
//! second rule is by a clock that only goes forward, so a wrong clock or a date to come postpones no file for ever.
//! What still changes then is named and left to the next import.
//!
//! A copy that stalls for longer still counts as unfinished while somebody holds it open for writing, where that can
//! be known ([`super::held_open`]). One whose writer closes it between the pieces cannot be told from a finished one;
//! for those the time can be made longer. A settle time of zero asks nothing and takes everything as it is.

use std::time::{Duration, Instant, SystemTime};

use safelight_catalog::FileStamp;

use super::PlannedSource;
use super::held_open::is_held_open_for_writing;
use super::take::open_plain;
use crate::monitor::{Monitor, Task};
use crate::scan::Candidate;
use crate::scan::trust::stamp_of;

/// How often a file that was too young is looked at again before it is left to the next import.
pub(crate) const LATER_LOOKS: usize = 2;

/// Why a file was left that changed at every look.
pub(crate) const STILL_CHANGING: &str =
    "it is still being written, so nothing of it was taken; import it again once it is complete";

/// How often a wait looks whether it shall end.
const TICK: Duration = Duration::from_millis(50);

/// A file as it was seen while it was too young to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    stamp: FileStamp,
    at: Instant,
    /// When it is old enough if it stays as it is.
    due: Instant,
}

impl Sighting {
    /// Looks at a file's stamp; nothing when the file may be read.
    pub(crate) fn of(stamp: FileStamp, before: Option<&Self>, settle: Duration) -> Option<Self> {
        let wait = youth(&stamp, nanos_now(), settle)?;
        let at = Instant::now();
        let stood_still =
            before.is_some_and(|before| before.stamp == stamp && at.duration_since(before.at) >= settle);
        (!stood_still).then(|| Self { stamp, at, due: at + wait })
    }

    /// A file that somebody still holds open for writing, however long ago it last changed.
    pub(crate) fn of_unfinished(stamp: FileStamp, settle: Duration) -> Self {
        let at = Instant::now();
        Self { stamp, at, due: at + settle }
    }
}

/// How long a file is still too young to be read; nothing when it is old enough.
///
/// The time of change is the kernel's own, so one that lies ahead means that the clock was set back, and the file may
/// be new. The time of modification is anybody's to set, so one that lies ahead says nothing.
fn youth(stamp: &FileStamp, now_nanos: i64, settle: Duration) -> Option<Duration> {
    let settle_nanos = i64::try_from(settle.as_nanos()).unwrap_or(i64::MAX);
    let rest = |age_nanos: i64| {
        (age_nanos < settle_nanos).then(|| {
            let rest_nanos = settle_nanos - age_nanos.max(0);
            Duration::from_nanos(rest_nanos.unsigned_abs())
        })
    };
    let changed = rest(now_nanos.saturating_sub(stamp.changed_nanos));
    let modified_age = now_nanos.saturating_sub(stamp.modified_nanos);
    let modified = if modified_age < 0 { None } else { rest(modified_age) };
    if settle.is_zero() { None } else { changed.max(modified) }
}

fn nanos_now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// Looks at the sidecars of a run once more: those that are too young to be read are part of the wait.
pub(crate) fn sight_sidecars(parts: &mut [PlannedSource], settle: Duration) {
    for sidecar in parts.iter_mut().flat_map(|part| &mut part.scanned.sidecars) {
        look_again(sidecar, settle);
    }
}

/// Takes a file's stamp anew, and whether it is too young. One that cannot be looked at stays as it was: who reads it
/// says why.
fn look_again(candidate: &mut Candidate, settle: Duration) {
    if let Ok(metadata) = std::fs::metadata(&candidate.path) {
        candidate.stamp = stamp_of(&metadata);
        let is_unfinished = || {
            !settle.is_zero() && open_plain(&candidate.path).is_ok_and(|file| is_held_open_for_writing(&file))
        };
        candidate.sighting = Sighting::of(candidate.stamp, candidate.sighting.as_ref(), settle)
            .or_else(|| is_unfinished().then(|| Sighting::of_unfinished(candidate.stamp, settle)));
    }
}

/// Waits until every file that was too young is old enough, should it stay as it is.
pub(crate) fn wait_until_due(parts: &[PlannedSource], monitor: &dyn Monitor) {
    let candidates =
        || parts.iter().flat_map(|part| part.scanned.candidates.iter().chain(&part.scanned.sidecars));
    let waiting = || candidates().filter_map(|candidate| candidate.sighting);
    let Some(due) = waiting().map(|sighting| sighting.due).max().filter(|due| *due > Instant::now()) else {
        return;
    };
    monitor.begin(Task::Settle, Some(waiting().count() as u64), None);
    while !monitor.cancelled() {
        let rest = due.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            break;
        }
        std::thread::sleep(rest.min(TICK));
    }
    monitor.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const NOW: i64 = 1_700_000_000 * SECOND;
    const SETTLE: Duration = Duration::from_secs(3);

    fn stamp(changed_nanos: i64, modified_nanos: i64) -> FileStamp {
        FileStamp { size_bytes: 10, modified_nanos, changed_nanos, inode: 3, device: 4 }
    }

    #[test]
    fn a_file_is_young_by_its_latest_change_and_never_by_a_date_that_somebody_set() {
        let old = NOW - 100 * SECOND;
        assert_eq!(youth(&stamp(old, old), NOW, SETTLE), None);
        assert_eq!(youth(&stamp(NOW - SECOND, old), NOW, SETTLE), Some(Duration::from_secs(2)));
        assert_eq!(youth(&stamp(old, NOW - 2 * SECOND), NOW, SETTLE), Some(Duration::from_secs(1)));
        // A date in the year 2099 was set by a program; a change in the future means that the clock went back.
        assert_eq!(youth(&stamp(old, NOW + 9999 * SECOND), NOW, SETTLE), None);
        assert_eq!(youth(&stamp(NOW + 9999 * SECOND, old), NOW, SETTLE), Some(SETTLE));
        assert_eq!(youth(&stamp(NOW, NOW), NOW, Duration::ZERO), None);
    }

    #[test]
    fn a_file_that_was_seen_to_stand_still_is_read_whatever_the_clock_says() {
        let ahead = stamp(nanos_now() + 9999 * SECOND, 0);
        let settle = Duration::from_millis(20);
        let first = Sighting::of(ahead, None, settle).unwrap();
        assert!(Sighting::of(ahead, Some(&first), settle).is_some(), "it was not watched for long enough");
        std::thread::sleep(settle);
        assert_eq!(Sighting::of(ahead, Some(&first), settle), None);
        let grown = FileStamp { size_bytes: 11, ..ahead };
        assert!(Sighting::of(grown, Some(&first), settle).is_some(), "it grew");
    }
}
