//! Reads what makers of cameras leave in a movie's user data: the camera's name, and at times the date.
//!
//! Invariant: a box of unknown shape is left alone. (Layouts as in exiftool's documentation of Nikon,
//! GoPro and other QuickTime tags; GoPro's GPMF introduction.)

use crate::boxes::{self, Part};
use crate::dates;
use crate::facts::DateSource;
use crate::settle::{self, Finds};
use crate::source::Source;
use crate::tiff::text_of;

const MOST_BYTES: usize = 256 << 10;

/// Reads a maker's box; those of other kinds are ignored.
pub(crate) fn read(source: &Source<'_>, part: &Part, finds: &mut Finds) {
    let payload = || source.get_some(part.start, part.bytes(MOST_BYTES));
    match &part.kind {
        b"TAGS" => read_tags(&payload(), finds),
        b"NCDT" => {
            if let Some(tags) = boxes::find(source, part.start, part.end, b"NCTG") {
                read_nikon(&source.get_some(tags.start, tags.bytes(MOST_BYTES)), finds);
            }
        }
        b"GPMF" => read_gopro(&payload(), finds),
        _ => {}
    }
}

/// Compact cameras of the 2000s: maker and model in fields of fixed width.
fn read_tags(bytes: &[u8], finds: &mut Finds) {
    let field = |start: usize, end: usize| bytes.get(start..end).and_then(text_of);
    if let Some(make) = field(0, 24).filter(|make| make.contains("DIGITAL CAMERA")) {
        settle::offer(&mut finds.probe.make, Some(&make));
        settle::offer(&mut finds.probe.model, field(24, 40).as_deref());
    }
}

/// Nikon's tags: number, type, count, value.
fn read_nikon(bytes: &[u8], finds: &mut Finds) {
    let mut rest = bytes;
    for _ in 0..512 {
        let [t3, t2, t1, t0, k1, k0, c1, c0, value @ ..] = rest else { break };
        let tag = u32::from_be_bytes([*t3, *t2, *t1, *t0]);
        let width = match u16::from_be_bytes([*k1, *k0]) {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 => 4,
            5 | 10 => 8,
            _ => break,
        };
        let length = usize::from(u16::from_be_bytes([*c1, *c0])) * width;
        let Some((value, after)) = value.split_at_checked(length) else { break };
        match tag {
            0x01 => settle::offer(&mut finds.probe.make, text_of(value).as_deref()),
            0x02 => settle::offer(&mut finds.probe.model, text_of(value).as_deref()),
            0x03 => settle::offer(&mut finds.probe.software, text_of(value).as_deref()),
            0x12 => {
                finds.written(text_of(value).and_then(|text| dates::parse(&text)), DateSource::ExifOriginal);
            }
            _ => {}
        }
        rest = after;
    }
}

/// GoPro's keys: four letters, type, width, repetitions, then the value padded to four bytes.
fn read_gopro(bytes: &[u8], finds: &mut Finds) {
    let mut rest = bytes;
    for _ in 0..4096 {
        let [a, b, c, d, kind, width, r1, r0, value @ ..] = rest else { break };
        let length = usize::from(*width) * usize::from(u16::from_be_bytes([*r1, *r0]));
        // A nested list is walked by walking on inside it.
        if *kind == 0 {
            rest = value;
            continue;
        }
        let Some(data) = value.get(..length) else { break };
        if &[*a, *b, *c, *d] == b"MINF" {
            settle::offer(&mut finds.probe.model, text_of(data).as_deref());
            settle::offer(&mut finds.probe.make, Some("GoPro"));
        }
        rest = value.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nikon_and_gopro_name_their_cameras() {
        let mut finds = Finds::default();
        let mut tags = b"\0\0\0\x01\0\x02\0\x06NIKON\0\0\0\0\x02\0\x02\0\x06D7000\0".to_vec();
        tags.extend(b"\0\0\0\x12\0\x02\0\x142011:02:03 04:05:06\0");
        read_nikon(&tags, &mut finds);
        assert_eq!(
            (finds.probe.make.as_deref(), finds.probe.model.as_deref()),
            (Some("NIKON"), Some("D7000"))
        );
        assert_eq!(finds.finish().taken.unwrap().local.to_string(), "2011-02-03T04:05:06");

        let mut finds = Finds::default();
        read_gopro(b"DEVC\0\x01\0\x18VERSB\x01\0\x02\x01\x02\0\0MINFc\x0b\0\x01HERO6 Black\0", &mut finds);
        assert_eq!(finds.probe.model.as_deref(), Some("HERO6 Black"));
    }

    #[test]
    fn tags_of_compact_cameras_are_read_by_width() {
        let mut finds = Finds::default();
        read_tags(b"OLYMPUS DIGITAL CAMERA\0\0u800\0\0\0\0\0\0\0\0\0\0\0\0rest", &mut finds);
        assert_eq!(finds.probe.model.as_deref(), Some("u800"));
    }
}
