//! Passkeys, which the gallery adds and unlocks by, as the commands of the terminal know them.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::room::{Room, text};
use crate::serving::Serving;

const OUTPUT: &[u8; 32] = b"what an authenticator would give";

fn add(serving: &Serving) {
    let begun =
        serving.done("POST", "passkeys/begin", &json!({ "passphrase": "correct horse battery staple" }));
    let (credential, output) = (BASE64URL_NOPAD.encode(b"credential"), BASE64URL_NOPAD.encode(OUTPUT));
    let new = json!({ "salt": begun["salt"], "credential": credential, "output": output, "label": "phone" });
    assert_eq!(serving.done("POST", "passkeys", &new)["kind"], "passkey");
}

fn unlock(serving: &Serving) -> u16 {
    serving.done("POST", "lock", &json!({}));
    let (credential, output) = (BASE64URL_NOPAD.encode(b"credential"), BASE64URL_NOPAD.encode(OUTPUT));
    serving.asked("POST", "passkeys/unlock", &json!({ "credential": credential, "output": output })).0
}

#[test]
fn commands_list_keep_and_remove_a_passkey_and_leave_asking_it_to_the_gallery() {
    let room = Room::with_photos(1);
    let serving = Serving::begin(&room);
    add(&serving);
    assert_eq!(unlock(&serving), 200);
    drop(serving);

    let listed = room.safelight(&["key"]).ends_with(&[0]).text();
    assert!(listed.lines().any(|line| line.contains("passkey") && line.ends_with("phone")), "{listed}");
    let tested = room.safelight(&["--json", "key", "test"]).ends_with(&[0]).json();
    let of_passkey = tested.as_array().unwrap().iter().find(|slot| slot["kind"] == "passkey").unwrap();
    assert_eq!(text(of_passkey, "outcome"), "not-tried");
    assert!(text(of_passkey, "reason").contains("gallery"), "{of_passkey}");
    let one = room.safelight(&["key", "test", "phone"]).ends_with(&[3]);
    assert!(one.stderr.contains("unlock it with the passkey"), "{}", one.said());
    // Nothing of the terminal asks it, and that is no failed unlock.
    room.run(room.bare().arg("list")).ends_with(&[3]);
    let tried = room.safelight(&["--json", "audit", "list"]).ends_with(&[0]).text();
    assert!(!tried.contains("passkey"), "{tried}");

    room.safelight(&["key", "rotate"]).ends_with(&[0]);
    let serving = Serving::begin(&room);
    assert_eq!(unlock(&serving), 200, "it was sealed the new key without being asked");
    drop(serving);

    let remove = |name: &str, code: i32| room.safelight(&["--yes", "key", "remove", name]).ends_with(&[code]);
    remove("passphrase", 0);
    remove("recovery words", 0);
    let last = remove("key file", 5);
    assert!(last.stderr.contains("last key slot that a person can open"), "{}", last.said());
    let removed = remove("phone", 0);
    assert!(removed.stderr.contains("stays where it is kept"), "{}", removed.said());
    let left = room.safelight(&["--json", "key"]).ends_with(&[0]).json();
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
    let kinds: Vec<&Value> = left.as_array().unwrap().iter().map(|slot| &slot["kind"]).collect();
    assert_eq!(kinds, ["key file"]);
}
