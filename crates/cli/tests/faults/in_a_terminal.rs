//! What the gallery does, done in a terminal: recent searches, room on the disk, a map of one's own, and what waits.

use serde_json::{Value, json};

use crate::room::{Room, text};
use crate::serving::Serving;

#[test]
fn searches_that_the_gallery_remembers_are_listed_and_forgotten() {
    let room = Room::with_photos(1);
    let searches = |arguments: &[&str]| {
        let all: Vec<&str> = ["--json", "searches"].iter().chain(arguments).copied().collect();
        room.safelight(&all).ends_with(&[0]).json()["recent"].clone()
    };
    assert_eq!(searches(&[]), json!([]));
    let serving = Serving::begin(&room);
    for q in ["beach", "rating:>3 sea", "type:photo"] {
        serving.done("POST", "searches", &json!({ "q": q }));
    }
    serving.end().ends_with(&[0]);
    assert_eq!(searches(&[]), json!(["type:photo", "rating:>3 sea", "beach"]));
    // In one word or in several, as a shell gives them.
    assert_eq!(searches(&["forget", "rating:>3", "sea"]), json!(["type:photo", "beach"]));
    let unknown = room.safelight(&["searches", "forget", "sea"]).ends_with(&[4]);
    assert!(unknown.stderr.contains("no search sea"), "{}", unknown.stderr);
    room.safelight(&["searches", "forget"]).ends_with(&[2]);
    assert_eq!(room.safelight(&["searches"]).ends_with(&[0]).text(), "type:photo\nbeach\n");
    assert_eq!(searches(&["forget", "--all"]), json!([]));
}

#[test]
fn what_takes_space_and_what_may_be_freed_is_said() {
    let room = Room::with_photos(2);
    let before = room.safelight(&["--json", "local", "storage"]).ends_with(&[0]).json();
    assert_eq!(before["free"], Value::Null, "there is no remote");
    let of = |shown: &Value, kind: &str| {
        let kinds = shown["kinds"].as_array().unwrap().clone();
        kinds.iter().find(|one| one["kind"] == kind).unwrap()["bytes"].as_u64().unwrap()
    };
    let sum: u64 =
        before["kinds"].as_array().unwrap().iter().map(|kind| kind["bytes"].as_u64().unwrap()).sum();
    assert_eq!(before["total_bytes"], sum);
    assert!(of(&before, "renditions") > 0 && of(&before, "catalogue") > 0, "{before}");
    let place = format!("folder:{}", room.path("nas").display());
    std::fs::create_dir(room.path("nas")).unwrap();
    room.safelight(&["remote", "add", "nas", &place]).ends_with(&[0]);
    room.safelight(&["sync"]).ends_with(&[0]);
    let after = room.safelight(&["--json", "local", "storage"]).ends_with(&[0]).json();
    let staying = after["free"]["staying"].as_array().unwrap();
    assert!(!staying.is_empty(), "{after}");
    for one in staying {
        assert!(one["why"]["code"].is_string(), "each reason has a code: {one}");
    }
    let told = room.safelight(&["local", "storage"]).ends_with(&[0]).text();
    assert!(told.contains("renditions") && told.contains("together"), "{told}");
    std::fs::rename(room.path("nas"), room.path("away")).unwrap();
    let away = room.safelight(&["--json", "local", "storage"]).ends_with(&[0]);
    assert_eq!(away.json()["free"], Value::Null);
    assert!(away.stderr.contains("not known"), "{}", away.stderr);
}

#[test]
fn what_waits_for_a_remote_is_said_with_why() {
    let room = Room::with_photos(2);
    std::fs::create_dir(room.path("nas")).unwrap();
    let place = format!("folder:{}", room.path("nas").display());
    room.safelight(&["remote", "add", "nas", &place, "--policy", "selective"]).ends_with(&[0]);
    let waiting = || room.safelight(&["--json", "remote", "waiting", "nas"]).ends_with(&[0]).json();
    let group = waiting()[0].clone();
    assert_eq!((text(&group, "state").as_str(), &group["originals"]), ("off", &2.into()), "{group}");
    assert_eq!(group["why"], json!({ "code": "not-selected", "values": {} }), "{group}");
    room.safelight(&["sync", "on", "--remote", "nas", "0.jpg"]).ends_with(&[0]);
    let codes: Vec<Value> =
        waiting().as_array().unwrap().iter().map(|group| group["why"]["code"].clone()).collect();
    assert!(codes.contains(&"came-in".into()) && codes.contains(&"not-selected".into()), "{codes:?}");
    let told = room.safelight(&["remote", "waiting", "nas"]).ends_with(&[0]).text();
    assert!(told.contains("waiting  1 original") && told.contains("1.jpg"), "{told}");
    let shown = room.safelight(&["--json", "show", "1.jpg"]).ends_with(&[0]).json();
    assert_eq!(shown["sync"][0]["why"]["code"], "not-selected", "{}", shown["sync"]);
    room.safelight(&["remote", "waiting", "other"]).ends_with(&[4]);
    room.safelight(&["remote", "set", "nas", "policy=full", "--yes"]).ends_with(&[0]);
    room.safelight(&["sync"]).ends_with(&[0]);
    assert_eq!(waiting(), json!([]));
}

#[test]
fn a_map_of_ones_own_is_named_and_taken_back() {
    let room = Room::with_library();
    let map = |arguments: &[&str]| {
        let all: Vec<&str> = ["--json", "local", "map"].iter().chain(arguments).copied().collect();
        room.safelight(&all).ends_with(&[0]).json()["tiles"].clone()
    };
    assert_eq!(map(&[]), Value::Null);
    let mut bytes = b"PMTiles\x03".to_vec();
    let mut at = 127_u64;
    for length in [4_u64, 2, 0, 4] {
        bytes.extend(at.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        at += length;
    }
    bytes.extend([0; 25]);
    bytes.extend([1, 2, 1, 0, 14]);
    bytes.extend([0; 25]);
    bytes.extend(b"root{}tile");
    let path = room.put("world.pmtiles", &bytes);
    let path = path.to_str().unwrap();
    let tiles = map(&[path]);
    assert_eq!((&tiles["kind"], &tiles["max_zoom"]), (&"vector".into(), &14.into()), "{tiles}");
    assert_eq!(map(&[]), tiles);
    assert!(room.safelight(&["local", "map"]).ends_with(&[0]).text().contains("vector tiles, zoom 0 to 14"));
    // The server of the same library shows it.
    let serving = Serving::begin(&room);
    assert_eq!(serving.json("map/tiles")["tiles"], tiles);
    serving.end().ends_with(&[0]);
    let refused =
        room.safelight(&["--json", "local", "map", room.photos().to_str().unwrap()]).ends_with(&[2]);
    assert!(refused.stderr.contains("it is no file"), "{}", refused.stderr);
    std::fs::rename(path, format!("{path}.away")).unwrap();
    let away = map(&[]);
    assert_eq!((&away["missing"], &away["kind"]), (&true.into(), &"vector".into()));
    assert_eq!(map(&["--none"]), Value::Null);
    room.safelight(&["local", "map", path, "--none"]).ends_with(&[2]);
}
