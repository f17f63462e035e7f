//! What goes where: policies, switches by hand, consent, and how each photo stands to a remote.

use std::path::Path;

use serde_json::Value;

use crate::devices::{Device, World, collect, photo};

/// How many sealed objects lie in one area of a folder place.
fn objects(place: &Path, area: &str) -> usize {
    let mut found = Vec::new();
    let area = place.join(area);
    if area.exists() {
        collect(&area, &mut found);
    }
    found.len()
}

fn id_of(device: &Device<'_>, seed: u64) -> String {
    let end = format!("-{seed}.jpg");
    let listed = device.listed();
    let asset = listed.iter().find(|asset| asset["path"].as_str().unwrap().ends_with(&end)).unwrap();
    asset["id"].as_str().unwrap().to_owned()
}

fn count(device: &Device<'_>, query: &str) -> u64 {
    device.json(&["list", "--count", "--", query])["count"].as_u64().unwrap()
}

fn remote(device: &Device<'_>) -> Value {
    device.json(&["remote", "show", "place"])
}

#[test]
fn small_originals_go_when_a_policy_or_a_switch_begins_to_ask_for_them() {
    for asks in [&["remote", "set", "place", "only=type:photo", "--yes"][..], &["sync", "on"]] {
        let place = tempfile::tempdir().unwrap();
        let world = World::in_folder(place.path());
        let one = world.first("one");
        let folder = world.path("small");
        std::fs::create_dir(&folder).unwrap();
        for seed in 0..4_u64 {
            std::fs::write(folder.join(format!("a-{seed}.jpg")), &photo(seed)[..30_000]).unwrap();
        }
        one.import(&folder);
        one.ends(&["remote", "set", "place", "policy=selective"], 0);
        one.sync();
        assert_eq!(objects(place.path(), "s"), 0);
        let ids: Vec<String> = (0..4).map(|seed| id_of(&one, seed)).collect();
        let mut command: Vec<&str> = asks.to_vec();
        if command[0] == "sync" {
            command.extend(ids.iter().map(String::as_str));
            command.extend(["--remote", "place"]);
        }
        one.ends(&command, 0);
        assert_eq!(count(&one, "sync:waiting"), 4);
        one.sync();
        assert_eq!(objects(place.path(), "s"), 1);
        assert_eq!(count(&one, "sync:place=synced"), 4);
    }
}

#[test]
fn nothing_of_a_selective_remote_goes_before_it_is_asked_for_and_albums_mean_those_in_them() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..8));
    one.ends(&["remote", "set", "place", "policy=selective"], 0);
    one.sync();
    assert_eq!((objects(place.path(), "o"), objects(place.path(), "t")), (0, 0));
    assert!(objects(place.path(), "log") > 0, "history goes everywhere");
    assert_eq!(count(&one, "sync:local-only"), 8);

    one.ends(&["album", "add", "Family/Trips"], 0);
    for (album, seed) in [("Family", 0), ("Family/Trips", 1)] {
        one.ends(&["set", &id_of(&one, seed), &format!("album+={album}")], 0);
    }
    one.ends(&["set", &id_of(&one, 2), "rating=5"], 0);
    one.ends(&["remote", "set", "place", "only=album:Family size:<2GB"], 0);
    assert_eq!(count(&one, "sync:waiting"), 2);
    one.sync();
    assert_eq!(objects(place.path(), "o"), 2);
    assert_eq!(count(&one, "sync:place=synced album:Trips"), 1);

    // Changed at any time: what is there stays there and keeps counting.
    one.ends(&["remote", "set", "place", "only=rating:>=4"], 0);
    assert_eq!((count(&one, "sync:synced"), count(&one, "sync:waiting")), (2, 1));
    one.sync();
    assert_eq!(objects(place.path(), "o"), 3);
    let shown = remote(&one);
    assert_eq!(shown["policy"]["only"], "rating:>=4");
    assert_eq!((&shown["safe_originals"], &shown["local_originals"]), (&3.into(), &5.into()));
    one.ends(&["verify", "--remote", "--all"], 0);
    // Nothing new afterwards: the listing of heads and the own tip.
    one.sync();
    let outcome = one.json(&["sync"]);
    assert!(outcome[0]["traffic"]["requests"].as_u64().unwrap() <= 3, "{outcome}");

    // A new photo of the selection goes by itself, others stay.
    one.import(&world.photos("more", 8..10));
    one.ends(&["set", &id_of(&one, 9), "rating=4"], 0);
    one.sync();
    assert_eq!(objects(place.path(), "o"), 4);
    // And then everything.
    one.ends(&["remote", "set", "place", "policy=full"], 0);
    one.sync();
    assert_eq!(objects(place.path(), "o"), 10);
    let two = world.join("two");
    assert_eq!(two.listed(), one.listed());
    two.has_whole(&(0..10).map(photo).collect::<Vec<_>>(), "out");
}

#[test]
fn what_is_wrong_with_a_policy_is_marked_below_its_word_and_nothing_changes() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    for (setting, code, words) in [
        ("policy=selctive", 2, "policies are full"),
        ("only=rating:>=4", 2, "policy=selective"),
        ("tier=cold", 5, "no tiers"),
        ("colour=red", 2, "no setting colour"),
    ] {
        let output = one.command(&["remote", "set", "place", setting]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{setting}: {told}");
        assert!(told.contains(words), "{setting}: {told}");
    }
    let output = one.command(&["remote", "set", "place", "policy=selective", "only=album:Family ratign:5"]);
    let told = String::from_utf8_lossy(&{ output }.output().unwrap().stderr).into_owned();
    assert!(told.contains("             ^^^^^^\n") && told.contains("did you mean `rating:`"), "{told}");
    assert_eq!(remote(&one)["policy"]["kind"], "full");
}

#[test]
fn switches_by_hand_go_before_the_policy() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..6));
    one.ends(&["remote", "set", "place", "policy=on-demand"], 0);
    one.sync();
    assert_eq!(objects(place.path(), "o"), 0);
    let asset = id_of(&one, 0);
    one.ends(&["sync", "on", &asset, "--remote", "place"], 0);
    one.sync();
    assert_eq!(objects(place.path(), "o"), 1);
    // Off again: it stays there, and says so.
    one.ends(&["sync", "off", &asset], 0);
    one.sync();
    assert_eq!(objects(place.path(), "o"), 1);
    assert_eq!(one.json(&["show", &asset])["sync"][0]["state"], "synced");

    // Off before it was sent: it no longer waits.
    let other = id_of(&one, 1);
    one.ends(&["sync", "on", &other], 0);
    assert_eq!(one.json(&["show", &other])["sync"][0]["state"], "waiting");
    one.ends(&["sync", "off", &other], 0);
    let shown = one.json(&["show", &other]);
    assert_eq!(shown["sync"][0]["state"], "local-only");
    assert!(shown["sync"][0]["reason"].as_str().unwrap().contains("by hand"), "{shown}");
    one.sync();
    assert_eq!(objects(place.path(), "o"), 1);
    one.ends(&["sync", "auto", &other], 0);
    let reason = one.json(&["show", &other])["sync"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("nobody asked"), "{reason}");

    // An album: with the albums in it, and with what comes into it later. A photo's own switch goes before it.
    one.ends(&["album", "add", "Family/Trips"], 0);
    one.ends(&["sync", "on", "album:Family"], 0);
    one.ends(&["set", &id_of(&one, 2), &id_of(&one, 3), "album+=Family/Trips"], 0);
    one.ends(&["sync", "off", &id_of(&one, 3)], 0);
    one.sync();
    assert_eq!(objects(place.path(), "o"), 2);
    one.ends(&["sync", "off", "album:Family/Trips"], 0);
    one.ends(&["set", &id_of(&one, 4), "album+=Family"], 0);
    one.ends(&["set", &id_of(&one, 5), "album+=Family/Trips"], 0);
    one.sync();
    assert_eq!(objects(place.path(), "o"), 3, "the album in it is off, it itself is on");
}

#[test]
fn what_is_newly_exposed_beyond_the_limit_needs_consent() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..4));
    one.ends(&["remote", "set", "place", "policy=selective", "expose=3"], 0);
    one.sync();
    // Asked for at once: refused, and nothing changed.
    one.ends(&["remote", "set", "place", "only=type:photo"], 5);
    one.ends(&["sync", "on", "type:photo"], 5);
    assert_eq!(remote(&one)["policy"]["only"], Value::Null);
    assert_eq!(count(&one, "sync:local-only"), 4);
    one.ends(&["--yes", "remote", "set", "place", "only=type:photo"], 0);
    one.sync();
    assert_eq!(objects(place.path(), "o"), 4);

    // Come to be exposed by an import: the sync does all the rest, and says what waits.
    one.import(&world.photos("more", 4..9));
    let planned = one.json(&["--dry-run", "sync"]);
    assert_eq!((&planned[0]["originals"], &planned[0]["held"]["originals"]), (&0.into(), &5.into()));
    let output = one.command(&["sync"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{told}");
    assert!(told.contains("5 originals") && told.contains("--yes"), "{told}");
    assert_eq!(objects(place.path(), "o"), 4);
    let shown = one.json(&["show", &id_of(&one, 5)]);
    assert_eq!(shown["sync"][0]["state"], "waiting");
    assert!(shown["sync"][0]["reason"].as_str().unwrap().contains("consent"), "{shown}");
    assert_eq!(count(&one, "sync:waiting"), 5);
    one.ends(&["--yes", "sync"], 0);
    assert_eq!(objects(place.path(), "o"), 9);
}

#[test]
fn small_originals_that_were_held_go_with_the_sync_that_consents() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let folder = world.path("small");
    std::fs::create_dir(&folder).unwrap();
    for seed in 0..5_u64 {
        std::fs::write(folder.join(format!("a-{seed}.jpg")), &photo(seed)[..30_000]).unwrap();
    }
    one.import(&folder);
    one.ends(&["remote", "set", "place", "policy=selective", "expose=2", "only=tag:many"], 0);
    one.ends(&["set", "type:photo", "tag+=many"], 0);
    one.ends(&["sync"], 5);
    assert_eq!((objects(place.path(), "s"), count(&one, "sync:waiting")), (0, 5));
    one.ends(&["--yes", "sync"], 0);
    assert_eq!(objects(place.path(), "s"), 1, "a pack of them");
    assert_eq!(count(&one, "sync:synced"), 5);
}

#[test]
fn what_was_consented_to_before_the_first_sync_goes_with_it() {
    for (setting, switch) in [(true, false), (false, true)] {
        let place = tempfile::tempdir().unwrap();
        let world = World::in_folder(place.path());
        let one = world.first("one");
        one.import(&world.photos("pics", 0..4));
        one.ends(&["remote", "set", "place", "policy=selective", "expose=1"], 0);
        if setting {
            one.ends(&["--yes", "remote", "set", "place", "only=type:photo"], 0);
        }
        if switch {
            one.ends(&["--yes", "sync", "on", "type:photo"], 0);
        }
        assert_eq!(one.json(&["--dry-run", "sync"])[0]["originals"], 4);
        one.sync();
        assert_eq!(objects(place.path(), "o"), 4);
        // It was consent to these, and to no others.
        one.import(&world.photos("more", 4..7));
        if switch {
            one.ends(&["sync", "on", "type:photo"], 5);
        } else {
            one.ends(&["sync"], 5);
        }
        assert_eq!(objects(place.path(), "o"), 4);
    }
}

#[test]
fn what_waits_for_consent_goes_on_waiting_whatever_else_is_switched_or_set() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("first", 0..1));
    one.ends(&["remote", "set", "place", "policy=selective", "expose=2", "only=type:photo"], 0);
    one.sync();
    assert_eq!(objects(place.path(), "o"), 1);
    // Not seen by any sync yet, and then held by one.
    for has_synced in [false, true] {
        if has_synced {
            one.ends(&["sync"], 5);
        } else {
            one.import(&world.photos("many", 1..6));
        }
        one.ends(&["sync", "off", &id_of(&one, 5)], 0);
        one.ends(&["remote", "set", "place", "limit=10MB/s"], 0);
        one.ends(&["sync", "auto", &id_of(&one, 5)], 0);
        one.ends(&["sync"], 5);
        assert_eq!(objects(place.path(), "o"), 1, "nobody consented to them");
        assert_eq!(count(&one, "sync:waiting"), 5);
    }
    one.ends(&["--yes", "sync"], 0);
    assert_eq!(objects(place.path(), "o"), 6);
}

#[test]
fn an_archive_takes_what_is_old_enough() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..4));
    // By the date when it was taken, which people may correct: two of them are old.
    one.ends(&["set", &id_of(&one, 0), &id_of(&one, 1), "date=2015-06-01"], 0);
    one.ends(&["remote", "set", "place", "policy=archive-only", "older=2y"], 0);
    one.sync();
    assert_eq!(objects(place.path(), "o"), 2);
    // What is there and proven leaves this device.
    assert_eq!((count(&one, "sync:cloud-only date:2015"), count(&one, "sync:local-only")), (2, 2));
    // By the date when it came in nothing is: but what is there stays there.
    one.ends(&["remote", "set", "place", "by=added"], 0);
    one.sync();
    assert_eq!((objects(place.path(), "o"), count(&one, "sync:waiting")), (2, 0));
    one.ends(&["remote", "set", "place", "older=0d"], 0);
    one.sync();
    assert_eq!(objects(place.path(), "o"), 4);
}

#[test]
fn the_states_of_two_remotes_are_told_apart_and_summed() {
    let place = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    let address = format!("folder:{}", other.path().display());
    one.ends(&["remote", "add", "some", &address, "--policy", "selective", "only=name:PLANTED-pics-1"], 0);
    assert_eq!(one.json(&["status"])["waiting"], 4, "three for one remote, one for the other");
    one.sync();
    assert_eq!((objects(place.path(), "o"), objects(other.path(), "o")), (3, 1));
    let states = |seed| {
        let shown = one.json(&["show", &id_of(&one, seed)]);
        let states = shown["sync"].as_array().unwrap().clone();
        states.iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (states(1), states(2)),
        (vec!["synced".into(); 2], vec!["synced".into(), "local-only".into()])
    );
    assert_eq!((count(&one, "sync:some=local-only"), count(&one, "sync:synced")), (2, 3));
    assert_eq!(count(&one, "-sync:some=local-only"), 1);
    let status = one.json(&["status"]);
    assert_eq!(
        (&status["waiting"], &status["places"]),
        (&0.into(), &2.into()),
        "one place holds a part only"
    );
    // Where there is a thumbnail, it goes with the photo alone: the place of the selection has fewer bytes of them.
    one.ends(&["list", "sync:nowhere=synced"], 4);
}

#[test]
fn a_watching_sync_says_what_waits_for_consent_and_goes_on_with_the_rest() {
    use std::io::{BufRead as _, BufReader};

    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.ends(&["remote", "set", "place", "policy=selective", "only=type:photo", "expose=2"], 0);
    one.sync();
    one.import(&world.photos("more", 2..6));
    let mut child = one.command(&["sync", "--watch", "--every", "1"]).spawn().unwrap();
    let told = BufReader::new(child.stderr.take().unwrap());
    let said = told.lines().map_while(Result::ok).find(|line| line.contains("consent"));
    assert!(said.as_ref().is_some_and(|line| line.contains("4 originals")), "{said:?}");
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    assert_eq!(objects(place.path(), "o"), 2);
    // What needs nobody still goes: the history of a caption.
    let segments = objects(place.path(), "log");
    one.ends(&["set", &id_of(&one, 0), "caption=at the lake"], 0);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while objects(place.path(), "log") <= segments {
        assert!(std::time::Instant::now() < until, "the caption was not sent");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(objects(place.path(), "o"), 2);
    one.ends(&["--yes", "sync"], 0);
    assert_eq!(objects(place.path(), "o"), 6);
}

#[test]
fn what_another_device_sent_is_found_by_a_verification_though_the_policy_does_not_ask_for_it() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let pics = world.photos("pics", 0..3);
    one.import(&pics);
    one.sync();
    let two = world.join("two");
    two.ends(&["remote", "set", "place", "policy=selective"], 0);
    assert_eq!(count(&two, "sync:cloud-only"), 3, "seen when it joined");
    two.ends(&["local", "fetch", "--all"], 0);
    assert_eq!(count(&two, "sync:synced"), 3);
    // It forgets what it saw, and has the photos itself.
    two.ends(&["remote", "remove", "place"], 0);
    let address = format!("folder:{}", place.path().display());
    two.ends(&["remote", "add", "place", &address, "--policy", "selective"], 0);
    two.sync();
    assert_eq!(count(&two, "sync:local-only"), 3, "as far as it knows");
    two.ends(&["verify", "--remote"], 0);
    assert_eq!(count(&two, "sync:synced"), 3);
}

#[test]
fn a_remote_is_filled_from_another_as_far_as_its_own_policy_and_consent_go() {
    let (place, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let card = world.photos("pics", 0..6);
    std::fs::write(card.join("tiny-20.jpg"), &photo(20)[..20_000]).unwrap();
    one.import(&card);
    for seed in 0..4 {
        one.ends(&["set", &id_of(&one, seed), "rating=5"], 0);
    }
    one.sync();
    // It holds none of the originals, and whatever it hands on is newly exposed all the same.
    let two = world.join("two");
    let address = format!("folder:{}", second.path().display());
    two.ends(&["remote", "add", "cellar", &address, "policy=selective", "expose=3"], 0);
    let filled = |arguments: &[&str], code| {
        let all = [arguments, &["remote", "replicate", "place", "cellar"]].concat();
        let outcome = two.json_ending(&all, code);
        (objects(second.path(), "o"), outcome)
    };
    let (originals, outcome) = filled(&[], 0);
    assert_eq!((originals, &outcome["held"]), (0, &Value::Null), "{outcome}");
    assert!(outcome["kept_objects"].as_u64().unwrap() >= 7, "six originals and a pack: {outcome}");
    assert_eq!(objects(second.path(), "s"), 0, "a tiny original is one too");
    assert!(objects(second.path(), "log") > 0, "history goes everywhere");

    two.ends(&["remote", "set", "cellar", "only=rating:5"], 0);
    let (originals, outcome) = filled(&[], 5);
    assert_eq!((originals, &outcome["held"]["originals"]), (0, &4.into()), "{outcome}");
    let off = id_of(&two, 0);
    two.ends(&["sync", "off", &off, "--remote", "cellar"], 0);
    assert_eq!(filled(&[], 0).0, 3, "so few need no consent");
    two.ends(&["sync", "auto", &off, "--remote", "cellar"], 0);
    assert_eq!(filled(&[], 0).0, 4);
    two.ends(&["remote", "set", "cellar", "only=size:>100KB", "--yes"], 0);
    two.ends(&["remote", "set", "cellar", "expose=1"], 0);
    assert_eq!(filled(&[], 5).0, 4, "what went before stays");
    let (originals, outcome) = filled(&["--yes"], 0);
    assert_eq!((originals, &outcome["held"]), (6, &Value::Null), "{outcome}");
    assert_eq!(objects(second.path(), "s"), 0);
    two.ends(&["remote", "set", "cellar", "policy=full"], 0);
    filled(&[], 0);
    assert_eq!((objects(second.path(), "o"), objects(second.path(), "s")), (6, 1));
}
