//! What typed values belong to: fields, sets and targets.
//!
//! Invariant: fields, sets and kinds of targets are numbers with room; one that this version does not know
//! merges like any other, so devices of different versions agree. Specified in sl1-history §5.

use crate::cbor::{Decode, Encode, Malformed, Reader, Writer};
use crate::ids::{AlbumId, AssetId, EntityId, Life, MAX_ENTITY_NAME_BYTES};

/// How long the key of a keyed field may be.
pub const MAX_FIELD_KEY_BYTES: usize = 256;

/// A field that holds one typed value: a number, and for some a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field {
    code: u16,
    key: Box<[u8]>,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $word:literal;)*) => {
        impl Field {
            $($(#[$doc])* pub const $name: FieldCode = FieldCode($code);)*
        }

        impl FieldCode {
            /// The field's name as history shows it (`caption`).
            #[must_use]
            pub fn word(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($word),)*
                    _ => None,
                }
            }
        }
    };
}

/// The number of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldCode(pub u16);

fields! {
    /// Text under the photo (`Text`).
    CAPTION = 1, "caption";
    /// A short name (`Text`).
    TITLE = 2, "title";
    /// -1 (rejected) to 5 (`Int`).
    RATING = 3, "rating";
    /// `Bool`.
    FAVOURITE = 4, "favourite";
    /// Not in the timeline (`Bool`).
    HIDDEN = 5, "hidden";
    /// When it was taken, corrected (`Date`).
    DATE = 6, "date";
    /// Where it was taken, corrected (`Place`).
    PLACE = 7, "place";
    /// Quarter turns clockwise, 0 to 3, on top of the original's own orientation (`Int`).
    ROTATE = 8, "rotate";
    /// In the trash (`Bool`). Restoring writes false.
    TRASHED = 9, "trashed";
    /// The asset that this one is stacked under (`Asset`); `Bool(false)` keeps it out of every stack.
    STACK = 10, "stack";
    /// The name of an album, a person, … (`Text`).
    NAME = 11, "name";
    /// The album that an album lies in (`Album`).
    PARENT = 12, "parent";
    /// The asset that stands for an album (`Asset`).
    COVER = 13, "cover";
    /// A saved search that fills an album (`Text`).
    QUERY = 14, "query";
    /// Text about an album (`Text`).
    DESCRIPTION = 15, "description";
    /// The order of an album: `date`, `date-descending`, `name`, `position` (`Text`).
    ORDER = 16, "order";
    /// Removed, for what has no trash: albums (`Bool`).
    DELETED = 17, "deleted";
    /// Keyed by an album: where in it, a fraction as digits (`Text`).
    POSITION = 18, "position";
    /// Keyed by a name: a setting that all devices share.
    SETTING = 19, "setting";
    /// Keyed by a remote: sent there (`Bool`) in spite of the remote's policy.
    SYNC = 20, "sync";
}

impl Field {
    /// A field with a key, as [`Field::POSITION`] in an album.
    #[must_use]
    pub fn keyed(code: FieldCode, key: &[u8]) -> Self {
        Self { code: code.0, key: key.into() }
    }

    /// The place of an asset in an album.
    #[must_use]
    pub fn position(album: AlbumId) -> Self {
        Self::keyed(Self::POSITION, &album.0)
    }

    /// A setting that all devices share.
    #[must_use]
    pub fn setting(name: &str) -> Self {
        Self::keyed(Self::SETTING, name.as_bytes())
    }

    /// The number.
    #[must_use]
    pub fn code(&self) -> FieldCode {
        FieldCode(self.code)
    }

    /// The key; empty for most fields.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    pub(crate) fn broken_rule(&self) -> Option<&'static str> {
        (self.key.len() > MAX_FIELD_KEY_BYTES).then_some("the key of a field is at most 256 bytes long")
    }
}

impl From<FieldCode> for Field {
    fn from(code: FieldCode) -> Self {
        Self::keyed(code, &[])
    }
}

impl PartialEq<FieldCode> for Field {
    fn eq(&self, code: &FieldCode) -> bool {
        self.code == code.0 && self.key.is_empty()
    }
}

/// The number alone, or `[number, key]`.
impl Encode for Field {
    fn encode(&self, to: &mut Writer) {
        if !self.key.is_empty() {
            to.array(2);
        }
        to.value(&self.code);
        if !self.key.is_empty() {
            to.bytes(&self.key);
        }
    }
}

impl Decode for Field {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        if from.peek()? >> 5 != 4 {
            return Ok(Self { code: u16::decode(from)?, key: Box::default() });
        }
        from.array_of(2)?;
        let code = u16::decode(from)?;
        let key = from.bytes(MAX_FIELD_KEY_BYTES)?;
        from.ensure(!key.is_empty(), "the key of a field is not empty")?;
        Ok(Self { code, key: key.into() })
    }
}

/// A set of typed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetName(pub u16);

impl SetName {
    /// Words (`Text`), nested by `/`.
    pub const TAGS: Self = Self(1);
    /// The albums an asset lies in (`Album`).
    pub const ALBUMS: Self = Self(2);
    /// The people seen on it; reserved.
    pub const PEOPLE: Self = Self(3);

    /// The set's name as history shows it (`tags`).
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::TAGS => Some("tags"),
            Self::ALBUMS => Some("albums"),
            Self::PEOPLE => Some("people"),
            _ => None,
        }
    }
}

impl Encode for SetName {
    fn encode(&self, to: &mut Writer) {
        to.value(&self.0);
    }
}

impl Decode for SetName {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        u16::decode(from).map(Self)
    }
}

/// What a typed value is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The library.
    Library,
    /// An asset, in one of its lives.
    Asset(AssetId, Life),
    /// An album.
    Album(AlbumId),
    /// A thing of a kind that a later version introduced.
    Other {
        /// The kind, 4 or above.
        kind: u8,
        /// Its name, at most 64 bytes.
        id: Vec<u8>,
    },
}

impl Target {
    /// The entity whose state changes.
    #[must_use]
    pub fn entity(&self) -> EntityId {
        match self {
            Self::Library => EntityId::Library,
            Self::Asset(asset, _) => EntityId::Asset(*asset),
            Self::Album(album) => EntityId::Album(*album),
            Self::Other { kind, id } => EntityId::Other { kind: *kind, id: id.clone() },
        }
    }

    pub(crate) fn broken_rule(&self) -> Option<&'static str> {
        match self {
            Self::Other { kind: 0..=3, .. } => Some("kinds 0 to 3 of targets have their own form"),
            Self::Other { id, .. } if id.len() > MAX_ENTITY_NAME_BYTES => {
                Some("a target's name is at most 64 bytes long")
            }
            _ => None,
        }
    }
}

impl From<AssetId> for Target {
    /// The first life of an asset.
    fn from(asset: AssetId) -> Self {
        Self::Asset(asset, Life::default())
    }
}

impl From<AlbumId> for Target {
    fn from(album: AlbumId) -> Self {
        Self::Album(album)
    }
}

/// `[0]`, `[1, asset]` in its first life, `[1, asset, life]`, `[2, album]`, `[kind, name]`.
impl Encode for Target {
    fn encode(&self, to: &mut Writer) {
        match self {
            Self::Library => {
                to.array(1);
                to.unsigned(0);
            }
            Self::Asset(asset, life) => {
                let first = *life == Life::default();
                to.array(if first { 2 } else { 3 });
                to.unsigned(1);
                to.value(asset);
                if !first {
                    to.value(life);
                }
            }
            Self::Album(album) => {
                to.array(2);
                to.unsigned(2);
                to.value(album);
            }
            Self::Other { kind, id } => {
                to.array(2);
                to.value(kind);
                to.bytes(id);
            }
        }
    }
}

impl Decode for Target {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let items = from.array(3)?;
        from.ensure(items > 0, "a target names its kind")?;
        match (u8::decode(from)?, items) {
            (0, 1) => Ok(Self::Library),
            (1, 2) => Ok(Self::Asset(AssetId::decode(from)?, Life::default())),
            (1, 3) => {
                let (asset, life) = (AssetId::decode(from)?, Life::decode(from)?);
                from.ensure(life != Life::default(), "the first life is not written")?;
                Ok(Self::Asset(asset, life))
            }
            (2, 2) => AlbumId::decode(from).map(Self::Album),
            (kind @ 4.., 2) => Ok(Self::Other { kind, id: from.bytes(MAX_ENTITY_NAME_BYTES)?.to_vec() }),
            _ => Err(from.broken("there is no such target")),
        }
    }
}
