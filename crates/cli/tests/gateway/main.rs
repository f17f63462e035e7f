//! `safelight gateway`, on the built program: what phones get, what they can do with it, and what is written down.
//!
//! A server that is not installed is said on stderr and skipped.
#![expect(clippy::unwrap_used, reason = "what these tests share fails the test that calls it")]

mod azure;
mod fuzzed;
mod guide;
mod relayed;
#[path = "../plain/room.rs"]
#[expect(dead_code, reason = "the tests of plain copies use all of it")]
mod room;
mod s3;
mod served;
mod tokens;
