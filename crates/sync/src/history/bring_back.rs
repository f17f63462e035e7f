//! What the library's folder lost of its history and its keys, brought back from a place that holds it.
//!
//! Invariants: only what the catalogue or a statement vouches for is put into the folder, and nothing whole that rests there
//! is replaced. Whoever has the folder alone can read it again afterwards.

use std::collections::HashSet;

use bytes::Bytes;
use safelight_crypto::{Recipient, names};
use safelight_store::{Area, ObjectPath, Outcome, StoreError};

use super::publish::{Judged, judge_segment, segment_path, whole_segment};
use super::{SEGMENT_BYTES, place_waiting};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::keys::{SMALL_BYTES, as_sealed, check_small, path_of, paths_of};
use crate::problem::Problem;

/// The setting of this device that says that a verification found damage in the history that rests here: every segment is
/// opened before it is believed to be there.
pub const HISTORY_DAMAGED: &str = "history-damaged";

/// Fetches segments, the root card and the keys files of the words and of this device that are missing in the folder.
pub(crate) async fn bring_back(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let segments = here.catalog.segments()?;
    let held = held(here, Area::Log)?;
    let is_doubtful = here.device.setting(HISTORY_DAMAGED)?.is_some();
    let mut is_whole = true;
    for stored in segments {
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
        if let Some(bytes) = get(here, at, &path, SEGMENT_BYTES).await?
            && matches!(judge_segment(here, &bytes, device, tip.seq.0, tip.root)?, Judged::Same(_))
        {
            if is_held {
                here.place.replace_object(&path, &bytes)?;
                here.note(problems, Problem::Repaired { object: format!("objects/{path}"), was: "damaged" });
            } else {
                if put(here, &path, &bytes)? {
                    note_missing(here, &path, problems);
                }
            }
        } else {
            is_whole = false;
        }
    }
    if is_doubtful && is_whole {
        here.device.set_setting(HISTORY_DAMAGED, None)?;
    }
    let Some(roster) = here.roster()? else { return Ok(()) };
    let words = Recipient::Words(roster.words().id());
    let own = Recipient::Device(here.keys.keyring().device().id());
    let mut small = vec![names::root_card(&roster.words().id())];
    for epoch in roster.epochs() {
        let due = [words, own].into_iter().filter(|recipient| epoch.files.contains_key(recipient));
        small.extend(due.map(|recipient| names::keys_file(&epoch.epoch, &recipient)));
    }
    let mut held = held_small(here)?;
    for name in small {
        let path = path_of(&name)?;
        if held.insert(name)
            && let Some(bytes) = get(here, at, &path, SMALL_BYTES).await?
            && check_small(here, Some(&roster), &path, &bytes).is_ok()
        {
            // What another device made comes here for the first time; only what was here before was lost.
            let was_here = here.device.replica(at.id, path.as_str())?.is_some();
            if put(here, &path, &bytes)? && was_here {
                note_missing(here, &path, problems);
            }
        }
    }
    Ok(())
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

/// Puts what a place holds into the folder; answers whether it was not there.
fn put(here: &Here<'_>, path: &ObjectPath, bytes: &Bytes) -> Result<bool> {
    let Some(sealed) = as_sealed(path.area(), bytes) else { return Ok(false) };
    // Another process may have been as fast; what it put is verified as everything here is.
    Ok(here.place.put_new(path, &sealed)? == Outcome::Created)
}

fn note_missing(here: &Here<'_>, path: &ObjectPath, problems: &mut Vec<Problem>) {
    here.note(problems, Problem::Repaired { object: format!("objects/{path}"), was: "missing" });
}
