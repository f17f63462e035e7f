//! Stand-ins for Dropbox, Google Drive and OneDrive on this machine.
//!
//! Written from the providers' public documentation, which each part cites, and strict about what it says: required
//! headers and fields, sizes, answers to conflicts, small pages. They show that our clients speak as the documentation
//! asks; they show nothing about what the real services do beyond it.

mod drive;
mod dropbox;
mod hashes;
mod http;
mod oauth;
mod onedrive;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use self::drive::Drive;
use self::dropbox::DropboxStore;
use self::http::{Ask, Reply, Server};
use self::oauth::Authority;
use self::onedrive::OneDriveStore;

/// Which cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dropbox,
    Drive,
    OneDrive,
}

enum Store {
    Dropbox(DropboxStore),
    Drive(Drive),
    OneDrive(OneDriveStore),
}

/// What a test may do to a cloud.
#[derive(Default)]
struct Switches {
    throttled: u32,
    lost: u32,
    requests: u64,
}

struct State {
    kind: Kind,
    authority: Authority,
    switches: Switches,
    store: Store,
}

/// A running stand-in; stopped when dropped.
pub struct Cloud {
    kind: Kind,
    server: Server,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Cloud").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Cloud {
    /// Starts a Dropbox.
    #[must_use]
    pub fn dropbox() -> Self {
        Self::start(Kind::Dropbox, Store::Dropbox(DropboxStore::default()))
    }

    /// Starts a Google Drive.
    #[must_use]
    pub fn google_drive() -> Self {
        Self::start(Kind::Drive, Store::Drive(Drive::default()))
    }

    /// Starts a OneDrive.
    #[must_use]
    pub fn onedrive() -> Self {
        Self::start(Kind::OneDrive, Store::OneDrive(OneDriveStore::default()))
    }

    fn start(kind: Kind, store: Store) -> Self {
        let (authority, switches) = (Authority::default(), Switches::default());
        let state = Arc::new(Mutex::new(State { kind, authority, switches, store }));
        // Its own address stands in answers; it is known only once it listens.
        let url = Arc::new(Mutex::new(String::new()));
        let server = Server::start({
            let (state, url) = (Arc::clone(&state), Arc::clone(&url));
            move |ask| {
                let url = url.lock().unwrap_or_else(PoisonError::into_inner).clone();
                state.lock().unwrap_or_else(PoisonError::into_inner).answer(&url, ask)
            }
        });
        *url.lock().unwrap_or_else(PoisonError::into_inner) = server.url();
        Self { kind, server, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The address of a remote in it.
    #[must_use]
    pub fn address(&self) -> String {
        let kind = match self.kind {
            Kind::Dropbox => "dropbox",
            Kind::Drive => "gdrive",
            Kind::OneDrive => "onedrive",
        };
        format!("{kind}:/Photos/below here?endpoint={}", self.server.url())
    }

    /// A credential file with the client, with which nobody has signed in.
    #[must_use]
    pub fn client(&self) -> String {
        let secret = match self.kind {
            Kind::Drive => format!("client_secret = {}\n", oauth::SECRET),
            _ => String::new(),
        };
        format!("client_id = {}\n{secret}", oauth::CLIENT)
    }

    /// The client's id alone.
    #[must_use]
    pub const fn client_id(&self) -> &'static str {
        oauth::CLIENT
    }

    /// A credential file with which somebody has just signed in.
    #[must_use]
    pub fn sign_in(&self) -> String {
        let token = self.state().authority.new_refresh_token();
        format!("{}refresh_token = {token}\n", self.client())
    }

    /// Ends all access tokens, as time does.
    pub fn end_access_tokens(&self) {
        self.state().authority.end_access_tokens();
    }

    /// Ends all sign-ins, as people do in their account's settings.
    pub fn end_sign_ins(&self) {
        self.state().authority.end_sign_ins();
    }

    /// From now on a refresh token is used up when it is used; using it again ends everything.
    pub fn rotate_strictly(&self) {
        self.state().authority.is_strict = true;
    }

    /// How often a refresh token was turned into an access token.
    #[must_use]
    pub fn refreshes(&self) -> u64 {
        self.state().authority.refreshes
    }

    /// Somebody types every device code that is waiting; says how many there were.
    #[must_use]
    pub fn approve_device_codes(&self) -> usize {
        self.state().authority.approve_all_devices()
    }

    /// The next requests are asked to wait a second.
    pub fn throttle(&self, requests: u32) {
        self.state().switches.throttled = requests;
    }

    /// The next pieces of content are taken, but nobody hears of it.
    pub fn lose_answers(&self, answers: u32) {
        self.state().switches.lost = answers;
    }

    /// How many requests were made that are not about signing in.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state().switches.requests
    }

    /// Makes a second file of a name, as two devices at the same instant do in Google Drive.
    pub fn duplicate(&self, path: &str, bytes: &[u8]) {
        if let Store::Drive(drive) = &mut self.state().store {
            drive.duplicate(path, bytes);
        }
    }

    /// From now on searches in Google Drive do not find a new file so many times.
    pub fn lag_searches(&self, searches: u64) {
        if let Store::Drive(drive) = &mut self.state().store {
            drive.lag = searches;
        }
    }

    /// How many files there are, those that share a name counted each.
    #[must_use]
    pub fn files(&self) -> usize {
        match &self.state().store {
            Store::Dropbox(store) => store.files(),
            Store::Drive(store) => store.files(),
            Store::OneDrive(store) => store.files(),
        }
    }

    /// How many folders there are.
    #[must_use]
    pub fn folders(&self) -> usize {
        match &self.state().store {
            Store::Dropbox(store) => store.folders(),
            Store::Drive(store) => store.folders(),
            Store::OneDrive(store) => store.folders(),
        }
    }

    /// Every byte that it holds, for looking for what must not be there.
    #[must_use]
    pub fn contents(&self) -> Vec<Vec<u8>> {
        match &self.state().store {
            Store::Dropbox(store) => store.contents(),
            Store::Drive(store) => store.contents(),
            Store::OneDrive(store) => store.contents(),
        }
    }
}

impl State {
    fn answer(&mut self, url: &str, ask: &Ask) -> Reply {
        if let Some(reply) = self.authority.answer(self.kind, ask) {
            return reply;
        }
        self.switches.requests += 1;
        if self.switches.throttled > 0 {
            self.switches.throttled -= 1;
            return self.throttled();
        }
        // Addresses that are permissions themselves carry no token.
        if !ask.path.starts_with("/given/") {
            let token = ask.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
            if !token.is_some_and(|token| self.authority.knows(token)) {
                return self.unauthorized();
            }
        }
        let reply = match &mut self.store {
            Store::Dropbox(store) => store.answer(ask),
            Store::Drive(store) => store.answer(url, ask),
            Store::OneDrive(store) => store.answer(url, ask),
        };
        let is_content = ask.body.len() > 1000 && reply.status() < 400;
        if is_content && self.switches.lost > 0 {
            self.switches.lost -= 1;
            return reply.lost();
        }
        reply
    }

    fn throttled(&self) -> Reply {
        match self.kind {
            Kind::Dropbox => Reply::json(
                429,
                &json!({ "error_summary": "too_many_requests/..", "error": { "reason": { ".tag": "too_many_requests" }, "retry_after": 1 } }),
            ),
            Kind::Drive => Reply::json(403, &google_error(403, "userRateLimitExceeded")),
            Kind::OneDrive => Reply::json(429, &json!({ "error": { "code": "activityLimitReached" } }))
                .header("retry-after", "1"),
        }
    }

    fn unauthorized(&self) -> Reply {
        match self.kind {
            Kind::Dropbox => Reply::json(
                401,
                &json!({ "error_summary": "expired_access_token/..", "error": { ".tag": "expired_access_token" } }),
            ),
            Kind::Drive => Reply::json(401, &google_error(401, "authError")),
            Kind::OneDrive => Reply::json(401, &json!({ "error": { "code": "InvalidAuthenticationToken" } })),
        }
    }
}

fn google_error(status: u16, reason: &str) -> Value {
    json!({ "error": { "code": status, "message": reason, "errors": [{ "domain": "global", "reason": reason }] } })
}

/// A time of the form that all three use, from a counter of milliseconds: always later than the one before.
fn stamp(milliseconds: u64) -> String {
    let since = Duration::from_millis(milliseconds);
    let (seconds, fraction) = (since.as_secs(), since.subsec_millis());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // A month of 28 days is enough for a test.
    format!("2026-01-{:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z", days % 28 + 1)
}

/// Bytes of an object, shared by whoever reads them.
type Content = Arc<Vec<u8>>;
