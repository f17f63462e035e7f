//! What a listing shows of an asset, and what is counted.

use rusqlite::Row;
use safelight_model::{AssetId, ContentHash, MediaKind};

use super::facets::Flag;
use super::timeline::{Shelf, TimelineKey};
use crate::rows::{bytes_column, hash_column};
use crate::search::Cursor;

/// One asset in a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetRow {
    /// Where it stands in the timeline: the page after this row begins behind it.
    pub cursor: Cursor,
    /// The asset.
    pub asset: AssetId,
    /// The content that it shows now.
    pub content: ContentHash,
    /// Which part of the library it is in.
    pub shelf: Shelf,
    /// Where its current content was found, as bytes: the source's root and the path below it.
    pub path: Vec<u8>,
    /// How many bytes of `path` are the source's root.
    pub root_len: usize,
    /// Size of the original.
    pub size_bytes: u64,
    /// Photo, video, RAW or other.
    pub media: MediaKind,
    /// When it was taken by the clock on the wall there, in milliseconds since 1970 on that clock.
    pub local_millis: i64,
    /// How far that clock was east of UTC, if known.
    pub offset_minutes: Option<i16>,
    /// -1 (rejected) to 5; 0 is unrated.
    pub rating: i8,
    /// Pixels across as stored.
    pub width: Option<u32>,
    /// Pixels down as stored.
    pub height: Option<u32>,
    /// What turns the stored pixels upright, 1 to 8.
    pub orientation: u8,
    /// Quarter turns clockwise that a person added.
    pub quarter_turns: u8,
    /// How long it plays.
    pub duration_millis: Option<u64>,
    /// The format's name (`jpeg`).
    pub format: Option<String>,
    /// Degrees north and east × 10⁷.
    pub position_e7: Option<(i32, i32)>,
    /// A tiny placeholder image.
    pub thumbhash: Option<Vec<u8>>,
    /// The newest recipe by which a thumbnail was recorded.
    pub thumbnail_recipe: Option<u16>,
    /// The newest recipe by which a preview was recorded.
    pub preview_recipe: Option<u16>,
    /// Whether it lies in a stack under another asset.
    pub is_stacked: bool,
    flags: i64,
}

macro_rules! flag_methods {
    ($($(#[$doc:meta])* $name:ident: $($flag:ident)|+;)*) => {
        impl AssetRow {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(&self) -> bool {
                self.flags & ($(Flag::$flag.bit())|+) != 0
            })*
        }
    };
}

flag_methods! {
    /// Whether it is a favourite.
    is_favourite: Favourite;
    /// Whether it cannot be decoded.
    is_undecodable: Undecodable;
    /// Whether it is one half of a Live Photo.
    is_live: Live;
    /// Whether a video hides in the photo.
    is_motion: Motion;
    /// Whether the original stays outside of the library.
    is_linked: Linked;
    /// Whether only the file's own time says when it was taken.
    is_undated: Undated;
    /// Whether it has older versions.
    is_edited: Edited;
    /// Whether people's values are in conflict.
    is_conflicted: Conflicted;
    /// Whether it has a caption or a title.
    has_caption: Caption;
    /// Whether its content was found at several paths, or it looks like another asset.
    is_duplicate: Doubled | Alike;
}

impl AssetRow {
    /// The path below the source.
    #[must_use]
    pub fn relative_path(&self) -> &[u8] {
        let relative = self.path.get(self.root_len..).unwrap_or_default();
        relative.strip_prefix(b"/").unwrap_or(relative)
    }

    /// The file's name.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        self.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// Milliseconds since 1970 in UTC, if the zone is known.
    #[must_use]
    pub fn utc_millis(&self) -> Option<i64> {
        self.local_millis.checked_sub(i64::from(self.offset_minutes?) * 60_000)
    }
}

/// The columns of a row, in the order of [`read_row`]; the timeline is `t`.
pub(crate) const ROW_COLUMNS: &str = "t.key, t.asset, t.content, t.path, t.root_len, t.size_bytes, t.media,
    t.flags, t.rating, t.local_millis, t.offset_minutes, t.latitude_e7, t.longitude_e7, t.width, t.height,
    t.orientation, t.quarter_turns, t.duration, t.format, t.thumbhash, t.thumbnail, t.preview,
    t.cover IS NOT NULL";

/// Reads a row of the timeline.
pub(crate) fn read_row(row: &Row<'_>) -> rusqlite::Result<AssetRow> {
    let key: i64 = row.get(0)?;
    let asset = hash_column(row, 1)?;
    let content = match row.get_ref(2)? {
        rusqlite::types::ValueRef::Null => asset,
        _ => ContentHash::from_bytes(bytes_column(row, 2)?),
    };
    let latitude: Option<i32> = row.get(11)?;
    Ok(AssetRow {
        cursor: Cursor(key),
        asset: AssetId(asset),
        content,
        shelf: TimelineKey(key).shelf(),
        path: row.get(3)?,
        root_len: row.get(4)?,
        size_bytes: row.get(5)?,
        media: MediaKind::from_code(row.get(6)?),
        flags: row.get(7)?,
        rating: row.get(8)?,
        local_millis: row.get(9)?,
        offset_minutes: row.get(10)?,
        position_e7: latitude.zip(row.get(12)?),
        width: row.get(13)?,
        height: row.get(14)?,
        orientation: row.get(15)?,
        quarter_turns: row.get(16)?,
        duration_millis: row.get(17)?,
        format: row.get(18)?,
        thumbhash: row.get(19)?,
        thumbnail_recipe: row.get(20)?,
        preview_recipe: row.get(21)?,
        is_stacked: row.get(22)?,
    })
}

/// What is in one part of the library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShelfTotals {
    /// Photos, without RAW.
    pub photos: u64,
    /// RAW photos.
    pub raws: u64,
    /// Videos.
    pub videos: u64,
    /// Everything else.
    pub others: u64,
    /// Size of all current originals.
    pub bytes: u64,
    /// Assets whose originals stay outside of the library.
    pub linked: u64,
    /// Assets that cannot be decoded.
    pub undecodable: u64,
}

impl ShelfTotals {
    /// All assets.
    #[must_use]
    pub fn assets(&self) -> u64 {
        self.photos + self.raws + self.videos + self.others
    }
}

/// A month of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    /// The year.
    pub year: i16,
    /// 1 to 12.
    pub month: u8,
    /// How many assets it holds.
    pub assets: u64,
}
