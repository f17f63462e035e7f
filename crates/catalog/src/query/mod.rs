//! The query language: from what a person types to conditions.
//!
//! ```text
//! beach "golden hour" -crowd camera:canon date:2023-05..2023-07 near:48.85,2.35,10km is:favourite
//! ```
//!
//! Terms are joined by *and*; a `-` in front excludes. Parsing is pure: it knows no database, and an error
//! carries the span of the word that it is about. `search` turns the conditions into one SQL statement in
//! which everything a person typed is a bound parameter.

mod error;
mod lexer;
mod parse;
mod values;

pub use error::{Problem, QueryError};
pub use parse::{keys, words_of};
pub use values::{Bound, DateRange};

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use safelight_model::{AlbumId, ContentHash};

/// A stretch of the query text in bytes.
pub type Span = Range<usize>;

/// A parsed query: all of its terms must hold. Without terms it matches everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The terms in the order in which they were typed.
    pub terms: Vec<Term>,
}

/// One condition, or the absence of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Where it stands in the text.
    pub span: Span,
    /// Whether matching assets are excluded.
    pub negated: bool,
    /// What must hold.
    pub condition: Condition,
}

/// What an asset must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Words in names, captions, tags, places, cameras, lenses and folders, or in one of these.
    Text {
        /// Where to look.
        field: TextField,
        /// What to look for. Several words follow each other, in this order.
        text: String,
        /// Whether the last word may go on (`beach*`).
        prefix: bool,
    },
    /// Has exactly this tag (`tag:beach`), or one that begins so (`tag:beach*`).
    Tag {
        /// The tag.
        name: String,
        /// Whether the tag may go on.
        prefix: bool,
    },
    /// Is in an album of this name, or one whose name begins so.
    Album {
        /// The album's name.
        name: String,
        /// Whether the name may go on.
        prefix: bool,
    },
    /// Is in one of these albums. Nobody types it: [`nested`](crate::Catalog::nested) makes it.
    InAlbums(Vec<AlbumId>),
    /// Is in an album whose own photos have together a size in these bounds, in bytes.
    AlbumSize(Bound<u64>),
    /// Stands so to a remote (`sync:waiting`, `sync:nas=synced`), or to the library as a whole. The catalogue does not
    /// know it: whoever does puts [`Contents`](Self::Contents) in its place.
    Sync {
        /// The remote's name.
        remote: Option<String>,
        /// The word for the state.
        state: SyncWord,
    },
    /// Its original rests whole and sealed in so many places, this device among them (`places:<2`). Likewise.
    Places(Bound<u64>),
    /// Some remote was proven to hold it so long ago, in milliseconds (`proven:<30d`). Likewise.
    Proven(Bound<u64>),
    /// Shows one of these contents. Nobody types it.
    Contents(Arc<HashSet<ContentHash>>),
    /// Was taken on these days, by the clock on the wall where it was taken. An asset without a date counts
    /// with its file's modification time, which is where it stands in the timeline.
    Date(DateRange),
    /// Was taken at most this far from a point.
    Near {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// The distance in metres.
        metres: f64,
    },
    /// Is of this type.
    Type(TypeFilter),
    /// Is of this format (`heic`, `jpeg`); common extensions mean the format they stand for.
    Format(String),
    /// The original has a size in these bounds, in bytes.
    Size(Bound<u64>),
    /// The rating is in these bounds; 0 is unrated.
    Rating(Bound<u8>),
    /// Is in this state.
    Is(State),
    /// Has this.
    Has(Part),
}

/// Where the words of a condition are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextField {
    /// Anywhere.
    Any,
    /// In file names.
    Name,
    /// In the names of the folders, and of the file, below the source.
    Path,
    /// In captions, titles and descriptions.
    Caption,
    /// In the names of places.
    Place,
    /// In camera maker and model.
    Camera,
    /// In the lens.
    Lens,
}

/// The values of `type:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeFilter {
    /// A photo, RAW files included.
    Photo,
    /// A video.
    Video,
    /// A RAW photo.
    Raw,
    /// Something else.
    Other,
}

/// The values of `is:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its content was found at several paths, or it looks like another asset.
    Duplicate,
    /// Marked as a favourite.
    Favourite,
    /// Hidden; shown only when asked for.
    Hidden,
    /// Cannot be decoded; the reason is in `show`.
    Undecodable,
    /// A Live Photo, or the video of one.
    Live,
    /// A motion photo.
    Motion,
    /// A RAW photo.
    Raw,
    /// The original stays outside of the library.
    Linked,
    /// In the trash; shown only when asked for.
    Trashed,
    /// Has no date of its own.
    Undated,
    /// Has more than one version.
    Edited,
    /// Has values that two devices changed at once.
    Conflicted,
}

/// The values of `sync:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncWord {
    /// It is here only, because the policy or a switch says so.
    LocalOnly,
    /// It is to be sent.
    Waiting,
    /// It is here and there.
    Synced,
    /// It is there and not here.
    CloudOnly,
    /// It is there, and is being thawed.
    Thawing,
    /// It is neither here nor there: another device has it.
    Elsewhere,
    /// Sending it failed.
    Failed,
}

impl SyncWord {
    /// The words and what they mean.
    pub const ALL: [(&'static str, Self); 7] = [
        ("local-only", Self::LocalOnly),
        ("waiting", Self::Waiting),
        ("synced", Self::Synced),
        ("cloud-only", Self::CloudOnly),
        ("thawing", Self::Thawing),
        ("elsewhere", Self::Elsewhere),
        ("failed", Self::Failed),
    ];

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, state)| *state == self).map_or("", |(word, _)| word)
    }
}

/// The values of `has:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A position.
    Gps,
    /// A place with a name.
    Place,
    /// A caption or title.
    Caption,
    /// A tag.
    Tag,
    /// An album.
    Album,
    /// A rating.
    Rating,
}

impl Condition {
    /// Whether it is about where originals rest, which the catalogue does not know.
    #[must_use]
    pub fn asks_where_it_rests(&self) -> bool {
        matches!(self, Self::Sync { .. } | Self::Places(_) | Self::Proven(_))
    }
}

impl Query {
    /// Parses what a person typed.
    ///
    /// ```
    /// use safelight_catalog::query::Query;
    ///
    /// let query = Query::parse("beach type:video -is:hidden")?;
    /// assert_eq!(query.terms.len(), 3);
    ///
    /// let text = "camrea:canon";
    /// let error = Query::parse(text).unwrap_err();
    /// assert_eq!(
    ///     error.render(text),
    ///     "camrea:canon\n^^^^^^\nthere is no filter `camrea:`; did you mean `camera:`?"
    /// );
    /// # Ok::<(), safelight_catalog::query::QueryError>(())
    /// ```
    ///
    /// # Errors
    /// Points at the word that cannot be understood.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        parse::parse(text)
    }

    /// Whether there is no condition, so that everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The query with one more condition.
    #[must_use]
    pub fn and(mut self, condition: Condition) -> Self {
        self.terms.push(Term { span: 0..0, negated: false, condition });
        self
    }

    /// The query with what one condition matches left out.
    #[must_use]
    pub fn and_not(mut self, condition: Condition) -> Self {
        self.terms.push(Term { span: 0..0, negated: true, condition });
        self
    }

    /// Whether a state is asked for (not excluded).
    #[must_use]
    pub fn asks_for(&self, state: State) -> bool {
        self.terms.iter().any(|term| !term.negated && term.condition == Condition::Is(state))
    }
}

impl std::str::FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
