//! Thumbnails by the thousand: what the gallery's process holds afterwards is what it held before. Counted by `/proc`, which
//! only Linux has.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use crate::pictures::{Exif, jpeg};
use crate::room::{PATIENCE, Room};
use crate::serving::Serving;

const PHOTOS: u64 = 60;
/// So many ask at once, as a browser does and one more beside it.
const HANDS: usize = 8;
/// So often all thumbnails are asked for.
const ROUNDS: usize = 70;
/// By so much the memory may grow over a process that has served each thumbnail twice.
const BUDGET_BYTES: u64 = 24 << 20;

/// How many files, sockets and the like a process has open.
fn handles(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

/// The same once what was closed a moment ago is let go of: the count stays as it is for a second.
fn handles_at_rest(process: u32) -> usize {
    let until = Instant::now() + PATIENCE;
    let (mut count, mut since) = (handles(process), Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        assert!(Instant::now() < until, "{count} handles are open and no number stays");
        std::thread::sleep(Duration::from_millis(20));
        let now = handles(process);
        if now != count {
            (count, since) = (now, Instant::now());
        }
    }
    count
}

/// What lies in memory of a process that no file backs.
fn memory_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kilobytes << 10
}

/// Asks for every thumbnail as often as that, all hands at once; answers the bytes that came.
fn serve_all(serving: &Serving, ids: &[String], rounds: usize) -> u64 {
    let of_hand = |hand: usize| -> u64 {
        let mine = (0..rounds * ids.len()).skip(hand).step_by(HANDS);
        mine.map(|turn| {
            let (head, body) =
                serving.ask("GET", &format!("{}/t/{}", serving.media, ids[turn % ids.len()]), "");
            assert!(head.starts_with("HTTP/1.1 200") && body.starts_with(b"RIFF"), "{head}");
            body.len() as u64
        })
        .sum()
    };
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS).map(|hand| scope.spawn(move || of_hand(hand))).collect();
        hands.into_iter().map(|hand| hand.join().unwrap()).sum()
    })
}

#[test]
fn thousands_of_thumbnails_leave_no_handle_open_and_memory_within_its_budget() {
    let room = Room::with_library();
    for seed in 0..PHOTOS {
        room.put(format!("{seed}.jpg"), jpeg(seed, 80, 60, &Exif::default()));
    }
    room.import().ends_with(&[0]);
    let serving = Serving::begin(&room);
    let ids = serving.ids();
    assert_eq!(ids.len() as u64, PHOTOS);
    serve_all(&serving, &ids, 2);
    let process = serving.process();
    let before = handles_at_rest(process);
    let memory_before = memory_bytes(process);

    let served = serve_all(&serving, &ids, ROUNDS);
    assert!(served > 2 * BUDGET_BYTES, "one that kept them would show: {served} bytes");
    assert_eq!(handles_at_rest(process), before, "handles are open that were not");
    let grown = memory_bytes(process).saturating_sub(memory_before);
    assert!(grown <= BUDGET_BYTES, "{grown} bytes more after {served} bytes of thumbnails");
    serving.end().ends_with(&[0]);
}
