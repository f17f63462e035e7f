//! Asking an agent. Every question is one connection of well under a millisecond.

use std::io;
use std::path::Path;
use std::time::Duration;

use safelight_crypto::UnlockKey;

use super::message::{Frame, Word};
use super::socket::{SOCKET_ENDING, check_folder, connect};
use super::{Address, Memory};
use crate::unlock::UnlockError;

/// Gets the key, if an agent remembers it.
///
/// # Errors
/// [`UnlockError::AgentFolder`] when the folder is not safe, [`UnlockError::Agent`] when the agent fails.
pub fn fetch(address: &Address) -> Result<Option<UnlockKey>, UnlockError> {
    let answer = ask(address, &Frame::new(Word::Fetch), "ask")?;
    Ok(answer.filter(|answer| answer.word == Word::Done).map(|answer| UnlockKey::from_bytes(*answer.key)))
}

/// How long the agent will still remember the key; `None` without an agent.
///
/// # Errors
/// As [`fetch`].
pub fn remaining(address: &Address) -> Result<Option<Duration>, UnlockError> {
    let answer = ask(address, &Frame::new(Word::Remaining), "ask")?;
    Ok(answer.filter(|answer| answer.word == Word::Done).map(|answer| Duration::from_secs(answer.seconds)))
}

/// Gives a living agent a key and a new lifetime; false when there is none.
///
/// # Errors
/// As [`fetch`].
pub fn store(memory: &Memory) -> Result<bool, UnlockError> {
    let mut question = Frame::new(Word::Store);
    question.key.copy_from_slice(memory.key.as_bytes());
    question.seconds = memory.lifetime.as_secs();
    question.leash = memory.leash;
    let answer = ask(&memory.address, &question, "give a key to")?;
    Ok(answer.is_some_and(|answer| answer.word == Word::Done))
}

/// Gives a living agent another key, for what is left of its time and as it was told to forget; false when there is none.
///
/// # Errors
/// As [`fetch`].
pub fn replace(address: &Address, key: &UnlockKey) -> Result<bool, UnlockError> {
    let mut question = Frame::new(Word::Replace);
    question.key.copy_from_slice(key.as_bytes());
    let answer = ask(address, &question, "give a key to")?;
    Ok(answer.is_some_and(|answer| answer.word == Word::Done))
}

/// Makes the agent forget and end; false when there was none. A socket that nobody answers is removed.
///
/// # Errors
/// As [`fetch`].
pub fn lock(address: &Address) -> Result<bool, UnlockError> {
    match ask(address, &Frame::new(Word::Lock), "lock")? {
        Some(_) => Ok(true),
        None => {
            remove_stale(&address.socket());
            Ok(false)
        }
    }
}

/// Makes all agents of a folder forget and end, and returns how many there were.
///
/// # Errors
/// As [`fetch`]; the other agents were then still asked.
pub fn lock_all(folder: &Path) -> Result<usize, UnlockError> {
    let fail = |source| UnlockError::Agent { action: "find", source };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other.map_err(fail)?,
    };
    let mut locked = 0;
    let mut failure = None;
    for entry in entries {
        let name = entry.map_err(fail)?.file_name();
        let library =
            name.to_str().and_then(|name| name.strip_suffix(SOCKET_ENDING)).and_then(|id| id.parse().ok());
        let Some(library) = library else { continue };
        match lock(&Address::new(folder, library)) {
            Ok(was_there) => locked += usize::from(was_there),
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(locked), Err)
}

fn ask(address: &Address, question: &Frame, action: &'static str) -> Result<Option<Frame>, UnlockError> {
    let socket = address.socket();
    match check_folder(address.folder()) {
        Err(UnlockError::Agent { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        other => other?,
    }
    let fail = |source| UnlockError::Agent { action, source };
    let Some(mut stream) = connect(&socket).map_err(fail)? else { return Ok(None) };
    let answer = question.write(&mut stream).and_then(|()| Frame::read(&mut stream));
    match answer {
        Ok(answer) => Ok(Some(answer)),
        // It ended between the connection and the answer: there is none any more.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(fail(error)),
    }
}

fn remove_stale(socket: &Path) {
    if let Err(error) = std::fs::remove_file(socket)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(%error, "a socket that nobody answers stays");
    }
}
