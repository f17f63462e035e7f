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
