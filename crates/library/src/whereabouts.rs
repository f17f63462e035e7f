//! Where photos lie in the user's own folders: a file that was moved or renamed is shown where it is now.
//!
//! Invariant: the last known path of a photo is never taken away, so that one can always see where it came from; and
//! a folder that is empty or not there, a disk that is not connected, takes none away at all. Before history says that
//! paths were left, this device doubts what it remembers of them ([`doubt_left`]).

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use safelight_catalog::{DeviceDb, FileRecord, FileState, SourceId};
use safelight_crypto::ContentHash;
use safelight_model::{AssetId, AssetState, DeviceId, OpBody, Original, SourcePath, Storage};

use crate::error::Result;
use crate::import::ImportReport;
use crate::import::write::add_beside;
use crate::known_files::{Holding, KnownFiles, Mark, source_path, whole_path};
use crate::library::Library;
use crate::linked;
use crate::objects::newest;
use crate::scan::Scanned;

/// The paths on this device at which an asset was found and is no longer: what lies elsewhere was moved there. One
/// that is missing is left, and one that holds something else than the asset, or has been written to since.
pub(crate) fn left_by(state: &AssetState, files: &KnownFiles<'_>) -> Result<Vec<SourcePath>> {
    let life = state.current();
    let mut left = Vec::new();
    for (content, path) in life.paths().filter(|(_, path)| path.device == files.here() && life.is_there(path))
    {
        let is_left = match files.look(path)? {
            Holding::Read(held) => held.is_none_or(|held| !is_of(state, held)),
            Holding::Unread { is_known, .. } => is_known,
            // A link that leads nowhere is not missing.
            Holding::Unseen(error) => {
                error.kind() == std::io::ErrorKind::NotFound
                    && whole_path(path).symlink_metadata().is_err()
                    && (is_connected(path) || lay_on_a_disk_that_is_here(path, content, &files.rows(path)?))
            }
        };
        if is_left {
            left.push(path.clone());
        }
    }
    Ok(left)
}

fn is_of(state: &AssetState, content: ContentHash) -> bool {
    state.current().contents().of_content(content).next().is_some()
}

/// Assets and the paths that they have left, to be remembered once history says so ([`remember_left`]).
pub(crate) type AllLeft = Vec<(AssetState, Vec<SourcePath>)>;

/// The ops that say which paths assets have left while they are elsewhere, and where else their linked originals are whose
/// file lay there; and those paths.
pub(crate) fn leave(
    found: impl IntoIterator<Item = (AssetId, AssetState)>,
    files: &KnownFiles<'_>,
) -> Result<(Vec<OpBody>, AllLeft)> {
    let (mut bodies, mut all_left) = (Vec::new(), Vec::new());
    for (asset, state) in found {
        let left = left_by(&state, files)?;
        for path in &left {
            bodies.extend(link_elsewhere(asset, &state, path, files)?);
            bodies.extend(state.leave_path(asset, path));
        }
        all_left.push((state, left));
    }
    Ok((bodies, all_left))
}

/// The ops that say where else on this device the linked originals of an asset are whose file has made room for another
/// photo.
pub(crate) fn link_elsewhere(
    asset: AssetId,
    state: &AssetState,
    left: &SourcePath,
    files: &KnownFiles<'_>,
) -> Result<Vec<OpBody>> {
    let contents = state.current().contents();
    let each: BTreeSet<_> =
        contents.additions().iter().map(|addition| addition.value.original.content).collect();
    let mut bodies = Vec::new();
    for original in each.iter().filter_map(|content| newest(contents, content)) {
        if original.storage == Storage::Linked
            && original.source.is_same_file(left)
            && let Some((source, modified_millis)) = files.other_file(original.content, &original.source)?
        {
            let there = Original { source, modified_millis, ..original.clone() };
            bodies.extend(add_beside(state, asset, there));
        }
    }
    Ok(bodies)
}

/// What this device remembers of an asset's contents at paths that the asset has left.
fn rows_left(
    state: &AssetState,
    left: &[SourcePath],
    files: &KnownFiles<'_>,
) -> Result<Vec<(SourceId, FileRecord)>> {
    let mut rows = Vec::new();
    for path in left {
        rows.extend(files.rows(path)?.into_iter().filter(|(_, known)| {
            matches!(known.state, FileState::Imported | FileState::Unsettled(_))
                && known.content.is_some_and(|content| is_of(state, content))
        }));
    }
    Ok(rows)
}

/// Doubts what this device remembers of the paths that assets have left, before history says where these are now: if that
/// is cut short and the files are back by then, the next import reads them and says so.
pub(crate) fn doubt_left<'a>(
    device: &mut DeviceDb,
    here: DeviceId,
    states: impl IntoIterator<Item = &'a AssetState>,
) -> Result<()> {
    let files = KnownFiles::of(device, here)?;
    let mut rows = Vec::new();
    for state in states {
        rows.extend(rows_left(state, &left_by(state, &files)?, &files)?);
    }
    Mark::Doubted.put(device, rows)
}

/// Remembers of paths that history says assets have left that their files there are gone, so that their coming back is
/// noticed.
pub(crate) fn remember_left(device: &mut DeviceDb, here: DeviceId, all_left: &AllLeft) -> Result<()> {
    let files = KnownFiles::of(device, here)?;
    let mut rows = Vec::new();
    for (state, left) in all_left {
        rows.extend(rows_left(state, left, &files)?);
    }
    Mark::Gone.put(device, rows)
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
fn lay_on_a_disk_that_is_here(
    path: &SourcePath,
    content: ContentHash,
    rows: &[(SourceId, FileRecord)],
) -> bool {
    let known = rows.iter().find(|(_, record)| record.content == Some(content));
    let known = known.map(|(_, record)| record.stamp.device);
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
        let mut back = BTreeMap::new();
        for record in &scanned.returned {
            if let Some((asset, state)) = self.asset_of(record)? {
                let returns = state.return_to_path(asset, &source_path(here, root, &record.path));
                if !returns.is_empty() {
                    bodies.extend(returns);
                    back.insert(asset, state);
                }
            }
        }
        doubt_left(&mut self.device, here, back.values())?;
        self.record(bodies)?;
        self.device.begin_as_one()?;
        let said = self.remember_what_is_back(source, &scanned.refreshed, back.into_keys());
        let is_said = self.device.end_as_one(said)?;
        if is_said { self.close_segment() } else { Ok(()) }
    }

    /// Whether there was anything more to say of the photos that are back.
    fn remember_what_is_back(
        &mut self,
        source: SourceId,
        refreshed: &[FileRecord],
        back: impl ExactSizeIterator<Item = AssetId>,
    ) -> Result<bool> {
        let here = self.keyring().device().id();
        self.device.record_files(source, refreshed)?;
        if back.len() == 0 {
            return Ok(false);
        }
        let mut found = Vec::with_capacity(back.len());
        for asset in back {
            found.extend(self.catalog().asset_state(asset)?.map(|state| (asset, state)));
        }
        let (bodies, all_left) = leave(found, &KnownFiles::of(&self.device, here)?)?;
        self.record(bodies)?;
        remember_left(&mut self.device, here, &all_left)?;
        Ok(true)
    }

    /// Records which files are no longer where they were while their photos are elsewhere; counts those that are gone by
    /// whether anything else has what they held.
    pub(crate) fn say_what_moved(
        &mut self,
        source: SourceId,
        root: &Path,
        scanned: &Scanned,
        report: &mut ImportReport,
    ) -> Result<()> {
        let here = self.keyring().device().id();
        let (mut bodies, mut doubted) = (Vec::new(), Vec::new());
        for record in &scanned.gone {
            let Some(content) = record.content else { continue };
            if let Some((asset, state)) = self.asset_of(record)? {
                let path = source_path(here, root, &record.path);
                let leaves = state.leave_path(asset, &path);
                if !leaves.is_empty() {
                    bodies.extend(leaves);
                    doubted.push((source, record.clone()));
                }
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
        Mark::Doubted.put(&mut self.device, doubted)?;
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
