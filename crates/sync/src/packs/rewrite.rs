//! A pack of a place written anew without some of its entries.

use std::collections::BTreeSet;

use safelight_catalog::HowKnown;
use safelight_crypto::{ContentHash, PackWriter};
use safelight_model::Packed;
use safelight_store::{ObjectPath, StoreError};

use super::receive::{PACK_BYTES, fetch, part_of, prove_pack};
use super::send::{Put, put_pack, tell_pack};
use super::{entry_of, path_of_pack, tier_of};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::problem::Problem;

/// What became of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rewritten {
    /// What stays of it rests in another pack of the place, and history says so; or nothing stays.
    Yes,
    /// It cannot be read before it is thawed.
    Archived,
    /// No generation of it is whole.
    Unreadable,
}

/// Puts the entries of a pack of which `is_gone` does not say so into a new pack of the same place, as they are. The old one
/// stays where it is.
pub(crate) async fn rewrite_pack(
    here: &mut Here<'_>,
    at: &RemotePlace,
    pack: &Packed,
    there: &BTreeSet<ObjectPath>,
    is_gone: impl Fn(&ContentHash) -> bool,
    problems: &mut Vec<Problem>,
) -> Result<Rewritten> {
    let Some((tier, area)) = tier_of(pack.tier) else { return Ok(Rewritten::Unreadable) };
    let generations: Vec<u32> = there.iter().map(|path| path.generation().0).collect();
    let (library, epochs) = (here.library(), here.keys.keyring().epochs().to_vec());
    let fetched = match fetch(&at.store, pack, &generations, true, library, epochs.as_slice()).await {
        Ok(Ok(fetched)) => fetched,
        Ok(Err(_)) => return Ok(Rewritten::Unreadable),
        Err(StoreError::Archived { .. }) => return Ok(Rewritten::Archived),
        Err(error) => return Err(error.into()),
    };
    let Some(bytes) = &fetched.whole else { return Ok(Rewritten::Unreadable) };
    let keyring = here.keys.keyring();
    // Entries are bound to no pack, and may be of any epoch.
    let mut writer = PackWriter::new(library, keyring.epoch());
    let mut held = Vec::new();
    for entry in fetched.index.entries() {
        if is_gone(&entry.record.name.content) {
            continue;
        }
        writer.push_stored(&entry.record, part_of(bytes, &entry.range))?;
        held.push(entry_of(&entry.record));
    }
    if held.is_empty() {
        return Ok(Rewritten::Yes);
    }
    let epoch = keyring.epoch().id();
    let new = writer.finish(tier, here.entropy);
    let named = Packed {
        tier: pack.tier,
        name: new.name,
        epoch,
        sealed_bytes: new.sealed.as_bytes().len() as u64,
        index_sha256: *new.index.sha256(),
    };
    // A run that was cut had got so far.
    let first = path_of_pack(area, &named, 0)?;
    if here.device.replica_in_any_generation(at.id, first.as_str())?.is_some()
        && here.catalog.remote_packs(Some(pack.tier))?.iter().any(|known| known.name == named.name)
    {
        return Ok(Rewritten::Yes);
    }
    if put_pack(here, at, area, &named, new, None, problems).await? == Put::Nowhere {
        return Ok(Rewritten::Unreadable);
    }
    // The old one may hold the last copies of small originals.
    if !is_whole_there(here, at, &first, &named).await? {
        return Ok(Rewritten::Unreadable);
    }
    tell_pack(here, tier, named, &held)?;
    Ok(Rewritten::Yes)
}

/// Reads a pack back that was just put, and remembers that it was opened there.
async fn is_whole_there(
    here: &mut Here<'_>,
    at: &RemotePlace,
    first: &ObjectPath,
    named: &Packed,
) -> Result<bool> {
    let Some(replica) = here.device.replica_in_any_generation(at.id, first.as_str())? else {
        return Ok(false);
    };
    let Ok(path) = ObjectPath::parse(&replica.object) else { return Ok(false) };
    let bytes = at.store.get(&path, PACK_BYTES).await?;
    let is_whole = prove_pack(&bytes, named, here.library(), here.keys.keyring()).is_ok();
    if is_whole {
        here.record_replica(at, &path, bytes.len() as u64, HowKnown::Opened)?;
    }
    Ok(is_whole)
}
