//! A file that grows by one writer: the local pack in which renditions are durable at once.
//!
//! The one exception to whole-or-absent (architecture rule 2): a scan of the pack's own frames tells how far
//! it is whole. Invariant: at most one writer has it open, by an advisory lock that dies with the process;
//! what was synced stays; readers may read while it grows.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Operation, StoreError};
use crate::folder::FolderPlace;
use crate::folder::temp::sync_directory;
use crate::name::ObjectPath;

/// A file open for appending.
#[derive(Debug)]
pub struct AppendFile {
    place: FolderPlace,
    path: ObjectPath,
    file: File,
    length_bytes: u64,
}

impl AppendFile {
    pub(crate) fn create(place: FolderPlace, path: &ObjectPath) -> Result<Self, StoreError> {
        let fail = |error: Errno| place.error(Operation::Put, path.as_str(), error.into());
        let opened = place.open_for_writing(path.folder()).map_err(fail)?;
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(&opened.directory, name, flags, Mode::from_raw_mode(0o600)).map_err(fail)?;
        for directory in
            std::iter::once(&opened.directory).chain(opened.parents.iter().map(|(_, parent)| parent))
        {
            sync_directory(directory.as_fd())
                .map_err(|error| place.error(Operation::Sync, path.as_str(), error))?;
        }
        place.settle(path.folder());
        if !lock(&file).map_err(fail)? {
            // Somebody opened it the moment it got its name; names are drawn at random, so this is no accident.
            return Err(fail(Errno::EXIST));
        }
        Ok(Self { path: path.clone(), file: File::from(file), length_bytes: 0, place })
    }

    pub(crate) fn open(place: FolderPlace, path: &ObjectPath) -> Result<Option<Self>, StoreError> {
        let fail = |error: Errno| place.error(Operation::Put, path.as_str(), error.into());
        let directory = place.open_folder(path.folder()).map_err(fail)?;
        let directory = directory.as_ref().unwrap_or_else(|| place.root());
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(directory, name, flags, Mode::empty()).map_err(fail)?;
        if !lock(&file).map_err(fail)? {
            return Ok(None);
        }
        let file = File::from(file);
        let metadata = file.metadata().map_err(|error| place.error(Operation::Head, path.as_str(), error))?;
        if !metadata.is_file() {
            return Err(StoreError::Obstructed { place: place.label().to_owned(), object: path.to_string() });
        }
        Ok(Some(Self { path: path.clone(), file, length_bytes: metadata.len(), place }))
    }

    /// Its name.
    #[must_use]
    pub const fn path(&self) -> &ObjectPath {
        &self.path
    }

    /// Where the next bytes go.
    #[must_use]
    pub const fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Adds bytes at the end and returns where they begin. Durable only after [`sync`](Self::sync).
    ///
    /// After an error a part of the bytes may be there; the next append overwrites it.
    ///
    /// # Errors
    /// [`StoreError::Full`] and what else writing may answer.
    pub fn append(&mut self, bytes: &[u8]) -> Result<u64, StoreError> {
        let offset = self.length_bytes;
        self.file
            .write_all_at(bytes, offset)
            .map_err(|error| self.place.error(Operation::Put, self.path.as_str(), error))?;
        self.length_bytes += bytes.len() as u64;
        Ok(offset)
    }

    /// Makes what was appended durable.
    ///
    /// # Errors
    /// [`StoreError`]; what was appended since the last sync must then be taken as lost.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|error| self.place.error(Operation::Sync, self.path.as_str(), error))
    }

    /// Cuts off a torn end that a scan has found.
    ///
    /// # Errors
    /// [`StoreError`] of the disk.
    pub fn truncate(&mut self, length_bytes: u64) -> Result<(), StoreError> {
        let length_bytes = length_bytes.min(self.length_bytes);
        self.file
            .set_len(length_bytes)
            .map_err(|error| self.place.error(Operation::Put, self.path.as_str(), error))?;
        self.length_bytes = length_bytes;
        Ok(())
    }

    /// The open file, for scanning and reading.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }
}

/// Takes the writer's lock; false when another has it. Where there are no locks, the name alone must do.
fn lock(file: &std::os::fd::OwnedFd) -> Result<bool, Errno> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => Ok(true),
        Err(error) => Err(error),
    }
}
