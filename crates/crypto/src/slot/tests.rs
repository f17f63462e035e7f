use super::*;
use crate::entropy::SeededEntropy;
use crate::secret::SecretBytes;
use crate::wrap::StoreError;

const LIBRARY: LibraryId = LibraryId::from_bytes([7; 20]);

fn create(secret: &SlotSecret<'_>, unlock_key: &UnlockKey, entropy: &mut SeededEntropy) -> Slot {
    Slot::create(LIBRARY, "a slot", secret, PassphraseCost::MINIMUM, unlock_key, entropy).expect("creates")
}

/// A key store that wraps by XOR: enough to see that only wrapped bytes reach the slot.
struct Token(u8);

impl KeyWrap for Token {
    fn kind(&self) -> SlotKind {
        SlotKind::Pkcs11
    }

    fn wrap(&self, secret: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
        Ok(secret.iter().map(|byte| byte ^ self.0).collect())
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, StoreError> {
        Ok(SecretBytes::new(wrapped.iter().map(|byte| byte ^ self.0).collect()))
    }
}

#[test]
fn every_kind_of_slot_opens_with_its_secret_and_with_no_other() {
    let mut entropy = SeededEntropy::new(20);
    let unlock_key = UnlockKey::generate(&mut entropy);
    let words = RecoveryWords::generate(&mut entropy);
    let other_words = RecoveryWords::generate(&mut entropy);
    let (token, other_token) = (Token(0x5a), Token(0x33));
    let right = [
        (SlotSecret::Passphrase("correct horse"), SlotSecret::Passphrase("wrong horse")),
        (SlotSecret::KeyFile(&[1; 32]), SlotSecret::KeyFile(&[2; 32])),
        (SlotSecret::Recovery(&words), SlotSecret::Recovery(&other_words)),
        (SlotSecret::Store(&token), SlotSecret::Store(&other_token)),
    ];
    for (secret, wrong) in right {
        let slot = create(&secret, &unlock_key, &mut entropy);
        let text = serde_json::to_string(&slot).expect("serializes");
        let slot: Slot = serde_json::from_str(&text).expect("parses");
        assert_eq!(slot.open(LIBRARY, &secret).expect("opens").as_bytes(), unlock_key.as_bytes());
        assert_eq!(slot.open(LIBRARY, &wrong).expect_err("wrong").fault(), Some(&Fault::WrongSecret));
        let elsewhere = slot.open(LibraryId::from_bytes([8; 20]), &secret);
        assert_eq!(elsewhere.expect_err("another library").fault(), Some(&Fault::WrongSecret));
    }
}

#[test]
fn all_slots_take_a_new_unlock_key_without_their_secrets() {
    let mut entropy = SeededEntropy::new(21);
    let (old, new) = (UnlockKey::generate(&mut entropy), UnlockKey::generate(&mut entropy));
    let secret = SlotSecret::KeyFile(&[9; 64]);
    let slot = create(&secret, &old, &mut entropy);
    let resealed = slot.reseal(LIBRARY, &old, &new, &mut entropy).expect("reseals");
    assert_eq!(resealed.open(LIBRARY, &secret).expect("opens").as_bytes(), new.as_bytes());
    assert_eq!(resealed.generation(), new.generation());
    assert_eq!(slot.open(LIBRARY, &secret).expect("still opens").as_bytes(), old.as_bytes());
}

#[test]
fn a_planted_public_key_gets_no_unlock_key() {
    let mut entropy = SeededEntropy::new(22);
    let unlock_key = UnlockKey::generate(&mut entropy);
    let secret = SlotSecret::KeyFile(&[9; 64]);
    let mut slot = create(&secret, &unlock_key, &mut entropy);
    slot.public_key = KemSecret::generate(&mut entropy).public();
    let next = UnlockKey::generate(&mut entropy);
    let error = slot.reseal(LIBRARY, &unlock_key, &next, &mut entropy).expect_err("planted");
    assert_eq!(error.fault(), Some(&Fault::NotAuthentic));
}

#[test]
fn an_altered_label_is_noticed_and_an_honest_one_is_not() {
    let mut entropy = SeededEntropy::new(23);
    let unlock_key = UnlockKey::generate(&mut entropy);
    let secret = SlotSecret::KeyFile(&[9; 64]);
    let slot = create(&secret, &unlock_key, &mut entropy);
    let honest = slot.relabel(LIBRARY, "laptop", &unlock_key).expect("relabels");
    assert!(honest.open(LIBRARY, &secret).is_ok());
    let forged = Slot { label: "desktop".to_owned(), ..honest };
    let error = forged.open(LIBRARY, &secret).expect_err("forged");
    assert_eq!(error.fault(), Some(&Fault::NotAuthentic));
}

#[test]
fn a_key_file_must_be_long_enough_to_be_a_secret() {
    let mut entropy = SeededEntropy::new(24);
    let unlock_key = UnlockKey::generate(&mut entropy);
    let error = Slot::create(
        LIBRARY,
        "short",
        &SlotSecret::KeyFile(b"password"),
        PassphraseCost::MINIMUM,
        &unlock_key,
        &mut entropy,
    );
    assert_eq!(error.expect_err("too short").fault(), Some(&Fault::KeyFileSize));
}
