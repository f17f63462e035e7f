//! The worker as tests start it: the product's body, and wrongs on request.

mod wrongs;

use std::process::ExitCode;

fn main() -> ExitCode {
    wrongs::remember_parent();
    safelight_worker::run_with(std::env::args_os().skip(1), wrongs::misbehave)
}
