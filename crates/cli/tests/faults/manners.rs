//! How the program speaks to scripts: exit codes, data apart from talk, a reader that leaves early.

use std::process::{Command, Stdio};

use crate::pictures::photo;
use crate::room::{PROGRAM, Room, sha256};

fn with_photos(count: u64) -> Room {
    let room = Room::with_library();
    for seed in 0..count {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    room.import().ends_with(&[0]);
    room
}

#[test]
fn a_reader_that_leaves_early_ends_the_program_quietly() {
    let room = with_photos(40);
    for json in ["--json", "--quiet"] {
        let mut list = room.unlocked();
        let mut child = list.args([json, "list"]).spawn().unwrap();
        drop(child.stdout.take());
        let outcome = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(!said.contains("panicked") && !said.contains("Broken pipe"), "{said}");
    }
}

#[test]
fn what_is_printed_as_json_is_json_for_every_command_that_reads() {
    let room = with_photos(3);
    let id = sha256(&photo(0));
    let commands: [&[&str]; 12] = [
        &["list"],
        &["list", "--count"],
        &["show", &id],
        &["status"],
        &["history"],
        &["verify"],
        &["key", "list"],
        &["source", "list"],
        &["album"],
        &["trash"],
        &["conflicts"],
        &["--dry-run", "set", &id, "rating=3"],
    ];
    for command in commands {
        let outcome = room.safelight(&[&["--json"], command].concat()).ends_with(&[0]);
        assert!(!outcome.json().is_null(), "{command:?}: {}", outcome.said());
    }
    let listed = room.list();
    for field in ["id", "path", "taken", "size", "sync"] {
        assert!(listed[0].get(field).is_some(), "an asset has no {field}: {}", listed[0]);
    }
}

#[test]
fn exit_codes_are_the_documented_ones() {
    let room = with_photos(2);
    room.safelight(&["no-such-command"]).ends_with(&[2]);
    room.safelight(&["status", "--no-such-flag"]).ends_with(&[2]);
    room.safelight(&["show", "no such photo.jpg"]).ends_with(&[4]);
    let missing = room.path("nowhere");
    room.safelight(&["import", missing.to_str().unwrap()]).ends_with(&[1, 2, 4]);
    room.run(room.bare().arg("list")).ends_with(&[3]);
    let again = room.run(room.unlocked().args(["init", "--recovery-file"]).arg(room.path("second")));
    again.ends_with(&[5]);
    assert!(!room.path("second").exists(), "a refused init must not write recovery words");
}

#[test]
fn a_query_that_is_wrong_is_shown_where_it_is_wrong() {
    let room = with_photos(1);
    for (query, word) in
        [("date:2023-13", "2023-13"), ("size:>5XB", "5XB"), ("near:91,0,5km", "91"), ("colour:red", "colour")]
    {
        let outcome = room.safelight(&["list", query]).ends_with(&[2]);
        assert!(outcome.stderr.contains(word), "{query}: {}", outcome.said());
        assert!(outcome.stderr.contains('^'), "nothing points at the word in {query}: {}", outcome.said());
    }
}

#[test]
fn recovery_words_are_never_written_over_an_existing_file() {
    let room = Room::empty();
    std::fs::write(room.path("recovery"), "older words").unwrap();
    let mut init = room.unlocked();
    init.arg("--passphrase-file")
        .arg(room.path("passphrase"))
        .args(["init", "--recovery-file"])
        .arg(room.path("recovery"));
    let outcome = room.run(&mut init);
    assert_ne!(outcome.code, Some(0), "{}", outcome.said());
    assert_eq!(std::fs::read_to_string(room.path("recovery")).unwrap(), "older words");
    assert!(!room.library().join("library.toml").exists(), "a library without its words must not exist");
}

#[test]
fn completions_and_man_pages_are_made() {
    for shell in ["bash", "zsh", "fish"] {
        let outcome =
            Command::new(PROGRAM).args(["completions", shell]).stdin(Stdio::null()).output().unwrap();
        assert!(outcome.status.success());
        let script = String::from_utf8_lossy(&outcome.stdout).into_owned();
        assert!(script.contains("import") && script.contains("safelight"), "{shell}: {script}");
    }
    let room = Room::empty();
    let pages = room.path("man");
    std::fs::create_dir(&pages).unwrap();
    let outcome = Command::new(PROGRAM).arg("man").arg(&pages).stdin(Stdio::null()).output().unwrap();
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    assert!(
        std::fs::read_dir(&pages).unwrap().count() > 5 || outcome.stdout.starts_with(b".ie"),
        "no man pages"
    );
}
