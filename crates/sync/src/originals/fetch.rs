//! Fetching an original back: every part is opened while it is written, and gets its name in the folder only
//! after it proved right. A part that is here already is not fetched again.

use bytes::Bytes;
use safelight_catalog::{HowKnown, Replica, SyncState};
use safelight_crypto::{ContentHash, HEADER_LEN, OriginalOpener};
use safelight_model::{Original, PartRef, RenditionKind, Storage};
use safelight_store::{ObjectPath, Outcome, StoreError};

use super::{MOST_GENERATIONS, path_of_part};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::packs::fetch_entry;
use crate::policy::came_here;
use crate::problem::{Problem, Transfer};

/// Parts that become durable together.
const PARTS_AT_ONCE: usize = 8;
/// Why an original that is in the cloud cannot be had at once.
const ARCHIVED: &str = "it is archived and must be thawed first";
/// Originals that are looked up together.
const ROWS_AT_ONCE: usize = 256;

/// Fetches an original from the first of these places that has each of its parts whole. What is fetched is
/// sealed as it was; nothing is written in the clear. Memory is one part. Answers the bytes that were fetched.
///
/// Cancellation: parts that were written stay, and are not fetched again.
///
/// # Errors
/// [`SyncError::NotHeld`] when no place has it, [`SyncError::Unbelievable`] when none has it whole; what is wrong where is told to the monitor.
pub async fn fetch_original(
    here: &mut Here<'_>,
    places: &[RemotePlace],
    original: &Original,
    problems: &mut Vec<Problem>,
) -> Result<u64> {
    // A linked original has parts once somebody sealed it on its way out.
    if original.storage != Storage::Copied
        && (original.storage != Storage::Linked || original.parts.is_empty())
    {
        return Err(unbelievable(original, "it is not a sealed object of its own"));
    }
    let mut opener = OriginalOpener::new(here.library(), original.content, original.size_bytes);
    let mut batch = here.place.batch();
    let mut new: Vec<ObjectPath> = Vec::new();
    let mut fetched_bytes = 0;
    for (number, part) in (0..).zip(&original.parts) {
        here.stop.check()?;
        let local = ObjectPath::original(part.name);
        match here.place.open_object(&local) {
            Ok(object) if object.length_bytes() == part.sealed_bytes => {
                let mut file = object.into_file();
                open_next(here, &mut opener, part, &mut file)?;
                continue;
            }
            Ok(_) => return Err(unbelievable(original, "a damaged part of it lies in the library folder")),
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let bytes = fetch_part(here, places, original, number, part, problems).await?;
        open_next(here, &mut opener, part, &mut bytes.as_ref())?;
        let mut object = here.place.create_object()?;
        let (header, body) = bytes.split_at(HEADER_LEN.min(bytes.len()));
        object.append(body)?;
        object.write_header(header.first_chunk().ok_or_else(|| unbelievable(original, "it is cut off"))?)?;
        batch.add(object, local.clone());
        new.push(local);
        fetched_bytes += bytes.len() as u64;
        here.monitor.advance(Transfer::PartFetched, bytes.len() as u64);
        if batch.len() >= PARTS_AT_ONCE {
            commit(std::mem::replace(&mut batch, here.place.batch()))?;
        }
    }
    if let Err(error) = opener.finish() {
        // A holder of the keys swapped parts: what was written of them goes.
        drop(batch);
        for path in &new {
            here.place.remove_object(path)?;
        }
        return Err(error.into());
    }
    commit(batch)?;
    came_here(here, &original.content, &original.parts)?;
    Ok(fetched_bytes)
}

/// Fetches the originals that are not here, newest first: those that the place was seen to hold, then those that
/// were not looked at yet. What nobody has sent yet stays where it is. Answers how many were fetched.
///
/// # Errors
/// The first error that concerns the whole place; [`SyncError::Stopped`].
pub async fn fetch_missing(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<u64> {
    let mut fetched = 0;
    for state in [SyncState::CloudOnly, SyncState::Elsewhere] {
        let mut after = None;
        loop {
            let rows = here.device.originals_in(at.id, state, after, ROWS_AT_ONCE)?;
            let Some(last) = rows.last() else { break };
            after = Some((last.position, last.content));
            for row in &rows {
                here.stop.check()?;
                let Some(original) = here.catalog.original_of(&row.content)? else { continue };
                let places = std::slice::from_ref(at);
                let result = if original.storage == Storage::Packed {
                    let kind = RenditionKind::Original;
                    fetch_entry(here, places, &row.content, kind, problems).await.map(drop)
                } else {
                    fetch_original(here, places, &original, problems).await.map(drop)
                };
                match result {
                    Ok(()) => {
                        here.device.set_original_states(at.id, [(&row.content, SyncState::Synced, None)])?;
                        fetched += 1;
                    }
                    Err(SyncError::NotHeld { .. } | SyncError::Unbelievable { .. }) => {}
                    Err(SyncError::Store(StoreError::Archived { .. })) => {
                        let archived = [(&row.content, SyncState::CloudOnly, Some(ARCHIVED))];
                        here.device.set_original_states(at.id, archived)?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(fetched)
}

fn commit(batch: safelight_store::Batch) -> Result<()> {
    for entry in batch.commit() {
        if entry.result? == Outcome::Existed {
            tracing::debug!(path = %entry.path, "another process fetched it meanwhile");
        }
    }
    Ok(())
}

fn open_next(
    here: &Here<'_>,
    opener: &mut OriginalOpener,
    part: &PartRef,
    source: &mut dyn std::io::Read,
) -> Result<()> {
    let keyring = here.keys.keyring();
    Ok(opener.open_part(&part.name, part.sealed_bytes, keyring, source, &mut Vec::new(), &mut |_| Ok(()))?)
}

/// Fetches a part from wherever it is whole, in whatever generation.
async fn fetch_part(
    here: &mut Here<'_>,
    places: &[RemotePlace],
    original: &Original,
    number: u32,
    part: &PartRef,
    problems: &mut Vec<Problem>,
) -> Result<Bytes> {
    let mut last = None;
    let mut is_somewhere = false;
    for place in places {
        for generation in 0..MOST_GENERATIONS {
            let path = path_of_part(part, generation)?;
            let got = place.store.get(&path, part.sealed_bytes).await;
            is_somewhere |= !matches!(&got, Err(StoreError::NotFound { .. }));
            match got {
                Ok(bytes) => match open_part(here, original, number, part, &bytes) {
                    Ok(()) => {
                        let now = here.now_millis();
                        let replica = Replica {
                            object: path.to_string(),
                            sealed_bytes: part.sealed_bytes,
                            placed_millis: now,
                            proven_millis: Some(now),
                            how: HowKnown::Opened,
                        };
                        here.device.record_replicas(place.id, [&replica])?;
                        return Ok(bytes);
                    }
                    Err(reason) => {
                        here.device.forget_replicas(place.id, [path.as_str()])?;
                        here.note(problems, Problem::Damaged { object: path.to_string(), reason });
                    }
                },
                // A repair may lie beside a gap.
                Err(StoreError::NotFound { .. }) if generation == 0 => {}
                Err(StoreError::NotFound { .. }) => break,
                Err(StoreError::TooLarge { .. } | StoreError::Damaged { .. }) => {
                    let reason = "it is longer than it should be, or cannot be read".to_owned();
                    here.note(problems, Problem::Damaged { object: path.to_string(), reason });
                }
                Err(error) => {
                    last = Some(error);
                    break;
                }
            }
        }
    }
    match last {
        Some(error) => Err(error.into()),
        None if is_somewhere => Err(unbelievable(original, "no place has all of it whole")),
        None => Err(SyncError::NotHeld { object: format!("the original {}", original.source.display()) }),
    }
}

/// Opens one part by itself: everything but the hash over the whole content is checked.
pub(crate) fn open_part(
    here: &Here<'_>,
    original: &Original,
    number: u32,
    part: &PartRef,
    bytes: &[u8],
) -> Result<(), String> {
    use safelight_crypto::{Kind, ObjectContext, Opener, names};
    let logical = names::original(&part.name);
    let context = ObjectContext::original_part(here.library(), &logical, number, original.size_bytes);
    let keyring = here.keys.keyring();
    let told = |error: safelight_crypto::CryptoError| error.to_string();
    let opener =
        Opener::new(bytes, bytes.len() as u64, Kind::OriginalPart, keyring, &context).map_err(told)?;
    let content = opener.open_body(bytes.get(HEADER_LEN..).unwrap_or_default()).map_err(told)?;
    let is_whole = original.parts.len() == 1;
    if is_whole && ContentHash::of(&content) != original.content {
        return Err("its content is not the recorded one".to_owned());
    }
    Ok(())
}

fn unbelievable(original: &Original, reason: &str) -> SyncError {
    SyncError::Unbelievable {
        object: format!("the original {}", original.source.display()),
        place: "every place that was asked".to_owned(),
        reason: reason.to_owned(),
    }
}
