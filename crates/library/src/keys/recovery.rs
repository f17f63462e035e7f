//! The slots of recovery words, when others come into force: those of the words before are marked by their names, and go once
//! the new words have a slot. Whose a slot is only the words themselves can tell.

use safelight_crypto::{RecoveryWords, Slot, SlotKind, SlotSecret};

use crate::keys::{KeyFolder, KeysError, UnlockedKeys};

/// What the name of a slot ends in whose words were replaced.
const REPLACED: &str = " (replaced)";

impl KeyFolder<'_> {
    fn recovery_slots(&self) -> Result<Vec<Slot>, KeysError> {
        let mut slots = self.slots()?.slots;
        slots.retain(|slot| slot.kind() == SlotKind::Recovery);
        Ok(slots)
    }

    fn opens_with(&self, slot: &Slot, words: &RecoveryWords) -> bool {
        slot.open(self.folder.library(), &SlotSecret::Recovery(words)).is_ok()
    }

    /// Whether these words unlock this device.
    ///
    /// # Errors
    /// [`KeysError::Folder`] when the slots cannot be read.
    pub fn has_recovery_slot(&self, words: &RecoveryWords) -> Result<bool, KeysError> {
        Ok(self.recovery_slots()?.iter().any(|slot| self.opens_with(slot, words)))
    }

    /// Takes away the slots that other recovery words open, once these, which are in force, have one. Answers which they were.
    ///
    /// # Errors
    /// As [`remove_slot`](Self::remove_slot).
    pub fn remove_other_recovery_slots(
        &self,
        keys: &UnlockedKeys,
        words: &RecoveryWords,
    ) -> Result<Vec<Slot>, KeysError> {
        self.folder.require_writable()?;
        let _lock = self.folder.lock_keys()?;
        self.require_in_force(keys)?;
        let library = self.folder.library();
        let mut slots = self.recovery_slots()?;
        // One that was altered opens for nobody, and is named by a verification.
        slots.retain(|slot| slot.verify(library, &keys.unlock_key).is_ok() && !self.opens_with(slot, words));
        slots.iter().try_for_each(|slot| self.remove_locked(keys, slot.id()))?;
        Ok(slots)
    }

    /// Says in the name of each slot of recovery words that its words were replaced.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn mark_recovery_slots_replaced(&self, keys: &UnlockedKeys) -> Result<(), KeysError> {
        for slot in self.recovery_slots()?.iter().filter(|slot| !slot.label().ends_with(REPLACED)) {
            match self.relabel_slot(keys, slot.id(), &format!("{}{REPLACED}", slot.label())) {
                Ok(_) => {}
                // It opens for nobody as it is.
                Err(KeysError::Crypto(error)) => tracing::debug!(%error, "a slot keeps its name"),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
