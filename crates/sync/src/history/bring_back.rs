//! What the library's folder lost of its history and its keys, brought back from a place that holds it.
//!
//! Invariants: only what the catalogue or a statement vouches for is put into the folder, and nothing whole that rests there
//! is replaced; what rests there is opened only where a verification found damage. Whoever has the folder alone can read it again afterwards.

use std::collections::HashSet;

use bytes::Bytes;
use safelight_crypto::{Recipient, Roster, names};
use safelight_store::{Area, ObjectPath, Outcome, StoreError};

use super::publish::{Judged, judge_segment, segment_path, whole_segment};
use super::{SEGMENT_BYTES, place_waiting};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::keys::{SMALL_BYTES, as_sealed, check_small, path_of, paths_of};
use crate::problem::Problem;

/// The setting of this device that says that a verification found damage in the history or the keys that rest here: each of
/// them is opened before it is believed to be there.
pub const HISTORY_DAMAGED: &str = "history-damaged";

/// Fetches segments, the root card and the keys files of the words and of this device that are missing in the folder, and
/// where a verification found damage those too that are not whole.
pub(crate) async fn bring_back(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let is_doubtful = here.device.setting(HISTORY_DAMAGED)?.is_some();
    let segments = bring_segments_back(here, at, is_doubtful, problems).await?;
    let small = bring_small_back(here, at, is_doubtful, problems).await?;
    if is_doubtful && segments && small {
        here.device.set_setting(HISTORY_DAMAGED, None)?;
    }
    Ok(())
}

/// Answers whether all of history is there and, where it is doubtful, whole.
async fn bring_segments_back(
    here: &mut Here<'_>,
    at: &RemotePlace,
    is_doubtful: bool,
    problems: &mut Vec<Problem>,
) -> Result<bool> {
    let held = held(here, Area::Log)?;
    let mut is_whole = true;
    for stored in here.catalog.segments()? {
        let (device, tip) = (stored.device, stored.tip);
        let path = segment_path(device, tip.seq.0);
        let is_held = held.contains(path.as_str());
        if is_held && !(is_doubtful && whole_segment(here, device, tip)?.is_err()) {
            continue;
        }
        if here.catalog.segment_bytes(device, tip.seq)?.is_some() {
            place_waiting(here, problems)?;
            continue;
        }
        match get(here, at, &path, SEGMENT_BYTES).await? {
            Some(bytes)
                if matches!(judge_segment(here, &bytes, device, tip.seq.0, tip.root)?, Judged::Same(_)) =>
            {
                put(here, &path, &bytes, is_held, true, problems)?;
            }
            _ => is_whole = false,
        }
    }
    Ok(is_whole)
}

/// The same of the root card and the keys files. Those of other devices rest in places; one that is here all the same is
/// kept whole.
async fn bring_small_back(
    here: &mut Here<'_>,
    at: &RemotePlace,
    is_doubtful: bool,
    problems: &mut Vec<Problem>,
) -> Result<bool> {
    let Some(roster) = here.roster()? else { return Ok(false) };
    let held = held_small(here)?;
    let words = Recipient::Words(roster.words().id());
    let own = Recipient::Device(here.keys.keyring().device().id());
    let mut small = vec![names::root_card(&roster.words().id())];
    for epoch in roster.epochs() {
        let named =
            epoch.files.keys().map(|recipient| (recipient, names::keys_file(&epoch.epoch, recipient)));
        let due = named.filter(|(recipient, name)| [&words, &own].contains(recipient) || held.contains(name));
        small.extend(due.map(|(_, name)| name));
    }
    let mut is_whole = true;
    for name in small {
        let (path, is_held) = (path_of(&name)?, held.contains(&name));
        if is_held && !(is_doubtful && is_damaged(here, &roster, &path)) {
            continue;
        }
        match get(here, at, &path, SMALL_BYTES).await? {
            Some(bytes) if check_small(here, Some(&roster), &path, &bytes).is_ok() => {
                // What another device made comes here for the first time; only what was here before was lost.
                let was_here = is_held || here.device.replica(at.id, path.as_str())?.is_some();
                put(here, &path, &bytes, is_held, was_here, problems)?;
            }
            _ => is_whole = false,
        }
    }
    Ok(is_whole)
}

fn is_damaged(here: &Here<'_>, roster: &Roster, path: &ObjectPath) -> bool {
    let read = here.place.open_object(path).and_then(|object| object.read_all(SMALL_BYTES));
    read.map_or(true, |bytes| check_small(here, Some(roster), path, &bytes).is_err())
}

fn held(here: &Here<'_>, area: Area) -> Result<HashSet<String>> {
    Ok(paths_of(here, area)?.iter().map(ToString::to_string).collect())
}

fn held_small(here: &Here<'_>) -> Result<HashSet<String>> {
    let mut held_small = held(here, Area::Root)?;
    held_small.extend(held(here, Area::Keys)?);
    Ok(held_small)
}

/// What rests in the place under this name; nothing where another place has to help.
async fn get(here: &Here<'_>, at: &RemotePlace, path: &ObjectPath, most_bytes: u64) -> Result<Option<Bytes>> {
    here.stop.check()?;
    match at.store.get(path, most_bytes).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StoreError::NotFound { .. } | StoreError::TooLarge { .. } | StoreError::Damaged { .. }) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Puts what a place holds into the folder, and says that it is whole again where it was here before.
fn put(
    here: &Here<'_>,
    path: &ObjectPath,
    bytes: &Bytes,
    is_held: bool,
    was_here: bool,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let is_put = match as_sealed(path.area(), bytes) {
        None => false,
        Some(_) if is_held => {
            here.place.replace_object(path, bytes)?;
            true
        }
        // Another process may have been as fast; what it put is verified as everything here is.
        Some(sealed) => here.place.put_new(path, &sealed)? == Outcome::Created,
    };
    if is_put && was_here {
        let was = if is_held { "damaged" } else { "missing" };
        here.note(problems, Problem::Repaired { object: format!("objects/{path}"), was });
    }
    Ok(())
}
