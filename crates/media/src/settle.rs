//! Collects what the readers find, and settles which of several answers counts.
//!
//! Invariant: the first reader to offer a single value wins (formats call their readers in order of
//! trust), dates are ordered by their source, and values that cannot be true are refused here.

use jiff::civil::DateTime;

use crate::dates::Written;
use crate::facts::{DateSource, Gps, GpsSource, Probe, Taken, Words};
use crate::xmp::MotionClaim;

/// Longer texts are cut: a caption is not a book.
const MOST_TEXT_BYTES: usize = 16 << 10;
const MOST_KEYWORDS: usize = 2000;

/// What has been found so far.
#[derive(Default)]
pub(crate) struct Finds {
    pub(crate) probe: Probe,
    /// What XMP says about an embedded video; the video itself must still be found.
    pub(crate) motion_claim: MotionClaim,
    /// EXIF blocks read so far: files have one or two, hostile ones thousands that share their values.
    pub(crate) exif_blocks: u8,
    /// Orientation by XMP, for files without EXIF.
    pub(crate) xmp_orientation: Option<u8>,
    /// Camera and place by XMP: they fill in what EXIF leaves open, whichever stands first in the file.
    pub(crate) xmp: Probe,
    /// Words from sources that count only where XMP and IPTC are silent (EXIF's rating, Windows' own EXIF
    /// tags, comments).
    pub(crate) last_words: Words,
}

impl Finds {
    /// Offers a date.
    pub(crate) fn date(&mut self, local: DateTime, offset_minutes: Option<i16>, source: DateSource) {
        let taken = Taken { local, offset_minutes, source };
        if !self.probe.dates.contains(&taken) && self.probe.dates.len() < 64 {
            self.probe.dates.push(taken);
        }
    }

    /// Offers a date as it was written.
    pub(crate) fn written(&mut self, written: Option<Written>, source: DateSource) {
        if let Some(written) = written {
            self.date(written.local, written.offset_minutes, source);
        }
    }

    /// Offers a position; refused when it is not on Earth.
    pub(crate) fn position(
        &mut self,
        latitude: f64,
        longitude: f64,
        altitude: Option<f64>,
        source: GpsSource,
    ) {
        if let Some(gps) = position(latitude, longitude, altitude, source) {
            let probe = if source == GpsSource::Xmp { &mut self.xmp } else { &mut self.probe };
            probe.gps.get_or_insert(gps);
        }
    }

    /// Offers an orientation tag.
    pub(crate) fn exif_orientation(&mut self, value: u64) {
        if let Ok(value @ 1..=8) = u8::try_from(value) {
            self.probe.exif_orientation.get_or_insert(value);
        }
    }

    /// Says what is wrong, once.
    pub(crate) fn warn(&mut self, warning: &str) {
        if self.probe.warnings.len() < 16 && !self.probe.warnings.iter().any(|known| known == warning) {
            self.probe.warnings.push(warning.to_owned());
        }
    }

    /// Something in the file ends here by its own account; beyond the end of the file, that tells that it ends early.
    pub(crate) fn states_end(&mut self, end: u64, file_bytes: u64) {
        if end > file_bytes {
            self.probe.stated_bytes = self.probe.stated_bytes.max(Some(end));
        }
    }

    /// Sets the size of the main image, unless it is known or empty.
    pub(crate) fn size(&mut self, width: u64, height: u64) {
        if self.probe.width.is_none()
            && let (Ok(width @ 1..), Ok(height @ 1..)) = (u32::try_from(width), u32::try_from(height))
        {
            self.probe.width = Some(width);
            self.probe.height = Some(height);
        }
    }

    /// Puts everything in order and hands it over.
    pub(crate) fn finish(mut self) -> Probe {
        self.fill_in_by_xmp();
        let words = &mut self.probe.words;
        words.rating = words.rating.or(self.last_words.rating);
        offer(&mut words.title, self.last_words.title.as_deref());
        offer(&mut words.description, self.last_words.description.as_deref());
        for word in &self.last_words.keywords {
            keyword(&mut words.keywords, word);
        }
        self.probe.dates.sort_by_key(|taken| taken.source);
        self.complete_zone();
        self.probe.taken = self.probe.dates.first().cloned();
        self.probe
    }

    fn fill_in_by_xmp(&mut self) {
        let (probe, xmp) = (&mut self.probe, &self.xmp);
        offer(&mut probe.make, xmp.make.as_deref());
        offer(&mut probe.model, xmp.model.as_deref());
        offer(&mut probe.lens, xmp.lens.as_deref());
        offer(&mut probe.software, xmp.software.as_deref());
        probe.exposure_seconds = probe.exposure_seconds.or(xmp.exposure_seconds);
        probe.aperture = probe.aperture.or(xmp.aperture);
        probe.focal_millimetres = probe.focal_millimetres.or(xmp.focal_millimetres);
        probe.iso = probe.iso.or(xmp.iso);
        probe.gps = probe.gps.or(xmp.gps);
    }

    /// The best date takes a missing zone or fraction from another source that states the same second.
    fn complete_zone(&mut self) {
        let Some((first, others)) = self.probe.dates.split_first_mut() else { return };
        let second = |taken: &Taken| taken.local.with().subsec_nanosecond(0).build().ok();
        let stated = second(first);
        for other in others.iter().filter(|other| second(other) == stated) {
            let zone_of_place = !matches!(other.source, DateSource::Gps | DateSource::MovieHeader);
            if first.offset_minutes.is_none() && zone_of_place {
                first.offset_minutes = other.offset_minutes;
            }
            if first.local.subsec_nanosecond() == 0 {
                first.local = other.local;
            }
        }
    }
}

/// A position, if it is on Earth.
pub(crate) fn position(
    latitude: f64,
    longitude: f64,
    altitude: Option<f64>,
    source: GpsSource,
) -> Option<Gps> {
    let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    on_earth.then(|| Gps {
        latitude,
        longitude,
        altitude_metres: altitude.filter(|metres| (-20_000.0..1_000_000.0).contains(metres)),
        source,
    })
}

/// A text worth keeping: trimmed, not empty, not overlong.
pub(crate) fn text(text: &str) -> Option<String> {
    let mut text = text.trim_matches(|letter: char| letter.is_whitespace() || letter == '\0');
    if text.len() > MOST_TEXT_BYTES {
        let end = (0..=MOST_TEXT_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text = text.get(..end).unwrap_or_default();
    }
    (!text.is_empty()).then(|| text.to_owned())
}

/// Sets a text that is not known yet.
pub(crate) fn offer(slot: &mut Option<String>, found: Option<&str>) {
    if slot.is_none() {
        *slot = found.and_then(text);
    }
}

/// Adds a keyword that is not known yet.
pub(crate) fn keyword(words: &mut Vec<String>, found: &str) {
    if let Some(found) = text(found)
        && words.len() < MOST_KEYWORDS
        && !words.contains(&found)
    {
        words.push(found);
    }
}

/// Offers a rating of -1 to 5.
pub(crate) fn rating(words: &mut Words, value: f64) {
    if words.rating.is_none() && (-1.0..=5.0).contains(&value) {
        #[expect(clippy::cast_possible_truncation, reason = "between -1 and 5")]
        let value = value.round() as i8;
        words.rating = Some(value);
    }
}
