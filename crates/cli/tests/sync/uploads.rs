//! A device that only uploads, two that take in what it sends, and what goes wrong in between.

use std::path::{Path, PathBuf};

use safelight_crypto::{InboxName, Kind, ObjectContext, UploadIdentity, names, open_from};
use safelight_servers::Azurite;
use serde_json::Value;

use crate::devices::{Device, Meeting, World, copy_all, files_in, flip, photo};
use crate::kills::{kill_at_random, kills_or};
use crate::pairing::Talking;

/// Lets a device upload that nobody gave anything of the library.
fn let_upload<'a>(world: &'a World, by: &Device<'_>, name: &str, more: &[&str]) -> Device<'a> {
    let invite = [&["device", "invite", "--upload-only", "--no-lan"], more].concat();
    let mut inviting = Talking::start(by, &invite);
    let invited = inviting.event("invited");
    let device = world.device(name);
    let has_storage = more.contains(&"--with-storage");
    let mut arguments = vec!["join"];
    if !has_storage {
        arguments.extend(world.to_join());
    }
    arguments.extend(["--code", "--upload-only", "--device-name", name]);
    let mut joining = Talking::start(&device, &arguments);
    joining.hear(invited[if has_storage { "qr" } else { "words" }].as_str().unwrap());
    let (here, there) = (inviting.event("compare"), joining.event("compare"));
    inviting.hear(there["six_words"].as_str().unwrap());
    joining.hear(here["six_words"].as_str().unwrap());
    assert_eq!(inviting.event("admitted")["upload_only"], true);
    assert_eq!(joining.event("joined")["upload_only"], true);
    inviting.end(0);
    joining.end(0);
    device
}

fn upload(device: &Device<'_>, folder: &Path) -> Value {
    device.json(&["import", folder.to_str().unwrap()])
}

/// Two devices and one that only uploads, which meet in a folder.
struct Scene<'a> {
    one: Device<'a>,
    two: Device<'a>,
    phone: Device<'a>,
}

fn scene(world: &World) -> Scene<'_> {
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    one.sync();
    let two = world.join("two");
    two.sync();
    let phone = let_upload(world, &one, "phone", &[]);
    Scene { one, two, phone }
}

fn inbox(place: &Path) -> Vec<PathBuf> {
    files_in(&place.join("inbox"))
}

/// A small photo, an ordinary one, and one that is longer than a piece.
fn dcim(world: &World) -> (PathBuf, Vec<Vec<u8>>) {
    let folder = world.path("dcim");
    std::fs::create_dir_all(folder.join("100")).unwrap();
    let mut long = photo(13);
    while long.len() < 35 << 20 {
        long.extend_from_within(..);
    }
    let photos = vec![photo(11)[..20_000].to_vec(), photo(12), long];
    for (number, bytes) in photos.iter().enumerate() {
        std::fs::write(folder.join(format!("100/IMG_{number}.jpg")), bytes).unwrap();
    }
    std::fs::write(folder.join("notes.txt"), "no photo").unwrap();
    (folder, photos)
}

fn count(device: &Device<'_>) -> usize {
    device.listed().len()
}

#[test]
fn uploads_are_taken_in_once_by_two_devices_at_the_same_time_and_then_removed() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let Scene { one, two, phone } = scene(&world);
    let (folder, photos) = dcim(&world);
    let report = upload(&phone, &folder);
    assert_eq!(
        (&report["uploaded"], &report["refused"], &report["failed"]),
        (&3.into(), &1.into(), &0.into())
    );
    // Three heads, and two further pieces of the long one.
    assert_eq!(inbox(place.path()).len(), 5);
    let waiting = one.json(&["device", "inbox"]);
    assert_eq!(waiting.as_array().unwrap().len(), 3, "{waiting}");
    assert!(waiting.as_array().unwrap().iter().all(|item| item["state"] == "waiting"), "{waiting}");
    assert_eq!(waiting[0]["device_name"], "phone");
    let both = [&one, &two].map(|device| device.command(&["sync"]).spawn().unwrap());
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for _ in 0..2 {
        one.sync();
        two.sync();
    }
    assert_eq!((count(&one), count(&two)), (4, 4));
    assert_eq!(one.state(), two.state());
    assert_eq!(inbox(place.path()), Vec::<PathBuf>::new(), "what was taken in is removed");
    two.has_whole(&photos, "exported");
    // Whose files they were is told, and where they lay there.
    let history = one.ends(&["history", "--limit", "100"], 0);
    assert!(history.contains("IMG_1.jpg") && history.contains("took in upload"), "{history}");
    // What was sent is not sent again, and a copy of it under another name is known.
    std::fs::copy(folder.join("100/IMG_1.jpg"), folder.join("copy.jpg")).unwrap();
    let again = upload(&phone, &folder);
    assert_eq!((&again["uploaded"], &again["known"]), (&0.into(), &4.into()));
    let devices = one.json(&["device"]);
    let shown = devices.as_array().unwrap().iter().find(|device| device["name"] == "phone").unwrap();
    assert_eq!((&shown["upload_only"], &shown["standing"]), (&true.into(), &"active".into()));
    one.ends(&["device", "rename", "phone", "Camera"], 0);
    let (code, _, said) = phone.tries(&["list"]);
    assert!(code == 4 && said.contains("only uploads"), "{code} {said}");
}

#[test]
fn hostile_items_are_named_and_kept_aside_and_stop_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let Scene { one, two, phone } = scene(&world);
    let other = let_upload(&world, &one, "other", &[]);
    let sent = |device: &Device<'_>, name: &str, bytes: &[u8]| {
        let before = inbox(place.path());
        let folder = world.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.jpg")), bytes).unwrap();
        assert_eq!(upload(device, &folder)["uploaded"], 1);
        let new = inbox(place.path()).into_iter().find(|path| !before.contains(path));
        new.expect("its head")
    };
    let first = sent(&phone, "first", &photo(20));
    let first_bytes = std::fs::read(&first).unwrap();
    one.sync();
    assert_eq!((count(&one), inbox(place.path()).len()), (2, 0));
    // The same bytes once more are the same item, and go.
    std::fs::write(&first, &first_bytes).unwrap();
    one.sync();
    assert_eq!((count(&one), inbox(place.path()).len()), (2, 0));
    let good = sent(&phone, "good", &photo(21));
    // Another item under a number that was taken in.
    std::fs::copy(&good, &first).unwrap();
    let torn = sent(&phone, "torn", &photo(22));
    let bytes = std::fs::read(&torn).unwrap();
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    flip(&sent(&phone, "flipped", &photo(23)));
    // One device's item in another's name.
    let theirs = sent(&other, "theirs", &photo(24));
    let stolen = good.parent().unwrap().join(theirs.file_name().unwrap());
    std::fs::rename(&theirs, &stolen).unwrap();
    // No photo, sent as one.
    let text = world.path("text");
    std::fs::create_dir_all(&text).unwrap();
    std::fs::write(text.join("text.txt"), "no photo").unwrap();
    phone.json(&["import", "--all-files", text.to_str().unwrap()]);
    // A device that nobody knows.
    let stranger = place.path().join("inbox/abcdefghijklmnopqrstuvwxyy");
    std::fs::create_dir_all(&stranger).unwrap();
    std::fs::copy(&good, stranger.join(good.file_name().unwrap())).unwrap();
    let (code, _, said) = one.tries(&["sync"]);
    assert_eq!(code, 1, "{said}");
    for reason in [
        "with this number was taken in before",
        "signature",
        "of a photo or video",
        "no device of this library",
    ] {
        assert!(said.contains(reason), "{reason}: {said}");
    }
    assert_eq!(count(&one), 3, "the good one came in");
    let listed = one.json(&["device", "inbox"]);
    let aside = listed.as_array().unwrap().iter().filter(|item| item["state"] == "aside").count();
    assert_eq!((aside, inbox(place.path()).len()), (6, 6), "{listed}");
    // It was said once; another look is asked for.
    one.sync();
    let (code, _, _) = one.tries(&["device", "inbox", "take", "--yes"]);
    assert_eq!(code, 1);
    let (code, _, said) = two.tries(&["sync"]);
    assert!(code == 1 && said.contains("not taken in"), "{said}");
    assert_eq!(count(&two), 3);
    // One that is revoked may upload no more, and what it left is not taken in.
    let left = sent(&other, "left", &photo(25));
    let told = one.ends(&["--yes", "device", "revoke", "other"], 0);
    drop(told);
    let (_, _, said) = one.tries(&["sync"]);
    assert!(said.contains("may not upload any more"), "{said}");
    assert!(left.exists());
    two.tries(&["sync"]);
    assert_eq!((count(&one), count(&two)), (3, 3));
    let devices = two.json(&["device"]);
    let shown = devices.as_array().unwrap().iter().find(|device| device["name"] == "other").unwrap();
    assert_eq!(shown["standing"], "revoked");
}

#[test]
fn more_than_a_day_takes_waits_until_somebody_agrees() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.sync();
    let phone = let_upload(&world, &one, "phone", &["--files-a-day", "2"]);
    upload(&phone, &world.photos("dcim", 30..33));
    one.sync();
    assert_eq!(count(&one), 2);
    let waiting = one.json(&["device", "inbox"]);
    assert!(waiting[0]["reason"].as_str().unwrap().contains("2 uploads"), "{waiting}");
    one.sync();
    assert_eq!(count(&one), 2, "two devices or two syncs do not make two days");
    one.ends(&["device", "inbox", "take", "--yes"], 0);
    assert_eq!((count(&one), inbox(place.path()).len()), (3, 0));
}

#[test]
fn kills_of_the_phone_and_of_whoever_takes_in_lose_and_double_nothing() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let Scene { one, two, phone } = scene(&world);
    let (folder, photos) = dcim(&world);
    copy_all(&world.photos("more", 40..48), &folder);
    let kills = kills_or(6);
    for seed in 0..kills {
        let command = phone.command(&["import", folder.to_str().unwrap()]);
        kill_upload(command, seed, 400);
        for device in [&one, &two] {
            kill_at_random(device.command(&["sync"]), device, seed * 3 + 1, 400);
        }
    }
    upload(&phone, &folder);
    for _ in 0..3 {
        one.tries(&["sync"]);
        two.tries(&["sync"]);
    }
    assert_eq!((count(&one), count(&two)), (1 + 3 + 8, 1 + 3 + 8));
    assert_eq!(one.state(), two.state());
    two.has_whole(&photos, "exported");
    // Of an upload that was cut off pieces may be left, never an item that nobody took.
    let listed = one.json(&["device", "inbox"]);
    assert!(listed.as_array().unwrap().iter().all(|item| item["state"] == "incomplete"), "{listed}");
    one.ends(&["verify"], 0);
}

fn kill_upload(mut command: std::process::Command, seed: u64, within_millis: u64) {
    let mut child = command.spawn().unwrap();
    let wait = seed.wrapping_mul(0x9e37_79b9) % within_millis;
    std::thread::sleep(std::time::Duration::from_millis(wait));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_device_that_only_uploads_opens_nothing_with_all_that_it_has_and_reaches() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let Scene { one, phone, .. } = scene(&world);
    upload(&phone, &world.photos("dcim", 50..52));
    let identity =
        UploadIdentity::from_bytes(&std::fs::read(phone.folder().join("upload.keys")).unwrap()).unwrap();
    let secret = identity.device.kem_secret();
    let mut looked = 0;
    for path in files_in(place.path()) {
        let bytes = std::fs::read(&path).unwrap();
        let below = path.strip_prefix(place.path()).unwrap().to_str().unwrap().to_owned();
        for kind in [Kind::KeysFile, Kind::InboxItem] {
            let context = ObjectContext::named(identity.library, &below);
            assert!(open_from(&bytes, kind, secret, &context).is_err(), "{below}");
        }
        // Its own item, without the signature behind it.
        if let Some(name) = InboxName::parse(&below) {
            let logical = names::inbox(&name);
            let context = ObjectContext::named(identity.library, &logical);
            let envelope = &bytes[..bytes.len() - 64];
            assert!(open_from(envelope, Kind::InboxItem, secret, &context).is_err(), "{below}");
            looked += 1;
        }
    }
    assert_eq!(looked, 2);
    // Nothing in its folder is a secret of the library: neither opens the other.
    for arguments in [vec!["list"], vec!["sync"], vec!["export", "x"]] {
        assert_ne!(phone.tries(&arguments).0, 0, "{arguments:?}");
    }
    for path in files_in(&phone.folder()) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    one.sync();
    assert_eq!(count(&one), 3);
}

#[test]
fn through_azure_a_phone_gets_a_key_that_creates_and_nothing_else() {
    let Some(server) = Azurite::start() else { return };
    let world = World::new(Meeting { address: server.address(), credential: Some(server.account_key()) });
    let one = world.first("one");
    one.sync();
    let phone = let_upload(&world, &one, "phone", &["--with-storage"]);
    let sas = std::fs::read(phone.folder().join("upload.credential")).unwrap();
    let sas = String::from_utf8_lossy(&sas);
    assert!(sas.contains("sp=c&"), "a SAS that creates alone");
    let (folder, photos) = dcim(&world);
    assert_eq!(upload(&phone, &folder)["uploaded"], 3);
    assert_eq!(upload(&phone, &folder)["known"], 3);
    one.sync();
    assert_eq!(count(&one), 3);
    one.has_whole(&photos, "exported");
    assert_eq!(one.json(&["device", "inbox"]), serde_json::json!([]), "removed there as well");
}
