//! The same story in every kind of place: two libraries, kills, a lost folder; both end equal.

use safelight_servers::{Azurite, Moto, WsgiDav};

use crate::devices::{Meeting, World, collect, photo};
use crate::kills::{kill_often, kills_or};

/// How often a device is killed in each of the four places, unless `SAFELIGHT_KILLS` says otherwise.
const KILLS: u64 = 30;

/// What must show nowhere in what a place holds: planted names, dates, captions, albums, places, and what photos
/// begin with. Long enough that no sealed bytes come to it by chance.
const PLANTED: [&[u8]; 8] = [
    b"PLANTED",
    b"\xff\xd8\xff\xe1\x00\x16",
    b"\xff\xd8\xff\xe0\x00\x10JFIF",
    b"Exif\0\0",
    b"2019:07:21",
    b"2019-07-21",
    b"image/jpeg",
    b"SQLite format 3",
];

/// Looks into all that a place holds, which is at least the originals.
fn holds_nothing_planted(held: &[Vec<u8>], originals_bytes: usize) {
    let held_bytes: usize = held.iter().map(Vec::len).sum();
    assert!(held_bytes > originals_bytes, "{held_bytes} bytes for {originals_bytes} bytes of originals");
    for bytes in held {
        for planted in PLANTED {
            assert!(
                !bytes.windows(planted.len()).any(|window| window == planted),
                "{:?}",
                String::from_utf8_lossy(planted)
            );
        }
    }
}

/// Two libraries: import on both, one caption typed on both, one photo deleted on one, one killed at random moments,
/// one's folder lost. Both end equal, with both captions. Answers how large the originals are in all.
fn two_libraries_end_equal(meeting: Meeting) -> usize {
    let world = World::new(meeting);
    let one = world.first("one");
    one.import(&world.photos("pics", 0..4));
    one.sync();
    let two = world.join("two");
    two.import(&world.photos("more", 4..7));
    let asset = one.listed()[0]["id"].as_str().unwrap().to_owned();
    let gone = one.listed()[1]["id"].as_str().unwrap().to_owned();
    one.ends(&["set", &asset, "caption=PLANTED-CAPTION-ONE", "date=2019-07-21", "place=48.85,2.29"], 0);
    one.ends(&["album", "add", "PLANTED-ALBUM"], 0);
    two.ends(&["set", &asset, "caption=PLANTED-CAPTION-TWO"], 0);
    one.ends(&["trash", &gone], 0);

    let kills = kills_or(KILLS);
    let landed = kill_often(&world, &two, 100, kills);
    println!("{landed} of {kills} kills landed while work was going on");
    assert!(landed >= kills / 2, "only {landed} of {kills} kills landed while work was going on");
    for device in [&one, &two, &one, &two] {
        device.sync();
    }
    let (listed, state) = (one.listed(), one.state());
    assert_eq!(listed.len(), 6 + usize::try_from(kills).unwrap());
    assert_eq!((two.listed(), two.state()), (listed.clone(), state.clone()));
    for device in [&one, &two] {
        let conflicts = device.ends(&["--json", "conflicts"], 0);
        assert!(conflicts.contains("PLANTED-CAPTION-ONE") && conflicts.contains("PLANTED-CAPTION-TWO"));
        device.ends(&["verify"], 0);
        device.ends(&["verify", "--remote", "--all"], 0);
    }
    // A device that already has a file by its library does not send it again.
    two.import(&world.path("pics"));
    assert_eq!(two.json(&["sync"])[0]["synced_originals"], 0);

    // One's folder is lost: the words and the place bring it back.
    std::fs::remove_dir_all(two.folder()).unwrap();
    let two = world.join("two");
    one.sync();
    two.sync();
    one.sync();
    assert_eq!((two.listed(), two.state()), (one.listed(), one.state()));
    let kept: Vec<Vec<u8>> = one
        .listed()
        .iter()
        .map(|asset| asset["path"].as_str().unwrap().to_owned())
        .map(|path| path.rsplit_once('-').unwrap().1.trim_end_matches(".jpg").parse().unwrap())
        .map(photo)
        .collect();
    two.has_whole(&kept, "out");
    for device in [&one, &two] {
        device.ends(&["verify"], 0);
        device.ends(&["verify", "--remote", "--all"], 0);
        let conflicts = device.ends(&["--json", "conflicts"], 0);
        assert!(conflicts.contains("PLANTED-CAPTION-ONE") && conflicts.contains("PLANTED-CAPTION-TWO"));
    }
    kept.iter().map(Vec::len).sum()
}

#[test]
fn through_a_folder() {
    let place = tempfile::tempdir().unwrap();
    let address = format!("folder:{}", place.path().display());
    let originals_bytes = two_libraries_end_equal(Meeting { address, credential: None });
    let mut held = Vec::new();
    collect(place.path(), &mut held);
    holds_nothing_planted(&held, originals_bytes);
}

#[test]
fn through_azure_blobs() {
    let Some(server) = Azurite::start() else { return };
    let (address, credential) = (server.address(), Some(server.sas()));
    let originals_bytes = two_libraries_end_equal(Meeting { address, credential });
    let mut held = Vec::new();
    collect(&server.folder().join("__blobstorage__"), &mut held);
    holds_nothing_planted(&held, originals_bytes);
}

#[test]
fn through_s3() {
    let Some(server) = Moto::start() else { return };
    let (address, credential) = (server.bucket("photos"), Some(server.credential().to_owned()));
    let originals_bytes = two_libraries_end_equal(Meeting { address, credential });
    holds_nothing_planted(&server.objects("photos"), originals_bytes);
}

#[test]
fn through_webdav() {
    let Some(server) = WsgiDav::start() else { return };
    let originals_bytes = two_libraries_end_equal(Meeting { address: server.address(), credential: None });
    let mut held = Vec::new();
    collect(&server.root(), &mut held);
    holds_nothing_planted(&held, originals_bytes);
}
