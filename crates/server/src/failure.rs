//! Why a request is not answered with what it asked for: a status, one word for programs, a sentence, and what to do next.
//!
//! Written as `{"error":{"code","message","hint","at"}}`, the same for every route, so that the page has one way to show it.

use std::num::NonZeroU64;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use safelight_library::{ErrorKind, Exposes, LibraryError, Takes, Why, query_mistake, with_causes};
use serde::Serialize;
use utoipa::ToSchema;

/// The body of every answer that is a failure.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Failed {
    error: Failure,
}

/// What was refused, to whoever takes refusals as answers.
#[derive(Debug, Serialize)]
struct Asking {
    asks: Failure,
}

/// The word for what waits for somebody to agree.
pub(crate) const NEEDS_CONSENT: &str = "needs-consent";

/// The word for a passphrase that opens nothing.
pub(crate) const WRONG_PASSPHRASE: &str = "wrong-passphrase";

/// The word for a passkey that opens nothing.
pub(crate) const WRONG_PASSKEY: &str = "wrong-passkey";

/// The word for recovery words that were typed back and are others.
pub(crate) const WRONG_WORDS: &str = "wrong-words";

/// `hidden-closed`: it asks for hidden photos, and they are closed.
#[derive(utoipa::IntoResponses)]
#[response(status = 403)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct HiddenClosed(Failed);

/// What failed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Failure {
    #[serde(skip)]
    pub(crate) status: StatusCode,
    /// One word, in kebab case.
    pub(crate) code: &'static str,
    /// A sentence without a full stop.
    pub(crate) message: String,
    /// The sentence in a code, where there is one that says more.
    pub(crate) why: Option<Box<Why>>,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// The bytes of the query that it is about: from, to.
    pub(crate) at: Option<[usize; 2]>,
    /// What some failures say beside that.
    #[serde(flatten)]
    pub(crate) more: Option<Box<More>>,
    /// Seconds until it is worth trying again.
    #[serde(skip)]
    pub(crate) again_seconds: Option<NonZeroU64>,
}

/// What some failures say beside the sentence.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct More {
    /// What would newly go to a remote, where that needs consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exposes: Option<Exposes>,
    /// How much would go into the trash at once, where that needs consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) takes: Option<Takes>,
    /// How much would be copied and what is free, where that needs consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) space: Option<Space>,
    /// Which of the words that were asked back are others, by their positions, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wrong: Option<Vec<usize>>,
    /// The caption that is there now, where that was changed meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caption: Option<String>,
    /// Which setting of a remote it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) setting: Option<String>,
}

/// What copying would take of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Space {
    /// Bytes that would be copied.
    pub(crate) bytes: u64,
    /// Bytes that are free.
    pub(crate) free_bytes: u64,
}

/// What a handler answers.
pub(crate) type Answer<T> = Result<T, Failure>;

/// The header of whoever takes the refusal of what a person typed or chose as an answer with status 200, `{"asks": …}`:
/// browsers write every other status into their console as an error, and a mistyped word is none.
pub(crate) const REFUSALS_AS_ANSWERS: HeaderName = HeaderName::from_static("x-safelight-asks");

/// The same refusal as an answer, if it may be one.
pub(crate) fn as_answer(mut response: Response) -> Response {
    match response.extensions_mut().remove::<Failure>() {
        Some(asks) => Json(Asking { asks }).into_response(),
        None => response,
    }
}

impl Failure {
    /// Whether it is about what somebody typed or chose: a wrong secret, a refused change, a folder that is not there, a
    /// damaged file, a place that does not answer. It is not where nobody may ask now, or something of ours broke.
    fn may_be_an_answer(&self) -> bool {
        let is_ours = matches!(
            self.status,
            StatusCode::UNAUTHORIZED
                | StatusCode::LOCKED
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::INTERNAL_SERVER_ERROR
        );
        !is_ours || matches!(self.code, WRONG_PASSPHRASE | WRONG_WORDS | "damaged")
    }

    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let why = Why::of(&message).map(Box::new);
        Self { status, code, message, why, hint: None, at: None, more: None, again_seconds: None }
    }

    /// Says it with another sentence: its code is that of the new one, or there is none.
    fn says(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self.why = Why::of(&self.message).map(Box::new);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What it says beside the sentence.
    pub(crate) fn saying(mut self, more: More) -> Self {
        self.more = Some(Box::new(more));
        self
    }

    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.again_seconds = NonZeroU64::new(seconds);
        self
    }

    /// The keys are not in memory.
    pub(crate) fn locked() -> Self {
        Self::new(StatusCode::LOCKED, "locked", "the library is locked").hint("unlock it with its passphrase")
    }

    /// There is no library yet.
    pub(crate) fn no_library() -> Self {
        Self::new(StatusCode::CONFLICT, "no-library", "there is no library here yet")
            .hint("make one, or join one")
    }

    /// Nobody is known who asks so.
    pub(crate) fn no_session() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "no-session", "this page was not opened by Safelight")
            .hint("run safelight serve, which opens it")
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    /// Something cannot be understood.
    pub(crate) fn not_understood(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "not-understood", message)
    }

    /// The timeline that was asked about is another one by now.
    pub(crate) fn stale() -> Self {
        Self::new(StatusCode::CONFLICT, "stale", "the library has changed meanwhile")
            .hint("ask for the skeleton again")
    }

    /// The work itself broke down.
    pub(crate) fn broken() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the request broke off")
            .hint("safelight serve --verbose says more")
    }

    /// Marks the words of the query that cannot be understood.
    pub(crate) fn about(mut self, query: &str) -> Self {
        if self.code == "not-understood"
            && let Some(mistake) = query_mistake(query)
        {
            self.at = Some([mistake.at.start, mistake.at.end]);
            return self.says(mistake.message);
        }
        self
    }
}

impl From<LibraryError> for Failure {
    fn from(error: LibraryError) -> Self {
        let (status, code) = match error.kind() {
            ErrorKind::Usage => (StatusCode::BAD_REQUEST, "not-understood"),
            ErrorKind::Locked => (StatusCode::LOCKED, "locked"),
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            ErrorKind::Refused => (StatusCode::CONFLICT, "refused"),
            ErrorKind::Damaged => (StatusCode::INTERNAL_SERVER_ERROR, "damaged"),
            ErrorKind::Network => (StatusCode::BAD_GATEWAY, "network"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        let mut failure = Self::new(status, code, with_causes(&error));
        let asks = match &error {
            LibraryError::NeedsConsent(exposes) => {
                Some(More { exposes: Some(exposes.clone()), ..More::default() })
            }
            LibraryError::TakesMuch(takes) => Some(More { takes: Some(*takes), ..More::default() }),
            _ => None,
        };
        if let Some(asks) = asks {
            failure.code = NEEDS_CONSENT;
            return failure.saying(asks).hint("say that you agree, and it is done");
        }
        if let LibraryError::HiddenClosed = error {
            failure.status = StatusCode::FORBIDDEN;
            failure.code = "hidden-closed";
        }
        if let LibraryError::NoFfmpeg { .. } = error {
            failure.status = StatusCode::NOT_IMPLEMENTED;
            failure.code = "no-ffmpeg";
        }
        if let LibraryError::CannotConvert { .. } = error {
            failure.status = StatusCode::UNPROCESSABLE_ENTITY;
            failure.code = "cannot-convert";
        }
        if let LibraryError::NothingFollows { .. } = error {
            failure.status = StatusCode::UNPROCESSABLE_ENTITY;
            failure.code = "nothing-follows";
        }
        if let LibraryError::NoTiles { .. } = error {
            failure.status = StatusCode::UNPROCESSABLE_ENTITY;
            failure.code = "bad-file";
        }
        if let LibraryError::Query { explained } = &error {
            // The page shows what was typed itself; what is wrong with it stands last.
            failure = failure.says(explained.lines().last().unwrap_or(explained));
        }
        if let LibraryError::Setting { setting, explained } = &error {
            // The page shows the setting itself; what is wrong with it stands last.
            failure = failure.says(explained.lines().last().unwrap_or(explained));
            let setting = Some(setting.clone());
            failure = failure.saying(More { setting, ..More::default() });
        }
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::new(
                rejection.status(),
                "too-large",
                "the request is longer than the gallery takes",
            )
            .hint("choose fewer photos at once");
        }
        Self { status: rejection.status(), ..Self::not_understood(rejection.body_text()) }
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self::not_understood(rejection.body_text())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, again) = (self.status, self.again_seconds.map(NonZeroU64::get));
        let answer = self.may_be_an_answer().then(|| self.clone());
        let mut response = (status, Json(Failed { error: self })).into_response();
        if let Some(refusal) = answer {
            response.extensions_mut().insert(refusal);
        }
        if let Some(seconds) = again {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_answered_what_is_about_the_photos_and_refused_where_nobody_may_ask_or_something_broke() {
        let of = |error: LibraryError| Failure::from(error).may_be_an_answer();
        assert!(of(LibraryError::NoSuchItem { item: "x".to_owned() }));
        assert!(of(LibraryError::HiddenClosed));
        assert!(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", "").may_be_an_answer());
        for failure in [Failure::locked(), Failure::no_session(), Failure::broken()] {
            assert!(!failure.may_be_an_answer(), "{failure:?}");
        }
    }
}
