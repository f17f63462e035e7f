//! Keys of 32 bytes that wipe themselves and never print. Each purpose has its own type, so that an
//! unlock key cannot be passed where a naming key is due.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::entropy::{Entropy, draw};
use crate::primitive::hkdf_expand;

/// Thirty-two secret bytes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn generate(entropy: &mut dyn Entropy) -> Self {
        Self(draw(entropy))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Expand(self, `label`).
    pub(crate) fn expand(&self, label: &[u8]) -> Self {
        Self(hkdf_expand(&self.0, &[label]))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Secret bytes of any length, wiped when they go.
pub type SecretBytes = Zeroizing<Vec<u8>>;

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub(crate) $crate::secret::Secret);

        impl $name {
            /// Wraps the bytes of a key that was stored or handed over.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self($crate::secret::Secret::from_bytes(bytes))
            }

            /// Draws a fresh key.
            #[must_use]
            pub fn generate(entropy: &mut dyn $crate::entropy::Entropy) -> Self {
                Self($crate::secret::Secret::generate(entropy))
            }

            /// The bytes, for whoever must store or use them.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }
        }
    };
}
pub(crate) use key;
