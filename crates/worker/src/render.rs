//! From a decoded picture to renditions, placeholder and fingerprints.
//!
//! Invariant: what comes out is upright, sRGB, never larger than the picture itself, and the same for the
//! same bytes. The picture is decoded once; every smaller size is made from the next larger one.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use turbojpeg::{Compressor, PixelFormat, Subsamp};

use crate::decode::{Decoders, Job};
use crate::fingerprint::{Fingerprints, colour_means, luma_means};
use crate::protocol::{
    COLOURS, FINE_SIDE, LUMA_SIDE, PREVIEW_SIDE, Refusal, RefusalKind, Rendered, Rendition, Request,
    THUMBNAIL_SIDE,
};
use crate::raster::Raster;
use crate::turn::upright;

const PREVIEW_QUALITY: i32 = 80;
const THUMBNAIL_QUALITY: f32 = 75.0;
/// libwebp's effort: 2 is a third of the time of 4, at 4 % more bytes.
const THUMBNAIL_METHOD: i32 = 2;
/// A placeholder has at most 7 × 7 waves; more pixels than this change none of them.
const PLACEHOLDER_SIDE: u32 = 32;

/// Makes renditions, keeping what one picture can hand to the next.
#[derive(Default)]
pub(crate) struct Renderer {
    decoders: Decoders,
    resizer: Resizer,
    compressor: Option<Compressor>,
}

impl Renderer {
    pub(crate) fn render(&mut self, request: &Request, bytes: &[u8]) -> Result<Rendered, Refusal> {
        let wanted = request.wanted;
        let is_fine = wanted.means_side == FINE_SIDE;
        if ![0, LUMA_SIDE, FINE_SIDE].contains(&wanted.means_side) {
            return Err(Refusal::limit(format!("no {} means a side are made", wanted.means_side)));
        }
        let side = if wanted.preview || is_fine { PREVIEW_SIDE } else { THUMBNAIL_SIDE };
        let job = Job { bytes, side, request };
        let decoded = self.decoders.decode(&job)?;
        let (mut width, mut height) = (decoded.width, decoded.height);
        if decoded.orientation >= 5 {
            (width, height) = (height, width);
        }
        let side = if decoded.from_thumbnail { THUMBNAIL_SIDE } else { side };
        let mut raster = self.shrunk(decoded.raster, side)?;
        decoded.colour.to_srgb(&mut raster);
        let raster = upright(raster, decoded.orientation);

        let preview =
            (wanted.preview && !decoded.from_thumbnail).then(|| self.preview(&raster)).transpose()?;
        let needs_small =
            wanted.thumbnail || wanted.thumbhash || wanted.fingerprints || wanted.means_side == LUMA_SIDE;
        let mut rendered = Rendered {
            width,
            height,
            thumbnail: None,
            preview,
            thumbhash: None,
            phash64: None,
            pdq256: None,
            pdq_quality: None,
            luma: is_fine.then(|| Rendition {
                width: FINE_SIDE,
                height: COLOURS * FINE_SIDE,
                bytes: colour_means::<{ FINE_SIDE as usize }>(&raster),
            }),
            preview_pending: wanted.preview && decoded.from_thumbnail,
            decoder: decoded.decoder.to_owned(),
            damage: decoded.damage,
        };
        if needs_small {
            let small = self.shrunk(raster, THUMBNAIL_SIDE)?;
            if wanted.thumbnail {
                rendered.thumbnail = Some(thumbnail(&small)?);
            }
            if wanted.fingerprints {
                let fingerprints = Fingerprints::of(&small);
                rendered.phash64 = Some(fingerprints.phash64);
                rendered.pdq256 = Some(fingerprints.pdq256);
                rendered.pdq_quality = Some(fingerprints.pdq_quality);
            }
            if wanted.means_side == LUMA_SIDE {
                let [width, height] = [LUMA_SIDE; 2];
                let bytes = luma_means::<{ LUMA_SIDE as usize }>(&small);
                rendered.luma = Some(Rendition { width, height, bytes });
            }
            if wanted.thumbhash {
                rendered.thumbhash = Some(placeholder(&self.shrunk(small, PLACEHOLDER_SIDE)?));
            }
        }
        Ok(rendered)
    }

    /// The picture with at most `side` pixels on its long side; itself when it is not larger.
    fn shrunk(&mut self, raster: Raster, side: u32) -> Result<Raster, Refusal> {
        let (width, height) = fitted(raster.width, raster.height, side);
        if (width, height) == (raster.width, raster.height) {
            return Ok(raster);
        }
        let failed = |error: &dyn std::fmt::Display| Refusal::limit(format!("it cannot be shrunk: {error}"));
        let source = ImageRef::new(raster.width, raster.height, &raster.pixels, PixelType::U8x3)
            .map_err(|error| failed(&error))?;
        let mut target = Image::new(width, height, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
        self.resizer.resize(&source, &mut target, &options).map_err(|error| failed(&error))?;
        Ok(Raster { width, height, pixels: target.into_vec() })
    }

    fn preview(&mut self, raster: &Raster) -> Result<Rendition, Refusal> {
        let failed =
            |error: turbojpeg::Error| Refusal::limit(format!("its preview cannot be written: {error}"));
        let mut compressor = match self.compressor.take() {
            Some(compressor) => compressor,
            None => {
                let mut compressor = Compressor::new().map_err(failed)?;
                compressor.set_quality(PREVIEW_QUALITY).map_err(failed)?;
                compressor.set_subsamp(Subsamp::Sub2x2).map_err(failed)?;
                compressor
            }
        };
        let bytes = compressor
            .compress_to_vec(turbojpeg::Image {
                pixels: raster.pixels.as_slice(),
                width: raster.width as usize,
                pitch: raster.width as usize * 3,
                height: raster.height as usize,
                format: PixelFormat::RGB,
            })
            .map_err(failed)?;
        self.compressor = Some(compressor);
        Ok(Rendition { width: raster.width, height: raster.height, bytes })
    }
}

fn thumbnail(raster: &Raster) -> Result<Rendition, Refusal> {
    let failed = || Refusal { kind: RefusalKind::Limit, reason: "its thumbnail cannot be written".into() };
    let mut config = webp::WebPConfig::new().map_err(|()| failed())?;
    config.quality = THUMBNAIL_QUALITY;
    config.method = THUMBNAIL_METHOD;
    let encoder = webp::Encoder::from_rgb(&raster.pixels, raster.width, raster.height);
    let bytes = encoder.encode_advanced(&config).map_err(|_| failed())?.to_vec();
    Ok(Rendition { width: raster.width, height: raster.height, bytes })
}

fn placeholder(raster: &Raster) -> Vec<u8> {
    let rgba: Vec<u8> = raster.pixels.chunks_exact(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]).collect();
    thumbhash::rgba_to_thumb_hash(raster.width as usize, raster.height as usize, &rgba)
}

/// Width and height with at most `side` pixels on the long one, and at least one on the short one.
pub(crate) fn fitted(width: u32, height: u32, side: u32) -> (u32, u32) {
    let long = width.max(height);
    if long <= side {
        return (width, height);
    }
    let scaled = |length: u32| {
        let length = (u64::from(length) * u64::from(side) + u64::from(long) / 2) / u64::from(long);
        u32::try_from(length).unwrap_or(side).max(1)
    };
    (scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_fitted_and_never_enlarged() {
        assert_eq!(fitted(4000, 3000, 1440), (1440, 1080));
        assert_eq!(fitted(3000, 4000, 320), (240, 320));
        assert_eq!(fitted(100, 50, 320), (100, 50));
        assert_eq!(fitted(60_000, 3, 320), (320, 1));
        assert_eq!(fitted(u32::MAX, u32::MAX, 320), (320, 320));
    }
}
