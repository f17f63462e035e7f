//! Trying again what may pass by itself.
//!
//! Only [`StoreError::is_transient`] errors; each wait is drawn from the upper half of a span that doubles, so
//! that many devices do not come back together. Where the place says how long to wait, no less is waited, and
//! where that is longer than [`RetryOptions::longest_wait`] the error goes up instead.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::clock::Dice;
use super::{Call, Clock, Layer, Layered, Volume};
use crate::error::StoreError;
use crate::remote::Remote;

/// How to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOptions {
    /// How often at most a call is tried, the first time included.
    pub attempts: u32,
    /// The first span of waiting.
    pub first_wait: Duration,
    /// The longest span of waiting.
    pub longest_wait: Duration,
    /// What the jitter is drawn from.
    pub seed: u64,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            attempts: 6,
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(60),
            seed: 0,
        }
    }
}

/// Tries again what may pass by itself.
#[derive(Debug)]
pub struct Retry {
    options: RetryOptions,
    clock: Arc<dyn Clock>,
    dice: Dice,
}

/// A remote whose transient errors are tried again.
pub type Retried = Layered<Retry>;

impl Retry {
    /// The layer.
    #[must_use]
    pub fn new(options: RetryOptions, clock: Arc<dyn Clock>) -> Self {
        Self { options, clock, dice: Dice::new(options.seed) }
    }

    /// The layer around a remote.
    #[must_use]
    pub fn around(inner: Arc<dyn Remote>, options: RetryOptions, clock: Arc<dyn Clock>) -> Retried {
        Layered::new(inner, Self::new(options, clock))
    }

    /// How long to wait after the `attempt`-th try failed; nothing when it is not worth it.
    fn wait_after(&self, attempt: u32, error: &StoreError) -> Option<Duration> {
        if !error.is_transient() || attempt >= self.options.attempts {
            return None;
        }
        let doubled = self.options.first_wait.saturating_mul(1_u32 << (attempt - 1).min(20));
        let span = doubled.min(self.options.longest_wait);
        let half = u64::try_from(span.as_millis() / 2).unwrap_or(u64::MAX);
        let drawn = Duration::from_millis(half + self.dice.below(half + 1));
        match error {
            StoreError::Throttled { wait: Some(asked), .. } if *asked > self.options.longest_wait => None,
            StoreError::Throttled { wait: Some(asked), .. } => Some(drawn.max(*asked)),
            _ => Some(drawn),
        }
    }
}

impl Layer for Retry {
    async fn run<T, Attempt, Trying>(&self, call: Call<'_>, attempt: Attempt) -> Result<T, StoreError>
    where
        T: Volume + Send,
        Attempt: Fn() -> Trying + Send + Sync,
        Trying: Future<Output = Result<T, StoreError>> + Send,
    {
        let mut tried = 0;
        loop {
            let error = match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tried += 1;
            let Some(wait) = self.wait_after(tried, &error) else { return Err(error) };
            tracing::debug!(place = call.place, operation = %call.operation, tried, ?wait, %error, "trying again");
            self.clock.sleep(wait).await;
        }
    }
}
