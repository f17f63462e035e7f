//! Making the catalogue anew from history.
//!
//! Invariant: a rebuilt catalogue has the state hash of the old one and gives the same answers, and the old
//! one stands until the new one is complete: it is made beside it and takes its place in one rename. The fold
//! gives one result in any order, so segments may come device by device.

use std::fs::File;
use std::path::Path;

use safelight_crypto::{DeviceId, Entropy};
use safelight_model::history::{Segment, Standing};

use super::fold::{Folder, in_transaction};
use super::segments::{TakenIn, take_in, tip};
use super::{Catalog, Durability};
use crate::database::{CatalogKey, remove_database, remove_log, sibling};
use crate::error::{CatalogError, Result};

/// Page cache while rebuilding, in KiB: the indexes over random keys are filled all at once.
const CACHE_KIB: i64 = 256 * 1024;
/// What follows the catalogue's name while another is made.
const UNFINISHED: &str = ".rebuilding";
/// Segments to a transaction.
const SEGMENTS_AT_ONCE: usize = 16;

/// What came of a rebuild.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// Segments that were taken in.
    pub segments: u64,
    /// Ops that were taken in.
    pub ops: u64,
    /// What could not be: a gap in a chain, a fork, an op that cannot be read. One sentence each.
    pub left_out: Vec<String>,
}

/// Removes what a rebuild that was killed has left beside the catalogue. No rebuild may be running.
///
/// # Errors
/// [`CatalogError::Io`] if a file is there and cannot be deleted.
pub fn sweep_unfinished_rebuild(path: &Path) -> Result<()> {
    remove_database(&sibling(path, UNFINISHED))
}

impl Catalog {
    /// Makes the catalogue at `path` anew from verified segments, each device's in ascending order, and adopts
    /// `open_ops` (see [`Catalog::open_op_bytes`]). Nothing else may have the catalogue open.
    ///
    /// # Errors
    /// [`CatalogError::Io`] and those of the database; the old catalogue then still stands. A segment or op
    /// that cannot be taken in is no error: see [`Rebuilt::left_out`].
    pub fn rebuild(
        path: &Path,
        key: &CatalogKey,
        device: DeviceId,
        entropy: &mut dyn Entropy,
        segments: impl IntoIterator<Item = Segment>,
        open_ops: &[Vec<u8>],
        now_millis: u64,
    ) -> Result<(Self, Rebuilt)> {
        let beside = sibling(path, UNFINISHED);
        remove_database(&beside)?;
        let mut catalog = Self::create(&beside, key, device, entropy)?;
        catalog.set_durability(Durability::Relaxed)?;
        catalog.database.read(|connection| connection.pragma_update(None, "cache_size", -CACHE_KIB))?;
        let mut rebuilt = Rebuilt::default();
        let mut segments = segments.into_iter();
        loop {
            let some: Vec<_> = segments.by_ref().take(SEGMENTS_AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            catalog.take_in_all(&some, &mut rebuilt, now_millis)?;
        }
        rebuilt.ops += catalog.adopt(open_ops, now_millis)?;
        catalog
            .database
            .read(|connection| connection.execute("INSERT INTO search (search) VALUES ('optimize')", []))?;
        catalog.close()?;
        put_in_place(&beside, path)?;
        Self::open(path, key, device, entropy).map(|catalog| (catalog, rebuilt))
    }

    fn take_in_all(&mut self, segments: &[Segment], rebuilt: &mut Rebuilt, now_millis: u64) -> Result<()> {
        self.within(|connection, labels, _| {
            let mut folder = Folder::new(connection, labels, now_millis);
            for segment in segments {
                let clear = segment.clear();
                let name = clear.name();
                match tip(connection, clear.device).map_err(in_transaction)?.judge(clear) {
                    Standing::Next => {
                        let TakenIn { new_ops, unreadable } =
                            take_in(&mut folder, segment, None, now_millis)?;
                        rebuilt.segments += 1;
                        rebuilt.ops += new_ops;
                        rebuilt.left_out.extend(unreadable.iter().map(|error| format!("{name}: {error}")));
                    }
                    Standing::Same => {}
                    Standing::Gap => rebuilt.left_out.push(format!("{name}: one before it is missing")),
                    Standing::Earlier | Standing::Fork => {
                        rebuilt.left_out.push(format!("{name}: another one of that number was taken in"));
                    }
                }
            }
            folder.finish()
        })
    }
}

/// Puts the finished database in the place of the old one.
fn put_in_place(beside: &Path, path: &Path) -> Result<()> {
    let io = |at: &Path| {
        let at = at.to_path_buf();
        move |source| CatalogError::Io { path: at, source }
    };
    File::open(beside).and_then(|file| file.sync_all()).map_err(io(beside))?;
    // The old log must not be replayed into the new file.
    remove_log(path)?;
    std::fs::rename(beside, path).map_err(io(path))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io(folder))
}
