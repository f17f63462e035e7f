//! Key slots: the ways to unlock a keyring. Each holds a public key that is derived from its secret, and the
//! unlock key sealed to it. So the unlock key can be replaced and sealed to every slot again without asking
//! for a single passphrase. A code under the unlock key proves that a slot was made by somebody who held it:
//! otherwise whoever can write the folder could plant a public key of their own and wait for that.
//!
//! Spec: sl1.md §1.9.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use crate::codec::Writer;
use crate::entropy::{Entropy, draw};
use crate::error::{CryptoError, Fault, Result};
use crate::ids::{KeyId, LibraryId, SlotId};
use crate::kem::{ENCAPSULATION_LEN, KemPublic, KemSecret};
use crate::keyring::UnlockKey;
use crate::passphrase::{PassphraseCost, stretch};
use crate::primitive::{Gcm, TAG_LEN, constant_time_eq, hkdf, hkdf_extract};
use crate::secret::Secret;
use crate::words::RecoveryWords;
use crate::wrap::KeyWrap;

mod text;

/// Bytes of an unlock key sealed to a slot: encapsulation, key, tag.
const SEALED_LEN: usize = ENCAPSULATION_LEN + 32 + TAG_LEN;
/// The most that a key store may ask to keep in a slot.
const WRAPPED_LIMIT: usize = 64 << 10;
const KEY_FILE_BYTES: std::ops::RangeInclusive<usize> = 32..=1 << 20;
const VERSION: u16 = 1;

/// What kind of secret opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
#[non_exhaustive]
pub enum SlotKind {
    /// A passphrase that a person types.
    Passphrase = 1,
    /// A file of random bytes.
    KeyFile = 2,
    /// The recovery words.
    Recovery = 3,
    /// The operating system's keystore.
    Keystore = 4,
    /// A PKCS#11 token.
    Pkcs11 = 5,
    /// A TPM.
    Tpm = 6,
    /// A key vault on the network.
    Vault = 7,
    /// A passkey, which a browser asks.
    Passkey = 8,
}

impl SlotKind {
    /// Whether a key store wraps the slot's secret, which then lies in the slot.
    #[must_use]
    pub const fn is_store(self) -> bool {
        matches!(self, Self::Keystore | Self::Pkcs11 | Self::Tpm | Self::Vault | Self::Passkey)
    }

    /// The word for it in a slot's file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::KeyFile => "key-file",
            Self::Recovery => "recovery",
            Self::Keystore => "keystore",
            Self::Pkcs11 => "pkcs11",
            Self::Tpm => "tpm",
            Self::Vault => "vault",
            Self::Passkey => "passkey",
        }
    }
}

/// The secret that opens a slot.
#[derive(Clone, Copy)]
pub enum SlotSecret<'a> {
    /// A passphrase, as typed, without the line's end.
    Passphrase(&'a str),
    /// The bytes of a key file, 32 bytes to 1 MiB.
    KeyFile(&'a [u8]),
    /// The recovery words.
    Recovery(&'a RecoveryWords),
    /// A key store.
    Store(&'a dyn KeyWrap),
}

impl SlotSecret<'_> {
    /// Which kind of slot it opens.
    #[must_use]
    pub fn kind(&self) -> SlotKind {
        match self {
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::KeyFile(_) => SlotKind::KeyFile,
            Self::Recovery(_) => SlotKind::Recovery,
            Self::Store(store) => store.kind(),
        }
    }
}

/// One way to unlock. Serializes as text (TOML, JSON); nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "text::SlotText", into = "text::SlotText")]
pub struct Slot {
    id: SlotId,
    kind: SlotKind,
    label: String,
    /// Which unlock key is sealed here.
    generation: KeyId,
    /// Only of passphrase slots.
    cost: Option<PassphraseCost>,
    salt: [u8; 32],
    public_key: KemPublic,
    /// Only of key stores.
    wrapped_secret: Option<Vec<u8>>,
    sealed: Box<[u8; SEALED_LEN]>,
    mac: [u8; 32],
}

impl Slot {
    /// Makes a slot that `secret` opens. `cost` matters only for a passphrase.
    ///
    /// # Errors
    /// [`Fault::CostOutOfBounds`], [`Fault::KeyFileSize`], or the key store's refusal.
    pub fn create(
        library: LibraryId,
        label: &str,
        secret: &SlotSecret<'_>,
        cost: PassphraseCost,
        unlock_key: &UnlockKey,
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        let id = SlotId::generate(entropy);
        let mut build = || {
            let salt = draw(entropy);
            let cost = matches!(secret, SlotSecret::Passphrase(_)).then_some(cost);
            let (bytes, wrapped_secret) = match secret {
                SlotSecret::Store(store) => {
                    let fresh = Secret::generate(entropy);
                    let wrapped = store.wrap(fresh.as_bytes()).map_err(Fault::KeyStore)?;
                    if wrapped.len() > WRAPPED_LIMIT {
                        return Err(Fault::TooLarge);
                    }
                    (fresh, Some(wrapped))
                }
                other => (known_secret(other, &salt, cost.as_ref())?, None),
            };
            let public_key = kem_key(library, id, secret.kind(), &salt, &bytes).public();
            let sealed = Box::new([0; SEALED_LEN]);
            let (kind, label, generation) = (secret.kind(), label.to_owned(), unlock_key.generation());
            let mut slot = Self {
                id,
                kind,
                label,
                generation,
                cost,
                salt,
                public_key,
                wrapped_secret,
                sealed,
                mac: [0; 32],
            };
            slot.seal(library, unlock_key, entropy)?;
            Ok(slot)
        };
        build().map_err(|fault| slot_error(id, fault))
    }

    /// The slot's id: its file's name.
    #[must_use]
    pub fn id(&self) -> SlotId {
        self.id
    }

    /// What kind of secret opens it.
    #[must_use]
    pub fn kind(&self) -> SlotKind {
        self.kind
    }

    /// What its owner calls it.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Which unlock key it holds; compare with [`UnlockKey::generation`] or the key id of the keyring's header.
    #[must_use]
    pub fn generation(&self) -> KeyId {
        self.generation
    }

    /// The cost of a passphrase slot.
    #[must_use]
    pub fn cost(&self) -> Option<PassphraseCost> {
        self.cost
    }

    /// What the key store wrapped; only of slots whose secret a store keeps.
    #[must_use]
    pub fn wrapped_secret(&self) -> Option<&[u8]> {
        self.wrapped_secret.as_deref()
    }

    /// Opens the slot.
    ///
    /// # Errors
    /// [`Fault::WrongSecret`]; [`Fault::NotAuthentic`] when the slot was altered; [`Fault::CostOutOfBounds`]
    /// before any work; the key store's refusal.
    pub fn open(&self, library: LibraryId, secret: &SlotSecret<'_>) -> Result<UnlockKey> {
        self.try_open(library, secret).map_err(|fault| self.error(fault))
    }

    fn try_open(&self, library: LibraryId, secret: &SlotSecret<'_>) -> Result<UnlockKey, Fault> {
        if secret.kind() != self.kind {
            return Err(Fault::WrongSecret);
        }
        let bytes = match (secret, &self.wrapped_secret) {
            (SlotSecret::Store(store), Some(wrapped)) => {
                let bytes = store.unwrap(wrapped).map_err(Fault::KeyStore)?;
                let bytes: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| Fault::WrongSecret)?;
                Secret::from_bytes(*bytes)
            }
            (SlotSecret::Store(_), None) => return Err(Fault::BadField("wrapped_secret")),
            (other, _) => known_secret(other, &self.salt, self.cost.as_ref())?,
        };
        let kem = kem_key(library, self.id, self.kind, &self.salt, &bytes);
        if !constant_time_eq(kem.public().as_bytes(), self.public_key.as_bytes()) {
            return Err(Fault::WrongSecret);
        }
        let unlock_key = self.unseal(library, &kem)?;
        self.check(library, &unlock_key)?;
        Ok(unlock_key)
    }

    /// Checks that a holder of `unlock_key` made the slot as it is.
    ///
    /// # Errors
    /// [`Fault::NotAuthentic`].
    pub fn verify(&self, library: LibraryId, unlock_key: &UnlockKey) -> Result<()> {
        self.check(library, unlock_key).map_err(|fault| self.error(fault))
    }

    /// Seals `new` to the slot without its secret. The slot must prove authentic under `old` first.
    ///
    /// # Errors
    /// [`Fault::NotAuthentic`].
    pub fn reseal(
        &self,
        library: LibraryId,
        old: &UnlockKey,
        new: &UnlockKey,
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        self.verify(library, old)?;
        let mut slot = self.clone();
        slot.generation = new.generation();
        slot.seal(library, new, entropy).map_err(|fault| self.error(fault))?;
        Ok(slot)
    }

    /// The slot under another label.
    ///
    /// # Errors
    /// [`Fault::NotAuthentic`].
    pub fn relabel(&self, library: LibraryId, label: &str, unlock_key: &UnlockKey) -> Result<Self> {
        self.verify(library, unlock_key)?;
        let mut slot = Self { label: label.to_owned(), ..self.clone() };
        slot.mac = unlock_key.mac_key("slot").mac(&slot.authenticated(library));
        Ok(slot)
    }

    fn seal(
        &mut self,
        library: LibraryId,
        unlock_key: &UnlockKey,
        entropy: &mut dyn Entropy,
    ) -> Result<(), Fault> {
        let (encapsulation, shared) = self.public_key.encapsulate(unlock_key.as_bytes(), entropy)?;
        let (head, tail) = self.sealed.split_at_mut(ENCAPSULATION_LEN);
        head.copy_from_slice(&encapsulation);
        let (key, tag) = tail.split_at_mut(32);
        key.copy_from_slice(unlock_key.as_bytes());
        let box_key = box_key(library, self.id, &self.generation, &self.salt, &shared);
        tag.copy_from_slice(&box_key.seal_in_place(&[0; 12], key));
        self.mac = unlock_key.mac_key("slot").mac(&self.authenticated(library));
        Ok(())
    }

    fn unseal(&self, library: LibraryId, kem: &KemSecret) -> Result<UnlockKey, Fault> {
        let (encapsulation, sealed) =
            self.sealed.split_first_chunk::<ENCAPSULATION_LEN>().ok_or(Fault::Truncated)?;
        let shared = kem.decapsulate(encapsulation);
        let mut sealed = sealed.to_vec();
        let opened = box_key(library, self.id, &self.generation, &self.salt, &shared)
            .open_in_place(&[0; 12], &mut sealed)
            .map_err(|_| Fault::NotAuthentic)?;
        let bytes: [u8; 32] = (&*opened).try_into().map_err(|_| Fault::Truncated)?;
        opened.zeroize();
        Ok(UnlockKey::from_bytes(bytes))
    }

    fn check(&self, library: LibraryId, unlock_key: &UnlockKey) -> Result<(), Fault> {
        if unlock_key.generation() != self.generation {
            return Err(Fault::NotAuthentic);
        }
        unlock_key.mac_key("slot").verify(&self.authenticated(library), &self.mac)
    }

    /// Everything but the code itself.
    fn authenticated(&self, library: LibraryId) -> Vec<u8> {
        let cost = self.cost.unwrap_or(PassphraseCost { memory_kib: 0, passes: 0, lanes: 0 });
        Writer::new()
            .raw(b"SLSL")
            .u16(VERSION)
            .raw(library.as_bytes())
            .raw(self.id.as_bytes())
            .u8(self.kind as u8)
            .prefixed(self.label.as_bytes())
            .raw(self.generation.as_bytes())
            .u32(cost.memory_kib)
            .u32(cost.passes)
            .u32(cost.lanes)
            .raw(&self.salt)
            .raw(self.public_key.as_bytes())
            .prefixed(self.wrapped_secret.as_deref().unwrap_or_default())
            .raw(self.sealed.as_slice())
            .finish()
    }

    fn error(&self, fault: Fault) -> CryptoError {
        slot_error(self.id, fault)
    }
}

fn slot_error(id: SlotId, fault: Fault) -> CryptoError {
    fault.of(format!("key slot {id}"))
}

/// The secret of everything but a key store.
fn known_secret(
    secret: &SlotSecret<'_>,
    salt: &[u8; 32],
    cost: Option<&PassphraseCost>,
) -> Result<Secret, Fault> {
    match secret {
        SlotSecret::Passphrase(passphrase) => stretch(passphrase, salt, cost.ok_or(Fault::BadField("cost"))?),
        SlotSecret::KeyFile(bytes) if !KEY_FILE_BYTES.contains(&bytes.len()) => Err(Fault::KeyFileSize),
        SlotSecret::KeyFile(bytes) => Ok(Secret::from_bytes(hkdf_extract(salt, bytes))),
        SlotSecret::Recovery(words) => Ok(words.slot_secret()),
        SlotSecret::Store(_) => Err(Fault::BadField("wrapped_secret")),
    }
}

fn kem_key(library: LibraryId, id: SlotId, kind: SlotKind, salt: &[u8; 32], secret: &Secret) -> KemSecret {
    let info: [&[u8]; 4] = [b"safelight/1 slot key", library.as_bytes(), id.as_bytes(), &[kind as u8]];
    KemSecret::from_seed(Secret::from_bytes(hkdf(secret.as_bytes(), salt, &info)))
}

fn box_key(library: LibraryId, id: SlotId, generation: &KeyId, salt: &[u8; 32], shared: &Secret) -> Gcm {
    let info: [&[u8]; 4] =
        [b"safelight/1 slot box", library.as_bytes(), id.as_bytes(), generation.as_bytes()];
    let mut key = hkdf::<32>(shared.as_bytes(), salt, &info);
    let gcm = Gcm::new(&key);
    key.zeroize();
    gcm
}

#[cfg(test)]
mod tests;
