//! Collecting: showing what may go and what is waited for, and deleting it.
//!
//! Invariant: nothing is deleted before history was read to its end in this process, every op of this device is
//! published, and all conditions of sl1-history §10.4 hold. Killed at any moment it goes on the next time: a marked
//! object whose conditions once held stays right to delete, because its generation is never used again.

use std::cell::Cell;
use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use safelight_crypto::DeviceId;
use safelight_model::{Lapse, OpBody};
use safelight_store::{Capability, Finding, ObjectPath, SealedRemote, StoreError};

use super::marks::{Marking, mark_unneeded};
use super::plan::{CollectPlan, Held, Judge, Ready, go_through};
use super::standing::hides_history;
use super::{Arrival, LAPSE_MILLIS, acknowledge, arrive, is_away, tell};
use crate::brake::is_braked;
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::history::{HistoryReport, is_published, publish_more, sync_history};
use crate::place::place_id;
use crate::problem::{Problem, Transfer};

/// Deletions under way at once.
const CONCURRENCY: usize = 8;

/// What a collection came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectReport {
    /// What was found; what could be deleted when it was looked at.
    pub plan: CollectPlan,
    /// What was deleted.
    pub deleted: Held,
    /// Devices that are not waited for any more, because they were silent for 90 days.
    pub lapsed: Vec<DeviceId>,
    /// What is wrong with single objects.
    pub problems: Vec<Problem>,
}

/// Tells what a collection would delete, and what the rest waits for. History is read and this device's own is
/// published, as in every sync; nothing is deleted.
///
/// # Errors
/// As [`collect`].
pub async fn plan_collection(
    here: &mut Here<'_>,
    at: &RemotePlace,
    others: &[RemotePlace],
) -> Result<CollectReport> {
    run(here, at, others, Deletes::Nothing).await
}

/// Marks what nothing needs or knows any more, acknowledges what can be, and deletes what everybody has acknowledged.
/// `others` are the other remotes of this device: a device that lapsed is looked for in each of them first. With `shown`,
/// the plan that somebody agreed to, nothing else is marked or deleted.
///
/// # Errors
/// [`SyncError::MayNotDelete`] when the credential turns out to lack that permission: what was deleted before stays
/// so. [`SyncError::RolledBack`], [`SyncError::AnotherPlace`] and what the place and the databases answer.
pub async fn collect(
    here: &mut Here<'_>,
    at: &RemotePlace,
    others: &[RemotePlace],
    shown: Option<&CollectPlan>,
) -> Result<CollectReport> {
    run(here, at, others, shown.map_or(Deletes::WhatMayGo, Deletes::Shown)).await
}

/// What of the objects that may go is deleted.
#[derive(Clone, Copy)]
enum Deletes<'a> {
    Nothing,
    Shown(&'a CollectPlan),
    WhatMayGo,
}

async fn run(
    here: &mut Here<'_>,
    at: &RemotePlace,
    others: &[RemotePlace],
    deletes: Deletes<'_>,
) -> Result<CollectReport> {
    let (deletes, shown) = match deletes {
        Deletes::Nothing => (false, None),
        Deletes::Shown(shown) => (true, Some(shown)),
        Deletes::WhatMayGo => (true, None),
    };
    let mut report = CollectReport::default();
    let mut history = HistoryReport::default();
    let arrival = arrive(here, at, &mut history).await?;
    let Some(place) = place_id(here, at, &mut report.problems).await? else {
        report.plan.hindrances.push("the id of the place cannot be read".to_owned());
        return Ok(report);
    };
    // What everybody knows is looked at, not only what this place shows.
    let mut is_complete = !history.own_history_waits && !hides_history(here, &history)?;
    for other in others {
        let mut there = HistoryReport::default();
        match arrive(here, other, &mut there).await {
            Ok(_) => is_complete &= !there.own_history_waits && !hides_history(here, &there)?,
            Err(error) => {
                report.plan.hindrances.push(format!("{}: {error}", other.store.label()));
                is_complete = false;
            }
        }
        report.problems.extend(there.problems);
    }
    if arrival == Arrival::StaysAway || is_away(here, at)? {
        report.plan.hindrances.push("this device was away, and could not come back yet".to_owned());
    }
    if is_braked(here.device)? {
        report.plan.hindrances.push("the brake is on: safelight brake says why".to_owned());
    }
    if !is_complete {
        report.plan.hindrances.push("history could not be read to its end everywhere".to_owned());
    }
    if deletes && report.plan.hindrances.is_empty() {
        report.lapsed = lapse_silent(here)?;
        let agreed = shown.map(|plan| &plan.newly_marked);
        let mut marking = Marking { writes: true, agreed, found: BTreeSet::new() };
        mark_unneeded(here, at, place, &mut marking).await?;
        report.plan.newly_marked = marking.found;
        let told = tell(here, at, &mut report.problems).await?;
        let acknowledged = acknowledge(here, at, &mut report.problems).await?;
        if told || acknowledged || !report.plan.newly_marked.is_empty() || !report.lapsed.is_empty() {
            publish_more(here, at, &mut history).await?;
        }
    } else {
        let mut marking = Marking { writes: false, agreed: None, found: BTreeSet::new() };
        mark_unneeded(here, at, place, &mut marking).await?;
        report.plan.newly_marked = marking.found;
    }
    if history.sent_own_segments > 0 {
        // Whoever read the marks before they were published is asked about them only now.
        let again = sync_history(here, at).await?;
        if again.own_history_waits || hides_history(here, &again)? {
            report.plan.hindrances.push("history could not be read to its end everywhere".to_owned());
        }
        history.join(again);
    }
    report.problems.splice(0..0, history.problems);
    if let Finding::Missing(reason) = at.store.capabilities().finding(Capability::Delete) {
        report.plan.hindrances.push(format!("the credential may not delete: {reason}"));
    }
    if !is_published(here, at)? {
        report.plan.hindrances.push("not everything that this device wrote is published there".to_owned());
    }
    let Some(roster) = here.roster()? else { return Ok(report) };
    let mut judge = Judge::new(here, place, roster);
    let is_free = deletes && report.plan.hindrances.is_empty();
    let CollectReport { plan, deleted, problems, .. } = &mut report;
    go_through(here, at, &mut judge, shown.map(|plan| &plan.shown), plan, async |here, ready| {
        // Deleting takes hours, and others write meanwhile; what they said waits for the next collection.
        if is_free && is_published(here, at)? {
            delete_all(here, at, ready, deleted, problems).await
        } else {
            Ok(())
        }
    })
    .await?;
    Ok(report)
}

/// Declares devices lapsed that were silent for 90 days at every remote of this device. Answers which.
///
/// # Errors
/// Those of the databases.
pub fn lapse_silent(here: &mut Here<'_>) -> Result<Vec<DeviceId>> {
    lapse(here, None)
}

/// The same for one device alone. Answers whether it may be said: a device that is passed over sooner could still act on
/// what it knew before.
///
/// # Errors
/// Those of the databases.
pub fn lapse_one(here: &mut Here<'_>, device: DeviceId) -> Result<bool> {
    Ok(!lapse(here, Some(device))?.is_empty())
}

fn lapse(here: &mut Here<'_>, only: Option<DeviceId>) -> Result<Vec<DeviceId>> {
    let now = here.now_millis();
    let oldest = here.device.remotes()?.iter().map(|remote| remote.synced_millis).min().flatten();
    // Whoever has not looked everywhere lately cannot tell that a device is silent.
    if oldest.is_none_or(|synced| now.saturating_sub(synced) > super::AWAY_MILLIS) {
        return Ok(Vec::new());
    }
    let Some(roster) = here.roster()? else { return Ok(Vec::new()) };
    let mut silent = Vec::new();
    for silence in here.device.silences()? {
        let is_active = roster.member(&silence.device).is_some_and(|member| member.standing.belongs());
        let is_meant =
            silence.device != here.catalog.device() && only.is_none_or(|only| only == silence.device);
        let is_silent = now.saturating_sub(silence.since_millis) >= LAPSE_MILLIS
            && here.catalog.tip(silence.device)?.seq == silence.seq;
        if is_active && is_meant && is_silent && !here.catalog.is_lapsed(silence.device)? {
            silent.push(silence);
        }
    }
    let lapse = |silence: &safelight_catalog::Silence| Lapse { device: silence.device, seq: silence.seq };
    let bodies: Vec<OpBody> = silent.iter().map(|silence| OpBody::Lapse(lapse(silence))).collect();
    if !bodies.is_empty() {
        let now = (here.now)();
        here.catalog.append(now, bodies)?;
    }
    Ok(silent.into_iter().map(|silence| silence.device).collect())
}

/// Whether a deleted object is gone.
enum Gone {
    Yes,
    No,
    /// It was not tried: somebody asked to stop, or the first refusal came.
    Untried,
}

/// Deletes a stretch of objects, and looks whether they are gone.
async fn delete_all(
    here: &mut Here<'_>,
    at: &RemotePlace,
    ready: Vec<Ready>,
    deleted: &mut Held,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let (store, stop, is_over) = (&at.store, here.stop, Cell::new(false));
    let mut deletions = iter(ready)
        .map(|one| async {
            let result = if stop.is_asked() || is_over.get() {
                Ok(Gone::Untried)
            } else {
                delete_one(store, &one.path).await
            };
            (one, result)
        })
        .buffer_unordered(CONCURRENCY);
    let mut first_error = None;
    while let Some((one, result)) = deletions.next().await {
        // What somebody says meanwhile may need what is to go, and nobody could read it yet.
        if !is_published(here, at)? {
            is_over.set(true);
        }
        match result {
            Ok(Gone::Yes) => {
                here.device.record_left(at.id, [one.path.as_str()])?;
                deleted.add(one.bytes);
                here.monitor.advance(Transfer::Deleted, one.bytes);
            }
            Ok(Gone::No) => {
                let problem = Problem::NotDeleted { object: one.path.to_string() };
                here.monitor.problem(&problem);
                problems.push(problem);
            }
            Ok(Gone::Untried) => {}
            Err(error) => {
                is_over.set(true);
                first_error = first_error.or(Some(error));
            }
        }
    }
    match first_error {
        Some(StoreError::Denied { .. } | StoreError::Unsupported { .. } | StoreError::ReadOnly { .. }) => {
            Err(SyncError::MayNotDelete { place: store.label().to_owned() })
        }
        Some(error) => Err(error.into()),
        None => stop.check(),
    }
}

async fn delete_one(store: &SealedRemote, path: &ObjectPath) -> Result<Gone, StoreError> {
    store.delete(path).await?;
    match store.head(path).await {
        Ok(_) => Ok(Gone::No),
        Err(error) if error.is_not_found() => Ok(Gone::Yes),
        Err(error) => Err(error),
    }
}
