//! What a person can type into a field or put into a set.
//!
//! Invariant: a value that this version does not know is kept as its bytes and takes part in the merge like
//! any other, so devices of different versions agree. Specified in sl1-history §5.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::cbor::{self, Decode, Encode, Malformed, Reader, Writer};
use crate::ids::{AlbumId, AssetId};

/// How long a typed text may be, in bytes of UTF-8: 64 KiB.
pub const MAX_TEXT_BYTES: usize = cbor::MAX_TEXT_BYTES;
/// How long a value of an unknown kind may be, in bytes of its encoding.
pub(crate) const MAX_OTHER_VALUE_BYTES: usize = 64 * 1024;

/// A typed value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// Cleared: what programs derived shows again.
    None,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text, at most [`MAX_TEXT_BYTES`].
    Text(String),
    /// Bytes, at most [`MAX_TEXT_BYTES`].
    Bytes(Vec<u8>),
    /// An asset.
    Asset(AssetId),
    /// An album.
    Album(AlbumId),
    /// A date.
    Date(TypedDate),
    /// A place.
    Place(TypedPlace),
    /// A value that a later version introduced.
    Other(OtherValue),
}

/// A value of a kind that this version does not know, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherValue(Box<[u8]>);

/// A date as a person typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TypedDate {
    /// The clock on the wall there, as seconds since 1970-01-01T00:00:00 on that same clock.
    pub local_seconds: i64,
    /// How far that clock was east of UTC, if it is known.
    pub offset_minutes: Option<i16>,
    /// How much of the date is known.
    pub precision: DatePrecision,
}

/// How much of a date is known; the rest counts from the start of the known part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DatePrecision {
    /// Only the year.
    Year,
    /// The month.
    Month,
    /// The day.
    Day,
    /// The time of day too.
    Second,
}

/// A place as a person typed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TypedPlace {
    /// Where it is.
    pub position: Position,
    /// What the person calls it.
    pub name: Option<String>,
}

/// A point on the Earth. Whole numbers, because floating point has many encodings of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Degrees north of the equator × 10,000,000; from -900,000,000 to 900,000,000.
    pub latitude_e7: i32,
    /// Degrees east of Greenwich × 10,000,000; from -1,800,000,000 to 1,800,000,000.
    pub longitude_e7: i32,
    /// Millimetres above sea level.
    pub altitude_mm: Option<i32>,
}

impl Position {
    /// A position from degrees and metres; `None` if it is not on the Earth.
    #[must_use]
    pub fn from_degrees(latitude: f64, longitude: f64, altitude_metres: Option<f64>) -> Option<Self> {
        let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        on_earth.then(|| Self {
            latitude_e7: scaled(latitude, 1e7).unwrap_or_default(),
            longitude_e7: scaled(longitude, 1e7).unwrap_or_default(),
            altitude_mm: altitude_metres.and_then(|metres| scaled(metres, 1e3)),
        })
    }

    /// Degrees north.
    #[must_use]
    pub fn latitude(&self) -> f64 {
        f64::from(self.latitude_e7) / 1e7
    }

    /// Degrees east.
    #[must_use]
    pub fn longitude(&self) -> f64 {
        f64::from(self.longitude_e7) / 1e7
    }

    /// Metres above sea level.
    #[must_use]
    pub fn altitude_metres(&self) -> Option<f64> {
        self.altitude_mm.map(|millimetres| f64::from(millimetres) / 1e3)
    }

    pub(crate) fn is_on_earth(&self) -> bool {
        self.latitude_e7.unsigned_abs() <= 900_000_000 && self.longitude_e7.unsigned_abs() <= 1_800_000_000
    }
}

/// `value × factor`, rounded; `None` outside 32 bits.
fn scaled(value: f64, factor: f64) -> Option<i32> {
    let scaled = (value * factor).round();
    let fits = scaled >= f64::from(i32::MIN) && scaled <= f64::from(i32::MAX);
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in range, and rounded")]
    fits.then_some(scaled as i32)
}

/// By encoded bytes, so that every implementation sorts alike.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Album(a), Self::Album(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            _ => cbor::to_bytes(self).cmp(&cbor::to_bytes(other)),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<AlbumId> for Value {
    fn from(album: AlbumId) -> Self {
        Self::Album(album)
    }
}

impl From<AssetId> for Value {
    fn from(asset: AssetId) -> Self {
        Self::Asset(asset)
    }
}

impl From<TypedDate> for Value {
    fn from(date: TypedDate) -> Self {
        Self::Date(date)
    }
}

impl From<TypedPlace> for Value {
    fn from(place: TypedPlace) -> Self {
        Self::Place(place)
    }
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// Yes or no, if it is that.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The album, if it is one.
    #[must_use]
    pub fn as_album(&self) -> Option<AlbumId> {
        if let Self::Album(album) = self { Some(*album) } else { None }
    }

    /// The asset, if it is one.
    #[must_use]
    pub fn as_asset(&self) -> Option<AssetId> {
        if let Self::Asset(asset) = self { Some(*asset) } else { None }
    }

    /// The rule that this value breaks, if nobody could read it back.
    pub(crate) fn broken_rule(&self) -> Option<&'static str> {
        match self {
            Self::Text(text) if text.len() > MAX_TEXT_BYTES => Some("a text is at most 64 KiB long"),
            Self::Bytes(bytes) if bytes.len() > MAX_TEXT_BYTES => Some("bytes are at most 64 KiB long"),
            Self::Place(place) if !place.position.is_on_earth() => Some("a place is on the Earth"),
            Self::Place(TypedPlace { name: Some(name), .. }) if name.len() > MAX_TEXT_BYTES => {
                Some("a text is at most 64 KiB long")
            }
            _ => None,
        }
    }
}

const ASSET: u64 = 1;
const ALBUM: u64 = 2;
const DATE: u64 = 3;
const PLACE: u64 = 4;

impl Encode for Value {
    fn encode(&self, to: &mut Writer) {
        match self {
            Self::None => to.null(),
            Self::Bool(value) => to.boolean(*value),
            Self::Int(value) => to.signed(*value),
            Self::Text(text) => to.text(text),
            Self::Bytes(bytes) => to.bytes(bytes),
            Self::Asset(asset) => {
                to.array(2);
                to.unsigned(ASSET);
                to.value(asset);
            }
            Self::Album(album) => {
                to.array(2);
                to.unsigned(ALBUM);
                to.value(album);
            }
            Self::Date(date) => {
                to.array(4);
                to.unsigned(DATE);
                to.signed(date.local_seconds);
                to.optional(date.offset_minutes.as_ref());
                to.unsigned(date.precision.code());
            }
            Self::Place(place) => {
                to.array(3);
                to.unsigned(PLACE);
                to.value(&place.position);
                to.optional(place.name.as_ref());
            }
            Self::Other(other) => to.raw(&other.0),
        }
    }
}

impl Decode for Value {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        if from.null()? {
            return Ok(Self::None);
        }
        match from.peek()? >> 5 {
            0 | 1 => from.signed().map(Self::Int),
            2 => Ok(Self::Bytes(from.bytes(MAX_TEXT_BYTES)?.to_vec())),
            3 => Ok(Self::Text(from.text(MAX_TEXT_BYTES)?.to_owned())),
            4 => Self::decode_composite(from),
            5 => Self::other(from.item()?, from),
            7 => from.boolean().map(Self::Bool),
            _ => Err(from.broken("a value belongs here")),
        }
    }
}

impl Value {
    fn decode_composite(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let item = from.item()?;
        let mut inner = Reader::new(item);
        let items = inner.array(usize::MAX)?;
        inner.ensure(items > 0, "a composite value names its kind")?;
        let value = match (inner.unsigned()?, items) {
            (ASSET, 2) => Self::Asset(AssetId::decode(&mut inner)?),
            (ALBUM, 2) => Self::Album(AlbumId::decode(&mut inner)?),
            (DATE, 4) => Self::Date(TypedDate {
                local_seconds: inner.signed()?,
                offset_minutes: inner.optional()?,
                precision: DatePrecision::decode(&mut inner)?,
            }),
            (PLACE, 3) => Self::Place(TypedPlace {
                position: Position::decode(&mut inner)?,
                name: if inner.null()? { None } else { Some(inner.text(MAX_TEXT_BYTES)?.to_owned()) },
            }),
            (ASSET..=PLACE, _) => return Err(from.broken("the value has another number of parts")),
            _ => return Self::other(item, from),
        };
        inner.end()?;
        Ok(value)
    }

    fn other(item: &[u8], from: &Reader<'_>) -> Result<Self, Malformed> {
        from.ensure(item.len() <= MAX_OTHER_VALUE_BYTES, "a value is at most 64 KiB long")?;
        Ok(Self::Other(OtherValue(item.into())))
    }
}

impl DatePrecision {
    fn code(self) -> u64 {
        match self {
            Self::Year => 1,
            Self::Month => 2,
            Self::Day => 3,
            Self::Second => 4,
        }
    }
}

impl Decode for DatePrecision {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        match from.unsigned()? {
            1 => Ok(Self::Year),
            2 => Ok(Self::Month),
            3 => Ok(Self::Day),
            4 => Ok(Self::Second),
            _ => Err(from.broken("the precision of a date is from 1 to 4")),
        }
    }
}

impl Encode for Position {
    fn encode(&self, to: &mut Writer) {
        to.array(if self.altitude_mm.is_some() { 3 } else { 2 });
        to.value(&self.latitude_e7);
        to.value(&self.longitude_e7);
        if let Some(altitude) = &self.altitude_mm {
            to.value(altitude);
        }
    }
}

impl Decode for Position {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let items = from.array(3)?;
        from.ensure(items >= 2, "a position has latitude and longitude")?;
        let position = Self {
            latitude_e7: i32::decode(from)?,
            longitude_e7: i32::decode(from)?,
            altitude_mm: if items == 3 { Some(i32::decode(from)?) } else { None },
        };
        from.ensure(position.is_on_earth(), "a place is on the Earth")?;
        Ok(position)
    }
}
