//! A passkey as a key store: what an authenticator answers to a question wraps the secret of a key slot.
//!
//! ```text
//! u8(1) ‖ lp(credential id) ‖ salt (32) ‖ AEAD(key, 0¹², secret) (48)
//! key = HKDF(output, salt, "safelight/1 passkey" ‖ library id ‖ lp(credential id))
//! ```
//! The question is the credential's id and the salt; the answer, 32 bytes, is the output of WebAuthn's PRF extension over
//! that salt, which the authenticator gives only once it has recognised its owner. A browser asks it; nothing here does.
//! Invariant: a key seals one secret, since each slot has a salt of its own.
//!
//! Spec: sl1.md §1.9.

use zeroize::Zeroize as _;

use crate::codec::{Reader, Writer};
use crate::error::Fault;
use crate::ids::LibraryId;
use crate::primitive::{Gcm, TAG_LEN, hkdf};
use crate::secret::{Secret, SecretBytes};
use crate::slot::{Slot, SlotKind};
use crate::wrap::{KeyWrap, StoreError};

/// What is wrapped comes behind this.
const VERSION: u8 = 1;
/// The most bytes that WebAuthn gives a credential's id.
const CREDENTIAL_BYTES: usize = 1023;
/// Bytes of the secret and its tag.
const SEALED_LEN: usize = 32 + TAG_LEN;

/// What an authenticator is asked to open a slot: nothing of it is secret, and it tells nobody anything but the authenticator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyQuestion {
    credential: Vec<u8>,
    salt: [u8; 32],
}

impl PasskeyQuestion {
    /// A question for a new slot, about a credential that was just made. The salt must be random and used for no other slot.
    ///
    /// # Errors
    /// [`StoreError::Failed`] for an id that is empty or has more than 1,023 bytes.
    pub fn new(credential: Vec<u8>, salt: [u8; 32]) -> Result<Self, StoreError> {
        if credential.is_empty() || credential.len() > CREDENTIAL_BYTES {
            return Err(StoreError::Failed("this is no id of a passkey".to_owned()));
        }
        Ok(Self { credential, salt })
    }

    /// The question that opens a slot; none where that is no passkey's.
    #[must_use]
    pub fn of_slot(slot: &Slot) -> Option<Self> {
        let wrapped = slot.wrapped_secret().filter(|_| slot.kind() == SlotKind::Passkey)?;
        parse(wrapped).ok().map(|(question, _)| question)
    }

    /// The id of the credential, 1 to 1,023 bytes.
    #[must_use]
    pub fn credential(&self) -> &[u8] {
        &self.credential
    }

    /// What the output is taken over: `prf.eval.first` of WebAuthn.
    #[must_use]
    pub fn salt(&self) -> &[u8; 32] {
        &self.salt
    }

    /// The passkey with what its authenticator answered to this.
    #[must_use]
    pub fn answered(self, library: LibraryId, output: [u8; 32]) -> Passkey {
        Passkey { library, question: self, output: Secret::from_bytes(output) }
    }
}

/// A passkey that has answered its question.
#[derive(Debug)]
pub struct Passkey {
    library: LibraryId,
    question: PasskeyQuestion,
    output: Secret,
}

impl Passkey {
    fn key(&self) -> Gcm {
        let PasskeyQuestion { credential, salt } = &self.question;
        let credential = Writer::new().prefixed(credential).finish();
        let info: [&[u8]; 3] = [b"safelight/1 passkey", self.library.as_bytes(), &credential];
        let mut key = hkdf::<32>(self.output.as_bytes(), salt, &info);
        let gcm = Gcm::new(&key);
        key.zeroize();
        gcm
    }
}

impl KeyWrap for Passkey {
    fn kind(&self) -> SlotKind {
        SlotKind::Passkey
    }

    fn wrap(&self, secret: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
        let mut sealed = SecretBytes::new(secret.to_vec());
        let tag = self.key().seal_in_place(&[0; 12], &mut sealed);
        let PasskeyQuestion { credential, salt } = &self.question;
        Ok(Writer::new().u8(VERSION).prefixed(credential).raw(salt).raw(&sealed).raw(&tag).finish())
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, StoreError> {
        let (question, sealed) =
            parse(wrapped).map_err(|_| StoreError::Foreign("this is no slot of a passkey".to_owned()))?;
        if question != self.question {
            return Err(StoreError::Absent("it is another passkey's".to_owned()));
        }
        let mut bytes = SecretBytes::new(sealed.to_vec());
        let opened = self.key().open_in_place(&[0; 12], &mut bytes).map_err(|_| {
            StoreError::Denied("what the passkey answered is not what it was made with".to_owned())
        })?;
        Ok(SecretBytes::new(opened.to_vec()))
    }
}

fn parse(wrapped: &[u8]) -> Result<(PasskeyQuestion, [u8; SEALED_LEN]), Fault> {
    let mut reader = Reader::new(wrapped);
    if reader.u8()? != VERSION {
        return Err(Fault::BadField("wrapped_secret"));
    }
    let credential = reader.prefixed(CREDENTIAL_BYTES)?.to_vec();
    let (salt, sealed) = (reader.array()?, reader.array()?);
    reader.finish()?;
    let question = PasskeyQuestion::new(credential, salt).map_err(|_| Fault::BadField("wrapped_secret"))?;
    Ok((question, sealed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;
    use crate::keyring::UnlockKey;
    use crate::passphrase::PassphraseCost;
    use crate::slot::SlotSecret;

    const LIBRARY: LibraryId = LibraryId::from_bytes([7; 20]);

    fn question(credential: u8, salt: u8) -> PasskeyQuestion {
        PasskeyQuestion::new(vec![credential; 32], [salt; 32]).expect("an id")
    }

    fn slot(passkey: &Passkey, unlock_key: &UnlockKey, entropy: &mut SeededEntropy) -> Slot {
        let secret = SlotSecret::Store(passkey);
        Slot::create(LIBRARY, "phone", &secret, PassphraseCost::MINIMUM, unlock_key, entropy)
            .expect("creates")
    }

    #[test]
    fn only_the_passkey_that_answers_right_opens_its_slot_and_a_new_unlock_key_asks_it_nothing() {
        let mut entropy = SeededEntropy::new(80);
        let (old, new) = (UnlockKey::generate(&mut entropy), UnlockKey::generate(&mut entropy));
        let right = question(1, 2).answered(LIBRARY, [3; 32]);
        let made = slot(&right, &old, &mut entropy);
        assert_eq!(PasskeyQuestion::of_slot(&made), Some(question(1, 2)));
        let rotated = made.reseal(LIBRARY, &old, &new, &mut entropy).expect("reseals");
        for (slot, key) in [(&made, &old), (&rotated, &new)] {
            let opened = slot.open(LIBRARY, &SlotSecret::Store(&right)).expect("opens");
            assert_eq!(opened.as_bytes(), key.as_bytes());
            let wrong = question(1, 2).answered(LIBRARY, [4; 32]);
            let error = slot.open(LIBRARY, &SlotSecret::Store(&wrong)).expect_err("another answer");
            assert!(matches!(error.store_error(), Some(StoreError::Denied(_))), "{error}");
            for other in [question(9, 2), question(1, 9)] {
                let other = other.answered(LIBRARY, [3; 32]);
                let error = slot.open(LIBRARY, &SlotSecret::Store(&other)).expect_err("another question");
                assert!(matches!(error.store_error(), Some(StoreError::Absent(_))), "{error}");
            }
            let elsewhere = question(1, 2).answered(LibraryId::from_bytes([8; 20]), [3; 32]);
            let error = slot.open(LIBRARY, &SlotSecret::Store(&elsewhere)).expect_err("another library");
            assert!(matches!(error.store_error(), Some(StoreError::Denied(_))), "{error}");
        }
    }

    #[test]
    fn what_a_slot_holds_is_read_strictly() {
        let good = question(1, 2).answered(LIBRARY, [3; 32]).wrap(&[5; 32]).expect("wraps");
        assert_eq!(parse(&good).expect("good").0, question(1, 2));
        for cut in 0..good.len() {
            assert!(parse(&good[..cut]).is_err(), "{cut}");
        }
        assert!(parse(&[good.as_slice(), &[0]].concat()).is_err());
        assert!(parse(&[&[2], &good[1..]].concat()).is_err());
        for length in [0, CREDENTIAL_BYTES + 1] {
            assert!(PasskeyQuestion::new(vec![1; length], [2; 32]).is_err(), "{length}");
            let wrapped = Writer::new().u8(VERSION).prefixed(&vec![1; length]).raw(&[0; 80]).finish();
            assert!(parse(&wrapped).is_err(), "{length}");
        }
    }

    #[test]
    fn nothing_secret_is_told_of_a_passkey() {
        let told = format!("{:?}", question(1, 2).answered(LIBRARY, [0xab; 32]));
        assert!(!told.contains("171, 171") && !told.contains("abab"), "{told}");
    }
}
