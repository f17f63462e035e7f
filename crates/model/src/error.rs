//! What can be wrong with history: the object, and the rule that it breaks.

use safelight_crypto::{CryptoError, DeviceId};

use crate::cbor::Malformed;
use crate::ids::{OpId, SegmentSeq};

/// An object of history that cannot be believed, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Bytes that are not the only encoding of what they should be.
    #[error("{object} cannot be read: {source}")]
    Malformed {
        /// What was being read (`op`, `segment body`).
        object: &'static str,
        /// The rule that the bytes break.
        source: Malformed,
    },
    /// An op that nobody could read back.
    #[error("op {op} cannot be written: {rule}")]
    Unwritable {
        /// The op.
        op: OpId,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// Bytes that cannot be a segment at all.
    #[error("these bytes are not a segment")]
    NotASegment,
    /// A segment that must not be believed.
    #[error("segment {seq} of device {device} is not good: {rule}")]
    BadSegment {
        /// Whose it claims to be.
        device: DeviceId,
        /// Which it claims to be.
        seq: SegmentSeq,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A checkpoint or one of its pages that must not be believed.
    #[error("the checkpoint is not good: {rule}")]
    BadCheckpoint {
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A segment that takes no more; close it and begin the next.
    #[error("the segment is full")]
    SegmentFull,
    /// A device that has closed as many segments as numbers go.
    #[error("this device's chain is full; it must go on under a new device id")]
    ChainFull,
    /// A segment, head, checkpoint or page that could not be sealed or opened.
    #[error("it could not be sealed or opened: {0}")]
    Sealed(#[source] CryptoError),
    /// Bytes that open under the name of a remote's id and are none.
    #[error("this is not the id of a remote")]
    NotAPlaceId,
    /// States were hashed in another order than that of their keys.
    #[error("the state hash takes in entities in ascending order, each once")]
    StatesOutOfOrder,
    /// An op that must be understood, of a kind that this version does not know.
    #[error("op {op} is of kind {kind}, which this version of Safelight does not know and must not ignore")]
    NeedsNewerVersion {
        /// The op.
        op: OpId,
        /// Its kind.
        kind: u16,
    },
}

impl ModelError {
    pub(crate) fn malformed(object: &'static str) -> impl FnOnce(Malformed) -> Self {
        move |source| Self::Malformed { object, source }
    }
}
