//! Renditions and small originals: sealed as entries, appended to a local pack, found there again.
//!
//! The pack is the truth and `device.db` an index into it; each entry's frame says, sealed, what it is, so a
//! scan restores the index (SL1 §3.5). A pack is held by one writer at a time; a second process starts a
//! pack of its own.

use std::io::{Read, Seek, SeekFrom};

use safelight_catalog::{DeviceDb, PackLocation};
use safelight_crypto::{
    ContentHash, Entropy as _, EntryName, Epoch, FRAME_LEN, Keyring, LOCAL_PACK_HEADER, LibraryId, OsEntropy,
    SealedEntry, base32, open_entry, read_frame, scan_local_pack, seal_entry,
};
use safelight_media::pool::{Rendered, Rendition as Made};
use safelight_model::{Rendition, RenditionKind};
use safelight_store::{AppendFile, Area, FolderPlace, ObjectPath, ObjectReader, PathPart};

use crate::error::{LibraryError, Result};

/// The recipe by which renditions are made now.
pub(crate) const PREVIEW_RECIPE: u16 = safelight_media::pool::RECIPE;

/// A pack that is longer than this is not appended to any more.
const PACK_BYTES: u64 = 64 << 20;

/// A rendition, or a small original, sealed and not yet in a pack.
#[derive(Debug)]
pub(crate) struct MadeRendition {
    /// What history says of it; nothing for an original.
    pub(crate) rendition: Option<Rendition>,
    frame: [u8; FRAME_LEN],
    sealed: SealedEntry,
}

impl MadeRendition {
    /// The bytes that it takes in a pack.
    pub(crate) fn length_bytes(&self) -> u64 {
        (self.frame.len() + self.sealed.as_bytes().len()) as u64
    }
}

/// Seals entries of packs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealer<'a> {
    library: LibraryId,
    epoch: &'a Epoch,
}

impl<'a> Sealer<'a> {
    pub(crate) fn new(library: LibraryId, epoch: &'a Epoch) -> Self {
        Self { library, epoch }
    }

    pub(crate) fn seal_original(&self, content: &ContentHash, bytes: &[u8]) -> Result<MadeRendition> {
        self.seal(content, RenditionKind::Original, 0, bytes, None)
    }

    pub(crate) fn seal_rendered(
        &self,
        content: &ContentHash,
        rendered: &Rendered,
    ) -> Result<Vec<MadeRendition>> {
        let kinds = [
            (RenditionKind::Thumbnail, rendered.thumbnail.as_ref()),
            (RenditionKind::Preview, rendered.preview.as_ref()),
        ];
        let mut made = Vec::new();
        for (kind, rendition) in kinds {
            if let Some(rendition) = rendition {
                made.push(self.seal(content, kind, PREVIEW_RECIPE, &rendition.bytes, Some(rendition))?);
            }
        }
        Ok(made)
    }

    fn seal(
        &self,
        content: &ContentHash,
        kind: RenditionKind,
        recipe: u16,
        bytes: &[u8],
        made: Option<&Made>,
    ) -> Result<MadeRendition> {
        let name = EntryName { content: *content, kind: entry_kind(kind), recipe };
        let sealed = seal_entry(self.epoch, self.library, name, bytes, &mut OsEntropy)?;
        let rendition = made.map(|made| Rendition {
            kind,
            recipe,
            sha256: sealed.record().sha256,
            length_bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            width: u16::try_from(made.width).unwrap_or(u16::MAX),
            height: u16::try_from(made.height).unwrap_or(u16::MAX),
        });
        Ok(MadeRendition { rendition, frame: sealed.frame(self.library, self.epoch), sealed })
    }
}

fn entry_kind(kind: RenditionKind) -> u8 {
    u8::try_from(kind.code()).unwrap_or(u8::MAX)
}

/// The local packs of a library folder, of which one is being appended to.
#[derive(Debug)]
pub(crate) struct LocalPacks {
    place: FolderPlace,
    current: Option<AppendFile>,
    /// What was appended since the last sync.
    unsynced: bool,
}

impl LocalPacks {
    pub(crate) fn new(place: FolderPlace) -> Self {
        Self { place, current: None, unsynced: false }
    }

    /// Appends an entry; it is durable after [`LocalPacks::sync`]. A pack that takes no more stays the current one:
    /// what it took before is still to be synced.
    pub(crate) fn append(
        &mut self,
        content: ContentHash,
        made: &MadeRendition,
        keyring: &Keyring,
        device: &mut DeviceDb,
    ) -> Result<PackLocation> {
        if self.current.as_ref().is_some_and(|pack| pack.length_bytes() >= PACK_BYTES) {
            self.sync()?;
            self.current = None;
        }
        let mut bytes = made.frame.to_vec();
        bytes.extend_from_slice(made.sealed.as_bytes());
        let opened = match self.current.take() {
            Some(pack) => pack,
            None => self.open(keyring, device)?,
        };
        let pack = self.current.insert(opened);
        let position = pack.append(&bytes)?;
        let name = pack.path().as_str().to_owned();
        self.unsynced = true;
        let record = made.sealed.record();
        Ok(PackLocation {
            content,
            kind: RenditionKind::from_code(u16::from(record.name.kind)),
            recipe: record.name.recipe,
            pack: name,
            position,
            length: bytes.len() as u64,
        })
    }

    /// Makes what was appended durable. That the pack is gone which holds it is an error, never taken for success.
    pub(crate) fn sync(&mut self) -> Result<()> {
        if self.unsynced {
            let pack = self.current.as_ref().ok_or_else(|| LibraryError::Damaged {
                object: Area::Local.as_str().to_owned(),
                reason: "the pack is gone before what was appended to it was made durable".into(),
            })?;
            pack.sync()?;
        }
        self.unsynced = false;
        Ok(())
    }

    /// Continues a pack that nobody else holds and that is not full, or starts one.
    fn open(&mut self, keyring: &Keyring, device: &mut DeviceDb) -> Result<AppendFile> {
        for found in pack_paths(&self.place)? {
            let end = device.end_of_pack(found.as_str())?;
            let Some(mut pack) = self.place.open_append(&found)? else { continue };
            if pack.length_bytes() >= PACK_BYTES {
                continue;
            }
            if end == Some(pack.length_bytes())
                || self.recover(&mut pack, end.unwrap_or(0), keyring, device)?
            {
                return Ok(pack);
            }
        }
        loop {
            let mut id = [0; 16];
            OsEntropy.fill(&mut id);
            let name = PathPart::parse(&base32(&id)).map_err(safelight_store::StoreError::from)?;
            let path = ObjectPath::flat(Area::Local, &name).map_err(safelight_store::StoreError::from)?;
            match self.place.create_append(&path) {
                Ok(mut pack) => {
                    pack.append(&LOCAL_PACK_HEADER)?;
                    return Ok(pack);
                }
                // Another process that looked for a pack took this one before it was locked: it may have it.
                Err(error) if error.is_already_exists() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A writer was killed: what it finished is taken into the index, the torn end is cut off. A pack that ends
    /// before what the index knows of it is damaged, and is not appended to; the answer is then false.
    fn recover(
        &self,
        pack: &mut AppendFile,
        known_end: u64,
        keyring: &Keyring,
        device: &mut DeviceDb,
    ) -> Result<bool> {
        let end = index_unknown(&self.place, pack.path(), known_end, keyring, device)?;
        if end < known_end {
            return Ok(false);
        }
        if end == 0 {
            pack.append(&LOCAL_PACK_HEADER)?;
        } else if end < pack.length_bytes() {
            pack.truncate(end)?;
        }
        Ok(true)
    }
}

/// Takes into the index what packs hold beyond it, a killed writer's or all when the database was made anew, and gives
/// up what is of no use to anybody: a torn end, and a pack that the index points nowhere into.
pub(crate) fn reconcile_packs(place: &FolderPlace, keyring: &Keyring, device: &mut DeviceDb) -> Result<()> {
    for path in pack_paths(place)? {
        let known_end = device.end_of_pack(path.as_str())?.unwrap_or_default();
        let length = place.open_object(&path)?.length_bytes();
        if length > known_end.max(LOCAL_PACK_HEADER.len() as u64) {
            let end = index_unknown(place, &path, known_end, keyring, device)?;
            give_up_torn(place, &path, &Scanned { length, end }, device)?;
        }
    }
    Ok(())
}

/// How long a pack was when it was scanned, and where its last good entry ended.
struct Scanned {
    length: u64,
    end: u64,
}

/// Cuts off what a writer never finished, and removes a pack of which nothing is in use: a copy that was not taken
/// into the index. A pack whose writer lives, that grew since its scan, or that ends before what the index knows of it,
/// which is damage, stays as it is.
fn give_up_torn(place: &FolderPlace, path: &ObjectPath, scanned: &Scanned, device: &DeviceDb) -> Result<()> {
    let Some(mut pack) = place.open_append(path)? else { return Ok(()) };
    if pack.length_bytes() != scanned.length {
        return Ok(());
    }
    match device.end_of_pack(path.as_str())? {
        None => place.remove_object(path)?,
        Some(known_end) if known_end <= scanned.end && scanned.end < scanned.length => {
            pack.truncate(scanned.end)?;
        }
        Some(_) => {}
    }
    Ok(())
}

/// Scans a pack and indexes the entries behind `known_end`; answers where the last good entry ends.
fn index_unknown(
    place: &FolderPlace,
    path: &ObjectPath,
    known_end: u64,
    keyring: &Keyring,
    device: &mut DeviceDb,
) -> Result<u64> {
    let mut reader = PackReader::open(place, path)?;
    let scan = scan_local_pack(&mut reader, keyring.library(), keyring)?;
    let mut unknown = Vec::new();
    for location in locations(path, &scan.entries) {
        if location.position >= known_end && !is_held_elsewhere(place, &location, device)? {
            unknown.push(location);
        }
    }
    if !unknown.is_empty() {
        device.record_packed(&unknown)?;
    }
    Ok(scan.end)
}

/// Whether the index finds the same entry in another pack that is there: then this one is a copy that its maker gave up.
fn is_held_elsewhere(place: &FolderPlace, location: &PackLocation, device: &DeviceDb) -> Result<bool> {
    let Some(held) = device.packed(&location.content, location.kind)? else { return Ok(false) };
    if held.pack == location.pack || held.recipe < location.recipe {
        return Ok(false);
    }
    let pack = ObjectPath::parse(&held.pack).map_err(safelight_store::StoreError::from)?;
    Ok(place.contains(&pack)?)
}

/// Where a scan's entries lie, as the index has it: frame included.
pub(crate) fn locations(pack: &ObjectPath, entries: &[safelight_crypto::LocalEntry]) -> Vec<PackLocation> {
    let frame = FRAME_LEN as u64;
    entries
        .iter()
        .map(|entry| PackLocation {
            content: entry.record.name.content,
            kind: RenditionKind::from_code(u16::from(entry.record.name.kind)),
            recipe: entry.record.name.recipe,
            pack: pack.as_str().to_owned(),
            position: entry.range.start.saturating_sub(frame),
            length: entry.range.end - entry.range.start + frame,
        })
        .collect()
}

/// The local packs that there are.
pub(crate) fn pack_paths(place: &FolderPlace) -> Result<Vec<ObjectPath>> {
    let mut paths = Vec::new();
    for found in place.walk_below(Area::Local.as_str())? {
        let found = found?;
        if let Some(path) = found.relative.to_str().and_then(|path| ObjectPath::parse(path).ok()) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// Reads one entry back and checks it.
pub(crate) fn read_packed(
    place: &FolderPlace,
    location: &PackLocation,
    keyring: &Keyring,
) -> Result<Vec<u8>> {
    let path = ObjectPath::parse(&location.pack).map_err(safelight_store::StoreError::from)?;
    let reader = place.open_object(&path)?;
    let bytes = reader.read_range(location.position..location.position + location.length)?;
    let record = read_frame(&bytes, keyring.library(), keyring)?;
    let is_it = record.name.content == location.content && record.name.kind == entry_kind(location.kind);
    let sealed = bytes.get(FRAME_LEN..).filter(|_| is_it).ok_or_else(|| LibraryError::Damaged {
        object: location.pack.clone(),
        reason: "another entry lies where this one should".into(),
    })?;
    Ok(open_entry(sealed, keyring.library(), &record, keyring)?)
}

/// A pack as something to scan.
pub(crate) struct PackReader {
    reader: ObjectReader,
    position: u64,
}

impl PackReader {
    pub(crate) fn open(place: &FolderPlace, path: &ObjectPath) -> Result<Self> {
        Ok(Self { reader: place.open_object(path)?, position: 0 })
    }

    pub(crate) fn reader(&self) -> &ObjectReader {
        &self.reader
    }
}

impl Read for PackReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read_at(self.position, buffer).map_err(std::io::Error::other)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for PackReader {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(offset) => offset,
            SeekFrom::End(offset) => self.reader.length_bytes().saturating_add_signed(offset),
            SeekFrom::Current(offset) => self.position.saturating_add_signed(offset),
        };
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::Library;
    use crate::testing::Place;

    /// A small file system of its own, gone with the value; none where none may be mounted.
    struct SmallDisk(std::path::PathBuf);

    impl SmallDisk {
        fn mount(at: &std::path::Path, size: &str) -> Option<Self> {
            let options = format!("size={size}");
            let mounted = std::process::Command::new("mount")
                .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
                .arg(at)
                .output();
            mounted.is_ok_and(|mounted| mounted.status.success()).then(|| Self(at.to_owned()))
        }
    }

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            let _gone = std::process::Command::new("umount").arg("-l").arg(&self.0).output();
        }
    }

    #[test]
    fn a_pack_that_takes_no_more_is_kept_until_what_it_took_is_durable() {
        let place = Place::new();
        let folder = place.folder();
        let local = folder.path().join("objects/local");
        std::fs::create_dir_all(&local).unwrap();
        // Without the right to mount, nothing can be filled up.
        let Some(_disk) = SmallDisk::mount(&local, "256k") else { return };
        let mut library = place.library();
        let keyring = library.keyring().clone();
        let sealer = Sealer::new(keyring.library(), keyring.epoch());
        let append = |library: &mut Library, seed: u8, length: usize| {
            let bytes = vec![seed; length];
            let content = ContentHash::of(&bytes);
            let entry = sealer.seal_original(&content, &bytes).unwrap();
            library.packs.append(content, &entry, &keyring, &mut library.device)
        };
        let first = append(&mut library, 1, 100_000).unwrap();
        append(&mut library, 2, 300_000).unwrap_err();
        assert!(library.packs.unsynced, "what the full disk took is still to be synced");
        let held = library.packs.current.as_ref().expect("the pack is still held");
        assert_eq!(held.path().as_str(), first.pack);
        library.packs.sync().unwrap();
        assert!(!library.packs.unsynced);
        let next = append(&mut library, 3, 50_000).unwrap();
        assert_eq!((next.pack, next.position), (first.pack, first.position + first.length));
    }

    #[test]
    fn nothing_counts_as_durable_whose_pack_is_gone() {
        let place = Place::new();
        let mut library = place.library();
        library.packs.unsynced = true;
        library.packs.sync().unwrap_err();
        assert!(library.packs.unsynced);
        library.packs.unsynced = false;
        library.packs.sync().unwrap();
    }
}
