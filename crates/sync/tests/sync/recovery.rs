//! The second reader of the format opens what a place holds: several epochs, several generations, packs.

use std::path::{Path, PathBuf};
use std::process::Command;

use safelight_crypto::{Epoch, Recipient, StatementBody, names, seal_keys_file, sha256};
use safelight_store::ObjectPath;

use crate::common::*;

/// Begins an epoch with the words and this device as its recipients.
fn begin_epoch(one: &mut Phone, words: &safelight_crypto::RecoveryWords) {
    one.keys.0.add_epoch(Epoch::generate(&mut one.entropy));
    let keyring = one.keys.0.clone();
    let mut files = Vec::new();
    for (recipient, key) in [
        (Recipient::Words(words.library_id()), words.kem_key().public().clone()),
        (Recipient::Device(keyring.device().id()), keyring.device().card().kem_public().clone()),
    ] {
        let sealed =
            seal_keys_file(keyring.library(), keyring.epochs(), recipient, &key, &mut one.entropy).unwrap();
        files.push((recipient, sha256(&[sealed.as_bytes()])));
        let path = ObjectPath::parse(&names::keys_file(&keyring.epoch().id(), &recipient)).unwrap();
        let _created = one.place.put_new(&path, &sealed.into()).unwrap();
    }
    files.sort_unstable_by_key(|(recipient, _)| *recipient);
    one.state(&StatementBody::Epoch { epoch: keyring.epoch().id(), files });
}

fn files(folder: &Path, found: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(std::fs::read(path).unwrap());
        }
    }
}

#[tokio::test]
async fn the_recovery_reader_opens_a_place_with_several_epochs_and_generations() {
    let Some(python) = std::env::var_os("SAFELIGHT_PYTHON") else {
        println!("skipped: SAFELIGHT_PYTHON names no interpreter with `cryptography`");
        return;
    };
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(600);
    let mut contents = Vec::new();
    for round in 0..3_u64 {
        if round > 0 {
            begin_epoch(&mut one, &words);
        }
        for (kind, length) in [("small", 3000), ("large", 2_000_000)] {
            let content = noise(10 * round + length, usize::try_from(length).unwrap());
            let photo = one.import(&format!("{kind} {round}.jpg"), &content);
            contents.push(content);
            if kind == "large" && round == 1 {
                // Its first copy in the place is torn: the next generation lies beside it.
                one.sync(&place.store).await.unwrap();
                let name = ObjectPath::original(photo.parts[0].name).to_string();
                place.flip(&name, 1_000_000);
                let at = one.at(&place.store);
                let found =
                    safelight_sync::verify_remote(&mut one.here(), &at, safelight_sync::Depth::All).await;
                assert!(!found.unwrap().problems.is_empty());
                one.sync(&place.store).await.unwrap();
                assert!(place.path(&format!("{name}-1")).exists());
            }
        }
        let tiny = noise(1000 + round, 700);
        one.import_tiny(&format!("tiny {round}.jpg"), &tiny);
        contents.push(tiny);
        one.sync(&place.store).await.unwrap();
    }
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("words");
    let text: Vec<String> = words.words().iter().map(ToString::to_string).collect();
    std::fs::write(&file, text.join(" ")).unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../recover/safelight_recover.py");
    let output = Command::new(python)
        .arg("-B")
        .arg(script)
        .arg("restore")
        .arg(place.path(""))
        .arg(room.path().join("out"))
        .arg("--words-file")
        .arg(&file)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    // The damaged copy of the first generation is named; the second one stands in for it.
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("1 objects are missing, damaged or unknown:\n  o/"), "{told}");
    let mut restored = Vec::new();
    files(&room.path().join("out"), &mut restored);
    for content in &contents {
        assert!(restored.contains(content), "an original of {} bytes did not come back", content.len());
    }
}
