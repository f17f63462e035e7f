//! Who asks without a token that holds, told in a line now and then.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most one line in so long.
const QUIET: Duration = Duration::from_secs(10);

/// Who is connected: a phone, or the proxy in front of the gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Those who were refused since the last line.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    told: Mutex<Option<(Instant, u64)>>,
}

impl Strangers {
    /// Somebody was refused.
    pub(crate) fn came(&self, peer: Option<Peer>) {
        let Some(others) = self.due(Instant::now()) else { return };
        let address = peer.map(|peer| peer.0.to_string()).unwrap_or_default();
        tracing::warn!(address, others, "somebody without a token that holds was refused");
    }

    /// How many came since the last line, if it is time for one.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *told {
            Some((last, others)) if now.saturating_duration_since(*last) < QUIET => {
                *others += 1;
                None
            }
            other => {
                let others = other.map_or(0, |(_, others)| others);
                *other = Some((now, 0));
                Some(others)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_tells_of_many() {
        let (strangers, begun) = (Strangers::default(), Instant::now());
        assert_eq!(strangers.due(begun), Some(0));
        assert_eq!((strangers.due(begun), strangers.due(begun + QUIET / 2)), (None, None));
        assert_eq!(strangers.due(begun + QUIET), Some(2));
    }
}
