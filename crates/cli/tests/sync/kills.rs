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
