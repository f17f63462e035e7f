//! Segments without the ops that are to be gone: each is replaced by its hash, so chain and signature stay good.

use std::collections::HashSet;

use safelight_crypto::DeviceId;
use safelight_model::Forgotten;
use safelight_model::history::{SealedSegment, Segment};
use safelight_store::{Area, ObjectPath, Sealed, StoreError};

use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::{SEGMENT_BYTES, segment_path};

/// Takes what is to be gone out of the segments that rest on this device.
pub(super) fn take_out_here(here: &mut Here<'_>, forgotten: &Forgotten) -> Result<()> {
    for stored in here.catalog.segments()? {
        here.stop.check()?;
        let (device, seq) = (stored.device, stored.tip.seq);
        let path = segment_path(device, seq.0);
        if let Some(bytes) = here.catalog.segment_bytes(device, seq)?
            && let Some(bytes) = without(here, forgotten, &bytes)?
        {
            here.catalog.replace_waiting_segment(device, seq, &bytes)?;
        }
        if let Some(bytes) = read_here(here, &path)?
            && let Some(bytes) = without(here, forgotten, &bytes)?
        {
            here.place.replace_object(&path, &bytes)?;
        }
    }
    Ok(())
}

/// What rests here under a name; nothing where it is missing or cannot be read, which a verification names.
fn read_here(here: &Here<'_>, path: &ObjectPath) -> Result<Option<Vec<u8>>> {
    match here.place.open_object(path).and_then(|object| object.read_all(SEGMENT_BYTES)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StoreError::NotFound { .. } | StoreError::Damaged { .. } | StoreError::TooLarge { .. }) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens a segment, whoever vouches for it: what it says is only to be taken out.
fn opened(here: &Here<'_>, bytes: &[u8]) -> Option<Segment> {
    let sealed = SealedSegment::parse(bytes).ok()?;
    sealed.open_known(here.library(), sealed.clear().root, here.keys.keyring()).ok()
}

/// The segment without what is to be gone, sealed under the same epoch; nothing if it says nothing of it.
fn without(here: &mut Here<'_>, forgotten: &Forgotten, bytes: &[u8]) -> Result<Option<Vec<u8>>> {
    let Some(mut segment) = opened(here, bytes) else { return Ok(None) };
    if segment.forget_if(|op| forgotten.covers(op)) == 0 {
        return Ok(None);
    }
    let keyring = here.keys.keyring();
    let epoch = SealedSegment::parse(bytes)?.epoch().and_then(|epoch| keyring.epoch_by_id(&epoch)).cloned();
    let epoch = epoch.unwrap_or_else(|| keyring.epoch().clone());
    Ok(Some(segment.seal(&epoch, here.entropy)?))
}

/// The segments that rest here and hold nothing that was taken out: nobody needs to look at them in a place that holds
/// this branch of their chains.
fn untouched(here: &Here<'_>) -> Result<HashSet<ObjectPath>> {
    let forked: HashSet<DeviceId> = here.catalog.carried()?.iter().map(|branch| branch.device).collect();
    let mut untouched = HashSet::new();
    for stored in here.catalog.segments()? {
        let path = segment_path(stored.device, stored.tip.seq.0);
        if forked.contains(&stored.device) {
            continue;
        }
        if let Some(bytes) = read_here(here, &path)?
            && opened(here, &bytes).is_some_and(|segment| segment.forgotten() == 0)
        {
            untouched.insert(path);
        }
    }
    Ok(untouched)
}

/// Takes what is to be gone out of the segments of a place, those too that were not taken in here. Answers how many were
/// replaced.
pub(super) async fn take_out_there(
    here: &mut Here<'_>,
    at: &RemotePlace,
    forgotten: &Forgotten,
    waits: &mut Vec<String>,
) -> Result<u64> {
    let untouched = untouched(here)?;
    let (mut replaced, mut after) = (0, None);
    loop {
        let page = at.store.list(Area::Log, after.as_ref()).await?;
        for info in page.objects {
            here.stop.check()?;
            let Ok(path) = ObjectPath::parse(info.key.as_str()) else { continue };
            if untouched.contains(&path) {
                continue;
            }
            let bytes = match at.store.get(&path, SEGMENT_BYTES).await {
                Ok(bytes) => bytes,
                Err(StoreError::NotFound { .. }) => continue,
                Err(error @ (StoreError::TooLarge { .. } | StoreError::Damaged { .. })) => {
                    waits.push(format!("{path} cannot be read: {error}"));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if opened(here, &bytes).is_none() {
                waits.push(format!("{path} cannot be opened here: safelight verify --remote says more"));
                continue;
            }
            let Some(bytes) = without(here, forgotten, &bytes)? else { continue };
            let Ok(sealed) = Sealed::from_bytes(bytes) else { continue };
            at.store.replace_segment(&path, &sealed).await?;
            replaced += 1;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(replaced),
        }
    }
}
