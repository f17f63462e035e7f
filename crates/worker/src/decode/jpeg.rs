//! JPEG by libjpeg-turbo, decoded at 1/1, 1/2, 1/4 or 1/8 of its size; zune-jpeg is the second decoder.
//!
//! The transform of each block is evaluated at the smaller size, so a large photo costs little more than
//! reading its bits. A file that is cut off or damaged is shown as far as it goes.

use turbojpeg::{Colorspace, DecompressHeader, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::jpeg_markers::Markers;
use super::{Decoded, Job};
use crate::colour::{Colour, cmyk_to_rgb};
use crate::protocol::{Refusal, RefusalKind};
use crate::raster::{Canvas, Layout, MISSING, Raster, shrink_factor};

/// Scans of a progressive file; encoders write about ten, bombs thousands.
const MAX_SCANS: u32 = 128;

#[derive(Default)]
pub(super) struct JpegDecoder {
    turbo: Option<Decompressor>,
}

impl JpegDecoder {
    pub(super) fn decode(&mut self, job: &Job<'_>) -> Result<Decoded, Refusal> {
        let first = if job.request.fallback {
            Refusal::malformed("its first decoder failed on it")
        } else {
            match self.decode_scaled(job) {
                Err(refusal) if matches!(refusal.kind, RefusalKind::Malformed | RefusalKind::Unsupported) => {
                    refusal
                }
                other => return other,
            }
        };
        match decode_safely(job) {
            Err(second) if matches!(second.kind, RefusalKind::Malformed | RefusalKind::Unsupported) => {
                match Markers::read(job.bytes).sample_bits {
                    Some(bits @ 9..=16) => {
                        Err(Refusal::unsupported(format!("samples of {bits} bits; JPEG is decoded up to 8")))
                    }
                    _ => Err(first),
                }
            }
            other => other,
        }
    }

    fn decode_scaled(&mut self, job: &Job<'_>) -> Result<Decoded, Refusal> {
        let refused = |error: turbojpeg::Error| Refusal::malformed(reason(&error));
        let mut turbo = match self.turbo.take() {
            Some(turbo) => turbo,
            None => {
                let mut turbo = Decompressor::new().map_err(refused)?;
                turbo.set_scan_limit(MAX_SCANS).map_err(refused)?;
                turbo
            }
        };
        let decoded = decode_with(&mut turbo, job);
        self.turbo = Some(turbo);
        decoded
    }
}

fn decode_with(turbo: &mut Decompressor, job: &Job<'_>) -> Result<Decoded, Refusal> {
    let refused = |error: turbojpeg::Error| Refusal::malformed(reason(&error));
    let header = turbo.read_header(job.bytes).map_err(refused)?;
    let too_large = || Refusal::malformed("its size is impossible");
    let (width, height) = (
        u32::try_from(header.width).map_err(|_| too_large())?,
        u32::try_from(header.height).map_err(|_| too_large())?,
    );
    let factor =
        if header.is_lossless { ScalingFactor::ONE } else { scaling_factor(width, height, job.side) };
    let scaled = header.scaled(factor);
    let inks = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let channels = if inks { 4 } else { 3 };
    let length = scaled.width as u64 * scaled.height as u64 * channels;
    job.admit(width, height, length * 2 + coefficients_bytes(&header))?;

    turbo.set_scaling_factor(factor).map_err(refused)?;
    // What the file gives no pixels for must not show those of the photo before it.
    let mut pixels = vec![MISSING; usize::try_from(length).map_err(|_| too_large())?];
    let format = if inks { PixelFormat::CMYK } else { PixelFormat::RGB };
    let image = Image {
        pixels: pixels.as_mut_slice(),
        width: scaled.width,
        pitch: scaled.width * if inks { 4 } else { 3 },
        height: scaled.height,
        format,
    };
    let mut damage = None;
    if let Err(error) = turbo.decompress(job.bytes, image) {
        let reason = reason(&error);
        if reason.contains("scans") {
            return Err(Refusal::limit(format!("it has more than {MAX_SCANS} scans")));
        }
        // A warning leaves pixels behind, a failure leaves none.
        if pixels.iter().all(|&value| value == MISSING) {
            return Err(Refusal::malformed(reason));
        }
        // What stands between a whole picture and its end takes nothing from it; some cameras leave such bytes.
        damage = Some(reason).filter(|reason| !reason.contains("extraneous bytes before marker 0xd9"));
    }
    let markers = Markers::read(job.bytes);
    let (pixels, colour) = if inks {
        if markers.adobe {
            pixels.iter_mut().for_each(|value| *value = 255 - *value);
        }
        (cmyk_to_rgb(&pixels, markers.profile.as_deref()), Colour::Srgb)
    } else {
        (pixels, markers.profile.map_or(Colour::Srgb, Colour::Profile))
    };
    let raster = Raster {
        width: u32::try_from(scaled.width).map_err(|_| too_large())?,
        height: u32::try_from(scaled.height).map_err(|_| too_large())?,
        pixels,
    };
    Ok(Decoded { colour, damage, ..Decoded::stored(raster, job, (width, height), "libjpeg-turbo") })
}

/// The smallest of the fast scales that leaves `side` pixels on the long side.
fn scaling_factor(width: u32, height: u32, side: u32) -> ScalingFactor {
    let long = width.max(height) as usize;
    [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF]
        .into_iter()
        .find(|factor| factor.scale(long) >= side as usize)
        .unwrap_or(ScalingFactor::ONE)
}

/// A progressive file is held whole as coefficients of two bytes before the first pixel comes out.
fn coefficients_bytes(header: &DecompressHeader) -> u64 {
    if !header.is_progressive {
        return 0;
    }
    let pixels = header.width as u64 * header.height as u64;
    match header.subsamp {
        Subsamp::Gray => pixels * 2,
        Subsamp::Sub2x2 => pixels * 3,
        Subsamp::Sub2x1 | Subsamp::Sub1x2 => pixels * 4,
        _ => pixels * 8,
    }
}

fn reason(error: &turbojpeg::Error) -> String {
    match error {
        turbojpeg::Error::TurboJpegError(message) => message.chars().take(200).collect(),
        other => other.to_string().chars().take(200).collect(),
    }
}

/// Decodes the whole picture in memory-safe code, then shrinks it.
fn decode_safely(job: &Job<'_>) -> Result<Decoded, Refusal> {
    let refused = |error: zune_jpeg::errors::DecodeErrors| Refusal::malformed(error.to_string());
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .set_strict_mode(false)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(job.bytes), options);
    decoder.decode_headers().map_err(refused)?;
    let info = decoder.info().ok_or_else(|| Refusal::malformed("it has no header"))?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    // The whole picture, and as much again for coefficients of progressive files.
    job.admit(width, height, u64::from(width) * u64::from(height) * 9)?;
    let profile = decoder.icc_profile();
    let pixels = decoder.decode().map_err(refused)?;
    let mut canvas = Canvas::new(width, height, shrink_factor(width, height, job.side));
    for (y, row) in (0..height).zip(pixels.chunks_exact(width as usize * 3)) {
        canvas.put(0, y, row, Layout::Rgb);
    }
    Ok(Decoded {
        colour: profile.map_or(Colour::Srgb, Colour::Profile),
        ..Decoded::stored(canvas.finish(), job, (width, height), "zune-jpeg")
    })
}
