//! Downloads an object and opens all of it.

use bytes::Bytes;
use safelight_crypto::{DeviceId, EpochId, Roster};
use safelight_model::history::{SealedSegment, open_place_id};
use safelight_store::{ObjectPath, StoreError};

use super::VerifyReport;
use super::expect::Expected;
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::{Judged, SEGMENT_BYTES, judge_segment};
use crate::keys::{SMALL_BYTES, check_small};
use crate::originals::open_part;
use crate::packs::{entry_without_key, prove_pack};
use crate::problem::Problem;

/// What downloading and opening an object came to.
pub(super) enum Proof {
    /// It is whole.
    Whole,
    /// It is not, for this reason.
    Bad(String),
    /// It is not there.
    Missing,
    /// It is there, and proves nothing: it must be thawed first, or this device does not hold what opens it.
    Unopened,
}

/// Downloads an object and opens all of it.
pub(super) async fn prove(
    here: &Here<'_>,
    at: &RemotePlace,
    expected: &Expected,
    path: &str,
    roster: Option<&Roster>,
    report: &mut VerifyReport,
) -> Result<Proof> {
    let object = ObjectPath::parse(path).map_err(StoreError::from)?;
    let limit = match expected {
        Expected::Small | Expected::PlaceId(_) => SMALL_BYTES,
        Expected::Segment(..) => SEGMENT_BYTES,
        Expected::Part(..) | Expected::Pack(_) => 96 << 20,
    };
    if let Some(epoch) = unknown_epoch(here, expected) {
        here.note(&mut report.problems, Problem::NoKey { object: path.to_owned(), epoch });
        return Ok(Proof::Unopened);
    }
    let bytes: Bytes = match at.store.get(&object, limit).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => return Ok(Proof::Missing),
        Err(StoreError::Archived { .. }) => return Ok(Proof::Unopened),
        Err(error @ (StoreError::TooLarge { .. } | StoreError::Damaged { .. })) => {
            return Ok(Proof::Bad(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    report.downloaded_bytes += bytes.len() as u64;
    let opened = match expected {
        Expected::Small => check_small(here, roster, &object, &bytes),
        Expected::PlaceId(id) => match open_place_id(&bytes, here.library(), here.keys.keyring()) {
            Ok(found) if found == *id => Ok(()),
            Ok(_) => Err("it is the id of another place".to_owned()),
            Err(error) => Err(error.to_string()),
        },
        Expected::Segment(device, tip) => match judge_segment(here, &bytes, *device, tip.seq.0, tip.root)? {
            Judged::Same(_) => Ok(()),
            Judged::Damaged(reason) | Judged::OtherDamaged(reason) | Judged::OtherUnsigned(reason) => {
                Err(reason)
            }
            Judged::Other if is_carried(here, *device, &bytes)? => Ok(()),
            Judged::Other => Err("it is another segment, signed by its device".to_owned()),
            Judged::Unknown => Err("its device or epoch is not known here".to_owned()),
        },
        Expected::Part(original, number) => match original.parts.get(*number as usize) {
            Some(part) => open_part(here, original, *number, part, &bytes),
            None => Err("history does not know it".to_owned()),
        },
        Expected::Pack(pack) => {
            let (library, keyring) = (here.library(), here.keys.keyring());
            let proven = prove_pack(&bytes, pack, library, keyring).map(drop);
            if proven.is_err()
                && let Some(epoch) = entry_without_key(&bytes, pack, library, keyring)
            {
                here.note(&mut report.problems, Problem::NoKey { object: path.to_owned(), epoch });
                return Ok(Proof::Unopened);
            }
            proven
        }
    };
    Ok(opened.map_or_else(Proof::Bad, |()| Proof::Whole))
}

/// The epoch that something is sealed under, if its secret is not here: it comes with a later sync, and until then nothing can be
/// said of what is sealed so.
fn unknown_epoch(here: &Here<'_>, expected: &Expected) -> Option<EpochId> {
    let epoch = match expected {
        Expected::Part(original, _) => original.epoch,
        Expected::Pack(pack) => pack.epoch,
        Expected::Small | Expected::PlaceId(_) | Expected::Segment(..) => return None,
    };
    here.keys.keyring().epoch_by_id(&epoch).is_none().then_some(epoch)
}

/// Whether a segment lies on a branch of a forked chain whose ops other chains carry.
fn is_carried(here: &Here<'_>, device: DeviceId, bytes: &[u8]) -> Result<bool> {
    let tip = SealedSegment::parse(bytes)?.clear().tip();
    Ok(here.catalog.is_carried(device, tip)?)
}
