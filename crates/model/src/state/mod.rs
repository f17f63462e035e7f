//! States: what the ops about one thing come to, whatever their order.
//!
//! Invariant: folding is commutative, associative and idempotent over any ops in any order and repetition
//! (`tests/laws.rs`), and a state has one encoding, so two devices that folded the same ops hold the same
//! bytes. Why one state per entity: a catalogue folds a million assets one op at a time and reads, folds and
//! writes only the few hundred bytes that an op touches. Specified in sl1-history §7.

mod asset;
mod content;
mod hash;
mod record;
mod register;

use crate::cbor::{self, Decode, Encode, Malformed, Reader, Writer};
use crate::error::ModelError;
use crate::ids::EntityId;
use crate::op::Op;

pub use asset::{Addition, AssetState, Contents, LifeState, SeenAt};
pub use content::{ContentState, Finding};
pub use hash::{StateHash, StateHasher};
pub use record::Record;
pub use register::{ObservedSet, Register, Write};

/// The version of the fold's rules and of the encoding of states. A catalogue that was folded by another
/// version is rebuilt from its ops.
pub const FOLD_VERSION: u32 = 2;

/// The state of one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntityState {
    /// Of an asset.
    Asset(AssetState),
    /// Of an album, of the library, or of a thing that this version does not know.
    Record(Record),
    /// Of a content.
    Content(ContentState),
}

impl EntityState {
    /// The state of an entity before any op.
    #[must_use]
    pub fn new(entity: &EntityId) -> Self {
        match entity {
            EntityId::Asset(_) => Self::Asset(AssetState::default()),
            EntityId::Content(_) => Self::Content(ContentState::default()),
            EntityId::Library | EntityId::Album(_) | EntityId::Other { .. } => {
                Self::Record(Record::default())
            }
        }
    }

    /// Whether it is the kind of state that this entity has.
    #[must_use]
    pub fn is_of(&self, entity: &EntityId) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(&Self::new(entity))
    }

    /// Folds an op in that names this entity among its targets; answers whether the state changed.
    ///
    /// An op of another entity's kind changes nothing.
    pub fn fold(&mut self, op: &Op) -> bool {
        match self {
            Self::Asset(state) => state.fold(op),
            Self::Record(state) => state.fold(op),
            Self::Content(state) => state.fold(op),
        }
    }

    /// Folds in everything that another state of the same entity was folded from; answers whether the state
    /// changed.
    pub fn merge(&mut self, other: Self) -> bool {
        match (self, other) {
            (Self::Asset(state), Self::Asset(other)) => state.merge(other),
            (Self::Record(state), Self::Record(other)) => state.merge(other),
            (Self::Content(state), Self::Content(other)) => state.merge(&other),
            _ => false,
        }
    }

    /// The only encoding of this state, for the catalogue and for the state hash.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::to_bytes(self)
    }

    /// Reads [`EntityState::to_bytes`] back.
    ///
    /// # Errors
    /// [`ModelError::Malformed`] for anything else, also for states of another [`FOLD_VERSION`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        Reader::whole(bytes).map_err(ModelError::malformed("entity state"))
    }

    /// The state of an asset, if it is one.
    #[must_use]
    pub fn as_asset(&self) -> Option<&AssetState> {
        if let Self::Asset(state) = self { Some(state) } else { None }
    }

    /// The state of a content, if it is one.
    #[must_use]
    pub fn as_content(&self) -> Option<&ContentState> {
        if let Self::Content(state) = self { Some(state) } else { None }
    }

    /// The state of an album, the library or an unknown thing, if it is one.
    #[must_use]
    pub fn as_record(&self) -> Option<&Record> {
        if let Self::Record(state) = self { Some(state) } else { None }
    }
}

const ASSET: u64 = 1;
const RECORD: u64 = 2;
const CONTENT: u64 = 3;

/// `[kind of state, state]`.
impl Encode for EntityState {
    fn encode(&self, to: &mut Writer) {
        to.array(2);
        match self {
            Self::Asset(state) => {
                to.unsigned(ASSET);
                to.value(state);
            }
            Self::Record(state) => {
                to.unsigned(RECORD);
                to.map(|map| state.encode_entries(map, 0));
            }
            Self::Content(state) => {
                to.unsigned(CONTENT);
                to.map(|map| state.encode_entries(map));
            }
        }
    }
}

impl Decode for EntityState {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(2)?;
        match from.unsigned()? {
            ASSET => AssetState::decode(from).map(Self::Asset),
            RECORD => decode_record(from).map(Self::Record),
            CONTENT => decode_content(from).map(Self::Content),
            _ => Err(from.broken("there is no such kind of state")),
        }
    }
}

fn decode_record(from: &mut Reader<'_>) -> Result<Record, Malformed> {
    let mut record = Record::default();
    let unread = from.map(|key, from| {
        match key {
            0 => record.decode_fields(from)?,
            1 => record.decode_sets(from)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    from.ensure(unread.is_empty(), "the state was folded by another version")?;
    Ok(record)
}

fn decode_content(from: &mut Reader<'_>) -> Result<ContentState, Malformed> {
    let mut content = ContentState::default();
    let unread = from.map(|key, from| content.decode_entry(key, from))?;
    from.ensure(unread.is_empty(), "the state was folded by another version")?;
    Ok(content)
}
