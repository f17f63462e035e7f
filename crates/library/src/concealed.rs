//! Hidden photos behind a second unlock: whoever serves a library to a page may have them kept back.
//!
//! The command line never does: whoever has the terminal has unlocked. While they are kept back, a search for them or a
//! photo of them by its id is refused, and lists leave them out. What is asked about them while they are told is noticed,
//! so that it can end some time after that.

use std::sync::atomic::{AtomicBool, Ordering};

use safelight_catalog::query::State;
use safelight_catalog::{AssetRow, Query, Shelf};
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

impl Library {
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

    /// Lets through whoever asks about a photo that may be told of.
    pub(crate) fn admit(&self, asset: AssetId) -> Result<AssetId> {
        if self.catalog().asset(asset)?.is_some_and(|row| row.shelf == Shelf::Hidden) {
            self.meet_hidden()?;
        }
        Ok(asset)
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
