//! Azure with as little permission as a careful person gives, and the identities that prove one.
//!
//! Azurite enforces what a SAS permits (asserted here) but has no roles: that *Storage Blob Data Contributor* on one
//! container is enough could not be seen here; the requests are the same.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use data_encoding::BASE64URL_NOPAD;
use safelight_servers::{Answer, Azurite, Certificates, Fake};

use crate::devices::{Device, Meeting, World};
use crate::places::two_devices_end_equal_and_a_third_gets_everything;

#[test]
fn syncing_works_without_the_permission_to_delete() {
    let Some(server) = Azurite::start() else { return };
    let sas = server.no_delete_sas();
    assert_eq!(server.try_blob("PUT", "tried", &sas), 201);
    assert_eq!(server.try_blob("PUT", "tried", &sas), 201, "it may overwrite");
    assert_eq!(server.try_blob("DELETE", "tried", &sas), 403, "Azurite does not let it delete");
    let (address, credential) = (server.address(), Some(sas));
    two_devices_end_equal_and_a_third_gets_everything(Meeting { address, credential });
}

#[test]
fn syncing_works_where_blobs_can_only_be_made_read_and_listed() {
    let Some(server) = Azurite::start() else { return };
    let sas = server.create_only_sas();
    assert_eq!(server.try_blob("PUT", "tried", &sas), 201);
    assert_eq!(server.try_blob("PUT", "tried", &sas), 403, "Azurite does not let it overwrite");
    assert_eq!(server.try_blob("DELETE", "tried", &sas), 403, "nor delete");
    let (address, credential) = (server.address(), Some(sas));
    two_devices_end_equal_and_a_third_gets_everything(Meeting { address, credential });
}

#[test]
fn who_may_not_delete_is_told_what_collecting_needs_and_that_nothing_is_left_to_try() {
    let Some(server) = Azurite::start() else { return };
    let world = World::new(Meeting { address: server.address(), credential: Some(server.create_only_sas()) });
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    one.sync();
    for yes in [&["remote", "collect", "place"][..], &["--yes", "remote", "collect", "place"]] {
        let said = refused(&one, yes, 5);
        assert!(said.contains("the credential may not delete"), "{said}");
        assert!(said.contains("safelight remote set place --credential-file FILE"), "{said}");
        assert!(!said.contains("--yes does"), "that would change nothing: {said}");
    }
    // A check that has tried everything does not send anybody to itself.
    let checked = one.json(&["remote", "check", "place"]);
    let replace =
        checked["capabilities"].as_array().unwrap().iter().find(|one| one["capability"] == "replace");
    let reason = replace.unwrap()["reason"].as_str().unwrap().to_owned();
    assert!(!reason.contains("not tried"), "{reason}");
}

#[test]
fn who_may_only_look_is_told_which_permission_is_missing() {
    let Some(server) = Azurite::start() else { return };
    let world = World::new(Meeting { address: server.address(), credential: Some(server.read_only_sas()) });
    let one = world.alone("one");
    let file = world.path("credential");
    let arguments =
        ["remote", "add", "place", &server.address(), "--credential-file", file.to_str().unwrap()];
    let said = refused(&one, &arguments, 5);
    assert!(said.contains("Storage Blob Data Contributor"), "{said}");
    assert!(said.contains("az role assignment create --role"), "{said}");
    assert!(one.ends(&["remote", "list"], 0).is_empty(), "nothing is remembered");
}

#[test]
fn who_may_nothing_is_told_the_role_and_the_command_that_grants_it() {
    let server = Fake::start(|_| {
        let code = ("x-ms-error-code", "AuthorizationPermissionMismatch".to_owned());
        Answer::Say(403, vec![code], String::new())
    });
    let sas = "sv=2020-12-06&sp=rcl&sig=PLANTED%3D".to_owned();
    let address = format!("{}/account/photos", server.url());
    let world = World::new(Meeting { address: address.clone(), credential: Some(sas) });
    let one = world.alone("one");
    let file = world.path("credential");
    let said =
        refused(&one, &["remote", "add", "place", &address, "--credential-file", file.to_str().unwrap()], 3);
    assert!(said.contains("Storage Blob Data Contributor"), "{said}");
    assert!(said.contains("az role assignment create --role") && !said.contains("PLANTED"), "{said}");
}

fn refused(device: &Device<'_>, arguments: &[&str], code: i32) -> String {
    let output = device.command(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

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

#[test]
fn the_identity_in_use_is_shown_and_a_configured_one_that_fails_is_not_passed_over() {
    let Some(certificates) = Certificates::for_host("localhost") else { return };
    let Some(server) = Azurite::start_with_tls(&certificates) else { return };
    server.make_container_by_token("localhost", "photos", &token());
    let address = format!("https://localhost:{}/{}/photos/here", server.port(), server.account());
    let world = World::new(Meeting { address: address.clone(), credential: None });
    let programs = world.path("programs");
    std::fs::create_dir(&programs).unwrap();
    signed_in_cli(&programs);
    let one = world.alone("one");
    let identified = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command: Command = one.command(arguments);
        command
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .env("SSL_CERT_FILE", certificates.folder().join("authority.pem"))
            // No virtual machine: nobody listens there.
            .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1");
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), said)
    };
    // A secret that is set and wrong stops everything, although the Azure CLI would do.
    let issuer = Fake::start(|_| {
        Answer::json(401, r#"{"error":"invalid_client","error_description":"AADSTS7000215"}"#)
    });
    let wrong = [
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_CLIENT_SECRET", "PLANTED"),
        ("AZURE_AUTHORITY_HOST", &issuer.url()),
    ];
    let (code, _, said) = identified(&["remote", "add", "place", &address], &wrong);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("a client secret from the environment: it answered 401: AADSTS7000215"), "{said}");
    assert!(said.contains("correct this source, or remove it") && !said.contains("PLANTED"), "{said}");

    let (code, _, said) = identified(&["remote", "add", "place", &address], &[]);
    assert_eq!(code, Some(0), "{said}");
    let (_, shown, _) = identified(&["remote", "show", "place"], &[]);
    assert!(shown.contains("none kept; in use: the Azure CLI"), "{shown}");
    one.import(&world.photos("pics", 0..2));
    let (code, _, said) = identified(&["sync"], &[]);
    assert_eq!(code, Some(0), "{said}");
    let (code, _, said) = identified(&["verify", "--remote", "--all"], &[]);
    assert_eq!(code, Some(0), "{said}");
}
