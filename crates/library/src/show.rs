//! Everything known of one photo, and of files that are in no library.

use std::collections::BTreeSet;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use safelight_media::Probe;
use safelight_model::view::{AssetStatus, AssetView};
use safelight_model::{DeviceId, Facts, RenditionKind, SourcePath};
use serde::Serialize;

use crate::devices::DeviceNames;
use crate::edit::shown_date_words;
use crate::error::{LibraryError, Result};
use crate::import::rendition::read_packed;
use crate::item::Item;
use crate::library::Library;
use crate::listing::{date_text, kind_word};
use crate::monitor::{Monitor, Problem};
use crate::remote::{ShownPlace, ShownStanding};
use crate::scan::files_below;
use crate::why::Why;

/// Files up to this size are read at once; of larger ones only the headers.
const WHOLE_BYTES: u64 = 4 << 20;

/// Everything known of one asset.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownAsset {
    /// The id.
    pub id: String,
    /// Where its current content was found.
    pub path: String,
    /// Every place where it was found; those of another device end in what that is called.
    pub found_at: Vec<String>,
    /// The SHA-256 of its current content.
    pub sha256: String,
    /// Bytes of its current original.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
    /// `photo`, `video`, `raw` or `other`.
    pub kind: &'static str,
    /// When it was taken, by the clock on the wall there.
    pub taken: Option<String>,
    /// Which field said so.
    pub taken_from: Option<String>,
    /// The caption.
    pub caption: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// −1 to 5.
    pub rating: Option<i8>,
    /// Tags that people gave.
    pub tags: Vec<String>,
    /// Keywords that the file carries.
    pub keywords: Vec<String>,
    /// Degrees north and east.
    pub position: Option<[f64; 2]>,
    /// The named place.
    pub place: Option<String>,
    /// Whether it is a favourite.
    pub favourite: bool,
    /// Whether it is hidden.
    pub hidden: bool,
    /// The paths of the albums that it lies in.
    pub albums: Vec<String>,
    /// Degrees clockwise that it was turned by hand.
    pub rotate: u16,
    /// Whether it lies in the trash.
    pub trashed: bool,
    /// The fields on which devices disagree.
    pub conflicts: Vec<String>,
    /// How its original rests: `copied`, `packed` (in a pack of small ones) or `linked`.
    pub storage: &'static str,
    /// How its original stands to each remote.
    pub sync: Vec<ShownStanding>,
    /// In how many places its original rests whole and sealed, this device among them.
    pub place_count: u64,
    /// Those places; and the file itself where it is linked, which is not counted.
    pub places: Vec<ShownPlace>,
    /// Where it is neither here nor known to rest in any remote: the other devices that keep it, as far as the history
    /// tells. Only such a device can bring it.
    pub kept_by: Vec<String>,
    /// The names of its sealed parts below `objects/`.
    pub parts: Vec<String>,
    /// How many contents it has had.
    pub versions: usize,
    /// Other assets that belong to it: the other half of a Live Photo, RAW and JPEG, the burst.
    pub stack: Vec<String>,
    /// What programs found in it.
    #[cfg_attr(feature = "schemas", schema(value_type = Object))]
    pub facts: Facts,
    /// In a code, why no preview could be made of it; none where there is one, or it was not tried.
    pub undecodable_why: Option<Why>,
}

/// What a file says about itself.
#[derive(Debug, Clone, Serialize)]
pub struct FileFacts {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// What was found in it.
    #[serde(flatten)]
    pub probe: Probe,
}

impl Library {
    /// Everything known of an item.
    ///
    /// # Errors
    /// When nothing, or more than one thing, answers to it.
    pub fn show(&self, item: &str) -> Result<ShownAsset> {
        let found = self.find(item)?;
        let stack = self.catalog().stack_of(found.asset)?;
        let stack = stack.map(|(cover, under)| std::iter::once(cover).chain(under)).into_iter().flatten();
        let others = stack.filter(|asset| *asset != found.asset).collect();
        let stack = self.without_kept_back(others)?.iter().map(ToString::to_string).collect();
        let original = found.original()?;
        let view = found.view();
        let place = view.place.as_ref().map(|shown| &shown.value);
        let storage = match original.storage {
            safelight_model::Storage::Linked => "linked",
            safelight_model::Storage::Packed => "packed",
            _ => "copied",
        };
        let places = self.places_of(original)?;
        let here = self.keyring().device().id();
        let keepers = if places.is_empty() { self.keepers_of(&original.content)? } else { Vec::new() };
        let names = self.device_names()?;
        Ok(ShownAsset {
            id: found.asset.to_string(),
            path: view.sources().first().map(|source| source.display()).unwrap_or_default(),
            found_at: view.sources().into_iter().map(|source| full_path(source, here, &names)).collect(),
            sha256: original.content.to_string(),
            size: original.size_bytes,
            media_type: original.media_type.clone(),
            kind: kind_word(view.facts.media.unwrap_or(safelight_model::MediaKind::Other)),
            taken: view.date.as_ref().map(|date| shown_date_words(&date.value)),
            taken_from: view.date.as_ref().map(|date| match date.value.source {
                Some(source) => format!("{source:?}"),
                None => "typed".into(),
            }),
            caption: view.caption.as_ref().map(|shown| shown.value.clone()),
            title: view.title.as_ref().map(|shown| shown.value.clone()),
            rating: view.rating.as_ref().map(|shown| shown.value),
            tags: view.tags.clone(),
            keywords: view.keywords.clone(),
            position: place
                .map(|place| place.position)
                .map(|position| [position.latitude(), position.longitude()]),
            place: place.and_then(place_words),
            favourite: view.favourite,
            hidden: view.hidden,
            albums: self.album_paths(&view.albums)?,
            rotate: u16::from(view.rotate) * 90,
            trashed: matches!(view.status, AssetStatus::Trashed(_)),
            conflicts: conflicts_of(&view),
            storage,
            sync: self.standings()?.of(&original.content)?,
            place_count: places.iter().filter(|place| place.is_sealed()).count() as u64,
            places,
            kept_by: keepers.into_iter().map(|device| names.called(device)).collect(),
            parts: original
                .parts
                .iter()
                .map(|part| safelight_store::ObjectPath::original(part.name).as_str().to_owned())
                .collect(),
            versions: view
                .versions
                .iter()
                .map(|version| version.original.content)
                .collect::<BTreeSet<_>>()
                .len(),
            stack,
            facts: view.facts.clone(),
            undecodable_why: view.facts.reason.as_deref().map(Why::of_undecodable),
        })
    }

    /// Writes an item's thumbnail or preview to `output`.
    ///
    /// # Errors
    /// When there is none, or `output` takes no more.
    pub fn write_rendition(&self, item: &str, kind: &str, output: &mut dyn Write) -> Result<()> {
        let found = self.find(item)?;
        let kind = if kind == "thumbnail" { RenditionKind::Thumbnail } else { RenditionKind::Preview };
        let bytes = self.rendition(&found, kind)?;
        output.write_all(&bytes).map_err(LibraryError::writing_output)
    }

    fn rendition(&self, item: &Item, kind: RenditionKind) -> Result<Vec<u8>> {
        let content = item.original()?.content;
        let location = self.device.packed(&content, kind)?.ok_or_else(|| LibraryError::NotHere {
            object: format!("a {kind:?} of {}", item.asset).to_lowercase(),
        })?;
        read_packed(&self.place, &location, self.keyring())
    }
}

fn conflicts_of(view: &AssetView<'_>) -> Vec<String> {
    let fields = view.conflicts.iter().map(|conflict| {
        let code = conflict.field.code();
        code.word().map_or_else(|| code.0.to_string(), str::to_owned)
    });
    fields.chain(view.has_content_conflict.then(|| "content".to_owned())).collect()
}

/// A whole path; one of another device ends in what that is called.
fn full_path(source: &SourcePath, here: DeviceId, names: &DeviceNames) -> String {
    let path = format!("{}/{}", String::from_utf8_lossy(&source.root), source.display());
    if source.device == here { path } else { format!("{path} (device {})", names.called(source.device)) }
}

/// What a person calls a place, or else what was found for it.
pub(crate) fn place_words(place: &safelight_model::view::ShownPlace) -> Option<String> {
    place.name.clone().or_else(|| place.found.as_ref().map(place_text))
}

fn place_text(place: &safelight_model::PlaceName) -> String {
    let parts = [&place.city, &place.region, &place.country];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Probes files, and all photos and videos in folders, without a library.
///
/// # Errors
/// When a path does not exist. Files that cannot be read are told to the monitor.
pub fn probe_files(paths: &[PathBuf], monitor: &dyn Monitor) -> Result<Vec<FileFacts>> {
    let files = files_below(paths, monitor)?;
    let probed: Vec<_> = files.into_par_iter().map(|path| (probe_file(&path), path)).collect();
    let mut found = Vec::with_capacity(probed.len());
    for (outcome, path) in probed {
        match outcome {
            Ok((size, probe)) => found.push(FileFacts { path, size, probe }),
            Err(reason) => monitor.problem(&Problem::failure(path, reason)),
        }
    }
    Ok(found)
}

fn probe_file(path: &Path) -> Result<(u64, Probe), String> {
    let unreadable = |error: std::io::Error| format!("it cannot be read: {error}");
    let mut file = crate::objects::open_file(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let name = path.file_name().map_or(path, Path::new);
    if size > WHOLE_BYTES {
        let probe = safelight_media::probe_reader(&mut file, name).map_err(|error| error.to_string())?;
        return Ok((size, probe));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    file.take(WHOLE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok((size, safelight_media::probe(&bytes, name)))
}

type Lines = Vec<(&'static str, String)>;

fn push<T: ToString>(lines: &mut Lines, name: &'static str, value: Option<T>) {
    if let Some(value) = value {
        lines.push((name, value.to_string()));
    }
}

impl ShownAsset {
    /// What is known, as names and values to read.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let facts = &self.facts;
        let mut lines = vec![("id", self.id.clone()), ("path", self.path.clone())];
        let taken = self.taken.as_ref().map(|taken| {
            let from = self.taken_from.as_ref().map(|from| format!(" ({from})")).unwrap_or_default();
            format!("{taken}{from}")
        });
        push(&mut lines, "taken", taken);
        push(&mut lines, "title", self.title.as_ref());
        push(&mut lines, "caption", self.caption.as_ref());
        push(&mut lines, "rating", self.rating);
        let tags = [self.tags.clone(), self.keywords.clone()].concat();
        push(&mut lines, "favourite", self.favourite.then_some("yes"));
        push(&mut lines, "hidden", self.hidden.then_some("yes"));
        push(&mut lines, "trash", self.trashed.then_some("yes"));
        push(&mut lines, "albums", (!self.albums.is_empty()).then(|| self.albums.join(", ")));
        push(&mut lines, "rotated", (self.rotate != 0).then(|| format!("{}° clockwise", self.rotate)));
        push(&mut lines, "conflicts", (!self.conflicts.is_empty()).then(|| self.conflicts.join(", ")));
        push(&mut lines, "tags", (!tags.is_empty()).then(|| tags.join(", ")));
        push(&mut lines, "position", self.position.map(|[north, east]| format!("{north:.6}, {east:.6}")));
        push(&mut lines, "place", self.place.as_ref());
        push(&mut lines, "camera", camera(facts.camera_make.as_deref(), facts.camera_model.as_deref()));
        push(&mut lines, "lens", facts.lens.as_ref());
        push(
            &mut lines,
            "pixels",
            facts.width.zip(facts.height).map(|(width, height)| format!("{width} × {height}")),
        );
        push(&mut lines, "orientation", facts.orientation);
        push(&mut lines, "duration", facts.duration_millis.map(duration));
        push(&mut lines, "type", Some(&self.media_type));
        push(&mut lines, "size", Some(format!("{} bytes", self.size)));
        push(&mut lines, "incomplete", facts.stated_bytes.map(|stated| ends_early(self.size, stated)));
        push(&mut lines, "damaged", facts.damage.as_ref());
        push(&mut lines, "sha256", Some(&self.sha256));
        push(&mut lines, "original", Some(self.storage));
        for standing in &self.sync {
            lines.push(("sync", standing.line()));
        }
        let count =
            if self.place_count == 1 { "1 place".into() } else { format!("{} places", self.place_count) };
        lines.push(("rests in", count));
        for place in &self.places {
            lines.push(("rests", place.line()));
        }
        for device in &self.kept_by {
            lines.push(("kept by", format!("device {device}, as far as the history tells")));
        }
        push(&mut lines, "versions", (self.versions > 1).then_some(self.versions));
        for other in self.found_at.iter().skip(1) {
            lines.push(("also at", other.clone()));
        }
        for other in &self.stack {
            lines.push(("belongs to", other.clone()));
        }
        push(&mut lines, "no preview", facts.reason.as_ref());
        lines
    }
}

impl FileFacts {
    /// What was found, as names and values to read.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let probe = &self.probe;
        let mut lines = vec![("type", probe.media_type.clone())];
        push(
            &mut lines,
            "taken",
            probe.taken.as_ref().map(|taken| {
                format!("{} ({:?})", date_text(taken.local_millis(), taken.offset_minutes), taken.source)
            }),
        );
        push(
            &mut lines,
            "position",
            probe.gps.map(|gps| format!("{:.6}, {:.6}", gps.latitude, gps.longitude)),
        );
        push(&mut lines, "camera", camera(probe.make.as_deref(), probe.model.as_deref()));
        push(&mut lines, "lens", probe.lens.as_ref());
        push(
            &mut lines,
            "pixels",
            probe.width.zip(probe.height).map(|(width, height)| format!("{width} × {height}")),
        );
        push(&mut lines, "orientation", (probe.orientation != 1).then_some(probe.orientation));
        push(&mut lines, "duration", probe.duration_millis.map(duration));
        push(&mut lines, "live id", probe.content_identifier.as_ref());
        push(&mut lines, "title", probe.words.title.as_ref());
        push(&mut lines, "caption", probe.words.description.as_ref());
        push(&mut lines, "rating", probe.words.rating);
        push(&mut lines, "incomplete", probe.stated_bytes.map(|stated| ends_early(self.size, stated)));
        for warning in &probe.warnings {
            lines.push(("warning", warning.clone()));
        }
        lines
    }
}

fn camera(make: Option<&str>, model: Option<&str>) -> Option<String> {
    match (make, model) {
        (Some(make), Some(model)) if model.to_lowercase().starts_with(&make.to_lowercase()) => {
            Some(model.to_owned())
        }
        (Some(make), Some(model)) => Some(format!("{make} {model}")),
        (make, model) => make.or(model).map(str::to_owned),
    }
}

fn ends_early(bytes: u64, stated: u64) -> String {
    format!("the file ends early: {bytes} of {stated} bytes")
}

fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    format!("{}:{:02}.{}", seconds / 60, seconds % 60, millis % 1000 / 100)
}
