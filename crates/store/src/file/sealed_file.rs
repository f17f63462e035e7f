//! The file itself: made, recognised, read and made longer.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::entry::{self, BLOCK_BYTES, END_BYTES};
use super::index::{At, Index, block_at, next_entry, whole_entry_at};
use super::lock::{WriterLock, has_locks};
use crate::capabilities::{Capabilities, Capability, Finding};
use crate::error::{Operation, StoreError};
use crate::folder::sync_directory;
use crate::name::{Key, NameError, ObjectPath};
use crate::remote::Body;

/// The name of the first entry.
const LABEL_NAME: &str = "sealed-copy.txt";
/// How the first entry begins; a number and the end of the line follow.
const LABEL_BEGINS: &str = "Safelight sealed copy ";
/// The layout that is written and read here.
const LAYOUT: &str = "1";
/// What the first entry says to whoever finds the file.
const LABEL: &str = "Safelight sealed copy 1

This file is a copy of a photo library, sealed: nobody reads anything in it without the 24 recovery words.

To get the library back, with Safelight and the words, and nothing else:
    safelight join file:/where/this/file/is
Or unpack it with any tar into an empty folder, and use that:
    tar -xf FILE -C FOLDER
    safelight join folder:/where/the/folder/is
Without Safelight: its recovery program, or any program written from its specification (SL1), reads the folder.
";
/// The longest first entry that is read.
const MOST_LABEL_BYTES: u64 = 1 << 16;
/// Where the first entry is damaged, the second is looked for so far.
const LABEL_REACH_BYTES: u64 = 1 << 20;
/// How much is copied at once from a [`Body`].
const COPY_BYTES: usize = 1 << 20;

/// Nothing can be taken out of a file that only grows.
pub(super) const KEEPS: &str =
    "a sealed copy in one file keeps all that was ever written into it: make a new one, and destroy this one";

/// A sealed copy in one file, behind [`Remote`](crate::Remote); cheap to clone.
#[derive(Debug, Clone)]
pub struct SealedFile {
    pub(super) inner: Arc<Inner>,
    pub(super) capabilities: Capabilities,
}

#[derive(Debug)]
pub(super) struct Inner {
    file: File,
    path: PathBuf,
    label: String,
    identity: (u64, u64),
    /// Why it cannot be written.
    read_only: Option<Errno>,
    index: Mutex<Index>,
    /// Held while an entry is written: what is half written is nothing to look at.
    writing: Mutex<()>,
}

impl SealedFile {
    /// Makes a copy that holds nothing yet. An empty file at the path becomes one.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] where something is there, [`StoreError::NoPlace`] where there is no folder for it; what
    /// the disk answers.
    pub fn create(path: &Path) -> Result<(), StoreError> {
        let label = format!("file {}", path.display());
        let fail = |operation| {
            let label = label.clone();
            move |error: io::Error| StoreError::from_io(&label, operation, "the file", error)
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let opened = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)).map_err(|error| match error {
            Errno::NOENT => StoreError::NoPlace { path: folder.to_owned(), source: error.into() },
            error => fail(Operation::Put)(error.into()),
        });
        let file = File::from(opened?);
        let _lock = WriterLock::take(&file).map_err(fail(Operation::Put))?;
        let metadata = file.metadata().map_err(fail(Operation::Head))?;
        if !metadata.is_file() || metadata.len() > 0 {
            return Err(StoreError::AlreadyExists { place: label, object: "something else".to_owned() });
        }
        let written = begun().and_then(|bytes| file.write_all_at(&bytes, 0)).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // Empty again, it can be begun again.
            if let Err(error) = file.set_len(0) {
                tracing::debug!(%error, "the file that could not be begun stays as it is");
            }
            return Err(fail(Operation::Put)(error));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder, flags, Mode::empty())
            .map_err(|error| fail(Operation::Sync)(error.into()))?;
        sync_directory(folder.as_fd()).map_err(fail(Operation::Sync))
    }

    /// Whether a file begins as a sealed copy does, of whatever library and layout. What cannot be read does not.
    #[must_use]
    pub fn is_at(path: &Path) -> bool {
        let Ok((file, _)) = open_plain(path) else { return false };
        matches!(label_of(&file), Ok(Some(_)))
    }

    /// Opens a copy and walks its headers. Writes nothing; one that cannot be written can be read.
    ///
    /// # Errors
    /// [`StoreError::NoFile`]; [`StoreError::NotACopy`] for anything else than a copy; [`StoreError::Damaged`] with the
    /// offset where what follows cannot be an entry.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let label = format!("file {}", path.display());
        let (file, read_only) =
            open_plain(path).map_err(|source| StoreError::NoFile { path: path.to_owned(), source })?;
        let fail = |error: io::Error| named(&label, Operation::Open, "the file", error);
        let not_a_copy = |reason| StoreError::NotACopy { place: label.clone(), reason };
        match label_of(&file).map_err(fail)? {
            Some(layout) if layout == LAYOUT => {}
            Some(_) => return Err(not_a_copy("a newer version of Safelight made it")),
            None if is_hurt_at_its_beginning(&file).map_err(fail)? => {}
            None => return Err(not_a_copy("it does not begin as one")),
        }
        let stat = rustix::fs::fstat(&file).map_err(|error| fail(error.into()))?;
        let mut index = Index::default();
        index.walk_on(&file).map_err(fail)?;
        let capabilities = declared(read_only, has_locks(&file));
        let identity = (stat.st_dev, stat.st_ino);
        let (index, writing) = (Mutex::new(index), Mutex::new(()));
        let inner = Inner { file, path: path.to_owned(), label, identity, read_only, index, writing };
        Ok(Self { inner: Arc::new(inner), capabilities })
    }

    /// Where entries should begin and none does: bytes that were damaged, with whatever object began there.
    #[must_use]
    pub fn damaged_offsets(&self) -> Vec<u64> {
        self.inner.index().damaged.clone()
    }
}

/// The bytes of a copy that holds nothing yet.
fn begun() -> io::Result<Vec<u8>> {
    let header = entry::header_of(LABEL_NAME, LABEL.len() as u64, SystemTime::now())?;
    let mut bytes = [header.as_slice(), LABEL.as_bytes()].concat();
    bytes.resize(bytes.len().next_multiple_of(header.len()) + END_BYTES, 0);
    Ok(bytes)
}

/// Opens a plain file, to be written where that is permitted.
fn open_plain(path: &Path) -> io::Result<(File, Option<Errno>)> {
    let flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
    let (file, read_only) = match rustix::fs::open(path, OFlags::RDWR | flags, Mode::empty()) {
        Ok(file) => (file, None),
        Err(error @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) => {
            (rustix::fs::open(path, OFlags::RDONLY | flags, Mode::empty())?, Some(error))
        }
        Err(error) => return Err(error.into()),
    };
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no plain file"));
    }
    Ok((File::from(file), read_only))
}

/// Which layout the first entry names; none where it is no copy's.
fn label_of(file: &File) -> io::Result<Option<String>> {
    let Some(first) = whole_entry_at(file, 0, file.metadata()?.len())? else { return Ok(None) };
    if first.key.is_none_or(|key| key.as_str() != LABEL_NAME) || first.length_bytes > MOST_LABEL_BYTES {
        return Ok(None);
    }
    let mut text = vec![0; usize::try_from(first.length_bytes).unwrap_or_default()];
    file.read_exact_at(&mut text, BLOCK_BYTES)?;
    let text = String::from_utf8_lossy(&text);
    let layout = text.lines().next().and_then(|line| line.strip_prefix(LABEL_BEGINS));
    Ok(layout.filter(|layout| layout.parse::<u32>().is_ok()).map(str::to_owned))
}

/// Whether the first header is damaged, and what comes next is an object: then all behind it can be read still.
fn is_hurt_at_its_beginning(file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let begins = block_at(file, 0, length)?;
    if begins.is_none_or(|block| matches!(entry::read(&block), entry::Met::Entry(_))) {
        return Ok(false);
    }
    let reach = length.min(LABEL_REACH_BYTES);
    let Some(next) = next_entry(file, 0, reach, reach)? else { return Ok(false) };
    let entry = whole_entry_at(file, next, length)?;
    Ok(entry.and_then(|entry| entry.key).is_some_and(|key| ObjectPath::parse(key.as_str()).is_ok()))
}

/// What such a file can do. Nothing is probed, for whatever a probe wrote would stay in it: all of this is this program's
/// own doing, and the conformance suite tries it.
fn declared(read_only: Option<Errno>, has_locks: bool) -> Capabilities {
    let mut found = Capabilities::untried();
    let missing = |reason: &str| Finding::Missing(reason.to_owned());
    let works = [Capability::GetRange, Capability::PutIfAbsent, Capability::List, Capability::Replace];
    for capability in works {
        found.set(capability, Finding::Works);
    }
    found.set(
        Capability::PutAndGet,
        read_only.map_or(Finding::Works, |error| {
            Finding::Missing(format!("it cannot be written: {}", io::Error::from(error)))
        }),
    );
    let no_locks = || missing("the file system has no locks, so two programs could write at once");
    found.set(Capability::OneWinner, if has_locks { Finding::Works } else { no_locks() });
    found.set(Capability::Delete, missing(KEEPS));
    found.set(Capability::Tiers, missing("a file has no tiers"));
    found.set(Capability::UploadGrants, missing("a file has no addresses to upload to"));
    found.set(Capability::ProviderChecksum, missing("a file cannot prove an upload"));
    found
}

/// An error with the file and the object; what the file says that cannot be is damage.
fn named(label: &str, operation: Operation, object: &str, error: io::Error) -> StoreError {
    let (place, object) = (label.to_owned(), object.to_owned());
    match error.kind() {
        io::ErrorKind::InvalidData => StoreError::Damaged { place, object, reason: error.to_string() },
        io::ErrorKind::WouldBlock => StoreError::Refused {
            place,
            operation,
            object,
            source: io::Error::other("another program is writing into it"),
        },
        _ => StoreError::from_io(label, operation, &object, error),
    }
}

impl Inner {
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, operation: Operation, object: &str, error: io::Error) -> StoreError {
        let error = named(&self.label, operation, object, error);
        let may_be_gone = matches!(error, StoreError::NotFound { .. } | StoreError::Io { .. });
        if may_be_gone && !self.is_present() { self.vanished() } else { error }
    }

    fn vanished(&self) -> StoreError {
        StoreError::Vanished { place: self.label.clone() }
    }

    /// Whether the file at the path is still the one that was opened.
    fn is_present(&self) -> bool {
        rustix::fs::stat(&self.path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.identity)
    }

    /// The index, with whatever another program has written since.
    pub(super) fn up_to_date(&self, operation: Operation) -> Result<MutexGuard<'_, Index>, StoreError> {
        let fail = |error| self.error(operation, "the file", error);
        // While this program writes, whoever looks sees what was there before.
        let Ok(_nobody_writes) = self.writing.try_lock() else { return Ok(self.index()) };
        let mut index = self.index();
        if self.file.metadata().map_err(fail)?.len() != index.walked_bytes {
            index.walk_on(&self.file).map_err(fail)?;
        }
        Ok(index)
    }

    pub(super) fn find(&self, key: &Key, operation: Operation) -> Result<At, StoreError> {
        let found = self.up_to_date(operation)?.objects.get(key).copied();
        found.ok_or_else(|| match self.is_present() {
            true => StoreError::NotFound { place: self.label.clone(), object: key.to_string() },
            false => self.vanished(),
        })
    }

    /// Reads `length_bytes` of an object from `from`.
    pub(super) fn read(
        &self,
        key: &Key,
        at: At,
        from: u64,
        length_bytes: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; usize::try_from(length_bytes).unwrap_or_default()];
        let read = self.file.read_exact_at(&mut bytes, at.offset + from);
        read.map(|()| bytes).map_err(|error| self.error(Operation::Get, key.as_str(), error))
    }

    /// Writes an entry at the end, durably. After an error nothing is there, or what the next one takes the place of.
    pub(super) fn append(&self, key: &Key, body: &Body, is_new: bool) -> Result<(), StoreError> {
        let fail = |error| self.error(Operation::Put, key.as_str(), error);
        if let Some(error) = self.read_only {
            return Err(fail(error.into()));
        }
        let modified = SystemTime::now();
        let header = entry::header_of(key.as_str(), body.length_bytes(), modified).map_err(|_| {
            let rule = "a tar has no room for so long a name";
            let source = NameError { name: key.to_string(), rule };
            StoreError::BadName { place: self.label.clone(), source }
        })?;
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = WriterLock::take(&self.file).map_err(fail)?;
        if !self.is_present() {
            return Err(self.vanished());
        }
        let begin = {
            let mut index = self.index();
            index.walk_on(&self.file).map_err(fail)?;
            if is_new && index.objects.contains_key(key) {
                let (place, object) = (self.label.clone(), key.to_string());
                return Err(StoreError::AlreadyExists { place, object });
            }
            index.append_at(&self.file).map_err(fail)?
        };
        match self.write(begin, &header, body) {
            Ok(end) => {
                let offset = begin + BLOCK_BYTES;
                let mut index = self.index();
                index.insert(key.clone(), At { offset, length_bytes: body.length_bytes(), modified });
                (index.end, index.walked_bytes) = (end, end + END_BYTES as u64);
                Ok(())
            }
            Err(error) => {
                if let Err(error) = self.end_at(begin) {
                    tracing::debug!(%error, "what was not written to its end stays until the next entry");
                }
                Err(fail(error))
            }
        }
    }

    /// The bytes first, durably; then the header, which makes them an entry.
    fn write(&self, begin: u64, header: &entry::Block, body: &Body) -> io::Result<u64> {
        self.file.set_len(begin)?;
        let (start, length) = (begin + BLOCK_BYTES, body.length_bytes());
        let mut buffer = vec![0; COPY_BYTES.min(usize::try_from(length).unwrap_or(COPY_BYTES))];
        let mut offset = 0;
        while offset < length {
            let count = body.read_at(offset, &mut buffer)?;
            self.file.write_all_at(buffer.get(..count).unwrap_or_default(), start + offset)?;
            offset += count as u64;
        }
        let end = start + length.next_multiple_of(BLOCK_BYTES);
        let zeros = vec![0; usize::try_from(end - start - length).unwrap_or_default() + END_BYTES];
        self.file.write_all_at(&zeros, start + length)?;
        self.file.sync_data()?;
        self.file.write_all_at(header, begin)?;
        self.file.sync_data()?;
        Ok(end)
    }

    /// Ends the file here.
    fn end_at(&self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.file.write_all_at(&[0; END_BYTES], end)
    }
}
