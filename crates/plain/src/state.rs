//! The state folder: the index, the lock that keeps two runs apart, and the record of links.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::PlainError;
use crate::index::Index;

/// The index in a state folder.
pub const INDEX_FILE: &str = "index.db";
const LOCK_FILE: &str = "lock";
/// The record of links, a line of JSON each.
pub(crate) const LINKS_FILE: &str = "links.jsonl";

/// A state folder that nobody else uses meanwhile.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    /// Held for as long as the folder is used; the system lets go of it when the process ends, however it does.
    _lock: File,
}

impl StateFolder {
    /// Opens a state folder, and makes it where there is none, for this user alone.
    ///
    /// # Errors
    /// [`PlainError::InUse`] while another run uses it, [`PlainError::State`], [`PlainError::StateFull`].
    pub fn open(path: &Path) -> Result<Self, PlainError> {
        let fail = |error| PlainError::state(path, "made", error);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fail)?;
        let lock_path = path.join(LOCK_FILE);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
        let lock = lock.map_err(|error| PlainError::state(&lock_path, "opened", error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(PlainError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(PlainError::state(&lock_path, "locked", error)),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The index, made where there is none.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn index(&self) -> Result<Index, PlainError> {
        let path = self.path.join(INDEX_FILE);
        if !path.exists() {
            // Made for this user alone before the database finds it.
            let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
            match made {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(PlainError::state(&path, "made", error));
                }
                _ => {}
            }
        }
        Index::open(&path)
    }
}

/// The index of a folder, to look only; nothing where there is none.
pub(crate) fn index_to_read(folder: &Path) -> Result<Option<Index>, PlainError> {
    let path = folder.join(INDEX_FILE);
    if !path.exists() {
        return Ok(None);
    }
    Index::open_to_read(&path).map(Some)
}
