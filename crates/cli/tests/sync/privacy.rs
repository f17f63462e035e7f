//! What whoever keeps a remote can see is told in the numbers of what really lies there.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::devices::{World, files};

/// How many files lie in each folder of a place, and their bytes.
fn listing(place: &Path) -> BTreeMap<String, (u64, u64)> {
    let mut found = Vec::new();
    files(place, &mut found);
    let mut listing = BTreeMap::new();
    for file in found {
        let below = file.strip_prefix(place).unwrap();
        let folder = below.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
        let (objects, bytes) = listing.entry(folder).or_insert((0, 0));
        *objects += 1;
        *bytes += std::fs::metadata(&file).unwrap().len();
    }
    listing
}

/// The same as it is told, and what of it is said to be the least, taken out of both.
fn told_and_listed(privacy: &Value, place: &Path) -> [BTreeMap<String, (u64, u64)>; 2] {
    let (mut told, mut listed) = (told_of(privacy), listing(place));
    for sort in privacy["sorts"].as_array().unwrap().iter().filter(|sort| sort["is_least"] == json!(true)) {
        let folder = sort["folder"].as_str().unwrap();
        let (told, listed) = (told.remove(folder).unwrap(), listed.remove(folder).unwrap());
        assert!(told.0 <= listed.0 && told.1 <= listed.1, "{sort}");
        assert_eq!(privacy["is_whole"], json!(false), "{privacy}");
    }
    [told, listed]
}

/// The same as it is told, where nothing is said to be the least.
fn told(privacy: &Value) -> BTreeMap<String, (u64, u64)> {
    assert_eq!(privacy["is_whole"], json!(true), "{privacy}");
    told_of(privacy)
}

fn told_of(privacy: &Value) -> BTreeMap<String, (u64, u64)> {
    let sorts = privacy["sorts"].as_array().unwrap().iter();
    sorts
        .map(|sort| {
            assert!(sort["is_whole"] == json!(true) || sort["is_least"] == json!(true), "{sort}");
            let number = |name: &str| sort[name].as_u64().unwrap();
            (sort["folder"].as_str().unwrap().to_owned(), (number("objects"), number("bytes")))
        })
        .collect()
}

fn segments_on_disk(place: &Path, device: &str) -> u64 {
    std::fs::read_dir(place.join("log").join(device)).unwrap().count() as u64
}

#[test]
fn what_a_keeper_sees_is_told_in_the_numbers_of_what_lies_there() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let nothing = one.json(&["remote", "privacy", "place"])[0].take();
    assert_eq!((&nothing["objects"], &nothing["sorts"]), (&json!(0), &json!([])), "{nothing}");
    assert!(one.ends(&["remote", "privacy"], 0).contains("nothing rests there"));

    one.import(&world.photos("pics", 0..4));
    one.sync();
    let two = world.join("two");
    two.import(&world.photos("more", 4..7));
    two.sync();
    one.sync();
    for (device, other) in [(&one, &two), (&two, &one)] {
        let privacy = device.json(&["remote", "privacy"])[0].take();
        let [told, listed] = told_and_listed(&privacy, place.path());
        assert_eq!(told, listed, "{privacy}");
        let total =
            listing(place.path()).into_values().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        let (objects, bytes) = (privacy["objects"].as_u64().unwrap(), privacy["bytes"].as_u64().unwrap());
        assert!(objects <= total.0 && bytes <= total.1, "{privacy}");
        assert!(device.ends(&["remote", "privacy"], 0).contains("at least"), "{privacy}");
        let devices = privacy["devices"].as_array().unwrap();
        assert_eq!(devices.iter().map(|seen| seen["own"] == json!(true)).collect::<Vec<_>>(), [true, false]);
        for seen in devices {
            let segments = segments_on_disk(place.path(), seen["device"].as_str().unwrap());
            assert_eq!(seen["segments"].as_u64(), Some(segments), "{seen}");
        }
        assert!(other.json(&["remote", "privacy"])[0]["objects"].as_u64().unwrap() <= total.0);
        // A verification learns of objects in its own way, and nothing is counted twice for that.
        device.ends(&["verify", "--remote", "--all"], 0);
        let privacy = device.json(&["remote", "privacy"])[0].take();
        let [told, listed] = told_and_listed(&privacy, place.path());
        assert_eq!(told, listed, "{privacy}");
    }
}

#[test]
fn of_a_device_whose_history_was_only_brought_there_no_keys_file_is_counted() {
    let (place, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.sync();
    world.join("two").sync();
    one.sync();
    // The second device was never there: the first one brings its history.
    one.add_remote("second", &format!("folder:{}", second.path().display()));
    one.sync();
    let privacy = one.json(&["remote", "privacy", "second"])[0].take();
    let [told, listed] = told_and_listed(&privacy, second.path());
    assert_eq!(told, listed, "{privacy}");
    let keys = told_of(&privacy)["keys"];
    assert_eq!(keys, listing(second.path())["keys"], "{privacy}");
}

#[test]
fn what_was_dropped_is_counted_for_as_long_as_it_lies_there() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..5));
    one.sync();
    let names = one.json(&["list"]);
    let ids: Vec<&str> = names.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    one.ends(&["--yes", "trash", ids[0], ids[1]], 0);
    one.ends(&["--yes", "trash", "empty"], 0);
    let compare = |leaving: u64| {
        let privacy = one.json(&["remote", "privacy"])[0].take();
        assert_eq!(told(&privacy), listing(place.path()), "{privacy}");
        assert_eq!(privacy["leaving_objects"], json!(leaving), "{privacy}");
        let costs = one.json(&["remote", "cost"]);
        let (objects, bytes) = listing(place.path())["o"];
        let resting = &costs[0]["resting"][0];
        assert_eq!((&resting["objects"], &resting["bytes"]), (&json!(objects), &json!(bytes)), "{costs}");
        objects
    };
    one.sync();
    let before = compare(2);
    one.sync();
    world.let_pass(31);
    one.sync();
    assert!(one.ends(&["remote", "privacy"], 0).contains("2 of these, "));
    assert_eq!(compare(2), before, "nobody collected");
    one.ends(&["--yes", "remote", "collect", "place"], 0);
    assert_eq!(compare(0), before - 2);
}

#[test]
fn places_that_hold_one_library_are_told_of_each_other() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::in_folder(first.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.ends(&["remote", "add", "second", &format!("folder:{}", second.path().display())], 0);
    let also = |name: &str| one.json(&["remote", "privacy", name])[0]["also_in"].take();
    one.ends(&["sync", "place"], 0);
    assert_eq!((also("place"), also("second")), (json!([]), json!(["place"])));
    one.sync();
    assert_eq!((also("place"), also("second")), (json!(["second"]), json!(["place"])));
    one.ends(&["remote", "privacy", "elsewhere"], 4);
}
