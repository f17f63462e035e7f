//! Originals that stay where they are: absent, changed in place, moved.

use std::path::Path;

use crate::pictures::{Exif, heavy_photo, jpeg, photo};
use crate::room::{Outcome, Room, sha256, text};

fn link(room: &Room) -> Outcome {
    import_at(room, &room.photos(), &["--link"])
}

fn import_at(room: &Room, folder: &Path, options: &[&str]) -> Outcome {
    let mut command = room.unlocked();
    command.args(["--json", "--yes", "import", "--wait", "--settle=0"]).args(options).arg(folder);
    room.run(&mut command)
}

#[test]
fn importing_a_linked_folder_without_linking_seals_it() {
    let room = Room::with_library();
    room.put("a.jpg", photo(1));
    room.put("b.jpg", heavy_photo(2, 1 << 20));
    link(&room).ends_with(&[0]);
    let report = room.import().ends_with(&[0]).json();
    assert_eq!((&report["repaired"], &report["unchanged"]), (&2.into(), &0.into()), "{report}");
    let report = room.import().ends_with(&[0]).json();
    assert_eq!((&report["repaired"], &report["unchanged"]), (&0.into(), &2.into()), "{report}");
    // Who links keeps the file: that is no reason to give a sealed copy up.
    link(&room).ends_with(&[0]);
    std::fs::remove_dir_all(room.photos()).unwrap();
    room.verify_is_clean();
    assert_eq!(room.original(&sha256(&photo(1))), photo(1));
    assert_eq!(room.list().len(), 2);
}

#[test]
fn a_linked_folder_that_is_moved_away_and_back_is_found_at_both_places() {
    let room = Room::with_library();
    let (here, there) = (room.photos().join("here"), room.photos().join("there"));
    room.put("here/a.jpg", photo(1));
    room.put("here/b.jpg", photo(2));
    import_at(&room, &here, &["--link"]).ends_with(&[0]);
    for (from, to) in [(&here, &there), (&there, &here), (&here, &there)] {
        std::fs::rename(from, to).unwrap();
        import_at(&room, to, &["--link"]).ends_with(&[0]);
        room.verify_is_clean();
        assert_eq!(room.original(&sha256(&photo(2))), photo(2));
    }
    std::fs::rename(there.join("a.jpg"), there.join("c.jpg")).unwrap();
    import_at(&room, &there, &["--link"]).ends_with(&[0]);
    std::fs::rename(there.join("c.jpg"), there.join("a.jpg")).unwrap();
    import_at(&room, &there, &["--link"]).ends_with(&[0]);
    room.verify_is_clean();
    assert_eq!(room.list().len(), 2);
}

#[test]
fn a_linked_file_that_is_edited_and_put_back_shows_what_it_holds() {
    for is_copied in [false, true] {
        let room = Room::with_library();
        let exif = Exif { taken: Some("2021:10:08 22:47:36".into()), ..Exif::default() };
        let (first, second) = (jpeg(1, 20, 15, &exif), jpeg(2, 24, 18, &exif));
        let path = room.put("edited.jpg", &first);
        link(&room).ends_with(&[0]);
        for content in [&second, &first, &second, &first] {
            std::fs::write(&path, content).unwrap();
            let report = link(&room).ends_with(&[0]).json();
            assert_eq!((&report["versions"], &report["written_over"]), (&1.into(), &1.into()), "{report}");
            room.safelight(&["verify"]).ends_with(&[0]);
        }
        std::fs::write(&path, &second).unwrap();
        link(&room).ends_with(&[0]);
        std::fs::write(&path, &first).unwrap();
        let options: &[&str] = if is_copied { &[] } else { &["--link"] };
        import_at(&room, &room.photos(), options).ends_with(&[0]);
        room.safelight(&["verify"]).ends_with(&[0]);
        let out = room.path("out");
        room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
        assert_eq!(std::fs::read(out.join("edited.jpg")).unwrap(), first, "the newest has the name");
        let status = room.safelight(&["--json", "status"]).ends_with(&[0]).json();
        assert_eq!((&status["failed"], &status["linked_absent"]), (&0.into(), &0.into()), "{status}");
    }
}

#[test]
fn linked_originals_that_are_absent_are_counted_and_named_by_everything_that_needs_them() {
    let room = Room::with_library();
    let absent = room.put("linked/absent.jpg", photo(1));
    room.put("linked/there.jpg", photo(2));
    link(&room).ends_with(&[0]);
    let text = room.safelight(&["status"]).ends_with(&[0]).text();
    assert!(text.contains("0 B sealed") && text.contains("linked in 2 files"), "{text}");
    std::fs::remove_file(&absent).unwrap();

    let verified = room.safelight(&["verify"]).ends_with(&[1]).said();
    assert!(verified.contains("absent.jpg") && verified.contains("1 linked and not there"), "{verified}");
    assert!(verified.contains("1 original and"), "what was not looked at is not checked: {verified}");
    let report = room.safelight(&["--json", "verify", "--quick"]).ends_with(&[1]).json();
    assert_eq!(report["absent"].as_array().map(Vec::len), Some(1), "{report}");

    let status = room.safelight(&["--json", "status"]).ends_with(&[0]).json();
    assert_eq!(status["linked_absent"], 1, "{status}");
    assert!(status["absent"][0].as_str().unwrap().ends_with("linked/absent.jpg"), "{status}");
    let text = room.safelight(&["status"]).ends_with(&[0]).text();
    assert!(
        text.contains("1 photo safe") && text.contains("1 absent") && text.contains("absent.jpg"),
        "{text}"
    );

    let doctor = room.safelight(&["doctor"]).ends_with(&[1]).text();
    assert!(doctor.contains("linked originals") && doctor.contains("absent.jpg"), "{doctor}");
    assert!(!doctor.contains("leftover"), "{doctor}");

    for dry in [true, false] {
        let out = room.path(format!("out {dry}"));
        let mut export = room.unlocked();
        export.arg("--json").args(dry.then_some("--dry-run")).arg("export").arg(&out);
        let outcome = room.run(&mut export).ends_with(&[1]);
        let report = outcome.json();
        assert_eq!((&report["assets"], &report["failed"]), (&1.into(), &1.into()), "{report}");
        assert_eq!(report["files"], 2, "one photo and its sidecar: {report}");
        assert!(
            outcome.stderr.contains("absent.jpg") && outcome.stderr.contains("disk"),
            "{}",
            outcome.said()
        );
    }
    room.run(room.bare().args(["verify", "--export"]).arg(room.path("out false"))).ends_with(&[0]);

    std::fs::write(&absent, photo(1)).unwrap();
    room.verify_is_clean();
}

#[test]
fn an_import_says_of_files_that_are_gone_which_the_library_keeps_and_which_it_does_not() {
    let room = Room::with_library();
    let linked = room.put("linked/a.jpg", photo(1));
    let moved = room.put("linked/b.jpg", photo(2));
    room.put("linked/stays.jpg", photo(3));
    link(&room).ends_with(&[0]);
    let copied = room.put("copied/c.jpg", photo(4));
    import_at(&room, &room.photos().join("copied"), &[]).ends_with(&[0]);
    std::fs::remove_file(&linked).unwrap();
    std::fs::remove_file(&copied).unwrap();
    std::fs::rename(&moved, room.photos().join("linked/renamed.jpg")).unwrap();

    let mut import = room.unlocked();
    let said =
        room.run(import.args(["import", "--link", "--settle=0"]).arg(room.photos())).ends_with(&[0]).said();
    assert!(said.contains("1 linked file is absent, and the library holds no copy of it"), "{said}");
    assert!(said.contains("1 file is no longer at the source; the library keeps its photo"), "{said}");
    assert!(said.contains("1 file was moved or renamed; its photo is listed at the new path\n"), "{said}");
}

#[test]
fn a_linked_file_that_is_changed_in_place_is_settled_by_importing_it_again_and_nothing_is_lost_silently() {
    for is_verified_between in [false, true] {
        let room = Room::with_library();
        let exif = Exif { taken: Some("2021:10:08 22:47:36".into()), ..Exif::default() };
        let (first, second) = (jpeg(1, 20, 15, &exif), jpeg(2, 24, 18, &exif));
        let path = room.put("edited.jpg", &first);
        link(&room).ends_with(&[0]);
        std::fs::write(&path, &second).unwrap();
        if is_verified_between {
            let said = room.safelight(&["verify"]).ends_with(&[6]).said();
            assert!(
                said.contains("edited.jpg") && said.contains("no longer holds what was imported"),
                "{said}"
            );
            let status = room.safelight(&["--json", "status"]).json();
            assert_eq!(status["failed"], 1, "{status}");
            assert_eq!(status["failures"].as_array().map(Vec::len), Some(1), "{status}");
            let reason = text(&status["failures"][0], "reason");
            assert!(reason.contains("linked") && reason.contains("import it again"), "{reason}");
            assert!(!status.to_string().contains("sealed copy"), "{status}");
        }
        let outcome = link(&room).ends_with(&[0]);
        let report = outcome.json();
        assert_eq!((&report["versions"], &report["written_over"]), (&1.into(), &1.into()), "{report}");
        assert!(report["problems"].to_string().contains("changed in place"), "{report}");

        let status = room.safelight(&["--json", "status"]).json();
        assert_eq!((&status["failed"], &status["linked_absent"]), (&0.into(), &0.into()), "{status}");
        let verified = room.safelight(&["--json", "verify"]).ends_with(&[0]).json();
        let notices = verified["notices"].to_string();
        assert!(notices.contains("edited.jpg") && notices.contains("written over"), "{verified}");
        assert_eq!(room.original(&sha256(&first)), second, "the asset shows its newer version");
        let out = room.path("out");
        let mut export = room.unlocked();
        let outcome = room.run(export.args(["--json", "export"]).arg(&out)).ends_with(&[0]);
        assert_eq!(outcome.json()["written_over"], 1, "{}", outcome.said());
        room.run(room.bare().args(["verify", "--export"]).arg(&out)).ends_with(&[0]);
    }
}

#[test]
fn a_linked_file_that_another_photo_has_written_over_is_absent_which_is_said_and_fails_nothing() {
    let taken = |day: u8| Exif { taken: Some(format!("2021:10:{day:02} 22:47:36")), ..Exif::default() };
    let (first, second) = (jpeg(1, 20, 15, &taken(8)), jpeg(2, 24, 18, &taken(9)));
    for (is_verified_between, is_copied) in [(false, false), (true, false), (false, true)] {
        let room = Room::with_library();
        let path = room.put("DCIM/IMG_0001.JPG", &first);
        room.put("DCIM/IMG_0002.JPG", photo(3));
        link(&room).ends_with(&[0]);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, &second).unwrap();
        if is_verified_between {
            let said = room.safelight(&["verify"]).ends_with(&[6]).said();
            assert!(said.contains("IMG_0001.JPG"), "{said}");
            let doctor = room.safelight(&["doctor"]).said();
            assert!(!doctor.contains("importing the photo again repairs it"), "{doctor}");
        }
        let options: &[&str] = if is_copied { &[] } else { &["--link"] };
        let report = import_at(&room, &room.photos(), options).ends_with(&[0]).json();
        assert_eq!(report["replaced"], 1, "{report}");
        assert!(report["problems"].to_string().contains("something else lies here now"), "{report}");
        // It is said once.
        assert_eq!(import_at(&room, &room.photos(), options).ends_with(&[0]).json()["replaced"], 0);
        assert_eq!(room.listed().len(), 3);

        for _ in 0..2 {
            let verified = room.safelight(&["--json", "verify"]).ends_with(&[0]).json();
            let notices = verified["notices"].to_string();
            assert!(notices.contains("IMG_0001.JPG") && notices.contains("no copy"), "{verified}");
            let status = room.safelight(&["--json", "status", "--check"]).ends_with(&[0]).json();
            assert_eq!((&status["failed"], &status["damaged"]), (&0.into(), &0.into()), "{status}");
            assert_eq!(status["linked_absent"], 1, "{status}");
            assert!(status["replaced"].to_string().contains("IMG_0001.JPG"), "{status}");
            assert!(room.safelight(&["status"]).text().starts_with("2 photos safe"), "{status}");
        }
        let out = room.path("out");
        let outcome = room.safelight(&["--json", "export", out.to_str().unwrap()]).ends_with(&[0]);
        assert_eq!(outcome.json()["written_over"], 1, "{}", outcome.said());
        room.run(room.bare().args(["verify", "--export"]).arg(&out)).ends_with(&[0]);

        // A copy from elsewhere is taken in, and nothing is missing any more.
        room.put("card/found again.jpg", &first);
        import_at(&room, &room.photos().join("card"), &[]).ends_with(&[0]);
        room.verify_is_clean();
        assert_eq!(room.original(&sha256(&first)), first);
        let status = room.safelight(&["--json", "status"]).ends_with(&[0]).json();
        assert_eq!((&status["failed"], &status["linked_absent"]), (&0.into(), &0.into()), "{status}");
    }
}

#[test]
fn a_linked_photo_that_was_written_over_by_another_can_go_to_the_trash() {
    let room = Room::with_library();
    let path = room.put("DCIM/IMG_0001.JPG", photo(1));
    link(&room).ends_with(&[0]);
    std::fs::write(&path, photo(2)).unwrap();
    link(&room).ends_with(&[0]);
    assert_eq!(room.listed().len(), 2);
    room.safelight(&["trash", &sha256(&photo(1))]).ends_with(&[0]);
    room.safelight(&["--yes", "trash", "empty"]).ends_with(&[0]);
    room.verify_is_clean();
    let status = room.safelight(&["--json", "status"]).json();
    assert_eq!((&status["failed"], &status["linked_absent"]), (&0.into(), &0.into()), "{status}");
}

#[test]
fn what_status_counts_as_failed_it_names() {
    let room = Room::with_library();
    let bytes = heavy_photo(3, 1 << 20);
    room.put("one.jpg", &bytes);
    room.import().ends_with(&[0]);
    let large = crate::room::files_below(&room.library().join("objects"));
    let large = large.into_iter().find(|file| file.metadata().unwrap().len() > 1 << 20).unwrap();
    let mut sealed = std::fs::read(&large).unwrap();
    sealed[500_000] ^= 1;
    std::fs::write(&large, sealed).unwrap();
    room.safelight(&["verify"]).ends_with(&[6]);
    let status = room.safelight(&["--json", "status"]).json();
    assert_eq!(status["failed"], 1, "{status}");
    assert_eq!(status["failures"].as_array().map(Vec::len), Some(1), "{status}");
    assert!(text(&status["failures"][0], "path").ends_with("one.jpg"), "{status}");
    room.safelight(&["status", "--check"]).ends_with(&[1]);
    room.import().ends_with(&[0]);
    assert_eq!(room.safelight(&["--json", "status"]).json()["failed"], 0);
}

#[test]
fn a_linked_photo_is_read_from_any_file_that_still_holds_it() {
    let room = Room::with_library();
    let (stick, disk) = (room.photos().join("stick"), room.photos().join("disk"));
    room.put("stick/a.jpg", photo(1));
    room.put("disk/copy.jpg", photo(1));
    room.put("disk/other.jpg", photo(2));
    import_at(&room, &stick, &["--link"]).ends_with(&[0]);
    import_at(&room, &disk, &["--link"]).ends_with(&[0]);
    // The stick is pulled out, without anybody importing anew.
    let pulled = room.path("pulled");
    std::fs::rename(&stick, &pulled).unwrap();
    room.verify_is_clean();
    assert_eq!(room.original(&sha256(&photo(1))), photo(1));
    let status = room.safelight(&["--json", "status"]).ends_with(&[0]).json();
    assert_eq!((&status["linked_absent"], &status["photos"]), (&0.into(), &2.into()), "{status}");
    // It is back, and the other copy is deleted by hand.
    std::fs::rename(&pulled, &stick).unwrap();
    std::fs::remove_file(disk.join("copy.jpg")).unwrap();
    import_at(&room, &disk, &["--link"]).ends_with(&[0]);
    room.verify_is_clean();
    assert_eq!(room.original(&sha256(&photo(1))), photo(1));
}

#[test]
fn linked_files_of_one_size_may_change_places_between_two_folders_of_one_import() {
    let room = Room::with_library();
    // Uncompressed pictures of one camera have one size.
    let bitmap = |shade: u8| {
        let mut bytes =
            b"BM\x36\x03\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x10\0\0\0\x10\0\0\0\x01\0\x18\0".to_vec();
        bytes.resize(54, 0);
        bytes.resize(54 + 16 * 16 * 3, shade);
        bytes
    };
    let one = room.put("one/1.bmp", bitmap(10));
    let two = room.put("two/2.bmp", bitmap(200));
    let import = || {
        let mut command = room.unlocked();
        command.args(["--json", "--yes", "import", "--wait", "--settle=0", "--link"]);
        command.args([room.photos().join("one"), room.photos().join("two")]);
        room.run(&mut command).ends_with(&[0]).json()
    };
    import();
    let held = room.path("held");
    std::fs::rename(&one, &held).unwrap();
    std::fs::rename(&two, &one).unwrap();
    std::fs::rename(&held, &two).unwrap();
    let report = import();
    assert_eq!(
        (&report["imported"], &report["replaced"], &report["written_over"]),
        (&0.into(), &0.into(), &0.into()),
        "{report}"
    );
    room.verify_is_clean();
    for shade in [10, 200] {
        assert_eq!(room.original(&sha256(&bitmap(shade))), bitmap(shade));
    }
}

#[test]
fn an_edit_of_a_linked_file_that_was_undone_comes_in_when_it_is_saved_as_a_file_of_its_own() {
    for options in [&["--link"] as &[&str], &[]] {
        let room = Room::with_library();
        let exif = Exif { taken: Some("2021:10:08 22:47:36".into()), ..Exif::default() };
        let (first, edited) = (jpeg(1, 20, 15, &exif), jpeg(2, 24, 18, &exif));
        let path = room.put("a.jpg", &first);
        for content in [&first, &edited, &first] {
            std::fs::write(&path, content).unwrap();
            link(&room).ends_with(&[0]);
        }
        let saved = room.put("a2.jpg", &edited);
        import_at(&room, &room.photos(), options).ends_with(&[0]);
        room.verify_is_clean();
        let out = room.path("out");
        room.safelight(&["export", "--no-sidecars", out.to_str().unwrap()]).ends_with(&[0]);
        assert!(std::fs::read(out.join("a.jpg")).unwrap() == first);
        assert!(std::fs::read(out.join("a2.jpg")).unwrap() == edited);
        if options.is_empty() {
            std::fs::remove_file(saved).unwrap();
            std::fs::remove_file(path).unwrap();
            let kept = room.path("kept");
            room.safelight(&["export", "--no-sidecars", kept.to_str().unwrap()]).ends_with(&[0]);
            assert!(std::fs::read(kept.join("a2.jpg")).unwrap() == edited);
        }
    }
}

#[test]
fn a_linked_photo_whose_edit_was_deleted_shows_the_original_that_was_put_back_elsewhere() {
    let room = Room::with_library();
    let exif = Exif { taken: Some("2021:10:08 22:47:36".into()), ..Exif::default() };
    let (first, edited) = (jpeg(1, 20, 15, &exif), jpeg(2, 24, 18, &exif));
    let path = room.put("a.jpg", &first);
    room.put("rest.jpg", photo(3));
    link(&room).ends_with(&[0]);
    std::fs::write(&path, &edited).unwrap();
    link(&room).ends_with(&[0]);
    std::fs::remove_file(&path).unwrap();
    room.put("z.jpg", &first);
    link(&room).ends_with(&[0]);
    let listed: Vec<_> = room.list().iter().map(|asset| text(asset, "path")).collect();
    assert!(listed.contains(&"z.jpg".to_owned()) && listed.len() == 2, "{listed:?}");
    assert_eq!(room.original(&sha256(&first)), first);
}

#[test]
fn a_linked_photo_that_moves_into_a_folder_that_is_copied_is_missed_nowhere() {
    let room = Room::with_library();
    let (linked, copied) = (room.photos().join("a linked"), room.photos().join("b copied"));
    let moves = room.put("a linked/moves.jpg", photo(1));
    room.put("a linked/swaps.jpg", photo(2));
    room.put("b copied/swaps.jpg", photo(3));
    room.safelight(&["source", "add", copied.to_str().unwrap()]).ends_with(&[0]);
    room.safelight(&["source", "add", "--link", linked.to_str().unwrap()]).ends_with(&[0]);
    let import =
        || room.safelight(&["--json", "--yes", "import", "--wait", "--settle=0"]).ends_with(&[0]).said();
    import();
    std::fs::rename(moves, copied.join("moves.jpg")).unwrap();
    let (one, other, held) = (linked.join("swaps.jpg"), copied.join("swaps.jpg"), room.path("held"));
    for (from, to) in [(&one, &held), (&other, &one), (&held, &other)] {
        std::fs::rename(from, to).unwrap();
    }
    let said = import();
    assert!(!said.contains("absent") && !said.contains("no copy"), "{said}");
    room.verify_is_clean();
    std::fs::remove_dir_all(copied).unwrap();
    for seed in [1, 2, 3] {
        assert!(room.original(&sha256(&photo(seed))) == photo(seed));
    }
}

#[test]
fn nothing_of_a_linked_file_that_holds_something_else_goes_to_stdout() {
    let room = Room::with_library();
    let before = heavy_photo(1, 1 << 20);
    room.put("a.jpg", &before);
    link(&room).ends_with(&[0]);
    let whole = room.safelight(&["export", "--to", "-", "a.jpg"]).ends_with(&[0]);
    assert!(whole.stdout == before);
    // Of the same size, so that only its bytes tell.
    let mut after = before;
    let middle = after.len() / 2;
    after[middle] ^= 1;
    room.put("a.jpg", &after);
    let refused = room.safelight(&["export", "--to", "-", "a.jpg"]).ends_with(&[6]);
    assert_eq!(refused.stdout.len(), 0);
}
