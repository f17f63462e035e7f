//! Renditions that are lost or damaged here: a verification says so, the next sync fetches or draws them, and the next
//! verification finds nothing.

use std::path::PathBuf;

use crate::devices::{Device, World, files};
use crate::pictures;

/// Photos large enough to be objects of their own, so that local packs hold nothing but what is drawn of them.
fn heavy(world: &World) -> PathBuf {
    let folder = world.path("heavy");
    std::fs::create_dir_all(&folder).unwrap();
    for seed in 0..6 {
        std::fs::write(folder.join(format!("heavy-{seed}.jpg")), pictures::heavy_photo(seed, 160_000))
            .unwrap();
    }
    folder
}

fn packs(device: &Device<'_>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&device.folder().join("objects/local"), &mut found);
    found
}

fn thumbnails(device: &Device<'_>) -> Vec<Option<Vec<u8>>> {
    let ids = device.listed().into_iter().map(|asset| asset["id"].as_str().unwrap().to_owned());
    ids.map(|id| device.thumbnail(&id)).collect()
}

/// What may happen to a local pack.
fn harms() -> [fn(&PathBuf); 3] {
    [
        |pack| std::fs::remove_file(pack).unwrap(),
        |pack| {
            let mut bytes = std::fs::read(pack).unwrap();
            let half = bytes.len() / 2;
            bytes[half] ^= 1;
            std::fs::write(pack, bytes).unwrap();
        },
        |pack| {
            let bytes = std::fs::read(pack).unwrap();
            std::fs::write(pack, &bytes[..bytes.len() / 3]).unwrap();
        },
    ]
}

#[test]
fn lost_thumbnails_and_previews_are_fetched_again_by_the_next_sync() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.ends(&["import", "--wait", "--settle=0", heavy(&world).to_str().unwrap()], 0);
    one.sync();
    let two = world.join("two");
    two.sync();
    let shown = thumbnails(&two);
    assert!(shown.iter().all(Option::is_some));
    // The first device holds the originals, the second nothing to draw from.
    for device in [&two, &one] {
        for harm in harms() {
            packs(device).iter().for_each(harm);
            let told = device.ends(&["verify"], 6);
            assert!(told.contains("objects/local/"), "{told}");
            device.sync();
            device.ends(&["verify"], 0);
            assert_eq!(thumbnails(device), shown, "{}", device.name());
            assert_eq!(device.json(&["status"])["previews_pending"], 0);
        }
    }
}

#[test]
fn what_no_remote_gives_is_drawn_again_by_the_next_sync_or_import() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.alone("one");
    one.ends(&["import", "--wait", "--settle=0", heavy(&world).to_str().unwrap()], 0);
    for harm in harms() {
        packs(&one).iter().for_each(harm);
        one.ends(&["verify"], 6);
        one.ends(&["import", "--wait"], 0);
        one.ends(&["verify"], 0);
    }
    one.add_remote("place", &format!("folder:{}", place.path().display()));
    one.ends(&["remote", "set", "place", "policy=selective"], 0);
    one.sync();
    for harm in harms() {
        packs(&one).iter().for_each(harm);
        one.ends(&["verify"], 6);
        one.sync();
        one.ends(&["verify"], 0);
        assert!(thumbnails(&one).iter().all(Option::is_some));
    }
}
