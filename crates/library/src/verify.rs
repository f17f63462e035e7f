//! Reads everything of a library back and names what is damaged.
//!
//! Every byte of the library folder is covered: originals by opening and hashing them, packs by their frames
//! and entries, history by signatures and chains, databases by their page authentication, the small files by
//! macs. What lies in the folder and is spoken of nowhere is named too, as a notice: an interrupted import may
//! have left it.

mod history;
pub(crate) mod objects;

pub(crate) use objects::is_for_damage;

use std::collections::HashMap;
use std::path::Path;

use safelight_store::ObjectPath;
use safelight_sync::HISTORY_DAMAGED;
use serde::Serialize;

use crate::error::Result;
use crate::keys::KEYRING_HINT;
use crate::library::Library;
use crate::monitor::Monitor;

pub use history::HistoryReport;

/// What is to be verified.
#[derive(Debug, Clone, Copy, Default)]
pub struct VerifyRequest {
    /// Only whether every object is there and has its size.
    pub quick: bool,
}

/// One damaged, missing or unknown file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The file, below the library folder where it lies there.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
    /// The photos that depend on it, as far as they are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<String>,
    /// Whether it lies in the library folder and nothing speaks of it.
    #[serde(skip)]
    pub(crate) is_stray: bool,
}

impl Damage {
    pub(crate) fn new(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        let path = path.as_ref().to_string_lossy().into_owned();
        Self { path, reason: reason.into(), photos: Vec::new(), is_stray: false }
    }

    /// The photos that depend on it, as far as they are known, the first three by name.
    #[must_use]
    pub fn photos_in_words(&self) -> Option<String> {
        let named = self.photos.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.photos.len() {
            0 => None,
            count @ 1..=3 => Some(format!("{}: {named}", if count == 1 { "photo" } else { "photos" })),
            count => Some(format!("{count} photos: {named} and {} more", count - 3)),
        }
    }

    /// The same damages, with those of one file for one reason as one, which has the photos of all.
    #[must_use]
    pub fn together(damages: &[Self]) -> Vec<Self> {
        let mut together: Vec<Self> = Vec::new();
        let mut places = HashMap::new();
        for damage in damages {
            let place = *places.entry((&damage.path, &damage.reason)).or_insert(together.len());
            match together.get_mut(place) {
                Some(same) => same.photos.extend(damage.photos.iter().cloned()),
                None => together.push(damage.clone()),
            }
        }
        together
    }

    /// Whether it is of the history, the root card or the keys, of which every place holds all.
    fn is_of_library(&self) -> bool {
        let below = self.path.strip_prefix("objects/");
        below.is_some_and(|below| ["root/", "keys/", "log/"].iter().any(|area| below.starts_with(area)))
    }

    /// What to do about it, in one sentence, where a library has remotes and where it has none.
    #[must_use]
    pub fn hint(&self, has_remotes: bool) -> &'static str {
        let lies_in = |folder: &str| self.path.starts_with(folder);
        match self.path.as_str() {
            "catalog.db" => "safelight doctor --fix catalog makes it again from the signed history",
            "device.db" => {
                "safelight doctor --fix catalog sets it aside and begins a new one; watched folders and remotes are \
                 then to be given again"
            }
            "keys/keyring.sealed" => KEYRING_HINT,
            "keys/keyring.previous" => "nothing needs it while keys/keyring.sealed is whole: remove the file",
            "library.toml" | "keys/attempts" => "safelight doctor --fix writes it anew",
            "keys/slots" => {
                "while the agent has the key, safelight key add makes a new way to unlock; else put keys/slots back from a \
                 backup, or take every photo out with the 24 words and recover/safelight_recover.py"
            }
            _ if self.reason == objects::LINK_CHANGED => {
                "import its folder again: what it holds now is taken in; what it held comes back only with a copy from \
                 elsewhere"
            }
            _ if lies_in("keys/slots/") => {
                "unlock by another slot or the recovery words, then remove the damaged one"
            }
            _ if self.is_of_library() && has_remotes => {
                "the next safelight sync brings it back from a remote"
            }
            _ if lies_in("objects/log/") => {
                "safelight doctor --fix catalog writes what it said anew, as far as the catalogue still knows it; else put \
                 it back from a backup of the library"
            }
            _ if self.is_of_library() => {
                "no photo needs it here, only who recovers from this folder: put it back from a backup of the library"
            }
            _ if has_remotes => {
                "the next safelight sync fetches what rests in a remote, and makes previews again; importing another copy \
                 brings back what rests in none"
            }
            _ => {
                "importing another copy brings an original back; previews are made again by the next safelight import"
            }
        }
    }
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Originals that were read back.
    pub originals: u64,
    /// Other objects: entries of packs, segments, databases, small files.
    pub objects: u64,
    /// Sealed bytes that were read.
    pub bytes: u64,
    /// What is damaged or missing.
    pub damaged: Vec<Damage>,
    /// Linked originals that are not where they were, so that nothing of them could be checked.
    pub absent: Vec<Damage>,
    /// What is worth knowing.
    pub notices: Vec<Damage>,
    /// Whether there are remotes, from which what is damaged may come back.
    #[serde(skip)]
    pub has_remotes: bool,
    /// Who signed an export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Sealed parts that nothing speaks of; the notices name them.
    #[serde(skip)]
    pub(crate) leftovers: Vec<ObjectPath>,
}

impl VerifyReport {
    pub(crate) fn absorb(&mut self, other: Self) {
        self.originals += other.originals;
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.damaged.extend(other.damaged);
        self.absent.extend(other.absent);
        self.notices.extend(other.notices);
        self.leftovers.extend(other.leftovers);
    }
}

impl Library {
    /// Verifies everything that this device holds.
    ///
    /// # Errors
    /// When the library cannot be read at all. What is damaged is in the report.
    pub fn verify(&mut self, request: &VerifyRequest, monitor: &dyn Monitor) -> Result<VerifyReport> {
        let mut report = self.verify_small_files()?;
        report.absorb(self.verify_databases(request)?);
        report.absorb(self.verify_objects(request, monitor)?);
        if !request.quick {
            report.absorb(self.verify_log_and_remember()?);
        }
        report.has_remotes = !self.device.remotes()?.is_empty();
        report.damaged.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(report)
    }

    /// Verifies history and keys. Where they are damaged the next sync opens each of them, and fetches what is not whole.
    pub(crate) fn verify_log_and_remember(&mut self) -> Result<VerifyReport> {
        let log = self.verify_log()?;
        if !self.is_read_only() {
            let is_damaged = (!log.damaged.is_empty()).then_some(&b"yes"[..]);
            self.device.set_setting(HISTORY_DAMAGED, is_damaged)?;
        }
        Ok(log)
    }
}
