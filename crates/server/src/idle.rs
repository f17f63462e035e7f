//! After how long without use the library is locked: as the server was told when it began, else as this device's rules say.
//!
//! The rules are read while the library is open, each second, so that they hold at once whoever changed them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What holds until the rules were read.
const AT_FIRST: Duration = Duration::from_secs(15 * 60);

/// The time without use after which the library is locked.
pub(crate) struct Idle {
    told: Option<Duration>,
    ruled_seconds: AtomicU64,
}

impl Idle {
    pub(crate) fn told(told: Option<Duration>) -> Self {
        Self { told, ruled_seconds: AtomicU64::new(AT_FIRST.as_secs()) }
    }

    /// What the server was told when it began, if it was; no rule counts then.
    pub(crate) fn as_told(&self) -> Option<Duration> {
        self.told
    }

    /// What this device's rules say from now on.
    pub(crate) fn rule(&self, seconds: u64) {
        self.ruled_seconds.store(seconds, Ordering::Relaxed);
    }

    /// What holds now.
    pub(crate) fn in_force(&self) -> Duration {
        self.told.unwrap_or_else(|| Duration::from_secs(self.ruled_seconds.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_holds_at_once_unless_the_server_was_told_otherwise() {
        let free = Idle::told(None);
        assert_eq!(free.in_force(), AT_FIRST);
        free.rule(60);
        assert_eq!(free.in_force(), Duration::from_secs(60));
        let told = Idle::told(Some(Duration::from_secs(7)));
        told.rule(60);
        assert_eq!(told.in_force(), Duration::from_secs(7));
    }
}
