//! What can go wrong with the encrypted databases.
//!
//! Invariant: every variant names the database or the object that it is about, so that the layer above
//! never has to guess; an error of SQLite keeps its source.

use std::path::{Path, PathBuf};

use safelight_crypto::DeviceId;

/// What a database operation may report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// There is no database at this path.
    #[error("there is no database at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A database that was to be created is already there.
    #[error("a database already exists at {}", path.display())]
    Exists {
        /// The path in question.
        path: PathBuf,
    },
    /// The database belongs to another key.
    #[error("the key does not open {}", path.display())]
    WrongKey {
        /// The database.
        path: PathBuf,
    },
    /// Bytes of the database are not what was written.
    #[error("{} is damaged: {found}", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found, in words.
        found: String,
    },
    /// A later version of the program wrote the database.
    #[error(
        "{} has schema {found}, this program knows schemas up to {known}: a newer version of Safelight wrote it",
        path.display()
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// The schema number found.
        found: u32,
        /// The highest schema number that this program knows.
        known: u32,
    },
    /// Another process held the database longer than the time-out.
    #[error("{} is in use by another process", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("no space is left to write {}", path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// The database, or its folder, cannot be written.
    #[error("{} cannot be written", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// SQLite reported something else.
    #[error("{}: {source}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A file system call on the database file failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A stored row cannot be understood; the catalogue can be rebuilt from history.
    #[error("{what} in the catalogue cannot be read: {found}")]
    Row {
        /// Which row.
        what: String,
        /// What is wrong with it.
        found: String,
    },
    /// A segment does not follow what is already here.
    #[error("segment {seq} of device {device} cannot be applied yet: {missing}")]
    OutOfOrder {
        /// The author.
        device: DeviceId,
        /// The segment's number.
        seq: u32,
        /// What has to come first.
        missing: String,
    },
    /// Another segment of that number has been applied already.
    #[error("device {device} has another segment {seq} than the one known here")]
    Forked {
        /// The author.
        device: DeviceId,
        /// The segment's number.
        seq: u32,
    },
    /// Another version of the program folded the states.
    #[error("{} was folded by rules {found}, this program has rules {known}: rebuild it from history", path.display())]
    OtherFold {
        /// The catalogue.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The version of this program.
        known: u32,
    },
    /// Keys of another device than the catalogue's were given.
    #[error("the catalogue belongs to device {known}, the keys to device {given}")]
    NotThisDevice {
        /// The catalogue's device.
        known: DeviceId,
        /// The keys' device.
        given: DeviceId,
    },
    /// A rule of the history format was broken.
    #[error(transparent)]
    Model(#[from] safelight_model::ModelError),
    /// Sealing or opening failed.
    #[error(transparent)]
    Crypto(#[from] safelight_crypto::CryptoError),
}

/// The crate's result.
pub type Result<T, E = CatalogError> = std::result::Result<T, E>;

impl CatalogError {
    /// Whether a rebuild from history cures it.
    #[must_use]
    pub fn is_cured_by_rebuild(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Row { .. } | Self::OtherFold { .. })
    }

    /// Turns an error of SQLite into the variant that says what it means.
    pub(crate) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = path.to_path_buf();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::DiskFull) => Self::DiskFull { path },
            // The index of the log could not grow: so SQLite names a full disk while it opens a database.
            Some(ErrorCode::SystemIoFailure)
                if source
                    .sqlite_error()
                    .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) =>
            {
                Self::DiskFull { path }
            }
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, found: source.to_string() }
            }
            _ => Self::Sqlite { path, source },
        }
    }
}
