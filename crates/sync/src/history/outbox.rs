//! From the catalogue's outbox into the library folder: the first place of every segment, own or arrived.
//!
//! Invariant: a segment that is validly signed is never replaced by other bytes, except one that the catalogue took
//! apart: every op of it is in the catalogue, open or closed anew. So it was this device's own and never published;
//! the device may have gone on under another name since.

use safelight_catalog::Catalog;
use safelight_crypto::{Keyring, VerifyingKey};
use safelight_model::Segment;
use safelight_model::history::SealedSegment;
use safelight_store::{FolderPlace, ObjectPath, Outcome, Sealed, StoreError};

use crate::error::Result;
use crate::here::{Here, key_of};
use crate::problem::Problem;

/// Larger than any segment: 32 MiB of body and what seals it.
pub(crate) const SEGMENT_BYTES: u64 = 40 << 20;

/// Closes all open ops into segments, and puts what is in the outbox into the library folder.
pub(super) fn close_and_place(here: &mut Here<'_>, problems: &mut Vec<Problem>) -> Result<()> {
    loop {
        let keyring = here.keys.keyring();
        let (library, device, epoch) = (keyring.library(), keyring.device(), keyring.epoch());
        if here.catalog.close_segment(library, device, epoch, here.entropy)?.is_none() {
            break;
        }
    }
    place_waiting(here, problems)
}

/// Closes the next segment, an empty one if nothing is open.
pub(crate) fn close_anyway(here: &mut Here<'_>) -> Result<()> {
    let keyring = here.keys.keyring();
    let (library, device, epoch) = (keyring.library(), keyring.device(), keyring.epoch());
    let closed = here.catalog.close_segment_anyway(library, device, epoch, here.entropy)?;
    tracing::debug!(seq = closed.map(|closed| closed.seq.0), "closed to say that this device is there");
    Ok(())
}

/// Puts what waits into the library folder, and tells what could not be.
pub(crate) fn place_waiting(here: &mut Here<'_>, problems: &mut Vec<Problem>) -> Result<()> {
    for problem in place_outbox(here.catalog, here.place, here.keys.keyring())? {
        here.note(problems, problem);
    }
    Ok(())
}

/// Puts every segment of the outbox into the library folder, own and arrived ones; answers what could not be
/// placed, and stays in the outbox.
///
/// # Errors
/// A full disk and the like; what was placed before is recorded.
pub fn place_outbox(catalog: &mut Catalog, place: &FolderPlace, keyring: &Keyring) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for segment in catalog.outbox()? {
        let path = ObjectPath::segment(segment.device, segment.seq.0);
        let sealed = match Sealed::from_bytes(segment.bytes.clone()) {
            Ok(sealed) => sealed,
            Err(error) => {
                let reason = error.to_string();
                problems.push(Problem::Damaged { object: path.to_string(), reason });
                continue;
            }
        };
        let is_placed = match place.put_new(&path, &sealed)? {
            Outcome::Created => true,
            Outcome::Existed => match judge(catalog, place, keyring, &path, &segment.bytes)? {
                There::Same => true,
                There::MayGo => {
                    place.remove_object(&path)?;
                    place.put_new(&path, &sealed)? == Outcome::Created
                }
                There::Stays => {
                    let (device, seq) = (segment.device, segment.seq.0);
                    problems.push(Problem::Forked { device, seq, missing: None });
                    false
                }
            },
        };
        if is_placed {
            catalog.mark_placed(segment.device, segment.seq)?;
        }
    }
    Ok(problems)
}

/// What rests under the name of a segment already.
enum There {
    /// This segment, perhaps sealed another time.
    Same,
    /// Nothing that anybody signed; or a segment that the catalogue took apart, and all of whose ops it holds.
    MayGo,
    /// Another segment that its device signed: history is never replaced.
    Stays,
}

fn judge(
    catalog: &Catalog,
    place: &FolderPlace,
    keyring: &Keyring,
    path: &ObjectPath,
    ours: &[u8],
) -> Result<There> {
    let there = place.open_object(path)?.read_all(SEGMENT_BYTES)?;
    if there == ours {
        return Ok(There::Same);
    }
    let clear = *SealedSegment::parse(ours)?.clear();
    let Some(key) = key_of(catalog, keyring, &clear.device)? else { return Ok(There::Stays) };
    let Some(segment) = opened(keyring, &there, &key) else { return Ok(There::MayGo) };
    if segment.clear().root == clear.root {
        return Ok(There::Same);
    }
    Ok(if knows_all_of(catalog, &segment)? { There::MayGo } else { There::Stays })
}

/// Whether everything that a segment says is in the catalogue.
fn knows_all_of(catalog: &Catalog, segment: &Segment) -> Result<bool> {
    // An op that cannot be read here rests nowhere else.
    let ids: Result<Vec<_>, _> = segment.ops().map(|op| op.map(|op| op.id)).collect();
    Ok(match ids {
        // What was forgotten stands for nothing that anybody needs.
        Ok(ids) => catalog.knows_ops(ids)?,
        Err(_) => false,
    })
}

/// Whether a file of this device's own chain holds nothing that the catalogue does not know. What no longer opens does,
/// unless the catalogue is said to have known it.
pub(super) fn holds_nothing_more(
    catalog: &Catalog,
    place: &FolderPlace,
    keyring: &Keyring,
    path: &ObjectPath,
    was_known: bool,
) -> Result<bool> {
    let bytes = match place.open_object(path).and_then(|object| object.read_all(SEGMENT_BYTES)) {
        Ok(bytes) => bytes,
        Err(StoreError::Damaged { .. } | StoreError::TooLarge { .. }) => return Ok(was_known),
        Err(error) => return Err(error.into()),
    };
    match opened(keyring, &bytes, keyring.device().card().verifying_key()) {
        Some(segment) => knows_all_of(catalog, &segment),
        None => Ok(was_known),
    }
}

fn opened(keyring: &Keyring, bytes: &[u8], key: &VerifyingKey) -> Option<Segment> {
    let segment = SealedSegment::parse(bytes).ok()?;
    segment.verify(keyring.library(), key).ok()?.open(keyring).ok()
}
