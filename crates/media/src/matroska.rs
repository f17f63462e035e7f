//! Reads Matroska and WebM: duration, date, tracks and tags.
//!
//! Invariant: clusters are stepped over by their stated length; the walk ends after a bounded number of
//! elements. (RFC 9559, RFC 8794.)

use crate::dates;
use crate::facts::{DateSource, VideoTrack};
use crate::settle::{self, Finds};
use crate::source::Source;
use crate::tiff::text_of;

const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TRACKS: u32 = 0x1654_ae6b;
const TAGS: u32 = 0x1254_c367;
const SEEK_HEAD: u32 = 0x114d_9b74;
const CLUSTER: u32 = 0x1f43_b675;
const MOST_ELEMENTS: usize = 512;
/// 2001-01-01, Matroska's epoch, in seconds since 1970.
const EPOCH_SECONDS: i64 = 978_307_200;

#[derive(Clone, Copy)]
struct Element {
    id: u32,
    start: u64,
    end: u64,
    /// Where it would end by its own account.
    stated_end: u64,
}

/// A variable-length number and its width; the length marker stays in for ids.
fn variable(source: &Source<'_>, at: u64, keep_marker: bool) -> Option<(u64, u64)> {
    let first = source.array::<1>(at)?[0];
    let width = u64::from(first.leading_zeros()) + 1;
    if width > 8 {
        return None;
    }
    let mut value = u64::from(first);
    if !keep_marker {
        value &= (1u64 << (8 - width)) - 1;
    }
    let mut all_ones = !keep_marker && value == (1u64 << (8 - width)) - 1;
    for index in 1..width {
        let byte = source.array::<1>(at + index)?[0];
        all_ones &= byte == 0xff;
        value = (value << 8) | u64::from(byte);
    }
    // All ones: of unknown length.
    Some((if all_ones { u64::MAX } else { value }, width))
}

fn element(source: &Source<'_>, at: u64, end: u64) -> Option<Element> {
    if at >= end {
        return None;
    }
    let (id, id_width) = variable(source, at, true)?;
    let (length, length_width) = variable(source, at + id_width, false)?;
    let start = at + id_width + length_width;
    let stated_end = if length == u64::MAX { end } else { start.checked_add(length)? };
    Some(Element { id: u32::try_from(id).ok()?, start, end: stated_end.min(end), stated_end })
}

fn elements(source: &Source<'_>, start: u64, end: u64) -> Vec<Element> {
    let mut found = Vec::new();
    let mut at = start;
    while let Some(element) = element(source, at, end) {
        at = element.end.max(at + 2);
        found.push(element);
        if found.len() >= MOST_ELEMENTS {
            break;
        }
    }
    found
}

impl Element {
    fn unsigned(&self, source: &Source<'_>) -> Option<u64> {
        let bytes =
            source.get(self.start, usize::try_from(self.end - self.start).ok().filter(|n| *n <= 8)?)?;
        Some(bytes.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    }

    fn float(&self, source: &Source<'_>) -> Option<f64> {
        match self.end - self.start {
            4 => source.be32(self.start).map(|bits| f64::from(f32::from_bits(bits))),
            8 => source.be64(self.start).map(f64::from_bits),
            _ => None,
        }
    }

    fn text(&self, source: &Source<'_>) -> Option<String> {
        text_of(
            &source.get_some(self.start, usize::try_from(self.end - self.start).unwrap_or(0).min(16 << 10)),
        )
    }
}

/// Reads a Matroska or WebM file.
pub(crate) fn read(source: &Source<'_>, finds: &mut Finds) {
    let top = elements(source, 0, source.len());
    let Some(segment) = top.iter().find(|element| element.id == SEGMENT) else {
        finds.warn("the Matroska file has no segment");
        return;
    };
    finds.states_end(segment.stated_end, source.len());
    let mut later = Vec::new();
    let mut tags_read = false;
    let mut at = segment.start;
    for _ in 0..MOST_ELEMENTS {
        let Some(element) = element(source, at, segment.end) else { break };
        match element.id {
            INFO => read_info(source, &element, finds),
            TRACKS => read_tracks(source, &element, finds),
            TAGS => {
                tags_read = true;
                read_tags(source, &element, finds);
            }
            SEEK_HEAD => later = sought(source, &element, segment.start),
            CLUSTER => break,
            _ => {}
        }
        at = element.end.max(at + 2);
    }
    if !tags_read {
        for place in later {
            if let Some(element) = element(source, place, segment.end)
                && element.id == TAGS
            {
                read_tags(source, &element, finds);
            }
        }
    }
}

/// Where the index says that tags are.
fn sought(source: &Source<'_>, head: &Element, segment: u64) -> Vec<u64> {
    let mut found = Vec::new();
    for entry in elements(source, head.start, head.end) {
        let parts = elements(source, entry.start, entry.end);
        let part = |id: u32| parts.iter().find(|part| part.id == id).and_then(|part| part.unsigned(source));
        if let (Some(kind), Some(offset)) = (part(0x53ab), part(0x53ac))
            && kind == u64::from(TAGS)
        {
            found.extend(segment.checked_add(offset));
        }
    }
    found.truncate(4);
    found
}

fn read_info(source: &Source<'_>, info: &Element, finds: &mut Finds) {
    let mut scale_nanos = 1_000_000u64;
    let mut duration = None;
    for element in elements(source, info.start, info.end) {
        match element.id {
            0x2a_d7b1 => scale_nanos = element.unsigned(source).unwrap_or(scale_nanos),
            0x4489 => duration = element.float(source),
            0x4461 => {
                let nanos = element.unsigned(source).map(u64::cast_signed);
                let local =
                    nanos.and_then(|nanos| dates::from_unix(EPOCH_SECONDS + nanos.div_euclid(1_000_000_000)));
                if let Some(local) = local {
                    finds.date(local, Some(0), DateSource::MovieHeader);
                }
            }
            0x7ba9 => settle::offer(&mut finds.probe.words.title, element.text(source).as_deref()),
            0x5741 => settle::offer(&mut finds.probe.software, element.text(source).as_deref()),
            _ => {}
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds per tick, a small number")]
    let millis =
        duration.map(|ticks| ticks * scale_nanos as f64 / 1e6).filter(|millis| (1.0..1e12).contains(millis));
    if let Some(millis) = millis {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded just above")]
        let millis = millis.round() as u64;
        finds.probe.duration_millis = Some(millis);
    }
}

fn read_tracks(source: &Source<'_>, tracks: &Element, finds: &mut Finds) {
    for track in elements(source, tracks.start, tracks.end).iter().filter(|element| element.id == 0xae) {
        let parts = elements(source, track.start, track.end);
        let part = |id: u32| parts.iter().find(|part| part.id == id);
        let codec = part(0x86).and_then(|part| part.text(source)).unwrap_or_default();
        match part(0x83).and_then(|part| part.unsigned(source)) {
            Some(1) if finds.probe.video.is_none() => {
                let picture =
                    part(0xe0).map(|video| elements(source, video.start, video.end)).unwrap_or_default();
                let side = |id: u32| {
                    let found = picture.iter().find(|part| part.id == id)?;
                    u32::try_from(found.unsigned(source)?).ok()
                };
                let (width, height) = (side(0xb0).unwrap_or(0), side(0xba).unwrap_or(0));
                finds.size(width.into(), height.into());
                let nanos = part(0x23_e383).and_then(|part| part.unsigned(source)).filter(|nanos| *nanos > 0);
                #[expect(clippy::cast_precision_loss, reason = "nanoseconds per frame")]
                let rate = nanos.map(|nanos| (1e12 / nanos as f64).round() / 1000.0);
                finds.probe.video =
                    Some(VideoTrack { codec, width, height, rotation_degrees: 0, frames_per_second: rate });
            }
            Some(2) if finds.probe.audio_codec.is_none() && !codec.is_empty() => {
                finds.probe.audio_codec = Some(codec);
            }
            _ => {}
        }
    }
}

fn read_tags(source: &Source<'_>, tags: &Element, finds: &mut Finds) {
    for tag in elements(source, tags.start, tags.end).iter().filter(|element| element.id == 0x7373) {
        for simple in elements(source, tag.start, tag.end).iter().filter(|element| element.id == 0x67c8) {
            let parts = elements(source, simple.start, simple.end);
            let text = |id: u32| parts.iter().find(|part| part.id == id).and_then(|part| part.text(source));
            if let (Some(name), Some(value)) = (text(0x45a3), text(0x4487)) {
                apply_tag(&name, &value, finds);
            }
        }
    }
}

fn apply_tag(name: &str, value: &str, finds: &mut Finds) {
    let probe = &mut finds.probe;
    match name.to_ascii_uppercase().as_str() {
        "DATE_RECORDED" | "CREATION_TIME" | "DATE_DIGITIZED" | "COM.APPLE.QUICKTIME.CREATIONDATE" => {
            finds.written(dates::parse(value), DateSource::Container);
        }
        "TITLE" => settle::offer(&mut probe.words.title, Some(value)),
        "DESCRIPTION" => settle::offer(&mut probe.words.description, Some(value)),
        "COMMENT" => settle::offer(&mut finds.last_words.description, Some(value)),
        "MAKE" | "COM.APPLE.QUICKTIME.MAKE" => settle::offer(&mut probe.make, Some(value)),
        "MODEL" | "COM.APPLE.QUICKTIME.MODEL" => settle::offer(&mut probe.model, Some(value)),
        "LOCATION" | "COM.APPLE.QUICKTIME.LOCATION.ISO6709" => {
            crate::movie::iso6709(value, finds);
        }
        _ => {}
    }
}
