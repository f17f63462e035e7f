//! The timeline in three calls: the shapes of everything, the rows of a stretch, the number of one photo.
//!
//! A query is walked once a revision; where everything stands is then kept in memory, nine bytes a photo, for the few
//! queries that were asked last. So a stretch in the middle of a million is read by its numbers, in a few milliseconds.

#![expect(unused_qualifications, reason = "what describes the parameters writes whole paths")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use safelight_library::{Library, LibraryError, Shelf, Timeline, TimelineRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::asked::{Parameters, whole_id};
use crate::failure::{Answer, Failure, HiddenClosed};
use crate::gallery::{Gallery, held};

/// Queries whose places are kept: 36 MB for four of a million photos.
const KEPT: usize = 4;
/// The most rows that one call reads.
const MOST_ROWS: usize = 512;
/// The first number of a skeleton.
const SKELETON_VERSION: u32 = 1;

/// What a timeline is of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// A query, as `safelight list` takes it.
    #[serde(default)]
    q: String,
    /// An album: its id, path or name.
    album: Option<String>,
    /// `shown`, `hidden` or `trash`; what the query says when it is left out.
    shelf: Option<String>,
    /// Whether photos that lie in a stack under another are left out.
    #[serde(default)]
    covers: bool,
}

/// The part of the library that a word means.
pub(crate) fn shelf_called(word: Option<&str>) -> Answer<Option<Shelf>> {
    match word {
        None | Some("") => Ok(None),
        Some("shown") => Ok(Some(Shelf::Shown)),
        Some("hidden") => Ok(Some(Shelf::Hidden)),
        Some("trash") => Ok(Some(Shelf::Trashed)),
        Some(_) => Err(Failure::not_understood("a shelf is shown, hidden or trash")),
    }
}

impl Which {
    /// Whether nothing is left out of the timeline.
    pub(crate) fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// What a page shows first.
    fn of_first_look() -> Self {
        Self { covers: true, ..Self::default() }
    }

    fn request(&self) -> Answer<TimelineRequest<'_>> {
        Ok(TimelineRequest {
            query: &self.q,
            album: self.album.as_deref().filter(|album| !album.is_empty()),
            shelf: shelf_called(self.shelf.as_deref())?,
            covers_only: self.covers,
        })
    }

    fn walk(&self, library: &Library) -> Answer<Timeline> {
        library.timeline(&self.request()?).map_err(|error| Failure::from(error).about(&self.q))
    }
}

/// A timeline as it was at a revision.
#[derive(Debug)]
pub(crate) struct Kept {
    which: Which,
    revision: u64,
    timeline: Timeline,
}

impl Kept {
    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timeline
    }
}

/// The timelines that were asked for last.
#[derive(Debug, Default)]
pub(crate) struct Timelines {
    kept: Mutex<VecDeque<Arc<Kept>>>,
    /// What is being walked: whoever asks for the same waits for that.
    walks: Mutex<Vec<(Which, Arc<Mutex<()>>)>>,
    /// How often they were forgotten: what was being walked then is not kept.
    forgotten: AtomicU64,
}

impl Timelines {
    fn find(&self, which: &Which, revision: u64) -> Option<Arc<Kept>> {
        let mut kept = held(&self.kept);
        let place = kept.iter().position(|kept| kept.revision == revision && kept.which == *which)?;
        let found = kept.remove(place)?;
        kept.push_front(Arc::clone(&found));
        Some(found)
    }

    /// Keeps what was walked since they had been forgotten so often.
    fn keep(&self, timeline: Kept, forgotten: u64) -> Arc<Kept> {
        let timeline = Arc::new(timeline);
        let mut kept = held(&self.kept);
        if self.forgotten.load(Ordering::Relaxed) != forgotten {
            return timeline;
        }
        // An older one of the same query is of no use to anybody.
        kept.retain(|kept| kept.which != timeline.which);
        kept.push_front(Arc::clone(&timeline));
        kept.truncate(KEPT);
        timeline
    }

    pub(crate) fn forget(&self) {
        let mut kept = held(&self.kept);
        self.forgotten.fetch_add(1, Ordering::Relaxed);
        kept.clear();
    }

    /// Whoever holds this is the only one who walks a query.
    fn turn(&self, which: &Which) -> Arc<Mutex<()>> {
        let mut walks = held(&self.walks);
        walks.retain(|(_, turn)| Arc::strong_count(turn) > 1);
        if let Some((_, turn)) = walks.iter().find(|(walked, _)| walked == which) {
            return Arc::clone(turn);
        }
        let turn = Arc::default();
        walks.push((which.clone(), Arc::clone(&turn)));
        turn
    }

    /// The timeline at the newest revision, walked if nobody has asked for it yet.
    pub(crate) fn newest(&self, library: &Library, which: &Which) -> Answer<Arc<Kept>> {
        // What is kept is told to nobody to whom it would not be told anew.
        library.admit_timeline(&which.request()?)?;
        if let Some(kept) = self.find(which, library.revision()?) {
            return Ok(kept);
        }
        let forgotten = self.forgotten.load(Ordering::Relaxed);
        let turn = self.turn(which);
        let _walking = held(&turn);
        // What is walked is at this revision or a later one; then it is walked once more than needed.
        let revision = library.revision()?;
        if let Some(kept) = self.find(which, revision) {
            return Ok(kept);
        }
        let timeline = which.walk(library)?;
        Ok(self.keep(Kept { which: which.clone(), revision, timeline }, forgotten))
    }
}

impl Gallery {
    /// Walks what a page will ask for first, before it does.
    pub(crate) fn read_ahead(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let gallery = Arc::clone(&shared);
            let walked = gallery
                .door
                .read_ahead(move |library| shared.timelines.newest(library, &Which::of_first_look()));
            if let Err(failure) = walked.await {
                tracing::debug!(?failure, "nothing was read ahead");
            }
        });
    }
}

/// The numbers that lay everything out, little endian.
fn skeleton(timeline: &Timeline) -> Vec<u8> {
    let short = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(16 + 8 * timeline.days().len() + timeline.len());
    for number in [SKELETON_VERSION, short(timeline.len()), short(timeline.days().len()), 0] {
        bytes.extend(number.to_le_bytes());
    }
    for day in timeline.days() {
        bytes.extend(day.date.to_le_bytes());
        bytes.extend(day.assets.to_le_bytes());
    }
    bytes.extend(timeline.ratios());
    bytes
}

/// A tag that only this query at this revision has.
fn tag(which: &Which, revision: u64) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (&which.q, &which.album, &which.shelf, which.covers).hash(&mut hasher);
    format!("\"{revision}-{:016x}\"", hasher.finish())
}

/// The shapes of everything, newest first, and the days they are of.
#[utoipa::path(get, path = "/api/v1/timeline/skeleton", tag = "timeline", params(Which),
    responses(
        (status = 200, content_type = "application/octet-stream", description =
            "little endian: u32 version 1, u32 n, u32 days, u32 0; days times u32 yyyymmdd, u32 count; n times u8 shape"),
        (status = 304, description = "nothing has changed"), HiddenClosed))]
pub(crate) async fn show_skeleton(
    State(gallery): State<Arc<Gallery>>,
    headers: HeaderMap,
    Parameters(which): Parameters<Which>,
) -> Answer<Response> {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    let shared = Arc::clone(&gallery);
    let answer = gallery
        .door
        .read(move |library| {
            library.admit_timeline(&which.request()?)?;
            if known.is_some_and(|known| library.revision().is_ok_and(|now| known == tag(&which, now))) {
                return Ok(None);
            }
            let kept = shared.timelines.newest(library, &which)?;
            Ok(Some((tag(&which, kept.revision), kept.revision, skeleton(&kept.timeline))))
        })
        .await?;
    let Some((tag, revision, bytes)) = answer else { return Ok(StatusCode::NOT_MODIFIED.into_response()) };
    let tag = HeaderValue::from_str(&tag).map_err(|_| Failure::broken())?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::ETAG, tag),
        (header::HeaderName::from_static("x-revision"), HeaderValue::from(revision)),
    ];
    Ok((headers, Bytes::from(bytes)).into_response())
}

/// A stretch of the timeline.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Stretch {
    /// The number of the first photo.
    start: usize,
    /// How many; at most 512.
    count: usize,
    /// The revision of the skeleton that `start` counts in.
    revision: Option<u64>,
}

/// The rows of a stretch, one list a column.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Columns {
    /// The revision that this was read at.
    revision: u64,
    /// The number of the first.
    start: usize,
    /// The ids.
    id: Vec<String>,
    /// When they were taken, by the clock on the wall there.
    taken: Vec<Option<String>>,
    /// Where that is unknown: the file's own time, by which they stand in the list.
    file_time: Vec<Option<String>>,
    /// `photo`, `video`, `raw` or `other`.
    kind: Vec<&'static str>,
    /// How long they play; 0 for what does not.
    duration_ms: Vec<u64>,
    /// `local-only`, `waiting`, `synced`, `cloud-only`, `elsewhere`, `thawing` or `failed`.
    sync: Vec<&'static str>,
    /// Whether they are favourites.
    favourite: Vec<bool>,
    /// −1 to 5; 0 is unrated.
    rating: Vec<i8>,
    /// The files' names.
    name: Vec<String>,
    /// The average colours, `rrggbb`.
    color: Vec<Option<String>>,
    /// Whether their pixels cannot be decoded.
    undecodable: Vec<bool>,
    /// Degrees clockwise that they were turned by hand.
    rotate: Vec<u16>,
    /// Where they were taken.
    place: Vec<Option<String>>,
    /// What people wrote under them.
    caption: Vec<Option<String>>,
    /// Whether they are half of a Live Photo.
    live: Vec<bool>,
    /// Whether a video hides in them.
    motion: Vec<bool>,
    /// How many photos lie in a stack under them.
    stack: Vec<u64>,
}

impl Columns {
    fn of(revision: u64, start: usize, rows: Vec<safelight_library::TimelineRow>) -> Self {
        let mut columns = Self { revision, start, ..Self::default() };
        for row in rows {
            columns.id.push(row.id);
            columns.taken.push(row.taken);
            columns.file_time.push(row.file_time);
            columns.kind.push(row.kind);
            columns.duration_ms.push(row.duration_millis.unwrap_or_default());
            columns.sync.push(row.sync);
            columns.favourite.push(row.favourite);
            columns.rating.push(row.rating);
            columns.name.push(row.name);
            let hex = |[red, green, blue]: [u8; 3]| format!("{red:02x}{green:02x}{blue:02x}");
            columns.color.push(row.colour.map(hex));
            columns.undecodable.push(row.undecodable);
            columns.rotate.push(row.rotate);
            columns.place.push(row.place);
            columns.caption.push(row.caption);
            columns.live.push(row.live);
            columns.motion.push(row.motion);
            columns.stack.push(row.stacked_under);
        }
        columns
    }
}

/// The rows of a stretch of the timeline.
#[utoipa::path(get, path = "/api/v1/timeline/columns", tag = "timeline", params(Which, Stretch),
    responses((status = 200, body = Columns), (status = 409, description = "`stale`: the skeleton is old"), HiddenClosed))]
pub(crate) async fn show_columns(
    State(gallery): State<Arc<Gallery>>,
    Parameters(which): Parameters<Which>,
    Parameters(stretch): Parameters<Stretch>,
) -> Answer<Json<Columns>> {
    let shared = Arc::clone(&gallery);
    let columns = gallery.door.read(move |library| {
        if stretch.revision.is_some_and(|known| library.revision().is_ok_and(|now| known != now)) {
            return Err(Failure::stale());
        }
        let kept = shared.timelines.newest(library, &which)?;
        let places = kept.timeline.cursors();
        let start = stretch.start.min(places.len());
        let end = start.saturating_add(stretch.count.min(MOST_ROWS)).min(places.len());
        let rows = library.timeline_rows(places.get(start..end).unwrap_or_default())?;
        Ok(Columns::of(kept.revision, start, rows.ok_or_else(Failure::stale)?))
    });
    columns.await.map(Json)
}

/// Which photo.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Whose {
    /// Its id.
    id: String,
}

/// The number of a photo in a timeline.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Position {
    /// The revision that it was read at.
    revision: u64,
    /// The number, counted from 0; null for what is not in this timeline.
    index: Option<usize>,
}

/// Where a photo stands in the timeline.
#[utoipa::path(get, path = "/api/v1/timeline/position", tag = "timeline", params(Which, Whose),
    responses((status = 200, body = Position), HiddenClosed))]
pub(crate) async fn show_position(
    State(gallery): State<Arc<Gallery>>,
    Parameters(which): Parameters<Which>,
    Parameters(Whose { id }): Parameters<Whose>,
) -> Answer<Json<Position>> {
    let id = whole_id(id)?;
    let shared = Arc::clone(&gallery);
    let position = gallery.door.read(move |library| {
        let kept = shared.timelines.newest(library, &which)?;
        let index = match library.cursor_of(&id) {
            Ok(cursor) => kept.timeline.position(cursor),
            Err(LibraryError::NoSuchItem { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Position { revision: kept.revision, index })
    });
    position.await.map(Json)
}

#[cfg(test)]
mod tests {
    use safelight_library::Place;

    use super::*;

    /// The bytes that the pages are tested against as well.
    const GOLDEN: &[u8] = include_bytes!("../../../web/src/lib/fixtures/skeleton.bin");

    #[test]
    fn what_is_walked_while_they_are_forgotten_is_not_kept() {
        let timelines = Timelines::default();
        let walked = || Kept { which: Which::default(), revision: 7, timeline: std::iter::empty().collect() };
        timelines.keep(walked(), 0);
        assert!(timelines.find(&Which::default(), 7).is_some());
        timelines.forget();
        timelines.keep(walked(), 0);
        assert!(timelines.find(&Which::default(), 7).is_none(), "it locked meanwhile");
        timelines.keep(walked(), 1);
        assert!(timelines.find(&Which::default(), 7).is_some());
    }

    #[test]
    fn a_skeleton_is_written_as_the_pages_read_it() {
        // Five photos of two days and one from before our calendar: square, wide, tall, unknown, very wide, 4 to 3. A cursor
        // counts the seconds of 61 bits backwards from 2 to the power of 36 after 1970, above 24 bits that tell equal ones apart.
        let cursor = |day: i64, second: i64| {
            let key = ((1_i64 << 36) - 1 - (day * 86_400 + second)) << 24;
            format!("{key:016x}").parse().unwrap()
        };
        let places = [
            (cursor(19_491, 80_000), Some((400, 400))),
            (cursor(19_491, 0), Some((800, 400))),
            (cursor(19_490, 5), Some((400, 800))),
            (cursor(19_490, 4), None),
            (cursor(19_490, 3), Some((1_000_000, 1))),
            (cursor(-740_000, 0), Some((4000, 3000))),
        ];
        let shaped = places.into_iter().map(|(cursor, shape): (_, Option<(u32, u32)>)| Place {
            cursor,
            width: shape.map(|(width, _)| width),
            height: shape.map(|(_, height)| height),
        });
        let timeline: Timeline = shaped.collect();
        assert_eq!(skeleton(&timeline), GOLDEN);
    }

    #[test]
    fn of_many_queries_the_last_ones_are_kept() {
        let timelines = Timelines::default();
        let which = |q: &str| Which { q: q.to_owned(), ..Which::default() };
        for number in 0..9_u32 {
            let timeline = Timeline::default();
            timelines.keep(Kept { which: which(&number.to_string()), revision: 1, timeline }, 0);
        }
        assert!(timelines.find(&which("4"), 1).is_none());
        assert!(timelines.find(&which("5"), 1).is_some());
        assert!(timelines.find(&which("5"), 2).is_none(), "another revision is another timeline");
        timelines.forget();
        assert!(timelines.find(&which("8"), 1).is_none());
    }
}
