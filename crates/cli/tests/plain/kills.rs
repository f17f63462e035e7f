//! A push that is killed again and again.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use safelight_servers::Azurite;

use crate::chance::{Chance, times};
use crate::room::{PROGRAM, Room, ended, names, tree};

/// How many files are sent: some of them in blocks.
const SMALL_FILES: u64 = 240;
const LARGE_FILES: u64 = 3;

fn bytes(seed: u64, length: u64) -> Vec<u8> {
    let mut chance = Chance::seeded(seed);
    let words = std::iter::repeat_with(|| chance.next().to_le_bytes());
    words.flatten().take(usize::try_from(length).unwrap()).collect()
}

#[test]
fn a_push_that_is_killed_at_random_ends_complete_with_each_blob_once() {
    let kills = times("SAFELIGHT_KILLS", 5);
    let Some(azurite) = Azurite::start() else { return };
    let room = Room::new();
    for number in 0..SMALL_FILES {
        room.write(&format!("{:02}/{number}.jpg", number % 12), &bytes(number, 30_000 + 900 * (number % 97)));
    }
    for number in 0..LARGE_FILES {
        room.write(&format!("clips/{number}.mp4"), &bytes(1000 + number, (17 + 9 * number) << 20));
    }
    let credential = room.credential(&azurite.sas());
    let (source, credential) = (room.source(), credential.to_str().unwrap().to_owned());
    let address = azurite.address();
    let push = [
        "plain",
        "push",
        source.to_str().unwrap(),
        &address,
        "--credential-file",
        &credential,
        "--workers",
        "8",
    ];
    let (mut landed, mut chance) = (0, Chance::seeded(7));
    for _ in 0..kills {
        let mut child = room.command(PROGRAM, &push);
        let mut child =
            child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_millis(60 + chance.below(900));
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        landed += u64::from(child.wait().unwrap().signal() == Some(9));
    }
    assert!(landed > 0, "no kill landed while anything was going on");
    let last = ended(&mut room.command(PROGRAM, &push)).with(0);
    let files = SMALL_FILES + LARGE_FILES;
    assert!(
        last.stdout.contains(&format!("scan={files} ")) && last.stdout.contains("failed=0"),
        "{}",
        last.stdout
    );
    let mut listed = names(&azurite);
    listed.sort();
    listed.dedup();
    assert_eq!(listed.len() as u64, files, "each blob is there once");
    let verified = room.run(&["--json", "plain", "verify", "--credential-file", &credential]).with(0).json();
    assert_eq!((&verified["whole"], &verified["damaged"]), (&files.into(), &0.into()));
    let target = room.path("restored");
    room.run(&["plain", "restore", target.to_str().unwrap(), "--credential-file", &credential]).with(0);
    assert!(tree(&target) == tree(&source), "the restored tree differs");
    let again = ended(&mut room.command(PROGRAM, &push)).with(0);
    assert!(again.stdout.contains(&format!("uploaded=0 skipped={files} failed=0")), "{}", again.stdout);
}
