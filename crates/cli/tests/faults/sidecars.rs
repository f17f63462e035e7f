//! Sidecars that change: what one says last is what its photo shows, whatever the clocks said.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::pictures::photo;
use crate::room::{Room, text};

const YEAR: u64 = 365 * 86_400;

/// A room with two photos in the library.
fn room_with_photos() -> Room {
    let room = Room::with_library();
    room.put("a.jpg", photo(1));
    room.put("b.jpg", photo(2));
    room.import().ends_with(&[0]);
    room
}

/// Writes a sidecar that says a caption, last changed `years` from now.
fn write_sidecar(room: &Room, name: &str, caption: &str, years: i64) -> PathBuf {
    let xmp = format!(
        r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt><rdf:li xml:lang="x-default">{caption}</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"#
    );
    let path = room.put(name, xmp);
    set_modified(&path, years);
    path
}

fn set_modified(path: &Path, years: i64) {
    let distance = Duration::from_secs(years.unsigned_abs() * YEAR);
    let now = SystemTime::now();
    let moment = if years < 0 { now - distance } else { now + distance };
    std::fs::File::options().write(true).open(path).unwrap().set_modified(moment).unwrap();
}

fn import(room: &Room) {
    room.run(&mut room.import_command()).ends_with(&[0]);
}

fn caption(room: &Room, name: &str) -> String {
    text(&room.safelight(&["--json", "show", name]).ends_with(&[0]).json(), "caption")
}

#[test]
fn an_older_sidecar_that_was_put_back_is_taken() {
    let room = room_with_photos();
    write_sidecar(&room, "a.jpg.xmp", "before", -2);
    import(&room);
    write_sidecar(&room, "a.jpg.xmp", "after", -1);
    import(&room);
    assert_eq!(caption(&room, "a.jpg"), "after");
    write_sidecar(&room, "a.jpg.xmp", "before", -2);
    import(&room);
    assert_eq!(caption(&room, "a.jpg"), "before");
}

#[test]
fn sidecars_that_changed_places_speak_of_the_photos_that_they_lie_beside_now() {
    let room = room_with_photos();
    let first = write_sidecar(&room, "a.jpg.xmp", "one", -3);
    let second = write_sidecar(&room, "b.jpg.xmp", "two", -2);
    import(&room);
    let aside = room.path("aside");
    std::fs::rename(&first, &aside).unwrap();
    std::fs::rename(&second, &first).unwrap();
    std::fs::rename(&aside, &second).unwrap();
    import(&room);
    assert_eq!((caption(&room, "a.jpg"), caption(&room, "b.jpg")), ("two".to_owned(), "one".to_owned()));
}

#[test]
fn a_sidecar_that_was_written_in_2099_does_not_hold_off_what_is_written_into_it_later() {
    let room = room_with_photos();
    write_sidecar(&room, "a.jpg.xmp", "from the future", 73);
    import(&room);
    assert_eq!(caption(&room, "a.jpg"), "from the future");
    write_sidecar(&room, "a.jpg.xmp", "of today", 0);
    import(&room);
    assert_eq!(caption(&room, "a.jpg"), "of today");
}

#[test]
fn a_sidecar_that_changed_twice_within_a_second_shows_the_second_change() {
    let room = room_with_photos();
    // Of findings with one version the greater bytes stay: each text comes last once.
    for caption_now in ["middle", "alpha", "zulu", "beta"] {
        write_sidecar(&room, "a.jpg.xmp", caption_now, -1);
        import(&room);
        assert_eq!(caption(&room, "a.jpg"), caption_now);
    }
}

#[test]
fn an_old_sidecar_met_for_the_first_time_speaks_over_nothing_newer() {
    let room = room_with_photos();
    write_sidecar(&room, "a.jpg.xmp", "newer", -1);
    import(&room);
    room.put("backup/a.jpg", photo(1));
    write_sidecar(&room, "backup/a.jpg.xmp", "older", -5);
    import(&room);
    assert_eq!(caption(&room, "a.jpg"), "newer");
}
