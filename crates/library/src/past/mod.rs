//! The library as it was at a moment, to be looked at.
//!
//! Invariant: the past is folded from history whenever somebody asks, and nothing of it is kept: its catalogue rests
//! sealed under a key that nobody stores, among the unfinished files, for as long as it is open. Nothing can be changed in it.

mod moment;
mod snapshots;

use std::collections::HashSet;

use safelight_catalog::{Catalog, CatalogKey, ListOptions, Past, Query, Shelf, remove_database};
use safelight_crypto::{Entropy as _, OsEntropy};
use safelight_model::{AssetId, Field, Value};
use safelight_store::TempName;

use crate::error::{LibraryError, Result};
use crate::folder::LibraryFolder;
use crate::keys::UnlockedKeys;
use crate::library::{Library, LibraryOptions};

pub use moment::{Moment, zone_here};
pub use snapshots::{ShownSnapshot, SnapshotKeep, SnapshotSchedule};

/// The catalogue of a moment. Its file goes with it.
#[derive(Debug)]
pub(crate) struct PastCatalog {
    // Closed before its file is removed.
    pub(crate) catalog: Catalog,
    known: Past,
    file: Option<PastFile>,
}

/// The file of such a catalogue, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct PastFile(TempName);

impl Drop for PastFile {
    fn drop(&mut self) {
        if let Err(error) = remove_database(self.0.path()) {
            tracing::warn!(%error, "the catalogue of a moment is left for the next sweep");
        }
    }
}

impl Library {
    /// Opens the library as it was at a moment, to look at it only. Originals and renditions are those that are there
    /// today: what was removed for good since is known and cannot be opened.
    ///
    /// # Errors
    /// As [`Library::open`]; [`LibraryError::Refused`] while the history is still arriving.
    pub fn open_as_it_was(
        folder: LibraryFolder,
        keys: UnlockedKeys,
        options: &LibraryOptions,
        moment: &Moment,
    ) -> Result<Self> {
        Self::open_back(folder, keys, options, moment, false)
    }

    /// The same for whoever shows it where hidden photos are kept back: what is hidden today is hidden in it, too.
    ///
    /// # Errors
    /// As [`Library::open_as_it_was`].
    pub fn open_as_it_was_to_show(
        folder: LibraryFolder,
        keys: UnlockedKeys,
        options: &LibraryOptions,
        moment: &Moment,
    ) -> Result<Self> {
        Self::open_back(folder, keys, options, moment, true)
    }

    fn open_back(
        folder: LibraryFolder,
        keys: UnlockedKeys,
        options: &LibraryOptions,
        moment: &Moment,
        keeps_hidden: bool,
    ) -> Result<Self> {
        let is_writable = folder.is_writable();
        let mut library = Self::open_to_read(folder.to_look_only(), keys, options)?;
        let still_hidden = if keeps_hidden { library.hidden_today()? } else { HashSet::new() };
        let past = library.fold_back(moment, &still_hidden, is_writable)?;
        tracing::debug!(ops = past.known.ops, since = past.known.since, "the library as it was is open");
        library.look_back(past.catalog, past.file);
        Ok(library)
    }

    /// The photos that are hidden now, those in the trash too.
    fn hidden_today(&self) -> Result<HashSet<AssetId>> {
        let away =
            ListOptions { shelves: Some(vec![Shelf::Hidden, Shelf::Trashed]), ..ListOptions::default() };
        let mut hidden = HashSet::new();
        for asset in self.found(&Query::default(), away)? {
            let state = self.catalog().asset_state(asset)?;
            let flag = state.as_ref().and_then(|state| state.current().record().value(Field::HIDDEN));
            if flag == Some(&Value::Bool(true)) {
                hidden.insert(asset);
            }
        }
        Ok(hidden)
    }

    /// The catalogue of a moment.
    pub(crate) fn as_it_was(&self, moment: &Moment, may_write: bool) -> Result<PastCatalog> {
        self.fold_back(moment, &HashSet::new(), may_write)
    }

    fn fold_back(
        &self,
        moment: &Moment,
        still_hidden: &HashSet<AssetId>,
        may_write: bool,
    ) -> Result<PastCatalog> {
        let until = self.until(moment)?;
        let now = self.catalog();
        if !now.waiting_pages()?.is_empty() {
            return Err(LibraryError::Refused {
                reason: format!(
                    "what the library was at {moment} is not known here yet: its history is still arriving"
                ),
                hint: "safelight sync brings the rest of it; then ask again".into(),
            });
        }
        if !may_write {
            let (catalog, known) = now.as_it_was_in_memory(&until, still_hidden, &mut OsEntropy)?;
            return Ok(PastCatalog { catalog, known, file: None });
        }
        let temporary = self.folder.temporary();
        let name = temporary.reserve_name().map_err(|source| LibraryError::Io {
            path: self.folder.path().to_owned(),
            action: "written",
            source,
        })?;
        let mut key = [0; 32];
        OsEntropy.fill(&mut key);
        let (catalog, known) =
            now.as_it_was(&until, still_hidden, name.path(), &CatalogKey::from_bytes(key), &mut OsEntropy)?;
        Ok(PastCatalog { catalog, known, file: Some(PastFile(name)) })
    }
}
