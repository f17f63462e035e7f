//! The order of a sync: keys, history, thumbnails, originals, previews; and what there is to do.

use safelight_catalog::{RemoteId, SyncState, SyncTotals};
use safelight_model::PackKind;
use safelight_store::Tier;

use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::{HistoryReport, publish_more, sync_history};
use crate::keys::send_keys;
use crate::originals::{fetch_missing, not_queued, queue_new, send_originals};
use crate::packs::{learn_packs, replicate_packs, send_packs};
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
    /// Transfers at once.
    pub concurrency: usize,
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
            concurrency: 8,
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
    /// Originals that the place now holds whole.
    pub synced_originals: u64,
    /// Originals that were fetched from the place.
    pub fetched_originals: u64,
    /// What is wrong with single objects, beside those of history.
    pub problems: Vec<Problem>,
}

/// What a sync would send, from what is known here: no request is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Segments of history that the place is not known to hold.
    pub segments: u64,
    /// Thumbnails, previews and tiny originals that no pack is known to hold, and their bytes.
    pub entries: [(u64, u64); 3],
    /// Originals in each state.
    pub originals: Vec<(SyncState, SyncTotals)>,
}

/// Tells what a sync with a remote would send.
///
/// # Errors
/// Those of the databases.
pub fn plan(here: &mut Here<'_>, at: &RemotePlace) -> Result<Plan> {
    queue_new(here, at)?;
    let heads = here.device.remote_heads(at.id)?;
    let mut plan = Plan { originals: here.device.sync_totals(at.id)?, ..Plan::default() };
    let more = not_queued(here, at)?;
    if let Some((_, waiting)) = plan.originals.iter_mut().find(|(state, _)| *state == SyncState::Waiting) {
        waiting.originals += more.originals;
        waiting.bytes += more.bytes;
    }
    for (device, tip) in here.catalog.tips()? {
        let known = heads.iter().find(|(other, _)| *other == device).map_or(0, |(_, tip)| tip.seq.0);
        plan.segments += u64::from(tip.seq.0.saturating_sub(known));
    }
    let kinds = [PackKind::Thumbnails, PackKind::Previews, PackKind::TinyOriginals];
    for (kind, (count, bytes)) in kinds.into_iter().zip(&mut plan.entries) {
        for entry_kind in crate::packs::kinds_of(kind) {
            let entries = here.device.entries_to_pack(at.id, *entry_kind)?;
            *count += entries.len() as u64;
            *bytes += entries.iter().map(|entry| entry.length).sum::<u64>();
        }
    }
    Ok(plan)
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
    // What went back is found out before anything is put.
    if here.device.remote_heads(at.id)?.is_empty() {
        send_keys(here, at, &mut report.problems).await?;
    }
    report.history = sync_history(here, at).await?;
    send_keys(here, at, &mut report.problems).await?;
    queue_new(here, at)?;
    let problems = &mut report.problems;
    let is_wanted = |kind| match kind {
        PackKind::Thumbnails => true,
        PackKind::Previews => options.fetch_previews,
        PackKind::TinyOriginals => options.fetch_tiny_originals,
        PackKind::Unknown(_) => false,
    };
    report.learnt_packs = learn_packs(here, at, is_wanted, problems).await?;
    let tier = options.originals_tier;
    report.sent_packs = replicate_packs(here, at, tier, problems).await?;
    let mut sent = send_packs(here, at, PackKind::Thumbnails, tier, problems).await?;
    if sent > 0 {
        // Others see thumbnails while originals are still under way.
        publish_more(here, at, &mut report.history).await?;
    }
    report.sent_packs += sent;
    sent = 0;
    if options.send_originals {
        sent = send_packs(here, at, PackKind::TinyOriginals, tier, problems).await?;
        if sent > 0 {
            publish_more(here, at, &mut report.history).await?;
        }
        report.sent_packs += sent;
        sent = 0;
        report.synced_originals = send_originals(here, at, options.concurrency, tier, problems).await?;
    }
    if options.send_previews {
        sent += send_packs(here, at, PackKind::Previews, tier, problems).await?;
    }
    if sent > 0 {
        publish_more(here, at, &mut report.history).await?;
    }
    report.sent_packs += sent;
    if options.fetch_originals {
        report.fetched_originals = fetch_missing(here, at, &mut report.problems).await?;
    }
    Ok(report)
}

/// Forgets what a remote held, because it was lost or went back and its owner knows of it: the next sync fills
/// it again.
///
/// # Errors
/// Those of the database.
pub fn start_over(here: &mut Here<'_>, remote: RemoteId) -> Result<()> {
    Ok(here.device.forget_contents(remote)?)
}
