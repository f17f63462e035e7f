//! Manifests: which paths lie in the blob of another one (`--dedupe`), so that a restore without an index has them, too.
//!
//! A manifest is `manifests/<time>-<sha256 of it>.jsonl` below the prefix: a line of JSON for each path, only added to by
//! further manifests. Where two name the same path, the later name counts; and where a path has a blob of its own, too, whatever
//! was written last.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use safelight_store::{Body, Checksum, Key, ObjectInfo, PutOptions, StoreError};
use serde::{Deserialize, Serialize};

use crate::content::sha256_of;
use crate::error::{PlainError, with_causes};
use crate::index::{Entry, Sha256};
use crate::monitor::{Monitor, Problem, Weight};
use crate::name::{BlobName, path_from_ascii, path_to_ascii};
use crate::place::Place;
use crate::upload::Uploader;
use crate::verify::hash_of;

const FOLDER: &str = "manifests/";
const ENDING: &str = ".jsonl";
/// The longest manifest that is read.
const MOST_BYTES: u64 = 64 << 20;
/// After how many bytes, and with how many paths, a manifest ends; well below what is read.
const BYTES_A_MANIFEST: usize = 8 << 20;
const PATHS_A_MANIFEST: usize = 50_000;

/// A path that lies in the blob of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    /// With `%` and two digits for every byte that is no printable ASCII.
    path: String,
    size: u64,
    mtime_ns: i64,
    blob: String,
}

/// A path, and the blob that holds its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) mtime_ns: i64,
    pub(crate) blob: BlobName,
    /// When its manifest was written, by the place's clock.
    pub(crate) written: Option<SystemTime>,
}

/// Whether a name is that of a manifest.
pub(crate) fn is_name(name: &str) -> bool {
    hash_in(name).is_some()
}

fn hash_in(name: &str) -> Option<Sha256> {
    let (_, hash) = name.strip_prefix(FOLDER)?.strip_suffix(ENDING)?.split_once('-')?;
    Sha256::parse(hash)
}

/// Writes down at the place which paths lie in the blobs of others, as far as no manifest says so yet.
pub(crate) async fn write_pending(uploader: &Uploader) -> Result<(), PlainError> {
    let mut pending = uploader.index().without_manifest(&uploader.place_name)?;
    while !pending.is_empty() {
        let written = write(&uploader.place, &pending, jiff::Timestamp::now()).await?;
        let rest = pending.split_off(written);
        let mut index = uploader.index();
        for entry in pending {
            index.record(&uploader.place_name, &Entry { in_manifest: Some(true), ..entry })?;
        }
        index.save()?;
        drop(index);
        pending = rest;
    }
    Ok(())
}

/// Writes a manifest of the first of these entries, and answers of how many.
async fn write(place: &Place, entries: &[Entry], now: jiff::Timestamp) -> Result<usize, PlainError> {
    let (bytes, count) = lines(entries, BYTES_A_MANIFEST)?;
    let sha256 = sha256_of(&bytes);
    let name = format!("{FOLDER}{}-{sha256}{ENDING}", now.strftime("%Y%m%dT%H%M%SZ"));
    let key = Key::parse(&name).map_err(StoreError::from)?;
    let (md5, length_bytes) = (Md5::digest(&bytes).into(), bytes.len() as u64);
    let media_type = Some("application/jsonl".to_owned());
    let options = PutOptions { media_type, md5: Some(md5), ..PutOptions::default() };
    let is_proven = match place.remote.put_if_absent(&key, Body::Bytes(Bytes::from(bytes)), &options).await {
        Ok(stored) => stored.is_md5_checked || stored.checksum == Some(Checksum::Md5(md5)),
        Err(error) if error.is_already_exists() => false,
        Err(error) => return Err(error.into()),
    };
    if !is_proven && hash_of(&place.remote, &key, length_bytes).await? != sha256 {
        let (place, object) = (place.remote.label().to_owned(), name);
        let reason = "other bytes arrived than were sent; delete it, and push again".to_owned();
        return Err(StoreError::Damaged { place, object, reason }.into());
    }
    Ok(count)
}

/// The lines of the first of these entries, and of how many they are: at least one, and no more than `most_bytes` hold.
fn lines(entries: &[Entry], most_bytes: usize) -> Result<(Vec<u8>, usize), PlainError> {
    let (mut bytes, mut count) = (Vec::new(), 0);
    for entry in entries.iter().take(PATHS_A_MANIFEST) {
        let line = Line {
            path: path_to_ascii(&entry.path),
            size: entry.size,
            mtime_ns: entry.mtime_ns,
            blob: entry.blob.clone(),
        };
        let line = serde_json::to_string(&line).map_err(|error| PlainError::Runtime(error.into()))?;
        if count > 0 && bytes.len() + line.len() >= most_bytes {
            break;
        }
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        count += 1;
    }
    Ok((bytes, count))
}

/// Reads manifests, the oldest first; one that is damaged, too large or archived is told and left out.
pub(crate) async fn read(
    place: &Place,
    manifests: &[ObjectInfo],
    monitor: &dyn Monitor,
) -> Result<Vec<Elsewhere>, PlainError> {
    let mut manifests: Vec<&ObjectInfo> = manifests.iter().collect();
    manifests.sort_by(|one, other| one.key.cmp(&other.key));
    let mut paths = BTreeMap::new();
    for ObjectInfo { key, modified, .. } in manifests {
        let bytes = match place.remote.get(key, MOST_BYTES).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_network() || matches!(error, StoreError::Denied { .. }) => {
                return Err(error.into());
            }
            Err(error) => {
                let reason = format!("left out: {}", with_causes(&error));
                monitor.problem(&Problem::new(key.as_str(), reason, Weight::Failure));
                continue;
            }
        };
        if Some(sha256_of(&bytes)) != hash_in(key.as_str()) {
            let reason = "damaged: it is not what its name says";
            monitor.problem(&Problem::new(key.as_str(), reason, Weight::Failure));
            continue;
        }
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match parse(line, *modified) {
                Some(elsewhere) => {
                    paths.insert(elsewhere.path.clone(), elsewhere);
                }
                None => {
                    let reason = "a line names a path or a blob that cannot be; it is left out";
                    monitor.problem(&Problem::new(key.as_str(), reason, Weight::Failure));
                }
            }
        }
    }
    Ok(paths.into_values().collect())
}

fn parse(line: &[u8], written: Option<SystemTime>) -> Option<Elsewhere> {
    let line: Line = serde_json::from_slice(line).ok()?;
    Some(Elsewhere {
        path: path_from_ascii(&line.path).ok()?,
        size: line.size,
        mtime_ns: line.mtime_ns,
        blob: BlobName::parse(&line.blob).ok()?,
        written,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_ends_before_it_is_too_long_to_be_read() {
        let sha256 = sha256_of(b"x");
        let entry = |number: u32| Entry {
            path: PathBuf::from(format!("{number}-{}", "\n".repeat(500))),
            size: 1,
            mtime_ns: 0,
            inode: 0,
            sha256,
            blob: format!("2d/{sha256}/a.jpg"),
            etag: None,
            tier: None,
            uploaded: String::new(),
            in_manifest: Some(false),
        };
        let entries: Vec<Entry> = (0..10).map(entry).collect();
        let (bytes, count) = lines(&entries, 4000).unwrap();
        assert!(bytes.len() <= 4000 && count == 2, "{} {count}", bytes.len());
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), count);
        assert_eq!(lines(&entries, 10).unwrap().1, 1);
        assert_eq!(lines(&entries, 1 << 20).unwrap().1, 10);
    }

    #[test]
    fn a_manifest_is_known_by_its_name_and_its_lines_lead_nowhere_else() {
        let hash = sha256_of(b"x").to_string();
        assert!(is_name(&format!("manifests/20260101T000000Z-{hash}.jsonl")));
        for other in ["manifests/x.jsonl", "manifests/-.jsonl", "a/b"] {
            assert!(!is_name(other), "{other}");
        }
        let line = |path: &str, blob: &str| {
            parse(format!(r#"{{"path":"{path}","size":1,"mtime_ns":2,"blob":"{blob}"}}"#).as_bytes(), None)
        };
        let blob = format!("2d/{hash}/a.jpg");
        assert_eq!(line("b%0Ac.jpg", &blob).unwrap().path, PathBuf::from("b\nc.jpg"));
        assert_eq!(line("../b.jpg", &blob), None);
        assert_eq!(line("b.jpg", "a.jpg"), None);
        assert_eq!(parse(b"nonsense", None), None);
    }
}
