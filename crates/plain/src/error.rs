//! What can go wrong with a plain copy as a whole; what goes wrong with one file is a [`Problem`](crate::Problem).

use std::io;
use std::path::{Path, PathBuf};

use safelight_store::StoreError;

/// What kind of failure it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The request makes no sense.
    Usage,
    /// No permission.
    Denied,
    /// The thing asked for does not exist.
    NotFound,
    /// A safeguard said no.
    Refused,
    /// Data is damaged.
    Damaged,
    /// The network failed.
    Network,
    /// The machine failed: a disk, a permission, a program.
    Failed,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlainError {
    /// The place.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The source is no folder that can be read.
    #[error("source {} is not a folder that can be read", path.display())]
    Source {
        /// What was named.
        path: PathBuf,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
    /// Nothing is left in the source of what was sent from it before.
    #[error("source {} is empty, and {known} files were sent from it before", path.display())]
    SourceEmpty {
        /// What was named.
        path: PathBuf,
        /// How many files the index knows.
        known: u64,
    },
    /// A number of workers out of bounds.
    #[error("workers must be between 1 and 32, not {given}")]
    Workers {
        /// What was asked for.
        given: u32,
    },
    /// A sealed copy in one file, where a plain one was to go.
    #[error("a plain copy cannot be in a file: {place} means a sealed copy of a library")]
    SealedFile {
        /// The address.
        place: String,
    },
    /// The state folder or a file in it.
    #[error("{} cannot be {action}", path.display())]
    State {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a participle.
        action: &'static str,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
    /// Another run uses the state folder.
    #[error("another run uses the state folder {}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file that is no index of this version.
    #[error("{} is no index of a plain copy: {reason}", path.display())]
    ForeignIndex {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An index that contradicts itself or cannot be read to its end.
    #[error("{} is damaged: {reason}", path.display())]
    DamagedIndex {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No room on the disk of the state folder.
    #[error("no room is left on the disk of {}", path.display())]
    StateFull {
        /// The index.
        path: PathBuf,
    },
    /// The database otherwise.
    #[error("{} cannot be used", path.display())]
    Database {
        /// The index.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The index knows no such file.
    #[error("nothing in this plain copy is called {name}")]
    NoSuchFile {
        /// What was asked for.
        name: String,
    },
    /// There is nothing to do it with.
    #[error("this state folder knows of no plain copy at {place}")]
    NothingKnown {
        /// The address.
        place: String,
    },
    /// Everything fails in the same way.
    #[error("{failures} files in a row failed; the last: {last}")]
    NothingGoes {
        /// How many.
        failures: u32,
        /// What the place said last.
        last: String,
    },
    /// A safeguard said no.
    #[error("{reason}")]
    Refused {
        /// What would have happened.
        reason: String,
        /// How to go on.
        hint: String,
    },
    /// The target of a restore.
    #[error("{} cannot be {action}", path.display())]
    Target {
        /// The folder.
        path: PathBuf,
        /// What was tried, as a participle.
        action: &'static str,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
    /// Somebody asked to stop before the place was listed to its end.
    #[error("interrupted while the place was listed; nothing was done")]
    Interrupted,
    /// A part of the program ended early.
    #[error("a part of the program ended early")]
    Runtime(#[source] io::Error),
}

impl PlainError {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => kind_of(error),
            Self::Source { .. } | Self::Workers { .. } | Self::SealedFile { .. } => Kind::Usage,
            Self::NoSuchFile { .. } | Self::NothingKnown { .. } => Kind::NotFound,
            Self::SourceEmpty { .. } | Self::InUse { .. } | Self::Refused { .. } => Kind::Refused,
            Self::ForeignIndex { .. } | Self::DamagedIndex { .. } => Kind::Damaged,
            Self::NothingGoes { .. } => Kind::Network,
            _ => Kind::Failed,
        }
    }

    /// What happened, with everything below it, in one sentence.
    #[must_use]
    pub fn told(&self) -> String {
        with_causes(self)
    }

    /// Whether a disk of this machine has no room.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::StateFull { .. })
    }

    /// What to do next, where that can be said.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(error) => return error.hint().map(str::to_owned),
            Self::SourceEmpty { .. } => "is its drive mounted? nothing was changed there or here",
            Self::SealedFile { .. } => "name a folder or a container: folder:/path, azure://…, s3://…",
            Self::InUse { .. } => "wait until it is done, or name another folder with --state-dir",
            Self::ForeignIndex { .. } => {
                "move it away: the next push makes a new one and finds what is there again; \
                 safelight plain adopt --index FILE takes over the index of another tool"
            }
            Self::DamagedIndex { .. } => {
                "move it away: the next push makes a new one and finds what is there again"
            }
            Self::StateFull { .. } => "make room there and run it again: what was sent is not sent again",
            Self::NoSuchFile { .. } => "safelight plain list names what there is",
            Self::NothingKnown { .. } => {
                "safelight plain push sends there; safelight plain adopt takes over what is there; --state-dir names \
                 another folder"
            }
            Self::NothingGoes { .. } => "run it again when the place answers: what is done is not done again",
            Self::Refused { hint, .. } => hint,
            _ => return None,
        };
        Some(hint.to_owned())
    }

    pub(crate) fn state(path: &Path, action: &'static str, source: io::Error) -> Self {
        if rustix::io::Errno::from_io_error(&source) == Some(rustix::io::Errno::NOSPC) {
            return Self::StateFull { path: path.to_owned() };
        }
        Self::State { path: path.to_owned(), action, source }
    }
}

const fn kind_of(error: &StoreError) -> Kind {
    match error {
        StoreError::Denied { .. } => Kind::Denied,
        StoreError::NotFound { .. } | StoreError::NoPlace { .. } => Kind::NotFound,
        StoreError::Unsupported { .. }
        | StoreError::Archived { .. }
        | StoreError::AlreadyExists { .. }
        | StoreError::Refused { .. } => Kind::Refused,
        StoreError::Damaged { .. } | StoreError::Obstructed { .. } => Kind::Damaged,
        StoreError::Throttled { .. } | StoreError::Network { .. } => Kind::Network,
        StoreError::Address(_) | StoreError::Name(_) | StoreError::BadName { .. } => Kind::Usage,
        _ => Kind::Failed,
    }
}

/// After how many failures of the place in a row nothing more is tried.
const MOST_FAILURES: u32 = 10;

/// Counts failures of the place, until it is clear that nothing goes.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    in_a_row: u32,
}

impl Patience {
    pub(crate) const fn succeeded(&mut self) {
        self.in_a_row = 0;
    }

    /// Takes note of a failure; answers what stops the whole.
    pub(crate) fn failed(&mut self, last: &str) -> Result<(), PlainError> {
        self.in_a_row += 1;
        let failures = self.in_a_row;
        if failures < MOST_FAILURES {
            return Ok(());
        }
        Err(PlainError::NothingGoes { failures, last: last.to_owned() })
    }
}

/// An error with everything below it, as one sentence.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_said = inner.to_string();
        if !said.contains(&inner_said) {
            said = format!("{said}: {inner_said}");
        }
        cause = inner.source();
    }
    said
}
