//! Albums as they are listed: how many photos each has, and which of them stands for it.

use std::collections::BTreeMap;

use safelight_catalog::query::Condition;
use safelight_catalog::{ListOptions, Query};
use safelight_model::{AlbumId, SetName, Value};

use super::ShownAlbum;
use crate::edit::select::Among;
use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::listing::ListedAsset;

impl Library {
    /// All albums, in the order of their paths.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn list_albums(&self) -> Result<Vec<ShownAlbum>> {
        let mut shown = self.albums_as_kept()?;
        // Whoever looks at the list has not asked for what a search among the hidden would find.
        self.aside(|| {
            shown
                .iter_mut()
                .filter(|album| album.query.is_some())
                .try_for_each(|album| self.count_found(album))
        })?;
        Ok(shown)
    }

    /// The same, each with the id of its newest photo.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn list_albums_with_covers(&self) -> Result<Vec<(ShownAlbum, Option<String>)>> {
        let with_cover = |album: ShownAlbum| Ok((album.clone(), self.cover_of_album(&album)?));
        let albums = self.list_albums()?.into_iter();
        self.aside(|| albums.map(with_cover).collect())
    }

    /// The same, but nothing is searched for those that a search fills.
    pub(crate) fn albums_as_kept(&self) -> Result<Vec<ShownAlbum>> {
        let albums = self.albums()?;
        let counted = self.catalog().named_albums()?;
        let counts: BTreeMap<AlbumId, u64> =
            counted.into_iter().filter_map(|label| Some((label.album?, label.assets))).collect();
        let mut shown: Vec<ShownAlbum> = albums
            .views
            .keys()
            .map(|album| albums.shown(*album, counts.get(album).copied().unwrap_or_default()))
            .collect();
        shown.sort_by_cached_key(|album| (album.path.to_lowercase(), album.id.clone()));
        Ok(shown)
    }

    /// The first ordinary albums that are wanted, in the order of their paths, at most so many; none but those are counted.
    /// `album:` means who lies in an album, and in a smart one nobody does.
    pub(crate) fn albums_called(
        &self,
        is_wanted: impl Fn(&ShownAlbum) -> bool,
        most: usize,
    ) -> Result<Vec<ShownAlbum>> {
        let albums = self.albums()?;
        let ordinary = albums.views.keys().filter(|album| albums.query(**album).is_none());
        let mut wanted: Vec<(AlbumId, ShownAlbum)> = ordinary
            .map(|album| (*album, albums.shown(*album, 0)))
            .filter(|(_, shown)| is_wanted(shown))
            .collect();
        wanted.sort_by_cached_key(|(_, album)| (album.path.to_lowercase(), album.id.clone()));
        wanted.truncate(most);
        for (album, shown) in &mut wanted {
            shown.assets = self.catalog().count_album(*album)?;
        }
        Ok(wanted.into_iter().map(|(_, shown)| shown).collect())
    }

    /// One album with how many photos lie in it.
    pub(super) fn album_as_listed(&self, album: AlbumId) -> Result<Option<ShownAlbum>> {
        let listed = self.albums_as_kept()?.into_iter().find(|shown| shown.id == album.to_string());
        let Some(mut shown) = listed else { return Ok(None) };
        self.count_found(&mut shown)?;
        Ok(Some(shown))
    }

    /// The id of the newest photo in an album, if there is one and its search can be followed here.
    pub(crate) fn cover_of_album(&self, shown: &ShownAlbum) -> Result<Option<String>> {
        if shown.problem.is_some() {
            return Ok(None);
        }
        let no_such = || LibraryError::NoSuchAlbum { album: shown.path.clone() };
        let query = match &shown.query {
            Some(search) => match self.query(search) {
                Err(LibraryError::HiddenClosed | LibraryError::NoSuchRemote { .. }) => return Ok(None),
                query => query?,
            },
            None => {
                let album = AlbumId::parse(&shown.id).ok_or_else(no_such)?;
                Query::default().and(Condition::InAlbums(vec![album]))
            }
        };
        let newest = self.catalog().list(&query, &ListOptions { limit: 1, ..ListOptions::default() })?;
        Ok(newest.rows.first().map(|row| row.asset.to_string()))
    }

    /// An album and the photos in it, newest first.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchAlbum`], [`LibraryError::Ambiguous`], and those of the catalogue.
    pub fn show_album(&self, word: &str) -> Result<(ShownAlbum, Vec<ListedAsset>)> {
        let album = self.albums()?.find(word)?;
        let listed = self.album_as_listed(album)?;
        let shown = listed.ok_or_else(|| LibraryError::NoSuchAlbum { album: word.to_owned() })?;
        if let Some(search) = &shown.query {
            let found = self.all_that_match(search, Among::WhatIsAsked)?;
            let assets = self.rows_of(&found)?;
            return Ok((shown, assets));
        }
        // The query finds albums by name, so what lies in another one of the same name is left out here.
        let query = format!("album:\"{}\"", shown.name.replace('"', " "));
        let candidates = match self.all_that_match(&query, Among::WhatIsAsked) {
            // A name without a letter or digit is nothing to search for.
            Err(LibraryError::Query { .. }) => self.all_that_match("has:album", Among::WhatIsAsked)?,
            found => found?,
        };
        let mut lying_in = Vec::new();
        for asset in candidates.iter().copied() {
            let lies_in = candidates.len() as u64 == shown.assets
                || self.catalog().asset_state(asset)?.is_some_and(|state| {
                    let albums = state.current().record().set(SetName::ALBUMS);
                    albums.is_some_and(|albums| albums.contains(&Value::Album(album)))
                });
            if lies_in {
                lying_in.push(asset);
            }
        }
        let assets = self.rows_of(&lying_in)?;
        Ok((shown, assets))
    }
}
