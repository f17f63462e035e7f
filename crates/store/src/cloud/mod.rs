//! The clouds that people sign in to: Dropbox, Google Drive, OneDrive, each over our own small client.
//!
//! What they share is here: requests that carry an access token and are sent once more with a new one when the
//! service says that it has ended, and what is known of the account. None of the three has tiers or lends a
//! permission to upload one object.
//!
//! Written from the public documentation and run against stand-ins that were written from it too; **not run against
//! the real services by us**. `safelight remote check NAME` runs the conformance suite on a real account.

mod dropbox;
mod google;
mod onedrive;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::RequestBuilder;
use reqwest::header::HeaderValue;
use serde_json::Value;

pub use dropbox::Dropbox;
pub use google::GoogleDrive;
pub use onedrive::OneDrive;

use crate::address::CloudAddress;
use crate::capabilities::{Capabilities, Capability, Finding};
use crate::credential::{RemoteCredential, SecretText};
use crate::error::{Operation, StoreError};
use crate::http::{Asked, Http, Refusal, Reply, retry_after};
use crate::oauth::{CredentialKeeper, Provider, Tokens};
use crate::remote::Body;

/// The longest answer that is JSON: a page of a listing.
const MOST_JSON_BYTES: u64 = 16 << 20;
/// How often a piece of an upload is sent without getting any further.
const PIECE_TRIES: u32 = 3;

/// An account that somebody signed in to.
#[derive(Debug)]
struct Account {
    label: String,
    provider: Provider,
    tokens: Tokens,
    http: Http,
    /// Who signed in, once the service said it.
    owner: Mutex<Option<String>>,
    capabilities: Capabilities,
}

impl Account {
    fn new(
        label: String,
        provider: Provider,
        cloud: &CloudAddress,
        credential: Option<RemoteCredential>,
        keeper: Option<Arc<dyn CredentialKeeper>>,
        http: Http,
    ) -> Result<Self, StoreError> {
        let asked = Asked { place: &label, operation: Operation::Open, object: "the account" };
        let Some(RemoteCredential::OAuth(credential)) = credential else {
            return Err(
                asked.nonsense("this place is opened by signing in (--client-id ID; docs/guide/clouds.md)")
            );
        };
        let endpoints = provider.endpoints(cloud.endpoint.as_deref(), credential.tenant.as_deref());
        let tokens = Tokens::new(provider, endpoints.token, credential, keeper, http.clone())
            .map_err(|error| error.meaning(asked))?;
        let mut capabilities = Capabilities::untried();
        for (capability, why) in [
            (Capability::Tiers, "this kind of place has no tiers"),
            (Capability::UploadGrants, "this kind of place cannot lend a permission for one object"),
        ] {
            capabilities.set(capability, Finding::Missing(why.to_owned()));
        }
        Ok(Self { label, provider, tokens, http, owner: Mutex::default(), capabilities })
    }

    const fn asked<'a>(&'a self, operation: Operation, object: &'a str) -> Asked<'a> {
        Asked { place: self.label.as_str(), operation, object }
    }

    /// Sends a request with a token; a token that the service says has ended is replaced once.
    async fn send(
        &self,
        asked: Asked<'_>,
        request: impl Fn() -> RequestBuilder,
        body: Option<&Body>,
    ) -> Result<Reply, StoreError> {
        let token = self.tokens.access(None).await.map_err(|error| error.meaning(asked))?;
        let reply = self.send_with(asked, request(), body, &token).await?;
        if reply.status() != 401 {
            return Ok(reply);
        }
        drop(reply);
        let token = self.tokens.access(Some(&token)).await.map_err(|error| error.meaning(asked))?;
        self.send_with(asked, request(), body, &token).await
    }

    async fn send_with(
        &self,
        asked: Asked<'_>,
        request: RequestBuilder,
        body: Option<&Body>,
        token: &SecretText,
    ) -> Result<Reply, StoreError> {
        let value = zeroize::Zeroizing::new(format!("Bearer {}", token.expose()));
        let mut value =
            HeaderValue::from_str(&value).map_err(|_| asked.nonsense("the access token cannot be sent"))?;
        value.set_sensitive(true);
        self.send_bare(asked, request.header("authorization", value), body).await
    }

    /// Sends a request whose address itself is the permission.
    async fn send_bare(
        &self,
        asked: Asked<'_>,
        request: RequestBuilder,
        body: Option<&Body>,
    ) -> Result<Reply, StoreError> {
        let sent = match body {
            Some(body) => self.http.send_body(request, body).await,
            None => self.http.send(request).await,
        };
        sent.map_err(|fault| asked.network(fault))
    }

    /// Who signed in: `Name <address>`, as far as the service says.
    fn learn_owner(&self, name: Option<&str>, mail: Option<&str>) {
        let clean =
            |text: &str| text.chars().filter(|letter| !letter.is_control()).take(200).collect::<String>();
        let owner = match (name.map(clean), mail.map(clean)) {
            (Some(name), Some(mail)) => format!("{name} <{mail}>"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return,
        };
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = Some(owner);
    }

    fn source(&self) -> String {
        let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match owner {
            Some(owner) => format!("a sign-in to {} as {owner}", self.provider.name()),
            None => format!("a sign-in to {}", self.provider.name()),
        }
    }
}

/// Reads an answer that is JSON.
async fn json(asked: Asked<'_>, reply: Reply) -> Result<Value, StoreError> {
    let bytes = reply.bytes(MOST_JSON_BYTES).await.map_err(|fault| asked.network(fault))?;
    serde_json::from_slice(&bytes).map_err(|_| asked.nonsense("the answer is not the JSON that is expected"))
}

/// What a service said instead of doing what it was asked.
struct Refused {
    status: u16,
    wait: Option<Duration>,
    answer: Value,
}

impl Refused {
    async fn read(reply: Reply) -> Self {
        let status = reply.status();
        let wait = retry_after(reply.header("retry-after"), SystemTime::now());
        Self { status, wait, answer: serde_json::from_str(&reply.text().await).unwrap_or_default() }
    }

    fn at(&self, pointer: &str) -> Option<&str> {
        self.answer.pointer(pointer)?.as_str()
    }

    /// The error by the meaning of its status, with the service's own name for the reason.
    fn meaning(&self, asked: Asked<'_>, code: Option<&str>, hint: Option<&str>) -> StoreError {
        let is_fine = |code: &&str| {
            code.len() <= 128
                && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'.'))
        };
        let code = code.filter(is_fine).map(str::to_owned);
        let hint = hint.map(str::to_owned);
        asked.refuse(Refusal { status: self.status, code, hint }, self.wait)
    }

    /// The account is full, whatever the status.
    fn full(&self, asked: Asked<'_>) -> StoreError {
        let refusal = Refusal { status: self.status, code: None, hint: Some(FULL_HINT.to_owned()) };
        asked.refuse(Refusal { status: 507, ..refusal }, self.wait)
    }

    fn throttled(&self, asked: Asked<'_>, wait: Option<Duration>) -> StoreError {
        StoreError::Throttled { place: asked.place.to_owned(), wait: self.wait.or(wait) }
    }
}

const FULL_HINT: &str = "make room in this account, or buy more";

/// The bytes of an answer, of at most so many.
async fn whole(asked: Asked<'_>, reply: Reply, at_most_bytes: u64) -> Result<Bytes, StoreError> {
    if let Some(length_bytes) = reply.length_bytes()
        && length_bytes > at_most_bytes
    {
        return Err(asked.too_large(length_bytes, at_most_bytes));
    }
    reply.bytes(at_most_bytes).await.map_err(|fault| asked.network(fault))
}

/// The bytes of an answer to a range, where `status` says how it was understood.
async fn ranged(
    asked: Asked<'_>,
    reply: Reply,
    range: &std::ops::Range<u64>,
) -> Result<Option<Bytes>, StoreError> {
    match reply.status() {
        206 => reply.bytes(range.end - range.start).await.map(Some).map_err(|fault| asked.network(fault)),
        416 => Ok(Some(Bytes::new())),
        200 if reply.length_bytes().is_some_and(|length| length <= range.start) => Ok(Some(Bytes::new())),
        200 => Err(asked.nonsense("the whole object instead of a part of it")),
        _ => Ok(None),
    }
}

/// The header that asks for a range.
fn range_header(range: &std::ops::Range<u64>) -> String {
    format!("bytes={}-{}", range.start, range.end - 1)
}

fn time(text: Option<&str>) -> Option<SystemTime> {
    Some(text?.parse::<jiff::Timestamp>().ok()?.into())
}
