//! Whole devices — real catalogues, real sealed objects — and places that are folders.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod checkpoints;
mod collect;
mod common;
mod daily;
mod epochs;
mod forget;
mod forks;
mod history;
mod latency;
mod leaving;
mod local;
mod objects;
mod pairing;
mod pairing_lan;
mod place;
mod recovery;
mod second;
mod trust;
mod words;
