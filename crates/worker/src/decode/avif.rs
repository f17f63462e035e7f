//! AVIF: boxes by zenavif-parse (safe Rust), AV1 by re_rav1d (dav1d ported to Rust); why these two is in
//! `docs/decisions/avif.md`. Grids are laid tile by tile; of a sequence, the first frame.
//!
//! `clap`, `irot` and `imir` are applied here, in that order (MIAF §7.3.6.7), after shrinking.

use av_data::pixel::YUVRange;
use re_rav1d::dav1d::{Decoder, Error, Picture, PixelLayout, PlanarImageComponent, Settings};
use zenavif_parse::{AvifParser, CleanAperture, ColorInformation, DecodeConfig, Unstoppable};

use super::planes::{Alpha, Matrix, Planar, Plane, Samples, raster_for, whole_chroma};
use super::{Decoded, Job};
use crate::colour::Colour;
use crate::protocol::Refusal;
use crate::raster::{Raster, shrink_factor};
use crate::turn::upright;

/// Tiles of one picture; a grid has at most 256 × 256, a real one a few dozen.
const MAX_TILES: u32 = 1024;
/// Bytes a pixel while a tile or picture is decoded: planes of two bytes, and the decoder's own.
const BYTES_A_PIXEL: u64 = 10;

pub(super) fn decode(job: &Job<'_>) -> Result<Decoded, Refusal> {
    let config = DecodeConfig::default()
        .with_peak_memory_limit(1 << 30)
        .with_total_megapixels_limit(
            u32::try_from(job.request.limits.max_pixels / 1_000_000).unwrap_or(u32::MAX),
        )
        .with_max_grid_tiles(MAX_TILES)
        .lenient(true);
    let parser = AvifParser::from_bytes_with_config(job.bytes, &config, &Unstoppable).map_err(malformed)?;
    let full = match parser.grid_config() {
        Some(grid) if grid.output_width > 0 && grid.output_height > 0 => {
            job.admit(grid.output_width, grid.output_height, 0)?;
            Some((grid.output_width, grid.output_height))
        }
        _ => None,
    };
    let picture = Source { parser: &parser, job, full }.lay()?;
    let (raster, width, height) = turned(&parser, picture);
    let colour = match parser.color_info() {
        Some(ColorInformation::IccProfile(profile)) => Colour::Profile(profile.clone()),
        Some(ColorInformation::Nclx { color_primaries, transfer_characteristics, .. }) => {
            Colour::CodePoints { primaries: *color_primaries, transfer: *transfer_characteristics }
        }
        None => Colour::Srgb,
    };
    Ok(Decoded { colour, ..Decoded::upright(raster, job, (width, height), "rav1d") })
}

/// Pixels laid down, and what they were before shrinking.
struct Laid {
    raster: Raster,
    width: u32,
    height: u32,
    factor: u32,
}

struct Source<'a> {
    parser: &'a AvifParser<'a>,
    job: &'a Job<'a>,
    /// Size of the grid's picture.
    full: Option<(u32, u32)>,
}

impl Source<'_> {
    fn lay(&self) -> Result<Laid, Refusal> {
        if self.parser.grid_config().is_some() && self.parser.grid_tile_count() > 0 {
            return self.lay_grid();
        }
        let data = match self.parser.primary_data() {
            Ok(data) if !data.is_empty() => data,
            _ => self.parser.frame(0).map_err(malformed)?.data,
        };
        let picture = self.decode_av1(data.into_owned())?;
        let alpha = match self.parser.alpha_data() {
            Some(Ok(data)) => Some(self.decode_av1(data.into_owned())?),
            _ => None,
        };
        let (width, height) = (picture.width(), picture.height());
        let factor = whole_chroma(shrink_factor(width, height, self.job.side));
        let mut raster = raster_for(width, height, factor);
        self.put(&picture, alpha.as_ref(), &mut raster, factor, (0, 0))?;
        Ok(Laid { raster, width, height, factor })
    }

    fn lay_grid(&self) -> Result<Laid, Refusal> {
        let grid = self.parser.grid_config().ok_or_else(|| Refusal::malformed("it has no grid"))?;
        let columns = u32::from(grid.columns).max(1);
        let mut laid: Option<(Laid, (u32, u32))> = None;
        for index in 0..self.parser.grid_tile_count() {
            let tile = self.decode_av1(self.parser.tile_data(index).map_err(malformed)?.into_owned())?;
            let size = (tile.width(), tile.height());
            let (laid, cell) = match &mut laid {
                Some(begun) => begun,
                None => laid.insert((self.begin_grid(columns, u32::from(grid.rows), size)?, size)),
            };
            let at = u32::try_from(index).unwrap_or(u32::MAX);
            let (x, y) = (at % columns * (cell.0 / laid.factor), at / columns * (cell.1 / laid.factor));
            let factor = laid.factor;
            self.put(&tile, None, &mut laid.raster, factor, (x as usize, y as usize))?;
        }
        laid.map(|(laid, _)| laid).ok_or_else(|| Refusal::malformed("its grid is empty"))
    }

    fn begin_grid(&self, columns: u32, rows: u32, cell: (u32, u32)) -> Result<Laid, Refusal> {
        let (width, height) =
            self.full.unwrap_or((cell.0.saturating_mul(columns), cell.1.saturating_mul(rows)));
        self.job.admit(width, height, 0)?;
        // Squares of pixels must not straddle two tiles.
        let mut factor = whole_chroma(shrink_factor(width, height, self.job.side));
        while factor > 1 && !(cell.0.is_multiple_of(factor) && cell.1.is_multiple_of(factor)) {
            factor = whole_chroma(factor - 1);
        }
        let kept = u64::from(width / factor) * u64::from(height / factor) * 3;
        self.job.admit(width, height, kept + u64::from(cell.0) * u64::from(cell.1) * BYTES_A_PIXEL)?;
        Ok(Laid { raster: raster_for(width, height, factor), width, height, factor })
    }

    /// Decodes one AV1 picture; its size is checked by the decoder before it takes memory.
    fn decode_av1(&self, data: Vec<u8>) -> Result<Picture, Refusal> {
        if let Ok(header) = zenavif_parse::AV1Metadata::parse_av1_bitstream(&data) {
            let (width, height) = (header.max_frame_width.get(), header.max_frame_height.get());
            self.job.admit(width, height, u64::from(width) * u64::from(height) * BYTES_A_PIXEL)?;
        }
        let mut settings = Settings::new();
        settings.set_n_threads(1);
        settings.set_max_frame_delay(1);
        settings.set_all_layers(false);
        settings.set_frame_size_limit(u32::try_from(self.job.request.limits.max_pixels).unwrap_or(u32::MAX));
        if let Some(point) = self.parser.operating_point() {
            settings.set_operating_point(point.op_index.into());
        }
        let failed = |error: Error| Refusal::malformed(format!("its AV1 picture is malformed: {error}"));
        let mut decoder = Decoder::with_settings(&settings).map_err(failed)?;
        let mut pending = match decoder.send_data(data, None, None, None) {
            Ok(()) => false,
            Err(Error::Again) => true,
            Err(error) => return Err(failed(error)),
        };
        loop {
            match decoder.get_picture() {
                Ok(picture) => return Ok(picture),
                Err(Error::Again) if pending => match decoder.send_pending_data() {
                    Ok(()) => pending = false,
                    Err(Error::Again) => {}
                    Err(error) => return Err(failed(error)),
                },
                Err(Error::Again) => return Err(Refusal::malformed("its AV1 data holds no picture")),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn put(
        &self,
        picture: &Picture,
        alpha: Option<&Picture>,
        raster: &mut Raster,
        factor: u32,
        (x, y): (usize, usize),
    ) -> Result<(), Refusal> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let subsampling = match picture.pixel_layout() {
            PixelLayout::I420 => (2, 2),
            PixelLayout::I422 => (2, 1),
            PixelLayout::I400 | PixelLayout::I444 => (1, 1),
        };
        let planes: Vec<_> = [PlanarImageComponent::Y, PlanarImageComponent::U, PlanarImageComponent::V]
            .into_iter()
            .take(if picture.pixel_layout() == PixelLayout::I400 { 1 } else { 3 })
            .map(|component| (picture.plane(component), picture.stride(component) as usize))
            .collect();
        let plane = |index: usize, width: usize, height: usize| {
            let (bytes, stride) = planes.get(index)?;
            Some(Plane {
                samples: samples(bytes, picture),
                stride: stride / sample_bytes(picture),
                width,
                height,
            })
        };
        let chroma_size = (width.div_ceil(subsampling.0), height.div_ceil(subsampling.1));
        let chroma = plane(1, chroma_size.0, chroma_size.1).zip(plane(2, chroma_size.0, chroma_size.1));
        let alpha_plane = alpha.map(|alpha| (alpha.plane(PlanarImageComponent::Y), alpha));
        let alpha = alpha_plane.as_ref().map(|(bytes, alpha)| Alpha {
            plane: Plane {
                samples: samples(bytes, alpha),
                stride: alpha.stride(PlanarImageComponent::Y) as usize / sample_bytes(alpha),
                width: alpha.width() as usize,
                height: alpha.height() as usize,
            },
            bits: bits(alpha),
            full_range: alpha.color_range() == YUVRange::Full,
        });
        let planar = Planar {
            width,
            height,
            subsampling,
            bits: bits(picture),
            luma: plane(0, width, height).ok_or_else(|| Refusal::malformed("it has no luma"))?,
            chroma: chroma.map(<[_; 2]>::from),
            alpha,
            matrix: self.matrix(picture),
        };
        planar.lay(raster, factor as usize, x, y);
        Ok(())
    }

    /// The container's word counts before the bitstream's.
    fn matrix(&self, picture: &Picture) -> Matrix {
        match self.parser.color_info() {
            Some(ColorInformation::Nclx { matrix_coefficients, full_range, .. }) => {
                Matrix::by_code(*matrix_coefficients, *full_range)
            }
            _ => {
                Matrix::by_code(picture.matrix_coefficients() as u16, picture.color_range() == YUVRange::Full)
            }
        }
    }
}

fn bits(picture: &Picture) -> u32 {
    picture.bits_per_component().map_or(8, |bits| u32::try_from(bits.0).unwrap_or(8))
}

fn sample_bytes(picture: &Picture) -> usize {
    if bits(picture) > 8 { 2 } else { 1 }
}

fn samples<'a>(bytes: &'a [u8], picture: &Picture) -> Samples<'a> {
    if sample_bytes(picture) == 2 { Samples::Words(bytes) } else { Samples::Bytes(bytes) }
}

/// Crops, turns and mirrors as the container says.
fn turned(parser: &AvifParser<'_>, laid: Laid) -> (Raster, u32, u32) {
    let Laid { mut raster, mut width, mut height, factor } = laid;
    if let Some((left, top, across, down)) =
        parser.clean_aperture().and_then(|clap| window(clap, width, height))
    {
        raster =
            cropped(&raster, left / factor, top / factor, across.div_ceil(factor), down.div_ceil(factor));
        (width, height) = (across, down);
    }
    let rotation = match parser.rotation().map_or(0, |rotation| rotation.angle) {
        90 => 8,
        180 => 3,
        270 => 6,
        _ => 1,
    };
    if rotation >= 6 {
        (width, height) = (height, width);
    }
    // Axis 0 exchanges top and bottom, axis 1 left and right (ISO/IEC 23008-12:2022 §6.5.12).
    let mirror = match parser.mirror().map(|mirror| mirror.axis) {
        Some(0) => 4,
        Some(1) => 2,
        _ => 1,
    };
    (upright(upright(raster, rotation), mirror), width, height)
}

/// Left, top, width and height of a clean aperture that lies within the picture.
fn window(clap: &CleanAperture, width: u32, height: u32) -> Option<(u32, u32, u32, u32)> {
    let axis = |length: u32, size: (u32, u32), offset: (i32, u32)| {
        let kept = size.0.checked_div(size.1)?;
        if kept == 0 || kept > length || offset.1 == 0 {
            return None;
        }
        // The middle of what is kept lies `offset` beside the middle of the picture.
        let shift = i64::from(offset.0) * 2 / i64::from(offset.1);
        let start = (i64::from(length - kept) + shift) / 2;
        let start = u32::try_from(start).ok().filter(|start| start + kept <= length)?;
        Some((start, kept))
    };
    let (left, across) = axis(width, (clap.width_n, clap.width_d), (clap.horiz_off_n, clap.horiz_off_d))?;
    let (top, down) = axis(height, (clap.height_n, clap.height_d), (clap.vert_off_n, clap.vert_off_d))?;
    Some((left, top, across, down))
}

fn cropped(raster: &Raster, left: u32, top: u32, width: u32, height: u32) -> Raster {
    let width = width.min(raster.width.saturating_sub(left));
    let height = height.min(raster.height.saturating_sub(top));
    let columns = left as usize * 3..(left + width) as usize * 3;
    let pixels = (top..top + height).flat_map(|y| raster.row(y)[columns.clone()].iter().copied()).collect();
    Raster { width, height, pixels }
}

fn malformed(error: zenavif_parse::Error) -> Refusal {
    match error {
        zenavif_parse::Error::Unsupported(what) => Refusal::unsupported(what),
        zenavif_parse::Error::ResourceLimitExceeded(what) => Refusal::limit(what),
        other => Refusal::malformed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_aperture_is_centred_with_its_offset() {
        let mut clap = CleanAperture {
            width_n: 60,
            width_d: 1,
            height_n: 50,
            height_d: 1,
            horiz_off_n: 10,
            horiz_off_d: 1,
            vert_off_n: 0,
            vert_off_d: 1,
        };
        assert_eq!(window(&clap, 100, 100), Some((30, 25, 60, 50)));
        clap.horiz_off_n = 21;
        assert_eq!(window(&clap, 100, 100), None);
        clap.width_d = 0;
        assert_eq!(window(&clap, 100, 100), None);
    }
}
