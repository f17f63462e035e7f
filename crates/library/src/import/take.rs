//! Takes one file: reads it once, and has it hashed, sealed, probed and rendered from that one reading.
//!
//! Invariant: what comes out was the file's content at one moment. A file that changes while it is read
//! is read again once it has settled, or left for the next import; it is never taken half. One that changed a moment
//! ago is not read at all yet ([`super::settle`]). Nothing here
//! is durable yet: objects are unnamed temporary files until the writer ([`super::write`]) commits them.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use safelight_catalog::FileStamp;
use safelight_crypto::{ContentHash, Epoch, LibraryId, OriginalSealer, OsEntropy, SealedOriginal, Sha256};
use safelight_media::pool::{Pool, RenderError, RenderRequest, Rendered, StillFormat, Wanted, still_format};
use safelight_media::{MediaKind, NotMedia, Probe, SNIFF_BYTES, Sniffed};
use safelight_model::{EpochId, Facts, PartRef, Storage};
use safelight_store::{FolderPlace, ObjectFile, StoreError};

use super::held_open::is_held_open_for_writing;
use super::rendition::{MadeRendition, Sealer};
use super::settle::{STILL_CHANGING, Sighting};
use super::{Kept, facts, locked};
use crate::error::{LibraryError, Result};
use crate::scan::Candidate;
use crate::scan::trust::{sampled_fingerprint, stamp_of};

/// Photos up to this size are held in memory; larger files stream through.
pub(super) const WHOLE_BYTES: u64 = 64 << 20;

/// Pictures above this are not decoded: hardly a camera makes them, and a decoder would need all of it in memory.
pub(crate) const PICTURE_BYTES: u64 = 256 << 20;

/// Originals below this are sealed into the local pack instead of into a file of their own (SL1 §3).
pub(super) const SMALL_BYTES: u64 = 128 << 10;

/// How much of a large file is read at once.
pub(super) const STRETCH_BYTES: usize = 1 << 20;

/// So many parts of one original are open at once; earlier ones are made durable and closed until their headers come.
const OPEN_PARTS: usize = 4;

/// How long a file may go on changing: the waits between attempts to read it.
const SETTLING: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1000)];

/// A stamp this young may hide a later change of the same clock tick, so it is not trusted next time.
const RACY: Duration = Duration::from_millis(50);

/// What one file turned out to be.
pub(crate) enum Taking {
    /// A content that the library does not have.
    New(Box<NewOriginal>),
    /// A content that it has, or that another file of this import brought.
    Again(ContentHash, Settled),
    /// Not a photo or video.
    Refused(NotMedia, Settled),
    /// It could not be read, or would not settle.
    Unsettled(String),
    /// It changed a moment ago and was not read.
    Young(Sighting),
}

/// What to remember of a file so that it need not be read again.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) stamp: FileStamp,
    pub(crate) sampled: [u8; 32],
}

impl Settled {
    pub(crate) fn modified_millis(&self) -> i64 {
        self.stamp.modified_nanos.div_euclid(1_000_000)
    }
}

/// A new original, sealed but not yet durable.
pub(crate) struct NewOriginal {
    pub(crate) settled: Settled,
    pub(crate) content: ContentHash,
    pub(crate) size_bytes: u64,
    pub(crate) media_type: String,
    pub(crate) storage: Storage,
    pub(crate) epoch: EpochId,
    pub(crate) parts: Vec<PartRef>,
    /// The sealed parts, in order; empty when linked or packed.
    pub(crate) objects: Vec<ObjectFile>,
    /// What goes into the local pack: renditions, and the original itself when it is small.
    pub(crate) entries: Vec<MadeRendition>,
    pub(crate) metadata: Facts,
    pub(crate) pixels: Facts,
    pub(crate) probe_version: u32,
    /// Whether the preview is left for later.
    pub(crate) preview_pending: bool,
    /// Why there are no renditions, if there are none.
    pub(crate) undecodable: Option<String>,
}

impl NewOriginal {
    /// The bytes that wait for the disk with it: its content, and what lies in memory for the pack.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.size_bytes + self.entries.iter().map(MadeRendition::length_bytes).sum::<u64>()
    }
}

/// What taking needs; shared by all threads.
pub(crate) struct Intake<'a> {
    pub(crate) library: LibraryId,
    pub(crate) epoch: &'a Epoch,
    pub(crate) place: &'a FolderPlace,
    pub(crate) pool: &'a Pool,
    pub(crate) sealer: Sealer<'a>,
    pub(crate) link: bool,
    pub(crate) all_files: bool,
    /// How long a file must have stood still to be read.
    pub(crate) settle: Duration,
    /// Contents that a thread of this import is taking, so that no two take the same.
    pub(crate) claimed: &'a Mutex<HashSet<ContentHash>>,
    /// Held by whoever takes a large file.
    pub(crate) large: &'a Mutex<()>,
    /// Whether the library has a content already.
    pub(crate) kept: &'a Kept<'a>,
}

/// A reading that came to its end.
pub(super) struct Reading {
    pub(super) settled: Settled,
    pub(super) content: ContentHash,
    pub(super) size_bytes: u64,
    pub(super) sealed: Option<SealedOriginal>,
    pub(super) objects: Vec<ObjectFile>,
    /// The whole content, where it fits.
    pub(super) bytes: Option<Vec<u8>>,
}

enum Attempt {
    Done(Box<Reading>, MediaKind),
    NotMedia(NotMedia, Settled),
    Moved,
    Young(Sighting),
}

impl Intake<'_> {
    /// Takes one file. Errors are those that concern the library or the machine; what is wrong with
    /// the file alone is a [`Taking`].
    pub(crate) fn take(&self, candidate: &Candidate) -> Result<Taking> {
        // Large files take turns, so that memory is bounded by one of them.
        let _turn = (candidate.stamp.size_bytes > WHOLE_BYTES).then(|| locked(self.large));
        for wait in SETTLING {
            match self.attempt(candidate) {
                Ok(Attempt::Done(reading, kind)) => {
                    let content = reading.content;
                    return match self.settle(candidate, *reading, kind) {
                        Err(LibraryError::Io { source, .. }) => {
                            locked(self.claimed).remove(&content);
                            Ok(Taking::Unsettled(format!("it cannot be read any more: {source}")))
                        }
                        settled => settled,
                    };
                }
                Ok(Attempt::NotMedia(reason, settled)) => return Ok(Taking::Refused(reason, settled)),
                Ok(Attempt::Young(sighting)) => return Ok(Taking::Young(sighting)),
                Ok(Attempt::Moved) => std::thread::sleep(wait),
                Err(LibraryError::Io { source, .. }) => {
                    return Ok(Taking::Unsettled(format!("it cannot be read: {source}")));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Taking::Unsettled(STILL_CHANGING.into()))
    }

    fn attempt(&self, candidate: &Candidate) -> Result<Attempt> {
        let path = &candidate.path;
        let reading = |source| LibraryError::reading(path, source);
        let file = open_plain(path).map_err(reading)?;
        let before = file.metadata().map_err(reading)?;
        if !before.is_file() {
            return Err(reading(std::io::Error::other("it is no regular file")));
        }
        let stamp = stamp_of(&before);
        if let Some(sighting) = Sighting::of(stamp, candidate.sighting.as_ref(), self.settle) {
            return Ok(Attempt::Young(sighting));
        }
        if !self.settle.is_zero() && is_held_open_for_writing(&file) {
            return Ok(Attempt::Young(Sighting::of_unfinished(stamp, self.settle)));
        }
        let size = before.len();
        let mut head = vec![0; SNIFF_BYTES.min(usize::try_from(size).unwrap_or(SNIFF_BYTES))];
        read_at_most(&file, &mut head).map_err(reading)?;
        let kind = match sniff(&head, path) {
            Sniffed::Media(format) | Sniffed::NamedLike(format) => format.kind(),
            Sniffed::NotMedia(_) if self.all_files => MediaKind::Other,
            Sniffed::NotMedia(reason) => {
                let sampled = sampled_fingerprint(&file, size).map_err(reading)?;
                return Ok(Attempt::NotMedia(reason, Settled { stamp, sampled }));
            }
        };
        let picture = matches!(kind, MediaKind::Photo | MediaKind::Raw);
        let whole = size <= WHOLE_BYTES || (picture && size <= PICTURE_BYTES);
        let mut done = if whole && kind != MediaKind::Video {
            self.read_whole(candidate, &file, &head, size)?
        } else {
            self.read_streaming(candidate, &file, &head)?
        };
        let after = file.metadata().map_err(reading)?;
        let there = std::fs::symlink_metadata(path).or_else(|_| std::fs::metadata(path));
        let same_file = there.is_ok_and(|there| there.is_symlink() || stamp_of(&there).inode == stamp.inode);
        if stamp_of(&after) != stamp || done.size_bytes != size || !same_file {
            return Ok(Attempt::Moved);
        }
        done.settled.stamp = distrusted_if_racy(stamp);
        done.settled.sampled = sampled_fingerprint(&file, size).map_err(reading)?;
        Ok(Attempt::Done(Box::new(done), kind))
    }

    fn read_whole(&self, candidate: &Candidate, file: &File, head: &[u8], size: u64) -> Result<Reading> {
        let reading = |source| LibraryError::reading(&candidate.path, source);
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default().saturating_add(1));
        bytes.extend_from_slice(head);
        // One byte more than expected, so that a file that grows is noticed and not read for ever.
        file.take((size + 1).saturating_sub(head.len() as u64)).read_to_end(&mut bytes).map_err(reading)?;
        let size_bytes = bytes.len() as u64;
        let (content, sealed, objects) = if self.link || size_bytes < SMALL_BYTES {
            (ContentHash::of(&bytes), None, Vec::new())
        } else {
            let mut sink = Parts::new(self.place);
            let mut sealer = self.original_sealer(candidate);
            let pushed = sealer.push(&bytes, &mut sink.write());
            sink.sealing(pushed)?;
            let finished = sealer.finish(&mut sink.write());
            let sealed = sink.sealing(finished)?;
            (sealed.content, Some(sealed), sink.objects)
        };
        Ok(Reading { settled: unsettled(), content, size_bytes, sealed, objects, bytes: Some(bytes) })
    }

    fn read_streaming(&self, candidate: &Candidate, file: &File, head: &[u8]) -> Result<Reading> {
        let reading = |source| LibraryError::reading(&candidate.path, source);
        let mut source = head.chain(file);
        let mut stretch = vec![0; STRETCH_BYTES];
        let mut size_bytes = 0_u64;
        let mut hasher = Sha256::new();
        let mut sink = Parts::new(self.place);
        let mut sealer = (!self.link).then(|| self.original_sealer(candidate));
        loop {
            let count = fill(&mut source, &mut stretch).map_err(reading)?;
            let Some(bytes) = stretch.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            size_bytes += count as u64;
            if size_bytes > candidate.stamp.size_bytes.saturating_mul(2).saturating_add(WHOLE_BYTES) {
                break;
            }
            match &mut sealer {
                Some(sealer) => {
                    let pushed = sealer.push(bytes, &mut sink.write());
                    sink.sealing(pushed)?;
                }
                None => hasher.update(bytes),
            }
        }
        let (content, sealed) = match sealer {
            Some(sealer) => {
                let finished = sealer.finish(&mut sink.write());
                let sealed = sink.sealing(finished)?;
                (sealed.content, Some(sealed))
            }
            None => (ContentHash::from_bytes(hasher.finish()), None),
        };
        Ok(Reading { settled: unsettled(), content, size_bytes, sealed, objects: sink.objects, bytes: None })
    }

    pub(super) fn original_sealer(&self, candidate: &Candidate) -> OriginalSealer {
        let mut about = candidate.path.as_os_str().as_bytes().to_vec();
        about.extend_from_slice(&candidate.stamp.modified_nanos.to_be_bytes());
        OriginalSealer::new(self.epoch, self.library, &about, &mut OsEntropy)
    }

    /// A file that was read in full: is it new, and what does it show?
    fn settle(&self, candidate: &Candidate, reading: Reading, kind: MediaKind) -> Result<Taking> {
        self.settle_seen(reading, |reading| self.look(candidate, reading, kind))
    }

    /// The same where `look` says how to see what it shows.
    pub(super) fn settle_seen(
        &self,
        mut reading: Reading,
        look: impl FnOnce(&Reading) -> Result<Look>,
    ) -> Result<Taking> {
        let claimed = locked(self.claimed).insert(reading.content);
        if !claimed || self.kept.has(&reading.content)? {
            return Ok(Taking::Again(reading.content, reading.settled));
        }
        let parts = self.bind_parts(&mut reading)?;
        let look = look(&reading)?;
        let mut entries = Vec::new();
        let mut storage = if self.link { Storage::Linked } else { Storage::Copied };
        if !self.link
            && reading.sealed.is_none()
            && let Some(bytes) = &reading.bytes
        {
            storage = Storage::Packed;
            entries.push(self.sealer.seal_original(&reading.content, bytes)?);
        }
        let probe = look.probe;
        let mut original = NewOriginal {
            settled: reading.settled,
            content: reading.content,
            size_bytes: reading.size_bytes,
            media_type: probe.media_type.clone(),
            storage,
            epoch: self.epoch.id(),
            parts,
            objects: reading.objects,
            entries,
            metadata: facts::of_probe(&probe),
            pixels: Facts::default(),
            probe_version: probe.version,
            preview_pending: false,
            undecodable: None,
        };
        match look.rendered {
            Ok(rendered) => {
                original.preview_pending = rendered.preview_pending;
                original.pixels = facts::of_pixels(&rendered);
                original.entries.extend(self.sealer.seal_rendered(&original.content, &rendered)?);
            }
            Err(NotRendered::Later | NotRendered::Perhaps(_)) => original.preview_pending = true,
            Err(NotRendered::Never(reason)) => {
                original.pixels = facts::of_undecodable(reason.clone());
                original.undecodable = Some(reason);
            }
        }
        Ok(Taking::New(Box::new(original)))
    }

    fn bind_parts(&self, reading: &mut Reading) -> Result<Vec<PartRef>> {
        let Some(sealed) = &reading.sealed else { return Ok(Vec::new()) };
        let mut parts = Vec::with_capacity(sealed.parts.len());
        // Nobody knows how many such originals wait for the writer at once, so none of theirs stays open.
        let is_long = sealed.parts.len() > OPEN_PARTS;
        for (part, object) in sealed.parts.iter().zip(&mut reading.objects) {
            if is_long {
                object.park()?;
            }
            object.write_header(&part.header)?;
            parts.push(PartRef { name: part.name, sealed_bytes: part.sealed_bytes, tags: None });
        }
        Ok(parts)
    }

    fn look(&self, candidate: &Candidate, reading: &Reading, kind: MediaKind) -> Result<Look> {
        let name = candidate.path.file_name().map_or(candidate.path.as_path(), Path::new);
        if let Some(bytes) = &reading.bytes {
            let probe = safelight_media::probe(bytes, name);
            let rendered = render_still(self.pool, bytes, &probe, Wanted::QUICK);
            return Ok(Look { probe, rendered });
        }
        let mut file =
            open_plain(&candidate.path).map_err(|source| LibraryError::reading(&candidate.path, source))?;
        let probe = match safelight_media::probe_reader(&mut file, name) {
            Ok(probe) => probe,
            Err(error) => {
                let reason = error.to_string();
                return Ok(Look { probe: Probe::default(), rendered: Err(NotRendered::Never(reason)) });
            }
        };
        if kind != MediaKind::Video {
            let reason = "it is too large to be decoded".to_owned();
            return Ok(Look { probe, rendered: Err(NotRendered::Never(reason)) });
        }
        let rendered = told(self.pool.poster(&file, Wanted::ALL));
        Ok(Look { probe, rendered })
    }
}

pub(super) struct Look {
    pub(super) probe: Probe,
    pub(super) rendered: std::result::Result<Rendered, NotRendered>,
}

/// Why there are no renditions.
#[derive(Debug)]
pub(crate) enum NotRendered {
    /// The machine's fault: it is tried again in the background.
    Later,
    /// It may be the machine's fault or the file's, for this reason: it is tried again, but not for ever, and history
    /// says nothing of it.
    Perhaps(String),
    /// The file's fault.
    Never(String),
}

/// Renders a picture that is in memory; of a RAW file its embedded preview.
pub(crate) fn render_still(
    pool: &Pool,
    bytes: &[u8],
    probe: &Probe,
    wanted: Wanted,
) -> std::result::Result<Rendered, NotRendered> {
    let is_preview = probe.kind == MediaKind::Raw;
    let (bytes, format, orientation) = if is_preview {
        let Some(preview) = safelight_media::raw_preview(bytes, probe) else {
            return Err(NotRendered::Never("the RAW file holds no preview".into()));
        };
        let start = usize::try_from(preview.offset_bytes).unwrap_or(usize::MAX);
        let length = usize::try_from(preview.length_bytes).unwrap_or(usize::MAX);
        let Some(jpeg) = bytes.get(start..start.saturating_add(length)) else {
            return Err(NotRendered::Never("the preview in the RAW file is cut off".into()));
        };
        (jpeg, StillFormat::Jpeg, preview.orientation)
    } else {
        let Some(format) = still_format(probe.format) else {
            return Err(NotRendered::Never("its content is of no kind that can be shown".into()));
        };
        (bytes, format, probe.orientation)
    };
    let rendered = told(pool.render(&RenderRequest { bytes, format, orientation, wanted }))?;
    // What is wrong with a preview within a file says nothing of the file's own pixels.
    Ok(Rendered { damage: rendered.damage.filter(|_| !is_preview), ..rendered })
}

/// Tells whose fault a failed rendition is.
pub(crate) fn told(
    rendered: std::result::Result<Rendered, RenderError>,
) -> std::result::Result<Rendered, NotRendered> {
    rendered.map_err(|error| {
        if error.is_about_the_file() {
            return NotRendered::Never(error.to_string());
        }
        tracing::warn!(%error, "renditions are left for later");
        if error.is_about_the_machine() {
            NotRendered::Later
        } else {
            NotRendered::Perhaps(error.to_string())
        }
    })
}

fn unsettled() -> Settled {
    let stamp = FileStamp { size_bytes: 0, modified_nanos: 0, changed_nanos: 0, inode: 0, device: 0 };
    Settled { stamp, sampled: [0; 32] }
}

/// Opens without waiting, so that a pipe with a photo's name cannot stop the import.
pub(crate) fn open_plain(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    std::fs::OpenOptions::new().read(true).custom_flags(nonblocking).open(path)
}

fn distrusted_if_racy(stamp: FileStamp) -> FileStamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_nanos = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    let racy_nanos = i64::try_from(RACY.as_nanos()).unwrap_or_default();
    if now_nanos.saturating_sub(stamp.changed_nanos) < racy_nanos {
        FileStamp { changed_nanos: 0, ..stamp }
    } else {
        stamp
    }
}

fn read_at_most(file: &File, head: &mut Vec<u8>) -> std::io::Result<()> {
    let mut source = file;
    let count = fill(&mut source, head)?;
    head.truncate(count);
    Ok(())
}

/// Reads until the buffer is full or the source ends.
pub(super) fn fill(source: &mut impl std::io::Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes sealed parts into unnamed objects, and keeps the store's own error for the caller.
pub(super) struct Parts<'a> {
    place: &'a FolderPlace,
    pub(super) objects: Vec<ObjectFile>,
    error: Option<StoreError>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(place: &'a FolderPlace) -> Self {
        Self { place, objects: Vec::new(), error: None }
    }

    pub(super) fn write(&mut self) -> impl FnMut(u32, &[u8]) -> std::io::Result<()> + '_ {
        |part, bytes| {
            let written = (|| {
                if self.objects.len() <= part as usize {
                    if let Some(done) = self.objects.len().checked_sub(OPEN_PARTS)
                        && let Some(object) = self.objects.get_mut(done)
                    {
                        object.park()?;
                    }
                    self.objects.push(self.place.create_object()?);
                }
                self.objects.last_mut().map_or(Ok(()), |object| object.append(bytes))
            })();
            written.map_err(|error| {
                self.error = Some(error);
                std::io::Error::other("the library folder took no more")
            })
        }
    }

    pub(super) fn sealing<T>(
        &mut self,
        outcome: std::result::Result<T, safelight_crypto::CryptoError>,
    ) -> Result<T> {
        match (self.error.take(), outcome) {
            (Some(error), _) => Err(error.into()),
            (None, outcome) => Ok(outcome?),
        }
    }
}

/// What a file is. Whoever named a link says nothing of the file that it leads to: where the content tells nothing, that
/// file's own name counts.
fn sniff(head: &[u8], path: &Path) -> Sniffed {
    let sniffed = safelight_media::sniff(head, path);
    if !matches!(sniffed, Sniffed::NamedLike(_)) {
        return sniffed;
    }
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink());
    let target = if is_link { std::fs::canonicalize(path).ok() } else { None };
    target.map_or(sniffed, |target| safelight_media::sniff(head, &target))
}
