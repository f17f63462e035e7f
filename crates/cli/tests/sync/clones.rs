//! A cloned library, and one restored from a backup: whoever writes first, nothing is lost or hidden.
//!
//! In one place copies of a device take turns under one name. In two places they fork, and go on under new names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use safelight_servers::Azurite;

use crate::devices::{Device, Meeting, World, files, photo};
use crate::kills::kill_at_random;

/// Where everybody meets: one or two places in one server or folder.
struct Places {
    addresses: Vec<String>,
    credential: Option<String>,
}

fn folders(root: &Path) -> Places {
    let address = |name: &str| format!("folder:{}", root.join(name).display());
    let addresses = ["first", "second", "third"].map(|name| {
        std::fs::create_dir(root.join(name)).unwrap();
        address(name)
    });
    Places { addresses: addresses.into(), credential: None }
}

fn containers(server: &Azurite) -> Places {
    let first = server.address();
    let another = |name| first.replace("below/here", name);
    Places {
        addresses: vec![first.clone(), another("another/one"), another("third")],
        credential: Some(server.sas()),
    }
}

impl Places {
    fn world(&self) -> World {
        World::new(Meeting { address: self.addresses[0].clone(), credential: self.credential.clone() })
    }
}

/// Imports one photo of its own, and types a caption and a rating on the shared one.
fn edit(device: &Device<'_>, world: &World, seed: u64, shared: &str) {
    device.import(&world.photos(&format!("of-{}-{seed}", device.name()), seed..seed + 1));
    device.ends(&["set", shared, &format!("caption=by {} {seed}", device.name())], 0);
}

/// Everybody syncs until nobody says anything new, and then all are the same and have everything.
fn end_equal(devices: &[&Device<'_>], originals: std::ops::Range<u64>) {
    for _ in 0..3 {
        for device in devices {
            let (code, _, told) = device.tries(&["sync"]);
            assert!(matches!(code, 0 | 1), "{} {code}: {told}", device.name());
        }
    }
    let first = devices[0];
    let (listed, state) = (first.listed(), first.state());
    assert_eq!(u64::try_from(listed.len()).unwrap(), originals.end - originals.start);
    for device in devices {
        device.sync();
        assert_eq!(device.state(), state, "{} and {}", device.name(), first.name());
        assert_eq!(device.listed(), listed, "{} and {}", device.name(), first.name());
        device.ends(&["verify"], 0);
        device.ends(&["verify", "--remote", "--all"], 0);
    }
    let words = six_words(first);
    for device in devices {
        assert_eq!(six_words(device), words, "{} and {}", device.name(), first.name());
    }
    let all: Vec<Vec<u8>> = originals.map(photo).collect();
    for device in devices {
        device.has_whole(&all, &format!("out-{}", device.name()));
    }
}

fn six_words(device: &Device<'_>) -> String {
    device.json(&["status"])["six_words"].as_str().unwrap().to_owned()
}

fn shared_asset(device: &Device<'_>) -> String {
    device.listed()[0]["id"].as_str().unwrap().to_owned()
}

/// One place: a clone and the original write in one order or the other, or both before they meet.
fn copies_in_one_place(places: &Places) {
    let world = places.world();
    let one = world.first("one");
    one.import(&world.photos("shared", 0..1));
    one.sync();
    let two = world.join("two");
    let shared = shared_asset(&one);
    let clone = world.copy(&one, "clone");
    // The clone writes first.
    edit(&clone, &world, 1, &shared);
    clone.sync();
    edit(&one, &world, 2, &shared);
    one.sync();
    // The original writes first.
    edit(&one, &world, 3, &shared);
    one.sync();
    edit(&clone, &world, 4, &shared);
    clone.sync();
    // Both write before they hear of each other, and a clone of the clone too.
    let again = world.copy(&clone, "again");
    for (device, seed) in [(&one, 5), (&clone, 6), (&again, 7)] {
        edit(device, &world, seed, &shared);
    }
    for device in [&again, &one, &clone] {
        device.sync();
    }
    end_equal(&[&one, &clone, &again, &two], 0..8);
    let conflicts = two.ends(&["--json", "conflicts"], 0);
    assert!(conflicts.contains("by again 7") && conflicts.contains("by one 5"), "{conflicts}");
}

/// Last week's backup takes the place of a lost disk.
fn a_backup_is_restored(places: &Places) {
    let world = places.world();
    let one = world.first("one");
    one.import(&world.photos("shared", 0..1));
    one.sync();
    let two = world.join("two");
    let shared = shared_asset(&one);
    let backup = world.copy(&one, "backup");
    // A week of work, synced; then the disk is lost.
    edit(&one, &world, 1, &shared);
    one.sync();
    edit(&one, &world, 2, &shared);
    one.sync();
    std::fs::remove_dir_all(one.folder()).unwrap();
    // Somebody goes on with the backup before it is online again.
    edit(&backup, &world, 3, &shared);
    backup.sync();
    edit(&two, &world, 4, &shared);
    two.sync();
    end_equal(&[&backup, &two], 0..5);
    end_equal(&[&world.join("three"), &backup, &two], 0..5);
}

/// Two places: each copy publishes in another one before it hears of the other.
fn a_true_fork(places: &Places) {
    let world = places.world();
    let one = world.first("one");
    one.add_remote("second", &places.addresses[1]);
    one.import(&world.photos("shared", 0..1));
    one.sync();
    let two = world.join("two");
    two.add_remote("second", &places.addresses[1]);
    two.sync();
    let shared = shared_asset(&one);
    let clone = world.copy(&one, "clone");
    edit(&one, &world, 1, &shared);
    one.ends(&["sync", "place"], 0);
    edit(&clone, &world, 2, &shared);
    clone.ends(&["sync", "second"], 0);
    // A copy of the copy publishes in the third place.
    let again = world.copy(&clone, "again");
    for device in [&one, &clone, &again, &two] {
        device.add_remote("third", &places.addresses[2]);
    }
    edit(&clone, &world, 3, &shared);
    clone.ends(&["sync", "second"], 0);
    edit(&again, &world, 4, &shared);
    again.ends(&["sync", "third"], 0);
    // The third device meets both branches.
    edit(&two, &world, 5, &shared);
    let (code, _, told) = two.tries(&["sync"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("both are kept, nothing is lost"), "{told}");
    edit(&one, &world, 6, &shared);
    let (code, _, told) = one.tries(&["sync"]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("a copy of this device went on by itself") && told.contains("goes on as device"),
        "{told}"
    );
    end_equal(&[&one, &clone, &again, &two], 0..7);
    // Words that were written down after the fork are found by everybody later.
    let written_down = six_words(&two);
    edit(&one, &world, 7, &shared);
    one.sync();
    clone.sync();
    assert_ne!(six_words(&clone), written_down);
    for device in [&one, &clone] {
        device.ends(&["verify", "--six-words", &written_down], 0);
    }
    end_equal(&[&one, &clone, &again, &two], 0..8);
    // Whoever comes later finds everything in every place.
    let late: Vec<Device<'_>> = places
        .addresses
        .iter()
        .enumerate()
        .map(|(number, address)| world.join_at(&format!("late{number}"), address))
        .collect();
    for device in &late {
        assert_eq!(device.state(), two.state(), "{}", device.name());
    }
}

/// The first device, with a second remote and a photo that all are going to share.
fn first_with_second_remote<'a>(world: &'a World, places: &Places) -> (Device<'a>, String) {
    let one = world.first("one");
    one.add_remote("second", &places.addresses[1]);
    one.import(&world.photos("shared", 0..1));
    one.sync();
    let shared = shared_asset(&one);
    (one, shared)
}

/// The segments that a folder holds.
fn segments_in(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = Vec::new();
    files(&folder.join("log"), &mut found);
    found.into_iter().collect()
}

#[test]
fn what_a_lost_copy_left_half_written_is_told_once_and_no_later_sync_fails_for_it() {
    let root = tempfile::tempdir().unwrap();
    let places = folders(root.path());
    let world = places.world();
    let (one, shared) = first_with_second_remote(&world, &places);
    let clone = world.copy(&one, "clone");
    let before = segments_in(&root.path().join("second"));
    edit(&clone, &world, 1, &shared);
    clone.ends(&["sync", "second"], 0);
    let news = segments_in(&root.path().join("second"));
    let torn = news.difference(&before).next().unwrap();
    let mut bytes = std::fs::read(torn).unwrap();
    bytes[300] ^= 1;
    std::fs::write(torn, bytes).unwrap();
    for later in news.difference(&before).skip(1) {
        std::fs::remove_file(later).unwrap();
    }

    // Nothing that it holds could take the name.
    let (code, _, told) = one.tries(&["sync", "second"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("cannot be read") && told.contains("this is not said again"), "{told}");
    for _ in 0..2 {
        let (code, _, told) = one.tries(&["sync"]);
        assert_eq!(code, 0, "{told}");
        assert!(!told.contains("cannot be read"), "{told}");
    }
    assert_eq!(one.json(&["status"])["leftovers"].as_array().unwrap().len(), 1);
    assert!(one.ends(&["status"], 0).contains("left over"));
    let (code, _, told) = one.tries(&["verify", "--remote", "second", "--all"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("cannot be read"), "{told}");
}

#[test]
fn what_one_remote_shows_late_and_the_next_one_brings_is_no_failure() {
    let root = tempfile::tempdir().unwrap();
    let places = folders(root.path());
    let world = places.world();
    let (one, shared) = first_with_second_remote(&world, &places);
    let (two, three) = (world.join("two"), world.join("three"));
    for device in [&two, &three] {
        device.add_remote("second", &places.addresses[1]);
    }
    for device in [&two, &three, &one, &two, &three, &one] {
        device.sync();
    }
    let first = root.path().join("first");
    let before = segments_in(&first);
    edit(&one, &world, 1, &shared);
    one.sync();
    let late = segments_in(&first);
    two.sync();
    edit(&two, &world, 2, &shared);
    two.sync();
    for segment in late.difference(&before) {
        std::fs::remove_file(segment).unwrap();
    }
    let (code, _, told) = three.tries(&["sync", "place"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("is withheld or late"), "{told}");
    // The first remote does not show it now either.
    let (code, shown, told) = three.tries(&["--json", "sync"]);
    assert_eq!(code, 0, "{told}");
    assert!(!told.contains("withheld") && !shown.contains("withheld"), "{told}{shown}");
    assert_eq!(three.listed().len(), 3);
    // It gives the first remote what that lost.
    three.sync();
    end_equal(&[&one, &two, &three], 0..3);
}

#[test]
fn copies_of_a_device_take_turns_in_a_folder() {
    let root = tempfile::tempdir().unwrap();
    copies_in_one_place(&folders(root.path()));
}

#[test]
fn copies_of_a_device_take_turns_in_azure_blobs() {
    let Some(server) = Azurite::start() else { return };
    copies_in_one_place(&containers(&server));
}

#[test]
fn a_backup_of_last_week_goes_on_in_a_folder() {
    let root = tempfile::tempdir().unwrap();
    a_backup_is_restored(&folders(root.path()));
}

#[test]
fn a_backup_of_last_week_goes_on_in_azure_blobs() {
    let Some(server) = Azurite::start() else { return };
    a_backup_is_restored(&containers(&server));
}

#[test]
fn forked_copies_go_on_under_new_names_in_folders() {
    let root = tempfile::tempdir().unwrap();
    a_true_fork(&folders(root.path()));
}

#[test]
fn forked_copies_go_on_under_new_names_in_azure_blobs() {
    let Some(server) = Azurite::start() else { return };
    a_true_fork(&containers(&server));
}

#[test]
fn a_device_that_is_killed_while_it_takes_a_new_name_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    for seed in 0..4 {
        let world = World::new(Meeting {
            address: format!("folder:{}/first-{seed}", root.path().display()),
            credential: None,
        });
        let second = format!("folder:{}/second-{seed}", root.path().display());
        for name in ["first", "second"] {
            std::fs::create_dir(root.path().join(format!("{name}-{seed}"))).unwrap();
        }
        let one = world.first("one");
        one.add_remote("second", &second);
        one.import(&world.photos("shared", 0..1));
        one.sync();
        let shared = shared_asset(&one);
        let clone = world.copy(&one, "clone");
        edit(&one, &world, 1, &shared);
        one.ends(&["sync", "place"], 0);
        edit(&clone, &world, 2, &shared);
        clone.ends(&["sync", "second"], 0);
        for kill in 0..3 {
            kill_at_random(one.command(&["sync", "second"]), &one, seed * 100 + kill, 400);
        }
        end_equal(&[&one, &clone], 0..3);
    }
}
