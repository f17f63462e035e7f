//! A pack as it rests in a remote: the common prefix, the entries one after another, the sealed index, and
//! the index's length, masked. The index is padded so that the whole pack has a Padmé length.
//!
//! The index gives no offsets: an entry's length follows from its content's, so its place is the sum of
//! those before it, and a pack has no room for bytes that nobody accounts for.

use std::ops::Range;

use super::entry::{EntryRecord, RECORD_LEN, SealedEntry};
use crate::codec::{Reader, Writer};
use crate::entropy::Entropy;
use crate::envelope::{
    HEADER_LEN, Kind, ObjectContext, PREFIX_LEN, Plain, Prefix, Sealed, SegmentSize, TRAILER_LEN, open,
    padme, plain_len_of_body, seal_padded, sealed_body_len, usize_of,
};
use crate::epoch::{Epoch, EpochSecrets, SealingSecret};
use crate::error::{Fault, Result};
use crate::ids::{LibraryId, ObjectName};
use crate::primitive::{hkdf_expand, sha256};

/// Bytes at the end of a pack that hold the index's length.
pub const PACK_TAIL_LEN: usize = 8;
const VERSION: u16 = 1;

/// What a pack holds, and so under which prefix and in which storage tier it rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackTier {
    /// Thumbnails: `t/`.
    Thumbnails,
    /// Previews: `p/`.
    Previews,
    /// Tiny originals: `s/`.
    TinyOriginals,
}

impl PackTier {
    /// The logical name of the pack `name`.
    #[must_use]
    pub fn logical(self, name: &ObjectName) -> String {
        let letter = match self {
            Self::Thumbnails => 't',
            Self::Previews => 'p',
            Self::TinyOriginals => 's',
        };
        format!("{letter}/{name}")
    }
}

/// Gathers entries into a pack.
#[derive(Debug)]
pub struct PackWriter {
    library: LibraryId,
    epoch: Epoch,
    bytes: Vec<u8>,
    records: Vec<EntryRecord>,
}

/// A finished pack.
#[derive(Debug, Clone)]
pub struct SealedPack {
    /// The name it must rest under.
    pub name: ObjectName,
    /// Its bytes.
    pub sealed: Sealed,
    /// Its entries and where they lie.
    pub index: PackIndex,
}

impl PackWriter {
    /// Starts a pack. `epoch` seals its index; entries may be of any epoch.
    #[must_use]
    pub fn new(library: LibraryId, epoch: &Epoch) -> Self {
        let bytes = Prefix::new(Kind::PackEntry, epoch.id().into()).to_bytes().to_vec();
        Self { library, epoch: epoch.clone(), bytes, records: Vec::new() }
    }

    /// Bytes so far, without the index.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: &SealedEntry) {
        self.bytes.extend_from_slice(entry.as_bytes());
        self.records.push(*entry.record());
    }

    /// Adds an entry that was read from another pack, as it is.
    ///
    /// # Errors
    /// [`Fault::SizeMismatch`] when the bytes are not as long as the record asks.
    pub fn push_stored(&mut self, record: &EntryRecord, bytes: &[u8]) -> Result<()> {
        let (expected, found) = (record.sealed_len(), bytes.len() as u64);
        if expected != found {
            return Err(Fault::SizeMismatch { expected, found }.of(record.name.logical()));
        }
        self.bytes.extend_from_slice(bytes);
        self.records.push(*record);
        Ok(())
    }

    /// Seals the index and finishes the pack.
    #[must_use]
    pub fn finish(mut self, tier: PackTier, entropy: &mut dyn Entropy) -> SealedPack {
        let content = index_content(&self.records);
        let name = self.epoch.naming_key().pack(&sha256(&[&content]));
        let logical = tier.logical(&name);
        let secret = self.epoch.sealing_secret();

        let plain_len = index_plain_len(self.bytes.len() as u64, content.len() as u64);
        let plain = Plain { content: &content, plain_len, has_trailer: true };
        let context = ObjectContext::named(self.library, &logical);
        let prefix = Prefix::new(Kind::PackIndex, self.epoch.id().into());
        let index = seal_padded(prefix, &secret, &[], &context, &plain, entropy);

        let entries_end = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&index);
        self.bytes.extend_from_slice(&masked(index.len() as u64, &secret, &logical));
        SealedPack {
            name,
            sealed: Sealed::from_vec(self.bytes),
            index: PackIndex::place(self.records, entries_end, sha256(&[&content])),
        }
    }
}

fn index_content(records: &[EntryRecord]) -> Vec<u8> {
    let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
    let writer = Writer::new().u16(VERSION).u32(count);
    records.iter().fold(writer, |writer, record| record.write(writer)).finish()
}

/// Plaintext length of the index that gives the whole pack a Padmé length, or the next above it that the
/// segments can have.
fn index_plain_len(entries_end: u64, content_len: u64) -> u64 {
    let around = entries_end + (HEADER_LEN + PACK_TAIL_LEN) as u64;
    let least = around + sealed_body_len(content_len + TRAILER_LEN, SegmentSize::Kib64);
    let mut pack_len = padme(least);
    loop {
        match plain_len_of_body(pack_len - around, SegmentSize::Kib64) {
            Ok(plain_len) => return plain_len,
            Err(_) => pack_len += 1,
        }
    }
}

/// The length under a mask that only holders of the epoch can lift; also its own inverse.
fn masked(length: u64, secret: &SealingSecret, logical: &str) -> [u8; PACK_TAIL_LEN] {
    let mask: [u8; 16] = hkdf_expand(secret.as_bytes(), &[b"safelight/1 pack tail", logical.as_bytes()]);
    let mut bytes = length.to_be_bytes();
    for (byte, mask) in bytes.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    bytes
}

/// Where the index of a pack of `pack_len` bytes lies, from the pack's first 24 and last 8 bytes.
///
/// # Errors
/// The first rule that these bytes break.
pub fn pack_index_range(
    logical: &str,
    pack_len: u64,
    head: &[u8],
    tail: &[u8; PACK_TAIL_LEN],
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<Range<u64>> {
    let locate = || {
        let secret = Prefix::parse(head)?.secret(Kind::PackEntry, secrets)?;
        let index_len = u64::from_be_bytes(masked(u64::from_be_bytes(*tail), &secret, logical));
        let end = pack_len.checked_sub(PACK_TAIL_LEN as u64).ok_or(Fault::Truncated)?;
        match end.checked_sub(index_len) {
            Some(start) if start >= PREFIX_LEN as u64 && index_len > HEADER_LEN as u64 => Ok(start..end),
            _ => Err(Fault::EntryOutside),
        }
    };
    locate().map_err(|fault| fault.of(logical))
}

/// One entry and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackEntryPlace {
    /// What it is.
    pub record: EntryRecord,
    /// Its bytes within the pack.
    pub range: Range<u64>,
}

/// What a pack holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackIndex {
    entries: Vec<PackEntryPlace>,
    entries_end: u64,
    sha256: [u8; 32],
}

impl PackIndex {
    /// Opens the index that lies at `range` of the pack `logical`.
    ///
    /// # Errors
    /// The first rule that it breaks; [`Fault::EntryOutside`] when the entries do not end where it begins.
    pub fn open(
        sealed: &[u8],
        range: &Range<u64>,
        library: LibraryId,
        logical: &str,
        secrets: &(impl EpochSecrets + ?Sized),
    ) -> Result<Self> {
        let context = ObjectContext::named(library, logical);
        let content = open(sealed, Kind::PackIndex, secrets, &context)?;
        let index = Self::parse(&content, range.start);
        index.map_err(|fault| fault.of(logical))
    }

    /// Opens the index of a whole pack in memory.
    ///
    /// # Errors
    /// As [`pack_index_range`] and [`Self::open`].
    pub fn read(
        pack: &[u8],
        library: LibraryId,
        logical: &str,
        secrets: &(impl EpochSecrets + ?Sized),
    ) -> Result<Self> {
        let tail = pack.last_chunk().ok_or_else(|| Fault::Truncated.of(logical))?;
        let range = pack_index_range(logical, pack.len() as u64, pack, tail, secrets)?;
        let (start, end) = (usize_of(range.start), usize_of(range.end));
        Self::open(&pack[start..end], &range, library, logical, secrets)
    }

    fn parse(content: &[u8], index_start: u64) -> Result<Self, Fault> {
        let mut reader = Reader::new(content);
        match reader.u16()? {
            VERSION => {}
            other => return Err(Fault::UnknownVersion(other)),
        }
        let count = reader.u32()? as usize;
        if reader.rest() != count.saturating_mul(RECORD_LEN) {
            return Err(Fault::BadField("count"));
        }
        let records = (0..count).map(|_| EntryRecord::read(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        reader.finish()?;
        let index = Self::place(records, index_start, sha256(&[content]));
        let end = index.entries.last().map_or(PREFIX_LEN as u64, |entry| entry.range.end);
        if end == index_start { Ok(index) } else { Err(Fault::EntryOutside) }
    }

    fn place(records: Vec<EntryRecord>, entries_end: u64, sha256: [u8; 32]) -> Self {
        let mut start = PREFIX_LEN as u64;
        let entries = records.into_iter().map(|record| {
            let range = start..start + record.sealed_len();
            start = range.end;
            PackEntryPlace { record, range }
        });
        Self { entries: entries.collect(), entries_end, sha256 }
    }

    /// The entries, in the order in which they lie.
    #[must_use]
    pub fn entries(&self) -> &[PackEntryPlace] {
        &self.entries
    }

    /// SHA-256 of the index's content: what history says of a pack, and what its name is made of.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Where the entries end and the index begins.
    #[must_use]
    pub fn entries_end(&self) -> u64 {
        self.entries_end
    }
}
