//! Replacing the unlock key: a new one, sealed to every slot again without asking for a single secret.
//!
//! Several files change at once, and at every moment some slot must open some keyring. So the new `keys/` is
//! built whole and durable beside the old one as `keys.new/`, and the two change places in one step. Where the
//! system cannot exchange two names, the old steps aside as `keys.old/` first, and whoever comes after a crash
//! in between finishes it ([`finish_replacement`]).

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use safelight_crypto::{Entropy, UnlockKey};
use safelight_store::sync_directory;

use crate::folder::{FOLDER_MODE, FolderError, LibraryFolder, read_small};
use crate::keys::slots::{make_slots_folder, write_slot};
use crate::keys::{ATTEMPTS, KEYRING, KeyFolder, KeysError, UnlockedKeys, replace_in};

/// The new keys until they are in force.
const KEYS_NEW: &str = "keys.new";
/// The old keys on their way out.
const KEYS_OLD: &str = "keys.old";

impl KeyFolder<'_> {
    /// Replaces the unlock key. Every slot keeps its secret; the keyring before the last is not carried over,
    /// because the old unlock key opens it.
    ///
    /// An agent that holds the old key unlocks nothing any more: it must be given the new one.
    ///
    /// # Errors
    /// [`KeysError::Damaged`] or [`KeysError::Crypto`] for a slot that cannot be sealed again (remove it
    /// first), and errors of the disk. The old keys are then still in force.
    pub fn replace_unlock_key(
        &self,
        keys: &UnlockedKeys,
        entropy: &mut dyn Entropy,
    ) -> Result<UnlockedKeys, KeysError> {
        self.folder.require_writable()?;
        finish_replacement(self.folder)?;
        let _lock = self.folder.lock_keys()?;
        // What another process learnt since these keys were opened is not to be lost.
        let keyring = self.open_file(KEYRING, &keys.unlock_key)?;
        let list = self.slots()?;
        if let Some(damaged) = list.damaged.into_iter().next() {
            return Err(KeysError::Damaged { path: damaged.path, reason: damaged.reason });
        }
        let library = self.folder.library();
        let unlock_key = UnlockKey::generate(entropy);
        let mut resealed = Vec::with_capacity(list.slots.len());
        for slot in &list.slots {
            resealed.push(slot.reseal(library, &keys.unlock_key, &unlock_key, entropy)?);
        }
        let sealed = keyring.to_sealed(&unlock_key, entropy)?;

        let new = self.folder.path().join(KEYS_NEW);
        DirBuilder::new()
            .mode(FOLDER_MODE)
            .create(&new)
            .map_err(|error| FolderError::from_io("create", &new, error))?;
        let temporary = self.folder.temporary();
        replace_in(temporary, &new, KEYRING, sealed.as_bytes())?;
        make_slots_folder(&new)?;
        for slot in &resealed {
            write_slot(temporary, &new, slot, &keyring)?;
        }
        match read_small(&self.path(ATTEMPTS)) {
            Ok(attempts) => replace_in(temporary, &new, ATTEMPTS, &attempts)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FolderError::from_io("read", &self.path(ATTEMPTS), error).into()),
        }
        sync(self.folder.path())?;
        exchange(self.folder)?;
        finish_locked(self.folder)?;
        Ok(UnlockedKeys { keyring, unlock_key })
    }
}

/// Ends a replacement that was interrupted: the new keys if they were complete, else the old ones.
pub(crate) fn finish_replacement(folder: &LibraryFolder) -> Result<(), FolderError> {
    let is_there = |name: &str| folder.path().join(name).symlink_metadata().is_ok();
    if !is_there(KEYS_NEW) && !is_there(KEYS_OLD) {
        return Ok(());
    }
    let _lock = folder.lock_keys()?;
    finish_locked(folder)
}

fn finish_locked(folder: &LibraryFolder) -> Result<(), FolderError> {
    let (keys, new, old) = (folder.keys_path(), folder.path().join(KEYS_NEW), folder.path().join(KEYS_OLD));
    if keys.symlink_metadata().is_err() {
        // Only between two renames: `keys.new` was complete and durable before the first of them.
        let next = if new.symlink_metadata().is_ok() { &new } else { &old };
        std::fs::rename(next, &keys).map_err(|error| FolderError::from_io("put in place", &keys, error))?;
        sync(folder.path())?;
    }
    for leftover in [&new, &old] {
        match std::fs::remove_dir_all(leftover) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FolderError::from_io("remove", leftover, error)),
        }
    }
    sync(folder.path())
}

/// Puts `keys.new` in the place of `keys`, durably.
fn exchange(folder: &LibraryFolder) -> Result<(), FolderError> {
    let (keys, new, old) = (folder.keys_path(), folder.path().join(KEYS_NEW), folder.path().join(KEYS_OLD));
    let fail = |error: io::Error| FolderError::from_io("put in place", &keys, error);
    match exchange_names(&new, &keys) {
        Ok(()) => {}
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            std::fs::rename(&keys, &old).map_err(fail)?;
            std::fs::rename(&new, &keys).map_err(fail)?;
        }
        Err(error) => return Err(fail(error.into())),
    }
    sync(folder.path())
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn exchange_names(one: &Path, other: &Path) -> Result<(), Errno> {
    rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn exchange_names(_: &Path, _: &Path) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

fn sync(folder: &Path) -> Result<(), FolderError> {
    let fail = |error| FolderError::from_io("make durable", folder, error);
    sync_directory(File::open(folder).map_err(fail)?.as_fd()).map_err(fail)
}
