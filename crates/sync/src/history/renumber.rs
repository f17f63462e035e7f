//! Own segments that nobody else can have read, numbered anew: a copy of this device published others under their
//! numbers, or the folder lost what they are made of, and the catalogue alone still knows what they say.
//!
//! Invariants: only numbers that this device never published are given anew; a file goes only once every op of it is in
//! the catalogue. Ended at any moment, the ops are open, or closed and in the outbox.
//!
//! Specified in sl1-history §8.4.

use safelight_catalog::Catalog;
use safelight_crypto::Keyring;
use safelight_model::SegmentSeq;
use safelight_model::history::Tip;
use safelight_store::{FolderPlace, ObjectPath, StoreError};

use super::HistoryReport;
use super::outbox::{SEGMENT_BYTES, holds_nothing_more};
use super::publish::{Judged, judge_segment, segment_path};
use crate::error::Result;
use crate::here::Here;
use crate::problem::Problem;

/// Takes own segments from `from` on apart; the next ones that are closed carry their ops.
pub(super) fn renumber(here: &mut Here<'_>, from: SegmentSeq, report: &mut HistoryReport) -> Result<u64> {
    let end = here.catalog.tip(here.catalog.device())?.seq;
    let segments = here.catalog.reopen_unpublished(from)?;
    report.renumbered_segments += segments;
    remove_passed(here.catalog, here.place, here.keys.keyring(), end)?;
    Ok(segments)
}

/// Takes own segments from this one on apart if the folder lost it and this device never published it. Answers whether
/// it did: what is to be published is other than it was.
pub(super) fn renumber_lost(here: &mut Here<'_>, tip: Tip, report: &mut HistoryReport) -> Result<bool> {
    let own = here.catalog.device();
    if here.device.published(own)? >= tip.seq || !is_lost(here, tip)? {
        return Ok(false);
    }
    renumber(here, tip.seq, report)?;
    let object = segment_path(own, tip.seq.0).to_string();
    here.note(&mut report.problems, Problem::Rewritten { object });
    Ok(true)
}

/// Whether no file holds this segment of this device any more. A folder that does not answer loses nothing.
fn is_lost(here: &Here<'_>, tip: Tip) -> Result<bool> {
    let own = here.catalog.device();
    if here.catalog.segment_bytes(own, tip.seq)?.is_some() || !here.place.is_present() {
        return Ok(false);
    }
    let read = here.place.open_object(&segment_path(own, tip.seq.0));
    Ok(match read.and_then(|object| object.read_all(SEGMENT_BYTES)) {
        Ok(bytes) => {
            let judged = judge_segment(here, &bytes, own, tip.seq.0, tip.root)?;
            !matches!(judged, Judged::Same(_) | Judged::Unknown)
        }
        Err(error) => {
            error.is_not_found() || matches!(error, StoreError::Damaged { .. } | StoreError::TooLarge { .. })
        }
    })
}

/// Removes files of this device's chain that lie behind its end: segments that were numbered anew. One that says what
/// the catalogue does not know stays; up to `known_until`, where the chain once ended, it knows what is damaged too.
///
/// # Errors
/// Those of the folder and the database.
pub fn remove_passed(
    catalog: &Catalog,
    place: &FolderPlace,
    keyring: &Keyring,
    known_until: SegmentSeq,
) -> Result<()> {
    let own = catalog.device();
    let end = catalog.tip(own)?.seq.0;
    let mut passed = Vec::new();
    for found in place.walk_below(&format!("log/{own}"))? {
        let found = found?;
        let path = found.relative.to_str().and_then(|path| ObjectPath::parse(path).ok());
        let number = path.as_ref().and_then(|path| path.name().parse::<u32>().ok());
        if let (Some(path), Some(number)) = (path, number)
            && number > end
        {
            passed.push((number, path));
        }
    }
    // From the last on: what a kill leaves has no gap.
    passed.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
    for (number, path) in passed {
        if holds_nothing_more(catalog, place, keyring, &path, number <= known_until.0)? {
            place.remove_object(&path)?;
        }
    }
    Ok(())
}
