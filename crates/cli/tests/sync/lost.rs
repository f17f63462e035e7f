//! What a place lost, what never was here, and what was removed for good: each is said for as long as it is so, and no
//! longer.

use std::path::Path;

use serde_json::Value;

use crate::devices::{Device, World, files};
use crate::pictures;

/// How many objects of one area lie in a folder place.
fn count(place: &Path, area: &str) -> usize {
    let mut found = Vec::new();
    files(&place.join(area), &mut found);
    found.len()
}

/// Two devices that synced; the first holds two large and two small originals, the second nothing of them.
fn pair(world: &World) -> (Device<'_>, Device<'_>) {
    let one = world.first("one");
    let pics = world.photos("pics", 0..2);
    for seed in [5, 6] {
        std::fs::write(pics.join(format!("small-{seed}.jpg")), pictures::photo(seed)).unwrap();
    }
    one.import(&pics);
    one.sync();
    let two = world.join("two");
    two.sync();
    one.sync();
    (one, two)
}

#[test]
fn a_lost_pack_is_named_by_every_verification_until_a_sync_of_who_holds_it_sends_it_again() {
    for area in ["s", "p"] {
        let place = tempfile::tempdir().unwrap();
        let world = World::in_folder(place.path());
        let (one, two) = pair(&world);
        std::fs::remove_dir_all(place.path().join(area)).unwrap();
        for _ in 0..3 {
            let told = two.ends(&["verify", "--remote", "--all"], 6);
            assert!(told.contains(&format!("{area}/")) && told.contains("is missing"), "{told}");
        }
        let (_, _, told) = two.tries(&["sync"]);
        assert!(!told.contains("is to leave"), "{told}");
        two.ends(&["verify", "--remote"], 6);
        let outcome = one.json(&["sync"]);
        assert_eq!(outcome[0]["sent_packs"], 1, "{area}: {outcome}");
        assert!(count(place.path(), area) > 0);
        two.ends(&["verify", "--remote", "--all"], 0);
        two.sync();
        one.ends(&["verify", "--remote", "--all"], 0);
        two.ends(&["local", "fetch", "--all"], 0);
    }
}

#[test]
fn what_is_left_of_a_lost_pack_goes_in_another_once_something_in_it_was_removed_for_good() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (one, two) = pair(&world);
    let kept = world.path("pics").join("small-6.jpg");
    one.ends(&["trash", "path:small-5"], 0);
    one.ends(&["trash", "empty", "--yes"], 0);
    one.sync();
    two.sync();
    std::fs::remove_dir_all(place.path().join("s")).unwrap();
    one.ends(&["verify", "--remote"], 6);
    one.tries(&["sync"]);
    assert_eq!(count(place.path(), "s"), 1, "the other small original was packed anew");
    for device in [&one, &two] {
        device.tries(&["sync"]);
        device.ends(&["verify", "--remote", "--all"], 0);
    }
    two.has_whole(&[std::fs::read(&kept).unwrap()], "exported");
}

#[test]
fn what_is_left_of_a_pack_goes_to_a_second_place_once_something_in_it_was_removed_for_good() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (one, _) = pair(&world);
    one.ends(&["trash", "path:small-5"], 0);
    one.ends(&["trash", "empty", "--yes"], 0);
    one.sync();
    let cellar = tempfile::tempdir().unwrap();
    one.ends(&["remote", "add", "cellar", &format!("folder:{}", cellar.path().display())], 0);
    for _ in 0..2 {
        one.sync();
        assert_eq!((count(cellar.path(), "s"), count(cellar.path(), "o")), (1, 2), "each goes once");
    }
    assert_eq!(one.json(&["list", "--count", "sync:synced"])["count"], 3);
    one.ends(&["verify", "--remote", "--all"], 0);
}

#[test]
fn a_lost_original_is_named_by_every_verification_until_it_is_there_again() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (one, two) = pair(&world);
    std::fs::remove_dir_all(place.path().join("o")).unwrap();
    for _ in 0..3 {
        let told = two.ends(&["verify", "--remote"], 6);
        assert_eq!(told.matches("is missing").count(), 2, "{told}");
    }
    // What was found is told to the others with the next sync.
    two.tries(&["sync"]);
    one.sync();
    assert_eq!(count(place.path(), "o"), 2);
    two.ends(&["verify", "--remote", "--all"], 0);
    two.ends(&["local", "fetch", "--all"], 0);
}

#[test]
fn a_verification_writes_nothing_into_a_place_that_was_emptied_or_went_back() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    one.sync();
    let before = world.path("before");
    crate::devices::copy_all(place.path(), &before);
    one.import(&world.photos("more", 1..2));
    one.sync();
    let replace_by = |with: Option<&Path>| {
        for entry in std::fs::read_dir(place.path()).unwrap() {
            std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        if let Some(with) = with {
            crate::devices::copy_all(with, place.path());
        }
    };
    for state in [None, Some(before.as_path())] {
        replace_by(state);
        let mut there = Vec::new();
        files(place.path(), &mut there);
        let (code, _, told) = one.tries(&["verify", "--remote", "--all"]);
        assert_eq!(code, 6, "{told}");
        assert!(told.contains("--accept-rollback"), "{told}");
        let mut after = Vec::new();
        files(place.path(), &mut after);
        assert_eq!(there.len(), after.len(), "{after:?}");
    }
    // One that is whole beside it does not make less of it.
    let cellar = tempfile::tempdir().unwrap();
    one.ends(&["remote", "add", "cellar", &format!("folder:{}", cellar.path().display())], 0);
    one.ends(&["sync", "cellar"], 0);
    one.ends(&["verify", "--remote"], 6);
}

#[test]
fn what_never_was_here_is_not_damaged_because_a_sync_was_cut_short() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (one, two) = pair(&world);
    let pics = world.photos("later", 10..12);
    std::fs::write(pics.join("small-7.jpg"), pictures::photo(7)).unwrap();
    one.import(&pics);
    one.sync();
    // As a kill leaves it between the history and the originals.
    let kept = std::fs::read(two.folder().join("device.db")).unwrap();
    two.sync();
    std::fs::write(two.folder().join("device.db"), kept).unwrap();
    let told = two.ends(&["verify"], 0);
    assert!(!told.contains("damaged"), "{told}");
    assert_eq!(two.json(&["status"])["failed"], 0);
    two.sync();
    two.ends(&["verify"], 0);
}

#[test]
fn what_no_remote_was_seen_to_hold_is_not_said_to_rest_there() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (_, two) = pair(&world);
    two.ends(&["remote", "set", "place", "policy=selective"], 0);
    two.import(&world.photos("only", 20..21));
    two.sync();
    let three = world.join("three");
    three.sync();
    let (code, found, notes) = three.tries(&["verify"]);
    let told = format!("{found}{notes}");
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("4 originals rest there"), "{told}");
    assert!(told.contains("1 original is not here and was not seen in any remote"), "{told}");
    let (code, _, told) = three.tries(&["export", world.path("out").to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(!told.contains("it rests in"), "{told}");
}

#[test]
fn what_was_removed_for_good_neither_waits_nor_takes_a_place_away() {
    for syncs_first in [false, true] {
        let place = tempfile::tempdir().unwrap();
        let world = World::in_folder(place.path());
        let one = world.first("one");
        one.import(&world.photos("pics", 0..3));
        if syncs_first {
            one.sync();
        }
        let gone = one.listed()[0]["id"].as_str().unwrap().to_owned();
        one.ends(&["trash", &gone], 0);
        one.ends(&["trash", "empty", "--yes"], 0);
        one.sync();
        let two = world.join("two");
        for _ in 0..2 {
            one.sync();
            two.sync();
        }
        let status = one.json(&["status"]);
        assert_eq!((&status["waiting"], &status["places"]), (&0.into(), &2.into()), "{status}");
        let status = two.json(&["status"]);
        assert_eq!((&status["waiting"], &status["places"]), (&0.into(), &1.into()), "{status}");
        let shown = one.json(&["remote", "show", "place"]);
        assert_eq!(
            (&shown["safe_originals"], &shown["waiting_originals"]),
            (&2.into(), &0.into()),
            "{shown}"
        );
    }
}

#[test]
fn the_folder_of_a_library_is_no_second_place() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (one, two) = pair(&world);
    let link = world.path("link");
    std::os::unix::fs::symlink(one.folder().join("objects"), &link).unwrap();
    for folder in [one.folder().join("objects"), one.folder(), link, two.folder().join("objects")] {
        let address = format!("folder:{}", folder.display());
        let (code, _, told) = one.tries(&["remote", "add", "me", &address]);
        assert_eq!(code, 5, "{told}");
        assert!(told.contains("in the folder of the library"), "{told}");
    }
    let around = format!("folder:{}", one.folder().parent().unwrap().display());
    let (code, _, told) = one.tries(&["remote", "add", "me", &around]);
    assert!(code == 5 && told.contains("the folder of this library lies in"), "{told}");
    let listed: Value = one.json(&["remote", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[test]
fn who_joins_goes_on_with_what_took_the_place_of_a_damaged_pack() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (one, _) = pair(&world);
    let kept = std::fs::read(world.path("pics").join("small-6.jpg")).unwrap();
    // Of which something was removed for good, a pack cannot be built again: what is left goes in another.
    one.ends(&["trash", "path:small-5"], 0);
    one.ends(&["trash", "empty", "--yes"], 0);
    one.sync();
    for area in ["s", "t"] {
        let mut packs = Vec::new();
        files(&place.path().join(area), &mut packs);
        assert!(!packs.is_empty());
        for pack in packs {
            let mut bytes = std::fs::read(&pack).unwrap();
            let near_end = bytes.len() - 200;
            bytes[near_end] ^= 1;
            std::fs::write(&pack, bytes).unwrap();
        }
    }
    one.ends(&["verify", "--remote", "--all"], 6);
    one.sync();
    for (name, more) in [("three", &[][..]), ("four", &["--no-sync"])] {
        let joined = world.join_with(name, more, 0);
        for _ in 0..2 {
            let (code, _, told) = joined.tries(&["sync"]);
            assert!(code == 0 && !told.contains("damaged"), "{name}: {told}");
        }
        joined.has_whole(std::slice::from_ref(&kept), &format!("out-{name}"));
        joined.ends(&["verify", "--remote", "--all"], 0);
    }
}

#[test]
fn what_was_removed_for_good_is_no_failure_of_another_device() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (one, two) = pair(&world);
    // Some are lost in the place, and one is damaged here.
    two.ends(&["local", "fetch", "--all"], 0);
    two.tries(&["local", "free", "--all", "--yes"]);
    let mut packs = Vec::new();
    files(&two.folder().join("objects/local"), &mut packs);
    packs.iter().for_each(|pack| std::fs::remove_file(pack).unwrap());
    two.ends(&["verify"], 6);
    std::fs::remove_dir_all(place.path().join("o")).unwrap();
    two.ends(&["verify", "--remote"], 6);
    let status = two.json(&["status"]);
    assert!(status["failed"].as_u64().unwrap() >= 3, "{status}");
    one.ends(&["trash", "path:pics"], 0);
    one.ends(&["trash", "empty", "--yes"], 0);
    one.tries(&["sync"]);
    two.tries(&["sync"]);
    let status = two.json(&["status"]);
    assert_eq!(
        (&status["failed"], &status["damaged"], &status["failures"]),
        (&0.into(), &0.into(), &serde_json::json!([])),
        "{status}"
    );
}

#[test]
fn a_verification_names_each_finding_once() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (one, _) = pair(&world);
    let mut originals = Vec::new();
    files(&place.path().join("o"), &mut originals);
    std::fs::remove_dir_all(place.path().join("o")).unwrap();
    let (code, out, told) = one.tries(&["verify", "--remote"]);
    assert_eq!(code, 6);
    for path in originals {
        let name = path.file_name().unwrap().to_str().unwrap();
        let missing = format!("{name} is missing");
        assert_eq!(format!("{out}{told}").matches(&missing).count(), 1, "{out}{told}");
    }
}
