//! The sign-in of the stand-ins: authorization codes with PKCE, device codes, refresh tokens that may rotate.
//!
//! As strict as RFC 6749, 7636 and 8628 and the providers' pages permit: a code is used once, with the verifier, the
//! redirect address and the client that it was asked for with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Kind;
use super::http::{Ask, Reply};

/// The one client that is known.
pub(super) const CLIENT: &str = "client-of-the-test";
/// Its secret, which Google asks for.
pub(super) const SECRET: &str = "secret-of-the-test";

struct Code {
    challenge: String,
    redirect: Option<String>,
    is_offline: bool,
}

struct Device {
    user_code: String,
    is_approved: bool,
    asked: Option<Instant>,
}

/// What the authority remembers.
#[derive(Default)]
pub(super) struct Authority {
    count: u64,
    codes: BTreeMap<String, Code>,
    devices: BTreeMap<String, Device>,
    access: BTreeSet<String>,
    refresh: BTreeSet<String>,
    used_up: BTreeSet<String>,
    /// Whether a refresh token is used up when it is used, and its reuse ends the whole sign-in.
    pub(super) is_strict: bool,
    pub(super) refreshes: u64,
}

fn error(status: u16, name: &str) -> Reply {
    Reply::json(status, &json!({ "error": name, "error_description": format!("{name} Trace ID: 1") }))
}

impl Authority {
    fn fresh(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind}-PLANTED-{}", self.count)
    }

    pub(super) fn new_refresh_token(&mut self) -> String {
        let token = self.fresh("refresh");
        self.refresh.insert(token.clone());
        token
    }

    pub(super) fn knows(&self, access: &str) -> bool {
        self.access.contains(access)
    }

    pub(super) fn end_access_tokens(&mut self) {
        self.access.clear();
    }

    pub(super) fn end_sign_ins(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }

    pub(super) fn approve_all_devices(&mut self) -> usize {
        self.devices.values_mut().for_each(|device| device.is_approved = true);
        self.devices.len()
    }

    /// Answers what is about signing in; nothing for everything else.
    pub(super) fn answer(&mut self, kind: Kind, ask: &Ask) -> Option<Reply> {
        let (authorize, token, device) = match kind {
            Kind::Dropbox => ("/oauth2/authorize", "/oauth2/token", ""),
            Kind::Drive => ("/o/oauth2/v2/auth", "/token", "/device/code"),
            Kind::OneDrive => (
                "/common/oauth2/v2.0/authorize",
                "/common/oauth2/v2.0/token",
                "/common/oauth2/v2.0/devicecode",
            ),
        };
        match (ask.method.as_str(), ask.path.as_str()) {
            ("GET", path) if path == authorize => Some(self.authorize(kind, ask)),
            ("POST", path) if path == token || path == device => {
                if ask.header("content-type") != Some("application/x-www-form-urlencoded") {
                    return Some(error(400, "invalid_request"));
                }
                let form = ask.form();
                let field = |name: &str| form.get(name).map_or("", String::as_str);
                if field("client_id") != CLIENT {
                    return Some(error(401, "invalid_client"));
                }
                if path == device {
                    return Some(self.begin_device(kind, field("scope")));
                }
                if kind == Kind::Drive && field("client_secret") != SECRET {
                    return Some(error(401, "invalid_client"));
                }
                Some(match field("grant_type") {
                    "authorization_code" => self.redeem(kind, &form),
                    "refresh_token" => self.renew(kind, field("refresh_token")),
                    "urn:ietf:params:oauth:grant-type:device_code" => self.poll(kind, field("device_code")),
                    _ => error(400, "unsupported_grant_type"),
                })
            }
            _ => None,
        }
    }

    fn authorize(&mut self, kind: Kind, ask: &Ask) -> Reply {
        let field = |name: &str| ask.query(name).unwrap_or_default();
        let redirect = ask.query("redirect_uri").map(str::to_owned);
        let has_right_redirect = match kind {
            // Redirect addresses are registered whole there: a free port has none.
            Kind::Dropbox => redirect.is_none(),
            Kind::Drive => field("redirect_uri").starts_with("http://127.0.0.1:"),
            Kind::OneDrive => field("redirect_uri").starts_with("http://localhost:"),
        };
        let is_offline = match kind {
            Kind::Dropbox => field("token_access_type") == "offline",
            Kind::Drive => field("access_type") == "offline",
            Kind::OneDrive => field("scope").split(' ').any(|scope| scope == "offline_access"),
        };
        let is_fine = field("client_id") == CLIENT
            && field("response_type") == "code"
            && field("code_challenge").len() == 43
            && field("code_challenge_method") == "S256"
            && has_scope(kind, field("scope"))
            && has_right_redirect;
        if !is_fine {
            return error(400, "invalid_request");
        }
        let code = self.fresh("code");
        let challenge = field("code_challenge").to_owned();
        self.codes.insert(code.clone(), Code { challenge, redirect: redirect.clone(), is_offline });
        match redirect {
            None => Reply::new(200, code.into_bytes()),
            Some(redirect) => {
                let target = format!("{redirect}/?code={code}&state={}", field("state"));
                Reply::new(302, Vec::new()).header("location", target)
            }
        }
    }

    fn redeem(&mut self, kind: Kind, form: &BTreeMap<String, String>) -> Reply {
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let Some(code) = self.codes.remove(field("code")) else { return error(400, "invalid_grant") };
        let hash = safelight_crypto::sha256(&[field("code_verifier").as_bytes()]);
        let is_right = data_encoding::BASE64URL_NOPAD.encode(&hash) == code.challenge
            && form.get("redirect_uri") == code.redirect.as_ref()
            && (43..=128).contains(&field("code_verifier").len());
        if is_right { self.tokens(kind, code.is_offline) } else { error(400, "invalid_grant") }
    }

    fn tokens(&mut self, kind: Kind, is_offline: bool) -> Reply {
        let mut answer = self.access_token(kind);
        if is_offline {
            answer["refresh_token"] = self.new_refresh_token().into();
        }
        Reply::json(200, &answer)
    }

    fn access_token(&mut self, kind: Kind) -> Value {
        let access = self.fresh("access");
        self.access.insert(access.clone());
        let seconds = if kind == Kind::Dropbox { 14_400 } else { 3_599 };
        json!({ "access_token": access, "token_type": "Bearer", "expires_in": seconds })
    }

    fn renew(&mut self, kind: Kind, token: &str) -> Reply {
        if self.used_up.contains(token) {
            // Somebody uses a token that was replaced: it may have been stolen, so all end (RFC 9700 §4.14.2).
            self.end_sign_ins();
        }
        if !self.refresh.contains(token) {
            return error(400, "invalid_grant");
        }
        self.refreshes += 1;
        let mut answer = self.access_token(kind);
        if kind == Kind::OneDrive || self.is_strict {
            answer["refresh_token"] = self.new_refresh_token().into();
        }
        if self.is_strict {
            self.refresh.remove(token);
            self.used_up.insert(token.to_owned());
        }
        Reply::json(200, &answer)
    }

    fn begin_device(&mut self, kind: Kind, scope: &str) -> Reply {
        if !has_scope(kind, scope) {
            return error(400, "invalid_scope");
        }
        let (code, user_code) = (self.fresh("device"), format!("CODE-{}", self.count));
        let device = Device { user_code: user_code.clone(), is_approved: false, asked: None };
        self.devices.insert(code.clone(), device);
        let name = if kind == Kind::Drive { "verification_url" } else { "verification_uri" };
        let answer = json!({
            "device_code": code, "user_code": user_code, name: "https://example.com/device",
            "expires_in": 900, "interval": 1,
        });
        Reply::json(200, &answer)
    }

    fn poll(&mut self, kind: Kind, code: &str) -> Reply {
        // Google refuses by 428 and 403, the standard by 400.
        let pending = if kind == Kind::Drive { 428 } else { 400 };
        let Some(device) = self.devices.get_mut(code) else { return error(400, "invalid_grant") };
        let is_hasty = device.asked.is_some_and(|at| at.elapsed() < Duration::from_millis(900));
        device.asked = Some(Instant::now());
        if is_hasty {
            return error(if kind == Kind::Drive { 403 } else { 400 }, "slow_down");
        }
        if !device.is_approved {
            return error(pending, "authorization_pending");
        }
        debug_assert!(!device.user_code.is_empty(), "a code is never empty");
        self.devices.remove(code);
        self.tokens(kind, true)
    }
}

fn has_scope(kind: Kind, scope: &str) -> bool {
    let has = |wanted: &str| scope.split(' ').any(|scope| scope == wanted);
    match kind {
        Kind::Dropbox => {
            has("files.content.write") && has("files.content.read") && has("files.metadata.read")
        }
        Kind::Drive => has("https://www.googleapis.com/auth/drive.file"),
        Kind::OneDrive => has("Files.ReadWrite.AppFolder") && has("offline_access"),
    }
}
