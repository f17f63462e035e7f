//! One entry of a pack: an envelope whose first 24 bytes are left out, because they follow from the epoch.
//! Its length is a whole number of KiB and says little about the content's.

use std::ops::RangeInclusive;

use crate::codec::{Reader, Writer};
use crate::entropy::Entropy;
use crate::envelope::{
    ENTRY_UNIT, Kind, ObjectContext, Opener, PREFIX_LEN, Prefix, SEAL_LEN, Sealed, SegmentSize, padded_entry,
    seal, sealed_body_len,
};
use crate::epoch::{Epoch, EpochSecrets};
use crate::error::{Fault, Result};
use crate::ids::{ContentHash, EpochId, LibraryId, base32};

/// The longest content of an entry: 64 MiB. What is larger is an original or an object of its own.
const CONTENT_LIMIT: u64 = 64 << 20;

/// What an entry is: which rendition of which content, made by which recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName {
    /// The original's content.
    pub content: ContentHash,
    /// Which rendition; 0 is the original itself. The model names the others.
    pub kind: u8,
    /// By which recipe it was made.
    pub recipe: u16,
}

impl EntryName {
    /// The logical name that the entry's key binds.
    #[must_use]
    pub fn logical(&self) -> String {
        format!("entry/{}/{}/{}", base32(self.content.as_bytes()), self.kind, self.recipe)
    }
}

/// All that must be known to open an entry and check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryRecord {
    /// What it is.
    pub name: EntryName,
    /// The epoch it is sealed under.
    pub epoch: EpochId,
    /// Bytes of its content.
    pub content_len: u64,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
}

/// Bytes of a record in an index.
pub(super) const RECORD_LEN: usize = 16 + 32 + 1 + 2 + 8 + 32;

impl EntryRecord {
    /// Bytes of the sealed entry.
    #[must_use]
    pub fn sealed_len(&self) -> u64 {
        entry_sealed_len(self.content_len)
    }

    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer
            .raw(self.epoch.as_bytes())
            .raw(self.name.content.as_bytes())
            .u8(self.name.kind)
            .u16(self.name.recipe)
            .u64(self.content_len)
            .raw(&self.sha256)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let epoch = EpochId::from_bytes(reader.array()?);
        let content = ContentHash::from_bytes(reader.array()?);
        let name = EntryName { content, kind: reader.u8()?, recipe: reader.u16()? };
        let record = Self { name, epoch, content_len: reader.u64()?, sha256: reader.array()? };
        if record.content_len > CONTENT_LIMIT { Err(Fault::TooLarge) } else { Ok(record) }
    }

    fn check_len(&self, found: u64) -> Result<(), Fault> {
        match self.sealed_len() {
            expected if expected == found => Ok(()),
            expected => Err(Fault::SizeMismatch { expected, found }),
        }
    }
}

/// Bytes of a sealed entry with `content_len` bytes of content: a multiple of 1 KiB.
#[must_use]
pub fn entry_sealed_len(content_len: u64) -> u64 {
    SEAL_LEN as u64 + sealed_body_len(padded_entry(content_len), SegmentSize::Kib64)
}

/// Lengths that a sealed entry can have.
pub(super) fn sealed_len_bounds() -> RangeInclusive<u64> {
    ENTRY_UNIT..=entry_sealed_len(CONTENT_LIMIT)
}

/// A sealed entry with its record.
#[derive(Debug, Clone)]
pub struct SealedEntry {
    record: EntryRecord,
    /// A whole envelope; the first 24 bytes are implied within packs.
    envelope: Sealed,
}

impl SealedEntry {
    /// What was sealed.
    #[must_use]
    pub fn record(&self) -> &EntryRecord {
        &self.record
    }

    /// The bytes that go into a pack.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.envelope.as_bytes()[PREFIX_LEN..]
    }
}

/// Seals an entry.
///
/// # Errors
/// [`Fault::TooLarge`] for more than 64 MiB.
pub fn seal_entry(
    epoch: &Epoch,
    library: LibraryId,
    name: EntryName,
    content: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<SealedEntry> {
    let logical = name.logical();
    let content_len = content.len() as u64;
    if content_len > CONTENT_LIMIT {
        return Err(Fault::TooLarge.of(logical));
    }
    let context = context(library, &logical, content_len);
    let envelope = seal(Kind::PackEntry, epoch, &context, content, entropy)?;
    let sha256 = crate::primitive::sha256(&[content]);
    Ok(SealedEntry { record: EntryRecord { name, epoch: epoch.id(), content_len, sha256 }, envelope })
}

/// Opens an entry out of any pack and checks that it is the recorded one.
///
/// # Errors
/// The first rule that it breaks; [`Fault::ContentMismatch`] when a holder of the keys swapped it.
pub fn open_entry(
    bytes: &[u8],
    library: LibraryId,
    record: &EntryRecord,
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<Vec<u8>> {
    let logical = record.name.logical();
    let context = context(library, &logical, record.content_len);
    record.check_len(bytes.len() as u64).map_err(|fault| context.error(fault))?;
    let seal = bytes.first_chunk::<SEAL_LEN>().ok_or_else(|| context.error(Fault::Truncated))?;
    let prefix = Prefix::new(Kind::PackEntry, record.epoch.into()).to_bytes();
    let header = [prefix.as_slice(), seal].concat();
    let sealed_len = (PREFIX_LEN + bytes.len()) as u64;
    let opener = Opener::new(&header, sealed_len, Kind::PackEntry, secrets, &context)?;
    let content = opener.open_body(&bytes[SEAL_LEN..])?;
    if crate::primitive::sha256(&[&content]) == record.sha256 {
        Ok(content)
    } else {
        Err(context.error(Fault::ContentMismatch))
    }
}

fn context(library: LibraryId, logical: &str, content_len: u64) -> ObjectContext<'_> {
    ObjectContext { library, name: logical, part: 0, parts: 1, total_len: content_len }
}
