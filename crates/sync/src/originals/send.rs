//! Sending originals: parts as they are sealed, streamed from their files, several at once.
//!
//! Invariants: a part counts as placed after the place acknowledged it, or after what lies there proved to be it
//! by size and header; an original counts as synced when all of its parts do. A part that was recorded is never
//! sent again. A name that holds something bad is left as it is, marked, and the next generation of it is used.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::future::Future;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use safelight_catalog::{HowKnown, OriginalAtRemote, PURGED, Replica, SyncState};
use safelight_crypto::{
    ContentHash, Epoch, HEADER_LEN, Kind, LibraryId, ObjectContext, Opener, PART_LEN, names,
};
use safelight_model::{Original, PartRef, PlaceId, PlacedObject, Storage};
use safelight_store::{Capability, ObjectPath, Sealed, SealedRemote, StoreError, Stored, Tier};

use super::linked::send_linked;
use super::path_of_part;
use crate::collect::{generations, mark_damaged, object_of};
use crate::daily::{did_not_go, may_go};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::place::place_id;
use crate::policy::rests_whole;
use crate::problem::{Problem, Transfer};

/// Candidates that are looked at, and shuffled, together: the order of uploads says little about the photos'.
const BATCH: usize = 64;
/// Finished parts are recorded in batches of so many, or after so long.
const RECORD_PARTS: usize = 64;
const RECORD_MILLIS: i64 = 1000;
/// or so many bytes: who is killed sends no more than that again.
const RECORD_BYTES: u64 = 16 << 20;
/// So many failures one after the other are the place's, not the objects'.
const MOST_FAILURES: u32 = 16;
/// So many parts of large originals travel at once: all at once, a cut would find none of them finished.
const MOST_LARGE: usize = 2;
/// So many of them wait before no more originals are opened.
const MOST_LARGE_WAITING: usize = 16;

/// A part to be sent; owns all that is needed.
pub(super) struct PartJob {
    pub(super) content: ContentHash,
    pub(super) part: PartRef,
    pub(super) number: u32,
    pub(super) size_bytes: u64,
    pub(super) sealed: Sealed,
    pub(super) header: [u8; HEADER_LEN],
    /// Generations that it may be put under, in this order.
    pub(super) generations: Vec<u32>,
    /// Whether another device may have put it there again, so that it is looked for before it is sent.
    pub(super) may_be_there: bool,
}

impl PartJob {
    /// Whether it is one of several parts.
    fn is_of_many(&self) -> bool {
        self.size_bytes > PART_LEN
    }

    /// Whether it goes in the place of what is marked to leave.
    pub(super) fn is_repair(&self) -> bool {
        self.generations.first().is_some_and(|generation| *generation > 0)
    }
}

/// What became of it.
pub(super) struct PartDone {
    content: ContentHash,
    pub(super) sealed_bytes: u64,
    is_of_many: bool,
    result: Result<Placed, StoreError>,
}

pub(super) struct Placed {
    path: ObjectPath,
    sealed_bytes: u64,
    how: HowKnown,
    was_sent: bool,
    /// Generations under which something bad lies.
    bad: Vec<(ObjectPath, String)>,
}

pub(super) type Transfers<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = PartDone> + 'a>>>;

/// What sending originals came to.
pub(crate) struct SentOriginals {
    /// Originals that became synced.
    pub(crate) synced: u64,
    /// Linked originals that rest there and become synced with the history that says where.
    pub(crate) linked: Vec<ContentHash>,
}

/// Sends what waits and `is_asked` for, newest first; linked originals after those that are sealed already.
pub(crate) async fn send_originals(
    here: &mut Here<'_>,
    at: &RemotePlace,
    is_asked: impl Fn(&ContentHash) -> bool,
    concurrency: usize,
    tier: Option<Tier>,
    problems: &mut Vec<Problem>,
) -> Result<SentOriginals> {
    let mut sender = Sender {
        at,
        tier,
        library: here.library(),
        epochs: here.keys.keyring().epochs().into(),
        open: HashMap::new(),
        finished: Vec::new(),
        replicas: Vec::new(),
        recorded_millis: here.now_millis(),
        failures: 0,
        synced: 0,
        place: here.device.place_id(at.id)?,
        damaged: Vec::new(),
        is_capped: false,
    };
    let mut transfers: Transfers<'_> = FuturesUnordered::new();
    let mut after = None;
    let mut jobs: Vec<PartJob> = Vec::new();
    let mut queued: Vec<(OriginalAtRemote, Original)> = Vec::new();
    // Parts of large originals that wait for their turn, those of one together; each is an open file.
    let mut large: VecDeque<Vec<PartJob>> = VecDeque::new();
    let mut large_under_way = 0;
    let mut is_exhausted = false;
    let mut linked: Vec<ContentHash> = Vec::new();
    let ended = loop {
        let is_stopping = here.stop.is_asked() || sender.failures >= MOST_FAILURES;
        while !is_stopping && !sender.is_capped && transfers.len() < concurrency {
            let mut next = None;
            if large_under_way < MOST_LARGE
                && let Some(first) = large.front_mut()
            {
                next = first.pop();
                if first.is_empty() {
                    large.pop_front();
                }
            }
            if next.is_none()
                && let Some(job) = jobs.pop()
            {
                if job.is_of_many() && large_under_way >= MOST_LARGE {
                    jobs.push(job);
                    large.push_back(std::mem::take(&mut jobs));
                    continue;
                }
                next = Some(job);
            }
            if let Some(job) = next {
                if !may_go(here, at, job.part.sealed_bytes)? {
                    // The rest waits as it is; what is under way is finished.
                    sender.is_capped = true;
                    break;
                }
                large_under_way += usize::from(job.is_of_many());
                transfers.push(Box::pin(send_part(
                    at.store.clone(),
                    sender.library,
                    Arc::clone(&sender.epochs),
                    job,
                    tier,
                )));
            } else if large.len() >= MOST_LARGE
                && large.iter().map(Vec::len).sum::<usize>() >= MOST_LARGE_WAITING
            {
                break;
            } else if let Some((row, original)) = queued.pop() {
                jobs = sender.jobs(here, &row, &original, problems)?;
            } else if is_exhausted {
                break;
            } else {
                let mut rows = here.device.originals_in(at.id, SyncState::Waiting, after, BATCH)?;
                is_exhausted = rows.len() < BATCH;
                after = rows.last().map(|row| (row.position, row.content));
                rows.retain(|row| is_asked(&row.content));
                queued = candidates(here, at, rows, &mut linked)?;
                shuffle(here, &mut queued);
            }
        }
        let Some(done) = transfers.next().await else {
            sender.record(here)?;
            break if here.stop.is_asked() { Err(SyncError::Stopped) } else { Ok(()) };
        };
        large_under_way -= usize::from(done.is_of_many);
        if let Some(fatal) = sender.accept(here, done, problems)? {
            // What was finished before counts.
            sender.record(here)?;
            break Err(fatal.into());
        }
        if sender.is_due(here) {
            sender.record(here)?;
        }
    };
    ended?;
    drop(transfers);
    let placed = send_linked(here, at, &mut sender, &linked, concurrency, problems).await?;
    // Others may rely on what is bad there.
    let damaged = std::mem::take(&mut sender.damaged);
    if !damaged.is_empty()
        && let Some(place) = place_id(here, at, problems).await?
    {
        mark_damaged(here, at, place, damaged)?;
    }
    Ok(SentOriginals { synced: sender.synced, linked: placed })
}

/// The originals behind the rows, as history records them now.
fn candidates(
    here: &mut Here<'_>,
    at: &RemotePlace,
    rows: Vec<OriginalAtRemote>,
    linked: &mut Vec<ContentHash>,
) -> Result<Vec<(OriginalAtRemote, Original)>> {
    let mut queued = Vec::with_capacity(rows.len());
    let mut settled: Vec<(ContentHash, SyncState, Option<&str>)> = Vec::new();
    for row in rows {
        match here.catalog.original_of(&row.content)? {
            // Tiny originals go in packs, and count once the op that names the pack is published.
            Some(original) if original.storage == Storage::Packed => {
                if rests_whole(here.device, at.id, &row.content, &original.parts)? {
                    settled.push((row.content, SyncState::Synced, None));
                }
            }
            Some(original) if original.storage == Storage::Linked => linked.push(row.content),
            Some(original) => queued.push((row, original)),
            None => settled.push((row.content, SyncState::LocalOnly, Some(PURGED))),
        }
    }
    if !settled.is_empty() {
        let states = settled.iter().map(|(content, state, reason)| (content, *state, *reason));
        here.device.set_original_states(at.id, states)?;
    }
    Ok(queued)
}

fn shuffle(here: &mut Here<'_>, queued: &mut [(OriginalAtRemote, Original)]) {
    for last in (1..queued.len()).rev() {
        let mut random = [0; 8];
        here.entropy.fill(&mut random);
        let other = usize::try_from(u64::from_le_bytes(random) % (last as u64 + 1)).unwrap_or(last);
        queued.swap(last, other);
    }
}

pub(super) struct Sender<'a> {
    at: &'a RemotePlace,
    pub(super) tier: Option<Tier>,
    pub(super) library: LibraryId,
    pub(super) epochs: Arc<[Epoch]>,
    /// Parts still under way, by original.
    pub(super) open: HashMap<ContentHash, usize>,
    /// Originals whose last part was placed, to be recorded with it.
    pub(super) finished: Vec<ContentHash>,
    replicas: Vec<Replica>,
    recorded_millis: i64,
    failures: u32,
    synced: u64,
    /// The id of the place, as far as it was read there.
    place: Option<PlaceId>,
    /// What lies under names that were wanted, and is bad.
    damaged: Vec<PlacedObject>,
    /// Whether the daily cap of the place leaves no room for more.
    pub(super) is_capped: bool,
}

impl Sender<'_> {
    /// The generations under which a part may be put: the next one, and those above it where something bad lies.
    pub(super) fn generations(&self, here: &Here<'_>, part: &PartRef) -> Result<Vec<u32>> {
        let (next, known) = generations(here.catalog, self.place, b'o', &part.name)?;
        let mut free = Vec::with_capacity(known.len());
        for generation in known.into_iter().filter(|generation| *generation >= next) {
            let path = path_of_part(part, generation)?;
            if !here.device.is_bad(self.at.id, path.as_str())? {
                free.push(generation);
            }
        }
        Ok(free)
    }

    /// The parts of an original that are not known to be placed; none if something is wrong with it here.
    fn jobs(
        &mut self,
        here: &mut Here<'_>,
        row: &OriginalAtRemote,
        original: &Original,
        problems: &mut Vec<Problem>,
    ) -> Result<Vec<PartJob>> {
        let mut jobs = Vec::new();
        for (number, part) in (0..).zip(&original.parts) {
            let path = path_of_part(part, 0)?;
            if here.device.replica_in_any_generation(self.at.id, path.as_str())?.is_some() {
                continue;
            }
            match self.job(here, original, number, part) {
                Ok(mut job) => {
                    job.generations = self.generations(here, part)?;
                    // What was lost there others may hold too, and have put again.
                    job.may_be_there = row.reason.is_some() || job.is_repair();
                    jobs.push(job);
                }
                Err(StoreError::NotFound { .. }) => {
                    let elsewhere = [(&row.content, SyncState::Elsewhere, None)];
                    here.device.set_original_states(self.at.id, elsewhere)?;
                    return Ok(Vec::new());
                }
                Err(error) => {
                    let reason = error.to_string();
                    here.device.fail_original(self.at.id, &row.content, &reason, here.now_millis())?;
                    here.note(problems, Problem::Damaged { object: path.to_string(), reason });
                    return Ok(Vec::new());
                }
            }
        }
        if jobs.is_empty() {
            self.finished.push(row.content);
        } else {
            self.open.insert(row.content, jobs.len());
        }
        Ok(jobs)
    }

    /// Opens a part where it lies here, and checks its size and header before it is sent anywhere.
    fn job(
        &self,
        here: &Here<'_>,
        original: &Original,
        number: u32,
        part: &PartRef,
    ) -> Result<PartJob, StoreError> {
        let path = ObjectPath::original(part.name);
        let object = here.place.open_object(&path)?;
        let damaged = |reason: String| StoreError::Damaged {
            place: here.place.label().to_owned(),
            object: path.to_string(),
            reason,
        };
        let file: File = object.into_file();
        let mut header = [0; HEADER_LEN];
        file.read_exact_at(&mut header, 0).map_err(|error| damaged(error.to_string()))?;
        let sealed = Sealed::from_file(file).map_err(|error| damaged(error.to_string()))?;
        if sealed.length_bytes() != part.sealed_bytes {
            return Err(damaged(format!(
                "it has {} bytes instead of {}",
                sealed.length_bytes(),
                part.sealed_bytes
            )));
        }
        opens(&header, self.library, &self.epochs, part, number, original.size_bytes).map_err(damaged)?;
        let (content, size_bytes) = (original.content, original.size_bytes);
        let (generations, may_be_there) = (Vec::new(), false);
        Ok(PartJob { content, part: *part, number, size_bytes, sealed, header, generations, may_be_there })
    }

    /// Takes over what became of a part; a failure that concerns the whole place is given back.
    pub(super) fn accept(
        &mut self,
        here: &mut Here<'_>,
        done: PartDone,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<StoreError>> {
        match done.result {
            Ok(placed) => {
                self.failures = 0;
                for (path, reason) in placed.bad {
                    // At once: the part counts as placed from here on, and nobody looks below it again.
                    here.device.mark_bad(self.at.id, path.as_str())?;
                    match self.place {
                        Some(place) => drop(mark_damaged(here, self.at, place, object_of(&path))?),
                        None => self.damaged.extend(object_of(&path)),
                    }
                    here.note(problems, Problem::Damaged { object: path.to_string(), reason });
                }
                if placed.was_sent {
                    here.monitor.advance(Transfer::PartSent, placed.sealed_bytes);
                } else {
                    did_not_go(here, self.at, placed.sealed_bytes)?;
                }
                self.replicas.push(Replica {
                    object: placed.path.to_string(),
                    sealed_bytes: placed.sealed_bytes,
                    placed_millis: here.now_millis(),
                    proven_millis: (placed.how == HowKnown::Vouched).then(|| here.now_millis()),
                    how: placed.how,
                });
                if let Some(left) = self.open.get_mut(&done.content) {
                    *left -= 1;
                    if *left == 0 {
                        self.open.remove(&done.content);
                        self.finished.push(done.content);
                    }
                }
                Ok(None)
            }
            Err(error) if concerns_the_place(&error) => Ok(Some(error)),
            Err(error) => {
                self.failures += 1;
                if self.open.remove(&done.content).is_some() {
                    let (now, reason) = (here.now_millis(), error.to_string());
                    here.device.fail_original(self.at.id, &done.content, &reason, now)?;
                    if let Some(original) = here.catalog.original_of(&done.content)? {
                        let object = original.source.display().to_string();
                        here.note(problems, Problem::NotSent { object, reason });
                    }
                }
                Ok((self.failures >= MOST_FAILURES).then_some(error))
            }
        }
    }

    pub(super) fn is_due(&self, here: &Here<'_>) -> bool {
        let bytes: u64 = self.replicas.iter().map(|replica| replica.sealed_bytes).sum();
        self.replicas.len() >= RECORD_PARTS
            || bytes >= RECORD_BYTES
            || here.now_millis() - self.recorded_millis >= RECORD_MILLIS
    }

    /// Records what was placed, and nothing of the originals.
    pub(super) fn record_replicas(&mut self, here: &mut Here<'_>) -> Result<()> {
        here.device.record_replicas(self.at.id, &self.replicas)?;
        self.replicas.clear();
        self.recorded_millis = here.now_millis();
        Ok(())
    }

    /// Records what was placed, and only then the originals that are whole there.
    fn record(&mut self, here: &mut Here<'_>) -> Result<()> {
        here.device.record_replicas(self.at.id, &self.replicas)?;
        let states = self.finished.iter().map(|content| (content, SyncState::Synced, None));
        here.device.set_original_states(self.at.id, states)?;
        self.synced += self.finished.len() as u64;
        tracing::debug!(parts = self.replicas.len(), originals = self.finished.len(), tier = ?self.tier, "recorded");
        self.replicas.clear();
        self.finished.clear();
        self.recorded_millis = here.now_millis();
        Ok(())
    }
}

/// Whether going on with other objects makes no sense.
fn concerns_the_place(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Vanished { .. }
            | StoreError::Full { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Denied { .. }
            | StoreError::Unsupported { .. }
    )
}

/// Whether a header opens as that of this part.
fn opens(
    header: &[u8],
    library: LibraryId,
    epochs: &[Epoch],
    part: &PartRef,
    number: u32,
    size_bytes: u64,
) -> Result<(), String> {
    let logical = names::original(&part.name);
    let context = ObjectContext::original_part(library, &logical, number, size_bytes);
    Opener::new(header, part.sealed_bytes, Kind::OriginalPart, epochs, &context)
        .map(drop)
        .map_err(|error| error.to_string())
}

pub(super) async fn send_part(
    store: SealedRemote,
    library: LibraryId,
    epochs: Arc<[Epoch]>,
    job: PartJob,
    tier: Option<Tier>,
) -> PartDone {
    let result = place_part(&store, library, &epochs, &job, tier).await;
    let is_of_many = job.is_of_many();
    PartDone { content: job.content, sealed_bytes: job.part.sealed_bytes, is_of_many, result }
}

async fn place_part(
    store: &SealedRemote,
    library: LibraryId,
    epochs: &[Epoch],
    job: &PartJob,
    tier: Option<Tier>,
) -> Result<Placed, StoreError> {
    let mut bad = Vec::new();
    let sealed_bytes = job.part.sealed_bytes;
    for generation in &job.generations {
        let path = path_of_part(&job.part, *generation).map_err(|_| StoreError::Damaged {
            place: store.label().to_owned(),
            object: job.part.name.to_string(),
            reason: "it has no name".to_owned(),
        })?;
        // A place says only at the end of an upload that the name is taken.
        let is_there = job.may_be_there && lies_there(store, &path).await?;
        if !is_there {
            match store.put(&path, &job.sealed, tier).await {
                Ok(stored) => {
                    let how = if vouches(store, job, tier, &stored) {
                        HowKnown::Vouched
                    } else {
                        HowKnown::Acknowledged
                    };
                    return Ok(Placed { path, sealed_bytes, how, was_sent: true, bad });
                }
                Err(StoreError::AlreadyExists { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        match look_at(store, &path, library, epochs, job).await? {
            Ok(how) => return Ok(Placed { path, sealed_bytes, how, was_sent: false, bad }),
            Err(reason) => bad.push((path, reason)),
        }
    }
    Err(StoreError::Damaged {
        place: store.label().to_owned(),
        object: job.part.name.to_string(),
        reason: "every repair of it is damaged too".to_owned(),
    })
}

/// Whether something lies under a name.
async fn lies_there(store: &SealedRemote, path: &ObjectPath) -> Result<bool, StoreError> {
    match store.head(path).await {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the place answered with a checksum of its own that is that of the bytes. Compared where bytes are dear or slow
/// to read back, since it costs as much as hashing them: a proof that they are there, for whoever frees them here.
fn vouches(store: &SealedRemote, job: &PartJob, tier: Option<Tier>, stored: &Stored) -> bool {
    matches!(tier, Some(Tier::Cold | Tier::Archive))
        && store.capabilities().has(Capability::ProviderChecksum)
        && stored.checksum.is_some_and(|checksum| checksum.is_of(job.sealed.body()).unwrap_or(false))
}

/// What lies under the name already: our own bytes after a lost reply, those of another device that imported
/// the same photo, or something torn or bad.
async fn look_at(
    store: &SealedRemote,
    path: &ObjectPath,
    library: LibraryId,
    epochs: &[Epoch],
    job: &PartJob,
) -> Result<Result<HowKnown, String>, StoreError> {
    let info = store.head(path).await?;
    let length = info.length_bytes;
    if length != job.part.sealed_bytes {
        return Ok(Err(format!("it has {length} bytes instead of {}", job.part.sealed_bytes)));
    }
    let header = match store.get_range(path, 0..HEADER_LEN as u64).await {
        Ok(header) => header,
        // It cannot be opened before it is thawed: its name and size are what can be known of it.
        Err(StoreError::Archived { .. }) => return Ok(Ok(HowKnown::Found)),
        Err(error) => return Err(error),
    };
    if *header == job.header {
        // Equal headers are what another device leaves that hands these bytes on: only the place's own checksum over them
        // all tells that they are there.
        let is_whole = info.checksum.is_some_and(|sum| sum.is_of(job.sealed.body()).unwrap_or(false));
        return Ok(Ok(if is_whole { HowKnown::Vouched } else { HowKnown::Found }));
    }
    Ok(opens(&header, library, epochs, &job.part, job.number, job.size_bytes).map(|()| HowKnown::Found))
}
