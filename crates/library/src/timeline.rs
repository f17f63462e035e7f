//! The timeline from end to end: where everything stands and how it is shaped, and the rows of any stretch of it.
//!
//! Whoever shows a million photos needs the shapes of all of them before it draws the first, and the rows of those that
//! are looked at. A [`Timeline`] is the first, nine bytes a photo, at one [revision](Library::revision); it holds places
//! in the order of the list, so that a stretch of it is read by its numbers without counting.

use safelight_catalog::{AssetRow, Cursor, ListOptions, Place, Query, Shelf};
use safelight_model::AssetId;

use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::listing::{date_text, kind_word};
use crate::show::place_words;

const DAY_SECONDS: i64 = 86_400;

/// Which part of the library a timeline is of.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimelineRequest<'a> {
    /// The query; everything when empty.
    pub query: &'a str,
    /// Only what lies in this album, which an id, a path or a name gives.
    pub album: Option<&'a str>,
    /// Where to look; where the query says when there is none.
    pub shelf: Option<Shelf>,
    /// Leaves out what lies in a stack under another photo.
    pub covers_only: bool,
}

/// A day of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// `20230514`; 0 where the years of our calendar end.
    pub date: u32,
    /// How many photos stand in it.
    pub assets: u32,
}

/// Where everything stands that a query finds, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    cursors: Vec<Cursor>,
    ratios: Vec<u8>,
    days: Vec<Day>,
}

/// What a stretch of the timeline shows of a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineRow {
    /// The id.
    pub id: String,
    /// When it was taken, by the clock on the wall there; none when unknown.
    pub taken: Option<String>,
    /// Where `taken` is unknown: the file's own time, by which it stands in the list.
    pub file_time: Option<String>,
    /// `photo`, `video`, `raw` or `other`.
    pub kind: &'static str,
    /// How long it plays, in milliseconds.
    pub duration_millis: Option<u64>,
    /// How its original stands to all remotes together, as in [`ListedAsset`](crate::ListedAsset).
    pub sync: &'static str,
    /// Whether it is a favourite.
    pub favourite: bool,
    /// −1 to 5; 0 is unrated.
    pub rating: i8,
    /// The file's name.
    pub name: String,
    /// Its average colour: red, green, blue.
    pub colour: Option<[u8; 3]>,
    /// Whether its pixels cannot be decoded.
    pub undecodable: bool,
    /// Whether it is half of a Live Photo.
    pub live: bool,
    /// Whether a video hides in it.
    pub motion: bool,
    /// How many photos lie in a stack under it.
    pub stacked_under: u64,
    /// Degrees clockwise that it was turned by hand.
    pub rotate: u16,
    /// The named place.
    pub place: Option<String>,
    /// The caption.
    pub caption: Option<String>,
}

/// A timeline that is being laid out.
#[derive(Default)]
struct Layout {
    timeline: Timeline,
    /// The day of the photo before.
    day: Option<i64>,
}

impl Layout {
    fn add(&mut self, place: Place) {
        let Timeline { cursors, ratios, days } = &mut self.timeline;
        cursors.push(place.cursor);
        ratios.push(ratio(place.width, place.height));
        let day = place.cursor.local_seconds().div_euclid(DAY_SECONDS);
        match days.last_mut() {
            Some(last) if self.day == Some(day) => last.assets += 1,
            _ => days.push(Day { date: date(day), assets: 1 }),
        }
        self.day = Some(day);
    }

    fn finish(self) -> Timeline {
        let mut timeline = self.timeline;
        timeline.cursors.shrink_to_fit();
        timeline.ratios.shrink_to_fit();
        timeline.days.shrink_to_fit();
        timeline
    }
}

impl FromIterator<Place> for Timeline {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        let mut layout = Layout::default();
        places.into_iter().for_each(|place| layout.add(place));
        layout.finish()
    }
}

impl Timeline {
    /// How many photos it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cursors.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cursors.is_empty()
    }

    /// The places, newest first.
    #[must_use]
    pub fn cursors(&self) -> &[Cursor] {
        &self.cursors
    }

    /// The shapes: 50 times the binary logarithm of width by height, above 128; 0 is unknown.
    #[must_use]
    pub fn ratios(&self) -> &[u8] {
        &self.ratios
    }

    /// The days in the order of the list.
    #[must_use]
    pub fn days(&self) -> &[Day] {
        &self.days
    }

    /// The number of a place, counted from 0.
    #[must_use]
    pub fn position(&self, cursor: Cursor) -> Option<usize> {
        self.cursors.binary_search(&cursor).ok()
    }
}

impl Library {
    /// The number of the newest change: what was read at another one may be old.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn revision(&self) -> Result<u64> {
        Ok(u64::try_from(self.catalog().last_op()?).unwrap_or_default())
    }

    /// Where everything stands that a request is about.
    ///
    /// # Errors
    /// As [`Library::list`]; [`LibraryError::NoSuchAlbum`] and [`LibraryError::Ambiguous`] for the album.
    pub fn timeline(&self, request: &TimelineRequest<'_>) -> Result<Timeline> {
        let (query, options) = self.search_of(request)?;
        let mut layout = Layout::default();
        self.catalog().walk(&query, &options, |place| layout.add(place))?;
        Ok(layout.finish())
    }

    /// What a request looks for, and where.
    pub(crate) fn search_of(&self, request: &TimelineRequest<'_>) -> Result<(Query, ListOptions)> {
        self.admit_timeline(request)?;
        let mut query = self.query(request.query)?;
        if let Some(album) = request.album {
            query.terms.extend(self.query_of_album(album)?.terms);
        }
        let options = ListOptions {
            shelves: request.shelf.map(|shelf| vec![shelf]),
            covers_only: request.covers_only,
            ..ListOptions::default()
        };
        Ok((query, options))
    }

    /// The rows of a stretch of a timeline. None if something stands elsewhere by now: the timeline is old.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn timeline_rows(&self, cursors: &[Cursor]) -> Result<Option<Vec<TimelineRow>>> {
        let rows = self.catalog().rows_at(cursors)?;
        let Some(rows) = rows.into_iter().collect::<Option<Vec<AssetRow>>>() else { return Ok(None) };
        let standings = self.standings()?;
        let assets: Vec<AssetId> = rows.iter().map(|row| row.asset).collect();
        let under = self.catalog().stacked_under(&assets)?;
        let mut shown = Vec::with_capacity(rows.len());
        for (row, under) in rows.iter().zip(under) {
            let stack = if under == 0 { None } else { self.stack_of_asset(row.asset)? };
            let stacked_under = stack.map_or(0, |stack| stack.items.len() as u64 - 1);
            let sync = standings.word(&row.content, &self.states_of(&row.content)?)?;
            let time = date_text(row.local_millis, row.offset_minutes);
            let (taken, file_time) = if row.is_undated() { (None, Some(time)) } else { (Some(time), None) };
            let (place, caption) = self.words_of(row)?;
            shown.push(TimelineRow {
                id: row.asset.to_string(),
                taken,
                file_time,
                kind: kind_word(row.media),
                duration_millis: row.duration_millis,
                sync,
                favourite: row.is_favourite(),
                rating: row.rating,
                name: String::from_utf8_lossy(row.file_name()).into_owned(),
                colour: row.thumbhash.as_deref().and_then(average_colour),
                undecodable: row.is_undecodable(),
                live: row.is_live(),
                motion: row.is_motion(),
                stacked_under,
                rotate: u16::from(row.quarter_turns) * 90,
                place,
                caption,
            });
        }
        Ok(Some(shown))
    }

    /// The place and the caption of a photo; nothing is read where there are none.
    fn words_of(&self, row: &AssetRow) -> Result<(Option<String>, Option<String>)> {
        if row.position_e7.is_none() && !row.has_caption() {
            return Ok((None, None));
        }
        let Some(item) = self.item(row.asset)? else { return Ok((None, None)) };
        let view = item.view();
        let place = view.place.as_ref().and_then(|shown| place_words(&shown.value));
        Ok((place, view.caption.map(|shown| shown.value)))
    }

    /// Where a photo stands.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchItem`] and those of the catalogue.
    pub fn cursor_of(&self, item: &str) -> Result<Cursor> {
        let asset = self.asset_called(item)?;
        let cursor = self.catalog().cursor_of(asset)?;
        cursor.ok_or_else(|| LibraryError::NoSuchItem { item: item.to_owned() })
    }

    /// The asset of a whole id, or else what [`Library::find`] makes of it.
    pub(crate) fn asset_called(&self, item: &str) -> Result<AssetId> {
        match AssetId::parse(item) {
            Some(asset) => self.admit(asset, item),
            None => Ok(self.find(item)?.asset),
        }
    }
}

/// A shape in a byte; 14 thousandths apart.
fn ratio(width: Option<u32>, height: Option<u32>) -> u8 {
    let (Some(width), Some(height)) = (width, height) else { return 0 };
    if width == 0 || height == 0 {
        return 0;
    }
    let steps = (50.0 * (f64::from(width) / f64::from(height)).log2() + 128.0).round().clamp(1.0, 255.0);
    #[expect(clippy::cast_possible_truncation, reason = "it is from 1 to 255")]
    let steps = steps as u8;
    steps
}

/// `20230514` of a number of days since 1970.
fn date(days: i64) -> u32 {
    let second = days.saturating_mul(DAY_SECONDS);
    let Ok(moment) = jiff::Timestamp::from_second(second) else { return 0 };
    let day = jiff::tz::Offset::UTC.to_datetime(moment);
    let (Ok(year), Ok(month), Ok(day)) =
        (u32::try_from(day.year()), u32::try_from(day.month()), u32::try_from(day.day()))
    else {
        return 0;
    };
    if year == 0 { 0 } else { year * 10_000 + month * 100 + day }
}

/// The average colour that stands in the header of a thumbhash: brightness and two differences of colour, six bits each.
fn average_colour(thumbhash: &[u8]) -> Option<[u8; 3]> {
    let [first, second, third, ..] = *thumbhash else { return None };
    let header = u32::from_le_bytes([first, second, third, 0]);
    let six_bits = |shift: u32| f64::from(header >> shift & 63);
    let brightness = six_bits(0) / 63.0;
    let (yellow_blue, red_green) = (six_bits(6) / 31.5 - 1.0, six_bits(12) / 31.5 - 1.0);
    let blue = brightness - 2.0 / 3.0 * yellow_blue;
    let red = (3.0 * brightness - blue + red_green) / 2.0;
    let green = red - red_green;
    #[expect(clippy::cast_possible_truncation, reason = "it is from 0 to 255")]
    let byte = |part: f64| (part.clamp(0.0, 1.0) * 255.0).round() as u8;
    Some([red, green, blue].map(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_steps_of_the_logarithm() {
        assert_eq!(ratio(Some(400), Some(400)), 128);
        assert_eq!(ratio(Some(800), Some(400)), 178);
        assert_eq!(ratio(Some(400), Some(800)), 78);
        assert_eq!(ratio(Some(4000), Some(3000)), 149);
        assert_eq!(ratio(Some(1_000_000), Some(1)), 255);
        assert_eq!(ratio(Some(1), Some(1_000_000)), 1);
        assert_eq!([ratio(None, Some(3)), ratio(Some(3), None), ratio(Some(0), Some(3))], [0, 0, 0]);
    }

    #[test]
    fn days_are_dates() {
        assert_eq!(date(0), 19_700_101);
        assert_eq!(date(-1), 19_691_231);
        assert_eq!(date(19_491), 20_230_514);
        assert_eq!(date(i64::MAX), 0);
        assert_eq!(date(-800_000), 0);
    }

    #[test]
    fn a_thumbhash_tells_its_average_colour() {
        // Full brightness without colour, and none.
        let header =
            |brightness: u32, first: u32, second: u32| (brightness | first << 6 | second << 12).to_le_bytes();
        let near = |colour: [u8; 3], expected: [u8; 3]| {
            colour.iter().zip(expected).all(|(part, wanted)| part.abs_diff(wanted) <= 8)
        };
        assert!(near(average_colour(&header(63, 32, 32)).unwrap(), [255, 255, 255]));
        assert!(near(average_colour(&header(0, 31, 31)).unwrap(), [0, 0, 0]));
        // Red: a third of the brightness, half of yellow against blue, all of red against green.
        assert!(near(average_colour(&header(21, 47, 63)).unwrap(), [255, 0, 0]));
        assert_eq!(average_colour(&[1, 2]), None);
    }
}
