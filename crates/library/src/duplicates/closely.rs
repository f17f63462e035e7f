//! A closer look at groups that go unseen, by their previews: a word or a number that is in one picture and not in the other.
//!
//! It takes two decoded previews a pair, so groups are found without it, and only those that are settled all at once are looked
//! at so, before anything goes. What comes out is remembered with the groups. The figures: docs/decisions/duplicates.md.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use safelight_catalog::PackLocation;
use safelight_crypto::{ContentHash, Keyring};
use safelight_media::pool::{FINE_SIDE, Pool, Wanted};
use safelight_model::RenditionKind;
use safelight_store::FolderPlace;

use super::looking::{means_of, read};
use super::{Group, Member};
use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::monitor::{Monitor, Task};

/// Means along each side.
const SIDE: usize = FINE_SIDE as usize;
/// Pixels of a longer side below which saving again changes as much as a word does.
const LEAST_PIXELS: u32 = 1000;
/// In a calm place four means that lie together may be darker or brighter, by so many levels on average, than all that lies
/// around them in the other; where the picture itself is busy, by a share of its reach there more.
const CALM_LEVELS: f32 = 8.0;
const BUSY_SHARE: f32 = 0.1;
/// So many times that.
const MOST_BEYOND: f32 = 1.25;
/// Means along each side of a square whose darkest and brightest tell, with those of the squares around, how busy a place is.
const SQUARE: usize = 4;
const SQUARES: usize = SIDE / SQUARE;
/// Pairs whose previews are in memory at once.
const PAIRS_AT_ONCE: usize = 64;

/// Pairs of which a closer look has shown that they differ.
#[derive(Debug, Clone, Default)]
pub(super) struct Apart(Arc<Mutex<HashSet<(ContentHash, ContentHash)>>>);

impl Apart {
    pub(super) fn add(&self, kept: ContentHash, other: ContentHash) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((kept, other));
    }

    /// Whether the one to keep of a group is known to differ from another of it.
    pub(super) fn has(&self, group: &Group) -> bool {
        let apart = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = group.members.first().map(|kept| kept.content);
        kept.is_some_and(|kept| group.dropped().iter().any(|other| apart.contains(&(kept, other.content))))
    }
}

/// What a closer look at a group has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Close {
    /// Nothing but what saving again changes.
    Alike,
    /// A preview is not on this device, or cannot be read.
    Unseen,
    /// Something small is in one of them alone.
    Apart,
}

/// A preview that is to be looked at.
#[derive(Debug)]
struct Preview {
    content: ContentHash,
    /// Where it is, if it is here.
    location: Option<PackLocation>,
}

/// Two pictures of the group with this number.
struct Pair {
    group: usize,
    kept: Preview,
    other: Preview,
}

impl Library {
    /// Looks closely at groups; what came out for each. Pictures that are too small for it are alike.
    ///
    /// # Errors
    /// Those of the catalogue and of the disk; [`LibraryError::Cancelled`].
    pub(super) fn look_closely(
        &self,
        apart: &Apart,
        groups: &[&Group],
        monitor: &dyn Monitor,
    ) -> Result<Vec<Close>> {
        let mut seen = vec![Close::Alike; groups.len()];
        let pairs = self.pairs_of(groups, &mut seen)?;
        if pairs.is_empty() {
            return Ok(seen);
        }
        let (pool, place, keyring) = (self.pool()?, &self.place, self.keyring());
        monitor.begin(Task::Compare, Some(pairs.len() as u64), None);
        for some in pairs.chunks(PAIRS_AT_ONCE) {
            let looked = if monitor.cancelled() {
                Err(LibraryError::Cancelled)
            } else {
                let compare = |pair: &Pair| pair.compare(&pool, place, keyring);
                some.par_iter().map(compare).collect::<Result<Vec<Close>>>()
            };
            let looked = looked.inspect_err(|_| monitor.end())?;
            for (pair, looked) in some.iter().zip(looked) {
                if looked == Close::Apart {
                    apart.add(pair.kept.content, pair.other.content);
                }
                if let Some(group) = seen.get_mut(pair.group) {
                    *group = looked.max(*group);
                }
            }
            monitor.advance(some.len() as u64, 0);
        }
        monitor.end();
        Ok(seen)
    }

    /// The pairs that are to be looked at; a group of which something is not known is unseen.
    fn pairs_of(&self, groups: &[&Group], seen: &mut [Close]) -> Result<Vec<Pair>> {
        let mut pairs = Vec::new();
        for ((at, group), seen) in groups.iter().enumerate().zip(seen) {
            let Some(kept) = group.members.first() else { continue };
            for other in group.dropped() {
                match self.is_large(kept)?.zip(self.is_large(other)?) {
                    Some((true, true)) => {
                        pairs.push(Pair {
                            group: at,
                            kept: self.preview(kept)?,
                            other: self.preview(other)?,
                        });
                    }
                    Some(_) => {}
                    None => *seen = Close::Unseen,
                }
            }
        }
        Ok(pairs)
    }

    /// Whether a picture has pixels enough to be compared closely; none where it is gone, or of no known size.
    fn is_large(&self, member: &Member) -> Result<Option<bool>> {
        let row = self.catalog().asset(member.asset)?;
        Ok(row.and_then(|row| row.width.max(row.height)).map(|side| side >= LEAST_PIXELS))
    }

    fn preview(&self, member: &Member) -> Result<Preview> {
        let location = self.device.packed(&member.content, RenditionKind::Preview)?;
        Ok(Preview { content: member.content, location })
    }
}

impl Pair {
    fn compare(&self, pool: &Pool, place: &FolderPlace, keyring: &Keyring) -> Result<Close> {
        let bytes = |preview: &Preview| match &preview.location {
            Some(location) => read(place, location, keyring, preview.content),
            None => Ok(None),
        };
        let Some((one, two)) = bytes(&self.kept)?.zip(bytes(&self.other)?) else { return Ok(Close::Unseen) };
        if one == two {
            return Ok(Close::Alike);
        }
        let fine = |bytes: &[u8], of: &Preview| means_of(pool, bytes, Wanted::FINE, of.content);
        let Some((one, two)) = fine(&one, &self.kept).zip(fine(&two, &self.other)) else {
            return Ok(Close::Unseen);
        };
        Ok(if most_beyond(&one, &two) > MOST_BEYOND { Close::Apart } else { Close::Alike })
    }
}

/// How far two pictures lie beyond each other in the colour and the place where they do so most; all colours one after the other.
fn most_beyond(one: &[u8], two: &[u8]) -> f32 {
    let colours = one.chunks_exact(SIDE * SIDE).zip(two.chunks_exact(SIDE * SIDE));
    colours.map(|(one, two)| most_beyond_in(one, two)).fold(0.0, f32::max)
}

/// The same of one colour: how far four neighbours of one picture lie, on average, beyond all that lies around each in the
/// other, as a share of what a place as busy as that may. What resampling moves lies between its neighbours; what is drawn on
/// does not.
fn most_beyond_in(one: &[u8], two: &[u8]) -> f32 {
    let (two, one) = (as_levels(two), as_levels(one));
    let one = matched(&one, &two);
    let (low, high) = (around(&one, SIDE, f32::min), around(&one, SIDE, f32::max));
    let (low_two, high_two) = (around(&two, SIDE, f32::min), around(&two, SIDE, f32::max));
    let beyond: Vec<f32> = (0..SIDE * SIDE)
        .map(|at| {
            let over = |value: &[f32], low: &[f32], high: &[f32]| {
                (level(value, at) - level(high, at)).max(level(low, at) - level(value, at))
            };
            over(&two, &low, &high).max(over(&one, &low_two, &high_two)).max(0.0)
        })
        .collect();
    let (reach, reach_two) = (reaches(&one), reaches(&two));
    let fours = (0..SIDE - 1).flat_map(|row| (0..SIDE - 1).map(move |column| (row, column)));
    let share = |(row, column): (usize, usize)| {
        let at = row * SIDE + column;
        let four = [at, at + 1, at + SIDE, at + SIDE + 1];
        let mean = four.into_iter().map(|at| level(&beyond, at)).sum::<f32>() / 4.0;
        let square = row / SQUARE * SQUARES + column / SQUARE;
        // The calmer of both counts: what is drawn on makes its own place busy.
        mean / (CALM_LEVELS + BUSY_SHARE * level(&reach, square).min(level(&reach_two, square)))
    };
    fours.map(share).fold(0.0, f32::max)
}

/// From the darkest to the brightest of each square and those around it.
fn reaches(means: &[f32]) -> Vec<f32> {
    let of_squares = |pick: fn(f32, f32) -> f32| -> Vec<f32> {
        let of_square = |square: usize| {
            let corner = square / SQUARES * SQUARE * SIDE + square % SQUARES * SQUARE;
            let cells = (0..SQUARE * SQUARE).map(|cell| corner + cell / SQUARE * SIDE + cell % SQUARE);
            cells.map(|at| level(means, at)).reduce(pick).unwrap_or_default()
        };
        around(&(0..SQUARES * SQUARES).map(of_square).collect::<Vec<_>>(), SQUARES, pick)
    };
    let (low, high) = (of_squares(f32::min), of_squares(f32::max));
    high.iter().zip(&low).map(|(high, low)| high - low).collect()
}

fn as_levels(means: &[u8]) -> Vec<f32> {
    means.iter().map(|mean| f32::from(*mean)).collect()
}

fn level(means: &[f32], at: usize) -> f32 {
    means.get(at).copied().unwrap_or_default()
}

/// The first with the brightness and the contrast of the second.
#[expect(clippy::cast_precision_loss, reason = "a number of means below 2^19")]
fn matched(one: &[f32], two: &[f32]) -> Vec<f32> {
    let mean = |means: &[f32]| means.iter().sum::<f32>() / means.len().max(1) as f32;
    let spread = |means: &[f32], mean: f32| means.iter().map(|level| (level - mean).powi(2)).sum::<f32>();
    let (first, second) = (mean(one), mean(two));
    let contrast = (spread(two, second) / spread(one, first).max(1e-6)).sqrt();
    one.iter().map(|level| second + contrast * (level - first)).collect()
}

/// The least or the greatest of each mean and the eight around it, of a square with so many along each side.
fn around(means: &[f32], side: usize, pick: fn(f32, f32) -> f32) -> Vec<f32> {
    let along = |means: &[f32], step: usize| -> Vec<f32> {
        let place = |at: usize| if step == 1 { at % side } else { at / side };
        let each = (0..side * side).map(|at| {
            let before = if place(at) == 0 { at } else { at - step };
            let after = if place(at) == side - 1 { at } else { at + step };
            pick(pick(level(means, before), level(means, at)), level(means, after))
        });
        each.collect()
    };
    along(&along(means, 1), side)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up scene of `SIDE` means a side in three colours, moved by parts of a mean.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "values of a drawn picture")]
    #[expect(clippy::cast_precision_loss, reason = "numbers below 512")]
    fn scene(moved: f32, noise: f32) -> Vec<u8> {
        let level = |at: usize| {
            let (x, y) = ((at % SIDE) as f32 + moved, (at / SIDE % SIDE) as f32);
            let waves = (x / 29.0).sin() * 40.0 + (y / 37.0).cos() * 30.0 + ((x + y) / 61.0).sin() * 30.0;
            128.0 + waves + noise * ((x * 12.9 + y * 78.2).sin() * 43_758.5).fract()
        };
        (0..3 * SIDE * SIDE).map(|at| level(at).clamp(0.0, 255.0) as u8).collect()
    }

    /// A stroke of two means by six, in one colour alone, by so many levels.
    fn written(picture: &[u8], colour: usize, levels: i16) -> Vec<u8> {
        let mut written = picture.to_vec();
        for row in 200..206 {
            for column in 300..302 {
                let at = (colour * SIDE + row) * SIDE + column;
                written[at] = u8::try_from((i16::from(written[at]) + levels).clamp(0, 255)).unwrap();
            }
        }
        written
    }

    #[test]
    fn what_saving_again_changes_is_alike_and_a_figure_in_any_colour_is_not() {
        let first = scene(0.0, 0.0);
        let again = scene(0.4, 3.0);
        assert!(most_beyond(&first, &again) < MOST_BEYOND / 2.0, "{}", most_beyond(&first, &again));
        for (colour, levels) in [(0, 60), (1, -60), (2, 60)] {
            let written = written(&again, colour, levels);
            for (one, two) in [(&first, &written), (&written, &first)] {
                assert!(most_beyond(one, two) > MOST_BEYOND, "{colour}: {}", most_beyond(one, two));
            }
        }
    }

    #[test]
    fn brighter_copies_are_alike() {
        let first = scene(0.0, 0.0);
        let brighter: Vec<u8> = first.iter().map(|level| level / 2 + 100).collect();
        assert!(most_beyond(&first, &brighter) < MOST_BEYOND / 2.0);
    }
}
