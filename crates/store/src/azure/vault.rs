//! A key of Azure Key Vault or of a managed HSM: it wraps a small secret and gives it back, and never leaves the vault.
//!
//! `wrapkey` and `unwrapkey` with RSA-OAEP-256
//! (<https://learn.microsoft.com/rest/api/keyvault/keys/wrap-key/wrap-key>), proven by the machine's own identity.
//!
//! Invariants: a token goes to hosts of Azure's own key vaults alone, whatever names a key, and over HTTPS; a stand-in on this
//! machine is asked only where the identity is a stand-in's as well. Neither secrets nor tokens are in an error or a trace.

use std::fmt;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::environment::AzureEnvironment;
use super::identity::{AzureIdentity, IdentityError};
use crate::http::{Http, HttpOptions, NetworkFault, Reply, retry_after};

const API_VERSION: &str = "7.4";
const ALGORITHM: &str = "RSA-OAEP-256";
/// The vaults of Azure's clouds. A token for one of them is for `https://` and this.
const DOMAINS: [&str; 6] = [
    "vault.azure.net",
    "managedhsm.azure.net",
    "vault.azure.cn",
    "managedhsm.azure.cn",
    "vault.usgovcloudapi.net",
    "managedhsm.usgovcloudapi.net",
];
/// Answers hold a key id and one wrapped secret.
const MOST_ANSWER_BYTES: u64 = 64 << 10;
/// A vault is asked while somebody waits.
const STALL: Duration = Duration::from_secs(20);

/// Which key of which vault; with its version, where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultKey {
    /// Scheme and host, and for a stand-in the port.
    vault: String,
    name: String,
    version: Option<String>,
}

impl VaultKey {
    /// Reads `https://VAULT.vault.azure.net/keys/NAME`, or the same with a version behind it.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text.trim())
            .map_err(|_| "a key is named as https://VAULT.vault.azure.net/keys/NAME")?;
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_bare {
            return Err("the address of a key has no name, password, question mark or #");
        }
        let vault = url.origin().ascii_serialization();
        let parts: Vec<&str> = url.path().trim_matches('/').split('/').collect();
        let (name, version) = match parts.as_slice() {
            ["keys", name] => (*name, None),
            ["keys", name, version] => (*name, Some((*version).to_owned())),
            _ => return Err("behind the vault stands /keys/NAME"),
        };
        Self::of(vault, name.to_owned(), version)
    }

    /// The same from its parts.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn of(vault: String, name: String, version: Option<String>) -> Result<Self, &'static str> {
        let url = Url::parse(&vault).map_err(|_| "a vault has an address")?;
        let host = url.host_str().unwrap_or_default();
        let is_azure = url.scheme() == "https" && url.port().is_none() && domain_of(host).is_some();
        let is_stand_in = url.scheme() == "http" && host == "127.0.0.1";
        if url.origin().ascii_serialization() != vault || !(is_azure || is_stand_in) {
            return Err("a vault is https: and a host of Azure's key vaults");
        }
        let is_plain = |text: &str, most: usize| {
            (1..=most).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if !is_plain(&name, 127) || version.as_deref().is_some_and(|version| !is_plain(version, 64)) {
            return Err("names and versions of keys are letters, digits and dashes");
        }
        Ok(Self { vault, name, version })
    }

    /// The vault's address.
    #[must_use]
    pub fn vault(&self) -> &str {
        &self.vault
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's version, where it is known.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn is_stand_in(&self) -> bool {
        self.vault.starts_with("http:")
    }

    /// What a token for it is for.
    fn resource(&self) -> String {
        let host = self.vault.strip_prefix("https://").and_then(domain_of);
        format!("https://{}", host.unwrap_or("vault.azure.net"))
    }
}

impl fmt::Display for VaultKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/keys/{}", self.vault, self.name)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(formatter, "/{version}"))
    }
}

/// The domain of a vault's host, which has one more part in front.
fn domain_of(host: &str) -> Option<&'static str> {
    let (vault, domain) = host.split_once('.')?;
    let domain = DOMAINS.into_iter().find(|known| *known == domain)?;
    (!vault.is_empty()).then_some(domain)
}

/// Why a vault did not do what it was asked. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// It could not be asked: nobody is signed in, it cannot be reached, it asks to wait.
    #[error("{0}")]
    Unasked(String),
    /// It said no.
    #[error("{0}")]
    Denied(String),
    /// It has no such key, or another one than that which wrapped this.
    #[error("{0}")]
    Foreign(String),
    /// It answered something that makes no sense.
    #[error("{0}")]
    Failed(String),
}

/// Asks vaults, with the machine's own identity.
#[derive(Debug)]
pub struct KeyVault {
    environment: AzureEnvironment,
    http: Http,
}

impl KeyVault {
    /// Prepares to ask; no request is made.
    ///
    /// # Errors
    /// [`VaultError::Failed`] where no TLS can be spoken.
    pub fn new(environment: AzureEnvironment) -> Result<Self, VaultError> {
        let options = HttpOptions { stall: STALL, ..HttpOptions::default() };
        let http = Http::new(&options).map_err(|fault| VaultError::Failed(whole(&fault)))?;
        Ok(Self { environment, http })
    }

    /// Wraps a secret, and says with which version of the key.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn wrap(&self, key: &VaultKey, secret: &[u8]) -> Result<(VaultKey, Vec<u8>), VaultError> {
        let identity = self.identity(key)?;
        let key = match key.version {
            Some(_) => key.clone(),
            None => self.newest(&identity, key).await?,
        };
        let answer = self.operate(&identity, &key, "wrapkey", secret).await?;
        let wrapped = value_of(&answer).ok_or_else(|| nonsense(&key))?;
        Ok((key, wrapped.to_vec()))
    }

    /// Gives a wrapped secret back.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn unwrap(&self, key: &VaultKey, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let identity = self.identity(key)?;
        let answer = self.operate(&identity, key, "unwrapkey", wrapped).await?;
        value_of(&answer).ok_or_else(|| nonsense(key))
    }

    fn identity(&self, key: &VaultKey) -> Result<AzureIdentity, VaultError> {
        let authority = self.environment.authority_host.as_deref().unwrap_or_default();
        if key.is_stand_in() && !authority.starts_with("http://127.0.0.1:") {
            return Err(VaultError::Denied(format!("{} is no vault of Azure's", key.vault)));
        }
        Ok(AzureIdentity::for_resource(self.environment.clone(), self.http.clone(), key.resource()))
    }

    /// The key with its newest version.
    async fn newest(&self, identity: &AzureIdentity, key: &VaultKey) -> Result<VaultKey, VaultError> {
        let url = format!("{}/keys/{}?api-version={API_VERSION}", key.vault, key.name);
        let answer = self.ask(identity, key, "read", self.http.request(Method::GET, &url)).await?;
        let kind = answer.pointer("/key/kty").and_then(Value::as_str).unwrap_or_default();
        if !kind.starts_with("RSA") {
            return Err(VaultError::Failed(format!("{key} is no RSA key, which is needed to wrap with")));
        }
        let id = answer.pointer("/key/kid").and_then(Value::as_str).unwrap_or_default();
        let found = VaultKey::parse(id).map_err(|_| nonsense(key))?;
        // Another vault's key would be asked from then on.
        if found.vault != key.vault || found.name != key.name || found.version.is_none() {
            return Err(nonsense(key));
        }
        Ok(found)
    }

    async fn operate(
        &self,
        identity: &AzureIdentity,
        key: &VaultKey,
        operation: &str,
        value: &[u8],
    ) -> Result<Value, VaultError> {
        let version = key.version.as_deref().unwrap_or_default();
        let url = format!("{}/keys/{}/{version}/{operation}?api-version={API_VERSION}", key.vault, key.name);
        let value = Zeroizing::new(BASE64URL_NOPAD.encode(value));
        let body = json!({ "alg": ALGORITHM, "value": value.as_str() }).to_string();
        let request = self.http.request(Method::POST, &url).header("content-type", "application/json");
        self.ask(identity, key, operation, request.body(body)).await
    }

    async fn ask(
        &self,
        identity: &AzureIdentity,
        key: &VaultKey,
        operation: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Value, VaultError> {
        let token = identity.token().await.map_err(|error| of_identity(&error))?;
        let request = request.bearer_auth(token.text.expose());
        let reply = self.http.send(request).await.map_err(|fault| unreached(key, &fault))?;
        if reply.status() != 200 {
            return Err(refused(key, operation, reply).await);
        }
        let bytes = reply.bytes(MOST_ANSWER_BYTES).await.map_err(|fault| unreached(key, &fault))?;
        serde_json::from_slice(&bytes).map_err(|_| nonsense(key))
    }
}

fn value_of(answer: &Value) -> Option<Zeroizing<Vec<u8>>> {
    let text = answer.get("value")?.as_str()?;
    BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok().map(Zeroizing::new)
}

fn of_identity(error: &IdentityError) -> VaultError {
    let said = format!("{error}; {}", error.hint());
    match error {
        IdentityError::Refused { .. } => VaultError::Denied(said),
        _ => VaultError::Unasked(said),
    }
}

fn nonsense(key: &VaultKey) -> VaultError {
    VaultError::Failed(format!("what {} answered is not what a key vault answers", key.vault))
}

fn unreached(key: &VaultKey, fault: &NetworkFault) -> VaultError {
    VaultError::Unasked(format!("{} could not be reached: {}", key.vault, whole(fault)))
}

/// An error with everything below it.
fn whole(fault: &dyn std::error::Error) -> String {
    let mut said = fault.to_string();
    let mut cause = fault.source();
    while let Some(inner) = cause {
        said = format!("{said}: {inner}");
        cause = inner.source();
    }
    said
}

/// What a refusal means. Of the vault's own words only its codes are shown.
async fn refused(key: &VaultKey, operation: &str, reply: Reply) -> VaultError {
    let status = reply.status();
    let wait = retry_after(reply.header("retry-after"), SystemTime::now());
    let answer: Value = serde_json::from_str(&reply.text().await).unwrap_or_default();
    let code = ["/error/innererror/code", "/error/code"]
        .into_iter()
        .find_map(|path| answer.pointer(path)?.as_str())
        .filter(|code| code.len() <= 60 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let code = code.map_or_else(String::new, |code| format!(" ({code})"));
    match status {
        401 => VaultError::Denied(format!(
            "{} does not accept this identity{code}: it must be of the vault's own tenant",
            key.vault
        )),
        403 => VaultError::Denied(format!(
            "{} does not permit to {operation} with the key {}{code}: it needs the role Key Vault Crypto User, and the \
             vault's firewall must let this machine in",
            key.vault, key.name
        )),
        404 => VaultError::Foreign(format!("{key} is not there{code}: it was deleted, or never was")),
        // What another key wrapped, or what was damaged, cannot be decrypted.
        400 if operation == "unwrapkey" => {
            VaultError::Foreign(format!("{key} does not open what the slot holds{code}"))
        }
        429 | 503 => VaultError::Unasked(format!(
            "{} asks to wait{}",
            key.vault,
            wait.map_or_else(String::new, |wait| format!(" {} s", wait.as_secs()))
        )),
        408 | 500..=599 => VaultError::Unasked(format!("{} answered {status}{code}", key.vault)),
        _ => VaultError::Failed(format!("{} answered {status}{code}", key.vault)),
    }
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
