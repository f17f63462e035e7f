//! Which photos a command is about: ids, paths, or one query.

use std::collections::HashSet;

use safelight_catalog::{ItemLookup, ListOptions, Query, Shelf};
use safelight_model::AssetId;

use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::timeline::TimelineRequest;

/// How many rows are taken from the catalogue at a time.
const PAGE_ASSETS: usize = 2000;

/// The fewest digits of an id that stand for a photo that is to change. Fewer could be a year or a word, and would
/// by chance begin the id of some photo.
const FEWEST_ID_DIGITS: usize = 8;

/// Where a query looks; ids and paths are found everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// In the timeline, or where the query says (`is:hidden`, `is:trashed`).
    WhatIsAsked,
    /// In the trash.
    Trashed,
    /// In the timeline, among the hidden and in the trash.
    Everywhere,
}

/// The photos that a command is about, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    assets: Vec<AssetId>,
}

impl Selection {
    pub(crate) fn of(assets: impl IntoIterator<Item = AssetId>) -> Self {
        let mut seen = HashSet::new();
        Self { assets: assets.into_iter().filter(|asset| seen.insert(*asset)).collect() }
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.assets.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.assets.is_empty()
    }

    pub(crate) fn assets(&self) -> &[AssetId] {
        &self.assets
    }
}

impl Library {
    /// Finds what `items` name: each an id, eight or more digits that begin one, a path or a file's name; or, if none of them
    /// is, what all of them find as the words of one query.
    ///
    /// # Errors
    /// [`LibraryError::Ambiguous`] for a name that several photos have, [`LibraryError::NoSuchItem`] if one is
    /// found and another is not, or the query finds nothing, [`LibraryError::Query`] for what is no query.
    pub fn select(&self, items: &[String], query: &str, among: Among) -> Result<Selection> {
        let mut found = Vec::new();
        let mut missing = None;
        for item in items {
            let known = if is_short_number(item) { ItemLookup::None } else { self.look_up(item)? };
            match known {
                ItemLookup::One(asset) => found.push(self.admit(asset, item)?),
                ItemLookup::Many(assets) => return Err(self.ambiguous(item, &assets)?),
                ItemLookup::None => missing = missing.or(Some(item)),
            }
        }
        let Some(missing) = missing else { return Ok(Selection::of(found)) };
        let no_such = |item: &str| LibraryError::NoSuchItem { item: item.to_owned() };
        if !found.is_empty() || items.iter().any(|item| is_path(item)) {
            return Err(no_such(missing));
        }
        let found = self.all_that_match(query, among)?;
        if found.is_empty() { Err(no_such(query)) } else { Ok(Selection::of(found)) }
    }

    /// All photos of a shelf or of all.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn select_all(&self, among: Among) -> Result<Selection> {
        Ok(Selection::of(self.all_that_match("", among)?))
    }

    /// All photos that a query finds in a part of the library, be they none.
    ///
    /// # Errors
    /// [`LibraryError::Query`], [`LibraryError::NoSuchAlbum`], and those of the catalogue.
    pub fn select_timeline(&self, request: &TimelineRequest<'_>) -> Result<Selection> {
        let (query, options) = self.search_of(request)?;
        Ok(Selection::of(self.found(&query, options)?))
    }

    /// The photos of whole ids.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchItem`] for what is no id, or of no photo here.
    pub fn select_ids(&self, ids: &[String]) -> Result<Selection> {
        let no_such = |id: &String| LibraryError::NoSuchItem { item: id.clone() };
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let asset = AssetId::parse(id).ok_or_else(|| no_such(id))?;
            self.catalog().cursor_of(asset)?.ok_or_else(|| no_such(id))?;
            found.push(self.admit(asset, id)?);
        }
        Ok(Selection::of(found))
    }

    /// Every asset that a query finds.
    pub(super) fn all_that_match(&self, query: &str, among: Among) -> Result<Vec<AssetId>> {
        let query = self.query(query)?;
        let shelves = match among {
            Among::WhatIsAsked => None,
            Among::Trashed => Some(vec![Shelf::Trashed]),
            Among::Everywhere if self.keeps_hidden_back() => Some(vec![Shelf::Shown, Shelf::Trashed]),
            Among::Everywhere => Some(vec![Shelf::Shown, Shelf::Hidden, Shelf::Trashed]),
        };
        self.found(&query, ListOptions { shelves, ..ListOptions::default() })
    }

    /// The assets that a search finds from end to end, whatever its limit.
    pub(crate) fn found(&self, query: &Query, mut options: ListOptions) -> Result<Vec<AssetId>> {
        let mut found = Vec::new();
        options.limit = PAGE_ASSETS;
        loop {
            let page = self.catalog().list(query, &options)?;
            found.extend(page.rows.iter().map(|row| row.asset));
            options.after = page.next;
            if options.after.is_none() {
                return Ok(found);
            }
        }
    }
}

fn is_short_number(item: &str) -> bool {
    item.len() < FEWEST_ID_DIGITS && item.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether somebody wrote a path rather than a word: a query's own words have no slash before their colon.
fn is_path(item: &str) -> bool {
    item.split_once('/').is_some_and(|(before, _)| !before.contains(':'))
}
