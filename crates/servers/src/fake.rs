//! A tiny HTTP server whose answers a test writes: token endpoints, refusals, silence.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a client asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path and what is behind the question mark.
    pub target: String,
    /// The headers, names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    pub body: String,
}

/// What to answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status, headers and a body.
    Say(u16, Vec<(&'static str, String)>, String),
    /// Headers that promise more than is sent; then the connection is closed.
    CutShort,
    /// Nothing, for so long.
    Silence(Duration),
}

impl Answer {
    /// A status with JSON.
    #[must_use]
    pub fn json(status: u16, body: &str) -> Self {
        Self::Say(status, vec![("content-type", "application/json".to_owned())], body.to_owned())
    }

    /// A status alone.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self::Say(status, Vec::new(), String::new())
    }
}

/// A running fake; stopped when dropped.
#[derive(Debug)]
pub struct Fake {
    port: u16,
    asked: Arc<Mutex<Vec<Request>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// Answers every request by `answer`, one connection after the other.
    ///
    /// # Panics
    /// When no port is free.
    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (asked, is_over) = (Arc::clone(&asked), Arc::clone(&is_over));
            move || {
                for connection in listener.incoming().map_while(Result::ok) {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    // A client that goes away in the middle is its own business.
                    drop(serve(&connection, &answer, &asked));
                }
            }
        });
        Self { port, asked, is_over, thread: Some(thread) }
    }

    /// Its address without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes it up.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(
    mut connection: &TcpStream,
    answer: &impl Fn(&Request) -> Answer,
    asked: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(connection);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut parts = first.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else { return Ok(()) };
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
    }
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request = Request { method, target, headers, body: String::from_utf8_lossy(&body).into_owned() };
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    match answer(&request) {
        Answer::Say(status, headers, body) => {
            let mut head =
                format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            write!(connection, "{head}\r\n")?;
            if request.method != "HEAD" {
                connection.write_all(body.as_bytes())?;
            }
        }
        Answer::CutShort => connection.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 100\r\n\r\nhalf")?,
        Answer::Silence(duration) => std::thread::sleep(duration),
    }
    Ok(())
}
