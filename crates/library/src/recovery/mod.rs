//! What brings the library back when everything else is lost, on paper: the recovery words or shares of them, where the photos
//! rest, and how to begin.
//!
//! Invariant: words are in a kit only when whoever asks for it has given them; the library does not keep them.

mod pdf;
mod replace;

use jiff::Zoned;
use safelight_crypto::{RecoveryWords, Share, StatementId, sha256};
use zeroize::Zeroizing;

use crate::error::Result;
use crate::history::shown_time;
use crate::library::Library;
use crate::past::zone_here;

pub use replace::{NewWords, WordsStanding};

/// When words were last tried out here, in milliseconds since 1970 as eight bytes, and the id of those words. Earlier versions,
/// which knew of no other words than those at the library's birth, kept no id.
const TESTED: &str = "recovery_tested";
/// Bytes of the roster's hash that are shown.
const ROSTER_BYTES: usize = 8;

/// What a kit says beside the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryKit {
    /// The library's id.
    pub library: String,
    /// The day it was made: `2026-05-14`.
    pub made: String,
    /// Names and addresses of the remotes of the device that made it, without anything secret.
    pub remotes: Vec<(String, String)>,
    /// The six words of the history up to then.
    pub six_words: String,
    /// How many devices belonged to the library.
    pub devices: usize,
    /// The beginning of a hash of everything that was stated about devices and keys.
    pub roster: String,
}

/// The secret of a kit.
#[derive(Debug, Clone, Copy)]
pub enum KitSecret<'a> {
    /// Lines to write the words on by hand.
    Lines,
    /// The words.
    Words(&'a RecoveryWords),
    /// One share of them.
    Share {
        /// The share.
        share: &'a Share,
        /// How many there are.
        count: u8,
    },
}

impl RecoveryKit {
    /// One page, A4, as PDF.
    #[must_use]
    pub fn to_pdf(&self, secret: KitSecret<'_>) -> Zeroizing<Vec<u8>> {
        pdf::page(self, secret)
    }
}

impl Library {
    /// What is to be known on paper of this library, as of now.
    ///
    /// # Errors
    /// Those of the database.
    pub fn recovery_kit(&self) -> Result<RecoveryKit> {
        let roster = self.catalog().roster(self.id())?;
        let mut heads = roster.as_ref().map(|roster| roster.heads()).unwrap_or_default();
        heads.sort_unstable();
        let stated: Vec<u8> = heads.iter().flat_map(StatementId::as_bytes).copied().collect();
        let hash = sha256(&[&stated]);
        let remotes = self.device.remotes()?.into_iter().map(|row| (row.name, row.address));
        Ok(RecoveryKit {
            library: self.id().to_string(),
            made: Zoned::now().with_time_zone(zone_here()).date().to_string(),
            remotes: remotes.collect(),
            six_words: self.six_words()?,
            devices: roster.map_or(0, |roster| {
                roster.members().values().filter(|member| member.standing.belongs()).count()
            }),
            roster: hash.iter().take(ROSTER_BYTES).map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// When the recovery words in force were last tried out on this device: `2026-05-14 10:11:12`, UTC; none before they were.
    ///
    /// # Errors
    /// Those of the database.
    pub fn recovery_tested(&self) -> Result<Option<String>> {
        let Some(tested) = self.device.setting(TESTED)? else { return Ok(None) };
        let Some((millis, words)) = tested.split_first_chunk::<8>() else { return Ok(None) };
        let birth = self.id();
        let proven = if words.is_empty() { birth.as_bytes().as_slice() } else { words };
        let are_in_force = proven == self.words_in_force()?.id().as_bytes();
        Ok(are_in_force.then(|| shown_time(u64::from_be_bytes(*millis))))
    }

    /// Tries out recovery words, and remembers it if they are those in force. Answers how they stand.
    ///
    /// # Errors
    /// [`crate::LibraryError::Refused`] where nothing can be written; those of the database.
    pub fn test_recovery(&mut self, words: &RecoveryWords) -> Result<WordsStanding> {
        let standing = self.words_standing(words)?;
        if standing == WordsStanding::InForce {
            self.folder.require_writable()?;
            let now = crate::effects::now_stamp_millis();
            let tested = [now.to_be_bytes().as_slice(), words.library_id().as_bytes()].concat();
            self.device.set_setting(TESTED, Some(&tested))?;
        }
        Ok(standing)
    }
}
