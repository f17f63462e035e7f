//! Every file of a folder, known or not, so that verification can name strangers.
//!
//! Invariant: nothing is skipped silently and no link is followed. What cannot be read is an error item and
//! the walk goes on. Memory is bounded by the names of one path of folders.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::{Operation, StoreError};
use crate::folder::FolderPlace;
use crate::name::ObjectPath;

/// How deep folders may be nested; SL1 needs two, the plain copy somewhat more.
const MAX_DEPTH: usize = 64;

/// Something found in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path below the place's root.
    pub relative: PathBuf,
    /// What it is.
    pub kind: FoundKind,
    /// Its length in bytes; 0 for what has none.
    pub length_bytes: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundKind {
    /// A file under a valid name; whether its content is right is for verification to say.
    Object(ObjectPath),
    /// A plain file whose name is none of SL1's.
    StrangeFile,
    /// A symbolic link, device, socket or pipe: never made by us.
    StrangeKind,
    /// A folder that could not belong to any object's path.
    StrangeFolder,
}

/// An iterator over everything in a place, in the order of names.
#[derive(Debug)]
pub struct Walk {
    place: FolderPlace,
    levels: Vec<Level>,
    started: bool,
    hidden: Option<&'static str>,
    after: Option<PathBuf>,
}

#[derive(Debug)]
struct Level {
    directory: OwnedFd,
    relative: PathBuf,
    /// Names still to visit, last first.
    names: Vec<OsString>,
}

impl Walk {
    pub(crate) const fn new(place: FolderPlace) -> Self {
        Self { place, levels: Vec::new(), started: false, hidden: None, after: None }
    }

    /// Leaves out one folder directly below the root.
    pub(crate) const fn without(mut self, hidden: &'static str) -> Self {
        self.hidden = Some(hidden);
        self
    }

    /// Leaves out what comes before or at `last`, a path of an earlier walk.
    pub(crate) fn after(mut self, last: Option<&str>) -> Self {
        self.after = last.map(PathBuf::from);
        self
    }

    /// Begins below a folder instead of at the root; nothing there is an empty walk.
    pub(crate) fn below(mut self, folder: &str) -> Result<Self, StoreError> {
        self.started = true;
        match self.place.open_folder(folder) {
            Ok(Some(directory)) => self.enter(directory, PathBuf::from(folder))?,
            Ok(None) => self.started = false,
            Err(Errno::NOENT) if self.place.is_present() => {}
            Err(error) => return Err(self.place.error(Operation::List, folder, error.into())),
        }
        Ok(self)
    }

    fn enter(&mut self, directory: OwnedFd, relative: PathBuf) -> Result<(), StoreError> {
        match sorted_names(&directory) {
            Ok(mut names) => {
                if relative.as_os_str().is_empty() {
                    names.retain(|name| self.hidden.is_none_or(|hidden| name != OsStr::new(hidden)));
                }
                self.levels.push(Level { directory, relative, names });
                Ok(())
            }
            Err(error) => Err(self.fail(&relative, error)),
        }
    }

    fn fail(&self, relative: &Path, error: Errno) -> StoreError {
        self.place.error(Operation::List, &relative.display().to_string(), error.into())
    }

    /// Looks at one name: descends into a folder, or returns what it is.
    fn visit(
        &mut self,
        relative: PathBuf,
        stat: &Stat,
        child: Option<Result<OwnedFd, Errno>>,
    ) -> Option<Result<Found, StoreError>> {
        let found = |kind| {
            Some(Ok(Found {
                relative: relative.clone(),
                kind,
                length_bytes: u64::try_from(stat.st_size).unwrap_or(0),
                modified: modified(stat),
            }))
        };
        match (FileType::from_raw_mode(stat.st_mode), child) {
            (FileType::Directory, Some(_)) if self.levels.len() >= MAX_DEPTH => {
                found(FoundKind::StrangeFolder)
            }
            (FileType::Directory, Some(Ok(directory))) => self.enter(directory, relative).err().map(Err),
            (FileType::Directory, Some(Err(error))) => Some(Err(self.fail(&relative, error))),
            (FileType::RegularFile, _) => match relative.to_str().map(ObjectPath::parse) {
                Some(Ok(path)) => found(FoundKind::Object(path)),
                _ => found(FoundKind::StrangeFile),
            },
            _ => found(FoundKind::StrangeKind),
        }
    }
}

impl Iterator for Walk {
    type Item = Result<Found, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.started {
            self.started = true;
            match open_again(self.place.root()) {
                Ok(root) => {
                    if let Err(error) = self.enter(root, PathBuf::new()) {
                        return Some(Err(error));
                    }
                }
                Err(error) => return Some(Err(self.fail(Path::new(""), error))),
            }
        }
        loop {
            let level = self.levels.last_mut()?;
            let Some(name) = level.names.pop() else {
                self.levels.pop();
                continue;
            };
            let relative = level.relative.join(&name);
            // Paths compare part by part, which is the order of the walk; a folder on the way to `after`
            // comes before it and must still be entered.
            if self.after.as_ref().is_some_and(|after| {
                relative == *after || (relative < *after && !after.starts_with(&relative))
            }) {
                continue;
            }
            let stat = match rustix::fs::statat(&level.directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // Gone between listing and looking: another process removed it.
                Err(Errno::NOENT) => continue,
                Err(error) => return Some(Err(self.fail(&relative, error))),
            };
            let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let child = is_folder.then(|| open_child(&level.directory, &name));
            if let Some(item) = self.visit(relative, &stat, child) {
                return Some(item);
            }
        }
    }
}

fn open_child(parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Opens the folder anew, because a duplicate would share its reading position.
fn open_again(directory: &OwnedFd) -> Result<OwnedFd, Errno> {
    open_child(directory, OsStr::new("."))
}

fn sorted_names(directory: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

pub(crate) fn modified(stat: &Stat) -> SystemTime {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
