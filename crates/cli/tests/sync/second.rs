//! A second place and making room, on the built program.

use safelight_servers::Azurite;

use crate::devices::{Meeting, World};

#[test]
fn a_second_place_is_filled_compared_and_drilled() {
    let place = tempfile::tempdir().unwrap();
    let address = format!("folder:{}", place.path().display());
    let world = World::new(Meeting { address, credential: None });
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
