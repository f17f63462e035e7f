//! Originals as they rest in the library folder: opened, proven, streamed.
//!
//! Nothing is ever written in the clear: bytes go from the sealed object through one buffer to the caller.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Write};
use std::path::Path;

use safelight_catalog::{Catalog, DeviceDb};
use safelight_crypto::{ContentHash, CryptoError, Keyring, OriginalOpener, Sha256};
use safelight_model::{AssetState, Contents, DeviceId, Original, PartRef, RenditionKind, Storage};
use safelight_store::{FolderPlace, ObjectPath};

use crate::error::{LibraryError, Result};
use crate::import::rendition::read_packed;
use crate::import::take::open_plain;
use crate::library::Library;
use crate::linked;

/// How much of a file in the open is read at once.
const STRETCH_BYTES: usize = 1 << 20;

/// The way in which a content rests now: of several additions of it the newest, as the catalogue shows it. One that
/// was linked and is then imported as a copy is a copy, and the other way round.
pub(crate) fn newest<'a>(contents: &'a Contents, content: &ContentHash) -> Option<&'a Original> {
    let newest = contents.of_content(*content).max_by_key(|addition| (addition.stamp, addition.op));
    newest.map(|addition| &addition.value.original)
}

/// The original that history records for a content.
pub(crate) fn original_of(catalog: &Catalog, content: &ContentHash) -> Result<Option<Original>> {
    let Some(asset) = catalog.find_content(*content)? else { return Ok(None) };
    let Some(state) = catalog.asset_state(asset)? else { return Ok(None) };
    Ok(newest(state.current().contents(), content).cloned())
}

/// Whether a recorded original answers for a file that is to be imported, so that the file need not be taken: a sealed
/// copy does while all of it is here or known to rest in a remote, for what history says another device has may be lost
/// before it is ever sent; a linked file only where linking is all that is asked for, and while it is there. Who links
/// keeps the file, so that any sealed copy answers.
pub(crate) fn serves(
    original: &Original,
    link: bool,
    here: DeviceId,
    place: &FolderPlace,
    device: &DeviceDb,
) -> Result<bool> {
    match original.storage {
        Storage::Linked => return Ok(link && linked::look(original, here, device).is_ok()),
        _ if link => return Ok(true),
        _ => {}
    }
    Ok(lies_sealed(place, device, original)? || device.count_remotes_holding(&original.content)? > 0)
}

impl Library {
    /// The original that history records for a content.
    pub(crate) fn original_of(&self, content: &ContentHash) -> Result<Option<Original>> {
        original_of(&self.catalog(), content)
    }

    /// Reads a content's sealed original back and compares its hash: a fresh proof that the library holds it.
    pub(crate) fn prove_content(&self, content: &ContentHash) -> Result<()> {
        let original = self
            .original_of(content)?
            .ok_or_else(|| LibraryError::NoSuchItem { item: content.to_string() })?;
        if original.storage == Storage::Linked {
            return Err(LibraryError::NotHere {
                object: format!("a sealed copy of {}", original.source.display()),
            });
        }
        write_original(&self.place, &self.device, self.keyring(), &original, &mut std::io::sink())
    }
}

/// Opens a sealed original part by part and compares its hash; nothing is kept of it.
pub(crate) fn prove_parts(
    place: &FolderPlace,
    keyring: &Keyring,
    content: ContentHash,
    size_bytes: u64,
    parts: &[PartRef],
) -> Result<()> {
    stream_parts(place, keyring, content, size_bytes, parts, &mut Vec::new(), &mut |_| Ok(()))
}

/// Opens a sealed original part by part, giving its content to `each`.
pub(crate) fn stream_parts(
    place: &FolderPlace,
    keyring: &Keyring,
    content: ContentHash,
    size_bytes: u64,
    parts: &[PartRef],
    buffer: &mut Vec<u8>,
    each: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<()> {
    let mut opener = OriginalOpener::new(keyring.library(), content, size_bytes);
    for part in parts {
        let object = place.open_object(&ObjectPath::original(part.name))?;
        let sealed_bytes = object.length_bytes();
        let mut source = object.into_file();
        opener
            .open_part(&part.name, sealed_bytes, keyring, &mut source, buffer, each)
            .map_err(output_error)?;
    }
    Ok(opener.finish()?)
}

/// The parts of a damaged original that are to blame: those that are missing or do not open. When each opens and only
/// the content is another one, all of them are.
pub(crate) fn bad_parts<'a>(
    place: &FolderPlace,
    keyring: &Keyring,
    content: ContentHash,
    size_bytes: u64,
    parts: &'a [PartRef],
) -> Result<Vec<&'a PartRef>> {
    let mut opener = OriginalOpener::new(keyring.library(), content, size_bytes);
    let (mut bad, mut buffer) = (Vec::new(), Vec::new());
    for part in parts {
        let opened = place.open_object(&ObjectPath::original(part.name)).map_err(LibraryError::from);
        let opened = opened.and_then(|object| {
            let sealed_bytes = object.length_bytes();
            let mut source = object.into_file();
            opener
                .open_part(&part.name, sealed_bytes, keyring, &mut source, &mut buffer, &mut |_| Ok(()))
                .map_err(LibraryError::from)
        });
        match opened {
            Ok(()) => {}
            Err(error) if error.is_proven_damage() => {
                bad.push(part);
                opener.skip_part();
            }
            Err(error) => return Err(error),
        }
    }
    if bad.is_empty() && opener.finish().is_err() {
        bad.extend(parts);
    }
    Ok(bad)
}

/// What the receiver of opened bytes answers is its own error, not one of the sealed object.
fn output_error(error: CryptoError) -> LibraryError {
    match error {
        CryptoError::Write { source, .. } => LibraryError::writing_output(source),
        other => other.into(),
    }
}

/// Streams an original to `output`, wherever it rests, and checks its hash on the way.
pub(crate) fn write_original(
    place: &FolderPlace,
    device: &DeviceDb,
    keyring: &Keyring,
    original: &Original,
    output: &mut dyn Write,
) -> Result<()> {
    match original.storage {
        Storage::Packed => {
            let bytes = small_original(place, device, keyring, original)?;
            output.write_all(&bytes).map_err(LibraryError::writing_output)
        }
        // One that was fetched, because its file is on another device or gone, lies here sealed.
        Storage::Linked if !are_parts_here(place, original)? => {
            linked::write(original, keyring.device().id(), device, output).map(drop)
        }
        _ => stream_parts(
            place,
            keyring,
            original.content,
            original.size_bytes,
            &original.parts,
            &mut Vec::new(),
            &mut |bytes| output.write_all(bytes),
        ),
    }
}

/// Streams an original to an `output` that takes no byte back, such as a pipe. Each byte of a sealed one is vouched for
/// when it is opened; a linked one only once all of it was read, so its file is read twice, and one that holds something
/// else by now gives nothing. One that is written to while it streams is still an error at the end.
pub(crate) fn write_proven(
    place: &FolderPlace,
    device: &DeviceDb,
    keyring: &Keyring,
    original: &Original,
    output: &mut dyn Write,
) -> Result<()> {
    if original.storage == Storage::Linked && !are_parts_here(place, original)? {
        let path = linked::find(original, keyring.device().id(), device)?;
        linked::write_from(&path, original, &mut std::io::sink())?;
        return linked::write_from(&path, original, output).map(drop);
    }
    write_original(place, device, keyring, original, output)
}

/// Whether a sealed copy of an original lies here by what is recorded and by the names of its parts; nothing is opened.
pub(crate) fn lies_sealed(place: &FolderPlace, device: &DeviceDb, original: &Original) -> Result<bool> {
    match original.storage {
        Storage::Packed => Ok(device.packed(&original.content, RenditionKind::Original)?.is_some()),
        _ => are_parts_here(place, original),
    }
}

/// Whether every sealed part of an original rests in the library folder.
pub(crate) fn are_parts_here(place: &FolderPlace, original: &Original) -> Result<bool> {
    for part in &original.parts {
        if !place.contains(&ObjectPath::original(part.name))? {
            return Ok(false);
        }
    }
    Ok(!original.parts.is_empty())
}

/// A small original out of its pack.
pub(crate) fn small_original(
    place: &FolderPlace,
    device: &DeviceDb,
    keyring: &Keyring,
    original: &Original,
) -> Result<Vec<u8>> {
    let location = device
        .packed(&original.content, RenditionKind::Original)?
        .ok_or_else(|| LibraryError::original_not_here(original))?;
    let bytes = read_packed(place, &location, keyring)?;
    if ContentHash::of(&bytes) == original.content {
        Ok(bytes)
    } else {
        Err(LibraryError::Damaged {
            object: location.pack,
            reason: "its content is not the recorded one".into(),
        })
    }
}

/// The originals that an asset has, versions included, each content once, as it rests now. A purged asset has none.
pub(crate) fn held_by(state: &AssetState) -> Vec<Original> {
    let life = state.current();
    if life.is_purged() {
        return Vec::new();
    }
    let contents = life.contents();
    let mut seen = HashSet::new();
    let each = contents.additions().iter().map(|addition| addition.value.original.content);
    each.filter(|content| seen.insert(*content))
        .filter_map(|content| newest(contents, &content).cloned())
        .collect()
}

/// Opens a file in the open for reading. A pipe, a socket or a device where the file lay is an error, and holds nobody up.
pub(crate) fn open_file(path: &Path) -> std::io::Result<File> {
    let file = open_plain(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("it is no regular file")) }
}

/// Reads a file in the open from end to end; answers its size.
pub(crate) fn read_through(path: &Path, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<u64> {
    let reading = |source| LibraryError::reading(path, source);
    let mut file = open_file(path).map_err(reading)?;
    let mut stretch = vec![0; STRETCH_BYTES];
    let mut size = 0;
    loop {
        let count = match file.read(&mut stretch) {
            Ok(0) => return Ok(size),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(reading(error)),
        };
        size += count as u64;
        each(stretch.get(..count).unwrap_or_default())?;
    }
}

/// A file's size and content hash.
pub(crate) fn hash_of(path: &Path) -> Result<(u64, ContentHash)> {
    let mut hasher = Sha256::new();
    let size = read_through(path, &mut |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok((size, ContentHash::from_bytes(hasher.finish())))
}
