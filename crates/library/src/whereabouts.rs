//! Where photos lie in the user's own folders: a file that was moved or renamed is shown where it is now.
//!
//! Invariant: the last known path of a photo is never taken away, so that one can always see where it came from; and
//! a folder that is empty or not there, a disk that is not connected, takes none away at all.

use std::collections::BTreeSet;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use safelight_catalog::{DeviceDb, FileRecord, FileState, SourceId};
use safelight_crypto::ContentHash;
use safelight_model::{AssetId, AssetState, DeviceId, Original, SourcePath, Storage};

use crate::error::Result;
use crate::import::ImportReport;
use crate::import::take::open_plain;
use crate::import::write::add_beside;
use crate::library::Library;
use crate::linked;
use crate::objects::newest;
use crate::scan::Scanned;
use crate::scan::trust::{Trust, judge, sampled_fingerprint, stamp_of};

/// A path as history records it: the source's folder, and what is below it. A source that is one file lies in the
/// folder around it.
pub(crate) fn source_path(device: DeviceId, root: &Path, below: &[u8]) -> SourcePath {
    let (root, relative) = match root.file_name().filter(|_| below.is_empty()) {
        Some(name) => (root.parent().unwrap_or(root), name.as_bytes().to_vec()),
        None => (root, below.to_vec()),
    };
    SourcePath { device, root: root.as_os_str().as_bytes().to_vec(), relative }
}

/// The paths on this device at which an asset was found and is no longer: what lies elsewhere was moved there. One
/// that is missing is left, and one that held other bytes when it was last looked at.
pub(crate) fn left_by(state: &AssetState, device: &DeviceDb, here: DeviceId) -> Result<Vec<SourcePath>> {
    let life = state.current();
    let mut left = Vec::new();
    for (content, path) in life.paths().filter(|(_, path)| path.device == here && life.is_there(path)) {
        let is_left = if is_missing(path) {
            is_connected(path) || lay_on_a_disk_that_is_here(path, content, &remembered_at(path, device)?)
        } else {
            holds_another(state, path, &remembered_at(path, device)?)
        };
        if is_left {
            left.push(path.clone());
        }
    }
    Ok(left)
}

/// Whether a path is known to this device, and holds nothing of an asset that it would still know. One that cannot be
/// looked at may hold it still.
fn holds_another(state: &AssetState, path: &SourcePath, remembered: &[FileRecord]) -> bool {
    let is_foreign = |content| state.current().contents().of_content(content).next().is_none();
    !remembered.is_empty() && held_at(path, remembered).is_ok_and(|held| held.is_none_or(is_foreign))
}

/// The content at a path on this device, if the file there is as it was when it was last read.
pub(crate) fn content_at(path: &SourcePath, device: &DeviceDb) -> Result<Option<ContentHash>> {
    Ok(held_at(path, &remembered_at(path, device)?).unwrap_or_default())
}

/// What a path holds by what is remembered of it, if the file there is as it was. Fails where that cannot be told: the
/// file is not there, or may not be read and its stamp alone says too little.
fn held_at(path: &SourcePath, remembered: &[FileRecord]) -> std::io::Result<Option<ContentHash>> {
    let whole = whole_path(path);
    let now = stamp_of(&std::fs::metadata(&whole)?);
    for record in remembered.iter().filter(|record| record.state == FileState::Imported) {
        let is_as_it_was = match judge(&record.stamp, &now) {
            Trust::Unchanged => true,
            Trust::Read => false,
            Trust::Compare => {
                record.sampled == Some(sampled_fingerprint(&open_plain(&whole)?, now.size_bytes)?)
            }
        };
        if is_as_it_was {
            return Ok(record.content);
        }
    }
    Ok(None)
}

/// The linked originals of an asset whose file has made room for another photo, as they lie elsewhere on this device.
pub(crate) fn linked_elsewhere(
    state: &AssetState,
    left: &SourcePath,
    here: DeviceId,
    device: &DeviceDb,
) -> Result<Vec<Original>> {
    let contents = state.current().contents();
    let each: BTreeSet<_> =
        contents.additions().iter().map(|addition| addition.value.original.content).collect();
    let mut found = Vec::new();
    for original in each.iter().filter_map(|content| newest(contents, content)) {
        if original.storage == Storage::Linked && original.source.is_same_file(left) {
            let there = other_file(original, here, device)?;
            found.extend(there.map(|(source, modified_millis)| Original {
                source,
                modified_millis,
                ..original.clone()
            }));
        }
    }
    Ok(found)
}

/// Another file on this device that has the content of an original, with the time when it was last changed.
pub(crate) fn other_file(
    original: &Original,
    here: DeviceId,
    device: &DeviceDb,
) -> Result<Option<(SourcePath, i64)>> {
    for (path, record) in other_paths(original, here, device)? {
        if content_at(&path, device)? == Some(original.content) {
            return Ok(Some((path, record.stamp.modified_nanos.div_euclid(1_000_000))));
        }
    }
    Ok(None)
}

/// Where else on this device an original's content was found, whatever lies there now.
pub(crate) fn other_paths(
    original: &Original,
    here: DeviceId,
    device: &DeviceDb,
) -> Result<Vec<(SourcePath, FileRecord)>> {
    let known = device.files_of_content(&original.content)?;
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let sources = device.sources()?;
    let placed = known.into_iter().filter_map(|(id, record)| {
        let source = sources.iter().find(|source| source.id == id)?;
        let path = source_path(here, Path::new(std::ffi::OsStr::from_bytes(&source.path)), &record.path);
        (!path.is_same_file(&original.source)).then_some((path, record))
    });
    Ok(placed.collect())
}

/// What this device remembers of a path, by every source that holds it.
pub(crate) fn remembered_at(path: &SourcePath, device: &DeviceDb) -> Result<Vec<FileRecord>> {
    let whole = path.whole();
    let mut records = Vec::new();
    for source in device.sources()? {
        if let Some(below) = below_source(&whole, &source.path) {
            records.extend(device.file(source.id, below)?);
        }
    }
    Ok(records)
}

/// Remembers of paths that history says an asset has left that its file there is gone, so that its coming back is noticed.
pub(crate) fn remember_left(device: &mut DeviceDb, state: &AssetState, left: &[SourcePath]) -> Result<()> {
    let is_its_own = |content: ContentHash| state.current().contents().of_content(content).next().is_some();
    for path in left {
        let whole = path.whole();
        for source in device.sources()? {
            let Some(below) = below_source(&whole, &source.path) else { continue };
            let Some(known) = device.file(source.id, below)? else { continue };
            if known.state != FileState::Imported || !known.content.is_some_and(is_its_own) {
                continue;
            }
            let is_gone = match held_at(path, &[known]) {
                Ok(held) => held.is_none(),
                Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            };
            if is_gone {
                device.mark_gone(source.id, [below])?;
            }
        }
    }
    Ok(())
}

fn below_source<'a>(whole: &'a [u8], source: &[u8]) -> Option<&'a [u8]> {
    match whole.strip_prefix(source)? {
        [] => Some(&[]),
        [b'/', below @ ..] => Some(below),
        below if source.ends_with(b"/") => Some(below),
        _ => None,
    }
}

/// Files of one source hold something else than before, or are gone: what other sources around or within it remember
/// of them counts as gone until they are looked at by those again.
pub(crate) fn outdate_elsewhere<'a>(
    device: &mut DeviceDb,
    source: SourceId,
    root: &Path,
    files: impl Iterator<Item = (&'a [u8], Option<ContentHash>)>,
) -> Result<()> {
    let root = root.as_os_str().as_bytes();
    let mut others = device.sources()?;
    others.retain(|other| {
        other.id != source
            && (below_source(root, &other.path).is_some() || below_source(&other.path, root).is_some())
    });
    if others.is_empty() {
        return Ok(());
    }
    for (below, now) in files {
        let whole = if below.is_empty() { root.to_vec() } else { [root, below].join(&b'/') };
        for other in &others {
            let Some(below) = below_source(&whole, &other.path) else { continue };
            let known = device.file(other.id, below)?;
            if known.is_some_and(|known| known.state == FileState::Imported && known.content != now) {
                device.mark_gone(other.id, [below])?;
            }
        }
    }
    Ok(())
}

fn is_missing(source: &SourcePath) -> bool {
    let found = std::fs::symlink_metadata(whole_path(source));
    found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Where a file lies on its device.
pub(crate) fn whole_path(source: &SourcePath) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(source.whole()))
}

fn root_of(source: &SourcePath) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(&source.root))
}

/// Whether the folder of a source is there and holds anything.
pub(crate) fn is_connected(source: &SourcePath) -> bool {
    std::fs::read_dir(root_of(source)).is_ok_and(|mut folder| folder.next().is_some())
}

/// Whether a folder that is empty or gone was no disk of its own: what is there of the way to it lies on the disk on
/// which the file was.
fn lay_on_a_disk_that_is_here(path: &SourcePath, content: ContentHash, remembered: &[FileRecord]) -> bool {
    let known = remembered.iter().find(|record| record.content == Some(content));
    let known = known.map(|record| record.stamp.device);
    let there = root_of(path).ancestors().find_map(|folder| std::fs::metadata(folder).ok());
    known.is_some() && known == there.map(|folder| folder.dev())
}

impl Library {
    /// Records which files are back where they were, and remembers what a scan found out without reading a file. It
    /// comes before anything else of an import: where such a photo lay meanwhile there may be another one by now.
    pub(crate) fn say_what_is_back(
        &mut self,
        source: SourceId,
        root: &Path,
        scanned: &Scanned,
    ) -> Result<()> {
        let here = self.keyring().device().id();
        let mut bodies = Vec::new();
        let mut back = BTreeSet::new();
        for record in &scanned.returned {
            if let Some((asset, state)) = self.asset_of(record)? {
                let returns = state.return_to_path(asset, &source_path(here, root, &record.path));
                back.extend((!returns.is_empty()).then_some(asset));
                bodies.extend(returns);
            }
        }
        self.record(bodies)?;
        self.device.begin_as_one()?;
        let said = self.remember_what_is_back(source, &scanned.refreshed, back);
        let is_said = self.device.end_as_one(said)?;
        if is_said { self.close_segment() } else { Ok(()) }
    }

    /// Whether there was anything more to say of the photos that are back.
    fn remember_what_is_back(
        &mut self,
        source: SourceId,
        refreshed: &[FileRecord],
        back: BTreeSet<AssetId>,
    ) -> Result<bool> {
        let here = self.keyring().device().id();
        self.device.record_files(source, refreshed)?;
        if back.is_empty() {
            return Ok(false);
        }
        let (mut bodies, mut all_left) = (Vec::new(), Vec::new());
        for asset in back {
            let Some(state) = self.catalog().asset_state(asset)? else { continue };
            let left = left_by(&state, &self.device, here)?;
            for path in &left {
                let there = linked_elsewhere(&state, path, here, &self.device)?;
                bodies.extend(there.into_iter().filter_map(|there| add_beside(&state, asset, there)));
                bodies.extend(state.leave_path(asset, path));
            }
            all_left.push((state, left));
        }
        self.record(bodies)?;
        for (state, left) in &all_left {
            remember_left(&mut self.device, state, left)?;
        }
        Ok(true)
    }

    /// Records which files are no longer where they were while their photos are elsewhere; counts those that are gone by
    /// whether anything else has what they held.
    pub(crate) fn say_what_moved(
        &mut self,
        root: &Path,
        scanned: &Scanned,
        report: &mut ImportReport,
    ) -> Result<()> {
        let here = self.keyring().device().id();
        let mut bodies = Vec::new();
        for record in &scanned.gone {
            let Some(content) = record.content else { continue };
            if let Some((asset, state)) = self.asset_of(record)? {
                let path = source_path(here, root, &record.path);
                let leaves = state.leave_path(asset, &path);
                bodies.extend(leaves);
                let life = state.current();
                if life
                    .paths_of(content)
                    .iter()
                    .any(|(at, _)| !at.is_same_file(&path) && life.lies_at(content, at))
                {
                    report.gone_moved += 1;
                    continue;
                }
            }
            match self.original_of(&content)? {
                Some(original) if original.storage != Storage::Linked => report.gone_kept += 1,
                Some(original) if linked::look(&original, here, &self.device).is_err() => {
                    report.gone_linked += 1;
                }
                // It was found elsewhere, or is in no library any more.
                Some(_) | None => {}
            }
        }
        if bodies.is_empty() {
            return Ok(());
        }
        self.record(bodies)?;
        self.close_segment()
    }

    fn asset_of(&self, record: &FileRecord) -> Result<Option<(AssetId, AssetState)>> {
        let catalog = self.catalog();
        let Some(content) = record.content else { return Ok(None) };
        let Some(asset) = catalog.find_content(content)? else { return Ok(None) };
        Ok(catalog.asset_state(asset)?.map(|state| (asset, state)))
    }
}
