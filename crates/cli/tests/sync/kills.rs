//! A sync that is killed, two at once, a folder that comes back from a backup.

use std::time::Duration;

use crate::devices::{Meeting, World, photo};

fn folder_world(place: &tempfile::TempDir) -> World {
    World::new(Meeting { address: format!("folder:{}", place.path().display()), credential: None })
}

#[test]
fn a_sync_that_is_killed_again_and_again_ends_as_if_it_had_not_been() {
    let kills = std::env::var("SAFELIGHT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6_u64);
    let place = tempfile::tempdir().unwrap();
    let world = folder_world(&place);
    let one = world.first("one");
    one.import(&world.photos("pics", 0..12));
    for kill in 0..kills {
        let mut child = one.command(&["sync"]).spawn().unwrap();
        // Spread over the time that a sync takes, start-up and unlocking included.
        std::thread::sleep(Duration::from_millis(150 + kill * 1000 / kills));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    let two = world.join("two");
    assert_eq!(one.listed(), two.listed());
    two.has_whole(&(0..12).map(photo).collect::<Vec<_>>(), "out");
}

#[test]
fn two_syncs_at_once_do_no_harm() {
    let place = tempfile::tempdir().unwrap();
    let world = folder_world(&place);
    let one = world.first("one");
    one.import(&world.photos("pics", 0..6));
    let mut children = [(); 2].map(|()| one.command(&["sync"]).spawn().unwrap());
    for child in &mut children {
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(0 | 5)), "one syncs, the other may be refused: {code:?}");
    }
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
}

#[test]
fn a_sync_is_not_held_off_by_who_renders_in_the_background() {
    let place = tempfile::tempdir().unwrap();
    let world = folder_world(&place);
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    // As the background takes its turn.
    let turn = std::fs::File::open(one.folder().join("objects")).unwrap();
    turn.lock().unwrap();
    one.sync();
}

#[test]
fn a_lost_original_is_fetched_again() {
    let place = tempfile::tempdir().unwrap();
    let world = folder_world(&place);
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.sync();
    std::fs::remove_dir_all(one.folder().join("objects/o")).unwrap();
    one.ends(&["verify"], 6);
    one.has_whole(&(0..3).map(photo).collect::<Vec<_>>(), "out");
    one.ends(&["verify"], 0);
}

#[test]
fn what_another_device_never_sent_is_taken_from_the_card_and_outlives_that_device() {
    let place = tempfile::tempdir().unwrap();
    let world = folder_world(&place);
    let one = world.first("one");
    let card = world.photos("card", 0..3);
    let tiny = photo(20)[..20_000].to_vec();
    std::fs::write(card.join("tiny-20.jpg"), &tiny).unwrap();
    one.import(&card);
    // History is published, the originals wait.
    one.ends(&["remote", "set", "place", "policy=selective"], 0);
    one.sync();
    let two = world.join("two");
    assert_eq!(two.listed().len(), 4);
    two.import(&card);
    std::fs::remove_dir_all(&card).unwrap();
    std::fs::remove_dir_all(one.folder()).unwrap();

    let mut originals: Vec<_> = (0..3).map(photo).collect();
    originals.push(tiny);
    two.ends(&["verify"], 0);
    two.has_whole(&originals, "out");
    // And they go on from there as if they had been taken there first.
    two.sync();
    assert_eq!(two.json(&["list", "--count", "--", "sync:synced"])["count"], 4);
    world.join("three").has_whole(&originals, "out-three");
}

#[test]
fn what_a_remote_holds_is_known_and_is_not_taken_twice() {
    let place = tempfile::tempdir().unwrap();
    let world = folder_world(&place);
    let one = world.first("one");
    let card = world.photos("card", 0..3);
    one.import(&card);
    one.sync();
    let two = world.join("two");
    two.sync();
    let report = two.json(&["import", "--settle=0", card.to_str().unwrap()]);
    assert_eq!((&report["known"], &report["imported"]), (&3.into(), &0.into()), "{report}");
    assert!(!two.folder().join("objects/o").exists(), "nothing was sealed a second time");
}

#[test]
fn a_lost_original_is_healed_by_importing_a_backup_of_its_file() {
    let place = tempfile::tempdir().unwrap();
    let world = folder_world(&place);
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    std::fs::remove_dir_all(world.path("pics")).unwrap();
    // Nobody has verified since, so that no damage is known.
    std::fs::remove_dir_all(one.folder().join("objects/o")).unwrap();
    one.import(&world.photos("backup", 0..3));
    one.ends(&["verify"], 0);
    one.has_whole(&(0..3).map(photo).collect::<Vec<_>>(), "out");
}

#[test]
fn a_watching_sync_waits_while_another_one_runs_and_goes_on() {
    use std::io::{BufRead as _, BufReader};

    let place = tempfile::tempdir().unwrap();
    let world = folder_world(&place);
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    // As another sync takes its turn.
    let turn = std::fs::File::open(one.folder().join("tmp")).unwrap();
    turn.lock().unwrap();
    one.ends(&["sync"], 5);
    let mut child = one.command(&["sync", "--watch", "--every", "1"]).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(told.any(|line| line.contains("another sync")), "it ended: {:?}", child.try_wait());
    turn.unlock().unwrap();
    assert!(told.any(|line| line.contains("2 originals")), "it did not go on: {:?}", child.try_wait());
    child.kill().unwrap();
    child.wait().unwrap();
    one.ends(&["verify", "--remote"], 0);
}

#[test]
fn a_remote_that_is_away_does_not_keep_the_others_from_being_verified() {
    let (place, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = folder_world(&place);
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.ends(&["remote", "add", "cellar", &format!("folder:{}", second.path().display())], 0);
    one.sync();
    let away = place.path().with_extension("away");
    std::fs::rename(place.path(), &away).unwrap();
    let reports = one.json_ending(&["verify", "--remote", "--all"], 1);
    let of = |name: &str| {
        let found = reports.as_array().unwrap().iter().find(|report| report["remote"] == name);
        found.unwrap().clone()
    };
    assert!(of("place")["error"].as_str().unwrap().contains("no folder"), "{reports}");
    let cellar = of("cellar");
    assert_eq!((&cellar["error"], &cellar["damaged"]), (&serde_json::Value::Null, &serde_json::json!([])));
    assert!(cellar["proven_objects"].as_u64().unwrap() >= 2, "{reports}");
    one.ends(&["verify", "--remote", "place"], 4);
    std::fs::rename(&away, place.path()).unwrap();
    one.ends(&["verify", "--remote", "--all"], 0);
}
