//! What is to be gone in a place: originals, packs, segments, checkpoints, in this order, each whole.

use safelight_catalog::{Catalog, DeviceDb, RemoteId};
use safelight_store::{Capability, Finding, StoreError};

use super::DONE;
use super::checkpoints::renew;
use super::objects::{delete, make_ready};
use super::segments::take_out_there;
use super::within::{gone, gone_parts, round};
use crate::brake::is_braked;
use crate::collect::{is_away, tell};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::history::{HistoryReport, is_published, publish_more, sync_history};
use crate::packs::learn_packs;
use crate::place::place_id;
use crate::problem::Problem;

/// What became of what is to be gone in a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForgottenThere {
    /// Parts of originals and packs that were deleted.
    pub deleted_objects: u64,
    /// Segments of history that were replaced.
    pub replaced_segments: u64,
    /// Roots and pages of checkpoints that were deleted.
    pub deleted_checkpoints: u64,
    /// What keeps something there, if anything does.
    pub waits: Vec<String>,
}

/// Whether a place is known to hold nothing any more of what this device knows to be forgotten.
///
/// # Errors
/// Those of the database.
pub fn is_forgotten_there(catalog: &Catalog, device: &DeviceDb, at: RemoteId) -> Result<bool> {
    if catalog.forgets()?.is_empty() {
        return Ok(true);
    }
    Ok(device.remote_setting(at, DONE)? == Some(round(device)?.to_string()))
}

/// Notes of a place that was made just now, and holds nothing, that nothing forgotten is in it. What is to be gone must be gone
/// from this device before, so that none of it goes there.
///
/// # Errors
/// Those of the database.
pub fn note_nothing_forgotten(device: &mut DeviceDb, at: RemoteId) -> Result<()> {
    let round = round(device)?;
    Ok(device.set_remote_setting(at, DONE, Some(&round.to_string()))?)
}

/// Reads and publishes history and takes out of a place what is to be gone, and nothing else.
///
/// # Errors
/// As [`sync_history`]. What only keeps something in the place is in the answer.
pub async fn forget_at(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<ForgottenThere> {
    let mut history = sync_history(here, at).await?;
    let result = forget_there(here, at, &mut history, problems).await;
    problems.append(&mut history.problems);
    result
}

/// Takes out of a place what is to be gone; what keeps it there is named, and the next sync tries it again.
///
/// # Errors
/// What concerns the whole place, but for what its credential may not do.
pub(crate) async fn forget_there(
    here: &mut Here<'_>,
    at: &RemotePlace,
    history: &mut HistoryReport,
    problems: &mut Vec<Problem>,
) -> Result<ForgottenThere> {
    if is_forgotten_there(here.catalog, here.device, at.id)? {
        return Ok(ForgottenThere::default());
    }
    let round = round(here.device)?;
    let mut done = ForgottenThere::default();
    if is_braked(here.device)? {
        done.waits.push("the brake is on: safelight brake says why".to_owned());
    } else if is_away(here, at)? || history.own_history_waits {
        done.waits.push("this device was away from it and has not come back yet".to_owned());
    } else if let Finding::Missing(reason) = at.store.capabilities().finding(Capability::Delete) {
        done.waits.push(format!("the credential may not delete: {reason}"));
    } else {
        match take_out(here, at, history, problems, &mut done).await {
            Ok(()) => {}
            Err(SyncError::MayNotDelete { .. }) => {
                done.waits.push("the credential may not delete".to_owned());
            }
            Err(SyncError::Store(
                error @ (StoreError::Denied { .. }
                | StoreError::Unsupported { .. }
                | StoreError::ReadOnly { .. }),
            )) => done.waits.push(format!("the credential may not delete or replace: {error}")),
            Err(error) => return Err(error),
        }
    }
    if done.waits.is_empty() {
        here.device.set_remote_setting(at.id, DONE, Some(&round.to_string()))?;
    }
    for reason in done.waits.clone() {
        here.note(problems, Problem::NotForgotten { place: at.store.label().to_owned(), reason });
    }
    Ok(done)
}

async fn take_out(
    here: &mut Here<'_>,
    at: &RemotePlace,
    history: &mut HistoryReport,
    problems: &mut Vec<Problem>,
    done: &mut ForgottenThere,
) -> Result<()> {
    let Some(place) = place_id(here, at, problems).await? else {
        done.waits.push("its id cannot be read, so it may be another place".to_owned());
        return Ok(());
    };
    // Whether a pack holds it is told by its index.
    learn_packs(here, at, |_| true, |_| false, problems).await?;
    let (forgets, forgotten) = (here.catalog.forgets()?, here.catalog.forgotten()?);
    let (contents, _) = gone(here, &forgets)?;
    let mut parts = gone_parts(here, &forgets)?;
    // Also what an upload left there that nobody recorded, under whatever epoch.
    for content in &contents {
        let epochs = here.keys.keyring().epochs();
        parts.extend(epochs.iter().map(|epoch| epoch.naming_key().original(content, 0)));
    }
    let leaving = make_ready(here, at, place, &contents, &parts, problems).await?;
    tell(here, at, problems).await?;
    publish_more(here, at, history).await?;
    if !is_published(here, at)? {
        done.waits.push("not everything that this device wrote is published there".to_owned());
        return Ok(());
    }
    done.deleted_objects = delete(here, at, &leaving).await?;
    done.waits.extend(leaving.waits);
    done.replaced_segments = take_out_there(here, at, &forgotten, &mut done.waits).await?;
    let mut said_in = Vec::with_capacity(forgets.len());
    for (_, op) in &forgets {
        said_in.extend(here.catalog.segment_of(op.id)?);
    }
    done.deleted_checkpoints = renew(here, at, &said_in, &mut done.waits).await?;
    Ok(())
}
