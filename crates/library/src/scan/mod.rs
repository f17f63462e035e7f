//! Finds what an import has to look at: one ordered pass over a folder and its stat cache.
//!
//! Invariant: a file whose stamp is as remembered is never opened ([`trust`]), and a source that is not
//! there is *offline*: nothing in it counts as deleted. The result is a list of candidates; taking them in
//! is another story ([`crate::import`]).

pub(crate) mod trust;
mod walk;

use std::collections::HashSet;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use safelight_catalog::{DeviceDb, FileRecord, FileStamp, FileState, SourceId};
use safelight_crypto::ContentHash;
use safelight_model::OpBody;

use crate::error::{LibraryError, Result};
use crate::import::Sighting;
use crate::monitor::{Monitor, Problem, Task, Weight};
use crate::objects::open_file;
use trust::Trust;
use walk::{Found, PassedOver, Step, Walk};

/// How many rows of the stat cache are read at a time.
const CACHE_STRETCH_ROWS: usize = 4096;

/// A file that must be read.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its path below the source, as the stat cache keeps it.
    pub(crate) below: Vec<u8>,
    /// What `stat` said in the scan.
    pub(crate) stamp: FileStamp,
    /// What was remembered of this path.
    pub(crate) remembered: Option<FileRecord>,
    /// When it was seen and too young to be read.
    pub(crate) sighting: Option<Sighting>,
    /// What history is told with it where it came by the inbox, so that it is taken in once.
    pub(crate) taken: Option<OpBody>,
}

/// What a scan found out.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) candidates: Vec<Candidate>,
    /// Sidecars that are new or changed.
    pub(crate) sidecars: Vec<Candidate>,
    /// Files that need no look, by stamp or by sampled fingerprint.
    pub(crate) unchanged_files: u64,
    /// Files refused earlier that have not changed since.
    pub(crate) refused_files: u64,
    /// Files opened to compare samples.
    pub(crate) opened_files: u64,
    /// Rows whose stamp moved while the content stayed.
    pub(crate) refreshed: Vec<FileRecord>,
    /// Of these, such as were gone and are back.
    pub(crate) returned: Vec<FileRecord>,
    /// Files whose content was purged from the library, and that have not changed since.
    pub(crate) purged: Vec<Candidate>,
    /// Files that are no longer there.
    pub(crate) gone: Vec<FileRecord>,
    /// What is neither file nor folder, and links that are not followed.
    pub(crate) left_out: u64,
    pub(crate) failed_files: u64,
}

/// What to scan.
pub(crate) struct Scan<'a> {
    pub(crate) device: &'a DeviceDb,
    pub(crate) source: SourceId,
    /// The source's own folder (or file).
    pub(crate) root: &'a Path,
    /// The part of it to look through, below `root`; empty for all.
    pub(crate) below: &'a Path,
    /// Folders not to enter.
    pub(crate) excluded: Vec<PathBuf>,
    /// Also files that were refused for being no photos.
    pub(crate) refused: bool,
    /// Contents whose files are read although they did not change, for the library has no copy that serves.
    pub(crate) wanted: &'a HashSet<ContentHash>,
}

impl Scan<'_> {
    /// Runs the scan.
    pub(crate) fn run(&self, monitor: &dyn Monitor) -> Result<Scanned> {
        monitor.begin(Task::Scan, None, None);
        let outcome = self.merge(monitor);
        monitor.end();
        outcome
    }

    fn merge(&self, monitor: &dyn Monitor) -> Result<Scanned> {
        let start =
            if self.below.as_os_str().is_empty() { self.root.to_owned() } else { self.root.join(self.below) };
        let walk = Walk::new(&start, self.excluded.clone())
            .map_err(|source| LibraryError::reading(&start, source))?;
        let mut cache = Cache::new(self)?;
        let mut scanned = Scanned::default();
        let mut unseen = Unseen::default();
        for step in walk {
            if monitor.cancelled() {
                return Err(LibraryError::Cancelled);
            }
            match step {
                Step::Skipped(PassedOver { problem, is_unseen }) => {
                    let problem = grave_if_named(problem, |path| path == start);
                    if is_unseen {
                        unseen.0.insert(self.below(&problem.path));
                    }
                    match problem.weight {
                        Weight::Failure => scanned.failed_files += 1,
                        Weight::Omission => scanned.left_out += 1,
                        Weight::Notice => {}
                    }
                    monitor.problem(&problem);
                }
                Step::File(found) => {
                    monitor.advance(1, 0);
                    self.look_at(found, &mut cache, &mut scanned, monitor)?;
                }
            }
        }
        cache.drain_into(&mut scanned.gone)?;
        scanned.gone.retain(|row| !unseen.hides(&row.path));
        Ok(scanned)
    }

    /// A path as the stat cache keeps it.
    fn below(&self, path: &Path) -> Vec<u8> {
        path.strip_prefix(self.root).unwrap_or(Path::new("")).as_os_str().as_bytes().to_vec()
    }

    fn look_at(
        &self,
        found: Found,
        cache: &mut Cache<'_>,
        scanned: &mut Scanned,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let below = self.below(&found.path);
        let remembered = cache.advance_to(&below, &mut scanned.gone)?;
        let stamp = trust::stamp_of(&found.metadata);
        let sidecar = is_sidecar(&found.path);
        let candidate = Candidate { path: found.path, below, stamp, remembered, sighting: None, taken: None };
        if let Some(record) = &candidate.remembered {
            match self.settle(record, &candidate, scanned) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => {
                    scanned.failed_files += 1;
                    monitor
                        .problem(&Problem::failure(&candidate.path, format!("it cannot be read: {error}")));
                    return Ok(());
                }
            }
        }
        if sidecar { &mut scanned.sidecars } else { &mut scanned.candidates }.push(candidate);
        Ok(())
    }

    /// Whether what is remembered is enough.
    fn settle(
        &self,
        record: &FileRecord,
        candidate: &Candidate,
        scanned: &mut Scanned,
    ) -> std::io::Result<bool> {
        match &record.state {
            FileState::Unsettled(_) => return Ok(false),
            FileState::Refused(_) if self.refused => return Ok(false),
            FileState::Imported | FileState::Gone
                if record.content.is_some_and(|content| self.wanted.contains(&content)) =>
            {
                return Ok(false);
            }
            FileState::Refused(_) | FileState::Imported | FileState::Gone | FileState::Purged => {}
        }
        let unchanged = match trust::judge(&record.stamp, &candidate.stamp) {
            Trust::Unchanged => true,
            Trust::Read => false,
            Trust::Compare => {
                let Some(sampled) = record.sampled else { return Ok(false) };
                scanned.opened_files += 1;
                let file = open_file(&candidate.path)?;
                let same = trust::sampled_fingerprint(&file, candidate.stamp.size_bytes)? == sampled;
                if same {
                    scanned.refreshed.push(FileRecord { stamp: candidate.stamp, ..record.clone() });
                }
                same
            }
        };
        if unchanged && record.state == FileState::Gone {
            let record = FileRecord { stamp: candidate.stamp, state: FileState::Imported, ..record.clone() };
            scanned.refreshed.push(record.clone());
            scanned.returned.push(record);
        }
        if unchanged {
            match record.state {
                FileState::Refused(_) => scanned.refused_files += 1,
                FileState::Purged => scanned.purged.push(candidate.clone()),
                _ => scanned.unchanged_files += 1,
            }
        }
        Ok(unchanged)
    }
}

/// What could not be looked at or led nowhere, below the source: nothing there counts as gone.
#[derive(Default)]
struct Unseen(HashSet<Vec<u8>>);

impl Unseen {
    /// Whether a path of the stat cache is one of these or lies below one; every path lies below the empty one.
    fn hides(&self, path: &[u8]) -> bool {
        let mut folders = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        !self.0.is_empty()
            && (self.0.contains(path)
                || self.0.contains(&[][..])
                || folders.any(|end| path.get(..end).is_some_and(|folder| self.0.contains(folder))))
    }
}

/// Whether a file describes a photo beside it.
pub(crate) fn is_sidecar(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xmp"))
}

/// The stat cache of a source, read in stretches alongside the walk.
struct Cache<'a> {
    device: &'a DeviceDb,
    source: SourceId,
    prefix: Vec<u8>,
    rows: std::collections::VecDeque<FileRecord>,
    last: Option<Vec<u8>>,
    exhausted: bool,
}

impl<'a> Cache<'a> {
    fn new(scan: &Scan<'a>) -> Result<Self> {
        let mut cache = Self {
            device: scan.device,
            source: scan.source,
            prefix: scan.below.as_os_str().as_bytes().to_vec(),
            rows: std::collections::VecDeque::new(),
            last: None,
            exhausted: false,
        };
        if cache.prefix.is_empty() {
            return Ok(cache);
        }
        if scan.root.join(scan.below).is_dir() {
            // Every path below a folder sorts after the folder's name with its `/`.
            cache.prefix.push(b'/');
            cache.last = Some(cache.prefix.clone());
        } else {
            cache.rows.extend(scan.device.file(scan.source, &cache.prefix)?);
            cache.exhausted = true;
        }
        Ok(cache)
    }

    fn peek(&mut self) -> Result<Option<&FileRecord>> {
        while self.rows.is_empty() && !self.exhausted {
            let stretch = self.device.files_after(self.source, self.last.as_deref(), CACHE_STRETCH_ROWS)?;
            self.exhausted = stretch.len() < CACHE_STRETCH_ROWS;
            if let Some(last) = stretch.last() {
                self.last = Some(last.path.clone());
                self.exhausted |= !last.path.starts_with(&self.prefix);
            }
            self.rows.extend(stretch.into_iter().filter(|record| record.path.starts_with(&self.prefix)));
        }
        Ok(self.rows.front())
    }

    /// The row of this path; rows before it are of files that are gone.
    fn advance_to(&mut self, path: &[u8], gone: &mut Vec<FileRecord>) -> Result<Option<FileRecord>> {
        while let Some(row) = self.peek()? {
            match row.path.as_slice().cmp(path) {
                std::cmp::Ordering::Greater => return Ok(None),
                std::cmp::Ordering::Equal => return Ok(self.rows.pop_front()),
                std::cmp::Ordering::Less => self.pop_gone(gone),
            }
        }
        Ok(None)
    }

    fn pop_gone(&mut self, gone: &mut Vec<FileRecord>) {
        if let Some(row) = self.rows.pop_front()
            && !matches!(row.state, FileState::Gone | FileState::Purged)
        {
            gone.push(row);
        }
    }

    fn drain_into(mut self, gone: &mut Vec<FileRecord>) -> Result<()> {
        while self.peek()?.is_some() {
            self.pop_gone(gone);
        }
        Ok(())
    }
}

/// A path from the bytes that the stat cache keeps.
pub(crate) fn path_below(root: &Path, below: &[u8]) -> PathBuf {
    if below.is_empty() {
        return root.to_owned();
    }
    root.join(PathBuf::from(std::ffi::OsString::from_vec(below.to_vec())))
}

/// What is passed over on the way is a failure where it was asked for by name.
fn grave_if_named(problem: Problem, is_named: impl Fn(&Path) -> bool) -> Problem {
    if problem.weight == Weight::Omission && is_named(&problem.path) {
        Problem { weight: Weight::Failure, ..problem }
    } else {
        problem
    }
}

/// All files at and below some paths, in order; what cannot be read is told to the monitor. Where there is nothing but
/// paths that do not exist, the first of them is the error.
pub(crate) fn files_below(paths: &[PathBuf], monitor: &dyn Monitor) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut missing = Vec::new();
    for path in paths {
        let walk = match Walk::new(path, Vec::new()) {
            Ok(walk) => walk,
            Err(source) => {
                missing.push((path, source));
                continue;
            }
        };
        for step in walk {
            match step {
                Step::File(found) => files.push(found.path),
                Step::Skipped(PassedOver { problem, .. }) => {
                    let is_named = |named: &Path| named == path;
                    monitor.problem(&grave_if_named(problem, is_named));
                }
            }
        }
    }
    if missing.len() == paths.len()
        && let Some((path, source)) = missing.pop()
    {
        return Err(LibraryError::reading(path, source));
    }
    for (path, source) in missing {
        monitor.problem(&Problem::failure(path.clone(), format!("it cannot be read: {source}")));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::Unseen;

    #[test]
    fn only_what_lies_at_or_below_an_unseen_path_is_hidden() {
        for (path, unseen, is_hidden) in [
            ("a/b.jpg", "a", true),
            ("a/b/c.jpg", "a/b", true),
            ("a", "a", true),
            ("ab.jpg", "a", false),
            ("a", "a/b", false),
            ("b", "", true),
        ] {
            let seen = Unseen([unseen.as_bytes().to_vec(), b"elsewhere".to_vec()].into());
            assert_eq!(seen.hides(path.as_bytes()), is_hidden, "{path} {unseen}");
        }
        assert!(!Unseen::default().hides(b"a"));
    }
}
