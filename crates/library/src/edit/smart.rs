//! Smart albums: albums that a saved search fills, always as of now.
//!
//! The search is a field of the album, so it merges, nests, is named and taken back like everything about albums. What it
//! finds is kept nowhere. Invariant: nothing is put into such an album by hand.

use safelight_catalog::query::Condition;
use safelight_catalog::{ListOptions, Query, Shelf};
use safelight_model::{AlbumId, Field};

use super::album::ShownAlbum;
use super::word::pointed;
use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::listing::query_mistake;
use crate::why::Why;

/// A search as it is kept, if it can be understood and asks for something.
pub(super) fn checked_search(text: &str) -> Result<String> {
    let text = text.trim();
    let query = Query::parse(text).map_err(|error| LibraryError::Query { explained: error.render(text) })?;
    if query.is_empty() {
        return Err(pointed(
            text,
            0..text.len(),
            "a smart album is filled by a search, and this one is empty",
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn filled_by_a_search(path: &str) -> LibraryError {
    LibraryError::Refused {
        reason: format!("{path} is filled by a search, and nothing is put into it by hand"),
        hint: "choose another album, or change what it searches for: safelight album search ALBUM QUERY"
            .into(),
    }
}

impl Library {
    /// Changes what a smart album searches for, or lets a search fill one that is empty.
    ///
    /// # Errors
    /// As [`Library::show_album`]; [`LibraryError::Query`] for a search that cannot be understood, and
    /// [`LibraryError::Refused`] for an album in which something lies.
    pub fn set_album_search(&mut self, word: &str, search: &str) -> Result<ShownAlbum> {
        let search = checked_search(search)?;
        let albums = self.albums()?;
        let album = albums.find(word)?;
        if albums.query(album).is_none() && (albums.has_children(album) || self.has_photos(album)?) {
            return Err(LibraryError::Refused {
                reason: format!(
                    "{} is not empty, and a search would take the place of what lies in it",
                    albums.path(album)
                ),
                hint: "make a new one: safelight album add NAME --search QUERY".into(),
            });
        }
        let mut shown = self.set_in_album(&album.to_string(), Field::QUERY, search.into())?;
        self.count_found(&mut shown)?;
        Ok(shown)
    }

    /// Whether a photo lies in an album, on whatever shelf.
    fn has_photos(&self, album: AlbumId) -> Result<bool> {
        let query = Query::default().and(Condition::InAlbums(vec![album]));
        let shelves = Some(vec![Shelf::Shown, Shelf::Hidden, Shelf::Trashed]);
        let found =
            self.catalog().list(&query, &ListOptions { limit: 1, shelves, ..ListOptions::default() })?;
        Ok(!found.rows.is_empty())
    }

    /// Counts what the search of a smart album finds; where it cannot be followed here, says why.
    pub(super) fn count_found(&self, shown: &mut ShownAlbum) -> Result<()> {
        let Some(search) = &shown.query else { return Ok(()) };
        match self.count(search) {
            Ok(assets) => shown.assets = assets,
            Err(LibraryError::HiddenClosed) => shown.assets = 0,
            Err(error @ (LibraryError::Query { .. } | LibraryError::NoSuchRemote { .. })) => {
                shown.assets = 0;
                let mistake = query_mistake(search).map(|mistake| mistake.message);
                let problem = mistake.unwrap_or_else(|| error.to_string());
                shown.problem_why = Why::of(&problem);
                shown.problem = Some(problem);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What lies in the album of a path, a name or an id, as a query.
    pub(crate) fn query_of_album(&self, word: &str) -> Result<Query> {
        let albums = self.albums()?;
        let album = albums.find(word)?;
        match albums.query(album) {
            Some(search) => self.query(search),
            None => Ok(Query::default().and(Condition::InAlbums(vec![album]))),
        }
    }

    /// The search that fills the album of a path, a name or an id, if one does.
    pub(crate) fn search_of_album(&self, word: &str) -> Result<Option<String>> {
        let albums = self.albums()?;
        Ok(albums.query(albums.find(word)?).map(str::to_owned))
    }

    /// The album of a path, a name or an id that is not filled by a search: for what remembers albums by who lies in
    /// them.
    pub(crate) fn find_ordinary_album(&self, word: &str) -> Result<AlbumId> {
        self.albums()?.find_ordinary(word)
    }

    /// Refuses a query that names a smart album: nothing lies in it by itself.
    pub(crate) fn refuse_smart_albums_in(&self, text: &str) -> Result<()> {
        let Ok(query) = Query::parse(text) else { return Ok(()) };
        let albums = self.albums()?;
        for term in query.terms {
            let Condition::Album { name, .. } = &term.condition else { continue };
            if let Some(search) = albums.smart_named(name).and_then(|album| albums.query(album)) {
                let reason = format!("this album is filled by a search; write that search instead: {search}");
                return Err(pointed(text, term.span, &reason));
            }
        }
        Ok(())
    }
}
