//! Writing marks: what is to leave a remote, and why.
//!
//! A mark alone deletes nothing; it obliges everybody who needs the object to copy it first. So it is written only
//! by a device that is present there, and by preference only for what this device could do without.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, SystemTime};

use safelight_catalog::{PURGED, RemoteId, SyncState};
use safelight_crypto::ContentHash;
use safelight_model::{AssetId, MAX_PLACED, Mark, MarkReason, OpBody, PartRef, PlaceId, PlacedObject};
use safelight_store::{Area, ObjectPath, StoreError};

use super::objects::{object_of, path_of_object};
use super::{DAY_MILLIS, is_away};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::originals::path_of_part;
use crate::problem::Problem;

/// Assets that are read together.
const AT_ONCE: usize = 512;
/// What lies in a place for so long and nobody speaks of is an orphan; a younger object may still be spoken of.
const ORPHAN_MILLIS: u64 = 30 * DAY_MILLIS.unsigned_abs();
/// The start of every sealed object, which names its epoch (sl1.md §2.2).
const PREFIX_BYTES: u64 = 24;

/// Marks objects of a remote: they are to leave it. Those that are marked already are passed over. Answers how many
/// were marked; this device relies on none of them from now on.
///
/// # Errors
/// [`SyncError::Away`] while this device is away from the remote; those of the databases.
pub fn mark(
    here: &mut Here<'_>,
    at: &RemotePlace,
    place: PlaceId,
    why: MarkReason,
    objects: impl IntoIterator<Item = PlacedObject>,
) -> Result<u64> {
    if is_away(here, at)? {
        return Err(SyncError::Away { place: at.store.label().to_owned() });
    }
    let wanted = unmarked(here, place, objects)?;
    let mut paths = Vec::with_capacity(wanted.len());
    for object in &wanted {
        paths.extend(path_of_object(object)?.map(|path| path.to_string()));
    }
    // First nothing is relied on any more, then that is said.
    here.device.void_objects(at.id, paths.iter().map(String::as_str))?;
    let marks = wanted.chunks(MAX_PLACED);
    let bodies: Vec<OpBody> =
        marks.map(|objects| OpBody::Mark(Mark { place, why, objects: objects.to_vec() })).collect();
    if !bodies.is_empty() {
        let now = (here.now)();
        here.catalog.append(now, bodies)?;
    }
    Ok(wanted.len() as u64)
}

fn unmarked(
    here: &Here<'_>,
    place: PlaceId,
    objects: impl IntoIterator<Item = PlacedObject>,
) -> Result<Vec<PlacedObject>> {
    let mut wanted = BTreeSet::new();
    for object in objects {
        if !here.catalog.is_marked(place, &object)? {
            wanted.insert(object);
        }
    }
    Ok(wanted.into_iter().collect())
}

/// What becomes of objects that nothing needs, and which they were.
pub(super) struct Marking<'a> {
    /// Whether they are marked, or only found for a plan.
    pub(super) writes: bool,
    /// What somebody agreed to; what came to be unneeded since waits for the next plan.
    pub(super) agreed: Option<&'a BTreeSet<PlacedObject>>,
    pub(super) found: BTreeSet<PlacedObject>,
}

impl Marking<'_> {
    fn take(
        &mut self,
        here: &mut Here<'_>,
        at: &RemotePlace,
        place: PlaceId,
        why: MarkReason,
        objects: Vec<PlacedObject>,
    ) -> Result<()> {
        let mut wanted = unmarked(here, place, objects)?;
        wanted.retain(|object| self.agreed.is_none_or(|agreed| agreed.contains(object)));
        if self.writes {
            mark(here, at, place, why, wanted.iter().copied())?;
        }
        self.found.extend(wanted);
        Ok(())
    }
}

/// Marks, or only finds, what nothing references and what nothing speaks of.
pub(super) async fn mark_unneeded(
    here: &mut Here<'_>,
    at: &RemotePlace,
    place: PlaceId,
    marking: &mut Marking<'_>,
) -> Result<()> {
    go_over_unreferenced(here, at, place, marking)?;
    go_over_orphans(here, at, place, marking).await
}

/// Marks what was found damaged or missing, so that nobody relies on it. While this device is away that is only
/// remembered here.
///
/// # Errors
/// Those of the databases.
pub fn mark_damaged(
    here: &mut Here<'_>,
    at: &RemotePlace,
    place: PlaceId,
    objects: impl IntoIterator<Item = PlacedObject>,
) -> Result<u64> {
    if !is_away(here, at)? {
        return mark(here, at, place, MarkReason::Damaged, objects);
    }
    for object in objects {
        if let Some(path) = path_of_object(&object)? {
            here.device.mark_bad(at.id, path.as_str())?;
        }
    }
    here.device.set_setting(&unmarked_damage(at), Some(&[]))?;
    Ok(0)
}

/// Names a part or pack of a place that something bad rests under, and marks it: nobody looks below that name again.
pub(crate) fn refuse_name(
    here: &mut Here<'_>,
    at: &RemotePlace,
    path: &ObjectPath,
    reason: String,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    here.device.mark_bad(at.id, path.as_str())?;
    if let Some(place) = here.device.place_id(at.id)? {
        mark_damaged(here, at, place, object_of(path))?;
    }
    here.note(problems, Problem::Damaged { object: path.to_string(), reason });
    Ok(())
}

/// Marks what [`mark_damaged`] remembered while this device was away.
pub(crate) fn mark_remembered(here: &mut Here<'_>, at: &RemotePlace) -> Result<()> {
    let remembered = unmarked_damage(at);
    if here.device.setting(&remembered)?.is_none() {
        return Ok(());
    }
    let Some(place) = here.device.place_id(at.id)? else { return Ok(()) };
    let names = here.device.bad_objects(at.id)?;
    let objects = names.iter().filter_map(|name| object_of(&ObjectPath::parse(name).ok()?));
    mark_damaged(here, at, place, objects)?;
    Ok(here.device.set_setting(&remembered, None)?)
}

/// Under this name it is kept that damage was found at a remote and could not be marked yet.
fn unmarked_damage(at: &RemotePlace) -> String {
    format!("unmarked-damage.{}", at.id.number())
}

/// Marks what purges since the last look left behind.
pub(crate) fn mark_purged(here: &mut Here<'_>, at: &RemotePlace, place: PlaceId) -> Result<u64> {
    let instance = here.catalog.instance()?;
    let mut after = here.device.purges_until(at.id, instance)?;
    let mut marked = 0;
    loop {
        let (assets, last) = here.catalog.purged_after(after, AT_ONCE)?;
        if last == after {
            return Ok(marked);
        }
        let mut objects = Vec::new();
        for asset in assets {
            objects.extend(unreferenced(here, at, place, asset)?);
        }
        marked += mark(here, at, place, MarkReason::Unreferenced, objects)?;
        here.device.set_purges_until(at.id, last)?;
        after = last;
    }
}

/// Whether there are purges that were not looked at for this remote.
pub(crate) fn has_purges(here: &Here<'_>, at: &RemotePlace) -> Result<bool> {
    let after = here.device.purges_until(at.id, here.catalog.instance()?)?;
    Ok(here.catalog.purged_after(after, 1)?.1 != after)
}

/// Marks everything in a remote that nothing references any more. Goes through all assets, and packs.
///
/// # Errors
/// As [`mark`].
pub fn mark_unreferenced(here: &mut Here<'_>, at: &RemotePlace, place: PlaceId) -> Result<u64> {
    let mut marking = Marking { writes: true, agreed: None, found: BTreeSet::new() };
    go_over_unreferenced(here, at, place, &mut marking)?;
    Ok(marking.found.len() as u64)
}

fn go_over_unreferenced(
    here: &mut Here<'_>,
    at: &RemotePlace,
    place: PlaceId,
    marking: &mut Marking<'_>,
) -> Result<()> {
    let mut after = None;
    loop {
        here.stop.check()?;
        let assets = here.catalog.assets_after(after, AT_ONCE)?;
        let Some((last, _)) = assets.last() else { break };
        after = Some(*last);
        let mut objects = Vec::new();
        for (asset, state) in &assets {
            if state.lives().any(|(_, life)| life.is_purged()) {
                objects.extend(unreferenced(here, at, place, *asset)?);
            }
        }
        marking.take(here, at, place, MarkReason::Unreferenced, objects)?;
    }
    let packs = unreferenced_packs(here, at, place)?;
    marking.take(here, at, place, MarkReason::Unreferenced, packs)
}

/// The objects of contents that only purged lives of an asset have, as far as they rest in the remote.
fn unreferenced(
    here: &Here<'_>,
    at: &RemotePlace,
    place: PlaceId,
    asset: AssetId,
) -> Result<Vec<PlacedObject>> {
    let Some(state) = here.catalog.asset_state(asset)? else { return Ok(Vec::new()) };
    let contents: BTreeSet<ContentHash> = state
        .lives()
        .flat_map(|(_, life)| life.contents().additions())
        .map(|write| write.value.original.content)
        .collect();
    let mut objects = Vec::new();
    for content in contents {
        let used = here.catalog.content_use(&content)?.filter(|used| !used.is_referenced);
        let Some(used) = used else { continue };
        for part in used.additions.iter().flat_map(|(_, original)| &original.parts) {
            objects.extend(resting(here, at, place, &used, part)?);
        }
    }
    Ok(objects)
}

/// The unmarked object under which a part is known to rest in a remote, by history or by this device.
fn resting(
    here: &Here<'_>,
    at: &RemotePlace,
    place: PlaceId,
    used: &safelight_catalog::ContentUse,
    part: &PartRef,
) -> Result<Option<PlacedObject>> {
    let first = path_of_part(part, 0)?;
    if let Some(replica) = here.device.replica_in_any_generation(at.id, first.as_str())? {
        return Ok(ObjectPath::parse(&replica.object).ok().and_then(|path| object_of(&path)));
    }
    if !here.catalog.has_replica(place, used, &part.name)? {
        return Ok(None);
    }
    let generation = here.catalog.next_generation(place, b'o', &part.name)?;
    Ok(Some(PlacedObject::original(part.name, generation)))
}

/// Packs of which every entry is of a content that nothing references.
fn unreferenced_packs(here: &Here<'_>, at: &RemotePlace, place: PlaceId) -> Result<Vec<PlacedObject>> {
    let mut objects = Vec::new();
    for pack in here.catalog.remote_packs(None)? {
        let Some((tier, area)) = crate::packs::tier_of(pack.tier) else { continue };
        let entries = here.device.entries_of_remote_pack(&tier.logical(&pack.name))?;
        let mut is_needed = entries.is_empty();
        for entry in &entries {
            is_needed =
                is_needed || here.catalog.content_use(&entry.content)?.is_none_or(|used| used.is_referenced);
        }
        if is_needed {
            continue;
        }
        let first = crate::packs::path_of_pack(area, &pack, 0)?;
        if let Some(replica) = here.device.replica_in_any_generation(at.id, first.as_str())? {
            objects.extend(ObjectPath::parse(&replica.object).ok().and_then(|path| object_of(&path)));
        } else if let Some(object) = object_of(&first)
            && here.catalog.places_of_object(object.class, &object.name)?.contains(&place)
        {
            let generation = here.catalog.next_generation(place, object.class, &object.name)?;
            objects.push(PlacedObject { generation, ..object });
        }
    }
    Ok(objects)
}

/// Marks what has rested in a remote for 30 days and nothing speaks of: uploads whose op was never made. It is that old by
/// this device's clock, and by that of the place when this device last published there.
///
/// # Errors
/// As [`mark`]; what the place answers to a listing.
pub async fn mark_orphans(here: &mut Here<'_>, at: &RemotePlace, place: PlaceId) -> Result<u64> {
    let mut marking = Marking { writes: true, agreed: None, found: BTreeSet::new() };
    go_over_orphans(here, at, place, &mut marking).await?;
    Ok(marking.found.len() as u64)
}

async fn go_over_orphans(
    here: &mut Here<'_>,
    at: &RemotePlace,
    place: PlaceId,
    marking: &mut Marking<'_>,
) -> Result<()> {
    let known = known_names(here)?;
    let now =
        SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(here.now_millis()).unwrap_or_default());
    // A clock that went ahead makes nothing old that the place has not seen to be so.
    let before = now.min(time_there(here, at).await?).checked_sub(Duration::from_millis(ORPHAN_MILLIS));
    let before = before.unwrap_or(SystemTime::UNIX_EPOCH);
    for area in [Area::Original, Area::Thumbnails, Area::Previews, Area::Small] {
        let mut after = None;
        loop {
            here.stop.check()?;
            let page = at.store.list(area, after.as_ref()).await?;
            let mut orphans = Vec::new();
            for info in &page.objects {
                let object = ObjectPath::parse(info.key.as_str()).ok().and_then(|path| object_of(&path));
                let Some(object) = object else { continue };
                let is_old = info.modified.is_some_and(|modified| modified < before);
                if is_old && !known.contains(object.name.as_bytes()) && is_ours(here, at, &object).await? {
                    orphans.push(object);
                }
            }
            marking.take(here, at, place, MarkReason::Orphan, orphans)?;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    Ok(())
}

/// The time by the place's own clock when this device last published there; the beginning of time where it does not say.
async fn time_there(here: &Here<'_>, at: &RemotePlace) -> Result<SystemTime> {
    let own = here.catalog.device();
    let heads = here.device.remote_heads(at.id)?;
    let Some((_, tip)) = heads.iter().find(|(device, _)| *device == own) else {
        return Ok(SystemTime::UNIX_EPOCH);
    };
    match at.store.head(&ObjectPath::segment(own, tip.seq.0)).await {
        Ok(info) => Ok(info.modified.unwrap_or(SystemTime::UNIX_EPOCH)),
        Err(StoreError::NotFound { .. }) => Ok(SystemTime::UNIX_EPOCH),
        Err(error) => Err(error.into()),
    }
}

/// Whether an object is sealed under an epoch of this library: another library may rest in the same place.
async fn is_ours(here: &Here<'_>, at: &RemotePlace, object: &PlacedObject) -> Result<bool> {
    let Some(path) = path_of_object(object)? else { return Ok(false) };
    let head = match at.store.get_range(&path, 0..PREFIX_BYTES).await {
        Ok(head) => head,
        // Archived, gone meanwhile: left alone.
        Err(StoreError::NotFound { .. } | StoreError::Archived { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let epochs = here.keys.keyring().epochs();
    Ok(head.get(8..24).is_some_and(|id| epochs.iter().any(|epoch| epoch.id().as_bytes() == id)))
}

/// The names of all objects that any op speaks of, purged ones too: 20 bytes each.
fn known_names(here: &Here<'_>) -> Result<HashSet<[u8; 20]>> {
    let mut known = HashSet::new();
    let mut after = None;
    loop {
        let assets = here.catalog.assets_after(after, AT_ONCE)?;
        let Some((last, _)) = assets.last() else { break };
        after = Some(*last);
        let lives = assets.iter().flat_map(|(_, state)| state.lives());
        let writes = lives.flat_map(|(_, life)| life.contents().additions());
        known.extend(writes.flat_map(|write| &write.value.original.parts).map(|part| *part.name.as_bytes()));
    }
    known.extend(here.catalog.remote_packs(None)?.iter().map(|pack| *pack.name.as_bytes()));
    Ok(known)
}

/// Lets an original that lost its replica wait to be sent again, if it is here and not dropped on purpose. Answers whether
/// it counted as held until now.
pub(super) fn requeue(
    here: &mut Here<'_>,
    remote: RemoteId,
    content: &ContentHash,
    why: MarkReason,
) -> Result<bool> {
    let rows = here.device.original_at_remotes(content)?;
    let Some((_, row)) = rows.into_iter().find(|(at, _)| *at == remote) else { return Ok(false) };
    if !matches!(row.state, SyncState::Synced | SyncState::CloudOnly) {
        return Ok(false);
    }
    let original = here.catalog.original_of(content)?;
    let is_here = match &original {
        Some(original) => crate::originals::is_here(here, original)?,
        None => false,
    };
    let (state, reason) = match why {
        _ if original.is_none() => (SyncState::LocalOnly, Some(PURGED)),
        MarkReason::Damaged if is_here => (SyncState::Waiting, Some("it was damaged there")),
        MarkReason::Damaged => (SyncState::Lost, Some("missing")),
        // The policy decides whether it goes there again.
        _ if is_here => (SyncState::Off, Some("it was dropped from there")),
        _ => (SyncState::Elsewhere, None),
    };
    here.device.set_original_states(remote, [(content, state, reason)])?;
    Ok(true)
}
