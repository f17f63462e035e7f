//! Downloads an object and opens all of it.

use bytes::Bytes;
use safelight_crypto::{DeviceId, Roster};
use safelight_model::history::{SealedSegment, open_place_id};
use safelight_store::{ObjectPath, StoreError};

use super::VerifyReport;
use super::expect::{Expectation, Expected};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::{Judged, SEGMENT_BYTES, judge_segment};
use crate::keys::{SMALL_BYTES, check_small};
use crate::originals::open_part;
use crate::packs::prove_pack;

/// What downloading and opening an object came to.
pub(super) enum Proof {
    /// It is whole.
    Whole,
    /// It is not, for this reason.
    Bad(String),
    /// It is not there.
    Missing,
    /// It is there, and proves nothing before it is thawed.
    Archived,
}

/// Downloads an object and opens all of it.
pub(super) async fn prove(
    here: &Here<'_>,
    at: &RemotePlace,
    expected: &Expected,
    path: &str,
    expectation: &Expectation,
    roster: Option<&Roster>,
    report: &mut VerifyReport,
) -> Result<Proof> {
    let object = ObjectPath::parse(path).map_err(StoreError::from)?;
    let limit = match expected {
        Expected::Small | Expected::PlaceId(_) => SMALL_BYTES,
        Expected::Segment(..) => SEGMENT_BYTES,
        Expected::Part(..) | Expected::Pack(_) => 96 << 20,
    };
    let bytes: Bytes = match at.store.get(&object, limit).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => return Ok(Proof::Missing),
        Err(StoreError::Archived { .. }) => return Ok(Proof::Archived),
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
        Expected::Part(content, number) => {
            let original = expectation.originals.get(content);
            let part = original.and_then(|original| original.parts.get(*number as usize));
            match original.zip(part) {
                Some((original, part)) => open_part(here, original, *number, part, &bytes),
                None => Err("history does not know it".to_owned()),
            }
        }
        Expected::Pack(pack) => prove_pack(&bytes, pack, here.library(), here.keys.keyring()).map(drop),
    };
    Ok(opened.map_or_else(Proof::Bad, |()| Proof::Whole))
}

/// Whether a segment lies on a branch of a forked chain whose ops other chains carry.
fn is_carried(here: &Here<'_>, device: DeviceId, bytes: &[u8]) -> Result<bool> {
    let tip = SealedSegment::parse(bytes)?.clear().tip();
    Ok(here.catalog.is_carried(device, tip)?)
}
