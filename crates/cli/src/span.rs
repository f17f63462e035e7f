//! Lengths of time as people write them: `15min`, `36h`, `3d`.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Unit};

/// Reads a length of time in whole seconds; a day has 24 hours.
///
/// # Errors
/// In words, for what is none, or is nothing or less.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "a length of time is 15min, 36h or 3d".to_owned();
    let span: Span = text.trim().parse().map_err(|_| wrong())?;
    let seconds = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).map_err(|_| wrong())?;
    let length = Duration::try_from_secs_f64(seconds.trunc()).map_err(|_| wrong())?;
    if length.is_zero() { Err(wrong()) } else { Ok(length) }
}

/// The same the other way: `3 days`, `36 hours`, `90 seconds`.
pub(crate) fn in_words(length: Duration) -> String {
    let seconds = length.as_secs();
    let (count, unit) = match seconds {
        seconds if seconds.is_multiple_of(86_400) => (seconds / 86_400, "day"),
        seconds if seconds.is_multiple_of(3600) => (seconds / 3600, "hour"),
        seconds if seconds.is_multiple_of(60) => (seconds / 60, "minute"),
        seconds => (seconds, "second"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_they_are_written() {
        for (text, seconds) in
            [("15min", 900), ("90s", 90), ("36h", 129_600), ("3d", 259_200), ("1d 12h", 129_600)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "3", "0s", "-3d", "soon", "1mo", "1y"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_are_said_in_the_largest_unit_that_fits() {
        for (seconds, words) in
            [(259_200, "3 days"), (3600, "1 hour"), (900, "15 minutes"), (61, "61 seconds")]
        {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
