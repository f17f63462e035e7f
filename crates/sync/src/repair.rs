//! Putting again what a verification found missing or damaged, from what is held here, and saying so at once.
//!
//! Invariants: nothing goes to the place but what was found wrong there; what merely waits goes with the next sync. What was
//! put is read back where the place does not vouch for it, told to history and published before this ends: whoever joins
//! right after finds it, and is not told of marks without what takes the place of what is marked.

use std::collections::HashSet;

use safelight_catalog::{HowKnown, RemoteId, Replica, SyncState};
use safelight_crypto::ContentHash;
use safelight_model::Packed;
use safelight_store::{Capability, ObjectPath, StoreError, Tier};

use crate::checkpoint::write_again;
use crate::collect::{Arrival, acknowledge, arrive, tell};
use crate::drive::{SyncOptions, settle_linked};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::{HistoryReport, publish_more};
use crate::keys::send_keys;
use crate::originals::{open_part, path_of_part, send_originals};
use crate::packs::{PACK_BYTES, path_of_pack, prove_pack, replicate_packs, tier_of};
use crate::policy::apply_policy;
use crate::problem::Problem;
use crate::verify::VerifyReport;

/// Repairs what a verification found, as far as it is held here; what was repaired, and what is wrong besides, is added
/// to the report. What cannot be repaired now waits for the next sync.
///
/// # Errors
/// As [`sync`](crate::sync): a place that cannot be written, or not now.
pub async fn repair(
    here: &mut Here<'_>,
    at: &RemotePlace,
    originals_tier: Option<Tier>,
    report: &mut VerifyReport,
) -> Result<()> {
    let wrong = std::mem::take(&mut report.wrong);
    let problems = &mut report.problems;
    let mut history = HistoryReport::default();
    let arrival = arrive(here, at, &mut history).await?;
    if arrival == Arrival::StaysAway || history.own_history_waits {
        problems.append(&mut history.problems);
        return Ok(());
    }
    // What was marked is relied on no more before something takes its place.
    acknowledge(here, at, problems).await?;
    send_keys(here, at, problems).await?;
    let goes = apply_policy(here.catalog, here.device, at.id, false, false, here.now_millis())?.goes;
    let packs: HashSet<&str> = wrong.packs.values().map(|(logical, _)| logical.as_str()).collect();
    replicate_packs(here, at, goes, |logical| packs.contains(logical), originals_tier, problems).await?;
    let contents: HashSet<ContentHash> = wrong.parts.values().map(|(content, _)| *content).collect();
    let mut small: HashSet<ContentHash> = HashSet::new();
    for logical in &packs {
        let entries = here.device.entries_of_remote_pack(logical)?;
        small.extend(entries.into_iter().map(|entry| entry.content));
    }
    // Those of packs are only settled by this: they went with their packs.
    let is_asked = |content: &ContentHash| contents.contains(content) || small.contains(content);
    let concurrency = SyncOptions::default().concurrency;
    let sent = send_originals(here, at, is_asked, concurrency, originals_tier, problems).await?;
    if !sent.linked.is_empty() {
        publish_more(here, at, &mut history).await?;
        settle_linked(here, at, &sent.linked)?;
    }
    if !at.store.capabilities().has(Capability::ProviderChecksum) {
        read_back_originals(here, at, &contents).await?;
        read_back_packs(here, at, &packs).await?;
    }
    if tell(here, at, problems).await? || here.catalog.open_ops()?.ops > 0 {
        publish_more(here, at, &mut history).await?;
    }
    write_again(here, at, &wrong.checkpoints, problems).await?;
    for (path, was) in &wrong.small {
        if here.device.replica(at.id, path)?.is_some() {
            here.note(problems, Problem::Repaired { object: path.clone(), was });
        }
    }
    for (path, (content, was)) in &wrong.parts {
        if is_synced(here, at.id, content)? {
            here.note(problems, Problem::Repaired { object: path.clone(), was });
        }
    }
    for (path, (_, was)) in &wrong.packs {
        let first = path.rsplit_once('-').map_or(path.as_str(), |(first, _)| first);
        if here.device.replica_in_any_generation(at.id, first)?.is_some() {
            here.note(problems, Problem::Repaired { object: path.clone(), was });
        }
    }
    for problem in history.problems {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    Ok(())
}

fn is_synced(here: &Here<'_>, remote: RemoteId, content: &ContentHash) -> Result<bool> {
    let rows = here.device.original_at_remotes(content)?;
    Ok(rows.iter().any(|(id, row)| *id == remote && row.state == SyncState::Synced))
}

/// Opens every part of these originals in the place; those that are whole are proven.
async fn read_back_originals(
    here: &mut Here<'_>,
    at: &RemotePlace,
    contents: &HashSet<ContentHash>,
) -> Result<()> {
    for content in contents {
        if !is_synced(here, at.id, content)? {
            continue;
        }
        let Some(original) = here.catalog.original_of(content)? else { continue };
        for (number, part) in (0..).zip(&original.parts) {
            here.stop.check()?;
            let first = path_of_part(part, 0)?;
            let opens =
                |here: &Here<'_>, bytes: &[u8]| open_part(here, &original, number, part, bytes).is_ok();
            prove(here, at, &first, part.sealed_bytes, opens).await?;
        }
    }
    Ok(())
}

async fn read_back_packs(here: &mut Here<'_>, at: &RemotePlace, packs: &HashSet<&str>) -> Result<()> {
    for pack in here.catalog.remote_packs(None)? {
        let Some((tier, area)) = tier_of(pack.tier) else { continue };
        if !packs.contains(tier.logical(&pack.name).as_str()) {
            continue;
        }
        here.stop.check()?;
        let first = path_of_pack(area, &pack, 0)?;
        let opens = |here: &Here<'_>, bytes: &[u8]| is_whole(here, &pack, bytes);
        prove(here, at, &first, PACK_BYTES, opens).await?;
    }
    Ok(())
}

fn is_whole(here: &Here<'_>, pack: &Packed, bytes: &[u8]) -> bool {
    prove_pack(bytes, pack, here.library(), here.keys.keyring()).is_ok()
}

/// Reads an object that was put just now; one that opens is proven, one that does not is left to the next verification.
async fn prove(
    here: &mut Here<'_>,
    at: &RemotePlace,
    first: &ObjectPath,
    most_bytes: u64,
    opens: impl Fn(&Here<'_>, &[u8]) -> bool,
) -> Result<()> {
    let replica = here.device.replica_in_any_generation(at.id, first.as_str())?;
    let Some(replica) = replica.filter(|replica| replica.how == HowKnown::Acknowledged) else {
        return Ok(());
    };
    let path = ObjectPath::parse(&replica.object).map_err(StoreError::from)?;
    let bytes = match at.store.get(&path, most_bytes).await {
        Ok(bytes) => bytes,
        Err(
            StoreError::NotFound { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Damaged { .. }
            | StoreError::Archived { .. },
        ) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if opens(here, &bytes) {
        let proven_millis = Some(here.now_millis());
        let proven = Replica { proven_millis, how: HowKnown::Opened, ..replica };
        here.device.record_replicas(at.id, [&proven])?;
    }
    Ok(())
}
