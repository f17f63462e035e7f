//! What this process has found good already. Checking a signature takes many times as long as hashing what it
//! covers, and history shows the same statements and segments again and again.
//!
//! Invariant: something is in here only after it was checked in full, under a SHA-256 of everything that the check
//! depends on; so finding it says what checking again would say. Nothing of it is secret, and what is forgotten is
//! checked again.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::primitive::sha256;

/// As many are remembered, and up to twice as many: 32 bytes each.
const REMEMBERED: usize = 1 << 14;

static FOUND_GOOD: LazyLock<Mutex<Memory>> = LazyLock::new(|| Mutex::new(Memory::new(REMEMBERED)));

/// What was checked, and all that the outcome depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Checked([u8; 32]);

impl Checked {
    /// `label` says what is checked; of `parts` all but the last must have a length that the label fixes.
    pub(crate) fn new(label: &[u8], parts: &[&[u8]]) -> Self {
        let all: Vec<&[u8]> = [label].into_iter().chain(parts.iter().copied()).collect();
        Self(sha256(&all))
    }

    /// Whether it was found good before.
    pub(crate) fn is_known_good(&self) -> bool {
        memory().contains(self)
    }

    /// Remembers that it was found good.
    pub(crate) fn is_good(self) {
        memory().insert(self);
    }
}

fn memory() -> MutexGuard<'static, Memory> {
    FOUND_GOOD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A set that forgets what was put in long ago.
struct Memory {
    remembered: usize,
    young: HashSet<Checked>,
    old: HashSet<Checked>,
}

impl Memory {
    fn new(remembered: usize) -> Self {
        Self { remembered, young: HashSet::new(), old: HashSet::new() }
    }

    fn contains(&self, checked: &Checked) -> bool {
        self.young.contains(checked) || self.old.contains(checked)
    }

    fn insert(&mut self, checked: Checked) {
        if self.young.len() >= self.remembered {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(checked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_keeps_the_newest_and_stays_small() {
        let mut memory = Memory::new(4);
        let checked = |number: u8| Checked::new(b"test", &[&[number]]);
        for number in 0..100 {
            memory.insert(checked(number));
            assert!((number.saturating_sub(3)..=number).all(|newest| memory.contains(&checked(newest))));
            assert!(memory.young.len() + memory.old.len() <= 8);
        }
        assert!(!memory.contains(&checked(0)));
    }
}
