//! Thawing: asking remotes for what they hold archived, and waiting for it.

use std::time::Duration;

use safelight_crypto::OsEntropy;
use safelight_model::{Original, Storage};
use safelight_store::Urgency;
use safelight_sync::{Stop, SyncError, ThawStep, look_at_thaw, thaw_original};
use serde::Serialize;

use crate::edit::Selection;
use crate::error::Result;
use crate::library::Library;
use crate::monitor::{Monitor, Task};
use crate::objects::held_by;
use crate::remote::at::{Surroundings, reconnect, runtime};
use crate::remote::run::{SyncLock, Told, here, until_stopped};

/// Whether thawing ends when it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThawWait {
    /// Only look; ask for nothing.
    Look,
    /// Ask, and end.
    Ask,
    /// Ask, and look again after so long until all can be read.
    Until(Duration),
}

/// How the thaw of a selection stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ThawReport {
    /// Originals that are here: nothing to thaw.
    pub here_originals: u64,
    /// Originals that can be read at once.
    pub readable_originals: u64,
    /// Originals that are archived and that nobody asked for.
    pub archived_originals: u64,
    /// Originals that are being thawed.
    pub thawing_originals: u64,
    /// Requests that asked for a thaw: one for each part of 32 MiB.
    pub asked_parts: u64,
    /// Bytes of the originals that are archived or being thawed: what the provider charges for.
    pub thawing_bytes: u64,
    /// Originals that no remote holds.
    pub missing_originals: u64,
}

impl Library {
    /// Asks remotes to thaw what they hold archived of a selection, or looks how that stands.
    ///
    /// # Errors
    /// [`LibraryError::NoRemote`](crate::LibraryError::NoRemote), and what concerns a whole remote.
    pub fn thaw(
        &mut self,
        selection: &Selection,
        wait: ThawWait,
        urgency: Urgency,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<ThawReport> {
        self.folder.require_writable()?;
        let rows = self.remote_rows(None)?;
        let only = SyncLock::take(&self.folder)?;
        let mut report = ThawReport::default();
        let mut waiting = Vec::new();
        for asset in selection.assets() {
            let Some(state) = self.catalog().asset_state(*asset)? else { continue };
            for original in held_by(&state) {
                if self.is_whole_here(&original)? {
                    report.here_originals += 1;
                } else if original.storage != Storage::Packed {
                    waiting.push(original);
                } else {
                    // Packs of small originals are never archived.
                    report.readable_originals += 1;
                }
            }
        }
        let runtime = runtime()?;
        let stop = Stop::default();
        monitor.begin(Task::Thaw, Some(waiting.len() as u64), None);
        let result = runtime.block_on(async {
            let mut places = Vec::new();
            for row in &rows {
                places.push(reconnect(row, self.keeper(row)?, surroundings).await?.0);
            }
            let (told, mut keys, mut entropy) = (Told(monitor), None, OsEntropy);
            let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
            let mut ask = wait != ThawWait::Look;
            loop {
                let work = step(&mut here, &places, &waiting, ask.then_some(urgency), monitor, &mut report);
                waiting = until_stopped(work, &stop, monitor).await?;
                let ThawWait::Until(nap) = wait else { return Ok(()) };
                if waiting.is_empty() {
                    return Ok(());
                }
                ask = false;
                // A thaw takes hours, in which others sync; where there are no locks there is none to give back.
                if let Err(error) = only.pause() {
                    tracing::debug!(%error, "nothing to give back");
                }
                loop {
                    let nap = async {
                        tokio::time::sleep(nap).await;
                        Ok(())
                    };
                    until_stopped_or_asleep(nap, monitor).await?;
                    if only.go_on() {
                        break;
                    }
                }
            }
        });
        monitor.end();
        result.map(|()| report)
    }
}

/// Sleeps, and wakes when somebody wants to stop.
async fn until_stopped_or_asleep(
    nap: impl Future<Output = Result<(), SyncError>>,
    monitor: &dyn Monitor,
) -> Result<()> {
    let mut nap = std::pin::pin!(nap);
    loop {
        if monitor.cancelled() {
            return Err(SyncError::Stopped.into());
        }
        if let Ok(result) = tokio::time::timeout(Duration::from_millis(150), &mut nap).await {
            return Ok(result?);
        }
    }
}

/// One round over all that is not readable yet; answers what still is not.
async fn step(
    here: &mut safelight_sync::Here<'_>,
    places: &[safelight_sync::RemotePlace],
    waiting: &[Original],
    ask: Option<Urgency>,
    monitor: &dyn Monitor,
    report: &mut ThawReport,
) -> Result<Vec<Original>, SyncError> {
    report.archived_originals = 0;
    report.thawing_originals = 0;
    report.thawing_bytes = 0;
    report.missing_originals = 0;
    let mut still = Vec::new();
    for original in waiting {
        here.stop.check()?;
        let mut best = (ThawStep::NotThere, 0);
        for (index, at) in places.iter().enumerate() {
            let found = look_at_thaw(here, at, original).await?;
            if rank(found) > rank(best.0) {
                best = (found, index);
            }
        }
        // One remote is asked, and only where no other can give it at once.
        if let (ThawStep::Archived, index) = best
            && let Some(urgency) = ask
            && let Some(at) = places.get(index)
        {
            best.0 = thaw_original(here, at, original, urgency).await?;
        }
        match best.0 {
            ThawStep::NotThere => report.missing_originals += 1,
            ThawStep::Readable => {
                report.readable_originals += 1;
                monitor.advance(1, original.size_bytes);
                continue;
            }
            ThawStep::Archived => report.archived_originals += 1,
            ThawStep::Thawing { asked_parts } => {
                report.thawing_originals += 1;
                report.asked_parts += asked_parts;
            }
        }
        if best.0 != ThawStep::NotThere {
            report.thawing_bytes += original.size_bytes;
            still.push(original.clone());
        }
    }
    Ok(still)
}

fn rank(step: ThawStep) -> u8 {
    match step {
        ThawStep::NotThere => 0,
        ThawStep::Archived => 1,
        ThawStep::Thawing { .. } => 2,
        ThawStep::Readable => 3,
    }
}
