//! How much at a time: bytes a second in both directions, and as many requests at once as the place bears.
//!
//! Bytes are a bucket that may go into debt by one object: after a 32 MiB part the next waits until the debt
//! is paid, so the rate holds over any minute. The number of requests at once halves whenever the place says
//! *slow down* and grows by one for each round without it (additive increase, multiplicative decrease).

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::{Call, Clock, Layer, Layered, Volume};
use crate::error::StoreError;
use crate::remote::Remote;

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitOptions {
    /// The most bytes a second that go up.
    pub up_bytes_per_second: Option<u64>,
    /// The most bytes a second that come down.
    pub down_bytes_per_second: Option<u64>,
    /// The most requests at once.
    pub requests_at_once: u32,
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self { up_bytes_per_second: None, down_bytes_per_second: None, requests_at_once: 8 }
    }
}

/// Keeps calls within limits; may be shared between remotes behind the same connection.
#[derive(Debug)]
pub struct Limit {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    freed: Notify,
}

/// A remote within limits.
pub type Limited = Layered<Arc<Limit>>;

#[derive(Debug)]
struct State {
    options: LimitOptions,
    /// How many are allowed at once now; a fraction grows towards the next.
    allowed: f64,
    running: u32,
    /// When the last *slow down* was heeded; those that come in its wake count once.
    heeded: Option<Duration>,
    up: Bucket,
    down: Bucket,
}

/// When the bytes that were taken so far will have been paid for.
#[derive(Debug, Default)]
struct Bucket {
    paid_at: Duration,
}

impl Bucket {
    /// Takes bytes, and says how long to wait before using them.
    fn take(&mut self, bytes: u64, rate: Option<u64>, now: Duration) -> Duration {
        let Some(rate) = rate.filter(|rate| *rate > 0) else { return Duration::ZERO };
        let wait = self.paid_at.saturating_sub(now);
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
        let cost = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.paid_at = self.paid_at.max(now) + cost;
        wait
    }
}

impl Limit {
    /// The layer.
    #[must_use]
    pub fn new(options: LimitOptions, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            options,
            allowed: f64::from(options.requests_at_once.max(1)),
            running: 0,
            heeded: None,
            up: Bucket::default(),
            down: Bucket::default(),
        };
        Self { clock, state: Mutex::new(state), freed: Notify::new() }
    }

    /// The layer around a remote.
    #[must_use]
    pub fn around(inner: Arc<dyn Remote>, limit: Arc<Self>) -> Limited {
        Layered::new(inner, limit)
    }

    /// Changes what is allowed, from the next call on (a schedule does this).
    pub fn change(&self, options: LimitOptions) {
        let mut state = self.state();
        state.allowed = state.allowed.min(f64::from(options.requests_at_once.max(1)));
        state.options = options;
        drop(state);
        self.freed.notify_waiters();
    }

    /// How many requests are allowed at once now.
    #[must_use]
    pub fn allowed_at_once(&self) -> u32 {
        self.state().allowed_at_once()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn enter(&self) -> Running<'_> {
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.state();
                if state.running < state.allowed_at_once() {
                    state.running += 1;
                    // Several may have left while nobody was waiting yet: whoever enters lets the next look.
                    if state.running < state.allowed_at_once() {
                        self.freed.notify_one();
                    }
                    return Running(self);
                }
            }
            freed.await;
        }
    }

    fn learn<T>(&self, result: &Result<T, StoreError>) {
        let now = self.clock.now();
        let mut state = self.state();
        match result {
            Err(StoreError::Throttled { .. }) => {
                if state.heeded.is_none_or(|heeded| now.saturating_sub(heeded) >= Duration::from_secs(1)) {
                    state.allowed = (state.allowed / 2.0).max(1.0);
                    state.heeded = Some(now);
                }
            }
            Ok(_) => {
                let most = f64::from(state.options.requests_at_once.max(1));
                state.allowed = (state.allowed + 1.0 / state.allowed).min(most);
            }
            Err(_) => {}
        }
    }
}

impl State {
    fn allowed_at_once(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and a u32")]
        let allowed = self.allowed as u32;
        allowed.max(1)
    }
}

/// A place among those that run; given back when dropped.
struct Running<'a>(&'a Limit);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.state().running -= 1;
        self.0.freed.notify_one();
    }
}

impl Layer for Arc<Limit> {
    async fn run<T, Attempt, Trying>(&self, call: Call<'_>, attempt: Attempt) -> Result<T, StoreError>
    where
        T: Volume + Send,
        Attempt: Fn() -> Trying + Send + Sync,
        Trying: Future<Output = Result<T, StoreError>> + Send,
    {
        let running = self.enter().await;
        let wait = {
            let mut state = self.state();
            let now = self.clock.now();
            let rates = state.options;
            let up = state.up.take(call.up_bytes, rates.up_bytes_per_second, now);
            // What comes down is only known afterwards: the debt of earlier answers is waited for.
            let down = state.down.take(0, rates.down_bytes_per_second, now);
            match call.up_bytes {
                0 => down,
                _ => up.max(down),
            }
        };
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
        let result = attempt().await;
        if let Ok(answer) = &result {
            let mut state = self.state();
            let rate = state.options.down_bytes_per_second;
            let now = self.clock.now();
            // The wait is that of the next call.
            let _debt = state.down.take(answer.down_bytes(), rate, now);
        }
        self.learn(&result);
        drop(running);
        result
    }
}
