//! One writer at a time: an advisory lock of the file itself, held for one entry, that dies with the process.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// How long another writer is waited for: longer than one object takes on a slow drive.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked whether it is done.
const PAUSE: Duration = Duration::from_millis(5);

/// Held while an entry is written.
#[derive(Debug)]
pub(super) struct WriterLock<'a>(&'a File);

impl<'a> WriterLock<'a> {
    /// Waits for its turn. Where there are no locks, there is nobody to wait for.
    ///
    /// # Errors
    /// `WouldBlock` when another program did not come to an end; the system's.
    pub(super) fn take(file: &'a File) -> io::Result<Self> {
        let begin = Instant::now();
        loop {
            match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) | Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => return Ok(Self(file)),
                Err(Errno::WOULDBLOCK | Errno::INTR) if begin.elapsed() < PATIENCE => {
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for WriterLock<'_> {
    fn drop(&mut self) {
        if let Err(error) = rustix::fs::flock(self.0, FlockOperation::Unlock) {
            tracing::debug!(%error, "there was no lock to let go of");
        }
    }
}

/// Whether this file system has locks at all.
pub(super) fn has_locks(file: &File) -> bool {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => rustix::fs::flock(file, FlockOperation::Unlock).is_ok(),
        Err(error) => error == Errno::WOULDBLOCK,
    }
}
