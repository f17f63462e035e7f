//! What devices said after they had left: shown to whoever stays, and taken over by whoever believes it.
//!
//! Invariant: nothing of it counts by itself. Who takes a segment over says its ops in its own chain, under the same ids, and
//! *Carried*: as of a segment that was read before anybody had heard that its device left (`left.rs`). So all who stay come
//! to the same. A chain is taken over from its beginning on: what comes later builds on it.
//!
//! Specified in sl1-history §8.11.

use safelight_crypto::{DeviceId, Standing};
use safelight_model::history::{SealedSegment, Segment, Tip};
use safelight_model::{Op, SegmentRoot, SegmentSeq};
use safelight_store::StoreError;

use super::left::is_after_leaving;
use super::outbox::SEGMENT_BYTES;
use super::segment_path;
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::problem::Problem;

/// Segments of one device that are looked at: whoever was thrown out may write as many as it likes.
const MOST_SEGMENTS: usize = 1000;

/// A segment of a device that left, which came after the last that counts.
#[derive(Debug)]
pub struct QuarantinedSegment {
    /// Whose it is.
    pub device: DeviceId,
    /// Its number in the chain of its device.
    pub seq: SegmentSeq,
    /// Its sealed bytes.
    pub sealed_bytes: u64,
    /// What it says, as far as this version can read it.
    pub ops: Vec<Op>,
    /// How much of it this version cannot read.
    pub unreadable: u64,
    /// Whether it builds on history that is not here.
    pub is_ahead: bool,
    segment: Segment,
}

/// What a place holds of devices that left, after the last segment of each that counts, by device and number. Signatures
/// and chains are checked; what cannot be read ends the chain that it is in, and is in `problems`.
///
/// # Errors
/// What concerns the whole place; those of the catalogue.
pub async fn quarantined(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<Vec<QuarantinedSegment>> {
    let Some(roster) = here.roster()? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (device, member) in roster.members() {
        let last = match member.standing {
            Standing::Retired { last_seq } => {
                (SegmentSeq(last_seq), here.catalog.segment_root(*device, SegmentSeq(last_seq))?)
            }
            Standing::Revoked { last_seq, last_root } => (SegmentSeq(last_seq), Some(SegmentRoot(last_root))),
            Standing::Active | Standing::Lapsed => continue,
        };
        if let Err(problem) = follow(here, at, *device, member.standing, last, &mut found).await? {
            here.note(problems, problem);
        }
    }
    Ok(found)
}

/// Reads one chain on. The inner error is what ended it, other than its end.
async fn follow(
    here: &Here<'_>,
    at: &RemotePlace,
    device: DeviceId,
    standing: Standing,
    (mut seq, mut root): (SegmentSeq, Option<SegmentRoot>),
    found: &mut Vec<QuarantinedSegment>,
) -> Result<std::result::Result<(), Problem>> {
    let Some(key) = here.key_of(&device)? else { return Ok(Ok(())) };
    for _ in 0..MOST_SEGMENTS {
        seq = SegmentSeq(seq.0.saturating_add(1));
        let path = segment_path(device, seq.0);
        let bytes = match at.store.get(&path, SEGMENT_BYTES).await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. }) => return Ok(Ok(())),
            Err(error) => return Err(error.into()),
        };
        let damaged = |reason: String| Ok(Err(Problem::Damaged { object: path.to_string(), reason }));
        let opened = SealedSegment::parse(&bytes)
            .and_then(|sealed| sealed.verify(here.library(), &key))
            .and_then(|signed| signed.open(here.keys.keyring()));
        let segment = match opened {
            Ok(segment) => segment,
            Err(error) => return damaged(error.to_string()),
        };
        let clear = *segment.clear();
        if clear.device != device || clear.seq != seq || root.is_some_and(|root| root != clear.prev) {
            return damaged("it is not the next of its chain".to_owned());
        }
        root = Some(clear.root);
        if !is_after_leaving(Some(standing), &clear) || here.catalog.is_carried(device, clear.tip())? {
            continue;
        }
        let mut is_ahead = false;
        for (other, seen) in segment.seen().iter().filter(|(other, _)| *other != device) {
            let is_here = here.catalog.tip(other)?.seq >= seen.seq
                || here.catalog.is_carried(other, Tip { seq: seen.seq, root: seen.root })?;
            is_ahead |= !is_here;
        }
        let (mut ops, mut unreadable) = (Vec::new(), 0);
        for op in segment.ops() {
            match op {
                Ok(op) => ops.push(op),
                Err(_) => unreadable += 1,
            }
        }
        let sealed_bytes = bytes.len() as u64;
        found.push(QuarantinedSegment { device, seq, sealed_bytes, ops, unreadable, is_ahead, segment });
    }
    Ok(Ok(()))
}

/// Takes a segment over that was shown and is not ahead: from now on this device says what it says. Answers how many ops
/// were new.
///
/// # Errors
/// Those of the catalogue.
pub fn take_over(here: &mut Here<'_>, quarantined: &QuarantinedSegment) -> Result<u64> {
    let now = (here.now)();
    Ok(here.catalog.carry_segment(&quarantined.segment, now)?.new_ops)
}
