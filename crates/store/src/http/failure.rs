//! What a server's refusal means.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use super::NetworkFault;
use crate::error::{Operation, StoreError};

/// What a server answered instead of doing what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The provider's own name for the reason, for example `AuthorizationPermissionMismatch`.
    pub code: Option<String>,
    /// What the user can do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the server answered {}", self.status)?;
        if let Some(code) = &self.code {
            write!(formatter, " ({code})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// Who was asked for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) place: &'a str,
    pub(crate) operation: Operation,
    pub(crate) object: &'a str,
}

impl Asked<'_> {
    /// Names a refusal by its meaning; `wait` is what the server says about trying again.
    pub(crate) fn refuse(&self, refusal: Refusal, wait: Option<Duration>) -> StoreError {
        let (place, operation, object) = (self.place.to_owned(), self.operation, self.object.to_owned());
        let status = refusal.status;
        let source = io::Error::other(refusal);
        match status {
            401 | 403 | 407 => StoreError::Denied { place, operation, object, source },
            404 | 410 => StoreError::NotFound { place, object },
            429 | 503 => StoreError::Throttled { place, wait },
            408 | 500 | 502 | 504 => StoreError::Network { place, operation, object, source },
            507 => StoreError::Full { place, operation, object, source },
            _ => StoreError::Refused { place, operation, object, source },
        }
    }

    /// A refusal that is about the whole place (no such container), whatever its status.
    pub(crate) fn refuse_place(&self, refusal: Refusal) -> StoreError {
        let (place, operation, object) = (self.place.to_owned(), self.operation, self.object.to_owned());
        StoreError::Refused { place, operation, object, source: io::Error::other(refusal) }
    }

    pub(crate) fn already_exists(&self) -> StoreError {
        StoreError::AlreadyExists { place: self.place.to_owned(), object: self.object.to_owned() }
    }

    pub(crate) fn not_found(&self) -> StoreError {
        StoreError::NotFound { place: self.place.to_owned(), object: self.object.to_owned() }
    }

    pub(crate) fn archived(&self) -> StoreError {
        StoreError::Archived { place: self.place.to_owned(), object: self.object.to_owned() }
    }

    pub(crate) fn unsupported(&self, reason: &'static str) -> StoreError {
        StoreError::Unsupported { place: self.place.to_owned(), operation: self.operation, reason }
    }

    pub(crate) fn too_large(&self, length_bytes: u64, at_most_bytes: u64) -> StoreError {
        let (place, object) = (self.place.to_owned(), self.object.to_owned());
        StoreError::TooLarge { place, object, length_bytes, at_most_bytes }
    }

    /// An answer that makes no sense: the other side is not what it says it is, or is broken.
    pub(crate) fn nonsense(&self, reason: &str) -> StoreError {
        let (place, operation, object) = (self.place.to_owned(), self.operation, self.object.to_owned());
        let source = io::Error::new(io::ErrorKind::InvalidData, reason.to_owned());
        StoreError::Refused { place, operation, object, source }
    }

    /// An answer whose body ended before its announced end.
    pub(crate) fn cut_short(&self) -> StoreError {
        let (place, operation, object) = (self.place.to_owned(), self.operation, self.object.to_owned());
        let source = io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut short");
        StoreError::Network { place, operation, object, source }
    }

    /// A request that got no whole answer, or a longer one than there can be: asking again would not shorten that.
    pub(crate) fn network(&self, fault: NetworkFault) -> StoreError {
        if let NetworkFault::TooLong(at_most_bytes) = fault {
            return self.too_large(at_most_bytes + 1, at_most_bytes);
        }
        let (place, operation, object) = (self.place.to_owned(), self.operation, self.object.to_owned());
        let kind = match &fault {
            NetworkFault::Stalled(_) => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::Other,
        };
        let is_file = matches!(fault, NetworkFault::File(_));
        let is_request = matches!(fault, NetworkFault::Unsendable(_));
        let source = io::Error::new(kind, fault);
        if is_file {
            StoreError::Io { place, operation, object, source }
        } else if is_request {
            StoreError::Refused { place, operation, object, source }
        } else {
            StoreError::Network { place, operation, object, source }
        }
    }
}

/// Reads `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(value: Option<&str>, now: SystemTime) -> Option<Duration> {
    let value = value?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    Some(SystemTime::from(date.timestamp()).duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_named_by_its_meaning() {
        let asked = Asked { place: "place", operation: Operation::Put, object: "o" };
        let refused = |status| asked.refuse(Refusal { status, code: None, hint: None }, None);
        assert!(matches!(refused(401), StoreError::Denied { .. }));
        assert!(matches!(refused(403), StoreError::Denied { .. }));
        assert!(refused(404).is_not_found());
        assert!(matches!(refused(429), StoreError::Throttled { .. }));
        assert!(matches!(refused(503), StoreError::Throttled { .. }));
        assert!(refused(507).is_full());
        for status in [408, 500, 502, 504] {
            assert!(matches!(refused(status), StoreError::Network { .. }), "{status}");
            assert!(refused(status).is_transient() && refused(status).is_network());
        }
        for status in [400, 405, 409, 412, 501] {
            assert!(matches!(refused(status), StoreError::Refused { .. }), "{status}");
            assert!(!refused(status).is_transient());
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(retry_after(Some("7"), now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(Some("Sun, 06 Nov 1994 08:49:47 GMT"), now), Some(Duration::from_secs(10)));
        assert_eq!(retry_after(Some("soon"), now), None);
        assert_eq!(retry_after(None, now), None);
    }
}
