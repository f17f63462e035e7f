//! `plain restore`: the tree as it was, with the times of its files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use futures_util::{StreamExt as _, stream};
use safelight_store::{Key, StoreError};
use serde::Serialize;

use crate::content::WHOLE_BYTES;
use crate::copy::{PlainCopy, all_are_met, is_below};
use crate::error::{Patience, PlainError, with_causes};
use crate::listing::{Listed, Listing};
use crate::manifest;
use crate::monitor::{Done, Monitor, Problem, Task, Weight};
use crate::name::{BlobName, path_from_ascii};
use crate::place::Place;
use crate::target::{Target, Written};
use crate::upload::time_from;

/// How much of a blob is read at a time.
const PIECE_BYTES: u64 = WHOLE_BYTES / 4;

/// What to restore, and where to.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// The folder to write into.
    pub target: PathBuf,
    /// Only paths at or below one of these; everything where there are none.
    pub paths: Vec<PathBuf>,
    /// Go by what the place holds, even where the index knows files.
    pub without_index: bool,
    /// Only say what would be written.
    pub dry_run: bool,
}

/// What a restore did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RestoreReport {
    /// Files that were written; with a dry run, that would be.
    pub restored: u64,
    /// Files that were there already, bit for bit.
    pub there: u64,
    /// Files that could not be written.
    pub failed: u64,
    /// Of these, files in the archive tier, which must be thawed first.
    pub archived: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Whether somebody stopped it.
    pub is_interrupted: bool,
}

/// A file to restore.
#[derive(Debug, Clone)]
struct Wanted {
    path: PathBuf,
    blob: BlobName,
    size: u64,
    mtime_ns: Option<i64>,
    /// When its blob, or the manifest that names it, was written; known only where the place was asked.
    written: Option<SystemTime>,
    /// Whether the place may tell more about it.
    asks_place: bool,
}

/// How one file ended.
enum Ended {
    Restored,
    There,
    Archived,
    Failed(String),
    /// The place did not answer.
    Unanswered(String),
}

impl PlainCopy {
    /// Writes the files of the copy below a folder. A file that is there and differs is never written over.
    ///
    /// # Errors
    /// [`PlainError::NoSuchFile`] for a path that nothing is called by; [`PlainError`] for what stops the whole. What one file
    /// meets is told to the monitor and counted.
    pub fn restore(
        &self,
        request: &RestoreRequest,
        monitor: &dyn Monitor,
    ) -> Result<RestoreReport, PlainError> {
        self.runtime()?.block_on(async {
            let place = self.place_to_read().await?;
            let mut report = RestoreReport::default();
            let wanted = self.wanted(&place, request, monitor, &mut report).await?;
            let target = if request.dry_run { None } else { Some(Target::open(&request.target)?) };
            monitor.begin(Task::Restore, Some(wanted.len() as u64));
            let writing = wanted.into_iter().map(|one| {
                let (place, target) = (&place, target.as_ref());
                async move {
                    if monitor.cancelled() {
                        return None;
                    }
                    Some(restore_one(place, target, one).await)
                }
            });
            let mut writing = stream::iter(writing).buffer_unordered(self.destination().workers as usize);
            let (mut patience, mut stopped) = (Patience::default(), None);
            while let Some(written) = writing.next().await {
                let Some((one, ended)) = written else { continue };
                match &ended {
                    Ended::Unanswered(reason) => stopped = patience.failed(reason).err(),
                    _ => patience.succeeded(),
                }
                count(&mut report, &one, ended, monitor);
                if stopped.is_some() {
                    break;
                }
            }
            monitor.end();
            if let Some(stopped) = stopped {
                return Err(stopped);
            }
            report.is_interrupted = monitor.cancelled();
            Ok(report)
        })
    }

    /// The files that are to be there: what the index knows, else what the place lists.
    async fn wanted(
        &self,
        place: &Place,
        request: &RestoreRequest,
        monitor: &dyn Monitor,
        report: &mut RestoreReport,
    ) -> Result<Vec<Wanted>, PlainError> {
        let known = match self.index_to_read()?.filter(|_| !request.without_index) {
            Some(index) => index.entries(&self.destination().name())?,
            None => Vec::new(),
        };
        if !known.is_empty() {
            all_are_met(&request.paths, known.iter().map(|entry| entry.path.as_path()))?;
            let known = known.into_iter().filter(|entry| is_below(&entry.path, &request.paths));
            let wanted = known.filter_map(|entry| {
                let blob = BlobName::parse(&entry.blob).ok()?;
                let mtime_ns = entry.known_mtime_ns();
                let asks_place = mtime_ns.is_none();
                Some(Wanted { path: entry.path, blob, size: entry.size, mtime_ns, written: None, asks_place })
            });
            return Ok(wanted.collect());
        }
        let refused = Refused { inner: monitor, count: std::sync::atomic::AtomicU64::new(0) };
        let listing = Listing::of(place, &refused).await?;
        let elsewhere = manifest::read(place, &listing.manifests, &refused).await?;
        report.failed += refused.count.into_inner();
        let mut wanted = newest(listing.blobs, monitor);
        for elsewhere in elsewhere {
            let mtime_ns = Some(elsewhere.mtime_ns).filter(|time| *time != 0);
            let manifest::Elsewhere { path, blob, size, written, .. } = elsewhere;
            // A blob of its own may be what the path held before.
            if wanted.get(&path).is_none_or(|own| written > own.written) {
                wanted
                    .insert(path.clone(), Wanted { path, blob, size, mtime_ns, written, asks_place: false });
            }
        }
        let mut wanted: Vec<Wanted> = wanted.into_values().collect();
        if !request.paths.is_empty() {
            // Only the place knows what is called by a name that was cut.
            for one in wanted.iter_mut().filter(|one| one.asks_place && one.blob.is_cut()) {
                ask_place(place, one).await;
                one.asks_place = false;
            }
        }
        all_are_met(&request.paths, wanted.iter().map(|one| one.path.as_path()))?;
        wanted.retain(|one| is_below(&one.path, &request.paths));
        Ok(wanted)
    }
}

/// Counts what a listing refuses, and manifests that cannot be read.
struct Refused<'a> {
    inner: &'a dyn Monitor,
    count: std::sync::atomic::AtomicU64,
}

impl Monitor for Refused<'_> {
    fn problem(&self, problem: &Problem) {
        self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.inner.problem(problem);
    }

    fn cancelled(&self) -> bool {
        self.inner.cancelled()
    }
}

/// The blob of each path; of several with other contents the one that was written last, and that is said.
fn newest(blobs: Vec<Listed>, monitor: &dyn Monitor) -> BTreeMap<PathBuf, Wanted> {
    let mut newest: BTreeMap<PathBuf, Listed> = BTreeMap::new();
    for listed in blobs {
        let path = listed.name.relative();
        match newest.get(&path) {
            Some(other) => {
                let reason = "several contents were sent under this path; the one that was sent last counts";
                monitor.problem(&Problem::new(&path, reason, Weight::Notice));
                if listed.info.modified > other.info.modified {
                    newest.insert(path, listed);
                }
            }
            None => {
                newest.insert(path, listed);
            }
        }
    }
    let wanted = |(path, listed): (PathBuf, Listed)| {
        let size = listed.info.length_bytes;
        let (blob, written) = (listed.name, listed.info.modified);
        let one = Wanted { path: path.clone(), blob, size, mtime_ns: None, written, asks_place: true };
        (path, one)
    };
    newest.into_iter().map(wanted).collect()
}

fn count(report: &mut RestoreReport, one: &Wanted, ended: Ended, monitor: &dyn Monitor) {
    let mut bytes = 0;
    match ended {
        Ended::Restored => {
            report.restored += 1;
            report.bytes += one.size;
            bytes = one.size;
            monitor.done(&one.path, Done::Restored);
        }
        Ended::There => {
            report.there += 1;
            monitor.done(&one.path, Done::Unchanged);
        }
        Ended::Archived => {
            report.failed += 1;
            report.archived += 1;
            let reason =
                "its blob is archived: change its tier with safelight plain tier and wait until it is thawed";
            monitor.problem(&Problem::new(&one.path, reason, Weight::Failure));
        }
        Ended::Failed(reason) | Ended::Unanswered(reason) => {
            report.failed += 1;
            monitor.problem(&Problem::new(&one.path, reason, Weight::Failure));
        }
    }
    monitor.advance(1, bytes);
}

async fn restore_one(place: &Place, target: Option<&Target>, mut one: Wanted) -> (Wanted, Ended) {
    if one.asks_place {
        ask_place(place, &mut one).await;
    }
    let ended = match target {
        None => Ended::Restored,
        Some(target) => write_one(place, target, &one).await.unwrap_or_else(Ended::Failed),
    };
    (one, ended)
}

/// What the metadata of a blob says: the time of its file, and its path where the name holds only a part of it.
async fn ask_place(place: &Place, one: &mut Wanted) {
    let Ok(key) = one.blob.key() else { return };
    let Ok(metadata) = place.remote.metadata(&key).await else { return };
    one.mtime_ns = metadata.get("mtime").and_then(|time| time_from(time)).or(one.mtime_ns);
    if one.blob.is_cut()
        && let Some(Ok(path)) = metadata.get("path").map(|path| path_from_ascii(path))
    {
        one.path = path;
    }
}

async fn write_one(place: &Place, target: &Target, one: &Wanted) -> Result<Ended, String> {
    let told = |error: std::io::Error| format!("it cannot be written: {error}");
    let sha256 = one.blob.sha256();
    match target.holds(&one.path, sha256, one.size).map_err(told)? {
        Some(true) => return Ok(Ended::There),
        Some(false) => return Err(OTHER.to_owned()),
        None => {}
    }
    let key = one.blob.key().map_err(|refusal| refusal.to_string())?;
    let mut file = target.create(&one.path).map_err(told)?;
    let mut offset = 0;
    while offset < one.size {
        let piece = match read(place, &key, offset, one.size).await {
            Ok(piece) => piece,
            Err(StoreError::Archived { .. }) => return Ok(Ended::Archived),
            Err(StoreError::NotFound { .. }) => return Err("its blob is not there".to_owned()),
            Err(error) if error.is_network() => return Ok(Ended::Unanswered(with_causes(&error))),
            Err(error) => return Err(with_causes(&error)),
        };
        if piece.is_empty() {
            break;
        }
        offset += piece.len() as u64;
        file.write(&piece).map_err(told)?;
    }
    match file.finish(sha256, one.mtime_ns).map_err(told)? {
        Some(Written::Created) => Ok(Ended::Restored),
        Some(Written::Other) => Err(OTHER.to_owned()),
        None => Err(format!("damaged: its blob holds other bytes than {sha256}; nothing was written")),
    }
}

const OTHER: &str = "something else is there under its name, and is not written over";

async fn read(place: &Place, key: &Key, offset: u64, size: u64) -> Result<bytes::Bytes, StoreError> {
    place.remote.get_range(key, offset..(offset + PIECE_BYTES).min(size)).await
}
