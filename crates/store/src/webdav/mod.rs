//! WebDAV folders, over our own small client.
//!
//! Why not opendal: its rename always overwrites, and `MOVE` with `Overwrite: F` is the only refusal to
//! overwrite that all the measured servers keep (a conditional PUT is ignored by half of them); it makes every
//! folder again before every write; and it takes a body only as a whole.
//!
//! A write goes to `.safelight-tmp/<random>` and is moved: so no reader sees a part. Folders are made once and
//! remembered. Listings ask for one level at a time, because servers refuse `Depth: infinity`.

mod listing;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use data_encoding::BASE64;
use reqwest::{Method, RequestBuilder};

use self::listing::Entry;
use crate::address::WebDavAddress;
use crate::capabilities::{Capabilities, Capability, Finding};
use crate::credential::{RemoteCredential, SecretText};
use crate::error::{Operation, StoreError};
use crate::http::{Asked, Http, Refusal, Reply, encode_path, retry_after};
use crate::name::{Key, NameError, Prefix};
use crate::remote::{
    Body, GrantRequest, ListPage, ObjectInfo, PageToken, PutOptions, Remote, Stored, Tier, UploadGrant,
};

/// Where unfinished uploads are; names below it are refused.
const TEMPORARY: &str = ".safelight-tmp";
/// Enough objects for a page of a listing.
const PAGE_OBJECTS: usize = 1000;
/// The longest listing of one folder.
const MOST_LISTING_BYTES: u64 = 64 << 20;
/// How often a move is tried again while the name is locked, and how much longer is waited each time.
const LOCKED_TRIES: u32 = 6;
const LOCKED_WAIT: Duration = Duration::from_millis(20);
const DENIED_HINT: &str = "the name or password is wrong, or this user may not write here";

/// A folder of a WebDAV server as a [`Remote`].
#[derive(Debug)]
pub struct WebDav {
    label: String,
    address: WebDavAddress,
    authorization: Option<SecretText>,
    proof: Option<&'static str>,
    http: Http,
    /// Folders that are known to be there.
    folders: Mutex<HashSet<String>>,
    /// Held while folders are made.
    making: tokio::sync::Mutex<()>,
    capabilities: Capabilities,
}

impl WebDav {
    /// Builds the client; nothing is asked of the network.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a credential of another kind.
    pub(crate) fn new(
        address: &WebDavAddress,
        credential: Option<RemoteCredential>,
        http: Http,
    ) -> Result<Self, StoreError> {
        let label = crate::address::RemoteAddress::WebDav(address.clone()).to_string();
        let proof = credential.as_ref().map(RemoteCredential::description);
        let authorization = match credential {
            None => None,
            Some(RemoteCredential::Password { user, password }) => {
                let pair = zeroize::Zeroizing::new(format!("{user}:{}", password.expose()));
                Some(SecretText::new(format!("Basic {}", BASE64.encode(pair.as_bytes()))))
            }
            Some(RemoteCredential::Token(token)) => {
                Some(SecretText::new(format!("Bearer {}", token.expose())))
            }
            Some(_) => {
                let asked = Asked { place: &label, operation: Operation::Open, object: "the folder" };
                return Err(asked.nonsense("WebDAV takes a name and a password, or a token"));
            }
        };
        let mut capabilities = Capabilities::untried();
        for (capability, why) in [
            (Capability::Tiers, "WebDAV has no tiers"),
            (Capability::UploadGrants, "WebDAV cannot lend a permission"),
            (Capability::ProviderChecksum, "WebDAV servers do not vouch for bytes"),
            // Measured: wsgidav tells two of eight writers that they won, once in forty races.
            (
                Capability::OneWinner,
                "WebDAV servers look first and move then: two at the same instant may both succeed",
            ),
            (
                Capability::Replace,
                "WebDAV servers remove the old object before they move the new one in its place, and answer from both",
            ),
        ] {
            capabilities.set(capability, Finding::Missing(why.to_owned()));
        }
        Ok(Self {
            label,
            address: address.clone(),
            authorization,
            proof,
            http,
            folders: Mutex::default(),
            making: tokio::sync::Mutex::default(),
            capabilities,
        })
    }

    pub(crate) const fn capabilities_mut(&mut self) -> &mut Capabilities {
        &mut self.capabilities
    }

    const fn asked<'a>(&'a self, operation: Operation, object: &'a str) -> Asked<'a> {
        Asked { place: self.label.as_str(), operation, object }
    }

    /// The address of a name below our folder; folders end in a slash.
    fn url(&self, name: &str, is_folder: bool) -> String {
        let parts = [self.address.path.as_str(), name];
        let path: Vec<String> =
            parts.iter().filter(|part| !part.is_empty()).map(|part| encode_path(part)).collect();
        let slash = if is_folder && !path.is_empty() { "/" } else { "" };
        format!("{}/{}{slash}", self.address.server, path.join("/"))
    }

    fn request(&self, method: &'static str, url: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        let request = self.http.request(method, url);
        match &self.authorization {
            Some(value) => request.header("authorization", value.expose()),
            None => request,
        }
    }

    async fn send(&self, asked: Asked<'_>, request: RequestBuilder) -> Result<Reply, StoreError> {
        self.http.send(request).await.map_err(|fault| asked.network(fault))
    }

    fn refused(&self, asked: Asked<'_>, reply: &Reply) -> StoreError {
        let status = reply.status();
        let wait = retry_after(reply.header("retry-after"), SystemTime::now());
        let hint = match status {
            401 | 403 => Some(DENIED_HINT.to_owned()),
            413 => Some("the server's limit for uploads is too small".to_owned()),
            _ => None,
        };
        // Somebody holds a lock for a moment.
        if status == 423 {
            return StoreError::Throttled { place: self.label.clone(), wait };
        }
        asked.refuse(Refusal { status, code: None, hint }, wait)
    }

    fn check(&self, key: &Key) -> Result<(), StoreError> {
        if key.as_str().split('/').next() != Some(TEMPORARY) {
            return Ok(());
        }
        let rule = "this name is kept for unfinished files";
        Err(StoreError::BadName {
            place: self.label.clone(),
            source: NameError { name: key.to_string(), rule },
        })
    }

    fn knows(&self, folder: &str) -> bool {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).contains(folder)
    }

    fn forget_folders(&self) {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Makes a folder and those above it, those of our own address too, unless they are known.
    async fn make_folder(&self, asked: Asked<'_>, folder: &str) -> Result<(), StoreError> {
        let whole = [self.address.path.as_str(), folder];
        let whole: Vec<&str> = whole.into_iter().filter(|part| !part.is_empty()).collect();
        let whole = whole.join("/");
        if whole.is_empty() || self.knows(&whole) {
            return Ok(());
        }
        // One at a time: servers stumble over two that make the same folder.
        let _turn = self.making.lock().await;
        // From the innermost outwards, until one is there: mostly that is the first.
        let (mut missing, mut next) = (Vec::new(), whole.as_str());
        while !next.is_empty() && !self.knows(next) && !self.make_one_folder(asked, next).await? {
            missing.push(next);
            next = next.rsplit_once('/').map_or("", |(above, _)| above);
        }
        for name in missing.into_iter().rev() {
            if !self.make_one_folder(asked, name).await? {
                return Err(asked.nonsense("a folder cannot be made though the one above it is there"));
            }
        }
        Ok(())
    }

    /// Makes one folder by its whole path; false when the one above it is missing.
    async fn make_one_folder(&self, asked: Asked<'_>, path: &str) -> Result<bool, StoreError> {
        let url = format!("{}/{}/", self.address.server, encode_path(path));
        let reply = self.send(asked, self.request("MKCOL", &url)).await?;
        match reply.status() {
            // 405 is there already; some say it by pointing to it.
            200 | 201 | 204 | 301 | 405 => {
                self.folders.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
                Ok(true)
            }
            404 | 409 => Ok(false),
            _ => Err(self.refused(asked, &reply)),
        }
    }

    async fn upload(
        &self,
        key: &Key,
        body: &Body,
        options: &PutOptions,
        overwrite: bool,
    ) -> Result<Stored, StoreError> {
        self.check(key)?;
        let asked = self.asked(Operation::Put, key.as_str());
        if options.tier.is_some() {
            return Err(self.asked(Operation::Tier, key.as_str()).unsupported("WebDAV has no tiers"));
        }
        let temporary = self.send_temporary(asked, body).await?;
        let moved = self.publish(asked, &temporary, key, overwrite).await;
        if moved.is_err() {
            let left = self.send(asked, self.request("DELETE", &self.url(&temporary, false))).await;
            if left.is_err() {
                tracing::debug!(place = self.label, "an unfinished upload stays behind");
            }
        }
        moved
    }

    async fn send_temporary(&self, asked: Asked<'_>, body: &Body) -> Result<String, StoreError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| asked.nonsense("the system has no random bytes"))?;
        let temporary =
            format!("{TEMPORARY}/{}", data_encoding::BASE32_NOPAD.encode(&random).to_ascii_lowercase());
        let mut is_second = false;
        loop {
            self.make_folder(asked, TEMPORARY).await?;
            let request = self.request("PUT", &self.url(&temporary, false));
            let reply = self.http.send_body(request, body).await.map_err(|fault| asked.network(fault))?;
            match reply.status() {
                200 | 201 | 204 => return Ok(temporary),
                // Somebody removed the folder.
                404 | 409 if !is_second => self.forget_folders(),
                404 | 409 => return Err(asked.nonsense("the folder for unfinished uploads cannot be made")),
                _ => return Err(self.refused(asked, &reply)),
            }
            is_second = true;
        }
    }

    async fn publish(
        &self,
        asked: Asked<'_>,
        temporary: &str,
        key: &Key,
        overwrite: bool,
    ) -> Result<Stored, StoreError> {
        let folder = key.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
        let (mut is_second, mut locked) = (false, 0);
        loop {
            self.make_folder(asked, folder).await?;
            let request = self
                .request("MOVE", &self.url(temporary, false))
                .header("destination", self.url(key.as_str(), false))
                .header("overwrite", if overwrite { "T" } else { "F" });
            let reply = self.send(asked, request).await?;
            match reply.status() {
                200 | 201 | 204 => {
                    return Ok(Stored {
                        version: reply.header("etag").map(str::to_owned),
                        checksum: None,
                        ..Stored::default()
                    });
                }
                412 if !overwrite => return Err(asked.already_exists()),
                // Another request works on the name or its folder for a moment.
                423 if locked < LOCKED_TRIES => {
                    locked += 1;
                    tokio::time::sleep(LOCKED_WAIT * locked).await;
                    continue;
                }
                // Somebody removed the folder; servers say it in four ways.
                403 | 404 | 409 | 500 if !is_second => self.forget_folders(),
                404 => return Err(asked.nonsense("the upload is gone before it was moved")),
                _ => return Err(self.refused(asked, &reply)),
            }
            is_second = true;
        }
    }

    /// The entries of one folder; none when it is not there.
    async fn entries(&self, asked: Asked<'_>, folder: &str) -> Result<Vec<Entry>, StoreError> {
        let url = self.url(folder, true);
        let request = self
            .request("PROPFIND", &url)
            .header("depth", "1")
            .header("content-type", "application/xml; charset=utf-8")
            .body(listing::REQUEST);
        let reply = self.send(asked, request).await?;
        match reply.status() {
            207 => {}
            404 => return Ok(Vec::new()),
            _ => return Err(self.refused(asked, &reply)),
        }
        let bytes = reply.bytes(MOST_LISTING_BYTES).await.map_err(|fault| asked.network(fault))?;
        let base = url.strip_prefix(&self.address.server).unwrap_or(&url).to_owned();
        listing::read(&bytes, &base).ok_or_else(|| asked.nonsense("the answer is no listing"))
    }
}

#[async_trait]
impl Remote for WebDav {
    fn label(&self) -> &str {
        &self.label
    }

    fn credential_source(&self) -> Option<String> {
        self.proof.map(str::to_owned)
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.upload(key, &body, options, true).await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.upload(key, &body, options, false).await
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        self.check(key)?;
        let asked = self.asked(Operation::Get, key.as_str());
        let reply = self.send(asked, self.request("GET", &self.url(key.as_str(), false))).await?;
        if reply.status() != 200 {
            return Err(self.refused(asked, &reply));
        }
        if let Some(length_bytes) = reply.length_bytes()
            && length_bytes > at_most_bytes
        {
            return Err(asked.too_large(length_bytes, at_most_bytes));
        }
        reply.bytes(at_most_bytes).await.map_err(|fault| asked.network(fault))
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.check(key)?;
        if range.is_empty() {
            return self.head(key).await.map(|_| Bytes::new());
        }
        let asked = self.asked(Operation::Get, key.as_str());
        let wanted = range.end - range.start;
        let request = self
            .request("GET", &self.url(key.as_str(), false))
            .header("range", format!("bytes={}-{}", range.start, range.end - 1));
        let reply = self.send(asked, request).await?;
        match reply.status() {
            206 => reply.bytes(wanted).await.map_err(|fault| asked.network(fault)),
            416 => Ok(Bytes::new()),
            // Some answer with everything when the range begins behind the end.
            200 if reply.length_bytes().is_some_and(|length| length <= range.start) => Ok(Bytes::new()),
            200 => Err(asked.nonsense("the whole object instead of a part of it")),
            _ => Err(self.refused(asked, &reply)),
        }
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.check(key)?;
        let asked = self.asked(Operation::Head, key.as_str());
        let reply = self.send(asked, self.request("HEAD", &self.url(key.as_str(), false))).await?;
        if reply.status() != 200 {
            return Err(self.refused(asked, &reply));
        }
        let modified = reply.header("last-modified").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        Ok(ObjectInfo {
            key: key.clone(),
            length_bytes: reply.length_bytes().ok_or_else(|| asked.nonsense("no length"))?,
            modified: modified.map(|date| date.timestamp().into()),
            tier: None,
            is_thawing: false,
            version: reply.header("etag").map(str::to_owned),
            checksum: None,
        })
    }

    /// The token is the folders still to be asked, innermost last.
    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        let asked = self.asked(Operation::List, prefix.as_str());
        let mut folders: Vec<String> = match after {
            None => vec![prefix.as_str().to_owned()],
            Some(token) => token.as_str().lines().map(str::to_owned).collect(),
        };
        let mut page = ListPage::default();
        while page.objects.len() < PAGE_OBJECTS {
            let Some(folder) = folders.pop() else { break };
            for entry in self.entries(asked, &folder).await? {
                let name = if folder.is_empty() { entry.name } else { format!("{folder}/{}", entry.name) };
                if name == TEMPORARY {
                    continue;
                }
                match Key::parse(&name) {
                    Err(_) => page.strangers.push(name),
                    Ok(_) if entry.is_folder => folders.push(name),
                    Ok(key) => page.objects.push(ObjectInfo {
                        key,
                        length_bytes: entry.length_bytes,
                        modified: entry.modified,
                        tier: None,
                        is_thawing: false,
                        version: entry.version,
                        checksum: None,
                    }),
                }
            }
        }
        page.next = (!folders.is_empty()).then(|| PageToken::new(folders.join("\n")));
        Ok(page)
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.check(key)?;
        let asked = self.asked(Operation::Delete, key.as_str());
        let reply = self.send(asked, self.request("DELETE", &self.url(key.as_str(), false))).await?;
        match reply.status() {
            200 | 204 | 404 | 410 => Ok(()),
            // The folder above it is not there either, as some say.
            409 => match self.head(key).await {
                Err(error) if error.is_not_found() => Ok(()),
                _ => Err(self.refused(asked, &reply)),
            },
            _ => Err(self.refused(asked, &reply)),
        }
    }

    async fn set_tier(&self, key: &Key, _tier: Tier) -> Result<(), StoreError> {
        Err(self.asked(Operation::Tier, key.as_str()).unsupported("WebDAV has no tiers"))
    }

    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        let asked = self.asked(Operation::Grant, request.key.as_str());
        Err(asked.unsupported("WebDAV cannot lend a permission"))
    }

    async fn remove_empty_folder(&self, folder: &Key) -> Result<(), StoreError> {
        self.check(folder)?;
        let asked = self.asked(Operation::Delete, folder.as_str());
        // A server would remove all that is in it.
        if !self.entries(asked, folder.as_str()).await?.is_empty() {
            return Ok(());
        }
        self.forget_folders();
        let reply = self.send(asked, self.request("DELETE", &self.url(folder.as_str(), true))).await?;
        match reply.status() {
            200 | 204 | 404 | 409 | 410 => Ok(()),
            _ => Err(self.refused(asked, &reply)),
        }
    }

    async fn sweep(&self, age: Duration) -> Result<u64, StoreError> {
        let asked = self.asked(Operation::Sweep, TEMPORARY);
        let before = SystemTime::now() - age;
        let mut swept = 0;
        for entry in self.entries(asked, TEMPORARY).await? {
            if entry.is_folder || entry.modified.is_none_or(|modified| modified > before) {
                continue;
            }
            let url = self.url(&format!("{TEMPORARY}/{}", entry.name), false);
            let reply = self.send(asked, self.request("DELETE", &url)).await?;
            match reply.status() {
                200 | 204 => swept += 1,
                404 => {}
                _ => return Err(self.refused(asked, &reply)),
            }
        }
        Ok(swept)
    }
}
