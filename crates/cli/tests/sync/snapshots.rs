//! Snapshots: moments with a name, what they hold, and the schedule that makes them.

use crate::devices::{Device, World};

fn names(device: &Device<'_>) -> Vec<String> {
    let listed = device.json(&["snapshot"]);
    let snapshots = listed["snapshots"].as_array().unwrap();
    snapshots.iter().map(|snapshot| snapshot["name"].as_str().unwrap().to_owned()).collect()
}

fn count_at(device: &Device<'_>, moment: &str) -> usize {
    device.json(&["list", "--at", moment]).as_array().unwrap().len()
}

#[test]
fn a_snapshot_shows_what_was_on_every_device_and_holds_it() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    // One that lay in the trash already is not held.
    one.ends(&["trash", "PLANTED-pics-2.jpg"], 0);
    one.ends(&["set", "PLANTED-pics-0.jpg", "caption=Harbour"], 0);
    one.ends(&["snapshot", "add", "Before the move"], 0);
    one.ends(&["set", "PLANTED-pics-0.jpg", "caption=Quay"], 0);
    one.import(&world.photos("more", 3..5));
    one.ends(&["--yes", "trash", "type:photo"], 0);
    assert_eq!((one.listed().len(), count_at(&one, "Before the move")), (0, 2));
    let shown = one.json(&["show", "--at", "Before the move", "PLANTED-pics-0.jpg"]);
    assert_eq!(shown["caption"], "Harbour");

    let plan = one.json(&["--dry-run", "trash", "empty"]);
    assert_eq!((plan["photos"].as_u64(), plan["in_snapshots"].as_u64()), (Some(3), Some(2)), "{plan}");
    one.ends(&["--yes", "trash", "empty"], 0);
    one.sync();

    let two = world.join("two");
    two.sync();
    assert_eq!(names(&two), ["Before the move"]);
    assert_eq!(count_at(&two, "Before the move"), 2);
    let report = two.json(&["--yes", "restore", "--to", "Before the move"]);
    assert_eq!((report["changed"].as_array().unwrap().len(), report["removed_since"].as_u64()), (2, Some(1)));
    two.sync();
    one.sync();
    assert_eq!(one.json(&["show", "PLANTED-pics-0.jpg"])["caption"], "Harbour");

    two.ends(&["snapshot", "remove", "Before the move"], 0);
    two.sync();
    one.sync();
    assert!(names(&one).is_empty());
    one.ends(&["--yes", "trash", "type:photo"], 0);
    let report = one.json(&["--yes", "trash", "empty"]);
    assert_eq!(report["purged"], 2, "{report}");
}

#[test]
fn names_are_told_apart_from_moments_and_from_each_other() {
    let world = World::in_folder(std::path::Path::new("/nowhere"));
    let one = world.alone("one");
    one.ends(&["snapshot", "add", "Spring"], 0);
    for name in ["Spring", "yesterday", "2026-05-14", "3 days ago", "", "two\nlines"] {
        one.ends(&["snapshot", "add", name], 5);
    }
    one.ends(&["snapshot", "add"], 0);
    assert_eq!(names(&one).len(), 2);
    one.ends(&["snapshot", "remove", "Autumn"], 5);
    let (code, _, told) = one.tries(&["list", "--at", "Autumn"]);
    assert!(code == 2 && told.contains("there is none of this name"), "{told}");
    one.ends(&["snapshot", "schedule", "daily", "--keep", "7y"], 2);
    // It is a change like any other.
    one.ends(&["undo"], 0);
    assert_eq!(names(&one), ["Spring"]);
}

#[test]
fn the_schedule_makes_one_a_day_and_keeps_what_it_says() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    one.ends(&["snapshot", "add", "By hand"], 0);
    one.ends(&["snapshot", "schedule", "daily", "--keep", "3d"], 0);
    one.sync();
    let two = world.join("two");
    for day in 0..5 {
        // The first device of the day makes it, and the other has heard of it when it is asked.
        one.sync();
        one.sync();
        two.sync();
        assert_eq!(names(&one).len(), 1 + 3.min(day + 1), "on day {day}: {:?}", names(&one));
        world.let_pass(1);
    }
    assert!(names(&two).contains(&"By hand".to_owned()), "{:?}", names(&two));
    one.ends(&["snapshot", "schedule", "off"], 0);
    one.sync();
    assert_eq!(names(&one).len(), 4);
    assert!(one.json(&["snapshot"])["schedule"].is_null());
}
