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

use safelight_catalog::{AssetRow, DeviceDb, ListOptions, Shelf};
use safelight_crypto::{ContentHash, Sha256};
use safelight_model::{Contents, DeviceId, Original, Storage};

use crate::error::{LibraryError, Result};
use crate::import::ImportReport;
use crate::known_files::{Holding, KnownFiles, whole_path};
use crate::library::Library;
use crate::monitor::{Monitor, Problem};
use crate::objects::{are_parts_here, newest, read_through};
use crate::whereabouts::is_connected;

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
            let is_there = Path::new(std::ffi::OsStr::from_bytes(&row.path)).exists();
            if !link || !is_there && !self.is_found_elsewhere(&row.content)? {
                wanted.insert(row.content);
            }
            Ok(())
        })?;
        Ok(wanted)
    }

    /// Whether a linked original whose file is not where it was is known in another one.
    fn is_found_elsewhere(&self, content: &ContentHash) -> Result<bool> {
        let here = self.keyring().device().id();
        let original = self.original_of(content)?;
        Ok(original.is_some_and(|original| find(&original, here, &self.device).is_ok()))
    }

    /// Whether an import has found something else where a linked original lay, be it another photo or none at all: what
    /// was there is nowhere that this library knows, as if the file had been deleted.
    pub(crate) fn is_replaced(&self, original: &Original) -> Result<bool> {
        let here = self.keyring().device().id();
        let is_only_a_link = original.storage == Storage::Linked && original.source.device == here;
        if !is_only_a_link || are_parts_here(&self.place, original)? {
            return Ok(false);
        }
        let files = KnownFiles::of(&self.device, here)?;
        let Holding::Read(held) = files.look(&original.source)? else { return Ok(false) };
        Ok(held != Some(original.content) && files.other_file(original.content, &original.source)?.is_none())
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

/// Where the file of a linked original is on this device: where it was linked, or else at another path at which it was
/// found. A path that is known to hold something else by now is passed over.
pub(crate) fn find(original: &Original, here: DeviceId, device: &DeviceDb) -> Result<PathBuf> {
    find_as(original, here, device).map(|(path, _)| path)
}

/// The same, and whether the file is known to be as it was when it was linked.
fn find_as(original: &Original, here: DeviceId, device: &DeviceDb) -> Result<(PathBuf, bool)> {
    let (path, files) = (path_of(original), KnownFiles::of(device, here)?);
    let may_be_there = if original.source.device == here {
        match files.look(&original.source)? {
            Holding::Read(held) if held == Some(original.content) => return Ok((path, true)),
            // Whoever reads it compares the hash.
            Holding::Unread { size_bytes, .. } if size_bytes == Some(original.size_bytes) => Ok(path),
            Holding::Read(_) | Holding::Unread { .. } => Err(LibraryError::LinkChanged { path }),
            // It may not be read, and whoever tries says so.
            Holding::Unseen(_) if path.is_file() => Ok(path),
            Holding::Unseen(source) => Err(absent_or(&path, source)),
        }
    } else {
        let object = format!("{}, which is linked on another device,", original.source.display());
        Err(LibraryError::NotHere { object })
    };
    match files.other_file(original.content, &original.source)? {
        Some((elsewhere, _)) => Ok((whole_path(&elsewhere), false)),
        None => may_be_there.map(|path| (path, false)),
    }
}

/// The same for whoever reads parts of it, which no hash proves: a file that is not known to be as it was is read whole
/// first.
pub(crate) fn find_proven(original: &Original, here: DeviceId, device: &DeviceDb) -> Result<PathBuf> {
    let (path, is_known) = find_as(original, here, device)?;
    if !is_known {
        write_from(&path, original, &mut std::io::sink())?;
    }
    Ok(path)
}

/// Whether the file of a linked original was taken away: nothing is at its path, its folder is connected, and no other
/// file of this device has what it held.
pub(crate) fn is_taken_away(original: &Original, here: DeviceId, device: &DeviceDb) -> bool {
    original.storage == Storage::Linked
        && original.source.device == here
        && is_connected(&original.source)
        && matches!(find(original, here, device), Err(LibraryError::LinkAbsent { .. }))
}

/// Looks for a linked original's file, without reading it; answers its bytes.
pub(crate) fn look(original: &Original, here: DeviceId, device: &DeviceDb) -> Result<u64> {
    find(original, here, device).map(|_| original.size_bytes)
}

/// Reads a linked original to `output` and compares its hash; answers its bytes.
pub(crate) fn write(
    original: &Original,
    here: DeviceId,
    device: &DeviceDb,
    output: &mut dyn Write,
) -> Result<u64> {
    write_from(&find(original, here, device)?, original, output)
}

/// Reads a linked original from the file that [`find`] named, and compares its hash; answers its bytes.
pub(crate) fn write_from(path: &Path, original: &Original, output: &mut dyn Write) -> Result<u64> {
    let mut hasher = Sha256::new();
    let read = read_through(path, &mut |bytes| {
        hasher.update(bytes);
        output.write_all(bytes).map_err(LibraryError::writing_output)
    });
    let bytes = read.map_err(|error| match error {
        LibraryError::Io { path, action: "read", source } => absent_or(&path, source),
        other => other,
    })?;
    let is_it = ContentHash::from_bytes(hasher.finish()) == original.content;
    if is_it { Ok(bytes) } else { Err(LibraryError::LinkChanged { path: path.to_owned() }) }
}

/// Whether a newer content was found at the very place of a linked one, which is therefore nowhere any more.
pub(crate) fn is_written_over(contents: &Contents, original: &Original) -> bool {
    let last = contents.last_at(&original.source);
    original.storage == Storage::Linked
        && last.is_some_and(|last| last.value.original.content != original.content)
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
