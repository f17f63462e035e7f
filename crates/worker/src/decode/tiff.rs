//! TIFF by the `tiff` crate, strip by strip or tile by tile, so that a large file is never whole in memory.
//!
//! Takes grey, RGB, YCbCr and CMYK samples of 1 to 64 bits and indices of 1 to 8 bits into a palette,
//! interleaved or planar; the first picture of the file. What lies in other pictures of the file (pages,
//! thumbnails) is not looked at. Refused with a reason: fax coding of group 3, L*a*b*.

use std::borrow::Cow;
use std::io::Cursor;

use tiff::ColorType;
use tiff::TiffError;
use tiff::decoder::{ChunkType, Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use super::{Decoded, Job};
use crate::colour::{Colour, cmyk_to_rgb};
use crate::protocol::Refusal;
use crate::raster::{Canvas, Layout, shrink_factor};

/// Longest strip or tile; a file in one strip may be one.
const MAX_CHUNK_BYTES: usize = 1300 << 20;
/// Longest value of a tag: profiles, offsets of many strips.
const MAX_VALUE_BYTES: usize = 16 << 20;
/// The ICC profile's tag.
const PROFILE: Tag = Tag::Unknown(34675);

type TiffDecoder<'a> = Decoder<Cursor<&'a [u8]>>;

pub(super) fn decode(job: &Job<'_>) -> Result<Decoded, Refusal> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_CHUNK_BYTES;
    limits.intermediate_buffer_size = MAX_CHUNK_BYTES;
    limits.ifd_value_size = MAX_VALUE_BYTES;
    let indexed = has_palette(job.bytes);
    let bytes = as_the_decoder_likes_it(job.bytes);
    let mut decoder = Decoder::new(Cursor::new(bytes.as_ref())).map_err(refusal)?.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(refusal)?;
    let factor = shrink_factor(width, height, job.side);
    let grid = Grid::of(&mut decoder, width, height, indexed)?;
    job.admit(
        width,
        height,
        grid.chunk_bytes()?.saturating_add(Canvas::estimate_bytes(width, height, factor)),
    )?;

    let profile = decoder.find_tag(PROFILE).ok().flatten().and_then(|value| value.into_u8_vec().ok());
    let samples = Samples::of(&mut decoder, profile.as_deref(), indexed)?;
    let mut canvas = Canvas::new(width, height, factor);
    let mut damage = None;
    for index in 0..grid.chunks {
        match grid.read(&mut decoder, index) {
            Ok(chunk) => put(&mut canvas, &grid, index, &samples, &chunk),
            Err(error) if index == 0 => return Err(refusal(error)),
            Err(error) => damage = damage.or(Some(error.to_string())),
        }
    }
    let colour = match profile {
        Some(profile) if !matches!(samples.color, ColorType::CMYK(_) | ColorType::CMYKA(_)) => {
            Colour::Profile(profile)
        }
        _ => Colour::Srgb,
    };
    Ok(Decoded { colour, damage, ..Decoded::stored(canvas.finish(), job, (width, height), "tiff") })
}

/// How the picture is cut into strips or tiles.
struct Grid {
    width: u32,
    height: u32,
    columns: u32,
    chunk: (u32, u32),
    /// Chunks of one plane.
    chunks: u32,
    /// Planes that hold one sample each; 1 when samples are interleaved.
    planes: u32,
    bits: u32,
    samples: u32,
    /// Samples are indices into a palette.
    indexed: bool,
}

impl Grid {
    fn of(decoder: &mut TiffDecoder<'_>, width: u32, height: u32, indexed: bool) -> Result<Self, Refusal> {
        let color = decoder.colortype().map_err(refusal)?;
        let chunk = decoder.chunk_dimensions();
        if chunk.0 == 0 || chunk.1 == 0 {
            return Err(Refusal::malformed("its strips have no size"));
        }
        let planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).map_err(refusal)? == Some(2);
        let samples = u32::from(color.num_samples());
        let columns = match decoder.get_chunk_type() {
            ChunkType::Strip => 1,
            ChunkType::Tile => width.div_ceil(chunk.0),
        };
        let rows = height.div_ceil(chunk.1);
        let chunks = columns.checked_mul(rows).ok_or_else(|| Refusal::malformed("it has too many tiles"))?;
        let planes = if planar { samples } else { 1 };
        Ok(Self {
            width,
            height,
            columns,
            chunk,
            chunks,
            planes,
            bits: u32::from(color.bit_depth()),
            samples,
            indexed,
        })
    }

    /// Bytes of one chunk as stored, and twice as 8-bit samples.
    fn chunk_bytes(&self) -> Result<u64, Refusal> {
        u64::from(self.chunk.0.min(self.width.max(1)))
            .checked_mul(u64::from(self.chunk.1.min(self.height.max(1))))
            .and_then(|pixels| pixels.checked_mul(u64::from(self.samples)))
            .and_then(|samples| samples.checked_mul(u64::from(self.bits.div_ceil(8)) + 2))
            .ok_or_else(|| Refusal::malformed("its strips are impossibly large"))
    }

    /// Reads one chunk as interleaved samples of 8 bits.
    fn read(&self, decoder: &mut TiffDecoder<'_>, index: u32) -> Result<Chunk, TiffError> {
        let (columns, rows) = decoder.chunk_data_dimensions(index);
        let samples_across = columns * if self.planes > 1 { 1 } else { self.samples };
        let mut plane = |plane: u32| {
            let read = decoder.read_chunk(index + plane * self.chunks)?;
            Ok::<_, TiffError>(eight_bits(read, self.bits, samples_across as usize, !self.indexed))
        };
        let (columns, rows) = (columns as usize, rows as usize);
        if self.planes == 1 {
            let samples = plane(0)?;
            // Samples beyond those of the colour (of no stated meaning) lie between the pixels.
            let stride = samples.len() / (columns * rows).max(1);
            return Ok(Chunk { samples, columns, stride });
        }
        let planes = (0..self.planes).map(plane).collect::<Result<Vec<_>, _>>()?;
        let length = planes.iter().map(Vec::len).min().unwrap_or(0);
        let samples = (0..length).flat_map(|at| planes.iter().map(move |plane| plane[at])).collect();
        Ok(Chunk { samples, columns, stride: planes.len() })
    }
}

/// A strip or tile as samples of 8 bits.
struct Chunk {
    samples: Vec<u8>,
    columns: usize,
    /// Samples from one pixel to the next.
    stride: usize,
}

/// What the samples of a pixel are.
struct Samples<'a> {
    color: ColorType,
    palette: Option<Vec<[u8; 3]>>,
    profile: Option<&'a [u8]>,
    channels: usize,
}

impl<'a> Samples<'a> {
    fn of(decoder: &mut TiffDecoder<'_>, profile: Option<&'a [u8]>, indexed: bool) -> Result<Self, Refusal> {
        let color = decoder.colortype().map_err(refusal)?;
        match color {
            ColorType::Lab(_) => Err(Refusal::unsupported("CIE L*a*b* pixels")),
            _ if indexed && color.bit_depth() > 8 => {
                Err(Refusal::unsupported(format!("a palette of {} bits", color.bit_depth())))
            }
            _ => {
                let palette = indexed.then(|| palette(decoder)).transpose()?;
                Ok(Self { color, palette, profile, channels: usize::from(color.num_samples()) })
            }
        }
    }

    /// Turns a row of samples to what a canvas takes.
    fn lay(&self, row: &[u8]) -> (Vec<u8>, Layout) {
        let pixels = row.chunks_exact(self.channels.max(1));
        if let Some(palette) = &self.palette {
            let colour = |pixel: &[u8]| palette.get(usize::from(pixel[0])).copied().unwrap_or_default();
            return (pixels.flat_map(colour).collect(), Layout::Rgb);
        }
        match self.color {
            ColorType::Gray(_) => (row.to_vec(), Layout::Gray),
            ColorType::GrayA(_) => (row.to_vec(), Layout::GrayAlpha),
            ColorType::RGB(_) => (row.to_vec(), Layout::Rgb),
            ColorType::RGBA(_) => (row.to_vec(), Layout::Rgba),
            ColorType::YCbCr(_) => (pixels.flat_map(rgb_of_ycc).collect(), Layout::Rgb),
            ColorType::CMYK(_) => (cmyk_to_rgb(row, self.profile), Layout::Rgb),
            ColorType::CMYKA(_) => {
                let inks: Vec<u8> = pixels.flat_map(|pixel| pixel[..4].to_vec()).collect();
                (cmyk_to_rgb(&inks, self.profile), Layout::Rgb)
            }
            // Bands without a meaning of their own: three are shown as colours, else the first as grey.
            _ if self.channels >= 3 => (pixels.flat_map(|pixel| pixel[..3].to_vec()).collect(), Layout::Rgb),
            _ => (pixels.map(|pixel| pixel[0]).collect(), Layout::Gray),
        }
    }
}

fn put(canvas: &mut Canvas, grid: &Grid, index: u32, samples: &Samples<'_>, chunk: &Chunk) {
    let (x, y) = (index % grid.columns * grid.chunk.0, index / grid.columns * grid.chunk.1);
    let stride = chunk.stride.max(1);
    for (y, row) in (y..).zip(chunk.samples.chunks_exact((chunk.columns * stride).max(1))) {
        let (pixels, layout) = if stride > samples.channels {
            let shown: Vec<u8> =
                row.chunks_exact(stride).flat_map(|pixel| &pixel[..samples.channels]).copied().collect();
            samples.lay(&shown)
        } else {
            samples.lay(row)
        };
        canvas.put(x, y, &pixels, layout);
    }
}

/// The tags of the first picture of a classic TIFF: where each value is written, and the value.
fn first_tags(bytes: &[u8]) -> impl Iterator<Item = (u16, usize, u32)> {
    let little = bytes.starts_with(b"II");
    let short = move |at: usize| {
        let pair: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let long = move |at: usize| {
        let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    };
    let classic = short(2) == Some(42);
    let directory = long(4).filter(|_| classic).map_or(0, |offset| offset as usize);
    let count = if directory == 0 { 0 } else { short(directory).map_or(0, usize::from) };
    (0..count).map_while(move |index| {
        let entry = directory + 2 + index * 12;
        let value = if short(entry + 2)? == 3 { short(entry + 8)?.into() } else { long(entry + 8)? };
        Some((short(entry)?, entry + 8, value))
    })
}

/// Whether the first picture's samples are indices into a palette (PhotometricInterpretation 3).
fn has_palette(bytes: &[u8]) -> bool {
    first_tags(bytes).any(|(tag, _, value)| (tag, value) == (262, 3))
}

/// Changes two tags that the decoder has trouble with. "One strip of 2³² − 1 rows", TIFF's default,
/// becomes the number of rows that there are: fax pictures are decoded at its word. Indices into a
/// palette, which the decoder refuses, become levels of grey; the palette is applied here.
fn as_the_decoder_likes_it(bytes: &[u8]) -> Cow<'_, [u8]> {
    let little = bytes.starts_with(b"II");
    let mut bytes = Cow::Borrowed(bytes);
    let at_of = |bytes: &[u8], wanted: (u16, u32)| {
        first_tags(bytes).find(|(tag, _, value)| (*tag, *value) == wanted).map(|(_, at, _)| at)
    };
    let height = first_tags(&bytes).find(|(tag, ..)| *tag == 257).map(|(_, _, value)| value);
    if let (Some(at), Some(height)) = (at_of(&bytes, (278, u32::MAX)), height)
        && let Some(value) = bytes.to_mut().get_mut(at..at + 4)
    {
        value.copy_from_slice(&if little { height.to_le_bytes() } else { height.to_be_bytes() });
    }
    if let Some(at) = at_of(&bytes, (262, 3))
        && let Some(value) = bytes.to_mut().get_mut(at..at + 2)
    {
        value.copy_from_slice(&if little { 1_u16.to_le_bytes() } else { 1_u16.to_be_bytes() });
    }
    bytes
}

/// The JPEG inside a TIFF of the old JPEG kind (TIFF 6.0 §22), which the decoder does not know.
pub(super) fn old_jpeg(bytes: &[u8]) -> Option<&[u8]> {
    let value_of =
        |wanted: u16| first_tags(bytes).find(|(tag, ..)| *tag == wanted).map(|(_, _, value)| value);
    (value_of(259)? == 6).then_some(())?;
    let start = value_of(513)? as usize;
    let end =
        value_of(514).map_or(bytes.len(), |length| start.saturating_add(length as usize).min(bytes.len()));
    bytes.get(start..end).filter(|jpeg| jpeg.starts_with(b"\xff\xd8"))
}

fn palette(decoder: &mut TiffDecoder<'_>) -> Result<Vec<[u8; 3]>, Refusal> {
    let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(refusal)?;
    let count = map.len() / 3;
    let value = |at: usize| map.get(at).map_or(0, |value| value.to_be_bytes()[0]);
    Ok((0..count).map(|index| [value(index), value(count + index), value(2 * count + index)]).collect())
}

/// Full-range YCbCr of BT.601, which is TIFF's default.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
fn rgb_of_ycc(pixel: &[u8]) -> [u8; 3] {
    let [luma, blue, red] = [f32::from(pixel[0]), f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0];
    [luma + 1.402 * red, luma - 0.344_14 * blue - 0.714_14 * red, luma + 1.772 * blue]
        .map(|value| (value.clamp(0.0, 255.0) + 0.5) as u8)
}

/// Samples of any kind as bytes; packed ones are unpacked, and scaled unless they are indices.
fn eight_bits(samples: DecodingResult, bits: u32, samples_across: usize, scale: bool) -> Vec<u8> {
    let unit = |value: f64| (value.clamp(0.0, 1.0) * 255.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped; not a number becomes 0"
    )]
    let byte = |value: f64| unit(value) as u8;
    let top = |bytes: &[u8]| bytes.first().copied().unwrap_or(0);
    match samples {
        DecodingResult::U8(packed) if bits < 8 => unpack(&packed, bits, samples_across, scale),
        DecodingResult::U8(values) => values,
        DecodingResult::U16(values) => {
            // Samples of 9 to 15 bits come in words, at the lower end.
            let shift = bits.clamp(8, 16) - 8;
            values.into_iter().map(|value| u8::try_from(value >> shift).unwrap_or(u8::MAX)).collect()
        }
        DecodingResult::U32(values) => values.into_iter().map(|value| top(&value.to_be_bytes())).collect(),
        DecodingResult::U64(values) => values.into_iter().map(|value| top(&value.to_be_bytes())).collect(),
        DecodingResult::I8(values) => values.into_iter().map(|value| value.cast_unsigned() ^ 0x80).collect(),
        DecodingResult::I16(values) => {
            values.into_iter().map(|value| top(&value.to_be_bytes()) ^ 0x80).collect()
        }
        DecodingResult::I32(values) => {
            values.into_iter().map(|value| top(&value.to_be_bytes()) ^ 0x80).collect()
        }
        DecodingResult::I64(values) => {
            values.into_iter().map(|value| top(&value.to_be_bytes()) ^ 0x80).collect()
        }
        DecodingResult::F16(values) => values.into_iter().map(|value| byte(value.to_f64())).collect(),
        DecodingResult::F32(values) => values.into_iter().map(|value| byte(value.into())).collect(),
        DecodingResult::F64(values) => values.into_iter().map(byte).collect(),
    }
}

fn unpack(packed: &[u8], bits: u32, samples_across: usize, scale: bool) -> Vec<u8> {
    let row_bytes = (samples_across * bits as usize).div_ceil(8).max(1);
    let most = (1_u32 << bits) - 1;
    let sample = |row: &[u8], index: usize| {
        let at = index * bits as usize;
        // At most 7 bits, so a sample lies in at most two bytes.
        let two = u32::from(row[at / 8]) << 8 | row.get(at / 8 + 1).map_or(0, |&byte| u32::from(byte));
        let value = (two >> (16 - bits as usize - at % 8)) & most;
        u8::try_from(if scale { value * 255 / most } else { value }).unwrap_or(u8::MAX)
    };
    packed
        .chunks_exact(row_bytes)
        .flat_map(|row| (0..samples_across).map(move |index| sample(row, index)))
        .collect()
}

fn refusal(error: TiffError) -> Refusal {
    match error {
        TiffError::UnsupportedError(error) => Refusal::unsupported(error.to_string()),
        TiffError::LimitsExceeded => Refusal::limit("its parts are larger than allowed"),
        other => Refusal::malformed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_samples_are_unpacked_row_by_row() {
        assert_eq!(unpack(&[0b1010_0000, 0b0100_0000], 1, 3, true), [255, 0, 255, 0, 255, 0]);
        assert_eq!(unpack(&[0x12, 0x30], 4, 3, false), [1, 2, 3]);
    }

    fn tags(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
        bytes.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
        for (tag, kind, value) in entries {
            bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            bytes.extend([1_u32.to_le_bytes(), value.to_le_bytes()].concat());
        }
        bytes
    }

    #[test]
    fn a_strip_of_all_rows_has_the_rows_that_there_are() {
        let fax = tags(&[(257, 3, 7), (278, 4, u32::MAX)]);
        let rows = |bytes: &[u8]| first_tags(bytes).find(|(tag, ..)| *tag == 278).map(|(_, _, value)| value);
        assert_eq!(rows(&as_the_decoder_likes_it(&fax)), Some(7));
        assert!(matches!(as_the_decoder_likes_it(&tags(&[(257, 3, 7), (278, 4, 5)])), Cow::Borrowed(_)));
        for end in 0..fax.len() {
            drop(as_the_decoder_likes_it(&fax[..end]));
        }
    }

    #[test]
    fn the_jpeg_of_an_old_kind_of_tiff_is_found() {
        let mut bytes = tags(&[(259, 3, 6), (513, 4, 46), (514, 4, 3)]);
        assert_eq!(bytes.len(), 46);
        bytes.extend(b"\xff\xd8abc");
        assert_eq!(old_jpeg(&bytes), Some(b"\xff\xd8a".as_slice()));
        assert_eq!(old_jpeg(&bytes[..46]), None);
    }

    #[test]
    fn samples_of_every_kind_become_bytes() {
        assert_eq!(eight_bits(DecodingResult::U16(vec![0xabcd]), 16, 1, true), [0xab]);
        assert_eq!(eight_bits(DecodingResult::U16(vec![0xfff]), 12, 1, true), [255]);
        assert_eq!(eight_bits(DecodingResult::F32(vec![0.5, f32::NAN, 9.0]), 32, 3, true), [128, 0, 255]);
        assert_eq!(eight_bits(DecodingResult::I8(vec![-128, 127]), 8, 2, true), [0, 255]);
    }
}
