//! When a remote is used, and how fast: quiet hours, limits, and a sync that watches.

use std::process::Child;
use std::time::{Duration, Instant};

use crate::devices::{Device, Meeting, World, collect};

fn world() -> (tempfile::TempDir, World) {
    let place = tempfile::tempdir().unwrap();
    let address = format!("folder:{}", place.path().display());
    (place, World::new(Meeting { address, credential: None }))
}

fn bytes_there(place: &tempfile::TempDir) -> usize {
    let mut found = Vec::new();
    collect(place.path(), &mut found);
    found.iter().map(Vec::len).sum()
}

#[test]
fn in_quiet_hours_a_remote_is_left_alone_unless_somebody_insists() {
    let (place, world) = world();
    let device = world.first("first");
    device.import(&world.photos("photos", 0..3));
    // All of the day but its last minute, and that minute too.
    device.ends(&["remote", "set", "place", "quiet=00:00-23:59"], 0);
    let shown = device.json(&["remote", "show", "place"]);
    assert_eq!(
        (&shown["quiet"], &shown["limit"]),
        (&"00:00-23:59".into(), &serde_json::Value::Null),
        "{shown}"
    );
    let before = bytes_there(&place);
    let run = device.json(&["sync"]);
    if run[0]["quiet_until"].is_null() {
        // It is 23:59 here, of all minutes.
        return;
    }
    assert_eq!(run[0]["quiet_until"], "23:59", "{run}");
    assert_eq!(bytes_there(&place), before, "something was sent in quiet hours");
    let run = device.json(&["sync", "--now"]);
    assert_eq!(run[0]["synced_originals"], 3, "{run}");
    device.ends(&["remote", "set", "place", "quiet=none"], 0);
    device.import(&world.photos("more", 3..5));
    assert_eq!(device.json(&["sync"])[0]["synced_originals"], 2);
    for wrong in ["quiet=22-7", "limit=fast", "limit=2MB", "quiet=25:00-07:00"] {
        device.ends(&["remote", "set", "place", wrong], 2);
    }
}

#[test]
fn a_limit_is_kept_to() {
    let (_place, world) = world();
    let device = world.first("first");
    device.import(&world.photos("photos", 0..12));
    device.ends(&["remote", "set", "place", "limit=500kB/s"], 0);
    assert_eq!(device.json(&["remote", "show", "place"])["limit"], "500kB/s");
    let begun = Instant::now();
    device.sync();
    // 1.8 MB: at half a megabyte a second three seconds, less what a debt of one object hides.
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(2), "12 originals of 150 kB went within {took:?}");
}

#[test]
fn what_is_above_the_daily_cap_waits_and_says_why_and_until_when() {
    let (place, world) = world();
    let device = world.first("first");
    device.import(&world.photos("photos", 0..12));
    device.ends(&["remote", "set", "place", "daily=1MB"], 0);
    // 1.8 MB are to go.
    let run = device.json(&["sync"]);
    assert_eq!(
        (&run[0]["capped"]["cap"], &run[0]["error"]),
        (&"1MB".into(), &serde_json::Value::Null),
        "{run}"
    );
    let there = bytes_there(&place);
    let shown = device.json(&["remote", "show", "place"]);
    assert_eq!((&shown["daily"], &shown["capped"]), (&"1MB".into(), &run[0]["capped"]), "{shown}");
    let (sent, waiting) =
        (shown["safe_originals"].as_u64().unwrap(), shown["waiting_originals"].as_u64().unwrap());
    assert_eq!(sent + waiting, 12);
    assert!(sent > 0 && waiting > 0, "{shown}");
    let counted = shown["daily_sent_bytes"].as_u64().unwrap();
    assert!((500_000..=1_000_000).contains(&counted), "{counted}");
    let groups = device.json(&["remote", "waiting", "place"]);
    assert_eq!((&groups[0]["why"]["code"], &groups[0]["originals"]), (&"daily-cap".into(), &waiting.into()));
    assert_eq!(device.json(&["status"])["capped"][0]["remote"], "place");

    // Another process keeps to it too, and history goes all the same.
    device.ends(&["set", "type:photo", "rating=4"], 0);
    let run = device.json(&["sync"]);
    assert_eq!((&run[0]["synced_originals"], &run[0]["sent_segments"]), (&0.into(), &1.into()), "{run}");
    assert!(bytes_there(&place) < there + 100_000);

    device.ends(&["remote", "set", "place", "daily=none"], 0);
    let run = device.json(&["sync"]);
    assert_eq!((&run[0]["synced_originals"], &run[0]["capped"]), (&waiting.into(), &serde_json::Value::Null));
    for wrong in ["daily=20", "daily=1kB", "daily=2MB/s"] {
        device.ends(&["remote", "set", "place", wrong], 2);
    }
}

/// A sync that watches, and is ended with the test.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn until(what: &str, patience: Duration, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < patience, "{what} did not come about within {patience:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_sync_that_watches_sends_a_change_made_here_long_before_its_next_look_and_ends_politely() {
    let (_place, world) = world();
    let device = world.first("first");
    device.import(&world.photos("photos", 0..2));
    let mut watch = Watch(device.command(&["sync", "--watch", "--every", "3600"]).spawn().unwrap());
    let synced = |device: &Device<'_>, wanted: u64| {
        device.json(&["remote", "show", "place"])["safe_originals"].as_u64() == Some(wanted)
    };
    until("the first sync", Duration::from_secs(60), || synced(&device, 2));
    device.import(&world.photos("more", 2..5));
    until("the sync of what was imported meanwhile", Duration::from_secs(60), || synced(&device, 5));
    let pid = watch.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    until("the end", Duration::from_secs(20), || {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
    });
    assert_eq!(watch.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_sync_that_watches_goes_on_with_one_remote_while_another_is_away() {
    let (_place, world) = world();
    let device = world.first("first");
    device.import(&world.photos("photos", 0..2));
    let other = tempfile::tempdir().unwrap();
    let (disk, away) = (other.path().join("disk"), other.path().join("away"));
    std::fs::create_dir(&disk).unwrap();
    device.add_remote("disk", &format!("folder:{}", disk.display()));
    let synced = |remote: &str, wanted: u64| {
        device.json(&["remote", "show", remote])["safe_originals"].as_u64() == Some(wanted)
    };
    let mut watch = Watch(device.command(&["sync", "--watch", "--every", "1"]).spawn().unwrap());
    until("the first sync", Duration::from_secs(60), || synced("place", 2) && synced("disk", 2));
    std::fs::rename(&disk, &away).unwrap();
    device.import(&world.photos("more", 2..4));
    until("the sync without the disk", Duration::from_secs(60), || synced("place", 4));
    assert!(watch.0.try_wait().unwrap().is_none(), "it ended because a disk is not connected");
    std::fs::rename(&away, &disk).unwrap();
    device.import(&world.photos("again", 4..5));
    until("the sync with the disk", Duration::from_secs(90), || synced("disk", 5));
}

#[test]
fn a_link_that_may_cost_is_not_used_where_that_was_asked_for() {
    let (place, world) = world();
    let device = world.first("first");
    device.import(&world.photos("photos", 0..2));
    let before = bytes_there(&place);
    // Which of the three it is depends on the machine; what it means does not.
    let output = device.command(&["sync", "--when", "unmetered"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(0) {
        assert!(bytes_there(&place) > before, "{told}");
    } else {
        assert_eq!(output.status.code(), Some(5), "{told}");
        assert!(told.contains("by the byte") && told.contains("--when always"), "{told}");
        assert_eq!(bytes_there(&place), before);
    }
}
