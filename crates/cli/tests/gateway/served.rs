//! A gateway that runs, and a phone that asks it by curl.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use crate::room::{PROGRAM, Room};

/// How long something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway that runs until it is dropped.
pub(crate) struct Served {
    child: Child,
    /// `https://localhost:PORT` or `http://…`.
    pub(crate) url: String,
}

impl Served {
    /// Starts what is given, which prints where it listens.
    pub(crate) fn start(command: &mut Command, scheme: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap_or_default();
        assert!(port.parse::<u16>().is_ok(), "it says where it listens: {line:?}");
        Self { child, url: format!("{scheme}://localhost:{port}") }
    }

    /// Asks it to end, and waits until it did. Answers its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let pid = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that ended by itself is gone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A phone: a file with its token as a header, so that no argument holds it.
pub(crate) struct Phone {
    headers: PathBuf,
    authority: Option<PathBuf>,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Phone {
    /// Makes a token for it, with what else is said about it.
    pub(crate) fn with_token(room: &Room, name: &str, more: &[&str]) -> Self {
        let file = room.path(&format!("{name}.token"));
        let added = ["gateway", "token", "add", name, "--into", file.to_str().unwrap()];
        room.run(&[&added, more].concat()).with(0);
        let token = std::fs::read_to_string(&file).unwrap();
        let headers = room.path(&format!("{name}.headers"));
        std::fs::write(&headers, format!("Authorization: Bearer {token}")).unwrap();
        Self { headers, authority: None }
    }

    /// The same phone, which trusts this authority.
    pub(crate) fn trusting(self, authority: PathBuf) -> Self {
        Self { authority: Some(authority), ..self }
    }

    /// Asks for something with its token.
    pub(crate) fn post(&self, url: &str, body: &Value) -> Answer {
        self.post_text(url, &body.to_string())
    }

    pub(crate) fn post_text(&self, url: &str, body: &str) -> Answer {
        let headers = format!("@{}", self.headers.display());
        self.curl(&["--header", &headers, "--json", body, url])
    }

    /// Sends a request without its token.
    pub(crate) fn curl(&self, arguments: &[&str]) -> Answer {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--write-out", "\n%{http_code}"]);
        if let Some(authority) = &self.authority {
            curl.arg("--cacert").arg(authority);
        }
        let output = curl.args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap();
        Answer { status: status.parse().unwrap(), body: body.to_owned() }
    }

    /// Creates an object as it was lent.
    pub(crate) fn put(&self, url: &str, headers: &[String], bytes: &str) -> Answer {
        let headers = headers.iter().flat_map(|header| ["--header", header.as_str()]);
        let mut arguments = vec!["--request", "PUT", "--data-binary", bytes];
        arguments.extend(["--header", "content-type: application/octet-stream"]);
        arguments.extend(headers);
        arguments.push(url);
        self.curl(&arguments)
    }
}

/// A gateway over a remote, at any port of this machine.
pub(crate) fn serve(room: &Room, remote: &str, more: &[&str]) -> Command {
    let serve = ["gateway", "serve", "--listen", "127.0.0.1:0", "--remote", remote];
    let mut command = room.command(PROGRAM, &[&serve, more].concat());
    command.stderr(std::fs::File::create(room.path("gateway.log")).unwrap());
    command
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A token of Entra ID as Azurite checks it: its claims, not its signature.
pub(crate) fn bearer() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let claims = serde_json::json!({
        "aud": "https://storage.azure.com", "iss": "https://sts.windows.net/11111111-1111-1111-1111-111111111111/",
        "nbf": now - 60, "iat": now - 60, "exp": now + 36_000,
        "oid": "22222222-2222-2222-2222-222222222222", "tid": "11111111-1111-1111-1111-111111111111",
    });
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    format!("{}.{}.{}", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(&claims.to_string()), part("signature"))
}

/// An Azure CLI that is signed in, in a folder for the search path; every time it is asked a line is written beside it.
pub(crate) fn signed_in_cli(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("az");
    let answer = format!(r#"{{"accessToken":"{}","expires_on":4102444800}}"#, bearer());
    std::fs::write(&path, format!("#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
