//! Deleting in a place, on the built program: against a fresh proof, never the last copy, and killed at any moment.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::devices::{Device, World, copy_all, photo};

/// The sealed originals of a place, in the order of their names.
fn originals(place: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![place.join("o")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries.map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { &mut folders } else { &mut found }.push(entry);
        }
    }
    found.sort();
    found
}

/// Two folders as places, and where a world's devices meet.
struct Places {
    first: tempfile::TempDir,
    second: tempfile::TempDir,
}

impl Places {
    fn new() -> (Self, World) {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let world = World::in_folder(first.path());
        (Self { first, second }, world)
    }

    /// A device whose photos rest in both places, proven, and nowhere else; one object of the first place was found
    /// damaged and is marked since, and every device agreed 31 days ago.
    fn with_one_object_marked<'a>(&self, world: &'a World, count: u64) -> (Device<'a>, Marked) {
        let one = world.first("one");
        one.ends(&["remote", "add", "cellar", &format!("folder:{}", self.second.path().display())], 0);
        one.import(&world.photos("pics", 0..count));
        std::fs::remove_dir_all(world.path("pics")).unwrap();
        one.sync();
        one.ends(&["verify", "--remote", "--all"], 0);
        one.sync();
        one.ends(&["local", "free", "--all", "--yes"], 0);
        assert_eq!(originals(&one.folder().join("objects")), Vec::<PathBuf>::new());
        let path = originals(self.first.path()).swap_remove(0);
        let whole = std::fs::read(&path).unwrap();
        let mut bad = whole.clone();
        bad[700] ^= 1;
        std::fs::write(&path, bad).unwrap();
        one.ends(&["verify", "--remote", "place", "--all"], 6);
        one.sync();
        one.sync();
        world.let_pass(31);
        one.sync();
        (one, Marked { path, whole })
    }
}

struct Marked {
    path: PathBuf,
    whole: Vec<u8>,
}

fn plan(device: &Device<'_>) -> Value {
    device.json(&["--dry-run", "remote", "collect", "place"])
}

fn waits(plan: &Value) -> Vec<&str> {
    plan["waiting"].as_array().unwrap().iter().map(|wait| wait["waits_for"].as_str().unwrap()).collect()
}

#[test]
fn an_object_goes_only_once_the_other_place_was_proven_afresh() {
    let (places, world) = Places::new();
    let (one, marked) = places.with_one_object_marked(&world, 3);
    // The cellar was read back 31 days ago.
    let planned = plan(&one);
    assert_eq!((waits(&planned), &planned["ready_objects"]), (vec!["proof"], &0.into()), "{planned}");
    assert_eq!(planned["waiting"][0]["remotes"], serde_json::json!(["cellar"]));
    let output = one.command(&["--yes", "remote", "collect", "place"]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("safelight verify --remote cellar --all"), "it says what to do: {told}");
    assert!(marked.path.exists(), "deleted on a proof of 31 days");

    // Presence alone is no proof.
    one.ends(&["verify", "--remote", "cellar"], 0);
    assert_eq!(one.json(&["--yes", "remote", "collect", "place"])["deleted_objects"], 0);
    one.ends(&["verify", "--remote", "cellar", "--all"], 0);
    let planned = plan(&one);
    assert_eq!((waits(&planned), &planned["ready_objects"]), (vec![], &1.into()), "{planned}");
    assert!(marked.path.exists(), "a plan deletes nothing");
    one.ends(&["remote", "collect", "place"], 5);
    assert!(marked.path.exists(), "nobody agreed");
    assert_eq!(one.json(&["--yes", "remote", "collect", "place"])["deleted_objects"], 1);
    assert!(!marked.path.exists());
    one.has_whole(&(0..3).map(photo).collect::<Vec<_>>(), "out");
}

#[test]
fn the_last_copy_stays_whatever_was_agreed() {
    let (places, world) = Places::new();
    let (one, marked) = places.with_one_object_marked(&world, 3);
    // The damage was one of the way there, and the copy that everybody relied on is lost.
    std::fs::write(&marked.path, &marked.whole).unwrap();
    let lost = places.second.path().join(marked.path.strip_prefix(places.first.path()).unwrap());
    std::fs::remove_file(lost).unwrap();
    one.ends(&["verify", "--remote", "cellar", "--all"], 6);
    assert_eq!(waits(&plan(&one)), ["needed"]);
    let done = one.json_ending(&["--yes", "remote", "collect", "place"], 1);
    assert_eq!(done["deleted_objects"], 0);
    assert!(done["problems"][0].as_str().unwrap().contains("was found missing"), "{done}");
    assert!(marked.path.exists(), "the last copy was deleted");
    one.has_whole(&(0..3).map(photo).collect::<Vec<_>>(), "out");
}

#[test]
fn a_remote_that_is_gone_from_this_device_is_no_proof() {
    let (places, world) = Places::new();
    let (one, marked) = places.with_one_object_marked(&world, 2);
    one.ends(&["verify", "--remote", "cellar", "--all"], 0);
    one.ends(&["--yes", "remote", "remove", "cellar"], 0);
    assert_eq!(waits(&plan(&one)), ["needed"]);
    assert_eq!(one.json(&["--yes", "remote", "collect", "place"])["deleted_objects"], 0);
    assert!(marked.path.exists());
    drop(places);
}

#[test]
fn a_collection_that_is_killed_again_and_again_deletes_what_it_should_and_no_more() {
    const PHOTOS: u64 = 60;
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..PHOTOS));
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    let ids: Vec<String> =
        one.listed().iter().skip(3).map(|asset| asset["id"].as_str().unwrap().to_owned()).collect();
    let trash: Vec<&str> = ["--yes", "trash"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    one.ends(&trash, 0);
    one.ends(&["trash", "empty", "--yes"], 0);
    one.sync();
    world.let_pass(31);
    one.sync();
    assert_eq!(plan(&one)["ready_objects"], PHOTOS - 3);

    let mut killed_midway = 0;
    while originals(place.path()).len() > 3 {
        let before = originals(place.path()).len();
        let mut child = one.command(&["--yes", "remote", "collect", "place"]).spawn().unwrap();
        let process = Pid::from_child(&child);
        let send = |signal| kill_process(process, signal).unwrap();
        // It runs in slices, so that it stands still among its deletions, wherever this test is delayed.
        loop {
            send(Signal::STOP);
            if originals(place.path()).len() < before || child.try_wait().unwrap().is_some() {
                break;
            }
            send(Signal::CONT);
            std::thread::yield_now();
        }
        // The first dies, the second is told to stop, and so on.
        let is_told = killed_midway % 2 == 1;
        send(if is_told { Signal::INT } else { Signal::KILL });
        send(Signal::CONT);
        let code = child.wait().unwrap().code();
        assert!(!is_told || matches!(code, Some(0 | 1)), "it stops in order: {code:?}");
        let left = originals(place.path()).len();
        assert!(left < before, "no step forward");
        killed_midway += u32::from(left > 3);
    }
    assert!(killed_midway > 0, "it was never killed between two deletions");
    let done = one.json(&["--yes", "remote", "collect", "place"]);
    assert_eq!((&done["deleted_objects"], &done["ready_objects"]), (&0.into(), &0.into()), "{done}");
    one.ends(&["verify", "--remote", "--all"], 0);
    one.ends(&["verify"], 0);
    let two = world.join("two");
    assert_eq!(two.listed(), one.listed());
    assert_eq!(two.json(&["local", "fetch", "--all"])["failed_originals"], 0);
}

#[test]
fn a_clock_that_is_months_ahead_deletes_nothing_that_another_device_has_just_sent() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    one.sync();
    let two = world.join("two");
    one.sync();
    // Two was killed after it had put its originals there, and before any history spoke of them.
    two.import(&world.photos("new", 5..7));
    let (before, place_before) = (world.copy(&two, "two-before"), world.path("place-before"));
    copy_all(place.path(), &place_before);
    two.sync();
    let sent = originals(place.path());
    assert_eq!(sent.len(), 3);
    let sent_bytes: Vec<_> = sent.iter().map(|path| std::fs::read(path).unwrap()).collect();
    for (old, new) in [(place_before, place.path().to_path_buf()), (before.folder(), two.folder())] {
        std::fs::remove_dir_all(&new).unwrap();
        copy_all(&old, &new);
    }
    for (path, bytes) in sent.iter().zip(&sent_bytes) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    // By the clock of one they have lain there for months, and nothing speaks of them; the place knows better.
    for days in [100, 140, 180] {
        world.set_clock_ahead(days);
        one.sync();
        let planned = plan(&one);
        let found = (&planned["newly_marked"], &planned["ready_objects"]);
        assert_eq!(found, (&0.into(), &0.into()), "{days} days: {planned}");
        let (_, out, _) = one.tries(&["--yes", "--json", "remote", "collect", "place"]);
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["deleted_objects"], 0, "{out}");
    }
    assert_eq!(originals(place.path()), sent);
    // Two goes on with the right clock: what it has put is of use.
    world.set_clock_ahead(0);
    two.sync();
    assert_eq!(originals(place.path()), sent, "nothing is sent twice");
    let late = world.join("late");
    late.has_whole(&[photo(0), photo(5), photo(6)], "out");
}
