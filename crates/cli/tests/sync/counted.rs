//! What counts as a place that holds a photo, and what is said of one that no place holds.

use crate::devices::{World, files_in, photo};
use crate::pictures;

#[test]
fn what_was_freed_and_is_in_no_place_any_more_is_not_called_safe() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    one.ends(&["local", "free", "--all", "--yes"], 0);
    assert!(one.ends(&["status", "--check"], 0).starts_with("3 photos safe in 1 place"));
    // What is freed already does not stay, and is no failure.
    one.import(&world.photos("more", 3..4));
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    one.ends(&["local", "free", "--all", "--yes"], 0);

    one.ends(&["remote", "remove", "place", "--yes"], 0);
    let status = one.ends(&["status", "--check"], 1);
    assert!(status.starts_with("0 photos safe in 0 places"), "{status}");

    // The place comes back empty: nobody has them, and nobody is said to.
    std::fs::remove_dir_all(place.path()).unwrap();
    std::fs::create_dir(place.path()).unwrap();
    one.add_remote("place", &format!("folder:{}", place.path().display()));
    one.sync();
    let (code, out, _) = one.tries(&["verify"]);
    assert_eq!((code, out.matches("it is missing").count()), (6, 4), "{out}");
    let shown = one.ends(&["show", one.listed()[0]["id"].as_str().unwrap()], 0);
    assert!(shown.contains("no other device ever had it: import its file again"), "{shown}");
    one.ends(&["status", "--check"], 1);

    // And its file is what brings one back.
    one.import(&world.path("pics"));
    one.sync();
    assert!(one.ends(&["status"], 0).starts_with("3 photos safe in 2 places"));
}

#[test]
fn one_place_under_two_names_is_one_place() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.sync();
    one.add_remote("again", &format!("folder:{}", place.path().display()));
    let (code, _, told) = one.tries(&["sync"]);
    assert!(code != 0 && told.contains("the id of another remote"), "{told}");
    let photo = one.listed()[0]["id"].as_str().unwrap().to_owned();
    let places = || one.json(&["show", &photo])["places"].as_array().unwrap().len();
    assert_eq!(places(), 2);
    let status = one.ends(&["status"], 0);
    assert!(status.starts_with("2 photos safe in 2 places"), "{status}");
    one.ends(&["verify", "--remote", "place", "--all"], 0);
    one.ends(&["local", "free", "--all", "--yes"], 0);
    assert_eq!(places(), 1);
    assert_eq!(one.json(&["list", "places:<2"]).as_array().unwrap().len(), 2);
}

#[test]
fn an_on_demand_place_that_nobody_asked_waits_for_nothing() {
    let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.sync();
    one.add_remote("shelf", &format!("folder:{}", other.path().display()));
    one.ends(&["remote", "set", "shelf", "policy=on-demand"], 0);
    one.sync();
    one.ends(&["verify", "--remote", "place", "--all"], 0);
    one.ends(&["local", "free", "--all", "--yes"], 0);
    one.sync();
    let status = one.ends(&["status"], 0);
    assert!(status.starts_with("3 photos safe in 1 place, 0 waiting, 0 failed"), "{status}");
}

#[test]
fn a_small_photo_that_was_removed_for_good_elsewhere_is_missed_by_nobody_after_a_loss() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    one.sync();
    let two = world.join("two");
    let small = world.path("small");
    std::fs::create_dir(&small).unwrap();
    for seed in [5, 6] {
        std::fs::write(small.join(format!("{seed}.jpg")), pictures::photo(seed)).unwrap();
    }
    two.import(&small);
    two.sync();
    one.sync();
    let gone =
        one.listed().into_iter().find(|item| item["path"].as_str().unwrap().ends_with("5.jpg")).unwrap();
    one.ends(&["trash", gone["id"].as_str().unwrap()], 0);
    one.ends(&["trash", "empty", "--yes"], 0);
    for device in [&one, &two, &one, &two] {
        device.sync();
    }
    std::fs::remove_dir_all(two.folder().join("objects")).unwrap();
    two.sync();
    two.tries(&["verify"]);
    two.sync();
    two.ends(&["verify"], 0);
    two.ends(&["doctor"], 0);
    two.has_whole(&[photo(0), pictures::photo(6)], "out");
}

#[test]
fn what_is_no_file_in_the_place_of_an_object_stops_nothing_else() {
    for area in ["log", "o", "t"] {
        for what in ["folder", "link"] {
            let place = tempfile::tempdir().unwrap();
            let world = World::in_folder(place.path());
            let one = world.first("one");
            one.import(&world.photos("pics", 0..2));
            std::fs::write(world.path("pics/small.jpg"), pictures::photo(5)).unwrap();
            one.import(&world.path("pics"));
            one.sync();
            let two = world.join("two");
            two.import(&world.photos("of-two", 2..3));
            two.sync();
            one.sync();
            let found = files_in(&place.path().join(area));
            // Of a chain not the beginning, without which nobody can join, nor the end, without which the place went back.
            let is_middle = |path: &&std::path::PathBuf| area != "log" || path.ends_with("0000000002");
            let hurt = found.iter().find(is_middle).unwrap();
            std::fs::remove_file(hurt).unwrap();
            match what {
                "folder" => std::fs::create_dir(hurt).unwrap(),
                _ => std::os::unix::fs::symlink("/nowhere", hurt).unwrap(),
            }
            // Whoever has a photo of its own sends it, and everything else is looked at.
            two.import(&world.photos("later", 7..8));
            let (_, out, told) = two.tries(&["sync"]);
            assert!(place.path().join("o").exists(), "{out}{told}");
            let (code, out, told) = one.tries(&["verify", "--remote", "--all"]);
            let name = hurt.file_name().unwrap().to_str().unwrap();
            assert!(code == 6 && format!("{out}{told}").contains(name), "{area} {what}: {code} {out}{told}");
            one.tries(&["sync"]);
            two.tries(&["sync"]);
            let (_, out, told) = one.tries(&["sync"]);
            assert_eq!(one.listed().len(), 5, "{area} {what}: {out}{told}");
            let three = world.device("three");
            let words = world.words();
            let address = format!("folder:{}", place.path().display());
            let join = ["--recovery-file", words.to_str().unwrap(), "join", &address, "--name", "place"];
            let (code, out, told) = three.tries(&join);
            assert!(code <= 1, "{area} {what}: {code} {out}{told}");
        }
    }
}

#[test]
fn a_disk_that_is_away_hides_no_plan_of_the_others() {
    let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let gone = other.path().join("disk");
    std::fs::create_dir(&gone).unwrap();
    one.add_remote("shelf", &format!("folder:{}", gone.display()));
    one.sync();
    one.import(&world.photos("pics", 0..2));
    std::fs::remove_dir_all(&gone).unwrap();
    let plans = one.json_ending(&["sync", "--dry-run"], 1);
    assert_eq!(
        (&plans[0]["originals"], &plans[0]["error"]),
        (&2.into(), &serde_json::Value::Null),
        "{plans}"
    );
    assert!(plans[1]["error"].as_str().unwrap().contains("disk"), "{plans}");
}

#[test]
fn a_segment_that_was_cut_is_found_by_its_length() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.sync();
    let log = files_in(&place.path().join("log"));
    let whole = std::fs::read(&log[1]).unwrap();
    std::fs::write(&log[1], &whole[..whole.len() / 2]).unwrap();
    one.ends(&["verify", "--remote"], 6);
    assert!(std::fs::read(&log[1]).unwrap() == whole);
    one.ends(&["verify", "--remote"], 0);
}

#[test]
fn freed_originals_that_no_place_holds_any_more_come_in_again_with_their_files() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    one.ends(&["local", "free", "--all", "--yes"], 0);
    // As long as the place holds them their files are known.
    assert_eq!(one.json(&["import", world.path("pics").to_str().unwrap()])["unchanged"], 3);

    // Lost in the place, as a verification finds.
    std::fs::remove_dir_all(place.path().join("o")).unwrap();
    one.ends(&["verify", "--remote"], 6);
    let report = one.json(&["import", world.path("pics").to_str().unwrap()]);
    assert_eq!((report["unchanged"].clone(), report["repaired"].clone()), (0.into(), 3.into()), "{report}");
    one.sync();
    assert!(one.ends(&["status", "--check"], 0).starts_with("3 photos safe in 2 places"));

    // Or the place was forgotten.
    one.ends(&["verify", "--remote", "--all"], 0);
    one.ends(&["local", "free", "--all", "--yes"], 0);
    one.ends(&["remote", "remove", "place", "--yes"], 0);
    one.ends(&["status", "--check"], 1);
    assert_eq!(one.json(&["import", world.path("pics").to_str().unwrap()])["repaired"], 3);
    one.ends(&["status", "--check"], 0);
    one.ends(&["verify"], 0);
}

#[test]
fn a_new_place_gets_the_pictures_that_were_made_anew() {
    let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let folder = world.path("pics");
    std::fs::create_dir_all(&folder).unwrap();
    for seed in 0..3 {
        // A picture, and enough behind it to lie in an object of its own.
        let picture = [pictures::photo(seed), photo(seed)].concat();
        std::fs::write(folder.join(format!("{seed}.jpg")), picture).unwrap();
    }
    one.ends(&["import", "--wait", folder.to_str().unwrap()], 0);
    one.sync();
    std::fs::remove_dir_all(one.folder().join("objects/local")).unwrap();
    std::fs::remove_dir_all(one.folder().join("objects/o")).unwrap();
    one.ends(&["verify"], 6);
    one.ends(&["import", "--wait", folder.to_str().unwrap()], 0);
    one.add_remote("other", &format!("folder:{}", other.path().display()));
    one.sync();
    one.sync();
    let two = world.join_at("two", &format!("folder:{}", other.path().display()));
    two.sync();
    for photo in two.listed() {
        let id = photo["id"].as_str().unwrap();
        assert!(two.thumbnail(id).is_some(), "{photo}");
    }
    // And it is not sent anew with every sync.
    let outcomes = one.json(&["sync"]);
    assert!(outcomes.as_array().unwrap().iter().all(|outcome| outcome["sent_packs"] == 0), "{outcomes}");
}
