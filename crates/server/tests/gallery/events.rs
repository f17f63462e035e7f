//! What pages are told without asking.

use std::io::{BufRead as _, BufReader, Write as _};
use std::time::{Duration, Instant};

use safelight_library::{RemoteRequest, Surroundings};
use safelight_server::ServeOptions;
use serde_json::{Value, json};

use crate::room::{Browser, PASSPHRASE, Room, picture};

fn room() -> Room {
    Room::with(&[("plain.jpg", picture(1, 600)), ("secret.jpg", picture(2, 600))])
}

fn open(browser: &Browser) {
    assert_eq!(browser.post("hidden/open", &json!({ "passphrase": PASSPHRASE })).status, 200);
}

/// The first events of a new connection.
fn first(browser: &Browser, count: usize) -> Vec<(String, Value)> {
    browser.listen().take(count).collect()
}

#[test]
fn every_connection_begins_with_what_holds_now() {
    let room = room();
    let browser = room.serve();
    let revision = json!({ "revision": browser.get("status").json()["revision"] });
    let told = |name: &str, data: Value| (name.to_owned(), data);
    // The server itself looks once a second.
    std::thread::sleep(Duration::from_millis(1500));
    let closed = told("hidden", json!({ "open": false }));
    assert_eq!(first(&browser, 2), [closed.clone(), told("revision", revision.clone())]);
    open(&browser);
    assert_eq!(first(&browser, 2), [told("hidden", json!({ "open": true })), told("revision", revision)]);
    browser.post("lock", &json!({}));
    assert_eq!(first(&browser, 2), [closed, told("locked", json!({}))]);
}

#[test]
fn a_place_that_another_program_connects_is_told_at_once() {
    let room = room();
    let browser = room.serve();
    let mut told = browser.listen();
    assert!(told.by_ref().any(|(name, _)| name == "revision"), "the server has looked");
    let place = tempfile::tempdir().unwrap();
    let mut library = room.library();
    let address = format!("folder:{}", place.path().display());
    let request = RemoteRequest { name: "nas", address: &address, credential: None };
    library.connect_remote(&request, &[], true, &Surroundings::default()).unwrap();
    library.close().unwrap();
    // Nothing but what is connected has changed since: no sync, and no photo.
    assert!(told.by_ref().take(4).any(|(name, _)| name == "places"));
    let mut library = room.library();
    library.remove_remote("nas").unwrap();
    library.close().unwrap();
    assert!(told.take(4).any(|(name, _)| name == "places"));
}

#[test]
fn hidden_photos_close_when_nobody_but_the_page_itself_asks() {
    let room = room();
    let idle = Duration::from_secs(4);
    let browser = room.serve_with(&ServeOptions { hidden_idle: idle, ..ServeOptions::default() });
    let ids = browser.ids();
    browser.post("edit", &json!({ "items": [ids[0]], "set": { "hidden": true } }));
    let made = browser.post("albums", &json!({ "path": "Secret", "query": "is:hidden" }));
    assert_eq!(made.status, 200, "{made:?}");
    open(&browser);
    let mut told = browser.listen().filter(|(name, _)| name == "hidden").map(|(_, data)| data);
    assert_eq!(told.next(), Some(json!({ "open": true })));
    let path = "timeline/columns?start=0&count=9&shelf=hidden";
    let begun = Instant::now();
    while begun.elapsed() < 2 * idle {
        assert_eq!(browser.get(path).status, 200, "somebody looks at them");
        std::thread::sleep(idle / 10);
    }
    let begun = Instant::now();
    while browser.ask("GET", &format!("/api/v1/{path}"), &browser.unasked(), &[]).status == 200 {
        // Nor does the list of albums count, where a search finds them, nor a thumbnail that its page draws anew.
        assert_eq!(browser.get("albums").json()[0]["assets"], 1);
        browser.ask("GET", &format!("{}/t/{}", browser.media, ids[0]), &browser.headers(), &[]);
        assert!(begun.elapsed() < 10 * idle, "nobody asked for that");
        std::thread::sleep(idle / 10);
    }
    assert_eq!(told.next(), Some(json!({ "open": false })));
}

#[test]
fn a_stream_of_events_is_stored_nowhere() {
    let room = room();
    let browser = room.serve();
    let mut stream = browser.connect();
    let mut request = "GET /api/v1/events HTTP/1.1\r\n".to_owned();
    for (name, value) in browser.headers() {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    let head: Vec<String> =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let said: Vec<&String> = head.iter().filter(|line| line.starts_with("cache-control")).collect();
    assert_eq!(said, ["cache-control: no-store"], "{head:?}");
}

#[test]
fn a_cookie_that_another_program_planted_shuts_nobody_out() {
    let room = room();
    let browser = room.serve();
    let name = browser.cookie.split('=').next().unwrap();
    for cookies in [format!("{name}=bad; {}", browser.cookie), format!("{}; {name}=bad", browser.cookie)] {
        let headers = browser.headers_but("Cookie", Some(&cookies));
        assert_eq!(browser.ask("GET", "/api/v1/status", &headers, &[]).status, 200, "{cookies}");
    }
    let headers = browser.headers_but("Cookie", Some(&format!("{name}=bad; {name}=worse")));
    assert_eq!(browser.ask("GET", "/api/v1/status", &headers, &[]).status, 401);
}
