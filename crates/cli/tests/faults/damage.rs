//! Damage to what is kept, and keys that do not fit.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::chance::Chance;
use crate::pictures::{heavy_photo, photo};
use crate::room::{Room, files_below, sha256, text};

#[test]
fn one_flipped_bit_in_any_file_of_the_library_is_found_and_the_file_named() {
    let room = Room::with_library();
    for seed in 0..6 {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    room.put("large.jpg", heavy_photo(77, 3 << 20));
    room.import().ends_with(&[0]);
    room.verify_is_clean();

    let mut chance = Chance::seeded(4);
    let mut missed = Vec::new();
    let library = room.library();
    for file in files_below(&library) {
        let good = std::fs::read(&file).unwrap();
        if good.is_empty() {
            continue;
        }
        let name = file.strip_prefix(&library).unwrap().to_owned();
        for at in [0, good.len() / 2, good.len() - 1, chance.index(good.len()), chance.index(good.len())] {
            let bit = 1 << chance.below(8);
            let mut bad = good.clone();
            bad[at] ^= bit;
            std::fs::write(&file, &bad).unwrap();
            let outcome = room.safelight(&["verify"]);
            assert!(!outcome.stderr.contains("panicked"), "{} at {at}: {}", name.display(), outcome.said());
            // Damage in the slot that the key file opens must not look like a wrong key, which would be a 3.
            let noticed = outcome.code.is_some_and(|code| code != 0 && code != 3);
            if !noticed || !names(&outcome.said(), &name) {
                missed.push(format!(
                    "{} at {at} of {} (bit {bit:#04x}): {}",
                    name.display(),
                    good.len(),
                    outcome.said()
                ));
            }
            std::fs::write(&file, &good).unwrap();
        }
    }
    assert!(missed.is_empty(), "{} flips were not found and named:\n{}", missed.len(), missed.join("\n"));
    room.verify_is_clean();
}

/// Whether a file of the library is named by its path, or by its name alone.
fn names(said: &str, file: &Path) -> bool {
    said.contains(file.to_str().unwrap()) || said.contains(file.file_name().unwrap().to_str().unwrap())
}

#[test]
fn a_flipped_bit_anywhere_in_the_keyring_is_damage_and_no_wrong_key() {
    let room = Room::with_library();
    let keyring = room.library().join("keys/keyring.sealed");
    let good = std::fs::read(&keyring).unwrap();
    for at in (0..24).chain((24..good.len()).step_by(37)) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&keyring, &bad).unwrap();
        for command in ["verify", "list"] {
            let said = room.safelight(&[command]).ends_with(&[6]).said();
            assert!(said.contains("keyring.sealed"), "byte {at}: {said}");
            assert!(said.contains("backup") && said.contains("safelight join"), "byte {at}: {said}");
        }
    }
    std::fs::write(&keyring, &good).unwrap();
    room.verify_is_clean();
}

#[test]
fn a_flipped_bit_in_the_failed_unlocks_is_named_until_it_is_mended() {
    let room = Room::with_library();
    std::fs::write(room.path("wrong"), [9; 64]).unwrap();
    crate::room::set_mode(&room.path("wrong"), 0o600);
    let attempts = room.library().join("keys/attempts");
    for at in [0, 5, 16, 40] {
        let mut wrong = room.bare();
        wrong.arg("--key-file").arg(room.path("wrong")).arg("list");
        room.run(&mut wrong).ends_with(&[3]);
        let mut bytes = std::fs::read(&attempts).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&attempts, &bytes).unwrap();
        for _ in 0..2 {
            let said = room.safelight(&["verify"]).ends_with(&[6]).said();
            assert!(said.contains("keys/attempts") && said.contains("doctor --fix"), "byte {at}: {said}");
        }
        room.safelight(&["doctor", "--fix"]).ends_with(&[0]);
        room.verify_is_clean();
    }
}

#[test]
fn a_lost_device_database_is_said_when_it_is_made_anew_and_by_the_doctor_until_it_mends() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    room.safelight(&["source", "add", room.photos().to_str().unwrap()]).ends_with(&[0]);
    for file in ["device.db", "device.db-wal", "device.db-shm"] {
        drop(std::fs::remove_file(room.library().join(file)));
    }
    let first = room.safelight(&["list"]).ends_with(&[0]);
    for lost in ["device.db", "watched folders", "remotes", "safelight source add"] {
        assert!(first.stderr.contains(lost), "{lost}: {}", first.said());
    }
    let second = room.safelight(&["list"]).ends_with(&[0]);
    assert!(!second.stderr.contains("device.db"), "{}", second.said());
    let doctor = room.safelight(&["doctor"]).ends_with(&[1]);
    assert!(
        doctor.text().contains("watched folders") && doctor.text().contains("source add"),
        "{}",
        doctor.said()
    );
    let mended = room.safelight(&["doctor", "--fix"]).ends_with(&[1]);
    assert!(mended.text().contains("watched folders"), "{}", mended.said());
    let healthy = room.safelight(&["doctor"]).ends_with(&[0]);
    assert!(!healthy.text().contains("watched folders"), "{}", healthy.said());
    room.verify_is_clean();
}

#[test]
fn for_a_damaged_or_missing_catalogue_what_is_advised_mends_it() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    let before = room.list();
    let catalog = room.library().join("catalog.db");
    for is_first_page in [true, false] {
        let mut bytes = std::fs::read(&catalog).unwrap();
        let at = if is_first_page { 5 } else { bytes.len() - 100 };
        bytes[at] ^= 4;
        std::fs::write(&catalog, bytes).unwrap();
        for looking in ["doctor", "verify"] {
            let said = room.safelight(&[looking]).ends_with(&[6]).said();
            assert!(said.contains("safelight doctor --fix catalog"), "{looking}, byte {at}: {said}");
            assert!(!said.contains("importing"), "{looking}, byte {at}: {said}");
        }
        room.safelight(&["doctor", "--fix", "catalog"]).ends_with(&[0]);
        assert_eq!(room.list(), before);
    }
    for looking in ["list", "doctor", "verify"] {
        drop(std::fs::remove_file(&catalog));
        let said = room.safelight(&[looking]).ends_with(&[6]).said();
        assert!(said.contains("safelight doctor --fix catalog"), "{looking}: {said}");
    }
    room.safelight(&["doctor", "--fix", "catalog"]).ends_with(&[0]);
    assert_eq!(room.list(), before);
}

#[test]
fn a_lost_or_shortened_object_is_found_and_importing_again_brings_the_original_back() {
    let room = Room::with_library();
    room.put("one.jpg", heavy_photo(1, 2 << 20));
    room.put("two.jpg", heavy_photo(2, 2 << 20));
    room.import().ends_with(&[0]);
    let large = files_below(&room.library().join("objects"))
        .into_iter()
        .filter(|file| file.metadata().unwrap().len() > 1 << 20);
    let [lost, short] = large.take(2).collect::<Vec<_>>().try_into().expect("two sealed originals");
    std::fs::remove_file(&lost).unwrap();
    let file = std::fs::File::options().write(true).open(&short).unwrap();
    file.set_len(short.metadata().unwrap().len() - 1).unwrap();
    for quick in [true, false] {
        let arguments = if quick { ["verify", "--quick"].as_slice() } else { &["verify"] };
        let said = room.safelight(arguments).ends_with(&[6]).said();
        assert!(names(&said, lost.strip_prefix(room.library()).unwrap()), "{said}");
        assert!(names(&said, short.strip_prefix(room.library()).unwrap()), "{said}");
    }
}

#[test]
fn a_deleted_catalogue_is_rebuilt_from_history() {
    let room = Room::with_library();
    for seed in 0..12 {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    room.import().ends_with(&[0]);
    let before = room.list();
    for file in files_below(&room.library()) {
        if file.file_name().unwrap().to_str().unwrap().starts_with("catalog.db") {
            std::fs::remove_file(file).unwrap();
        }
    }
    room.safelight(&["--yes", "doctor", "--fix", "catalog"]).ends_with(&[0]);
    assert_eq!(room.list(), before);
    room.verify_is_clean();
}

#[test]
fn a_wrong_passphrase_is_refused_in_so_many_words_and_takes_as_long_as_a_right_one() {
    let room = Room::with_library();
    std::fs::write(room.path("wrong"), "correct horse battery stable\n").unwrap();
    crate::room::set_mode(&room.path("wrong"), 0o600);
    let outcome =
        room.run(room.bare().arg("--passphrase-file").arg(room.path("wrong")).arg("list")).ends_with(&[3]);
    assert!(outcome.stderr.to_lowercase().contains("passphrase"), "{}", outcome.said());
    assert!(!outcome.said().contains("stable"), "the passphrase was repeated: {}", outcome.said());
    // Testing a slot with the right passphrase is the same work without opening the library after it.
    let timed = |file: &str, command: &[&str], code: i32| {
        let begun = Instant::now();
        room.run(room.bare().arg("--passphrase-file").arg(room.path(file)).args(command)).ends_with(&[code]);
        begun.elapsed()
    };
    // The quickest of three is what noise touches least.
    let right = (0..3).map(|_| timed("passphrase", &["key", "test", "passphrase"], 0)).min().unwrap();
    let wrong = (0..3).map(|_| timed("wrong", &["key", "test", "passphrase"], 3)).min().unwrap();
    assert!(wrong >= right.mul_f64(0.5) && wrong <= right.mul_f64(2.0), "right {right:?}, wrong {wrong:?}");
    let listing = (0..3).map(|_| timed("wrong", &["list"], 3)).min().unwrap();
    assert!(
        listing >= right.mul_f64(0.5),
        "a wrong passphrase is refused too soon: {listing:?} against {right:?}"
    );
}

#[test]
fn the_recovery_words_open_the_library_when_all_else_is_forgotten() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    std::fs::remove_file(room.path("passphrase")).unwrap();
    std::fs::remove_file(room.path("key")).unwrap();
    let with_words = |arguments: &[&str]| {
        room.run(room.bare().arg("--recovery-file").arg(room.path("recovery")).args(arguments))
    };
    let listed = with_words(&["--json", "list"]).ends_with(&[0]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    std::fs::write(room.path("second"), "a passphrase that will be remembered\n").unwrap();
    crate::room::set_mode(&room.path("second"), 0o600);
    let second = room.path("second");
    with_words(&["key", "add", "--label", "second", "--new-passphrase-file", second.to_str().unwrap()])
        .ends_with(&[0]);
    room.run(room.bare().arg("--passphrase-file").arg(second).arg("list")).ends_with(&[0]);
    // One word exchanged for another of the list.
    let words = std::fs::read_to_string(room.path("recovery")).unwrap();
    let wrong = if words.contains("abandon") {
        words.replace("abandon", "zoo")
    } else {
        words.replacen(words.split_whitespace().next().unwrap(), "abandon", 1)
    };
    std::fs::write(room.path("recovery"), wrong).unwrap();
    let refused = with_words(&["list"]);
    assert!(refused.code.is_some_and(|code| code == 2 || code == 3), "{}", refused.said());
}

#[test]
fn without_a_key_nothing_opens_and_without_a_library_init_is_named() {
    let room = Room::empty();
    let none = room.run(room.bare().arg("list"));
    assert_ne!(none.code, Some(0));
    assert!(none.said().contains("safelight init"), "{}", none.said());
    room.init();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    let locked = room.run(room.bare().arg("list")).ends_with(&[3]);
    assert!(locked.stdout.is_empty(), "{}", locked.said());
    std::fs::write(room.path("key"), [8; 64]).unwrap();
    room.run(room.unlocked().arg("list")).ends_with(&[3]);
}

#[test]
fn an_export_that_was_changed_is_found_without_a_library() {
    let room = Room::with_library();
    for seed in 0..5 {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    room.import().ends_with(&[0]);
    let out = room.path("out");
    room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
    let verify = || room.run(room.bare().args(["verify", "--export"]).arg(&out));
    verify().ends_with(&[0]);
    for file in files_below(&out) {
        let good = std::fs::read(&file).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        std::fs::write(&file, &bad).unwrap();
        let said = verify();
        assert!(
            said.code.is_some_and(|code| code != 0),
            "{} was changed and it went unnoticed",
            file.display()
        );
        std::fs::write(&file, &good).unwrap();
    }
    let mut photos =
        files_below(&out).into_iter().filter(|file| file.extension().is_some_and(|end| end == "jpg"));
    let gone = photos.next_back().expect("the export has photos");
    assert_eq!(std::fs::read(&gone).map(|bytes| sha256(&bytes).len()).unwrap(), 64);
    std::fs::remove_file(&gone).unwrap();
    let said = verify().ends_with(&[6]).said();
    assert!(names(&said, gone.strip_prefix(&out).unwrap()), "{said}");
}

/// The sealed objects that are larger than a number of bytes.
fn large_objects(room: &Room, bytes: u64) -> Vec<PathBuf> {
    let mut objects = files_below(&room.library().join("objects"));
    objects.retain(|file| file.metadata().unwrap().len() > bytes);
    objects
}

fn flip_middle(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn of_an_original_in_several_parts_only_the_damaged_one_is_made_again() {
    use std::os::unix::fs::MetadataExt as _;
    let room = Room::with_library();
    let bytes = heavy_photo(3, 70 << 20);
    room.put("one.jpg", &bytes);
    room.import().ends_with(&[0]);
    let parts = large_objects(&room, 1 << 20);
    assert_eq!(parts.len(), 3, "{parts:?}");
    flip_middle(&parts[1]);
    // An inode's number may be given to the next file at once; the time of its last change tells them apart.
    let files = || {
        let metadata = parts.iter().map(|part| part.metadata().unwrap());
        metadata.map(|file| (file.ino(), file.ctime(), file.ctime_nsec())).collect::<Vec<_>>()
    };
    let before = files();
    room.safelight(&["verify"]).ends_with(&[6]);
    let report = room.import().ends_with(&[0]).json();
    assert_eq!(report["repaired"], 1, "{report}");
    let after = files();
    let kept = (0..3).map(|part| before[part] == after[part]).collect::<Vec<_>>();
    assert_eq!(kept, [true, false, true], "which parts stayed");
    room.verify_is_clean();
    assert_eq!(room.original(&sha256(&bytes)), bytes);
}

#[test]
fn a_file_whose_proof_fails_is_kept_and_named_and_repairs_its_copy_next_time() {
    let room = Room::with_library();
    let bytes = heavy_photo(8, 1 << 20);
    room.put("disk/one.jpg", &bytes);
    room.import().ends_with(&[0]);
    flip_middle(&large_objects(&room, 1 << 19)[0]);
    let card = room.path("card");
    std::fs::create_dir(&card).unwrap();
    let file = card.join("one.jpg");
    std::fs::write(&file, &bytes).unwrap();
    room.safelight(&["source", "add", card.to_str().unwrap(), "--remove-after-proof"]).ends_with(&[0]);
    let import = || room.run(room.unlocked().args(["--json", "--yes", "import", "--wait", "--settle=0"]));
    let report = import().ends_with(&[1]).json();
    assert_eq!((&report["failed"], &report["removed"]), (&1.into(), &0.into()), "{report}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    let report = import().ends_with(&[0]).json();
    assert_eq!((&report["repaired"], &report["removed"]), (&1.into(), &1.into()), "{report}");
    assert!(!file.exists());
    room.verify_is_clean();
    assert_eq!(room.original(&sha256(&bytes)), bytes);
}

#[test]
fn a_linked_original_that_is_gone_or_changed_is_brought_back_by_importing_a_copy_of_it() {
    for is_changed in [false, true] {
        let room = Room::with_library();
        let bytes = heavy_photo(4, 1 << 20);
        let id = sha256(&bytes);
        let linked = room.put("linked/one.jpg", &bytes);
        let copy = room.put("card/one.jpg", &bytes);
        let import = |flag: Option<&str>, path: &Path| {
            let mut command = room.unlocked();
            command
                .args(["--json", "--yes", "import", "--wait", "--settle=0"])
                .args(flag)
                .arg(path.parent().unwrap());
            room.run(&mut command).ends_with(&[0]).json()
        };
        import(Some("--link"), &linked);
        assert!(large_objects(&room, 1 << 19).is_empty(), "a linked original was copied");
        if is_changed {
            std::fs::write(&linked, heavy_photo(5, 1 << 20)).unwrap();
            room.safelight(&["verify"]).ends_with(&[6]);
        } else {
            std::fs::remove_file(&linked).unwrap();
        }
        let report = import(None, &copy);
        assert_eq!(report["repaired"], 1, "{report}");
        std::fs::remove_file(&copy).unwrap();
        assert_eq!(room.original(&id), bytes);
        room.verify_is_clean();
        assert_eq!(room.list()[0]["sync"], "local-only", "{:?}", room.list());
        // The catalogue that history gives back says the same.
        room.safelight(&["--yes", "doctor", "--fix", "catalog"]).ends_with(&[0, 1]);
        assert_eq!(room.original(&id), bytes);
        let out = room.path("out");
        room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
        let photos =
            files_below(&out).into_iter().filter(|file| file.extension().is_some_and(|end| end == "jpg"));
        assert_eq!(photos.count(), 1, "one content, however often it was taken in");
    }
}

#[test]
fn a_damaged_copy_is_answered_for_by_linking_the_file_that_it_was_made_of() {
    let room = Room::with_library();
    let bytes = heavy_photo(6, 1 << 20);
    room.put("one.jpg", &bytes);
    room.import().ends_with(&[0]);
    flip_middle(&large_objects(&room, 1 << 19)[0]);
    room.safelight(&["verify"]).ends_with(&[6]);
    let mut command = room.import_command();
    let report = room.run(command.arg("--link")).ends_with(&[0]).json();
    assert_eq!(report["repaired"], 1, "{report}");
    room.verify_is_clean();
    assert_eq!(room.list()[0]["linked"], true);
    assert_eq!(room.original(&sha256(&bytes)), bytes);
}

#[test]
fn a_damaged_preview_is_made_again_from_its_original() {
    let room = Room::with_library();
    room.put("one.jpg", heavy_photo(7, 1 << 20));
    room.import().ends_with(&[0]);
    room.verify_is_clean();
    let packs = files_below(&room.library().join("objects/local"));
    let [pack] = packs.try_into().expect("one pack");
    for is_lost in [false, true] {
        if is_lost {
            std::fs::remove_file(&pack).unwrap();
        } else {
            flip_middle(&pack);
        }
        let said = room.safelight(&["verify"]).ends_with(&[6]).said();
        assert!(names(&said, pack.strip_prefix(room.library()).unwrap()), "{said}");
        room.safelight(&["doctor", "--fix"]).ends_with(&[0, 1]);
        room.verify_is_clean();
        let id = text(&room.list()[0], "id");
        for kind in ["thumbnail", "preview"] {
            let shown = room.safelight(&["export", "--to", "-", "--rendition", kind, &id]).ends_with(&[0]);
            assert!(shown.stdout.len() > 100, "{kind}");
        }
    }
}

#[test]
fn what_a_clean_verify_finds_whole_counts_as_damaged_no_more() {
    let room = Room::with_library();
    // Neither is anything that a preview could be made of; the second is too small for an object of its own.
    room.put("large.txt", "many words".repeat(100_000));
    room.put("small.txt", "a few words".repeat(1000));
    let import = || room.run(room.import_command().arg("--all-files")).ends_with(&[0]).json();
    import();
    let failed = || room.safelight(&["--json", "status"]).ends_with(&[0]).json()["failed"].as_u64().unwrap();
    let kept = [
        large_objects(&room, 1 << 19).remove(0),
        files_below(&room.library().join("objects/local")).remove(0),
    ]
    .map(|file| (std::fs::read(&file).unwrap(), file));
    for (_, file) in &kept {
        flip_middle(file);
    }
    room.safelight(&["verify"]).ends_with(&[6]);
    assert_eq!(failed(), 2, "two originals; the files that they came from are not counted again");
    for (bytes, file) in &kept {
        std::fs::write(file, bytes).unwrap();
    }
    room.verify_is_clean();
    assert_eq!(failed(), 0);
    let report = import();
    assert_eq!((report["repaired"].as_u64(), report["unchanged"].as_u64()), (Some(0), Some(2)), "{report}");
}

#[test]
fn the_catalogue_from_before_a_rebuild_is_known_by_name_and_goes_when_that_is_agreed_to() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    room.safelight(&["doctor", "--fix", "catalog"]).ends_with(&[0]);
    let old = room.library().join("catalog.db.before");
    assert!(old.exists());
    let healthy = room.safelight(&["doctor"]).ends_with(&[0]);
    assert!(healthy.text().contains("catalog.db.before is kept"), "{}", healthy.said());
    let verified = room.safelight(&["verify"]).ends_with(&[0]);
    assert!(!verified.said().contains("catalog.db.before"), "{}", verified.said());
    room.safelight(&["doctor", "--fix"]).ends_with(&[0]);
    assert!(old.exists(), "it went without consent");

    // Another repair keeps what it replaces beside the first, and of a catalogue that does not open the log too.
    let kept = std::fs::read(&old).unwrap();
    let log = room.library().join("catalog.db-wal");
    std::fs::write(room.library().join("catalog.db"), b"no database").unwrap();
    std::fs::write(&log, b"what only the log had").unwrap();
    std::fs::write(room.library().join("device.db.damaged"), b"from long ago").unwrap();
    std::fs::write(room.library().join("device.db"), b"no database either").unwrap();
    room.safelight(&["doctor", "--fix", "catalog"]).ends_with(&[0, 1, 6]);
    assert_eq!(std::fs::read(&old).unwrap(), kept, "the first copy was written over");
    for (name, held) in [
        ("catalog.db.before.2", "no database"),
        ("catalog.db.before.2-wal", "what only the log had"),
        ("device.db.damaged", "from long ago"),
        ("device.db.damaged.2", "no database either"),
    ] {
        assert_eq!(std::fs::read_to_string(room.library().join(name)).unwrap_or_default(), held, "{name}");
    }
    let verified = room.safelight(&["verify"]).ends_with(&[0]);
    assert!(!verified.said().contains(".before"), "{}", verified.said());
    let fixed = room.safelight(&["--yes", "doctor", "--fix"]).ends_with(&[1]);
    assert!(!old.exists());
    assert!(fixed.text().contains("catalog.db.before"), "it went silently: {}", fixed.said());
    for entry in std::fs::read_dir(room.library()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.contains(".before") && !name.contains(".damaged"), "{name} stayed");
    }

    let killed = ["catalog.db.rebuilding", "catalog.db.rebuilding-wal", "catalog.db.rebuilding-shm"];
    for name in killed {
        std::fs::write(room.library().join(name), b"half a rebuild").unwrap();
    }
    room.safelight(&["history"]).ends_with(&[0]);
    for name in killed {
        assert!(!room.library().join(name).exists(), "{name} was not swept");
    }
    room.verify_is_clean();
}

#[test]
fn a_library_whose_description_is_damaged_or_gone_says_how_it_comes_back_and_it_does() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    let file = room.library().join("library.toml");
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    flipped[141] ^= 4;
    let words = room.path("recovery");
    // What is left still names the library, or the words do: from a flipped bit, an empty file, and none.
    for (left, needs_words) in [(Some(flipped), false), (Some(Vec::new()), true), (None, true)] {
        match &left {
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        for looking in [&["list"][..], &["verify"], &["doctor"]] {
            let outcome = room.safelight(looking).ends_with(&[6]);
            let said = outcome.said();
            assert!(said.contains("library.toml") && said.contains("doctor --fix"), "{looking:?}: {said}");
            assert!(
                said.contains("--recovery-file") && !said.contains("safelight init"),
                "{looking:?}: {said}"
            );
        }
        room.run(room.bare().arg("init")).ends_with(&[5]);
        if needs_words {
            room.safelight(&["doctor", "--fix"]).ends_with(&[6]);
            assert_ne!(std::fs::read(&file).ok().as_ref(), Some(&good));
            let mut mend = room.bare();
            mend.arg("--recovery-file").arg(&words).args(["doctor", "--fix"]);
            room.run(&mut mend).ends_with(&[0, 1]);
        } else {
            room.safelight(&["doctor", "--fix"]).ends_with(&[0, 1]);
        }
        assert_eq!(std::fs::read(&file).unwrap(), good);
        room.verify_is_clean();
    }
    // Words of another library prove nothing and change nothing.
    let other = Room::with_library();
    std::fs::remove_file(&file).unwrap();
    let mut mend = room.bare();
    mend.arg("--recovery-file").arg(other.path("recovery")).args(["doctor", "--fix"]);
    let outcome = room.run(&mut mend).ends_with(&[3]);
    assert!(outcome.stderr.contains("the recovery words do not open"), "{}", outcome.said());
    assert!(!file.exists());
}

#[test]
fn the_description_of_another_library_is_named_as_the_likely_cause_and_the_words_mend_it() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    let other = Room::with_library();
    let file = room.library().join("library.toml");
    let good = std::fs::read(&file).unwrap();
    let foreign = std::fs::read(other.library().join("library.toml")).unwrap();
    std::fs::write(&file, &foreign).unwrap();

    let by =
        |way: &str, value: &Path, command: &[&str]| room.run(room.bare().arg(way).arg(value).args(command));
    let (key, passphrase, words) = (room.path("key"), room.path("passphrase"), room.path("recovery"));
    for (way, value) in
        [("--key-file", &key), ("--passphrase-file", &passphrase), ("--recovery-file", &words)]
    {
        let outcome = by(way, value, &["list"]).ends_with(&[3]);
        assert!(
            outcome.stderr.contains("library.toml may be another") && outcome.stderr.contains("doctor --fix"),
            "{way}: {}",
            outcome.said()
        );
    }
    // Neither a right key without the words nor the words of a third library change anything.
    by("--key-file", &key, &["doctor", "--fix"]).ends_with(&[3]);
    by("--recovery-file", &Room::with_library().path("recovery"), &["doctor", "--fix"]).ends_with(&[3]);
    assert_eq!(std::fs::read(&file).unwrap(), foreign);
    by("--recovery-file", &words, &["doctor", "--fix"]).ends_with(&[0, 1]);
    assert_eq!(std::fs::read(&file).unwrap(), good);
    room.verify_is_clean();
}

#[test]
fn a_folder_in_the_place_of_a_database_is_damage_that_the_advised_repair_mends() {
    for name in ["device.db", "catalog.db"] {
        let room = Room::with_library();
        room.put("one.jpg", photo(1));
        room.import().ends_with(&[0]);
        let database = room.library().join(name);
        std::fs::remove_file(&database).unwrap();
        std::fs::create_dir(&database).unwrap();
        let outcome = room.safelight(&["list"]).ends_with(&[6]);
        assert!(outcome.stderr.contains("a folder lies in its place"), "{}", outcome.said());
        assert!(outcome.stderr.contains("doctor --fix catalog"), "{}", outcome.said());
        room.safelight(&["doctor", "--fix", "catalog"]).ends_with(&[0, 1]);
        assert_eq!(room.list().len(), 1, "{name}");
        room.verify_is_clean();
    }
}

#[test]
fn without_slots_or_keyring_the_program_that_needs_only_the_words_is_named() {
    let room = Room::with_library();
    let keyring = room.library().join("keys/keyring.sealed");
    let good = std::fs::read(&keyring).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 4;
    std::fs::write(&keyring, flipped).unwrap();
    drop(std::fs::remove_file(room.library().join("keys/keyring.previous")));
    let outcome = room.safelight(&["list"]).ends_with(&[6]);
    assert!(outcome.stderr.contains("recover/safelight_recover.py"), "{}", outcome.said());
    std::fs::write(&keyring, good).unwrap();
    std::fs::remove_dir_all(room.library().join("keys/slots")).unwrap();
    let outcome = room.safelight(&["list"]).ends_with(&[6]);
    assert!(outcome.stderr.contains("recover/safelight_recover.py"), "{}", outcome.said());
}

#[test]
fn when_the_key_slots_are_gone_no_secret_is_called_wrong() {
    let room = Room::with_library();
    std::fs::remove_dir_all(room.library().join("keys/slots")).unwrap();
    let mut by_words = room.bare();
    by_words.arg("--recovery-file").arg(room.path("recovery")).arg("list");
    let mut by_passphrase = room.bare();
    by_passphrase.arg("--passphrase-file").arg(room.path("passphrase")).arg("list");
    for mut command in [by_words, by_passphrase] {
        let outcome = room.run(&mut command).ends_with(&[6]);
        assert!(outcome.stderr.contains("no key slot is left"), "{}", outcome.said());
        assert!(outcome.stderr.contains("backup") && outcome.stderr.contains("join"), "{}", outcome.said());
    }
    for arguments in [&["list"][..], &["key"], &["verify"]] {
        let outcome = room.safelight(arguments).ends_with(&[6]);
        assert!(outcome.stderr.contains("no key slot is left"), "{}", outcome.said());
    }
}

#[test]
fn for_a_damaged_device_database_what_is_advised_mends_it() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    let device = room.library().join("device.db");
    let good = std::fs::read(&device).unwrap();
    for page in 0..good.len() / 4096 {
        let mut bad = good.clone();
        bad[page * 4096 + 2000] ^= 4;
        std::fs::write(&device, &bad).unwrap();
        let said = room.safelight(&["verify"]).ends_with(&[6]).said();
        assert!(
            said.contains("device.db") && said.contains("sets it aside")
                || said.contains("sets device.db aside"),
            "page {page}: {said}"
        );
        assert!(!said.contains("rebuilds it from the signed history"), "page {page}: {said}");
        if page > 3 {
            std::fs::write(&device, &good).unwrap();
            continue;
        }
        room.safelight(&["doctor", "--fix", "catalog"]).ends_with(&[0, 1]);
        room.verify_is_clean();
        std::fs::write(&device, &good).unwrap();
        drop(std::fs::remove_file(room.library().join("device.db-wal")));
        drop(std::fs::remove_file(room.library().join("device.db-shm")));
    }
}

#[test]
fn what_verify_and_the_doctor_find_of_many_photos_is_one_line_that_names_some() {
    let room = Room::with_library();
    for seed in 0..5 {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    room.import().ends_with(&[0]);
    for pack in files_below(&room.library().join("objects/local")) {
        std::fs::remove_file(pack).unwrap();
    }
    for looking in ["verify", "doctor"] {
        let text = room.safelight(&[looking]).ends_with(&[6]).text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("lies in no pack")).collect();
        let [line] = lines.as_slice() else { panic!("{looking}: {text}") };
        assert!(line.contains("5 photos") && line.contains(".jpg") && line.contains("and 2 more"), "{line}");
    }
    let status = room.safelight(&["--json", "status"]).ends_with(&[0]).json();
    assert_eq!(status["damaged"], 5, "{status}");
    let said = room.safelight(&["status"]).ends_with(&[0]).text();
    assert!(said.starts_with("0 photos safe"), "{said}");
    // The one answer is the result: it names what failed, and no error object stands beside it.
    let outcome = room.safelight(&["--json", "export", room.path("out").to_str().unwrap()]).ends_with(&[1]);
    let report = outcome.json();
    assert_eq!(report["failures"].as_array().map(Vec::len), Some(5), "{report}");
    assert!(report["failures"][0]["path"].is_string() && report["failures"][0]["reason"].is_string());
    assert!(!outcome.stderr.contains("{\"error\""), "{}", outcome.said());
    let verify = room.safelight(&["--json", "verify"]).ends_with(&[6]);
    assert_eq!(verify.json()["damaged"][0]["photos"].as_array().map(Vec::len), Some(1));
    assert!(!verify.stderr.contains("{\"error\""), "{}", verify.said());
}

#[test]
fn for_a_damaged_card_or_keys_file_what_is_advised_helps() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    for area in ["objects/root", "objects/keys"] {
        for file in files_below(&room.library().join(area)) {
            let good = std::fs::read(&file).unwrap();
            flip_middle(&file);
            let said = room.safelight(&["verify"]).ends_with(&[6]).said();
            assert!(names(&said, file.strip_prefix(room.library()).unwrap()), "{said}");
            assert!(said.contains("from a backup of the library"), "{said}");
            assert!(!said.contains("importing"), "{said}");
            std::fs::write(&file, good).unwrap();
        }
    }
    room.verify_is_clean();
}
