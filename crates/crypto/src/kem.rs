//! X-Wing (X25519 + ML-KEM-768): sealing to a public key so that a recording made today stays shut when
//! quantum computers come. The combination is the published one (draft-connolly-cfrg-xwing-kem-06), never our own.
//!
//! Spec: sl1.md §1.4.

use std::fmt;

use x_wing::{Decapsulate as _, Decapsulator as _, KeyExport as _, TryKeyInit as _};
use zeroize::Zeroize as _;

use crate::entropy::{Entropy, draw};
use crate::error::Fault;
use crate::good::Checked;
use crate::primitive::hmac_sha256;
use crate::secret::Secret;

/// Bytes of a public key: ML-KEM-768 (1,184), then X25519 (32).
pub const KEM_PUBLIC_LEN: usize = 1216;
/// Bytes of an encapsulation: ML-KEM-768 (1,088), then X25519 (32).
pub const ENCAPSULATION_LEN: usize = 1120;

/// What is remembered of good public keys.
const PUBLIC_KEY: &[u8] = b"safelight/1 public key of a KEM";

/// A public key to seal to.
#[derive(Clone, PartialEq, Eq)]
pub struct KemPublic(Box<[u8; KEM_PUBLIC_LEN]>);

impl KemPublic {
    /// Reads a public key.
    ///
    /// # Errors
    /// [`Fault::BadPublicKey`] when the length or the ML-KEM part is not valid.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        let bytes: Box<[u8; KEM_PUBLIC_LEN]> = Box::new(bytes.try_into().map_err(|_| Fault::BadPublicKey)?);
        let checked = Checked::new(PUBLIC_KEY, &[bytes.as_slice()]);
        if !checked.is_known_good() {
            x_wing::EncapsulationKey::try_from(bytes.as_slice()).map_err(|_| Fault::BadPublicKey)?;
            checked.is_good();
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEM_PUBLIC_LEN] {
        &self.0
    }

    /// Makes a shared secret that only the holder of the secret key can find again.
    ///
    /// `about` names what will be sealed: it is mixed into the randomness, so that a cloned machine does
    /// not repeat an encapsulation for another message.
    pub(crate) fn encapsulate(
        &self,
        about: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Result<([u8; ENCAPSULATION_LEN], Secret), Fault> {
        let key =
            x_wing::EncapsulationKey::new_from_slice(self.0.as_slice()).map_err(|_| Fault::BadPublicKey)?;
        let mut fresh: [u8; 32] = draw(entropy);
        let mut randomness = [0; 64];
        randomness[..32].copy_from_slice(&hmac_sha256(&fresh, &[b"ml-kem", about]));
        randomness[32..].copy_from_slice(&hmac_sha256(&fresh, &[b"x25519", about]));
        let (encapsulation, mut shared) = key.encapsulate_deterministic((&randomness).into());
        fresh.zeroize();
        randomness.zeroize();
        let secret = Secret::from_bytes(shared.into());
        shared.zeroize();
        Ok((encapsulation.into(), secret))
    }
}

impl fmt::Debug for KemPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KemPublic({})", data_encoding::HEXLOWER.encode(&self.0[..8]))
    }
}

/// The secret key: a seed of 32 bytes, from which both halves are expanded at each use.
#[derive(Clone, Debug)]
pub struct KemSecret(Secret);

impl KemSecret {
    /// Draws a fresh key.
    #[must_use]
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self(Secret::generate(entropy))
    }

    pub(crate) fn from_seed(seed: Secret) -> Self {
        Self(seed)
    }

    pub(crate) fn seed(&self) -> &Secret {
        &self.0
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> KemPublic {
        let key = x_wing::DecapsulationKey::from(*self.0.as_bytes());
        let bytes: Box<[u8; KEM_PUBLIC_LEN]> = Box::new(key.encapsulation_key().to_bytes().into());
        // What was just made from its seed need not be checked when it is read.
        Checked::new(PUBLIC_KEY, &[bytes.as_slice()]).is_good();
        KemPublic(bytes)
    }

    /// Finds the shared secret again. A wrong key gives another secret, not an error (implicit rejection).
    pub(crate) fn decapsulate(&self, encapsulation: &[u8; ENCAPSULATION_LEN]) -> Secret {
        let key = x_wing::DecapsulationKey::from(*self.0.as_bytes());
        let mut shared = key.decapsulate(encapsulation.into());
        let secret = Secret::from_bytes(shared.into());
        shared.zeroize();
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn both_sides_find_the_same_secret_and_a_stranger_another() {
        let mut entropy = SeededEntropy::new(2);
        let secret = KemSecret::generate(&mut entropy);
        let (encapsulation, shared) = secret.public().encapsulate(b"test", &mut entropy).expect("a good key");
        assert_eq!(secret.decapsulate(&encapsulation).as_bytes(), shared.as_bytes());
        let stranger = KemSecret::generate(&mut entropy);
        assert_ne!(stranger.decapsulate(&encapsulation).as_bytes(), shared.as_bytes());
    }
}
