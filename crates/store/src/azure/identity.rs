//! The machine's own identity in Azure: which source proves it, in the order that Microsoft's
//! `DefaultAzureCredential` documents, without ever asking a person.
//!
//! Why not `azure_identity`: its sources read the process's environment, which libraries here never do; it has
//! no chain any more; and its certificates need OpenSSL. The protocols are four small requests ([`super::source`]).
//!
//! Rules: a source that is *configured* and refused stops the chain with its own message, because going on
//! would hide a wrong secret behind "not signed in"; one that is merely *absent* lets the next be tried. The
//! first that worked is kept to.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::time::OffsetDateTime;

use super::environment::AzureEnvironment;
use super::source::{Answer as Said, STORAGE, Source, Token};
use crate::error::StoreError;
use crate::http::{Asked, Http};

/// How long before its end a token is replaced.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// Why no token was had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// No source is there at all.
    #[error("no Azure identity was found: {}", tried.join("; "))]
    None {
        /// What each source said.
        tried: Vec<String>,
    },
    /// A configured source was refused.
    #[error("{source_name}: {message}")]
    Refused {
        /// The source.
        source_name: &'static str,
        /// What it said.
        message: String,
    },
    /// A configured source could not be asked now.
    #[error("{source_name} could not be reached: {message}")]
    Unreachable {
        /// The source.
        source_name: &'static str,
        /// What happened.
        message: String,
    },
}

impl IdentityError {
    pub(super) fn meaning(&self, asked: Asked<'_>) -> StoreError {
        let (place, operation, object) = (asked.place.to_owned(), asked.operation, asked.object.to_owned());
        let source = io::Error::other(self.clone());
        match self {
            Self::Unreachable { .. } => StoreError::Network { place, operation, object, source },
            _ => StoreError::Denied { place, operation, object, source },
        }
    }

    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::None { .. } => {
                "sign in with az login, pass --credential-file, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
            }
            Self::Refused { .. } => "correct this source, or remove it so that the next one is used",
            Self::Unreachable { .. } => "try again later",
        }
    }
}

/// The machine's identity; hands out tokens for Azure Storage, or for another service of Azure's.
#[derive(Debug)]
pub struct AzureIdentity {
    environment: AzureEnvironment,
    http: Http,
    /// What its tokens are for.
    resource: String,
    /// Held while a token is fetched, so that eight uploads ask once.
    current: tokio::sync::Mutex<Option<Token>>,
    in_use: Mutex<Option<Source>>,
}

impl AzureIdentity {
    pub(crate) fn new(environment: AzureEnvironment, http: Http) -> Self {
        Self::for_resource(environment, http, STORAGE.to_owned())
    }

    /// The same with tokens for something else; an address without a slash at its end.
    pub(crate) fn for_resource(environment: AzureEnvironment, http: Http, resource: String) -> Self {
        let (current, in_use) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { environment, http, resource, current, in_use }
    }

    /// The source that gave the last token.
    pub fn source_in_use(&self) -> Option<String> {
        let source = *self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        source.map(|source| source.name().to_owned())
    }

    /// A token that holds for some minutes.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub(crate) async fn token(&self) -> Result<Token, IdentityError> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref()
            && SystemTime::now() + RENEW_BEFORE < token.expires
        {
            return Ok(token.clone());
        }
        let token = self.fetch().await?;
        *current = Some(token.clone());
        Ok(token)
    }

    async fn fetch(&self) -> Result<Token, IdentityError> {
        let kept = *self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let sources = kept.map_or_else(|| Source::ALL.to_vec(), |source| vec![source]);
        let mut tried = Vec::new();
        for source in sources {
            match source.ask(&self.environment, &self.http, &self.resource).await? {
                Said::Token(token) => {
                    *self.in_use.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
                    tracing::debug!(source = source.name(), "an Azure identity answered");
                    return Ok(token);
                }
                Said::Absent(why) => tried.push(why),
            }
        }
        Err(IdentityError::None { tried })
    }
}

#[async_trait]
impl TokenCredential for AzureIdentity {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let token =
            self.token().await.map_err(|error| azure_core::Error::new(ErrorKind::Credential, error))?;
        let secret = Secret::new(token.text.expose().to_owned());
        Ok(AccessToken::new(secret, OffsetDateTime::from(token.expires)))
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
