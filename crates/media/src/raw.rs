//! Reads TIFF and the RAW formats: the main image's size, metadata, and where embedded pictures are.
//!
//! Invariant: a RAW file is never decoded here; its size is what its own tags say, and a preview is only
//! reported when a JPEG with a size really begins there. (TIFF 6.0, TIFF/EP, DNG 1.7; CR3, RAF and RW2
//! as found by looking at files.)

use crate::boxes;
use crate::crw;
use crate::exif::{self, Exif};
use crate::format::Format;
use crate::heif;
use crate::iptc;
use crate::jpeg;
use crate::makernote::{self, Maker, Note};
use crate::movie;
use crate::settle::Finds;
use crate::source::Source;
use crate::tiff::{Directory, Tiff};
use crate::xmp::{self, Packet};

/// Directories looked at; multi-page TIFFs have more, but those are further pages.
const MOST_DIRECTORIES: usize = 32;
const CANON_UUID: [u8; 16] = *b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48";
const CANON_PREVIEW_UUID: [u8; 16] = *b"\xea\xf4\x2b\x5e\x1c\x98\x4b\x88\xb9\xfb\xb7\xdc\x40\x6e\x4d\x16";

/// A place in the file where a JPEG may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Reads TIFF and everything that is TIFF inside.
pub(crate) fn read_tiff(source: &Source<'_>, format: Format, finds: &mut Finds) {
    let Some(tiff) = Tiff::open(source, 0) else {
        finds.warn("the TIFF header is damaged");
        return;
    };
    exif::read(source, 0, finds);
    let directories = tiff.main_directories(MOST_DIRECTORIES);
    if let Some(first) = directories.first() {
        let bytes = |tag: u16| first.find(tag).and_then(|entry| entry.value(&tiff));
        if let Some(packet) = bytes(0x02bc) {
            Packet::parse(packet.get(..packet.len().min(xmp::MOST_BYTES)).unwrap_or_default()).apply(finds);
        }
        if let Some(block) = bytes(0x83bb) {
            iptc::read(&block, finds);
        }
        if let Some(block) = bytes(0x8649) {
            iptc::read_photoshop(&block, finds);
        }
    }
    if format == Format::Rw2 {
        read_rw2(&tiff, finds);
    }
    if let Some((width, height)) = main_size(&tiff, &directories) {
        finds.size(width, height);
    }
    if finds.probe.width.is_none() {
        finds.warn("the TIFF states no picture size");
    }
}

/// The size of the full-resolution image: the directory that says so, else the first.
fn main_size(tiff: &Tiff<'_>, directories: &[Directory]) -> Option<(u64, u64)> {
    let size = |directory: &Directory| {
        let (width, height) = (directory.number(tiff, 0x0100)?, directory.number(tiff, 0x0101)?);
        (width > 0 && height > 0).then_some((width, height))
    };
    let full = directories.iter().filter(|directory| directory.number(tiff, 0x00fe) == Some(0));
    let full = full.filter_map(size).next();
    full.or_else(|| directories.first().and_then(size)).or_else(|| directories.iter().find_map(size))
}

/// Panasonic states the sensor's borders, and keeps EXIF inside the preview.
fn read_rw2(tiff: &Tiff<'_>, finds: &mut Finds) {
    let Some(first) = tiff.first() else { return };
    let border = |tag: u16| first.number(tiff, tag);
    if let (Some(top), Some(left), Some(bottom), Some(right)) = (border(4), border(5), border(6), border(7))
        && right > left
        && bottom > top
    {
        finds.size(right - left, bottom - top);
    }
    if let Some(preview) = first.find(0x002e) {
        let start = tiff.base() + preview.at;
        if let Some(offset) = jpeg::exif_offset(tiff.source(), start) {
            exif::read(tiff.source(), offset, finds);
        }
    }
}

/// Reads a RAF: EXIF from its JPEG, sizes from Fujifilm's own directory.
pub(crate) fn read_raf(source: &Source<'_>, finds: &mut Finds) {
    if let Some(directory) = source.be32(92).filter(|offset| *offset > 0) {
        let count = source.be32(directory.into()).unwrap_or(0).min(256);
        let mut at = u64::from(directory) + 4;
        let mut full = None;
        for _ in 0..count {
            let (Some(tag), Some(bytes)) = (source.be16(at), source.be16(at + 2)) else { break };
            let pair = || Some((source.be16(at + 6)?.into(), source.be16(at + 4)?.into()));
            match tag {
                0x0100 => full = pair(),
                0x0111 => {
                    if let Some((width, height)) = pair() {
                        finds.size(width, height);
                    }
                }
                _ => {}
            }
            at += 4 + u64::from(bytes);
        }
        if let Some((width, height)) = full {
            finds.size(width, height);
        }
    }
    match source.be32(84).map(u64::from) {
        Some(preview) if source.array(preview) == Some([0xff, 0xd8]) => jpeg::read(source, preview, finds),
        _ => finds.warn("the RAF file has no preview, and so no EXIF"),
    }
}

/// Reads a CR3: four TIFF structures in Canon's box.
pub(crate) fn read_cr3(source: &Source<'_>, finds: &mut Finds) {
    let mut exif = Exif::default();
    for (kind, start) in canon_parts(source) {
        let Some(tiff) = Tiff::open(source, start) else { continue };
        let Some(directory) = tiff.first() else { continue };
        match &kind {
            b"CMT1" => {
                exif.main(&tiff, &directory, finds);
                if let (Some(width), Some(height)) =
                    (directory.number(&tiff, 0x100), directory.number(&tiff, 0x101))
                {
                    finds.size(width, height);
                }
            }
            b"CMT2" => exif.camera(&tiff, &directory, finds),
            b"CMT3" => makernote::read_canon(&tiff, directory, finds),
            b"CMT4" => exif.position(&tiff, &directory, finds),
            _ => {}
        }
    }
    exif.finish(finds);
    for part in boxes::parts(source, 0, source.len()) {
        match &part.kind {
            b"uuid" => movie::read_uuid(source, &part, finds),
            b"moov" => movie::read_header_date(source, &part, finds),
            _ => {}
        }
    }
}

fn canon_parts(source: &Source<'_>) -> Vec<([u8; 4], u64)> {
    let Some(moov) = boxes::find(source, 0, source.len(), b"moov") else { return Vec::new() };
    let canon = boxes::parts(source, moov.start, moov.end)
        .into_iter()
        .find(|part| &part.kind == b"uuid" && source.array(part.start) == Some(CANON_UUID));
    let Some(canon) = canon else { return Vec::new() };
    boxes::parts(source, canon.start + 16, canon.end)
        .into_iter()
        .take(MOST_DIRECTORIES)
        .map(|part| (part.kind, part.start))
        .collect()
}

/// All places in a RAW file where a JPEG may be.
pub(crate) fn candidates(source: &Source<'_>, format: Format) -> Vec<Candidate> {
    match format {
        Format::Raf => match (source.be32(84), source.be32(88)) {
            (Some(offset), Some(length)) => vec![Candidate { offset: offset.into(), length: length.into() }],
            _ => Vec::new(),
        },
        Format::Crw => {
            let is_jpeg = |record: &crw::Record| matches!(record.tag, 0x2007 | 0x2008);
            let records = crw::records(source).into_iter().filter(is_jpeg);
            records.map(|record| Candidate { offset: record.start, length: record.bytes }).collect()
        }
        Format::Cr3 => cr3_candidates(source),
        Format::Heif | Format::Avif => heif_exif_candidates(source),
        Format::Jpeg => {
            let base = jpeg::exif_offset(source, 0);
            base.map(|base| tiff_candidates(source, base)).unwrap_or_default()
        }
        _ => tiff_candidates(source, 0),
    }
}

/// The thumbnail in a HEIC's EXIF, if any.
fn heif_exif_candidates(source: &Source<'_>) -> Vec<Candidate> {
    let Some(part) = heif::meta_part(source) else { return Vec::new() };
    let bytes = source.get_some(part.start, part.bytes(8 << 20));
    match heif::Meta::parse(&bytes).exif_item(source) {
        Some(heif::Payload::InFile(offset, _)) => {
            let skip = heif::tiff_start(&source.get_some(offset, 64));
            skip.map(|skip| tiff_candidates(source, offset + skip)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn tiff_candidates(source: &Source<'_>, base: u64) -> Vec<Candidate> {
    let Some(tiff) = Tiff::open(source, base) else { return Vec::new() };
    let mut found = Vec::new();
    let directories = tiff.main_directories(MOST_DIRECTORIES);
    for directory in &directories {
        pair(&tiff, directory, (0x0201, 0x0202), base, &mut found);
        let compression = directory.number(&tiff, 0x0103);
        if matches!(compression, Some(6 | 7))
            && directory.find(0x0111).is_some_and(|strips| strips.count == 1)
        {
            pair(&tiff, directory, (0x0111, 0x0117), base, &mut found);
        }
        if let Some(whole) = directory.find(0x002e) {
            found.push(Candidate { offset: base + whole.at, length: whole.bytes });
        }
    }
    let make = directories.first().and_then(|first| first.text(&tiff, 0x010f)).unwrap_or_default();
    let camera = directories.first().and_then(|first| first.number(&tiff, 0x8769));
    if let Some(camera) = camera.and_then(|offset| tiff.directory(offset))
        && let Some(entry) = camera.find(0x927c)
        && let Some(note) = Note::open(&tiff, entry, &make)
    {
        note_candidates(&note, base, &mut found);
    }
    found
}

fn note_candidates(note: &Note<'_>, base: u64, found: &mut Vec<Candidate>) {
    match note.maker {
        Maker::Nikon => {
            if let Some(preview) = note.inner(0x0011) {
                pair(&note.tiff, &preview, (0x0201, 0x0202), note.tiff.base(), found);
            }
        }
        Maker::Olympus => {
            if let Some(settings) = note.inner(0x2020) {
                pair(&note.tiff, &settings, (0x0101, 0x0102), note.tiff.base(), found);
            }
        }
        Maker::Pentax => pair(&note.tiff, &note.directory, (0x0004, 0x0003), base, found),
        Maker::Apple | Maker::Canon => {}
    }
}

fn pair(tiff: &Tiff<'_>, directory: &Directory, tags: (u16, u16), base: u64, found: &mut Vec<Candidate>) {
    if let (Some(offset), Some(length)) = (directory.number(tiff, tags.0), directory.number(tiff, tags.1))
        && let Some(offset) = base.checked_add(offset)
    {
        found.push(Candidate { offset, length });
    }
}

fn cr3_candidates(source: &Source<'_>) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (kind, start) in canon_parts(source) {
        if &kind == b"THMB" {
            // Version, width, height, length, two more numbers, then the JPEG.
            if let Some(length) = source.be32(start + 8) {
                found.push(Candidate { offset: start + 16, length: length.into() });
            }
        }
    }
    for part in boxes::parts(source, 0, source.len()) {
        if &part.kind == b"uuid"
            && source.array(part.start) == Some(CANON_PREVIEW_UUID)
            && let Some(preview) = boxes::find(source, part.start + 24, part.end, b"PRVW")
            && let Some(length) = source.be32(preview.start + 12)
        {
            found.push(Candidate { offset: preview.start + 16, length: length.into() });
        }
        if &part.kind == b"moov" {
            let tracks =
                boxes::parts(source, part.start, part.end).into_iter().filter(|part| &part.kind == b"trak");
            found.extend(tracks.take(8).filter_map(|track| first_sample(source, track.start, track.end)));
        }
    }
    found
}

/// The first sample of a track.
fn first_sample(source: &Source<'_>, start: u64, end: u64) -> Option<Candidate> {
    let mut place = (start, end);
    for kind in [b"mdia", b"minf", b"stbl"] {
        let part = boxes::find(source, place.0, place.1, kind)?;
        place = (part.start, part.end);
    }
    let sizes = boxes::find(source, place.0, place.1, b"stsz")?;
    let length = match source.be32(sizes.start + 4)? {
        0 => source.be32(sizes.start + 12)?,
        all_alike => all_alike,
    };
    let offset = match boxes::find(source, place.0, place.1, b"co64") {
        Some(part) => source.be64(part.start + 8)?,
        None => source.be32(boxes::find(source, place.0, place.1, b"stco")?.start + 8)?.into(),
    };
    Some(Candidate { offset, length: length.into() })
}
