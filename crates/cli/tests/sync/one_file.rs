//! A sealed copy in one file: made, brought up to date, proven, damaged, torn, refused, and the library back from it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::devices::{Device, World, files_in, photo};
use crate::kills::{kill_at_random, kills_or};

fn export(device: &Device<'_>, file: &Path) -> serde_json::Value {
    device.json(&["export", file.to_str().unwrap(), "--sealed"])
}

fn address(file: &Path) -> String {
    format!("file:{}", file.display())
}

/// The entries of a tar as its headers say it: name, where the bytes begin, how many they are.
fn entries(file: &Path) -> Vec<(String, usize, usize)> {
    let (bytes, mut at, mut found) = (std::fs::read(file).unwrap(), 0, Vec::new());
    while bytes.get(at).is_some_and(|byte| *byte != 0) {
        let text = |from: usize, until: usize| {
            let field = bytes[at + from..at + until].split(|byte| *byte == 0).next().unwrap();
            String::from_utf8(field.to_vec()).unwrap()
        };
        let length = usize::from_str_radix(text(124, 136).trim(), 8).unwrap();
        let name = [text(345, 500), text(0, 100)].join("/");
        found.push((name.trim_start_matches('/').to_owned(), at + 512, length));
        at += 512 + length.next_multiple_of(512);
    }
    found
}

/// Flips a bit in the middle of the first object whose name begins so, and says its name.
fn flip_first(file: &Path, area: &str) -> String {
    let (name, begin, length) = entries(file).into_iter().find(|(name, ..)| name.starts_with(area)).unwrap();
    let mut bytes = std::fs::read(file).unwrap();
    bytes[begin + length / 2] ^= 1;
    std::fs::write(file, bytes).unwrap();
    name
}

/// Lists and unpacks with the system's tar, which finds nothing to complain about.
fn unpack(file: &Path, folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let done = Command::new("tar").arg("-xf").arg(file).arg("-C").arg(folder).output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
}

/// A world whose library has a first remote, and a folder for drives.
struct Room {
    place: tempfile::TempDir,
    drive: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self { place: tempfile::tempdir().unwrap(), drive: tempfile::tempdir().unwrap() }
    }

    fn world(&self) -> World {
        World::in_folder(self.place.path())
    }

    fn file(&self) -> PathBuf {
        self.drive.path().canonicalize().unwrap().join("photos.tar")
    }
}

#[test]
fn one_file_and_the_words_alone_give_the_library_back() {
    let room = Room::new();
    let (world, file) = (room.world(), room.file());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    let made = export(&one, &file);
    assert_eq!((&made["backup"]["missing"], &made["backup"]["is_one_file"]), (&0.into(), &true.into()));
    assert!(made["backup"]["made"].is_string() && made["backup"]["proven"].is_null(), "{made}");
    // The second run adds nothing, the third what is new and no more, and what was there stays where it is.
    let first = std::fs::read(&file).unwrap();
    let nothing = export(&one, &file);
    assert_eq!(nothing["sync"]["synced_originals"], 0, "{nothing}");
    let second = std::fs::read(&file).unwrap();
    assert!(second.len() < first.len() + 20_000, "{} {}", first.len(), second.len());
    one.import(&world.photos("more", 5..6));
    let third = export(&one, &file);
    assert_eq!(third["sync"]["synced_originals"], 1, "{third}");
    let grown = std::fs::read(&file).unwrap();
    assert!(grown.starts_with(&first[..first.len() - 1024]), "only the end mark gives way");
    assert!(grown.len() < first.len() + 400_000, "{} {}", first.len(), grown.len());
    one.ends(&["export", file.to_str().unwrap(), "--sealed", "--verify"], 0);
    let listed = one.json(&["backup"]);
    assert!(listed[0]["proven"].is_string() && listed[0]["is_connected"] == true, "{listed}");
    assert!(one.ends(&["status"], 0).contains("photos.tar: made 20"));
    one.ends(&["backup", file.to_str().unwrap(), "--verify"], 0);
    one.ends(&["verify", "--remote", "backup", "--all"], 0);
    one.ends(&["verify", "--remote", "backup", "--drill"], 0);
    let bytes = std::fs::read(&file).unwrap();
    assert!(!bytes.windows(7).any(|some| some == b"PLANTED"), "a name is in the clear");
    // Everything else is lost: from the file, and from what any tar makes of it.
    let originals: Vec<Vec<u8>> = [0, 1, 2, 5].map(photo).into();
    let unpacked = room.drive.path().join("unpacked");
    unpack(&file, &unpacked);
    let two = world.join_at("two", &address(&file));
    two.sync();
    two.has_whole(&originals, "from-the-file");
    assert_eq!(two.listed(), one.listed());
    let three = world.join_at("three", &format!("folder:{}", unpacked.display()));
    three.has_whole(&originals, "from-the-folder");
}

#[test]
fn damage_in_one_file_is_named_and_what_can_be_is_added_whole() {
    let room = Room::new();
    let (world, file) = (room.world(), room.file());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    let (code, _, said) = one.tries(&["backup", file.to_str().unwrap(), "--verify"]);
    assert!(code == 5 && said.contains("no backup was made"), "{code} {said}");
    export(&one, &file);
    let name = flip_first(&file, "o/");
    let (code, out, said) = one.tries(&["export", file.to_str().unwrap(), "--sealed", "--verify"]);
    assert!(code == 6 && out.contains("damaged") && out.contains(&name), "{code} {out} {said}");
    assert_eq!(one.json(&["backup"])[0]["proven"], serde_json::Value::Null);
    // It is whole again, from what this device holds, behind what was damaged.
    one.ends(&["export", file.to_str().unwrap(), "--sealed", "--verify"], 0);
    assert!(one.json(&["backup"])[0]["proven"].is_string());
    let two = world.join_at("two", &address(&file));
    two.has_whole(&[photo(0), photo(1)], "exported");
    // History has one name, and what was written under it stays.
    let name = flip_first(&file, "log/");
    let (code, out, said) = one.tries(&["backup", file.to_str().unwrap(), "--verify"]);
    assert!(code == 6 && out.contains(&name), "{code} {out} {said}");
    assert!(said.contains("make a new one under another name"), "{said}");
}

#[test]
fn a_torn_end_is_passed_over_and_taken_the_place_of() {
    let room = Room::new();
    let (world, file) = (room.world(), room.file());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    export(&one, &file);
    let whole = std::fs::read(&file).unwrap();
    // What a killed writer leaves.
    std::fs::write(&file, [whole.as_slice(), &[0x5a; 70_000]].concat()).unwrap();
    one.ends(&["backup", file.to_str().unwrap(), "--verify"], 0);
    one.import(&world.photos("more", 2..3));
    export(&one, &file);
    assert!(std::fs::read(&file).unwrap().starts_with(&whole[..whole.len() - 1024]));
    unpack(&file, &room.drive.path().join("unpacked"));
    // A copy of it that was cut off has gone back, and goes on once its owner says so.
    let whole = std::fs::read(&file).unwrap();
    let (_, begin, _) = entries(&file).into_iter().rfind(|(name, ..)| name.starts_with("o/")).unwrap();
    std::fs::write(&file, &whole[..begin + 100]).unwrap();
    let again = ["export", file.to_str().unwrap(), "--sealed"];
    let (code, _, said) = one.tries(&again);
    assert!(code == 6 && said.contains("has gone back"), "{code} {said}");
    one.ends(&["--yes", "remote", "set", "backup", "--accept-rollback"], 0);
    let (code, _, said) = one.tries(&again);
    assert!(matches!(code, 0 | 1), "{code} {said}");
    one.ends(&["backup", file.to_str().unwrap(), "--verify"], 0);
    let two = world.join_at("two", &address(&file));
    two.has_whole(&[photo(0), photo(1), photo(2)], "exported");
}

#[test]
fn whoever_is_killed_while_writing_goes_on_and_loses_nothing() {
    let room = Room::new();
    let (world, file) = (room.world(), room.file());
    let one = world.first("one");
    // Each further one takes longer than one of a library without photos.
    let begun = Instant::now();
    export(&one, &file);
    let within = u64::try_from(begun.elapsed().as_millis()).unwrap();
    let mut landed = 0;
    for kill in 0..kills_or(5) {
        one.import(&world.photos(&format!("pics{kill}"), 3 * kill..3 * kill + 3));
        let command = one.command(&["export", file.to_str().unwrap(), "--sealed"]);
        landed += u64::from(kill_at_random(command, &one, kill, within));
        let before = std::fs::read(&file).unwrap_or_default();
        if kill % 2 == 1 {
            continue;
        }
        export(&one, &file);
        let whole: usize = entries_of(&before).unwrap_or_default();
        assert!(std::fs::read(&file).unwrap().starts_with(&before[..whole]), "kill {kill}");
    }
    assert!(landed > 0, "nothing was ever killed in the middle");
    one.ends(&["export", file.to_str().unwrap(), "--sealed", "--verify"], 0);
    unpack(&file, &room.drive.path().join("unpacked"));
    let originals: Vec<Vec<u8>> = (0..3 * kills_or(5)).map(photo).collect();
    world.join_at("two", &address(&file)).has_whole(&originals, "exported");
}

/// Behind which byte the last whole entry of a tar ends; none where there is none.
fn entries_of(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let header = bytes.get(at..at + 512)?;
        let size =
            std::str::from_utf8(&header[124..135]).ok().and_then(|text| usize::from_str_radix(text, 8).ok());
        match size.map(|size| at + 512 + size.next_multiple_of(512)) {
            Some(next) if next <= bytes.len() => at = next,
            _ => return Some(at),
        }
    }
}

#[test]
fn what_is_no_copy_of_this_library_is_refused_before_anything_is_changed() {
    let room = Room::new();
    let (world, file) = (room.world(), room.file());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    export(&one, &file);
    let (elsewhere, theirs) = (tempfile::tempdir().unwrap(), Room::new());
    let others = World::in_folder(elsewhere.path());
    let stranger = others.first("stranger");
    stranger.import(&others.photos("theirs", 7..8));
    let before = std::fs::read(&file).unwrap();
    for command in
        [vec!["export", file.to_str().unwrap(), "--sealed"], vec!["import", file.to_str().unwrap()]]
    {
        let (code, _, said) = stranger.tries(&command);
        assert!(code == 5 && said.contains("another library"), "{code} {said}");
        assert_eq!(std::fs::read(&file).unwrap(), before, "nothing was written there");
    }
    let photo_file = theirs.file();
    std::fs::write(&photo_file, photo(3)).unwrap();
    let (code, _, said) = one.tries(&["export", photo_file.to_str().unwrap(), "--sealed"]);
    assert!(code == 5 && said.contains("is no sealed copy"), "{code} {said}");
    assert_eq!(std::fs::read(&photo_file).unwrap(), photo(3));
    let inside = one.folder().join("copy.tar");
    let (code, _, said) = one.tries(&["export", inside.to_str().unwrap(), "--sealed"]);
    assert!(code == 5 && said.contains("lies in the folder of the library"), "{code} {said}");
    assert!(!inside.exists());
    // The drive is pulled out, and something else is mounted in its place.
    std::fs::rename(&file, room.drive.path().join("away")).unwrap();
    let (code, _, said) = one.tries(&["export", file.to_str().unwrap(), "--sealed"]);
    assert!(code == 5 && said.contains("is not there"), "{code} {said}");
    assert!(!file.exists(), "nothing is made in its place");
    assert_eq!(one.json(&["backup"])[0]["is_connected"], false);
    one.sync();
}

#[test]
fn what_was_forgotten_stays_in_a_copy_and_is_in_no_new_one() {
    let room = Room::new();
    let (world, file) = (room.world(), room.file());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    export(&one, &file);
    let (code, _, said) = one.tries(&["--yes", "trash", "forget", "PLANTED-pics-1.jpg"]);
    assert!(matches!(code, 0 | 1) && said.contains("destroy this one"), "{code} {said}");
    let (code, _, said) = one.tries(&["export", file.to_str().unwrap(), "--sealed"]);
    assert!(code == 1 && said.contains("may still hold what was forgotten"), "{code} {said}");
    // It is whole all the same, and a new one is clean.
    assert_eq!(one.json(&["backup"])[0]["missing"], 0);
    let new = file.with_file_name("new.tar");
    let made = export(&one, &new);
    assert!(made["backup"]["made"].is_string(), "{made}");
    one.ends(&["backup", new.to_str().unwrap(), "--verify"], 0);
    one.ends(&["remote", "remove", "backup"], 0);
    assert_eq!(export(&one, &new)["sync"]["problems"], serde_json::json!([]));
    let originals = |file: &Path| entries(file).iter().filter(|(name, ..)| name.starts_with("o/")).count();
    assert_eq!((originals(&file), originals(&new)), (3, 2));
}

#[test]
fn an_import_of_a_copy_brings_back_what_is_missing_or_names_the_command() {
    let room = Room::new();
    let (world, file) = (room.world(), room.file());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..4));
    export(&one, &file);
    let empty = world.device("empty");
    let (code, _, said) = empty.tries(&["import", file.to_str().unwrap()]);
    assert!(code == 5 && said.contains(&format!("safelight join {}", address(&file))), "{code} {said}");
    assert!(!empty.folder().join("library.toml").exists());
    let objects = files_in(&one.folder().join("objects/o"));
    assert_eq!(objects.len(), 4);
    std::fs::remove_file(&objects[0]).unwrap();
    std::fs::remove_file(&objects[3]).unwrap();
    crate::devices::flip(&objects[1]);
    one.ends(&["verify"], 6);
    let back = one.json(&["import", file.to_str().unwrap()]);
    let healed = back["sync"]["local"]["healed_originals"].as_u64().unwrap();
    assert_eq!(healed + back["fetch"]["fetched_originals"].as_u64().unwrap(), 3, "{back}");
    one.ends(&["verify"], 0);
    assert_eq!(one.listed().len(), 4, "nothing new was taken in");
    let again = one.json(&["import", file.to_str().unwrap()]);
    assert_eq!(again["fetch"]["fetched_originals"], 0, "{again}");
}
