//! The connections of a gateway: so many and no more, none that is silent for long, and an end without cutting anybody off.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::patient::Patient;
use crate::shares::{Share, Shares};
use crate::strangers::Peer;
use crate::tls::Tls;

/// The most that a connection keeps of a request's head.
const MOST_HEAD_BYTES: usize = 32 << 10;
/// How long one may say nothing, or take for the head of a request.
const SILENT: Duration = Duration::from_secs(60);
/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// So many addresses together may take all connections.
const PEERS: usize = 16;
/// One address may have so many connections however few there are.
const FEWEST_OF_ONE: usize = 8;
/// How long is waited when the system gives no more connections.
const BREATH: Duration = Duration::from_millis(500);

/// What a connection holds while it is there.
type Seat = (OwnedSemaphorePermit, Option<Share<IpAddr>>);

/// Answers whoever connects.
#[derive(Clone)]
pub(crate) struct Connections {
    routes: Router,
    tls: Option<Arc<Tls>>,
    seats: Arc<Semaphore>,
    /// Those of one address; a proxy connects from one for everybody.
    of_one: Option<Arc<Shares<IpAddr>>>,
    stop: watch::Receiver<bool>,
}

impl Connections {
    /// At most `most` at once, and a part of them of one address unless all come through a proxy. When `stop` turns true, each ends after what it is answering.
    pub(crate) fn with(
        routes: Router,
        tls: Option<Arc<Tls>>,
        most: usize,
        behind_proxy: bool,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let of_one = (!behind_proxy).then(|| Arc::new(Shares::of((most / PEERS).max(FEWEST_OF_ONE))));
        Self { routes, tls, seats: Arc::new(Semaphore::new(most)), of_one, stop }
    }

    /// Answers those that come to a listener, until it is dropped.
    pub(crate) async fn answer(self, listener: TcpListener) -> Infallible {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // Where all seats are taken the connection is closed: a proxy or a phone tries again.
                    if let Some(seat) = self.seat(peer) {
                        tokio::spawn(self.clone().serve(stream, peer, seat));
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    /// A place for whoever connects. One who holds too many already has none, except for proxies.
    fn seat(&self, peer: SocketAddr) -> Option<Seat> {
        let of_one = match self.of_one.as_ref().filter(|_| !peer.ip().is_loopback()) {
            Some(shares) => Some(shares.take(network(peer.ip()))?),
            None => None,
        };
        Some((Arc::clone(&self.seats).try_acquire_owned().ok()?, of_one))
    }

    async fn serve(self, stream: TcpStream, peer: SocketAddr, seat: Seat) {
        drop(stream.set_nodelay(true));
        match &self.tls {
            None => self.speak(stream, peer).await,
            Some(tls) => match timeout(HANDSHAKE_WITHIN, tls.acceptor().accept(stream)).await {
                Ok(Ok(stream)) => self.speak(stream, peer).await,
                Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
                Err(error) => tracing::debug!(%error, "a handshake took too long"),
            },
        }
        drop(seat);
    }

    async fn speak(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr) {
        let mut serving = http1::Builder::new();
        serving.timer(TokioTimer::new()).header_read_timeout(SILENT).max_buf_size(MOST_HEAD_BYTES);
        let routes = TowerToHyperService::new(self.routes.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            routes.call(request)
        });
        let stream = TokioIo::new(Patient::with(stream, SILENT));
        let mut serving = pin!(serving.serve_connection(stream, service));
        let mut stop = self.stop.clone();
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = async { drop(stop.wait_for(|stopped| *stopped).await) } => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }

    /// Waits until nobody is connected any more, and no longer than `patience`.
    pub(crate) async fn drain(&self, most: usize, patience: Duration) {
        let all = u32::try_from(most).unwrap_or(u32::MAX);
        if timeout(patience, self.seats.acquire_many(all)).await.is_err() {
            tracing::warn!("some connections were cut off at the end");
        }
    }
}

/// Who has an address: with IPv6 the network of 64 bits that one host can choose from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

/// What went wrong with one connection is no matter of the next.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
