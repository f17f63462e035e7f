//! What a verification puts again is found by whoever joins right after, on the built program.

use std::path::{Path, PathBuf};

use safelight_servers::Moto;

use crate::devices::{Device, Meeting, World, files_in, photo};
use crate::pictures;

/// The objects of a folder of one kind: `o`, `s`, `t`, `p`.
fn objects(place: &Path, kind: &str) -> Vec<PathBuf> {
    files_in(&place.join(kind))
}

/// A device with two originals of their own, and two small ones with thumbnails.
fn filled(world: &World) -> (Device<'_>, Vec<Vec<u8>>) {
    let one = world.first("one");
    let pics = world.photos("pics", 0..2);
    let mut originals = vec![photo(0), photo(1)];
    for seed in [5, 6] {
        let small = pictures::photo(seed);
        std::fs::write(pics.join(format!("small-{seed}.jpg")), &small).unwrap();
        originals.push(small);
    }
    one.import(&pics);
    one.sync();
    (one, originals)
}

fn hurt(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    // Behind the header, and before the index at the end of a pack.
    bytes[700] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn whoever_joins_right_after_a_repair_has_everything() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (one, originals) = filled(&world);
    let mut wrong = vec![objects(place.path(), "o").remove(0)];
    for kind in ["s", "t", "p"] {
        wrong.extend(objects(place.path(), kind));
    }
    assert!(wrong.len() >= 3, "{wrong:?}");
    wrong.iter().for_each(|path| hurt(path));
    // One is gone altogether.
    std::fs::remove_file(objects(place.path(), "o").remove(1)).unwrap();

    let reports = one.json_ending(&["verify", "--remote", "--all"], 6);
    let found = wrong.len() + 1;
    assert_eq!(reports[0]["damaged"].as_array().unwrap().len(), found, "{reports}");
    assert_eq!(
        (&reports[0]["repaired_objects"], &reports[0]["not_repaired"]),
        (&found.into(), &serde_json::Value::Null)
    );

    let two = world.join("two");
    assert_eq!(two.state(), one.state(), "it was told of all that was put");
    two.has_whole(&originals, "out");
    for item in two.listed() {
        let id = item["id"].as_str().unwrap().to_owned();
        if item["undecodable"] == false {
            assert_eq!(two.thumbnail(&id), one.thumbnail(&id));
            assert!(two.thumbnail(&id).is_some());
        }
    }
    // Nothing is left for the next sync, and nothing is named any more.
    let synced = one.json(&["sync"]);
    assert_eq!(
        (&synced[0]["synced_originals"], &synced[0]["sent_packs"]),
        (&0.into(), &0.into()),
        "{synced}"
    );
    one.ends(&["verify", "--remote", "--all"], 0);
    two.ends(&["verify", "--remote", "--all"], 0);
}

#[test]
fn what_was_repaired_is_fetched_without_a_word_of_the_damage_before_it() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (one, originals) = filled(&world);
    objects(place.path(), "o").iter().for_each(|path| hurt(path));
    one.ends(&["verify", "--remote", "--all"], 6);
    assert_eq!(objects(place.path(), "o").len(), 4, "what is damaged waits to be collected");
    let two = world.join("two");
    let target = world.path("read");
    for arguments in [&["export", target.to_str().unwrap()][..], &["local", "fetch", "--all"]] {
        let (code, _, told) = two.tries(arguments);
        assert_eq!(code, 0, "{told}");
        assert!(!told.contains("damage"), "{arguments:?}: {told}");
    }
    two.has_whole(&originals, "out");
}

#[test]
fn what_merely_waits_is_not_sent_by_a_verification() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (one, _) = filled(&world);
    one.import(&world.photos("later", 7..9));
    hurt(&objects(place.path(), "o")[0]);
    let before = objects(place.path(), "o").len();
    one.ends(&["verify", "--remote", "--all"], 6);
    assert_eq!(objects(place.path(), "o").len(), before + 1, "the next generation of what was damaged");
    assert_eq!(one.json(&["sync"])[0]["synced_originals"], 2);
}

#[test]
fn what_another_device_repaired_is_looked_for_before_it_is_sent() {
    let Some(server) = Moto::start() else { return };
    let (address, credential) = (server.bucket("photos"), Some(server.credential().to_owned()));
    let world = World::new(Meeting { address, credential });
    let (one, originals) = filled(&world);
    let two = world.join("two");
    two.ends(&["local", "fetch", "--all"], 0);
    two.sync();
    one.sync();
    let is_wanted = |key: &str| ["/o/", "/s/", "/t/"].iter().any(|area| key.contains(area));
    let hurt = server.change("photos", is_wanted, |bytes| bytes[700] ^= 1);
    assert!(hurt >= 4, "{hurt}");
    two.ends(&["verify", "--remote", "--all"], 6);
    let outcome = &one.json(&["sync"])[0];
    let up_bytes = outcome["traffic"]["up_bytes"].as_u64().unwrap();
    assert!(up_bytes < 40_000, "what is there already was sent again: {outcome}");
    assert_eq!(
        (&outcome["sent_packs"], &outcome["problems"]),
        (&0.into(), &serde_json::json!([])),
        "{outcome}"
    );
    assert_eq!(one.json(&["status"])["waiting"], 0);
    one.ends(&["verify", "--remote", "--all"], 0);
    world.join("three").has_whole(&originals, "out");
}
