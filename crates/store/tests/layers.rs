//! What layers around a remote do, on a clock that does not wait.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use safelight_store::layer::{
    Clock as _, Counting, FaultPlan, Faulty, Limit, LimitOptions, ManualClock, Retry, RetryOptions,
    SystemClock, Tracing,
};
use safelight_store::{
    Body, Capabilities, Folder, GrantRequest, Key, ListPage, ObjectInfo, Operation, PageToken, Prefix,
    PutOptions, Remote, StoreError, Stored, Tier, UploadGrant,
};

/// A folder whose writes first give planned errors, and that knows how many calls it saw at once.
#[derive(Debug)]
struct Planned {
    inner: Folder,
    errors: Mutex<VecDeque<StoreError>>,
    running: AtomicU32,
    most_running: AtomicU32,
    _root: tempfile::TempDir,
}

impl Planned {
    fn new(errors: impl IntoIterator<Item = StoreError>) -> Arc<Self> {
        let root = tempfile::tempdir().expect("temporary folder");
        Arc::new(Self {
            inner: Folder::open(root.path()).expect("opens"),
            errors: Mutex::new(errors.into_iter().collect()),
            running: AtomicU32::new(0),
            most_running: AtomicU32::new(0),
            _root: root,
        })
    }
}

#[async_trait]
impl Remote for Planned {
    fn label(&self) -> &str {
        "planned"
    }
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }
    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        if let Some(error) = self.errors.lock().expect("not poisoned").pop_front() {
            return Err(error);
        }
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let stored = self.inner.put(key, body, options).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        stored
    }
    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.inner.put_if_absent(key, body, options).await
    }
    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        self.inner.get(key, at_most_bytes).await
    }
    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.inner.get_range(key, range).await
    }
    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.inner.head(key).await
    }
    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        self.inner.list(prefix, after).await
    }
    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }
    async fn set_tier(&self, key: &Key, tier: Tier) -> Result<(), StoreError> {
        self.inner.set_tier(key, tier).await
    }
    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        self.inner.grant_upload(request).await
    }
}

fn key(name: &str) -> Key {
    Key::parse(name).expect("a name")
}

fn network() -> StoreError {
    StoreError::Network {
        place: "planned".to_owned(),
        operation: Operation::Put,
        object: "o".to_owned(),
        source: std::io::Error::other("planned"),
    }
}

fn throttled(seconds: u64) -> StoreError {
    StoreError::Throttled { place: "planned".to_owned(), wait: Some(Duration::from_secs(seconds)) }
}

fn denied() -> StoreError {
    StoreError::Denied {
        place: "planned".to_owned(),
        operation: Operation::Put,
        object: "o".to_owned(),
        source: std::io::Error::other("planned"),
    }
}

async fn put(remote: &dyn Remote, name: &str, length: usize) -> Result<Stored, StoreError> {
    remote.put(&key(name), Body::from(vec![7; length]), &PutOptions::default()).await
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_growing_waits_and_what_may_not_is_not() {
    let clock = Arc::new(ManualClock::default());
    let inner = Planned::new([network(), network(), throttled(9), network()]);
    let remote = Retry::around(inner, RetryOptions::default(), Arc::clone(&clock) as _);
    put(&remote, "a", 5).await.expect("the fifth try works");
    let slept = clock.slept();
    let milliseconds: Vec<u128> = slept.iter().map(Duration::as_millis).collect();
    let [first, second, asked, fourth] = milliseconds.as_slice() else { panic!("{slept:?}") };
    assert!((100..=200).contains(first) && (200..=400).contains(second), "{slept:?}");
    assert_eq!(*asked, 9000, "no less than the place asks for");
    assert!((800..=1600).contains(fourth), "{slept:?}");

    let inner = Planned::new([denied()]);
    let remote = Retry::around(Arc::clone(&inner) as _, RetryOptions::default(), Arc::clone(&clock) as _);
    assert!(matches!(put(&remote, "a", 5).await, Err(StoreError::Denied { .. })));
    assert_eq!(clock.slept().len(), 4, "nothing more was waited");
}

#[tokio::test]
async fn trying_again_ends_and_so_does_patience() {
    let clock = Arc::new(ManualClock::default());
    let options = RetryOptions { attempts: 3, ..Default::default() };
    let inner = Planned::new((0..9).map(|_| network()));
    let remote = Retry::around(Arc::clone(&inner) as _, options, Arc::clone(&clock) as _);
    assert!(put(&remote, "a", 5).await.expect_err("gives up").is_network());
    assert_eq!(inner.errors.lock().expect("not poisoned").len(), 6, "three tries");

    let inner = Planned::new([throttled(3600)]);
    let remote = Retry::around(inner, RetryOptions::default(), Arc::clone(&clock) as _);
    assert!(matches!(put(&remote, "a", 5).await, Err(StoreError::Throttled { .. })), "an hour is not waited");
}

#[tokio::test]
async fn bytes_are_limited_over_time() {
    let clock = Arc::new(ManualClock::default());
    let options = LimitOptions {
        up_bytes_per_second: Some(1000),
        down_bytes_per_second: Some(500),
        requests_at_once: 8,
    };
    let limit = Arc::new(Limit::new(options, Arc::clone(&clock) as _));
    let remote = Limit::around(Planned::new([]), limit);
    for name in ["a", "b", "c"] {
        put(&remote, name, 2000).await.expect("writes");
    }
    assert_eq!(clock.now(), Duration::from_secs(4), "the third began when 4,000 bytes were paid for");
    remote.get(&key("a"), 9999).await.expect("reads");
    remote.get(&key("b"), 9999).await.expect("reads");
    assert_eq!(clock.now(), Duration::from_secs(8), "2,000 bytes down cost four seconds before the next");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_requests_at_once_follows_what_the_place_bears() {
    let clock = Arc::new(ManualClock::default());
    let limit = Arc::new(Limit::new(LimitOptions::default(), Arc::clone(&clock) as _));
    let inner = Planned::new([throttled(1), throttled(1)]);
    let remote = Arc::new(Limit::around(Arc::clone(&inner) as _, Arc::clone(&limit)));
    assert!(put(&*remote, "a", 1).await.is_err());
    assert!(put(&*remote, "a", 1).await.is_err());
    assert_eq!(limit.allowed_at_once(), 4, "what comes within a second counts once");
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let remote = Arc::clone(&remote);
            tokio::spawn(async move { put(&*remote, &format!("x/{number}"), 1000).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("runs").expect("writes");
    }
    assert_eq!(limit.allowed_at_once(), 8, "it grows again, to the most and not beyond");
    let most = inner.most_running.load(Ordering::SeqCst);
    assert!((2..=8).contains(&most), "{most} at once");
}

#[tokio::test]
async fn counting_sees_every_request_and_its_bytes() {
    let clock = Arc::new(ManualClock::default());
    let (counted, counting) = Counting::around(Planned::new([network()]));
    let remote = Retry::around(Arc::new(counted), RetryOptions::default(), clock);
    put(&remote, "a", 100).await.expect("writes");
    remote.get(&key("a"), 100).await.expect("reads");
    remote.get_range(&key("a"), 10..30).await.expect("reads");
    assert!(remote.head(&key("b")).await.expect_err("absent").is_not_found());
    let puts = counting.of(Operation::Put);
    assert_eq!(
        (puts.requests, puts.failures, puts.up_bytes),
        (2, 1, 100),
        "a try that sent nothing counts as a request"
    );
    let gets = counting.of(Operation::Get);
    assert_eq!((gets.requests, gets.failures, gets.down_bytes), (2, 0, 120));
    assert_eq!((counting.total().requests, counting.total().failures), (5, 1));
}

#[tokio::test]
async fn planted_faults_are_the_same_for_the_same_seed_and_do_what_they_say() {
    let plan = FaultPlan {
        fail_before: 150,
        fail_after: 150,
        throttle: 100,
        delay: 100,
        longest_delay: Duration::from_secs(1),
        ..Default::default()
    };
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let inner = Planned::new([]);
        let faulty = Faulty::new(Arc::clone(&inner) as _, plan, 42, Arc::new(ManualClock::default()));
        let mut outcome = Vec::new();
        for number in 0..200 {
            let name = format!("x/{number}");
            let failed = put(&faulty, &name, 3).await.is_err();
            let is_there = inner.head(&key(&name)).await.is_ok();
            outcome.push((failed, is_there));
        }
        outcomes.push(outcome);
    }
    assert_eq!(outcomes.first(), outcomes.last(), "the same seed, the same day");
    let count = |wanted| outcomes.first().expect("two").iter().filter(|seen| **seen == wanted).count();
    assert!(count((true, true)) > 10, "answers are lost after success");
    assert!(count((true, false)) > 20, "requests are lost before");
    assert!(count((false, true)) > 80, "most work");
    assert_eq!(count((false, false)), 0);
}

#[tokio::test]
async fn torn_writes_stale_and_doubled_listings_and_flipped_bits_are_planted_too() {
    let always = |plan: FaultPlan| {
        let inner = Planned::new([]);
        (Arc::clone(&inner), Faulty::new(inner, plan, 7, Arc::new(ManualClock::default())))
    };
    let (inner, faulty) = always(FaultPlan { torn: 1000, ..Default::default() });
    assert!(put(&faulty, "a", 1000).await.expect_err("torn").is_network());
    assert!(inner.head(&key("a")).await.expect("the beginning is there").length_bytes < 1000);

    let (_inner, faulty) = always(FaultPlan { stale_list: 1000, ..Default::default() });
    put(&faulty, "a", 1).await.expect("writes");
    assert!(faulty.list(&Prefix::everything(), None).await.expect("lists").objects.is_empty());

    let (_inner, faulty) = always(FaultPlan { double_list: 1000, flip: 1000, ..Default::default() });
    put(&faulty, "a", 10).await.expect("writes");
    assert_eq!(faulty.list(&Prefix::everything(), None).await.expect("lists").objects.len(), 2);
    let read = faulty.get(&key("a"), 10).await.expect("reads");
    let flipped: u32 = read.iter().map(|byte| (byte ^ 7).count_ones()).sum();
    assert_eq!(flipped, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_with_every_layer_still_keeps_every_guarantee() {
    let clock: Arc<dyn safelight_store::layer::Clock> = Arc::new(SystemClock::new());
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = Folder::connect(root.path(), "tokenabc").await.expect("connects");
    let plan = FaultPlan { fail_before: 30, throttle: 0, ..Default::default() };
    let faulty = Faulty::new(Arc::new(folder), plan, 3, Arc::clone(&clock));
    let (counted, counting) = Counting::around(Arc::new(faulty));
    let limit =
        Arc::new(Limit::new(LimitOptions { requests_at_once: 16, ..Default::default() }, Arc::clone(&clock)));
    let limited = Limit::around(Arc::new(counted), limit);
    let options = RetryOptions { first_wait: Duration::from_millis(1), attempts: 9, ..Default::default() };
    let retried = Retry::around(Arc::new(limited), options, Arc::clone(&clock));
    let traced = Tracing::around(Arc::new(retried), clock);
    let report =
        safelight_store::conformance::check(Arc::new(traced), "tokenabd").await.expect("a fine token");
    assert_eq!(report.broken().count(), 0, "{report}");
    assert!(counting.total().failures > 20, "faults were met: {:?}", counting.total());
}
