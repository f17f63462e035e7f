//! A new library: its keyring, its slots, and last the description that makes it one.

use std::fmt;
use std::path::Path;

use safelight_crypto::{
    Entropy, Keyring, PassphraseCost, RecoveryWords, Slot, SlotKind, SlotSecret, UnlockKey,
};
use zeroize::Zeroizing;

use crate::folder::{LibraryFolder, UnfinishedFolder};
use crate::keys::slots::{make_slots_folder, write_slot};
use crate::keys::{KEYRING, KeysError, UnlockedKeys, replace_in};

/// What the slot of the recovery words is called.
pub(crate) const RECOVERY_LABEL: &str = "recovery words";

/// A way to unlock that a new library shall have.
pub struct NewSlot {
    label: String,
    secret: NewSecret,
    cost: PassphraseCost,
}

enum NewSecret {
    Passphrase(Zeroizing<String>),
    KeyFile(Zeroizing<Vec<u8>>),
}

impl NewSlot {
    /// A passphrase, as typed, without the line's end.
    #[must_use]
    pub fn passphrase(label: &str, passphrase: Zeroizing<String>) -> Self {
        Self {
            label: label.to_owned(),
            secret: NewSecret::Passphrase(passphrase),
            cost: PassphraseCost::DESKTOP,
        }
    }

    /// The bytes of a key file.
    #[must_use]
    pub fn key_file(label: &str, bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { label: label.to_owned(), secret: NewSecret::KeyFile(bytes), cost: PassphraseCost::DESKTOP }
    }

    /// The same with another cost; only a passphrase has one.
    #[must_use]
    pub fn with_cost(self, cost: PassphraseCost) -> Self {
        Self { cost, ..self }
    }

    /// What its owner calls it.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The cost of a passphrase.
    #[must_use]
    pub const fn cost(&self) -> PassphraseCost {
        self.cost
    }

    /// The secret, to make the slot with.
    #[must_use]
    pub fn secret(&self) -> SlotSecret<'_> {
        match &self.secret {
            NewSecret::Passphrase(passphrase) => SlotSecret::Passphrase(passphrase),
            NewSecret::KeyFile(bytes) => SlotSecret::KeyFile(bytes),
        }
    }
}

impl fmt::Debug for NewSlot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind: SlotKind = self.secret().kind();
        formatter
            .debug_struct("NewSlot")
            .field("label", &self.label)
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}

/// A library that was just made.
#[derive(Debug)]
pub struct NewLibrary {
    /// Its folder.
    pub folder: LibraryFolder,
    /// Its keys, unlocked.
    pub keys: UnlockedKeys,
}

impl NewLibrary {
    /// Makes a folder with the keys of a library's first device and epoch, in a new or empty folder. The recovery
    /// words always get a slot; `slots` are the other ways to unlock.
    ///
    /// # Errors
    /// [`KeysError::NoSlots`], [`KeysError::Folder`] when the folder is not empty or cannot be written,
    /// [`KeysError::Crypto`] for a secret that cannot make a slot. What was begun is then no library, and
    /// trying again clears it.
    pub fn create(
        path: &Path,
        words: &RecoveryWords,
        slots: &[NewSlot],
        entropy: &mut dyn Entropy,
    ) -> Result<Self, KeysError> {
        let begun = UnfinishedLibrary::begin(path, words, slots, entropy)?;
        begun.write_keys(entropy)?;
        begun.finish()
    }
}

/// A library that is being made: its secrets are drawn, its folder is marked, and nothing can be opened yet.
#[derive(Debug)]
#[must_use = "a library is one only after it is finished"]
pub(crate) struct UnfinishedLibrary {
    unfinished: UnfinishedFolder,
    keys: UnlockedKeys,
    slots: Vec<Slot>,
}

impl UnfinishedLibrary {
    /// Draws the secrets and marks the folder; errors as [`NewLibrary::create`].
    pub(crate) fn begin(
        path: &Path,
        words: &RecoveryWords,
        slots: &[NewSlot],
        entropy: &mut dyn Entropy,
    ) -> Result<Self, KeysError> {
        Self::begin_with(path, Keyring::create(words, entropy), Some(words), slots, entropy)
    }

    /// The same with a keyring that exists: that of a device that joins. One that was let in by another device has no
    /// words, and so no slot for them until somebody types them here.
    pub(crate) fn begin_with(
        path: &Path,
        keyring: Keyring,
        words: Option<&RecoveryWords>,
        slots: &[NewSlot],
        entropy: &mut dyn Entropy,
    ) -> Result<Self, KeysError> {
        if slots.is_empty() {
            return Err(KeysError::NoSlots);
        }
        let unlock_key = UnlockKey::generate(entropy);
        let library = keyring.library();
        // Slots are made before anything is written: a bad passphrase leaves nothing behind.
        let mut made = Vec::with_capacity(slots.len() + 1);
        for new in slots {
            made.push(Slot::create(library, new.label(), &new.secret(), new.cost(), &unlock_key, entropy)?);
        }
        if let Some(words) = words {
            let (recovery, cost) = (SlotSecret::Recovery(words), PassphraseCost::DESKTOP);
            made.push(Slot::create(library, RECOVERY_LABEL, &recovery, cost, &unlock_key, entropy)?);
        }
        let unfinished = LibraryFolder::create(path, &keyring)?;
        Ok(Self { unfinished, keys: UnlockedKeys { keyring, unlock_key }, slots: made })
    }

    /// Its folder, to put everything into.
    pub(crate) fn folder(&self) -> &LibraryFolder {
        self.unfinished.folder()
    }

    /// Its keys.
    pub(crate) fn keys(&self) -> &UnlockedKeys {
        &self.keys
    }

    /// Takes over what the keys have learnt while the library was being filled.
    pub(crate) fn replace_keys(&mut self, keys: UnlockedKeys) {
        self.keys = keys;
    }

    /// Writes the keyring and the slots.
    pub(crate) fn write_keys(&self, entropy: &mut dyn Entropy) -> Result<(), KeysError> {
        let folder = self.folder();
        let UnlockedKeys { keyring, unlock_key } = &self.keys;
        let sealed = keyring.to_sealed(unlock_key, entropy)?;
        replace_in(folder.temporary(), &folder.keys_path(), KEYRING, sealed.as_bytes())?;
        make_slots_folder(&folder.keys_path())?;
        for slot in &self.slots {
            write_slot(folder.temporary(), &folder.keys_path(), slot, keyring)?;
        }
        Ok(())
    }

    /// Makes it a library.
    pub(crate) fn finish(self) -> Result<NewLibrary, KeysError> {
        Ok(NewLibrary { folder: self.unfinished.finish()?, keys: self.keys })
    }

    /// Takes back what was begun.
    pub(crate) fn abandon(self) -> Result<(), KeysError> {
        Ok(self.unfinished.abandon()?)
    }
}
