//! An object while it is being written: body first, header last, name at the end.

use std::os::unix::fs::FileExt as _;

use safelight_crypto::HEADER_LEN;

use crate::error::{Operation, StoreError};
use crate::folder::FolderPlace;
use crate::folder::temp::TempFile;
use crate::name::ObjectPath;
use crate::remote::Body;
use crate::sealed::check_header;

/// How much is copied at once from a [`Body`].
const COPY_BYTES: usize = 1 << 20;

/// What became of an object that was given its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an object that existed must be verified before it counts as ours"]
pub enum Outcome {
    /// It is there now, durable.
    Created,
    /// The name was taken; the object there was not touched and must be verified.
    Existed,
}

/// An object being written: bytes go behind room for its header, the header goes in last.
///
/// Dropped without being finished it leaves nothing behind.
#[derive(Debug)]
pub struct ObjectFile {
    place: FolderPlace,
    temporary: TempFile,
    has_header: bool,
    length_bytes: u64,
}

impl ObjectFile {
    pub(crate) fn create(place: FolderPlace, header_bytes: u64) -> Result<Self, StoreError> {
        let temporary = place
            .temporary()
            .create_file()
            .map_err(|error| place.error(Operation::Put, "a new object", error))?;
        Ok(Self { place, temporary, has_header: header_bytes == 0, length_bytes: header_bytes })
    }

    /// The object's length so far, its header included.
    #[must_use]
    pub const fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// [`StoreError::Full`] and what else writing may answer.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_at(self.length_bytes, bytes)
    }

    /// Writes bytes at an offset counted from the beginning of the object, header included.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.temporary
            .with_file(|file| file.write_all_at(bytes, offset))
            .map_err(|error| self.place.error(Operation::Put, "a new object", error))?;
        self.length_bytes = self.length_bytes.max(offset + bytes.len() as u64);
        Ok(())
    }

    /// Writes the header into the room kept for it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is not an SL1 header, and what writing may answer.
    pub fn write_header(&mut self, header: &[u8; HEADER_LEN]) -> Result<(), StoreError> {
        check_header(header).map_err(|error| self.damaged(error.to_string()))?;
        self.write_at(0, header)?;
        self.has_header = true;
        Ok(())
    }

    /// Makes the object durable and gives it its name, alone. Many objects go better into a
    /// [`Batch`](crate::Batch).
    ///
    /// # Errors
    /// [`StoreError`]; a taken name is [`Outcome::Existed`].
    pub fn finish(self, path: &ObjectPath) -> Result<Outcome, StoreError> {
        let place = self.place.clone();
        let mut batch = place.batch();
        batch.add(self, path.clone());
        batch.commit().pop().map_or(Ok(Outcome::Existed), |entry| entry.result)
    }

    pub(crate) fn append_body(&mut self, body: &Body) -> Result<(), StoreError> {
        if let Body::Bytes(bytes) = body {
            return self.append(bytes);
        }
        let mut buffer = vec![0; COPY_BYTES.min(usize::try_from(body.length_bytes()).unwrap_or(COPY_BYTES))];
        let mut offset = 0;
        while offset < body.length_bytes() {
            let count = body
                .read_at(offset, &mut buffer)
                .map_err(|error| self.place.error(Operation::Put, "a new object", error))?;
            self.append(buffer.get(..count).unwrap_or_default())?;
            offset += count as u64;
        }
        Ok(())
    }

    /// Asks the kernel to begin writing what is buffered, so that the later sync waits less.
    ///
    /// On Linux `POSIX_FADV_DONTNEED` starts writing dirty pages without waiting for them; measured in
    /// `examples/durable_batch.rs`. It is advice: an error changes nothing, and other systems have none.
    pub(crate) fn start_writing_back(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(file) = self.temporary.open_file()
            && let Err(error) = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)
        {
            tracing::trace!(%error, "writing back early is not possible here");
        }
    }

    /// Makes the bytes durable; refuses an object whose header is missing.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        if !self.has_header {
            return Err(self.damaged("its header was never written".to_owned()));
        }
        self.temporary.sync().map_err(|error| self.place.error(Operation::Sync, "a new object", error))
    }

    pub(crate) fn into_temporary(self) -> TempFile {
        self.temporary
    }

    /// Makes what was written durable and gives its descriptor back, so that an original of any number of parts needs
    /// few. What is written after this, the header above all, is durable at once.
    ///
    /// # Errors
    /// As [`append`](Self::append); the object must then be dropped.
    pub fn park(&mut self) -> Result<(), StoreError> {
        self.temporary.park().map_err(|error| self.place.error(Operation::Sync, "a new object", error))
    }

    fn damaged(&self, reason: String) -> StoreError {
        StoreError::Damaged {
            place: self.place.label().to_owned(),
            object: "a new object".to_owned(),
            reason,
        }
    }
}
