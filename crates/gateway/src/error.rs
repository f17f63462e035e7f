//! What ends or prevents a gateway; what is answered to a phone is a [`Failure`](crate::failure::Failure).

use std::io;
use std::path::{Path, PathBuf};

use safelight_store::StoreError;

/// What kind of failure it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The request makes no sense.
    Usage,
    /// No permission.
    Denied,
    /// The thing asked for does not exist.
    NotFound,
    /// A safeguard said no.
    Refused,
    /// Data is damaged.
    Damaged,
    /// The network failed.
    Network,
    /// The machine failed: a disk, a permission, a port.
    Failed,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The remote.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder of the gateway.
    #[error("{} cannot be {action}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a participle.
        action: &'static str,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
    /// There is no token file.
    #[error("there is no token file {}", path.display())]
    NoTokenFile {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A token file that cannot be understood.
    #[error("{} is no token file of this version: {reason}", path.display())]
    ForeignTokenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A token file that others than its owner may use.
    #[error("{} may be read or written by others than its owner (mode {mode:03o})", path.display())]
    OpenTokenFile {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// No token of this name or id.
    #[error("no token is called {name}")]
    NoSuchToken {
        /// What was asked for.
        name: String,
    },
    /// A name that is taken by a token that holds.
    #[error("a token is called {name} already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A name, user, device or token that breaks a rule.
    #[error("{what} {rule}")]
    BadField {
        /// What it is.
        what: &'static str,
        /// The rule.
        rule: &'static str,
    },
    /// What it was told contradicts a safeguard.
    #[error("{reason}")]
    Refused {
        /// What would have happened.
        reason: String,
        /// How to go on.
        hint: &'static str,
    },
    /// The certificate or its key.
    #[error("{} cannot be used: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The address that it was to listen at.
    #[error("{address} cannot be listened at")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's own error.
        #[source]
        source: io::Error,
    },
}

impl GatewayError {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => kind_of(error),
            Self::NoTokenFile { .. } | Self::NoSuchToken { .. } => Kind::NotFound,
            Self::ForeignTokenFile { .. } => Kind::Damaged,
            Self::OpenTokenFile { .. } | Self::NameTaken { .. } | Self::Refused { .. } => Kind::Refused,
            Self::BadField { .. } | Self::Certificate { .. } => Kind::Usage,
            Self::File { .. } | Self::Listen { .. } => Kind::Failed,
        }
    }

    /// What happened, with everything below it, in one sentence.
    #[must_use]
    pub fn told(&self) -> String {
        with_causes(self)
    }

    /// What to do next, where that can be said.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(error) => return error.hint().map(str::to_owned),
            Self::NoTokenFile { .. } => {
                "safelight gateway token add NAME makes one; --tokens names another file"
            }
            Self::OpenTokenFile { .. } => "chmod 600 it",
            Self::ForeignTokenFile { .. } => "move it away, and add the tokens again",
            Self::NoSuchToken { .. } => "safelight gateway token list names them",
            Self::NameTaken { .. } => "choose another name, or revoke that token first",
            Self::Refused { hint, .. } => hint,
            _ => return None,
        };
        Some(hint.to_owned())
    }

    pub(crate) fn file(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), action, source }
    }
}

const fn kind_of(error: &StoreError) -> Kind {
    match error {
        StoreError::Denied { .. } => Kind::Denied,
        StoreError::NotFound { .. } | StoreError::NoPlace { .. } => Kind::NotFound,
        StoreError::Unsupported { .. } | StoreError::AlreadyExists { .. } | StoreError::Refused { .. } => {
            Kind::Refused
        }
        StoreError::Damaged { .. } | StoreError::Obstructed { .. } => Kind::Damaged,
        StoreError::Throttled { .. } | StoreError::Network { .. } => Kind::Network,
        StoreError::Address(_) | StoreError::Name(_) | StoreError::BadName { .. } => Kind::Usage,
        _ => Kind::Failed,
    }
}

/// An error with everything below it, as one sentence.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_said = inner.to_string();
        if !said.contains(&inner_said) {
            said = format!("{said}: {inner_said}");
        }
        cause = inner.source();
    }
    said
}
