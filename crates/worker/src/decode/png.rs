//! PNG by the `png` crate, row by row, so that a large file is never whole in memory.
//!
//! An interlaced file comes in seven passes over the whole picture, so that kind is held whole.
//! Transparency is laid over paper (white), as every rendition is.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, DecodingError, Limits, Reader, Transformations};

use super::{Decoded, Job};
use crate::colour::Colour;
use crate::protocol::Refusal;
use crate::raster::{Canvas, Layout, shrink_factor};

/// What the decoder itself may take: rows, the inflater's window, and an ICC profile.
const WORKING_BYTES: usize = 96 << 20;

pub(super) fn decode(job: &Job<'_>) -> Result<Decoded, Refusal> {
    match decode_with(job, false) {
        // A wrong checksum alone is no reason to show nothing.
        Err(Stopped::Damaged(reason)) => decode_with(job, true)
            .map(|decoded| Decoded { damage: decoded.damage.or(Some(reason)), ..decoded }),
        other => other,
    }
    .map_err(|stopped| match stopped {
        Stopped::Damaged(reason) => Refusal::malformed(reason),
        Stopped::Refused(refusal) => refusal,
    })
}

enum Stopped {
    Damaged(String),
    Refused(Refusal),
}

impl From<DecodingError> for Stopped {
    fn from(error: DecodingError) -> Self {
        match error {
            DecodingError::LimitsExceeded => {
                Self::Refused(Refusal::limit("its parts are larger than allowed"))
            }
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn decode_with(job: &Job<'_>, ignore_checksums: bool) -> Result<Decoded, Stopped> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(job.bytes), Limits { bytes: WORKING_BYTES });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    decoder.set_ignore_text_chunk(true);
    decoder.ignore_checksums(ignore_checksums);
    let header = decoder.read_header_info()?;
    let (width, height, interlaced) = (header.width, header.height, header.interlaced);
    let factor = shrink_factor(width, height, job.side);
    let whole = if interlaced { u64::from(width) * u64::from(height) * 4 } else { u64::from(width) * 8 };
    job.admit(width, height, whole.saturating_add(Canvas::estimate_bytes(width, height, factor)))?;

    let mut reader = decoder.read_info()?;
    let colour = colour(&reader);
    let layout = match reader.output_color_type() {
        (ColorType::Grayscale, BitDepth::Eight) => Layout::Gray,
        (ColorType::GrayscaleAlpha, BitDepth::Eight) => Layout::GrayAlpha,
        (ColorType::Rgb, BitDepth::Eight) => Layout::Rgb,
        (ColorType::Rgba, BitDepth::Eight) => Layout::Rgba,
        (kind, depth) => return Err(Refusal::unsupported(format!("{kind:?} of {depth:?} bits")).into()),
    };
    let mut canvas = Canvas::new(width, height, factor);
    let damage = if interlaced {
        put_whole(&mut reader, &mut canvas, layout)?
    } else {
        put_rows(&mut reader, &mut canvas, layout)?
    };
    Ok(Decoded { colour, damage, ..Decoded::stored(canvas.finish(), job, (width, height), "png") })
}

/// Lays down rows until the end or the damage; an error before the first row is the whole file's.
fn put_rows(
    reader: &mut Reader<Cursor<&[u8]>>,
    canvas: &mut Canvas,
    layout: Layout,
) -> Result<Option<String>, Stopped> {
    let mut y = 0;
    loop {
        match reader.next_row() {
            Ok(Some(row)) => canvas.put(0, y, row.data(), layout),
            Ok(None) => return Ok(None),
            Err(error) if y == 0 => return Err(error.into()),
            Err(error) => return Ok(Some(error.to_string())),
        }
        y += 1;
    }
}

fn put_whole(
    reader: &mut Reader<Cursor<&[u8]>>,
    canvas: &mut Canvas,
    layout: Layout,
) -> Result<Option<String>, Stopped> {
    let width = reader.info().width;
    let length = reader.output_buffer_size().ok_or_else(|| Refusal::limit("it is larger than memory"))?;
    let mut pixels = vec![0; length];
    let damage = reader.next_frame(&mut pixels).err().map(|error| error.to_string());
    if damage.is_some() && pixels.iter().all(|&value| value == 0) {
        return Err(Stopped::Damaged(damage.unwrap_or_default()));
    }
    let row_bytes = reader.output_line_size(width).unwrap_or(1).max(1);
    for (y, row) in (0_u32..).zip(pixels.chunks_exact(row_bytes)) {
        canvas.put(0, y, row, layout);
    }
    Ok(damage)
}

fn colour(reader: &Reader<Cursor<&[u8]>>) -> Colour {
    let info = reader.info();
    if let Some(points) = info.coding_independent_code_points {
        return Colour::CodePoints {
            primaries: points.color_primaries.into(),
            transfer: points.transfer_function.into(),
        };
    }
    match &info.icc_profile {
        Some(profile) if info.srgb.is_none() => Colour::Profile(profile.to_vec()),
        _ => Colour::Srgb,
    }
}
