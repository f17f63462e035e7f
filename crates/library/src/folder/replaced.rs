//! Databases that a repair has replaced: they stay beside the new ones until the user lets them go.
//!
//! Invariant: what is kept is never written over. A second repair keeps its own under the next number
//! (`catalog.db.before`, `catalog.db.before.2`, …), and a database's log is kept with it, under the name at which
//! SQLite looks for it: what was not yet written back is in the log alone.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use safelight_store::sync_directory;

use super::{FolderError, LibraryFolder};

/// The catalogue as it was before it was made anew.
const OLD_CATALOG: &str = "catalog.db.before";
/// A device database that could not be opened.
const OLD_DEVICE: &str = "device.db.damaged";
/// What follows the name of a database's log.
const LOG: &str = "-wal";

impl LibraryFolder {
    /// Keeps a copy of the catalogue that is about to be replaced, with its log, durably. The catalogue stays where it
    /// is until its successor takes its place; a folder of its name makes room.
    pub(crate) fn keep_catalog(&self) -> Result<(), FolderError> {
        let path = self.catalog_path();
        let kept = self.free_name(OLD_CATALOG);
        if path.is_dir() {
            std::fs::rename(&path, &kept).map_err(|error| FolderError::from_io("move", &path, error))?;
        } else {
            // The log comes first: a database that is there without it looks whole.
            keep_copy(&with_log(&path), &with_log(&kept))?;
            keep_copy(&path, &kept)?;
        }
        self.settle_names()
    }

    /// Moves a damaged device database out of the way, with its log, durably.
    pub(crate) fn set_device_aside(&self) -> Result<(), FolderError> {
        let path = self.device_path();
        let aside = self.free_name(OLD_DEVICE);
        for (from, to) in [(with_log(&path), with_log(&aside)), (path, aside)] {
            match std::fs::rename(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(FolderError::from_io("move", &from, error));
                }
                _ => {}
            }
        }
        self.settle_names()
    }

    /// The databases that were replaced and are kept, in the order of their names, and logs whose database is not there.
    pub(crate) fn replaced_databases(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.path()) else { return Vec::new() };
        let is_one = |entry: &std::fs::DirEntry| {
            entry.file_type().is_ok_and(|kind| kind.is_file())
                && entry
                    .file_name()
                    .to_str()
                    .is_some_and(|name| is_replaced_database(name) && !is_beside_its_database(&entry.path()))
        };
        let mut found: Vec<_> = entries.flatten().filter(is_one).map(|entry| entry.path()).collect();
        found.sort_unstable();
        found
    }

    /// Removes the databases that were replaced, and their logs.
    pub(crate) fn remove_replaced_databases(&self) -> Result<(), FolderError> {
        self.require_writable()?;
        for path in self.replaced_databases() {
            for path in [with_log(&path), path] {
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(FolderError::from_io("remove", &path, error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The first of a name and its numbered followers that neither a database nor a log has.
    fn free_name(&self, name: &str) -> PathBuf {
        let is_free =
            |path: &Path| path.symlink_metadata().is_err() && with_log(path).symlink_metadata().is_err();
        let mut path = self.path().join(name);
        let mut number = 2_u64;
        while !is_free(&path) {
            path = self.path().join(format!("{name}.{number}"));
            number += 1;
        }
        path
    }

    fn settle_names(&self) -> Result<(), FolderError> {
        let fail = |error| FolderError::from_io("sync", self.path(), error);
        sync_directory(File::open(self.path()).map_err(fail)?.as_fd()).map_err(fail)
    }
}

/// Whether a file of this name is a database that was replaced, or its log.
pub(super) fn is_replaced_database(name: &str) -> bool {
    let name = name.strip_suffix(LOG).unwrap_or(name);
    [OLD_CATALOG, OLD_DEVICE].iter().any(|kept| {
        name.strip_prefix(kept).is_some_and(|rest| {
            let number = rest.strip_prefix('.').filter(|digits| !digits.starts_with('+'));
            rest.is_empty() || number.is_some_and(|digits| digits.parse::<u64>().is_ok())
        })
    })
}

/// Whether a file is a log that goes with the database beside it.
fn is_beside_its_database(path: &Path) -> bool {
    let database = path.to_str().and_then(|path| path.strip_suffix(LOG));
    database.is_some_and(|database| Path::new(database).symlink_metadata().is_ok())
}

fn with_log(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(LOG);
    PathBuf::from(name)
}

/// Copies a file durably, for its owner only; none where it is not there, and nothing half done stays behind.
fn keep_copy(from: &Path, to: &Path) -> Result<(), FolderError> {
    use std::os::unix::fs::PermissionsExt as _;
    let copy = || {
        std::fs::copy(from, to)?;
        std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o600))?;
        File::open(to)?.sync_all()
    };
    if !from.exists() {
        return Ok(());
    }
    copy().map_err(|error| {
        let _half_done = std::fs::remove_file(to);
        FolderError::from_io("write", to, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_replaced_databases_are_told_from_strangers() {
        for name in
            ["catalog.db.before", "catalog.db.before-wal", "catalog.db.before.2", "device.db.damaged.10-wal"]
        {
            assert!(is_replaced_database(name), "{name}");
        }
        for name in
            ["catalog.db.before.", "catalog.db.before.2.3", "device.db.damaged.+2", "catalog.db.beforehand"]
        {
            assert!(!is_replaced_database(name), "{name}");
        }
    }
}
