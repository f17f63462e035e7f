//! Who has been let in: from a token in an address, used once, to a cookie, a secret and a path.
//!
//! A cookie alone says little: every port of this machine gets it. So a request needs the cookie *and* the secret that
//! only this origin's page can read, which goes in a header; pictures cannot send headers, so they need the cookie *and* a
//! path that nobody can guess. The token is in the fragment of the address, which browsers send to nobody, and serves no other
//! account of this machine.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};
use data_encoding::BASE32_NOPAD;
use safelight_library::Library;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::asked::Asked;
use crate::door::unasked;
use crate::failure::{Answer, Failure};
use crate::gallery::{Gallery, held};
use crate::peer::is_of_another_account;

/// How long the token of an address is good.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(60);
/// More sessions than this are not kept; the oldest ends.
const MOST_SESSIONS: usize = 16;
/// Bytes of randomness in a secret.
const SECRET_BYTES: usize = 32;
/// The header that carries the secret.
const SECRET_HEADER: HeaderName = HeaderName::from_static("x-safelight");
/// Stands in what a page fetches again by itself.
const UNASKED_HEADER: HeaderName = HeaderName::from_static("x-safelight-unasked");

/// A random word that somebody must know.
pub(crate) type Secret = Zeroizing<String>;

#[derive(Debug)]
struct Session {
    cookie: Secret,
    secret: Secret,
    media: Secret,
}

/// The sessions of one server, and the tokens that begin others.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// Tells the cookies of several servers on this machine apart.
    instance: String,
    tokens: Mutex<Vec<(Secret, Instant)>>,
    live: Mutex<VecDeque<Session>>,
}

/// What begins a session.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Token {
    /// The word behind `#t=` in the address.
    token: String,
}

/// What the page is told of its session.
#[derive(Serialize, ToSchema)]
pub(crate) struct Begun {
    /// Goes into the header `x-safelight` of every request; only at the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// What the paths of pictures begin with.
    media: String,
    /// Which server this is.
    instance: String,
    /// Whether there is an open library: of one that is locked, or not there yet, nothing need be asked.
    is_open: bool,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        let mut instance = draw().to_lowercase();
        instance.truncate(10);
        Self { instance, tokens: Mutex::default(), live: Mutex::default() }
    }

    /// Makes a token that begins one session within a minute.
    pub(crate) fn invite(&self, now: Instant) -> Zeroizing<String> {
        let token = draw();
        let mut tokens = held(&self.tokens);
        tokens.retain(|(_, until)| *until > now);
        tokens.push((token.clone(), now + TOKEN_LIFE));
        token
    }

    /// Uses a token up. Answers the cookie, and what the page is told.
    fn begin(&self, token: &str, now: Instant) -> Option<(String, Begun)> {
        let mut tokens = held(&self.tokens);
        tokens.retain(|(_, until)| *until > now);
        let place = tokens.iter().position(|(known, _)| is_same(known, token))?;
        tokens.swap_remove(place);
        let session = Session { cookie: draw(), secret: draw(), media: draw() };
        let cookie = format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie_name(), *session.cookie);
        let mut begun = self.told(&session);
        begun.secret = Some(session.secret.to_string());
        let mut live = held(&self.live);
        live.push_back(session);
        if live.len() > MOST_SESSIONS {
            live.pop_front();
        }
        Some((cookie, begun))
    }

    fn told(&self, session: &Session) -> Begun {
        Begun {
            secret: None,
            media: format!("/media/{}", *session.media),
            instance: self.instance.clone(),
            is_open: false,
        }
    }

    fn cookie_name(&self) -> String {
        format!("safelight-{}", self.instance)
    }

    /// What the sender of these headers is told, if it has the cookie and the secret of one session.
    fn of(&self, headers: &HeaderMap) -> Option<Begun> {
        let secret = headers.get(SECRET_HEADER)?.to_str().ok()?;
        let cookies: Vec<&str> = self.cookies(headers).collect();
        let has_cookie = |one: &Session| cookies.iter().any(|cookie| is_same(&one.cookie, cookie));
        let live = held(&self.live);
        let is_it = |one: &&Session| has_cookie(one) & is_same(&one.secret, secret);
        live.iter().find(is_it).map(|session| self.told(session))
    }

    /// Whether the sender has the cookie of the session whose pictures lie under this path.
    pub(crate) fn may_see(&self, headers: &HeaderMap, media: &str) -> bool {
        let cookies: Vec<&str> = self.cookies(headers).collect();
        let has_cookie = |one: &Session| cookies.iter().any(|cookie| is_same(&one.cookie, cookie));
        let live = held(&self.live);
        live.iter().any(|one| has_cookie(one) & is_same(&one.media, media))
    }

    /// All of our name: another port of this machine may have set one, too, and it is sent as well.
    fn cookies<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let name = self.cookie_name();
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter_map(move |(key, value)| (key == name).then_some(value))
    }
}

pub(crate) fn draw() -> Secret {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    Library::draw_bytes(&mut *bytes);
    Zeroizing::new(BASE32_NOPAD.encode(&*bytes))
}

pub(crate) fn is_same(known: &str, given: &str) -> bool {
    known.as_bytes().ct_eq(given.as_bytes()).into()
}

/// Begins a session with the token of the address.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = Token,
    responses((status = 200, body = Begun), (status = 401, description = "the token is used or too old")))]
pub(crate) async fn begin_session(
    State(gallery): State<Arc<Gallery>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Asked(Token { token }): Asked<Token>,
) -> Answer<Response> {
    let token = Zeroizing::new(token);
    if is_of_another_account(peer, gallery.site.port()) {
        return Err(
            Failure::no_session().hint("only the account that runs safelight serve opens its gallery")
        );
    }
    let (cookie, mut begun) = gallery.sessions.begin(&token, Instant::now()).ok_or_else(|| {
        Failure::no_session().hint("that address opens once, within a minute; run safelight serve again")
    })?;
    gallery.door.touch();
    begun.is_open = gallery.door.require_open().is_ok();
    let cookie = HeaderValue::from_str(&cookie).map_err(|_| Failure::broken())?;
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(begun)).into_response())
}

/// Answers what a page that was loaded again must know.
#[utoipa::path(get, path = "/api/v1/session", tag = "session",
    responses((status = 200, body = Begun), (status = 401, description = "there is no session")))]
pub(crate) async fn show_session(
    State(gallery): State<Arc<Gallery>>,
    headers: HeaderMap,
) -> Answer<Json<Begun>> {
    let mut begun = gallery.sessions.of(&headers).ok_or_else(Failure::no_session)?;
    begun.is_open = gallery.door.require_open().is_ok();
    Ok(Json(begun))
}

/// The session of whoever asks, if there is one.
#[derive(Serialize, ToSchema)]
pub(crate) struct Known {
    /// None where this server knows nothing of it: it was started after the page was opened, or the page was not opened by it.
    session: Option<Begun>,
}

/// Answers whether there is a session still, so that a page that was open before this server was started finds out without
/// being refused.
#[utoipa::path(get, path = "/api/v1/session/known", tag = "session", responses((status = 200, body = Known)))]
pub(crate) async fn know_session(State(gallery): State<Arc<Gallery>>, headers: HeaderMap) -> Json<Known> {
    let mut session = gallery.sessions.of(&headers);
    if let Some(begun) = &mut session {
        begun.is_open = gallery.door.require_open().is_ok();
    }
    Json(Known { session })
}

/// Lets through whoever has a session.
pub(crate) async fn require_session(
    State(gallery): State<Arc<Gallery>>,
    request: Request,
    next: Next,
) -> Response {
    if gallery.sessions.of(request.headers()).is_none() {
        return Failure::no_session().into_response();
    }
    next.run(request).await
}

/// Somebody asks for something: the time until the keys are forgotten begins anew. A page says of what it fetches again by
/// itself, since something changed, that nobody asked for it.
pub(crate) async fn touch(State(gallery): State<Arc<Gallery>>, request: Request, next: Next) -> Response {
    if request.headers().contains_key(UNASKED_HEADER) {
        return unasked(next.run(request)).await;
    }
    gallery.door.touch();
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_token_begins_one_session_within_a_minute() {
        let sessions = Sessions::new();
        let now = Instant::now();
        let token = sessions.invite(now);
        assert!(sessions.begin("", now).is_none());
        assert!(sessions.begin(&token, now + Duration::from_secs(59)).is_some());
        assert!(sessions.begin(&token, now + Duration::from_secs(59)).is_none(), "it was used");
        let late = sessions.invite(now);
        assert!(sessions.begin(&late, now + Duration::from_secs(60)).is_none(), "it is too old");
    }

    #[test]
    fn a_session_needs_the_cookie_and_the_secret_of_one_and_the_same() {
        let sessions = Sessions::new();
        let now = Instant::now();
        let begin = || {
            let (cookie, begun) = sessions.begin(&sessions.invite(now), now).unwrap();
            (cookie.split(';').next().unwrap().to_owned(), begun)
        };
        let ((cookie, begun), (other_cookie, other)) = (begin(), begin());
        let (secret, media) = (begun.secret.unwrap(), begun.media.replace("/media/", ""));
        let both = headers(&[(header::COOKIE, &format!("a=b; {cookie}")), (SECRET_HEADER, &secret)]);
        assert!(sessions.of(&both).is_some());
        // A program at another port may have set one of the same name.
        let name = cookie.split('=').next().unwrap();
        let planted =
            headers(&[(header::COOKIE, &format!("{name}=bad; {cookie}")), (SECRET_HEADER, &secret)]);
        assert!(sessions.of(&planted).is_some() && sessions.may_see(&planted, &media));
        assert!(sessions.may_see(&both, &media));
        assert!(!sessions.may_see(&both, &other.media.replace("/media/", "")));
        for wrong in [
            headers(&[(header::COOKIE, &cookie)]),
            headers(&[(SECRET_HEADER, &secret)]),
            headers(&[(header::COOKIE, &other_cookie), (SECRET_HEADER, &secret)]),
            headers(&[(header::COOKIE, &cookie), (SECRET_HEADER, "")]),
        ] {
            assert!(sessions.of(&wrong).is_none());
        }
        assert!(!sessions.may_see(&headers(&[]), &media));
    }
}
