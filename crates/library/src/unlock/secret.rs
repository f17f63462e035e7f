//! Secrets on their way in: read without copies, kept out of swap as far as the system allows, wiped after use.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::{Zeroize as _, Zeroizing};

use crate::unlock::UnlockError;

/// The longest passphrase, in bytes.
const PASSPHRASE_BYTES: usize = 64 << 10;
/// The longest key file (SL1 §1.9), in bytes.
const KEY_FILE_BYTES: usize = 1 << 20;

/// Something that unlocking noticed and that does not stop it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnlockWarning {
    /// Others on this machine may read a file with a secret.
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A slot could not be tried.
    SlotUnusable {
        /// The slot's file or id.
        slot: String,
        /// Why not.
        reason: String,
    },
    /// The keyring in force is damaged, and the one before it was used.
    PreviousKeyring {
        /// What is wrong with the one in force.
        damage: String,
    },
    /// The agent's key does not open the keyring any more.
    StaleAgent,
    /// `library.toml` is damaged; `doctor --fix` can write it anew.
    DescriptionDamaged,
}

impl std::fmt::Display for UnlockWarning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ReadableByOthers { path, mode } => {
                let path = path.display();
                write!(
                    formatter,
                    "others on this machine can read {path} (mode {mode:03o}); run: chmod 600 {path}"
                )
            }
            Self::SlotUnusable { slot, reason } => {
                write!(formatter, "key slot {slot} cannot be used: {reason}")
            }
            Self::PreviousKeyring { damage } => {
                write!(formatter, "the keyring is damaged and the one before it was used: {damage}")
            }
            Self::StaleAgent => formatter.write_str("the agent holds an old key; run safelight unlock again"),
            Self::DescriptionDamaged => formatter.write_str("library.toml is damaged"),
        }
    }
}

/// Reads a passphrase from a file, without the line's end behind it.
///
/// # Errors
/// [`UnlockError::SecretFile`].
pub fn read_passphrase_file(
    path: &Path,
    warnings: &mut Vec<UnlockWarning>,
) -> Result<Zeroizing<String>, UnlockError> {
    let bytes = read_file(path, "passphrase", PASSPHRASE_BYTES, warnings)?;
    to_passphrase(bytes).map_err(|reason| refuse("passphrase", path, reason))
}

/// Reads a passphrase from something that is open already, such as a descriptor.
///
/// # Errors
/// [`UnlockError::SecretFile`].
pub fn read_passphrase(source: impl Read) -> Result<Zeroizing<String>, UnlockError> {
    let path = Path::new("the given descriptor");
    let bytes = read_limited(source, PASSPHRASE_BYTES)
        .map_err(|error| refuse("passphrase", path, error.to_string()))?;
    to_passphrase(bytes).map_err(|reason| refuse("passphrase", path, reason))
}

/// Reads a key file.
///
/// # Errors
/// [`UnlockError::SecretFile`].
pub fn read_key_file(
    path: &Path,
    warnings: &mut Vec<UnlockWarning>,
) -> Result<Zeroizing<Vec<u8>>, UnlockError> {
    let bytes = read_file(path, "key", KEY_FILE_BYTES, warnings)?;
    if bytes.len() < 32 {
        return Err(refuse("key", path, format!("it has {} bytes and needs at least 32", bytes.len())));
    }
    Ok(bytes)
}

fn read_file(
    path: &Path,
    what: &'static str,
    at_most: usize,
    warnings: &mut Vec<UnlockWarning>,
) -> Result<Zeroizing<Vec<u8>>, UnlockError> {
    let fail = |error: io::Error| refuse(what, path, error.to_string());
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        return Err(refuse(what, path, "it is a folder".to_owned()));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        warnings.push(UnlockWarning::ReadableByOthers { path: path.to_owned(), mode });
    }
    read_limited(file, at_most).map_err(fail)
}

/// Reads into one buffer that never moves, so that no copy of a secret stays behind in freed memory.
fn read_limited(source: impl Read, at_most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(at_most + 1));
    keep_in_memory(bytes.spare_capacity_mut());
    source.take(at_most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > at_most {
        return Err(io::Error::other(format!("it has more than {at_most} bytes")));
    }
    Ok(bytes)
}

fn to_passphrase(mut bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, String> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|error| {
        error.into_bytes().zeroize();
        "it is not UTF-8 text".to_owned()
    })
}

fn refuse(what: &'static str, path: &Path, reason: String) -> UnlockError {
    UnlockError::SecretFile { what, path: path.to_owned(), reason }
}

/// Bytes that are wiped when they go and that the system does not swap out, as far as it permits.
pub(crate) struct LockedBytes(Zeroizing<Box<[u8]>>);

impl LockedBytes {
    pub(crate) fn new(secret: &[u8]) -> Self {
        let mut bytes = Zeroizing::new(vec![0; secret.len()].into_boxed_slice());
        keep_in_memory(&mut bytes);
        bytes.copy_from_slice(secret);
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Asks the system not to swap these bytes out. They are not unlocked again: pages are locked once however
/// many secrets lie on them, and giving one back would give back its neighbours.
fn keep_in_memory<T>(bytes: &mut [T]) {
    let length = size_of_val(bytes);
    #[expect(unsafe_code, reason = "locking pages takes an address")]
    // SAFETY: the range is that of a live exclusive borrow; locking pages neither reads nor writes them.
    let locked = unsafe { rustix::mm::mlock(bytes.as_mut_ptr().cast(), length) };
    if let Err(error) = locked {
        tracing::debug!(%error, "a secret could not be kept out of swap");
    }
}

/// Forbids core dumps of this process and reading of its memory by others of the same user.
///
/// The program calls it first of all. What the system does not know is left as it is.
pub fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::debug!(%error, "core dumps could not be forbidden");
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::debug!(%error, "the process could not be made undumpable");
    }
}
