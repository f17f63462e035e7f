//! Who may talk to this server at all, and what every answer carries.
//!
//! Any page that is open in the browser can send requests to loopback, and any name can be made to resolve to it. So
//! every request, for whatever route, must name this server as its host, come from this server's own page or from
//! nobody, and say so consistently; only then are sessions looked at. Invariant: no answer leaves without the headers below.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::failure::{Answer, Failure, REFUSALS_AS_ANSWERS, as_answer};
use crate::gallery::Gallery;

/// Scripts and styles from here alone, nothing made from text, nothing framed, nothing sent elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     img-src 'self' blob: data:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
     worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

/// A photo that is opened by itself is nobody's page: it may run and load nothing.
pub(crate) const SANDBOX: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
     hid=(), magnetometer=(), microphone=(), midi=(), payment=(), publickey-credentials-create=(self), \
     publickey-credentials-get=(self), serial=(), usb=()";

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names of this server.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    port: u16,
    canonical: String,
    numeric: [String; 2],
}

impl Site {
    pub(crate) fn at(port: u16) -> Self {
        Self {
            port,
            canonical: format!("localhost:{port}"),
            numeric: [format!("127.0.0.1:{port}"), format!("[::1]:{port}")],
        }
    }

    /// Where this server listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `http://localhost:41234`
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.canonical)
    }

    /// What becomes of a request before anything else is known of it; an address by number is sent to the one name.
    fn admit(&self, method: &Method, uri: &axum::http::Uri, headers: &HeaderMap) -> Answer<Option<String>> {
        let host = only(headers, &header::HOST).ok_or_else(|| misdirected("it names no host, or several"))?;
        if uri.authority().is_some_and(|authority| authority.as_str() != host) {
            return Err(misdirected("it names two hosts"));
        }
        self.check_origin(headers)?;
        check_fetch_site(headers)?;
        if host == self.canonical {
            return Ok(None);
        }
        let path = uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
        let is_page = matches!(*method, Method::GET | Method::HEAD) && !is_served_by_name_only(uri.path());
        if self.numeric.iter().any(|name| name == host) && is_page {
            return Ok(Some(format!("{}{path}", self.origin())));
        }
        Err(misdirected("it is for another host"))
    }

    /// A page of this server, or no page. `null` is the origin of sandboxed and local pages, which are others.
    fn check_origin(&self, headers: &HeaderMap) -> Answer<()> {
        if !headers.contains_key(header::ORIGIN) {
            return Ok(());
        }
        match only(headers, &header::ORIGIN) {
            Some(origin) if origin == self.origin() => Ok(()),
            _ => Err(foreign()),
        }
    }
}

/// Browsers say whether a request comes from this server's page or from the address bar; other ports of this machine are
/// the same site to them, and are nobody here.
fn check_fetch_site(headers: &HeaderMap) -> Answer<()> {
    if !headers.contains_key(&FETCH_SITE) {
        return Ok(());
    }
    match only(headers, &FETCH_SITE) {
        Some("same-origin" | "none") => Ok(()),
        _ => Err(foreign()),
    }
}

fn is_served_by_name_only(path: &str) -> bool {
    path.starts_with("/api/") || path.starts_with("/media/")
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

fn misdirected(why: &str) -> Failure {
    Failure::new(StatusCode::MISDIRECTED_REQUEST, "wrong-host", format!("the request is refused: {why}"))
        .hint("open the address that safelight serve prints")
}

fn foreign() -> Failure {
    Failure::new(
        StatusCode::FORBIDDEN,
        "foreign-origin",
        "the request is refused: it comes from another page",
    )
    .hint("open the address that safelight serve prints")
}

/// Lets through what may talk to this server, and puts the headers on whatever is answered.
pub(crate) async fn guard(State(gallery): State<Arc<Gallery>>, request: Request, next: Next) -> Response {
    let admitted = gallery.site.admit(request.method(), request.uri(), request.headers());
    let is_for_a_person = shows_a_page(&request);
    let takes_refusals =
        request.method() != Method::GET && request.headers().contains_key(REFUSALS_AS_ANSWERS);
    let mut response = match admitted {
        Ok(None) if takes_refusals => as_answer(next.run(request).await),
        Ok(None) => next.run(request).await,
        Ok(Some(elsewhere)) => Redirect::temporary(&elsewhere).into_response(),
        Err(failure) if is_for_a_person => as_page(&failure),
        Err(failure) => failure.into_response(),
    };
    protect(response.headers_mut());
    response
}

/// Whether a browser asks for something to show in a window: somebody followed a link, and reads what is answered.
fn shows_a_page(request: &Request) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    request.method() == Method::GET
        && !is_served_by_name_only(request.uri().path())
        && accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// A refusal in words. They are ours; nothing of the request is in them.
fn as_page(failure: &Failure) -> Response {
    let hint = failure.hint.as_deref().unwrap_or_default();
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Safelight</title>\n\
         <h1>Safelight</h1><p>{}.</p><p>To see the gallery, {hint}.</p></html>\n",
        failure.message
    );
    (failure.status, Html(page)).into_response()
}

/// Puts the headers on an answer that every answer carries.
pub(crate) fn protect(headers: &mut HeaderMap) {
    let always = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A stream of events says of itself that it may be stored if it is asked for again.
    if headers.get(header::CACHE_CONTROL).is_some_and(|said| said == "no-cache") {
        headers.remove(header::CACHE_CONTROL);
    }
    let unless_said =
        [(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY), (header::CACHE_CONTROL, "no-store")];
    for (name, value) in unless_said {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(method: &Method, uri: &str, headers: &[(&'static str, &str)]) -> Answer<Option<String>> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Site::at(4000).admit(method, &uri.parse().unwrap(), &map)
    }

    fn status(headers: &[(&'static str, &str)]) -> Option<u16> {
        admit(&Method::GET, "/api/v1/status", headers).err().map(|failure| failure.status.as_u16())
    }

    #[test]
    fn only_this_server_by_its_one_name_is_meant() {
        assert_eq!(status(&[("host", "localhost:4000")]), None);
        for host in [
            "evil.example",
            "localhost",
            "localhost:4001",
            "LOCALHOST:4000.evil.example",
            "127.0.0.1:4000",
            "",
        ] {
            assert_eq!(status(&[("host", host)]), Some(421), "{host}");
        }
        assert_eq!(status(&[]), Some(421));
        assert_eq!(status(&[("host", "localhost:4000"), ("host", "evil.example")]), Some(421));
    }

    #[test]
    fn only_this_servers_page_may_ask() {
        let with = |name, value| status(&[("host", "localhost:4000"), (name, value)]);
        assert_eq!(with("origin", "http://localhost:4000"), None);
        for origin in [
            "null",
            "http://evil.example",
            "http://localhost:4001",
            "http://127.0.0.1:4000",
            "https://localhost:4000",
        ] {
            assert_eq!(with("origin", origin), Some(403), "{origin}");
        }
        assert_eq!(with("sec-fetch-site", "same-origin"), None);
        assert_eq!(with("sec-fetch-site", "none"), None);
        for site in ["cross-site", "same-site", "other"] {
            assert_eq!(with("sec-fetch-site", site), Some(403), "{site}");
        }
    }

    #[test]
    fn a_page_by_number_is_sent_to_the_name_and_nothing_else_is() {
        let host = [("host", "127.0.0.1:4000")];
        let sent = admit(&Method::GET, "/photo/1?x=2", &host).unwrap();
        assert_eq!(sent.as_deref(), Some("http://localhost:4000/photo/1?x=2"));
        assert!(admit(&Method::POST, "/", &host).is_err());
        assert!(admit(&Method::GET, "/media/x/t/1", &host).is_err());
    }

    #[test]
    fn a_request_that_names_two_hosts_is_refused() {
        let headers = [("host", "localhost:4000")];
        assert!(admit(&Method::GET, "http://evil.example/", &headers).is_err());
        assert!(admit(&Method::GET, "http://localhost:4000/", &headers).is_ok());
    }
}
