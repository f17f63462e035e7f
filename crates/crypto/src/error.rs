//! What can go wrong, as one enum: the object that is at fault, and the rule of SL1 that it broke.
//!
//! [`Fault::code`] is a stable name for each rule; the test vectors assert it, so two implementations
//! agree not only that bytes are refused but why.

use std::io;

use crate::wrap::StoreError;

/// An error of this crate: which object, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The bytes of an object break a rule of the format, or a key does not fit them.
    #[error("{object}: {fault}")]
    Object {
        /// The object's logical name, or what it is ("keyring", "recovery words", …).
        object: String,
        /// The rule that it broke.
        fault: Fault,
    },
    /// The place that sealed bytes go to refused them.
    #[error("{object}: sealed bytes could not be written")]
    Write {
        /// The object being written.
        object: String,
        /// What the sink said.
        source: io::Error,
    },
    /// The place that sealed bytes come from failed.
    #[error("{object}: sealed bytes could not be read")]
    Read {
        /// The object being read.
        object: String,
        /// What the source said.
        source: io::Error,
    },
}

/// Results of this crate.
pub type Result<T, E = CryptoError> = std::result::Result<T, E>;

impl CryptoError {
    /// The rule that was broken, unless reading or writing failed.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Object { fault, .. } => Some(fault),
            Self::Write { .. } | Self::Read { .. } => None,
        }
    }

    /// What a key store said, if one did not open.
    #[must_use]
    pub fn store_error(&self) -> Option<&StoreError> {
        match self.fault() {
            Some(Fault::KeyStore(error)) => Some(error),
            _ => None,
        }
    }

    /// True when a key, a passphrase or the words did not fit, as opposed to damaged bytes.
    #[must_use]
    pub fn is_wrong_key(&self) -> bool {
        matches!(self.fault(), Some(Fault::WrongSecret | Fault::UnknownKey { .. }))
    }
}

/// The rules that an object can break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes do not begin as this kind of object must.
    #[error("not a Safelight object (wrong first bytes)")]
    BadMagic,
    /// The kind byte is not one that this version knows.
    #[error("unknown kind {0}")]
    UnknownKind(u8),
    /// An object of another kind stands here.
    #[error("kind {found} where kind {expected} was expected")]
    WrongKind {
        /// The kind that the caller asked for.
        expected: u8,
        /// The kind in the header.
        found: u8,
    },
    /// The suite byte is not one that this version knows.
    #[error("unknown cipher suite {0}")]
    UnknownSuite(u8),
    /// The segment size is neither 64 KiB nor 1 MiB.
    #[error("segment size 2^{0} is not allowed")]
    BadSegmentSize(u8),
    /// Flags that this version does not know are set.
    #[error("unknown flags {0:#04x}")]
    UnknownFlags(u8),
    /// A version that this program does not know.
    #[error("unknown version {0}")]
    UnknownVersion(u16),
    /// No secret is held for the key id of the header.
    #[error("sealed under key {id}, which this device does not hold")]
    UnknownKey {
        /// The key id, in base32.
        id: String,
    },
    /// The object key does not unwrap: another key, an altered header, or bytes that belong to another name, library or part.
    #[error("the header does not open: altered, or sealed for another name, library, part, length or key")]
    WrongContext,
    /// The object key is not the one that the header commits to.
    #[error("the key commitment does not match")]
    CommitmentMismatch,
    /// A segment was altered, moved, doubled or dropped, or its last flag is wrong.
    #[error("segment {index} is damaged or out of place")]
    SegmentDamaged {
        /// Which segment, from 0.
        index: u64,
    },
    /// The object is not as long as its record says.
    #[error("{found} bytes long where {expected} are due")]
    SizeMismatch {
        /// Bytes that the record asks for.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The object ends too early to be what it should be.
    #[error("ends too early")]
    Truncated,
    /// There are bytes behind the end.
    #[error("has bytes behind its end")]
    TrailingBytes,
    /// Padding holds something other than zeros, or is not as long as it must be.
    #[error("the padding is not as the format asks")]
    BadPadding,
    /// The content is not what the record says.
    #[error("the content's SHA-256 is not the recorded one")]
    ContentMismatch,
    /// A part number or a count of parts that the length does not allow.
    #[error("part {part} of {parts} does not exist at this length")]
    NoSuchPart {
        /// The part asked for.
        part: u32,
        /// The count of parts.
        parts: u32,
    },
    /// A field holds something that the format does not allow.
    #[error("field \"{0}\" is not allowed")]
    BadField(&'static str),
    /// The content is larger than this kind may be.
    #[error("larger than this kind of object may be")]
    TooLarge,
    /// The bytes were fed in another order than the protocol asks.
    #[error("used out of order: {0}")]
    OutOfOrder(&'static str),
    /// The signature is not by the key that should have signed.
    #[error("the signature is not valid")]
    BadSignature,
    /// The public keys are not those that the id names.
    #[error("the public keys do not belong to the id")]
    KeysNotOfId,
    /// A key is not a point on the curve, or weak.
    #[error("the public key is not valid")]
    BadPublicKey,
    /// Not twenty-four words.
    #[error("{0} words where 24 are needed")]
    WordCount(usize),
    /// A word that is not in the list.
    #[error("word {0} is not in the list")]
    UnknownWord(usize),
    /// The words are all in the list, but not in this order.
    #[error("the words do not fit together (checksum)")]
    WordsChecksum,
    /// The words of a share do not fit together; which share, from 1.
    #[error("the words of share {0} do not fit together (checksum)")]
    ShareChecksum(usize),
    /// Shares that are not of one splitting, or one of which was altered.
    #[error("these shares do not belong together")]
    SharesOfSeveral,
    /// Shares that are too few.
    #[error("{here} of {needed} shares are here")]
    TooFewShares {
        /// Different ones.
        here: usize,
        /// How many are needed.
        needed: u8,
    },
    /// No splitting has so many shares, or needs so many.
    #[error(
        "2 to 15 shares can be made, of which 2 to all are needed; not {shares} of which {threshold} are"
    )]
    ShareCounts {
        /// How many were to be made.
        shares: u8,
        /// How many were to be needed.
        threshold: u8,
    },
    /// The passphrase, key file, words or token is not the right one.
    #[error("the secret does not fit")]
    WrongSecret,
    /// Costs of a passphrase slot outside the bounds.
    #[error("passphrase costs are outside the allowed bounds")]
    CostOutOfBounds,
    /// A key file that is too short to be a secret.
    #[error("a key file needs 32 bytes to 1 MiB")]
    KeyFileSize,
    /// The slot was not written by a holder of the unlock key.
    #[error("not written by a holder of the unlock key")]
    NotAuthentic,
    /// The device that keeps the wrapping key did not open, and says why.
    #[error("{0}")]
    KeyStore(StoreError),
    /// An entry is not in the pack or leaves its bounds.
    #[error("entry is outside the pack")]
    EntryOutside,
    /// A statement whose author had no right to make it.
    #[error("the author had no right to state this: {0}")]
    NotAllowed(&'static str),
    /// A statement refers to one that is missing.
    #[error("an earlier statement is missing")]
    MissingStatement,
}

impl Fault {
    /// The stable name of the rule, as the test vectors spell it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadMagic => "bad-magic",
            Self::UnknownKind(_) => "unknown-kind",
            Self::WrongKind { .. } => "wrong-kind",
            Self::UnknownSuite(_) => "unknown-suite",
            Self::BadSegmentSize(_) => "bad-segment-size",
            Self::UnknownFlags(_) => "unknown-flags",
            Self::UnknownVersion(_) => "unknown-version",
            Self::UnknownKey { .. } => "unknown-key",
            Self::WrongContext => "wrong-context",
            Self::CommitmentMismatch => "commitment-mismatch",
            Self::SegmentDamaged { .. } => "segment-damaged",
            Self::SizeMismatch { .. } => "size-mismatch",
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing-bytes",
            Self::BadPadding => "bad-padding",
            Self::ContentMismatch => "content-mismatch",
            Self::NoSuchPart { .. } => "no-such-part",
            Self::BadField(_) => "bad-field",
            Self::TooLarge => "too-large",
            Self::OutOfOrder(_) => "out-of-order",
            Self::BadSignature => "bad-signature",
            Self::KeysNotOfId => "keys-not-of-id",
            Self::BadPublicKey => "bad-public-key",
            Self::WordCount(_) => "word-count",
            Self::UnknownWord(_) => "unknown-word",
            Self::WordsChecksum => "words-checksum",
            Self::ShareChecksum(_) => "share-checksum",
            Self::SharesOfSeveral => "shares-of-several",
            Self::TooFewShares { .. } => "too-few-shares",
            Self::ShareCounts { .. } => "share-counts",
            Self::WrongSecret => "wrong-secret",
            Self::CostOutOfBounds => "cost-out-of-bounds",
            Self::KeyFileSize => "key-file-size",
            Self::NotAuthentic => "not-authentic",
            Self::KeyStore(_) => "key-store",
            Self::EntryOutside => "entry-outside",
            Self::NotAllowed(_) => "not-allowed",
            Self::MissingStatement => "missing-statement",
        }
    }

    /// The fault as an error about `object`.
    pub(crate) fn of(self, object: impl Into<String>) -> CryptoError {
        CryptoError::Object { object: object.into(), fault: self }
    }
}
