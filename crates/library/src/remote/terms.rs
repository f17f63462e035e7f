//! On which terms a remote is used: how fast, and when not at all.
//!
//! A limit is a number of bytes a second, for each direction, perhaps only at some hours; quiet hours are a stretch of the day
//! in which nothing is sent or asked. Both go by the clock on the wall here, and are this device's own: another
//! device at another line has its own. Kept in `device.db` in the words that people type.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use safelight_catalog::RemoteRow;
use safelight_store::layer::LimitOptions;
use safelight_sync::{DAILY_CAP, DailyCap};

use crate::error::Result;
use crate::library::Library;
use crate::monitor::{Monitor, Problem, Task};

/// The settings of a remote that hold its terms.
pub(super) const LIMIT: &str = "limit";
pub(super) const QUIET: &str = "quiet";

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// How often a schedule is looked at while a sync runs.
pub(super) const RECONSIDER: Duration = Duration::from_secs(15);

/// The minute of the day by the clock on the wall, from 0 to 1439.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinuteOfDay(u16);

impl MinuteOfDay {
    /// The minute of an hour; `None` for 24:00 and beyond.
    #[must_use]
    pub fn new(hour: u8, minute: u8) -> Option<Self> {
        (hour < 24 && minute < 60).then(|| Self(u16::from(hour) * 60 + u16::from(minute)))
    }
}

/// The clock on the wall here.
#[derive(Debug, Clone, Copy)]
pub struct WallClock(pub fn() -> MinuteOfDay);

impl WallClock {
    pub(super) fn now(self) -> MinuteOfDay {
        (self.0)()
    }
}

impl Default for WallClock {
    /// A clock that has stopped at midnight: for callers that have set no hours.
    fn default() -> Self {
        Self(|| MinuteOfDay(0))
    }
}

/// A monitor that also asks for an end when quiet hours begin.
pub(super) struct Hushed<'a> {
    pub(super) monitor: &'a dyn Monitor,
    pub(super) terms: Terms,
    pub(super) clock: WallClock,
}

impl Hushed<'_> {
    /// When the quiet hours end, if they have begun and nobody else asked for an end.
    pub(super) fn quiet_until(&self) -> Option<MinuteOfDay> {
        self.terms.quiet_until(self.clock.now()).filter(|_| !self.monitor.cancelled())
    }
}

impl Monitor for Hushed<'_> {
    fn begin(&self, task: Task, total: Option<u64>, total_bytes: Option<u64>) {
        self.monitor.begin(task, total, total_bytes);
    }

    fn advance(&self, items: u64, bytes: u64) {
        self.monitor.advance(items, bytes);
    }

    fn end(&self) {
        self.monitor.end();
    }

    fn problem(&self, problem: &Problem) {
        self.monitor.problem(problem);
    }

    fn cancelled(&self) -> bool {
        self.monitor.cancelled() || self.terms.quiet_until(self.clock.now()).is_some()
    }
}

impl fmt::Display for MinuteOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromStr for MinuteOfDay {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (hour, minute) = text.split_once(':').ok_or(())?;
        let is_number =
            |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(hour) || minute.len() != 2 || !is_number(minute) {
            return Err(());
        }
        Self::new(hour.parse().map_err(drop)?, minute.parse().map_err(drop)?).ok_or(())
    }
}

/// A stretch of each day; it may run over midnight. The end does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hours {
    from: MinuteOfDay,
    until: MinuteOfDay,
}

impl Hours {
    /// Whether a moment lies in the stretch.
    #[must_use]
    pub(super) fn hold(&self, now: MinuteOfDay) -> bool {
        let since = |minute: MinuteOfDay| (minute.0 + DAY_MINUTES - self.from.0) % DAY_MINUTES;
        since(now) < since(self.until)
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.until)
    }
}

impl FromStr for Hours {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (from, until) = text.split_once('-').ok_or(())?;
        let (from, until) = (from.parse()?, until.parse()?);
        if from == until { Err(()) } else { Ok(Self { from, until }) }
    }
}

/// The most bytes a second in each direction, always or at some hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    bytes_per_second: u64,
    hours: Option<Hours>,
}

/// The units of a rate, larger ones first.
const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.into_iter().find(|(_, scale)| self.bytes_per_second.is_multiple_of(*scale));
        let (unit, scale) = unit.unwrap_or(("B", 1));
        write!(f, "{}{unit}/s", self.bytes_per_second / scale)?;
        self.hours.map_or(Ok(()), |hours| write!(f, "@{hours}"))
    }
}

impl FromStr for Rate {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (rate, hours) = match text.split_once('@') {
            Some((rate, hours)) => (rate, Some(hours.parse()?)),
            None => (text, None),
        };
        let amount = rate.strip_suffix("/s").ok_or(())?;
        let digits = amount.len()
            - amount.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len();
        let (number, unit) = amount.split_at(digits);
        let known = UNITS.into_iter().chain([("B", 1)]);
        let (_, scale) = known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or(())?;
        let bytes = number.parse::<f64>().map_err(drop)? * scale as f64;
        if !(1_000.0..=1e12).contains(&bytes) {
            return Err(());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
        let bytes_per_second = bytes as u64;
        Ok(Self { bytes_per_second, hours })
    }
}

/// On which terms a remote is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// How fast at most.
    pub(super) limit: Option<Rate>,
    /// When not at all.
    pub(super) quiet: Option<Hours>,
}

impl Terms {
    /// When the quiet hours end, if it is quiet now.
    #[must_use]
    pub(super) fn quiet_until(&self, now: MinuteOfDay) -> Option<MinuteOfDay> {
        self.quiet.filter(|quiet| quiet.hold(now)).map(|quiet| quiet.until)
    }

    /// What is allowed now.
    pub(super) fn limits(&self, now: MinuteOfDay) -> LimitOptions {
        let limit = self.limit.filter(|limit| limit.hours.is_none_or(|hours| hours.hold(now)));
        let rate = limit.map(|limit| limit.bytes_per_second);
        LimitOptions { up_bytes_per_second: rate, down_bytes_per_second: rate, ..LimitOptions::default() }
    }
}

/// What of a word is kept: `none` takes a setting away; the error is a sentence.
pub(super) fn kept(name: &str, value: &str) -> std::result::Result<Option<String>, &'static str> {
    if value == "none" || (name == DAILY_CAP && value == "0") {
        return Ok(None);
    }
    match name {
        LIMIT => value.parse::<Rate>().map(|rate| Some(rate.to_string())).map_err(|()| {
            "a limit is bytes a second, from 1kB/s on, perhaps at some hours: limit=2MB/s, limit=500kB/s@08:00-18:00, limit=none"
        }),
        DAILY_CAP => value.parse::<DailyCap>().map(|cap| Some(cap.to_string())).map_err(|()| {
            "a daily cap is a number of bytes, from 1MB on: daily=20GB, daily=500MB, daily=none"
        }),
        _ => value
            .parse::<Hours>()
            .map(|hours| Some(hours.to_string()))
            .map_err(|()| "quiet hours are a stretch of the day: quiet=22:00-07:00, quiet=none"),
    }
}

impl Library {
    /// On which terms a remote is used.
    pub(super) fn terms_of(&self, row: &RemoteRow) -> Result<Terms> {
        let setting = |name| self.device.remote_setting(row.id, name);
        Ok(Terms {
            limit: setting(LIMIT)?.and_then(|text| text.parse().ok()),
            quiet: setting(QUIET)?.and_then(|text| text.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> MinuteOfDay {
        text.parse().unwrap()
    }

    #[test]
    fn quiet_hours_run_over_midnight_and_end_when_they_say() {
        let terms = Terms { quiet: Some("22:00-07:00".parse().unwrap()), ..Terms::default() };
        for (moment, is_quiet) in [
            ("21:59", false),
            ("22:00", true),
            ("00:00", true),
            ("06:59", true),
            ("07:00", false),
            ("12:00", false),
        ] {
            assert_eq!(terms.quiet_until(at(moment)), is_quiet.then(|| at("07:00")), "{moment}");
        }
        let noon: Hours = "11:30-13:00".parse().unwrap();
        assert!(noon.hold(at("12:00")) && !noon.hold(at("13:00")) && !noon.hold(at("03:00")));
    }

    #[test]
    fn a_limit_holds_at_its_hours_only() {
        let terms = Terms { limit: Some("500kB/s@08:00-18:00".parse().unwrap()), ..Terms::default() };
        assert_eq!(terms.limits(at("09:00")).up_bytes_per_second, Some(500_000));
        assert_eq!(terms.limits(at("18:00")).up_bytes_per_second, None);
        let always = Terms { limit: Some("1.5MB/s".parse().unwrap()), ..Terms::default() };
        assert_eq!(always.limits(at("03:00")).down_bytes_per_second, Some(1_500_000));
    }

    #[test]
    fn terms_are_written_as_they_are_read() {
        for text in ["2MB/s", "1500kB/s", "1234567B/s", "500kB/s@08:00-18:00", "3GB/s"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!("7:30-22:00".parse::<Hours>().unwrap().to_string(), "07:30-22:00");
        for wrong in [
            "2MB",
            "2 MB/s",
            "fast",
            "0MB/s",
            "1B/s",
            "-1MB/s",
            "nanMB/s",
            "2MB/s@",
            "2MB/s@8-18",
            "1e9GB/s",
            "",
        ] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
        for wrong in
            ["22-7", "22:00", "24:00-07:00", "22:60-07:00", "07:00-07:00", "22:00-07:00-08:00", "+2:00-07:00"]
        {
            assert!(wrong.parse::<Hours>().is_err(), "{wrong}");
        }
    }
}
