//! A place in memory with the faults of real ones, all from one seed.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use safelight_crypto::DeviceId;
use safelight_model::SegmentSeq;
use safelight_store::{
    Body, Capabilities, Capability, Finding, GrantRequest, Key, ListPage, ObjectInfo, Operation, PageToken,
    Prefix, PutOptions, Remote, StoreError, Stored, Tier, UploadGrant,
};

use crate::chance::Chance;

/// Listings that are remembered: a stale one is one of these.
const OLD_LISTINGS: usize = 8;

#[derive(Debug)]
struct State {
    chance: Chance,
    objects: BTreeMap<String, Bytes>,
    /// What was under a name before each of the last changes, the oldest first: with it listings go back.
    before: VecDeque<(String, Option<u64>)>,
    /// How often something changed.
    version: u64,
    is_faulty: bool,
    /// Requests until the device that asks is killed.
    crash_in: Option<u64>,
    requests: u64,
    bug: Option<Bug>,
    /// Writes that were acknowledged and did not happen yet.
    late: Vec<(String, Bytes)>,
    /// What happened to objects since somebody asked.
    events: Vec<Event>,
}

/// Something that happened to an object of a place.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    what: &'static str,
    name: String,
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.what, self.name)
    }
}

impl State {
    /// Puts bytes under a name, or takes away what is there.
    fn change(&mut self, name: String, bytes: Option<Bytes>) {
        let there = match bytes {
            Some(bytes) => self.objects.insert(name.clone(), bytes),
            None => self.objects.remove(&name),
        };
        self.before.push_back((name, there.map(|bytes| bytes.len() as u64)));
        if self.before.len() > OLD_LISTINGS {
            self.before.pop_front();
        }
        self.version += 1;
    }

    /// What was there before so many of the last changes.
    fn listing(&self, changes: usize) -> BTreeMap<String, u64> {
        let objects = self.objects.iter();
        let mut listing: BTreeMap<String, u64> =
            objects.map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
        for (name, there) in self.before.iter().rev().take(changes) {
            match there {
                Some(length) => listing.insert(name.clone(), *length),
                None => listing.remove(name),
            };
        }
        listing
    }

    fn happened(&mut self, what: &'static str, name: &str) {
        self.events.push(Event { what, name: name.to_owned() });
    }
}

/// A mistake that is made on purpose, between the driver and the place, or by a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A write is acknowledged before it happened: whatever is recorded then speaks of an object that is not
    /// there. A device that is killed takes it along.
    RecordBeforeObject,
    /// What an old listing names counts as being there: nothing is put, nobody looks at it.
    ListingBelieved,
    /// Whoever collects deletes what is marked without waiting until everybody has acknowledged it.
    CollectedUnasked,
    /// Whoever says that a device left wraps the new epoch to it as well.
    EpochForTheRevoked,
    /// What is new is sealed under the first epoch, whichever others were started.
    FirstEpochKept,
    /// What a device wrote after it left is taken in.
    QuarantineTakenIn,
    /// A device syncs as if its brake were off.
    AcknowledgedWhileBraked,
    /// A device waits no longer for others that were not silent for long.
    LapsedTooSoon,
    /// Whoever invites wraps the epochs to a device that asks before a person has let it in.
    KeysBeforeAgreement,
}

impl Bug {
    /// Every mistake that can be planted.
    pub const ALL: [Self; 9] = [
        Self::RecordBeforeObject,
        Self::ListingBelieved,
        Self::CollectedUnasked,
        Self::EpochForTheRevoked,
        Self::FirstEpochKept,
        Self::QuarantineTakenIn,
        Self::AcknowledgedWhileBraked,
        Self::LapsedTooSoon,
        Self::KeysBeforeAgreement,
    ];
}

/// The place; cheap to clone.
#[derive(Clone)]
pub(crate) struct SimPlace {
    label: &'static str,
    state: Arc<Mutex<State>>,
    capabilities: Capabilities,
}

impl fmt::Debug for SimPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SimPlace")
    }
}

/// Waits so many polls: the order of replies is shuffled.
struct Delay(u64);

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What a write comes to.
enum Write {
    Good,
    /// Nothing is written, and an error is answered.
    Lost,
    /// Half of it is written, and an error is answered.
    Torn,
    /// All of it is written, and an error is answered.
    ReplyLost,
}

impl Write {
    fn name(&self, is_over_another: bool) -> &'static str {
        match self {
            Self::Good if is_over_another => "written over:",
            Self::Good => "written:",
            Self::Lost => "lost on its way:",
            Self::Torn => "torn:",
            Self::ReplyLost => "written, reply lost:",
        }
    }
}

impl SimPlace {
    pub(crate) fn new(label: &'static str, seed: u64, bug: Option<Bug>) -> Self {
        let state = State {
            chance: Chance::new(seed),
            objects: BTreeMap::new(),
            before: VecDeque::new(),
            version: 0,
            is_faulty: true,
            crash_in: None,
            requests: 0,
            bug,
            late: Vec::new(),
            events: Vec::new(),
        };
        // What it acknowledges is told to others: a place of which that is not known is not believed.
        let mut capabilities = Capabilities::untried();
        capabilities.set(Capability::ProviderChecksum, Finding::Works);
        Self { label, state: Arc::new(Mutex::new(state)), capabilities }
    }

    fn with<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        run(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn calm(&self) {
        self.with(|state| state.is_faulty = false);
    }

    pub(crate) fn crash_in(&self, requests: Option<u64>) {
        self.with(|state| state.crash_in = requests);
    }

    /// The device is gone, and with it what it had not really sent.
    pub(crate) fn kill(&self) {
        self.with(|state| {
            state.crash_in = None;
            state.late.clear();
        });
    }

    /// What was acknowledged happens now.
    pub(crate) fn flush(&self) {
        self.with(|state| {
            for (name, bytes) in std::mem::take(&mut state.late) {
                if !state.objects.contains_key(&name) {
                    state.change(name, Some(bytes));
                }
            }
        });
    }

    /// What happened to objects since it was asked last.
    pub(crate) fn take_events(&self) -> Vec<Event> {
        self.with(|state| std::mem::take(&mut state.events))
    }

    /// A number that is another after every change.
    pub(crate) fn version(&self) -> u64 {
        self.with(|state| state.version)
    }

    /// Every object with its bytes.
    pub(crate) fn objects(&self) -> BTreeMap<String, Bytes> {
        self.with(|state| state.objects.clone())
    }

    /// Flips a bit in some object that rests there and may rot.
    pub(crate) fn rot(&self, may_rot: impl Fn(&str, &[u8]) -> bool) -> Option<String> {
        self.with(|state| {
            let may_rot = state.objects.iter().filter(|(name, bytes)| may_rot(name, bytes));
            let names: Vec<String> = may_rot.map(|(name, _)| name.clone()).collect();
            let name = names.get(state.chance.index(names.len()))?.clone();
            let mut bytes = state.objects.get(&name)?.to_vec();
            let at = state.chance.index(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << state.chance.below(8);
            }
            state.change(name.clone(), Some(bytes.into()));
            state.happened("rotten:", &name);
            Some(name)
        })
    }

    /// Every request begins here: it takes its time, may be the last of its device, may be refused.
    async fn begin(&self, operation: Operation, key: &str) -> Result<(), StoreError> {
        let delay = self.with(|state| state.chance.below(4));
        Delay(delay).await;
        self.with(|state| {
            state.requests += 1;
            match &mut state.crash_in {
                Some(0) => return Err(StoreError::Vanished { place: "killed".to_owned() }),
                Some(left) => *left -= 1,
                None => {}
            }
            if state.is_faulty && state.chance.once_in(40) {
                return Err(if state.chance.once_in(2) {
                    StoreError::Throttled { place: "sim".to_owned(), wait: None }
                } else {
                    failed(operation, key)
                });
            }
            Ok(())
        })
    }

    async fn write(&self, key: &Key, body: Body, absent: bool) -> Result<Stored, StoreError> {
        self.begin(Operation::Put, key.as_str()).await?;
        let length = usize::try_from(body.length_bytes()).unwrap_or(0);
        let mut bytes = vec![0; length];
        body.read_at(0, &mut bytes).map_err(|_| failed(Operation::Put, key.as_str()))?;
        self.with(|state| {
            let believes = state.bug == Some(Bug::ListingBelieved) && key.as_str().starts_with("o/");
            // Two writers at once: some places let the last one win.
            let wins = state.is_faulty && state.chance.once_in(25);
            if absent && !believes && !wins && state.objects.contains_key(key.as_str()) {
                let object = key.to_string();
                return Err(StoreError::AlreadyExists { place: "sim".to_owned(), object });
            }
            let is_object = key.as_str().starts_with("o/") || key.as_str().starts_with("t/");
            match state.bug.filter(|_| is_object) {
                Some(Bug::RecordBeforeObject) => {
                    state.late.push((key.to_string(), bytes.into()));
                    return Ok(Stored::default());
                }
                Some(Bug::ListingBelieved) if state.objects.contains_key(key.as_str()) => {
                    return Ok(Stored::default());
                }
                _ => {}
            }
            let is_over_another = state.objects.contains_key(key.as_str());
            let write = match (state.is_faulty && !is_over_another).then(|| state.chance.below(60)) {
                Some(0) => Write::Lost,
                Some(1..=3) => Write::Torn,
                Some(4 | 5) => Write::ReplyLost,
                _ => Write::Good,
            };
            state.happened(write.name(is_over_another), key.as_str());
            match write {
                Write::Good => {}
                Write::Lost => return Err(failed(Operation::Put, key.as_str())),
                Write::Torn => bytes.truncate(length / 2),
                Write::ReplyLost => {}
            }
            state.change(key.to_string(), Some(bytes.into()));
            match write {
                Write::Good => Ok(Stored::default()),
                _ => Err(failed(Operation::Put, key.as_str())),
            }
        })
    }

    fn bytes_of(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.with(|state| {
            let found = state.objects.get(key.as_str()).cloned();
            let found = found
                .ok_or_else(|| StoreError::NotFound { place: "sim".to_owned(), object: key.to_string() })?;
            if state.is_faulty && state.chance.once_in(80) && !found.is_empty() {
                let mut bytes = found.to_vec();
                let at = state.chance.index(bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 4;
                }
                return Ok(bytes.into());
            }
            Ok(found)
        })
    }
}

fn failed(operation: Operation, key: &str) -> StoreError {
    StoreError::Io {
        place: "sim".to_owned(),
        operation,
        object: key.to_owned(),
        source: io::Error::other("the simulated network failed"),
    }
}

#[async_trait]
impl Remote for SimPlace {
    fn label(&self) -> &str {
        self.label
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn put(&self, key: &Key, body: Body, _options: &PutOptions) -> Result<Stored, StoreError> {
        self.write(key, body, false).await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, _: &PutOptions) -> Result<Stored, StoreError> {
        self.write(key, body, true).await
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        self.begin(Operation::Get, key.as_str()).await?;
        let bytes = self.bytes_of(key)?;
        let length_bytes = bytes.len() as u64;
        if length_bytes > at_most_bytes {
            let object = key.to_string();
            return Err(StoreError::TooLarge {
                place: "sim".to_owned(),
                object,
                length_bytes,
                at_most_bytes,
            });
        }
        Ok(bytes)
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.begin(Operation::Get, key.as_str()).await?;
        let bytes = self.bytes_of(key)?;
        let clip = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        let (start, end) = (clip(range.start), clip(range.end));
        Ok(bytes.slice(start..end.max(start)))
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.begin(Operation::Head, key.as_str()).await?;
        let found = self.with(|state| state.objects.get(key.as_str()).map(|bytes| bytes.len() as u64));
        match found {
            Some(length_bytes) => Ok(info(key.clone(), length_bytes)),
            None => Err(StoreError::NotFound { place: "sim".to_owned(), object: key.to_string() }),
        }
    }

    async fn list(&self, prefix: &Prefix, _after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        self.begin(Operation::List, prefix.as_str()).await?;
        let listing: BTreeMap<String, u64> = self.with(|state| {
            let is_stale = state.is_faulty && state.chance.once_in(2);
            let changes = if is_stale { state.chance.index(state.before.len() + 1) } else { 0 };
            state.listing(changes)
        });
        let objects =
            listing.into_iter().filter_map(|(name, length)| Some((Key::parse(&name).ok()?, length)));
        let objects = objects.filter(|(key, _)| prefix.covers(key)).map(|(key, length)| info(key, length));
        let mut objects: Vec<ObjectInfo> = objects.collect();
        // Some places may hold one name twice, and some list one twice while it is written.
        let twice = self.with(|state| state.is_faulty && state.chance.once_in(8));
        if twice {
            objects.extend(objects.first().cloned());
        }
        Ok(ListPage { objects, strangers: Vec::new(), next: None })
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.begin(Operation::Delete, key.as_str()).await?;
        self.with(|state| {
            state.happened("deleted:", key.as_str());
            state.change(key.to_string(), None);
        });
        Ok(())
    }

    async fn set_tier(&self, _key: &Key, _tier: Tier) -> Result<(), StoreError> {
        let reason = "the simulated place has no tiers";
        Err(StoreError::Unsupported { place: "sim".to_owned(), operation: Operation::Tier, reason })
    }

    async fn grant_upload(&self, _request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        let reason = "the simulated place mints no grants";
        Err(StoreError::Unsupported { place: "sim".to_owned(), operation: Operation::Grant, reason })
    }
}

fn info(key: Key, length_bytes: u64) -> ObjectInfo {
    ObjectInfo {
        key,
        length_bytes,
        modified: None,
        tier: None,
        is_thawing: false,
        version: None,
        checksum: None,
    }
}

/// The device and the number of a segment that rests under this name.
pub(crate) fn segment_named(name: &str) -> Option<(DeviceId, SegmentSeq)> {
    let (device, seq) = name.strip_prefix("log/")?.split_once('/')?;
    Some((device.parse().ok()?, SegmentSeq(seq.parse().ok()?)))
}
