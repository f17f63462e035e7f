//! How long an agent remembers: until its time is over, or earlier when nobody asks or the machine has slept.

use std::time::Duration;

/// A machine that slept less was busy, not asleep.
const SLEEP_NOTICED: Duration = Duration::from_secs(2);

/// When a key is forgotten before its time is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leash {
    /// Forget it when nobody has asked for it for so long.
    pub idle: Option<Duration>,
    /// Remember it although the machine has slept. Where the system does not tell, it is remembered.
    pub through_sleep: bool,
}

/// What the clocks say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    /// Since the machine started, asleep or not.
    pub(super) all: Duration,
    /// The same, without its sleep.
    pub(super) awake: Duration,
}

impl Clocks {
    pub(super) fn now() -> Self {
        let read = |clock| Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default();
        let awake = read(rustix::time::ClockId::Monotonic);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let all = read(rustix::time::ClockId::Boottime);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let all = awake;
        Self { all, awake }
    }

    fn asleep(self) -> Duration {
        self.all.saturating_sub(self.awake)
    }
}

/// The time for which a key is remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term {
    end: Duration,
    leash: Leash,
    last_asked: Duration,
    /// How long the machine had slept when it began.
    slept_before: Duration,
}

impl Term {
    pub(super) fn begin(lifetime: Duration, leash: Leash, now: Clocks) -> Self {
        Self { end: now.all.saturating_add(lifetime), leash, last_asked: now.all, slept_before: now.asleep() }
    }

    /// Somebody asked for the key.
    pub(super) fn note_asked(&mut self, now: Clocks) {
        self.last_asked = now.all;
    }

    /// What is left if nobody asks; `None` when the key is to be forgotten.
    pub(super) fn left(&self, now: Clocks) -> Option<Duration> {
        let slept = now.asleep().saturating_sub(self.slept_before);
        if !self.leash.through_sleep && slept > SLEEP_NOTICED {
            return None;
        }
        let idle_end = self.leash.idle.map_or(self.end, |idle| self.last_asked.saturating_add(idle));
        self.end.min(idle_end).checked_sub(now.all).filter(|left| !left.is_zero())
    }

    /// How long it lasts at most.
    pub(super) fn remaining(&self, now: Clocks) -> Duration {
        self.end.saturating_sub(now.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const fn at(all: u64, awake: u64) -> Clocks {
        Clocks { all: seconds(all), awake: seconds(awake) }
    }

    #[test]
    fn a_term_ends_at_its_time_although_the_machine_slept() {
        let leash = Leash { through_sleep: true, ..Leash::default() };
        let term = Term::begin(seconds(100), leash, at(50, 50));
        assert_eq!(term.left(at(149, 60)), Some(seconds(1)));
        assert_eq!(term.left(at(150, 60)), None);
    }

    #[test]
    fn a_machine_that_slept_has_forgotten() {
        let term = Term::begin(seconds(1_000), Leash::default(), at(500, 100));
        assert_eq!(term.left(at(520, 120)), Some(seconds(980)), "it slept before, not since");
        assert_eq!(term.left(at(530, 120)), None);
    }

    #[test]
    fn whoever_asks_keeps_an_idle_term_alive_but_not_beyond_its_time() {
        let leash = Leash { idle: Some(seconds(10)), through_sleep: false };
        let mut term = Term::begin(seconds(25), leash, at(0, 0));
        assert_eq!(term.left(at(9, 9)), Some(seconds(1)));
        assert_eq!(term.left(at(10, 10)), None);
        term.note_asked(at(9, 9));
        assert_eq!(term.left(at(18, 18)), Some(seconds(1)));
        term.note_asked(at(18, 18));
        assert_eq!(term.left(at(20, 20)), Some(seconds(5)));
        assert_eq!(term.remaining(at(20, 20)), seconds(5));
        assert_eq!(term.left(at(25, 25)), None);
    }
}
