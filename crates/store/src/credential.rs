//! What proves to a remote that we may use it.
//!
//! Invariant: the secret parts are wiped when they go out of scope, and no `Debug` or error shows them. The
//! text form of [`RemoteCredential::to_bytes`] is that of a credential file, and is what `device.db` keeps.

use std::fmt;
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::address::RemoteAddress;
use crate::oauth::OAuthCredential;

/// A secret text: wiped when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes a text over.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself; for the request that needs it, never for a message.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

/// A text that is no credential. It says what was expected and repeats nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no credential: {0}")]
pub struct CredentialError(&'static str);

/// What proves to a remote that we may use it.
///
/// Where Azure is addressed without one, the machine's own identity is used (`AzureEnvironment`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteCredential {
    /// A shared access signature of Azure, without the question mark.
    AzureSas(SecretText),
    /// The key of an Azure account; only ever used to mint a short SAS.
    AzureAccountKey(SecretText),
    /// A pair of S3 keys.
    S3Keys {
        /// The public half.
        access_key_id: String,
        /// The secret half.
        secret_access_key: SecretText,
        /// Behind it, for temporary keys.
        session_token: Option<SecretText>,
    },
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: SecretText,
    },
    /// A bearer token.
    Token(SecretText),
    /// A client of an OAuth provider, and the proof that somebody signed in with it.
    OAuth(OAuthCredential),
}

impl RemoteCredential {
    /// A credential of its own for another device at the same place, where this one can mint it: from an account key of Azure
    /// a SAS for the container that reads and writes, and deletes nothing. Nothing for other kinds.
    #[must_use]
    pub fn lend(&self, address: &RemoteAddress, expires: SystemTime) -> Option<Self> {
        match (self, address) {
            (Self::AzureAccountKey(key), RemoteAddress::Azure(container)) => {
                crate::azure::lend(container, key, expires).map(Self::AzureSas)
            }
            _ => None,
        }
    }

    /// A credential for a device that only uploads, where this one can mint it: from an account key of Azure a SAS that creates
    /// objects that are not there, and reads, lists, replaces and deletes nothing. Nothing for other kinds.
    #[must_use]
    pub fn lend_to_create(&self, address: &RemoteAddress, expires: SystemTime) -> Option<Self> {
        match (self, address) {
            (Self::AzureAccountKey(key), RemoteAddress::Azure(container)) => {
                crate::azure::lend_to_create(container, key, expires).map(Self::AzureSas)
            }
            _ => None,
        }
    }

    /// A SAS, with or without the question mark.
    ///
    /// # Errors
    /// [`CredentialError`] when it carries no signature.
    pub fn azure_sas(query: &str) -> Result<Self, CredentialError> {
        let query = query.trim().trim_start_matches('?');
        let has = |name: &str| {
            query
                .split('&')
                .any(|pair| pair.split_once('=').is_some_and(|(key, value)| key == name && !value.is_empty()))
        };
        if !has("sig") || !has("sv") || query.contains(char::is_whitespace) {
            return Err(CredentialError("a SAS has sv= and sig="));
        }
        Ok(Self::AzureSas(SecretText::new(query)))
    }

    /// The user's own client at an OAuth provider, with which nobody has signed in yet.
    ///
    /// # Errors
    /// [`CredentialError`] for what cannot be a client id.
    pub fn oauth_client(client_id: &str, client_secret: Option<SecretText>) -> Result<Self, CredentialError> {
        let client_id = client_id.trim();
        if client_id.is_empty()
            || client_id.len() > 256
            || !client_id.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(CredentialError("a client id is a short text without spaces"));
        }
        let client_id = client_id.to_owned();
        Ok(Self::OAuth(OAuthCredential { client_id, client_secret, tenant: None, refresh_token: None }))
    }

    /// Whether somebody still has to sign in before this opens anything.
    #[must_use]
    pub const fn needs_sign_in(&self) -> bool {
        matches!(self, Self::OAuth(OAuthCredential { refresh_token: None, .. }))
    }

    /// The same client, with which nobody has signed in; nothing for other kinds.
    #[must_use]
    pub fn signed_out(&self) -> Option<Self> {
        match self {
            Self::OAuth(oauth) => Some(Self::OAuth(OAuthCredential { refresh_token: None, ..oauth.clone() })),
            _ => None,
        }
    }

    /// The file that Google hands out for a client of the kind "desktop app".
    fn google_client(text: &str) -> Result<Self, CredentialError> {
        let none = CredentialError("the JSON holds no client of the kind desktop app");
        let file: serde_json::Value = serde_json::from_str(text).map_err(|_| none)?;
        let field = |name: &str| file.get("installed")?.get(name)?.as_str();
        Self::oauth_client(field("client_id").ok_or(none)?, field("client_secret").map(SecretText::new))
    }

    /// Reads a credential file: a SAS or a whole SAS address, an Azure connection string, or lines of
    /// `name = value` with the names `account_key`; `access_key_id`, `secret_access_key`, `session_token`
    /// (also with `aws_` before them, as in Amazon's own files); `user`, `password`; `token`; `sas`; `client_id`,
    /// `client_secret`, `tenant`, `refresh_token`. The JSON of a Google client is one too.
    ///
    /// # Errors
    /// [`CredentialError`] with what was expected.
    pub fn parse(file: &str) -> Result<Self, CredentialError> {
        let text = file.trim_start_matches('\u{feff}').trim();
        if text.starts_with("https://") || text.starts_with("http://") {
            let (_, query) = text.split_once('?').ok_or(CredentialError("the address carries no SAS"))?;
            return Self::azure_sas(query);
        }
        if text.starts_with('{') {
            return Self::google_client(text);
        }
        if text.starts_with("?")
            || text.starts_with("sv=")
            || (text.contains("&sig=") && !text.contains('\n'))
        {
            return Self::azure_sas(
                text.strip_prefix("sas=").or_else(|| text.strip_prefix("sas =")).unwrap_or(text),
            );
        }
        if text.contains("AccountKey=") {
            let key = text.split(';').find_map(|part| part.trim().strip_prefix("AccountKey="));
            return Self::account_key(key.unwrap_or_default());
        }
        Fields::read(text)?.into_credential()
    }

    fn account_key(key: &str) -> Result<Self, CredentialError> {
        match data_encoding::BASE64.decode(key.as_bytes()) {
            Ok(bytes) if bytes.len() >= 16 => Ok(Self::AzureAccountKey(SecretText::new(key))),
            _ => Err(CredentialError("an account key is base64 of 64 bytes")),
        }
    }

    /// The credential as a file that [`parse`](Self::parse) reads; wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut text = Zeroizing::new(String::new());
        let mut line = |name: &str, value: &str| {
            for part in [name, " = ", value, "\n"] {
                text.push_str(part);
            }
        };
        match self {
            Self::AzureSas(sas) => line("sas", sas.expose()),
            Self::AzureAccountKey(key) => line("account_key", key.expose()),
            Self::S3Keys { access_key_id, secret_access_key, session_token } => {
                line("access_key_id", access_key_id);
                line("secret_access_key", secret_access_key.expose());
                if let Some(token) = session_token {
                    line("session_token", token.expose());
                }
            }
            Self::Password { user, password } => {
                line("user", user);
                line("password", password.expose());
            }
            Self::Token(token) => line("token", token.expose()),
            Self::OAuth(oauth) => {
                line("client_id", &oauth.client_id);
                for (name, value) in
                    [("client_secret", &oauth.client_secret), ("refresh_token", &oauth.refresh_token)]
                {
                    if let Some(value) = value {
                        line(name, value.expose());
                    }
                }
                if let Some(tenant) = &oauth.tenant {
                    line("tenant", tenant);
                }
            }
        }
        Zeroizing::new(text.as_bytes().to_vec())
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`CredentialError`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CredentialError> {
        let text = std::str::from_utf8(bytes).map_err(|_| CredentialError("it is UTF-8"))?;
        Self::parse(text)
    }

    /// What kind of proof this is, in words that may be shown.
    #[must_use]
    pub const fn description(&self) -> &'static str {
        match self {
            Self::AzureSas(_) => "a SAS",
            Self::AzureAccountKey(_) => "an account key, used to mint short SAS",
            Self::S3Keys { session_token: None, .. } => "a pair of access keys",
            Self::S3Keys { .. } => "temporary access keys",
            Self::Password { .. } => "a name and a password",
            Self::Token(_) => "a bearer token",
            Self::OAuth(OAuthCredential { refresh_token: None, .. }) => {
                "a client that nobody has signed in with"
            }
            Self::OAuth(_) => "a sign-in",
        }
    }
}

/// The lines of a credential file.
#[derive(Default)]
struct Fields {
    sas: Option<SecretText>,
    account_key: Option<SecretText>,
    access_key_id: Option<SecretText>,
    secret_access_key: Option<SecretText>,
    session_token: Option<SecretText>,
    user: Option<SecretText>,
    password: Option<SecretText>,
    token: Option<SecretText>,
    client_id: Option<SecretText>,
    client_secret: Option<SecretText>,
    refresh_token: Option<SecretText>,
    tenant: Option<SecretText>,
}

impl Fields {
    fn read(text: &str) -> Result<Self, CredentialError> {
        let mut fields = Self::default();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with(['#', ';', '[']) {
                continue;
            }
            let (name, value) = line.split_once('=').ok_or(CredentialError("its lines are name = value"))?;
            let name = name.trim().to_ascii_lowercase();
            let slot = match name.strip_prefix("aws_").unwrap_or(&name) {
                "sas" => &mut fields.sas,
                "account_key" => &mut fields.account_key,
                "access_key_id" => &mut fields.access_key_id,
                "secret_access_key" => &mut fields.secret_access_key,
                "session_token" => &mut fields.session_token,
                "user" => &mut fields.user,
                "password" => &mut fields.password,
                "token" => &mut fields.token,
                "client_id" | "app_key" => &mut fields.client_id,
                "client_secret" | "app_secret" => &mut fields.client_secret,
                "refresh_token" => &mut fields.refresh_token,
                "tenant" => &mut fields.tenant,
                "region" | "output" => continue,
                _ => return Err(CredentialError("it has a name that is not known")),
            };
            if slot.replace(SecretText::new(value.trim())).is_some() {
                return Err(CredentialError("it says the same name twice"));
            }
        }
        Ok(fields)
    }

    fn into_credential(self) -> Result<RemoteCredential, CredentialError> {
        let plain = |text: SecretText| text.expose().to_owned();
        match self {
            Self { sas: Some(sas), .. } => RemoteCredential::azure_sas(sas.expose()),
            Self { account_key: Some(key), .. } => RemoteCredential::account_key(key.expose()),
            Self {
                access_key_id: Some(id),
                secret_access_key: Some(secret_access_key),
                session_token,
                ..
            } => Ok(RemoteCredential::S3Keys { access_key_id: plain(id), secret_access_key, session_token }),
            Self { user: Some(user), password: Some(password), .. } => {
                Ok(RemoteCredential::Password { user: plain(user), password })
            }
            Self { token: Some(token), .. } => Ok(RemoteCredential::Token(token)),
            Self { client_id: Some(id), client_secret, refresh_token, tenant, .. } => {
                let client = RemoteCredential::oauth_client(id.expose(), client_secret)?;
                let RemoteCredential::OAuth(client) = client else { return Ok(client) };
                let is_name = |text: &SecretText| {
                    !text.expose().is_empty()
                        && text
                            .expose()
                            .bytes()
                            .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
                };
                if tenant.as_ref().is_some_and(|tenant| !is_name(tenant)) {
                    return Err(CredentialError("a tenant is an id or a domain"));
                }
                let tenant = tenant.map(plain);
                Ok(RemoteCredential::OAuth(OAuthCredential { refresh_token, tenant, ..client }))
            }
            _ => Err(CredentialError(
                "a SAS, account_key, access_key_id and secret_access_key, user and password, token, or client_id",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "UExBTlRFREtFWVVOSVFVRVBMQU5URURLRVlVTklRVUU=";

    #[test]
    fn every_kind_of_file_is_read_kept_and_never_shown() {
        for (file, description) in [
            ("?sv=2020-12-06&sp=rcl&sig=PLANTED%3D\n".to_owned(), "a SAS"),
            ("https://acct.blob.core.windows.net/c?sv=2020-12-06&sig=PLANTED".to_owned(), "a SAS"),
            (
                format!("DefaultEndpointsProtocol=https;AccountName=acct;AccountKey={KEY};EndpointSuffix=x"),
                "an account key, used to mint short SAS",
            ),
            (format!("account_key={KEY}"), "an account key, used to mint short SAS"),
            (
                "[default]\naws_access_key_id = AK\naws_secret_access_key = PLANTED\n".to_owned(),
                "a pair of access keys",
            ),
            (
                "access_key_id=AK\nsecret_access_key=PLANTED\nsession_token=PLANTED2".to_owned(),
                "temporary access keys",
            ),
            ("user = me\npassword = PLANTED with = and spaces".to_owned(), "a name and a password"),
            ("# a comment\ntoken=PLANTED".to_owned(), "a bearer token"),
            ("client_id = abc.apps\n".to_owned(), "a client that nobody has signed in with"),
            (
                "app_key=abc\nclient_secret=PLANTED1\nrefresh_token=PLANTED2\ntenant=consumers".to_owned(),
                "a sign-in",
            ),
            (
                r#"{"installed":{"client_id":"abc.apps","client_secret":"PLANTED","redirect_uris":[]}}"#
                    .to_owned(),
                "a client that nobody has signed in with",
            ),
        ] {
            let credential = RemoteCredential::parse(&file).expect("reads");
            assert_eq!(credential.description(), description);
            assert!(
                !format!("{credential:?}").contains("PLANTED") && !format!("{credential:?}").contains(KEY)
            );
            let kept = credential.to_bytes();
            assert_eq!(RemoteCredential::from_bytes(&kept), Ok(credential), "{description}");
        }
    }

    #[test]
    fn what_is_no_credential_is_refused_without_repeating_it() {
        for file in [
            "",
            "PLANTED",
            "secret = PLANTED",
            "user = PLANTED",
            "token=PLANTED\ntoken=PLANTED",
            "sas=PLANTED",
            "account_key=PLANTED!",
            "https://host/PLANTED",
            "client_id=PLANTED with spaces",
            "client_id=abc\ntenant=PLANTED/../x",
            r#"{"web":{"client_id":"PLANTED"}}"#,
        ] {
            let error = RemoteCredential::parse(file).expect_err(file);
            assert!(!format!("{error} {error:?}").contains("PLANTED"), "{file}");
        }
    }
}
