//! What a sealed copy holds, found by walking its headers, and where the next entry goes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::SystemTime;

use super::entry::{self, BLOCK_BYTES, BLOCK_LEN, Block, Entry, Met};
use crate::name::Key;

/// How much is read at once where the next entry is looked for.
const SEARCH_BYTES: usize = 1 << 20;
/// The next entry is looked for so far behind one that is damaged or unfinished: further than the largest object reaches.
const MOST_SEARCHED_BYTES: u64 = 1 << 30;
/// Names of strangers that are kept.
const MOST_STRANGERS: usize = 1_000;

/// Where an object's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) offset: u64,
    pub(super) length_bytes: u64,
    pub(super) modified: SystemTime,
}

/// What a walk found so far. A later walk goes on where this one ended.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) objects: BTreeMap<Key, At>,
    /// Names that are no objects', as far as they can be shown.
    pub(super) strangers: Vec<String>,
    /// Where an entry should begin, and none does.
    pub(super) damaged: Vec<u64>,
    /// Behind the last whole entry.
    pub(super) end: u64,
    /// How long the file was when it was walked.
    pub(super) walked_bytes: u64,
}

impl Index {
    /// Takes in whatever came since the last walk.
    ///
    /// # Errors
    /// The system's; `InvalidData` with the offset where nothing that follows can be an entry.
    pub(super) fn walk_on(&mut self, file: &File) -> io::Result<()> {
        let length = file.metadata()?.len();
        loop {
            let at = self.end;
            if let Some(entry) = whole_entry_at(file, at, length)? {
                self.take(entry, at);
            } else if let Some(next) = next_entry(file, at, length, MOST_SEARCHED_BYTES)? {
                tracing::warn!(offset = at, next, "no entry begins here; what follows is read on");
                self.damaged.push(at);
                self.end = next;
            } else {
                self.walked_bytes = length;
                return Ok(());
            }
        }
    }

    fn take(&mut self, entry: Entry, at: u64) {
        let offset = at + BLOCK_BYTES;
        // A whole entry ends within the file, so this is a number.
        self.end = offset + entry.padded_bytes().unwrap_or_default();
        match entry.key {
            // The first says what the file is.
            _ if at == 0 => {}
            Some(key) => {
                self.insert(key, At { offset, length_bytes: entry.length_bytes, modified: entry.modified });
            }
            None if self.strangers.len() < MOST_STRANGERS => self.strangers.push(entry.shown),
            None => {}
        }
    }

    /// Of two entries with one name the later counts.
    pub(super) fn insert(&mut self, key: Key, at: At) {
        self.objects.insert(key, at);
    }

    /// Where the next entry goes: in the place of the end mark and of what is unfinished, but behind bytes that nobody here
    /// can have left so.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn append_at(&self, file: &File) -> io::Result<u64> {
        let length = file.metadata()?.len();
        Ok(match block_at(file, self.end, length)?.as_ref().map(entry::read) {
            Some(Met::Garbage) => length.next_multiple_of(BLOCK_BYTES),
            // Nothing, a header that was never written, or an entry that was cut off.
            None | Some(Met::Zeros | Met::Entry(_)) => self.end,
        })
    }
}

/// The block at an offset; none where the file ends before its end.
pub(super) fn block_at(file: &File, at: u64, length: u64) -> io::Result<Option<Block>> {
    if at.checked_add(BLOCK_BYTES).is_none_or(|end| end > length) {
        return Ok(None);
    }
    let mut block = [0; BLOCK_LEN];
    file.read_exact_at(&mut block, at)?;
    Ok(Some(block))
}

/// The entry that begins at an offset and ends within the file.
pub(super) fn whole_entry_at(file: &File, at: u64, length: u64) -> io::Result<Option<Entry>> {
    let Some(block) = block_at(file, at, length)? else { return Ok(None) };
    Ok(whole(&block, at, length))
}

fn whole(block: &Block, at: u64, length: u64) -> Option<Entry> {
    let Met::Entry(entry) = entry::read(block) else { return None };
    // The last block may lack the bytes that fill it: they say nothing.
    let end = at.checked_add(BLOCK_BYTES)?.checked_add(entry.length_bytes)?;
    entry.padded_bytes()?;
    (end <= length).then_some(entry)
}

/// Where the first whole entry behind `at` begins.
///
/// # Errors
/// The system's; `InvalidData` where none was found in `most_bytes`, and there are more.
pub(super) fn next_entry(file: &File, at: u64, length: u64, most_bytes: u64) -> io::Result<Option<u64>> {
    let mut from = at.saturating_add(BLOCK_BYTES);
    let until = length.min(from.saturating_add(most_bytes));
    let mut buffer = vec![0; SEARCH_BYTES];
    while from.saturating_add(BLOCK_BYTES) <= until {
        let blocks = (until - from) / BLOCK_BYTES;
        let wanted = usize::try_from(blocks * BLOCK_BYTES).unwrap_or(SEARCH_BYTES).min(SEARCH_BYTES);
        let piece = buffer.get_mut(..wanted).unwrap_or_default();
        file.read_exact_at(piece, from)?;
        let (blocks, _) = piece.as_chunks::<BLOCK_LEN>();
        for (number, block) in (0_u64..).zip(blocks) {
            let here = from + number * BLOCK_BYTES;
            if whole(block, here, length).is_some() {
                return Ok(Some(here));
            }
        }
        from += wanted as u64;
    }
    if until < length {
        let said = format!("no entry begins at byte {at}, nor in the {most_bytes} bytes behind it");
        return Err(io::Error::new(io::ErrorKind::InvalidData, said));
    }
    Ok(None)
}
