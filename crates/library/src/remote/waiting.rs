//! What is not in a remote, grouped by why.

use std::collections::BTreeMap;

use safelight_catalog::{PURGED, RemoteRow, StateReason, SyncState, SyncTotals, Wanted};
use safelight_model::ContentHash;
use safelight_sync::newly_exposed;
use serde::Serialize;

use super::standing::{Judge, not_seen_in, reason_of};
use crate::error::Result;
use crate::library::Library;
use crate::why::Why;

/// So many photos of a group are named.
const EXAMPLES: usize = 6;

/// Originals that are not in a remote for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct WaitingGroup {
    /// `failed`, `lost` there, `held` for your consent, `waiting` to be sent, `elsewhere` on another device or remote, or
    /// `off`: it stays here.
    pub state: &'static str,
    /// Why, in a sentence without a full stop.
    pub reason: String,
    /// The same in a code.
    pub why: Option<Why>,
    /// How many.
    pub originals: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the first of them that failed is tried again, in milliseconds since 1970.
    pub next_try_millis: Option<i64>,
    /// The newest of them.
    pub examples: Vec<NamedPhoto>,
}

/// A photo by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct NamedPhoto {
    /// The id.
    pub id: String,
    /// The file's name.
    pub name: String,
}

/// The states that are told, in the order in which they are told.
const TOLD: [(SyncState, &str); 7] = [
    (SyncState::Failed, "failed"),
    (SyncState::Lost, "lost"),
    (SyncState::Held, "held"),
    (SyncState::Waiting, "waiting"),
    (SyncState::Elsewhere, "elsewhere"),
    (SyncState::LocalOnly, "off"),
    (SyncState::Off, "off"),
];

fn rank(state: SyncState) -> Option<usize> {
    TOLD.iter().position(|(told, _)| *told == state)
}

impl Library {
    /// What is not in a remote and why, what needs a person first.
    ///
    /// # Errors
    /// [`NoSuchRemote`](crate::LibraryError::NoSuchRemote), and those of the databases.
    pub fn waiting_at(&self, name: &str) -> Result<Vec<WaitingGroup>> {
        let row = self.remote_row(name)?;
        let judge = Judge::of(self, row.clone())?;
        let mut groups: BTreeMap<(usize, String), WaitingGroup> = BTreeMap::new();
        for found in self.reasons_without_purged(&row)? {
            let Some(rank) = rank(found.state) else { continue };
            let group = self.group(&row, &judge, &found)?;
            groups.insert((rank, group.reason.clone()), group);
        }
        let mut came_in = Vec::new();
        for added in self.unasked(&row)? {
            came_in.push((judge.unasked(self, &added.original.content)?, added));
        }
        // The next sync counts all that the policy newly wants, what was tagged since as well as what came in.
        let is_any_wanted = came_in.iter().any(|(state, _)| *state == SyncState::Waiting);
        let holds_back = is_any_wanted && {
            let wanted = judge.wanted(self)?;
            let [all, _] = newly_exposed(&self.catalog(), &self.device, row.id, wanted, &Wanted::default())?;
            judge.holds_back(all.originals)
        };
        for (state, added) in came_in {
            let content = added.original.content;
            let state = if holds_back && state == SyncState::Waiting { SyncState::Held } else { state };
            let Some(rank) = rank(state) else { continue };
            // What is held already waits for the same.
            let held = groups.keys().find(|(known, _)| *known == rank && state == SyncState::Held);
            let reason = held.map_or_else(|| judge.why_unasked(state), |(_, reason)| reason.clone());
            let group = groups.entry((rank, reason.clone())).or_insert_with(|| WaitingGroup {
                state: TOLD.get(rank).map_or("", |(_, word)| word),
                why: Why::of(&reason),
                reason,
                originals: 0,
                bytes: 0,
                next_try_millis: None,
                examples: Vec::new(),
            });
            group.originals += 1;
            group.bytes += added.original.size_bytes;
            if group.examples.len() < EXAMPLES {
                group.examples.extend(self.photo_named(&content)?);
            }
        }
        Ok(groups.into_values().collect())
    }

    /// The reasons that are recorded; what was removed for good waits for nothing.
    fn reasons_without_purged(&self, row: &RemoteRow) -> Result<Vec<StateReason>> {
        let mut reasons = self.device.sync_reasons(row.id)?;
        for content in self.purged_contents()? {
            let rows = self.device.original_at_remotes(&content)?;
            let Some((_, gone)) = rows.into_iter().find(|(id, _)| *id == row.id) else { continue };
            for found in reasons.iter_mut().filter(|one| one.state == gone.state && one.reason == gone.reason)
            {
                let SyncTotals { originals, bytes } = &mut found.totals;
                *originals = originals.saturating_sub(1);
                *bytes = bytes.saturating_sub(gone.size_bytes);
            }
        }
        reasons.retain(|one| one.totals.originals > 0 && one.reason.as_deref() != Some(PURGED));
        Ok(reasons)
    }

    fn group(&self, row: &RemoteRow, judge: &Judge, found: &StateReason) -> Result<WaitingGroup> {
        let newest = self.device.originals_because(row.id, found.state, found.reason.as_deref(), EXAMPLES)?;
        let mut examples = Vec::new();
        for original in &newest {
            examples.extend(self.photo_named(&original.content)?);
        }
        let reason = match (found.state, newest.first()) {
            // Who may have it differs from one to the next; each says it by itself.
            (SyncState::Lost, _) => format!("{} was found to have lost them or holds them damaged", row.name),
            (SyncState::Elsewhere, _) => not_seen_in(&row.name),
            (_, Some(original)) => reason_of(judge, original),
            (_, None) => found.reason.clone().unwrap_or_default(),
        };
        let is_failed = found.state == SyncState::Failed;
        Ok(WaitingGroup {
            state: rank(found.state).and_then(|rank| TOLD.get(rank)).map_or("", |(_, word)| word),
            why: Why::of(&reason),
            reason,
            originals: found.totals.originals,
            bytes: found.totals.bytes,
            next_try_millis: is_failed.then_some(found.next_try_millis),
            examples,
        })
    }

    fn photo_named(&self, content: &ContentHash) -> Result<Option<NamedPhoto>> {
        let catalog = self.catalog();
        let Some(asset) = catalog.find_content(*content)? else { return Ok(None) };
        let row = catalog.asset(asset)?.filter(|row| !self.is_kept_back(row));
        Ok(row.map(|row| NamedPhoto {
            id: asset.to_string(),
            name: String::from_utf8_lossy(row.file_name()).into_owned(),
        }))
    }
}
