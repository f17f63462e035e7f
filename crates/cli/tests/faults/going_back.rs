//! Undo, the library as it was, and making it so again: as scripts and people use them.

use std::fs;

use crate::pictures::photo;
use crate::room::{Outcome, Room, files_below};

/// Whether this is among what was said.
fn says(outcome: &Outcome, words: &str) {
    assert!(outcome.said().contains(words), "{words}: {}", outcome.said());
}

fn listed(room: &Room, arguments: &[&str]) -> Vec<String> {
    let mut whole = vec!["--json", "list"];
    whole.extend(arguments);
    let assets = room.safelight(&whole).ends_with(&[0]).json();
    assets.as_array().unwrap().iter().map(|asset| asset["path"].as_str().unwrap().to_owned()).collect()
}

/// The time of the last change, as `history` prints it: a moment that knows of it.
fn moment(room: &Room) -> String {
    let history = room.safelight(&["history", "-n", "1"]).ends_with(&[0]).text();
    let when: String = history.chars().take("2026-05-14 10:11:12Z".len()).collect();
    assert!(when.ends_with('Z'), "{history}");
    // History tells whole seconds, so the moment is the end of this one.
    let second: jiff::Timestamp = when.parse().unwrap();
    let end = second + jiff::SignedDuration::from_millis(999);
    while jiff::Timestamp::now() <= end {
        std::thread::yield_now();
    }
    end.to_string()
}

fn caption(room: &Room, name: &str) -> Option<String> {
    let shown = room.safelight(&["--json", "show", name]).ends_with(&[0]).json();
    shown["caption"].as_str().map(str::to_owned)
}

#[test]
fn what_a_command_did_is_taken_back_by_the_next_ones() {
    let room = Room::with_photos(3);
    says(&room.safelight(&["undo"]).ends_with(&[5]), "no change that stands");
    room.safelight(&["set", "0.jpg", "caption=Harbour"]).ends_with(&[0]);
    room.safelight(&["--yes", "trash", "0.jpg", "1.jpg", "2.jpg"]).ends_with(&[0]);
    assert_eq!(listed(&room, &[]).len(), 0);
    let tried = room.safelight(&["--dry-run", "undo"]).ends_with(&[0]);
    assert!(tried.text().contains("set trashed"), "{}", tried.text());
    assert_eq!(listed(&room, &[]).len(), 0);
    says(&room.safelight(&["undo"]).ends_with(&[0]), "3 things");
    assert_eq!(listed(&room, &[]).len(), 3);
    room.safelight(&["undo"]).ends_with(&[0]);
    assert_eq!(caption(&room, "0.jpg"), None);
    room.safelight(&["undo"]).ends_with(&[5]);
    room.safelight(&["undo", "--redo"]).ends_with(&[0]);
    assert_eq!(caption(&room, "0.jpg").as_deref(), Some("Harbour"));
    let changes = room.safelight(&["--json", "undo", "--list"]).ends_with(&[0]).json();
    assert_eq!(changes.as_array().unwrap().len(), 5, "{changes}");
    assert_eq!(changes[0]["is_undo"], false, "a redo is a change that undo takes back");
    says(&room.safelight(&["undo", "--change", "77"]).ends_with(&[5]), "77");
    room.safelight(&["undo", "0"]).ends_with(&[2]);
}

#[test]
fn the_library_of_a_moment_is_listed_shown_exported_and_restored() {
    let room = Room::with_photos(3);
    room.safelight(&["set", "0.jpg", "caption=Before", "tag+=sea"]).ends_with(&[0]);
    let then = moment(&room);
    room.safelight(&["set", "0.jpg", "caption=After", "tag-=sea"]).ends_with(&[0]);
    room.safelight(&["trash", "1.jpg", "2.jpg"]).ends_with(&[0]);
    fs::write(room.photos().join("late.jpg"), photo(77)).unwrap();
    room.import().ends_with(&[0]);

    assert_eq!(listed(&room, &["--at", &then]).len(), 3);
    assert_eq!(listed(&room, &["--at", &then, "tag:sea"]), listed(&room, &["0.jpg"]));
    assert_eq!(listed(&room, &["tag:sea"]).len(), 0);
    let shown = room.safelight(&["--json", "show", "--at", &then, "0.jpg"]).ends_with(&[0]).json();
    assert_eq!(shown["caption"], "Before");
    room.safelight(&["show", "--at", &then, "late.jpg"]).ends_with(&[4]);
    let out = room.path("then");
    room.safelight(&["export", "--at", &then, out.to_str().unwrap()]).ends_with(&[0]);
    let names = files_below(&out);
    assert_eq!(names.iter().filter(|name| name.to_string_lossy().ends_with(".jpg")).count(), 3);
    let sidecar = names.iter().find(|name| name.to_string_lossy().contains("0.jpg.xmp")).unwrap();
    assert!(fs::read_to_string(out.join(sidecar)).unwrap().contains("Before"));
    let left = fs::read_dir(room.library().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "nothing of the past stays behind");

    let tried = room.safelight(&["--json", "--dry-run", "restore", "--to", &then]).ends_with(&[0]).json();
    assert_eq!((tried["changed"].as_array().unwrap().len(), tried["since"].as_u64()), (3, Some(1)));
    says(&room.safelight(&["restore", "--to", &then]).ends_with(&[5]), "--yes");
    assert_eq!(caption(&room, "0.jpg").as_deref(), Some("After"));
    room.safelight(&["--yes", "restore", "--to", &then]).ends_with(&[0]);
    assert_eq!((caption(&room, "0.jpg").as_deref(), listed(&room, &[]).len()), (Some("Before"), 4));
    room.safelight(&["undo"]).ends_with(&[0]);
    assert_eq!((caption(&room, "0.jpg").as_deref(), listed(&room, &[]).len()), (Some("After"), 2));
    room.safelight(&["restore", "--to", &then, "0.jpg", "--only", "tags"]).ends_with(&[0]);
    assert_eq!(caption(&room, "0.jpg").as_deref(), Some("After"));
    assert_eq!(listed(&room, &["tag:sea"]).len(), 1);
}

#[test]
fn moments_that_are_none_and_parts_that_are_none_are_named() {
    let room = Room::with_photos(1);
    for when in ["soon", "2999-01-01", "2026-02-30", ""] {
        says(&room.safelight(&["list", "--at", when]).ends_with(&[2]), "a moment is a day");
    }
    says(&room.safelight(&["restore", "--to", "yesterday", "--only", "smell"]).ends_with(&[2]), "captions");
    room.safelight(&["restore"]).ends_with(&[2]);
    says(&room.safelight(&["list", "--at", "2001-01-01"]).ends_with(&[0]), "0 items");
    // It is a moment before the library: nothing was there, so nothing is to be restored, and the photo stays.
    says(&room.safelight(&["--yes", "restore", "--to", "2001-01-01"]).ends_with(&[0]), "1 photo came since");
}

#[test]
fn a_picture_that_was_overwritten_is_as_it_was() {
    let room = Room::with_photos(2);
    let id = room.listed().into_iter().find(|(_, path)| path.ends_with("0.jpg")).unwrap().0;
    let before = room.original(&id);
    let then = moment(&room);
    let noise: Vec<u8> = (0..200_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(room.photos().join("0.jpg"), &noise).unwrap();
    room.import().ends_with(&[0]);
    assert!(room.original(&id) == noise, "another version is shown");
    let tried = room.safelight(&["--json", "--dry-run", "restore", "--to", &then]).ends_with(&[0]).json();
    assert_eq!((&tried["parts"]["pictures"], &tried["pictures_lost"]), (&1.into(), &0.into()), "{tried}");
    room.safelight(&["--yes", "restore", "--to", &then]).ends_with(&[0]);
    assert!(room.original(&id) == before, "the picture of then is back");
    // The file in the folder is what it was when it was taken in, and is not taken in again.
    room.import().ends_with(&[0]);
    assert!(room.original(&id) == before);
    room.safelight(&["undo"]).ends_with(&[0]);
    assert!(room.original(&id) == noise, "and what came after it again");
    room.safelight(&["undo", "--redo"]).ends_with(&[0]);
    assert!(room.original(&id) == before);
    room.verify_is_clean();
}
