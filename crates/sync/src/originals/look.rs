//! Looking whether a place holds originals that are not here: what others sent is *cloud-only*, and nobody waits for it.
//!
//! When history brought news, and once an hour for as long as something was not seen: who fills a place again that had lost
//! it has nothing new to tell. So nothing new costs nothing where all is seen. A few are asked for by name; many are looked up
//! in one listing, at news alone and at most once an hour. A listing is believed about what it names and its size, as a finding and not as a
//! proof; what it does not name stays as it was.

use std::collections::HashMap;

use safelight_catalog::{HowKnown, OriginalAtRemote, Replica, SyncState};
use safelight_crypto::ContentHash;
use safelight_model::{Original, Storage};
use safelight_store::{Area, StoreError};

use super::{MOST_GENERATIONS, path_of_part};
use crate::collect::generations;
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::packs::look_for_packs;

/// So many parts are asked for by name.
const MOST_ASKED: usize = 64;
/// A listing is asked for at most so often.
const LIST_AGAIN_MILLIS: i64 = 3_600_000;
/// The setting of a remote that says when it was listed last.
const LISTED: &str = "listed-millis";
/// Without news it is looked for so often.
const LOOK_AGAIN_MILLIS: i64 = 3_600_000;
/// The setting of a remote that says when it was looked for last.
const LOOKED: &str = "looked-millis";
const ROWS_AT_ONCE: usize = 500;

/// Looks for the originals that are not here and were not seen in the place. Answers how many it holds whole.
///
/// Without news a few are asked for by name, and nothing is listed: what rests elsewhere for good would cost a listing an hour.
pub(crate) async fn look_for_absent(here: &mut Here<'_>, at: &RemotePlace, has_news: bool) -> Result<u64> {
    let found = look_for_packs(here, at).await? + look_for_parts(here, at, has_news).await?;
    here.device.set_remote_setting(at.id, LOOKED, Some(&here.now_millis().to_string()))?;
    Ok(found)
}

/// Whether something was not seen in the place, and nobody looked for it within the hour.
pub(crate) fn is_look_due(here: &Here<'_>, at: &RemotePlace) -> Result<bool> {
    if was_within(here, at, LOOKED, LOOK_AGAIN_MILLIS)? {
        return Ok(false);
    }
    for state in [SyncState::Elsewhere, SyncState::Lost] {
        if !here.device.originals_in(at.id, state, None, 1)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the moment that a setting names is no longer ago than this; one that is still to come counts for nothing.
fn was_within(here: &Here<'_>, at: &RemotePlace, setting: &str, millis: i64) -> Result<bool> {
    let now = here.now_millis();
    let last = here.device.remote_setting(at.id, setting)?.and_then(|text| text.parse::<i64>().ok());
    Ok(last.is_some_and(|last| (last..last.saturating_add(millis)).contains(&now)))
}

/// The same for those that are objects of their own.
async fn look_for_parts(here: &mut Here<'_>, at: &RemotePlace, may_list: bool) -> Result<u64> {
    let mut newest = here.device.originals_in(at.id, SyncState::Elsewhere, None, MOST_ASKED + 1)?;
    // What the place lost may have been sent again by who holds it.
    newest.extend(here.device.originals_in(at.id, SyncState::Lost, None, MOST_ASKED + 1)?);
    if newest.is_empty() {
        return Ok(0);
    }
    let listed = if may_list && newest.len() > MOST_ASKED { list_originals(here, at).await? } else { None };
    let mut found = 0;
    match listed {
        Some(listed) => {
            for state in [SyncState::Elsewhere, SyncState::Lost] {
                let mut after = None;
                loop {
                    let rows = here.device.originals_in(at.id, state, after, ROWS_AT_ONCE)?;
                    let Some(last) = rows.last() else { break };
                    after = Some((last.position, last.content));
                    let mut seen = Vec::with_capacity(rows.len());
                    for row in rows {
                        let sizes = |path: &str| listed.get(path).copied();
                        seen.extend(judge(here, at, &row, sizes)?);
                    }
                    found += record_seen(here, at, &seen)?;
                }
            }
            Ok(found)
        }
        None => {
            let mut asked = 0;
            for row in newest {
                let Some(original) = sealed(here, &row)? else { continue };
                asked += original.parts.len();
                if asked > MOST_ASKED {
                    break;
                }
                here.stop.check()?;
                let mut sizes = HashMap::new();
                let place = here.device.place_id(at.id)?;
                for part in &original.parts {
                    // Under its first name that is not marked: others are of no use.
                    let (next, _) = generations(here.catalog, place, b'o', &part.name)?;
                    let path = path_of_part(part, next)?;
                    match at.store.head(&path).await {
                        Ok(info) => drop(sizes.insert(path.to_string(), info.length_bytes)),
                        Err(StoreError::NotFound { .. }) => break,
                        Err(error) => return Err(error.into()),
                    }
                }
                let seen = judge(here, at, &row, |path| sizes.get(path).copied())?;
                found += record_seen(here, at, seen.as_slice())?;
            }
            Ok(found)
        }
    }
}

/// The original of a row, if it is one of sealed parts.
fn sealed(here: &Here<'_>, row: &OriginalAtRemote) -> Result<Option<Original>> {
    let original = here.catalog.original_of(&row.content)?;
    let is_sealed = |original: &Original| {
        matches!(original.storage, Storage::Copied | Storage::Linked) && !original.parts.is_empty()
    };
    Ok(original.filter(is_sealed))
}

/// An original that rests whole in a place, and as what.
struct SeenWhole {
    content: ContentHash,
    replicas: Vec<Replica>,
}

/// The replicas of an original if every part of it was seen with its size.
fn judge(
    here: &Here<'_>,
    at: &RemotePlace,
    row: &OriginalAtRemote,
    size_of: impl Fn(&str) -> Option<u64>,
) -> Result<Option<SeenWhole>> {
    let Some(original) = sealed(here, row)? else { return Ok(None) };
    let mut replicas = Vec::with_capacity(original.parts.len());
    let place = here.device.place_id(at.id)?;
    for part in &original.parts {
        let mut seen = None;
        let (next, _) = generations(here.catalog, place, b'o', &part.name)?;
        for generation in next..next.saturating_add(MOST_GENERATIONS) {
            let path = path_of_part(part, generation)?.to_string();
            if size_of(&path) == Some(part.sealed_bytes) && !here.device.is_bad(at.id, &path)? {
                seen = Some(path);
            }
        }
        let Some(object) = seen else { return Ok(None) };
        replicas.push(here.replica(object, part.sealed_bytes, HowKnown::Found));
    }
    Ok(Some(SeenWhole { content: row.content, replicas }))
}

/// Records originals as cloud-only, many in two transactions. Answers how many.
fn record_seen(here: &mut Here<'_>, at: &RemotePlace, seen: &[SeenWhole]) -> Result<u64> {
    if seen.is_empty() {
        return Ok(0);
    }
    here.device.record_replicas(at.id, seen.iter().flat_map(|whole| &whole.replicas))?;
    let states = seen.iter().map(|whole| (&whole.content, SyncState::CloudOnly, None));
    here.device.set_original_states(at.id, states)?;
    Ok(seen.len() as u64)
}

/// Names and sizes of everything where originals rest; none if that was asked lately, or may not be asked.
async fn list_originals(here: &mut Here<'_>, at: &RemotePlace) -> Result<Option<HashMap<String, u64>>> {
    if was_within(here, at, LISTED, LIST_AGAIN_MILLIS)? {
        return Ok(None);
    }
    let now = here.now_millis();
    let mut listed = HashMap::new();
    let mut after = None;
    loop {
        here.stop.check()?;
        let page = match at.store.list(Area::Original, after.as_ref()).await {
            Ok(page) => page,
            Err(StoreError::Denied { .. } | StoreError::Unsupported { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        for object in page.objects {
            listed.insert(object.key.as_str().to_owned(), object.length_bytes);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    here.device.set_remote_setting(at.id, LISTED, Some(&now.to_string()))?;
    Ok(Some(listed))
}
