//! The headers of a sealed copy's tar: made, and read without being believed.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tar::{EntryType, Header};

use crate::name::Key;

/// A tar consists of blocks of so many bytes.
pub(super) const BLOCK_LEN: usize = 512;
/// The same, to count with in a file.
pub(super) const BLOCK_BYTES: u64 = BLOCK_LEN as u64;
/// Two blocks of zeros end a tar.
pub(super) const END_BYTES: usize = 1024;
/// The rights of what is unpacked: its owner's alone, as in a folder.
const FILE_MODE: u32 = 0o600;

/// A block of a tar.
pub(super) type Block = [u8; BLOCK_LEN];

/// What a block is that stands where an entry may begin.
#[derive(Debug)]
pub(super) enum Met {
    /// Nothing but zeros.
    Zeros,
    /// Anything else that begins no entry.
    Garbage,
    /// The header of an entry.
    Entry(Entry),
}

/// What a header says.
#[derive(Debug)]
pub(super) struct Entry {
    /// The name, as far as it can be shown.
    pub(super) shown: String,
    /// The name of an object; none for whatever is no plain file under a valid name.
    pub(super) key: Option<Key>,
    /// The bytes behind the header, without those that fill the last block.
    pub(super) length_bytes: u64,
    /// When it was written, by the clock of who wrote it.
    pub(super) modified: SystemTime,
}

impl Entry {
    /// Whole blocks for its bytes; none where there is no such number.
    pub(super) fn padded_bytes(&self) -> Option<u64> {
        self.length_bytes.checked_next_multiple_of(BLOCK_BYTES)
    }
}

/// The header of a plain file.
///
/// # Errors
/// For a name that no header has room for.
pub(super) fn header_of(name: &str, length_bytes: u64, modified: SystemTime) -> io::Result<Block> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_size(length_bytes);
    header.set_mode(FILE_MODE);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// Reads a block where an entry may begin.
pub(super) fn read(block: &Block) -> Met {
    if block.iter().all(|byte| *byte == 0) {
        return Met::Zeros;
    }
    let header = Header::from_byte_slice(block);
    let mut summed = header.clone();
    summed.set_cksum();
    let is_header = (header.as_ustar().is_some() || header.as_gnu().is_some())
        && matches!((header.cksum(), summed.cksum()), (Ok(said), Ok(sum)) if said == sum);
    let (true, Ok(size)) = (is_header, header.entry_size()) else { return Met::Garbage };
    let kind = header.entry_type();
    let path = header.path_bytes();
    let key = std::str::from_utf8(&path).ok().and_then(|name| Key::parse(name).ok());
    Met::Entry(Entry {
        shown: String::from_utf8_lossy(&path).into_owned(),
        key: key.filter(|_| kind.is_file()),
        length_bytes: if has_bytes(kind) { size } else { 0 },
        modified: UNIX_EPOCH + Duration::from_secs(header.mtime().unwrap_or(0).min(u64::from(u32::MAX))),
    })
}

/// Whether bytes follow a header: behind folders, links and devices stands the next one, whatever size they say.
fn has_bytes(kind: EntryType) -> bool {
    let is_without = kind.is_dir()
        || kind.is_symlink()
        || kind.is_hard_link()
        || kind.is_character_special()
        || kind.is_block_special()
        || kind.is_fifo();
    !is_without
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(block: &Block) -> Option<Entry> {
        match read(block) {
            Met::Entry(entry) => Some(entry),
            Met::Zeros | Met::Garbage => None,
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written_whatever_the_size() {
        let time = UNIX_EPOCH + Duration::from_secs(7);
        for size in [0, 1, 512, (8 << 30) - 1, 8 << 30, 1 << 50] {
            let written = header_of("o/ab/abcd", size, time).expect("a header");
            let entry = entry(&written).expect("an entry");
            assert_eq!((entry.shown.as_str(), entry.length_bytes), ("o/ab/abcd", size));
            assert_eq!(entry.key.map(|key| key.to_string()), Some("o/ab/abcd".to_owned()));
            assert_eq!(entry.modified, time);
        }
    }

    #[test]
    fn the_longest_sealed_name_has_room() {
        let name = format!("keys/{}/{}", "a".repeat(57), "b".repeat(57));
        assert_eq!(name.len(), crate::MAX_PATH_CHARS);
        let header = header_of(&name, 3, UNIX_EPOCH).expect("has room");
        assert_eq!(entry(&header).expect("an entry").shown, name);
        assert!(header_of(&"x".repeat(300), 3, UNIX_EPOCH).is_err(), "no header has room for that");
    }

    #[test]
    fn no_flipped_bit_of_a_header_gives_another_object() {
        let whole = header_of("o/ab/abcd", 77, UNIX_EPOCH).expect("a header");
        for bit in 0..whole.len() * 8 {
            let mut hurt = whole;
            hurt[bit / 8] ^= 1 << (bit % 8);
            let Some(read) = entry(&hurt) else { continue };
            // The checksum itself can be written in more than one way.
            assert!((148..156).contains(&(bit / 8)), "bit {bit} does not show");
            assert_eq!((read.shown.as_str(), read.length_bytes), ("o/ab/abcd", 77));
        }
        assert!(matches!(read(&[0; BLOCK_LEN]), Met::Zeros));
    }
}
