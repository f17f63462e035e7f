//! Things at the same time, and the same thing twice.

use std::collections::BTreeSet;

use crate::pictures::{heavy_photo, photo};
use crate::room::{PATIENCE, Room, files_below, finish, sha256, text};

#[test]
fn the_same_content_twice_in_one_run_is_one_asset_found_in_two_places() {
    let room = Room::with_library();
    for name in ["a/one.jpg", "b/the same.jpg", "c/and again.jpg"] {
        room.put(name, photo(1));
    }
    room.put("other.jpg", photo(2));
    room.import().ends_with(&[0]);
    let listed = room.listed();
    assert_eq!(listed.len(), 2, "{listed:?}");
    let out = room.path("out");
    room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
    room.run(room.bare().args(["verify", "--export"]).arg(&out)).ends_with(&[0]);
    let shown = room.safelight(&["--json", "show", &sha256(&photo(1))]).ends_with(&[0]).text();
    for name in ["one.jpg", "the same.jpg", "and again.jpg"] {
        assert!(shown.contains(name), "{name} is not among the places of the asset: {shown}");
    }
}

#[test]
fn importing_again_takes_nothing_in() {
    let room = Room::with_library();
    for seed in 0..20 {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    room.import().ends_with(&[0]);
    let before = room.list();
    room.import().ends_with(&[0]);
    assert_eq!(before, room.list());
}

#[test]
fn a_file_that_moved_stays_one_asset() {
    let room = Room::with_library();
    let path = room.put("before/photo.jpg", photo(1));
    room.import().ends_with(&[0]);
    std::fs::create_dir(room.photos().join("after")).unwrap();
    std::fs::rename(path, room.photos().join("after/renamed.jpg")).unwrap();
    room.import().ends_with(&[0]);
    let listed = room.listed();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert!(room.original(&sha256(&photo(1))) == photo(1));
}

#[test]
fn two_imports_at_once_lose_nothing_and_double_nothing() {
    let room = Room::with_library();
    for seed in 0..60 {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    let children = [(); 2].map(|()| room.import_command().spawn().unwrap());
    for child in children {
        finish(child, PATIENCE).ends_with(&[0]);
    }
    let ids = room.list().iter().map(|asset| text(asset, "id")).collect::<Vec<_>>();
    let wanted = (0..60).map(|seed| sha256(&photo(seed))).collect::<BTreeSet<_>>();
    assert_eq!(ids.len(), 60);
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), wanted);
    room.verify_is_clean();
}

#[test]
fn several_imports_of_the_same_contents_keep_each_once_and_repair_nothing() {
    let room = Room::with_library();
    for seed in 0..40 {
        // Small ones lie in a pack, large ones in a file of their own.
        let bytes = if seed % 2 == 0 { photo(seed) } else { heavy_photo(seed, 200 << 10) };
        room.put(format!("a/{seed}.jpg"), &bytes);
        room.put(format!("b/{seed}.jpg"), &bytes);
        room.put(format!("c/{seed}.jpg"), &bytes);
    }
    let children = ["a", "b", "c", "", ""].map(|below| {
        let mut import = room.unlocked();
        import.args(["--json", "--yes", "import", "--wait", "--settle=0"]).arg(room.photos().join(below));
        import.spawn().unwrap()
    });
    let reports = children.map(|child| finish(child, PATIENCE).ends_with(&[0]).json());
    let sum = |field: &str| reports.iter().map(|report| report[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("imported"), sum("repaired"), sum("failed")), (40, 0, 0), "{reports:#?}");
    assert_eq!(room.list().len(), 40);
    let originals = files_below(&room.library().join("objects/o"));
    assert_eq!(originals.len(), 20, "each large original rests once, whoever sealed it");
    room.verify_is_clean();
}

#[test]
fn what_several_imports_repair_at_once_is_counted_once() {
    let room = Room::with_library();
    for seed in 0..12 {
        for below in ["a", "b", "c"] {
            room.put(format!("{below}/{seed}.jpg"), heavy_photo(seed, 200 << 10));
        }
    }
    room.import().ends_with(&[0]);
    let originals = files_below(&room.library().join("objects/o"));
    assert_eq!(originals.len(), 12);
    for original in originals {
        let mut bytes = std::fs::read(&original).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&original, bytes).unwrap();
    }
    room.safelight(&["verify"]).ends_with(&[6]);
    let children = ["a", "b", "c"].map(|below| {
        let mut import = room.unlocked();
        import.args(["--json", "--yes", "import", "--wait", "--settle=0"]).arg(room.photos().join(below));
        import.spawn().unwrap()
    });
    let reports = children.map(|child| finish(child, PATIENCE).ends_with(&[0]).json());
    let repaired: u64 = reports.iter().map(|report| report["repaired"].as_u64().unwrap()).sum();
    assert_eq!(repaired, 12, "{reports:#?}");
    room.verify_is_clean();
}

fn held(folder: &std::path::Path) -> std::fs::File {
    let folder = std::fs::File::open(folder).unwrap();
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    folder
}

#[test]
fn an_import_does_not_wait_for_previews_that_are_made_in_the_background() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    let background = held(&room.library().join("objects"));
    room.import().ends_with(&[0]);
    drop(background);
    assert_eq!(room.list().len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn an_import_that_waits_for_another_stops_when_it_is_asked_to() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    let other = held(&room.library().join("objects/log"));
    let import = room.import_command().spawn().unwrap();
    let opened = |files: std::fs::ReadDir| {
        let mut targets = files.flatten().flat_map(|file| std::fs::read_link(file.path()));
        targets.any(|target| target.ends_with("objects/log"))
    };
    // It has sealed the photo, and asks for its turn.
    while !std::fs::read_dir(format!("/proc/{}/fd", import.id())).is_ok_and(opened) {
        std::thread::yield_now();
    }
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(import.id()).unwrap()).unwrap(),
        rustix::process::Signal::INT,
    )
    .unwrap();
    finish(import, PATIENCE).ends_with(&[1]);
    drop(other);
    room.import().ends_with(&[0]);
    assert_eq!(room.list().len(), 1);
    room.verify_is_clean();
}

#[test]
fn reading_while_an_import_runs_works() {
    let room = Room::with_library();
    for seed in 0..80 {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    let mut import = room.import_command().spawn().unwrap();
    let mut most = 0;
    while import.try_wait().unwrap().is_none() {
        let now = room.list().len();
        assert!(now >= most, "an asset that was listed is gone: {most} then {now}");
        most = now;
    }
    finish(import, PATIENCE).ends_with(&[0]);
    assert_eq!(room.list().len(), 80);
    room.verify_is_clean();
}

#[test]
fn verifying_beside_a_command_that_writes_history_raises_no_alarm() {
    let room = Room::with_library();
    room.put("a.jpg", photo(1));
    room.import().ends_with(&[0]);
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                if is_done.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                room.safelight(&["set", "a.jpg", &format!("caption={turn}")]).ends_with(&[0]);
            }
        });
        let outcomes: Vec<_> = (0..60).map(|_| room.safelight(&["history", "--verify"])).collect();
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
        for outcome in outcomes {
            outcome.ends_with(&[0]);
        }
    });
    room.verify_is_clean();
}
