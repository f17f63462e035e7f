//! What the writer of an import works with: the library's databases and places, borrowed for its time.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};

use safelight_catalog::{Catalog, DeviceDb, PackLocation};
use safelight_crypto::{ContentHash, Keyring};
use safelight_model::{AssetId, AssetState, ContentState, DeviceId, OpBody, Original, PartRef};
use safelight_store::FolderPlace;

use super::locked;
use super::rendition::{LocalPacks, MadeRendition};
use crate::error::{LibraryError, Result};
use crate::library::{self, Damaged};
use crate::objects;

/// The parts of a library that an import writes to.
pub(crate) struct Workroom<'a> {
    pub(crate) catalog: &'a Mutex<Catalog>,
    pub(crate) device: &'a mut DeviceDb,
    pub(crate) place: &'a FolderPlace,
    pub(crate) packs: &'a mut LocalPacks,
    pub(crate) keyring: &'a Keyring,
    pub(crate) device_id: DeviceId,
    pub(crate) claimed: &'a Mutex<HashSet<ContentHash>>,
    pub(crate) damaged: &'a Damaged,
    /// Whether the library has a content already, fit to answer for a file.
    pub(crate) kept: &'a Kept<'a>,
}

/// Whether the library has a content already, fit to answer for a file: asked by those who read files, while the writer writes.
pub(crate) struct Kept<'a> {
    pub(crate) catalog: &'a Mutex<Catalog>,
    pub(crate) damaged: &'a Damaged,
    /// A reader of its own.
    pub(crate) known: &'a Mutex<DeviceDb>,
    pub(crate) place: &'a FolderPlace,
    pub(crate) here: DeviceId,
    /// Whether a linked file answers, too.
    pub(crate) link: bool,
}

impl Kept<'_> {
    pub(crate) fn has(&self, content: &ContentHash) -> Result<bool> {
        if self.damaged.has(content) {
            return Ok(false);
        }
        match objects::original_of(&locked(self.catalog), content)? {
            Some(original) => {
                objects::serves(&original, self.link, self.here, self.place, &locked(self.known))
            }
            None => Ok(false),
        }
    }
}

impl Workroom<'_> {
    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        locked(self.catalog)
    }

    /// Records operations, in one transaction.
    pub(crate) fn record(&mut self, bodies: Vec<OpBody>) -> Result<()> {
        library::record(&mut self.catalog(), bodies)
    }

    /// Closes what was recorded into a segment of history.
    pub(crate) fn close_segment(&mut self) -> Result<()> {
        library::close_segment(&mut self.catalog(), self.keyring, self.place)
    }

    pub(crate) fn find_content(&self, content: ContentHash) -> Result<Option<AssetId>> {
        Ok(self.catalog().find_content(content)?)
    }

    pub(crate) fn asset_state(&self, asset: AssetId) -> Result<Option<AssetState>> {
        Ok(self.catalog().asset_state(asset)?)
    }

    pub(crate) fn content_state(&self, content: ContentHash) -> Result<Option<ContentState>> {
        Ok(self.catalog().content_state(content)?)
    }

    pub(crate) fn append(&mut self, content: ContentHash, made: &MadeRendition) -> Result<PackLocation> {
        self.packs.append(content, made, self.keyring, self.device)
    }

    /// Opens a sealed original from its parts and compares its hash.
    pub(crate) fn prove(&self, content: ContentHash, size_bytes: u64, parts: &[PartRef]) -> Result<()> {
        objects::prove_parts(self.place, self.keyring, content, size_bytes, parts)
    }

    /// The parts of a damaged original that are to blame.
    pub(crate) fn bad_parts<'b>(
        &self,
        content: ContentHash,
        size_bytes: u64,
        parts: &'b [PartRef],
    ) -> Result<Vec<&'b PartRef>> {
        objects::bad_parts(self.place, self.keyring, content, size_bytes, parts)
    }

    /// The original that history records for a content.
    pub(crate) fn original_of(&self, content: &ContentHash) -> Result<Option<Original>> {
        objects::original_of(&self.catalog(), content)
    }

    /// Reads back the original that history records for a content.
    pub(crate) fn prove_recorded(&self, content: &ContentHash) -> Result<()> {
        let original = self
            .original_of(content)?
            .ok_or_else(|| LibraryError::NoSuchItem { item: content.to_string() })?;
        objects::write_original(self.place, self.device, self.keyring, &original, &mut std::io::sink())
    }

    /// Lets another file of this import bring the same content.
    pub(crate) fn forget_claim(&self, content: &ContentHash) {
        locked(self.claimed).remove(content);
    }

    /// An original that was recorded and not here is here now: remotes that do not hold it may want it from here.
    pub(crate) fn came_here(&mut self, content: &ContentHash) -> Result<()> {
        let parts = self.original_of(content)?.map(|original| original.parts).unwrap_or_default();
        Ok(safelight_sync::came_here(self.device, content, &parts)?)
    }

    /// An original that was found damaged is whole again.
    pub(crate) fn forget_damage(&mut self, content: &ContentHash) -> Result<()> {
        self.damaged.forget(self.device, content)
    }
}
