//! Why a phone is not answered with what it asked for: a status, one word for programs, and a sentence.
//!
//! Written as `{"error":{"code","message"}}` on every route. No token, address or SAS is ever in one.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use safelight_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

/// The body of every answer that is a failure.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Failed {
    error: Told,
}

/// What failed.
#[derive(Debug, Serialize, ToSchema)]
struct Told {
    /// One word, in kebab case.
    code: &'static str,
    /// A sentence without a full stop.
    message: String,
}

/// What failed, and how it is answered.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    again_seconds: Option<u64>,
}

/// What a handler answers.
pub(crate) type Answer<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), again_seconds: None }
    }

    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.again_seconds = Some(seconds.max(1));
        self
    }

    /// No token, or none that holds: which of the two is not told.
    pub(crate) fn no_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "no-token", "this takes a bearer token that holds")
    }

    pub(crate) fn other_scope() -> Self {
        Self::new(StatusCode::FORBIDDEN, "other-scope", "this token is good for something else")
    }

    pub(crate) fn not_understood(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "not-understood", message)
    }

    pub(crate) fn bad_field(field: &str, rule: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-field", format!("{field} {rule}"))
    }

    pub(crate) fn too_large(most_bytes: u64) -> Self {
        let message = format!("it is longer than the {most_bytes} bytes that are taken here");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message)
    }

    pub(crate) fn busy(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).after(5)
    }

    /// Nothing was granted because it could not be written down.
    pub(crate) fn not_recorded() -> Self {
        Self::busy("the grant could not be written down, so it is not given")
    }

    pub(crate) fn already_there() -> Self {
        Self::new(StatusCode::CONFLICT, "already-there", "an object of this name is there already")
    }

    /// What a remote answered. What it says may name the place, which is not the phone's to know: it is logged here instead.
    pub(crate) fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::AlreadyExists { .. } => Self::already_there(),
            other => {
                tracing::warn!(error = %other, "the remote refused");
                Self::new(StatusCode::BAD_GATEWAY, "remote-failed", "the remote did not do what it was asked")
                    .after(10)
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        tracing::debug!(status = self.status.as_u16(), code = self.code, "refused");
        let body = Json(Failed { error: Told { code: self.code, message: self.message } });
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.again_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// `no-token`: without a bearer token that holds.
#[derive(utoipa::IntoResponses)]
#[response(status = 401)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct NoToken(Failed);

/// `other-scope`: the token is good for something else.
#[derive(utoipa::IntoResponses)]
#[response(status = 403)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct OtherScope(Failed);

/// `not-understood`: the body is no JSON of this shape.
#[derive(utoipa::IntoResponses)]
#[response(status = 400)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct NotUnderstood(Failed);

/// `bad-field`: a field breaks a rule, which the message says.
#[derive(utoipa::IntoResponses)]
#[response(status = 422)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct BadField(Failed);

/// `too-large`: the body is longer than is taken.
#[derive(utoipa::IntoResponses)]
#[response(status = 413)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct TooLarge(Failed);

/// `too-many` or `quota`: more than this token may ask for; `Retry-After` says when to come again.
#[derive(utoipa::IntoResponses)]
#[response(status = 429)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct TooMany(Failed);

/// `remote-failed`: the remote did not do what it was asked.
#[derive(utoipa::IntoResponses)]
#[response(status = 502)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct RemoteFailed(Failed);

/// `busy`: not now.
#[derive(utoipa::IntoResponses)]
#[response(status = 503)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct Busy(Failed);
