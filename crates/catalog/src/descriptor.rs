//! Descriptors of the files of a database, beside those that SQLite has.
//!
//! Invariant: none is closed while a connection of this process may have the file open. POSIX locks belong to a
//! process and a file, and closing *any* descriptor of the file drops them all; SQLite minds that for its own
//! descriptors only. Without its lock a connection may lose its log to another process that believes to be the
//! last one. So every descriptor is shared within the process, and whoever has a connection keeps one for longer.
//! (SQLite, "How To Corrupt An SQLite Database File", §2.2.)

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All that are open.
static OPEN: Mutex<Vec<Arc<Open>>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Open {
    file: File,
    device_and_inode: (u64, u64),
}

/// A shared descriptor of one file.
#[derive(Debug)]
pub(crate) struct Descriptor {
    /// There until it is dropped.
    open: Option<Arc<Open>>,
}

impl Descriptor {
    /// Opens a file as `options` say, unless this process has it open already.
    pub(crate) fn open(path: &Path, options: &OpenOptions) -> io::Result<Self> {
        let mut all = all_open();
        let there = std::fs::metadata(path)?;
        let known = all.iter().find(|open| open.device_and_inode == (there.dev(), there.ino()));
        if let Some(open) = known {
            return Ok(Self { open: Some(Arc::clone(open)) });
        }
        let file = options.open(path)?;
        let opened = file.metadata()?;
        let open = Arc::new(Open { file, device_and_inode: (opened.dev(), opened.ino()) });
        all.push(Arc::clone(&open));
        Ok(Self { open: Some(open) })
    }

    /// The file, to be read and written at offsets, since others share it.
    #[expect(clippy::expect_used, reason = "it is taken out by drop alone")]
    pub(crate) fn file(&self) -> &File {
        &self.open.as_ref().expect("BUG: a descriptor is open until it is dropped").file
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let mut all = all_open();
        // Closed under the lock, so that nobody opens the file meanwhile and loses locks to this.
        let Some(own) = self.open.take() else { return };
        all.retain(|open| !Arc::ptr_eq(open, &own) || Arc::strong_count(open) > 2);
        drop(own);
    }
}

fn all_open() -> MutexGuard<'static, Vec<Arc<Open>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_open(path: &Path) -> bool {
        let there = path.metadata().unwrap();
        all_open().iter().any(|open| open.device_and_inode == (there.dev(), there.ino()))
    }

    #[test]
    fn a_file_stays_open_until_the_last_of_its_descriptors_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"some").unwrap();
        let read = OpenOptions::new().read(true).clone();
        let one = Descriptor::open(&path, &read).unwrap();
        let other = Descriptor::open(&path, &read).unwrap();
        assert!(std::ptr::eq(one.file(), other.file()));
        drop(one);
        assert!(is_open(&path));
        drop(other);
        assert!(!is_open(&path));
    }
}
