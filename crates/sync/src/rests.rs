//! Where an original rests whole beside this device, how that is known, and since when.
//!
//! Invariant: a remote counts that is known to hold every part, or the pack with it; of several parts the one that is known
//! worst says how, and the one that is known longest ago says since when. Asks no place.

use safelight_catalog::{DeviceDb, HowKnown, RemoteId, Replica, SyncState};
use safelight_model::{Original, Storage};
use safelight_store::ObjectPath;

use crate::error::Result;
use crate::originals::path_of_part;

/// A remote that holds an original whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestsAt {
    /// The remote.
    pub remote: RemoteId,
    /// How that is known.
    pub how: HowKnown,
    /// Since when: of a proof when it was taken, else when it was put or found there. In milliseconds since 1970.
    pub since_millis: i64,
}

impl RestsAt {
    /// When this device proved it, if it did.
    #[must_use]
    pub fn proven_millis(&self) -> Option<i64> {
        Known { how: self.how, since_millis: self.since_millis }.proven_millis()
    }
}

/// How something is known to rest in a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    how: HowKnown,
    since_millis: i64,
}

impl Known {
    fn of(replica: &Replica) -> Self {
        match replica.proven_millis {
            Some(proven) => Self { how: replica.how.max(HowKnown::Opened), since_millis: proven },
            None => Self { how: replica.how.min(HowKnown::Found), since_millis: replica.placed_millis },
        }
    }

    fn proven_millis(self) -> Option<i64> {
        matches!(self.how, HowKnown::Opened | HowKnown::Vouched).then_some(self.since_millis)
    }

    /// How several parts are known together.
    fn and(self, other: Self) -> Self {
        let since_millis = match (self.proven_millis(), other.proven_millis()) {
            (Some(_), None) => other.since_millis,
            (None, Some(_)) => self.since_millis,
            _ => self.since_millis.min(other.since_millis),
        };
        Self { how: self.how.min(other.how), since_millis }
    }

    /// The better known of two packs that hold the same.
    fn or(self, other: Self) -> Self {
        let rank = |known: &Self| (known.proven_millis(), known.how, known.since_millis);
        if rank(&other) > rank(&self) { other } else { self }
    }

    fn at(self, remote: RemoteId) -> RestsAt {
        RestsAt { remote, how: self.how, since_millis: self.since_millis }
    }
}

/// Whether an original that stands so to a remote is held there.
#[must_use]
pub fn is_held(state: SyncState) -> bool {
    matches!(state, SyncState::Synced | SyncState::CloudOnly | SyncState::Thawing)
}

/// Whether an original that stands so to a remote is on this device.
#[must_use]
pub fn is_here_in(state: SyncState) -> bool {
    !matches!(state, SyncState::CloudOnly | SyncState::Elsewhere | SyncState::Thawing | SyncState::Lost)
}

/// What is known of the remotes that hold an original whole, of those that are said to. One statement, however many
/// parts.
///
/// # Errors
/// Those of the database.
pub fn rests_at(device: &DeviceDb, original: &Original, remotes: &[RemoteId]) -> Result<Vec<RestsAt>> {
    if remotes.is_empty() {
        return Ok(Vec::new());
    }
    let remotes = remotes.iter().copied();
    if original.storage == Storage::Packed {
        let packs = device.small_original(&original.content)?.packs;
        let best = |remote: RemoteId| {
            let there = packs.iter().filter(|(id, _)| *id == remote);
            Some(there.map(|(_, pack)| Known::of(pack)).reduce(Known::or)?.at(remote))
        };
        return Ok(remotes.filter_map(best).collect());
    }
    let mut paths = Vec::with_capacity(original.parts.len());
    for part in &original.parts {
        paths.push(path_of_part(part, 0)?);
    }
    let names: Vec<&str> = paths.iter().map(ObjectPath::as_str).collect();
    let replicas = device.replicas_of_objects(&names)?;
    let all = |remote: RemoteId| {
        let there = replicas.iter().filter(|(id, ..)| *id == remote);
        let known: Vec<Known> = there.map(|(_, _, replica)| Known::of(replica)).collect();
        let is_whole = known.len() == names.len();
        Some(known.into_iter().reduce(Known::and).filter(|_| is_whole)?.at(remote))
    };
    Ok(remotes.filter_map(all).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(how: HowKnown, placed_millis: i64, proven_millis: Option<i64>) -> Replica {
        Replica { object: "o/aa/aab".into(), sealed_bytes: 9, placed_millis, proven_millis, how }
    }

    fn together(parts: &[Replica]) -> (HowKnown, i64) {
        let known = parts.iter().map(Known::of).reduce(Known::and).unwrap();
        (known.how, known.since_millis)
    }

    #[test]
    fn of_several_parts_the_one_that_is_known_worst_and_longest_ago_counts() {
        let acknowledged = replica(HowKnown::Acknowledged, 50, None);
        let found = replica(HowKnown::Found, 40, None);
        let opened = replica(HowKnown::Opened, 10, Some(70));
        let vouched = replica(HowKnown::Vouched, 10, Some(60));
        assert_eq!(together(&[opened.clone(), vouched.clone()]), (HowKnown::Opened, 60));
        assert_eq!(together(&[opened.clone(), acknowledged.clone()]), (HowKnown::Acknowledged, 50));
        assert_eq!(together(&[found.clone(), opened.clone()]), (HowKnown::Found, 40));
        assert_eq!(together(&[acknowledged, found]), (HowKnown::Acknowledged, 40));
        // What was put again after it was proven keeps the proof until another one comes.
        assert_eq!(together(&[replica(HowKnown::Acknowledged, 90, Some(70))]), (HowKnown::Opened, 70));
    }

    #[test]
    fn of_several_packs_that_hold_the_same_the_best_known_counts() {
        let known = |proven| Known::of(&replica(HowKnown::Acknowledged, 50, proven));
        let [old, new, none] = [Some(10), Some(20), None].map(known);
        assert_eq!(old.or(new), new);
        assert_eq!(new.or(old), new);
        assert_eq!(none.or(old), old);
    }
}
