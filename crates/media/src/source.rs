//! Bounded random access to a file's bytes, whether they are in memory already or still on disk.
//!
//! Invariant: every read is checked against the length, no read copies more than [`MOST_PER_READ`], and
//! parsers see short or failing reads as "not there" instead of errors. Memory is read in place.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom};

/// No single read from a file takes more; metadata that is larger is not read.
const MOST_PER_READ: usize = 32 << 20;
/// What one parse may read from a file altogether, so that no video is read as a whole.
const MOST_PER_FILE: u64 = 256 << 20;
/// Small reads fetch this much at once.
const WINDOW: usize = 16 << 10;

/// A file that can be read at a position through a shared reference.
pub(crate) trait Positioned {
    /// How many bytes there are.
    fn length(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset`.
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl<R: Read + Seek> Positioned for RefCell<&mut R> {
    fn length(&self) -> io::Result<u64> {
        self.borrow_mut().seek(SeekFrom::End(0))
    }

    fn fill(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut file = self.borrow_mut();
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }
}

/// The bytes of one file.
pub(crate) struct Source<'a> {
    inner: Inner<'a>,
    length: u64,
}

enum Inner<'a> {
    Memory(&'a [u8]),
    File(&'a dyn Positioned, RefCell<Reading>),
}

struct Reading {
    window: Vec<u8>,
    window_start: u64,
    budget: u64,
    error: Option<io::Error>,
}

impl<'a> Source<'a> {
    /// Bytes that are in memory.
    pub(crate) fn memory(bytes: &'a [u8]) -> Self {
        Self { inner: Inner::Memory(bytes), length: bytes.len() as u64 }
    }

    /// Bytes that are read when asked for.
    pub(crate) fn file(file: &'a dyn Positioned) -> io::Result<Self> {
        let length = file.length()?;
        let reading = Reading { window: Vec::new(), window_start: 0, budget: MOST_PER_FILE, error: None };
        Ok(Self { inner: Inner::File(file, RefCell::new(reading)), length })
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// Exactly `count` bytes from `offset`, if they are all there.
    pub(crate) fn get(&self, offset: u64, count: usize) -> Option<Cow<'a, [u8]>> {
        if offset.checked_add(count as u64)? > self.length {
            return None;
        }
        match &self.inner {
            Inner::Memory(bytes) => {
                let start = usize::try_from(offset).ok()?;
                bytes.get(start..start.checked_add(count)?).map(Cow::Borrowed)
            }
            Inner::File(file, reading) => {
                reading.try_borrow_mut().ok()?.get(*file, offset, count, self.length).map(Cow::Owned)
            }
        }
    }

    /// As many of `count` bytes from `offset` as there are.
    pub(crate) fn get_some(&self, offset: u64, count: usize) -> Cow<'a, [u8]> {
        let there = self.length.saturating_sub(offset).min(count as u64);
        usize::try_from(there).ok().and_then(|there| self.get(offset, there)).unwrap_or_default()
    }

    /// A fixed number of bytes from `offset`.
    pub(crate) fn array<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        match &self.inner {
            Inner::Memory(bytes) => {
                let start = usize::try_from(offset).ok()?;
                bytes.get(start..start.checked_add(N)?)?.try_into().ok()
            }
            Inner::File(..) => self.get(offset, N)?.as_ref().try_into().ok(),
        }
    }

    /// A big-endian number of 16 bits.
    pub(crate) fn be16(&self, offset: u64) -> Option<u16> {
        self.array(offset).map(u16::from_be_bytes)
    }

    /// A big-endian number of 32 bits.
    pub(crate) fn be32(&self, offset: u64) -> Option<u32> {
        self.array(offset).map(u32::from_be_bytes)
    }

    /// A big-endian number of 64 bits.
    pub(crate) fn be64(&self, offset: u64) -> Option<u64> {
        self.array(offset).map(u64::from_be_bytes)
    }

    /// A little-endian number of 32 bits.
    pub(crate) fn le32(&self, offset: u64) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// The first error that reading met, if any.
    pub(crate) fn into_error(self) -> Option<io::Error> {
        match self.inner {
            Inner::Memory(_) => None,
            Inner::File(_, reading) => reading.into_inner().error,
        }
    }
}

impl Reading {
    fn get(&mut self, file: &dyn Positioned, offset: u64, count: usize, length: u64) -> Option<Vec<u8>> {
        if count > MOST_PER_READ || self.error.is_some() {
            return None;
        }
        let inside = |window: &Vec<u8>, start: u64| {
            let at = usize::try_from(offset.checked_sub(start)?).ok()?;
            window.get(at..at.checked_add(count)?).map(<[u8]>::to_vec)
        };
        if let Some(found) = inside(&self.window, self.window_start) {
            return Some(found);
        }
        let there = usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let fetch = count.max(WINDOW).min(there);
        self.budget = self.budget.checked_sub(fetch as u64)?;
        let mut bytes = vec![0; fetch];
        if let Err(error) = file.fill(offset, &mut bytes) {
            self.error = Some(error);
            return None;
        }
        if count > WINDOW {
            return Some(bytes);
        }
        self.window = bytes;
        self.window_start = offset;
        inside(&self.window, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_file_answer_alike() {
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
        let mut cursor = io::Cursor::new(bytes.clone());
        let cell = RefCell::new(&mut cursor);
        let file = Source::file(&cell).unwrap();
        let memory = Source::memory(&bytes);
        for (offset, count) in [(0, 4), (99_990, 10), (99_991, 10), (5, 70_000), (100_000, 0), (u64::MAX, 4)]
        {
            assert_eq!(file.get(offset, count), memory.get(offset, count), "{offset} {count}");
            assert_eq!(file.get_some(offset, count), memory.get_some(offset, count), "{offset} {count}");
        }
        assert_eq!(file.be32(8), memory.be32(8));
        assert!(file.into_error().is_none());
    }

    #[test]
    fn a_failing_file_reads_as_absent_and_tells_why() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("bad sector"))
            }
        }
        impl Seek for Broken {
            fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
                Ok(1000)
            }
        }
        let mut broken = Broken;
        let cell = RefCell::new(&mut broken);
        let source = Source::file(&cell).unwrap();
        assert!(source.get(0, 4).is_none());
        assert_eq!(source.into_error().unwrap().to_string(), "bad sector");
    }
}
