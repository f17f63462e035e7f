//! What must not be mixed: sealed and plain, and two sources.

use safelight_plain::{AdoptRequest, Kind, PlainCopy, PushRequest};
use safelight_store::{Body, ConnectOptions, Key, PutOptions, connect};

use crate::common::{Heard, Server, World, destination, tree};

#[test]
fn a_sealed_copy_in_a_file_is_no_place_for_a_plain_one() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(destination(&format!("file:{}/photos.tar", folder.path().display()), None));
    world.write("a.jpg", b"one");
    let opened = [
        PlainCopy::open(world.destination.clone(), world.state("one")),
        PlainCopy::to_read(world.destination.clone(), world.state("one")),
    ];
    for refused in opened {
        assert_eq!(refused.unwrap_err().kind(), Kind::Usage);
    }
    assert!(!world.state("one").exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_place_in_which_a_library_lies_sealed_takes_no_plain_copy() {
    for server in Server::all() {
        for object in ["root/2222222222222222222222222a", "remote/2222222222222222222222222a"] {
            let world = World::new(server.destination());
            world.write("a.jpg", object.as_bytes());
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let sealed = runtime.block_on(async {
                let (address, credential) =
                    (&world.destination.address, world.destination.credential.clone());
                let remote =
                    connect(address, credential, ConnectOptions::default(), "tokenabc").await.unwrap();
                let key = Key::parse(object).unwrap();
                remote.put(&key, Body::from(b"sealed".to_vec()), &PutOptions::default()).await.unwrap();
                (remote, key)
            });
            let pushed = world.copy("one").push(&world.request(), &Heard::default()).unwrap_err();
            assert_eq!(pushed.kind(), Kind::Refused, "{object}: {pushed}");
            assert!(pushed.to_string().contains("sealed"), "{pushed}");
            let adopted = world.copy("one").adopt(&AdoptRequest::default(), &Heard::default()).unwrap_err();
            assert_eq!(adopted.kind(), Kind::Refused, "{adopted}");
            // With the library gone it is a place like any other.
            runtime.block_on(sealed.0.delete(&sealed.1)).unwrap();
            assert_eq!(world.push("one").uploaded, 1);
        }
    }
}

#[test]
fn the_folder_of_a_library_takes_no_plain_copy_nor_does_a_folder_in_it() {
    let library = tempfile::tempdir().unwrap();
    for name in ["root", "log", "keys"] {
        std::fs::create_dir(library.path().join(name)).unwrap();
    }
    for below in ["", "/new/folder"] {
        let address = format!("folder:{}{below}", library.path().display());
        let mut world = World::new(destination(&address, None));
        world.destination.may_create = true;
        world.write("a.jpg", b"one");
        let refused = world.copy("one").push(&world.request(), &Heard::default()).unwrap_err();
        assert_eq!(refused.kind(), Kind::Refused, "{refused}");
        assert!(refused.to_string().contains("folder of a library"), "{refused}");
    }
    assert!(tree(library.path()).is_empty() && !library.path().join("new").exists());
}

#[test]
fn a_second_source_is_only_added_when_that_is_agreed_to() {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.write("IMG_0001.JPG", b"one");
    world.push("one");
    let other = World::new(server.destination());
    other.write("IMG_0001.JPG", b"another one");
    let refused = world.copy("one").push(&other.request(), &Heard::default()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused, "{refused}");
    for folder in [world.source(), other.source()] {
        let folder = folder.canonicalize().unwrap();
        assert!(refused.to_string().contains(folder.to_str().unwrap()), "{refused}");
    }
    assert!(refused.hint().is_some_and(|hint| hint.contains("prefix") && hint.contains("--yes")));
    assert_eq!(world.restore("one", false), tree(&world.source()));
    assert_eq!(world.push("one").skipped, 1);
    let agreed = PushRequest { adds_source: true, ..other.request() };
    assert_eq!(world.copy("one").push(&agreed, &Heard::default()).unwrap().uploaded, 1);
}
