//! Whole devices, two places and their faults under one seed: development only.
//!
//! The catalogues, the sealed objects and the sync driver are the ones that ship. The place is in memory and
//! does what places do: it is slow in any order, lists what was there a while ago, tears and loses writes,
//! loses replies, throttles and flips bits. Devices are killed at any of their requests, restored from old
//! backups and cloned. They throw photos away, let originals leave a place, free their own bytes and collect; they say of
//! each other that they left. Whatever happens, nothing that a device says to be safe may be missing, and after it is quiet
//! again every device that belongs to the library must show the same one, and every original that one of those imported and
//! nobody purged must be found; nothing that is sealed then opens for those who left.
//!
//! A seed is short: a few devices do two dozen things, and then it becomes quiet. Most faults show within a few
//! steps of each other, so many short runs meet more of them than few long ones; what needs a long story is told
//! in the tests of the crate concerned, once a seed has found it.
//!
//! One seed is one run, the same every time: `safelight_sim::run(seed, None)`. Bugs can be planted between the
//! driver and the place ([`Bug`]); a simulation that does not find them tests nothing.

#![forbid(unsafe_code)]

mod chance;
mod device;
mod place;
mod trust;
mod world;

pub use place::Bug;
pub use trust::{Seen, departs};
pub use world::{Failure, run, run_aloud};
