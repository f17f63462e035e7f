//! What can go wrong when unlocking.

use std::io;
use std::path::PathBuf;

use safelight_crypto::{SlotKind, StoreError};

use crate::error::ErrorKind;
use crate::folder::FolderError;
use crate::keys::{AttemptWay, KeysError};

/// An error of unlocking or of the agent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// Nothing was there to unlock with.
    #[error("the library in {} is locked", path.display())]
    Locked {
        /// The library's folder.
        path: PathBuf,
    },
    /// The secret opens none of the library's slots.
    #[error("{} the library in {}", wrong(*way), path.display())]
    WrongSecret {
        /// What was tried.
        way: AttemptWay,
        /// The library's folder.
        path: PathBuf,
    },
    /// The key store does not open the slot.
    #[error("key slot {label} ({}) of the library in {} does not open: {reason}", kind.as_str(), path.display())]
    StoreSlot {
        /// What its owner calls the slot.
        label: String,
        /// Which kind of store.
        kind: SlotKind,
        /// The library's folder.
        path: PathBuf,
        /// What the store said.
        reason: StoreError,
    },
    /// No slot is of the kind that was named.
    #[error("the library in {} has no key slot of the kind {}", path.display(), kind.as_str())]
    NoStoreSlot {
        /// The kind.
        kind: SlotKind,
        /// The library's folder.
        path: PathBuf,
    },
    /// There is nothing that a secret could open: the slots are gone.
    #[error("no key slot is left in {}, so no passphrase, key file or words can be tried", path.display())]
    NoSlots {
        /// The folder of the slots.
        path: PathBuf,
    },
    /// A file with a passphrase or a key cannot be used.
    #[error("the {what} in {} cannot be used: {reason}", path.display())]
    SecretFile {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The person could not be asked.
    #[error("could not ask for the passphrase")]
    Prompt(#[source] io::Error),
    /// The folder of agents is not this user's own.
    #[error("{} is not a folder that only its owner can use: {reason}", path.display())]
    AgentFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The agent could not be started or reached.
    #[error("could not {action} the agent")]
    Agent {
        /// What was being done.
        action: &'static str,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
    /// The keys themselves.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The library's folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

const fn wrong(way: AttemptWay) -> &'static str {
    match way {
        AttemptWay::Passphrase => "the passphrase does not open",
        AttemptWay::KeyFile => "the key file does not open",
        AttemptWay::Recovery => "the recovery words do not open",
        AttemptWay::Store(_) => "the key store does not open",
    }
}

impl UnlockError {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Locked { .. }
            | Self::WrongSecret { .. }
            | Self::StoreSlot { .. }
            | Self::NoStoreSlot { .. }
            | Self::SecretFile { .. } => ErrorKind::Locked,
            Self::NoSlots { .. } => ErrorKind::Damaged,
            Self::AgentFolder { .. } => ErrorKind::Refused,
            Self::Prompt(_) | Self::Agent { .. } => ErrorKind::Failed,
            Self::Keys(error) => error.kind(),
            Self::Folder(error) => error.kind(),
        }
    }

    /// What to do next, in one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Locked { .. } => {
                "run safelight unlock, or pass --passphrase-file FILE, --passphrase-fd N or --key-file FILE"
            }
            Self::WrongSecret { way: AttemptWay::Passphrase, .. } => {
                "check the layout of the keyboard and which library is meant, then try again; if all of it is right, \
                 library.toml may be another library's: safelight doctor --fix --recovery-file FILE with the 24 words mends that"
            }
            Self::WrongSecret { way: AttemptWay::KeyFile, .. } => {
                "check which file and which library are meant: a key file opens only the libraries that it was added to; \
                 if both are right, library.toml may be another library's: safelight doctor --fix --recovery-file FILE with the 24 \
                 words mends that"
            }
            Self::WrongSecret { way: AttemptWay::Recovery, .. } => {
                "check which library is meant: these are the words of another one, or not written as they were shown; \
                 if they are this library's, library.toml may be another one's: safelight doctor --fix with the same words mends that"
            }
            Self::WrongSecret { way: AttemptWay::Store(_), .. } => {
                "the store gave another secret than the slot was made with; unlock by another slot"
            }
            Self::StoreSlot { .. } => {
                "unlock by another slot: --passphrase-file FILE, --key-file FILE or --recovery-file FILE"
            }
            Self::NoStoreSlot { .. } => {
                "safelight key list shows what there is; safelight key add --store adds one"
            }
            Self::NoSlots { .. } => {
                "put keys/slots back from a backup of the library's folder; without one, safelight join with the recovery \
                 words makes the library anew in an empty folder from a remote, and without a remote recover/safelight_recover.py \
                 takes every photo out of this folder with the words alone"
            }
            Self::SecretFile { .. } => "check that the file is there, readable, and the right one",
            Self::AgentFolder { .. } => "remove the folder or make it yours alone with: chmod 700",
            Self::Prompt(_) | Self::Agent { .. } => "pass --passphrase-file FILE to go without",
            Self::Keys(error) => return error.hint(),
            Self::Folder(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}
