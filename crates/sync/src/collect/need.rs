//! Whether this device could do without an object: one rule for acknowledging its mark and for deleting it
//! (sl1-history §10.3, §10.4).
//!
//! Invariant: where bytes are deleted, another place counts only on this device's own fresh proof. A record in
//! history may be of any age, of a place that is closed by now, or of an object that went missing there since; so it
//! suffices for agreeing that somebody may delete, and never for deleting.

use std::collections::BTreeSet;

use safelight_catalog::{PackedEntry, RemoteId};
use safelight_model::{ObjectName, Original, PackKind, PlaceId, PlacedObject, RenditionKind};
use safelight_store::ObjectPath;

use super::acknowledge::Parts;
use super::objects::{object_of, path_of_object};
use crate::error::Result;
use crate::here::Here;
use crate::originals::{MOST_PART_BYTES, OLDEST_PROOF_MILLIS, open_part};

/// What another place must have said for itself to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Some op says that it holds the object: enough to acknowledge, because whoever deletes asks for more.
    Recorded,
    /// And this device has proven it there within 30 days, and knows nothing bad of it since: needed to delete.
    Proven,
}

/// Whether this device could do without an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Without {
    Yes,
    /// Only these remotes are said to hold it, and this device has not proven that lately.
    Unproven(BTreeSet<RemoteId>),
    No,
}

/// Whether an object is not referenced, has a replica elsewhere or in a later generation that is trusted, or its
/// bytes are here and were just opened. Another device's copy and linked files count as nothing.
pub(super) fn can_do_without(
    here: &Here<'_>,
    object: &PlacedObject,
    parts: &Parts,
    trust: Trust,
) -> Result<Without> {
    match object.class {
        b'o' => {}
        b's' => return can_spare_pack(here, object, trust),
        // Renditions are made again; classes of later versions are nothing that this one references.
        _ => return Ok(Without::Yes),
    }
    let Some((content, _)) = parts.get(&object.name) else { return Ok(Without::Yes) };
    let Some(used) = here.catalog.content_use(content)?.filter(|used| used.is_referenced) else {
        return Ok(Without::Yes);
    };
    let elsewhere = match trust {
        Trust::Recorded if here.catalog.has_replica_anywhere(&used, &object.name)? => Without::Yes,
        Trust::Recorded => Without::No,
        Trust::Proven => {
            proven(here, object, |place| Ok(here.catalog.has_replica(place, &used, &object.name)?))?
        }
    };
    if elsewhere == Without::Yes {
        return Ok(elsewhere);
    }
    match used.part(&object.name) {
        Some((original, number)) if is_whole_here(here, original, number)? => Ok(Without::Yes),
        _ => Ok(elsewhere),
    }
}

/// Whether one of the connected remotes that `is_recorded` names was proven lately to hold an object, in whatever
/// generation that is not marked.
fn proven(
    here: &Here<'_>,
    object: &PlacedObject,
    is_recorded: impl Fn(PlaceId) -> Result<bool>,
) -> Result<Without> {
    let Some(first) = path_of_object(&PlacedObject { generation: 0, ..*object })? else {
        return Ok(Without::No);
    };
    let mut unproven = BTreeSet::new();
    for remote in here.device.remotes()? {
        let Some(place) = here.device.place_id(remote.id)? else { continue };
        if !is_recorded(place)? {
            continue;
        }
        if is_proven_at(here, remote.id, place, &first)? {
            return Ok(Without::Yes);
        }
        unproven.insert(remote.id);
    }
    Ok(if unproven.is_empty() { Without::No } else { Without::Unproven(unproven) })
}

fn is_proven_at(here: &Here<'_>, remote: RemoteId, place: PlaceId, first: &ObjectPath) -> Result<bool> {
    let Some(replica) = here.device.replica_in_any_generation(remote, first.as_str())? else {
        return Ok(false);
    };
    let now = here.now_millis();
    let is_fresh = replica
        .proven_millis
        .is_some_and(|proven| (0..=OLDEST_PROOF_MILLIS).contains(&now.saturating_sub(proven)));
    let Some(object) = ObjectPath::parse(&replica.object).ok().and_then(|path| object_of(&path)) else {
        return Ok(false);
    };
    Ok(is_fresh
        && !here.catalog.is_marked(place, &object)?
        && !here.device.is_bad(remote, &replica.object)?)
}

/// Whether a part rests here and opens: its size alone would be too little to give up the last other copy for.
fn is_whole_here(here: &Here<'_>, original: &Original, number: u32) -> Result<bool> {
    let Some(part) = original.parts.get(number as usize) else { return Ok(false) };
    let object = match here.place.open_object(&ObjectPath::original(part.name)) {
        Ok(object) => object,
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let bytes = object.read_all(MOST_PART_BYTES)?;
    Ok(bytes.len() as u64 == part.sealed_bytes && open_part(here, original, number, part, &bytes).is_ok())
}

/// The name in a logical name, if it is that of another pack of tiny originals.
fn name_of_another(pack: &ObjectName, logical: &str) -> Option<ObjectName> {
    logical.strip_prefix("s/").and_then(|name| name.parse().ok()).filter(|name| name != pack)
}

/// Whether a logical name is that of another pack of tiny originals which some remote is recorded to hold.
fn is_recorded_beside(here: &Here<'_>, pack: &ObjectName, logical: &str) -> Result<bool> {
    let Some(name) = name_of_another(pack, logical) else { return Ok(false) };
    Ok(!here.catalog.places_of_object(b's', &name)?.is_empty())
}

/// Whether something took the place of a pack of tiny originals that nobody here ever read and that is damaged: everything
/// that it may hold is in others, each of which this device itself found in some remote.
pub(super) fn took_its_place(here: &Here<'_>, object: &PlacedObject) -> Result<bool> {
    let packs = here.catalog.remote_packs(Some(PackKind::TinyOriginals))?;
    let Some(pack) = packs.into_iter().find(|pack| pack.name == object.name) else { return Ok(true) };
    let Some((tier, _)) = crate::packs::tier_of(pack.tier) else { return Ok(false) };
    let own = tier.logical(&pack.name);
    if !here.device.entries_of_remote_pack(&own)?.is_empty() {
        return Ok(false);
    }
    let remotes = here.device.remotes()?;
    crate::packs::is_all_elsewhere(here, pack.tier, |logical| {
        let Some(name) = name_of_another(&pack.name, logical) else { return Ok(false) };
        let Some(first) = path_of_object(&PlacedObject { class: b's', name, generation: 0 })? else {
            return Ok(false);
        };
        for remote in &remotes {
            if here.device.replica_in_any_generation(remote.id, first.as_str())?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    })
}

/// Whether a pack of tiny originals is held elsewhere, or every entry of it that is referenced lies here and opens.
fn can_spare_pack(here: &Here<'_>, object: &PlacedObject, trust: Trust) -> Result<Without> {
    let packs = here.catalog.remote_packs(Some(PackKind::TinyOriginals))?;
    let Some(pack) = packs.into_iter().find(|pack| pack.name == object.name) else {
        return Ok(Without::Yes);
    };
    let places = here.catalog.places_of_object(object.class, &object.name)?;
    let elsewhere = match trust {
        Trust::Recorded if !places.is_empty() => Without::Yes,
        Trust::Recorded => Without::No,
        Trust::Proven => proven(here, object, |place| Ok(places.contains(&place)))?,
    };
    if elsewhere == Without::Yes {
        return Ok(elsewhere);
    }
    // What a later version packed in its own way is not known to be spare.
    let Some((tier, _)) = crate::packs::tier_of(pack.tier) else { return Ok(elsewhere) };
    let entries = here.device.entries_of_remote_pack(&tier.logical(&pack.name))?;
    if entries.is_empty() {
        // Nobody here ever read what is in it: it is spare if everything that it may hold is recorded in others.
        let is_recorded = |logical: &str| is_recorded_beside(here, &pack.name, logical);
        let is_spare =
            trust == Trust::Recorded && crate::packs::is_all_elsewhere(here, pack.tier, is_recorded)?;
        return Ok(if is_spare { Without::Yes } else { elsewhere });
    }
    for entry in entries {
        let is_referenced = here.catalog.content_use(&entry.content)?.is_some_and(|used| used.is_referenced);
        if !is_referenced {
            continue;
        }
        // What was written anew without what was forgotten is in another pack.
        if trust == Trust::Recorded && is_in_another(here, &pack.name, &entry)? {
            continue;
        }
        let Some(location) = here.device.packed(&entry.content, RenditionKind::Original)? else {
            return Ok(elsewhere);
        };
        if crate::packs::read_local_entry(here.place, &location, here.keys.keyring()).is_err() {
            return Ok(elsewhere);
        }
    }
    Ok(Without::Yes)
}

/// Whether another pack of tiny originals, which some remote is recorded to hold, has an entry too.
fn is_in_another(here: &Here<'_>, pack: &ObjectName, entry: &PackedEntry) -> Result<bool> {
    for other in here.device.packs_with(&entry.content, entry.kind)? {
        if is_recorded_beside(here, pack, &other)? {
            return Ok(true);
        }
    }
    Ok(false)
}
