//! Ed25519 signatures with a domain, so that a signature over one kind of message can never be shown as
//! one over another. Verification is strict (no small-order keys, canonical only).
//!
//! Signed bytes: `"safelight/1 sign" ‖ domain ‖ message`. Spec: sl1.md §1.3.

use std::fmt;

use ed25519_dalek::Signer as _;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::Fault;
use crate::good::Checked;
use crate::secret::Secret;

/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;

/// What is being signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Domain {
    /// A root card, by the recovery words.
    RootCard = 1,
    /// A statement, by the recovery words or a device.
    Statement = 2,
    /// The clear part of a history segment, by its device.
    Segment = 3,
    /// A head hint, by its device.
    Head = 4,
    /// A checkpoint, by its device.
    Checkpoint = 5,
    /// An inbox item, by the device that uploads it.
    InboxItem = 6,
    /// The manifest of an export, by the device that wrote it.
    Export = 7,
    /// A device's word about another of its own identities (after a fork).
    Successor = 8,
    /// What one side of a pairing says, by its device.
    Pairing = 9,
    /// What an upload gateway has granted, by that gateway.
    Grants = 10,
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE_LEN]);

impl Signature {
    /// Wraps the bytes; whether they are a signature shows at verification.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SIGNATURE_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SIGNATURE_LEN] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", data_encoding::HEXLOWER.encode(&self.0[..8]))
    }
}

/// The secret half of a signing key.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Draws a fresh key.
    #[must_use]
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self::from_seed(&Secret::generate(entropy))
    }

    /// Takes over a key that was kept as its seed.
    #[must_use]
    pub fn from_seed_bytes(seed: [u8; 32]) -> Self {
        Self::from_seed(&Secret::from_bytes(seed))
    }

    /// The seed, for whoever must keep the key; wiped when dropped.
    #[must_use]
    pub fn seed_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    pub(crate) fn from_seed(seed: &Secret) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed.as_bytes()))
    }

    pub(crate) fn seed(&self) -> Secret {
        Secret::from_bytes(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` within `domain`.
    #[must_use]
    pub fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        Signature(self.0.sign(&in_domain(domain, message)).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.verifying_key())
    }
}

/// The public half of a signing key. Whether it is a good point shows at verification.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// Wraps the bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks that `signature` is this key's over `message` within `domain`.
    ///
    /// # Errors
    /// [`Fault::BadPublicKey`] or [`Fault::BadSignature`]; the caller says about which object.
    pub fn verify(&self, domain: Domain, message: &[u8], signature: &Signature) -> Result<(), Fault> {
        let message = in_domain(domain, message);
        let checked = Checked::new(b"safelight/1 signature", &[&self.0, &signature.0, &message]);
        if checked.is_known_good() {
            return Ok(());
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0).map_err(|_| Fault::BadPublicKey)?;
        key.verify_strict(&message, &ed25519_dalek::Signature::from_bytes(&signature.0))
            .map_err(|_| if key.is_weak() { Fault::BadPublicKey } else { Fault::BadSignature })?;
        checked.is_good();
        Ok(())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", data_encoding::HEXLOWER.encode(&self.0[..8]))
    }
}

fn in_domain(domain: Domain, message: &[u8]) -> Vec<u8> {
    [b"safelight/1 sign".as_slice(), &[domain as u8], message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn what_was_found_good_vouches_for_nothing_else() {
        let (key, other) = (
            SigningKey::generate(&mut SeededEntropy::new(2)),
            SigningKey::generate(&mut SeededEntropy::new(3)),
        );
        let signature = key.sign(Domain::Segment, b"message");
        for _ in 0..2 {
            assert_eq!(key.verifying_key().verify(Domain::Segment, b"message", &signature), Ok(()));
            let bad = Err(Fault::BadSignature);
            assert_eq!(key.verifying_key().verify(Domain::Segment, b"another", &signature), bad);
            assert_eq!(other.verifying_key().verify(Domain::Segment, b"message", &signature), bad);
            let mut changed = *signature.as_bytes();
            changed[40] ^= 1;
            let changed = Signature::from_bytes(changed);
            assert_eq!(key.verifying_key().verify(Domain::Segment, b"message", &changed), bad);
        }
    }

    #[test]
    fn a_signature_of_one_domain_is_none_in_another() {
        let key = SigningKey::generate(&mut SeededEntropy::new(1));
        let signature = key.sign(Domain::Segment, b"message");
        assert_eq!(key.verifying_key().verify(Domain::Segment, b"message", &signature), Ok(()));
        assert_eq!(
            key.verifying_key().verify(Domain::Head, b"message", &signature),
            Err(Fault::BadSignature)
        );
    }

    #[test]
    fn a_weak_public_key_verifies_nothing() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let signature = Signature::from_bytes([0; 64]);
        let result = VerifyingKey::from_bytes(identity).verify(Domain::Head, b"", &signature);
        assert_eq!(result, Err(Fault::BadPublicKey));
    }
}
