//! Azure Blob Storage, on Microsoft's SDK.
//!
//! The SDK makes and reads the requests; ours are the connection below it ([`transport`]), which adds the
//! SAS at the last moment so that no address above it holds one, the proof of permission ([`identity`],
//! [`sas`]) and the meaning of errors. Retries are not the SDK's but of [`Retry`](crate::Retry), like
//! everywhere. Parts are at most 32 MiB and go as one *Put Blob*, which a SAS with only `c` permits.

mod blocks;
mod certificate;
mod environment;
mod error;
pub(crate) mod identity;
mod sas;
mod source;
mod transport;
mod vault;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::http::{Body as SdkBody, ClientOptions, RequestContent, RetryOptions, Transport, Url};
use azure_storage_blob::models::{
    AccessTier, ArchiveStatus, BlobClientDownloadOptions, BlobClientGetPropertiesResultHeaders as _,
    BlobClientSetTierOptions, BlobContainerClientListBlobsOptions, BlobItem, BlockBlobClientUploadOptions,
    HttpRange, RehydratePriority,
};
use azure_storage_blob::{BlobClient, BlobContainerClient, BlobContainerClientOptions};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _};

pub use environment::AzureEnvironment;
pub use identity::{AzureIdentity, IdentityError};
pub use vault::{KeyVault, VaultError, VaultKey};

use self::error::{is_refused_as, meaning};
use self::sas::{Grants, SasSource};
pub(crate) use self::sas::{lend, lend_to_create};
use self::transport::AzureTransport;
use crate::address::AzureAddress;
use crate::capabilities::Capabilities;
use crate::checksum::Checksum;
use crate::credential::RemoteCredential;
use crate::error::{Operation, StoreError};
use crate::http::{Asked, BodyReader, Http, encode};
use crate::name::{Key, Prefix};
use crate::remote::{
    Block, BlockUpload, Body, DownloadGrant, GrantRequest, LinkRequest, ListPage, ObjectInfo, PageToken,
    PutOptions, Remote, Stored, Tier, UploadGrant, Urgency,
};

/// The most bytes of one *Put Blob*.
const MOST_PUT_BYTES: NonZero<u64> = NonZero::new(5000 << 20).expect("not zero");
/// The most bytes that one request of a download asks for: all of it.
const MOST_GET_BYTES: NonZero<usize> = NonZero::new(1 << 40).expect("not zero");
/// The most names on one page of a listing.
const PAGE_OBJECTS: i32 = 5000;
/// `Content-MD5` of a blob is what its writer claimed, if it was written with a claim or by a block list, and the
/// service does not say which: it proves nothing. Only the answer to *Put Blob* does.
const NOT_TOLD: Option<Checksum> = None;
/// What is said when permission is missing.
pub(crate) const ROLE_HINT: &str = "the identity needs the role \"Storage Blob Data Contributor\" on this container: \
    az role assignment create --role \"Storage Blob Data Contributor\" --assignee <identity> --scope <container's resource id> \
    (a SAS needs at least sp=rcl)";

/// A container of Azure Blob Storage as a [`Remote`].
pub struct AzureBlob {
    label: String,
    address: AzureAddress,
    container: BlobContainerClient,
    grants: Grants,
    identity: Option<Arc<AzureIdentity>>,
    proof: &'static str,
    capabilities: Capabilities,
}

impl fmt::Debug for AzureBlob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AzureBlob").field("label", &self.label).finish_non_exhaustive()
    }
}

impl AzureBlob {
    /// Builds the client; nothing is asked of the network. Without a credential the machine's identity is
    /// used, as `environment` describes it.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a credential of another kind, and for a place that cannot be addressed.
    pub(crate) fn new(
        address: &AzureAddress,
        credential: Option<RemoteCredential>,
        environment: AzureEnvironment,
        http: Http,
    ) -> Result<Self, StoreError> {
        let label = address.to_string();
        let asked = Asked { place: &label, operation: Operation::Open, object: "the container" };
        let proof = credential.as_ref().map_or("", RemoteCredential::description);
        let (sas, identity, grants) = match credential {
            Some(RemoteCredential::AzureSas(sas)) => (Some(SasSource::fixed(sas)), None, Grants::None),
            Some(RemoteCredential::AzureAccountKey(key)) => {
                let source = SasSource::minted(address, &key)
                    .ok_or_else(|| asked.nonsense("the account key is not base64"))?;
                (Some(source.clone()), None, Grants::AccountKey(source))
            }
            None => {
                let identity = Arc::new(AzureIdentity::new(environment, http.clone()));
                let grants =
                    Grants::delegated(address, &identity, &http).map_err(|error| meaning(asked, error))?;
                (None, Some(identity), grants)
            }
            Some(_) => {
                return Err(asked.nonsense("Azure takes a SAS, an account key or the machine's identity"));
            }
        };
        let options =
            BlobContainerClientOptions { client_options: client_options(http, sas), ..Default::default() };
        let url = Url::parse(&format!("{}/{}", address.service, encode(&address.container)))
            .map_err(|_| asked.nonsense("the address cannot be built"))?;
        let token = identity.clone().map(|identity| identity as Arc<dyn TokenCredential>);
        let container =
            BlobContainerClient::new(url, token, Some(options)).map_err(|error| meaning(asked, error))?;
        let mut capabilities = Capabilities::untried();
        capabilities.most_object_bytes = MOST_PUT_BYTES.get();
        capabilities.tiers = vec![Tier::Hot, Tier::Cool, Tier::Cold, Tier::Archive];
        Ok(Self { label, address: address.clone(), container, grants, identity, proof, capabilities })
    }

    pub(crate) const fn capabilities_mut(&mut self) -> &mut Capabilities {
        &mut self.capabilities
    }

    fn blob_name(&self, key: &str) -> String {
        match self.address.prefix.as_str() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        }
    }

    fn blob(&self, key: &Key) -> BlobClient {
        self.container.blob_client(&self.blob_name(key.as_str()))
    }

    async fn upload(
        &self,
        key: &Key,
        body: Body,
        options: &PutOptions,
        only_new: bool,
    ) -> Result<Stored, StoreError> {
        let asked = Asked { place: &self.label, operation: Operation::Put, object: key.as_str() };
        self.check_tier(asked, options)?;
        if body.length_bytes() > self.capabilities.most_object_bytes {
            return Err(asked.too_large(body.length_bytes(), self.capabilities.most_object_bytes));
        }
        let content: RequestContent<_, _> = match body {
            Body::Bytes(bytes) => bytes.into(),
            file @ Body::File { .. } => SdkBody::SeekableStream(Box::new(BodyReader::new(file))).into(),
        };
        let media_type = options.media_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
        let upload = BlockBlobClientUploadOptions {
            tier: options.tier.map(to_access_tier),
            blob_content_type: Some(media_type),
            // The connection below says it as `Content-MD5` too, which the service compares with the bytes.
            blob_content_md5: options.md5.map(Vec::from),
            metadata: metadata_of(options),
            if_none_match: only_new.then(|| "*".into()),
            partition_size: Some(MOST_PUT_BYTES),
            parallel: Some(NonZero::<usize>::MIN),
            ..Default::default()
        };
        match self.blob(key).upload(content, Some(upload)).await {
            Ok(result) => {
                // What the service computed over this very request, if none was sent that it could repeat.
                let is_md5_checked = options.md5.is_some();
                let md5 = result.content_md5.filter(|_| !is_md5_checked);
                let md5 = md5.as_deref().and_then(Checksum::md5);
                let crc = result.content_crc64.as_deref().and_then(Checksum::crc64_least_first);
                let version = result.etag.map(|etag| etag.to_string());
                Ok(Stored { version, checksum: md5.or(crc), is_md5_checked })
            }
            Err(error) => Err(meaning(asked, error)),
        }
    }

    fn check_tier(&self, asked: Asked<'_>, options: &PutOptions) -> Result<(), StoreError> {
        if options.tier.is_none_or(|tier| self.capabilities.tiers.contains(&tier)) {
            return Ok(());
        }
        Err(Asked { operation: Operation::Tier, ..asked }.unsupported("it was found to have no tiers"))
    }

    /// Bytes of an object and its whole length; nothing when the range begins behind its end.
    async fn download(
        &self,
        asked: Asked<'_>,
        key: &Key,
        range: Range<u64>,
        at_most_bytes: Option<u64>,
    ) -> Result<Option<Bytes>, StoreError> {
        let options = BlobClientDownloadOptions {
            range: Some(HttpRange::from(range.clone())),
            partition_size: Some(MOST_GET_BYTES),
            parallel: Some(NonZero::<usize>::MIN),
            ..Default::default()
        };
        let answer = match self.blob(key).download(Some(options)).await {
            Ok(answer) => answer,
            Err(error) if is_refused_as(&error, 416) => return Ok(None),
            Err(error) => return Err(meaning(asked, error)),
        };
        let total = answer
            .headers
            .get_optional_str(&"content-range".into())
            .and_then(|value| value.rsplit('/').next()?.parse::<u64>().ok())
            .or(answer.properties.content_length)
            .unwrap_or(0);
        if let Some(most) = at_most_bytes
            && total > most
        {
            return Err(asked.too_large(total, most));
        }
        let wanted = total.min(range.end).saturating_sub(range.start);
        let mut whole = BytesMut::with_capacity(usize::try_from(wanted).unwrap_or(0));
        let mut pieces = answer.body;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| meaning(asked, error))?;
            if (whole.len() + piece.len()) as u64 > wanted {
                return Err(asked.nonsense("the answer is longer than it said"));
            }
            whole.extend_from_slice(&piece);
        }
        if whole.len() as u64 != wanted {
            return Err(asked.cut_short());
        }
        Ok(Some(whole.freeze()))
    }

    fn info(&self, item: BlobItem) -> Result<ObjectInfo, String> {
        let name = item.name.unwrap_or_default();
        let below = match self.address.prefix.as_str() {
            "" => Some(name.as_str()),
            prefix => name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')),
        };
        let Some(Ok(key)) = below.map(Key::parse) else { return Err(name) };
        let properties = item.properties.unwrap_or_default();
        Ok(ObjectInfo {
            key,
            length_bytes: properties.content_length.unwrap_or(0),
            modified: properties.last_modified.map(SystemTime::from),
            tier: properties.access_tier.as_ref().and_then(from_access_tier),
            is_thawing: is_thawing(properties.archive_status.as_ref()),
            version: properties.etag.map(|etag| etag.to_string()),
            checksum: NOT_TOLD,
        })
    }
}

#[async_trait]
impl Remote for AzureBlob {
    fn label(&self) -> &str {
        &self.label
    }

    fn credential_source(&self) -> Option<String> {
        match &self.identity {
            Some(identity) => identity.source_in_use(),
            None => Some(self.proof.to_owned()),
        }
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.upload(key, body, options, false).await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        let asked = Asked { place: &self.label, operation: Operation::Put, object: key.as_str() };
        match self.upload(key, body, options, true).await {
            // An archived blob answers that it is archived before it answers that it exists.
            Err(StoreError::Archived { .. }) => Err(asked.already_exists()),
            // A SAS that may create but not write answers "no permission" for a name that is taken.
            Err(denied @ StoreError::Denied { .. }) => match self.head(key).await {
                Ok(_) => Err(asked.already_exists()),
                Err(_) => Err(denied),
            },
            other => other,
        }
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        let asked = Asked { place: &self.label, operation: Operation::Get, object: key.as_str() };
        let range = 0..at_most_bytes.saturating_add(1);
        Ok(self.download(asked, key, range, Some(at_most_bytes)).await?.unwrap_or_default())
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        if range.is_empty() {
            return self.head(key).await.map(|_| Bytes::new());
        }
        let asked = Asked { place: &self.label, operation: Operation::Get, object: key.as_str() };
        Ok(self.download(asked, key, range, None).await?.unwrap_or_default())
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        let asked = Asked { place: &self.label, operation: Operation::Head, object: key.as_str() };
        let fail = |error| meaning(asked, error);
        let answer = self.blob(key).get_properties(None).await.map_err(fail)?;
        let tier = answer.access_tier().map_err(fail)?.and_then(|tier| tier.parse::<AccessTier>().ok());
        Ok(ObjectInfo {
            key: key.clone(),
            length_bytes: answer
                .content_length()
                .map_err(fail)?
                .ok_or_else(|| asked.nonsense("no length"))?,
            modified: answer.last_modified().map_err(fail)?.map(SystemTime::from),
            tier: tier.as_ref().and_then(from_access_tier),
            is_thawing: is_thawing(answer.archive_status().map_err(fail)?.as_ref()),
            version: answer.etag().map_err(fail)?.map(|etag| etag.to_string()),
            checksum: NOT_TOLD,
        })
    }

    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        let asked = Asked { place: &self.label, operation: Operation::List, object: prefix.as_str() };
        let fail = |error| meaning(asked, error);
        let below = match (self.blob_name(prefix.as_str()), prefix.as_str()) {
            (_, "") if self.address.prefix.is_empty() => None,
            (name, _) => Some(format!("{}/", name.trim_end_matches('/'))),
        };
        let options = BlobContainerClientListBlobsOptions {
            prefix: below,
            marker: after.map(|token| token.as_str().to_owned()),
            maxresults: Some(PAGE_OBJECTS),
            ..Default::default()
        };
        let mut pages = self.container.list_blobs(Some(options)).map_err(fail)?.into_pages();
        let Some(page) = pages.try_next().await.map_err(fail)? else { return Ok(ListPage::default()) };
        let page = page.into_model().map_err(fail)?;
        let mut listed = ListPage {
            next: page.next_marker.filter(|marker| !marker.is_empty()).map(PageToken::new),
            ..ListPage::default()
        };
        for item in page.blob_items {
            match self.info(item) {
                Ok(info) => listed.objects.push(info),
                Err(stranger) => listed.strangers.push(stranger),
            }
        }
        Ok(listed)
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let asked = Asked { place: &self.label, operation: Operation::Delete, object: key.as_str() };
        match self.blob(key).delete(None).await.map_err(|error| meaning(asked, error)) {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn set_tier(&self, key: &Key, tier: Tier) -> Result<(), StoreError> {
        self.move_to(key, tier, Urgency::Standard).await
    }

    async fn thaw(&self, key: &Key, urgency: Urgency) -> Result<(), StoreError> {
        self.move_to(key, Tier::Cool, urgency).await
    }

    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        let asked = Asked { place: &self.label, operation: Operation::Grant, object: request.key.as_str() };
        let name = self.blob_name(request.key.as_str());
        self.grants.mint(asked, &self.address, &name, request).await
    }

    async fn grant_download(&self, request: &LinkRequest) -> Result<DownloadGrant, StoreError> {
        let asked = Asked { place: &self.label, operation: Operation::Grant, object: request.key.as_str() };
        let name = self.blob_name(request.key.as_str());
        self.grants.mint_link(asked, &self.address, &name, request).await
    }

    async fn create_place(&self) -> Result<(), StoreError> {
        let asked = Asked { place: &self.label, operation: Operation::Open, object: "the container" };
        match self.container.create(None).await {
            Err(error) if !is_refused_as(&error, 409) => Err(meaning(asked, error)),
            _ => Ok(()),
        }
    }

    async fn metadata(&self, key: &Key) -> Result<BTreeMap<String, String>, StoreError> {
        let asked = Asked { place: &self.label, operation: Operation::Head, object: key.as_str() };
        let fail = |error| meaning(asked, error);
        let answer = self.blob(key).get_properties(None).await.map_err(fail)?;
        Ok(answer.metadata().map_err(fail)?.into_iter().collect())
    }

    async fn begin_blocks(&self, key: &Key, _options: &PutOptions) -> Result<BlockUpload, StoreError> {
        self.find_blocks(key).await
    }

    async fn put_block(
        &self,
        key: &Key,
        _upload: &BlockUpload,
        block: Block,
        body: Body,
    ) -> Result<(), StoreError> {
        self.stage(key, block, body).await
    }

    async fn commit_blocks(
        &self,
        key: &Key,
        _upload: &BlockUpload,
        blocks: &[Block],
        options: &PutOptions,
    ) -> Result<Stored, StoreError> {
        self.commit(key, blocks, options).await
    }
}

impl AzureBlob {
    async fn move_to(&self, key: &Key, tier: Tier, urgency: Urgency) -> Result<(), StoreError> {
        let asked = Asked { place: &self.label, operation: Operation::Tier, object: key.as_str() };
        if !self.capabilities.tiers.contains(&tier) {
            return Err(asked.unsupported("it was found to have no tiers"));
        }
        // Taken by Azure only where the blob is archived, ignored otherwise.
        let priority = match urgency {
            Urgency::Standard => RehydratePriority::Standard,
            Urgency::High => RehydratePriority::High,
        };
        let options = BlobClientSetTierOptions { rehydrate_priority: Some(priority), ..Default::default() };
        let changed = self.blob(key).set_tier(to_access_tier(tier), Some(options)).await;
        changed.map(drop).map_err(|error| meaning(asked, error))
    }
}

fn metadata_of(options: &PutOptions) -> Option<HashMap<String, String>> {
    let metadata = &options.metadata;
    (!metadata.is_empty()).then(|| metadata.clone().into_iter().collect())
}

/// One try a request, through our own connection.
fn client_options(http: Http, sas: Option<SasSource>) -> ClientOptions {
    let transport = Transport::new(Arc::new(AzureTransport::new(http, sas)));
    ClientOptions { transport: Some(transport), retry: RetryOptions::none(), ..Default::default() }
}

const fn to_access_tier(tier: Tier) -> AccessTier {
    match tier {
        Tier::Hot => AccessTier::Hot,
        Tier::Cool => AccessTier::Cool,
        Tier::Cold => AccessTier::Cold,
        Tier::Archive => AccessTier::Archive,
    }
}

const fn from_access_tier(tier: &AccessTier) -> Option<Tier> {
    match tier {
        AccessTier::Hot => Some(Tier::Hot),
        AccessTier::Cool => Some(Tier::Cool),
        AccessTier::Cold => Some(Tier::Cold),
        AccessTier::Archive => Some(Tier::Archive),
        _ => None,
    }
}

const fn is_thawing(status: Option<&ArchiveStatus>) -> bool {
    matches!(
        status,
        Some(
            ArchiveStatus::RehydratePendingToHot
                | ArchiveStatus::RehydratePendingToCool
                | ArchiveStatus::RehydratePendingToCold
        )
    )
}
