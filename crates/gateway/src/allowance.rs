//! How much one token may ask for: so many objects a minute, and so many objects and bytes a day.
//!
//! Counted in memory by each gateway, so that none waits for another: behind `n` gateways a phone may take up to `n` times
//! as much, and a restart begins anew. What is taken into a library is counted there once more.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::tokens::Limits;

const MINUTE: f64 = 60.0;

/// Why something is not allowed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// Too much at once; after so long it is worth trying again.
    Rate(Duration),
    /// The day's objects are used up.
    Files,
    /// The day's bytes are used up.
    Bytes,
}

/// What one token has used of its limits.
#[derive(Debug)]
pub(crate) struct Allowance {
    used: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    /// What is left of the minute's objects, filled again as time goes by.
    left: f64,
    at: Instant,
    day: i64,
    files: u64,
    bytes: u64,
}

impl Allowance {
    pub(crate) fn new(limits: Limits, now: Instant) -> Self {
        let left = f64::from(limits.per_minute);
        Self { used: Mutex::new(Used { left, at: now, day: i64::MIN, files: 0, bytes: 0 }) }
    }

    /// Takes objects of so many bytes together, all of them or none.
    pub(crate) fn take(
        &self,
        limits: Limits,
        (now, day): (Instant, i64),
        (files, bytes): (u32, u64),
    ) -> Result<(), Exceeded> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let most = f64::from(limits.per_minute);
        let passed = now.saturating_duration_since(used.at).as_secs_f64();
        used.left = (used.left + passed * most / MINUTE).min(most);
        used.at = now;
        if used.day != day {
            (used.day, used.files, used.bytes) = (day, 0, 0);
        }
        // A batch that is larger than a minute's worth goes when the minute is whole, and is owed.
        let needed = f64::from(files).min(most);
        if used.left < needed {
            let wait = (needed - used.left) * MINUTE / most;
            return Err(Exceeded::Rate(Duration::from_secs_f64(wait.clamp(1.0, MINUTE))));
        }
        if used.files.saturating_add(u64::from(files)) > limits.files_a_day {
            return Err(Exceeded::Files);
        }
        if used.bytes.saturating_add(bytes) > limits.bytes_a_day {
            return Err(Exceeded::Bytes);
        }
        used.left -= f64::from(files);
        used.files += u64::from(files);
        used.bytes += bytes;
        Ok(())
    }

    /// Gives back what was taken on a day and not granted.
    pub(crate) fn give_back(&self, limits: Limits, day: i64, (files, bytes): (u32, u64)) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.left = (used.left + f64::from(files)).min(f64::from(limits.per_minute));
        if used.day == day {
            used.files = used.files.saturating_sub(u64::from(files));
            used.bytes = used.bytes.saturating_sub(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { per_minute: 60, files_a_day: 100, bytes_a_day: 1_000 };

    #[test]
    fn a_minutes_worth_goes_at_once_and_then_one_a_second() {
        let begun = Instant::now();
        let allowance = Allowance::new(LIMITS, begun);
        for _ in 0..60 {
            allowance.take(LIMITS, (begun, 0), (1, 0)).unwrap();
        }
        let refused = allowance.take(LIMITS, (begun, 0), (1, 0)).unwrap_err();
        assert_eq!(refused, Exceeded::Rate(Duration::from_secs(1)));
        let later = begun + Duration::from_secs(2);
        allowance.take(LIMITS, (later, 0), (2, 0)).unwrap();
        assert!(allowance.take(LIMITS, (later, 0), (1, 0)).is_err());
    }

    #[test]
    fn a_day_ends_objects_and_bytes_and_the_next_begins_anew() {
        let begun = Instant::now();
        let allowance = Allowance::new(LIMITS, begun);
        allowance.take(LIMITS, (begun, 0), (1, 900)).unwrap();
        assert_eq!(allowance.take(LIMITS, (begun, 0), (1, 101)), Err(Exceeded::Bytes));
        allowance.take(LIMITS, (begun, 0), (1, 100)).unwrap();
        allowance.take(LIMITS, (begun, 1), (1, 1_000)).unwrap();
        let later = begun + Duration::from_secs(120);
        allowance.take(LIMITS, (later, 1), (50, 0)).unwrap();
        let later = later + Duration::from_secs(60);
        assert_eq!(allowance.take(LIMITS, (later, 1), (50, 0)), Err(Exceeded::Files));
        allowance.take(LIMITS, (later, 1), (49, 0)).unwrap();
    }

    #[test]
    fn what_is_given_back_may_be_taken_again() {
        let begun = Instant::now();
        let limits = Limits { per_minute: 1, files_a_day: 1, bytes_a_day: 10 };
        let allowance = Allowance::new(limits, begun);
        allowance.take(limits, (begun, 0), (1, 10)).unwrap();
        assert!(allowance.take(limits, (begun, 0), (1, 10)).is_err());
        allowance.give_back(limits, 0, (1, 10));
        allowance.take(limits, (begun, 0), (1, 10)).unwrap();
    }

    #[test]
    fn a_batch_above_a_minutes_worth_is_owed() {
        let few = Limits { per_minute: 10, ..LIMITS };
        let begun = Instant::now();
        let allowance = Allowance::new(few, begun);
        allowance.take(few, (begun, 0), (50, 0)).unwrap();
        let later = begun + Duration::from_secs(240);
        assert!(allowance.take(few, (later, 0), (1, 0)).is_err(), "four minutes pay for forty");
        allowance.take(few, (later + Duration::from_secs(7), 0), (1, 0)).unwrap();
    }
}
