//! Key stores that keep a secret for us: an OS keystore, a PKCS#11 token, a TPM, a key vault, each of which the
//! `keystore` crate asks, and a [passkey](crate::Passkey), which a browser asks. A key slot of such a kind holds only what
//! the store wrapped.
//!
//! Spec: sl1.md §1.9.

use crate::secret::SecretBytes;
use crate::slot::SlotKind;

/// A store that wraps 32 secret bytes and gives them back to whoever may use the store.
pub trait KeyWrap {
    /// Which kind of slot this makes.
    fn kind(&self) -> SlotKind;

    /// Wraps a secret. The result is stored in the slot, at most 64 KiB, and means nothing without the store.
    ///
    /// # Errors
    /// What the store said.
    fn wrap(&self, secret: &[u8; 32]) -> Result<Vec<u8>, StoreError>;

    /// Gives a wrapped secret back.
    ///
    /// # Errors
    /// What the store said: locked, absent, cancelled, or not wrapped by it.
    fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, StoreError>;

    /// Removes what the store keeps for a slot that is no more. A store that keeps nothing has nothing to do.
    ///
    /// # Errors
    /// What the store said.
    fn forget(&self, wrapped: &[u8]) -> Result<(), StoreError> {
        let _nothing_is_kept = wrapped;
        Ok(())
    }
}

/// Why a key store did not give a secret back, or did not take one. The text is for people, and never secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It is not here, or what it needs to be asked was not given: nothing was tried.
    #[error("{0}")]
    Absent(String),
    /// It was asked and said no: locked, a wrong PIN, cancelled.
    #[error("{0}")]
    Denied(String),
    /// It is another store than the one that wrapped this: another machine's, or one that was emptied.
    #[error("{0}")]
    Foreign(String),
    /// It failed in a way of its own.
    #[error("{0}")]
    Failed(String),
}
