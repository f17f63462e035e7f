//! Finds the video inside a motion photo.
//!
//! Invariant: a video is reported only where one really begins (`ftyp`), whatever the metadata claims.
//! (Google's Motion Photo format 1.0 and MicroVideo; Samsung's trailer, as found in files.)

use crate::boxes;
use crate::facts::{Motion, MotionSource};
use crate::format::Format;
use crate::settle::Finds;
use crate::source::Source;

/// Looks for an embedded video, and reports it.
pub(crate) fn find(source: &Source<'_>, format: Format, finds: &mut Finds) {
    if !matches!(format, Format::Jpeg | Format::Heif | Format::Avif) {
        return;
    }
    let found = by_claim(source, finds)
        .or_else(|| if format == Format::Jpeg { None } else { by_box(source) })
        .or_else(|| by_trailer(source));
    match found {
        Some((offset_bytes, length, kind)) => {
            let length_bytes = length.min(source.len().saturating_sub(offset_bytes));
            let presentation_micros = finds.motion_claim.presentation_micros;
            finds.probe.motion =
                Some(Motion { offset_bytes, length_bytes, presentation_micros, source: kind });
        }
        None if finds.motion_claim.claimed => finds.warn("the motion photo's video is missing"),
        None => {}
    }
}

fn is_video(source: &Source<'_>, offset: u64) -> bool {
    source.array(offset.saturating_add(4)) == Some(*b"ftyp")
}

fn by_claim(source: &Source<'_>, finds: &Finds) -> Option<(u64, u64, MotionSource)> {
    let claim = &finds.motion_claim;
    let from_end = |bytes: u64| {
        source.len().checked_sub(bytes).filter(|offset| *offset > 0 && is_video(source, *offset))
    };
    let by_container = || {
        let bytes = claim.container_bytes?;
        let offset = from_end(bytes)?;
        Some((offset, claim.container_length?.min(bytes), MotionSource::MotionPhoto))
    };
    let by_length = || {
        // Padding counted or not, writers disagree.
        let length = claim.container_length?;
        Some((from_end(length)?, length, MotionSource::MotionPhoto))
    };
    let by_offset = || {
        let bytes = claim.micro_video_bytes?;
        Some((from_end(bytes)?, bytes, MotionSource::MicroVideo))
    };
    by_container().or_else(by_length).or_else(by_offset)
}

/// HEIC motion photos hold the video in a box of its own.
fn by_box(source: &Source<'_>) -> Option<(u64, u64, MotionSource)> {
    let part = boxes::find(source, 0, source.len(), b"mpvd")?;
    is_video(source, part.start).then_some((part.start, part.len(), MotionSource::MpvdBox))
}

/// Samsung appends named blocks, and an index of them at the very end.
fn by_trailer(source: &Source<'_>) -> Option<(u64, u64, MotionSource)> {
    let end = source.len();
    if source.array(end.checked_sub(4)?) != Some(*b"SEFT") {
        return None;
    }
    let index = end.checked_sub(8)?.checked_sub(source.le32(end - 8)?.into())?;
    if source.array(index) != Some(*b"SEFH") {
        return None;
    }
    for entry in 0..u64::from(source.le32(index + 8)?.min(256)) {
        let at = index + 12 + entry * 12;
        let kind = source.le32(at)? >> 16;
        let (back, length) = (source.le32(at + 4)?, source.le32(at + 8)?);
        if kind != 0x0a30 {
            continue;
        }
        let block = index.checked_sub(back.into())?;
        let name = u64::from(source.le32(block + 4)?);
        let start = block.checked_add(8)?.checked_add(name)?;
        let video = u64::from(length).checked_sub(8)?.checked_sub(name)?;
        if is_video(source, start) {
            return Some((start, video, MotionSource::SamsungTrailer));
        }
    }
    None
}
