//! Fetching renditions again that lie here by the index and cannot be read: one by one out of their packs where few are lost,
//! else by whole packs.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use safelight_catalog::{PackLocation, PackedEntry};
use safelight_crypto::ContentHash;
use safelight_model::{Packed, RenditionKind};

use super::local::LocalPackWriter;
use super::receive::{fetch, fetch_entry, generations_of, part_of};
use super::{entry_of, path_of_pack, tier_of};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::problem::{Problem, Transfer};

/// So many entries of one pack are fetched by themselves, each with a few requests.
const FEW: usize = 4;

/// The renditions that are to come, by what they are of.
type Lost = BTreeMap<(ContentHash, RenditionKind), PackLocation>;

/// Fetches what a place holds of the renditions that were found lost here. Answers the contents of which nothing is lost any
/// more. What the place does not have whole is let be: whoever verifies is told.
///
/// # Errors
/// What concerns the whole place; [`SyncError::Stopped`].
pub async fn mend_renditions(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<Vec<ContentHash>> {
    let found = here.device.lost_renditions()?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let contents: BTreeSet<ContentHash> = found.iter().map(|location| location.content).collect();
    let mut lost: Lost =
        found.into_iter().map(|location| ((location.content, location.kind), location)).collect();
    let known: HashSet<String> = here.device.known_packs()?.into_iter().collect();
    for pack in here.catalog.remote_packs(None)? {
        let Some((tier, area)) = tier_of(pack.tier) else { continue };
        let (logical, first) = (tier.logical(&pack.name), path_of_pack(area, &pack, 0)?);
        if !known.contains(&logical)
            || here.device.replica_in_any_generation(at.id, first.as_str())?.is_none()
        {
            continue;
        }
        let mut entries = here.device.entries_of_remote_pack(&logical)?;
        entries.retain(|entry| lost.contains_key(&(entry.content, entry.kind)));
        here.stop.check()?;
        if entries.len() > FEW {
            fetch_pack(here, at, &pack, &mut lost).await?;
        } else {
            fetch_few(here, at, &entries, &mut lost, problems).await?;
        }
    }
    let left: BTreeSet<ContentHash> = lost.into_keys().map(|(content, _)| content).collect();
    Ok(contents.difference(&left).copied().collect())
}

async fn fetch_few(
    here: &mut Here<'_>,
    at: &RemotePlace,
    entries: &[PackedEntry],
    lost: &mut Lost,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    for entry in entries {
        match fetch_entry(here, std::slice::from_ref(at), &entry.content, entry.kind, problems).await {
            Ok(_) => came(here, lost, entry)?,
            Err(SyncError::NotHeld { .. } | SyncError::Unbelievable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn fetch_pack(here: &mut Here<'_>, at: &RemotePlace, pack: &Packed, lost: &mut Lost) -> Result<()> {
    let generations = generations_of(here.catalog, here.device.place_id(at.id)?, pack)?;
    let (library, epochs) = (here.library(), here.keys.keyring().epochs().to_vec());
    let fetched = fetch(&at.store, pack, &generations, true, library, epochs.as_slice()).await?;
    let Ok(fetched) = fetched else { return Ok(()) };
    let Some(bytes) = &fetched.whole else { return Ok(()) };
    let mut writer = LocalPackWriter::new(here.place);
    let mut taken = Vec::new();
    for entry in fetched.index.entries() {
        let known = entry_of(&entry.record);
        if lost.contains_key(&(known.content, known.kind)) {
            let sealed = part_of(bytes, &entry.range);
            writer.append(&entry.record, sealed, here.keys.keyring(), here.entropy)?;
            taken.push(known);
        }
    }
    writer.commit(here.device)?;
    here.monitor.advance(Transfer::PackFetched, bytes.len() as u64);
    taken.iter().try_for_each(|entry| came(here, lost, entry))
}

/// Something to show is here again. Where it was made by another recipe, the one that cannot be read is given up.
fn came(here: &mut Here<'_>, lost: &mut Lost, entry: &PackedEntry) -> Result<()> {
    match lost.remove(&(entry.content, entry.kind)) {
        Some(location) => Ok(here.device.give_up_lost(&location)?),
        None => Ok(()),
    }
}
