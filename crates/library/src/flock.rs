//! Locks between processes of this machine; they end with the process that holds them.
//!
//! Invariant: what a file system without locks means is decided here alone: nobody is held off, and nothing fails.
//! NFS is one of these for folders, since it locks exclusively only what is open to be written.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// How a lock was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// Together with others who share it; waits for one who has it alone.
    Shared,
    /// Alone; waits for whoever has it.
    Alone,
    /// Alone, or not at all.
    AloneNow,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is held until the file is closed.
    Held,
    /// Another process has it; only [`Ask::AloneNow`] is answered so.
    Taken,
    /// The file system has no locks.
    Lockless,
}

/// Locks an open file or folder.
///
/// # Errors
/// What the system answers beyond [`Answer`].
pub(crate) fn lock(file: impl AsFd, ask: Ask) -> io::Result<Answer> {
    let operation = match ask {
        Ask::Shared => FlockOperation::LockShared,
        Ask::Alone => FlockOperation::LockExclusive,
        Ask::AloneNow => FlockOperation::NonBlockingLockExclusive,
    };
    loop {
        match rustix::fs::flock(&file, operation) {
            Ok(()) => return Ok(Answer::Held),
            Err(Errno::WOULDBLOCK) => return Ok(Answer::Taken),
            Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK | Errno::BADF) => {
                return Ok(Answer::Lockless);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_lock_is_held_by_one_and_ends_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let open = || File::open(folder.path()).unwrap();
        let (one, other) = (open(), open());
        assert_eq!(lock(&one, Ask::AloneNow).unwrap(), Answer::Held);
        assert_eq!(lock(&other, Ask::AloneNow).unwrap(), Answer::Taken);
        drop(one);
        assert_eq!(lock(&other, Ask::AloneNow).unwrap(), Answer::Held);
    }

    #[test]
    fn what_cannot_be_locked_holds_nobody_off() {
        // A descriptor that names a file and opens nothing is refused a lock as NFS refuses one for a folder.
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
        let file = rustix::fs::open("/", flags, rustix::fs::Mode::empty()).unwrap();
        assert_eq!(lock(&file, Ask::AloneNow).unwrap(), Answer::Lockless);
    }
}
