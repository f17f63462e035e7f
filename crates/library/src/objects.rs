//! Originals as they rest in the library folder: opened, proven, streamed.
//!
//! Nothing is ever written in the clear: bytes go from the sealed object through one buffer to the caller.

use std::io::{BufReader, Read, Write};

use safelight_catalog::DeviceDb;
use safelight_crypto::{ContentHash, CryptoError, Keyring, OriginalOpener};
use safelight_model::{Original, PartRef, RenditionKind, Storage};
use safelight_store::{FolderPlace, ObjectPath};

use crate::error::{LibraryError, Result};
use crate::import::rendition::read_packed;

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
        Storage::Linked => write_linked(original, output),
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

/// A small original out of its pack.
pub(crate) fn small_original(
    place: &FolderPlace,
    device: &DeviceDb,
    keyring: &Keyring,
    original: &Original,
) -> Result<Vec<u8>> {
    let location = device.packed(&original.content, RenditionKind::Original)?.ok_or_else(|| {
        LibraryError::NotHere { object: format!("the original {}", original.source.display()) }
    })?;
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

/// Where a linked original lies on this device.
pub(crate) fn linked_path(original: &Original) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    let root = std::path::Path::new(std::ffi::OsStr::from_bytes(&original.source.root));
    root.join(std::ffi::OsStr::from_bytes(&original.source.relative))
}

/// Reads a linked original and compares its hash, or looks only at its size; answers its bytes.
pub(crate) fn check_linked(original: &Original, only_size: bool) -> Result<u64> {
    let path = linked_path(original);
    if !only_size {
        return write_linked(original, &mut std::io::sink()).map(|()| original.size_bytes);
    }
    let metadata = std::fs::metadata(&path).map_err(|source| LibraryError::reading(&path, source))?;
    if metadata.len() == original.size_bytes {
        return Ok(metadata.len());
    }
    Err(LibraryError::Damaged {
        object: path.display().to_string(),
        reason: "the linked file is no longer the one that was imported".into(),
    })
}

fn write_linked(original: &Original, output: &mut dyn Write) -> Result<()> {
    let path = linked_path(original);
    let file = std::fs::File::open(&path).map_err(|source| LibraryError::reading(&path, source))?;
    let mut source = BufReader::with_capacity(1 << 20, file);
    let mut hasher = safelight_crypto::Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = source.read(&mut buffer).map_err(|source| LibraryError::reading(&path, source))?;
        if count == 0 {
            break;
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        hasher.update(bytes);
        output.write_all(bytes).map_err(LibraryError::writing_output)?;
    }
    if ContentHash::from_bytes(hasher.finish()) == original.content {
        Ok(())
    } else {
        Err(LibraryError::Damaged {
            object: path.display().to_string(),
            reason: "the linked file is no longer the one that was imported".into(),
        })
    }
}
