//! A record: typed fields and sets. Albums and the library are records; so is each life of an asset, and so
//! is every thing of a kind that later versions introduce.
//!
//! Specified in sl1-history §7.4.

use super::register::{ObservedSet, Register, Write};
use crate::cbor::{Decode, Encode, Malformed, MapWriter, Reader, Writer};
use crate::clock::Stamp;
use crate::field::{Field, SetName, Target};
use crate::ids::{OpId, OpIds};
use crate::op::{Op, OpBody};
use crate::value::Value;

/// What people typed about one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    fields: Vec<(Field, Register<Value>)>,
    sets: Vec<(SetName, ObservedSet)>,
}

impl Record {
    /// A record about which nobody typed anything.
    #[must_use]
    pub const fn new() -> Self {
        Self { fields: Vec::new(), sets: Vec::new() }
    }

    /// All the fields that were ever written.
    pub fn fields(&self) -> impl Iterator<Item = (&Field, &Register<Value>)> {
        self.fields.iter().map(|(field, register)| (field, register))
    }

    /// A field, if it was ever written.
    #[must_use]
    pub fn field(&self, field: impl Into<Field>) -> Option<&Register<Value>> {
        let field = field.into();
        let place = self.fields.binary_search_by(|(known, _)| known.cmp(&field)).ok()?;
        self.fields.get(place).map(|(_, register)| register)
    }

    /// The value of a field that shows; [`Value::None`] counts as absent.
    #[must_use]
    pub fn value(&self, field: impl Into<Field>) -> Option<&Value> {
        let write = self.field(field)?.winner()?;
        (write.value != Value::None).then_some(&write.value)
    }

    /// A set, if anything was ever put in or taken out.
    #[must_use]
    pub fn set(&self, name: SetName) -> Option<&ObservedSet> {
        let place = self.sets.binary_search_by(|(known, _)| known.cmp(&name)).ok()?;
        self.sets.get(place).map(|(_, set)| set)
    }

    /// The op that types a value over what this record shows.
    #[must_use]
    pub fn write_field(&self, target: Target, field: impl Into<Field>, value: impl Into<Value>) -> OpBody {
        let field = field.into();
        let supersedes = self.field(field.clone()).map(Register::head_ids).unwrap_or_default();
        OpBody::Set { target, field, value: value.into(), supersedes }
    }

    /// The op that puts an element in; `None` if it is there already.
    #[must_use]
    pub fn put_in(&self, target: Target, set: SetName, element: impl Into<Value>) -> Option<OpBody> {
        let element = element.into();
        let there = self.set(set).is_some_and(|known| known.contains(&element));
        (!there).then_some(OpBody::AddTo { target, set, element })
    }

    /// The op that takes an element out; `None` if it is not there.
    #[must_use]
    pub fn take_out(&self, target: Target, set: SetName, element: impl Into<Value>) -> Option<OpBody> {
        let element = element.into();
        let removes = self.set(set)?.additions(&element);
        (!removes.is_empty()).then_some(OpBody::RemoveFrom { target, set, element, removes })
    }

    /// Takes a field away, for a view that must not show it.
    pub(crate) fn remove_field(&mut self, field: impl Into<Field>) {
        let field = field.into();
        self.fields.retain(|(known, _)| *known != field);
    }

    pub(crate) fn fold(&mut self, op: &Op) -> bool {
        match &op.body {
            OpBody::Set { field, value, supersedes, .. } => {
                self.write(op.id, op.stamp, field, value, supersedes)
            }
            OpBody::AddTo { set, element, .. } => self.set_mut(*set).add(op.id, element),
            OpBody::RemoveFrom { set, removes, .. } => self.set_mut(*set).remove(removes),
            _ => false,
        }
    }

    fn write(&mut self, op: OpId, stamp: Stamp, field: &Field, value: &Value, supersedes: &OpIds) -> bool {
        self.field_mut(field).write(Write { op, stamp, value: value.clone() }, supersedes)
    }

    pub(crate) fn merge(&mut self, other: Self) -> bool {
        let mut changed = false;
        for (field, register) in other.fields {
            changed |= self.field_mut(&field).merge(register);
        }
        for (name, set) in &other.sets {
            changed |= self.set_mut(*name).merge(set);
        }
        changed
    }

    fn field_mut(&mut self, field: &Field) -> &mut Register<Value> {
        let place = self.fields.binary_search_by(|(known, _)| known.cmp(field)).unwrap_or_else(|place| {
            self.fields.insert(place, (field.clone(), Register::default()));
            place
        });
        &mut self.fields[place].1
    }

    fn set_mut(&mut self, name: SetName) -> &mut ObservedSet {
        let place = self.sets.binary_search_by(|(known, _)| known.cmp(&name)).unwrap_or_else(|place| {
            self.sets.insert(place, (name, ObservedSet::default()));
            place
        });
        &mut self.sets[place].1
    }

    /// Writes fields under `key` and sets under the key after it, each only if there are any.
    pub(crate) fn encode_entries(&self, map: &mut MapWriter<'_>, key: u64) {
        map.some_list(key, &self.fields.iter().map(Named).collect::<Vec<_>>());
        map.some_list(key + 1, &self.sets.iter().map(Named).collect::<Vec<_>>());
    }

    pub(crate) fn decode_fields(&mut self, from: &mut Reader<'_>) -> Result<(), Malformed> {
        self.fields = named(from)?;
        Ok(())
    }

    pub(crate) fn decode_sets(&mut self, from: &mut Reader<'_>) -> Result<(), Malformed> {
        self.sets = named(from)?;
        Ok(())
    }
}

/// `[name, register or set]`.
struct Named<'a, N, T>(&'a (N, T));

impl<N: Encode, T: Encode> Encode for Named<'_, N, T> {
    fn encode(&self, to: &mut Writer) {
        to.array(2);
        to.value(&self.0.0);
        to.value(&self.0.1);
    }
}

fn named<N: Decode + Ord, T: Decode>(from: &mut Reader<'_>) -> Result<Vec<(N, T)>, Malformed> {
    let items = from.array(usize::MAX)?;
    from.ensure(items > 0, "an empty list is not written")?;
    let mut list: Vec<(N, T)> = Vec::with_capacity(items.min(16));
    for _ in 0..items {
        from.array_of(2)?;
        let (name, value) = (N::decode(from)?, T::decode(from)?);
        from.ensure(list.last().is_none_or(|(last, _)| *last < name), "names ascend")?;
        list.push((name, value));
    }
    Ok(list)
}
