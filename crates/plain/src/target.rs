//! The folder that a restore writes into.
//!
//! Invariant: nothing is written outside of it, whatever names a server gives: each part of a path is opened from the folder
//! above it and no link is followed. A file appears whole, under its name, or not at all; what is there is not written over.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::content::finished;
use crate::error::PlainError;
use crate::index::Sha256;
use crate::name::plain_parts;

/// What unfinished files begin with.
const UNFINISHED: &str = ".safelight-restore-";
/// How much is compared at a time.
const PIECE_BYTES: usize = 256 << 10;

/// A folder to write into.
#[derive(Debug)]
pub(crate) struct Target {
    root: OwnedFd,
}

/// A file that is being written.
pub(crate) struct NewFile {
    folder: OwnedFd,
    name: std::ffi::OsString,
    temporary: String,
    file: File,
    hash: digest::Context,
    is_kept: bool,
}

/// How writing a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Created,
    /// Something else is there under its name.
    Other,
}

impl Target {
    /// Opens the folder, and makes it where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, PlainError> {
        let fail = |action| move |source| PlainError::Target { path: PathBuf::from(path), action, source };
        std::fs::create_dir_all(path).map_err(fail("made"))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|error| fail("opened")(error.into()))?;
        Ok(Self { root })
    }

    /// The folder of a path, and its last part.
    fn folder_of<'a>(&self, relative: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
        let parts = plain_parts(relative).map_err(io::Error::other)?;
        let Some((name, above)) = parts.split_last() else { return Err(Errno::INVAL.into()) };
        let mut folder = self.root.try_clone()?;
        for part in above {
            match rustix::fs::mkdirat(&folder, *part, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = rustix::fs::openat(&folder, *part, flags, Mode::empty())?;
        }
        Ok((folder, name))
    }

    /// Whether a file is there with this content; nothing where there is none.
    pub(crate) fn holds(&self, relative: &Path, sha256: Sha256, size: u64) -> io::Result<Option<bool>> {
        let (folder, name) = self.folder_of(relative)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = match rustix::fs::openat(&folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            // A link, or what may not be read: something is there.
            Err(Errno::LOOP | Errno::ACCESS | Errno::NXIO) => return Ok(Some(false)),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() != size {
            return Ok(Some(false));
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(Some(finished(hash) == sha256)),
                read => hash.update(piece.get(..read).unwrap_or_default()),
            }
        }
    }

    /// Begins a file.
    pub(crate) fn create(&self, relative: &Path) -> io::Result<NewFile> {
        let (folder, name) = self.folder_of(relative)?;
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let temporary = format!("{UNFINISHED}{}", data_encoding::HEXLOWER.encode(&random));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, &*temporary, flags, Mode::from_raw_mode(0o666))?;
        let (name, hash) = (name.to_owned(), digest::Context::new(&digest::SHA256));
        Ok(NewFile { folder, name, temporary, file: File::from(file), hash, is_kept: false })
    }
}

impl NewFile {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.file.write_all(bytes)
    }

    /// Gives the file its time and its name, if it has this hash; nothing where it has another.
    pub(crate) fn finish(mut self, sha256: Sha256, mtime_ns: Option<i64>) -> io::Result<Option<Written>> {
        if finished(self.hash.clone()) != sha256 {
            return Ok(None);
        }
        if let Some(mtime_ns) = mtime_ns {
            let time = Timespec {
                tv_sec: mtime_ns.div_euclid(1_000_000_000),
                tv_nsec: mtime_ns.rem_euclid(1_000_000_000),
            };
            rustix::fs::futimens(&self.file, &Timestamps { last_access: time, last_modification: time })?;
        }
        self.file.sync_data()?;
        match self.publish() {
            Ok(()) => {
                self.is_kept = true;
                Ok(Some(Written::Created))
            }
            Err(Errno::EXIST) => Ok(Some(Written::Other)),
            Err(error) => Err(error.into()),
        }
    }

    fn publish(&self) -> Result<(), Errno> {
        let (folder, from, to) = (&self.folder, &*self.temporary, &self.name);
        match rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            // File systems that cannot refuse while they rename can refuse while they link.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())?;
                rustix::fs::unlinkat(folder, from, AtFlags::empty())
            }
            other => other,
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = rustix::fs::unlinkat(&self.folder, &*self.temporary, AtFlags::empty())
        {
            tracing::debug!(%error, "an unfinished file stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::sha256_of;

    fn write(target: &Target, path: &str, bytes: &[u8]) -> io::Result<Option<Written>> {
        let mut file = target.create(Path::new(path))?;
        file.write(bytes)?;
        file.finish(sha256_of(bytes), Some(1_500_000_000_123_456_789))
    }

    #[test]
    fn a_file_appears_whole_with_its_time_and_what_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::open(folder.path()).unwrap();
        assert_eq!(write(&target, "a/b/c.jpg", b"one").unwrap(), Some(Written::Created));
        let metadata = std::fs::metadata(folder.path().join("a/b/c.jpg")).unwrap();
        assert_eq!(crate::content::Stat::of(&metadata).mtime_ns, 1_500_000_000_123_456_789);
        assert_eq!(write(&target, "a/b/c.jpg", b"two").unwrap(), Some(Written::Other));
        assert_eq!(std::fs::read(folder.path().join("a/b/c.jpg")).unwrap(), b"one");
        assert_eq!(target.holds(Path::new("a/b/c.jpg"), sha256_of(b"one"), 3).unwrap(), Some(true));
        assert_eq!(target.holds(Path::new("a/b/c.jpg"), sha256_of(b"two"), 3).unwrap(), Some(false));
        assert_eq!(target.holds(Path::new("a/x.jpg"), sha256_of(b"one"), 3).unwrap(), None);
        let mut torn = target.create(Path::new("torn.jpg")).unwrap();
        torn.write(b"half").unwrap();
        assert_eq!(torn.finish(sha256_of(b"whole"), None).unwrap(), None);
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["a"], "nothing unfinished stays");
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let target = Target::open(folder.path()).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        for path in ["../x", "/tmp/x", "a/../../x", "link/x"] {
            assert!(write(&target, path, b"out").is_err(), "{path}");
        }
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
