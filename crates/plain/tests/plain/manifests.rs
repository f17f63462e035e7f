//! Manifests: what lies in the blob of another path, also after a change, a kill and damage.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use safelight_plain::{AdoptRequest, PushRequest, RestoreRequest, VerifyRequest};

use crate::common::{Heard, Server, World, bytes_of, tree};

/// A folder with the same content under two paths.
fn pushed() -> (Server, World) {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.write("a.jpg", b"the same");
    world.write("b.jpg", b"the same");
    push(&world);
    (server, world)
}

fn push(world: &World) {
    let request = PushRequest { dedupe: true, ..world.request() };
    let heard = Heard::default();
    world.copy("one").push(&request, &heard).unwrap();
    assert_eq!(heard.failures(), Vec::<String>::new());
}

/// Every object of the folder, as paths of this machine.
fn objects(server: &Server) -> Vec<PathBuf> {
    let Server::Folder(place) = server else { return Vec::new() };
    tree(place.path()).into_keys().map(|path| place.path().join(path)).collect()
}

fn manifests(server: &Server) -> Vec<PathBuf> {
    objects(server).into_iter().filter(|path| path.to_str().unwrap().contains("/manifests/")).collect()
}

#[test]
fn without_an_index_a_path_has_what_was_sent_under_it_last() {
    for is_manifest_last in [true, false] {
        let server = Server::folder();
        let world = World::new(server.destination());
        world.write("a.jpg", b"the same");
        world.write("b.jpg", if is_manifest_last { b"own" } else { b"the same" });
        push(&world);
        for object in objects(&server) {
            let file = std::fs::File::options().write(true).open(object).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        }
        world.write("b.jpg", if is_manifest_last { b"the same" } else { b"own" });
        push(&world);
        assert_eq!(bytes_of(&world.restore("nobody", true)), bytes_of(&tree(&world.source())));
        world.adopt("two");
        assert_eq!(bytes_of(&world.restore("two", false)), bytes_of(&tree(&world.source())));
    }
}

#[test]
fn a_manifest_that_was_not_written_is_written_by_the_next_run_with_nothing_else_to_do() {
    let (server, world) = pushed();
    assert_eq!(manifests(&server).len(), 1);
    // As a run leaves it that is killed before its manifest.
    std::fs::remove_file(&manifests(&server)[0]).unwrap();
    let index = rusqlite::Connection::open(world.state("one").join(safelight_plain::INDEX_FILE)).unwrap();
    assert_eq!(index.execute("UPDATE files SET manifest = 0 WHERE manifest = 1", []).unwrap(), 1);
    drop(index);
    push(&world);
    assert_eq!(manifests(&server).len(), 1);
    assert_eq!(bytes_of(&world.restore("nobody", true)), bytes_of(&tree(&world.source())));
}

#[test]
fn a_manifest_that_is_damaged_or_too_large_is_named_and_the_others_count() {
    let (server, world) = pushed();
    let first = manifests(&server).remove(0);
    world.write("c.jpg", b"the same");
    push(&world);
    let spoil: [fn(&Path); 2] = [
        |path| std::fs::write(path, b"nonsense").unwrap(),
        |path| std::fs::File::create(path).unwrap().set_len(65 << 20).unwrap(),
    ];
    for spoil in spoil {
        spoil(&first);
        let (heard, target) = (Heard::default(), tempfile::tempdir().unwrap());
        let request = RestoreRequest {
            target: target.path().to_owned(),
            paths: Vec::new(),
            without_index: true,
            dry_run: false,
        };
        let report = world.copy("nobody").restore(&request, &heard).unwrap();
        assert_eq!((report.restored, report.failed), (2, 1), "{:?}", heard.failures());
        assert!(heard.failures()[0].starts_with("manifests/"), "{:?}", heard.failures());
        assert!(target.path().join("c.jpg").exists());
        let heard = Heard::default();
        world.copy("nobody").verify(VerifyRequest::default(), &heard).unwrap();
        assert_eq!(heard.failures().len(), 1);
        let heard = Heard::default();
        let dry = AdoptRequest { dry_run: true, ..AdoptRequest::default() };
        assert_eq!(world.copy("nobody").adopt(&dry, &heard).unwrap().adopted, 2);
        assert_eq!(heard.failures().len(), 1);
    }
}
