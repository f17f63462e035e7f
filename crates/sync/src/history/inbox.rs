//! Segments that arrived and are not taken in yet: verified, then folded as soon as what they build on is here.
//!
//! Statements that admit a device may lie in that device's own first segment, so statements are looked at
//! before anybody vouches for the segment around them; what counts of them, the roster decides, because each
//! is signed on its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use safelight_catalog::CatalogError;
use safelight_crypto::{
    DeviceId, EpochId, EpochSecrets, Fault, Roster, Standing as Membership, Statement, VerifyingKey,
};
use safelight_model::history::{ClearPart, SealedSegment, Standing, Tip};
use safelight_model::{Branch, ModelError, OpBody, Segment, SegmentSeq};
use safelight_store::{ObjectPath, SealedRemote};

use super::HistoryReport;
use super::left::is_after_leaving;
use super::leftover::Leftovers;
use super::outbox::SEGMENT_BYTES;
use super::publish::segment_path;
use super::renumber::renumber;
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::keys::{Asked, fetch_keys};
use crate::problem::{Problem, Transfer};

/// What waits, by device, each device's segments without a gap.
#[derive(Debug)]
pub(crate) struct Inbox {
    waiting: BTreeMap<DeviceId, VecDeque<Arrived>>,
    statements: Vec<Statement>,
    roster: Option<Roster>,
    /// How far each chain is known in the place that is being read.
    pub(super) known: BTreeMap<DeviceId, Tip>,
    /// Chains that are not read on: damaged, forked, quarantined.
    pub(super) stopped: BTreeMap<DeviceId, Problem>,
    /// Chains whose last segment that was looked at is not known here, and bore its device's signature.
    signed: BTreeSet<DeviceId>,
    /// Segments of forked chains whose ops come with something that waits: nothing waits for them.
    promised: BTreeSet<Branch>,
    /// Chains that the place tells otherwise than before: read again from their beginning, once.
    rewound: BTreeSet<DeviceId>,
    to_rewind: Vec<DeviceId>,
    /// What others have read of chains that forked, and that is not what is known here.
    other_branches: BTreeSet<Branch>,
    /// The first number under which a copy of this device published something else than it did.
    own_fork: Option<SegmentSeq>,
    /// Statements that were looked at before their segments are taken in, with those: of a device that left they never may be.
    looked_at: Vec<(ClearPart, Vec<u8>)>,
    /// What nobody can read in the place that is being read; none where a library is only being joined.
    pub(super) leftovers: Option<Leftovers>,
}

/// What came of looking for statements in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// What it states is known, if it is whole.
    Told,
    /// It is sealed under an epoch that nothing announced so far.
    NotYet,
    /// The chain ends there, or goes on under an epoch that this device is not given.
    NoFurther,
}

#[derive(Debug)]
struct Arrived {
    seq: SegmentSeq,
    bytes: Bytes,
    is_harvested: bool,
    has_promised: bool,
}

/// What came of looking at one segment.
enum Step {
    /// It is in the catalogue, and this is how far its chain goes now in the place.
    In(Tip),
    /// Something must come first.
    Wait,
    /// It is sealed under an epoch whose secret is not here.
    NeedsEpoch(EpochId),
    /// The chain is not read on.
    Stop(Problem),
    /// It is not built on what the place showed before: the place shows another branch now.
    Rewind,
    /// A copy of this device published it, and others may have read what this one published under its number.
    OwnFork,
    /// A copy of this device signed it, and it is not whole.
    OwnBranchDamaged(Problem),
}

impl Inbox {
    pub(crate) fn new(here: &Here<'_>, known: BTreeMap<DeviceId, Tip>) -> Result<Self> {
        let statements = here.statements()?;
        let roster = here.roster()?;
        Ok(Self {
            waiting: BTreeMap::new(),
            statements,
            roster,
            known,
            stopped: BTreeMap::new(),
            signed: BTreeSet::new(),
            promised: BTreeSet::new(),
            rewound: BTreeSet::new(),
            to_rewind: Vec::new(),
            other_branches: BTreeSet::new(),
            own_fork: None,
            looked_at: Vec::new(),
            leftovers: None,
        })
    }

    pub(crate) fn roster(&self) -> Option<&Roster> {
        self.roster.as_ref()
    }

    /// Whether a chain is not read on although what lies there is signed by its device.
    pub(super) fn is_signed_and_stopped(&self, device: &DeviceId) -> bool {
        self.signed.contains(device) && self.stopped.contains_key(device)
    }

    /// How many segments of a device wait for others.
    pub(super) fn count_waiting(&self, device: &DeviceId) -> usize {
        self.waiting.get(device).map_or(0, VecDeque::len)
    }

    /// Whether statements admit a device.
    pub(super) fn is_member(&self, device: &DeviceId) -> bool {
        self.roster.as_ref().is_some_and(|roster| roster.member(device).is_some())
    }

    /// Bytes that wait of devices that no statement admits.
    pub(super) fn stranger_bytes(&self) -> usize {
        let strangers = self.waiting.iter().filter(|(device, _)| !self.is_member(device));
        strangers.flat_map(|(_, waiting)| waiting).map(|arrived| arrived.bytes.len()).sum()
    }

    /// Gives up, for this time, what waits of devices that no statement admits, so that others get their turn.
    pub(super) fn give_up_strangers(&mut self, here: &Here<'_>, report: &mut HistoryReport) {
        let own = here.catalog.device();
        let waiting = self.waiting.keys().copied().filter(|device| *device != own);
        let strangers: Vec<DeviceId> = waiting.filter(|device| !self.is_member(device)).collect();
        for device in strangers {
            let problem = Problem::Unadmitted { device };
            here.note(&mut report.problems, problem.clone());
            self.stop(device, problem);
        }
    }

    /// Bytes of everything that waits.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting.values().flatten().map(|arrived| arrived.bytes.len()).sum()
    }

    /// The chains that are to be read again from their beginning.
    pub(super) fn take_rewound(&mut self) -> Vec<DeviceId> {
        std::mem::take(&mut self.to_rewind)
    }

    /// Where a copy of this device went on by itself.
    pub(super) fn own_fork(&self) -> Option<SegmentSeq> {
        self.own_fork
    }

    /// Whether segments of a device wait for others.
    pub(super) fn is_waiting(&self, device: &DeviceId) -> bool {
        self.waiting.contains_key(device)
    }

    pub(crate) fn push(&mut self, device: DeviceId, seq: SegmentSeq, bytes: Bytes) {
        let arrived = Arrived { seq, bytes, is_harvested: false, has_promised: false };
        self.waiting.entry(device).or_default().push_back(arrived);
    }

    /// What the newest segment that waits of a device states is known already.
    pub(super) fn know_newest_told(&mut self, device: &DeviceId) {
        if let Some(arrived) = self.waiting.get_mut(device).and_then(VecDeque::back_mut) {
            arrived.is_harvested = true;
        }
    }

    pub(crate) fn stop(&mut self, device: DeviceId, problem: Problem) {
        self.waiting.remove(&device);
        self.stopped.entry(device).or_insert(problem);
    }

    /// Looks for statements in a segment that nobody vouches for yet: each is signed for itself. What is damaged states nothing.
    pub(super) async fn look_at(
        &mut self,
        here: &mut Here<'_>,
        store: &SealedRemote,
        device: DeviceId,
        bytes: &Bytes,
    ) -> Result<Looked> {
        let Ok(sealed) = SealedSegment::parse(bytes) else { return Ok(Looked::Told) };
        let mut found = sealed.peek_statements(here.library(), here.keys.keyring());
        if let Err(error) = &found
            && let Some(Step::NeedsEpoch(epoch)) = needs_epoch(error, &sealed)
        {
            let key = self.key_of(here, &device);
            if key.is_none_or(|(key, _)| sealed.verify(here.library(), &key).is_err()) {
                // Whoever may write there can name any epoch.
                return Ok(Looked::Told);
            }
            match fetch_keys(here, store, &epoch, self, bytes).await? {
                Asked::Learnt => found = sealed.peek_statements(here.library(), here.keys.keyring()),
                Asked::NotAnnounced => return Ok(Looked::NotYet),
                Asked::NotThere => return Ok(Looked::NoFurther),
            }
        }
        self.harvest_from(here, &sealed, found.unwrap_or_default());
        Ok(Looked::Told)
    }

    /// Says itself what counts of the statements in segments that are not taken in, since their devices have left, however far
    /// behind the last one that counts: else they would count in this sync alone, and who they shut out would be given
    /// secrets afterwards.
    pub(super) fn keep_statements(&self, here: &mut Here<'_>) -> Result<()> {
        let Some(roster) = &self.roster else { return Ok(()) };
        let standing = |device: &DeviceId| roster.member(device).map(|member| member.standing);
        // Of a device that nobody lets in who belongs nothing may ever be taken in either.
        let is_set_aside = |clear: &ClearPart| {
            let standing = standing(&clear.device);
            standing.is_none() || is_after_leaving(standing, clear)
        };
        let set_aside = self.looked_at.iter().filter(|(clear, _)| is_set_aside(clear));
        let set_aside: Vec<&Vec<u8>> = set_aside.map(|(_, statement)| statement).collect();
        if set_aside.is_empty() || !standing(&here.catalog.device()).is_some_and(|own| own.belongs()) {
            return Ok(());
        }
        let known = here.catalog.statements()?;
        let mut bodies = Vec::new();
        for bytes in set_aside.into_iter().filter(|bytes| !known.contains(bytes)) {
            let Ok(statement) = Statement::from_bytes(bytes) else { continue };
            let body = OpBody::Statement(bytes.clone());
            if roster.refused().iter().all(|(id, _)| *id != statement.id()) && !bodies.contains(&body) {
                bodies.push(body);
            }
        }
        if !bodies.is_empty() {
            here.catalog.append((here.now)(), bodies)?;
        }
        Ok(())
    }

    /// Stops chains whose next segment is left over, as it was told before.
    pub(super) async fn pass_leftovers(
        &mut self,
        here: &mut Here<'_>,
        store: &SealedRemote,
        next: &[(DeviceId, u32)],
    ) -> Result<()> {
        if let Some(leftovers) = &mut self.leftovers {
            for (device, problem) in leftovers.still_there(here, store, next).await? {
                self.stop(device, problem);
            }
        }
        Ok(())
    }

    /// Takes in everything that can be. Answers whether anything was.
    pub(crate) async fn settle(
        &mut self,
        here: &mut Here<'_>,
        store: &SealedRemote,
        report: &mut HistoryReport,
    ) -> Result<bool> {
        let mut any = false;
        loop {
            let mut progress = false;
            let devices: Vec<DeviceId> = self.waiting.keys().copied().collect();
            for device in devices {
                progress |= self.settle_chain(here, store, device, report).await?;
            }
            if !progress && !self.harvest_promises(here)? {
                return Ok(any);
            }
            any |= progress;
        }
    }

    async fn settle_chain(
        &mut self,
        here: &mut Here<'_>,
        store: &SealedRemote,
        device: DeviceId,
        report: &mut HistoryReport,
    ) -> Result<bool> {
        let mut progress = false;
        while let Some(arrived) = self.waiting.get_mut(&device).and_then(VecDeque::pop_front) {
            here.stop.check()?;
            let mut step = self.consider(here, device, &arrived, report)?;
            if let Step::NeedsEpoch(epoch) = step {
                let sealed = arrived.bytes.clone();
                step = match fetch_keys(here, store, &epoch, self, &sealed).await? {
                    Asked::Learnt => self.consider(here, device, &arrived, report)?,
                    // What announces it may come with more of another chain.
                    Asked::NotAnnounced => Step::Wait,
                    Asked::NotThere => {
                        let sealed = SealedSegment::parse(&sealed)?;
                        Step::Stop(self.without_key(here, device, &sealed, epoch))
                    }
                };
            }
            match step {
                Step::In(tip) => {
                    if let Some(leftovers) = &mut self.leftovers {
                        leftovers.forget(here, segment_path(device, arrived.seq.0).as_str())?;
                    }
                    let known = self.known.entry(device).or_default();
                    if known.seq < tip.seq {
                        *known = tip;
                    }
                    progress = true;
                }
                Step::Wait => {
                    self.waiting.entry(device).or_default().push_front(arrived);
                    break;
                }
                Step::Rewind => {
                    // What waits of it is asked for again.
                    self.waiting.remove(&device);
                    self.known.remove(&device);
                    self.rewound.insert(device);
                    self.to_rewind.push(device);
                    break;
                }
                Step::OwnFork => {
                    self.waiting.remove(&device);
                    self.own_fork = self.own_fork.into_iter().chain([arrived.seq]).min();
                    let problem = Problem::Forked { device, seq: arrived.seq.0, missing: None };
                    self.stop(device, problem);
                    break;
                }
                Step::OwnBranchDamaged(problem) => {
                    // Its copy may be gone for good: waiting for it to be whole could be for ever. What was hurt on its
                    // way only is whole when it is read again.
                    let there = store.get(&segment_path(device, arrived.seq.0), SEGMENT_BYTES).await;
                    if there.is_ok_and(|there| there == arrived.bytes) {
                        self.own_fork = self.own_fork.into_iter().chain([arrived.seq]).min();
                    }
                    here.note(&mut report.problems, problem.clone());
                    self.stop(device, problem);
                    break;
                }
                Step::NeedsEpoch(epoch) => {
                    let object = ObjectPath::segment(device, arrived.seq.0).to_string();
                    self.stop(device, Problem::NoKey { object, epoch });
                    break;
                }
                Step::Stop(mut problem) => {
                    let mut is_news = true;
                    let before = self.known.get(&device).copied().unwrap_or_default();
                    if let Some(leftovers) = &mut self.leftovers {
                        let segment = (device, arrived.seq, before);
                        (problem, is_news) =
                            leftovers.judge(here, store, segment, &arrived.bytes, problem).await?;
                    }
                    if is_news {
                        here.note(&mut report.problems, problem.clone());
                    }
                    self.stop(device, problem);
                    break;
                }
            }
        }
        if self.waiting.get(&device).is_some_and(VecDeque::is_empty) {
            self.waiting.remove(&device);
        }
        Ok(progress)
    }

    fn consider(
        &mut self,
        here: &mut Here<'_>,
        device: DeviceId,
        arrived: &Arrived,
        report: &mut HistoryReport,
    ) -> Result<Step> {
        let object = ObjectPath::segment(device, arrived.seq.0).to_string();
        let damaged = |reason: &dyn std::fmt::Display| {
            Ok(Step::Stop(Problem::Damaged { object: object.clone(), reason: reason.to_string() }))
        };
        let sealed = match SealedSegment::parse(&arrived.bytes) {
            Ok(sealed) if sealed.clear().device == device && sealed.clear().seq == arrived.seq => sealed,
            Ok(_) => return damaged(&"it is another segment than its name says"),
            Err(error) => return damaged(&error),
        };
        let clear = *sealed.clear();
        let Some((key, membership)) = self.key_of(here, &device) else {
            return match sealed.peek_statements(here.library(), here.keys.keyring()) {
                Ok(found) => match self.harvest_from(here, &sealed, found) {
                    true => self.consider(here, device, arrived, report),
                    false => Ok(Step::Wait),
                },
                Err(error) => Ok(needs_epoch(&error, &sealed).unwrap_or(Step::Wait)),
            };
        };
        self.signed.remove(&device);
        let signed = match sealed.verify(here.library(), &key) {
            Ok(signed) => signed,
            Err(error) => return damaged(&error),
        };
        let known = here.catalog.segment_root(device, clear.seq)?;
        let is_carried = here.catalog.is_carried(device, clear.tip())?;
        if is_after_leaving(membership, &clear) && !self.was_read_by_one_who_stays(here, &clear) {
            // What somebody had read of it goes on in that one's chain.
            if is_carried {
                return Ok(Step::In(clear.tip()));
            }
            let quarantined = Step::Stop(Problem::Quarantined { device, seq: clear.seq.0 });
            // That it left may be what another said who was not to be believed any more: its own word tells.
            return match sealed.peek_statements(here.library(), here.keys.keyring()) {
                Ok(found) => match self.harvest_from(here, &sealed, found) {
                    true => self.consider(here, device, arrived, report),
                    false => Ok(quarantined),
                },
                Err(error) => Ok(needs_epoch(&error, &sealed).unwrap_or(quarantined)),
            };
        }
        // The segment that is held here, damaged there, is put there again by whoever publishes.
        if known != Some(clear.root) && !is_carried {
            self.signed.insert(device);
        }
        let before = self.known.get(&device).copied().unwrap_or_default();
        if before.seq.0 + 1 == clear.seq.0 && before.root != clear.prev && !self.rewound.contains(&device) {
            return Ok(Step::Rewind);
        }
        let is_own = device == here.catalog.device();
        // Whole, before anything is concluded from it.
        let segment = match signed.open(here.keys.keyring()) {
            Ok(segment) => segment,
            Err(error) => {
                let is_branch = is_own && known != Some(clear.root) && !is_carried;
                return match (needs_epoch(&error, &sealed), damaged(&error)?) {
                    (Some(step), _) => Ok(step),
                    (None, Step::Stop(problem)) if is_branch => Ok(Step::OwnBranchDamaged(problem)),
                    (None, step) => Ok(step),
                };
            }
        };
        match known {
            Some(root) if root == clear.root => return Ok(Step::In(clear.tip())),
            _ if is_carried => return Ok(Step::In(clear.tip())),
            Some(_) if is_own && here.device.published(device)? < clear.seq => {
                let reopened = renumber(here, clear.seq, report)?;
                tracing::info!(seq = clear.seq.0, reopened, "a copy of this device went on: numbered anew");
            }
            None if here.catalog.tip(device)?.judge(&clear) == Standing::Next => {}
            _ if is_own => return Ok(Step::OwnFork),
            _ => return self.take_branch(here, &segment, report),
        }
        self.take(here, &segment, &arrived.bytes, report)
    }

    /// Whether something that waits, of a device that stays, builds on a segment that does not count in its own chain: it was
    /// read before anybody heard that its device had left, and goes on in other chains. Whoever read it cannot always say so: it
    /// may not have heard of that yet, or have lost its disk.
    fn was_read_by_one_who_stays(&self, here: &Here<'_>, clear: &ClearPart) -> bool {
        self.waiting.iter().filter(|(device, _)| **device != clear.device).any(|(device, arrived)| {
            let Some((key, Some(standing))) = self.key_of(here, device) else { return false };
            let segment = Self::open_waiting(here, arrived, &key).filter(|_| standing.belongs());
            segment.is_some_and(|segment| {
                segment.seen().iter().any(|(other, seen)| other == clear.device && seen.seq >= clear.seq)
            })
        })
    }

    /// Reads a chain on that was stopped because its device left: something waits for it. Answers whether it was.
    pub(super) fn read_on(&mut self, device: &DeviceId) -> bool {
        let is_stopped = matches!(self.stopped.get(device), Some(Problem::Quarantined { .. }));
        if is_stopped {
            self.stopped.remove(device);
        }
        is_stopped
    }

    /// What is wrong with a segment of an epoch whose secret this device is not given.
    fn without_key(
        &self,
        here: &Here<'_>,
        device: DeviceId,
        sealed: &SealedSegment<'_>,
        epoch: EpochId,
    ) -> Problem {
        let clear = sealed.clear();
        let standing = self.key_of(here, &device).and_then(|(_, standing)| standing);
        if is_after_leaving(standing, clear) {
            return Problem::Quarantined { device, seq: clear.seq.0 };
        }
        Problem::NoKey { object: ObjectPath::segment(device, clear.seq.0).to_string(), epoch }
    }

    /// Takes in a segment of a forked chain that is not the one of its number that is held here: what it says is
    /// said here again, so that it reaches those places and devices that the other branch reached first.
    fn take_branch(
        &mut self,
        here: &mut Here<'_>,
        segment: &Segment,
        report: &mut HistoryReport,
    ) -> Result<Step> {
        let clear = *segment.clear();
        let device = clear.device;
        if clear.seq.0 > 1 {
            let before = Tip { seq: SegmentSeq(clear.seq.0 - 1), root: clear.prev };
            let is_known = here.catalog.segment_root(device, before.seq)? == Some(before.root)
                || here.catalog.is_carried(device, before)?;
            if !is_known {
                return Ok(Step::Wait);
            }
        }
        for (other, seen) in segment.seen().iter() {
            if here.catalog.tip(other)?.seq < seen.seq && !self.is_passed(here, other, seen)? {
                return Ok(Step::Wait);
            }
        }
        let taken = here.catalog.carry_segment(segment, Vec::new(), (here.now)())?;
        for error in taken.unreadable {
            let (object, reason) = (clear.name(), error.to_string());
            here.note(&mut report.problems, Problem::Unreadable { object, reason });
        }
        report.taken_segments += 1;
        report.new_ops += taken.new_ops;
        here.note(&mut report.problems, Problem::BranchKept { device, seq: clear.seq.0 });
        let statements: Vec<Vec<u8>> = segment.statements().collect();
        self.harvest(here, &statements);
        Ok(Step::In(clear.tip()))
    }

    /// Whether nobody needs to wait for a segment, because its ops come, or came, in other chains.
    fn is_passed(&self, here: &Here<'_>, device: DeviceId, tip: Tip) -> Result<bool> {
        let branch = Branch { device, seq: tip.seq, root: tip.root };
        Ok(self.promised.contains(&branch) || here.catalog.is_carried(device, tip)?)
    }

    /// Looks into what waits for the word that segments of forked chains are carried; answers whether any was new.
    /// Only a member's word counts, and only under its signature.
    fn harvest_promises(&mut self, here: &Here<'_>) -> Result<bool> {
        let mut promised = Vec::new();
        let keys: BTreeMap<DeviceId, VerifyingKey> =
            self.waiting.keys().filter_map(|device| Some((*device, self.key_of(here, device)?.0))).collect();
        for (device, arrived) in &mut self.waiting {
            let Some(key) = keys.get(device) else { continue };
            for arrived in arrived.iter_mut().filter(|arrived| !arrived.has_promised) {
                let opened = SealedSegment::parse(&arrived.bytes)
                    .and_then(|sealed| sealed.verify(here.library(), key))
                    .and_then(|signed| signed.open(here.keys.keyring()));
                let Ok(segment) = opened else { continue };
                arrived.has_promised = true;
                for op in segment.ops().flatten() {
                    if let OpBody::Carried(branches) = op.body {
                        promised.extend(branches);
                    }
                }
            }
        }
        let before = self.promised.len();
        self.promised.extend(promised);
        Ok(self.promised.len() > before)
    }

    fn take(
        &mut self,
        here: &mut Here<'_>,
        segment: &Segment,
        bytes: &[u8],
        report: &mut HistoryReport,
    ) -> Result<Step> {
        let clear = *segment.clear();
        for (other, seen) in segment.seen().iter() {
            let root = here.catalog.segment_root(other, seen.seq)?;
            if root.is_some_and(|root| root != seen.root) {
                self.other_branches.insert(Branch { device: other, seq: seen.seq, root: seen.root });
            }
        }
        let now = (here.now)();
        match here.catalog.take_segment(segment, bytes, &self.promised, now) {
            Ok(taken) => {
                for error in taken.unreadable {
                    let (object, reason) = (clear.name(), error.to_string());
                    here.note(&mut report.problems, Problem::Unreadable { object, reason });
                }
                report.taken_segments += 1;
                report.new_ops += taken.new_ops;
                here.monitor.advance(Transfer::SegmentTaken, bytes.len() as u64);
                let statements: Vec<Vec<u8>> = segment.statements().collect();
                self.harvest(here, &statements);
                Ok(Step::In(clear.tip()))
            }
            Err(CatalogError::OutOfOrder { .. }) => Ok(Step::Wait),
            Err(CatalogError::Forked { device, seq }) => {
                Ok(Step::Stop(Problem::Forked { device, seq, missing: None }))
            }
            Err(CatalogError::Model(error @ ModelError::NeedsNewerVersion { .. })) => {
                Err(SyncError::Model(error))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn key_of(&self, here: &Here<'_>, device: &DeviceId) -> Option<(VerifyingKey, Option<Membership>)> {
        let member = self.roster.as_ref().and_then(|roster| roster.member(device));
        let own = here.keys.keyring().device();
        if own.id() == *device {
            return Some((*own.card().verifying_key(), member.map(|member| member.standing)));
        }
        member.map(|member| (*member.card.verifying_key(), Some(member.standing)))
    }

    /// Looks at the statements of everything that waits, although nobody vouches for it yet.
    pub(crate) fn harvest_waiting(&mut self, here: &Here<'_>, secrets: &(impl EpochSecrets + ?Sized)) {
        let mut found = Vec::new();
        for arrived in self.waiting.values_mut().flatten().filter(|arrived| !arrived.is_harvested) {
            let Ok(sealed) = SealedSegment::parse(&arrived.bytes) else { continue };
            if let Ok(statements) = sealed.peek_statements(here.library(), secrets) {
                arrived.is_harvested = true;
                found.extend(statements.into_iter().map(|statement| (*sealed.clear(), statement)));
            }
        }
        self.harvest(here, found.iter().map(|(_, statement)| statement));
        self.looked_at.extend(found);
    }

    /// Adds the statements of a segment that is not taken in yet; answers whether any was new.
    pub(crate) fn harvest_from(
        &mut self,
        here: &Here<'_>,
        sealed: &SealedSegment<'_>,
        found: Vec<Vec<u8>>,
    ) -> bool {
        let is_new = self.harvest(here, &found);
        self.looked_at.extend(found.into_iter().map(|statement| (*sealed.clear(), statement)));
        is_new
    }

    /// Adds statements; answers whether any was new.
    pub(crate) fn harvest<'a>(
        &mut self,
        here: &Here<'_>,
        found: impl IntoIterator<Item = &'a Vec<u8>>,
    ) -> bool {
        let mut is_new = false;
        for statement in found.into_iter().filter_map(|bytes| Statement::from_bytes(bytes).ok()) {
            if !self.statements.iter().any(|known| known.id() == statement.id()) {
                self.statements.push(statement);
                is_new = true;
            }
        }
        if is_new {
            self.roster = Roster::replay(here.library(), &self.statements);
        }
        is_new
    }

    /// Remembers how far each chain was verified in the place.
    pub(crate) fn record_heads(&self, here: &mut Here<'_>, at: &RemotePlace) -> Result<()> {
        let before: BTreeMap<DeviceId, Tip> = here.device.remote_heads(at.id)?.into_iter().collect();
        for (device, tip) in &self.known {
            let is_news = before
                .get(device)
                .is_none_or(|known| known.seq < tip.seq || known.seq == tip.seq && known.root != tip.root);
            if is_news {
                here.device.record_remote_head(at.id, *device, *tip)?;
            }
        }
        Ok(())
    }

    /// Opens what waits first of a device; none where it does not open, which is judged where it is taken in.
    fn open_waiting(here: &Here<'_>, arrived: &VecDeque<Arrived>, key: &VerifyingKey) -> Option<Segment> {
        let sealed = SealedSegment::parse(&arrived.front()?.bytes).ok()?;
        sealed.verify(here.library(), key).ok()?.open(here.keys.keyring()).ok()
    }

    /// Whether something waits for a device that is not among these: its own word, or one that admits the writer.
    pub(super) fn waits_for_others_than(&self, here: &Here<'_>, devices: &BTreeSet<DeviceId>) -> bool {
        self.waiting.iter().any(|(device, arrived)| {
            let Some((key, _)) = self.key_of(here, device) else { return true };
            let segment = Self::open_waiting(here, arrived, &key);
            segment.is_some_and(|segment| segment.seen().iter().any(|(other, _)| !devices.contains(&other)))
        })
    }

    /// The chains of which something that waits has seen more than is here.
    pub(super) fn awaited(&self, here: &Here<'_>) -> Result<BTreeSet<DeviceId>> {
        let mut awaited = BTreeSet::new();
        for (device, arrived) in &self.waiting {
            let Some((key, _)) = self.key_of(here, device) else { continue };
            let Some(segment) = Self::open_waiting(here, arrived, &key) else { continue };
            for (other, seen) in segment.seen().iter() {
                if here.catalog.tip(other)?.seq < seen.seq {
                    awaited.insert(other);
                }
            }
        }
        Ok(awaited)
    }

    /// Names what still waits, and for what.
    pub(super) fn name_waiting(&self, here: &Here<'_>, report: &mut HistoryReport) -> Result<()> {
        for branch in &self.other_branches {
            if !self.is_passed(here, branch.device, Tip { seq: branch.seq, root: branch.root })? {
                let Branch { device, seq, root } = *branch;
                let missing = Some(root);
                here.note(&mut report.problems, Problem::Forked { device, seq: seq.0, missing });
            }
        }
        for (device, arrived) in &self.waiting {
            let Some((key, _)) = self.key_of(here, device) else {
                here.note(&mut report.problems, Problem::Unadmitted { device: *device });
                continue;
            };
            let Some(segment) = Self::open_waiting(here, arrived, &key) else {
                let sealed = arrived.front().and_then(|first| SealedSegment::parse(&first.bytes).ok());
                if let Some((sealed, epoch)) = sealed.and_then(|sealed| Some((sealed, sealed.epoch()?))) {
                    let problem = self.without_key(here, *device, &sealed, epoch);
                    here.note(&mut report.problems, problem);
                }
                continue;
            };
            let clear = segment.clear();
            if clear.seq.0 > 1 && here.catalog.tip(*device)?.seq.0 + 1 >= clear.seq.0 {
                let before = Tip { seq: SegmentSeq(clear.seq.0 - 1), root: clear.prev };
                if here.catalog.segment_root(*device, before.seq)? != Some(before.root)
                    && !here.catalog.is_carried(*device, before)?
                {
                    let (device, seq, missing) = (*device, before.seq.0, Some(before.root));
                    here.note(&mut report.problems, Problem::Forked { device, seq, missing });
                    continue;
                }
            }
            for (other, seen) in segment.seen().iter() {
                let tip = here.catalog.tip(other)?;
                // A chain that was stopped has its own problem named already.
                if tip.seq < seen.seq && !self.stopped.contains_key(&other) {
                    let (seq, until, named_by) = (tip.seq.0 + 1, seen, segment.clear().name());
                    let problem = Problem::Withheld { device: other, seq, until, named_by };
                    here.note(&mut report.problems, problem);
                }
            }
        }
        Ok(())
    }
}

/// Whether a segment only fails to open because its epoch's secret is not here.
fn needs_epoch(error: &ModelError, sealed: &SealedSegment<'_>) -> Option<Step> {
    match error {
        ModelError::Sealed(error) if matches!(error.fault(), Some(Fault::UnknownKey { .. })) => {
            sealed.epoch().map(Step::NeedsEpoch)
        }
        _ => None,
    }
}
