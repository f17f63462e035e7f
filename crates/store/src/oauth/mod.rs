//! Signing in to Dropbox, Google Drive and OneDrive: OAuth 2.0 for programs that run on the user's own machine.
//!
//! Invariants: the user's password is never seen here; access tokens live in memory only; the refresh token is a
//! secret of the remote's credential, and one that a provider replaces is kept durably before the new access token
//! is used ([`CredentialKeeper`]). No token, code or secret is in an error, a trace or an address that is shown,
//! except for the address that the browser is to open, which holds none of them.
//!
//! The client id is the user's own: these providers ask whoever ships one to be reviewed by them, and a program
//! that everybody can read cannot keep the secret that belongs to it.
//!
//! Sources: RFC 6749, RFC 7636 (PKCE), RFC 8252 (native apps), RFC 8628 (device code); Dropbox *OAuth guide*
//! (<https://developers.dropbox.com/oauth-guide>); Google *OAuth 2.0 for mobile & desktop apps*
//! (<https://developers.google.com/identity/protocols/oauth2/native-app>) and *for limited-input devices*; Microsoft
//! *authorization code flow* (<https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>) and
//! *device authorization grant*. Not run against the real services by us.

mod sign_in;
mod tokens;

use std::io;

use serde_json::Value;

pub use sign_in::{SignInTalk, SignInWay, sign_in};
pub(crate) use tokens::Tokens;
pub use tokens::{CredentialKeeper, KeptCredential};

use crate::address::{CloudAddress, RemoteAddress};
use crate::credential::SecretText;
use crate::error::StoreError;
use crate::http::{Asked, Http, encode};

/// Whom people sign in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    Dropbox,
    Google,
    Microsoft,
}

/// A client of an OAuth provider, and the proof that somebody signed in with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthCredential {
    /// The id of the user's own client (Dropbox: app key).
    pub client_id: String,
    /// What some providers hand out with it; not secret for programs on a desktop, but treated as if it were.
    pub client_secret: Option<SecretText>,
    /// Microsoft's tenant; `common` where none is named.
    pub tenant: Option<String>,
    /// The proof; none before somebody signed in.
    pub refresh_token: Option<SecretText>,
}

/// Why no token was had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OAuthError {
    /// Nobody has signed in yet.
    #[error("nobody has signed in to {provider} yet")]
    SignedOut {
        /// Whom to sign in to.
        provider: &'static str,
    },
    /// The sign-in was withdrawn or has ended.
    #[error("the sign-in to {provider} has ended or was withdrawn{}", said(message))]
    Ended {
        /// Whom to sign in to again.
        provider: &'static str,
        /// What the provider says.
        message: String,
    },
    /// The provider refused, for a reason that signing in again does not change.
    #[error("{provider} refused the sign-in{}", said(message))]
    Refused {
        /// The provider.
        provider: &'static str,
        /// What it says.
        message: String,
    },
    /// The provider could not be asked.
    #[error("{provider} could not be asked for a token{}", said(message))]
    Unreachable {
        /// The provider.
        provider: &'static str,
        /// What happened.
        message: String,
    },
    /// A new refresh token could not be kept; it is still in memory and is tried again.
    #[error("the new sign-in of {provider} could not be kept{}", said(message))]
    NotKept {
        /// The provider.
        provider: &'static str,
        /// What happened.
        message: String,
    },
    /// Somebody took too long.
    #[error("nobody signed in to {provider} within {minutes} minutes")]
    TooLate {
        /// The provider.
        provider: &'static str,
        /// How long was waited.
        minutes: u64,
    },
    /// Somebody stopped it.
    #[error("the sign-in was stopped")]
    Stopped,
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl OAuthError {
    pub(crate) fn meaning(&self, asked: Asked<'_>) -> StoreError {
        let (place, operation, object) = (asked.place.to_owned(), asked.operation, asked.object.to_owned());
        let source = io::Error::other(self.clone());
        match self {
            Self::Unreachable { .. } => StoreError::Network { place, operation, object, source },
            Self::NotKept { .. } => StoreError::Io { place, operation, object, source },
            _ => StoreError::Denied { place, operation, object, source },
        }
    }

    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::SignedOut { .. } | Self::Ended { .. } => {
                "sign in again: safelight remote set NAME --sign-in"
            }
            Self::Refused { .. } => {
                "check the client id, its permissions and its redirect address at the provider (docs/guide/clouds.md)"
            }
            Self::TooLate { .. } | Self::Stopped => "start again; nothing was changed",
            Self::Unreachable { .. } | Self::NotKept { .. } => "try again later",
        }
    }
}

/// Where a provider is asked.
pub(crate) struct Endpoints {
    pub(crate) authorize: String,
    pub(crate) token: String,
    pub(crate) device: Option<String>,
}

impl Provider {
    pub(crate) const fn of(address: &RemoteAddress) -> Option<(Self, &CloudAddress)> {
        match address {
            RemoteAddress::Dropbox(cloud) => Some((Self::Dropbox, cloud)),
            RemoteAddress::GoogleDrive(cloud) => Some((Self::Google, cloud)),
            RemoteAddress::OneDrive(cloud) => Some((Self::Microsoft, cloud)),
            _ => None,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dropbox => "Dropbox",
            Self::Google => "Google",
            Self::Microsoft => "Microsoft",
        }
    }

    /// The real places, or those of a fake on this machine.
    pub(crate) fn endpoints(self, own: Option<&str>, tenant: Option<&str>) -> Endpoints {
        let at = |real: &str, path: &str| format!("{}{path}", own.unwrap_or(real));
        match self {
            Self::Dropbox => Endpoints {
                authorize: at("https://www.dropbox.com", "/oauth2/authorize"),
                token: at("https://api.dropboxapi.com", "/oauth2/token"),
                device: None,
            },
            Self::Google => Endpoints {
                authorize: at("https://accounts.google.com", "/o/oauth2/v2/auth"),
                token: at("https://oauth2.googleapis.com", "/token"),
                device: Some(at("https://oauth2.googleapis.com", "/device/code")),
            },
            Self::Microsoft => {
                let tenant = tenant.unwrap_or("common");
                let at = |path: &str| {
                    at("https://login.microsoftonline.com", &format!("/{tenant}/oauth2/v2.0/{path}"))
                };
                Endpoints { authorize: at("authorize"), token: at("token"), device: Some(at("devicecode")) }
            }
        }
    }

    /// The least that a library needs: the files that this client itself makes, and who is signed in.
    pub(crate) const fn scope(self) -> &'static str {
        match self {
            Self::Dropbox => "account_info.read files.metadata.read files.content.read files.content.write",
            Self::Google => "https://www.googleapis.com/auth/drive.file",
            Self::Microsoft => "Files.ReadWrite.AppFolder User.Read offline_access",
        }
    }

    fn refused(self, message: impl Into<String>) -> OAuthError {
        OAuthError::Refused { provider: self.name(), message: message.into() }
    }

    fn unreachable(self, message: impl Into<String>) -> OAuthError {
        OAuthError::Unreachable { provider: self.name(), message: message.into() }
    }
}

/// What a token endpoint answered.
enum TokenAnswer {
    Given(Value),
    /// The name of the error, and its description.
    Error(String, String),
}

/// Posts a form to one of the provider's endpoints.
async fn post(
    http: &Http,
    provider: Provider,
    url: &str,
    fields: &[(&str, &str)],
) -> Result<TokenAnswer, OAuthError> {
    let form = zeroize::Zeroizing::new(form(fields));
    let request = http
        .request(reqwest::Method::POST, url)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .body(form.as_bytes().to_vec());
    let reply = http.send(request).await.map_err(|fault| provider.unreachable(fault.to_string()))?;
    let status = reply.status();
    let text = zeroize::Zeroizing::new(reply.text().await);
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    match status {
        200 if answer.is_object() => Ok(TokenAnswer::Given(answer)),
        200 => Err(provider.refused("its answer is not the JSON that is expected")),
        429 | 500..=599 => Err(provider.unreachable(format!("it answered {status}"))),
        _ => {
            // Google says 403 with `rate_limit_exceeded`; everything else is 400 or 401 with a name.
            let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
            let name: String = text("error").chars().filter(char::is_ascii_graphic).take(64).collect();
            let name = if name.is_empty() { format!("status {status}") } else { name };
            Ok(TokenAnswer::Error(name, first_line(text("error_description"))))
        }
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    pairs.join("&")
}

/// The first line of a message, without what only its author understands, and not endless.
fn first_line(message: &str) -> String {
    let line = message.trim().lines().next().unwrap_or_default();
    let line = line.split(" Trace ID:").next().unwrap_or_default();
    line.chars().filter(|letter| !letter.is_control()).take(300).collect()
}

/// Random bytes as text that may stand in a URL.
fn random_text() -> io::Result<SecretText> {
    let mut random = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *random).map_err(|_| io::Error::other("the system has no random bytes"))?;
    Ok(SecretText::new(data_encoding::BASE64URL_NOPAD.encode(&*random)))
}
