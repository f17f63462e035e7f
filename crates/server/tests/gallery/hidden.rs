//! Hidden photos while they are closed: nothing that a page can ask for names one, and what is refused is refused as if
//! there were none.

use std::time::Duration;

use serde_json::{Value, json};

use crate::room::{Answer, Browser, PASSPHRASE, Room, picture};

fn room() -> Room {
    Room::with(&[
        ("plain.jpg", picture(1, 600)),
        ("secret.jpg", picture(2, 600)),
        ("under.jpg", picture(3, 600)),
    ])
}

fn id_of(browser: &Browser, name: &str) -> String {
    let is_it =
        |id: &String| browser.get(&format!("assets/{id}")).json()["path"].as_str().unwrap().ends_with(name);
    browser.ids().into_iter().find(is_it).unwrap()
}

fn hide(browser: &Browser, id: &str) -> Value {
    let hidden = browser.post("edit", &json!({ "items": [id], "set": { "hidden": true } }));
    assert_eq!(hidden.status, 200, "{hidden:?}");
    hidden.json()
}

fn open(browser: &Browser) {
    assert_eq!(browser.post("hidden/open", &json!({ "passphrase": PASSPHRASE })).status, 200);
}

fn said(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

/// Everything that a page can ask about one photo.
fn asked_about(browser: &Browser, id: &str, other: &str) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    for path in [format!("assets/{id}"), format!("assets/{id}/fetch"), format!("timeline/position?id={id}")] {
        answers.push((path.clone(), browser.get(&path)));
    }
    for kind in ["t", "p", "o", "m"] {
        let path = format!("{}/{kind}/{id}", browser.media);
        answers.push((path.clone(), browser.ask("GET", &path, &browser.headers(), &[])));
    }
    for (path, body) in [
        (format!("assets/{id}/fetch"), json!({})),
        (format!("conflicts/{id}"), json!({ "take": 0 })),
        ("stack".to_owned(), json!({ "items": [other], "cover": id })),
        ("stack/apart".to_owned(), json!({ "items": [id] })),
        ("edit".to_owned(), json!({ "items": [id], "set": { "rating": 1 } })),
        ("edit".to_owned(), json!({ "items": [other], "set": { "stack": id } })),
        ("trash".to_owned(), json!({ "items": [id] })),
        ("sync/look".to_owned(), json!({ "items": [id] })),
    ] {
        answers.push((format!("{path} {body}"), browser.post(&path, &body)));
    }
    answers
}

#[test]
fn a_hidden_photo_is_answered_like_one_that_is_not_there() {
    let room = room();
    let browser = room.serve();
    let (secret, other) = (id_of(&browser, "secret.jpg"), id_of(&browser, "plain.jpg"));
    let planted = json!({ "items": [secret], "set": { "hidden": true }, "add": { "tags": ["planted"] } });
    assert_eq!(browser.post("edit", &planted).status, 200);
    let nobody = "e".repeat(64);
    let of_hidden = asked_about(&browser, &secret, &other);
    for ((path, hidden), (_, missing)) in of_hidden.iter().zip(asked_about(&browser, &nobody, &other)) {
        let is_place = path.starts_with("timeline/position");
        assert_eq!(hidden.status, if is_place { 200 } else { 404 }, "{path}: {}", said(hidden));
        assert_eq!(said(hidden).replace(&secret, &nobody), said(&missing), "{path}");
    }
    // Nor is it found by less than a whole id.
    let path = room.path().with_file_name("photos").join("secret.jpg").to_string_lossy().replace('/', "%2F");
    for text in [&secret[..4], &secret[..10], "secret.jpg", &path, "tag:planted", "is:hidden"] {
        for (path, answer) in asked_about(&browser, text, &other) {
            let words = said(&answer).replace(text, "").replace(&text.replace("%2F", "/"), "");
            assert!(answer.status == 404 || answer.status == 400, "{path}: {words}");
            assert!(!words.contains("secret") && !words.contains(&secret[..10]), "{path}: {words}");
        }
    }
    let status = browser.get("status").json();
    assert_eq!(status["counts"]["shown"], 2, "nothing was changed by all that");
    open(&browser);
    assert_eq!(browser.get(&format!("assets/{secret}")).json()["tags"], json!(["planted"]));
    assert_eq!(browser.get(&format!("timeline/position?shelf=hidden&id={secret}")).json()["index"], 0);
    assert_eq!(browser.post("trash", &json!({ "items": [secret] })).json()["changed"], 1);
}

#[test]
fn a_search_for_hidden_photos_while_they_are_closed_is_answered_with_what_is_wrong_with_it() {
    let room = room();
    let browser = room.serve();
    let check = || browser.get("searches/check?q=is%3Ahidden");
    let closed = check();
    assert_eq!((closed.status, &closed.json()["mistake"]["code"]), (200, &json!("hidden-closed")));
    open(&browser);
    assert_eq!(check().json(), json!({ "mistake": null }));
}

#[test]
fn what_lies_under_a_hidden_cover_does_not_name_it() {
    let room = Room::with(&[
        ("secret.jpg", picture(1, 600)),
        ("under.jpg", picture(2, 600)),
        ("below.jpg", picture(3, 600)),
    ]);
    let browser = room.serve();
    let (secret, under) = (id_of(&browser, "secret.jpg"), id_of(&browser, "under.jpg"));
    assert_eq!(browser.post("stack", &json!({ "items": browser.ids(), "cover": secret })).status, 200);
    hide(&browser, &secret);
    let shown = browser.get(&format!("assets/{under}"));
    assert_eq!(shown.status, 200);
    assert!(!said(&shown).contains(&secret) && !said(&shown).contains("secret.jpg"), "{}", said(&shown));
}

#[test]
fn an_original_is_read_no_further_once_hidden_photos_are_closed() {
    let room = room();
    let browser = room.serve();
    let secret = id_of(&browser, "secret.jpg");
    hide(&browser, &secret);
    let library = room.library();
    let here = library.original_here(&secret).unwrap();
    assert_eq!(library.read_original(&here, 0..100).unwrap().len(), 100);
    library.keep_hidden_back(true);
    assert!(library.read_original(&here, 100..200).is_err());
    library.keep_hidden_back(false);
    assert_eq!(library.read_original(&here, 100..200).unwrap().len(), 100);
    assert!(library.told_of_hidden(), "whoever goes on watching has asked");
    library.close().unwrap();
}

#[test]
fn a_lock_while_the_passphrase_is_tried_leaves_them_closed() {
    let room = room();
    let browser = room.serve();
    let refused = std::thread::scope(|scope| {
        let opening = scope.spawn(|| browser.post("hidden/open", &json!({ "passphrase": PASSPHRASE })));
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(browser.post("lock", &json!({})).status, 200);
        opening.join().unwrap()
    });
    assert_eq!((refused.status, refused.code().as_str()), (423, "locked"), "{refused:?}");
    assert_eq!(browser.post("unlock", &json!({ "passphrase": PASSPHRASE })).status, 200);
    assert_eq!(browser.get("status").json()["hidden"]["open"], false);
}

#[test]
fn what_takes_changes_back_cannot_be_guessed_and_ends_with_the_door() {
    let room = room();
    let browser = room.serve();
    let secret = id_of(&browser, "secret.jpg");
    let undo = |word: &Value| browser.post("undo", &json!({ "undo": word })).status;
    let hidden = hide(&browser, &secret);
    for number in 0..20 {
        assert_eq!(undo(&number.to_string().into()), 409);
    }
    // Hiding is taken back without a second unlock by whoever has just done it.
    assert_eq!(undo(&hidden["undo"]), 200);
    assert_eq!(browser.ids().len(), 3);
    let hidden = hide(&browser, &secret);
    // What was done while they were open is not taken back once they are closed, whatever the word.
    open(&browser);
    let shown = browser.post("edit", &json!({ "items": [secret], "set": { "hidden": false } })).json();
    let again = browser.post("undo", &json!({ "undo": shown["undo"] })).json();
    browser.post("hidden/close", &json!({}));
    assert_eq!((undo(&again["undo"]), undo(&shown["undo"])), (409, 409));
    assert_eq!(browser.ids().len(), 2);
    browser.post("lock", &json!({}));
    assert_eq!(browser.post("unlock", &json!({ "passphrase": PASSPHRASE })).status, 200);
    assert_eq!(undo(&hidden["undo"]), 409, "the door was shut since");
    assert_eq!(browser.ids().len(), 2);
}
