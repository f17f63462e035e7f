//! The library as it was: what every page is shown of it, and what nobody can do to it.

use serde_json::{Value, json};

use crate::room::{Browser, PASSPHRASE, Room, picture};

fn room() -> Room {
    Room::with(&[("a.jpg", picture(1, 600)), ("b.jpg", picture(2, 600)), ("c.jpg", picture(3, 600))])
}

fn counts(browser: &Browser) -> (u64, u64) {
    let counts = browser.get("status").json()["counts"].clone();
    (counts["shown"].as_u64().unwrap(), counts["trashed"].as_u64().unwrap())
}

fn named(browser: &Browser, name: &str) -> Value {
    let answer = browser.get("timeline/columns?start=0&count=10").json();
    let at = answer["name"].as_array().unwrap().iter().position(|known| known == name);
    at.map_or(Value::Null, |at| answer["id"][at].clone())
}

#[test]
fn a_moment_is_shown_to_every_page_and_takes_no_change_but_its_own() {
    let room = room();
    let browser = room.serve();
    assert_eq!(browser.post("snapshots", &json!({ "name": "whole" })).status, 200);
    assert_eq!(browser.post("snapshots", &json!({ "name": "whole" })).status, 409);
    let (one, hidden) = (named(&browser, "a.jpg"), named(&browser, "c.jpg"));
    assert_eq!(browser.post("trash", &json!({ "items": [one] })).status, 200);
    assert_eq!(browser.post("edit", &json!({ "items": [hidden], "set": { "hidden": true } })).status, 200);
    assert_eq!(counts(&browser), (1, 1));

    assert_eq!(browser.post("past", &json!({ "at": "no such moment" })).status, 400);
    assert_eq!(browser.post("past/restore", &json!({ "q": "" })).json()["error"]["code"], "not-looking-back");
    let looked_at = browser.post("past", &json!({ "at": "whole" })).json();
    assert_eq!(looked_at, json!({ "shown": "snapshot whole", "millis": null }));
    assert_eq!(browser.get("status").json()["past"], looked_at);
    // What is hidden today is not told of, whatever it was.
    assert_eq!(counts(&browser), (2, 0));
    assert_eq!(named(&browser, "c.jpg"), Value::Null);
    assert_eq!(browser.get(&format!("assets/{}", hidden.as_str().unwrap())).status, 404);
    for (path, body) in [
        ("trash", json!({ "items": [one] })),
        ("edit", json!({ "items": [one], "set": { "rating": 5 } })),
        ("albums", json!({ "path": "Others" })),
        ("snapshots", json!({ "name": "another" })),
    ] {
        let answer = browser.post(path, &body);
        assert_eq!((answer.status, answer.code().as_str()), (409, "looking-back"), "{path}");
    }
    // A picture that is not here is no mistake then either.
    let path = format!("{}/p/{}", browser.media, one.as_str().unwrap());
    assert_eq!(browser.ask("GET", &path, &browser.headers(), &[]).status, 204);
    // By what is shown then, though it lies in the trash today.
    let restored = browser.post("past/restore", &json!({ "items": [one] })).json();
    assert_eq!(restored["changed"], json!([one]));
    assert_eq!(browser.send("DELETE", "past", &json!({})).status, 204);
    assert_eq!(browser.get("status").json()["past"], Value::Null);
    assert_eq!(counts(&browser), (2, 0));

    // Locking forgets the moment with everything else.
    assert_eq!(browser.post("past", &json!({ "at": "whole" })).status, 200);
    browser.post("lock", &json!({}));
    assert_eq!(browser.send("DELETE", "past", &json!({})).status, 423);
    assert_eq!(browser.post("unlock", &json!({ "passphrase": PASSPHRASE })).status, 200);
    assert_eq!(browser.get("status").json()["past"], Value::Null);
}

#[test]
fn what_was_changed_is_told_by_sort_and_device_and_not_of_hidden_photos() {
    let room = room();
    let browser = room.serve();
    let (one, hidden) = (named(&browser, "a.jpg"), named(&browser, "c.jpg"));
    browser.post("trash", &json!({ "items": [one] }));
    browser.post("edit", &json!({ "items": [hidden], "set": { "hidden": true, "caption": "a secret" } }));
    let told = |path: &str| browser.get(path).json().as_array().unwrap().clone();
    let all = told("history");
    assert!(!all.is_empty() && !Value::from(all.clone()).to_string().contains("secret"), "{all:?}");
    assert!(!Value::from(all.clone()).to_string().contains("c.jpg"), "{all:?}");
    assert_eq!(told("history?sort=trash").len(), 1);
    assert_eq!(told("history?limit=1").len(), 1);
    assert_eq!(told("history?until=1").len(), 0);
    let device = all[0]["device"].as_str().unwrap();
    assert_eq!(told(&format!("history?device={device}")).len(), all.len());
    assert_eq!(browser.get("history?device=nobody").status, 404);
    assert_eq!(browser.get("history?sort=nonsense").status, 400);
    assert_eq!(browser.post("hidden/open", &json!({ "passphrase": PASSPHRASE })).status, 200);
    assert!(Value::from(told("history")).to_string().contains("secret"));
}
