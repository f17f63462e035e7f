//! What must hold when input is bad and the world fails, tried on the built program.
//!
//! Each test makes its own library and its own pictures, so nothing is needed but the binary. What a machine
//! cannot show (no root, no tmpfs, no corpus) is said on stderr and skipped. `SAFELIGHT_KILLS` and
//! `SAFELIGHT_MUTANTS` set how often the random tests try; `make soak` sets them high.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what these tests share fails the test that calls it, and says what it skips"
)]

mod chance;
mod corpus;
mod crash;
mod damage;
mod duplicates;
mod going_back;
mod in_a_terminal;
mod key_stores;
mod leaving;
mod linked;
mod manners;
mod moved;
mod names;
mod odd_files;
mod organising;
mod pictures;
mod plaintext;
mod removing;
mod room;
mod served_first;
mod served_hidden;
mod served_import;
mod served_passkeys;
mod served_pictures;
mod served_remotes;
mod served_videos;
mod serving;
mod settling;
mod sidecars;
mod together;
mod unattended;
mod unreadable;
