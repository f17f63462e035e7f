//! The chain of identities against fake endpoints and a fake `az`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use safelight_servers::{Answer, Certificates, Fake};

use super::*;
use crate::credential::SecretText;
use crate::http::HttpOptions;

const GOOD: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"PLANTED-token"}"#;

fn identity(environment: AzureEnvironment) -> AzureIdentity {
    AzureIdentity::new(environment, Http::new(&HttpOptions::default()).expect("a client"))
}

/// An environment in which nothing is there: no metadata address, no programs.
fn bare() -> AzureEnvironment {
    AzureEnvironment { metadata_host: Some("http://127.0.0.1:1".to_owned()), ..Default::default() }
}

fn with_client(authority: &Fake) -> AzureEnvironment {
    AzureEnvironment {
        tenant_id: Some("tenant".to_owned()),
        client_id: Some("client".to_owned()),
        authority_host: Some(authority.url()),
        ..bare()
    }
}

fn fake_az(folder: &Path, script: &str) -> std::ffi::OsString {
    let program = folder.join("az");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("write");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("make it a program");
    folder.as_os_str().to_owned()
}

#[tokio::test]
async fn a_client_secret_gives_a_token_that_is_fetched_once() {
    let authority = Fake::start(|_| Answer::json(200, GOOD));
    let environment = AzureEnvironment {
        client_secret: Some(SecretText::new("PLANTED&secret")),
        ..with_client(&authority)
    };
    let identity = identity(environment);
    assert_eq!(identity.source_in_use(), None);
    for _ in 0..3 {
        assert_eq!(identity.token().await.expect("a token").text.expose(), "PLANTED-token");
    }
    let asked = authority.asked();
    let [request] = asked.as_slice() else { panic!("asked {} times", asked.len()) };
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/tenant/oauth2/v2.0/token"));
    assert_eq!(
        request.body,
        "grant_type=client_credentials&client_id=client&scope=https%3A%2F%2Fstorage.azure.com%2F.default&client_secret=PLANTED%26secret"
    );
    assert_eq!(identity.source_in_use().as_deref(), Some("a client secret from the environment"));
    assert!(!format!("{identity:?}").contains("PLANTED"), "{identity:?}");
}

#[tokio::test]
async fn a_configured_source_that_is_refused_stops_the_chain_with_its_own_message() {
    let authority = Fake::start(|_| {
        Answer::json(
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Trace ID: 1\nmore"}"#,
        )
    });
    let folder = tempfile::tempdir().expect("temporary folder");
    let environment = AzureEnvironment {
        client_secret: Some(SecretText::new("PLANTED")),
        search_path: Some(fake_az(folder.path(), &format!("echo '{GOOD}'"))),
        ..with_client(&authority)
    };
    let error = identity(environment).token().await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        "a client secret from the environment: it answered 401: AADSTS7000215: Invalid client secret provided."
    );
    let asked = Asked { place: "azure://a/c", operation: crate::Operation::Get, object: "o" };
    let meaning = error.meaning(asked);
    assert!(matches!(meaning, StoreError::Denied { .. }) && meaning.hint().is_some(), "{meaning:?}");
}

#[tokio::test]
async fn an_authority_that_is_overloaded_is_a_matter_of_the_network() {
    let authority = Fake::start(|_| Answer::json(503, "{}"));
    let environment =
        AzureEnvironment { client_secret: Some(SecretText::new("PLANTED")), ..with_client(&authority) };
    let error = identity(environment).token().await.expect_err("unreachable");
    let asked = Asked { place: "azure://a/c", operation: crate::Operation::Get, object: "o" };
    assert!(error.meaning(asked).is_network(), "{error}");
}

#[tokio::test]
async fn a_certificate_signs_a_statement_that_its_key_can_be_checked_with() {
    use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
    let Some(certificates) = Certificates::for_host("client") else { return };
    let (certificate, key) = certificates.leaf();
    let path = certificates.folder().join("both.pem");
    let read = |path: &Path| std::fs::read_to_string(path).expect("read");
    std::fs::write(&path, format!("{}{}", read(&key), read(&certificate))).expect("write");

    let authority = Fake::start(|_| Answer::json(200, GOOD));
    let environment = AzureEnvironment { client_certificate_path: Some(path), ..with_client(&authority) };
    let identity = identity(environment);
    identity.token().await.expect("a token");
    assert_eq!(identity.source_in_use().as_deref(), Some("a client certificate from the environment"));

    let body = authority.asked().remove(0).body;
    let statement = body.split("client_assertion=").nth(1).expect("a statement").to_owned();
    let parts: Vec<&str> = statement.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { panic!("{statement}") };
    let decode = |part: &str| data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).expect("base64");
    let header_text = String::from_utf8(decode(header)).expect("JSON");
    assert!(header_text.contains("PS256") && header_text.contains("x5t#S256"), "{header_text}");
    let claims_text = String::from_utf8(decode(claims)).expect("JSON");
    assert!(
        claims_text.contains("/tenant/oauth2/v2.0/token") && claims_text.contains("\"iss\":\"client\""),
        "{claims_text}"
    );
    let der: String = read(&key).lines().filter(|line| !line.contains("-----")).collect();
    let pair = RsaKeyPair::from_pkcs8(&data_encoding::BASE64.decode(der.as_bytes()).expect("base64"))
        .expect("a key");
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, pair.public_key().as_ref())
        .verify(format!("{header}.{claims}").as_bytes(), &decode(signature))
        .expect("a good signature");
}

#[tokio::test]
async fn a_workload_identity_sends_the_token_that_is_in_its_file_now() {
    let authority = Fake::start(|_| Answer::json(200, r#"{"expires_in":1,"access_token":"short"}"#));
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("token");
    let environment =
        AzureEnvironment { federated_token_file: Some(path.clone()), ..with_client(&authority) };
    let identity = identity(environment);
    for text in ["first", "second"] {
        std::fs::write(&path, format!("{text}\n")).expect("write");
        identity.token().await.expect("a token");
    }
    let bodies: Vec<String> = authority.asked().into_iter().map(|request| request.body).collect();
    assert!(
        bodies[0].ends_with("client_assertion=first") && bodies[1].ends_with("client_assertion=second"),
        "{bodies:?}"
    );
}

#[tokio::test]
async fn a_token_that_says_it_never_ends_is_used_for_a_day() {
    for said in [r#""expires_in":18446744073709551615"#, r#""expires_on":"18446744073709551615""#] {
        let authority =
            Fake::start(move |_| Answer::json(200, &format!(r#"{{{said},"access_token":"endless"}}"#)));
        let environment =
            AzureEnvironment { client_secret: Some(SecretText::new("secret")), ..with_client(&authority) };
        let token = identity(environment).token().await.expect("a token");
        let day = SystemTime::now() + Duration::from_secs(86_400);
        assert!(token.expires <= day && token.expires > SystemTime::now(), "{said}");
    }
}

#[tokio::test]
async fn app_service_is_asked_with_its_header() {
    let service = Fake::start(|request| match request.headers.get("x-identity-header").map(String::as_str) {
        Some("PLANTED") => Answer::json(200, r#"{"access_token":"t","expires_on":"4102444800"}"#),
        _ => Answer::status(403),
    });
    let environment = AzureEnvironment {
        identity_endpoint: Some(format!("{}/msi/token", service.url())),
        identity_header: Some(SecretText::new("PLANTED")),
        ..bare()
    };
    let identity = identity(environment);
    let token = identity.token().await.expect("a token");
    assert_eq!(token.expires, SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800));
    assert!(service.asked()[0].target.starts_with("/msi/token?api-version=2019-08-01&resource=https"));
}

#[tokio::test]
async fn a_virtual_machine_is_recognised_by_its_metadata_address() {
    let metadata = Fake::start(|request| match request.headers.get("metadata").map(String::as_str) {
        Some("true") => Answer::json(200, r#"{"access_token":"t","expires_in":"3600"}"#),
        _ => Answer::status(400),
    });
    let identity = identity(AzureEnvironment { metadata_host: Some(metadata.url()), ..Default::default() });
    identity.token().await.expect("a token");
    assert_eq!(identity.source_in_use().as_deref(), Some("the managed identity of this virtual machine"));
}

#[tokio::test]
async fn where_nobody_answers_at_the_metadata_address_the_cli_is_asked_a_second_later() {
    let silent = Fake::start(|_| Answer::Silence(Duration::from_secs(3)));
    let folder = tempfile::tempdir().expect("temporary folder");
    let script = "echo '{\"accessToken\":\"from the cli\",\"expires_on\":4102444800,\"expiresOn\":\"x\"}'";
    let environment = AzureEnvironment {
        metadata_host: Some(silent.url()),
        search_path: Some(fake_az(folder.path(), script)),
        ..Default::default()
    };
    let identity = identity(environment);
    let begun = Instant::now();
    assert_eq!(identity.token().await.expect("a token").text.expose(), "from the cli");
    assert!(begun.elapsed() < Duration::from_millis(2900), "{:?}", begun.elapsed());
    assert_eq!(identity.source_in_use().as_deref(), Some("the Azure CLI"));
}

#[tokio::test]
async fn who_is_not_signed_in_anywhere_is_told_everything_that_was_tried() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let script = "echo \"Please run 'az login' to setup account.\" >&2; exit 1";
    let environment = AzureEnvironment { search_path: Some(fake_az(folder.path(), script)), ..bare() };
    let error = identity(environment).token().await.expect_err("nobody");
    let IdentityError::None { tried } = &error else { panic!("{error}") };
    assert_eq!(tried.len(), 6, "{error}");
    assert!(tried[5].contains("az login") && error.hint().contains("az login"));

    let script = "echo 'ERROR: AADSTS50076: multi-factor' >&2; exit 1";
    let environment = AzureEnvironment { search_path: Some(fake_az(folder.path(), script)), ..bare() };
    let error = identity(environment).token().await.expect_err("refused");
    assert_eq!(error.to_string(), "the Azure CLI: ERROR: AADSTS50076: multi-factor");
}
