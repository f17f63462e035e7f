//! Values as people type them, turned into what history keeps.
//!
//! Pure; each reader answers with the value, or says which part of the text is wrong and what it should be.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use safelight_model::{DatePrecision, MAX_TEXT_BYTES, Position, TypedDate, TypedPlace};

use super::word::Wrong;

/// How long the name of a tag or an album may be, in bytes.
const MAX_NAME_BYTES: usize = 1024;
/// How far the clock of a camera may have been off: a thousand years.
const MOST_SHIFT_SECONDS: i64 = 1000 * 366 * 86_400;

/// What a typed place says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PlaceWords {
    /// Where, and perhaps what it is called.
    At(TypedPlace),
    /// Only what the place is called.
    Called(String),
}

/// A caption or title.
pub(super) fn text(value: &str) -> Result<String, Wrong> {
    if value.len() > MAX_TEXT_BYTES {
        return Err(Wrong::all(format!(
            "a text has at most {MAX_TEXT_BYTES} bytes, and this one has {}",
            value.len()
        )));
    }
    Ok(value.to_owned())
}

/// The name of a tag, an album or a place: one line, without spaces around it.
pub(super) fn name(value: &str) -> Result<String, Wrong> {
    let name = value.trim();
    if name.is_empty() {
        return Err(Wrong::all("a name has at least one letter"));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(Wrong::all(format!("a name has at most {MAX_NAME_BYTES} bytes")));
    }
    if let Some((at, letter)) = value.char_indices().find(|(_, letter)| letter.is_control()) {
        return Err(Wrong::part(at..at + letter.len_utf8(), "a name is one line of text"));
    }
    Ok(name.to_owned())
}

/// A tag: names nested by `/`, none of them empty.
pub(super) fn tag(value: &str) -> Result<String, Wrong> {
    let tag = name(value)?;
    let parts: Vec<&str> = tag.split('/').map(str::trim).collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(Wrong::all("a tag is a name, or names with / between, such as `places/Lisbon`"));
    }
    Ok(parts.join("/"))
}

/// -1 to 5.
pub(super) fn rating(value: &str) -> Result<i64, Wrong> {
    let stars = value.parse().ok().filter(|stars: &i64| (-1..=5).contains(stars));
    stars.ok_or_else(|| Wrong::all("a rating is a number from 0 to 5, or -1 for rejected"))
}

/// Yes or no.
pub(super) fn flag(value: &str) -> Result<bool, Wrong> {
    match value.to_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err(Wrong::all("this is `yes` or `no`")),
    }
}

/// Degrees as quarter turns clockwise.
pub(super) fn quarter_turns(value: &str) -> Result<i64, Wrong> {
    let degrees = value.parse().ok().filter(|degrees: &i64| degrees % 90 == 0 && degrees.abs() <= 360);
    degrees
        .map(|degrees| (degrees / 90).rem_euclid(4))
        .ok_or_else(|| Wrong::all("a turn is 0, 90, 180 or 270 degrees clockwise"))
}

/// `48.85,2.35`, perhaps with metres above the sea as a third number and a name behind; or a name alone.
pub(super) fn place(value: &str) -> Result<PlaceWords, Wrong> {
    let begins_with_number =
        value.starts_with(|letter: char| letter.is_ascii_digit() || "+-.".contains(letter));
    if !begins_with_number {
        return name(value).map(PlaceWords::Called);
    }
    let wrong =
        |part| Wrong::part(part, "a place is latitude,longitude and perhaps a name: `38.71,-9.14 Alfama`");
    let numbers_end = end_of_numbers(value);
    let (numbers, rest) = value.split_at(numbers_end);
    let mut parts = Vec::new();
    let mut at = 0;
    for part in numbers.split(',') {
        let range = at..at + part.len();
        at += part.len() + 1;
        parts.push(part.trim().parse::<f64>().map_err(|_| wrong(range))?);
    }
    let (latitude, longitude, altitude) = match parts.as_slice() {
        [latitude, longitude] => (*latitude, *longitude, None),
        [latitude, longitude, altitude] => (*latitude, *longitude, Some(*altitude)),
        _ => return Err(wrong(0..value.len())),
    };
    let position = Position::from_degrees(latitude, longitude, altitude)
        .ok_or_else(|| Wrong::part(0..numbers_end, "latitudes go to 90 and longitudes to 180 degrees"))?;
    let name = if rest.trim().is_empty() { None } else { Some(name(rest)?) };
    Ok(PlaceWords::At(TypedPlace { position, name }))
}

/// Where the numbers and commas, and the spaces after commas, end.
fn end_of_numbers(value: &str) -> usize {
    let mut end = 0;
    let mut after_comma = true;
    for (at, letter) in value.char_indices() {
        match letter {
            ',' => after_comma = true,
            ' ' if after_comma => {}
            '0'..='9' | '+' | '-' | '.' => after_comma = false,
            _ => break,
        }
        end = at + letter.len_utf8();
    }
    end
}

/// `2023`, `2023-05`, `2023-05-14`, `2023-05-14 10:11`, `2023-05-14T10:11:12+02:00`, `… Europe/Lisbon`.
pub(super) fn date(value: &str) -> Result<TypedDate, Wrong> {
    let (days, time) = match value.split_once(['T', 't', ' ']) {
        Some((days, time)) => (days, Some(time)),
        None => (value, None),
    };
    let (day, precision) = day(days)?;
    let Some(time) = time else { return typed(day.to_datetime(Time::midnight()), None, precision) };
    let start = days.len() + 1;
    if precision != DatePrecision::Day {
        return Err(Wrong::part(start..value.len(), "a time of day needs the day before it"));
    }
    let (clock, zone) = match time.find(|letter: char| !letter.is_ascii_digit() && letter != ':') {
        Some(at) => time.split_at(at),
        None => (time, ""),
    };
    let clock_part = start..start + clock.len();
    let moment = day.to_datetime(
        clock_time(clock)
            .ok_or_else(|| Wrong::part(clock_part, "a time of day is hours and minutes, such as `10:11`"))?,
    );
    let offset = offset(moment, zone.trim())
        .map_err(|reason| Wrong::part(start + clock.len()..value.len(), reason))?;
    typed(moment, offset, DatePrecision::Second)
}

/// How far clocks were off: `1d`, `2h30m`, `45s`; seconds.
pub(super) fn span(value: &str) -> Result<i64, Wrong> {
    let shape = || Wrong::all("how far is days, hours, minutes and seconds, such as `1d2h30m`");
    let (mut seconds, mut number) = (0_i64, String::new());
    for letter in value.trim().chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            'd' => 86_400,
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(shape()),
        };
        let count: i64 = number.parse().map_err(|_| shape())?;
        seconds = count
            .checked_mul(unit)
            .and_then(|more| seconds.checked_add(more))
            .filter(|seconds| *seconds <= MOST_SHIFT_SECONDS)
            .ok_or_else(|| Wrong::all("no clock is wrong by more than a thousand years"))?;
        number.clear();
    }
    if number.is_empty() && seconds > 0 { Ok(seconds) } else { Err(shape()) }
}

/// Whether a zone is one.
pub(super) fn zone(value: &str) -> Result<(), Wrong> {
    if value.trim().eq_ignore_ascii_case("none") {
        return Ok(());
    }
    let some_day = Date::constant(2000, 1, 1).to_datetime(Time::midnight());
    match offset(some_day, value.trim()).map_err(Wrong::all)? {
        Some(_) => Ok(()),
        None => Err(Wrong::all("there is no zone; `none` says that it is not known")),
    }
}

/// The same clock on the wall, in a zone that [`zone`] knows; `None` for a date without a time of day.
pub(super) fn in_zone(date: TypedDate, zone: &str) -> Option<TypedDate> {
    if date.precision != DatePrecision::Second {
        return None;
    }
    if zone.trim().eq_ignore_ascii_case("none") {
        return Some(TypedDate { offset_minutes: None, ..date });
    }
    let moment = Timestamp::from_second(date.local_seconds).ok()?;
    let moment = TimeZone::UTC.to_datetime(moment);
    Some(TypedDate { offset_minutes: offset(moment, zone.trim()).ok()?, ..date })
}

/// Whether a clock shows a year that can be typed.
pub(super) fn is_of_our_years(local_seconds: i64) -> bool {
    Timestamp::from_second(local_seconds)
        .is_ok_and(|moment| (1..=9998).contains(&TimeZone::UTC.to_datetime(moment).year()))
}

fn typed(
    moment: DateTime,
    offset_minutes: Option<i16>,
    precision: DatePrecision,
) -> Result<TypedDate, Wrong> {
    let out_of_range = |_| Wrong::all("there is no such date; years go from -9999 to 9999".to_owned());
    let zoned = moment.to_zoned(TimeZone::UTC).map_err(out_of_range)?;
    Ok(TypedDate { local_seconds: zoned.timestamp().as_second(), offset_minutes, precision })
}

/// The first day of what was typed, and how much that was.
fn day(text: &str) -> Result<(Date, DatePrecision), Wrong> {
    let shape = "a date is a year, a month or a day, perhaps with a time: `2023-05-14 10:11 +02:00`";
    let mut numbers = Vec::new();
    let mut at = 0;
    for (index, part) in text.split('-').enumerate() {
        let range = at..at + part.len();
        at += part.len() + 1;
        let length = if index == 0 { 4..=4 } else { 1..=2 };
        let is_number = length.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        let number: i16 = part.parse().ok().filter(|_| is_number && index < 3).ok_or_else(|| {
            let range = if index == 0 { 0..text.len() } else { range.clone() };
            Wrong::part(range, shape)
        })?;
        let (fits, reason) = match index {
            0 => (number >= 1, "years begin with 0001"),
            1 => ((1..=12).contains(&number), "there are twelve months"),
            _ => ((1..=31).contains(&number), "no month has that day"),
        };
        if !fits {
            return Err(Wrong::part(range, reason));
        }
        numbers.push((number, range));
    }
    let small = |index: usize| numbers.get(index).map_or(1, |(number, _)| i8::try_from(*number).unwrap_or(1));
    let (year, _) = numbers.first().cloned().unwrap_or_default();
    let day = Date::new(year, small(1), small(2)).map_err(|_| {
        let range = numbers.last().map_or(0..text.len(), |(_, range)| range.clone());
        Wrong::part(range, "that month has no such day")
    })?;
    let precision = match numbers.len() {
        1 => DatePrecision::Year,
        2 => DatePrecision::Month,
        _ => DatePrecision::Day,
    };
    Ok((day, precision))
}

fn clock_time(text: &str) -> Option<Time> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |index: usize| {
        let part = parts.get(index)?;
        ((1..=2).contains(&part.len())).then(|| part.parse::<i8>().ok()).flatten()
    };
    let seconds = match parts.len() {
        2 => 0,
        3 => number(2)?,
        _ => return None,
    };
    Time::new(number(0)?, number(1)?, seconds, 0).ok()
}

/// Minutes east of UTC; none if nothing was typed.
fn offset(moment: DateTime, zone: &str) -> Result<Option<i16>, String> {
    let shape = || "a zone is `Z`, an offset such as `+02:00`, or a name such as `Europe/Lisbon`".to_owned();
    if zone.is_empty() {
        return Ok(None);
    }
    if zone.eq_ignore_ascii_case("z") || zone.eq_ignore_ascii_case("utc") {
        return Ok(Some(0));
    }
    let sign = match zone.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return named_offset(moment, zone).ok_or_else(shape),
    };
    let digits: String = zone.chars().skip(1).filter(|letter| *letter != ':').collect();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(digits.len(), 2 | 4) {
        return Err(shape());
    }
    let (hours, minutes) = digits.split_at(2);
    let hours: i16 = hours.parse().map_err(|_| shape())?;
    let minutes: i16 = if minutes.is_empty() { 0 } else { minutes.parse().map_err(|_| shape())? };
    if hours > 18 || minutes > 59 {
        return Err("no clock is more than 18 hours from UTC".into());
    }
    Ok(Some(sign * (hours * 60 + minutes)))
}

fn named_offset(moment: DateTime, name: &str) -> Option<Option<i16>> {
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let zone = TimeZone::get(name).ok()?;
    let zoned = zone.to_ambiguous_zoned(moment).compatible().ok()?;
    Some(i16::try_from(zoned.offset().seconds() / 60).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (i64, Option<i16>, DatePrecision) {
        let date = date(text).unwrap();
        (date.local_seconds, date.offset_minutes, date.precision)
    }

    #[test]
    fn dates_may_be_partial_and_have_a_zone() {
        use DatePrecision::{Day, Month, Second, Year};
        assert_eq!(parts("1970"), (0, None, Year));
        assert_eq!(parts("1970-02"), (31 * 86_400, None, Month));
        assert_eq!(parts("1969-12-31"), (-86_400, None, Day));
        assert_eq!(parts("1970-01-01 00:01"), (60, None, Second));
        assert_eq!(parts("1970-01-01T01:00:01Z"), (3601, Some(0), Second));
        assert_eq!(parts("1970-01-01T00:00:00+05:45"), (0, Some(345), Second));
        assert_eq!(parts("1970-01-01 00:00 -0330"), (0, Some(-210), Second));
        assert_eq!(parts("2023-07-01 12:00 Europe/Lisbon").1, Some(60));
        assert_eq!(parts("2023-01-01T12:00[Europe/Lisbon]").1, Some(0));
    }

    #[test]
    fn spans_are_sums_of_units() {
        assert_eq!(span("1d2h30m").unwrap(), 86_400 + 2 * 3600 + 30 * 60);
        assert_eq!(span(" 45s ").unwrap(), 45);
        for text in ["", "0h", "5", "h", "1w", "-1h", "1h 2", "9999999999999999d", "400000d"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_zone_depends_on_the_day() {
        for good in ["Z", "+05:45", "Europe/Lisbon", "none"] {
            assert!(zone(good).is_ok(), "{good}");
        }
        for bad in ["", "Mars/Olympus", "+99:00", "2"] {
            assert!(zone(bad).is_err(), "{bad}");
        }
        let at = |text: &str, zone: &str| in_zone(date(text).unwrap(), zone).map(|date| date.offset_minutes);
        assert_eq!(at("2023-07-01 12:00", "Europe/Lisbon"), Some(Some(60)));
        assert_eq!(at("2023-01-01 12:00", "Europe/Lisbon"), Some(Some(0)));
        assert_eq!(at("2023-01-01 12:00 +02:00", "none"), Some(None));
        assert_eq!(at("2023-01-01", "Z"), None);
    }

    #[test]
    fn dates_that_are_none_are_refused() {
        for text in [
            "",
            "yesterday",
            "23",
            "2023-13",
            "2023-00",
            "2023-02-30",
            "2023-05-14-01",
            "2023-05 10:00",
            "2023-05-14 25:00",
            "2023-05-14 10",
            "2023-05-14 10:11 +99:00",
            "2023-05-14 10:11 Mars/Olympus",
            "0000-01-01",
        ] {
            assert!(date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn places_are_numbers_a_name_or_both() {
        let at = |text: &str| match place(text).unwrap() {
            PlaceWords::At(place) => (
                place.position.latitude_e7,
                place.position.longitude_e7,
                place.position.altitude_mm,
                place.name,
            ),
            PlaceWords::Called(name) => panic!("{name}"),
        };
        assert_eq!(at("48.85,2.35"), (488_500_000, 23_500_000, None, None));
        assert_eq!(at("-33.5, 151"), (-335_000_000, 1_510_000_000, None, None));
        assert_eq!(
            at("38.71,-9.14,12.5 Grandma's"),
            (387_100_000, -91_400_000, Some(12_500), Some("Grandma's".into()))
        );
        assert_eq!(place("Lisbon").unwrap(), PlaceWords::Called("Lisbon".into()));
        for text in ["", "91,0", "0,181", "48.85", "1,2,3,4", "1,x", "\n"] {
            assert!(place(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_are_one_line() {
        assert_eq!(name("  Été 🏖 שלום ").unwrap(), "Été 🏖 שלום");
        assert_eq!(tag("places / Lisbon").unwrap(), "places/Lisbon");
        for text in ["", " ", "a\nb", "a\u{1b}[31m"] {
            assert!(name(text).is_err(), "{text:?}");
        }
        for text in ["/", "a//b", "/a", "a/"] {
            assert!(tag(text).is_err(), "{text:?}");
        }
        assert!(name(&"x".repeat(MAX_NAME_BYTES + 1)).is_err());
        assert!(text(&"x".repeat(MAX_TEXT_BYTES)).is_ok());
        assert!(text(&"x".repeat(MAX_TEXT_BYTES + 1)).is_err());
    }

    #[test]
    fn turns_and_stars_have_their_bounds() {
        assert_eq!(
            [0, 90, 180, 270, 360, -90].map(|degrees| quarter_turns(&degrees.to_string()).unwrap()),
            [0, 1, 2, 3, 0, 3]
        );
        assert!(quarter_turns("45").is_err() && quarter_turns("left").is_err());
        assert!(rating("-1").is_ok() && rating("5").is_ok() && rating("6").is_err() && rating("").is_err());
        assert!(flag("yes").unwrap() && !flag("no").unwrap() && flag("maybe").is_err());
    }
}
