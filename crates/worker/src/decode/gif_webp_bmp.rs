//! GIF, WebP and BMP by the `image` crate; the first frame of what moves. Thumbnails to compare by libwebp.

use std::io::Cursor;

use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, webp::WebPDecoder};
use image::{ColorType, ImageDecoder, ImageError, Limits};

use super::{Decoded, Job};
use crate::colour::Colour;
use crate::protocol::{Refusal, THUMBNAIL_SIDE, Wanted};
use crate::raster::{Canvas, Layout, Raster, shrink_factor};

pub(super) fn decode_gif(job: &Job<'_>) -> Result<Decoded, Refusal> {
    decode(job, GifDecoder::new(Cursor::new(job.bytes)).map_err(refusal)?, "gif")
}

pub(super) fn decode_webp(job: &Job<'_>) -> Result<Decoded, Refusal> {
    if let Some(decoded) = decode_thumbnail(job) {
        return Ok(decoded);
    }
    let mut decoder = WebPDecoder::new(Cursor::new(job.bytes)).map_err(refusal)?;
    // An animation's colour behind its first frame is paper too.
    let _refused_by_stills = decoder.set_background_color(image::Rgba([255, 255, 255, 0]));
    decode(job, decoder, "image-webp")
}

/// A thumbnail that is only compared, by libwebp, which takes a third of the time: a review of duplicates decodes ten
/// thousand. Nothing else comes to it: those are a library's own, sealed and signed, small and lossy, without a profile.
fn decode_thumbnail(job: &Job<'_>) -> Option<Decoded> {
    if job.request.wanted != Wanted::LUMA || job.bytes.get(8..16) != Some(b"WEBPVP8 ") {
        return None;
    }
    let features = webp::BitstreamFeatures::new(job.bytes)?;
    let (width, height) = (features.width(), features.height());
    if width.max(height) > THUMBNAIL_SIDE {
        return None;
    }
    let pixels = webp::Decoder::new(job.bytes).decode()?.to_vec();
    let is_whole = pixels.len() == width as usize * height as usize * 3;
    let raster = is_whole.then_some(Raster { width, height, pixels })?;
    Some(Decoded::stored(raster, job, (width, height), "libwebp"))
}

pub(super) fn decode_bmp(job: &Job<'_>) -> Result<Decoded, Refusal> {
    decode(job, BmpDecoder::new(Cursor::new(job.bytes)).map_err(refusal)?, "bmp")
}

fn decode(job: &Job<'_>, mut decoder: impl ImageDecoder, name: &'static str) -> Result<Decoded, Refusal> {
    let (width, height) = decoder.dimensions();
    let factor = shrink_factor(width, height, job.side);
    let length = decoder.total_bytes();
    // The decoders keep a frame of their own beside the one they fill.
    job.admit(
        width,
        height,
        length.saturating_mul(2).saturating_add(Canvas::estimate_bytes(width, height, factor)),
    )?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(length.saturating_mul(3).saturating_add(64 << 20));
    decoder.set_limits(limits).map_err(refusal)?;
    let layout = match decoder.color_type() {
        ColorType::L8 => Layout::Gray,
        ColorType::La8 => Layout::GrayAlpha,
        ColorType::Rgb8 => Layout::Rgb,
        ColorType::Rgba8 => Layout::Rgba,
        other => return Err(Refusal::unsupported(format!("pixels of kind {other:?}"))),
    };
    let colour = match decoder.icc_profile() {
        Ok(Some(profile)) => Colour::Profile(profile),
        _ => Colour::Srgb,
    };
    let mut pixels =
        vec![0; usize::try_from(length).map_err(|_| Refusal::limit("it is larger than memory"))?];
    let mut damage = None;
    if let Err(error) = decoder.read_image(&mut pixels) {
        if pixels.iter().all(|&value| value == 0) {
            return Err(refusal(error));
        }
        damage = Some(error.to_string());
    }
    let mut canvas = Canvas::new(width, height, factor);
    for (y, row) in (0..height).zip(pixels.chunks_exact((width as usize * layout.channels()).max(1))) {
        canvas.put(0, y, row, layout);
    }
    Ok(Decoded { colour, damage, ..Decoded::stored(canvas.finish(), job, (width, height), name) })
}

fn refusal(error: ImageError) -> Refusal {
    match error {
        ImageError::Unsupported(error) => Refusal::unsupported(error.to_string()),
        ImageError::Limits(error) => Refusal::limit(error.to_string()),
        other => Refusal::malformed(other.to_string()),
    }
}
