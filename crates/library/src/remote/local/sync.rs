//! What a sync does for the originals of this device, once history, previews and originals have gone out: what is
//! damaged here is healed, what is pinned or thawed comes, what was half freed goes.

use safelight_catalog::{PolicyKind, RemoteId, SyncState};
use safelight_crypto::ContentHash;
use safelight_model::RenditionKind;
use safelight_store::ObjectPath;
use safelight_sync::{
    AwaitedElsewhere, FreeOptions, Freeing, Here, Problem, RemotePlace, SyncError, ThawStep, fetch_from,
    finish_freeing, is_away, look_at_thaw, mend_renditions, wanted,
};
use serde::Serialize;

use super::pin::Pinned;
use super::settings::LocalSettings;
use crate::error::Result;
use crate::import::rendition::PREVIEW_RECIPE;
use crate::library::Library;

/// Originals that are looked up together.
const ROWS_AT_ONCE: usize = 256;

/// What a sync did for the originals of this device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct LocalOutcome {
    /// Originals that came here: wanted by a pin, by the rule to keep all, or thawed.
    pub fetched_originals: u64,
    /// Originals that were missing or damaged here and are whole again.
    pub healed_originals: u64,
    /// Originals that still wait for their thaw.
    pub thawing_originals: u64,
    /// Originals whose local bytes went, against a proof.
    pub freed_originals: u64,
    /// These bytes.
    pub freed_bytes: u64,
}

impl LocalOutcome {
    pub(in crate::remote) fn add(&mut self, other: &Self) {
        self.fetched_originals += other.fetched_originals;
        self.healed_originals += other.healed_originals;
        self.thawing_originals = other.thawing_originals;
        self.freed_originals += other.freed_originals;
        self.freed_bytes += other.freed_bytes;
    }
}

/// What this device wants of a sync for its originals.
#[derive(Debug, Clone)]
pub(in crate::remote) struct Wishes {
    pub(in crate::remote) settings: LocalSettings,
    damaged: Vec<ContentHash>,
    pinned: Pinned,
}

impl Library {
    pub(in crate::remote) fn wishes(&self) -> Result<Wishes> {
        let mut damaged = self.damaged.contents();
        if !damaged.is_empty() {
            let catalog = self.catalog();
            // What was removed for good is missed by nobody.
            let mut missed = Vec::with_capacity(damaged.len());
            for content in damaged {
                if catalog.content_use(&content)?.is_none_or(|used| used.is_referenced) {
                    missed.push(content);
                }
            }
            damaged = missed;
        }
        Ok(Wishes { settings: self.local_settings()?, damaged, pinned: self.pinned()? })
    }
}

/// Looks after the originals of this device. Answers what came of it; which damaged ones are whole again is in `healed`,
/// also when something failed after it.
pub(in crate::remote) async fn after_sync(
    here: &mut Here<'_>,
    at: &RemotePlace,
    wishes: &Wishes,
    problems: &mut Vec<Problem>,
    healed: &mut Vec<ContentHash>,
) -> Result<LocalOutcome, SyncError> {
    let mut outcome = LocalOutcome::default();
    for content in &wishes.damaged {
        if fetched(here, at, content, problems).await?.is_some() {
            healed.push(*content);
        }
    }
    outcome.healed_originals = healed.len() as u64;
    let mended = mend_renditions(here, at, problems).await?;
    if !mended.is_empty() {
        // Nothing of them is to be drawn again.
        let jobs = mended.into_iter().map(|content| (content, RenditionKind::Preview, PREVIEW_RECIPE));
        here.device.finish_renditions(jobs)?;
    }
    for thawing in here.device.thawing(at.id)? {
        let Some(original) = here.catalog.original_of(&thawing.content)? else {
            here.device.set_thawed(at.id, &thawing.content)?;
            continue;
        };
        match look_at_thaw(here, at, &original).await? {
            ThawStep::Readable => {
                let came = fetched(here, at, &thawing.content, problems).await?;
                outcome.fetched_originals += u64::from(came.is_some_and(|bytes| bytes > 0));
                if came.is_some() {
                    // It was asked for, and paid for.
                    here.device.keep_here([&thawing.content])?;
                }
            }
            ThawStep::Thawing { .. } | ThawStep::Archived => outcome.thawing_originals += 1,
            ThawStep::NotThere => here.device.set_thawed(at.id, &thawing.content)?,
        }
    }
    if !wishes.pinned.is_empty() {
        for content in pinned_and_away(here, at, &wishes.pinned)? {
            let came = fetched(here, at, &content, problems).await?;
            outcome.fetched_originals += u64::from(came.is_some_and(|bytes| bytes > 0));
        }
    }
    let leaving = leaving(here, at, wishes)?;
    free_all(here, at, wishes, &leaving, problems, &mut outcome).await?;
    Ok(outcome)
}

/// Fetches one original; none when this place cannot give it now.
async fn fetched(
    here: &mut Here<'_>,
    at: &RemotePlace,
    content: &ContentHash,
    problems: &mut Vec<Problem>,
) -> Result<Option<u64>, SyncError> {
    here.stop.check()?;
    let Some(original) = here.catalog.original_of(content)? else { return Ok(None) };
    fetch_from(here, at, &original, problems).await
}

fn pinned_and_away(
    here: &Here<'_>,
    at: &RemotePlace,
    pinned: &Pinned,
) -> Result<Vec<ContentHash>, SyncError> {
    let mut found = Vec::new();
    for state in [SyncState::CloudOnly, SyncState::Elsewhere, SyncState::Lost] {
        let mut after = None;
        loop {
            let rows = here.device.originals_in(at.id, state, after, ROWS_AT_ONCE)?;
            let Some(last) = rows.last() else { break };
            after = Some((last.position, last.content));
            for row in &rows {
                if is_pinned(here, pinned, &row.content)? {
                    found.push(row.content);
                }
            }
        }
    }
    Ok(found)
}

/// What is to go from this device: removals that were cut short, and what a policy only archives there, unless somebody
/// asked to have it here.
fn leaving(here: &mut Here<'_>, at: &RemotePlace, wishes: &Wishes) -> Result<Leaving, SyncError> {
    let mut leaving = Leaving { halves: finish_freeing(here)?, archived: Vec::new() };
    let policy = here.device.policy(at.id)?;
    if policy.kind != PolicyKind::ArchiveOnly || wishes.settings.keeps_all() {
        return Ok(leaving);
    }
    let asked_for = wanted(here.catalog, here.device, at.id, &policy, false, here.now_millis())?;
    for content in here.device.contents_in(at.id, &[SyncState::Synced])? {
        if asked_for.wants(&content) && !is_to_stay(here, wishes, &content)? {
            leaving.archived.push(content);
        }
    }
    Ok(leaving)
}

/// What would go after a sync with these remotes `together` because a policy only archives it: originals and their bytes.
/// No request is made.
pub(in crate::remote) fn would_leave(
    here: &Here<'_>,
    together: &[RemoteId],
    at: &RemotePlace,
    wishes: &Wishes,
) -> Result<(u64, u64), SyncError> {
    let policy = here.device.policy(at.id)?;
    let (mut originals, mut bytes) = (0, 0);
    if policy.kind == PolicyKind::ArchiveOnly && !wishes.settings.keeps_all() {
        let now = here.now_millis();
        let asked_for = wanted(here.catalog, here.device, at.id, &policy, false, now)?;
        let awaited = AwaitedElsewhere::of(here.catalog, here.device, |id| together.contains(&id), now)?;
        for content in &asked_for.contents {
            let Some(original) = here.catalog.original_of(content)? else { continue };
            let is_here = match original.parts.first() {
                Some(part) => here.place.contains(&ObjectPath::original(part.name))?,
                None => false,
            };
            if is_here
                && asked_for.wants(content)
                && !is_to_stay(here, wishes, content)?
                && !awaited.awaits(here.device, content)?
            {
                originals += 1;
                bytes += original.size_bytes;
            }
        }
    }
    Ok((originals, bytes))
}

/// What is to go from this device.
struct Leaving {
    /// Removals that were cut short.
    halves: Vec<ContentHash>,
    /// What a policy asks for and the remote holds.
    archived: Vec<ContentHash>,
}

/// Whether an original is pinned, or was fetched, thawed or opened to have it here.
fn is_to_stay(here: &Here<'_>, wishes: &Wishes, content: &ContentHash) -> Result<bool, SyncError> {
    Ok(here.device.is_asked_for(content)? || is_pinned(here, &wishes.pinned, content)?)
}

fn is_pinned(here: &Here<'_>, pinned: &Pinned, content: &ContentHash) -> Result<bool, SyncError> {
    if pinned.is_empty() {
        return Ok(false);
    }
    let Some(asset) = here.catalog.find_content(*content)? else { return Ok(false) };
    Ok(here.catalog.asset_state(asset)?.is_some_and(|state| pinned.has(asset, &state)))
}

/// Frees against proofs, as any removal. What a policy archives is downloaded and opened once where the remote has no
/// checksum of its own: somebody chose that policy to have room here.
async fn free_all(
    here: &mut Here<'_>,
    at: &RemotePlace,
    wishes: &Wishes,
    leaving: &Leaving,
    problems: &mut Vec<Problem>,
    outcome: &mut LocalOutcome,
) -> Result<(), SyncError> {
    // Who stayed away in the sync that just ended frees nothing.
    if leaving.halves.is_empty() && leaving.archived.is_empty() || is_away(here, at)? {
        return Ok(());
    }
    let proof_millis = wishes.settings.proof_millis();
    let options = FreeOptions { proof_millis, download: true, is_enough: false };
    let ready = Freeing::begin(here, at, options, problems).await?;
    for content in leaving.halves.iter().chain(&leaving.archived) {
        here.stop.check()?;
        let Some(original) = here.catalog.original_of(content)? else { continue };
        if let Ok(proof) = ready.prove(here, at, &original, problems).await? {
            outcome.freed_bytes += proof.free(here)?;
            outcome.freed_originals += 1;
        }
    }
    Ok(())
}
