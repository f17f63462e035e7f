//! Taking in what a place has: one request for each device when there is nothing new.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join;
use futures_util::stream::iter;
use safelight_crypto::{DeviceId, Standing as Membership};
use safelight_model::SegmentSeq;
use safelight_model::history::{HeadHint, Tip};
use safelight_store::{Area, ObjectPath, SealedRemote, StoreError};

use super::inbox::{Inbox, Looked};
use super::leftover::Leftovers;
use super::outbox::{SEGMENT_BYTES, place_waiting};
use super::{HistoryReport, segment_path};
use crate::epochs::learn_given;
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::place::refuse_another_library;
use crate::problem::Problem;

/// Requests under way at once.
const CONCURRENCY: usize = 8;
/// Segments of one device that are asked for at once, as soon as it is known that there are new ones.
const LOOK_AHEAD: u32 = 4;
/// Segments that are held in memory between two rounds; a place may send what is not history at all.
const MOST_AT_ONCE: usize = 16;
/// A segment of more bytes is asked for alone, so that a few large ones do not fill the memory.
const BESIDE_BYTES: u64 = 4 << 20;
/// No more is asked for once so many bytes have come.
const AT_ONCE_BYTES: usize = 64 << 20;
/// Segments of one device that wait for others before no more are asked for.
const MOST_WAITING: usize = 8;
/// Bytes of members' segments that wait: the word that a forked chain is carried may come late in a chain.
const MOST_WAITING_BYTES: usize = 64 << 20;
/// Bytes that wait of devices that nobody has admitted: whoever may write to a place can make up any number of them.
const MOST_STRANGER_BYTES: usize = 64 << 20;
/// More devices than any library has; a listing may be made up.
const MOST_DEVICES: usize = 4096;
/// More than any head hint has.
pub(crate) const HEAD_BYTES: u64 = 64 << 10;

/// How far one chain is being read.
#[derive(Clone, Copy, Debug)]
struct Frontier {
    next: u32,
    window: u32,
    is_done: bool,
    has_news: bool,
    /// The next segment in which statements are to be looked for; never before `next`.
    told: u32,
    /// Whether statements were looked for up to its end.
    is_told: bool,
}

impl Frontier {
    /// A chain of which everything before a segment is here.
    fn at(next: u32, window: u32, has_news: bool) -> Self {
        Self { next, window, is_done: false, has_news, told: next, is_told: false }
    }
}

/// How far this device knows what was published in its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnChain {
    /// All of it.
    Read,
    /// A copy of this device published what is not whole, or builds on something that is not here yet: until it
    /// is, nothing may be closed or published under the numbers behind it.
    Waits,
    /// A copy of this device published, from this number on, others than this one did.
    Forked(SegmentSeq),
}

/// What is known after a place was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulled {
    pub(super) own: OwnChain,
    /// The place lists heads of others and none of this device.
    pub(super) lacks_own_head: bool,
}

/// Refuses a place that offers less than it did, as a sync does before it changes anything. Nothing is written. A segment
/// that is missing while the head of its device still names it was lost alone, which is for a verification to mend.
///
/// # Errors
/// [`SyncError::Emptied`], [`SyncError::RolledBack`], [`SyncError::AnotherLibrary`], and what the place answers.
pub(crate) async fn refuse_what_went_back(here: &Here<'_>, at: &RemotePlace) -> Result<()> {
    let heads = here.device.remote_heads(at.id)?;
    if heads.is_empty() {
        return refuse_another_library(here.library(), here.place, &at.store).await;
    }
    let listed = listed_devices(&at.store).await?;
    let looked = match witness(here, &at.store, heads.first()).await {
        Ok(()) => look_closer(here, &at.store, &heads, listed.as_ref()).await,
        error => error,
    };
    match looked {
        Err(SyncError::RolledBack { device, seq, .. }) if is_named(here, at, device, seq).await? => Ok(()),
        looked => looked,
    }
}

/// Whether the head of a device in a place names a segment, or a later one. Where it has no head there, the segment before
/// speaks for it.
async fn is_named(here: &Here<'_>, at: &RemotePlace, device: DeviceId, seq: u32) -> Result<bool> {
    let Some(roster) = here.roster()? else { return Ok(false) };
    let Some(member) = roster.member(&device) else { return Ok(false) };
    let bytes = match at.store.get(&head_path(device)?, HEAD_BYTES).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) if seq > 1 => {
            return Ok(at.store.head(&segment_path(device, seq - 1)).await.is_ok());
        }
        Err(StoreError::NotFound { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let hint = HeadHint::open(&bytes, here.library(), device, here.keys.keyring());
    let tip = hint.and_then(|hint| hint.verify(member.card.verifying_key()));
    Ok(tip.is_ok_and(|tip| tip.seq.0 >= seq))
}

/// Takes in what is new.
pub(super) async fn pull(
    here: &mut Here<'_>,
    at: &RemotePlace,
    report: &mut HistoryReport,
) -> Result<Pulled> {
    let heads = here.device.remote_heads(at.id)?;
    let witnessed = witness(here, &at.store, heads.first());
    let (witnessed, listed) = join(witnessed, listed_devices(&at.store)).await;
    witnessed?;
    let listed = listed?;
    look_closer(here, &at.store, &heads, listed.as_ref()).await?;

    let is_first = heads.iter().all(|(device, _)| *device != here.catalog.device());
    let mut inbox = Inbox::new(here, heads.into_iter().collect())?;
    inbox.leftovers = Some(Leftovers::of(here, at)?);
    let mut frontiers = BTreeMap::new();
    let mut devices: BTreeSet<DeviceId> = listed.unwrap_or_default();
    let lacks_own_head = !devices.is_empty() && !devices.contains(&here.catalog.device());
    let (mut are_chains_listed, mut asked_again) = (devices.is_empty(), BTreeSet::new());
    if are_chains_listed {
        // No heads are published here: segments tell who there is.
        devices.extend(listed_chains(&at.store).await?.into_keys());
    }
    devices.extend(here.catalog.tips()?.into_iter().map(|(device, _)| device));
    devices.insert(here.catalog.device());
    loop {
        inbox.harvest_waiting(here, here.keys.keyring());
        let members = inbox.roster().map(|roster| roster.members().keys().copied().collect::<Vec<_>>());
        devices.extend(members.unwrap_or_default());
        let mut begun = Vec::new();
        for device in &devices {
            if !frontiers.contains_key(device) {
                let frontier = frontier(here, &inbox, device)?;
                begun.push((*device, frontier.next));
                frontiers.insert(*device, frontier);
            }
        }
        inbox.pass_leftovers(here, &at.store, &begun).await?;
        if look_ahead(here, at, &mut inbox, &mut frontiers, report).await?
            || settle(here, at, &mut inbox, &mut frontiers, report).await?
        {
            continue;
        }
        let wanted: Vec<(DeviceId, u32)> = frontiers
            .iter()
            .filter(|(device, frontier)| !frontier.is_done && !inbox.stopped.contains_key(device))
            // What waits for others is held in memory: more of it is asked for once it is taken in.
            .filter(|(device, _)| has_room(&inbox, device))
            .flat_map(|(device, frontier)| {
                (frontier.next..frontier.next.saturating_add(frontier.window)).map(|seq| (*device, seq))
            })
            .take(MOST_AT_ONCE)
            .collect();
        if wanted.is_empty() {
            // Whoever was killed before its head was written may have admitted others, or been read by them.
            if !are_chains_listed && inbox.waits_for_others_than(here, &devices) {
                are_chains_listed = true;
                devices.extend(listed_chains(&at.store).await?.into_keys());
                continue;
            }
            // What a device published since its chain was read to the end another may have seen already.
            let mut is_more = false;
            for device in inbox.awaited(here)? {
                let Some(known) = frontiers.get(&device).filter(|_| asked_again.insert(device)).copied()
                else {
                    continue;
                };
                let again = match inbox.read_on(&device) {
                    // What had come of it was given up.
                    true => Frontier { has_news: known.has_news, ..frontier(here, &inbox, &device)? },
                    false => Frontier { is_done: false, is_told: false, ..known },
                };
                frontiers.insert(device, again);
                is_more = true;
            }
            if is_more {
                continue;
            }
            break;
        }
        here.stop.check()?;
        let fetched = fetch(&at.store, &wanted).await;
        for ((device, seq), result) in fetched {
            let Some(frontier) = frontiers.get_mut(&device) else { continue };
            // What lies behind a gap is asked for again once the gap is filled.
            if frontier.is_done || frontier.next != seq {
                continue;
            }
            receive(here, &mut inbox, report, (device, seq), result, frontier)?;
        }
    }
    inbox.name_waiting(here, report)?;
    inbox.keep_statements(here)?;
    let own = here.catalog.device();
    // Who has just joined read the chains before, and compared none of them with its head.
    let news = frontiers
        .iter()
        .filter(|(device, frontier)| frontier.has_news || is_first && **device != own)
        .map(|(device, _)| *device);
    name_withheld(here, at, &inbox, news.collect(), report).await?;
    // A copy that went on as another carries segments that this one holds too, if it could not read what is behind them.
    let carried_from = here.catalog.forked_from(own)?;
    if let Some(from) = carried_from.into_iter().chain(inbox.own_fork()).min() {
        report.own_history_waits = true;
        // What was given to this device opens for it under its name alone, which it is about to leave.
        if let Some(roster) = inbox.roster() {
            learn_given(here, at, roster).await?;
        }
        return Ok(Pulled { own: OwnChain::Forked(from), lacks_own_head });
    }
    let waits = inbox.is_waiting(&own) || inbox.is_signed_and_stopped(&own);
    report.own_history_waits = waits;
    Ok(Pulled { own: if waits { OwnChain::Waits } else { OwnChain::Read }, lacks_own_head })
}

/// Looks for statements in what members have published, up to the ends of their chains, before any of it is taken in: a device
/// that left is known as one then, however long the chain is in which that is said. What there is room for stays in the
/// inbox; the rest is asked for again. Answers whether anything was looked at.
async fn look_ahead(
    here: &mut Here<'_>,
    at: &RemotePlace,
    inbox: &mut Inbox,
    frontiers: &mut BTreeMap<DeviceId, Frontier>,
    report: &mut HistoryReport,
) -> Result<bool> {
    let wanted: Vec<(DeviceId, u32)> = frontiers
        .iter()
        .filter(|(device, frontier)| {
            let is_over = frontier.is_done || frontier.is_told || inbox.stopped.contains_key(device);
            !is_over && inbox.is_member(device)
        })
        .flat_map(|(device, frontier)| {
            (frontier.told..frontier.told.saturating_add(frontier.window)).map(|seq| (*device, seq))
        })
        .take(MOST_AT_ONCE)
        .collect();
    if wanted.is_empty() {
        return Ok(false);
    }
    here.stop.check()?;
    let mut is_further = false;
    for ((device, seq), result) in fetch(&at.store, &wanted).await {
        let Some(frontier) = frontiers.get_mut(&device) else { continue };
        if frontier.is_told || frontier.told != seq {
            continue;
        }
        let is_next = frontier.next == seq && has_room(inbox, &device);
        let looked = match &result {
            Ok(bytes) => inbox.look_at(here, &at.store, device, bytes).await?,
            Err(StoreError::NotFound { .. }) => Looked::NoFurther,
            // What is behind it is looked at all the same.
            Err(StoreError::Damaged { .. } | StoreError::TooLarge { .. }) => Looked::Told,
            // Nothing is taken in as long as that chain cannot be looked at.
            Err(_) => return result.map(|_| false).map_err(SyncError::from),
        };
        if looked == Looked::NoFurther {
            frontier.is_told = true;
        } else if looked == Looked::Told || is_next {
            // What waits in the inbox is looked at again.
            frontier.told = seq + 1;
        } else {
            continue;
        }
        is_further = true;
        frontier.window = LOOK_AHEAD;
        if is_next && matches!(result, Ok(_) | Err(StoreError::NotFound { .. })) {
            receive(here, inbox, report, (device, seq), result, frontier)?;
            if looked == Looked::Told {
                inbox.know_newest_told(&device);
            }
        }
    }
    Ok(is_further)
}

/// Takes in what can be, and records how far each chain is known. Answers whether there may be more to take in.
async fn settle(
    here: &mut Here<'_>,
    at: &RemotePlace,
    inbox: &mut Inbox,
    frontiers: &mut BTreeMap<DeviceId, Frontier>,
    report: &mut HistoryReport,
) -> Result<bool> {
    let mut is_more = inbox.settle(here, &at.store, report).await?;
    for device in inbox.take_rewound() {
        frontiers.insert(device, Frontier::at(1, LOOK_AHEAD, true));
        is_more = true;
    }
    if inbox.roster().is_some() && inbox.stranger_bytes() >= MOST_STRANGER_BYTES {
        inbox.give_up_strangers(here, report);
    }
    if is_more {
        inbox.record_heads(here, at)?;
        place_waiting(here, &mut report.problems)?;
    }
    Ok(is_more)
}

/// Whether another segment of a device may wait.
fn has_room(inbox: &Inbox, device: &DeviceId) -> bool {
    inbox.count_waiting(device) < MOST_WAITING
        || inbox.is_member(device) && inbox.waiting_bytes() < MOST_WAITING_BYTES
}

/// Puts the next segment of a chain into the inbox; or it ends there.
fn receive(
    here: &Here<'_>,
    inbox: &mut Inbox,
    report: &mut HistoryReport,
    (device, seq): (DeviceId, u32),
    result: Result<Bytes, StoreError>,
    frontier: &mut Frontier,
) -> Result<()> {
    match result {
        Ok(bytes) => {
            inbox.push(device, SegmentSeq(seq), bytes);
            frontier.next = seq + 1;
            frontier.told = frontier.told.max(frontier.next);
            (frontier.window, frontier.has_news) = (LOOK_AHEAD, true);
        }
        Err(StoreError::NotFound { .. }) => frontier.is_done = true,
        Err(StoreError::Damaged { object, reason, .. }) => {
            stop(here, inbox, report, device, Problem::Damaged { object, reason });
        }
        Err(error @ StoreError::TooLarge { .. }) => {
            let (object, reason) = (segment_path(device, seq).to_string(), error.to_string());
            stop(here, inbox, report, device, Problem::Damaged { object, reason });
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn stop(here: &Here<'_>, inbox: &mut Inbox, report: &mut HistoryReport, device: DeviceId, problem: Problem) {
    here.note(&mut report.problems, problem.clone());
    inbox.stop(device, problem);
}

/// The newest knowledge of a place is what it would lose first if it went back: that must be there.
async fn witness(here: &Here<'_>, store: &SealedRemote, newest: Option<&(DeviceId, Tip)>) -> Result<()> {
    match newest {
        Some((device, tip)) => must_be_there(here, store, *device, *tip).await,
        None => Ok(()),
    }
}

async fn must_be_there(here: &Here<'_>, store: &SealedRemote, device: DeviceId, tip: Tip) -> Result<()> {
    match store.head(&segment_path(device, tip.seq.0)).await {
        Ok(_) => Ok(()),
        Err(StoreError::NotFound { .. }) if is_empty(store).await => {
            Err(SyncError::Emptied { place: store.label().to_owned() })
        }
        Err(StoreError::NotFound { .. }) => {
            // Exchanged for another library's, it did not merely go back.
            refuse_another_library(here.library(), here.place, store).await?;
            Err(SyncError::RolledBack { place: store.label().to_owned(), device, seq: tip.seq.0 })
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a place that has lost a segment has no history and no root card at all. Where the credential may not list
/// that cannot be told. For the message only: either stops the sync.
async fn is_empty(store: &SealedRemote) -> bool {
    for area in [Area::Root, Area::Log] {
        let listed = store.list(area, None).await;
        if !listed.is_ok_and(|page| page.objects.is_empty() && page.strangers.is_empty()) {
            return false;
        }
    }
    true
}

/// A device that was seen to publish and whose head is not listed any more: its newest segment must be there.
/// That costs nothing while nothing is wrong.
async fn look_closer(
    here: &Here<'_>,
    store: &SealedRemote,
    heads: &[(DeviceId, Tip)],
    listed: Option<&BTreeSet<DeviceId>>,
) -> Result<()> {
    let Some(listed) = listed else { return Ok(()) };
    // Without any head, heads cannot be published here at all.
    if listed.is_empty() {
        return Ok(());
    }
    for (device, tip) in heads.iter().skip(1) {
        if *device != here.catalog.device() && !listed.contains(device) {
            must_be_there(here, store, *device, *tip).await?;
        }
    }
    Ok(())
}

/// The devices whose heads are listed; nothing where the credential may not list.
pub(crate) async fn listed_devices(store: &SealedRemote) -> Result<Option<BTreeSet<DeviceId>>> {
    let mut devices = BTreeSet::new();
    let mut after = None;
    loop {
        let page = match store.list(Area::Head, after.as_ref()).await {
            Ok(page) => page,
            Err(StoreError::Denied { .. } | StoreError::Unsupported { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let names = page.objects.iter().filter_map(|object| object.key.as_str().strip_prefix("head/"));
        devices.extend(names.filter_map(|name| name.parse::<DeviceId>().ok()));
        match page.next {
            Some(next) if devices.len() < MOST_DEVICES => after = Some(next),
            _ => return Ok(Some(devices)),
        }
    }
}

/// The devices whose segments are listed, and the highest number of each; nothing where nothing may be listed.
pub(crate) async fn listed_chains(store: &SealedRemote) -> Result<BTreeMap<DeviceId, u32>> {
    let mut chains = BTreeMap::new();
    let mut after = None;
    loop {
        let page = match store.list(Area::Log, after.as_ref()).await {
            Ok(page) => page,
            Err(StoreError::Denied { .. } | StoreError::Unsupported { .. }) => return Ok(chains),
            Err(error) => return Err(error.into()),
        };
        for object in &page.objects {
            let mut parts = object.key.as_str().split('/').skip(1);
            let device = parts.next().and_then(|device| device.parse::<DeviceId>().ok());
            let seq = parts.next().and_then(|seq| seq.parse::<u32>().ok());
            if let Some((device, seq)) = device.zip(seq) {
                let last = chains.entry(device).or_default();
                *last = seq.max(*last);
            }
        }
        match page.next {
            Some(next) if chains.len() < MOST_DEVICES => after = Some(next),
            _ => return Ok(chains),
        }
    }
}

fn frontier(here: &Here<'_>, inbox: &Inbox, device: &DeviceId) -> Result<Frontier> {
    let known = inbox.known.get(device).copied().unwrap_or_default();
    // Of a chain that forked the place may have a longer branch than the one that is kept here.
    let is_passed = here.catalog.is_carried(*device, known)?;
    let last = if is_passed { known.seq } else { known.seq.min(here.catalog.tip(*device)?.seq) };
    let next = last.0 + 1;
    // What a device says after it left is named, and may have been read by others who had not heard of that.
    Ok(Frontier::at(next, 1, false))
}

/// Asks for segments, several at once; the answers in the order of the names, as many as there is room for, and one at least.
pub(crate) async fn fetch(
    store: &SealedRemote,
    wanted: &[(DeviceId, u32)],
) -> Vec<((DeviceId, u32), Result<Bytes, StoreError>)> {
    let requests = wanted.iter().map(|(device, seq)| async move {
        ((*device, *seq), store.get(&segment_path(*device, *seq), BESIDE_BYTES).await)
    });
    let mut answers = iter(requests).buffered(CONCURRENCY);
    let (mut fetched, mut bytes) = (Vec::with_capacity(wanted.len()), 0);
    while bytes < AT_ONCE_BYTES
        && let Some((name, answer)) = answers.next().await
    {
        let answer = match answer {
            Err(StoreError::TooLarge { .. }) => store.get(&segment_path(name.0, name.1), SEGMENT_BYTES).await,
            answer => answer,
        };
        bytes += answer.as_ref().map_or(0, Bytes::len);
        fetched.push((name, answer));
    }
    fetched
}

/// Compares what devices with news say of their own heads with what the place shows of them.
async fn name_withheld(
    here: &Here<'_>,
    at: &RemotePlace,
    inbox: &Inbox,
    devices: Vec<DeviceId>,
    report: &mut HistoryReport,
) -> Result<()> {
    let mut wanted = Vec::new();
    for device in devices {
        let Some(member) = inbox.roster().and_then(|roster| roster.member(&device)) else { continue };
        // What a device that left published later is not asked for.
        let most = match member.standing {
            Membership::Retired { last_seq } | Membership::Revoked { last_seq, .. } => last_seq,
            _ => u32::MAX,
        };
        if !inbox.stopped.contains_key(&device) && !inbox.is_waiting(&device) {
            wanted.push((device, most, *member.card.verifying_key(), head_path(device)?));
        }
    }
    let requests = wanted.iter().map(|(_, _, _, path)| at.store.get(path, HEAD_BYTES));
    let answers: Vec<_> = iter(requests).buffered(CONCURRENCY).collect().await;
    for ((device, most, key, path), answer) in wanted.into_iter().zip(answers) {
        let Ok(bytes) = answer else { continue };
        let hint = HeadHint::open(&bytes, here.library(), device, here.keys.keyring());
        let Ok(tip) = hint.and_then(|hint| hint.verify(&key)) else { continue };
        let known = inbox.known.get(&device).copied().unwrap_or_default();
        // What is held here and not there is published next.
        if tip.seq.0.min(most) > known.seq.max(here.catalog.tip(device)?.seq).0 {
            let (seq, named_by) = (known.seq.0 + 1, path.to_string());
            // Published after the chain was read to its end, and before its head was.
            if at.store.head(&segment_path(device, seq)).await.is_ok() {
                continue;
            }
            let until = Tip { seq: SegmentSeq(tip.seq.0.min(most)), ..tip };
            here.note(&mut report.problems, Problem::Withheld { device, seq, until, named_by });
        }
    }
    Ok(())
}

pub(crate) fn head_path(device: DeviceId) -> Result<ObjectPath> {
    Ok(ObjectPath::flat(Area::Head, &device.into()).map_err(StoreError::from)?)
}
