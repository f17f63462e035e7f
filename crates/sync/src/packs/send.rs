//! Building packs out of local entries and putting them into a place.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;
use safelight_catalog::{HowKnown, PackLocation, PackedEntry, Renditions};
use safelight_crypto::{PackTier, PackWriter, SealedPack};
use safelight_model::{OpBody, PackKind, Packed};
use safelight_store::{Area, ObjectPath, Sealed, StoreError, Tier};

use super::local::read_entry;
use super::receive::{PACK_BYTES, prove_pack};
use super::{entry_of, kinds_of, path_of_pack, tier_of};
use crate::collect::{generations, refuse_name};
use crate::daily::{did_not_go, is_full, may_go};
use crate::error::Result;
use crate::forget::{holds_forgotten, is_forgotten};
use crate::here::{Here, RemotePlace};
use crate::history::{Taken, look_twice};
use crate::policy::Goes;
use crate::problem::{Problem, Transfer};

/// Repairs of one pack that are tried.
const MOST_GENERATIONS: u32 = 4;

/// A pack is finished when it has so many bytes.
fn full_bytes(kind: PackKind) -> usize {
    if kind == PackKind::Previews { 16 << 20 } else { 8 << 20 }
}

/// Packs the local entries of one kind that no pack is known to hold, newest first. Answers how many packs
/// were sent; the ops that name them are recorded and still to be published.
pub(crate) async fn send_packs(
    here: &mut Here<'_>,
    at: &RemotePlace,
    kind: PackKind,
    goes: Goes,
    originals_tier: Option<Tier>,
    problems: &mut Vec<Problem>,
) -> Result<u64> {
    let Some((tier, area)) = tier_of(kind) else { return Ok(0) };
    let mut entries = entries_to_send(here, at, kind, goes)?.into_iter();
    let mut sent = 0;
    loop {
        here.stop.check()?;
        if is_full(here, at)? {
            return Ok(sent);
        }
        let keyring = here.keys.keyring();
        let mut writer = PackWriter::new(keyring.library(), keyring.epoch());
        let mut held = Vec::new();
        for location in entries.by_ref() {
            if let Some(entry) = push(here, &mut writer, &location, problems)? {
                held.push(entry);
            }
            if writer.len_bytes() >= full_bytes(kind) {
                break;
            }
        }
        if held.is_empty() {
            return Ok(sent);
        }
        let epoch = here.keys.keyring().epoch().id();
        let pack = writer.finish(tier, here.entropy);
        let named = Packed {
            tier: kind,
            name: pack.name,
            epoch,
            sealed_bytes: pack.sealed.as_bytes().len() as u64,
            index_sha256: *pack.index.sha256(),
        };
        let wish = wish(tier, originals_tier);
        if !may_go(here, at, named.sealed_bytes)? {
            return Ok(sent);
        }
        let put = put_pack(here, at, area, &named, pack, wish, problems).await?;
        if put != Put::Sent {
            did_not_go(here, at, named.sealed_bytes)?;
        }
        if put == Put::Nowhere {
            // Its entries go with the next sync.
            continue;
        }
        tell_pack(here, tier, named, &held)?;
        sent += 1;
    }
}

/// History says of a pack that was put, and this device remembers what is in it.
pub(super) fn tell_pack(
    here: &mut Here<'_>,
    tier: PackTier,
    named: Packed,
    held: &[PackedEntry],
) -> Result<()> {
    here.catalog.append((here.now)(), vec![OpBody::Packed(named)])?;
    Ok(here.device.record_packed_entries(&tier.logical(&named.name), held)?)
}

/// The local entries that are to go to a place in packs, newest first: those of which no pack anywhere is known or,
/// where not everything may go, no pack there; and those of packs that are not there and that nobody can build again.
pub(crate) fn entries_to_send(
    here: &mut Here<'_>,
    at: &RemotePlace,
    kind: PackKind,
    goes: Goes,
) -> Result<Vec<PackLocation>> {
    let mut entries = Vec::new();
    let which = goes.of(kind);
    if which == Renditions::All {
        for kind in kinds_of(kind) {
            entries.extend(here.device.entries_to_pack(at.id, *kind)?);
        }
        entries.extend(released(here, at, kind)?);
    } else {
        let there = packs_there(here, at, Some(kind))?;
        for kind in kinds_of(kind) {
            entries.extend(here.device.entries_for(at.id, *kind, which, &there)?);
        }
    }
    if here.catalog.forgets()?.is_empty() {
        return Ok(entries);
    }
    // Its bytes may lie here until nobody else works on the library.
    let mut left = Vec::with_capacity(entries.len());
    for entry in entries {
        if !is_forgotten(here, &entry.content)? {
            left.push(entry);
        }
    }
    Ok(left)
}

/// What is needed and held here of packs that are not in a place and that nobody can build again, because something else
/// in them was removed for good; what another pack can bring there is left out.
fn released(here: &Here<'_>, at: &RemotePlace, kind: PackKind) -> Result<Vec<PackLocation>> {
    let there = packs_there(here, at, Some(kind))?;
    let known: HashSet<String> = here.device.known_packs()?.into_iter().collect();
    let (mut broken, mut entries) = (HashSet::new(), BTreeSet::new());
    for named in here.catalog.remote_packs(Some(kind))? {
        let Some((tier, _)) = tier_of(named.tier) else { continue };
        let logical = tier.logical(&named.name);
        if there.contains(&logical) || !known.contains(&logical) {
            continue;
        }
        let held = here.device.entries_of_remote_pack(&logical)?;
        if is_any_gone(here, &held)? {
            entries.extend(held);
            broken.insert(logical);
        }
    }
    let mut locations = Vec::new();
    for entry in entries {
        let packs = here.device.packs_with(&entry.content, entry.kind)?;
        if packs.iter().all(|pack| broken.contains(pack)) && is_needed(here, &entry)? {
            locations.extend(here.device.packed_as(&entry)?);
        }
    }
    Ok(locations)
}

/// Whether an entry is not here, and of a content that was removed for good.
fn is_any_gone(here: &Here<'_>, entries: &[PackedEntry]) -> Result<bool> {
    for entry in entries {
        if here.device.packed_as(entry)?.is_none() && !is_needed(here, entry)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether some photo needs the content of an entry, as far as history tells.
pub(crate) fn is_needed(here: &Here<'_>, entry: &PackedEntry) -> Result<bool> {
    Ok(here.catalog.content_use(&entry.content)?.is_none_or(|used| used.is_referenced))
}

/// The packs, of one kind or of all, that are known to rest in a place.
pub(crate) fn packs_there(
    here: &Here<'_>,
    at: &RemotePlace,
    kind: Option<PackKind>,
) -> Result<HashSet<String>> {
    let known: HashSet<String> = here.device.known_packs()?.into_iter().collect();
    let mut there = HashSet::new();
    for named in here.catalog.remote_packs(kind)? {
        let Some((tier, area)) = tier_of(named.tier) else { continue };
        let logical = tier.logical(&named.name);
        let path = path_of_pack(area, &named, 0)?;
        if known.contains(&logical) && here.device.replica_in_any_generation(at.id, path.as_str())?.is_some()
        {
            there.insert(logical);
        }
    }
    Ok(there)
}

/// Tiny originals rest as cool as large ones; what is looked at stays where the place puts it.
fn wish(tier: PackTier, originals: Option<Tier>) -> Option<Tier> {
    originals.filter(|_| tier == PackTier::TinyOriginals).map(readable)
}

/// A pack is never archived: its index is in it, and one photo of it would thaw thousands.
pub(crate) fn readable(tier: Tier) -> Tier {
    if tier == Tier::Archive { Tier::Cold } else { tier }
}

fn push(
    here: &Here<'_>,
    writer: &mut PackWriter,
    location: &PackLocation,
    problems: &mut Vec<Problem>,
) -> Result<Option<PackedEntry>> {
    let damaged = |reason| Problem::Damaged { object: location.pack.clone(), reason };
    match read_entry(here.place, location, here.keys.keyring()) {
        Ok((record, sealed)) => {
            writer.push_stored(&record, &sealed)?;
            Ok(Some(entry_of(&record)))
        }
        Err(reason) => {
            here.note(problems, damaged(reason));
            Ok(None)
        }
    }
}

/// What became of a pack that was to be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It was not there yet, as far as that is known before it is sent.
    Sent,
    /// It was.
    WasThere,
    /// Whatever lies under its names is damaged, and each of them is marked: the next sync tries others.
    Nowhere,
}

/// Puts a pack under its name; what lies there already must prove to be a twin, or the next generation is used.
pub(super) async fn put_pack(
    here: &mut Here<'_>,
    at: &RemotePlace,
    area: Area,
    named: &Packed,
    pack: SealedPack,
    tier: Option<Tier>,
    problems: &mut Vec<Problem>,
) -> Result<Put> {
    let sealed = Sealed::from(pack.sealed);
    let known = here.device.place_id(at.id)?;
    let first = path_of_pack(area, named, 0)?;
    let class = first.as_str().as_bytes().first().copied().unwrap_or_default();
    let (next, _) = generations(here.catalog, known, class, &named.name)?;
    for generation in next..next.saturating_add(MOST_GENERATIONS) {
        let path = path_of_pack(area, named, generation)?;
        if here.device.is_bad(at.id, path.as_str())? {
            continue;
        }
        let mut how = HowKnown::Acknowledged;
        let repaired = if generation > 0 { repaired_already(here, at, &path, named).await? } else { None };
        let put = match repaired {
            // Who put it there said so: that is a finding, and spares its bytes both ways.
            Some(length) if length == sealed.length_bytes() => {
                here.record_replica(at, &path, length, HowKnown::Found)?;
                return Ok(Put::WasThere);
            }
            Some(_) => Err(StoreError::AlreadyExists {
                place: at.store.label().to_owned(),
                object: path.to_string(),
            }),
            None => at.store.put(&path, &sealed, tier).await,
        };
        match put {
            Ok(_) => {}
            Err(StoreError::AlreadyExists { .. }) => {
                match judge_there(here, at, &path, named, &sealed).await? {
                    Ok(known) => how = known,
                    Err(reason) => {
                        refuse_name(here, at, &path, reason, problems)?;
                        continue;
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
        here.record_replica(at, &path, sealed.length_bytes(), how)?;
        here.monitor.advance(Transfer::PackSent, sealed.length_bytes());
        return Ok(Put::Sent);
    }
    Ok(Put::Nowhere)
}

/// Whether what lies under the name of a pack is a twin of it, and how that is known.
async fn judge_there(
    here: &Here<'_>,
    at: &RemotePlace,
    path: &ObjectPath,
    named: &Packed,
    sealed: &Sealed,
) -> Result<std::result::Result<HowKnown, String>> {
    let (library, keyring) = (here.library(), here.keys.keyring());
    let check = |bytes: &Bytes| prove_pack(bytes, named, library, keyring).map(drop);
    Ok(match look_twice(&at.store, path, PACK_BYTES, check).await {
        Ok(Taken::Good(_)) => Ok(HowKnown::Opened),
        Ok(Taken::Bad(reason)) | Err(StoreError::Damaged { reason, .. }) => Err(reason),
        // Somebody archived it: until it is thawed its name and size are what can be known of it.
        Err(StoreError::Archived { .. }) => match at.store.head(path).await?.length_bytes {
            found if found == sealed.length_bytes() => Ok(HowKnown::Found),
            found => Err(format!("it has {found} bytes instead of {}", sealed.length_bytes())),
        },
        Err(error) => return Err(error.into()),
    })
}

/// The length of what lies under the name of a repair of a pack, if history says that some device put one into this place.
async fn repaired_already(
    here: &Here<'_>,
    at: &RemotePlace,
    path: &ObjectPath,
    named: &Packed,
) -> Result<Option<u64>> {
    let class = path.as_str().as_bytes().first().copied().unwrap_or_default();
    let Some(place) = here.device.place_id(at.id)? else { return Ok(None) };
    if !here.catalog.places_of_object(class, &named.name)?.contains(&place) {
        return Ok(None);
    }
    match at.store.head(path).await {
        Ok(info) => Ok(Some(info.length_bytes)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// How many packs were put.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SentPacks {
    /// All of them.
    pub(crate) packs: u64,
    /// Those that hold small originals.
    pub(crate) of_originals: u64,
}

/// The packs that a place is not known to hold, that may go there, and that can be built again of what is here: with where
/// each of their entries rests.
pub(crate) fn packs_to_replicate(
    here: &Here<'_>,
    at: &RemotePlace,
    goes: Goes,
    is_asked: impl Fn(&str) -> bool,
) -> Result<Vec<(Packed, Vec<PackLocation>)>> {
    let known: HashSet<String> = here.device.known_packs()?.into_iter().collect();
    let has_forgotten = !here.catalog.forgets()?.is_empty();
    let mut packs = Vec::new();
    for named in here.catalog.remote_packs(None)? {
        let Some((tier, area)) = tier_of(named.tier) else { continue };
        let logical = tier.logical(&named.name);
        let path = path_of_pack(area, &named, 0)?;
        if !known.contains(&logical)
            || !is_asked(&logical)
            || here.device.replica_in_any_generation(at.id, path.as_str())?.is_some()
        {
            continue;
        }
        if has_forgotten && holds_forgotten(here, &logical)? {
            continue;
        }
        let which = goes.of(named.tier);
        if which != Renditions::All && !here.device.may_replicate(at.id, &logical, which)? {
            continue;
        }
        let entries = here.device.entries_of_remote_pack(&logical)?;
        let mut locations = Vec::with_capacity(entries.len());
        for entry in &entries {
            let Some(location) = here.device.packed_as(entry)? else { break };
            locations.push(location);
        }
        if locations.len() == entries.len() {
            packs.push((named, locations));
        }
    }
    Ok(packs)
}

/// Whether other packs bring all of these entries.
fn are_all_in(here: &Here<'_>, entries: &[PackedEntry], packs: &HashSet<String>) -> Result<bool> {
    for entry in entries {
        let with = here.device.packs_with(&entry.content, entry.kind)?;
        if !with.iter().any(|pack| packs.contains(pack)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Puts packs that history knows, and that this place is not known to hold, there too: built again from the
/// same entries in the same order, they have the same name. `is_asked` looks at their logical names.
pub(crate) async fn replicate_packs(
    here: &mut Here<'_>,
    at: &RemotePlace,
    goes: Goes,
    is_asked: impl Fn(&str) -> bool,
    originals_tier: Option<Tier>,
    problems: &mut Vec<Problem>,
) -> Result<SentPacks> {
    let mut sent = SentPacks::default();
    for (named, locations) in packs_to_replicate(here, at, goes, is_asked)? {
        here.stop.check()?;
        if is_full(here, at)? {
            break;
        }
        let Some((tier, area)) = tier_of(named.tier) else { continue };
        let Some(epoch) = here.keys.keyring().epoch_by_id(&named.epoch).cloned() else { continue };
        let mut writer = PackWriter::new(here.library(), &epoch);
        let mut held = Vec::with_capacity(locations.len());
        for location in &locations {
            let Some(entry) = push(here, &mut writer, location, problems)? else { break };
            held.push(entry);
        }
        if held.len() < locations.len() {
            continue;
        }
        let pack = writer.finish(tier, here.entropy);
        // Where renditions were made anew another pack comes of them: it goes as what it is, and history says so.
        let is_twin = pack.name == named.name && pack.sealed.as_bytes().len() as u64 == named.sealed_bytes;
        if !is_twin && are_all_in(here, &held, &packs_there(here, at, Some(named.tier))?)? {
            continue;
        }
        let named = match is_twin {
            true => named,
            false => Packed {
                name: pack.name,
                sealed_bytes: pack.sealed.as_bytes().len() as u64,
                index_sha256: *pack.index.sha256(),
                ..named
            },
        };
        if !may_go(here, at, named.sealed_bytes)? {
            break;
        }
        let put = put_pack(here, at, area, &named, pack, wish(tier, originals_tier), problems).await?;
        if put != Put::Sent {
            did_not_go(here, at, named.sealed_bytes)?;
        }
        if !is_twin && put != Put::Nowhere {
            tell_pack(here, tier, named, &held)?;
        }
        let was_sent = put == Put::Sent;
        sent.packs += u64::from(was_sent);
        sent.of_originals += u64::from(was_sent && named.tier == PackKind::TinyOriginals);
    }
    Ok(sent)
}
