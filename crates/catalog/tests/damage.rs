//! Wrong keys, newer schemas, flipped bits: what each database says about them.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use safelight_catalog::{
    Access, CatalogError, CatalogKey, CheckDepth, DeviceDb, FileRecord, FileStamp, FileState, NewSource,
};

fn key() -> CatalogKey {
    CatalogKey::from_bytes([7; 32])
}

/// A database with content, and with a good many pages on its free list.
fn used_database(folder: &Path) -> PathBuf {
    let path = folder.join("device.db");
    let mut database = DeviceDb::create(&path, &key()).unwrap();
    for (name, keep) in [(b"/one".as_slice(), false), (b"/two", true)] {
        let new =
            NewSource { path: name, watched: true, link: false, remove_after_proof: false, now_millis: 0 };
        let source = database.add_source(&new).unwrap().id;
        let stamp = FileStamp { size_bytes: 5, modified_nanos: 1, changed_nanos: 1, inode: 1, device: 1 };
        let files: Vec<_> = (0..2_000)
            .map(|number| FileRecord {
                path: format!("secret-folder/IMG_{number:05}.jpg").into_bytes(),
                stamp,
                state: FileState::Imported,
                sampled: None,
                content: None,
            })
            .collect();
        database.record_files(source, &files).unwrap();
        if !keep {
            database.remove_source(source).unwrap();
        }
    }
    database.close().unwrap();
    path
}

#[test]
fn an_undamaged_database_has_no_findings() {
    let folder = tempfile::tempdir().unwrap();
    let path = used_database(folder.path());
    for access in [Access::ReadWrite, Access::ReadOnly] {
        let database = DeviceDb::open_as(&path, &key(), access).unwrap();
        assert_eq!(database.check(&key(), CheckDepth::Structure).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn another_key_is_told_from_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = used_database(folder.path());
    let other = CatalogKey::from_bytes([8; 32]);
    assert!(matches!(DeviceDb::open(&path, &other), Err(CatalogError::WrongKey { .. })));
    let missing = folder.path().join("missing.db");
    assert!(matches!(DeviceDb::open(&missing, &key()), Err(CatalogError::Missing { .. })));
    assert!(!missing.exists());

    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = DeviceDb::open(&path, &key()).unwrap_err();
    assert!(matches!(error, CatalogError::Damaged { .. }), "{error}");
    assert!(error.is_cured_by_rebuild());
    fs::write(&path, b"short").unwrap();
    assert!(matches!(DeviceDb::open(&path, &key()), Err(CatalogError::Damaged { .. })));
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = used_database(folder.path());
    let good = fs::read(&path).unwrap();
    // Fixed places of interest, and a stride that is odd in pages and in bytes.
    let stride = good.len() / 400 + 1;
    let places = [0, 7, 15, 16, 17, 4015, 4016, 4031, 4032, 4095, 4096, good.len() - 1]
        .into_iter()
        .chain((0..400).map(|step| step * stride).filter(|at| *at < good.len()));
    for at in places {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, &bad).unwrap();
        let found = match DeviceDb::open_as(&path, &key(), Access::ReadOnly) {
            Ok(database) => !database.check(&key(), CheckDepth::Pages).unwrap().is_empty(),
            Err(error) => error.is_cured_by_rebuild(),
        };
        assert!(found, "the flipped bit at byte {at} of {} was not found", good.len());
    }
}

#[test]
fn a_file_that_is_cut_off_or_goes_on_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = used_database(folder.path());
    let good = fs::read(&path).unwrap();
    let pages = good.len() / 4096;
    let mut longer = good.clone();
    longer.extend_from_slice(&[0; 100]);
    let mut zeroed = good.clone();
    zeroed[(pages / 2) * 4096..(pages / 2 + 1) * 4096].fill(0);
    for bad in [&good[..4096 * (pages - 3)], &good[..good.len() - 100], &longer, &zeroed] {
        fs::write(&path, bad).unwrap();
        let found = match DeviceDb::open_as(&path, &key(), Access::ReadOnly) {
            Ok(database) => !database.check(&key(), CheckDepth::Structure).unwrap().is_empty(),
            Err(error) => error.is_cured_by_rebuild(),
        };
        assert!(found, "a file of {} instead of {} bytes was not found", bad.len(), good.len());
    }
}

#[test]
fn nothing_stands_in_plaintext_while_the_database_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = used_database(folder.path());
    let mut database = DeviceDb::open(&path, &key()).unwrap();
    database.set_setting("secret-folder", Some(b"secret-folder")).unwrap();
    for entry in folder.path().read_dir().unwrap() {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        assert!(!bytes.is_empty());
        for planted in [b"secret-folder".as_slice(), b"SQLite format 3", b"CREATE TABLE"] {
            let found = bytes.windows(planted.len()).any(|window| window == planted);
            assert!(!found, "{:?} in {:?}", String::from_utf8_lossy(planted), entry.path());
        }
    }
}

#[cfg(unix)]
#[test]
fn a_database_opens_read_only_where_nothing_may_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = used_database(folder.path());
    let odd = folder.path().join("with space?#%.db");
    fs::rename(&path, &odd).unwrap();
    let database = DeviceDb::open_as(&odd, &key(), Access::ReadOnly).unwrap();
    assert_eq!(database.sources().unwrap().len(), 1);
    drop(database);
    let mut database = DeviceDb::open_as(&odd, &key(), Access::ReadOnly).unwrap();
    assert!(matches!(database.set_setting("a", Some(b"b")), Err(CatalogError::ReadOnly { .. })));
}
