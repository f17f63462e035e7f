//! The conformance suite on the folder backend, and on wrong backends that it must find out.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use safelight_store::conformance::{Verdict, check};
use safelight_store::layer::{Clock, FaultPlan, Faulty, Retry, RetryOptions, SystemClock};
use safelight_store::{
    Body, Capabilities, Capability, Folder, GrantRequest, Key, ListPage, ObjectInfo, ObjectPath, PageToken,
    Prefix, PutOptions, Remote, Sealed, SealedRemote, StoreError, Stored, Tier, UploadGrant,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_every_guarantee() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = Folder::connect(root.path(), "tokenabc").await.expect("connects");
    for capability in [
        Capability::PutAndGet,
        Capability::GetRange,
        Capability::PutIfAbsent,
        Capability::List,
        Capability::Delete,
    ] {
        assert!(folder.capabilities().has(capability), "{capability:?}");
    }
    assert!(!folder.capabilities().has(Capability::ProviderChecksum));
    let report = check(Arc::new(folder), "tokenabd").await.expect("a fine token");
    assert_eq!(report.broken().count(), 0, "{report}");
    assert_eq!(report.verdict("R4"), Some(&Verdict::Held), "{report}");
    assert_eq!(files_below(root.path()), Vec::<String>::new(), "the suite cleans up");
    let folders = std::fs::read_dir(root.path().join("probe")).expect("its folder").count();
    assert_eq!(folders, 0, "empty folders too");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_finds_each_planted_fault() {
    for (fault, codes) in [
        (Fault::OverwritesTaken, ["R3", "R4"].as_slice()),
        (Fault::RangeIsOffByOne, &["R7"]),
        (Fault::ForgetsAPage, &["R9"]),
        (Fault::ListsBeside, &["R9"]),
        (Fault::AbsentIsEmpty, &["R5"]),
        (Fault::IgnoresTheLimit, &["R6"]),
        (Fault::DeleteIsLazy, &["R10"]),
        (Fault::SwallowsTiers, &["R11"]),
        (Fault::WritesInTwoSteps, &["R2"]),
    ] {
        let root = folder_in_memory();
        let inner = Folder::open(root.path()).expect("opens");
        let wrong = Arc::new(Wrong::new(inner, fault));
        let report = check(Arc::clone(&wrong) as Arc<dyn Remote>, "tokenabc").await.expect("a fine token");
        let broken: Vec<&str> = report.broken().map(|row| row.code).collect();
        for code in codes {
            assert!(broken.contains(code), "{fault:?} must break {code}, but {broken:?} are broken");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probing_a_place_that_overwrites_says_so() {
    let root = tempfile::tempdir().expect("temporary folder");
    let wrong = Wrong::new(Folder::open(root.path()).expect("opens"), Fault::OverwritesTaken);
    let found = Capabilities::probe(&wrong, "tokenabc").await.expect("a fine token");
    assert!(!found.has(Capability::PutIfAbsent));
    assert!(found.has(Capability::PutAndGet));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_overwritten_in_a_place_that_overwrites() {
    let root = tempfile::tempdir().expect("temporary folder");
    let mut wrong = Wrong::new(Folder::open(root.path()).expect("opens"), Fault::OverwritesTaken);
    wrong.capabilities = Capabilities::probe(&wrong, "tokenabc").await.expect("a fine token");
    let store = SealedRemote::new(Arc::new(wrong));
    let sealed = |fill: u8| {
        let header = b"SLO1\x01\x01\x10\x00".iter().copied();
        let bytes: Vec<u8> = header.chain(std::iter::repeat_n(fill, 192)).collect();
        Sealed::from_bytes(bytes).expect("looks sealed")
    };
    let path = ObjectPath::parse(&format!("o/aa/{}", "a".repeat(32))).expect("a name");
    store.put(&path, &sealed(1), None).await.expect("a free name");
    let second = store.put(&path, &sealed(2), None).await;
    assert!(second.expect_err("taken").is_already_exists());
    let kept = store.get(&path, 1024).await.expect("reads");
    assert_eq!(kept.last(), Some(&1), "what was there first stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_ends_where_the_network_does_and_finds_nothing_missing() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder: Arc<dyn Remote> = Arc::new(Folder::open(root.path()).expect("opens"));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let plan = FaultPlan { fail_before: 300, ..FaultPlan::default() };
    let ended = Faulty::new(Arc::clone(&folder), plan, 7, Arc::clone(&clock));
    let ended = Capabilities::probe(&ended, "tokenabc").await;
    assert!(ended.expect_err("nothing is known").is_network());
    let shaky: Arc<dyn Remote> = Arc::new(Faulty::new(folder, plan, 7, Arc::clone(&clock)));
    let first_wait = std::time::Duration::from_millis(1);
    let patient = RetryOptions { attempts: 20, first_wait, longest_wait: first_wait, seed: 1 };
    let patient = Retry::around(shaky, patient, clock);
    let found = Capabilities::probe(&patient, "tokenabd").await.expect("it is there");
    for capability in [Capability::PutAndGet, Capability::PutIfAbsent, Capability::List, Capability::Delete] {
        assert!(found.has(capability), "{capability:?}");
    }
}

/// A temporary folder that needs no disk, where the system has one: these tests are not about durability.
fn folder_in_memory() -> tempfile::TempDir {
    let builder = tempfile::Builder::new();
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).expect("temporary folder")
}

fn files_below(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("reads") {
            let entry = entry.expect("reads");
            if entry.file_type().expect("reads").is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path().display().to_string());
            }
        }
    }
    files
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    OverwritesTaken,
    RangeIsOffByOne,
    ForgetsAPage,
    ListsBeside,
    AbsentIsEmpty,
    IgnoresTheLimit,
    DeleteIsLazy,
    SwallowsTiers,
    WritesInTwoSteps,
}

/// A folder with one fault.
#[derive(Debug)]
struct Wrong {
    inner: Folder,
    fault: Fault,
    capabilities: Capabilities,
}

impl Wrong {
    fn new(inner: Folder, fault: Fault) -> Self {
        let capabilities = inner.capabilities().clone();
        Self { inner, fault, capabilities }
    }
}

#[async_trait]
impl Remote for Wrong {
    fn label(&self) -> &str {
        self.inner.label()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        if self.fault == Fault::SwallowsTiers {
            return self.inner.put(key, body, &PutOptions::default()).await;
        }
        if self.fault == Fault::WritesInTwoSteps
            && let Body::Bytes(bytes) = &body
        {
            let half = Body::Bytes(bytes.slice(..bytes.len() / 2));
            self.inner.put(key, half, options).await?;
            // It stays there as long as a slow place takes for the rest, also where the readers have little of the processor.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        self.inner.put(key, body, options).await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        if self.fault == Fault::OverwritesTaken {
            return self.inner.put(key, body, options).await;
        }
        self.inner.put_if_absent(key, body, options).await
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        let limit = if self.fault == Fault::IgnoresTheLimit { u64::MAX } else { at_most_bytes };
        match self.inner.get(key, limit).await {
            Err(error) if error.is_not_found() && self.fault == Fault::AbsentIsEmpty => Ok(Bytes::new()),
            other => other,
        }
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let more = u64::from(self.fault == Fault::RangeIsOffByOne);
        self.inner.get_range(key, range.start..range.end + more).await
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.inner.head(key).await
    }

    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        let beside = Prefix::below(prefix.as_str().split("/r9").next().unwrap_or_default()).expect("valid");
        let prefix = if self.fault == Fault::ListsBeside { &beside } else { prefix };
        let mut page = self.inner.list(prefix, after).await?;
        if self.fault == Fault::ForgetsAPage {
            page.next = None;
        }
        Ok(page)
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        if self.fault == Fault::DeleteIsLazy {
            return Ok(());
        }
        self.inner.delete(key).await
    }

    async fn set_tier(&self, key: &Key, tier: Tier) -> Result<(), StoreError> {
        self.inner.set_tier(key, tier).await
    }

    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        self.inner.grant_upload(request).await
    }
}
