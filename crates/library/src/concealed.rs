//! Hidden photos behind a second unlock: whoever serves a library to a page may have them kept back.
//!
//! The command line never does: whoever has the terminal has unlocked. While they are kept back, a search for them is
//! refused, a photo of them is answered like one that is not there, and lists leave them out. What is asked about them while they are told is noticed,
//! so that it can end some time after that.

use std::sync::atomic::{AtomicBool, Ordering};

use safelight_catalog::query::State;
use safelight_catalog::{AssetRow, ListOptions, Query, Shelf};
use safelight_model::{AssetId, ContentHash};

use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::timeline::TimelineRequest;

/// Whether hidden photos are kept back, and whether somebody asked about them.
#[derive(Debug, Default)]
pub(crate) struct Concealment {
    keeps_back: AtomicBool,
    was_asked: AtomicBool,
}

/// What names the photos that are kept back: the names of their files, their ids and the hashes of their contents.
#[derive(Debug, Default)]
pub struct KeptBackNames(Vec<String>);

impl KeptBackNames {
    /// These names; empty ones name nothing.
    pub fn of<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        Self(names.into_iter().map(Into::into).filter(|name| !name.is_empty()).collect())
    }

    /// Whether a text names one of them. Where a name is a part of a longer one, that one is taken for it.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|name| text.contains(name))
    }
}

impl Library {
    /// What names the photos that are kept back now, to be left out of what was written down while nobody looked.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn kept_back_names(&self) -> Result<KeptBackNames> {
        let mut names = Vec::new();
        if !self.keeps_hidden_back() {
            return Ok(KeptBackNames::default());
        }
        let hidden = ListOptions { shelves: Some(vec![Shelf::Hidden]), ..ListOptions::default() };
        for asset in self.found(&Query::default(), hidden)? {
            let Some(row) = self.catalog().asset(asset)? else { continue };
            names.push(String::from_utf8_lossy(row.file_name()).into_owned());
            names.extend([asset.to_string(), row.content.to_string()]);
        }
        Ok(KeptBackNames::of(names))
    }

    /// From now on hidden photos are kept back, or told. Nobody has asked about them since.
    pub fn keep_hidden_back(&self, keeps_back: bool) {
        self.concealment.keeps_back.store(keeps_back, Ordering::Relaxed);
        self.concealment.was_asked.store(false, Ordering::Relaxed);
    }

    /// Whether something of hidden photos was told since [`Library::keep_hidden_back`].
    #[must_use]
    pub fn told_of_hidden(&self) -> bool {
        self.concealment.was_asked.load(Ordering::Relaxed)
    }

    /// Does what looks at hidden photos beside what somebody asked for: it counts as nobody's asking.
    pub(crate) fn aside<T>(&self, look: impl FnOnce() -> T) -> T {
        let was_asked = self.told_of_hidden();
        let seen = look();
        self.concealment.was_asked.store(was_asked, Ordering::Relaxed);
        seen
    }

    pub(crate) fn keeps_hidden_back(&self) -> bool {
        self.concealment.keeps_back.load(Ordering::Relaxed)
    }

    /// Somebody asks about hidden photos.
    fn meet_hidden(&self) -> Result<()> {
        if self.keeps_hidden_back() {
            return Err(LibraryError::HiddenClosed);
        }
        self.concealment.was_asked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a photo is kept back now.
    pub(crate) fn is_kept_back(&self, row: &AssetRow) -> bool {
        row.shelf == Shelf::Hidden && self.keeps_hidden_back()
    }

    /// The same of a photo by its content.
    pub(crate) fn is_content_kept_back(&self, content: &ContentHash) -> Result<bool> {
        if !self.keeps_hidden_back() {
            return Ok(false);
        }
        let catalog = self.catalog();
        let Some(asset) = catalog.find_content(*content)? else { return Ok(false) };
        Ok(catalog.asset(asset)?.is_some_and(|row| row.shelf == Shelf::Hidden))
    }

    /// Lets through whoever asks about a photo that may be told of. One that is kept back is answered like one that is
    /// not there: whoever has a copy of a file knows its id, and is not told whether it lies here.
    pub(crate) fn admit(&self, asset: AssetId, item: &str) -> Result<AssetId> {
        if self.catalog().asset(asset)?.is_some_and(|row| row.shelf == Shelf::Hidden) {
            self.meet_hidden().map_err(|_| LibraryError::NoSuchItem { item: item.to_owned() })?;
        }
        Ok(asset)
    }

    /// Leaves out what is kept back.
    pub(crate) fn without_kept_back(&self, assets: Vec<AssetId>) -> Result<Vec<AssetId>> {
        let mut told = Vec::with_capacity(assets.len());
        for asset in assets {
            if !self.catalog().asset(asset)?.is_some_and(|row| self.is_kept_back(&row)) {
                told.push(asset);
            }
        }
        Ok(told)
    }

    /// Lets through a query that asks for nothing that is kept back.
    pub(crate) fn admit_query(&self, query: &Query) -> Result<()> {
        if query.asks_for(State::Hidden) { self.meet_hidden() } else { Ok(()) }
    }

    /// Refuses a request for what is kept back, without looking for anything: for whoever keeps answers.
    ///
    /// # Errors
    /// [`LibraryError::HiddenClosed`]; and as [`Library::timeline`] for its words.
    pub fn admit_timeline(&self, request: &TimelineRequest<'_>) -> Result<()> {
        if request.shelf == Some(Shelf::Hidden) {
            self.meet_hidden()?;
        }
        // One that cannot be understood is told when it is looked for.
        if let Ok(query) = Query::parse(request.query) {
            self.admit_query(&query)?;
        }
        if let Some(album) = request.album
            && let Some(search) = self.search_of_album(album)?
            && let Ok(query) = Query::parse(&search)
        {
            self.admit_query(&query)?;
        }
        Ok(())
    }
}
