//! Looking whether a place holds packs of small originals that history names, whoever put them there.
//!
//! A pack is read once, wherever it is met first; in any other place its name and size are enough, as a finding and not as
//! a proof. Only packs with originals that nobody has seen there are asked for, and one that is not there at most once an
//! hour.

use std::collections::HashSet;

use safelight_catalog::{HowKnown, RemoteId, SyncState};
use safelight_crypto::ContentHash;
use safelight_model::{PackKind, RenditionKind};
use safelight_store::StoreError;

use super::receive::{absent_lately, generations_of};
use super::{path_of_pack, tier_of};
use crate::error::Result;
use crate::here::{Here, RemotePlace};

/// Looks for the packs of small originals that were not seen in the place. Answers how many originals it turned out to
/// hold.
pub(crate) async fn look_for_packs(here: &mut Here<'_>, at: &RemotePlace) -> Result<u64> {
    let unseen = [SyncState::Elsewhere, SyncState::Lost, SyncState::Waiting];
    let unseen: HashSet<ContentHash> = here.device.contents_in(at.id, &unseen)?.into_iter().collect();
    if unseen.is_empty() {
        return Ok(0);
    }
    let now = here.now_millis();
    let absent = absent_lately(here, at)?;
    let place = here.device.place_id(at.id)?;
    let mut found = 0;
    for pack in here.catalog.remote_packs(Some(PackKind::TinyOriginals))? {
        let Some((tier, area)) = tier_of(pack.tier) else { continue };
        let logical = tier.logical(&pack.name);
        let first = path_of_pack(area, &pack, 0)?;
        let entries = here.device.entries_of_remote_pack(&logical)?;
        if absent.contains(&logical)
            || !entries.iter().any(|entry| unseen.contains(&entry.content))
            || here.device.replica_in_any_generation(at.id, first.as_str())?.is_some()
        {
            continue;
        }
        here.stop.check()?;
        // Under its first name that is not marked: others are of no use.
        let next = generations_of(here.catalog, place, &pack)?.into_iter().next().unwrap_or_default();
        let path = path_of_pack(area, &pack, next)?;
        let is_there = match at.store.head(&path).await {
            Ok(info) => {
                info.length_bytes == pack.sealed_bytes && !here.device.is_bad(at.id, path.as_str())?
            }
            Err(StoreError::NotFound { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if !is_there {
            here.device.record_absent_pack(at.id, &logical, now)?;
            continue;
        }
        here.record_replica(at, &path, pack.sealed_bytes, HowKnown::Found)?;
        found += settle_entries(here, at.id, &logical)?;
    }
    Ok(found)
}

/// Lets the small originals of a pack that is known to rest in a remote stand as held there. Answers of how many that is
/// news.
pub(crate) fn settle_entries(here: &mut Here<'_>, remote: RemoteId, logical: &str) -> Result<u64> {
    let mut settled = Vec::new();
    for entry in here.device.entries_of_remote_pack(logical)? {
        if entry.kind != RenditionKind::Original {
            continue;
        }
        let rows = here.device.original_at_remotes(&entry.content)?;
        let state = match rows.iter().find(|(id, _)| *id == remote).map(|(_, row)| row.state) {
            Some(SyncState::Elsewhere | SyncState::Lost) => SyncState::CloudOnly,
            Some(SyncState::Waiting | SyncState::Off) => SyncState::Synced,
            _ => continue,
        };
        settled.push((entry.content, state));
    }
    if !settled.is_empty() {
        let states = settled.iter().map(|(content, state)| (content, *state, None));
        here.device.set_original_states(remote, states)?;
    }
    Ok(settled.len() as u64)
}
