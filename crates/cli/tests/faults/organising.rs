//! What people change by hand: said as it is done, all or nothing, and never the files.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::chance::{Chance, times};
use crate::pictures::{Exif, heavy_photo, jpeg, photo};
use crate::room::{Outcome, PATIENCE, Room, copy_folder, files_below, finish, sha256};

fn shown(room: &Room, item: &str) -> Value {
    room.safelight(&["--json", "show", item]).ends_with(&[0]).json()
}

fn count(room: &Room, query: &str) -> String {
    room.safelight(&["list", "--count", query]).ends_with(&[0]).text().trim().to_owned()
}

/// What was said, without ids, which differ from run to run.
fn without_ids(outcome: &Outcome) -> String {
    let plain = |word: &str| {
        let is_id = word.trim_matches(['(', ')']).len() == 10
            && word
                .trim_matches(['(', ')'])
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if is_id && word.starts_with('(') {
            "(ID)".to_owned()
        } else if is_id {
            "ID".to_owned()
        } else {
            word.to_owned()
        }
    };
    let said = format!("{}{}", outcome.text(), outcome.stderr);
    said.lines().map(|line| line.split(' ').map(plain).collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn each_change_says_what_it_did() {
    let room = Room::with_photos(3);
    let steps: [(&[&str], i32, &str); 19] = [
        (&["set", "0.jpg", "caption=At the harbour", "rating=4"], 0, "1 photo changed\n"),
        (&["set", "0.jpg", "rating=4"], 0, "0 photos changed\n1 were so already\n"),
        (&["--dry-run", "set", "rating:4", "rating=5"], 0, "ID\n1 photo would change\n"),
        (
            &["set", "0.jpg", "rating=9"],
            2,
            "safelight: rating=9\n                  ^\n           a rating is a number from 0 to 5, or -1 for rejected\n",
        ),
        (
            &["set", "0.jpg", "album+=Trips"],
            4,
            "safelight: there is no album Trips\n  hint: safelight album lists them; safelight album add NAME makes one\n",
        ),
        (&["album"], 0, "There is no album; safelight album add NAME makes one.\n"),
        (&["album", "add", "Trips/Iceland"], 0, "Made Trips/Iceland (ID)\n"),
        (&["set", "0.jpg", "1.jpg", "album+=Iceland"], 0, "2 photos changed\n"),
        (&["album", "list"], 0, "ID        0  Trips\nID        2  Trips/Iceland\n"),
        (
            &["album", "remove", "Trips"],
            5,
            "safelight: the album Trips would go; the 0 photos in it stay in the library; these move up: Trips/Iceland\n  hint: --yes removes it\n",
        ),
        (&["--yes", "album", "remove", "Trips"], 0, "Removed Trips (ID)\n"),
        (&["album"], 0, "ID        2  Iceland\n"),
        (&["trash", "0.jpg", "1.jpg"], 0, "2 photos put into the trash\n"),
        (&["trash", "restore", "0.jpg"], 0, "1 photo taken out of the trash\n"),
        (&["trash", "restore", "0.jpg"], 0, "0 photos taken out of the trash\n1 were not in the trash\n"),
        (&["conflicts"], 0, "No devices disagree about anything.\n"),
        (&["conflicts", "resolve", "0.jpg", "--keep", "1"], 5, ""),
        (&["set", "0.jpg"], 2, ""),
        (&["set", "rating=3"], 2, ""),
    ];
    for (arguments, code, said) in steps {
        let outcome = room.safelight(arguments).ends_with(&[code]);
        if !said.is_empty() {
            assert_eq!(without_ids(&outcome), said, "{arguments:?}");
        }
    }
    assert_eq!(count(&room, "is:trashed"), "1");
}

#[test]
fn a_search_fills_an_album_and_nothing_is_put_into_it() {
    let room = Room::with_photos(3);
    let steps: [(&[&str], i32, &str); 10] = [
        (&["album", "add", "Best", "--search", "rating:>=4"], 0, "Made Best (ID)\n"),
        (&["set", "0.jpg", "1.jpg", "rating=4"], 0, "2 photos changed\n"),
        (&["album"], 0, "ID        2  Best  = rating:>=4\n"),
        (
            &["set", "2.jpg", "album+=Best"],
            5,
            "safelight: Best is filled by a search, and nothing is put into it by hand\n  hint: choose another album, or change what it searches for: safelight album search ALBUM QUERY\n",
        ),
        (&["album", "add", "Wrong", "--search", "colour:red"], 2, ""),
        (&["album", "search", "Best", "rating:>=4", "name:0.jpg"], 0, "Another search fills Best (ID)\n"),
        (&["album"], 0, "ID        1  Best  = rating:>=4 name:0.jpg\n"),
        (&["album", "add", "Trips"], 0, "Made Trips (ID)\n"),
        (&["set", "2.jpg", "album+=Trips"], 0, "1 photo changed\n"),
        (&["album", "search", "Trips", "rating:5"], 5, ""),
    ];
    for (arguments, code, said) in steps {
        let outcome = room.safelight(arguments).ends_with(&[code]);
        if !said.is_empty() {
            assert_eq!(without_ids(&outcome), said, "{arguments:?}");
        }
    }
    let listed = room.safelight(&["--json", "album"]).ends_with(&[0]).json();
    assert_eq!((&listed[0]["query"], &listed[1]["query"]), (&"rating:>=4 name:0.jpg".into(), &Value::Null));
    let shown = room.safelight(&["--json", "album", "show", "Best"]).ends_with(&[0]).json();
    assert_eq!((&shown["assets"], shown["photos"].as_array().unwrap().len()), (&1.into(), 1));
    // No photo lies in it, so none says so on its way out.
    let out = room.path("out");
    room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
    for sidecar in
        files_below(&out).into_iter().filter(|file| file.extension().is_some_and(|end| end == "xmp"))
    {
        assert!(!std::fs::read_to_string(sidecar).unwrap().contains("Best"));
    }
}

#[test]
fn what_was_typed_leaves_with_the_photo_and_the_photo_is_untouched() {
    let room = Room::with_photos(1);
    room.safelight(&["album", "add", "Trips/Iceland"]).ends_with(&[0]);
    room.safelight(&["album", "add", "Gone"]).ends_with(&[0]);
    let words = [
        "set",
        "0.jpg",
        "caption=Tom & \"Jerry\"\nsecond line",
        "tag+=places/Iceland",
        "album+=Iceland",
        "album+=Gone",
        "date=2023-05",
        "place=64.15,-21.94 Old harbour",
        "rotate=90",
        "favourite=yes",
    ];
    room.safelight(&words).ends_with(&[0]);
    room.safelight(&["--yes", "album", "remove", "Gone"]).ends_with(&[0]);
    let out = room.path("out");
    room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
    assert!(std::fs::read(out.join("0.jpg")).unwrap() == photo(0), "the original was changed");
    let sidecar = files_below(&out).into_iter().find(|file| file.extension().is_some_and(|end| end == "xmp"));
    let xmp = std::fs::read_to_string(sidecar.unwrap()).unwrap();
    for expected in [
        "Tom &amp; &quot;Jerry&quot;\nsecond line",
        "places|Iceland",
        "Trips/Iceland",
        "DateTimeOriginal>2023-05<",
        "Old harbour",
        "Rotate>90<",
        "Favourite>True<",
    ] {
        assert!(xmp.contains(expected), "no {expected} in {xmp}");
    }
    assert!(!xmp.contains("Gone"), "an album that was removed leaves with the photo: {xmp}");
}

#[test]
fn many_photos_are_changed_only_after_a_yes() {
    let room = Room::with_photos(101);
    let refused = room.safelight(&["set", "type:photo", "tag+=all"]).ends_with(&[5]);
    assert!(refused.stderr.contains("101 photos") && refused.stderr.contains("--yes"), "{}", refused.said());
    assert_eq!(count(&room, "tag:all"), "0");
    room.safelight(&["trash", "type:photo"]).ends_with(&[5]);
    room.safelight(&["--yes", "set", "type:photo", "tag+=all"]).ends_with(&[0]);
    assert_eq!(count(&room, "tag:all"), "101");
}

#[test]
fn odd_text_comes_back_as_it_was_typed_and_cannot_fool_the_terminal() {
    let room = Room::with_photos(1);
    let odd = [
        "two\nlines\tand a tab",
        "\u{202e}gpj.cod and \u{1b}[31mred",
        "שלום עולם مرحبا",
        "👩‍👩‍👧‍👦🏳️‍🌈 e\u{301}",
        "a=b+=c-=d --yes 'quotes\" \\ $HOME %s {}",
        " ",
    ];
    for text in odd {
        room.safelight(&["set", "0.jpg", &format!("caption={text}")]).ends_with(&[0]);
        assert_eq!(shown(&room, "0.jpg")["caption"].as_str(), Some(text));
        let printed = room.safelight(&["show", "0.jpg"]).ends_with(&[0]).text();
        assert!(!printed.contains(['\u{1b}', '\u{202e}']), "{printed:?}");
    }
    let longest = "é".repeat(32 * 1024);
    room.safelight(&["set", "0.jpg", &format!("caption={longest}")]).ends_with(&[0]);
    assert_eq!(shown(&room, "0.jpg")["caption"].as_str(), Some(longest.as_str()));
    let refused = room.safelight(&["set", "0.jpg", &format!("caption={longest}x")]).ends_with(&[2]);
    assert!(refused.stderr.contains("65536"), "{}", refused.stderr);
    for word in ["tag+=a\nb", "tag+= ", "album+="] {
        room.safelight(&["set", "0.jpg", word]).ends_with(&[2]);
    }
    room.safelight(&["album", "add", "two\nlines"]).ends_with(&[2]);
    room.safelight(&["album", "add", "Été 🏖 שלום"]).ends_with(&[0]);
    room.safelight(&["set", "0.jpg", "album+=été 🏖 שלום"]).ends_with(&[0]);
    let listed = room.safelight(&["--json", "album", "show", "été 🏖 שלום"]).ends_with(&[0]).json();
    assert_eq!(listed["photos"].as_array().map(Vec::len), Some(1));
    room.verify_is_clean();
}

#[test]
fn two_processes_that_edit_at_once_both_succeed_and_lose_nothing() {
    let room = Room::with_photos(30);
    let edit = |number: usize| {
        let mut command = room.unlocked();
        command.args(["set", "type:photo"]).arg(format!("tag+=writer {number}")).arg("rating=3");
        command.spawn().unwrap()
    };
    for round in 0..3 {
        let children: Vec<_> = (0..4).map(|writer| edit(round * 4 + writer)).collect();
        for child in children {
            finish(child, PATIENCE).ends_with(&[0]);
        }
    }
    for number in 0..12 {
        assert_eq!(count(&room, &format!("tag:\"writer {number}\"")), "30");
    }
    let conflicts = room.safelight(&["--json", "conflicts"]).ends_with(&[0]).json();
    assert_eq!(conflicts.as_array().map(Vec::len), Some(0), "one device does not disagree with itself");
    room.verify_is_clean();
    room.safelight(&["history", "--verify"]).ends_with(&[0]);
}

/// Starts a command and kills it at a random moment of the time that it takes when left alone.
fn kill_within(command: &mut Command, whole: Duration, chance: &mut Chance) {
    let mut child = command.spawn().unwrap();
    std::thread::sleep(whole.mul_f64(f64::from(u32::try_from(chance.below(1000)).unwrap()) / 1000.0));
    child.kill().unwrap();
    drop(child.wait_with_output().unwrap());
}

#[test]
fn killed_at_any_moment_an_edit_is_done_wholly_or_not_at_all() {
    let room = Room::with_photos(200);
    let edit = |tag: &str| {
        let mut command = room.unlocked();
        command.args(["--yes", "set", "type:photo"]).arg(format!("tag+={tag}")).arg("rotate+=90");
        command
    };
    // The shortest of three, since a busy machine would make kills come after the end.
    let whole = ["one", "two", "three"].map(|tag| {
        let begun = Instant::now();
        room.run(&mut edit(tag)).ends_with(&[0]);
        begun.elapsed()
    });
    let whole = whole.into_iter().min().unwrap();
    let mut chance = Chance::seeded(times("SAFELIGHT_SEED", 1));
    let kills = times("SAFELIGHT_KILLS", 50).min(200);
    let (mut done, mut undone) = (0, 0);
    for kill in 0..kills {
        let tag = format!("kill {kill}");
        kill_within(&mut edit(&tag), whole, &mut chance);
        match count(&room, &format!("tag:\"{tag}\"")).as_str() {
            "200" => done += 1,
            "0" => undone += 1,
            some => panic!("an edit was done for {some} of 200 photos"),
        }
    }
    eprintln!("of {kills} edits of {} ms {done} were done before the kill, {undone} not", whole.as_millis());
    assert!(undone * 5 >= kills, "only {undone} of {kills} kills met an edit");
    let turned: BTreeSet<String> =
        room.listed().keys().take(20).map(|id| shown(&room, id)["rotate"].to_string()).collect();
    assert_eq!(turned.len(), 1, "photos were turned differently: {turned:?}");
    room.verify_is_clean();
    room.safelight(&["history", "--verify"]).ends_with(&[0]);
}

/// Sealed originals below `objects/o`.
fn sealed_parts(room: &Room) -> usize {
    files_below(&room.library().join("objects/o")).len()
}

fn packed_bytes(room: &Room) -> u64 {
    files_below(&room.library().join("objects/local")).iter().map(|pack| pack.metadata().unwrap().len()).sum()
}

#[test]
fn emptying_the_trash_frees_its_bytes_and_nothing_else() {
    let room = Room::with_library();
    let large = heavy_photo(1, 1 << 20);
    room.put("large.jpg", &large);
    room.put("kept large.jpg", heavy_photo(2, 1 << 20));
    room.put("small.jpg", photo(3));
    room.put("kept small.jpg", photo(4));
    room.import().ends_with(&[0]);
    let (parts, packed) = (sealed_parts(&room), packed_bytes(&room));
    room.safelight(&["trash", "large.jpg", "small.jpg"]).ends_with(&[0]);
    assert!(room.original(&sha256(&photo(3))) == photo(3), "the trash still holds everything");
    let refused = room.safelight(&["trash", "empty"]).ends_with(&[5]);
    assert!(
        refused.stderr.contains("2 photos") && refused.stderr.contains("no way back"),
        "{}",
        refused.said()
    );
    let young = room.safelight(&["--json", "--yes", "trash", "empty", "--older-than", "1d"]).ends_with(&[0]);
    assert_eq!(young.json()["purged"], 0);
    let emptied = room.safelight(&["--json", "--yes", "trash", "empty"]).ends_with(&[0]).json();
    assert_eq!((&emptied["purged"], &emptied["bytes_left"]), (&Value::from(2), &Value::Null), "{emptied}");
    assert!(emptied["freed_bytes"].as_u64() > Some(1 << 20), "{emptied}");
    assert_eq!(sealed_parts(&room), parts - 1);
    assert!(packed_bytes(&room) < packed, "the small original is still in its pack");
    for (name, bytes) in [("kept large.jpg", heavy_photo(2, 1 << 20)), ("kept small.jpg", photo(4))] {
        assert!(room.original(&sha256(&bytes)) == bytes, "{name}");
        let thumbnail = ["export", "--to", "-", "--rendition", "thumbnail", &sha256(&bytes)];
        assert!(!room.safelight(&thumbnail).ends_with(&[0]).stdout.is_empty(), "{name} lost its thumbnail");
    }
    room.safelight(&["show", &sha256(&large)]).ends_with(&[4]);
    room.verify_is_clean();
    // What is given again on purpose, under another name, is taken in again.
    room.put("again.jpg", &large);
    room.import().ends_with(&[0]);
    assert!(room.original(&sha256(&large)) == large);
    room.verify_is_clean();
}

#[test]
fn a_file_whose_photo_was_removed_for_good_is_told_apart_from_one_that_is_unchanged() {
    let room = Room::with_library();
    let path = room.put("removed.jpg", photo(1));
    room.put("kept.jpg", photo(2));
    room.import().ends_with(&[0]);
    room.safelight(&["trash", "removed.jpg"]).ends_with(&[0]);
    let report = room.import().ends_with(&[0]).json();
    assert_eq!((&report["unchanged"], &report["purged_before"]), (&2.into(), &0.into()), "{report}");
    room.safelight(&["--yes", "trash", "empty"]).ends_with(&[0]);

    let report = room.import().ends_with(&[0]).json();
    assert_eq!((&report["unchanged"], &report["purged_before"]), (&1.into(), &1.into()), "{report}");
    let mut import = room.unlocked();
    let named = room.run(import.args(["import", "--settle=0"]).arg(&path)).ends_with(&[0]);
    let told = "removed.jpg: it was removed from the library before (trash empty)";
    assert!(named.stderr.contains(told) && !named.said().contains("unchanged"), "{}", named.said());
    assert_eq!(room.listed().len(), 1);

    // As was said: touched, it comes in again.
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(std::time::SystemTime::now())
        .unwrap();
    room.import().ends_with(&[0]);
    assert!(room.original(&sha256(&photo(1))) == photo(1));
    let report = room.import().ends_with(&[0]).json();
    assert_eq!((&report["unchanged"], &report["purged_before"]), (&2.into(), &0.into()), "{report}");
}

#[test]
fn emptying_the_trash_never_touches_a_linked_file() {
    let room = Room::with_library();
    let path = room.put("linked.jpg", photo(1));
    room.run(room.unlocked().args(["import", "--link", "--wait", "--settle=0"]).arg(room.photos()))
        .ends_with(&[0]);
    room.safelight(&["trash", "linked.jpg"]).ends_with(&[0]);
    let emptied = room.safelight(&["--yes", "trash", "empty"]).ends_with(&[0]);
    assert!(emptied.stderr.contains("1 photo removed"), "{}", emptied.said());
    assert!(std::fs::read(path).unwrap() == photo(1));
    room.verify_is_clean();
}

#[test]
fn killed_while_the_trash_is_emptied_nothing_that_stays_is_lost() {
    let room = Room::with_library();
    let mut kept = Vec::new();
    for seed in 0..30 {
        let bytes = if seed % 3 == 0 { heavy_photo(seed, 1 << 20) } else { photo(seed) };
        let folder = if seed % 2 == 0 { "kept" } else { "gone" };
        room.put(format!("{folder}/{seed}.jpg"), &bytes);
        if seed % 2 == 0 {
            kept.push(bytes);
        }
    }
    room.import().ends_with(&[0]);
    room.safelight(&["trash", "path:gone"]).ends_with(&[0]);
    let full = room.path("full");
    copy_folder(&room.library(), &full);
    let empty = || {
        let mut command = room.unlocked();
        command.args(["--yes", "trash", "empty"]);
        command
    };
    let begun = Instant::now();
    room.run(&mut empty()).ends_with(&[0]);
    let whole = begun.elapsed();
    let mut chance = Chance::seeded(times("SAFELIGHT_SEED", 1));
    let kills = times("SAFELIGHT_KILLS", 50).min(200) / 2;
    let mut between = 0;
    for _ in 0..kills {
        std::fs::remove_dir_all(room.library()).unwrap();
        copy_folder(&full, &room.library());
        kill_within(&mut empty(), whole, &mut chance);
        let parts = sealed_parts(&room);
        let left = count(&room, "is:trashed");
        assert!(left == "0" || left == "15", "{left} of 15 were purged");
        if left == "0" {
            between += u64::from(parts > 5);
            // Listing only looks; whatever opens the library to change it finishes what was cut short.
            room.safelight(&["history"]).ends_with(&[0]);
            assert_eq!(sealed_parts(&room), 5, "{parts} were there before");
        }
        for bytes in kept.iter().take(4) {
            assert!(&room.original(&sha256(bytes)) == bytes);
        }
        room.run(&mut empty()).ends_with(&[0]);
        room.verify_is_clean();
        assert_eq!(sealed_parts(&room), kept.iter().filter(|bytes| bytes.len() > 128 << 10).count());
    }
    eprintln!("{kills} kills in {} ms, {between} of them between the purge and its bytes", whole.as_millis());
    for bytes in &kept {
        assert!(&room.original(&sha256(bytes)) == bytes);
    }
}

#[test]
fn emptying_the_trash_while_an_import_runs_harms_neither() {
    let room = Room::with_library();
    for seed in 0..20 {
        room.put(format!("first/{seed}.jpg"), photo(seed));
    }
    room.put("first/large.jpg", heavy_photo(99, 1 << 20));
    room.import().ends_with(&[0]);
    room.safelight(&["trash", "path:first"]).ends_with(&[0]);
    // Some of what comes in is what goes.
    for seed in 10..70 {
        room.put(format!("second/{seed}.jpg"), photo(seed));
    }
    room.put("second/large.jpg", heavy_photo(99, 1 << 20));
    let import = room.import_command().spawn().unwrap();
    let mut later = 0;
    for _ in 0..6 {
        let emptied = room.safelight(&["--json", "--yes", "trash", "empty"]).ends_with(&[0]).json();
        later += u64::from(!emptied["bytes_left"].is_null());
    }
    // A content that it knew and that went meanwhile is named, and taken in by the next import.
    finish(import, PATIENCE).ends_with(&[0, 1]);
    eprintln!("{later} of 6 emptyings left the bytes for later");
    room.safelight(&["--yes", "trash", "empty"]).ends_with(&[0]);
    room.import().ends_with(&[0]);
    let listed = room.listed();
    assert!(listed.len() >= 50, "{listed:?}");
    for id in listed.keys().step_by(7) {
        assert_eq!(&sha256(&room.original(id)), id);
    }
    room.verify_is_clean();
}

#[test]
fn dates_and_places_that_are_typed_stand_above_those_of_the_file() {
    let room = Room::with_library();
    let exif = Exif {
        taken: Some("2017:03:04 05:06:07".into()),
        place: Some((64.1466, -21.9426)),
        ..Exif::default()
    };
    room.put("dated.jpg", jpeg(1, 8, 8, &exif));
    room.import().ends_with(&[0]);
    room.safelight(&["set", "dated.jpg", "date=1999-12-31 23:59 Europe/Lisbon", "place=38.7,-9.1"])
        .ends_with(&[0]);
    let after = shown(&room, "dated.jpg");
    assert_eq!(after["taken"], "1999-12-31T23:59:00+00:00");
    assert_eq!((count(&room, "date:1999"), count(&room, "near:38.7,-9.1,1km")), ("1".into(), "1".into()));
    room.safelight(&["set", "dated.jpg", "--clear", "date,place"]).ends_with(&[0]);
    let after = shown(&room, "dated.jpg");
    assert!(after["taken"].as_str().unwrap().starts_with("2017-03-04T05:06:07"), "{after}");
    assert_eq!(count(&room, "date:2017 near:64.1466,-21.9426,1km"), "1");
}

#[test]
fn what_was_typed_trashed_and_purged_is_the_same_in_a_catalogue_that_is_made_anew() {
    let room = Room::with_photos(4);
    room.safelight(&["album", "add", "Trips/Iceland"]).ends_with(&[0]);
    room.safelight(&["set", "0.jpg", "caption=kept", "tag+=sea", "album+=Iceland"]).ends_with(&[0]);
    room.safelight(&["trash", "1.jpg", "2.jpg"]).ends_with(&[0]);
    room.safelight(&["--yes", "trash", "empty", "2.jpg"]).ends_with(&[0]);
    let tell = || {
        let commands: [&[&str]; 4] = [&["list"], &["show", "0.jpg"], &["album"], &["trash"]];
        commands.map(|command| room.safelight(&[&["--json"], command].concat()).ends_with(&[0]).json())
    };
    let before = tell();
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        drop(std::fs::remove_file(room.library().join(name)));
    }
    room.safelight(&["doctor", "--fix", "catalog"]).ends_with(&[0, 1]);
    assert_eq!(tell(), before);
    room.safelight(&["show", &sha256(&photo(2))]).ends_with(&[4]);
    room.verify_is_clean();
}

#[test]
fn emptying_an_empty_trash_frees_nothing() {
    let room = Room::with_library();
    room.put("large.jpg", heavy_photo(1, 2 << 20));
    room.put("small.jpg", photo(2));
    room.import().ends_with(&[0]);
    room.safelight(&["trash", "large.jpg", "small.jpg"]).ends_with(&[0]);
    let freed = || room.safelight(&["--json", "--yes", "trash", "empty"]).ends_with(&[0]).json();
    assert!(freed()["freed_bytes"].as_u64().unwrap() > 2 << 20);
    assert_eq!(freed()["freed_bytes"], 0);
}

#[test]
fn a_name_after_a_dot_and_a_slash_is_a_name_wherever_the_command_is_given() {
    let room = Room::with_library();
    room.put("tag+=x.jpg", photo(1));
    room.put("list", photo(2));
    room.import().ends_with(&[0]);
    room.safelight(&["set", "./tag+=x.jpg", "rating=4"]).ends_with(&[0]);
    room.safelight(&["trash", "./list"]).ends_with(&[0]);
    let left = room.list();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["rating"], 4);
}
