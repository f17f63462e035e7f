//! The front door: a state folder and a destination.

use crate::error::PlainError;
use crate::guard;
use crate::index::Index;
use crate::place::{Destination, Place};
use crate::state::{StateFolder, index_to_read};
use safelight_store::Capabilities;
use std::path::{Path, PathBuf};

/// How many more threads than files on their way may block.
const SPARE_THREADS: usize = 4;

/// A plain copy: where it goes, and the folder that remembers what is there.
#[derive(Debug)]
pub struct PlainCopy {
    destination: Destination,
    state_path: PathBuf,
    /// Held by what writes.
    state: Option<StateFolder>,
}

impl PlainCopy {
    /// A copy to write to: nobody else uses the state folder meanwhile.
    ///
    /// # Errors
    /// [`PlainError::Workers`], [`PlainError::SealedFile`], and as [`StateFolder::open`].
    pub fn open(destination: Destination, state_path: PathBuf) -> Result<Self, PlainError> {
        check(&destination)?;
        let state = Some(StateFolder::open(&state_path)?);
        Ok(Self { destination, state_path, state })
    }

    /// A copy to look at; nothing is made here.
    ///
    /// # Errors
    /// [`PlainError::Workers`], [`PlainError::SealedFile`].
    pub fn to_read(destination: Destination, state_path: PathBuf) -> Result<Self, PlainError> {
        check(&destination)?;
        Ok(Self { destination, state_path, state: None })
    }

    /// Where it goes.
    #[must_use]
    pub const fn destination(&self) -> &Destination {
        &self.destination
    }

    /// How many files the index knows at the destination.
    ///
    /// # Errors
    /// What opening and reading the index answers.
    pub fn known_files(&self) -> Result<u64, PlainError> {
        match self.index_to_read()? {
            Some(index) => index.count(&self.destination.name()),
            None => Ok(0),
        }
    }

    /// The files that the index knows at the destination, in the order of paths.
    ///
    /// # Errors
    /// [`PlainError::NothingKnown`] where it knows none, and what reading answers.
    pub fn entries(&self) -> Result<Vec<crate::Entry>, PlainError> {
        let place = self.destination.name();
        let entries = match self.index_to_read()? {
            Some(index) => index.entries(&place)?,
            None => Vec::new(),
        };
        if entries.is_empty() { Err(PlainError::NothingKnown { place }) } else { Ok(entries) }
    }

    /// Of these the files at or below any of these paths; all of them where there are none.
    ///
    /// # Errors
    /// As [`entries`](Self::entries), and [`PlainError::NoSuchFile`] for a path at or below which there is no file.
    pub fn entries_below(&self, paths: &[PathBuf]) -> Result<Vec<crate::Entry>, PlainError> {
        let entries = self.entries()?;
        all_are_met(paths, entries.iter().map(|entry| entry.path.as_path()))?;
        Ok(entries.into_iter().filter(|entry| is_below(&entry.path, paths)).collect())
    }

    pub(crate) fn state_path(&self) -> &Path {
        &self.state_path
    }

    pub(crate) fn index(&self) -> Result<Index, PlainError> {
        match &self.state {
            Some(state) => state.index(),
            None => StateFolder::open(&self.state_path)?.index(),
        }
    }

    pub(crate) fn index_to_read(&self) -> Result<Option<Index>, PlainError> {
        index_to_read(&self.state_path)
    }

    pub(crate) async fn place_to_read(&self) -> Result<Place, PlainError> {
        let remembered = match self.index_to_read()? {
            Some(index) => index.capabilities(&self.destination.name())?,
            None => None,
        };
        Place::to_read(&self.destination, remembered.as_deref().and_then(Capabilities::from_bytes)).await
    }

    pub(crate) fn runtime(&self) -> Result<tokio::runtime::Runtime, PlainError> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(self.destination.workers as usize + SPARE_THREADS)
            .enable_all()
            .build()
            .map_err(PlainError::Runtime)
    }
}

/// Whether a path is at or below any of these; where there are none, it is.
pub(crate) fn is_below(path: &Path, asked: &[PathBuf]) -> bool {
    asked.is_empty() || asked.iter().any(|asked| path.starts_with(asked))
}

/// Whether there is something at or below each path that was asked for.
pub(crate) fn all_are_met<'a>(
    asked: &[PathBuf],
    there: impl Iterator<Item = &'a Path>,
) -> Result<(), PlainError> {
    let mut unmet: Vec<&PathBuf> = asked.iter().collect();
    for path in there {
        if unmet.is_empty() {
            break;
        }
        unmet.retain(|asked| !path.starts_with(asked));
    }
    match unmet.first() {
        Some(path) => Err(PlainError::NoSuchFile { name: path.display().to_string() }),
        None => Ok(()),
    }
}

fn check(destination: &Destination) -> Result<(), PlainError> {
    guard::refuse_sealed_file(destination)?;
    check_workers(destination.workers)
}

/// Checks a number of workers.
///
/// # Errors
/// [`PlainError::Workers`] outside 1 to 32.
pub const fn check_workers(workers: u32) -> Result<(), PlainError> {
    match workers {
        1..=32 => Ok(()),
        given => Err(PlainError::Workers { given }),
    }
}
