//! A file that is still being written is never taken half: it is looked at again at the end, and taken or named.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::pictures::{heavy_photo, photo};
use crate::room::{Outcome, Room, sha256};

/// An import with a settle time, and how long it took.
fn import(room: &Room, settle: &str) -> (Outcome, Duration) {
    let begun = Instant::now();
    let outcome =
        room.run(room.unlocked().args(["--json", "--yes", "import", "--settle", settle]).arg(room.photos()));
    (outcome, begun.elapsed())
}

/// Writes a file piece by piece, as a copy over a slow network does, until all is written or nobody waits any more.
fn copy_slowly(path: &Path, content: &[u8], pieces: usize, pause: Duration, wanted: &AtomicBool) {
    let mut file = std::fs::File::create(path).unwrap();
    for piece in content.chunks(content.len().div_ceil(pieces)) {
        if !wanted.load(Ordering::Relaxed) {
            return;
        }
        file.write_all(piece).unwrap();
        std::thread::sleep(pause);
    }
}

#[test]
fn a_copy_that_ends_during_the_import_is_taken_whole_by_it() {
    let room = Room::with_library();
    room.put("finished.jpg", photo(1));
    let whole = heavy_photo(2, 1 << 20);
    let path = room.photos().join("arriving.jpg");
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| copy_slowly(&path, &whole, 8, Duration::from_millis(150), &AtomicBool::new(true)));
        std::thread::sleep(Duration::from_millis(200));
        import(&room, "1").0.ends_with(&[0])
    });
    let report = outcome.json();
    assert_eq!((&report["imported"], &report["failed"]), (&2.into(), &0.into()), "{report}");
    assert!(room.original(&sha256(&whole)) == whole);
    assert_eq!(room.listed().len(), 2, "{:?}", room.listed());
}

#[test]
fn a_copy_that_goes_on_is_named_with_the_next_step_and_nothing_of_it_is_taken() {
    let room = Room::with_library();
    room.put("finished.jpg", photo(1));
    let whole = heavy_photo(2, 1 << 20);
    let path = room.photos().join("arriving.jpg");
    let wanted = AtomicBool::new(true);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| copy_slowly(&path, &whole, 600, Duration::from_millis(100), &wanted));
        std::thread::sleep(Duration::from_millis(200));
        let (outcome, _) = import(&room, "1");
        wanted.store(false, Ordering::Relaxed);
        outcome.ends_with(&[1])
    });
    let report = outcome.json();
    assert_eq!((&report["imported"], &report["failed"]), (&1.into(), &1.into()), "{report}");
    let named = report["problems"][0].to_string();
    assert!(named.contains("arriving.jpg") && named.contains("import it again"), "{named}");
    assert_eq!(room.listed().len(), 1, "{:?}", room.listed());

    std::fs::write(&path, &whole).unwrap();
    import(&room, "1").0.ends_with(&[0]);
    assert!(room.original(&sha256(&whole)) == whole);
    assert_eq!(room.listed().len(), 2, "{:?}", room.listed());
    room.verify_is_clean();
}

#[test]
fn a_copy_that_stalls_for_longer_than_the_settle_time_is_not_taken_half_while_it_is_open() {
    let room = Room::with_library();
    room.put("finished.jpg", photo(1));
    let whole = heavy_photo(2, 1 << 20);
    let path = room.photos().join("stalled.jpg");
    let mut writer = std::fs::File::create(&path).unwrap();
    writer.write_all(&whole[..whole.len() / 3]).unwrap();
    std::thread::sleep(Duration::from_millis(1200));
    let report = import(&room, "1").0.ends_with(&[1]).json();
    assert_eq!((&report["imported"], &report["failed"]), (&1.into(), &1.into()), "{report}");
    let named = report["problems"][0].to_string();
    assert!(named.contains("stalled.jpg") && named.contains("import it again"), "{named}");
    assert_eq!(room.listed().len(), 1, "{:?}", room.listed());

    writer.write_all(&whole[whole.len() / 3..]).unwrap();
    drop(writer);
    import(&room, "1").0.ends_with(&[0]);
    assert!(room.original(&sha256(&whole)) == whole);
    assert_eq!(room.listed().len(), 2, "{:?}", room.listed());
}

#[test]
fn a_sidecar_that_is_being_written_is_read_once_it_stands_still() {
    let room = Room::with_library();
    room.put("a.jpg", photo(1));
    import(&room, "0").0.ends_with(&[0]);
    let sidecar = br#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>"#;
    let path = room.photos().join("a.jpg.xmp");
    let report = std::thread::scope(|scope| {
        scope.spawn(|| copy_slowly(&path, sidecar, 6, Duration::from_millis(150), &AtomicBool::new(true)));
        std::thread::sleep(Duration::from_millis(200));
        import(&room, "1").0.ends_with(&[0]).json()
    });
    assert_eq!(report["sidecars"], 1, "{report}");
    assert_eq!(room.safelight(&["--json", "list", "rating:4"]).json().as_array().unwrap().len(), 1);
}

#[test]
fn old_files_are_not_waited_for_and_a_wrong_clock_postpones_nothing_for_ever() {
    let room = Room::with_library();
    let path = room.put("from 2099.jpg", photo(1));
    let ahead = SystemTime::now() + Duration::from_secs(86_400 * 365 * 70);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(ahead).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    // With the change a second ago and a settle time of one, nothing is waited for.
    let outcome = import(&room, "1").0.ends_with(&[0]);
    assert_eq!(outcome.json()["imported"], 1);
    assert!(!outcome.stderr.contains("Waiting"), "{}", outcome.said());
    let said = room.put("just now.jpg", photo(2));
    std::fs::File::options().write(true).open(said).unwrap().set_modified(ahead).unwrap();
    let (outcome, took) = import(&room, "2");
    assert_eq!(outcome.ends_with(&[0]).json()["imported"], 1);
    assert!(took < Duration::from_secs(8), "a date in the future held the import up for {took:?}");
}

#[test]
fn a_file_that_was_written_just_now_is_waited_for_in_so_many_words() {
    let room = Room::with_library();
    room.put("a.jpg", photo(1));
    let outcome = room.run(room.unlocked().args(["--yes", "import", "--settle", "1"]).arg(room.photos()));
    let outcome = outcome.ends_with(&[0]);
    assert!(outcome.stderr.contains("Waiting until 1 file written just now"), "{}", outcome.said());
}
