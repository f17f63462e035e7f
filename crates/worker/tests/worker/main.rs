//! Workers as the pool uses them: what they render, what they refuse, and what they cannot do.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests lie outside of test functions"
)]

mod common;
mod corpus;
mod formats;
mod heif;
mod pictures;
mod raw;
mod sandbox;
mod video;
