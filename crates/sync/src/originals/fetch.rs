//! Fetching an original back: every part is opened before it gets its name in the folder. A part that is here and whole
//! is not fetched again; one that is here and damaged is replaced by one that was opened.

use safelight_catalog::{Archived, HowKnown, SyncState};
use safelight_crypto::{ContentHash, HEADER_LEN, Keyring, LibraryId, Sha256};
use safelight_model::{Original, PartRef, RenditionKind, Storage};
use safelight_store::{ObjectPath, Outcome};

use super::find::{Absence, InFolder, Living, Part, find, parts_of, read_here};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::packs::{fetch_entry, read_local_entry};
use crate::policy::came_here;
use crate::problem::{Problem, Transfer};

/// Why an original that is in the cloud cannot be had at once.
pub(super) const ARCHIVED: &str = "it is archived; safelight local thaw asks for it";
/// Originals that are looked up together.
const ROWS_AT_ONCE: usize = 256;

/// Fetches an original from the first of these places that has each of its parts whole; a tiny one out of its pack.
/// What is fetched is sealed as it was; nothing is written in the clear. Memory is one part, sealed and opened. Answers
/// the bytes that were fetched; 0 when it was here, read and whole.
///
/// Cancellation: parts that were written stay, and are not fetched again.
///
/// # Errors
/// [`SyncError::NotHeld`] when no place has it, [`SyncError::Archived`] when it must be thawed first,
/// [`SyncError::Unbelievable`] when none has it whole; what is wrong where is told to the monitor.
pub async fn fetch_original(
    here: &mut Here<'_>,
    places: &[RemotePlace],
    original: &Original,
    problems: &mut Vec<Problem>,
) -> Result<u64> {
    match original.storage {
        Storage::Packed => return fetch_tiny(here, places, original, problems).await,
        // A linked original has parts once somebody sealed it on its way out.
        Storage::Copied | Storage::Linked if !original.parts.is_empty() => {}
        _ => {
            return Err(unbelievable(original, "it is not a sealed object of its own"));
        }
    }
    let mut hasher = Sha256::new();
    let mut new: Vec<ObjectPath> = Vec::new();
    let mut fetched_bytes = 0;
    let living = Living::of(here.catalog, here.device, places, original)?;
    for part in parts_of(original) {
        here.stop.check()?;
        let is_damaged = match read_here(here.place, here.library(), here.keys.keyring(), part)? {
            InFolder::Whole(part) => {
                hasher.update(&part.content);
                continue;
            }
            InFolder::Absent => false,
            InFolder::Damaged => true,
        };
        let (sealed, content) = fetch_part(here, places, &living, part, problems).await?;
        hasher.update(&content);
        drop(content);
        let local = ObjectPath::original(part.part.name);
        if is_damaged {
            // What takes its place was opened a moment ago; until it is durable the damaged one stays.
            here.place.replace_object(&local, &sealed)?;
        } else {
            write_part(here, original, &local, &sealed)?;
        }
        new.push(local);
        fetched_bytes += sealed.len() as u64;
        here.monitor.advance(Transfer::PartFetched, sealed.len() as u64);
    }
    if ContentHash::from_bytes(hasher.finish()) != original.content {
        // A holder of the keys swapped parts: what was written of them goes.
        for path in &new {
            here.place.remove_object(path)?;
        }
        return Err(unbelievable(original, "its content is not the recorded one"));
    }
    came_here(here.device, &original.content, &original.parts)?;
    Ok(fetched_bytes)
}

async fn fetch_tiny(
    here: &mut Here<'_>,
    places: &[RemotePlace],
    original: &Original,
    problems: &mut Vec<Problem>,
) -> Result<u64> {
    let kind = RenditionKind::Original;
    if let Some(location) = here.device.packed(&original.content, kind)? {
        match read_local_entry(here.place, &location, here.keys.keyring()) {
            Ok(_) => return Ok(0),
            // What is fetched is indexed in its place.
            Err(reason) => {
                tracing::debug!(pack = %location.pack, %reason, "a small original is damaged here");
            }
        }
    }
    match fetch_entry(here, places, &original.content, kind, problems).await {
        Ok(bytes) => Ok(bytes.len() as u64),
        Err(SyncError::NotHeld { .. }) => Err(not_held(original)),
        Err(error) => Err(error),
    }
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
    for state in [SyncState::CloudOnly, SyncState::Thawing, SyncState::Elsewhere, SyncState::Lost] {
        let mut after = None;
        loop {
            let rows = here.device.originals_in(at.id, state, after, ROWS_AT_ONCE)?;
            let Some(last) = rows.last() else { break };
            after = Some((last.position, last.content));
            for row in &rows {
                here.stop.check()?;
                let Some(original) = here.catalog.original_of(&row.content)? else { continue };
                let came = fetch_from(here, at, &original, problems).await?;
                fetched += u64::from(came.is_some_and(|bytes| bytes > 0));
            }
        }
    }
    Ok(fetched)
}

/// Fetches an original from one place. Answers the bytes that came, 0 when it was here whole; none when this place cannot
/// give it now. What was held to rest there and does not is told, and lost.
///
/// # Errors
/// The first error that concerns the whole place; [`SyncError::Stopped`].
pub async fn fetch_from(
    here: &mut Here<'_>,
    at: &RemotePlace,
    original: &Original,
    problems: &mut Vec<Problem>,
) -> Result<Option<u64>> {
    match fetch_original(here, std::slice::from_ref(at), original, problems).await {
        Ok(bytes) => {
            // Whole here says nothing of the place: only what is known to rest there is synced.
            came_here(here.device, &original.content, &original.parts)?;
            Ok(Some(bytes))
        }
        Err(SyncError::NotHeld { object }) => {
            let held = here.device.original_at_remotes(&original.content)?;
            let was_held = |state| matches!(state, SyncState::CloudOnly | SyncState::Thawing);
            if held.iter().any(|(remote, row)| *remote == at.id && was_held(row.state)) {
                here.device.set_original_states(at.id, [(&original.content, SyncState::Lost, None)])?;
                let object = format!("{object} in {}", at.store.label());
                here.note(problems, Problem::Missing { object });
            }
            Ok(None)
        }
        Err(error) if error.concerns_one_original() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a part durable under its name.
fn write_part(here: &Here<'_>, original: &Original, path: &ObjectPath, sealed: &[u8]) -> Result<()> {
    let (header, body) = sealed.split_at(HEADER_LEN.min(sealed.len()));
    let header = header.first_chunk().ok_or_else(|| unbelievable(original, "it is cut off"))?;
    let mut object = here.place.create_object()?;
    object.append(body)?;
    object.write_header(header)?;
    let mut batch = here.place.batch();
    batch.add(object, path.clone());
    for entry in batch.commit() {
        if entry.result? == Outcome::Existed {
            tracing::debug!(path = %entry.path, "another process fetched it meanwhile");
        }
    }
    Ok(())
}

/// Fetches a part from wherever it is whole, in whatever generation, and keeps book of what was found out.
async fn fetch_part(
    here: &mut Here<'_>,
    places: &[RemotePlace],
    living: &Living,
    part: Part<'_>,
    problems: &mut Vec<Problem>,
) -> Result<(bytes::Bytes, Vec<u8>)> {
    let search = find(here.library(), here.keys.keyring(), places, living, part).await?;
    let is_found = search.found.is_ok();
    for bad in search.bad {
        if let Some(place) = places.get(bad.place) {
            here.device.forget_replicas(place.id, [bad.path.as_str()])?;
        }
        // What is marked to leave alarms nobody who got the whole.
        if !is_found || living.is_relied_on(bad.place, part.part, bad.generation) {
            let (object, reason) = (bad.path.to_string(), bad.reason);
            here.note(problems, Problem::Damaged { object, reason });
        }
    }
    let found = match search.found {
        Ok(found) => found,
        Err(absence) => {
            if let Absence::Archived(place) = &absence
                && let Some(place) = places.get(*place)
            {
                let (remote, content) = (place.id, part.original.content);
                here.device.set_archived(&Archived { remote, content, asked_millis: None })?;
                set_cloud_only(here, place, &content)?;
            }
            return Err(absence.into_error(part.original, places));
        }
    };
    if let Some(place) = places.get(found.place) {
        here.record_replica(place, &found.path, part.part.sealed_bytes, HowKnown::Opened)?;
        here.device.set_thawed(place.id, &part.original.content)?;
    }
    Ok((found.sealed, found.content))
}

/// An archived original is in the cloud, also when it was not looked for before.
fn set_cloud_only(here: &mut Here<'_>, at: &RemotePlace, content: &ContentHash) -> Result<()> {
    let held = here.device.original_at_remotes(content)?;
    let is_there = |state| matches!(state, SyncState::Elsewhere | SyncState::Lost | SyncState::CloudOnly);
    if held.iter().any(|(remote, row)| *remote == at.id && is_there(row.state)) {
        here.device.set_original_states(at.id, [(content, SyncState::CloudOnly, Some(ARCHIVED))])?;
    }
    Ok(())
}

/// Opens one part by itself: everything but, of several parts, the hash over the whole content is checked.
pub(crate) fn open_part(
    here: &Here<'_>,
    original: &Original,
    number: u32,
    part: &PartRef,
    bytes: &[u8],
) -> Result<(), String> {
    opens_as_part(here.library(), here.keys.keyring(), original, number, part, bytes)
}

/// Opens one part by itself, as [`open_part`] does, beside the driving task.
pub(crate) fn opens_as_part(
    library: LibraryId,
    keyring: &Keyring,
    original: &Original,
    number: u32,
    part: &PartRef,
    bytes: &[u8],
) -> Result<(), String> {
    Part { original, number, part }.open(library, keyring, bytes).map(drop)
}

pub(super) fn unbelievable(original: &Original, reason: &str) -> SyncError {
    SyncError::Unbelievable {
        object: format!("the original {}", original.source.display()),
        place: "every place that was asked".to_owned(),
        reason: reason.to_owned(),
    }
}

fn not_held(original: &Original) -> SyncError {
    SyncError::NotHeld { object: format!("the original {}", original.source.display()) }
}
