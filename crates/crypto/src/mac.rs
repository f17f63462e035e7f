//! Authentication of small local files that are not sealed, such as `library.toml`: HMAC-SHA-256 under a
//! key of the keyring, one key for each purpose. Spec: sl1.md §1.10.

use crate::error::Fault;
use crate::primitive::{constant_time_eq, hmac_sha256};
use crate::secret::Secret;

/// A key to make and check authentication codes for one purpose.
#[derive(Debug, Clone)]
pub struct MacKey(Secret);

impl MacKey {
    pub(crate) fn derive(secret: &Secret, purpose: &str) -> Self {
        Self(secret.expand(&[b"safelight/1 mac ".as_slice(), purpose.as_bytes()].concat()))
    }

    /// The code of `bytes`.
    #[must_use]
    pub fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        hmac_sha256(self.0.as_bytes(), &[bytes])
    }

    /// Checks that `mac` is the code of `bytes`, in constant time.
    ///
    /// # Errors
    /// [`Fault::NotAuthentic`]; the caller says of which file.
    pub fn verify(&self, bytes: &[u8], mac: &[u8]) -> Result<(), Fault> {
        if constant_time_eq(&self.mac(bytes), mac) { Ok(()) } else { Err(Fault::NotAuthentic) }
    }
}
