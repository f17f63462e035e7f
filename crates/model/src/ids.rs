//! Names of things: assets, albums, ops, segments, entities.
//!
//! Invariant: an id is a name and nothing else; it is never computed from where a thing lies or how it is
//! called, so moving and renaming change no id. Specified in sl1-history §2.

use std::fmt;

pub use safelight_crypto::{ContentHash, DeviceId, EpochId, LibraryId, ObjectName};
use safelight_crypto::{base32, base32_decode};
use serde::{Deserialize, Serialize};

use crate::cbor::{Decode, Encode, Malformed, Reader, Writer};

/// One photo or video, named by the hash of its first content; it keeps this name when the content changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AssetId(pub ContentHash);

/// How many times an asset came back after a purge; the first life is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Life(pub u32);

/// One album: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlbumId(pub [u8; 16]);

/// One remote, by the id that rests at the place itself: 16 random bytes (sl1-history §8.9).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlaceId(pub [u8; 16]);

/// One op: the random number of the session that wrote it, and its place in that session.
///
/// A session is drawn anew whenever a catalogue opens, so ids survive restored backups and cloned machines.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId {
    /// 64 random bits.
    pub session: u64,
    /// Counts from 0 within the session.
    pub counter: u32,
}

/// The place of a segment in its device's chain; the first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SegmentSeq(pub u32);

/// What makes two segments the same: the root of the Merkle tree over what they say.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentRoot(pub [u8; 32]);

/// A set of op ids, ascending and without repetitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpIds(Vec<OpId>);

/// How many op ids one op may name.
pub const MAX_OP_IDS: usize = 4096;

impl OpIds {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The ids, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[OpId] {
        &self.0
    }

    /// Whether the set holds this id.
    #[must_use]
    pub fn contains(&self, id: OpId) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many ids the set holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds an id; answers whether it is new.
    pub fn insert(&mut self, id: OpId) -> bool {
        match self.0.binary_search(&id) {
            Ok(_) => false,
            Err(place) => {
                self.0.insert(place, id);
                true
            }
        }
    }

    /// Keeps only the ids for which `keep` holds.
    pub fn retain(&mut self, keep: impl FnMut(OpId) -> bool) {
        let mut keep = keep;
        self.0.retain(|id| keep(*id));
    }

    /// Adds all the ids of another set; answers whether any was new.
    pub fn extend_from(&mut self, other: &Self) -> bool {
        let mut changed = false;
        for id in other {
            changed |= self.insert(*id);
        }
        changed
    }
}

impl From<Vec<OpId>> for OpIds {
    fn from(mut ids: Vec<OpId>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self(ids)
    }
}

impl FromIterator<OpId> for OpIds {
    fn from_iter<I: IntoIterator<Item = OpId>>(ids: I) -> Self {
        Self::from(ids.into_iter().collect::<Vec<_>>())
    }
}

impl<'a> IntoIterator for &'a OpIds {
    type Item = &'a OpId;
    type IntoIter = std::slice::Iter<'a, OpId>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// A thing that ops change and whose state the catalogue keeps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityId {
    /// The library itself: shared settings.
    Library,
    /// An asset: what people did to it, and its versions.
    Asset(AssetId),
    /// An album.
    Album(AlbumId),
    /// A content: what programs found in it and made of it.
    Content(ContentHash),
    /// A thing of a kind that a later version introduced; it is folded as a record all the same.
    Other {
        /// The kind, 4 or above.
        kind: u8,
        /// Its name, at most 64 bytes.
        id: Vec<u8>,
    },
}

/// How long the name of an unknown kind of entity may be.
pub const MAX_ENTITY_NAME_BYTES: usize = 64;

impl EntityId {
    /// The kind as a number: the first byte of [`EntityId::to_bytes`].
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Self::Library => 0,
            Self::Asset(_) => 1,
            Self::Album(_) => 2,
            Self::Content(_) => 3,
            Self::Other { kind, .. } => *kind,
        }
    }

    /// The key under which a catalogue keeps the entity's state: kind, then name. Sorts as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let name: &[u8] = match self {
            Self::Library => &[],
            Self::Asset(asset) => asset.0.as_bytes(),
            Self::Album(album) => &album.0,
            Self::Content(content) => content.as_bytes(),
            Self::Other { id, .. } => id,
        };
        let mut key = Vec::with_capacity(1 + name.len());
        key.push(self.kind());
        key.extend_from_slice(name);
        key
    }

    /// Reads [`EntityId::to_bytes`] back; `None` if no entity has this key.
    #[must_use]
    pub fn from_bytes(key: &[u8]) -> Option<Self> {
        let (kind, name) = key.split_first()?;
        match kind {
            0 => name.is_empty().then_some(Self::Library),
            1 => Some(Self::Asset(AssetId(ContentHash::from_bytes(name.try_into().ok()?)))),
            2 => Some(Self::Album(AlbumId(name.try_into().ok()?))),
            3 => Some(Self::Content(ContentHash::from_bytes(name.try_into().ok()?))),
            _ => {
                (name.len() <= MAX_ENTITY_NAME_BYTES).then(|| Self::Other { kind: *kind, id: name.to_vec() })
            }
        }
    }
}

fn write_hex(formatter: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
}

macro_rules! shown_as {
    ($name:ident, |$this:ident, $formatter:ident| $body:expr) => {
        impl fmt::Display for $name {
            fn fmt(&self, $formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $this = self;
                $body
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({self})", stringify!($name))
            }
        }
    };
}

shown_as!(AssetId, |this, formatter| this.0.fmt(formatter));
shown_as!(AlbumId, |this, formatter| formatter.write_str(&base32(&this.0)));
shown_as!(PlaceId, |this, formatter| formatter.write_str(&base32(&this.0)));
shown_as!(SegmentRoot, |this, formatter| write_hex(formatter, &this.0));
shown_as!(OpId, |this, formatter| write!(formatter, "{:016x}-{}", this.session, this.counter));

impl fmt::Display for Life {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for SegmentSeq {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:010}", self.0)
    }
}

impl AssetId {
    /// Reads what `Display` writes: 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl AlbumId {
    /// Reads what `Display` writes: 26 characters of base32.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        base32_decode(text)?.try_into().ok().map(Self)
    }
}

impl PlaceId {
    /// Reads what `Display` writes: 26 characters of base32.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        base32_decode(text)?.try_into().ok().map(Self)
    }
}

impl OpId {
    /// Reads what `Display` writes: 16 hexadecimal digits, a hyphen, a decimal number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (session, counter) = text.split_once('-')?;
        let id = Self { session: u64::from_str_radix(session, 16).ok()?, counter: counter.parse().ok()? };
        (id.to_string() == text).then_some(id)
    }
}

macro_rules! bytes_codec {
    ($($name:ident |$value:ident| $bytes:expr, $make:expr;)*) => {$(
        impl Encode for $name {
            fn encode(&self, to: &mut Writer) {
                let $value = self;
                to.bytes($bytes);
            }
        }

        impl Decode for $name {
            fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                from.fixed().map($make)
            }
        }
    )*};
}

bytes_codec! {
    ContentHash |value| value.as_bytes(), ContentHash::from_bytes;
    DeviceId |value| value.as_bytes(), DeviceId::from_bytes;
    EpochId |value| value.as_bytes(), EpochId::from_bytes;
    ObjectName |value| value.as_bytes(), ObjectName::from_bytes;
    AssetId |value| value.0.as_bytes(), |bytes| AssetId(ContentHash::from_bytes(bytes));
    AlbumId |value| &value.0, AlbumId;
    PlaceId |value| &value.0, PlaceId;
    SegmentRoot |value| &value.0, SegmentRoot;
}

impl Encode for Life {
    fn encode(&self, to: &mut Writer) {
        self.0.encode(to);
    }
}

impl Decode for Life {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        u32::decode(from).map(Self)
    }
}

impl Encode for SegmentSeq {
    fn encode(&self, to: &mut Writer) {
        self.0.encode(to);
    }
}

impl Decode for SegmentSeq {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        u32::decode(from).map(Self)
    }
}

/// As 12 bytes, session and counter big-endian: sorts as the id does.
impl Encode for OpId {
    fn encode(&self, to: &mut Writer) {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.session.to_be_bytes());
        bytes[8..].copy_from_slice(&self.counter.to_be_bytes());
        to.bytes(&bytes);
    }
}

impl Decode for OpId {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes: [u8; 12] = from.fixed()?;
        let session = bytes.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte));
        let counter = bytes.iter().skip(8).fold(0, |value, byte| value << 8 | u32::from(*byte));
        Ok(Self { session, counter })
    }
}

impl Encode for OpIds {
    fn encode(&self, to: &mut Writer) {
        to.list(&self.0);
    }
}

impl Decode for OpIds {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.sorted(MAX_OP_IDS).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_typed_back() {
        let op = OpId { session: 0x0123_4567_89ab_cdef, counter: 42 };
        assert_eq!(op.to_string(), "0123456789abcdef-42");
        assert_eq!(OpId::parse(&op.to_string()), Some(op));
        let asset = AssetId(ContentHash::from_bytes([7; 32]));
        assert_eq!(AssetId::parse(&asset.to_string()), Some(asset));
        let album = AlbumId([9; 16]);
        assert_eq!(AlbumId::parse(&album.to_string()), Some(album));
        assert_eq!(AssetId::parse("07"), None);
    }

    #[test]
    fn entity_keys_come_back_and_sort_as_entities_do() {
        let mut entities = [
            EntityId::Other { kind: 9, id: b"person".to_vec() },
            EntityId::Content(ContentHash::from_bytes([1; 32])),
            EntityId::Album(AlbumId([2; 16])),
            EntityId::Asset(AssetId(ContentHash::from_bytes([3; 32]))),
            EntityId::Asset(AssetId(ContentHash::from_bytes([1; 32]))),
            EntityId::Library,
        ];
        entities.sort();
        let keys: Vec<_> = entities.iter().map(EntityId::to_bytes).collect();
        assert!(keys.is_sorted());
        for (entity, key) in entities.iter().zip(&keys) {
            assert_eq!(EntityId::from_bytes(key).as_ref(), Some(entity));
        }
        assert_eq!(EntityId::from_bytes(&[]), None);
        assert_eq!(EntityId::from_bytes(&[1, 2, 3]), None);
        assert_eq!(EntityId::from_bytes(&[4; 66]), None);
    }
}
