//! Multi-value registers and observed-remove sets: how two people's typing meets.
//!
//! Invariant: a write that names another is after it, whatever any clock says; writes that did not know of
//! each other both stay, and the clock only chooses which one shows. Everything here is a union of sets, so
//! order and repetition cannot matter; ids that were named stay remembered, so what they name may come later.
//!
//! Registers after "A comprehensive study of CRDTs" (Shapiro et al., 2011) §3.2.2, with op ids in place of
//! version vectors; sets after its §3.3.5. Specified in sl1-history §7.2 and §7.3.

use crate::cbor::{self, Decode, Encode, Malformed, Reader, Writer};
use crate::clock::Stamp;
use crate::ids::{OpId, OpIds};
use crate::value::Value;

/// One write that nothing known has replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write<T> {
    /// The op that wrote it.
    pub op: OpId,
    /// When.
    pub stamp: Stamp,
    /// What.
    pub value: T,
}

/// A field: the writes that nothing known has replaced, and the names of those that were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register<T> {
    heads: Vec<Write<T>>,
    superseded: OpIds,
}

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Register<T> {
    /// A field that nobody wrote.
    #[must_use]
    pub const fn new() -> Self {
        Self { heads: Vec::new(), superseded: OpIds::new() }
    }

    /// The writes that nothing known has replaced, by op id.
    #[must_use]
    pub fn heads(&self) -> &[Write<T>] {
        &self.heads
    }

    /// The ids of the heads: what the next write supersedes.
    #[must_use]
    pub fn head_ids(&self) -> OpIds {
        self.heads.iter().map(|write| write.op).collect()
    }

    /// The write that shows: the latest stamp, then the highest op id.
    #[must_use]
    pub fn winner(&self) -> Option<&Write<T>> {
        self.heads.iter().max_by_key(|write| (write.stamp, write.op))
    }

    /// Whether nothing was ever written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.superseded.is_empty()
    }
}

impl<T: PartialEq> Register<T> {
    /// The values that lost to the winner and differ from it, each once, latest first.
    #[must_use]
    pub fn conflicts(&self) -> Vec<&Write<T>> {
        let mut writes: Vec<_> = self.heads.iter().collect();
        writes.sort_by_key(|write| std::cmp::Reverse((write.stamp, write.op)));
        let mut shown: Vec<&Write<T>> = Vec::new();
        for write in writes {
            if shown.iter().all(|other| other.value != write.value) {
                shown.push(write);
            }
        }
        shown.split_off(usize::from(!shown.is_empty()))
    }
}

impl<T> Register<T> {
    /// Folds a write in; answers whether anything changed.
    pub(crate) fn write(&mut self, write: Write<T>, supersedes: &OpIds) -> bool
    where
        T: Encode + PartialEq,
    {
        let mut changed = self.supersede(supersedes);
        if !self.superseded.contains(write.op) {
            changed |= insert_write(&mut self.heads, write);
        }
        changed
    }

    fn supersede(&mut self, ids: &OpIds) -> bool {
        let changed = self.superseded.extend_from(ids);
        self.heads.retain(|head| !ids.contains(head.op));
        changed
    }

    pub(crate) fn merge(&mut self, other: Self) -> bool
    where
        T: Encode + PartialEq,
    {
        let mut changed = self.supersede(&other.superseded);
        for head in other.heads {
            changed |= self.write(head, &OpIds::new());
        }
        changed
    }
}

/// Adds a write to a list by op id. Two different writes of one id can only be forged; the greater stays.
pub(crate) fn insert_write<T: Encode + PartialEq>(writes: &mut Vec<Write<T>>, write: Write<T>) -> bool {
    match writes.binary_search_by_key(&write.op, |known| known.op) {
        Err(place) => {
            writes.insert(place, write);
            true
        }
        Ok(place) => writes.get_mut(place).is_some_and(|known| {
            let greater = *known != write && order(known) < order(&write);
            if greater {
                *known = write;
            }
            greater
        }),
    }
}

fn order<T: Encode>(write: &Write<T>) -> (Stamp, Vec<u8>) {
    (write.stamp, cbor::to_bytes(&write.value))
}

/// A set: its elements with the additions that put them there, and the names of additions taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedSet {
    elements: Vec<(Value, OpIds)>,
    removed: OpIds,
}

impl ObservedSet {
    /// The elements, in the order of their encodings.
    pub fn elements(&self) -> impl Iterator<Item = &Value> {
        self.elements.iter().map(|(element, _)| element)
    }

    /// Whether the element is in the set.
    #[must_use]
    pub fn contains(&self, element: &Value) -> bool {
        self.find(element).is_ok()
    }

    /// The additions that put the element here: what a removal names.
    #[must_use]
    pub fn additions(&self, element: &Value) -> OpIds {
        self.find(element)
            .ok()
            .and_then(|place| self.elements.get(place))
            .map(|(_, ops)| ops.clone())
            .unwrap_or_default()
    }

    /// Whether nothing was ever put in or taken out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty() && self.removed.is_empty()
    }

    fn find(&self, element: &Value) -> Result<usize, usize> {
        self.elements.binary_search_by(|(known, _)| known.cmp(element))
    }

    pub(crate) fn add(&mut self, op: OpId, element: &Value) -> bool {
        if self.removed.contains(op) {
            return false;
        }
        match self.find(element) {
            Ok(place) => self.elements.get_mut(place).is_some_and(|(_, ops)| ops.insert(op)),
            Err(place) => {
                self.elements.insert(place, (element.clone(), OpIds::from(vec![op])));
                true
            }
        }
    }

    pub(crate) fn remove(&mut self, removes: &OpIds) -> bool {
        let changed = self.removed.extend_from(removes);
        self.elements.retain_mut(|(_, ops)| {
            ops.retain(|op| !removes.contains(op));
            !ops.is_empty()
        });
        changed
    }

    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let mut changed = self.remove(&other.removed);
        for (element, ops) in &other.elements {
            for op in ops {
                changed |= self.add(*op, element);
            }
        }
        changed
    }
}

/// All the ids that a state remembers; unlike in an op, their number is not limited.
pub(crate) fn remembered(from: &mut Reader<'_>) -> Result<OpIds, Malformed> {
    from.sorted(usize::MAX).map(OpIds::from)
}

/// `[op, stamp, value]`.
impl<T: Encode> Encode for Write<T> {
    fn encode(&self, to: &mut Writer) {
        to.array(3);
        to.value(&self.op);
        to.value(&self.stamp);
        to.value(&self.value);
    }
}

impl<T: Decode> Decode for Write<T> {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(3)?;
        Ok(Self { op: OpId::decode(from)?, stamp: Stamp::decode(from)?, value: T::decode(from)? })
    }
}

/// `[heads, superseded]`.
impl<T: Encode> Encode for Register<T> {
    fn encode(&self, to: &mut Writer) {
        to.array(2);
        to.list(&self.heads);
        to.value(&self.superseded);
    }
}

impl<T: Decode> Decode for Register<T> {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(2)?;
        let register = Self { heads: writes(from)?, superseded: remembered(from)? };
        let replaced = register.heads.iter().any(|head| register.superseded.contains(head.op));
        from.ensure(!replaced, "a head is not superseded")?;
        Ok(register)
    }
}

/// Writes in the order of their op ids.
pub(crate) fn writes<T: Decode>(from: &mut Reader<'_>) -> Result<Vec<Write<T>>, Malformed> {
    let writes: Vec<Write<T>> = from.list(usize::MAX)?;
    from.ensure(writes.is_sorted_by(|a, b| a.op < b.op), "writes ascend by op id")?;
    Ok(writes)
}

struct Element<'a>(&'a (Value, OpIds));

impl Encode for Element<'_> {
    fn encode(&self, to: &mut Writer) {
        to.array(2);
        to.value(&self.0.0);
        to.value(&self.0.1);
    }
}

/// `[[[element, additions], …], removed]`.
impl Encode for ObservedSet {
    fn encode(&self, to: &mut Writer) {
        to.array(2);
        to.list(&self.elements.iter().map(Element).collect::<Vec<_>>());
        to.value(&self.removed);
    }
}

impl Decode for ObservedSet {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(2)?;
        let mut elements: Vec<(Value, OpIds)> = Vec::new();
        for _ in 0..from.array(usize::MAX)? {
            from.array_of(2)?;
            let (element, ops) = (Value::decode(from)?, remembered(from)?);
            from.ensure(!ops.is_empty(), "an element has an addition")?;
            from.ensure(elements.last().is_none_or(|(last, _)| *last < element), "elements ascend")?;
            elements.push((element, ops));
        }
        let removed = remembered(from)?;
        let gone = elements.iter().any(|(_, ops)| ops.into_iter().any(|op| removed.contains(*op)));
        from.ensure(!gone, "an addition is not removed")?;
        Ok(Self { elements, removed })
    }
}
