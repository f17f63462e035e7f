//! What is shown of a state: one answer for each question, with where it came from and what it hides.
//!
//! Invariant: a view decides nothing that is stored. It chooses between what people typed (first), what
//! programs derived (next) and what the file system says (last), says which it was, and lists every typed
//! value that lost, so that nothing a person wrote is ever silently gone. Values of a wrong type, which only
//! a faulty or hostile device writes, count as absent. Specified in sl1-history §9.

mod album;
mod alias;
mod asset;

use crate::clock::Stamp;
use crate::facts::{PlaceName, Taken, TakenSource};
use crate::field::Field;
use crate::ids::OpId;
use crate::state::{Record, Register};
use crate::value::{DatePrecision, Position, TypedDate, Value};

pub use album::{AlbumView, album_path};
pub use alias::shown_asset;
pub use asset::{AssetStatus, AssetView, Version};

/// Where a shown value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A person typed it.
    Typed {
        /// With this op.
        op: OpId,
        /// Then.
        stamp: Stamp,
    },
    /// A program found it in the content.
    Derived,
    /// The file system said so.
    File,
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// A field that several people wrote without knowing of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Which field.
    pub field: Field,
    /// The value that shows.
    pub shown: Value,
    /// The other values, latest first.
    pub others: Vec<(OpId, Stamp, Value)>,
}

/// When something was taken, as shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownDate {
    /// The clock on the wall there, as milliseconds since 1970-01-01T00:00:00 on that same clock.
    pub local_millis: i64,
    /// How far that clock was east of UTC, if known.
    pub offset_minutes: Option<i16>,
    /// How much of it is known.
    pub precision: DatePrecision,
    /// Which field of the file said so; `None` for a typed date.
    pub source: Option<TakenSource>,
}

impl ShownDate {
    /// Milliseconds since 1970 in UTC, if the offset is known.
    #[must_use]
    pub fn utc_millis(&self) -> Option<i64> {
        self.local_millis.checked_sub(i64::from(self.offset_minutes?) * 60_000)
    }

    fn typed(date: &TypedDate) -> Option<Self> {
        Some(Self {
            local_millis: date.local_seconds.checked_mul(1000)?,
            offset_minutes: date.offset_minutes,
            precision: date.precision,
            source: None,
        })
    }

    fn taken(taken: &Taken) -> Self {
        Self {
            local_millis: taken.local_millis,
            offset_minutes: taken.offset_minutes,
            precision: DatePrecision::Second,
            source: Some(taken.source),
        }
    }

    fn file_time(modified_millis: i64) -> Self {
        Self {
            local_millis: modified_millis,
            offset_minutes: Some(0),
            precision: DatePrecision::Second,
            source: Some(TakenSource::FileTime),
        }
    }
}

/// Where something was taken, as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownPlace {
    /// The point.
    pub position: Position,
    /// What a person calls it.
    pub name: Option<String>,
    /// The city, region and country that were found for a derived point; `None` for a typed one, whose
    /// names the caller looks up.
    pub found: Option<PlaceName>,
}

/// Values in conflict, field by field.
fn conflicts(record: &Record) -> Vec<Conflict> {
    let conflict = |(field, register): (&Field, &Register<Value>)| {
        let others: Vec<_> = register
            .conflicts()
            .into_iter()
            .map(|write| (write.op, write.stamp, write.value.clone()))
            .collect();
        let shown = register.winner()?.value.clone();
        (!others.is_empty()).then(|| Conflict { field: field.clone(), shown, others })
    };
    record.fields().filter_map(conflict).collect()
}

/// The typed value of a field, if it is of the right type.
fn typed<'a, T>(
    record: &'a Record,
    field: impl Into<Field>,
    read: impl FnOnce(&'a Value) -> Option<T>,
) -> Option<Shown<T>> {
    let write = record.field(field)?.winner()?;
    let origin = Origin::Typed { op: write.op, stamp: write.stamp };
    read(&write.value).map(|value| Shown { value, origin })
}

fn derived<T>(value: T) -> Shown<T> {
    Shown { value, origin: Origin::Derived }
}
