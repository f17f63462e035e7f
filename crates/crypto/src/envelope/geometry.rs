//! How long things are: padding, parts, segments. Pure arithmetic, checked against the object's real size
//! before anything is allocated or opened. Spec: sl1.md §2.5, §2.6.

use std::ops::Range;

use super::header::{HEADER_LEN, Kind, SEAL_LEN, SegmentSize};
use crate::error::Fault;
use crate::primitive::TAG_LEN;

/// Plaintext bytes of a full part of an original.
pub const PART_LEN: u64 = 32 << 20;
/// The shortest padded original.
pub const MIN_ORIGINAL_LEN: u64 = 1 << 10;
/// The shortest plaintext of an object that carries its own length.
pub const MIN_CARRIED_LEN: u64 = 4 << 10;
/// Pack entries are multiples of this.
pub const ENTRY_UNIT: u64 = 1 << 10;
/// Bytes of the length at the end of objects that carry it.
pub(crate) const TRAILER_BYTES: usize = 8;
pub(crate) const TRAILER_LEN: u64 = TRAILER_BYTES as u64;
/// The longest content that lengths are computed for: far above any file, far below overflow.
pub const MAX_CONTENT_LEN: u64 = 1 << 50;

/// The Padmé length of `length`: at most 12 % more, and the low bits are zero (Nikitin et al., PETS 2019).
#[must_use]
pub fn padme(length: u64) -> u64 {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let mantissa_bits = exponent.ilog2() + 1;
    let mask = (1_u64 << exponent.saturating_sub(mantissa_bits)) - 1;
    (length + mask) & !mask
}

/// Length of an original with its padding, over all parts.
#[must_use]
pub fn padded_original(total_len: u64) -> u64 {
    padme(total_len).max(MIN_ORIGINAL_LEN)
}

/// How many parts an original of `total_len` bytes has.
#[must_use]
pub fn original_parts(total_len: u64) -> u32 {
    u32::try_from(padded_original(total_len.min(MAX_CONTENT_LEN)).div_ceil(PART_LEN)).unwrap_or(u32::MAX)
}

/// Bytes of an original of `total_len` bytes once it is sealed, over all parts.
#[must_use]
pub fn sealed_original_len(total_len: u64) -> u64 {
    let padded = padded_original(total_len.min(MAX_CONTENT_LEN));
    let sealed = |plain: u64| HEADER_LEN as u64 + sealed_body_len(plain, Kind::OriginalPart.segment_size());
    let rest = padded % PART_LEN;
    (padded / PART_LEN) * sealed(PART_LEN) + if rest > 0 { sealed(rest) } else { 0 }
}

/// Length of one part of an original: its content, and with padding.
pub(crate) fn part_lengths(total_len: u64, part: u32, parts: u32) -> Result<(u64, u64), Fault> {
    if total_len > MAX_CONTENT_LEN || parts != original_parts(total_len) || part >= parts {
        return Err(Fault::NoSuchPart { part, parts });
    }
    let start = u64::from(part) * PART_LEN;
    let content = total_len.saturating_sub(start).min(PART_LEN);
    let padded = (padded_original(total_len) - start).min(PART_LEN);
    Ok((content, padded))
}

/// Length of the plaintext of an object that carries its own length.
pub(crate) fn padded_carried(content_len: u64) -> u64 {
    padme(content_len + TRAILER_LEN).max(MIN_CARRIED_LEN)
}

/// Plaintext length of a pack entry: as much as fits into the fewest KiB that hold the content.
pub(crate) fn padded_entry(content_len: u64) -> u64 {
    let size = SegmentSize::Kib64;
    let least = SEAL_LEN as u64 + sealed_body_len(content_len.max(1), size);
    let mut entry_len = least.next_multiple_of(ENTRY_UNIT);
    loop {
        if let Ok(plain) = plain_len_of_body(entry_len - SEAL_LEN as u64, size) {
            return plain;
        }
        entry_len += ENTRY_UNIT;
    }
}

/// Bytes of the segments that hold `plain_len` bytes.
pub(crate) fn sealed_body_len(plain_len: u64, size: SegmentSize) -> u64 {
    plain_len + plain_len.div_ceil(size.bytes() as u64) * TAG_LEN as u64
}

/// Plaintext bytes that segments of `body_len` bytes hold.
pub(crate) fn plain_len_of_body(body_len: u64, size: SegmentSize) -> Result<u64, Fault> {
    let sealed_segment = (size.bytes() + TAG_LEN) as u64;
    let last = match body_len % sealed_segment {
        0 => sealed_segment,
        rest => rest,
    };
    if body_len == 0 || last <= TAG_LEN as u64 {
        return Err(Fault::Truncated);
    }
    Ok(body_len - body_len.div_ceil(sealed_segment) * TAG_LEN as u64)
}

/// The cut of one object into segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Plaintext bytes of a full segment.
    pub segment_size: SegmentSize,
    /// Plaintext bytes, padding included.
    pub plain_len: u64,
    /// Plaintext bytes that are content; for objects that carry their length, known only once opened.
    pub content_len: Option<u64>,
    /// Bytes before the first segment: the header, and the encapsulation where there is one.
    pub body_start: u64,
}

impl Geometry {
    /// How many segments there are; at least one.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.plain_len.div_ceil(self.segment_size.bytes() as u64)
    }

    /// Bytes of the whole sealed object.
    #[must_use]
    pub fn sealed_len(&self) -> u64 {
        self.body_start + sealed_body_len(self.plain_len, self.segment_size)
    }

    /// Where segment `index` lies in the sealed object.
    #[must_use]
    pub fn sealed_segment(&self, index: u64) -> Range<u64> {
        let sealed_segment = (self.segment_size.bytes() + TAG_LEN) as u64;
        let start = self.body_start + index * sealed_segment;
        start.min(self.sealed_len())..(start + sealed_segment).min(self.sealed_len())
    }

    /// Where segment `index` lies in the plaintext.
    #[must_use]
    pub fn plain_segment(&self, index: u64) -> Range<u64> {
        let start = index * self.segment_size.bytes() as u64;
        start.min(self.plain_len)..(start + self.segment_size.bytes() as u64).min(self.plain_len)
    }

    /// The segments that hold the plaintext bytes `range`.
    #[must_use]
    pub fn segments_of(&self, range: &Range<u64>) -> Range<u64> {
        let size = self.segment_size.bytes() as u64;
        range.start / size..range.end.min(self.plain_len).div_ceil(size)
    }

    pub(crate) fn is_last(&self, index: u64) -> bool {
        index + 1 == self.segments()
    }
}

/// The geometry that an object of `kind` must have, given what its record says and how long it really is.
pub(crate) fn expected_geometry(
    kind: Kind,
    segment_size: SegmentSize,
    body_start: u64,
    sealed_len: u64,
    context: &super::ObjectContext<'_>,
) -> Result<Geometry, Fault> {
    let recorded = |content_len, plain_len| {
        let geometry = Geometry { segment_size, plain_len, content_len: Some(content_len), body_start };
        match geometry.sealed_len() {
            expected if expected == sealed_len => Ok(geometry),
            expected => Err(Fault::SizeMismatch { expected, found: sealed_len }),
        }
    };
    match kind {
        Kind::OriginalPart => {
            let (content, padded) = part_lengths(context.total_len, context.part, context.parts)?;
            recorded(content, padded)
        }
        Kind::PackEntry if context.total_len > MAX_CONTENT_LEN => Err(Fault::TooLarge),
        Kind::PackEntry => recorded(context.total_len, padded_entry(context.total_len)),
        _ => {
            let body_len = sealed_len.checked_sub(body_start).ok_or(Fault::Truncated)?;
            let plain_len = plain_len_of_body(body_len, segment_size)?;
            Ok(Geometry { segment_size, plain_len, content_len: None, body_start })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::HEADER_LEN;

    #[test]
    fn padme_adds_at_most_twelve_percent_and_is_idempotent() {
        for length in (0..5_000).chain((1 << 20) - 3..(1 << 20) + 3).chain([u64::from(u32::MAX), 1 << 40]) {
            let padded = padme(length);
            assert!(padded >= length && padded - length <= length / 8, "{length} → {padded}");
            assert_eq!(padme(padded), padded);
        }
        assert_eq!(padme(1_000_000), 1_015_808);
    }

    #[test]
    fn parts_cover_the_padded_original_exactly() {
        for total in [0, 1, PART_LEN - 1, PART_LEN, PART_LEN + 1, 2_u64 << 30, (3 << 30) + 12_345] {
            let parts = original_parts(total);
            let lengths: Vec<_> =
                (0..parts).map(|part| part_lengths(total, part, parts).expect("exists")).collect();
            assert_eq!(lengths.iter().map(|(content, _)| content).sum::<u64>(), total);
            assert_eq!(lengths.iter().map(|(_, padded)| padded).sum::<u64>(), padded_original(total));
            assert!(lengths.iter().all(|(_, padded)| *padded > 0 && *padded <= PART_LEN));
            assert!(part_lengths(total, parts, parts).is_err());
            assert!(part_lengths(total, 0, parts + 1).is_err());
        }
    }

    #[test]
    fn pack_entries_are_whole_kibibytes_and_no_larger_than_needed() {
        let size = SegmentSize::Kib64;
        for content in (0..3_000).chain(65_000..67_000).chain(131_000..131_400) {
            let plain = padded_entry(content);
            let entry = SEAL_LEN as u64 + sealed_body_len(plain, size);
            assert_eq!(entry % ENTRY_UNIT, 0);
            assert!(plain >= content);
            assert!(
                entry < ENTRY_UNIT
                    || plain_len_of_body((entry - ENTRY_UNIT).saturating_sub(SEAL_LEN as u64), size)
                        .is_ok_and(|smaller| smaller < content.max(1))
                    || entry == ENTRY_UNIT
                    || plain_len_of_body(entry - ENTRY_UNIT - SEAL_LEN as u64, size).is_err()
            );
        }
    }

    #[test]
    fn body_and_plain_lengths_are_inverse() {
        for size in [SegmentSize::Kib64, SegmentSize::Mib1] {
            let full = size.bytes() as u64;
            for plain in [1, 2, full - 1, full, full + 1, 2 * full, 2 * full + 1] {
                assert_eq!(plain_len_of_body(sealed_body_len(plain, size), size), Ok(plain));
            }
            assert!(plain_len_of_body(0, size).is_err());
            assert!(plain_len_of_body(16, size).is_err());
            assert!(plain_len_of_body(full + 16 + 16, size).is_err());
        }
    }

    #[test]
    fn ranges_map_to_the_segments_that_hold_them() {
        let geometry = Geometry {
            segment_size: SegmentSize::Kib64,
            plain_len: 200_000,
            content_len: None,
            body_start: HEADER_LEN as u64,
        };
        assert_eq!(geometry.segments(), 4);
        assert_eq!(geometry.segments_of(&(65_535..65_537)), 0..2);
        assert_eq!(geometry.segments_of(&(196_608..u64::MAX)), 3..4);
        assert_eq!(geometry.sealed_segment(3).end, geometry.sealed_len());
        assert_eq!(geometry.plain_segment(3), 196_608..200_000);
    }
}
