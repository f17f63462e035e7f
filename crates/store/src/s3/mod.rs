//! S3 and its look-alikes, over our own small client.
//!
//! Why not opendal: its S3 takes a storage class per client and not per object, does not restore, and hides
//! `x-amz-restore`; what is left of it is a signature ([`sign`], checked against Amazon's examples) and six
//! requests. What a library seals goes as one PUT (parts are at most 32 MiB); only the plain copy sends in blocks.
//!
//! Look-alikes take wishes and forget them (storage classes, `If-None-Match`): nothing of that kind is
//! believed before the probe saw it.

mod blocks;
mod grant;
mod sign;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;

use self::sign::{Signed, Signer, UNSIGNED, query_text, sha256_hex};
use crate::address::S3Address;
use crate::capabilities::Capabilities;
use crate::checksum::Checksum;
use crate::credential::RemoteCredential;
use crate::error::{Operation, StoreError};
use crate::http::{Asked, Element, Http, Refusal, Reply, encode_path, retry_after};
use crate::name::{Key, Prefix};
use crate::remote::{
    Block, BlockUpload, Body, GrantRequest, ListPage, ObjectInfo, PageToken, PutOptions, Remote, Stored,
    Tier, UploadGrant, Urgency,
};

/// The one region that a new bucket lies in without saying so.
const UNSAID_REGION: &str = "us-east-1";
/// The most bytes of one PUT.
const MOST_PUT_BYTES: u64 = 5 << 30;
/// The longest answer that is XML: a page of 1,000 names of 1,024 bytes.
const MOST_XML_BYTES: u64 = 8 << 20;
/// How long a thawed copy stays readable.
const THAWED_DAYS: u32 = 14;
/// How much of a body is hashed at a time.
const HASH_PIECE_BYTES: usize = 256 << 10;
/// What the header of a word beside an object begins with.
const METADATA: &str = "x-amz-meta-";
const DENIED_HINT: &str = "the keys need s3:GetObject, s3:PutObject and s3:ListBucket (and s3:DeleteObject to collect) on this bucket";

/// A bucket as a [`Remote`].
#[derive(Debug)]
pub struct S3 {
    label: String,
    address: S3Address,
    scheme: &'static str,
    host: String,
    signer: Signer,
    proof: &'static str,
    http: Http,
    capabilities: Capabilities,
}

/// One request.
struct Ask<'a> {
    method: Method,
    key: Option<&'a str>,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Option<Body>,
}

impl<'a> Ask<'a> {
    fn new(method: Method, key: &'a str) -> Self {
        Self { method, key: Some(key), query: BTreeMap::new(), headers: BTreeMap::new(), body: None }
    }

    fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.insert(name.to_owned(), value.into());
        self
    }

    fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }
}

impl S3 {
    /// Builds the client; nothing is asked of the network.
    ///
    /// # Errors
    /// [`StoreError::Refused`] without a pair of keys.
    pub(crate) fn new(
        address: &S3Address,
        credential: Option<RemoteCredential>,
        http: Http,
    ) -> Result<Self, StoreError> {
        let label = format!(
            "s3://{}{}{}",
            address.bucket,
            if address.prefix.is_empty() { "" } else { "/" },
            address.prefix
        );
        let proof = credential.as_ref().map_or("", RemoteCredential::description);
        let Some(RemoteCredential::S3Keys { access_key_id, secret_access_key, session_token }) = credential
        else {
            let asked = Asked { place: &label, operation: Operation::Open, object: "the bucket" };
            return Err(asked.nonsense("S3 takes a pair of access keys (--credential-file)"));
        };
        let amazon = format!("https://s3.{}.amazonaws.com", address.region);
        let endpoint = address.endpoint.as_deref().unwrap_or(&amazon);
        let (scheme, host) = match endpoint.split_once("://") {
            Some(("http", host)) => ("http", host),
            Some((_, host)) => ("https", host),
            None => ("https", endpoint),
        };
        let host = if address.path_style { host.to_owned() } else { format!("{}.{host}", address.bucket) };
        let mut capabilities = Capabilities::untried();
        capabilities.most_object_bytes = MOST_PUT_BYTES;
        capabilities.tiers = vec![Tier::Hot, Tier::Cool, Tier::Cold, Tier::Archive];
        let signer =
            Signer { access_key_id, secret_access_key, session_token, region: address.region.clone() };
        Ok(Self { label, address: address.clone(), scheme, host, signer, proof, http, capabilities })
    }

    pub(crate) const fn capabilities_mut(&mut self) -> &mut Capabilities {
        &mut self.capabilities
    }

    fn object_name(&self, key: &str) -> String {
        match self.address.prefix.as_str() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        }
    }

    /// The path of an object, or of the bucket, encoded.
    fn path(&self, key: Option<&str>) -> String {
        let object = key.map(|key| encode_path(&self.object_name(key))).unwrap_or_default();
        if self.address.path_style {
            format!("/{}/{object}", self.address.bucket)
        } else {
            format!("/{object}")
        }
    }

    async fn send(&self, asked: Asked<'_>, ask: Ask<'_>) -> Result<Reply, StoreError> {
        let body_hash = match &ask.body {
            None => sha256_hex(b""),
            Some(_) if self.scheme == "https" => UNSIGNED.to_owned(),
            Some(body) => self.hash(asked, body.clone()).await?,
        };
        let path = self.path(ask.key);
        let signed = Signed {
            method: name(&ask.method),
            host: &self.host,
            path: &path,
            query: &ask.query,
            headers: ask.headers,
            body_hash: &body_hash,
        };
        let headers = self.signer.headers(signed, SystemTime::now());
        let question = if ask.query.is_empty() { "" } else { "?" };
        let url = format!("{}://{}{path}{question}{}", self.scheme, self.host, query_text(&ask.query));
        let mut request = self.http.request(ask.method, &url);
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        let sent = match &ask.body {
            Some(body) => self.http.send_body(request, body).await,
            None => self.http.send(request).await,
        };
        sent.map_err(|fault| asked.network(fault))
    }

    /// The hash that stands in for TLS on a plain connection.
    async fn hash(&self, asked: Asked<'_>, body: Body) -> Result<String, StoreError> {
        let hashed = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
            let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
            let (mut offset, mut piece) = (0, vec![0; HASH_PIECE_BYTES]);
            loop {
                match body.read_at(offset, &mut piece)? {
                    0 => return Ok(data_encoding::HEXLOWER.encode(context.finish().as_ref())),
                    read => context.update(piece.get(..read).unwrap_or_default()),
                }
                offset += HASH_PIECE_BYTES as u64;
            }
        });
        let (place, operation, object) = (asked.place.to_owned(), asked.operation, asked.object.to_owned());
        let hashed = hashed.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        hashed.map_err(|source| StoreError::Io { place, operation, object, source })
    }

    /// What a refusal means; reads its body.
    async fn refused(&self, asked: Asked<'_>, reply: Reply) -> StoreError {
        let status = reply.status();
        let wait = retry_after(reply.header("retry-after"), SystemTime::now());
        let answer = Element::parse(&reply.text().await);
        let code = answer.as_ref().and_then(|answer| answer.text_of("Code")).map(str::to_owned);
        let known = code.as_deref().unwrap_or_default();
        let is_put = asked.operation == Operation::Put;
        match (status, known) {
            (412, _) if is_put => return asked.already_exists(),
            (403, "InvalidObjectState") => return asked.archived(),
            // Another conditional write to the same name is just being decided.
            (409, "ConditionalRequestConflict" | "OperationAborted") => {
                return StoreError::Throttled { place: asked.place.to_owned(), wait };
            }
            (409, "RestoreAlreadyInProgress") => return asked.archived(),
            (400, "RequestTimeout") | (_, "SlowDown") => {
                return StoreError::Throttled { place: asked.place.to_owned(), wait };
            }
            _ => {}
        }
        let hint = match (status, known) {
            (_, "SignatureDoesNotMatch") => Some("the secret access key is wrong"),
            (_, "InvalidAccessKeyId") => Some("this access key is not known there"),
            (_, "RequestTimeTooSkewed") => Some("the clock of this machine is wrong"),
            (_, "ExpiredToken" | "InvalidToken") => Some("the temporary keys have expired"),
            (_, "NoSuchBucket") => Some("create the bucket first"),
            (301 | 307 | 400, "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed") => {
                Some("the bucket is in another region: add ?region=… to the address")
            }
            (401 | 403, _) => Some(DENIED_HINT),
            _ => None,
        };
        let is_place = known == "NoSuchBucket";
        let code =
            code.filter(|code| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let refusal = Refusal { status, code, hint: hint.map(str::to_owned) };
        if is_place { asked.refuse_place(refusal) } else { asked.refuse(refusal, wait) }
    }

    async fn upload(
        &self,
        key: &Key,
        body: Body,
        options: &PutOptions,
        only_new: bool,
    ) -> Result<Stored, StoreError> {
        let asked = self.asked(Operation::Put, key.as_str());
        if body.length_bytes() > self.capabilities.most_object_bytes {
            return Err(asked.too_large(body.length_bytes(), self.capabilities.most_object_bytes));
        }
        let mut ask = self.describe(Ask::new(Method::PUT, key.as_str()), key, options)?;
        if let Some(md5) = &options.md5 {
            ask = ask.header("content-md5", data_encoding::BASE64.encode(md5));
        }
        if only_new {
            ask = ask.header("if-none-match", "*");
        }
        ask.body = Some(body);
        let reply = self.send(asked, ask).await?;
        match reply.status() {
            200 => {
                let version = reply.header("etag").map(str::to_owned);
                // Look-alikes take the header and compare nothing: only their own sum of what they took is believed.
                let own = version.as_deref().and_then(md5_of_etag);
                let is_md5_checked = options.md5.is_some_and(|md5| own == Some(Checksum::Md5(md5)));
                Ok(Stored { version, checksum: checksum(|name| reply.header(name)), is_md5_checked })
            }
            _ => Err(self.refused(asked, reply).await),
        }
    }

    /// The headers of what a put says about its object.
    fn describe<'a>(&self, mut ask: Ask<'a>, key: &Key, options: &PutOptions) -> Result<Ask<'a>, StoreError> {
        let media_type = options.media_type.as_deref().unwrap_or("application/octet-stream");
        ask = ask.header("content-type", media_type);
        for (name, value) in &options.metadata {
            ask = ask.header(&format!("{METADATA}{name}"), value);
        }
        if let Some(tier) = options.tier {
            if !self.capabilities.tiers.contains(&tier) {
                let asked = self.asked(Operation::Tier, key.as_str());
                return Err(asked.unsupported("it was found to have no tiers"));
            }
            ask = ask.header("x-amz-storage-class", self.storage_class(tier));
        }
        Ok(ask)
    }

    const fn asked<'a>(&'a self, operation: Operation, object: &'a str) -> Asked<'a> {
        Asked { place: self.label.as_str(), operation, object }
    }

    async fn restore(&self, asked: Asked<'_>, key: &Key, urgency: Urgency) -> Result<(), StoreError> {
        let tier = match urgency {
            Urgency::Standard => "Standard",
            Urgency::High => "Expedited",
        };
        let body = format!(
            "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Days>{THAWED_DAYS}</Days>\
             <GlacierJobParameters><Tier>{tier}</Tier></GlacierJobParameters></RestoreRequest>"
        );
        let mut ask = Ask::new(Method::POST, key.as_str()).query("restore", "");
        ask.body = Some(Body::from(body.into_bytes()));
        let reply = self.send(asked, ask).await?;
        match reply.status() {
            200 | 202 => Ok(()),
            _ => match self.refused(asked, reply).await {
                // It is being thawed already.
                StoreError::Archived { .. } => Ok(()),
                error => Err(error),
            },
        }
    }

    fn info(&self, content: &Element) -> Result<ObjectInfo, String> {
        let name = content.text_of("Key").unwrap_or_default();
        let below = match self.address.prefix.as_str() {
            "" => Some(name),
            prefix => name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')),
        };
        let key = below.and_then(|below| Key::parse(below).ok());
        let length = content.text_of("Size").and_then(|size| size.parse().ok());
        let (Some(key), Some(length_bytes)) = (key, length) else { return Err(name.to_owned()) };
        let modified = content.text_of("LastModified").and_then(|at| at.parse::<jiff::Timestamp>().ok());
        Ok(ObjectInfo {
            key,
            length_bytes,
            modified: modified.map(SystemTime::from),
            tier: from_storage_class(content.text_of("StorageClass")),
            is_thawing: false,
            version: content.text_of("ETag").map(str::to_owned),
            checksum: content.text_of("ETag").and_then(md5_of_etag),
        })
    }
}

#[async_trait]
impl Remote for S3 {
    fn label(&self) -> &str {
        &self.label
    }

    fn credential_source(&self) -> Option<String> {
        Some(self.proof.to_owned())
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.upload(key, body, options, false).await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.upload(key, body, options, true).await
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        let asked = self.asked(Operation::Get, key.as_str());
        let reply = self.send(asked, Ask::new(Method::GET, key.as_str())).await?;
        if reply.status() != 200 {
            return Err(self.refused(asked, reply).await);
        }
        let Some(length_bytes) = reply.length_bytes() else { return Err(asked.nonsense("no length")) };
        if length_bytes > at_most_bytes {
            return Err(asked.too_large(length_bytes, at_most_bytes));
        }
        reply.bytes(at_most_bytes).await.map_err(|fault| asked.network(fault))
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        if range.is_empty() {
            return self.head(key).await.map(|_| Bytes::new());
        }
        let asked = self.asked(Operation::Get, key.as_str());
        let wanted = range.end - range.start;
        let ask = Ask::new(Method::GET, key.as_str())
            .header("range", format!("bytes={}-{}", range.start, range.end - 1));
        let reply = self.send(asked, ask).await?;
        match reply.status() {
            206 => reply.bytes(wanted).await.map_err(|fault| asked.network(fault)),
            416 => Ok(Bytes::new()),
            200 => Err(asked.nonsense("the whole object instead of a part of it")),
            _ => Err(self.refused(asked, reply).await),
        }
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        let asked = self.asked(Operation::Head, key.as_str());
        let ask = Ask::new(Method::HEAD, key.as_str()).header("x-amz-checksum-mode", "ENABLED");
        let reply = self.send(asked, ask).await?;
        if reply.status() != 200 {
            return Err(self.refused(asked, reply).await);
        }
        let modified = reply.header("last-modified").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        let restore = reply.header("x-amz-restore").unwrap_or_default();
        let resting = from_storage_class(reply.header("x-amz-storage-class"));
        // A thawed copy is read at once, whatever tier the object pays for.
        let tier = if restore.contains("ongoing-request=\"false\"") { Some(Tier::Hot) } else { resting };
        Ok(ObjectInfo {
            key: key.clone(),
            length_bytes: reply.length_bytes().ok_or_else(|| asked.nonsense("no length"))?,
            modified: modified.map(|date| date.timestamp().into()),
            tier,
            is_thawing: restore.contains("ongoing-request=\"true\""),
            version: reply.header("etag").map(str::to_owned),
            checksum: checksum(|name| reply.header(name)),
        })
    }

    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        let asked = self.asked(Operation::List, prefix.as_str());
        let below = self.object_name(prefix.as_str());
        let below = below.trim_end_matches('/');
        let mut ask = Ask { key: None, ..Ask::new(Method::GET, "") }.query("list-type", "2");
        if !below.is_empty() {
            ask = ask.query("prefix", format!("{below}/"));
        }
        if let Some(after) = after {
            ask = ask.query("continuation-token", after.as_str());
        }
        let reply = self.send(asked, ask).await?;
        if reply.status() != 200 {
            return Err(match self.refused(asked, reply).await {
                StoreError::NotFound { .. } => asked.nonsense("there is no such bucket"),
                error => error,
            });
        }
        let bytes = reply.bytes(MOST_XML_BYTES).await.map_err(|fault| asked.network(fault))?;
        let listed = std::str::from_utf8(&bytes).ok().and_then(Element::parse);
        let listed = listed.filter(|listed| listed.name == "ListBucketResult");
        let listed = listed.ok_or_else(|| asked.nonsense("the answer is no listing"))?;
        let is_cut = listed.text_of("IsTruncated") == Some("true");
        let next = listed.text_of("NextContinuationToken").filter(|token| is_cut && !token.is_empty());
        let mut page =
            ListPage { next: next.map(|token| PageToken::new(token.to_owned())), ..ListPage::default() };
        for content in listed.all("Contents") {
            match self.info(content) {
                Ok(info) => page.objects.push(info),
                Err(stranger) => page.strangers.push(stranger),
            }
        }
        Ok(page)
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let asked = self.asked(Operation::Delete, key.as_str());
        let reply = self.send(asked, Ask::new(Method::DELETE, key.as_str())).await?;
        match reply.status() {
            200 | 204 | 404 => Ok(()),
            _ => Err(self.refused(asked, reply).await),
        }
    }

    async fn set_tier(&self, key: &Key, tier: Tier) -> Result<(), StoreError> {
        let asked = self.asked(Operation::Tier, key.as_str());
        if !self.capabilities.tiers.contains(&tier) {
            return Err(asked.unsupported("it was found to have no tiers"));
        }
        let info = self.head(key).await?;
        if info.tier == Some(Tier::Archive) && tier != Tier::Archive {
            return if info.is_thawing { Ok(()) } else { self.restore(asked, key, Urgency::Standard).await };
        }
        let ask = Ask::new(Method::PUT, key.as_str())
            .header("x-amz-copy-source", self.copy_source(key))
            .header("x-amz-metadata-directive", "COPY")
            .header("x-amz-storage-class", self.storage_class(tier));
        let reply = self.send(asked, ask).await?;
        match reply.status() {
            // Amazon may answer 200 and say in the body that it failed.
            200 => match Element::parse(&reply.text().await) {
                Some(answer) if answer.name == "Error" => Err(asked.nonsense("the copy failed")),
                _ => Ok(()),
            },
            _ => Err(self.refused(asked, reply).await),
        }
    }

    async fn thaw(&self, key: &Key, urgency: Urgency) -> Result<(), StoreError> {
        let asked = self.asked(Operation::Tier, key.as_str());
        if !self.capabilities.tiers.contains(&Tier::Archive) {
            return Err(asked.unsupported("it was found to have no tiers"));
        }
        self.restore(asked, key, urgency).await
    }

    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        Ok(self.grant(request, SystemTime::now()))
    }

    async fn create_place(&self) -> Result<(), StoreError> {
        let asked = self.asked(Operation::Open, "the bucket");
        let body = location(&self.address.region).map(|text| Body::Bytes(Bytes::from(text)));
        let reply = self.send(asked, Ask { key: None, body, ..Ask::new(Method::PUT, "") }).await?;
        if reply.status() == 200 {
            return Ok(());
        }
        match self.refused(asked, reply).await {
            // Anybody else's bucket of this name is refused with 409, too.
            StoreError::Refused { source, .. } if is_own_bucket(&source) => Ok(()),
            error => Err(error),
        }
    }

    async fn metadata(&self, key: &Key) -> Result<BTreeMap<String, String>, StoreError> {
        let asked = self.asked(Operation::Head, key.as_str());
        let reply = self.send(asked, Ask::new(Method::HEAD, key.as_str())).await?;
        if reply.status() != 200 {
            return Err(self.refused(asked, reply).await);
        }
        let said = reply.headers().iter().filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix(METADATA)?;
            Some((name.to_owned(), value.to_str().ok()?.to_owned()))
        });
        Ok(said.collect())
    }

    async fn begin_blocks(&self, key: &Key, options: &PutOptions) -> Result<BlockUpload, StoreError> {
        match self.find_blocks(key, options).await? {
            Some(upload) => Ok(upload),
            None => self.begin_anew(key, options).await,
        }
    }

    async fn put_block(
        &self,
        key: &Key,
        upload: &BlockUpload,
        block: Block,
        body: Body,
    ) -> Result<(), StoreError> {
        self.send_block(key, upload, block, body).await
    }

    async fn commit_blocks(
        &self,
        key: &Key,
        upload: &BlockUpload,
        blocks: &[Block],
        _options: &PutOptions,
    ) -> Result<Stored, StoreError> {
        self.commit(key, upload, blocks).await
    }
}

impl S3 {
    const fn storage_class(&self, tier: Tier) -> &'static str {
        match tier {
            Tier::Hot => "STANDARD",
            Tier::Cool => "STANDARD_IA",
            Tier::Cold => "GLACIER_IR",
            Tier::Archive if self.address.is_deep => "DEEP_ARCHIVE",
            Tier::Archive => "GLACIER",
        }
    }

    fn copy_source(&self, key: &Key) -> String {
        format!("/{}/{}", self.address.bucket, encode_path(&self.object_name(key.as_str())))
    }
}

/// What says where a new bucket is to lie; nothing where that is not said but by leaving it away.
fn location(region: &str) -> Option<String> {
    let is_plain =
        !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_plain && region != UNSAID_REGION).then(|| {
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    })
}

/// Whether the answer says that a bucket is there already and belongs to whoever asks.
fn is_own_bucket(source: &std::io::Error) -> bool {
    let refusal = source.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>());
    refusal.is_some_and(|refusal| refusal.code.as_deref() == Some("BucketAlreadyOwnedByYou"))
}

fn name(method: &Method) -> &'static str {
    match *method {
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::DELETE => "DELETE",
        _ => "GET",
    }
}

/// What the service computed over a whole object. None is sent with an upload, so it cannot be an echo; those that
/// others send are checked by the service before it takes the object
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>).
fn checksum<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Checksum> {
    let bytes = |name: &str| data_encoding::BASE64.decode(header(name)?.as_bytes()).ok();
    if header("x-amz-checksum-type").is_none_or(|kind| kind == "FULL_OBJECT") {
        let sha256 = bytes("x-amz-checksum-sha256").and_then(|sum| Checksum::sha256(&sum));
        let crc = || bytes("x-amz-checksum-crc64nvme").and_then(|sum| Checksum::crc64_greatest_first(&sum));
        if let Some(found) = sha256.or_else(crc) {
            return Some(found);
        }
    }
    header("etag").and_then(md5_of_etag)
}

/// The entity tag of an object that came as one PUT is its MD5, unless the bucket is encrypted with keys of KMS;
/// then it is something else, which the probe sees.
fn md5_of_etag(etag: &str) -> Option<Checksum> {
    let hex = etag.trim_matches('"');
    Checksum::md5(&data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?)
}

/// The standard class is not said in a head.
fn from_storage_class(class: Option<&str>) -> Option<Tier> {
    match class {
        None | Some("" | "STANDARD" | "REDUCED_REDUNDANCY" | "INTELLIGENT_TIERING" | "EXPRESS_ONEZONE") => {
            Some(Tier::Hot)
        }
        Some("STANDARD_IA" | "ONEZONE_IA") => Some(Tier::Cool),
        Some("GLACIER_IR") => Some(Tier::Cold),
        Some("GLACIER" | "DEEP_ARCHIVE") => Some(Tier::Archive),
        Some(_) => None,
    }
}
