//! Shared access signatures: given, minted from an account key, or from a user delegation key.
//!
//! An account key opens a whole account, so it never travels and signs nothing but SAS for one container and
//! an hour (service SAS, `sv=2020-12-06`,
//! <https://learn.microsoft.com/rest/api/storageservices/create-service-sas>). Grants for phones name one
//! blob and permit only to create it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use azure_core::credentials::TokenCredential;
use azure_core::http::{Url, XmlFormat};
use azure_core::time::OffsetDateTime;
use azure_storage_blob::models::KeyInfo;
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use azure_storage_common::models::UserDelegationKey;
use zeroize::Zeroizing;

use super::error::meaning;
use super::identity::AzureIdentity;
use crate::address::AzureAddress;
use crate::credential::SecretText;
use crate::error::StoreError;
use crate::http::{Asked, Http, encode};
use crate::remote::{DownloadGrant, GrantRequest, LinkRequest, UploadGrant};

/// The version whose rules the service SAS follow.
const VERSION: &str = "2020-12-06";
/// How long a SAS for our own use holds.
const OWN_VALIDITY: Duration = Duration::from_secs(3600);
/// How long before its end it is renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(900);
/// Read, create, write, delete, list: what the role Storage Blob Data Contributor may do with blobs, without
/// what is not needed.
const OWN_PERMISSIONS: &str = "rcwdl";
/// Read, create, write, list: what a device needs that is lent a SAS. It may delete nothing.
const LENT_PERMISSIONS: &str = "rcwl";
/// Create: what a device needs that may only upload. It reads, lists, replaces and deletes nothing.
const UPLOAD_PERMISSIONS: &str = "c";
/// The longest grant.
const LONGEST_GRANT: Duration = Duration::from_secs(24 * 3600);
/// The longest link: no user delegation key lives longer.
const LONGEST_LINK: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long a user delegation key is used before another one is asked for: whoever loses the right to lend keys lends none an
/// hour later.
const DELEGATION_USE: Duration = Duration::from_secs(50 * 60);
/// How long a user delegation key is asked for at least.
const DELEGATION_VALIDITY: Duration = Duration::from_secs(2 * 3600);

/// Where the SAS of a request comes from; clones share what is minted.
#[derive(Debug, Clone)]
pub(super) enum SasSource {
    Fixed(SecretText),
    Minted(Arc<Minted>),
}

/// An account key and the SAS that it signed last.
pub(super) struct Minted {
    account: String,
    container: String,
    allow_http: bool,
    key: Zeroizing<Vec<u8>>,
    last: Mutex<Option<(SecretText, SystemTime)>>,
}

impl std::fmt::Debug for Minted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Minted").field("account", &self.account).finish_non_exhaustive()
    }
}

impl SasSource {
    pub(super) const fn fixed(sas: SecretText) -> Self {
        Self::Fixed(sas)
    }

    /// Mints from an account key; nothing when it is not base64.
    pub(super) fn minted(address: &AzureAddress, key: &SecretText) -> Option<Self> {
        let key = Zeroizing::new(data_encoding::BASE64.decode(key.expose().as_bytes()).ok()?);
        Some(Self::Minted(Arc::new(Minted {
            account: address.account.clone(),
            container: address.container.clone(),
            allow_http: address.service.starts_with("http:"),
            key,
            last: Mutex::new(None),
        })))
    }

    /// The query to send with a request.
    pub(super) fn query(&self, now: SystemTime) -> SecretText {
        match self {
            Self::Fixed(sas) => sas.clone(),
            Self::Minted(minted) => minted.current(now),
        }
    }
}

impl Minted {
    fn current(&self, now: SystemTime) -> SecretText {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((sas, expires)) = last.as_ref()
            && now + RENEW_BEFORE < *expires
        {
            return sas.clone();
        }
        let expires = now + OWN_VALIDITY;
        let sas = SecretText::new(self.sign(None, OWN_PERMISSIONS, expires));
        *last = Some((sas.clone(), expires));
        sas
    }

    /// A service SAS for the container, or for one blob in it.
    fn sign(&self, blob: Option<&str>, permissions: &str, expires: SystemTime) -> String {
        let expires = date(expires);
        let protocol = if self.allow_http { "https,http" } else { "https" };
        let (resource, kind) = match blob {
            None => (format!("/blob/{}/{}", self.account, self.container), "c"),
            Some(blob) => (format!("/blob/{}/{}/{blob}", self.account, self.container), "b"),
        };
        let no_start = "";
        let to_sign = [
            permissions,
            no_start,
            &expires,
            &resource,
            "",
            "",
            protocol,
            VERSION,
            kind,
            "",
            "",
            "",
            "",
            "",
            "",
            "",
        ]
        .join("\n");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.key), to_sign.as_bytes());
        let signature = encode(&data_encoding::BASE64.encode(tag.as_ref()));
        let (expires, protocol) = (encode(&expires), encode(protocol));
        format!("sv={VERSION}&sp={permissions}&se={expires}&spr={protocol}&sr={kind}&sig={signature}")
    }
}

/// A SAS for another device, minted from an account key: it reads and writes the container, and deletes nothing.
pub(crate) fn lend(address: &AzureAddress, key: &SecretText, expires: SystemTime) -> Option<SecretText> {
    let SasSource::Minted(minted) = SasSource::minted(address, key)? else { return None };
    Some(SecretText::new(minted.sign(None, LENT_PERMISSIONS, expires)))
}

/// A SAS for a device that only uploads, minted from an account key: it creates what is not there, and nothing else. A service
/// SAS cannot be bound to a part of a container that has no folders, so it is to the whole one.
pub(crate) fn lend_to_create(
    address: &AzureAddress,
    key: &SecretText,
    expires: SystemTime,
) -> Option<SecretText> {
    let SasSource::Minted(minted) = SasSource::minted(address, key)? else { return None };
    Some(SecretText::new(minted.sign(None, UPLOAD_PERMISSIONS, expires)))
}

fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let timestamp =
        jiff::Timestamp::from_second(i64::try_from(seconds).unwrap_or(i64::MAX)).unwrap_or_default();
    timestamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What upload grants are minted with.
#[derive(Debug)]
pub(super) enum Grants {
    /// A given SAS mints no other.
    None,
    /// An account key.
    AccountKey(SasSource),
    /// A key that Entra ID lends to this identity.
    Delegated(Box<Delegated>),
}

pub(super) struct Delegated {
    service: BlobServiceClient,
    key: tokio::sync::Mutex<Option<Lent>>,
}

/// A key that Entra ID lent, with its times by our clock.
struct Lent {
    key: Arc<UserDelegationKey>,
    asked: SystemTime,
    expires: SystemTime,
}

impl Lent {
    /// Whether it may sign what is to hold until some time.
    fn serves(&self, until: SystemTime, now: SystemTime) -> bool {
        // A clock that was set back must not make it last.
        let age = now.duration_since(self.asked);
        until < self.expires && age.is_ok_and(|age| age < DELEGATION_USE)
    }
}

impl std::fmt::Debug for Delegated {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Delegated").finish_non_exhaustive()
    }
}

impl Grants {
    pub(super) fn delegated(
        address: &AzureAddress,
        identity: &Arc<AzureIdentity>,
        http: &Http,
    ) -> azure_core::Result<Self> {
        let url = Url::parse(&address.service)?;
        let options = BlobServiceClientOptions {
            client_options: super::client_options(http.clone(), None),
            ..Default::default()
        };
        let token: Arc<dyn TokenCredential> = Arc::clone(identity) as Arc<dyn TokenCredential>;
        let service = BlobServiceClient::new(url, Some(token), Some(options))?;
        Ok(Self::Delegated(Box::new(Delegated { service, key: tokio::sync::Mutex::new(None) })))
    }

    /// Mints a permission to create one blob.
    pub(super) async fn mint(
        &self,
        asked: Asked<'_>,
        address: &AzureAddress,
        blob: &str,
        request: &GrantRequest,
    ) -> Result<UploadGrant, StoreError> {
        let expires = SystemTime::now() + request.valid_for.min(LONGEST_GRANT);
        let query = match self {
            Self::None | Self::AccountKey(SasSource::Fixed(_)) => {
                return Err(asked.unsupported("a given SAS cannot mint another"));
            }
            Self::AccountKey(SasSource::Minted(minted)) => minted.sign(Some(blob), "c", expires),
            Self::Delegated(delegated) => delegated.sign(asked, address, blob, "c", expires).await?,
        };
        let url = blob_url(address, blob, &query);
        let headers = BTreeMap::from([("x-ms-blob-type".to_owned(), "BlockBlob".to_owned())]);
        Ok(UploadGrant { url, method: "PUT", headers, expires })
    }

    /// Mints a permission to read one blob over TLS, as a user delegation SAS: it ends at the latest with the key that
    /// Entra ID lends, and whoever revokes that key ends it.
    pub(super) async fn mint_link(
        &self,
        asked: Asked<'_>,
        address: &AzureAddress,
        blob: &str,
        request: &LinkRequest,
    ) -> Result<DownloadGrant, StoreError> {
        let Self::Delegated(delegated) = self else {
            return Err(asked.unsupported("a link needs an identity of Entra ID, not a key or a SAS"));
        };
        let expires = SystemTime::now() + request.valid_for.min(LONGEST_LINK);
        let query = delegated.sign(asked, address, blob, "r", expires).await?;
        Ok(DownloadGrant { url: blob_url(address, blob, &query), expires })
    }
}

fn blob_url(address: &AzureAddress, blob: &str, query: &str) -> String {
    let blob: Vec<String> = blob.split('/').map(encode).collect();
    format!("{}/{}/{}?{query}", address.service, encode(&address.container), blob.join("/"))
}

impl Delegated {
    async fn sign(
        &self,
        asked: Asked<'_>,
        address: &AzureAddress,
        blob: &str,
        permissions: &str,
        expires: SystemTime,
    ) -> Result<String, StoreError> {
        let key = self.key(expires).await.map_err(|error| meaning(asked, error))?;
        sign_with(&key, address, blob, permissions, expires)
            .ok_or_else(|| asked.nonsense("the user delegation key is incomplete"))
    }

    /// The key, asked for anew when it was used for some time, or when it would end before a grant does.
    async fn key(&self, until: SystemTime) -> azure_core::Result<Arc<UserDelegationKey>> {
        let now = SystemTime::now();
        let mut kept = self.key.lock().await;
        if let Some(lent) = kept.as_ref()
            && lent.serves(until, now)
        {
            return Ok(Arc::clone(&lent.key));
        }
        let expires = until.max(now + DELEGATION_VALIDITY);
        let info = KeyInfo {
            // Five minutes back for clocks that differ.
            start: Some(OffsetDateTime::from(now - Duration::from_secs(300))),
            expiry: Some(OffsetDateTime::from(expires)),
            ..Default::default()
        };
        let answer = self.service.get_user_delegation_key(info.try_into()?, None).await?;
        let key: azure_core::http::Response<UserDelegationKey, XmlFormat> = answer;
        let key = Arc::new(key.into_model()?);
        *kept = Some(Lent { key: Arc::clone(&key), asked: now, expires });
        Ok(key)
    }
}

/// A user delegation SAS for one blob.
///
/// Why not the builder of `azure_storage_sas` 1.0: it signs by the rules of 2026-04-06 only, which neither the
/// emulator nor clouds that lag behind know; these of 2020-12-06 hold everywhere
/// (<https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas>).
fn sign_with(
    key: &UserDelegationKey,
    address: &AzureAddress,
    blob: &str,
    permissions: &str,
    expires: SystemTime,
) -> Option<String> {
    let (object_id, tenant_id) = (key.signed_oid.as_deref()?, key.signed_tid.as_deref()?);
    let (key_start, key_end) = (date(key.signed_start?.into()), date(key.signed_expiry?.into()));
    let (service, version) = (key.signed_service.as_deref()?, key.signed_version.as_deref()?);
    let expires = date(expires);
    let resource = format!("/blob/{}/{}/{blob}", address.account, address.container);
    let no_start = "";
    let to_sign = [
        permissions,
        no_start,
        &expires,
        &resource,
        object_id,
        tenant_id,
        &key_start,
        &key_end,
        service,
        version,
        "",
        "",
        "",
        "",
        "https",
        VERSION,
        "b",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
    ]
    .join("\n");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.value.as_deref()?), to_sign.as_bytes());
    let signature = data_encoding::BASE64.encode(tag.as_ref());
    let fields = [
        ("sv", VERSION),
        ("sp", permissions),
        ("se", &expires),
        ("spr", "https"),
        ("sr", "b"),
        ("skoid", object_id),
        ("sktid", tenant_id),
        ("skt", &key_start),
        ("ske", &key_end),
        ("sks", service),
        ("skv", version),
        ("sig", &signature),
    ];
    let pairs = fields.map(|(name, value)| format!("{name}={}", encode(value)));
    Some(pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> SasSource {
        let address = AzureAddress {
            service: "https://acct.blob.core.windows.net".to_owned(),
            account: "acct".to_owned(),
            container: "photos".to_owned(),
            prefix: String::new(),
        };
        let key = SecretText::new(data_encoding::BASE64.encode(&[7; 64]));
        SasSource::minted(&address, &key).expect("a key")
    }

    #[test]
    fn a_minted_sas_is_used_again_and_renewed_before_it_ends() {
        let source = source();
        let begun = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let first = source.query(begun);
        assert!(first.expose().contains("sp=rcwdl") && first.expose().contains("spr=https&"));
        assert_eq!(source.query(begun + Duration::from_secs(2000)), first);
        let later = begun + OWN_VALIDITY - RENEW_BEFORE;
        assert_ne!(source.query(later), first, "it is renewed a quarter of an hour before its end");
    }

    #[test]
    fn a_lent_key_is_used_for_less_than_an_hour_and_never_beyond_its_end() {
        let asked = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let key = Arc::new(UserDelegationKey::default());
        let lent = Lent { key, asked, expires: asked + DELEGATION_VALIDITY };
        let (short, minute) = (Duration::from_secs(600), Duration::from_secs(60));
        assert!(lent.serves(asked + short, asked));
        assert!(lent.serves(asked + 49 * minute + short, asked + 49 * minute));
        assert!(!lent.serves(asked + 50 * minute + short, asked + 50 * minute));
        assert!(!lent.serves(asked + DELEGATION_VALIDITY, asked));
        assert!(!lent.serves(asked + short, asked - minute), "the clock was set back");
    }

    #[test]
    fn the_account_key_is_never_shown() {
        let shown = format!("{:?}", source());
        assert!(!shown.contains("BwcH") && !shown.contains("7, 7"), "{shown}");
    }
}
