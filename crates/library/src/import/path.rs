//! Where photos lie in the user's own folders: a file that was moved or renamed is shown where it is now.
//!
//! Invariant: the last known path of a photo is never taken away, so that one can always see where it came from; and
//! a folder that is empty or not there, a disk that is not connected, takes none away at all.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use safelight_catalog::{DeviceDb, FileRecord};
use safelight_crypto::ContentHash;
use safelight_model::{AssetId, AssetState, DeviceId, OpBody, SourcePath, Storage};

use super::ImportReport;
use crate::error::Result;
use crate::library::Library;
use crate::linked;
use crate::scan::Scanned;

/// A path as history records it: the source's folder, and what is below it. A source that is one file lies in the
/// folder around it.
pub(crate) fn source_path(device: DeviceId, root: &Path, below: &[u8]) -> SourcePath {
    let (root, relative) = match root.file_name().filter(|_| below.is_empty()) {
        Some(name) => (root.parent().unwrap_or(root), name.as_bytes().to_vec()),
        None => (root, below.to_vec()),
    };
    SourcePath { device, root: root.as_os_str().as_bytes().to_vec(), relative }
}

/// The paths on this device at which an asset was found and is no longer: what lies elsewhere was moved there.
pub(crate) fn left_by(state: &AssetState, device: &DeviceDb, here: DeviceId) -> Result<Vec<SourcePath>> {
    let life = state.current();
    let additions = life.contents().additions().iter().map(|addition| &addition.value.original);
    let added = additions.map(|original| (original.content, &original.source));
    let known = added.chain(life.seen().iter().map(|seen| (seen.content, &seen.source)));
    let mut left = Vec::new();
    for (content, path) in known.filter(|(_, path)| path.device == here && life.is_there(path)) {
        if is_missing(path) && (is_connected(path) || lay_on_a_disk_that_is_here(path, content, device)?) {
            left.push(path.clone());
        }
    }
    Ok(left)
}

fn is_missing(source: &SourcePath) -> bool {
    let found =
        std::fs::symlink_metadata(root_of(source).join(std::ffi::OsStr::from_bytes(&source.relative)));
    found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn root_of(source: &SourcePath) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(&source.root))
}

fn is_connected(source: &SourcePath) -> bool {
    std::fs::read_dir(root_of(source)).is_ok_and(|mut folder| folder.next().is_some())
}

/// Whether a folder that is empty or gone was no disk of its own: what is there of the way to it lies on the disk on
/// which the file was.
fn lay_on_a_disk_that_is_here(path: &SourcePath, content: ContentHash, device: &DeviceDb) -> Result<bool> {
    let sources = device.sources()?;
    let known = device.files_of_content(&content)?.into_iter().find_map(|(id, record)| {
        let source = sources.iter().find(|source| source.id == id)?;
        let root = Path::new(std::ffi::OsStr::from_bytes(&source.path));
        (source_path(path.device, root, &record.path) == *path).then_some(record.stamp.device)
    });
    let there = root_of(path).ancestors().find_map(|folder| std::fs::metadata(folder).ok());
    Ok(known.is_some() && known == there.map(|folder| folder.dev()))
}

impl Library {
    /// Records which files are no longer where they were while their photos are elsewhere, and which are back; counts
    /// those that are gone by whether anything else has what they held.
    pub(super) fn say_what_moved(
        &mut self,
        root: &Path,
        scanned: &Scanned,
        report: &mut ImportReport,
    ) -> Result<()> {
        let here = self.keyring().device().id();
        // First what is back: it is where photos are that have left another path.
        let back = self.said_to_be_back(root, here, &scanned.returned)?;
        let mut is_news = !back.is_empty();
        self.record(back)?;
        let mut bodies = Vec::new();
        for record in &scanned.gone {
            let Some(content) = record.content else { continue };
            if let Some((asset, state)) = self.asset_of(record)? {
                let path = source_path(here, root, &record.path);
                let leaves = state.leave_path(asset, &path);
                if leaves.is_some() || !state.current().is_there(&path) {
                    report.gone_moved += 1;
                    bodies.extend(leaves);
                    continue;
                }
            }
            match self.original_of(&content)? {
                Some(original) if original.storage != Storage::Linked => report.gone_kept += 1,
                Some(original) if linked::look(&original, here).is_err() => report.gone_linked += 1,
                // It was found elsewhere, or is in no library any more.
                Some(_) | None => {}
            }
        }
        is_news |= !bodies.is_empty();
        self.record(bodies)?;
        if is_news { self.close_segment() } else { Ok(()) }
    }

    fn said_to_be_back(&self, root: &Path, here: DeviceId, returned: &[FileRecord]) -> Result<Vec<OpBody>> {
        let mut bodies = Vec::new();
        for record in returned {
            if let Some((asset, state)) = self.asset_of(record)? {
                bodies.extend(state.return_to_path(asset, &source_path(here, root, &record.path)));
            }
        }
        Ok(bodies)
    }

    fn asset_of(&self, record: &FileRecord) -> Result<Option<(AssetId, AssetState)>> {
        let catalog = self.catalog();
        let Some(content) = record.content else { return Ok(None) };
        let Some(asset) = catalog.find_content(content)? else { return Ok(None) };
        Ok(catalog.asset_state(asset)?.map(|state| (asset, state)))
    }
}
