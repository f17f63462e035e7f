//! Listings: what a query finds, newest first, a page at a time.

use safelight_catalog::{AssetRow, Cursor, ListOptions, MatchCount, Query};
use safelight_model::MediaKind;
use serde::Serialize;

use crate::error::{LibraryError, Result};
use crate::library::Library;

/// One page of a listing.
#[derive(Debug, Clone, Copy)]
pub struct ListRequest<'a> {
    /// The query; everything when empty.
    pub query: &'a str,
    /// Where the page begins.
    pub after: Option<Cursor>,
    /// How many at most.
    pub limit: usize,
}

/// A photo or video as listings show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedAsset {
    /// The id: the SHA-256 of its first content.
    pub id: String,
    /// Where it was found, below what was imported.
    pub path: String,
    /// When it was taken, by the clock on the wall there: `2023-05-14T10:11:12+02:00`. None when unknown.
    pub taken: Option<String>,
    /// Where `taken` is unknown: the file's own time, by which it stands in the list.
    pub file_time: Option<String>,
    /// Bytes of the original.
    pub size: u64,
    /// How its original stands to all remotes together, the most urgent first: `failed`, `waiting` to be sent,
    /// `thawing`, `elsewhere`: on another device only, `cloud-only` in a remote, `synced` here and in a remote, `local-only`.
    pub sync: &'static str,
    /// In how many places its original rests whole and sealed, this device among them.
    pub places: u64,
    /// When the best proven of the remotes was proven to hold it: `2023-05-14T10:11:12Z`. None where no remote was.
    pub proven: Option<String>,
    /// Whether its original stays where it was found.
    pub linked: bool,
    /// `photo`, `video`, `raw` or `other`.
    pub kind: &'static str,
    /// The format in one word.
    pub format: Option<String>,
    /// Pixels across, as shown.
    pub width: Option<u32>,
    /// Pixels down, as shown.
    pub height: Option<u32>,
    /// How long it plays, in milliseconds.
    pub duration_millis: Option<u64>,
    /// −1 to 5; none when unrated.
    pub rating: Option<i8>,
    /// Degrees north and east.
    pub position: Option<[f64; 2]>,
    /// Whether it is a favourite.
    pub favourite: bool,
    /// Whether its content was found more than once, or it looks like another.
    pub duplicate: bool,
    /// Whether its pixels cannot be decoded.
    pub undecodable: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Whether it is half of a Live Photo.
    pub live: bool,
    /// Whether a video hides in it.
    pub motion: bool,
    /// Whether it has earlier versions.
    pub edited: bool,
}

/// A page of a listing.
#[derive(Debug, Clone)]
pub struct ListPage {
    /// Its assets.
    pub assets: Vec<ListedAsset>,
    /// Where the next page begins; none at the end.
    pub next: Option<Cursor>,
}

impl ListedAsset {
    /// The beginning of the id, enough to type.
    #[must_use]
    pub fn short_id(&self) -> &str {
        self.id.get(..10).unwrap_or(&self.id)
    }

    /// What is worth a word in a listing.
    #[must_use]
    pub fn marks(&self) -> Vec<&'static str> {
        let marks = [
            (self.favourite, "favourite"),
            (self.kind == "video", "video"),
            (self.live, "live"),
            (self.motion, "motion"),
            (self.edited, "edited"),
            (self.duplicate, "duplicate"),
            (self.linked, "linked"),
            (self.undecodable, "no preview"),
        ];
        marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect()
    }

    pub(crate) fn of(row: &AssetRow) -> Self {
        let turned = row.orientation >= 5;
        let (width, height) = if turned { (row.height, row.width) } else { (row.width, row.height) };
        Self {
            id: row.asset.to_string(),
            path: String::from_utf8_lossy(row.relative_path()).into_owned(),
            taken: (!row.is_undated()).then(|| date_text(row.local_millis, row.offset_minutes)),
            file_time: row.is_undated().then(|| date_text(row.local_millis, row.offset_minutes)),
            size: row.size_bytes,
            sync: "local-only",
            places: 0,
            proven: None,
            linked: row.is_linked(),
            kind: kind_word(row.media),
            format: row.format.clone(),
            width,
            height,
            duration_millis: row.duration_millis,
            rating: (row.rating != 0).then_some(row.rating),
            position: row.position_e7.map(|(north, east)| [f64::from(north) / 1e7, f64::from(east) / 1e7]),
            favourite: row.is_favourite(),
            duplicate: row.is_duplicate(),
            undecodable: row.is_undecodable(),
            reason: None,
            live: row.is_live(),
            motion: row.is_motion(),
            edited: row.is_edited(),
        }
    }
}

/// `2023-05-14T10:11:12+02:00`, without an offset that is not known.
pub(crate) fn date_text(local_millis: i64, offset_minutes: Option<i16>) -> String {
    let Ok(local) = jiff::Timestamp::from_millisecond(local_millis) else { return "unknown".into() };
    let mut text = local.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    if let Some(offset) = offset_minutes {
        let sign = if offset < 0 { '-' } else { '+' };
        let minutes = offset.unsigned_abs();
        text.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
    }
    text
}

pub(crate) fn kind_word(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Photo => "photo",
        MediaKind::Video => "video",
        MediaKind::Raw => "raw",
        MediaKind::Other | MediaKind::Unknown(_) => "other",
    }
}

/// What is wrong with a query, for whoever marks the words in a field of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryMistake {
    /// The bytes of the query that it is about.
    pub at: std::ops::Range<usize>,
    /// What is wrong with them, in a sentence without a full stop.
    pub message: String,
}

/// Looks whether a query can be understood.
#[must_use]
pub fn query_mistake(text: &str) -> Option<QueryMistake> {
    let error = Query::parse(text).err()?;
    Some(QueryMistake { at: error.span.clone(), message: error.problem.to_string() })
}

impl Library {
    /// Reads a query; the error marks the word.
    pub(crate) fn query(&self, text: &str) -> Result<Query> {
        let query =
            Query::parse(text).map_err(|error| LibraryError::Query { explained: error.render(text) })?;
        self.admit_query(&query)?;
        self.with_standings(query)
    }

    /// Whether a query can be asked here and now.
    ///
    /// # Errors
    /// [`LibraryError::Query`] for one that cannot be understood, [`LibraryError::NoSuchRemote`] for one about a place that is
    /// not connected, [`LibraryError::HiddenClosed`] for one about hidden photos while they are closed.
    pub fn check_query(&self, text: &str) -> Result<()> {
        self.query(text).map(drop)
    }

    /// One page of what a query finds, newest first.
    ///
    /// # Errors
    /// [`LibraryError::Query`] for a query that cannot be understood, and those of the catalogue.
    pub fn list(&self, request: &ListRequest<'_>) -> Result<ListPage> {
        let query = self.query(request.query)?;
        let options = ListOptions { after: request.after, limit: request.limit, ..ListOptions::default() };
        let page = self.catalog().list(&query, &options)?;
        let (standings, places) = (self.standings()?, self.remotes_of_their_own()?);
        let mut assets = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            let mut asset = ListedAsset::of(row);
            let states = self.states_of(&row.content)?;
            asset.sync = standings.word(&row.content, &states)?;
            (asset.places, asset.proven) = self.placing(row, &states, &places)?;
            if row.is_undecodable() {
                asset.reason =
                    self.catalog().content_state(row.content)?.and_then(|state| state.facts().reason.clone());
            }
            assets.push(asset);
        }
        Ok(ListPage { assets, next: page.next })
    }

    /// How many assets a query finds.
    ///
    /// # Errors
    /// As [`Library::list`].
    pub fn count(&self, query: &str) -> Result<u64> {
        let query = self.query(query)?;
        let options = ListOptions { limit: usize::MAX, ..ListOptions::default() };
        Ok(match self.catalog().count(&query, &options, u64::MAX)? {
            MatchCount::Exactly(count) | MatchCount::AtLeast(count) => count,
        })
    }
}
