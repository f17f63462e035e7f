//! A server program that lives as long as the value that stands for it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The ports from which those of servers are drawn.
const FIRST_PORT: u16 = 20_000;
const PORTS: u64 = 12_000;
/// How long a server may take to answer first; some import a lot on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(90);
/// Kills the program as soon as our end of its input is closed, which happens even when the test is killed.
pub(crate) const KEEPER: &str = "\"$@\" </dev/null & server=$!; cat >/dev/null; kill -9 $server";

/// Where `tools/setup.sh` puts what it installs.
#[must_use]
pub fn cache() -> PathBuf {
    let own = std::env::var_os("SAFELIGHT_CACHE").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/safelight");
    own.unwrap_or_else(home)
}

/// A program on the search path.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|found| found.is_file())
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    _reserved: UdpSocket,
}

/// Finds a port that nobody listens at, and keeps the servers of other tests from it for as long as the socket lives: it has
/// the same number, and nothing else to do. The ports that the system gives to whoever asks for any lie above; a server
/// that found its port taken by such a one would be mistaken for that.
#[expect(clippy::panic, reason = "a test without its server has failed")]
fn reserve_port() -> (u16, UdpSocket) {
    for _ in 0..1000 {
        let drawn = RandomState::new().build_hasher().finish();
        let port = FIRST_PORT + u16::try_from(drawn % PORTS).unwrap_or_default();
        if let Ok(reserved) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            return (port, reserved);
        }
    }
    panic!("no free port was found");
}

impl Process {
    /// Starts a program on a free port, and waits until it takes connections.
    ///
    /// # Panics
    /// When it does not start; the end of its log is in the message.
    #[expect(clippy::expect_used, clippy::panic, reason = "a test without its server has failed")]
    pub(crate) fn start(command: impl Fn(u16, &Path) -> Command) -> Self {
        for _ in 0..3 {
            let folder = TempDir::new().expect("temporary folder");
            // A stranger may take the port between here and the start: then it is tried again.
            let (port, reserved) = reserve_port();
            let wanted = command(port, folder.path());
            let log = std::fs::File::create(folder.path().join("log")).expect("log");
            let mut keeper = Command::new("/bin/sh");
            keeper.args(["-c", KEEPER, "sh"]).arg(wanted.get_program()).args(wanted.get_args());
            for (name, value) in wanted.get_envs() {
                keeper.env(name, value.unwrap_or_default());
            }
            keeper.current_dir(folder.path()).stdin(Stdio::piped());
            keeper.stdout(log.try_clone().expect("log")).stderr(log);
            let child = keeper.spawn().expect("/bin/sh starts");
            let server = Self { child, port, folder, _reserved: reserved };
            if server.answers() {
                return server;
            }
            let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            assert!(log.contains("in use"), "the server did not start: {log}");
        }
        panic!("no free port was found");
    }

    fn answers(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < START_WITHIN {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
            if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

/// Opens an address of this machine as a person's browser does, and follows where it points, once: the status and the
/// text of what is shown last.
///
/// # Panics
/// When nobody answers there.
#[must_use]
#[expect(clippy::expect_used, reason = "a test without its server has failed")]
pub fn browse(url: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").expect("a plain address");
    let (host, path) =
        rest.split_once('/').map_or((rest, "/".to_owned()), |(host, path)| (host, format!("/{path}")));
    let port = host.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let (status, head, body) = exchange(port, "GET", &path, &[], b"");
    match head.lines().find_map(|line| line.strip_prefix("location: ")) {
        Some(target) if status == 302 => browse(target.trim()),
        _ => (status, String::from_utf8_lossy(&body).into_owned()),
    }
}

/// One plain HTTP request, for what a test needs besides the client that it tests: the status and the body.
///
/// # Panics
/// When there is no answer.
#[must_use]
pub fn http(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Vec<u8>) {
    let (status, _, body) = exchange(port, method, path, headers, body);
    (status, body)
}

/// The same without a body, with the head of the answer.
///
/// # Panics
/// When there is no answer.
#[must_use]
pub fn http_with_head(port: u16, method: &str, path: &str) -> (u16, String, Vec<u8>) {
    exchange(port, method, path, &[], b"")
}

#[expect(clippy::expect_used, reason = "a test without its server has failed")]
fn exchange(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, String, Vec<u8>) {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connects");
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    connection.write_all(head.as_bytes()).expect("sends");
    connection.write_all(body).expect("sends");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).expect("answers");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let (head, body) = answer.split_at(end + 4);
    let head = String::from_utf8_lossy(head).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), head, body.to_vec())
}
