//! The worker as tests start it, without the command-line program.

use std::process::ExitCode;

fn main() -> ExitCode {
    safelight_worker::run(std::env::args_os().skip(1))
}
