//! Understands EXIF: what the tags of IFD0, the Exif directory and the GPS directory mean.
//!
//! Invariant: values come from the main image's directories only, never from the thumbnail's (IFD1), so
//! a thumbnail's orientation cannot turn the photo. (EXIF 2.32, TIFF/EP, MWG guidelines for Rating.)

use std::borrow::Cow;

use jiff::civil::DateTime;

use crate::dates;
use crate::facts::{DateSource, GpsSource};
use crate::makernote;
use crate::settle::{self, Finds};
use crate::source::Source;
use crate::tiff::{Directory, Order, Tiff};

/// Blocks read of one file.
const MOST_BLOCKS: u8 = 4;
/// Of a text that Windows wrote.
const MOST_WIDE_BYTES: usize = 32 << 10;

/// Reads the EXIF structure that begins at `base`.
pub(crate) fn read(source: &Source<'_>, base: u64, finds: &mut Finds) -> bool {
    if finds.exif_blocks >= MOST_BLOCKS {
        return false;
    }
    finds.exif_blocks += 1;
    let Some(tiff) = Tiff::open(source, base) else {
        finds.warn("the EXIF block does not begin as one");
        return false;
    };
    let Some(main) = tiff.first() else {
        finds.warn("the EXIF block is cut off");
        return false;
    };
    let mut exif = Exif::default();
    exif.main(&tiff, &main, finds);
    if let Some(camera) = main.number(&tiff, 0x8769).and_then(|offset| tiff.directory(offset)) {
        exif.camera(&tiff, &camera, finds);
    }
    if let Some(place) = main.number(&tiff, 0x8825).and_then(|offset| tiff.directory(offset)) {
        exif.position(&tiff, &place, finds);
    }
    exif.finish(finds);
    true
}

/// EXIF while it is read: dates and their zones stand in different directories.
#[derive(Default)]
pub(crate) struct Exif {
    original: Option<String>,
    digitized: Option<String>,
    modified: Option<String>,
    offset: Option<String>,
    offset_original: Option<String>,
    offset_digitized: Option<String>,
    /// Hours, as TIFF/EP's TimeZoneOffset and makers' notes state them.
    zone_hours: Option<f64>,
    subseconds: Option<String>,
    subseconds_original: Option<String>,
    subseconds_digitized: Option<String>,
}

impl Exif {
    /// Reads IFD0.
    pub(crate) fn main(&mut self, tiff: &Tiff<'_>, main: &Directory, finds: &mut Finds) {
        for entry in &main.entries {
            let text = || entry.text(tiff);
            let probe = &mut finds.probe;
            match entry.tag {
                0x010f => settle::offer(&mut probe.make, text().as_deref()),
                0x0110 => settle::offer(&mut probe.model, text().as_deref()),
                0x0112 => {
                    if let Some(value) = entry.numbers(tiff).first() {
                        finds.exif_orientation(*value);
                    }
                }
                0x0131 => settle::offer(&mut probe.software, text().as_deref()),
                0x0132 => self.modified = self.modified.take().or_else(text),
                0x010e => {
                    let said = text().filter(|text| !says_nothing(text));
                    settle::offer(&mut probe.words.description, said.as_deref());
                }
                0x013b => settle::offer(&mut probe.words.creator, text().as_deref()),
                0x4746 => {
                    if let Some(value) = entry.reals(tiff).first().copied().flatten() {
                        settle::rating(&mut finds.last_words, value);
                    }
                }
                0x9c9b => settle::offer(&mut finds.last_words.title, utf16(entry.value(tiff)).as_deref()),
                0x9c9c => {
                    settle::offer(&mut finds.last_words.description, utf16(entry.value(tiff)).as_deref());
                }
                0x9c9e => {
                    for word in utf16(entry.value(tiff)).unwrap_or_default().split(';') {
                        settle::keyword(&mut finds.last_words.keywords, word);
                    }
                }
                _ => {}
            }
        }
        // TIFF/EP keeps camera tags in IFD0.
        self.dates(tiff, main);
    }

    /// Reads the Exif directory.
    pub(crate) fn camera(&mut self, tiff: &Tiff<'_>, camera: &Directory, finds: &mut Finds) {
        self.dates(tiff, camera);
        let probe = &mut finds.probe;
        let positive = |tag: u16| camera.real(tiff, tag).filter(|value| *value > 0.0);
        if probe.exposure_seconds.is_none() {
            let apex = || camera.real(tiff, 0x9201).filter(|v| v.abs() < 64.0).map(|v| (-v).exp2());
            probe.exposure_seconds = positive(0x829a).or_else(apex);
        }
        if probe.aperture.is_none() {
            let apex = || positive(0x9202).filter(|v| *v < 32.0).map(|v| (v / 2.0).exp2());
            probe.aperture = positive(0x829d).or_else(apex);
        }
        if probe.iso.is_none() {
            let wide = || camera.number(tiff, 0x8832).or_else(|| camera.number(tiff, 0x8831));
            let speed = camera.number(tiff, 0x8827).filter(|iso| *iso != 0 && *iso != 65_535).or_else(wide);
            probe.iso = speed.and_then(|iso| u32::try_from(iso).ok()).filter(|iso| *iso > 0);
        }
        if probe.focal_millimetres.is_none() {
            probe.focal_millimetres = positive(0x920a);
        }
        if probe.focal_35mm.is_none() {
            let focal = camera.number(tiff, 0xa405).and_then(|focal| u32::try_from(focal).ok());
            probe.focal_35mm = focal.filter(|focal| *focal > 0);
        }
        settle::offer(&mut probe.lens, camera.text(tiff, 0xa434).as_deref());
        if let Some(note) = camera.find(0x927c) {
            makernote::read(tiff, note, finds);
        }
        if finds.probe.lens.is_none() {
            finds.probe.lens = lens_of_specification(tiff, camera);
        }
    }

    fn dates(&mut self, tiff: &Tiff<'_>, directory: &Directory) {
        for entry in &directory.entries {
            let slot = match entry.tag {
                0x9003 => &mut self.original,
                0x9004 => &mut self.digitized,
                0x9010 => &mut self.offset,
                0x9011 => &mut self.offset_original,
                0x9012 => &mut self.offset_digitized,
                0x9290 => &mut self.subseconds,
                0x9291 => &mut self.subseconds_original,
                0x9292 => &mut self.subseconds_digitized,
                0x882a => {
                    self.zone_hours = self.zone_hours.or(entry.reals(tiff).first().copied().flatten());
                    continue;
                }
                _ => continue,
            };
            if slot.is_none() {
                *slot = entry.text(tiff);
            }
        }
    }

    /// Reads the GPS directory.
    pub(crate) fn position(&mut self, tiff: &Tiff<'_>, place: &Directory, finds: &mut Finds) {
        let angle = |tag: u16, reference: u16, negative: char| {
            let parts = place.find(tag)?.reals(tiff);
            let degrees = parts.first().copied().flatten()?;
            let part = |index: usize| parts.get(index).copied().flatten().unwrap_or(0.0);
            let value = degrees + part(1) / 60.0 + part(2) / 3600.0;
            let turned = place
                .text(tiff, reference)
                .is_some_and(|text| text.to_ascii_uppercase().starts_with(negative));
            Some(if turned { -value.abs() } else { value })
        };
        if let (Some(latitude), Some(longitude)) = (angle(2, 1, 'S'), angle(4, 3, 'W')) {
            let below =
                matches!(place.number(tiff, 5), Some(1 | 3)) || place.text(tiff, 5).as_deref() == Some("1");
            let altitude = place.real(tiff, 6).map(|metres| if below { -metres.abs() } else { metres });
            finds.position(latitude, longitude, altitude, GpsSource::Exif);
        }
        let day = place.text(tiff, 0x1d).and_then(|day| dates::parse(&day));
        let clock = place.find(7).map(|entry| entry.reals(tiff)).unwrap_or_default();
        if let (Some(day), [Some(hour), Some(minute), Some(second), ..]) = (day, clock.as_slice())
            && let Some(local) = gps_clock(day.local, *hour, *minute, *second)
        {
            finds.date(local, Some(0), DateSource::Gps);
        }
    }

    /// Settles the dates.
    pub(crate) fn finish(self, finds: &mut Finds) {
        let zone = |texts: [Option<&String>; 2]| {
            texts.into_iter().flatten().find_map(|text| dates::parse_offset(text))
        };
        // A zone that is stated for another date counts here too when both dates are the same.
        let same = |other: &Option<String>, stated: &Option<String>| {
            (other == &self.original).then(|| stated.clone()).flatten()
        };
        let borrowed =
            same(&self.digitized, &self.offset_digitized).or_else(|| same(&self.modified, &self.offset));
        let of_original = zone([self.offset_original.as_ref(), borrowed.as_ref()])
            .or_else(|| self.zone_hours.and_then(dates::offset_of_hours));
        let of_digitized = zone([self.offset_digitized.as_ref(), None]);
        let of_modified = zone([self.offset.as_ref(), None]);
        for (text, subseconds, offset, source) in [
            (&self.original, &self.subseconds_original, of_original, DateSource::ExifOriginal),
            (&self.digitized, &self.subseconds_digitized, of_digitized, DateSource::ExifDigitized),
            (&self.modified, &self.subseconds, of_modified, DateSource::ExifModified),
        ] {
            let Some(written) = text.as_deref().and_then(dates::parse) else { continue };
            let local =
                subseconds.as_deref().map_or(written.local, |s| dates::with_subseconds(written.local, s));
            finds.date(local, offset.or(written.offset_minutes), source);
        }
    }
}

/// Whether a description is what a camera writes into every picture.
fn says_nothing(description: &str) -> bool {
    let text = description.to_ascii_uppercase();
    text.ends_with("DIGITAL CAMERA")
        || text.ends_with("DSC")
        || text.starts_with("DCIM\\")
        || matches!(text.as_str(), "EXIF_JPEG_PICTURE" | "SAMSUNG" | "CAMERA" | "DIGITAL IMAGE" | "COF")
}

fn gps_clock(day: DateTime, hour: f64, minute: f64, second: f64) -> Option<DateTime> {
    let seconds = hour * 3600.0 + minute * 60.0 + second;
    if !(0.0..86_400.0).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "less than a day")]
    let millis = (seconds * 1000.0).round() as i64;
    day.checked_add(jiff::SignedDuration::from_millis(millis)).ok()
}

/// `18-55mm f/3.5-5.6` from the four fractions of LensSpecification.
fn lens_of_specification(tiff: &Tiff<'_>, camera: &Directory) -> Option<String> {
    let parts = camera.find(0xa432)?.reals(tiff);
    let part = |index: usize| parts.get(index).copied().flatten().filter(|value| *value > 0.0);
    let short = part(0)?;
    let range = |low: f64, high: Option<f64>| match high {
        Some(high) if (high - low).abs() > f64::EPSILON => format!("{low}-{high}"),
        _ => format!("{low}"),
    };
    let focal = range((short * 10.0).round() / 10.0, part(1).map(|long| (long * 10.0).round() / 10.0));
    let aperture =
        part(2).map(|wide| range((wide * 10.0).round() / 10.0, part(3).map(|f| (f * 10.0).round() / 10.0)));
    Some(aperture.map_or_else(|| format!("{focal}mm"), |aperture| format!("{focal}mm f/{aperture}")))
}

/// Windows writes its own texts as UTF-16, little-endian whatever the file is.
fn utf16(value: Option<Cow<'_, [u8]>>) -> Option<String> {
    let value = value?;
    let units: Vec<u16> = value
        .get(..value.len().min(MOST_WIDE_BYTES))?
        .chunks_exact(2)
        .map(|pair| Order::Little.u16([pair[0], pair[1]]))
        .take_while(|unit| *unit != 0)
        .collect();
    settle::text(&String::from_utf16_lossy(&units))
}
