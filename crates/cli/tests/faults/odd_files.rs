//! Files that are not what they seem: empty, unreadable, endless, lying about their size, changing.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::pictures::{Exif, heavy_photo, jpeg, movie_around, photo, png_bomb, png_claiming};
use crate::room::{Outcome, Room, files_below, set_mode, sha256, skip, text};

/// What the import said about a file: the reason, if it named the file.
fn reason(outcome: &Outcome, name: &str) -> Option<String> {
    let report = outcome.json();
    let problems = report["problems"].as_array().cloned().unwrap_or_default();
    problems
        .iter()
        .find(|problem| text(problem, "path").contains(name))
        .map(|problem| text(problem, "reason"))
}

fn asset_named(list: &[Value], name: &str) -> Option<Value> {
    list.iter().find(|asset| text(asset, "path").ends_with(name)).cloned()
}

#[test]
fn empty_and_broken_files_are_listed_or_named_and_the_rest_comes_in() {
    let room = Room::with_library();
    room.put("good.jpg", photo(1));
    room.put("empty.jpg", b"");
    room.put("noise.jpg", [0x5a; 4096]);
    let whole = photo(2);
    room.put("half.jpg", &whole[..whole.len() / 2]);
    room.put("only a header.jpg", &whole[..20]);
    room.put("text.heic", b"this is no picture");
    let outcome = room.import();
    let list = room.list();
    assert!(asset_named(&list, "good.jpg").is_some());
    for name in ["empty.jpg", "noise.jpg", "half.jpg", "only a header.jpg", "text.heic"] {
        assert!(
            asset_named(&list, name).is_some() || reason(&outcome, name).is_some(),
            "{name} is neither listed nor named: {}",
            outcome.said()
        );
    }
    room.verify_is_clean();
}

#[test]
fn a_picture_that_claims_four_thousand_megapixels_does_no_harm() {
    let room = Room::with_library();
    room.put("huge.png", png_claiming(65_535, 65_535));
    room.put("negative.png", png_claiming(u32::MAX, u32::MAX));
    room.put("good.jpg", photo(1));
    let begun = Instant::now();
    let outcome = room.import();
    assert!(begun.elapsed() < Duration::from_secs(30), "took {:?}", begun.elapsed());
    let list = room.list();
    assert!(asset_named(&list, "good.jpg").is_some());
    for name in ["huge.png", "negative.png"] {
        let listed =
            asset_named(&list, name).unwrap_or_else(|| panic!("{name} was not taken in: {}", outcome.said()));
        let bytes = std::fs::read(room.photos().join(name)).unwrap();
        assert!(room.original(&text(&listed, "id")) == bytes, "{name} changed");
    }
}

#[test]
fn bombs_do_not_go_off() {
    let room = Room::with_library();
    // 20,000 × 20,000 pixels of zeros: 1.2 GB out of 7.5 MB. A JPEG whose header claims 65,500 × 65,500.
    room.put("zeros.png", png_bomb(20_000));
    let mut claims = photo(5);
    let frame = claims.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    claims[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    room.put("claims.jpg", claims);
    room.put("good.jpg", photo(1));
    let begun = Instant::now();
    room.import();
    assert!(begun.elapsed() < Duration::from_secs(60), "took {:?}", begun.elapsed());
    let list = room.list();
    for name in ["zeros.png", "claims.jpg", "good.jpg"] {
        assert!(asset_named(&list, name).is_some(), "{name} was not taken in");
    }
    room.verify_is_clean();
}

#[test]
fn a_movie_of_five_gigabytes_is_linked_without_filling_memory() {
    let room = Room::with_library();
    let path = room.photos().join("long.mp4");
    let (head, tail) = movie_around(5 << 30);
    let mut file = File::create(&path).unwrap();
    file.write_all(&head).unwrap();
    file.seek(SeekFrom::Current(5 << 30)).unwrap();
    file.write_all(&tail).unwrap();
    drop(file);
    room.put("good.jpg", photo(1));
    let mut import = room.unlocked();
    import.args(["--json", "--yes", "import", "--wait", "--link", "--settle=0"]).arg(room.photos());
    let peak = peak_kilobytes(&mut import);
    let list = room.list();
    let movie = asset_named(&list, "long.mp4").expect("the movie was not taken in");
    assert!(movie["size"].as_u64().unwrap() > 5 << 30);
    assert!(peak < 600_000, "{peak} kB of memory for a movie that need not be held");
}

#[test]
fn a_picture_of_three_hundred_megabytes_comes_in_without_being_held() {
    let room = Room::with_library();
    let path = room.put("scan.jpg", photo(1));
    File::options().write(true).open(&path).unwrap().set_len(300 << 20).unwrap();
    let peak = peak_kilobytes(&mut room.import_command());
    let list = room.list();
    let scan = asset_named(&list, "scan.jpg").expect("the picture was not taken in");
    assert_eq!(scan["size"], 300 << 20);
    assert!(peak < 250_000, "{peak} kB of memory for a picture that need not be held");
}

/// The most memory that a run of the program has at once.
fn peak_kilobytes(command: &mut std::process::Command) -> u64 {
    let child = command.spawn().unwrap();
    let process = child.id();
    let watching = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peak = 0;
            while watching.load(Ordering::Relaxed) {
                peak = peak.max(resident_kilobytes(process));
                std::thread::sleep(Duration::from_millis(10));
            }
            peak
        });
        crate::room::finish(child, crate::room::PATIENCE).ends_with(&[0, 1]);
        watching.store(false, Ordering::Relaxed);
        watcher.join().unwrap()
    })
}

fn resident_kilobytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[test]
fn a_pipe_where_a_file_lay_holds_nothing_up() {
    let room = Room::with_library();
    let linked = room.put("linked/linked.jpg", photo(1));
    let copied = room.put("copied/copied.jpg", photo(2));
    let mut link = room.unlocked();
    room.run(link.args(["import", "--wait", "--link", "--settle=0"]).arg(linked.parent().unwrap()))
        .ends_with(&[0]);
    let mut copy = room.unlocked();
    room.run(copy.args(["import", "--wait", "--settle=0"]).arg(copied.parent().unwrap())).ends_with(&[0]);
    let out = room.path("out");
    room.run(room.unlocked().arg("export").arg(&out)).ends_with(&[0]);
    let exported = files_below(&out).into_iter().find(|path| path.ends_with("copied.jpg")).unwrap();
    for file in [&linked, &exported] {
        std::fs::remove_file(file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(file).status().unwrap().success());
    }
    let begun = Instant::now();
    let verified = room.safelight(&["verify"]).ends_with(&[6]);
    assert!(verified.said().contains("linked.jpg"), "{}", verified.said());
    let checked = room.run(room.bare().args(["verify", "--export"]).arg(&out)).ends_with(&[6]);
    assert!(checked.said().contains("copied.jpg"), "{}", checked.said());
    let again = room.run(room.unlocked().arg("export").arg(room.path("again"))).ends_with(&[1]);
    assert!(again.said().contains("linked.jpg"), "{}", again.said());
    assert!(begun.elapsed() < Duration::from_secs(60), "took {:?}", begun.elapsed());
}

#[test]
fn what_is_no_file_does_not_hold_an_import_up() {
    let room = Room::with_library();
    room.put("good.jpg", photo(1));
    std::fs::create_dir(room.photos().join("folder.jpg")).unwrap();
    let pipe = room.photos().join("pipe.jpg");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(room.photos().join("socket.jpg")).unwrap();
    std::os::unix::fs::symlink("/dev/null", room.photos().join("null.jpg")).unwrap();
    let begun = Instant::now();
    let outcome = room.import().ends_with(&[0]);
    assert!(begun.elapsed() < Duration::from_secs(20), "took {:?}", begun.elapsed());
    assert_eq!(room.listed().len(), 1);

    assert_eq!(outcome.json()["left_out"], 3, "{}", outcome.said());
    for (name, kind) in [("pipe.jpg", "a named pipe"), ("socket.jpg", "a socket"), ("null.jpg", "a device")] {
        let reason =
            reason(&outcome, name).unwrap_or_else(|| panic!("{name} is not named: {}", outcome.said()));
        assert!(reason.contains(kind), "{name}: {reason}");
        assert!(outcome.stderr.contains(name), "{name} is named without -v too: {}", outcome.said());
    }
    // What was asked for by name and cannot be done is a failure.
    let shown = room.run(room.bare().args(["show", "--file"]).arg(&pipe)).ends_with(&[1]);
    assert!(shown.stderr.contains("pipe.jpg") && shown.stderr.contains("a named pipe"), "{}", shown.said());
    let mut import = room.unlocked();
    let imported = room.run(import.args(["import", "--settle=0"]).arg(&pipe)).ends_with(&[1]);
    assert!(imported.stderr.contains("a named pipe"), "{}", imported.said());
}

#[test]
fn a_photo_by_name_with_the_content_of_something_else_is_named_and_all_files_takes_it() {
    let room = Room::with_library();
    room.put("good.jpg", photo(1));
    let packed = [b"\x1f\x8b\x08\0".as_slice(), &photo(2)].concat();
    room.put("packed.jpg", &packed);
    let outcome = room.import().ends_with(&[0]);
    assert!(
        outcome.stderr.contains("packed.jpg") && outcome.stderr.contains("--all-files"),
        "{}",
        outcome.said()
    );
    assert_eq!(room.listed().len(), 1);

    let mut import = room.unlocked();
    room.run(import.args(["--yes", "import", "--settle=0", "--all-files"]).arg(room.photos()))
        .ends_with(&[0]);
    assert!(room.original(&sha256(&packed)) == packed);
}

#[test]
fn a_photo_that_is_named_like_a_sidecar_is_named_and_comes_in_once_it_is_renamed() {
    let room = Room::with_library();
    room.put("a.jpg", photo(1));
    let path = room.put("b.jpg.xmp", photo(2));
    let outcome = room.import().ends_with(&[0]);
    let report = outcome.json();
    assert_eq!((&report["sidecars"], &report["left_out"]), (&0.into(), &1.into()), "{report}");
    assert!(outcome.stderr.contains("b.jpg.xmp") && outcome.stderr.contains("rename"), "{}", outcome.said());
    std::fs::rename(&path, room.photos().join("b.jpg")).unwrap();
    room.import().ends_with(&[0]);
    assert!(room.original(&sha256(&photo(2))) == photo(2));
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_comes_in_once_it_can() {
    let room = Room::with_library();
    room.put("good.jpg", photo(1));
    let closed = room.put("closed.jpg", photo(2));
    let folder = room.put("closed folder/inside.jpg", photo(3));
    set_mode(&closed, 0o000);
    set_mode(folder.parent().unwrap(), 0o000);
    let open_again = || {
        set_mode(folder.parent().unwrap(), 0o755);
        set_mode(&closed, 0o644);
    };
    if File::open(&closed).is_ok() {
        open_again();
        return skip("this user may read everything, as root does; nothing is unreadable");
    }
    let outcome = room.import().ends_with(&[1]);
    let named = reason(&outcome, "closed.jpg");
    let folder_named = reason(&outcome, "closed folder");
    open_again();
    assert!(named.is_some(), "closed.jpg is not named: {}", outcome.said());
    assert!(folder_named.is_some(), "the folder is not named: {}", outcome.said());
    assert_eq!(room.listed().len(), 1);
    room.import().ends_with(&[0]);
    assert_eq!(room.listed().len(), 3);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_taken_in_whole_or_not_at_all() {
    let room = Room::with_library();
    let path = room.put("growing.jpg", heavy_photo(1, 24 << 20));
    let first = std::fs::read(&path).unwrap();
    room.put("steady.jpg", photo(2));
    let writing = AtomicBool::new(true);
    let rounds = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut rounds = 0;
            while writing.load(Ordering::Relaxed) {
                rounds += 1;
                change(&path, &first, rounds);
                std::thread::sleep(Duration::from_millis(1));
            }
            rounds
        });
        room.import();
        writing.store(false, Ordering::Relaxed);
        writer.join().unwrap()
    });
    assert!(rounds > 10, "the file hardly changed during the import: {rounds} times");
    for (id, name) in room.listed() {
        if name.ends_with("growing.jpg") {
            let had = (0..=rounds).any(|round| sha256(&state(&first, round)) == id);
            assert!(had, "{name} was taken in with bytes that it never had");
        }
    }
    // It has settled; now it comes in, as it is.
    std::thread::sleep(Duration::from_millis(100));
    room.import().ends_with(&[0]);
    let last = std::fs::read(&path).unwrap();
    assert!(last == state(&first, rounds));
    let listed = room.list();
    let growing = asset_named(&listed, "growing.jpg").expect("it never came in");
    assert!(room.original(&text(&growing, "id")) == last, "what comes out is not what is there");
    room.verify_is_clean();
}

/// One change in the middle and one at the end: neither the size nor one reading of the start gives it away.
fn change(path: &std::path::Path, first: &[u8], round: u32) {
    let mark = round.to_le_bytes();
    let mut file = File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(first.len() as u64 / 2)).unwrap();
    file.write_all(&mark).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(&mark[..1]).unwrap();
}

/// What the file held after so many changes.
fn state(first: &[u8], rounds: u32) -> Vec<u8> {
    let mut bytes = first.to_vec();
    if rounds > 0 {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 4].copy_from_slice(&rounds.to_le_bytes());
        bytes.extend((1..=rounds).map(|round| round.to_le_bytes()[0]));
    }
    bytes
}

#[test]
fn a_changed_file_becomes_a_new_version_of_the_same_asset() {
    let room = Room::with_library();
    let exif = Exif { taken: Some("2021:10:08 22:47:36".into()), ..Exif::default() };
    let path = room.put("edited.jpg", jpeg(1, 20, 15, &exif));
    room.import().ends_with(&[0]);
    let before = room.listed();
    let edited = jpeg(2, 20, 15, &exif);
    std::fs::write(&path, &edited).unwrap();
    room.import().ends_with(&[0]);
    let after = room.listed();
    assert_eq!(before.len(), 1);
    assert_eq!(after.len(), 1, "an edit must not make another asset: {after:?}");
    assert!(room.original(after.keys().next().unwrap()) == edited, "the current version is the edited one");
    room.verify_is_clean();
}

#[test]
fn a_camera_that_counts_from_one_again_does_not_hide_the_older_photo() {
    let room = Room::with_library();
    let path = room.put("DCIM/100CANON/IMG_0001.JPG", photo(1));
    room.import().ends_with(&[0]);
    std::fs::write(&path, photo(2)).unwrap();
    room.import().ends_with(&[0]);
    let listed = room.listed();
    assert_eq!(listed.len(), 2, "two photos taken at different times: {listed:?}");
    for seed in [1, 2] {
        assert!(room.original(&sha256(&photo(seed))) == photo(seed));
    }
}

#[test]
fn a_picture_that_is_cut_off_comes_in_as_it_is_and_says_so() {
    let room = Room::with_library();
    let whole = photo(3);
    let cut = whole[..whole.len() * 3 / 4].to_vec();
    room.put("whole.jpg", &whole);
    room.put("behind.jpg", [&photo(4)[..], &[7; 3000]].concat());
    room.put("cut.jpg", &cut);
    let outcome = room.import().ends_with(&[0]);
    assert_eq!(outcome.json()["imported"], 3);
    let told = reason(&outcome, "cut.jpg").unwrap();
    assert!(told.starts_with("it is cut off or damaged: "), "{told}");
    for whole in ["whole.jpg", "behind.jpg"] {
        assert_eq!(reason(&outcome, whole), None);
        assert!(!room.safelight(&["show", whole]).ends_with(&[0]).text().contains("damaged"));
    }
    let shown = room.safelight(&["show", "cut.jpg"]).ends_with(&[0]).text();
    assert!(shown.contains("damaged"), "{shown}");
    assert!(room.original(&sha256(&cut)) == cut, "nothing of it is lost");
}

#[test]
fn a_video_that_ends_early_comes_in_whole_as_it_is_and_says_how_much_of_it_there_is() {
    let room = Room::with_library();
    let (head, tail) = movie_around(200_000);
    // The header stands first, as telephones leave what they send; the connection broke off within the pictures.
    let whole = [&head[..head.len() - 16], &tail, &head[head.len() - 16..], &[7; 200_000]].concat();
    let cut = whole.len() - 50_000;
    room.put("whole.mp4", &whole);
    room.put("cut.mp4", &whole[..cut]);
    let outcome = room.import().ends_with(&[0]);
    let early = format!("it ends early: {cut} of {} bytes; all that is there was imported", whole.len());
    assert_eq!(outcome.json()["imported"], 2);
    assert!(outcome.said().contains(&early), "{}", outcome.said());
    assert!(!outcome.said().contains(&format!("{} of", whole.len())), "{}", outcome.said());
    let shown = room.safelight(&["show", "cut.mp4"]).ends_with(&[0]).text();
    assert!(shown.contains(&format!("the file ends early: {cut} of {} bytes", whole.len())), "{shown}");
    let facts = room.safelight(&["--json", "show", "cut.mp4"]).ends_with(&[0]).json();
    assert_eq!(facts["facts"]["stated_bytes"], whole.len(), "{facts}");
    let other = room.safelight(&["show", "whole.mp4"]).ends_with(&[0]).text();
    assert!(!other.contains("ends early"), "{other}");
    assert!(room.original(&sha256(&whole[..cut])) == whole[..cut], "nothing of it is lost");
}
