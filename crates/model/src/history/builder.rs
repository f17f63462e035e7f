//! Making a segment: ops go in one by one, closing signs and seals them.

use safelight_crypto::{Device, Domain, Entropy, Epoch, LibraryId};

use super::merkle::SALT_LEN;
use super::segment::{Body, Entry, Seen, Segment};
use super::{ClearPart, MAX_BODY_BYTES, MAX_SEEN, MAX_SEGMENT_OPS, Tip};
use crate::error::ModelError;
use crate::ids::SegmentSeq;
use crate::op::{MAX_OP_BYTES, Op};

/// Room that an entry takes beside its op: array head, salt, length.
const ENTRY_BYTES: usize = 1 + 1 + SALT_LEN + 5;
/// Room that everything but the ops takes: 4096 devices seen, salt, heads.
const HEADER_BYTES: usize = 256 * 1024 + 64;

/// Collects the ops of the next segment.
#[derive(Debug)]
#[must_use = "ops are in history only after the segment is closed"]
pub struct SegmentBuilder {
    library: LibraryId,
    prev: Tip,
    seen: Seen,
    ops: Vec<Vec<u8>>,
    bytes: usize,
}

/// A closed segment and the final bytes to store in the outbox.
#[derive(Clone, Debug)]
#[must_use = "the bytes go into the outbox in the transaction that closes the segment"]
pub struct ClosedSegment {
    /// What was closed.
    pub segment: Segment,
    /// What rests under the segment's name in every place, for ever.
    pub bytes: Vec<u8>,
}

impl SegmentBuilder {
    /// Begins the segment after `prev`, the end of this device's own chain ([`Tip::default`] at first).
    pub fn new(library: LibraryId, prev: Tip, seen: Seen) -> Self {
        Self { library, prev, seen, ops: Vec::new(), bytes: HEADER_BYTES }
    }

    /// Takes in an op.
    ///
    /// # Errors
    /// [`ModelError::Unwritable`] for an op that nobody could read; [`ModelError::SegmentFull`].
    pub fn push(&mut self, op: &Op) -> Result<(), ModelError> {
        self.push_bytes(op.to_bytes()?)
    }

    /// Takes in an op as the catalogue stores it.
    ///
    /// # Errors
    /// [`ModelError::Malformed`] if it is not an op's encoding; [`ModelError::SegmentFull`].
    pub fn push_encoded(&mut self, op: &[u8]) -> Result<(), ModelError> {
        Op::from_bytes(op)?;
        self.push_bytes(op.to_vec())
    }

    fn push_bytes(&mut self, op: Vec<u8>) -> Result<(), ModelError> {
        let bytes = self.bytes + ENTRY_BYTES + op.len();
        if bytes > MAX_BODY_BYTES || self.ops.len() == MAX_SEGMENT_OPS {
            return Err(ModelError::SegmentFull);
        }
        self.bytes = bytes;
        self.ops.push(op);
        Ok(())
    }

    /// How many ops it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether it holds no op yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether another op of any size still fits.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.ops.len() < MAX_SEGMENT_OPS && self.bytes + ENTRY_BYTES + MAX_OP_BYTES <= MAX_BODY_BYTES
    }

    /// Salts, signs and seals. With the same entropy the bytes are the same.
    ///
    /// # Errors
    /// [`ModelError::ChainFull`] after 2³² - 1 segments, [`ModelError::SegmentFull`] if too many devices were
    /// seen, [`ModelError::Sealed`].
    pub fn close(
        self,
        device: &Device,
        epoch: &Epoch,
        entropy: &mut dyn Entropy,
    ) -> Result<ClosedSegment, ModelError> {
        let seq = self.prev.seq.0.checked_add(1).map(SegmentSeq).ok_or(ModelError::ChainFull)?;
        if self.seen.len() > MAX_SEEN {
            return Err(ModelError::SegmentFull);
        }
        let mut salt = || {
            let mut salt = [0; SALT_LEN];
            entropy.fill(&mut salt);
            salt
        };
        let header_salt = salt();
        let entries = self.ops.into_iter().map(|op| Entry::Op { salt: salt(), op }).collect();
        let body = Body { seen: self.seen, header_salt, entries };
        let root = body.root(device.id(), seq, self.prev.root);
        let clear = ClearPart { device: device.id(), seq, prev: self.prev.root, root };
        let signature = device.sign(Domain::Segment, &clear.signed_bytes(&self.library));
        let segment = Segment { library: self.library, clear, signature, body };
        let bytes = segment.seal(epoch, entropy)?;
        Ok(ClosedSegment { segment, bytes })
    }
}
