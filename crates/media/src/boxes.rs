//! Walks the boxes of ISO base media files: MP4, MOV, HEIC, AVIF, CR3, JPEG XL.
//!
//! Invariant: a box never reaches beyond the one that holds it, and every walk ends after a bounded
//! number of boxes. (ISO/IEC 14496-12; the QuickTime file format.)

use crate::source::Source;

/// More boxes on one level than any metadata needs; fragmented videos have more, at their end.
const MOST_BOXES: usize = 1024;

/// One box: its kind, and where its payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) kind: [u8; 4],
    /// Where the box begins, header included.
    pub(crate) outer: u64,
    /// Where the payload begins.
    pub(crate) start: u64,
    /// Where the payload ends; cut at the end of the file.
    pub(crate) end: u64,
    /// Where it would end by its own account.
    pub(crate) stated_end: u64,
}

impl Part {
    /// How long the payload is.
    pub(crate) fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The payload's length as a size in memory, cut at `most`.
    pub(crate) fn bytes(&self, most: usize) -> usize {
        usize::try_from(self.len()).unwrap_or(most).min(most)
    }
}

/// The boxes between two places.
pub(crate) fn parts(source: &Source<'_>, start: u64, end: u64) -> Vec<Part> {
    let end = end.min(source.len());
    let mut found = Vec::new();
    let mut at = start;
    while let Some(part) = part(source, at, end) {
        at = part.end;
        found.push(part);
        if found.len() >= MOST_BOXES {
            break;
        }
    }
    found
}

/// The box at a place.
pub(crate) fn part(source: &Source<'_>, at: u64, end: u64) -> Option<Part> {
    if at.checked_add(8)? > end {
        return None;
    }
    let [s3, s2, s1, s0, kind @ ..] = source.array::<8>(at)?;
    let (header, length) = match u32::from_be_bytes([s3, s2, s1, s0]) {
        0 => (8, end - at),
        1 => (16, source.be64(at + 8)?),
        length => (8, u64::from(length)),
    };
    if length < header {
        return None;
    }
    let stated_end = at.checked_add(length)?;
    let stop = stated_end.min(end);
    Some(Part { kind, outer: at, start: (at + header).min(stop), end: stop, stated_end })
}

/// The first box of a kind between two places.
pub(crate) fn find(source: &Source<'_>, start: u64, end: u64, kind: &[u8; 4]) -> Option<Part> {
    parts(source, start, end).into_iter().find(|part| &part.kind == kind)
}

/// The boxes in a slice, with their payloads.
pub(crate) fn in_slice(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let [s3, s2, s1, s0, a, b, c, d, ..] = *rest else { return None };
        let length = u32::from_be_bytes([s3, s2, s1, s0]) as usize;
        let (header, length) = match length {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(u64::from_be_bytes(rest.get(8..16)?.try_into().ok()?)).ok()?),
            length => (8, length),
        };
        let payload = rest.get(header..length.min(rest.len()))?;
        rest = rest.get(length..).unwrap_or_default();
        Some(([a, b, c, d], payload))
    })
}
