//! Uploading: each file is read once, sealed piece by piece to the inbox key, and created in the place.
//!
//! Memory is bounded by two pieces, whatever the file. What rests in the place already is not sealed again: a file that a
//! kill cut short goes on at the piece where it stopped.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use safelight_crypto::{
    ContentHash, INBOX_PIECE_LEN, InboxManifest, InboxName, OsEntropy, Sha256, further_pieces, names,
    piece_range, seal_inbox_head, seal_inbox_piece, sha256,
};
use safelight_media::{SNIFF_BYTES, Sniffed};
use safelight_store::{ObjectPath, Sealed, SealedRemote, StoreError};
use safelight_sync::SyncError;
use serde::Serialize;

use super::folder::UploadFolder;
use super::journal::{Going, HEAD, Journal, PIECE, PutPiece, Stamp};
use crate::error::{LibraryError, Result};
use crate::import::take::open_plain;
use crate::monitor::{Monitor, Problem, Task};
use crate::remote::{Surroundings, runtime};

/// What is to be uploaded.
#[derive(Debug, Clone)]
pub struct UploadRequest {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Take every file, not only photos and videos.
    pub all_files: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UploadReport {
    /// Files that were sealed and put.
    pub uploaded: u64,
    /// Their bytes.
    pub uploaded_bytes: u64,
    /// Files that were uploaded before, from this path or another.
    pub known: u64,
    /// Files that are no photos or videos.
    pub refused: u64,
    /// Files that could not be read, or changed meanwhile.
    pub failed: u64,
    /// Pieces that an interrupted run had put already.
    pub resumed_pieces: u64,
}

/// A file to upload: the folder that was named, and its path below it.
struct Wanted {
    root: PathBuf,
    path: PathBuf,
}

/// What became of one file.
enum Sent {
    Put(u64),
    Known,
    NotMedia(String),
    Changed,
}

impl UploadFolder {
    /// Uploads files; those that were uploaded before, and have not changed, are passed over. Run it again after an
    /// interruption: it goes on where it stopped.
    ///
    /// # Errors
    /// What the place answers, and what concerns the folder itself. What is wrong with a single file is told to the monitor.
    pub fn upload(
        &self,
        request: &UploadRequest,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<UploadReport> {
        let mut journal = self.journal()?;
        let mut report = UploadReport::default();
        let mut wanted = Vec::new();
        for path in &request.paths {
            match std::fs::canonicalize(path) {
                Ok(path) => look_through(&path, &mut wanted, &mut report, monitor),
                Err(source) => {
                    report.failed += 1;
                    monitor.problem(&Problem::failure(path, format!("it cannot be read: {source}")));
                }
            }
        }
        monitor.begin(Task::Sync, Some(wanted.len() as u64), None);
        let outcome = runtime()?.block_on(async {
            let store = self.connect(surroundings).await?;
            for going in journal.with_heads() {
                self.put_head(&store, &mut journal, &going).await?;
                report.uploaded += 1;
                report.uploaded_bytes += going.stamp.size_bytes;
            }
            for file in &wanted {
                if monitor.cancelled() {
                    return Err(LibraryError::Cancelled);
                }
                let sent = self.send(&store, &mut journal, file, request.all_files, &mut report).await;
                let failure = match sent {
                    Ok(Sent::Put(bytes)) => {
                        report.uploaded += 1;
                        report.uploaded_bytes += bytes;
                        None
                    }
                    Ok(Sent::Known) => {
                        report.known += 1;
                        None
                    }
                    Ok(Sent::NotMedia(reason)) => {
                        report.refused += 1;
                        monitor.problem(&Problem::notice(&file.path, reason));
                        None
                    }
                    Ok(Sent::Changed) => {
                        Some("it changed while it was read; the next upload takes it".to_owned())
                    }
                    Err(LibraryError::Io { path, source, .. }) if path == file.path => {
                        Some(format!("it cannot be read: {source}"))
                    }
                    Err(error) => return Err(error),
                };
                if let Some(reason) = failure {
                    report.failed += 1;
                    monitor.problem(&Problem::failure(&file.path, reason));
                }
                monitor.advance(1, 0);
            }
            Ok(())
        });
        monitor.end();
        outcome.map(|()| report)
    }

    async fn send(
        &self,
        store: &SealedRemote,
        journal: &mut Journal,
        wanted: &Wanted,
        all_files: bool,
        report: &mut UploadReport,
    ) -> Result<Sent> {
        let reading = |source| LibraryError::reading(&wanted.path, source);
        let mut file = open_plain(&wanted.path).map_err(reading)?;
        let stamp = stamp_of(&wanted.path, &file).map_err(reading)?;
        if journal.has_sent(&stamp) {
            return Ok(Sent::Known);
        }
        let first = read_piece(&mut file, INBOX_PIECE_LEN).map_err(reading)?;
        if !all_files
            && let Sniffed::NotMedia(reason) =
                safelight_media::sniff(first.get(..SNIFF_BYTES).unwrap_or(&first), &wanted.path)
        {
            return Ok(Sent::NotMedia(reason.to_string()));
        }
        let further = further_pieces(stamp.size_bytes);
        if further == 0 && journal.has_content(&HEXLOWER.encode(&sha256(&[&first]))) {
            let content = HEXLOWER.encode(&sha256(&[&first]));
            journal.remember(0, &stamp, content)?;
            return Ok(Sent::Known);
        }
        let mut going = journal.begin(&stamp)?;
        self.put_last_piece(store, journal, &going).await?;
        let mut hash = Sha256::new();
        hash.update(&first);
        for piece in 1..=further {
            let range = piece_range(stamp.size_bytes, piece);
            let content = read_piece(&mut file, range.end - range.start).map_err(reading)?;
            hash.update(&content);
            let plain = HEXLOWER.encode(&sha256(&[&content]));
            let at = usize::try_from(piece - 1).unwrap_or(usize::MAX);
            match going.pieces.get(at) {
                Some(put) if put.content == plain => report.resumed_pieces += 1,
                Some(_) => {
                    journal.forget(&going);
                    return Ok(Sent::Changed);
                }
                None => {
                    self.put_piece(store, journal, &mut going, plain, &content).await?;
                }
            }
        }
        let is_whole = first.len() as u64 == piece_range(stamp.size_bytes, 0).end;
        let is_end = file.stream_position().map_err(reading)? == stamp.size_bytes;
        if stamp_of(&wanted.path, &file).map_err(reading)? != stamp || !is_whole || !is_end {
            journal.forget(&going);
            return Ok(Sent::Changed);
        }
        let content = ContentHash::from_bytes(hash.finish());
        let manifest = InboxManifest {
            root: wanted.root.as_os_str().as_bytes().to_vec(),
            relative: relative(wanted),
            modified_millis: stamp.modified_nanos.div_euclid(1_000_000),
            size_bytes: stamp.size_bytes,
            content,
            pieces: going.pieces.iter().map(|piece| hash_of(&piece.sealed)).collect::<Result<_>>()?,
        };
        let identity = self.identity();
        let head = seal_inbox_head(
            identity.library,
            &identity.device,
            going.counter,
            &identity.key,
            &manifest,
            &first,
            &mut OsEntropy,
        )?;
        journal.keep_sealed(going.counter, HEAD, &head)?;
        going.content = Some(HEXLOWER.encode(content.as_bytes()));
        journal.keep(&going)?;
        self.put_head(store, journal, &going).await?;
        Ok(Sent::Put(stamp.size_bytes))
    }

    fn name(&self, counter: u64, piece: u64) -> Result<InboxName> {
        let piece = u32::try_from(piece).map_err(|_| LibraryError::Refused {
            reason: "the file is too long to be uploaded".into(),
            hint: "copy it to a computer that belongs to the library, and import it there".into(),
        })?;
        Ok(InboxName { device: self.identity().device.id(), counter, piece })
    }

    /// Seals a piece and creates it. Its bytes are kept until it rests in the place: what was put and not written down could
    /// not be sealed to the same bytes again.
    async fn put_piece(
        &self,
        store: &SealedRemote,
        journal: &mut Journal,
        going: &mut Going,
        plain: String,
        content: &[u8],
    ) -> Result<()> {
        let identity = self.identity();
        let name = self.name(going.counter, going.pieces.len() as u64 + 1)?;
        let sealed = seal_inbox_piece(identity.library, name, &identity.key, content, &mut OsEntropy)?;
        journal.keep_sealed(going.counter, PIECE, &sealed)?;
        going.pieces.push(PutPiece { content: plain, sealed: HEXLOWER.encode(&sha256(&[&sealed])) });
        journal.keep(going)?;
        self.create(store, journal, &name, sealed).await
    }

    /// Puts the piece again that an interrupted run was putting.
    async fn put_last_piece(&self, store: &SealedRemote, journal: &Journal, going: &Going) -> Result<()> {
        let Some(last) = going.pieces.last() else { return Ok(()) };
        let Ok(sealed) = journal.sealed(going.counter, PIECE) else { return Ok(()) };
        if HEXLOWER.encode(&sha256(&[&sealed])) != last.sealed {
            return Ok(());
        }
        let name = self.name(going.counter, going.pieces.len() as u64)?;
        self.create(store, journal, &name, sealed).await
    }

    async fn create(
        &self,
        store: &SealedRemote,
        journal: &Journal,
        name: &InboxName,
        sealed: Vec<u8>,
    ) -> Result<()> {
        match store.put(&path_of(name)?, &sealed_object(sealed)?, None).await {
            // Only this device puts names of its own there; whoever else did is found out where the item is taken in.
            Ok(_) | Err(StoreError::AlreadyExists { .. }) => {
                journal.drop_sealed(name.counter, PIECE);
                Ok(())
            }
            Err(error) => Err(SyncError::from(error).into()),
        }
    }

    /// Puts a head that is sealed: the very bytes that an interrupted run may have put.
    async fn put_head(&self, store: &SealedRemote, journal: &mut Journal, going: &Going) -> Result<()> {
        let bytes = journal.sealed(going.counter, HEAD)?;
        let path = path_of(&self.name(going.counter, 0)?)?;
        match store.put(&path, &sealed_object(bytes.clone())?, None).await {
            Ok(_) => {}
            Err(StoreError::AlreadyExists { .. }) => {
                match store.get(&path, safelight_crypto::MOST_INBOX_OBJECT).await {
                    Ok(there) if there == bytes => {}
                    Ok(_) => {
                        // Somebody else's bytes lie there: the file is sealed anew under another number.
                        journal.forget(going);
                        return Err(LibraryError::Damaged {
                            object: path.to_string(),
                            reason: "something else lies in its place; the next upload sends the file anew"
                                .into(),
                        });
                    }
                    // What only creates cannot look: only this device puts names of its own there.
                    Err(StoreError::Denied { .. } | StoreError::NotFound { .. }) => {}
                    Err(error) => return Err(SyncError::from(error).into()),
                }
            }
            Err(error) => return Err(SyncError::from(error).into()),
        }
        journal.finish(going)
    }
}

fn hash_of(hex: &str) -> Result<[u8; 32]> {
    let bytes = HEXLOWER.decode(hex.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| LibraryError::Damaged {
        object: "what is remembered of an upload".into(),
        reason: "a hash in it is none".into(),
    })
}

fn sealed_object(bytes: Vec<u8>) -> Result<Sealed> {
    Sealed::from_bytes(bytes).map_err(|error| LibraryError::Damaged {
        object: "an upload that was sealed before".into(),
        reason: error.to_string(),
    })
}

pub(crate) fn path_of(name: &InboxName) -> Result<ObjectPath> {
    ObjectPath::parse(&names::inbox(name)).map_err(|error| StoreError::from(error).into())
}

fn relative(wanted: &Wanted) -> Vec<u8> {
    let below = wanted.path.strip_prefix(&wanted.root).unwrap_or(&wanted.path);
    below.as_os_str().as_bytes().to_vec()
}

fn stamp_of(path: &Path, file: &File) -> std::io::Result<Stamp> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    Ok(Stamp {
        path: HEXLOWER.encode(path.as_os_str().as_bytes()),
        size_bytes: metadata.len(),
        modified_nanos: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
    })
}

fn read_piece(file: &mut File, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Finds the files below a path, in the order of their names; links below it are not followed.
fn look_through(path: &Path, wanted: &mut Vec<Wanted>, report: &mut UploadReport, monitor: &dyn Monitor) {
    if !path.is_dir() {
        let root = path.parent().unwrap_or(path).to_owned();
        wanted.push(Wanted { root, path: path.to_owned() });
        return;
    }
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(source) => {
                report.failed += 1;
                monitor.problem(&Problem::failure(&folder, format!("it cannot be read: {source}")));
                continue;
            }
        };
        let sorted: BTreeSet<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
        for found in sorted {
            match std::fs::symlink_metadata(&found) {
                Ok(there) if there.is_dir() => folders.push(found),
                Ok(there) if there.is_file() => {
                    wanted.push(Wanted { root: path.to_owned(), path: found });
                }
                _ => {}
            }
        }
    }
}
