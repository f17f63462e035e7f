//! Two and three devices of one library, on the built program, through every kind of place that runs here.
//!
//! A server that is not installed is said on stderr and skipped. `SAFELIGHT_KILLS` sets how often a sync is killed.
#![expect(clippy::print_stdout, reason = "a test that fails shows what it saw")]
#![expect(
    clippy::unwrap_used,
    reason = "what these tests share fails the test that calls it, and says what it skips"
)]

mod another;
mod audit;
mod azure;
mod backups;
mod brake;
#[path = "../faults/chance.rs"]
#[expect(dead_code, reason = "the fault tests use all of it")]
mod chance;
mod clock;
mod clones;
mod clouds;
mod collect;
mod counted;
mod cut;
mod damaged_here;
mod devices;
mod forget;
mod hostile;
mod kills;
mod linked;
mod local;
mod lost;
mod members;
mod one_file;
mod others;
mod pairing;
mod pairing_lan;
#[path = "../faults/pictures.rs"]
#[expect(dead_code, reason = "the fault tests use all of it")]
mod pictures;
mod places;
mod plans;
mod policies;
mod privacy;
mod recovery;
mod renditions;
mod repaired;
mod rests;
mod second;
mod silent;
mod snapshots;
mod stays;
mod story;
mod terms;
mod thaw;
mod trust;
mod unsent;
mod uploads;
mod vanished;
mod words;
