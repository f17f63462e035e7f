//! The connections of one server: how many there are at once, and how long one may be silent.
//!
//! Every program of this machine may connect, also those of other accounts, and each connection takes memory and a file
//! before anything is known of it. So there are so many seats and no more; whoever comes then is told so and sent away.
//! The second half of them is kept for the account that runs the server, so that nobody else can take them all. Where all
//! are taken, whoever has sat longest without asking for anything gives up the seat.
//!
//! Invariant: no more than [`Limits::most`] connections are held, and one that does not ask for something within
//! [`Limits::silent`] ends.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use crate::failure::Failure;
use crate::gallery::held;
use crate::guard;
use crate::peer::is_of_another_account;

/// The most that a connection keeps of what it was sent and has not understood yet: a request without its body.
const MOST_HEAD_BYTES: usize = 64 << 10;
/// What a refusal may be long.
const MOST_REFUSAL_BYTES: usize = 4 << 10;
/// How long is waited when the system gives no more connections.
const BREATH: Duration = Duration::from_millis(500);

/// What the connections of one server may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many there are at once. A browser opens six for all its windows.
    pub(crate) most: usize,
    /// How long one may say nothing, or take for the head of a request.
    pub(crate) silent: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { most: 256, silent: Duration::from_secs(30) }
    }
}

/// Answers whoever connects, as long as it is not dropped; listeners share one count.
#[derive(Clone)]
pub(crate) struct Connections {
    port: u16,
    limits: Limits,
    routes: Router,
    seats: Arc<Semaphore>,
    /// Who came and had asked for nothing then, the oldest first.
    newcomers: Arc<Mutex<VecDeque<Arc<Seated>>>>,
    refusal: Arc<[u8]>,
}

/// A connection that is held.
#[derive(Default)]
struct Seated {
    /// None once it left.
    seat: Mutex<Option<OwnedSemaphorePermit>>,
    has_asked: AtomicBool,
    serving: Mutex<Option<AbortHandle>>,
}

impl Seated {
    /// Whether it can be sent away without loss to anybody.
    fn asks_nothing(&self) -> bool {
        !self.has_asked.load(Ordering::Relaxed) && held(&self.seat).is_some()
    }

    fn send_away(&self) -> Option<OwnedSemaphorePermit> {
        if let Some(serving) = held(&self.serving).take() {
            serving.abort();
        }
        held(&self.seat).take()
    }
}

impl Connections {
    pub(crate) async fn with(port: u16, limits: Limits, routes: Router) -> Self {
        let seats = Arc::new(Semaphore::new(limits.most));
        Self { port, limits, routes, seats, newcomers: Arc::default(), refusal: refusal().await.into() }
    }

    /// Answers those that come to a listener.
    pub(crate) async fn answer(self, listener: TcpListener) -> io::Result<Infallible> {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.seat(stream, peer),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    fn seat(&self, stream: TcpStream, peer: SocketAddr) {
        let is_half_full = self.seats.available_permits() <= self.limits.most / 2;
        let may_sit = !is_half_full || !is_of_another_account(peer, self.port);
        let Some(seat) = may_sit.then(|| self.free_seat()).flatten() else {
            // A new connection has room for it; whoever does not read it is gone.
            drop(stream.try_write(&self.refusal));
            return;
        };
        let seated = Arc::new(Seated { seat: Mutex::new(Some(seat)), ..Seated::default() });
        let (routes, asking) = (self.routes.clone(), Arc::clone(&seated));
        let service =
            hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
                asking.has_asked.store(true, Ordering::Relaxed);
                request.extensions_mut().insert(ConnectInfo(peer));
                TowerToHyperService::new(routes.clone()).call(request)
            });
        let mut serving = http1::Builder::new();
        serving
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.silent)
            .max_buf_size(MOST_HEAD_BYTES);
        let serving = serving.serve_connection(TokioIo::new(stream), service);
        let leaving = Arc::clone(&seated);
        let serving = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(held(&leaving.seat).take());
        });
        *held(&seated.serving) = Some(serving.abort_handle());
        let mut newcomers = held(&self.newcomers);
        if newcomers.len() >= self.limits.most {
            newcomers.retain(|newcomer| newcomer.asks_nothing());
        }
        newcomers.push_back(seated);
    }

    /// A seat that nobody has, or that of whoever has asked for nothing for longest.
    fn free_seat(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() {
            return Some(seat);
        }
        let mut newcomers = held(&self.newcomers);
        while let Some(oldest) = newcomers.pop_front() {
            if oldest.asks_nothing()
                && let Some(seat) = oldest.send_away()
            {
                return Some(seat);
            }
        }
        None
    }
}

/// What went wrong with one connection is no matter of the next.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What is told to whoever finds no seat, like any other refusal.
async fn refusal() -> Vec<u8> {
    let failure = Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too-many-connections",
        "too many programs and windows are connected to the gallery",
    );
    let mut response =
        failure.hint("close other windows of the gallery and try again").after(1).into_response();
    guard::protect(response.headers_mut());
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MOST_REFUSAL_BYTES).await.unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    let end = format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    bytes.extend_from_slice(end.as_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::Instant;

    use axum::routing::get;

    use super::*;

    async fn serve(limits: Limits) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let routes = Router::new().route("/", get(async || "yes"));
        tokio::spawn(Connections::with(port, limits, routes).await.answer(listener));
        port
    }

    fn connect(port: u16) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// What is answered to a request; nothing where the connection is closed at once.
    fn ask(mut stream: &TcpStream) -> String {
        drop(stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).unwrap_or(0);
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_finds_no_seat_is_told_so_and_a_seat_that_is_left_is_free() {
        let port = serve(Limits { most: 3, silent: Duration::from_secs(60) }).await;
        let mut seated: Vec<TcpStream> = (0..3).map(|_| connect(port)).collect();
        for stream in &seated {
            assert!(ask(stream).starts_with("HTTP/1.1 200"));
        }
        let refused = ask(&connect(port));
        assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
        assert!(
            refused.contains("\"code\":\"too-many-connections\"") && refused.contains("retry-after: 1\r\n")
        );
        assert!(
            refused.contains("x-content-type-options: nosniff")
                && refused.contains("content-security-policy:")
        );
        seated.pop();
        let begun = Instant::now();
        while !ask(&connect(port)).starts_with("HTTP/1.1 200") {
            assert!(begun.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(ask(&seated[0]).starts_with("HTTP/1.1 200"), "those that sit stay");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_says_nothing_or_never_ends_loses_the_seat() {
        let port = serve(Limits { most: 3, silent: Duration::from_millis(200) }).await;
        let (silent, mut slow, idle) = (connect(port), connect(port), connect(port));
        slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ").unwrap();
        assert!(ask(&idle).starts_with("HTTP/1.1 200"));
        for mut stream in [silent, slow, idle] {
            // It is closed, some with an answer that says why.
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest));
            assert!(!rest.starts_with(b"HTTP/1.1 200"));
        }
        assert!(ask(&connect(port)).starts_with("HTTP/1.1 200"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_only_sits_there_gives_up_the_seat_and_who_has_asked_keeps_it() {
        let port = serve(Limits { most: 3, silent: Duration::from_secs(60) }).await;
        let asked = connect(port);
        assert!(ask(&asked).starts_with("HTTP/1.1 200"));
        let silent: Vec<TcpStream> = (0..20).map(|_| connect(port)).collect();
        let newcomers: Vec<TcpStream> = (0..2).map(|_| connect(port)).collect();
        for stream in newcomers.iter().chain([&asked]) {
            assert!(ask(stream).starts_with("HTTP/1.1 200"));
        }
        assert!(ask(&connect(port)).starts_with("HTTP/1.1 503"), "all have asked");
        for mut stream in silent {
            assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0, "it was closed");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_head_without_an_end_is_refused() {
        let port = serve(Limits::default()).await;
        let mut stream = connect(port);
        let line = format!("X-Long: {}\r\n", "a".repeat(8000));
        let mut answer = Vec::new();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
        for _ in 0..100 {
            if stream.write_all(line.as_bytes()).is_err() {
                break;
            }
        }
        drop(stream.read_to_end(&mut answer));
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
}
