//! The few marker segments of a JPEG that its decoders do not hand over: ICC profile and Adobe's flag.

use crate::colour::MAX_PROFILE_BYTES;

const ICC: &[u8] = b"ICC_PROFILE\0";

/// What the segments before the pixels say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Markers {
    /// The ICC profile, joined from its parts.
    pub(super) profile: Option<Vec<u8>>,
    /// Bits of a sample, as the frame header states them.
    pub(super) sample_bits: Option<u8>,
    /// An Adobe program wrote it, so CMYK is stored with 255 for no ink.
    pub(super) adobe: bool,
}

impl Markers {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut markers = Self::default();
        let mut parts: Vec<(u8, &[u8])> = Vec::new();
        for (marker, body) in (Segments { rest: bytes.get(2..).unwrap_or_default() }) {
            match marker {
                0xe2 => {
                    if let Some([number, _, part @ ..]) = body.strip_prefix(ICC) {
                        parts.push((*number, part));
                    }
                }
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                    markers.sample_bits = markers.sample_bits.or(body.first().copied());
                }
                0xee => markers.adobe |= body.starts_with(b"Adobe"),
                _ => {}
            }
        }
        parts.sort_by_key(|(number, _)| *number);
        let profile: Vec<u8> =
            parts.iter().flat_map(|(_, part)| *part).copied().take(MAX_PROFILE_BYTES).collect();
        markers.profile = (!profile.is_empty()).then_some(profile);
        markers
    }
}

/// Marker segments up to the first scan.
struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (marker, after) = match self.rest {
            [0xff, 0xff, ..] => {
                // Fill bytes.
                self.rest = self.rest.get(1..)?;
                return self.next_after_fill();
            }
            [0xff, marker, after @ ..] => (*marker, after),
            _ => return None,
        };
        if matches!(marker, 0xda | 0xd9 | 0x00) {
            return None;
        }
        if matches!(marker, 0x01 | 0xd0..=0xd8) {
            self.rest = after;
            return Some((marker, &[]));
        }
        let length = usize::from(u16::from_be_bytes([*after.first()?, *after.get(1)?]));
        let (segment, rest) = after.split_at_checked(length)?;
        self.rest = rest;
        Some((marker, segment.get(2..)?))
    }
}

impl<'a> Segments<'a> {
    fn next_after_fill(&mut self) -> Option<(u8, &'a [u8])> {
        let fill = self.rest.windows(2).take_while(|pair| pair == &[0xff, 0xff]).count();
        self.rest = self.rest.get(fill..)?;
        if matches!(self.rest, [0xff, 0xff, ..]) { None } else { self.next() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], length.as_slice(), body].concat()
    }

    #[test]
    fn a_profile_is_joined_from_its_parts_in_order() {
        let jpeg = [
            b"\xff\xd8".to_vec(),
            segment(0xe2, b"ICC_PROFILE\0\x02\x02cd"),
            vec![0xff, 0xff],
            segment(0xee, b"Adobe\0\x64\0\0\0\0\x02"),
            segment(0xc1, b"\x0c\0\x08\0\x08\x01"),
            segment(0xe2, b"ICC_PROFILE\0\x01\x02ab"),
            segment(0xda, b""),
            segment(0xe2, b"ICC_PROFILE\0\x03\x02no"),
        ]
        .concat();
        assert_eq!(
            Markers::read(&jpeg),
            Markers { profile: Some(b"abcd".to_vec()), sample_bits: Some(12), adobe: true }
        );
    }

    #[test]
    fn cut_off_anywhere_there_are_just_fewer_markers() {
        let jpeg = [b"\xff\xd8".to_vec(), segment(0xee, b"Adobe"), vec![0xff; 9]].concat();
        for end in 0..jpeg.len() {
            drop(Markers::read(&jpeg[..end]));
        }
    }
}
