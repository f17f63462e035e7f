//! The list of an export: every file with its size and SHA-256, signed by the device that wrote it.
//!
//! `manifest.json` is JSON with one file a line. Its last entry is the signature, which covers every byte
//! before that line; so it can be checked with a JSON reader, SHA-256 and Ed25519, and no library.
//! Shape: docs/guide/leaving.md.

use std::io::Write;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use safelight_crypto::{Device, DeviceCard, Domain, Sha256, Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::objects::open_file;

/// The name of the list.
pub(crate) const MANIFEST: &str = "manifest.json";

const FORMAT: &str = "safelight-export-1";
const SIGNATURE_LINE: &[u8] = b"\n\"signature\": ";

/// What a listed file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// The current content of a photo.
    Original,
    /// An earlier content of a photo.
    EarlierVersion,
    /// The same bytes as another listed original, where they were found a second time.
    Copy,
    /// An XMP sidecar.
    Sidecar,
}

/// One exported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The path below the folder; with `path_base64` where it is not UTF-8.
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    pub(crate) size: u64,
    /// In hexadecimal.
    pub(crate) sha256: String,
    pub(crate) role: Role,
    /// The photo's id.
    pub(crate) asset: String,
}

impl Entry {
    pub(crate) fn new(path: &Path, size: u64, sha256: &[u8; 32], role: Role, asset: String) -> Self {
        use std::os::unix::ffi::OsStrExt as _;
        let bytes = path.as_os_str().as_bytes();
        Self {
            path: String::from_utf8_lossy(bytes).into_owned(),
            path_base64: std::str::from_utf8(bytes).is_err().then(|| BASE64.encode(bytes)),
            size,
            sha256: data_encoding::HEXLOWER.encode(sha256),
            role,
            asset,
        }
    }

    /// The path below the folder, if it is one that stays there.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt as _;
        let path = match &self.path_base64 {
            Some(bytes) => PathBuf::from(std::ffi::OsString::from_vec(BASE64.decode(bytes.as_bytes()).ok()?)),
            None => PathBuf::from(&self.path),
        };
        let plain = path.components().all(|component| matches!(component, std::path::Component::Normal(_)));
        (plain && !path.as_os_str().is_empty()).then_some(path)
    }
}

/// A manifest as it is read.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    format: String,
    pub(crate) library: String,
    pub(crate) device: String,
    verifying_key: String,
    /// The device's public keys, of which its id is the hash (SL1 §1.5).
    device_card: String,
    pub(crate) files: Vec<Entry>,
    signature: String,
}

/// Whether a file begins as the list of an export does, finished or not.
pub(crate) fn begins_like_one(path: &Path) -> bool {
    use std::io::Read as _;
    let expected = format!("{{\n\"format\": \"{FORMAT}\"");
    let mut found = vec![0; expected.len()];
    open_file(path).and_then(|mut file| file.read_exact(&mut found)).is_ok() && found == expected.as_bytes()
}

/// Writes a manifest line by line, so that a million files need no memory.
pub(crate) struct ManifestWriter<W: Write> {
    output: W,
    hasher: Sha256,
    entries: u64,
}

impl<W: Write> ManifestWriter<W> {
    /// Begins the list.
    pub(crate) fn create(output: W, library: &str, device: &Device, made: &str) -> std::io::Result<Self> {
        let mut writer = Self { output, hasher: Sha256::new(), entries: 0 };
        let text = |value: &str| serde_json::to_string(value).map_err(std::io::Error::from);
        let key = BASE64.encode(device.card().verifying_key().as_bytes());
        writer.put(
            format!(
                "{{\n\"format\": {},\n\"library\": {},\n\"device\": {},\n\"verifying_key\": {},\n\"device_card\": {},\n\"made\": {},\n\"files\": [",
                text(FORMAT)?,
                text(library)?,
                text(&device.id().to_string())?,
                text(&key)?,
                text(&BASE64.encode(&device.card().to_bytes()))?,
                text(made)?,
            )
            .as_bytes(),
        )?;
        Ok(writer)
    }

    /// Adds a file.
    pub(crate) fn push(&mut self, entry: &Entry) -> std::io::Result<()> {
        let line = serde_json::to_string(entry)?;
        self.put(if self.entries == 0 { b"\n" } else { b",\n" })?;
        self.entries += 1;
        self.put(line.as_bytes())
    }

    /// Signs what was written, and ends the list.
    pub(crate) fn finish(mut self, device: &Device) -> std::io::Result<W> {
        self.put(b"\n],")?;
        let signature = device.sign(Domain::Export, &self.hasher.finish());
        self.output.write_all(SIGNATURE_LINE)?;
        self.output.write_all(format!("\"{}\"\n}}\n", BASE64.encode(signature.as_bytes())).as_bytes())?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hasher.update(bytes);
        self.output.write_all(bytes)
    }
}

impl Manifest {
    /// Reads a manifest and checks its signature; the error is a sentence.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self, String> {
        let signed_bytes = bytes
            .windows(SIGNATURE_LINE.len())
            .rposition(|window| window == SIGNATURE_LINE)
            .ok_or("it has no signature, so it was cut off or never finished")?;
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("it is not the list of an export: {error}"))?;
        if manifest.format != FORMAT {
            return Err(format!("it is of the format {}, which this version does not know", manifest.format));
        }
        let card = BASE64.decode(manifest.device_card.as_bytes()).ok();
        let card =
            card.and_then(|card| DeviceCard::from_bytes(&card).ok()).ok_or("its device card is malformed")?;
        if card.id().to_string() != manifest.device {
            return Err("the keys in it are not those of the device that it names".into());
        }
        if BASE64.encode(card.verifying_key().as_bytes()) != manifest.verifying_key {
            return Err("its verifying key is not the one of the device that it names".into());
        }
        let key = decoded::<32>(&manifest.verifying_key).ok_or("its verifying key is malformed")?;
        let signature = decoded::<64>(&manifest.signature).ok_or("its signature is malformed")?;
        let mut hasher = Sha256::new();
        hasher.update(bytes.get(..signed_bytes).unwrap_or_default());
        VerifyingKey::from_bytes(key)
            .verify(Domain::Export, &hasher.finish(), &Signature::from_bytes(signature))
            .map_err(|_| "its signature is not that of its key: it was changed after it was written")?;
        Ok(manifest)
    }
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safelight_crypto::SeededEntropy;

    fn written() -> Vec<u8> {
        let device = Device::generate(&mut SeededEntropy::new(1));
        let mut writer = ManifestWriter::create(Vec::new(), "library", &device, "2026-01-01").unwrap();
        let odd = PathBuf::from(std::ffi::OsString::from(
            <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"a/\xff\n.jpg"),
        ));
        writer.push(&Entry::new(&odd, 3, &[7; 32], Role::Original, "aa".into())).unwrap();
        writer.finish(&device).unwrap()
    }

    #[test]
    fn a_manifest_comes_back_with_odd_names() {
        let manifest = Manifest::open(&written()).unwrap();
        assert_eq!(manifest.files.len(), 1);
        use std::os::unix::ffi::OsStrExt as _;
        assert_eq!(manifest.files[0].path().unwrap().as_os_str().as_bytes(), b"a/\xff\n.jpg");
    }

    #[test]
    fn a_changed_or_cut_manifest_is_refused() {
        let bytes = written();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            if let Ok(manifest) = Manifest::open(&changed) {
                // Only white space after the signature may differ.
                assert!(index >= bytes.len() - 3, "byte {index} was changed unnoticed: {manifest:?}");
            }
        }
        assert!(Manifest::open(&bytes[..bytes.len() / 2]).is_err());
    }

    /// Signs the text of a manifest anew with another device's key, as somebody would who has that device.
    fn signed_by(device: &Device, text: &str) -> Vec<u8> {
        let signed = &text[..text.find("\n\"signature\"").unwrap()];
        let mut hasher = Sha256::new();
        hasher.update(signed.as_bytes());
        let signature = device.sign(Domain::Export, &hasher.finish());
        format!("{signed}\n\"signature\": \"{}\"\n}}\n", BASE64.encode(signature.as_bytes())).into_bytes()
    }

    #[test]
    fn nobody_signs_in_the_name_of_another_device() {
        let text = String::from_utf8(written()).unwrap();
        let (own, other) =
            (Device::generate(&mut SeededEntropy::new(1)), Device::generate(&mut SeededEntropy::new(2)));
        assert!(Manifest::open(&signed_by(&own, &text)).is_ok());
        let key = |device: &Device| BASE64.encode(device.card().verifying_key().as_bytes());
        let card = |device: &Device| BASE64.encode(&device.card().to_bytes());
        let forged = text.replace(&key(&own), &key(&other));
        assert!(Manifest::open(&signed_by(&other, &forged)).unwrap_err().contains("verifying key"));
        let forged = forged.replace(&card(&own), &card(&other));
        assert!(Manifest::open(&signed_by(&other, &forged)).unwrap_err().contains("keys"));
    }

    #[test]
    fn a_path_that_leaves_the_folder_is_none() {
        for path in ["../x", "/etc/passwd", "a/../../b", ""] {
            let entry = Entry::new(Path::new(path), 0, &[0; 32], Role::Original, String::new());
            assert_eq!(entry.path(), None, "{path}");
        }
    }
}
