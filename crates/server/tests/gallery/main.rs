//! The gallery's server, asked over its socket as a browser asks it, and as an attacker does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what these tests share fails the test that calls it")]

mod attacks;
mod devices;
mod duplicates;
mod events;
mod hidden;
mod locking;
mod media;
mod passkeys;
mod past;
mod room;
mod routes;
mod tiles;
mod timeline;
mod writing;
