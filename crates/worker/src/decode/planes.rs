//! Planes of YCbCr, as video codecs give them, to RGB, shrunk on the way.
//!
//! Each pixel that is kept is the mean of a square of luma and of the chroma beneath it, so shrinking
//! 4:2:0 by two needs no interpolation of chroma at all. Without shrinking, chroma is repeated.

use crate::raster::{MISSING, Raster, over_paper};

/// Samples of one plane as their decoder stores them.
#[derive(Clone, Copy)]
pub(super) enum Samples<'a> {
    Bytes(&'a [u8]),
    /// Two bytes each, in the machine's order.
    Words(&'a [u8]),
    Ints(&'a [i32]),
}

#[derive(Clone, Copy)]
pub(super) struct Plane<'a> {
    pub(super) samples: Samples<'a>,
    /// Samples from one row to the next.
    pub(super) stride: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Plane<'_> {
    /// Adds up squares of `across` × `down` samples whose first row is `top`; the last square of a row
    /// and of a column may be smaller. Returns the mean of each.
    fn means(&self, top: usize, down: usize, across: usize, count: usize) -> Vec<f32> {
        let mut sums = vec![(0_u32, 0_u32); count];
        let last = (top + down).min(self.height);
        for y in top.min(self.height.saturating_sub(1))..last.max(1) {
            let start = y * self.stride;
            match self.samples {
                Samples::Bytes(samples) => {
                    let row = samples.get(start..start + self.width).unwrap_or_default();
                    add(&mut sums, across, row.iter().map(|&value| u32::from(value)));
                }
                Samples::Words(samples) => {
                    let row = samples.get(start * 2..(start + self.width) * 2).unwrap_or_default();
                    let words =
                        row.chunks_exact(2).map(|pair| u32::from(u16::from_ne_bytes([pair[0], pair[1]])));
                    add(&mut sums, across, words);
                }
                Samples::Ints(samples) => {
                    let row = samples.get(start..start + self.width).unwrap_or_default();
                    add(&mut sums, across, row.iter().map(|&value| u32::try_from(value).unwrap_or(0)));
                }
            }
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "sums of samples of at most 16 bits over small squares"
        )]
        let mean = |(sum, count): (u32, u32)| sum as f32 / count.max(1) as f32;
        // What lies beyond a plane that is too narrow repeats its last sample.
        let mut last = 0.0;
        sums.into_iter()
            .map(|sum| {
                if sum.1 > 0 {
                    last = mean(sum);
                }
                last
            })
            .collect()
    }
}

fn add(sums: &mut [(u32, u32)], across: usize, mut values: impl Iterator<Item = u32>) {
    for (sum, count) in sums {
        for value in values.by_ref().take(across) {
            *sum += value;
            *count += 1;
        }
    }
}

/// A picture in planes.
pub(super) struct Planar<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Luma samples across and down for each chroma sample, 1 or 2.
    pub(super) subsampling: (usize, usize),
    pub(super) bits: u32,
    pub(super) luma: Plane<'a>,
    pub(super) chroma: Option<[Plane<'a>; 2]>,
    pub(super) alpha: Option<Alpha<'a>>,
    pub(super) matrix: Matrix,
}

/// Opacity, with its own number of bits.
pub(super) struct Alpha<'a> {
    pub(super) plane: Plane<'a>,
    pub(super) bits: u32,
    pub(super) full_range: bool,
}

/// How luma and chroma make red, green and blue (ITU-T H.273 §8.3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Matrix {
    kind: Kind,
    full_range: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Weights of red and blue in luma.
    Weights(f32, f32),
    /// The planes are green, blue and red.
    Identity,
    /// Luma, green-orange and green-purple differences.
    Difference,
}

impl Matrix {
    /// The matrix of H.273's code; what is not known is BT.601, as decoders of still pictures agree.
    pub(super) fn by_code(code: u16, full_range: bool) -> Self {
        let kind = match code {
            0 => Kind::Identity,
            1 => Kind::Weights(0.2126, 0.0722),
            4 => Kind::Weights(0.30, 0.11),
            7 => Kind::Weights(0.212, 0.087),
            8 => Kind::Difference,
            9 | 10 => Kind::Weights(0.2627, 0.0593),
            12 => Kind::Weights(0.2290, 0.0793),
            _ => Kind::Weights(0.299, 0.114),
        };
        Self { kind, full_range }
    }

    fn rgb(self, luma: f32, blue: f32, red: f32) -> [f32; 3] {
        match self.kind {
            Kind::Weights(kr, kb) => {
                let r = luma + 2.0 * (1.0 - kr) * red;
                let b = luma + 2.0 * (1.0 - kb) * blue;
                [r, (luma - kr * r - kb * b) / (1.0 - kr - kb), b]
            }
            Kind::Identity => [red, luma, blue],
            Kind::Difference => {
                let base = luma - blue;
                [base + red, luma + blue, base - red]
            }
        }
    }
}

/// Scale and offset that bring samples of some bits to 0–1 (or, for chroma, to ±0.5).
struct Range {
    scale: f32,
    offset: f32,
}

impl Range {
    fn of(bits: u32, full_range: bool, chroma: bool) -> Self {
        let unit = f32::from(1_u16 << (bits.clamp(8, 16) - 8));
        let most = unit * 256.0 - 1.0;
        let middle = if chroma { unit * 128.0 } else { 0.0 };
        match (full_range, chroma) {
            (true, _) => Self { scale: 1.0 / most, offset: middle },
            (false, false) => Self { scale: 1.0 / (219.0 * unit), offset: 16.0 * unit },
            (false, true) => Self { scale: 1.0 / (224.0 * unit), offset: middle },
        }
    }

    fn apply(&self, value: f32) -> f32 {
        (value - self.offset) * self.scale
    }
}

impl Planar<'_> {
    /// Lays the picture, shrunk by `factor`, into `raster` with its upper left corner at `(left, top)`.
    pub(super) fn lay(&self, raster: &mut Raster, factor: usize, left: usize, top: usize) {
        let (columns, rows) = (self.width.div_ceil(factor), self.height.div_ceil(factor));
        let luma_range = Range::of(self.bits, self.matrix.full_range, false);
        let identity = self.matrix.kind == Kind::Identity;
        let chroma_range = Range::of(self.bits, self.matrix.full_range, !identity);
        let across = raster.width as usize;
        for row in 0..rows.min((raster.height as usize).saturating_sub(top)) {
            let luma = self.luma.means(row * factor, factor, factor, columns);
            let chroma =
                self.chroma.map(|planes| planes.map(|plane| self.chroma_row(&plane, row, factor, columns)));
            let alpha = self.alpha.as_ref().map(|alpha| {
                let range = Range::of(alpha.bits, alpha.full_range, false);
                let mut means = alpha.plane.means(row * factor, factor, factor, columns);
                means.iter_mut().for_each(|value| *value = range.apply(*value));
                means
            });
            let start = ((top + row) * across + left) * 3;
            let room = across.saturating_sub(left).min(columns) * 3;
            let Some(target) = raster.pixels.get_mut(start..start + room) else { return };
            for (x, pixel) in target.chunks_exact_mut(3).enumerate() {
                let value = luma_range.apply(luma[x]);
                let rgb = chroma.as_ref().map_or([value; 3], |[blue, red]| {
                    self.matrix.rgb(value, chroma_range.apply(blue[x]), chroma_range.apply(red[x]))
                });
                let rgb = rgb.map(byte);
                let rgb =
                    alpha.as_ref().map_or(rgb, |alpha| rgb.map(|value| over_paper(value, byte(alpha[x]))));
                pixel.copy_from_slice(&rgb);
            }
        }
    }

    /// The chroma of one row of kept pixels.
    fn chroma_row(&self, plane: &Plane<'_>, row: usize, factor: usize, columns: usize) -> Vec<f32> {
        let (sub_x, sub_y) = self.subsampling;
        let down = (factor / sub_y).max(1);
        let top = row * factor / sub_y;
        if factor >= sub_x {
            return plane.means(top, down, factor / sub_x, columns);
        }
        let narrow = plane.means(top, down, 1, columns.div_ceil(sub_x));
        (0..columns).map(|x| narrow[x / sub_x]).collect()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped; not a number becomes 0"
)]
fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

/// A raster for a picture of this size shrunk by `factor`.
pub(super) fn raster_for(width: u32, height: u32, factor: u32) -> Raster {
    Raster::filled(width.div_ceil(factor), height.div_ceil(factor), MISSING)
}

/// The largest factor not above `wanted` whose squares do not cut chroma samples: 1 or an even number.
pub(super) fn whole_chroma(wanted: u32) -> u32 {
    if wanted < 2 { 1 } else { wanted / 2 * 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(samples: &[u8], width: usize) -> Plane<'_> {
        Plane { samples: Samples::Bytes(samples), stride: width, width, height: samples.len() / width }
    }

    fn picture<'a>(
        luma: &'a [u8],
        chroma: Option<[&'a [u8]; 2]>,
        width: usize,
        matrix: Matrix,
    ) -> Planar<'a> {
        Planar {
            width,
            height: luma.len() / width,
            subsampling: (2, 2),
            bits: 8,
            luma: plane(luma, width),
            chroma: chroma.map(|planes| planes.map(|samples| plane(samples, width.div_ceil(2)))),
            alpha: None,
            matrix,
        }
    }

    fn pixels(planar: &Planar<'_>, factor: u32) -> Vec<u8> {
        let (width, height) = (u32::try_from(planar.width).unwrap(), u32::try_from(planar.height).unwrap());
        let mut raster = raster_for(width, height, factor);
        planar.lay(&mut raster, factor as usize, 0, 0);
        raster.pixels
    }

    #[test]
    fn limited_range_is_stretched_and_full_range_is_not() {
        let limited = picture(&[16, 235], None, 2, Matrix::by_code(1, false));
        assert_eq!(pixels(&limited, 1), [0, 0, 0, 255, 255, 255]);
        let full = picture(&[16, 235], None, 2, Matrix::by_code(1, true));
        assert_eq!(pixels(&full, 1), [16, 16, 16, 235, 235, 235]);
    }

    #[test]
    fn red_of_bt601_is_red_at_any_shrinking() {
        // (255, 0, 0) is Y 76, Cb 85, Cr 255 in full-range BT.601.
        let red = picture(&[76; 16], Some([&[85; 4], &[255; 4]]), 4, Matrix::by_code(6, true));
        for factor in [1, 2, 4] {
            for pixel in pixels(&red, factor).chunks_exact(3) {
                assert!(pixel[0] >= 253 && pixel[1] <= 2 && pixel[2] <= 2, "{factor}: {pixel:?}");
            }
        }
    }

    #[test]
    fn odd_sizes_and_planes_that_are_too_small_are_survived() {
        let odd = picture(&[100; 9], Some([&[128; 4], &[128; 4]]), 3, Matrix::by_code(6, true));
        assert_eq!(pixels(&odd, 2), [100; 12]);
        let short =
            Planar { luma: plane(&[100; 3], 3), ..picture(&[0; 9], None, 3, Matrix::by_code(6, true)) };
        assert_eq!(pixels(&short, 1).len(), 27);
    }

    #[test]
    fn words_and_integers_of_ten_bits_are_the_same_picture() {
        let words: Vec<u8> = [0_u16, 1023, 512, 256].iter().flat_map(|value| value.to_ne_bytes()).collect();
        let base = picture(&[0; 4], None, 2, Matrix::by_code(1, true));
        let by_words = Planar {
            bits: 10,
            luma: Plane { samples: Samples::Words(&words), stride: 2, width: 2, height: 2 },
            ..base
        };
        let ints = [0, 1023, 512, 256];
        let base = picture(&[0; 4], None, 2, Matrix::by_code(1, true));
        let by_ints = Planar {
            bits: 10,
            luma: Plane { samples: Samples::Ints(&ints), stride: 2, width: 2, height: 2 },
            ..base
        };
        assert_eq!(pixels(&by_words, 1), pixels(&by_ints, 1));
        assert_eq!(pixels(&by_ints, 1)[3], 255);
    }
}
