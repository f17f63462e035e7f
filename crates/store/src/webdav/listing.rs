//! What a server answers to PROPFIND (RFC 4918 §9.1).

use std::time::SystemTime;

use crate::http::{Element, decode};

/// Asks for what a listing needs.
pub(super) const REQUEST: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><propfind xmlns=\"DAV:\"><prop>\
    <resourcetype/><getcontentlength/><getlastmodified/><getetag/></prop></propfind>";

/// A file or folder directly in the folder that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its own name, decoded.
    pub(super) name: String,
    pub(super) is_folder: bool,
    pub(super) length_bytes: u64,
    pub(super) modified: Option<SystemTime>,
    pub(super) version: Option<String>,
}

/// Reads an answer; `base` is the encoded path of the folder that was asked for. What is not directly in it,
/// and the folder itself, is left out; nothing at all when it is no listing.
pub(super) fn read(answer: &[u8], base: &str) -> Option<Vec<Entry>> {
    let root = Element::parse(std::str::from_utf8(answer).ok()?)?;
    if root.name != "multistatus" {
        return None;
    }
    let base = decode(base.trim_matches('/'))?;
    let entries = root.all("response").filter_map(|response| entry(response, &base));
    Some(entries.collect())
}

fn entry(response: &Element, base: &str) -> Option<Entry> {
    let href = response.text_of("href")?;
    // A whole address, or only its path.
    let path = match href.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => href,
    };
    let path = decode(path.trim_matches('/'))?;
    let name = match base {
        "" => path.as_str(),
        base => path.strip_prefix(base)?.strip_prefix('/')?,
    };
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let properties: Vec<&Element> = response
        .all("propstat")
        .filter(|status| status.text_of("status").is_none_or(|status| status.contains(" 200")))
        .filter_map(|status| status.child("prop"))
        .collect();
    let text = |name: &str| properties.iter().find_map(|found| found.text_of(name));
    let is_folder = properties
        .iter()
        .filter_map(|found| found.child("resourcetype"))
        .any(|kind| kind.child("collection").is_some());
    let modified = text("getlastmodified").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    Some(Entry {
        name: name.to_owned(),
        is_folder,
        length_bytes: text("getcontentlength").and_then(|length| length.parse().ok()).unwrap_or(0),
        modified: modified.map(|date| date.timestamp().into()),
        version: text("getetag").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_those_directly_below_whatever_form_their_addresses_have() {
        let answer = "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">\
            <D:response><D:href>/dav/my%20photos/o/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop></D:propstat></D:response>\
            <D:response><D:href>/dav/my%20photos/o/ab/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\
            <D:response><D:href>http://host/dav/my%20photos/o/x</D:href><D:propstat><D:prop><D:resourcetype/><D:getcontentlength>12</D:getcontentlength>\
            <D:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</D:getlastmodified></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\
            <D:response><D:href>/elsewhere/y</D:href></D:response></D:multistatus>";
        let entries = read(answer.as_bytes(), "/dav/my%20photos/o/").expect("a listing");
        let seen: Vec<_> =
            entries.iter().map(|entry| (entry.name.as_str(), entry.is_folder, entry.length_bytes)).collect();
        assert_eq!(seen, [("ab", true, 0), ("x", false, 12)]);
        assert!(entries.get(1).expect("two").modified.is_some());
        assert!(read(b"<html></html>", "/").is_none());
    }
}
