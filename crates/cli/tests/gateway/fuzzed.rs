//! The gateway's own OpenAPI document against the gateway: what schemathesis makes up is answered as the document says, and
//! breaks nothing.

use std::path::PathBuf;
use std::process::Command;

use safelight_crypto::DeviceId;

use crate::room::Room;
use crate::served::{Phone, Served, serve};

/// What is checked: no failure of ours, and every status, header and body as it is described.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
     response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth";

/// Where `tools/setup.sh test` puts it.
fn schemathesis() -> Option<PathBuf> {
    let program = safelight_servers::cache().join("servers/fuzz/bin/schemathesis");
    if !program.is_file() {
        safelight_servers::skip("schemathesis");
        return None;
    }
    Some(program)
}

fn fuzz(program: &PathBuf, room: &Room, served: &Served, name: &str, path: &str, checks: &str) {
    let token = std::fs::read_to_string(room.path(&format!("{name}.token"))).unwrap();
    let configuration = room.path(&format!("{name}.toml"));
    let header = format!("[headers]\nAuthorization = \"Bearer {}\"\n", token.trim());
    std::fs::write(&configuration, header).unwrap();
    let document = room.path("document.json");
    std::fs::write(&document, room.run(&["gateway", "serve", "--openapi"]).with(0).stdout).unwrap();
    let mut command = Command::new(program);
    command.arg("--config-file").arg(&configuration).arg("run").arg(&document);
    command.args(["--url", &served.url, "--checks", checks, "--include-path-regex", path]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "60", "--seed", "1"]);
    command.args(["--suppress-health-check", "all", "--no-color"]);
    let output = command.env("HOME", room.path("home")).current_dir(room.path("home")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("passed") || said.contains("No issues found"), "{said}");
}

#[test]
fn whatever_is_made_up_is_answered_as_the_document_says() {
    let Some(program) = schemathesis() else { return };
    let room = Room::new();
    let most = ["--per-minute", "1000000", "--files-a-day", "1000000"];
    let _plain = Phone::with_token(&room, "plain", &most);
    let device = DeviceId::from_bytes([7; 16]).to_string();
    let sealed = [&most[..], &["--device", &device, "--size-a-day", "1000000GB"]].concat();
    let _sealed = Phone::with_token(&room, "sealed", &sealed);
    let mut served = Served::start(&mut serve(&room, &room.address(), &[]), "http");
    fuzz(&program, &room, &served, "plain", "^/(v1/mobile|health)", CHECKS);
    // A ticket is all that it takes.
    fuzz(&program, &room, &served, "plain", "^/v1/relay", CHECKS.trim_end_matches(",ignored_auth"));
    fuzz(&program, &room, &served, "sealed", "^/v1/uploads", CHECKS);
    assert_eq!(served.end(), Some(0), "it still runs");
    let log = std::fs::read_to_string(room.path("gateway.log")).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}
