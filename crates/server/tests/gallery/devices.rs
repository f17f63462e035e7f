//! The devices of the library, and the invitation that lets another one in.

use std::time::{Duration, Instant};

use safelight_library::{RemoteRequest, Surroundings};
use serde_json::{Value, json};

use crate::room::{Browser, PASSPHRASE, Room, picture};

fn room() -> Room {
    Room::with(&[("a.jpg", picture(1, 600))])
}

fn connect(room: &Room, place: &std::path::Path) {
    let mut library = room.library();
    let address = format!("folder:{}", place.display());
    let request = RemoteRequest { name: "nas", address: &address, credential: None };
    library.connect_remote(&request, &[], true, &Surroundings::default()).unwrap();
    library.close().unwrap();
}

/// The invitation once it is at that stage.
fn until(browser: &Browser, stage: &str) -> Value {
    let begun = Instant::now();
    loop {
        let invitation = browser.get("devices/invite").json()["invitation"].clone();
        if invitation["stage"] == stage {
            return invitation;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{invitation}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_device_is_named_and_the_last_one_cannot_leave() {
    let room = room();
    let browser = room.serve();
    let devices = browser.get("devices").json();
    assert_eq!((devices.as_array().unwrap().len(), &devices[0]["is_this"]), (1, &true.into()), "{devices}");
    let path = format!("devices/{}", devices[0]["id"].as_str().unwrap());
    let named = browser.send("PATCH", &path, &json!({ "name": "Desk" }));
    assert_eq!((named.status, &named.json()["name"]), (200, &"Desk".into()));
    assert_eq!(browser.get("devices").json()[0]["name"], "Desk");
    let long = browser.send("PATCH", &path, &json!({ "name": "x".repeat(61) }));
    assert_eq!((long.status, long.code().as_str()), (409, "refused"));
    for how in ["retire", "revoke"] {
        for consent in [false, true] {
            let left = browser.post(&format!("{path}/leave"), &json!({ "how": how, "consent": consent }));
            assert_eq!((left.status, left.code().as_str()), (409, "refused"), "{how} {consent}");
        }
    }
    assert_eq!(browser.send("PATCH", "devices/nobody", &json!({ "name": "x" })).status, 404);
    assert_eq!(browser.get("devices").json()[0]["standing"], "active");
}

#[test]
fn an_invitation_shows_its_code_until_it_is_called_off_or_the_gallery_locks() {
    let room = room();
    let browser = room.serve();
    assert_eq!(browser.post("devices/invite", &json!({})).status, 200);
    let failed = until(&browser, "ended");
    assert!(failed["error"]["message"].as_str().unwrap().contains("no remote"), "{failed}");
    let place = tempfile::tempdir().unwrap();
    connect(&room, place.path());
    for ends_by in ["devices/invite", "lock"] {
        browser.send("DELETE", "devices/invite", &json!({}));
        assert_eq!(browser.post("devices/invite", &json!({})).status, 200);
        let open = until(&browser, "waiting");
        let words = open["words"].as_str().unwrap();
        assert_eq!(words.split(' ').count(), 8);
        assert!(open["says"].as_str().unwrap().contains(words), "{open}");
        let rows = open["picture"].as_array().unwrap();
        assert!(rows.len() >= 21 && rows.iter().all(|row| row.as_str().unwrap().len() == rows.len()));
        assert!((500..=600).contains(&open["seconds_left"].as_u64().unwrap()), "{open}");
        let busy = browser.post("devices/invite", &json!({}));
        assert_eq!((busy.status, busy.code().as_str()), (409, "busy"));
        let nobody = browser.post("devices/invite/compared", &json!({ "same": true }));
        assert_eq!((nobody.status, nobody.code().as_str()), (409, "stale"), "no device has come");
        let method = if ends_by == "lock" { "POST" } else { "DELETE" };
        assert!(browser.send(method, ends_by, &json!({})).status < 300);
        if ends_by == "lock" {
            assert_eq!(browser.get("devices/invite").status, 423);
            assert_eq!(browser.post("unlock", &json!({ "passphrase": PASSPHRASE })).status, 200);
        }
        assert_eq!(browser.get("devices/invite").json()["invitation"], Value::Null);
    }
    assert_eq!(browser.get("devices").json().as_array().unwrap().len(), 1, "nobody was let in");
}
