//! Passkeys as a page adds them and unlocks by them. What an authenticator would answer is made up here: 32 bytes.

use data_encoding::BASE64URL_NOPAD;
use safelight_library::OsEntropy;
use safelight_library::folder::LibraryFolder;
use serde_json::{Value, json};

use crate::room::{Browser, PASSPHRASE, Room, picture};

fn room() -> Room {
    Room::with(&[("one.jpg", picture(1, 600))])
}

fn words(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn begin(browser: &Browser) -> Value {
    let begun = browser.post("passkeys/begin", &json!({ "passphrase": PASSPHRASE }));
    assert_eq!(begun.status, 200, "{begun:?}");
    begun.json()["salt"].clone()
}

/// Adds one whose authenticator answers with this byte, and answers its slot.
fn add(browser: &Browser, output: u8) -> String {
    let new = json!({ "salt": begin(browser), "credential": words(b"mine"), "output": words(&[output; 32]), "label": " " });
    let added = browser.post("passkeys", &new);
    assert_eq!(added.status, 200, "{added:?}");
    assert_eq!((&added.json()["kind"], &added.json()["label"]), (&json!("passkey"), &json!("passkey")));
    added.json()["id"].as_str().unwrap().to_owned()
}

fn unlock(browser: &Browser, credential: &[u8], output: u8) -> (u16, String) {
    let answer = json!({ "credential": words(credential), "output": words(&[output; 32]) });
    let answer = browser.post("passkeys/unlock", &answer);
    (answer.status, answer.code())
}

fn lock(browser: &Browser) {
    assert_eq!(browser.post("lock", &json!({})).status, 200);
    assert_eq!(browser.get("status").json()["locked"], true);
}

#[test]
fn only_the_right_answer_of_a_passkey_opens_also_after_a_rotation_and_not_once_it_is_removed() {
    let room = room();
    let browser = room.serve();
    let slot = add(&browser, 7);
    lock(&browser);
    let told = browser.get("passkeys").json();
    assert_eq!((&told[0]["slot"], &told[0]["credential"]), (&json!(slot), &json!(words(b"mine"))));
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    assert_eq!(unlock(&browser, b"mine", 8), (403, "wrong-passkey".to_owned()));
    assert_eq!(unlock(&browser, b"another", 7), (403, "wrong-passkey".to_owned()));
    assert_eq!(browser.get("timeline/skeleton").status, 423);
    // What opened nothing is written down until somebody who can unlock reads it into the history.
    let noted = LibraryFolder::open(&room.path()).unwrap().keys().attempts().unwrap().attempts;
    let noted: Vec<_> = noted.iter().map(|attempt| (attempt.way.as_str(), attempt.slot)).collect();
    assert_eq!(noted, [("passkey", slot.parse().ok())]);
    assert_eq!(unlock(&browser, b"mine", 7).0, 200);
    assert_eq!(browser.ids().len(), 1);

    lock(&browser);
    let library = room.library();
    let (folder, keys) = library.keys();
    folder.keys().replace_unlock_key(keys, &mut OsEntropy).unwrap();
    library.close().unwrap();
    assert_eq!(unlock(&browser, b"mine", 8).0, 403);
    assert_eq!(unlock(&browser, b"mine", 7).0, 200, "it was asked nothing, and opens the new key");

    let removed = browser.post(&format!("keys/{slot}/remove"), &json!({ "passphrase": PASSPHRASE }));
    assert_eq!(removed.status, 200, "{removed:?}");
    lock(&browser);
    assert_eq!(browser.get("passkeys").json(), json!([]));
    assert_eq!(unlock(&browser, b"mine", 7), (403, "wrong-passkey".to_owned()));
    assert_eq!(browser.post("unlock", &json!({ "passphrase": PASSPHRASE })).status, 200);
}

#[test]
fn guesses_by_passkey_and_by_passphrase_are_counted_together() {
    let room = room();
    let browser = room.serve();
    add(&browser, 7);
    lock(&browser);
    let tried: Vec<u16> = (0..10).map(|output| unlock(&browser, b"mine", 100 + output).0).collect();
    assert_eq!(tried[..3], [403; 3]);
    assert!(tried[4..].iter().all(|status| *status == 429), "{tried:?}");
    assert_eq!(unlock(&browser, b"mine", 7).0, 429, "the right one waits as well");
    assert_eq!(browser.post("unlock", &json!({ "passphrase": PASSPHRASE })).status, 429);
    assert_eq!(browser.get("status").json()["locked"], true);
}

#[test]
fn a_passkey_is_added_only_by_whoever_has_a_passphrase_and_for_the_salt_that_was_drawn() {
    let room = room();
    let browser = room.serve();
    let before = browser.get("keys").json();
    let wrong = browser.post("passkeys/begin", &json!({ "passphrase": "a guess of somebody" }));
    assert_eq!((wrong.status, wrong.code().as_str()), (403, "wrong-passphrase"));
    let new = |salt: &Value, credential: &[u8], output: &[u8]| {
        let new =
            json!({ "salt": salt, "credential": words(credential), "output": words(output), "label": "" });
        let answer = browser.post("passkeys", &new);
        (answer.status, answer.code())
    };
    let refused = (409, "refused".to_owned());
    assert_eq!(new(&json!(words(&[0; 32])), b"mine", &[7; 32]), refused, "nobody began");
    let salt = begin(&browser);
    for (credential, output) in [(&b"mine"[..], &[7; 31][..]), (b"mine", &[7; 33])] {
        assert_eq!(new(&salt, credential, output).0, 400);
    }
    assert_eq!(new(&json!(words(&[0; 32])), b"mine", &[7; 32]), refused, "another salt");
    assert_eq!(new(&salt, b"mine", &[7; 32]), refused, "that ended it");
    for credential in [Vec::new(), vec![1; 1024]] {
        assert_eq!(new(&begin(&browser), &credential, &[7; 32]).0, 400);
    }
    // A locked door ends it, too.
    let salt = begin(&browser);
    lock(&browser);
    assert_eq!(browser.post("passkeys/begin", &json!({ "passphrase": PASSPHRASE })).status, 423);
    assert_eq!(new(&salt, b"mine", &[7; 32]).0, 423);
    assert_eq!(browser.post("unlock", &json!({ "passphrase": PASSPHRASE })).status, 200);
    assert_eq!(new(&salt, b"mine", &[7; 32]), refused);
    assert_eq!(browser.get("keys").json(), before, "none was added");
}
