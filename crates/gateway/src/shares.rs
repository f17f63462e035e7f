//! So many at once of each: connections of an address, uploads of a token.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what each holds at once.
#[derive(Debug)]
pub(crate) struct Shares<K> {
    most_each: usize,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

/// One of what somebody holds, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share<K: Eq + Hash> {
    key: K,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Clone + Eq + Hash> Shares<K> {
    pub(crate) fn of(most_each: usize) -> Self {
        Self { most_each, taken: Arc::default() }
    }

    /// One more, if this one does not hold the most already.
    pub(crate) fn take(&self, key: K) -> Option<Share<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(key.clone()).or_default();
        if *count >= self.most_each {
            return None;
        }
        *count += 1;
        Some(Share { key, taken: Arc::clone(&self.taken) })
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holds_so_many_and_what_is_given_back_is_free_again() {
        let shares = Shares::of(2);
        let (first, second) = (shares.take("a").unwrap(), shares.take("a").unwrap());
        assert!(shares.take("a").is_none());
        assert!(shares.take("b").is_some(), "another has its own");
        drop(first);
        let third = shares.take("a").unwrap();
        drop((second, third));
        assert!(shares.taken.lock().unwrap().is_empty(), "nobody is remembered");
    }
}
