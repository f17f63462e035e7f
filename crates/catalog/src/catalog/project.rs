//! What the states of an asset and of its current content amount to: the row that is listed, the words that
//! are searched, the keys under which it is found.
//!
//! Invariant: pure, and a function of the states alone, so a rebuilt catalogue answers as the old one did.

use std::collections::BTreeSet;

use safelight_crypto::{ContentHash, sha256};
use safelight_model::view::{AssetStatus, AssetView, Shown, ShownPlace};
use safelight_model::{
    AlbumId, AssetId, AssetState, ContentState, MediaKind, Position, RenditionKind, SourcePath, Storage,
    TakenSource,
};

use super::facets::{CELL_LEVELS, Cell, Facet, Flag, size_facets};
use super::labels::{folded, searchable};
use super::timeline::Shelf;

/// Everything the catalogue shows of one asset.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Projection {
    pub(crate) shelf: Shelf,
    pub(crate) content: ContentHash,
    pub(crate) size_bytes: u64,
    pub(crate) media: MediaKind,
    pub(crate) flags: i64,
    pub(crate) rating: i64,
    pub(crate) local_millis: i64,
    pub(crate) offset_minutes: Option<i16>,
    pub(crate) position: Option<Position>,
    pub(crate) width: Option<u32>,
    pub(crate) height: Option<u32>,
    pub(crate) orientation: u8,
    pub(crate) quarter_turns: i64,
    pub(crate) duration_millis: Option<u64>,
    pub(crate) format: Option<String>,
    pub(crate) path: Vec<u8>,
    pub(crate) root_len: usize,
    pub(crate) thumbhash: Option<Vec<u8>>,
    pub(crate) thumbnail: Option<u16>,
    pub(crate) preview: Option<u16>,
    /// The asset that a person stacked this one under.
    pub(crate) stacked_under: Option<AssetId>,
    pub(crate) words: Words,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) albums: Vec<AlbumId>,
    /// Contents other than the one that named the asset.
    pub(crate) versions: Vec<ContentHash>,
    pub(crate) path_hashes: Vec<i64>,
}

/// The text that is searched, by column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Words {
    pub(crate) name: String,
    pub(crate) caption: String,
    pub(crate) tags: String,
    pub(crate) place: String,
    pub(crate) camera: String,
    pub(crate) lens: String,
    pub(crate) path: String,
}

/// The states that an asset is shown by.
pub(crate) struct States<'a> {
    pub(crate) asset: AssetId,
    pub(crate) state: &'a AssetState,
    /// Of its current content.
    pub(crate) content: Option<&'a ContentState>,
    /// The assets that were merged into it.
    pub(crate) merged: Vec<&'a AssetState>,
    /// Whether it looks like another asset.
    pub(crate) is_alike: bool,
}

/// Works out what is shown of an asset; `None` if it is not listed at all.
pub(crate) fn project(states: &States<'_>) -> Option<Projection> {
    let view =
        AssetView::with_merged(states.asset, states.state, states.content, states.merged.iter().copied());
    let shelf = match view.status {
        AssetStatus::Unknown | AssetStatus::Purged => return None,
        AssetStatus::Trashed(_) => Shelf::Trashed,
        // Merged assets come here only as the one of a ring that is shown.
        AssetStatus::Live | AssetStatus::MergedInto(_) if view.hidden => Shelf::Hidden,
        AssetStatus::Live | AssetStatus::MergedInto(_) => Shelf::Shown,
    };
    let original = view.current?.original;
    let sources = view.sources();
    let path = *sources.first()?;
    let date = view.date.as_ref().map(|shown| shown.value);
    let recipe = |kind| {
        let made = states.content.and_then(|content| content.renditions_of(kind).next());
        made.map(|made| made.recipe)
    };
    let facts = &view.facts;
    let versions: BTreeSet<_> = view.versions.iter().map(|version| version.original.content).collect();
    Some(Projection {
        shelf,
        content: original.content,
        size_bytes: original.size_bytes,
        media: media_kind(facts.media, &original.media_type),
        flags: flags(&view, states),
        rating: view.rating.as_ref().map_or(0, |shown| i64::from(shown.value)),
        local_millis: date.map_or(original.modified_millis, |date| date.local_millis),
        offset_minutes: date.and_then(|date| date.offset_minutes),
        position: view.place.as_ref().map(|shown| shown.value.position),
        width: facts.width,
        height: facts.height,
        orientation: facts.orientation.unwrap_or(1),
        quarter_turns: i64::from(view.rotate),
        duration_millis: facts.duration_millis,
        format: facts.format.as_ref().map(|format| format.to_lowercase()),
        path: path.whole(),
        root_len: path.root.len(),
        thumbhash: facts.thumbhash.as_ref().map(|placeholder| placeholder.0.clone()),
        thumbnail: recipe(RenditionKind::Thumbnail),
        preview: recipe(RenditionKind::Preview),
        stacked_under: view.stack,
        words: words(&view, &sources),
        tags: view.tags.iter().chain(&view.keywords).flat_map(|tag| with_ancestors(&folded(tag))).collect(),
        albums: view.albums.clone(),
        versions: versions.into_iter().filter(|content| *content != states.asset.0).collect(),
        path_hashes: sources.iter().flat_map(|source| path_hashes(source)).collect(),
    })
}

/// The hashes of the stacks that an asset belongs to.
pub(crate) fn stacks(state: &AssetState, content: Option<&ContentState>) -> Vec<i64> {
    let facts = content.map(ContentState::facts).unwrap_or_default();
    let Some(current) = state.current().contents().current() else { return Vec::new() };
    let original = &current.value.original;
    let media = media_kind(facts.media, &original.media_type);
    let path = state.current().path().unwrap_or(&original.source);
    stack_hashes(media, facts.live_id.as_deref(), path)
}

impl Projection {
    /// The fixed tokens.
    pub(crate) fn facets(&self) -> Vec<Facet> {
        let mut facets = vec![Facet::All, Facet::Media(self.media.code())];
        facets.push(Facet::Rating(u8::try_from(self.rating).unwrap_or(0)));
        facets.extend(Flag::ALL.into_iter().filter(|flag| self.flags & flag.bit() != 0).map(Facet::Flag));
        facets.extend(size_facets(self.size_bytes));
        facets
    }

    /// The cells of the map that it lies in, one at each scale.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let cell = |position: Position, level| {
            Cell::of(level, i64::from(position.latitude_e7), i64::from(position.longitude_e7))
        };
        self.position
            .map(|position| (0..CELL_LEVELS).map(|level| cell(position, level)).collect())
            .unwrap_or_default()
    }

    /// Changes when what the search index holds changes.
    pub(crate) fn search_digest(&self) -> i64 {
        let text = format!(
            "{:?}{:?}{:?}{:?}{:?}{:?}",
            self.words,
            self.tags,
            self.albums,
            self.format,
            self.facets(),
            self.cells()
        );
        hash64(&[text.as_bytes()])
    }
}

fn flags(view: &AssetView<'_>, states: &States<'_>) -> i64 {
    let facts = &view.facts;
    let undated = view.date.as_ref().and_then(|shown| shown.value.source) == Some(TakenSource::FileTime);
    let linked = view.current.is_some_and(|current| current.original.storage == Storage::Linked);
    let table = [
        (Flag::Favourite, view.favourite),
        (Flag::Undecodable, facts.reason.is_some()),
        (Flag::Live, facts.live_id.is_some()),
        (Flag::Motion, facts.motion.is_some()),
        (Flag::Linked, linked),
        (Flag::Undated, undated),
        (Flag::Edited, view.versions.iter().any(|version| !version.is_head)),
        (Flag::Conflicted, view.has_content_conflict || !view.conflicts.is_empty()),
        (Flag::Doubled, found_twice(states.state)),
        (Flag::Alike, states.is_alike),
        (Flag::Gps, view.place.is_some()),
        (Flag::Caption, view.caption.is_some() || view.title.is_some()),
        (Flag::Tag, !view.tags.is_empty() || !view.keywords.is_empty()),
        (Flag::Album, !view.albums.is_empty()),
        (Flag::Rated, view.rating.as_ref().is_some_and(|rating| rating.value > 0)),
        (
            Flag::Placed,
            view.place
                .iter()
                .any(|shown| place_names(&shown.value).iter().any(|name| !name.trim().is_empty())),
        ),
        (Flag::StackedByHand, view.is_unstacked || view.stack.is_some()),
    ];
    table.iter().filter(|(_, holds)| *holds).map(|(flag, _)| flag.bit()).sum()
}

/// Whether one device has the current content at several paths; versions follow each other at one.
///
/// A card that was imported on two devices is on neither of them twice.
fn found_twice(state: &AssetState) -> bool {
    let life = state.current();
    let Some(current) = life.contents().current() else { return false };
    let paths = life.paths_of(current.value.original.content);
    let mut devices: Vec<_> =
        paths.iter().filter(|(source, _)| life.is_there(source)).map(|(source, _)| source.device).collect();
    devices.sort_unstable();
    devices.windows(2).any(|pair| pair[0] == pair[1])
}

fn media_kind(found: Option<MediaKind>, media_type: &str) -> MediaKind {
    found.unwrap_or_else(|| match media_type.split('/').next() {
        Some("image") => MediaKind::Photo,
        Some("video") => MediaKind::Video,
        _ => MediaKind::Other,
    })
}

/// `a/b/c` is in `a` and in `a/b` too.
fn with_ancestors(tag: &str) -> Vec<String> {
    tag.match_indices('/')
        .map(|(at, _)| &tag[..at])
        .chain([tag])
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}

fn words(view: &AssetView<'_>, sources: &[&SourcePath]) -> Words {
    let facts = &view.facts;
    let names = sources.iter().map(|source| lossy(source.file_name()));
    let folders = sources.iter().map(|source| folder(source));
    let caption =
        [&view.title, &view.caption].into_iter().flatten().map(|shown: &Shown<String>| shown.value.clone());
    let place = view.place.iter().flat_map(|shown| place_names(&shown.value));
    let camera = [&facts.camera_make, &facts.camera_model].into_iter().flatten().cloned();
    Words {
        name: joined(names),
        caption: joined(caption),
        tags: joined(view.tags.iter().chain(&view.keywords).cloned()),
        place: joined(place),
        camera: joined(camera),
        lens: joined(facts.lens.iter().cloned()),
        path: joined(folders),
    }
}

/// Texts as one column of the search index, each once.
fn joined(parts: impl Iterator<Item = String>) -> String {
    let mut seen = BTreeSet::new();
    let parts: Vec<_> = parts.filter(|part| !part.is_empty() && seen.insert(part.clone())).collect();
    searchable(&parts.join(" / "))
}

fn place_names(place: &ShownPlace) -> Vec<String> {
    let found = place.found.iter().flat_map(|found| [&found.city, &found.region, &found.country]);
    place.name.iter().chain(found.flatten()).cloned().collect()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The folders below the source, without the file's own name.
fn folder(source: &SourcePath) -> String {
    let length = source.relative.len() - source.file_name().len();
    lossy(source.relative.get(..length).unwrap_or_default())
}

/// The hashes under which a path is looked up: the whole of it, and the file's name.
fn path_hashes(source: &SourcePath) -> [i64; 2] {
    let path = source.whole();
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    [path_hash(&path), name_hash(name)]
}

/// The hash under which a whole path is looked up.
pub(crate) fn path_hash(path: &[u8]) -> i64 {
    hash64(&[b"path", path])
}

/// The hash under which a file's name is looked up.
pub(crate) fn name_hash(name: &[u8]) -> i64 {
    hash64(&[b"name", name])
}

/// What an asset shares with those that it is stacked with: the link between the halves of a Live Photo, or
/// the path without extension for a RAW file and the photo that the camera wrote beside it.
fn stack_hashes(media: MediaKind, live_id: Option<&str>, source: &SourcePath) -> Vec<i64> {
    let live = live_id.map(|id| hash64(&[b"live", id.as_bytes()]));
    // Only photos are in two stacks, and those never lie under another asset.
    let is_beside = media == MediaKind::Photo || media == MediaKind::Raw && live.is_none();
    let beside = is_beside.then(|| {
        let name = source.file_name();
        let stem = name.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0).unwrap_or(name.len());
        let length = source.relative.len() - name.len() + stem;
        let stem = source.relative.get(..length).unwrap_or_default();
        hash64(&[b"stem", source.device.as_bytes(), &source.root, b"\0", stem])
    });
    live.into_iter().chain(beside).collect()
}

/// 64 bits of a hash.
pub(crate) fn hash64(parts: &[&[u8]]) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = sha256(parts);
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}
