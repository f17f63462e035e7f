//! Originals: read once, hashed and sealed in the same pass, cut into parts of 32 MiB that are the same in
//! every place; and opened again in one pass that checks every byte. Memory is one or two segments,
//! whatever the size. Spec: sl1.md §2.5, §2.8.

use std::io::{self, Read};
use std::ops::Range;

use super::geometry::{self, PART_LEN, original_parts, padded_original, sealed_body_len};
use super::header::{HEADER_LEN, Kind, ObjectContext, ObjectKey, Prefix, SegmentSize, salt_from_fresh};
use super::nonce;
use super::opener::{Opener, is_zero};
use super::sealer::{Sealed, usize_of};
use crate::entropy::Entropy;
use crate::epoch::{Epoch, EpochSecrets};
use crate::error::{CryptoError, Fault, Result};
use crate::ids::{ContentHash, EpochId, LibraryId, ObjectName};
use crate::names;
use crate::primitive::{Gcm, Sha256, TAG_LEN};
use crate::secret::Secret;

const SEGMENT: usize = SegmentSize::Mib1.bytes();

/// Where the bodies of parts go while an original is being sealed.
pub trait PartSink {
    /// Takes the next bytes of a part's body. The first belong at offset [`HEADER_LEN`]; the header comes
    /// at the end, from [`OriginalSealer::finish`]. Parts come in order, each from its start to its end.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being taken; sealing stops with it.
    fn write(&mut self, part: u32, bytes: &[u8]) -> io::Result<()>;
}

impl<F: FnMut(u32, &[u8]) -> io::Result<()>> PartSink for F {
    fn write(&mut self, part: u32, bytes: &[u8]) -> io::Result<()> {
        self(part, bytes)
    }
}

/// One sealed part of an original: put `header` before the body that the sink took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPart {
    /// The name it must rest under.
    pub name: ObjectName,
    /// The first bytes of the object.
    pub header: [u8; HEADER_LEN],
    /// Length of the whole object, header included.
    pub sealed_bytes: u64,
}

/// An original after sealing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "without its headers an original cannot be opened"]
pub struct SealedOriginal {
    /// SHA-256 of the content.
    pub content: ContentHash,
    /// Bytes of content.
    pub size_bytes: u64,
    /// The epoch it is sealed under.
    pub epoch: EpochId,
    /// Its parts, in order; at least one.
    pub parts: Vec<SealedPart>,
}

/// The names and sizes that the parts of an original have once it is sealed under an epoch: known before it is.
#[must_use]
pub fn original_part_names(epoch: &Epoch, content: &ContentHash, size_bytes: u64) -> Vec<(ObjectName, u64)> {
    let naming_key = epoch.naming_key();
    let padded = padded_original(size_bytes);
    (0..original_parts(size_bytes))
        .map(|part| {
            let plain_len = (padded - u64::from(part) * PART_LEN).min(PART_LEN);
            let sealed_bytes =
                HEADER_LEN as u64 + sealed_body_len(plain_len, Kind::OriginalPart.segment_size());
            (naming_key.original(content, part), sealed_bytes)
        })
        .collect()
}

/// Seals an original while it is read.
///
/// ```
/// # use safelight_crypto::{Epoch, LibraryId, OriginalSealer, SeededEntropy};
/// # let mut entropy = SeededEntropy::new(1);
/// # let (epoch, library) = (Epoch::generate(&mut entropy), LibraryId::from_bytes([1; 20]));
/// let mut body = Vec::new();
/// let mut sink = |_part: u32, bytes: &[u8]| {
///     body.extend_from_slice(bytes);
///     Ok(())
/// };
/// let mut sealer = OriginalSealer::new(&epoch, library, b"/photos/a.jpg 1234567", &mut entropy);
/// sealer.push(b"the bytes of a photo", &mut sink)?;
/// let original = sealer.finish(&mut sink)?;
/// assert_eq!(original.size_bytes, 20);
/// # Ok::<(), safelight_crypto::CryptoError>(())
/// ```
pub struct OriginalSealer {
    library: LibraryId,
    epoch: Epoch,
    about: Vec<u8>,
    /// Fresh random bytes that all object keys and salts of this original come from.
    fresh: Secret,
    hasher: Sha256,
    size_bytes: u64,
    /// Plaintext of the segment being filled; full only while nothing is known to follow.
    pending: Vec<u8>,
    /// Where a segment that skips `pending` is sealed into.
    sealed: Vec<u8>,
    /// The part being written, once it has its first segment.
    open_part: Option<OpenPart>,
    parts: Vec<ObjectKey>,
}

struct OpenPart {
    key: ObjectKey,
    gcm: Gcm,
    segments: u64,
}

impl OriginalSealer {
    /// Starts sealing. `about` tells this original from others — its path, size and times will do — so that
    /// a cloned machine, whose random state repeats, does not repeat a key.
    #[must_use]
    pub fn new(epoch: &Epoch, library: LibraryId, about: &[u8], entropy: &mut dyn Entropy) -> Self {
        Self {
            library,
            epoch: epoch.clone(),
            about: about.to_vec(),
            fresh: Secret::generate(entropy),
            hasher: Sha256::new(),
            size_bytes: 0,
            pending: Vec::new(),
            sealed: Vec::new(),
            open_part: None,
            parts: Vec::new(),
        }
    }

    /// Takes the next bytes of content.
    ///
    /// # Errors
    /// When the sink refuses sealed bytes. The original cannot be continued then.
    pub fn push(&mut self, content: &[u8], sink: &mut dyn PartSink) -> Result<()> {
        self.size_bytes += content.len() as u64;
        self.absorb(content, true, sink)
    }

    /// Bytes of content taken so far.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Pads, seals the last segment, and binds every part to its name.
    ///
    /// # Errors
    /// When the sink refuses sealed bytes.
    pub fn finish(mut self, sink: &mut dyn PartSink) -> Result<SealedOriginal> {
        let zeros = [0; 16 << 10];
        let mut padding = padded_original(self.size_bytes) - self.size_bytes;
        while padding > 0 {
            let piece = padding.min(zeros.len() as u64);
            self.absorb(&zeros[..usize_of(piece)], false, sink)?;
            padding -= piece;
        }
        if !self.pending.is_empty() {
            self.seal_pending(true, sink)?;
        }
        let content = ContentHash::from_bytes(self.hasher.clone().finish());
        let parts = self.bind_parts(&content);
        Ok(SealedOriginal { content, size_bytes: self.size_bytes, epoch: self.epoch.id(), parts })
    }

    fn bind_parts(&self, content: &ContentHash) -> Vec<SealedPart> {
        let prefix = Prefix::new(Kind::OriginalPart, self.epoch.id().into());
        let (secret, naming_key) = (self.epoch.sealing_secret(), self.epoch.naming_key());
        let padded = padded_original(self.size_bytes);
        (0..)
            .zip(&self.parts)
            .map(|(part, key)| {
                let name = naming_key.original(content, part);
                let logical = names::original(&name);
                let context = ObjectContext::original_part(self.library, &logical, part, self.size_bytes);
                let about: [&[u8]; 3] = [&part.to_be_bytes(), content.as_bytes(), &self.about];
                let salt = salt_from_fresh(self.fresh.as_bytes(), &about);
                let plain_len = (padded - u64::from(part) * PART_LEN).min(PART_LEN);
                let sealed_bytes = HEADER_LEN as u64 + sealed_body_len(plain_len, prefix.segment_size);
                SealedPart { name, header: key.bind(prefix, &salt, &secret, &context), sealed_bytes }
            })
            .collect()
    }

    /// Cuts bytes into segments. A full segment waits in `pending` until more bytes show that it is not the
    /// last, except where a part ends, which its length decides.
    fn absorb(&mut self, mut bytes: &[u8], is_content: bool, sink: &mut dyn PartSink) -> Result<()> {
        while !bytes.is_empty() {
            if self.pending.len() == SEGMENT {
                self.seal_pending(false, sink)?;
            }
            let ends_part = self.next_ends_part();
            let whole = bytes.len() > SEGMENT || (bytes.len() == SEGMENT && ends_part);
            let (piece, rest) = bytes.split_at(bytes.len().min(SEGMENT - self.pending.len()));
            bytes = rest;
            if is_content {
                self.hasher.update(piece);
            }
            if self.pending.is_empty() && whole {
                self.seal_piece(piece, ends_part, sink)?;
                continue;
            }
            self.pending.extend_from_slice(piece);
            if self.pending.len() == SEGMENT && ends_part {
                self.seal_pending(true, sink)?;
            }
        }
        Ok(())
    }

    fn next_ends_part(&self) -> bool {
        let done = self.open_part.as_ref().map_or(0, |part| part.segments);
        (done + 1) * SEGMENT as u64 == PART_LEN
    }

    /// Seals `pending` where it lies.
    fn seal_pending(&mut self, is_last: bool, sink: &mut dyn PartSink) -> Result<()> {
        let mut part = self.take_part();
        let tag = part.gcm.seal_in_place(&nonce(part.segments, is_last), &mut self.pending);
        self.pending.extend_from_slice(&tag);
        let written = sink.write(self.part_number(), &self.pending);
        self.pending.clear();
        part.segments += 1;
        self.put_part(part, is_last);
        written.map_err(write_error)
    }

    /// Seals one full segment straight from the caller's bytes.
    fn seal_piece(&mut self, piece: &[u8], is_last: bool, sink: &mut dyn PartSink) -> Result<()> {
        let mut part = self.take_part();
        self.sealed.resize(piece.len() + TAG_LEN, 0);
        part.gcm.seal_into(&nonce(part.segments, is_last), piece, &mut self.sealed);
        part.segments += 1;
        let number = self.part_number();
        self.put_part(part, is_last);
        sink.write(number, &self.sealed).map_err(write_error)
    }

    fn part_number(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    /// The part that the next segment belongs to. A new one gets a key that depends on the content up to
    /// the end of its first segment, which the hash has already taken in.
    fn take_part(&mut self) -> OpenPart {
        self.open_part.take().unwrap_or_else(|| {
            let so_far = self.hasher.clone().finish();
            let about: [&[u8]; 3] = [&self.part_number().to_be_bytes(), &so_far, &self.about];
            let key = ObjectKey::from_fresh(self.fresh.as_bytes(), &about);
            OpenPart { gcm: key.segment_key(), key, segments: 0 }
        })
    }

    fn put_part(&mut self, part: OpenPart, is_finished: bool) {
        if is_finished {
            self.parts.push(part.key);
        } else {
            self.open_part = Some(part);
        }
    }
}

impl std::fmt::Debug for OriginalSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OriginalSealer({} bytes so far)", self.size_bytes)
    }
}

fn write_error(source: io::Error) -> CryptoError {
    CryptoError::Write { object: "original".to_owned(), source }
}

/// Opens a whole original part by part, hashing what comes out: what `verify` and `export` do.
///
/// One buffer of a segment is reused by the caller over any number of originals.
pub struct OriginalOpener {
    library: LibraryId,
    content: ContentHash,
    size_bytes: u64,
    hasher: Sha256,
    next_part: u32,
    /// Whether no part was skipped.
    is_whole: bool,
}

impl OriginalOpener {
    /// Starts opening the original that a record describes.
    #[must_use]
    pub fn new(library: LibraryId, content: ContentHash, size_bytes: u64) -> Self {
        Self { library, content, size_bytes, hasher: Sha256::new(), next_part: 0, is_whole: true }
    }

    /// How many parts there are to open.
    #[must_use]
    pub fn parts(&self) -> u32 {
        original_parts(self.size_bytes)
    }

    /// Opens the next part: reads it from `source`, `sealed_len` bytes long, into `buffer` segment by
    /// segment, and gives the content of each to `each`. What `each` sees is authentic; that it is *all* of
    /// the content, [`Self::finish`] says.
    ///
    /// # Errors
    /// The first rule that the part breaks; reading; or what `each` returns, as [`CryptoError::Write`].
    pub fn open_part(
        &mut self,
        name: &ObjectName,
        sealed_len: u64,
        secrets: &(impl EpochSecrets + ?Sized),
        source: &mut dyn Read,
        buffer: &mut Vec<u8>,
        each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<()> {
        let logical = names::original(name);
        let context = ObjectContext::original_part(self.library, &logical, self.next_part, self.size_bytes);
        let read_error = |source| CryptoError::Read { object: logical.clone(), source };

        let mut header = [0; HEADER_LEN];
        if sealed_len < HEADER_LEN as u64 {
            return Err(context.error(Fault::Truncated));
        }
        source.read_exact(&mut header).map_err(read_error)?;
        let opener = Opener::new(&header, sealed_len, Kind::OriginalPart, secrets, &context)?;
        let geometry = *opener.geometry();
        let content_len = geometry.content_len.unwrap_or_default();

        for index in 0..geometry.segments() {
            let sealed = geometry.sealed_segment(index);
            let plain = geometry.plain_segment(index);
            let sealed_len = usize_of(sealed.end - sealed.start);
            if buffer.len() < sealed_len {
                buffer.resize(sealed_len, 0);
            }
            let bytes = &mut buffer[..sealed_len];
            source.read_exact(bytes).map_err(read_error)?;
            let opened = opener.open_segment(index, bytes)?;
            let content_here = usize_of(content_len.clamp(plain.start, plain.end) - plain.start);
            let (content, padding) = opened.split_at(content_here);
            if !is_zero(padding) {
                return Err(context.error(Fault::BadPadding));
            }
            self.hasher.update(content);
            each(content).map_err(|source| CryptoError::Write { object: logical.clone(), source })?;
        }
        self.next_part += 1;
        Ok(())
    }

    /// Goes on behind a part that cannot be opened, to find out whether those after it can. [`Self::finish`] fails
    /// after this: the content is not whole.
    pub fn skip_part(&mut self) {
        self.next_part += 1;
        self.is_whole = false;
    }

    /// Checks that all parts were opened and that the content is the recorded one.
    ///
    /// # Errors
    /// [`Fault::OutOfOrder`] when parts are missing, [`Fault::ContentMismatch`].
    pub fn finish(self) -> Result<()> {
        let fault = if self.next_part != self.parts() || !self.is_whole {
            Fault::OutOfOrder("not all parts were opened")
        } else if ContentHash::from_bytes(self.hasher.finish()) != self.content {
            Fault::ContentMismatch
        } else {
            return Ok(());
        };
        Err(fault.of(format!("original {}", self.content)))
    }
}

impl std::fmt::Debug for OriginalOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OriginalOpener({}, part {})", self.content, self.next_part)
    }
}

/// The bytes of content that part `part` of an original holds; empty when it is padding alone.
#[must_use]
pub fn part_content_range(total_len: u64, part: u32) -> Range<u64> {
    let start = (u64::from(part) * PART_LEN).min(total_len);
    let length =
        geometry::part_lengths(total_len, part, original_parts(total_len)).map_or(0, |(content, _)| content);
    start..start + length
}

/// Seals an original that is in memory; the parts in order.
///
/// # Errors
/// None that memory can cause.
pub fn seal_original(
    epoch: &Epoch,
    library: LibraryId,
    content: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<(SealedOriginal, Vec<Sealed>)> {
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    let mut sink = |part: u32, bytes: &[u8]| {
        if bodies.len() == part as usize {
            bodies.push(vec![0; HEADER_LEN]);
        }
        if let Some(body) = bodies.last_mut() {
            body.extend_from_slice(bytes);
        }
        Ok(())
    };
    let mut sealer = OriginalSealer::new(epoch, library, b"", entropy);
    sealer.push(content, &mut sink)?;
    let original = sealer.finish(&mut sink)?;
    for (part, body) in original.parts.iter().zip(&mut bodies) {
        body[..HEADER_LEN].copy_from_slice(&part.header);
    }
    Ok((original, bodies.into_iter().map(Sealed::from_vec).collect()))
}

/// Opens an original whose parts are in memory, checking its hash.
///
/// # Errors
/// The first rule that a part breaks, or [`Fault::ContentMismatch`].
pub fn open_original(
    parts: &[(ObjectName, &[u8])],
    library: LibraryId,
    content: ContentHash,
    size_bytes: u64,
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<Vec<u8>> {
    let mut opener = OriginalOpener::new(library, content, size_bytes);
    let (mut buffer, mut plain) = (Vec::new(), Vec::new());
    for (name, sealed) in parts {
        let mut source = *sealed;
        opener.open_part(name, sealed.len() as u64, secrets, &mut source, &mut buffer, &mut |bytes| {
            plain.extend_from_slice(bytes);
            Ok(())
        })?;
    }
    opener.finish()?;
    Ok(plain)
}
