//! Google Drive, API v3, with the files that the client itself made (`drive.file`).
//!
//! * <https://developers.google.com/workspace/drive/api/guides/manage-uploads> (resumable uploads)
//! * <https://developers.google.com/workspace/drive/api/guides/search-files>, `ref-search-terms`
//! * <https://developers.google.com/workspace/drive/api/reference/rest/v3/files>
//! * <https://developers.google.com/workspace/drive/api/guides/handle-errors>
//!
//! Names are not unique in Drive: two writers at the same instant both succeed, with files and with folders. So that
//! all devices see the same, the *oldest* of several files of a name is the object (among equals the one with the
//! smallest id), and what lies in any of several folders of a path lies in that path ([`tree`]). A writer looks before
//! and after: one that finds an older file removes its own and says that the name is taken. A search may lag behind:
//! what this process made itself is looked for by its id too, but of others nothing stronger is promised, so
//! `OneWinner` is missing here.

mod tree;
mod upload;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use self::tree::{FIELDS, File, Folders, Recent};
use super::{Account, Refused, range_header, ranged, whole};
use crate::address::{CloudAddress, RemoteAddress};
use crate::capabilities::{Capabilities, Capability, Finding};
use crate::credential::RemoteCredential;
use crate::error::{Operation, StoreError};
use crate::http::{Asked, Http, Reply, encode};
use crate::name::{Key, Prefix};
use crate::oauth::{CredentialKeeper, Provider};
use crate::remote::{
    Body, GrantRequest, ListPage, ObjectInfo, PageToken, PutOptions, Remote, Stored, Tier, UploadGrant,
};

/// The most bytes of a file.
const MOST_OBJECT_BYTES: u64 = 5120 << 30;
const DENIED_HINT: &str = "the client needs the scope drive.file and the Drive API switched on in its project; then sign \
    in again: safelight remote set NAME --sign-in";

/// A folder in Google Drive as a [`Remote`].
#[derive(Debug)]
pub struct GoogleDrive {
    account: Account,
    api: String,
    upload_api: String,
    folders: Folders,
    recent: Recent,
}

impl GoogleDrive {
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
        let label = RemoteAddress::GoogleDrive(cloud.clone()).to_string();
        let mut account = Account::new(label, Provider::Google, cloud, credential, keeper, http)?;
        account.capabilities.most_object_bytes = MOST_OBJECT_BYTES;
        let why = "names are not unique in Google Drive: two at the same instant may both succeed";
        account.capabilities.set(Capability::OneWinner, Finding::Missing(why.to_owned()));
        let host = cloud.endpoint.as_deref().unwrap_or("https://www.googleapis.com");
        Ok(Self {
            account,
            api: format!("{host}/drive/v3"),
            upload_api: format!("{host}/upload/drive/v3"),
            folders: Folders::below(&cloud.path),
            recent: Recent::default(),
        })
    }

    pub(crate) const fn capabilities_mut(&mut self) -> &mut Capabilities {
        &mut self.account.capabilities
    }

    /// Asks who signed in. Not knowing it is no reason to stop.
    pub(crate) async fn look_up_owner(&self) {
        let asked = self.account.asked(Operation::Open, "the account");
        let url = format!("{}/about?fields={}", self.api, encode("user(displayName,emailAddress)"));
        if let Ok(reply) = self.ask(asked, Method::GET, &url).await
            && reply.status() == 200
            && let Ok(answer) = super::json(asked, reply).await
        {
            let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
            self.account.learn_owner(text("/user/displayName"), text("/user/emailAddress"));
        }
    }

    async fn ask(&self, asked: Asked<'_>, method: Method, url: &str) -> Result<Reply, StoreError> {
        self.account.send(asked, || self.account.http.request(method.clone(), url), None).await
    }

    async fn refused(&self, asked: Asked<'_>, reply: Reply) -> StoreError {
        meaning(asked, &Refused::read(reply).await)
    }

    /// The file that is the object.
    async fn object(&self, asked: Asked<'_>, key: &Key) -> Result<File, StoreError> {
        self.files(asked, key).await?.into_iter().next().ok_or_else(|| asked.not_found())
    }

    async fn content(
        &self,
        asked: Asked<'_>,
        key: &Key,
        range: Option<&Range<u64>>,
    ) -> Result<(File, Reply), StoreError> {
        let file = self.object(asked, key).await?;
        let url = format!("{}/files/{}?alt=media", self.api, encode(&file.id));
        let request = || {
            let request = self.account.http.request(Method::GET, &url);
            match range {
                Some(range) => request.header("range", range_header(range)),
                None => request,
            }
        };
        Ok((file, self.account.send(asked, request, None).await?))
    }

    async fn remove(&self, asked: Asked<'_>, file: &File) -> Result<(), StoreError> {
        self.recent.forget(&file.id);
        let url = format!("{}/files/{}", self.api, encode(&file.id));
        let reply = self.ask(asked, Method::DELETE, &url).await?;
        match reply.status() {
            200 | 204 | 404 => Ok(()),
            _ => Err(self.refused(asked, reply).await),
        }
    }

    fn check(&self, key: &Key, options: &PutOptions) -> Result<(), StoreError> {
        if options.tier.is_some() {
            let asked = self.account.asked(Operation::Tier, key.as_str());
            return Err(asked.unsupported("Google Drive has no tiers"));
        }
        Ok(())
    }
}

#[async_trait]
impl Remote for GoogleDrive {
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
        self.check(key, options)?;
        let asked = self.account.asked(Operation::Put, key.as_str());
        // The content of a file is replaced at once; its id stays.
        let file = match self.object(asked, key).await {
            Ok(old) => self.send_file(asked, upload::Target::Replace(&old.id), &body).await?,
            Err(error) if error.is_not_found() => self.make_file(asked, key, &body).await?,
            Err(error) => return Err(error),
        };
        Ok(Stored { version: file.version, checksum: file.checksum, ..Stored::default() })
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.check(key, options)?;
        let asked = self.account.asked(Operation::Put, key.as_str());
        if !self.files(asked, key).await?.is_empty() {
            return Err(asked.already_exists());
        }
        let own = self.make_file(asked, key, &body).await?;
        match self.files(asked, key).await?.into_iter().next() {
            // Somebody was there first, by the order that all agree on.
            Some(first) if first.id != own.id && first.is_before(&own) => {
                self.remove(asked, &own).await?;
                Err(asked.already_exists())
            }
            _ => Ok(Stored { version: own.version, checksum: own.checksum, ..Stored::default() }),
        }
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        let asked = self.account.asked(Operation::Get, key.as_str());
        let (file, reply) = self.content(asked, key, None).await?;
        if file.length_bytes > at_most_bytes {
            return Err(asked.too_large(file.length_bytes, at_most_bytes));
        }
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
        let (_, reply) = self.content(asked, key, Some(&range)).await?;
        match reply.status() {
            200 | 206 | 416 => ranged(asked, reply, &range).await.map(Option::unwrap_or_default),
            _ => Err(self.refused(asked, reply).await),
        }
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        let asked = self.account.asked(Operation::Head, key.as_str());
        Ok(self.object(asked, key).await?.info(key.clone()))
    }

    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        let asked = self.account.asked(Operation::List, prefix.as_str());
        self.list_tree(asked, prefix.as_str().trim_end_matches('/'), after).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let asked = self.account.asked(Operation::Delete, key.as_str());
        // The youngest first: whoever looks meanwhile sees the object until it is gone.
        for file in self.files(asked, key).await?.iter().rev() {
            self.remove(asked, file).await?;
        }
        Ok(())
    }

    async fn remove_empty_folder(&self, folder: &Key) -> Result<(), StoreError> {
        let asked = self.account.asked(Operation::Delete, folder.as_str());
        self.remove_empty_folders(asked, folder.as_str()).await
    }

    async fn set_tier(&self, key: &Key, _tier: Tier) -> Result<(), StoreError> {
        Err(self.account.asked(Operation::Tier, key.as_str()).unsupported("Google Drive has no tiers"))
    }

    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        let asked = self.account.asked(Operation::Grant, request.key.as_str());
        Err(asked.unsupported("Google Drive lends no permission for one object"))
    }
}

/// What an answer means that is not what was wished for. The reason stands in a list of errors.
fn meaning(asked: Asked<'_>, refused: &Refused) -> StoreError {
    let reason = refused.at("/error/errors/0/reason").unwrap_or_default();
    match (refused.status, reason) {
        (
            403,
            "rateLimitExceeded" | "userRateLimitExceeded" | "dailyLimitExceeded" | "sharingRateLimitExceeded",
        )
        | (429 | 503, _) => refused.throttled(asked, None),
        (403, "storageQuotaExceeded" | "teamDriveFileLimitExceeded" | "activeItemCreationLimitExceeded") => {
            refused.full(asked)
        }
        (401, _) => {
            let hint = "sign in again: safelight remote set NAME --sign-in";
            refused.meaning(asked, Some(reason), Some(hint))
        }
        (403, _) => refused.meaning(asked, Some(reason), Some(DENIED_HINT)),
        _ => refused.meaning(asked, Some(reason), None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_limit_on_requests_is_told_from_a_missing_permission() {
        let refused = |status, reason: &str| {
            let asked = Asked { place: "gdrive:/a", operation: Operation::Put, object: "o" };
            let answer = json!({ "error": { "code": status, "errors": [{ "reason": reason }] } });
            meaning(asked, &Refused { status, wait: None, answer })
        };
        for reason in ["rateLimitExceeded", "userRateLimitExceeded"] {
            assert!(matches!(refused(403, reason), StoreError::Throttled { .. }), "{reason}");
        }
        assert!(matches!(refused(429, "x"), StoreError::Throttled { .. }));
        assert!(refused(403, "storageQuotaExceeded").is_full());
        let denied = refused(403, "insufficientFilePermissions");
        assert!(matches!(denied, StoreError::Denied { .. }) && denied.hint().is_some());
    }
}
