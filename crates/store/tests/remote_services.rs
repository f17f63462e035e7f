//! What only some remotes can: tiers and thawing, upload grants, identities; and bodies that are files.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use safelight_servers::{Answer, Azurite, Certificates, Fake, Moto, RcloneWebDav, Sshd, WsgiDav};
use safelight_store::conformance::check;
use safelight_store::{
    AzureEnvironment, Body, Capabilities, Capability, ConnectOptions, GrantRequest, HttpOptions, Key,
    PutOptions, Remote, RemoteAddress, RemoteCredential, SecretText, StoreError, Tier, UploadGrant, connect,
};

async fn connected(address: &str, credential: Option<&str>) -> Arc<dyn Remote> {
    let (address, _) = RemoteAddress::parse(address).expect("an address");
    let credential = credential.map(|file| RemoteCredential::parse(file).expect("a credential"));
    connect(&address, credential, ConnectOptions::default(), "tokenabc").await.expect("connects")
}

fn key(name: &str) -> Key {
    Key::parse(name).expect("a name")
}

async fn put(remote: &dyn Remote, name: &str, tier: Option<Tier>) -> Result<(), StoreError> {
    let options = PutOptions { tier, ..Default::default() };
    remote.put_if_absent(&key(name), Body::from(b"sealed".as_slice()), &options).await.map(drop)
}

/// An archived object is seen to be one, and is readable once it was asked back.
async fn archives_and_thaws(remote: &dyn Remote) {
    put(remote, "o/cool", Some(Tier::Cool)).await.expect("writes");
    assert_eq!(remote.head(&key("o/cool")).await.expect("is there").tier, Some(Tier::Cool));
    remote.set_tier(&key("o/cool"), Tier::Cold).await.expect("moves");
    assert_eq!(remote.head(&key("o/cool")).await.expect("is there").tier, Some(Tier::Cold));

    put(remote, "o/cold", Some(Tier::Archive)).await.expect("writes");
    let info = remote.head(&key("o/cold")).await.expect("is there");
    assert_eq!((info.tier, info.is_thawing, info.length_bytes), (Some(Tier::Archive), false, 6));
    for read in [remote.get(&key("o/cold"), 100).await, remote.get_range(&key("o/cold"), 0..3).await] {
        assert!(matches!(read, Err(StoreError::Archived { .. })), "{read:?}");
    }
    let again = put(remote, "o/cold", Some(Tier::Archive)).await;
    assert!(again.as_ref().is_err_and(StoreError::is_already_exists), "{again:?}");
    remote.set_tier(&key("o/cold"), Tier::Hot).await.expect("is asked back");
    assert_eq!(remote.get(&key("o/cold"), 100).await.expect("reads").as_ref(), b"sealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_archives_and_thaws() {
    let Some(azurite) = Azurite::start() else { return };
    archives_and_thaws(&*connected(&azurite.address(), Some(&azurite.sas())).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_archives_and_thaws() {
    let Some(moto) = Moto::start() else { return };
    archives_and_thaws(&*connected(&moto.bucket("photos"), Some(moto.credential())).await).await;
}

/// A remote of which nothing is tried out.
async fn untried(address: &str, credential: &str) -> Arc<dyn Remote> {
    let (address, _) = RemoteAddress::parse(address).expect("an address");
    let credential = RemoteCredential::parse(credential).expect("a credential");
    let options = ConnectOptions { known: Some(Capabilities::untried()), ..ConnectOptions::default() };
    connect(&address, Some(credential), options, "tokenabc").await.expect("connects")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_made_in_its_region_and_only_ones_own_stays_as_it_is() {
    let Some(moto) = Moto::start() else { return };
    for region in ["us-east-1", "eu-central-1"] {
        let address = format!("s3://in-{region}/x?endpoint=http://127.0.0.1:{}&region={region}", moto.port());
        let remote = untried(&address, moto.credential()).await;
        remote.create_place().await.expect("makes it");
        put(&*remote, "a", None).await.expect("writes");
        remote.create_place().await.expect("leaves it as it is");
        assert!(remote.head(&key("a")).await.is_ok(), "{region}");
    }
    for (code, is_fine) in [("BucketAlreadyOwnedByYou", true), ("BucketAlreadyExists", false)] {
        let body = format!("<Error><Code>{code}</Code></Error>");
        let server = Fake::start(move |_| Answer::Say(409, Vec::new(), body.clone()));
        let address = format!("s3://photos/x?endpoint={}", server.url());
        let made = untried(&address, moto.credential()).await.create_place().await;
        assert_eq!(made.is_ok(), is_fine, "{code}: {made:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_in_the_name_of_the_host_keeps_every_guarantee_and_archives_deep() {
    let Some(moto) = Moto::start() else { return };
    let _by_path = moto.bucket("photos");
    let address =
        format!("s3://photos/below?endpoint=http://localhost:{}&style=host&archive=deep", moto.port());
    let (address, _) = RemoteAddress::parse(&address).expect("an address");
    let http = HttpOptions {
        resolve: vec![("photos.localhost".to_owned(), ([127, 0, 0, 1], 0).into())],
        ..Default::default()
    };
    let credential = RemoteCredential::parse(moto.credential()).expect("a credential");
    let options = ConnectOptions { http, ..Default::default() };
    let remote = connect(&address, Some(credential), options, "tokenabc").await.expect("connects");
    let report = check(Arc::clone(&remote), "tokenabd").await.expect("a fine token");
    assert_eq!(report.broken().count(), 0, "{report}");
    archives_and_thaws(&*remote).await;
    // By the path the same objects are there, each in the class that was wished for.
    put(&*remote, "o/deep", Some(Tier::Archive)).await.expect("writes");
    let (status, listing) =
        safelight_servers::http(moto.port(), "GET", "/photos?list-type=2&prefix=below/o/deep", &[], b"");
    let listing = String::from_utf8(listing).expect("text");
    assert_eq!(status, 200);
    assert!(listing.contains("<Key>below/o/deep</Key>") && listing.contains("DEEP_ARCHIVE"), "{listing}");
}

/// Sends bytes as a phone would, with nothing but the grant.
async fn send(client: &reqwest::Client, grant: &UploadGrant, bytes: &'static [u8]) -> u16 {
    let mut request = client.request(grant.method.parse().expect("a method"), &grant.url).body(bytes);
    for (name, value) in &grant.headers {
        request = request.header(name, value);
    }
    request.send().await.expect("answers").status().as_u16()
}

/// A grant writes its one object once, and nothing else.
async fn grants_one_upload(remote: &dyn Remote, client: &reqwest::Client) {
    assert!(remote.capabilities().has(Capability::UploadGrants), "{:?}", remote.capabilities());
    let name = key("inbox/abc/photo ä+%.x");
    let (key, valid_for) = (name.clone(), Duration::from_secs(300));
    let request = GrantRequest { key, valid_for, at_most_bytes: 100, declared: None };
    let grant = remote.grant_upload(&request).await.expect("mints");
    assert!(grant.expires > SystemTime::now());
    assert!((200..300).contains(&send(client, &grant, b"first").await));
    assert!(send(client, &grant, b"second").await >= 400, "a grant does not overwrite");
    assert_eq!(remote.get(&name, 100).await.expect("reads").as_ref(), b"first");
    let other = UploadGrant { url: grant.url.replace("photo", "other"), ..grant };
    assert!(send(client, &other, b"third").await >= 400, "a grant is for one name");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_key_mints_grants_for_one_upload() {
    let Some(azurite) = Azurite::start() else { return };
    let remote = connected(&azurite.address(), Some(&azurite.account_key())).await;
    grants_one_upload(&*remote, &reqwest::Client::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keys_mint_grants_that_do_not_overwrite() {
    let Some(moto) = Moto::start() else { return };
    let remote = connected(&moto.bucket("photos"), Some(moto.credential())).await;
    let name = key("inbox/abc/photo");
    let (key, valid_for) = (name.clone(), Duration::from_secs(300));
    let request = GrantRequest { key, valid_for, at_most_bytes: 100, declared: None };
    let grant = remote.grant_upload(&request).await.expect("mints");
    let client = reqwest::Client::new();
    assert_eq!(send(&client, &grant, b"first").await, 200);
    assert_eq!(send(&client, &grant, b"second").await, 412);
    assert_eq!(remote.get(&name, 100).await.expect("reads").as_ref(), b"first");
}

/// A token as Azurite checks it: its claims, not its signature.
fn token() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let claims = serde_json::json!({
        "aud": "https://storage.azure.com", "iss": "https://sts.windows.net/11111111-1111-1111-1111-111111111111/",
        "nbf": now - 60, "iat": now - 60, "exp": now + 3600,
        "oid": "22222222-2222-2222-2222-222222222222", "tid": "11111111-1111-1111-1111-111111111111",
    });
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    format!("{}.{}.{}", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(&claims.to_string()), part("signature"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_keeps_every_guarantee_and_mints_grants_by_a_delegated_key() {
    let host = "devstoreaccount1.blob.localhost";
    let Some(certificates) = Certificates::for_host(host) else { return };
    let Some(azurite) = Azurite::start_with_tls(&certificates) else { return };
    let local = ([127, 0, 0, 1], 0).into();
    let authority = reqwest::Certificate::from_pem(&certificates.authority_pem()).expect("a certificate");
    let client = reqwest::Client::builder()
        .resolve(host, local)
        .tls_certs_only([authority])
        .build()
        .expect("a client");
    let container = format!("https://{host}:{}/photos", azurite.port());
    let made = client
        .put(format!("{container}?restype=container"))
        .header("x-ms-version", "2021-12-02")
        .header("content-length", "0")
        .bearer_auth(token())
        .send()
        .await
        .expect("answers");
    assert_eq!(made.status().as_u16(), 201, "{:?}", made.text().await);

    let issuer = Fake::start(|_| {
        Answer::json(200, &format!("{{\"access_token\":\"{}\",\"expires_in\":3600}}", token()))
    });
    let azure = AzureEnvironment {
        tenant_id: Some("tenant".to_owned()),
        client_id: Some("client".to_owned()),
        client_secret: Some(SecretText::new("secret")),
        authority_host: Some(issuer.url()),
        ..Default::default()
    };
    let http = HttpOptions {
        authority_pem: Some(certificates.authority_pem()),
        resolve: vec![(host.to_owned(), local)],
        ..Default::default()
    };
    let (address, _) = RemoteAddress::parse(&format!("{container}/below")).expect("an address");
    let options = ConnectOptions { azure, http, ..Default::default() };
    let remote = connect(&address, None, options, "tokenabc").await.expect("connects");
    assert_eq!(remote.credential_source().as_deref(), Some("a client secret from the environment"));
    let report = check(Arc::clone(&remote), "tokenabd").await.expect("a fine token");
    assert_eq!(report.broken().count(), 0, "{report}");
    assert_eq!(issuer.asked().len(), 1, "one token for everything");
    grants_one_upload(&*remote, &client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_file_goes_up_as_it_is_to_every_kind() {
    let (azurite, moto, strict, lax) =
        (Azurite::start(), Moto::start(), WsgiDav::start(), RcloneWebDav::start());
    let mut remotes = Vec::new();
    if let Some(azurite) = &azurite {
        remotes.push(connected(&azurite.address(), Some(&azurite.sas())).await);
    }
    if let Some(moto) = &moto {
        remotes.push(connected(&moto.bucket("photos"), Some(moto.credential())).await);
    }
    if let Some(strict) = &strict {
        remotes.push(connected(&strict.address(), None).await);
    }
    if let Some(lax) = &lax {
        remotes.push(connected(&lax.address(), Some(lax.credential())).await);
    }
    let content: Vec<u8> = (0..6_000_000_u32).map(|at| u8::try_from(at * 7 % 251).expect("small")).collect();
    let mut file = tempfile::tempfile().expect("temporary file");
    file.write_all(&content).expect("write");
    let (offset, length_bytes) = (1_234, 5_432_101_usize);
    let file = Arc::new(file);
    for remote in remotes {
        let body = Body::File { file: Arc::clone(&file), offset: 1_234, length_bytes: length_bytes as u64 };
        remote.put_if_absent(&key("o/ab/part"), body, &PutOptions::default()).await.expect("writes");
        let read = remote.get(&key("o/ab/part"), 10_000_000).await.expect("reads");
        assert!(read[..] == content[offset..offset + length_bytes], "{}", remote.label());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_out_is_given_back_instead_of_probing_again() {
    let Some(azurite) = Azurite::start() else { return };
    let (address, _) = RemoteAddress::parse(&azurite.address()).expect("an address");
    let credential = RemoteCredential::parse(&azurite.sas()).expect("a credential");
    let first = connect(&address, Some(credential.clone()), ConnectOptions::default(), "tokenabc")
        .await
        .expect("connects");
    let kept = first.capabilities().to_bytes();
    drop(azurite);
    let known = Capabilities::from_bytes(&kept);
    let options = ConnectOptions { known, ..Default::default() };
    let second = connect(&address, Some(credential), options, "tokenabc").await.expect("asks nobody");
    assert_eq!(second.capabilities(), first.capabilities());
}

/// What an upload that broke off left behind goes when it is old, and what is being written stays.
async fn sweeps_old_uploads(remote: &dyn Remote, root: &std::path::Path) {
    let folder = root.join("below/here/.safelight-tmp");
    assert!(folder.is_dir(), "connecting wrote something");
    for (name, days) in [("old", 10), ("young", 1)] {
        let file = std::fs::File::create(folder.join(name)).expect("create");
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 86_400)).expect("make older");
    }
    assert_eq!(remote.sweep(Duration::from_secs(7 * 86_400)).await.expect("sweeps"), 1);
    assert!(!folder.join("old").exists() && folder.join("young").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_uploads_are_swept_where_they_can_be_left_behind() {
    if let Some(server) = WsgiDav::start() {
        let remote = connected(&server.address(), None).await;
        sweeps_old_uploads(&*remote, &server.root()).await;
        removes_only_empty_folders(&*remote, &server.root()).await;
    }
    if let Some(server) = Sshd::start() {
        let (address, _) = RemoteAddress::parse(&server.address()).expect("an address");
        let options = ConnectOptions { ssh_arguments: server.client_arguments(), ..Default::default() };
        let remote = connect(&address, None, options, "tokenabc").await.expect("connects");
        sweeps_old_uploads(&*remote, &server.root()).await;
        removes_only_empty_folders(&*remote, &server.root()).await;
    }
}

/// What a check leaves goes; a folder that holds something stays, whatever the server would do.
async fn removes_only_empty_folders(remote: &dyn Remote, root: &std::path::Path) {
    put(remote, "probe/token/a/b", None).await.expect("writes");
    for folder in ["probe/token/a", "probe/token", "probe/absent"] {
        remote.remove_empty_folder(&key(folder)).await.expect("stays or was never there");
    }
    assert_eq!(remote.get(&key("probe/token/a/b"), 10).await.expect("still there").as_ref(), b"sealed");
    remote.delete(&key("probe/token/a/b")).await.expect("deletes");
    for folder in ["probe/token/a", "probe/token"] {
        remote.remove_empty_folder(&key(folder)).await.expect("removes");
    }
    assert!(!root.join("below/here/probe/token").exists());
    put(remote, "probe/token/a/b", None).await.expect("makes them again");
}
