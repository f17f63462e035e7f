//! Values as people read them.

use safelight_model::view::ShownDate;
use safelight_model::{DatePrecision, Position, Value};

use crate::listing::date_text;

/// A date as far as it is known: `2023-05`, `2023-05-14T10:11:12+02:00`.
fn date_words(local_millis: i64, offset_minutes: Option<i16>, precision: DatePrecision) -> String {
    let whole = date_text(local_millis, offset_minutes);
    let known = match precision {
        DatePrecision::Year => 4,
        DatePrecision::Month => 7,
        DatePrecision::Day => 10,
        DatePrecision::Second => whole.len(),
    };
    whole.get(..known).unwrap_or(&whole).to_owned()
}

/// The same of a date that is shown.
pub(crate) fn shown_date_words(date: &ShownDate) -> String {
    date_words(date.local_millis, date.offset_minutes, date.precision)
}

/// Degrees north and east.
fn position_words(position: &Position) -> String {
    format!("{:.6},{:.6}", position.latitude(), position.longitude())
}

/// A value in the words in which it can be typed, as far as it can.
pub(super) fn value_words(value: &Value) -> String {
    match value {
        Value::None => "nothing".into(),
        Value::Bool(value) => if *value { "yes" } else { "no" }.into(),
        Value::Int(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Asset(asset) => asset.to_string(),
        Value::Album(album) => album.to_string(),
        Value::Date(date) => match date.local_seconds.checked_mul(1000) {
            Some(millis) => date_words(millis, date.offset_minutes, date.precision),
            None => "a date beyond all years".into(),
        },
        Value::Place(place) => match &place.name {
            Some(name) => format!("{} {name}", position_words(&place.position)),
            None => position_words(&place.position),
        },
        Value::Other(_) => "something that a newer version knows".into(),
    }
}
