//! How the program speaks to scripts: exit codes, data apart from talk, a reader that leaves early.

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::pictures::{Exif, jpeg, photo};
use crate::room::{PROGRAM, Room, sha256};

#[test]
fn a_reader_that_leaves_early_ends_the_program_quietly() {
    let room = Room::with_photos(40);
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
    let room = Room::with_photos(3);
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
    let room = Room::with_photos(2);
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
    let room = Room::with_photos(1);
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

#[test]
fn the_beginning_of_a_newer_versions_hash_finds_its_photo_as_its_id_does() {
    let room = Room::with_library();
    let exif = Exif { taken: Some("2021:10:08 22:47:36".into()), ..Exif::default() };
    let (first, second) = (jpeg(1, 20, 15, &exif), jpeg(2, 24, 18, &exif));
    let path = room.put("edited.jpg", &first);
    room.import().ends_with(&[0]);
    std::fs::write(path, &second).unwrap();
    room.import().ends_with(&[0]);
    for hash in [sha256(&first), sha256(&second)] {
        for digits in [64, 12, 8] {
            let shown = room.safelight(&["--json", "show", &hash[..digits]]).ends_with(&[0]).json();
            assert_eq!(shown["id"], sha256(&first), "{digits} digits: {shown}");
        }
    }
    room.safelight(&["show", "0123456789"]).ends_with(&[4]);
}

#[test]
fn an_export_takes_ids_paths_or_a_query_and_says_when_there_is_nothing() {
    let room = Room::with_photos(4);
    let ids = [sha256(&photo(0)), sha256(&photo(1))];
    let export = |name: &str, items: &[&str]| {
        let out = room.path(name);
        let mut command = room.unlocked();
        let outcome = room.run(command.args(["--json", "export", "--no-sidecars"]).arg(&out).args(items));
        (outcome, out)
    };
    for (number, items) in [[&ids[0][..10], &ids[1][..]], ["0.jpg", "1.jpg"]].iter().enumerate() {
        let (outcome, out) = export(&format!("by name {number}"), items);
        assert_eq!(outcome.ends_with(&[0]).json()["assets"], 2);
        assert!(std::fs::read(out.join("0.jpg")).unwrap() == photo(0));
        assert!(std::fs::read(out.join("1.jpg")).unwrap() == photo(1));
    }
    assert_eq!(export("by query", &["type:photo"]).0.ends_with(&[0]).json()["assets"], 4);
    let (nothing, out) = export("nothing", &["place:Atlantis"]);
    assert!(nothing.ends_with(&[4]).stderr.contains("place:Atlantis"));
    assert!(!out.exists(), "a folder was made for nothing");
    let empty = Room::with_library();
    let outcome = empty.safelight(&["export", empty.path("out").to_str().unwrap()]).ends_with(&[0]);
    assert!(outcome.stderr.contains("nothing was exported"), "{}", outcome.said());
}

#[test]
fn a_passphrase_of_two_letters_is_refused_also_from_a_script() {
    let room = Room::empty();
    std::fs::write(room.path("passphrase"), "ab\n").unwrap();
    let init = |room: &Room| {
        let mut command = room.bare();
        command.arg("--passphrase-file").arg(room.path("passphrase"));
        command.arg("--recovery-file").arg(room.path("words"));
        room.run(command.arg("init"))
    };
    let refused = init(&room).ends_with(&[5]);
    assert!(
        refused.stderr.contains("8 characters") && refused.stderr.contains("--key-file"),
        "{}",
        refused.said()
    );
    assert!(!room.library().exists() && !room.path("words").exists());
    std::fs::write(room.path("passphrase"), "eight ok\n").unwrap();
    init(&room).ends_with(&[0]);
    std::fs::write(room.path("short"), "short").unwrap();
    crate::room::set_mode(&room.path("short"), 0o600);
    let mut add = room.bare();
    add.arg("--passphrase-file").arg(room.path("passphrase")).args(["key", "add", "--new-passphrase-file"]);
    room.run(add.arg(room.path("short"))).ends_with(&[5]);
}

#[test]
fn a_list_says_why_there_is_no_preview_and_whose_time_stands_for_a_date() {
    let room = Room::with_library();
    let head = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
    room.put("broken.jpg", [head.as_slice(), &[7; 600]].concat());
    room.put("undated.jpg", jpeg(3, 20, 15, &Exif::default()));
    room.put("dated.jpg", photo(2));
    room.import().ends_with(&[0]);
    let listed = room.safelight(&["--json", "list", "is:undecodable"]).ends_with(&[0]).json();
    let reason = listed[0]["reason"].as_str().unwrap_or_else(|| panic!("no reason: {listed}"));
    let text = room.safelight(&["list", "is:undecodable"]).ends_with(&[0]).text();
    assert!(!reason.is_empty() && text.contains(reason), "{text}");
    let listed = room.list();
    let undated = listed.iter().find(|asset| asset["path"] == "undated.jpg").unwrap();
    assert!(undated["taken"].is_null() && undated["file_time"].is_string(), "{undated}");
    let dated = listed.iter().find(|asset| asset["path"] == "dated.jpg").unwrap();
    assert!(dated["file_time"].is_null(), "{dated}");
    let text = room.safelight(&["list"]).ends_with(&[0]).text();
    let line = text.lines().find(|line| line.contains("undated.jpg")).unwrap();
    assert!(line.contains(" ~2"), "the time of the file is not marked: {line}");
}

#[test]
fn with_json_an_error_is_a_line_of_json_on_stderr() {
    let room = Room::with_library();
    let error = |outcome: crate::room::Outcome| -> serde_json::Value {
        assert!(outcome.stdout.is_empty(), "{}", outcome.said());
        serde_json::from_str(outcome.stderr.lines().last().unwrap()).unwrap()
    };
    let missing = error(room.safelight(&["--json", "show", "nothing\u{202e}.jpg"]).ends_with(&[4]));
    assert_eq!(missing["error"]["kind"], "not-found");
    assert_eq!(missing["error"]["exit"], 4);
    assert!(missing["error"]["message"].as_str().unwrap().contains("nothing"), "{missing}");
    assert!(missing["error"]["hint"].as_str().unwrap().contains("safelight list"), "{missing}");
    let misspelt = error(room.safelight(&["--json", "lisst"]).ends_with(&[2]));
    assert_eq!(misspelt["error"]["kind"], "usage");
    assert!(misspelt["error"]["message"].as_str().unwrap().contains("lisst"), "{misspelt}");
    let incomplete = error(room.safelight(&["--json", "remote", "add"]).ends_with(&[2]));
    assert!(incomplete["error"]["message"].as_str().unwrap().contains(" <"), "{incomplete}");
    // Without it, words; and what would turn a terminal's line around does not get there.
    let plain = room.safelight(&["show", "nothing\u{202e}.jpg"]).ends_with(&[4]);
    assert!(plain.stderr.contains("safelight: nothing in the library"), "{}", plain.said());
    assert!(!plain.stderr.contains('\u{202e}'), "{}", plain.said());
}

#[test]
fn what_to_do_next_fits_what_went_wrong() {
    let room = Room::with_library();
    for folder in 0..6_u64 {
        room.put(format!("{folder}/same.jpg"), photo(folder));
    }
    room.import().ends_with(&[0]);
    let ambiguous = room.safelight(&["show", "same.jpg"]).ends_with(&[2]);
    assert!(ambiguous.stderr.contains("could be more than 4 things"), "{}", ambiguous.said());

    let wrong = room.path("wrong");
    std::fs::write(&wrong, [8; 64]).unwrap();
    crate::room::set_mode(&wrong, 0o600);
    let locked = room.run(room.bare().arg("--key-file").arg(&wrong).arg("list")).ends_with(&[3]);
    assert!(locked.stderr.contains("which file"), "{}", locked.said());
    assert!(!locked.stderr.contains("keyboard"), "{}", locked.said());

    let out = room.path("out");
    room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
    let exported =
        crate::room::files_below(&out).into_iter().find(|path| path.ends_with("0/same.jpg")).unwrap();
    std::fs::write(exported, b"rotten").unwrap();
    let damaged = room.run(room.bare().args(["verify", "--export"]).arg(&out)).ends_with(&[6]);
    assert!(damaged.stderr.contains("export again"), "{}", damaged.said());
}

#[cfg(target_os = "linux")]
#[test]
fn no_name_forges_a_line_of_history_or_turns_a_terminal() {
    let room = Room::with_library();
    room.put("n\n2026-01-01 forged.jpg", photo(1));
    room.put("x\u{1b}[31m\u{202e}.jpg", photo(2));
    room.import().ends_with(&[0]);
    let said = room.safelight(&["history"]).ends_with(&[0]).text();
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    assert!(said.contains("forged") && said.lines().all(|line| !line.starts_with("2026-01-01")), "{said:?}");
}

#[test]
fn with_json_each_command_that_ends_well_has_an_answer() {
    let room = Room::with_library();
    let set = room.safelight(&["--json", "local", "set", "budget=50GB"]).ends_with(&[0]).json();
    assert_eq!(set["set"][0], "budget=50GB");
    let pages = room.path("pages");
    let man = room.safelight(&["--json", "man", pages.to_str().unwrap()]).ends_with(&[0]).json();
    assert_eq!(man["directory"], pages.to_str().unwrap());
    let page = room.safelight(&["--json", "man"]).ends_with(&[0]).json();
    assert!(page["page"].as_str().unwrap().contains(".TH"), "{page}");
}

#[test]
fn with_json_a_way_to_unlock_that_is_tested_or_removed_is_named() {
    let room = Room::with_library();
    let tested = room.safelight(&["--json", "key", "test", "key file"]).ends_with(&[0]).json();
    assert_eq!(tested["opens"]["kind"], "key file", "{tested}");
    let removed = room.safelight(&["--json", "--yes", "key", "remove", "passphrase"]).ends_with(&[0]).json();
    assert_eq!(removed["removed"]["kind"], "passphrase", "{removed}");
    let away = room.path("away");
    std::fs::create_dir(&away).unwrap();
    let address = format!("folder:{}", away.display());
    room.safelight(&["remote", "add", "away", &address]).ends_with(&[0]);
    let removed = room.safelight(&["--json", "remote", "remove", "away"]).ends_with(&[0]).json();
    assert_eq!(removed["removed"], "away");
}

#[test]
fn a_descriptor_counts_more_than_a_file_from_the_environment() {
    let room = Room::with_library();
    let passphrase = std::fs::File::open(room.path("passphrase")).unwrap();
    let mut list = room.bare();
    list.env("SAFELIGHT_PASSPHRASE_FILE", room.path("no such file"));
    room.run(list.args(["--passphrase-fd", "0", "list"]).stdin(passphrase)).ends_with(&[0]);
    let passphrase = std::fs::File::open(room.path("passphrase")).unwrap();
    let mut test = room.bare();
    test.env("SAFELIGHT_PASSPHRASE_FILE", room.path("no such file"));
    room.run(test.args(["--passphrase-fd", "0", "key", "test", "passphrase"]).stdin(passphrase))
        .ends_with(&[0]);
    let nobody = std::fs::File::open("/dev/null").unwrap();
    let mut both = room.bare();
    both.arg("--passphrase-file").arg(room.path("passphrase")).args(["--passphrase-fd", "0", "list"]);
    let both = room.run(both.stdin(nobody)).ends_with(&[0]);
    assert!(both.stderr.contains("--passphrase-fd is not"), "{}", both.said());
}

#[test]
fn a_dry_run_changes_nothing() {
    let room = Room::with_photos(1);
    let photos = room.photos();
    let photos = photos.to_str().unwrap();
    let new_key = room.path("new key");
    let before = room.safelight(&["--json", "local"]).ends_with(&[0]).json();
    let id = sha256(&photo(0));
    for (arguments, code) in [
        (vec!["local", "fetch", &id], 2),
        (vec!["local", "pin", &id], 2),
        (vec!["local", "unpin", &id], 2),
        (vec!["local", "set", "budget=50GB"], 0),
        (vec!["source", "add", photos], 0),
        (vec!["key", "add", "--new-key-file", new_key.to_str().unwrap()], 0),
        (vec!["doctor", "--fix", "catalog"], 0),
    ] {
        let outcome = room.safelight(&[&["--dry-run"], arguments.as_slice()].concat()).ends_with(&[code]);
        let said = outcome.stderr.to_lowercase();
        let is_clear = ["would", "dry run", "has no --dry-run"].iter().any(|word| said.contains(word));
        assert!(is_clear, "{arguments:?}: {}", outcome.said());
    }
    assert_eq!(room.safelight(&["--json", "local"]).ends_with(&[0]).json(), before);
    assert_eq!(room.safelight(&["--json", "source"]).ends_with(&[0]).json(), serde_json::json!([]));
    assert_eq!(room.safelight(&["--json", "key"]).ends_with(&[0]).json().as_array().map(Vec::len), Some(3));
    assert!(!new_key.exists() && !room.library().join("catalog.db.before").exists());
    room.safelight(&["source", "add", photos]).ends_with(&[0]);
    room.safelight(&["--dry-run", "source", "remove", photos]).ends_with(&[0]);
    assert_eq!(room.safelight(&["--json", "source"]).json().as_array().map(Vec::len), Some(1));

    let empty = Room::empty();
    let key = empty.path("made");
    let mut init = empty.bare();
    init.arg("--key-file")
        .arg(&key)
        .arg("--recovery-file")
        .arg(empty.path("words"))
        .args(["--dry-run", "init"]);
    empty.run(&mut init).ends_with(&[0]);
    assert!(!key.exists() && !empty.path("words").exists() && !empty.library().exists());
}

#[test]
fn previews_that_failed_are_tried_again_without_a_path() {
    let room = Room::with_photos(1);
    let report = room.safelight(&["--json", "import", "--wait"]).ends_with(&[0]).json();
    assert_eq!((&report["imported"], &report["previews_pending"]), (&0.into(), &0.into()), "{report}");
    room.safelight(&["import"]).ends_with(&[2]);
}

#[test]
fn of_several_paths_one_that_is_missing_keeps_the_others_out_of_nothing() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    let card = room.path("card");
    let mut import = room.import_command();
    let outcome = room.run(import.arg(&card)).ends_with(&[1]);
    assert!(outcome.json()["problems"].to_string().contains("card"), "{}", outcome.said());
    assert_eq!(room.listed().len(), 1);
    room.safelight(&["import", card.to_str().unwrap()]).ends_with(&[4]);
}

#[test]
fn a_list_that_is_interrupted_is_whole_json_and_says_so() {
    let room = Room::with_library();
    for number in 0..1200 {
        room.put(format!("{number}.txt"), format!("note {number}"));
    }
    room.run(room.import_command().arg("--all-files")).ends_with(&[0]);
    let mut list = room.unlocked();
    let mut child = list.args(["--json", "list"]).spawn().unwrap();
    // Once something is there, the rest of the first page waits for whoever reads it.
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let outcome = crate::room::finish(child, crate::room::PATIENCE).ends_with(&[1]);
    let list: serde_json::Value =
        serde_json::from_slice(&[first.as_slice(), &outcome.stdout].concat()).unwrap();
    assert!(list.as_array().is_some_and(|list| list.len() < 1200));
    assert!(outcome.stderr.contains("interrupted"), "{}", outcome.said());
}

#[test]
fn who_names_a_folder_that_is_not_watched_is_told_which_are() {
    let room = Room::with_library();
    let none = room.safelight(&["source", "remove", "/no/such"]).ends_with(&[4]);
    assert!(none.stderr.contains("no folder is watched"), "{}", none.said());
    room.safelight(&["source", "add", room.photos().to_str().unwrap()]).ends_with(&[0]);
    let one = room.safelight(&["source", "remove", "/no/such"]).ends_with(&[4]);
    assert!(one.stderr.contains("/no/such is not watched"), "{}", one.said());
    assert!(one.stderr.contains("photos"), "{}", one.said());
}

#[test]
fn of_several_files_those_that_are_there_are_shown() {
    let room = Room::with_library();
    let good = room.put("good.jpg", photo(1));
    let both = room.safelight(&["show", "--file", "/no/such.jpg", good.to_str().unwrap()]).ends_with(&[1]);
    assert!(both.text().contains("good.jpg"), "{}", both.said());
    assert!(both.stderr.contains("/no/such.jpg"), "{}", both.said());
    room.safelight(&["show", "--file", "/no/such.jpg"]).ends_with(&[4]);
}

#[test]
fn a_way_to_unlock_that_is_given_by_hand_counts_more_than_one_from_the_environment() {
    let (room, other) = (Room::with_library(), Room::with_library());
    let with_words = |words: std::path::PathBuf| {
        let mut command = room.bare();
        command.env("SAFELIGHT_KEY_FILE", room.path("key")).arg("--recovery-file").arg(words).arg("list");
        room.run(&mut command)
    };
    with_words(room.path("recovery")).ends_with(&[0]);
    with_words(other.path("recovery")).ends_with(&[3]);
    room.run(room.bare().env("SAFELIGHT_KEY_FILE", room.path("key")).arg("list")).ends_with(&[0]);
    let mut both = room.unlocked();
    both.arg("--recovery-file").arg(room.path("recovery")).arg("list");
    let both = room.run(&mut both).ends_with(&[0]);
    assert!(both.stderr.contains("--recovery-file is not"), "{}", both.said());
}

#[test]
fn the_kinds_in_a_status_add_up() {
    let room = Room::with_photos(2);
    let status = room.safelight(&["--json", "status"]).ends_with(&[0]).json();
    let number = |name: &str| status[name].as_u64().unwrap();
    assert_eq!(number("photos") + number("videos") + number("others"), number("assets"), "{status}");
}

#[test]
fn a_wrong_way_to_unlock_that_is_given_is_refused_also_while_the_agent_has_the_key() {
    let room = Room::with_library();
    room.safelight(&["unlock", "--for", "2m"]).ends_with(&[0]);
    room.run(room.bare().arg("list")).ends_with(&[0]);
    let wrong_key = room.path("wrong key");
    std::fs::write(&wrong_key, [8; 64]).unwrap();
    crate::room::set_mode(&wrong_key, 0o600);
    let other = Room::with_library();
    for (way, file) in [("--key-file", wrong_key), ("--recovery-file", other.path("recovery"))] {
        let outcome = room.run(room.bare().arg(way).arg(&file).arg("list")).ends_with(&[3]);
        assert!(
            outcome.stderr.contains("do not open") || outcome.stderr.contains("does not open"),
            "{}",
            outcome.said()
        );
    }
    room.safelight(&["list"]).ends_with(&[0]);
    // Without a slot nothing that is given can be tried, and the agent is the way in that is left.
    std::fs::remove_dir_all(room.library().join("keys/slots")).unwrap();
    room.safelight(&["list"]).ends_with(&[0]);
    room.run(room.bare().arg("lock")).ends_with(&[0]);
    room.safelight(&["list"]).ends_with(&[6]);
}

#[test]
fn nothing_in_the_open_is_written_into_the_library_itself() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    let library = room.library();
    std::os::unix::fs::symlink(&library, room.path("link")).unwrap();
    let files = || crate::room::files_below(&library).len();
    let before = files();
    for target in
        [library.join("in"), library.clone(), room.path("link/in"), room.path("photos/../library/in")]
    {
        for dry in [true, false] {
            let mut export = room.unlocked();
            export.args(dry.then_some("--dry-run")).arg("export").arg(&target);
            let outcome = room.run(&mut export).ends_with(&[5]);
            assert!(outcome.stderr.contains("the library's own folder"), "{}", outcome.said());
        }
    }
    let inside = library.join("new key");
    let outcome = room.safelight(&["key", "add", "--new-key-file", inside.to_str().unwrap()]).ends_with(&[5]);
    assert!(outcome.stderr.contains("outside of the library"), "{}", outcome.said());
    assert_eq!(files(), before);

    let fresh = Room::empty();
    let mut init = fresh.unlocked();
    init.args(["init", "--recovery-file"]).arg(fresh.library().join("words"));
    fresh.run(&mut init).ends_with(&[5]);
    assert!(!fresh.library().exists());
}
