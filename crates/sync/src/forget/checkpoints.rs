//! Checkpoints of a place that were written before everything was forgotten: they go, and a new one comes.
//!
//! A root that covers the segments of all ops that forget was written by a device that had folded them: nothing of what is to
//! be gone is in its pages. Every other root goes, and every page that none of those names; a reader that has the segments
//! needs no checkpoint (sl1-history §8.7).

use std::collections::HashSet;

use safelight_crypto::{DeviceId, ObjectName};
use safelight_model::SegmentSeq;
use safelight_model::checkpoint::{Checkpoint, MAX_ROOT_BYTES};
use safelight_store::{Area, ObjectPath, StoreError};

use crate::checkpoint::{path_of_page, path_of_root, write_now};
use crate::error::Result;
use crate::here::{Here, RemotePlace};

/// Replicas that are read together.
const AT_ONCE: usize = 1000;

/// Removes what was written before, and writes a new checkpoint if any was there. Answers how many objects went.
pub(super) async fn renew(
    here: &mut Here<'_>,
    at: &RemotePlace,
    forgets: &[(DeviceId, SegmentSeq)],
    waits: &mut Vec<String>,
) -> Result<u64> {
    let epochs = here.keys.keyring().epochs().to_vec();
    let (mut going, mut kept) = (Vec::new(), HashSet::new());
    let mut there: HashSet<String> = HashSet::new();
    for path in list(at, Area::Checkpoint).await? {
        here.stop.check()?;
        there.insert(path.to_string());
        let Ok(name) = path.name().parse::<ObjectName>() else { continue };
        let bytes = match at.store.get(&path_of_root(&name)?, 2 * MAX_ROOT_BYTES as u64).await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. } | StoreError::TooLarge { .. } | StoreError::Damaged { .. }) => {
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        // One of an epoch or a version that is not known here is left, as everywhere.
        let Ok(opened) = Checkpoint::open(&bytes, here.library(), &name, epochs.as_slice()) else {
            waits.push(format!("{path} cannot be opened here, so nobody can tell what its pages hold"));
            continue;
        };
        let root = opened.claimed();
        let covers = |(device, seq): &(DeviceId, SegmentSeq)| {
            root.heads.of(*device).is_some_and(|tip| tip.seq >= *seq)
        };
        if !forgets.iter().all(covers) {
            going.push(path);
            continue;
        }
        for page in &root.pages {
            if let Some(epoch) = epochs.iter().find(|epoch| epoch.id() == page.epoch) {
                kept.insert(path_of_page(&epoch.naming_key().page(&page.sha256))?);
            }
        }
    }
    for path in list(at, Area::Page).await? {
        there.insert(path.to_string());
        if !kept.contains(&path) {
            going.push(path);
        }
    }
    for path in &going {
        here.stop.check()?;
        at.store.delete(path).await?;
        there.remove(path.as_str());
    }
    forget_absent(here, at, &there)?;
    if !going.is_empty() {
        write_now(here, at).await?;
    }
    Ok(going.len() as u64)
}

async fn list(at: &RemotePlace, area: Area) -> Result<Vec<ObjectPath>> {
    let (mut paths, mut after) = (Vec::new(), None);
    loop {
        let page = at.store.list(area, after.as_ref()).await?;
        paths.extend(page.objects.iter().filter_map(|info| ObjectPath::parse(info.key.as_str()).ok()));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(paths),
        }
    }
}

/// What is not there any more is put again with the next checkpoint that needs it.
fn forget_absent(here: &mut Here<'_>, at: &RemotePlace, there: &HashSet<String>) -> Result<()> {
    for area in [Area::Checkpoint, Area::Page] {
        let (prefix, mut after) = (format!("{}/", area.as_str()), String::new());
        loop {
            let replicas = here.device.replicas_after(at.id, &prefix, &after, AT_ONCE)?;
            let Some(last) = replicas.last() else { break };
            after.clone_from(&last.object);
            let absent = replicas.iter().map(|replica| replica.object.as_str());
            here.device.forget_replicas(at.id, absent.filter(|object| !there.contains(*object)))?;
        }
    }
    Ok(())
}
