//! `keyring.sealed` and the one before it.
//!
//! Write order: the current keyring, if it opens, is copied durably to `keyring.previous`; then the new one is
//! written beside, synced and renamed over the current. At every moment one of the two opens.

use std::io;

use safelight_crypto::{Entropy, Keyring, Prefix, UnlockKey};

use crate::folder::{FolderError, read_small};
use crate::keys::{KEYRING, KEYRING_PREVIOUS, KeyFolder, KeysError, UnlockedKeys};

/// A key id that differs from the right one in no more bits is the right one, damaged: those of two keys differ
/// in about half of their 128.
const KEY_ID_DAMAGE_BITS: u32 = 24;

/// Which file a keyring was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyringSource {
    /// The keyring in force.
    Current,
    /// The one before it, because the one in force is damaged: the newest epoch may be missing in it.
    Previous {
        /// What is wrong with the one in force.
        damage: String,
    },
}

/// An opened keyring and where it came from.
#[derive(Debug)]
pub struct OpenedKeyring {
    /// The keyring.
    pub keyring: Keyring,
    /// Where it came from.
    pub source: KeyringSource,
}

impl KeyFolder<'_> {
    /// Opens the keyring, or the one before it if it is damaged.
    ///
    /// # Errors
    /// [`KeysError::WrongKey`] when it is whole but sealed under another key, else [`KeysError::Damaged`].
    pub fn open_keyring(&self, unlock_key: &UnlockKey) -> Result<OpenedKeyring, KeysError> {
        let failure = match self.open_file(KEYRING, unlock_key) {
            Ok(keyring) => return Ok(OpenedKeyring { keyring, source: KeyringSource::Current }),
            Err(KeysError::WrongKey) => return Err(KeysError::WrongKey),
            Err(failure) => failure,
        };
        match self.open_file(KEYRING_PREVIOUS, unlock_key) {
            Ok(keyring) => {
                let source = KeyringSource::Previous { damage: failure.to_string() };
                Ok(OpenedKeyring { keyring, source })
            }
            Err(_) => Err(failure),
        }
    }

    /// Writes a changed keyring, keeping the one before it.
    ///
    /// # Errors
    /// [`KeysError::Folder`] of the disk; the old keyring is then still in force.
    pub fn save_keyring(&self, keys: &UnlockedKeys, entropy: &mut dyn Entropy) -> Result<(), KeysError> {
        self.folder.require_writable()?;
        let _lock = self.folder.lock_keys()?;
        self.write_keyring(keys, entropy)
    }

    /// These keys with the keyring that rests here now: another process may have learnt an epoch since they were opened, or
    /// gone on as another device. Where the file does not open, the keys as they are.
    #[must_use]
    pub fn refreshed(&self, keys: UnlockedKeys) -> UnlockedKeys {
        match self.open_file(KEYRING, &keys.unlock_key) {
            Ok(keyring) => UnlockedKeys { keyring, unlock_key: keys.unlock_key },
            Err(error) => {
                tracing::debug!(%error, "the keyring is not read again");
                keys
            }
        }
    }

    /// Changes the keyring that rests here, which another process may have changed since `keys` were opened, and answers it.
    ///
    /// # Errors
    /// [`KeysError::AnotherDevice`] when this library goes on as another device meanwhile: who does not know of it must
    /// not sign any more. Else as [`save_keyring`](Self::save_keyring).
    pub fn change_keyring(
        &self,
        keys: &UnlockedKeys,
        change: impl FnOnce(&mut Keyring),
        entropy: &mut dyn Entropy,
    ) -> Result<Keyring, KeysError> {
        self.folder.require_writable()?;
        let _lock = self.folder.lock_keys()?;
        let mut keyring = self.open_keyring(&keys.unlock_key)?.keyring;
        if keyring.device().id() != keys.keyring.device().id() {
            return Err(KeysError::AnotherDevice);
        }
        keys.keyring.epochs().iter().for_each(|epoch| keyring.add_epoch(epoch.clone()));
        change(&mut keyring);
        let changed = UnlockedKeys { keyring, unlock_key: keys.unlock_key.clone() };
        self.write_keyring(&changed, entropy)?;
        Ok(changed.keyring)
    }

    fn write_keyring(&self, keys: &UnlockedKeys, entropy: &mut dyn Entropy) -> Result<(), KeysError> {
        let sealed = keys.keyring.to_sealed(&keys.unlock_key, entropy)?;
        match self.open_file(KEYRING, &keys.unlock_key) {
            Ok(_) => {
                let current = self.read(KEYRING)?;
                self.replace_file(KEYRING_PREVIOUS, &current)?;
            }
            // The unlock key was replaced meanwhile: under the old one no slot would open what is written here.
            Err(KeysError::WrongKey) => return Err(KeysError::WrongKey),
            Err(_) => {}
        }
        self.replace_file(KEYRING, sealed.as_bytes())
    }

    /// Refuses to change slots under an unlock key that is no longer in force: another command replaced it.
    pub(super) fn require_in_force(&self, keys: &UnlockedKeys) -> Result<(), KeysError> {
        match self.open_file(KEYRING, &keys.unlock_key) {
            Err(KeysError::WrongKey) => Err(KeysError::WrongKey),
            // A damaged keyring says nothing about the key; slots are mended all the same.
            _ => Ok(()),
        }
    }

    /// Opens one of the two files.
    pub(crate) fn open_file(&self, name: &str, unlock_key: &UnlockKey) -> Result<Keyring, KeysError> {
        let bytes = self.read(name)?;
        Keyring::open(&bytes, self.folder.library(), unlock_key).map_err(|error| {
            if is_damaged_key_id(&bytes, unlock_key) {
                let reason = "its first bytes are not what was written".to_owned();
                KeysError::Damaged { path: self.path(name), reason }
            } else if error.is_wrong_key() {
                KeysError::WrongKey
            } else {
                KeysError::Damaged { path: self.path(name), reason: error.to_string() }
            }
        })
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, KeysError> {
        let path = self.path(name);
        read_small(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => KeysError::Damaged { path, reason: "it is missing".to_owned() },
            _ => FolderError::from_io("read", &path, error).into(),
        })
    }
}

/// Whether a sealed keyring that does not open names its key almost, but not quite.
fn is_damaged_key_id(sealed: &[u8], unlock_key: &UnlockKey) -> bool {
    Prefix::parse(sealed).is_ok_and(|prefix| {
        let (found, own) = (prefix.key, unlock_key.generation());
        let flipped_bits: u32 =
            found.as_bytes().iter().zip(own.as_bytes()).map(|(one, other)| (one ^ other).count_ones()).sum();
        (1..=KEY_ID_DAMAGE_BITS).contains(&flipped_bits)
    })
}
