//! Trust in the copy: is everything that should rest in a remote there, of the right size, and whole?
//!
//! A listing is a witness, not a judge: what it does not name is asked for by name before it counts as missing,
//! and what it names counts as found and never as placed. What is missing or damaged is forgotten, so that it waits to be sent
//! again; nothing is deleted. A sweep of samples goes through all objects in the order of their names, so that
//! everything is proven in 1/p runs.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use safelight_catalog::{HowKnown, OriginalAtRemote, Replica, SyncState};
use safelight_crypto::{ContentHash, DeviceId, Roster, names};
use safelight_model::history::{SealedSegment, Tip, open_place_id};
use safelight_model::{
    MarkReason, Original, Packed, PlaceId, PlacedObject, RenditionKind, SegmentSeq, Storage,
};
use safelight_store::{Area, ObjectPath, Sealed, StoreError};

use crate::checkpoint::forget_missing;
use crate::collect::{generations, mark_damaged, object_of, path_of_object};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::{
    Judged, SEGMENT_BYTES, judge_segment, judge_there, leftovers_at, refuse_what_went_back, segment_path,
    whole_segment,
};
use crate::keys::{SMALL_BYTES, check_small, path_of, paths_of};
use crate::originals::{is_here, open_part, path_of_part};
use crate::packs::{is_needed, packs_there, path_of_pack, prove_pack, tier_of};
use crate::place::{place_id, refuse_another_library};
use crate::policy::rests_whole;
use crate::problem::{Problem, Transfer};
use crate::rests::is_held;

/// So many objects are proven between two transactions that record it.
const RECORDED_AT_ONCE: usize = 64;

/// How thoroughly a remote is verified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Depth {
    /// Presence and sizes.
    Presence,
    /// Also downloads and opens this share of the objects, going on where the last run stopped.
    Sample(f64),
    /// Also downloads and opens everything.
    All,
}

/// What a verification found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Objects that should be there.
    pub expected_objects: u64,
    /// Those that are, with the right size.
    pub present_objects: u64,
    /// Those that were downloaded and opened.
    pub proven_objects: u64,
    /// Bytes that were downloaded.
    pub downloaded_bytes: u64,
    /// What is missing, damaged or strange.
    pub problems: Vec<Problem>,
    /// What of that may be put there again from what is held here.
    pub(crate) wrong: Wrong,
}

/// What was found missing or damaged, and which it was.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    /// Root cards and keys files.
    pub(crate) small: BTreeMap<String, &'static str>,
    /// Parts of originals that are here.
    pub(crate) parts: BTreeMap<String, (ContentHash, &'static str)>,
    /// Packs, with their logical names.
    pub(crate) packs: BTreeMap<String, (String, &'static str)>,
}

impl VerifyReport {
    /// Whether something was found wrong that may be put again from here.
    #[must_use]
    pub fn may_be_repaired(&self) -> bool {
        let Wrong { small, parts, packs } = &self.wrong;
        !(small.is_empty() && parts.is_empty() && packs.is_empty())
    }
}

/// What should lie under a name.
#[derive(Clone, Debug)]
enum Expected {
    Small,
    PlaceId(PlaceId),
    Segment(DeviceId, Tip),
    Part(ContentHash, u32),
    Pack(Packed),
}

/// Everything that history and this device's memory expect, by the name of its first generation.
struct Expectation {
    objects: BTreeMap<String, (Expected, Option<u64>)>,
    originals: HashMap<ContentHash, Original>,
}

/// What was found in its place or proven there, and is not recorded yet: a transaction waits for the disk, and one for
/// each object would take longer than the objects do.
#[derive(Default)]
struct Unrecorded {
    replicas: Vec<Replica>,
    /// Contents of which something was proven.
    proven: Vec<ContentHash>,
    /// The last object of the sample that was looked at.
    last: Option<String>,
}

impl Unrecorded {
    fn push(&mut self, here: &Here<'_>, path: &str, sealed_bytes: u64, how: HowKnown) {
        let now_millis = here.now_millis();
        self.replicas.push(Replica {
            object: path.to_owned(),
            sealed_bytes,
            placed_millis: now_millis,
            proven_millis: (how == HowKnown::Opened).then_some(now_millis),
            how,
        });
    }

    fn record(&mut self, here: &mut Here<'_>, at: &RemotePlace) -> Result<()> {
        let (replicas, proven) = (std::mem::take(&mut self.replicas), std::mem::take(&mut self.proven));
        if !replicas.is_empty() {
            here.device.record_replicas(at.id, &replicas)?;
        }
        if !proven.is_empty() {
            here.device.tell_again(at.id, &proven)?;
        }
        Ok(())
    }
}

/// Verifies a remote. What is found missing or damaged waits to be sent again: [`repair`](crate::repair), or the next
/// sync, puts what is held here. Segments of history are repaired at once, where the credential may delete.
///
/// # Errors
/// What the place and the databases answer; findings are in the report.
pub async fn verify_remote(here: &mut Here<'_>, at: &RemotePlace, depth: Depth) -> Result<VerifyReport> {
    // History that is missing is put again at once: not into another library's place, nor into one that was emptied, or
    // where a disk is not mounted.
    refuse_another_library(here.library(), here.place, &at.store).await?;
    refuse_what_went_back(here, at).await?;
    let mut report = VerifyReport::default();
    let expectation = expect(here, at)?;
    let listed = list_all(here, at, &expectation, &mut report).await?;
    let share = match depth {
        Depth::Presence => 0.0,
        Depth::Sample(share) => share.clamp(0.0, 1.0),
        Depth::All => 1.0,
    };
    let (chosen, last) = choose(here, at, &expectation, share)?;
    let mut unrecorded = Unrecorded::default();
    let looked = look(here, at, &expectation, &listed, &chosen, &mut unrecorded, &mut report).await;
    // What was proven before the place went away stays proven.
    unrecorded.record(here, at)?;
    // The next run goes on behind what this one looked at, also where it was cut.
    let position = if looked.is_ok() { last } else { unrecorded.last };
    if let Some(position) = position
        && share < 1.0
        && (looked.is_ok() || position > here.device.sweep_position(at.id)?)
    {
        here.device.set_sweep_position(at.id, &position)?;
    }
    let Looked { mut damaged, mut gone } = looked?;
    report.problems.extend(leftovers_at(here, at)?);
    mark_found(here, at, &expectation)?;
    forget_missing(here, at, &mut report).await?;
    let is_id_right = here.device.place_id(at.id)?.is_none()
        || !report.problems.iter().any(|problem| match problem {
            Problem::Damaged { object, .. } | Problem::Missing { object } => object.starts_with("remote/"),
            _ => false,
        });
    // Others may rely on what is bad there, or gone. What is missing and held here is put again under its own name. A
    // place that does not even show its id may be a disk that is not mounted: nothing is gone for that.
    if is_id_right {
        damaged.append(&mut gone);
    }
    if (!damaged.is_empty() || !is_id_right)
        && let Some(place) = place_id(here, at, &mut report.problems).await?
    {
        mark_damaged(here, at, place, damaged)?;
    }
    Ok(report)
}

/// What looking at every object came to, besides what is in the report.
#[derive(Default)]
struct Looked {
    damaged: Vec<PlacedObject>,
    /// What is missing and not held here.
    gone: Vec<PlacedObject>,
}

/// Looks at every object that should be there, and opens those that were chosen.
async fn look(
    here: &mut Here<'_>,
    at: &RemotePlace,
    expectation: &Expectation,
    listed: &HashMap<String, u64>,
    chosen: &HashSet<String>,
    unrecorded: &mut Unrecorded,
    report: &mut VerifyReport,
) -> Result<Looked> {
    let roster = here.roster()?;
    let packs = packs_found(here, at, expectation, listed)?;
    let Looked { mut damaged, mut gone } = Looked::default();
    for (name, (expected, size)) in &expectation.objects {
        here.stop.check()?;
        if unrecorded.replicas.len() >= RECORDED_AT_ONCE {
            unrecorded.record(here, at)?;
        }
        let known = here.device.replica_in_any_generation(at.id, name)?;
        let is_ours = known.is_some()
            || matches!(expected, Expected::Segment(..) | Expected::Small | Expected::PlaceId(_));
        let path = match &known {
            Some(known) => known.object.clone(),
            None => match best_generation(here, at, name, listed)? {
                Some(path) => path,
                None if is_ours => name.clone(),
                None => match owed_as(here, at, name, expected, &packs)? {
                    Some(path) => path,
                    None => continue,
                },
            },
        };
        let is_owed = !is_ours && !listed.contains_key(&path);
        let found = match listed.get(&path) {
            Some(found) => Some(*found),
            // Listings may be stale: only the place's own word for this name counts.
            None => length_of(at, &path).await?,
        };
        report.expected_objects += 1;
        let Some(found) = found else {
            if !(is_owed && was_damaged(here, at, &path)?)
                && is_gone(here, at, expected, &path, expectation).await?
            {
                gone.extend(ObjectPath::parse(&path).ok().and_then(|path| object_of(&path)));
            }
            // What nobody has put again yet is named as what was lost, and that is marked already.
            let object = if is_owed { last_marked(here, at, &path)? } else { None }.unwrap_or(path.clone());
            let problem = Problem::Missing { object };
            unrecorded.record(here, at)?;
            lost(here, at, expected, &path, problem, expectation, report).await?;
            continue;
        };
        if let Some(size) = size
            && *size != found
        {
            let reason = format!("it has {found} bytes instead of {size}");
            damaged.extend(ObjectPath::parse(&path).ok().and_then(|path| object_of(&path)));
            let problem = Problem::Damaged { object: path.clone(), reason };
            unrecorded.record(here, at)?;
            lost(here, at, expected, &path, problem, expectation, report).await?;
            continue;
        }
        report.present_objects += 1;
        if known.is_none() {
            unrecorded.push(here, &path, found, HowKnown::Found);
        }
        if !chosen.contains(name) {
            continue;
        }
        let mut proof = prove(here, at, expected, &path, expectation, roster.as_ref(), report).await?;
        if matches!(proof, Proof::Bad(_)) {
            // What the way there damaged is whole the second time.
            proof = prove(here, at, expected, &path, expectation, roster.as_ref(), report).await?;
        }
        unrecorded.last = Some(name.clone());
        match proof {
            Proof::Archived => {}
            Proof::Whole => {
                report.proven_objects += 1;
                here.monitor.advance(Transfer::Verified, found);
                unrecorded.push(here, &path, found, HowKnown::Opened);
                if let Expected::Part(content, _) = expected {
                    unrecorded.proven.push(*content);
                }
            }
            Proof::Bad(reason) => {
                damaged.extend(ObjectPath::parse(&path).ok().and_then(|path| object_of(&path)));
                let problem = Problem::Damaged { object: path.clone(), reason };
                unrecorded.record(here, at)?;
                lost(here, at, expected, &path, problem, expectation, report).await?;
            }
        }
    }
    Ok(Looked { damaged, gone })
}

fn expect(here: &Here<'_>, at: &RemotePlace) -> Result<Expectation> {
    let mut objects = BTreeMap::new();
    for area in [Area::Root, Area::Keys] {
        for path in paths_of(here, area)? {
            let length = here.place.open_object(&path)?.length_bytes();
            objects.insert(path.to_string(), (Expected::Small, Some(length)));
        }
    }
    if let Some(id) = here.device.place_id(at.id)? {
        let path = path_of(&names::remote_id(&here.library()))?;
        objects.insert(path.to_string(), (Expected::PlaceId(id), None));
    }
    let heads: HashMap<_, _> = here.device.remote_heads(at.id)?.into_iter().collect();
    for stored in here.catalog.segments()? {
        if heads.get(&stored.device).is_some_and(|head| stored.tip.seq <= head.seq) {
            let path = segment_path(stored.device, stored.tip.seq.0).to_string();
            objects.insert(path, (Expected::Segment(stored.device, stored.tip), None));
        }
    }
    for pack in here.catalog.remote_packs(None)? {
        if let Some((_, area)) = tier_of(pack.tier) {
            let path = path_of_pack(area, &pack, 0)?.to_string();
            objects.insert(path, (Expected::Pack(pack), Some(pack.sealed_bytes)));
        }
    }
    let mut originals = HashMap::new();
    let mut after = None;
    loop {
        let assets = here.catalog.assets_after(after, 500)?;
        let Some((last, _)) = assets.last() else { break };
        after = Some(*last);
        for (_, state) in &assets {
            if state.current().is_purged() {
                continue;
            }
            for write in state.current().contents().additions() {
                let original = &write.value.original;
                // A linked one has parts in the additions that were made when it was sent, and in no others.
                if !matches!(original.storage, Storage::Copied | Storage::Linked) || original.parts.is_empty()
                {
                    continue;
                }
                for (number, part) in (0..).zip(&original.parts) {
                    let path = path_of_part(part, 0)?.to_string();
                    let expected = Expected::Part(original.content, number);
                    objects.insert(path, (expected, Some(part.sealed_bytes)));
                }
                originals.insert(original.content, original.clone());
            }
        }
    }
    Ok(Expectation { objects, originals })
}

/// Lists what is there, by name; names that nothing speaks of are strangers.
async fn list_all(
    here: &Here<'_>,
    at: &RemotePlace,
    expectation: &Expectation,
    report: &mut VerifyReport,
) -> Result<HashMap<String, u64>> {
    let mut listed = HashMap::new();
    let place = here.device.place_id(at.id)?;
    let areas = [
        Area::Root,
        Area::Keys,
        Area::Log,
        Area::RemoteId,
        Area::Original,
        Area::Thumbnails,
        Area::Previews,
        Area::Small,
    ];
    for area in areas {
        let mut after = None;
        loop {
            let page = match at.store.list(area, after.as_ref()).await {
                Ok(page) => page,
                Err(StoreError::Denied { .. } | StoreError::Unsupported { .. }) => break,
                Err(error) => return Err(error.into()),
            };
            for stranger in page.strangers {
                here.note(&mut report.problems, Problem::Stranger { object: stranger });
            }
            for object in page.objects {
                let name = object.key.as_str();
                let placed = ObjectPath::parse(name).ok().and_then(|path| object_of(&path));
                // What is marked waits to be collected.
                if let Some((place, placed)) = place.zip(placed)
                    && here.catalog.is_marked(place, &placed)?
                {
                    continue;
                }
                let is_known = ObjectPath::parse(name).is_ok_and(|path| {
                    let first = name.rsplit_once('-').map_or(name, |(first, _)| first);
                    // Segments, keys and cards that are not known here yet come with the next sync.
                    matches!(path.area(), Area::Log | Area::Keys | Area::Root | Area::RemoteId)
                        || expectation.objects.contains_key(first)
                });
                if is_known {
                    listed.insert(name.to_owned(), object.length_bytes);
                } else {
                    here.note(&mut report.problems, Problem::Stranger { object: name.to_owned() });
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    Ok(listed)
}

/// The objects of this run's sample, and the last of them: the next one begins behind it.
fn choose(
    here: &Here<'_>,
    at: &RemotePlace,
    expectation: &Expectation,
    share: f64,
) -> Result<(HashSet<String>, Option<String>)> {
    let names: Vec<&String> = expectation.objects.keys().collect();
    if share >= 1.0 {
        return Ok((names.into_iter().cloned().collect(), None));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a count, rounded up"
    )]
    let count = ((names.len() as f64 * share).ceil() as usize).min(names.len());
    let position = here.device.sweep_position(at.id)?;
    let start = names.partition_point(|name| **name <= position);
    let chosen: Vec<String> =
        names.iter().cycle().skip(start).take(count).map(|name| (*name).clone()).collect();
    let last = chosen.last().cloned();
    Ok((chosen.into_iter().collect(), last))
}

/// The generation of an object that is listed and was neither found bad nor marked: the next one first.
fn best_generation(
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
fn owed_as(
    here: &Here<'_>,
    at: &RemotePlace,
    name: &str,
    expected: &Expected,
    packs: &HashSet<String>,
) -> Result<Option<String>> {
    let Some(place) = here.device.place_id(at.id)? else { return Ok(None) };
    let Some(object) = ObjectPath::parse(name).ok().and_then(|path| object_of(&path)) else {
        return Ok(None);
    };
    let generation = here.catalog.next_generation(place, object.class, &object.name)?;
    let path = if generation == 0 { name.to_owned() } else { format!("{name}-{generation}") };
    let is_said = match expected {
        Expected::Part(content, _) => {
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
fn packs_found(
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
    Ok(entries.is_empty())
}

/// Whether an original is one that was found missing or damaged in a remote.
fn is_missed(row: &OriginalAtRemote) -> bool {
    row.state == SyncState::Lost || row.state == SyncState::Waiting && row.reason.is_some()
}

/// The generation before an object's, if it was marked.
fn marked_before(here: &Here<'_>, at: &RemotePlace, path: &str) -> Result<Option<(PlaceId, PlacedObject)>> {
    let object = ObjectPath::parse(path).ok().and_then(|path| object_of(&path));
    let (Some(place), Some(object)) = (here.device.place_id(at.id)?, object) else { return Ok(None) };
    let before = object.generation.checked_sub(1).map(|generation| PlacedObject { generation, ..object });
    Ok(before.map(|before| (place, before)))
}

/// Whether the generation before was marked as damaged or missing.
fn was_damaged(here: &Here<'_>, at: &RemotePlace, path: &str) -> Result<bool> {
    let Some((place, before)) = marked_before(here, at, path)? else { return Ok(false) };
    let marks = here.catalog.marks_of(place, &before)?;
    Ok(!marks.is_empty() && marks.iter().all(|mark| mark.why == MarkReason::Damaged))
}

/// The name of the generation before, if that was marked as damaged or missing.
fn last_marked(here: &Here<'_>, at: &RemotePlace, path: &str) -> Result<Option<String>> {
    if !was_damaged(here, at, path)? {
        return Ok(None);
    }
    let before = marked_before(here, at, path)?;
    Ok(match before {
        Some((_, before)) => path_of_object(&before)?.map(|path| path.to_string()),
        None => None,
    })
}

/// Whether something is missing that this device cannot put again: the place says so twice, and its bytes are not here.
async fn is_gone(
    here: &Here<'_>,
    at: &RemotePlace,
    expected: &Expected,
    path: &str,
    expectation: &Expectation,
) -> Result<bool> {
    let is_held = match expected {
        Expected::Part(content, _) => match expectation.originals.get(content) {
            Some(original) => is_here(here, original)?,
            None => false,
        },
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

async fn length_of(at: &RemotePlace, path: &str) -> Result<Option<u64>> {
    let path = ObjectPath::parse(path).map_err(StoreError::from)?;
    match at.store.head(&path).await {
        Ok(info) => Ok(Some(info.length_bytes)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What downloading and opening an object came to.
enum Proof {
    /// It is whole.
    Whole,
    /// It is not, for this reason.
    Bad(String),
    /// It is there, and proves nothing before it is thawed.
    Archived,
}

/// Downloads an object and opens all of it.
async fn prove(
    here: &Here<'_>,
    at: &RemotePlace,
    expected: &Expected,
    path: &str,
    expectation: &Expectation,
    roster: Option<&Roster>,
    report: &mut VerifyReport,
) -> Result<Proof> {
    let object = ObjectPath::parse(path).map_err(StoreError::from)?;
    let limit = match expected {
        Expected::Small | Expected::PlaceId(_) => SMALL_BYTES,
        Expected::Segment(..) => SEGMENT_BYTES,
        Expected::Part(..) | Expected::Pack(_) => 96 << 20,
    };
    let bytes: Bytes = match at.store.get(&object, limit).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => return Ok(Proof::Bad("it is missing".to_owned())),
        Err(StoreError::Archived { .. }) => return Ok(Proof::Archived),
        Err(error @ (StoreError::TooLarge { .. } | StoreError::Damaged { .. })) => {
            return Ok(Proof::Bad(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    report.downloaded_bytes += bytes.len() as u64;
    let opened = match expected {
        Expected::Small => check_small(here, roster, &object, &bytes),
        Expected::PlaceId(id) => match open_place_id(&bytes, here.library(), here.keys.keyring()) {
            Ok(found) if found == *id => Ok(()),
            Ok(_) => Err("it is the id of another place".to_owned()),
            Err(error) => Err(error.to_string()),
        },
        Expected::Segment(device, tip) => match judge_segment(here, &bytes, *device, tip.seq.0, tip.root)? {
            Judged::Same(_) => Ok(()),
            Judged::Damaged(reason) | Judged::OtherDamaged(reason) | Judged::OtherUnsigned(reason) => {
                Err(reason)
            }
            Judged::Other if is_carried(here, *device, &bytes)? => Ok(()),
            Judged::Other => Err("it is another segment, signed by its device".to_owned()),
            Judged::Unknown => Err("its device or epoch is not known here".to_owned()),
        },
        Expected::Part(content, number) => {
            let original = expectation.originals.get(content);
            let part = original.and_then(|original| original.parts.get(*number as usize));
            match original.zip(part) {
                Some((original, part)) => open_part(here, original, *number, part, &bytes),
                None => Err("history does not know it".to_owned()),
            }
        }
        Expected::Pack(pack) => prove_pack(&bytes, pack, here.library(), here.keys.keyring()).map(drop),
    };
    Ok(opened.map_or_else(Proof::Bad, |()| Proof::Whole))
}

/// Whether a segment lies on a branch of a forked chain whose ops other chains carry.
fn is_carried(here: &Here<'_>, device: DeviceId, bytes: &[u8]) -> Result<bool> {
    let tip = SealedSegment::parse(bytes)?.clear().tip();
    Ok(here.catalog.is_carried(device, tip)?)
}

/// Something is missing or damaged: named, forgotten as a replica, and to be sent again.
async fn lost(
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
    here.device.forget_replicas(at.id, [path])?;
    if was == "damaged" && matches!(expected, Expected::Part(..)) {
        here.device.mark_bad(at.id, path)?;
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
                    if let Err(error) = at.store.delete(&object).await {
                        tracing::warn!(%error, path, "the segment could not be repaired");
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
        Expected::Part(content, _) => {
            let is_here = match expectation.originals.get(content) {
                Some(original) => is_here(here, original)?,
                None => false,
            };
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
fn mark_found(here: &mut Here<'_>, at: &RemotePlace, expectation: &Expectation) -> Result<()> {
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
