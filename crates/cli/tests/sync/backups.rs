//! Backups on a drive: made, brought up to date, proven, damaged, lost, and the library back from one and the words.

use std::path::Path;

use crate::devices::{Device, World, files_in, flip, photo};

fn backup(device: &Device<'_>, drive: &Path) -> serde_json::Value {
    device.json(&["backup", drive.to_str().unwrap()])
}

#[test]
fn a_drive_and_the_words_alone_give_the_library_back() {
    let (place, drives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let drive = drives.path().join("drive");
    std::fs::create_dir(&drive).unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.sync();
    let made = backup(&one, &drive);
    assert_eq!((&made["backup"]["missing"], &made["backup"]["name"]), (&0.into(), &"backup".into()));
    assert!(made["backup"]["made"].is_string() && made["backup"]["proven"].is_null(), "{made}");
    // The second run copies what is new, and no more.
    let before = files_in(&drive).len();
    let nothing = backup(&one, &drive);
    assert_eq!(nothing["sync"]["synced_originals"], 0, "{nothing}");
    one.import(&world.photos("more", 5..6));
    let second = backup(&one, &drive);
    assert_eq!(second["sync"]["synced_originals"], 1, "{second}");
    assert!(files_in(&drive).len() > before);
    one.ends(&["backup", drive.to_str().unwrap(), "--verify"], 0);
    let status = one.json(&["status"]);
    assert!(status["backups"][0]["proven"].is_string(), "{status}");
    let told = one.ends(&["status"], 0);
    assert!(told.contains("made 20") && told.contains("proven 20"), "{told}");
    // Everything else is lost.
    let two = world.join_at("two", &format!("folder:{}", drive.display()));
    two.sync();
    let originals: Vec<Vec<u8>> = [0, 1, 2, 5].map(photo).into();
    two.has_whole(&originals, "exported");
    assert_eq!(two.listed().len(), 4);
}

#[test]
fn a_sync_leaves_a_drive_alone_until_a_backup_is_due_and_the_drive_is_there() {
    let (place, drives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let drive = drives.path().join("drive");
    std::fs::create_dir(&drive).unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    backup(&one, &drive);
    one.import(&world.photos("more", 1..2));
    let outcomes = one.json(&["sync"]);
    assert_eq!(outcomes.as_array().unwrap().len(), 1, "{outcomes}");
    assert_eq!(one.json(&["backup"])[0]["missing"], 1);
    // The drive is pulled out: nothing else is disturbed.
    let away = drives.path().join("away");
    std::fs::rename(&drive, &away).unwrap();
    one.ends(&["backup", drive.to_str().unwrap(), "--schedule", "daily"], 0);
    world.let_pass(2);
    one.sync();
    let shown = one.json(&["backup"]);
    assert_eq!((&shown[0]["is_due"], &shown[0]["is_connected"]), (&true.into(), &false.into()));
    let (code, _, said) = one.tries(&["backup", drive.to_str().unwrap()]);
    assert!(code != 0 && said.contains("no folder at"), "{code} {said}");
    std::fs::rename(&away, &drive).unwrap();
    let outcomes = one.json(&["sync"]);
    assert_eq!(outcomes.as_array().unwrap().len(), 2, "{outcomes}");
    let shown = one.json(&["backup"]);
    assert_eq!((&shown[0]["is_due"], &shown[0]["missing"]), (&false.into(), &0.into()));
}

#[test]
fn damage_on_a_drive_and_the_drive_of_another_library_are_named() {
    let (place, drives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let drive = drives.path().join("drive");
    std::fs::create_dir(&drive).unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    let (code, _, said) = one.tries(&["backup", drive.to_str().unwrap(), "--verify"]);
    assert!(code == 5 && said.contains("no backup was made"), "{code} {said}");
    backup(&one, &drive);
    let original = files_in(&drive.join("o")).remove(0);
    flip(&original);
    let (code, out, said) = one.tries(&["backup", drive.to_str().unwrap(), "--verify"]);
    assert!(code == 6 && out.contains("damaged"), "{code} {out} {said}");
    assert_eq!(one.json(&["backup"])[0]["proven"], serde_json::Value::Null);
    // It is whole again, from what this device holds.
    one.ends(&["backup", drive.to_str().unwrap(), "--verify"], 0);
    let elsewhere = tempfile::tempdir().unwrap();
    let others = World::in_folder(elsewhere.path());
    let stranger = others.first("stranger");
    stranger.import(&others.photos("theirs", 7..8));
    let before = files_in(&drive);
    let (code, _, said) = stranger.tries(&["backup", drive.to_str().unwrap()]);
    assert!(code != 0 && said.contains("another library"), "{code} {said}");
    assert_eq!(files_in(&drive), before, "nothing was written there");
}
