//! Freeing local originals: a plan from what is known, then one by one against a proof.

use std::collections::BTreeMap;

use safelight_catalog::{DeviceDb, RemoteId, RemoteRow, SyncState};
use safelight_crypto::OsEntropy;
use safelight_model::Original;
use safelight_sync::{
    FreeOptions, Freeing, Judgement, Problem, RemotePlace, Stop, SyncError, WhyNot, finish_freeing,
};
use serde::Serialize;

use crate::edit::Selection;
use crate::error::Result;
use crate::library::Library;
use crate::monitor::{Monitor, Task, Unwatched};
use crate::objects::held_by;
use crate::remote::at::{Surroundings, reconnect, runtime};
use crate::remote::lock::SyncLock;
use crate::remote::run::{Told, here, until_stopped};
use crate::why::{SaidProblem, Why};

/// What is to be freed, and against whom.
#[derive(Debug, Clone, Copy, Default)]
pub struct FreeRequest<'a> {
    /// The remote whose proof counts; any, when none is named.
    pub remote: Option<&'a str>,
    /// Whether what is not proven is downloaded and opened first.
    pub prove: bool,
}

/// What would be freed against one remote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct FreeAgainst {
    /// The remote.
    pub remote: String,
    /// Originals.
    pub originals: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Originals among them that are proven already.
    pub proven_originals: u64,
    /// When the oldest of these proofs was taken, in milliseconds since 1970.
    pub oldest_proof_millis: Option<i64>,
    /// The same, to be read.
    pub proven_since: Option<String>,
    /// Originals for which the remote's own checksum will be asked.
    pub checksum_originals: u64,
    /// Originals that will be downloaded and opened first.
    pub download_originals: u64,
    /// Bytes of these.
    pub download_bytes: u64,
}

/// Originals whose bytes stay, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Staying {
    /// Why.
    pub reason: String,
    /// The same in a code.
    pub why: Option<Why>,
    /// How many.
    pub originals: u64,
}

impl Staying {
    /// Whether they were never here, or went before: they do not stay.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.why.as_ref().is_some_and(|why| why.code == "not-here")
    }
}

/// What would be freed; consumed by [`Library::free`].
#[must_use = "nothing is freed before the plan is carried out"]
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct FreePlan {
    #[serde(skip)]
    chosen: BTreeMap<usize, Vec<Original>>,
    #[serde(skip)]
    rows: Vec<RemoteRow>,
    #[serde(skip)]
    options: Option<FreeOptions>,
    /// Originals that would be freed.
    pub originals: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Against which proofs.
    pub against: Vec<FreeAgainst>,
    /// What stays.
    pub staying: Vec<Staying>,
}

/// What freeing came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct FreeReport {
    /// Originals that rest in remotes only now.
    pub freed_originals: u64,
    /// Sealed bytes that went.
    pub freed_bytes: u64,
    /// What stayed.
    pub staying: Vec<Staying>,
    /// What is wrong with single objects, in words.
    pub problems: Vec<String>,
    /// The same with codes.
    pub told: Vec<SaidProblem>,
}

impl Staying {
    fn because(reason: &impl ToString, originals: u64) -> Self {
        let reason = reason.to_string();
        Self { why: Why::of(&reason), reason, originals }
    }

    /// Stays because a remote cannot be used that holds it.
    fn with_remote(remote: &str, error: &dyn std::error::Error, originals: u64) -> Self {
        let detail = error.to_string();
        let why = Some(Why::remote_failed(remote, &detail));
        Self { why, reason: format!("{remote}: {detail}"), originals }
    }
}

/// Counts why originals stay.
#[derive(Debug, Default)]
pub(super) struct Reasons(BTreeMap<WhyNot, u64>);

impl Reasons {
    pub(super) fn add(&mut self, why: WhyNot) {
        *self.0.entry(why).or_default() += 1;
    }

    pub(super) fn into_staying(self) -> Vec<Staying> {
        let each = self.0.into_iter();
        each.map(|(why, originals)| Staying::because(&why, originals)).collect()
    }
}

impl FreePlan {
    /// Whether there is nothing to free.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.originals == 0
    }
}

impl Library {
    /// What freeing a selection would do, from what is known here: no request is made.
    ///
    /// # Errors
    /// [`LibraryError::NoRemote`](crate::LibraryError::NoRemote), and those of the databases.
    pub fn plan_free(
        &mut self,
        selection: &Selection,
        request: &FreeRequest<'_>,
        surroundings: &Surroundings,
    ) -> Result<FreePlan> {
        self.folder.require_writable()?;
        let rows = self.remote_rows(request.remote)?;
        let options = FreeOptions {
            proof_millis: self.local_settings()?.proof_millis(),
            download: request.prove,
            is_enough: request.remote.is_some(),
        };
        let pinned = self.pinned()?;
        let mut originals = Vec::new();
        let mut reasons = Reasons::default();
        for asset in selection.assets() {
            let Some(state) = self.catalog().asset_state(*asset)? else { continue };
            let held = held_by(&state);
            if pinned.has(*asset, &state) {
                held.iter().for_each(|_| reasons.add(WhyNot::Pinned));
            } else {
                originals.extend(held);
            }
        }
        let runtime = runtime()?;
        let (mut places, mut unreachable, mut first_error) = (Vec::new(), Vec::new(), None);
        for row in rows {
            // With its capabilities known nothing is asked, but a folder may be away.
            match runtime.block_on(reconnect(&row, self.keeper(&row)?, surroundings)) {
                Ok((place, _)) => places.push((row, place)),
                Err(error) => {
                    unreachable.push((row.id, Staying::with_remote(&row.name, &error, 1)));
                    first_error = first_error.or(Some(error));
                }
            }
        }
        if let Some(error) = first_error.filter(|_| places.is_empty()) {
            return Err(error);
        }
        let (rows, places): (Vec<RemoteRow>, Vec<RemotePlace>) = places.into_iter().unzip();
        let (mut keys, mut entropy, told, stop) = (None, OsEntropy, Told(&Unwatched), Stop::default());
        let here = here(self, &mut keys, &mut entropy, &told, &stop);
        let mut plan = FreePlan { options: Some(options), ..FreePlan::default() };
        let mut against: Vec<FreeAgainst> = rows
            .iter()
            .map(|row| FreeAgainst { remote: row.name.clone(), ..FreeAgainst::default() })
            .collect();
        let freeing: Vec<Freeing> =
            places.iter().map(|at| Freeing::plan(&here, at, options)).collect::<Result<_, SyncError>>()?;
        for original in originals {
            let mut best = (usize::MAX, Judgement::No(WhyNot::NotHere));
            for (index, at) in places.iter().enumerate() {
                let Some(freeing) = freeing.get(index) else { continue };
                let judgement = freeing.judge(&here, at, &original)?;
                if best.0 == usize::MAX || is_better(judgement, best.1) {
                    best = (index, judgement);
                }
            }
            let (index, judgement) = best;
            let Some(entry) = against.get_mut(index) else { continue };
            if let Judgement::No(why) = judgement {
                match held_at(here.device, &original, &unreachable)? {
                    Some(staying) => merge(&mut plan.staying, vec![staying.clone()]),
                    None => reasons.add(why),
                }
                continue;
            }
            entry.add(judgement, original.size_bytes);
            plan.originals += 1;
            plan.bytes += original.size_bytes;
            plan.chosen.entry(index).or_default().push(original);
        }
        against.retain(|entry| entry.originals > 0);
        for entry in &mut against {
            let oldest = entry.oldest_proof_millis.and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
            entry.proven_since = oldest.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
        }
        plan.against = against;
        merge(&mut plan.staying, reasons.into_staying());
        plan.rows = rows;
        Ok(plan)
    }

    /// Frees what was planned, each against a proof that is taken or checked at this moment.
    ///
    /// # Errors
    /// What concerns a whole remote, where nothing went at any; what was freed before stays so. Where something went,
    /// the report says why the rest stays.
    pub fn free(
        &mut self,
        plan: FreePlan,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<FreeReport> {
        self.folder.require_writable()?;
        let mut report = FreeReport { staying: plan.staying, ..FreeReport::default() };
        let Some(options) = plan.options else { return Ok(report) };
        let _only = SyncLock::take_to_remove(&self.folder)?;
        self.notice_vanished(monitor)?;
        let runtime = runtime()?;
        let stop = Stop::default();
        let mut gone = Vec::new();
        monitor.begin(Task::Free, Some(plan.originals), Some(plan.bytes));
        let mut reasons = Reasons::default();
        let mut first_error = None;
        for (index, originals) in &plan.chosen {
            let Some(row) = plan.rows.get(*index) else { continue };
            let mut tried = 0;
            let result = runtime.block_on(async {
                let (at, _) = reconnect(row, self.keeper(row)?, surroundings).await?;
                let (told, mut keys, mut entropy) = (Told(monitor), None, OsEntropy);
                let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
                let mut tally =
                    Tally { report: &mut report, reasons: &mut reasons, gone: &mut gone, tried: &mut tried };
                let work = free_each(&mut here, &at, options, originals, monitor, &mut tally);
                until_stopped(work, &stop, monitor).await
            });
            if let Err(error) = result {
                // What another remote holds may still go, unless somebody asked to stop.
                let untried = (originals.len() as u64).saturating_sub(tried);
                merge(&mut report.staying, vec![Staying::with_remote(&row.name, &error, untried)]);
                let is_over = monitor.cancelled() || stop.is_asked();
                first_error = first_error.or(Some(error));
                if is_over {
                    break;
                }
            }
        }
        monitor.end();
        if !gone.is_empty() {
            self.remember_shards()?;
        }
        // A copy that was damaged here is not missed: the remote's was proven.
        for content in &gone {
            self.damaged.forget(&mut self.device, content)?;
        }
        merge(&mut report.staying, reasons.into_staying());
        report.told = SaidProblem::all(&report.problems, &[]);
        match first_error {
            // What went is said, and why the rest did not.
            Some(error) if report.freed_originals == 0 || monitor.cancelled() => Err(error),
            _ => Ok(report),
        }
    }
}

/// What a run over one remote counts, however it ends.
struct Tally<'a> {
    report: &'a mut FreeReport,
    reasons: &'a mut Reasons,
    gone: &'a mut Vec<safelight_crypto::ContentHash>,
    tried: &'a mut u64,
}

async fn free_each(
    here: &mut safelight_sync::Here<'_>,
    at: &RemotePlace,
    options: FreeOptions,
    originals: &[Original],
    monitor: &dyn Monitor,
    tally: &mut Tally<'_>,
) -> Result<(), SyncError> {
    let mut problems = Vec::new();
    let result = try_each(here, at, options, originals, monitor, tally, &mut problems).await;
    tally.report.problems.extend(problems.iter().map(ToString::to_string));
    result
}

async fn try_each(
    here: &mut safelight_sync::Here<'_>,
    at: &RemotePlace,
    options: FreeOptions,
    originals: &[Original],
    monitor: &dyn Monitor,
    tally: &mut Tally<'_>,
    problems: &mut Vec<Problem>,
) -> Result<(), SyncError> {
    finish_freeing(here)?;
    let ready = Freeing::begin(here, at, options, problems).await?;
    for original in originals {
        here.stop.check()?;
        match ready.prove(here, at, original, problems).await? {
            Ok(proof) => {
                tally.report.freed_bytes += proof.free(here)?;
                tally.report.freed_originals += 1;
                tally.gone.push(original.content);
                monitor.advance(1, original.size_bytes);
            }
            Err(why) => tally.reasons.add(why),
        }
        *tally.tried += 1;
    }
    Ok(())
}

impl FreeAgainst {
    fn add(&mut self, judgement: Judgement, bytes: u64) {
        self.originals += 1;
        self.bytes += bytes;
        match judgement {
            Judgement::Proven(since) => {
                self.proven_originals += 1;
                self.oldest_proof_millis =
                    Some(self.oldest_proof_millis.map_or(since, |other| other.min(since)));
            }
            Judgement::ByChecksum => self.checksum_originals += 1,
            Judgement::ByDownload => {
                self.download_originals += 1;
                self.download_bytes += bytes;
            }
            Judgement::No(_) => {}
        }
    }
}

/// Which of two places is to vouch: a proof before a checksum before a download, and of refusals the one that came
/// closest.
fn is_better(one: Judgement, other: Judgement) -> bool {
    let rank = |judgement| match judgement {
        Judgement::Proven(_) => 3,
        Judgement::ByChecksum => 2,
        Judgement::ByDownload => 1,
        Judgement::No(_) => 0,
    };
    match (one, other) {
        (Judgement::No(one), Judgement::No(other)) => one > other,
        (Judgement::Proven(one), Judgement::Proven(other)) => one > other,
        _ => rank(one) > rank(other),
    }
}

/// Why an original stays that a remote holds which is out of reach.
fn held_at<'a>(
    device: &DeviceDb,
    original: &Original,
    unreachable: &'a [(RemoteId, Staying)],
) -> Result<Option<&'a Staying>> {
    let rows = device.original_at_remotes(&original.content)?;
    let holds = |id| rows.iter().any(|(at, row)| *at == id && row.state == SyncState::Synced);
    Ok(unreachable.iter().find(|(id, _)| holds(*id)).map(|(_, staying)| staying))
}

fn merge(staying: &mut Vec<Staying>, more: Vec<Staying>) {
    for new in more {
        match staying.iter_mut().find(|known| known.reason == new.reason) {
            Some(known) => known.originals += new.originals,
            None => staying.push(new),
        }
    }
}
