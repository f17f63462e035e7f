//! Which originals stand how to a remote: new ones enter as ops add them, so nothing new costs nothing.
//!
//! Invariant: an original enters only after the op that speaks of it is published in that remote.

use std::collections::BTreeMap;

use safelight_catalog::{OriginalAtRemote, PURGED, PolicyKind, SyncState, Wanted};
use safelight_crypto::DeviceId;
use safelight_model::history::Tip;
use safelight_model::{Original, RenditionKind, Storage};
use safelight_store::ObjectPath;

use super::linked::{is_linked_here, linked_path};
use crate::error::Result;
use crate::here::{Here, RemotePlace};

/// Ops that are looked at in one transaction.
const OPS_AT_ONCE: usize = 512;
/// What is not shown comes last.
const LAST: i64 = i64::MAX;

/// Takes in the originals that were added since the last sync with this remote. Those that a policy may not want stay
/// until it is applied. Answers whether there was any.
pub(crate) fn queue_new(here: &mut Here<'_>, at: &RemotePlace) -> Result<bool> {
    let wants_all =
        here.device.policy(at.id)?.kind == PolicyKind::Full && here.device.switches(at.id)?.is_empty();
    let mut is_any = false;
    let instance = here.catalog.instance()?;
    let before = here.device.looked_at(at.id, instance)?;
    let mut after = before;
    let until = published_until(here, at)?;
    loop {
        let (added, last) = here.catalog.added_originals(after, until, OPS_AT_ONCE)?;
        if last == after {
            return Ok(is_any || after != before && queue_restored(here, at, wants_all)?);
        }
        let mut rows = Vec::with_capacity(added.len());
        for added in &added {
            let (state, reason) = entering(here, &added.original, wants_all)?;
            is_any = true;
            rows.push(OriginalAtRemote {
                content: added.original.content,
                position: added.position.unwrap_or(LAST),
                size_bytes: added.original.size_bytes,
                state,
                reason: reason.map(str::to_owned),
                attempts: 0,
                next_try_millis: 0,
            });
        }
        here.device.queue_originals(at.id, instance, last, &rows)?;
        if !rows.is_empty() {
            here.device.forget_plan(at.id)?;
        }
        after = last;
    }
}

/// Originals that were purged, and that somebody had taken out of the trash before hearing of it, wait as new ones do:
/// no op adds them again. Answers whether there was any.
fn queue_restored(here: &mut Here<'_>, at: &RemotePlace, wants_all: bool) -> Result<bool> {
    let (mut after, mut is_any) = (None, false);
    loop {
        let rows = here.device.originals_in(at.id, SyncState::LocalOnly, after, OPS_AT_ONCE)?;
        let Some(last) = rows.last() else { break };
        after = Some((last.position, last.content));
        let mut restored = Vec::new();
        for row in rows.iter().filter(|row| row.reason.as_deref() == Some(PURGED)) {
            if let Some(original) = here.catalog.original_of(&row.content)? {
                restored.push((&row.content, entering(here, &original, wants_all)?));
            }
        }
        is_any |= !restored.is_empty();
        let states = restored.into_iter().map(|(content, (state, reason))| (content, state, reason));
        here.device.set_original_states(at.id, states)?;
    }
    if is_any {
        here.device.forget_plan(at.id)?;
    }
    Ok(is_any)
}

/// How an original enters that is to be looked at anew.
fn entering(
    here: &Here<'_>,
    original: &Original,
    wants_all: bool,
) -> Result<(SyncState, Option<&'static str>)> {
    let (state, reason) = standing(here, original)?;
    let waits_for_policy = state == SyncState::Waiting && !wants_all;
    Ok((if waits_for_policy { SyncState::Off } else { state }, reason))
}

/// What will wait as soon as history is published, beside what waits already: those of the originals that this device
/// holds and that are `wanted`.
pub(crate) fn not_queued(here: &Here<'_>, at: &RemotePlace, wanted: &Wanted) -> Result<Vec<Original>> {
    let mut after = here.device.looked_at(at.id, here.catalog.instance()?)?;
    let mut found = Vec::new();
    loop {
        let (added, last) = here.catalog.added_originals(after, i64::MAX, OPS_AT_ONCE)?;
        if last == after {
            return Ok(found);
        }
        for added in added {
            if wanted.wants(&added.original.content)
                && standing(here, &added.original)?.0 == SyncState::Waiting
                && found.iter().all(|known: &Original| known.content != added.original.content)
            {
                found.push(added.original);
            }
        }
        after = last;
    }
}

/// Up to which op history is in the place: an object that is there while nothing there speaks of it is not safe.
pub(crate) fn published_until(here: &Here<'_>, at: &RemotePlace) -> Result<i64> {
    let heads: BTreeMap<DeviceId, Tip> = here.device.remote_heads(at.id)?.into_iter().collect();
    let is_there = |device: &DeviceId, tip: &Tip| heads.get(device).is_some_and(|head| head.seq >= tip.seq);
    let mut missing = Vec::new();
    if !here.catalog.tips()?.iter().all(|(device, tip)| is_there(device, tip)) {
        missing = here.catalog.segments()?;
        missing.retain(|segment| !is_there(&segment.device, &segment.tip));
    }
    // Where the place has another branch of a chain that forked, other chains say it there.
    let mut is_said = true;
    for segment in &missing {
        is_said &= here.catalog.is_carried(segment.device, segment.tip)?;
    }
    if is_said {
        missing.clear();
    }
    Ok(here.catalog.last_op_before(&missing)?)
}

/// How an original that was never looked at stands to a remote.
fn standing(here: &Here<'_>, original: &Original) -> Result<(SyncState, Option<&'static str>)> {
    Ok(match original.storage {
        Storage::Linked if linked_path(here, original).is_some() => (SyncState::Waiting, None),
        Storage::Linked => (SyncState::Elsewhere, None),
        Storage::Unknown(_) => (SyncState::LocalOnly, Some("a newer version of Safelight stores it")),
        Storage::Packed | Storage::Copied if is_here(here, original)? => (SyncState::Waiting, None),
        Storage::Packed | Storage::Copied => (SyncState::Elsewhere, None),
    })
}

/// Whether an original is here: every part of it rests in the library folder, a small one lies in a pack by the index, or
/// a file is there from which a linked one can be sent.
pub(crate) fn is_here(here: &Here<'_>, original: &Original) -> Result<bool> {
    if is_linked_here(here, original)? {
        return Ok(true);
    }
    if original.storage == Storage::Packed {
        return Ok(here.device.packed(&original.content, RenditionKind::Original)?.is_some());
    }
    for part in &original.parts {
        if !here.place.contains(&ObjectPath::original(part.name))? {
            return Ok(false);
        }
    }
    Ok(!original.parts.is_empty())
}
