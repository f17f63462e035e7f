//! Epochs: periods under one set of secrets. From one secret of 32 bytes come the sealing secret (opens
//! everything sealed in the epoch), the naming key (names objects, so that a device revoked later cannot
//! test which photos are added) and the inbox key pair (phones seal to it without being able to read).
//!
//! Spec: sl1.md §1.6, §3.1.

use crate::entropy::Entropy;
use crate::ids::{ContentHash, EpochId, KeyId, ObjectName};
use crate::kem::KemSecret;
use crate::primitive::hmac_sha256;
use crate::secret::{Secret, key};

key!(
    /// The secret that the object keys of one key id are wrapped under.
    SealingSecret
);
key!(
    /// Names the sealed objects of one epoch.
    NamingKey
);

/// Whoever can say which secret belongs to a key id.
pub trait EpochSecrets {
    /// The secret of `key`, if it is held.
    fn sealing_secret(&self, key: &KeyId) -> Option<SealingSecret>;
}

/// One epoch with its secret.
#[derive(Debug, Clone)]
pub struct Epoch {
    id: EpochId,
    secret: Secret,
}

impl Epoch {
    /// Starts a new epoch.
    #[must_use]
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self { id: EpochId::generate(entropy), secret: Secret::generate(entropy) }
    }

    /// An epoch whose secret was stored or received.
    #[must_use]
    pub fn from_parts(id: EpochId, secret: [u8; 32]) -> Self {
        Self { id, secret: Secret::from_bytes(secret) }
    }

    /// The epoch's id.
    #[must_use]
    pub fn id(&self) -> EpochId {
        self.id
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The secret that object keys are wrapped under.
    #[must_use]
    pub fn sealing_secret(&self) -> SealingSecret {
        SealingSecret(self.secret.expand(b"safelight/1 epoch sealing"))
    }

    /// The key that names objects.
    #[must_use]
    pub fn naming_key(&self) -> NamingKey {
        NamingKey(self.secret.expand(b"safelight/1 epoch naming"))
    }

    /// The key pair that inbox items are sealed to.
    #[must_use]
    pub fn inbox_keypair(&self) -> KemSecret {
        KemSecret::from_seed(self.secret.expand(b"safelight/1 epoch inbox"))
    }
}

impl EpochSecrets for Epoch {
    fn sealing_secret(&self, key: &KeyId) -> Option<SealingSecret> {
        (KeyId::from(self.id) == *key).then(|| Self::sealing_secret(self))
    }
}

impl EpochSecrets for [Epoch] {
    fn sealing_secret(&self, key: &KeyId) -> Option<SealingSecret> {
        self.iter().find(|epoch| KeyId::from(epoch.id) == *key).map(Epoch::sealing_secret)
    }
}

impl NamingKey {
    /// The name of one part of an original.
    #[must_use]
    pub fn original(&self, content: &ContentHash, part: u32) -> ObjectName {
        self.name(&[b"original", content.as_bytes(), &part.to_be_bytes()])
    }

    /// The name of a checkpoint with this plaintext.
    #[must_use]
    pub fn checkpoint(&self, plaintext_sha256: &[u8; 32]) -> ObjectName {
        self.name(&[b"checkpoint", plaintext_sha256])
    }

    /// The name of a checkpoint page with this plaintext.
    #[must_use]
    pub fn page(&self, plaintext_sha256: &[u8; 32]) -> ObjectName {
        self.name(&[b"page", plaintext_sha256])
    }

    /// The name of a pack whose index has this plaintext.
    #[must_use]
    pub fn pack(&self, index_sha256: &[u8; 32]) -> ObjectName {
        self.name(&[b"pack", index_sha256])
    }

    fn name(&self, parts: &[&[u8]]) -> ObjectName {
        let digest = hmac_sha256(self.as_bytes(), parts);
        let mut name = [0; ObjectName::LEN];
        name.copy_from_slice(&digest[..ObjectName::LEN]);
        ObjectName::from_bytes(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn parts_and_epochs_have_their_own_names() {
        let mut entropy = SeededEntropy::new(5);
        let (first, second) = (Epoch::generate(&mut entropy), Epoch::generate(&mut entropy));
        let content = ContentHash::of(b"photo");
        let name = first.naming_key().original(&content, 0);
        assert_eq!(name, first.naming_key().original(&content, 0));
        assert_ne!(name, first.naming_key().original(&content, 1));
        assert_ne!(name, second.naming_key().original(&content, 0));
        assert_eq!(name.to_string().len(), 32);
        assert!(name.to_string().starts_with(&name.shard()));
    }
}
