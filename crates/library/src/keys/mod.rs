//! The keys of one device in one library: the keyring, and the slots that open it.
//!
//! Invariants: every file of `keys/` is written beside, synced and renamed, so a crash leaves the old or the
//! new; the keyring before the last is kept; every bit of every file is guarded, so that [`KeyFolder::verify`]
//! names what is damaged; at least one working slot stays. Nothing here reads a passphrase from anywhere:
//! that is [`unlock`](crate::unlock). Spec: sl1.md §1.8 to §1.10.
//!
//! ```text
//! keys/slots/<id>.toml   keys/keyring.sealed   keys/keyring.previous   keys/attempts
//! ```

mod attempts;
mod create;
mod error;
mod keyring;
mod recovery;
mod replace;
mod slots;
mod strength;
mod verify;

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Component, Path, PathBuf};

use safelight_crypto::{Keyring, UnlockKey};
use safelight_store::TempSpace;

pub use attempts::{AttemptLog, AttemptWay, FailedAttempt, StoreKind};
pub use create::{NewLibrary, NewSlot};
pub(crate) use create::{RECOVERY_LABEL, UnfinishedLibrary};
pub(crate) use error::KEYRING_HINT;
pub use error::KeysError;
pub use keyring::{KeyringSource, OpenedKeyring};
pub(crate) use replace::finish_replacement;
pub(crate) use slots::SUSPECT;
pub(crate) use slots::spend_time_of_a_slot;
pub use slots::{DamagedSlot, SlotList};
pub use strength::{Strength, check_new_passphrase, strength};
pub use verify::KeyDamage;

use crate::folder::{FolderError, LibraryFolder};

/// The folder of slots below `keys/`.
const SLOTS: &str = "slots";
/// The keyring in force.
const KEYRING: &str = "keyring.sealed";
/// The keyring before it.
const KEYRING_PREVIOUS: &str = "keyring.previous";
/// Failed unlocks.
const ATTEMPTS: &str = "attempts";

/// What unlocking gives: everything secret of this device in one library.
#[derive(Debug, Clone)]
pub struct UnlockedKeys {
    /// The secrets that work is done with.
    pub keyring: Keyring,
    /// The key that the keyring is sealed under; what the agent holds.
    pub unlock_key: UnlockKey,
}

/// The `keys/` of a library.
#[derive(Debug, Clone, Copy)]
pub struct KeyFolder<'a> {
    folder: &'a LibraryFolder,
}

impl LibraryFolder {
    /// The library's keys.
    #[must_use]
    pub const fn keys(&self) -> KeyFolder<'_> {
        KeyFolder { folder: self }
    }
}

impl<'a> KeyFolder<'a> {
    /// The library's folder.
    #[must_use]
    pub const fn folder(&self) -> &'a LibraryFolder {
        self.folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.keys_path().join(name)
    }

    /// Writes a file of `keys/` durably, replacing what is there.
    fn replace_file(&self, name: &str, bytes: &[u8]) -> Result<(), KeysError> {
        Ok(replace_in(self.folder.temporary(), &self.folder.keys_path(), name, bytes)?)
    }
}

/// Writes a file durably into an existing folder, replacing what is there.
fn replace_in(temporary: &TempSpace, folder: &Path, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
    let fail = |error: io::Error| FolderError::from_io("write", &folder.join(name), error);
    let directory = File::open(folder).map_err(fail)?;
    temporary.replace_durably(directory.as_fd(), name, bytes).map_err(fail)
}

/// Whether a path below the library's folder is one of the files that `keys/` has.
pub(crate) fn is_known_file(relative: &Path) -> bool {
    let parts: Vec<&str> = relative
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    match parts.as_slice() {
        ["keys", KEYRING | KEYRING_PREVIOUS | ATTEMPTS] => true,
        ["keys", SLOTS, name] => slots::id_of_file(name).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
