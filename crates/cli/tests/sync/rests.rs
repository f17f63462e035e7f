//! In how many places each photo rests, on the built program: what `show`, `list`, `status` and a query say of it.

use std::path::Path;

use serde_json::Value;

use crate::devices::{Device, Meeting, World};
use crate::pictures;

fn folder(path: &Path) -> String {
    format!("folder:{}", path.display())
}

/// A place in a folder, and devices that meet there.
fn meeting_in(place: &Path) -> World {
    World::new(Meeting { address: folder(place), credential: None })
}

/// How the places of a photo are known: of this device first.
fn known(device: &Device<'_>, item: &str) -> Vec<(Option<String>, String)> {
    let shown = device.json(&["show", item]);
    let places = shown["places"].as_array().unwrap();
    let count = places.iter().filter(|place| place["how"] != "linked").count();
    assert_eq!(shown["place_count"], count, "{shown}");
    let place = |place: &Value| {
        let since = place["since"].as_str();
        assert_eq!(since.is_some(), !place["remote"].is_null(), "{place}");
        assert!(since.is_none_or(|since| since.starts_with("20") && since.ends_with('Z')), "{place}");
        (place["remote"].as_str().map(str::to_owned), place["how"].as_str().unwrap().to_owned())
    };
    places.iter().map(place).collect()
}

fn here(how: &str) -> (Option<String>, String) {
    (None, how.to_owned())
}

fn at(remote: &str, how: &str) -> (Option<String>, String) {
    (Some(remote.to_owned()), how.to_owned())
}

fn count(device: &Device<'_>, query: &str) -> u64 {
    device.json(&["list", "--count", "--", query])["count"].as_u64().unwrap()
}

fn listed(device: &Device<'_>, item: &str) -> (u64, bool) {
    let found = device.json(&["list", "--", item]);
    (found[0]["places"].as_u64().unwrap(), found[0]["proven"].is_string())
}

#[test]
fn each_photo_says_in_how_many_places_it_rests_and_how_that_is_known() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = meeting_in(first.path());
    let one = world.first("one");
    let pics = world.photos("pics", 0..2);
    // So small that it travels in a pack.
    std::fs::write(pics.join("small.jpg"), pictures::photo(5)).unwrap();
    one.import(&pics);
    assert_eq!((count(&one, "places:<2"), count(&one, "places:1")), (3, 3), "nothing was sent yet");
    one.sync();
    one.add_remote("cellar", &folder(second.path()));
    for item in ["PLANTED-pics-0.jpg", "small.jpg"] {
        assert_eq!(known(&one, item), [here("here"), at("place", "acknowledged")], "{item}");
        assert_eq!(listed(&one, &format!("name:{item}")), (2, false), "{item}");
    }
    one.ends(&["verify", "--remote", "place", "--all"], 0);
    one.ends(&["sync", "cellar"], 0);
    for item in ["PLANTED-pics-0.jpg", "small.jpg"] {
        let places = [here("here"), at("place", "opened"), at("cellar", "acknowledged")];
        assert_eq!(known(&one, item), places, "{item}");
        assert_eq!(listed(&one, &format!("name:{item}")), (3, true), "{item}");
    }
    assert_eq!((count(&one, "places:>=2"), count(&one, "places:3"), count(&one, "places:<3")), (3, 3, 0));
    assert_eq!(
        (count(&one, "proven:<1h"), count(&one, "proven:>=1h"), count(&one, "-proven:<1h")),
        (3, 0, 0)
    );
    world.let_pass(2);
    assert_eq!((count(&one, "proven:<1d"), count(&one, "proven:>1d"), count(&one, "proven:2d")), (0, 3, 3));
    let told = one.ends(&["show", "PLANTED-pics-0.jpg"], 0);
    for line in ["rests in  3 places", "rests  this device: whole", "rests  place: read back and opened 20"] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert_eq!(one.json(&["status"])["in_fewer_than_two_places"], 0);

    // What joins finds others' copies, and knows them as that.
    let two = world.join("two");
    assert_eq!(known(&two, "PLANTED-pics-0.jpg"), [at("place", "found")]);
    assert_eq!((count(&two, "places:1"), count(&two, "places:0"), count(&two, "places:<2")), (3, 0, 3));
    assert_eq!(two.json(&["status"])["in_fewer_than_two_places"], 3);
    assert!(two.ends(&["status"], 0).contains("places  3 photos in fewer than two"));
    two.ends(&["local", "fetch", "--all"], 0);
    assert_eq!((count(&two, "places:2"), count(&two, "places:<2")), (3, 0));

    // Freed here, it rests in one place less; found damaged there as well, in none but the other.
    one.ends(&["verify", "--remote", "--all"], 0);
    // The small one stays, and that is said.
    one.ends(&["local", "free", "--all", "--yes"], 1);
    assert_eq!(known(&one, "PLANTED-pics-0.jpg"), [at("place", "opened"), at("cellar", "opened")]);
    assert_eq!((count(&one, "places:2"), count(&one, "places:3")), (2, 1), "the small one stays");
    let mut parts = Vec::new();
    crate::devices::files(&first.path().join("o"), &mut parts);
    for part in &parts {
        std::fs::remove_file(part).unwrap();
    }
    one.ends(&["verify", "--remote", "place"], 6);
    assert_eq!(known(&one, "PLANTED-pics-0.jpg"), [at("cellar", "opened")]);
    assert_eq!(
        (count(&one, "places:1"), one.json(&["status"])["in_fewer_than_two_places"].clone()),
        (2, 2.into())
    );
}

#[test]
fn small_originals_count_in_every_place_that_holds_them() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = meeting_in(first.path());
    let one = world.first("one");
    one.add_remote("cellar", &folder(second.path()));
    let pics = world.photos("pics", 0..1);
    std::fs::write(pics.join("small.jpg"), pictures::photo(5)).unwrap();
    one.import(&pics);
    let (_, _, told) = one.tries(&["sync"]);
    let sent = "place: 1 original, 1 pack of small originals, 2 packs of previews and ";
    assert!(told.contains(sent), "{told}");

    // Who joins reads a pack where it meets it first, and finds it in the other place.
    let two = world.join("two");
    two.add_remote("cellar", &folder(second.path()));
    two.sync();
    for item in ["PLANTED-pics-0.jpg", "small.jpg"] {
        assert_eq!(known(&two, item), [at("place", "found"), at("cellar", "found")], "{item}");
    }
    assert!(two.ends(&["status"], 0).starts_with("2 photos safe in 2 places, 0 waiting, 0 failed"));
    two.ends(&["verify", "--remote", "--all"], 0);
    for item in ["PLANTED-pics-0.jpg", "small.jpg"] {
        assert_eq!(known(&two, item), [at("place", "opened"), at("cellar", "opened")], "{item}");
        assert_eq!(listed(&two, &format!("name:{item}")), (2, true), "{item}");
    }
    assert_eq!(two.json(&["status"])["in_fewer_than_two_places"], 0);

    // A place that lost the pack does not count, until whoever holds it puts it there again.
    let mut packs = Vec::new();
    crate::devices::files(&second.path().join("s"), &mut packs);
    for pack in &packs {
        std::fs::remove_file(pack).unwrap();
    }
    two.ends(&["verify", "--remote", "cellar"], 6);
    assert_eq!(known(&two, "small.jpg"), [at("place", "opened")]);
    assert_eq!((count(&two, "places:1"), count(&two, "places:2")), (1, 1));
    assert_eq!(two.json(&["status"])["in_fewer_than_two_places"], 1);
    one.ends(&["verify", "--remote", "cellar"], 6);
    assert_eq!(known(&one, "small.jpg").len(), 3, "it was put there again");
    assert!(one.ends(&["status"], 0).starts_with("2 photos safe in 3 places, 0 waiting, 0 failed"));
    two.ends(&["verify", "--remote", "cellar"], 0);
    assert_eq!(known(&two, "small.jpg"), [at("place", "opened"), at("cellar", "found")]);
}

#[test]
fn a_place_that_is_filled_from_another_counts_for_small_originals_too() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = meeting_in(first.path());
    let one = world.first("one");
    let pics = world.photos("pics", 0..1);
    std::fs::write(pics.join("small.jpg"), pictures::photo(5)).unwrap();
    one.import(&pics);
    one.sync();
    let two = world.join("two");
    two.add_remote("cellar", &folder(second.path()));
    two.ends(&["remote", "replicate", "place", "cellar"], 0);
    for item in ["PLANTED-pics-0.jpg", "small.jpg"] {
        assert_eq!(known(&two, item).len(), 2, "{item}");
    }
    assert_eq!((count(&two, "places:2"), count(&two, "sync:cellar=cloud-only")), (2, 2));
}

#[test]
fn a_linked_photo_is_the_file_itself_and_no_place() {
    let place = tempfile::tempdir().unwrap();
    let world = meeting_in(place.path());
    let one = world.alone("one");
    let pics = world.photos("pics", 0..1);
    one.ends(&["import", "--settle=0", "--link", pics.to_str().unwrap()], 0);
    assert_eq!(known(&one, "PLANTED-pics-0.jpg"), [here("linked")]);
    assert_eq!((count(&one, "places:0"), listed(&one, "")), (1, (0, false)));
    assert!(one.json(&["status"])["in_fewer_than_two_places"].is_null(), "there is no remote");
    one.add_remote("place", &folder(place.path()));
    one.sync();
    assert_eq!(known(&one, "PLANTED-pics-0.jpg"), [here("linked"), at("place", "acknowledged")]);
    assert_eq!((count(&one, "places:1"), listed(&one, "")), (1, (1, false)));
    assert_eq!(one.json(&["status"])["in_fewer_than_two_places"], 1);
    let two = world.join("two");
    two.ends(&["local", "fetch", "--all"], 0);
    assert_eq!(known(&two, "PLANTED-pics-0.jpg"), [here("here"), at("place", "opened")]);
    assert_eq!((count(&two, "places:2"), listed(&two, "")), (1, (2, true)));
}

#[test]
fn what_is_damaged_here_does_not_count_as_here() {
    let place = tempfile::tempdir().unwrap();
    let world = meeting_in(place.path());
    let one = world.first("one");
    let pics = world.photos("pics", 0..1);
    std::fs::write(pics.join("small.jpg"), pictures::photo(5)).unwrap();
    one.import(&pics);
    one.sync();
    let mut files = Vec::new();
    crate::devices::files(&one.folder().join("objects/o"), &mut files);
    crate::devices::files(&one.folder().join("objects/local"), &mut files);
    for file in files {
        let mut bytes = std::fs::read(&file).unwrap();
        for at in (200..bytes.len()).step_by(100) {
            bytes[at] ^= 1;
        }
        std::fs::write(&file, bytes).unwrap();
    }
    assert_eq!(known(&one, "small.jpg"), [at("place", "acknowledged")], "it was looked at");
    // What the index still names is not what is read: the remote has it whole.
    let output = one.command(&["export", "--to", "-", "small.jpg"]).output().unwrap();
    assert!(output.stdout == pictures::photo(5), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(known(&one, "small.jpg").len(), 2, "and with that it is whole here again");
    one.ends(&["verify"], 6);
    assert_eq!(known(&one, "PLANTED-pics-0.jpg"), [at("place", "acknowledged")]);
    assert_eq!((count(&one, "places:1"), count(&one, "places:2")), (1, 1));
}

#[test]
fn a_mistake_in_the_number_or_the_age_is_shown_where_it_is() {
    let place = tempfile::tempdir().unwrap();
    let world = meeting_in(place.path());
    let one = world.first("one");
    for (query, mark) in [("places:few", "       ^^^"), ("proven:<30q", "        ^^^")] {
        let (code, _, told) = one.tries(&["list", "--", query]);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains(mark), "{told}");
    }
    let (code, _, told) = one.tries(&["remote", "set", "place", "policy=selective", "only=places:<2"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("cannot depend on what is there"), "{told}");
}
