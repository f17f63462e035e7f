//! The hybrid clock: when things happened, as far as clocks can be believed.
//!
//! Invariant: no other device's clock, however wrong, moves ours more than ten minutes ahead of our own wall
//! clock. Why that is enough: stamps only order writes that did not know of each other; a write that knew of
//! another names it and wins whatever the clocks say ([`crate::Register`]). Specified in sl1-history §3.
//!
//! After "Logical Physical Clocks" (Kulkarni et al., 2014), with the bound on accepted drift.

use serde::{Deserialize, Serialize};

use crate::cbor::{Decode, Encode, Malformed, Reader, Writer};

/// How far ahead of the wall clock a stamp may be and still advance ours: ten minutes, in milliseconds.
pub const MAX_AHEAD_MILLIS: u64 = 10 * 60 * 1000;

/// The largest time that a stamp holds: 48 bits of milliseconds, the year 10889.
pub const MAX_MILLIS: u64 = (1 << 48) - 1;

/// A point in hybrid time: wall clock first, then a counter for what happened in the same millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since 1970 in UTC; 48 bits.
    pub millis: u64,
    /// Orders stamps of one millisecond.
    pub counter: u16,
}

impl Stamp {
    /// The stamp of a wall clock's time; times beyond 48 bits are clamped.
    #[must_use]
    pub fn at(millis: u64) -> Self {
        Self { millis: millis.min(MAX_MILLIS), counter: 0 }
    }

    /// Time and counter in one integer that sorts as the stamp does.
    #[must_use]
    pub fn packed(self) -> u64 {
        self.millis.min(MAX_MILLIS) << 16 | u64::from(self.counter)
    }

    /// Reads [`Stamp::packed`] back.
    #[must_use]
    pub fn from_packed(packed: u64) -> Self {
        let [.., high, low] = packed.to_be_bytes();
        Self { millis: packed >> 16, counter: u16::from_be_bytes([high, low]) }
    }

    /// The smallest stamp above this one.
    fn next(self) -> Self {
        match self.counter.checked_add(1) {
            Some(counter) => Self { counter, ..self },
            None => Self::at(self.millis.saturating_add(1)),
        }
    }
}

impl Encode for Stamp {
    fn encode(&self, to: &mut Writer) {
        to.unsigned(self.packed());
    }
}

impl Decode for Stamp {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.unsigned().map(Self::from_packed)
    }
}

/// The clock of one device. The wall clock's time enters as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HybridClock {
    last: Stamp,
}

impl HybridClock {
    /// A clock that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: Stamp { millis: 0, counter: 0 } }
    }

    /// A clock that goes on after `last`, the newest stamp that it gave or took in before.
    #[must_use]
    pub const fn resume(last: Stamp) -> Self {
        Self { last }
    }

    /// The newest stamp given or taken in; what [`HybridClock::resume`] needs.
    #[must_use]
    pub const fn last(&self) -> Stamp {
        self.last
    }

    /// Gives the stamp for something that happens now.
    ///
    /// Stamps ascend, except after the wall clock was set back by more than ten minutes: then the wall clock
    /// is believed again, so that a device that once lived in 2099 comes home.
    pub fn tick(&mut self, now_millis: u64) -> Stamp {
        let now = Stamp::at(now_millis);
        self.last =
            if self.last < now || is_too_far_ahead(self.last, now_millis) { now } else { self.last.next() };
        self.last
    }

    /// Takes in a stamp of another device; one that is more than ten minutes ahead changes nothing.
    pub fn observe(&mut self, stamp: Stamp, now_millis: u64) {
        if !is_too_far_ahead(stamp, now_millis) {
            self.last = self.last.max(stamp);
        }
    }
}

fn is_too_far_ahead(stamp: Stamp, now_millis: u64) -> bool {
    stamp.millis > now_millis.saturating_add(MAX_AHEAD_MILLIS)
}

/// Maps the stamps of one device's chain, in the order of the chain, to times that never go back.
///
/// "The library as it was on that day" needs one time for each segment, though a clock may have been wrong
/// for a while. The longest run of stamps that agrees with the chain's order is believed; a stamp outside it
/// gets the nearest believed time before it in the chain, or else the first after it. So a week spent in
/// 2099, or one start in 1970, moves nothing but itself. Takes n log n steps.
#[must_use]
pub fn clamp_along_chain(stamps: &[Stamp]) -> Vec<Stamp> {
    let believed = longest_ascent(stamps);
    let mut clamped = Vec::with_capacity(stamps.len());
    let mut current = believed.first().and_then(|first| stamps.get(*first)).copied().unwrap_or_default();
    let mut believed = believed.into_iter().peekable();
    for (index, stamp) in stamps.iter().enumerate() {
        if believed.next_if_eq(&index).is_some() {
            current = *stamp;
        }
        clamped.push(current);
    }
    clamped
}

/// Indices of a longest subsequence that never descends (patience sorting).
fn longest_ascent(stamps: &[Stamp]) -> Vec<usize> {
    let mut tails: Vec<(Stamp, usize)> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(stamps.len());
    for (index, stamp) in stamps.iter().enumerate() {
        let length = tails.partition_point(|(tail, _)| tail <= stamp);
        before.push(length.checked_sub(1).and_then(|shorter| tails.get(shorter)).map(|(_, tail)| *tail));
        match tails.get_mut(length) {
            Some(tail) => *tail = (*stamp, index),
            None => tails.push((*stamp, index)),
        }
    }
    let mut ascent = Vec::with_capacity(tails.len());
    let mut next = tails.last().map(|(_, index)| *index);
    while let Some(index) = next {
        ascent.push(index);
        next = before.get(index).copied().flatten();
    }
    ascent.reverse();
    ascent
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn ticks_ascend_within_one_millisecond_and_past_a_full_counter() {
        let mut clock = HybridClock::resume(Stamp { millis: NOW, counter: u16::MAX - 1 });
        let first = clock.tick(NOW);
        let second = clock.tick(NOW);
        assert_eq!(first, Stamp { millis: NOW, counter: u16::MAX });
        assert_eq!(second, Stamp { millis: NOW + 1, counter: 0 });
    }

    #[test]
    fn a_stamp_ten_minutes_ahead_is_taken_in_and_a_later_one_is_not() {
        let mut clock = HybridClock::new();
        let edge = Stamp::at(NOW + MAX_AHEAD_MILLIS);
        clock.observe(edge, NOW);
        assert_eq!(clock.last(), edge);
        clock.observe(Stamp::at(NOW + MAX_AHEAD_MILLIS + 1), NOW);
        assert_eq!(clock.last(), edge);
        clock.observe(Stamp::at(MAX_MILLIS), NOW);
        assert_eq!(clock.tick(NOW), edge.next());
    }

    #[test]
    fn a_device_that_lived_in_2099_comes_home() {
        let mut clock = HybridClock::new();
        clock.tick(4_090_000_000_000);
        assert_eq!(clock.tick(NOW), Stamp::at(NOW));
    }

    #[test]
    fn a_wall_clock_set_back_a_little_does_not_take_stamps_back() {
        let mut clock = HybridClock::new();
        let first = clock.tick(NOW);
        assert!(clock.tick(NOW - 60_000) > first);
    }

    #[test]
    fn single_excursions_to_2099_or_1970_move_only_themselves() {
        let times = [10, 20, 9_000, 30, 40, 0, 50].map(|seconds| Stamp::at(NOW + seconds * 1000));
        let expected = [10, 20, 20, 30, 40, 40, 50].map(|seconds| Stamp::at(NOW + seconds * 1000));
        assert_eq!(clamp_along_chain(&times), expected);
        assert_eq!(clamp_along_chain(&[]), []);
        let start = [Stamp::at(4_090_000_000_000), Stamp::at(1), Stamp::at(2)];
        assert_eq!(clamp_along_chain(&start), [Stamp::at(1), Stamp::at(1), Stamp::at(2)]);
    }

    proptest! {
        #[test]
        fn packing_keeps_value_and_order(a in any::<u64>(), b in any::<u64>()) {
            let (first, second) = (Stamp::from_packed(a), Stamp::from_packed(b));
            prop_assert_eq!(first.packed(), a);
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
        }

        #[test]
        fn an_honest_clock_stays_within_ten_minutes_of_its_wall(
            events in prop::collection::vec((any::<u64>(), 0_u64..10_000, any::<bool>()), 1..100),
        ) {
            let (mut clock, mut now) = (HybridClock::new(), NOW);
            let mut previous = Stamp::default();
            for (foreign, passed, ticks) in events {
                now += passed;
                clock.observe(Stamp::from_packed(foreign), now);
                if ticks {
                    let stamp = clock.tick(now);
                    prop_assert!(stamp > previous);
                    prop_assert!(stamp.millis <= now + MAX_AHEAD_MILLIS + 1);
                    prop_assert!(stamp.millis >= now);
                    previous = stamp;
                }
            }
        }

        #[test]
        fn clamped_chains_never_go_back_and_honest_chains_stay_as_they_are(
            times in prop::collection::vec(0_u64..50, 0..60),
        ) {
            let stamps: Vec<_> = times.iter().map(|time| Stamp::at(*time)).collect();
            prop_assert!(clamp_along_chain(&stamps).is_sorted());
            let mut honest = stamps;
            honest.sort();
            prop_assert_eq!(clamp_along_chain(&honest), honest);
        }
    }
}
