//! Forgetting: a photo and its traces go from this device, its remotes, and the other devices when they sync.

use std::path::Path;
use std::process::Command;

use safelight_servers::Azurite;

use crate::devices::{Device, Meeting, World, files_in};
use crate::kills::{kill_at_random, kills_or};

const GONE: &str = "PLANTED-pics-0.jpg";
const CAPTION: &str = "qzx caption";

/// Everything that a device can open of history, in full, as a file.
fn whole_history(device: &Device<'_>, name: &str) -> String {
    let file = device.folder().with_extension(name);
    device.ends(&["audit", "export", file.to_str().unwrap()], 0);
    std::fs::read_to_string(file).unwrap()
}

/// History of which nothing speaks of the photo: neither in words nor in the bytes of an operation.
fn assert_says_nothing(history: &str) {
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    for word in [GONE, CAPTION, "qzxtag"] {
        assert!(!history.contains(word) && !history.contains(&hex(word)), "{word}");
    }
    assert!(history.contains("PLANTED-pics-1.jpg") && history.contains("forgot "));
}

/// Checks a receipt as docs/guide/going-back.md says; nothing where there is no Python.
fn check_receipt(world: &World, receipt: &str) {
    let (first, second) = receipt.split_once('\n').unwrap();
    let (said, signature) = (world.path("receipt"), world.path("receipt.signature"));
    std::fs::write(&said, format!("{first}\n")).unwrap();
    std::fs::write(&signature, second).unwrap();
    let python = std::env::var("SAFELIGHT_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recover/audit_verify.py");
    let check =
        |said: &Path| Command::new(&python).arg("-B").arg(&program).arg(said).arg(&signature).output();
    let Ok(output) = check(&said) else { return safelight_servers::skip("python3") };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    std::fs::write(&said, format!("{first} \n")).unwrap();
    assert!(!check(&said).unwrap().status.success(), "a changed receipt");
}

fn a_library(world: &World) -> Device<'_> {
    let one = world.first("one");
    one.import(&world.photos("pics", 0..4));
    one.ends(&["album", "add", "Kept"], 0);
    one.ends(&["set", GONE, &format!("caption={CAPTION}"), "album+=Kept", "tags+=qzxtag"], 0);
    one.ends(&["snapshot", "add", "Before"], 0);
    one.sync();
    one
}

fn goes_everywhere(meeting: Meeting) {
    let world = World::new(meeting);
    let one = a_library(&world);
    let two = world.join("two");
    two.ends(&["local", "set", "originals=keep-all"], 0);
    two.sync();
    one.sync();
    let receipt = world.path("receipt.json");

    let (code, _, told) = one.tries(&["trash", "forget", GONE]);
    assert!(code == 5 && told.contains("snapshots lose them too: Before"), "{told}");
    let file = receipt.to_str().unwrap();
    one.ends(&["--yes", "trash", "forget", GONE, "--receipt", file], 0);
    let (code, ..) = one.tries(&["--yes", "trash", "forget", "--receipt", file]);
    assert_eq!(code, 5, "a receipt is never written over");

    let text = std::fs::read_to_string(&receipt).unwrap();
    for word in ["PLANTED", CAPTION, "qzxtag"] {
        assert!(!text.contains(word), "{text}");
    }
    let said: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(said["remotes"][0]["holds_nothing"], true, "{said}");
    assert_eq!(said["forgotten"].as_array().unwrap().len(), 1);
    assert_eq!(said["devices_that_have_to_sync"].as_array().unwrap().len(), 1);
    check_receipt(&world, &text);
    assert_eq!(one.ends(&["trash", "receipts"], 0).lines().count(), 2);

    assert_eq!(one.listed().len(), 3);
    assert_says_nothing(&whole_history(&one, "one.jsonl"));
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    one.ends(&["verify"], 0);

    two.sync();
    assert_says_nothing(&whole_history(&two, "two.jsonl"));
    assert_eq!(two.listed().len(), 3);
    let objects = files_in(&two.folder().join("objects"));
    assert!(!objects.is_empty());
    two.ends(&["verify", "--remote", "--all"], 0);
    two.ends(&["verify"], 0);
    one.sync();
    assert_eq!(one.state(), two.state());

    // Whoever joins now opens all that the place holds.
    let three = world.join("three");
    three.sync();
    assert_says_nothing(&whole_history(&three, "three.jsonl"));
    assert_eq!(three.state(), two.state());
    assert_eq!(three.json(&["list", "album:Kept"]).as_array().unwrap().len(), 0);

    // The same file again is a new photo.
    one.import(&world.photos("pics", 0..1));
    assert_eq!(one.listed().len(), 4);
    one.sync();
    two.sync();
    assert_eq!(two.listed().len(), 4);
    one.ends(&["verify", "--remote", "--all"], 0);
}

#[test]
fn a_forgotten_photo_leaves_this_device_the_place_and_the_others() {
    let place = tempfile::tempdir().unwrap();
    goes_everywhere(Meeting { address: format!("folder:{}", place.path().display()), credential: None });
}

#[test]
fn a_forgotten_photo_leaves_an_azure_container_too() {
    let Some(server) = Azurite::start() else { return };
    goes_everywhere(Meeting { address: server.address(), credential: Some(server.sas()) });
}

#[test]
fn a_credential_that_may_not_delete_is_named_and_the_next_one_finishes() {
    let Some(server) = Azurite::start() else { return };
    let world = World::new(Meeting { address: server.address(), credential: Some(server.no_delete_sas()) });
    let one = a_library(&world);
    let (code, _, told) = one.tries(&["--yes", "trash", "forget", GONE]);
    assert!(code == 1 && told.contains("place: waiting: the credential may not delete"), "{told}");
    let receipts = one.ends(&["trash", "receipts"], 0);
    let said: serde_json::Value = serde_json::from_str(receipts.lines().next().unwrap()).unwrap();
    assert_eq!(said["remotes"][0]["holds_nothing"], false, "{said}");
    let (code, _, told) = one.tries(&["sync"]);
    assert!(code == 1 && told.contains("may still hold what was forgotten"), "{told}");

    let credential = world.path("credential");
    std::fs::write(&credential, server.sas()).unwrap();
    std::fs::set_permissions(&credential, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    one.ends(&["remote", "set", "place", "--credential-file", credential.to_str().unwrap()], 0);
    one.sync();
    one.ends(&["trash", "forget"], 0);
    let three = world.join("three");
    assert_says_nothing(&whole_history(&three, "three.jsonl"));
}

#[test]
fn a_forgetting_that_is_killed_anywhere_is_gone_on_with() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = a_library(&world);
    for kill in 0..kills_or(6) {
        kill_at_random(one.command(&["--yes", "trash", "forget", GONE]), &one, kill, 700);
        // Two at once: one of them may be refused.
        if one.json(&["list"]).as_array().unwrap().len() == 3 {
            kill_at_random(one.command(&["trash", "forget"]), &one, 100 + kill, 700);
        }
    }
    if one.listed().len() == 4 {
        one.ends(&["--yes", "trash", "forget", GONE], 0);
    }
    let mut children = [(); 2].map(|()| one.command(&["trash", "forget"]).spawn().unwrap());
    for child in &mut children {
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(0 | 1 | 5)), "one does it, the other may be refused: {code:?}");
    }
    one.ends(&["trash", "forget"], 0);
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    one.ends(&["verify"], 0);
    assert_says_nothing(&whole_history(&one, "one.jsonl"));
    let two = world.join("two");
    two.sync();
    assert_says_nothing(&whole_history(&two, "two.jsonl"));
    one.sync();
    assert_eq!(one.state(), two.state());
}
