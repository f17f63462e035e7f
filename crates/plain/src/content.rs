//! Reading a file once: its hashes, its dates, and the bytes themselves where they are few.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use rustix::fs::{Mode, OFlags};
use safelight_media::{Format, Probe, probe, probe_reader};
use safelight_store::{Block, Body, Checksum};

use crate::index::Sha256;

/// The largest file that is read into memory and goes in one request; also the least size of a block.
pub(crate) const WHOLE_BYTES: u64 = 8 << 20;
/// How many blocks an object may have at every place (S3: 10,000).
const MOST_BLOCKS: u64 = 9_900;
/// How much of a large file is read at a time.
const PIECE_BYTES: usize = 256 << 10;

/// What of a file tells that it is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) mtime_ns: i64,
    pub(crate) inode: u64,
}

impl Stat {
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Self {
        let mtime_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        Self { size: metadata.len(), mtime_ns, inode: metadata.ino() }
    }
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) stat: Stat,
    pub(crate) sha256: Sha256,
    pub(crate) md5: [u8; 16],
    pub(crate) media_type: String,
    /// The capture date as the file states it, with its zone where it does.
    pub(crate) captured: Option<String>,
    pub(crate) body: Body,
    /// Of a large file: what it is sent in.
    pub(crate) blocks: Vec<Block>,
}

impl Content {
    /// Whether a sum is that of this content. Of bytes in memory it is that of what was hashed; a file may be another by now.
    pub(crate) fn has_sum(&self, checksum: Option<&Checksum>) -> bool {
        let is_in_memory = matches!(self.body, Body::Bytes(_));
        checksum.is_some_and(|checksum| is_in_memory && checksum.is_of(&self.body).unwrap_or(false))
    }
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    #[error("it is no plain file any more")]
    NoFile,
    #[error("it changed while it was read")]
    Changed,
}

/// Reads a file; blocks. A link in its place is not followed.
pub(crate) fn read(path: &Path) -> Result<Content, Unread> {
    let mut file = open(path)?;
    let before = file.metadata()?;
    if !before.is_file() {
        return Err(Unread::NoFile);
    }
    let stat = Stat::of(&before);
    let content = if stat.size <= WHOLE_BYTES {
        read_whole(&mut file, stat, path)?
    } else {
        read_in_blocks(file.try_clone()?, stat, path)?
    };
    if Stat::of(&file.metadata()?) != stat {
        return Err(Unread::Changed);
    }
    Ok(content)
}

/// Whether a file is still what was read.
pub(crate) fn is_unchanged(path: &Path, stat: Stat) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && Stat::of(&metadata) == stat)
}

fn open(path: &Path) -> io::Result<File> {
    // A pipe in the place of a file must not stop the run.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => Ok(File::from(file)),
        Err(error) => Err(error.into()),
    }
}

fn read_whole(file: &mut File, stat: Stat, path: &Path) -> Result<Content, Unread> {
    let wanted = usize::try_from(stat.size).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(wanted.saturating_add(1));
    file.take(stat.size + 1).read_to_end(&mut bytes)?;
    if bytes.len() != wanted {
        return Err(Unread::Changed);
    }
    let said = probe(&bytes, path);
    Ok(Content {
        stat,
        sha256: sha256_of(&bytes),
        md5: Md5::digest(&bytes).into(),
        captured: captured(&said),
        media_type: media_type(&said, path),
        body: Body::Bytes(Bytes::from(bytes)),
        blocks: Vec::new(),
    })
}

fn read_in_blocks(mut file: File, stat: Stat, path: &Path) -> Result<Content, Unread> {
    let said = probe_reader(&mut file, path).unwrap_or_default();
    let body = Body::File { file: Arc::new(file), offset: 0, length_bytes: stat.size };
    let block_bytes = block_bytes(stat.size);
    let (mut whole, mut whole_md5, mut block_md5) =
        (digest::Context::new(&digest::SHA256), Md5::new(), Md5::new());
    let (mut blocks, mut offset, mut in_block) = (Vec::new(), 0, 0);
    let mut piece = vec![0; PIECE_BYTES];
    while offset < stat.size {
        // A piece never reaches over the end of a block: blocks are whole pieces.
        let read = match body.read_at(offset, &mut piece) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Unread::Changed),
            Err(error) => return Err(error.into()),
        };
        let read_bytes = piece.get(..read).unwrap_or_default();
        whole.update(read_bytes);
        whole_md5.update(read_bytes);
        block_md5.update(read_bytes);
        offset += read as u64;
        in_block += read as u64;
        if in_block == block_bytes || offset == stat.size {
            let number = u32::try_from(blocks.len()).unwrap_or(u32::MAX);
            blocks.push(Block { number, md5: block_md5.finalize_reset().into(), length_bytes: in_block });
            in_block = 0;
        }
    }
    Ok(Content {
        stat,
        sha256: finished(whole),
        md5: whole_md5.finalize().into(),
        captured: captured(&said),
        media_type: media_type(&said, path),
        body,
        blocks,
    })
}

/// The size of blocks, in whole MiB, so that there are not too many.
fn block_bytes(size: u64) -> u64 {
    (size.div_ceil(MOST_BLOCKS)).next_multiple_of(1 << 20).max(WHOLE_BYTES)
}

fn captured(said: &Probe) -> Option<String> {
    let taken = said.taken.as_ref()?;
    let zone = taken.offset_minutes.map(|minutes| {
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    });
    Some(format!("{}{}", taken.local, zone.unwrap_or_default()))
}

/// By the content; else by the name.
fn media_type(said: &Probe, path: &Path) -> String {
    if said.format != Format::Unknown && !said.media_type.is_empty() {
        return said.media_type.clone();
    }
    let format = safelight_media::by_name(path).unwrap_or(Format::Unknown);
    format.media_type().to_owned()
}

/// The SHA-256 of bytes.
pub(crate) fn sha256_of(bytes: &[u8]) -> Sha256 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(bytes);
    finished(context)
}

/// The SHA-256 that was computed.
pub(crate) fn finished(context: digest::Context) -> Sha256 {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Sha256::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_hashed_as_a_whole_and_in_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let bytes: Vec<u8> = (0..20_000_003_u32).map(|at| (at % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let content = read(&path).unwrap();
        assert_eq!(content.sha256, sha256_of(&bytes));
        let sizes: Vec<u64> = content.blocks.iter().map(|block| block.length_bytes).collect();
        assert_eq!(sizes, [8 << 20, 8 << 20, 20_000_003 - (16 << 20)]);
        let second: [u8; 16] = Md5::digest(&bytes[8 << 20..16 << 20]).into();
        assert_eq!(content.blocks[1].md5, second);
        assert!(is_unchanged(&path, content.stat));
        std::fs::write(&path, b"other").unwrap();
        assert!(!is_unchanged(&path, content.stat));
    }

    #[test]
    fn no_object_has_too_many_blocks() {
        for size in [WHOLE_BYTES + 1, 100 << 30, 4 << 40] {
            assert!(size.div_ceil(block_bytes(size)) <= MOST_BLOCKS, "{size}");
            assert!(block_bytes(size).is_multiple_of(PIECE_BYTES as u64));
        }
    }

    #[test]
    fn links_and_pipes_are_no_files() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
        assert!(matches!(read(&link), Err(Unread::Io(_))));
        assert!(matches!(read(folder.path()), Err(Unread::NoFile | Unread::Io(_))));
    }
}
