//! Dropbox's `files/*` (<https://www.dropbox.com/developers/documentation/http/documentation>).
//!
//! Held to: RPC calls are JSON posts, `null` where there are no arguments; content calls carry ASCII JSON in
//! `Dropbox-API-Arg`; names do not differ by case alone; `autorename: false` refuses; sessions know their offset; a page
//! is short however long a one was asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::http::{Ask, Reply};
use super::{Content, hashes, stamp};

const PAGE: usize = 100;
const MOST_SINGLE_BYTES: usize = 150 << 20;

struct File {
    display: String,
    content: Content,
    rev: String,
    at: u64,
    hash: String,
}

#[derive(Default)]
pub(super) struct DropboxStore {
    /// By the path in small letters.
    files: BTreeMap<String, File>,
    /// The folders that files made, with how they are written.
    folders: BTreeMap<String, String>,
    sessions: BTreeMap<String, Vec<u8>>,
    /// What a cursor still has to say.
    cursors: BTreeMap<String, Vec<String>>,
    count: u64,
}

/// An endpoint's error: 409 with a path of tags.
fn conflict(summary: &str, error: &Value) -> Reply {
    Reply::json(409, &json!({ "error_summary": format!("{summary}/.."), "error": error }))
}

fn bad(why: &str) -> Reply {
    Reply::new(400, why.as_bytes().to_vec())
}

impl DropboxStore {
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

    pub(super) fn answer(&mut self, ask: &Ask) -> Reply {
        if ask.method != "POST" {
            return bad("this API is posts");
        }
        if let Some(name) = ask.path.strip_prefix("/api/2/") {
            if ask.header("content-type") != Some("application/json") {
                return bad("the body is JSON");
            }
            let Some(arguments) = ask.json() else { return bad("the body is JSON") };
            return self.call(name, &arguments);
        }
        let Some(name) = ask.path.strip_prefix("/content/2/") else { return bad("unknown host") };
        let arguments = ask.header("dropbox-api-arg").filter(|text| text.is_ascii());
        let Some(arguments) = arguments.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
            return bad("Dropbox-API-Arg is ASCII JSON");
        };
        if name != "files/download" && ask.header("content-type") != Some("application/octet-stream") {
            return bad("content is application/octet-stream");
        }
        if ask.body.len() > MOST_SINGLE_BYTES {
            return Reply::new(413, Vec::new());
        }
        self.content(name, &arguments, ask)
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Reply {
        match name {
            "users/get_current_account" if arguments.is_null() => Reply::json(
                200,
                &json!({ "name": { "display_name": "Franziska Test" }, "email": "franziska@example.com" }),
            ),
            "files/get_metadata" => {
                let Some(path) = path_of(arguments, "path", &["path"]) else { return bad("path") };
                match self.files.get(&path.to_lowercase()) {
                    Some(file) => Reply::json(200, &metadata(file)),
                    None if self.is_folder(&path) => {
                        Reply::json(200, &json!({ ".tag": "folder", "name": path }))
                    }
                    None => not_found("path"),
                }
            }
            "files/list_folder" => {
                let known = &["path", "recursive", "limit"];
                let Some(path) = path_of(arguments, "path", known) else { return bad("path") };
                if arguments["recursive"] != true
                    || !(1..=2000).contains(&arguments["limit"].as_u64().unwrap_or(0))
                {
                    return bad("arguments");
                }
                if self.files.contains_key(&path.to_lowercase()) {
                    return conflict("path/not_folder", &json!({ ".tag": "path" }));
                }
                if !path.is_empty() && !self.is_folder(&path) {
                    return not_found("path");
                }
                let below = format!("{}/", path.to_lowercase());
                let names = self.files.keys().filter(|name| name.starts_with(&below)).cloned().collect();
                self.page(names, Some(&path))
            }
            "files/list_folder/continue" => {
                let left = arguments["cursor"].as_str().and_then(|cursor| self.cursors.remove(cursor));
                match left {
                    Some(left) => self.page(left, None),
                    None => conflict("reset", &json!({ ".tag": "reset" })),
                }
            }
            "files/delete_v2" => {
                let known = &["path", "parent_rev"];
                let Some(path) = path_of(arguments, "path", known) else { return bad("path") };
                let lower = path.to_lowercase();
                let Some(file) = self.files.get(&lower) else {
                    // The trap: a folder goes with all that is in it.
                    return match self.is_folder(&path) {
                        false => not_found("path_lookup"),
                        true if self.holds_something(&path) || !arguments["parent_rev"].is_null() => {
                            bad("a folder with something in it must not be deleted")
                        }
                        true => {
                            self.folders.remove(&lower);
                            Reply::json(200, &json!({ "metadata": { ".tag": "folder" } }))
                        }
                    };
                };
                if arguments["parent_rev"].as_str().is_some_and(|rev| rev != file.rev) {
                    return conflict("path_write/conflict/file", &json!({ ".tag": "path_write" }));
                }
                let answer = json!({ "metadata": metadata(file) });
                self.files.remove(&path.to_lowercase());
                Reply::json(200, &answer)
            }
            _ => bad("no such call"),
        }
    }

    fn content(&mut self, name: &str, arguments: &Value, ask: &Ask) -> Reply {
        match name {
            "files/download" => {
                let Some(path) = path_of(arguments, "path", &["path"]) else { return bad("path") };
                match self.files.get(&path.to_lowercase()) {
                    Some(file) => {
                        ask.ranged(&file.content).header("dropbox-api-result", metadata(file).to_string())
                    }
                    None if self.is_folder(&path) => conflict("path/not_file", &json!({ ".tag": "path" })),
                    None => not_found("path"),
                }
            }
            "files/upload" => self.commit(arguments, ask.body.clone()),
            "files/upload_session/start" => {
                let session = format!("session-{}", self.number());
                self.sessions.insert(session.clone(), ask.body.clone());
                Reply::json(200, &json!({ "session_id": session }))
            }
            "files/upload_session/append_v2" | "files/upload_session/finish" => {
                let cursor = &arguments["cursor"];
                let id = cursor["session_id"].as_str().unwrap_or_default().to_owned();
                let Some(session) = self.sessions.get_mut(&id) else {
                    return conflict("not_found", &json!({ ".tag": "not_found" }));
                };
                if cursor["offset"].as_u64() != Some(session.len() as u64) {
                    let error = json!({ ".tag": "incorrect_offset", "correct_offset": session.len() });
                    return conflict("incorrect_offset", &error);
                }
                session.extend_from_slice(&ask.body);
                if name.ends_with("append_v2") {
                    return Reply::json(200, &Value::Null);
                }
                let content = self.sessions.remove(&id).unwrap_or_default();
                self.commit(&arguments["commit"], content)
            }
            _ => bad("no such call"),
        }
    }

    fn commit(&mut self, arguments: &Value, content: Vec<u8>) -> Reply {
        let known = &["path", "mode", "autorename", "mute", "strict_conflict", "content_hash"];
        let Some(path) = path_of(arguments, "path", known) else { return bad("path") };
        if path.is_empty() || arguments["autorename"] != false {
            return bad("this stand-in does not rename");
        }
        let lower = path.to_lowercase();
        let taken = |kind: &str| {
            let summary = format!("path/conflict/{kind}");
            conflict(
                &summary,
                &json!({ ".tag": "path", "reason": { ".tag": "conflict", "conflict": { ".tag": kind } } }),
            )
        };
        if self.is_folder(&path) {
            return taken("folder");
        }
        if lower.match_indices('/').any(|(at, _)| self.files.contains_key(&lower[..at])) {
            return taken("file_ancestor");
        }
        match (arguments["mode"].as_str(), self.files.get(&lower)) {
            (Some("overwrite"), _) | (Some("add"), None) => {}
            (Some("add"), Some(file)) => {
                // Without strict_conflict the same bytes again are no conflict.
                if arguments["strict_conflict"] == true || *file.content != content {
                    return taken("file");
                }
                return Reply::json(200, &metadata(file));
            }
            _ => return bad("mode"),
        }
        let at = self.number();
        let hash = hashes::dropbox(&content);
        let file = File { display: path, content: Arc::new(content), rev: format!("rev{at:09}"), at, hash };
        let answer = metadata(&file);
        for (at, _) in file.display.match_indices('/').skip(1) {
            self.folders.insert(file.display[..at].to_lowercase(), file.display[..at].to_owned());
        }
        self.files.insert(lower, file);
        Reply::json(200, &answer)
    }

    fn is_folder(&self, path: &str) -> bool {
        self.folders.contains_key(&path.to_lowercase())
    }

    fn holds_something(&self, folder: &str) -> bool {
        let below = format!("{}/", folder.to_lowercase());
        self.files.keys().chain(self.folders.keys()).any(|name| name.starts_with(&below))
    }

    fn page(&mut self, mut names: Vec<String>, folder: Option<&str>) -> Reply {
        let rest = names.split_off(names.len().min(PAGE));
        let mut entries: Vec<Value> =
            names.iter().filter_map(|name| self.files.get(name)).map(metadata).collect();
        if let Some(folder) = folder {
            let below = folder.to_lowercase();
            let is_in = |lower: &&String| **lower == below || lower.starts_with(&format!("{below}/"));
            for lower in self.folders.keys().filter(is_in) {
                let display = self.folders.get(lower);
                entries.push(json!({ ".tag": "folder", "path_display": display, "path_lower": lower }));
            }
        }
        let cursor = format!("cursor-{}", self.number());
        let has_more = !rest.is_empty();
        self.cursors.insert(cursor.clone(), rest);
        Reply::json(200, &json!({ "entries": entries, "cursor": cursor, "has_more": has_more }))
    }
}

fn not_found(at: &str) -> Reply {
    conflict(&format!("{at}/not_found"), &json!({ ".tag": at }))
}

fn metadata(file: &File) -> Value {
    json!({
        ".tag": "file", "name": file.display.rsplit('/').next(), "path_display": file.display,
        "path_lower": file.display.to_lowercase(), "rev": file.rev, "size": file.content.len(),
        "server_modified": stamp(file.at * 1000).replace(".000Z", "Z"), "content_hash": file.hash,
    })
}

/// A path, where the arguments hold nothing that is not known: empty, or from a slash to no slash.
fn path_of(arguments: &Value, name: &str, known: &[&str]) -> Option<String> {
    let all = arguments.as_object()?;
    let path = all.get(name)?.as_str()?;
    let is_path = path.is_empty() || (path.starts_with('/') && !path.ends_with('/') && !path.contains("//"));
    (is_path && all.keys().all(|key| known.contains(&key.as_str()))).then(|| path.to_owned())
}
