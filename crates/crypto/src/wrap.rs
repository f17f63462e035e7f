//! Key stores that keep a secret for us: an OS keystore, a PKCS#11 token, a TPM, a key vault. The `keystore`
//! crate implements this trait; a key slot of such a kind holds only what the store wrapped.
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
    fn wrap(&self, secret: &[u8; 32]) -> Result<Vec<u8>, String>;

    /// Gives a wrapped secret back.
    ///
    /// # Errors
    /// What the store said: locked, absent, cancelled, or not wrapped by it.
    fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, String>;
}
