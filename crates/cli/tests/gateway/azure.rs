//! Azure over https with an identity: what a user delegation SAS from the gateway permits, and what it does not.

use safelight_servers::{Azurite, Certificates};
use serde_json::json;

use crate::room::Room;
use crate::served::{Answer, Phone, Served, bearer, serve, signed_in_cli, until};

const BLOB: &str = "x-ms-blob-type: BlockBlob";

struct World {
    room: Room,
    azurite: Azurite,
    served: Served,
    phone: Phone,
}

/// A gateway with its own certificate in front of an Azurite with one.
fn world() -> Option<World> {
    let certificates = Certificates::for_host("localhost")?;
    let azurite = Azurite::start_with_tls_and_clock(&certificates)?;
    azurite.make_container_by_token("localhost", "photos", &bearer());
    let room = Room::new();
    for name in ["authority.pem", "leaf.pem", "leaf.key"] {
        std::fs::copy(certificates.folder().join(name), room.path(name)).unwrap();
    }
    let phone = Phone::with_token(&room, "phone", &["--user", "anna"]).trusting(room.path("authority.pem"));
    let remote = format!("https://localhost:{}/{}/photos/here", azurite.port(), azurite.account());
    signed_in_cli(&room.path("programs"));
    let (certificate, key) = (room.path("leaf.pem"), room.path("leaf.key"));
    let tls = ["--verbose", "--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let mut command = serve(&room, &remote, &tls);
    command
        .env("PATH", format!("{}:/usr/bin:/bin", room.path("programs").display()))
        .env("SSL_CERT_FILE", room.path("authority.pem"))
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1");
    let served = Served::start(&mut command, "https");
    Some(World { room, azurite, served, phone })
}

impl World {
    fn ask(&self, user: &str, file: &str) -> Answer {
        let url = format!("{}/v1/mobile/upload-token", self.served.url);
        self.phone.post(&url, &json!({ "user_id": user, "filename": file }))
    }

    fn put(&self, url: &str, bytes: &str) -> u16 {
        self.phone.put(url, &[BLOB.to_owned()], bytes).status
    }
}

#[test]
fn a_phone_creates_its_one_blob_once_and_can_do_nothing_else_with_the_address() {
    let Some(world) = world() else { return };
    let answer = world.ask("anna", "DCIM/100APPLE/IMG_0001.HEIC");
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let fields: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["blob_name", "expires_at", "upload_url"], "what the existing client knows");
    let name = answer["blob_name"].as_str().unwrap();
    let parts: Vec<&str> = name.split('/').collect();
    assert_eq!((parts[..2].join("/"), parts.len()), ("mobile-import/anna".to_owned(), 6), "{name}");
    assert!(parts[5].ends_with("-IMG_0001.HEIC") && parts[5].len() == "050607-IMG_0001.HEIC".len());
    let url = answer["upload_url"].as_str().unwrap();
    for part in ["sp=c&", "spr=https&", "sr=b&", "skoid="] {
        assert!(url.contains(part), "{part}");
    }
    assert!(url.contains(&format!("/photos/here/{name}?")));

    assert_eq!(world.put(url, "first"), 201);
    assert!(matches!(world.put(url, "second"), 403 | 409), "it is not replaced");
    for method in ["GET", "HEAD", "DELETE"] {
        let arguments = if method == "HEAD" { vec!["--head"] } else { vec!["--request", method] };
        let refused = world.phone.curl(&[&arguments[..], &[url]].concat());
        assert_eq!(refused.status, 403, "{method}");
    }
    let query = url.split_once('?').unwrap().1;
    let container = url.split_once("/here/").unwrap().0;
    let listed = world.phone.curl(&[&format!("{container}?restype=container&comp=list&{query}")]);
    assert_eq!(listed.status, 403);
    assert_eq!(world.put(&url.replace("IMG_0001", "IMG_0002"), "third"), 403, "an address is for one name");
    // Nor in blocks: whatever may be staged behind a blob that is there, it is not made that blob.
    let staged = world.put(&format!("{url}&comp=block&blockid=AAAA"), "fourth");
    assert!(matches!(staged, 201 | 403 | 409), "{staged}");
    let list = "<?xml version=\"1.0\"?><BlockList><Latest>AAAA</Latest></BlockList>";
    assert!(matches!(world.put(&format!("{url}&comp=blocklist"), list), 400..=499));
}

#[test]
fn an_address_ends_by_itself() {
    let Some(world) = world() else { return };
    let [early, late] = ["a.jpg", "b.jpg"].map(|file| world.ask("anna", file).json());
    let url = |answer: &serde_json::Value| answer["upload_url"].as_str().unwrap().to_owned();
    world.azurite.set_clock_ahead(9 * 60);
    assert_eq!(world.put(&url(&early), "in time"), 201);
    world.azurite.set_clock_ahead(11 * 60);
    assert_eq!(world.put(&url(&late), "too late"), 403);
}

#[test]
fn who_asks_is_known_by_a_token_that_holds_and_what_is_asked_keeps_the_rules() {
    let Some(mut world) = world() else { return };
    let url = format!("{}/v1/mobile/upload-token", world.served.url);
    let nobody = world.phone.curl(&["--json", "{}", &url]);
    assert_eq!((nobody.status, nobody.code().as_str()), (401, "no-token"));
    let stranger = world.phone.curl(&["--header", "Authorization: Bearer PLANTED", "--json", "{}", &url]);
    assert_eq!((stranger.status, stranger.code().as_str()), (401, "no-token"));
    assert_eq!(world.ask("bob", "a.jpg").code(), "other-scope");
    for (user, file) in [("anna", ""), ("anna", "a b.jpg"), ("anna", ".."), ("an/na", "a.jpg"), ("", "a.jpg")]
    {
        let refused = world.ask(user, file);
        assert_eq!((refused.status, refused.code().as_str()), (422, "bad-field"), "{user} {file}");
    }
    for body in ["", "{", "[]", "{\"user_id\":1}", "{\"user_id\":\"anna\"}"] {
        assert_eq!(world.phone.post_text(&url, body).status, 400, "{body}");
    }
    let long = json!({ "user_id": "anna", "filename": "a".repeat(5_000) });
    assert_eq!(world.phone.post(&url, &long).status, 413);
    let sealed = world.phone.post(&format!("{}/v1/uploads", world.served.url), &json!({ "objects": [] }));
    assert_eq!(sealed.code(), "other-scope");
    assert_eq!(world.phone.curl(&[&format!("{}/health", world.served.url)]).status, 200);
    assert_eq!(world.phone.curl(&[&format!("{}/nothing", world.served.url)]).code(), "no-route");

    assert_eq!(world.ask("anna", "a.jpg").status, 200);
    world.room.run(&["gateway", "token", "revoke", "phone"]).with(0);
    until("a revoked token ends within seconds", || world.ask("anna", "a.jpg").status == 401);
    assert_eq!(world.served.end(), Some(0));
    let log = std::fs::read_to_string(world.room.path("gateway.log")).unwrap();
    let token = std::fs::read_to_string(world.room.path("phone.token")).unwrap();
    assert!(log.contains("refused"), "something is told: {log}");
    assert!(!log.contains("sig=") && !log.contains(token.trim()) && !log.contains("PLANTED"), "{log}");
}
