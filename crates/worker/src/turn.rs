//! Turning pixels upright by EXIF orientation.
//!
//! Invariant: orientation is applied exactly once. Decoders of formats that turn themselves return
//! upright pixels with orientation 1; all others return pixels as stored, and this turns them.

use crate::raster::Raster;

/// Pixels per side of the squares in which quarter turns are done, so that both pictures stay in cache.
const BLOCK: u32 = 32;

/// Turns `raster` from the given EXIF orientation (1–8; anything else counts as 1) upright.
pub(crate) fn upright(raster: Raster, orientation: u8) -> Raster {
    if !(2..=8).contains(&orientation) {
        return raster;
    }
    let (across, down) = (raster.width, raster.height);
    let (width, height) = if orientation >= 5 { (down, across) } else { (across, down) };
    let mut turned = Raster::filled(width, height, 0);
    for top in (0..height).step_by(BLOCK as usize) {
        for left in (0..width).step_by(BLOCK as usize) {
            for y in top..height.min(top + BLOCK) {
                for x in left..width.min(left + BLOCK) {
                    // Where the pixel shown at (x, y) is stored.
                    let (from_x, from_y) = match orientation {
                        2 => (across - 1 - x, y),
                        3 => (across - 1 - x, down - 1 - y),
                        4 => (x, down - 1 - y),
                        5 => (y, x),
                        6 => (y, down - 1 - x),
                        7 => (across - 1 - y, down - 1 - x),
                        _ => (across - 1 - y, x),
                    };
                    let from = (from_y as usize * across as usize + from_x as usize) * 3;
                    let to = (y as usize * width as usize + x as usize) * 3;
                    turned.pixels[to..to + 3].copy_from_slice(&raster.pixels[from..from + 3]);
                }
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 2 × 3 picture of the letters, one a pixel.
    fn letters(width: u32, text: &str) -> Raster {
        let pixels: Vec<u8> = text.bytes().flat_map(|letter| [letter; 3]).collect();
        Raster { width, height: u32::try_from(text.len()).unwrap() / width, pixels }
    }

    #[test]
    fn each_orientation_is_undone() {
        // The upright picture is AB / CD / EF; each line is how a camera stores it with that orientation.
        let upright_picture = letters(2, "ABCDEF");
        for (orientation, width, stored) in [
            (1, 2, "ABCDEF"),
            (2, 2, "BADCFE"),
            (3, 2, "FEDCBA"),
            (4, 2, "EFCDAB"),
            (5, 3, "ACEBDF"),
            (6, 3, "BDFACE"),
            (7, 3, "FDBECA"),
            (8, 3, "ECAFDB"),
        ] {
            assert_eq!(
                upright(letters(width, stored), orientation),
                upright_picture,
                "orientation {orientation}"
            );
        }
        assert_eq!(upright(letters(2, "ABCDEF"), 0), upright_picture);
        assert_eq!(upright(letters(2, "ABCDEF"), 9), upright_picture);
    }
}
