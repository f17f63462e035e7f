//! Under which name something should lie in a place: it may be there in a later generation, owed by somebody who put it
//! there, or gone for good.

use std::collections::{HashMap, HashSet};

use safelight_catalog::{OriginalAtRemote, SyncState};
use safelight_model::{MarkReason, Packed, PlacedObject};
use safelight_store::{ObjectPath, StoreError};

use super::expect::{Expectation, Expected};
use crate::collect::{generations, object_of, path_of_object};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::originals::is_here;
use crate::packs::{is_all_elsewhere, is_needed, packs_there, tier_of};

/// The generation of an object that is listed and was neither found bad nor marked: the next one first.
pub(super) fn best_generation(
    here: &Here<'_>,
    at: &RemotePlace,
    name: &str,
    listed: &HashMap<String, u64>,
) -> Result<Option<String>> {
    let place = here.device.place_id(at.id)?;
    let Some(object) = ObjectPath::parse(name).ok().and_then(|path| object_of(&path)) else {
        return Ok(listed.contains_key(name).then(|| name.to_owned()));
    };
    let (_, generations) = generations(here.catalog, place, object.class, &object.name)?;
    for generation in generations {
        let path = if generation == 0 { name.to_owned() } else { format!("{name}-{generation}") };
        let is_marked = match place {
            Some(place) => here.catalog.is_marked(place, &PlacedObject { generation, ..object })?,
            None => false,
        };
        if listed.contains_key(&path) && !is_marked && !here.device.is_bad(at.id, &path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Under which name something should lie in a place that this device does not know to hold it: history says that it was
/// put there, or that it was found missing or damaged there and nobody said that it is not needed any more. None where
/// history knows it, and nobody said that it is in this place.
pub(super) fn owed_as(
    here: &Here<'_>,
    at: &RemotePlace,
    name: &str,
    expected: &Expected,
    packs: &HashSet<String>,
    expectation: &Expectation,
) -> Result<Option<String>> {
    // Nobody puts again what another addition takes the place of.
    if matches!(expected, Expected::Part(original, _) if !expectation.is_last(original)) {
        return Ok(None);
    }
    let Some(place) = here.device.place_id(at.id)? else { return Ok(None) };
    let Some(object) = ObjectPath::parse(name).ok().and_then(|path| object_of(&path)) else {
        return Ok(None);
    };
    let generation = here.catalog.next_generation(place, object.class, &object.name)?;
    let path = if generation == 0 { name.to_owned() } else { format!("{name}-{generation}") };
    let is_said = match expected {
        Expected::Part(original, _) => {
            let content = &original.content;
            let rows = here.device.original_at_remotes(content)?;
            let is_missed = rows.iter().any(|(remote, row)| *remote == at.id && is_missed(row));
            is_missed
                || match here.catalog.content_use(content)? {
                    Some(used) => here.catalog.has_replica(place, &used, &object.name)?,
                    None => false,
                }
        }
        Expected::Pack(_) => here.catalog.places_of_object(object.class, &object.name)?.contains(&place),
        _ => false,
    };
    if !is_said && !was_damaged(here, at, &path)? {
        return Ok(None);
    }
    let is_owed = match expected {
        Expected::Pack(pack) => is_pack_missed(here, pack, packs)?,
        _ => true,
    };
    Ok(is_owed.then_some(path))
}

/// The packs that are known to rest in a place, or that it lists.
pub(super) fn packs_found(
    here: &Here<'_>,
    at: &RemotePlace,
    expectation: &Expectation,
    listed: &HashMap<String, u64>,
) -> Result<HashSet<String>> {
    let mut found = packs_there(here, at, None)?;
    for (name, (expected, _)) in &expectation.objects {
        if let Expected::Pack(pack) = expected
            && let Some((tier, _)) = tier_of(pack.tier)
            && best_generation(here, at, name, listed)?.is_some()
        {
            found.insert(tier.logical(&pack.name));
        }
    }
    Ok(found)
}

/// Whether a pack that is not in a place has anything that some photo needs and that no other pack there is known to hold.
fn is_pack_missed(here: &Here<'_>, pack: &Packed, there: &HashSet<String>) -> Result<bool> {
    let Some((tier, _)) = tier_of(pack.tier) else { return Ok(false) };
    let logical = tier.logical(&pack.name);
    let entries = here.device.entries_of_remote_pack(&logical)?;
    for entry in &entries {
        let others = here.device.packs_with(&entry.content, entry.kind)?;
        let is_there = others.iter().any(|other| *other != logical && there.contains(other));
        if !is_there && is_needed(here, entry)? {
            return Ok(true);
        }
    }
    // Of one whose index was never read here nothing is known but what it may hold.
    Ok(entries.is_empty()
        && !is_all_elsewhere(here, pack.tier, |other| Ok(other != logical && there.contains(other)))?)
}

/// Whether an original is one that was found missing or damaged in a remote.
fn is_missed(row: &OriginalAtRemote) -> bool {
    row.state == SyncState::Lost || row.state == SyncState::Waiting && row.reason.is_some()
}

/// Whether the generation before was marked as damaged or missing.
pub(super) fn was_damaged(here: &Here<'_>, at: &RemotePlace, path: &str) -> Result<bool> {
    Ok(damaged_before(here, at, path)?.is_some())
}

/// The name of the generation before, if that was marked as damaged or missing.
pub(super) fn last_marked(here: &Here<'_>, at: &RemotePlace, path: &str) -> Result<Option<String>> {
    let Some(before) = damaged_before(here, at, path)? else { return Ok(None) };
    Ok(path_of_object(&before)?.map(|path| path.to_string()))
}

/// The generation before an object's, if all marks of it say that it was damaged or missing.
fn damaged_before(here: &Here<'_>, at: &RemotePlace, path: &str) -> Result<Option<PlacedObject>> {
    let object = ObjectPath::parse(path).ok().and_then(|path| object_of(&path));
    let (Some(place), Some(object)) = (here.device.place_id(at.id)?, object) else { return Ok(None) };
    let Some(generation) = object.generation.checked_sub(1) else { return Ok(None) };
    let before = PlacedObject { generation, ..object };
    let marks = here.catalog.marks_of(place, &before)?;
    let is_damaged = !marks.is_empty() && marks.iter().all(|mark| mark.why == MarkReason::Damaged);
    Ok(is_damaged.then_some(before))
}

/// Whether something is missing that this device cannot put again: the place says so twice, and its bytes are not here.
pub(super) async fn is_gone(
    here: &Here<'_>,
    at: &RemotePlace,
    expected: &Expected,
    path: &str,
) -> Result<bool> {
    let is_held = match expected {
        Expected::Part(original, _) => is_here(here, original)?,
        Expected::Pack(pack) => holds_entries(here, pack)?,
        _ => true,
    };
    if is_held {
        return Ok(false);
    }
    Ok(length_of(at, path).await?.is_none())
}

/// Whether all entries of a pack are here, so that it can be built again.
fn holds_entries(here: &Here<'_>, pack: &Packed) -> Result<bool> {
    let Some((tier, _)) = tier_of(pack.tier) else { return Ok(false) };
    let entries = here.device.entries_of_remote_pack(&tier.logical(&pack.name))?;
    for entry in &entries {
        if here.device.packed_as(entry)?.is_none() {
            return Ok(false);
        }
    }
    Ok(!entries.is_empty())
}

pub(super) async fn length_of(at: &RemotePlace, path: &str) -> Result<Option<u64>> {
    let path = ObjectPath::parse(path).map_err(StoreError::from)?;
    match at.store.head(&path).await {
        Ok(info) => Ok(Some(info.length_bytes)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
