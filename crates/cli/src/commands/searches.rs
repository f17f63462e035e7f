//! `safelight searches`: what was searched for last in the gallery of this device.

use clap::{Args, Subcommand};
use safelight_library::Library;

use super::list::joined;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::printable_text;

/// List what was searched for last in the gallery, or forget it
///
/// Searches are remembered on this device alone, at most twenty, and none that asks for hidden photos.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them, the newest first
    List,
    /// Forget one of them, or all
    Forget {
        /// The search as it is listed
        #[arg(required_unless_present = "all", conflicts_with = "all", allow_hyphen_values = true)]
        search: Vec<String>,
        /// All of them
        #[arg(long)]
        all: bool,
    },
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match arguments.action.as_ref().unwrap_or(&Action::List) {
        Action::List => {
            let library = context.open_library_to_read()?;
            let recent = library.recent_searches();
            library.close()?;
            tell(context, &recent?)
        }
        Action::Forget { search, all } => {
            context.refuse_dry_run("searches forget", "safelight searches lists them")?;
            let mut library = context.open_library()?;
            let outcome = forget(&mut library, (!all).then(|| joined(search)).as_deref());
            library.close()?;
            tell(context, &outcome?)
        }
    }
}

fn forget(library: &mut Library, only: Option<&str>) -> Result<Vec<String>, Failure> {
    if let Some(only) = only
        && !library.recent_searches()?.iter().any(|known| known == only.trim())
    {
        let unknown = format!("no search {} is remembered", printable_text(only));
        return Err(Failure::new(Exit::NotFound, unknown).hint("safelight searches lists them"));
    }
    Ok(library.forget_searches(only)?)
}

fn tell(context: &Context, searches: &[String]) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(&serde_json::json!({ "recent": searches }))?);
    }
    for search in searches {
        context.output.data(&printable_text(search))?;
    }
    if searches.is_empty() {
        context.output.talk("No search is remembered.");
    }
    Ok(())
}
