//! Local bytes: freeing them against proofs, getting them back, opening what is not here, thawing.

use std::path::Path;
use std::time::Duration;

use safelight_servers::{Azurite, Moto};
use serde_json::Value;

use crate::devices::{Device, Meeting, World, collect, photo};

/// How many parts of originals lie in a library or a folder place.
fn parts(folder: &Path) -> usize {
    let mut found = Vec::new();
    if folder.join("o").exists() {
        collect(&folder.join("o"), &mut found);
    }
    found.len()
}

fn here(device: &Device<'_>) -> usize {
    parts(&device.folder().join("objects"))
}

fn ids(device: &Device<'_>) -> Vec<String> {
    device.listed().iter().map(|asset| asset["id"].as_str().unwrap().to_owned()).collect()
}

fn words(device: &Device<'_>) -> Vec<String> {
    let listed = device.json(&["list"]);
    listed.as_array().unwrap().iter().map(|asset| asset["sync"].as_str().unwrap().to_owned()).collect()
}

fn seed_of(asset: &Value) -> u64 {
    let path = asset["path"].as_str().unwrap();
    path.rsplit_once('-').unwrap().1.trim_end_matches(".jpg").parse().unwrap()
}

fn exports_whole(world: &World, device: &Device<'_>, target: &str) {
    let target = world.path(target);
    device.ends(&["export", target.to_str().unwrap()], 0);
    let mut exported = Vec::new();
    collect(&target, &mut exported);
    for asset in device.listed() {
        let original = photo(seed_of(&asset));
        assert!(exported.contains(&original), "{}: not bit for bit", asset["path"]);
    }
}

/// Bytes of stderr of a command that ends with this code.
fn told(device: &Device<'_>, arguments: &[&str], code: i32) -> String {
    let output = device.command(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    told
}

#[test]
fn what_is_freed_against_a_proof_opens_and_exports_bit_for_bit() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..4));
    let refused = told(&one, &["local", "free", "--all", "--yes"], 5);
    assert!(refused.contains("4 originals stay: not in the remote"), "{refused}");
    one.sync();
    // A folder acknowledges whatever it is given: that is no proof.
    let refused = told(&one, &["local", "free", "--all", "--yes"], 5);
    assert!(refused.contains("4 originals stay: no proof that the remote holds it"), "{refused}");
    assert_eq!(here(&one), 4);
    let plan = one.json(&["local", "free", "--all", "--prove", "--dry-run"]);
    assert_eq!((&plan["originals"], &plan["against"][0]["download_originals"]), (&4.into(), &4.into()));
    let refused = told(&one, &["local", "free", "--all", "--prove"], 5);
    assert!(refused.contains("to be downloaded and opened first"), "{refused}");
    assert_eq!(here(&one), 4);

    one.ends(&["local", "free", "--all", "--prove", "--yes"], 0);
    assert_eq!((here(&one), parts(place.path())), (0, 4));
    assert_eq!(words(&one), ["cloud-only"; 4]);
    one.ends(&["verify"], 0);
    exports_whole(&world, &one, "out");
    assert_eq!(here(&one), 0, "an export keeps nothing here");
    one.sync();
    assert_eq!(words(&one), ["cloud-only"; 4]);

    let listed = one.listed();
    let id = listed[0]["id"].as_str().unwrap();
    let opened = one.command(&["export", "--to", "-", id]).output().unwrap();
    assert_eq!(opened.stdout, photo(seed_of(&listed[0])));
    assert_eq!(here(&one), 1, "what was opened is kept within the budget");
    assert_eq!(one.json(&["local"])["visiting_originals"], 1);
    one.ends(&["local", "fetch", "--all"], 0);
    assert_eq!((here(&one), one.json(&["local"])["visiting_originals"].clone()), (4, 0.into()));
    assert_eq!(words(&one), ["synced"; 4]);
}

#[test]
fn a_proof_frees_while_it_is_young_and_no_setting_makes_it_older_than_thirty_days() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    one.ends(&["local", "set", "proof-age=31d"], 5);
    one.ends(&["local", "set", "proof-age=0d"], 0);
    let refused = told(&one, &["local", "free", "--all", "--yes"], 5);
    assert!(refused.contains("2 originals stay: the proof that the remote holds it is too old"), "{refused}");
    assert_eq!(here(&one), 2);
    one.ends(&["local", "set", "proof-age=30d"], 0);
    let freed = one.json(&["local", "free", "--all", "--yes"]);
    assert_eq!(freed["freed_originals"], 2);
    assert_eq!(here(&one), 0);
}

#[test]
fn linked_pinned_and_small_originals_stay_and_each_reason_is_counted() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    let linked = world.photos("linked", 10..11);
    one.ends(&["import", "--link", linked.to_str().unwrap()], 0);
    let small = world.path("small");
    std::fs::create_dir_all(&small).unwrap();
    std::fs::write(small.join("small-20.jpg"), &photo(20)[..20_000]).unwrap();
    one.import(&small);
    one.sync();
    let pinned = ids(&one)[0].clone();
    let kept = one.listed()[0]["path"].as_str().unwrap().to_owned();
    one.ends(&["local", "pin", &pinned], 0);
    one.ends(&["verify", "--remote", "--all"], 0);
    let report = one.json_ending(&["local", "free", "--all", "--yes"], 1);
    let stays = |word: &str| {
        let staying = report["staying"].as_array().unwrap();
        let found = staying.iter().find(|one| one["reason"].as_str().unwrap().starts_with(word));
        found.map(|one| one["originals"].as_u64().unwrap())
    };
    let pinned_is_a_copy = kept.contains("pics");
    assert_eq!(stays("pinned"), Some(1));
    assert_eq!(report["freed_originals"], if pinned_is_a_copy { 2 } else { 3 }, "{report}");
    assert!(linked.join("PLANTED-linked-10.jpg").exists());
    one.ends(&["verify"], 0);
}

#[test]
fn damage_after_the_proof_is_named_and_costs_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.sync();
    one.ends(&["local", "free", "--all", "--prove", "--yes"], 0);
    let broken = first_file(&place.path().join("o"));
    let mut bytes = std::fs::read(&broken).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&broken, bytes).unwrap();
    let found = one.ends(&["verify", "--remote", "--all"], 6);
    let name = broken.file_name().unwrap().to_str().unwrap();
    assert!(found.contains(name), "{found}");
    let target = world.path("out");
    let output = one.command(&["--json", "export", target.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["failed"], 1);
    let mut exported = Vec::new();
    collect(&target, &mut exported);
    assert_eq!((0..3).filter(|seed| exported.contains(&photo(*seed))).count(), 2);
}

fn first_file(folder: &Path) -> std::path::PathBuf {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    match entries.into_iter().next().unwrap() {
        path if path.is_dir() => first_file(&path),
        path => path,
    }
}

#[test]
fn freeing_that_is_killed_anywhere_leaves_the_bytes_or_a_cloud_only_original() {
    let kills = std::env::var("SAFELIGHT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8_u64);
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..24));
    // Three parts.
    let large: Vec<u8> = (0..80_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let folder = world.path("large");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("large.mov"), [b"\0\0\0\x14ftypqt  \0\0\0\0qt  ".as_slice(), &large].concat())
        .unwrap();
    one.import(&folder);
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    let all = here(&one);
    let mut halves = 0;
    for kill in 0..kills {
        let mut child = one.command(&["local", "free", "--all", "--yes"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(80 + kill * 400 / kills));
        child.kill().unwrap();
        child.wait().unwrap();
        let left = here(&one);
        halves += usize::from(left > 0 && left < all);
        one.ends(&["verify"], 0);
        let words = words(&one);
        assert!(words.iter().all(|word| word == "synced" || word == "cloud-only"), "{words:?}");
        let target = world.path(&format!("out{kill}"));
        one.ends(&["export", target.to_str().unwrap()], 0);
        std::fs::remove_dir_all(target).unwrap();
        one.ends(&["local", "fetch", "--all"], 0);
        assert_eq!(here(&one), all);
    }
    println!("{halves} of {kills} kills fell between the first and the last removal");
    one.ends(&["local", "free", "--all", "--yes"], 0);
    assert_eq!(here(&one), 0);
    one.ends(&["verify", "--remote", "--all"], 0);
}

#[test]
fn a_budget_lets_the_longest_unopened_go_and_keeps_what_is_pinned() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..5));
    one.ends(&["album", "add", "Dear"], 0);
    let ids = ids(&one);
    one.ends(&["set", &ids[0], "album+=Dear"], 0);
    one.sync();
    let two = world.join("two");
    two.sync();
    assert_eq!(here(&two), 0, "originals come when they are wanted");
    // Three photos of 150 kB fit.
    two.ends(&["local", "set", "budget=500KB"], 0);
    two.ends(&["local", "pin", "album:Dear"], 0);
    assert_eq!(here(&two), 1);
    let open = |id: &str| {
        let opened = two.command(&["export", "--to", "-", id]).output().unwrap();
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    };
    for id in &ids[1..4] {
        open(id);
    }
    assert_eq!((here(&two), two.json(&["local"])["visiting_originals"].clone()), (4, 3.into()));
    open(&ids[4]);
    let visiting = two.json(&["local"])["visiting_originals"].as_u64().unwrap();
    assert!((1..=2).contains(&visiting), "{visiting} of at most three stay within nine tenths");
    assert_eq!(here(&two) as u64, 1 + visiting, "the pinned one stays");
    let of = |id: &str| two.json(&["show", id])["sync"][0]["state"].as_str().unwrap().to_owned();
    assert_eq!((of(&ids[0]).as_str(), of(&ids[1]).as_str()), ("synced", "cloud-only"));
    assert_eq!(of(&ids[4]), "synced");
    // What comes into a pinned album later comes with the next sync.
    one.ends(&["set", &ids[1], "album+=Dear"], 0);
    one.sync();
    two.sync();
    assert_eq!(of(&ids[1]), "synced");
    // And a device that keeps everything gets everything.
    two.ends(&["local", "set", "originals=keep-all"], 0);
    two.sync();
    assert_eq!(here(&two), 5);
}

#[test]
fn a_damaged_or_lost_original_is_healed_by_the_next_sync() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.sync();
    let objects = one.folder().join("objects/o");
    let broken = first_file(&objects);
    let mut bytes = std::fs::read(&broken).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&broken, &bytes).unwrap();
    one.ends(&["verify"], 6);
    let outcome = one.json(&["sync"]);
    assert_eq!(outcome[0]["local"]["healed_originals"], 1);
    one.ends(&["verify"], 0);
    exports_whole(&world, &one, "out");
}

/// All files below a folder.
fn paths(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { paths(&path) } else { vec![path] }).collect()
}

/// Damages all that lies in the packs of a folder.
fn spoil_packs(folder: &Path) {
    for path in paths(folder) {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.iter_mut().skip(64).step_by(512).for_each(|byte| *byte ^= 1);
        std::fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn a_small_original_counts_as_healed_only_when_it_was_read() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let small = world.path("small");
    std::fs::create_dir_all(&small).unwrap();
    let content = photo(20)[..20_000].to_vec();
    std::fs::write(small.join("small-20.jpg"), &content).unwrap();
    one.import(&small);
    one.sync();
    assert_eq!(here(&one), 0, "it is no object of its own");
    spoil_packs(&one.folder().join("objects/local"));
    let found = one.ends(&["verify"], 6);
    assert!(found.contains("a small original lies in no pack"), "{found}");
    // While no place has it, nothing calls it whole.
    let away = place.path().join("away");
    let packs = place.path().join("s");
    std::fs::rename(&packs, &away).unwrap();
    let (_, stdout, _) = one.tries(&["--json", "sync"]);
    let outcome: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(outcome[0]["local"]["healed_originals"], 0, "{outcome}");
    one.ends(&["local", "fetch", "--all"], 1);
    std::fs::rename(&away, &packs).unwrap();
    let outcome = one.json(&["sync"]);
    assert_eq!(outcome[0]["local"]["healed_originals"], 1, "{outcome}");
    one.has_whole(&[content], "out");
    let (_, found, _) = one.tries(&["verify"]);
    assert!(!found.contains("a small original"), "{found}");
}

#[test]
fn what_was_healed_before_a_later_fetch_failed_stays_healed() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.sync();
    let pinned = ids(&one)[0].clone();
    one.ends(&["local", "free", "--prove", "--yes", &pinned], 0);
    let objects = one.folder().join("objects/o");
    let broken = paths(&objects).remove(0);
    let mut bytes = std::fs::read(&broken).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&broken, &bytes).unwrap();
    one.ends(&["verify"], 6);
    let is_damaged = || one.json(&["status"])["damaged"] != 0;
    assert!(is_damaged());
    let name = broken.file_name().unwrap().to_str().unwrap();
    let held = paths(&place.path().join("o"));
    let away = held.into_iter().find(|path| !path.to_str().unwrap().contains(name)).unwrap();
    // What lies in its place is no file: that one cannot be fetched.
    std::fs::remove_file(&away).unwrap();
    std::fs::create_dir(&away).unwrap();
    let (code, _, told) = one.tries(&["local", "pin", &pinned]);
    assert_ne!(code, 0, "{told}");
    let (code, stdout, told) = one.tries(&["--json", "sync"]);
    assert_ne!(code, 0, "{stdout}{told}");
    let outcome: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(outcome[0]["problems"].as_array().unwrap().len(), 1, "{outcome}");
    assert!(!is_damaged());
}

#[test]
fn a_vanished_remote_leaves_a_whole_list_of_what_is_missing() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..6));
    one.sync();
    let listed = one.listed();
    let gone: Vec<String> =
        listed.iter().take(3).map(|asset| asset["id"].as_str().unwrap().to_owned()).collect();
    let mut arguments = vec!["local", "free", "--prove", "--yes"];
    arguments.extend(gone.iter().map(String::as_str));
    one.ends(&arguments, 0);
    std::fs::rename(place.path(), place.path().with_extension("away")).unwrap();
    let target = world.path("out");
    let output = one.command(&["--json", "export", target.to_str().unwrap()]).output().unwrap();
    std::fs::rename(place.path().with_extension("away"), place.path()).unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    for asset in listed.iter().take(3) {
        assert!(told.contains(asset["path"].as_str().unwrap()), "{told}");
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["failed"], 3);
    let mut exported = Vec::new();
    collect(&target, &mut exported);
    assert_eq!((0..6).filter(|seed| exported.contains(&photo(*seed))).count(), 3);
    // The same export goes on where it stopped.
    exports_whole(&world, &one, "out");
}

#[test]
fn what_is_only_archived_goes_from_here_after_its_proof() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let folder = world.photos("pics", 0..4);
    for seed in 0..3 {
        let file =
            std::fs::File::options().append(true).open(folder.join(format!("PLANTED-pics-{seed}.jpg")));
        file.unwrap().set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_200_000_000)).unwrap();
    }
    one.import(&folder);
    one.ends(&["remote", "set", "place", "policy=archive-only", "older=1y"], 0);
    let pinned = one.listed().iter().find(|asset| seed_of(asset) == 1).unwrap()["id"].clone();
    one.ends(&["local", "pin", pinned.as_str().unwrap()], 0);
    let plan = one.json(&["sync", "--dry-run"]);
    assert_eq!(plan[0]["leaving_originals"], 2, "{plan}");
    assert_eq!(here(&one), 4);
    let outcome = one.json(&["sync"]);
    assert_eq!(outcome[0]["local"]["freed_originals"], 2, "{outcome}");
    assert_eq!(here(&one), 2);
    one.ends(&["verify"], 0);
    exports_whole(&world, &one, "out");
}

/// An archived original from the policy that put it there to the export that gives it back.
/// Whether a process keeps others from a file, as the kernel tells.
fn holds_lock(process: u32, file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let inode = std::fs::metadata(file).unwrap().ino();
    std::fs::read_to_string("/proc/locks").unwrap().lines().any(|line| {
        line.contains(" FLOCK ")
            && line.contains(&format!(" {process} "))
            && line.contains(&format!(":{inode} "))
    })
}

fn archived_originals_are_a_state(meeting: Meeting, is_thawed_at_once: bool) {
    let world = World::new(meeting);
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.ends(&["remote", "set", "place", "tier=archive"], 0);
    one.sync();
    // The provider said at the upload what it computed over the sealed bytes.
    let freed = one.json(&["local", "free", "--all", "--yes"]);
    assert_eq!(freed["freed_originals"], 2);
    assert_eq!(here(&one), 0);
    let id = ids(&one)[0].clone();
    let shown = one.json(&["show", &id]);
    assert_eq!(shown["sync"][0]["state"], "cloud-only");
    assert!(shown["sync"][0]["reason"].as_str().unwrap().contains("archived"), "{shown}");
    one.ends(&["verify"], 0);
    one.ends(&["verify", "--remote", "--all"], 0);
    let fetched = one.json_ending(&["local", "fetch", "--all"], 1);
    assert_eq!((&fetched["archived_originals"], &fetched["failed_originals"]), (&2.into(), &0.into()));
    let target = world.path("early");
    let exported = one.json_ending(&["export", target.to_str().unwrap()], 1);
    assert_eq!((&exported["archived"], &exported["failed"]), (&2.into(), &0.into()));
    let looked = one.json(&["local", "thaw", "--dry-run", &id]);
    assert_eq!(looked["archived_originals"], 1);
    let asked = one.json(&["local", "thaw", "--priority", "high", &id]);
    assert_eq!((&asked["thawing_originals"], &asked["asked_parts"]), (&1.into(), &1.into()));
    assert_eq!(one.json(&["show", &id])["sync"][0]["state"], "thawing");
    assert_eq!(one.json(&["local"])["thawing_originals"], 1);
    if is_thawed_at_once {
        let outcome = one.json(&["sync"]);
        assert_eq!(outcome[0]["local"]["fetched_originals"], 1, "{outcome}");
        assert_eq!(one.json(&["show", &id])["sync"][0]["state"], "synced");
        let second = ids(&one)[1].clone();
        // One that rests nowhere is told, however often the others are looked at.
        let (objects, before) = (one.folder().join("objects/o"), paths(&one.folder().join("objects/o")));
        let lost = world.photos("lost", 9..10);
        one.import(&lost);
        for path in paths(&objects).iter().filter(|path| !before.contains(path)) {
            std::fs::remove_file(path).unwrap();
        }
        let known = [&id, &second];
        let lost_id = ids(&one).into_iter().find(|one| !known.contains(&one)).unwrap();
        let wait = ["--", &second, &lost_id];
        let report = one.json_ending(&[&["local", "thaw", "--wait", "--every", "1"], &wait[..]].concat(), 1);
        assert_eq!((&report["missing_originals"], &report["readable_originals"]), (&1.into(), &1.into()));
        let fetched = &report["fetched"];
        assert_eq!((&fetched["fetched_originals"], &fetched["failed_originals"]), (&1.into(), &1.into()));
        one.ends(&["verify"], 6);
        one.import(&lost);
        exports_whole(&world, &one, "late");
        return;
    }
    // It takes hours, and whoever waits for it keeps nobody from syncing.
    let mut waiting = one.command(&["local", "thaw", "--wait", "--every", "3", "--", &id]).spawn().unwrap();
    for is_held in [true, false] {
        let until = std::time::Instant::now() + Duration::from_secs(60);
        while holds_lock(waiting.id(), &one.folder().join("sync.lock")) != is_held {
            assert!(std::time::Instant::now() < until, "held: {}", !is_held);
            assert!(waiting.try_wait().unwrap().is_none(), "it ended without what it waits for");
        }
    }
    one.sync();
    assert!(waiting.try_wait().unwrap().is_none(), "it waits on");
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}

#[test]
fn archived_blobs_are_a_state_until_they_are_thawed() {
    let Some(server) = Azurite::start() else { return };
    let (address, credential) = (server.address(), Some(server.sas()));
    archived_originals_are_a_state(Meeting { address, credential }, true);
}

#[test]
fn archived_objects_of_s3_are_a_state_until_they_are_thawed() {
    let Some(server) = Moto::start() else { return };
    let (address, credential) = (server.bucket("photos"), Some(server.credential().to_owned()));
    archived_originals_are_a_state(Meeting { address, credential }, true);
}

#[test]
fn one_remote_that_fails_does_not_keep_what_another_holds_and_the_report_says_both() {
    let (place, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..5));
    one.ends(&["remote", "add", "cellar", &format!("folder:{}", second.path().display())], 0);
    let ids = ids(&one);
    for (remote, off) in [("place", &ids[..2]), ("cellar", &ids[2..])] {
        let all: Vec<&str> = ["sync", "off", "--remote", remote].into_iter().collect();
        one.ends(&[all, off.iter().map(String::as_str).collect()].concat(), 0);
    }
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    let away = place.path().with_extension("away");
    std::fs::rename(place.path(), &away).unwrap();
    let report = one.json_ending(&["local", "free", "--all", "--yes"], 1);
    std::fs::rename(&away, place.path()).unwrap();
    assert_eq!((&report["freed_originals"], here(&one)), (&2.into(), 3), "{report}");
    let staying = &report["staying"][0];
    assert!(staying["reason"].as_str().unwrap().starts_with("place: "), "{report}");
    assert_eq!(staying["originals"], 3, "{report}");
    let report = one.json_ending(&["local", "free", "--all", "--yes"], 0);
    assert_eq!((&report["freed_originals"], here(&one)), (&3.into(), 0), "two were gone before: {report}");
    exports_whole(&world, &one, "out");
}

/// Removes the one object of the first original in a folder place; answers where it lay and its bytes.
fn lose(place: &Path) -> (std::path::PathBuf, Vec<u8>) {
    let path = first_file(&place.join("o"));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    (path, bytes)
}

/// The one original that is shown as failed, and why.
fn failed(device: &Device<'_>) -> (String, String) {
    let found = device.json(&["list", "--", "sync:failed"]);
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found[0]["sync"], "failed");
    let id = found[0]["id"].as_str().unwrap().to_owned();
    let shown = device.json(&["show", &id]);
    assert_eq!(shown["sync"][0]["state"], "failed", "{shown}");
    let reason = shown["sync"][0]["reason"].as_str().unwrap().to_owned();
    let status = device.json(&["status"]);
    assert!(status.to_string().contains(&reason), "{status}");
    assert_eq!(device.json(&["remote", "show", "place"])["failed_originals"], 1);
    (id, reason)
}

fn state(device: &Device<'_>, id: &str) -> String {
    device.json(&["show", id])["sync"][0]["state"].as_str().unwrap().to_owned()
}

#[test]
fn what_the_only_remote_lost_is_shown_as_failed_until_it_is_put_back() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    std::fs::remove_dir_all(world.path("pics")).unwrap();
    one.sync();
    one.ends(&["local", "free", "--all", "--prove", "--yes"], 0);
    let (path, bytes) = lose(place.path());
    one.ends(&["verify", "--remote"], 6);
    let (id, reason) = failed(&one);
    assert!(reason.contains("missing") && reason.contains("import its file again"), "{reason}");
    // A sync finds nothing to rely on, and it stays so.
    told(&one, &["sync"], 1);
    assert_eq!(failed(&one).0, id);
    told(&one, &["local", "fetch", &id], 1);

    std::fs::write(&path, bytes).unwrap();
    one.sync();
    assert_eq!(state(&one, &id), "cloud-only");
    one.ends(&["verify", "--remote", "--all"], 0);
    one.ends(&["local", "fetch", "--all"], 0);
    assert_eq!((state(&one, &id).as_str(), here(&one)), ("synced", 3));
    exports_whole(&world, &one, "out");
}

#[test]
fn what_the_only_remote_lost_comes_back_from_its_file() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.sync();
    one.ends(&["local", "free", "--all", "--prove", "--yes"], 0);
    lose(place.path());
    one.ends(&["verify", "--remote"], 6);
    let (id, _) = failed(&one);
    one.import(&world.photos("backup", 0..3));
    one.sync();
    assert_eq!(state(&one, &id), "synced");
    one.ends(&["verify", "--remote", "--all"], 0);
    let two = world.join("two");
    exports_whole(&world, &two, "out");
}

#[test]
fn what_a_remote_lost_names_the_device_that_may_have_it_and_comes_back_from_there() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.sync();
    let two = world.join("two");
    two.sync();
    lose(place.path());
    two.ends(&["verify", "--remote"], 6);
    let (id, reason) = failed(&two);
    assert!(reason.contains("imported it and may still have it: safelight sync there"), "{reason}");
    told(&two, &["sync"], 1);
    one.sync();
    one.sync();
    two.sync();
    assert_eq!(state(&two, &id), "cloud-only");
    exports_whole(&world, &two, "out");
}

#[test]
fn what_one_of_two_remotes_lost_names_the_other_and_is_filled_from_it() {
    let (place, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.ends(&["remote", "add", "cellar", &format!("folder:{}", second.path().display())], 0);
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    one.ends(&["local", "free", "--all", "--yes"], 0);
    lose(place.path());
    one.ends(&["verify", "--remote", "place"], 6);
    let found = one.json(&["list", "--", "sync:place=failed"]);
    let id = found[0]["id"].as_str().unwrap();
    let shown = one.json(&["show", id])["sync"].to_string();
    assert!(shown.contains("safelight remote replicate cellar place"), "{shown}");
    one.ends(&["remote", "replicate", "cellar", "place"], 0);
    assert_eq!(one.json(&["list", "--count", "--", "sync:cloud-only"])["count"], 3);
    one.ends(&["verify", "--remote", "--all"], 0);
}
