//! `safelight worker`: the sandboxed decoder that the library starts for itself.

use std::process::ExitCode;

use clap::Args;

/// Decode pictures for the library, without keys, files or network
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What the library asks of this worker
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<std::ffi::OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    safelight_worker::run(arguments.rest.iter().cloned())
}
