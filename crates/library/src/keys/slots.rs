//! Key slots on disk: one open text file for each way to unlock.
//!
//! A slot's file is read leniently before unlocking, because a damaged stamp must not lock anybody out, and
//! strictly by [`verify`](super::verify) afterwards.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use safelight_crypto::{Entropy, Keyring, LibraryId, PassphraseCost, Slot, SlotId, SlotKind, SlotSecret};
use safelight_store::{TempSpace, sync_directory};

use crate::effects::now_stamp_millis;
use crate::folder::stamp::{looks_damaged, stamp};
use crate::folder::{FOLDER_MODE, FolderError, read_small};
use crate::keys::{AttemptWay, FailedAttempt, KeyFolder, KeysError, SLOTS, UnlockedKeys, replace_in};

/// What the stamps of slots are made with.
pub(super) const PURPOSE: &str = "slot file";
/// The end of a slot's file name.
const ENDING: &str = ".toml";

/// All slots of a library.
#[derive(Debug, Default)]
pub struct SlotList {
    /// Slots that can be read, in the order of their ids.
    pub slots: Vec<Slot>,
    /// Files that cannot.
    pub damaged: Vec<DamagedSlot>,
    /// Of the slots that can be read, those whose files do not fit their own checksum. They may open all the same; one
    /// that does not is damaged, and the secret may be right.
    pub suspect: Vec<SlotId>,
}

/// What is wrong with a suspect slot that does not open.
pub(crate) const SUSPECT: &str =
    "its content does not fit its own checksum, so the right secret may look like a wrong one";

/// A slot's file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedSlot {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl KeyFolder<'_> {
    /// Reads all slots. Needs no key.
    ///
    /// # Errors
    /// [`KeysError::Folder`] when the folder cannot be read; a damaged slot is listed, not an error.
    pub fn slots(&self) -> Result<SlotList, KeysError> {
        let mut list = SlotList::default();
        let folder = self.path(SLOTS);
        for (id, path) in slot_files(&folder)? {
            match read_slot(&path) {
                Ok(read) if read.slot.id() == id => {
                    list.suspect.extend(read.is_suspect.then_some(id));
                    list.slots.push(read.slot);
                }
                Ok(ReadSlot { slot, .. }) => {
                    let reason = format!("it holds slot {} instead", slot.id());
                    list.damaged.push(DamagedSlot { path, reason });
                }
                Err(reason) => list.damaged.push(DamagedSlot { path, reason }),
            }
        }
        Ok(list)
    }

    /// Where the slots are.
    #[must_use]
    pub fn slots_path(&self) -> PathBuf {
        self.path(SLOTS)
    }

    /// Whether not one slot is there, not even a damaged one. No library is made so, and the last slot that works
    /// cannot be removed: their files are gone.
    ///
    /// # Errors
    /// [`KeysError::Folder`] when the folder cannot be read.
    pub fn has_no_slots(&self) -> Result<bool, KeysError> {
        Ok(slot_files(&self.slots_path())?.is_empty())
    }

    /// Finds the slot that a person means by an id, the beginning of one, or a label.
    ///
    /// # Errors
    /// [`KeysError::NoSuchSlot`], [`KeysError::AmbiguousSlot`].
    pub fn find_slot(&self, wanted: &str) -> Result<Slot, KeysError> {
        let mut slots = self.slots()?.slots;
        let matches = |slot: &Slot| {
            slot.label() == wanted || (!wanted.is_empty() && slot.id().to_string().starts_with(wanted))
        };
        slots.retain(matches);
        let count = slots.len();
        match (slots.pop(), count) {
            (Some(slot), 1) => Ok(slot),
            (Some(_), count) => Err(KeysError::AmbiguousSlot { wanted: wanted.to_owned(), count }),
            (None, _) => Err(KeysError::NoSuchSlot { wanted: wanted.to_owned() }),
        }
    }

    /// Adds a way to unlock.
    ///
    /// # Errors
    /// [`KeysError::Crypto`] for a secret that cannot make a slot, and errors of the disk.
    pub fn add_slot(
        &self,
        keys: &UnlockedKeys,
        label: &str,
        secret: &SlotSecret<'_>,
        cost: PassphraseCost,
        entropy: &mut dyn Entropy,
    ) -> Result<Slot, KeysError> {
        self.folder.require_writable()?;
        let slot = Slot::create(self.folder.library(), label, secret, cost, &keys.unlock_key, entropy)?;
        let _lock = self.folder.lock_keys()?;
        self.require_in_force(keys)?;
        self.write_slot(&slot, &keys.keyring)?;
        Ok(slot)
    }

    /// Removes a way to unlock, if another one that works stays, and one that a person can open without any store.
    ///
    /// # Errors
    /// [`KeysError::NoSuchSlot`], [`KeysError::LastSlot`], [`KeysError::LastForPeople`].
    pub fn remove_slot(&self, keys: &UnlockedKeys, id: SlotId) -> Result<(), KeysError> {
        self.folder.require_writable()?;
        let _lock = self.folder.lock_keys()?;
        self.require_in_force(keys)?;
        self.remove_locked(keys, id)
    }

    /// Gives a slot another secret: the new slot is durable before the old one goes.
    ///
    /// # Errors
    /// As [`add_slot`](Self::add_slot) and [`remove_slot`](Self::remove_slot).
    pub fn change_secret(
        &self,
        keys: &UnlockedKeys,
        id: SlotId,
        secret: &SlotSecret<'_>,
        cost: PassphraseCost,
        entropy: &mut dyn Entropy,
    ) -> Result<Slot, KeysError> {
        self.folder.require_writable()?;
        let old = self.read_by_id(id)?.slot;
        let slot = Slot::create(self.folder.library(), old.label(), secret, cost, &keys.unlock_key, entropy)?;
        let _lock = self.folder.lock_keys()?;
        self.require_in_force(keys)?;
        self.write_slot(&slot, &keys.keyring)?;
        self.remove_locked(keys, id)?;
        Ok(slot)
    }

    /// Gives a slot another label.
    ///
    /// # Errors
    /// [`KeysError::NoSuchSlot`], [`KeysError::Crypto`] when the slot is not authentic.
    pub fn relabel_slot(&self, keys: &UnlockedKeys, id: SlotId, label: &str) -> Result<Slot, KeysError> {
        self.folder.require_writable()?;
        let _lock = self.folder.lock_keys()?;
        let slot = self.read_by_id(id)?.slot.relabel(self.folder.library(), label, &keys.unlock_key)?;
        self.write_slot(&slot, &keys.keyring)?;
        Ok(slot)
    }

    /// Tries out that a secret opens a slot, and that the slot opens the keyring. One that does not is written down as
    /// every failed unlock is.
    ///
    /// # Errors
    /// [`KeysError::WrongSecret`], [`KeysError::Damaged`], [`KeysError::WrongKey`].
    pub fn test_slot(&self, id: SlotId, secret: &SlotSecret<'_>) -> Result<UnlockedKeys, KeysError> {
        self.try_slot(id, secret).inspect_err(|error| {
            if matches!(error, KeysError::WrongSecret { .. }) {
                self.note_wrong_secret(id, secret.kind());
            }
        })
    }

    /// The same, with nothing written down: for a secret that may be meant for another slot. Whoever knows better says so
    /// with [`note_wrong_secret`](Self::note_wrong_secret).
    ///
    /// # Errors
    /// As [`test_slot`](Self::test_slot).
    pub fn try_slot(&self, id: SlotId, secret: &SlotSecret<'_>) -> Result<UnlockedKeys, KeysError> {
        let ReadSlot { slot, is_suspect } = self.read_by_id(id)?;
        let unlock_key = slot.open(self.folder.library(), secret).map_err(|error| match error {
            error if error.store_error().is_some() => error.into(),
            _ if is_suspect => {
                KeysError::Damaged { path: self.path(SLOTS).join(file_of(id)), reason: SUSPECT.to_owned() }
            }
            error if error.is_wrong_key() => KeysError::WrongSecret { slot: id },
            error => error.into(),
        })?;
        let keyring = self.open_keyring(&unlock_key)?.keyring;
        Ok(UnlockedKeys { keyring, unlock_key })
    }

    /// Writes down that a secret did not open a slot.
    pub fn note_wrong_secret(&self, id: SlotId, kind: SlotKind) {
        // A wrong id in the description makes every right secret look wrong, and would go into what is written down.
        if !self.folder.is_suspect() {
            let way = AttemptWay::of_kind(kind);
            self.record_attempt(&FailedAttempt { at_millis: now_stamp_millis(), way, slot: Some(id) });
        }
    }

    fn read_by_id(&self, id: SlotId) -> Result<ReadSlot, KeysError> {
        let path = self.path(SLOTS).join(file_of(id));
        if path.symlink_metadata().is_err() {
            return Err(KeysError::NoSuchSlot { wanted: id.to_string() });
        }
        read_slot(&path).map_err(|reason| KeysError::Damaged { path, reason })
    }

    pub(super) fn remove_locked(&self, keys: &UnlockedKeys, id: SlotId) -> Result<(), KeysError> {
        let folder = self.path(SLOTS);
        let path = folder.join(file_of(id));
        if path.symlink_metadata().is_err() {
            return Err(KeysError::NoSuchSlot { wanted: id.to_string() });
        }
        let library = self.folder.library();
        let mut slots = self.slots()?.slots;
        slots.retain(|slot| slot.id() == id || slot.verify(library, &keys.unlock_key).is_ok());
        let (going, staying): (Vec<Slot>, Vec<Slot>) = slots.into_iter().partition(|slot| slot.id() == id);
        if staying.is_empty() {
            return Err(KeysError::LastSlot { slot: id });
        }
        // A damaged slot opens for nobody, so nobody loses it.
        let is_for_people = |slot: &Slot| !slot.kind().is_store();
        if going.iter().any(is_for_people) && !staying.iter().any(is_for_people) {
            return Err(KeysError::LastForPeople { slot: id });
        }
        let fail = |error| FolderError::from_io("remove", &path, error);
        std::fs::remove_file(&path).map_err(fail)?;
        sync_directory(File::open(&folder).map_err(fail)?.as_fd()).map_err(fail)?;
        Ok(())
    }

    pub(super) fn write_slot(&self, slot: &Slot, keyring: &Keyring) -> Result<(), KeysError> {
        make_slots_folder(&self.folder.keys_path())?;
        write_slot(self.folder.temporary(), &self.folder.keys_path(), slot, keyring)
    }
}

/// Makes `slots/` below a `keys/` folder where it is missing, durably.
pub(super) fn make_slots_folder(keys: &Path) -> Result<(), FolderError> {
    let path = keys.join(SLOTS);
    let fail = |error| FolderError::from_io("create", &path, error);
    match DirBuilder::new().mode(FOLDER_MODE).create(&path) {
        Ok(()) => sync_directory(File::open(keys).map_err(fail)?.as_fd()).map_err(fail),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(fail(error)),
    }
}

/// Writes a slot's file into a `keys/` folder.
pub(super) fn write_slot(
    temporary: &TempSpace,
    keys: &Path,
    slot: &Slot,
    keyring: &Keyring,
) -> Result<(), KeysError> {
    let file = file_of(slot.id());
    let path = keys.join(SLOTS).join(&file);
    let body = toml::to_string(slot)
        .map_err(|error| KeysError::Damaged { path: path.clone(), reason: error.to_string() })?;
    let text = stamp(&body, &name_of(slot.id()), keyring.library(), &keyring.mac_key(PURPOSE));
    Ok(replace_in(temporary, &keys.join(SLOTS), &file, text.as_bytes())?)
}

/// The slot files of a folder in the order of their ids; none where the folder is missing.
pub(super) fn slot_files(folder: &Path) -> Result<Vec<(SlotId, PathBuf)>, FolderError> {
    let fail = |error| FolderError::from_io("list", folder, error);
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(fail)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(fail)?;
        if let Some(id) = entry.file_name().to_str().and_then(id_of_file) {
            files.push((id, entry.path()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// A slot as its file says, and whether the file fits its own checksum.
pub(super) struct ReadSlot {
    pub(super) slot: Slot,
    is_suspect: bool,
}

/// Reads a slot, whether its checksum fits or not; an error is a reason for people.
pub(super) fn read_slot(path: &Path) -> Result<ReadSlot, String> {
    let bytes = read_small(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
    let slot = toml::from_str(&text).map_err(|error| error.message().to_owned())?;
    Ok(ReadSlot { slot, is_suspect: looks_damaged(&text) })
}

/// The id that a file's name says.
pub(super) fn id_of_file(name: &str) -> Option<SlotId> {
    name.strip_suffix(ENDING)?.parse().ok()
}

fn file_of(id: SlotId) -> String {
    format!("{id}{ENDING}")
}

/// The name that a slot's stamp is made over.
pub(super) fn name_of(id: SlotId) -> String {
    format!("keys/{SLOTS}/{}", file_of(id))
}

/// A slot that nobody can open, to spend the same time on when there is none to try.
pub(crate) fn spend_time_of_a_slot(library: LibraryId, secret: &SlotSecret<'_>, entropy: &mut dyn Entropy) {
    let key = safelight_crypto::UnlockKey::generate(entropy);
    if let Err(error) = Slot::create(library, "", secret, PassphraseCost::DESKTOP, &key, entropy) {
        tracing::debug!(%error, "no time was spent on a slot that does not exist");
    }
}
