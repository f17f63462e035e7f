//! Reads dates the many ways in which cameras, phones and programs write them.
//!
//! Invariant: a date that comes out existed in the calendar and stood in the text as a whole; year-only
//! and blank dates are no dates. Zones are kept when stated and never assumed.

use jiff::civil::{Date, DateTime, Time};

/// A date as it was written: the wall clock, and the zone if stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) local: DateTime,
    pub(crate) offset_minutes: Option<i16>,
}

/// Seconds from 1904 to 1970, QuickTime's epoch.
const QUICKTIME_EPOCH_SECONDS: u64 = (66 * 365 + 17) * 86_400;

struct Scanner<'t> {
    rest: &'t [u8],
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) -> usize {
        let count = self.rest.iter().take_while(|byte| wanted(**byte)).count();
        self.rest = self.rest.get(count..).unwrap_or_default();
        count
    }

    /// One run of `least` to `most` digits as a number; consumes at most `most`.
    fn number(&mut self, least: usize, most: usize) -> Option<i32> {
        let digits = self.rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if digits < least {
            return None;
        }
        let (text, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()?.parse().ok()
    }

    fn word(&mut self, word: &[u8]) -> bool {
        let found = self.rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if found {
            self.rest = self.rest.get(word.len()..).unwrap_or_default();
        }
        found
    }
}

fn date(year: i32, month: i32, day: i32) -> Option<Date> {
    // Nothing was photographed before; such years are clocks that were never set.
    let year = i16::try_from(year).ok().filter(|year| *year >= 1800)?;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn time(hour: i32, minute: i32, second: i32, nanosecond: i32) -> Option<Time> {
    // A leap second is the second before it, as in POSIX.
    let second = if second == 60 { 59 } else { second };
    Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, i8::try_from(second).ok()?, nanosecond)
        .ok()
}

/// Reads `2023:05:14 10:11:12.345+02:00` and its many relatives (EXIF, XMP, QuickTime, IPTC-like).
pub(crate) fn parse(text: &str) -> Option<Written> {
    let mut scanner = Scanner { rest: text.trim().as_bytes() };
    let year = scanner.number(4, 4)?;
    let parted = |byte: u8| matches!(byte, b':' | b'-' | b'/' | b'.');
    scanner.skip(parted);
    let month = scanner.number(1, 2)?;
    scanner.skip(parted);
    let day = scanner.number(1, 2)?;
    let date = date(year, month, day)?;
    scanner.skip(|byte| matches!(byte, b' ' | b'T' | b't'));
    let Some(hour) = scanner.number(1, 2) else {
        return scanner
            .rest
            .is_empty()
            .then_some(Written { local: date.to_datetime(Time::midnight()), offset_minutes: None });
    };
    clock(&mut scanner, date, hour)
}

/// Reads the rest of a date after its hour.
fn clock(scanner: &mut Scanner<'_>, date: Date, mut hour: i32) -> Option<Written> {
    let colon = |byte: u8| matches!(byte, b':' | b'.' | b' ');
    scanner.skip(colon);
    let minute = scanner.number(1, 2)?;
    let mut second = 0;
    let mut nanosecond = 0;
    if matches!(scanner.peek(), Some(b':' | b'.' | b'0'..=b'9')) {
        scanner.skip(colon);
        second = scanner.number(1, 2).unwrap_or(0);
        if matches!(scanner.peek(), Some(b'.' | b',')) {
            scanner.skip(|byte| matches!(byte, b'.' | b','));
            let digits: Vec<u8> = scanner.rest.iter().copied().take_while(u8::is_ascii_digit).collect();
            scanner.skip(|byte| byte.is_ascii_digit());
            nanosecond = fraction(&digits);
        }
    }
    scanner.skip(|byte| byte == b' ');
    if scanner.word(b"PM") {
        hour = if hour < 12 { hour + 12 } else { hour };
    } else if scanner.word(b"AM") {
        hour = if hour == 12 { 0 } else { hour };
    }
    let offset_minutes = zone(scanner);
    Some(Written { local: date.to_datetime(time(hour, minute, second, nanosecond)?), offset_minutes })
}

fn fraction(digits: &[u8]) -> i32 {
    let mut nanoseconds = 0;
    for index in 0..9 {
        let digit = digits.get(index).map_or(0, |byte| i32::from(byte.saturating_sub(b'0')));
        nanoseconds = nanoseconds * 10 + digit;
    }
    nanoseconds
}

fn zone(scanner: &mut Scanner<'_>) -> Option<i16> {
    scanner.skip(|byte| byte == b' ');
    let utc = scanner.word(b"GMT") || scanner.word(b"UTC") || scanner.word(b"Z");
    let sign = match scanner.peek() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return utc.then_some(0),
    };
    scanner.skip(|byte| matches!(byte, b'+' | b'-'));
    let hours = scanner.number(1, 2)?;
    scanner.skip(|byte| byte == b':');
    let minutes = scanner.number(2, 2).unwrap_or(0);
    plausible_offset(sign * (hours * 60 + minutes))
}

/// An offset that exists on Earth.
fn plausible_offset(minutes: i32) -> Option<i16> {
    (-12 * 60..=14 * 60).contains(&minutes).then(|| i16::try_from(minutes).ok()).flatten()
}

/// Reads a bare offset such as `+02:00`, `-0830`, `Z`.
pub(crate) fn parse_offset(text: &str) -> Option<i16> {
    zone(&mut Scanner { rest: text.trim().as_bytes() })
}

/// An offset in hours, as EXIF's TimeZoneOffset states it.
pub(crate) fn offset_of_hours(hours: f64) -> Option<i16> {
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the check that follows")]
    let minutes = (hours * 60.0).clamp(-10_000.0, 10_000.0) as i32;
    plausible_offset(minutes)
}

/// Adds EXIF's SubSecTime digits to a date.
pub(crate) fn with_subseconds(local: DateTime, digits: &str) -> DateTime {
    let digits: Vec<u8> = digits.trim().bytes().take_while(u8::is_ascii_digit).collect();
    if digits.is_empty() || local.subsec_nanosecond() != 0 {
        return local;
    }
    local.with().subsec_nanosecond(fraction(&digits)).build().unwrap_or(local)
}

/// IPTC: `20230514` and `101112+0200` (or `101112`).
pub(crate) fn parse_iptc(day: &str, clock: Option<&str>) -> Option<Written> {
    let mut scanner = Scanner { rest: day.trim().as_bytes() };
    let year = scanner.number(4, 4)?;
    scanner.skip(|byte| matches!(byte, b':' | b'-' | b'/'));
    let month = scanner.number(2, 2)?;
    scanner.skip(|byte| matches!(byte, b':' | b'-' | b'/'));
    let date = date(year, month, scanner.number(2, 2)?)?;
    let read_clock = |clock: &str| {
        let mut scanner = Scanner { rest: clock.trim().as_bytes() };
        let mut part = || {
            let number = scanner.number(2, 2);
            scanner.skip(|byte| byte == b':');
            number
        };
        let time = time(part()?, part()?, part().unwrap_or(0), 0)?;
        Some((time, zone(&mut scanner)))
    };
    let (time, offset_minutes) = clock.and_then(read_clock).unwrap_or((Time::midnight(), None));
    Some(Written { local: date.to_datetime(time), offset_minutes })
}

/// AVI's `IDIT`: `SUN NOV 26 11:00:00 2006`, or one of the ordinary spellings.
pub(crate) fn parse_asctime(text: &str) -> Option<Written> {
    if let Some(written) = parse(text) {
        return Some(written);
    }
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [.., month, day, clock, year] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| month.to_ascii_lowercase().starts_with(name))? + 1;
    parse(&format!("{year}:{month:02}:{day:0>2} {clock}"))
}

/// Seconds since 1970 as a clock in UTC.
pub(crate) fn from_unix(seconds: i64) -> Option<DateTime> {
    jiff::Timestamp::from_second(seconds).ok().map(|stamp| stamp.to_zoned(jiff::tz::TimeZone::UTC).datetime())
}

/// QuickTime's seconds since 1904; some writers count from 1970 instead, and 0 is no date.
pub(crate) fn from_quicktime(seconds: u64) -> Option<DateTime> {
    if seconds == 0 {
        return None;
    }
    let unix = seconds.checked_sub(QUICKTIME_EPOCH_SECONDS).unwrap_or(seconds);
    // The last value that a counter of 32 bits can hold is padding, and no camera is from the year 2100.
    from_unix(i64::try_from(unix).ok()?).filter(|date| date.year() < 2100)
}

/// A date in a file's name: `IMG_20230514_101112`, `2023-05-14 10.11.12`, `IMG-20230514-WA0001`.
/// Pixel phones (`PXL_`) write UTC.
pub(crate) fn from_name(name: &str) -> Option<Written> {
    let bytes = name.as_bytes();
    let mut start = 0;
    while start + 8 <= bytes.len() {
        let first = start == 0 || !bytes.get(start - 1).is_some_and(u8::is_ascii_digit);
        if first && let Some(mut written) = name_at(bytes.get(start..)?) {
            if name.starts_with("PXL_") {
                written.offset_minutes = Some(0);
            }
            return Some(written);
        }
        start += 1;
    }
    None
}

fn name_at(bytes: &[u8]) -> Option<Written> {
    let mut scanner = Scanner { rest: bytes };
    let year = scanner.number(4, 4).filter(|year| (1970..2100).contains(year))?;
    let part = |scanner: &mut Scanner<'_>| scanner.skip(|byte| matches!(byte, b'-' | b'_' | b'.'));
    let parted = part(&mut scanner);
    if parted > 1 {
        return None;
    }
    let month = scanner.number(2, 2)?;
    if part(&mut scanner) != parted {
        return None;
    }
    let date = date(year, month, scanner.number(2, 2)?)?;
    let midnight = Written { local: date.to_datetime(Time::midnight()), offset_minutes: None };
    if scanner.peek().is_some_and(|byte| byte.is_ascii_digit()) && parted > 0 {
        return None;
    }
    let gap = scanner.skip(|byte| matches!(byte, b' ' | b'-' | b'_' | b'.' | b'T' | b't'));
    let said = scanner.word(b"at ");
    let direct = gap == 0 && !said;
    let digits = scanner.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if direct && digits > 0 && digits != 6 {
        return None; // a longer number is a counter or a stamp of another kind
    }
    Some(name_clock(&mut scanner, date).unwrap_or(midnight))
}

fn name_clock(scanner: &mut Scanner<'_>, date: Date) -> Option<Written> {
    let part = |byte: u8| matches!(byte, b'-' | b'_' | b'.' | b':');
    let mut hour = scanner.number(2, 2).or_else(|| scanner.number(1, 1))?;
    scanner.skip(part);
    let minute = scanner.number(2, 2)?;
    scanner.skip(part);
    let second = scanner.number(2, 2)?;
    if scanner.peek() == Some(b' ') {
        scanner.skip(|byte| byte == b' ');
        if scanner.word(b"PM") && hour < 12 {
            hour += 12;
        } else if scanner.word(b"AM") && hour == 12 {
            hour = 0;
        }
    }
    Some(Written { local: date.to_datetime(time(hour, minute, second, 0)?), offset_minutes: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(written: Option<Written>) -> String {
        written.map_or("-".into(), |w| {
            format!("{} {}", w.local, w.offset_minutes.map_or("?".into(), |m| m.to_string()))
        })
    }

    #[test]
    fn dates_are_read_in_every_spelling_met_so_far() {
        for (text, expected) in [
            ("2023:05:14 10:11:12", "2023-05-14T10:11:12 ?"),
            ("2023-05-14T10:11:12.345+02:00", "2023-05-14T10:11:12.345 120"),
            ("2023-05-14T10:11:12Z", "2023-05-14T10:11:12 0"),
            ("2024:04:22 14:38:09.526GMT+02:00", "2024-04-22T14:38:09.526 120"),
            ("2017-03-05T12:10:19+0100", "2017-03-05T12:10:19 60"),
            ("2020:01:05 15:04Z", "2020-01-05T15:04:00 0"),
            ("2003:09:10 7:49:26 PM", "2003-09-10T19:49:26 ?"),
            ("2003:09:10 12:49:26 AM", "2003-09-10T00:49:26 ?"),
            ("2003-09-10", "2003-09-10T00:00:00 ?"),
            ("2016:12:31 23:59:60", "2016-12-31T23:59:59 ?"),
            ("0000:00:00 00:00:00", "-"),
            ("    :  :     :  :  ", "-"),
            ("2023:13:14 10:11:12", "-"),
            ("2023:02:30 10:11:12", "-"),
            ("2023:05:14 25:11:12", "-"),
            ("2010", "-"),
            ("0001:01:01 00:00:00", "-"),
            ("2010-07", "-"),
            ("", "-"),
        ] {
            assert_eq!(shown(parse(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn offsets_off_the_earth_are_no_offsets() {
        assert_eq!(parse_offset("+02:00"), Some(120));
        assert_eq!(parse_offset("-0330"), Some(-210));
        assert_eq!(parse_offset("Z"), Some(0));
        assert_eq!(parse_offset("+14:00"), Some(840));
        assert_eq!(parse_offset("+18:00"), None);
        assert_eq!(parse_offset("   :  "), None);
    }

    #[test]
    fn iptc_and_avi_dates_are_read() {
        assert_eq!(shown(parse_iptc("20230514", Some("101112+0200"))), "2023-05-14T10:11:12 120");
        assert_eq!(shown(parse_iptc("20230514", None)), "2023-05-14T00:00:00 ?");
        assert_eq!(shown(parse_iptc("00000000", None)), "-");
        assert_eq!(shown(parse_asctime("SUN NOV 26 11:00:00 2006")), "2006-11-26T11:00:00 ?");
        assert_eq!(shown(parse_asctime("Mon Mar  3 07:08:09 2014\n")), "2014-03-03T07:08:09 ?");
    }

    #[test]
    fn names_of_files_tell_dates_only_by_known_patterns() {
        for (name, expected) in [
            ("IMG_20230514_101112.jpg", "2023-05-14T10:11:12 ?"),
            ("PXL_20230514_101112345.MP.jpg", "2023-05-14T10:11:12 0"),
            ("20230514101112.jpg", "2023-05-14T10:11:12 ?"),
            ("IMG-20230514-WA0001.jpg", "2023-05-14T00:00:00 ?"),
            ("Screenshot_2023-05-14-10-11-12.png", "2023-05-14T10:11:12 ?"),
            ("Screenshot 2023-05-14 at 9.11.12 PM.png", "2023-05-14T21:11:12 ?"),
            ("2023-05-14 10.11.12-1.jpg", "2023-05-14T10:11:12 ?"),
            ("signal-2023-05-14-101112_002.jpg", "2023-05-14T10:11:12 ?"),
            ("DSC01234.JPG", "-"),
            ("1494756789123.jpg", "-"),
            ("20231514_101112.jpg", "-"),
            ("0222b951-c-m1-9a3e0c7b687b526987e2270541002d47.png", "-"),
        ] {
            assert_eq!(shown(from_name(name)), expected, "{name}");
        }
    }

    #[test]
    fn quicktime_seconds_count_from_1904_or_by_mistake_from_1970() {
        assert_eq!(from_quicktime(0), None);
        assert_eq!(from_quicktime(3_646_801_557).unwrap().to_string(), "2019-07-24T08:25:57");
        assert_eq!(from_quicktime(1_563_956_757).unwrap().to_string(), "2019-07-24T08:25:57");
        assert_eq!(from_quicktime(u64::MAX), None);
    }
}
