//! Filling one place from another, through this device and past its disk: sealed bytes as they are.
//!
//! Invariants: every part and pack is opened before it is handed on, so damage does not spread; what was handed on is
//! recorded part by part, so a run that is cut goes on with the next part. Memory: the parts under way, three at most,
//! and one opened. History goes first, by the same code as every sync. What the policy of the second place keeps away from
//! it, and what waits for consent there, is not handed on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use safelight_catalog::{Exposure, HowKnown, Renditions, Replica, SyncState, Wanted};
use safelight_crypto::{ContentHash, Keyring, LibraryId};
use safelight_model::{Original, PackKind, Packed, PartRef};
use safelight_store::{Area, Generation, ObjectPath, PathPart, Sealed, SealedRemote, StoreError, Tier};

use crate::collect::{Arrival, arrive, generations, refuse_name, tell};
use crate::daily::{DailyStanding, capped, did_not_go, is_full, may_go};
use crate::error::{Result, SyncError};
use crate::forget::holds_forgotten;
use crate::here::{Here, RemotePlace};
use crate::history::{HistoryReport, publish_more};
use crate::keys::{SMALL_BYTES, check_small, send_keys};
use crate::originals::{MOST_PART_BYTES, is_here, opens_as_part, path_of_part, queue_new};
use crate::packs::{PACK_BYTES, learn_packs, path_of_pack, prove_pack, readable, settle_entries, tier_of};
use crate::place::{before_the_first_put, place_id};
use crate::policy::{Goes, Planned, apply_policy, most, rests_whole, wanted};
use crate::problem::{Problem, Transfer};

/// Objects under way at once: what they hold is what memory is used for.
const CONCURRENCY: usize = 3;
/// Assets that are read together.
const ASSETS_AT_ONCE: usize = 128;

/// Rows of originals that are read together.
const ROWS_AT_ONCE: usize = 512;

/// What goes to a place that is filled, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplicateOptions {
    /// The tier that originals are written into; a place without it uses its own.
    pub originals_tier: Option<Tier>,
    /// Whether the link costs nothing, as far as is known.
    pub is_unmetered: bool,
    /// Whether a person consented to whatever is newly exposed.
    pub consent: bool,
}

/// What filling a place came to.
#[derive(Debug, Default)]
pub struct ReplicateReport {
    /// Objects that were handed on, and their bytes.
    pub copied_objects: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Objects that were there already.
    pub present_objects: u64,
    /// Objects that the first place does not hold either, or not whole.
    pub missing_objects: u64,
    /// Objects that rest archived in the first place: they can be copied once they are thawed.
    pub archived_objects: u64,
    /// Objects that the policy or a switch keeps away from the second place; packs of which only a part may go there too.
    pub kept_objects: u64,
    /// What waits for a person's consent, because so much came to be exposed at once.
    pub held: Option<Exposure>,
    /// How the second place stands to its daily cap, where that held something back.
    pub capped: Option<DailyStanding>,
    /// What is wrong with single objects.
    pub problems: Vec<Problem>,
}

/// What an object must prove to be before it is handed on.
enum What {
    Part { original: Arc<Original>, number: u32, part: PartRef },
    Pack(Packed),
}

impl What {
    fn sealed_bytes(&self) -> u64 {
        match self {
            Self::Part { part, .. } => part.sealed_bytes,
            Self::Pack(pack) => pack.sealed_bytes,
        }
    }
}

/// One object on its way.
struct Job {
    what: What,
    class: u8,
    from: Vec<ObjectPath>,
    to: Vec<ObjectPath>,
    tier: Option<Tier>,
}

enum Done {
    /// It rests under this name now.
    Placed {
        path: ObjectPath,
        from: ObjectPath,
        bytes: u64,
        how: HowKnown,
        /// Names in the second place under which something bad lies.
        bad: Vec<(ObjectPath, String)>,
    },
    /// Whatever lies under its names in the second place is damaged; the next run tries others.
    Nowhere { from: ObjectPath, bad: Vec<(ObjectPath, String)> },
    /// The first place does not have it whole; what is wrong there.
    Missing(Vec<(ObjectPath, String)>),
    /// The first place cannot give it before it is thawed.
    Archived,
}

/// Fills `to` with what history knows, `from` holds and the policy of `to` asks for: parts of originals and packs. What
/// only this device holds is a matter of its next sync.
///
/// # Errors
/// [`SyncError::CopiedPlace`] if both are one place; as [`crate::sync`] for either; [`SyncError::Stopped`].
pub async fn replicate(
    here: &mut Here<'_>,
    from: &RemotePlace,
    to: &RemotePlace,
    options: &ReplicateOptions,
) -> Result<ReplicateReport> {
    let mut report = ReplicateReport::default();
    let (mut there, mut history) = (HistoryReport::default(), HistoryReport::default());
    arrive(here, from, &mut there).await?;
    if here.device.remote_heads(to.id)?.is_empty() {
        before_the_first_put(here, to).await?;
        send_keys(here, to, &mut report.problems).await?;
    }
    let arrival = arrive(here, to, &mut history).await?;
    send_keys(here, to, &mut report.problems).await?;
    copy_keys(here, from, to, &mut report).await?;
    for at in [from, to] {
        place_id(here, at, &mut report.problems).await?;
    }
    if arrival == Arrival::StaysAway {
        return Err(SyncError::Away { place: to.store.label().to_owned() });
    }
    queue_new(here, to)?;
    // Whether a pack may go is told by what is in it.
    learn_packs(here, from, |_| true, |_| false, &mut report.problems).await?;
    let (allowed, held) = Allowed::by_policy(here, to, options)?;
    report.held = held;
    let (tier, secrets) = (options.originals_tier, Arc::new(here.keys.keyring().clone()));
    let mut run = Run { from, to, tier, allowed, open: HashMap::new(), secrets };
    run.packs(here, &mut report).await?;
    run.originals(here, &mut report).await?;
    if tell(here, to, &mut report.problems).await? || here.catalog.open_ops()?.ops > 0 {
        publish_more(here, to, &mut history).await?;
    }
    report.capped = capped(here, to)?;
    report.problems.extend(there.problems);
    report.problems.extend(history.problems);
    Ok(report)
}

/// Hands on the keys files of the other devices: they too could begin anew from the second place.
async fn copy_keys(
    here: &mut Here<'_>,
    from: &RemotePlace,
    to: &RemotePlace,
    report: &mut ReplicateReport,
) -> Result<()> {
    let roster = here.roster()?;
    let mut after = None;
    loop {
        let page = from.store.list(Area::Keys, after.as_ref()).await?;
        for info in page.objects {
            here.stop.check()?;
            let Ok(path) = ObjectPath::parse(info.key.as_str()) else { continue };
            if here.device.replica(to.id, path.as_str())?.is_some() {
                continue;
            }
            let bytes = match from.store.get(&path, SMALL_BYTES).await {
                Ok(bytes) => bytes,
                Err(
                    StoreError::NotFound { .. } | StoreError::TooLarge { .. } | StoreError::Damaged { .. },
                ) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            // What no statement vouches for may be another library's.
            if check_small(here, roster.as_ref(), &path, &bytes).is_err() {
                continue;
            }
            let length = bytes.len() as u64;
            let Ok(sealed) = Sealed::from_bytes(bytes) else { continue };
            match to.store.put(&path, &sealed, None).await {
                Ok(_) => report.copied_bytes += length,
                Err(StoreError::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// What may go to the second place.
struct Allowed {
    goes: Goes,
    wanted: Wanted,
    /// What is wanted and waits for consent.
    held: HashSet<ContentHash>,
}

impl Allowed {
    /// What the policy asks for. As in a sync, more that is newly exposed than may go without consent is held, all of it; here
    /// that also means what this device does not hold, because it would send that too.
    fn by_policy(
        here: &mut Here<'_>,
        to: &RemotePlace,
        options: &ReplicateOptions,
    ) -> Result<(Self, Option<Exposure>)> {
        let now = here.now_millis();
        let (is_unmetered, consent) = (options.is_unmetered, options.consent);
        let Planned { policy, goes, held, .. } =
            apply_policy(here.catalog, here.device, to.id, is_unmetered, consent, now)?;
        let wanted = wanted(here.catalog, here.device, to.id, &policy, is_unmetered, now)?;
        let mut allowed = Self { goes, wanted, held: HashSet::new() };
        allowed.held.extend(here.device.contents_in(to.id, &[SyncState::Held])?);
        let Some(most) = most(&policy).filter(|_| !consent) else { return Ok((allowed, held)) };
        let (contents, absent) = allowed.newly_exposed(here, to)?;
        let before = held.unwrap_or_default();
        let all = Exposure {
            originals: before.originals + absent.originals,
            bytes: before.bytes + absent.bytes,
            is_held: true,
        };
        if all.originals <= most {
            return Ok((allowed, held));
        }
        allowed.held.extend(contents);
        Ok((allowed, Some(all)))
    }

    /// What is wanted there, was not sent by anybody, and is not here.
    fn newly_exposed(&self, here: &Here<'_>, to: &RemotePlace) -> Result<(HashSet<ContentHash>, Exposure)> {
        let (mut contents, mut exposed) = (HashSet::new(), Exposure::default());
        let mut after = None;
        loop {
            let rows = here.device.originals_in(to.id, SyncState::Elsewhere, after, ROWS_AT_ONCE)?;
            let Some(last) = rows.last() else { return Ok((contents, exposed)) };
            after = Some((last.position, last.content));
            for row in rows.iter().filter(|row| self.wanted.wants(&row.content)) {
                let rests = match here.catalog.original_of(&row.content)? {
                    Some(original) => rests_whole(here.device, to.id, &row.content, &original.parts)?,
                    None => false,
                };
                if !rests && contents.insert(row.content) {
                    exposed.originals += 1;
                    exposed.bytes += row.size_bytes;
                }
            }
        }
    }

    fn original(&self, content: &ContentHash) -> bool {
        self.wanted.wants(content) && !self.held.contains(content)
    }

    /// Whether every entry of a pack may go; of what is in an unknown one nobody can tell.
    fn pack(&self, here: &Here<'_>, kind: PackKind, logical: &str) -> Result<bool> {
        let which = self.goes.of(kind);
        if which == Renditions::All {
            return Ok(true);
        }
        let entries = here.device.entries_of_remote_pack(logical)?;
        Ok(!entries.is_empty()
            && entries.iter().all(|entry| match which {
                Renditions::All => true,
                Renditions::NotSwitchedOff => !self.wanted.off.contains(&entry.content),
                Renditions::OfWanted => self.original(&entry.content),
            }))
    }
}

struct Run<'a> {
    from: &'a RemotePlace,
    to: &'a RemotePlace,
    tier: Option<Tier>,
    allowed: Allowed,
    /// Parts of each original that are still to be placed.
    open: HashMap<ContentHash, usize>,
    secrets: Arc<Keyring>,
}

impl Run<'_> {
    async fn packs(&mut self, here: &mut Here<'_>, report: &mut ReplicateReport) -> Result<()> {
        let mut jobs = Vec::new();
        for pack in here.catalog.remote_packs(None)? {
            let Some((tier, area)) = tier_of(pack.tier) else { continue };
            let first = path_of_pack(area, &pack, 0)?;
            if here.device.replica_in_any_generation(self.to.id, first.as_str())?.is_some() {
                settle_entries(here, self.to.id, &tier.logical(&pack.name))?;
                report.present_objects += 1;
                continue;
            }
            if holds_forgotten(here, &tier.logical(&pack.name))? {
                continue;
            }
            if !self.allowed.pack(here, pack.tier, &tier.logical(&pack.name))? {
                report.kept_objects += 1;
                continue;
            }
            let class = first.as_str().as_bytes().first().copied().unwrap_or_default();
            let (from, to) = self.names(here, area, class, &pack.name)?;
            let tier = self.tier.filter(|_| area == Area::Small).map(readable);
            jobs.push(Job { what: What::Pack(pack), class, from, to, tier });
        }
        self.hand_on(here, jobs, report).await
    }

    async fn originals(&mut self, here: &mut Here<'_>, report: &mut ReplicateReport) -> Result<()> {
        let mut after = None;
        loop {
            let assets = here.catalog.assets_after(after, ASSETS_AT_ONCE)?;
            let Some((last, _)) = assets.last() else { return Ok(()) };
            after = Some(*last);
            let (mut jobs, mut names) = (Vec::new(), HashSet::new());
            for (_, state) in &assets {
                let lives = state.lives().filter(|(_, life)| !life.is_purged());
                for write in lives.flat_map(|(_, life)| life.contents().additions()) {
                    // A photo that was imported again was added several times, with the same parts.
                    let original = &write.value.original;
                    if original.parts.first().is_some_and(|part| !names.insert(part.name)) {
                        continue;
                    }
                    self.jobs_of(here, &write.value.original, &mut jobs, report)?;
                }
            }
            self.hand_on(here, jobs, report).await?;
        }
    }

    fn jobs_of(
        &mut self,
        here: &mut Here<'_>,
        original: &Original,
        jobs: &mut Vec<Job>,
        report: &mut ReplicateReport,
    ) -> Result<()> {
        let shared = Arc::new(original.clone());
        let (before, mut is_kept) = (jobs.len(), false);
        for (number, part) in (0..).zip(&original.parts) {
            let first = path_of_part(part, 0)?;
            if here.device.replica_in_any_generation(self.to.id, first.as_str())?.is_some() {
                report.present_objects += 1;
                continue;
            }
            if !self.allowed.original(&original.content) {
                report.kept_objects += 1;
                is_kept = true;
                continue;
            }
            let (from, to) = self.names(here, Area::Original, b'o', &part.name)?;
            let what = What::Part { original: Arc::clone(&shared), number, part: *part };
            jobs.push(Job { what, class: b'o', from, to, tier: self.tier });
            *self.open.entry(original.content).or_insert(0) += 1;
        }
        if jobs.len() == before && !is_kept && !original.parts.is_empty() {
            // All of it was placed by a run that was cut before it could say so.
            let rows = here.device.original_at_remotes(&original.content)?;
            let is_late = |state| matches!(state, SyncState::Elsewhere | SyncState::Lost);
            if rows.iter().any(|(remote, row)| *remote == self.to.id && is_late(row.state)) {
                let whole = [(&original.content, SyncState::CloudOnly, None)];
                here.device.set_original_states(self.to.id, whole)?;
            }
        }
        Ok(())
    }

    /// The names under which an object may lie in the first place, and be put into the second.
    fn names(
        &self,
        here: &Here<'_>,
        area: Area,
        class: u8,
        name: &safelight_model::ObjectName,
    ) -> Result<(Vec<ObjectPath>, Vec<ObjectPath>)> {
        let part = PathPart::from(*name);
        let path =
            |generation| ObjectPath::sharded(area, &part, Generation(generation)).map_err(StoreError::from);
        let known = here.device.place_id(self.from.id)?;
        let mut from = Vec::new();
        // What is known to lie there comes first.
        let first = path(0)?;
        if let Some(replica) = here.device.replica_in_any_generation(self.from.id, first.as_str())? {
            from.extend(ObjectPath::parse(&replica.object));
        }
        for generation in generations(here.catalog, known, class, name)?.1.into_iter().take(4) {
            from.push(path(generation)?);
        }
        let known = here.device.place_id(self.to.id)?;
        let (next, all) = generations(here.catalog, known, class, name)?;
        let mut to = Vec::new();
        for generation in all.into_iter().filter(|generation| *generation >= next) {
            let path = path(generation)?;
            if !here.device.is_bad(self.to.id, path.as_str())? {
                to.push(path);
            }
        }
        Ok((from, to))
    }

    async fn hand_on(
        &mut self,
        here: &mut Here<'_>,
        jobs: Vec<Job>,
        report: &mut ReplicateReport,
    ) -> Result<()> {
        let library = here.library();
        let mut waiting = jobs.into_iter();
        let mut transfers = FuturesUnordered::new();
        loop {
            while transfers.len() < CONCURRENCY
                && !here.stop.is_asked()
                && !is_full(here, self.to)?
                && let Some(job) = waiting.next()
            {
                if !may_go(here, self.to, job.what.sealed_bytes())? {
                    break;
                }
                let (from, to) = (self.from.store.clone(), self.to.store.clone());
                let secrets = Arc::clone(&self.secrets);
                transfers.push(async move {
                    let done = hand_on(&from, &to, library, &secrets, &job).await;
                    (job, done)
                });
            }
            let Some((job, done)) = transfers.next().await else { return here.stop.check() };
            self.accept(here, &job, done?, report)?;
        }
    }

    fn accept(
        &mut self,
        here: &mut Here<'_>,
        job: &Job,
        done: Done,
        report: &mut ReplicateReport,
    ) -> Result<()> {
        let (path, from, bytes, how) = match done {
            Done::Placed { path, from, bytes, how, bad } => {
                for (path, reason) in bad {
                    refuse_name(here, self.to, &path, reason, &mut report.problems)?;
                }
                (path, from, bytes, how)
            }
            Done::Nowhere { from, bad } => {
                did_not_go(here, self.to, job.what.sealed_bytes())?;
                report.missing_objects += 1;
                for (path, reason) in bad {
                    refuse_name(here, self.to, &path, reason, &mut report.problems)?;
                }
                let reason = format!("whatever lies under its names in {} is damaged", self.to.store.label());
                here.note(&mut report.problems, Problem::NotSent { object: from.to_string(), reason });
                return Ok(());
            }
            Done::Archived => {
                did_not_go(here, self.to, job.what.sealed_bytes())?;
                report.archived_objects += 1;
                return Ok(());
            }
            Done::Missing(bad) => {
                did_not_go(here, self.to, job.what.sealed_bytes())?;
                report.missing_objects += 1;
                for (path, reason) in bad {
                    here.note(&mut report.problems, Problem::Damaged { object: path.to_string(), reason });
                }
                return Ok(());
            }
        };
        let now = here.now_millis();
        let replica = |path: &ObjectPath, how, proven_millis| Replica {
            object: path.to_string(),
            sealed_bytes: bytes,
            placed_millis: now,
            proven_millis,
            how,
        };
        here.device
            .record_replicas(self.to.id, [&replica(&path, how, (how == HowKnown::Opened).then_some(now))])?;
        here.device.record_replicas(self.from.id, [&replica(&from, HowKnown::Opened, Some(now))])?;
        if how == HowKnown::Acknowledged {
            report.copied_objects += 1;
            report.copied_bytes += bytes;
        } else {
            report.present_objects += 1;
            did_not_go(here, self.to, bytes)?;
        }
        let transfer = if job.class == b'o' { Transfer::PartSent } else { Transfer::PackSent };
        here.monitor.advance(transfer, bytes);
        if let What::Pack(pack) = &job.what
            && let Some((tier, _)) = tier_of(pack.tier)
        {
            settle_entries(here, self.to.id, &tier.logical(&pack.name))?;
        }
        if let What::Part { original, .. } = &job.what
            && let Some(left) = self.open.get_mut(&original.content)
        {
            *left -= 1;
            if *left == 0 {
                self.open.remove(&original.content);
                let state = if is_here(here, original)? { SyncState::Synced } else { SyncState::CloudOnly };
                here.device.set_original_states(self.to.id, [(&original.content, state, None)])?;
            }
        }
        Ok(())
    }
}

/// Gets an object whole from one place and puts it into the other.
async fn hand_on(
    from: &SealedRemote,
    to: &SealedRemote,
    library: LibraryId,
    secrets: &Keyring,
    job: &Job,
) -> Result<Done, StoreError> {
    let mut bad = Vec::new();
    let (mut found, mut is_archived) = (None, false);
    for path in &job.from {
        match get(from, path, library, secrets, &job.what).await? {
            Got::Whole(bytes) => {
                found = Some((path.clone(), bytes));
                break;
            }
            Got::Bad(reason) => bad.push((path.clone(), reason)),
            Got::Archived => is_archived = true,
            Got::Nothing => {}
        }
    }
    let Some((origin, bytes)) = found else {
        return Ok(if is_archived { Done::Archived } else { Done::Missing(bad) });
    };
    let length = bytes.len() as u64;
    let mut bad_there = Vec::new();
    let sealed = match Sealed::from_bytes(bytes) {
        Ok(sealed) => sealed,
        Err(error) => return Ok(Done::Missing(vec![(origin, error.to_string())])),
    };
    for path in &job.to {
        let how = match to.put(path, &sealed, job.tier).await {
            Ok(_) => HowKnown::Acknowledged,
            Err(StoreError::AlreadyExists { .. }) => {
                match get(to, path, library, secrets, &job.what).await? {
                    Got::Whole(_) => HowKnown::Opened,
                    // It cannot be opened before it is thawed: its name and size are what can be known of it.
                    Got::Archived if to.head(path).await?.length_bytes == length => HowKnown::Found,
                    Got::Bad(reason) => {
                        bad_there.push((path.clone(), reason));
                        continue;
                    }
                    Got::Archived | Got::Nothing => continue,
                }
            }
            Err(error) => return Err(error),
        };
        return Ok(Done::Placed { path: path.clone(), from: origin, bytes: length, how, bad: bad_there });
    }
    Ok(Done::Nowhere { from: origin, bad: bad_there })
}

enum Got {
    Whole(Bytes),
    Bad(String),
    Archived,
    Nothing,
}

/// Gets an object and opens it.
async fn get(
    store: &SealedRemote,
    path: &ObjectPath,
    library: LibraryId,
    secrets: &Keyring,
    what: &What,
) -> Result<Got, StoreError> {
    let most = match what {
        What::Part { .. } => MOST_PART_BYTES,
        What::Pack(_) => PACK_BYTES,
    };
    let bytes = match store.get(path, most).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => return Ok(Got::Nothing),
        Err(StoreError::Archived { .. }) => return Ok(Got::Archived),
        Err(error @ (StoreError::TooLarge { .. } | StoreError::Damaged { .. })) => {
            return Ok(Got::Bad(error.to_string()));
        }
        Err(error) => return Err(error),
    };
    let opened = match what {
        What::Part { original, number, part } => {
            opens_as_part(library, secrets, original, *number, part, &bytes)
        }
        What::Pack(pack) => prove_pack(&bytes, pack, library, secrets).map(drop),
    };
    Ok(opened.map_or_else(Got::Bad, |()| Got::Whole(bytes)))
}
