//! Reads MP4, MOV and their relatives: dates, duration, tracks, Apple's keys and user data.
//!
//! Invariant: only the boxes that describe the movie are read, never its samples; a video of any length
//! costs a few seeks. (ISO/IEC 14496-12, QuickTime file format, 3GPP TS 26.244.)

use crate::boxes::{self, Part};
use crate::camcorder;
use crate::dates;
use crate::exif;
use crate::facts::{DateSource, GpsSource, VideoTrack};
use crate::jpeg;
use crate::settle::{self, Finds};
use crate::source::Source;
use crate::tiff::text_of;
use crate::turn::Turn;
use crate::xmp::{self, Packet};

const XMP_UUID: [u8; 16] = *b"\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac";
const MOST_TEXT_BYTES: usize = 64 << 10;
const MOST_TRACKS: usize = 64;
/// The boxes that a movie is made of. What follows them is no box, and what it seems to state of its length means nothing.
const OF_MOVIES: [&[u8; 4]; 13] = [
    b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"free", b"skip", b"wide", b"pnot",
    b"uuid", b"meta",
];

/// What is known of one track.
#[derive(Default)]
struct Track {
    handler: [u8; 4],
    created: u64,
    shown: (u32, u32),
    turn: Turn,
    seconds: f64,
    codec: [u8; 4],
    coded: (u32, u32),
    samples: u32,
}

/// Reads a movie, or the movie part of an image sequence.
pub(crate) fn read(source: &Source<'_>, finds: &mut Finds) {
    let mut found = false;
    let mut fragments = 0;
    let mut is_movie = true;
    for part in boxes::parts(source, 0, source.len()) {
        is_movie &= OF_MOVIES.contains(&&part.kind);
        // Of room that is free nothing can be lost.
        if is_movie && !matches!(&part.kind, b"free" | b"skip" | b"wide") {
            finds.states_end(part.stated_end, source.len());
        }
        match &part.kind {
            b"moov" => {
                found = true;
                read_moov(source, &part, finds);
            }
            b"uuid" => read_uuid(source, &part, finds),
            b"meta" => read_sony(source, &part, finds),
            b"moof" => fragments += 1,
            _ => {}
        }
        if fragments > 16 {
            break;
        }
    }
    if !found {
        finds.warn("the movie has no header (moov); it was probably not finished");
    }
}

fn read_moov(source: &Source<'_>, moov: &Part, finds: &mut Finds) {
    let mut tracks = Vec::new();
    let mut header_date = None;
    for part in boxes::parts(source, moov.start, moov.end) {
        match &part.kind {
            b"mvhd" => header_date = read_header(source, &part, finds),
            b"trak" if tracks.len() < MOST_TRACKS => tracks.push(track(source, &part)),
            b"udta" => read_user_data(source, &part, finds),
            b"meta" => read_meta(source, &part, finds),
            b"uuid" => read_uuid(source, &part, finds),
            b"mvex" => read_fragment_duration(source, &part, finds),
            _ => {}
        }
    }
    let date = header_date.or_else(|| tracks.iter().find_map(|track| dates::from_quicktime(track.created)));
    if let Some(date) = date {
        finds.date(date, Some(0), DateSource::MovieHeader);
    }
    apply_tracks(&tracks, finds);
}

fn read_header(source: &Source<'_>, part: &Part, finds: &mut Finds) -> Option<jiff::civil::DateTime> {
    let wide = source.array::<1>(part.start)?[0] == 1;
    let (created, scale, duration) = if wide {
        (source.be64(part.start + 4)?, source.be32(part.start + 20)?, source.be64(part.start + 24)?)
    } else {
        let duration = source.be32(part.start + 16)?;
        let duration = if duration == u32::MAX { 0 } else { u64::from(duration) };
        (u64::from(source.be32(part.start + 4)?), source.be32(part.start + 12)?, duration)
    };
    finds.probe.duration_millis = millis(duration, scale);
    dates::from_quicktime(created)
}

/// Reads the date of a movie's header only: a CR3 is a still picture in a movie's clothes.
pub(crate) fn read_header_date(source: &Source<'_>, moov: &Part, finds: &mut Finds) {
    let header = boxes::find(source, moov.start, moov.end, b"mvhd");
    if let Some(date) = header.and_then(|part| read_header(source, &part, finds)) {
        finds.date(date, Some(0), DateSource::MovieHeader);
    }
    finds.probe.duration_millis = None;
}

fn millis(duration: u64, scale: u32) -> Option<u64> {
    let millis = (u128::from(duration) * 1000 + u128::from(scale) / 2).checked_div(u128::from(scale))?;
    // Nothing plays for thirty years.
    u64::try_from(millis).ok().filter(|millis| (1..1_000_000_000_000).contains(millis))
}

fn read_fragment_duration(source: &Source<'_>, mvex: &Part, finds: &mut Finds) {
    if finds.probe.duration_millis.is_some() {
        return;
    }
    let moov_scale = || {
        let moov = boxes::find(source, 0, source.len(), b"moov")?;
        let header = boxes::find(source, moov.start, moov.end, b"mvhd")?;
        let wide = source.array::<1>(header.start)?[0] == 1;
        source.be32(header.start + if wide { 20 } else { 12 })
    };
    let Some(part) = boxes::find(source, mvex.start, mvex.end, b"mehd") else { return };
    let wide = source.array(part.start) == Some([1u8]);
    let duration =
        if wide { source.be64(part.start + 4) } else { source.be32(part.start + 4).map(u64::from) };
    if let (Some(duration), Some(scale)) = (duration, moov_scale()) {
        finds.probe.duration_millis = millis(duration, scale);
    }
}

fn track(source: &Source<'_>, trak: &Part) -> Track {
    let mut track = Track::default();
    if let Some(part) = boxes::find(source, trak.start, trak.end, b"tkhd") {
        let _partial = read_track_header(source, &part, &mut track);
    }
    let Some(media) = boxes::find(source, trak.start, trak.end, b"mdia") else { return track };
    for part in boxes::parts(source, media.start, media.end) {
        match &part.kind {
            b"mdhd" => track.seconds = media_seconds(source, &part).unwrap_or(0.0),
            b"hdlr" => track.handler = source.array(part.start + 8).unwrap_or_default(),
            b"minf" => {
                if let Some(table) = boxes::find(source, part.start, part.end, b"stbl") {
                    let _partial = read_sample_table(source, &table, &mut track);
                }
            }
            _ => {}
        }
    }
    track
}

fn read_track_header(source: &Source<'_>, part: &Part, track: &mut Track) -> Option<()> {
    let wide = source.array::<1>(part.start)?[0] == 1;
    track.created = if wide { source.be64(part.start + 4)? } else { source.be32(part.start + 4)?.into() };
    let matrix = part.start + if wide { 52 } else { 40 };
    let number = |at: u64| source.be32(matrix + at).map(u32::cast_signed);
    track.turn = Turn::of_matrix([number(0)?, number(4)?, number(12)?, number(16)?]).unwrap_or_default();
    track.shown = (source.be32(matrix + 36)? >> 16, source.be32(matrix + 40)? >> 16);
    Some(())
}

fn media_seconds(source: &Source<'_>, part: &Part) -> Option<f64> {
    let wide = source.array::<1>(part.start)?[0] == 1;
    let (scale, duration) = if wide {
        (source.be32(part.start + 20)?, source.be64(part.start + 24)?)
    } else {
        (source.be32(part.start + 12)?, source.be32(part.start + 16)?.into())
    };
    #[expect(clippy::cast_precision_loss, reason = "a frame rate needs no more")]
    let seconds = millis(duration, scale)? as f64 / 1000.0;
    Some(seconds)
}

fn read_sample_table(source: &Source<'_>, table: &Part, track: &mut Track) -> Option<()> {
    let descriptions = boxes::find(source, table.start, table.end, b"stsd")?;
    let entry = boxes::part(source, descriptions.start + 8, descriptions.end)?;
    track.codec = entry.kind;
    if let Some([w1, w0, h1, h0]) = source.array(entry.start + 24)
        && entry.start + 28 <= entry.end
    {
        track.coded = (u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into());
    }
    let sizes = boxes::find(source, table.start, table.end, b"stsz")?;
    track.samples = source.be32(sizes.start + 8)?;
    Some(())
}

fn apply_tracks(tracks: &[Track], finds: &mut Finds) {
    let picture =
        tracks.iter().find(|track| matches!(&track.handler, b"vide" | b"pict") && track.codec != [0; 4]);
    let picture = picture.or_else(|| tracks.iter().find(|track| matches!(&track.handler, b"vide" | b"pict")));
    if let Some(track) = picture {
        let (width, height) = if track.shown.0 > 0 && track.shown.1 > 0 { track.shown } else { track.coded };
        finds.size(width.into(), height.into());
        if &track.handler == b"vide" {
            finds.probe.orientation = track.turn.orientation();
        }
        let coded = if track.coded.0 > 0 { track.coded } else { track.shown };
        let rate =
            (track.seconds > 0.0 && track.samples > 1).then(|| f64::from(track.samples) / track.seconds);
        finds.probe.video = Some(VideoTrack {
            codec: fourcc(track.codec),
            width: coded.0,
            height: coded.1,
            rotation_degrees: track.turn.degrees(),
            frames_per_second: rate.map(|rate| (rate * 1000.0).round() / 1000.0),
        });
        finds.probe.animated |= &track.handler == b"pict" && track.samples > 1;
    }
    let sound = tracks.iter().find(|track| &track.handler == b"soun");
    finds.probe.audio_codec = sound.map(|track| fourcc(track.codec)).filter(|codec| !codec.is_empty());
}

fn fourcc(code: [u8; 4]) -> String {
    let text: String =
        code.iter().map(|byte| char::from(*byte)).filter(|letter| !letter.is_control()).collect();
    text.trim().to_owned()
}

/// Texts that cameras leave in `udta`.
fn read_user_data(source: &Source<'_>, udta: &Part, finds: &mut Finds) {
    for part in boxes::parts(source, udta.start, udta.end) {
        let bytes = source.get_some(part.start, part.bytes(MOST_TEXT_BYTES));
        match &part.kind {
            // DJI's drones leave out length and language.
            b"\xa9mdl" => {
                let model = text_of(&bytes).or_else(|| counted_text(&bytes));
                settle::offer(&mut finds.probe.model, model.as_deref());
            }
            b"cmnm" => settle::offer(&mut finds.probe.model, text_of(&bytes).as_deref()),
            [0xa9, name @ ..] => {
                if let Some(text) = counted_text(&bytes) {
                    apply_named(name, &text, finds);
                }
            }
            b"loci" => read_loci(&bytes, finds),
            b"meta" => read_meta(source, &part, finds),
            b"XMP_" => Packet::parse(&source.get_some(part.start, part.bytes(xmp::MOST_BYTES))).apply(finds),
            b"titl" => settle::offer(&mut finds.probe.words.title, classified(&bytes).as_deref()),
            b"dscp" => settle::offer(&mut finds.probe.words.description, classified(&bytes).as_deref()),
            b"auth" => settle::offer(&mut finds.probe.words.creator, classified(&bytes).as_deref()),
            b"manu" => settle::offer(&mut finds.probe.make, classified(&bytes).as_deref()),
            b"modl" => settle::offer(&mut finds.probe.model, classified(&bytes).as_deref()),
            b"date" => {
                let written = text_of(&bytes).and_then(|text| dates::parse(&text));
                finds.written(written, DateSource::QuickTimeCreation);
            }
            // Canon's cameras: a JPEG with EXIF.
            b"CNTH" => {
                if let Some(picture) = boxes::find(source, part.start, part.end, b"CNDA") {
                    read_thumbnail_exif(source, picture.start, finds);
                }
            }
            _ => camcorder::read(source, &part, finds),
        }
    }
}

fn read_thumbnail_exif(source: &Source<'_>, start: u64, finds: &mut Finds) {
    if let Some(offset) = jpeg::exif_offset(source, start) {
        exif::read(source, offset, finds);
        // The thumbnail's orientation is not the movie's.
        finds.probe.exif_orientation = None;
    }
}

/// QuickTime's text: length, language, letters; several in a row, the first counts.
fn counted_text(bytes: &[u8]) -> Option<String> {
    let [l1, l0, _, _, rest @ ..] = bytes else { return None };
    // iTunes-style: a `data` box instead.
    if bytes.get(4..8) == Some(b"data") {
        return text_of(bytes.get(16..)?);
    }
    let length = usize::from(u16::from_be_bytes([*l1, *l0])).min(rest.len());
    text_of(rest.get(..length)?)
}

/// 3GPP's text: version, language, letters in UTF-8 or UTF-16.
fn classified(bytes: &[u8]) -> Option<String> {
    // Some cameras write the letters alone.
    let text = if bytes.starts_with(&[0; 4]) { bytes.get(6..)? } else { bytes };
    if text.starts_with(&[0xfe, 0xff]) {
        let units: Vec<u16> =
            text.chunks_exact(2).skip(1).map(|p| u16::from_be_bytes([p[0], p[1]])).collect();
        let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
        return settle::text(&String::from_utf16_lossy(units.get(..end)?));
    }
    text_of(text)
}

/// What the names of QuickTime's texts mean, without their copyright sign.
fn apply_named(name: &[u8], text: &str, finds: &mut Finds) {
    let probe = &mut finds.probe;
    match name {
        b"xyz" => iso6709(text, finds),
        b"day" => quicktime_date(text, finds),
        b"mak" => settle::offer(&mut probe.make, Some(text)),
        b"mod" => settle::offer(&mut probe.model, Some(text)),
        b"swr" | b"too" => settle::offer(&mut probe.software, Some(text)),
        b"nam" => settle::offer(&mut probe.words.title, Some(text)),
        b"des" => settle::offer(&mut probe.words.description, Some(text)),
        b"cmt" => settle::offer(&mut finds.last_words.description, Some(text)),
        b"ART" | b"aut" => settle::offer(&mut probe.words.creator, Some(text)),
        _ => {}
    }
}

/// A date with a zone is the moment of filming; without one it may be a year of publication.
fn quicktime_date(text: &str, finds: &mut Finds) {
    let Some(written) = dates::parse(text) else { return };
    let source =
        if written.offset_minutes.is_some() { DateSource::QuickTimeCreation } else { DateSource::Container };
    finds.date(written.local, written.offset_minutes, source);
}

/// `+27.2939+112.6932+015.0/`, degrees alone or with minutes and seconds.
pub(crate) fn iso6709(text: &str, finds: &mut Finds) {
    let mut numbers = Vec::new();
    let mut current = String::new();
    for letter in text.trim().chars().chain(std::iter::once('/')) {
        match letter {
            '+' | '-' | '/' | 'C' if !current.is_empty() => {
                numbers.push(std::mem::take(&mut current));
                if !matches!(letter, '+' | '-') {
                    break;
                }
                current.push(letter);
            }
            '+' | '-' | '0'..='9' | '.' => current.push(letter),
            ',' if !current.is_empty() => current.push('.'),
            _ => {}
        }
    }
    let degrees = |index: usize, whole: usize| -> Option<f64> {
        let text: &String = numbers.get(index)?;
        let value: f64 = text.parse().ok()?;
        let digits = text.trim_start_matches(['+', '-']).split('.').next()?.len();
        let (sign, value) = (value.signum(), value.abs());
        Some(
            sign * if digits <= whole {
                value
            } else if digits <= whole + 2 {
                (value / 100.0).floor() + value % 100.0 / 60.0
            } else {
                (value / 10_000.0).floor() + (value / 100.0).floor() % 100.0 / 60.0 + value % 100.0 / 3600.0
            },
        )
    };
    if let (Some(latitude), Some(longitude)) = (degrees(0, 2), degrees(1, 3)) {
        let altitude = numbers.get(2).and_then(|text| text.parse().ok());
        finds.position(latitude, longitude, altitude, GpsSource::QuickTime);
    }
}

/// 3GPP's place: version, language, name, role, then fixed-point longitude, latitude, altitude.
fn read_loci(bytes: &[u8], finds: &mut Finds) {
    let position = || {
        let name = bytes.get(6..)?;
        let end = if name.starts_with(&[0xfe, 0xff]) {
            name.chunks_exact(2).position(|pair| pair == [0, 0])? * 2 + 2
        } else {
            name.iter().position(|byte| *byte == 0)? + 1
        };
        let fixed = |at: usize| {
            let bytes = name.get(end + 1 + at..end + 5 + at)?;
            Some(f64::from(i32::from_be_bytes(bytes.try_into().ok()?)) / 65_536.0)
        };
        Some((fixed(4)?, fixed(0)?, fixed(8)))
    };
    if let Some((latitude, longitude, altitude)) = position() {
        finds.position(latitude, longitude, altitude, GpsSource::QuickTime);
    }
}

/// Apple's `meta`: numbered items whose names are in `keys`, or items named by their kind.
fn read_meta(source: &Source<'_>, meta: &Part, finds: &mut Finds) {
    // As a full box it has a version first; QuickTime's has not.
    let bare = source.array(meta.start + 4) == Some(*b"hdlr");
    let start = meta.start + if bare { 0 } else { 4 };
    let mut keys = Vec::new();
    for part in boxes::parts(source, start, meta.end) {
        match &part.kind {
            b"keys" => keys = key_names(&source.get_some(part.start, part.bytes(MOST_TEXT_BYTES))),
            b"ilst" => {
                for item in boxes::parts(source, part.start, part.end) {
                    read_item(source, &item, &keys, finds);
                }
            }
            b"xml " => Packet::parse(&source.get_some(part.start, part.bytes(xmp::MOST_BYTES))).apply(finds),
            _ => {}
        }
    }
}

fn key_names(bytes: &[u8]) -> Vec<String> {
    let entries = boxes::in_slice(bytes.get(8..).unwrap_or_default());
    entries.take(512).map(|(_, name)| text_of(name).unwrap_or_default()).collect()
}

fn read_item(source: &Source<'_>, item: &Part, keys: &[String], finds: &mut Finds) {
    let Some(data) = boxes::find(source, item.start, item.end, b"data") else { return };
    let bytes = source.get_some(data.start, data.bytes(MOST_TEXT_BYTES));
    let Some(text) = bytes.get(8..).and_then(text_of) else { return };
    if let [0xa9, name @ ..] = &item.kind {
        apply_named(name, &text, finds);
        return;
    }
    if &item.kind == b"desc" {
        settle::offer(&mut finds.probe.words.description, Some(&text));
        return;
    }
    let index = (u32::from_be_bytes(item.kind) as usize).checked_sub(1);
    let Some(key) = index.and_then(|index| keys.get(index)) else { return };
    let probe = &mut finds.probe;
    match key.strip_prefix("com.apple.quicktime.").unwrap_or(key) {
        "creationdate" => quicktime_date(&text, finds),
        "location.ISO6709" => iso6709(&text, finds),
        "make" | "com.android.manufacturer" => settle::offer(&mut probe.make, Some(&text)),
        "model" | "com.android.model" => settle::offer(&mut probe.model, Some(&text)),
        "software" => settle::offer(&mut probe.software, Some(&text)),
        "camera.lens_model" => settle::offer(&mut probe.lens, Some(&text)),
        "content.identifier" => settle::offer(&mut probe.content_identifier, Some(&text)),
        "title" | "displayname" => settle::offer(&mut probe.words.title, Some(&text)),
        "description" => settle::offer(&mut probe.words.description, Some(&text)),
        "comment" => settle::offer(&mut finds.last_words.description, Some(&text)),
        "author" | "artist" => settle::offer(&mut probe.words.creator, Some(&text)),
        "keywords" => {
            for word in text.split(',') {
                settle::keyword(&mut probe.words.keywords, word);
            }
        }
        _ => {}
    }
}

/// Reads XMP from Adobe's box.
pub(crate) fn read_uuid(source: &Source<'_>, part: &Part, finds: &mut Finds) {
    if source.array(part.start) == Some(XMP_UUID) {
        Packet::parse(&source.get_some(part.start + 16, part.bytes(xmp::MOST_BYTES).saturating_sub(16)))
            .apply(finds);
    }
}

/// Sony's cameras describe the recording in XML, with a zone that the movie header lacks.
fn read_sony(source: &Source<'_>, meta: &Part, finds: &mut Finds) {
    let bare = source.array(meta.start + 4) == Some(*b"hdlr");
    let Some(xml) = boxes::find(source, meta.start + if bare { 0 } else { 4 }, meta.end, b"xml ") else {
        return;
    };
    let bytes = source.get_some(xml.start, xml.bytes(MOST_TEXT_BYTES));
    let text = String::from_utf8_lossy(&bytes);
    let attribute = |element: &str, name: &str| -> Option<String> {
        let from = text.get(text.find(&format!("<{element} "))?..)?;
        let tag = from.get(..from.find('>')?)?;
        let value = tag.get(tag.find(&format!("{name}=\""))? + name.len() + 2..)?;
        Some(value.get(..value.find('"')?)?.to_owned())
    };
    if let Some(date) = attribute("CreationDate", "value") {
        quicktime_date(&date, finds);
    }
    settle::offer(&mut finds.probe.make, attribute("Device", "manufacturer").as_deref());
    settle::offer(&mut finds.probe.model, attribute("Device", "modelName").as_deref());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Option<(f64, f64, Option<f64>)> {
        let mut finds = Finds::default();
        iso6709(text, &mut finds);
        finds.probe.gps.map(|gps| (gps.latitude, gps.longitude, gps.altitude_metres))
    }

    #[test]
    fn positions_are_read_in_degrees_minutes_and_seconds() {
        assert_eq!(place("+27.2939+112.6932+015.500/"), Some((27.2939, 112.6932, Some(15.5))));
        assert_eq!(place("-33.8568+151.2153/"), Some((-33.8568, 151.2153, None)));
        assert_eq!(place("+4830.5-00215.0/"), Some((48.0 + 30.5 / 60.0, -(2.0 + 15.0 / 60.0), None)));
        assert_eq!(place("+483030+0021500CRSWGS_84/").map(|p| p.0), Some(48.0 + 30.0 / 60.0 + 30.0 / 3600.0));
        assert_eq!(place("nonsense"), None);
        assert_eq!(place(""), None);
    }
}
