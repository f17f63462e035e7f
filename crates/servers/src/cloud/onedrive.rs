//! OneDrive by Microsoft Graph (<https://learn.microsoft.com/graph/api/resources/driveitem>).
//!
//! Held to: a small upload is small; the pieces of a session come in order, in multiples of 320 KiB, without a token;
//! content is a redirect to an address that refuses a token; pages are short.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::http::{Ask, Reply, decode};
use super::{Content, hashes, stamp};

const PAGE: usize = 50;
const MOST_SINGLE_BYTES: usize = 4 << 20;
const MOST_PIECE_BYTES: usize = 60 << 20;
const PIECE_UNIT: usize = 320 << 10;
const APP: &str = "/v1.0/me/drive/special/approot";

struct File {
    display: String,
    content: Content,
    at: u64,
    hash: String,
}

struct Session {
    path: String,
    behaviour: String,
    bytes: Vec<u8>,
}

#[derive(Default)]
pub(super) struct OneDriveStore {
    files: BTreeMap<String, File>,
    /// The folders that files made, with how they are written.
    folders: BTreeMap<String, String>,
    sessions: BTreeMap<String, Session>,
    downloads: BTreeMap<String, Content>,
    count: u64,
}

fn error(status: u16, code: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "code": code, "message": code } }))
}

impl OneDriveStore {
    pub(super) fn files(&self) -> usize {
        self.files.len()
    }

    pub(super) fn contents(&self) -> Vec<Vec<u8>> {
        let named = self.files.values().map(|file| file.display.clone().into_bytes());
        named.chain(self.files.values().map(|file| file.content.to_vec())).collect()
    }

    pub(super) fn folders(&self) -> usize {
        self.folders.len()
    }

    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub(super) fn answer(&mut self, url: &str, ask: &Ask) -> Reply {
        if let Some(given) = ask.path.strip_prefix("/given/") {
            if ask.header("authorization").is_some() {
                return error(401, "unauthenticated");
            }
            return match given.split_once('/') {
                Some(("upload", id)) => self.session(id, ask),
                Some(("download", id)) => match self.downloads.get(id) {
                    Some(content) => ask.ranged(content),
                    None => error(404, "itemNotFound"),
                },
                _ => error(404, "itemNotFound"),
            };
        }
        if ask.path == "/v1.0/me" {
            let owner =
                json!({ "displayName": "Franziska Test", "userPrincipalName": "franziska@example.com" });
            return Reply::json(200, &owner);
        }
        let Some(rest) = ask.path.strip_prefix(APP) else { return error(404, "itemNotFound") };
        // `approot`, `approot/action`, or `approot:/path:` and an action.
        let (path, action) = match rest.strip_prefix(":/") {
            None => (String::new(), rest),
            Some(rest) => {
                let Some((path, action)) = rest.split_once(':') else { return error(400, "invalidRequest") };
                (decode(&path.replace('+', "%2B")), action)
            }
        };
        if path.contains(['"', '*', ':', '<', '>', '?', '\\', '|']) || path.contains("//") {
            return error(400, "invalidRequest");
        }
        match (ask.method.as_str(), action) {
            ("GET", "") => match self.files.get(&path.to_lowercase()) {
                Some(file) => Reply::json(200, &item(file, ask.query("$select"))),
                None if path.is_empty() || self.is_folder(&path) => {
                    let folder = json!({ "childCount": self.child_count(&path) });
                    Reply::json(
                        200,
                        &json!({ "id": "folder", "name": path, "eTag": "\"folder\"", "folder": folder }),
                    )
                }
                None => error(404, "itemNotFound"),
            },
            ("GET", "/content") => {
                let Some(file) = self.files.get(&path.to_lowercase()) else {
                    return error(404, "itemNotFound");
                };
                let content = Arc::clone(&file.content);
                let id = self.number().to_string();
                self.downloads.insert(id.clone(), content);
                Reply::new(302, Vec::new()).header("location", format!("{url}/given/download/{id}"))
            }
            ("PUT", "/content") => {
                if ask.body.len() > MOST_SINGLE_BYTES {
                    return error(413, "maxFileSizeExceeded");
                }
                let behaviour = ask.query("@microsoft.graph.conflictBehavior").unwrap_or("replace");
                self.commit(&path, behaviour, ask.body.clone())
            }
            ("POST", "/createUploadSession") => self.begin(url, &path, ask),
            ("GET", "/children") => self.children(url, &path, ask),
            ("DELETE", "") => {
                let lower = path.to_lowercase();
                let Some(file) = self.files.get(&lower) else {
                    return match self.is_folder(&path) {
                        false => error(404, "itemNotFound"),
                        true if self.child_count(&path) > 0 => {
                            error(400, "a folder with something in it must not be deleted")
                        }
                        true => {
                            self.folders.remove(&lower);
                            Reply::new(204, Vec::new())
                        }
                    };
                };
                if ask.header("if-match").is_some_and(|tag| tag != etag(file)) {
                    return error(412, "resourceModified");
                }
                self.files.remove(&path.to_lowercase());
                Reply::new(204, Vec::new())
            }
            _ => error(405, "invalidRequest"),
        }
    }

    fn begin(&mut self, url: &str, path: &str, ask: &Ask) -> Reply {
        let behaviour = ask.json().and_then(|body| {
            body.pointer("/item/@microsoft.graph.conflictBehavior").and_then(Value::as_str).map(str::to_owned)
        });
        let Some(behaviour) = behaviour.filter(|_| ask.header("content-type") == Some("application/json"))
        else {
            return error(400, "invalidRequest");
        };
        let id = self.number().to_string();
        let session = Session { path: path.to_owned(), behaviour, bytes: Vec::new() };
        self.sessions.insert(id.clone(), session);
        let answer = json!({
            "uploadUrl": format!("{url}/given/upload/{id}"), "expirationDateTime": stamp(0),
            "nextExpectedRanges": ["0-"],
        });
        Reply::json(200, &answer)
    }

    fn session(&mut self, id: &str, ask: &Ask) -> Reply {
        let Some(session) = self.sessions.get_mut(id) else { return error(404, "itemNotFound") };
        let expected = |session: &Session| json!({ "expirationDateTime": stamp(0), "nextExpectedRanges": [format!("{}-", session.bytes.len())] });
        match ask.method.as_str() {
            "GET" => return Reply::json(200, &expected(session)),
            "DELETE" => {
                self.sessions.remove(id);
                return Reply::new(204, Vec::new());
            }
            "PUT" => {}
            _ => return error(405, "invalidRequest"),
        }
        let range = ask.header("content-range").and_then(|range| range.strip_prefix("bytes "));
        let numbers: Vec<usize> =
            range.unwrap_or_default().split(['-', '/']).filter_map(|number| number.parse().ok()).collect();
        let &[first, last, total] = numbers.as_slice() else { return error(400, "invalidRequest") };
        let is_last = last + 1 == total;
        if first != session.bytes.len() {
            return error(416, "invalidRange");
        }
        if last + 1 - first != ask.body.len()
            || ask.body.len() >= MOST_PIECE_BYTES
            || (!is_last && !ask.body.len().is_multiple_of(PIECE_UNIT))
        {
            return error(400, "invalidRequest");
        }
        session.bytes.extend_from_slice(&ask.body);
        if !is_last {
            return Reply::json(202, &expected(session));
        }
        match self.sessions.remove(id) {
            Some(session) => self.commit(&session.path, &session.behaviour, session.bytes),
            None => error(404, "itemNotFound"),
        }
    }

    fn commit(&mut self, path: &str, behaviour: &str, content: Vec<u8>) -> Reply {
        let lower = path.to_lowercase();
        let is_taken = self.files.contains_key(&lower);
        let is_below_a_file = lower.match_indices('/').any(|(at, _)| self.files.contains_key(&lower[..at]));
        match behaviour {
            _ if path.is_empty() || self.is_folder(path) || is_below_a_file => {
                return error(409, "nameAlreadyExists");
            }
            "fail" if is_taken => return error(409, "nameAlreadyExists"),
            "fail" | "replace" => {}
            _ => return error(400, "invalidRequest"),
        }
        let (at, hash) = (self.number(), hashes::quick_xor(&content));
        let file = File { display: path.to_owned(), content: Arc::new(content), at, hash };
        let answer = item(&file, None);
        for (at, _) in file.display.match_indices('/') {
            self.folders.insert(file.display[..at].to_lowercase(), file.display[..at].to_owned());
        }
        self.files.insert(lower, file);
        Reply::json(if is_taken { 200 } else { 201 }, &answer)
    }

    fn is_folder(&self, path: &str) -> bool {
        self.folders.contains_key(&path.to_lowercase())
    }

    fn child_count(&self, folder: &str) -> usize {
        let below = format!("{}/", folder.to_lowercase());
        let names = self.files.keys().chain(self.folders.keys());
        names.filter(|name| name.strip_prefix(&below).is_some_and(|name| !name.contains('/'))).count()
    }

    fn children(&self, url: &str, path: &str, ask: &Ask) -> Reply {
        if !path.is_empty() && !self.is_folder(path) {
            return error(404, "itemNotFound");
        }
        let below = if path.is_empty() { String::new() } else { format!("{}/", path.to_lowercase()) };
        let mut items: BTreeMap<String, Value> = BTreeMap::new();
        for (name, file) in self.files.range(below.clone()..).take_while(|(name, _)| name.starts_with(&below))
        {
            match name[below.len()..].split_once('/') {
                None => items.insert(name.clone(), item(file, ask.query("$select"))),
                Some((folder, _)) => {
                    let display = file.display[below.len()..].split('/').next();
                    items.insert(folder.to_owned(), json!({ "id": folder, "name": display, "folder": {} }))
                }
            };
        }
        let skip: usize = ask.query("$skiptoken").and_then(|skip| skip.parse().ok()).unwrap_or(0);
        let total = items.len();
        let page: Vec<Value> = items.into_values().skip(skip).take(PAGE).collect();
        let mut answer = json!({ "value": page });
        if skip + PAGE < total {
            let select = ask.query("$select").unwrap_or_default();
            let next = format!("{url}{}?$select={select}&$skiptoken={}", ask.path, skip + PAGE);
            answer["@odata.nextLink"] = next.into();
        }
        Reply::json(200, &answer)
    }
}

fn etag(file: &File) -> String {
    format!("\"{{E-{}}},1\"", file.at)
}

/// An item, with the fields that were asked for.
fn item(file: &File, select: Option<&str>) -> Value {
    let mut item = json!({
        "id": format!("id{}", file.at), "name": file.display.rsplit('/').next(), "size": file.content.len(),
        "lastModifiedDateTime": stamp(file.at * 1000), "eTag": etag(file),
        "file": { "mimeType": "application/octet-stream", "hashes": { "quickXorHash": file.hash } },
    });
    if let (Some(select), Some(fields)) = (select, item.as_object_mut()) {
        fields.retain(|name, _| select.split(',').any(|wanted| wanted == name));
    }
    item
}
