//! Keys of a vault against a stand-in that really wraps.

use safelight_servers::{Answer, FakeVault};

use super::*;

fn of(vault: &FakeVault) -> (KeyVault, VaultKey) {
    let surroundings = vault.environment();
    let environment = AzureEnvironment::from_lookup(|name| {
        let found = surroundings.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.into())
    });
    (KeyVault::new(environment).expect("a client"), VaultKey::parse(&vault.key()).expect("a key"))
}

#[tokio::test]
async fn a_key_gives_back_what_it_wrapped_also_after_it_was_rotated() {
    let server = FakeVault::start();
    let (vault, key) = of(&server);
    let (versioned, wrapped) = vault.wrap(&key, &[7; 32]).await.expect("wraps");
    assert!(versioned.version().is_some() && wrapped.len() == 256);
    server.add_version();
    assert_eq!(*vault.unwrap(&versioned, &wrapped).await.expect("unwraps"), [7; 32]);
    let (newer, again) = vault.wrap(&key, &[8; 32]).await.expect("wraps");
    assert_ne!(newer, versioned, "the newest version wraps");
    let foreign = vault.unwrap(&newer, &wrapped).await.expect_err("another version's");
    assert!(matches!(foreign, VaultError::Foreign(_)), "{foreign}");
    assert_eq!(*vault.unwrap(&newer, &again).await.expect("unwraps"), [8; 32]);
    let asked = server.asked();
    let scope = "scope=https%3A%2F%2Fvault.azure.net%2F.default";
    assert!(asked.iter().any(|request| request.body.contains(scope)), "the token is for vaults");
    let wraps = asked.iter().find(|request| request.target.contains("wrapkey")).expect("was asked");
    assert_eq!(wraps.method, "POST");
    assert!(wraps.target.ends_with("/wrapkey?api-version=7.4") && wraps.body.contains("RSA-OAEP-256"));
}

#[tokio::test]
async fn each_refusal_is_told_by_its_meaning_and_nothing_secret_is_in_it() {
    let server = FakeVault::start();
    let (vault, key) = of(&server);
    let (key, wrapped) = vault.wrap(&key, &[7; 32]).await.expect("wraps");
    let said = |status, code: &str| {
        let words = "PLANTED words of the vault";
        Answer::json(status, &json!({ "error": { "code": code, "message": words } }).to_string())
    };
    type Is = fn(&VaultError) -> bool;
    let denied: Is = |error| matches!(error, VaultError::Denied(_));
    let unasked: Is = |error| matches!(error, VaultError::Unasked(_));
    let foreign: Is = |error| matches!(error, VaultError::Foreign(_));
    let failed: Is = |error| matches!(error, VaultError::Failed(_));
    for (answer, is, told) in [
        (said(401, "Unauthorized"), denied, "own tenant"),
        (said(403, "ForbiddenByRbac"), denied, "(ForbiddenByRbac): it needs the role"),
        (said(404, "KeyNotFound"), foreign, "is not there (KeyNotFound)"),
        (said(400, "BadParameter"), foreign, "does not open"),
        (Answer::Say(429, vec![("retry-after", "7".to_owned())], String::new()), unasked, "asks to wait 7 s"),
        (said(503, "x"), unasked, "asks to wait"),
        (said(500, "Oops, with spaces"), unasked, "answered 500"),
        (said(302, "x"), failed, "answered 302"),
        (Answer::json(200, "{}"), failed, "is not what a key vault answers"),
        (Answer::json(200, "no JSON"), failed, "is not what a key vault answers"),
        (Answer::CutShort, unasked, "could not be reached"),
    ] {
        server.answer_instead(Some(answer.clone()));
        let error = vault.unwrap(&key, &wrapped).await.expect_err("is refused");
        assert!(is(&error) && error.to_string().contains(told), "{answer:?}: {error:?}");
        assert!(!format!("{error:?}").contains("PLANTED"), "{error:?}");
    }
    server.answer_instead(None);
    server.delete_key();
    let gone = vault.unwrap(&key, &wrapped).await.expect_err("was deleted");
    assert!(matches!(gone, VaultError::Foreign(_)), "{gone}");
    drop(server);
    let offline = vault.unwrap(&key, &wrapped).await.expect_err("nobody is there");
    assert!(matches!(offline, VaultError::Unasked(_)), "{offline}");
}

#[tokio::test]
async fn a_stand_in_gets_no_token_but_from_a_stand_in() {
    let server = FakeVault::start();
    let key = VaultKey::parse(&server.key()).expect("a key");
    for authority_host in [None, Some("https://login.microsoftonline.com".to_owned())] {
        let environment = AzureEnvironment { authority_host, ..AzureEnvironment::default() };
        let vault = KeyVault::new(environment).expect("a client");
        let error = vault.wrap(&key, &[7; 32]).await.expect_err("is refused");
        assert!(error.to_string().contains("is no vault of Azure's"), "{error}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_answer_that_names_another_key_is_not_believed() {
    let server = FakeVault::start();
    let (vault, key) = of(&server);
    for id in ["https://evil.vault.azure.net/keys/photos/1", "http://127.0.0.1:9/keys/photos/1", "nonsense"] {
        let answer = json!({ "key": { "kid": id, "kty": "RSA" } });
        server.answer_instead(Some(Answer::json(200, &answer.to_string())));
        let error = vault.wrap(&key, &[7; 32]).await.expect_err("another key");
        assert!(matches!(error, VaultError::Failed(_)), "{error}");
    }
    assert!(!server.asked().iter().any(|request| request.body.contains("value")), "no secret was sent");
}

#[test]
fn only_keys_of_azures_own_vaults_are_named() {
    for good in [
        "https://mine.vault.azure.net/keys/photos",
        "https://mine.vault.azure.net/keys/photos/0123456789abcdef",
        "https://mine.managedhsm.azure.net/keys/photos",
        "https://mine.vault.usgovcloudapi.net/keys/photos",
        "http://127.0.0.1:77/keys/photos",
    ] {
        assert_eq!(VaultKey::parse(good).expect(good).to_string(), good);
    }
    assert_eq!(
        VaultKey::parse("https://mine.managedhsm.azure.cn/keys/a").expect("good").resource(),
        "https://managedhsm.azure.cn"
    );
    for bad in [
        "mine",
        "http://mine.vault.azure.net/keys/photos",
        "https://vault.azure.net/keys/photos",
        "https://a.b.vault.azure.net/keys/photos",
        "https://minevault.azure.net/keys/photos",
        "https://mine.vault.azure.net.evil.example/keys/photos",
        "https://evil.example/keys/photos",
        "https://mine.vault.azure.net:8443/keys/photos",
        "https://me:pass@mine.vault.azure.net/keys/photos",
        "https://mine.vault.azure.net/keys/photos?x=1",
        "https://mine.vault.azure.net/secrets/photos",
        "https://mine.vault.azure.net/keys/a/b/c",
        "https://mine.vault.azure.net/keys/a%2Fb",
        "http://localhost:77/keys/photos",
    ] {
        assert!(VaultKey::parse(bad).is_err(), "{bad}");
    }
}
