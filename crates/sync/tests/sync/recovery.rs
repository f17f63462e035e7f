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

/// Puts keys files into a place that nobody vouches for, as whoever may only write there can: the words' public key
/// stands in the root card.
fn plant_keys(place: &TestPlace, one: &Phone, words: &safelight_crypto::RecoveryWords) -> Vec<String> {
    let mut entropy = safelight_crypto::SeededEntropy::new(4711);
    let library = one.keys.0.library();
    let recipient = Recipient::Words(words.library_id());
    let mut names = Vec::new();
    for count in [0, 1, 50] {
        // Other secrets under the epochs' own names stand in the light of the real ones.
        let real = one.keys.0.epochs().iter().map(|epoch| Epoch::from_parts(epoch.id(), [9; 32]));
        let mut epochs: Vec<Epoch> = real.collect();
        epochs.extend((0..count).map(|_| Epoch::generate(&mut entropy)));
        if count == 0 {
            epochs = vec![Epoch::generate(&mut entropy)];
        }
        let newest = epochs.last().unwrap().id();
        let key = words.kem_key().public().clone();
        let sealed = seal_keys_file(library, &epochs, recipient, &key, &mut entropy).unwrap();
        let name = names::keys_file(&newest, &recipient);
        std::fs::create_dir_all(place.path(&name).parent().unwrap()).unwrap();
        std::fs::write(place.path(&name), sealed.as_bytes()).unwrap();
        names.push(name);
    }
    let name = names::keys_file(&Epoch::generate(&mut entropy).id(), &recipient);
    std::fs::create_dir_all(place.path(&name).parent().unwrap()).unwrap();
    std::fs::write(place.path(&name), b"no keys at all").unwrap();
    names.push(name);
    names
}

#[tokio::test]
async fn planted_keys_files_stop_nobody_who_has_the_words() {
    for checkpoint_after_ops in [1, u64::MAX] {
        let place = TestPlace::new();
        let (mut one, words) = Phone::founder(610);
        one.import("a.jpg", &noise(1, 5000));
        begin_epoch(&mut one, &words);
        one.import("b.jpg", &noise(2, 5000));
        let at = one.at(&place.store);
        let options = safelight_sync::SyncOptions { checkpoint_after_ops, ..Default::default() };
        safelight_sync::sync(&mut one.here(), &at, &options).await.unwrap();
        let planted = plant_keys(&place, &one, &words);
        // A listing may say anything, too.
        let endless = place.path("log/aaaaaaaaaaaaaaaaaaaaaaaaaa/4294967295");
        std::fs::create_dir_all(endless.parent().unwrap()).unwrap();
        std::fs::write(endless, b"no segment").unwrap();

        let joining = safelight_sync::find_library(&place.store, &words).await.unwrap();
        let known = |epochs: &[Epoch]| epochs.iter().map(Epoch::id).collect::<Vec<_>>();
        assert_eq!(known(&joining.epochs), known(one.keys.0.epochs()), "the real ones, the newest last");
        let mut two = Phone::new_joined(&joining, 611);
        let at = two.at(&place.store);
        let taken = joining.take_in(&mut two.here(), &at).await.unwrap();
        for name in &planted {
            let names_it = |problem: &safelight_sync::Problem| format!("{problem:?}").contains(name.as_str());
            assert!(taken.problems.iter().any(names_it), "{name} is named: {:?}", taken.problems);
        }
        safelight_sync::admit_by_words(&mut two.here(), &at, &words).await.unwrap();
        two.sync(&place.store).await.unwrap();
        assert_eq!(two.hash(), one.hash());
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
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("1 notes, which ask for nothing:\n  o/"), "{told}");
    let mut restored = Vec::new();
    files(&room.path().join("out"), &mut restored);
    for content in &contents {
        assert!(restored.contains(content), "an original of {} bytes did not come back", content.len());
    }
}

#[tokio::test]
async fn what_is_made_up_does_not_fill_the_memory_and_a_new_device_is_read_beside_it() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(620);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 621).await.unwrap();
    two.import("b.jpg", &noise(2, 5000));
    two.sync(&place.store).await.unwrap();
    let mut made_up = Vec::new();
    for seed in 630..634 {
        let elsewhere = TestPlace::new();
        let (mut stranger, _words) = Phone::founder(seed);
        stranger.sync(&elsewhere.store).await.unwrap();
        let device = stranger.catalog.device();
        let real = std::fs::read(elsewhere.path(&ObjectPath::segment(device, 1).to_string())).unwrap();
        let long = [vec![0; 20 << 20], real].concat();
        for seq in 1..4 {
            let path = place.path(&ObjectPath::segment(device, seq).to_string());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &long).unwrap();
        }
        for head in elsewhere.objects("head").into_keys() {
            std::fs::copy(elsewhere.path(&head), place.path(&head)).unwrap();
        }
        made_up.push(device);
    }
    place.requests();
    let report = one.sync(&place.store).await.unwrap();
    for device in &made_up {
        let problem = safelight_sync::Problem::Unadmitted { device: *device };
        assert!(report.history.problems.contains(&problem), "{:?}", report.history.problems);
    }
    let asked = place.requests();
    let of_strangers = |request: &&String| {
        request.starts_with("GET log/") && made_up.iter().any(|device| request.contains(&device.to_string()))
    };
    // Of what is too large to be asked for beside others the length is heard first.
    assert_eq!(asked.iter().filter(of_strangers).count(), 2 * 4, "one segment of each, and no more");
    assert_eq!(one.hash(), two.hash());
    // Who joins gives such a chain up at what is no segment, however long it is said to be.
    let _joining = safelight_sync::find_library(&place.store, &words).await.unwrap();
    let asked = place.requests();
    let of_strangers = asked.iter().filter(of_strangers);
    let furthest = of_strangers.filter_map(|request| request.rsplit('/').next()?.parse::<u32>().ok()).max();
    assert_eq!(furthest, Some(3), "{asked:?}");
}
