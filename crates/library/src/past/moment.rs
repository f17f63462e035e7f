//! Moments as people say them: a day, a day and a time, so long ago.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use crate::edit::pointed;
use crate::error::{LibraryError, Result};

/// What a moment may look like, for messages.
const LOOKS: &str = "a moment is a day (2026-05-14: at its end), a day and a time (2026-05-14 10:30, or with a zone: \
     2026-05-14 10:30:00Z), `yesterday`, or so long ago (\"3 days ago\")";

/// A moment of the library's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    when: When,
    shown: String,
}

/// How a moment was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum When {
    /// Milliseconds since 1970; what was recorded in this one is part of it.
    Millis(u64),
    /// A snapshot of this name.
    Snapshot(String),
}

impl Moment {
    /// Reads a moment; days and times without a zone are those of `here`.
    ///
    /// # Errors
    /// [`crate::LibraryError::Query`] says what a moment looks like.
    pub fn parse(words: &str, here: &TimeZone, now: Timestamp) -> Result<Self> {
        let words = words.trim();
        let now = now.to_zoned(here.clone());
        let when = read(words, here, &now).filter(|when| when.timestamp() <= now.timestamp());
        let when = when.ok_or_else(|| pointed(words, 0..words.len(), LOOKS))?;
        let millis = u64::try_from(when.timestamp().as_millisecond());
        let millis = millis.map_err(|_| pointed(words, 0..words.len(), LOOKS))?;
        let shown = when.strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
        Ok(Self { when: When::Millis(millis), shown })
    }

    /// Reads a moment as milliseconds since 1970.
    ///
    /// # Errors
    /// As [`Moment::parse`].
    pub fn time(words: &str, here: &TimeZone, now: Timestamp) -> Result<u64> {
        match Self::parse(words, here, now)?.when {
            When::Millis(millis) => Ok(millis),
            When::Snapshot(name) => Err(unknown(&name)),
        }
    }

    /// Reads a moment, or takes the words for the name of a snapshot, which is looked up when the library is open.
    #[must_use]
    pub fn parse_or_name(words: &str, here: &TimeZone, now: Timestamp) -> Self {
        Self::parse(words, here, now).unwrap_or_else(|_| {
            let name = words.trim().to_owned();
            Self { shown: format!("snapshot {name}"), when: When::Snapshot(name) }
        })
    }

    /// The same here and now.
    #[must_use]
    pub fn of_words(words: &str) -> Self {
        Self::parse_or_name(words, &zone_here(), Timestamp::now())
    }

    /// Milliseconds since 1970, where it was not named by a snapshot.
    #[must_use]
    pub fn millis(&self) -> Option<u64> {
        match self.when {
            When::Millis(millis) => Some(millis),
            When::Snapshot(_) => None,
        }
    }

    /// The moment of a clock that a test has read.
    #[cfg(test)]
    pub(crate) fn of_millis(millis: u64) -> Self {
        Self { when: When::Millis(millis), shown: format!("{millis} ms") }
    }

    pub(super) fn when(&self) -> &When {
        &self.when
    }
}

/// Words that name neither a moment nor a snapshot.
pub(super) fn unknown(words: &str) -> LibraryError {
    pointed(
        words,
        0..words.len(),
        &format!("{LOOKS}; or the name of a snapshot, and there is none of this name"),
    )
}

impl std::fmt::Display for Moment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.shown)
    }
}

/// The time zone of this machine, as `TZ` or the system says; else UTC.
#[must_use]
pub fn zone_here() -> TimeZone {
    let named = std::env::var("TZ").ok().and_then(|name| TimeZone::get(name.trim_start_matches(':')).ok());
    let of_system = || {
        let rules = std::fs::read("/etc/localtime").ok()?;
        TimeZone::tzif("here", &rules).ok()
    };
    named.or_else(of_system).unwrap_or(TimeZone::UTC)
}

fn read(words: &str, here: &TimeZone, now: &Zoned) -> Option<Zoned> {
    match words.to_ascii_lowercase().as_str() {
        "now" => return Some(now.clone()),
        "yesterday" => return end_of(now.date().yesterday().ok()?, here, now),
        _ => {}
    }
    if let Ok(day) = words.parse::<Date>()
        && words.len() <= "2026-05-14".len()
    {
        return end_of(day, here, now);
    }
    if let Ok(when) = words.parse::<Timestamp>() {
        return Some(when.to_zoned(here.clone()));
    }
    if let Ok(when) = words.parse::<DateTime>() {
        return here.to_zoned(when).ok();
    }
    if words.ends_with("ago") {
        return now.checked_add(words.parse::<Span>().ok()?).ok();
    }
    None
}

/// The last millisecond of a day; of today, now.
fn end_of(day: Date, here: &TimeZone, now: &Zoned) -> Option<Zoned> {
    if day == now.date() {
        return Some(now.clone());
    }
    let next = day.tomorrow().ok()?.to_zoned(here.clone()).ok()?;
    next.checked_sub(Span::new().milliseconds(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &str) -> Option<String> {
        let here = TimeZone::get("Europe/Berlin").unwrap();
        let now: Timestamp = "2026-11-28T05:00:00Z".parse().unwrap();
        Moment::parse(words, &here, now).ok().map(|moment| moment.to_string())
    }

    #[test]
    fn a_moment_is_a_day_a_time_or_so_long_ago() {
        for (words, expected) in [
            ("2026-05-14", "2026-05-14 23:59:59 CEST"),
            ("2026-11-28", "2026-11-28 06:00:00 CET"),
            ("yesterday", "2026-11-27 23:59:59 CET"),
            ("now", "2026-11-28 06:00:00 CET"),
            ("2026-05-14 10:30", "2026-05-14 10:30:00 CEST"),
            ("2026-05-14T10:30:05", "2026-05-14 10:30:05 CEST"),
            ("2026-05-14 10:30:00Z", "2026-05-14 12:30:00 CEST"),
            ("2026-05-14T10:30:00+05:00", "2026-05-14 07:30:00 CEST"),
            ("3 days ago", "2026-11-25 06:00:00 CET"),
            ("1 hour 30 minutes ago", "2026-11-28 04:30:00 CET"),
        ] {
            assert_eq!(shown(words).as_deref(), Some(expected), "{words}");
        }
    }

    #[test]
    fn what_is_no_moment_or_is_still_to_come_is_refused() {
        for words in
            ["", "soon", "2026-13-01", "2027-01-01", "in 3 days", "3 days", "tomorrow", "1969-01-01", "ago"]
        {
            assert_eq!(shown(words), None, "{words}");
        }
    }
}
