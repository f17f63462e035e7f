//! Pins: photos and albums whose originals stay on this device, through budgets and policies.

use std::collections::HashSet;

use safelight_catalog::Pin;
use safelight_crypto::ContentHash;
use safelight_model::view::AssetView;
use safelight_model::{AlbumId, AssetId, AssetState};
use serde::Serialize;

use crate::edit::Selection;
use crate::error::Result;
use crate::library::Library;

/// What pinning came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PinReport {
    /// Photos or albums that were not so before.
    pub changed: u64,
    /// Those that were.
    pub unchanged: u64,
}

/// Everything that is pinned.
#[derive(Debug, Clone, Default)]
pub(in crate::remote) struct Pinned {
    pub(super) assets: HashSet<AssetId>,
    pub(super) albums: HashSet<AlbumId>,
}

impl Pinned {
    pub(super) fn is_empty(&self) -> bool {
        self.assets.is_empty() && self.albums.is_empty()
    }

    /// Whether an asset is pinned, by itself or by an album that it lies in now.
    pub(super) fn has(&self, asset: AssetId, state: &AssetState) -> bool {
        self.assets.contains(&asset)
            || (!self.albums.is_empty()
                && AssetView::new(asset, state, None).albums.iter().any(|album| self.albums.contains(album)))
    }
}

impl Library {
    pub(super) fn pinned(&self) -> Result<Pinned> {
        let mut pinned = Pinned::default();
        for pin in self.device.pins()? {
            match pin {
                Pin::Asset(asset) => drop(pinned.assets.insert(asset)),
                Pin::Album(album) => drop(pinned.albums.insert(album)),
            }
        }
        Ok(pinned)
    }

    pub(super) fn is_pinned_content(&self, pinned: &Pinned, content: &ContentHash) -> Result<bool> {
        if pinned.is_empty() {
            return Ok(false);
        }
        let catalog = self.catalog();
        let Some(asset) = catalog.find_content(*content)? else { return Ok(false) };
        Ok(catalog.asset_state(asset)?.is_some_and(|state| pinned.has(asset, &state)))
    }

    /// Pins photos, or takes their pins back. What is pinned no longer counts as visiting.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn pin(&mut self, selection: &Selection, pinned: bool) -> Result<PinReport> {
        self.folder.require_writable()?;
        let pins: Vec<Pin> = selection.assets().iter().copied().map(Pin::Asset).collect();
        self.set_pins(&pins, pinned)
    }

    /// Pins an album, with whatever will lie in it, or takes that back.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchAlbum`](crate::LibraryError::NoSuchAlbum), [`LibraryError::Refused`](crate::LibraryError::Refused)
    /// for a smart album, and those of the databases.
    pub fn pin_album(&mut self, name: &str, pinned: bool) -> Result<PinReport> {
        self.folder.require_writable()?;
        let album = self.find_ordinary_album(name)?;
        self.set_pins(&[Pin::Album(album)], pinned)
    }

    fn set_pins(&mut self, pins: &[Pin], pinned: bool) -> Result<PinReport> {
        let changed = self.device.set_pins(pins, pinned)?;
        Ok(PinReport { changed, unchanged: pins.len() as u64 - changed })
    }
}
