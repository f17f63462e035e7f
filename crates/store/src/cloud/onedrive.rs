//! OneDrive, by Microsoft Graph v1.0, in the folder that belongs to the client (`special/approot`).
//!
//! * <https://learn.microsoft.com/graph/api/driveitem-put-content>, `driveitem-createuploadsession`,
//!   `driveitem-get-content`, `driveitem-list-children`, `driveitem-delete`
//! * <https://learn.microsoft.com/onedrive/developer/rest-api/concepts/special-folders-appfolder>
//! * <https://learn.microsoft.com/graph/throttling>, <https://learn.microsoft.com/graph/errors>
//!
//! `@microsoft.graph.conflictBehavior=fail` refuses a taken name, for a small body in the address and for an upload
//! session in its item. Folders come into being with the first object in them. Content comes from another host, whose
//! address itself is the permission: no token is sent there. A delete looks first, because a folder would go with all
//! that is in it.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::{Account, PIECE_TRIES, Refused, range_header, ranged, time, whole};
use crate::address::{CloudAddress, RemoteAddress};
use crate::capabilities::Capabilities;
use crate::checksum::Checksum;
use crate::credential::RemoteCredential;
use crate::error::{Operation, StoreError};
use crate::http::{Asked, Http, Reply, encode_path};
use crate::name::{Key, Prefix};
use crate::oauth::{CredentialKeeper, Provider};
use crate::remote::{
    Body, GrantRequest, ListPage, ObjectInfo, PageToken, PutOptions, Remote, Stored, Tier, UploadGrant,
};

/// What goes as one request; the documentation long said 4 MB, and larger ones gain from sessions.
const SINGLE_BYTES: u64 = 4 << 20;
/// The pieces of an upload session: a multiple of 320 KiB, below 60 MiB.
const PIECE_BYTES: u64 = 32 * (320 << 10);
/// The most bytes of a file.
const MOST_OBJECT_BYTES: u64 = 250 << 30;
/// Enough objects for a page.
const PAGE_OBJECTS: usize = 1000;
/// What is asked of an item.
const FIELDS: &str = "id,name,size,file,folder,lastModifiedDateTime,eTag";
const DENIED_HINT: &str = "the client needs the permissions Files.ReadWrite.AppFolder and User.Read; add them at the \
    provider, then sign in again: safelight remote set NAME --sign-in";

/// A folder in OneDrive as a [`Remote`].
#[derive(Debug)]
pub struct OneDrive {
    account: Account,
    /// Where Graph is.
    api: String,
    is_loopback: bool,
    /// The folder below the client's own, without slashes at its ends.
    root: String,
}

impl OneDrive {
    /// Builds the client; nothing is asked of the network.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without a sign-in, [`StoreError::Refused`] for another kind of credential.
    pub(crate) fn new(
        cloud: &CloudAddress,
        credential: Option<RemoteCredential>,
        keeper: Option<Arc<dyn CredentialKeeper>>,
        http: Http,
    ) -> Result<Self, StoreError> {
        let label = RemoteAddress::OneDrive(cloud.clone()).to_string();
        let mut account = Account::new(label, Provider::Microsoft, cloud, credential, keeper, http)?;
        account.capabilities.most_object_bytes = MOST_OBJECT_BYTES;
        let api = format!("{}/v1.0", cloud.endpoint.as_deref().unwrap_or("https://graph.microsoft.com"));
        Ok(Self { account, api, is_loopback: cloud.endpoint.is_some(), root: cloud.path.clone() })
    }

    pub(crate) const fn capabilities_mut(&mut self) -> &mut Capabilities {
        &mut self.account.capabilities
    }

    /// Asks who signed in. Not knowing it is no reason to stop.
    pub(crate) async fn look_up_owner(&self) {
        let asked = self.account.asked(Operation::Open, "the account");
        let url = format!("{}/me?$select=displayName,userPrincipalName", self.api);
        if let Ok(reply) = self.ask(asked, Method::GET, &url).await
            && reply.status() == 200
            && let Ok(answer) = super::json(asked, reply).await
        {
            let text = |name: &str| answer.get(name).and_then(Value::as_str);
            self.account.learn_owner(text("displayName"), text("userPrincipalName"));
        }
    }

    /// The address of an item by its path, with what is done to it behind.
    fn url(&self, key: &str, action: &str) -> String {
        let path: Vec<&str> = [self.root.as_str(), key].into_iter().filter(|part| !part.is_empty()).collect();
        let app = format!("{}/me/drive/special/approot", self.api);
        match (path.join("/"), action) {
            (path, action) if path.is_empty() => format!("{app}{action}"),
            (path, action) => format!("{app}:/{}:{action}", encode_path(&path)),
        }
    }

    async fn ask(&self, asked: Asked<'_>, method: Method, url: &str) -> Result<Reply, StoreError> {
        self.account.send(asked, || self.account.http.request(method.clone(), url), None).await
    }

    async fn refused(&self, asked: Asked<'_>, reply: Reply) -> StoreError {
        meaning(asked, &Refused::read(reply).await)
    }

    /// An address that the service gave and that is itself a permission.
    fn given(&self, asked: Asked<'_>, text: Option<&str>) -> Result<Url, StoreError> {
        let url = text.and_then(|text| Url::parse(text).ok());
        let is_fine = |url: &Url| match url.scheme() {
            "https" => true,
            "http" => self.is_loopback && url.host_str() == Some("127.0.0.1"),
            _ => false,
        };
        url.filter(is_fine).ok_or_else(|| asked.nonsense("it points to a place that is not encrypted"))
    }

    async fn upload(
        &self,
        key: &Key,
        body: Body,
        options: &PutOptions,
        behaviour: &str,
    ) -> Result<Stored, StoreError> {
        let asked = self.account.asked(Operation::Put, key.as_str());
        if options.tier.is_some() {
            return Err(self
                .account
                .asked(Operation::Tier, key.as_str())
                .unsupported("OneDrive has no tiers"));
        }
        let reply = if body.length_bytes() <= SINGLE_BYTES {
            let behaviour = format!("/content?@microsoft.graph.conflictBehavior={behaviour}");
            let url = self.url(key.as_str(), &behaviour);
            let request = || {
                let request = self.account.http.request(Method::PUT, &url);
                request.header("content-type", "application/octet-stream")
            };
            self.account.send(asked, request, Some(&body)).await?
        } else {
            self.upload_in_pieces(asked, key, &body, behaviour).await?
        };
        if !matches!(reply.status(), 200 | 201) {
            return Err(self.refused(asked, reply).await);
        }
        let answer = super::json(asked, reply).await?;
        if answer.get("size").and_then(Value::as_u64) != Some(body.length_bytes()) {
            return Err(asked.nonsense("it says that it took another number of bytes"));
        }
        Ok(Stored { version: text(&answer, "eTag"), checksum: checksum(&answer), ..Stored::default() })
    }

    async fn upload_in_pieces(
        &self,
        asked: Asked<'_>,
        key: &Key,
        body: &Body,
        behaviour: &str,
    ) -> Result<Reply, StoreError> {
        let url = self.url(key.as_str(), "/createUploadSession");
        let item = json!({ "item": { "@microsoft.graph.conflictBehavior": behaviour } }).to_string();
        let request = || {
            let request = self.account.http.request(Method::POST, &url);
            request.header("content-type", "application/json").body(item.clone())
        };
        let reply = self.account.send(asked, request, None).await?;
        if reply.status() != 200 {
            return Err(self.refused(asked, reply).await);
        }
        let answer = super::json(asked, reply).await?;
        let session = self.given(asked, text(&answer, "uploadUrl").as_deref())?;
        let sent = self.send_pieces(asked, &session, body).await;
        if sent.is_err() {
            let left = self.account.http.request(Method::DELETE, session.as_str());
            if self.account.send_bare(asked, left, None).await.is_err() {
                tracing::debug!(place = self.account.label, "an unfinished upload stays until it expires");
            }
        }
        sent
    }

    /// Sends the pieces; the answer to the last one makes the object.
    async fn send_pieces(&self, asked: Asked<'_>, session: &Url, body: &Body) -> Result<Reply, StoreError> {
        let (total, mut offset, mut tries) = (body.length_bytes(), 0, 0);
        loop {
            let piece = body.part(offset, PIECE_BYTES);
            let last = offset + piece.length_bytes() - 1;
            let request = self
                .account
                .http
                .request(Method::PUT, session.as_str())
                .header("content-range", format!("bytes {offset}-{last}/{total}"));
            let error = match self.account.send_bare(asked, request, Some(&piece)).await {
                Ok(reply) if reply.status() == 202 => {
                    let answer = super::json(asked, reply).await?;
                    let next = next_expected(&answer).filter(|next| *next > offset && *next < total);
                    offset = next.ok_or_else(|| asked.nonsense("it does not say what it expects next"))?;
                    tries = 0;
                    continue;
                }
                Ok(reply) if matches!(reply.status(), 200 | 201) => return Ok(reply),
                Ok(reply) => self.refused(asked, reply).await,
                Err(error) => error,
            };
            tries += 1;
            if !matches!(error, StoreError::Network { .. }) || tries >= PIECE_TRIES {
                return Err(error);
            }
            // The piece may have arrived and only its answer not.
            let look = self.account.http.request(Method::GET, session.as_str());
            let reply = self.account.send_bare(asked, look, None).await?;
            if reply.status() != 200 {
                return Err(error);
            }
            let answer = super::json(asked, reply).await?;
            match next_expected(&answer).filter(|next| *next < total) {
                Some(next) => offset = next,
                None => return Err(error),
            }
        }
    }

    async fn item(&self, asked: Asked<'_>, key: &Key) -> Result<Value, StoreError> {
        let url = self.url(key.as_str(), &format!("?$select={FIELDS}"));
        let reply = self.ask(asked, Method::GET, &url).await?;
        if reply.status() != 200 {
            return Err(self.refused(asked, reply).await);
        }
        let item = super::json(asked, reply).await?;
        if item.get("file").is_some() { Ok(item) } else { Err(asked.not_found()) }
    }

    /// Asks for content where it really is; no token goes there.
    async fn content(
        &self,
        asked: Asked<'_>,
        key: &Key,
        range: Option<&Range<u64>>,
    ) -> Result<Reply, StoreError> {
        let reply = self.ask(asked, Method::GET, &self.url(key.as_str(), "/content")).await?;
        if reply.status() != 302 {
            return Err(match reply.status() {
                200 => asked.nonsense("the content without a way to it"),
                _ => self.refused(asked, reply).await,
            });
        }
        let there = self.given(asked, reply.header("location"))?;
        let request = self.account.http.request(Method::GET, there.as_str());
        let request = match range {
            Some(range) => request.header("range", range_header(range)),
            None => request,
        };
        self.account.send_bare(asked, request, None).await
    }

    /// One page of a folder: its items, and the address of the next page.
    async fn children(
        &self,
        asked: Asked<'_>,
        folder: &str,
        next: Option<&str>,
    ) -> Result<(Vec<Value>, Option<String>), StoreError> {
        let url = match next {
            None => self.url(folder, &format!("/children?$top=200&$select={FIELDS}")),
            // A token is sent there: it must be Graph itself.
            Some(next) if next.starts_with(&format!("{}/", self.api)) => next.to_owned(),
            Some(_) => return Err(asked.nonsense("the next page is at another place")),
        };
        let reply = self.ask(asked, Method::GET, &url).await?;
        if reply.status() != 200 {
            return match self.refused(asked, reply).await {
                StoreError::NotFound { .. } => Ok((Vec::new(), None)),
                error => Err(error),
            };
        }
        let mut answer = super::json(asked, reply).await?;
        let next = text(&answer, "@odata.nextLink");
        match answer.get_mut("value").map(Value::take) {
            Some(Value::Array(items)) => Ok((items, next)),
            _ => Err(asked.nonsense("the answer is no listing")),
        }
    }
}

#[async_trait]
impl Remote for OneDrive {
    fn label(&self) -> &str {
        &self.account.label
    }

    fn credential_source(&self) -> Option<String> {
        Some(self.account.source())
    }

    fn capabilities(&self) -> &Capabilities {
        &self.account.capabilities
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.upload(key, body, options, "replace").await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.upload(key, body, options, "fail").await
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        let asked = self.account.asked(Operation::Get, key.as_str());
        let reply = self.content(asked, key, None).await?;
        match reply.status() {
            200 => whole(asked, reply, at_most_bytes).await,
            _ => Err(self.refused(asked, reply).await),
        }
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        if range.is_empty() {
            return self.head(key).await.map(|_| Bytes::new());
        }
        let asked = self.account.asked(Operation::Get, key.as_str());
        let reply = self.content(asked, key, Some(&range)).await?;
        match reply.status() {
            200 | 206 | 416 => ranged(asked, reply, &range).await.map(Option::unwrap_or_default),
            _ => Err(self.refused(asked, reply).await),
        }
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        let asked = self.account.asked(Operation::Head, key.as_str());
        let item = self.item(asked, key).await?;
        info(key.clone(), &item).ok_or_else(|| asked.nonsense("no length"))
    }

    /// The token: the address of the next page or an empty line, the folder it is of, and the folders that are still
    /// to be asked, the next one last.
    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        let asked = self.account.asked(Operation::List, prefix.as_str());
        let start = format!("\n{}", prefix.as_str().trim_end_matches('/'));
        let token = after.map_or(start.as_str(), PageToken::as_str);
        let mut lines = token.split('\n');
        let mut next = lines.next().filter(|next| !next.is_empty()).map(str::to_owned);
        let mut folder = lines.next().map(str::to_owned);
        let mut folders: Vec<String> = lines.map(str::to_owned).collect();
        let mut page = ListPage::default();
        while let Some(now) = folder.clone()
            && page.objects.len() < PAGE_OBJECTS
        {
            let (items, following) = self.children(asked, &now, next.as_deref()).await?;
            for item in items {
                let name = text(&item, "name").unwrap_or_default();
                let name = if now.is_empty() { name } else { format!("{now}/{name}") };
                match Key::parse(&name) {
                    Ok(_) if item.get("folder").is_some() => folders.push(name),
                    Ok(key) if item.get("file").is_some() => page.objects.extend(info(key, &item)),
                    _ => page.strangers.push(name),
                }
            }
            next = following;
            if next.is_none() {
                folder = folders.pop();
            }
        }
        page.next = folder.map(|folder| {
            let rest = folders.iter().map(|folder| format!("\n{folder}")).collect::<String>();
            PageToken::new(format!("{}\n{folder}{rest}", next.unwrap_or_default()))
        });
        Ok(page)
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let asked = self.account.asked(Operation::Delete, key.as_str());
        let item = match self.item(asked, key).await {
            Ok(item) => item,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        let (url, version) = (self.url(key.as_str(), ""), text(&item, "eTag").unwrap_or_default());
        let request = || self.account.http.request(Method::DELETE, &url).header("if-match", &version);
        let reply = self.account.send(asked, request, None).await?;
        match reply.status() {
            200 | 204 | 404 => Ok(()),
            _ => Err(self.refused(asked, reply).await),
        }
    }

    async fn remove_empty_folder(&self, folder: &Key) -> Result<(), StoreError> {
        let asked = self.account.asked(Operation::Delete, folder.as_str());
        let url = self.url(folder.as_str(), &format!("?$select={FIELDS}"));
        let reply = self.ask(asked, Method::GET, &url).await?;
        let item = match reply.status() {
            200 => super::json(asked, reply).await?,
            404 => return Ok(()),
            _ => return Err(self.refused(asked, reply).await),
        };
        if item.pointer("/folder/childCount").and_then(Value::as_u64) != Some(0) {
            return Ok(());
        }
        // Something that came into it since has given it another tag.
        let (url, version) = (self.url(folder.as_str(), ""), text(&item, "eTag").unwrap_or_default());
        let request = || self.account.http.request(Method::DELETE, &url).header("if-match", &version);
        let reply = self.account.send(asked, request, None).await?;
        match reply.status() {
            200 | 204 | 404 | 412 => Ok(()),
            _ => Err(self.refused(asked, reply).await),
        }
    }

    async fn set_tier(&self, key: &Key, _tier: Tier) -> Result<(), StoreError> {
        Err(self.account.asked(Operation::Tier, key.as_str()).unsupported("OneDrive has no tiers"))
    }

    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        let asked = self.account.asked(Operation::Grant, request.key.as_str());
        Err(asked.unsupported("an upload session of OneDrive is not one request"))
    }
}

fn info(key: Key, item: &Value) -> Option<ObjectInfo> {
    Some(ObjectInfo {
        key,
        length_bytes: item.get("size")?.as_u64()?,
        modified: time(text(item, "lastModifiedDateTime").as_deref()),
        tier: None,
        is_thawing: false,
        version: text(item, "eTag"),
        checksum: checksum(item),
    })
}

fn checksum(item: &Value) -> Option<Checksum> {
    let hash = item.pointer("/file/hashes/quickXorHash")?.as_str()?;
    data_encoding::BASE64.decode(hash.as_bytes()).ok()?.try_into().ok().map(Checksum::QuickXor)
}

/// Where the first range begins that an upload session still expects.
fn next_expected(answer: &Value) -> Option<u64> {
    answer.pointer("/nextExpectedRanges/0")?.as_str()?.split('-').next()?.parse().ok()
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

/// What an answer means that is not what was wished for.
fn meaning(asked: Asked<'_>, refused: &Refused) -> StoreError {
    let code = refused.at("/error/code").unwrap_or_default();
    match (refused.status, code) {
        (409, "nameAlreadyExists") | (412, _) if asked.operation == Operation::Put => asked.already_exists(),
        (_, "quotaLimitReached" | "insufficientStorage") | (507, _) => refused.full(asked),
        (_, "activityLimitReached" | "tooManyRequests" | "serviceNotAvailable") | (429 | 503 | 509, _) => {
            refused.throttled(asked, None)
        }
        // The item is just being written by somebody else.
        (423, _) | (409, "resourceModified" | "conflict") => refused.throttled(asked, None),
        (401, _) => {
            let hint = "sign in again: safelight remote set NAME --sign-in";
            refused.meaning(asked, Some(code), Some(hint))
        }
        (403, _) => refused.meaning(asked, Some(code), Some(DENIED_HINT)),
        _ => refused.meaning(asked, Some(code), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_named_by_their_codes() {
        let refused = |status, code: &str| {
            let asked = Asked { place: "onedrive:/a", operation: Operation::Put, object: "o" };
            meaning(asked, &Refused { status, wait: None, answer: json!({ "error": { "code": code } }) })
        };
        assert!(refused(409, "nameAlreadyExists").is_already_exists());
        assert!(refused(507, "quotaLimitReached").is_full());
        assert!(refused(404, "itemNotFound").is_not_found());
        for (status, code) in [(429, "activityLimitReached"), (503, "serviceNotAvailable"), (509, "x")] {
            assert!(matches!(refused(status, code), StoreError::Throttled { .. }), "{code}");
        }
        assert!(refused(403, "accessDenied").hint().is_some_and(|hint| hint.contains("AppFolder")));
    }

    #[test]
    fn the_next_range_is_read_with_and_without_an_end() {
        for (ranges, next) in
            [(json!(["26-"]), Some(26)), (json!(["0-10", "20-"]), Some(0)), (json!([]), None)]
        {
            assert_eq!(next_expected(&json!({ "nextExpectedRanges": ranges })), next);
        }
    }
}
