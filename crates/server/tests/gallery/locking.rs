//! A library that is locked tells nothing, whoever locked it, and opens again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::time::Duration;

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
    assert_eq!(browser.post("unlock", &json!({ "passphrase": PASSPHRASE })).status, 200);
    assert_eq!(browser.ids(), [id]);
}

#[test]
fn nobody_who_asks_means_that_the_keys_go_and_listening_is_not_asking() {
    let room = room();
    let browser = room.serve_until_idle(Duration::from_secs(3));
    let id = browser.ids().remove(0);
    let mut request = "GET /api/v1/events HTTP/1.1\r\n".to_owned();
    for (name, value) in browser.headers() {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut listening = browser.connect();
    listening.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    let told: Vec<String> = BufReader::new(listening)
        .lines()
        .map_while(Result::ok)
        .skip_while(|line| !line.starts_with("event: "))
        .take(1)
        .collect();
    assert_eq!(told, ["event: locked"]);
    everything_is_locked(&browser, &id);
}
