//! The folder itself: its root, opened once, and the way to an object's folder without following links.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use safelight_crypto::HEADER_LEN;

use crate::error::{Operation, StoreError};
use crate::folder::object::ObjectFile;
use crate::folder::read::ObjectReader;
use crate::folder::temp::{SweepReport, TempSpace};
use crate::folder::walk::Walk;
use crate::folder::{AppendFile, Batch, BatchEntry, Outcome};
use crate::name::ObjectPath;
use crate::sealed::Sealed;

/// Folders are for their owner only.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o700);

/// A folder of sealed objects; cheap to clone, and safe to use from many threads and processes at once.
#[derive(Debug, Clone)]
pub struct FolderPlace {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: OwnedFd,
    path: PathBuf,
    label: String,
    identity: (u64, u64),
    /// Whether a sync has nothing to wait for.
    is_in_memory: bool,
    temporary: TempSpace,
    /// Folders whose entry in their parent this process has made durable, or asked for, already.
    settled: Mutex<HashSet<String>>,
}

/// A folder opened for writing, and what must be synced for its new names to last.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) directory: OwnedFd,
    /// The parents whose entries are new, or may be, innermost first.
    pub(crate) parents: Vec<(String, OwnedFd)>,
}

impl FolderPlace {
    /// Opens an existing folder `root`; unfinished files go to `temporary` on the same file system, which is
    /// made when it is first needed.
    ///
    /// Writes nothing. Whether this is the right folder, and not an empty mount point, the caller knows by
    /// what it keeps there (`library.toml`, a root card).
    ///
    /// # Errors
    /// [`StoreError::NoPlace`] when it is missing or not a folder.
    pub fn open(root: &Path, temporary: &Path) -> Result<Self, StoreError> {
        let no_place = |source: Errno| StoreError::NoPlace { path: root.to_owned(), source: source.into() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, root, flags, Mode::empty()).map_err(no_place)?;
        let stat = rustix::fs::fstat(&directory).map_err(no_place)?;
        let is_in_memory = is_in_memory(&directory);
        Ok(Self {
            inner: Arc::new(Inner {
                root: directory,
                is_in_memory,
                path: root.to_owned(),
                label: format!("folder {}", root.display()),
                identity: identity(&stat),
                temporary: TempSpace::new(temporary),
                settled: Mutex::new(HashSet::new()),
            }),
        })
    }

    /// Creates `root` where it is missing (0700, one level, durably), then opens it.
    ///
    /// # Errors
    /// As [`open`](Self::open), and what creating a folder may answer.
    pub fn create(root: &Path, temporary: &Path) -> Result<Self, StoreError> {
        let fail = |operation, error| {
            StoreError::from_io(&format!("folder {}", root.display()), operation, "a new folder", error)
        };
        match rustix::fs::mkdir(root, FOLDER_MODE) {
            Ok(()) => sync_parent(root).map_err(|error| fail(Operation::Sync, error))?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(fail(Operation::Open, error.into())),
        }
        Self::open(root, temporary)
    }

    /// The path that the place was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The name of the place in messages.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.inner.label
    }

    /// Where its unfinished files are.
    #[must_use]
    pub fn temporary(&self) -> &TempSpace {
        &self.inner.temporary
    }

    /// Removes unfinished files of writers that are no more; see [`TempSpace::sweep`].
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be read.
    pub fn sweep(&self, now: SystemTime) -> Result<SweepReport, StoreError> {
        self.inner
            .temporary
            .sweep(now)
            .map_err(|error| self.error(Operation::Sweep, "unfinished files", error))
    }

    /// Begins an object whose name is not known yet. Its header of 136 bytes is written last.
    ///
    /// # Errors
    /// [`StoreError`]: full, read-only, vanished.
    pub fn create_object(&self) -> Result<ObjectFile, StoreError> {
        ObjectFile::create(self.clone(), HEADER_LEN as u64)
    }

    /// Begins a batch of objects that become durable together.
    pub fn batch(&self) -> Batch {
        Batch::new(self.clone())
    }

    /// Writes one finished object durably, unless its name is taken.
    ///
    /// # Errors
    /// [`StoreError`]; a taken name is [`Outcome::Existed`], not an error.
    pub fn put_new(&self, path: &ObjectPath, sealed: &Sealed) -> Result<Outcome, StoreError> {
        let mut object = ObjectFile::create(self.clone(), 0)?;
        object.append_body(sealed.body())?;
        let mut batch = self.batch();
        batch.add(object, path.clone());
        batch.commit().pop().map_or(Ok(Outcome::Existed), |entry: BatchEntry| entry.result)
    }

    /// Writes one object durably in the place of what is there: at every moment the old or the new one is there.
    ///
    /// # Errors
    /// [`StoreError`]; what was there before then still is, or the new one if only the last sync failed.
    pub fn replace_object(&self, path: &ObjectPath, sealed: &[u8]) -> Result<(), StoreError> {
        let fail = |error: io::Error| self.error(Operation::Put, path.as_str(), error);
        let (folder, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        let opened = self.open_folder(folder).map_err(|error| fail(error.into()))?;
        let directory = opened.as_ref().unwrap_or_else(|| self.root());
        self.temporary().replace_durably(directory.as_fd(), name, sealed).map_err(fail)
    }

    /// Opens an object to read it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], and [`StoreError::Vanished`] when the whole place is gone.
    pub fn open_object(&self, path: &ObjectPath) -> Result<ObjectReader, StoreError> {
        let file = self.open_file(path.as_str(), Operation::Get)?;
        ObjectReader::new(self.clone(), path.as_str(), file)
    }

    /// Whether the name is taken. Says nothing about the object being whole.
    ///
    /// # Errors
    /// [`StoreError`] other than not found.
    pub fn contains(&self, path: &ObjectPath) -> Result<bool, StoreError> {
        match self.open_file(path.as_str(), Operation::Head) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes an object durably; an absent one counts as removed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_object(&self, path: &ObjectPath) -> Result<(), StoreError> {
        self.remove_file(path.as_str())
    }

    /// Creates a new file to append to, such as a local pack of renditions, locked for this writer.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] and what writing may answer.
    pub fn create_append(&self, path: &ObjectPath) -> Result<AppendFile, StoreError> {
        AppendFile::create(self.clone(), path)
    }

    /// Opens a file to append to, if no other writer has it open.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] and what reading may answer; none when another writer holds it.
    pub fn open_append(&self, path: &ObjectPath) -> Result<Option<AppendFile>, StoreError> {
        AppendFile::open(self.clone(), path)
    }

    /// Walks over every file of the place, known or not, in the order of names.
    #[must_use]
    pub fn walk(&self) -> Walk {
        Walk::new(self.clone())
    }

    /// Walks over the files below one folder of the place; nothing there is an empty walk.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be read.
    pub fn walk_below(&self, folder: &str) -> Result<Walk, StoreError> {
        Walk::new(self.clone()).below(folder)
    }

    /// The bytes that this user may still write here.
    ///
    /// # Errors
    /// [`StoreError`] when the file system does not say.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let stat = rustix::fs::fstatvfs(&self.inner.root)
            .map_err(|error| self.error(Operation::Open, "free space", error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Whether the folder at the path is still the one that was opened.
    #[must_use]
    pub fn is_present(&self) -> bool {
        rustix::fs::stat(&self.inner.path).is_ok_and(|stat| identity(&stat) == self.inner.identity)
    }

    /// Whether what is written here only ever reaches memory, so that a sync returns at once.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.inner.is_in_memory
    }

    pub(crate) fn root(&self) -> &OwnedFd {
        &self.inner.root
    }

    /// Names an error, telling an absent object from an absent place.
    pub(crate) fn error(&self, operation: Operation, object: &str, error: io::Error) -> StoreError {
        let error = StoreError::from_io(&self.inner.label, operation, object, error);
        let may_be_gone = matches!(error, StoreError::NotFound { .. } | StoreError::Io { .. });
        if may_be_gone && !self.is_present() {
            return StoreError::Vanished { place: self.inner.label.clone() };
        }
        error
    }

    /// Opens a file for reading, folder by folder, following no link.
    pub(crate) fn open_file(&self, path: &str, operation: Operation) -> Result<File, StoreError> {
        let fail = |error: Errno| self.error(operation, path, error.into());
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let directory = self.open_folder(folder).map_err(fail)?;
        let directory = directory.as_ref().unwrap_or_else(|| self.root());
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(directory, name, flags, Mode::empty()).map_err(fail)?);
        let stat = rustix::fs::fstat(&file).map_err(fail)?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
            return Err(StoreError::Obstructed { place: self.inner.label.clone(), object: path.to_owned() });
        }
        Ok(file)
    }

    pub(crate) fn remove_file(&self, path: &str) -> Result<(), StoreError> {
        let fail = |error: Errno| self.error(Operation::Delete, path, error.into());
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let opened = match self.open_folder(folder) {
            Ok(opened) => opened,
            Err(Errno::NOENT) if self.is_present() => return Ok(()),
            Err(error) => return Err(fail(error)),
        };
        let directory = opened.as_ref().unwrap_or_else(|| self.root());
        match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) => crate::folder::sync_directory(directory.as_fd())
                .map_err(|error| self.error(Operation::Sync, path, error)),
            Err(Errno::NOENT) if self.is_present() => Ok(()),
            Err(error) => Err(fail(error)),
        }
    }

    /// Removes a folder, unless there is something in it.
    pub(crate) fn remove_empty_folder(&self, path: &str) -> Result<(), StoreError> {
        let fail = |error: Errno| self.error(Operation::Delete, path, error.into());
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let opened = match self.open_folder(folder) {
            Ok(opened) => opened,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(fail(error)),
        };
        let directory = opened.as_ref().unwrap_or_else(|| self.root());
        match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => Ok(()),
            Err(error) => Err(fail(error)),
        }
    }

    /// Opens a folder below the root; none stands for the root itself.
    pub(crate) fn open_folder(&self, folder: &str) -> Result<Option<OwnedFd>, Errno> {
        let mut current: Option<OwnedFd> = None;
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            let parent = current.as_ref().unwrap_or_else(|| self.root());
            current = Some(open_child(parent, part)?);
        }
        Ok(current)
    }

    /// Opens a folder to put a file in, making what is missing on the way.
    pub(crate) fn open_for_writing(&self, folder: &str) -> Result<Opened, Errno> {
        let mut current =
            self.root().try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let mut parents = Vec::new();
        let mut walked = String::new();
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            let parent_name = walked.clone();
            if !walked.is_empty() {
                walked.push('/');
            }
            walked.push_str(part);
            let (child, is_new) = open_or_make_child(&current, part)?;
            // Another process may have made the folder and not have synced it yet, so its entry counts as
            // unsettled until this process has synced the parent once.
            if is_new || !self.inner.settled.lock().unwrap_or_else(PoisonError::into_inner).contains(&walked)
            {
                parents.push((parent_name, std::mem::replace(&mut current, child)));
            } else {
                current = child;
            }
        }
        parents.reverse();
        Ok(Opened { directory: current, parents })
    }

    /// Remembers that the entries of `folder` and of all above it are durable.
    pub(crate) fn settle(&self, folder: &str) {
        let mut settled = self.inner.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = folder;
        while !rest.is_empty() && settled.insert(rest.to_owned()) {
            rest = rest.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }
}

#[cfg(target_os = "linux")]
fn is_in_memory(directory: &OwnedFd) -> bool {
    // TMPFS_MAGIC
    rustix::fs::fstatfs(directory).is_ok_and(|found| found.f_type == 0x0102_1994)
}

#[cfg(not(target_os = "linux"))]
const fn is_in_memory(_: &OwnedFd) -> bool {
    false
}

fn open_child(parent: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Opens a folder, making it where it is missing; true when it was.
fn open_or_make_child(parent: &OwnedFd, name: &str) -> Result<(OwnedFd, bool), Errno> {
    match open_child(parent, name) {
        Err(Errno::NOENT) => {
            match rustix::fs::mkdirat(parent, name, FOLDER_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            Ok((open_child(parent, name)?, true))
        }
        other => Ok((other?, false)),
    }
}

fn sync_parent(folder: &Path) -> io::Result<()> {
    let parent =
        folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(parent)?.sync_all()
}

#[expect(
    clippy::unnecessary_cast,
    reason = "the types of a device and an inode number differ between systems"
)]
const fn identity(stat: &rustix::fs::Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}
