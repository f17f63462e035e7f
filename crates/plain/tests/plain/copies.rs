//! What was sent is there, once, whole, and comes back.

use std::path::{Path, PathBuf};

use safelight_plain::{
    AdoptRequest, Kind, PlainCopy, PlainError, PushRequest, RestoreRequest, Tier, TierRequest, VerifyRequest,
};

use crate::common::{COOL, Heard, Server, World, bytes_of, tree};

#[test]
fn what_is_sent_is_whole_comes_back_bit_for_bit_and_is_sent_once() {
    for server in Server::all() {
        let world = World::new(server.destination());
        world.fill();
        let count = tree(&world.source()).len() as u64;
        let first = world.push("one");
        assert_eq!((first.scanned, first.uploaded, first.skipped, first.failed), (count, count, 0, 0));
        assert_eq!(first.summary(), format!("scan={count} uploaded={count} skipped=0 failed=0"));
        let second = world.push("one");
        assert_eq!((second.uploaded, second.skipped, second.existing), (0, count, 0));
        let verified = world.verify("one");
        assert_eq!((verified.blobs, verified.whole, verified.damaged), (count, count, 0));
        assert_eq!(world.restore("one", false), tree(&world.source()));
        // Another machine finds all of it there, and writes over nothing.
        let other = world.push("two");
        assert_eq!((other.uploaded, other.existing), (0, count));
    }
}

#[test]
fn a_copy_comes_back_without_an_index_with_its_times_where_the_place_keeps_them() {
    for server in Server::all() {
        let world = World::new(server.destination());
        world.fill();
        if matches!(server, Server::Folder(_)) {
            // A folder keeps nothing beside a file, so what its name cannot say is lost there.
            std::fs::remove_file(world.source().join("n".repeat(255))).unwrap();
        }
        world.push("one");
        let restored = world.restore("nobody", true);
        if matches!(server, Server::Folder(_)) {
            assert_eq!(bytes_of(&restored), bytes_of(&tree(&world.source())));
        } else {
            assert_eq!(restored, tree(&world.source()));
        }
    }
}

#[test]
fn what_changed_is_sent_again_and_what_only_looks_changed_is_not() {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.fill();
    world.push("one");
    world.write("2024/05/a.jpg", b"other");
    let touched = std::fs::File::options().write(true).open(world.source().join("dot./x")).unwrap();
    touched.set_modified(std::time::SystemTime::now()).unwrap();
    let report = world.push("one");
    assert_eq!((report.uploaded, report.failed), (1, 0));
    assert_eq!(world.restore("one", false), tree(&world.source()));
    assert_eq!(world.push("one").uploaded, 0);
}

#[test]
fn a_push_that_is_stopped_goes_on_where_it_was() {
    let server = Server::folder();
    let world = World::new(server.destination());
    for number in 0..40 {
        world.write(format!("{number}.jpg"), format!("content {number}").as_bytes());
    }
    let heard = Heard { stop_after: Some(5), ..Heard::default() };
    let stopped = world.copy("one").push(&world.request(), &heard).unwrap();
    assert!(stopped.is_interrupted && stopped.uploaded >= 5 && stopped.uploaded < 40, "{stopped:?}");
    let rest = world.push("one");
    assert_eq!((rest.uploaded, rest.existing), (40 - stopped.uploaded, 0));
}

#[test]
fn a_dry_run_changes_nothing_anywhere() {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.fill();
    let request = PushRequest { dry_run: true, names_blobs: true, ..world.request() };
    let copy = PlainCopy::to_read(world.destination.clone(), world.state("one")).unwrap();
    let report = copy.push(&request, &Heard::default()).unwrap();
    assert_eq!(report.uploaded, tree(&world.source()).len() as u64);
    assert!(!world.state("one").exists());
    let Server::Folder(place) = &server else { return };
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn each_content_goes_once_with_dedupe_and_all_its_paths_come_back() {
    for server in Server::all() {
        let world = World::new(server.destination());
        for path in ["a.jpg", "b/a.jpg", "c.jpg", "d\n.jpg"] {
            world.write(path, b"the same");
        }
        world.write("e.jpg", b"another");
        let request = PushRequest { dedupe: true, ..world.request() };
        let report = world.copy("one").push(&request, &Heard::default()).unwrap();
        assert_eq!((report.uploaded, report.duplicates, report.failed), (2, 3, 0));
        assert_eq!(world.verify("one").blobs, 2);
        let again = world.copy("one").push(&request, &Heard::default()).unwrap();
        assert_eq!((again.uploaded, again.skipped), (0, 5));
        assert_eq!(world.restore("one", false), tree(&world.source()));
        let without = world.restore("nobody", true);
        assert_eq!(bytes_of(&without), bytes_of(&tree(&world.source())));
    }
}

#[test]
fn a_copy_that_is_adopted_is_not_sent_again() {
    for server in Server::all() {
        let world = World::new(server.destination());
        world.fill();
        if matches!(server, Server::Folder(_)) {
            std::fs::remove_file(world.source().join("n".repeat(255))).unwrap();
        }
        world.push("one");
        let count = tree(&world.source()).len() as u64;
        let dry = AdoptRequest { dry_run: true, ..AdoptRequest::default() };
        let copy = PlainCopy::to_read(world.destination.clone(), world.state("two")).unwrap();
        assert_eq!(copy.adopt(&dry, &Heard::default()).unwrap().adopted, count);
        assert!(!world.state("two").exists());
        world.adopt("two");
        let pushed = world.push("two");
        assert_eq!((pushed.uploaded, pushed.existing, pushed.skipped), (0, 0, count));
        // The index of this program is one of another tool, too.
        let index = AdoptRequest { index: Some(world.state("one").join("index.db")), dry_run: false };
        let adopted = world.copy("three").adopt(&index, &Heard::default()).unwrap();
        assert_eq!((adopted.adopted, adopted.with_times), (count, count));
        assert_eq!(world.restore("three", false), tree(&world.source()));
    }
}

#[test]
fn tiers_are_those_that_were_asked_for_and_what_is_archived_is_named() {
    for server in Server::all().into_iter().filter(|server| !matches!(server, Server::Folder(_))) {
        let world = World::new(server.destination());
        world.write("a/a.jpg", b"one");
        world.write("b.jpg", b"two");
        world.push("one");
        let tiers =
            || world.copy("one").entries().unwrap().iter().map(|entry| entry.tier).collect::<Vec<_>>();
        assert_eq!(tiers(), [COOL, COOL]);
        let mut request =
            TierRequest { tier: Tier::Archive, paths: vec!["a".into()], dry_run: false, may_archive: false };
        let refused = world.copy("one").change_tiers(&request, &Heard::default()).unwrap_err();
        assert_eq!(refused.kind(), Kind::Refused);
        request.may_archive = true;
        let moved = world.copy("one").change_tiers(&request, &Heard::default()).unwrap();
        assert_eq!((moved.moved, moved.failed), (1, 0));
        assert_eq!(tiers(), [Some(Tier::Archive), COOL]);
        // What somebody else moved is found where it is, not where it was left.
        let hot = TierRequest { tier: Tier::Hot, paths: vec!["b.jpg".into()], ..request.clone() };
        assert_eq!(world.copy("one").change_tiers(&hot, &Heard::default()).unwrap().moved, 1);
        world.adopt("other");
        let cool = TierRequest { tier: Tier::Cool, ..hot.clone() };
        assert_eq!(world.copy("other").change_tiers(&cool, &Heard::default()).unwrap().moved, 1);
        let again = world.copy("one").change_tiers(&hot, &Heard::default()).unwrap();
        assert_eq!((again.moved, again.there), (1, 0));
        assert_eq!(world.copy("one").change_tiers(&hot, &Heard::default()).unwrap().there, 1);
        assert_eq!(world.copy("one").change_tiers(&cool, &Heard::default()).unwrap().moved, 1);
        let verified = world.verify("one");
        assert_eq!((verified.whole, verified.archived, verified.damaged), (1, 1, 0));
        let heard = Heard::default();
        let target = world.state("out");
        let restore = RestoreRequest { target, paths: Vec::new(), without_index: false, dry_run: false };
        let report = world.copy("one").restore(&restore, &heard).unwrap();
        assert_eq!((report.restored, report.failed, report.archived), (1, 1, 1));
        assert!(heard.failures()[0].contains("archived"), "{:?}", heard.failures());
        // Another machine is told so, too, and does not try to write it.
        let other = world.push("two");
        assert_eq!((other.uploaded, other.existing), (0, 2));
    }
}

#[test]
fn a_path_whose_name_was_cut_is_found_without_an_index() {
    for server in Server::all().into_iter().filter(|server| !matches!(server, Server::Folder(_))) {
        let world = World::new(server.destination());
        let long =
            PathBuf::from(format!("2024/{}", "ä".repeat(120))).join("x".repeat(255)).join("y".repeat(255));
        let long = long.join("z".repeat(255)).join("a.jpg");
        world.write(&long, b"deep");
        world.write("2025/b.jpg", b"another");
        world.push("one");
        let (target, heard) = (world.state("out"), Heard::default());
        let mut request = RestoreRequest {
            target: target.clone(),
            paths: vec![long.parent().unwrap().to_owned()],
            without_index: true,
            dry_run: false,
        };
        let report = world.copy("nobody").restore(&request, &heard).unwrap();
        assert_eq!((report.restored, report.failed), (1, 0), "{:?}", heard.failures());
        assert_eq!(std::fs::read(target.join(&long)).unwrap(), b"deep");
        request.paths = vec!["2026".into()];
        let refused = world.copy("nobody").restore(&request, &heard).unwrap_err();
        assert_eq!(refused.kind(), Kind::NotFound, "{refused}");
    }
}

#[test]
fn the_beginning_of_1970_is_a_time_and_an_unknown_time_matches_no_file() {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.write("a.jpg", b"old");
    let file = std::fs::File::options().write(true).open(world.source().join("a.jpg")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    world.push("one");
    assert_eq!(world.restore("one", false), tree(&world.source()));
    // A folder does not tell the times of files, so whoever adopts it must look into each.
    world.adopt("two");
    world.write("a.jpg", b"new");
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(world.push("two").uploaded, 1);
}

#[test]
fn whoever_stops_while_a_place_is_listed_is_told_so_and_no_loss() {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.fill();
    world.push("one");
    let stopped = || {
        let heard = Heard::default();
        heard.stopped.store(true, std::sync::atomic::Ordering::Relaxed);
        heard
    };
    let heard = stopped();
    let verified = world.copy("one").verify(VerifyRequest::default(), &heard).unwrap_err();
    assert!(matches!(verified, PlainError::Interrupted), "{verified}");
    assert_eq!(heard.failures(), Vec::<String>::new());
    let adopted = world.copy("two").adopt(&AdoptRequest::default(), &stopped()).unwrap_err();
    assert!(matches!(adopted, PlainError::Interrupted), "{adopted}");
    assert_eq!(world.copy("two").known_files().unwrap(), 0);
}

#[test]
fn a_tier_that_a_place_has_not_is_refused() {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.fill();
    let request = PushRequest { tier: Some(Tier::Cold), ..world.request() };
    let refused = world.copy("one").push(&request, &Heard::default()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused, "{refused}");
}

#[test]
fn a_restore_never_writes_over_what_differs_and_leaves_alone_what_is_the_same() {
    let server = Server::folder();
    let world = World::new(server.destination());
    world.write("a.jpg", b"one");
    world.write("b.jpg", b"two");
    world.write("c/d.jpg", b"three");
    world.push("one");
    let target = world.state("out");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("a.jpg"), b"mine").unwrap();
    std::fs::write(target.join("b.jpg"), b"two").unwrap();
    let request =
        RestoreRequest { target: target.clone(), paths: Vec::new(), without_index: false, dry_run: false };
    let heard = Heard::default();
    let report = world.copy("one").restore(&request, &heard).unwrap();
    assert_eq!((report.restored, report.there, report.failed), (1, 1, 1));
    assert!(heard.failures()[0].contains("not written over"), "{:?}", heard.failures());
    assert_eq!(std::fs::read(target.join("a.jpg")).unwrap(), b"mine");
    assert_eq!(std::fs::read(target.join("c/d.jpg")).unwrap(), b"three");
    let some = RestoreRequest { target: world.state("some"), paths: vec!["c".into()], ..request };
    let report = world.copy("one").restore(&some, &Heard::default()).unwrap();
    assert_eq!((report.restored, report.failed), (1, 0));
}

#[test]
fn damage_and_loss_are_found_and_damaged_bytes_are_not_restored() {
    let server = Server::folder();
    let world = World::new(server.destination());
    for (name, bytes) in [("a.jpg", "one"), ("b.jpg", "two"), ("c.jpg", "three")] {
        world.write(name, bytes.as_bytes());
    }
    world.push("one");
    let blob = |name: &str| {
        let entries = world.copy("one").entries().unwrap();
        let entry = entries.iter().find(|entry| entry.path == Path::new(name)).unwrap().blob.clone();
        let Server::Folder(place) = &server else { return PathBuf::new() };
        place.path().join(entry)
    };
    let damaged = blob("a.jpg");
    std::fs::write(&damaged, b"eno").unwrap();
    std::fs::remove_file(blob("b.jpg")).unwrap();
    let heard = Heard::default();
    let dry = VerifyRequest { dry_run: true, ..VerifyRequest::default() };
    let report = world.copy("one").verify(dry, &heard).unwrap();
    assert_eq!((report.whole, report.damaged), (1, 2), "{:?}", heard.failures());
    let quick = VerifyRequest { quick: true, ..VerifyRequest::default() };
    let quick = world.copy("one").verify(quick, &Heard::default()).unwrap();
    assert_eq!(quick.damaged, 1, "only what is missing shows without reading");
    assert_eq!(quick.forgotten, 1);
    let target = world.state("out");
    let request =
        RestoreRequest { target: target.clone(), paths: Vec::new(), without_index: false, dry_run: false };
    let report = world.copy("one").restore(&request, &Heard::default()).unwrap();
    assert_eq!((report.restored, report.failed), (1, 1), "the lost one is not known any more");
    assert!(!target.join("a.jpg").exists() && target.join("c.jpg").exists());
    // What is missing is sent again, and the damaged one once it was deleted.
    assert_eq!(world.push("one").uploaded, 1);
    std::fs::remove_file(&damaged).unwrap();
    world.copy("one").verify(VerifyRequest::default(), &Heard::default()).unwrap();
    assert_eq!(world.push("one").uploaded, 1);
    assert_eq!(world.verify("one").whole, 3);
    // A place where nothing at all is left may be a drive that is not mounted.
    let Server::Folder(place) = &server else { return };
    for entry in std::fs::read_dir(place.path()).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    let report = world.copy("one").verify(VerifyRequest::default(), &Heard::default()).unwrap();
    assert_eq!((report.damaged, report.forgotten), (3, 0));
    assert_eq!(world.copy("one").known_files().unwrap(), 3);
}
