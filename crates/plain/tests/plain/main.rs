//! Plain copies on a folder, on Azurite and on moto: sent, looked at, restored, and what is done against them.
//!
//! A server that is not installed is said on stderr and skipped.
#![expect(clippy::unwrap_used, reason = "what these tests share fails the test that calls it")]

mod common;
mod copies;
mod hostile;
mod index;
mod large;
mod layout;
mod manifests;
mod mixing;
