//! Files that an import removes at their source once their sealed copies are proven, and folders that are empty since.

use std::path::Path;
use std::process::Command;

use crate::pictures::{heavy_photo, photo};
use crate::room::{Outcome, PATIENCE, Room, finish, sha256};

/// A folder beside the photos that is watched and emptied by imports.
fn watched(room: &Room, name: &str, options: &[&str]) -> std::path::PathBuf {
    let folder = room.path(name);
    std::fs::create_dir_all(&folder).unwrap();
    room.run(room.unlocked().args(["source", "add"]).arg(&folder).args(options)).ends_with(&[0]);
    folder
}

fn import_watched(room: &Room) -> Command {
    let mut command = room.unlocked();
    command.args(["--json", "--yes", "import", "--wait", "--settle=0"]);
    command
}

fn says_offline(outcome: &Outcome) -> bool {
    outcome.said().contains("offline")
}

fn paths(room: &Room, id: &str) -> String {
    room.safelight(&["--json", "show", id]).ends_with(&[0]).json().to_string()
}

#[test]
fn a_folder_that_an_import_has_emptied_itself_is_not_offline() {
    let room = Room::with_library();
    let card = watched(&room, "card", &["--remove-after-proof"]);
    for seed in 0..3 {
        std::fs::write(card.join(format!("{seed}.jpg")), photo(seed)).unwrap();
    }
    let report = room.run(&mut import_watched(&room)).ends_with(&[0]).json();
    assert_eq!((&report["imported"], &report["removed"]), (&3.into(), &3.into()), "{report}");
    for _ in 0..2 {
        let outcome = room.run(&mut import_watched(&room)).ends_with(&[0]);
        assert!(!says_offline(&outcome), "{}", outcome.said());
        assert_eq!(outcome.json()["problems"].as_array().map(Vec::len), Some(0), "{}", outcome.said());
        assert_eq!(outcome.json()["gone"], 0, "{}", outcome.said());
    }
    let sources = room.safelight(&["--json", "source"]).ends_with(&[0]).json();
    assert_eq!(sources[0]["online"], true, "{sources}");
    // What comes onto the card later is taken and removed like the rest.
    std::fs::write(card.join("0.jpg"), photo(0)).unwrap();
    std::fs::write(card.join("new.jpg"), photo(7)).unwrap();
    let report = room.run(&mut import_watched(&room)).ends_with(&[0]).json();
    assert_eq!((&report["imported"], &report["removed"]), (&1.into(), &2.into()), "{report}");
    assert_eq!(room.list().len(), 4);
    room.verify_is_clean();
}

#[test]
fn a_folder_whose_files_were_moved_to_another_source_is_not_offline_and_one_that_was_emptied_is() {
    let room = Room::with_library();
    let (first, second) = (watched(&room, "first", &[]), watched(&room, "second", &[]));
    std::fs::write(first.join("a.jpg"), photo(1)).unwrap();
    room.run(&mut import_watched(&room)).ends_with(&[0]);
    std::fs::rename(first.join("a.jpg"), second.join("a.jpg")).unwrap();
    room.run(&mut import_watched(&room)).ends_with(&[0]);
    for _ in 0..2 {
        let outcome = room.run(&mut import_watched(&room)).ends_with(&[0]);
        assert!(!says_offline(&outcome), "{}", outcome.said());
    }

    // Here nothing says where the photo went: as far as is known, a disk is not connected.
    std::fs::remove_file(second.join("a.jpg")).unwrap();
    let outcome = room.run(&mut import_watched(&room)).ends_with(&[0]);
    assert!(says_offline(&outcome), "{}", outcome.said());
    let problems = outcome.json()["problems"].clone();
    assert_eq!(
        (&problems[0]["failure"], &outcome.json()["failed"]),
        (&false.into(), &0.into()),
        "{problems}"
    );
    assert!(paths(&room, &sha256(&photo(1))).contains("second"), "its last path was taken away");
}

#[test]
fn an_empty_folder_on_another_disk_than_its_files_takes_no_path_away_although_they_are_elsewhere_too() {
    let room = Room::with_library();
    let (disk, copies) = (watched(&room, "disk", &[]), watched(&room, "copies", &[]));
    let mount = |arguments: &[&str]| Command::new("mount").args(arguments).arg(&disk).output();
    if !mount(&["-t", "tmpfs", "tmpfs"]).is_ok_and(|mounted| mounted.status.success()) {
        return crate::room::skip(
            "no tmpfs can be mounted here (it needs root); the missing disk was not tried",
        );
    }
    std::fs::write(disk.join("a.jpg"), photo(1)).unwrap();
    std::fs::write(copies.join("a.jpg"), photo(1)).unwrap();
    let imported = room.run(&mut import_watched(&room));
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    imported.ends_with(&[0]);
    let outcome = room.run(&mut import_watched(&room)).ends_with(&[0]);
    assert!(says_offline(&outcome), "{}", outcome.said());
    let shown = paths(&room, &sha256(&photo(1)));
    assert!(shown.contains("disk/a.jpg") && shown.contains("copies/a.jpg"), "{shown}");
}

#[test]
fn a_file_that_was_changed_without_its_time_is_left_named_and_taken_in_by_the_next_import() {
    let room = Room::with_library();
    let card = room.path("card");
    std::fs::create_dir_all(&card).unwrap();
    let file = card.join("one.jpg");
    let bytes = heavy_photo(4, 1 << 20);
    std::fs::write(&file, &bytes).unwrap();
    room.run(room.unlocked().args(["--yes", "import", "--wait", "--settle=0"]).arg(&card)).ends_with(&[0]);
    let edited = changed_unseen(&file, &bytes);

    watched(&room, "card", &["--remove-after-proof"]);
    let outcome = room.run(&mut import_watched(&room)).ends_with(&[1]);
    let report = outcome.json();
    assert_eq!((&report["removed"], &report["failed"]), (&0.into(), &1.into()), "{report}");
    assert!(outcome.stderr.contains("one.jpg") && outcome.stderr.contains("changed"), "{}", outcome.said());
    assert_eq!(std::fs::read(&file).unwrap(), edited);
    let report = room.run(&mut import_watched(&room)).ends_with(&[0]).json();
    assert_eq!((&report["imported"], &report["removed"]), (&1.into(), &1.into()), "{report}");
    assert!(!file.exists());
    room.verify_is_clean();
    let out = room.path("out");
    room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
    let exported: Vec<_> =
        crate::room::files_below(&out).iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(exported.contains(&bytes) && exported.contains(&edited), "a version is missing");
}

/// Changes a file between the samples that are compared and gives it its time back.
fn changed_unseen(file: &Path, bytes: &[u8]) -> Vec<u8> {
    let time = file.metadata().unwrap().modified().unwrap();
    let mut edited = bytes.to_vec();
    edited[bytes.len() / 4] ^= 1;
    std::fs::write(file, &edited).unwrap();
    let written = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    written.set_modified(time).unwrap();
    edited
}

#[test]
fn of_two_imports_at_once_that_remove_what_they_took_neither_fails() {
    let room = Room::with_library();
    let card = watched(&room, "card", &["--remove-after-proof"]);
    let count = 60;
    for seed in 0..count {
        std::fs::write(card.join(format!("{seed}.jpg")), heavy_photo(seed, 60 << 10)).unwrap();
    }
    let running: Vec<_> = (0..2).map(|_| import_watched(&room).spawn().unwrap()).collect();
    for child in running {
        let outcome = finish(child, PATIENCE).ends_with(&[0]);
        assert_eq!(outcome.json()["failed"], 0, "{}", outcome.said());
    }
    assert!(crate::room::files_below(&card).is_empty());
    assert_eq!(room.list().len(), usize::try_from(count).unwrap());
    room.verify_is_clean();
}
