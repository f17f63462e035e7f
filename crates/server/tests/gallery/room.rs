//! A library in a temporary folder, its server, and a browser with as little in it as a test needs.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use safelight_library::folder::LibraryFolder;
use safelight_library::keys::NewSlot;
use safelight_library::unlock::{UnlockSources, unlock};
use safelight_library::{
    ImportRequest, Library, LibraryError, LibraryOptions, OsEntropy, Surroundings, Unwatched, WorkerProgram,
};
use safelight_server::{Opened, ServeOptions, Server};
use serde_json::Value;
use tempfile::TempDir;
use zeroize::Zeroizing;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const PASSPHRASE: &str = "a passphrase of some length";

pub(crate) struct Room {
    directory: TempDir,
    options: LibraryOptions,
}

/// A server that runs, and somebody who has been let in.
pub(crate) struct Browser {
    _runtime: tokio::runtime::Runtime,
    pub(crate) port: u16,
    /// The token of the first address, not used yet.
    pub(crate) token: String,
    pub(crate) cookie: String,
    pub(crate) secret: String,
    pub(crate) media: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Enough of a JPEG to be taken for one; `length` bytes of it.
pub(crate) fn picture(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 16];
    bytes.extend(b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    let mut state = u64::from(seed) + 1;
    bytes.extend(
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Never a marker.
            (state >> 56).to_le_bytes()[0] & 0x7f
        })
        .take(length),
    );
    bytes.extend([0xff, 0xd9]);
    bytes
}

impl Room {
    pub(crate) fn with(photos: &[(&str, Vec<u8>)]) -> Self {
        let directory = TempDir::new().unwrap();
        // It is there, and the system refuses to start it: pictures are made elsewhere.
        let program = directory.path().join("worker");
        std::fs::write(&program, "no program").unwrap();
        let options = LibraryOptions { worker: WorkerProgram { program, arguments: Vec::new() } };
        let room = Self { directory, options };
        let slots = [
            NewSlot::key_file("key", vec![7; 64].into()),
            NewSlot::passphrase("passphrase", Zeroizing::new(PASSPHRASE.to_owned())),
        ];
        let words = Library::draw_words();
        Library::create(&room.path(), &words, &slots, &room.options, || Ok::<(), LibraryError>(())).unwrap();
        room.import(photos);
        room
    }

    /// From now on a script is what pictures and videos are made with. Answers the file that it may say in that it runs.
    #[cfg(target_os = "linux")]
    pub(crate) fn replace_worker(&self, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let program = &self.options.worker.program;
        std::fs::write(program, script).unwrap();
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
        program.with_extension("began")
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("library")
    }

    /// As another program would, whether a server runs or not.
    pub(crate) fn import(&self, photos: &[(&str, Vec<u8>)]) {
        self.take_in(photos, false);
    }

    /// The same with originals that stay where they are. Answers their folder.
    pub(crate) fn link(&self, photos: &[(&str, Vec<u8>)]) -> PathBuf {
        self.take_in(photos, true)
    }

    fn take_in(&self, photos: &[(&str, Vec<u8>)], link: bool) -> PathBuf {
        let folder = self.directory.path().join(if link { "linked" } else { "photos" });
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in photos {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        let mut library = self.library();
        let request = ImportRequest {
            paths: vec![folder.clone()],
            link,
            all_files: true,
            remove_after_proof: false,
            settle: Duration::ZERO,
        };
        let plan = library.plan_import(&request, &Unwatched).unwrap();
        let report = library.import(plan, &Unwatched).unwrap();
        assert_eq!(report.failed, 0, "{report:?}");
        library.close().unwrap();
        folder
    }

    fn opened(&self) -> Opened {
        let key = self.directory.path().join("key");
        std::fs::write(&key, [7; 64]).unwrap();
        let folder = LibraryFolder::open(&self.path()).unwrap();
        let sources = UnlockSources { key_file: Some(key), ..UnlockSources::default() };
        let keys = unlock(&folder, sources, std::time::SystemTime::now(), &mut OsEntropy).unwrap().keys;
        let (options, surroundings) = (self.options.clone(), Surroundings::default());
        Opened { folder, keys, options, surroundings }
    }

    pub(crate) fn library(&self) -> Library {
        let opened = self.opened();
        Library::open(opened.folder, opened.keys, &opened.options).unwrap()
    }

    /// Serves the library, and comes in by the address that was printed.
    pub(crate) fn serve(&self) -> Browser {
        self.serve_with(&ServeOptions::default())
    }

    pub(crate) fn serve_until_idle(&self, idle: Duration) -> Browser {
        self.serve_with(&ServeOptions { idle: Some(idle), ..ServeOptions::default() })
    }

    pub(crate) fn serve_with(&self, options: &ServeOptions) -> Browser {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let opened = self.opened();
        let server = runtime.block_on(Server::bind(opened, options)).unwrap();
        let port = server.port();
        let token_of = |address: String| address.split_once("#t=").unwrap().1.to_owned();
        let token = token_of(server.address());
        let used = token_of(server.address());
        runtime.spawn(server.run(std::future::pending()));
        let mut browser = Browser {
            _runtime: runtime,
            port,
            token,
            cookie: String::new(),
            secret: String::new(),
            media: String::new(),
        };
        let answer = browser.post("session", &serde_json::json!({ "token": used }));
        assert_eq!(answer.status, 200, "{answer:?}");
        let said = answer.json();
        browser.secret = said["secret"].as_str().unwrap().to_owned();
        browser.media = said["media"].as_str().unwrap().to_owned();
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        browser.cookie = cookie.split(';').next().unwrap().to_owned();
        browser
    }
}

impl Browser {
    /// The headers of the page that this server serves.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        [
            ("Host", format!("localhost:{}", self.port)),
            ("Cookie", self.cookie.clone()),
            ("X-Safelight", self.secret.clone()),
            ("Sec-Fetch-Site", "same-origin".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// The same with one header changed, or left out.
    pub(crate) fn headers_but(&self, name: &str, value: Option<&str>) -> Vec<(String, String)> {
        let mut headers = self.headers();
        headers.retain(|(known, _)| known != name);
        headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        headers
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        write!(request, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        parse(&bytes)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", &format!("/api/v1/{path}"), &self.headers(), &[])
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body)
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let mut headers = self.headers_but("Origin", Some(&format!("http://localhost:{}", self.port)));
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        self.ask(method, &format!("/api/v1/{path}"), &headers, body.to_string().as_bytes())
    }

    /// The same, as a page asks it that takes refusals as answers.
    pub(crate) fn post_as_page(&self, path: &str, body: &Value) -> Answer {
        let mut headers = self.headers();
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        headers.push(("X-Safelight-Asks".to_owned(), "1".to_owned()));
        self.ask("POST", &format!("/api/v1/{path}"), &headers, body.to_string().as_bytes())
    }

    /// The headers of what a page fetches again by itself.
    pub(crate) fn unasked(&self) -> Vec<(String, String)> {
        self.headers_but("X-Safelight-Unasked", Some("1"))
    }

    /// Begins a request, and hangs up before it is answered.
    pub(crate) fn begin(&self, path: &str, body: &Value, patience: Duration) {
        let mut headers = self.headers_but("Origin", Some(&format!("http://localhost:{}", self.port)));
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        let body = body.to_string();
        let mut request = format!("POST /api/v1/{path} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        let mut stream = self.connect();
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
        std::thread::sleep(patience);
    }

    /// What pages are told: each event's name and data.
    pub(crate) fn listen(&self) -> impl Iterator<Item = (String, Value)> {
        let mut request = "GET /api/v1/events HTTP/1.1\r\n".to_owned();
        for (name, value) in self.headers() {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        let mut stream = self.connect();
        stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        std::iter::from_fn(move || {
            let name = lines.find_map(|line| Some(line.strip_prefix("event: ")?.to_owned()))?;
            let data = lines.find_map(|line| Some(line.strip_prefix("data: ")?.to_owned()))?;
            Some((name, serde_json::from_str(&data).unwrap()))
        })
    }

    /// The ids of all photos in the order of the list.
    pub(crate) fn ids(&self) -> Vec<String> {
        let columns = self.get("timeline/columns?start=0&count=512").json();
        columns["id"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = &bytes[end + 4..];
    Answer { status, headers, body: if is_chunked { joined(body) } else { body.to_vec() } }
}

fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = chunks.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            break;
        }
        body.extend(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 4 + length..];
    }
    body
}
