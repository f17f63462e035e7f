//! What is compared of each photo: some 150 bytes, so that a hundred thousand are compared in little memory.

use std::collections::HashMap;

use safelight_catalog::Comparable;
use safelight_crypto::ContentHash;
use safelight_model::{AssetId, Facts, MediaKind, TakenSource};

use super::nearness::Print;
use crate::error::Result;

/// Clocks of the same moment are apart by whole quarters of an hour, and at most by so much.
const MOST_ZONES_MILLIS: u64 = 26 * 3_600_000;
const ZONE_STEP_MILLIS: u64 = 900_000;
/// A date without the fraction of its second is of the same moment as one with it.
const SAME_MOMENT_MILLIS: u64 = 1000;

/// A name by a number; 0 stands for none.
pub(super) type Named = u32;

/// Names by numbers.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, Named>);

impl Names {
    fn number(&mut self, name: Option<String>) -> Named {
        let Some(name) = name else { return 0 };
        let next = Named::try_from(self.0.len()).unwrap_or(Named::MAX).saturating_add(1);
        *self.0.entry(name).or_insert(next)
    }
}

/// When a camera says that it took a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// By the clock on the wall there.
    pub(super) local_millis: i64,
    offset_minutes: Option<i16>,
}

impl Moment {
    fn of(facts: &Facts) -> Option<Self> {
        let taken = facts.taken?;
        let is_the_cameras = matches!(
            taken.source,
            TakenSource::ExifOriginal
                | TakenSource::QuickTimeCreation
                | TakenSource::XmpOriginal
                | TakenSource::ExifDigitized
        );
        is_the_cameras
            .then_some(Self { local_millis: taken.local_millis, offset_minutes: taken.offset_minutes })
    }

    /// How far apart two moments are, in milliseconds; a zone that one of them does not tell keeps none apart.
    pub(super) fn apart_millis(self, other: Self) -> u64 {
        let utc = |moment: Self, offset: i16| moment.local_millis - i64::from(offset) * 60_000;
        // The same clock says the same, whatever zone a program thought it to be in.
        if self.local_millis == other.local_millis {
            return 0;
        }
        match (self.offset_minutes, other.offset_minutes) {
            (Some(one), Some(two)) => utc(self, one).abs_diff(utc(other, two)),
            (None, None) => self.local_millis.abs_diff(other.local_millis),
            _ => {
                let apart = self.local_millis.abs_diff(other.local_millis);
                let beside = apart % ZONE_STEP_MILLIS;
                let beside = beside.min(ZONE_STEP_MILLIS - beside);
                if apart <= MOST_ZONES_MILLIS { beside } else { apart }
            }
        }
    }

    pub(super) fn is_same(self, other: Self) -> bool {
        self.apart_millis(other) < SAME_MOMENT_MILLIS
    }

    /// Whether both tell the fraction of a second, and the same one: only one picture is taken then.
    pub(super) fn is_one_shot(self, other: Self) -> bool {
        self.local_millis % 1000 != 0 && self.local_millis == other.local_millis
    }
}

/// The mean of a picture's colours beside grey, and how far they reach: what its placeholder (ThumbHash) begins with. Each
/// is from 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colours([u8; 4]);

impl Colours {
    /// Two that were saved from one picture are no further apart.
    const SAME: u8 = 6;

    fn of(placeholder: &[u8]) -> Option<Self> {
        let (head, _) = placeholder.split_first_chunk::<5>()?;
        let bits = head.iter().rev().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        // Six bits each: yellow to blue, red to green, and their reach behind six bits of brightness and six more.
        let at = |shift: u32| u8::try_from(bits >> shift & 63).unwrap_or_default();
        Some(Self([at(6), at(12), at(27), at(33)]))
    }

    /// Whether both may be of one picture.
    pub(super) fn are_like(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(one, two)| one.abs_diff(two) <= Self::SAME)
    }
}

/// One photo, as far as it is compared.
#[derive(Debug, Clone)]
pub(super) struct Photo {
    pub(super) asset: AssetId,
    pub(super) content: ContentHash,
    pub(super) stack: i64,
    pub(super) media: MediaKind,
    /// Pixels across and down, upright; 0 where that is not known.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) size_bytes: u64,
    pub(super) print: Option<Print>,
    pub(super) colours: Option<Colours>,
    /// The format of its file.
    format: Named,
    pub(super) moment: Option<Moment>,
    pub(super) camera: Named,
    pub(super) software: Named,
    pub(super) burst: Named,
    pub(super) duration_millis: Option<u64>,
    pub(super) is_animated: bool,
    /// Whether a video belongs to it: in the same file or as the other half of a Live Photo.
    pub(super) has_video: bool,
    pub(super) has_versions: bool,
    pub(super) is_favourite: bool,
    pub(super) rating: i8,
    /// How likely it is what the camera wrote; more is likelier.
    pub(super) originality: u8,
    /// How much its file says about itself.
    pub(super) facts: u8,
}

impl Photo {
    pub(super) fn of(comparable: &Comparable, names: &mut Names) -> Result<Self> {
        let facts = comparable.facts()?;
        let (row, stack) = (&comparable.row, comparable.stack);
        let turned = row.orientation >= 5;
        let (width, height) = (row.width.unwrap_or_default(), row.height.unwrap_or_default());
        let (width, height) = if turned { (height, width) } else { (width, height) };
        let camera = facts.camera_model.as_ref().map(|model| {
            format!("{} {model}", facts.camera_make.as_deref().unwrap_or_default()).to_lowercase()
        });
        Ok(Self {
            asset: row.asset,
            content: row.content,
            stack,
            media: row.media,
            width,
            height,
            size_bytes: row.size_bytes,
            print: Print::of(&facts),
            colours: facts.thumbhash.as_ref().and_then(|placeholder| Colours::of(&placeholder.0)),
            format: names.number(facts.format.as_ref().map(|format| format!("format {format}"))),
            moment: Moment::of(&facts),
            originality: originality(row.media, &facts),
            facts: count_facts(&facts),
            camera: names.number(camera),
            software: names.number(facts.software.map(|name| format!("software {name}"))),
            burst: names.number(facts.burst_id.map(|id| format!("burst {id}"))),
            duration_millis: row.duration_millis,
            is_animated: facts.animated == Some(true),
            has_video: row.is_live() || row.is_motion(),
            has_versions: row.is_edited() || row.is_conflicted(),
            is_favourite: row.is_favourite(),
            rating: row.rating,
        })
    }

    /// Whether the file of another says more of the picture, as far as sizes tell: it has more pixels, or clearly more bytes.
    /// Another format may need half of the bytes for the same.
    pub(super) fn may_say_less_than(&self, other: &Self) -> bool {
        let percent = if self.format == other.format { 110 } else { 250 };
        other.pixels() > self.pixels()
            || other.size_bytes.saturating_mul(100) > self.size_bytes.saturating_mul(percent)
    }

    pub(super) fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Whether both could be the same picture, as far as is known without looking at them.
    pub(super) fn may_be(&self, other: &Self) -> bool {
        self.stack != other.stack
            && self.is_animated == other.is_animated
            && self.plays_as_long_as(other)
            && !self.was_taken_at_another_time(other)
    }

    fn plays_as_long_as(&self, other: &Self) -> bool {
        let is_video = |photo: &Self| photo.media == MediaKind::Video;
        if !is_video(self) && !is_video(other) {
            return true;
        }
        let durations = self.duration_millis.zip(other.duration_millis);
        is_video(self)
            && is_video(other)
            && durations.is_some_and(|(one, two)| one.abs_diff(two) <= 500.max(one / 100))
    }

    /// A copy has its original's date, or none; two dates of cameras are two pictures.
    fn was_taken_at_another_time(&self, other: &Self) -> bool {
        self.moment.zip(other.moment).is_some_and(|(one, two)| !one.is_same(two))
    }

    /// Whether a camera is named in it.
    pub(super) fn is_of_a_camera(&self) -> bool {
        self.camera != 0
    }

    /// Whether both may be two shots within one second rather than a picture and its copy: the same camera wrote both,
    /// as far as anybody can tell.
    pub(super) fn may_be_another_shot(&self, other: &Self) -> bool {
        let Some((one, two)) = self.moment.zip(other.moment) else { return false };
        let (small, large) =
            (self.size_bytes.min(other.size_bytes), self.size_bytes.max(other.size_bytes).max(1));
        self.camera != 0
            && self.camera == other.camera
            && self.software == other.software
            && one.is_same(two)
            && !one.is_one_shot(two)
            && (self.width, self.height) == (other.width, other.height)
            && small.saturating_mul(4) >= large.saturating_mul(3)
    }
}

fn originality(media: MediaKind, facts: &Facts) -> u8 {
    let is_modern = facts.format.as_deref().is_some_and(|format| matches!(format, "heic" | "heif" | "jxl"));
    let parts = [
        (media == MediaKind::Raw, 8),
        (facts.camera_model.is_some(), 4),
        (facts.motion.is_some() || facts.live_id.is_some(), 2),
        (is_modern, 1),
    ];
    parts.into_iter().filter(|(has, _)| *has).map(|(_, points)| points).sum()
}

fn count_facts(facts: &Facts) -> u8 {
    let known = [
        facts.taken.is_some(),
        facts.position.is_some(),
        facts.lens.is_some(),
        facts.exposure_seconds.is_some(),
        facts.aperture.is_some(),
        facts.iso.is_some(),
        facts.focal_length_mm.is_some(),
        facts.rating.is_some(),
        facts.title.is_some(),
        facts.description.is_some(),
        facts.keywords.is_some(),
        facts.creator.is_some(),
    ];
    known.into_iter().map(u8::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(local_millis: i64, offset_minutes: impl Into<Option<i16>>) -> Moment {
        Moment { local_millis, offset_minutes: offset_minutes.into() }
    }

    #[test]
    fn zones_that_are_not_told_keep_no_moments_apart() {
        let noon = moment(43_200_000, 120);
        assert!(noon.is_same(moment(43_200_900, 120)));
        assert!(!noon.is_same(moment(43_201_000, 120)));
        // The same instant in another zone; the same clock with another zone beside it.
        assert!(noon.is_same(moment(36_000_000, 0)));
        assert!(noon.is_same(moment(43_200_000, 0)));
        assert!(noon.is_same(moment(36_000_000, None)));
        assert!(!noon.is_same(moment(36_060_000, None)));
        // A picture every quarter of an hour by one clock.
        assert!(!moment(0, None).is_same(moment(900_000, None)));
        assert!(!moment(0, 60).is_same(moment(900_000, 60)));
        assert!(!noon.is_same(moment(43_200_000 + 900_000 * 400, None)));
    }

    #[test]
    fn a_picture_without_colours_is_not_like_one_with_them() {
        // Mean 32 and 32 in the middle; reach 0 and 0, or 20 and 25.
        let placeholder = |reach: [u64; 2]| {
            let bits = 30_u64 | 32 << 6 | 32 << 12 | 10 << 18 | 5 << 24 | reach[0] << 27 | reach[1] << 33;
            Colours::of(&bits.to_le_bytes()).unwrap()
        };
        let (grey, coloured) = (placeholder([0, 0]), placeholder([20, 25]));
        assert_eq!(coloured, Colours([32, 32, 20, 25]));
        assert!(!grey.are_like(coloured) && !coloured.are_like(grey));
        assert!(coloured.are_like(placeholder([23, 22])));
        assert_eq!(Colours::of(&[1, 2, 3]), None);
    }

    #[test]
    fn a_fraction_of_a_second_tells_one_shot() {
        assert!(moment(1_250, None).is_one_shot(moment(1_250, 60)));
        assert!(!moment(1_000, None).is_one_shot(moment(1_000, None)));
        assert!(!moment(1_250, None).is_one_shot(moment(1_000, None)));
    }
}
