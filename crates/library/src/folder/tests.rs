use std::os::unix::fs::PermissionsExt as _;

use safelight_crypto::{RecoveryWords, SeededEntropy};

use super::*;
use crate::error::ErrorKind;

fn keyring(seed: u64) -> Keyring {
    let mut entropy = SeededEntropy::new(seed);
    Keyring::create(&RecoveryWords::generate(&mut entropy), &mut entropy)
}

fn library(path: &Path) -> (LibraryFolder, Keyring) {
    let keyring = keyring(1);
    let folder = LibraryFolder::create(path, &keyring).expect("creates").finish().expect("finishes");
    (folder, keyring)
}

#[test]
fn a_new_library_opens_and_is_for_its_owner_only() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let path = temporary.path().join("some/where/library");
    let (_, keyring) = library(&path);
    let folder = LibraryFolder::open(&path).expect("opens");
    assert_eq!(folder.library(), keyring.library());
    folder.authenticate(&keyring).expect("is authentic");
    assert!(folder.is_writable());
    let mode = |path: &Path| std::fs::metadata(path).expect("stats").permissions().mode() & 0o777;
    for name in ["", KEYS, OBJECTS, TEMPORARY] {
        assert_eq!(mode(&path.join(name)), 0o700, "{name}");
    }
    assert_eq!(mode(&path.join(DESCRIPTION)), 0o600);
}

#[test]
fn a_folder_with_other_files_or_with_a_library_is_refused_untouched() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    std::fs::write(temporary.path().join("holiday.jpg"), b"x").expect("writes");
    let keyring = keyring(1);
    assert!(matches!(LibraryFolder::create(temporary.path(), &keyring), Err(FolderError::NotEmpty { .. })));
    assert_eq!(std::fs::read_dir(temporary.path()).expect("lists").count(), 1);

    let path = temporary.path().join("library");
    library(&path);
    assert!(matches!(LibraryFolder::create(&path, &keyring), Err(FolderError::AlreadyALibrary { .. })));
}

#[test]
fn an_interrupted_creation_is_no_library_and_may_be_repeated() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let path = temporary.path().join("library");
    let keyring = keyring(1);
    let unfinished = LibraryFolder::create(&path, &keyring).expect("creates");
    std::fs::write(path.join("keys/keyring.sealed"), b"half").expect("writes");
    drop(unfinished);
    assert!(matches!(LibraryFolder::open(&path), Err(FolderError::NotALibrary { .. })));
    library(&path);
    assert!(!path.join("keys/keyring.sealed").exists());
}

#[test]
fn whatever_an_interrupted_creation_left_beside_its_mark_is_cleared_by_the_next() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let path = temporary.path().join("library");
    let first = keyring(2);
    assert_eq!(LibraryFolder::begun(&path), None);
    let unfinished = LibraryFolder::create(&path, &first).expect("creates");
    std::fs::create_dir_all(path.join("objects/local")).expect("creates");
    for name in ["keys/keyring.sealed", "objects/local/pack", CATALOG, "catalog.db-wal", DEVICE] {
        std::fs::write(path.join(name), b"half").expect("writes");
    }
    let busy = LibraryFolder::create(&path, &keyring(1)).expect_err("its maker lives");
    assert!(matches!(busy, FolderError::BeingMade { .. }));
    drop(unfinished);
    assert_eq!(LibraryFolder::begun(&path), Some(first.library()));

    std::fs::write(path.join("holiday.jpg"), b"x").expect("writes");
    let refused = LibraryFolder::create(&path, &keyring(1)).expect_err("a stranger's file is there");
    assert!(matches!(refused, FolderError::NotEmpty { .. }));
    assert!(path.join(CATALOG).exists());
    std::fs::remove_file(path.join("holiday.jpg")).expect("removes");

    library(&path);
    assert_eq!(LibraryFolder::begun(&path), None);
    assert_eq!(LibraryFolder::open(&path).expect("opens").library(), keyring(1).library());
    assert!(!path.join(CATALOG).exists() && !path.join("objects/local/pack").exists());
    let strange = LibraryFolder::open(&path).expect("opens").survey().expect("surveys");
    assert!(strange.iter().all(|entry| entry.is_known), "{strange:?}");
}

#[test]
fn what_was_begun_can_be_taken_back() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    LibraryFolder::create(temporary.path(), &keyring(1)).expect("creates").abandon().expect("takes back");
    assert_eq!(std::fs::read_dir(temporary.path()).expect("lists").count(), 0);
}

#[test]
fn a_folder_that_lost_its_description_but_has_objects_is_never_cleared() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let path = temporary.path().join("library");
    let (_, keyring) = library(&path);
    std::fs::create_dir_all(path.join("objects/o/ab")).expect("creates");
    std::fs::write(path.join("objects/o/ab/abc"), b"sealed").expect("writes");
    std::fs::write(path.join("keys/keyring.sealed"), b"precious").expect("writes");
    std::fs::remove_file(path.join(DESCRIPTION)).expect("removes");
    let error = LibraryFolder::create(&path, &keyring).expect_err("must refuse");
    assert!(matches!(error, FolderError::NotEmpty { .. }));
    assert!(path.join("keys/keyring.sealed").exists());

    std::fs::remove_file(path.join("objects/o/ab/abc")).expect("removes");
    std::fs::write(path.join(CATALOG), b"history").expect("writes");
    assert!(matches!(LibraryFolder::create(&path, &keyring), Err(FolderError::NotEmpty { .. })));
}

#[test]
fn a_path_without_a_library_says_so_and_how_to_make_one() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    for path in [temporary.path().to_owned(), temporary.path().join("missing")] {
        let error = LibraryFolder::open(&path).expect_err("nothing there");
        assert!(matches!(error, FolderError::NotALibrary { .. }));
        assert!(error.hint().is_some_and(|hint| hint.contains("safelight init")));
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

#[test]
fn every_flipped_bit_of_the_description_is_found_once_unlocked() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let path = temporary.path().join("library");
    let (_, keyring) = library(&path);
    let file = path.join(DESCRIPTION);
    let good = std::fs::read(&file).expect("reads");
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&file, bytes).expect("writes");
        let found = LibraryFolder::open(&path).and_then(|folder| folder.authenticate(&keyring));
        assert!(found.is_err(), "bit {bit} went unnoticed");
    }
}

#[test]
fn opening_writes_nothing_and_a_read_only_folder_is_known_as_such() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let path = temporary.path().join("library");
    library(&path);
    std::fs::remove_dir_all(path.join(TEMPORARY)).expect("removes");
    LibraryFolder::open(&path).expect("opens").sweep(SystemTime::now()).expect("sweeps nothing");
    assert!(!path.join(TEMPORARY).exists(), "opening and sweeping make nothing");

    if rustix::process::geteuid().is_root() {
        println!("skipped the half with permissions: root may write everywhere");
        return;
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o500)).expect("sets");
    let folder = LibraryFolder::open(&path).expect("opens");
    assert!(!folder.is_writable());
    assert!(matches!(folder.require_writable(), Err(FolderError::ReadOnly { .. })));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("sets");
}

#[test]
fn the_survey_names_strangers_but_not_what_the_layout_knows() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let path = temporary.path().join("library");
    let (folder, _) = library(&path);
    for name in ["catalog.db", "catalog.db-wal", "device.db", "keys/keyring.sealed", "keys/attempts"] {
        std::fs::write(path.join(name), b"x").expect("writes");
    }
    std::os::unix::fs::symlink("/etc/passwd", path.join("device.db-shm")).expect("links");
    for name in ["notes.txt", "keys/copy of keyring.sealed", "catalog.db.bak"] {
        std::fs::write(path.join(name), b"x").expect("writes");
    }
    let survey = folder.survey().expect("surveys");
    let strange: Vec<_> =
        survey.iter().filter(|entry| !entry.is_known).map(|entry| entry.relative.to_string_lossy()).collect();
    assert_eq!(strange, ["catalog.db.bak", "device.db-shm", "keys/copy of keyring.sealed", "notes.txt"]);
    assert!(survey.iter().any(|entry| entry.is_known && entry.relative == Path::new(DESCRIPTION)));
}

#[test]
fn a_log_that_was_kept_without_its_database_is_let_go_with_the_others() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let path = temporary.path().join("library");
    let (folder, _) = library(&path);
    for name in ["catalog.db.before", "catalog.db.before-wal", "catalog.db.before.2-wal"] {
        std::fs::write(path.join(name), b"x").expect("writes");
    }
    let kept = folder.replaced_databases();
    assert_eq!(kept, [path.join("catalog.db.before"), path.join("catalog.db.before.2-wal")]);
    folder.remove_replaced_databases().expect("removes");
    assert!(folder.replaced_databases().is_empty());
    assert!(!path.join("catalog.db.before-wal").exists());
}
