//! The session of the guide, run as it stands there: token, gateway with its certificate, and a phone by curl.

use std::process::Command;

use safelight_servers::{Azurite, Certificates};

use crate::room::{PROGRAM, Room};
use crate::served::{Served, bearer, signed_in_cli};

const GUIDE: &str = include_str!("../../../../docs/guide/gateway.md");

/// The commands behind a mark in the guide.
fn session(name: &str) -> &'static str {
    let after = GUIDE.split_once(&format!("<!-- session: {name} -->\n```sh\n")).unwrap().1;
    after.split_once("```").unwrap().0
}

fn shell(room: &Room, script: &str) -> Command {
    let mut command = room.command("/bin/sh", &["-eu", "-c", script]);
    command
        .current_dir(room.path("phone"))
        .env("PATH", format!("{}:/usr/bin:/bin", room.path("programs").display()))
        .env("SSL_CERT_FILE", room.path("phone/authority.pem"))
        .env("CURL_CA_BUNDLE", room.path("phone/authority.pem"))
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1");
    command
}

#[test]
fn the_session_in_the_guide_does_what_a_phone_does() {
    let Some(certificates) = Certificates::for_host("localhost") else { return };
    let Some(azurite) = Azurite::start_with_tls(&certificates) else { return };
    azurite.make_container_by_token("localhost", "photos", &bearer());
    let room = Room::new();
    std::fs::create_dir(room.path("phone")).unwrap();
    for (from, to) in [("authority.pem", "authority.pem"), ("leaf.pem", "cert.pem"), ("leaf.key", "key.pem")]
    {
        std::fs::copy(certificates.folder().join(from), room.path("phone").join(to)).unwrap();
    }
    std::fs::write(room.path("phone/IMG_0001.HEIC"), "a photo").unwrap();
    signed_in_cli(&room.path("programs"));
    std::os::unix::fs::symlink(PROGRAM, room.path("programs/safelight")).unwrap();

    assert!(shell(&room, session("token")).status().unwrap().success());
    let remote = format!("https://localhost:{}/{}/photos/here", azurite.port(), azurite.account());
    // Any port that is free, and the program itself in place of the shell, so that it can be ended.
    let serve = format!("exec {}", session("serve").trim().replace("127.0.0.1:8443", "127.0.0.1:0"));
    let mut served = Served::start(shell(&room, &serve).env("REMOTE", remote), "https");
    let phone = shell(&room, session("phone")).env("GATEWAY", &served.url).output().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&phone.stdout), String::from_utf8_lossy(&phone.stderr));
    let statuses: Vec<&str> = said.lines().collect();
    assert!(phone.status.success(), "{said}\n{wrong}");
    assert!(matches!(statuses[..], ["201", "403" | "409"]), "{said}\n{wrong}");
    assert_eq!(served.end(), Some(0));
}
