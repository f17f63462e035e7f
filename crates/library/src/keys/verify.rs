//! Checks every bit of `keys/`, with the keys at hand, and names what is damaged.

use std::path::PathBuf;

use crate::folder::read_small;
use crate::folder::stamp::verified;
use crate::keys::slots::{PURPOSE, name_of, read_slot, slot_files};
use crate::keys::{ATTEMPTS, KEYRING, KEYRING_PREVIOUS, KeyFolder, KeysError, SLOTS, UnlockedKeys};

/// A file of `keys/` that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDamage {
    /// The file, below the library's folder.
    pub relative: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl KeyFolder<'_> {
    /// Checks the slots, the keyring, the one before it and the failed unlocks.
    ///
    /// A slot is checked twice: its file's stamp finds every flipped bit, and its own code finds an older slot
    /// that somebody put back after the unlock key was replaced.
    ///
    /// # Errors
    /// [`KeysError::Folder`] when a folder cannot be listed; damage is a result, not an error.
    pub fn verify(&self, keys: &UnlockedKeys) -> Result<Vec<KeyDamage>, KeysError> {
        let mut damage = Vec::new();
        let mut blame = |name: &str, reason: String| {
            damage.push(KeyDamage { relative: PathBuf::from("keys").join(name), reason });
        };
        for (id, path) in slot_files(&self.path(SLOTS))? {
            let file = format!("{SLOTS}/{id}.toml");
            let checked = self.verify_stamp(&path, &name_of(id), keys).and_then(|()| {
                let slot = read_slot(&path)?.slot;
                if slot.id() != id {
                    return Err(format!("it holds slot {} instead", slot.id()));
                }
                slot.verify(self.folder.library(), &keys.unlock_key).map_err(|error| error.to_string())
            });
            if let Err(reason) = checked {
                blame(&file, reason);
            }
        }
        if self.has_no_slots()? {
            blame(SLOTS, "no key slot is left".to_owned());
        }
        if let Err(error) = self.open_file(KEYRING, &keys.unlock_key) {
            blame(KEYRING, error.to_string());
        }
        if self.path(KEYRING_PREVIOUS).symlink_metadata().is_ok()
            && let Err(error) = self.open_file(KEYRING_PREVIOUS, &keys.unlock_key)
        {
            blame(KEYRING_PREVIOUS, error.to_string());
        }
        match self.attempts() {
            Ok(log) => {
                for line in log.damaged_lines {
                    blame(ATTEMPTS, format!("line {line} is not what was written"));
                }
            }
            Err(error) => blame(ATTEMPTS, error.to_string()),
        }
        Ok(damage)
    }

    fn verify_stamp(&self, path: &std::path::Path, name: &str, keys: &UnlockedKeys) -> Result<(), String> {
        let bytes = read_small(path).map_err(|error| error.to_string())?;
        let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
        verified(text, name, self.folder.library(), &keys.keyring.mac_key(PURPOSE))
            .map(drop)
            .map_err(|error| error.to_string())
    }
}
