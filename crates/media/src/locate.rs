//! Locates smaller pictures inside a file: a RAW's preview, EXIF thumbnails, a HEIC's thumbnail items.
//!
//! Invariant: a range that comes out lies inside the file and begins with a JPEG whose header states
//! the reported size; coded HEVC or AV1 items are reported with their kind instead.

use crate::facts::Probe;
use crate::format::{Format, MediaKind};
use crate::heif;
use crate::jpeg;
use crate::raw::{self, Candidate};
use crate::source::Source;

/// A JPEG inside another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedJpeg {
    /// Where it begins, in bytes from the start of the file.
    pub offset_bytes: u64,
    /// How long it is, in bytes.
    pub length_bytes: u64,
    /// Width in pixels, before orientation.
    pub width: u32,
    /// Height in pixels, before orientation.
    pub height: u32,
    /// The EXIF orientation (1 to 8) that turns it upright.
    pub orientation: u8,
}

/// A coded picture inside a HEIC or AVIF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodedItem {
    /// The item's kind: `hvc1`, `av01`, `jpeg`.
    pub kind: String,
    /// Where its bytes begin in the file.
    pub offset_bytes: u64,
    /// How many bytes it has.
    pub length_bytes: u64,
    /// Width in pixels, before orientation.
    pub width: u32,
    /// Height in pixels, before orientation.
    pub height: u32,
}

/// Finds the largest JPEG that a RAW file carries, for showing it; `None` when there is none.
/// `probe` is of the same bytes.
#[must_use]
pub fn raw_preview(bytes: &[u8], probe: &Probe) -> Option<EmbeddedJpeg> {
    if probe.kind != MediaKind::Raw {
        return None;
    }
    let source = Source::memory(bytes);
    jpegs(&source, probe).max_by_key(|found| u64::from(found.width) * u64::from(found.height))
}

/// Finds the thumbnail that a camera put beside the picture (EXIF's IFD1; the largest JPEG for RAW files
/// that is no wider than 640 pixels). Cheap to decode, but often only 160 pixels wide.
#[must_use]
pub fn exif_thumbnail(bytes: &[u8], probe: &Probe) -> Option<EmbeddedJpeg> {
    let readable =
        probe.kind == MediaKind::Raw || matches!(probe.format, Format::Jpeg | Format::Heif | Format::Avif);
    if !readable {
        return None;
    }
    let source = Source::memory(bytes);
    let small = jpegs(&source, probe).filter(|found| found.width.max(found.height) <= 640);
    small.max_by_key(|found| u64::from(found.width) * u64::from(found.height))
}

/// Finds the thumbnail items of a HEIC or AVIF.
#[must_use]
pub fn heif_thumbnails(bytes: &[u8]) -> Vec<CodedItem> {
    let source = Source::memory(bytes);
    let Some(part) = heif::meta_part(&source) else { return Vec::new() };
    let meta = source.get_some(part.start, part.bytes(8 << 20));
    let items = heif::Meta::parse(&meta).thumbnails(&source);
    let to_item = |(kind, offset_bytes, length_bytes, width, height): (String, u64, u64, u32, u32)| {
        let inside = offset_bytes.checked_add(length_bytes).is_some_and(|end| end <= source.len());
        inside.then_some(CodedItem { kind, offset_bytes, length_bytes, width, height })
    };
    items.into_iter().filter_map(to_item).collect()
}

fn jpegs<'s>(source: &'s Source<'s>, probe: &'s Probe) -> impl Iterator<Item = EmbeddedJpeg> + 's {
    let found = raw::candidates(source, probe.format);
    found.into_iter().take(64).filter_map(move |candidate| check(source, candidate, probe.orientation))
}

/// Accepts a candidate when an ordinary JPEG begins there; RAW data is lossless JPEG at times.
fn check(source: &Source<'_>, candidate: Candidate, orientation: u8) -> Option<EmbeddedJpeg> {
    if source.array(candidate.offset) != Some([0xff, 0xd8]) {
        return None;
    }
    let length = candidate.length.min(source.len() - candidate.offset);
    let frame = jpeg::segments(source, candidate.offset)
        .into_iter()
        .find(|segment| matches!(segment.marker, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf))?;
    if frame.marker > 0xc2 {
        return None;
    }
    let [8, h1, h0, w1, w0] = source.array(frame.start)? else { return None };
    let (width, height) = (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
    (width > 0 && height > 0 && length > 0).then_some(EmbeddedJpeg {
        offset_bytes: candidate.offset,
        length_bytes: length,
        width,
        height,
        orientation,
    })
}
