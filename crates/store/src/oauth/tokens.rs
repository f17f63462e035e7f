//! Access tokens while a remote is used, and the refresh token behind them.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{OAuthCredential, OAuthError, Provider, TokenAnswer, post};
use crate::credential::{RemoteCredential, SecretText};
use crate::http::Http;

/// How long before its end a token is replaced.
const RENEW_BEFORE: Duration = Duration::from_secs(120);
/// How long a token is used that does not say.
const USUAL_VALIDITY: Duration = Duration::from_secs(600);
/// How long a token is used at most, whatever it says.
const LONGEST_VALIDITY: Duration = Duration::from_secs(86_400);

/// Keeps the credential of a remote where it survives this process and where other processes see it.
pub trait CredentialKeeper: fmt::Debug + Send + Sync {
    /// Waits until no other process replaces the credential, and keeps them out until the answer is dropped. Blocks.
    ///
    /// # Errors
    /// The system's error.
    fn take(&self) -> io::Result<Box<dyn KeptCredential>>;
}

/// The kept credential of a remote, which nobody else replaces meanwhile.
pub trait KeptCredential: Send {
    /// The credential as it is kept now; another process may have replaced the one that was read first.
    ///
    /// # Errors
    /// The system's error.
    fn current(&self) -> io::Result<Option<RemoteCredential>>;

    /// Replaces it; durable when this answers.
    ///
    /// # Errors
    /// The system's error; then the old one is still kept.
    fn replace(&mut self, credential: &RemoteCredential) -> io::Result<()>;
}

struct State {
    refresh: SecretText,
    /// Whether the refresh token came from the provider and is not kept yet.
    is_unkept: bool,
    access: Option<(SecretText, SystemTime)>,
}

/// Hands out access tokens.
pub(crate) struct Tokens {
    provider: Provider,
    token_url: String,
    client: OAuthCredential,
    keeper: Option<Arc<dyn CredentialKeeper>>,
    http: Http,
    /// Held while a token is fetched, so that eight uploads ask once.
    state: tokio::sync::Mutex<State>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tokens").field("provider", &self.provider).finish_non_exhaustive()
    }
}

impl Tokens {
    /// From a credential with which somebody signed in.
    ///
    /// # Errors
    /// [`OAuthError::SignedOut`].
    pub(crate) fn new(
        provider: Provider,
        token_url: String,
        credential: OAuthCredential,
        keeper: Option<Arc<dyn CredentialKeeper>>,
        http: Http,
    ) -> Result<Self, OAuthError> {
        let Some(refresh) = credential.refresh_token.clone() else {
            return Err(OAuthError::SignedOut { provider: provider.name() });
        };
        let state = tokio::sync::Mutex::new(State { refresh, is_unkept: false, access: None });
        Ok(Self { provider, token_url, client: credential, keeper, http, state })
    }

    /// A token that holds for a while; `refused` is one that the service did not accept although it should.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub(crate) async fn access(&self, refused: Option<&SecretText>) -> Result<SecretText, OAuthError> {
        let mut state = self.state.lock().await;
        if let Some((token, expires)) = &state.access
            && refused != Some(token)
            && SystemTime::now() + RENEW_BEFORE < *expires
        {
            return Ok(token.clone());
        }
        state.access = None;
        self.renew(&mut state).await?;
        match &state.access {
            Some((token, _)) => Ok(token.clone()),
            None => Err(self.provider.refused("its answer holds no token")),
        }
    }

    async fn renew(&self, state: &mut State) -> Result<(), OAuthError> {
        let mut kept = self.take_kept().await?;
        if let Some(kept) = &mut kept {
            if state.is_unkept {
                self.keep(&mut **kept, state)?;
            }
            // Another process may have renewed it since: then ours is used up.
            if let Some(RemoteCredential::OAuth(other)) =
                kept.current().map_err(|error| self.not_kept(&error))?
                && let Some(refresh) = other.refresh_token
            {
                state.refresh = refresh;
            }
        }
        let answer = self.ask(&state.refresh).await?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(new) = text("refresh_token").map(SecretText::new)
            && new != state.refresh
        {
            // The old one may be used up with this answer: the new one is kept before anything else is done.
            (state.refresh, state.is_unkept) = (new, true);
            if let Some(kept) = &mut kept {
                self.keep(&mut **kept, state)?;
            }
        }
        drop(kept);
        let Some(token) = text("access_token") else {
            return Err(self.provider.refused("its answer holds no token"));
        };
        let seconds = answer.get("expires_in").and_then(Value::as_u64);
        let validity = seconds.map_or(USUAL_VALIDITY, Duration::from_secs);
        // A token that ends sooner than it would be replaced is still used once.
        let validity = validity.clamp(RENEW_BEFORE + Duration::from_secs(1), LONGEST_VALIDITY);
        let expires = SystemTime::now() + validity;
        state.access = Some((SecretText::new(token), expires));
        Ok(())
    }

    async fn take_kept(&self) -> Result<Option<Box<dyn KeptCredential>>, OAuthError> {
        let Some(keeper) = self.keeper.clone() else { return Ok(None) };
        let taken = tokio::task::spawn_blocking(move || keeper.take()).await;
        let taken = taken.unwrap_or_else(|error| Err(io::Error::other(error)));
        taken.map(Some).map_err(|error| self.not_kept(&error))
    }

    fn keep(&self, kept: &mut dyn KeptCredential, state: &mut State) -> Result<(), OAuthError> {
        let credential =
            OAuthCredential { refresh_token: Some(state.refresh.clone()), ..self.client.clone() };
        kept.replace(&RemoteCredential::OAuth(credential)).map_err(|error| self.not_kept(&error))?;
        state.is_unkept = false;
        Ok(())
    }

    fn not_kept(&self, error: &io::Error) -> OAuthError {
        OAuthError::NotKept { provider: self.provider.name(), message: error.to_string() }
    }

    async fn ask(&self, refresh: &SecretText) -> Result<Value, OAuthError> {
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("client_id", self.client.client_id.as_str()),
            ("refresh_token", refresh.expose()),
        ];
        if let Some(secret) = &self.client.client_secret {
            fields.push(("client_secret", secret.expose()));
        }
        if self.provider == Provider::Microsoft {
            fields.push(("scope", self.provider.scope()));
        }
        match post(&self.http, self.provider, &self.token_url, &fields).await? {
            TokenAnswer::Given(answer) => Ok(answer),
            TokenAnswer::Error(name, message)
                if name == "invalid_grant" || name == "interaction_required" =>
            {
                Err(OAuthError::Ended { provider: self.provider.name(), message })
            }
            TokenAnswer::Error(name, message) => Err(self.provider.refused(joined(&name, &message))),
        }
    }
}

pub(super) fn joined(name: &str, message: &str) -> String {
    if message.is_empty() { name.to_owned() } else { format!("{name}: {message}") }
}
