//! Files that were moved or renamed in the user's own folders: one photo each, shown where it is now.

use std::path::Path;
use std::time::Instant;

use crate::chance::{Chance, times};
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

/// Two photos that are plainly two, by when they were taken.
fn two_photos() -> [Vec<u8>; 2] {
    [(1, "2020:05:01 10:00:00"), (2, "2023:05:01 10:00:00")]
        .map(|(seed, taken)| jpeg(seed, 20, 15, &Exif { taken: Some(taken.into()), ..Exif::default() }))
}

#[test]
fn a_photo_whose_path_was_taken_over_is_shown_where_it_turns_up_later() {
    let room = Room::with_library();
    let [one, two] = two_photos();
    room.put("card/IMG_0001.jpg", &one);
    import_at(&room, &room.photos().join("card"));
    room.put("card/IMG_0001.jpg", &two);
    import_at(&room, &room.photos().join("card"));
    room.put("backup/holiday.jpg", &one);
    import_at(&room, &room.photos().join("backup"));
    assert_eq!(paths(&room), ["IMG_0001.jpg", "holiday.jpg"]);
    assert_eq!(duplicates(&room), 0);
    assert_eq!(exported(&room, "out"), ["IMG_0001.jpg", "holiday.jpg"]);
}

#[test]
fn photos_that_change_places_between_two_folders_are_no_duplicates() {
    let room = Room::with_library();
    let [one, two] = two_photos();
    room.put("a/one.jpg", &one);
    room.put("b/two.jpg", &two);
    let (a, b) = (room.photos().join("a"), room.photos().join("b"));
    let import = || {
        let mut command = room.unlocked();
        command.args(["--json", "--yes", "import", "--wait", "--settle=0"]).arg(&a).arg(&b);
        room.run(&mut command).ends_with(&[0]).json()
    };
    import();
    std::fs::rename(a.join("one.jpg"), room.path("aside.jpg")).unwrap();
    std::fs::rename(b.join("two.jpg"), a.join("one.jpg")).unwrap();
    std::fs::rename(room.path("aside.jpg"), b.join("two.jpg")).unwrap();
    import();
    assert_eq!(duplicates(&room), 0);
    assert_eq!(exported(&room, "out"), ["one.jpg", "two.jpg"]);
    assert_eq!(std::fs::read(room.path("out/one.jpg")).unwrap(), two);
    let again = import();
    assert_eq!(again["unchanged"], 2, "{again}");
}

#[test]
fn a_folder_and_the_one_around_it_are_two_sources_of_one_file() {
    let room = Room::with_library();
    room.put("a/x/one.jpg", photo(1));
    import_at(&room, &room.photos().join("a/x"));
    import_at(&room, &room.photos().join("a"));
    assert_eq!(duplicates(&room), 0);
    assert_eq!(exported(&room, "out"), ["one.jpg"]);
    std::fs::rename(room.photos().join("a/x/one.jpg"), room.photos().join("a/x/two.jpg")).unwrap();
    import_at(&room, &room.photos().join("a"));
    import_at(&room, &room.photos().join("a/x"));
    assert_eq!(duplicates(&room), 0);
    assert_eq!(exported(&room, "renamed").len(), 1);
}

#[test]
fn one_of_two_copies_that_is_edited_is_a_picture_of_its_own() {
    let room = Room::with_library();
    let before = photo(1);
    let (kept, edited) = (room.put("kept.jpg", &before), room.put("copy.jpg", &before));
    room.import().ends_with(&[0]);
    let [first, second] = [b"first".as_slice(), b"second".as_slice()].map(|end| [&before, end].concat());
    std::fs::write(&edited, &first).unwrap();
    import_at(&room, &room.photos());
    assert_eq!(paths(&room), ["copy.jpg", "kept.jpg"]);
    assert_eq!(duplicates(&room), 0);
    let out = room.path("out");
    assert_eq!(exported(&room, "out"), ["copy.jpg", "kept.jpg"]);
    assert_eq!(std::fs::read(out.join("kept.jpg")).unwrap(), before);
    assert_eq!(std::fs::read(out.join("copy.jpg")).unwrap(), first);
    // Both copies in the same way: that is one photo, edited.
    std::fs::write(&edited, &before).unwrap();
    import_at(&room, &room.photos());
    assert_eq!(duplicates(&room), 1);
    std::fs::write(&edited, &second).unwrap();
    std::fs::write(&kept, &second).unwrap();
    let report = import_at(&room, &room.photos());
    assert_eq!(report["versions"], 1, "{report}");
    assert_eq!(duplicates(&room), 1);
    room.verify_is_clean();
}

#[test]
fn two_copies_that_are_edited_apart_are_both_shown() {
    let room = Room::with_library();
    let before = photo(1);
    let copies = [room.put("a.jpg", &before), room.put("b.jpg", &before)];
    room.import().ends_with(&[0]);
    for (copy, end) in copies.iter().zip([b"one".as_slice(), b"two".as_slice()]) {
        std::fs::write(copy, [&before, end].concat()).unwrap();
    }
    import_at(&room, &room.photos());
    assert_eq!(paths(&room), ["a.jpg", "b.jpg"]);
    let files = exported(&room, "out");
    for (name, end) in [("a.jpg", b"one".as_slice()), ("b.jpg", b"two".as_slice())] {
        assert!(files.contains(&name.to_owned()), "{files:?}");
        assert_eq!(std::fs::read(room.path("out").join(name)).unwrap(), [&before, end].concat());
    }
}

#[test]
fn a_copy_of_a_linked_photo_is_exported_at_both_paths() {
    let room = Room::with_library();
    let linked = room.put("a/linked.jpg", heavy_photo(1, 200 << 10));
    let mut command = room.unlocked();
    command.args(["--yes", "import", "--wait", "--settle=0", "--link"]).arg(room.photos().join("a"));
    room.run(&mut command).ends_with(&[0]);
    std::fs::create_dir(room.photos().join("b")).unwrap();
    std::fs::copy(&linked, room.photos().join("b/copied.jpg")).unwrap();
    import_at(&room, &room.photos().join("b"));
    assert_eq!(duplicates(&room), 1);
    assert_eq!(exported(&room, "out"), ["copied.jpg", "linked.jpg"]);
    let shown = room.safelight(&["--json", "show", "linked.jpg"]).ends_with(&[0]).json();
    assert_eq!(shown["versions"], 1, "{shown}");
}

#[test]
fn a_linked_photo_with_two_files_is_read_from_the_one_that_still_holds_it() {
    let [one, two] = two_photos();
    for taker in [two, [&one, b"edited".as_slice()].concat()] {
        let room = Room::with_library();
        let first = room.put("first.jpg", &one);
        room.put("second.jpg", &one);
        let link = || {
            let mut command = room.unlocked();
            command.args(["--json", "--yes", "import", "--wait", "--settle=0", "--link"]).arg(room.photos());
            room.run(&mut command).ends_with(&[0]).json()
        };
        link();
        std::fs::write(&first, &taker).unwrap();
        let report = link();
        assert_eq!(report["written_over"], 0, "{report}");
        assert_eq!(exported(&room, "out"), ["first.jpg", "second.jpg"]);
        assert_eq!(std::fs::read(room.path("out/second.jpg")).unwrap(), one);
        room.verify_is_clean();
    }
}

#[test]
fn an_import_says_of_a_linked_photo_that_its_only_file_became_another_one() {
    let room = Room::with_library();
    let [one, two] = two_photos();
    let path = room.put("card.jpg", &one);
    let link = || {
        let mut command = room.unlocked();
        command.args(["--json", "--yes", "import", "--wait", "--settle=0", "--link"]).arg(room.photos());
        room.run(&mut command).ends_with(&[0]).json()
    };
    link();
    std::fs::write(&path, &two).unwrap();
    let report = link();
    assert_eq!((&report["imported"], &report["replaced"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(report["written_over"], 0, "it is told once: {report}");
    // It is listed, and nowhere, as if its file had been deleted: no failure for ever.
    room.safelight(&["verify"]).ends_with(&[0]);
}

/// Which of several contents each exported file holds.
fn exported_contents(room: &Room, name: &str, contents: &[&[u8]]) -> Vec<(String, usize)> {
    let held = exported(room, name).into_iter().map(|path| {
        let bytes = std::fs::read(room.path(name).join(&path)).unwrap();
        let which = contents.iter().position(|content| *content == bytes);
        (path, which.unwrap())
    });
    held.collect()
}

/// Imports all photos, as links or as copies.
fn import_as(room: &Room, link: bool) -> serde_json::Value {
    let mut command = room.unlocked();
    command.args(["--json", "--yes", "import", "--wait", "--settle=0"]);
    command.args(link.then_some("--link")).arg(room.photos());
    room.run(&mut command).ends_with(&[0]).json()
}

fn rename(room: &Room, moves: &[(&str, &str)]) {
    let photos = room.photos();
    for (from, to) in moves {
        std::fs::rename(photos.join(from), photos.join(to)).unwrap();
    }
}

#[test]
fn what_was_moved_and_moved_back_lies_nowhere_else() {
    let [one, two] = two_photos();
    for link in [false, true] {
        let room = Room::with_library();
        let import = || import_as(&room, link);
        room.put("a.jpg", &one);
        room.put("b.jpg", &two);
        import();
        rename(&room, &[("a.jpg", "c.jpg"), ("b.jpg", "a.jpg")]);
        import();
        assert_eq!(
            exported_contents(&room, "sorted", &[&one, &two]),
            [("a.jpg".into(), 1), ("c.jpg".into(), 0)]
        );
        rename(&room, &[("a.jpg", "b.jpg"), ("c.jpg", "a.jpg")]);
        import();
        assert_eq!(
            (paths(&room), duplicates(&room)),
            (vec!["a.jpg".into(), "b.jpg".into()], 0),
            "link {link}"
        );
        assert_eq!(
            exported_contents(&room, "back", &[&one, &two]),
            [("a.jpg".into(), 0), ("b.jpg".into(), 1)]
        );
        room.verify_is_clean();
    }
}

#[test]
fn a_picture_under_the_old_name_of_one_that_moved_is_a_picture_of_its_own() {
    let room = Room::with_library();
    let undated = [1, 2].map(|seed| jpeg(seed, 20, 15, &Exif::default()));
    room.put("scan.jpg", &undated[0]);
    import_at(&room, &room.photos());
    // The new place of what moved comes after its old one in the alphabet, and lies where another picture was.
    room.put("x.jpg", photo(9));
    import_at(&room, &room.photos());
    rename(&room, &[("scan.jpg", "x.jpg")]);
    room.put("scan.jpg", &undated[1]);
    let report = import_at(&room, &room.photos());
    assert_eq!((&report["imported"], &report["versions"]), (&1.into(), &0.into()), "{report}");
    assert_eq!(duplicates(&room), 0);
    let held = exported_contents(&room, "out", &[&undated[0], &undated[1], &photo(9)]);
    assert_eq!(held, [("scan.jpg".into(), 1), ("x (2).jpg".into(), 2), ("x.jpg".into(), 0)]);
}

#[test]
fn an_edit_that_was_undone_shows_no_more() {
    let room = Room::with_library();
    let [before, edited] = [1, 2].map(|seed| jpeg(seed, 20, 15, &Exif::default()));
    room.put("a.jpg", &before);
    import_at(&room, &room.photos());
    room.put("a.jpg", &edited);
    assert_eq!(import_at(&room, &room.photos())["versions"], 1);
    room.put("a.jpg", &before);
    assert_eq!(import_at(&room, &room.photos())["versions"], 1);
    assert_eq!(paths(&room), ["a.jpg"]);
    let held = exported_contents(&room, "out", &[&before, &edited]);
    assert_eq!(held, [("a (2).jpg".into(), 1), ("a.jpg".into(), 0)]);
}

#[test]
fn a_folder_within_a_source_follows_what_was_imported_with_the_source() {
    let room = Room::with_library();
    let [one, two] = two_photos();
    room.put("a/d/x.jpg", &one);
    room.put("b/l.jpg", &two);
    let (a, b, whole) = (room.photos().join("a"), room.photos().join("b"), room.photos());
    import_at(&room, &a);
    import_at(&room, &b);
    import_at(&room, &whole);
    rename(&room, &[("a/d/x.jpg", "b/b.jpg")]);
    import_at(&room, &a);
    import_at(&room, &b);
    rename(&room, &[("b/b.jpg", "a/d/x.jpg")]);
    import_at(&room, &b);
    import_at(&room, &whole);
    assert_eq!(paths(&room), ["d/x.jpg", "l.jpg"]);
    assert_eq!(duplicates(&room), 0);
    let held = exported_contents(&room, "out", &[&one, &two]);
    assert_eq!(held, [("d/x.jpg".into(), 0), ("l.jpg".into(), 1)]);
}

#[test]
fn what_lies_at_a_path_is_exported_under_its_name_before_what_lay_there_once() {
    let [one, two] = two_photos();
    for (deleted, kept) in [(&one, &two), (&two, &one)] {
        let room = Room::with_library();
        let deleted_at = room.put("x.jpg", deleted);
        room.put("y.jpg", kept);
        import_at(&room, &room.photos());
        std::fs::remove_file(deleted_at).unwrap();
        rename(&room, &[("y.jpg", "x.jpg")]);
        import_at(&room, &room.photos());
        let held = exported_contents(&room, "out", &[deleted, kept]);
        assert_eq!(held, [("x (2).jpg".into(), 0), ("x.jpg".into(), 1)]);
        room.verify_is_clean();
    }
}

#[test]
fn a_photo_whose_path_another_folder_took_away_is_back_when_its_very_file_is() {
    let [one, two] = two_photos();
    let room = Room::with_library();
    room.put("one/a.jpg", &one);
    room.put("one/rest.jpg", photo(9));
    room.put("two/b.jpg", &two);
    let (first, second) = (room.photos().join("one"), room.photos().join("two"));
    let import_both = || {
        import_at(&room, &first);
        import_at(&room, &second);
    };
    import_both();
    let swap = [("one/a.jpg", "held"), ("two/b.jpg", "one/a.jpg"), ("held", "two/b.jpg")];
    rename(&room, &swap);
    import_at(&room, &second);
    rename(&room, &swap);
    room.put("two/copy.jpg", &one);
    import_both();
    assert_eq!(paths(&room), ["a.jpg", "b.jpg", "rest.jpg"]);
    let held = exported_contents(&room, "out", &[&one, &two, &photo(9)]);
    let each = |path: &str, which| (path.to_owned(), which);
    assert_eq!(held, [each("a.jpg", 0), each("b.jpg", 1), each("copy.jpg", 0), each("rest.jpg", 2)]);
}

#[test]
fn what_was_renamed_often_and_then_made_room_is_exported_once_under_its_last_name() {
    let [one, two] = two_photos();
    let room = Room::with_library();
    room.put("a.jpg", &one);
    import_at(&room, &room.photos());
    for (from, to) in [("a.jpg", "b.jpg"), ("b.jpg", "c.jpg"), ("c.jpg", "d.jpg")] {
        rename(&room, &[(from, to)]);
        import_at(&room, &room.photos());
    }
    room.put("d.jpg", &two);
    import_at(&room, &room.photos());
    let held = exported_contents(&room, "out", &[&one, &two]);
    assert_eq!(held, [("d (2).jpg".into(), 0), ("d.jpg".into(), 1)]);
    assert_eq!(paths(&room), ["d.jpg", "d.jpg"]);
}

#[test]
fn an_edit_that_was_kept_under_another_name_and_its_original_both_have_their_own_bytes() {
    let [before, edited] = [1, 2].map(|seed| jpeg(seed, 20, 15, &Exif::default()));
    for link in [false, true] {
        let room = Room::with_library();
        let import = || import_as(&room, link);
        room.put("a.jpg", &before);
        import();
        room.put("a.jpg", &edited);
        import();
        rename(&room, &[("a.jpg", "a-edit.jpg")]);
        room.put("a.jpg", &before);
        import();
        let held = exported_contents(&room, "out", &[&before, &edited]);
        assert_eq!(held, [("a-edit.jpg".into(), 1), ("a.jpg".into(), 0)], "link {link}");
        assert_eq!(duplicates(&room), 0);
        room.verify_is_clean();
    }
}

/// What the history says of moves, newest first, the photos' ids left out.
fn told(room: &Room, item: &[&str]) -> Vec<String> {
    let history = room.safelight(&[&["--json", "history"], item].concat()).ends_with(&[0]).json();
    let mut devices = std::fs::read_dir(room.library().join("objects/log")).unwrap();
    let device = devices.next().unwrap().unwrap().file_name().into_string().unwrap();
    let mut told = Vec::new();
    for entry in history.as_array().unwrap() {
        let what = text(entry, "what");
        let words: Vec<_> = what.split(' ').filter(|word| word.len() != 12 || word.contains('.')).collect();
        let what = words.join(" ");
        if ["moved", "is"].contains(&words[0]) {
            assert!(text(entry, "when").starts_with("20"), "{entry}");
            assert_eq!(text(entry, "device"), device, "{entry}");
            told.push(what);
        }
    }
    told
}

#[test]
fn history_tells_what_moved_from_where_to_where() {
    let room = Room::with_library();
    let [one, two] = two_photos();
    room.put("one.jpg", &one);
    room.put("two.jpg", &two);
    room.import().ends_with(&[0]);
    assert_eq!(told(&room, &[]), [""; 0]);
    std::fs::create_dir(room.photos().join("2024")).unwrap();
    rename(&room, &[("one.jpg", "2024/harbour.jpg")]);
    room.import().ends_with(&[0]);
    let first = "moved from one.jpg to 2024/harbour.jpg";
    assert_eq!(told(&room, &[]), [first]);

    // Back again, and the other one under a new name.
    rename(&room, &[("2024/harbour.jpg", "one.jpg"), ("two.jpg", "zoo.jpg")]);
    room.import().ends_with(&[0]);
    let back = "moved from 2024/harbour.jpg to one.jpg";
    assert_eq!(told(&room, &["one.jpg"]), [back, first]);
    assert_eq!(told(&room, &["zoo.jpg"]), ["moved from two.jpg to zoo.jpg"]);
    assert_eq!(told(&room, &[]).len(), 3);

    // Of two copies one is deleted, which is no move.
    room.put("copy.jpg", &one);
    room.import().ends_with(&[0]);
    std::fs::remove_file(room.photos().join("one.jpg")).unwrap();
    room.import().ends_with(&[0]);
    assert_eq!(told(&room, &["copy.jpg"])[0], "is no longer at one.jpg; it is at copy.jpg");
    assert_eq!(told(&room, &["copy.jpg", "-n", "2"]).len(), 2);
    room.safelight(&["history", "nothing.jpg"]).ends_with(&[4]);

    // A catalogue made again tells the same.
    let before = told(&room, &[]);
    room.safelight(&["--yes", "doctor", "--fix", "catalog"]).ends_with(&[0]);
    assert_eq!(told(&room, &[]), before);
}

#[test]
fn killed_at_any_moment_an_import_of_what_moved_misses_nothing_that_is_moved_back() {
    let (kills, seed) = (times("SAFELIGHT_KILLS", 6), times("SAFELIGHT_SEED", 1));
    let room = Room::with_library();
    let photos = 150;
    for number in 0..photos {
        room.put(format!("a/{number:03}.jpg"), photo(number));
    }
    room.import().ends_with(&[0]);
    let names = paths(&room);
    let (a, b) = (room.photos().join("a"), room.photos().join("b"));
    std::fs::rename(&a, &b).unwrap();
    let begun = Instant::now();
    room.import().ends_with(&[0]);
    let whole = begun.elapsed();
    std::fs::rename(&b, &a).unwrap();
    room.import().ends_with(&[0]);

    let mut chance = Chance::seeded(seed);
    for kill in 0..kills {
        // The first part of an import only looks and reads.
        let moment = whole.mul_f64(f64::from(u32::try_from(200 + chance.below(800)).unwrap()) / 1000.0);
        let story = format!("seed {seed}, kill {kill} after {} ms", moment.as_millis());
        std::fs::rename(&a, &b).unwrap();
        let mut child = room.import_command().spawn().unwrap();
        std::thread::sleep(moment);
        child.kill().unwrap();
        drop(child.wait_with_output().unwrap());
        std::fs::rename(&b, &a).unwrap();
        room.import().ends_with(&[0]);
        assert_eq!(paths(&room), names, "{story}");
        assert_eq!(duplicates(&room), 0, "{story}");
    }
    room.verify_is_clean();
}
