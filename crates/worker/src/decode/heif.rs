//! HEIC and HEIF by heic-decoder (pure Rust, no unsafe code).
//!
//! Grids are decoded tile by tile and shrunk at once, so that a large photo is never whole in memory;
//! what needs more than tiles (alpha, predicted pictures, sequences) is decoded whole. `clap`, `irot` and
//! `imir` are applied here or by the decoder, never by the caller: EXIF orientation has no say in HEIF
//! (ISO/IEC 23008-12 §6.5.10, and MIAF §7.3.6.7 for their order).

use heic_decoder::isobmff::{self, ParsedHeif, ResolvedImage, Transform};
use heic_decoder::{ColorInfo, DecodedImage, HeifError, Metadata, decode_one_image};

use super::planes::{Alpha, Matrix, Planar, Plane, Samples, raster_for, whole_chroma};
use super::{Decoded, Job, heif_thumbnail};
use crate::colour::Colour;
use crate::protocol::Refusal;
use crate::raster::{Raster, shrink_factor};
use crate::turn::upright;

/// Bytes a pixel of a picture that is decoded whole: planes of four bytes and the decoder's notes.
const BYTES_A_PIXEL: u64 = 10;
/// Turns that a picture may have; real ones have one or two.
const MAX_TRANSFORMS: usize = 8;

pub(super) fn decode(job: &Job<'_>) -> Result<Decoded, Refusal> {
    let info = heic_decoder::probe(job.bytes).map_err(refusal)?;
    let size = (side(info.width)?, side(info.height)?);
    let coded = (side(info.coded_width)?, side(info.coded_height)?);
    job.admit(coded.0, coded.1, 0)?;
    let parsed = isobmff::parse(job.bytes).map_err(refusal)?;
    if job.request.wanted.quick
        && let Some(small) = heif_thumbnail::find(job.bytes, &parsed, size)
        && let Ok(raster) = decode_by_tiles(job, &small)
    {
        let colour = colour(&parsed.metadata);
        return Ok(Decoded {
            colour,
            from_thumbnail: true,
            ..Decoded::upright(raster, job, size, "heic-decoder, embedded thumbnail")
        });
    }
    let tiles = parsed.alpha.is_none() && parsed.reference_image.is_none() && parsed.sequence.is_none();
    let by_tiles =
        if tiles { decode_by_tiles(job, &parsed) } else { Err(Refusal::unsupported("not by tiles")) };
    let raster = match by_tiles {
        Ok(raster) => raster,
        // What tiles cannot show, or what only the decoder's own assembly can.
        Err(refused) if refused.kind == crate::protocol::RefusalKind::Unsupported => {
            job.admit(coded.0, coded.1, u64::from(coded.0) * u64::from(coded.1) * BYTES_A_PIXEL * 2)?;
            decode_whole(job)?
        }
        Err(refused) => return Err(refused),
    };
    Ok(Decoded { colour: colour(&parsed.metadata), ..Decoded::upright(raster, job, size, "heic-decoder") })
}

/// Decodes each tile by itself and lays it shrunk.
pub(super) fn decode_by_tiles(job: &Job<'_>, parsed: &ParsedHeif) -> Result<Raster, Refusal> {
    let first = parsed.images.first().ok_or_else(|| Refusal::malformed("it has no picture"))?;
    let columns = parsed.grid.map_or(1, |grid| grid.columns.max(1));
    let expected = parsed.grid.map_or(1, |grid| u64::from(grid.columns) * u64::from(grid.rows));
    if parsed.images.len() as u64 != expected || parsed.transforms.len() > MAX_TRANSFORMS {
        return Err(Refusal::malformed("its grid lacks tiles"));
    }
    let tile = Tile::decode(job, first, &parsed.metadata)?;
    let cell = (tile.width, tile.height);
    let (width, height) =
        parsed.grid.map_or((side(cell.0)?, side(cell.1)?), |grid| (grid.output_width, grid.output_height));
    let mut factor = whole_chroma(shrink_factor(width, height, job.side));
    // Squares of pixels must not straddle two tiles.
    while parsed.grid.is_some()
        && factor > 1
        && (cell.0 % factor as usize != 0 || cell.1 % factor as usize != 0)
    {
        factor = whole_chroma(factor - 1);
    }
    let kept = u64::from(width / factor) * u64::from(height / factor) * 3;
    job.admit(width, height, kept + cell.0 as u64 * cell.1 as u64 * BYTES_A_PIXEL)?;
    let mut raster = raster_for(width, height, factor);
    tile.lay(&mut raster, factor, 0, 0);
    for (index, image) in (1_u32..).zip(parsed.images.iter().skip(1)) {
        let tile = Tile::decode(job, image, &parsed.metadata)?;
        let (column, row) = ((index % columns) as usize, (index / columns) as usize);
        tile.lay(&mut raster, factor, column * cell.0 / factor as usize, row * cell.1 / factor as usize);
    }
    turned(raster, &parsed.transforms, factor)
}

/// One coded picture.
struct Tile {
    width: usize,
    height: usize,
    chroma_format: u32,
    bits: u32,
    info: ColorInfo,
    /// Luma, blue and red.
    planes: [Padded; 3],
}

impl Tile {
    fn decode(job: &Job<'_>, image: &ResolvedImage, metadata: &Metadata) -> Result<Self, Refusal> {
        let (sps, picture) = decode_one_image(image).map_err(refusal)?;
        let [left, right, top, bottom] = sps.conformance_window.map(|value| value as usize);
        let (width, height) = (picture.y.width, picture.y.height);
        let within = |length: usize, before: usize, after: usize| {
            length.checked_sub(before)?.checked_sub(after).filter(|&kept| kept > 0)
        };
        let cut = || Refusal::malformed("its picture is cropped to nothing");
        let (width, height) =
            (within(width, left, right).ok_or_else(cut)?, within(height, top, bottom).ok_or_else(cut)?);
        job.admit(side(width)?, side(height)?, 0)?;
        if sps.bit_depth_luma != sps.bit_depth_chroma && sps.chroma_format_idc != 0 {
            return Err(Refusal::unsupported("luma and chroma of different depth"));
        }
        let (sub_x, sub_y) = subsampling(sps.chroma_format_idc);
        let plane = |plane: heic_decoder::hevc::ctu::Plane, sub_x: usize, sub_y: usize| {
            let stride = plane.width;
            Padded { samples: plane.into_samples(), stride, start: top / sub_y * stride + left / sub_x }
        };
        Ok(Self {
            width,
            height,
            chroma_format: sps.chroma_format_idc,
            bits: sps.bit_depth_luma,
            info: metadata.color_info.or(sps.color_info).unwrap_or_default(),
            planes: [
                plane(picture.y, 1, 1),
                plane(picture.cb, sub_x, sub_y),
                plane(picture.cr, sub_x, sub_y),
            ],
        })
    }

    fn lay(&self, raster: &mut Raster, factor: u32, x: usize, y: usize) {
        let subsampling = subsampling(self.chroma_format);
        let (width, height) = (self.width.div_ceil(subsampling.0), self.height.div_ceil(subsampling.1));
        let [luma, blue, red] = &self.planes;
        Planar {
            width: self.width,
            height: self.height,
            subsampling,
            bits: self.bits,
            luma: luma.shown(self.width, self.height),
            chroma: (self.chroma_format != 0).then(|| [blue, red].map(|plane| plane.shown(width, height))),
            alpha: None,
            matrix: Matrix::by_code(self.info.matrix_coefficients, self.info.full_range),
        }
        .lay(raster, factor as usize, x, y);
    }
}

/// One plane of a coded picture, with its padding.
struct Padded {
    samples: Vec<i32>,
    stride: usize,
    /// Where what is shown begins.
    start: usize,
}

impl Padded {
    fn shown(&self, width: usize, height: usize) -> Plane<'_> {
        let samples = self.samples.get(self.start..).unwrap_or_default();
        Plane { samples: Samples::Ints(samples), stride: self.stride, width, height }
    }
}

/// Decodes the whole picture at once, turned by the decoder.
fn decode_whole(job: &Job<'_>) -> Result<Raster, Refusal> {
    let image = heic_decoder::decode(job.bytes).map_err(refusal)?;
    let (width, height) = (side(image.width)?, side(image.height)?);
    let factor = whole_chroma(shrink_factor(width, height, job.side));
    let mut raster = raster_for(width, height, factor);
    planar(&image).lay(&mut raster, factor as usize, 0, 0);
    Ok(raster)
}

fn planar(image: &DecodedImage) -> Planar<'_> {
    let plane =
        |samples, width, height| Plane { samples: Samples::Ints(samples), stride: width, width, height };
    let info = image.color_info.unwrap_or_default();
    let sampling = image.chroma_sampling;
    Planar {
        width: image.width,
        height: image.height,
        // A quarter turn of 4:2:2 subsamples the other way.
        subsampling: (sampling.sub_x.clamp(1, 2) as usize, sampling.sub_y.clamp(1, 2) as usize),
        bits: image.bit_depth_luma,
        luma: plane(&image.y, image.width, image.height),
        chroma: (image.chroma_format_idc != 0).then(|| {
            [
                plane(&image.cb, image.cb_width, image.cb_height),
                plane(&image.cr, image.cb_width, image.cb_height),
            ]
        }),
        alpha: image.alpha.as_ref().map(|alpha| Alpha {
            plane: plane(&alpha.samples, image.width, image.height),
            bits: alpha.bit_depth,
            full_range: true,
        }),
        matrix: Matrix::by_code(info.matrix_coefficients, info.full_range),
    }
}

/// Applies a container's crops, turns and mirrors to pixels that were shrunk by `factor`.
fn turned(mut raster: Raster, transforms: &[Transform], factor: u32) -> Result<Raster, Refusal> {
    for transform in transforms {
        raster = match transform {
            Transform::Rotate90Ccw(turns) => upright(raster, [1, 8, 3, 6][usize::from(turns % 4)]),
            Transform::MirrorVertical => upright(raster, 4),
            Transform::MirrorHorizontal => upright(raster, 2),
            // Rare, and its fractions are the decoder's business.
            Transform::CleanAperture(_) if factor > 0 => {
                return Err(Refusal::unsupported("a clean aperture"));
            }
            Transform::CleanAperture(_) => raster,
        };
    }
    Ok(raster)
}

fn colour(metadata: &Metadata) -> Colour {
    match (&metadata.icc_profile, metadata.color_info) {
        (Some(profile), _) => Colour::Profile(profile.clone()),
        (None, Some(info)) => {
            Colour::CodePoints { primaries: info.color_primaries, transfer: info.transfer_characteristics }
        }
        (None, None) => Colour::Srgb,
    }
}

fn subsampling(chroma_format: u32) -> (usize, usize) {
    match chroma_format {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    }
}

fn side(length: usize) -> Result<u32, Refusal> {
    u32::try_from(length).map_err(|_| Refusal::malformed("its size is impossible"))
}

pub(super) fn refusal(error: HeifError) -> Refusal {
    match error {
        HeifError::Unsupported(what) => Refusal::unsupported(what),
        HeifError::LimitExceeded(what) => Refusal::limit(what),
        other => Refusal::malformed(other.to_string()),
    }
}
