//! The client below every HTTP remote, and its watchdog.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, HeaderValue};

use super::body::{FileFault, Noted};
use super::{BodyReader, Progress};
use crate::remote::Body;

/// The longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How remotes speak HTTP.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// After how long without a byte in either direction a request is given up.
    pub stall: Duration,
    /// Certificates (PEM) of an own authority that servers are checked against instead of the system's.
    pub authority_pem: Option<Vec<u8>>,
    /// Names that are not asked of the system: `(host, address)`.
    pub resolve: Vec<(String, std::net::SocketAddr)>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { stall: Duration::from_secs(60), authority_pem: None, resolve: Vec::new() }
    }
}

/// Why a request got no whole answer. Carries no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetworkFault {
    #[error("nothing moved for {} s", .0.as_secs())]
    Stalled(Duration),
    #[error("the connection failed")]
    Broken(#[source] reqwest::Error),
    #[error("the file to send could not be read")]
    File(#[source] reqwest::Error),
    #[error("the answer is longer than the {0} bytes that are expected")]
    TooLong(u64),
    #[error("the request could not be built")]
    Unsendable(#[source] reqwest::Error),
}

impl NetworkFault {
    fn from_reqwest(error: reqwest::Error) -> Self {
        // Addresses carry signatures.
        let error = error.without_url();
        if error.is_builder() {
            return Self::Unsendable(error);
        }
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if let Some(file) = inner.downcast_ref::<io::Error>()
                && file.get_ref().and_then(|own| own.downcast_ref::<FileFault>()).is_some()
            {
                return Self::File(error);
            }
            cause = inner.source();
        }
        Self::Broken(error)
    }
}

/// A client with kept connections; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    stall: Duration,
}

impl Http {
    pub(crate) fn new(options: &HttpOptions) -> Result<Self, NetworkFault> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("safelight/", env!("CARGO_PKG_VERSION")));
        for (host, address) in &options.resolve {
            builder = builder.resolve(host, *address);
        }
        if let Some(pem) = &options.authority_pem {
            let authority = reqwest::Certificate::from_pem(pem).map_err(NetworkFault::from_reqwest)?;
            builder = builder.tls_certs_only([authority]);
        }
        let client = builder.build().map_err(NetworkFault::from_reqwest)?;
        Ok(Self { client, stall: options.stall })
    }

    pub(crate) fn request(&self, method: reqwest::Method, url: &str) -> reqwest::RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request whose body, if any, is in memory and small.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Result<Reply, NetworkFault> {
        self.watch(request, &Progress::begin()).await
    }

    /// Sends a request with a body that is streamed; its length is said in front.
    pub(crate) async fn send_body(
        &self,
        request: reqwest::RequestBuilder,
        body: &Body,
    ) -> Result<Reply, NetworkFault> {
        self.send_stream(request, BodyReader::new(body.clone()), body.length_bytes()).await
    }

    /// Sends a request with a stream of `length_bytes`.
    pub(crate) async fn send_stream<S, E>(
        &self,
        request: reqwest::RequestBuilder,
        stream: S,
        length_bytes: u64,
    ) -> Result<Reply, NetworkFault>
    where
        S: futures_util::Stream<Item = Result<Bytes, E>> + Unpin + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let progress = Progress::begin();
        let request = request.header(reqwest::header::CONTENT_LENGTH, HeaderValue::from(length_bytes));
        let request = match length_bytes {
            0 => request.body(Bytes::new()),
            _ => request.body(reqwest::Body::wrap_stream(Noted::new(stream, progress.clone()))),
        };
        self.watch(request, &progress).await
    }

    async fn watch(
        &self,
        request: reqwest::RequestBuilder,
        progress: &Progress,
    ) -> Result<Reply, NetworkFault> {
        let mut sending = pin!(request.send());
        loop {
            let left = self.stall.saturating_sub(progress.quiet());
            if left.is_zero() {
                return Err(NetworkFault::Stalled(self.stall));
            }
            if let Ok(sent) = tokio::time::timeout(left, sending.as_mut()).await {
                let response = sent.map_err(NetworkFault::from_reqwest)?;
                return Ok(Reply { response, stall: self.stall });
            }
        }
    }
}

/// The head of an answer; its body is still on its way. Not `Debug`: that of reqwest shows the address.
pub(crate) struct Reply {
    response: reqwest::Response,
    stall: Duration,
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The length that the head announces.
    pub(crate) fn length_bytes(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// The next piece of the body.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, NetworkFault> {
        match tokio::time::timeout(self.stall, self.response.chunk()).await {
            Ok(piece) => piece.map_err(NetworkFault::from_reqwest),
            Err(_) => Err(NetworkFault::Stalled(self.stall)),
        }
    }

    /// The whole body, of at most `at_most_bytes`.
    pub(crate) async fn bytes(mut self, at_most_bytes: u64) -> Result<Bytes, NetworkFault> {
        let announced = self.length_bytes().unwrap_or(0);
        if announced > at_most_bytes {
            return Err(NetworkFault::TooLong(at_most_bytes));
        }
        let mut whole = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
        while let Some(piece) = self.piece().await? {
            if (whole.len() + piece.len()) as u64 > at_most_bytes {
                return Err(NetworkFault::TooLong(at_most_bytes));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// The body of an error, as far as it is short text.
    pub(crate) async fn text(self) -> String {
        const MOST_TEXT_BYTES: u64 = 64 << 10;
        let bytes = self.bytes(MOST_TEXT_BYTES).await.unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
