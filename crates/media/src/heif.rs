//! Reads HEIC, HEIF and AVIF: the primary item's size and turns, and its EXIF and XMP items.
//!
//! Invariant: only the `meta` box is read whole (within bounds); items are found wherever they lie, and
//! coded pictures are never read. (ISO/IEC 23008-12, 14496-12 section 8.11; AV1 in HEIF.)

use std::borrow::Cow;

use crate::boxes::{self, Part};
use crate::exif;
use crate::settle::Finds;
use crate::source::Source;
use crate::turn::Turn;
use crate::xmp::{self, Packet};

const MOST_META_BYTES: usize = 8 << 20;
const MOST_ITEM_BYTES: usize = 8 << 20;
/// Metadata and thumbnail items looked at; each lookup walks the tables.
const MOST_LOOKED_UP: usize = 64;
/// Extents of one item; metadata has one, tiles one each.
const MOST_EXTENTS: usize = 64;

/// The `meta` box, taken apart.
pub(crate) struct Meta<'b> {
    primary: Option<u32>,
    items: Vec<Item>,
    properties: Vec<([u8; 4], &'b [u8])>,
    associations: Vec<(u32, Vec<u16>)>,
    references: Vec<Reference>,
    locations: &'b [u8],
    data: Option<&'b [u8]>,
}

struct Item {
    id: u32,
    kind: [u8; 4],
    content_type: Vec<u8>,
}

struct Reference {
    kind: [u8; 4],
    from: u32,
    to: Vec<u32>,
}

/// Where an item's bytes are.
struct Location {
    /// 0 in the file, 1 in the `idat` box.
    method: u16,
    extents: Vec<(u64, u64)>,
}

/// Reads a HEIC or AVIF, and the movie part of a sequence.
pub(crate) fn read(source: &Source<'_>, finds: &mut Finds) {
    let top = boxes::parts(source, 0, source.len());
    let Some(part) = top.iter().find(|part| &part.kind == b"meta") else {
        finds.warn("the HEIF file has no meta box");
        return;
    };
    let bytes = source.get_some(part.start, part.bytes(MOST_META_BYTES));
    let meta = Meta::parse(&bytes);
    meta.apply_picture(finds);
    if let Some(payload) = meta.exif_item(source) {
        read_exif(source, &payload, finds);
    }
    for packet in meta.xmp_items(source) {
        Packet::parse(&packet).apply(finds);
    }
    if finds.probe.width.is_none() {
        finds.warn("the HEIF file states no picture size");
    }
}

/// An item's bytes: in place when they are in one piece of the file.
pub(crate) enum Payload<'b> {
    /// Offset and length in the file.
    InFile(u64, u64),
    /// Put together, or from inside `meta`.
    Collected(Cow<'b, [u8]>),
}

fn read_exif(source: &Source<'_>, payload: &Payload<'_>, finds: &mut Finds) {
    match payload {
        Payload::InFile(offset, length) => {
            if let Some(skip) = tiff_start(&source.get_some(*offset, 64))
                && skip < *length
            {
                exif::read(source, offset + skip, finds);
            }
        }
        Payload::Collected(bytes) => {
            if let Some(skip) = tiff_start(bytes) {
                exif::read(&Source::memory(bytes), skip, finds);
            }
        }
    }
}

/// Where the TIFF header is in an Exif item: after a length and what that skips; some writers leave the
/// length out, others put `Exif\0\0` in.
pub(crate) fn tiff_start(bytes: &[u8]) -> Option<u64> {
    let begins = |at: usize| matches!(bytes.get(at..at + 4), Some(b"II*\0" | b"MM\0*"));
    let stated = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    if let Some(at) = stated.checked_add(4)
        && begins(at)
    {
        return Some(at as u64);
    }
    (0..bytes.len().min(48)).find(|at| begins(*at)).map(|at| at as u64)
}

impl<'b> Meta<'b> {
    /// Takes a `meta` payload apart.
    pub(crate) fn parse(bytes: &'b [u8]) -> Self {
        let mut meta = Self {
            primary: None,
            items: Vec::new(),
            properties: Vec::new(),
            associations: Vec::new(),
            references: Vec::new(),
            locations: &[],
            data: None,
        };
        // QuickTime writes the box without version and flags.
        let bare = bytes.get(4..8) == Some(b"hdlr");
        for (kind, payload) in boxes::in_slice(bytes.get(if bare { 0 } else { 4 }..).unwrap_or_default()) {
            match &kind {
                b"pitm" => meta.primary = primary(payload),
                b"iinf" => meta.items = items(payload),
                b"iloc" => meta.locations = payload,
                b"idat" => meta.data = Some(payload),
                b"iref" => meta.references = references(payload),
                b"iprp" => {
                    for (kind, payload) in boxes::in_slice(payload) {
                        match &kind {
                            b"ipco" => meta.properties = boxes::in_slice(payload).take(65_536).collect(),
                            b"ipma" => meta.associations.extend(associations(payload)),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        meta
    }

    fn properties_of(&self, item: u32) -> impl Iterator<Item = &([u8; 4], &'b [u8])> {
        let indexes =
            self.associations.iter().filter(move |(id, _)| *id == item).flat_map(|(_, indexes)| indexes);
        indexes.filter_map(|index| self.properties.get(usize::from(*index).checked_sub(1)?))
    }

    /// Size and turns of the primary item.
    fn apply_picture(&self, finds: &mut Finds) {
        let Some(primary) = self.primary.or_else(|| self.items.first().map(|item| item.id)) else { return };
        let mut turn = Turn::default();
        for (kind, payload) in self.properties_of(primary) {
            match kind {
                b"ispe" => {
                    let side = |at: usize| payload.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
                    if let (Some(width), Some(height)) = (side(4), side(8)) {
                        finds.size(width.into(), height.into());
                    }
                }
                // Counted anticlockwise.
                b"irot" => turn = turn.then_clockwise(4 - payload.first().copied().unwrap_or(0) % 4),
                b"imir" if payload.first().is_some_and(|mode| mode & 1 == 1) => turn = turn.then_left_right(),
                b"imir" => turn = turn.then_top_bottom(),
                _ => {}
            }
        }
        finds.probe.orientation = turn.orientation();
    }

    /// The primary item's EXIF, else the first there is.
    pub(crate) fn exif_item(&self, source: &Source<'_>) -> Option<Payload<'b>> {
        let all = || self.items.iter().filter(|item| &item.kind == b"Exif").take(MOST_LOOKED_UP);
        let mut sorted: Vec<&Item> = all().filter(|item| self.describes_primary(item.id)).collect();
        sorted.extend(all());
        sorted.into_iter().find_map(|item| self.payload(source, item.id))
    }

    fn describes_primary(&self, item: u32) -> bool {
        let described = |reference: &&Reference| reference.from == item && &reference.kind == b"cdsc";
        self.references
            .iter()
            .filter(described)
            .any(|reference| Some(true) == self.primary.map(|p| reference.to.contains(&p)))
    }

    fn xmp_items(&self, source: &Source<'_>) -> Vec<Vec<u8>> {
        let is_xmp =
            |item: &&Item| &item.kind == b"mime" && item.content_type.starts_with(b"application/rdf+xml");
        let packets = self.items.iter().filter(is_xmp).take(8).filter_map(|item| {
            match self.payload(source, item.id)? {
                Payload::InFile(offset, length) => {
                    let bytes = usize::try_from(length).ok()?.min(xmp::MOST_BYTES);
                    Some(source.get_some(offset, bytes).into_owned())
                }
                Payload::Collected(bytes) => Some(bytes.into_owned()),
            }
        });
        packets.collect()
    }

    /// Where an item's bytes are, or the bytes themselves.
    fn payload(&self, source: &Source<'_>, item: u32) -> Option<Payload<'b>> {
        let location = location(self.locations, item)?;
        if location.method == 1 {
            let data = self.data?;
            let (offset, length) = *location.extents.first()?;
            let start = usize::try_from(offset).ok()?;
            let length = usize::try_from(length).ok()?;
            let end = if length == 0 { data.len() } else { start.checked_add(length)? };
            return data.get(start..end).map(|bytes| Payload::Collected(Cow::Borrowed(bytes)));
        }
        if let [(offset, length)] = location.extents.as_slice() {
            return (*offset < source.len()).then_some(Payload::InFile(*offset, *length));
        }
        let mut whole = Vec::new();
        for (offset, length) in location.extents {
            let length = usize::try_from(length).ok()?;
            if whole.len() + length > MOST_ITEM_BYTES {
                return None;
            }
            whole.extend(source.get_some(offset, length).iter());
        }
        Some(Payload::Collected(Cow::Owned(whole)))
    }

    /// The thumbnail items of the primary item: kind, where the coded bytes are, size.
    pub(crate) fn thumbnails(&self, source: &Source<'_>) -> Vec<(String, u64, u64, u32, u32)> {
        let Some(primary) = self.primary else { return Vec::new() };
        let is_thumbnail =
            |reference: &&Reference| &reference.kind == b"thmb" && reference.to.contains(&primary);
        let describe = |reference: &Reference| {
            let item = self.items.iter().find(|item| item.id == reference.from)?;
            let Payload::InFile(offset, length) = self.payload(source, item.id)? else { return None };
            let size = self.properties_of(item.id).find(|(kind, _)| kind == b"ispe")?.1;
            let side = |at: usize| size.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
            let kind = item.kind.iter().map(|byte| char::from(*byte)).collect();
            Some((kind, offset, length, side(4)?, side(8)?))
        };
        self.references.iter().filter(is_thumbnail).take(MOST_LOOKED_UP).filter_map(describe).collect()
    }
}

fn primary(payload: &[u8]) -> Option<u32> {
    match payload.first()? {
        0 => Some(u32::from(u16::from_be_bytes(payload.get(4..6)?.try_into().ok()?))),
        _ => Some(u32::from_be_bytes(payload.get(4..8)?.try_into().ok()?)),
    }
}

fn items(payload: &[u8]) -> Vec<Item> {
    let count_bytes = if payload.first() == Some(&0) { 2 } else { 4 };
    let entries = payload.get(4 + count_bytes..).unwrap_or_default();
    boxes::in_slice(entries)
        .filter(|(kind, _)| kind == b"infe")
        .filter_map(|(_, entry)| item(entry))
        .collect()
}

fn item(entry: &[u8]) -> Option<Item> {
    let version = *entry.first()?;
    let (id, kind_at) = match version {
        2 => (u32::from(u16::from_be_bytes(entry.get(4..6)?.try_into().ok()?)), 8),
        3 => (u32::from_be_bytes(entry.get(4..8)?.try_into().ok()?), 10),
        _ => return None,
    };
    let kind = entry.get(kind_at..kind_at + 4)?.try_into().ok()?;
    // The name, up to NUL, then for `mime` the type.
    let rest = entry.get(kind_at + 4..)?;
    let content_type = if &kind == b"mime" {
        let end = rest.iter().position(|byte| *byte == 0).map_or(rest.len(), |end| end + 1);
        rest.get(end..)?.iter().copied().take_while(|byte| *byte != 0).collect()
    } else {
        Vec::new()
    };
    Some(Item { id, kind, content_type })
}

fn references(payload: &[u8]) -> Vec<Reference> {
    let wide = payload.first().is_some_and(|version| *version != 0);
    let id = |bytes: &[u8]| -> Option<(u32, usize)> {
        if wide {
            Some((u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?), 4))
        } else {
            Some((u32::from(u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?)), 2))
        }
    };
    let read = |kind: [u8; 4], body: &[u8]| {
        let (from, width) = id(body)?;
        let rest = body.get(width + 2..)?;
        Some(Reference {
            kind,
            from,
            to: rest.chunks_exact(width).filter_map(|bytes| Some(id(bytes)?.0)).collect(),
        })
    };
    boxes::in_slice(payload.get(4..).unwrap_or_default())
        .filter_map(|(kind, body)| read(kind, body))
        .collect()
}

fn associations(payload: &[u8]) -> Vec<(u32, Vec<u16>)> {
    let mut reader = Bytes { rest: payload };
    let mut found = Vec::new();
    let mut read = || -> Option<()> {
        let head = reader.number(4)?;
        let (wide_id, wide_index) = (head >> 24 != 0, head & 1 == 1);
        for _ in 0..reader.number(4)? {
            let item = u32::try_from(reader.number(if wide_id { 4 } else { 2 })?).ok()?;
            let mut indexes = Vec::new();
            for _ in 0..reader.number(1)? {
                let index = reader.number(if wide_index { 2 } else { 1 })?;
                // The highest bit says "essential".
                indexes.push(u16::try_from(index & if wide_index { 0x7fff } else { 0x7f }).ok()?);
            }
            found.push((item, indexes));
        }
        Some(())
    };
    let _cut_short = read().is_none();
    found
}

struct Bytes<'b> {
    rest: &'b [u8],
}

impl Bytes<'_> {
    /// A big-endian number of 0, 1, 2, 4 or 8 bytes.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        let (head, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(head.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }
}

/// Finds one item in an `iloc` payload.
fn location(payload: &[u8], wanted: u32) -> Option<Location> {
    let mut reader = Bytes { rest: payload };
    let version = reader.number(4)? >> 24;
    let sizes = reader.number(2)?;
    let size = |shift: u32| usize::try_from((sizes >> shift) & 15).unwrap_or(0);
    let (offset_size, length_size, base_size) = (size(12), size(8), size(4));
    let index_size = if version == 0 { 0 } else { size(0) };
    let extent_size = offset_size + length_size + index_size;
    for _ in 0..reader.number(if version < 2 { 2 } else { 4 })? {
        let id = reader.number(if version < 2 { 2 } else { 4 })?;
        let method = if version == 0 { 0 } else { reader.number(2)? & 15 };
        let _file = reader.number(2)?;
        let base = reader.number(base_size)?;
        let extents = usize::try_from(reader.number(2)?).ok()?;
        if id != u64::from(wanted) {
            reader.rest = reader.rest.get(extents.checked_mul(extent_size)?..)?;
            continue;
        }
        let mut found = Vec::new();
        for _ in 0..extents.min(MOST_EXTENTS) {
            let _index = reader.number(index_size)?;
            let offset = reader.number(offset_size)?;
            found.push((base.checked_add(offset)?, reader.number(length_size)?));
        }
        return Some(Location { method: u16::try_from(method).ok()?, extents: found });
    }
    None
}

/// The `meta` box of a file, if it has one at the top.
pub(crate) fn meta_part(source: &Source<'_>) -> Option<Part> {
    boxes::find(source, 0, source.len(), b"meta")
}
