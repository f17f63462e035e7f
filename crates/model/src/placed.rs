//! What rests in which remote, as history says it: replicas, marks, acknowledgements, lapses.
//!
//! Each is a set, and merging joins sets: so it does not matter in which order they come, or how often. A record of
//! an object that any mark names is void for ever, whichever came first. None of them is part of the state hash of
//! fold version 1. Specified in sl1-history §10; model-checked in `crates/collect-model`.

use crate::cbor::{Decode, Encode, Malformed, Reader, Writer};
use crate::ids::{DeviceId, ObjectName, OpId, OpIds, PlaceId, SegmentSeq};

/// How many objects, or ranges, one op may list.
pub const MAX_PLACED: usize = 4096;

/// An object at a remote: which prefix it rests under, its name, and which upload of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlacedObject {
    /// The ASCII code of its prefix: `o`, `t`, `p` or `s`; others are kept and are of no use.
    pub class: u8,
    /// Its name.
    pub name: ObjectName,
    /// Which upload: 0 the first.
    pub generation: u32,
}

impl PlacedObject {
    /// A part of an original.
    #[must_use]
    pub const fn original(name: ObjectName, generation: u32) -> Self {
        Self { class: b'o', name, generation }
    }
}

/// Ops of one session, by their counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpRange {
    /// The session.
    pub session: u64,
    /// The first op.
    pub first: u32,
    /// The last op, which is the first or comes after it.
    pub last: u32,
}

impl OpRange {
    /// Whether an op lies in the range.
    #[must_use]
    pub fn contains(&self, op: OpId) -> bool {
        op.session == self.session && (self.first..=self.last).contains(&op.counter)
    }
}

/// Objects that were seen whole in a remote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replicas {
    /// The remote.
    pub place: PlaceId,
    /// Every part of the originals that the additions in these ranges brought is there in generation 0…
    pub additions: Vec<OpRange>,
    /// …but not of these.
    pub except: OpIds,
    /// And these objects are there.
    pub objects: Vec<PlacedObject>,
}

/// Why objects are marked. Numbers that a reader does not know are treated as [`MarkReason::Dropped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkReason {
    /// The user or a policy drops it here.
    Dropped,
    /// Nothing references it.
    Unreferenced,
    /// Nothing records it.
    Orphan,
    /// It is damaged or missing.
    Damaged,
    /// It holds something that was forgotten.
    Forgotten,
    /// A reason of a later version.
    Other(u16),
}

impl MarkReason {
    /// The number in the format.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Dropped => 1,
            Self::Unreferenced => 2,
            Self::Orphan => 3,
            Self::Damaged => 4,
            Self::Forgotten => 5,
            Self::Other(code) => code,
        }
    }

    /// The reason of a number.
    #[must_use]
    pub const fn from_code(code: u16) -> Self {
        match code {
            1 => Self::Dropped,
            2 => Self::Unreferenced,
            3 => Self::Orphan,
            4 => Self::Damaged,
            5 => Self::Forgotten,
            code => Self::Other(code),
        }
    }
}

/// Objects that are to leave a remote: nobody may rely on them from now on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The remote.
    pub place: PlaceId,
    /// Why.
    pub why: MarkReason,
    /// The objects, ascending, at least one.
    pub objects: Vec<PlacedObject>,
}

/// A device that had published nothing for long, up to a segment: it is not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lapse {
    /// The device.
    pub device: DeviceId,
    /// The last segment of it that the writer had read; 0 for none.
    pub seq: SegmentSeq,
}

impl Replicas {
    pub(crate) fn broken_rule(&self) -> Option<&'static str> {
        if self.additions.is_empty() && self.objects.is_empty() {
            return Some("a record of replicas names something");
        }
        if self.additions.len() > MAX_PLACED || self.objects.len() > MAX_PLACED {
            return Some("a record of replicas lists at most 4096 ranges and 4096 objects");
        }
        if self.additions.iter().any(|range| range.first > range.last) {
            return Some("a range of ops does not end before it begins");
        }
        let apart = |a: &OpRange, b: &OpRange| {
            (a.session, u64::from(a.last) + 1) < (b.session, u64::from(b.first)) || a.session < b.session
        };
        if !self.additions.is_sorted_by(apart) {
            return Some("ranges of ops ascend and do not touch");
        }
        if self.except.into_iter().any(|op| !self.additions.iter().any(|range| range.contains(*op))) {
            return Some("an exception lies in one of the ranges");
        }
        objects_rule(&self.objects)
    }
}

impl Mark {
    pub(crate) fn broken_rule(&self) -> Option<&'static str> {
        if self.objects.is_empty() || self.objects.len() > MAX_PLACED {
            return Some("a mark names 1 to 4096 objects");
        }
        objects_rule(&self.objects)
    }
}

fn objects_rule(objects: &[PlacedObject]) -> Option<&'static str> {
    (!objects.is_sorted_by(|a, b| a < b)).then_some("objects ascend, each once")
}

/// `[class, name, generation]`.
impl Encode for PlacedObject {
    fn encode(&self, to: &mut Writer) {
        to.array(3);
        to.value(&self.class);
        to.value(&self.name);
        to.value(&self.generation);
    }
}

impl Decode for PlacedObject {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(3)?;
        let class = u8::decode(from)?;
        Ok(Self { class, name: ObjectName::decode(from)?, generation: u32::decode(from)? })
    }
}

/// `[session, first, last]`.
impl Encode for OpRange {
    fn encode(&self, to: &mut Writer) {
        to.array(3);
        to.bytes(&self.session.to_be_bytes());
        to.value(&self.first);
        to.value(&self.last);
    }
}

impl Decode for OpRange {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(3)?;
        let session = u64::from_be_bytes(from.fixed()?);
        Ok(Self { session, first: u32::decode(from)?, last: u32::decode(from)? })
    }
}

impl Encode for MarkReason {
    fn encode(&self, to: &mut Writer) {
        to.value(&self.code());
    }
}

impl Decode for MarkReason {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        u16::decode(from).map(Self::from_code)
    }
}
