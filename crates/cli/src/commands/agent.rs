//! `safelight agent`: the process that remembers a key; started by the program itself.

use clap::Args;
use safelight_library::LibraryError;
use safelight_library::unlock::agent;

use crate::failure::Failure;

/// Remember a key that comes in through standard input
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: &Arguments) -> Result<(), Failure> {
    Ok(agent::serve_child().map_err(LibraryError::from)?)
}
