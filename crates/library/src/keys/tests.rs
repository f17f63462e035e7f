use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use safelight_crypto::{
    Device, Epoch, PassphraseCost, RecoveryWords, SeededEntropy, Slot, SlotKind, SlotSecret,
};
use zeroize::Zeroizing;

use super::*;

/// A library with a passphrase, a key file and the recovery words.
struct Fixture {
    temporary: tempfile::TempDir,
    folder: LibraryFolder,
    keys: UnlockedKeys,
    words: RecoveryWords,
    entropy: SeededEntropy,
}

const PASSPHRASE: &str = "correct horse battery staple";
const KEY_FILE: &[u8] = &[0x42; 64];

impl Fixture {
    fn new() -> Self {
        let temporary = tempfile::tempdir().expect("temporary folder");
        let mut entropy = SeededEntropy::new(11);
        let words = RecoveryWords::generate(&mut entropy);
        let slots = [
            NewSlot::passphrase("mine", Zeroizing::new(PASSPHRASE.to_owned()))
                .with_cost(PassphraseCost::MINIMUM),
            NewSlot::key_file("stick", Zeroizing::new(KEY_FILE.to_vec())),
        ];
        let path = temporary.path().join("library");
        let NewLibrary { folder, keys } =
            NewLibrary::create(&path, &words, &slots, &mut entropy).expect("creates");
        Self { temporary, folder, keys, words, entropy }
    }

    fn slot(&self, kind: SlotKind) -> Slot {
        let mut slots = self.folder.keys().slots().expect("lists").slots;
        slots.retain(|slot| slot.kind() == kind);
        slots.pop().expect("there is one")
    }

    fn files(&self) -> Vec<PathBuf> {
        let survey = self.folder.survey().expect("surveys");
        assert!(survey.iter().all(|entry| entry.is_known), "{survey:?}");
        survey.into_iter().map(|entry| self.folder.path().join(entry.relative)).collect()
    }
}

#[test]
fn a_new_library_opens_by_each_of_its_slots() {
    let fixture = Fixture::new();
    let keys = fixture.folder.keys();
    let list = keys.slots().expect("lists");
    assert_eq!((list.slots.len(), list.damaged.len()), (3, 0));
    for secret in [
        SlotSecret::Passphrase(PASSPHRASE),
        SlotSecret::KeyFile(KEY_FILE),
        SlotSecret::Recovery(&fixture.words),
    ] {
        let slot = fixture.slot(secret.kind());
        let opened = keys.test_slot(slot.id(), &secret).expect("opens");
        assert_eq!(opened.keyring.device().id(), fixture.keys.keyring.device().id());
    }
    let wrong = keys.test_slot(fixture.slot(SlotKind::Passphrase).id(), &SlotSecret::Passphrase("wrong"));
    assert!(matches!(wrong, Err(KeysError::WrongSecret { .. })));
    let noted = keys.attempts().expect("reads").attempts;
    let slot = fixture.slot(SlotKind::Passphrase).id();
    assert_eq!(noted.len(), 1, "{noted:?}");
    assert_eq!((noted[0].way, noted[0].slot), (AttemptWay::Passphrase, Some(slot)));
    fixture.folder.authenticate(&fixture.keys.keyring).expect("is authentic");
    assert_eq!(keys.verify(&fixture.keys).expect("verifies"), []);
    for file in fixture.files() {
        assert_eq!(std::fs::metadata(&file).expect("stats").permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn a_library_without_a_way_in_or_with_a_bad_secret_is_not_begun() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let path = temporary.path().join("library");
    let mut entropy = SeededEntropy::new(1);
    let words = RecoveryWords::generate(&mut entropy);
    assert!(matches!(NewLibrary::create(&path, &words, &[], &mut entropy), Err(KeysError::NoSlots)));
    let short = [NewSlot::key_file("short", Zeroizing::new(vec![1; 31]))];
    assert!(matches!(NewLibrary::create(&path, &words, &short, &mut entropy), Err(KeysError::Crypto(_))));
    assert!(!path.exists());
}

#[test]
fn slots_come_and_go_but_the_last_one_stays() {
    let mut fixture = Fixture::new();
    let folder = fixture.folder.clone();
    let keys = folder.keys();
    let secret = SlotSecret::KeyFile(&[9; 32]);
    let added = keys
        .add_slot(&fixture.keys, "second stick", &secret, PassphraseCost::MINIMUM, &mut fixture.entropy)
        .expect("adds");
    keys.test_slot(added.id(), &secret).expect("opens");
    let renamed = keys.relabel_slot(&fixture.keys, added.id(), "drawer").expect("renames");
    assert_eq!(renamed.label(), "drawer");
    assert_eq!(keys.find_slot("drawer").expect("finds").id(), added.id());
    assert_eq!(keys.find_slot(&added.id().to_string()[..8]).expect("finds").id(), added.id());
    assert!(matches!(keys.find_slot("attic"), Err(KeysError::NoSuchSlot { .. })));
    assert_eq!(keys.verify(&fixture.keys).expect("verifies"), []);

    let all = keys.slots().expect("lists").slots;
    let (last, others) = all.split_last().expect("there are some");
    for slot in others {
        keys.remove_slot(&fixture.keys, slot.id()).expect("removes");
    }
    assert!(matches!(keys.remove_slot(&fixture.keys, last.id()), Err(KeysError::LastSlot { .. })));
    assert!(matches!(keys.remove_slot(&fixture.keys, others[0].id()), Err(KeysError::NoSuchSlot { .. })));
    assert_eq!(keys.slots().expect("lists").slots.len(), 1);
}

#[test]
fn a_damaged_slot_does_not_count_as_the_one_that_stays() {
    let fixture = Fixture::new();
    let keys = fixture.folder.keys();
    let stays = fixture.slot(SlotKind::Passphrase).id();
    for slot in keys.slots().expect("lists").slots {
        if slot.id() != stays {
            let path = keys.path(SLOTS).join(format!("{}.toml", slot.id()));
            std::fs::write(path, "half a slot").expect("writes");
        }
    }
    assert!(matches!(keys.remove_slot(&fixture.keys, stays), Err(KeysError::LastSlot { .. })));
}

#[test]
fn a_changed_passphrase_opens_and_the_old_one_does_not() {
    let mut fixture = Fixture::new();
    let folder = fixture.folder.clone();
    let keys = folder.keys();
    let old = fixture.slot(SlotKind::Passphrase);
    let secret = SlotSecret::Passphrase("another passphrase");
    let new = keys
        .change_secret(&fixture.keys, old.id(), &secret, PassphraseCost::MINIMUM, &mut fixture.entropy)
        .expect("changes");
    assert_eq!(new.label(), old.label());
    keys.test_slot(new.id(), &secret).expect("opens");
    assert!(matches!(
        keys.test_slot(new.id(), &SlotSecret::Passphrase(PASSPHRASE)),
        Err(KeysError::WrongSecret { .. })
    ));
    assert!(matches!(keys.test_slot(old.id(), &secret), Err(KeysError::NoSuchSlot { .. })));
}

#[test]
fn the_unlock_key_is_replaced_without_any_secret_and_the_old_one_opens_nothing() {
    let mut fixture = Fixture::new();
    let folder = fixture.folder.clone();
    let keys = folder.keys();
    // A keyring before the last exists, and must not survive under the old key.
    keys.save_keyring(&fixture.keys, &mut fixture.entropy).expect("saves");
    keys.record_attempt(&FailedAttempt { at_millis: 5, way: AttemptWay::KeyFile, slot: None });
    let new = keys.replace_unlock_key(&fixture.keys, &mut fixture.entropy).expect("replaces");
    assert_ne!(new.unlock_key.as_bytes(), fixture.keys.unlock_key.as_bytes());
    assert!(matches!(keys.open_keyring(&fixture.keys.unlock_key), Err(KeysError::WrongKey)));
    for secret in [
        SlotSecret::Passphrase(PASSPHRASE),
        SlotSecret::KeyFile(KEY_FILE),
        SlotSecret::Recovery(&fixture.words),
    ] {
        let opened = keys.test_slot(fixture.slot(secret.kind()).id(), &secret).expect("still opens");
        assert_eq!(opened.unlock_key.as_bytes(), new.unlock_key.as_bytes());
    }
    assert_eq!(keys.verify(&new).expect("verifies"), []);
    assert_eq!(keys.attempts().expect("reads").attempts.len(), 1, "attempts are carried over");
    for file in fixture.files() {
        let bytes = std::fs::read(&file).expect("reads");
        assert!(!bytes.starts_with(b"SLO1") || file.ends_with(KEYRING), "{file:?} is under the old key");
    }
}

#[test]
fn an_old_slot_put_back_after_a_replacement_is_named() {
    let mut fixture = Fixture::new();
    let folder = fixture.folder.clone();
    let keys = folder.keys();
    let path = keys.path(SLOTS).join(format!("{}.toml", fixture.slot(SlotKind::KeyFile).id()));
    let old = std::fs::read(&path).expect("reads");
    let new = keys.replace_unlock_key(&fixture.keys, &mut fixture.entropy).expect("replaces");
    std::fs::write(&path, old).expect("writes");
    let damage = keys.verify(&new).expect("verifies");
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert!(path.ends_with(&damage[0].relative));
}

#[test]
fn an_interrupted_replacement_leaves_the_old_or_the_new_keys() {
    // Killed while the new keys were being built: the half-built ones go.
    let fixture = Fixture::new();
    let root = fixture.folder.path().to_owned();
    std::fs::create_dir_all(root.join("keys.new/slots")).expect("creates");
    std::fs::write(root.join("keys.new/keyring.sealed"), b"half").expect("writes");
    finish_replacement(&fixture.folder).expect("finishes");
    assert!(!root.join("keys.new").exists());
    assert_eq!(fixture.folder.keys().verify(&fixture.keys).expect("verifies"), []);

    // Killed between the two renames of a system that cannot exchange: the new ones are complete.
    std::fs::rename(root.join("keys"), root.join("keys.new")).expect("renames");
    std::fs::create_dir_all(root.join("keys.old/slots")).expect("creates");
    finish_replacement(&fixture.folder).expect("finishes");
    assert!(!root.join("keys.old").exists() && !root.join("keys.new").exists());
    assert_eq!(fixture.folder.keys().verify(&fixture.keys).expect("verifies"), []);
}

#[test]
fn the_keyring_before_the_last_is_used_when_the_last_is_damaged() {
    let mut fixture = Fixture::new();
    let folder = fixture.folder.clone();
    let keys = folder.keys();
    let first_epoch = fixture.keys.keyring.epoch().id();
    fixture.keys.keyring.add_epoch(Epoch::generate(&mut fixture.entropy));
    keys.save_keyring(&fixture.keys, &mut fixture.entropy).expect("saves");
    let opened = keys.open_keyring(&fixture.keys.unlock_key).expect("opens");
    assert_eq!((opened.keyring.epochs().len(), opened.source), (2, KeyringSource::Current));

    let mut bytes = std::fs::read(keys.path(KEYRING)).expect("reads");
    bytes[200] ^= 1;
    std::fs::write(keys.path(KEYRING), bytes).expect("writes");
    let opened = keys.open_keyring(&fixture.keys.unlock_key).expect("opens the one before");
    assert_eq!(opened.keyring.epoch().id(), first_epoch);
    assert!(matches!(opened.source, KeyringSource::Previous { .. }));

    // A damaged keyring never replaces the good one before it.
    keys.save_keyring(&fixture.keys, &mut fixture.entropy).expect("saves");
    std::fs::remove_file(keys.path(KEYRING)).expect("removes");
    keys.open_keyring(&fixture.keys.unlock_key).expect("the one before is still whole");
}

#[test]
fn a_flipped_bit_in_any_file_is_found_and_the_file_named() {
    let mut fixture = Fixture::new();
    let folder = fixture.folder.clone();
    let keys = folder.keys();
    keys.save_keyring(&fixture.keys, &mut fixture.entropy).expect("saves");
    keys.record_attempt(&FailedAttempt { at_millis: 1, way: AttemptWay::Passphrase, slot: None });
    keys.record_attempt(&FailedAttempt { at_millis: 2, way: AttemptWay::Recovery, slot: None });
    let mut flips = 0;
    for file in fixture.files().into_iter().filter(|file| file.starts_with(folder.keys_path())) {
        let good = std::fs::read(&file).expect("reads");
        // Every 7th bit of small files, every 97th of large ones: both reach all eight positions of a byte.
        let step = if good.len() < 2_000 { 7 } else { 97 };
        for bit in (0..good.len() * 8).step_by(step) {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&file, &bytes).expect("writes");
            let damage = keys.verify(&fixture.keys).expect("verifies");
            assert!(
                damage.iter().any(|damage| file.ends_with(&damage.relative)),
                "bit {bit} of {file:?} went unnoticed: {damage:?}"
            );
            flips += 1;
        }
        std::fs::write(&file, good).expect("writes");
    }
    assert!(flips > 1_000, "only {flips} bits were tried");
    assert_eq!(keys.verify(&fixture.keys).expect("verifies"), []);
}

#[test]
fn a_damaged_stamp_is_named_but_locks_nobody_out() {
    let fixture = Fixture::new();
    let keys = fixture.folder.keys();
    let slot = fixture.slot(SlotKind::KeyFile);
    let path = keys.path(SLOTS).join(format!("{}.toml", slot.id()));
    let mut bytes = std::fs::read(&path).expect("reads");
    let end = bytes.len() - 3;
    bytes[end] ^= 1;
    std::fs::write(&path, bytes).expect("writes");
    keys.test_slot(slot.id(), &SlotSecret::KeyFile(KEY_FILE)).expect("opens all the same");
    assert_eq!(keys.verify(&fixture.keys).expect("verifies").len(), 1);
}

#[test]
fn failed_unlocks_are_remembered_until_they_are_forgotten() {
    let fixture = Fixture::new();
    let keys = fixture.folder.keys();
    assert_eq!(keys.attempts().expect("reads"), AttemptLog::default());
    let slot = Some(fixture.slot(SlotKind::Passphrase).id());
    let first = FailedAttempt { at_millis: 1_700_000_000_000, way: AttemptWay::Passphrase, slot };
    let second = FailedAttempt { at_millis: 1_700_000_000_001, way: AttemptWay::KeyFile, slot: None };
    keys.record_attempt(&first);
    let log = keys.attempts().expect("reads");
    assert_eq!(log.attempts, std::slice::from_ref(&first));
    keys.record_attempt(&second);
    keys.forget_attempts(&log).expect("forgets");
    assert_eq!(keys.attempts().expect("reads").attempts, [second], "a later one stays");

    for _ in 0..2_000 {
        keys.record_attempt(&first);
    }
    let log = keys.attempts().expect("reads");
    assert!(log.is_full && log.attempts.len() > 500 && log.attempts.len() < 2_000, "{}", log.attempts.len());
    keys.forget_attempts(&log).expect("forgets");
    assert_eq!(keys.attempts().expect("reads").attempts, []);
}

#[test]
fn two_processes_adding_slots_at_once_lose_none() {
    // Run by the test below, in other processes.
    if let Some(path) = std::env::var_os("SAFELIGHT_TEST_ADD_SLOTS") {
        let (path, number) = (Path::new(&path), std::env::var("SAFELIGHT_TEST_NUMBER").expect("set"));
        let folder = LibraryFolder::open(path).expect("opens");
        let id = folder.keys().find_slot("stick").expect("finds").id();
        let keys = folder.keys().test_slot(id, &SlotSecret::KeyFile(KEY_FILE)).expect("opens");
        let mut entropy = SeededEntropy::new(number.parse().expect("a number"));
        for index in 0..10 {
            let label = format!("{number}-{index}");
            let secret = SlotSecret::KeyFile(&[7; 40]);
            folder
                .keys()
                .add_slot(&keys, &label, &secret, PassphraseCost::MINIMUM, &mut entropy)
                .expect("adds");
            folder.keys().record_attempt(&FailedAttempt {
                at_millis: index,
                way: AttemptWay::KeyFile,
                slot: None,
            });
        }
        return;
    }
    let fixture = Fixture::new();
    let children: Vec<_> = (100..103)
        .map(|number| {
            std::process::Command::new(std::env::current_exe().expect("known"))
                .args(["--exact", "keys::tests::two_processes_adding_slots_at_once_lose_none"])
                .env("SAFELIGHT_TEST_ADD_SLOTS", fixture.folder.path())
                .env("SAFELIGHT_TEST_NUMBER", number.to_string())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .expect("starts")
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let keys = fixture.folder.keys();
    assert_eq!(keys.slots().expect("lists").slots.len(), 3 + 30);
    assert_eq!(keys.attempts().expect("reads").attempts.len(), 30);
    assert_eq!(keys.verify(&fixture.keys).expect("verifies"), []);
    drop(fixture.temporary);
}

#[test]
fn who_opened_the_keyring_long_ago_undoes_nothing_that_others_wrote() {
    let mut fixture = Fixture::new();
    let keys = fixture.folder.keys();
    let old = fixture.keys.clone();
    let learnt = Epoch::generate(&mut fixture.entropy);
    let one = keys
        .change_keyring(&old, |keyring| keyring.add_epoch(learnt.clone()), &mut fixture.entropy)
        .expect("learns");
    assert!(one.epoch_by_id(&learnt.id()).is_some());
    // The other process still has the keys as they were: it learns another epoch and keeps the first.
    let another = Epoch::generate(&mut fixture.entropy);
    let two = keys
        .change_keyring(&old, |keyring| keyring.add_epoch(another.clone()), &mut fixture.entropy)
        .expect("learns");
    assert!([&learnt, &another].iter().all(|epoch| two.epoch_by_id(&epoch.id()).is_some()));

    let device = Device::generate(&mut fixture.entropy);
    let went_on = device.id();
    keys.change_keyring(&old, |keyring| keyring.go_on_as(device), &mut fixture.entropy).expect("goes on");
    let refused = keys.change_keyring(&old, |_| (), &mut fixture.entropy);
    assert!(matches!(refused, Err(KeysError::AnotherDevice)));
    assert_eq!(
        keys.refreshed(old).keyring.device().id(),
        went_on,
        "whoever opens the library is that device"
    );
}
