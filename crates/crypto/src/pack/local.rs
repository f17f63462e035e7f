//! The append-only pack that renditions start in on this device. Each entry stands behind a frame that says,
//! sealed, what it is; so a scan of the file alone finds every entry again after a crash or damage, also
//! when the databases are gone. Damage to one frame costs that entry: the scan looks for the next marker.
//!
//! ```text
//! file   "SLLP" ‖ version (2) ‖ 0 0, then frames
//! frame  "SLLF" ‖ entry length (4) ‖ epoch (16) ‖ record sealed (88 + 16), then the entry
//! ```
//! The record is sealed under a key made from the entry's own salt, so it needs no randomness of its own.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use zeroize::Zeroize as _;

use super::entry::{EntryRecord, SealedEntry, sealed_len_bounds};
use crate::codec::{Reader, Writer};
use crate::envelope::is_zero;
use crate::epoch::{Epoch, EpochSecrets, SealingSecret};
use crate::error::{CryptoError, Fault, Result};
use crate::ids::{EpochId, LibraryId};
use crate::primitive::{Gcm, TAG_LEN, hkdf};

/// The first bytes of a local pack.
pub const LOCAL_PACK_HEADER: [u8; 8] = *b"SLLP\0\x01\0\0";
/// Bytes of a frame before its entry.
pub const FRAME_LEN: usize = 128;

/// Bytes that [`read_frame`] needs: the frame and the entry's salt.
pub const FRAME_PROBE_LEN: usize = FRAME_LEN + SALT_LEN;

const MARKER: &[u8; 4] = b"SLLF";
const PADDED_RECORD_LEN: usize = 88;
const SALT_LEN: usize = 32;
/// What must be read to judge a frame: the frame and the entry's salt.
const PROBE_LEN: usize = FRAME_PROBE_LEN;
/// How much is read at once when looking for the next marker.
const SEARCH_LEN: usize = 256 << 10;

impl SealedEntry {
    /// The frame to write before the entry in a local pack.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the lengths are constants, and an entry is below 4 GiB")]
    pub fn frame(&self, library: LibraryId, epoch: &Epoch) -> [u8; FRAME_LEN] {
        let entry = self.as_bytes();
        let entry_len = u32::try_from(entry.len()).expect("BUG: entries are at most 64 MiB of content");
        let salt = entry.first_chunk().expect("BUG: an entry begins with its salt");
        frame(self.record(), entry_len, salt, library, &epoch.sealing_secret())
    }
}

/// The frame to write before an entry that came out of a remote pack as it is.
///
/// # Errors
/// [`Fault::SizeMismatch`] when the bytes are not as long as the record asks; [`Fault::UnknownKey`].
pub fn frame_of_stored(
    record: &EntryRecord,
    entry: &[u8],
    library: LibraryId,
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<[u8; FRAME_LEN]> {
    let make = || {
        let (expected, found) = (record.sealed_len(), entry.len() as u64);
        let mismatch = Fault::SizeMismatch { expected, found };
        let entry_len = u32::try_from(found).ok().filter(|_| expected == found).ok_or(mismatch)?;
        let salt = entry.first_chunk().ok_or(Fault::Truncated)?;
        let secret = secrets.sealing_secret(&record.epoch.into());
        let secret = secret.ok_or_else(|| Fault::UnknownKey { id: record.epoch.to_string() })?;
        Ok(frame(record, entry_len, salt, library, &secret))
    };
    make().map_err(|fault: Fault| fault.of(record.name.logical()))
}

#[expect(clippy::expect_used, reason = "the lengths are constants")]
fn frame(
    record: &EntryRecord,
    entry_len: u32,
    salt: &[u8; SALT_LEN],
    library: LibraryId,
    secret: &SealingSecret,
) -> [u8; FRAME_LEN] {
    let mut record = record.write(Writer::new()).finish();
    record.resize(EpochId::LEN + PADDED_RECORD_LEN, 0);
    let (epoch_id, record) = record.split_at_mut(EpochId::LEN);
    let key = frame_key(secret, salt, library, entry_len);
    let tag = key.seal_in_place(&[0; 12], record);
    let frame = Writer::new().raw(MARKER).u32(entry_len).raw(epoch_id).raw(record).raw(&tag).finish();
    frame.try_into().expect("BUG: 4 + 4 + 16 + 88 + 16 = 128")
}

fn frame_key(secret: &SealingSecret, salt: &[u8; SALT_LEN], library: LibraryId, entry_len: u32) -> Gcm {
    let info: [&[u8]; 3] = [b"safelight/1 local frame", library.as_bytes(), &entry_len.to_be_bytes()];
    let mut key = hkdf::<32>(secret.as_bytes(), salt, &info);
    let gcm = Gcm::new(&key);
    key.zeroize();
    gcm
}

/// An entry that a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalEntry {
    /// What it is.
    pub record: EntryRecord,
    /// The entry's bytes within the file, without the frame.
    pub range: Range<u64>,
}

/// What a scan of a local pack found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalPackScan {
    /// Entries whose frames are good, in the order in which they lie. Their content is not opened by the scan.
    pub entries: Vec<LocalEntry>,
    /// Bytes before or between good frames that are none.
    pub damaged: Vec<Range<u64>>,
    /// The end of the last good entry. A writer cuts the file here before it appends: what follows was
    /// never finished, or nothing that can be used.
    pub end: u64,
    /// Length of the file.
    pub len: u64,
}

/// Finds the entries of a local pack by its frames alone.
///
/// # Errors
/// Only when reading fails. Damage is in the result.
pub fn scan_local_pack(
    source: &mut (impl Read + Seek),
    library: LibraryId,
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<LocalPackScan> {
    let read_error = |source| CryptoError::Read { object: "local pack".to_owned(), source };
    let len = source.seek(SeekFrom::End(0)).map_err(read_error)?;
    let header_len = LOCAL_PACK_HEADER.len() as u64;
    let mut scan = LocalPackScan { len, end: header_len.min(len), ..LocalPackScan::default() };
    let mut probe = [0; PROBE_LEN];
    let mut markers = MarkerSearch::default();

    let header = read_at(source, 0, &mut probe[..LOCAL_PACK_HEADER.len()]).map_err(read_error)?;
    if header > 0 && probe[..header] != LOCAL_PACK_HEADER {
        scan.damaged.push(0..header as u64);
    }
    let mut at = scan.end;
    while at < len {
        let count = read_at(source, at, &mut probe).map_err(read_error)?;
        let frame = if count == PROBE_LEN { open_frame(&probe, library, secrets).ok() } else { None };
        match frame {
            Some(record) if at + FRAME_LEN as u64 + record.sealed_len() <= len => {
                if at > scan.end {
                    scan.damaged.push(scan.end..at);
                }
                let start = at + FRAME_LEN as u64;
                scan.end = start + record.sealed_len();
                scan.entries.push(LocalEntry { record, range: start..scan.end });
                at = scan.end;
            }
            _ => match markers.next(source, at + 1).map_err(read_error)? {
                Some(next) => at = next,
                None => break,
            },
        }
    }
    Ok(scan)
}

/// Reads what an entry is from its frame, whose place is known from an earlier scan or append: `bytes` begin
/// with the frame and hold at least the entry's salt ([`FRAME_PROBE_LEN`] bytes).
///
/// # Errors
/// The first rule that the frame breaks.
pub fn read_frame(
    bytes: &[u8],
    library: LibraryId,
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<EntryRecord> {
    let probe = bytes.first_chunk().ok_or(Fault::Truncated);
    probe.and_then(|probe| open_frame(probe, library, secrets)).map_err(|fault| fault.of("local pack entry"))
}

fn open_frame(
    probe: &[u8; PROBE_LEN],
    library: LibraryId,
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<EntryRecord, Fault> {
    let mut reader = Reader::new(probe);
    reader.magic(MARKER)?;
    let entry_len = reader.u32()?;
    if !sealed_len_bounds().contains(&u64::from(entry_len)) {
        return Err(Fault::EntryOutside);
    }
    let epoch = EpochId::from_bytes(reader.array()?);
    let mut sealed: [u8; PADDED_RECORD_LEN + TAG_LEN] = reader.array()?;
    let salt = reader.array()?;
    let secret = secrets.sealing_secret(&epoch.into());
    let secret = secret.ok_or_else(|| Fault::UnknownKey { id: epoch.to_string() })?;
    let opened = frame_key(&secret, &salt, library, entry_len).open_in_place(&[0; 12], &mut sealed);
    let opened = opened.map_err(|_| Fault::WrongContext)?;
    let record = [epoch.as_bytes().as_slice(), opened].concat();
    let mut reader = Reader::new(&record);
    let record = EntryRecord::read(&mut reader)?;
    if !is_zero(reader.raw(reader.rest())?) {
        return Err(Fault::BadPadding);
    }
    if record.sealed_len() == u64::from(entry_len) { Ok(record) } else { Err(Fault::EntryOutside) }
}

/// Reads as much of `buffer` as the file has at `at`.
fn read_at(source: &mut (impl Read + Seek), at: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
    source.seek(SeekFrom::Start(at))?;
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Looks for markers, keeping what it has read: a file full of false ones is still read once.
#[derive(Default)]
struct MarkerSearch {
    start: u64,
    buffer: Vec<u8>,
}

impl MarkerSearch {
    /// The place of the next marker at or after `from`.
    fn next(&mut self, source: &mut (impl Read + Seek), mut from: u64) -> std::io::Result<Option<u64>> {
        loop {
            if let Some(place) = self.within(from) {
                return Ok(Some(place));
            }
            // A marker may straddle two reads.
            let end = self.start + self.buffer.len() as u64;
            from = from.max(end.saturating_sub(MARKER.len() as u64 - 1));
            self.start = from;
            self.buffer.resize(SEARCH_LEN, 0);
            let count = read_at(source, from, &mut self.buffer)?;
            self.buffer.truncate(count);
            if count < MARKER.len() {
                return Ok(None);
            }
        }
    }

    fn within(&self, from: u64) -> Option<u64> {
        let skip = usize::try_from(from.checked_sub(self.start)?).ok()?;
        let found = self.buffer.get(skip..)?.windows(MARKER.len()).position(|window| window == MARKER)?;
        Some(from + found as u64)
    }
}
