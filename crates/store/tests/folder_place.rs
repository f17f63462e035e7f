//! The folder as a place: never half, never overwritten, never through a link, never confused by a
//! vanished drive.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use safelight_crypto::{HEADER_LEN, ObjectName};
use safelight_store::{
    Area, FolderPlace, Found, FoundKind, Generation, ObjectFile, ObjectPath, Outcome, PathPart, Sealed,
    StoreError,
};

struct Fixture {
    /// Removed with everything in it when the test ends.
    folder: tempfile::TempDir,
    place: FolderPlace,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let place =
            FolderPlace::create(&folder.path().join("objects"), &folder.path().join("tmp")).expect("creates");
        Self { folder, place }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("objects")
    }

    fn unfinished(&self) -> Vec<PathBuf> {
        files_below(&self.folder.path().join("tmp"))
    }

    fn written(&self, content: &[u8]) -> ObjectFile {
        let mut object = self.place.create_object().expect("creates");
        object.append(content).expect("writes");
        object.write_header(&header()).expect("writes");
        object
    }
}

fn header() -> [u8; HEADER_LEN] {
    let mut header = [0x55; HEADER_LEN];
    header[..8].copy_from_slice(b"SLO1\x01\x01\x14\x00");
    header
}

fn path(byte: u8) -> ObjectPath {
    ObjectPath::original(ObjectName::from_bytes([byte; 20]))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .map(|entry| entry.expect("reads").path())
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .collect()
}

#[test]
fn an_object_is_invisible_until_it_is_finished_and_whole_afterwards() {
    let fixture = Fixture::new();
    let object = fixture.written(b"sealed body");
    assert!(!fixture.place.contains(&path(1)).expect("asks"));
    assert_eq!(object.finish(&path(1)).expect("finishes"), Outcome::Created);
    let reader = fixture.place.open_object(&path(1)).expect("opens");
    let bytes = reader.read_all(1 << 20).expect("reads");
    assert_eq!(&bytes[..HEADER_LEN], header());
    assert_eq!(&bytes[HEADER_LEN..], b"sealed body");
    assert_eq!(reader.read_range(140..143).expect("reads"), b"ed ");
    assert_eq!(reader.read_range(u64::MAX - 1..u64::MAX).expect("reads"), b"");
    assert!(matches!(reader.read_all(10), Err(StoreError::TooLarge { length_bytes: 147, .. })));
}

#[test]
fn a_taken_name_is_never_overwritten_and_told_apart() {
    let fixture = Fixture::new();
    assert_eq!(fixture.written(b"first").finish(&path(1)).expect("finishes"), Outcome::Created);
    assert_eq!(fixture.written(b"second").finish(&path(1)).expect("finishes"), Outcome::Existed);
    let bytes = fixture.place.open_object(&path(1)).expect("opens").read_all(1 << 20).expect("reads");
    assert_eq!(&bytes[HEADER_LEN..], b"first");
    assert!(fixture.unfinished().iter().all(|path| path.extension().is_some_and(|end| end == "lock")));
}

#[test]
fn the_same_name_twice_in_one_batch_is_created_once() {
    let fixture = Fixture::new();
    let mut batch = fixture.place.batch();
    batch.add(fixture.written(b"one"), path(1));
    batch.add(fixture.written(b"two"), path(2));
    batch.add(fixture.written(b"one again"), path(1));
    let outcomes: Vec<Outcome> =
        batch.commit().into_iter().map(|entry| entry.result.expect("commits")).collect();
    assert_eq!(outcomes, [Outcome::Created, Outcome::Created, Outcome::Existed]);
}

#[test]
fn an_object_dropped_or_without_its_header_leaves_nothing() {
    let fixture = Fixture::new();
    drop(fixture.written(b"dropped"));
    let mut headless = fixture.place.create_object().expect("creates");
    headless.append(b"body").expect("writes");
    assert!(matches!(headless.finish(&path(1)), Err(StoreError::Damaged { .. })));
    let mut plain = fixture.place.create_object().expect("creates");
    assert!(plain.write_header(&[0xff; HEADER_LEN]).is_err(), "a photo is no sealed object");
    drop(plain);
    let mut abandoned = fixture.place.batch();
    abandoned.add(fixture.written(b"abandoned"), path(2));
    drop(abandoned);
    assert_eq!(files_below(&fixture.root()), Vec::<PathBuf>::new());
    assert_eq!(fixture.unfinished().len(), 1, "only the lock of the living session");
    let tmp = fixture.folder.path().join("tmp");
    drop(fixture.place);
    assert_eq!(files_below(&tmp), Vec::<PathBuf>::new(), "the lock goes with its owner");
}

#[test]
fn only_the_owner_may_read_what_is_written() {
    let fixture = Fixture::new();
    assert_eq!(fixture.written(b"x").finish(&path(1)).expect("finishes"), Outcome::Created);
    let mode = |path: &Path| fs::metadata(path).expect("stats").permissions().mode() & 0o777;
    assert_eq!(mode(&fixture.root().join(path(1).as_str())), 0o600);
    assert_eq!(mode(&fixture.root().join(path(1).folder())), 0o700);
    assert_eq!(mode(&fixture.folder.path().join("tmp")), 0o700);
}

#[test]
fn links_inside_the_place_are_not_followed() {
    let fixture = Fixture::new();
    let outside = fixture.folder.path().join("outside");
    fs::create_dir(&outside).expect("creates");
    fs::write(outside.join("secret"), b"not an object").expect("writes");

    // A shard that is a link: neither written through nor read through.
    fs::create_dir(fixture.root().join("o")).expect("creates");
    let shard = fixture.root().join(path(1).folder());
    symlink(&outside, &shard).expect("links");
    assert!(matches!(fixture.written(b"x").finish(&path(1)), Err(StoreError::Obstructed { .. })));
    assert!(matches!(fixture.place.open_object(&path(1)), Err(StoreError::Obstructed { .. })));
    assert_eq!(files_below(&outside).len(), 1);

    // An object that is a link.
    fs::create_dir(fixture.root().join(path(2).folder())).expect("creates");
    symlink(outside.join("secret"), fixture.root().join(path(2).as_str())).expect("links");
    assert!(matches!(fixture.place.open_object(&path(2)), Err(StoreError::Obstructed { .. })));
    assert_eq!(fixture.written(b"x").finish(&path(2)).expect("finishes"), Outcome::Existed);

    // A walk names both and enters neither.
    let strange: Vec<Found> = fixture.place.walk().map(|found| found.expect("walks")).collect();
    assert_eq!(strange.len(), 2);
    assert!(strange.iter().all(|found| found.kind == FoundKind::StrangeKind), "{strange:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_pipe_under_an_objects_name_does_not_hang_the_reader() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.root().join(path(1).folder())).expect("creates");
    let pipe = fixture.root().join(path(1).as_str());
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("makes a pipe");
    assert!(matches!(fixture.place.open_object(&path(1)), Err(StoreError::Obstructed { .. })));
}

#[test]
fn a_walk_names_objects_and_strangers_in_order() {
    let fixture = Fixture::new();
    for byte in [9, 1, 5] {
        assert_eq!(fixture.written(b"x").finish(&path(byte)).expect("finishes"), Outcome::Created);
    }
    fs::write(fixture.root().join("o").join("IMG_0001.JPG"), b"a stranger").expect("writes");
    fs::write(fixture.root().join(path(5).folder()).join("zz"), b"").expect("writes");
    let found: Vec<Found> = fixture.place.walk().map(|found| found.expect("walks")).collect();
    let names: Vec<PathBuf> = found.iter().map(|found| found.relative.clone()).collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted);
    let objects = found.iter().filter(|found| matches!(found.kind, FoundKind::Object(_))).count();
    let strangers = found.iter().filter(|found| found.kind == FoundKind::StrangeFile).count();
    assert_eq!((objects, strangers), (3, 2), "{found:?}");
    assert!(found.iter().all(|found| found.modified > SystemTime::UNIX_EPOCH));
}

#[test]
fn an_empty_looking_place_that_was_replaced_is_vanished_not_empty() {
    let fixture = Fixture::new();
    assert_eq!(fixture.written(b"x").finish(&path(1)).expect("finishes"), Outcome::Created);
    assert!(matches!(fixture.place.open_object(&path(2)), Err(StoreError::NotFound { .. })));
    fs::rename(fixture.root(), fixture.folder.path().join("elsewhere")).expect("renames");
    fs::create_dir(fixture.root()).expect("creates");
    assert!(!fixture.place.is_present());
    assert!(matches!(fixture.place.open_object(&path(2)), Err(StoreError::Vanished { .. })));
    assert!(matches!(fixture.place.contains(&path(2)), Err(StoreError::Vanished { .. })));
    assert!(matches!(fixture.place.remove_object(&path(2)), Err(StoreError::Vanished { .. })));
}

#[test]
fn a_missing_folder_is_no_place() {
    let missing = Path::new("/nonexistent/safelight");
    assert!(matches!(FolderPlace::open(missing, missing), Err(StoreError::NoPlace { .. })));
}

#[test]
fn removing_is_durable_and_may_be_repeated() {
    let fixture = Fixture::new();
    assert_eq!(fixture.written(b"x").finish(&path(1)).expect("finishes"), Outcome::Created);
    fixture.place.remove_object(&path(1)).expect("removes");
    fixture.place.remove_object(&path(1)).expect("removes again");
    fixture.place.remove_object(&path(200)).expect("removes what never was");
    assert!(!fixture.place.contains(&path(1)).expect("asks"));
}

#[test]
fn what_is_replaced_stays_until_the_new_is_there() {
    let fixture = Fixture::new();
    let mut batch = fixture.place.batch();
    batch.add(fixture.written(b"old"), path(1));
    batch.commit();
    let read = || {
        let object = fixture.place.open_object(&path(1)).expect("opens");
        object.read_all(1 << 20).expect("reads")
    };
    let old = read();
    // A reader that began before goes on with the old one.
    let begun = fixture.place.open_object(&path(1)).expect("opens");
    fixture.place.replace_object(&path(1), b"new").expect("replaces");
    assert_eq!(read(), b"new");
    assert_eq!(begun.read_all(1 << 20).expect("reads"), old);
    let absent = fixture.place.replace_object(&path(2), b"new");
    assert!(matches!(absent, Err(StoreError::NotFound { .. })), "{absent:?}");

    // Where nothing can be written, nothing is lost.
    fs::remove_dir_all(fixture.folder.path().join("tmp")).expect("removes");
    assert!(fixture.place.replace_object(&path(1), b"newest").is_err());
    assert_eq!(read(), b"new");
}

#[test]
fn sealed_bytes_are_put_as_they_are() {
    let fixture = Fixture::new();
    let mut bytes = header().to_vec();
    bytes.extend_from_slice(&[7; 100]);
    let sealed = Sealed::from_bytes(bytes.clone()).expect("looks sealed");
    assert_eq!(fixture.place.put_new(&path(3), &sealed).expect("puts"), Outcome::Created);
    assert_eq!(fixture.place.put_new(&path(3), &sealed).expect("puts"), Outcome::Existed);
    assert_eq!(fixture.place.open_object(&path(3)).expect("opens").read_all(1000).expect("reads"), bytes);
}

#[test]
fn an_append_file_has_one_writer_and_grows() {
    let fixture = Fixture::new();
    let name = PathPart::parse("localpack").expect("valid");
    let path = ObjectPath::flat(Area::Local, &name).expect("valid");
    let mut pack = fixture.place.create_append(&path).expect("creates");
    assert!(matches!(fixture.place.create_append(&path), Err(StoreError::AlreadyExists { .. })));
    assert!(fixture.place.open_append(&path).expect("asks").is_none(), "another writer holds it");
    assert_eq!(pack.append(b"first").expect("appends"), 0);
    assert_eq!(pack.append(b"second").expect("appends"), 5);
    pack.sync().expect("syncs");
    drop(pack);
    let mut pack = fixture.place.open_append(&path).expect("opens").expect("is free");
    assert_eq!(pack.length_bytes(), 11);
    pack.truncate(5).expect("truncates");
    assert_eq!(pack.append(b"!").expect("appends"), 5);
    let reader = fixture.place.open_object(&path).expect("opens");
    assert_eq!(reader.read_all(100).expect("reads"), b"first!");
}

#[test]
fn many_threads_writing_the_same_names_leave_each_object_whole() {
    let fixture = Fixture::new();
    let created = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u8)
            .map(|writer| {
                let fixture = &fixture;
                scope.spawn(move || {
                    let mut batch = fixture.place.batch();
                    for byte in 0..20 {
                        batch.add(fixture.written(&[writer; 5000]), path(byte));
                    }
                    batch
                        .commit()
                        .into_iter()
                        .filter(|entry| matches!(entry.result, Ok(Outcome::Created)))
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("joins")).sum::<usize>()
    });
    assert_eq!(created, 20);
    for byte in 0..20 {
        let bytes = fixture.place.open_object(&path(byte)).expect("opens").read_all(10_000).expect("reads");
        let body = &bytes[HEADER_LEN..];
        assert!(body.len() == 5000 && body.iter().all(|other| *other == body[0]), "object {byte} is mixed");
    }
}

#[test]
fn generations_are_names_of_their_own() {
    let fixture = Fixture::new();
    let name = PathPart::parse("abcdefgh").expect("valid");
    for generation in [0, 1, 2] {
        let path = ObjectPath::sharded(Area::Previews, &name, Generation(generation)).expect("valid");
        assert_eq!(fixture.written(b"x").finish(&path).expect("finishes"), Outcome::Created);
    }
    assert_eq!(fixture.place.walk().count(), 3);
}

#[test]
fn free_space_is_told() {
    assert!(Fixture::new().place.free_bytes().expect("asks") > 0);
}
