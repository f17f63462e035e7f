//! Acknowledging marks: this device relies on none of their objects any more (sl1-history §10.3).
//!
//! Invariant: before an acknowledgement is written, every proof of a marked object is dropped (nothing is under way:
//! only the driving task sends, and it is here), and every part of a referenced content that the mark takes has a
//! replica elsewhere or in a later generation, or its bytes are held here. What is missing is copied to the next
//! generation first, which is possible because nobody may delete it before.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use safelight_catalog::{HowKnown, RemoteId, StoredMark, SyncState};
use safelight_crypto::{ContentHash, PackTier};
use safelight_model::{
    MAX_OP_IDS, MarkReason, ObjectName, OpBody, OpId, PackKind, PlaceId, PlacedObject, RenditionKind,
    Replicas,
};
use safelight_store::{ObjectPath, Sealed, StoreError};

use super::holds_back;
use super::marks::requeue;
use super::need::{Trust, Without, can_do_without, took_its_place};
use super::objects::path_of_object;
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::originals::{MOST_PART_BYTES, open_part, path_of_part};
use crate::place::learn_place_id;
use crate::policy::rests_whole;
use crate::problem::{Problem, Transfer};

/// Marks that are acknowledged together.
const AT_ONCE: usize = 256;
/// Assets that are read together.
const ASSETS_AT_ONCE: usize = 512;

/// Under this name, with the id of a place, is kept up to which mark of which catalogue the records are settled.
const SETTLED: &str = "collect.settled.";

/// A mark, and what it names.
type Marked = (StoredMark, Vec<PlacedObject>);
/// Which content each of some names is a part of, and which part.
pub(super) type Parts = HashMap<ObjectName, (ContentHash, u32)>;

/// Acknowledges what can be, with the place at hand to copy what is needed. Answers whether anything was written;
/// what must wait is noted.
pub(crate) async fn acknowledge(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<bool> {
    let mut after = 0;
    let mut wrote = false;
    loop {
        let marks = here.catalog.unacknowledged_marks(after, AT_ONCE)?;
        let Some(last) = marks.last() else { return Ok(wrote) };
        if holds_back(here, at)? {
            return Ok(wrote);
        }
        after = last.number;
        // Who has just joined does not know yet that the marks are of this place, nor what lies in it.
        learn_place_id(here, at).await?;
        wrote |= acknowledge_some(here, at, &marks, problems).await?;
    }
}

/// Drops what this device's own records say of objects that were marked in a place since the last time, whoever has
/// acknowledged that. A device that was restored, or copied, finds acknowledgements of its own in history which its
/// records are too old to know of: objects would count as synced that are gone.
pub(crate) fn settle_records(here: &mut Here<'_>, at: &RemotePlace) -> Result<()> {
    let Some(place) = here.device.place_id(at.id)? else { return Ok(()) };
    let (name, instance) = (format!("{SETTLED}{place}"), here.catalog.instance()?);
    let kept = here.device.setting(&name)?.unwrap_or_default();
    // The numbers of another catalogue mean nothing in this one.
    let number = kept.strip_prefix(&instance.to_be_bytes()).and_then(|number| number.try_into().ok());
    let mut after = number.map_or(0, i64::from_be_bytes);
    loop {
        let marks = here.catalog.marks_at(place, after, AT_ONCE)?;
        let Some(last) = marks.last() else { return Ok(()) };
        after = last.number;
        drop_records(here, &marks)?;
        here.device.set_setting(&name, Some(&[instance.to_be_bytes(), after.to_be_bytes()].concat()))?;
    }
}

/// Forgets, durably, what these marks name; originals that do not rest there in another generation wait again. Answers
/// the objects, and of what they are parts.
fn drop_records(here: &mut Here<'_>, marks: &[StoredMark]) -> Result<(Vec<Marked>, Parts)> {
    let mut objects = Vec::with_capacity(marks.len());
    for mark in marks {
        objects.push((*mark, here.catalog.marked_objects(mark)?));
    }
    let parts = parts_of(here, objects.iter().flat_map(|(_, objects)| objects))?;
    for (mark, objects) in &objects {
        let Some(remote) = here.device.remote_at(mark.place)? else { continue };
        let mut paths = Vec::with_capacity(objects.len());
        for object in objects {
            paths.extend(path_of_object(object)?.map(|path| path.to_string()));
        }
        here.device.void_objects(remote, paths.iter().map(String::as_str))?;
        for object in objects.iter().filter(|object| object.class == b'o') {
            let Some((content, _)) = parts.get(&object.name) else { continue };
            let original = here.catalog.original_of(content)?;
            let rests = match &original {
                Some(original) => rests_whole(here.device, remote, content, &original.parts)?,
                None => false,
            };
            if !rests {
                requeue(here, remote, content, mark.why)?;
            }
        }
        for object in objects.iter().filter(|object| object.class == b's') {
            requeue_entries(here, remote, object, mark.why)?;
        }
    }
    Ok((objects, parts))
}

/// The small originals of a marked pack that rest in no other there wait again, as large ones do.
fn requeue_entries(
    here: &mut Here<'_>,
    remote: RemoteId,
    object: &PlacedObject,
    why: MarkReason,
) -> Result<()> {
    let entries = here.device.entries_of_remote_pack(&PackTier::TinyOriginals.logical(&object.name))?;
    for entry in entries {
        if !rests_whole(here.device, remote, &entry.content, &[])?
            && requeue(here, remote, &entry.content, why)?
        {
            here.device.forget_plan(remote)?;
        }
    }
    Ok(())
}

async fn acknowledge_some(
    here: &mut Here<'_>,
    at: &RemotePlace,
    marks: &[StoredMark],
    problems: &mut Vec<Problem>,
) -> Result<bool> {
    let (objects, parts) = drop_records(here, marks)?;
    let mut acknowledged: Vec<OpId> = Vec::new();
    let mut copied: BTreeMap<PlaceId, Vec<PlacedObject>> = BTreeMap::new();
    for (mark, objects) in &objects {
        here.stop.check()?;
        let mut missing = None;
        for object in objects {
            match relies(here, at, mark, object, &parts, problems).await? {
                Relies::Not => {}
                Relies::Copied(copy) => copied.entry(mark.place).or_default().push(copy),
                Relies::Still => {
                    missing = Some(*object);
                    break;
                }
            }
        }
        match missing {
            None => acknowledged.push(mark.op),
            Some(object) => {
                let name =
                    path_of_object(&object)?.map_or_else(|| object.name.to_string(), |path| path.to_string());
                let problem = match mark.why {
                    MarkReason::Damaged => Problem::Lost { object: name },
                    _ => Problem::Needed { object: name },
                };
                here.note(problems, problem);
            }
        }
    }
    let mut bodies = Vec::new();
    for (place, mut objects) in copied {
        objects.sort_unstable();
        objects.dedup();
        bodies.extend(objects.chunks(safelight_model::MAX_PLACED).map(|objects| {
            let objects = objects.to_vec();
            OpBody::Replicas(Replicas { place, additions: Vec::new(), except: Default::default(), objects })
        }));
    }
    bodies.extend(
        acknowledged
            .chunks(MAX_OP_IDS)
            .map(|marks| OpBody::Acknowledged { marks: marks.iter().copied().collect() }),
    );
    if bodies.is_empty() {
        return Ok(false);
    }
    let now = (here.now)();
    here.catalog.append(now, bodies)?;
    Ok(true)
}

/// The contents that some objects are parts of. Goes through all assets once; memory is that of the objects.
pub(super) fn parts_of<'a>(
    here: &Here<'_>,
    objects: impl Iterator<Item = &'a PlacedObject>,
) -> Result<Parts> {
    let mut wanted: HashMap<ObjectName, Option<(ContentHash, u32)>> =
        objects.filter(|object| object.class == b'o').map(|object| (object.name, None)).collect();
    if wanted.is_empty() {
        return Ok(Parts::new());
    }
    let mut after = None;
    loop {
        let assets = here.catalog.assets_after(after, ASSETS_AT_ONCE)?;
        let Some((last, _)) = assets.last() else { break };
        after = Some(*last);
        let lives = assets.iter().flat_map(|(_, state)| state.lives());
        for write in lives.flat_map(|(_, life)| life.contents().additions()) {
            let original = &write.value.original;
            for (number, part) in (0..).zip(&original.parts) {
                if let Some(found) = wanted.get_mut(&part.name) {
                    *found = Some((original.content, number));
                }
            }
        }
    }
    Ok(wanted.into_iter().filter_map(|(name, found)| Some((name, found?))).collect())
}

enum Relies {
    Not,
    /// Not now: it was copied to the next generation.
    Copied(PlacedObject),
    Still,
}

async fn relies(
    here: &mut Here<'_>,
    at: &RemotePlace,
    mark: &StoredMark,
    object: &PlacedObject,
    parts: &Parts,
    problems: &mut Vec<Problem>,
) -> Result<Relies> {
    if can_do_without(here, object, parts, Trust::Recorded)? == Without::Yes {
        return Ok(Relies::Not);
    }
    if object.class == b's' {
        fetch_entries(here, at, object, problems).await?;
        let is_spared = can_do_without(here, object, parts, Trust::Recorded)? == Without::Yes
            || mark.why == MarkReason::Damaged && took_its_place(here, object)?;
        return Ok(if is_spared { Relies::Not } else { Relies::Still });
    }
    if here.device.place_id(at.id)? != Some(mark.place) {
        return Ok(Relies::Still);
    }
    let Some((content, _)) = parts.get(&object.name) else { return Ok(Relies::Not) };
    let used = here.catalog.content_use(content)?;
    match used.as_ref().and_then(|used| used.part(&object.name)) {
        Some((original, number)) => copy_on(here, at, mark, object, original, number, problems).await,
        None => Ok(Relies::Still),
    }
}

/// Copies a marked part that somebody needs to the next generation of its name, in the same place.
async fn copy_on(
    here: &mut Here<'_>,
    at: &RemotePlace,
    mark: &StoredMark,
    object: &PlacedObject,
    original: &safelight_model::Original,
    number: u32,
    problems: &mut Vec<Problem>,
) -> Result<Relies> {
    let Some(part) = original.parts.get(number as usize) else { return Ok(Relies::Still) };
    let Some(from) = path_of_object(object)? else { return Ok(Relies::Still) };
    let (next, _) = super::generations(here.catalog, Some(mark.place), b'o', &part.name)?;
    let bytes = match whole(here, at, &from, original, number).await? {
        Whole::Yes(bytes) => bytes,
        Whole::Damaged(reason) => {
            let relies = copied_by_another(here, at, original, number, next).await?;
            // The mark says it already to whoever finds a whole one.
            if matches!(relies, Relies::Still) {
                here.note(problems, Problem::Damaged { object: from.to_string(), reason });
            }
            return Ok(relies);
        }
        // Whether it is gone for good nobody can tell: the mark waits until the content is held somewhere again.
        Whole::No => return copied_by_another(here, at, original, number, next).await,
    };
    // It goes on resting as it did.
    let tier = at.store.head(&from).await?.tier;
    let Ok(sealed) = Sealed::from_bytes(bytes) else { return Ok(Relies::Still) };
    for generation in next..next.saturating_add(crate::originals::MOST_GENERATIONS) {
        let path = path_of_part(part, generation)?;
        match at.store.put(&path, &sealed, tier).await {
            Ok(_) => {}
            Err(StoreError::AlreadyExists { .. }) => {
                let Ok(there) = at.store.get(&path, MOST_PART_BYTES).await else { continue };
                if open_part(here, original, number, part, &there).is_err() {
                    continue;
                }
            }
            Err(error) => return Err(error.into()),
        }
        here.record_replica(at, &path, sealed.length_bytes(), HowKnown::Acknowledged)?;
        here.monitor.advance(Transfer::PartSent, sealed.length_bytes());
        // Only what was read back may be told of a place that does not vouch; it was read or put just now, whole.
        if !matches!(whole(here, at, &path, original, number).await?, Whole::Yes(_)) {
            return Ok(Relies::Still);
        }
        here.record_replica(at, &path, sealed.length_bytes(), HowKnown::Opened)?;
        found_again(here, at, original)?;
        return Ok(Relies::Copied(PlacedObject::original(part.name, generation)));
    }
    Ok(Relies::Still)
}

/// Looks whether another device put a part under a later generation, of which no record came yet.
async fn copied_by_another(
    here: &mut Here<'_>,
    at: &RemotePlace,
    original: &safelight_model::Original,
    number: u32,
    next: u32,
) -> Result<Relies> {
    let Some(part) = original.parts.get(number as usize) else { return Ok(Relies::Still) };
    let path = path_of_part(part, next)?;
    let Whole::Yes(bytes) = whole(here, at, &path, original, number).await? else {
        return Ok(Relies::Still);
    };
    here.record_replica(at, &path, bytes.len() as u64, HowKnown::Opened)?;
    found_again(here, at, original)?;
    Ok(Relies::Copied(PlacedObject::original(part.name, next)))
}

/// What was given up as lost there and turned out to be there after all is in the cloud again.
fn found_again(here: &mut Here<'_>, at: &RemotePlace, original: &safelight_model::Original) -> Result<()> {
    let rows = here.device.original_at_remotes(&original.content)?;
    let is_lost = rows.iter().any(|(remote, row)| *remote == at.id && row.state == SyncState::Lost);
    if is_lost && rests_whole(here.device, at.id, &original.content, &original.parts)? {
        here.device.set_original_states(at.id, [(&original.content, SyncState::CloudOnly, None)])?;
    }
    Ok(())
}

/// What reading a part back came to.
enum Whole {
    Yes(Bytes),
    Damaged(String),
    No,
}

async fn whole(
    here: &Here<'_>,
    at: &RemotePlace,
    path: &ObjectPath,
    original: &safelight_model::Original,
    number: u32,
) -> Result<Whole> {
    let Some(part) = original.parts.get(number as usize) else { return Ok(Whole::No) };
    match at.store.get(path, MOST_PART_BYTES).await {
        Ok(bytes) => Ok(match open_part(here, original, number, part, &bytes) {
            Ok(()) => Whole::Yes(bytes),
            Err(reason) => Whole::Damaged(reason),
        }),
        Err(
            StoreError::NotFound { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Damaged { .. }
            | StoreError::Archived { .. },
        ) => Ok(Whole::No),
        Err(error) => Err(error.into()),
    }
}

/// Fetches what this device references of a pack of tiny originals and does not hold.
async fn fetch_entries(
    here: &mut Here<'_>,
    at: &RemotePlace,
    object: &PlacedObject,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let packs = here.catalog.remote_packs(Some(PackKind::TinyOriginals))?;
    let Some(pack) = packs.into_iter().find(|pack| pack.name == object.name) else { return Ok(()) };
    let Some((tier, _)) = crate::packs::tier_of(pack.tier) else { return Ok(()) };
    let entries = here.device.entries_of_remote_pack(&tier.logical(&pack.name))?;
    if entries.is_empty() {
        // Who has just joined knows no pack yet, and so not what took the place of this one.
        let is_small = |kind| kind == PackKind::TinyOriginals;
        crate::packs::learn_packs(here, at, is_small, |_| false, problems).await?;
    }
    for entry in entries {
        if here.catalog.content_use(&entry.content)?.is_none_or(|used| !used.is_referenced)
            || here.device.packed(&entry.content, RenditionKind::Original)?.is_some()
        {
            continue;
        }
        let places = std::slice::from_ref(at);
        match crate::packs::fetch_entry(here, places, &entry.content, RenditionKind::Original, problems).await
        {
            Ok(_) => {}
            Err(SyncError::NotHeld { .. } | SyncError::Unbelievable { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
