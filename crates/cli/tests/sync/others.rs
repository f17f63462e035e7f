//! What another device keeps in a place for itself: its keys file and its head. What is missing or hurt is named with who
//! mends it, and mended by whoever can.

use crate::devices::{World, files_in, flip};

#[test]
fn a_lost_keys_file_of_another_device_is_named_with_its_owner_and_put_again_by_whoever_has_it() {
    for is_removed in [true, false] {
        let place = tempfile::tempdir().unwrap();
        let world = World::in_folder(place.path());
        let one = world.first("one");
        one.import(&world.photos("pics", 0..1));
        one.sync();
        let before = files_in(&place.path().join("keys"));
        let two = world.join("two");
        two.sync();
        one.sync();
        let mut keys = files_in(&place.path().join("keys"));
        keys.retain(|path| !before.contains(path));
        let [keys] = keys.as_slice() else { panic!("{keys:?}") };
        let owner = keys.file_name().unwrap().to_str().unwrap();
        let harm = || if is_removed { std::fs::remove_file(keys).unwrap() } else { flip(keys) };
        let whole = std::fs::read(keys).unwrap();
        harm();
        for _ in 0..2 {
            let told = one.ends(&["verify", "--remote", "--all"], 6);
            let by_whom = format!("only device {owner}");
            assert!(told.contains("keys/") && told.contains(&by_whom), "{told}");
        }
        if is_removed {
            // Its owner looks for it once a day.
            two.sync();
            assert!(!keys.exists());
            world.let_pass(2);
            two.sync();
        } else {
            two.ends(&["verify", "--remote", "--all"], 6);
            two.sync();
        }
        assert_eq!(std::fs::read(keys).unwrap(), whole);
        one.ends(&["verify", "--remote", "--all"], 0);
        // Whoever has seen it whole puts it there as well.
        harm();
        let told = one.ends(&["verify", "--remote", "--all"], 6);
        assert!(told.contains(owner), "{told}");
        assert_eq!(std::fs::read(keys).unwrap(), whole);
        for device in [&one, &two] {
            device.ends(&["verify", "--remote", "--all"], 0);
            device.ends(&["verify"], 0);
        }
    }
}

#[test]
fn what_a_device_that_never_was_in_a_place_does_not_keep_there_is_not_missed() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    one.sync();
    let two = world.join("two");
    two.import(&world.photos("more", 1..2));
    two.sync();
    let cellar = tempfile::tempdir().unwrap();
    one.ends(&["remote", "add", "cellar", &format!("folder:{}", cellar.path().display())], 0);
    one.sync();
    for _ in 0..2 {
        one.ends(&["verify", "--remote", "--all"], 0);
        one.sync();
    }
}

#[test]
fn a_hurt_head_is_named_with_whose_it_is_and_written_anew_by_its_device() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    one.sync();
    let two = world.join("two");
    two.sync();
    let heads = files_in(&place.path().join("head"));
    assert_eq!(heads.len(), 2);
    heads.iter().for_each(|head| flip(head));
    let (code, out, told) = one.tries(&["verify", "--remote", "--all"]);
    let said = format!("{out}{told}");
    assert_eq!(code, 0, "nothing is lost: {said}");
    assert!(said.contains("whole again") && said.contains("it only says how far device"), "{said}");
    for head in &heads {
        assert!(said.contains(head.file_name().unwrap().to_str().unwrap()), "{said}");
    }
    let (_, out, told) = two.tries(&["verify", "--remote", "--all"]);
    assert!(format!("{out}{told}").contains("whole again"), "{out}{told}");
    let (code, out, told) = one.tries(&["verify", "--remote", "--all"]);
    assert!(code == 0 && !format!("{out}{told}").contains("head/"), "{out}{told}");
}
