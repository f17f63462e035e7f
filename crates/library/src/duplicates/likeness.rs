//! Whether two pictures show the same, by their pixels: the second look at what fingerprints find near.
//!
//! Both are 64 × 64 means of luma. First they are laid on each other as they are; if that does not fit, a part of one is
//! sought that is the other: its two scales and its middle are found by least squares over the gradient (Lucas and Kanade,
//! 1981), together with brightness and contrast. What fits must have kept its proportions, must lie within the picture, and
//! must fit in its detail too, so that two skies are not one. Pure, and measured in docs/decisions/duplicates.md.

/// Means along each side.
const SIDE: usize = safelight_media::pool::LUMA_SIDE as usize;
/// A picture whose luma varies less than this, in grey levels, shows nothing to compare.
const LEAST_SPREAD: f32 = 3.0;
/// The same for its detail: what is left when each mean's surroundings are taken off.
const LEAST_DETAIL: f32 = 1.0;
/// Half of the square that counts as surroundings.
const SURROUNDINGS: usize = 4;
/// Copies of a whole picture correlate at least so.
const WHOLE: Fit = Fit { all: 0.984, detail: 0.95 };
/// A part and the picture that it was cut from.
const PART: Fit = Fit { all: 0.985, detail: 0.93 };
/// Saving again and resizing change the mean by no more grey levels, and the contrast by no larger share.
const UNTOUCHED_LEVELS: f32 = 3.0;
const UNTOUCHED_CONTRAST: f32 = 0.03;
/// Nor is any place, a sixteenth of the sides, on average so many grey levels off by it.
const UNTOUCHED_PLACE: f32 = 5.0;
/// Means along each side of such a place.
const PLACE: usize = 4;
/// The shapes of two whole pictures, or the scales of a part, differ by no more than this.
const LEAST_PROPORTION: f64 = 0.02;
/// No part is sought that lacks more of a side.
const MOST_CUT: f64 = 0.12;
/// A part may reach so far over the edge, for what is between two means.
const EDGE: f64 = 0.006;
/// Rounds of least squares.
const ROUNDS: usize = 16;

/// The luma of one picture, stretched to a square.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Luma {
    means: Vec<f32>,
    detail: Vec<f32>,
    /// Width by height of the picture.
    shape: f64,
}

/// How well two pictures fit: correlations, 1 at best.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fit {
    all: f32,
    detail: f32,
}

impl Fit {
    fn reaches(self, least: Self) -> bool {
        self.all >= least.all && self.detail >= least.detail
    }
}

/// How two pictures are alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Likeness {
    /// The correlation of what both show.
    pub(super) correlation: f32,
    /// How much more contrast the second has: 1 is the same.
    pub(super) contrast: f32,
    /// How much brighter the second is on average, in grey levels.
    pub(super) brighter: f32,
    /// By how many grey levels they differ where they differ most, brightness and contrast set aside; 0 where one shows a part.
    pub(super) place: f32,
    /// Whether one shows a part of the other.
    pub(super) is_part: bool,
}

impl Likeness {
    /// Whether something is in one of them that is not in the other, however small.
    pub(super) fn differs_in_a_place(&self) -> bool {
        self.place > UNTOUCHED_PLACE
    }

    /// Whether one was made brighter, darker, or of other contrast.
    pub(super) fn is_retouched(&self) -> bool {
        self.brighter.abs() > UNTOUCHED_LEVELS || self.contrast.ln().abs() > UNTOUCHED_CONTRAST
    }
}

/// Where the second picture lies in the first, whose sides go from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    scale: [f64; 2],
    middle: [f64; 2],
}

const WHOLE_FRAME: Frame = Frame { scale: [1.0; 2], middle: [0.5; 2] };

impl Luma {
    /// Takes the means of a picture; none if their number is wrong, or they show nothing to compare.
    pub(super) fn of(means: &[u8], width: u32, height: u32) -> Option<Self> {
        if means.len() != SIDE * SIDE || width == 0 || height == 0 {
            return None;
        }
        let raw: Vec<f32> = means.iter().map(|mean| f32::from(*mean)).collect();
        let means = smoothed(&raw);
        let around = surroundings(&means);
        let detail: Vec<f32> = means.iter().zip(&around).map(|(mean, around)| mean - around).collect();
        let shape = f64::from(width) / f64::from(height);
        let is_something = spread(&means) >= LEAST_SPREAD && spread(&detail) >= LEAST_DETAIL;
        is_something.then_some(Self { means, detail, shape })
    }

    /// How the second picture is like this one; none if they show different things.
    pub(super) fn compare(&self, other: &Self) -> Option<Likeness> {
        let whole = self.pairs(other, WHOLE_FRAME);
        if differ_little(self.shape / other.shape) && whole.fit().reaches(WHOLE) {
            let likeness = whole.likeness(false);
            return Some(Likeness { place: self.worst_place(other, &whole.all), ..likeness });
        }
        let first_guesses = [1.0, 1.0 - MOST_CUT / 3.0, 1.0 / (1.0 - MOST_CUT / 3.0)];
        let tried = first_guesses.into_iter().filter_map(|scale| self.seek(other, scale));
        let fitting = tried.filter_map(|frame| {
            let pairs = self.pairs(other, frame);
            (frame.is_part(self.shape / other.shape) && pairs.fit().reaches(PART))
                .then(|| pairs.likeness(true))
        });
        fitting.max_by(|one, two| one.correlation.total_cmp(&two.correlation))
    }

    /// By how many grey levels two whole pictures differ in the place where they differ most, if `sums` of both are made alike.
    #[expect(clippy::cast_possible_truncation, reason = "grey levels and their ratio")]
    #[expect(clippy::cast_precision_loss, reason = "a number of means below 64")]
    fn worst_place(&self, other: &Self, sums: &Sums) -> f32 {
        let ([one, two], [mean, there]) = (sums.variances(), sums.means());
        let (contrast, mean, there) = ((two / one.max(1e-9)).sqrt() as f32, mean as f32, there as f32);
        let off =
            |at: usize| (value(&other.means, at) - there - contrast * (value(&self.means, at) - mean)).abs();
        let starts = || (0..=SIDE - PLACE).step_by(PLACE / 2);
        let places = starts().flat_map(|row| starts().map(move |column| (row, column)));
        let means = places.map(|(row, column)| {
            let cells = (0..PLACE * PLACE).map(|cell| (row + cell / PLACE) * SIDE + column + cell % PLACE);
            cells.map(off).sum::<f32>() / (PLACE * PLACE) as f32
        });
        means.fold(0.0, f32::max)
    }

    /// Every mean of the second with what lies there in the first.
    fn pairs(&self, other: &Self, frame: Frame) -> Pairs {
        let mut pairs = Pairs::default();
        for_each_mean(|at, x, y| {
            let [x, y] = frame.place(x, y);
            if (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y) {
                pairs.all.add(sample(&self.means, x, y), value(&other.means, at));
                pairs.detail.add(sample(&self.detail, x, y), value(&other.detail, at));
            }
        });
        pairs
    }

    /// Seeks the frame of this picture that the second shows, from a first guess of its scale.
    fn seek(&self, other: &Self, scale: f64) -> Option<Frame> {
        let (across, down) = (slope(&self.means, 1), slope(&self.means, SIDE));
        let mut frame = Frame { scale: [scale; 2], ..WHOLE_FRAME };
        for _ in 0..ROUNDS {
            let mut squares = Squares::default();
            for_each_mean(|at, x, y| {
                let [there_x, there_y] = frame.place(x, y);
                if !((0.0..=1.0).contains(&there_x) && (0.0..=1.0).contains(&there_y)) {
                    return;
                }
                let mean = f64::from(sample(&self.means, there_x, there_y));
                let (dx, dy) = (
                    f64::from(sample(&across, there_x, there_y)),
                    f64::from(sample(&down, there_x, there_y)),
                );
                squares.add(
                    [mean, 1.0, dx * (x - 0.5), dy * (y - 0.5), dx, dy],
                    f64::from(value(&other.means, at)),
                );
            });
            let [contrast, _, steps @ ..] = squares.solve()?;
            if contrast < 0.2 {
                return None;
            }
            let steps = steps.map(|step| (step / contrast).clamp(-0.05, 0.05));
            let [scale_x, scale_y, x, y] = steps;
            frame.scale = [frame.scale[0] + scale_x, frame.scale[1] + scale_y];
            frame.middle = [frame.middle[0] + x, frame.middle[1] + y];
            if !frame.is_sensible() {
                return None;
            }
            if steps.iter().all(|step| step.abs() < 1e-4) {
                break;
            }
        }
        Some(frame)
    }
}

impl Frame {
    fn place(self, x: f64, y: f64) -> [f64; 2] {
        let Self { scale: [across, down], middle: [middle_x, middle_y] } = self;
        [middle_x + (x - 0.5) * across, middle_y + (y - 0.5) * down]
    }

    fn is_sensible(self) -> bool {
        self.scale.iter().all(|scale| (0.7..1.4).contains(scale))
            && self.middle.iter().all(|middle| (0.3..0.7).contains(middle))
    }

    /// Whether one picture lies in the other and kept its proportions; `shapes` is the first's shape by the second's.
    fn is_part(self, shapes: f64) -> bool {
        let kept_proportions = differ_little(self.scale[0] / self.scale[1] * shapes);
        // One lies in the other on both sides; two views that reach over each other are two pictures.
        let is_smaller = self.scale.iter().all(|scale| *scale <= 1.0 + EDGE);
        let is_larger = self.scale.iter().all(|scale| *scale >= 1.0 - EDGE);
        let is_near = self.scale.iter().zip(self.middle).all(|(scale, middle)| {
            let most = 1.0 / (1.0 - MOST_CUT);
            let room = (1.0 - scale).abs() / 2.0 + EDGE;
            (1.0 / most..=most).contains(scale) && (middle - 0.5).abs() <= room
        });
        kept_proportions && (is_smaller || is_larger) && is_near
    }
}

fn differ_little(ratio: f64) -> bool {
    ratio.ln().abs() <= LEAST_PROPORTION
}

/// What a correlation is made of.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f64,
    ones: f64,
    twos: f64,
    squares: [f64; 2],
    products: f64,
}

impl Sums {
    fn add(&mut self, one: f32, two: f32) {
        let (one, two) = (f64::from(one), f64::from(two));
        self.count += 1.0;
        self.ones += one;
        self.twos += two;
        self.squares = [self.squares[0] + one * one, self.squares[1] + two * two];
        self.products += one * two;
    }

    fn means(&self) -> [f64; 2] {
        [self.ones / self.count.max(1.0), self.twos / self.count.max(1.0)]
    }

    fn variances(&self) -> [f64; 2] {
        let means = self.means();
        [0, 1].map(|at| (self.squares[at] / self.count.max(1.0) - means[at] * means[at]).max(0.0))
    }

    #[expect(clippy::cast_possible_truncation, reason = "it lies between -1 and 1")]
    fn correlation(&self) -> f32 {
        let [one, two] = self.variances();
        let [mean, other] = self.means();
        let together = self.products / self.count.max(1.0) - mean * other;
        if one * two > 0.0 { (together / (one * two).sqrt()) as f32 } else { 0.0 }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Pairs {
    all: Sums,
    detail: Sums,
}

impl Pairs {
    fn fit(&self) -> Fit {
        Fit { all: self.all.correlation(), detail: self.detail.correlation() }
    }

    #[expect(clippy::cast_possible_truncation, reason = "grey levels and their ratio")]
    fn likeness(&self, is_part: bool) -> Likeness {
        let ([one, two], [mean, other]) = (self.all.variances(), self.all.means());
        Likeness {
            correlation: self.all.correlation(),
            contrast: (two / one.max(1e-9)).sqrt() as f32,
            brighter: (other - mean) as f32,
            place: 0.0,
            is_part,
        }
    }
}

/// Normal equations of six unknowns.
#[derive(Debug, Clone, Copy, Default)]
struct Squares {
    matrix: [[f64; 6]; 6],
    right: [f64; 6],
}

impl Squares {
    fn add(&mut self, row: [f64; 6], wanted: f64) {
        for ((line, right), one) in self.matrix.iter_mut().zip(&mut self.right).zip(row) {
            line.iter_mut().zip(row).for_each(|(sum, two)| *sum += one * two);
            *right += one * wanted;
        }
    }

    /// Solves by Gauss's elimination; none where the picture does not say enough.
    fn solve(mut self) -> Option<[f64; 6]> {
        for column in 0..6 {
            let pivot = (column..6).max_by(|one, two| {
                let size = |row: &usize| self.matrix[*row][column].abs();
                size(one).total_cmp(&size(two))
            })?;
            self.matrix.swap(column, pivot);
            self.right.swap(column, pivot);
            let head = self.matrix[column];
            if head[column].abs() < 1e-9 {
                return None;
            }
            for row in 0..6 {
                if row != column {
                    let factor = self.matrix[row][column] / head[column];
                    self.matrix[row].iter_mut().zip(head).for_each(|(entry, above)| *entry -= factor * above);
                    self.right[row] -= factor * self.right[column];
                }
            }
        }
        Some(std::array::from_fn(|at| self.right[at] / self.matrix[at][at]))
    }
}

/// Gives each mean's number and the middle of its square, whose sides go from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "numbers below 64")]
fn for_each_mean(mut each: impl FnMut(usize, f64, f64)) {
    let middle = |at: usize| (at as f64 + 0.5) / SIDE as f64;
    for row in 0..SIDE {
        for column in 0..SIDE {
            each(row * SIDE + column, middle(column), middle(row));
        }
    }
}

fn value(means: &[f32], at: usize) -> f32 {
    means.get(at).copied().unwrap_or_default()
}

/// What lies between the means, by bilinear interpolation.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to the square"
)]
fn sample(means: &[f32], x: f64, y: f64) -> f32 {
    let place = |at: f64| {
        let at = (at * SIDE as f64 - 0.5).clamp(0.0, (SIDE - 1) as f64);
        let whole = (at as usize).min(SIDE - 2);
        (whole, (at - whole as f64) as f32)
    };
    let ((column, right), (row, down)) = (place(x), place(y));
    let at = |row: usize, column: usize| value(means, row * SIDE + column);
    let above = at(row, column) * (1.0 - right) + at(row, column + 1) * right;
    let below = at(row + 1, column) * (1.0 - right) + at(row + 1, column + 1) * right;
    above * (1.0 - down) + below * down
}

/// How fast the means change along a direction, for each side of the picture.
#[expect(clippy::cast_precision_loss, reason = "numbers below 64")]
fn slope(means: &[f32], step: usize) -> Vec<f32> {
    let along = |at: usize| if step == 1 { at % SIDE } else { at / SIDE };
    (0..SIDE * SIDE)
        .map(|at| {
            let before = if along(at) == 0 { at } else { at - step };
            let after = if along(at) == SIDE - 1 { at } else { at + step };
            let steps = (after - before) / step;
            (value(means, after) - value(means, before)) * SIDE as f32 / steps as f32
        })
        .collect()
}

/// Each mean with half of its neighbours, so that what lies between two means is told by both.
fn smoothed(means: &[f32]) -> Vec<f32> {
    let along = |means: &[f32], step: usize| -> Vec<f32> {
        let place = |at: usize| if step == 1 { at % SIDE } else { at / SIDE };
        let each = (0..SIDE * SIDE).map(|at| {
            let before = if place(at) == 0 { at } else { at - step };
            let after = if place(at) == SIDE - 1 { at } else { at + step };
            (value(means, before) + 2.0 * value(means, at) + value(means, after)) / 4.0
        });
        each.collect()
    };
    along(&along(means, 1), SIDE)
}

/// The mean of the square around each mean, cut at the edge.
#[expect(clippy::cast_precision_loss, reason = "numbers below 64")]
fn surroundings(means: &[f32]) -> Vec<f32> {
    let along = |means: &[f32], step: usize| -> Vec<f32> {
        let each = (0..SIDE * SIDE).map(|at| {
            let place = if step == 1 { at % SIDE } else { at / SIDE };
            let first = place.saturating_sub(SURROUNDINGS);
            let last = (place + SURROUNDINGS).min(SIDE - 1);
            let start = at - (place - first) * step;
            let sum: f32 = (0..=last - first).map(|offset| value(means, start + offset * step)).sum();
            sum / (last - first + 1) as f32
        });
        each.collect()
    };
    along(&along(means, 1), SIDE)
}

fn spread(means: &[f32]) -> f32 {
    let mut sums = Sums::default();
    means.iter().for_each(|mean| sums.add(*mean, *mean));
    #[expect(clippy::cast_possible_truncation, reason = "grey levels")]
    let spread = sums.variances()[0].sqrt() as f32;
    spread
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up scene, of which `view` gives the brightness at a point of the unit square.
    fn scene(seed: f64) -> impl Fn(f64, f64) -> f64 {
        move |x: f64, y: f64| {
            let waves =
                [(3.1, 5.3, 0.4), (11.7, 7.9, 1.9), (23.0, 17.0, 2.8), (31.0, 41.0, 0.7), (47.0, 29.0, 5.1)];
            let sum: f64 = waves
                .iter()
                .map(|(across, down, phase)| {
                    (across * x * (1.0 + seed / 9.0) + down * y + phase * seed).sin()
                })
                .sum();
            128.0 + 24.0 * sum
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "values of a drawn picture")]
    fn drawn(view: impl Fn(f64, f64) -> f64, width: u32, height: u32) -> Luma {
        let mut means = Vec::new();
        for_each_mean(|_, x, y| means.push(view(x, y).clamp(0.0, 255.0) as u8));
        Luma::of(&means, width, height).unwrap()
    }

    #[test]
    fn brighter_and_smaller_copies_are_whole() {
        let view = scene(1.0);
        let first = drawn(&view, 4000, 3000);
        let second = drawn(|x, y| view(x, y) * 1.1 + 8.0, 1200, 900);
        let likeness = first.compare(&second).unwrap();
        assert!(!likeness.is_part && likeness.correlation > 0.99, "{likeness:?}");
        assert!(likeness.brighter > 5.0 && likeness.contrast > 1.05, "{likeness:?}");
    }

    #[test]
    fn what_is_in_one_place_of_one_of_them_is_seen() {
        let view = scene(4.0);
        let first = drawn(&view, 4000, 3000);
        // Saved again: every mean is a little off.
        let again = drawn(|x, y| view(x, y) * 1.02 + 2.0 + 3.0 * (90.0 * x + 70.0 * y).sin(), 2000, 1500);
        let likeness = first.compare(&again).unwrap();
        assert!(!likeness.differs_in_a_place(), "{likeness:?}");
        // A figure of a twelfth of the height, in all else the same.
        let is_there = |x: f64, y: f64| (x - 0.5).abs() < 0.03 && (y - 0.5).abs() < 0.04;
        let drawn_on = drawn(|x, y| view(x, y) + if is_there(x, y) { 40.0 } else { 0.0 }, 4000, 3000);
        let likeness = first.compare(&drawn_on).unwrap();
        assert!(likeness.correlation > 0.99 && likeness.differs_in_a_place(), "{likeness:?}");
    }

    #[test]
    fn parts_are_found_from_both_sides() {
        let view = scene(2.0);
        let whole = drawn(&view, 4000, 3000);
        let part = drawn(|x, y| view(0.03 + 0.95 * x, 0.01 + 0.95 * y), 3800, 2850);
        for (one, two) in [(&whole, &part), (&part, &whole)] {
            let likeness = one.compare(two).unwrap();
            assert!(likeness.is_part && likeness.correlation > 0.985, "{likeness:?}");
        }
    }

    #[test]
    fn other_views_of_one_scene_are_no_copies() {
        let view = scene(3.0);
        let whole = drawn(&view, 4000, 3000);
        // Stretched to the shape of the first: no part of it.
        assert_eq!(whole.compare(&drawn(|x, y| view(0.05 + 0.9 * x, y), 4000, 3000)), None);
        // Moved aside: what it shows reaches beyond.
        assert_eq!(whole.compare(&drawn(|x, y| view(x + 0.06, y), 4000, 3000)), None);
        // Narrower, and a little higher: each shows what the other does not.
        let over = drawn(|x, y| view(0.05 + 0.9 * x, 1.014 * y - 0.007), 3600, 3042);
        assert_eq!(whole.compare(&over), None);
        assert_eq!(whole.compare(&drawn(scene(5.0), 4000, 3000)), None);
    }

    #[test]
    fn skies_show_nothing_to_compare() {
        let sky = |x: f64, y: f64| 90.0 + 80.0 * y + 4.0 * x;
        let mut means = Vec::new();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 90 to 174")]
        for_each_mean(|_, x, y| means.push(sky(x, y) as u8));
        assert_eq!(Luma::of(&means, 400, 300), None);
        assert_eq!(Luma::of(&means[1..], 400, 300), None);
        assert_eq!(Luma::of(&[7; SIDE * SIDE], 400, 300), None);
    }
}
