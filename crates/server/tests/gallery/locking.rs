//! A library that is locked tells nothing, whoever locked it, and opens again.

use std::time::{Duration, Instant};

use safelight_library::LocalChange;
use serde_json::json;

use crate::room::{Browser, PASSPHRASE, Room, picture};

fn room() -> Room {
    Room::with(&[("one.jpg", picture(1, 600))])
}

fn everything_is_locked(browser: &Browser, id: &str) {
    let media = &browser.media;
    for path in ["t", "p", "o"].map(|kind| format!("{media}/{kind}/{id}")) {
        let answer = browser.ask("GET", &path, &browser.headers(), &[]);
        assert_eq!((answer.status, answer.code().as_str()), (423, "locked"), "{path}");
    }
    for path in [
        "timeline/skeleton",
        "timeline/columns?start=0&count=1",
        "albums",
        "tags",
        "conflicts",
        "remotes",
        "trash",
        "places",
        "map?south=-90&west=-180&north=90&east=180",
        "complete?q=x",
        "folders?path=",
        &format!("assets/{id}"),
    ] {
        let answer = browser.get(path);
        assert_eq!((answer.status, answer.code().as_str()), (423, "locked"), "{path}");
    }
    let edit = json!({ "items": [id], "set": { "favourite": true } });
    assert_eq!(browser.post("edit", &edit).status, 423);
    let status = browser.get("status").json();
    assert_eq!((&status["locked"], &status["counts"]), (&json!(true), &json!(null)));
    assert_eq!(browser.get("session").status, 200, "the session itself goes on");
}

#[test]
fn a_locked_library_tells_nothing_until_it_is_unlocked() {
    let room = room();
    let browser = room.serve();
    let id = browser.ids().remove(0);
    assert_eq!(browser.post("lock", &json!({})).json(), json!({ "locked": true }));
    everything_is_locked(&browser, &id);
    let wrong = browser.post("unlock", &json!({ "passphrase": "another one" }));
    assert_eq!((wrong.status, wrong.code().as_str()), (403, "wrong-passphrase"));
    everything_is_locked(&browser, &id);
    // Refused as an answer it opens no more.
    let answer = browser.post_as_page("unlock", &json!({ "passphrase": "" }));
    assert_eq!((answer.status, &answer.json()["asks"]["code"]), (200, &json!("wrong-passphrase")));
    everything_is_locked(&browser, &id);
    assert_eq!(browser.post("unlock", &json!({ "passphrase": PASSPHRASE })).status, 200);
    assert_eq!(browser.ids(), [id]);
}

#[test]
fn nobody_who_asks_means_that_the_keys_go_and_listening_is_not_asking() {
    let room = room();
    let browser = room.serve_until_idle(Duration::from_secs(3));
    let id = browser.ids().remove(0);
    assert!(browser.listen().any(|(event, _)| event == "locked"));
    everything_is_locked(&browser, &id);
}

#[test]
fn what_a_page_fetches_again_by_itself_keeps_no_door_open() {
    let room = room();
    let browser = room.serve_until_idle(Duration::from_secs(3));
    let id = browser.ids().remove(0);
    let path = "/api/v1/timeline/columns?start=0&count=1";
    let begun = Instant::now();
    while browser.ask("GET", path, &browser.unasked(), &[]).status == 200 {
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody asked for that");
        // A list that changed shows other thumbnails, and the browser says of no picture why it loads it.
        browser.ask("GET", &format!("{}/t/{id}", browser.media), &browser.headers(), &[]);
        std::thread::sleep(Duration::from_millis(200));
    }
    everything_is_locked(&browser, &id);
}

#[test]
fn whoever_looks_at_one_photo_keeps_the_door_open() {
    let room = room();
    let idle = Duration::from_secs(3);
    let browser = room.serve_until_idle(idle);
    let id = browser.ids().remove(0);
    let begun = Instant::now();
    while begun.elapsed() < 2 * idle {
        let shown = browser.ask("GET", &format!("{}/o/{id}", browser.media), &browser.headers(), &[]);
        assert_eq!(shown.status, 200, "somebody looks at it");
        std::thread::sleep(idle / 15);
    }
}

#[test]
fn whoever_only_scrolls_is_there_and_thumbnails_and_events_alone_are_nobody() {
    let idle = Duration::from_secs(3);
    let room = room();
    let browser = room.serve_until_idle(idle);
    let id = browser.ids().remove(0);
    let thumbnail =
        || browser.ask("GET", &format!("{}/t/{id}", browser.media), &browser.headers(), &[]).status;
    let begun = Instant::now();
    while begun.elapsed() < 2 * idle {
        assert_eq!(browser.post("present", &json!({})).status, 204, "somebody scrolls");
        assert_ne!(thumbnail(), 423);
        std::thread::sleep(idle / 15);
    }
    let begun = Instant::now();
    let mut events = browser.listen();
    while thumbnail() != 423 {
        assert!(begun.elapsed() < 20 * idle, "nobody is there");
        std::thread::sleep(idle / 15);
    }
    assert!(events.any(|(event, _)| event == "locked"));
    let answer = browser.post("present", &json!({}));
    assert_eq!((answer.status, answer.code().as_str()), (423, "locked"), "it opens nothing");
}

#[test]
fn a_guess_that_nobody_waits_for_is_tried_and_counted() {
    let room = room();
    let browser = room.serve();
    browser.post("lock", &json!({}));
    // On a busy machine one or another may be hung up before it was even read.
    for _ in 0..4 {
        browser.begin("unlock", &json!({ "passphrase": "wrong" }), Duration::from_millis(400));
        // Long enough for it to be tried.
        std::thread::sleep(Duration::from_secs(3));
    }
    browser.post("unlock", &json!({ "passphrase": "wrong" }));
    let refused = browser.post("unlock", &json!({ "passphrase": "wrong" }));
    assert_eq!((refused.status, refused.code().as_str()), (429, "too-many-guesses"), "at least the fourth");
}

#[test]
fn the_time_until_it_locks_is_a_rule_of_this_device_that_holds_at_once_whoever_changes_it() {
    let room = room();
    let browser = room.serve();
    let asked = |body: &serde_json::Value| browser.send("PATCH", "settings", body);
    let usual = browser.get("settings").json();
    assert_eq!((&usual["lock_after_seconds"], &usual["workers"]), (&json!(900), &json!(null)));
    assert_eq!(usual["lock_after_told_seconds"], json!(null));
    let changed = asked(&json!({ "lock_after_seconds": 3600, "workers": 2 })).json();
    assert_eq!((&changed["lock_after_seconds"], &changed["workers"]), (&json!(3600), &json!(2)));
    for (wrong, code) in [
        (json!({ "lock_after_seconds": 59 }), "lock-after-bounds"),
        (json!({ "lock_after_seconds": 86_401 }), "lock-after-bounds"),
        (json!({ "workers": 0 }), "workers-bounds"),
        (json!({ "workers": 65, "lock_after_seconds": 60 }), "workers-bounds"),
    ] {
        let refused = asked(&wrong);
        assert_eq!((refused.status, refused.code().as_str()), (409, "refused"), "{wrong}");
        assert_eq!(refused.json()["error"]["why"]["code"], json!(code), "{wrong}");
        assert_eq!(browser.get("settings").json()["lock_after_seconds"], json!(3600), "{wrong}");
    }
    assert_eq!(asked(&json!({ "workers": null })).json()["workers"], json!(null));
    // Another program shortens it, and nobody asks for anything.
    let mut library = room.library();
    let minute = LocalChange { lock_after: Some(Duration::from_secs(60)), ..LocalChange::default() };
    library.change_local_settings(&minute).unwrap();
    library.close().unwrap();
    let begun = Instant::now();
    assert!(browser.listen().any(|(event, _)| event == "locked"));
    let took = begun.elapsed();
    assert!((55..100).contains(&took.as_secs()), "{took:?}");
}
