//! A place that counts round trips: a request waits until everything else that can be done without it is done, and all
//! that wait then go on together. So what is counted is how long the longest chain of requests is of which each needs
//! the answer of the one before.

use std::future::poll_fn;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use safelight_store::{
    Body, Capabilities, GrantRequest, Key, ListPage, ObjectInfo, PageToken, Prefix, PutOptions, Remote,
    StoreError, Stored, Tier, UploadGrant,
};

#[derive(Debug, Default)]
struct Rounds {
    current: AtomicU64,
    /// Requests that the place works on.
    under_way: AtomicU64,
    waiting: Mutex<Vec<Waker>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Latency {
    remote: Arc<dyn Remote>,
    rounds: Arc<Rounds>,
}

impl Latency {
    pub(crate) fn around(remote: Arc<dyn Remote>) -> Self {
        Self { remote, rounds: Arc::default() }
    }

    /// Runs something to its end; answers how many round trips it took.
    pub(crate) async fn count<T>(&self, work: impl Future<Output = T>) -> (T, u64) {
        let (mut work, before) = (pin!(work), self.rounds.current.load(Ordering::SeqCst));
        loop {
            if let Poll::Ready(value) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
                return (value, self.rounds.current.load(Ordering::SeqCst) - before);
            }
            if self.rounds.under_way.load(Ordering::SeqCst) == 0 {
                self.rounds.current.fetch_add(1, Ordering::SeqCst);
                self.rounds.waiting.lock().unwrap().drain(..).for_each(Waker::wake);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits for the next round, then asks.
    async fn trip<T>(&self, request: impl Future<Output = T>) -> T {
        let asked = self.rounds.current.load(Ordering::SeqCst);
        poll_fn(|context| {
            if self.rounds.current.load(Ordering::SeqCst) > asked {
                return Poll::Ready(());
            }
            self.rounds.waiting.lock().unwrap().push(context.waker().clone());
            Poll::Pending
        })
        .await;
        self.rounds.under_way.fetch_add(1, Ordering::SeqCst);
        let answer = request.await;
        self.rounds.under_way.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

#[async_trait]
impl Remote for Latency {
    fn label(&self) -> &str {
        self.remote.label()
    }

    fn capabilities(&self) -> &Capabilities {
        self.remote.capabilities()
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.trip(self.remote.put(key, body, options)).await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.trip(self.remote.put_if_absent(key, body, options)).await
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        self.trip(self.remote.get(key, at_most_bytes)).await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.trip(self.remote.get_range(key, range)).await
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.trip(self.remote.head(key)).await
    }

    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        self.trip(self.remote.list(prefix, after)).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.trip(self.remote.delete(key)).await
    }

    async fn set_tier(&self, key: &Key, tier: Tier) -> Result<(), StoreError> {
        self.trip(self.remote.set_tier(key, tier)).await
    }

    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        self.trip(self.remote.grant_upload(request)).await
    }
}
