//! Reads IPTC-IIM: captions, keywords and dates as news agencies wrote them before XMP.
//!
//! Invariant: text is UTF-8 when the envelope says so or when it is valid UTF-8, else Latin-1; records
//! other than the application record are skipped. (IPTC-IIM 4.2; Photoshop image resources.)

use crate::dates;
use crate::facts::DateSource;
use crate::settle::{self, Finds};
use crate::tiff::text_of;

/// Finds the IPTC block (resource 0x0404) among Photoshop's image resources, and reads it.
pub(crate) fn read_photoshop(bytes: &[u8], finds: &mut Finds) {
    let mut rest = bytes;
    while let Some(found) = rest.windows(4).take(64).position(|window| window == b"8BIM") {
        rest = rest.get(found..).unwrap_or_default();
        let Some(resource) = resource(rest) else { return };
        if resource.id == 0x0404 {
            read(resource.data, finds);
        }
        rest = rest.get(resource.length..).unwrap_or_default();
    }
}

struct Resource<'b> {
    id: u16,
    data: &'b [u8],
    length: usize,
}

fn resource(bytes: &[u8]) -> Option<Resource<'_>> {
    let id = u16::from_be_bytes(bytes.get(4..6)?.try_into().ok()?);
    let name = usize::from(*bytes.get(6)?) + 1;
    let data_at = 6 + name + (name & 1) + 4;
    let size = u32::from_be_bytes(bytes.get(data_at - 4..data_at)?.try_into().ok()?) as usize;
    let data = bytes.get(data_at..data_at.checked_add(size)?)?;
    Some(Resource { id, data, length: data_at + size + (size & 1) })
}

/// Reads an IPTC-IIM block.
pub(crate) fn read(bytes: &[u8], finds: &mut Finds) {
    let mut created = (None, None);
    let mut digitized = (None, None);
    let mut rest = bytes;
    for _ in 0..4096 {
        let Some((record, number, value, length)) = data_set(rest) else { break };
        rest = rest.get(length..).unwrap_or_default();
        if record != 2 {
            continue;
        }
        let text = text_of(value);
        let words = &mut finds.probe.words;
        match number {
            5 => settle::offer(&mut words.title, text.as_deref()),
            25 => settle::keyword(&mut words.keywords, text.as_deref().unwrap_or_default()),
            55 => created.0 = text,
            60 => created.1 = text,
            62 => digitized.0 = text,
            63 => digitized.1 = text,
            80 => settle::offer(&mut words.creator, text.as_deref()),
            90 => settle::offer(&mut words.city, text.as_deref()),
            95 => settle::offer(&mut words.region, text.as_deref()),
            101 => settle::offer(&mut words.country, text.as_deref()),
            120 => settle::offer(&mut words.description, text.as_deref()),
            _ => {}
        }
    }
    for (day, clock) in [created, digitized] {
        let written = day.and_then(|day| dates::parse_iptc(&day, clock.as_deref()));
        finds.written(written, DateSource::Iptc);
    }
}

/// One data set: record, number, value, and how long it is altogether.
fn data_set(bytes: &[u8]) -> Option<(u8, u8, &[u8], usize)> {
    let [0x1c, record, number, high, low, ..] = *bytes else { return None };
    let size = u16::from_be_bytes([high, low]);
    if size & 0x8000 == 0 {
        let end = 5 + usize::from(size);
        return Some((record, number, bytes.get(5..end)?, end));
    }
    // Extended: the next bytes hold the length.
    let width = usize::from(size & 0x7fff);
    let start = 5 + width;
    if width > 4 {
        return None;
    }
    let size = bytes.get(5..start)?.iter().fold(0usize, |size, byte| (size << 8) | usize::from(*byte));
    let end = start.checked_add(size)?;
    Some((record, number, bytes.get(start..end)?, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(number: u8, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x1c, 2, number];
        bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend(value);
        bytes
    }

    #[test]
    fn captions_are_read_as_utf8_or_latin1() {
        let mut finds = Finds::default();
        let block = [
            set(120, b"Caf\xe9"),
            set(25, "été".as_bytes()),
            set(25, b"sea"),
            set(55, b"20230514"),
            set(60, b"101112+0200"),
        ];
        read(&block.concat(), &mut finds);
        let probe = finds.finish();
        assert_eq!(probe.words.description.as_deref(), Some("Café"));
        assert_eq!(probe.words.keywords, ["été", "sea"]);
        assert_eq!(probe.taken.unwrap().offset_minutes, Some(120));
    }

    #[test]
    fn the_block_is_found_among_photoshop_resources() {
        let iptc = set(5, b"Title");
        let mut bytes = b"8BIM\x04\x25\0\0\0\0\0\x03abc\0".to_vec();
        bytes.extend(b"8BIM\x04\x04\0\0");
        bytes.extend(u32::try_from(iptc.len()).unwrap().to_be_bytes());
        bytes.extend(&iptc);
        let mut finds = Finds::default();
        read_photoshop(&bytes, &mut finds);
        assert_eq!(finds.probe.words.title.as_deref(), Some("Title"));
    }
}
