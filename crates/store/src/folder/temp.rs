//! Unfinished files: each writer's own, known to be alive, and swept when it is not.
//!
//! Invariant: a temporary file of a living writer is never removed by another, and those of dead writers go
//! at the next start, with any number of processes at once and without any lock that could stay behind.
//!
//! Every [`TempSpace`] writes under a *session*, a name made of host, process id and the process's start
//! time, and holds an advisory lock on `<session>.lock` from before its first file until after its last.
//! The kernel drops the lock when the process dies, so whoever gets the lock of a session knows that it is
//! dead. A session of another host (a synced folder) or of a file system without locks is judged by its
//! process, where that can be asked, and else by age alone.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// What another host's unfinished file may be old before it counts as abandoned.
const FOREIGN_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// New temporary files are for their owner only.
const FILE_MODE: Mode = Mode::from_raw_mode(0o600);
/// Folders are for their owner only.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o700);
/// The end of the name of a session's lock file.
const LOCK_SUFFIX: &str = "lock";

/// A folder for unfinished files, on the same file system as their final place.
#[derive(Debug)]
pub struct TempSpace {
    path: PathBuf,
    /// Opened, and made if it is missing, when it is first needed: reading a place writes nothing.
    directory: OnceLock<Arc<OwnedFd>>,
    session: Mutex<Option<Arc<Session>>>,
    publishing: AtomicU8,
}

/// How a finished file gets its name without overwriting; tried in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Publishing {
    /// `renameat2(RENAME_NOREPLACE)`: Linux local file systems, FAT and exFAT included; APFS.
    RenameNoReplace = 0,
    /// `link`, then `unlink`: NFS and older kernels.
    Link = 1,
    /// Reserve the name with an empty file created exclusively, then rename over it: file systems that have
    /// neither, such as some FUSE drivers of FAT. Two writers still never overwrite each other, but a crash
    /// in between leaves an empty object, which verification reports as torn.
    Reserve = 2,
}

impl Publishing {
    /// The next way to try where the file system answered that it does not know this one.
    const fn instead(self, error: Errno) -> Option<Self> {
        match (self, error) {
            (Self::RenameNoReplace, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Some(Self::Link),
            (Self::Link, Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => Some(Self::Reserve),
            _ => None,
        }
    }
}

/// What a sweep found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Files removed.
    pub removed_files: u64,
    /// Bytes that they held.
    pub removed_bytes: u64,
    /// Files left because their writer lives.
    pub kept_files: u64,
}

#[derive(Debug)]
struct Session {
    directory: Arc<OwnedFd>,
    name: String,
    /// Held, never read: the advisory lock lives as long as this descriptor.
    _lock: OwnedFd,
    next: AtomicU64,
}

/// Proof that a session's writer is gone, and that no other sweep is at work on it.
struct DeadWriter {
    _lock: Option<OwnedFd>,
}

impl Drop for Session {
    fn drop(&mut self) {
        remove_quietly(&self.directory, OsStr::new(&format!("{}.{LOCK_SUFFIX}", self.name)));
    }
}

impl TempSpace {
    /// Names the folder for unfinished files; touches nothing before the first file.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            directory: OnceLock::new(),
            session: Mutex::new(None),
            publishing: AtomicU8::new(Publishing::RenameNoReplace as u8),
        }
    }

    fn open_directory(&self) -> Result<Arc<OwnedFd>, Errno> {
        if let Some(directory) = self.directory.get() {
            return Ok(Arc::clone(directory));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = Arc::new(rustix::fs::openat(CWD, &self.path, flags, Mode::empty())?);
        Ok(Arc::clone(self.directory.get_or_init(|| opened)))
    }

    fn create_directory(&self) -> Result<Arc<OwnedFd>, Errno> {
        match self.open_directory() {
            Err(Errno::NOENT) => {
                match rustix::fs::mkdir(&self.path, FOLDER_MODE) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                }
                self.open_directory()
            }
            other => other,
        }
    }

    /// Creates an empty unfinished file, readable by its owner only.
    ///
    /// # Errors
    /// The system's error: full, read-only, gone.
    pub fn create_file(&self) -> io::Result<TempFile> {
        let session = self.session()?;
        let number = session.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}.{number}", session.name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&*session.directory, &name, flags, FILE_MODE)?;
        Ok(TempFile { file: Some(File::from(file)), name: Some(name), session })
    }

    /// Reserves a name for an unfinished file that something else makes and removes: a database and its logs.
    ///
    /// # Errors
    /// As [`TempSpace::create_file`].
    pub fn reserve_name(&self) -> io::Result<TempName> {
        let session = self.session()?;
        let number = session.next.fetch_add(1, Ordering::Relaxed);
        Ok(TempName { path: self.path.join(format!("{}.{number}", session.name)), _session: session })
    }

    /// Gives a finished file its name in `directory`, never overwriting: `AlreadyExists` if it is taken.
    ///
    /// The caller has synced the file, and syncs the folder afterwards.
    ///
    /// # Errors
    /// The system's error; the unfinished file is then removed.
    pub fn publish(&self, file: &mut TempFile, directory: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        let Some(temporary) = file.name.clone() else {
            return Err(io::Error::other("this file has its name already"));
        };
        loop {
            let way = self.publishing();
            match publish_by(way, &file.session.directory, &temporary, directory, name) {
                Ok(()) => {
                    file.name = None;
                    return Ok(());
                }
                Err(error) => match way.instead(error) {
                    Some(next) => self.set_publishing(next),
                    None => return Err(error.into()),
                },
            }
        }
    }

    /// Gives a finished file its name in `directory`, replacing what is there.
    ///
    /// The caller has synced the file, and syncs the folder afterwards.
    ///
    /// # Errors
    /// The system's error; the unfinished file is then removed.
    pub fn replace(&self, file: &mut TempFile, directory: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        let Some(temporary) = file.name.clone() else {
            return Err(io::Error::other("this file has its name already"));
        };
        rustix::fs::renameat(&*file.session.directory, &temporary, directory, name)?;
        file.name = None;
        Ok(())
    }

    /// Writes `bytes` durably under a name, replacing what is there: temporary file, sync, rename, sync of
    /// the folder.
    ///
    /// # Errors
    /// The system's error; under the name is then the old file or, if only the last sync failed, the new.
    pub fn replace_durably(&self, directory: BorrowedFd<'_>, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create_written(bytes)?;
        self.replace(&mut file, directory, name)?;
        sync_directory(directory)
    }

    /// Writes `bytes` durably under a name that must be free.
    ///
    /// # Errors
    /// The system's error, `AlreadyExists` if the name is taken.
    pub fn create_durably(&self, directory: BorrowedFd<'_>, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create_written(bytes)?;
        self.publish(&mut file, directory, name)?;
        sync_directory(directory)
    }

    fn create_written(&self, bytes: &[u8]) -> io::Result<TempFile> {
        let file = self.create_file()?;
        file.with_file(|file| std::os::unix::fs::FileExt::write_all_at(file, bytes, 0))?;
        file.sync()?;
        Ok(file)
    }

    /// Removes the unfinished files of dead writers. `now` is the time to judge foreign files by.
    ///
    /// Safe while others write; a file that cannot be removed counts as kept.
    ///
    /// # Errors
    /// The system's error when the folder cannot be read.
    pub fn sweep(&self, now: SystemTime) -> io::Result<SweepReport> {
        let mut report = SweepReport::default();
        let directory = match self.open_directory() {
            Err(Errno::NOENT) => return Ok(report),
            other => other?,
        };
        let own =
            self.session.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|own| own.name.clone());
        let host = host_mark();
        let mut locks = Vec::new();
        for name in file_names(&directory)? {
            let Some((session, suffix)) = split_name(&name) else {
                remove_if_old(&directory, &name, now, &mut report);
                continue;
            };
            if suffix == LOCK_SUFFIX {
                locks.push(name);
            } else if own.as_deref() != Some(session)
                && find_dead(&directory, session, &host, &name, now).is_some()
            {
                remove(&directory, &name, &mut report);
            } else {
                report.kept_files += 1;
            }
        }
        for name in locks {
            if let Some((session, _)) = split_name(&name)
                && own.as_deref() != Some(session)
                && let Some(_held_until_removed) = find_dead(&directory, session, &host, &name, now)
            {
                remove_quietly(&directory, &name);
            }
        }
        Ok(report)
    }

    fn session(&self) -> io::Result<Arc<Session>> {
        let mut slot = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = slot.as_ref() {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(open_session(&self.create_directory()?)?);
        *slot = Some(Arc::clone(&session));
        Ok(session)
    }

    fn publishing(&self) -> Publishing {
        match self.publishing.load(Ordering::Relaxed) {
            0 => Publishing::RenameNoReplace,
            1 => Publishing::Link,
            _ => Publishing::Reserve,
        }
    }

    pub(crate) fn set_publishing(&self, way: Publishing) {
        self.publishing.store(way as u8, Ordering::Relaxed);
    }
}

/// An unfinished file; removed when it is dropped without having been published.
#[derive(Debug)]
pub struct TempFile {
    /// The open file; none while it is [parked](TempFile::park).
    file: Option<File>,
    /// The name in the temporary folder; none once published.
    name: Option<String>,
    session: Arc<Session>,
}

impl TempFile {
    /// Runs `work` on the open file. One that is parked is opened for it, made durable after it, and closed again.
    ///
    /// # Errors
    /// What `work` answers, and what opening and syncing may.
    pub(crate) fn with_file<T>(&self, work: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        if let Some(file) = &self.file {
            return work(file);
        }
        let Some(name) = &self.name else {
            return Err(io::Error::other("this file has its name already"));
        };
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&*self.session.directory, name, flags, Mode::empty())?);
        let done = work(&file)?;
        file.sync_all()?;
        Ok(done)
    }

    /// Makes its bytes durable and closes it, keeping the unfinished file: descriptors are few, parts may be many.
    pub(crate) fn park(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.sync_all()?;
        }
        self.file = None;
        Ok(())
    }

    /// The open file, unless it is parked.
    pub(crate) const fn open_file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Makes its bytes durable; those of a parked file are already.
    ///
    /// After an error the bytes must be taken as lost: the kernel may have dropped them.
    ///
    /// # Errors
    /// The system's error.
    pub fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_all)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            remove_quietly(&self.session.directory, OsStr::new(name));
        }
    }
}

/// A name among the unfinished files that no sweep touches while this is held.
#[derive(Debug)]
pub struct TempName {
    path: PathBuf,
    _session: Arc<Session>,
}

impl TempName {
    /// Where the file is to be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes names in a folder durable.
///
/// # Errors
/// The system's error; file systems that cannot sync a folder (`EINVAL`) count as having done so.
pub fn sync_directory(directory: BorrowedFd<'_>) -> io::Result<()> {
    match rustix::fs::fsync(directory) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Finds out whether the writer of a session is gone; holds its lock meanwhile, where there is one.
fn find_dead(
    directory: &OwnedFd,
    session: &str,
    host: &str,
    name: &OsStr,
    now: SystemTime,
) -> Option<DeadWriter> {
    if !session.starts_with(host) {
        let is_old = age(directory, name, now).is_some_and(|age| age > FOREIGN_AGE);
        return is_old.then_some(DeadWriter { _lock: None });
    }
    let lock = format!("{session}.{LOCK_SUFFIX}");
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let by_process = || (!is_process_alive(session)).then_some(DeadWriter { _lock: None });
    match rustix::fs::openat(directory, &lock, flags, Mode::empty()) {
        Ok(descriptor) => match rustix::fs::flock(&descriptor, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Some(DeadWriter { _lock: Some(descriptor) }),
            Err(Errno::WOULDBLOCK) => None,
            Err(_) => by_process(),
        },
        // A lock is made before its first file and removed after its last, so without one only a process
        // that is about to end can still own the file.
        Err(Errno::NOENT) => by_process(),
        Err(_) => None,
    }
}

fn age(directory: &OwnedFd, name: &OsStr, now: SystemTime) -> Option<Duration> {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let seconds = u64::try_from(stat.st_mtime).ok()?;
    now.duration_since(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).ok()
}

fn remove_if_old(directory: &OwnedFd, name: &OsStr, now: SystemTime, report: &mut SweepReport) {
    if age(directory, name, now).is_some_and(|age| age > FOREIGN_AGE) {
        remove(directory, name, report);
    } else {
        report.kept_files += 1;
    }
}

fn remove(directory: &OwnedFd, name: &OsStr, report: &mut SweepReport) {
    let length = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
    if rustix::fs::unlinkat(directory, name, AtFlags::empty()).is_ok() {
        report.removed_files += 1;
        report.removed_bytes += length;
    } else {
        report.kept_files += 1;
    }
}

fn publish_by(
    way: Publishing,
    from: &OwnedFd,
    temporary: &str,
    to: BorrowedFd<'_>,
    name: &str,
) -> Result<(), Errno> {
    match way {
        Publishing::RenameNoReplace => rename_no_replace(from, temporary, to, name),
        Publishing::Link => {
            rustix::fs::linkat(from, temporary, to, name, AtFlags::empty())?;
            remove_quietly(from, OsStr::new(temporary));
            Ok(())
        }
        Publishing::Reserve => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(to, name, flags, FILE_MODE)?;
            rustix::fs::renameat(from, temporary, to, name).inspect_err(|_| remove_quietly_at(to, name))
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_no_replace(from: &OwnedFd, temporary: &str, to: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    rustix::fs::renameat_with(from, temporary, to, name, RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_no_replace(_: &OwnedFd, _: &str, _: BorrowedFd<'_>, _: &str) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// Starts a session of a name that nobody holds, and locks it.
fn open_session(directory: &Arc<OwnedFd>) -> io::Result<Session> {
    static OWN_START: OnceLock<u64> = OnceLock::new();
    let own = std::process::id();
    let start = *OWN_START.get_or_init(|| process_start(own).unwrap_or(0));
    let base = format!("{}-{own}-{start}", host_mark());
    for attempt in 0..1000_u32 {
        let name = format!("{base}-{attempt}");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = match rustix::fs::openat(&**directory, format!("{name}.{LOCK_SUFFIX}"), flags, FILE_MODE) {
            Ok(lock) => lock,
            Err(Errno::EXIST) => continue,
            Err(error) => return Err(error.into()),
        };
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            // A sweep may have taken the lock and removed the file before us: then it has no name any more.
            Ok(()) if rustix::fs::fstat(&lock)?.st_nlink == 0 => continue,
            Err(Errno::WOULDBLOCK) => continue,
            // Without locks the process itself is what shows that the session lives.
            Ok(()) | Err(_) => {}
        }
        return Ok(Session { directory: Arc::clone(directory), name, _lock: lock, next: AtomicU64::new(0) });
    }
    Err(io::Error::other("no free name for unfinished files"))
}

/// Splits `host-pid-start-attempt.suffix`; none for anything else.
fn split_name(name: &OsStr) -> Option<(&str, &str)> {
    let (session, suffix) = name.to_str()?.rsplit_once('.')?;
    let parts: Vec<&str> = session.split('-').collect();
    let numbers =
        parts.get(1..).is_some_and(|numbers| numbers.iter().all(|part| part.parse::<u64>().is_ok()));
    // A database keeps its logs beside it: `7-wal`.
    let number = suffix.split_once('-').map_or(suffix, |(number, _)| number);
    let known_suffix = suffix == LOCK_SUFFIX || number.parse::<u64>().is_ok();
    (parts.len() == 4 && numbers && known_suffix).then_some((session, suffix))
}

/// A short mark of this host, so that a synced folder does not mix up processes of two machines.
fn host_mark() -> String {
    let node = rustix::system::uname();
    let hash = node.nodename().to_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:08x}", hash >> 32)
}

/// Whether the process that named a session still runs, going by its id and start time.
fn is_process_alive(session: &str) -> bool {
    let mut parts = session.split('-').skip(1).map(str::parse::<u32>);
    let Some(Ok(id)) = parts.next() else { return false };
    let start = session.split('-').nth(2).and_then(|text| text.parse::<u64>().ok());
    match process_start(id) {
        Some(found) => start.is_none_or(|start| start == 0 || start == found),
        None => {
            let exists = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
            exists.is_some_and(|process| rustix::process::test_kill_process(process) != Err(Errno::SRCH))
        }
    }
}

/// When a process began, in clock ticks since boot; none where `/proc` does not say it.
fn process_start(id: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything; field 22 counts from there.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn file_names(directory: &OwnedFd) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

fn remove_quietly(directory: &OwnedFd, name: &OsStr) {
    if let Err(error) = rustix::fs::unlinkat(directory, name, AtFlags::empty())
        && error != Errno::NOENT
    {
        tracing::debug!(%error, "an unfinished file stays until the next sweep");
    }
}

fn remove_quietly_at(directory: BorrowedFd<'_>, name: &str) {
    if let Err(error) = rustix::fs::unlinkat(directory.as_fd(), name, AtFlags::empty()) {
        tracing::debug!(%error, "a reserved name stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> (tempfile::TempDir, TempSpace, OwnedFd) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let space = TempSpace::new(&folder.path().join("tmp"));
        let directory =
            rustix::fs::openat(CWD, folder.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
        (folder, space, directory.expect("opens"))
    }

    #[test]
    fn each_way_of_publishing_gives_the_name_once_and_never_overwrites() {
        for way in [Publishing::RenameNoReplace, Publishing::Link, Publishing::Reserve] {
            let (folder, space, directory) = space();
            space.set_publishing(way);
            space.create_durably(directory.as_fd(), "name", b"first").expect("creates");
            let error = space.create_durably(directory.as_fd(), "name", b"second").expect_err("is taken");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{way:?}");
            assert_eq!(std::fs::read(folder.path().join("name")).expect("reads"), b"first", "{way:?}");
            let left = std::fs::read_dir(folder.path().join("tmp")).expect("lists").count();
            assert_eq!(left, 1, "{way:?} leaves only the session's lock");
            assert_eq!(space.publishing(), way);
        }
    }

    #[test]
    fn an_unknown_way_of_publishing_is_replaced_by_the_next() {
        use Publishing::{Link, RenameNoReplace, Reserve};
        assert_eq!(RenameNoReplace.instead(Errno::INVAL), Some(Link));
        assert_eq!(Link.instead(Errno::PERM), Some(Reserve));
        for (way, error) in [(RenameNoReplace, Errno::EXIST), (Link, Errno::NOSPC), (Reserve, Errno::PERM)] {
            assert_eq!(way.instead(error), None, "{way:?} {error}");
        }
    }

    #[test]
    fn names_of_sessions_are_told_from_others() {
        assert_eq!(split_name(OsStr::new("0a1b2c3d-12-34-0.5")), Some(("0a1b2c3d-12-34-0", "5")));
        assert_eq!(split_name(OsStr::new("0a1b2c3d-12-34-0.lock")), Some(("0a1b2c3d-12-34-0", "lock")));
        for other in
            ["photo.jpg", "0a1b2c3d-12-34.5", "0a1b2c3d-12-34-0.part", "0a1b2c3d-x-34-0.5", "lock", ""]
        {
            assert_eq!(split_name(OsStr::new(other)), None, "{other}");
        }
    }

    #[test]
    fn a_process_is_known_by_its_id_and_its_start() {
        let own = std::process::id();
        let start = process_start(own).unwrap_or(0);
        assert!(is_process_alive(&format!("host-{own}-{start}-0")));
        if start > 0 {
            assert!(!is_process_alive(&format!("host-{own}-{}-0", start + 1)), "another process had this id");
        }
        assert!(!is_process_alive("host-4000000-1-0"));
    }
}
