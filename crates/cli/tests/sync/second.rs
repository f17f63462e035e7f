//! A second place and making room, on the built program.

use safelight_servers::Azurite;

use crate::devices::{Device, Meeting, World, photo};
use crate::pictures;

#[test]
fn a_second_place_is_filled_compared_and_drilled() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..5));
    one.sync();
    let two = world.join("two");
    let second = tempfile::tempdir().unwrap();
    two.ends(&["remote", "add", "cellar", &format!("folder:{}", second.path().display())], 0);
    let name = two.json(&["remote", "list"])[0]["name"].as_str().unwrap().to_owned();

    let compared = two.json(&["remote", "compare", &name, "cellar"]);
    assert_eq!(compared["originals"]["in_first"]["objects"], 5);
    assert_eq!(compared["originals"]["only_first"]["objects"], 5);
    let outcome = two.json(&["remote", "replicate", &name, "cellar"]);
    assert_eq!((&outcome["missing_objects"], &outcome["problems"]), (&0.into(), &serde_json::json!([])));
    let compared = two.json(&["remote", "compare", &name, "cellar"]);
    assert_eq!(compared["originals"]["in_second"]["objects"], 5);
    assert_eq!(compared["originals"]["only_first"]["objects"], 0);
    two.ends(&["verify", "--remote", "cellar", "--all"], 0);

    let drilled = two.json(&["verify", "--remote", "cellar", "--drill", "3"]);
    assert_eq!((&drilled[0]["drawn_originals"], &drilled[0]["restored_originals"]), (&3.into(), &3.into()));
    // What one place gave back is said, also when another is away.
    let away = second.path().with_extension("away");
    std::fs::rename(second.path(), &away).unwrap();
    let drilled = two.json_ending(&["verify", "--drill", "3", "--remote"], 1);
    std::fs::rename(&away, second.path()).unwrap();
    assert_eq!((&drilled[0]["remote"], &drilled[0]["restored_originals"]), (&name.into(), &3.into()));
    assert!(drilled[1]["error"].is_string(), "{drilled}");
    let mut parts = Vec::new();
    let mut folders = vec![second.path().join("o")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { &mut folders } else { &mut parts }.push(entry);
        }
    }
    let mut bytes = std::fs::read(&parts[0]).unwrap();
    bytes[700] ^= 1;
    std::fs::write(&parts[0], bytes).unwrap();
    let told = two.ends(&["verify", "--remote", "cellar", "--drill", "100"], 6);
    assert!(told.contains("damaged  cellar"), "{told}");
    two.ends(&["remote", "replicate", "cellar", "cellar"], 5);
    two.ends(&["remote", "compare", "nowhere"], 4);
}

#[test]
fn what_was_removed_for_good_waits_for_the_other_device_and_for_time() {
    let Some(server) = Azurite::start() else { return };
    let (address, credential) = (server.address(), Some(server.sas()));
    let world = World::new(Meeting { address, credential });
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.sync();
    let two = world.join("two");
    two.sync();
    let gone = one.listed()[0]["id"].as_str().unwrap().to_owned();
    one.ends(&["trash", &gone], 0);
    one.ends(&["trash", "empty", "--yes"], 0);
    one.sync();
    let name = one.json(&["remote", "list"])[0]["name"].as_str().unwrap().to_owned();
    let plan = one.json(&["--dry-run", "remote", "collect", &name]);
    assert_eq!(plan["ready_objects"], 0);
    assert_eq!(plan["waiting"][0]["waits_for"], "devices", "{plan}");
    assert_eq!(plan["waiting"][0]["devices"].as_array().unwrap().len(), 1);
    two.sync();
    let plan = one.json(&["--dry-run", "remote", "collect", &name]);
    assert_eq!(
        (&plan["waiting"][0]["waits_for"], &plan["waiting"][0]["objects"]),
        (&"time".into(), &1.into())
    );
    assert!(plan["waiting"][0]["until"].as_str().unwrap().starts_with("20"), "{plan}");
    one.ends(&["remote", "collect", &name], 5);
    let output = one.command(&["--yes", "--json", "remote", "collect", &name]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("may go now") && told.contains("waits"),
        "the plan comes before the deletion: {told}"
    );
    let done = one.json(&["--yes", "remote", "collect", &name]);
    assert_eq!((&done["deleted_objects"], &done["hindrances"]), (&0.into(), &serde_json::json!([])));
    two.ends(&["verify", "--remote", "--all"], 0);
}

/// Device one meets three in the first place and two in the second, which knows nothing of the first.
fn between_two_places(order: [&str; 2], is_kept: bool) {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let address = |place: &tempfile::TempDir| format!("folder:{}", place.path().display());
    let world = World::new(Meeting { address: address(&first), credential: None });
    let one = world.alone("one");
    for name in order {
        one.add_remote(name, &address(if name == "place" { &first } else { &second }));
    }
    one.import(&world.photos("pics", 0..1));
    one.sync();
    if is_kept {
        one.ends(&["local", "set", "originals=keep-all"], 0);
    }
    let two = world.join_at("two", &address(&second));
    let three = world.join("three");
    // Three publishes more than once, and was never in the second place.
    for (name, seed) in [("more", 7_u64), ("small", 5)] {
        let folder = world.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        let bytes = if name == "small" { pictures::photo(seed) } else { photo(seed) };
        std::fs::write(folder.join(format!("{name}.jpg")), bytes).unwrap();
        three.import(&folder);
        three.sync();
    }
    // In the order in which the places were connected: what came from the later one goes to the other with the next run.
    let runs = if order[0] == "place" { 1 } else { 2 };
    for _ in 0..runs {
        one.sync();
    }
    two.sync();
    assert_eq!(two.listed(), three.listed(), "history of the third device arrives");
    assert_eq!(two.listed().len(), 3);
    assert!(two.thumbnail("small.jpg").is_some(), "its thumbnails too");
    if !is_kept {
        let shown = one.json(&["show", "more.jpg"]);
        let reason = shown["sync"].as_array().unwrap().iter().find(|standing| standing["remote"] == "cellar");
        let reason = reason.unwrap()["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("safelight remote replicate place cellar"), "{reason}");
        one.ends(&["remote", "replicate", "place", "cellar"], 0);
    }
    two.has_whole(&[photo(0), photo(7), pictures::photo(5)], "out");
}

#[test]
fn what_one_place_brings_goes_to_the_next_in_the_same_run() {
    between_two_places(["place", "cellar"], true);
}

#[test]
fn what_the_later_place_brings_goes_to_the_earlier_with_the_next_run() {
    between_two_places(["cellar", "place"], true);
}

#[test]
fn originals_that_are_not_kept_go_from_place_to_place_by_replicating() {
    between_two_places(["place", "cellar"], false);
    between_two_places(["cellar", "place"], false);
}

/// Two photos that rest by themselves, and one that rests in a pack.
fn import_two_and_a_small_one(world: &World, device: &Device<'_>) {
    let folder = world.photos("photos", 0..2);
    std::fs::write(folder.join("tiny-9.jpg"), &photo(9)[..30_000]).unwrap();
    device.import(&folder);
}

#[test]
fn what_one_device_purges_and_another_imports_again_is_in_the_trash() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    import_two_and_a_small_one(&world, &one);
    one.sync();
    let two = world.join("two");
    two.sync();
    one.ends(&["trash", "type:photo"], 0);
    one.ends(&["--yes", "trash", "empty"], 0);
    // Two of three come from a card, which is wiped then: who imports is told that they are known.
    let card = world.path("card");
    std::fs::create_dir(&card).unwrap();
    std::fs::write(card.join("DSC1.jpg"), photo(0)).unwrap();
    std::fs::write(card.join("DSC2.jpg"), &photo(9)[..30_000]).unwrap();
    two.import(&card);
    let listed = two.listed();
    two.import(&card);
    assert_eq!(two.listed(), listed);
    std::fs::remove_dir_all(&card).unwrap();
    for _ in 0..3 {
        two.sync();
        one.sync();
    }
    let trashed = |device: &Device<'_>| {
        assert_eq!(device.json(&["list"]).as_array().unwrap().len(), 0);
        let trashed = device.json(&["list", "is:trashed"]);
        let trashed = trashed.as_array().unwrap().iter();
        let mut paths: Vec<_> = trashed.map(|asset| asset["path"].as_str().unwrap().to_owned()).collect();
        paths.sort();
        paths
    };
    assert_eq!(trashed(&one), ["PLANTED-photos-0.jpg", "tiny-9.jpg"]);
    assert_eq!(trashed(&one), trashed(&two));
    one.ends(&["trash", "restore", "--all"], 0);
    one.has_whole(&[photo(0), photo(9)[..30_000].to_vec()], "exported");

    // Nobody imports it meanwhile: now a purge goes through.
    one.ends(&["trash", "type:photo"], 0);
    one.ends(&["--yes", "trash", "empty"], 0);
    one.sync();
    two.sync();
    assert_eq!(trashed(&two), [""; 0]);
}

#[test]
fn what_one_device_purges_and_another_restores_is_in_the_cloud_only() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    import_two_and_a_small_one(&world, &one);
    one.sync();
    let two = world.join("two");
    one.ends(&["trash", "type:photo"], 0);
    one.sync();
    two.sync();
    two.ends(&["trash", "restore", "--all"], 0);
    one.ends(&["--yes", "trash", "empty"], 0);
    for _ in 0..2 {
        two.sync();
        one.sync();
    }
    let states = || {
        let listed = one.json(&["list"]);
        let listed = listed.as_array().unwrap().iter();
        listed.map(|asset| asset["sync"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(), ["cloud-only"; 3], "the restore stands, and here is nothing");
    one.ends(&["verify"], 0);
    one.ends(&["local", "fetch", "--all"], 0);
    one.ends(&["verify"], 0);
    assert_eq!(states(), ["synced"; 3]);
}
