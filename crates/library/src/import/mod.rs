//! Takes photos in: plan, then run.
//!
//! A plan says what would be read, how many bytes that is and what is free, before anything is copied. The run
//! is a pipeline with bounded queues: a few threads each take one file at a time ([`take`]: read once, seal,
//! probe, render), one writer makes batches durable ([`write`]). Memory is bounded by the threads and the
//! queue, not by the import. An interrupted run is resumed by running it again.

mod anew;
pub(crate) mod facts;
mod held_open;
pub(crate) mod received;
pub(crate) mod rendition;
mod report;
mod room;
mod settle;
mod sidecar;
pub(crate) mod take;
pub(crate) mod write;

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use safelight_catalog::{
    Access, DeviceDb, FileRecord, FileState, NewSource, Source as KnownSource, SourceId,
};
use safelight_crypto::ContentHash;
use safelight_media::PROBE_VERSION;
use safelight_media::pool::Pool;

pub use report::{ImportReport, RefusedCount};
pub(crate) use room::{Kept, Workroom};
pub(crate) use settle::Sighting;

use crate::effects::now_millis;
use crate::error::{ErrorKind, LibraryError, Result};
use crate::known_files::{KnownFiles, outdate_elsewhere, source_path};
use crate::library::{Library, device_key};
use crate::monitor::{Monitor, Problem, Task};
use crate::objects;
use crate::scan::trust::{Trust, judge, sampled_fingerprint, stamp_of};
use crate::scan::{Candidate, Scan, Scanned, path_below};
use take::{Intake, Taking};
use write::Writer;

/// What is to be imported.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Leave originals where they are.
    pub link: bool,
    /// Take every file, not only photos and videos.
    pub all_files: bool,
    /// Remove an original once its sealed copy has been read back and proven.
    pub remove_after_proof: bool,
    /// Files that changed within this time are looked at again at the end, and taken only once they stand still.
    pub settle: Duration,
}

/// So many files at most are removed before what became of them is recorded.
const REMOVED_AT_ONCE: usize = 100;

/// How full the disk may become before a person must agree.
const FREE_SPACE_SHARE: f64 = 0.8;

/// How long a file must stand still where nobody says otherwise.
pub const SETTLE: Duration = Duration::from_secs(3);

/// What an import would do.
#[derive(Debug)]
pub struct ImportPlan {
    request: ImportRequest,
    parts: Vec<PlannedSource>,
    /// Paths that do not exist, beside others that do.
    missing_paths: u64,
    free_bytes: Option<u64>,
}

#[derive(Debug)]
struct PlannedSource {
    source: KnownSource,
    root: PathBuf,
    scanned: Scanned,
    /// Files that changed, too many of them at once to be taken without a person.
    held_back: Vec<Candidate>,
    /// What the files held that are taken in anew.
    held_before: HashSet<ContentHash>,
    /// Whether all of it was looked through.
    is_whole: bool,
}

/// The setting that says by which rules all files of a source were read.
fn read_by(source: SourceId) -> String {
    format!("import/read-by/{}", source.number())
}

impl PlannedSource {
    /// Whether nothing of it waits to stand still.
    fn is_settled(&self) -> bool {
        self.scanned.candidates.is_empty()
            && self.scanned.sidecars.iter().all(|sidecar| sidecar.sighting.is_none())
    }
}

/// Why a file is read again that only looked as it had been when it was taken in.
const CHANGED_UNSEEN: &str = "it was changed although its time was not, so it was not removed; the next import takes in what it holds now";

/// What became of a file that was to be removed after proof.
enum Removal {
    Removed,
    /// It is not as the scan saw it, or not there: the next scan sees what it is.
    Left,
    /// It looks as it did, and holds something else.
    ChangedUnseen,
}

/// What became of the candidates of a source.
struct Taken {
    report: ImportReport,
    /// Those to be taken once more.
    retake: Vec<Candidate>,
    /// Those that were too young to be read.
    young: Vec<Candidate>,
}

impl ImportPlan {
    /// Files that must be read.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.parts.iter().map(|part| part.scanned.candidates.len() as u64).sum()
    }

    /// Their bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let candidates = self.parts.iter().flat_map(|part| &part.scanned.candidates);
        candidates.map(|candidate| candidate.stamp.size_bytes).sum()
    }

    /// How many files changed since they were taken in, too many at once to be taken without a person, and how many the
    /// folders held. Without [`ImportPlan::take_what_changed`] they are left out.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.parts.iter().map(|part| part.held_back.len() as u64).sum()
    }

    /// A person agreed that what changed comes in as new versions.
    pub fn take_what_changed(&mut self) {
        for part in &mut self.parts {
            part.scanned.candidates.append(&mut part.held_back);
            part.held_before = held_before(&part.scanned);
        }
    }

    /// Bytes that are free where the library lies, where that is known.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        self.free_bytes
    }

    /// Whether copying would fill most of what is free, so that a person must agree first. Answers what is free then.
    #[must_use]
    pub fn fills_most_of(&self) -> Option<u64> {
        let free = self.free_bytes.filter(|_| !self.request.link)?;
        (self.bytes() as f64 > free as f64 * FREE_SPACE_SHARE).then_some(free)
    }

    /// Whether originals stay where they are.
    #[must_use]
    pub fn links(&self) -> bool {
        self.request.link
    }

    /// The report of a dry run.
    #[must_use]
    pub fn foretell(&self) -> ImportReport {
        let mut report = self.scan_report();
        report.would_read = self.files();
        report.would_read_bytes = self.bytes();
        report
    }

    fn scan_report(&self) -> ImportReport {
        let mut report = ImportReport { failed: self.missing_paths, ..ImportReport::default() };
        for part in &self.parts {
            report.unchanged += part.scanned.unchanged_files;
            report.refused_before += part.scanned.refused_files;
            report.failed += part.scanned.failed_files;
            report.gone += part.scanned.gone.len() as u64;
            report.opened_to_compare += part.scanned.opened_files;
            report.purged_before += part.scanned.purged.len() as u64;
            report.left_out += part.scanned.left_out;
            report.held_back += part.held_back.len() as u64;
        }
        report
    }
}

/// What the files held that are to be read again.
fn held_before(scanned: &Scanned) -> HashSet<ContentHash> {
    let changed = scanned.candidates.iter().filter_map(|candidate| candidate.remembered.as_ref());
    changed.filter_map(|record| record.content).collect()
}

/// Whether a file holds, as far as samples tell, what was read of it before.
fn holds_the_same(candidate: &Candidate) -> bool {
    let Some(record) = &candidate.remembered else { return false };
    let size_bytes = candidate.stamp.size_bytes;
    let now = || sampled_fingerprint(&take::open_plain(&candidate.path).ok()?, size_bytes).ok();
    record.stamp.size_bytes == size_bytes && record.sampled.is_some() && record.sampled == now()
}

impl Library {
    /// Looks through the paths and says what an import would do. Writes nothing but the sources' names. A path that does
    /// not exist is named and counts as failed, and the others are taken all the same.
    ///
    /// # Errors
    /// When the library is read-only, none of the paths exists, or the device's database fails.
    pub fn plan_import(&mut self, request: &ImportRequest, monitor: &dyn Monitor) -> Result<ImportPlan> {
        let (mut parts, mut missing) = (Vec::new(), Vec::new());
        let mut wanted = self.linked_to_take(request.link)?;
        if !request.link {
            wanted.extend(self.freed_and_lost()?);
        }
        for path in &request.paths {
            let path = match std::fs::canonicalize(path) {
                Ok(path) => path,
                Err(source) if self.is_watched(path)? => {
                    self.mark_offline(path)?;
                    monitor.problem(&Problem::omission(
                        path,
                        format!("offline, nothing in it counts as deleted: {source}"),
                    ));
                    continue;
                }
                Err(source) => {
                    missing.push((path, source));
                    continue;
                }
            };
            parts.push(self.plan_path(&path, request, &wanted, monitor)?);
        }
        let missing_paths = missing.len() as u64;
        if missing.len() == request.paths.len()
            && let Some((path, source)) = missing.pop()
        {
            return Err(LibraryError::reading(path, source));
        }
        for (path, source) in missing {
            monitor.problem(&Problem::failure(path, format!("it cannot be read: {source}")));
        }
        Ok(ImportPlan { request: request.clone(), parts, missing_paths, free_bytes: self.free_bytes() })
    }

    fn plan_path(
        &mut self,
        path: &Path,
        request: &ImportRequest,
        wanted: &HashSet<ContentHash>,
        monitor: &dyn Monitor,
    ) -> Result<PlannedSource> {
        let (source, below) = self.source_for(path, request)?;
        let root = PathBuf::from(std::ffi::OsStr::from_bytes(&source.path));
        let scan = Scan {
            device: &self.device,
            source: source.id,
            root: &root,
            below: &below,
            excluded: vec![self.path().to_owned()],
            refused: request.all_files || self.was_read_by_older_rules(source.id)?,
            wanted,
        };
        let mut scanned = scan.run(monitor)?;
        if self.looks_unmounted(&source, &root, &scanned)? {
            if !self.is_read_only() {
                self.device.set_source_offline(source.id, true)?;
            }
            monitor.problem(&Problem::omission(
                path,
                "it is empty though it held photos before: offline, nothing in it counts as deleted",
            ));
            scanned.gone.clear();
        }
        self.sort_purged(&mut scanned, path, monitor)?;
        let held_back = self.hold_back(&source, &mut scanned, wanted)?;
        let held_before = held_before(&scanned);
        let is_whole = below.as_os_str().is_empty();
        Ok(PlannedSource { source, root, scanned, held_back, held_before, is_whole })
    }

    /// Takes out of a scan what changed, if it is too much at once: an attack looks like that, and so does a program that writes
    /// into every file.
    fn hold_back(
        &self,
        source: &KnownSource,
        scanned: &mut Scanned,
        wanted: &HashSet<ContentHash>,
    ) -> Result<Vec<Candidate>> {
        let may_have_changed = |candidate: &Candidate| {
            candidate.remembered.as_ref().is_some_and(|record| {
                record.state == FileState::Imported
                    && record.stamp != candidate.stamp
                    && record.content.is_some_and(|content| !wanted.contains(&content))
            })
        };
        let changed = scanned.candidates.iter().filter(|candidate| may_have_changed(candidate)).count();
        if changed == 0 {
            return Ok(Vec::new());
        }
        let [imported, ..] = self.device.count_files(source.id)?;
        if self.may_change(&source.path, changed as u64, imported)? {
            return Ok(Vec::new());
        }
        // What was only touched, or copied over itself, is as it was.
        let has_changed = |candidate: &Candidate| may_have_changed(candidate) && !holds_the_same(candidate);
        let every = std::mem::take(&mut scanned.candidates);
        let (mut held, mut rest): (Vec<_>, Vec<_>) = every.into_iter().partition(has_changed);
        if self.may_change(&source.path, held.len() as u64, imported)? {
            rest.append(&mut held);
        }
        scanned.candidates = rest;
        Ok(held)
    }

    /// Whether a source was not read yet by the rules that tell now what is a photo or video: what others refused may be one.
    fn was_read_by_older_rules(&self, source: SourceId) -> Result<bool> {
        let read_by = self.device.setting(&read_by(source))?;
        Ok(read_by.as_deref() != Some(&PROBE_VERSION.to_be_bytes()[..]))
    }

    /// A purge may have been undone by a device that did not know of it; then the file is one that is unchanged. One
    /// that was asked for by name is named.
    fn sort_purged(&mut self, scanned: &mut Scanned, path: &Path, monitor: &dyn Monitor) -> Result<()> {
        let mut purged = Vec::new();
        for candidate in std::mem::take(&mut scanned.purged) {
            let Some(record) = &candidate.remembered else { continue };
            let is_back = match record.content {
                Some(content) => self.catalog().find_content(content)?.is_some(),
                None => false,
            };
            if is_back {
                scanned.unchanged_files += 1;
                let record =
                    FileRecord { stamp: candidate.stamp, state: FileState::Imported, ..record.clone() };
                scanned.refreshed.push(record);
                continue;
            }
            if candidate.path == path {
                let reason = "it was removed from the library before (trash empty); a copy, or the file after touch, \
                              comes in as a new photo";
                monitor.problem(&Problem::omission(path, reason));
            }
            purged.push(candidate);
        }
        scanned.purged = purged;
        Ok(())
    }

    /// A folder that held files and is now wholly empty is a mount that is missing, unless everything was moved out of it.
    fn looks_unmounted(&self, source: &KnownSource, root: &Path, scanned: &Scanned) -> Result<bool> {
        let known = scanned.unchanged_files + scanned.refused_files + scanned.failed_files + scanned.left_out;
        let met = known + (scanned.candidates.len() + scanned.sidecars.len() + scanned.purged.len()) as u64;
        let [imported, ..] = self.device.count_files(source.id)?;
        if met > 0 || imported == 0 || scanned.gone.is_empty() {
            return Ok(false);
        }
        let files = KnownFiles::of(&self.device, self.keyring().device().id())?;
        for record in &scanned.gone {
            if !was_moved_elsewhere(root, record, &files)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The source that a path belongs to: a known one that holds it, or a new one.
    fn source_for(&mut self, path: &Path, request: &ImportRequest) -> Result<(KnownSource, PathBuf)> {
        let holder = self
            .device
            .sources()?
            .into_iter()
            .filter(|source| path.starts_with(std::ffi::OsStr::from_bytes(&source.path)))
            .max_by_key(|source| source.path.len());
        if let Some(source) = holder {
            let root = Path::new(std::ffi::OsStr::from_bytes(&source.path));
            let below = path.strip_prefix(root).map(Path::to_owned).unwrap_or_default();
            return Ok((source, below));
        }
        let new = NewSource {
            path: path.as_os_str().as_bytes(),
            watched: false,
            link: request.link,
            remove_after_proof: false,
            now_millis: now_millis(),
        };
        let source = match self.is_read_only() {
            true => KnownSource::unremembered(&new),
            false => self.device.add_source(&new)?,
        };
        Ok((source, PathBuf::new()))
    }

    /// Runs a plan. What was reported as imported is durable when this returns, also with an error.
    ///
    /// # Errors
    /// When the library or the machine fails; what is wrong with single files is in the report and was
    /// told to the monitor.
    pub fn import(&mut self, plan: ImportPlan, monitor: &dyn Monitor) -> Result<ImportReport> {
        self.prepare_to_write()?;
        let mut report = plan.scan_report();
        monitor.begin(Task::Import, Some(plan.files()), Some(plan.bytes()));
        let outcome = self.import_parts(&plan.request, plan.parts, &mut report, monitor);
        monitor.end();
        outcome?;
        self.keep_snapshots()?;
        Ok(report)
    }

    fn import_parts(
        &mut self,
        request: &ImportRequest,
        mut parts: Vec<PlannedSource>,
        report: &mut ImportReport,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        for part in &parts {
            self.tell_brake(part)?;
            self.say_what_is_back(part.source.id, &part.root, &part.scanned)?;
        }
        self.take_each(request, &mut parts, settle::LATER_LOOKS, report, monitor)?;
        settle::sight_sidecars(&mut parts, request.settle);
        for looks_left in (0..settle::LATER_LOOKS).rev() {
            if parts.iter().all(PlannedSource::is_settled) {
                break;
            }
            monitor.end();
            settle::wait_until_due(&parts, monitor);
            let rest = parts.iter().map(|part| part.scanned.candidates.len() as u64).sum();
            monitor.begin(Task::Import, Some(rest), None);
            self.take_each(request, &mut parts, looks_left, report, monitor)?;
            settle::sight_sidecars(&mut parts, request.settle);
        }
        for part in parts {
            if monitor.cancelled() {
                break;
            }
            self.finish_source(request, part, report, monitor)?;
        }
        self.read_others_anew(report, monitor)
    }

    /// Puts the brake on for what is held back of a source; where nothing is, it comes off.
    fn tell_brake(&mut self, part: &PlannedSource) -> Result<()> {
        if part.held_back.is_empty() {
            return if part.is_whole { self.note_all_taken(&part.source.path) } else { Ok(()) };
        }
        let [imported, ..] = self.device.count_files(part.source.id)?;
        let first = part.held_back.iter().map(|candidate| candidate.stamp.modified_nanos / 1_000_000).min();
        let held = part.held_back.len() as u64;
        self.note_held_back(&part.source.path, held, imported, first.unwrap_or_default())
    }

    /// Takes the candidates of all sources in, first those at paths that held nothing: a photo that was found there is
    /// known to be elsewhere when the path is met that it left to another one.
    fn take_each(
        &mut self,
        request: &ImportRequest,
        parts: &mut [PlannedSource],
        looks_left: usize,
        report: &mut ImportReport,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let held_nothing = |candidate: &Candidate| {
            candidate.remembered.as_ref().is_none_or(|record| record.content.is_none())
        };
        for is_first in [true, false] {
            for part in &mut *parts {
                let every = std::mem::take(&mut part.scanned.candidates);
                let (due, rest) = every.into_iter().partition(|each| held_nothing(each) == is_first);
                part.scanned.candidates = rest;
                self.take_in(request, part, due, looks_left, report, monitor)?;
            }
        }
        Ok(())
    }

    /// Takes candidates of a source in; those that were too young to be read become its candidates again.
    fn take_in(
        &mut self,
        request: &ImportRequest,
        part: &mut PlannedSource,
        mut candidates: Vec<Candidate>,
        looks_left: usize,
        report: &mut ImportReport,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        if candidates.is_empty() || monitor.cancelled() {
            return Ok(());
        }
        let pool = self.pool()?;
        // Files whose damaged predecessors had to make room are taken once more, and once only.
        for _ in 0..2 {
            let taken = self.take_all(request, &pool, part, &candidates, looks_left, monitor)?;
            report.absorb(&taken.report);
            part.scanned.candidates.extend(taken.young);
            candidates = taken.retake;
            if candidates.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn finish_source(
        &mut self,
        request: &ImportRequest,
        part: PlannedSource,
        report: &mut ImportReport,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let PlannedSource { source, root, mut scanned, held_before, is_whole, .. } = part;
        scanned.sidecars.retain(|sidecar| {
            let is_still = sidecar.sighting.is_none();
            if !is_still {
                report.failed += 1;
                monitor.problem(&Problem::failure(&sidecar.path, settle::STILL_CHANGING));
            }
            is_still
        });
        let sidecars = self.apply_sidecars(&source, &root, &scanned.sidecars, monitor)?;
        report.sidecars += sidecars.read;
        report.left_out += sidecars.left_out;
        self.say_what_moved(source.id, &root, &scanned, report)?;
        self.say_what_was_replaced(&held_before, report, monitor)?;
        self.device.mark_gone(source.id, scanned.gone.iter().map(|record| record.path.as_slice()))?;
        let gone = scanned.gone.iter().map(|record| (record.path.as_slice(), None));
        outdate_elsewhere(&mut self.device, source.id, &root, gone)?;
        self.device.finish_scan(source.id, now_millis())?;
        if is_whole && self.was_read_by_older_rules(source.id)? {
            self.device.set_setting(&read_by(source.id), Some(&PROBE_VERSION.to_be_bytes()))?;
        }
        if request.remove_after_proof {
            self.remove_proven(&source, &root, report, monitor)?;
        }
        Ok(())
    }

    fn take_all(
        &mut self,
        request: &ImportRequest,
        pool: &Pool,
        part: &PlannedSource,
        candidates: &[Candidate],
        looks_left: usize,
        monitor: &dyn Monitor,
    ) -> Result<Taken> {
        let (claimed, large) = (Mutex::new(HashSet::new()), Mutex::new(()));
        // One thread more than there are workers: while one waits for a worker, another reads and seals.
        let threads = self.workers()? + 1;
        let keyring = self.keyring().clone();
        let place = self.place.clone();
        let (library, here) = (self.id(), keyring.device().id());
        // Those who read files look where originals rest, while the writer writes.
        let known = DeviceDb::open_as(&self.folder.device_path(), &device_key(&keyring), Access::ReadOnly)?;
        let known = Mutex::new(known);
        let Self { catalog, device, place: folder, packs, damaged, keys, .. } = self;
        let (catalog, damaged) = (&*catalog, &*damaged);
        let kept = Kept { catalog, damaged, known: &known, place: &place, here, link: request.link };
        let room = Workroom {
            catalog,
            device,
            place: folder,
            packs,
            keyring: &keys.keyring,
            device_id: keys.keyring.device().id(),
            claimed: &claimed,
            damaged,
            kept: &kept,
        };
        let intake = Intake {
            library,
            epoch: keyring.epoch(),
            place: &place,
            pool,
            sealer: rendition::Sealer::new(library, keyring.epoch()),
            link: request.link,
            all_files: request.all_files,
            settle: request.settle,
            claimed: &claimed,
            large: &large,
            kept: &kept,
        };
        let mut writer = Writer::new(room, Some(part.source.id), here, &part.root, monitor);
        let (sender, receiver) = crossbeam_channel::bounded::<(usize, Result<Taking>)>(threads * 2);
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let mut young = Vec::new();
        let ended = std::thread::scope(|scope| {
            for _ in 0..threads {
                let sender = sender.clone();
                let (next, stop, intake) = (&next, &stop, &intake);
                scope.spawn(move || {
                    loop {
                        if stop.load(Ordering::Relaxed) || monitor.cancelled() {
                            return;
                        }
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(candidate) = candidates.get(index) else { return };
                        if sender.send((index, intake.take(candidate))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let mut outcome = Ok(());
            for (index, taking) in &receiver {
                let Some(mut candidate) = candidates.get(index).cloned() else { continue };
                if let Ok(Taking::Young(sighting)) = &taking
                    && looks_left > 0
                {
                    candidate.sighting = Some(*sighting);
                    young.push(candidate);
                    continue;
                }
                if matches!(taking, Ok(Taking::Unsettled(_)))
                    && was_taken_and_removed(&candidate, &locked(&known), part.source.id)?
                {
                    continue;
                }
                let accepted = taking.and_then(|taking| writer.accept(candidate, taking));
                if let Err(error) = accepted {
                    stop.store(true, Ordering::Relaxed);
                    outcome = Err(error);
                    break;
                }
            }
            // Threads that wait to send must not wait for ever.
            drop(receiver);
            outcome
        });
        if let Err(error) = ended {
            // A disk that is full, say. What was taken whole before stays; what was half done has made room by now.
            if let Err(another) = writer.finish() {
                tracing::warn!(error = %another, "the last batch of the import was not kept");
            }
            return Err(error);
        }
        let (report, retake) = writer.finish()?;
        Ok(Taken { report, retake, young })
    }

    /// Removes from a source what the library has proven to hold: each sealed copy is read back and hashed,
    /// and the file is looked at once more, before it goes.
    fn remove_proven(
        &mut self,
        source: &KnownSource,
        root: &Path,
        report: &mut ImportReport,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = self.device.files_after(source.id, after.as_deref(), REMOVED_AT_ONCE)?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.path.clone());
            let mut removed = Scanned::default();
            for row in rows {
                if monitor.cancelled() {
                    break;
                }
                let Some(content) = row.content.filter(|_| row.state == FileState::Imported) else {
                    continue;
                };
                let path = path_below(root, &row.path);
                match self.remove_if_proven(&path, &row, &content) {
                    Ok(Removal::Removed) => {
                        report.removed += 1;
                        removed.gone.push(row);
                    }
                    Ok(Removal::Left) => {}
                    Ok(Removal::ChangedUnseen) => {
                        report.failed += 1;
                        let state = FileState::Unsettled(CHANGED_UNSEEN.into());
                        self.device.record_files(source.id, [&FileRecord { state, ..row }])?;
                        monitor.problem(&Problem::failure(&path, CHANGED_UNSEEN));
                    }
                    Err(error) => {
                        report.failed += 1;
                        if error.is_proven_damage() {
                            // The next import takes the file once more.
                            self.note_damaged_copy(&content)?;
                        }
                        monitor.problem(&Problem::failure(&path, format!("it was not removed: {error}")));
                    }
                }
            }
            // What this program removed itself is no news to the next import, and no sign of a disk that is missing.
            self.say_what_moved(source.id, root, &removed, &mut ImportReport::default())?;
            self.device.mark_gone(source.id, removed.gone.iter().map(|record| record.path.as_slice()))?;
            if monitor.cancelled() {
                return Ok(());
            }
        }
    }

    fn remove_if_proven(&self, path: &Path, row: &FileRecord, content: &ContentHash) -> Result<Removal> {
        let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(Removal::Left) };
        if !metadata.is_file() || metadata.len() != row.stamp.size_bytes {
            return Ok(Removal::Left);
        }
        let before = stamp_of(&metadata);
        // The file itself is read once more: only the very bytes that the library holds may go.
        let hash = match objects::hash_of(path) {
            Ok((_, hash)) => hash,
            // Another import of the same folder may have removed it meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Removal::Left),
            Err(error) => return Err(error),
        };
        if hash != *content {
            let looks_the_same = judge(&row.stamp, &before) != Trust::Read;
            return Ok(if looks_the_same { Removal::ChangedUnseen } else { Removal::Left });
        }
        self.prove_content(content)?;
        if !std::fs::symlink_metadata(path).is_ok_and(|now| stamp_of(&now) == before) {
            return Ok(Removal::Left);
        }
        match std::fs::remove_file(path) {
            Ok(()) => Ok(Removal::Removed),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Removal::Left),
            Err(source) => Err(LibraryError::Io { path: path.to_owned(), action: "removed", source }),
        }
    }
}

/// Whether what a file held was found at another path and is there, and the folder lies on the disk on which the file
/// lay: one of the two alone would also be so of a disk that is not connected.
fn was_moved_elsewhere(root: &Path, record: &FileRecord, files: &KnownFiles<'_>) -> Result<bool> {
    let is_same_disk = std::fs::metadata(root).is_ok_and(|folder| folder.dev() == record.stamp.device);
    let Some(content) = record.content.filter(|_| is_same_disk) else { return Ok(false) };
    let path = source_path(files.here(), root, &record.path);
    Ok(files.other_file(content, &path)?.is_some())
}

/// Whether a file that is not there any more is gone because another import has taken in what this one saw, and then
/// removed it.
fn was_taken_and_removed(candidate: &Candidate, device: &DeviceDb, source: SourceId) -> Result<bool> {
    let looked = std::fs::symlink_metadata(&candidate.path);
    if !looked.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Ok(false);
    }
    let known = device.file(source, &candidate.below)?;
    Ok(known.is_some_and(|record| {
        record.content.is_some()
            && matches!(record.state, FileState::Imported | FileState::Gone)
            && judge(&record.stamp, &candidate.stamp) != Trust::Read
    }))
}

/// Locks without minding that another thread panicked while it held the lock: the data is re-checked anyway.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
