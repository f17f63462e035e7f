//! `safelight plain` and `azphotosync`, on the built programs.
//!
//! A server that is not installed is said on stderr and skipped. `SAFELIGHT_KILLS` sets how often a push is killed.
#![expect(clippy::unwrap_used, reason = "what these tests share fails the test that calls it")]

#[path = "../faults/chance.rs"]
#[expect(dead_code, reason = "the fault tests use all of it")]
mod chance;
mod drop_in;
mod kills;
mod links;
mod manners;
mod room;
