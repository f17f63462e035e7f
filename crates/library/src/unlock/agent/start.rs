//! Starting an agent: the program runs itself again, hands the key over through a pipe, and goes on once the
//! agent answers.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use safelight_crypto::{LibraryId, UnlockKey};
use zeroize::Zeroizing;

use super::message::{LEASH_BYTES, leash_from_bytes, leash_to_bytes};
use super::{Address, Memory, serve, store};
use crate::unlock::UnlockError;

/// What the child writes once it can be asked.
const READY: u8 = b'R';
/// How long a child may take to get there.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// Library id, key, seconds, leash.
const FIXED_BYTES: usize = 20 + 32 + 8 + LEASH_BYTES;
/// More than any folder's path has.
const PATH_BYTES: u64 = 64 << 10;

/// Gives the key to the library's agent, starting one if there is none: `program` with `arguments`, which must
/// lead to [`serve_child`]. Returns when the agent answers.
///
/// The child has its own session, no terminal, no environment and `/` as its folder. It is never waited for:
/// a program that lives on itself should ignore `SIGCHLD`.
///
/// # Errors
/// [`UnlockError::AgentFolder`], [`UnlockError::Agent`].
pub fn start(program: &Path, arguments: &[OsString], memory: &Memory) -> Result<(), UnlockError> {
    if store(memory)? {
        return Ok(());
    }
    let fail = |source| UnlockError::Agent { action: "start", source };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(fail)?;
    let (Some(mut stdin), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(fail(io::ErrorKind::BrokenPipe.into()));
    };
    stdin.write_all(&to_bytes(memory)).map_err(fail)?;
    drop(stdin);

    let mut watched = [PollFd::new(&stdout, PollFlags::IN)];
    if poll(&mut watched, Some(&PATIENCE)).map_err(|error| fail(error.into()))? == 0 {
        return Err(fail(io::ErrorKind::TimedOut.into()));
    }
    let mut word = [0];
    match stdout.read(&mut word).map_err(fail)? {
        1 if word == [READY] => Ok(()),
        _ => Err(fail(io::Error::other("it ended before it answered"))),
    }
}

/// The work of the hidden command: reads the key from standard input, then serves.
///
/// # Errors
/// As [`serve`].
pub fn serve_child() -> Result<(), UnlockError> {
    let fail = |source| UnlockError::Agent { action: "start", source };
    let memory = from_reader(io::stdin().lock()).map_err(fail)?;
    // A session of its own, so that closing the terminal or Ctrl-C in it does not end the agent.
    if let Err(error) = rustix::process::setsid() {
        tracing::debug!(%error, "the agent stays in its caller's session");
    }
    serve(memory, || {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&[READY])?;
        stdout.flush()
    })
}

fn to_bytes(memory: &Memory) -> Zeroizing<Vec<u8>> {
    let folder = memory.address.folder().as_os_str().as_bytes();
    let mut bytes = Zeroizing::new(Vec::with_capacity(FIXED_BYTES + folder.len()));
    bytes.extend_from_slice(memory.address.library().as_bytes());
    bytes.extend_from_slice(memory.key.as_bytes());
    bytes.extend_from_slice(&memory.lifetime.as_secs().to_be_bytes());
    bytes.extend_from_slice(&leash_to_bytes(memory.leash));
    bytes.extend_from_slice(folder);
    bytes
}

fn from_reader(mut source: impl io::Read) -> io::Result<Memory> {
    let mut library = [0; 20];
    let mut key = Zeroizing::new([0; 32]);
    let mut seconds = [0; 8];
    source.read_exact(&mut library)?;
    source.read_exact(&mut *key)?;
    source.read_exact(&mut seconds)?;
    let mut leash = [0; LEASH_BYTES];
    source.read_exact(&mut leash)?;
    let mut folder = Vec::new();
    source.take(PATH_BYTES).read_to_end(&mut folder)?;
    if !OsStr::from_bytes(&folder).as_bytes().starts_with(b"/") {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the folder of sockets is not an absolute path",
        ));
    }
    let folder = PathBuf::from(OsString::from_vec(folder));
    Ok(Memory {
        address: Address::new(&folder, LibraryId::from_bytes(library)),
        key: UnlockKey::from_bytes(*key),
        lifetime: Duration::from_secs(u64::from_be_bytes(seconds)),
        leash: leash_from_bytes(leash),
    })
}
