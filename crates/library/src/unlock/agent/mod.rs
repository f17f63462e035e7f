//! The agent: a small process that remembers one library's unlock key for a while.
//!
//! Invariants: it holds the unlock key and nothing else, in memory that is not swapped or dumped; it answers
//! only processes of its own user; it forgets the key when its time is over, counted also while the machine
//! sleeps, when nobody has asked for it for as long as was said, and, unless it was told otherwise, when the machine has
//! slept (at the latest when it wakes, before it answers anybody); at most one agent lives for a library and a folder. A socket that nobody answers is removed by
//! whoever finds it. No key ever stands in an argument, an environment variable or a file.
//!
//! The program starts it by running itself with a hidden command ([`start`]), whose only work is
//! [`serve_child`]. Everything is in the sockets' folder: `<library>.sock` and, while an agent lives,
//! `<library>.lock`.

mod client;
mod message;
mod serve;
mod socket;
mod start;
mod term;

use std::path::{Path, PathBuf};
use std::time::Duration;

use safelight_crypto::{LibraryId, UnlockKey};

pub use client::{fetch, lock, lock_all, remaining, replace, store};
pub use serve::serve;
pub use start::{serve_child, start};
pub use term::Leash;

/// Where the agent of a library is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    folder: PathBuf,
    library: LibraryId,
}

impl Address {
    /// The agent of a library, in a folder of sockets.
    #[must_use]
    pub fn new(folder: &Path, library: LibraryId) -> Self {
        Self { folder: folder.to_owned(), library }
    }

    /// The folder of sockets.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The library.
    #[must_use]
    pub const fn library(&self) -> LibraryId {
        self.library
    }

    fn socket(&self) -> PathBuf {
        self.folder.join(format!("{}{}", self.library, socket::SOCKET_ENDING))
    }

    fn lock_file(&self) -> PathBuf {
        self.folder.join(format!("{}.lock", self.library))
    }
}

/// What an agent shall remember.
#[derive(Debug)]
pub struct Memory {
    /// Whose.
    pub address: Address,
    /// The key.
    pub key: UnlockKey,
    /// For how long at most.
    pub lifetime: Duration,
    /// When it is forgotten before that.
    pub leash: Leash,
}

#[cfg(test)]
mod tests;
