//! Shares of the recovery words: so many of them together give the words, and fewer tell nothing.
//!
//! Shamir's scheme over GF(2⁸) with the polynomial x⁸ + x⁴ + x³ + x + 1, byte by byte: byte *i* of the words' secret is the
//! constant of a polynomial whose other coefficients are drawn evenly, zero included, and share *x* has its value at *x*.
//! Invariant: neither time nor memory access depends on what is shared; a share that was misread, or is of another splitting,
//! is told before anything is put together.
//!
//! Spec: sl1.md §1.2.1.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::entropy::{Entropy, draw};
use crate::error::{Fault, Result};
use crate::primitive::sha256;
use crate::words::{number_of_word, word_of, words_error};

/// How many words a share has.
pub const SHARE_WORD_COUNT: usize = 27;
/// Most shares of one splitting.
pub const MOST_SHARES: u8 = 15;
/// Bits of a word.
const WORD_BITS: usize = 11;
/// The splitting, the threshold and number, the values.
const BODY_BYTES: usize = 2 + 1 + 32;
/// Bits of the checksum: what of the words is left.
const CHECK_BITS: usize = SHARE_WORD_COUNT * WORD_BITS - 8 * BODY_BYTES;

/// One share of the recovery words.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Share {
    /// Which splitting it is of: drawn for each.
    set: [u8; 2],
    threshold: u8,
    number: u8,
    values: [u8; 32],
}

impl Share {
    /// How many of them are needed.
    #[must_use]
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// Which one it is, from 1.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Its words, in order.
    #[must_use]
    pub fn words(&self) -> [&'static str; SHARE_WORD_COUNT] {
        let mut bits = Vec::with_capacity(SHARE_WORD_COUNT * WORD_BITS);
        let mut body = self.body();
        push_bits(&mut bits, &body, 8 * BODY_BYTES);
        push_bits(&mut bits, &check(&body), CHECK_BITS);
        body.zeroize();
        let mut words = [""; SHARE_WORD_COUNT];
        for (word, bits) in words.iter_mut().zip(bits.chunks_exact(WORD_BITS)) {
            *word = word_of(bits.iter().fold(0, |number, bit| number << 1 | u16::from(*bit)));
        }
        bits.zeroize();
        words
    }

    fn body(&self) -> [u8; BODY_BYTES] {
        let mut body = [0; BODY_BYTES];
        body[..2].copy_from_slice(&self.set);
        body[2] = self.threshold << 4 | self.number;
        body[3..].copy_from_slice(&self.values);
        body
    }

    /// Reads the words of a share, in lower case; `before` words of other shares came first.
    pub(crate) fn parse(words: &[&str], before: usize) -> Result<Self> {
        let mut bits = Vec::with_capacity(SHARE_WORD_COUNT * WORD_BITS);
        for (at, word) in words.iter().enumerate() {
            let number =
                number_of_word(word).ok_or_else(|| words_error(Fault::UnknownWord(before + at + 1)))?;
            push_bits(&mut bits, &(number << (16 - WORD_BITS)).to_be_bytes(), WORD_BITS);
        }
        let mut body = [0; BODY_BYTES];
        for (byte, bits) in body.iter_mut().zip(bits.chunks_exact(8)) {
            *byte = bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        }
        let mut expected = Vec::with_capacity(CHECK_BITS);
        push_bits(&mut expected, &check(&body), CHECK_BITS);
        let is_whole = bits.get(8 * BODY_BYTES..) == Some(expected.as_slice());
        let [set_first, set_second, shape, values @ ..] = body;
        let share = Self { set: [set_first, set_second], threshold: shape >> 4, number: shape & 15, values };
        body.zeroize();
        bits.zeroize();
        if !is_whole || share.threshold < 2 || share.number == 0 {
            return Err(words_error(Fault::ShareChecksum(before / SHARE_WORD_COUNT + 1)));
        }
        Ok(share)
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Share({} of at least {})", self.number, self.threshold)
    }
}

/// Splits a secret into `count` shares of which `threshold` are needed.
///
/// # Errors
/// [`Fault::ShareCounts`] unless 2 ≤ `threshold` ≤ `count` ≤ 15.
pub(crate) fn split(
    secret: &[u8; 32],
    count: u8,
    threshold: u8,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Share>> {
    if !(2..=count).contains(&threshold) || count > MOST_SHARES {
        return Err(words_error(Fault::ShareCounts { shares: count, threshold }));
    }
    let set = draw(entropy);
    let mut coefficients: Vec<[u8; 32]> = (1..threshold).map(|_| draw(entropy)).collect();
    let shares = (1..=count).map(|number| {
        // Horner's rule, from the highest power down to the secret.
        let mut values = [0; 32];
        for row in coefficients.iter().rev().chain(std::iter::once(secret)) {
            for (value, coefficient) in values.iter_mut().zip(row) {
                *value = multiply(*value, number) ^ coefficient;
            }
        }
        Share { set, threshold, number, values }
    });
    let shares = shares.collect();
    coefficients.iter_mut().for_each(Zeroize::zeroize);
    Ok(shares)
}

/// Puts shares together. Further ones than are needed must agree with the others.
///
/// # Errors
/// [`Fault::SharesOfSeveral`] for shares of several splittings, or that do not belong together; [`Fault::TooFewShares`].
pub(crate) fn combine(shares: &[Share]) -> Result<[u8; 32]> {
    let Some(first) = shares.first() else {
        return Err(words_error(Fault::WordCount(0)));
    };
    if shares.iter().any(|share| share.set != first.set || share.threshold != first.threshold) {
        return Err(words_error(Fault::SharesOfSeveral));
    }
    let mut different: BTreeMap<u8, &Share> = BTreeMap::new();
    for share in shares {
        if different.insert(share.number, share).is_some_and(|known| known != share) {
            return Err(words_error(Fault::SharesOfSeveral));
        }
    }
    let different: Vec<&Share> = different.into_values().collect();
    let Some((needed, further)) = different.split_at_checked(usize::from(first.threshold)) else {
        let (here, needed) = (different.len(), first.threshold);
        return Err(words_error(Fault::TooFewShares { here, needed }));
    };
    if further.iter().any(|share| at(needed, share.number) != share.values) {
        return Err(words_error(Fault::SharesOfSeveral));
    }
    Ok(at(needed, 0))
}

/// The polynomials through these shares, at a place: Lagrange's interpolation, in which subtracting is adding.
fn at(shares: &[&Share], place: u8) -> [u8; 32] {
    let mut sum = [0; 32];
    for share in shares {
        let mut weight = 1;
        for other in shares.iter().filter(|other| other.number != share.number) {
            let ratio = multiply(place ^ other.number, inverse(share.number ^ other.number));
            weight = multiply(weight, ratio);
        }
        for (byte, value) in sum.iter_mut().zip(share.values) {
            *byte ^= multiply(value, weight);
        }
    }
    sum
}

/// The product in GF(2⁸), in the same steps whatever is multiplied.
fn multiply(one: u8, other: u8) -> u8 {
    let (mut product, mut one) = (0, one);
    for bit in 0..8 {
        product ^= one & (other >> bit & 1).wrapping_neg();
        let carry = (one >> 7).wrapping_neg();
        one = one << 1 ^ 0x1b & carry;
    }
    product
}

/// The inverse in GF(2⁸): the 254th power; of 0 it is 0.
fn inverse(of: u8) -> u8 {
    let square = |value: u8| multiply(value, value);
    // 254 = 0b11111110
    let mut power = of;
    for _ in 0..6 {
        power = multiply(square(power), of);
    }
    square(power)
}

fn check(body: &[u8; BODY_BYTES]) -> [u8; 32] {
    sha256(&[b"safelight/1 share", body])
}

fn push_bits(bits: &mut Vec<bool>, bytes: &[u8], count: usize) {
    bits.extend((0..count).map(|at| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededEntropy;
    use crate::words::RecoveryWords;

    fn text(shares: &[&Share]) -> String {
        shares.iter().map(|share| share.words().join(" ")).collect::<Vec<_>>().join("\n")
    }

    fn fault(text: &str) -> String {
        RecoveryWords::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn any_so_many_shares_give_the_words_and_fewer_do_not() {
        for (count, threshold) in [(2, 2), (3, 2), (5, 3), (15, 15), (15, 2)] {
            let mut entropy = SeededEntropy::new(u64::from(count) * 100 + u64::from(threshold));
            let words = RecoveryWords::generate(&mut entropy);
            let shares = words.split(count, threshold, &mut entropy).unwrap();
            let needed = usize::from(threshold);
            for first in 0..shares.len() {
                let some: Vec<&Share> = shares.iter().cycle().skip(first).take(needed).collect();
                assert_eq!(RecoveryWords::parse(&text(&some)).unwrap().words(), words.words());
                let few = text(&some[1..]);
                assert!(fault(&few).contains(&format!("{} of {needed}", needed - 1)), "{}", fault(&few));
            }
            assert_eq!(
                RecoveryWords::parse(&text(&shares.iter().collect::<Vec<_>>())).unwrap().words(),
                words.words()
            );
        }
    }

    #[test]
    fn fewer_shares_tell_nothing_of_the_words() {
        // Whatever the secret, there are coefficients by which a share is the same.
        let mut entropy = SeededEntropy::new(4);
        let shares = split(&[7; 32], 3, 2, &mut entropy).unwrap();
        for secret in 0..=255_u8 {
            let slope = multiply(shares[0].values[0] ^ secret, inverse(shares[0].number));
            assert_eq!(multiply(slope, shares[0].number) ^ secret, shares[0].values[0]);
        }
    }

    #[test]
    fn the_field_is_a_field() {
        for one in 1..=255_u8 {
            assert_eq!(multiply(one, inverse(one)), 1, "{one}");
            assert_eq!(multiply(one, 1), one);
        }
        // FIPS 197, section 4.2.
        assert_eq!(multiply(0x57, 0x83), 0xc1);
    }

    #[test]
    fn misread_shares_and_those_of_other_splittings_are_named() {
        let mut entropy = SeededEntropy::new(9);
        let words = RecoveryWords::generate(&mut entropy);
        let [one, two, three]: [Share; 3] = words.split(3, 2, &mut entropy).unwrap().try_into().unwrap();
        let other = words.split(3, 2, &mut entropy).unwrap().remove(0);
        assert!(fault(&text(&[&one, &other])).contains("do not belong together"));
        assert!(fault(&text(&[&one, &one])).contains("1 of 2"));
        let mut misread: Vec<&str> = one.words().into_iter().chain(two.words()).collect();
        misread.swap(30, 31);
        assert!(fault(&misread.join(" ")).contains("share 2"), "{}", fault(&misread.join(" ")));
        misread[40] = "safelight";
        assert!(fault(&misread.join(" ")).contains("word 41"));
        let mut forged = three;
        forged.values[5] ^= 1;
        assert!(fault(&text(&[&one, &two, &forged])).contains("do not belong together"));
        assert!(split(&[0; 32], 3, 1, &mut entropy).is_err());
        assert!(split(&[0; 32], 2, 3, &mut entropy).is_err());
        assert!(split(&[0; 32], 16, 3, &mut entropy).is_err());
    }
}
