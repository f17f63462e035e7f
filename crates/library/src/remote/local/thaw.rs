//! Thawing: asking remotes for what they hold archived, and waiting for it.

use std::collections::BTreeSet;
use std::time::Duration;

use safelight_crypto::OsEntropy;
use safelight_model::{Original, Storage};
use safelight_store::{Tier, Urgency};
use safelight_sync::{Here, RemotePlace, Stop, SyncError, ThawStep, look_at_thaw, thaw_original};
use serde::Serialize;

use crate::edit::Selection;
use crate::error::Result;
use crate::library::Library;
use crate::monitor::{Monitor, Problem, Task};
use crate::objects::held_by;
use crate::remote::at::{Surroundings, reconnect, runtime};
use crate::remote::lock::SyncLock;
use crate::remote::run::{Told, here, until_stopped};

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

/// What one remote holds archived of a selection and was not asked for, and what bringing that back costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ThawCost {
    /// The remote.
    pub remote: String,
    /// Originals.
    pub originals: u64,
    /// Objects that are asked for: parts of 32 MiB.
    pub objects: u64,
    /// Their sealed bytes.
    pub bytes: u64,
    /// About how many US dollars reading them and taking them home costs, at standard priority; none where no prices are
    /// known.
    pub usd: Option<f64>,
    /// Whose prices these are.
    pub prices: Option<String>,
}

/// How the thaw of a selection stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
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
    /// Originals that no remote holds which answered, while another did not answer.
    pub unanswered_originals: u64,
    /// What asking for the archived ones would cost, by remote.
    pub costs: Vec<ThawCost>,
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
            let (mut places, mut names, mut absent) = (Vec::new(), Vec::new(), None);
            for row in &rows {
                match reconnect(row, self.keeper(row)?, surroundings).await {
                    Ok((at, _)) => {
                        places.push(at);
                        names.push(row.name.as_str());
                    }
                    Err(error) => {
                        monitor.problem(&Problem::failure(&row.name, error.to_string()));
                        absent = absent.or(Some(error));
                    }
                }
            }
            let all_answer = absent.is_none();
            if let Some(error) = absent.filter(|_| places.is_empty()) {
                return Err(error);
            }
            let (told, mut keys, mut entropy) = (Told(monitor), None, OsEntropy);
            let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
            let mut ask = wait != ThawWait::Look;
            loop {
                let round = Round { places: &places, names: &names, all_answer, ask: ask.then_some(urgency) };
                let work = round.step(&mut here, &waiting, monitor, &mut report);
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
        result?;
        for cost in &mut report.costs {
            let Some(row) = rows.iter().find(|row| row.name == cost.remote) else { continue };
            let prices = self.prices(row)?;
            cost.usd =
                prices.as_ref().map(|prices| prices.bring_back(Tier::Archive, cost.objects, cost.bytes));
            cost.prices = prices.map(|prices| prices.source);
        }
        Ok(report)
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

/// One round over all that is not readable yet.
struct Round<'a> {
    places: &'a [RemotePlace],
    /// What people call them.
    names: &'a [&'a str],
    /// Whether no remote of this device was absent from the start.
    all_answer: bool,
    ask: Option<Urgency>,
}

impl Round<'_> {
    /// Answers what still is archived or being thawed.
    async fn step(
        &self,
        here: &mut Here<'_>,
        waiting: &[Original],
        monitor: &dyn Monitor,
        report: &mut ThawReport,
    ) -> Result<Vec<Original>, SyncError> {
        // What is missing is not looked at again, and stays counted.
        report.archived_originals = 0;
        report.thawing_originals = 0;
        report.thawing_bytes = 0;
        report.costs.clear();
        let mut still = Vec::new();
        let mut silent = BTreeSet::new();
        for original in waiting {
            let (step, place) = self.best(here, original, &mut silent, monitor).await?;
            match step {
                ThawStep::NotThere if self.all_answer && silent.is_empty() => report.missing_originals += 1,
                ThawStep::NotThere => report.unanswered_originals += 1,
                ThawStep::Readable => {
                    report.readable_originals += 1;
                    monitor.advance(1, original.size_bytes);
                }
                ThawStep::Archived => {
                    report.archived_originals += 1;
                    self.count_cost(place, original, report);
                    report.thawing_bytes += original.size_bytes;
                    still.push(original.clone());
                }
                ThawStep::Thawing { asked_parts } => {
                    report.thawing_originals += 1;
                    report.asked_parts += asked_parts;
                    report.thawing_bytes += original.size_bytes;
                    still.push(original.clone());
                }
            }
        }
        Ok(still)
    }

    /// How an original rests where it can be had soonest, and in which of the places that is. A remote that fails is
    /// `silent` for the rest of the round; one that is the last to fail ends it.
    async fn best(
        &self,
        here: &mut Here<'_>,
        original: &Original,
        silent: &mut BTreeSet<usize>,
        monitor: &dyn Monitor,
    ) -> Result<(ThawStep, usize), SyncError> {
        let mut best = (ThawStep::NotThere, 0);
        for (index, at) in self.places.iter().enumerate() {
            here.stop.check()?;
            if silent.contains(&index) {
                continue;
            }
            match look_at_thaw(here, at, original).await {
                Ok(found) if rank(found) > rank(best.0) => best = (found, index),
                Ok(_) => {}
                Err(SyncError::Store(error)) if silent.len() + 1 < self.places.len() => {
                    silent.insert(index);
                    monitor.problem(&Problem::failure(at.store.label(), error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        // One remote is asked, and only where no other can give it at once.
        match (best, self.ask) {
            ((ThawStep::Archived, index), Some(urgency)) => match self.places.get(index) {
                Some(at) => Ok((thaw_original(here, at, original, urgency).await?, index)),
                None => Ok(best),
            },
            _ => Ok(best),
        }
    }

    fn count_cost(&self, place: usize, original: &Original, report: &mut ThawReport) {
        let Some(name) = self.names.get(place) else { return };
        if report.costs.iter().all(|cost| cost.remote != *name) {
            report.costs.push(ThawCost { remote: (*name).to_owned(), ..ThawCost::default() });
        }
        for cost in report.costs.iter_mut().filter(|cost| cost.remote == *name) {
            cost.originals += 1;
            cost.objects += original.parts.len() as u64;
            cost.bytes += original.parts.iter().map(|part| part.sealed_bytes).sum::<u64>();
        }
    }
}

fn rank(step: ThawStep) -> u8 {
    match step {
        ThawStep::NotThere => 0,
        ThawStep::Archived => 1,
        ThawStep::Thawing { .. } => 2,
        ThawStep::Readable => 3,
    }
}
