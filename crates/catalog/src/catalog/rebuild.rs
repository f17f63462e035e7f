//! Making the catalogue anew from history.
//!
//! Invariant: a rebuilt catalogue has the state hash of the old one and gives the same answers, and the old
//! one stands until the new one is complete: it is made beside it and takes its place in one rename. The fold
//! gives one result in any order, so segments may come device by device.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use safelight_crypto::{DeviceId, Entropy};
use safelight_model::SegmentSeq;
use safelight_model::history::{Segment, Standing, Tip};

use super::fold::{Folder, in_transaction};
use super::segments::{TakenIn, take_in, take_in_again, tip};
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
    /// Segments, beyond those, whose bytes are lost: what they say is known from the earlier catalogue.
    pub remembered: u64,
    /// Ops that were taken in.
    pub ops: u64,
    /// What could not be: a gap in a chain, a fork, an op that cannot be read. One sentence each.
    pub left_out: Vec<String>,
}

/// What an earlier catalogue knew beyond the segments that can still be read.
#[derive(Debug, Default)]
pub struct Rescued {
    /// Encoded ops that are in no segment (see [`Catalog::open_op_bytes`]), or in one that is to be numbered anew.
    pub open_ops: Vec<Vec<u8>>,
    /// Segments whose bytes are lost. Each is taken in where the chain that is read has a gap for it.
    pub closed: Vec<RescuedSegment>,
}

/// A segment as a catalogue remembers it.
#[derive(Debug)]
pub struct RescuedSegment {
    /// Whose it is.
    pub device: DeviceId,
    /// Its number and its root.
    pub tip: Tip,
    /// Its encoded ops, in their order.
    pub ops: Vec<Vec<u8>>,
}

/// Removes what a rebuild that was killed has left beside the catalogue. No rebuild may be running.
///
/// # Errors
/// [`CatalogError::Io`] if a file is there and cannot be deleted.
pub fn sweep_unfinished_rebuild(path: &Path) -> Result<()> {
    remove_database(&sibling(path, UNFINISHED))
}

impl Catalog {
    /// Makes the catalogue at `path` anew from verified segments, each device's in ascending order, and from what
    /// was rescued. Nothing else may have the catalogue open.
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
        rescued: Rescued,
        now_millis: u64,
    ) -> Result<(Self, Rebuilt)> {
        let beside = sibling(path, UNFINISHED);
        remove_database(&beside)?;
        let mut catalog = Self::create(&beside, key, device, entropy)?;
        catalog.set_durability(Durability::Relaxed)?;
        catalog.database.read(|connection| connection.pragma_update(None, "cache_size", -CACHE_KIB))?;
        let mut rebuilt = Rebuilt::default();
        let mut segments = segments.into_iter();
        let mut closed: Remembered =
            rescued.closed.into_iter().map(|one| ((one.device, one.tip.seq), one)).collect();
        loop {
            let some: Vec<_> = segments.by_ref().take(SEGMENTS_AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            catalog.take_in_all(&some, &mut closed, &mut rebuilt, now_millis)?;
        }
        catalog.take_in_the_rest(closed, &mut rebuilt, now_millis)?;
        rebuilt.ops += catalog.adopt(&rescued.open_ops, now_millis)?;
        catalog
            .database
            .read(|connection| connection.execute("INSERT INTO search (search) VALUES ('optimize')", []))?;
        catalog.close()?;
        put_in_place(&beside, path)?;
        Self::open(path, key, device, entropy).map(|catalog| (catalog, rebuilt))
    }

    fn take_in_all(
        &mut self,
        segments: &[Segment],
        closed: &mut Remembered,
        rebuilt: &mut Rebuilt,
        now_millis: u64,
    ) -> Result<()> {
        self.within(|connection, labels, _| {
            let mut folder = Folder::new(connection, labels, now_millis);
            for segment in segments {
                let clear = segment.clear();
                let name = clear.name();
                fill_gap(&mut folder, clear.device, clear.seq, closed, rebuilt, now_millis)?;
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

    /// Takes in the remembered segments that stand at the end of what could be read of their chains.
    fn take_in_the_rest(
        &mut self,
        mut closed: Remembered,
        rebuilt: &mut Rebuilt,
        now_millis: u64,
    ) -> Result<()> {
        self.within(|connection, labels, _| {
            let mut folder = Folder::new(connection, labels, now_millis);
            let devices: Vec<DeviceId> = closed.keys().map(|(device, _)| *device).collect();
            for device in devices {
                fill_gap(&mut folder, device, SegmentSeq(u32::MAX), &mut closed, rebuilt, now_millis)?;
            }
            folder.finish()
        })
    }
}

/// Remembered segments that were not taken in yet.
type Remembered = BTreeMap<(DeviceId, SegmentSeq), RescuedSegment>;

/// Takes in what is remembered of a chain from its end here up to `before`.
fn fill_gap(
    folder: &mut Folder<'_>,
    device: DeviceId,
    before: SegmentSeq,
    closed: &mut Remembered,
    rebuilt: &mut Rebuilt,
    now_millis: u64,
) -> Result<()> {
    if closed.is_empty() {
        return Ok(());
    }
    let mut next = tip(folder.connection, device).map_err(in_transaction)?.seq.0.saturating_add(1);
    while next < before.0
        && let Some(remembered) = closed.remove(&(device, SegmentSeq(next)))
    {
        rebuilt.ops += take_in_again(folder, &remembered, now_millis)?;
        rebuilt.remembered += 1;
        next += 1;
    }
    Ok(())
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
