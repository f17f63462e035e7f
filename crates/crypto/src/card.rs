//! The root card: what the recovery words find in a place. It names the library and the format, pins the
//! statements made so far, and is signed by the words; whoever holds the words can check it with nothing else.
//!
//! Spec: sl1.md §1.11.

use crate::codec::{Reader, Writer};
use crate::error::{Fault, Result};
use crate::ids::LibraryId;
use crate::kem::{KEM_PUBLIC_LEN, KemPublic};
use crate::names;
use crate::primitive::sha256;
use crate::sign::{Domain, SIGNATURE_LEN, Signature, VerifyingKey};
use crate::statement::StatementId;
use crate::words::{RecoveryWords, WordsCard};

const MAGIC: &[u8; 4] = b"SLRC";
/// The format that a library is written in; raised only when old programs must not read at all.
pub const BASE_FORMAT: u16 = 1;

/// A root card whose signature is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootCard {
    words: WordsCard,
    library: LibraryId,
    statements: [u8; 32],
    millis: u64,
}

impl RootCard {
    /// Writes and signs a card. `statements` is [`statements_hash`] of all statements so far, `millis` the
    /// date in milliseconds since 1970.
    #[must_use]
    pub fn sign(words: &RecoveryWords, library: LibraryId, statements: [u8; 32], millis: u64) -> Vec<u8> {
        let card = words.card();
        let mut bytes = Writer::new()
            .raw(MAGIC)
            .u16(BASE_FORMAT)
            .raw(card.verifying_key.as_bytes())
            .raw(card.kem_public.as_bytes())
            .raw(library.as_bytes())
            .raw(&statements)
            .u64(millis)
            .finish();
        let signature = words.signing_key().sign(Domain::RootCard, &bytes);
        bytes.extend_from_slice(signature.as_bytes());
        bytes
    }

    /// Reads the card that rests under `words_id` and checks that the words of that id signed it.
    ///
    /// # Errors
    /// [`Fault::KeysNotOfId`], [`Fault::BadSignature`], or the first rule that the bytes break.
    pub fn open(bytes: &[u8], words_id: &LibraryId) -> Result<Self> {
        Self::parse(bytes, words_id).map_err(|fault| fault.of(names::root_card(words_id)))
    }

    fn parse(bytes: &[u8], words_id: &LibraryId) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        reader.magic(MAGIC)?;
        match reader.u16()? {
            BASE_FORMAT => {}
            other => return Err(Fault::UnknownVersion(other)),
        }
        let verifying_key = VerifyingKey::from_bytes(reader.array()?);
        let kem_public = reader.raw(KEM_PUBLIC_LEN)?;
        if sha256(&[verifying_key.as_bytes(), kem_public])[..LibraryId::LEN] != *words_id.as_bytes() {
            return Err(Fault::KeysNotOfId);
        }
        let words = WordsCard { verifying_key, kem_public: KemPublic::from_bytes(kem_public)? };
        let library = LibraryId::from_bytes(reader.array()?);
        let statements = reader.array()?;
        let millis = reader.u64()?;
        let signature = Signature::from_bytes(reader.array()?);
        reader.finish()?;
        verifying_key.verify(Domain::RootCard, &bytes[..bytes.len() - SIGNATURE_LEN], &signature)?;
        Ok(Self { words, library, statements, millis })
    }

    /// The public halves of the words that signed.
    #[must_use]
    pub fn words(&self) -> &WordsCard {
        &self.words
    }

    /// The library.
    #[must_use]
    pub fn library(&self) -> LibraryId {
        self.library
    }

    /// The hash of the statements that were made when the card was written.
    #[must_use]
    pub fn statements(&self) -> &[u8; 32] {
        &self.statements
    }

    /// When the card was written, in milliseconds since 1970, by the writer's clock.
    #[must_use]
    pub fn millis(&self) -> u64 {
        self.millis
    }
}

/// The hash of a set of statements: SHA-256 over their ids, sorted.
#[must_use]
pub fn statements_hash(statements: impl IntoIterator<Item = StatementId>) -> [u8; 32] {
    let mut ids: Vec<_> = statements.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    let parts: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    sha256(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn the_words_alone_find_and_verify_their_card() {
        let mut entropy = SeededEntropy::new(50);
        let words = RecoveryWords::generate(&mut entropy);
        let bytes = RootCard::sign(&words, words.library_id(), statements_hash([]), 1_790_000_000_000);
        let card = RootCard::open(&bytes, &words.library_id()).expect("opens");
        assert_eq!(card.library(), words.library_id());
        assert_eq!(*card.words(), words.card());
    }

    #[test]
    fn no_byte_of_a_card_can_be_changed() {
        let words = RecoveryWords::generate(&mut SeededEntropy::new(51));
        let bytes = RootCard::sign(&words, words.library_id(), [1; 32], 5);
        for place in (0..bytes.len()).step_by(13) {
            let mut forged = bytes.clone();
            forged[place] ^= 0x10;
            assert!(RootCard::open(&forged, &words.library_id()).is_err(), "byte {place}");
        }
    }
}
