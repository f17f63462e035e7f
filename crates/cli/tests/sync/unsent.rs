//! Segments that the folder lost before anybody else had read them: the catalogue knows what they say, and they go out
//! under other numbers.

use std::path::{Path, PathBuf};

use crate::devices::{Device, World, files_in};

fn id(device: &Device<'_>) -> String {
    device.listed()[0]["id"].as_str().unwrap().to_owned()
}

/// The segments of the device that has written most, by their numbers.
fn segments(folder: &Path) -> Vec<PathBuf> {
    files_in(&folder.join("objects/log"))
}

fn edit(device: &Device<'_>, photo: &str, change: &str) {
    device.ends(&["set", photo, change], 0);
}

fn shown(device: &Device<'_>, photo: &str) -> (String, u64) {
    let shown = device.json(&["show", photo]);
    (shown["caption"].as_str().unwrap_or_default().to_owned(), shown["rating"].as_u64().unwrap_or_default())
}

/// Two devices that are equal, and a photo.
fn pair(world: &World) -> (Device<'_>, Device<'_>, String) {
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    one.sync();
    let two = world.join("two");
    two.sync();
    one.sync();
    let photo = id(&one);
    (one, two, photo)
}

/// The same with three changes that one of them has not sent, and the segments that were there before.
fn pair_with_unsent(world: &World) -> (Device<'_>, Device<'_>, String, Vec<PathBuf>) {
    let (one, two, photo) = pair(world);
    let sent = segments(&one.folder());
    edit(&one, &photo, "caption=first");
    edit(&one, &photo, "caption=kept");
    edit(&one, &photo, "rating=2");
    (one, two, photo, sent)
}

/// All that may be lost of a folder: everything, the first of what was not sent, or what was not sent but the last.
fn lose(folder: &Path, sent: &[PathBuf], how: &str) {
    let unsent: Vec<PathBuf> = segments(folder).into_iter().filter(|path| !sent.contains(path)).collect();
    assert!(unsent.len() >= 3, "{unsent:?}");
    match how {
        "everything" => {
            std::fs::remove_dir_all(folder.join("objects")).unwrap();
            std::fs::create_dir(folder.join("objects")).unwrap();
        }
        "the first" => std::fs::remove_file(&unsent[0]).unwrap(),
        "all but the last" => {
            unsent[..unsent.len() - 1].iter().for_each(|path| std::fs::remove_file(path).unwrap());
        }
        _ => {
            let mut bytes = std::fs::read(&unsent[1]).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&unsent[1], bytes).unwrap();
        }
    }
}

const WAYS: [&str; 4] = ["everything", "the first", "all but the last", "the second, damaged"];

/// Where originals are lost too, what was verified says so, and the sync after it brings them back.
fn is_mended(one: &Device<'_>) {
    one.tries(&["verify"]);
    one.sync();
    one.ends(&["verify"], 0);
}

fn are_equal(one: &Device<'_>, two: &Device<'_>, photo: &str, rating: u64) {
    two.sync();
    one.sync();
    assert_eq!(shown(two, photo), ("kept".to_owned(), rating));
    assert_eq!(one.state(), two.state());
    one.ends(&["verify", "--remote", "--all"], 0);
    two.ends(&["verify", "--remote", "--all"], 0);
}

#[test]
fn what_was_lost_before_it_was_sent_goes_out_with_the_next_sync() {
    for how in WAYS {
        let place = tempfile::tempdir().unwrap();
        let world = World::in_folder(place.path());
        let (one, two, photo, sent) = pair_with_unsent(&world);
        lose(&one.folder(), &sent, how);
        let (code, _, told) = one.tries(&["sync"]);
        assert_eq!(code, 0, "{how}: {told}");
        assert!(told.contains("goes out in another segment"), "{how}: {told}");
        edit(&one, &photo, "rating=3");
        one.sync();
        is_mended(&one);
        are_equal(&one, &two, &photo, 3);
    }
}

#[test]
fn a_catalogue_made_anew_keeps_what_the_old_one_knew_of_lost_segments() {
    for how in WAYS {
        let place = tempfile::tempdir().unwrap();
        let world = World::in_folder(place.path());
        let (one, two, photo, sent) = pair_with_unsent(&world);
        let state = one.state();
        lose(&one.folder(), &sent, how);
        one.tries(&["doctor", "--fix", "catalog"]);
        let (_, now, _) = one.tries(&["--json", "history", "--verify"]);
        assert!(now.contains(&state), "{how}: {now}");
        for rating in 3..6 {
            edit(&one, &photo, &format!("rating={rating}"));
        }
        one.sync();
        is_mended(&one);
        are_equal(&one, &two, &photo, 5);
    }
}

#[test]
fn without_its_catalogue_a_device_goes_on_with_what_stands_behind_a_lost_segment() {
    for how in ["the first", "all but the last", "the second, damaged"] {
        let place = tempfile::tempdir().unwrap();
        let world = World::in_folder(place.path());
        let (one, two, photo) = pair(&world);
        let sent = segments(&one.folder());
        edit(&one, &photo, "title=gone");
        edit(&one, &photo, "title=gone too");
        edit(&one, &photo, "caption=kept");
        lose(&one.folder(), &sent, how);
        std::fs::write(one.folder().join("catalog.db"), b"nothing").unwrap();
        one.tries(&["doctor", "--fix", "catalog"]);
        for rating in 3..6 {
            edit(&one, &photo, &format!("rating={rating}"));
        }
        one.sync();
        are_equal(&one, &two, &photo, 5);
    }
}

#[test]
fn history_that_was_sent_and_is_damaged_here_is_whole_again_with_the_sync_after_a_verification() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (one, two, photo) = pair(&world);
    edit(&one, &photo, "caption=kept");
    edit(&one, &photo, "rating=3");
    one.sync();
    two.sync();
    edit(&two, &photo, "title=of two");
    two.sync();
    one.sync();
    let whole: Vec<_> =
        segments(&one.folder()).into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect();
    assert!(whole.len() > 4);
    for (number, (bytes, path)) in whole.iter().enumerate() {
        let hurt = match number % 3 {
            0 => bytes[..bytes.len() / 2].to_vec(),
            1 => bytes.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == bytes.len() / 2)).collect(),
            _ => Vec::new(),
        };
        std::fs::write(path, hurt).unwrap();
    }
    one.ends(&["verify"], 6);
    let (code, _, told) = one.tries(&["sync"]);
    assert!(code == 0 && told.contains("was damaged and is whole again"), "{told}");
    assert!(whole.iter().all(|(bytes, path)| std::fs::read(path).unwrap() == *bytes));
    one.ends(&["verify"], 0);
    are_equal(&one, &two, &photo, 3);
}

#[test]
fn a_library_that_syncs_with_nothing_writes_what_it_lost_anew() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.alone("one");
    one.import(&world.photos("pics", 0..1));
    let photo = id(&one);
    edit(&one, &photo, "caption=kept");
    edit(&one, &photo, "rating=2");
    let state = one.state();
    let first = segments(&one.folder());
    std::fs::remove_file(&first[1]).unwrap();
    one.ends(&["verify"], 6);
    one.tries(&["doctor", "--fix", "catalog"]);
    one.ends(&["verify"], 0);
    assert_eq!(one.state(), state);
    // The folder alone tells it all.
    std::fs::remove_file(one.folder().join("catalog.db")).unwrap();
    one.ends(&["doctor", "--fix", "catalog"], 0);
    assert_eq!((one.state(), shown(&one, &photo)), (state, ("kept".to_owned(), 2)));
}
