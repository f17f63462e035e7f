//! Walks the chunks of a PNG: size, EXIF in its three forms, XMP, texts and the modification time.
//!
//! Invariant: picture data is skipped, never read; compressed texts are unpacked within bounds.
//! (PNG third edition; ImageMagick's raw profiles.)

use jiff::civil::DateTime;

use crate::dates;
use crate::exif;
use crate::facts::DateSource;
use crate::iptc;
use crate::settle::{self, Finds};
use crate::source::Source;
use crate::tiff::text_of;
use crate::xmp::Packet;

const MOST_CHUNKS: usize = 200_000;
const MOST_TEXT_BYTES: usize = 8 << 20;
/// All compressed texts of a file together, unpacked.
const MOST_UNPACKED_BYTES: usize = 10 << 20;

/// Reads a PNG.
pub(crate) fn read(source: &Source<'_>, finds: &mut Finds) {
    let mut at = 8u64;
    let mut room = MOST_UNPACKED_BYTES;
    for _ in 0..MOST_CHUNKS {
        let Some([a, b, c, d, kind @ ..]) = source.array::<8>(at) else { break };
        let kind: [u8; 4] = kind;
        let length = u32::from_be_bytes([a, b, c, d]);
        let data = at + 8;
        match &kind {
            b"IHDR" => {
                if let (Some(width), Some(height)) = (source.be32(data), source.be32(data + 4)) {
                    finds.size(width.into(), height.into());
                }
            }
            b"acTL" => finds.probe.animated = source.be32(data).is_some_and(|frames| frames > 1),
            b"tIME" => time(source, data, finds),
            b"eXIf" | b"exIf" => {
                let skip = if source.array(data) == Some(*b"Exif\0\0") { 6 } else { 0 };
                exif::read(source, data + skip, finds);
            }
            b"tEXt" | b"zTXt" | b"iTXt" if (length as usize) <= MOST_TEXT_BYTES => {
                let chunk = source.get_some(data, length as usize);
                if let Some((keyword, value)) = text(kind, &chunk, &mut room) {
                    understand(&keyword, &value, finds);
                }
            }
            b"IEND" => break,
            _ => {}
        }
        at = data + u64::from(length) + 4;
    }
    if finds.probe.width.is_none() {
        finds.warn("the PNG has no usable header");
    }
}

fn time(source: &Source<'_>, data: u64, finds: &mut Finds) {
    let Some([y1, y0, month, day, hour, minute, second]) = source.array(data) else { return };
    let part = |value: u8| i8::try_from(value).unwrap_or(-1);
    let year = i16::try_from(u16::from_be_bytes([y1, y0])).unwrap_or(-1);
    if let Ok(local) =
        DateTime::new(year, part(month), part(day), part(hour), part(minute), part(second).min(59), 0)
        && year > 0
    {
        finds.date(local, Some(0), DateSource::PngTime);
    }
}

/// The keyword and the unpacked value of a text chunk.
fn text(kind: [u8; 4], chunk: &[u8], room: &mut usize) -> Option<(String, Vec<u8>)> {
    let end = chunk.iter().take(80).position(|byte| *byte == 0)?;
    let keyword = text_of(chunk.get(..end)?)?;
    let rest = chunk.get(end + 1..)?;
    let value = match &kind {
        b"tEXt" => rest.to_vec(),
        b"zTXt" => inflate(rest.get(1..)?, room)?,
        _ => {
            let (compressed, rest) = (*rest.first()?, rest.get(2..)?);
            let language = rest.iter().position(|byte| *byte == 0)?;
            let rest = rest.get(language + 1..)?;
            let translated = rest.iter().position(|byte| *byte == 0)?;
            let rest = rest.get(translated + 1..)?;
            if compressed == 1 { inflate(rest, room)? } else { rest.to_vec() }
        }
    };
    Some((keyword, value))
}

/// Unpacks zlib data, as long as there is room; what turns out too long uses it up all the same.
fn inflate(bytes: &[u8], room: &mut usize) -> Option<Vec<u8>> {
    let most = MOST_TEXT_BYTES.min(*room);
    if most == 0 {
        return None;
    }
    let unpacked = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(bytes, most);
    let used = unpacked.as_ref().map_or_else(|error| error.output.len(), Vec::len);
    *room = room.saturating_sub(used.max(bytes.len()));
    unpacked.ok()
}

fn understand(keyword: &str, value: &[u8], finds: &mut Finds) {
    let short = || value.get(..value.len().min(16 << 10)).and_then(text_of);
    match keyword {
        "XML:com.adobe.xmp" => Packet::parse(value).apply(finds),
        "Raw profile type exif" | "Raw profile type APP1" => {
            let Some(profile) = raw_profile(value) else { return };
            let source = Source::memory(&profile);
            if profile.starts_with(b"Exif\0\0") {
                exif::read(&source, 6, finds);
            } else if profile.starts_with(b"http://ns.adobe.com/xap/1.0/\0") {
                Packet::parse(profile.get(29..).unwrap_or_default()).apply(finds);
            } else {
                exif::read(&source, 0, finds);
            }
        }
        "Raw profile type xmp" => {
            if let Some(profile) = raw_profile(value) {
                Packet::parse(&profile).apply(finds);
            }
        }
        "Raw profile type iptc" => {
            if let Some(profile) = raw_profile(value) {
                if profile.starts_with(b"8BIM") {
                    iptc::read_photoshop(&profile, finds);
                } else {
                    iptc::read(&profile, finds);
                }
            }
        }
        "Creation Time" | "create-date" => {
            let written = short().and_then(|text| dates::parse_asctime(&text).or_else(|| rfc1123(&text)));
            finds.written(written, DateSource::PngTime);
        }
        "Title" => settle::offer(&mut finds.probe.words.title, short().as_deref()),
        "Author" => settle::offer(&mut finds.probe.words.creator, short().as_deref()),
        "Description" => settle::offer(&mut finds.probe.words.description, short().as_deref()),
        "Software" => settle::offer(&mut finds.probe.software, short().as_deref()),
        _ => {}
    }
}

/// `Sun, 14 May 2023 10:11:12 +0200`, which the PNG specification recommends.
fn rfc1123(text: &str) -> Option<dates::Written> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let start = usize::from(words.first()?.ends_with(','));
    let [day, month, year, clock, zone @ ..] = words.get(start..)? else { return None };
    let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let month = months.iter().position(|name| month.to_ascii_lowercase().starts_with(name))? + 1;
    dates::parse(&format!("{year}:{month:02}:{day:0>2} {clock}{}", zone.first().unwrap_or(&"")))
}

/// ImageMagick's hexadecimal profile: a name, a length, then the digits.
fn raw_profile(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?.trim_start();
    let mut lines = text.splitn(3, '\n');
    let (_name, length, digits) = (lines.next()?, lines.next()?, lines.next()?);
    let length: usize = length.trim().parse().ok()?;
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let bytes: Option<Vec<u8>> = digits
        .chunks_exact(2)
        .take(length)
        .map(|pair| Some((nibble(pair[0])? << 4) | nibble(pair[1])?))
        .collect();
    bytes.filter(|bytes| !bytes.is_empty())
}
