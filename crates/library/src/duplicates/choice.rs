//! Which photo of a group is to be kept, and why.

use std::cmp::Ordering;

use safelight_model::MediaKind;
use serde::Serialize;

use super::photo::Photo;

/// Lengths that differ by less, in hundredths, are taken to be the same.
const SAME_HUNDREDTHS: u64 = 2;
/// A RAW original is of the same size as its picture if they differ by less: cameras cut the edge off.
const RAW_HUNDREDTHS: u64 = 20;

/// Why one is proposed to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum KeepReason {
    /// It has more pixels.
    Resolution,
    /// It is what the camera wrote: RAW, with its camera's name, or with its video.
    Original,
    /// Its file says more: date, place, lens, words.
    Metadata,
    /// People did more with it: albums, tags, words, a rating, a heart.
    Albums,
    /// Its file is larger, so less was lost in saving it.
    Size,
    /// Its file is larger, though nothing was lost in saving the others: their pixels are the same.
    LargerFile,
    /// It is in the library for longer, or only by its id first.
    Added,
}

impl KeepReason {
    /// The same among photos whose pixels are equal.
    pub(super) fn of_the_same_pixels(self) -> Self {
        if self == Self::Size { Self::LargerFile } else { self }
    }
}

/// What decides between two photos, the weightiest first; `work` counts what people did with one.
fn weigh(one: &Photo, two: &Photo, work: &impl Fn(&Photo) -> u64) -> (Ordering, KeepReason) {
    let is_raw = [one, two].into_iter().any(|photo| photo.media == MediaKind::Raw);
    let hundredths = if is_raw { RAW_HUNDREDTHS } else { SAME_HUNDREDTHS };
    let steps: [(KeepReason, &dyn Fn() -> Ordering); 5] = [
        (KeepReason::Resolution, &|| clearly(one.pixels(), two.pixels(), hundredths)),
        (KeepReason::Original, &|| one.originality.cmp(&two.originality)),
        (KeepReason::Metadata, &|| one.facts.cmp(&two.facts)),
        (KeepReason::Albums, &|| work(one).cmp(&work(two))),
        (KeepReason::Size, &|| clearly(one.size_bytes, two.size_bytes, SAME_HUNDREDTHS)),
    ];
    for (reason, compare) in steps {
        let order = compare();
        if order.is_ne() {
            return (order, reason);
        }
    }
    (two.asset.cmp(&one.asset), KeepReason::Added)
}

/// Compares two lengths, of which those that differ by little are the same.
fn clearly(one: u64, two: u64, hundredths: u64) -> Ordering {
    let (less, more) = (one.min(two), one.max(two));
    let is_same = less.saturating_mul(100 + hundredths) >= more.saturating_mul(100);
    if is_same { Ordering::Equal } else { one.cmp(&two) }
}

/// The number of the one to keep among photos, and what decided against the next best.
pub(super) fn best(photos: &[&Photo], work: impl Fn(&Photo) -> u64) -> Option<(usize, KeepReason)> {
    let better = |one: usize, two: usize| match (photos.get(one), photos.get(two)) {
        (Some(first), Some(second)) if weigh(second, first, &work).0.is_gt() => two,
        _ => one,
    };
    let best = (0..photos.len()).reduce(better)?;
    let next = (0..photos.len()).filter(|at| *at != best).reduce(better);
    let reason = next.and_then(|next| Some(weigh(photos.get(best)?, photos.get(next)?, &work).1));
    Some((best, reason.unwrap_or(KeepReason::Added)))
}

/// The reason in a sentence without a full stop.
pub(super) fn told(reason: KeepReason, kept: &Photo, others: &[&Photo]) -> String {
    let next = others.iter().max_by_key(|other| (other.pixels(), other.size_bytes));
    match (reason, next) {
        (KeepReason::Resolution, Some(next)) => {
            format!(
                "it has more pixels: {} × {} against {} × {}",
                kept.width, kept.height, next.width, next.height
            )
        }
        (KeepReason::Original, _) if kept.media == MediaKind::Raw => "it is the camera's RAW original".into(),
        (KeepReason::Original, _) if kept.has_video && others.iter().all(|other| !other.has_video) => {
            "its video belongs to it".into()
        }
        (KeepReason::Original, _) => "it says which camera wrote it".into(),
        (KeepReason::Metadata, _) => "its file says more about it".into(),
        (KeepReason::Albums, _) => "more was done with it: albums, tags, words, a rating".into(),
        (KeepReason::Size, Some(next)) => {
            let (one, other) = told_apart(kept.size_bytes, next.size_bytes);
            format!("less was lost in saving it: {one} against {other}")
        }
        (KeepReason::LargerFile, Some(next)) => {
            let (one, other) = told_apart(kept.size_bytes, next.size_bytes);
            format!("their pixels are the same, and its file is the larger one: {one} against {other}")
        }
        _ => "they are alike in all that counts".into(),
    }
}

/// Two lengths in words, to the byte where they would else read alike.
fn told_apart(one: u64, other: u64) -> (String, String) {
    let short = (megabytes(one), megabytes(other));
    if short.0 == short.1 { (format!("{one} bytes"), format!("{other} bytes")) } else { short }
}

/// `4.2 MB`, `310 kB`
fn megabytes(bytes: u64) -> String {
    let hundred_kilobytes = bytes / 100_000;
    match hundred_kilobytes {
        0..10 => format!("{} kB", bytes / 1000),
        _ => format!("{}.{} MB", hundred_kilobytes / 10, hundred_kilobytes % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_to_be_lost_between_equal_pixels() {
        assert_eq!(KeepReason::Size.of_the_same_pixels(), KeepReason::LargerFile);
        assert_eq!(KeepReason::Metadata.of_the_same_pixels(), KeepReason::Metadata);
    }

    #[test]
    fn lengths_that_differ_by_little_are_told_to_the_byte() {
        let told = |one, other| told_apart(one, other);
        assert_eq!(told(1_400, 1_100), ("1400 bytes".to_owned(), "1100 bytes".to_owned()));
        assert_eq!(told(310_000, 1_100), ("310 kB".to_owned(), "1 kB".to_owned()));
    }
}
