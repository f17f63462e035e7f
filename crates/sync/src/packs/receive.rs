//! Finding out what packs hold, and taking their entries in.

use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use safelight_catalog::{Catalog, DeviceDb, HowKnown, PackedEntry, SyncState};
use safelight_crypto::{
    ContentHash, EntryRecord, EpochId, EpochSecrets, Keyring, LibraryId, PACK_TAIL_LEN, PackIndex,
    open_entry, pack_index_range,
};
use safelight_model::{MarkReason, PackKind, Packed, PlaceId, RenditionKind};
use safelight_store::{Area, ObjectPath, SealedRemote, StoreError};

use super::local::LocalPackWriter;
use super::{entry_of, path_of_pack, tier_of};
use crate::collect::{generations, object_of};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::policy::came_here;
use crate::problem::{Problem, Transfer};

/// Packs that are fetched at once; each is held in memory.
const CONCURRENCY: usize = 3;
/// More than any pack has.
pub(crate) const PACK_BYTES: u64 = 96 << 20;
/// The end of a pack that is read at first: the whole index of most.
const TAIL_BYTES: u64 = 128 << 10;
/// Repairs of one pack that are looked for.
const MOST_GENERATIONS: u32 = 4;

/// A pack that history names and a place does not hold is asked for again after so long.
const ASK_AGAIN_MILLIS: i64 = 86_400_000;
/// And a few of them after so long: another device may be filling a place again that had lost them.
const ASK_FEW_AGAIN_MILLIS: i64 = 3_600_000;
const FEW_PACKS: usize = 16;

/// Asks a place once more for the packs of small originals that it did not hold when it was asked.
///
/// # Errors
/// What concerns the whole place.
pub async fn ask_again_for_small_originals(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<u64> {
    here.device.forget_absent_packs(at.id)?;
    learn_packs(here, at, |kind| kind == PackKind::TinyOriginals, |_| false, problems).await
}

/// A pack that was fetched, whole or only its index.
pub(super) struct Fetched {
    pub(super) path: ObjectPath,
    /// How many of the generations were tried for it.
    tried: usize,
    sealed_bytes: u64,
    pub(super) index: PackIndex,
    pub(super) whole: Option<Bytes>,
}

/// Learns what the packs hold that history names and whose indexes were not read yet, newest first, of the kinds that
/// `is_asked`. Entries of packs that `is_wanted` are taken into the local pack.
pub(crate) async fn learn_packs(
    here: &mut Here<'_>,
    at: &RemotePlace,
    is_asked: impl Fn(PackKind) -> bool,
    is_wanted: impl Fn(PackKind) -> bool,
    problems: &mut Vec<Problem>,
) -> Result<u64> {
    let (count, failed) = try_packs(here, at, is_asked, is_wanted).await?;
    for (pack, problem) in failed {
        let Some((tier, area)) = tier_of(pack.tier) else { continue };
        let is_missing = matches!(problem, Problem::Missing { .. });
        let is_given_up = is_marked_there(here, at, area, &pack)?;
        if is_missing || is_given_up {
            let now = here.now_millis();
            here.device.record_absent_pack(at.id, &tier.logical(&pack.name), now)?;
        }
        // Who relays history carries thumbnails on, and of other packs only what it keeps itself. What is marked to leave
        // nobody relies on: its photos are in another pack, or come again with whoever holds them.
        match problem {
            // What it held besides is in another one.
            Problem::Missing { .. } if is_forgotten_there(here, at, area, &pack)? => {}
            Problem::Missing { object } | Problem::Damaged { object, .. } if is_given_up => {
                here.note(problems, Problem::NotThere { object });
            }
            Problem::Missing { object } if pack.tier != PackKind::Thumbnails => {
                here.note(problems, Problem::NotThere { object });
            }
            problem => here.note(problems, problem),
        }
    }
    Ok(count)
}

/// Learns what the packs of thumbnails hold before any history is here. What is wrong with one is said once it is known
/// whether something took its place.
pub(crate) async fn learn_thumbnails_early(here: &mut Here<'_>, at: &RemotePlace) -> Result<u64> {
    let is_asked = |kind| kind == PackKind::Thumbnails;
    Ok(try_packs(here, at, is_asked, is_asked).await?.0)
}

/// Whether some generation of a pack is marked to leave this place.
fn is_marked_there(here: &Here<'_>, at: &RemotePlace, area: Area, pack: &Packed) -> Result<bool> {
    let Some(place) = here.device.place_id(at.id)? else { return Ok(false) };
    let Some(object) = object_of(&path_of_pack(area, pack, 0)?) else { return Ok(false) };
    Ok(here.catalog.next_generation(place, object.class, &object.name)? > 0)
}

/// Whether a pack left this place because it held something that was forgotten.
fn is_forgotten_there(here: &Here<'_>, at: &RemotePlace, area: Area, pack: &Packed) -> Result<bool> {
    let Some(place) = here.device.place_id(at.id)? else { return Ok(false) };
    let Some(object) = object_of(&path_of_pack(area, pack, 0)?) else { return Ok(false) };
    let marks = here.catalog.marks_of(place, &object)?;
    Ok(marks.iter().any(|mark| mark.why == MarkReason::Forgotten))
}

/// Whether some generation of a pack is marked to leave this place, and history says that a later one is there.
fn is_repaired_there(here: &Here<'_>, at: &RemotePlace, area: Area, pack: &Packed) -> Result<bool> {
    let Some(place) = here.device.place_id(at.id)? else { return Ok(false) };
    let Some(object) = object_of(&path_of_pack(area, pack, 0)?) else { return Ok(false) };
    Ok(is_marked_there(here, at, area, pack)?
        && here.catalog.places_of_object(object.class, &object.name)?.contains(&place))
}

/// Asks for packs and takes in what is good; answers how many, and what is wrong with the others.
async fn try_packs(
    here: &mut Here<'_>,
    at: &RemotePlace,
    is_asked: impl Fn(PackKind) -> bool,
    is_wanted: impl Fn(PackKind) -> bool,
) -> Result<(u64, Vec<(Packed, Problem)>)> {
    if here.catalog.count_remote_packs()? == 0 {
        return Ok((0, Vec::new()));
    }
    let known: HashSet<String> = here.device.known_packs()?.into_iter().collect();
    let absent = absent_lately(here, at)?;
    let mut packs = Vec::new();
    for pack in here.catalog.remote_packs(None)? {
        let Some((tier, area)) = tier_of(pack.tier) else { continue };
        let logical = tier.logical(&pack.name);
        if is_asked(pack.tier)
            && !known.contains(&logical)
            && (!absent.contains(&logical) || is_repaired_there(here, at, area, &pack)?)
        {
            packs.push(pack);
        }
    }
    // Thumbnails first, then tiny originals, then previews.
    packs.sort_by_key(|pack| match pack.tier {
        PackKind::Thumbnails => 0,
        PackKind::TinyOriginals => 1,
        _ => 2,
    });
    let mut asked = Vec::with_capacity(packs.len());
    let place = here.device.place_id(at.id)?;
    for pack in packs {
        let generations = generations_of(here.catalog, place, &pack)?;
        asked.push((pack, generations));
    }
    let epochs = here.keys.keyring().epochs().to_vec();
    let library = here.library();
    let requests = asked.into_iter().map(|(pack, generations)| {
        let (store, epochs, whole) = (at.store.clone(), epochs.clone(), is_wanted(pack.tier));
        async move {
            let result = fetch(&store, &pack, &generations, whole, library, epochs.as_slice()).await;
            (pack, result)
        }
    });
    let mut fetched = iter(requests).buffered(CONCURRENCY);
    let (mut count, mut failed) = (0, Vec::new());
    while let Some((pack, result)) = fetched.next().await {
        here.stop.check()?;
        match result {
            Ok(Ok(pack)) => {
                take_in(here, at, &pack)?;
                count += 1;
            }
            Ok(Err(problem)) => failed.push((pack, problem)),
            // Not being reached, or not being let in, says nothing about this pack or the next.
            Err(error)
                if error.is_transient()
                    || matches!(error, StoreError::Vanished { .. } | StoreError::Denied { .. }) =>
            {
                return Err(error.into());
            }
            Err(error) => {
                let (object, reason) = (pack.name.to_string(), error.to_string());
                failed.push((pack, Problem::Damaged { object, reason }));
            }
        }
    }
    Ok((count, failed))
}

/// The packs that are not asked for, because the place did not hold them when it was asked: what rests elsewhere only costs
/// no request with every sync.
pub(super) fn absent_lately(here: &Here<'_>, at: &RemotePlace) -> Result<HashSet<String>> {
    let now = here.now_millis();
    let just_asked = here.device.absent_packs(at.id, now - ASK_FEW_AGAIN_MILLIS)?;
    let mut absent = here.device.absent_packs(at.id, now - ASK_AGAIN_MILLIS)?;
    let mut again: Vec<String> = absent.difference(&just_asked).cloned().collect();
    again.sort_unstable();
    for pack in again.into_iter().take(FEW_PACKS) {
        absent.remove(&pack);
    }
    Ok(absent)
}

/// The generations under which a pack is looked for: from the first that is not marked on, then those that are.
pub(super) fn generations_of(catalog: &Catalog, place: Option<PlaceId>, pack: &Packed) -> Result<Vec<u32>> {
    let Some((_, area)) = tier_of(pack.tier) else { return Ok(Vec::new()) };
    let Some(object) = object_of(&path_of_pack(area, pack, 0)?) else { return Ok(Vec::new()) };
    let (next, known) = generations(catalog, place, object.class, &object.name)?;
    let until = next.saturating_add(MOST_GENERATIONS);
    Ok(known.into_iter().filter(|generation| *generation < until).collect())
}

/// Fetches a pack or its index, in the first of these generations that is good.
pub(super) async fn fetch(
    store: &SealedRemote,
    pack: &Packed,
    generations: &[u32],
    whole: bool,
    library: LibraryId,
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<Result<Fetched, Problem>, StoreError> {
    let Some((tier, area)) = tier_of(pack.tier) else {
        return Ok(Err(Problem::Missing { object: pack.name.to_string() }));
    };
    let logical = tier.logical(&pack.name);
    let name = |generation| path_of_pack(area, pack, generation);
    let first = name(generations.first().copied().unwrap_or_default());
    let mut found =
        Problem::Missing { object: first.map_or_else(|_| logical.clone(), |path| path.to_string()) };
    // Above a second gap nothing was ever put: a repair may lie beside one.
    let mut nothing_above = u32::MAX;
    for (index, generation) in generations.iter().copied().enumerate() {
        if generation > nothing_above {
            continue;
        }
        let Ok(path) = name(generation) else { break };
        let result = if whole {
            fetch_whole(store, &path, pack, library, secrets).await
        } else {
            fetch_index(store, &path, &logical, pack, library, secrets).await
        };
        match result {
            Ok(Ok(fetched)) => return Ok(Ok(Fetched { tried: index + 1, ..fetched })),
            Ok(Err(reason)) => found = Problem::Damaged { object: path.to_string(), reason },
            Err(StoreError::NotFound { .. }) if index == 0 => {}
            Err(StoreError::NotFound { .. }) => nothing_above = generation,
            Err(StoreError::TooLarge { .. } | StoreError::Damaged { .. }) => {
                let reason = "it is longer than any pack, or cannot be read".to_owned();
                found = Problem::Damaged { object: path.to_string(), reason };
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Err(found))
}

async fn fetch_whole(
    store: &SealedRemote,
    path: &ObjectPath,
    pack: &Packed,
    library: LibraryId,
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<Result<Fetched, String>, StoreError> {
    let bytes = store.get(path, pack.sealed_bytes.min(PACK_BYTES)).await?;
    if bytes.len() as u64 != pack.sealed_bytes {
        return Ok(Err(format!("it has {} bytes instead of {}", bytes.len(), pack.sealed_bytes)));
    }
    Ok(prove_pack(&bytes, pack, library, secrets).map(|index| Fetched {
        path: path.clone(),
        tried: 0,
        sealed_bytes: pack.sealed_bytes,
        index,
        whole: Some(bytes),
    }))
}

async fn fetch_index(
    store: &SealedRemote,
    path: &ObjectPath,
    logical: &str,
    pack: &Packed,
    library: LibraryId,
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<Result<Fetched, String>, StoreError> {
    let length = pack.sealed_bytes;
    if length > PACK_BYTES {
        return Ok(Err(format!(
            "a pack has at most {PACK_BYTES} bytes, and this one is said to have {length}"
        )));
    }
    let start = length.saturating_sub(TAIL_BYTES);
    // One byte more than there should be shows a pack that is too long.
    let end = store.get_range(path, start..length.saturating_add(1));
    let (head, end) = futures_util::future::try_join(store.get_range(path, 0..24), end).await?;
    if start + end.len() as u64 != length {
        return Ok(Err(format!("it does not have {length} bytes")));
    }
    let Some(tail) = end.last_chunk::<PACK_TAIL_LEN>() else { return Ok(Err("it is cut off".to_owned())) };
    let range = match pack_index_range(logical, length, &head, tail, secrets) {
        Ok(range) => range,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let sealed = match range.start.checked_sub(start).and_then(|skip| usize::try_from(skip).ok()) {
        Some(skip) => end.slice(skip.min(end.len())..end.len() - PACK_TAIL_LEN),
        None => store.get_range(path, range.clone()).await?,
    };
    let index = match PackIndex::open(&sealed, &range, library, logical, secrets) {
        Ok(index) => index,
        Err(error) => return Ok(Err(error.to_string())),
    };
    Ok(checked(index, pack).map(|index| Fetched {
        path: path.clone(),
        tried: 0,
        sealed_bytes: pack.sealed_bytes,
        index,
        whole: None,
    }))
}

/// The index must be the one that history names.
fn checked(index: PackIndex, pack: &Packed) -> Result<PackIndex, String> {
    if *index.sha256() == pack.index_sha256 {
        Ok(index)
    } else {
        Err("its index is not the one that history names".to_owned())
    }
}

/// Takes over a pack that proved right, whole or its index.
fn take_in(here: &mut Here<'_>, at: &RemotePlace, pack: &Fetched) -> Result<()> {
    if let Some(bytes) = &pack.whole {
        let mut writer = LocalPackWriter::new(here.place);
        for entry in pack.index.entries() {
            if here.device.packed_as(&entry_of(&entry.record))?.is_none() {
                let sealed = part_of(bytes, &entry.range);
                writer.append(&entry.record, sealed, here.keys.keyring(), here.entropy)?;
            }
        }
        writer.commit(here.device)?;
        here.monitor.advance(Transfer::PackFetched, bytes.len() as u64);
    }
    let entries: Vec<PackedEntry> =
        pack.index.entries().iter().map(|entry| entry_of(&entry.record)).collect();
    record_replica(here, at, pack)?;
    here.device.record_packed_entries(&logical_of(&pack.path), &entries)?;
    let mut states = Vec::new();
    for entry in entries.iter().filter(|entry| entry.kind == RenditionKind::Original) {
        let is_here = here.device.packed_as(entry)?.is_some();
        states.push((&entry.content, if is_here { SyncState::Synced } else { SyncState::CloudOnly }, None));
    }
    // All in one transaction: a small library has some thousands in its first pack.
    if !states.is_empty() {
        here.device.set_original_states(at.id, states)?;
    }
    Ok(())
}

pub(super) fn part_of<'a>(bytes: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
    range.and_then(|(start, end)| bytes.get(start..end)).unwrap_or_default()
}

fn record_replica(here: &mut Here<'_>, at: &RemotePlace, pack: &Fetched) -> Result<()> {
    let how = if pack.whole.is_some() { HowKnown::Opened } else { HowKnown::Found };
    here.record_replica(at, &pack.path, pack.sealed_bytes, how)
}

/// The logical name of a pack: its path without shard and generation.
fn logical_of(path: &ObjectPath) -> String {
    format!("{}/{}", path.area().as_str(), path.name())
}

/// An entry that was found in a pack of a place, and opened.
#[derive(Debug)]
pub struct FoundEntry {
    record: EntryRecord,
    sealed: Bytes,
    opened: Vec<u8>,
    place: usize,
}

/// Opens an entry; a tiny original must be the content that it is kept under.
pub(super) fn opened_entry(
    sealed: &[u8],
    library: LibraryId,
    record: &EntryRecord,
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<Vec<u8>, String> {
    let opened = open_entry(sealed, library, record, secrets).map_err(|error| error.to_string())?;
    let entry = entry_of(record);
    if entry.kind == RenditionKind::Original && ContentHash::of(&opened) != entry.content {
        return Err(format!("what it holds as the original {} is another content", entry.content));
    }
    Ok(opened)
}

/// Looks for an entry in the packs that are known to hold it, in each place. What is wrong is in `problems`.
#[expect(
    clippy::too_many_arguments,
    reason = "it takes what it needs of a device, and no more: readers have no `Here`"
)]
async fn find_entry(
    catalog: &Catalog,
    device: &DeviceDb,
    library: LibraryId,
    secrets: &(impl EpochSecrets + ?Sized),
    places: &[RemotePlace],
    content: &ContentHash,
    kind: RenditionKind,
    problems: &mut Vec<Problem>,
) -> Result<FoundEntry> {
    let names = device.packs_with(content, kind)?;
    let mut failed = None;
    for pack in &catalog.remote_packs(None)? {
        let Some((tier, _)) = tier_of(pack.tier) else { continue };
        if !names.contains(&tier.logical(&pack.name)) {
            continue;
        }
        for (place, at) in places.iter().enumerate() {
            let generations = generations_of(catalog, device.place_id(at.id)?, pack)?;
            let mut left = generations.as_slice();
            // An index that is whole says nothing of the entries: a repair of the pack may have this one.
            while !left.is_empty() {
                let found = match fetch(&at.store, pack, left, false, library, secrets).await {
                    Ok(Ok(found)) => found,
                    Ok(Err(problem)) => {
                        // Behind a generation that was named there is merely no other.
                        if left.len() == generations.len() || matches!(problem, Problem::Damaged { .. }) {
                            problems.push(problem);
                        }
                        break;
                    }
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                };
                left = left.get(found.tried..).unwrap_or_default();
                let is_it = |entry: &&safelight_crypto::PackEntryPlace| {
                    let entry = entry_of(&entry.record);
                    entry.content == *content && entry.kind == kind
                };
                let Some(entry) = found.index.entries().iter().rfind(is_it) else { break };
                let sealed = match at.store.get_range(&found.path, entry.range.clone()).await {
                    Ok(sealed) => sealed,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                };
                match opened_entry(&sealed, library, &entry.record, secrets) {
                    Ok(opened) => return Ok(FoundEntry { record: entry.record, sealed, opened, place }),
                    Err(reason) => {
                        let object = found.path.to_string();
                        problems.push(Problem::Damaged { object, reason });
                    }
                }
            }
        }
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Err(SyncError::NotHeld { object: format!("this rendition of {content}") }),
    }
}

/// Fetches one rendition or tiny original out of a remote pack, without the rest of the pack, and appends it to
/// the local pack. Answers its content.
///
/// # Errors
/// [`SyncError::NotHeld`] when no pack that is known holds it whole in any of these places.
pub async fn fetch_entry(
    here: &mut Here<'_>,
    places: &[RemotePlace],
    content: &ContentHash,
    kind: RenditionKind,
    problems: &mut Vec<Problem>,
) -> Result<Vec<u8>> {
    let mut wrong = Vec::new();
    let (library, keyring) = (here.library(), here.keys.keyring());
    let (catalog, device) = (&*here.catalog, &*here.device);
    let found = find_entry(catalog, device, library, keyring, places, content, kind, &mut wrong).await;
    // A pack that another place held is missed by nobody.
    wrong.retain(|problem| found.is_err() || !matches!(problem, Problem::Missing { .. }));
    wrong.into_iter().for_each(|problem| here.note(problems, problem));
    let found = found?;
    keep_entry(here, &found)?;
    if kind == RenditionKind::Original {
        came_here(here.device, content, &[])?;
        if let Some(at) = places.get(found.place) {
            here.device.set_original_states(at.id, [(content, SyncState::Synced, None)])?;
        }
    }
    Ok(found.opened)
}

/// Appends an entry that was found to the local pack.
///
/// # Errors
/// Those of the disk and the database.
pub fn keep_entry(here: &mut Here<'_>, found: &FoundEntry) -> Result<()> {
    let mut writer = LocalPackWriter::new(here.place);
    writer.append(&found.record, &found.sealed, here.keys.keyring(), here.entropy)?;
    writer.commit(here.device)?;
    Ok(here.device.mark_packed(&entry_of(&found.record))?)
}

/// Reads one rendition or tiny original out of a remote pack, and keeps nothing of it.
///
/// # Errors
/// As [`fetch_entry`].
pub async fn read_entry(
    catalog: &Catalog,
    device: &DeviceDb,
    keyring: &Keyring,
    places: &[RemotePlace],
    content: &ContentHash,
    kind: RenditionKind,
) -> Result<FoundEntry> {
    let library = keyring.library();
    let mut wrong = Vec::new();
    find_entry(catalog, device, library, keyring, places, content, kind, &mut wrong).await
}

impl FoundEntry {
    /// Its content.
    #[must_use]
    pub fn into_content(self) -> Vec<u8> {
        self.opened
    }
}

/// Opens a whole pack and every entry in it; answers its index.
pub(crate) fn prove_pack(
    bytes: &[u8],
    pack: &Packed,
    library: LibraryId,
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<PackIndex, String> {
    let Some((tier, _)) = tier_of(pack.tier) else { return Err("a later version made it".to_owned()) };
    let index = PackIndex::read(bytes, library, &tier.logical(&pack.name), secrets);
    let index = checked(index.map_err(|error| error.to_string())?, pack)?;
    for entry in index.entries() {
        let sealed = part_of(bytes, &entry.range);
        opened_entry(sealed, library, &entry.record, secrets)?;
    }
    Ok(index)
}

/// The epoch of an entry whose secret is not here, in a pack of which the index is right.
pub(crate) fn entry_without_key(
    bytes: &[u8],
    pack: &Packed,
    library: LibraryId,
    keyring: &Keyring,
) -> Option<EpochId> {
    let (tier, _) = tier_of(pack.tier)?;
    let index = PackIndex::read(bytes, library, &tier.logical(&pack.name), keyring).ok()?;
    let index = checked(index, pack).ok()?;
    let mut epochs = index.entries().iter().map(|entry| entry.record.epoch);
    epochs.find(|epoch| keyring.epoch_by_id(epoch).is_none())
}

#[cfg(test)]
mod tests {
    use safelight_crypto::{EntryName, Epoch, SeededEntropy, seal_entry};

    use super::*;

    #[test]
    fn a_tiny_original_that_is_another_content_is_refused_though_it_opens() {
        let mut entropy = SeededEntropy::new(7);
        let epoch = Epoch::generate(&mut entropy);
        let library = LibraryId::from_bytes([9; 20]);
        let secrets = [epoch.clone()];
        let sealed = |kind: RenditionKind, content: &[u8], bytes: &[u8], entropy: &mut SeededEntropy| {
            let kind = u8::try_from(kind.code()).unwrap();
            let name = EntryName { content: ContentHash::of(content), kind, recipe: 1 };
            seal_entry(&epoch, library, name, bytes, entropy).unwrap()
        };
        let opened = |entry: &safelight_crypto::SealedEntry| {
            opened_entry(entry.as_bytes(), library, entry.record(), secrets.as_slice())
        };
        let good = sealed(RenditionKind::Original, b"photo", b"photo", &mut entropy);
        assert_eq!(opened(&good).unwrap(), b"photo");
        let swapped = sealed(RenditionKind::Original, b"photo", b"another", &mut entropy);
        assert!(opened(&swapped).unwrap_err().contains("another content"));
        let thumbnail = sealed(RenditionKind::Thumbnail, b"photo", b"small", &mut entropy);
        assert_eq!(opened(&thumbnail).unwrap(), b"small");
    }
}
