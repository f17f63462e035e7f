//! The code of one pairing: 80 random bits, as eight words.

use std::fmt;

use zeroize::Zeroizing;

use crate::entropy::{Entropy, draw};
use crate::epoch::SealingSecret;
use crate::error::{CryptoError, Fault, Result};
use crate::ids::{PairingId, base32};
use crate::primitive::{hkdf_expand, hkdf_extract, sha256};
use crate::secret::Secret;
use crate::words::{number_of_word, word_of};

/// How many words a code has.
pub const CODE_WORDS: usize = 8;
/// Bytes of the code.
const CODE_LEN: usize = 10;
/// Bits of one word.
const BITS: usize = 11;

/// A one-time code, drawn by the device that invites. It wipes itself and never prints.
#[derive(Clone)]
pub struct PairingCode(Zeroizing<[u8; CODE_LEN]>);

impl PairingCode {
    /// Draws a new code.
    #[must_use]
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self(Zeroizing::new(draw(entropy)))
    }

    /// The eight words: the code and a byte of check, eleven bits a word.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        let bytes = self.checked();
        let bit = |at: usize| u16::from(bytes[at / 8] >> (7 - at % 8) & 1);
        let word = |word: usize| {
            word_of((word * BITS..(word + 1) * BITS).fold(0, |number, at| number << 1 | bit(at)))
        };
        Zeroizing::new((0..CODE_WORDS).map(word).collect::<Vec<_>>().join(" "))
    }

    /// Reads words as a person typed them: any white space between them, any case.
    ///
    /// # Errors
    /// [`Fault::WordCount`], [`Fault::UnknownWord`] (with its position, from 1) or [`Fault::WordsChecksum`].
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text).map_err(code_error)
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let count = text.split_whitespace().count();
        if count != CODE_WORDS {
            return Err(Fault::WordCount(count));
        }
        let mut bytes = Zeroizing::new([0_u8; CODE_LEN + 1]);
        for (place, word) in text.split_whitespace().enumerate() {
            let word = Zeroizing::new(word.to_lowercase());
            let number = number_of_word(&word).ok_or(Fault::UnknownWord(place + 1))?;
            for at in 0..BITS {
                let to = place * BITS + at;
                bytes[to / 8] |= u8::from(number >> (BITS - 1 - at) & 1 == 1) << (7 - to % 8);
            }
        }
        let mut code = Zeroizing::new([0; CODE_LEN]);
        code.copy_from_slice(&bytes[..CODE_LEN]);
        let code = Self(code);
        if *code.checked() == *bytes { Ok(code) } else { Err(Fault::WordsChecksum) }
    }

    fn checked(&self) -> Zeroizing<[u8; CODE_LEN + 1]> {
        let mut bytes = Zeroizing::new([0; CODE_LEN + 1]);
        bytes[..CODE_LEN].copy_from_slice(&*self.0);
        bytes[CODE_LEN] = sha256(&[b"safelight/1 pairing code", &*self.0])[0];
        bytes
    }

    /// What an invitation is called on the local network, 26 letters and digits: who has the code knows it again, and to
    /// everybody else it is noise. One code serves one invitation, so no two of them have one in common.
    #[must_use]
    pub fn local_name(&self) -> String {
        let secret = Secret::from_bytes(hkdf_extract(b"safelight/1 pairing", &*self.0));
        base32(&hkdf_expand::<16>(secret.as_bytes(), &[b"local network"]))
    }

    /// What the messages of a pairing are sealed under. Its id goes in, so that one code never serves two.
    pub(super) fn sealing_secret(&self, id: &PairingId) -> SealingSecret {
        let secret = Secret::from_bytes(hkdf_extract(b"safelight/1 pairing", &*self.0));
        SealingSecret(Secret::from_bytes(hkdf_expand(secret.as_bytes(), &[b"sealing", id.as_bytes()])))
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PairingCode(..)")
    }
}

fn code_error(fault: Fault) -> CryptoError {
    fault.of("pairing code")
}
