//! Syncing and fetching: the futures of `safelight-sync`, run to their end.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use safelight_catalog::{Exposure, PolicyKind, RemoteId, RemoteRow};
use safelight_crypto::{Device, Epoch, EpochId, Keyring, OsEntropy, WordsCard};
use safelight_model::{RenditionKind, Storage};
use safelight_store::FolderPlace;
use safelight_store::layer::Counting;
use safelight_sync::{
    Here, KeyStore, Problem as SyncProblem, Stop, SyncError, SyncOptions, Transfer,
    ask_again_for_small_originals, fetch_original, plan, sync, witnesses_history,
};
use serde::Serialize;

use super::at::{Surroundings, reconnect, runtime};
use super::daily::Capped;
use super::local::{LocalOutcome, after_sync, would_leave};
use super::lock::SyncLock;
use super::plan::SyncPlan;
use super::sweep::sweep;
use super::terms::{Hushed, MinuteOfDay};
use crate::edit::Selection;
use crate::effects::{now_millis, now_stamp_millis};
use crate::error::{LibraryError, Result, with_causes};
use crate::folder::LibraryFolder;
use crate::inbox::InboxReport;
use crate::keys::UnlockedKeys;
use crate::library::Library;
use crate::monitor::{Monitor, Problem, Task};
use crate::objects::held_by;
use crate::why::{SaidProblem, Why};

/// How often somebody's wish to stop is looked for while nothing else happens.
const LOOK: Duration = Duration::from_millis(150);

/// Requests and bytes on the wire, as they were really made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Traffic {
    /// Requests, repeated ones too.
    pub requests: u64,
    /// Bytes that went up.
    pub up_bytes: u64,
    /// Bytes that came down.
    pub down_bytes: u64,
}

/// What a sync with one remote came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct SyncOutcome {
    /// The remote.
    pub remote: String,
    /// Why it ended early, where something concerns the whole remote; the numbers are then unknown and zero.
    pub error: Option<String>,
    /// The same in a code.
    pub error_why: Option<Why>,
    /// When its quiet hours end, if they kept it from being used, or from being used on; the numbers are then zero.
    pub quiet_until: Option<String>,
    /// What can be done about that.
    pub hint: Option<String>,
    /// Segments of history that were put.
    pub sent_segments: u64,
    /// Segments of history that were taken in.
    pub taken_segments: u64,
    /// Packs that other devices put there and that were read: of thumbnails, of previews, of small originals.
    pub taken_packs: u64,
    /// Packs that were put: of thumbnails, of previews, of small originals.
    pub sent_packs: u64,
    /// Those of them that hold small originals.
    pub sent_original_packs: u64,
    /// Originals that the remote now holds whole.
    pub synced_originals: u64,
    /// What it did for the originals of this device.
    pub local: LocalOutcome,
    /// What waits for consent, because the policy came to expose so much at once.
    pub held: Option<HeldBack>,
    /// Why photos wait, if the daily cap is reached; they go with the first sync after that.
    pub capped: Option<Capped>,
    /// What became of what devices that only upload left there.
    pub uploads: InboxReport,
    /// Leftovers of interrupted uploads that were removed.
    pub swept: u64,
    /// Pages of a checkpoint that were put; none when no checkpoint was due.
    pub sent_pages: u64,
    /// What is wrong with single objects, in words.
    pub problems: Vec<String>,
    /// What is merely worth knowing, in words: a copy of this device, a repaired object.
    pub notices: Vec<String>,
    /// Both with codes.
    pub told: Vec<SaidProblem>,
    /// What went over the wire.
    pub traffic: Traffic,
}

/// What a sync with all remotes came to: what became of one hides nothing of the others.
#[derive(Debug)]
pub struct SyncRun {
    /// One for each remote that was begun with, in their order; those that only archive come last.
    pub outcomes: Vec<SyncOutcome>,
    /// The first error that concerns a whole remote.
    pub first_error: Option<LibraryError>,
}

impl SyncRun {
    /// Why nothing was done, where that is so: the first error, if all remotes failed.
    #[must_use]
    pub fn into_failure(self) -> Option<LibraryError> {
        let all_failed = self.outcomes.iter().all(|outcome| outcome.error.is_some());
        self.first_error.filter(|_| all_failed)
    }
}

impl SyncOutcome {
    /// Adds what a second sync with the same remote came to.
    fn add(&mut self, second: Self) {
        self.sent_segments += second.sent_segments;
        self.taken_segments += second.taken_segments;
        self.taken_packs += second.taken_packs;
        self.sent_packs += second.sent_packs;
        self.sent_original_packs += second.sent_original_packs;
        self.synced_originals += second.synced_originals;
        self.local.add(&second.local);
        self.held = second.held;
        self.capped = second.capped;
        self.sent_pages += second.sent_pages;
        for problem in second.problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        for notice in second.notices {
            if !self.notices.contains(&notice) {
                self.notices.push(notice);
            }
        }
        self.traffic.requests += second.traffic.requests;
        self.traffic.up_bytes += second.traffic.up_bytes;
        self.traffic.down_bytes += second.traffic.down_bytes;
    }
}

/// What fetching originals came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct FetchReport {
    /// Originals that are here now and were not before.
    pub fetched_originals: u64,
    /// Originals that were here already.
    pub present_originals: u64,
    /// Originals that are archived in a remote and wait for a thaw; they are told to the monitor.
    pub archived_originals: u64,
    /// Originals that no remote had whole; they are told to the monitor.
    pub failed_originals: u64,
    /// Those among them that were found in none of the remotes that answered.
    pub not_held_originals: u64,
    /// The devices that keep one of these, as far as the history tells: only they can bring it.
    pub kept_by: Vec<String>,
    /// Remotes that were not asked, because they could not be reached.
    pub unreached: Vec<String>,
    /// Sealed bytes that came down.
    pub fetched_bytes: u64,
}

/// What of a sync is for a person to say.
#[derive(Debug, Clone, Copy, Default)]
pub struct SyncRequest<'a> {
    /// The remote; all of them when none is named.
    pub remote: Option<&'a str>,
    /// Whether whatever policies newly expose may go.
    pub consent: bool,
    /// Whether the link costs nothing, as far as is known.
    pub is_unmetered: bool,
    /// Whether quiet hours are passed over.
    pub despite_quiet: bool,
    /// Whether it follows others by itself: what failed then waits for its time.
    pub is_repeated: bool,
    /// Whether uploads are taken in beyond what is taken on one day, and those that were put aside are looked at again.
    pub insists_on_uploads: bool,
}

/// What waits for a person's consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct HeldBack {
    /// Originals.
    pub originals: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl HeldBack {
    pub(super) fn of(exposure: Exposure) -> Self {
        Self { originals: exposure.originals, bytes: exposure.bytes }
    }
}

impl Library {
    /// Syncs with one remote, or with all. History first, then thumbnails, then originals, newest first.
    ///
    /// A monitor that is cancelled ends it between two actions; what was acknowledged is recorded.
    ///
    /// # Errors
    /// [`LibraryError::NoRemote`], and what concerns this library. What concerns one remote is in its outcome.
    pub fn sync(
        &mut self,
        request: &SyncRequest<'_>,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<SyncRun> {
        self.folder.require_writable()?;
        let remote = request.remote;
        let rows = self.rows_to_sync(remote)?;
        if rows.is_empty() {
            // There are backups alone, and none is due.
            return Ok(SyncRun { outcomes: Vec::new(), first_error: None });
        }
        let _only = SyncLock::take(&self.folder)?;
        self.notice_vanished(monitor)?;
        let runtime = runtime()?;
        let mut run = SyncRun { outcomes: Vec::new(), first_error: None };
        let mut late = Vec::new();
        let is_one = rows.len() == 1;
        for row in rows {
            let mut terms = self.terms_of(&row)?;
            terms.quiet = terms.quiet.filter(|_| !request.despite_quiet);
            let hushed = Hushed { monitor, terms, clock: surroundings.clock };
            let quiet = |row: RemoteRow, until: MinuteOfDay| SyncOutcome {
                remote: row.name,
                quiet_until: Some(until.to_string()),
                ..SyncOutcome::default()
            };
            if let Some(until) = hushed.quiet_until() {
                run.outcomes.push(quiet(row, until));
                continue;
            }
            monitor.begin(Task::Sync, None, None);
            let result = self.sync_with(&row, request, &runtime, surroundings, &hushed);
            monitor.end();
            // It may have ended between reading who left and acting on it.
            self.settle_epoch()?;
            if let (Err(LibraryError::Sync(SyncError::Stopped)), Some(until)) =
                (&result, hushed.quiet_until())
            {
                run.outcomes.push(quiet(row, until));
                continue;
            }
            match result {
                Ok((mut outcome, mut problems)) => {
                    self.take_and_clear_uploads(
                        &row,
                        request,
                        (&runtime, surroundings, &hushed),
                        (&mut outcome, &mut problems),
                    )?;
                    self.note_backup(&row, &outcome)?;
                    late.extend(problems.into_iter().map(|problem| (run.outcomes.len(), problem)));
                    run.outcomes.push(outcome);
                }
                Err(error) => {
                    let (text, hint) = (with_causes(&error), error.hint_at(&row.name));
                    // Of one alone the caller hears once.
                    if !is_one {
                        monitor.problem(&Problem::failure(&row.name, text.clone()));
                    }
                    self.device.record_sync(row.id, now_millis(), Some(&text))?;
                    run.outcomes.push(SyncOutcome {
                        remote: row.name,
                        error_why: Why::of(&text),
                        error: Some(text),
                        hint,
                        ..SyncOutcome::default()
                    });
                    run.first_error = run.first_error.or(Some(error));
                }
            }
            if monitor.cancelled() {
                break;
            }
        }
        if run.outcomes.iter().any(|outcome| outcome.local.freed_originals > 0) {
            self.remember_shards()?;
        }
        if !monitor.cancelled() {
            self.draw_lost(monitor)?;
        }
        self.tell_late(late, &mut run.outcomes, monitor)?;
        // Another device may have forgotten photos.
        self.finish_reclaiming()?;
        // What another device made of this day has come by now; one that is made here goes out with the next sync.
        self.keep_snapshots()?;
        for outcome in &mut run.outcomes {
            outcome.told = SaidProblem::all(&outcome.problems, &outcome.notices);
        }
        Ok(run)
    }

    /// Takes in what devices that only upload left in a remote that was just synced, sends what came of it, and removes what is
    /// safe by then. What fails there does not undo the sync.
    fn take_and_clear_uploads(
        &mut self,
        row: &RemoteRow,
        request: &SyncRequest<'_>,
        (runtime, surroundings, monitor): (&tokio::runtime::Runtime, &Surroundings, &dyn Monitor),
        (outcome, problems): (&mut SyncOutcome, &mut Vec<SyncProblem>),
    ) -> Result<()> {
        let taken = self.take_uploads(row, request.insists_on_uploads, runtime, surroundings, monitor);
        let cleared = taken.and_then(|mut report| {
            if report.taken + report.known > 0 {
                let (second, late) = self.sync_with(row, request, runtime, surroundings, monitor)?;
                outcome.add(second);
                problems.extend(late);
            }
            self.clear_taken_uploads(row, &mut report, runtime, surroundings)?;
            outcome.uploads = report;
            Ok(())
        });
        match cleared {
            Ok(()) => Ok(()),
            Err(LibraryError::Cancelled) => Ok(()),
            Err(error @ (LibraryError::Catalog(_) | LibraryError::Folder(_))) => Err(error),
            Err(error) => {
                let reason = with_causes(&error);
                monitor.problem(&Problem::failure(&row.name, reason.clone()));
                outcome.problems.push(reason);
                Ok(())
            }
        }
    }

    /// The remotes in the order in which they are synced: that added first, and those that only archive after all others,
    /// so that nothing leaves this device before everybody has it who asks for it.
    fn rows_to_sync(&self, remote: Option<&str>) -> Result<Vec<RemoteRow>> {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for row in self.remote_rows(remote)? {
            if remote.is_none() && self.rests_until_due(&row)? {
                continue;
            }
            let only_archives = self.device.policy(row.id)?.kind == PolicyKind::ArchiveOnly;
            if only_archives { last.push(row) } else { first.push(row) }
        }
        first.append(&mut last);
        Ok(first)
    }

    /// Tells what was not here yet when a remote was read and did not come from another one either.
    fn tell_late(
        &mut self,
        late: Vec<(usize, SyncProblem)>,
        outcomes: &mut [SyncOutcome],
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let (stop, told, mut keys, mut entropy) = (Stop::default(), Told(monitor), None, OsEntropy);
        let here = here(self, &mut keys, &mut entropy, &told, &stop);
        for (which, problem) in late {
            if problem.has_come(&here)? {
                continue;
            }
            here.monitor.problem(&problem);
            if let Some(outcome) = outcomes.get_mut(which) {
                outcome.problems.push(problem.to_string());
            }
        }
        Ok(())
    }

    fn sync_with(
        &mut self,
        row: &RemoteRow,
        request: &SyncRequest<'_>,
        runtime: &tokio::runtime::Runtime,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<(SyncOutcome, Vec<SyncProblem>)> {
        let stop = Stop::default();
        let keeper = self.keeper(row)?;
        let is_time_to_sweep = self.is_time_to_sweep(row)?;
        let options = self.sync_options(row, request)?;
        let wishes = self.wishes()?;
        let (mut healed, mut is_witness) = (Vec::new(), false);
        let is_unwitnessed = self.is_unwitnessed()?;
        let outcome = runtime.block_on(async {
            let (at, counting) = reconnect(row, keeper, surroundings).await?;
            let (told, mut keys) = (ToldInTime(Told(monitor)), None);
            let mut entropy = OsEntropy;
            let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
            if is_unwitnessed {
                let asking = witnesses_history(&mut here, &at);
                is_witness = until_stopped(asking, &stop, monitor).await?;
            }
            let mut report = until_stopped(sync(&mut here, &at, &options), &stop, monitor).await?;
            let looking = after_sync(&mut here, &at, &wishes, &mut report.problems, &mut healed);
            let mut local = until_stopped(looking, &stop, monitor).await?;
            local.fetched_originals += report.fetched_originals;
            let problems = report.history.problems.iter().chain(&report.problems);
            let (late, problems): (Vec<_>, Vec<_>) = problems.partition(|one| one.may_be_late());
            let late: Vec<SyncProblem> = late.into_iter().cloned().collect();
            let (notices, problems): (Vec<_>, Vec<_>) = problems.into_iter().partition(|one| is_notice(one));
            let words = |problems: Vec<&SyncProblem>| problems.iter().map(ToString::to_string).collect();
            let swept = if is_time_to_sweep && !monitor.cancelled() { sweep(&at.store).await } else { 0 };
            let outcome = SyncOutcome {
                remote: row.name.clone(),
                error: None,
                error_why: None,
                quiet_until: None,
                hint: None,
                sent_segments: report.history.sent_segments,
                taken_segments: report.history.taken_segments,
                taken_packs: report.learnt_packs,
                sent_packs: report.sent_packs,
                sent_original_packs: report.sent_original_packs,
                synced_originals: report.synced_originals,
                local,
                held: report.held.map(HeldBack::of),
                capped: report.capped.and_then(|capped| Capped::of(&row.name, &capped)),
                sent_pages: report.sent_pages,
                uploads: InboxReport::default(),
                swept,
                problems: words(problems),
                notices: words(notices),
                told: Vec::new(),
                traffic: traffic(&counting),
            };
            Ok::<_, LibraryError>((outcome, late))
        });
        // What became whole is so, also when something failed after it.
        for content in &healed {
            self.clear_damage(content)?;
        }
        let (outcome, late) = outcome?;
        if is_witness && outcome.problems.is_empty() && late.is_empty() {
            self.witness()?;
        }
        if is_time_to_sweep && !monitor.cancelled() {
            self.note_sweep(row)?;
        }
        Ok((outcome, late))
    }

    fn sync_options(&self, row: &RemoteRow, request: &SyncRequest<'_>) -> Result<SyncOptions> {
        let keeps_all = self.local_settings()?.keeps_all();
        Ok(SyncOptions {
            originals_tier: Some(self.originals_tier(row)?),
            fetch_originals: keeps_all,
            fetch_tiny_originals: keeps_all,
            consent: request.consent,
            is_unmetered: request.is_unmetered,
            retry_failed: !request.is_repeated,
            ..SyncOptions::default()
        })
    }

    /// Tells what a sync would send, without a request.
    ///
    /// # Errors
    /// [`LibraryError::NoRemote`], and those of the databases.
    pub fn plan_sync(
        &mut self,
        request: &SyncRequest<'_>,
        surroundings: &Surroundings,
    ) -> Result<Vec<SyncPlan>> {
        self.folder.require_writable()?;
        let rows = self.rows_to_sync(request.remote)?;
        let together: Vec<RemoteId> = rows.iter().map(|row| row.id).collect();
        let runtime = runtime()?;
        let (stop, told) = (Stop::default(), Told(&crate::monitor::Unwatched));
        let (mut plans, mut first_error) = (Vec::new(), None);
        for row in rows {
            let options = self.sync_options(&row, request)?;
            // With its capabilities known nothing is asked; a disk that is not connected hides nothing of the others.
            let at = match runtime.block_on(reconnect(&row, self.keeper(&row)?, surroundings)) {
                Ok((at, _)) => at,
                Err(error) => {
                    let told = Some(with_causes(&error));
                    plans.push(SyncPlan { remote: row.name, error: told, ..SyncPlan::default() });
                    first_error = first_error.or(Some(error));
                    continue;
                }
            };
            let (mut keys, mut entropy) = (None, OsEntropy);
            let wishes = self.wishes()?;
            let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
            let found = plan(&mut here, &at, &options)?;
            let (leaving_originals, leaving_bytes) = would_leave(&here, &together, &at, &wishes)?;
            let has_tiers = !at.store.capabilities().tiers.is_empty();
            let tier = options.originals_tier.filter(|_| has_tiers);
            let prices = self.prices(&row)?;
            let plan = SyncPlan::of(row.name, &found, tier, prices.as_ref());
            plans.push(SyncPlan { leaving_originals, leaving_bytes, ..plan });
        }
        match first_error {
            Some(error) if plans.iter().all(|plan| plan.error.is_some()) => Err(error),
            _ => Ok(plans),
        }
    }

    /// Fetches the originals of a selection from whichever remotes have them; each is proven before it counts.
    ///
    /// # Errors
    /// [`LibraryError::NoRemote`], and what concerns all remotes; originals that nobody has whole are counted.
    pub fn fetch(
        &mut self,
        selection: &Selection,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<FetchReport> {
        let rows = self.remote_rows(None)?;
        // Who fetches an original wants it to stay.
        self.fetch_from_rows(selection, &rows, true, surroundings, monitor)
    }

    /// The same from these remotes alone; unless they are to stay, originals go again as any others may.
    pub(crate) fn fetch_from_rows(
        &mut self,
        selection: &Selection,
        rows: &[RemoteRow],
        are_to_stay: bool,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<FetchReport> {
        self.folder.require_writable()?;
        let mut originals = Vec::new();
        for asset in selection.assets() {
            let Some(state) = self.catalog().asset_state(*asset)? else { continue };
            // A linked file that is where it was is fetched from nowhere.
            let held = held_by(&state).into_iter();
            originals.extend(
                held.filter(|original| original.storage != Storage::Linked || !self.is_linked_here(original)),
            );
        }
        let _only = SyncLock::take(&self.folder)?;
        let runtime = runtime()?;
        let stop = Stop::default();
        let mut report = FetchReport::default();
        monitor.begin(Task::Fetch, None, None);
        let mut whole: Vec<safelight_crypto::ContentHash> = Vec::new();
        let mut not_held = Vec::new();
        let result = runtime.block_on(async {
            let mut places = Vec::new();
            let mut unreachable = None;
            for row in rows {
                match reconnect(row, self.keeper(row)?, surroundings).await {
                    Ok((at, _)) => places.push(at),
                    Err(error) => {
                        report.unreached.push(row.name.clone());
                        unreachable = Some(error);
                    }
                }
            }
            if let Some(error) = unreachable.filter(|_| places.is_empty()) {
                return Err(error);
            }
            let (told, mut keys) = (Told(monitor), None);
            let mut entropy = OsEntropy;
            let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
            let is_unknown = |original: &&safelight_model::Original| {
                let packs = here.device.packs_with(&original.content, RenditionKind::Original);
                original.storage == Storage::Packed && packs.is_ok_and(|packs| packs.is_empty())
            };
            if originals.iter().any(|original| is_unknown(&original)) {
                for at in &places {
                    let mut problems = Vec::new();
                    let asking = ask_again_for_small_originals(&mut here, at, &mut problems);
                    until_stopped(asking, &stop, monitor).await?;
                }
            }
            for original in &originals {
                let mut problems = Vec::new();
                let fetching = fetch_original(&mut here, &places, original, &mut problems);
                match until_stopped(fetching, &stop, monitor).await {
                    // What was here was read for this answer.
                    Ok(0) => {
                        report.present_originals += 1;
                        whole.push(original.content);
                    }
                    Ok(bytes) => {
                        report.fetched_originals += 1;
                        report.fetched_bytes += bytes;
                        whole.push(original.content);
                    }
                    Err(LibraryError::Sync(error)) if error.concerns_one_original() => {
                        if matches!(error, SyncError::Archived { .. }) {
                            report.archived_originals += 1;
                        } else {
                            report.failed_originals += 1;
                        }
                        if matches!(error, SyncError::NotHeld { .. }) {
                            not_held.push(original.content);
                        }
                        let name = original.source.display().to_string();
                        monitor.problem(&Problem::failure(name, error.to_string()));
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        monitor.end();
        for content in &whole {
            self.clear_damage(content)?;
        }
        report.not_held_originals = not_held.len() as u64;
        let mut keepers = BTreeSet::new();
        for content in &not_held {
            keepers.extend(self.keepers_of(content)?);
        }
        let names = self.device_names()?;
        report.kept_by = keepers.into_iter().map(|device| names.called(device)).collect();
        if are_to_stay {
            self.device.keep_here(originals.iter().map(|original| &original.content))?;
        }
        result.map(|()| report)
    }
}

fn traffic(counting: &Counting) -> Traffic {
    let total = counting.total();
    Traffic { requests: total.requests, up_bytes: total.up_bytes, down_bytes: total.down_bytes }
}

/// What is worth knowing but needs nobody to act.
pub(super) fn is_notice(problem: &SyncProblem) -> bool {
    matches!(
        problem,
        SyncProblem::Repaired { .. }
            | SyncProblem::Rewritten { .. }
            | SyncProblem::Stranger { .. }
            | SyncProblem::NotThere { .. }
            | SyncProblem::HurtHint { .. }
            | SyncProblem::BranchKept { .. }
            | SyncProblem::Quarantined { .. }
            | SyncProblem::WordsReplaced { .. }
            | SyncProblem::WentOnAs { .. }
    )
}

/// Runs a future to its end; a person who wants to stop is heard meanwhile.
pub(super) async fn until_stopped<T>(
    work: impl Future<Output = Result<T, SyncError>>,
    stop: &Stop,
    monitor: &dyn Monitor,
) -> Result<T> {
    let mut work = pin!(work);
    loop {
        if monitor.cancelled() {
            stop.ask();
        }
        if let Ok(result) = tokio::time::timeout(LOOK, &mut work).await {
            return result.map_err(LibraryError::from);
        }
    }
}

/// This device as a sync sees it.
pub(crate) fn here<'a>(
    library: &'a mut Library,
    keys: &'a mut Option<Keys<'a>>,
    entropy: &'a mut OsEntropy,
    told: &'a dyn safelight_sync::Monitor,
    stop: &'a Stop,
) -> Here<'a> {
    let Library { folder, keys: unlocked, catalog, device, place, .. } = library;
    let catalog = catalog.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place: &FolderPlace = place;
    Here {
        catalog,
        device,
        place,
        keys: keys.insert(Keys { folder, keys: unlocked }),
        entropy,
        now: &now_stamp_millis,
        monitor: told,
        stop,
    }
}

/// The keyring of the library folder, which learns epochs that other devices made.
#[derive(Debug)]
pub(crate) struct Keys<'a> {
    folder: &'a LibraryFolder,
    keys: &'a mut UnlockedKeys,
}

impl KeyStore for Keys<'_> {
    fn keyring(&self) -> &Keyring {
        &self.keys.keyring
    }

    fn learn(&mut self, epochs: &[Epoch]) -> Result<(), String> {
        self.keep(|keyring| epochs.iter().for_each(|epoch| keyring.add_epoch(epoch.clone())))
    }

    fn hold(&mut self, epoch: &Epoch) -> Result<(), String> {
        self.keep(|keyring| keyring.hold_epoch(epoch.clone()))
    }

    fn seal_under(&mut self, epoch: &EpochId) -> Result<(), String> {
        let mut is_held = false;
        self.keep(|keyring| is_held = keyring.seal_under(epoch))?;
        if is_held { Ok(()) } else { Err(format!("the secret of epoch {epoch} is not here")) }
    }

    fn take_words(&mut self, words: &WordsCard) -> Result<(), String> {
        // The name of a slot says it first: then a slot of the words before never looks like one of those in force.
        if LibraryFolder::exists(self.folder.path()) {
            let marked = self.folder.keys().mark_recovery_slots_replaced(self.keys);
            marked.map_err(|error| error.to_string())?;
        }
        self.keep(|keyring| keyring.set_words(words.clone()))
    }

    fn succeed(&mut self, device: Device) -> Result<(), String> {
        self.keep(|keyring| keyring.go_on_as(device))
    }
}

impl Keys<'_> {
    /// Keeps the keyring as it is after a change; what other processes learnt stays.
    fn keep(&mut self, change: impl FnOnce(&mut Keyring)) -> Result<(), String> {
        // A library that is being joined writes its keys when they are complete.
        if !LibraryFolder::exists(self.folder.path()) {
            change(&mut self.keys.keyring);
            return Ok(());
        }
        let changed = self.folder.keys().change_keyring(self.keys, change, &mut OsEntropy);
        self.keys.keyring = changed.map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// Tells a library's monitor what a sync tells.
pub(super) struct Told<'a>(pub(super) &'a dyn Monitor);

impl safelight_sync::Monitor for Told<'_> {
    fn problem(&self, problem: &SyncProblem) {
        let reason = problem.to_string();
        self.0.problem(&match is_notice(problem) {
            true => Problem::notice("sync", reason),
            false => Problem::failure("sync", reason),
        });
    }

    fn advance(&self, _: Transfer, bytes: u64) {
        self.0.advance(1, bytes);
    }
}

/// The same, but for what may still come from another remote: that is told at the end.
struct ToldInTime<'a>(Told<'a>);

impl safelight_sync::Monitor for ToldInTime<'_> {
    fn problem(&self, problem: &SyncProblem) {
        if !problem.may_be_late() {
            self.0.problem(problem);
        }
    }

    fn advance(&self, transfer: Transfer, bytes: u64) {
        self.0.advance(transfer, bytes);
    }
}
