//! Reading objects of a folder, whole or in part, from many threads.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use crate::error::{Operation, StoreError};
use crate::folder::FolderPlace;

/// An open object.
#[derive(Debug)]
pub struct ObjectReader {
    place: FolderPlace,
    object: String,
    file: File,
    length_bytes: u64,
}

impl ObjectReader {
    pub(crate) fn new(place: FolderPlace, object: &str, file: File) -> Result<Self, StoreError> {
        let metadata = file.metadata().map_err(|error| place.error(Operation::Head, object, error))?;
        Ok(Self { place, object: object.to_owned(), file, length_bytes: metadata.len() })
    }

    /// The object's length when it was opened.
    #[must_use]
    pub const fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Fills `buffer` from `offset` as far as there are bytes, and returns how many there were.
    ///
    /// # Errors
    /// [`StoreError`] of the disk.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let mut done = 0;
        while done < buffer.len() {
            let rest = buffer.get_mut(done..).unwrap_or_default();
            match self.file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.place.error(Operation::Get, &self.object, error)),
            }
        }
        Ok(done)
    }

    /// Reads bytes `range`, clipped to the object's end.
    ///
    /// # Errors
    /// [`StoreError`] of the disk.
    pub fn read_range(&self, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let end = range.end.min(self.length_bytes);
        let length = usize::try_from(end.saturating_sub(range.start)).unwrap_or(0);
        let mut bytes = vec![0; length];
        let count = self.read_at(range.start, &mut bytes)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Reads the whole object, if it has at most `at_most_bytes`.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], and errors of the disk.
    pub fn read_all(&self, at_most_bytes: u64) -> Result<Vec<u8>, StoreError> {
        if self.length_bytes > at_most_bytes {
            return Err(StoreError::TooLarge {
                place: self.place.label().to_owned(),
                object: self.object.clone(),
                length_bytes: self.length_bytes,
                at_most_bytes,
            });
        }
        self.read_range(0..self.length_bytes)
    }

    /// The open file, to hand to another process or to read in other ways.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Gives up the reader for its file.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }
}
