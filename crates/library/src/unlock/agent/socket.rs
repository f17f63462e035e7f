//! Sockets in a folder that only its owner can use, and who is at the other end of them.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::unlock::UnlockError;

/// The end of a socket's name.
pub(super) const SOCKET_ENDING: &str = ".sock";
/// How long an agent may take to answer: on a machine that swaps, longer than one would think.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest path that every system takes for a socket (104 on macOS, 108 on Linux, each with a zero).
const PATH_BYTES: usize = 103;

/// Makes sure of the folder of sockets: a real folder, this user's, closed to others.
pub(super) fn prepare_folder(folder: &Path) -> Result<(), UnlockError> {
    let fail = |source| UnlockError::Agent { action: "make a folder for", source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail)?;
    check_folder(folder)
}

/// Checks the folder of sockets; one that is missing is an error of the kind *not found*.
pub(super) fn check_folder(folder: &Path) -> Result<(), UnlockError> {
    let wrong = |reason| UnlockError::AgentFolder { path: folder.to_owned(), reason };
    let metadata =
        folder.symlink_metadata().map_err(|source| UnlockError::Agent { action: "find", source })?;
    if !metadata.is_dir() {
        return Err(wrong("it is a link or a file"));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(wrong("it belongs to somebody else"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(wrong("others may enter it"));
    }
    Ok(())
}

/// Connects to a socket; `None` when there is none, or nobody behind it.
pub(super) fn connect(path: &Path) -> io::Result<Option<UnixStream>> {
    let stream = match Short::of(path).and_then(|short| UnixStream::connect(short.path())) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        other => other?,
    };
    prepare(&stream)?;
    Ok(Some(stream))
}

/// Binds a socket for this user only.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(Short::of(path)?.path())?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Sets the patience for a connection, and refuses one from or to another user.
pub(super) fn prepare(stream: &UnixStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    if is_own_user(stream) { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_own_user(stream: impl AsFd) -> bool {
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

/// Elsewhere the folder's permissions alone keep others out.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_own_user(_: impl AsFd) -> bool {
    true
}

/// A path that fits into a socket's address. Linux reaches a long one through an open folder.
struct Short {
    path: PathBuf,
    _folder: Option<File>,
}

impl Short {
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().as_bytes().len() <= PATH_BYTES {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidFilename.into());
        };
        if !cfg!(target_os = "linux") {
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, "the path is too long for a socket"));
        }
        let folder = File::open(folder)?;
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        Ok(Self { path, _folder: Some(folder) })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
