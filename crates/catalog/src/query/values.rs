//! Dates, sizes, ratings and positions as people type them.
//!
//! A date stands for all of its days: `2023-05` is the whole month, also as the end of a range. A size alone
//! stands for everything that begins with it (`5MB` is 5 to just under 6 megabytes), but compared or as the
//! end of a range it is exact: 5.4 MB are more than `5MB`. Ranges take both of their ends in.

use jiff::civil::{Date, DateTime, Time};

use super::error::{Problem, QueryError};
use super::lexer::Word;
use super::{Condition, Span};

/// Bounds of a number; both ends belong to it, `None` is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<T> {
    /// The least value.
    pub from: Option<T>,
    /// The greatest value.
    pub to: Option<T>,
}

/// A stretch of days by the clock on the wall: from its first moment up to, not including, its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateRange {
    /// The first moment, or the beginning of time.
    pub from: Option<DateTime>,
    /// The first moment after it, or the end of time.
    pub until: Option<DateTime>,
}

/// One value, as the stretch that it stands for.
struct Stretch<T> {
    first: T,
    /// The first one greater, for comparisons and the ends of ranges; `None` where nothing comes after.
    greater: Option<T>,
    /// The first one that a value standing alone does not mean.
    after: Option<T>,
}

/// A value with what stands before it, or two values.
#[derive(Clone, Copy)]
struct Interval<T> {
    /// The first element inside.
    from: Option<T>,
    /// The first element behind.
    until: Option<T>,
}

pub(super) fn date(word: &Word) -> Result<DateRange, QueryError> {
    let wrong = Problem::BadValue {
        expected: "a date is a year, a month or a day, or a range of them",
        example: "date:2023-05..2023-07",
    };
    let interval = interval(word, &wrong, days)?;
    Ok(DateRange { from: interval.from, until: interval.until })
}

pub(super) fn size(word: &Word) -> Result<Bound<u64>, QueryError> {
    let wrong = Problem::BadValue {
        expected: "a size is a number with B, KB, MB, GB, KiB, MiB or GiB",
        example: "size:>5MB",
    };
    closed(interval(word, &wrong, bytes)?, word)
}

pub(super) fn rating(word: &Word) -> Result<Bound<u8>, QueryError> {
    let wrong = Problem::BadValue { expected: "a rating is a number from 0 to 5", example: "rating:>=4" };
    let stars = |text: &str| {
        let first = text.parse().ok().filter(|stars: &u64| *stars <= 5)?;
        Some(Stretch { first, greater: Some(first + 1), after: Some(first + 1) })
    };
    let bound = closed(interval(word, &wrong, stars)?, word)?;
    let narrow = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
    Ok(Bound { from: bound.from.map(narrow), to: bound.to.map(narrow) })
}

pub(super) fn count(word: &Word) -> Result<Bound<u64>, QueryError> {
    let wrong = Problem::BadValue { expected: "how many places is a whole number", example: "places:<2" };
    let number = |text: &str| {
        let first: u64 = text.parse().ok()?;
        let after = first.checked_add(1);
        Some(Stretch { first, greater: after, after })
    };
    closed(interval(word, &wrong, number)?, word)
}

pub(super) fn age(word: &Word) -> Result<Bound<u64>, QueryError> {
    let wrong = Problem::BadValue {
        expected: "an age is a number with h, d, w or y for hours, days, weeks or years",
        example: "proven:<30d",
    };
    closed(interval(word, &wrong, millis)?, word)
}

pub(super) fn near(word: &Word) -> Result<Condition, QueryError> {
    let wrong = Problem::BadValue {
        expected: "a position is latitude, longitude and a distance, with commas between",
        example: "near:48.85,2.35,10km",
    };
    let spans = parts_at_commas(word);
    let fail = |at: usize| {
        let span = spans.get(at).map_or(word.value_span.clone(), |(_, span)| span.clone());
        QueryError::new(span, wrong.clone())
    };
    if !(2..=3).contains(&spans.len()) {
        return Err(QueryError::new(word.value_span.clone(), wrong.clone()));
    }
    let degrees = |at: usize, most: f64| {
        let value: Option<f64> = spans.get(at).and_then(|(text, _)| text.trim().parse().ok());
        value.filter(|value| value.abs() <= most).ok_or_else(|| fail(at))
    };
    let (latitude, longitude) = (degrees(0, 90.0)?, degrees(1, 180.0)?);
    let metres = match spans.get(2) {
        None => 1_000.0,
        Some((text, _)) => metres(text).ok_or_else(|| fail(2))?,
    };
    Ok(Condition::Near { latitude, longitude, metres })
}

fn metres(text: &str) -> Option<f64> {
    let (number, unit) = split_unit(text.trim());
    let scale = match unit.to_ascii_lowercase().as_str() {
        "m" => 1.0,
        "" | "km" => 1_000.0,
        "mi" => 1_609.344,
        _ => return None,
    };
    let metres = number.parse::<f64>().ok()? * scale;
    (metres > 0.0 && metres <= 20_100_000.0).then_some(metres)
}

/// The parts between commas; their spans are exact where the value was typed without quotes.
fn parts_at_commas(word: &Word) -> Vec<(&str, Span)> {
    let mut at = 0;
    word.value
        .split(',')
        .map(|part| {
            let start = at;
            at += part.len() + 1;
            (part, shifted(word, start..start + part.len()))
        })
        .collect()
}

fn shifted(word: &Word, part: Span) -> Span {
    if word.quoted {
        return word.value_span.clone();
    }
    word.value_span.start + part.start..word.value_span.start + part.end
}

/// Reads `V`, `V..W`, `V..`, `..W`, `>V`, `>=V`, `<V`, `<=V`.
fn interval<T: PartialOrd>(
    word: &Word,
    wrong: &Problem,
    read: impl Fn(&str) -> Option<Stretch<T>>,
) -> Result<Interval<T>, QueryError> {
    let text = word.value.as_str();
    let value = |part: Span| {
        let value = text.get(part.clone()).and_then(|part| read(part.trim()));
        value.ok_or_else(|| QueryError::new(shifted(word, part), wrong.clone()))
    };
    let whole = |skip: usize| value(skip..text.len());
    let interval = if let Some(at) = text.find("..") {
        let (left, right) = (0..at, at + 2..text.len());
        if left.is_empty() && right.is_empty() {
            return Err(QueryError::new(word.value_span.clone(), wrong.clone()));
        }
        let from = if left.is_empty() { None } else { Some(value(left)?.first) };
        let until = if right.is_empty() { None } else { value(right)?.greater };
        Interval { from, until }
    } else if text.starts_with(">=") {
        Interval { from: Some(whole(2)?.first), until: None }
    } else if text.starts_with("<=") {
        Interval { from: None, until: whole(2)?.greater }
    } else if text.starts_with('>') {
        Interval { from: whole(1)?.greater, until: None }
    } else if text.starts_with('<') {
        Interval { from: None, until: Some(whole(1)?.first) }
    } else {
        let stretch = whole(0)?;
        Interval { from: Some(stretch.first), until: stretch.after }
    };
    match (&interval.from, &interval.until) {
        (Some(from), Some(until)) if from >= until => {
            Err(QueryError::new(word.value_span.clone(), Problem::Backwards))
        }
        _ => Ok(interval),
    }
}

/// Reads `2023`, `2023-05` or `2023-05-01`.
fn days(text: &str) -> Option<Stretch<DateTime>> {
    let mut numbers = Vec::new();
    for (at, part) in text.split('-').enumerate() {
        let length = if at == 0 { 4..=4 } else { 1..=2 };
        if at > 2 || !length.contains(&part.len()) || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        numbers.push(part.parse::<i16>().ok()?);
    }
    let small = |at: usize| numbers.get(at).map_or(Some(1), |number| i8::try_from(*number).ok());
    let first = Date::new(*numbers.first()?, small(1)?, small(2)?).ok()?;
    let after = match numbers.len() {
        1 => Date::new(first.year() + 1, 1, 1).ok(),
        2 if first.month() == 12 => Date::new(first.year() + 1, 1, 1).ok(),
        2 => Date::new(first.year(), first.month() + 1, 1).ok(),
        _ => first.tomorrow().ok(),
    };
    let midnight = |date: Date| date.to_datetime(Time::midnight());
    let after = after.map(midnight);
    Some(Stretch { first: midnight(first), greater: after, after })
}

/// Reads `5MB`, `1.5GiB`, `300`.
fn bytes(text: &str) -> Option<Stretch<u64>> {
    let (number, unit) = split_unit(text);
    let scale: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = u32::try_from(fraction.len()).ok()?;
    if !(fraction.is_empty() || fraction.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    // One step of the last digit that was typed, in bytes.
    let step = (scale / 10_u64.checked_pow(digits)?).max(1);
    let fraction = if digits == 0 { 0 } else { fraction.parse::<u64>().ok()?.checked_mul(step)? };
    let first = whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(fraction)?;
    Some(Stretch { first, greater: first.checked_add(1), after: first.checked_add(step) })
}

/// Reads `12h`, `30d`, `2w`, `1y`, `30`; a year has 365 days, and days are meant where nothing is said.
fn millis(text: &str) -> Option<Stretch<u64>> {
    let (number, unit) = split_unit(text);
    let hours: u64 = match unit.to_ascii_lowercase().as_str() {
        "h" => 1,
        "" | "d" => 24,
        "w" => 7 * 24,
        "y" => 365 * 24,
        _ => return None,
    };
    let step = hours * 3_600_000;
    let first = number.parse::<u64>().ok()?.checked_mul(step)?;
    Some(Stretch { first, greater: first.checked_add(1), after: first.checked_add(step) })
}

fn split_unit(text: &str) -> (&str, &str) {
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

/// Whole numbers between two bounds, both taken in.
fn closed(interval: Interval<u64>, word: &Word) -> Result<Bound<u64>, QueryError> {
    let to = match interval.until {
        None => None,
        Some(0) => return Err(QueryError::new(word.value_span.clone(), Problem::Backwards)),
        Some(until) => Some(until - 1),
    };
    Ok(Bound { from: interval.from, to })
}
