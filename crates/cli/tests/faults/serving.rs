//! The gallery as a program: it is served, others work beside it, and it ends when it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::pictures::{Exif, jpeg, photo};
use crate::room::{Outcome, PATIENCE, Room, finish};

/// `safelight serve`, and a page that was opened with the address it printed.
pub(crate) struct Serving {
    child: Child,
    port: u16,
    secret: String,
    cookie: String,
    pub(crate) media: String,
}

impl Serving {
    pub(crate) fn begin(room: &Room) -> Self {
        Self::of(room.unlocked())
    }

    /// What this command serves.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.args(["serve", "--no-open"]).stdin(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.next().unwrap().unwrap();
        let (host, token) = address.split_once("/#t=").unwrap();
        let port = host.strip_prefix("http://localhost:").unwrap().parse().unwrap();
        let mut serving =
            Self { child, port, secret: String::new(), cookie: String::new(), media: String::new() };
        let (head, body) = serving.ask("POST", "/api/v1/session", &format!("{{\"token\":\"{token}\"}}"));
        let said: Value = serde_json::from_slice(&body).unwrap();
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        serving.cookie = cookie.split(';').next().unwrap().to_owned();
        serving.secret = said["secret"].as_str().unwrap().to_owned();
        serving.media = said["media"].as_str().unwrap().to_owned();
        serving
    }

    /// The server's process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (String, Vec<u8>) {
        let mut answer = Vec::new();
        self.begun(method, path, body).read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end + 4..].to_vec())
    }

    /// Asks, and answers where the answer comes.
    pub(crate) fn begun(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\nCookie: {}\r\nX-Safelight: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            self.cookie,
            self.secret,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.ask("GET", &format!("/api/v1/{path}"), "").1).unwrap()
    }

    /// Asks with a body, and answers the status and what it says.
    pub(crate) fn asked(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (head, body) = self.ask(method, &format!("/api/v1/{path}"), &body.to_string());
        (head[9..12].parse().unwrap(), serde_json::from_slice(&body).unwrap())
    }

    /// The same where it must go well.
    pub(crate) fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.asked(method, path, body);
        assert_eq!(status, 200, "{method} {path}: {answer:#}");
        answer
    }

    /// Begins long work, and answers how it ended.
    pub(crate) fn work(&self, path: &str, body: &Value) -> Value {
        let id = self.done("POST", path, body)["id"].clone();
        let until = Instant::now() + PATIENCE;
        loop {
            let job = self.json("jobs")["job"].clone();
            assert_eq!(job["id"], id);
            if job["state"] != "running" {
                return job;
            }
            assert!(Instant::now() < until, "{job:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let columns = self.json("timeline/columns?start=0&count=512");
        columns["id"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// As Ctrl-C does.
    pub(crate) fn end(mut self) -> Outcome {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
        self.child.stdout = None;
        let stderr = self.child.stderr.take();
        let code = self.child.wait().unwrap().code();
        let mut said = String::new();
        stderr.unwrap().read_to_string(&mut said).unwrap();
        Outcome { code, stdout: Vec::new(), stderr: said }
    }
}

#[test]
fn the_gallery_shows_pictures_and_other_commands_work_beside_it() {
    let room = Room::with_photos(2);
    let serving = Serving::begin(&room);
    let ids = serving.ids();
    assert_eq!(ids.len(), 2);
    let (head, picture) = serving.ask("GET", &format!("{}/t/{}", serving.media, ids[0]), "");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("image/webp"), "{head}");
    assert!(picture.starts_with(b"RIFF"));
    let (head, preview) = serving.ask("GET", &format!("{}/p/{}", serving.media, ids[0]), "");
    assert!(head.contains("image/jpeg") && preview.starts_with(&[0xff, 0xd8]), "{head}");
    let original = serving.ask("GET", &format!("{}/o/{}", serving.media, ids[0]), "").1;
    assert!(original == room.original(&ids[0]));
    // Other programs import, change and verify.
    room.put("another.jpg", photo(77));
    room.import().ends_with(&[0]);
    assert_eq!(serving.ids().len(), 3);
    room.safelight(&["set", "0.jpg", "rating=4"]).ends_with(&[0]);
    let edit = format!("{{\"items\":[\"{}\"],\"set\":{{\"caption\":\"from the page\"}}}}", ids[1]);
    assert!(serving.ask("POST", "/api/v1/edit", &edit).0.starts_with("HTTP/1.1 200"));
    let shown = room.safelight(&["--json", "show", &ids[1]]).ends_with(&[0]).json();
    assert_eq!(shown["caption"], "from the page");
    room.verify_is_clean();
    serving.end().ends_with(&[0]);
    for log in ["catalog.db-wal", "device.db-wal"] {
        assert!(!room.library().join(log).exists(), "{log} was left behind");
    }
    room.verify_is_clean();
}

#[test]
fn duplicates_are_settled_from_a_page_and_taken_back() {
    let room = Room::with_library();
    let exif = Exif { model: Some("Canon EOS R6".into()), ..Exif::default() };
    room.put("camera.jpg", jpeg(1, 40, 30, &exif));
    room.put("stripped.jpg", jpeg(1, 40, 30, &Exif::default()));
    room.put("other.jpg", jpeg(2, 40, 30, &Exif::default()));
    room.import().ends_with(&[0]);
    let serving = Serving::begin(&room);
    let page = serving.json("duplicates");
    assert_eq!((&page["total"], &page["safe"]), (&1.into(), &1.into()), "{page:#}");
    let group = &page["groups"][0];
    assert_eq!((&group["kind"], &group["keep"]), (&"exact".into(), &group["items"][0]["id"]));
    assert_eq!(serving.json("duplicates?kind=near")["total"], 0);
    let old = format!("duplicates?revision={}", page["revision"].as_u64().unwrap() + 1);
    assert_eq!(serving.json(&old)["error"]["code"], "stale");

    let asked =
        serde_json::json!({ "groups": [{ "keep": group["keep"], "drop": [group["items"][1]["id"]] }] });
    let (head, body) = serving.ask("POST", "/api/v1/duplicates/apply", &asked.to_string());
    assert!(head.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(&body));
    let done: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&done["trashed"], &done["verified"]), (&1.into(), &1.into()), "{done}");
    assert_eq!((serving.ids().len(), &serving.json("duplicates")["total"]), (2, &0.into()));
    let undo = serde_json::json!({ "undo": done["undo"] }).to_string();
    assert!(serving.ask("POST", "/api/v1/undo", &undo).0.starts_with("HTTP/1.1 200"));
    let again = serving.json("duplicates");
    assert_eq!((serving.ids().len(), &again["groups"][0]["id"]), (3, &group["id"]));

    let stack =
        serde_json::json!({ "groups": [{ "cover": group["keep"], "items": [group["items"][1]["id"]] }] });
    let (head, _) = serving.ask("POST", "/api/v1/duplicates/stack", &stack.to_string());
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(serving.json("duplicates")["total"], 0);
    serving.end().ends_with(&[0]);
    room.verify_is_clean();
}

#[test]
fn a_smart_album_shows_what_its_search_finds() {
    let room = Room::with_photos(3);
    let serving = Serving::begin(&room);
    let ids = serving.ids();
    let made = serving.done("POST", "albums", &json!({ "path": "Best", "query": "rating:>=4" }));
    let best = made["id"].as_str().unwrap();
    serving.done("POST", "edit", &json!({ "items": [ids[1]], "set": { "rating": 5 } }));
    let album = &serving.json("albums")[0];
    assert_eq!((&album["assets"], &album["query"]), (&1.into(), &"rating:>=4".into()), "{album}");
    assert_eq!((&album["cover"], &album["problem"]), (&ids[1].as_str().into(), &Value::Null));
    let columns = serving.json(&format!("timeline/columns?start=0&count=10&album={best}"));
    assert_eq!(columns["id"], json!([ids[1]]));
    let put = json!({ "items": [ids[0]], "add": { "albums": [best] } });
    let (status, refused) = serving.asked("POST", "edit", &put);
    assert_eq!((status, &refused["error"]["code"]), (409, &"refused".into()));
    let (status, wrong) =
        serving.asked("PATCH", &format!("albums/{best}"), &json!({ "query": "sea ratng:5" }));
    assert_eq!((status, &wrong["error"]["at"]), (400, &json!([4, 9])), "{wrong}");
    let changed = serving.done("PATCH", &format!("albums/{best}"), &json!({ "query": "rating:1" }));
    assert_eq!(serving.json("albums")[0]["assets"], 0);
    serving.done("POST", "undo", &json!({ "undo": changed["undo"] }));
    assert_eq!(serving.json("albums")[0]["assets"], 1);

    // What was searched for stays on this device, and is forgotten when that is asked for.
    serving.done("POST", "searches", &json!({ "q": "rating:5" }));
    let recent = serving.done("POST", "searches", &json!({ "q": "rating:>=4" }));
    assert_eq!(recent["recent"], json!(["rating:>=4", "rating:5"]));
    assert_eq!(room.safelight(&["list", "--recent"]).ends_with(&[0]).text(), "rating:>=4\nrating:5\n");
    let left = serving.done("DELETE", "searches?q=rating%3A%3E%3D4", &Value::Null);
    assert_eq!(left["recent"], json!(["rating:5"]));
    room.safelight(&["list", "--forget-recent"]).ends_with(&[0]);
    assert_eq!(serving.json("searches")["recent"], json!([]));
    serving.end().ends_with(&[0]);
    room.verify_is_clean();
}

#[test]
fn who_has_no_display_is_told_how_to_come_from_another_machine() {
    let room = Room::with_photos(1);
    let serving = Serving::begin(&room);
    let port = serving.port;
    let said = serving.end().ends_with(&[0]).stderr;
    assert!(said.contains(&format!("ssh -N -L {port}:localhost:{port} ")), "{said}");
}

#[test]
fn the_routes_are_described_without_a_library() {
    let room = Room::empty();
    let child = room.bare().args(["serve", "--openapi"]).spawn().unwrap();
    let document = finish(child, PATIENCE).ends_with(&[0]).json();
    let paths = document["paths"].as_object().unwrap();
    for path in ["/api/v1/session", "/api/v1/timeline/columns", "/api/v1/edit", "/api/v1/albums/{id}"] {
        assert!(paths.contains_key(path), "{path} in {:?}", paths.keys());
    }
}
