//! Somebody signs in: by a browser on this machine, by a code typed elsewhere, or by a code pasted here.
//!
//! The browser comes back to a listener on 127.0.0.1 whose port is random (RFC 8252 §7.3). Only a request that
//! carries the random `state` is heard; the code in it is worth nothing without the verifier that never leaves this
//! process (RFC 7636, S256).

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::tokens::joined;
use super::{Endpoints, OAuthCredential, OAuthError, Provider, TokenAnswer, form, post, random_text};
use crate::address::RemoteAddress;
use crate::credential::{RemoteCredential, SecretText};
use crate::error::{Operation, StoreError};
use crate::http::{Asked, Http, HttpOptions, decode};

/// How long somebody may take.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// How often somebody's wish to stop is looked for.
const LOOK: Duration = Duration::from_millis(150);
/// The longest request of a browser that is read.
const MOST_REQUEST_BYTES: usize = 16 << 10;
/// How long a connection to the listener may take to say what it wants.
const CONNECTION_WITHIN: Duration = Duration::from_secs(5);
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How somebody signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInWay {
    /// As the provider does it best: Google and Microsoft by a browser here, Dropbox by a code that is pasted.
    Usual,
    /// By a short code that is typed on another device.
    DeviceCode,
}

/// Talks to whoever signs in.
pub trait SignInTalk: Sync {
    /// Shows an address, and opens it in a browser if there is one.
    fn open(&self, url: &str);

    /// Shows where to type which code.
    fn show_code(&self, url: &str, code: &str);

    /// Shows an address and asks for the code that it ends with. Blocks.
    ///
    /// # Errors
    /// When nobody can be asked.
    fn ask_code(&self, url: &str) -> io::Result<SecretText>;

    /// Whether somebody wants to stop.
    fn is_stopped(&self) -> bool {
        false
    }
}

/// One sign-in.
struct SignIn<'a> {
    provider: Provider,
    endpoints: Endpoints,
    client: OAuthCredential,
    http: Http,
    talk: &'a dyn SignInTalk,
}

/// Lets somebody sign in with the client of `credential`; the answer is the same credential with its refresh token.
///
/// Cancellation-safe: nothing is kept anywhere.
///
/// # Errors
/// [`StoreError::Refused`] for an address or a credential without sign-in, [`StoreError::Unsupported`] for a way
/// that the provider has not, [`StoreError::Denied`] and [`StoreError::Network`] with an [`OAuthError`].
pub async fn sign_in(
    address: &RemoteAddress,
    credential: RemoteCredential,
    way: SignInWay,
    options: &HttpOptions,
    talk: &dyn SignInTalk,
) -> Result<RemoteCredential, StoreError> {
    let label = address.to_string();
    let asked = Asked { place: &label, operation: Operation::Open, object: "the account" };
    let Some((provider, cloud)) = Provider::of(address) else {
        return Err(asked.nonsense("nobody signs in to this kind of place"));
    };
    let RemoteCredential::OAuth(client) = credential else {
        return Err(asked.nonsense("signing in takes a client id (--client-id, or client_id in the file)"));
    };
    let http = Http::new(options).map_err(|fault| asked.network(fault))?;
    let endpoints = provider.endpoints(cloud.endpoint.as_deref(), client.tenant.as_deref());
    let sign_in = SignIn { provider, endpoints, client, http, talk };
    let answer = match (way, provider) {
        (SignInWay::DeviceCode, Provider::Dropbox) => {
            return Err(
                asked.unsupported("Dropbox has no device codes; its own way needs no browser here either")
            );
        }
        (SignInWay::DeviceCode, _) => sign_in.by_device_code().await,
        (SignInWay::Usual, Provider::Dropbox) => sign_in.by_pasted_code().await,
        (SignInWay::Usual, _) => sign_in.by_browser().await,
    };
    let refresh = answer.map_err(|error| error.meaning(asked))?;
    let signed_in = OAuthCredential { refresh_token: Some(refresh), ..sign_in.client };
    Ok(RemoteCredential::OAuth(signed_in))
}

impl SignIn<'_> {
    /// The address that the browser opens. It holds no secret: the challenge is a hash.
    fn authorize_url(&self, verifier: &SecretText, state: Option<&str>, redirect: Option<&str>) -> String {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.expose().as_bytes());
        let challenge = data_encoding::BASE64URL_NOPAD.encode(hash.as_ref());
        let mut fields = vec![
            ("client_id", self.client.client_id.as_str()),
            ("response_type", "code"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
            ("scope", self.provider.scope()),
        ];
        fields.extend(state.map(|state| ("state", state)));
        fields.extend(redirect.map(|redirect| ("redirect_uri", redirect)));
        match self.provider {
            Provider::Dropbox => fields.push(("token_access_type", "offline")),
            Provider::Google => fields.extend([("access_type", "offline"), ("prompt", "consent")]),
            Provider::Microsoft => fields.push(("prompt", "select_account")),
        }
        format!("{}?{}", self.endpoints.authorize, form(&fields))
    }

    async fn by_browser(&self) -> Result<SecretText, OAuthError> {
        let fail = |error: io::Error| self.provider.refused(format!("no listener on this machine: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(fail)?;
        let port = listener.local_addr().map_err(fail)?.port();
        // Microsoft lets the port be free for `localhost`, Google for the number.
        let host = if self.provider == Provider::Microsoft { "localhost" } else { "127.0.0.1" };
        let redirect = format!("http://{host}:{port}");
        let (verifier, state) = (random_text().map_err(fail)?, random_text().map_err(fail)?);
        self.talk.open(&self.authorize_url(&verifier, Some(state.expose()), Some(&redirect)));
        let until = Instant::now() + PATIENCE;
        let code = loop {
            self.check_patience(until)?;
            let Ok(accepted) = tokio::time::timeout(LOOK, listener.accept()).await else { continue };
            let (connection, _) = accepted.map_err(fail)?;
            let heard = tokio::time::timeout(CONNECTION_WITHIN, self.hear(connection, state.expose())).await;
            // Anything else is a browser that asks for an icon, or somebody who does not know the state.
            if let Ok(Some(result)) = heard {
                break result?;
            }
        };
        self.exchange(&code, &verifier, Some(&redirect)).await
    }

    /// Reads one request of a browser and answers it; nothing unless it carries the state.
    async fn hear(&self, mut connection: TcpStream, state: &str) -> Option<Result<SecretText, OAuthError>> {
        let mut request = zeroize::Zeroizing::new(Vec::new());
        while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < MOST_REQUEST_BYTES {
            let mut piece = [0; 2048];
            match connection.read(&mut piece).await {
                Ok(read) if read > 0 => request.extend_from_slice(piece.get(..read).unwrap_or_default()),
                _ => break,
            }
        }
        let first = std::str::from_utf8(&request).ok()?.lines().next()?;
        let target = first.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let field = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == wanted).and_then(|(_, value)| decode(&value.replace('+', " ")))
        };
        let is_ours = field("state").as_deref() == Some(state);
        let heard = match (is_ours, field("code"), field("error")) {
            (true, Some(code), None) => Some(Ok(SecretText::new(code))),
            (true, _, Some(error)) => {
                let message = field("error_description").unwrap_or_default();
                Some(Err(self
                    .provider
                    .refused(joined(&super::first_line(&error), &super::first_line(&message)))))
            }
            _ => None,
        };
        let (status, text) = match &heard {
            Some(Ok(_)) => ("200 OK", "Safelight is signed in. You can close this window."),
            Some(Err(_)) => ("200 OK", "Safelight was not signed in. You can close this window."),
            None => ("400 Bad Request", "This is not the answer that Safelight waits for."),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
             cache-control: no-store\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n{text}",
            text.len()
        );
        // Whoever does not want the answer does not need it.
        let _gone = connection.write_all(answer.as_bytes()).await;
        let _gone = connection.shutdown().await;
        heard
    }

    async fn by_pasted_code(&self) -> Result<SecretText, OAuthError> {
        let fail = |error: io::Error| self.provider.refused(error.to_string());
        let verifier = random_text().map_err(fail)?;
        let asked = self.talk.ask_code(&self.authorize_url(&verifier, None, None));
        let code = asked.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::Interrupted => OAuthError::Stopped,
            _ => fail(error),
        })?;
        let code = SecretText::new(code.expose().trim());
        if code.expose().is_empty() {
            return Err(OAuthError::Stopped);
        }
        self.exchange(&code, &verifier, None).await
    }

    /// Turns a code into a refresh token.
    async fn exchange(
        &self,
        code: &SecretText,
        verifier: &SecretText,
        redirect: Option<&str>,
    ) -> Result<SecretText, OAuthError> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("client_id", self.client.client_id.as_str()),
            ("code_verifier", verifier.expose()),
        ];
        fields.extend(redirect.map(|redirect| ("redirect_uri", redirect)));
        fields.extend(self.client.client_secret.as_ref().map(|secret| ("client_secret", secret.expose())));
        match post(&self.http, self.provider, &self.endpoints.token, &fields).await? {
            TokenAnswer::Given(answer) => self.refresh_token(&answer),
            TokenAnswer::Error(name, message) => Err(self.provider.refused(joined(&name, &message))),
        }
    }

    fn refresh_token(&self, answer: &Value) -> Result<SecretText, OAuthError> {
        let token = answer.get("refresh_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        token.map(SecretText::new).ok_or_else(|| {
            self.provider
                .refused("it gave a token that cannot be renewed; the client must be allowed offline access")
        })
    }

    async fn by_device_code(&self) -> Result<SecretText, OAuthError> {
        let Some(device) = &self.endpoints.device else {
            return Err(self.provider.refused("it has no device codes"));
        };
        let fields = [("client_id", self.client.client_id.as_str()), ("scope", self.provider.scope())];
        let answer = match post(&self.http, self.provider, device, &fields).await? {
            TokenAnswer::Given(answer) => answer,
            TokenAnswer::Error(name, message) => return Err(self.provider.refused(joined(&name, &message))),
        };
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        // Google says verification_url, the standard verification_uri.
        let url = text("verification_uri").or_else(|| text("verification_url"));
        let (Some(code), Some(user_code), Some(url)) = (text("device_code"), text("user_code"), url) else {
            return Err(self.provider.refused("its answer holds no device code"));
        };
        let number = |name: &str| answer.get(name).and_then(Value::as_u64);
        let mut interval = Duration::from_secs(number("interval").unwrap_or(5).clamp(1, 60));
        let until = Instant::now() + number("expires_in").map_or(PATIENCE, Duration::from_secs).min(PATIENCE);
        self.talk.show_code(url, user_code);
        let mut fields =
            vec![("grant_type", DEVICE_GRANT), ("device_code", code), ("client_id", &self.client.client_id)];
        fields.extend(self.client.client_secret.as_ref().map(|secret| ("client_secret", secret.expose())));
        loop {
            self.wait(interval, until).await?;
            match post(&self.http, self.provider, &self.endpoints.token, &fields).await {
                Ok(TokenAnswer::Given(answer)) => return self.refresh_token(&answer),
                Ok(TokenAnswer::Error(name, message)) => match name.as_str() {
                    "authorization_pending" => {}
                    // RFC 8628 §3.5.
                    "slow_down" => interval += Duration::from_secs(5),
                    "expired_token" | "code_expired" => return Err(self.too_late()),
                    _ => return Err(self.provider.refused(joined(&name, &message))),
                },
                // The network may come back.
                Err(OAuthError::Unreachable { .. }) => interval = (interval * 2).min(PATIENCE),
                Err(error) => return Err(error),
            }
        }
    }

    async fn wait(&self, interval: Duration, until: Instant) -> Result<(), OAuthError> {
        let next = Instant::now() + interval;
        while Instant::now() < next {
            self.check_patience(until)?;
            tokio::time::sleep(LOOK.min(next - Instant::now())).await;
        }
        Ok(())
    }

    fn check_patience(&self, until: Instant) -> Result<(), OAuthError> {
        if self.talk.is_stopped() {
            return Err(OAuthError::Stopped);
        }
        if Instant::now() >= until { Err(self.too_late()) } else { Ok(()) }
    }

    const fn too_late(&self) -> OAuthError {
        OAuthError::TooLate { provider: self.provider.name(), minutes: PATIENCE.as_secs() / 60 }
    }
}
