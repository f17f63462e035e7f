//! Dropbox, API v2.
//!
//! * <https://www.dropbox.com/developers/documentation/http/documentation> (`files/*`, `users/get_current_account`)
//! * <https://developers.dropbox.com/error-handling-guide> (409 with tags, 429 with `retry_after`)
//! * <https://developers.dropbox.com/content-access-guide>, <https://www.dropbox.com/developers/reference/json-encoding>
//!
//! A write with `mode: add`, `autorename: false` and `strict_conflict: true` is refused for a taken name, even for the
//! same bytes. Names differ by more than the case of their letters, because Dropbox does not tell that apart; those of
//! a library are lower-case. A delete names the revision it means, because without one it would take a whole folder.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Account, PIECE_TRIES, Refused, range_header, ranged, time, whole};
use crate::address::{CloudAddress, RemoteAddress};
use crate::capabilities::Capabilities;
use crate::checksum::Checksum;
use crate::credential::RemoteCredential;
use crate::error::{Operation, StoreError};
use crate::http::{Asked, Http, Reply};
use crate::name::{Key, Prefix};
use crate::oauth::{CredentialKeeper, Provider};
use crate::remote::{
    Body, GrantRequest, ListPage, ObjectInfo, PageToken, PutOptions, Remote, Stored, Tier, UploadGrant,
};

/// What goes as one request; larger bodies go in an upload session.
const SINGLE_BYTES: u64 = 8 << 20;
/// The pieces of an upload session, a multiple of the 4 MiB that Dropbox asks for.
const PIECE_BYTES: u64 = 8 << 20;
/// The most bytes of an upload session.
const MOST_OBJECT_BYTES: u64 = 350 << 30;
/// The most entries of a page, as the documentation permits.
const PAGE_OBJECTS: u32 = 2000;
const SCOPE_HINT: &str = "the app needs the permissions account_info.read, files.metadata.read, files.content.read and \
    files.content.write; set them in the app console, then sign in again: safelight remote set NAME --sign-in";

/// A folder in Dropbox as a [`Remote`].
#[derive(Debug)]
pub struct Dropbox {
    account: Account,
    api: String,
    content: String,
    /// The folder with a slash before it, or nothing.
    root: String,
}

impl Dropbox {
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
        let label = RemoteAddress::Dropbox(cloud.clone()).to_string();
        let mut account = Account::new(label, Provider::Dropbox, cloud, credential, keeper, http)?;
        account.capabilities.most_object_bytes = MOST_OBJECT_BYTES;
        let own = cloud.endpoint.as_deref();
        let api = own.map_or_else(|| "https://api.dropboxapi.com/2".to_owned(), |own| format!("{own}/api/2"));
        let content = own
            .map_or_else(|| "https://content.dropboxapi.com/2".to_owned(), |own| format!("{own}/content/2"));
        let root = if cloud.path.is_empty() { String::new() } else { format!("/{}", cloud.path) };
        Ok(Self { account, api, content, root })
    }

    pub(crate) const fn capabilities_mut(&mut self) -> &mut Capabilities {
        &mut self.account.capabilities
    }

    /// Asks who signed in. Not knowing it is no reason to stop.
    pub(crate) async fn look_up_owner(&self) {
        let asked = self.account.asked(Operation::Open, "the account");
        // This endpoint wants the JSON value null where others want their arguments.
        if let Ok(reply) = self.call(asked, "users/get_current_account", &Value::Null).await
            && reply.status() == 200
            && let Ok(answer) = super::json(asked, reply).await
        {
            let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
            self.account.learn_owner(text("/name/display_name"), text("/email"));
        }
    }

    fn path(&self, key: &str) -> String {
        format!("{}/{key}", self.root)
    }

    /// A call whose arguments and answer are JSON bodies.
    async fn call(&self, asked: Asked<'_>, name: &str, arguments: &Value) -> Result<Reply, StoreError> {
        let url = format!("{}/{name}", self.api);
        let text = arguments.to_string();
        let request = || {
            let request = self.account.http.request(Method::POST, &url);
            request.header("content-type", "application/json").body(text.clone())
        };
        self.account.send(asked, request, None).await
    }

    /// A call whose arguments are a header, because its body or its answer is content.
    fn content_request(&self, name: &str, arguments: &Value) -> impl use<> + Fn() -> RequestBuilder {
        let url = format!("{}/{name}", self.content);
        let arguments = header_json(arguments);
        let http = self.account.http.clone();
        move || http.request(Method::POST, &url).header("dropbox-api-arg", &arguments)
    }

    async fn send_content(
        &self,
        asked: Asked<'_>,
        name: &str,
        arguments: &Value,
        body: &Body,
    ) -> Result<Reply, StoreError> {
        let request = self.content_request(name, arguments);
        let request = || request().header("content-type", "application/octet-stream");
        self.account.send(asked, request, Some(body)).await
    }

    async fn refused(&self, asked: Asked<'_>, reply: Reply) -> StoreError {
        meaning(asked, &Refused::read(reply).await)
    }

    async fn upload(
        &self,
        key: &Key,
        body: Body,
        options: &PutOptions,
        mode: &str,
    ) -> Result<Stored, StoreError> {
        let asked = self.account.asked(Operation::Put, key.as_str());
        if options.tier.is_some() {
            return Err(self
                .account
                .asked(Operation::Tier, key.as_str())
                .unsupported("Dropbox has no tiers"));
        }
        let commit = json!({
            "path": self.path(key.as_str()), "mode": mode, "autorename": false, "mute": true,
            "strict_conflict": mode == "add",
        });
        let reply = if body.length_bytes() <= SINGLE_BYTES {
            self.send_content(asked, "files/upload", &commit, &body).await?
        } else {
            self.upload_in_pieces(asked, &body, &commit).await?
        };
        if reply.status() != 200 {
            return Err(self.refused(asked, reply).await);
        }
        let answer = super::json(asked, reply).await?;
        if answer.get("size").and_then(Value::as_u64) != Some(body.length_bytes()) {
            return Err(asked.nonsense("it says that it took another number of bytes"));
        }
        Ok(Stored { version: text(&answer, "rev"), checksum: checksum(&answer), ..Stored::default() })
    }

    /// Sends a body in pieces; the answer is that to the last one, which makes the object.
    async fn upload_in_pieces(
        &self,
        asked: Asked<'_>,
        body: &Body,
        commit: &Value,
    ) -> Result<Reply, StoreError> {
        let start = json!({ "close": false });
        let nothing = Body::from(Bytes::new());
        let reply = self.send_content(asked, "files/upload_session/start", &start, &nothing).await?;
        if reply.status() != 200 {
            return Err(self.refused(asked, reply).await);
        }
        let answer = super::json(asked, reply).await?;
        let session = text(&answer, "session_id").ok_or_else(|| asked.nonsense("it began no upload"))?;
        let (mut offset, mut tries) = (0, 0);
        while body.length_bytes() - offset > PIECE_BYTES {
            let arguments = json!({ "cursor": { "session_id": session, "offset": offset }, "close": false });
            let piece = body.part(offset, PIECE_BYTES);
            let sent = self.send_content(asked, "files/upload_session/append_v2", &arguments, &piece).await;
            let error = match sent {
                Ok(reply) if reply.status() == 200 => {
                    (offset, tries) = (offset + PIECE_BYTES, 0);
                    continue;
                }
                Ok(reply) => {
                    let refused = Refused::read(reply).await;
                    // The piece arrived, only its answer did not.
                    let right = refused.answer.pointer("/error/correct_offset").and_then(Value::as_u64);
                    match right.filter(|right| *right > offset && *right < body.length_bytes()) {
                        Some(right) => {
                            (offset, tries) = (right, 0);
                            continue;
                        }
                        None => meaning(asked, &refused),
                    }
                }
                Err(error) => error,
            };
            tries += 1;
            if !matches!(error, StoreError::Network { .. }) || tries >= PIECE_TRIES {
                return Err(error);
            }
        }
        let arguments = json!({ "cursor": { "session_id": session, "offset": offset }, "commit": commit });
        let last = body.part(offset, PIECE_BYTES);
        self.send_content(asked, "files/upload_session/finish", &arguments, &last).await
    }

    async fn metadata(&self, asked: Asked<'_>, key: &Key) -> Result<Value, StoreError> {
        let arguments = json!({ "path": self.path(key.as_str()) });
        let reply = self.call(asked, "files/get_metadata", &arguments).await?;
        if reply.status() != 200 {
            return Err(self.refused(asked, reply).await);
        }
        let answer = super::json(asked, reply).await?;
        if text(&answer, ".tag").as_deref() == Some("file") { Ok(answer) } else { Err(asked.not_found()) }
    }

    fn info(&self, entry: &Value) -> Result<ObjectInfo, String> {
        let path = text(entry, "path_display").or_else(|| text(entry, "path_lower")).unwrap_or_default();
        // Dropbox keeps the case of the last part only; the folder is compared without it.
        let below = path.get(self.root.len()..).and_then(|below| below.strip_prefix('/'));
        let is_below =
            path.get(..self.root.len()).is_some_and(|root| root.to_lowercase() == self.root.to_lowercase());
        let key = below.filter(|_| is_below).and_then(|below| Key::parse(below).ok());
        let length = entry.get("size").and_then(Value::as_u64);
        let (Some(key), Some(length_bytes)) = (key, length) else { return Err(path) };
        Ok(ObjectInfo {
            key,
            length_bytes,
            modified: time(text(entry, "server_modified").as_deref()),
            tier: None,
            is_thawing: false,
            version: text(entry, "rev"),
            checksum: checksum(entry),
        })
    }
}

#[async_trait]
impl Remote for Dropbox {
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
        self.upload(key, body, options, "overwrite").await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.upload(key, body, options, "add").await
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        let asked = self.account.asked(Operation::Get, key.as_str());
        let request = self.content_request("files/download", &json!({ "path": self.path(key.as_str()) }));
        let reply = self.account.send(asked, request, None).await?;
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
        let request = self.content_request("files/download", &json!({ "path": self.path(key.as_str()) }));
        let request = || request().header("range", range_header(&range));
        let reply = self.account.send(asked, request, None).await?;
        match reply.status() {
            200 | 206 | 416 => ranged(asked, reply, &range).await.map(Option::unwrap_or_default),
            _ => Err(self.refused(asked, reply).await),
        }
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        let asked = self.account.asked(Operation::Head, key.as_str());
        let found = self.metadata(asked, key).await?;
        let info = self.info(&found).map_err(|_| asked.nonsense("it answers for another name"))?;
        Ok(ObjectInfo { key: key.clone(), ..info })
    }

    /// The token is Dropbox's cursor.
    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        let asked = self.account.asked(Operation::List, prefix.as_str());
        let reply = match after {
            Some(token) => {
                let arguments = json!({ "cursor": token.as_str() });
                self.call(asked, "files/list_folder/continue", &arguments).await?
            }
            None => {
                let folder = self.path(prefix.as_str());
                let arguments = json!({
                    "path": folder.trim_end_matches('/'), "recursive": true, "limit": PAGE_OBJECTS,
                });
                self.call(asked, "files/list_folder", &arguments).await?
            }
        };
        if reply.status() != 200 {
            return match self.refused(asked, reply).await {
                StoreError::NotFound { .. } => Ok(ListPage::default()),
                error => Err(error),
            };
        }
        let answer = super::json(asked, reply).await?;
        let Some(entries) = answer.get("entries").and_then(Value::as_array) else {
            return Err(asked.nonsense("the answer is no listing"));
        };
        let mut page = ListPage::default();
        for entry in entries.iter().filter(|entry| text(entry, ".tag").as_deref() == Some("file")) {
            match self.info(entry) {
                Ok(info) => page.objects.push(info),
                Err(stranger) => page.strangers.push(stranger),
            }
        }
        let has_more = answer.get("has_more").and_then(Value::as_bool) == Some(true);
        page.next = text(&answer, "cursor").filter(|_| has_more).map(PageToken::new);
        if has_more && page.next.is_none() {
            return Err(asked.nonsense("there is more, but it does not say where"));
        }
        Ok(page)
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let asked = self.account.asked(Operation::Delete, key.as_str());
        let found = match self.metadata(asked, key).await {
            Ok(found) => found,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        let arguments = json!({ "path": self.path(key.as_str()), "parent_rev": text(&found, "rev") });
        let reply = self.call(asked, "files/delete_v2", &arguments).await?;
        if reply.status() == 200 {
            return Ok(());
        }
        match self.refused(asked, reply).await {
            StoreError::NotFound { .. } => Ok(()),
            error => Err(error),
        }
    }

    async fn remove_empty_folder(&self, folder: &Key) -> Result<(), StoreError> {
        let asked = self.account.asked(Operation::Delete, folder.as_str());
        let path = self.path(folder.as_str());
        let arguments = json!({ "path": path, "recursive": true, "limit": PAGE_OBJECTS });
        let reply = self.call(asked, "files/list_folder", &arguments).await?;
        if reply.status() != 200 {
            return match self.refused(asked, reply).await {
                StoreError::NotFound { .. } => Ok(()),
                error => Err(error),
            };
        }
        let answer = super::json(asked, reply).await?;
        let entries = answer.get("entries").and_then(Value::as_array);
        // A folder names itself in its own recursive listing.
        let is_itself =
            |entry: &Value| text(entry, "path_lower").is_some_and(|found| found == path.to_lowercase());
        if !entries.is_some_and(|entries| entries.iter().all(is_itself)) {
            return Ok(());
        }
        let reply = self.call(asked, "files/delete_v2", &json!({ "path": path })).await?;
        match reply.status() {
            200 => Ok(()),
            _ => match self.refused(asked, reply).await {
                StoreError::NotFound { .. } => Ok(()),
                error => Err(error),
            },
        }
    }

    async fn set_tier(&self, key: &Key, _tier: Tier) -> Result<(), StoreError> {
        Err(self.account.asked(Operation::Tier, key.as_str()).unsupported("Dropbox has no tiers"))
    }

    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        let asked = self.account.asked(Operation::Grant, request.key.as_str());
        Err(asked.unsupported("Dropbox lends no permission that cannot overwrite"))
    }
}

/// What an answer other than 200 means. Endpoint errors come as 409 with a path of tags.
fn meaning(asked: Asked<'_>, refused: &Refused) -> StoreError {
    let summary = refused.at("/error_summary").unwrap_or_default();
    // `path/not_found/..`: the dots are only there to keep people from comparing whole summaries.
    let code = summary.trim_end_matches(['.', '/']);
    let has = |tag: &str| code.split('/').any(|part| part == tag);
    let wait = || {
        let seconds = refused.answer.pointer("/error/retry_after").and_then(Value::as_u64);
        seconds.map(Duration::from_secs)
    };
    match refused.status {
        429 => refused.throttled(asked, wait()),
        409 if has("too_many_write_operations") || has("too_many_requests") => {
            refused.throttled(asked, wait())
        }
        409 if has("not_found") || has("not_folder") => asked.not_found(),
        409 if has("conflict") && asked.operation == Operation::Put => asked.already_exists(),
        409 if has("insufficient_space") => refused.full(asked),
        // A folder of this name is no object.
        409 if has("not_file") => asked.not_found(),
        409 if has("no_write_permission") => {
            Refused { status: 403, wait: refused.wait, answer: Value::Null }.meaning(asked, Some(code), None)
        }
        401 | 403 if has("missing_scope") => refused.meaning(asked, Some("missing_scope"), Some(SCOPE_HINT)),
        401 => {
            let hint = "sign in again: safelight remote set NAME --sign-in";
            refused.meaning(asked, Some(code), Some(hint))
        }
        _ => refused.meaning(asked, Some(code), None),
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn checksum(entry: &Value) -> Option<Checksum> {
    let hash = data_encoding::HEXLOWER.decode(text(entry, "content_hash")?.as_bytes()).ok()?;
    hash.try_into().ok().map(Checksum::DropboxContent)
}

/// JSON that may stand in a header: all but ASCII is escaped, as is DEL.
fn header_json(arguments: &Value) -> String {
    let mut escaped = String::new();
    for letter in arguments.to_string().chars() {
        if letter.is_ascii() && letter != '\u{7f}' {
            escaped.push(letter);
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, answer: &str) -> StoreError {
        let asked = Asked { place: "dropbox:/a", operation: Operation::Put, object: "o" };
        meaning(asked, &Refused { status, wait: None, answer: serde_json::from_str(answer).expect("JSON") })
    }

    #[test]
    fn errors_are_named_by_their_tags() {
        assert!(refused(409, r#"{"error_summary":"path/conflict/file/..."}"#).is_already_exists());
        assert!(refused(409, r#"{"error_summary":"path/not_found/."}"#).is_not_found());
        assert!(refused(409, r#"{"error_summary":"path/insufficient_space/.."}"#).is_full());
        let busy = r#"{"error_summary":"too_many_write_operations/..","error":{"reason":{".tag":"too_many_write_operations"},"retry_after":3}}"#;
        for status in [409, 429] {
            let error = refused(status, busy);
            assert!(
                matches!(&error, StoreError::Throttled { wait: Some(wait), .. } if wait.as_secs() == 3),
                "{error:?}"
            );
        }
        let error = refused(401, r#"{"error_summary":"missing_scope/."}"#);
        assert!(error.hint().is_some_and(|hint| hint.contains("files.content.write")), "{error:?}");
    }

    #[test]
    fn arguments_in_a_header_are_ascii() {
        let text = header_json(&json!({ "path": "/ü\u{7f}📷" }));
        assert_eq!(text, r#"{"path":"/\u00fc\u007f\ud83d\udcf7"}"#);
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["path"], "/ü\u{7f}📷");
    }
}
