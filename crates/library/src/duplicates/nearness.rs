//! Finds pictures with near fingerprints among very many, without comparing each with each.
//!
//! Multi-index hashing (Norouzi, Punjani and Fleet, "Fast search in Hamming space with multi-index hashing", 2012): two
//! fingerprints that differ in few bits agree, but for one or two bits, in one of several stretches of theirs. So for every
//! stretch those are met whose bits there are the same or nearly so. Invariant: every pair within the bounds is met, at
//! least once; pairs beyond them never. One table is in memory at a time, about 20 bytes a picture.

use std::ops::Range;

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use safelight_model::Facts;

/// Two PDQ hashes of one picture that was saved again or resized are no further apart (docs/decisions/duplicates.md).
const CLOSE_PDQ_BITS: u32 = 31;
/// Nor those of a picture and a part of it that lacks a twentieth of its sides.
const NEAR_PDQ_BITS: u32 = 64;
/// And then its pHashes are no further apart.
const NEAR_PHASH_BITS: u32 = 14;

/// The fingerprints of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Print {
    phash: u64,
    pdq: [u64; 4],
}

impl Print {
    /// Those that programs found; none of a picture without structure, whose bits tell nothing.
    pub(super) fn of(facts: &Facts) -> Option<Self> {
        let pdq = facts.pdq256?;
        let (words, _) = pdq.as_chunks::<8>();
        let mut words = words.iter().map(|word| u64::from_be_bytes(*word));
        let pdq = std::array::from_fn(|_| words.next().unwrap_or_default());
        Self { phash: u64::from_be_bytes(facts.phash64?), pdq }.if_it_tells_something()
    }

    /// Half of the bits are set, being those above the median; in a flat picture nearly none are.
    fn if_it_tells_something(self) -> Option<Self> {
        let ones: u32 = self.pdq.iter().map(|word| word.count_ones()).sum();
        let tells = (112..=144).contains(&ones) && (28..=36).contains(&self.phash.count_ones());
        tells.then_some(self)
    }

    /// In how many bits the PDQ hashes differ.
    pub(super) fn pdq_bits(&self, other: &Self) -> u32 {
        self.pdq.iter().zip(&other.pdq).map(|(one, two)| (one ^ two).count_ones()).sum()
    }

    fn phash_bits(&self, other: &Self) -> u32 {
        (self.phash ^ other.phash).count_ones()
    }

    fn is_near(&self, other: &Self) -> bool {
        let bits = self.pdq_bits(other);
        bits <= CLOSE_PDQ_BITS || bits <= NEAR_PDQ_BITS && self.phash_bits(other) <= NEAR_PHASH_BITS
    }
}

/// A stretch of a fingerprint's bits.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    /// A word of the PDQ hash; the pHash if there is none.
    word: Option<usize>,
    shift: u32,
    bits: u32,
    /// So many of the bits may differ.
    flips: u32,
}

impl Stretch {
    /// Sixteen of 16 bits for PDQ, one of which has at most one of 31 differences; five of 12 or 13 for pHash, one of which
    /// has at most two of 14.
    fn all() -> impl Iterator<Item = Self> {
        let pdq = (0..16).map(|at: usize| Self {
            word: Some(at / 4),
            shift: 16 * u32::try_from(at % 4).unwrap_or_default(),
            bits: 16,
            flips: 1,
        });
        let phash =
            (0..5).map(|at: u32| Self { word: None, shift: 13 * at, bits: 13.min(64 - 13 * at), flips: 2 });
        pdq.chain(phash)
    }

    fn key(self, print: &Print) -> usize {
        let word = match self.word {
            Some(word) => print.pdq.get(word).copied().unwrap_or_default(),
            None => print.phash,
        };
        usize::try_from(word >> self.shift & ((1 << self.bits) - 1)).unwrap_or_default()
    }

    /// All ways in which up to the allowed number of bits differ; no difference comes first.
    fn masks(self) -> Vec<usize> {
        let mut masks = vec![0];
        masks.extend((0..self.bits).map(|bit| 1 << bit));
        if self.flips > 1 {
            masks.extend((0..self.bits).flat_map(|bit| (0..bit).map(move |other| 1 << bit | 1 << other)));
        }
        masks
    }
}

/// Fingerprints sorted by their bits in one stretch.
struct Table {
    /// Where each key's begin in `order`.
    starts: Vec<u32>,
    order: Vec<u32>,
    /// The pHashes in that order, where the stretch is of them: nearly all pairs that agree in one are told apart by these
    /// alone, and what lies side by side is compared many times as fast.
    phashes: Vec<u64>,
}

impl Table {
    fn of(prints: &[Print], stretch: Stretch) -> Self {
        let mut starts = vec![0_u32; (1 << stretch.bits) + 1];
        for print in prints {
            if let Some(count) = starts.get_mut(stretch.key(print) + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut order = vec![0; prints.len()];
        for (number, print) in (0_u32..).zip(prints) {
            if let Some(place) = next.get_mut(stretch.key(print)) {
                if let Some(slot) = order.get_mut(*place as usize) {
                    *slot = number;
                }
                *place += 1;
            }
        }
        let phash = |number: &u32| prints.get(*number as usize).map(|print| print.phash).unwrap_or_default();
        let phashes = if stretch.word.is_none() { order.iter().map(phash).collect() } else { Vec::new() };
        Self { starts, order, phashes }
    }

    /// Which places of the order a key's have.
    fn of_key(&self, key: usize) -> Range<usize> {
        let bounds = self.starts.get(key).zip(self.starts.get(key + 1));
        bounds.map(|(start, end)| *start as usize..*end as usize).unwrap_or_default()
    }

    /// Meets the pairs of a picture at one place with those at others that may be near.
    fn each_pair(&self, one: usize, others: Range<usize>, mut meet: impl FnMut(u32, u32)) {
        let (Some(first), Some(numbers)) = (self.order.get(one), self.order.get(others.clone())) else {
            return;
        };
        let Some((phash, phashes)) = self.phashes.get(one).zip(self.phashes.get(others)) else {
            return numbers.iter().for_each(|second| meet(*first, *second));
        };
        for (second, other) in numbers.iter().zip(phashes) {
            if (phash ^ other).count_ones() <= NEAR_PHASH_BITS {
                meet(*first, *second);
            }
        }
    }
}

/// Meets every pair of fingerprints that are near, by their numbers; some pairs several times, and in no order.
pub(super) fn each_near_pair(prints: &[Print], meet: impl Fn(usize, usize) + Sync) {
    let try_pair = |one: u32, two: u32| {
        let (one, two) = (one as usize, two as usize);
        if let (Some(first), Some(second)) = (prints.get(one), prints.get(two))
            && first.is_near(second)
        {
            meet(one, two);
        }
    };
    for stretch in Stretch::all() {
        let table = Table::of(prints, stretch);
        let masks = stretch.masks();
        (0..1 << stretch.bits).into_par_iter().for_each(|key: usize| {
            let these = table.of_key(key);
            if these.is_empty() {
                return;
            }
            for one in these.clone() {
                table.each_pair(one, one + 1..these.end, try_pair);
            }
            // Each two keys are met from the lower one.
            for others in masks.iter().map(|mask| key ^ mask).filter(|other| *other > key) {
                for two in table.of_key(others) {
                    table.each_pair(two, these.clone(), try_pair);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;

    /// The bits of a small generator (splitmix64).
    struct Bits(u64);

    impl Bits {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut bits = self.0;
            bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            bits ^ bits >> 31
        }

        fn print(&mut self) -> Print {
            Print { phash: self.next(), pdq: std::array::from_fn(|_| self.next()) }
        }

        fn flipped(&mut self, mut print: Print, pdq: u32, phash: u32) -> Print {
            for _ in 0..pdq {
                let at = self.next() % 256;
                print.pdq[usize::try_from(at / 64).unwrap()] ^= 1 << (at % 64);
            }
            for _ in 0..phash {
                print.phash ^= 1 << (self.next() % 64);
            }
            print
        }
    }

    #[test]
    fn all_near_pairs_are_met_and_no_others() {
        let mut bits = Bits(7);
        let mut prints: Vec<Print> = (0..300).map(|_| bits.print()).collect();
        for at in 0..300 {
            let print =
                bits.flipped(prints[at], u32::try_from(at % 80).unwrap(), u32::try_from(at % 17).unwrap());
            prints.push(print);
        }
        let met = Mutex::new(BTreeSet::new());
        each_near_pair(&prints, |one, two| {
            met.lock().unwrap().insert((one.min(two), one.max(two)));
        });
        let met = met.into_inner().unwrap();
        let mut near = BTreeSet::new();
        for one in 0..prints.len() {
            near.extend(
                (one + 1..prints.len())
                    .filter(|two| prints[one].is_near(&prints[*two]))
                    .map(|two| (one, two)),
            );
        }
        assert!(near.len() > 150, "{}", near.len());
        assert_eq!(met, near);
    }

    #[test]
    fn every_bit_lies_in_one_stretch() {
        let (mut pdq, mut phash) = ([0_u64; 4], 0_u64);
        for stretch in Stretch::all() {
            let mask = ((1_u64 << stretch.bits) - 1) << stretch.shift;
            let word = stretch.word.map_or(&mut phash, |word| &mut pdq[word]);
            assert_eq!(*word & mask, 0);
            *word |= mask;
        }
        assert_eq!((pdq, phash), ([u64::MAX; 4], u64::MAX));
    }

    #[test]
    fn flat_pictures_have_no_fingerprints_to_compare() {
        let facts =
            |bytes: u8| Facts { phash64: Some([bytes; 8]), pdq256: Some([bytes; 32]), ..Facts::default() };
        assert_eq!(Print::of(&facts(0)), None);
        assert!(Print::of(&facts(0x5a)).is_some());
        assert_eq!(Print::of(&Facts::default()), None);
    }
}
