//! A small HTTP/1.1 server: a thread a connection, connections kept, bodies as bytes.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

/// How long a kept connection may be silent.
const QUIET: Duration = Duration::from_secs(120);

/// What a client asked.
pub(super) struct Ask {
    pub(super) method: String,
    /// The path, as it came.
    pub(super) path: String,
    /// What is behind the question mark, decoded.
    pub(super) query: BTreeMap<String, String>,
    /// The headers, names in small letters.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Ask {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(super) fn form(&self) -> BTreeMap<String, String> {
        pairs(&String::from_utf8_lossy(&self.body))
    }

    /// The bytes that a `Range` header asks for: 200 for all, 206, or 416.
    pub(super) fn ranged(&self, bytes: &[u8]) -> Reply {
        let Some(range) = self.header("range").and_then(|range| range.strip_prefix("bytes=")) else {
            return Reply::new(200, bytes.to_vec());
        };
        let (start, end) = range.split_once('-').unwrap_or((range, ""));
        let start: usize = start.parse().unwrap_or(usize::MAX);
        let end = end.parse::<usize>().map_or(bytes.len(), |end| end.saturating_add(1)).min(bytes.len());
        match bytes.get(start..end) {
            Some(part) if !part.is_empty() => {
                let said = format!("bytes {start}-{}/{}", end - 1, bytes.len());
                Reply::new(206, part.to_vec()).header("content-range", said)
            }
            _ => Reply::new(416, Vec::new()).header("content-range", format!("bytes */{}", bytes.len())),
        }
    }
}

/// What is answered.
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    is_lost: bool,
}

impl Reply {
    pub(super) const fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body, is_lost: false }
    }

    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self::new(status, value.to_string().into_bytes()).header("content-type", "application/json")
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) const fn status(&self) -> u16 {
        self.status
    }

    /// It was done, but the connection breaks before anybody hears of it.
    pub(super) const fn lost(mut self) -> Self {
        self.is_lost = true;
        self
    }
}

/// A running server; stopped when dropped.
#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    pub(super) fn start(answer: impl Fn(&Ask) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let is_over = Arc::new(AtomicBool::new(false));
        let answer = Arc::new(answer);
        let thread = std::thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                for connection in listener.incoming().map_while(Result::ok) {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let answer = Arc::clone(&answer);
                    // Ends with its connection; a client that goes away in the middle is its own business.
                    std::thread::spawn(move || drop(serve(&connection, &*answer)));
                }
            }
        });
        Self { port, is_over, thread: Some(thread) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes it up.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(mut connection: &TcpStream, answer: &impl Fn(&Ask) -> Reply) -> std::io::Result<()> {
    connection.set_read_timeout(Some(QUIET))?;
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut parts = first.split_whitespace().map(str::to_owned);
        let (Some(method), Some(target)) = (parts.next(), parts.next()) else { return Ok(()) };
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let ask = Ask { method, path: path.to_owned(), query: pairs(query), headers, body };
        let reply = answer(&ask);
        if reply.is_lost {
            return Ok(());
        }
        let mut head = format!("HTTP/1.1 {} x\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut whole = head.into_bytes();
        whole.extend_from_slice(&reply.body);
        connection.write_all(&whole)?;
        if ask.header("connection") == Some("close") {
            return Ok(());
        }
    }
}

/// Reads `a=b&c=d`.
pub(super) fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

/// Decodes percent signs and plus signs.
pub(super) fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let value =
                    std::str::from_utf8(&digits).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
                bytes.push(value.unwrap_or(b'?'));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
