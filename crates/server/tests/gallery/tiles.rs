//! The user's own map: named, read in parts, and nothing else of the machine with it.

use std::path::Path;

use serde_json::json;

use crate::room::{Browser, Room};

const HEADER_BYTES: usize = 127;

/// A map of pictures with one tile of so many bytes, as it lies on a disk.
fn map(tile_bytes: usize) -> Vec<u8> {
    let said = br#"{"attribution":"<b>Our</b> map"}"#;
    let mut bytes = b"PMTiles\x03".to_vec();
    let mut at = HEADER_BYTES;
    for length in [16, said.len(), 0, tile_bytes] {
        bytes.extend((at as u64).to_le_bytes());
        bytes.extend((length as u64).to_le_bytes());
        at += length;
    }
    bytes.extend([0; 25]);
    bytes.extend([1, 1, 2, 0, 6]);
    for degrees in [-1_800_000_000_i32, -850_000_000, 1_800_000_000, 850_000_000] {
        bytes.extend(degrees.to_le_bytes());
    }
    bytes.extend([0; 9]);
    bytes.extend([1; 16]);
    bytes.extend(said);
    bytes.extend((0..tile_bytes).map(|at| at.to_le_bytes()[1]));
    bytes
}

fn name(browser: &Browser, path: &Path) -> crate::room::Answer {
    browser.send("PUT", "map/tiles", &json!({ "path": path }))
}

fn part(browser: &Browser, range: Option<&str>) -> crate::room::Answer {
    browser.ask("GET", "/api/v1/map/tiles/file", &browser.headers_but("Range", range), &[])
}

#[test]
fn a_map_of_the_users_is_named_and_read_in_parts() {
    let room = Room::with(&[]);
    let bytes = map(40_000);
    let path = room.path().with_extension("pmtiles");
    std::fs::write(&path, &bytes).unwrap();
    let browser = room.serve();
    assert_eq!(browser.get("map/tiles").json(), json!({ "tiles": null }));
    assert_eq!(part(&browser, Some("bytes=0-1")).status, 404);
    let named = name(&browser, &path);
    assert_eq!(named.status, 200, "{named:?}");
    let tiles = named.json()["tiles"].clone();
    assert_eq!(
        tiles,
        json!({ "path": path, "bytes": bytes.len(), "kind": "raster", "format": "png", "min_zoom": 0, "max_zoom": 6,
            "bounds": [-180.0, -85.0, 180.0, 85.0], "attribution": "Our map", "layers": [], "missing": false })
    );
    assert_eq!(browser.get("map/tiles").json()["tiles"], tiles);
    for (first, last) in [(0, 126), (127, 127), (300, 39_000), (40_000, 9_000_000)] {
        let answer = part(&browser, Some(&format!("bytes={first}-{last}")));
        let end = (last + 1).min(bytes.len());
        assert_eq!((answer.status, answer.header("cache-control")), (206, Some("no-store")));
        assert!(answer.body == bytes[first..end], "{first} to {last}");
        let range = format!("bytes {first}-{}/{}", end - 1, bytes.len());
        assert_eq!(answer.header("content-range"), Some(range.as_str()));
    }
    // Never all of it because nobody said which part.
    for range in [None, Some("bytes=0-1,5-6"), Some("bytes=900000-")] {
        let answer = part(&browser, range);
        assert_eq!((answer.status, answer.body.len()), (416, 0), "{range:?}");
    }
    let removed = browser.send("DELETE", "map/tiles", &json!({}));
    assert_eq!((removed.status, removed.json()), (200, json!({ "tiles": null })));
    assert_eq!(part(&browser, Some("bytes=0-1")).status, 404);
    assert!(path.exists(), "the file is the user's");
}

#[test]
fn nothing_is_read_but_a_map_and_nobody_else_reads_it() {
    let room = Room::with(&[]);
    let path = room.path().with_extension("pmtiles");
    std::fs::write(&path, map(100)).unwrap();
    let browser = room.serve();
    for (other, why) in [
        (room.path().join("library.toml"), "does not begin"),
        (room.path(), "no file"),
        ("/etc/passwd".into(), "does not begin"),
        ("map.pmtiles".into(), "whole path"),
        ("/nowhere/map.pmtiles".into(), "no such file"),
    ] {
        let refused = name(&browser, &other);
        let said = refused.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!((refused.status, refused.code().as_str()), (422, "bad-file"), "{refused:?}");
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(name(&browser, &path).status, 200);
    let first = part(&browser, Some("bytes=0-9"));
    let stranger = browser.headers_but("X-Safelight", None);
    assert_eq!(browser.ask("GET", "/api/v1/map/tiles/file", &stranger, &[]).status, 401);
    // The file is written anew, then it is another one, then it is gone.
    std::fs::write(&path, map(101)).unwrap();
    let second = part(&browser, Some("bytes=0-9"));
    assert_eq!(second.status, 206);
    assert_ne!(first.header("etag"), second.header("etag"));
    std::fs::write(&path, "a letter".repeat(100)).unwrap();
    let refused = part(&browser, Some("bytes=0-9"));
    assert_eq!((refused.status, refused.code().as_str()), (409, "bad-file"));
    assert_eq!(browser.get("map/tiles").json()["tiles"]["missing"], true);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(part(&browser, Some("bytes=0-9")).status, 404);
    browser.post("lock", &json!({}));
    for (method, path) in [("GET", "map/tiles"), ("GET", "map/tiles/file"), ("DELETE", "map/tiles")] {
        assert_eq!(browser.send(method, path, &json!({})).status, 423, "{method} {path}");
    }
}
