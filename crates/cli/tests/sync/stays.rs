//! What stays on a device although a policy only archives it: what another remote waits for, and what somebody asked for.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::devices::{Device, World, collect};

/// Photos that were taken long ago, as far as their files say.
fn old_photos(world: &World, seeds: std::ops::Range<u64>) -> PathBuf {
    let folder = world.photos("pics", seeds.clone());
    for seed in seeds {
        let path = folder.join(format!("PLANTED-pics-{seed}.jpg"));
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_200_000_000)).unwrap();
    }
    folder
}

/// How many parts of originals lie in a device's library folder.
fn here(device: &Device<'_>) -> usize {
    let (folder, mut found) = (device.folder().join("objects/o"), Vec::new());
    if folder.exists() {
        collect(&folder, &mut found);
    }
    found.len()
}

/// What a sync fetched and freed at the remote `place`.
fn moved(device: &Device<'_>) -> (u64, u64) {
    let outcome = device.json(&["sync"]);
    let each = outcome.as_array().unwrap().iter();
    let local = &each.clone().find(|one| one["remote"] == "place").unwrap()["local"];
    let count = |name: &str| local[name].as_u64().unwrap();
    (count("fetched_originals"), count("freed_originals"))
}

fn archives(world: &World, photos: u64) -> Device<'_> {
    let one = world.first("one");
    one.import(&old_photos(world, 0..photos));
    one.ends(&["remote", "set", "place", "policy=archive-only", "older=1y"], 0);
    one
}

#[test]
fn what_is_only_archived_stays_here_until_every_remote_that_asks_for_it_has_it() {
    let (place, nas) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::in_folder(place.path());
    let one = archives(&world, 2);
    one.add_remote("nas", &format!("folder:{}", nas.path().display()));
    // The other was never told of them, and is not asked now.
    let plan = one.json(&["sync", "--dry-run", "place"]);
    assert_eq!(plan[0]["leaving_originals"], 0, "{plan}");
    let outcome = one.json(&["sync", "place"]);
    assert_eq!(outcome[0]["synced_originals"], 2, "{outcome}");
    assert_eq!(outcome[0]["local"]["freed_originals"], 0, "{outcome}");
    let away = nas.path().with_extension("away");
    std::fs::rename(nas.path(), &away).unwrap();
    let (_, _, told) = one.tries(&["sync"]);
    std::fs::rename(&away, nas.path()).unwrap();
    assert_eq!(here(&one), 2, "{told}");
    // Where both are there, the one that only archives comes last, and everything goes in one run.
    assert_eq!(moved(&one), (0, 2));
    assert_eq!(here(&one), 0);
    let listed = one.listed();
    let shown = one.json(&["show", listed[0]["id"].as_str().unwrap()]);
    let held = |state: &Value| ["synced", "cloud-only"].contains(&state["state"].as_str().unwrap());
    assert!(shown["sync"].as_array().unwrap().iter().all(held), "{shown}");
}

#[test]
fn what_was_fetched_stays_until_it_is_freed_by_hand() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = archives(&world, 2);
    assert_eq!(moved(&one), (0, 2));
    let id = one.listed()[0]["id"].as_str().unwrap().to_owned();
    one.ends(&["local", "fetch", &id], 0);
    assert_eq!(moved(&one), (0, 0));
    assert_eq!(here(&one), 1);
    one.ends(&["local", "free", "--prove", "--yes", &id], 0);
    assert_eq!(here(&one), 0);
    assert_eq!(moved(&one), (0, 0));
}

#[test]
fn a_device_that_keeps_all_does_not_fetch_and_free_by_turns() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = archives(&world, 2);
    assert_eq!(moved(&one), (0, 2));
    one.ends(&["local", "set", "originals=keep-all"], 0);
    assert_eq!(moved(&one), (2, 0));
    assert_eq!(moved(&one), (0, 0));
    assert_eq!(here(&one), 2);
    assert_eq!(one.json(&["sync", "--dry-run"])[0]["leaving_originals"], 0);
    // Who takes that back has the policy again.
    one.ends(&["local", "set", "originals=on-demand"], 0);
    assert_eq!(moved(&one), (0, 2));
}

#[test]
fn what_another_device_keeps_to_itself_is_said_to_be_there_and_nowhere_here() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    let kept = one.listed()[0]["id"].as_str().unwrap().to_owned();
    one.ends(&["sync", "off", &kept], 0);
    one.sync();
    let two = world.join("two");
    let says_so = |two: &Device<'_>| {
        let shown = two.json(&["show", &kept]);
        let standing = &shown["sync"][0];
        assert_eq!((&standing["state"], &shown["place_count"]), (&"elsewhere".into(), &0.into()), "{shown}");
        assert_eq!(standing["why"]["code"], "device-keeps-it", "{shown}");
        let device = shown["kept_by"][0].as_str().unwrap().to_owned();
        assert!(standing["reason"].as_str().unwrap().contains(&device), "{shown}");
        let listed = two.json(&["list", "sync:elsewhere"]);
        assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
        assert_eq!((&listed[0]["id"], &listed[0]["sync"]), (&kept.clone().into(), &"elsewhere".into()));
        assert_eq!(two.json(&["list", "sync:waiting"]), serde_json::json!([]));
        assert!(two.ends(&["show", &kept], 0).contains("as far as the history tells"));
        let switches = two.ends(&["sync", "switches", &kept], 0);
        assert!(switches.contains("0 there or on their way"), "{switches}");
    };
    says_so(&two);
    two.sync();
    says_so(&two);
    // Where it is kept it says so too, and once it is sent the other one can bring it here. By itself it looks for what is
    // absent when history brings news, and else once an hour.
    assert_eq!(one.json(&["show", &kept])["sync"][0]["state"], "local-only");
    assert_eq!(one.json(&["show", &kept])["kept_by"], serde_json::json!([]));
    one.ends(&["sync", "auto", &kept], 0);
    one.sync();
    two.sync();
    two.ends(&["local", "fetch", &kept], 0);
    assert_eq!(two.json(&["show", &kept])["sync"][0]["state"], "synced");
}

#[test]
fn what_was_removed_before_a_device_joined_is_not_away_for_it() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..4));
    one.sync();
    let gone = one.listed()[0]["id"].as_str().unwrap().to_owned();
    one.ends(&["--yes", "trash", &gone], 0);
    one.ends(&["--yes", "trash", "empty"], 0);
    one.sync();
    let two = world.join("two");
    two.sync();
    assert_eq!(two.listed().len(), 3);
    let local = two.json(&["local"]);
    assert_eq!(local["away_originals"], 3, "{local}");
}
