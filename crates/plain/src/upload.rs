//! One file on its way: read, named, sent, proven, remembered.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use safelight_store::{Block, BlockUpload, Body, Key, PutOptions, StoreError, Tier};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::content::{self, Content, Unread, WHOLE_BYTES};
use crate::error::{PlainError, with_causes};
use crate::index::{Entry, Index, Sha256};
use crate::name::{BlobName, path_to_ascii};
use crate::place::Place;
use crate::verify::hash_of;
use crate::walk::Found;

/// How many bytes of files are in memory at once.
const MEMORY_BYTES: u64 = 40 << 20;
/// What a large file takes of it.
const LARGE_FILE_BYTES: u64 = 1 << 20;
/// What is counted in: permits are 32-bit numbers.
const MEMORY_UNIT_BYTES: u64 = 4 << 10;
/// How many blocks of one file are on their way at once.
const BLOCKS_AT_ONCE: usize = 4;
/// The longest path that fits into metadata.
const MOST_METADATA_BYTES: usize = 1800;

/// A place's mark of a blob, where it has one.
type Mark = Option<String>;

/// What became of a file.
#[derive(Debug)]
pub(crate) enum Sent {
    Uploaded { blob: String, size: u64 },
    Existing { blob: String },
    Duplicate { blob: String },
    Known,
}

/// Why a file was not sent.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// This file only.
    File(String),
    /// The place did not take it; others may fare better.
    Place(StoreError),
    /// Nothing can be sent any more.
    All(PlainError),
    /// Somebody asked to stop; what arrived so far is gone on with by the next run.
    Stopped,
}

impl From<PlainError> for Unsent {
    fn from(error: PlainError) -> Self {
        Self::All(error)
    }
}

impl From<StoreError> for Unsent {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Denied { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Vanished { .. }
            | StoreError::Full { .. }
            | StoreError::NoPlace { .. }
            | StoreError::Unsupported { .. } => Self::All(error.into()),
            other => Self::Place(other),
        }
    }
}

impl From<Unread> for Unsent {
    fn from(unread: Unread) -> Self {
        Self::File(with_causes(&unread))
    }
}

/// What sends files; shared by all that are on their way.
pub(crate) struct Uploader {
    pub(crate) place: Place,
    pub(crate) place_name: String,
    pub(crate) prefix_bytes: usize,
    pub(crate) source: PathBuf,
    pub(crate) tier: Option<Tier>,
    pub(crate) dedupe: bool,
    pub(crate) index: Mutex<Index>,
    /// Whether somebody asked to stop.
    pub(crate) stops: AtomicBool,
    memory: Arc<Semaphore>,
    /// Contents that are on their way, so that none goes twice.
    contents: Mutex<HashMap<Sha256, Arc<tokio::sync::Mutex<()>>>>,
}

impl Uploader {
    pub(crate) fn new(
        place: Place,
        (place_name, prefix_bytes): (String, usize),
        source: PathBuf,
        tier: Option<Tier>,
        dedupe: bool,
        index: Index,
    ) -> Self {
        let units = usize::try_from(MEMORY_BYTES / MEMORY_UNIT_BYTES).unwrap_or(Semaphore::MAX_PERMITS);
        let (index, contents) = (Mutex::new(index), Mutex::default());
        let memory = Arc::new(Semaphore::new(units));
        let stops = AtomicBool::new(false);
        Self { place, place_name, prefix_bytes, source, tier, dedupe, index, stops, memory, contents }
    }

    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn room_for(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Unsent> {
        let units = u32::try_from(bytes.div_ceil(MEMORY_UNIT_BYTES)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.memory).acquire_many_owned(units.max(1)).await;
        permit.map_err(|error| Unsent::All(PlainError::Runtime(std::io::Error::other(error))))
    }

    /// Sends a file that the index does not know as it is.
    pub(crate) async fn send(&self, found: &Found) -> Result<Sent, Unsent> {
        // A large file is sent from the disk, piece by piece.
        let bytes = if found.stat.size <= WHOLE_BYTES { found.stat.size } else { LARGE_FILE_BYTES };
        let _room = self.room_for(bytes).await?;
        let path = self.source.join(&found.relative);
        let reading = path.clone();
        let content = apart(move || content::read(&reading)).await??;
        let turn = self.turn(content.sha256);
        let _turn = turn.lock().await;
        let name = BlobName::of(content.sha256, &found.relative, self.prefix_bytes)
            .map_err(|refusal| Unsent::File(refusal.to_string()))?;
        if let Some(sent) = self.is_known(found, &content, &name)? {
            return Ok(sent);
        }
        self.send_content(found, &path, &content, &name).await
    }

    /// Whose turn it is with a content: one after the other, so that none goes twice.
    fn turn(&self, sha256: Sha256) -> Arc<tokio::sync::Mutex<()>> {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if contents.len() > 256 {
            contents.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(contents.entry(sha256).or_default())
    }

    /// Looks whether the index knows the content, under this path or, with `--dedupe`, any other.
    fn is_known(&self, found: &Found, content: &Content, name: &BlobName) -> Result<Option<Sent>, Unsent> {
        let mut index = self.index();
        let known = index.entry(&self.place_name, &found.relative)?;
        if let Some(entry) = known.filter(|entry| entry.sha256 == content.sha256) {
            // Only its times changed.
            let stat = content.stat;
            let entry = Entry { size: stat.size, mtime_ns: stat.mtime_ns, inode: stat.inode, ..entry };
            index.record(&self.place_name, &entry)?;
            return Ok(Some(Sent::Known));
        }
        if !self.dedupe {
            return Ok(None);
        }
        let Some(other) = index.with_content(&self.place_name, content.sha256)? else { return Ok(None) };
        let mut entry = self.entry(found, content, other.blob.clone());
        entry.etag = other.etag;
        entry.tier = other.tier;
        entry.in_manifest = (other.blob != name.to_string()).then_some(false);
        index.record(&self.place_name, &entry)?;
        Ok(Some(Sent::Duplicate { blob: other.blob }))
    }

    fn entry(&self, found: &Found, content: &Content, blob: String) -> Entry {
        Entry {
            path: found.relative.clone(),
            size: content.stat.size,
            mtime_ns: content.stat.mtime_ns,
            inode: content.stat.inode,
            sha256: content.sha256,
            blob,
            etag: None,
            tier: self.tier,
            uploaded: now(),
            in_manifest: None,
        }
    }

    async fn send_content(
        &self,
        found: &Found,
        path: &Path,
        content: &Content,
        name: &BlobName,
    ) -> Result<Sent, Unsent> {
        let key = name.key().map_err(|refusal| Unsent::File(refusal.to_string()))?;
        let options = self.options(found, content, name)?;
        let mut entry = self.entry(found, content, name.to_string());
        let is_large = !content.blocks.is_empty();
        // Who has much to send looks first, and so does who is not told that a name is taken.
        let looked = if is_large || !self.place.keeps_names { self.look(&key).await? } else { None };
        let put = match looked {
            Some(_) => {
                Err(StoreError::AlreadyExists { place: self.place_name.clone(), object: key.to_string() })
            }
            None => self.put(&key, content, &options).await,
        };
        let sent = match put {
            Ok(None) => return Err(Unsent::Stopped),
            Ok(Some(etag)) => {
                entry.etag = etag;
                Sent::Uploaded { blob: entry.blob.clone(), size: content.stat.size }
            }
            Err(error) if error.is_already_exists() => {
                self.exists(&key, &mut entry, content).await?;
                Sent::Existing { blob: entry.blob.clone() }
            }
            Err(error) if is_large && !content::is_unchanged(path, content.stat) => {
                tracing::debug!(%error, "the file changed on its way");
                return Err(Unread::Changed.into());
            }
            Err(error) => return Err(error.into()),
        };
        self.index().record(&self.place_name, &entry)?;
        Ok(sent)
    }

    fn options(&self, found: &Found, content: &Content, name: &BlobName) -> Result<PutOptions, Unsent> {
        let mut metadata = BTreeMap::from([
            ("sha256".to_owned(), content.sha256.to_string()),
            ("mtime".to_owned(), time_of(content.stat.mtime_ns)),
        ]);
        if let Some(captured) = &content.captured {
            metadata.insert("captured".to_owned(), captured.clone());
        }
        if name.is_cut() {
            let whole = path_to_ascii(&found.relative);
            if whole.len() > MOST_METADATA_BYTES {
                return Err(Unsent::File("its path is too long for this place".to_owned()));
            }
            metadata.insert("path".to_owned(), whole);
        }
        let media_type = Some(content.media_type.clone());
        Ok(PutOptions { tier: self.tier, media_type, md5: Some(content.md5), metadata })
    }

    async fn look(&self, key: &Key) -> Result<Option<u64>, Unsent> {
        match self.place.remote.head(key).await {
            Ok(info) => Ok(Some(info.length_bytes)),
            // Who may only create cannot look, and finds out by putting.
            Err(StoreError::NotFound { .. } | StoreError::Denied { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes over a blob that is there. Whoever sent it may have been killed before it was proven, so it is read back where
    /// the place compared nothing when it took it.
    async fn exists(&self, key: &Key, entry: &mut Entry, content: &Content) -> Result<(), Unsent> {
        let info = match self.place.remote.head(key).await {
            Ok(info) => info,
            Err(StoreError::Denied { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if info.length_bytes != entry.size {
            return Err(Unsent::File(format!(
                "its blob is there with {} bytes instead of {}, and is not written over: {key}",
                info.length_bytes, entry.size
            )));
        }
        let is_proven =
            self.place.compares_md5(!content.blocks.is_empty()) || content.has_sum(info.checksum.as_ref());
        if !is_proven {
            match hash_of(&self.place.remote, key, entry.size).await {
                Ok(sha256) if sha256 == entry.sha256 => {}
                Ok(_) | Err(StoreError::Damaged { .. }) => {
                    return Err(Unsent::File(format!(
                        "its blob is there with other bytes, and is not written over: {key}"
                    )));
                }
                // Who may only create cannot read, and nobody reads what is archived.
                Err(StoreError::Denied { .. } | StoreError::Archived { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        entry.etag = info.version;
        entry.tier = info.tier;
        Ok(())
    }

    /// Puts a content, and answers the place's mark of it once it is proven that exactly it arrived; nothing when it was
    /// stopped.
    async fn put(
        &self,
        key: &Key,
        content: &Content,
        options: &PutOptions,
    ) -> Result<Option<Mark>, StoreError> {
        if !content.blocks.is_empty() {
            match self.put_in_blocks(key, content, options).await {
                // Who may only create may not put blocks.
                Err(error @ (StoreError::Unsupported { .. } | StoreError::Denied { .. })) => {
                    tracing::debug!(%error, "sent as a whole");
                }
                other => return other,
            }
        }
        let (remote, body) = (&self.place.remote, content.body.clone());
        let stored = match self.place.keeps_names {
            true => remote.put_if_absent(key, body, options).await?,
            false => remote.put(key, body, options).await?,
        };
        let is_proven = stored.is_md5_checked || content.has_sum(stored.checksum.as_ref());
        if !is_proven {
            self.read_back(key, content.sha256, content.stat.size).await?;
        }
        Ok(Some(stored.version))
    }

    /// Reads back what a place took without comparing anything, and takes away what is not what was sent.
    async fn read_back(&self, key: &Key, sha256: Sha256, length_bytes: u64) -> Result<(), StoreError> {
        let remote = &self.place.remote;
        if hash_of(remote, key, length_bytes).await? == sha256 {
            return Ok(());
        }
        // It was made just now, by us, under a name that says another content.
        remote.delete(key).await?;
        let (place, object) = (self.place_name.clone(), key.to_string());
        Err(StoreError::Damaged { place, object, reason: "other bytes arrived than were sent".to_owned() })
    }

    async fn put_in_blocks(
        &self,
        key: &Key,
        content: &Content,
        options: &PutOptions,
    ) -> Result<Option<Mark>, StoreError> {
        let upload = self.place.remote.begin_blocks(key, options).await?;
        let mut offset = 0;
        let mut missing = Vec::new();
        for block in &content.blocks {
            if !upload.taken.contains(block) {
                missing.push((*block, offset));
            }
            offset += block.length_bytes;
        }
        let sending = missing.into_iter().map(|(block, offset)| {
            let (upload, body) = (&upload, &content.body);
            self.put_block(key, upload, block, body, offset)
        });
        stream::iter(sending).buffer_unordered(BLOCKS_AT_ONCE).try_collect::<()>().await?;
        if self.stops.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let stored = self.place.remote.commit_blocks(key, &upload, &content.blocks, options).await?;
        Ok(Some(stored.version))
    }

    async fn put_block(
        &self,
        key: &Key,
        upload: &BlockUpload,
        block: Block,
        body: &Body,
        offset: u64,
    ) -> Result<(), StoreError> {
        let Body::File { file, .. } = body else { return Ok(()) };
        if self.stops.load(Ordering::Relaxed) {
            return Ok(());
        }
        let body = Body::File { file: Arc::clone(file), offset, length_bytes: block.length_bytes };
        self.place.remote.put_block(key, upload, block, body).await
    }
}

/// Does what blocks apart from the rest. A reader of metadata that gives up over a file fails for that file only.
async fn apart<T: Send + 'static>(blocking: impl FnOnce() -> T + Send + 'static) -> Result<T, Unsent> {
    tokio::task::spawn_blocking(blocking).await.map_err(|error| match error.is_panic() {
        true => Unsent::File("it cannot be read: the program gave up over what is in it".to_owned()),
        false => Unsent::All(PlainError::Runtime(std::io::Error::other(error))),
    })
}

/// Now, as RFC 3339 in whole seconds.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time of change as RFC 3339, with all its digits.
pub(crate) fn time_of(mtime_ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(mtime_ns)).unwrap_or_default().to_string()
}

/// What [`time_of`] wrote.
pub(crate) fn time_from(text: &str) -> Option<i64> {
    i64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests;
