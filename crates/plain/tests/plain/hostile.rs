//! Names and files that were made to do harm.

use safelight_plain::{Kind, PlainCopy, PushRequest, RestoreRequest};
use safelight_servers::Moto;

use crate::common::{Heard, Server, World, destination, tree};

/// The hash of `evil`.
const EVIL: &str = "b5c1fb2efc6d6b4674c2fdcc48ce01b43a3b7c03763c0c3355de0099ee0f8c73";

#[test]
fn names_that_lead_out_of_the_folder_are_left_out_and_named() {
    let Some(moto) = Moto::start() else { return };
    let world = World::new(destination(&moto.bucket("photos"), Some(moto.credential())));
    world.write("good.jpg", b"good");
    world.push("one");
    let signed = (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x",
    );
    for path in ["..%2F..%2Fevil.jpg", "%2Fevil.jpg", "a%2F..%2F..%2Fevil.jpg", "%252E%252E%2Fevil.jpg"] {
        let name = format!("/photos/below/here/{}/{EVIL}/{path}", &EVIL[..2]);
        let (status, _) = safelight_servers::http(moto.port(), "PUT", &name, &[signed], b"evil");
        assert_eq!(status, 200, "{path}");
    }
    let heard = Heard::default();
    let target = world.state("a/b/c");
    let request =
        RestoreRequest { target: target.clone(), paths: Vec::new(), without_index: true, dry_run: false };
    let report = world.copy("one").restore(&request, &heard).unwrap();
    assert_eq!((report.restored, report.failed), (1, 4), "{:?}", heard.failures());
    assert!(heard.failures().iter().all(|told| told.contains("would lead out of the folder")));
    let files: Vec<_> =
        tree(world.folder.path()).into_keys().filter(|path| path.ends_with("evil.jpg")).collect();
    assert_eq!(files, Vec::<std::path::PathBuf>::new());
    assert!(target.join("good.jpg").exists());
}

#[test]
fn links_and_loops_in_a_source_are_not_followed() {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.write("a/b.jpg", b"in");
    std::fs::write(world.folder.path().join("outside.jpg"), b"out").unwrap();
    std::os::unix::fs::symlink("../outside.jpg", world.source().join("link.jpg")).unwrap();
    std::os::unix::fs::symlink(".", world.source().join("a/loop")).unwrap();
    std::os::unix::fs::symlink("../..", world.source().join("a/up")).unwrap();
    let report = world.push("one");
    assert_eq!((report.scanned, report.uploaded), (1, 1));
}

#[test]
fn a_source_that_was_emptied_is_refused_and_nothing_is_forgotten() {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.fill();
    world.push("one");
    let known = world.copy("one").known_files().unwrap();
    std::fs::rename(world.source(), world.state("elsewhere")).unwrap();
    std::fs::create_dir(world.source()).unwrap();
    let refused = world.copy("one").push(&world.request(), &Heard::default()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused);
    assert!(refused.to_string().contains(&format!("{known} files were sent")), "{refused}");
    assert_eq!(world.copy("one").known_files().unwrap(), known);
    std::fs::remove_dir(world.source()).unwrap();
    let gone = world.copy("one").push(&world.request(), &Heard::default()).unwrap_err();
    assert_eq!(gone.kind(), Kind::Usage, "{gone}");
}

#[test]
fn a_copy_is_not_sent_into_itself() {
    let world = World::new(Server::folder().destination());
    world.fill();
    let inside = world.source().join("copy");
    std::fs::create_dir(&inside).unwrap();
    let into_itself = destination(&format!("folder:{}", inside.display()), None);
    let copy = PlainCopy::open(into_itself, world.state("one")).unwrap();
    assert_eq!(copy.push(&world.request(), &Heard::default()).unwrap_err().kind(), Kind::Refused);
    let server = Server::folder();
    let copy = PlainCopy::open(server.destination(), world.source().join("state")).unwrap();
    assert_eq!(copy.push(&world.request(), &Heard::default()).unwrap_err().kind(), Kind::Refused);
    assert_eq!(std::fs::read_dir(&inside).unwrap().count(), 0);
    let mut made = destination(&format!("folder:{}/new/place", world.source().display()), None);
    made.may_create = true;
    let copy = PlainCopy::open(made, world.state("two")).unwrap();
    assert_eq!(copy.push(&world.request(), &Heard::default()).unwrap_err().kind(), Kind::Refused);
    assert!(!world.source().join("new").exists());
}

#[test]
fn two_runs_at_once_do_not_share_a_state_folder() {
    let server = Server::folder();
    let world = World::new(server.destination());
    let _first = world.copy("one");
    let second = PlainCopy::open(world.destination.clone(), world.state("one")).unwrap_err();
    assert_eq!(second.kind(), Kind::Refused);
    assert!(second.hint().is_some_and(|hint| hint.contains("--state-dir")), "{second}");
}

#[test]
fn a_blob_of_another_length_is_neither_believed_nor_written_over() {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.write("a.jpg", b"whole");
    world.push("one");
    let Server::Folder(place) = &server else { return };
    let blob = place.path().join(&world.copy("one").entries().unwrap()[0].blob);
    std::fs::write(&blob, b"torn").unwrap();
    let heard = Heard::default();
    let report = world.copy("two").push(&world.request(), &heard).unwrap();
    assert_eq!((report.uploaded, report.failed), (0, 1));
    assert!(heard.failures()[0].contains("not written over"), "{:?}", heard.failures());
    assert_eq!(std::fs::read(&blob).unwrap(), b"torn");
}

#[test]
fn a_blob_that_nobody_proved_is_read_back_before_it_is_believed() {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.write("a.jpg", b"whole");
    world.push("one");
    let Server::Folder(place) = &server else { return };
    let blob = place.path().join(&world.copy("one").entries().unwrap()[0].blob);
    // As a run leaves it that is killed between sending and reading back, of the same length.
    std::fs::write(&blob, b"wrong").unwrap();
    let heard = Heard::default();
    let report = world.copy("two").push(&world.request(), &heard).unwrap();
    assert_eq!((report.uploaded, report.existing, report.failed), (0, 0, 1));
    assert!(heard.failures()[0].contains("other bytes"), "{:?}", heard.failures());
    assert_eq!(world.copy("two").known_files().unwrap(), 0);
    std::fs::write(&blob, b"whole").unwrap();
    assert_eq!(world.push("two").existing, 1);
}

#[test]
fn a_place_that_is_not_there_is_said_at_once_and_made_only_when_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("new/place");
    let world = World::new(destination(&format!("folder:{}", missing.display()), None));
    world.fill();
    let refused = world.copy("one").push(&world.request(), &Heard::default()).unwrap_err();
    assert_eq!(refused.kind(), Kind::NotFound, "{refused}");
    let mut allowed = World::new(world.destination.clone());
    allowed.destination.may_create = true;
    allowed.fill();
    assert!(allowed.push("one").uploaded > 0);
    if let Some(azurite) = safelight_servers::Azurite::start() {
        let address = azurite.address().replace("/photos/", "/another/");
        let world = World::new(destination(&address, Some(&azurite.account_key())));
        world.fill();
        let refused = world.copy("one").push(&world.request(), &Heard::default()).unwrap_err();
        assert_eq!(refused.kind(), Kind::Refused, "{refused}");
        assert!(refused.hint().is_some_and(|hint| hint.contains("create the container")), "{refused}");
        let account_sas = azurite.account_sas_url().split_once('?').unwrap().1.to_owned();
        let mut allowed = World::new(destination(&address, Some(&account_sas)));
        allowed.destination.may_create = true;
        allowed.fill();
        assert!(allowed.push("one").uploaded > 0);
        assert_eq!(allowed.push("two").uploaded, 0, "a container that is there stays as it is");
    }
}

#[test]
fn who_may_only_create_and_read_can_send() {
    let Some(azurite) = safelight_servers::Azurite::start() else { return };
    let world = World::new(destination(&azurite.address(), Some(&azurite.create_only_sas())));
    world.fill();
    world.write("large.mov", &vec![7; 9 << 20]);
    let report = world.push("one");
    assert_eq!(report.uploaded, report.scanned);
    assert_eq!(world.push("two").existing, report.scanned);
    let read_only = World::new(destination(&azurite.address(), Some(&azurite.read_only_sas())));
    read_only.write("new.jpg", b"new");
    let refused = read_only.copy("one").push(&read_only.request(), &Heard::default()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Denied, "{refused}");
    assert!(refused.hint().is_some_and(|hint| hint.contains("Storage Blob Data Contributor")), "{refused}");
}

#[test]
fn who_may_not_read_is_told_so_at_once_by_a_verification() {
    let Some(azurite) = safelight_servers::Azurite::start() else { return };
    let world = World::new(destination(&azurite.address(), Some(&azurite.sas())));
    world.fill();
    world.push("one");
    let blind = World::new(destination(&azurite.address(), Some(&azurite.blind_sas())));
    let heard = Heard::default();
    let refused = blind.copy("one").verify(safelight_plain::VerifyRequest::default(), &heard).unwrap_err();
    assert_eq!(refused.kind(), Kind::Denied, "{refused}");
    assert_eq!(heard.failures(), Vec::<String>::new());
}

#[test]
fn a_place_that_stops_answering_ends_a_run_before_every_file_has_waited_for_it() {
    let Some(azurite) = safelight_servers::Azurite::start() else { return };
    let mut world = World::new(destination(&azurite.address(), Some(&azurite.sas())));
    world.destination.workers = 32;
    for number in 0..60 {
        world.write(format!("{number}.jpg"), format!("content {number}").as_bytes());
    }
    world.push("one");
    drop(azurite);
    world.write("new.jpg", b"new");
    let mut ends = vec![world.copy("one").push(&world.request(), &Heard::default()).unwrap_err()];
    let request = RestoreRequest {
        target: world.state("out"),
        paths: Vec::new(),
        without_index: false,
        dry_run: false,
    };
    ends.push(world.copy("one").restore(&request, &Heard::default()).unwrap_err());
    for end in ends {
        assert_eq!(end.kind(), Kind::Network, "{end}");
    }
}

#[test]
fn only_media_are_sent_where_that_is_asked_for() {
    let server = Server::folder();
    let world = World::new(server.destination());
    for name in ["a.JPG", "b.heic", "c.mkv", "notes.txt", "raw.nef", "jpg"] {
        world.write(name, name.as_bytes());
    }
    let request = PushRequest { only_media: true, ..world.request() };
    let report = world.copy("one").push(&request, &Heard::default()).unwrap();
    assert_eq!((report.scanned, report.uploaded, report.other_files), (3, 3, 3));
}
