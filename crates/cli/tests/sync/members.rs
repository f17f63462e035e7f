//! Devices leave: whoever stays goes on under a new epoch, and whoever left opens nothing that is newer.

use std::path::{Path, PathBuf};

use safelight_servers::Azurite;
use serde_json::Value;

use crate::devices::{Device, Meeting, World, files};

fn device(of: &Device<'_>, id: &str) -> Value {
    let devices = of.json(&["device"]);
    devices.as_array().unwrap().iter().find(|device| device["id"] == id).unwrap().clone()
}

fn own_id(of: &Device<'_>) -> String {
    let devices = of.json(&["device", "list"]);
    let own = devices.as_array().unwrap().iter().find(|device| device["is_this"] == true).unwrap();
    own["id"].as_str().unwrap().to_owned()
}

fn caption(of: &Device<'_>, photo: &str) -> String {
    of.json(&["show", photo])["caption"].as_str().unwrap_or_default().to_owned()
}

/// The first devices, with one photo that all have; their ids and the photo's.
fn devices<'a>(world: &'a World, names: &[&str]) -> (Vec<Device<'a>>, Vec<String>, String) {
    let one = world.first(names[0]);
    one.import(&world.photos("pics", 0..1));
    one.sync();
    let mut all = vec![one];
    for name in &names[1..] {
        let next = world.join(name);
        next.sync();
        all.push(next);
    }
    for _ in 0..2 {
        all.iter().for_each(Device::sync);
    }
    let ids = all.iter().map(own_id).collect();
    let photo = all[0].listed()[0]["id"].as_str().unwrap().to_owned();
    (all, ids, photo)
}

fn three(world: &World) -> (Vec<Device<'_>>, Vec<String>, String) {
    devices(world, &["one", "two", "three"])
}

/// The keys files in a library's folder.
fn keys_files(of: &Device<'_>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&of.folder().join("objects/keys"), &mut found);
    found
}

fn shuts_out_whoever_is_revoked(meeting: Meeting) {
    let world = World::new(meeting);
    let (all, ids, photo) = three(&world);
    let [one, two, three] = all.as_slice() else { unreachable!() };
    one.ends(&["device", "rename", &ids[2], "Lost phone"], 0);
    let (code, _, said) = one.tries(&["device", "revoke", "Lost phone"]);
    assert!(code == 5 && said.contains("it still can") && said.contains("nothing was done"), "{said}");
    let foretold = one.json(&["--dry-run", "device", "revoke", "Lost phone"]);
    assert_eq!(
        (foretold["epoch"].clone(), device(one, &ids[2])["standing"].clone()),
        (Value::Null, "active".into())
    );
    let before = keys_files(one).len();
    let told = one.json(&["--yes", "device", "revoke", &ids[2][..6]]);
    assert_eq!(told["still_readable"], 1, "{told}");
    assert!(told["storage"][0]["next"].as_str().unwrap().contains("the"), "{told}");
    assert_eq!(device(one, &ids[2])["standing"], "revoked");
    // One for the words, and one for each device that stays.
    assert_eq!(keys_files(one).len() - before, 3);
    one.ends(&["device", "revoke", &ids[2]], 5);
    one.sync();
    two.sync();
    assert_eq!(
        (device(two, &ids[2])["standing"].clone(), device(two, &ids[2])["name"].clone()),
        ("revoked".into(), "Lost phone".into())
    );

    // Both that stay go on, in both directions.
    for (writer, reader, text) in [(one, two, "of one"), (two, one, "of two")] {
        writer.ends(&["set", &photo, &format!("caption={text}")], 0);
        writer.sync();
        reader.sync();
        assert_eq!(caption(reader, &photo), text);
    }
    let later = world.photos("later", 5..6);
    two.import(&later);
    two.sync();
    one.sync();
    assert_eq!(one.state(), two.state());
    assert_eq!(one.json(&["list", "--count"])["count"], 2);

    // Whoever was revoked reads nothing newer, and is told why; what it says counts nowhere.
    let (code, _, said) = three.tries(&["sync"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("does not belong to the library any more"), "{said}");
    assert_eq!(
        (caption(three, &photo), three.json(&["list", "--count"])["count"].clone()),
        (String::new(), 1.into())
    );
    three.ends(&["set", &photo, "caption=of a thief"], 0);
    three.tries(&["sync"]);
    let state = one.state();
    for honest in [one, two] {
        let (_, _, said) = honest.tries(&["sync"]);
        assert!(said.contains(&ids[2]) && said.contains("it is not taken in"), "{said}");
        assert_eq!((caption(honest, &photo), honest.state()), ("of two".to_owned(), state.clone()));
    }
    // With the words everything comes back, under the new epoch as well.
    let four = world.join("four");
    four.tries(&["sync"]);
    assert_eq!((four.state(), four.json(&["list", "--count"])["count"].clone()), (one.state(), 2.into()));
    four.has_whole(&[std::fs::read(first_file(&later)).unwrap()], "exported");
}

fn first_file(folder: &Path) -> PathBuf {
    std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_revoked_device_opens_nothing_newer_and_those_who_stay_go_on_through_azure() {
    let Some(server) = Azurite::start() else { return };
    shuts_out_whoever_is_revoked(Meeting { address: server.address(), credential: Some(server.sas()) });
}

#[test]
fn a_revoked_device_opens_nothing_newer_and_those_who_stay_go_on_in_a_folder() {
    let place = tempfile::tempdir().unwrap();
    let address = format!("folder:{}", place.path().display());
    shuts_out_whoever_is_revoked(Meeting { address, credential: None });
}

#[test]
fn a_device_that_retires_says_so_with_its_last_word_and_the_others_shut_it_out() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (all, ids, photo) = three(&world);
    let [one, two, three] = all.as_slice() else { unreachable!() };
    three.ends(&["set", &photo, "caption=my last"], 0);
    three.ends(&["--yes", "device", "retire", &ids[2]], 0);
    for refused in
        [&["set", &photo, "rating=1"][..], &["trash", &photo], &["--yes", "device", "retire", &ids[1]]]
    {
        let (code, _, said) = three.tries(refused);
        assert_eq!(code, 5, "{refused:?}: {said}");
        assert!(
            said.contains("this device was retired") && said.contains("join the library again"),
            "{said}"
        );
    }
    let more = world.photos("more", 7..8);
    assert_eq!(three.tries(&["import", more.to_str().unwrap()]).0, 5);
    three.sync();
    let before = keys_files(one).len();
    one.sync();
    assert_eq!(
        (caption(one, &photo), device(one, &ids[2])["standing"].clone()),
        ("my last".into(), "retired".into())
    );
    // The first that hears of it starts an epoch without it, once.
    assert_eq!(keys_files(one).len() - before, 3);
    for _ in 0..2 {
        two.sync();
        one.sync();
    }
    assert_eq!(keys_files(one).len() - before, 3);
    one.ends(&["set", &photo, "caption=after it"], 0);
    one.sync();
    two.sync();
    three.tries(&["sync"]);
    assert_eq!((caption(two, &photo), caption(three, &photo)), ("after it".into(), "my last".into()));
    assert_eq!(one.state(), two.state());
    // Another that is retired from afar.
    two.ends(&["--yes", "device", "retire", &ids[0]], 0);
    two.ends(&["--yes", "device", "retire", &ids[1]], 5);
    assert_eq!(device(two, &ids[0])["standing"], "retired");
}

#[test]
fn two_that_revoke_each_other_are_settled_alike_everywhere() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (all, ids, photo) = three(&world);
    let [one, two, three] = all.as_slice() else { unreachable!() };
    one.ends(&["--yes", "device", "revoke", &ids[1]], 0);
    two.ends(&["--yes", "device", "revoke", &ids[0]], 0);
    for _ in 0..3 {
        all.iter().for_each(|device| drop(device.tries(&["sync"])));
    }
    // Whoever said it first.
    for witness in [one, three] {
        assert_eq!(device(witness, &ids[0])["standing"], "active");
        assert_eq!(device(witness, &ids[1])["standing"], "revoked");
    }
    three.ends(&["set", &photo, "caption=we two"], 0);
    three.tries(&["sync"]);
    one.tries(&["sync"]);
    three.tries(&["sync"]);
    assert_eq!((caption(one, &photo), one.state()), ("we two".to_owned(), three.state()));
}

#[test]
fn who_joins_while_another_is_revoked_reads_what_comes_after_it() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (all, ids, photo) = three(&world);
    let [one, two, _] = all.as_slice() else { unreachable!() };
    // Said before the newcomer was heard of, and sent after it came.
    one.ends(&["--yes", "device", "revoke", &ids[2]], 0);
    let four = world.join("four");
    four.tries(&["sync"]);
    for _ in 0..2 {
        [one, two, &four].iter().for_each(|device| drop(device.tries(&["sync"])));
    }
    one.ends(&["set", &photo, "caption=for all who stay"], 0);
    one.sync();
    two.sync();
    four.sync();
    assert_eq!((caption(&four, &photo), four.state()), ("for all who stay".to_owned(), one.state()));
    four.ends(&["set", &photo, "caption=heard"], 0);
    four.sync();
    one.sync();
    assert_eq!(caption(one, &photo), "heard");
}

#[test]
fn devices_are_told_apart_and_the_last_one_stays() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (all, ids, _) = devices(&world, &["one", "two"]);
    let [one, two] = all.as_slice() else { unreachable!() };
    one.ends(&["device", "rename", &ids[0], "Desk"], 0);
    for (arguments, code) in [
        (&["device", "rename", &ids[1], "Desk"][..], 5),
        (&["device", "rename", &ids[1], "two\nlines"], 5),
        (&["device", "rename", "nobody", "x"], 4),
        (&["device", "revoke", "nobody"], 4),
        (&["--yes", "device", "revoke", "Desk"], 5),
        // Nobody is there to be asked.
        (&["device", "retire", &ids[1]], 5),
    ] {
        let (ended, _, said) = one.tries(arguments);
        assert_eq!(ended, code, "{arguments:?}: {said}");
    }
    one.sync();
    two.sync();
    assert_eq!(device(two, &ids[0])["name"], "Desk");
    two.ends(&["device", "rename", "Desk", ""], 0);
    assert_eq!(device(two, &ids[0])["name"], Value::Null);
    two.ends(&["--yes", "device", "revoke", &ids[0]], 0);
    let (code, _, said) = two.tries(&["--yes", "device", "retire", &ids[1]]);
    assert_eq!(code, 5);
    assert!(said.contains("the only device"), "{said}");
}

#[test]
fn a_device_that_was_silent_for_ninety_days_is_waited_for_no_longer_and_comes_back_by_syncing() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let (all, ids, _) = three(&world);
    let [one, two, three] = all.as_slice() else { unreachable!() };
    let refused = |reason: &str| {
        let (code, _, said) = one.tries(&["device", "lapse", &ids[2]]);
        assert!(code == 5 && said.contains(reason), "{said}");
    };
    refused("was not silent for 90 days");
    world.let_pass(91);
    // It may have been heard of since, in a place that was not looked at.
    refused("was not silent for 90 days");
    one.sync();
    assert_eq!(one.json(&["device", "lapse", &ids[2]])["standing"], "lapsed");
    refused("was lapsed already");
    let (code, _, said) = one.tries(&["device", "lapse", &ids[0]]);
    assert!(code == 5 && said.contains("it is the one that asks"), "{said}");
    one.sync();
    two.sync();
    assert_eq!(device(two, &ids[2])["standing"], "lapsed");
    three.sync();
    three.sync();
    one.sync();
    assert_eq!(device(one, &ids[2])["standing"], "active");
    one.sync();
    assert_eq!(one.state(), three.state());
}

#[test]
fn a_join_and_a_collection_call_devices_by_their_names() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.ends(&["device", "rename", &own_id(&one), "Desk"], 0);
    one.import(&world.photos("pics", 0..2));
    one.sync();
    let two = world.device("two");
    let (code, _, told) = two.tries_to_join();
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("  device Desk was last active 20"), "{told}");
    two.ends(&["device", "rename", &own_id(&two), "Laptop"], 0);
    two.sync();
    one.sync();
    let gone = one.listed()[0]["id"].as_str().unwrap().to_owned();
    one.ends(&["trash", &gone], 0);
    one.ends(&["trash", "empty", "--yes"], 0);
    one.sync();
    let told = one.ends(&["--dry-run", "remote", "collect", "place"], 0);
    assert!(told.contains("not agreed yet: device Laptop;"), "{told}");
    let plan = one.json(&["--dry-run", "remote", "collect", "place"]);
    assert_eq!(
        plan["waiting"][0]["devices"],
        serde_json::json!([own_id(&two)]),
        "programs get the id: {plan}"
    );
    assert_eq!(plan["waiting"][0]["called"], serde_json::json!(["Laptop"]));
}

#[test]
fn a_piece_that_was_written_after_a_revocation_is_taken_over_by_who_believes_it() {
    let place = tempfile::tempdir().unwrap();
    let address = format!("folder:{}", place.path().display());
    let world = World::new(Meeting { address, credential: None });
    let (all, ids, photo) = three(&world);
    let [one, two, three] = all.as_slice() else { unreachable!() };
    one.ends(&["--yes", "device", "revoke", &ids[2]], 0);
    one.sync();
    two.sync();
    let pieces = |of: &Device<'_>| of.json(&["device", "quarantine"])["pieces"].as_array().unwrap().clone();
    assert!(pieces(one).is_empty());

    // It has not heard of it, and goes on: a photo, then a caption.
    three.import(&world.photos("later", 5..6));
    three.tries(&["sync"]);
    three.ends(&["set", &photo, "caption=before it was lost"], 0);
    three.tries(&["sync"]);
    one.tries(&["sync"]);
    let shown = pieces(one);
    let names: Vec<&str> = shown.iter().map(|piece| piece["piece"].as_str().unwrap()).collect();
    let adds: u64 = shown.iter().map(|piece| piece["adds"].as_u64().unwrap()).sum();
    assert!(names.len() >= 2 && adds == 1, "{shown:?}");
    assert!(shown.iter().all(|piece| piece["device"] == ids[2].as_str() && piece["is_ahead"] == false));
    assert_eq!(one.json(&["list", "--count"])["count"], 1, "looking changes nothing");

    // In their order, each by itself, and by nobody else.
    let another_root = names[0].replace(|digit: char| digit.is_ascii_digit(), "0");
    for wrong in [*names.last().unwrap(), names[0].split('-').next().unwrap(), &another_root] {
        let (code, _, said) = one.tries(&["device", "quarantine", "accept", &ids[2], wrong]);
        assert!(code == 5 && said.contains("not the next"), "{code}: {said}");
    }
    let mut left = names.len();
    for name in &names {
        one.ends(&["device", "quarantine", "accept", &ids[2], name], 0);
        left -= 1;
        assert_eq!(pieces(one).len(), left);
    }
    assert_eq!(caption(one, &photo), "before it was lost");
    for _ in 0..2 {
        one.sync();
        two.sync();
    }
    assert_eq!(
        (two.json(&["list", "--count"])["count"].clone(), caption(two, &photo)),
        (2.into(), caption(one, &photo))
    );
    assert_eq!(one.state(), two.state());
    assert_eq!(device(two, &ids[2])["standing"], "revoked");
    // What it says from then on is not taken in.
    three.ends(&["set", &photo, "caption=of a thief"], 0);
    three.tries(&["sync"]);
    one.tries(&["sync"]);
    assert_eq!(caption(one, &photo), "before it was lost");
    assert_eq!(pieces(one).len(), 1);
    // What a thief puts there stops nobody from looking at the rest.
    let log = place.path().join("log").join(&ids[2]);
    let mut segments: Vec<PathBuf> =
        std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    std::fs::write(segments.last().unwrap(), b"no segment").unwrap();
    let (code, said, _) = one.tries(&["--json", "device", "quarantine"]);
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, told["pieces"].as_array().unwrap().len()), (1, 0), "{said}");
    assert_eq!(told["problems"].as_array().unwrap().len(), 1, "{said}");
    let (code, _, said) = two.tries(&["device", "quarantine", "accept", "nobody", "1"]);
    assert_eq!(code, 4, "{said}");
}
