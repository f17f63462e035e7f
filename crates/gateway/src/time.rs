//! Moments as they are written in records and answers: RFC 3339, UTC, whole seconds.

use std::time::SystemTime;

use jiff::Timestamp;

/// A moment as text.
pub(crate) fn written(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The same for the system's own kind of time.
pub(crate) fn written_system(moment: SystemTime) -> String {
    written(Timestamp::try_from(moment).unwrap_or_default())
}

/// The day since 1970, by UTC.
pub(crate) fn day_of(moment: Timestamp) -> i64 {
    moment.as_second().div_euclid(86_400)
}
