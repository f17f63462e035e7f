//! Tells whether some process holds a file open for writing, by asking the kernel for a read lease.
//!
//! A copy that stalls looks finished by its times, but whoever writes it still holds it open. The kernel grants a read
//! lease only while nobody does, through a descriptor or a writable mapping. It answers the file's owner (or
//! `CAP_LEASE`) on local file systems of Linux; everywhere else nothing is known, and the times alone decide.
//!
//! Invariant: a lease is given back at once, and breaking one sends no signal that could end this process.

use std::fs::File;

/// Chooses the signal by which a holder hears that its lease is broken (`asm-generic/fcntl.h`; libc has no name for it).
#[cfg(target_os = "linux")]
const F_SETSIG: i32 = 10;

/// Whether a file is known to be open for writing somewhere; `false` also where that cannot be known.
#[cfg(target_os = "linux")]
pub(crate) fn is_held_open_for_writing(file: &File) -> bool {
    use std::os::fd::AsRawFd as _;

    let set = |command: i32, value: i32| fcntl(file.as_raw_fd(), command, value);
    // Whoever opens the file in the moment of the lease breaks it, and the holder is sent a signal: one that is ignored
    // unless somebody asks for it, instead of SIGIO, which ends a process.
    if set(F_SETSIG, libc::SIGURG).is_err() {
        return false;
    }
    match set(libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(()) => {
            // Should this fail, the lease goes with the descriptor, which is soon.
            if let Err(error) = set(libc::F_SETLEASE, libc::F_UNLCK) {
                tracing::warn!(%error, "a lease was not given back before its file is closed");
            }
            false
        }
        Err(error) => error.raw_os_error() == Some(libc::EAGAIN),
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "leases have no safe form")]
fn fcntl(descriptor: i32, command: i32, value: i32) -> std::io::Result<()> {
    // SAFETY: the descriptor belongs to a file that the caller borrows for the whole call, and the commands used here
    // take a plain number; no memory is passed.
    let answer = unsafe { libc::fcntl(descriptor, command, value) };
    if answer == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether a file is known to be open for writing somewhere: here that cannot be known.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_held_open_for_writing(_file: &File) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_held_open_for_writing_until_its_last_writer_closes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("arriving.jpg");
        let writer = File::create(&path).unwrap();
        let second = File::options().append(true).open(&path).unwrap();
        let reader = File::open(&path).unwrap();
        assert!(is_held_open_for_writing(&reader));
        drop(writer);
        assert!(is_held_open_for_writing(&reader), "another writer still holds it");
        drop(second);
        assert!(!is_held_open_for_writing(&reader));
        let _another_reader = File::open(&path).unwrap();
        assert!(!is_held_open_for_writing(&reader), "readers hold nothing up");
    }

    #[test]
    fn a_lease_is_given_back_and_whoever_opens_the_file_meanwhile_ends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("busy.jpg");
        std::fs::write(&path, b"x").unwrap();
        let reader = File::open(&path).unwrap();
        let begun = std::time::Instant::now();
        std::thread::scope(|scope| {
            let opener = scope.spawn(|| {
                for _ in 0..2000 {
                    drop(File::options().write(true).open(&path).unwrap());
                }
            });
            while !opener.is_finished() {
                is_held_open_for_writing(&reader);
            }
        });
        // A lease that was kept would hold each writer up for /proc/sys/fs/lease-break-time, 45 s.
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "took {:?}", begun.elapsed());
    }
}
