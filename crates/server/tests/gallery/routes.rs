//! What holds for every route there is, so that none that comes later is forgotten: the routes are those of the document that
//! the server makes of itself, and those that its source names beside them.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};

use serde_json::json;

use crate::room::{Answer, Browser, PASSPHRASE, Room, picture};

/// The routes that are in no document, as the source names them.
const UNDOCUMENTED: [&str; 6] = [
    "/api/v1/openapi.json",
    "/media/{key}/t/{id}",
    "/media/{key}/p/{id}",
    "/media/{key}/m/{id}",
    "/media/{key}/v/{id}",
    "/media/{key}/o/{id}",
];

/// What is answered without a session: the page, which tells nothing, and the beginning of a session.
const WITHOUT_SESSION: [(&str, &str); 3] =
    [("GET", "/"), ("POST", "/api/v1/session"), ("GET", "/api/v1/session/known")];

/// What is answered while the library is locked, or before there is one. Nothing of a library is in it.
const WHILE_LOCKED: [(&str, &str); 16] = [
    ("GET", "/"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/api/v1/session"),
    ("GET", "/api/v1/session/known"),
    ("POST", "/api/v1/session"),
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/jobs"),
    ("POST", "/api/v1/lock"),
    ("POST", "/api/v1/unlock"),
    ("GET", "/api/v1/passkeys"),
    ("POST", "/api/v1/passkeys/unlock"),
    ("POST", "/api/v1/first/strength"),
    ("GET", "/api/v1/remotes/kinds"),
    ("POST", "/api/v1/hidden/close"),
    ("POST", "/api/v1/jobs/{id}/stop"),
];

#[derive(Debug, Clone)]
struct Route {
    method: String,
    /// As the document names it.
    name: String,
    /// With something in the place of each parameter.
    path: String,
    takes_body: bool,
}

impl Route {
    fn is_one_of(&self, known: &[(&str, &str)]) -> bool {
        known.contains(&(self.method.as_str(), self.name.as_str()))
    }

    fn is_media(&self) -> bool {
        self.name.starts_with("/media/")
    }
}

fn room() -> Room {
    Room::with(&[("a-name-of-its-own.jpg", picture(1, 600))])
}

/// All of them, as this browser asks.
fn routes(browser: &Browser) -> Vec<Route> {
    let id = browser.ids().remove(0);
    let key = browser.media.trim_start_matches("/media/");
    let fill = |name: &str| {
        name.replace("{key}", key).replace("{id}", &id).replace("{item}", &id).replace("{name}", "nas")
    };
    let document = serde_json::to_value(safelight_server::document()).unwrap();
    let mut all = Vec::new();
    for (name, methods) in document["paths"].as_object().unwrap() {
        for (method, told) in methods.as_object().unwrap() {
            let mut path = fill(name);
            for parameter in told["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] == "query" && parameter["required"] == true {
                    let value = match parameter["name"].as_str().unwrap() {
                        "id" => id.as_str(),
                        "path" => "/",
                        _ => "1",
                    };
                    let sign = if path.contains('?') { '&' } else { '?' };
                    path.push_str(&format!("{sign}{}={value}", parameter["name"].as_str().unwrap()));
                }
            }
            let (method, takes_body) = (method.to_uppercase(), told.get("requestBody").is_some());
            all.push(Route { method, name: name.clone(), path, takes_body });
        }
    }
    assert!(all.len() > 60, "{}", all.len());
    for name in UNDOCUMENTED.into_iter().chain(["/"]) {
        all.push(Route { method: "GET".into(), name: name.into(), path: fill(name), takes_body: false });
    }
    all
}

fn ask(browser: &Browser, route: &Route, headers: &[(String, String)]) -> Answer {
    let mut headers = headers.to_vec();
    if route.takes_body {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    browser.ask(&route.method, &route.path, &headers, if route.takes_body { b"{}" } else { b"" })
}

/// An answer of which nobody but this server's page makes anything, and that tells nothing of the library.
fn check_refusal(route: &Route, browser: &Browser, answer: &Answer) {
    for (name, value) in crate::attacks::HEADERS_ALWAYS {
        let found = answer.header(name).unwrap_or_else(|| panic!("{route:?}: {name} in {answer:?}"));
        assert!(found.contains(value), "{route:?}: {name}: {found}");
    }
    let allowed: Vec<_> =
        answer.headers.iter().filter(|(name, _)| name.starts_with("access-control-")).collect();
    assert!(allowed.is_empty(), "{route:?}: {allowed:?}");
    assert_eq!(answer.header("set-cookie"), None, "{route:?}");
    check_silence(route, browser, answer);
}

fn check_silence(route: &Route, browser: &Browser, answer: &Answer) {
    let said = String::from_utf8_lossy(&answer.body);
    for secret in ["a-name-of-its-own", browser.secret.as_str(), browser.media.as_str()] {
        assert!(!said.contains(secret), "{route:?}: {said}");
    }
}

/// What somebody could have done by a request that should have been refused.
fn standing(browser: &Browser) -> serde_json::Value {
    let status = browser.get("status").json();
    let parts = ["revision", "locked", "hidden", "counts"].map(|part| status[part].clone());
    json!([parts, browser.get("albums").json(), browser.get("settings").json(), browser.get("jobs").json()])
}

#[test]
fn every_route_that_the_source_names_is_known_here() {
    let source = include_str!("../../src/routes.rs");
    let named: BTreeSet<&str> =
        source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(named, UNDOCUMENTED.into_iter().collect());
    for way in [".nest(", ".nest_service(", ".route_service(", ".fallback_service("] {
        assert!(!source.contains(way), "{way} brings routes that these tests do not know");
    }
}

#[test]
fn the_document_that_the_pages_were_made_with_is_the_servers() {
    let made: serde_json::Value = serde_json::from_str(include_str!("../../../../web/openapi.json")).unwrap();
    let served = serde_json::to_value(safelight_server::document()).unwrap();
    for part in ["paths", "components"] {
        let (made, served) = (&made[part], &served[part]);
        let mut names = served.as_object().unwrap().keys();
        if let Some(name) = names.find(|name| made[name.as_str()] != served[name.as_str()]) {
            let new = &served[name];
            panic!(
                "{name} is not as the pages know it: tools/web.sh types writes web/openapi.json anew: {new}"
            );
        }
    }
    assert!(
        made["paths"] == served["paths"],
        "a route is gone: tools/web.sh types writes web/openapi.json anew"
    );
}

/// The headers of a request that is refused, and what may be answered.
type Hostile = (Vec<(String, String)>, &'static [u16]);

#[test]
fn no_route_answers_what_another_page_or_another_host_asks() {
    let room = room();
    let browser = room.serve();
    let before = standing(&browser);
    let own = format!("http://localhost:{}", browser.port);
    let other_port = format!("localhost:{}", browser.port.wrapping_add(1));
    let dotted = format!("localhost.:{}", browser.port);
    let longer = format!("{own}.evil.example");
    let as_user = format!("user@localhost:{}", browser.port);
    let mut hostile: Vec<Hostile> = Vec::new();
    for host in ["evil.example", "localhost", &other_port, &dotted, &as_user, "[::1]", "0.0.0.0", ""] {
        hostile.push((browser.headers_but("Host", Some(host)), &[400, 421]));
    }
    for origin in ["null", "http://evil.example", "http://localhost:1", "file://", "", longer.as_str()] {
        hostile.push((browser.headers_but("Origin", Some(origin)), &[403]));
    }
    for site in ["cross-site", "same-site", "", "none, cross-site"] {
        hostile.push((browser.headers_but("Sec-Fetch-Site", Some(site)), &[403]));
    }
    for (name, value) in [("Host", "evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        let mut twice = browser.headers_but("Origin", Some(&own));
        twice.push((name.to_owned(), value.to_owned()));
        hostile.push((twice, &[400, 403, 421]));
    }
    for route in routes(&browser) {
        for (headers, statuses) in &hostile {
            let answer = ask(&browser, &route, headers);
            assert!(statuses.contains(&answer.status), "{route:?} {headers:?}: {answer:?}");
            // What hyper refuses by itself it does not know our headers for, and it says nothing.
            if answer.status != 400 || !answer.body.is_empty() {
                check_refusal(&route, &browser, &answer);
            }
        }
        // Whether it may ask is asked by a browser before it does.
        let mut preflight = browser.headers_but("Origin", Some("http://evil.example"));
        preflight.push(("Access-Control-Request-Method".to_owned(), route.method.clone()));
        preflight.push(("Access-Control-Request-Headers".to_owned(), "x-safelight".to_owned()));
        let answer = browser.ask("OPTIONS", &route.path, &preflight, &[]);
        assert_eq!(answer.status, 403, "{route:?}: {answer:?}");
        check_refusal(&route, &browser, &answer);
    }
    assert_eq!(standing(&browser), before, "nothing was done");
}

#[test]
fn no_route_answers_without_all_of_one_session() {
    let room = room();
    let (browser, other) = (room.serve(), room.serve());
    let before = standing(&browser);
    let (cookie_of_other, secret_of_other) = (other.cookie.clone(), other.secret.clone());
    let name = browser.cookie.split('=').next().unwrap();
    let renamed = format!("{name}={}", cookie_of_other.split_once('=').unwrap().1);
    let cookies =
        [None, Some(""), Some("safelight=x"), Some(cookie_of_other.as_str()), Some(renamed.as_str())];
    let secrets = [None, Some(""), Some("AAAA"), Some(secret_of_other.as_str())];
    for route in routes(&browser).iter().filter(|route| !route.is_one_of(&WITHOUT_SESSION)) {
        let without_cookie = cookies.map(|cookie| browser.headers_but("Cookie", cookie));
        let without_secret = secrets.map(|secret| browser.headers_but("X-Safelight", secret));
        let half = if route.is_media() { &[][..] } else { &without_secret[..] };
        for headers in without_cookie.iter().chain(half) {
            let answer = ask(&browser, route, headers);
            assert_eq!((answer.status, answer.code().as_str()), (401, "no-session"), "{route:?} {headers:?}");
            check_refusal(route, &browser, &answer);
        }
        if route.is_media() {
            let key = browser.media.trim_start_matches("/media/");
            for wrong in
                ["A".repeat(key.len()), "x".to_owned(), other.media.trim_start_matches("/media/").to_owned()]
            {
                let elsewhere = Route { path: route.path.replace(key, &wrong), ..route.clone() };
                assert_eq!(ask(&browser, &elsewhere, &browser.headers()).status, 401, "{elsewhere:?}");
            }
        }
    }
    assert_eq!(standing(&browser), before, "nothing was done");
}

#[test]
fn no_route_tells_anything_of_a_library_that_is_locked() {
    let room = room();
    let browser = room.serve();
    let all = routes(&browser);
    assert_eq!(browser.post("lock", &json!({})).status, 200);
    let headers = browser.headers_but("Origin", Some(&format!("http://localhost:{}", browser.port)));
    for route in &all {
        if route.name == "/api/v1/events" || route.is_one_of(&WITHOUT_SESSION) {
            continue;
        }
        let answer = ask(&browser, route, &headers);
        let said = String::from_utf8_lossy(&answer.body);
        assert!(!said.contains("a-name-of-its-own"), "{route:?}: {said}");
        if route.is_one_of(&WHILE_LOCKED) {
            continue;
        }
        // A body that is nothing is refused before anybody looks whether the door is open, and with the same words.
        let is_refused =
            answer.status == 423 || (route.takes_body && matches!(answer.status, 400 | 409 | 422));
        let is_first = route.name.starts_with("/api/v1/first/") && (400..500).contains(&answer.status);
        assert!(is_refused || is_first, "{route:?}: {answer:?}");
    }
    assert_eq!(browser.get("status").json()["locked"], true, "nothing opened it");
}

/// Sends what may be refused before all of it is there.
fn pour(browser: &Browser, head: &str, pieces: usize, piece: &[u8]) -> String {
    let mut stream = browser.connect();
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..pieces {
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while let Ok(length) = stream.read(&mut part) {
        if length == 0 {
            break;
        }
        answer.extend_from_slice(&part[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn no_route_takes_a_body_without_a_bound() {
    const MIB: usize = 1 << 20;
    let room = room();
    let browser = room.serve();
    let piece = vec![b' '; MIB];
    for route in routes(&browser).iter().filter(|route| route.takes_body) {
        let mut head =
            format!("{} {} HTTP/1.1\r\nContent-Type: application/json\r\n", route.method, route.path);
        for (name, value) in browser.headers() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let most = if route.is_one_of(&WITHOUT_SESSION) { 1 } else { 8 };
        let length = most * MIB + 1;
        let said = pour(
            &browser,
            &format!("{head}Connection: close\r\nContent-Length: {length}\r\n\r\n"),
            most + 1,
            &piece,
        );
        // The system may lose an answer to somebody who still sends.
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 413"), "{route:?}: {said}");
        if route.name == "/api/v1/trash" {
            // The same without saying how long it is.
            let chunk = [format!("{MIB:x}\r\n").as_bytes(), &piece, b"\r\n"].concat();
            let said = pour(
                &browser,
                &format!("{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"),
                9,
                &chunk,
            );
            assert!(said.is_empty() || said.starts_with("HTTP/1.1 413"), "{said}");
        }
    }
    // The same in small, where nothing is lost.
    let long = browser.post("session", &json!({ "token": "A".repeat(4000) }));
    assert_eq!((long.status, long.code().as_str()), (413, "too-large"), "{long:?}");
    assert_eq!(long.json()["error"]["why"]["code"], "request-too-long");
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let room = room();
    let browser = room.serve();
    let mut head = "POST /api/v1/session HTTP/1.1\r\nContent-Type: application/json\r\n".to_owned();
    for (name, value) in browser.headers_but("Cookie", None) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let said = pour(&browser, &format!("{head}Connection: close\r\nContent-Length: 500\r\n\r\n"), 1, b"{");
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("request-too-slow"), "{said}");
}

#[test]
fn more_connections_than_there_is_room_for_are_told_so_and_those_that_are_there_go_on() {
    let room = room();
    let browser = room.serve();
    let mut request = "GET /api/v1/status HTTP/1.1\r\n".to_owned();
    for (name, value) in browser.headers() {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let ask = |stream: &mut std::net::TcpStream| {
        drop(stream.write_all(format!("{request}\r\n").as_bytes()));
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).unwrap_or(0);
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    // Whoever never asks for anything takes no place from those that do.
    let silent: Vec<_> = (0..300).map(|_| browser.connect()).collect();
    let mut asked: Vec<_> = (0..256).map(|_| browser.connect()).collect();
    for stream in &mut asked {
        let answer = ask(stream);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let last = ask(&mut browser.connect());
    assert!(last.starts_with("HTTP/1.1 503") && last.contains("too-many-connections"), "{last}");
    let first = ask(&mut asked[0]);
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    drop((silent, asked));
    let begun = std::time::Instant::now();
    while !ask(&mut browser.connect()).starts_with("HTTP/1.1 200") {
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "the seats are free again");
    }
}

#[test]
fn guesses_at_both_doors_and_at_once_are_counted_together() {
    let room = room();
    let browser = room.serve();
    let guess = |number: usize| {
        let way = if number.is_multiple_of(2) { "unlock" } else { "hidden/open" };
        browser.post(way, &json!({ "passphrase": format!("guess {number}") })).status
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guessing: Vec<_> = (0..60).map(|number| scope.spawn(move || guess(number))).collect();
        guessing.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| matches!(status, 403 | 429)), "{statuses:?}");
    let tried = statuses.iter().filter(|status| **status == 403).count();
    assert!((1..10).contains(&tried), "{tried} were tried");
    // Those that were sent at once were not tried; by now it waits.
    let mut last = 0;
    for number in 0..8 {
        last = guess(number);
    }
    assert_eq!(last, 429);
    let right = json!({ "passphrase": PASSPHRASE });
    assert_eq!(browser.post("hidden/open", &right).status, 429);
}

#[test]
fn a_token_that_is_used_many_times_at_once_opens_once() {
    let room = room();
    let browser = room.serve();
    let body = json!({ "token": browser.token });
    let begun: Vec<u16> = std::thread::scope(|scope| {
        let beginning: Vec<_> =
            (0..24).map(|_| scope.spawn(|| browser.post("session", &body).status)).collect();
        beginning.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(begun.iter().filter(|status| **status == 200).count(), 1, "{begun:?}");
    assert!(begun.iter().all(|status| matches!(status, 200 | 401)), "{begun:?}");
}
