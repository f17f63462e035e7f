//! Segments: batches of ops by one device, sealed, signed, numbered and chained.
//!
//! ```text
//! log/<device>/<seq>:   envelope (the sealed body) ‖ clear part ‖ signature
//! ```
//!
//! Invariant: nothing of a segment is believed before its signature, its place in the chain and its root were
//! checked; the types are the steps: [`SealedSegment`] → [`SignedSegment`] → [`Segment`]. The signature covers
//! the root and the place, not the sealed bytes, so an op can be forgotten, or a body sealed again, and the
//! segment stays the same segment with the same signature.
//!
//! **Outbox.** [`SegmentBuilder::close`] gives the final bytes of a segment. The catalogue stores them in the
//! transaction that closes the segment, before the first of them leaves the device; every retry, to every
//! place, for ever, sends exactly those bytes. Two segments of one device and number with different roots can
//! therefore only come from a cloned or restored device: see [`Tip::judge`].
//!
//! Specified in sl1-history §8.

mod builder;
mod head;
mod merkle;
pub(crate) mod packed;
mod place;
mod segment;
mod six_words;

use safelight_crypto::{
    DeviceId, Domain, EpochId, EpochSecrets, Kind, LibraryId, ObjectContext, Prefix, SIGNATURE_LEN,
    Signature, VerifyingKey, names, open,
};

use crate::error::ModelError;
use crate::ids::{SegmentRoot, SegmentSeq};

pub use builder::{ClosedSegment, SegmentBuilder};
pub use head::HeadHint;
pub use place::{open_place_id, seal_place_id};
pub use segment::{Evidence, Seen, Segment};
pub use six_words::{SixWords, ends_of};

/// How many ops one segment may hold.
pub const MAX_SEGMENT_OPS: usize = 65_536;
/// How long the plaintext of a segment's body may be: 32 MiB.
pub const MAX_BODY_BYTES: usize = 32 << 20;
/// How many devices a segment may have seen.
pub const MAX_SEEN: usize = 4096;

const MAGIC: &[u8; 4] = b"SLG1";
/// How long the clear part is.
const CLEAR_LEN: usize = 4 + 16 + 4 + 32 + 32;
/// How long what follows the envelope is.
pub const TRAILER_LEN: usize = CLEAR_LEN + SIGNATURE_LEN;

/// What a segment shows to everybody: which one it is, and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClearPart {
    /// Whose it is.
    pub device: DeviceId,
    /// Its place in that device's chain, from 1.
    pub seq: SegmentSeq,
    /// The root of the segment before; zeros for the first.
    pub prev: SegmentRoot,
    /// Its root.
    pub root: SegmentRoot,
}

impl ClearPart {
    /// The logical name under which the segment rests.
    #[must_use]
    pub fn name(&self) -> String {
        names::segment(&self.device, self.seq.0)
    }

    /// The tip of the chain after this segment.
    #[must_use]
    pub fn tip(&self) -> Tip {
        Tip { seq: self.seq, root: self.root }
    }

    fn to_bytes(self) -> Vec<u8> {
        let seq = self.seq.0.to_be_bytes();
        [MAGIC.as_slice(), self.device.as_bytes(), &seq, &self.prev.0, &self.root.0].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (device, rest) = rest.split_first_chunk()?;
        let (seq, rest) = rest.split_first_chunk()?;
        let (prev, root) = rest.split_first_chunk()?;
        Some(Self {
            device: DeviceId::from_bytes(*device),
            seq: SegmentSeq(u32::from_be_bytes(*seq)),
            prev: SegmentRoot(*prev),
            root: SegmentRoot(root.try_into().ok()?),
        })
    }

    /// What the device signs: library ‖ clear part.
    fn signed_bytes(self, library: &LibraryId) -> Vec<u8> {
        [library.as_bytes().as_slice(), &self.to_bytes()].concat()
    }

    fn broken(&self, rule: &'static str) -> ModelError {
        ModelError::BadSegment { device: self.device, seq: self.seq, rule }
    }
}

/// The end of a device's chain as known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// The number of the last segment; 0 when there is none.
    pub seq: SegmentSeq,
    /// Its root; zeros when there is none.
    pub root: SegmentRoot,
}

/// Where a segment stands to a known chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the next one.
    Next,
    /// It is the last one known, again.
    Same,
    /// It is earlier than the last one known; only the stored one of that number tells whether it is the same.
    Earlier,
    /// It comes later; the ones before it are missing.
    Gap,
    /// It has the number of a known one, or follows another one than the known: the device has forked.
    Fork,
}

impl Tip {
    /// Says where a segment stands to this end of its device's chain.
    #[must_use]
    pub fn judge(&self, segment: &ClearPart) -> Standing {
        let SegmentSeq(known) = self.seq;
        match segment.seq.0 {
            seq if seq == known && segment.root == self.root => Standing::Same,
            seq if seq == known => Standing::Fork,
            seq if seq < known => Standing::Earlier,
            seq if known.checked_add(1) != Some(seq) => Standing::Gap,
            _ if segment.prev == self.root => Standing::Next,
            _ => Standing::Fork,
        }
    }
}

/// A segment as it came from a place: nothing is checked but its shape.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing in a segment is believed before it is verified"]
pub struct SealedSegment<'a> {
    envelope: &'a [u8],
    clear: ClearPart,
    signature: Signature,
}

/// A segment that its device signed; its body is still sealed.
#[derive(Clone, Copy, Debug)]
#[must_use = "a signed segment says nothing before it is opened"]
pub struct SignedSegment<'a> {
    library: LibraryId,
    sealed: SealedSegment<'a>,
}

impl<'a> SealedSegment<'a> {
    /// Splits the bytes of a segment.
    ///
    /// # Errors
    /// [`ModelError::NotASegment`] if they cannot be one.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let split = || {
            let (envelope, trailer) = bytes.split_at_checked(bytes.len().checked_sub(TRAILER_LEN)?)?;
            let (clear, signature) = trailer.split_at_checked(CLEAR_LEN)?;
            let clear = ClearPart::from_bytes(clear)?;
            (clear.seq != SegmentSeq(0)).then_some(())?;
            Some(Self { envelope, clear, signature: Signature::from_bytes(signature.try_into().ok()?) })
        };
        split().ok_or(ModelError::NotASegment)
    }

    /// What it claims to be.
    #[must_use]
    pub fn clear(&self) -> &ClearPart {
        &self.clear
    }

    /// The statements in it, although nobody vouches for the segment yet: whoever joins finds the keys of the
    /// devices only within their segments. Statements are signed on their own; believe what a roster replays
    /// of them, and nothing else of this segment before it is verified.
    ///
    /// # Errors
    /// [`ModelError::Sealed`] if it cannot be opened, [`ModelError::Malformed`] if it is no segment's body,
    /// [`ModelError::BadSegment`] if its body is not that of its clear part.
    pub fn peek_statements(
        &self,
        library: LibraryId,
        secrets: &(impl EpochSecrets + ?Sized),
    ) -> Result<Vec<Vec<u8>>, ModelError> {
        let unverified = SignedSegment { library, sealed: *self };
        Ok(unverified.open(secrets)?.statements().collect())
    }

    /// Opens a segment that was taken in before: its root, which is known, vouches for it.
    ///
    /// # Errors
    /// As [`SignedSegment::open`]; [`ModelError::BadSegment`] for a segment of another root.
    pub fn open_known(
        &self,
        library: LibraryId,
        root: SegmentRoot,
        secrets: &(impl EpochSecrets + ?Sized),
    ) -> Result<Segment, ModelError> {
        if self.clear.root != root {
            return Err(self.clear.broken("it is another one than is known"));
        }
        SignedSegment { library, sealed: *self }.open(secrets)
    }

    /// The epoch that it says it is sealed under; nothing for bytes that are no envelope.
    #[must_use]
    pub fn epoch(&self) -> Option<EpochId> {
        Prefix::parse(self.envelope).ok().map(|prefix| EpochId::from_bytes(*prefix.key.as_bytes()))
    }

    /// Checks that the device signed this for this library. The key comes from the roster, never from here.
    ///
    /// # Errors
    /// [`ModelError::BadSegment`] naming the segment.
    pub fn verify(self, library: LibraryId, key: &VerifyingKey) -> Result<SignedSegment<'a>, ModelError> {
        let signed = self.clear.signed_bytes(&library);
        key.verify(Domain::Segment, &signed, &self.signature)
            .map_err(|_| self.clear.broken("its signature is not that of its device"))?;
        Ok(SignedSegment { library, sealed: self })
    }
}

impl SignedSegment<'_> {
    /// What it is.
    #[must_use]
    pub fn clear(&self) -> &ClearPart {
        &self.sealed.clear
    }

    /// Opens the body and checks it against the signed root.
    ///
    /// # Errors
    /// [`ModelError::Sealed`] if it cannot be opened, [`ModelError::Malformed`] if it is no segment's body,
    /// [`ModelError::BadSegment`] if it is another one's than was signed.
    pub fn open(self, secrets: &(impl EpochSecrets + ?Sized)) -> Result<Segment, ModelError> {
        let SealedSegment { envelope, clear, signature } = self.sealed;
        let name = clear.name();
        let context = ObjectContext::named(self.library, &name);
        let body = open(envelope, Kind::Segment, secrets, &context).map_err(ModelError::Sealed)?;
        Segment::from_body(self.library, clear, signature, &body)
    }
}
