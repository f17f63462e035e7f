//! Links that end by themselves, over TLS, with an identity: what the links permit, and what is written down.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use data_encoding::BASE64URL_NOPAD;
use safelight_servers::{Azurite, Certificates};

use crate::room::{PROGRAM, Room, ended};

/// A token as Azurite checks it: its claims, not its signature.
fn token() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let claims = serde_json::json!({
        "aud": "https://storage.azure.com", "iss": "https://sts.windows.net/11111111-1111-1111-1111-111111111111/",
        "nbf": now - 60, "iat": now - 60, "exp": now + 3600,
        "oid": "22222222-2222-2222-2222-222222222222", "tid": "11111111-1111-1111-1111-111111111111",
    });
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    format!("{}.{}.{}", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(&claims.to_string()), part("signature"))
}

/// An Azure CLI that is signed in.
fn signed_in_cli(folder: &Path) {
    let path = folder.join("az");
    let answer = format!(r#"{{"accessToken":"{}","expires_on":4102444800}}"#, token());
    std::fs::write(&path, format!("#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The status of a request to a link, made by another program.
fn status(authority: &Path, arguments: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"])
        .arg(authority);
    String::from_utf8(curl.args(arguments).output().unwrap().stdout).unwrap()
}

#[test]
fn a_link_reads_its_one_file_until_it_ends_and_is_written_down() {
    let Some(certificates) = Certificates::for_host("localhost") else { return };
    let Some(server) = Azurite::start_with_tls(&certificates) else { return };
    server.make_container_by_token("localhost", "photos", &token());
    let address = format!("https://localhost:{}/{}/photos/here", server.port(), server.account());
    let room = Room::new();
    let programs = room.path("programs");
    std::fs::create_dir(&programs).unwrap();
    signed_in_cli(&programs);
    room.write("a b.jpg", b"shown");
    room.write("other.jpg", b"not shown");
    let authority = certificates.folder().join("authority.pem");
    let run = |arguments: &[&str]| {
        let mut command = room.command(PROGRAM, arguments);
        command
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .env("SSL_CERT_FILE", &authority)
            .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1");
        ended(&mut command)
    };
    run(&["plain", "push", room.source().to_str().unwrap(), &address]).with(0);
    let made = run(&["--json", "plain", "link", "a b.jpg", "--for", "7d"]).with(0).json();
    let url = made["url"].as_str().unwrap();
    for part in ["sp=r&", "spr=https&", "sr=b&", "skoid="] {
        assert!(url.contains(part), "{part}");
    }
    assert_eq!(made["link"]["by"], "the Azure CLI");
    let body = Command::new("curl").args(["--silent", "--cacert"]).arg(&authority).arg(url).output().unwrap();
    assert_eq!(body.stdout, b"shown");
    assert_eq!(status(&authority, &["-X", "DELETE", url]), "403");
    let put = ["-X", "PUT", "-H", "x-ms-blob-type: BlockBlob", "-d", "x", url];
    assert_eq!(status(&authority, &put), "403");
    let by_path = room.source().join("other.jpg");
    let other = run(&["plain", "link", by_path.to_str().unwrap(), "--for", "1h"]).with(0).stdout;
    assert_eq!(status(&authority, &[other.trim()]), "200");
    let foreign = url.replace("a%20b.jpg", "other.jpg");
    assert_ne!(status(&authority, &[&foreign]), "200", "a link is for one file");
    let record = std::fs::read_to_string(room.path("home/.local/share/safelight/plain/links.jsonl")).unwrap();
    assert_eq!(record.lines().count(), 2);
    assert!(record.contains("a b.jpg") && !record.contains("sig="), "{record}");
    let listed = run(&["--json", "plain", "link"]).with(0).json();
    assert_eq!(listed["links"][0]["path"], "a b.jpg");
    run(&["plain", "link", "nothing.jpg"]).with(4);
}
