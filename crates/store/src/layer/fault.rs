//! Faults by a seed: what networks and providers do on a bad day, around a remote that works.
//!
//! The same seed and the same order of calls give the same faults. A torn write is written for real: the
//! object under the name ends early (what a place without R2 leaves behind). Stale listings hide what was
//! written lately; doubled ones name an object twice.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::Clock;
use super::clock::Dice;
use crate::capabilities::Capabilities;
use crate::error::{Operation, StoreError};
use crate::name::{Key, Prefix};
use crate::remote::{
    Body, GrantRequest, ListPage, ObjectInfo, PageToken, PutOptions, Remote, Stored, Tier, UploadGrant,
};

/// How many of the newest names a stale listing may hide.
const HIDDEN: usize = 16;

/// How often of 1,000 calls each fault strikes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// The call fails and did nothing.
    pub fail_before: u32,
    /// The call did everything, and its answer is lost.
    pub fail_after: u32,
    /// The place asks to slow down.
    pub throttle: u32,
    /// A write leaves the beginning of the object under the name, and fails.
    pub torn: u32,
    /// The call takes longer, up to [`Self::longest_delay`].
    pub delay: u32,
    /// The longest delay.
    pub longest_delay: Duration,
    /// A listing leaves out names that were written lately.
    pub stale_list: u32,
    /// A listing names an object twice.
    pub double_list: u32,
    /// A bit of what is read is flipped.
    pub flip: u32,
}

/// A remote that fails by a seed.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn Remote>,
    plan: FaultPlan,
    dice: Dice,
    clock: Arc<dyn Clock>,
    newest: Mutex<VecDeque<Key>>,
}

impl Faulty {
    /// Plants faults around a remote.
    #[must_use]
    pub fn new(inner: Arc<dyn Remote>, plan: FaultPlan, seed: u64, clock: Arc<dyn Clock>) -> Self {
        Self { inner, plan, dice: Dice::new(seed), clock, newest: Mutex::default() }
    }

    fn strikes(&self, of_thousand: u32) -> bool {
        of_thousand > 0 && self.dice.below(1000) < u64::from(of_thousand)
    }

    fn broken(&self, operation: Operation, object: &str, what: &'static str) -> StoreError {
        StoreError::Network {
            place: self.label().to_owned(),
            operation,
            object: object.to_owned(),
            source: io::Error::new(io::ErrorKind::ConnectionReset, what),
        }
    }

    /// What strikes before anything is done.
    async fn before(&self, operation: Operation, object: &str) -> Result<(), StoreError> {
        if self.strikes(self.plan.delay) {
            let most = u64::try_from(self.plan.longest_delay.as_millis()).unwrap_or(u64::MAX);
            self.clock.sleep(Duration::from_millis(self.dice.below(most.saturating_add(1)))).await;
        }
        if self.strikes(self.plan.throttle) {
            return Err(StoreError::Throttled {
                place: self.label().to_owned(),
                wait: Some(Duration::from_secs(1 + self.dice.below(3))),
            });
        }
        if self.strikes(self.plan.fail_before) {
            return Err(self.broken(operation, object, "planted: the request was lost"));
        }
        Ok(())
    }

    /// What strikes after everything is done.
    fn after<T>(&self, operation: Operation, object: &str, answer: T) -> Result<T, StoreError> {
        if self.strikes(self.plan.fail_after) {
            return Err(self.broken(operation, object, "planted: the answer was lost"));
        }
        Ok(answer)
    }

    async fn tear(&self, key: &Key, body: &Body, options: &PutOptions) -> Result<(), StoreError> {
        if body.length_bytes() == 0 || !self.strikes(self.plan.torn) {
            return Ok(());
        }
        let kept = self.dice.below(body.length_bytes());
        let mut beginning = vec![0; usize::try_from(kept).unwrap_or(0)];
        let read = body.read_at(0, &mut beginning);
        if read.is_ok() {
            self.inner.put(key, Body::from(beginning), options).await?;
        }
        Err(self.broken(Operation::Put, key.as_str(), "planted: the write was torn"))
    }

    fn note(&self, key: &Key) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.push_back(key.clone());
        if newest.len() > HIDDEN {
            newest.pop_front();
        }
    }

    fn flipped(&self, bytes: Bytes) -> Bytes {
        if bytes.is_empty() || !self.strikes(self.plan.flip) {
            return bytes;
        }
        let mut bytes = bytes.to_vec();
        let at = usize::try_from(self.dice.below(bytes.len() as u64)).unwrap_or(0);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << self.dice.below(8);
        }
        bytes.into()
    }
}

#[async_trait]
impl Remote for Faulty {
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
        self.before(Operation::Put, key.as_str()).await?;
        self.tear(key, &body, options).await?;
        let stored = self.inner.put(key, body, options).await?;
        self.note(key);
        self.after(Operation::Put, key.as_str(), stored)
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.before(Operation::Put, key.as_str()).await?;
        // A torn write does not tear what exists: the refusal comes first.
        if self.plan.torn > 0 && self.inner.head(key).await.is_err_and(|error| error.is_not_found()) {
            self.tear(key, &body, options).await?;
        }
        let stored = self.inner.put_if_absent(key, body, options).await?;
        self.note(key);
        self.after(Operation::Put, key.as_str(), stored)
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        self.before(Operation::Get, key.as_str()).await?;
        let bytes = self.inner.get(key, at_most_bytes).await?;
        self.after(Operation::Get, key.as_str(), self.flipped(bytes))
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.before(Operation::Get, key.as_str()).await?;
        let bytes = self.inner.get_range(key, range).await?;
        self.after(Operation::Get, key.as_str(), self.flipped(bytes))
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.before(Operation::Head, key.as_str()).await?;
        let info = self.inner.head(key).await?;
        self.after(Operation::Head, key.as_str(), info)
    }

    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        self.before(Operation::List, prefix.as_str()).await?;
        let mut page = self.inner.list(prefix, after).await?;
        if self.strikes(self.plan.stale_list) {
            let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            page.objects.retain(|object| !newest.contains(&object.key));
        }
        if self.strikes(self.plan.double_list)
            && let Some(first) = page.objects.first().cloned()
        {
            page.objects.push(first);
        }
        self.after(Operation::List, prefix.as_str(), page)
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.before(Operation::Delete, key.as_str()).await?;
        self.inner.delete(key).await?;
        self.after(Operation::Delete, key.as_str(), ())
    }

    async fn thaw(&self, key: &Key, urgency: crate::remote::Urgency) -> Result<(), StoreError> {
        self.inner.thaw(key, urgency).await
    }

    async fn set_tier(&self, key: &Key, tier: Tier) -> Result<(), StoreError> {
        self.before(Operation::Tier, key.as_str()).await?;
        self.inner.set_tier(key, tier).await?;
        self.after(Operation::Tier, key.as_str(), ())
    }

    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        self.before(Operation::Grant, request.key.as_str()).await?;
        let grant = self.inner.grant_upload(request).await?;
        self.after(Operation::Grant, request.key.as_str(), grant)
    }

    async fn sweep(&self, age: Duration) -> Result<u64, StoreError> {
        self.before(Operation::Sweep, "").await?;
        let swept = self.inner.sweep(age).await?;
        self.after(Operation::Sweep, "", swept)
    }

    async fn remove_empty_folder(&self, folder: &Key) -> Result<(), StoreError> {
        self.before(Operation::Delete, folder.as_str()).await?;
        self.inner.remove_empty_folder(folder).await?;
        self.after(Operation::Delete, folder.as_str(), ())
    }
}
