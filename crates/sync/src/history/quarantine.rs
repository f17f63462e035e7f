//! What devices said after they had left: shown to whoever stays, and taken over by whoever believes it.
//!
//! Invariant: nothing of it counts by itself. Who takes a segment over says its ops in its own chain, under the same ids, and
//! *Carried*: as of a segment that was read before anybody had heard that its device left (`left.rs`). So all who stay come
//! to the same. A chain is taken over from its beginning on: what comes later builds on it. What is taken over is what was
//! shown: it is named by its root, and whoever left may put another one in its place.
//!
//! Specified in sl1-history §8.11.

use std::collections::BTreeSet;

use safelight_crypto::{DeviceId, Standing};
use safelight_model::history::{SealedSegment, Segment, Tip};
use safelight_model::{AssetId, OpBody, SegmentRoot, SegmentSeq, Target};
use safelight_store::StoreError;

use super::left::is_after_leaving;
use super::outbox::SEGMENT_BYTES;
use super::segment_path;
use crate::brake::taken_from;
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::problem::Problem;

/// How much of one device is looked at: whoever was thrown out may write as much as it likes.
const MOST_BYTES: u64 = 256 << 20;

/// A segment of a device that left, which came after the last that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedSegment {
    /// Whose it is.
    pub device: DeviceId,
    /// Its number and root.
    pub tip: Tip,
    /// Its sealed bytes.
    pub sealed_bytes: u64,
    /// When the last of it was written, by its device's clock, in milliseconds since 1970.
    pub written_millis: Option<u64>,
    /// How many photos it adds.
    pub adds: u64,
    /// How many photos it trashes, removes or replaces.
    pub takes: u64,
    /// How many other changes it makes to photos, albums and tags.
    pub changes: u64,
    /// How many settings of the whole library it changes.
    pub settings: u64,
    /// How much of it this version cannot read.
    pub unreadable: u64,
    /// Whether it builds on history that is not here.
    pub is_ahead: bool,
}

/// What a place holds of devices that left, after the last segment of each that counts, by device and number. Signatures
/// and chains are checked; what cannot be read ends the chain that it is in, and is in `problems`.
///
/// # Errors
/// What concerns the whole place; those of the catalogue.
pub async fn quarantined(
    here: &Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<Vec<QuarantinedSegment>> {
    let Some(roster) = here.roster()? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (device, member) in roster.members() {
        if let Err(problem) = follow(here, at, *device, member.standing, &mut found).await? {
            problems.push(problem);
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
    found: &mut Vec<QuarantinedSegment>,
) -> Result<std::result::Result<(), Problem>> {
    let Some((mut seq, mut root)) = last_that_counts(here, device, standing)? else { return Ok(Ok(())) };
    // What counts of it may not have been read here yet.
    let mut is_ahead = root.is_none() || here.catalog.tip(device)?.seq < seq;
    let mut left_bytes = MOST_BYTES;
    while left_bytes > 0 {
        seq = SegmentSeq(seq.0.saturating_add(1));
        let (segment, sealed_bytes) = match read(here, at, device, seq).await? {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(Ok(())),
            Err(problem) => return Ok(Err(problem)),
        };
        left_bytes = left_bytes.saturating_sub(sealed_bytes);
        let clear = *segment.clear();
        if root.is_some_and(|root| root != clear.prev) {
            let object = segment_path(device, seq.0).to_string();
            return Ok(Err(Problem::Damaged {
                object,
                reason: "it is not the next of its chain".to_owned(),
            }));
        }
        root = Some(clear.root);
        if !is_after_leaving(Some(standing), &clear) || here.catalog.is_carried(device, clear.tip())? {
            continue;
        }
        for (other, seen) in segment.seen().iter().filter(|(other, _)| *other != device) {
            let is_here = here.catalog.tip(other)?.seq >= seen.seq || here.catalog.is_carried(other, seen)?;
            is_ahead |= !is_here;
        }
        found.push(QuarantinedSegment { is_ahead, ..counted(&segment, sealed_bytes) });
    }
    Ok(Ok(()))
}

/// The last segment that counts of a device that left, and its root where it is known.
fn last_that_counts(
    here: &Here<'_>,
    device: DeviceId,
    standing: Standing,
) -> Result<Option<(SegmentSeq, Option<SegmentRoot>)>> {
    Ok(match standing {
        Standing::Retired { last_seq } => {
            let seq = SegmentSeq(last_seq);
            let none = (last_seq == 0).then(SegmentRoot::default);
            Some((seq, here.catalog.segment_root(device, seq)?.or(none)))
        }
        Standing::Revoked { last_seq, last_root } => {
            Some((SegmentSeq(last_seq), Some(SegmentRoot(last_root))))
        }
        Standing::Active | Standing::Lapsed => None,
    })
}

/// A segment with its sealed bytes, if there is one; the inner error says what is wrong with it.
async fn read(
    here: &Here<'_>,
    at: &RemotePlace,
    device: DeviceId,
    seq: SegmentSeq,
) -> Result<std::result::Result<Option<(Segment, u64)>, Problem>> {
    let Some(key) = here.key_of(&device)? else { return Ok(Ok(None)) };
    let path = segment_path(device, seq.0);
    let damaged = |reason: String| Ok(Err(Problem::Damaged { object: path.to_string(), reason }));
    let bytes = match at.store.get(&path, SEGMENT_BYTES).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => return Ok(Ok(None)),
        Err(
            error @ (StoreError::TooLarge { .. } | StoreError::Damaged { .. } | StoreError::Archived { .. }),
        ) => return damaged(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    let opened = SealedSegment::parse(&bytes)
        .and_then(|sealed| sealed.verify(here.library(), &key))
        .and_then(|signed| signed.open(here.keys.keyring()));
    match opened {
        Ok(segment) if segment.clear().device == device && segment.clear().seq == seq => {
            Ok(Ok(Some((segment, bytes.len() as u64))))
        }
        Ok(_) => damaged("it is another segment than its name says".to_owned()),
        Err(error) => damaged(error.to_string()),
    }
}

fn counted(segment: &Segment, sealed_bytes: u64) -> QuarantinedSegment {
    let clear = segment.clear();
    let mut counted = QuarantinedSegment {
        device: clear.device,
        tip: clear.tip(),
        sealed_bytes,
        written_millis: None,
        adds: 0,
        takes: 0,
        changes: 0,
        settings: 0,
        unreadable: 0,
        is_ahead: false,
    };
    let mut taken: BTreeSet<AssetId> = BTreeSet::new();
    for op in segment.ops() {
        let Ok(op) = op else {
            counted.unreadable += 1;
            continue;
        };
        counted.written_millis = counted.written_millis.max(Some(op.stamp.millis));
        match (&op.body, taken_from(&op)) {
            (OpBody::AddAsset { .. }, _) => counted.adds += 1,
            (_, Some(asset)) => drop(taken.insert(asset)),
            (OpBody::Set { target: Target::Library, .. }, None) => counted.settings += 1,
            (_, None) => counted.changes += 1,
        }
    }
    counted.takes = taken.len() as u64;
    counted
}

/// Takes a segment over that was shown and is not ahead: from now on this device says what it says. `bodies` are recorded
/// with it. Answers how many ops were new.
///
/// # Errors
/// [`SyncError::NotHeld`] where the place does not hold it as it was shown any more; those of the place and the catalogue.
pub async fn take_over(
    here: &mut Here<'_>,
    at: &RemotePlace,
    shown: &QuarantinedSegment,
    bodies: Vec<OpBody>,
) -> Result<u64> {
    let found = read(here, at, shown.device, shown.tip.seq).await?;
    let segment = found.ok().flatten().map(|(segment, _)| segment);
    let Some(segment) = segment.filter(|segment| segment.clear().tip() == shown.tip) else {
        let object = segment_path(shown.device, shown.tip.seq.0).to_string();
        return Err(SyncError::NotHeld { object });
    };
    let now = (here.now)();
    Ok(here.catalog.carry_segment(&segment, bodies, now)?.new_ops)
}
