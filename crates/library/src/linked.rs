//! Originals that stayed where they were found: this library holds their thumbnails and what is known of them, and
//! the user's own file is the only copy that it knows.
//!
//! Invariant: such a file is never written, and never taken for what was imported unless its bytes are. One that is
//! not there is *absent* (a disk that is not connected), never deleted; one that another program has written over is
//! *changed*, and what it held is nowhere that this library knows.

use std::collections::HashSet;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use safelight_catalog::{AssetRow, FileRecord, FileState, ListOptions, Shelf};
use safelight_crypto::{ContentHash, Sha256};
use safelight_model::{Contents, DeviceId, Original, SourcePath, Storage};

use crate::error::{LibraryError, Result};
use crate::import::ImportReport;
use crate::library::Library;
use crate::monitor::{Monitor, Problem};
use crate::objects::{are_parts_here, newest, read_through};
use crate::scan::trust::{Trust, judge, stamp_of};
use crate::whereabouts::{remembered_at, whole_path};

/// How many rows of the timeline are looked at together.
const STRETCH_ROWS: usize = 1000;

/// Where a linked original lies on its device.
pub(crate) fn path_of(original: &Original) -> PathBuf {
    whole_path(&original.source)
}

impl Library {
    /// The linked originals that an import takes in once more where it meets their bytes, be the file unchanged: all of
    /// them when copies are asked for, else those that are not where they were.
    pub(crate) fn linked_to_take(&self, link: bool) -> Result<HashSet<ContentHash>> {
        let mut wanted = HashSet::new();
        self.each_linked(|row| {
            if !link || !Path::new(std::ffi::OsStr::from_bytes(&row.path)).exists() {
                wanted.insert(row.content);
            }
            Ok(())
        })?;
        Ok(wanted)
    }

    /// Whether an import has found something else where a linked original lay, be it another photo or none at all: what
    /// was there is nowhere that this library knows, as if the file had been deleted.
    pub(crate) fn is_replaced(&self, original: &Original) -> Result<bool> {
        let here = self.keyring().device().id();
        let is_only_a_link = original.storage == Storage::Linked && original.source.device == here;
        if !is_only_a_link || are_parts_here(&self.place, original)? {
            return Ok(false);
        }
        let Ok(there) = std::fs::metadata(path_of(original)) else { return Ok(false) };
        let now = stamp_of(&there);
        let is_another = |record: &FileRecord| match record.state {
            FileState::Refused(_) => true,
            FileState::Imported | FileState::Purged => record.content != Some(original.content),
            _ => false,
        };
        let remembered = remembered_at(&original.source, &self.device)?;
        Ok(remembered.iter().any(|record| is_another(record) && judge(&record.stamp, &now) != Trust::Read))
    }

    /// Says once of linked originals that something else lies in their place, and remembers it, so that a copy of one
    /// is taken in wherever an import meets it. A newer version of the same photo is another story, told when it came.
    pub(crate) fn say_what_was_replaced(
        &mut self,
        contents: &HashSet<ContentHash>,
        report: &mut ImportReport,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        for content in contents {
            let Some(asset) = self.catalog().find_content(*content)? else { continue };
            let Some(state) = self.catalog().asset_state(asset)? else { continue };
            let held = state.current().contents();
            let Some(original) = newest(held, content).filter(|original| !is_written_over(held, original))
            else {
                continue;
            };
            if !self.is_replaced(original)? || self.may_lie_elsewhere(original)? {
                continue;
            }
            self.damaged.note(&mut self.device, content)?;
            report.replaced += 1;
            monitor.problem(&Problem::notice(
                path_of(original),
                "something else lies here now; what was linked here is in no copy that this library knows",
            ));
        }
        Ok(())
    }

    /// Goes through the photos whose newest version is linked, those in the trash left aside.
    pub(crate) fn each_linked(&self, mut each: impl FnMut(&AssetRow) -> Result<()>) -> Result<()> {
        let shelves = [Shelf::Shown, Shelf::Hidden];
        let mut linked = 0;
        for shelf in shelves {
            linked += self.catalog().totals(shelf)?.linked;
        }
        if linked == 0 {
            return Ok(());
        }
        let (query, mut after) = (self.query("is:linked")?, None);
        loop {
            let shelves = Some(shelves.to_vec());
            let options = ListOptions { after, shelves, limit: STRETCH_ROWS, ..ListOptions::default() };
            let page = self.catalog().list(&query, &options)?;
            page.rows.iter().try_for_each(&mut each)?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// Looks at a linked original's place and size, without reading it; answers its bytes.
pub(crate) fn look(original: &Original, here: DeviceId) -> Result<u64> {
    let path = find(original, here)?;
    let metadata = std::fs::metadata(&path).map_err(|source| absent_or(&path, source))?;
    if metadata.len() == original.size_bytes {
        Ok(metadata.len())
    } else {
        Err(LibraryError::LinkChanged { path })
    }
}

/// Reads a linked original to `output` and compares its hash; answers its bytes.
pub(crate) fn write(original: &Original, here: DeviceId, output: &mut dyn Write) -> Result<u64> {
    let path = find(original, here)?;
    let mut hasher = Sha256::new();
    let read = read_through(&path, &mut |bytes| {
        hasher.update(bytes);
        output.write_all(bytes).map_err(LibraryError::writing_output)
    });
    let bytes = read.map_err(|error| match error {
        LibraryError::Io { path, action: "read", source } => absent_or(&path, source),
        other => other,
    })?;
    let is_it = ContentHash::from_bytes(hasher.finish()) == original.content;
    if is_it { Ok(bytes) } else { Err(LibraryError::LinkChanged { path }) }
}

/// Whether a newer content was found at the very place of a linked one, which is therefore nowhere any more.
pub(crate) fn is_written_over(contents: &Contents, original: &Original) -> bool {
    let added = contents.of_content(original.content).map(|addition| (addition.stamp, addition.op)).max();
    original.storage == Storage::Linked
        && contents.additions().iter().any(|other| {
            other.value.original.content != original.content
                && other.value.original.source == original.source
                && Some((other.stamp, other.op)) > added
        })
}

/// The newest version of a photo, if it is linked at `source`, where other bytes lie now: their content would show
/// for ever what is nowhere any more, unless what lies there becomes the newest version again.
pub(crate) fn stood_at<'a>(
    contents: &'a Contents,
    source: &SourcePath,
    now: &ContentHash,
) -> Option<&'a Original> {
    let newest = &contents.current()?.value.original;
    (newest.storage == Storage::Linked && newest.source == *source && newest.content != *now)
        .then_some(newest)
}

fn find(original: &Original, here: DeviceId) -> Result<PathBuf> {
    if original.source.device == here {
        return Ok(path_of(original));
    }
    Err(LibraryError::NotHere {
        object: format!("{}, which is linked on another device,", original.source.display()),
    })
}

fn absent_or(path: &Path, source: std::io::Error) -> LibraryError {
    match source.kind() {
        // A part of the path that is a file now is as absent as one that is gone.
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            LibraryError::LinkAbsent { path: path.to_owned() }
        }
        _ => LibraryError::reading(path, source),
    }
}
