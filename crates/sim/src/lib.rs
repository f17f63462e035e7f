//! Whole devices, two places and their faults under one seed: development only.
//!
//! The catalogues, the sealed objects and the sync driver are the ones that ship. The place is in memory and
//! does what places do: it is slow in any order, lists what was there a while ago, tears and loses writes,
//! loses replies, throttles and flips bits. Devices are killed at any of their requests, restored from old
//! backups and cloned. Whatever happens, after it is quiet again every device must show the same library, and
//! every original that somebody imported must be found.
//!
//! One seed is one run, the same every time: `safelight_sim::run(seed, None)`. Bugs can be planted between the
//! driver and the place ([`Bug`]); a simulation that does not find them tests nothing.

mod chance;
mod device;
mod place;
mod world;

pub use place::Bug;
pub use world::{Failure, run, run_aloud};
