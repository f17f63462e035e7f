//! What a place hides, and what it lost: seen by six words, and mended by its owner's word.

use std::path::Path;

use crate::devices::{Device, Meeting, World};

fn folder_meeting(place: &Path) -> Meeting {
    Meeting { address: format!("folder:{}", place.display()), credential: None }
}

fn six_words(device: &Device<'_>) -> String {
    device.json(&["status"])["six_words"].as_str().unwrap().to_owned()
}

fn is_unwitnessed(device: &Device<'_>) -> bool {
    device.json(&["status"])["unwitnessed"].as_bool().unwrap()
}

fn empty(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn six_words_tell_whether_two_devices_have_one_history_and_whether_a_place_went_back() {
    let place = tempfile::tempdir().unwrap();
    let world = World::new(folder_meeting(place.path()));
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.sync();
    let written_down = six_words(&one);
    assert!(!is_unwitnessed(&one), "who made the library has seen all of it");

    let two = world.join("two");
    assert!(is_unwitnessed(&two));
    for device in [&one, &two, &one, &two] {
        device.sync();
    }
    assert_eq!(six_words(&one), six_words(&two));
    two.ends(&["verify", "--six-words", &six_words(&one)], 0);
    assert!(!is_unwitnessed(&two));
    two.ends(&["verify", "--six-words", "abandon ability able about above absent"], 6);
    two.ends(&["verify", "--six-words", "no such words"], 5);

    // The place as it is now comes back later.
    let old = tempfile::tempdir().unwrap();
    copy(place.path(), old.path());
    one.import(&world.photos("more", 5..6));
    one.sync();
    let newest = six_words(&one);
    let three = world.join_with("three", &["--six-words", &written_down], 0);
    assert_eq!(three.listed().len(), 3);
    empty(place.path());
    copy(old.path(), place.path());
    let four = world.join_with("four", &["--six-words", &newest], 6);
    assert_eq!(four.listed().len(), 2, "what the place shows is there, and is not called complete");
    assert!(is_unwitnessed(&four));
    four.ends(&["verify", "--six-words", &written_down], 0);
    assert!(is_unwitnessed(&four), "an earlier moment does not witness a later one");
    // What was not read to its end hides nothing yet.
    let six = world.device("six");
    let words = world.words();
    let address = format!("folder:{}", place.path().display());
    let join = ["--recovery-file", words.to_str().unwrap(), "join", &address, "--name", "place", "--no-sync"];
    let (code, _, told) = six.tries(&[&join[..], &["--six-words", &newest]].concat());
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("cannot tell yet whether this history holds"), "{told}");
    assert!(told.contains("safelight sync, then safelight verify --six-words WORDS"), "{told}");
    six.sync();
    six.ends(&["verify", "--six-words", &newest], 6);
    world.join_with("five", &["--six-words", "these are not"], 2);
}

#[test]
fn a_place_that_was_emptied_is_filled_again_once_its_owner_says_so() {
    let place = tempfile::tempdir().unwrap();
    let world = World::new(folder_meeting(place.path()));
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.sync();
    empty(place.path());
    let (code, _, told) = one.tries(&["sync"]);
    assert_eq!(code, 6, "{told}");
    assert!(
        told.contains("safelight remote set place --accept-rollback"),
        "it can be copied as it is: {told}"
    );
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing was put");
    one.ends(&["remote", "set", "place", "--accept-rollback"], 5);
    one.ends(&["sync"], 6);
    one.ends(&["--yes", "remote", "set", "place", "--accept-rollback"], 0);
    assert_eq!(one.json(&["sync"])[0]["synced_originals"], 3);
    one.ends(&["verify", "--remote", "--all"], 0);
    assert_eq!(world.join("two").listed().len(), 3);
}

#[test]
fn what_another_place_holds_too_is_not_gone_with_a_rollback_and_no_sync_runs_beside_its_acceptance() {
    let (place, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::new(folder_meeting(place.path()));
    let one = world.first("one");
    one.add_remote("second", &format!("folder:{}", second.path().display()));
    one.import(&world.photos("pics", 0..2));
    one.sync();
    one.ends(&["local", "free", "--all", "--prove", "--yes"], 0);
    let accept = ["remote", "set", "place", "--accept-rollback"];
    let (_, _, told) = one.tries(&[&["--dry-run"], &accept[..]].concat());
    assert!(told.contains("lost them: 0 originals"), "{told}");
    one.ends(&["--yes", "remote", "remove", "second"], 0);
    let (_, _, told) = one.tries(&[&["--dry-run"], &accept[..]].concat());
    assert!(told.contains("lost them: 2 originals"), "{told}");
    // As a sync holds it.
    let lock = std::fs::File::create(one.folder().join("sync.lock")).unwrap();
    lock.lock().unwrap();
    let agreed = [&["--yes"], &accept[..]].concat();
    one.ends(&agreed, 5);
    drop(lock);
    one.ends(&agreed, 0);
}

#[test]
fn a_dry_run_changes_no_remote_and_what_rests_in_one_only_is_not_forgotten_unasked() {
    let (place, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::new(folder_meeting(place.path()));
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.sync();
    one.ends(&["local", "free", "--all", "--prove", "--yes"], 0);
    let address = format!("folder:{}", second.path().display());
    for refused in [
        &["remote", "add", "second", address.as_str()] as &[&str],
        &["remote", "set", "place", "policy=selective"],
        &["remote", "check", "place"],
        &["sync", "off", "album:Trips"],
        &["sync", "on", "album:Trips"],
        &["sync", "auto", "album:Trips"],
        &["verify", "--remote"],
    ] {
        let (code, _, told) = one.tries(&[&["--dry-run"], refused].concat());
        assert!(code == 2 && told.contains("no --dry-run; nothing was done"), "{refused:?}: {code} {told}");
    }
    assert_eq!(std::fs::read_dir(second.path()).unwrap().count(), 0, "nothing was written there");
    let (code, _, told) = one.tries(&["--dry-run", "remote", "remove", "place"]);
    assert!(code == 0 && told.contains("2 originals") && told.contains("Would forget place"), "{told}");
    let would: serde_json::Value = one.json(&["--dry-run", "remote", "remove", "place"]);
    assert_eq!(
        (&would["would_remove"], &would["only_there_originals"]),
        (&"place".into(), &2.into()),
        "{would}"
    );
    one.ends(&["remote", "remove", "place"], 5);
    one.ends(&["remote", "show", "place"], 0);
    one.ends(&["--yes", "remote", "remove", "place"], 0);
    one.ends(&["remote", "show", "place"], 4);
}

#[test]
fn a_place_witnesses_only_what_it_showed_before_this_device_put_anything_there() {
    let (place, own, others) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let address = |folder: &Path| format!("folder:{}", folder.display());
    let world = World::new(folder_meeting(place.path()));
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.sync();
    let two = world.join("two");
    // The place that it joined from, under another name.
    two.ends(&["remote", "remove", "place", "--yes"], 0);
    two.ends(&["remote", "add", "again", &address(place.path())], 0);
    two.sync();
    assert!(is_unwitnessed(&two), "it is the same place");
    // One that it filled itself shows what it was told, also after it was forgotten and added anew.
    two.ends(&["remote", "add", "own", &address(own.path())], 0);
    two.sync();
    two.sync();
    assert!(is_unwitnessed(&two), "nobody else was there");
    two.ends(&["remote", "remove", "own", "--yes"], 0);
    two.ends(&["remote", "add", "anew", &address(own.path())], 0);
    two.sync();
    assert!(is_unwitnessed(&two), "what it shows came from here");
    // One that shows less than is known is no witness either.
    one.ends(&["remote", "add", "others", &address(others.path())], 0);
    one.sync();
    let old = tempfile::tempdir().unwrap();
    copy(others.path(), old.path());
    one.import(&world.photos("more", 5..6));
    one.sync();
    two.sync();
    two.ends(&["remote", "add", "old", &address(old.path())], 0);
    two.sync();
    assert!(is_unwitnessed(&two), "it lacks the newest");
    two.ends(&["remote", "remove", "old", "--yes"], 0);

    let three = world.join("three");
    three.sync();
    assert!(is_unwitnessed(&three));
    one.sync();
    three.sync();
    one.sync();
    three.ends(&["remote", "add", "others", &address(others.path())], 0);
    three.sync();
    assert!(!is_unwitnessed(&three), "another place shows the same by itself");
}
