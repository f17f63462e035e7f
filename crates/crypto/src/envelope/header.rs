//! The 136 bytes before every sealed object, and what they bind. Everything that an object *is* — library,
//! name, part, length — goes into the key that wraps its object key; nothing of it stands in the clear.
//!
//! Spec: sl1.md §2.2–2.4.

use zeroize::Zeroize as _;

use crate::codec::length_u32;
use crate::entropy::{Entropy, draw};
use crate::epoch::{EpochSecrets, SealingSecret};
use crate::error::{CryptoError, Fault};
use crate::ids::{KeyId, LibraryId};
use crate::primitive::{Gcm, TAG_LEN, constant_time_eq, hkdf, hkdf_expand, hmac_sha256};
use crate::secret::Secret;

/// Bytes of an envelope header.
pub const HEADER_LEN: usize = 136;
/// Bytes that say what an envelope is, before its salt; a pack holds them once for all its entries.
pub const PREFIX_LEN: usize = 24;
/// The rest of the header: salt, wrapped object key, commitment.
pub(crate) const SEAL_LEN: usize = HEADER_LEN - PREFIX_LEN;

const MAGIC: &[u8; 4] = b"SLO1";
const SUITE: u8 = 1;
/// Bytes 0–55: the prefix and the salt, which wrap key and commitment are made over.
const BOUND_LEN: usize = PREFIX_LEN + 32;

/// What a sealed object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// Up to 32 MiB of an original.
    OriginalPart = 1,
    /// A rendition or tiny original within a pack.
    PackEntry = 2,
    /// The index at the end of a pack.
    PackIndex = 3,
    /// A batch of one device's operations.
    Segment = 4,
    /// The merged state at a set of heads.
    Checkpoint = 5,
    /// A page of a checkpoint.
    Page = 6,
    /// The secrets of a device, under its unlock key.
    Keyring = 7,
    /// Epoch secrets, wrapped to one recipient.
    KeysFile = 8,
    /// An upload sealed to the inbox key.
    InboxItem = 9,
    /// What a share link opens.
    Share = 10,
    /// A message of a pairing, under its code.
    Pairing = 11,
    /// The last message of a pairing, to the new device.
    Welcome = 12,
}

impl Kind {
    fn from_byte(byte: u8) -> Result<Self, Fault> {
        Ok(match byte {
            1 => Self::OriginalPart,
            2 => Self::PackEntry,
            3 => Self::PackIndex,
            4 => Self::Segment,
            5 => Self::Checkpoint,
            6 => Self::Page,
            7 => Self::Keyring,
            8 => Self::KeysFile,
            9 => Self::InboxItem,
            10 => Self::Share,
            11 => Self::Pairing,
            12 => Self::Welcome,
            other => return Err(Fault::UnknownKind(other)),
        })
    }

    /// True when the reader knows the content's length from a record; the others carry it in a trailer.
    #[must_use]
    pub fn length_is_recorded(self) -> bool {
        matches!(self, Self::OriginalPart | Self::PackEntry)
    }

    /// True when the object is sealed to a public key and an encapsulation follows the header.
    #[must_use]
    pub fn is_encapsulated(self) -> bool {
        matches!(self, Self::KeysFile | Self::InboxItem | Self::Welcome)
    }

    /// The segment size that writers use for this kind.
    #[must_use]
    pub fn segment_size(self) -> SegmentSize {
        match self {
            Self::OriginalPart | Self::InboxItem => SegmentSize::Mib1,
            _ => SegmentSize::Kib64,
        }
    }
}

/// How much plaintext one segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SegmentSize {
    /// 64 KiB.
    Kib64 = 16,
    /// 1 MiB.
    Mib1 = 20,
}

impl SegmentSize {
    fn from_log2(log2: u8) -> Result<Self, Fault> {
        match log2 {
            16 => Ok(Self::Kib64),
            20 => Ok(Self::Mib1),
            other => Err(Fault::BadSegmentSize(other)),
        }
    }

    /// Plaintext bytes of a full segment.
    #[must_use]
    pub const fn bytes(self) -> usize {
        1 << self as u8
    }
}

/// Which object a reader wants or a writer makes: bound into the wrap key, so that bytes moved to another
/// name, library, part or length do not open.
#[derive(Debug, Clone, Copy)]
pub struct ObjectContext<'a> {
    /// The library.
    pub library: LibraryId,
    /// The logical name, without shard, place or generation.
    pub name: &'a str,
    /// Which part, from 0.
    pub part: u32,
    /// Out of how many.
    pub parts: u32,
    /// Length in bytes of the whole content over all parts; 0 for kinds that carry their own length.
    pub total_len: u64,
}

impl<'a> ObjectContext<'a> {
    /// An object that carries its own length: every kind but originals and pack entries.
    #[must_use]
    pub fn named(library: LibraryId, name: &'a str) -> Self {
        Self { library, name, part: 0, parts: 1, total_len: 0 }
    }

    /// One part of an original of `total_len` bytes.
    #[must_use]
    pub fn original_part(library: LibraryId, name: &'a str, part: u32, total_len: u64) -> Self {
        Self { library, name, part, parts: super::geometry::original_parts(total_len), total_len }
    }

    pub(crate) fn error(&self, fault: Fault) -> CryptoError {
        fault.of(self.name)
    }
}

/// Bytes 0–23: everything that can be known of an object without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// What it is.
    pub kind: Kind,
    /// How it is cut.
    pub segment_size: SegmentSize,
    /// Which secret it is sealed under.
    pub key: KeyId,
}

impl Prefix {
    pub(crate) fn new(kind: Kind, key: KeyId) -> Self {
        Self { kind, segment_size: kind.segment_size(), key }
    }

    /// Reads the first 24 bytes of an object, checking all but the key id.
    ///
    /// # Errors
    /// The rule that the bytes break.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let bytes: &[u8; PREFIX_LEN] = bytes.first_chunk().ok_or(Fault::Truncated)?;
        let [m0, m1, m2, m3, kind, suite, log2, flags, key @ ..] = bytes;
        if [*m0, *m1, *m2, *m3] != *MAGIC {
            return Err(Fault::BadMagic);
        }
        let kind = Kind::from_byte(*kind)?;
        if *suite != SUITE {
            return Err(Fault::UnknownSuite(*suite));
        }
        let segment_size = SegmentSize::from_log2(*log2)?;
        if *flags != 0 {
            return Err(Fault::UnknownFlags(*flags));
        }
        Ok(Self { kind, segment_size, key: KeyId::from_bytes(*key) })
    }

    pub(crate) fn to_bytes(self) -> [u8; PREFIX_LEN] {
        let mut bytes = [0; PREFIX_LEN];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = self.kind as u8;
        bytes[5] = SUITE;
        bytes[6] = self.segment_size as u8;
        bytes[8..].copy_from_slice(self.key.as_bytes());
        bytes
    }

    /// Checks that this is an object of `kind` and finds its secret.
    pub(crate) fn secret(
        &self,
        kind: Kind,
        secrets: &(impl EpochSecrets + ?Sized),
    ) -> Result<SealingSecret, Fault> {
        self.expect(kind)?;
        secrets.sealing_secret(&self.key).ok_or_else(|| Fault::UnknownKey { id: self.key.to_string() })
    }

    pub(crate) fn expect(&self, kind: Kind) -> Result<(), Fault> {
        if self.kind == kind {
            Ok(())
        } else {
            Err(Fault::WrongKind { expected: kind as u8, found: self.kind as u8 })
        }
    }
}

/// The key of one object: everything in it is sealed under keys expanded from this.
#[derive(Clone)]
pub(crate) struct ObjectKey(Secret);

impl ObjectKey {
    /// Draws the key. `about` is whatever tells this content from others that a cloned machine (same
    /// random state) may seal: it makes the keys differ even then.
    pub(crate) fn generate(about: &[&[u8]], entropy: &mut dyn Entropy) -> Self {
        let mut fresh: [u8; 32] = draw(entropy);
        let key = Self::from_fresh(&fresh, about);
        fresh.zeroize();
        key
    }

    /// The key from fresh random bytes that were drawn before.
    pub(crate) fn from_fresh(fresh: &[u8; 32], about: &[&[u8]]) -> Self {
        Self(Secret::from_bytes(hmac_sha256(fresh, &[&[b"object key".as_slice()], about].concat())))
    }

    /// The key that segments are sealed under.
    pub(crate) fn segment_key(&self) -> Gcm {
        Gcm::new(self.0.expand(b"enc").as_bytes())
    }

    fn commitment(&self, bound: &[u8; BOUND_LEN]) -> [u8; 32] {
        hkdf_expand(self.0.as_bytes(), &[b"commit", bound])
    }

    /// Binds the key to what it is for: the header's last step, when name and length are known.
    pub(crate) fn bind(
        &self,
        prefix: Prefix,
        salt: &[u8; 32],
        secret: &SealingSecret,
        context: &ObjectContext<'_>,
    ) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header[..PREFIX_LEN].copy_from_slice(&prefix.to_bytes());
        header[PREFIX_LEN..BOUND_LEN].copy_from_slice(salt);
        let (bound, seal) = split_bound(&mut header);
        seal[..32].copy_from_slice(self.0.as_bytes());
        let tag = wrap_key(bound, secret, context).seal_in_place(&[0; 12], &mut seal[..32]);
        seal[32..32 + TAG_LEN].copy_from_slice(&tag);
        seal[32 + TAG_LEN..].copy_from_slice(&self.commitment(bound));
        header
    }

    /// Finds the key again, and checks that it is the one that the header commits to.
    pub(crate) fn unbind(
        header: &[u8; HEADER_LEN],
        secret: &SealingSecret,
        context: &ObjectContext<'_>,
    ) -> Result<Self, Fault> {
        let mut header = *header;
        let (bound, seal) = split_bound(&mut header);
        let (wrapped, commitment) = seal.split_at_mut(32 + TAG_LEN);
        let opened = wrap_key(bound, secret, context).open_in_place(&[0; 12], wrapped);
        let opened = opened.map_err(|_| Fault::WrongContext)?;
        let mut bytes = [0; 32];
        bytes.copy_from_slice(opened);
        opened.zeroize();
        let key = Self(Secret::from_bytes(bytes));
        bytes.zeroize();
        if constant_time_eq(&key.commitment(bound), commitment) {
            Ok(key)
        } else {
            Err(Fault::CommitmentMismatch)
        }
    }
}

fn split_bound(header: &mut [u8; HEADER_LEN]) -> (&[u8; BOUND_LEN], &mut [u8; HEADER_LEN - BOUND_LEN]) {
    #[expect(clippy::expect_used, reason = "the lengths are constants that add up")]
    let (bound, seal) = header.split_first_chunk_mut::<BOUND_LEN>().expect("BUG: 136 is more than 56");
    #[expect(clippy::expect_used, reason = "the lengths are constants that add up")]
    let seal = seal.try_into().expect("BUG: 136 = 56 + 80");
    (bound, seal)
}

/// `HKDF(secret, salt, "safelight/1" ‖ bytes 0–55 ‖ library, name, part, parts, total, each length-prefixed)`.
fn wrap_key(bound: &[u8; BOUND_LEN], secret: &SealingSecret, context: &ObjectContext<'_>) -> Gcm {
    let salt = &bound[PREFIX_LEN..];
    let mut key = hkdf::<32>(
        secret.as_bytes(),
        salt,
        &[
            b"safelight/1",
            bound,
            &20_u32.to_be_bytes(),
            context.library.as_bytes(),
            &length_u32(context.name.as_bytes()).to_be_bytes(),
            context.name.as_bytes(),
            &4_u32.to_be_bytes(),
            &context.part.to_be_bytes(),
            &4_u32.to_be_bytes(),
            &context.parts.to_be_bytes(),
            &8_u32.to_be_bytes(),
            &context.total_len.to_be_bytes(),
        ],
    );
    let gcm = Gcm::new(&key);
    key.zeroize();
    gcm
}

/// A salt that neither chance nor a cloned machine repeats for other content.
pub(crate) fn fresh_salt(about: &[&[u8]], entropy: &mut dyn Entropy) -> [u8; 32] {
    let mut fresh: [u8; 32] = draw(entropy);
    let salt = salt_from_fresh(&fresh, about);
    fresh.zeroize();
    salt
}

/// The salt from fresh random bytes that were drawn before.
pub(crate) fn salt_from_fresh(fresh: &[u8; 32], about: &[&[u8]]) -> [u8; 32] {
    hmac_sha256(fresh, &[&[b"salt".as_slice()], about].concat())
}
