//! Walks the segments of a JPEG: size, EXIF, XMP with its extension, IPTC.
//!
//! Invariant: stops where the picture data begins, so a probe never reads the pixels. (ITU-T T.81,
//! EXIF 2.32, XMP part 3.)

use std::borrow::Cow;

use crate::crw;
use crate::dates;
use crate::exif;
use crate::facts::DateSource;
use crate::flir;
use crate::iptc;
use crate::settle::Finds;
use crate::source::Source;
use crate::xmp::{self, Packet};

const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const EXTENSION: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
const MOST_SEGMENTS: usize = 4096;
/// Extended packets that are put together; the main packet names one.
const MOST_EXTENSIONS: usize = 4;

/// One segment: its marker, and where its payload is.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) marker: u8,
    pub(crate) start: u64,
    pub(crate) bytes: usize,
}

/// The segments before the picture data of the JPEG that begins at `base`.
pub(crate) fn segments(source: &Source<'_>, base: u64) -> Vec<Segment> {
    let mut found = Vec::new();
    let mut at = base.saturating_add(2);
    while found.len() < MOST_SEGMENTS {
        let Some(marker) = next_marker(source, &mut at) else { break };
        // Markers without a payload.
        if matches!(marker, 0x01 | 0xd0..=0xd8) {
            continue;
        }
        if matches!(marker, 0xd9 | 0xda) {
            break;
        }
        let Some(length @ 2..) = source.be16(at) else { break };
        found.push(Segment { marker, start: at + 2, bytes: usize::from(length) - 2 });
        at += u64::from(length);
    }
    found
}

/// The next marker at or shortly after `at`, which moves past it.
fn next_marker(source: &Source<'_>, at: &mut u64) -> Option<u8> {
    let [first, second] = source.array(*at)?;
    if first == 0xff && second != 0xff && second != 0 {
        *at += 2;
        return Some(second);
    }
    // Fill bytes, or padding that some writers leave between segments.
    let near = source.get_some(*at, 4096);
    let found = near.windows(2).position(|pair| pair[0] == 0xff && pair[1] != 0xff && pair[1] != 0)?;
    *at += found as u64 + 2;
    near.get(found + 1).copied()
}

/// Reads the JPEG that begins at `base`.
pub(crate) fn read(source: &Source<'_>, base: u64, finds: &mut Finds) {
    let mut packet: Option<Packet> = None;
    let mut extension = Extension::default();
    let mut photoshop: Cow<'_, [u8]> = Cow::default();
    let mut flir: Cow<'_, [u8]> = Cow::default();
    let mut heap: Cow<'_, [u8]> = Cow::default();
    let mut sized = false;
    for segment in segments(source, base) {
        let payload = || source.get_some(segment.start, segment.bytes);
        match segment.marker {
            0xe1 => {
                let head = source.get_some(segment.start, 64);
                if let Some(skip) = exif_start(&head) {
                    read_exif(source, segment, skip, finds);
                } else if head.starts_with(XMP) {
                    let bytes = payload();
                    let found = Packet::parse(bytes.get(XMP.len()..).unwrap_or_default());
                    extension.wanted =
                        found.first("xmpNote:HasExtendedXMP").map(str::to_owned).or(extension.wanted);
                    found.apply(finds);
                    packet.get_or_insert(found);
                } else if head.starts_with(b"FLIR\0") {
                    // Segments of 64 KiB: one byte before the number, the number, the last number.
                    if flir.len() < 4 << 20 {
                        flir.to_mut().extend(payload().get(8..).unwrap_or_default());
                    }
                } else if head.starts_with(EXTENSION) {
                    extension.add(payload().get(EXTENSION.len()..).unwrap_or_default());
                }
            }
            // Canon's first cameras: a CRW heap instead of EXIF.
            0xe0 if source.array(segment.start + 6) == Some(*b"HEAPJPGM") => heap = payload(),
            // Cameras before EXIF: lines of text.
            0xec => picture_info(&payload(), finds),
            0xed => {
                let bytes = payload();
                if let Some(resources) = bytes.strip_prefix(b"Photoshop 3.0\0")
                    && photoshop.len() < 4 << 20
                {
                    photoshop.to_mut().extend(resources);
                }
            }
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf if !sized => {
                if let Some([_, h1, h0, w1, w0]) = source.array(segment.start) {
                    finds.size(
                        u64::from(u16::from_be_bytes([w1, w0])),
                        u64::from(u16::from_be_bytes([h1, h0])),
                    );
                    sized = true;
                }
            }
            _ => {}
        }
    }
    if let Some(bytes) = extension.whole() {
        Packet::parse(bytes).apply(finds);
    }
    iptc::read_photoshop(&photoshop, finds);
    flir::read(&flir, finds);
    if !heap.is_empty() {
        crw::read(&Source::memory(&heap), finds);
    }
    if !sized {
        finds.warn("the JPEG has no frame header");
    }
}

/// `[picture info]` of Agfa, Olympus and others: `TimeDate` in seconds or as text.
fn picture_info(payload: &[u8], finds: &mut Finds) {
    let text = String::from_utf8_lossy(payload);
    for line in text.split(['\r', '\n', '\0']).take(256) {
        if let Some(("TimeDate", value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim()))
        {
            let seconds = value.parse::<i64>().ok().and_then(dates::from_unix);
            match seconds {
                Some(local) => finds.date(local, None, DateSource::Container),
                None => finds.written(dates::parse(value), DateSource::Container),
            }
        }
    }
}

/// How many bytes come before the TIFF header of an EXIF segment; some writers add a few.
fn exif_start(head: &[u8]) -> Option<usize> {
    let found = head.windows(5).take(5).position(|window| window == b"Exif\0")?;
    Some(found + 6)
}

fn read_exif(source: &Source<'_>, segment: Segment, skip: usize, finds: &mut Finds) {
    // Some writers forget the second NUL after "Exif".
    let start = segment.start + skip as u64;
    let begins = |at: u64| matches!(source.array::<2>(at), Some([b'I', b'I'] | [b'M', b'M']));
    let start = if begins(start) || !begins(start - 1) { start } else { start - 1 };
    exif::read(source, start, finds);
}

/// Where the EXIF block of a JPEG begins, if it has one.
pub(crate) fn exif_offset(source: &Source<'_>, base: u64) -> Option<u64> {
    segments(source, base)
        .into_iter()
        .filter(|segment| segment.marker == 0xe1)
        .find_map(|segment| Some(segment.start + exif_start(&source.get_some(segment.start, 64))? as u64))
}

/// An extended packet, put together from its pieces.
#[derive(Default)]
struct Extension {
    wanted: Option<String>,
    found: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Extension {
    fn add(&mut self, piece: &[u8]) {
        let Some((head, data)) = piece.split_at_checked(40) else { return };
        let Some((digest, numbers)) = head.split_at_checked(32) else { return };
        let number = |at: usize| Some(u32::from_be_bytes(numbers.get(at..at + 4)?.try_into().ok()?) as usize);
        let (Some(total), Some(offset)) = (number(0), number(4)) else { return };
        if total > xmp::MOST_BYTES || offset.checked_add(data.len()).is_none_or(|end| end > total) {
            return;
        }
        let known = self.found.iter().position(|(known, _)| known == digest);
        if known.is_none() {
            if self.found.len() >= MOST_EXTENSIONS {
                return;
            }
            self.found.push((digest.to_vec(), Vec::new()));
        }
        let index = known.unwrap_or(self.found.len() - 1);
        if let Some((_, whole)) = self.found.get_mut(index) {
            // Grows only as far as pieces are really there.
            if whole.len() < offset + data.len() && offset <= whole.len() + (1 << 16) {
                whole.resize(offset + data.len(), b' ');
            }
            if let Some(target) = whole.get_mut(offset..offset + data.len()) {
                target.copy_from_slice(data);
            }
        }
    }

    /// The extension that the main packet names.
    fn whole(&self) -> Option<&[u8]> {
        let wanted = self.wanted.as_ref()?;
        let named = |(digest, _): &&(Vec<u8>, Vec<u8>)| digest.eq_ignore_ascii_case(wanted.trim().as_bytes());
        self.found.iter().find(named).map(|(_, whole)| whole.as_slice())
    }
}
