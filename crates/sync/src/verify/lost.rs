//! What becomes of what is missing or damaged, and of what was found again.

use safelight_catalog::SyncState;
use safelight_model::history::Tip;
use safelight_model::{RenditionKind, SegmentSeq};
use safelight_store::{ObjectPath, Sealed, StoreError};

use super::VerifyReport;
use super::expect::{Expectation, Expected};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::{judge_there, whole_segment};
use crate::originals::is_here;
use crate::packs::tier_of;
use crate::place::is_the_known_place;
use crate::policy::rests_whole;
use crate::problem::Problem;
use crate::rests::is_held;

/// Something is missing or damaged: named, forgotten as a replica, and to be sent again.
pub(super) async fn lost(
    here: &mut Here<'_>,
    at: &RemotePlace,
    expected: &Expected,
    path: &str,
    problem: Problem,
    expectation: &Expectation,
    report: &mut VerifyReport,
) -> Result<()> {
    let was = if matches!(problem, Problem::Missing { .. }) { "missing" } else { "damaged" };
    here.note(&mut report.problems, problem);
    // What is damaged lies there all the same, and its size stays known for that.
    if was == "damaged" && matches!(expected, Expected::Part(..)) {
        here.device.mark_bad(at.id, path)?;
    } else {
        here.device.forget_replicas(at.id, [path])?;
    }
    match expected {
        Expected::Segment(device, tip) => {
            let Ok((bytes, _)) = whole_segment(here, *device, *tip)? else { return Ok(()) };
            let object = ObjectPath::parse(path).map_err(StoreError::from)?;
            let Ok(sealed) = Sealed::from_bytes(bytes) else { return Ok(()) };
            let mut is_deleted = false;
            let repaired = match at.store.put(&object, &sealed, None).await {
                Err(StoreError::AlreadyExists { .. }) => {
                    // Another whole segment that its device signed stays; so does what was hurt on its way only.
                    if !judge_there(here, &at.store, &object, *device, *tip).await?.is_damaged() {
                        return Ok(());
                    }
                    // Nothing is deleted in a place that may be another one.
                    if !is_the_known_place(here, at).await? {
                        return Ok(());
                    }
                    if let Err(error) = at.store.delete(&object).await {
                        report.not_replaced = Some(error.to_string());
                        return Ok(());
                    }
                    is_deleted = true;
                    at.store.put(&object, &sealed, None).await
                }
                other => other,
            };
            match repaired {
                Ok(_) => {
                    here.note(&mut report.problems, Problem::Repaired { object: path.to_owned(), was });
                }
                // Another device was as fast.
                Err(StoreError::AlreadyExists { .. }) => {}
                Err(error) => {
                    tracing::warn!(%error, path, "the segment could not be repaired");
                    // One that nobody put stays known as missing: the next verification tries again.
                    if !is_deleted {
                        return Ok(());
                    }
                    here.note(&mut report.problems, Problem::Missing { object: path.to_owned() });
                    // The next sync puts it there again, and what lies behind it is found there.
                    let before = SegmentSeq(tip.seq.0.saturating_sub(1));
                    let root = here.catalog.segment_root(*device, before)?.unwrap_or_default();
                    here.device.lower_remote_head(at.id, *device, Tip { seq: before, root })?;
                }
            }
        }
        // How its content stands in this place is told by the addition that takes its place.
        Expected::Part(original, _) if !expectation.is_last(original) => {}
        Expected::Part(original, _) => {
            let (content, is_here) = (&original.content, is_here(here, original)?);
            if is_here {
                report.wrong.parts.insert(path.to_owned(), (*content, was));
            }
            let state = if is_here { SyncState::Waiting } else { SyncState::Lost };
            here.device.set_original_states(at.id, [(content, state, Some(was))])?;
            here.device.forget_plan(at.id)?;
        }
        Expected::Small => drop(report.wrong.small.insert(path.to_owned(), was)),
        Expected::Pack(pack) => {
            if let Some((tier, _)) = tier_of(pack.tier) {
                let logical = tier.logical(&pack.name);
                lost_entries(here, at, &logical, was)?;
                report.wrong.packs.insert(path.to_owned(), (logical, was));
            }
        }
        Expected::PlaceId(_) => {}
    }
    Ok(())
}

/// The small originals of a pack that is lost, and that rest in no other pack there, are not held there any more.
fn lost_entries(here: &mut Here<'_>, at: &RemotePlace, logical: &str, was: &'static str) -> Result<()> {
    let mut lost = Vec::new();
    for entry in here.device.entries_of_remote_pack(logical)? {
        let rows = here.device.original_at_remotes(&entry.content)?;
        let is_held = rows.iter().any(|(remote, row)| *remote == at.id && is_held(row.state));
        if entry.kind == RenditionKind::Original
            && is_held
            && !rests_whole(here.device, at.id, &entry.content, &[])?
        {
            let is_here = here.device.packed_as(&entry)?.is_some();
            lost.push((entry.content, if is_here { SyncState::Waiting } else { SyncState::Lost }));
        }
    }
    if !lost.is_empty() {
        let states = lost.iter().map(|(content, state)| (content, *state, Some(was)));
        here.device.set_original_states(at.id, states)?;
        here.device.forget_plan(at.id)?;
    }
    Ok(())
}

/// Originals that others sent, and all of whose parts were found: they are in the cloud, and here as well where the
/// policy merely did not ask this device to send them.
pub(super) fn mark_found(here: &mut Here<'_>, at: &RemotePlace, expectation: &Expectation) -> Result<()> {
    for (state, found) in [
        (SyncState::Elsewhere, SyncState::CloudOnly),
        (SyncState::Lost, SyncState::CloudOnly),
        (SyncState::Off, SyncState::Synced),
    ] {
        let mut after = None;
        loop {
            let rows = here.device.originals_in(at.id, state, after, 500)?;
            let Some(last) = rows.last() else { break };
            after = Some((last.position, last.content));
            let mut whole = Vec::new();
            for row in &rows {
                // A small one has no parts, and rests where a pack with it does.
                let original = expectation.originals.get(&row.content);
                let parts = original.map(|original| original.parts.as_slice()).unwrap_or_default();
                if rests_whole(here.device, at.id, &row.content, parts)? {
                    whole.push((&row.content, found, None));
                }
            }
            if !whole.is_empty() {
                here.device.set_original_states(at.id, whole)?;
            }
        }
    }
    Ok(())
}
