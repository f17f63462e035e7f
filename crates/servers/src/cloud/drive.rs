//! Google Drive, API v3 (<https://developers.google.com/workspace/drive/api/reference/rest/v3>).
//!
//! Held to: names are not unique, and two files of one name are two files; only the fields that were asked for are told;
//! searches are in the language of the documentation, and what it does not know is refused; the pieces of a resumable
//! upload are multiples of 256 KiB; pages are short.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::http::{Ask, Reply};
use super::{Content, google_error, hashes, stamp};

const PAGE: usize = 100;
const PIECE_UNIT: usize = 256 << 10;
const FOLDER: &str = "application/vnd.google-apps.folder";
const ROOT: &str = "0AROOTofTheTest";

struct File {
    id: String,
    name: String,
    mime: String,
    parent: String,
    content: Content,
    /// How many searches were made when this is first found.
    found_from: u64,
    created: u64,
    modified: u64,
}

struct Session {
    /// The file whose content is replaced, or none.
    replaces: Option<String>,
    name: String,
    parent: String,
    fields: String,
    bytes: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Drive {
    files: BTreeMap<String, File>,
    sessions: BTreeMap<String, Session>,
    /// The files that finished sessions made.
    finished: BTreeMap<String, (String, String)>,
    count: u64,
    searches: u64,
    /// For how many searches new files are not found.
    pub(super) lag: u64,
}

fn error(status: u16, reason: &str) -> Reply {
    Reply::json(status, &google_error(status, reason))
}

impl Drive {
    pub(super) fn files(&self) -> usize {
        self.files.values().filter(|file| file.mime != FOLDER).count()
    }

    pub(super) fn folders(&self) -> usize {
        self.files.values().filter(|file| file.mime == FOLDER).count()
    }

    pub(super) fn contents(&self) -> Vec<Vec<u8>> {
        let named = self.files.values().map(|file| file.name.clone().into_bytes());
        named.chain(self.files.values().map(|file| file.content.to_vec())).collect()
    }

    /// Makes a second file, and second folders above it, of a path below the topmost folder.
    pub(super) fn duplicate(&mut self, path: &str, bytes: &[u8]) {
        let mut parent = ROOT.to_owned();
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            parent = self.make(folder, FOLDER, &parent, Vec::new());
        }
        self.make(name, "application/octet-stream", &parent, bytes.to_vec());
    }

    fn make(&mut self, name: &str, mime: &str, parent: &str, content: Vec<u8>) -> String {
        self.count += 1;
        // Ids are in no order that means anything.
        let id = format!("id{:03}x{}", self.count * 7919 % 1000, self.count);
        let (at, found_from) = (self.count, self.searches + self.lag);
        let (name, mime, parent) = (name.to_owned(), mime.to_owned(), parent.to_owned());
        let file = File {
            id: id.clone(),
            name,
            mime,
            parent,
            content: Arc::new(content),
            found_from,
            created: at,
            modified: at,
        };
        self.files.insert(id.clone(), file);
        id
    }

    pub(super) fn answer(&mut self, url: &str, ask: &Ask) -> Reply {
        match (ask.method.as_str(), ask.path.as_str()) {
            ("GET", "/drive/v3/about") if ask.query("fields").is_some() => {
                let user =
                    json!({ "displayName": "Franziska Test", "emailAddress": "franziska@example.com" });
                Reply::json(200, &json!({ "user": user }))
            }
            ("GET", "/drive/v3/about") => error(400, "required"),
            ("GET", "/drive/v3/files") => self.search(ask),
            ("POST", "/drive/v3/files") => self.make_folder(ask),
            (method, path) if path.starts_with("/drive/v3/files/") => {
                let id = path["/drive/v3/files/".len()..].to_owned();
                match (method, self.files.get(&id)) {
                    (_, None) => error(404, "notFound"),
                    ("GET", Some(file)) if ask.query("alt") == Some("media") => ask.ranged(&file.content),
                    ("GET", Some(file)) => Reply::json(200, &told(file, ask.query("fields"))),
                    // The trap: a folder goes with all that is in it.
                    ("DELETE", Some(_)) if self.files.values().any(|file| file.parent == id) => {
                        error(400, "a folder with something in it must not be deleted")
                    }
                    ("DELETE", Some(_)) => {
                        self.files.remove(&id);
                        Reply::new(204, Vec::new())
                    }
                    _ => error(405, "invalid"),
                }
            }
            (_, path) if path.starts_with("/upload/drive/v3/files") => self.begin(url, ask),
            ("PUT", path) if path.starts_with("/given/upload/") => {
                self.piece(&path["/given/upload/".len()..], ask)
            }
            _ => error(404, "notFound"),
        }
    }

    fn make_folder(&mut self, ask: &Ask) -> Reply {
        let Some((name, parent)) = self.named(ask) else { return error(400, "invalid") };
        if ask.json().is_none_or(|file| file["mimeType"] != FOLDER) {
            return error(400, "invalid");
        }
        let id = self.make(&name, FOLDER, &parent, Vec::new());
        match self.files.get(&id) {
            Some(file) => Reply::json(200, &told(file, ask.query("fields"))),
            None => error(500, "backendError"),
        }
    }

    /// The name and the parent of a new file.
    fn named(&self, ask: &Ask) -> Option<(String, String)> {
        if ask.header("content-type") != Some("application/json; charset=UTF-8") {
            return None;
        }
        let file = ask.json()?;
        let parent = real(file.pointer("/parents/0")?.as_str()?);
        let is_folder = parent == ROOT || self.files.get(parent).is_some_and(|file| file.mime == FOLDER);
        is_folder.then(|| (file["name"].as_str().unwrap_or("Untitled").to_owned(), parent.to_owned()))
    }

    fn begin(&mut self, url: &str, ask: &Ask) -> Reply {
        if ask.query("uploadType") != Some("resumable")
            || ask.header("x-upload-content-type").is_none()
            || ask.header("x-upload-content-length").is_none()
        {
            return error(400, "badRequest");
        }
        let id = ask.path.strip_prefix("/upload/drive/v3/files/");
        let (replaces, name, parent) = match (ask.method.as_str(), id) {
            ("POST", None) => match self.named(ask) {
                Some((name, parent)) => (None, name, parent),
                None => return error(404, "notFound"),
            },
            ("PATCH", Some(id)) if self.files.contains_key(id) => {
                (Some(id.to_owned()), String::new(), String::new())
            }
            ("PATCH", Some(_)) => return error(404, "notFound"),
            _ => return error(405, "invalid"),
        };
        self.count += 1;
        let session = self.count.to_string();
        let fields = ask.query("fields").unwrap_or("id,name,mimeType").to_owned();
        self.sessions.insert(session.clone(), Session { replaces, name, parent, fields, bytes: Vec::new() });
        Reply::new(200, Vec::new()).header("location", format!("{url}/given/upload/{session}"))
    }

    fn piece(&mut self, id: &str, ask: &Ask) -> Reply {
        // A finished session goes on answering with its file.
        if let Some((file, fields)) = self.finished.get(id)
            && let Some(file) = self.files.get(file)
        {
            return Reply::json(200, &told(file, Some(fields)));
        }
        let Some(session) = self.sessions.get_mut(id) else { return error(404, "notFound") };
        let range = ask.header("content-range").and_then(|range| range.strip_prefix("bytes "));
        let Some((range, total)) = range.and_then(|range| range.split_once('/')) else {
            return error(400, "badRequest");
        };
        let Ok(total) = total.parse::<usize>() else { return error(400, "badRequest") };
        if range != "*" {
            let ends = range
                .split_once('-')
                .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
            let Some((first, last)) = ends else { return error(400, "badRequest") };
            let (first, last): (usize, usize) = (first, last);
            let is_last = last + 1 == total;
            if first != session.bytes.len()
                || last + 1 - first != ask.body.len()
                || (!is_last && !ask.body.len().is_multiple_of(PIECE_UNIT))
            {
                return error(400, "badRequest");
            }
            session.bytes.extend_from_slice(&ask.body);
        }
        if session.bytes.len() < total {
            let reply = Reply::new(308, Vec::new());
            return match session.bytes.len() {
                0 => reply,
                length => reply.header("range", format!("bytes=0-{}", length - 1)),
            };
        }
        let Some(session) = self.sessions.remove(id) else { return error(404, "notFound") };
        let file = match &session.replaces {
            Some(old) => {
                self.count += 1;
                let at = self.count;
                self.files.get_mut(old).map(|file| {
                    (file.content, file.modified) = (Arc::new(session.bytes), at);
                    &*file
                })
            }
            None => {
                let id = self.make(&session.name, "application/octet-stream", &session.parent, session.bytes);
                self.files.get(&id)
            }
        };
        match file {
            Some(file) => {
                let answer = told(file, Some(&session.fields));
                self.finished.insert(id.to_owned(), (file.id.clone(), session.fields));
                Reply::json(200, &answer)
            }
            None => error(404, "notFound"),
        }
    }

    fn search(&mut self, ask: &Ask) -> Reply {
        let Some(terms) = ask.query("q").and_then(terms) else { return error(400, "invalid") };
        let is_asked = ask
            .query("pageSize")
            .and_then(|size| size.parse().ok())
            .is_some_and(|size: u32| (1..=1000).contains(&size));
        if !is_asked || ask.query("spaces") != Some("drive") {
            return error(400, "invalid");
        }
        for term in &terms {
            if let Term::Parents(ids) = term
                && ids.iter().any(|id| real(id) != ROOT && !self.files.contains_key(real(id)))
            {
                return error(404, "notFound");
            }
        }
        self.searches += 1;
        let is_found =
            |file: &&File| file.found_from < self.searches && terms.iter().all(|term| term.holds(file));
        let found: Vec<&File> = self.files.values().filter(is_found).collect();
        let skip: usize = ask.query("pageToken").and_then(|token| token.parse().ok()).unwrap_or(0);
        // `nextPageToken,files(a,b)`
        let fields = ask.query("fields").unwrap_or_default();
        let wanted = fields.split_once("files(").map(|(_, rest)| rest.trim_end_matches(')'));
        let page: Vec<Value> = found.iter().skip(skip).take(PAGE).map(|file| told(file, wanted)).collect();
        let mut answer = json!({ "files": page });
        if skip + PAGE < found.len() && fields.contains("nextPageToken") {
            answer["nextPageToken"] = (skip + PAGE).to_string().into();
        }
        Reply::json(200, &answer)
    }
}

fn real(id: &str) -> &str {
    if id == "root" { ROOT } else { id }
}

fn told(file: &File, fields: Option<&str>) -> Value {
    let mut all = json!({
        "id": file.id, "name": file.name, "mimeType": file.mime, "parents": [file.parent],
        "createdTime": stamp(file.created), "modifiedTime": stamp(file.modified),
        "version": file.modified.to_string(), "trashed": false,
    });
    if file.mime != FOLDER {
        all["size"] = file.content.len().to_string().into();
        all["sha256Checksum"] = hashes::sha256_hex(&file.content).into();
    }
    if let Some(fields_told) = all.as_object_mut() {
        let wanted = fields.unwrap_or("id,name,mimeType");
        fields_told.retain(|name, _| wanted.split(',').any(|field| field == name));
    }
    all
}

/// A term of a search; all must hold.
enum Term {
    Parents(Vec<String>),
    Name(String),
    IsFolder(bool),
    Untrashed,
}

impl Term {
    fn holds(&self, file: &File) -> bool {
        match self {
            Self::Parents(ids) => ids.iter().any(|id| real(id) == file.parent),
            Self::Name(name) => file.name == *name,
            Self::IsFolder(is_folder) => (file.mime == FOLDER) == *is_folder,
            Self::Untrashed => true,
        }
    }
}

/// Reads `('a' in parents or 'b' in parents) and name = 'c' and …`; nothing for what is not understood.
fn terms(query: &str) -> Option<Vec<Term>> {
    let (mut terms, mut rest) = (Vec::new(), query);
    loop {
        if let Some(inside) = rest.strip_prefix('(') {
            let (mut ids, mut inside) = (Vec::new(), inside);
            loop {
                let (id, after) = text(inside)?;
                ids.push(id);
                let after = after.strip_prefix(" in parents")?;
                match after.strip_prefix(" or ") {
                    Some(next) => inside = next,
                    None => {
                        rest = after.strip_prefix(')')?;
                        break;
                    }
                }
            }
            terms.push(Term::Parents(ids));
        } else if let Some(after) = rest.strip_prefix("name = ") {
            let (name, after) = text(after)?;
            terms.push(Term::Name(name));
            rest = after;
        } else if let Some(after) = rest.strip_prefix("mimeType = ") {
            rest = text(after).filter(|(mime, _)| mime == FOLDER)?.1;
            terms.push(Term::IsFolder(true));
        } else if let Some(after) = rest.strip_prefix("mimeType != ") {
            rest = text(after).filter(|(mime, _)| mime == FOLDER)?.1;
            terms.push(Term::IsFolder(false));
        } else {
            rest = rest.strip_prefix("trashed = false")?;
            terms.push(Term::Untrashed);
        }
        if rest.is_empty() {
            return Some(terms);
        }
        rest = rest.strip_prefix(" and ")?;
    }
}

/// A text in single quotes, with backslashes before quotes and backslashes; and what is behind it.
fn text(query: &str) -> Option<(String, &str)> {
    let mut letters = query.strip_prefix('\'')?.char_indices();
    let mut found = String::new();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => found.push(letters.next()?.1),
            '\'' => return Some((found, &query[at + 2..])),
            letter => found.push(letter),
        }
    }
    None
}
