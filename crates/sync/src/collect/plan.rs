//! What of the marked objects in a remote may be deleted now, and what the others wait for (sl1-history §10.4).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use safelight_catalog::{RemoteId, StoredMark};
use safelight_crypto::{DeviceId, Roster, Standing};
use safelight_model::{PlaceId, PlacedObject};
use safelight_store::{Area, ObjectPath, Tier};

use super::acknowledge::parts_of;
use super::need::{Trust, Without, can_do_without};
use super::objects::object_of;
use super::{DAY_MILLIS, GRACE_MILLIS};
use crate::error::Result;
use crate::here::{Here, RemotePlace};

/// Why a marked object is not deleted yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waits {
    /// These active devices have not acknowledged the mark.
    ForDevices(BTreeSet<DeviceId>),
    /// A retired or revoked device's last segment was not read yet.
    ForHistory(BTreeSet<DeviceId>),
    /// It rests until this time, in milliseconds since 1970.
    Until(i64),
    /// It is still needed: these remotes of this device are said to hold it too, and this device has not proven that
    /// within 30 days.
    ForProof(BTreeSet<RemoteId>),
    /// It is still needed: this device could not do without it, because nothing else that is connected here is known
    /// to hold it.
    StillNeeded,
    /// It may go, and was not in the plan that somebody agreed to.
    NotShown,
}

/// How many objects, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Held {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }
}

/// What a collection would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectPlan {
    /// What may be deleted now.
    pub ready: Held,
    /// The same, object by object: what a collection that somebody agreed to may delete at most.
    pub shown: HashSet<ObjectPath>,
    /// What waits, and for what.
    pub waiting: BTreeMap<Waits, Held>,
    /// What is listed and not marked: it stays.
    pub kept: Held,
    /// Objects that were marked just now, or in a plan would be, because nothing needs or knows them; they wait from
    /// then on. A collection that somebody agreed to marks at most what its plan would.
    pub newly_marked: BTreeSet<PlacedObject>,
    /// Why nothing at all can be deleted: this device is away, history is incomplete, or the credential may not.
    pub hindrances: Vec<String>,
}

/// One object that may be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) object: PlacedObject,
    pub(super) path: ObjectPath,
    pub(super) bytes: u64,
}

/// Objects that are judged together: a list of them is what a collection holds in memory.
const AT_ONCE: usize = 16_384;

/// The classes of objects that collecting goes through.
const AREAS: [Area; 4] = [Area::Original, Area::Thumbnails, Area::Previews, Area::Small];

/// Judges marks and objects; marks are looked up once.
pub(super) struct Judge {
    place: PlaceId,
    roster: Roster,
    marks: HashMap<i64, MarkStanding>,
    now_millis: i64,
}

#[derive(Clone)]
enum MarkStanding {
    Acknowledged { last_millis: i64 },
    Waits(Waits),
}

impl Judge {
    pub(super) fn new(here: &Here<'_>, place: PlaceId, roster: Roster) -> Self {
        Self { place, roster, marks: HashMap::new(), now_millis: here.now_millis() }
    }

    /// Whether every active device has acknowledged a mark in a segment that was read here.
    fn mark(&mut self, here: &Here<'_>, mark: &StoredMark) -> Result<MarkStanding> {
        if let Some(known) = self.marks.get(&mark.number) {
            return Ok(known.clone());
        }
        let acknowledged = here.catalog.acknowledgements(mark.op)?;
        let (mut missing, mut unread) = (BTreeSet::new(), BTreeSet::new());
        for (device, member) in self.roster.members() {
            match member.standing {
                Standing::Retired { last_seq } | Standing::Revoked { last_seq, .. } => {
                    if here.catalog.tip(*device)?.seq.0 < last_seq {
                        unread.insert(*device);
                    }
                }
                _ => {
                    if !acknowledged.contains_key(device) && !here.catalog.is_lapsed(*device)? {
                        missing.insert(*device);
                    }
                }
            }
        }
        let standing = if !missing.is_empty() {
            MarkStanding::Waits(Waits::ForDevices(missing))
        } else if !unread.is_empty() {
            MarkStanding::Waits(Waits::ForHistory(unread))
        } else {
            // A mark that nobody has to wait for rests from when it is first seen to be so: by its own device.
            let last_millis = acknowledged.values().max().copied().unwrap_or(self.now_millis);
            MarkStanding::Acknowledged { last_millis }
        };
        self.marks.insert(mark.number, standing.clone());
        Ok(standing)
    }

    /// Whether an object may go as far as its marks and time are concerned; none if it is not marked.
    pub(super) fn object(
        &mut self,
        here: &Here<'_>,
        object: &PlacedObject,
        tier: Option<Tier>,
    ) -> Result<Option<Option<Waits>>> {
        let marks = here.catalog.marks_of(self.place, object)?;
        if marks.is_empty() {
            return Ok(None);
        }
        // One mark that all have acknowledged is enough.
        let mut nearest: Option<Waits> = None;
        for mark in &marks {
            let waits = match self.mark(here, mark)? {
                MarkStanding::Waits(waits) => waits,
                MarkStanding::Acknowledged { last_millis } => {
                    let until = last_millis.saturating_add(GRACE_MILLIS.max(least_millis(tier)));
                    if until <= self.now_millis {
                        return Ok(Some(None));
                    }
                    Waits::Until(until)
                }
            };
            let is_nearer = match (&nearest, &waits) {
                (Some(Waits::Until(known)), Waits::Until(until)) => until < known,
                (Some(Waits::Until(_)), _) => false,
                (_, Waits::Until(_)) | (None, _) => true,
                _ => false,
            };
            if is_nearer {
                nearest = Some(waits);
            }
        }
        Ok(Some(nearest))
    }
}

/// How long a provider bills an object of a tier at least: Azure's cool 30, cold 90, archive 180 days; those of S3
/// are not longer.
fn least_millis(tier: Option<Tier>) -> i64 {
    DAY_MILLIS
        * match tier {
            Some(Tier::Cool) => 30,
            Some(Tier::Cold) => 90,
            Some(Tier::Archive) => 180,
            _ => 0,
        }
}

/// Goes through everything that the place lists, page by page, and gives each stretch of objects that may go to
/// `take`; with `shown`, only what is among that. Memory: one stretch, and the names of what may go.
pub(super) async fn go_through(
    here: &mut Here<'_>,
    at: &RemotePlace,
    judge: &mut Judge,
    shown: Option<&HashSet<ObjectPath>>,
    plan: &mut CollectPlan,
    mut take: impl AsyncFnMut(&mut Here<'_>, Vec<Ready>) -> Result<()>,
) -> Result<()> {
    for area in AREAS {
        let mut after = None;
        let mut ready: Vec<Ready> = Vec::new();
        loop {
            here.stop.check()?;
            let page = at.store.list(area, after.as_ref()).await?;
            for info in page.objects {
                let Ok(path) = ObjectPath::parse(info.key.as_str()) else { continue };
                let Some(object) = object_of(&path).filter(|_| path.area() == area) else { continue };
                match judge.object(here, &object, info.tier)? {
                    None => plan.kept.add(info.length_bytes),
                    Some(Some(waits)) => plan.waiting.entry(waits).or_default().add(info.length_bytes),
                    Some(None) => ready.push(Ready { object, path, bytes: info.length_bytes }),
                }
            }
            let is_last = page.next.is_none();
            if is_last || ready.len() >= AT_ONCE {
                let spared = spare(here, std::mem::take(&mut ready), shown, plan)?;
                take(here, spared).await?;
            }
            if is_last {
                break;
            }
            after = page.next;
        }
    }
    Ok(())
}

/// Keeps of the objects those that this device can do without, whatever others say that they hold, and that were shown.
fn spare(
    here: &Here<'_>,
    ready: Vec<Ready>,
    shown: Option<&HashSet<ObjectPath>>,
    plan: &mut CollectPlan,
) -> Result<Vec<Ready>> {
    let parts = parts_of(here, ready.iter().map(|ready| &ready.object))?;
    let mut spared = Vec::with_capacity(ready.len());
    for one in ready {
        let waits = match can_do_without(here, &one.object, &parts, Trust::Proven)? {
            Without::Yes if shown.is_some_and(|shown| !shown.contains(&one.path)) => Waits::NotShown,
            Without::Yes => {
                plan.ready.add(one.bytes);
                plan.shown.insert(one.path.clone());
                spared.push(one);
                continue;
            }
            Without::Unproven(remotes) => Waits::ForProof(remotes),
            Without::No => Waits::StillNeeded,
        };
        tracing::debug!(object = %one.path, ?waits, "it stays for now");
        plan.waiting.entry(waits).or_default().add(one.bytes);
    }
    Ok(spared)
}
