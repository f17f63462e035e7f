//! Kills, full disks, read-only disks, pulled drives and several processes at once.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and say what it skips"
)]

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use safelight_crypto::{HEADER_LEN, ObjectName};
use safelight_store::{
    Folder, FolderPlace, FoundKind, ObjectFile, ObjectPath, Outcome, StoreError, TempSpace,
};

use small_disk::SmallDisk;

mod small_disk;

/// Set for a child process that shall write until it is killed.
const WRITER: &str = "SAFELIGHT_TEST_WRITER";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn place(root: &Path) -> FolderPlace {
    FolderPlace::create(&root.join("objects"), &root.join("tmp")).expect("opens")
}

fn path(number: u32) -> ObjectPath {
    let mut bytes = [0; 20];
    let spread = number.wrapping_mul(0x9e37_79b9).to_be_bytes();
    bytes[..4].copy_from_slice(&spread);
    bytes[4..8].copy_from_slice(&number.to_be_bytes());
    ObjectPath::original(ObjectName::from_bytes(bytes))
}

/// An object whose every byte says its number, so that a torn or mixed one shows.
fn written(place: &FolderPlace, number: u32, body_bytes: usize) -> Result<ObjectFile, StoreError> {
    let mut object = place.create_object()?;
    let body = number.to_be_bytes().repeat(body_bytes / 4);
    for piece in body.chunks(10_000) {
        object.append(piece)?;
    }
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(b"SLO1\x01\x01\x14\x00");
    header[8..12].copy_from_slice(&number.to_be_bytes());
    object.write_header(&header)?;
    Ok(object)
}

fn assert_whole(place: &FolderPlace, path: &ObjectPath, body_bytes: usize) {
    let bytes = place.open_object(path).expect("opens").read_all(1 << 30).expect("reads");
    assert_eq!(bytes.len(), HEADER_LEN + body_bytes, "{path} has another length");
    let number = &bytes[8..12];
    assert!(bytes[HEADER_LEN..].chunks(4).all(|chunk| chunk == number), "{path} is torn");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.expect("lists").path()).collect()
}

/// Starts this test program again as a writer.
fn spawn_writer(root: &Path, test: &str, first: u32) -> Child {
    Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", test])
        .env(WRITER, root)
        .env("SAFELIGHT_TEST_FIRST", first.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

/// The work of a writer: batch after batch, until it is killed.
fn write_forever(root: &Path) {
    let first: u32 = std::env::var("SAFELIGHT_TEST_FIRST").expect("set").parse().expect("a number");
    let place = place(root);
    let mut number = first;
    loop {
        let mut batch = place.batch();
        for _ in 0..8 {
            batch.add(written(&place, number, 40_000).expect("writes"), path(number));
            number += 1;
        }
        for entry in batch.commit() {
            assert_eq!(entry.result.expect("commits"), Outcome::Created);
        }
    }
}

#[test]
fn killed_writers_leave_only_whole_objects_and_nothing_after_a_sweep() {
    if let Some(root) = std::env::var_os(WRITER) {
        return write_forever(Path::new(&root));
    }
    let temporary = tempfile::tempdir().expect("temporary folder");
    let root = temporary.path();
    let mut left_behind = 0;
    for round in 0..12_u32 {
        let name = "killed_writers_leave_only_whole_objects_and_nothing_after_a_sweep";
        let mut writers =
            [spawn_writer(root, name, round * 100_000), spawn_writer(root, name, round * 100_000 + 50_000)];
        std::thread::sleep(Duration::from_millis(u64::from(60 + round * 37 % 190)));
        for writer in &mut writers {
            writer.kill().expect("kills");
            assert_eq!(writer.wait().expect("ends").signal(), Some(9), "it wrote until it was killed");
        }
        left_behind += files(&root.join("tmp")).len();
        let report = place(root).sweep(SystemTime::now()).expect("sweeps");
        assert_eq!(report.kept_files, 0);
        assert_eq!(files(&root.join("tmp")), Vec::<PathBuf>::new(), "round {round}");
    }
    let place = place(root);
    let mut objects = 0;
    for found in place.walk() {
        let found = found.expect("walks");
        let FoundKind::Object(path) = found.kind else { panic!("{found:?} is a stranger") };
        assert_whole(&place, &path, 40_000);
        objects += 1;
    }
    assert!(objects > 0, "the writers wrote nothing");
    assert!(left_behind > 0, "no writer was ever killed in the middle");
    println!("{objects} objects, {left_behind} unfinished files swept");
}

#[test]
fn a_sweep_keeps_what_a_living_process_is_writing() {
    if let Some(root) = std::env::var_os(WRITER) {
        return write_forever(Path::new(&root));
    }
    let temporary = tempfile::tempdir().expect("temporary folder");
    let root = temporary.path();
    let mut writer = spawn_writer(root, "a_sweep_keeps_what_a_living_process_is_writing", 0);
    let begin = Instant::now();
    let place = place(root);
    let mut sweeps = 0;
    while begin.elapsed() < Duration::from_millis(1_500) {
        let report = place.sweep(SystemTime::now() + 30 * DAY).expect("sweeps");
        assert_eq!(report.removed_files, 0, "a file of a living writer was removed");
        sweeps += 1;
    }
    assert!(writer.try_wait().expect("asks").is_none(), "the writer found a file of its own missing");
    writer.kill().expect("kills");
    writer.wait().expect("ends");
    assert!(sweeps > 10 && place.walk().count() > 0);
}

#[test]
fn a_sweep_keeps_other_writers_of_the_same_process() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let (one, other) = (place(temporary.path()), place(temporary.path()));
    let object = written(&one, 1, 4_000).expect("writes");
    assert_eq!(other.sweep(SystemTime::now() + 30 * DAY).expect("sweeps").removed_files, 0);
    assert_eq!(one.sweep(SystemTime::now() + 30 * DAY).expect("sweeps").removed_files, 0);
    assert_eq!(object.finish(&path(1)).expect("finishes"), Outcome::Created);
}

#[test]
fn files_of_other_hosts_and_strangers_are_swept_by_age_alone() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = temporary.path();
    for name in ["0123abcd-1-1-0.lock", "0123abcd-1-1-0.7", "somebody's file"] {
        fs::write(folder.join(name), b"x").expect("writes");
    }
    let space = TempSpace::new(folder);
    assert_eq!(space.sweep(SystemTime::now()).expect("sweeps").removed_files, 0);
    assert_eq!(files(folder).len(), 3);
    let report = space.sweep(SystemTime::now() + 2 * DAY).expect("sweeps");
    assert_eq!((report.removed_files, report.removed_bytes), (2, 2));
    assert_eq!(files(folder), Vec::<PathBuf>::new(), "the lock goes last");
}

#[test]
fn two_processes_writing_the_same_names_leave_each_object_whole() {
    if let Some(root) = std::env::var_os(WRITER) {
        let place = place(Path::new(&root));
        for number in 0..60 {
            let object = written(&place, number, 400_000).expect("writes");
            // Either is right; the parent looks at what is there.
            if object.finish(&path(number)).expect("finishes") == Outcome::Existed {
                std::thread::yield_now();
            }
        }
        return;
    }
    let temporary = tempfile::tempdir().expect("temporary folder");
    let root = temporary.path();
    let name = "two_processes_writing_the_same_names_leave_each_object_whole";
    let writers = [spawn_writer(root, name, 0), spawn_writer(root, name, 0)];
    for mut writer in writers {
        assert!(writer.wait().expect("ends").success());
    }
    let place = place(root);
    for number in 0..60 {
        assert_whole(&place, &path(number), 400_000);
    }
    assert_eq!(files(&root.join("tmp")), Vec::<PathBuf>::new());
}

#[test]
fn a_full_disk_is_named_and_what_was_written_stays_whole() {
    let Some(disk) = SmallDisk::mount("2m") else { return };
    let place = place(disk.root());
    let mut number = 0;
    let error = loop {
        match written(&place, number, 200_000).and_then(|object| object.finish(&path(number))) {
            Ok(outcome) => assert_eq!(outcome, Outcome::Created),
            Err(error) => break error,
        }
        number += 1;
        assert!(number < 100, "the disk never gets full");
    };
    assert!(error.is_full(), "{error}");
    assert!(error.to_string().contains("is full"), "{error}");
    assert!(number > 3);
    assert!(files(&disk.root().join("tmp")).len() <= 1, "what did not fit is gone");
    for good in 0..number {
        assert_whole(&place, &path(good), 200_000);
    }
    assert!(place.free_bytes().expect("asks") < 300_000);

    place.remove_object(&path(0)).expect("removes");
    let object = written(&place, number, 100_000).expect("there is room again");
    assert_eq!(object.finish(&path(number)).expect("finishes"), Outcome::Created);
}

#[test]
fn a_read_only_disk_is_named_and_can_be_read() {
    let Some(disk) = SmallDisk::mount("2m") else { return };
    assert_eq!(
        written(&place(disk.root()), 1, 4_000).and_then(|object| object.finish(&path(1))).expect("writes"),
        Outcome::Created
    );
    assert!(disk.run("mount", &["-o", "remount,ro"]), "remounts");
    let place = FolderPlace::open(&disk.root().join("objects"), &disk.root().join("tmp")).expect("opens");
    assert_whole(&place, &path(1), 4_000);
    assert_eq!(place.walk().count(), 1);
    let error = place.create_object().expect_err("nothing can be written");
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    let error = place.remove_object(&path(1)).expect_err("nothing can be removed");
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    Folder::open(disk.root()).expect("a read-only place can be opened");
}

#[test]
fn a_pulled_drive_is_vanished_and_not_empty() {
    let Some(disk) = SmallDisk::mount("2m") else { return };
    let place = FolderPlace::open(disk.root(), &disk.root().join("tmp")).expect("opens");
    assert_eq!(
        written(&place, 1, 4_000).and_then(|object| object.finish(&path(1))).expect("writes"),
        Outcome::Created
    );
    assert!(disk.run("umount", &["-l"]));
    assert!(!place.is_present());
    let error = place.open_object(&path(2)).expect_err("it is not there to be asked");
    assert!(matches!(error, StoreError::Vanished { .. }), "{error}");
    assert!(error.to_string().contains("is gone"), "{error}");
}
