//! Listing and searching: from conditions to pages of the timeline.
//!
//! Every condition becomes a bound on the timeline's key or a posting list of the full-text index, so FTS5
//! walks the hits in the order of the timeline and stops when the page is full. What an index holds too much
//! (the outermost size lists, the corners of a circle on the map) is checked on the row; where that refuses
//! nearly everything, the index of sizes or of positions lists the few rows that are left. No query sorts, none
//! counts more than it was asked to, and everything a person typed is a bound parameter.
//!
//! Measured by `examples/million.rs`.

mod check;
mod circle;
mod contents;
mod keys;
mod plan;
mod prefix;
mod run;
mod walk;

use std::fmt;
use std::str::FromStr;

pub(crate) use contents::last_op;
pub use contents::{AlbumTree, CurrentContent, LiveHalves};
pub use run::MapPoint;
pub use walk::Place;

use crate::catalog::{AssetRow, Shelf};

/// A place in the timeline: a page begins behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(pub(crate) i64);

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// A text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is 16 hexadecimal digits")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let value = u64::from_str_radix(text, 16).map_err(|_| NotACursor)?;
        i64::try_from(value).map(Self).map_err(|_| NotACursor)
    }
}

/// Which assets a listing takes from, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOptions {
    /// The page begins behind this place; with `None` at the newest.
    pub after: Option<Cursor>,
    /// How many rows at most.
    pub limit: usize,
    /// Where to look, in this order. With `None` in the trash if the query asks for `is:trashed`, among the
    /// hidden if it asks for `is:hidden`, else in the timeline.
    pub shelves: Option<Vec<Shelf>>,
    /// Leaves out what lies in a stack under another asset, as the timeline does.
    pub covers_only: bool,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self { after: None, limit: 200, shelves: None, covers_only: false }
    }
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssetPage {
    /// The rows, newest first.
    pub rows: Vec<AssetRow>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// How many assets match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchCount {
    /// So many.
    Exactly(u64),
    /// At least so many: counting stopped there.
    AtLeast(u64),
}
