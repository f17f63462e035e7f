//! Groups as people see them: every photo with what tells it from the others.

use std::ops::Range;

use safelight_catalog::AssetRow;
use safelight_crypto::ContentHash;
use safelight_model::AssetId;
use serde::Serialize;

use super::{DuplicateKind, Duplicates, Group, KeepReason, Member};
use crate::error::Result;
use crate::item::Item;
use crate::library::Library;
use crate::listing::{date_text, kind_word};
use crate::show::place_words;
use crate::why::Why;

/// Why a shot of a burst cannot be dropped.
const SHOTS_ARE_STACKED: &str = "shots of one moment are stacked";

/// A group of photos, the one to keep first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownGroup {
    /// The same for as long as the same photos are in it.
    pub id: String,
    /// What they have to do with each other.
    pub kind: DuplicateKind,
    /// Whether it is settled with all safe groups at once.
    pub safe: bool,
    /// Why not.
    pub unsafe_because: Option<String>,
    /// The same in a code.
    pub unsafe_why: Option<Why>,
    /// The id of the photo to keep; of a burst, of the one to show.
    pub keep: String,
    /// Why that one, in a sentence without a full stop.
    pub reason: String,
    /// The same in a word.
    pub reason_code: KeepReason,
    /// The photos.
    pub items: Vec<ShownDuplicate>,
    /// The fields of [`ShownDuplicate`] in which they differ.
    pub differing: Vec<&'static str>,
}

/// A photo of a group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownDuplicate {
    /// Its id.
    pub id: String,
    /// The file's name.
    pub name: String,
    /// Pixels across, upright; 0 when unknown.
    pub width: u32,
    /// Pixels down, upright; 0 when unknown.
    pub height: u32,
    /// Bytes of its original.
    pub bytes: u64,
    /// Its media type.
    pub media_type: String,
    /// `photo`, `video`, `raw` or `other`.
    pub kind: &'static str,
    /// When it was taken, by the clock on the wall there; none where only the file's own time is known.
    pub taken: Option<String>,
    /// The file's own time, where nothing says when it was taken.
    pub file_time: Option<String>,
    /// The camera.
    pub camera: Option<String>,
    /// The named place, or degrees north and east.
    pub place: Option<String>,
    /// The albums that it lies in.
    pub albums: Vec<ShownIn>,
    /// How many.
    pub albums_count: u64,
    /// Tags that people gave.
    pub tags: Vec<String>,
    /// Whether it is a favourite.
    pub favourite: bool,
    /// −1 to 5.
    pub rating: Option<i8>,
    /// The caption.
    pub caption: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// Degrees clockwise that it was turned by hand.
    pub rotate: u16,
    /// Whether its original is on this device.
    pub here: bool,
    /// How alike it is to the one to keep, 0 to 100.
    pub likeness: u8,
    /// Whether it lies in a stack.
    pub stacked: bool,
    /// Why it cannot go to the trash with the others.
    pub cannot_drop: Option<String>,
    /// The same in a code.
    pub cannot_drop_why: Option<Why>,
}

/// An album that a photo lies in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownIn {
    /// Its id.
    pub id: String,
    /// Its name after those of the albums that it lies in.
    pub path: String,
}

impl Duplicates {
    /// The groups of a kind, or all.
    fn of_kind(&self, kind: Option<DuplicateKind>) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(move |group| kind.is_none_or(|kind| group.kind == kind))
    }
}

impl Library {
    /// Shows some of the groups, by their numbers among all or among those of a kind.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn show_duplicates(
        &self,
        found: &Duplicates,
        kind: Option<DuplicateKind>,
        range: Range<usize>,
    ) -> Result<Vec<ShownGroup>> {
        let count = range.end.saturating_sub(range.start);
        found.of_kind(kind).skip(range.start).take(count).map(|group| self.show_group(found, group)).collect()
    }

    fn show_group(&self, found: &Duplicates, group: &Group) -> Result<ShownGroup> {
        let doubt = found.doubt(group);
        let mut items = Vec::with_capacity(group.members.len());
        for member in &group.members {
            let row = self.catalog().asset(member.asset)?;
            let item = self.item(member.asset)?;
            if let (Some(row), Some(item)) = (row, item) {
                items.push(self.show_member(group.kind, member, &row, &item)?);
            }
        }
        Ok(ShownGroup {
            id: id_of(group),
            kind: group.kind,
            safe: doubt.is_none(),
            unsafe_because: doubt.map(str::to_owned),
            unsafe_why: doubt.and_then(Why::of),
            keep: group.members.first().map(|kept| kept.asset.to_string()).unwrap_or_default(),
            reason: group.told.clone(),
            reason_code: group.reason,
            differing: differing(&items),
            items,
        })
    }

    fn show_member(
        &self,
        kind: DuplicateKind,
        member: &Member,
        row: &AssetRow,
        item: &Item,
    ) -> Result<ShownDuplicate> {
        let view = item.view();
        let (width, height) = (row.width.unwrap_or_default(), row.height.unwrap_or_default());
        let (width, height) = if row.orientation >= 5 { (height, width) } else { (width, height) };
        let mut albums = Vec::new();
        for album in &view.albums {
            let path = self.album_paths(&[*album])?.pop();
            albums.extend(path.map(|path| ShownIn { id: album.to_string(), path }));
        }
        let place = view.place.as_ref().map(|place| &place.value);
        let degrees = |place: &safelight_model::view::ShownPlace| {
            format!("{:.4}, {:.4}", place.position.latitude(), place.position.longitude())
        };
        let camera = [view.facts.camera_make.clone(), view.facts.camera_model.clone()];
        let camera: Vec<String> = camera.into_iter().flatten().collect();
        let is_burst = kind == DuplicateKind::Burst;
        Ok(ShownDuplicate {
            id: member.asset.to_string(),
            name: String::from_utf8_lossy(row.file_name()).into_owned(),
            width,
            height,
            bytes: row.size_bytes,
            media_type: item.original()?.media_type.clone(),
            kind: kind_word(row.media),
            taken: (!row.is_undated()).then(|| date_text(row.local_millis, row.offset_minutes)),
            file_time: row.is_undated().then(|| date_text(row.local_millis, row.offset_minutes)),
            camera: (!camera.is_empty()).then(|| camera.join(" ")),
            place: place.map(|place| place_words(place).unwrap_or_else(|| degrees(place))),
            albums_count: albums.len() as u64,
            albums,
            tags: view.tags.clone(),
            favourite: view.favourite,
            rating: view.rating.as_ref().map(|shown| shown.value),
            caption: view.caption.as_ref().map(|shown| shown.value.clone()),
            title: view.title.as_ref().map(|shown| shown.value.clone()),
            rotate: u16::from(view.rotate) * 90,
            here: self.original_here(&member.asset.to_string()).is_ok(),
            likeness: member.likeness,
            stacked: self.catalog().stack_of(member.asset)?.is_some(),
            cannot_drop: is_burst.then(|| SHOTS_ARE_STACKED.to_owned()),
            cannot_drop_why: is_burst.then(|| Why::of(SHOTS_ARE_STACKED)).flatten(),
        })
    }
}

/// The beginning of a hash of the kind and the photos in the order of their ids.
fn id_of(group: &Group) -> String {
    let mut assets: Vec<AssetId> = group.members.iter().map(|member| member.asset).collect();
    assets.sort_unstable();
    let mut bytes = vec![group.kind as u8];
    assets.iter().for_each(|asset| bytes.extend(asset.0.as_bytes()));
    ContentHash::of(&bytes).to_string().chars().take(16).collect()
}

fn differing(items: &[ShownDuplicate]) -> Vec<&'static str> {
    let Some((first, others)) = items.split_first() else { return Vec::new() };
    let differs = |same: &dyn Fn(&ShownDuplicate) -> bool| !others.iter().all(same);
    let fields: [(&'static str, bool); 13] = [
        ("dimensions", differs(&|other| (other.width, other.height) == (first.width, first.height))),
        ("bytes", differs(&|other| other.bytes == first.bytes)),
        ("media_type", differs(&|other| other.media_type == first.media_type)),
        ("taken", differs(&|other| (&other.taken, &other.file_time) == (&first.taken, &first.file_time))),
        ("camera", differs(&|other| other.camera == first.camera)),
        ("place", differs(&|other| other.place == first.place)),
        ("albums", differs(&|other| other.albums == first.albums)),
        ("tags", differs(&|other| other.tags == first.tags)),
        ("favourite", differs(&|other| other.favourite == first.favourite)),
        ("rating", differs(&|other| other.rating == first.rating)),
        ("caption", differs(&|other| other.caption == first.caption)),
        ("title", differs(&|other| other.title == first.title)),
        ("rotate", differs(&|other| other.rotate == first.rotate)),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
}
