//! Keeps what removes or replaces things away from what adds them.
//!
//! Invariant: every process that may write to a library holds its folder shared; sweeping leftovers and rebuilding
//! the catalogue need it alone. The lock dies with the process, and is local: it says nothing to other devices.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use safelight_store::FolderPlace;

use crate::error::{LibraryError, Result};
use crate::flock::{self, Answer, Ask};
use crate::folder::LibraryFolder;
use crate::monitor::Monitor;

/// The library folder, held.
#[derive(Debug)]
pub(crate) struct FolderLock {
    held: File,
}

impl FolderLock {
    /// Holds the folder with others; waits while one process has it alone.
    pub(crate) fn share(folder: &LibraryFolder) -> Result<Self> {
        let lock = Self::open(folder)?;
        match flock::lock(&lock.held, Ask::Shared) {
            Ok(_) => Ok(lock),
            Err(error) => Err(LibraryError::reading(folder.path(), error)),
        }
    }

    /// Holds the folder alone, or says that another process works on it.
    pub(crate) fn alone(folder: &LibraryFolder) -> Result<Self> {
        let mut lock = Self::open(folder)?;
        lock.become_alone().map(|()| lock)
    }

    /// Turns a shared hold into one alone, if nobody else works on the library.
    pub(crate) fn become_alone(&mut self) -> Result<()> {
        match flock::lock(&self.held, Ask::AloneNow) {
            Ok(Answer::Held | Answer::Lockless) => Ok(()),
            Ok(Answer::Taken) | Err(_) => Err(LibraryError::Refused {
                reason: "another process works on this library".into(),
                hint: "wait until imports and previews are done, then try again".into(),
            }),
        }
    }

    fn open(folder: &LibraryFolder) -> Result<Self> {
        let held =
            File::open(folder.path()).map_err(|source| LibraryError::reading(folder.path(), source))?;
        Ok(Self { held })
    }
}

/// The turn to add originals, held; it ends when it is dropped.
///
/// Several imports may seal the same content at once. Whoever has the turn looks once more what history knows, and
/// nobody else adds anything until it has recorded what it adds, so no content comes to rest twice.
#[derive(Debug)]
pub(crate) struct AddingTurn {
    _held: Option<File>,
}

/// How often a turn that somebody else has is asked for.
const TURN_AGAIN: Duration = Duration::from_millis(20);
/// Who is asked to stop waits this long for the turn to keep what is sealed already; a living import has it for less.
const TURN_PATIENCE: Duration = Duration::from_secs(5);

impl AddingTurn {
    /// Waits until no other process is adding originals. Who is asked to stop meanwhile waits a few seconds more.
    pub(crate) fn take(place: &FolderPlace, monitor: &dyn Monitor) -> Result<Self> {
        // Not the folder of all objects, which whoever renders in the background holds for as long as that takes.
        let path = place.path().join("log");
        let held = match File::open(&path) {
            Ok(held) => held,
            // Nothing was ever added here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { _held: None }),
            Err(source) => return Err(LibraryError::reading(&path, source)),
        };
        let mut asked_to_stop = None;
        loop {
            match flock::lock(&held, Ask::AloneNow) {
                Ok(Answer::Held | Answer::Lockless) => return Ok(Self { _held: Some(held) }),
                Ok(Answer::Taken) => {
                    let stops = monitor.cancelled();
                    if stops && asked_to_stop.get_or_insert_with(Instant::now).elapsed() > TURN_PATIENCE {
                        return Err(LibraryError::Cancelled);
                    }
                    std::thread::sleep(TURN_AGAIN);
                }
                Err(error) => return Err(LibraryError::reading(&path, error)),
            }
        }
    }
}
