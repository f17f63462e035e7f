//! Originals and packs in a place that hold what is to be gone.
//!
//! Order: what else a pack holds rests in another one; both packs and all parts are marked and that is published; then they
//! go. A mark is for ever, so the names are not used again, and no grace or acknowledgement is waited for: what another device
//! records of a marked object is void (sl1-history §10.1).

use std::collections::BTreeSet;

use safelight_crypto::{ContentHash, Epoch, LibraryId, PACK_TAIL_LEN, PackIndex, pack_index_range};
use safelight_model::{MarkReason, ObjectName, PackKind, PlaceId, PlacedObject};
use safelight_store::{Area, Generation, ObjectPath, PathPart, StoreError};

use crate::collect::{mark, object_of};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::packs::{PACK_BYTES, Rewritten, rewrite_pack, tier_of};
use crate::problem::{Problem, Transfer};

/// Generations of a name that are looked for behind the last one that was found.
const MOST_ABOVE: u32 = 4;

/// Objects that are to go, and what they hold.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    /// Under these names.
    pub(super) paths: BTreeSet<ObjectPath>,
    /// What could not be looked at, in words.
    pub(super) waits: Vec<String>,
}

/// Finds what is to go, and puts what else the packs hold into new ones.
pub(super) async fn make_ready(
    here: &mut Here<'_>,
    at: &RemotePlace,
    place: PlaceId,
    contents: &BTreeSet<ContentHash>,
    parts: &BTreeSet<ObjectName>,
    problems: &mut Vec<Problem>,
) -> Result<Leaving> {
    let mut leaving = Leaving::default();
    for name in parts {
        here.stop.check()?;
        find_generations(here, at, place, Area::Original, name, &mut leaving).await?;
    }
    for pack in here.catalog.remote_packs(None)? {
        here.stop.check()?;
        let Some((tier, area)) = tier_of(pack.tier) else { continue };
        let logical = tier.logical(&pack.name);
        let entries = here.device.entries_of_remote_pack(&logical)?;
        if !entries.iter().any(|entry| contents.contains(&entry.content)) {
            continue;
        }
        let mut found = Leaving::default();
        find_generations(here, at, place, area, &pack.name, &mut found).await?;
        if found.paths.is_empty() {
            continue;
        }
        match rewrite_pack(here, at, &pack, &found.paths, |content| contents.contains(content), problems).await? {
            Rewritten::Yes => leaving.paths.append(&mut found.paths),
            Rewritten::Archived => leaving.waits.push(format!(
                "{logical} is archived and holds other photos too: it has to be thawed before it can be written anew"
            )),
            Rewritten::Unreadable => leaving.waits.push(format!(
                "{logical} cannot be read, and it may be the only one that holds other photos: verify this remote first"
            )),
        }
    }
    find_unrecorded(here, at, contents, &mut leaving).await?;
    let objects: Vec<PlacedObject> = leaving.paths.iter().filter_map(object_of).collect();
    mark(here, at, place, MarkReason::Forgotten, objects)?;
    Ok(leaving)
}

/// Finds packs that history does not name, as an upload leaves them that was cut, and that hold what is to be gone.
async fn find_unrecorded(
    here: &Here<'_>,
    at: &RemotePlace,
    contents: &BTreeSet<ContentHash>,
    leaving: &mut Leaving,
) -> Result<()> {
    let (library, epochs) = (here.library(), here.keys.keyring().epochs().to_vec());
    for kind in [PackKind::Thumbnails, PackKind::Previews, PackKind::TinyOriginals] {
        let Some((tier, area)) = tier_of(kind) else { continue };
        let known: BTreeSet<ObjectName> =
            here.catalog.remote_packs(Some(kind))?.into_iter().map(|pack| pack.name).collect();
        let mut after = None;
        loop {
            let page = at.store.list(area, after.as_ref()).await?;
            for info in page.objects {
                here.stop.check()?;
                let Ok(path) = ObjectPath::parse(info.key.as_str()) else { continue };
                let Ok(name) = path.name().parse::<ObjectName>() else { continue };
                if known.contains(&name) || leaving.paths.contains(&path) {
                    continue;
                }
                let bytes = match at.store.get(&path, PACK_BYTES).await {
                    Ok(bytes) => bytes,
                    Err(StoreError::NotFound { .. }) => continue,
                    Err(
                        error @ (StoreError::TooLarge { .. }
                        | StoreError::Damaged { .. }
                        | StoreError::Archived { .. }),
                    ) => {
                        leaving.waits.push(format!("{path} is not known here and cannot be read: {error}"));
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
                let Some(index) = index_of(&bytes, library, &tier.logical(&name), epochs.as_slice()) else {
                    continue;
                };
                if index.entries().iter().any(|entry| contents.contains(&entry.record.name.content)) {
                    leaving.paths.insert(path);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    Ok(())
}

/// The index of a pack of which nothing is known but its name; nothing where it is none, or of a pack that was cut: then
/// nobody can open what is in it by its index.
fn index_of(bytes: &[u8], library: LibraryId, logical: &str, epochs: &[Epoch]) -> Option<PackIndex> {
    let (head, tail) = (bytes.get(..24)?, bytes.last_chunk::<PACK_TAIL_LEN>()?);
    let range = pack_index_range(logical, bytes.len() as u64, head, tail, epochs).ok()?;
    let sealed = bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)?;
    PackIndex::open(sealed, &range, library, logical, epochs).ok()
}

/// Looks under which generations of a name something lies.
async fn find_generations(
    here: &Here<'_>,
    at: &RemotePlace,
    place: PlaceId,
    area: Area,
    name: &ObjectName,
    leaving: &mut Leaving,
) -> Result<()> {
    let part = PathPart::from(*name);
    let class = area.as_str().as_bytes().first().copied().unwrap_or_default();
    let next = here.catalog.next_generation(place, class, name)?;
    let (mut generation, mut until) = (0, next.saturating_add(MOST_ABOVE));
    while generation < until {
        let path = ObjectPath::sharded(area, &part, Generation(generation)).map_err(StoreError::from)?;
        match at.store.head(&path).await {
            Ok(_) => {
                leaving.paths.insert(path);
                until = until.max(generation.saturating_add(MOST_ABOVE));
            }
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        generation += 1;
    }
    Ok(())
}

/// Deletes what was made ready and published. Answers how many went, and their bytes are gone from the place's own view.
pub(super) async fn delete(here: &mut Here<'_>, at: &RemotePlace, leaving: &Leaving) -> Result<u64> {
    let mut deleted = 0;
    for path in &leaving.paths {
        here.stop.check()?;
        at.store.delete(path).await?;
        match at.store.head(path).await {
            Err(StoreError::NotFound { .. }) => {}
            Ok(_) => return Err(SyncError::MayNotDelete { place: at.store.label().to_owned() }),
            Err(error) => return Err(error.into()),
        }
        here.device.record_left(at.id, [path.as_str()])?;
        here.monitor.advance(Transfer::Deleted, 0);
        deleted += 1;
    }
    Ok(deleted)
}
