//! What is left of segments of forked chains, and nobody can read: told once, and not read again.
//!
//! A copy of a device was killed while it published, or what it had published rotted, before anybody read it. What it said
//! comes in the chain of the name under which it went on, or is lost with it. So nobody waits for it, and nobody can do
//! anything about it.
//!
//! Invariant: only damage at or behind the first forked number of another device's chain is left over, and only while
//! no segment of that number is held here that could take the name: one of the branch that the place shows. As soon as the place shows something else under the
//! name, that is read as ever. Specified in sl1-history §8.10.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use safelight_catalog::{Leftover, RemoteId};
use safelight_crypto::DeviceId;
use safelight_model::SegmentSeq;
use safelight_model::history::Tip;
use safelight_store::{ObjectInfo, SealedRemote, StoreError};

use super::outbox::SEGMENT_BYTES;
use super::segment_path;
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::problem::Problem;

/// What is known to be left over in one place, by name.
#[derive(Debug)]
pub(super) struct Leftovers {
    remote: RemoteId,
    known: BTreeMap<String, Leftover>,
}

impl Leftovers {
    pub(super) fn of(here: &Here<'_>, at: &RemotePlace) -> Result<Self> {
        let known = here.device.leftovers(at.id)?.into_iter();
        Ok(Self { remote: at.id, known: known.map(|left| (left.object.clone(), left)).collect() })
    }

    /// Of these next segments of chains, those that are left over and rest as they were when they were read.
    pub(super) async fn still_there(
        &mut self,
        here: &mut Here<'_>,
        store: &SealedRemote,
        next: &[(DeviceId, u32)],
    ) -> Result<Vec<(DeviceId, Problem)>> {
        let mut found = Vec::new();
        for (device, seq) in next {
            let path = segment_path(*device, *seq);
            let Some(known) = self.known.get(path.as_str()) else { continue };
            match store.head(&path).await {
                Ok(info) if !known.mark.is_empty() && mark_of(&info) == known.mark => {
                    found.push((*device, problem_of(*device, known)));
                }
                Ok(_) => {}
                Err(StoreError::NotFound { .. }) => self.forget(here, path.as_str())?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    /// Judges what cannot be read; `before` is how far the place shows the chain until there. If it is left over it is
    /// remembered, and the problem says so; answers whether it is still to be told.
    pub(super) async fn judge(
        &mut self,
        here: &mut Here<'_>,
        store: &SealedRemote,
        (device, seq, before): (DeviceId, SegmentSeq, Tip),
        bytes: &Bytes,
        problem: Problem,
    ) -> Result<(Problem, bool)> {
        let Problem::Damaged { object, reason } = &problem else { return Ok((problem, true)) };
        let known = self.known.get(object);
        let is_held = here.catalog.segment_root(device, seq)?.is_some();
        let may_be_put = known.is_none() && is_held && is_kept(here, device, before)?;
        if may_be_put || !is_behind_a_fork(here, device, seq)? {
            return Ok((problem, true));
        }
        let path = segment_path(device, seq.0);
        // The mark first: what comes in between is then read the next time. What was hurt on its way comes whole now.
        let Ok(info) = store.head(&path).await else { return Ok((problem, true)) };
        if !store.get(&path, SEGMENT_BYTES).await.is_ok_and(|again| again == *bytes) {
            return Ok((problem, true));
        }
        let is_told = known.is_some_and(|known| known.is_refused || known.reason == *reason);
        let is_refused = known.is_some_and(|known| known.is_refused);
        let (object, reason, mark) = (object.clone(), reason.clone(), mark_of(&info));
        let left = Leftover { object, reason, mark, is_refused };
        here.device.record_leftover(self.remote, &left)?;
        let problem = problem_of(device, &left);
        self.known.insert(left.object.clone(), left);
        Ok((problem, !is_told))
    }

    /// Whether the segment that is held here was refused in the place of this one.
    pub(super) fn is_refused(&self, object: &str) -> bool {
        self.known.get(object).is_some_and(|known| known.is_refused)
    }

    /// Remembers that a place keeps what is left over, although a whole segment is held here. Answers what is to be
    /// told of that, if anything is.
    pub(super) async fn refuse(
        &mut self,
        here: &mut Here<'_>,
        store: &SealedRemote,
        (device, seq): (DeviceId, SegmentSeq),
        problem: Problem,
    ) -> Result<Option<Problem>> {
        let Problem::Damaged { object, reason } = &problem else { return Ok(Some(problem)) };
        if !is_behind_a_fork(here, device, seq)? {
            return Ok(Some(problem));
        }
        let Ok(info) = store.head(&segment_path(device, seq.0)).await else { return Ok(Some(problem)) };
        let (object, reason, mark) = (object.clone(), reason.clone(), mark_of(&info));
        let left = Leftover { object, reason, mark, is_refused: true };
        here.device.record_leftover(self.remote, &left)?;
        let problem = problem_of(device, &left);
        Ok(self.known.insert(left.object.clone(), left).is_none().then_some(problem))
    }

    /// Forgets what was left over under a name, where something else rests now.
    pub(super) fn forget(&mut self, here: &mut Here<'_>, object: &str) -> Result<()> {
        if self.known.remove(object).is_some() {
            here.device.forget_leftover(self.remote, object)?;
        }
        Ok(())
    }
}

/// Whether a segment of another device lies where its chain is known to have forked.
fn is_behind_a_fork(here: &Here<'_>, device: DeviceId, seq: SegmentSeq) -> Result<bool> {
    let from = here.catalog.forked_from(device)?;
    Ok(device != here.catalog.device() && from.is_some_and(|from| from <= seq))
}

/// Whether what is kept here of a chain is the branch that ends there.
pub(super) fn is_kept(here: &Here<'_>, device: DeviceId, tip: Tip) -> Result<bool> {
    Ok(tip.seq.0 == 0 || here.catalog.segment_root(device, tip.seq)? == Some(tip.root))
}

fn problem_of(device: DeviceId, left: &Leftover) -> Problem {
    Problem::Leftover { object: left.object.clone(), device, reason: left.reason.clone() }
}

/// What is known to be left over in a place, as problems.
pub(crate) fn leftovers_at(here: &Here<'_>, at: &RemotePlace) -> Result<Vec<Problem>> {
    let left = here.device.leftovers(at.id)?;
    let device_of = |left: &Leftover| left.object.split('/').nth(1)?.parse::<DeviceId>().ok();
    Ok(left.iter().filter_map(|left| Some(problem_of(device_of(left)?, left))).collect())
}

/// How a place marks the bytes that it shows under a name; empty if it marks nothing, so that they must be read to tell.
fn mark_of(info: &ObjectInfo) -> String {
    let modified = info.modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    if modified.is_none() && info.version.is_none() {
        return String::new();
    }
    let (modified, version) = (modified.unwrap_or_default().as_nanos(), info.version.as_deref());
    format!("{} {modified} {}", info.length_bytes, version.unwrap_or_default())
}
