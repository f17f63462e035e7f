//! In which folders objects lie and what they are called, as cheaply as a file system tells it: nothing is opened, and no
//! file is looked at.
//!
//! A folder's own time changes with every name that comes or goes in it, so who remembers both need list again only what
//! changed.

use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use crate::error::{Operation, StoreError};
use crate::folder::FolderPlace;
use crate::name::Area;

/// A folder of objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// Its path below the place's root.
    pub folder: String,
    /// When a name last came or went in it, in nanoseconds since 1970 by the file system's clock.
    pub changed_nanos: i64,
}

impl FolderPlace {
    /// The folder of an area and those directly in it, in the order of their names; none where there is no such area.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn shards(&self, area: Area) -> Result<Vec<Shard>, StoreError> {
        let fail = |error: Errno| self.error(Operation::List, area.as_str(), error.into());
        let opened = match self.open_folder(area.as_str()) {
            Ok(opened) => opened,
            Err(Errno::NOENT) if self.is_present() => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let directory = opened.as_ref().unwrap_or_else(|| self.root());
        let own = rustix::fs::fstat(directory).map_err(fail)?;
        let mut shards = vec![Shard { folder: area.as_str().to_owned(), changed_nanos: changed_nanos(&own) }];
        for entry in Dir::read_from(directory).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let may_be_folder = matches!(entry.file_type(), FileType::Directory | FileType::Unknown);
            if name == "." || name == ".." || !may_be_folder {
                continue;
            }
            match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                    let folder = format!("{}/{name}", area.as_str());
                    shards.push(Shard { folder, changed_nanos: changed_nanos(&stat) });
                }
                // Gone between listing and looking, or no folder.
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(fail(error)),
            }
        }
        shards.sort();
        Ok(shards)
    }

    /// The names of what lies in a folder and is none itself, in their order; nothing where there is no such folder.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn names_in(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let fail = |error: Errno| self.error(Operation::List, folder, error.into());
        let opened = match self.open_folder(folder) {
            Ok(opened) => opened,
            Err(Errno::NOENT) if self.is_present() => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let directory = opened.as_ref().unwrap_or_else(|| self.root());
        let mut names = Vec::new();
        for entry in Dir::read_from(directory).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.file_type() != FileType::Directory
                && let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn changed_nanos(stat: &rustix::fs::Stat) -> i64 {
    let seconds = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
    let since = seconds + Duration::from_nanos(u32::try_from(stat.st_mtime_nsec).unwrap_or(0).into());
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_listed_with_the_names_in_them_and_no_folder_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let place = FolderPlace::open(folder.path(), &folder.path().join("tmp")).unwrap();
        assert_eq!(place.shards(Area::Original).unwrap(), []);
        assert!(place.names_in("o/ab").unwrap().is_empty());
        std::fs::create_dir_all(folder.path().join("o/ab/deeper")).unwrap();
        std::fs::create_dir_all(folder.path().join("o/aa")).unwrap();
        std::fs::write(folder.path().join("o/ab/two"), b"").unwrap();
        std::fs::write(folder.path().join("o/ab/one"), b"").unwrap();
        std::fs::write(folder.path().join("o/stray"), b"").unwrap();
        let shards = place.shards(Area::Original).unwrap();
        let folders: Vec<&str> = shards.iter().map(|shard| shard.folder.as_str()).collect();
        assert_eq!(folders, ["o", "o/aa", "o/ab"]);
        assert_eq!(place.names_in("o/ab").unwrap(), ["one", "two"]);
        let old = rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec { tv_sec: 5, tv_nsec: 6 },
            last_modification: rustix::fs::Timespec { tv_sec: 5, tv_nsec: 6 },
        };
        let path = folder.path().join("o/ab");
        rustix::fs::utimensat(rustix::fs::CWD, &path, &old, AtFlags::empty()).unwrap();
        assert_eq!(place.shards(Area::Original).unwrap()[2].changed_nanos, 5_000_000_006);
        std::fs::remove_file(path.join("one")).unwrap();
        assert_ne!(place.shards(Area::Original).unwrap()[2].changed_nanos, 5_000_000_006);
    }
}
