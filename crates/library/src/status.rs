//! How many photos are safe, and what waits or failed.

use serde::Serialize;

use safelight_catalog::{FileState, Shelf};

use crate::error::Result;
use crate::library::Library;

/// How many failures a status names.
const NAMED_FAILURES: usize = 20;

/// A file that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedFile {
    /// The file.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// How the library stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The library's id.
    pub library: String,
    /// Its folder.
    pub folder: String,
    /// All photos and videos.
    pub assets: u64,
    /// Photos among them, RAW included.
    pub photos: u64,
    /// Videos among them.
    pub videos: u64,
    /// In how many places they are.
    pub places: u64,
    /// What waits to be sent somewhere.
    pub waiting: u64,
    /// Files that should have been taken and were not, and originals that are damaged.
    pub failed: u64,
    /// Some of them.
    pub failures: Vec<FailedFile>,
    /// Bytes of the originals.
    pub original_bytes: u64,
    /// Originals that stayed where they were.
    pub linked: u64,
    /// Photos whose pixels cannot be decoded.
    pub undecodable: u64,
    /// Previews still to be made.
    pub previews_pending: u64,
    /// Watched folders.
    pub sources: u64,
    /// Operations in the history.
    pub operations: u64,
    /// Segments of history that are closed.
    pub segments: u64,
    /// Whether nothing may be written.
    pub read_only: bool,
}

impl Library {
    /// How the library stands.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn status(&self) -> Result<Status> {
        let (timeline, hidden, operations, segments) = {
            let catalog = self.catalog();
            let tips = catalog.tips()?;
            let segments = tips.iter().map(|(_, tip)| u64::from(tip.seq.0)).sum();
            (catalog.totals(Shelf::Shown)?, catalog.totals(Shelf::Hidden)?, catalog.count_ops()?, segments)
        };
        let mut failed = self.damaged.count() as u64;
        let mut failures = Vec::new();
        for source in self.device.sources()? {
            let [_, _, unsettled, _] = self.device.count_files(source.id)?;
            failed += unsettled;
            if unsettled == 0 || failures.len() >= NAMED_FAILURES {
                continue;
            }
            for file in self.device.refused_files(source.id, NAMED_FAILURES * 50)? {
                if let FileState::Unsettled(reason) = file.state
                    && failures.len() < NAMED_FAILURES
                {
                    let root = String::from_utf8_lossy(&source.path);
                    let below = String::from_utf8_lossy(&file.path);
                    failures.push(FailedFile { path: format!("{root}/{below}"), reason });
                }
            }
        }
        let (waiting, unsent, places) = self.sync_standing()?;
        failed += unsent;
        let queue = self.device.render_queue()?;
        Ok(Status {
            library: self.id().to_string(),
            folder: self.path().to_string_lossy().into_owned(),
            assets: timeline.assets() + hidden.assets(),
            photos: timeline.photos + timeline.raws + hidden.photos + hidden.raws,
            videos: timeline.videos + hidden.videos,
            places,
            waiting,
            failed,
            failures,
            original_bytes: timeline.bytes + hidden.bytes,
            linked: timeline.linked + hidden.linked,
            undecodable: timeline.undecodable + hidden.undecodable,
            previews_pending: queue.waiting_jobs,
            sources: self.sources()?.len() as u64,
            operations,
            segments,
            read_only: self.is_read_only(),
        })
    }
}
