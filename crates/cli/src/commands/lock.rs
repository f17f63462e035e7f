//! `safelight lock`: makes the agent forget the key.

use clap::Args;
use safelight_library::LibraryError;
use safelight_library::unlock::agent;

use crate::context::Context;
use crate::failure::Failure;

/// Forget the remembered key
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Forget the keys of all libraries
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let agents = context.agent_folder()?;
    let locked = if arguments.all {
        agent::lock_all(&agents).map_err(LibraryError::from)?
    } else {
        let folder = context.folder()?;
        let address = agent::Address::new(&agents, folder.library());
        usize::from(agent::lock(&address).map_err(LibraryError::from)?)
    };
    if context.output.json() {
        context.output.print_json(&serde_json::json!({ "locked": locked }))?;
    } else if locked == 0 {
        context.output.talk("Nothing was unlocked.");
    } else {
        context.output.talk("Locked.");
    }
    Ok(())
}
