//! The connection below Microsoft's SDK: our client, our watchdog, and the SAS at the last moment.

use std::time::SystemTime;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Method, Request};
use futures_util::stream;

use super::sas::SasSource;
use crate::http::{Http, NetworkFault, Reply};

/// Carries the SDK's requests.
#[derive(Debug)]
pub(super) struct AzureTransport {
    http: Http,
    sas: Option<SasSource>,
}

impl AzureTransport {
    pub(super) const fn new(http: Http, sas: Option<SasSource>) -> Self {
        Self { http, sas }
    }
}

#[async_trait]
impl HttpClient for AzureTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut url = request.url().clone();
        if let Some(sas) = &self.sas {
            let sas = sas.query(SystemTime::now());
            let query = match url.query() {
                Some(query) if !query.is_empty() => format!("{query}&{}", sas.expose()),
                _ => sas.expose().to_owned(),
            };
            url.set_query(Some(&query));
        }
        let mut sending = self.http.request(method(request.method()), url.as_str());
        for (name, value) in request.headers().iter() {
            // Said from the body's own length below.
            if name.as_str() != "content-length" {
                sending = sending.header(name.as_str(), value.as_str());
            }
        }
        if let Some(md5) = whole_md5(request.headers()) {
            sending = sending.header("content-md5", md5);
        }
        let sent = match request.body().clone() {
            Body::Bytes(bytes) => {
                let body = crate::remote::Body::Bytes(bytes);
                match request.method() {
                    Method::Put | Method::Post | Method::Patch => self.http.send_body(sending, &body).await,
                    _ => self.http.send(sending).await,
                }
            }
            Body::SeekableStream(body) => {
                let length = body.len().unwrap_or(0);
                self.http.send_stream(sending, body, length).await
            }
        };
        let reply = sent.map_err(carried)?;
        let headers = headers(&reply);
        let status = reply.status().into();
        let pieces = stream::try_unfold(reply, |mut reply| async move {
            let piece = reply.piece().await.map_err(carried)?;
            Ok::<_, Error>(piece.map(|piece| (piece, reply)))
        });
        Ok(AsyncRawResponse::new(status, headers, Box::pin(pieces)))
    }
}

/// The MD5 of a *Put Blob* that says one only as a property, which the service stores without looking: said as
/// `Content-MD5` as well it is compared with the bytes
/// (<https://learn.microsoft.com/rest/api/storageservices/put-blob>). The SDK has no option for it.
fn whole_md5(headers: &Headers) -> Option<&str> {
    headers.get_optional_str(&HeaderName::from_static("x-ms-blob-type"))?;
    headers.get_optional_str(&HeaderName::from_static("x-ms-blob-content-md5"))
}

/// Hands a fault up through the SDK, which must not try again by itself.
fn carried(fault: NetworkFault) -> Error {
    Error::new(ErrorKind::Io, fault)
}

fn headers(reply: &Reply) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in reply.headers() {
        if let Ok(value) = value.to_str() {
            headers.insert(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value.to_owned()));
        }
    }
    headers
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Delete => reqwest::Method::DELETE,
        Method::Head => reqwest::Method::HEAD,
        Method::Patch => reqwest::Method::PATCH,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        // The SDK's list may grow; what is not known here cannot change anything.
        _ => reqwest::Method::GET,
    }
}
