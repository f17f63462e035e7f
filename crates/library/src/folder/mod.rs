//! The library folder: its layout, its permissions, and how several processes share it.
//!
//! Invariants: `library.toml` is there exactly when the rest was made completely, keys, databases and the beginning
//! of history; folders are 0700 and files
//! 0600; what is in `tmp/` belongs to a living writer or is swept. Processes share a library without locks:
//! objects and slots are made by renaming, the databases bring their own transactions. Only what rewrites
//! several files of `keys/` takes the advisory lock of [`LibraryFolder::lock_keys`].
//!
//! ```text
//! library.toml   keys/   catalog.db   device.db   objects/   tmp/
//! ```

mod description;
mod error;
mod location;
mod replaced;
pub(crate) mod stamp;
mod unfinished;
mod within;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use safelight_crypto::{Keyring, LibraryId, RootCard, names};
use safelight_store::{FolderPlace, StoreError, SweepReport, TempSpace};

use description::{DESCRIPTION, Description, named_library};
pub use error::FolderError;
pub(crate) use error::READ_ONLY_HINT;
pub use location::{UserFolders, default_agent_folder, default_library_path};
pub use unfinished::UnfinishedFolder;
pub use within::lies_within;

use crate::flock::{self, Ask};

/// Where keys are.
const KEYS: &str = "keys";
/// Where sealed objects are.
const OBJECTS: &str = "objects";
/// Where unfinished files are.
const TEMPORARY: &str = "tmp";
/// The history and what it folds into.
const CATALOG: &str = "catalog.db";
/// Held by whoever syncs; empty.
pub(crate) const SYNC_LOCK: &str = "sync.lock";
/// What only this device remembers.
const DEVICE: &str = "device.db";
/// More than any small file of the folder has.
const SMALL_FILE_BYTES: u64 = 16 << 20;
/// Folders are for their owner only.
pub(crate) const FOLDER_MODE: u32 = 0o700;

/// The folder of one library.
#[derive(Debug, Clone)]
pub struct LibraryFolder {
    path: PathBuf,
    library: LibraryId,
    objects: FolderPlace,
    is_writable: bool,
    is_suspect: bool,
    /// Whether the folder of its objects was missing and was made just now.
    is_made_anew: bool,
}

/// A file of the folder outside `objects/`, as [`LibraryFolder::survey`] finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEntry {
    /// Its path below the library's folder.
    pub relative: PathBuf,
    /// Whether it is one that the layout knows.
    pub is_known: bool,
    /// Its length in bytes.
    pub length_bytes: u64,
}

impl LibraryFolder {
    /// Opens a library's folder. Writes nothing.
    ///
    /// # Errors
    /// [`FolderError::NotALibrary`], [`FolderError::Undescribed`], [`FolderError::NewerFormat`],
    /// [`FolderError::UnknownFeature`], [`FolderError::Damaged`], [`FolderError::NoObjects`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let bytes = match read_small(&path.join(DESCRIPTION)) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                let path = path.to_owned();
                let is_lost = Self::lost_its_description(&path);
                return Err(if is_lost {
                    FolderError::Undescribed { path }
                } else {
                    FolderError::NotALibrary { path }
                });
            }
            Err(error) => return Err(FolderError::from_io("read", &path.join(DESCRIPTION), error)),
        };
        let (description, is_suspect) = Description::parse(&bytes, path)?;
        Self::open_as(path, description.library, is_suspect)
    }

    /// Opens a library's folder to change the library. The folder of its objects is made anew where somebody removed it:
    /// what was in it comes back from remotes, or by importing again. Where a link leads to it, the disk behind it is away.
    ///
    /// # Errors
    /// As [`open`](Self::open), and what creating a folder may answer.
    pub fn open_to_change(path: &Path) -> Result<Self, FolderError> {
        match Self::open(path) {
            Err(FolderError::NoObjects { .. }) if is_writable(path) => {
                FolderPlace::create(&path.join(OBJECTS), &path.join(TEMPORARY))?;
                Ok(Self { is_made_anew: true, ..Self::open(path)? })
            }
            other => other,
        }
    }

    fn open_as(path: &Path, library: LibraryId, is_suspect: bool) -> Result<Self, FolderError> {
        let objects = match FolderPlace::open(&path.join(OBJECTS), &path.join(TEMPORARY)) {
            Err(StoreError::NoPlace { .. }) if is_absent(&path.join(OBJECTS)) => {
                return Err(FolderError::NoObjects { path: path.to_owned() });
            }
            opened => opened?,
        };
        let is_writable = is_writable(path) && is_writable(&path.join(OBJECTS));
        Ok(Self { path: path.to_owned(), library, objects, is_writable, is_suspect, is_made_anew: false })
    }

    /// Opens a library's folder whose description may be damaged, gone, or that of another library, once for each library
    /// that it may be: the one that is named there, and `words`, which recovery words name. A secret that opens one of
    /// them proves which it is; [`restore_description`](Self::restore_description) then writes that down. Writes nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open), when nothing says which library it is.
    pub fn open_undescribed(path: &Path, words: Option<LibraryId>) -> Result<Vec<Self>, FolderError> {
        let words = words.map(|words| library_of(path, words));
        let (named, error) = match Self::open(path) {
            Ok(folder) if !folder.is_suspect => {
                let others = words.filter(|library| folder.library != *library);
                let other = others.map(|library| Self::open_as(path, library, true)).transpose()?;
                return Ok([folder].into_iter().chain(other).collect());
            }
            Ok(folder) => (Some(folder.library), None),
            Err(error @ FolderError::Undescribed { .. }) => (None, Some(error)),
            Err(error @ FolderError::Damaged { .. }) => {
                let named = read_small(&path.join(DESCRIPTION)).ok().and_then(|bytes| named_library(&bytes));
                (named, Some(error))
            }
            Err(error) => return Err(error),
        };
        let others = words.filter(|library| named != Some(*library));
        let folders = named.into_iter().chain(others).map(|library| Self::open_as(path, library, true));
        match (folders.collect::<Result<Vec<_>, _>>()?, error) {
            (none, Some(error)) if none.is_empty() => Err(error),
            (folders, _) => Ok(folders),
        }
    }

    /// Whether a path holds all that a library has but its description, and nobody began to make one there.
    #[must_use]
    pub fn lost_its_description(path: &Path) -> bool {
        !Self::exists(path)
            && !unfinished::is_begun(path)
            && path.join(KEYS).is_dir()
            && path.join(OBJECTS).is_dir()
    }

    /// Whether there is a library at a path, judged by its description being there.
    #[must_use]
    pub fn exists(path: &Path) -> bool {
        path.join(DESCRIPTION).symlink_metadata().is_ok()
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which library it is, as its description says; trusted after [`authenticate`](Self::authenticate).
    #[must_use]
    pub const fn library(&self) -> LibraryId {
        self.library
    }

    /// The place of its sealed objects.
    #[must_use]
    pub const fn objects(&self) -> &FolderPlace {
        &self.objects
    }

    /// Where its unfinished files are.
    #[must_use]
    pub fn temporary(&self) -> &TempSpace {
        self.objects.temporary()
    }

    /// The path of `catalog.db`.
    #[must_use]
    pub fn catalog_path(&self) -> PathBuf {
        self.path.join(CATALOG)
    }

    /// The path of `device.db`.
    #[must_use]
    pub fn device_path(&self) -> PathBuf {
        self.path.join(DEVICE)
    }

    /// The path of `keys/`.
    #[must_use]
    pub fn keys_path(&self) -> PathBuf {
        self.path.join(KEYS)
    }

    /// Whether the folder of its objects was missing and was made when this was opened.
    #[must_use]
    pub(crate) const fn is_made_anew(&self) -> bool {
        self.is_made_anew
    }

    /// Whether this user may change the library: neither a read-only disk nor missing permissions.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.is_writable
    }

    /// Refuses to go on in a read-only library.
    ///
    /// # Errors
    /// [`FolderError::ReadOnly`].
    pub fn require_writable(&self) -> Result<(), FolderError> {
        if self.is_writable { Ok(()) } else { Err(FolderError::ReadOnly { path: self.path.clone() }) }
    }

    /// Checks that `library.toml` is, bit for bit, what a holder of the keyring wrote.
    ///
    /// # Errors
    /// [`FolderError::Damaged`], naming the file.
    pub fn authenticate(&self, keyring: &Keyring) -> Result<(), FolderError> {
        let path = self.path.join(DESCRIPTION);
        let bytes = read_small(&path).map_err(|error| FolderError::from_io("read", &path, error))?;
        Description::verify(&bytes, keyring).map_err(|reason| FolderError::Damaged { path, reason })
    }

    /// Whether `library.toml` was damaged before anybody could check it with a key: then a secret that does
    /// not fit may be right, and the library's id wrong.
    #[must_use]
    pub const fn is_suspect(&self) -> bool {
        self.is_suspect
    }

    /// Writes `library.toml` anew, for a library that opens although its description is damaged or gone.
    ///
    /// # Errors
    /// [`FolderError::ReadOnly`] and what writing may answer.
    pub fn restore_description(&self, keyring: &Keyring) -> Result<(), FolderError> {
        self.require_writable()?;
        let _lock = self.lock_keys()?;
        let path = self.path.join(DESCRIPTION);
        let fail = |error| FolderError::from_io("write", &path, error);
        let text = Description::new(keyring.library()).to_text(keyring);
        let root = File::open(&self.path).map_err(fail)?;
        self.temporary().replace_durably(root.as_fd(), DESCRIPTION, text.as_bytes()).map_err(fail)
    }

    /// Removes unfinished files of processes that are no more, and ends what an interrupted replacement of the
    /// unlock key has left; does nothing in a read-only library.
    ///
    /// # Errors
    /// [`FolderError::Store`] when `tmp/` cannot be read.
    pub fn sweep(&self, now: SystemTime) -> Result<SweepReport, FolderError> {
        if !self.is_writable {
            return Ok(SweepReport::default());
        }
        crate::keys::finish_replacement(self)?;
        Ok(self.objects.sweep(now)?)
    }

    /// The bytes that this user may still write to the library's disk.
    ///
    /// # Errors
    /// [`FolderError::Store`] when the file system does not say.
    pub fn free_bytes(&self) -> Result<u64, FolderError> {
        Ok(self.objects.free_bytes()?)
    }

    /// All bytes of the disk that the folder lies on.
    ///
    /// # Errors
    /// [`FolderError::Io`] when the file system does not say.
    pub(crate) fn disk_bytes(&self) -> Result<u64, FolderError> {
        let stat = rustix::fs::statvfs(&self.path)
            .map_err(|error| FolderError::from_io("look at the disk of", &self.path, error.into()))?;
        Ok(stat.f_blocks.saturating_mul(stat.f_frsize))
    }

    /// The same folder, of which nothing will be written.
    #[must_use]
    pub fn to_look_only(mut self) -> Self {
        self.is_writable = false;
        self
    }

    /// Every file of the folder outside `objects/`, known or not, so that verification can name strangers.
    ///
    /// # Errors
    /// [`FolderError::Io`] when a folder cannot be read.
    pub fn survey(&self) -> Result<Vec<FolderEntry>, FolderError> {
        let mut entries = Vec::new();
        survey_below(&self.path, Path::new(""), &mut entries)?;
        entries.sort_by(|a, b| a.relative.cmp(&b.relative));
        Ok(entries)
    }

    /// Holds off other processes that rewrite files of `keys/`, until the result is dropped.
    ///
    /// Where the file system has no locks nobody is held off: then two people changing slots in the same
    /// second may lose one of the changes, which `key list` shows.
    ///
    /// # Errors
    /// [`FolderError::Io`] when the description cannot be opened.
    pub(crate) fn lock_keys(&self) -> Result<KeysLock, FolderError> {
        let path = self.path.join(DESCRIPTION);
        let fail = |error: Errno| FolderError::from_io("lock", &path, error.into());
        let open = |access| rustix::fs::openat(CWD, &path, access | OFlags::CLOEXEC, Mode::empty());
        loop {
            // NFS wants a descriptor that may write for an exclusive lock.
            let file = match open(OFlags::RDWR).or_else(|_| open(OFlags::RDONLY)) {
                // Without its description nobody opens the library, so there is nobody to hold off but another repair.
                Err(Errno::NOENT) => {
                    rustix::fs::openat(CWD, &self.path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                }
                opened => opened,
            };
            let file = file.map_err(fail)?;
            flock::lock(&file, Ask::Alone).map_err(|error| FolderError::from_io("lock", &path, error))?;
            // Whoever waited while the description was being replaced holds the lock of a nameless file.
            if rustix::fs::fstat(&file).map_err(fail)?.st_nlink > 0 {
                return Ok(KeysLock { _held: file });
            }
        }
    }
}

/// The advisory lock on `keys/`.
#[derive(Debug)]
pub(crate) struct KeysLock {
    _held: OwnedFd,
}

/// Reads a small file whole, following no link at its end and refusing anything that is no plain file.
pub(crate) fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(CWD, path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > SMALL_FILE_BYTES {
        return Err(io::Error::other("it is not a small plain file"));
    }
    let mut bytes = Vec::new();
    file.take(SMALL_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether nothing has this name, not even a link that leads nowhere.
/// The library of words: what their root card in the folder says, for words may have been put in force later; without one,
/// the words are those of its birth.
fn library_of(path: &Path, words: LibraryId) -> LibraryId {
    let card = read_small(&path.join(OBJECTS).join(names::root_card(&words)));
    let card = card.ok().and_then(|bytes| RootCard::open(&bytes, &words).ok());
    card.map_or(words, |card| card.library())
}

fn is_absent(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn is_writable(path: &Path) -> bool {
    rustix::fs::accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

fn survey_below(root: &Path, below: &Path, entries: &mut Vec<FolderEntry>) -> Result<(), FolderError> {
    let folder = root.join(below);
    let fail = |error| FolderError::from_io("list", &folder, error);
    for entry in std::fs::read_dir(&folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let relative = below.join(entry.file_name());
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(fail(error)),
        };
        if metadata.is_dir() {
            if relative != Path::new(OBJECTS) {
                survey_below(root, &relative, entries)?;
            }
        } else {
            let is_known = metadata.is_file() && is_known(&relative);
            entries.push(FolderEntry { relative, is_known, length_bytes: metadata.len() });
        }
    }
    Ok(())
}

/// Whether the layout has a file of this name. Temporary files are known: the sweep judges them.
fn is_known(relative: &Path) -> bool {
    match relative.to_str() {
        None => false,
        Some(DESCRIPTION | SYNC_LOCK) => true,
        Some(name) if name.starts_with("tmp/") => true,
        Some(name) if name.starts_with("keys/") => crate::keys::is_known_file(Path::new(name)),
        Some(name) => is_database_file(name) || replaced::is_replaced_database(name),
    }
}

/// Whether this is a database of the folder, or one of the files that SQLite keeps beside it.
fn is_database_file(name: &str) -> bool {
    [CATALOG, DEVICE].iter().any(|database| {
        name.strip_prefix(database).is_some_and(|end| matches!(end, "" | "-wal" | "-shm" | "-journal"))
    })
}

#[cfg(test)]
mod tests;
