//! New recovery words: put in force on one device, learnt by the others, and what becomes of the old ones.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::devices::{Device, World, photo};
use crate::kills::{kill_at_random, kills_or};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Replaces the words of the world by those that come into a file.
fn replaces(device: &Device<'_>, old: &Path, new: &Path, code: i32) -> String {
    let arguments =
        ["--json", "key", "recovery", "replace", "--words-file", text(old), "--new-recovery-file", text(new)];
    device.ends(&arguments, code)
}

fn recovery_slots(device: &Device<'_>) -> Vec<String> {
    let slots = device.json(&["key"]);
    let recovery = slots.as_array().unwrap().iter().filter(|slot| slot["kind"] == "recovery");
    recovery.map(|slot| slot["label"].as_str().unwrap().to_owned()).collect()
}

/// Whether words unlock a device; the other way in is taken away from that command.
fn unlocks(device: &Device<'_>, words: &Path) -> bool {
    let folder = device.folder();
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_safelight"))
        .args(["--library", text(&folder), "--recovery-file", text(words), "list"])
        .env("HOME", folder.parent().unwrap())
        .env_remove("XDG_DATA_HOME")
        .output()
        .unwrap()
        .status;
    status.success()
}

fn tries_to_join(world: &World, name: &str, address: &str, words: &Path) -> (i32, String) {
    let device = world.device(name);
    let (code, _, said) = device.tries(&["--recovery-file", text(words), "join", address, "--name", "place"]);
    (code, said)
}

#[test]
fn new_words_take_the_place_of_the_old_ones_on_every_device_and_in_every_place() {
    let place = tempfile::tempdir().unwrap();
    let address = format!("folder:{}", place.path().display());
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("before", 0..2));
    one.sync();
    let two = world.join("two");
    two.sync();
    let (old, new) = (world.words(), world.path("new-words"));
    one.ends(&["key", "recovery", "test", "--words-file", text(&old)], 0);

    // Refused, and nothing is changed: words that are none, without a place for the new ones, with nothing asked.
    let others = world.path("others");
    std::fs::write(&others, format!("{} art", ["abandon"; 23].join(" "))).unwrap();
    replaces(&one, &others, &new, 3);
    assert!(!new.exists(), "no words are drawn for who may not replace any");
    one.ends(&["key", "recovery", "replace", "--words-file", text(&old)], 5);
    one.ends(
        &[
            "--dry-run",
            "key",
            "recovery",
            "replace",
            "--words-file",
            text(&old),
            "--new-recovery-file",
            text(&new),
        ],
        0,
    );
    assert!(!new.exists());
    assert!(one.json(&["status"])["recovery_words_since"].is_null());

    let told: Value = serde_json::from_str(&replaces(&one, &old, &new, 0)).unwrap();
    assert_eq!((&told["is_new"], &told["still_readable"]), (&true.into(), &2.into()), "{told}");
    assert_eq!(told["remotes"], serde_json::json!(["place"]));
    assert!(told["epoch"].is_string(), "{told}");
    let mode = std::fs::metadata(&new).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let since = told["since"].as_str().unwrap();
    let status = one.json(&["status"]);
    assert_eq!(status["recovery_words_since"], since);
    assert!(status["recovery_tested"].is_null(), "the new words were not tried out yet");
    assert!(one.ends(&["status"], 0).contains("replaced on"));
    let (code, _, said) = one.tries(&["key", "recovery", "test", "--words-file", text(&old)]);
    assert!(code == 3 && said.contains("replaced by others on"), "{said}");
    one.ends(&["key", "recovery", "test", "--words-file", text(&new)], 0);
    assert!(one.json(&["status"])["recovery_tested"].is_string());
    assert_eq!(recovery_slots(&one), ["recovery words"]);
    assert!(unlocks(&one, &new) && !unlocks(&one, &old));
    // The same again says that nothing is left to do, also without the old words.
    let again: Value = serde_json::from_str(&replaces(&one, &old, &new, 0)).unwrap();
    assert_eq!((&again["is_new"], &again["since"]), (&false.into(), &told["since"]));
    one.ends(&["key", "recovery", "replace", "--new-recovery-file", text(&new)], 0);
    // The old words replace nothing any more.
    replaces(&one, &old, &world.path("newer"), 3);
    one.ends(&["verify"], 0);

    // Another device hears of it with its next sync, and seals under the new epoch.
    one.import(&world.photos("after", 5..6));
    one.sync();
    let (code, _, said) = two.tries(&["sync"]);
    assert!(code == 0 && said.contains("the recovery words were replaced on"), "{code}: {said}");
    assert_eq!(two.json(&["status"])["recovery_words_since"], since);
    assert_eq!(recovery_slots(&two), ["recovery words (replaced)"]);
    assert!(unlocks(&two, &old), "what they open is named, and stays until others do");
    let (code, _, said) = two.tries(&["key", "add", "--new-recovery-file", text(&old)]);
    assert!(code == 3 && said.contains("replaced by others on"), "{said}");
    two.ends(&["key", "add", "--new-recovery-file", text(&new)], 0);
    assert_eq!(recovery_slots(&two), ["recovery words"]);
    assert!(unlocks(&two, &new) && !unlocks(&two, &old));
    two.import(&world.photos("of-two", 7..8));
    two.sync();
    one.sync();
    assert_eq!(one.state(), two.state());

    let (code, said) = tries_to_join(&world, "three", &address, &old);
    let day = &since[..10];
    assert!(code == 3 && said.contains(day) && said.contains("use the newer words"), "{code}: {said}");
    assert!(!world.path("three").join("library.toml").exists());
    let (code, said) = tries_to_join(&world, "four", &address, &new);
    assert_eq!(code, 0, "{said}");
    let four = world.device("four");
    four.sync();
    assert_eq!(four.state(), {
        one.sync();
        one.state()
    });
    four.has_whole(&[photo(0), photo(1), photo(5), photo(7)], "out");
    for device in [&one, &two, &four] {
        device.ends(&["verify", "--remote", "--all"], 0);
    }
}

#[test]
fn a_description_that_is_lost_is_written_anew_by_the_new_words() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let (old, new) = (world.words(), world.path("new-words"));
    replaces(&one, &old, &new, 0);
    std::fs::remove_file(one.folder().join("library.toml")).unwrap();
    assert!(!unlocks(&one, &new));
    let folder = one.folder();
    let mended = std::process::Command::new(env!("CARGO_BIN_EXE_safelight"))
        .args(["--library", text(&folder), "--recovery-file", text(&new), "doctor", "--fix"])
        .env("HOME", folder.parent().unwrap())
        .output()
        .unwrap();
    assert!(mended.status.success(), "{}", String::from_utf8_lossy(&mended.stderr));
    assert!(unlocks(&one, &new));
}

#[test]
fn a_replacement_that_is_killed_again_and_again_ends_with_one_set_of_words_that_opens_everything() {
    let place = tempfile::tempdir().unwrap();
    let address = format!("folder:{}", place.path().display());
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.sync();
    let mut old = world.words();
    for kill in 0..kills_or(6) {
        let new = world.path(&format!("words-{kill}"));
        let arguments =
            ["key", "recovery", "replace", "--words-file", text(&old), "--new-recovery-file", text(&new)];
        let landed = kill_at_random(one.command(&arguments), &one, kill, 250);
        println!("kill {kill}: {}", if landed { "at work" } else { "done before" });
        // A file that was made and not written to yet is in the way, as the command says.
        let written = std::fs::read_to_string(&new).unwrap_or_default();
        if new.exists() && written.split_whitespace().count() != 24 {
            let (code, _, said) = one.tries(&arguments);
            assert!(code != 0 && said.contains("name a new file"), "{said}");
            std::fs::remove_file(&new).unwrap();
        }
        if kill % 2 == 0 {
            // Whatever it left, a sync goes on with it.
            one.sync();
        }
        one.ends(&arguments, 0);
        assert_eq!(recovery_slots(&one), ["recovery words"], "kill {kill}");
        assert!(unlocks(&one, &new) && !unlocks(&one, &old), "kill {kill}");
        one.sync();
        let (code, said) = tries_to_join(&world, &format!("old-{kill}"), &address, &old);
        assert!(code == 3 && said.contains("were replaced by others on"), "kill {kill}: {code}: {said}");
        old = new;
    }
    let (code, said) = tries_to_join(&world, "two", &address, &old);
    assert_eq!(code, 0, "{said}");
    world.device("two").has_whole(&[photo(0), photo(1)], "out");
    one.ends(&["verify", "--remote", "--all"], 0);
}
