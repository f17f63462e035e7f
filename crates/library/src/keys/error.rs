//! What can go wrong with key slots and the keyring.

use std::path::PathBuf;

use safelight_crypto::{CryptoError, SlotId};

use crate::error::ErrorKind;
use crate::folder::FolderError;
use crate::keys::KEYRING;

/// What helps when the keyring is damaged, which every slot opens and which never leaves its device.
pub(crate) const KEYRING_HINT: &str = "every key slot opens this same file, so another one does not help: put keys/keyring.sealed back \
     from a backup of the library's folder; without one, safelight join with the recovery words makes the library anew in an empty \
     folder from a remote, and without a remote recover/safelight_recover.py takes every photo out of this folder with the words \
     alone";

/// An error of `keys/`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// No slot has this id or label.
    #[error("there is no key slot {wanted}")]
    NoSuchSlot {
        /// What was asked for.
        wanted: String,
    },
    /// Several slots have this label or begin with this id.
    #[error("{wanted} could be {count} key slots")]
    AmbiguousSlot {
        /// What was asked for.
        wanted: String,
        /// How many there are.
        count: usize,
    },
    /// Without this slot nobody could unlock the library.
    #[error("{slot} is the last key slot that works")]
    LastSlot {
        /// The slot.
        slot: SlotId,
    },
    /// Without this slot only stores could unlock the library, which break, are lost and are left behind.
    #[error(
        "{slot} is the last key slot that a person can open: the others need a key store of this machine, a token or a passkey"
    )]
    LastForPeople {
        /// The slot.
        slot: SlotId,
    },
    /// A new library needs a way to unlock it.
    #[error("a library needs a passphrase or a key file")]
    NoSlots,
    /// A file of `keys/` is not as it was written.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process found this library forked, and it goes on as another device: this one must not sign any more.
    #[error("this library goes on as another device since this command began")]
    AnotherDevice,
    /// The secret does not open this slot.
    #[error("that does not open key slot {slot}")]
    WrongSecret {
        /// The slot.
        slot: SlotId,
    },
    /// An unlock key that does not open the keyring: an old one, or another library's.
    #[error("the key does not open the keyring")]
    WrongKey,
    /// The rules of the keys themselves.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The folder they are in.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl KeysError {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchSlot { .. } => ErrorKind::NotFound,
            Self::AmbiguousSlot { .. } | Self::NoSlots => ErrorKind::Usage,
            Self::LastSlot { .. } | Self::LastForPeople { .. } | Self::AnotherDevice => ErrorKind::Refused,
            Self::Damaged { .. } => ErrorKind::Damaged,
            Self::WrongSecret { .. } | Self::WrongKey => ErrorKind::Locked,
            Self::Crypto(error) if error.is_wrong_key() || error.store_error().is_some() => ErrorKind::Locked,
            Self::Crypto(_) => ErrorKind::Damaged,
            Self::Folder(error) => error.kind(),
        }
    }

    /// What to do next, in one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoSuchSlot { .. } => "safelight key list shows what there is",
            Self::AmbiguousSlot { .. } => "use more of the id",
            Self::LastSlot { .. } => "add another one first with: safelight key add",
            Self::LastForPeople { .. } => {
                "add a passphrase, a key file or the recovery words first with: safelight key add"
            }
            Self::AnotherDevice => "run the same command again",
            Self::NoSlots => "pass --passphrase-file FILE, --passphrase-fd N or --key-file FILE",
            Self::Damaged { path, .. } if path.ends_with(KEYRING) => KEYRING_HINT,
            Self::Damaged { .. } => {
                "unlock by another slot or the recovery words, then remove the damaged one"
            }
            Self::WrongSecret { .. } | Self::WrongKey => "try again, or unlock by another slot",
            Self::Crypto(error) if error.store_error().is_some() => {
                "unlock by another slot, or mend what it says"
            }
            Self::Crypto(_) => return None,
            Self::Folder(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}
