//! Counting what is really asked of a place: requests, bytes up and down, by operation.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Call, Layer, Layered, Volume};
use crate::error::{Operation, StoreError};
use crate::http::SENT;
use crate::remote::Remote;

/// What was asked of a place by one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests, failed ones too.
    pub requests: u64,
    /// Requests that failed; *not found* and *already exists* are answers and do not count here.
    pub failures: u64,
    /// Bytes of objects sent: whole ones, and of requests that failed as many as were handed to the connection, where
    /// HTTP is spoken.
    pub up_bytes: u64,
    /// Bytes of objects received.
    pub down_bytes: u64,
}

/// Counts; clones share the numbers.
#[derive(Debug, Clone, Default)]
pub struct Counting {
    counts: Arc<Mutex<BTreeMap<&'static str, Counts>>>,
}

/// A remote whose calls are counted.
pub type Counted = Layered<Counting>;

impl Counting {
    /// The layer around a remote, and the numbers.
    #[must_use]
    pub fn around(inner: Arc<dyn Remote>) -> (Counted, Self) {
        let counting = Self::default();
        (Layered::new(inner, counting.clone()), counting)
    }

    /// What one operation asked so far.
    #[must_use]
    pub fn of(&self, operation: Operation) -> Counts {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(operation.name()).copied().unwrap_or_default()
    }

    /// What all operations asked so far.
    #[must_use]
    pub fn total(&self) -> Counts {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.values().fold(Counts::default(), |sum, each| Counts {
            requests: sum.requests + each.requests,
            failures: sum.failures + each.failures,
            up_bytes: sum.up_bytes + each.up_bytes,
            down_bytes: sum.down_bytes + each.down_bytes,
        })
    }
}

impl Layer for Counting {
    async fn run<T, Attempt, Trying>(&self, call: Call<'_>, attempt: Attempt) -> Result<T, StoreError>
    where
        T: Volume + Send,
        Attempt: Fn() -> Trying + Send + Sync,
        Trying: Future<Output = Result<T, StoreError>> + Send,
    {
        let sent = Arc::new(AtomicU64::new(0));
        let result = SENT.scope(Arc::clone(&sent), attempt()).await;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = counts.entry(call.operation.name()).or_default();
        counts.requests += 1;
        counts.up_bytes += match &result {
            Ok(_) => call.up_bytes,
            Err(_) => sent.load(Ordering::Relaxed).min(call.up_bytes),
        };
        match &result {
            Ok(answer) => counts.down_bytes += answer.down_bytes(),
            Err(error) if error.is_not_found() || error.is_already_exists() => {}
            Err(_) => counts.failures += 1,
        }
        result
    }
}
