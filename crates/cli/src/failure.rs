//! Why a command ended without success: exit code, message, and one hint that says what to do next.

use safelight_gateway::{GatewayError, Kind as GatewayKind};
use safelight_library::{ErrorKind, LibraryError, with_causes};
use safelight_plain::{Kind, PlainError};

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, but something failed, which was named.
    Incomplete = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// Locked, or a wrong key.
    Locked = 3,
    /// The thing asked for does not exist.
    NotFound = 4,
    /// A safeguard said no.
    Refused = 5,
    /// Damaged data was found.
    Damaged = 6,
    /// The network failed.
    Network = 7,
}

impl Exit {
    /// The kind of failure in one word, as `--json` gives it.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Usage => "usage",
            Self::Locked => "locked",
            Self::NotFound => "not-found",
            Self::Refused => "refused",
            Self::Damaged => "damaged",
            Self::Network => "network",
        }
    }
}

/// An end without success.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Empty when everything was said already.
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Whether a disk has no room.
    pub(crate) is_full: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, is_full: false }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What failed with one remote: the hint names it.
    pub(crate) fn at(remote: &str, error: LibraryError) -> Self {
        Self { hint: error.hint_at(remote), ..Self::from(error) }
    }

    /// Ends with a code when all there is to say has been said.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// The failure as one line of JSON: `{"error": {"kind", "message", "hint", "exit"}}`.
    pub(crate) fn to_json(&self) -> String {
        serde_json::json!({ "error": self.to_value() }).to_string()
    }

    /// What stands in it.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        serde_json::json!({
            "kind": self.exit.kind(),
            "message": self.message,
            "hint": self.hint,
            "exit": self.exit as u8,
        })
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
}

impl From<LibraryError> for Failure {
    fn from(error: LibraryError) -> Self {
        let exit = match error.kind() {
            ErrorKind::Usage => Exit::Usage,
            ErrorKind::Locked => Exit::Locked,
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::Refused => Exit::Refused,
            ErrorKind::Damaged => Exit::Damaged,
            ErrorKind::Network => Exit::Network,
            _ => Exit::Incomplete,
        };
        Self { exit, message: with_causes(&error), hint: error.hint(), is_full: error.is_full() }
    }
}

impl From<PlainError> for Failure {
    fn from(error: PlainError) -> Self {
        let exit = match error.kind() {
            Kind::Usage => Exit::Usage,
            Kind::Denied => Exit::Locked,
            Kind::NotFound => Exit::NotFound,
            Kind::Refused => Exit::Refused,
            Kind::Damaged => Exit::Damaged,
            Kind::Network => Exit::Network,
            _ => Exit::Incomplete,
        };
        Self { exit, message: error.told(), hint: error.hint(), is_full: error.is_full() }
    }
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        let exit = match error.kind() {
            GatewayKind::Usage => Exit::Usage,
            GatewayKind::Denied => Exit::Locked,
            GatewayKind::NotFound => Exit::NotFound,
            GatewayKind::Refused => Exit::Refused,
            GatewayKind::Damaged => Exit::Damaged,
            GatewayKind::Network => Exit::Network,
            _ => Exit::Incomplete,
        };
        Self { exit, message: error.told(), hint: error.hint(), is_full: false }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            // The reader has had enough; that is not a failure of ours, and there is nobody to tell.
            return Self::silent(Exit::Incomplete);
        }
        Self::new(Exit::Incomplete, error.to_string())
    }
}
