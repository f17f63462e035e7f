//! Six words over the ends of all chains, for people to compare: two devices that show the same words have read the
//! same history. Specified in sl1-history §8.8.

use std::fmt;

use safelight_crypto::{LibraryId, number_of_word, sha256, word_of};

use super::Seen;

/// How many words there are.
const COUNT: usize = 6;
/// Bits of one word.
const BITS: usize = 11;

/// Six words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SixWords([u16; COUNT]);

impl SixWords {
    /// The words of these heads.
    #[must_use]
    pub fn of(library: LibraryId, heads: &Seen) -> Self {
        let mut bytes = [b"safelight/1 six words".as_slice(), library.as_bytes()].concat();
        for (device, tip) in heads.iter() {
            bytes.extend_from_slice(device.as_bytes());
            bytes.extend_from_slice(&tip.seq.0.to_be_bytes());
            bytes.extend_from_slice(&tip.root.0);
        }
        let hash = sha256(&[&bytes]);
        let bit = |at: usize| hash.get(at / 8).map_or(0, |byte| u16::from(byte >> (7 - at % 8) & 1));
        Self(std::array::from_fn(|word| {
            (word * BITS..(word + 1) * BITS).fold(0, |number, at| number << 1 | bit(at))
        }))
    }

    /// Reads words as a person typed them; none if they are not six words of the list.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let numbers: Vec<u16> = text
            .split_whitespace()
            .map(|word| number_of_word(&word.to_lowercase()))
            .collect::<Option<_>>()?;
        numbers.try_into().ok().map(Self)
    }
}

impl fmt::Display for SixWords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.0.iter().map(|number| word_of(*number)).collect();
        formatter.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use safelight_crypto::DeviceId;

    use super::*;
    use crate::history::Tip;
    use crate::ids::{SegmentRoot, SegmentSeq};

    #[test]
    fn words_come_back_as_typed_and_depend_on_library_and_heads() {
        let heads = |seq, root| {
            let tip = Tip { seq: SegmentSeq(seq), root: SegmentRoot([root; 32]) };
            Seen::new([(DeviceId::from_bytes([4; 16]), tip)])
        };
        let (one, other) = (LibraryId::from_bytes([1; 20]), LibraryId::from_bytes([2; 20]));
        let words = SixWords::of(one, &heads(1, 1));
        assert_eq!(SixWords::parse(&format!("  {} ", words.to_string().to_uppercase())), Some(words));
        assert_eq!(words.to_string().split(' ').count(), 6);
        for changed in [
            SixWords::of(other, &heads(1, 1)),
            SixWords::of(one, &heads(2, 1)),
            SixWords::of(one, &heads(1, 2)),
        ] {
            assert_ne!(changed, words);
        }
        assert_eq!(SixWords::parse("abandon ability able"), None);
        assert_eq!(SixWords::parse("abandon ability able about above abracadabra"), None);
    }

    #[test]
    fn the_words_of_no_heads_are_these_for_ever() {
        assert_eq!(SixWords::of(LibraryId::from_bytes([1; 20]), &Seen::default()).to_string(), GOLDEN);
    }

    const GOLDEN: &str = "slot seven bring govern glass scan";
}
