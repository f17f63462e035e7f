//! A folder that is becoming a library.
//!
//! Invariant: the mark is in the folder before anything else is, and becomes the description in one rename after
//! everything else is durable. So a folder holds a whole library, or a mark and what one attempt left behind, and
//! only beside a mark anything is ever cleared. The mark is locked while its maker lives.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use safelight_crypto::{Keyring, LibraryId};
use safelight_store::{FolderPlace, sync_directory};

use super::description::{DESCRIPTION, Description};
use super::{
    FOLDER_MODE, FolderError, KEYS, LibraryFolder, OBJECTS, TEMPORARY, is_database_file, read_small,
};
use crate::flock::{self, Answer, Ask};

/// What the description is called until the library is whole.
const MARK: &str = "library.toml.unfinished";

/// A folder that is becoming a library; [`finish`](Self::finish) makes it one.
#[derive(Debug)]
#[must_use = "a folder without its description is no library"]
pub struct UnfinishedFolder {
    folder: LibraryFolder,
    /// The mark, locked.
    _mark: File,
}

impl LibraryFolder {
    /// Begins a library in a new or empty folder: its mark, and the folders in it.
    ///
    /// What an interrupted attempt has left beside its mark is cleared. A library, and files of anybody else, are
    /// never touched.
    ///
    /// # Errors
    /// [`FolderError::AlreadyALibrary`], [`FolderError::NotEmpty`], [`FolderError::BeingMade`], and what writing may
    /// answer.
    pub fn create(path: &Path, keyring: &Keyring) -> Result<UnfinishedFolder, FolderError> {
        let fail = |error| FolderError::from_io("create", path, error);
        let is_new = !path.exists();
        std::fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(fail)?;
        if Self::exists(path) {
            return Err(FolderError::AlreadyALibrary { path: path.to_owned() });
        }
        refuse_strangers(path)?;
        let mark = lock_mark(path)?;
        clear(path).map_err(fail)?;
        let library = keyring.library();
        let text = Description::new(library).to_text(keyring);
        write_mark(&mark, &text).map_err(fail)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(FOLDER_MODE)).map_err(fail)?;
        // The mark lasts before anything that it speaks for.
        sync(path).map_err(fail)?;
        if is_new && let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync(parent).map_err(fail)?;
        }
        for folder in [OBJECTS, KEYS, TEMPORARY] {
            std::fs::DirBuilder::new().mode(FOLDER_MODE).create(path.join(folder)).map_err(fail)?;
        }
        sync(path).map_err(fail)?;
        let objects = FolderPlace::open(&path.join(OBJECTS), &path.join(TEMPORARY))?;
        let (path, is_made_anew) = (path.to_owned(), false);
        let folder = Self { path, library, objects, is_writable: true, is_suspect: false, is_made_anew };
        Ok(UnfinishedFolder { folder, _mark: mark })
    }

    /// Which library an interrupted attempt began to make here; none where there is a library, or was no attempt.
    #[must_use]
    pub fn begun(path: &Path) -> Option<LibraryId> {
        if Self::exists(path) {
            return None;
        }
        let bytes = read_small(&path.join(MARK)).ok()?;
        Description::parse(&bytes, path).ok().map(|(description, _)| description.library)
    }
}

/// Whether somebody began to make a library here and did not end.
pub(super) fn is_begun(path: &Path) -> bool {
    path.join(MARK).symlink_metadata().is_ok()
}

impl UnfinishedFolder {
    /// The folder, to put everything into before it is finished.
    #[must_use]
    pub const fn folder(&self) -> &LibraryFolder {
        &self.folder
    }

    /// Turns the mark into the description: from here on it is a library.
    ///
    /// # Errors
    /// [`FolderError`] of the disk.
    pub fn finish(self) -> Result<LibraryFolder, FolderError> {
        let path = self.folder.path.clone();
        let fail = |error| FolderError::from_io("write", &path.join(DESCRIPTION), error);
        if LibraryFolder::exists(&path) {
            return Err(FolderError::AlreadyALibrary { path });
        }
        // What the databases have made must last before the name that vouches for it.
        sync(&path).map_err(fail)?;
        std::fs::rename(path.join(MARK), path.join(DESCRIPTION)).map_err(fail)?;
        sync(&path).map_err(fail)?;
        Ok(self.folder)
    }

    /// Takes back what was begun; the folder itself stays.
    ///
    /// # Errors
    /// [`FolderError`] of the disk.
    pub fn abandon(self) -> Result<(), FolderError> {
        let path = self.folder.path.clone();
        let fail = |error| FolderError::from_io("clear", &path, error);
        clear(&path).map_err(fail)?;
        std::fs::remove_file(path.join(MARK)).map_err(fail)
    }
}

/// Takes the mark, making it where it is missing, and locks it. Where the file system has no locks nobody is held
/// off: then two who make a library in the same folder in the same second may both fail.
fn lock_mark(path: &Path) -> Result<File, FolderError> {
    let mark = path.join(MARK);
    let fail = |error: io::Error| FolderError::from_io("create", &mark, error);
    loop {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, &mark, flags, Mode::from_raw_mode(0o600));
        let file = File::from(opened.map_err(|error| fail(error.into()))?);
        if flock::lock(&file, Ask::AloneNow).map_err(fail)? == Answer::Taken {
            return Err(FolderError::BeingMade { path: path.to_owned() });
        }
        // Its maker may have finished, or taken it back, before the lock was ours.
        let ours = file.metadata().map_err(fail)?;
        let is_there =
            mark.symlink_metadata().is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
        if LibraryFolder::exists(path) {
            if is_there {
                std::fs::remove_file(&mark).map_err(fail)?;
            }
            return Err(FolderError::AlreadyALibrary { path: path.to_owned() });
        }
        if is_there {
            return Ok(file);
        }
    }
}

fn write_mark(mark: &File, text: &str) -> io::Result<()> {
    let mut output = mark;
    mark.set_len(0)?;
    output.write_all(text.as_bytes())?;
    mark.sync_all()
}

/// Refuses a folder that holds anything but empty folders of ours or, beside a mark, what an attempt makes.
fn refuse_strangers(path: &Path) -> Result<(), FolderError> {
    let fail = |error| FolderError::from_io("create", path, error);
    let is_marked = path.join(MARK).symlink_metadata().is_ok_and(|there| there.is_file());
    for entry in std::fs::read_dir(path).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let is_folder = [OBJECTS, KEYS, TEMPORARY].iter().any(|ours| name == **ours);
        let is_ours = if is_marked {
            is_folder || name == MARK || name.to_str().is_some_and(is_database_file)
        } else {
            is_folder && !holds_files(&path.join(&name)).map_err(fail)?
        };
        if !is_ours {
            return Err(FolderError::NotEmpty { path: path.to_owned() });
        }
    }
    Ok(())
}

/// Removes what an attempt makes, except the mark.
fn clear(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        if [OBJECTS, KEYS, TEMPORARY].iter().any(|ours| name == **ours) {
            std::fs::remove_dir_all(entry.path())?;
        } else if name.to_str().is_some_and(is_database_file) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn holds_files(folder: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || holds_files(&entry.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn sync(folder: &Path) -> io::Result<()> {
    sync_directory(File::open(folder)?.as_fd())
}
