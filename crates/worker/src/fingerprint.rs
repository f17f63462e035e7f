//! Perceptual fingerprints: pHash64 and PDQ-256, from the pixels of the thumbnail.
//!
//! Both reduce the luma to a small square by exact area means, take its DCT-II and set one bit for each
//! low frequency above the median: 8 × 8 without the constant row and column of 32 × 32 for pHash, and
//! the 16 × 16 of 64 × 64 for PDQ (Facebook's "TMK+PDQF" paper, without its second prefilter, as measured
//! for this project). Invariant: the same pixels give the same bits everywhere; orientation is applied
//! before, so a turned copy matches.

use std::f32::consts::PI;

use crate::raster::Raster;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprints {
    pub(crate) phash64: u64,
    pub(crate) pdq256: [u8; 32],
    pub(crate) pdq_quality: u8,
}

impl Fingerprints {
    pub(crate) fn of(raster: &Raster) -> Self {
        let small = reduced::<32>(raster, LUMA);
        let large = reduced::<64>(raster, LUMA);
        Self { phash64: phash64(&small), pdq256: pdq256(&large), pdq_quality: quality(&large) }
    }
}

/// How much red, green and blue count in luma.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// The same in each colour by itself.
const COLOURS: [[f32; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// The luma stretched to a square of `SIDE`, a byte a pixel.
pub(crate) fn luma_means<const SIDE: usize>(raster: &Raster) -> Vec<u8> {
    means::<SIDE>(raster, LUMA)
}

/// Red, green and blue one after the other, each stretched to a square of `SIDE`.
pub(crate) fn colour_means<const SIDE: usize>(raster: &Raster) -> Vec<u8> {
    COLOURS.into_iter().flat_map(|colour| means::<SIDE>(raster, colour)).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "means of bytes are bytes")]
fn means<const SIDE: usize>(raster: &Raster, weights: [f32; 3]) -> Vec<u8> {
    let rows = reduced::<SIDE>(raster, weights);
    rows.into_iter().flatten().map(|mean| mean.round().clamp(0.0, 255.0) as u8).collect()
}

/// Area means of the weighted colours on an `N` × `N` square; a smaller picture is enlarged by the same rule. One line of luma is in memory
/// at a time.
fn reduced<const N: usize>(raster: &Raster, [red, green, blue]: [f32; 3]) -> Vec<[f32; N]> {
    let (width, height) = (raster.width as usize, raster.height as usize);
    let (across, down) = (spans(width, N), spans(height, N));
    let mut line = vec![0.0; width];
    let rows: Vec<[f32; N]> = raster
        .pixels
        .chunks_exact(3 * width.max(1))
        .map(|row| {
            for (luma, rgb) in line.iter_mut().zip(row.chunks_exact(3)) {
                *luma = red * f32::from(rgb[0]) + green * f32::from(rgb[1]) + blue * f32::from(rgb[2]);
            }
            std::array::from_fn(|x| across[x].mean_of(&line))
        })
        .collect();
    down.iter().map(|span| span.mean_row(&rows)).collect()
}

/// A run of source samples with the weights of its first and last.
struct Span {
    first: usize,
    weights: Vec<f32>,
    /// What the weights come to.
    total: f32,
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sides of pictures are far below 2^24"
)]
fn spans(length: usize, count: usize) -> Vec<Span> {
    let step = length as f32 / count as f32;
    (0..count)
        .map(|index| {
            let (start, end) = (index as f32 * step, ((index + 1) as f32 * step).min(length as f32));
            let first = (start as usize).min(length.saturating_sub(1));
            let last = (end.ceil() as usize).clamp(first + 1, length.max(first + 1));
            let weights = (first..last)
                .map(|at| ((at + 1) as f32).min(end) - (at as f32).max(start))
                .map(|w| w.max(1e-6));
            let weights: Vec<f32> = weights.collect();
            Span { first, total: weights.iter().sum(), weights }
        })
        .collect()
}

impl Span {
    fn mean_of(&self, line: &[f32]) -> f32 {
        let samples = line.get(self.first..).unwrap_or_default();
        self.weights.iter().zip(samples).map(|(weight, value)| weight * value).sum::<f32>() / self.total
    }

    /// The same of each column, a row after the other: the sums come out in the same order, and many columns at once.
    fn mean_row<const N: usize>(&self, rows: &[[f32; N]]) -> [f32; N] {
        let mut sums = [0.0; N];
        for (weight, row) in self.weights.iter().zip(rows.iter().skip(self.first)) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
        sums.map(|sum| sum / self.total)
    }
}

/// The frequencies `from .. from + K` of the DCT-II of an `N` × `N` square, both ways.
#[expect(clippy::cast_precision_loss, reason = "indices below 64")]
fn frequencies<const N: usize, const K: usize>(square: &[[f32; N]], from: usize) -> Vec<f32> {
    let basis: Vec<[f32; N]> = (from..from + K)
        .map(|frequency| {
            std::array::from_fn(|at| {
                (PI / (2.0 * N as f32) * frequency as f32 * (2.0 * at as f32 + 1.0)).cos()
            })
        })
        .collect();
    let rows: Vec<[f32; K]> = square
        .iter()
        .map(|row| std::array::from_fn(|k| row.iter().zip(&basis[k]).map(|(value, wave)| value * wave).sum()))
        .collect();
    basis
        .iter()
        .flat_map(|wave| {
            (0..K)
                .map(|x| rows.iter().zip(wave).map(|(row, factor)| row[x] * factor).sum())
                .collect::<Vec<f32>>()
        })
        .collect()
}

fn median(values: &[f32]) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let half = sorted.len() / 2;
    (sorted[half - 1] + sorted[half]) / 2.0
}

fn phash64(square: &[[f32; 32]]) -> u64 {
    let values = frequencies::<32, 8>(square, 1);
    let middle = median(&values);
    values.iter().fold(0, |bits, value| bits << 1 | u64::from(*value > middle))
}

fn pdq256(square: &[[f32; 64]]) -> [u8; 32] {
    let values = frequencies::<64, 16>(square, 1);
    let middle = median(&values);
    let mut bits = [0; 32];
    for (byte, eight) in bits.iter_mut().zip(values.chunks_exact(8)) {
        *byte = eight.iter().fold(0, |bits, value| bits << 1 | u8::from(*value > middle));
    }
    bits
}

/// PDQ's measure of how much there is to see: summed steps between neighbours, 100 at most.
fn quality(square: &[[f32; 64]]) -> u8 {
    let step = |a: f32, b: f32| ((a - b).abs() * 100.0 / 255.0).floor();
    let across: f32 = square.iter().flat_map(|row| row.windows(2)).map(|pair| step(pair[0], pair[1])).sum();
    let down: f32 = square
        .windows(2)
        .flat_map(|rows| rows[0].iter().zip(&rows[1]))
        .map(|(above, below)| step(*above, *below))
        .sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 100")]
    let quality = ((across + down) / 90.0).clamp(0.0, 100.0) as u8;
    quality
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::upright;

    /// A picture with structure at many sizes, made of a few waves.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "values of a small drawn picture"
    )]
    fn scene(width: u32, height: u32, seed: f32) -> Raster {
        let mut raster = Raster::filled(width, height, 0);
        for (index, pixel) in raster.pixels.chunks_exact_mut(3).enumerate() {
            let (x, y) =
                ((index as u32 % width) as f32 / width as f32, (index as u32 / width) as f32 / height as f32);
            let value = (x * 7.0 + seed).sin() * (y * 11.0 * seed).cos() + (x * y * 19.0 + seed * 3.0).sin();
            pixel.fill((value * 50.0 + 128.0) as u8);
        }
        raster
    }

    fn apart(a: &Fingerprints, b: &Fingerprints) -> (u32, u32) {
        let pdq = a.pdq256.iter().zip(&b.pdq256).map(|(a, b)| (a ^ b).count_ones()).sum();
        ((a.phash64 ^ b.phash64).count_ones(), pdq)
    }

    #[test]
    fn other_sizes_and_brightness_stay_near_and_other_pictures_far() {
        let original = Fingerprints::of(&scene(320, 240, 1.3));
        let smaller = Fingerprints::of(&scene(160, 120, 1.3));
        let mut brighter = scene(320, 240, 1.3);
        brighter.pixels.iter_mut().for_each(|value| *value = value.saturating_add(20));
        let other = Fingerprints::of(&scene(320, 240, 2.9));
        assert!(
            apart(&original, &smaller).0 <= 8 && apart(&original, &smaller).1 <= 31,
            "{:?}",
            apart(&original, &smaller)
        );
        let brighter = apart(&original, &Fingerprints::of(&brighter));
        assert!(brighter.0 <= 8 && brighter.1 <= 31, "{brighter:?}");
        assert!(
            apart(&original, &other).0 > 16 && apart(&original, &other).1 > 80,
            "{:?}",
            apart(&original, &other)
        );
    }

    #[test]
    fn a_turned_picture_is_another_until_it_is_upright() {
        let picture = scene(320, 240, 1.3);
        let stored = upright(picture.clone(), 8);
        assert!(apart(&Fingerprints::of(&picture), &Fingerprints::of(&stored)).0 > 10);
        assert_eq!(Fingerprints::of(&picture), Fingerprints::of(&upright(stored, 6)));
    }

    #[test]
    fn luma_is_a_square_of_means() {
        let mut picture = Raster::filled(128, 128, 10);
        picture.pixels.iter_mut().skip(128 * 64 * 3).for_each(|value| *value = 200);
        let means = luma_means::<64>(&picture);
        assert_eq!(means.len(), 64 * 64);
        assert!(means[..64 * 32].iter().all(|mean| *mean == 10));
        assert!(means[64 * 32..].iter().all(|mean| *mean == 200));
        picture.pixels.iter_mut().skip(1).step_by(3).for_each(|green| *green = 50);
        let means = colour_means::<64>(&picture);
        let (red, others) = means.split_at(64 * 64);
        assert!((others.len(), red[0], red[64 * 63]) == (2 * 64 * 64, 10, 200));
        assert!(others[..64 * 64].iter().all(|mean| *mean == 50) && others[64 * 64] == 10);
    }

    #[test]
    fn flat_and_tiny_pictures_have_fingerprints_of_low_quality() {
        assert_eq!(Fingerprints::of(&Raster::filled(320, 240, 90)).pdq_quality, 0);
        assert_eq!(Fingerprints::of(&Raster::filled(1, 1, 90)).pdq_quality, 0);
        assert!(Fingerprints::of(&scene(320, 240, 1.3)).pdq_quality > 5);
    }
}
