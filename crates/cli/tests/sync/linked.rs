//! Linked originals through the built program: sealed on their way, named by history, fetched by who links nothing.

use std::path::{Path, PathBuf};

use crate::devices::{Device, World, collect, photo};

fn objects(place: &Path) -> usize {
    let mut found = Vec::new();
    let area = place.join("o");
    if area.exists() {
        collect(&area, &mut found);
    }
    found.len()
}

/// A folder with three photos that a device has linked.
fn link_three(world: &World, device: &Device<'_>, folder: &str) -> PathBuf {
    let photos = world.photos(folder, 0..3);
    device.ends(&["import", "--link", photos.to_str().unwrap()], 0);
    photos
}

#[test]
fn a_linked_original_is_sealed_on_its_way_and_comes_whole_to_other_devices() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let pics = world.photos("pics", 0..3);
    // More than one part.
    let large: Vec<u8> = photo(9).into_iter().cycle().take((33 << 20) + 5).collect();
    std::fs::write(pics.join("PLANTED-pics-9.jpg"), &large).unwrap();
    one.ends(&["import", "--link", pics.to_str().unwrap()], 0);
    let planned = one.json(&["--dry-run", "sync"]);
    assert_eq!(planned[0]["originals"], 4);
    one.sync();
    assert_eq!(objects(place.path()), 5);
    assert!(!one.folder().join("objects/o").exists(), "nothing of it is sealed into the library folder");
    assert_eq!(one.json(&["list", "--count", "sync:synced is:linked"])["count"], 4);
    assert_eq!(one.json(&["sync"])[0]["synced_originals"], 0, "it goes once");
    one.ends(&["verify", "--remote", "--all"], 0);
    let mut held = Vec::new();
    collect(place.path(), &mut held);
    assert!(held.iter().all(|bytes| !bytes.windows(7).any(|window| window == b"PLANTED")));

    // Who joins sees that the place holds them, fetches them, and reads them though no file is linked there.
    std::fs::rename(&pics, world.path("pics-on-a-disk-that-is-away")).unwrap();
    let two = world.join("two");
    two.sync();
    assert_eq!(two.json(&["list", "--count", "sync:cloud-only"])["count"], 4);
    two.has_whole(&[photo(0), photo(1), photo(2), large], "out");
    two.ends(&["verify"], 0);
    assert_eq!(two.json(&["list", "--count", "sync:synced"])["count"], 4);
    assert_eq!(two.listed(), one.listed());
}

#[test]
fn a_linked_original_is_sent_from_any_file_that_still_holds_it() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let pics = link_three(&world, &one, "pics");
    let copies = link_three(&world, &one, "copies");
    // Nothing imports again before the sync: one file went away, one was written over, and one of its copies as well.
    std::fs::remove_file(pics.join("PLANTED-pics-0.jpg")).unwrap();
    std::fs::write(pics.join("PLANTED-pics-1.jpg"), photo(77)).unwrap();
    std::fs::write(copies.join("PLANTED-copies-2.jpg"), photo(78)).unwrap();
    one.sync();
    assert_eq!(objects(place.path()), 3);
    assert_eq!(one.json(&["list", "--count", "sync:synced is:linked"])["count"], 3);
    one.ends(&["verify", "--remote", "--all"], 0);
    std::fs::remove_dir_all(&copies).unwrap();
    world.join("two").has_whole(&[photo(0), photo(1), photo(2)], "out");
}

#[test]
fn a_linked_file_that_changed_or_went_away_is_never_sent_under_its_old_hash() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let pics = link_three(&world, &one, "pics");
    // Of the same length, so that only its hash tells.
    std::fs::write(pics.join("PLANTED-pics-0.jpg"), photo(77)).unwrap();
    std::fs::rename(pics.join("PLANTED-pics-1.jpg"), world.path("away.jpg")).unwrap();
    let output = one.command(&["sync"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("import it again"), "{told}");
    assert_eq!(objects(place.path()), 1);
    let listed = one.listed();
    let state_of = |seed: u64| {
        let end = format!("-{seed}.jpg");
        let asset = listed.iter().find(|asset| asset["path"].as_str().unwrap().ends_with(&end)).unwrap();
        let standing = one.json(&["show", asset["id"].as_str().unwrap()])["sync"][0].clone();
        (standing["state"].as_str().unwrap().to_owned(), standing["reason"].as_str().unwrap_or("").to_owned())
    };
    assert_eq!(state_of(2).0, "synced");
    let (state, reason) = state_of(0);
    assert!(state == "failed" && reason.contains("no longer the file"), "{state}: {reason}");
    let (state, reason) = state_of(1);
    assert!(state == "waiting" && reason.contains("connect its disk"), "{state}: {reason}");
    // Back again it goes with the next sync.
    std::fs::rename(world.path("away.jpg"), pics.join("PLANTED-pics-1.jpg")).unwrap();
    one.command(&["sync"]).output().unwrap();
    assert_eq!((state_of(1).0.as_str(), objects(place.path())), ("synced", 2));
}
