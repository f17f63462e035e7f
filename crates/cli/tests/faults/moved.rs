//! Files that were moved or renamed in the user's own folders: one photo each, shown where it is now.

use std::path::Path;

use crate::pictures::{Exif, heavy_photo, jpeg, photo};
use crate::room::{Room, files_below, text};

fn import_at(room: &Room, folder: &Path) -> serde_json::Value {
    let mut command = room.unlocked();
    command.args(["--json", "--yes", "import", "--wait", "--settle=0"]).arg(folder);
    room.run(&mut command).ends_with(&[0]).json()
}

fn paths(room: &Room) -> Vec<String> {
    let mut paths: Vec<_> = room.list().iter().map(|asset| text(asset, "path")).collect();
    paths.sort();
    paths
}

fn duplicates(room: &Room) -> usize {
    let found = room.safelight(&["--json", "search", "is:duplicate"]).ends_with(&[0]).json();
    found.as_array().unwrap().len()
}

/// The originals of an export, below its folder.
fn exported(room: &Room, name: &str) -> Vec<String> {
    let out = room.path(name);
    room.safelight(&["export", "--no-sidecars", out.to_str().unwrap()]).ends_with(&[0]);
    let files =
        files_below(&out).into_iter().map(|path| path.strip_prefix(&out).unwrap().display().to_string());
    let mut files: Vec<_> = files.filter(|path| path != "manifest.json").collect();
    files.sort();
    files
}

#[test]
fn a_photo_that_was_moved_or_renamed_is_listed_and_exported_once_where_it_is() {
    let room = Room::with_library();
    let photos = room.photos();
    let first = room.put("IMG_1.jpg", photo(1));
    let second = room.put("IMG_2.jpg", heavy_photo(2, 1 << 20));
    room.put("stays.jpg", photo(3));
    room.import().ends_with(&[0]);
    room.safelight(&["set", "IMG_1.jpg", "caption=The harbour"]).ends_with(&[0]);

    std::fs::create_dir(photos.join("2024")).unwrap();
    std::fs::rename(&first, photos.join("2024/harbour.jpg")).unwrap();
    std::fs::rename(&second, photos.join("beach.jpg")).unwrap();
    let report = import_at(&room, &photos);
    assert_eq!((&report["imported"], &report["gone_moved"]), (&0.into(), &2.into()), "{report}");
    assert_eq!(paths(&room), ["2024/harbour.jpg", "beach.jpg", "stays.jpg"]);
    assert_eq!(duplicates(&room), 0);
    assert_eq!(exported(&room, "moved"), ["2024/harbour.jpg", "beach.jpg", "stays.jpg"]);
    let shown = room.safelight(&["--json", "show", "harbour.jpg"]).ends_with(&[0]).json();
    assert_eq!(text(&shown, "caption"), "The harbour");
    let again = import_at(&room, &photos);
    assert_eq!((&again["unchanged"], &again["gone"]), (&3.into(), &0.into()), "{again}");

    // And back, which no file has to be opened for.
    std::fs::rename(photos.join("2024/harbour.jpg"), &first).unwrap();
    std::fs::rename(photos.join("beach.jpg"), &second).unwrap();
    import_at(&room, &photos);
    assert_eq!(paths(&room), ["IMG_1.jpg", "IMG_2.jpg", "stays.jpg"]);
    assert_eq!(duplicates(&room), 0);
    assert_eq!(exported(&room, "back"), ["IMG_1.jpg", "IMG_2.jpg", "stays.jpg"]);

    // The catalogue made again from history says the same.
    room.safelight(&["--yes", "doctor", "--fix", "catalog"]).ends_with(&[0]);
    assert_eq!(paths(&room), ["IMG_1.jpg", "IMG_2.jpg", "stays.jpg"]);
    room.verify_is_clean();
}

#[test]
fn of_two_copies_the_one_that_is_left_shows_and_a_file_that_is_deleted_keeps_its_last_path() {
    let room = Room::with_library();
    let (one, other) = (room.put("a/one.jpg", photo(1)), room.put("b/two.jpg", photo(1)));
    room.put("rest.jpg", photo(2));
    room.import().ends_with(&[0]);
    assert_eq!(duplicates(&room), 1);
    assert_eq!(exported(&room, "both").len(), 3);
    std::fs::remove_file(&one).unwrap();
    let report = import_at(&room, &room.photos());
    assert_eq!((&report["gone"], &report["gone_moved"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(duplicates(&room), 0);
    assert_eq!(exported(&room, "one"), ["b/two.jpg", "rest.jpg"]);
    std::fs::remove_file(&other).unwrap();
    let report = import_at(&room, &room.photos());
    assert_eq!((&report["gone_kept"], &report["gone_moved"]), (&1.into(), &0.into()), "{report}");
    assert_eq!(paths(&room), ["b/two.jpg", "rest.jpg"], "where it was last");
    std::fs::write(&one, photo(1)).unwrap();
    import_at(&room, &room.photos());
    assert_eq!(exported(&room, "again"), ["a/one.jpg", "rest.jpg"]);
}

#[test]
fn a_folder_that_was_renamed_is_told_from_a_disk_that_is_not_there() {
    let room = Room::with_library();
    let (before, after) = (room.photos().join("2020"), room.photos().join("Italy"));
    room.put("2020/a.jpg", photo(1));
    import_at(&room, &before);
    std::fs::rename(&before, &after).unwrap();
    import_at(&room, &after);
    let shown = room.safelight(&["--json", "show", "a.jpg"]).ends_with(&[0]).json();
    let found_at: Vec<_> =
        shown["found_at"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(found_at, [after.join("a.jpg").canonicalize().unwrap().to_str().unwrap()]);
    assert_eq!(duplicates(&room), 0);
    // A copy beside it, and then both: each is a path of the photo.
    std::fs::create_dir(&before).unwrap();
    std::fs::copy(after.join("a.jpg"), before.join("a.jpg")).unwrap();
    import_at(&room, &before);
    assert_eq!(duplicates(&room), 1);
}

#[test]
fn a_path_that_holds_another_photo_now_is_not_the_first_ones_any_more() {
    let room = Room::with_library();
    let taken = |taken: &str| Exif { taken: Some(taken.into()), ..Exif::default() };
    let first = jpeg(1, 20, 15, &taken("2020:05:01 10:00:00"));
    let second = jpeg(2, 20, 15, &taken("2023:05:01 10:00:00"));
    room.put("card/IMG_0001.jpg", &first);
    room.put("kept/first.jpg", &first);
    room.import().ends_with(&[0]);
    assert_eq!(duplicates(&room), 1);
    room.put("card/IMG_0001.jpg", &second);
    import_at(&room, &room.photos());
    assert_eq!(paths(&room), ["card/IMG_0001.jpg", "kept/first.jpg"]);
    assert_eq!(duplicates(&room), 0);
    assert_eq!(exported(&room, "out"), ["card/IMG_0001.jpg", "kept/first.jpg"]);
}
