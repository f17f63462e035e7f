//! The same story in every kind of place.

use safelight_servers::{Azurite, Cloud, Moto, WsgiDav};

use crate::devices::{Meeting, World, collect, photo};

pub(crate) fn two_devices_end_equal_and_a_third_gets_everything(meeting: Meeting) {
    let world = World::new(meeting);
    let one = world.first("one");
    one.import(&world.photos("pics", 0..4));
    one.sync();
    let two = world.join("two");
    two.import(&world.photos("more", 4..7));
    let asset = one.listed()[0]["id"].as_str().unwrap().to_owned();
    let gone = one.listed()[1]["id"].as_str().unwrap().to_owned();
    one.ends(&["set", &asset, "caption=PLANTED-CAPTION-ONE"], 0);
    two.ends(&["set", &asset, "caption=PLANTED-CAPTION-TWO"], 0);
    one.ends(&["trash", &gone], 0);
    for device in [&one, &two, &one, &two] {
        device.sync();
    }
    assert_eq!(one.listed(), two.listed());
    assert_eq!(one.listed().len(), 6);
    for device in [&one, &two] {
        let conflicts = device.ends(&["--json", "conflicts"], 0);
        assert!(conflicts.contains("PLANTED-CAPTION-ONE") && conflicts.contains("PLANTED-CAPTION-TWO"));
        device.ends(&["history", "--verify"], 0);
        device.ends(&["verify"], 0);
        device.ends(&["verify", "--remote", "--all"], 0);
    }
    // A device that already has a file by its library does not send it again.
    two.import(&world.path("pics"));
    assert_eq!(two.json(&["sync"])[0]["synced_originals"], 0);
    // Where it was found again is history too.
    one.sync();
    let kept: Vec<Vec<u8>> = one
        .listed()
        .iter()
        .map(|asset| asset["path"].as_str().unwrap().to_owned())
        .map(|path| path.rsplit_once('-').unwrap().1.trim_end_matches(".jpg").parse().unwrap())
        .map(photo)
        .collect();
    let three = world.join("three");
    assert_eq!(three.listed(), one.listed());
    three.has_whole(&kept, "out");
}

#[test]
fn through_a_folder_which_holds_nothing_that_was_planted() {
    let place = tempfile::tempdir().unwrap();
    let address = format!("folder:{}", place.path().display());
    two_devices_end_equal_and_a_third_gets_everything(Meeting { address, credential: None });
    let mut held = Vec::new();
    collect(place.path(), &mut held);
    assert!(held.len() > 10);
    for bytes in held {
        for planted in [b"PLANTED".as_slice(), b"\xff\xd8\xff\xe1", b"Exif\0\0"] {
            assert!(!bytes.windows(planted.len()).any(|window| window == planted), "{planted:?}");
        }
    }
}

#[test]
fn through_azure_blobs() {
    let Some(server) = Azurite::start() else { return };
    let (address, credential) = (server.address(), Some(server.sas()));
    two_devices_end_equal_and_a_third_gets_everything(Meeting { address, credential });
}

#[test]
fn through_s3() {
    let Some(server) = Moto::start() else { return };
    let (address, credential) = (server.bucket("photos"), Some(server.credential().to_owned()));
    two_devices_end_equal_and_a_third_gets_everything(Meeting { address, credential });
}

#[test]
fn through_webdav() {
    let Some(server) = WsgiDav::start() else { return };
    two_devices_end_equal_and_a_third_gets_everything(Meeting {
        address: server.address(),
        credential: None,
    });
}

fn through_a_cloud(cloud: &Cloud) {
    let (address, credential) = (cloud.address(), Some(cloud.sign_in()));
    two_devices_end_equal_and_a_third_gets_everything(Meeting { address, credential });
    let held = cloud.contents();
    assert!(held.len() > 10);
    for planted in [b"PLANTED".as_slice(), b"\xff\xd8\xff\xe1", b"Exif\0\0"] {
        for bytes in &held {
            assert!(!bytes.windows(planted.len()).any(|window| window == planted), "{planted:?}");
        }
    }
}

#[test]
fn through_a_stand_in_for_dropbox() {
    through_a_cloud(&Cloud::dropbox());
}

#[test]
fn through_a_stand_in_for_google_drive() {
    through_a_cloud(&Cloud::google_drive());
}

#[test]
fn through_a_stand_in_for_onedrive() {
    through_a_cloud(&Cloud::onedrive());
}
