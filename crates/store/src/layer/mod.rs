//! What goes around any [`Remote`] and is one itself: retries, limits, counting, tracing, planted faults.
//!
//! A [`Layer`] sees every call as a [`Call`] and a way to try it; [`Layered`] makes a remote of a layer and
//! what is inside it. Order them from the inside out: `Traced(Retried(Limited(Counted(remote))))`: counting
//! sees every request that is really made, a retry waits without holding a place in the limit.

mod clock;
mod count;
mod fault;
mod limit;
mod retry;
mod trace;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use clock::{Clock, ManualClock, SystemClock};
pub use count::{Counted, Counting, Counts};
pub use fault::{FaultPlan, Faulty};
pub use limit::{Limit, LimitOptions, Limited};
pub use retry::{Retried, Retry, RetryOptions};
pub use trace::{Traced, Tracing};

use crate::capabilities::Capabilities;
use crate::error::{Operation, StoreError};
use crate::name::{Key, Prefix};
use crate::remote::{
    Block, BlockUpload, Body, DownloadGrant, GrantRequest, LinkRequest, ListPage, ObjectInfo, PageToken,
    PutOptions, Remote, Stored, Tier, UploadGrant, Urgency,
};

/// One call of a remote, as layers see it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The place.
    pub place: &'a str,
    /// What is to be done.
    pub operation: Operation,
    /// The object, or the prefix of a listing.
    pub object: &'a str,
    /// How many bytes go up with it.
    pub up_bytes: u64,
}

/// How many bytes of objects came down with an answer.
pub trait Volume {
    /// The bytes.
    fn down_bytes(&self) -> u64 {
        0
    }
}

impl Volume for Bytes {
    fn down_bytes(&self) -> u64 {
        self.len() as u64
    }
}
impl Volume for () {}
impl Volume for u64 {}
impl Volume for Stored {}
impl Volume for ObjectInfo {}
impl Volume for ListPage {}
impl Volume for UploadGrant {}
impl Volume for DownloadGrant {}
impl Volume for BlockUpload {}
impl Volume for BTreeMap<String, String> {}

/// Something around every call.
pub trait Layer: fmt::Debug + Send + Sync + 'static {
    /// Runs a call; `attempt` may be tried any number of times, one after the other.
    fn run<T, Attempt, Trying>(
        &self,
        call: Call<'_>,
        attempt: Attempt,
    ) -> impl Future<Output = Result<T, StoreError>> + Send
    where
        T: Volume + Send,
        Attempt: Fn() -> Trying + Send + Sync,
        Trying: Future<Output = Result<T, StoreError>> + Send;
}

/// A remote with a layer around it.
#[derive(Debug)]
pub struct Layered<L> {
    inner: Arc<dyn Remote>,
    layer: L,
}

impl<L: Layer> Layered<L> {
    /// Puts a layer around a remote.
    #[must_use]
    pub fn new(inner: Arc<dyn Remote>, layer: L) -> Self {
        Self { inner, layer }
    }

    /// The layer.
    pub const fn layer(&self) -> &L {
        &self.layer
    }

    fn call<'a>(&'a self, operation: Operation, object: &'a str) -> Call<'a> {
        Call { place: self.inner.label(), operation, object, up_bytes: 0 }
    }
}

#[async_trait]
impl<L: Layer> Remote for Layered<L> {
    fn label(&self) -> &str {
        self.inner.label()
    }

    fn credential_source(&self) -> Option<String> {
        self.inner.credential_source()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        let call = Call { up_bytes: body.length_bytes(), ..self.call(Operation::Put, key.as_str()) };
        self.layer.run(call, || self.inner.put(key, body.clone(), options)).await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        let call = Call { up_bytes: body.length_bytes(), ..self.call(Operation::Put, key.as_str()) };
        self.layer.run(call, || self.inner.put_if_absent(key, body.clone(), options)).await
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        self.layer.run(self.call(Operation::Get, key.as_str()), || self.inner.get(key, at_most_bytes)).await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let call = self.call(Operation::Get, key.as_str());
        self.layer.run(call, || self.inner.get_range(key, range.clone())).await
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.layer.run(self.call(Operation::Head, key.as_str()), || self.inner.head(key)).await
    }

    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        self.layer.run(self.call(Operation::List, prefix.as_str()), || self.inner.list(prefix, after)).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.layer.run(self.call(Operation::Delete, key.as_str()), || self.inner.delete(key)).await
    }

    async fn set_tier(&self, key: &Key, tier: Tier) -> Result<(), StoreError> {
        self.layer.run(self.call(Operation::Tier, key.as_str()), || self.inner.set_tier(key, tier)).await
    }

    async fn thaw(&self, key: &Key, urgency: Urgency) -> Result<(), StoreError> {
        self.layer.run(self.call(Operation::Tier, key.as_str()), || self.inner.thaw(key, urgency)).await
    }

    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        let call = self.call(Operation::Grant, request.key.as_str());
        self.layer.run(call, || self.inner.grant_upload(request)).await
    }

    async fn grant_download(&self, request: &LinkRequest) -> Result<DownloadGrant, StoreError> {
        let call = self.call(Operation::Grant, request.key.as_str());
        self.layer.run(call, || self.inner.grant_download(request)).await
    }

    async fn create_place(&self) -> Result<(), StoreError> {
        self.layer.run(self.call(Operation::Open, ""), || self.inner.create_place()).await
    }

    async fn metadata(&self, key: &Key) -> Result<BTreeMap<String, String>, StoreError> {
        self.layer.run(self.call(Operation::Head, key.as_str()), || self.inner.metadata(key)).await
    }

    async fn begin_blocks(&self, key: &Key, options: &PutOptions) -> Result<BlockUpload, StoreError> {
        let call = self.call(Operation::Put, key.as_str());
        self.layer.run(call, || self.inner.begin_blocks(key, options)).await
    }

    async fn put_block(
        &self,
        key: &Key,
        upload: &BlockUpload,
        block: Block,
        body: Body,
    ) -> Result<(), StoreError> {
        let call = Call { up_bytes: body.length_bytes(), ..self.call(Operation::Put, key.as_str()) };
        self.layer.run(call, || self.inner.put_block(key, upload, block, body.clone())).await
    }

    async fn commit_blocks(
        &self,
        key: &Key,
        upload: &BlockUpload,
        blocks: &[Block],
        options: &PutOptions,
    ) -> Result<Stored, StoreError> {
        let call = self.call(Operation::Put, key.as_str());
        self.layer.run(call, || self.inner.commit_blocks(key, upload, blocks, options)).await
    }

    async fn sweep(&self, age: Duration) -> Result<u64, StoreError> {
        self.layer.run(self.call(Operation::Sweep, ""), || self.inner.sweep(age)).await
    }

    async fn remove_empty_folder(&self, folder: &Key) -> Result<(), StoreError> {
        let call = self.call(Operation::Delete, folder.as_str());
        self.layer.run(call, || self.inner.remove_empty_folder(folder)).await
    }
}
