//! What runs while nobody is there: it goes on despite what it cannot take in, tells when it has not, and is started by units
//! that hold no secret.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::pictures::photo;
use crate::room::{Outcome, Room, set_mode, skip};

/// A remote in a folder of the room.
fn connect(room: &Room) -> PathBuf {
    let nas = room.path("nas");
    let address = format!("folder:{}", nas.display());
    std::fs::create_dir_all(&nas).unwrap();
    std::os::unix::fs::chown(&nas, room.user(), room.user()).unwrap();
    room.safelight(&["remote", "add", "nas", &address]).ends_with(&[0]);
    nas
}

fn watch(room: &Room) {
    room.run(room.unlocked().args(["source", "add"]).arg(room.photos())).ends_with(&[0]);
}

#[test]
fn watched_folders_are_imported_and_none_is_no_mistake_where_that_is_said() {
    let room = Room::with_library();
    room.safelight(&["import"]).ends_with(&[2]);
    room.safelight(&["import", "--watched"]).ends_with(&[0]);
    room.safelight(&["import", "--watched", "somewhere"]).ends_with(&[2]);
    watch(&room);
    room.put("a.jpg", photo(1));
    let report = room.safelight(&["--json", "import", "--watched", "--settle", "0"]).ends_with(&[0]).json();
    assert_eq!(report["imported"], 1, "{report}");
}

#[test]
fn a_sync_begins_with_an_import_and_goes_on_where_that_failed() {
    let Some(room) = Room::of_somebody() else { return };
    connect(&room);
    watch(&room);
    room.put("a.jpg", photo(1));
    room.safelight(&["sync", "--import"]).ends_with(&[0]);
    assert_eq!(room.safelight(&["--json", "remote", "show", "nas"]).json()["safe_originals"], 1);

    room.put("b.jpg", photo(2));
    set_mode(&room.put("closed.jpg", photo(3)), 0o000);
    let outcome = room.safelight(&["sync", "--import"]).ends_with(&[1]);
    assert!(outcome.stderr.contains("closed.jpg"), "{}", outcome.said());
    let remote = room.safelight(&["--json", "remote", "show", "nas"]).json();
    assert_eq!(remote["safe_originals"], 2, "what came in was not synced: {remote}");
    room.safelight(&["--json", "sync", "--import"]).ends_with(&[2]);
}

#[test]
fn a_check_fails_until_every_remote_was_synced_in_time() {
    let room = Room::with_photos(1);
    let check = ["status", "--check", "--synced-within", "3d"];
    room.safelight(&["status", "--check"]).ends_with(&[0]);
    room.safelight(&["status", "--synced-within", "3d"]).ends_with(&[2]);
    let outcome = room.safelight(&check).ends_with(&[1]);
    assert!(outcome.stderr.contains("no remote"), "{}", outcome.said());
    connect(&room);
    let outcome = room.safelight(&check).ends_with(&[1]);
    assert!(outcome.stderr.contains("nas: nothing synced within 3 days"), "{}", outcome.said());
    room.safelight(&["sync"]).ends_with(&[0]);
    room.safelight(&check).ends_with(&[0]);
}

#[test]
fn what_a_collector_reads_is_counts_and_names_of_remotes_alone() {
    let room = Room::with_photos(3);
    connect(&room);
    let file = room.path("safelight.prom");
    let write = || room.run(room.unlocked().args(["status", "--prometheus"]).arg(&file)).ends_with(&[0]);
    write();
    let before = std::fs::read_to_string(&file).unwrap();
    assert!(!before.contains("safelight_remote_synced_timestamp_seconds{"), "{before}");
    room.safelight(&["sync"]).ends_with(&[0]);
    write();
    let text = std::fs::read_to_string(&file).unwrap();
    for line in
        ["safelight_assets 3", "safelight_safe_assets 3", "safelight_remote_safe_originals{remote=\"nas\"} 3"]
    {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let bare = name.strip_suffix("{remote=\"nas\"}").unwrap_or(name);
        assert!(bare.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'), "{line}");
        assert!(value.parse::<u64>().is_ok(), "{line}");
    }
    let folder = room.path("");
    assert!(!text.contains(folder.to_str().unwrap()) && !text.contains(".jpg"), "{text}");
}

/// The lines on stderr, each an object with time, level and message.
fn logged(outcome: &Outcome) -> Vec<Value> {
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{error} in the line {line}\n{}", outcome.said()));
        let time = value["time"].as_str().unwrap_or_default();
        assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
        for field in ["level", "message"] {
            assert!(value[field].is_string(), "{field} is missing in {line}");
        }
        value
    };
    outcome.stderr.lines().map(line).collect()
}

#[test]
fn every_line_on_stderr_is_an_object_where_that_is_asked_for() {
    let room = Room::with_library();
    connect(&room);
    watch(&room);
    room.put("a.jpg", photo(1));
    room.put("empty.jpg", b"");
    let outcome = room.safelight(&["--log-format", "json", "--verbose", "sync", "--import"]);
    let lines = logged(&outcome);
    assert!(lines.iter().any(|line| line["level"] == "info"), "{}", outcome.said());
    for line in &lines {
        let message = line["message"].as_str().unwrap_or_default().trim_start();
        assert!(!["DEBUG", "INFO", "WARN"].iter().any(|level| message.starts_with(level)), "{line}");
    }
    let mut typed = room.bare();
    typed.env("SAFELIGHT_LOG_FORMAT", "json").args(["--log-format", "text", "no-such-command"]);
    let outcome = room.run(&mut typed).ends_with(&[2]);
    assert!(!outcome.stderr.starts_with('{'), "{}", outcome.said());
    let refused: [(&[&str], &str, i32); 3] = [
        (&["show", "nothing.jpg"], "not-found", 4),
        (&["no-such-command"], "usage", 2),
        (&["sync", "elsewhere", "--json"], "not-found", 4),
    ];
    for (command, kind, code) in refused {
        let outcome = room.safelight(&[&["--log-format", "json"], command].concat()).ends_with(&[code]);
        let lines = logged(&outcome);
        let last = lines.last().unwrap();
        assert_eq!((&last["level"], &last["error"]["kind"]), (&"error".into(), &kind.into()), "{last}");
    }
}

#[test]
fn units_are_written_once_something_opens_the_library_and_hold_no_secret() {
    let room = Room::with_library();
    let units = room.path("units");
    let mut locked = room.bare();
    let outcome = room.run(locked.args(["service", "install", "--write"]).arg(&units)).ends_with(&[3]);
    assert!(outcome.stderr.contains("key add --new-key-file"), "{}", outcome.said());
    assert!(!units.exists(), "something was written although nothing opens the library");

    let install = |more: &[&str]| {
        let mut command = room.unlocked();
        command.args(["service", "install", "--write"]).arg(&units).args(more);
        room.run(&mut command)
    };
    install(&["--dry-run"]).ends_with(&[0]);
    assert!(!units.exists(), "a dry run has written");
    install(&["--every", "10s"]).ends_with(&[2]);
    install(&["--every", "1h"]).ends_with(&[0]);
    let sync = std::fs::read_to_string(units.join("safelight-sync.service")).unwrap();
    let library = format!("Environment=\"SAFELIGHT_LIBRARY={}\"", room.library().display());
    let key = format!("Environment=\"SAFELIGHT_KEY_FILE={}\"", room.path("key").display());
    for line in [library, key] {
        assert!(sync.lines().any(|found| found == line), "{line} is missing in\n{sync}");
    }
    install(&["--backup", "/mnt/drive"]).ends_with(&[0]);
    assert!(units.join("safelight-backup.timer").exists());
    install(&["--dry-run"]).ends_with(&[0]);
    assert!(units.join("safelight-backup.timer").exists(), "a dry run has removed");
    install(&[]).ends_with(&[0]);
    assert!(!units.join("safelight-backup.timer").exists(), "a backup is made that nobody asks for any more");
    assert!(units.join("safelight-sync.timer").exists());
}

/// Of the units for the machine that install writes, the one that syncs.
fn sync_of_the_machine(room: &Room, program: &Path, units: &Path) -> String {
    let mut install = room.bare_program(program);
    install.arg("--key-file").arg(room.path("key"));
    room.run(install.args(["service", "install", "--system", "--write"]).arg(units)).ends_with(&[0]);
    std::fs::read_to_string(units.join("safelight-sync.service")).unwrap()
}

#[test]
fn a_unit_of_the_machine_sees_a_watched_folder_in_a_home() {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let is_hidden = |home: &PathBuf| home.starts_with("/home") || home.starts_with("/root");
    let Some(photos) = home.filter(is_hidden).and_then(|home| TempDir::new_in(home).ok()) else {
        return skip("no home among homes that this user may write to");
    };
    let room = Room::with_library();
    // The one that is tested may lie in a home itself.
    let program = room.program_for_all().unwrap();
    let units = room.path("units");
    let before = sync_of_the_machine(&room, &program, &units);
    room.run(room.unlocked().args(["source", "add"]).arg(photos.path())).ends_with(&[0]);
    let after = sync_of_the_machine(&room, &program, &units);
    assert!(after.contains("\nProtectHome=read-only\n"), "the folder is hidden from the unit:\n{after}");
    assert!(before.contains("\nProtectHome=yes\n"), "without it homes are hidden:\n{before}");
}

#[test]
fn a_watched_folder_that_could_not_be_reached_fails_the_check() {
    let room = Room::with_library();
    watch(&room);
    room.safelight(&["status", "--check"]).ends_with(&[0]);
    std::fs::rename(room.photos(), room.path("away")).unwrap();
    room.safelight(&["import", "--watched"]);
    let outcome = room.safelight(&["status", "--check"]).ends_with(&[1]);
    assert!(outcome.stderr.contains("could not be reached"), "{}", outcome.said());
    std::fs::rename(room.path("away"), room.photos()).unwrap();
    room.safelight(&["import", "--watched"]).ends_with(&[0]);
    room.safelight(&["status", "--check"]).ends_with(&[0]);
}

#[test]
fn the_units_of_another_library_are_not_taken_over_unless_that_is_agreed_to() {
    let (room, other) = (Room::with_library(), Room::with_library());
    let units = room.path("units");
    let install = |room: &Room, more: &[&str]| {
        room.run(room.unlocked().args(["service", "install", "--write"]).arg(&units).args(more))
    };
    let names = |room: &Room| {
        let text = std::fs::read_to_string(units.join("safelight-sync.service")).unwrap();
        text.contains(&format!("SAFELIGHT_LIBRARY={}\"", room.library().display()))
    };
    install(&room, &[]).ends_with(&[0]);
    install(&room, &["--every", "1h"]).ends_with(&[0]);
    let refused = install(&other, &[]).ends_with(&[5]);
    for library in [room.library(), other.library()] {
        assert!(refused.stderr.contains(library.to_str().unwrap()), "{}", refused.said());
    }
    assert!(refused.stderr.contains("--yes") && names(&room), "{}", refused.said());
    install(&other, &["--yes"]).ends_with(&[0]);
    assert!(names(&other), "what was agreed to was not done");
}

#[test]
fn a_unit_that_somebody_wrote_is_not_written_over() {
    let room = Room::with_library();
    let units = room.path("units");
    std::fs::create_dir(&units).unwrap();
    let theirs = units.join("safelight-check.timer");
    std::fs::write(&theirs, "[Timer]\nOnCalendar=weekly\n").unwrap();
    let mut install = room.unlocked();
    install.args(["service", "install", "--write"]).arg(&units);
    let outcome = room.run(&mut install).ends_with(&[5]);
    assert!(outcome.stderr.contains("safelight-check.timer"), "{}", outcome.said());
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "[Timer]\nOnCalendar=weekly\n");
    assert_eq!(std::fs::read_dir(&units).unwrap().count(), 1, "others were written all the same");
}
