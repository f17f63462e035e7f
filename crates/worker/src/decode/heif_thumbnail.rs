//! The thumbnail item inside a HEIC, which stands in for the full picture at import.
//!
//! Decoding it takes a hundredth of the time of the full picture. It is used only when it cannot
//! mislead: it refers to the primary item, is large enough for the grid, is turned by the same boxes, and
//! has the same shape.

use heic_decoder::isobmff::{self, ParsedHeif, Transform};

use crate::protocol::THUMBNAIL_SIDE;

/// Boxes looked at on one level; real files have a dozen.
const MAX_BOXES: usize = 4096;

/// The thumbnail of `parsed`, as a picture of its own; `size` is the full picture's, upright.
pub(super) fn find(bytes: &[u8], parsed: &ParsedHeif, size: (u32, u32)) -> Option<ParsedHeif> {
    let meta = boxes(bytes, 0).find(|found| found.kind == *b"meta")?;
    let children = meta.start + 4;
    let (mut primary, mut thumbnails) = (None, Vec::new());
    for child in boxes(bytes.get(..meta.end)?, children) {
        match &child.kind {
            b"pitm" => primary = primary_field(bytes, &child),
            b"iref" => thumbnails = thumbnails_of(bytes, &child, parsed.primary_item_id),
            _ => {}
        }
    }
    let field = primary?;
    thumbnails.into_iter().find_map(|item| {
        // The decoder resolves the primary item, so the thumbnail is made that in a copy.
        let mut copy = bytes.to_vec();
        let number = item.to_be_bytes();
        copy.get_mut(field.clone())?.copy_from_slice(&number[number.len() - field.len()..]);
        let thumbnail = isobmff::parse(&copy).ok()?;
        is_faithful(&copy, &thumbnail, parsed, size).then_some(thumbnail)
    })
}

fn is_faithful(copy: &[u8], thumbnail: &ParsedHeif, parsed: &ParsedHeif, size: (u32, u32)) -> bool {
    let turns = |picture: &ParsedHeif| -> Vec<Transform> {
        let turns = picture.transforms.iter().filter(|turn| !matches!(turn, Transform::CleanAperture(_)));
        turns.copied().collect()
    };
    let Ok(info) = heic_decoder::probe(copy) else { return false };
    let (width, height) = (info.width as u64, info.height as u64);
    let (full_width, full_height) = (u64::from(size.0), u64::from(size.1));
    // Same shape within a rounded pixel of the thumbnail's short side.
    let shape = (width * full_height).abs_diff(height * full_width);
    let slack = full_width.max(full_height) * 2;
    // iPhones write exactly 320 pixels.
    width.max(height) >= u64::from(THUMBNAIL_SIDE)
        && thumbnail.alpha.is_none()
        && thumbnail.reference_image.is_none()
        && turns(thumbnail) == turns(parsed)
        && shape <= slack
}

/// Where a box's body lies.
struct Found {
    kind: [u8; 4],
    start: usize,
    end: usize,
}

/// The boxes from `at` to the end of `bytes`.
fn boxes(bytes: &[u8], mut at: usize) -> impl Iterator<Item = Found> {
    std::iter::from_fn(move || {
        let head = bytes.get(at..at.checked_add(8)?)?;
        let short = u64::from(u32::from_be_bytes(head.get(..4)?.try_into().ok()?));
        let (header, length) = match short {
            0 => (8, (bytes.len() - at) as u64),
            1 => (16, u64::from_be_bytes(bytes.get(at + 8..at + 16)?.try_into().ok()?)),
            length => (8, length),
        };
        let end = at.checked_add(usize::try_from(length).ok()?)?.min(bytes.len());
        let found = Found { kind: head.get(4..)?.try_into().ok()?, start: at + header, end };
        if found.start > found.end {
            return None;
        }
        at = found.end;
        Some(found)
    })
    .take(MAX_BOXES)
}

/// Where the number of the primary item is written.
fn primary_field(bytes: &[u8], found: &Found) -> Option<std::ops::Range<usize>> {
    let width = if *bytes.get(found.start)? == 0 { 2 } else { 4 };
    let field = found.start + 4..found.start + 4 + width;
    (field.end <= found.end).then_some(field)
}

/// The items that say they are thumbnails of `primary`.
fn thumbnails_of(bytes: &[u8], found: &Found, primary: u32) -> Vec<u32> {
    let Some(&version) = bytes.get(found.start) else { return Vec::new() };
    let width = if version == 0 { 2 } else { 4 };
    let number = |at: usize, width: usize| {
        bytes
            .get(at..at + width)
            .map(|number| number.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    };
    let Some(body) = bytes.get(..found.end) else { return Vec::new() };
    boxes(body, found.start + 4)
        .filter(|reference| reference.kind == *b"thmb")
        .filter_map(|reference| {
            let from = number(reference.start, width)?;
            let count = number(reference.start + width, 2)? as usize;
            let to = reference.start + width + 2;
            (0..count).any(|index| number(to + index * width, width) == Some(primary)).then_some(from)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), kind.as_slice(), body].concat()
    }

    #[test]
    fn thumbnails_of_the_primary_item_are_found() {
        let references = [
            boxed(b"dimg", &[0, 9, 0, 1, 0, 5]),
            boxed(b"thmb", &[0, 7, 0, 1, 0, 4]),
            boxed(b"thmb", &[0, 8, 0, 2, 0, 3, 0, 5]),
        ]
        .concat();
        let iref = boxed(b"iref", &[[0; 4].as_slice(), &references].concat());
        let found = boxes(&iref, 0).next().unwrap();
        assert_eq!(thumbnails_of(&iref, &found, 5), [8]);
    }

    #[test]
    fn boxes_that_lie_about_their_length_end_the_walk() {
        let mut lying = boxed(b"meta", b"abcd");
        lying.extend([0, 0, 0, 3, b'f', b'r', b'e', b'e', 0]);
        assert_eq!(boxes(&lying, 0).count(), 1);
        assert_eq!(boxes(&[0, 0, 0, 1, b'm', b'e', b't', b'a'], 0).count(), 0);
        assert_eq!(boxes(&[], 5).count(), 0);
    }
}
