//! Bringing a picture here that rests in the packs of remotes: what a viewer shows of a photo that another device imported.

use std::time::{Duration, Instant};

use safelight_crypto::OsEntropy;
use safelight_sync::{FoundEntry, Stop, SyncError, keep_entry, read_entry};
use tokio::time::timeout;

use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::monitor::Unwatched;
use crate::remote::at::{Surroundings, reconnect, runtime};
use crate::remote::lock::SyncLock;
use crate::remote::run::{Told, here};
use crate::viewing::PictureKind;

/// What became of a picture that was asked for.
#[derive(Debug)]
pub enum Brought {
    /// It is here.
    Picture(Vec<u8>),
    /// None is known in any pack, or no remote that answered holds it.
    Nowhere,
    /// No remote answered in time, or none could be reached.
    Unanswered,
}

impl Library {
    /// A photo's thumbnail or preview, from a remote where it is not here. Of the pack that holds it only its index and the
    /// picture come over the wire. It is kept, unless nothing may be written here now or a sync is running; nothing is locked
    /// while a remote is waited for. Backups are not asked.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchItem`], damage here, and those of the databases; not those of remotes.
    pub fn bring_picture(
        &mut self,
        item: &str,
        kind: PictureKind,
        surroundings: &Surroundings,
        patience: Duration,
    ) -> Result<Brought> {
        match self.picture(item, kind) {
            Err(LibraryError::NotHere { .. }) => {}
            found => return found.map(Brought::Picture),
        }
        let (content, rendition) = self.pictured(item, kind)?;
        if self.device.packs_with(&content, rendition)?.is_empty() {
            return Ok(Brought::Nowhere);
        }
        let (runtime, until) = (runtime()?, Instant::now() + patience);
        let left = || until.saturating_duration_since(Instant::now());
        let mut is_unanswered = false;
        for row in self.device.remotes()? {
            if self.is_backup(&row)? {
                continue;
            }
            let connecting = reconnect(&row, self.keeper(&row)?, surroundings);
            let Ok(Ok((at, _))) = runtime.block_on(async { timeout(left(), connecting).await }) else {
                is_unanswered = true;
                continue;
            };
            let found = {
                let (catalog, places) = (self.catalog(), [at]);
                let reading =
                    read_entry(&catalog, &self.device, self.keyring(), &places, &content, rendition);
                runtime.block_on(async { timeout(left(), reading).await })
            };
            match found {
                Ok(Ok(found)) => {
                    self.keep_picture(&found)?;
                    return Ok(Brought::Picture(found.into_content()));
                }
                Ok(Err(SyncError::NotHeld { .. })) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, remote = row.name, "a remote did not give a picture");
                    is_unanswered = true;
                }
                Err(_) => is_unanswered = true,
            }
        }
        Ok(if is_unanswered { Brought::Unanswered } else { Brought::Nowhere })
    }

    fn keep_picture(&mut self, found: &FoundEntry) -> Result<()> {
        if self.folder.require_writable().is_err() {
            return Ok(());
        }
        let Ok(_only) = SyncLock::take(&self.folder) else { return Ok(()) };
        let (stop, told, mut keys, mut entropy) = (Stop::default(), Told(&Unwatched), None, OsEntropy);
        Ok(keep_entry(&mut here(self, &mut keys, &mut entropy, &told, &stop), found)?)
    }
}
