//! The two effects that every operation needs: the wall clock and fresh randomness.

use safelight_crypto::{Entropy as _, OsEntropy};

/// Milliseconds since 1970 in UTC, by the wall clock.
pub(crate) fn now_millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The same for stamps, which know no time before 1970.
pub(crate) fn now_stamp_millis() -> u64 {
    u64::try_from(now_millis()).unwrap_or_default()
}

/// `count` different positions below `below`, drawn at random.
pub(crate) fn draw_positions(below: usize, count: usize) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..below).collect();
    let mut drawn = Vec::with_capacity(count);
    while drawn.len() < count && !positions.is_empty() {
        let mut random = [0; 8];
        OsEntropy.fill(&mut random);
        let index = usize::try_from(u64::from_le_bytes(random) % positions.len() as u64).unwrap_or_default();
        drawn.push(positions.swap_remove(index));
    }
    drawn
}
