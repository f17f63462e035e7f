//! Everybody who is not this server's page gets nothing.

use std::os::unix::process::CommandExt as _;

use crate::room::{Browser, PASSPHRASE, Room, picture};

pub(crate) const HEADERS_ALWAYS: [(&str, &str); 8] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", ""),
];

fn room() -> Room {
    Room::with(&[("one.jpg", picture(1, 600))])
}

/// Paths of every kind: static, API, events, pictures.
fn paths(browser: &Browser) -> Vec<String> {
    let id = browser.ids().remove(0);
    let media = &browser.media;
    let mut paths: Vec<String> = [
        "/",
        "/index.html",
        "/photo/x",
        "/api/v1/status",
        "/api/v1/session",
        "/api/v1/events",
        "/api/v1/none",
    ]
    .map(str::to_owned)
    .into();
    paths.extend(["t", "p", "o"].map(|kind| format!("{media}/{kind}/{id}")));
    paths
}

#[test]
fn another_host_is_refused_on_every_route() {
    let room = room();
    let browser = room.serve();
    let other_port = format!("localhost:{}", browser.port.wrapping_add(1));
    for path in paths(&browser) {
        for host in [Some("evil.example"), Some("localhost"), Some(other_port.as_str()), Some(""), None] {
            let answer = browser.ask("GET", &path, &browser.headers_but("Host", host), &[]);
            // Without a host, hyper may refuse by itself.
            assert!(matches!(answer.status, 400 | 421), "{path} {host:?}: {}", answer.status);
        }
    }
}

#[test]
fn another_page_is_refused_on_every_route() {
    let room = room();
    let browser = room.serve();
    for path in paths(&browser) {
        for origin in ["null", "http://evil.example", "http://localhost:1", "http://127.0.0.1"] {
            let answer = browser.ask("GET", &path, &browser.headers_but("Origin", Some(origin)), &[]);
            assert_eq!(answer.status, 403, "{path} {origin}");
        }
        for site in ["cross-site", "same-site"] {
            let answer = browser.ask("GET", &path, &browser.headers_but("Sec-Fetch-Site", Some(site)), &[]);
            assert_eq!(answer.status, 403, "{path} {site}");
        }
    }
}

#[test]
fn whoever_has_only_half_of_a_session_has_none() {
    let room = room();
    let browser = room.serve();
    for (name, value) in [
        ("Cookie", None),
        ("Cookie", Some("safelight=x")),
        ("X-Safelight", None),
        ("X-Safelight", Some("AAAA")),
    ] {
        for (method, path) in [
            ("GET", "/api/v1/status"),
            ("GET", "/api/v1/session"),
            ("GET", "/api/v1/events"),
            ("GET", "/api/v1/openapi.json"),
            ("GET", "/api/v1/timeline/skeleton"),
            ("POST", "/api/v1/lock"),
            ("POST", "/api/v1/edit"),
            ("POST", "/api/v1/undo"),
            ("DELETE", "/api/v1/albums/x"),
        ] {
            let answer = browser.ask(method, path, &browser.headers_but(name, value), b"{}");
            assert_eq!(answer.status, 401, "{method} {path} with {name}: {value:?}");
            assert_eq!(answer.code(), "no-session");
        }
        // A page may ask whether it has one: no is an answer, and says no more.
        let known = browser.ask("GET", "/api/v1/session/known", &browser.headers_but(name, value), b"");
        assert_eq!(
            (known.status, known.json()),
            (200, serde_json::json!({ "session": null })),
            "{name}: {value:?}"
        );
    }
    assert_eq!(browser.get("status").json()["locked"], false, "nobody could lock it");
    let known = browser.get("session/known").json();
    assert_eq!(
        (&known["session"]["is_open"], known["session"].get("secret")),
        (&true.into(), None),
        "{known}"
    );
}

#[test]
fn pictures_need_the_cookie_and_the_path_of_one_session() {
    let room = room();
    let browser = room.serve();
    let id = browser.ids().remove(0);
    let original = format!("{}/o/{id}", browser.media);
    assert_eq!(browser.ask("GET", &original, &browser.headers(), &[]).status, 200);
    assert_eq!(browser.ask("GET", &original, &browser.headers_but("X-Safelight", None), &[]).status, 200);
    assert_eq!(browser.ask("GET", &original, &browser.headers_but("Cookie", None), &[]).status, 401);
    let elsewhere = format!("/media/{}/o/{id}", "A".repeat(52));
    assert_eq!(browser.ask("GET", &elsewhere, &browser.headers(), &[]).status, 401);
}

#[test]
fn a_token_opens_once_and_a_made_up_one_never() {
    let room = room();
    let browser = room.serve();
    let begin = |token: &str| browser.post("session", &serde_json::json!({ "token": token })).status;
    assert_eq!(begin("AAAA"), 401);
    assert_eq!(begin(""), 401);
    assert_eq!(begin(&browser.token), 200);
    assert_eq!(begin(&browser.token), 401, "it was used");
}

#[test]
fn a_token_that_another_account_saw_opens_nothing_for_it() {
    let room = room();
    let browser = room.serve();
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can ask as another account");
        return;
    }
    let (port, token) = (browser.port, &browser.token);
    let body = serde_json::json!({ "token": token }).to_string();
    let ask = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'POST /api/v1/session HTTP/1.1\\r\\nHost: localhost:{port}\\r\\n\
         Content-Type: application/json\\r\\nContent-Length: {}\\r\\nConnection: close\\r\\n\\r\\n%s' '{body}' >&3; head -c 300 <&3",
        body.len()
    );
    let asked = std::process::Command::new("bash").args(["-c", &ask]).uid(65534).output().unwrap();
    let answer = String::from_utf8_lossy(&asked.stdout);
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}{}", String::from_utf8_lossy(&asked.stderr));
    assert_eq!(
        browser.post("session", &serde_json::json!({ "token": token })).status,
        200,
        "it is good for its owner"
    );
}

#[test]
fn no_body_is_taken_before_there_is_a_session() {
    let room = room();
    let browser = room.serve();
    let long = serde_json::json!({ "token": "A".repeat(4000) });
    assert_eq!(browser.post("session", &long).status, 413);
}

#[test]
fn no_path_leads_out() {
    let room = room();
    let browser = room.serve();
    let media = &browser.media;
    let id = browser.ids().remove(0);
    for path in [
        "/../Cargo.toml".to_owned(),
        "/..%2f..%2fCargo.toml".to_owned(),
        "/assets/../../src/lib.rs".to_owned(),
        "/%2e%2e/%2e%2e/etc/passwd".to_owned(),
        "//etc/passwd.txt".to_owned(),
        format!("{media}/o/..%2f..%2flibrary.toml"),
        format!("{media}/o/{}", "../".repeat(21) + "x"),
        format!("{media}/o/{id}/../../../library.toml"),
        format!("{media}/o/{}", id.replace(&id[..1], "/")),
        format!("{media}/o/%00{}", &id[1..]),
        "/api/v1/../../library.toml".to_owned(),
        "/api/v1/none".to_owned(),
    ] {
        let answer = browser.ask("GET", &path, &browser.headers(), &[]);
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
        let body = String::from_utf8_lossy(&answer.body);
        assert!(!body.contains("root:") && !body.contains("[package]") && !body.contains("format"), "{path}");
    }
    // By a name or a query no picture is found: only a whole id is one.
    for item in ["one.jpg", "is:favourite", &id[..10]] {
        assert_eq!(browser.ask("GET", &format!("{media}/o/{item}"), &browser.headers(), &[]).status, 404);
    }
}

#[test]
fn every_answer_carries_the_headers() {
    let room = room();
    let browser = room.serve();
    let mut answers: Vec<_> = paths(&browser)
        .iter()
        .filter(|path| !path.ends_with("events"))
        .map(|path| browser.ask("GET", path, &browser.headers(), &[]))
        .collect();
    answers.push(browser.ask("GET", "/", &browser.headers_but("Host", Some("evil.example")), &[]));
    answers.push(browser.ask("GET", "/api/v1/status", &browser.headers_but("Cookie", None), &[]));
    answers.push(browser.ask("POST", "/api/v1/edit", &browser.headers(), b"nonsense"));
    for answer in answers {
        for (name, value) in HEADERS_ALWAYS {
            let found = answer.header(name).unwrap_or_else(|| panic!("{name} in {answer:?}"));
            assert!(found.contains(value), "{name}: {found}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
    }
}

#[test]
fn what_could_be_a_page_is_given_as_a_file_that_runs_nothing() {
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec();
    let html = b"<!doctype html><script>alert(1)</script>".to_vec();
    let hostile = "x\"; filename=evil.html\r\n.jpg";
    let room = Room::with(&[("a.svg", svg), ("b.html", html), (hostile, picture(9, 600))]);
    let browser = room.serve();
    let ids = browser.ids();
    assert_eq!(ids.len(), 3);
    for id in ids {
        for download in ["", "?download"] {
            let path = format!("{}/o/{id}{download}", browser.media);
            let answer = browser.ask("GET", &path, &browser.headers(), &[]);
            assert_eq!(answer.status, 200, "{answer:?}");
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"), "{policy}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            let content_type = answer.header("content-type").unwrap();
            let disposition = answer.header("content-disposition").unwrap();
            assert!(matches!(content_type, "image/jpeg" | "application/octet-stream"), "{content_type}");
            if content_type != "image/jpeg" || !download.is_empty() {
                assert!(disposition.starts_with("attachment; filename*=UTF-8''"), "{disposition}");
            }
            assert_eq!(
                disposition.matches("filename").count() - disposition.matches("%20filename").count(),
                1
            );
            assert!(answer.header("evil").is_none());
        }
    }
}

#[test]
fn a_thousand_guesses_try_a_handful_of_passphrases() {
    let room = room();
    let browser = room.serve();
    assert_eq!(browser.post("lock", &serde_json::json!({})).status, 200);
    let mut tried = 0;
    for guess in 0..1000 {
        let answer = browser.post("unlock", &serde_json::json!({ "passphrase": format!("guess {guess}") }));
        match answer.status {
            403 => tried += 1,
            429 => assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0),
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert!((1..20).contains(&tried), "{tried} were tried");
    // The right one waits like any other, or it would be told apart.
    let right = serde_json::json!({ "passphrase": PASSPHRASE });
    assert_eq!(browser.post("unlock", &right).status, 429);
}

#[test]
fn a_page_of_another_origin_cannot_post_a_form() {
    let room = room();
    let browser = room.serve();
    let mut headers = browser.headers();
    headers.push(("Content-Type".to_owned(), "text/plain".to_owned()));
    let answer = browser.ask("POST", "/api/v1/trash", &headers, b"{\"q\":\"\"}");
    assert_eq!(answer.status, 415);
    assert_eq!(browser.get("status").json()["counts"]["trashed"], 0);
}

#[test]
fn whoever_follows_a_link_from_another_page_reads_what_to_do() {
    let room = Room::with(&[("one.jpg", picture(1, 600))]);
    let browser = room.serve();
    let mut headers = browser.headers_but("Sec-Fetch-Site", Some("cross-site"));
    headers.push(("Accept".to_owned(), "text/html,*/*;q=0.8".to_owned()));
    let answer = browser.ask("GET", "/?q=%3Cscript%3E", &headers, &[]);
    let page = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!((answer.status, answer.header("content-type")), (403, Some("text/html; charset=utf-8")));
    assert!(
        page.contains("open the address that safelight serve prints") && !page.contains("<script"),
        "{page}"
    );
    assert!(answer.header("content-security-policy").is_some(), "{answer:?}");
    // What a program of a page asks for is refused as data.
    for path in ["/api/v1/status", "/media/x/t/y"] {
        assert_eq!(browser.ask("GET", path, &headers, &[]).code(), "foreign-origin", "{path}");
    }
}
