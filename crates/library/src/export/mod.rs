//! Everything out again, in the open: originals with their paths and times, sidecars, and a signed list.
//!
//! Invariant: an exported file is complete or absent. Each is written beside its place, checked against its
//! hash while it is written, and renamed; an interrupted export goes on where it stopped.

mod check;
mod layout;
mod manifest;
mod xmp;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use safelight_crypto::{ContentHash, sha256};
use safelight_model::view::AssetView;
use safelight_model::{AssetId, LifeState, Original, SourcePath, Storage};
use serde::Serialize;

pub use check::verify_export;

use crate::edit::{Among, Selection, shown_date_words};
use crate::error::{LibraryError, Result};
use crate::folder::lies_within;
use crate::item::Item;
use crate::library::Library;
use crate::linked;
use crate::monitor::{Monitor, Problem, Task};
use crate::objects;
use crate::remote::{Away, Surroundings};
use layout::Layout;
use manifest::{Entry, MANIFEST, ManifestWriter, Role};
use xmp::Described;

/// How many assets are taken from the catalogue at a time.
const STRETCH_ASSETS: usize = 1000;

/// A name that no photo has, for what is being written.
const UNFINISHED: &str = ".safelight-unfinished";

/// What is to be exported.
#[derive(Debug, Clone)]
pub struct ExportRequest {
    /// Where to.
    pub directory: PathBuf,
    /// Which photos: ids, paths or the words of a query; all when there are none.
    pub items: Vec<String>,
    /// The same words as one query.
    pub query: String,
    /// Whether to write sidecars.
    pub sidecars: bool,
    /// Only count.
    pub dry_run: bool,
}

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// Files written, or there already from an interrupted export.
    pub files: u64,
    /// Photos among them.
    pub assets: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Files that could not be exported.
    pub failed: u64,
    /// Originals that were linked and have been written over since, by a newer version or another photo, so that there is
    /// nothing to export.
    pub written_over: u64,
    /// Originals that are archived in a remote and wait for a thaw; they are told to the monitor.
    pub archived: u64,
}

impl Library {
    /// Exports what the items name or a query finds; everything, trash excepted, without any.
    ///
    /// # Errors
    /// When nothing is found, or the folder cannot be used. Single photos that fail are told to the monitor and counted.
    pub fn export(
        &self,
        request: &ExportRequest,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<ExportReport> {
        let away = Away::new(self, surroundings);
        let chosen = match request.items.as_slice() {
            [] => None,
            items => Some(self.select(items, &request.query, Among::WhatIsAsked)?),
        };
        let total = match &chosen {
            Some(chosen) => chosen.len() as u64,
            None => self.count("")?,
        };
        let mut export = Export::begin(self, request, chosen, &away, monitor)?;
        monitor.begin(Task::Export, Some(total), None);
        let outcome = export.run();
        monitor.end();
        outcome?;
        export.finish()
    }
}

struct Export<'a> {
    library: &'a Library,
    request: &'a ExportRequest,
    /// What to export, unless it is everything.
    chosen: Option<Selection>,
    /// Whether what is in the trash stays there: nobody asked for it.
    skip_trashed: bool,
    away: &'a Away<'a>,
    monitor: &'a dyn Monitor,
    layout: Layout,
    manifest: Option<ManifestWriter<BufWriter<File>>>,
    report: ExportReport,
    /// Photos with versions that lie nowhere any more.
    once: Vec<AssetId>,
}

/// Whether a content lies at one of its paths still, as far as the devices said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lies {
    There,
    Nowhere,
}

impl Lies {
    fn of(life: &LifeState, content: ContentHash) -> Self {
        let mut paths = life.paths_of(content).into_iter();
        if paths.any(|(source, _)| life.lies_at(content, source)) { Self::There } else { Self::Nowhere }
    }
}

impl<'a> Export<'a> {
    fn begin(
        library: &'a Library,
        request: &'a ExportRequest,
        chosen: Option<Selection>,
        away: &'a Away<'a>,
        monitor: &'a dyn Monitor,
    ) -> Result<Self> {
        refuse_the_library_itself(library, &request.directory)?;
        let mut layout = Layout::default();
        layout.reserve(MANIFEST);
        layout.reserve(UNFINISHED);
        let manifest = if request.dry_run { None } else { Some(open_manifest(library, &request.directory)?) };
        Ok(Self {
            library,
            request,
            skip_trashed: chosen.is_none(),
            chosen,
            away,
            monitor,
            layout,
            manifest,
            report: ExportReport::default(),
            once: Vec::new(),
        })
    }

    fn run(&mut self) -> Result<()> {
        match self.chosen.take() {
            Some(chosen) => {
                chosen.assets().iter().try_for_each(|asset| self.export_asset(*asset, Lies::There))?;
            }
            None => self.run_all()?,
        }
        // What lies at a path has its name; what lay there once gets a number behind it.
        let once = std::mem::take(&mut self.once);
        once.into_iter().try_for_each(|asset| self.export_asset(asset, Lies::Nowhere))
    }

    fn run_all(&mut self) -> Result<()> {
        let mut after: Option<AssetId> = None;
        while !self.monitor.cancelled() {
            let assets = self.library.catalog().assets_after(after, STRETCH_ASSETS)?;
            let Some((last, _)) = assets.last() else { break };
            after = Some(*last);
            for (asset, _) in assets {
                self.export_asset(asset, Lies::There)?;
            }
        }
        Ok(())
    }

    /// Exports those versions of a photo that lie somewhere, or those that lie nowhere any more.
    fn export_asset(&mut self, asset: AssetId, which: Lies) -> Result<()> {
        if self.monitor.cancelled() {
            return Ok(());
        }
        let Some(item) = self.library.item(asset)? else { return Ok(()) };
        let life = item.state.current();
        if life.is_purged() || life.alias().winner().is_some_and(|write| write.value.is_some()) {
            return Ok(());
        }
        if self.skip_trashed && life.is_trashed() {
            return Ok(());
        }
        let view = item.view();
        let Some(current) = view.current.as_ref() else { return Ok(()) };
        let current_content = current.original.content;
        let mut seen = HashSet::new();
        // The newest first: of a content that was linked and is copied now, the copy.
        for version in view.versions.iter().filter(|version| seen.insert(version.original.content)) {
            if Lies::of(life, version.original.content) != which {
                if which == Lies::There && self.once.last() != Some(&asset) {
                    self.once.push(asset);
                }
                continue;
            }
            let role = if version.original.content == current_content {
                Role::Original
            } else {
                Role::EarlierVersion
            };
            let Err(error) = self.export_original(&item, &view, version.original, role) else {
                self.report.assets += u64::from(role == Role::Original);
                continue;
            };
            if is_about_the_folder(&error) {
                return Err(error);
            }
            let is_written_over = linked::is_written_over(life.contents(), version.original)
                || self.library.is_replaced(version.original)?;
            self.blame(version.original, &error, is_written_over);
        }
        self.monitor.advance(u64::from(which == Lies::There), 0);
        Ok(())
    }

    /// Names an original that could not be exported. A linked one that a newer version or another photo has written over
    /// is nowhere any more, which was said when that came: no later export can do better.
    fn blame(&mut self, original: &Original, error: &LibraryError, is_written_over: bool) {
        let name = match original.storage {
            Storage::Linked => linked::path_of(original),
            _ => PathBuf::from(original.source.display()),
        };
        let problem = if is_written_over && !matches!(error, LibraryError::InRemotes { .. }) {
            self.report.written_over += 1;
            Problem::notice(name, "what was linked here has been written over since; it is not exported")
        } else {
            if error.is_archived() {
                self.report.archived += 1;
            } else {
                self.report.failed += 1;
            }
            Problem::failure(name, error.to_string())
        };
        self.monitor.problem(&problem);
    }

    /// One content at all the paths at which it is, and its sidecar.
    fn export_original(
        &mut self,
        item: &Item,
        view: &AssetView<'_>,
        original: &Original,
        role: Role,
    ) -> Result<()> {
        let fallback = format!("{}.{}", original.content, extension(&original.media_type));
        let life = item.state.current();
        let mut paths = life.paths_of(original.content);
        let came_from = paths.iter().position(|(source, _)| source.is_same_file(&original.source));
        // Where two devices found the same photo, it is written as the first of them has it.
        let (source, modified_millis) = paths.swap_remove(came_from.unwrap_or_default());
        paths.retain(|(other, _)| other.device == source.device);
        let place = self.layout.place(&wished(source), &fallback);
        let id = item.asset.to_string();
        self.write_original(original, &place, modified_millis, role, &id)?;
        for (source, modified_millis) in paths {
            let copy = self.layout.place(&wished(source), &fallback);
            self.write_copy(original, &place, &copy, modified_millis, &id)?;
        }
        if role == Role::Original && self.request.sidecars {
            let text = xmp::write(&described(self.library, view, original)?);
            self.write_sidecar(&place, text.as_bytes(), &id)?;
        }
        Ok(())
    }

    fn write_original(
        &mut self,
        original: &Original,
        place: &Path,
        modified_millis: i64,
        role: Role,
        id: &str,
    ) -> Result<()> {
        if self.manifest.is_none() {
            self.look_at(original)?;
            self.count(original.size_bytes);
            return Ok(());
        }
        let target = self.request.directory.join(place);
        if !is_there(&target, original)? {
            let (library, away) = (self.library, self.away);
            write_file(&target, Some(modified_millis), |output| {
                if !library.is_whole_here(original)? {
                    return away.write(original, output);
                }
                let (place, device) = (&library.place, &library.device);
                match objects::write_original(place, device, library.keyring(), original, output) {
                    Err(error) if error.is_absence() || matches!(error, LibraryError::LinkChanged { .. }) => {
                        Err(library.rests_elsewhere(original)?.unwrap_or(error))
                    }
                    answer => answer,
                }
            })?;
        }
        self.count(original.size_bytes);
        self.list(&Entry::new(place, original.size_bytes, original.content.as_bytes(), role, id.to_owned()))
    }

    /// What a dry run can tell without reading: whether a linked original is where it was.
    fn look_at(&self, original: &Original) -> Result<()> {
        if original.storage == Storage::Linked && !objects::are_parts_here(&self.library.place, original)? {
            if self.library.is_replaced(original)? {
                return Err(LibraryError::LinkChanged { path: linked::path_of(original) });
            }
            linked::look(original, self.library.keyring().device().id(), &self.library.device)?;
        }
        Ok(())
    }

    fn write_copy(
        &mut self,
        original: &Original,
        first: &Path,
        place: &Path,
        modified_millis: i64,
        id: &str,
    ) -> Result<()> {
        if self.manifest.is_none() {
            self.count(original.size_bytes);
            return Ok(());
        }
        let (source, target) = (self.request.directory.join(first), self.request.directory.join(place));
        if !is_there(&target, original)? {
            write_file(&target, Some(modified_millis), |output| {
                let mut file = File::open(&source).map_err(|error| LibraryError::reading(&source, error))?;
                std::io::copy(&mut file, output).map_err(|error| LibraryError::writing(&target, error))?;
                Ok(())
            })?;
        }
        self.count(original.size_bytes);
        self.list(&Entry::new(
            place,
            original.size_bytes,
            original.content.as_bytes(),
            Role::Copy,
            id.to_owned(),
        ))
    }

    fn write_sidecar(&mut self, place: &Path, text: &[u8], id: &str) -> Result<()> {
        if self.manifest.is_none() {
            self.count(text.len() as u64);
            return Ok(());
        }
        let place = layout::sidecar_of(place);
        let target = self.request.directory.join(&place);
        write_file(&target, None, |output| {
            output.write_all(text).map_err(|error| LibraryError::writing(&target, error))
        })?;
        self.count(text.len() as u64);
        self.list(&Entry::new(&place, text.len() as u64, &sha256(&[text]), Role::Sidecar, id.to_owned()))
    }

    fn count(&mut self, bytes: u64) {
        self.report.files += 1;
        self.report.bytes += bytes;
    }

    fn list(&mut self, entry: &Entry) -> Result<()> {
        let list = self.request.directory.join(MANIFEST);
        match &mut self.manifest {
            Some(manifest) => manifest.push(entry).map_err(|error| LibraryError::writing(&list, error)),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<ExportReport> {
        let list = self.request.directory.join(MANIFEST);
        let unfinished = self.request.directory.join(UNFINISHED);
        if self.monitor.cancelled() {
            return Ok(self.report);
        }
        if let Some(manifest) = self.manifest {
            let failed = |error| LibraryError::writing(&list, error);
            let output = manifest.finish(self.library.keyring().device()).map_err(failed)?;
            let file = output.into_inner().map_err(|error| failed(error.into_error()))?;
            // One flush for all that was written, before the list says that it is there.
            rustix::fs::syncfs(&file).map_err(|error| failed(error.into()))?;
            std::fs::rename(&unfinished, &list).map_err(failed)?;
            File::open(&self.request.directory).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(self.report)
    }
}

/// Refuses to put photos in the open where their library lies, which is synced and backed up as it is.
fn refuse_the_library_itself(library: &Library, directory: &Path) -> Result<()> {
    let failed = |error| LibraryError::writing(directory, error);
    if !lies_within(directory, library.path()).map_err(failed)? {
        return Ok(());
    }
    Err(LibraryError::Refused {
        reason: format!("{} lies in the library's own folder", directory.display()),
        hint:
            "name a folder outside of it: what is exported can be read by everybody who gets at that folder"
                .into(),
    })
}

/// Begins the list of an export in a folder that is empty, or holds an export already.
fn open_manifest(library: &Library, directory: &Path) -> Result<ManifestWriter<BufWriter<File>>> {
    let failed = |error| LibraryError::writing(directory, error);
    std::fs::create_dir_all(directory).map_err(failed)?;
    let is_export =
        [MANIFEST, UNFINISHED].iter().any(|name| manifest::begins_like_one(&directory.join(name)));
    let is_empty = std::fs::read_dir(directory).map_err(failed)?.next().is_none();
    if !is_export && !is_empty {
        return Err(LibraryError::Refused {
            reason: format!("{} is not empty and holds no export", directory.display()),
            hint: "name a new or empty folder; nothing there is overwritten".into(),
        });
    }
    let file = File::create(directory.join(UNFINISHED)).map_err(failed)?;
    let made = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let id = library.id().to_string();
    ManifestWriter::create(BufWriter::new(file), &id, library.keyring().device(), &made).map_err(failed)
}

/// Whether an earlier, interrupted export has written this file already, and whole.
fn is_there(target: &Path, original: &Original) -> Result<bool> {
    match std::fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_file() && metadata.len() == original.size_bytes => {
            Ok(objects::hash_of(target)?.1 == original.content)
        }
        _ => Ok(false),
    }
}

/// Writes a file beside its place and renames it there when it is complete.
fn write_file(
    target: &Path,
    modified_millis: Option<i64>,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let failed = |error| LibraryError::writing(target, error);
    let folder = target.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let unfinished = folder.join(format!("{UNFINISHED}-file"));
    let file = File::create(&unfinished).map_err(failed)?;
    let mut output = BufWriter::with_capacity(1 << 20, file);
    let written = write(&mut output).and_then(|()| {
        let file = output.into_inner().map_err(|error| failed(error.into_error()))?;
        if let Some(time) = modified_millis.and_then(system_time) {
            file.set_modified(time).map_err(failed)?;
        }
        std::fs::rename(&unfinished, target).map_err(failed)
    });
    if written.is_err() {
        // What is left is named as unfinished and overwritten by the next attempt.
        let _left_behind = std::fs::remove_file(&unfinished);
    }
    written
}

/// Where a file would like to lie: as it did below the folder that was imported.
fn wished(source: &SourcePath) -> PathBuf {
    PathBuf::from(std::ffi::OsStr::from_bytes(&source.relative))
}

fn system_time(millis: i64) -> Option<SystemTime> {
    let distance = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    }
}

/// Whether going on with the next photo is pointless.
fn is_about_the_folder(error: &LibraryError) -> bool {
    match error {
        LibraryError::Io { source, action: "written", .. } => matches!(
            source.kind(),
            std::io::ErrorKind::StorageFull
                | std::io::ErrorKind::PermissionDenied
                | std::io::ErrorKind::ReadOnlyFilesystem
        ),
        LibraryError::Catalog(_) => true,
        _ => false,
    }
}

fn described(library: &Library, view: &AssetView<'_>, original: &Original) -> Result<Described> {
    let place = view.place.as_ref().map(|shown| &shown.value);
    let named = place.and_then(|place| place.found.clone()).unwrap_or_default();
    let position = place.map(|place| place.position);
    let has_date =
        view.date.as_ref().filter(|date| !matches!(date.origin, safelight_model::view::Origin::File));
    Ok(Described {
        title: view.title.as_ref().map(|shown| shown.value.clone()),
        caption: view.caption.as_ref().map(|shown| shown.value.clone()),
        tags: [view.tags.clone(), view.keywords.clone()].concat(),
        rating: view.rating.as_ref().map(|shown| shown.value),
        taken: has_date.map(|date| shown_date_words(&date.value)),
        position: position.map(|position| (position.latitude(), position.longitude())),
        altitude_metres: position.and_then(|position| position.altitude_mm).map(|mm| f64::from(mm) / 1000.0),
        city: place.and_then(|place| place.name.clone()).or(named.city),
        region: named.region,
        country: named.country,
        albums: library.album_paths(&view.albums)?,
        favourite: view.favourite,
        hidden: view.hidden,
        rotate: u16::from(view.rotate) * 90,
        content: original.content.to_string(),
    })
}

/// A file name's extension for content that has no name of its own.
fn extension(media_type: &str) -> &str {
    match media_type {
        "image/jpeg" => "jpg",
        "video/quicktime" => "mov",
        "video/x-matroska" => "mkv",
        other => other.rsplit('/').next().unwrap_or("bin"),
    }
}
