//! The order of a sync: keys, history, thumbnails, originals, previews; and what there is to do.

use std::collections::HashSet;

use safelight_catalog::{Exposure, PackLocation, Renditions, SyncState, SyncTotals};
use safelight_crypto::ContentHash;
use safelight_model::history::Tip;
use safelight_model::{PackKind, Storage};
use safelight_store::Tier;

use crate::checkpoint::{take_waiting_pages, write_if_due};
use crate::collect::{acknowledge, arrive, has_purges, holds_back, mark_purged, mark_remembered, tell};
use crate::daily::{DailyStanding, begin_run, capped, has_held_back};
use crate::error::Result;
use crate::forget::forget_there;
use crate::here::{Here, RemotePlace};
use crate::history::{HistoryReport, bring_back, publish_more};
use crate::keys::send_keys;
use crate::originals::{
    fetch_missing, is_look_due, look_for_absent, not_queued, published_until, queue_new, send_originals,
};
use crate::packs::{
    entries_to_send, kinds_of, learn_packs, learn_thumbnails_early, packs_to_replicate, replicate_packs,
    send_packs,
};
use crate::place::{before_the_first_put, confirm_place, place_id, renew_place};
use crate::policy::{apply_policy, most, wanted};
use crate::problem::Problem;

/// What goes to a remote, and how.
#[derive(Clone, Copy, Debug)]
pub struct SyncOptions {
    /// Send originals, tiny ones too.
    pub send_originals: bool,
    /// Send previews.
    pub send_previews: bool,
    /// Fetch previews of other devices' photos, and not only thumbnails.
    pub fetch_previews: bool,
    /// Fetch tiny originals of other devices.
    pub fetch_tiny_originals: bool,
    /// Fetch the originals that are not here.
    pub fetch_originals: bool,
    /// The tier that originals are written into; a place without it uses its own.
    pub originals_tier: Option<Tier>,
    /// Write a checkpoint when so many ops were recorded since the last one.
    pub checkpoint_after_ops: u64,
    /// Transfers at once.
    pub concurrency: usize,
    /// Whether the link costs nothing, as far as is known.
    pub is_unmetered: bool,
    /// Whether a person consented to whatever the policy newly exposes.
    pub consent: bool,
    /// Whether originals that failed before are tried again although their time has not come: somebody is waiting for them.
    pub retry_failed: bool,
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self {
            send_originals: true,
            send_previews: true,
            fetch_previews: false,
            fetch_tiny_originals: false,
            fetch_originals: false,
            originals_tier: Some(Tier::Cool),
            checkpoint_after_ops: 5000,
            concurrency: 8,
            is_unmetered: false,
            consent: false,
            retry_failed: true,
        }
    }
}

/// What a sync came to.
#[derive(Debug, Default)]
pub struct SyncReport {
    /// History.
    pub history: HistoryReport,
    /// Packs whose entries are known now.
    pub learnt_packs: u64,
    /// Packs that were put into the place.
    pub sent_packs: u64,
    /// Those of them that hold small originals.
    pub sent_original_packs: u64,
    /// Originals that the place now holds whole.
    pub synced_originals: u64,
    /// Originals that are not here, and that the place turned out to hold.
    pub seen_originals: u64,
    /// Originals that were fetched from the place.
    pub fetched_originals: u64,
    /// What waits for a person's consent, because so much came to be exposed at once.
    pub held: Option<Exposure>,
    /// How the place stands to its daily cap, where that held something back.
    pub capped: Option<DailyStanding>,
    /// Whether a checkpoint was written.
    pub wrote_checkpoint: bool,
    /// Pages of it that were put, because the place did not hold them yet.
    pub sent_pages: u64,
    /// What is wrong with single objects, beside those of history.
    pub problems: Vec<Problem>,
}

/// What a sync would send, from what is known here: no request is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Whether nothing of this library's history is known to rest there: what is put there once is to come.
    pub is_first: bool,
    /// Segments of history that the place is not known to hold.
    pub segments: u64,
    /// Thumbnails, previews and tiny originals that are to go in packs, and their bytes.
    pub entries: [(u64, u64); 3],
    /// Sizes of the originals that are to go as objects of their own.
    pub original_sizes: Vec<u64>,
    /// What waits for a person's consent.
    pub held: Option<Exposure>,
    /// Originals in each state, as far as the place was told of them.
    pub originals: Vec<(SyncState, SyncTotals)>,
}

/// Tells what a sync with a remote would send.
///
/// # Errors
/// Those of the databases; [`SyncError::Policy`](crate::SyncError::Policy).
pub fn plan(here: &mut Here<'_>, at: &RemotePlace, options: &SyncOptions) -> Result<Plan> {
    queue_new(here, at)?;
    let now = here.now_millis();
    let planned = apply_policy(here.catalog, here.device, at.id, options.is_unmetered, options.consent, now)?;
    let heads = here.device.remote_heads(at.id)?;
    let mut plan = Plan {
        is_first: heads.is_empty(),
        originals: here.device.sync_totals(at.id)?,
        held: planned.held,
        ..Plan::default()
    };
    for (device, tip) in here.catalog.tips()? {
        let known =
            heads.iter().find(|(other, _)| *other == device).map_or_else(Tip::default, |(_, tip)| *tip);
        // What goes on from another branch than the one that the place has is never put there.
        if known.seq.0 == 0 || here.catalog.segment_root(device, known.seq)? == Some(known.root) {
            plan.segments += u64::from(tip.seq.0.saturating_sub(known.seq.0));
        }
    }
    let kinds = [PackKind::Thumbnails, PackKind::Previews, PackKind::TinyOriginals];
    let mut in_packs: HashSet<ContentHash> = HashSet::new();
    for (kind, total) in kinds.into_iter().zip(&mut plan.entries) {
        for entry in entries_to_send(here, at, kind, planned.goes)? {
            count(total, &entry);
            if kind == PackKind::TinyOriginals {
                in_packs.insert(entry.content);
            }
        }
    }
    for (named, locations) in packs_to_replicate(here, at, planned.goes, |_| true)? {
        let Some(which) = kinds.iter().position(|kind| *kind == named.tier) else { continue };
        for location in &locations {
            count(&mut plan.entries[which], location);
            if named.tier == PackKind::TinyOriginals {
                in_packs.insert(location.content);
            }
        }
    }
    plan.original_sizes = here.device.sizes_in(at.id, SyncState::Waiting, &in_packs)?;
    if options.retry_failed {
        plan.original_sizes.extend(here.device.sizes_in(at.id, SyncState::Failed, &in_packs)?);
    }
    let wanted = wanted(here.catalog, here.device, at.id, &planned.policy, options.is_unmetered, now)?;
    let new = not_queued(here, at, &wanted)?;
    let needs_consent = most(&planned.policy).filter(|_| !options.consent);
    let bytes = new.iter().map(|original| original.size_bytes).sum::<u64>();
    if needs_consent
        .is_some_and(|most| new.len() as u64 + planned.held.map_or(0, |held| held.originals) > most)
    {
        let held = plan.held.get_or_insert_default();
        held.is_held = true;
        held.originals += new.len() as u64;
        held.bytes += bytes;
        return Ok(plan);
    }
    for original in &new {
        if original.storage != Storage::Packed {
            plan.original_sizes.push(original.size_bytes);
        }
        if planned.goes.is_everything() {
            // All that no pack holds was counted above.
            continue;
        }
        for (kind, total) in kinds.into_iter().zip(&mut plan.entries) {
            // Of what a place was never told of, thumbnails of whatever is not switched off are counted already.
            if planned.goes.of(kind) != Renditions::OfWanted {
                continue;
            }
            for kind in kinds_of(kind) {
                if let Some(entry) = here.device.packed(&original.content, *kind)? {
                    count(total, &entry);
                }
            }
        }
    }
    Ok(plan)
}

fn count((entries, bytes): &mut (u64, u64), entry: &PackLocation) {
    *entries += 1;
    *bytes += entry.length;
}

/// Makes this device and a remote hold what the other has, as far as the options say. Killed or dropped at any
/// moment, the next sync goes on: whatever was acknowledged and recorded is not sent again.
///
/// # Errors
/// As [`sync_history`]; the first error that concerns the whole place. It is remembered with the remote.
pub async fn sync(here: &mut Here<'_>, at: &RemotePlace, options: &SyncOptions) -> Result<SyncReport> {
    let result = run(here, at, options).await;
    let error = result.as_ref().err().map(ToString::to_string);
    here.device.record_sync(at.id, here.now_millis(), error.as_deref())?;
    result
}

async fn run(here: &mut Here<'_>, at: &RemotePlace, options: &SyncOptions) -> Result<SyncReport> {
    let mut report = SyncReport::default();
    renew_place(here, at, &mut report.problems).await?;
    // What went back is found out before anything is put.
    if here.device.remote_heads(at.id)?.is_empty() {
        before_the_first_put(here, at).await?;
        send_keys(here, at, &mut report.problems).await?;
    }
    if here.catalog.begun_with()?.is_some() {
        // What is shown comes before what proves it.
        take_waiting_pages(here, at, &mut report.problems).await?;
        report.learnt_packs += learn_thumbnails_early(here, at).await?;
    }
    arrive(here, at, &mut report.history).await?;
    if !confirm_place(here, at, &mut report.problems).await? {
        arrive(here, at, &mut report.history).await?;
    }
    bring_back(here, at, &mut report.problems).await?;
    send_keys(here, at, &mut report.problems).await?;
    let has_news = queue_new(here, at)? || report.history.taken_segments > 0;
    let now = here.now_millis();
    let planned = apply_policy(here.catalog, here.device, at.id, options.is_unmetered, options.consent, now)?;
    report.held = planned.held;
    let goes = planned.goes;
    // Where not everything goes, looking for what is to be sent costs as much as there is, so it is done once a plan.
    let are_packs_sent =
        !goes.is_everything() && here.device.plan_stamps(at.id)?.1.as_ref() == Some(&planned.stamp);
    let problems = &mut report.problems;
    settle_marks(here, at, problems).await?;
    let is_wanted = |kind| match kind {
        PackKind::Thumbnails => true,
        PackKind::Previews => options.fetch_previews,
        PackKind::TinyOriginals => options.fetch_tiny_originals,
        PackKind::Unknown(_) => false,
    };
    report.learnt_packs += learn_packs(here, at, |_| true, is_wanted, problems).await?;
    forget_there(here, at, &mut report.history, problems).await?;
    let tier = options.originals_tier;
    begin_run(here, at)?;
    let mut sent = 0;
    if !are_packs_sent {
        let replicated = replicate_packs(here, at, goes, |_| true, tier, problems).await?;
        report.sent_packs = replicated.packs;
        report.sent_original_packs = replicated.of_originals;
        sent = send_packs(here, at, PackKind::Thumbnails, goes, tier, problems).await?;
    }
    if sent > 0 {
        // Others see thumbnails while originals are still under way.
        publish_more(here, at, &mut report.history).await?;
    }
    report.sent_packs += sent;
    sent = 0;
    if options.send_originals {
        if !are_packs_sent {
            sent = send_packs(here, at, PackKind::TinyOriginals, goes, tier, problems).await?;
        }
        if sent > 0 {
            publish_more(here, at, &mut report.history).await?;
        }
        report.sent_packs += sent;
        report.sent_original_packs += sent;
        sent = 0;
        let retry_until = if options.retry_failed { i64::MAX } else { here.now_millis() };
        here.device.retry_originals(at.id, retry_until)?;
        let originals = send_originals(here, at, |_| true, options.concurrency, tier, problems).await?;
        report.synced_originals = originals.synced;
        if !originals.linked.is_empty() {
            // Their parts are of use once history there names them.
            publish_more(here, at, &mut report.history).await?;
            report.synced_originals += settle_linked(here, at, &originals.linked)?;
        }
    }
    if options.send_previews && !are_packs_sent {
        sent += send_packs(here, at, PackKind::Previews, goes, tier, problems).await?;
    }
    if sent > 0 {
        publish_more(here, at, &mut report.history).await?;
    }
    report.sent_packs += sent;
    report.capped = capped(here, at)?;
    if options.send_originals && options.send_previews && !has_held_back(here, at)? {
        here.device.record_packs_sent(at.id, &planned.stamp)?;
    }
    if has_news || is_look_due(here, at)? {
        report.seen_originals = look_for_absent(here, at, has_news).await?;
    }
    if tell(here, at, &mut report.problems).await? || here.catalog.open_ops()?.ops > 0 {
        publish_more(here, at, &mut report.history).await?;
    }
    remember_silences(here)?;
    if options.fetch_originals {
        report.fetched_originals = fetch_missing(here, at, &mut report.problems).await?;
    }
    if !report.history.own_history_waits
        && let Some(written) = write_if_due(here, at, options.checkpoint_after_ops).await?
    {
        report.wrote_checkpoint = true;
        report.sent_pages = written.sent_pages;
    }
    Ok(report)
}

/// Linked originals whose parts rest in the place, and whose op is published there now, are synced.
pub(crate) fn settle_linked(here: &mut Here<'_>, at: &RemotePlace, contents: &[ContentHash]) -> Result<u64> {
    if published_until(here, at)? < here.catalog.last_op()? {
        // Something keeps history back; the next sync settles it.
        return Ok(0);
    }
    let synced = contents.iter().map(|content| (content, SyncState::Synced, None));
    here.device.set_original_states(at.id, synced)?;
    Ok(contents.len() as u64)
}

/// Marks what purges left behind, and acknowledges the marks that can be.
async fn settle_marks(here: &mut Here<'_>, at: &RemotePlace, problems: &mut Vec<Problem>) -> Result<()> {
    if holds_back(here, at)? {
        return Ok(());
    }
    mark_remembered(here, at)?;
    if has_purges(here, at)?
        && let Some(place) = place_id(here, at, problems).await?
    {
        mark_purged(here, at, place)?;
    }
    acknowledge(here, at, problems).await?;
    Ok(())
}

/// Remembers where each chain ends; a device that stays silent may lapse one day.
fn remember_silences(here: &mut Here<'_>) -> Result<()> {
    let Some(roster) = here.roster()? else { return Ok(()) };
    let mut tips = Vec::new();
    for device in roster.members().keys() {
        tips.push((*device, here.catalog.tip(*device)?.seq));
    }
    let now = here.now_millis();
    Ok(here.device.record_silences(tips, now)?)
}
