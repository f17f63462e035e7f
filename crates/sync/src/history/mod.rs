//! History on its way: out of a place, into it, and into the library folder.
//!
//! Invariants: nothing of a segment is believed before its signature, its place in its chain and its root were
//! checked; no number is skipped; a segment is published after everything that its author had seen; what
//! others may have seen is never renumbered; a place that offers less than it did stops its sync before
//! anything is changed. Listings only discover devices. Specified in sl1-history §8.

mod bring_back;
mod fork;
mod inbox;
mod left;
mod leftover;
mod outbox;
mod publish;
mod pull;
mod quarantine;
mod renumber;

pub use bring_back::HISTORY_DAMAGED;
pub(crate) use bring_back::bring_back;
pub(crate) use inbox::Inbox;
pub(crate) use leftover::leftovers_at;
pub(crate) use outbox::SEGMENT_BYTES;
pub(crate) use outbox::close_anyway;
pub use outbox::place_outbox;
pub(crate) use outbox::place_waiting;
pub use publish::NO_HEADS;
pub(crate) use publish::{
    Judged, Taken, judge_segment, judge_there, look_twice, replace_damaged, segment_path, whole_segment,
    write_head_again,
};
pub(crate) use pull::{
    HEAD_BYTES, fetch as fetch_segments, head_path, listed_chains, listed_devices, refuse_what_went_back,
};
pub use quarantine::{QuarantinedSegment, quarantined, take_over};
pub use renumber::remove_passed;

use crate::brake::look_after_brake;
use crate::checkpoint::hold_to_beginning;
use crate::epochs::settle_epoch;
use crate::error::{Result, SyncError};
use crate::forget::forget_here;
use crate::here::{Here, RemotePlace};
use crate::keys::send_keys;
use crate::problem::Problem;
use crate::words::{give_to_words_in_force, take_words_in_force};

/// So often a device lets copies of itself go first before it gives up for this time.
const MOST_ROUNDS: usize = 8;

/// What a sync of history came to.
#[derive(Debug, Default)]
pub struct HistoryReport {
    /// Segments of any device that were taken in.
    pub taken_segments: u64,
    /// Ops that were not known before.
    pub new_ops: u64,
    /// Segments that were put into the place.
    pub sent_segments: u64,
    /// Those of them that are this device's own; what lay there already, or was read, is none of them.
    pub sent_own_segments: u64,
    /// Own segments that were never published and are numbered anew, because the place holds others under
    /// their numbers: this device was restored from a backup, or copied.
    pub renumbered_segments: u64,
    /// Whether this device's own history waits, because a copy of this device published something under its
    /// numbers that cannot be taken in yet; the problems say what.
    pub own_history_waits: bool,
    /// Whether this device began with a checkpoint, which its ops are still to prove.
    pub began_with_checkpoint: bool,
    /// What is wrong with single objects.
    pub problems: Vec<Problem>,
}

/// Takes in what the place has and publishes what it lacks. Dropped or killed at any moment it goes on from
/// there next time.
///
/// # Errors
/// [`SyncError::RolledBack`] for a place that offers less than it did; [`SyncError::NeedsNewerVersion`] when a
/// statement demands what this version does not know: it takes in, and writes nothing; what the place and the databases
/// answer. A damaged, withheld or forked segment is a [`Problem`] of the report.
pub async fn sync_history(here: &mut Here<'_>, at: &RemotePlace) -> Result<HistoryReport> {
    let mut report = HistoryReport::default();
    place_waiting(here, &mut report.problems)?;
    for _ in 0..MOST_ROUNDS {
        let pulled = pull::pull(here, at, &mut report).await?;
        let needed = here.roster()?.and_then(|roster| crate::here::newer_version_needed(&roster));
        if let Some(feature) = needed {
            return Err(SyncError::NeedsNewerVersion { feature });
        }
        if let pull::OwnChain::Forked(from) = pulled.own
            && fork::go_on_as_another(here, from, &mut report)?
        {
            continue;
        }
        // What is to be gone is taken out before anything of it is put anywhere.
        if !here.catalog.forgets()?.is_empty() {
            look_after_brake(here, &mut report.problems)?;
            forget_here(here)?;
        }
        here.catalog.carry_forked((here.now)())?;
        left::carry_what_was_read(here)?;
        if let Some(problem) = take_words_in_force(here)? {
            here.note(&mut report.problems, problem);
        }
        settle_epoch(here, at).await?;
        if pulled.own == pull::OwnChain::Read {
            give_to_words_in_force(here)?;
            // Nobody reads of an epoch before its secrets can be had.
            send_keys(here, at, &mut report.problems).await?;
            outbox::close_and_place(here, &mut report.problems)?;
        }
        if publish::publish(here, at, pulled, &mut report).await? {
            hold_to_beginning(here, &mut report.problems)?;
            return Ok(report);
        }
    }
    Err(SyncError::Overtaken { place: at.store.label().to_owned() })
}

/// Closes what is open and publishes it, in a place that was read in this process already.
pub(crate) async fn publish_more(
    here: &mut Here<'_>,
    at: &RemotePlace,
    report: &mut HistoryReport,
) -> Result<()> {
    if report.own_history_waits {
        return Ok(());
    }
    outbox::close_and_place(here, &mut report.problems)?;
    let pulled = pull::Pulled { own: pull::OwnChain::Read, lacks_own_head: false };
    if publish::publish(here, at, pulled, report).await? {
        return Ok(());
    }
    let again = sync_history(here, at).await?;
    report.join(again);
    Ok(())
}

/// Closes a segment, an empty one if nothing is open, and publishes it: this device is there.
pub(crate) async fn publish_sign_of_life(
    here: &mut Here<'_>,
    at: &RemotePlace,
    report: &mut HistoryReport,
) -> Result<()> {
    close_anyway(here)?;
    publish_more(here, at, report).await
}

/// Whether every op of this device is in segments that the place holds, on this branch of its chain. Only then may bytes go:
/// a reference that nobody could read would let a collector take them, and a mark that nobody could read would be forgotten
/// by a restored backup.
pub(crate) fn is_published(here: &Here<'_>, at: &RemotePlace) -> Result<bool> {
    let own = here.catalog.device();
    let tip = here.catalog.tip(own)?;
    let heads = here.device.remote_heads(at.id)?;
    let head = heads.iter().find(|(device, _)| *device == own).map(|(_, head)| *head);
    Ok(here.catalog.open_ops()?.ops == 0 && head == Some(tip))
}

impl HistoryReport {
    /// Adds what a later look at the same place came to.
    pub(crate) fn join(&mut self, again: Self) {
        self.taken_segments += again.taken_segments;
        self.new_ops += again.new_ops;
        self.sent_segments += again.sent_segments;
        self.sent_own_segments += again.sent_own_segments;
        self.renumbered_segments += again.renumbered_segments;
        self.own_history_waits = again.own_history_waits;
        for problem in again.problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }
}
