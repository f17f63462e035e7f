//! The brake: what many photos lose at once waits for a person, whoever takes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::devices::{Device, World, files_in, photo};

/// What a device writes out: names and bytes.
fn exported(device: &Device<'_>, target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = device.folder().with_extension(target);
    device.ends(&["export", folder.to_str().unwrap()], 0);
    let files =
        files_in(&folder).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "jpg"));
    files
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect()
}

fn name(seed: u64) -> String {
    format!("PLANTED-pics-{seed}.jpg")
}

#[test]
fn what_another_device_removed_at_once_is_held_and_comes_back() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..6));
    one.ends(&["album", "add", "Kept"], 0);
    one.ends(&["--yes", "set", "type:photo", "album+=Kept", "rating=4"], 0);
    one.sync();
    let two = world.join("two");
    two.ends(&["local", "set", "originals=keep-all"], 0);
    two.sync();
    two.ends(&["brake", "set", "--photos", "2", "--share", "10"], 0);
    assert_eq!(two.json(&["brake"])["causes"], serde_json::json!([]));
    let before = exported(&two, "before");

    // Somebody with the first device empties the library.
    one.ends(&["--yes", "trash", "type:photo"], 0);
    one.ends(&["--yes", "trash", "empty"], 0);
    one.sync();
    let (code, _, told) = two.tries(&["sync"]);
    assert!(code == 1 && told.contains("6 of 6 photos within a day"), "{told}");
    assert_eq!(two.listed().len(), 0, "history is history");
    two.ends(&["status", "--check"], 1);
    let causes = two.json(&["brake"])["causes"].clone();
    assert_eq!((causes[0]["lost"].clone(), causes[0]["known"].clone()), (6.into(), 6.into()));

    // Nothing goes: not here, and not in the place by this device's word.
    let (code, _, told) = two.tries(&["--yes", "trash", "empty"]);
    assert!(code == 5 && told.contains("safelight brake"), "{told}");
    let (code, _, told) = two.tries(&["--yes", "remote", "collect", "place"]);
    assert!(code != 0 && told.contains("the brake is on"), "{told}");

    two.ends(&["--yes", "restore", "--to", causes[0]["before"].as_str().unwrap()], 0);
    assert_eq!(exported(&two, "after"), before);
    let (code, _, _) = two.tries(&["brake", "release"]);
    assert_eq!(code, 5, "nobody is asked where nobody is there");
    two.ends(&["--yes", "brake", "release"], 0);
    two.sync();
    two.sync();
    two.ends(&["status", "--check"], 0);
    assert!(two.ends(&["history", "-n", "5"], 0).contains("brake released"));

    // And the first device has them again, from the place.
    one.sync();
    one.ends(&["local", "fetch", "--all"], 0);
    assert_eq!(exported(&one, "again"), before);
    assert_eq!(one.json(&["list", "album:Kept", "rating:4"]).as_array().unwrap().len(), 6);
    one.ends(&["verify", "--remote", "--all"], 0);
}

#[test]
fn few_photos_and_those_that_came_back_put_no_brake_on() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..6));
    one.sync();
    let two = world.join("two");
    two.sync();
    two.ends(&["brake", "set", "--photos", "2", "--share", "10"], 0);
    one.ends(&["trash", &name(0), &name(1)], 0);
    one.sync();
    two.sync();
    one.ends(&["undo"], 0);
    one.ends(&["trash", &name(2), &name(3)], 0);
    one.sync();
    two.sync();
    two.ends(&["status", "--check"], 0);
    // With the third on the same day it is too much.
    one.ends(&["trash", &name(4)], 0);
    one.sync();
    let (code, _, told) = two.tries(&["sync"]);
    assert!(code == 1 && told.contains("3 of 6 photos"), "{told}");
    // What had happened before a device joined concerns it no more.
    let three = world.join("three");
    three.ends(&["brake", "set", "--photos", "0", "--share", "0"], 0);
    three.sync();
    three.ends(&["status", "--check"], 0);
}

#[test]
fn much_at_once_is_asked_about_here_too() {
    let world = World::in_folder(Path::new("/nowhere"));
    let one = world.alone("one");
    one.import(&world.photos("pics", 0..4));
    one.ends(&["brake", "set", "--photos", "2", "--share", "10"], 0);
    let (code, _, told) = one.tries(&["trash", "type:photo"]);
    assert!(code == 5 && told.contains("4 of 4 photos"), "{told}");
    assert_eq!(one.listed().len(), 4);
    one.ends(&["trash", &name(0), &name(1)], 0);
    one.ends(&["--yes", "trash", "type:photo"], 0);
    one.ends(&["undo", "2"], 0);
    assert_eq!(one.listed().len(), 4);
    let (code, ..) = one.tries(&["undo", "--redo"]);
    assert_eq!(code, 0, "two are few");
    one.ends(&["brake", "set", "--share", "101"], 5);
    one.ends(&["brake", "set", "--share", "100"], 0);
    one.ends(&["trash", "type:photo"], 0);
}

#[test]
fn a_folder_whose_files_all_change_is_left_where_it_is() {
    let world = World::in_folder(Path::new("/nowhere"));
    let one = world.alone("one");
    let folder = world.photos("pics", 0..5);
    one.ends(&["source", "add", folder.to_str().unwrap()], 0);
    one.ends(&["import", "--settle", "0"], 0);
    one.ends(&["brake", "set", "--photos", "2", "--share", "10"], 0);
    let before = exported(&one, "before");
    for number in 0..5 {
        // Another picture under the same name, and one file that is new.
        fs::write(folder.join(name(number)), photo(100 + number)).unwrap();
    }
    fs::write(folder.join("new.jpg"), photo(7)).unwrap();
    let (code, out, _) = one.tries(&["import", "--settle", "0"]);
    assert!(code == 1, "{out}");
    let report = one.json_ending(&["import", "--settle", "0"], 1);
    assert_eq!(report["held_back"], 5, "{report}");
    assert_eq!(one.listed().len(), 6, "what is new comes in");
    let mut held = exported(&one, "held");
    held.retain(|path, _| before.contains_key(path));
    assert_eq!(held, before, "the library holds what it held");
    one.ends(&["status", "--check"], 1);
    assert!(one.ends(&["brake"], 0).contains("5 of 6 files"));

    one.ends(&["--yes", "brake", "release"], 0);
    let report = one.json(&["import", "--settle", "0"]);
    assert_eq!((report["held_back"].clone(), report["imported"].clone()), (0.into(), 5.into()), "{report}");
    one.ends(&["status", "--check"], 0);
}

#[test]
fn files_that_are_as_they_were_again_let_the_brake_go() {
    let world = World::in_folder(Path::new("/nowhere"));
    let one = world.alone("one");
    let folder = world.photos("pics", 0..4);
    one.ends(&["source", "add", folder.to_str().unwrap()], 0);
    one.ends(&["import", "--settle", "0"], 0);
    one.ends(&["brake", "set", "--photos", "2", "--share", "10"], 0);
    for number in 0..4 {
        fs::write(folder.join(name(number)), b"locked: pay to have it back").unwrap();
    }
    one.ends(&["import", "--settle", "0"], 1);
    one.ends(&["status", "--check"], 1);
    for number in 0..4 {
        fs::write(folder.join(name(number)), photo(number)).unwrap();
    }
    one.ends(&["import", "--settle", "0"], 0);
    one.ends(&["status", "--check"], 0);
}
