//! Turns what a probe found into the facts that history keeps.
//!
//! The two are kept apart on purpose: a probe says what a file says, in the media crate's words, and may
//! change with it; facts are part of the format and stay.

use safelight_media::pool::Rendered;
use safelight_media::{DateSource, Gps, MediaKind, Probe, Sidecar, Taken, Words};
use safelight_model::{Facts, Keywords, MotionPhoto, PlaceName, Placeholder, Position, Ratio, TakenSource};

/// How many keywords are kept of one file; files with more are broken or hostile.
const KEYWORDS: usize = 512;

/// How long a text from a file may be, in bytes.
const TEXT_BYTES: usize = 16 * 1024;

/// The facts that headers and metadata tell.
pub(crate) fn of_probe(probe: &Probe) -> Facts {
    let mut facts = Facts {
        media: Some(media_kind(probe.kind)),
        format: Some(probe.format.to_string()),
        codec: probe.video.as_ref().map(|video| video.codec.clone()).filter(|codec| !codec.is_empty()),
        width: probe.width,
        height: probe.height,
        orientation: (probe.orientation != 1).then_some(probe.orientation),
        taken: probe.taken.as_ref().map(taken),
        taken_utc_millis: probe.taken.as_ref().and_then(Taken::utc_millis),
        position: probe.gps.as_ref().and_then(position),
        camera_make: probe.make.clone().map(shortened),
        camera_model: probe.model.clone().map(shortened),
        lens: probe.lens.clone().map(shortened),
        exposure_seconds: probe.exposure_seconds.and_then(Ratio::approximate),
        aperture: probe.aperture.and_then(Ratio::approximate),
        iso: probe.iso,
        focal_length_mm: probe.focal_millimetres.and_then(Ratio::approximate),
        focal_length_35mm: probe.focal_35mm,
        duration_millis: probe.duration_millis,
        live_id: probe.content_identifier.clone().map(shortened),
        burst_id: probe.burst_id.clone().map(shortened),
        motion: probe.motion.as_ref().map(|motion| MotionPhoto {
            offset_bytes: motion.offset_bytes,
            length_bytes: motion.length_bytes,
        }),
        software: probe.software.clone().map(shortened),
        frame_rate: probe
            .video
            .as_ref()
            .and_then(|video| video.frames_per_second)
            .and_then(Ratio::approximate),
        audio_codec: probe.audio_codec.clone().map(shortened),
        animated: probe.animated.then_some(true),
        stated_bytes: probe.stated_bytes,
        ..Facts::default()
    };
    add_words(&mut facts, &probe.words);
    if let Some(gps) = &probe.gps {
        add_place(&mut facts, gps);
    }
    add_zone(&mut facts, probe.taken.as_ref(), probe.gps.as_ref());
    facts
}

/// The facts that a sidecar tells.
pub(crate) fn of_sidecar(sidecar: &Sidecar, name: &str) -> Facts {
    let mut facts = Facts {
        taken: sidecar.taken.as_ref().map(taken),
        taken_utc_millis: sidecar.taken.as_ref().and_then(Taken::utc_millis),
        position: sidecar.gps.as_ref().and_then(position),
        orientation: sidecar.orientation,
        sidecar: Some(shortened(name.to_owned())),
        ..Facts::default()
    };
    add_words(&mut facts, &sidecar.words);
    if let Some(gps) = &sidecar.gps {
        add_place(&mut facts, gps);
    }
    add_zone(&mut facts, sidecar.taken.as_ref(), sidecar.gps.as_ref());
    facts
}

/// The facts that decoded pixels tell.
pub(crate) fn of_pixels(rendered: &Rendered) -> Facts {
    Facts {
        phash64: rendered.phash64.map(u64::to_be_bytes),
        pdq256: rendered.pdq256,
        thumbhash: rendered.thumbhash.clone().map(Placeholder),
        damage: rendered.damage.clone().map(shortened),
        ..Facts::default()
    }
}

/// The facts of a file whose pixels cannot be decoded.
pub(crate) fn of_undecodable(reason: String) -> Facts {
    Facts { reason: Some(shortened(reason)), ..Facts::default() }
}

fn media_kind(kind: MediaKind) -> safelight_model::MediaKind {
    match kind {
        MediaKind::Photo => safelight_model::MediaKind::Photo,
        MediaKind::Video => safelight_model::MediaKind::Video,
        MediaKind::Raw => safelight_model::MediaKind::Raw,
        MediaKind::Other => safelight_model::MediaKind::Other,
    }
}

fn taken(taken: &Taken) -> safelight_model::Taken {
    safelight_model::Taken {
        local_millis: taken.local_millis(),
        offset_minutes: taken.offset_minutes,
        source: taken_source(taken.source),
    }
}

fn taken_source(source: DateSource) -> TakenSource {
    match source {
        DateSource::ExifOriginal => TakenSource::ExifOriginal,
        DateSource::QuickTimeCreation => TakenSource::QuickTimeCreation,
        DateSource::Sidecar => TakenSource::Sidecar,
        DateSource::XmpOriginal => TakenSource::XmpOriginal,
        DateSource::Gps => TakenSource::Gps,
        DateSource::ExifDigitized => TakenSource::ExifDigitized,
        DateSource::MovieHeader => TakenSource::MovieHeader,
        DateSource::XmpCreate => TakenSource::XmpCreate,
        DateSource::Iptc => TakenSource::Iptc,
        DateSource::ExifModified => TakenSource::ExifModified,
        DateSource::PngTime => TakenSource::PngTime,
        DateSource::FileName => TakenSource::FileName,
        _ => TakenSource::Container,
    }
}

fn position(gps: &Gps) -> Option<Position> {
    Position::from_degrees(gps.latitude, gps.longitude, gps.altitude_metres)
}

fn add_words(facts: &mut Facts, words: &Words) {
    facts.rating = words.rating;
    facts.title = words.title.clone().map(shortened);
    facts.description = words.description.clone().map(shortened);
    facts.creator = words.creator.clone().map(shortened);
    let mut keywords: Vec<String> = Vec::new();
    // A keyword as a path says more than its last part alone.
    let paths = words.hierarchical.iter().map(|path| path.replace('|', "/"));
    let leaves: Vec<&str> = words.hierarchical.iter().filter_map(|path| path.rsplit('|').next()).collect();
    let plain = words.keywords.iter().filter(|word| !leaves.contains(&word.as_str())).cloned();
    for keyword in paths.chain(plain).map(shortened).take(KEYWORDS) {
        if !keyword.is_empty() && !keywords.contains(&keyword) {
            keywords.push(keyword);
        }
    }
    facts.keywords = (!keywords.is_empty()).then_some(Keywords(keywords));
    if words.city.is_some() || words.region.is_some() || words.country.is_some() {
        facts.place = Some(PlaceName {
            city: words.city.clone().map(shortened),
            region: words.region.clone().map(shortened),
            country: words.country.clone().map(shortened),
        });
    }
}

/// Names the place of a position, unless a person named it in the file, and its time zone.
fn add_place(facts: &mut Facts, gps: &Gps) {
    if facts.place.is_none()
        && let Some(place) = safelight_media::places::place(gps.latitude, gps.longitude)
    {
        facts.place = Some(PlaceName {
            city: Some(place.city).filter(|name| !name.is_empty()),
            region: Some(place.region).filter(|name| !name.is_empty()),
            country: Some(place.country_code).filter(|name| !name.is_empty()),
        });
    }
}

/// Adds what the position tells about the time: the zone, and the offset where the file itself has none. A
/// time that the file gives in UTC becomes the time on the wall there.
fn add_zone(facts: &mut Facts, taken: Option<&Taken>, gps: Option<&Gps>) {
    let (Some(taken), Some(gps), Some(shown)) = (taken, gps, facts.taken.as_mut()) else { return };
    let Some(zone) = safelight_media::places::zone_of(taken, gps) else { return };
    let is_utc = matches!(taken.source, DateSource::Gps | DateSource::MovieHeader | DateSource::Container)
        && taken.offset_minutes == Some(0);
    if is_utc {
        shown.local_millis += i64::from(zone.offset_minutes) * 60_000;
        shown.offset_minutes = Some(zone.offset_minutes);
    } else if shown.offset_minutes.is_none() {
        shown.offset_minutes = Some(zone.offset_minutes);
        facts.taken_utc_millis = Some(shown.local_millis - i64::from(zone.offset_minutes) * 60_000);
    }
    facts.time_zone = Some(shortened(zone.name));
}

/// Cuts a text at a character's border.
fn shortened(mut text: String) -> String {
    if text.len() > TEXT_BYTES {
        let end = (0..=TEXT_BYTES).rev().find(|index| text.is_char_boundary(*index)).unwrap_or_default();
        text.truncate(end);
    }
    text
}
