//! `catalog.db` as the library uses it.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;
mod history;
mod law;
mod memory;
mod past;
mod search;
