//! What history says about an original and its renditions: enough to find the sealed objects and to check
//! them, and nothing that changes when they move.
//!
//! Specified in sl1-history §4.

use serde::{Deserialize, Serialize};

use crate::cbor::{Decode, Encode, Malformed, Reader, Unread, Writer};
use crate::facts::coded;
use crate::ids::{ContentHash, DeviceId, EpochId, ObjectName, SegmentRoot, SegmentSeq};

/// How many parts an original may have: 1 TiB at 32 MiB each.
pub const MAX_PARTS: usize = 32_768;
/// How long a path may be, in bytes.
pub const MAX_PATH_BYTES: usize = 32 * 1024;
/// How long a media type may be, in bytes.
pub const MAX_MEDIA_TYPE_BYTES: usize = 255;

/// One content as it was taken in: what it is, where its sealed parts are, where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Original {
    /// SHA-256 of the whole content.
    pub content: ContentHash,
    /// How long the content is.
    pub size_bytes: u64,
    /// As in HTTP (`image/jpeg`).
    pub media_type: String,
    /// The epoch under which the parts are named and sealed.
    pub epoch: EpochId,
    /// The sealed objects, in order; at most [`MAX_PARTS`]. Empty for linked originals that were never sealed.
    pub parts: Vec<PartRef>,
    /// Whether the library holds the bytes or only knows where they lie.
    pub storage: Storage,
    /// Where it was found.
    pub source: SourcePath,
    /// When the file was last changed, in milliseconds since 1970.
    pub modified_millis: i64,
    /// What a later version added, kept as it came.
    pub unread: Unread,
}

/// One sealed object that holds up to 32 MiB of an original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartRef {
    /// Its logical name.
    pub name: ObjectName,
    /// Its exact size, header and padding included.
    pub sealed_bytes: u64,
    /// SHA-256 over its segments' tags, so that ranged reads can be checked against insiders; reserved.
    pub tags: Option<[u8; 32]>,
}

coded! {
    /// Who holds the bytes of an original.
    Storage {
        /// The library, sealed.
        Copied = 1,
        /// The user's own file at its source path; the library holds only what it made of it.
        Linked = 2,
        /// The library, sealed as an entry of a pack because it is small (below 128 KiB): it has no parts of
        /// its own, and the entry's logical name is (content, [`RenditionKind::Original`], recipe 0).
        Packed = 3,
    }
}

/// Where a content was found. Paths are bytes, because file names need not be text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourcePath {
    /// On which device.
    pub device: DeviceId,
    /// The folder that was imported or watched, absolute.
    pub root: Vec<u8>,
    /// The file's path below it, `/` between names; never empty.
    pub relative: Vec<u8>,
}

impl SourcePath {
    /// The relative path for people: what is not UTF-8 is shown as `�`.
    #[must_use]
    pub fn display(&self) -> String {
        String::from_utf8_lossy(&self.relative).into_owned()
    }

    /// The whole path, in bytes.
    #[must_use]
    pub fn whole(&self) -> Vec<u8> {
        let mut path = self.root.clone();
        if !path.is_empty() && !self.relative.is_empty() && !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(&self.relative);
        path
    }

    /// Whether two sources are one file: a folder may be imported by itself, and as part of a larger one.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.device == other.device && (self == other || self.whole() == other.whole())
    }

    /// The file's own name, in bytes.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        self.relative.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    fn broken_rule(&self) -> Option<&'static str> {
        let fits = |path: &[u8]| path.len() <= MAX_PATH_BYTES;
        (!fits(&self.root) || !fits(&self.relative)).then_some("a path is at most 32 KiB long")
    }
}

coded! {
    /// Something made from a content, to show it faster.
    RenditionKind {
        /// Not derived at all: a small original that rests in a pack.
        Original = 0,
        /// For grids, 320 pixels.
        Thumbnail = 1,
        /// For the screen, 1440 pixels.
        Preview = 2,
        /// A still of a video.
        Poster = 3,
        /// A video that browsers play.
        Proxy = 4,
    }
}

/// One rendition that was made and sealed into a pack.
///
/// Its pack entry's logical name is (content, kind, recipe). Two devices may have made it both: then both are
/// kept, because either's bytes may be the ones that are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rendition {
    /// What it is for.
    pub kind: RenditionKind,
    /// The version of the program and settings that made it.
    pub recipe: u16,
    /// SHA-256 of its plaintext.
    pub sha256: [u8; 32],
    /// How long its plaintext is.
    pub length_bytes: u32,
    /// Pixels across, upright.
    pub width: u16,
    /// Pixels down, upright.
    pub height: u16,
}

coded! {
    /// What the entries of a remote pack are, and so under which prefix it rests.
    PackKind {
        /// Thumbnails: `t/`.
        Thumbnails = 1,
        /// Previews and what else is derived: `p/`.
        Previews = 2,
        /// Originals that are too small for an object of their own: `s/`.
        TinyOriginals = 3,
    }
}

/// A pack as it rests in remotes: enough to find it, to open its index, and to know that it is the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packed {
    /// What its entries are.
    pub tier: PackKind,
    /// Its name.
    pub name: ObjectName,
    /// The epoch that its index is sealed under.
    pub epoch: EpochId,
    /// Bytes of the whole pack.
    pub sealed_bytes: u64,
    /// SHA-256 of the content of its index.
    pub index_sha256: [u8; 32],
}

/// The most segments that one op carries.
pub const MAX_BRANCHES: usize = 4096;

/// One segment of a forked chain: there are others of its number, so its root belongs to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Branch {
    /// Whose it is.
    pub device: DeviceId,
    /// Its number.
    pub seq: SegmentSeq,
    /// Its root.
    pub root: SegmentRoot,
}

/// `[device, seq, root]`.
impl Encode for Branch {
    fn encode(&self, to: &mut Writer) {
        to.array(3);
        to.value(&self.device);
        to.value(&self.seq);
        to.value(&self.root);
    }
}

impl Decode for Branch {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(3)?;
        Ok(Self { device: Decode::decode(from)?, seq: Decode::decode(from)?, root: Decode::decode(from)? })
    }
}

impl Original {
    pub(crate) fn broken_rule(&self) -> Option<&'static str> {
        if self.media_type.len() > MAX_MEDIA_TYPE_BYTES {
            return Some("a media type is at most 255 bytes long");
        }
        if self.parts.len() > MAX_PARTS {
            return Some("an original has at most 32768 parts");
        }
        self.source.broken_rule()
    }
}

pub(crate) fn source_rule(source: &SourcePath) -> Option<&'static str> {
    source.broken_rule()
}

impl Encode for Original {
    fn encode(&self, to: &mut Writer) {
        to.map(|map| {
            map.entry(0, &self.content);
            map.entry(1, &self.size_bytes);
            map.entry(2, &self.media_type);
            map.entry(3, &self.epoch);
            map.list(4, &self.parts);
            map.entry(5, &self.storage);
            map.entry(6, &self.source);
            map.entry(7, &self.modified_millis);
            map.unread(&self.unread);
        });
    }
}

impl Decode for Original {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (mut content, mut size, mut media_type, mut epoch) = (None, None, None, None);
        let (mut parts, mut storage, mut source, mut modified) = (None, None, None, None);
        let unread = from.map(|key, from| {
            match key {
                0 => content = Some(ContentHash::decode(from)?),
                1 => size = Some(u64::decode(from)?),
                2 => media_type = Some(from.text(MAX_MEDIA_TYPE_BYTES)?.to_owned()),
                3 => epoch = Some(EpochId::decode(from)?),
                4 => parts = Some(from.list(MAX_PARTS)?),
                5 => storage = Some(Storage::decode(from)?),
                6 => source = Some(SourcePath::decode(from)?),
                7 => modified = Some(i64::decode(from)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let whole = || {
            Some(Self {
                content: content?,
                size_bytes: size?,
                media_type: media_type?,
                epoch: epoch?,
                parts: parts?,
                storage: storage?,
                source: source?,
                modified_millis: modified?,
                unread,
            })
        };
        whole().ok_or(from.broken("an original has all of its entries"))
    }
}

/// `[name, sealed bytes]`, and the hash of the tags if there is one.
impl Encode for PartRef {
    fn encode(&self, to: &mut Writer) {
        to.array(if self.tags.is_some() { 3 } else { 2 });
        to.value(&self.name);
        to.value(&self.sealed_bytes);
        if let Some(tags) = &self.tags {
            to.value(tags);
        }
    }
}

impl Decode for PartRef {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let items = from.array(3)?;
        from.ensure(items >= 2, "a part has a name and a size")?;
        Ok(Self {
            name: ObjectName::decode(from)?,
            sealed_bytes: u64::decode(from)?,
            tags: if items == 3 { Some(from.fixed()?) } else { None },
        })
    }
}

/// `[device, root, relative]`.
impl Encode for SourcePath {
    fn encode(&self, to: &mut Writer) {
        to.array(3);
        to.value(&self.device);
        to.bytes(&self.root);
        to.bytes(&self.relative);
    }
}

impl Decode for SourcePath {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(3)?;
        Ok(Self {
            device: DeviceId::decode(from)?,
            root: from.bytes(MAX_PATH_BYTES)?.to_vec(),
            relative: from.bytes(MAX_PATH_BYTES)?.to_vec(),
        })
    }
}

/// `[kind, recipe, sha256, length, width, height]`.
impl Encode for Rendition {
    fn encode(&self, to: &mut Writer) {
        to.array(6);
        to.value(&self.kind);
        to.value(&self.recipe);
        to.value(&self.sha256);
        to.value(&self.length_bytes);
        to.value(&self.width);
        to.value(&self.height);
    }
}

impl Decode for Rendition {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(6)?;
        Ok(Self {
            kind: RenditionKind::decode(from)?,
            recipe: u16::decode(from)?,
            sha256: from.fixed()?,
            length_bytes: u32::decode(from)?,
            width: u16::decode(from)?,
            height: u16::decode(from)?,
        })
    }
}
