//! Two and three devices of one library, on the built program, through every kind of place that runs here.
//!
//! A server that is not installed is said on stderr and skipped. `SAFELIGHT_KILLS` sets how often a sync is killed.
#![expect(
    clippy::unwrap_used,
    reason = "what these tests share fails the test that calls it, and says what it skips"
)]

mod azure;
mod clock;
mod clouds;
mod collect;
mod devices;
mod kills;
mod linked;
mod local;
mod places;
mod plans;
mod policies;
mod second;
mod terms;
mod trust;
