//! What vanished from the library folder itself: a sync notices it by names, fetches what rests in a remote and says the rest.

use std::path::PathBuf;

use crate::devices::{Device, World, files_in, photo};
use crate::pictures;

/// A device with two large and two small originals, all synced.
fn one(world: &World) -> Device<'_> {
    let one = world.first("one");
    let pics = world.photos("pics", 0..2);
    for seed in [5, 6] {
        std::fs::write(pics.join(format!("small-{seed}.jpg")), pictures::photo(seed)).unwrap();
    }
    one.import(&pics);
    one.sync();
    one
}

/// The sealed originals in the library folder.
fn originals(device: &Device<'_>) -> Vec<PathBuf> {
    files_in(&device.folder().join("objects/o"))
}

#[test]
fn a_lost_local_original_comes_back_with_the_next_sync() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one(&world);
    let lost = originals(&one).pop().unwrap();
    std::fs::remove_file(&lost).unwrap();
    let outcome = one.json(&["sync"]);
    assert_eq!(outcome[0]["local"]["healed_originals"], 1, "{outcome}");
    assert!(lost.exists());
    one.ends(&["verify"], 0);
    assert_eq!(one.json(&["status"])["failed"], 0);
    // All of them with their folders, and the small ones with their pack.
    for area in ["o", "local"] {
        std::fs::remove_dir_all(one.folder().join("objects").join(area)).unwrap();
        let outcome = one.json(&["sync"]);
        assert_eq!(outcome[0]["local"]["healed_originals"], 2, "{area}: {outcome}");
        assert_eq!(one.json(&["status"])["damaged"], 0);
    }
    one.has_whole(&[photo(0), photo(1)], "exported");
}

#[test]
fn a_lost_local_original_that_no_remote_holds_is_said_by_the_status_after_a_sync() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one(&world);
    one.ends(&["remote", "set", "place", "policy=selective"], 0);
    one.import(&world.photos("only", 20..21));
    one.sync();
    std::fs::remove_dir_all(one.folder().join("objects/o")).unwrap();
    let (_, _, told) = one.tries(&["sync"]);
    let status = one.json(&["status"]);
    assert_eq!((&status["damaged"], &status["failed"]), (&1.into(), &1.into()), "{told}{status}");
    one.ends(&["verify"], 6);
    // Importing it again is what brings it back.
    one.import(&world.path("only"));
    assert_eq!(one.json(&["status"])["damaged"], 0);
    one.ends(&["verify"], 0);
}

#[test]
fn what_was_freed_is_not_missed_by_the_next_sync() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one(&world);
    // Small ones stay with the pack that they lie in.
    one.ends(&["--yes", "local", "free", "--all", "--prove"], 1);
    assert!(originals(&one).is_empty());
    for _ in 0..2 {
        let outcome = one.json(&["sync"]);
        assert_eq!(outcome[0]["local"]["healed_originals"], 0, "{outcome}");
    }
    assert_eq!(one.json(&["status"])["failed"], 0);
}

#[test]
fn a_missing_folder_of_objects_is_said_plainly_made_anew_by_who_writes_and_filled_by_a_sync() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one(&world);
    let state = one.state();
    let objects = one.folder().join("objects");
    std::fs::remove_dir_all(&objects).unwrap();
    for reading in [&["list"][..], &["status"], &["show", "path:small-5"]] {
        let (code, _, told) = one.tries(reading);
        assert_eq!(code, 6, "{told}");
        assert!(told.contains("objects, is missing") && told.contains("safelight sync"), "{told}");
        assert!(!objects.exists(), "who reads makes nothing");
    }
    let (code, _, told) = one.tries(&["sync"]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("made anew") && told.contains("fetches 4 originals") && told.contains("place"),
        "{told}"
    );
    let (_, _, told) = one.tries(&["sync"]);
    assert!(!told.contains("made anew"), "{told}");
    assert_eq!(one.state(), state);
    one.ends(&["verify"], 0);
    assert_eq!(one.json(&["status"])["damaged"], 0);
    one.has_whole(&[photo(0), photo(1)], "exported");
}

#[test]
fn a_missing_folder_of_objects_that_no_remote_fills_is_said_with_what_is_lost() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.alone("one");
    let pics = world.photos("pics", 0..3);
    one.import(&pics);
    std::fs::remove_dir_all(one.folder().join("objects")).unwrap();
    let new = world.photos("new", 7..8);
    let (_, _, told) = one.tries(&["import", "--settle=0", new.to_str().unwrap()]);
    assert!(told.contains("made anew") && told.contains("of 3 originals"), "{told}");
    assert!(told.contains("no remote holds a copy") && told.contains("from a backup"), "{told}");
    assert_eq!(one.json(&["status"])["damaged"], 3);
    one.tries(&["import", "--settle=0", pics.to_str().unwrap()]);
    assert_eq!(one.json(&["status"])["damaged"], 0);
}

#[test]
fn a_folder_of_objects_behind_a_link_to_a_disk_that_is_away_is_not_made_anew() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one(&world);
    let (objects, disk) = (one.folder().join("objects"), world.path("disk"));
    std::fs::rename(&objects, &disk).unwrap();
    std::os::unix::fs::symlink(&disk, &objects).unwrap();
    one.ends(&["verify"], 0);
    std::fs::rename(&disk, world.path("unplugged")).unwrap();
    let (code, _, told) = one.tries(&["sync"]);
    assert!(code != 0 && told.contains("connect the drive"), "{code}: {told}");
    std::fs::rename(world.path("unplugged"), &disk).unwrap();
    one.ends(&["verify"], 0);
}

#[test]
fn who_joins_from_a_checkpoint_misses_no_original_that_was_never_here() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one(&world);
    let photos: Vec<String> =
        one.listed().iter().map(|photo| photo["id"].as_str().unwrap().to_owned()).collect();
    // So many operations that a checkpoint is due.
    for round in 0..14 {
        let tags: Vec<String> = (0..100).map(|number| format!("tag+=t{round}-{number}")).collect();
        let arguments: Vec<&str> =
            ["set"].into_iter().chain(photos.iter().chain(&tags).map(|text| &**text)).collect();
        one.ends(&arguments, 0);
    }
    one.sync();
    assert!(place.path().join("ckpt").exists());
    let two = world.join("two");
    for _ in 0..2 {
        two.sync();
        assert!(originals(&two).is_empty());
        assert_eq!(
            (&two.json(&["status"])["failed"], &two.json(&["status"])["damaged"]),
            (&0.into(), &0.into())
        );
    }
}
