//! Keeps two syncs of one library apart on this machine, and whoever removes what a sync may rely on.

use std::fs::File;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{LibraryError, Result};
use crate::flock::{self, Answer, Ask};
use crate::folder::{LibraryFolder, SYNC_LOCK};

/// Lets one sync of a library run at a time on this machine. Dies with the process.
pub(crate) struct SyncLock {
    file: File,
    is_held: bool,
}

impl SyncLock {
    /// Lets others sync while this one only waits.
    pub(super) fn pause(&self) -> Result<()> {
        rustix::fs::flock(&self.file, FlockOperation::Unlock).map_err(|error| LibraryError::Io {
            path: SYNC_LOCK.into(),
            action: "unlocked",
            source: error.into(),
        })
    }

    /// Goes on after a pause; answers whether nobody else syncs, as far as the system tells.
    pub(super) fn go_on(&self) -> bool {
        flock::lock(&self.file, Ask::AloneNow).is_ok_and(|answer| answer != Answer::Taken)
    }

    pub(crate) fn take(folder: &LibraryFolder) -> Result<Self> {
        let path = folder.path().join(SYNC_LOCK);
        let reading = |source| LibraryError::reading(&path, source);
        // Not the folder of objects, which who renders in the background holds, and not that of keys, which a new
        // sign-in needs in the middle of a sync. NFS locks exclusively only what is open to be written.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => File::from(file),
            // Where nothing may be written, one may still look.
            Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => {
                File::open(folder.path().join("tmp")).map_err(reading)?
            }
            Err(error) => return Err(reading(error.into())),
        };
        match flock::lock(&file, Ask::AloneNow).map_err(reading)? {
            Answer::Held => Ok(Self { file, is_held: true }),
            Answer::Lockless => {
                tracing::warn!("this file system has no locks: nothing keeps two syncs at once apart");
                Ok(Self { file, is_held: false })
            }
            Answer::Taken => Err(LibraryError::AnotherSync),
        }
    }

    /// The same for who removes what others may rely on: not where nothing keeps two apart.
    pub(super) fn take_to_remove(folder: &LibraryFolder) -> Result<Self> {
        let lock = Self::take(folder)?;
        if lock.is_held {
            return Ok(lock);
        }
        Err(LibraryError::Refused {
            reason: "the file system of this library has no locks, so that nothing keeps two syncs apart: nothing is removed"
                .into(),
            hint: "move the library to a disk of this machine, or do this on another device".into(),
        })
    }
}
