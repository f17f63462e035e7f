//! The hash over a whole library's state, to compare devices and rebuilds.
//!
//! Invariant: it depends on the folded ops and the fold version and on nothing else; not on order, not on
//! ops that this version ignores. Specified in sl1-history §7.7.

use std::fmt;

use safelight_crypto::Sha256;

use super::FOLD_VERSION;
use crate::error::ModelError;

/// SHA-256 over all states.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateHash(pub [u8; 32]);

impl fmt::Display for StateHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for StateHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StateHash({self})")
    }
}

/// Takes in states by ascending key and gives their hash.
pub struct StateHasher {
    hasher: Sha256,
    last: Vec<u8>,
}

impl Default for StateHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl StateHasher {
    /// A hasher that has seen no state.
    #[must_use]
    pub fn new() -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"safelight/1 state");
        hasher.update(&FOLD_VERSION.to_be_bytes());
        Self { hasher, last: Vec::new() }
    }

    /// Takes in a state: the entity's key ([`crate::EntityId::to_bytes`]) and its bytes
    /// ([`super::EntityState::to_bytes`]).
    ///
    /// # Errors
    /// [`ModelError::StatesOutOfOrder`] unless keys ascend.
    pub fn add(&mut self, entity: &[u8], state: &[u8]) -> Result<(), ModelError> {
        if self.last.as_slice() >= entity {
            return Err(ModelError::StatesOutOfOrder);
        }
        self.last.clear();
        self.last.extend_from_slice(entity);
        for part in [entity, state] {
            self.hasher.update(&(part.len() as u64).to_be_bytes());
            self.hasher.update(part);
        }
        Ok(())
    }

    /// The hash of all that was taken in.
    #[must_use]
    pub fn finish(self) -> StateHash {
        StateHash(self.hasher.finish())
    }
}
