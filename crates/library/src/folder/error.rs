//! What can go wrong with a library folder.

use std::io;
use std::path::{Path, PathBuf};

use safelight_store::StoreError;

use crate::error::ErrorKind;

/// What to do about a library that cannot be written.
pub(crate) const READ_ONLY_HINT: &str =
    "list, show, export and verify still work; to change it, make it writable first";

/// What brings a damaged or lost `library.toml` back.
const DESCRIPTION_HINT: &str = "safelight doctor --fix writes it anew as soon as a key proves which library this is; where the \
     file does not name it any more, add --recovery-file FILE with the 24 words that the library was made with, or put \
     library.toml back from a backup; without either, safelight join makes the library anew from a remote";

/// What brings the folder of objects back.
const NO_OBJECTS_HINT: &str = "put it back if it was only moved, or from a backup; else any command that writes makes it anew: \
     safelight sync then fetches what rests in a remote, and importing files again takes in the rest";

/// An error of the library folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// There is no library at this path.
    #[error("there is no library in {}", path.display())]
    NotALibrary {
        /// The path that was tried.
        path: PathBuf,
    },
    /// Keys and objects are there, but not the file that says which library they are of.
    #[error("{} is a library without its library.toml", path.display())]
    Undescribed {
        /// The library's folder.
        path: PathBuf,
    },
    /// Everything of a library is there but its objects.
    #[error("the folder of the library's sealed objects, {}, is missing", path.join("objects").display())]
    NoObjects {
        /// The library's folder.
        path: PathBuf,
    },
    /// A new library would share its folder with other files.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// There is a library already.
    #[error("{} is a library already", path.display())]
    AlreadyALibrary {
        /// The folder.
        path: PathBuf,
    },
    /// Another process is making a library in the same folder.
    #[error("another process is making a library in {}", path.display())]
    BeingMade {
        /// The folder.
        path: PathBuf,
    },
    /// A newer version of this program wrote the library.
    #[error("{} has format {found}, and this version knows formats up to {known}", path.display())]
    NewerFormat {
        /// The library's folder.
        path: PathBuf,
        /// The format it has.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// The library needs something that this version does not have.
    #[error("{} needs \"{feature}\", which this version does not have", path.display())]
    UnknownFeature {
        /// The library's folder.
        path: PathBuf,
        /// What it needs.
        feature: String,
    },
    /// A file of the folder is not as it was written.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The library may be read but not changed.
    #[error("the library in {} is read-only", path.display())]
    ReadOnly {
        /// The folder.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("no space left to write {}", path.display())]
    Full {
        /// The file that did not fit.
        path: PathBuf,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
    /// Neither a home nor a data folder is known.
    #[error("it is not known where this user's data belongs")]
    NoHome,
    /// The folder of objects.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Any other error of the system below.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file or folder concerned.
        path: PathBuf,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
}

impl FolderError {
    /// Names an I/O error by its meaning.
    pub(crate) fn from_io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, source },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::Io { action, path, source },
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NotALibrary { .. } => ErrorKind::NotFound,
            Self::NotEmpty { .. }
            | Self::AlreadyALibrary { .. }
            | Self::BeingMade { .. }
            | Self::NewerFormat { .. }
            | Self::UnknownFeature { .. } => ErrorKind::Refused,
            Self::Undescribed { .. }
            | Self::NoObjects { .. }
            | Self::Damaged { .. }
            | Self::Store(StoreError::Damaged { .. }) => ErrorKind::Damaged,
            Self::NoHome => ErrorKind::Usage,
            Self::ReadOnly { .. } | Self::Full { .. } | Self::Store(_) | Self::Io { .. } => ErrorKind::Failed,
        }
    }

    /// What to do next, in one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotALibrary { path } => {
                return Some(format!("make one with: safelight init --library {}", path.display()));
            }
            Self::NotEmpty { .. } => "name a new or an empty folder; nothing was changed",
            Self::AlreadyALibrary { .. } => "name another folder with --library, or use this one",
            Self::BeingMade { .. } => "wait for the other safelight init to end",
            Self::NewerFormat { .. } | Self::UnknownFeature { .. } => {
                "update safelight on this device; older versions leave the library untouched"
            }
            Self::Undescribed { .. } => DESCRIPTION_HINT,
            Self::NoObjects { .. } => NO_OBJECTS_HINT,
            Self::Damaged { path, .. } if path.ends_with("library.toml") => DESCRIPTION_HINT,
            Self::Damaged { .. } => "safelight verify names everything that is damaged",
            Self::ReadOnly { .. } => READ_ONLY_HINT,
            Self::Full { .. } => {
                "free some space and run the same command again; it goes on where it stopped"
            }
            Self::NoHome => "name a folder with --library",
            Self::Store(error) if error.is_full() => {
                "free some space and run the same command again; it goes on where it stopped"
            }
            Self::Store(StoreError::Vanished { .. } | StoreError::NoPlace { .. }) => {
                "connect the drive that holds the library, or the one that its folder objects leads to"
            }
            Self::Store(_) | Self::Io { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
