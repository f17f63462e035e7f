//! Ends without warning: killed at any moment, a full disk, a disk that cannot be written.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::chance::{Chance, times};
use crate::pictures::{heavy_photo, movie_around, photo};
use crate::room::{
    NOBODY, PATIENCE, Room, alive_in_group, copy_folder, files_below, finish, set_mode, sha256, skip,
    spawn_in_group,
};

/// Photos of one round; small ones and some of several segments, so that a kill meets every stage.
fn fill(room: &Room) -> BTreeSet<String> {
    (0..48)
        .map(|seed| {
            let bytes = if seed % 6 == 0 { heavy_photo(seed, 3 << 20) } else { photo(seed) };
            room.put(format!("{}/{seed}.jpg", seed % 5), &bytes);
            sha256(&bytes)
        })
        .collect()
}

/// What must be true at any moment: what is listed is there and whole.
#[track_caller]
fn nothing_listed_is_missing(room: &Room, wanted: &BTreeSet<String>, story: &str) -> usize {
    let listed = room.listed();
    for id in listed.keys() {
        assert!(wanted.contains(id), "{story}: {id} is listed and was never there");
    }
    let verified = room.safelight(&["--json", "verify"]);
    assert_eq!(verified.code, Some(0), "{story}: {}", verified.said());
    listed.len()
}

#[test]
fn killed_at_random_moments_an_import_loses_nothing_and_goes_on() {
    let kills = times("SAFELIGHT_KILLS", 50);
    let seed = times("SAFELIGHT_SEED", 1);
    let room = Room::with_library();
    let wanted = fill(&room);
    let fresh = room.path("fresh");
    copy_folder(&room.library(), &fresh);
    let begun = Instant::now();
    room.import().ends_with(&[0]);
    let whole = begun.elapsed();
    assert_eq!(room.listed().keys().cloned().collect::<BTreeSet<_>>(), wanted);

    let mut chance = Chance::seeded(seed);
    let mut done = 0;
    let mut landed = 0;
    while done < kills {
        // Five kills in a row on one library, each on top of what the last left behind.
        std::fs::remove_dir_all(room.library()).unwrap();
        copy_folder(&fresh, &room.library());
        let mut story = format!("seed {seed}, kills after");
        let mut before = 0;
        for _ in 0..5.min(kills - done) {
            // What earlier kills let through is not imported again, so the run is shorter by that.
            let listed = |count: usize| f64::from(u32::try_from(count).unwrap());
            let share = 1.0 - 0.7 * listed(before) / listed(wanted.len());
            let moment =
                whole.mul_f64(share * f64::from(u32::try_from(chance.below(1000)).unwrap()) / 1000.0);
            story.push_str(&format!(" {} ms", moment.as_millis()));
            let mut child = spawn_in_group(&mut room.import_command());
            let group = child.id();
            std::thread::sleep(moment);
            if child.try_wait().unwrap().is_none() {
                landed += 1;
            }
            child.kill().unwrap();
            drop(child.wait_with_output().unwrap());
            no_worker_outlives(group, &story);
            let now = nothing_listed_is_missing(&room, &wanted, &story);
            assert!(now >= before, "{story}: what was listed before the kill is gone, {before} then {now}");
            before = now;
            done += 1;
        }
        let outcome = room.run(&mut room.import_command());
        assert_eq!(outcome.code, Some(0), "{story}: {}", outcome.said());
        assert_eq!(room.listed().keys().cloned().collect::<BTreeSet<_>>(), wanted, "{story}");
        nothing_listed_is_missing(&room, &wanted, &story);
        let left = files_below(&room.library().join("tmp"));
        assert!(left.is_empty(), "{story}: tmp/ was not swept: {left:?}");
    }
    // The first import, which was timed, may have had a busier machine than the others.
    assert!(landed * 4 >= kills, "only {landed} of {kills} kills met a running import");
    eprintln!("{landed} of {kills} kills met a running import of {} ms", whole.as_millis());
}

#[track_caller]
fn no_worker_outlives(group: u32, story: &str) {
    let begun = Instant::now();
    loop {
        let alive = alive_in_group(group);
        if alive.is_empty() {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{story}: still running after the kill: {alive:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn interrupted_politely_an_import_says_so_and_goes_on_later() {
    let room = Room::with_library();
    let wanted = fill(&room);
    let child = room.import_command().spawn().unwrap();
    std::thread::sleep(Duration::from_millis(150));
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let outcome = finish(child, PATIENCE).ends_with(&[0, 1]);
    if outcome.code == Some(1) {
        assert!(outcome.stderr.contains("interrupted"), "{}", outcome.said());
    }
    room.verify_is_clean();
    room.import().ends_with(&[0]);
    assert_eq!(room.listed().keys().cloned().collect::<BTreeSet<_>>(), wanted);
}

/// A small file system of its own, gone when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output().ok()?;
        mounted.status.success().then_some(Self(at))
    }

    /// A disk image with blocks smaller than a page of memory, so that a file's page may have holes.
    fn mount_small_blocks(at: &'a Path, image: &Path, megabytes: u64) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        std::fs::File::create(image).unwrap().set_len(megabytes << 20).unwrap();
        let made =
            Command::new("mkfs.ext4").args(["-q", "-b", "1024", "-m", "0"]).arg(image).output().ok()?;
        let mounted = Command::new("mount").args(["-o", "loop"]).arg(image).arg(at).output().ok()?;
        if !made.status.success() || !mounted.status.success() {
            return None;
        }
        std::fs::remove_dir(at.join("lost+found")).unwrap();
        Some(Self(at))
    }

    /// Fills the disk but for so many bytes, to the last one when none are to be left.
    fn fill(&self, but_bytes: u64) -> std::path::PathBuf {
        let filler = self.0.join("tmp/filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        for piece in [4096, 1024, 1] {
            while std::io::Write::write(&mut file, &vec![0; piece]).is_ok() {}
            drop(file.sync_all());
        }
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(but_bytes)).unwrap();
        filler
    }

    fn grow(&self, megabytes: u32) {
        let options = format!("remount,size={megabytes}m");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Nothing can be done here; the room's folder would then stay behind.
        drop(Command::new("umount").arg(self.0).status());
    }
}

#[test]
fn a_full_disk_is_said_harms_nothing_and_once_there_is_room_it_goes_on() {
    let room = Room::empty();
    let library = room.library();
    let Some(disk) = SmallDisk::mount(&library, 24) else {
        return skip("no tmpfs can be mounted here (it needs root); the full disk was not tried");
    };
    room.init();
    let wanted = (0..30)
        .map(|seed| {
            let bytes = heavy_photo(seed, 2 << 20);
            room.put(format!("{seed}.jpg"), &bytes);
            sha256(&bytes)
        })
        .collect::<BTreeSet<_>>();
    let outcome = room.run(&mut room.import_command());
    assert!(outcome.code.is_some_and(|code| code != 0), "a full disk was not said: {}", outcome.said());
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.said());
    let said = outcome.said().to_lowercase();
    assert!(said.contains("space") || said.contains("full"), "the reason is not clear: {said}");
    let before = nothing_listed_is_missing(&room, &wanted, "after the disk was full");
    assert!(before < 30);
    // 24 MB take eight of them, with room for the databases: what was complete is kept, so that the next run goes on.
    assert!(before >= 4, "{before} of what fitted was kept: {}", outcome.said());

    disk.grow(200);
    room.import().ends_with(&[0]);
    assert_eq!(room.listed().keys().cloned().collect::<BTreeSet<_>>(), wanted);
    room.verify_is_clean();
    assert!(files_below(&library.join("tmp")).is_empty(), "tmp/ was not swept");
}

#[test]
fn words_that_a_full_disk_did_not_take_are_not_in_the_way_of_the_next_attempt() {
    let room = Room::empty();
    let stick = room.path("stick");
    let Some(disk) = SmallDisk::mount(&stick, 1) else {
        return skip("no tmpfs can be mounted here (it needs root); the full disk was not tried");
    };
    std::fs::create_dir(stick.join("tmp")).unwrap();
    let filler = disk.fill(0);
    let words = stick.join("words");
    let init = || {
        let mut init = room.unlocked();
        room.run(init.arg("init").arg("--recovery-file").arg(&words))
    };
    let full = init().ends_with(&[1]);
    assert!(full.stderr.contains("words"), "{}", full.said());
    assert!(!words.exists(), "half of the words stayed");
    std::fs::remove_file(filler).unwrap();
    init().ends_with(&[0]);
}

#[test]
fn on_a_full_disk_a_library_can_still_be_looked_at_and_checked() {
    let room = Room::empty();
    let library = room.library();
    let Some(_disk) = SmallDisk::mount(&library, 24) else {
        return skip("no tmpfs can be mounted here (it needs root); the full disk was not tried");
    };
    room.init();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    let filler = library.join("tmp/filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write(&mut file, &[0; 4096]).is_ok() {}
    drop(file);
    for looking in [&["verify"][..], &["verify", "--quick"], &["status"], &["list"]] {
        let outcome = room.safelight(looking).ends_with(&[0]);
        assert!(outcome.stderr.contains("no space is left"), "{looking:?}: {}", outcome.said());
    }
    assert!(room.original(&sha256(&photo(1))) == photo(1));
    let refused = room.safelight(&["set", "one.jpg", "rating=4"]).ends_with(&[1]);
    assert!(refused.stderr.contains("free some space"), "{}", refused.said());
    std::fs::remove_file(filler).unwrap();
    room.safelight(&["set", "one.jpg", "rating=4"]).ends_with(&[0]);
    room.verify_is_clean();
}

/// Kills an import of many photos as soon as the log of its catalogue has so many bytes.
fn leave_a_log(room: &Room, bytes: u64) {
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    for seed in 100..400 {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    let log = room.library().join("catalog.db-wal");
    let length = || log.metadata().map_or(0, |log| log.len());
    let begun = Instant::now();
    let mut child = spawn_in_group(&mut room.import_command());
    while length() < bytes && begun.elapsed() < PATIENCE && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    drop(child.wait_with_output().unwrap());
    assert!(length() >= bytes, "the import left a log of {} bytes", length());
}

/// What only reads, each command several times over.
#[track_caller]
fn everything_can_be_read(room: &Room) {
    for round in 0..4 {
        let out = room.path(format!("out {round}"));
        for looking in [
            &["list"][..],
            &["status"],
            &["show", "one.jpg"],
            &["export", out.to_str().unwrap()],
            &["local"],
            &["album"],
            &["source"],
            &["conflicts"],
            &["trash"],
            &["verify"],
            &["verify", "--quick"],
        ] {
            let outcome = room.safelight(looking);
            assert_eq!(outcome.code, Some(0), "{looking:?}, round {round}: {}", outcome.said());
        }
    }
}

#[test]
fn a_full_disk_with_a_log_that_a_kill_left_can_be_read_and_later_goes_on() {
    for has_small_blocks in [false, true] {
        let room = Room::empty();
        let library = room.library();
        let image = room.path("disk.img");
        let mounted = if has_small_blocks {
            SmallDisk::mount_small_blocks(&library, &image, 48)
        } else {
            SmallDisk::mount(&library, 24)
        };
        let Some(disk) = mounted else {
            return skip("no small disk can be mounted here (it needs root); the full disk was not tried");
        };
        room.init();
        leave_a_log(&room, 60_000);
        let filler = disk.fill(0);
        everything_can_be_read(&room);
        let refused = room.safelight(&["set", "one.jpg", "rating=4"]).ends_with(&[1]);
        assert!(refused.stderr.contains("free some space"), "{}", refused.said());
        std::fs::remove_file(filler).unwrap();
        room.safelight(&["set", "one.jpg", "rating=4"]).ends_with(&[0]);
        room.verify_is_clean();
    }
}

#[test]
fn an_import_ends_in_words_when_others_fill_the_disk_under_it() {
    let room = Room::empty();
    let library = room.library();
    let Some(disk) = SmallDisk::mount_small_blocks(&library, &room.path("disk.img"), 48) else {
        return skip("no small disk can be mounted here (it needs root); the full disk was not tried");
    };
    room.init();
    for seed in 0..300 {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    let log = library.join("catalog.db-wal");
    let child = spawn_in_group(&mut room.import_command());
    let begun = Instant::now();
    while log.metadata().map_or(0, |log| log.len()) < 60_000 && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    let signal = |name: &str| {
        let told = Command::new("kill").args([name, "--", &format!("-{}", child.id())]).status().unwrap();
        assert!(told.success(), "the import had ended");
    };
    signal("-STOP");
    let filler = disk.fill(0);
    signal("-CONT");
    let outcome = finish(child, PATIENCE).ends_with(&[1]);
    assert!(outcome.stderr.contains("space"), "{}", outcome.said());
    std::fs::remove_file(filler).unwrap();
    room.import().ends_with(&[0]);
    assert_eq!(room.listed().len(), 300);
    room.verify_is_clean();
}

#[test]
fn a_log_that_does_not_fit_into_its_database_stays_and_fails_no_command() {
    let room = Room::empty();
    let library = room.library();
    let Some(disk) = SmallDisk::mount(&library, 24) else {
        return skip("no tmpfs can be mounted here (it needs root); the full disk was not tried");
    };
    room.init();
    leave_a_log(&room, 1_000_000);
    let filler = disk.fill(400 << 10);
    everything_can_be_read(&room);
    std::fs::remove_file(filler).unwrap();
    room.verify_is_clean();
}

#[test]
fn a_library_that_cannot_be_written_can_be_read_and_left_and_says_why_it_takes_nothing_in() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    room.put("two.jpg", photo(2));
    let Some(reader) = Reader::of(&room) else {
        return skip("this user may write everything and no other could be taken on");
    };
    let refused = reader.run(&["import", room.photos().to_str().unwrap()]);
    assert!(refused.code.is_some_and(|code| code != 0), "{}", refused.said());
    assert!(!refused.stderr.contains("panicked"), "{}", refused.said());
    assert!(
        refused.stderr.contains("read-only") && refused.stderr.contains("make it writable"),
        "{}",
        refused.said()
    );
    let foretold =
        reader.run(&["--json", "--dry-run", "import", "--settle=0", room.photos().to_str().unwrap()]);
    assert_eq!(foretold.ends_with(&[0]).json()["would_read"], 1);
    let elsewhere = room.path("home/elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("three.jpg"), photo(3)).unwrap();
    let foretold = reader.run(&["--json", "--dry-run", "import", "--settle=0", elsewhere.to_str().unwrap()]);
    assert_eq!(foretold.ends_with(&[0]).json()["would_read"], 1);
    let key = room.path("home/new key");
    let refused = reader.run(&["key", "add", "--new-key-file", key.to_str().unwrap()]);
    assert!(refused.code.is_some_and(|code| code != 0), "{}", refused.said());
    assert!(!key.exists(), "a key file that opens nothing was left");
    let listed = reader.run(&["--json", "list"]).ends_with(&[0]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    for edit in [
        &["set", "one.jpg", "rating=4"][..],
        &["album", "add", "Trips"],
        &["trash", "one.jpg"],
        &["--yes", "trash", "empty"],
    ] {
        let refused = reader.run(edit);
        assert!(refused.code.is_some_and(|code| code != 0), "{edit:?}: {}", refused.said());
        assert!(
            refused.stderr.contains("written") || refused.stderr.contains("read-only"),
            "{}",
            refused.said()
        );
    }
    reader.run(&["--json", "album"]).ends_with(&[0]);
    reader.run(&["--json", "conflicts"]).ends_with(&[0]);
    reader.run(&["--json", "trash"]).ends_with(&[0]);
    let out = room.path("home/out");
    reader.run(&["export", out.to_str().unwrap()]).ends_with(&[0]);
    assert_eq!(files_below(&out).iter().filter(|path| path.ends_with("one.jpg")).count(), 1);
}

/// Somebody who may read the library and not write it.
struct Reader<'a> {
    room: &'a Room,
    program: std::path::PathBuf,
    user: Option<u32>,
}

impl<'a> Reader<'a> {
    fn of(room: &'a Room) -> Option<Self> {
        let library = room.library();
        let mut folders = BTreeSet::from([library.clone()]);
        for file in files_below(&library) {
            folders.extend(
                file.ancestors().skip(1).take_while(|path| path.starts_with(&library)).map(Path::to_owned),
            );
            set_mode(&file, 0o444);
        }
        for folder in &folders {
            set_mode(folder, 0o555);
        }
        let probe = library.join("probe");
        if std::fs::write(&probe, b"").is_err() {
            return Some(Self { room, program: crate::room::PROGRAM.into(), user: None });
        }
        // Root may write everything: become nobody, with a copy of the program that nobody may run.
        std::fs::remove_file(probe).unwrap();
        let program = room.program_for_all()?;
        for path in ["home", "run", "key"] {
            std::os::unix::fs::chown(room.path(path), Some(NOBODY), Some(NOBODY)).ok()?;
        }
        Some(Self { room, program, user: Some(NOBODY) })
    }

    fn run(&self, arguments: &[&str]) -> crate::room::Outcome {
        let mut command = self.room.bare_program(&self.program);
        command.arg("--key-file").arg(self.room.path("key")).args(arguments).current_dir("/");
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        self.room.run(&mut command)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let library = self.room.library();
        for file in files_below(&library) {
            for folder in file.ancestors().skip(1).take_while(|path| path.starts_with(&library)) {
                set_mode(folder, 0o755);
            }
        }
        set_mode(&library, 0o755);
    }
}

#[test]
fn killed_at_any_moment_an_init_leaves_nothing_that_blocks_the_next_or_a_whole_library() {
    let kills = times("SAFELIGHT_KILLS", 24);
    let seed = times("SAFELIGHT_SEED", 1);
    let init = |room: &Room| {
        let mut command = room.unlocked();
        command.args(["init", "--recovery-file"]).arg(room.path("recovery"));
        command
    };
    let room = Room::empty();
    let begun = Instant::now();
    room.run(&mut init(&room)).ends_with(&[0]);
    let whole = begun.elapsed();

    let mut chance = Chance::seeded(seed);
    let mut unfinished = 0;
    for kill in 0..kills {
        let room = Room::empty();
        let moment = whole.mul_f64(f64::from(u32::try_from(chance.below(1000)).unwrap()) / 1000.0);
        let story = format!("seed {seed}, kill {kill} after {} ms", moment.as_millis());
        let mut child = init(&room).spawn().unwrap();
        std::thread::sleep(moment);
        child.kill().unwrap();
        drop(child.wait_with_output().unwrap());
        unfinished += u32::from(room.library().exists() && !room.library().join("library.toml").exists());

        let again = room.run(&mut init(&room));
        if again.code == Some(5) {
            // Either it is a library, or words were half written, which only their owner may throw away.
            let half = std::fs::read_to_string(room.path("recovery")).unwrap();
            if !room.library().join("library.toml").exists() {
                assert_ne!(half.split_whitespace().count(), 24, "{story}: {}", again.said());
                assert!(again.stderr.contains("opens nothing"), "{story}: {}", again.said());
                std::fs::remove_file(room.path("recovery")).unwrap();
                room.run(&mut init(&room)).ends_with(&[0]);
            }
        } else {
            assert_eq!(again.code, Some(0), "{story}: {}", again.said());
        }
        room.verify_is_clean();
        // The words that lie in the file are the library's own.
        let by_words = room.run(room.bare().arg("--recovery-file").arg(room.path("recovery")).arg("list"));
        assert_eq!(by_words.code, Some(0), "{story}: {}", by_words.said());
    }
    eprintln!(
        "{unfinished} of {kills} kills left an unfinished library, init takes {} ms",
        whole.as_millis()
    );
}

#[test]
fn an_init_after_an_interrupted_one_says_that_the_words_of_the_first_open_nothing() {
    let room = Room::with_library();
    // As a kill just before the end leaves it.
    std::fs::rename(room.library().join("library.toml"), room.library().join("library.toml.unfinished"))
        .unwrap();
    let words = std::fs::read(room.path("recovery")).unwrap();
    let mut init = room.unlocked();
    init.args(["init", "--recovery-file"]).arg(room.path("other"));
    let said = room.run(&mut init).ends_with(&[0]).said();
    assert!(said.contains("open nothing"), "{said}");
    assert_eq!(std::fs::read(room.path("recovery")).unwrap(), words, "the first words were overwritten");
    room.verify_is_clean();
}

#[test]
fn a_file_of_more_parts_than_may_be_open_is_imported() {
    let room = Room::with_library();
    let (head, tail) = movie_around(1600 << 20);
    let path = room.put("long.mp4", &head);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&tail, head.len() as u64 + (1600 << 20)).unwrap();
    // Fifty parts and fewer descriptors, for the program as for what it starts.
    let command = room.import_command();
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 44 && exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let report = room.run(&mut limited).ends_with(&[0]).json();
    assert_eq!(report["imported"], 1, "{report}");
    assert_eq!(files_below(&room.library().join("objects/o")).len(), 51);
    room.safelight(&["verify", "--quick"]).ends_with(&[0]);
}

/// The local packs, with their lengths.
fn packs(room: &Room) -> Vec<(std::path::PathBuf, u64)> {
    let packs = files_below(&room.library().join("objects/local"));
    packs.into_iter().map(|pack| (pack.clone(), std::fs::metadata(pack).unwrap().len())).collect()
}

#[test]
fn emptying_the_trash_without_room_for_the_new_pack_says_how_much_is_missing_and_leaves_nothing_behind() {
    let room = Room::empty();
    let library = room.library();
    let Some(disk) = SmallDisk::mount(&library, 24) else {
        return skip("no tmpfs can be mounted here (it needs root); the full disk was not tried");
    };
    room.init();
    for seed in 0..40 {
        room.put(format!("{seed}.jpg"), heavy_photo(seed, 100 << 10));
    }
    room.import().ends_with(&[0]);
    room.safelight(&["trash", "7.jpg"]).ends_with(&[0]);
    let before = packs(&room);
    assert!(before.iter().map(|(_, length)| length).sum::<u64>() > 3 << 20, "{before:?}");

    let filler = disk.fill(700 << 10);
    for _ in 0..3 {
        let outcome = room.safelight(&["--yes", "trash", "empty"]).ends_with(&[0]);
        assert!(outcome.stderr.contains("MB of room"), "{}", outcome.said());
        assert_eq!(packs(&room), before, "{}", outcome.said());
    }
    // Nothing has eaten the room, so there is some for a change.
    room.safelight(&["set", "1.jpg", "rating=4"]).ends_with(&[0]);
    room.safelight(&["trash", "2.jpg"]).ends_with(&[0]);
    room.verify_is_clean();
    assert_eq!(packs(&room), before);

    std::fs::remove_file(filler).unwrap();
    room.safelight(&["--yes", "trash", "empty"]).ends_with(&[0]);
    let after = packs(&room);
    assert!(after.iter().all(|pack| !before.contains(pack)), "{after:?}");
    assert_eq!(room.list().len(), 38);
    room.verify_is_clean();
}

#[test]
fn emptying_the_trash_on_a_full_disk_says_how_much_room_it_needs_and_that_is_enough() {
    let room = Room::empty();
    let library = room.library();
    let Some(disk) = SmallDisk::mount(&library, 24) else {
        return skip("no tmpfs can be mounted here (it needs root); the full disk was not tried");
    };
    room.init();
    room.put("large.jpg", heavy_photo(1, 4 << 20));
    room.put("stays.jpg", photo(2));
    room.import().ends_with(&[0]);
    room.safelight(&["trash", "large.jpg"]).ends_with(&[0]);
    let filler = disk.fill(200 << 10);
    let outcome = room.safelight(&["--yes", "trash", "empty"]).ends_with(&[1]);
    assert!(outcome.stderr.contains("needs 1 MB of room"), "{}", outcome.said());
    let file = std::fs::OpenOptions::new().write(true).open(&filler).unwrap();
    file.set_len(file.metadata().unwrap().len() - (800 << 10)).unwrap();
    drop(file);
    let report = room.safelight(&["--json", "--yes", "trash", "empty"]).ends_with(&[0]).json();
    assert_eq!(report["purged"], 1, "{report}");
    assert!(report["freed_bytes"].as_u64().unwrap() > 3 << 20, "{report}");
    std::fs::remove_file(filler).unwrap();
    assert_eq!(room.list().len(), 1);
    room.verify_is_clean();
}

#[test]
fn a_torn_copy_of_a_pack_that_nothing_points_into_goes_and_takes_nothing_along() {
    let room = Room::with_library();
    for seed in 0..6 {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    room.import().ends_with(&[0]);
    let before = packs(&room);
    let [(pack, length)] = before.as_slice() else { panic!("one pack: {before:?}") };
    for mending in [&["doctor", "--fix"][..], &["import", room.photos().to_str().unwrap()]] {
        let copy = pack.with_file_name("aaaaaaaaaaaaaaaaaaaaaaaaaa");
        let bytes = std::fs::read(pack).unwrap();
        std::fs::write(&copy, &bytes[..bytes.len() * 2 / 3]).unwrap();
        room.run(room.unlocked().args(mending)).ends_with(&[0, 1]);
        assert_eq!(packs(&room), [(pack.clone(), *length)], "{mending:?}");
    }
    // An end that was torn off while it was written goes, too.
    let mut bytes = std::fs::read(pack).unwrap();
    bytes.extend_from_slice(&[7; 500]);
    std::fs::write(pack, bytes).unwrap();
    room.safelight(&["doctor", "--fix"]).ends_with(&[0, 1]);
    assert_eq!(packs(&room), before);
    room.verify_is_clean();
    for (id, path) in room.listed() {
        assert_eq!(sha256(&room.original(&id)), id, "{path}");
    }
}
