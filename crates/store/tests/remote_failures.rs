//! What remotes make of servers that refuse, lie, break off or fall silent; and that no secret gets out.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use safelight_servers::{Answer, Fake};
use safelight_store::{
    Body, Capabilities, ConnectOptions, HttpOptions, Key, Operation, Prefix, PutOptions, Remote,
    RemoteAddress, RemoteCredential, StoreError, Tier, connect,
};

const SAS: &str = "sv=2020-12-06&sp=rcwdl&sig=PLANTEDsignature%3D";
const KEYS: &str = "access_key_id = AK\nsecret_access_key = PLANTEDsecret\nsession_token = PLANTEDtoken\n";
const PASSWORD: &str = "user = me\npassword = PLANTEDpassword\n";

/// A remote of each kind at a fake, without a probe.
async fn remotes(server: &str, options: &HttpOptions) -> Vec<Arc<dyn Remote>> {
    let host = server.strip_prefix("http://").expect("http");
    let mut remotes = Vec::new();
    for (address, credential) in [
        (format!("{server}/account/container"), SAS),
        (format!("s3://bucket?endpoint={server}"), KEYS),
        (format!("webdav://{host}/dav"), PASSWORD),
    ] {
        let (address, _) = RemoteAddress::parse(&address).expect("an address");
        let credential = RemoteCredential::parse(credential).expect("a credential");
        let known = Some(Capabilities::untried());
        let options = ConnectOptions { known, http: options.clone(), ..Default::default() };
        remotes.push(connect(&address, Some(credential), options, "tokenabc").await.expect("builds"));
    }
    remotes
}

fn key() -> Key {
    Key::parse("o/ab/abcd").expect("a name")
}

/// Everything that an error could say anywhere.
fn everything(error: &StoreError) -> String {
    let mut said = format!("{error:?} {error:#?} {error} {:?}", error.hint());
    let mut cause = error.source();
    while let Some(inner) = cause {
        said.push_str(&format!(" {inner} {inner:?}"));
        cause = inner.source();
    }
    said
}

async fn errors(remote: &dyn Remote) -> Vec<StoreError> {
    let options = PutOptions::default();
    let prefix = Prefix::everything();
    let answers = [
        remote.put(&key(), Body::from(b"bytes".as_slice()), &options).await.err(),
        remote.put_if_absent(&key(), Body::from(b"bytes".as_slice()), &options).await.err(),
        remote.get(&key(), 100).await.err(),
        remote.get_range(&key(), 0..10).await.err(),
        remote.head(&key()).await.err(),
        remote.list(&prefix, None).await.err(),
        remote.delete(&key()).await.err(),
    ];
    answers.into_iter().flatten().collect()
}

#[tokio::test]
async fn no_error_says_a_secret_whatever_the_server_does() {
    let echo = |status| {
        move |request: &safelight_servers::Request| {
            let said = format!(
                "<Error><Code>X</Code><Message>{} {:?}</Message></Error>",
                request.target, request.headers
            );
            Answer::Say(status, vec![("x-ms-error-code", "AuthorizationFailure".to_owned())], said)
        }
    };
    let mut servers: Vec<Fake> = [301, 400, 401, 403, 404, 409, 412, 418, 429, 500, 503, 507]
        .map(|status| Fake::start(echo(status)))
        .into();
    servers.push(Fake::start(|_| Answer::CutShort));
    servers.push(Fake::start(|_| Answer::Silence(Duration::ZERO)));
    let mut addresses: Vec<String> = servers.iter().map(Fake::url).collect();
    addresses.push("http://127.0.0.1:1".to_owned());
    let mut seen = 0;
    for address in addresses {
        for remote in remotes(&address, &HttpOptions::default()).await {
            let said = format!("{remote:?} {} {:?}", remote.label(), remote.credential_source());
            assert!(!said.contains("PLANTED"), "{said}");
            for error in errors(&*remote).await {
                let said = everything(&error);
                assert!(!said.contains("PLANTED") && !said.contains("UExBTlRFR"), "{said}");
                seen += 1;
            }
        }
    }
    assert!(seen > 200, "only {seen} errors were seen");
}

#[tokio::test]
async fn refusals_are_named_by_their_meaning_by_every_kind() {
    for (status, is_right) in [
        (401, (|error| matches!(error, StoreError::Denied { .. })) as fn(&StoreError) -> bool),
        (403, |error| matches!(error, StoreError::Denied { .. }) && error.hint().is_some()),
        (404, StoreError::is_not_found),
        (503, |error| matches!(error, StoreError::Throttled { wait: Some(wait), .. } if wait.as_secs() == 7)),
        (429, |error| matches!(error, StoreError::Throttled { wait: Some(wait), .. } if wait.as_secs() == 7)),
        (507, StoreError::is_full),
        (500, |error| matches!(error, StoreError::Network { .. })),
        (418, |error| matches!(error, StoreError::Refused { .. }) && !error.is_transient()),
    ] {
        let server =
            Fake::start(move |_| Answer::Say(status, vec![("retry-after", "7".to_owned())], String::new()));
        for remote in remotes(&server.url(), &HttpOptions::default()).await {
            let error = remote.get(&key(), 100).await.expect_err("refused");
            assert!(is_right(&error), "{status} from {}: {error:?}", remote.label());
        }
    }
}

#[tokio::test]
async fn a_missing_container_is_never_taken_for_a_missing_object() {
    let azure =
        |_: &_| Answer::Say(404, vec![("x-ms-error-code", "ContainerNotFound".to_owned())], String::new());
    let server = Fake::start(azure);
    let error =
        remotes(&server.url(), &HttpOptions::default()).await[0].head(&key()).await.expect_err("refused");
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    let server =
        Fake::start(|_| Answer::Say(404, Vec::new(), "<Error><Code>NoSuchBucket</Code></Error>".to_owned()));
    let error =
        remotes(&server.url(), &HttpOptions::default()).await[1].get(&key(), 9).await.expect_err("refused");
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn an_archived_object_is_a_state_and_not_a_refusal() {
    let server = Fake::start(|_| {
        Answer::Say(409, vec![("x-ms-error-code", "BlobArchived".to_owned())], String::new())
    });
    let error =
        remotes(&server.url(), &HttpOptions::default()).await[0].get(&key(), 9).await.expect_err("archived");
    assert!(matches!(error, StoreError::Archived { .. }), "{error:?}");
    let server = Fake::start(|_| {
        Answer::Say(403, Vec::new(), "<Error><Code>InvalidObjectState</Code></Error>".to_owned())
    });
    let error =
        remotes(&server.url(), &HttpOptions::default()).await[1].get(&key(), 9).await.expect_err("archived");
    assert!(matches!(error, StoreError::Archived { .. }), "{error:?}");
}

#[tokio::test]
async fn a_thaw_in_progress_is_seen_while_it_lasts() {
    let thawing = |headers: &'static [(&'static str, &'static str)]| {
        Fake::start(move |request| match request.method.as_str() {
            "HEAD" => {
                let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
                Answer::Say(200, headers, "sealed".to_owned())
            }
            _ => Answer::status(500),
        })
    };
    let azure =
        thawing(&[("x-ms-access-tier", "Archive"), ("x-ms-archive-status", "rehydrate-pending-to-hot")]);
    let s3 = thawing(&[("x-amz-storage-class", "GLACIER"), ("x-amz-restore", "ongoing-request=\"true\"")]);
    for (number, server) in [azure, s3].iter().enumerate() {
        let info = remotes(&server.url(), &HttpOptions::default()).await[number]
            .head(&key())
            .await
            .expect("is there");
        assert_eq!((info.tier, info.is_thawing, info.length_bytes), (Some(Tier::Archive), true, 6));
    }
    let thawed =
        thawing(&[("x-amz-storage-class", "GLACIER"), ("x-amz-restore", "ongoing-request=\"false\"")]);
    let info = remotes(&thawed.url(), &HttpOptions::default()).await[1].head(&key()).await.expect("is there");
    assert_eq!((info.tier, info.is_thawing), (Some(Tier::Hot), false), "it can be read now");
}

#[tokio::test]
async fn a_broken_or_silent_connection_is_a_network_error_that_may_pass() {
    let cut = Fake::start(|_| Answer::CutShort);
    let silent = Fake::start(|_| Answer::Silence(Duration::from_secs(2)));
    let options = HttpOptions { stall: Duration::from_millis(300), ..Default::default() };
    for address in [cut.url(), silent.url(), "http://127.0.0.1:1".to_owned()] {
        for remote in remotes(&address, &options).await {
            let begun = Instant::now();
            let error = remote.get(&key(), 1000).await.expect_err("no whole answer");
            assert!(error.is_network() && error.is_transient(), "{address} {error:?}");
            assert!(begun.elapsed() < Duration::from_millis(1900), "it waits no longer than the watchdog");
        }
    }
}

#[tokio::test]
async fn a_cloud_that_nobody_has_signed_in_to_says_how() {
    for address in ["dropbox:/Photos", "gdrive:/Photos", "onedrive:/Photos"] {
        let (address, _) = RemoteAddress::parse(address).expect("an address");
        let client = RemoteCredential::parse("client_id = abc").expect("a client");
        let options = ConnectOptions::default();
        let error = connect(&address, Some(client), options, "tokenabc").await.expect_err("signed out");
        assert!(matches!(error, StoreError::Denied { operation: Operation::Open, .. }), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("--sign-in")), "{error:?}");
        let error =
            connect(&address, None, ConnectOptions::default(), "tokenabc").await.expect_err("nothing");
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    }
}
