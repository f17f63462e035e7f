//! What can go wrong at a place, named by its meaning and not by the protocol's number for it.
//!
//! Callers decide by variant: *not found* and *already exists* are answers, *full*, *read-only* and
//! *vanished* stop a run with an instruction for the user, *io*, *network* and *throttled* may pass.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::address::AddressError;
use crate::azure::identity::IdentityError;
use crate::http::Refusal;
use crate::name::NameError;
use crate::oauth::OAuthError;

/// What was being done when an error happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opening or creating the place itself.
    Open,
    /// Writing an object.
    Put,
    /// Reading an object or a part of it.
    Get,
    /// Asking for an object's length and time.
    Head,
    /// Listing names.
    List,
    /// Removing an object.
    Delete,
    /// Reading or changing an object's tier.
    Tier,
    /// Minting an upload grant.
    Grant,
    /// Making written bytes durable.
    Sync,
    /// Sweeping temporary files.
    Sweep,
}

impl Operation {
    /// What is done, as it reads in a sentence before the object.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Put => "write",
            Self::Get => "read",
            Self::Head => "look up",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Tier => "change the tier of",
            Self::Grant => "grant an upload of",
            Self::Sync => "make durable",
            Self::Sweep => "sweep",
        }
    }

    /// The same where the sentence names no object.
    const fn of_anything(self) -> &'static str {
        match self {
            Self::Tier => "change tiers",
            Self::Grant => "grant uploads",
            other => other.name(),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// An operation on a place that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The place answered, and has no object of this name.
    #[error("{place} has no object {object}")]
    NotFound {
        /// The place asked.
        place: String,
        /// The name that is absent.
        object: String,
    },
    /// An object of this name is there already and was left as it is.
    #[error("{place} already has an object {object}")]
    AlreadyExists {
        /// The place asked.
        place: String,
        /// The name that is taken.
        object: String,
    },
    /// The place cannot do this at all; nothing was tried.
    #[error("{place} cannot {}: {reason}", .operation.of_anything())]
    Unsupported {
        /// The place asked.
        place: String,
        /// What was asked for.
        operation: Operation,
        /// Why it cannot.
        reason: &'static str,
    },
    /// The disk or the account is full.
    #[error("{place} is full: could not {operation} {object}")]
    Full {
        /// The place that is full.
        place: String,
        /// What was being done.
        operation: Operation,
        /// The object that did not fit.
        object: String,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
    /// The place may be read but not written.
    #[error("{place} is read-only: could not {operation} {object}")]
    ReadOnly {
        /// The place.
        place: String,
        /// What was being done.
        operation: Operation,
        /// The object concerned.
        object: String,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
    /// The caller lacks permission for this object or operation.
    #[error("{place} does not permit to {operation} {object}")]
    Denied {
        /// The place.
        place: String,
        /// What was being done.
        operation: Operation,
        /// The object concerned.
        object: String,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
    /// The place is not there any more: unplugged, unmounted, or replaced by another folder.
    #[error("{place} is gone: the drive was removed, unmounted or replaced")]
    Vanished {
        /// The place.
        place: String,
    },
    /// There is no place at this path.
    #[error("no folder at {}", path.display())]
    NoPlace {
        /// The path that was tried.
        path: PathBuf,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
    /// There is no file at this path, or none that can be opened.
    #[error("no file at {}", path.display())]
    NoFile {
        /// The path that was tried.
        path: PathBuf,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
    /// A file that is no sealed copy, or one that cannot be understood here.
    #[error("{place} is no sealed copy that can be used: {reason}")]
    NotACopy {
        /// The file.
        place: String,
        /// What is not right about it.
        reason: &'static str,
    },
    /// Something that is not a plain file or folder stands where the object's path leads.
    #[error("{place}: {object} is not a plain file in plain folders (links are not followed)")]
    Obstructed {
        /// The place.
        place: String,
        /// The object concerned.
        object: String,
    },
    /// The bytes that the place holds or was given cannot be right.
    #[error("{place}: {object} is damaged: {reason}")]
    Damaged {
        /// The place.
        place: String,
        /// The object concerned.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The object is larger than the caller was ready to take.
    #[error(
        "{place}: {object} has {length_bytes} bytes, more than the {at_most_bytes} that are allowed here"
    )]
    TooLarge {
        /// The place.
        place: String,
        /// The object concerned.
        object: String,
        /// The object's length.
        length_bytes: u64,
        /// The limit.
        at_most_bytes: u64,
    },
    /// The object rests in a tier from which it must be thawed before it can be read.
    #[error("{place}: {object} is archived and must be thawed before it can be read")]
    Archived {
        /// The place.
        place: String,
        /// The object concerned.
        object: String,
    },
    /// The place asks to slow down.
    #[error("{place} asks to wait{}", wait.map_or_else(String::new, |wait| format!(" {} s", wait.as_secs())))]
    Throttled {
        /// The place.
        place: String,
        /// How long, where it says so.
        wait: Option<std::time::Duration>,
    },
    /// The place could not be reached, or the connection broke or stood still.
    #[error("{place} could not be reached: could not {operation} {object}")]
    Network {
        /// The place.
        place: String,
        /// What was being done.
        operation: Operation,
        /// The object concerned.
        object: String,
        /// What the connection reported; never with the secret part of an address.
        #[source]
        source: io::Error,
    },
    /// The place answered, and will not do this: trying again changes nothing.
    #[error("{place} refused to {operation} {object}")]
    Refused {
        /// The place.
        place: String,
        /// What was being done.
        operation: Operation,
        /// The object concerned.
        object: String,
        /// What it answered.
        #[source]
        source: io::Error,
    },
    /// An address that names no place.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A name that this place cannot hold.
    #[error("{place}: {source}")]
    BadName {
        /// The place.
        place: String,
        /// The rule that is broken.
        #[source]
        source: NameError,
    },
    /// A name that no place can hold.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Any other error of the system below.
    #[error("{place}: could not {operation} {object}")]
    Io {
        /// The place.
        place: String,
        /// What was being done.
        operation: Operation,
        /// The object concerned.
        object: String,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// Names an I/O error of a file-like place by its meaning.
    pub(crate) fn from_io(place: &str, operation: Operation, object: &str, source: io::Error) -> Self {
        use rustix::io::Errno;
        let place = place.to_owned();
        let object = object.to_owned();
        match Errno::from_io_error(&source) {
            Some(Errno::NOENT) => Self::NotFound { place, object },
            Some(Errno::EXIST) => Self::AlreadyExists { place, object },
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Full { place, operation, object, source },
            Some(Errno::ROFS) => Self::ReadOnly { place, operation, object, source },
            Some(Errno::ACCESS | Errno::PERM) => Self::Denied { place, operation, object, source },
            Some(Errno::LOOP | Errno::NOTDIR | Errno::ISDIR) => Self::Obstructed { place, object },
            Some(Errno::NODEV | Errno::NXIO | Errno::NOTCONN | Errno::STALE) => Self::Vanished { place },
            _ => Self::Io { place, operation, object, source },
        }
    }

    /// Whether this says that the object is absent, from a place that was there to be asked.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether this says that the name is taken.
    #[must_use]
    pub const fn is_already_exists(&self) -> bool {
        matches!(self, Self::AlreadyExists { .. })
    }

    /// Whether the disk or the account is full.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether trying the same thing later may succeed without anybody doing something about it.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Io { .. } | Self::Network { .. })
    }

    /// Whether the network or the other side's health is the reason (exit code 7).
    #[must_use]
    pub const fn is_network(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Network { .. })
    }

    /// The place that answered so, as its label has it; none for a name or an address that no place has.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        match self {
            Self::NotFound { place, .. }
            | Self::AlreadyExists { place, .. }
            | Self::Unsupported { place, .. }
            | Self::Full { place, .. }
            | Self::ReadOnly { place, .. }
            | Self::Denied { place, .. }
            | Self::Vanished { place }
            | Self::Obstructed { place, .. }
            | Self::NotACopy { place, .. }
            | Self::Damaged { place, .. }
            | Self::TooLarge { place, .. }
            | Self::Archived { place, .. }
            | Self::Throttled { place, .. }
            | Self::Network { place, .. }
            | Self::Refused { place, .. }
            | Self::BadName { place, .. }
            | Self::Io { place, .. } => Some(place),
            _ => None,
        }
    }

    /// What the user can do about it, where the answer of the place tells.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        let (Self::Denied { source, .. }
        | Self::Refused { source, .. }
        | Self::Full { source, .. }
        | Self::Network { source, .. }
        | Self::Io { source, .. }) = self
        else {
            return None;
        };
        let inner = source.get_ref()?;
        if let Some(identity) = inner.downcast_ref::<IdentityError>() {
            return Some(identity.hint());
        }
        if let Some(oauth) = inner.downcast_ref::<OAuthError>() {
            return Some(oauth.hint());
        }
        inner.downcast_ref::<Refusal>()?.hint.as_deref()
    }
}
