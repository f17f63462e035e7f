//! Each library has a place of its own: what becomes of a place that is another library's, or is no library's at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::devices::{Device, Meeting, World, files};

fn world_in(place: &Path) -> World {
    World::new(Meeting { address: folder(place), credential: None })
}

fn folder(place: &Path) -> String {
    format!("folder:{}", place.display())
}

/// Everything that rests below a folder.
fn held(place: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = Vec::new();
    files(place, &mut found);
    found.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// What a command says that is refused because a place is another library's.
fn refused(device: &Device<'_>, arguments: &[&str], place: &Path) {
    let before = held(place);
    let (code, _, told) = device.tries(arguments);
    assert_eq!(code, 5, "{arguments:?}: {told}");
    assert!(told.contains("holds another library"), "{arguments:?}: {told}");
    assert!(told.contains(place.to_str().unwrap()), "{arguments:?}: {told}");
    assert!(told.contains("each library needs a place of its own"), "{arguments:?}: {told}");
    assert!(held(place) == before, "{arguments:?} wrote there");
}

#[test]
fn a_place_of_another_library_is_refused_and_nothing_is_written_there() {
    let (place, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (world, other) = (world_in(place.path()), world_in(others.path()));
    let theirs = other.first("theirs");
    theirs.import(&other.photos("theirs", 0..1));
    theirs.sync();
    let one = world.alone("one");
    one.import(&world.photos("pics", 1..2));
    refused(&one, &["remote", "add", "place", &folder(others.path())], others.path());
    assert_eq!(one.json(&["remote", "list"]), serde_json::json!([]));

    // What was empty when it was added, and is another library's now.
    one.add_remote("place", &folder(place.path()));
    let away = place.path().with_extension("away");
    let exchange = || {
        std::fs::rename(place.path(), &away).unwrap();
        std::fs::rename(others.path(), place.path()).unwrap();
    };
    let back = || {
        std::fs::rename(place.path(), others.path()).unwrap();
        std::fs::rename(&away, place.path()).unwrap();
    };
    exchange();
    refused(&one, &["sync"], place.path());
    refused(&one, &["verify", "--remote", "--all"], place.path());
    refused(&one, &["remote", "check", "place"], place.path());
    back();
    // The same with what was there before.
    one.sync();
    exchange();
    refused(&one, &["sync"], place.path());
    refused(&one, &["verify", "--remote"], place.path());
    refused(&one, &["remote", "collect", "place", "--yes"], place.path());
    let before = held(place.path());
    let (code, _, told) = world.device("late").tries_to_join();
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("holds no library of these recovery words"), "{told}");
    assert!(held(place.path()) == before);
    back();
    one.sync();
    theirs.sync();
    assert!(held(others.path()).keys().all(|path| !path.starts_with(place.path())));
}

#[test]
fn files_of_no_library_are_let_be_and_bother_nobody() {
    let place = tempfile::tempdir().unwrap();
    let world = world_in(place.path());
    let (note, deep) = (place.path().join("notes.txt"), place.path().join("o/notes.txt"));
    std::fs::create_dir_all(deep.parent().unwrap()).unwrap();
    for path in [&note, &deep] {
        std::fs::write(path, b"mine").unwrap();
    }
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    assert_eq!(world.join("two").listed(), one.listed());
    for path in [note, deep] {
        assert_eq!(std::fs::read(path).unwrap(), b"mine");
    }
}

#[test]
fn a_remote_is_not_called_what_means_something_else() {
    let place = tempfile::tempdir().unwrap();
    let world = world_in(place.path());
    let one = world.alone("one");
    let address = folder(place.path());
    for name in ["on", "off", "auto", "help"] {
        let (code, _, told) = one.tries(&["remote", "add", name, &address]);
        assert_eq!(code, 5, "{name}: {told}");
        assert!(told.contains(&format!("safelight sync {name} means something else")), "{told}");
        assert!(told.contains("choose another name"), "{told}");
    }
    one.ends(&["remote", "add", "--", "-nas", &address], 5);
    one.ends(&["remote", "add", "", &address], 5);
    assert!(held(place.path()).is_empty(), "nothing was tried there");
    let words = world.words();
    let late = world.device("late");
    let join = ["--recovery-file", words.to_str().unwrap(), "join", &address, "--name", "off"];
    late.ends(&join, 5);
    one.add_remote("offsite", &address);
    one.sync();
}
