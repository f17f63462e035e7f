//! Whoever writes ops: draws a session, counts, and asks the clock.
//!
//! Invariant: no two ops of one author have one id, and none has that of another author unless 64 random
//! bits repeat. Why a session for each opening: a restored backup or a cloned machine goes on counting from
//! where it was, but never in the same session.

use safelight_crypto::Entropy;

use super::{Op, OpBody};
use crate::clock::{HybridClock, Stamp};
use crate::ids::OpId;

/// Writes the ops of one session.
#[derive(Clone, Debug)]
pub struct Author {
    next: OpId,
    clock: HybridClock,
}

impl Author {
    /// Starts a session. `last` is the newest stamp that this device gave or took in before.
    #[must_use]
    pub fn open(last: Stamp, entropy: &mut dyn Entropy) -> Self {
        let mut session = [0; 8];
        entropy.fill(&mut session);
        let next = OpId { session: u64::from_be_bytes(session), counter: 0 };
        Self { next, clock: HybridClock::resume(last) }
    }

    /// Writes an op now.
    pub fn write(&mut self, body: OpBody, now_millis: u64) -> Op {
        let id = self.next;
        self.next = match id.counter.checked_add(1) {
            Some(counter) => OpId { counter, ..id },
            None => OpId { session: id.session.wrapping_add(1), counter: 0 },
        };
        Op::new(id, self.clock.tick(now_millis), body)
    }

    /// Takes in the stamp of an op that arrived.
    pub fn observe(&mut self, stamp: Stamp, now_millis: u64) {
        self.clock.observe(stamp, now_millis);
    }

    /// The clock; its last stamp is worth keeping for the next session.
    #[must_use]
    pub fn clock(&self) -> &HybridClock {
        &self.clock
    }
}

#[cfg(test)]
mod tests {
    use safelight_crypto::SeededEntropy;

    use super::*;

    #[test]
    fn two_openings_never_share_an_id() {
        let mut entropy = SeededEntropy::new(1);
        let body = || OpBody::Statement(Vec::new());
        let mut first = Author::open(Stamp::default(), &mut entropy);
        let mut second = Author::open(first.clock().last(), &mut entropy);
        let ops = [first.write(body(), 5), first.write(body(), 5), second.write(body(), 5)];
        assert_eq!(ops[1].id, OpId { counter: 1, ..ops[0].id });
        assert!(ops[1].stamp > ops[0].stamp);
        assert_ne!(ops[2].id.session, ops[0].id.session);
    }

    #[test]
    fn a_full_counter_goes_on_in_a_new_session() {
        let mut author = Author::open(Stamp::default(), &mut SeededEntropy::new(2));
        author.next.counter = u32::MAX;
        let last = author.write(OpBody::Statement(Vec::new()), 0).id;
        let first = author.write(OpBody::Statement(Vec::new()), 0).id;
        assert_eq!(first, OpId { session: last.session.wrapping_add(1), counter: 0 });
    }
}
