//! New recovery words for a library. Whoever asks for them has them on paper or in a file before anything changes.
//!
//! Order: the statements, with what they need, by [`state_new_words`]; then this device's keyring; then its key slots. Killed
//! anywhere, the same words given again end what was begun: each step looks first at what is there.
//!
//! Specified in sl1 §1.12.

use safelight_crypto::{OsEntropy, PassphraseCost, RecoveryWords, Slot, SlotSecret, WordsCard};
use safelight_sync::{Silent, Stop, state_new_words, take_words_in_force};
use serde::Serialize;

use crate::error::{LibraryError, Result};
use crate::history::shown_time;
use crate::keys::RECOVERY_LABEL;
use crate::library::Library;
use crate::remote::{SyncLock, here};

/// How words stand to a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WordsStanding {
    /// They are in force.
    InForce,
    /// They were, until then: `2026-05-14 10:11:12`, UTC.
    Replaced(String),
    /// They are those of another library, or of none.
    Others,
}

/// What came of new recovery words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewWords {
    /// Whether they were put in force just now, and not by an earlier attempt.
    pub is_new: bool,
    /// When they were put in force: `2026-05-14 10:11:12`, UTC.
    pub since: String,
    /// The epoch under which this device seals from now on; none where another device still has to give its key.
    pub epoch: Option<String>,
    /// How many photos and videos whoever has the words before can still read in a copy of what rests anywhere.
    pub still_readable: u64,
    /// Remotes that do not know of it before the next sync.
    pub remotes: Vec<String>,
}

impl Library {
    /// The public halves of the recovery words in force, as the history says.
    pub(crate) fn words_in_force(&self) -> Result<WordsCard> {
        let roster = self.catalog().roster(self.id())?;
        Ok(roster.map_or_else(|| self.keyring().words().clone(), |roster| roster.words().clone()))
    }

    /// How these words stand to the library.
    ///
    /// # Errors
    /// Those of the database.
    pub fn words_standing(&self, words: &RecoveryWords) -> Result<WordsStanding> {
        if self.words_in_force()? == words.card() {
            return Ok(WordsStanding::InForce);
        }
        let roster = self.catalog().roster(self.id())?;
        let replaced = roster.and_then(|roster| roster.words_replaced(&words.library_id()));
        Ok(replaced.map_or(WordsStanding::Others, |millis| WordsStanding::Replaced(shown_time(millis))))
    }

    /// When the words in force were put in force instead of others: `2026-05-14 10:11:12`, UTC; none for those that the
    /// library was made with.
    ///
    /// # Errors
    /// Those of the database.
    pub fn recovery_words_since(&self) -> Result<Option<String>> {
        let roster = self.catalog().roster(self.id())?;
        Ok(roster.and_then(|roster| roster.words_since()).map(shown_time))
    }

    /// Puts `new` words in force, signed by the `old` ones, and lets them unlock this device instead of those. With words
    /// that are in force already it only ends what an earlier attempt began; then `old` is not needed.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] when `old` are not in force, when `new` were before, where nothing can be written, or when
    /// this device does not belong to the library; [`LibraryError::AnotherSync`]; those of the databases and the disk.
    pub fn replace_words(&mut self, old: Option<&RecoveryWords>, new: &RecoveryWords) -> Result<NewWords> {
        self.folder.require_writable()?;
        self.require_membership()?;
        // Nobody takes the epoch that is being begun for one that is sealed under.
        let _only = SyncLock::take(&self.folder)?;
        let is_new = self.words_standing(new)? != WordsStanding::InForce;
        if is_new {
            self.state_words(old, new)?;
        }
        self.take_words()?;
        self.close_segment()?;
        if !self.folder.keys().has_recovery_slot(new)? {
            self.add_words_slot(RECOVERY_LABEL, new)?;
        }
        self.folder.keys().remove_other_recovery_slots(&self.keys, new)?;
        let roster = self.catalog().roster(self.id())?;
        let epoch = roster.and_then(|roster| Some(roster.sealing_epoch()?.epoch));
        Ok(NewWords {
            is_new,
            since: self.recovery_words_since()?.unwrap_or_default(),
            epoch: epoch.filter(|epoch| self.keyring().epoch().id() == *epoch).map(|epoch| epoch.to_string()),
            still_readable: self.count_photos()?,
            remotes: self.device.remotes()?.into_iter().map(|row| row.name).collect(),
        })
    }

    /// Lets the words in force unlock this device, instead of such as were before. Answers how they stand, and the slot if
    /// they are in force.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] where nothing can be written; those of the databases and the disk.
    pub fn let_words_unlock(
        &mut self,
        label: Option<&str>,
        words: &RecoveryWords,
    ) -> Result<(WordsStanding, Option<Slot>)> {
        self.folder.require_writable()?;
        let standing = self.words_standing(words)?;
        if standing != WordsStanding::InForce {
            return Ok((standing, None));
        }
        self.take_words()?;
        let slot = self.add_words_slot(label.unwrap_or(RECOVERY_LABEL), words)?;
        self.folder.keys().remove_other_recovery_slots(&self.keys, words)?;
        Ok((standing, Some(slot)))
    }

    fn add_words_slot(&self, label: &str, words: &RecoveryWords) -> Result<Slot> {
        let (secret, cost) = (SlotSecret::Recovery(words), PassphraseCost::DESKTOP);
        Ok(self.folder.keys().add_slot(&self.keys, label, &secret, cost, &mut OsEntropy)?)
    }

    fn state_words(&mut self, old: Option<&RecoveryWords>, new: &RecoveryWords) -> Result<()> {
        let refuse = |reason: String, hint: &str| LibraryError::Refused { reason, hint: hint.into() };
        let old = old.ok_or_else(|| {
            refuse(
                "only the recovery words in force put others in force, and they were not given".into(),
                "give the words in force as well",
            )
        })?;
        match self.words_standing(old)? {
            WordsStanding::InForce => {}
            WordsStanding::Replaced(since) => {
                return Err(refuse(
                    format!("these recovery words were replaced on {since}, and put no others in force"),
                    "use the words that replaced them",
                ));
            }
            WordsStanding::Others => {
                return Err(refuse(
                    "these are not the recovery words of this library".into(),
                    "only the words in force put others in force",
                ));
            }
        }
        if let WordsStanding::Replaced(since) = self.words_standing(new)? {
            return Err(refuse(
                format!("the new recovery words were in force before, until {since}"),
                "words that somebody may know are not used again: let the command draw others",
            ));
        }
        let (mut keys, mut entropy, stop) = (None, OsEntropy, Stop::default());
        Ok(state_new_words(&mut here(self, &mut keys, &mut entropy, &Silent, &stop), old, new)?)
    }

    fn take_words(&mut self) -> Result<()> {
        let (mut keys, mut entropy, stop) = (None, OsEntropy, Stop::default());
        take_words_in_force(&mut here(self, &mut keys, &mut entropy, &Silent, &stop))?;
        Ok(())
    }
}
