//! Bringing a picture here that rests in the packs of remotes: what a viewer shows of a photo that another device imported.

use std::time::Duration;

use safelight_crypto::OsEntropy;
use safelight_sync::{Stop, SyncError, fetch_entry, read_entry};
use tokio::time::timeout;

use super::open::{Reached, reach};
use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::monitor::Unwatched;
use crate::remote::at::Surroundings;
use crate::remote::lock::SyncLock;
use crate::remote::run::{Told, here};
use crate::viewing::PictureKind;

impl Library {
    /// A photo's thumbnail or preview, from a remote where it is not here. It is kept, unless nothing may be written here
    /// now or a sync is running. Of the pack that holds it only its index and the picture come over the wire.
    ///
    /// # Errors
    /// [`LibraryError::NotHere`] while no pack that is known holds one, or no remote has answered for so long as there is
    /// `patience`; [`LibraryError::NoSuchItem`], damage.
    pub fn bring_picture(
        &mut self,
        item: &str,
        kind: PictureKind,
        surroundings: &Surroundings,
        patience: Duration,
    ) -> Result<Vec<u8>> {
        let missing = match self.picture(item, kind) {
            Err(error @ LibraryError::NotHere { .. }) => error,
            found => return found,
        };
        let (content, rendition) = self.pictured(item, kind)?;
        if self.device.packs_with(&content, rendition)?.is_empty() {
            return Err(missing);
        }
        let Reached { runtime, places, .. } = reach(self, surroundings)?;
        let only =
            if self.folder.require_writable().is_ok() { SyncLock::take(&self.folder).ok() } else { None };
        let brought = if only.is_some() {
            let (stop, told, mut keys, mut entropy) = (Stop::default(), Told(&Unwatched), None, OsEntropy);
            let (mut here, mut problems) = (here(self, &mut keys, &mut entropy, &told, &stop), Vec::new());
            let fetching = fetch_entry(&mut here, &places, &content, rendition, &mut problems);
            runtime.block_on(async { timeout(patience, fetching).await })
        } else {
            let (catalog, keyring) = (self.catalog(), self.keyring());
            let reading = read_entry(&catalog, &self.device, keyring, &places, &content, rendition);
            runtime.block_on(async { timeout(patience, reading).await })
        };
        match brought {
            Ok(Err(SyncError::NotHeld { .. })) | Err(_) => Err(missing),
            Ok(brought) => Ok(brought?),
        }
    }
}
