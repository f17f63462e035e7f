//! Signing in at stand-ins: by a browser, by a device code, by a pasted code; and who tries to get in between.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use safelight_servers::Cloud;
use safelight_store::{
    HttpOptions, RemoteAddress, RemoteCredential, SecretText, SignInTalk, SignInWay, StoreError, sign_in,
};

/// Hands what is shown to somebody else, who acts as a person.
struct Voice {
    shown: Mutex<Sender<String>>,
    code: Option<fn(&str) -> String>,
}

impl SignInTalk for Voice {
    fn open(&self, url: &str) {
        self.shown.lock().expect("a voice").send(url.to_owned()).expect("somebody hears");
    }

    fn show_code(&self, url: &str, code: &str) {
        self.shown.lock().expect("a voice").send(format!("{url} {code}")).expect("somebody hears");
    }

    fn ask_code(&self, url: &str) -> io::Result<SecretText> {
        Ok(SecretText::new(self.code.map_or_else(String::new, |code| code(url))))
    }
}

/// Opens an address as a browser would, without following; the status, the target of a redirect, and the body.
fn browse(url: &str) -> (u16, Option<String>, String) {
    let url = url.to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
            let answer = client.expect("a client").get(&url).send().await.expect("answers");
            let target = answer.headers().get("location").and_then(|target| target.to_str().ok());
            let target = target.map(str::to_owned);
            (answer.status().as_u16(), target, answer.text().await.expect("text"))
        })
    })
    .join()
    .expect("a browser")
}

async fn signed_in(
    cloud: &Cloud,
    way: SignInWay,
    code: Option<fn(&str) -> String>,
    person: impl FnOnce(String) + Send + 'static,
) -> Result<RemoteCredential, StoreError> {
    let (address, _) = RemoteAddress::parse(&cloud.address()).expect("an address");
    let client = RemoteCredential::parse(&cloud.client()).expect("a client");
    let (sender, receiver) = channel();
    let acting = std::thread::spawn(move || receiver.recv().map(person));
    let voice = Voice { shown: Mutex::new(sender), code };
    let result = sign_in(&address, client, way, &HttpOptions::default(), &voice).await;
    drop(voice);
    let _silence = acting.join().expect("a person");
    result
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_on_this_machine_signs_in() {
    for start in [Cloud::google_drive, Cloud::onedrive] {
        let cloud = start();
        let credential = signed_in(&cloud, SignInWay::Usual, None, |url| {
            assert!(!url.contains("secret-of-the-test") && !url.contains("verifier"), "{url}");
            let (status, target, body) = browse(&url);
            let target = target.unwrap_or_else(|| panic!("{status} {body}"));
            // Somebody who does not know the state is not heard, and neither is a favicon.
            let listener = target.split("/?").next().expect("an address").to_owned();
            assert_eq!(browse(&format!("{listener}/?code=evil&state=guessed")).0, 400);
            assert_eq!(browse(&format!("{listener}/favicon.ico")).0, 400);
            assert_eq!(browse(&target).0, 200);
        })
        .await
        .expect("signs in");
        assert!(!credential.needs_sign_in());
        assert_eq!(credential.description(), "a sign-in");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_of_the_person_is_told() {
    let cloud = Cloud::onedrive();
    let refused = signed_in(&cloud, SignInWay::Usual, None, |url| {
        let (_, target, _) = browse(&url);
        let target = target.expect("a target");
        let (listener, query) = target.split_once("/?").expect("a query");
        let state = query.split('&').find(|pair| pair.starts_with("state=")).expect("a state");
        assert_eq!(browse(&format!("{listener}/?error=access_denied&{state}")).0, 200);
    })
    .await
    .expect_err("refused");
    assert!(format!("{refused:?}").contains("access_denied"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_typed_elsewhere_signs_in() {
    for start in [Cloud::google_drive, Cloud::onedrive] {
        let cloud = std::sync::Arc::new(start());
        let elsewhere = std::sync::Arc::clone(&cloud);
        let credential = signed_in(&cloud, SignInWay::DeviceCode, None, move |shown| {
            assert!(shown.contains("CODE-"), "{shown}");
            std::thread::sleep(Duration::from_millis(1500));
            assert_eq!(elsewhere.approve_device_codes(), 1);
        })
        .await
        .expect("signs in");
        assert!(!credential.needs_sign_in());
    }
    let dropbox =
        signed_in(&Cloud::dropbox(), SignInWay::DeviceCode, None, |_| {}).await.expect_err("has none");
    assert!(matches!(dropbox, StoreError::Unsupported { .. }), "{dropbox:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_pasted_signs_in_once() {
    let cloud = Cloud::dropbox();
    let paste = |url: &str| browse(url).2;
    let credential = signed_in(&cloud, SignInWay::Usual, Some(paste), |_| {}).await.expect("signs in");
    assert!(!credential.needs_sign_in());
    for wrong in [(|_| "code-PLANTED-9".to_owned()) as fn(&str) -> String, |_| String::new()] {
        let error = signed_in(&cloud, SignInWay::Usual, Some(wrong), |_| {}).await.expect_err("wrong");
        assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");
        assert!(!format!("{error:?}").contains("PLANTED"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_not_known_there_is_told_with_the_next_step() {
    let cloud = Cloud::google_drive();
    let (address, _) = RemoteAddress::parse(&cloud.address()).expect("an address");
    let stranger = RemoteCredential::oauth_client("stranger", None).expect("a client");
    let (sender, _receiver) = channel();
    let voice = Voice { shown: Mutex::new(sender), code: None };
    let result = sign_in(&address, stranger, SignInWay::DeviceCode, &HttpOptions::default(), &voice).await;
    let error = result.expect_err("not known");
    assert!(error.hint().is_some_and(|hint| hint.contains("docs/guide/clouds.md")), "{error:?}");
}
