//! Six words over the ends of all chains, for people to compare: two devices that show the same words have read the
//! same history, and two that have read the same show the same words, whichever branch of a forked chain each of them
//! met first. Specified in sl1-history §8.8.

use std::collections::BTreeSet;
use std::fmt;

use safelight_crypto::{DeviceId, LibraryId, number_of_word, sha256, word_of};

use super::Tip;
use crate::ids::{SegmentRoot, SegmentSeq};
use crate::original::Branch;

/// How many words there are.
const COUNT: usize = 6;
/// Bits of one word.
const BITS: usize = 11;

/// The ends of a history: the last segment of every chain, as a reader keeps it; of a chain that forked also every
/// *carried* segment, and the last one before them, which all branches share. `root_of` tells the root of a kept segment.
///
/// Which branch a reader keeps depends on what it met first. Once all of them are carried, the kept one is among them,
/// so the ends are the same for everybody.
///
/// # Errors
/// Those of `root_of`.
pub fn ends_of<E>(
    tips: impl IntoIterator<Item = (DeviceId, Tip)>,
    carried: &BTreeSet<Branch>,
    mut root_of: impl FnMut(DeviceId, SegmentSeq) -> Result<Option<SegmentRoot>, E>,
) -> Result<BTreeSet<Branch>, E> {
    let mut ends = carried.clone();
    for (device, tip) in tips.into_iter().filter(|(_, tip)| tip.seq.0 > 0) {
        ends.insert(Branch { device, seq: tip.seq, root: tip.root });
        let Some(first) = carried.iter().find(|branch| branch.device == device) else { continue };
        let shared = SegmentSeq(first.seq.0.saturating_sub(1));
        if shared < tip.seq
            && let Some(root) = root_of(device, shared)?
        {
            ends.insert(Branch { device, seq: shared, root });
        }
    }
    Ok(ends)
}

/// Six words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SixWords([u16; COUNT]);

impl SixWords {
    /// The words of these ends, which [`ends_of`] tells.
    #[must_use]
    pub fn of(library: LibraryId, ends: &BTreeSet<Branch>) -> Self {
        let mut bytes = [b"safelight/1 six words".as_slice(), library.as_bytes()].concat();
        for end in ends {
            bytes.extend_from_slice(end.device.as_bytes());
            bytes.extend_from_slice(&end.seq.0.to_be_bytes());
            bytes.extend_from_slice(&end.root.0);
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
    use std::convert::Infallible;

    use super::*;

    const DEVICE: DeviceId = DeviceId::from_bytes([4; 16]);

    fn segment(seq: u32, root: u8) -> Branch {
        Branch { device: DEVICE, seq: SegmentSeq(seq), root: SegmentRoot([root; 32]) }
    }

    /// The ends for who keeps the segments of these roots, from the first on, and knows that these are carried.
    fn ends(kept: &[u8], carried: &[Branch]) -> BTreeSet<Branch> {
        let root = |seq: SegmentSeq| {
            let place = usize::try_from(seq.0.checked_sub(1)?).ok()?;
            kept.get(place).map(|root| SegmentRoot([*root; 32]))
        };
        let seq = SegmentSeq(u32::try_from(kept.len()).unwrap_or_default());
        let tip = Tip { seq, root: root(seq).unwrap_or_default() };
        let carried = carried.iter().copied().collect();
        let Ok(ends) = ends_of([(DEVICE, tip)], &carried, |_, seq| Ok::<_, Infallible>(root(seq)));
        ends
    }

    #[test]
    fn words_come_back_as_typed_and_depend_on_library_and_heads() {
        let heads = |seq, root| BTreeSet::from([segment(seq, root)]);
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
        assert_eq!(SixWords::of(LibraryId::from_bytes([1; 20]), &BTreeSet::new()).to_string(), GOLDEN);
    }

    #[test]
    fn the_ends_of_a_chain_that_did_not_fork_are_its_last_segment() {
        assert_eq!(ends(&[1, 2, 3], &[]), BTreeSet::from([segment(3, 3)]));
        assert_eq!(ends(&[], &[]), BTreeSet::new());
    }

    #[test]
    fn whoever_has_read_all_of_a_fork_has_the_same_ends_whichever_branch_it_keeps() {
        // After segment 2 one copy wrote 3 and 4, the other one 13, and all of them are carried.
        let carried = [segment(3, 3), segment(4, 4), segment(3, 13)];
        let all = ends(&[1, 2, 3, 4], &carried);
        assert_eq!(all, BTreeSet::from([segment(2, 2), segment(3, 3), segment(3, 13), segment(4, 4)]));
        for kept in [&[1, 2, 13][..], &[1, 2, 3], &[1, 2]] {
            assert_eq!(ends(kept, &carried), all, "{kept:?}");
        }
        // Who lacks something of it has others: the last shared segment, one that is carried, one that is not yet.
        assert_ne!(ends(&[1], &carried), all);
        assert_ne!(ends(&[1, 2, 3, 4], &carried[..2]), all);
        assert_ne!(ends(&[1, 2, 3, 4, 5], &carried), all);
    }

    #[test]
    fn a_chain_may_fork_at_its_first_segment() {
        let carried = [segment(1, 1), segment(1, 11)];
        assert_eq!(ends(&[1], &carried), carried.into());
        assert_eq!(ends(&[11], &carried), carried.into());
        assert_eq!(ends(&[], &carried), carried.into());
    }

    const GOLDEN: &str = "slot seven bring govern glass scan";
}
