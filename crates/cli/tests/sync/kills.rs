//! Processes that are killed, two at once.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::devices::{Device, World, photo};

/// How often something is killed: `SAFELIGHT_KILLS`, or as often as a test says that fits into every run.
pub(crate) fn kills_or(otherwise: u64) -> u64 {
    std::env::var("SAFELIGHT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A number between 0 and 1 for each seed.
fn chance(seed: u64) -> f64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()) / f64::from(u32::MAX)
}

/// Waits until a process has the library's databases open: what it was started for begins now.
fn begins(child: &mut Child, device: &Device<'_>) -> bool {
    let folder = format!("/proc/{}/fd", child.id());
    let database = device.folder().join("catalog.db");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) && child.try_wait().unwrap().is_none() {
        let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        if files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|path| path == database) {
            return true;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    false
}

/// Starts a command and ends it with SIGKILL at a random moment of its work. Answers whether it was at work then:
/// the library open, the process not yet done.
pub(crate) fn kill_at_random(
    mut command: Command,
    device: &Device<'_>,
    seed: u64,
    within_millis: u64,
) -> bool {
    let mut child = command.spawn().unwrap();
    if begins(&mut child, device) {
        std::thread::sleep(Duration::from_millis(within_millis).mul_f64(chance(seed)));
    }
    child.kill().unwrap();
    child.wait().unwrap().signal() == Some(9)
}

/// Kills a device so often, in the middle of imports, edits and syncs; answers how many landed while work was going
/// on. Each seed is printed.
pub(crate) fn kill_often(world: &World, device: &Device<'_>, first_photo: u64, kills: u64) -> u64 {
    let mut landed = 0;
    let begun = Instant::now();
    device.sync();
    // About as long as the work takes: kills are spread over that.
    let within = u64::try_from(begun.elapsed().as_millis()).unwrap().clamp(60, 600);
    for kill in 0..kills {
        let seed = 1000 * first_photo + kill;
        let folder = world
            .photos(&format!("killed-{}-{kill}", device.name()), first_photo + kill..first_photo + kill + 1);
        let has_landed = match kill % 3 {
            0 => {
                let import = device.command(&["import", folder.to_str().unwrap()]);
                kill_at_random(import, device, seed, within)
            }
            _ => {
                device.import(&folder);
                kill_at_random(device.command(&["sync"]), device, seed, within)
            }
        };
        println!("kill {kill}, seed {seed}: {}", if has_landed { "at work" } else { "done before" });
        landed += u64::from(has_landed);
        // What a killed import did not do, another one does.
        device.import(&folder);
    }
    landed
}

#[test]
fn a_sync_that_is_killed_again_and_again_ends_as_if_it_had_not_been() {
    let kills = kills_or(6);
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..12));
    for kill in 0..kills {
        kill_at_random(one.command(&["sync"]), &one, kill, 400);
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
    let world = World::in_folder(place.path());
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
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    // As the background takes its turn.
    let turn = std::fs::File::open(one.folder().join("objects")).unwrap();
    turn.lock().unwrap();
    one.sync();
}

#[test]
fn two_devices_that_sync_at_once_end_equal() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.sync();
    let two = world.join("two");
    for round in 0..3 {
        one.import(&world.photos(&format!("one-{round}"), 10 * round..10 * round + 3));
        two.import(&world.photos(&format!("two-{round}"), 10 * round + 2..10 * round + 6));
        let mut children = [&one, &two].map(|device| device.command(&["sync"]).spawn().unwrap());
        for child in &mut children {
            assert_eq!(child.wait().unwrap().code(), Some(0), "round {round}");
        }
    }
    for device in [&one, &two, &one] {
        device.sync();
    }
    assert_eq!(one.state(), two.state());
    assert_eq!(one.listed(), two.listed());
    one.ends(&["verify", "--remote", "--all"], 0);
    two.ends(&["verify", "--remote", "--all"], 0);
}

#[test]
fn a_lost_original_is_fetched_again() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
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
    let world = World::in_folder(place.path());
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
    let world = World::in_folder(place.path());
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
    let world = World::in_folder(place.path());
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
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    // As another sync takes its turn.
    let turn = std::fs::File::create(one.folder().join("sync.lock")).unwrap();
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
    let world = World::in_folder(place.path());
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
