//! Paths in Google Drive, which itself knows only ids and parents.
//!
//! A path may be several folders, because two devices may make one at the same instant: all of them are the path, new
//! files go into the first of them, and the order is the same for everybody (oldest first, then by id). Folders that
//! were found are remembered; that one is missing never is.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use reqwest::Method;
use serde_json::{Value, json};

use super::GoogleDrive;
use crate::checksum::Checksum;
use crate::error::StoreError;
use crate::http::{Asked, encode};
use crate::name::Key;
use crate::remote::{ListPage, ObjectInfo, PageToken};

/// What is asked of a file.
pub(super) const FIELDS: &str =
    "id,name,mimeType,parents,size,createdTime,modifiedTime,sha256Checksum,md5Checksum,version";
const FOLDER: &str = "application/vnd.google-apps.folder";
/// How many folders one search covers; the length of a search is limited.
const FOLDERS_AT_ONCE: usize = 40;
/// The most files of a page.
const PAGE_FILES: u32 = 1000;
/// How many files that were made last are looked for by their id.
const MOST_RECENT: usize = 512;
/// Enough objects for a page of a listing.
const PAGE_OBJECTS: usize = 1000;

/// A file or a folder in Drive.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) id: String,
    pub(super) name: String,
    is_folder: bool,
    parents: Vec<String>,
    pub(super) length_bytes: u64,
    created: Option<SystemTime>,
    modified: Option<SystemTime>,
    pub(super) version: Option<String>,
    pub(super) checksum: Option<Checksum>,
}

impl File {
    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let hex = |name: &str| data_encoding::HEXLOWER.decode(text(name)?.as_bytes()).ok();
        let sha256 = hex("sha256Checksum").and_then(|sum| Checksum::sha256(&sum));
        let parents = value.get("parents").and_then(Value::as_array);
        Some(Self {
            id: text("id")?.to_owned(),
            name: text("name").unwrap_or_default().to_owned(),
            is_folder: text("mimeType") == Some(FOLDER),
            parents: parents.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
            // Numbers of 64 bits are texts in this API.
            length_bytes: text("size").and_then(|size| size.parse().ok()).unwrap_or(0),
            created: super::super::time(text("createdTime")),
            modified: super::super::time(text("modifiedTime")),
            version: text("version").map(str::to_owned),
            checksum: sha256.or_else(|| hex("md5Checksum").and_then(|sum| Checksum::md5(&sum))),
        })
    }

    /// The order that all devices agree on.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        (self.created, &self.id) < (other.created, &other.id)
    }

    pub(super) fn info(self, key: Key) -> ObjectInfo {
        ObjectInfo {
            key,
            length_bytes: self.length_bytes,
            modified: self.modified,
            tier: None,
            is_thawing: false,
            version: self.version,
            checksum: self.checksum,
        }
    }
}

/// The files that this process made last: a search may not find them yet.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<(Key, String)>>);

impl Recent {
    fn of(&self, key: &Key) -> Vec<String> {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.iter().filter(|(of, _)| of == key).map(|(_, id)| id.clone()).collect()
    }

    fn remember(&self, key: &Key, id: &str) {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() == MOST_RECENT {
            made.pop_front();
        }
        made.push_back((key.clone(), id.to_owned()));
    }

    pub(super) fn forget(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(_, made)| made != id);
    }
}

/// The folders that were found, by their path below the user's topmost one.
#[derive(Debug)]
pub(super) struct Folders {
    root: String,
    known: Mutex<HashMap<String, Vec<String>>>,
    /// Held while folders are made.
    making: tokio::sync::Mutex<()>,
}

impl Folders {
    pub(super) fn below(root: &str) -> Self {
        Self { root: root.to_owned(), known: Mutex::default(), making: tokio::sync::Mutex::default() }
    }

    /// The whole path of a folder of the place.
    fn path(&self, folder: &str) -> String {
        let parts = [self.root.as_str(), folder];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    fn known(&self, path: &str) -> Option<Vec<String>> {
        if path.is_empty() {
            return Some(vec!["root".to_owned()]);
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// After somebody removed a folder behind our back.
    pub(super) fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn learn(&self, path: &str, ids: Vec<String>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), ids);
    }
}

impl GoogleDrive {
    /// Everything that a search finds, in the order that all agree on.
    async fn search(&self, asked: Asked<'_>, query: &str) -> Result<Vec<File>, StoreError> {
        let fields = encode(&format!("nextPageToken,files({FIELDS})"));
        let query = encode(&format!("{query} and trashed = false"));
        let base = format!("{}/files?q={query}&spaces=drive&pageSize={PAGE_FILES}&fields={fields}", self.api);
        let (mut found, mut url) = (Vec::new(), base.clone());
        loop {
            let reply = self.ask(asked, Method::GET, &url).await?;
            if reply.status() != 200 {
                return Err(match self.refused(asked, reply).await {
                    // A folder that is searched in and gone; never an answer about the object.
                    StoreError::NotFound { .. } => {
                        self.folders.forget();
                        asked.cut_short()
                    }
                    error => error,
                });
            }
            let answer = super::super::json(asked, reply).await?;
            let Some(files) = answer.get("files").and_then(Value::as_array) else {
                return Err(asked.nonsense("the answer is no listing"));
            };
            found.extend(files.iter().filter_map(File::read));
            match answer.get("nextPageToken").and_then(Value::as_str) {
                Some(next) => url = format!("{base}&pageToken={}", encode(next)),
                None => break,
            }
        }
        found.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        Ok(found)
    }

    /// The folders of a path; none when it is not there.
    async fn find_folders(&self, asked: Asked<'_>, path: &str) -> Result<Vec<String>, StoreError> {
        let (mut above, mut at) = (vec!["root".to_owned()], String::new());
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
            above = match self.folders.known(&at) {
                Some(known) => known,
                None => {
                    let found = self.folders_named(asked, &above, name).await?;
                    if found.is_empty() {
                        return Ok(found);
                    }
                    self.folders.learn(&at, found.clone());
                    found
                }
            };
        }
        Ok(above)
    }

    async fn folders_named(
        &self,
        asked: Asked<'_>,
        above: &[String],
        name: &str,
    ) -> Result<Vec<String>, StoreError> {
        let query = format!("{} and name = {} and mimeType = '{FOLDER}'", in_any(above), quoted(name));
        Ok(self.search(asked, &query).await?.into_iter().map(|folder| folder.id).collect())
    }

    /// The folder that a new file goes into; it is made, with those above it, where it is missing.
    async fn folder_for(&self, asked: Asked<'_>, key: &Key) -> Result<String, StoreError> {
        let path = self.folders.path(parent(key.as_str()));
        let first = |ids: Vec<String>| ids.into_iter().next();
        if let Some(known) = self.folders.known(&path).and_then(first) {
            return Ok(known);
        }
        let _turn = self.folders.making.lock().await;
        let (mut above, mut at) = (vec!["root".to_owned()], String::new());
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
            above = match self.folders.known(&at) {
                Some(known) => known,
                None => {
                    let mut found = self.folders_named(asked, &above, name).await?;
                    if found.is_empty() {
                        let made = self.make_folder(asked, &above, name).await?;
                        // Somebody else may have made one in the same instant.
                        found = self.folders_named(asked, &above, name).await?;
                        if !found.contains(&made) {
                            found.push(made);
                        }
                    }
                    self.folders.learn(&at, found.clone());
                    found
                }
            };
        }
        first(above).ok_or_else(|| asked.nonsense("a folder has no id"))
    }

    async fn make_folder(
        &self,
        asked: Asked<'_>,
        above: &[String],
        name: &str,
    ) -> Result<String, StoreError> {
        let url = format!("{}/files?fields=id", self.api);
        let parent = above.first().map_or("root", String::as_str);
        let file = json!({ "name": name, "mimeType": FOLDER, "parents": [parent] }).to_string();
        let request = || {
            let request = self.account.http.request(Method::POST, &url);
            request.header("content-type", "application/json; charset=UTF-8").body(file.clone())
        };
        let reply = self.account.send(asked, request, None).await?;
        if reply.status() != 200 {
            return Err(self.refused(asked, reply).await);
        }
        let answer = super::super::json(asked, reply).await?;
        let id = answer.get("id").and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| asked.nonsense("a folder has no id"))
    }

    /// Removes the folders of a path that nothing lies in.
    pub(super) async fn remove_empty_folders(&self, asked: Asked<'_>, path: &str) -> Result<(), StoreError> {
        for folder in self.find_folders(asked, &self.folders.path(path)).await? {
            if !self.search(asked, &in_any(std::slice::from_ref(&folder))).await?.is_empty() {
                continue;
            }
            self.folders.forget();
            let url = format!("{}/files/{}", self.api, encode(&folder));
            let reply = self.ask(asked, Method::DELETE, &url).await?;
            if !matches!(reply.status(), 200 | 204 | 404) {
                return Err(self.refused(asked, reply).await);
            }
        }
        Ok(())
    }

    /// The files of a name: the object, and behind it those that came second.
    pub(super) async fn files(&self, asked: Asked<'_>, key: &Key) -> Result<Vec<File>, StoreError> {
        let folders = self.find_folders(asked, &self.folders.path(parent(key.as_str()))).await?;
        if folders.is_empty() {
            return Ok(Vec::new());
        }
        let name = quoted(key.as_str().rsplit('/').next().unwrap_or_default());
        let query = format!("{} and name = {name} and mimeType != '{FOLDER}'", in_any(&folders));
        let mut found = self.search(asked, &query).await?;
        for id in self.recent.of(key) {
            if found.iter().any(|file| file.id == id) {
                continue;
            }
            match self.file_by_id(asked, &id).await? {
                Some(file) => found.push(file),
                None => self.recent.forget(&id),
            }
        }
        found.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        Ok(found)
    }

    /// A file that was made, unless it was removed since.
    async fn file_by_id(&self, asked: Asked<'_>, id: &str) -> Result<Option<File>, StoreError> {
        let fields = encode(&format!("{FIELDS},trashed"));
        let url = format!("{}/files/{}?fields={fields}", self.api, encode(id));
        let reply = self.ask(asked, Method::GET, &url).await?;
        match reply.status() {
            200 => {
                let file = super::super::json(asked, reply).await?;
                let is_trashed = file.get("trashed").and_then(Value::as_bool) == Some(true);
                Ok(File::read(&file).filter(|_| !is_trashed))
            }
            404 => Ok(None),
            _ => Err(self.refused(asked, reply).await),
        }
    }

    /// Makes a file in the folder of its path.
    pub(super) async fn make_file(
        &self,
        asked: Asked<'_>,
        key: &Key,
        body: &crate::remote::Body,
    ) -> Result<File, StoreError> {
        let folder = self.folder_for(asked, key).await?;
        let name = key.as_str().rsplit('/').next().unwrap_or_default();
        let made = self.send_file(asked, super::upload::Target::Make { folder: &folder, name }, body).await?;
        self.recent.remember(key, &made.id);
        Ok(made)
    }

    /// The token is the paths that are still to be looked into, the next one last.
    pub(super) async fn list_tree(
        &self,
        asked: Asked<'_>,
        folder: &str,
        after: Option<&PageToken>,
    ) -> Result<ListPage, StoreError> {
        let mut paths: Vec<String> = after.map_or_else(
            || vec![folder.to_owned()],
            |token| token.as_str().split('\n').map(str::to_owned).collect(),
        );
        let mut page = ListPage::default();
        while !paths.is_empty() && page.objects.len() < PAGE_OBJECTS {
            let now = paths.split_off(paths.len().saturating_sub(FOLDERS_AT_ONCE));
            let mut path_of = HashMap::new();
            for path in now {
                for id in self.find_folders(asked, &self.folders.path(&path)).await? {
                    path_of.insert(id, path.clone());
                }
            }
            // `root` is another name for an id that parents are told by.
            let ids: Vec<String> = path_of.keys().cloned().collect();
            let found = if ids.is_empty() { Vec::new() } else { self.search(asked, &in_any(&ids)).await? };
            let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let mut objects: BTreeMap<Key, File> = BTreeMap::new();
            for file in found {
                let above =
                    file.parents.iter().find_map(|id| path_of.get(id)).or_else(|| path_of.get("root"));
                let Some(above) = above else { continue };
                let name =
                    if above.is_empty() { file.name.clone() } else { format!("{above}/{}", file.name) };
                match Key::parse(&name) {
                    Err(_) => page.strangers.push(name),
                    Ok(_) if file.is_folder => folders.entry(name).or_default().push(file.id),
                    // The first is the object: they come in the order that all agree on.
                    Ok(key) => {
                        objects.entry(key).or_insert(file);
                    }
                }
            }
            for (path, ids) in folders {
                self.folders.learn(&self.folders.path(&path), ids);
                paths.push(path);
            }
            page.objects.extend(objects.into_iter().map(|(key, file)| file.info(key)));
        }
        page.next = (!paths.is_empty()).then(|| PageToken::new(paths.join("\n")));
        Ok(page)
    }
}

fn parent(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(above, _)| above)
}

/// A search for what lies in any of these folders.
fn in_any(ids: &[String]) -> String {
    let parts: Vec<String> = ids.iter().map(|id| format!("{} in parents", quoted(id))).collect();
    format!("({})", parts.join(" or "))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_quoted() {
        assert_eq!(quoted(r"it's \ here"), r"'it\'s \\ here'");
        let ids = ["a".to_owned(), "b'".to_owned()];
        assert_eq!(in_any(&ids), r"('a' in parents or 'b\'' in parents)");
    }

    #[test]
    fn the_oldest_is_the_object_and_among_equals_the_smallest_id() {
        let file = |id: &str, at: &str| {
            File::read(&json!({ "id": id, "name": "n", "createdTime": at })).expect("a file")
        };
        let (a, b) = (file("a", "2026-01-02T00:00:00.000Z"), file("b", "2026-01-01T00:00:00.000Z"));
        assert!(b.is_before(&a) && !a.is_before(&b));
        let c = file("c", "2026-01-01T00:00:00.000Z");
        assert!(b.is_before(&c) && !c.is_before(&b));
    }
}
