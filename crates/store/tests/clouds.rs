//! Dropbox, Google Drive and OneDrive against their stand-ins: the conformance suite, and what only clouds do.
//!
//! The stand-ins were written from the public documentation. **Not run against the real services by us.**

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use safelight_servers::Cloud;
use safelight_store::conformance::{Report, Verdict, check};
use safelight_store::layer::{Clock, Limit, LimitOptions, Retry, RetryOptions, SystemClock};
use safelight_store::{
    Body, Capabilities, Capability, ConnectOptions, CredentialKeeper, KeptCredential, Key, Prefix,
    PutOptions, Remote, RemoteAddress, RemoteCredential, StoreError, connect,
};

const CLOUDS: [fn() -> Cloud; 3] = [Cloud::dropbox, Cloud::google_drive, Cloud::onedrive];

async fn connected(cloud: &Cloud, known: Option<Capabilities>) -> Arc<dyn Remote> {
    let credential = RemoteCredential::parse(&cloud.sign_in()).expect("a credential");
    opened(cloud, credential, known, None).await.expect("connects")
}

async fn opened(
    cloud: &Cloud,
    credential: RemoteCredential,
    known: Option<Capabilities>,
    keeper: Option<Arc<dyn CredentialKeeper>>,
) -> Result<Arc<dyn Remote>, StoreError> {
    let (address, _) = RemoteAddress::parse(&cloud.address()).expect("an address");
    let options = ConnectOptions { known, keeper, ..Default::default() };
    connect(&address, Some(credential), options, "tokenabc").await
}

/// As a library uses it.
fn layered(remote: Arc<dyn Remote>) -> Arc<dyn Remote> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let limit = Arc::new(Limit::new(LimitOptions::default(), Arc::clone(&clock)));
    Arc::new(Retry::around(Arc::new(Limit::around(remote, limit)), RetryOptions::default(), clock))
}

async fn conform(cloud: &Cloud) -> (Arc<dyn Remote>, Report) {
    let remote = connected(cloud, None).await;
    let report = check(layered(Arc::clone(&remote)), "tokenabd").await.expect("a fine token");
    assert_eq!(report.broken().count(), 0, "{}\n{report}", remote.label());
    assert_eq!(cloud.files(), 0, "nothing stays behind");
    assert_eq!(cloud.folders(), 3, "but the folders of the address, and probe/");
    (remote, report)
}

fn held(report: &Report, codes: &[&str]) {
    for code in codes {
        assert_eq!(report.verdict(code), Some(&Verdict::Held), "{code}\n{report}");
    }
}

fn key(name: &str) -> Key {
    Key::parse(name).expect("a name")
}

fn noise(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

const ALL: [&str; 13] = ["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12", "R13"];

#[tokio::test(flavor = "multi_thread")]
async fn dropbox_keeps_every_guarantee() {
    let (remote, report) = conform(&Cloud::dropbox()).await;
    held(&report, &ALL);
    for capability in [Capability::OneWinner, Capability::ProviderChecksum, Capability::Delete] {
        assert!(remote.capabilities().has(capability), "{capability:?} {:?}", remote.capabilities());
    }
    let source = "a sign-in to Dropbox as Franziska Test <franziska@example.com>";
    assert_eq!(remote.capabilities().proof.as_deref(), Some(source));
}

#[tokio::test(flavor = "multi_thread")]
async fn google_drive_keeps_what_a_place_without_unique_names_can() {
    let (remote, report) = conform(&Cloud::google_drive()).await;
    held(&report, &["R1", "R2", "R3", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12", "R13"]);
    assert!(matches!(report.verdict("R4"), Some(Verdict::Skipped(_))), "{report}");
    assert!(remote.capabilities().has(Capability::PutIfAbsent));
    assert!(!remote.capabilities().has(Capability::OneWinner));
}

#[tokio::test(flavor = "multi_thread")]
async fn onedrive_keeps_every_guarantee() {
    let (remote, report) = conform(&Cloud::onedrive()).await;
    held(&report, &ALL);
    assert!(remote.capabilities().has(Capability::OneWinner));
    assert!(remote.capabilities().has(Capability::ProviderChecksum));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_32_mib_goes_in_pieces_and_survives_lost_answers() {
    for start in CLOUDS {
        let cloud = start();
        let remote = connected(&cloud, Some(Capabilities::untried())).await;
        let part = Body::from(noise((32 << 20) + 17));
        // The second piece arrives, and nobody hears of it.
        cloud.lose_answers(1);
        let stored = remote.put_if_absent(&key("o/ab/part"), part.clone(), &PutOptions::default()).await;
        let stored = stored.unwrap_or_else(|error| panic!("{}: {error:?}", remote.label()));
        let sum = stored.checksum.expect("a checksum");
        assert!(sum.is_of(&part).expect("in memory"), "{}", remote.label());
        assert_eq!(remote.head(&key("o/ab/part")).await.expect("is there").checksum, Some(sum));
        let tail = remote.get_range(&key("o/ab/part"), 32 << 20..(32 << 20) + 100).await.expect("reads");
        assert_eq!(tail.as_ref(), &noise((32 << 20) + 17)[32 << 20..]);
        let again = remote.put_if_absent(&key("o/ab/part"), part, &PutOptions::default()).await;
        assert!(again.as_ref().is_err_and(StoreError::is_already_exists), "{again:?}");
        assert_eq!(cloud.files(), 1, "{}", remote.label());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_that_ended_is_replaced_and_the_request_made_again() {
    for start in CLOUDS {
        let cloud = start();
        let remote = connected(&cloud, Some(Capabilities::untried())).await;
        let options = PutOptions::default();
        remote.put(&key("a/b"), Body::from(b"one".as_slice()), &options).await.expect("writes");
        cloud.end_access_tokens();
        remote.put(&key("a/b"), Body::from(b"two".as_slice()), &options).await.expect("writes again");
        assert_eq!(remote.get(&key("a/b"), 10).await.expect("reads").as_ref(), b"two");
        assert_eq!(cloud.refreshes(), 2, "once at first, once when it had ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_was_withdrawn_says_what_to_do() {
    for start in CLOUDS {
        let cloud = start();
        let remote = connected(&cloud, Some(Capabilities::untried())).await;
        cloud.end_sign_ins();
        let error = remote.get(&key("a/b"), 10).await.expect_err("withdrawn");
        assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("--sign-in")), "{:?}", error.hint());
        assert!(!format!("{error:?}").contains("PLANTED"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_asks_to_wait_is_heard() {
    for start in CLOUDS {
        let cloud = start();
        let remote = connected(&cloud, Some(Capabilities::untried())).await;
        cloud.throttle(1);
        let error = remote.head(&key("a/b")).await.expect_err("throttled");
        assert!(matches!(error, StoreError::Throttled { .. }), "{error:?}");
        cloud.throttle(2);
        let error = layered(remote).head(&key("a/b")).await.expect_err("absent");
        assert!(error.is_not_found(), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_never_taken_for_an_object_nor_deleted() {
    for start in CLOUDS {
        let cloud = start();
        let remote = connected(&cloud, Some(Capabilities::untried())).await;
        let options = PutOptions::default();
        remote.put(&key("a/b/c"), Body::from(b"one".as_slice()), &options).await.expect("writes");
        assert!(remote.head(&key("a/b")).await.is_err_and(|error| error.is_not_found()));
        assert!(remote.get(&key("a/b"), 9).await.is_err_and(|error| error.is_not_found()));
        remote.delete(&key("a/b")).await.expect("there is no such object");
        assert_eq!(remote.get(&key("a/b/c"), 9).await.expect("still there").as_ref(), b"one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_files_of_one_name_all_devices_see_the_older_one() {
    let cloud = Cloud::google_drive();
    let remote = connected(&cloud, Some(Capabilities::untried())).await;
    let options = PutOptions::default();
    remote.put(&key("log/dev/1"), Body::from(b"first".as_slice()), &options).await.expect("writes");
    // Somebody else made the same path at the same instant: other folders, and another file in them.
    cloud.duplicate("Photos/below here/log/dev/1", b"second");
    cloud.duplicate("Photos/below here/log/dev/2", b"only there");
    assert_eq!(cloud.files(), 3);
    for device in 0..2 {
        let remote = connected(&cloud, Some(Capabilities::untried())).await;
        assert_eq!(remote.get(&key("log/dev/1"), 99).await.expect("reads").as_ref(), b"first", "{device}");
        assert_eq!(remote.get(&key("log/dev/2"), 99).await.expect("reads").as_ref(), b"only there");
        let page = remote.list(&Prefix::below("log").expect("a prefix"), None).await.expect("lists");
        let mut names: Vec<String> = page.objects.iter().map(|object| object.key.to_string()).collect();
        names.sort();
        assert_eq!(names, ["log/dev/1", "log/dev/2"]);
        let taken = remote.put_if_absent(&key("log/dev/2"), Body::from(b"x".as_slice()), &options).await;
        assert!(taken.is_err_and(|error| error.is_already_exists()));
    }
    let remote = connected(&cloud, Some(Capabilities::untried())).await;
    remote.put(&key("log/dev/1"), Body::from(b"third".as_slice()), &options).await.expect("replaces");
    assert_eq!(remote.get(&key("log/dev/1"), 99).await.expect("reads").as_ref(), b"third");
    remote.delete(&key("log/dev/1")).await.expect("deletes");
    assert!(remote.head(&key("log/dev/1")).await.is_err_and(|error| error.is_not_found()), "all of them");
    assert_eq!(cloud.files(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_just_made_is_there_although_a_search_does_not_find_it_yet() {
    let cloud = Cloud::google_drive();
    let remote = connected(&cloud, Some(Capabilities::untried())).await;
    cloud.lag_searches(1000);
    let (name, options) = (key("log/dev/1"), PutOptions::default());
    remote.put_if_absent(&name, Body::from(b"first".as_slice()), &options).await.expect("writes");
    assert_eq!(remote.get(&name, 99).await.expect("reads").as_ref(), b"first");
    let again = remote.put_if_absent(&name, Body::from(b"second".as_slice()), &options).await;
    assert!(again.is_err_and(|error| error.is_already_exists()));
    remote.put(&name, Body::from(b"third".as_slice()), &options).await.expect("replaces");
    assert_eq!(cloud.files(), 1, "in place");
    remote.delete(&name).await.expect("deletes");
    assert!(remote.head(&name).await.is_err_and(|error| error.is_not_found()));
    assert_eq!(cloud.files(), 0);
}

/// A credential that is kept where all clones see it, as a database is.
#[derive(Debug, Clone)]
struct Shared {
    kept: Arc<Mutex<RemoteCredential>>,
    turn: Arc<Mutex<bool>>,
}

struct Taken(Shared);

impl Shared {
    fn new(credential: RemoteCredential) -> Self {
        Self { kept: Arc::new(Mutex::new(credential)), turn: Arc::default() }
    }
}

impl CredentialKeeper for Shared {
    fn take(&self) -> io::Result<Box<dyn KeptCredential>> {
        loop {
            let mut is_taken = self.turn.lock().expect("a turn");
            if !*is_taken {
                *is_taken = true;
                return Ok(Box::new(Taken(self.clone())));
            }
            drop(is_taken);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl KeptCredential for Taken {
    fn current(&self) -> io::Result<Option<RemoteCredential>> {
        Ok(Some(self.0.kept.lock().expect("kept").clone()))
    }

    fn replace(&mut self, credential: &RemoteCredential) -> io::Result<()> {
        *self.0.kept.lock().expect("kept") = credential.clone();
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        *self.0.turn.lock().expect("a turn") = false;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_share_a_rotating_sign_in_do_not_lose_it() {
    for start in CLOUDS {
        let cloud = start();
        cloud.rotate_strictly();
        let first = RemoteCredential::parse(&cloud.sign_in()).expect("a credential");
        let shared = Shared::new(first.clone());
        let mut processes = Vec::new();
        for _ in 0..4 {
            let keeper: Arc<dyn CredentialKeeper> = Arc::new(shared.clone());
            // All of them began with the same token, which only one of them can use.
            let known = Some(Capabilities::untried());
            processes.push(opened(&cloud, first.clone(), known, Some(keeper)).await.expect("builds"));
        }
        for round in 0..3 {
            let asking = processes.iter().map(|process| async { process.head(&key("a/b")).await });
            for answer in futures_util::future::join_all(asking).await {
                assert!(answer.as_ref().is_err_and(StoreError::is_not_found), "{round}: {answer:?}");
            }
            cloud.end_access_tokens();
        }
        assert_ne!(*shared.kept.lock().expect("kept"), first, "the new token is kept");
        let late = opened(&cloud, first.clone(), Some(Capabilities::untried()), Some(Arc::new(shared))).await;
        let late = late.expect("builds").head(&key("a/b")).await;
        assert!(late.as_ref().is_err_and(StoreError::is_not_found), "{late:?}");
    }
}

/// A keeper whose disk is full until somebody makes room.
#[derive(Debug, Clone)]
struct Full {
    shared: Shared,
    is_full: Arc<Mutex<bool>>,
}

struct TakenFull(Box<dyn KeptCredential>, Arc<Mutex<bool>>);

impl CredentialKeeper for Full {
    fn take(&self) -> io::Result<Box<dyn KeptCredential>> {
        Ok(Box::new(TakenFull(self.shared.take()?, Arc::clone(&self.is_full))))
    }
}

impl KeptCredential for TakenFull {
    fn current(&self) -> io::Result<Option<RemoteCredential>> {
        self.0.current()
    }

    fn replace(&mut self, credential: &RemoteCredential) -> io::Result<()> {
        if *self.1.lock().expect("a switch") {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.replace(credential)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_sign_in_that_cannot_be_kept_is_not_used_before_it_is() {
    let cloud = Cloud::onedrive();
    cloud.rotate_strictly();
    let first = RemoteCredential::parse(&cloud.sign_in()).expect("a credential");
    let is_full = Arc::new(Mutex::new(true));
    let keeper = Full { shared: Shared::new(first.clone()), is_full: Arc::clone(&is_full) };
    let shared = keeper.shared.clone();
    let known = Some(Capabilities::untried());
    let remote = opened(&cloud, first.clone(), known, Some(Arc::new(keeper))).await.expect("builds");
    let error = remote.head(&key("a/b")).await.expect_err("the disk is full");
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    assert_eq!(cloud.requests(), 0, "nothing is done with a sign-in that could be lost");
    *is_full.lock().expect("a switch") = false;
    let answer = remote.head(&key("a/b")).await;
    assert!(answer.as_ref().is_err_and(StoreError::is_not_found), "{answer:?}");
    assert_ne!(*shared.kept.lock().expect("kept"), first);
}
