//! The index: an ordinary file for any tool, and one that nobody is harmed by.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rusqlite::Connection;
use safelight_plain::{INDEX_FILE, Kind, PlainError};

use crate::common::{Heard, Server, World, tree};

fn pushed() -> (Server, World) {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.fill();
    world.push("one");
    (server, world)
}

#[test]
fn the_index_is_an_ordinary_file_that_holds_paths_as_bytes_and_no_secret() {
    let (_server, world) = pushed();
    let path = world.state("one").join(INDEX_FILE);
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.starts_with(b"SQLite format 3\0"));
    let connection = Connection::open(&path).unwrap();
    let mut rows = connection.prepare("SELECT path FROM files ORDER BY path").unwrap();
    let paths: Vec<Vec<u8>> =
        rows.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let there: Vec<Vec<u8>> =
        tree(&world.source()).into_keys().map(|path| path.as_os_str().as_bytes().to_vec()).collect();
    assert_eq!(paths.len(), there.len());
    assert!(there.iter().all(|path| paths.contains(path)));
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&world.state("one")), mode(&path)), (0o700, 0o600));
}

fn refused(world: &World) -> PlainError {
    let refused = world.copy("one").push(&world.request(), &Heard::default()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Damaged, "{refused}");
    let said = refused.to_string();
    assert!(said.contains(INDEX_FILE), "the file is named: {said}");
    assert!(refused.hint().is_some_and(|hint| hint.contains("move it away")), "{said}");
    refused
}

#[test]
fn what_is_no_index_is_named_with_what_to_do_and_left_as_it_is() {
    let (_server, world) = pushed();
    let path = world.state("one").join(INDEX_FILE);
    std::fs::write(&path, vec![b'x'; 9000]).unwrap();
    refused(&world);
    assert_eq!(std::fs::read(&path).unwrap(), vec![b'x'; 9000]);
    std::fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE uploads (path TEXT, sha256 TEXT)").unwrap();
    assert!(matches!(refused(&world), PlainError::ForeignIndex { .. }));
    // And the next step that is named works.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(world.push("one").uploaded, 0);
}

#[test]
fn an_index_with_more_than_belongs_into_it_is_refused() {
    for more in [
        "CREATE TRIGGER t AFTER INSERT ON files BEGIN DELETE FROM files; END",
        "CREATE VIEW v AS SELECT * FROM files",
        "ALTER TABLE files ADD COLUMN more TEXT",
        "PRAGMA user_version = 99",
    ] {
        let (_server, world) = pushed();
        Connection::open(world.state("one").join(INDEX_FILE)).unwrap().execute_batch(more).unwrap();
        refused(&world);
    }
}

#[test]
fn a_row_that_leads_elsewhere_is_damage() {
    let hash = "4f7f6a4ae46676a9751fdccdd15ae1e6a8ed9d0d6ca4e7ea9d3e9c9ad50a1d6c";
    for change in [
        "UPDATE files SET path = CAST('../../etc/x' AS BLOB) WHERE path = CAST('empty.jpg' AS BLOB)",
        "UPDATE files SET blob = 'elsewhere' WHERE path = CAST('empty.jpg' AS BLOB)",
        &format!("UPDATE files SET sha256 = '{hash}' WHERE path = CAST('empty.jpg' AS BLOB)"),
        "UPDATE files SET size = 'large' WHERE path = CAST('empty.jpg' AS BLOB)",
        "UPDATE files SET size = -1 WHERE path = CAST('empty.jpg' AS BLOB)",
    ] {
        let (_server, world) = pushed();
        Connection::open(world.state("one").join(INDEX_FILE)).unwrap().execute_batch(change).unwrap();
        let refused = world.copy("one").entries().unwrap_err();
        assert_eq!(refused.kind(), Kind::Damaged, "{change}: {refused}");
    }
}

#[test]
fn an_index_whose_pages_are_damaged_is_named() {
    let (_server, world) = pushed();
    let path = world.state("one").join(INDEX_FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    let from = 4096.min(bytes.len());
    bytes[from..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    refused(&world);
}
