//! The first page of thumbnails for a device that joins: out of the packs by ranges, before anything else is fetched.
//!
//! Two round trips: the indexes of the thumbnail packs, newest first and many at once, until all wanted entries are
//! found; then the entries. The packs count as unread afterwards, so that the first sync fetches the rest of them.

use std::collections::{BTreeMap, HashSet};

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use safelight_catalog::{ListOptions, Query};
use safelight_crypto::{ContentHash, EntryRecord, open_entry};
use safelight_model::{PackKind, RenditionKind};

use super::entry_of;
use super::local::LocalPackWriter;
use super::receive::{fetch, generations_of};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::place::learn_place_id;
use crate::problem::Problem;

/// Requests under way at once: indexes are small.
const CONCURRENCY: usize = 32;
/// Entries that lie closer are fetched with one request.
const GAP_BYTES: u64 = 64 << 10;
/// Bytes that are fetched with one request.
const RUN_BYTES: u64 = 4 << 20;

/// Neighbouring entries of one pack.
struct Run {
    path: safelight_store::ObjectPath,
    start: u64,
    end: u64,
    entries: Vec<(EntryRecord, u64, u64)>,
}

/// Fetches the thumbnails of what the timeline shows first; answers how many are here now.
///
/// # Errors
/// What the place and the databases answer. An entry that cannot be had comes with the first sync, which knows what took
/// the place of what, and tells what is missing; until then it is only in `problems`.
pub async fn fetch_first_thumbnails(
    here: &mut Here<'_>,
    at: &RemotePlace,
    limit: usize,
    problems: &mut Vec<Problem>,
) -> Result<u64> {
    let options = ListOptions { limit, ..ListOptions::default() };
    let page = here.catalog.list(&Query::default(), &options)?;
    let mut wanted: HashSet<ContentHash> = page.rows.iter().map(|row| row.content).collect();
    let (library, epochs) = (here.library(), here.keys.keyring().epochs().to_vec());
    let packs = here.catalog.remote_packs(Some(PackKind::Thumbnails))?;
    let (store, secrets) = (&at.store, epochs.as_slice());
    if !here.catalog.unacknowledged_marks(0, 1)?.is_empty() {
        // Who has just joined does not know yet which of the marks are of this place.
        learn_place_id(here, at).await?;
    }
    let place = here.device.place_id(at.id)?;
    let mut asked = Vec::with_capacity(packs.len());
    for pack in &packs {
        asked.push((pack, generations_of(here.catalog, place, pack)?));
    }
    let requests = asked.iter().map(|(pack, generations)| async move {
        fetch(store, pack, generations, false, library, secrets).await
    });
    let mut indexes = iter(requests).buffered(CONCURRENCY);
    let mut runs = Vec::new();
    while !wanted.is_empty()
        && let Some(fetched) = indexes.next().await
    {
        here.stop.check()?;
        match fetched? {
            Ok(pack) => runs.extend(runs_of(&pack.path, pack.index.entries(), &mut wanted)),
            Err(problem) => problems.push(problem),
        }
    }
    drop(indexes);
    let requests = runs.into_iter().map(|run| async move {
        let bytes = store.get_range(&run.path, run.start..run.end).await;
        (run, bytes)
    });
    let mut fetched = iter(requests).buffered(CONCURRENCY);
    let mut writer = LocalPackWriter::new(here.place);
    let mut count = 0;
    while let Some((run, bytes)) = fetched.next().await {
        let bytes = bytes?;
        for (record, start, end) in &run.entries {
            let range = usize::try_from(start - run.start).ok().zip(usize::try_from(end - run.start).ok());
            let sealed = range.and_then(|(start, end)| bytes.get(start..end)).unwrap_or_default();
            match open_entry(sealed, library, record, secrets) {
                Ok(_) => {
                    if here.device.packed_as(&entry_of(record))?.is_none() {
                        writer.append(record, sealed, here.keys.keyring(), here.entropy)?;
                    }
                    count += 1;
                }
                Err(error) => {
                    let (object, reason) = (run.path.to_string(), error.to_string());
                    problems.push(Problem::Damaged { object, reason });
                }
            }
        }
    }
    writer.commit(here.device)?;
    Ok(count)
}

/// The wanted thumbnails in one pack, as few requests as may be.
fn runs_of(
    path: &safelight_store::ObjectPath,
    entries: &[safelight_crypto::PackEntryPlace],
    wanted: &mut HashSet<ContentHash>,
) -> Vec<Run> {
    let mut found = BTreeMap::new();
    for entry in entries {
        let known = entry_of(&entry.record);
        if known.kind == RenditionKind::Thumbnail && wanted.remove(&known.content) {
            found.insert(entry.range.start, (entry.record, entry.range.end));
        }
    }
    let mut runs: Vec<Run> = Vec::new();
    for (start, (record, end)) in found {
        match runs.last_mut() {
            Some(run) if start - run.end <= GAP_BYTES && end - run.start <= RUN_BYTES => {
                run.end = end;
                run.entries.push((record, start, end));
            }
            _ => runs.push(Run { path: path.clone(), start, end, entries: vec![(record, start, end)] }),
        }
    }
    runs
}
