//! Recovery words: the root of a library. Twenty-four BIP-39 words are 32 random bytes; from them come a
//! signing key (root cards, the first statements) and a KEM key (every epoch is wrapped to it), and the
//! words' id, which at birth is the library's id. The words alone find, verify and open a library.
//!
//! Spec: sl1.md §1.2.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bip39::{Language, Mnemonic};
use zeroize::Zeroize as _;

use crate::entropy::{Entropy, draw};
use crate::error::{CryptoError, Fault, Result};
use crate::ids::LibraryId;
use crate::kem::{KemPublic, KemSecret};
use crate::primitive::{hkdf_extract, sha256};
use crate::secret::Secret;
use crate::shares::{self, SHARE_WORD_COUNT, Share};
use crate::sign::{SigningKey, VerifyingKey};

/// How many words there are.
pub const WORD_COUNT: usize = 24;

/// The word of the BIP-39 English list with this number, counted from 0; the last for a number beyond.
#[must_use]
pub fn word_of(number: u16) -> &'static str {
    let list = Language::English.word_list();
    list[usize::from(number).min(list.len() - 1)]
}

/// The number of a word of the BIP-39 English list.
#[must_use]
pub fn number_of_word(word: &str) -> Option<u16> {
    Language::English.find_word(word)
}

/// The words, as the 32 bytes that they spell.
#[derive(Clone)]
pub struct RecoveryWords {
    secret: Secret,
    /// The public halves once they were asked for: they take long to derive, and whoever has the words asks often.
    card: Arc<OnceLock<WordsCard>>,
}

impl RecoveryWords {
    /// Draws new words.
    #[must_use]
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self::spelling(Secret::from_bytes(draw(entropy)))
    }

    fn spelling(secret: Secret) -> Self {
        Self { secret, card: Arc::default() }
    }

    /// Splits the words into `count` shares of which any `threshold` give them back, and fewer tell nothing.
    ///
    /// # Errors
    /// [`Fault::ShareCounts`] unless 2 ≤ `threshold` ≤ `count` ≤ 15.
    pub fn split(&self, count: u8, threshold: u8, entropy: &mut dyn Entropy) -> Result<Vec<Share>> {
        shares::split(self.secret.as_bytes(), count, threshold, entropy)
    }

    /// Reads words as a person typed them: any white space between them, any case. So many shares as are needed, one after the
    /// other in any order, are as good.
    ///
    /// # Errors
    /// [`Fault::WordCount`], [`Fault::UnknownWord`] (with its position, from 1) or [`Fault::WordsChecksum`]; of shares
    /// [`Fault::ShareChecksum`], [`Fault::SharesOfSeveral`] or [`Fault::TooFewShares`].
    pub fn parse(text: &str) -> Result<Self> {
        let mut normal = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let parsed = Self::parse_normal(&normal);
        normal.zeroize();
        parsed
    }

    fn parse_normal(text: &str) -> Result<Self> {
        let count = text.split(' ').filter(|word| !word.is_empty()).count();
        if count > 0 && count % SHARE_WORD_COUNT == 0 {
            return Self::parse_shares(text);
        }
        if count != WORD_COUNT {
            return Err(words_error(Fault::WordCount(count)));
        }
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, text).map_err(|error| {
            words_error(match error {
                bip39::Error::UnknownWord(index) => Fault::UnknownWord(index + 1),
                bip39::Error::BadWordCount(count) => Fault::WordCount(count),
                _ => Fault::WordsChecksum,
            })
        })?;
        let (mut entropy, _) = mnemonic.to_entropy_array();
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&entropy[..32]);
        entropy.zeroize();
        Ok(Self::spelling(Secret::from_bytes(bytes)))
    }

    fn parse_shares(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let shares = (0..).step_by(SHARE_WORD_COUNT).zip(words.chunks_exact(SHARE_WORD_COUNT));
        let shares: Vec<Share> =
            shares.map(|(before, words)| Share::parse(words, before)).collect::<Result<_>>()?;
        let mut bytes = shares::combine(&shares)?;
        let words = Self::spelling(Secret::from_bytes(bytes));
        bytes.zeroize();
        Ok(words)
    }

    /// The words, in order.
    #[must_use]
    #[expect(clippy::expect_used, reason = "32 bytes are always 24 words")]
    pub fn words(&self) -> [&'static str; WORD_COUNT] {
        let mnemonic = Mnemonic::from_entropy(self.secret.as_bytes()).expect("BUG: 32 bytes are 24 words");
        let mut words = [""; WORD_COUNT];
        for (place, word) in words.iter_mut().zip(mnemonic.words()) {
            *place = word;
        }
        words
    }

    fn derive(&self, label: &[u8]) -> Secret {
        Secret::from_bytes(hkdf_extract(b"safelight/1 words", self.secret.as_bytes())).expand(label)
    }

    /// The key that signs root cards.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_seed(&self.derive(b"signing"))
    }

    /// The key that epoch secrets are wrapped to.
    #[must_use]
    pub fn kem_key(&self) -> KemSecret {
        KemSecret::from_seed(self.derive(b"kem"))
    }

    /// The secret of a recovery key slot.
    pub(crate) fn slot_secret(&self) -> Secret {
        self.derive(b"slot")
    }

    /// Both public halves.
    #[must_use]
    pub fn card(&self) -> WordsCard {
        let derive = || WordsCard {
            verifying_key: self.signing_key().verifying_key(),
            kem_public: self.kem_key().public(),
        };
        self.card.get_or_init(derive).clone()
    }

    /// The words' id: at a library's birth, the library's id.
    #[must_use]
    pub fn library_id(&self) -> LibraryId {
        self.card().id()
    }
}

impl fmt::Debug for RecoveryWords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RecoveryWords(..)")
    }
}

/// The public halves of recovery words: who may sign a root card, and whom epochs are wrapped to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordsCard {
    /// Verifies what the words sign.
    pub verifying_key: VerifyingKey,
    /// Receives what only the words may open.
    pub kem_public: KemPublic,
}

impl WordsCard {
    /// The first 20 bytes of SHA-256 over both keys.
    #[must_use]
    pub fn id(&self) -> LibraryId {
        let digest = sha256(&[self.verifying_key.as_bytes(), self.kem_public.as_bytes()]);
        let mut id = [0; 20];
        id.copy_from_slice(&digest[..20]);
        LibraryId::from_bytes(id)
    }
}

pub(crate) fn words_error(fault: Fault) -> CryptoError {
    fault.of("recovery words")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn words_read_back_however_they_are_typed() {
        let words = RecoveryWords::generate(&mut SeededEntropy::new(3));
        let typed = words.words().join("\n   ").to_uppercase();
        let again = RecoveryWords::parse(&typed).expect("the same words");
        assert_eq!(again.library_id(), words.library_id());
    }

    #[test]
    fn a_wrong_word_is_named_by_its_position() {
        let words = RecoveryWords::generate(&mut SeededEntropy::new(3));
        let mut list = words.words();
        list[6] = "safelight";
        let error = RecoveryWords::parse(&list.join(" ")).expect_err("not a word");
        assert_eq!(error.fault(), Some(&Fault::UnknownWord(7)));
    }

    #[test]
    fn swapped_words_fail_the_checksum_and_twelve_are_too_few() {
        let list = ["abandon"; 23].join(" ");
        let good = format!("{list} art");
        assert!(RecoveryWords::parse(&good).is_ok());
        let error = RecoveryWords::parse(&format!("{list} abandon")).expect_err("wrong checksum");
        assert_eq!(error.fault(), Some(&Fault::WordsChecksum));
        let error = RecoveryWords::parse("abandon about").expect_err("too few");
        assert_eq!(error.fault(), Some(&Fault::WordCount(2)));
    }
}
