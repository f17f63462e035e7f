//! Remotes that lend no permissions: uploads go through the gateway, held to what was declared; and what was granted is written
//! down, signed, in the remote.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use data_encoding::HEXLOWER;
use safelight_crypto::{DeviceId, InboxName, VerifyingKey, names, sha256};
use safelight_gateway::{GrantRecord, read_blocks};
use serde_json::{Value, json};

use crate::room::{Room, tree};
use crate::served::{Phone, Served, serve, until};

const DEVICE: DeviceId = DeviceId::from_bytes([7; 16]);

/// The last part of the name of an object in an inbox.
fn id(counter: u64, piece: u32) -> String {
    let name = names::inbox(&InboxName { device: DEVICE, counter, piece });
    name.rsplit('/').next().unwrap().to_owned()
}

fn described(id: &str, bytes: &str) -> Value {
    json!({ "id": id, "bytes": bytes.len(), "sha256": HEXLOWER.encode(&sha256(&[bytes.as_bytes()])) })
}

/// What was written down in the remote, read as anybody can who knows the gateway's public key.
fn granted(room: &Room) -> Vec<GrantRecord> {
    let listed = room.run(&["--json", "gateway", "token", "list"]).with(0).json();
    let key = HEXLOWER.decode(listed["gateway"].as_str().unwrap().as_bytes()).unwrap();
    let key = VerifyingKey::from_bytes(key.try_into().unwrap());
    let files = tree(&room.path("place/grants"));
    files
        .values()
        .flat_map(|bytes| read_blocks(bytes, &key).unwrap())
        .flat_map(|block| block.grants)
        .collect()
}

#[test]
fn a_plain_file_goes_through_the_gateway_and_is_created_once() {
    let room = Room::new();
    let phone = Phone::with_token(&room, "phone", &[]);
    let mut served = Served::start(&mut serve(&room, &room.address(), &[]), "http");
    let asked = json!({ "user_id": "anna", "filename": "IMG_0001.HEIC" });
    let answer = phone.post(&format!("{}/v1/mobile/upload-token", served.url), &asked).json();
    let (name, url) = (answer["blob_name"].as_str().unwrap(), answer["upload_url"].as_str().unwrap());
    // As the existing client sends it.
    let blob = ["x-ms-blob-type: BlockBlob".to_owned()];
    assert_eq!(phone.put(url, &blob, "first").status, 201);
    assert_eq!(phone.put(url, &blob, "second").code(), "already-there");
    assert_eq!(std::fs::read(room.path("place").join(name)).unwrap(), b"first");
    let (ticket, mac) = url.rsplit_once('.').unwrap();
    for wrong in [url.replace("/v1/relay/", "/v1/relay/x"), format!("{url}x"), format!("{ticket}{mac}")] {
        assert_eq!(phone.put(&wrong, &[], "third").code(), "no-ticket", "{wrong}");
    }
    assert_eq!(phone.curl(&[url]).status, 405, "nothing is read");
    assert_eq!(served.end(), Some(0));
    let records = granted(&room);
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].object.as_str(), records[0].user.as_deref()), (name, Some("anna")));
    assert_eq!(records[0].way, "relayed");
    assert_eq!(
        tree(&room.path("home/.local/share/safelight/gateway/journal")).len(),
        0,
        "all of it was sent"
    );
}

#[test]
fn sealed_uploads_are_held_to_what_was_declared_and_it_is_said_what_arrived() {
    let room = Room::new();
    let phone = Phone::with_token(&room, "phone", &["--device", &DEVICE.to_string()]);
    let served = Served::start(&mut serve(&room, &room.address(), &["--stateless"]), "http");
    let [uploads, status] = ["/v1/uploads", "/v1/uploads/status"].map(|path| format!("{}{path}", served.url));
    let (head, piece) = (id(9, 0), id(9, 1));
    let batch = json!({ "objects": [described(&piece, "sealed piece"), described(&head, "sealed head")] });
    let lent = phone.post(&uploads, &batch);
    assert_eq!(lent.status, 200, "{lent:?}");
    // Whoever is answered finds it written down already.
    let records = granted(&room);
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].object.clone(), records[0].bytes), (format!("inbox/{DEVICE}/{piece}"), Some(12)));
    let lent = lent.json();
    let url = |at: usize| lent["uploads"][at]["upload_url"].as_str().unwrap().to_owned();
    assert_eq!(
        phone.put(&url(0), &[], "other piece!").code(),
        "other-bytes",
        "the length is right, the hash is not"
    );
    assert_eq!(phone.put(&url(0), &[], "longer than it").code(), "other-bytes");
    assert_eq!(phone.put(&url(0), &[], "sealed piece").status, 201);
    assert_eq!(phone.put(&url(0), &[], "sealed piece").code(), "already-there");
    let states = |batch: &Value| {
        let answer = phone.post(&status, batch).json();
        let states = answer["objects"].as_array().unwrap().iter();
        states.map(|object| object["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(&batch), ["complete", "missing"]);
    assert_eq!(states(&json!({ "objects": [described(&piece, "shorter")] })), ["different"]);
    assert_eq!(std::fs::read(room.path(&format!("place/inbox/{DEVICE}/{piece}"))).unwrap(), b"sealed piece");
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap().filter_map(Result::ok);
    let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("safelight-gateway-"));
    assert!(left.map(|entry| tree(&entry.path()).len()).sum::<usize>() == 0, "nothing rests on the way");
}

#[test]
fn who_has_no_token_is_refused_before_the_body_and_is_told_of() {
    let room = Room::new();
    let phone = Phone::with_token(&room, "phone", &[]);
    let mut served = Served::start(&mut serve(&room, &room.address(), &[]), "http");
    let port: u16 = served.url.rsplit(':').next().unwrap().parse().unwrap();
    for path in ["/v1/mobile/upload-token", "/v1/uploads", "/v1/uploads/status", "/v1/relay/nothing"] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // Shorter than what ends any request, so that only the token can have.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let method = if path.starts_with("/v1/relay") { "PUT" } else { "POST" };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert!(matches!(&answer, b"HTTP/1.1 401" | b"HTTP/1.1 403"), "{path}");
    }
    assert_eq!(phone.curl(&[&format!("{}/health", served.url)]).status, 200);
    assert_eq!(served.end(), Some(0));
    let log = std::fs::read_to_string(room.path("gateway.log")).unwrap();
    assert_eq!(log.matches("without a token").count(), 1, "one line tells of many: {log}");
    assert!(log.contains("127.0.0.1:"), "{log}");
}

#[test]
fn what_is_relayed_without_a_declaration_counts_too() {
    let room = Room::new();
    let phone = Phone::with_token(&room, "phone", &["--size-a-day", "8B"]);
    let served = Served::start(&mut serve(&room, &room.address(), &[]), "http");
    let url = |file: &str| {
        let asked = json!({ "user_id": "anna", "filename": file });
        let answer = phone.post(&format!("{}/v1/mobile/upload-token", served.url), &asked).json();
        answer["upload_url"].as_str().unwrap().to_owned()
    };
    assert_eq!(phone.put(&url("a.jpg"), &[], "first").status, 201);
    assert_eq!(phone.put(&url("b.jpg"), &[], "second").code(), "quota");
    assert_eq!(phone.put(&url("c.jpg"), &[], "3rd").status, 201);
}

#[test]
fn a_batch_that_breaks_a_rule_or_a_quota_is_refused_as_a_whole() {
    let room = Room::new();
    let device = DEVICE.to_string();
    let more = ["--device", &device, "--files-a-day", "3", "--size-a-day", "1MB"];
    let phone = Phone::with_token(&room, "phone", &more);
    let served = Served::start(&mut serve(&room, &room.address(), &["--stateless"]), "http");
    let uploads = format!("{}/v1/uploads", served.url);
    let fine = described(&id(1, 0), "x");
    let with = |field: &str, value: Value| {
        let mut object = fine.clone();
        object[field] = value;
        object
    };
    let broken = [
        json!([]),
        json!([fine.clone(), fine.clone()]),
        json!([fine.clone(), with("id", json!("../../o/ab"))]),
        json!([with("id", json!(id(1, 0).to_uppercase()))]),
        json!([with("id", json!(id(1, 40_000)))]),
        json!([with("bytes", json!(0))]),
        json!([with("bytes", json!((256_u64 << 20) + 1))]),
        json!([with("sha256", json!("00"))]),
        json!((0..101).map(|counter| described(&id(counter, 0), "x")).collect::<Vec<_>>()),
    ];
    for objects in broken {
        let refused = phone.post(&uploads, &json!({ "objects": objects }));
        assert_eq!((refused.status, refused.code().as_str()), (422, "bad-field"), "{objects}");
    }
    let large = json!({ "objects": [with("bytes", json!(2_000_000))] });
    assert_eq!(phone.post(&uploads, &large).code(), "quota");
    let several = |from: u64, count: u64| {
        let objects: Vec<Value> =
            (from..from + count).map(|counter| described(&id(counter, 0), "x")).collect();
        json!({ "objects": objects })
    };
    assert_eq!(phone.post(&uploads, &several(0, 4)).code(), "quota");
    assert_eq!(phone.post(&uploads, &several(0, 3)).status, 200, "what was refused took nothing");
    assert_eq!(phone.post(&uploads, &several(3, 1)).code(), "quota");
    assert_eq!(granted(&room).len(), 3, "what is refused is not granted");
}

#[test]
fn a_ticket_ends_with_its_token_and_a_rate_is_kept() {
    let room = Room::new();
    let phone = Phone::with_token(&room, "phone", &["--per-minute", "2"]);
    let served = Served::start(&mut serve(&room, &room.address(), &[]), "http");
    let ask = || {
        let asked = json!({ "user_id": "anna", "filename": "a.jpg" });
        phone.post(&format!("{}/v1/mobile/upload-token", served.url), &asked)
    };
    let first = ask().json();
    assert_eq!(ask().status, 200);
    let third = ask();
    assert_eq!((third.status, third.code().as_str()), (429, "too-many"));
    room.run(&["gateway", "token", "revoke", "phone"]).with(0);
    until("the gateway hears of it", || ask().status == 401);
    assert_eq!(phone.put(first["upload_url"].as_str().unwrap(), &[], "late").code(), "no-ticket");
}

#[test]
fn what_a_killed_gateway_had_granted_is_sent_by_the_next_one() {
    let room = Room::new();
    let phone = Phone::with_token(&room, "phone", &[]);
    let asked = json!({ "user_id": "anna", "filename": "a.jpg" });
    let ask = |served: &Served| phone.post(&format!("{}/v1/mobile/upload-token", served.url), &asked);
    let killed = Served::start(&mut serve(&room, &room.address(), &[]), "http");
    assert_eq!(ask(&killed).status, 200);
    // Killed, not asked to end.
    drop(killed);
    let mut second = Served::start(&mut serve(&room, &room.address(), &[]), "http");
    until("what the first had granted is sent", || room.path("place/grants").exists());
    assert_eq!(ask(&second).status, 200);
    assert_eq!(second.end(), Some(0));
    assert_eq!(granted(&room).len(), 2);
    assert_eq!(std::fs::read_dir(room.path("place/grants")).unwrap().count(), 2, "each run has its own name");
}

#[test]
fn what_was_granted_is_listed_and_what_is_missing_or_changed_is_named() {
    let room = Room::new();
    let phone = Phone::with_token(&room, "Anna's phone", &[]);
    let served = Served::start(&mut serve(&room, &room.address(), &["--stateless"]), "http");
    for file in ["a.jpg", "b.jpg", "c.jpg"] {
        let asked = json!({ "user_id": "anna", "filename": file });
        assert_eq!(phone.post(&format!("{}/v1/mobile/upload-token", served.url), &asked).status, 200);
    }
    let address = room.address();
    let list = || room.run(&["gateway", "grants", "--remote", &address]);
    let whole = list().with(0);
    assert_eq!(whole.stdout.lines().count(), 3);
    assert!(whole.stdout.contains("-b.jpg  Anna's phone"), "{whole:?}");
    let mut objects = tree(&room.path("place/grants")).into_iter();
    let (first, second) = (objects.next().unwrap(), objects.next().unwrap());
    let path = |name: &std::path::Path| room.path("place/grants").join(name);
    std::fs::write(path(&first.0), String::from_utf8(first.1.clone()).unwrap().replace("a.jpg", "x.jpg"))
        .unwrap();
    let changed = list().with(6);
    assert!(changed.stderr.contains("is not signed by this gateway") && !changed.stdout.contains("x.jpg"));
    std::fs::write(path(&first.0), &first.1).unwrap();
    std::fs::remove_file(path(&second.0)).unwrap();
    let missing = list().with(6);
    assert!(missing.stderr.contains("does not follow the one before"), "{missing:?}");
    assert_eq!(missing.stdout.lines().count(), 2, "what is whole is still told");
    std::fs::remove_file(path(&first.0)).unwrap();
    assert!(list().with(6).stderr.contains("what its run wrote before is missing"));
}

#[test]
fn what_cannot_be_written_down_is_not_given_and_the_gateway_says_that_it_is_not_well() {
    let asked = json!({ "user_id": "anna", "filename": "a.jpg" });
    for stateless in [true, false] {
        let room = Room::new();
        let phone = Phone::with_token(&room, "phone", &[]);
        let more: &[&str] = if stateless { &["--stateless"] } else { &[] };
        let served = Served::start(&mut serve(&room, &room.address(), more), "http");
        let ask = || phone.post(&format!("{}/v1/mobile/upload-token", served.url), &asked);
        let health = || phone.curl(&[&format!("{}/health", served.url)]).status;
        // What grants would go into is not there, or is something else.
        let (grants, journal) =
            (room.path("place/grants"), room.path("home/.local/share/safelight/gateway/journal"));
        if stateless {
            std::fs::write(&grants, "no folder").unwrap();
        } else {
            std::fs::remove_dir_all(&journal).unwrap();
        }
        let refused = ask();
        assert_eq!((refused.status, refused.code().as_str()), (503, "busy"), "{refused:?}");
        assert!(!refused.body.contains("/v1/relay/"), "no address is given: {refused:?}");
        assert_eq!(health(), 503);
        if stateless {
            std::fs::remove_file(&grants).unwrap();
        } else {
            std::fs::create_dir(&journal).unwrap();
        }
        until("it finds out by itself, though nobody asks for a grant", || health() == 200);
        assert_eq!(ask().status, 200);
    }
}
