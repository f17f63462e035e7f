//! The trust ladder: how little must be looked at to know that a file is the one seen before.
//!
//! 1. Size, modification time, inode and change time as remembered: unchanged, not opened.
//! 2. Size and modification time as remembered, but inode or change time moved (a restored backup, a
//!    remount, a `chmod`): unchanged if a sampled fingerprint of the content is as remembered.
//! 3. Anything else: read in full, and known by its hash.
//!
//! Source: product.md, "Incremental scans".

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use safelight_catalog::FileStamp;
use safelight_crypto::Sha256;

/// How much of the content each of the three samples covers.
const SAMPLE_BYTES: usize = 16 * 1024;

/// What `stat` says of a file.
pub(crate) fn stamp_of(metadata: &Metadata) -> FileStamp {
    FileStamp {
        size_bytes: metadata.size(),
        modified_nanos: nanos(metadata.mtime(), metadata.mtime_nsec()),
        changed_nanos: nanos(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
        device: metadata.dev(),
    }
}

fn nanos(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// What the ladder says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The file is the one remembered.
    Unchanged,
    /// It looks the same but lies elsewhere on the disk: compare the sampled fingerprint.
    Compare,
    /// It must be read.
    Read,
}

/// Climbs the ladder as far as `stat` alone leads.
pub(crate) fn judge(remembered: &FileStamp, now: &FileStamp) -> Trust {
    if remembered.size_bytes != now.size_bytes || remembered.modified_nanos != now.modified_nanos {
        return Trust::Read;
    }
    // The device number is left out: it changes whenever a disk is plugged into another port.
    if remembered.inode == now.inode && remembered.changed_nanos == now.changed_nanos {
        Trust::Unchanged
    } else {
        Trust::Compare
    }
}

/// A fingerprint of the first, middle and last 16 KiB and the size, as a SHA-256.
pub(crate) fn sampled_fingerprint(file: &File, size_bytes: u64) -> std::io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    hasher.update(&size_bytes.to_le_bytes());
    let mut sample = vec![0; SAMPLE_BYTES];
    let last = size_bytes.saturating_sub(SAMPLE_BYTES as u64);
    for offset in [0, last / 2, last] {
        let mut filled = 0;
        while filled < sample.len() {
            let Some(rest) = sample.get_mut(filled..) else { break };
            match file.read_at(rest, offset + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        hasher.update(sample.get(..filled).unwrap_or_default());
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMEMBERED: FileStamp =
        FileStamp { size_bytes: 10, modified_nanos: 1, changed_nanos: 2, inode: 3, device: 4 };

    #[test]
    fn a_file_is_trusted_only_as_far_as_its_stamp_agrees() {
        assert_eq!(judge(&REMEMBERED, &FileStamp { device: 9, ..REMEMBERED }), Trust::Unchanged);
        assert_eq!(judge(&REMEMBERED, &FileStamp { inode: 9, ..REMEMBERED }), Trust::Compare);
        assert_eq!(judge(&REMEMBERED, &FileStamp { changed_nanos: 9, ..REMEMBERED }), Trust::Compare);
        assert_eq!(judge(&REMEMBERED, &FileStamp { modified_nanos: 9, ..REMEMBERED }), Trust::Read);
        assert_eq!(judge(&REMEMBERED, &FileStamp { size_bytes: 9, ..REMEMBERED }), Trust::Read);
    }

    #[test]
    fn a_change_of_the_middle_changes_the_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut content = vec![7; 100_000];
        std::fs::write(&path, &content).unwrap();
        let before = sampled_fingerprint(&File::open(&path).unwrap(), 100_000).unwrap();
        content[50_000] = 8;
        std::fs::write(&path, &content).unwrap();
        assert_ne!(before, sampled_fingerprint(&File::open(&path).unwrap(), 100_000).unwrap());
    }
}
