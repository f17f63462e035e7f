//! Decoders, one file a format, and the bounds that all of them keep.
//!
//! Invariant: a decoder asks [`Job::admit`] with the size from the file's header before it takes memory
//! for pixels, and returns pixels that are at least as large as the job's `side` needs (or the whole
//! picture), never many times larger.

mod avif;
mod gif_webp_bmp;
mod heif;
mod heif_thumbnail;
mod jpeg;
mod jpeg_markers;
mod jxl;
mod planes;
mod png;
mod ppm;
mod tiff;

use crate::colour::Colour;
use crate::protocol::{Refusal, RefusalKind, Request, StillFormat};
use crate::raster::Raster;

/// A picture to decode.
pub(crate) struct Job<'a> {
    /// The compressed picture.
    pub(crate) bytes: &'a [u8],
    /// Pixels on the long side that the largest rendition needs.
    pub(crate) side: u32,
    /// What is asked.
    pub(crate) request: &'a Request,
}

impl Job<'_> {
    /// Checks a size before memory is taken for it. `memory_bytes` estimates what decoding will take
    /// beyond the compressed bytes.
    pub(crate) fn admit(&self, width: u32, height: u32, memory_bytes: u64) -> Result<(), Refusal> {
        let limits = self.request.limits;
        if width == 0 || height == 0 {
            return Err(Refusal::malformed("it has no pixels"));
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > limits.max_pixels {
            return Err(Refusal {
                kind: RefusalKind::TooLarge,
                reason: format!(
                    "{width} × {height} are {} megapixels, more than the {} that are decoded",
                    pixels / 1_000_000,
                    limits.max_pixels / 1_000_000
                ),
            });
        }
        let memory_bytes = memory_bytes.saturating_add(self.bytes.len() as u64);
        if memory_bytes > limits.shared_bytes && !self.request.turn {
            return Err(Refusal {
                kind: RefusalKind::NeedsTurn,
                reason: format!("decoding it takes about {} MiB", memory_bytes >> 20),
            });
        }
        Ok(())
    }
}

/// A decoded picture.
pub(crate) struct Decoded {
    /// Its pixels, perhaps shrunk.
    pub(crate) raster: Raster,
    /// Size of the full picture, turned as `raster` is.
    pub(crate) width: u32,
    /// See `width`.
    pub(crate) height: u32,
    /// What the values of the pixels mean.
    pub(crate) colour: Colour,
    /// The turn that is left to do.
    pub(crate) orientation: u8,
    /// The decoder's name.
    pub(crate) decoder: &'static str,
    /// What is wrong with the file.
    pub(crate) damage: Option<String>,
    /// The pixels are those of a thumbnail inside the file.
    pub(crate) from_thumbnail: bool,
}

impl Decoded {
    /// A whole picture in sRGB without damage, to be turned as the request says.
    pub(crate) fn stored(raster: Raster, job: &Job<'_>, size: (u32, u32), decoder: &'static str) -> Self {
        Self {
            raster,
            width: size.0,
            height: size.1,
            colour: Colour::Srgb,
            orientation: job.request.orientation,
            decoder,
            damage: None,
            from_thumbnail: false,
        }
    }

    /// The same for pixels that their decoder turned upright.
    pub(crate) fn upright(raster: Raster, job: &Job<'_>, size: (u32, u32), decoder: &'static str) -> Self {
        Self { orientation: 1, ..Self::stored(raster, job, size, decoder) }
    }
}

/// All decoders, with what they keep between pictures.
#[derive(Default)]
pub(crate) struct Decoders {
    jpeg: jpeg::JpegDecoder,
}

impl Decoders {
    pub(crate) fn decode(&mut self, job: &Job<'_>) -> Result<Decoded, Refusal> {
        match job.request.format {
            StillFormat::Jpeg => self.jpeg.decode(job),
            StillFormat::Png => png::decode(job),
            StillFormat::Gif => gif_webp_bmp::decode_gif(job),
            StillFormat::WebP => gif_webp_bmp::decode_webp(job),
            StillFormat::Bmp => gif_webp_bmp::decode_bmp(job),
            StillFormat::Tiff => match tiff::old_jpeg(job.bytes) {
                Some(bytes) => self.jpeg.decode(&Job { bytes, ..*job }),
                None => tiff::decode(job),
            },
            StillFormat::Heif => heif::decode(job),
            StillFormat::Avif => avif::decode(job),
            StillFormat::Jxl => jxl::decode(job),
            StillFormat::Ppm => ppm::decode(job),
        }
    }
}
