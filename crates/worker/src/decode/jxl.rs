//! JPEG XL by jxl-oxide, in sRGB; its header's orientation is applied by the decoder.

use jxl_oxide::{
    AllocTracker, EnumColourEncoding, JxlImage, JxlThreadPool, Moxcms, PixelFormat, RenderingIntent,
};

use super::{Decoded, Job};
use crate::colour::{Colour, cmyk_to_rgb};
use crate::protocol::Refusal;
use crate::raster::{Canvas, Layout, shrink_factor};

/// Bytes a pixel while decoding: floats of four channels, twice.
const BYTES_A_PIXEL: u64 = 32;
/// What the decoder may take in all.
const MAX_BYTES: usize = 1400 << 20;

pub(super) fn decode(job: &Job<'_>) -> Result<Decoded, Refusal> {
    let mut image = open(job)?;
    let (width, height) = (image.width(), image.height());
    job.admit(width, height, u64::from(width) * u64::from(height) * BYTES_A_PIXEL)?;
    image.set_cms(Moxcms);
    image.request_color_encoding(EnumColourEncoding::srgb(RenderingIntent::Relative));
    let (render, colour, damage) = match image.render_frame(0) {
        Ok(render) => (render, Colour::Srgb, None),
        Err(error) => {
            // Cut off: what has come so far; or a profile that cannot be converted: as it is.
            let damage = error.to_string();
            match image.render_loading_frame() {
                Ok(render) => (render, Colour::Srgb, Some(damage)),
                Err(_) => {
                    image = open(job)?;
                    let render = image.render_frame(0).map_err(|_| Refusal::malformed(damage))?;
                    (render, Colour::Profile(image.rendered_icc()), None)
                }
            }
        }
    };
    let format = image.pixel_format();
    let mut stream = render.stream();
    let channels = stream.channels() as usize;
    let (width, height) = (stream.width(), stream.height());
    let mut canvas = Canvas::new(width, height, shrink_factor(width, height, job.side));
    let mut row = vec![0_u8; width as usize * channels];
    for y in 0..height {
        stream.write_to_buffer(&mut row);
        lay(&mut canvas, y, &row, format, channels);
    }
    Ok(Decoded { colour, damage, ..Decoded::upright(canvas.finish(), job, (width, height), "jxl-oxide") })
}

fn open(job: &Job<'_>) -> Result<JxlImage, Refusal> {
    JxlImage::builder()
        .pool(JxlThreadPool::none())
        .alloc_tracker(AllocTracker::with_limit(MAX_BYTES))
        .read(job.bytes)
        .map_err(|error| Refusal::malformed(error.to_string()))
}

fn lay(canvas: &mut Canvas, y: u32, row: &[u8], format: PixelFormat, channels: usize) {
    match (format, channels) {
        (PixelFormat::Cmyk | PixelFormat::Cmyka, 4 | 5) => {
            let inks: Vec<u8> =
                row.chunks_exact(channels).flat_map(|pixel| [0, 1, 2, 3].map(|at| 255 - pixel[at])).collect();
            canvas.put(0, y, &cmyk_to_rgb(&inks, None), Layout::Rgb);
        }
        (_, 1) => canvas.put(0, y, row, Layout::Gray),
        (_, 2) => canvas.put(0, y, row, Layout::GrayAlpha),
        (_, 3) => canvas.put(0, y, row, Layout::Rgb),
        (_, 4) => canvas.put(0, y, row, Layout::Rgba),
        _ => {
            let colours: Vec<u8> =
                row.chunks_exact(channels).flat_map(|pixel| [0, 1, 2].map(|at| pixel[at])).collect();
            canvas.put(0, y, &colours, Layout::Rgb);
        }
    }
}
