//! A device's own keys: one to sign what it does, one to receive epoch secrets. The device's id is a hash
//! of its public keys, so a card cannot be passed off under another device's id.
//!
//! Spec: sl1.md §1.5.

use crate::codec::{Reader, Writer};
use crate::entropy::Entropy;
use crate::error::{Fault, Result};
use crate::ids::DeviceId;
use crate::kem::{KEM_PUBLIC_LEN, KemPublic, KemSecret};
use crate::primitive::sha256;
use crate::sign::{Domain, Signature, SigningKey, VerifyingKey};

/// A device with its secret keys.
#[derive(Debug, Clone)]
pub struct Device {
    card: DeviceCard,
    signing_key: SigningKey,
    kem_secret: KemSecret,
}

impl Device {
    /// Makes a new device.
    #[must_use]
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self::from_keys(SigningKey::generate(entropy), KemSecret::generate(entropy))
    }

    pub(crate) fn from_keys(signing_key: SigningKey, kem_secret: KemSecret) -> Self {
        let card = DeviceCard::new(signing_key.verifying_key(), kem_secret.public());
        Self { card, signing_key, kem_secret }
    }

    /// The device's id.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.card.id
    }

    /// The public halves, to be admitted by a statement.
    #[must_use]
    pub fn card(&self) -> &DeviceCard {
        &self.card
    }

    /// Signs `message` as this device.
    #[must_use]
    pub fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        self.signing_key.sign(domain, message)
    }

    /// The signing key.
    #[must_use]
    pub fn signing_key(&self) -> &SigningKey {
        &self.signing_key
    }

    /// The key that keys files for this device are wrapped to.
    #[must_use]
    pub fn kem_secret(&self) -> &KemSecret {
        &self.kem_secret
    }
}

/// The public halves of a device's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCard {
    id: DeviceId,
    verifying_key: VerifyingKey,
    kem_public: KemPublic,
}

/// Bytes of a device card: id, Ed25519 key, X-Wing key.
pub const DEVICE_CARD_LEN: usize = DeviceId::LEN + 32 + KEM_PUBLIC_LEN;

impl DeviceCard {
    pub(crate) fn new(verifying_key: VerifyingKey, kem_public: KemPublic) -> Self {
        let digest = sha256(&[verifying_key.as_bytes(), kem_public.as_bytes()]);
        let mut id = [0; DeviceId::LEN];
        id.copy_from_slice(&digest[..DeviceId::LEN]);
        Self { id: DeviceId::from_bytes(id), verifying_key, kem_public }
    }

    /// The device's id.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// Verifies what the device signs.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// Receives what only the device may open.
    #[must_use]
    pub fn kem_public(&self) -> &KemPublic {
        &self.kem_public
    }

    /// The card as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        Writer::new()
            .raw(self.id.as_bytes())
            .raw(self.verifying_key.as_bytes())
            .raw(self.kem_public.as_bytes())
            .finish()
    }

    /// Reads a card.
    ///
    /// # Errors
    /// When the length is wrong, the KEM key is not valid, or the keys are not those that the id names.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let card = Self::read(&mut reader).and_then(|card| reader.finish().map(|()| card));
        card.map_err(|fault| fault.of("device card"))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let id = DeviceId::from_bytes(reader.array()?);
        let verifying_key = VerifyingKey::from_bytes(reader.array()?);
        let card = Self::new(verifying_key, KemPublic::from_bytes(reader.raw(KEM_PUBLIC_LEN)?)?);
        if card.id == id { Ok(card) } else { Err(Fault::KeysNotOfId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_card_under_another_devices_id_is_refused() {
        let device = Device::generate(&mut SeededEntropy::new(4));
        let bytes = device.card().to_bytes();
        assert_eq!(bytes.len(), DEVICE_CARD_LEN);
        assert_eq!(DeviceCard::from_bytes(&bytes).expect("reads back"), *device.card());
        let mut forged = bytes;
        forged[0] ^= 1;
        let error = DeviceCard::from_bytes(&forged).expect_err("another id");
        assert_eq!(error.fault(), Some(&Fault::KeysNotOfId));
    }
}
