//! Tokens on the command line, what a gateway refuses to serve, and the document of its routes.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::room::Room;

#[test]
fn a_token_is_printed_once_listed_without_itself_and_revoked() {
    let room = Room::new();
    let made =
        room.run(&["--json", "gateway", "token", "add", "Anna's phone", "--user", "anna"]).with(0).json();
    let token = made["token"].as_str().unwrap();
    assert_eq!(token.len(), 52);
    let file = room.path("home/.local/share/safelight/gateway/tokens.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&file).unwrap().contains(token));
    let listed = room.run(&["gateway", "token", "list"]).with(0);
    assert!(listed.stdout.contains("Anna's phone") && listed.stdout.contains("plain files of anna"));
    assert!(!listed.stdout.contains(token) && listed.stderr.contains("1 token holds"), "{listed:?}");
    room.run(&["gateway", "token", "add", "Anna's phone"]).with(5);
    room.run(&["gateway", "token", "revoke", "Anna's phone"]).with(0);
    let listed = room.run(&["--json", "gateway", "token", "list"]).with(0).json();
    assert!(listed["tokens"][0]["revoked"].is_string());
    room.run(&["gateway", "token", "revoke", "nobody"]).with(4);
    room.run(&["gateway", "token", "add", "x", "--device", "none"]).with(2);
    room.run(&["gateway", "token", "list", "--tokens", "/nowhere/tokens.json"]).with(4);
}

#[test]
fn a_gateway_refuses_what_would_show_tokens_or_let_uploads_be_replaced() {
    let room = Room::new();
    let address = room.address();
    let serve = |more: &[&str]| room.run(&[&["gateway", "serve", "--remote", &address], more].concat());
    serve(&["--listen", "127.0.0.1:0"]).with(4);
    room.run(&["gateway", "token", "add", "phone"]).with(0);
    let open = serve(&["--listen", "0.0.0.0:0"]).with(5);
    assert!(open.stderr.contains("unencrypted") && open.stderr.contains("--behind-proxy"), "{open:?}");
    let relaying = serve(&["--listen", "0.0.0.0:0", "--behind-proxy"]).with(5);
    assert!(relaying.stderr.contains("--public-url"), "{relaying:?}");
    let clear = ["--listen", "0.0.0.0:0", "--behind-proxy", "--public-url", "http://example.org"];
    serve(&clear).with(5);
    serve(&["--listen", "127.0.0.1:0", "--prefix", "inbox/x"]).with(5);
    serve(&["--listen", "127.0.0.1:0", "--prefix", "../x"]).with(5);
    serve(&["--listen", "127.0.0.1:0", "--valid-for", "2h"]).with(2);
    let tokens = room.path("home/.local/share/safelight/gateway/tokens.json");
    std::fs::set_permissions(&tokens, std::fs::Permissions::from_mode(0o644)).unwrap();
    serve(&["--listen", "127.0.0.1:0"]).with(5);
    std::fs::set_permissions(&tokens, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (certificate, key) = (room.credential("no certificate"), room.path("none"));
    let tls = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    serve(&[&["--listen", "127.0.0.1:0"], &tls[..]].concat()).with(2);
    let sas = "https://acct.blob.core.windows.net/photos?sv=2020-12-06&sig=PLANTED";
    let refused = room.run(&["gateway", "serve", "--remote", sas]).with(2);
    assert!(!refused.stderr.contains("PLANTED"), "{refused:?}");
}

#[test]
fn the_document_in_the_guide_is_the_gateways() {
    let kept: Value = serde_json::from_str(include_str!("../../../../docs/gateway-openapi.json")).unwrap();
    let room = Room::new();
    let told = room.run(&["gateway", "serve", "--openapi"]).with(0);
    assert!(
        kept == told.json(),
        "safelight gateway serve --openapi > docs/gateway-openapi.json writes it anew"
    );
    let paths: Vec<&String> = kept["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        ["/health", "/v1/mobile/upload-token", "/v1/relay/{ticket}", "/v1/uploads", "/v1/uploads/status"]
    );
}
