//! Opening: the header first, which proves key, name, part and length; then any segment, in any order.
//! Spec: sl1.md §2.7.

use std::ops::Range;

use super::geometry::{self, Geometry, TRAILER_BYTES, padded_carried};
use super::header::{HEADER_LEN, Kind, ObjectContext, ObjectKey, Prefix};
use super::nonce;
use super::sealer::usize_of;
use crate::epoch::{EpochSecrets, SealingSecret};
use crate::error::{CryptoError, Fault, Result};
use crate::kem::{ENCAPSULATION_LEN, KemSecret};
use crate::primitive::{Gcm, TAG_LEN};

/// An object whose header was opened: it is what it should be, and its segments can be opened one by one.
///
/// A caller that opens single segments is protected against everyone who does not hold the key; only a whole
/// read, checked against the recorded SHA-256, protects against someone who does.
pub struct Opener {
    name: String,
    kind: Kind,
    geometry: Geometry,
    gcm: Gcm,
}

impl Opener {
    /// Opens the header of an object that is `sealed_len` bytes long.
    ///
    /// # Errors
    /// The first rule that the header or the length breaks.
    pub fn new(
        header: &[u8],
        sealed_len: u64,
        kind: Kind,
        secrets: &(impl EpochSecrets + ?Sized),
        context: &ObjectContext<'_>,
    ) -> Result<Self> {
        let open = || {
            let prefix = Prefix::parse(header)?;
            let secret = prefix.secret(kind, secrets)?;
            Self::with_secret(header, sealed_len, prefix, &secret, context)
        };
        open().map_err(|fault| context.error(fault))
    }

    pub(crate) fn with_secret(
        header: &[u8],
        sealed_len: u64,
        prefix: Prefix,
        secret: &SealingSecret,
        context: &ObjectContext<'_>,
    ) -> Result<Self, Fault> {
        let header: &[u8; HEADER_LEN] = header.first_chunk().ok_or(Fault::Truncated)?;
        let encapsulation_len = if prefix.kind.is_encapsulated() { ENCAPSULATION_LEN } else { 0 };
        let body_start = (HEADER_LEN + encapsulation_len) as u64;
        let geometry =
            geometry::expected_geometry(prefix.kind, prefix.segment_size, body_start, sealed_len, context)?;
        let gcm = ObjectKey::unbind(header, secret, context)?.segment_key();
        Ok(Self { name: context.name.to_owned(), kind: prefix.kind, geometry, gcm })
    }

    /// How the object is cut.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The bytes of the sealed object that are needed for the plaintext bytes `range`: whole segments.
    #[must_use]
    pub fn sealed_range(&self, range: &Range<u64>) -> Range<u64> {
        let segments = self.geometry.segments_of(&self.within(range));
        if segments.is_empty() {
            return self.geometry.body_start..self.geometry.body_start;
        }
        self.geometry.sealed_segment(segments.start).start..self.geometry.sealed_segment(segments.end - 1).end
    }

    /// Opens segment `index` where it lies; returns its plaintext, padding included.
    ///
    /// # Errors
    /// [`Fault::SegmentDamaged`] when the bytes are not this segment of this object.
    pub fn open_segment<'a>(&self, index: u64, sealed: &'a mut [u8]) -> Result<&'a mut [u8]> {
        let due = self.geometry.sealed_segment(index);
        if sealed.len() as u64 != due.end - due.start || due.is_empty() {
            return Err(self.damaged(index));
        }
        let opened = self.gcm.open_in_place(&nonce(index, self.geometry.is_last(index)), sealed);
        opened.map_err(|_| self.damaged(index))
    }

    /// Opens the plaintext bytes `range` out of `sealed`, which is what [`Self::sealed_range`] asked for.
    ///
    /// # Errors
    /// As [`Self::open_segment`]; [`Fault::SizeMismatch`] when `sealed` is not the bytes asked for.
    pub fn open_range(&self, range: &Range<u64>, sealed: &[u8]) -> Result<Vec<u8>> {
        let due = self.sealed_range(range);
        if sealed.len() as u64 != due.end - due.start {
            let fault = Fault::SizeMismatch { expected: due.end - due.start, found: sealed.len() as u64 };
            return Err(self.error(fault));
        }
        let range = self.within(range);
        let segments = self.geometry.segments_of(&range);
        let plain_start = self.geometry.plain_segment(segments.start).start;
        let mut plain = self.open_segments(segments, sealed)?;
        let skip = usize_of(range.start - plain_start).min(plain.len());
        plain.truncate(usize_of(range.end.saturating_sub(plain_start)));
        plain.drain(..skip);
        Ok(plain)
    }

    /// `range` without what lies behind the content.
    fn within(&self, range: &Range<u64>) -> Range<u64> {
        let end = range.end.min(self.geometry.content_len.unwrap_or(self.geometry.plain_len));
        range.start.min(end)..end
    }

    fn open_segments(&self, segments: Range<u64>, sealed: &[u8]) -> Result<Vec<u8>> {
        let sealed_segment = self.geometry.segment_size.bytes() + TAG_LEN;
        let mut plain = vec![0; sealed.len() - sealed.len().div_ceil(sealed_segment) * TAG_LEN];
        let pieces = sealed.chunks(sealed_segment).zip(plain.chunks_mut(self.geometry.segment_size.bytes()));
        for (index, (piece, out)) in segments.zip(pieces) {
            let opened = self.gcm.open_into(&nonce(index, self.geometry.is_last(index)), piece, out);
            opened.map_err(|_| self.damaged(index))?;
        }
        Ok(plain)
    }

    /// Opens all segments, checks the padding and returns the content.
    ///
    /// # Errors
    /// As [`Self::open_segment`]; [`Fault::BadPadding`]; [`Fault::SizeMismatch`] when `body` is not all segments.
    pub fn open_body(&self, body: &[u8]) -> Result<Vec<u8>> {
        let due = self.geometry.sealed_len() - self.geometry.body_start;
        if body.len() as u64 != due {
            return Err(self.error(Fault::SizeMismatch { expected: due, found: body.len() as u64 }));
        }
        let mut plain = self.open_segments(0..self.geometry.segments(), body)?;
        let content_len = self.content_len(&plain).map_err(|fault| self.error(fault))?;
        plain.truncate(content_len);
        Ok(plain)
    }

    /// The content's length within the whole plaintext, once the padding proves right.
    fn content_len(&self, plain: &[u8]) -> Result<usize, Fault> {
        if let Some(content_len) = self.geometry.content_len {
            let content_len = usize_of(content_len);
            return if is_zero(&plain[content_len..]) { Ok(content_len) } else { Err(Fault::BadPadding) };
        }
        let (rest, trailer) = plain.split_last_chunk::<TRAILER_BYTES>().ok_or(Fault::BadPadding)?;
        let content_len = u64::from_be_bytes(*trailer);
        if content_len > rest.len() as u64 {
            return Err(Fault::BadPadding);
        }
        // A pack's index is padded to round the pack, not itself.
        let padded =
            if self.kind == Kind::PackIndex { plain.len() as u64 } else { padded_carried(content_len) };
        let content_len = usize_of(content_len);
        if padded == plain.len() as u64 && is_zero(&rest[content_len..]) {
            Ok(content_len)
        } else {
            Err(Fault::BadPadding)
        }
    }

    fn damaged(&self, index: u64) -> CryptoError {
        self.error(Fault::SegmentDamaged { index })
    }

    pub(crate) fn error(&self, fault: Fault) -> CryptoError {
        fault.of(self.name.as_str())
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener").field("name", &self.name).field("geometry", &self.geometry).finish()
    }
}

/// Opens a whole object that is in memory and returns its content.
///
/// # Errors
/// The first rule that the object breaks.
pub fn open(
    sealed: &[u8],
    kind: Kind,
    secrets: &(impl EpochSecrets + ?Sized),
    context: &ObjectContext<'_>,
) -> Result<Vec<u8>> {
    let opener = Opener::new(sealed, sealed.len() as u64, kind, secrets, context)?;
    opener.open_body(&sealed[usize_of(opener.geometry.body_start)..])
}

/// Opens an object that was sealed to a public key.
///
/// # Errors
/// As [`open`]; a wrong secret key shows as [`Fault::WrongContext`].
pub fn open_from(
    sealed: &[u8],
    kind: Kind,
    recipient: &KemSecret,
    context: &ObjectContext<'_>,
) -> Result<Vec<u8>> {
    let header = || {
        let prefix = Prefix::parse(sealed)?;
        prefix.expect(kind)?;
        if !kind.is_encapsulated() {
            return Err(Fault::OutOfOrder("this kind is sealed under a secret"));
        }
        let after = sealed.get(HEADER_LEN..).unwrap_or_default();
        let encapsulation: &[u8; ENCAPSULATION_LEN] = after.first_chunk().ok_or(Fault::Truncated)?;
        let secret = SealingSecret(recipient.decapsulate(encapsulation));
        Opener::with_secret(sealed, sealed.len() as u64, prefix, &secret, context)
    };
    let opener = header().map_err(|fault| context.error(fault))?;
    opener.open_body(&sealed[usize_of(opener.geometry.body_start)..])
}

/// True when all bytes are zero; reads words at a time.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(64).all(|chunk| chunk.iter().fold(0, |seen, byte| seen | byte) == 0)
}
