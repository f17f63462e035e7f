//! Colours to sRGB: ICC profiles by moxcms, coding-independent code points by their published matrices.
//!
//! Invariant: renditions are sRGB with 8 bits a channel and carry no profile. A profile that cannot be
//! read leaves the pixels as they are; that is a matter of tint, not a reason to show nothing. High
//! dynamic range (PQ, HLG) is rolled off above the reference white of ITU-R BT.2408.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use crate::raster::Raster;

/// Longest ICC profile that is read.
pub(crate) const MAX_PROFILE_BYTES: usize = 4 << 20;
/// Profiles that move no colour by more than this many steps are taken for sRGB.
const SAME_WITHIN: u8 = 3;

/// What the samples of a picture mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Colour {
    #[default]
    Srgb,
    /// An ICC profile.
    Profile(Vec<u8>),
    /// Primaries and transfer function of ITU-T H.273.
    CodePoints { primaries: u16, transfer: u16 },
}

impl Colour {
    /// Turns `raster` to sRGB.
    pub(crate) fn to_srgb(&self, raster: &mut Raster) {
        match self {
            Self::Srgb => {}
            Self::Profile(bytes) => convert_profile(bytes, raster),
            &Self::CodePoints { primaries, transfer } => convert_code_points(primaries, transfer, raster),
        }
    }
}

fn convert_profile(bytes: &[u8], raster: &mut Raster) {
    let Some(profile) = readable(bytes).filter(|profile| profile.color_space == DataColorSpace::Rgb) else {
        return;
    };
    let srgb = ColorProfile::new_srgb();
    let Ok(transform) =
        profile.create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, TransformOptions::default())
    else {
        return;
    };
    let probe: Vec<u8> =
        (0_u8..64).flat_map(|index| [index % 4, index / 4 % 4, index / 16]).map(|step| step * 85).collect();
    let mut probed = probe.clone();
    let same = transform.transform(&probe, &mut probed).is_err()
        || probe.iter().zip(&probed).all(|(before, after)| before.abs_diff(*after) <= SAME_WITHIN);
    if same {
        return;
    }
    let mut row = vec![0; raster.width as usize * 3];
    for pixels in raster.pixels.chunks_exact_mut(row.len().max(1)) {
        if transform.transform(pixels, &mut row).is_ok() {
            pixels.copy_from_slice(&row);
        }
    }
}

/// Turns CMYK samples (255 is full ink) to sRGB, by their profile when there is one that can be read.
pub(crate) fn cmyk_to_rgb(samples: &[u8], profile: Option<&[u8]>) -> Vec<u8> {
    let mut rgb = vec![0; samples.len() / 4 * 3];
    let transform = profile
        .and_then(readable)
        .filter(|profile| profile.color_space == DataColorSpace::Cmyk)
        .and_then(|profile| {
            let srgb = ColorProfile::new_srgb();
            profile.create_transform_8bit(Layout::Rgba, &srgb, Layout::Rgb, TransformOptions::default()).ok()
        });
    if transform.is_some_and(|transform| transform.transform(samples, &mut rgb).is_ok()) {
        return rgb;
    }
    for (pixel, ink) in rgb.chunks_exact_mut(3).zip(samples.chunks_exact(4)) {
        let light = 255 - u16::from(ink[3]);
        for (value, ink) in pixel.iter_mut().zip(ink) {
            *value = u8::try_from((255 - u16::from(*ink)) * light / 255).unwrap_or(0);
        }
    }
    rgb
}

fn readable(bytes: &[u8]) -> Option<ColorProfile> {
    // A profile is parsed with its own bounds; the length is ours.
    (bytes.len() <= MAX_PROFILE_BYTES).then(|| ColorProfile::new_from_slice(bytes).ok()).flatten()
}

/// Linear light of BT.2020 and P3 primaries to those of sRGB (D65 each; ITU-R BT.2087, SMPTE RP 431-2).
const FROM_2020: [[f32; 3]; 3] =
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]];
const FROM_P3: [[f32; 3]; 3] = [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]];

const PQ: u16 = 16;
const HLG: u16 = 18;

fn convert_code_points(primaries: u16, transfer: u16, raster: &mut Raster) {
    let matrix = match primaries {
        9 => Some(FROM_2020),
        11 | 12 => Some(FROM_P3),
        _ => None,
    };
    let bright = matches!(transfer, PQ | HLG);
    if matrix.is_none() && !bright && transfer != 8 {
        // The curves of BT.709 and sRGB are shown alike everywhere.
        return;
    }
    let mut light = [0.0_f32; 256];
    for (value, level) in (0_u8..=255).zip(&mut light) {
        *level = linear(f32::from(value) / 255.0, transfer);
    }
    let encoded: Vec<u8> = (0_u16..=4095).map(|level| encode_srgb(f32::from(level) / 4095.0)).collect();
    for pixel in raster.pixels.chunks_exact_mut(3) {
        let mut rgb = [pixel[0], pixel[1], pixel[2]].map(|value| light[usize::from(value)]);
        if let Some(matrix) = matrix {
            rgb = matrix.map(|row| row.iter().zip(rgb).map(|(factor, value)| factor * value).sum());
        }
        if bright {
            rgb = roll_off(rgb);
        }
        for (value, level) in pixel.iter_mut().zip(rgb) {
            *value = encoded[table_index(level)];
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the table; not a number becomes 0"
)]
fn table_index(level: f32) -> usize {
    (level.clamp(0.0, 1.0) * 4095.0 + 0.5) as usize
}

/// Scene or display light with 1.0 at reference white.
fn linear(value: f32, transfer: u16) -> f32 {
    match transfer {
        8 => value,
        // SMPTE ST 2084 with its constants as fractions, 203 cd/m² at white.
        PQ => {
            let power = value.powf(32.0 / 2523.0);
            ((power - 107.0 / 128.0).max(0.0) / (2413.0 / 128.0 - 299.0 / 16.0 * power)).powf(8192.0 / 1305.0)
                * (10000.0 / 203.0)
        }
        // ITU-R BT.2100, system gamma 1.2 at 1000 cd/m², 75 % signal at white.
        HLG => {
            let scene = if value <= 0.5 {
                value * value / 3.0
            } else {
                (((value - 0.559_910_7) / 0.178_832_77).exp() + 0.284_668_92) / 12.0
            };
            scene.powf(1.2) * (1000.0 / 203.0)
        }
        _ if value <= 0.04045 => value / 12.92,
        _ => ((value + 0.055) / 1.055).powf(2.4),
    }
}

fn encode_srgb(light: f32) -> u8 {
    let value = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
    let byte = (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    byte
}

/// Brings what is brighter than white back below it, keeping hue (Reinhard's curve with white at 5).
fn roll_off(rgb: [f32; 3]) -> [f32; 3] {
    let peak = rgb.into_iter().fold(0.0, f32::max);
    if peak <= 0.0 {
        return rgb;
    }
    let shown = peak * (1.0 + peak / 25.0) / (1.0 + peak) * (1.0 + 1.0 / 5.0);
    rgb.map(|value| value * shown / peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(rgb: [u8; 3]) -> Raster {
        Raster { width: 1, height: 1, pixels: rgb.to_vec() }
    }

    #[test]
    fn a_p3_profile_moves_colours_and_leaves_greys() {
        let profile = Colour::Profile(ColorProfile::new_display_p3().encode().unwrap());
        let mut orange = pixel([200, 120, 60]);
        profile.to_srgb(&mut orange);
        assert!(orange.pixels[0] > 205 && orange.pixels[2] < 55, "{:?}", orange.pixels);
        let mut grey = pixel([120, 120, 120]);
        profile.to_srgb(&mut grey);
        assert!(grey.pixels.iter().all(|value| value.abs_diff(120) <= 1), "{:?}", grey.pixels);
    }

    #[test]
    fn srgb_and_unreadable_profiles_change_nothing() {
        for profile in [ColorProfile::new_srgb().encode().unwrap(), b"no profile".to_vec(), Vec::new()] {
            let mut raster = pixel([13, 130, 230]);
            Colour::Profile(profile).to_srgb(&mut raster);
            assert_eq!(raster.pixels, [13, 130, 230]);
        }
    }

    #[test]
    fn code_points_of_p3_agree_with_the_profile_of_p3() {
        let (mut by_profile, mut by_points) = (pixel([180, 110, 70]), pixel([180, 110, 70]));
        Colour::Profile(ColorProfile::new_display_p3().encode().unwrap()).to_srgb(&mut by_profile);
        Colour::CodePoints { primaries: 12, transfer: 13 }.to_srgb(&mut by_points);
        let apart = by_profile.pixels.iter().zip(&by_points.pixels).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart <= Some(2), "{by_profile:?} {by_points:?}");
    }

    #[test]
    fn bright_pictures_keep_order_and_show_white_as_nearly_white() {
        for transfer in [PQ, HLG] {
            let mut last = 0;
            for value in (0..=255).step_by(15) {
                let mut raster = pixel([value; 3]);
                Colour::CodePoints { primaries: 9, transfer }.to_srgb(&mut raster);
                assert!(raster.pixels[0] >= last, "transfer {transfer}: {value} became {}", raster.pixels[0]);
                last = raster.pixels[0];
            }
            assert!(last >= 235, "transfer {transfer}: white became {last}");
        }
    }

    #[test]
    fn ink_without_a_profile_is_subtracted() {
        assert_eq!(
            cmyk_to_rgb(&[0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255], None),
            [255, 255, 255, 0, 255, 255, 0, 0, 0]
        );
    }
}
