//! How originals stand to remotes, in the words that people are shown: local-only, waiting, synced, cloud-only,
//! elsewhere, thawing, failed.
//!
//! What a remote was told of is in `device.db`. An original that came in since then is judged by the remote's policy as
//! the next sync will judge it, so that no list says nothing about it.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use safelight_catalog::query::{Condition, SyncWord};
use safelight_catalog::{
    AddedOriginal, OriginalAtRemote, PolicyKind, Query, RemoteId, RemotePolicy, RemoteRow, SyncState, Wanted,
};
use safelight_crypto::ContentHash;
use safelight_store::{Capabilities, Tier};
use safelight_sync::{is_held, wanted};
use serde::Serialize;

use super::policy::{TIER, holds_back};
use crate::effects::now_millis;
use crate::error::Result;
use crate::library::Library;
use crate::why::Why;

/// Ops that are looked at together.
const OPS_AT_ONCE: usize = 1000;

/// A remote's policy as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownPolicy {
    /// `full`, `selective`, `on-demand` or `archive-only`.
    pub kind: &'static str,
    /// What a selective policy asks for; nothing when it has not been asked for anything.
    pub only: Option<String>,
    /// From how many days on an archive-only policy sends.
    pub older_days: Option<u32>,
    /// `captured` or `added`: by which date.
    pub by: Option<&'static str>,
    /// Whether an on-demand policy sends everything while the link costs nothing.
    pub unmetered: Option<bool>,
    /// More newly exposed originals than this need consent.
    pub expose: u64,
    /// The tier that originals are written into; none where the place has no tiers.
    pub tier: Option<&'static str>,
    /// Photos and albums that are switched on or off by hand.
    pub switches: u64,
}

/// Why an original will wait that the next sync asks about.
pub(crate) const WAITS_FOR_CONSENT: &str = "it waits for your consent: safelight sync --yes";

/// Why an original is elsewhere that no place is known to hold, where there never was another device.
const NOWHERE: &str = "no place is known to hold it, and no other device ever had it: import its file again";

/// How one original stands to one remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownStanding {
    /// The remote.
    pub remote: String,
    /// The word.
    pub state: &'static str,
    /// Why it waits, stays or failed.
    pub reason: Option<String>,
    /// The same in a code.
    pub why: Option<Why>,
    /// When a failed one is tried again, in milliseconds since 1970.
    pub next_try_millis: Option<i64>,
}

impl ShownStanding {
    /// `nas: failed (why); tried again 2023-05-14T10:11:12Z`
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{}: {}", self.remote, self.state);
        if let Some(reason) = &self.reason {
            line.push_str(&format!(" ({reason})"));
        }
        let next = self.next_try_millis.map(jiff::Timestamp::from_millisecond);
        if let Some(Ok(next)) = next {
            line.push_str(&format!("; tried again {}", next.strftime("%Y-%m-%dT%H:%M:%SZ")));
        }
        line
    }
}

/// Originals of a remote by how they stand to it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) safe: u64,
    pub(super) waiting: u64,
    pub(super) held: u64,
    pub(super) local: u64,
    pub(super) failed: u64,
}

impl Counts {
    fn add(&mut self, state: SyncState, originals: u64) {
        match state {
            SyncState::Synced | SyncState::CloudOnly | SyncState::Thawing => self.safe += originals,
            SyncState::Waiting | SyncState::Elsewhere => self.waiting += originals,
            SyncState::Held => {
                self.waiting += originals;
                self.held += originals;
            }
            SyncState::LocalOnly | SyncState::Off => self.local += originals,
            SyncState::Failed | SyncState::Lost => self.failed += originals,
        }
    }
}

/// One remote, and what of its policy was worked out so far.
pub(super) struct Judge {
    row: RemoteRow,
    policy: RemotePolicy,
    wanted: OnceCell<Wanted>,
    is_alone: bool,
    /// Why nothing is sent for now, where the daily cap is the reason.
    capped: Option<String>,
}

/// How originals stand to all remotes; made once a command.
pub(crate) struct Standings<'a> {
    library: &'a Library,
    judges: Vec<Judge>,
    is_alone: bool,
}

impl Judge {
    pub(super) fn of(library: &Library, row: RemoteRow) -> Result<Self> {
        let policy = library.device.policy(row.id)?;
        let capped = library.capped(&row)?.map(|capped| capped.reason());
        Ok(Self { row, policy, wanted: OnceCell::new(), is_alone: library.is_alone()?, capped })
    }

    fn shown(&self, state: SyncState, reason: Option<String>, next_try_millis: Option<i64>) -> ShownStanding {
        let why = reason.as_deref().and_then(Why::of);
        ShownStanding { remote: self.row.name.clone(), state: state.word(), reason, why, next_try_millis }
    }

    /// Why an original stands so that the remote was not told of yet.
    pub(super) fn why_unasked(&self, state: SyncState) -> String {
        match state {
            SyncState::Waiting => "it came in after the last sync".to_owned(),
            SyncState::Elsewhere => not_seen_in(&self.row.name),
            SyncState::Held => WAITS_FOR_CONSENT.to_owned(),
            _ => not_asked_for(self.policy.kind),
        }
    }

    /// Whether the next sync holds so many back, those that are held already included.
    pub(super) fn holds_back(&self, originals: u64) -> bool {
        holds_back(&self.policy, originals)
    }

    /// What the remote's policy wants now.
    pub(super) fn wanted(&self, library: &Library) -> Result<&Wanted> {
        if let Some(wanted) = self.wanted.get() {
            return Ok(wanted);
        }
        let catalog = library.catalog();
        let found = wanted(&catalog, &library.device, self.row.id, &self.policy, false, now_millis())?;
        Ok(self.wanted.get_or_init(|| found))
    }

    /// How an original stands that the remote was not told of yet.
    pub(super) fn unasked(&self, library: &Library, content: &ContentHash) -> Result<SyncState> {
        let is_away = library.is_away(content, self.is_alone)?;
        if is_away && self.policy.kind != PolicyKind::OnDemand {
            return Ok(SyncState::Elsewhere);
        }
        Ok(match self.wanted(library)?.wants(content) {
            true if is_away => SyncState::Elsewhere,
            true => SyncState::Waiting,
            false => SyncState::Off,
        })
    }
}

impl Standings<'_> {
    /// The word for how an original stands to all remotes together, when it stands so to those that were told of it.
    pub(crate) fn word(&self, content: &ContentHash, told: &[(RemoteId, SyncState)]) -> Result<&'static str> {
        if self.judges.is_empty() && self.library.is_away(content, self.is_alone)? {
            return Ok(SyncState::Elsewhere.word());
        }
        let mut states = Vec::with_capacity(self.judges.len());
        for judge in &self.judges {
            states.push(match told.iter().find(|(id, _)| *id == judge.row.id) {
                Some((_, state)) => *state,
                None => judge.unasked(self.library, content)?,
            });
        }
        Ok(together(states))
    }

    /// How an original stands to each remote.
    pub(crate) fn of(&self, content: &ContentHash) -> Result<Vec<ShownStanding>> {
        let rows = self.library.device.original_at_remotes(content)?;
        let mut shown = Vec::with_capacity(self.judges.len());
        for judge in &self.judges {
            let standing = match rows.iter().find(|(id, _)| *id == judge.row.id) {
                Some((_, row)) => {
                    let reason = match row.state {
                        SyncState::Lost => Some(self.library.why_lost(&judge.row.name, row)?),
                        SyncState::Elsewhere if row.reason.is_none() => {
                            Some(self.why_elsewhere(&judge.row.name, content, &rows)?)
                        }
                        _ => reason(judge, row),
                    };
                    let next = (row.state == SyncState::Failed).then_some(row.next_try_millis);
                    judge.shown(row.state, reason, next)
                }
                None => {
                    let state = judge.unasked(self.library, content)?;
                    let reason = match state {
                        SyncState::Elsewhere => self.why_elsewhere(&judge.row.name, content, &rows)?,
                        _ => judge.why_unasked(state),
                    };
                    judge.shown(state, Some(reason), None)
                }
            };
            shown.push(standing);
        }
        Ok(shown)
    }
}

impl Standings<'_> {
    /// What an original that is not here waits for: another remote that holds it, or another device.
    fn why_elsewhere(
        &self,
        remote: &str,
        content: &ContentHash,
        rows: &[(RemoteId, OriginalAtRemote)],
    ) -> Result<String> {
        let holders = || {
            self.judges.iter().filter_map(|judge| {
                let row = rows.iter().find(|(id, row)| *id == judge.row.id && is_held(row.state));
                row.map(|(_, row)| (&judge.row.name, row))
            })
        };
        // What has a reason there is archived or being thawed: it cannot be copied as it is.
        let readable = holders().find(|(_, row)| row.reason.is_none());
        Ok(match readable.or_else(|| holders().next()) {
            Some((holder, row)) if row.state == SyncState::Thawing => {
                format!("it is being thawed in {holder}: the sync after that sends it")
            }
            Some((holder, row)) if row.reason.is_some() => format!(
                "it rests archived in {holder} and not here: safelight local thaw brings it back, and the next sync \
                 sends it"
            ),
            Some((holder, _)) => {
                format!("it rests in {holder} and not here: safelight remote replicate {holder} {remote}")
            }
            None => match self.library.keepers_of(content)?.first() {
                Some(device) => format!(
                    "device {} keeps it, as far as the history tells; it is not here and was not seen in {remote} yet",
                    self.library.device_names()?.called(*device)
                ),
                None if self.is_alone => NOWHERE.to_owned(),
                None => format!("another device has it, and it was not seen in {remote} yet"),
            },
        })
    }
}

/// Of several states what a person has to know first.
fn together(states: impl IntoIterator<Item = SyncState>) -> &'static str {
    let urgency = |state: SyncState| match state {
        SyncState::Failed | SyncState::Lost => 0,
        SyncState::Waiting | SyncState::Held => 1,
        SyncState::Thawing => 2,
        SyncState::CloudOnly => 3,
        SyncState::Synced => 4,
        SyncState::Elsewhere => 5,
        SyncState::LocalOnly | SyncState::Off => 6,
    };
    states.into_iter().min_by_key(|state| urgency(*state)).unwrap_or(SyncState::LocalOnly).word()
}

fn not_asked_for(kind: PolicyKind) -> String {
    match kind {
        PolicyKind::Full => "it cannot be sent".to_owned(),
        PolicyKind::Selective => "the selection does not ask for it".to_owned(),
        PolicyKind::OnDemand => "nobody asked for it: safelight sync on".to_owned(),
        PolicyKind::ArchiveOnly => "it is not old enough".to_owned(),
    }
}

/// Why an original stands to a remote as it does.
pub(super) fn reason_of(judge: &Judge, row: &OriginalAtRemote) -> String {
    reason(judge, row).unwrap_or_default()
}

fn reason(judge: &Judge, row: &OriginalAtRemote) -> Option<String> {
    match (&row.reason, row.state) {
        (Some(reason), _) => Some(reason.clone()),
        (None, SyncState::Off) => Some(not_asked_for(judge.policy.kind)),
        (None, SyncState::Waiting) => {
            Some(judge.capped.clone().unwrap_or_else(|| "it was not sent yet".to_owned()))
        }
        (None, SyncState::Held) => Some(WAITS_FOR_CONSENT.to_owned()),
        _ => None,
    }
}

/// Why several originals do that are not here.
pub(super) fn not_seen_in(remote: &str) -> String {
    format!("they are not on this device and were not seen in {remote} yet")
}

impl Library {
    /// How originals stand to remotes; none when there is no remote.
    pub(crate) fn standings(&self) -> Result<Standings<'_>> {
        let rows = self.device.remotes()?.into_iter();
        let judges = rows.map(|row| Judge::of(self, row)).collect::<Result<_>>()?;
        Ok(Standings { library: self, judges, is_alone: self.is_alone()? })
    }

    /// What a remote lost of an original that is not here, and who may still have it.
    pub(crate) fn why_lost(&self, remote: &str, row: &OriginalAtRemote) -> Result<String> {
        let was = row.reason.as_deref().unwrap_or("missing");
        let others = self.names_of_holders(&row.content)?;
        if let Some(first) = others.first() {
            let others = others.join(", ");
            return Ok(format!(
                "it is {was} there; {others} should still have it: safelight remote replicate {first} {remote}"
            ));
        }
        let original = self.original_of(&row.content)?;
        let source = original.map(|original| original.source.device);
        Ok(match source.filter(|device| *device != self.keyring().device().id()) {
            Some(device) => format!(
                "it is {was} there; device {} imported it and may still have it: safelight sync there",
                self.device_names()?.called(device)
            ),
            None => format!(
                "it is {was} there; a device that fetched it may still have it (safelight sync there), \
                 else import its file again"
            ),
        })
    }

    /// How an original stands to a remote, also one that it was not told of yet.
    pub(super) fn state_at(&self, judge: &Judge, content: &ContentHash) -> Result<SyncState> {
        let rows = self.device.original_at_remotes(content)?;
        match rows.into_iter().find(|(id, _)| *id == judge.row.id) {
            Some((_, row)) => Ok(row.state),
            None => judge.unasked(self, content),
        }
    }

    /// The originals that came in since a remote was synced, each once.
    pub(super) fn unasked(&self, row: &RemoteRow) -> Result<Vec<AddedOriginal>> {
        let catalog = self.catalog();
        let mut after = self.device.looked_at(row.id, catalog.instance()?)?;
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        loop {
            let (added, last) = catalog.added_originals(after, i64::MAX, OPS_AT_ONCE)?;
            if last == after {
                return Ok(found);
            }
            for added in added {
                let content = added.original.content;
                if seen.insert(content)
                    && !self.device.original_at_remotes(&content)?.iter().any(|(id, _)| *id == row.id)
                {
                    found.push(added);
                }
            }
            after = last;
        }
    }

    /// The counts of a remote; what was removed for good counts nowhere ([`Library::purged_contents`]).
    pub(super) fn counts_without(&self, row: &RemoteRow, purged: &HashSet<ContentHash>) -> Result<Counts> {
        let mut gone: HashMap<SyncState, u64> = HashMap::new();
        for content in purged {
            let rows = self.device.original_at_remotes(content)?;
            if let Some((_, original)) = rows.iter().find(|(id, _)| *id == row.id) {
                *gone.entry(original.state).or_default() += 1;
            }
        }
        let mut counts = Counts::default();
        for (state, totals) in self.device.sync_totals(row.id)? {
            let gone = gone.get(&state).copied().unwrap_or_default();
            counts.add(state, totals.originals.saturating_sub(gone));
        }
        let judge = Judge::of(self, row.clone())?;
        if judge.policy.kind == PolicyKind::OnDemand {
            // What is not here and that nobody asked for there waits for nothing.
            for content in self.device.contents_in(row.id, &[SyncState::Elsewhere])? {
                if !purged.contains(&content) && !judge.wanted(self)?.wants(&content) {
                    counts.waiting -= 1;
                    counts.local += 1;
                }
            }
        }
        for added in self.unasked(row)? {
            let content = added.original.content;
            if !purged.contains(&content) {
                counts.add(judge.unasked(self, &content)?, 1);
            }
        }
        Ok(counts)
    }

    /// The contents of photos that were removed for good, and of none that is left.
    pub(super) fn purged_contents(&self) -> Result<HashSet<ContentHash>> {
        let (catalog, mut purged, mut after) = (self.catalog(), HashSet::new(), 0);
        loop {
            let (assets, last) = catalog.purged_after(after, OPS_AT_ONCE)?;
            if last == after {
                return Ok(purged);
            }
            for asset in assets {
                let Some(state) = catalog.asset_state(asset)? else { continue };
                let lives = state.lives().flat_map(|(_, life)| life.contents().additions());
                for content in lives.map(|write| write.value.original.content) {
                    if catalog.content_use(&content)?.is_none_or(|used| !used.is_referenced) {
                        purged.insert(content);
                    }
                }
            }
            after = last;
        }
    }

    /// How many originals wait to be sent and failed, over all remotes.
    pub(crate) fn sync_standing(&self) -> Result<(u64, u64)> {
        let (mut waiting, mut failed) = (0, 0);
        let purged = self.purged_contents()?;
        for remote in self.device.remotes()? {
            let counts = self.counts_without(&remote, &purged)?;
            waiting += counts.waiting;
            failed += counts.failed;
        }
        Ok((waiting, failed))
    }

    pub(super) fn shown_policy(
        &self,
        row: &RemoteRow,
        capabilities: Option<&Capabilities>,
    ) -> Result<ShownPolicy> {
        let policy = self.device.policy(row.id)?;
        let is = |kind| policy.kind == kind;
        let has_tiers = capabilities.is_some_and(|capabilities| !capabilities.tiers.is_empty());
        let tier = self.originals_tier(row)?;
        Ok(ShownPolicy {
            kind: policy.kind.word(),
            only: policy.only.clone().filter(|_| is(PolicyKind::Selective)),
            older_days: is(PolicyKind::ArchiveOnly).then_some(policy.older_days),
            by: is(PolicyKind::ArchiveOnly).then(|| policy.age_by.word()),
            unmetered: is(PolicyKind::OnDemand).then_some(policy.when_unmetered),
            expose: policy.expose_most,
            tier: has_tiers.then(|| tier.word()),
            switches: self.device.switches(row.id)?.len() as u64,
        })
    }

    /// The tier that originals are written into where the place has tiers: what was set, or else cool, and cold for
    /// what is only archived there.
    pub(super) fn originals_tier(&self, row: &RemoteRow) -> Result<Tier> {
        let set = self.device.remote_setting(row.id, TIER)?;
        let usual = match self.device.policy(row.id)?.kind {
            PolicyKind::ArchiveOnly => Tier::Cold,
            _ => Tier::Cool,
        };
        Ok(set.and_then(|word| Tier::from_word(&word)).unwrap_or(usual))
    }

    /// Puts the contents that a query's `sync:`, `places:` and `proven:` mean in their place: the catalogue does not know
    /// them.
    pub(crate) fn with_standings(&self, mut query: Query) -> Result<Query> {
        for term in &mut query.terms {
            let contents = match &term.condition {
                Condition::Places(bound) => self.contents_in_places(*bound)?,
                Condition::Proven(bound) => self.contents_proven(*bound)?,
                Condition::Sync { remote: Some(name), state } => {
                    self.contents_at(&[self.remote_row(name)?], *state)?
                }
                Condition::Sync { remote: None, state } => {
                    let rows = self.device.remotes()?;
                    if rows.is_empty() {
                        // Everything is local only, so whoever asks for that gets what the other terms say.
                        term.negated ^= *state == SyncWord::LocalOnly;
                        HashSet::new()
                    } else {
                        self.contents_at(&rows, *state)?
                    }
                }
                _ => continue,
            };
            term.condition = Condition::Contents(Arc::new(contents));
        }
        Ok(query)
    }

    /// The contents that stand so to these remotes together.
    fn contents_at(&self, rows: &[RemoteRow], state: SyncWord) -> Result<HashSet<ContentHash>> {
        let mut states: HashMap<ContentHash, Vec<SyncState>> = HashMap::new();
        for row in rows {
            for state in SyncState::ALL {
                for content in self.device.contents_in(row.id, &[state])? {
                    states.entry(content).or_default().push(state);
                }
            }
            let judge = Judge::of(self, row.clone())?;
            for added in self.unasked(row)? {
                let content = added.original.content;
                states.entry(content).or_default().push(judge.unasked(self, &content)?);
            }
        }
        let stands_so =
            |(_, states): &(ContentHash, Vec<SyncState>)| together(states.iter().copied()) == state.word();
        Ok(states.into_iter().filter(stands_so).map(|(content, _)| content).collect())
    }
}
