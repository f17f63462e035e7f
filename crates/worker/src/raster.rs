//! Pixels on their way from a decoder to renditions, and the canvas that shrinks them as they arrive.
//!
//! Invariant: a [`Raster`] holds exactly `width * height` RGB triples of 8 bits. A [`Canvas`] takes rows
//! and blocks of a large picture in any order and keeps only the shrunk picture, so that the memory of
//! a 200-megapixel file is that of its preview.

/// Behind transparent pixels, as on paper.
pub(crate) const PAPER: u8 = 255;
/// Where a damaged file gave no pixels.
pub(crate) const MISSING: u8 = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixels: Vec<u8>,
}

impl Raster {
    pub(crate) fn filled(width: u32, height: u32, value: u8) -> Self {
        Self { width, height, pixels: vec![value; width as usize * height as usize * 3] }
    }

    /// Row `y`; empty beyond the picture.
    pub(crate) fn row(&self, y: u32) -> &[u8] {
        let length = self.width as usize * 3;
        self.pixels.chunks_exact(length.max(1)).nth(y as usize).unwrap_or_default()
    }
}

/// The whole factor by which to shrink while decoding, so that enough is left for a good filter.
pub(crate) fn shrink_factor(width: u32, height: u32, side: u32) -> u32 {
    (width.max(height) / (side + side / 4)).max(1)
}

/// Where one decoded sample set is laid down in RGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Gray,
    GrayAlpha,
    Rgb,
    Rgba,
}

impl Layout {
    pub(crate) fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    fn rgb(self, sample: &[u8]) -> [u8; 3] {
        match (self, sample) {
            (Self::Gray, &[gray]) => [gray; 3],
            (Self::GrayAlpha, &[gray, alpha]) => [over_paper(gray, alpha); 3],
            (Self::Rgb, &[red, green, blue]) => [red, green, blue],
            (Self::Rgba, &[red, green, blue, alpha]) => {
                [red, green, blue].map(|value| over_paper(value, alpha))
            }
            _ => [MISSING; 3],
        }
    }
}

/// Lays a value of some opacity over paper.
pub(crate) fn over_paper(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    let mixed = value * alpha + u32::from(PAPER) * (255 - alpha);
    u8::try_from((mixed + 127) / 255).unwrap_or(PAPER)
}

/// A picture that is shrunk by a whole factor while its rows arrive.
pub(crate) struct Canvas {
    width: u32,
    height: u32,
    factor: u32,
    columns: u32,
    /// Sums of red, green, blue and the count, for each pixel that is kept; empty without shrinking.
    sums: Vec<[u32; 4]>,
    raster: Raster,
}

impl Canvas {
    pub(crate) fn new(width: u32, height: u32, factor: u32) -> Self {
        let (columns, rows) = (width.div_ceil(factor), height.div_ceil(factor));
        let sums = if factor > 1 { vec![[0; 4]; columns as usize * rows as usize] } else { Vec::new() };
        Self { width, height, factor, columns, sums, raster: Raster::filled(columns, rows, MISSING) }
    }

    /// Bytes that a canvas of this size takes.
    pub(crate) fn estimate_bytes(width: u32, height: u32, factor: u32) -> u64 {
        let kept = u64::from(width.div_ceil(factor)) * u64::from(height.div_ceil(factor));
        kept * if factor > 1 { 19 } else { 3 }
    }

    /// Lays down samples from `(x, y)` to the right; what lies beyond the picture is cut off.
    pub(crate) fn put(&mut self, x: u32, y: u32, samples: &[u8], layout: Layout) {
        if y >= self.height || x >= self.width {
            return;
        }
        let room = (self.width - x) as usize;
        if self.factor == 1 {
            let start = (y as usize * self.columns as usize + x as usize) * 3;
            let target = self.raster.pixels.get_mut(start..).unwrap_or_default();
            if layout == Layout::Rgb {
                let length = samples.len().min(room * 3).min(target.len());
                target[..length].copy_from_slice(&samples[..length]);
            } else {
                let pixels =
                    target.chunks_exact_mut(3).zip(samples.chunks_exact(layout.channels())).take(room);
                for (pixel, sample) in pixels {
                    pixel.copy_from_slice(&layout.rgb(sample));
                }
            }
            return;
        }
        let row = (y / self.factor) as usize * self.columns as usize;
        let Some(sums) = self.sums.get_mut(row..row + self.columns as usize) else { return };
        let mut column = (x / self.factor) as usize;
        let mut left = self.factor - x % self.factor;
        for sample in samples.chunks_exact(layout.channels()).take(room) {
            let Some(sum) = sums.get_mut(column) else { break };
            for (total, value) in sum.iter_mut().zip(layout.rgb(sample)) {
                *total += u32::from(value);
            }
            sum[3] += 1;
            left -= 1;
            if left == 0 {
                column += 1;
                left = self.factor;
            }
        }
    }

    pub(crate) fn finish(mut self) -> Raster {
        for (pixel, &[red, green, blue, count]) in self.raster.pixels.chunks_exact_mut(3).zip(&self.sums) {
            if count > 0 {
                let mean = |sum: u32| u8::try_from((sum + count / 2) / count).unwrap_or(PAPER);
                pixel.copy_from_slice(&[mean(red), mean(green), mean(blue)]);
            }
        }
        self.raster
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canvas_keeps_the_mean_of_each_square() {
        let mut canvas = Canvas::new(3, 2, 2);
        canvas.put(0, 0, &[0, 100, 7], Layout::Gray);
        canvas.put(0, 1, &[100, 200, 9], Layout::Gray);
        assert_eq!(canvas.finish().pixels, [100, 100, 100, 8, 8, 8]);
    }

    #[test]
    fn blocks_may_come_in_any_order_and_reach_beyond_the_edge() {
        let mut canvas = Canvas::new(2, 2, 1);
        canvas.put(1, 1, &[9, 9, 9, 9, 9, 9], Layout::Rgb);
        canvas.put(0, 0, &[1, 2], Layout::Gray);
        canvas.put(0, 5, &[1, 2], Layout::Gray);
        assert_eq!(canvas.finish().pixels, [1, 1, 1, 2, 2, 2, MISSING, MISSING, MISSING, 9, 9, 9]);
    }

    #[test]
    fn transparency_shows_paper() {
        assert_eq!((over_paper(10, 0), over_paper(10, 255), over_paper(0, 128)), (PAPER, 10, 127));
    }

    #[test]
    fn shrinking_leaves_a_quarter_more_than_is_needed() {
        assert_eq!(shrink_factor(4000, 3000, 1440), 2);
        assert_eq!(shrink_factor(1440, 10, 1440), 1);
        assert_eq!(shrink_factor(0, 0, 1440), 1);
        assert!(16320 / shrink_factor(16320, 12240, 1440) >= 1800);
    }
}
