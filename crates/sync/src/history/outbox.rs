//! From the catalogue's outbox into the library folder: the first place of every segment, own or arrived.
//!
//! Invariant: a segment that is validly signed is never replaced by other bytes, except one of this device's
//! own that was never published and whose every op the catalogue holds, open, to be closed anew.

use safelight_crypto::VerifyingKey;
use safelight_model::Segment;
use safelight_model::history::SealedSegment;
use safelight_store::{ObjectPath, Outcome, Sealed};

use crate::error::Result;
use crate::here::Here;
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
    place_outbox(here, problems)
}

/// Puts every segment of the outbox into the library folder, own and arrived ones.
///
/// # Errors
/// A full disk and the like; what was placed before is recorded.
pub fn place_outbox(here: &mut Here<'_>, problems: &mut Vec<Problem>) -> Result<()> {
    for segment in here.catalog.outbox()? {
        let path = ObjectPath::segment(segment.device, segment.seq.0);
        let sealed = match Sealed::from_bytes(segment.bytes.clone()) {
            Ok(sealed) => sealed,
            Err(error) => {
                let reason = error.to_string();
                here.note(problems, Problem::Damaged { object: path.to_string(), reason });
                continue;
            }
        };
        let is_placed = match here.place.put_new(&path, &sealed)? {
            Outcome::Created => true,
            Outcome::Existed => match judge(here, &path, &segment.bytes)? {
                There::Same => true,
                There::MayGo => {
                    here.place.remove_object(&path)?;
                    here.place.put_new(&path, &sealed)? == Outcome::Created
                }
                There::Stays => {
                    let (device, seq) = (segment.device, segment.seq.0);
                    here.note(problems, Problem::Forked { device, seq });
                    false
                }
            },
        };
        if is_placed {
            here.catalog.mark_placed(segment.device, segment.seq)?;
        }
    }
    Ok(())
}

/// What rests under the name of a segment already.
enum There {
    /// This segment, perhaps sealed another time.
    Same,
    /// Nothing that anybody signed; or an own segment that was never published, all of whose ops the catalogue
    /// holds.
    MayGo,
    /// Another segment that its device signed: history is never replaced.
    Stays,
}

fn judge(here: &Here<'_>, path: &ObjectPath, ours: &[u8]) -> Result<There> {
    let there = here.place.open_object(path)?.read_all(SEGMENT_BYTES)?;
    if there == ours {
        return Ok(There::Same);
    }
    let clear = *SealedSegment::parse(ours)?.clear();
    let Some(key) = here.key_of(&clear.device)? else { return Ok(There::Stays) };
    let Some(segment) = opened(here, &there, &key) else { return Ok(There::MayGo) };
    if segment.clear().root == clear.root {
        return Ok(There::Same);
    }
    let is_own = clear.device == here.catalog.device();
    let ids = segment.ops().filter_map(|op| op.ok().map(|op| op.id));
    let may_go = is_own && segment.forgotten() == 0 && here.catalog.knows_ops(ids)?;
    Ok(if may_go { There::MayGo } else { There::Stays })
}

fn opened(here: &Here<'_>, bytes: &[u8], key: &VerifyingKey) -> Option<Segment> {
    let segment = SealedSegment::parse(bytes).ok()?;
    segment.verify(here.library(), key).ok()?.open(here.keys.keyring()).ok()
}
