//! Reads JPEG XL: the size header of the codestream, and the container's EXIF and XMP boxes.
//!
//! Invariant: the codestream is read up to its image metadata only; compressed boxes are unpacked within
//! bounds. (ISO/IEC 18181-1 annex A and D, 18181-2.)

use std::borrow::Cow;
use std::io::Read;

use crate::boxes::{self, Part};
use crate::exif;
use crate::settle::Finds;
use crate::source::Source;
use crate::xmp::{self, Packet};

const MOST_BOX_BYTES: usize = 8 << 20;

/// Reads a bare codestream or a container.
pub(crate) fn read(source: &Source<'_>, finds: &mut Finds) {
    if source.array(0) == Some([0xff, 0x0a]) {
        read_codestream(&source.get_some(0, 64), finds);
        return;
    }
    let mut sized = false;
    let mut unpacked_bytes = 0;
    for part in boxes::parts(source, 0, source.len()) {
        let (kind, bytes) = match &part.kind {
            b"jxlc" if !sized => (*b"jxlc", source.get_some(part.start, part.bytes(64))),
            b"jxlp" if !sized => (*b"jxlc", source.get_some(part.start + 4, part.bytes(64))),
            b"Exif" | b"xml " => (part.kind, source.get_some(part.start, part.bytes(MOST_BOX_BYTES))),
            b"brob" if unpacked_bytes < MOST_BOX_BYTES => match unpack(source, &part) {
                Some(unpacked) => {
                    unpacked_bytes += unpacked.1.len();
                    unpacked
                }
                None => continue,
            },
            _ => continue,
        };
        match &kind {
            b"jxlc" => {
                sized = true;
                read_codestream(&bytes, finds);
            }
            b"Exif" => read_exif(&bytes, finds),
            b"xml " => {
                Packet::parse(bytes.get(..bytes.len().min(xmp::MOST_BYTES)).unwrap_or_default()).apply(finds);
            }
            _ => {}
        }
    }
    if !sized {
        finds.warn("the JPEG XL file has no picture");
    }
}

fn read_exif(bytes: &[u8], finds: &mut Finds) {
    let Some(Ok(skip)) = bytes.get(..4).map(<[u8; 4]>::try_from) else { return };
    let source = Source::memory(bytes);
    exif::read(&source, 4 + u64::from(u32::from_be_bytes(skip)), finds);
}

/// Unpacks a Brotli-compressed box, within bounds.
fn unpack<'s>(source: &Source<'s>, part: &Part) -> Option<([u8; 4], Cow<'s, [u8]>)> {
    let kind: [u8; 4] = source.array(part.start)?;
    if !matches!(&kind, b"Exif" | b"xml ") {
        return None;
    }
    let packed = source.get_some(part.start + 4, part.bytes(MOST_BOX_BYTES).saturating_sub(4));
    let mut unpacked = Vec::new();
    let reader = brotli_decompressor::Decompressor::new(packed.as_ref(), 4096);
    // What came before an error still counts.
    let _damaged = reader.take(MOST_BOX_BYTES as u64).read_to_end(&mut unpacked).is_err();
    (!unpacked.is_empty()).then_some((kind, Cow::Owned(unpacked)))
}

fn read_codestream(bytes: &[u8], finds: &mut Finds) {
    if bytes.get(..2) != Some(&[0xff, 0x0a]) {
        finds.warn("the JPEG XL codestream does not begin as one");
        return;
    }
    let mut bits = Bits { bytes, at: 16 };
    if let Some((width, height)) = size(&mut bits) {
        finds.size(width, height);
        if let Some((orientation, animated)) = metadata(&mut bits) {
            finds.probe.orientation = orientation;
            finds.probe.animated = animated;
        }
    }
}

struct Bits<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u64> {
        let mut value = 0;
        for shift in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value |= u64::from((byte >> (self.at % 8)) & 1) << shift;
            self.at += 1;
        }
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// One of four widths, chosen by two bits.
    fn choice(&mut self, widths: [u32; 4]) -> Option<u64> {
        let width = *widths.get(usize::try_from(self.take(2)?).ok()?)?;
        self.take(width)
    }
}

fn size(bits: &mut Bits<'_>) -> Option<(u64, u64)> {
    let small = bits.flag()?;
    let side = |bits: &mut Bits<'_>| {
        Some(if small { (bits.take(5)? + 1) * 8 } else { bits.choice([9, 13, 18, 30])? + 1 })
    };
    let height = side(bits)?;
    let width = match bits.take(3)? {
        0 => side(bits)?,
        1 => height,
        2 => height * 12 / 10,
        3 => height * 4 / 3,
        4 => height * 3 / 2,
        5 => height * 16 / 9,
        6 => height * 5 / 4,
        _ => height * 2,
    };
    Some((width, height))
}

/// Orientation and whether it is animated, from the start of the image metadata.
fn metadata(bits: &mut Bits<'_>) -> Option<(u8, bool)> {
    let default = bits.flag()?;
    if default || !bits.flag()? {
        return Some((1, false));
    }
    let orientation = u8::try_from(bits.take(3)?).ok()? + 1;
    if bits.flag()? {
        size(bits)?; // intrinsic size
    }
    if bits.flag()? {
        preview_size(bits)?;
    }
    Some((orientation, bits.flag()?))
}

fn preview_size(bits: &mut Bits<'_>) -> Option<()> {
    let by_eight = bits.flag()?;
    let side = |bits: &mut Bits<'_>| {
        if by_eight {
            match bits.take(2)? {
                0 | 1 => Some(()),
                2 => bits.take(5).map(|_| ()),
                _ => bits.take(9).map(|_| ()),
            }
        } else {
            bits.choice([6, 8, 10, 12]).map(|_| ())
        }
    };
    side(bits)?;
    if bits.take(3)? == 0 {
        side(bits)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_sizes_are_read() {
        // small, height 8, ratio 1:1, all default
        let mut finds = Finds::default();
        read_codestream(&[0xff, 0x0a, 0b0100_0001, 0b0000_0010, 0, 0], &mut finds);
        assert_eq!((finds.probe.width, finds.probe.height), (Some(8), Some(8)));
        assert!(finds.probe.warnings.is_empty());
    }

    #[test]
    fn a_compressed_exif_box_cannot_swell_without_bound() {
        let mut file = b"\0\0\0\x0cJXL \r\n\x87\n".to_vec();
        let body = b"brobxml \x0b\x02\x80garbage";
        file.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        file.extend(body);
        let mut finds = Finds::default();
        read(&Source::memory(&file), &mut finds);
        assert_eq!(finds.probe.warnings, ["the JPEG XL file has no picture"]);
    }
}
