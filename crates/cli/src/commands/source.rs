//! `safelight source`: folders that are looked through whenever `import` is called without a path.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use safelight_library::{LibraryError, Source};

use crate::context::Context;
use crate::failure::Failure;
use crate::output::printable;

/// Watch folders: list, add or remove them
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the watched folders
    List,
    /// Watch a folder
    Add {
        /// The folder
        path: PathBuf,
        /// Leave its originals where they are
        #[arg(long)]
        link: bool,
        /// Remove an original from the folder once its sealed copy has been read back and proven
        #[arg(long, conflicts_with = "link")]
        remove_after_proof: bool,
    },
    /// Stop watching a folder; nothing that was imported is lost
    Remove {
        /// The folder
        path: PathBuf,
    },
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let mut library = match &arguments.action {
        None | Some(Action::List) => context.open_library_to_read()?,
        Some(_) => context.open_library()?,
    };
    match &arguments.action {
        None | Some(Action::List) => {
            let sources = library.sources()?;
            if context.output.json() {
                context.output.print_json(&sources)?;
            } else {
                for source in &sources {
                    context.output.data(&line(source))?;
                }
                if sources.is_empty() {
                    context.output.talk("No folder is watched; safelight source add PATH watches one.");
                }
            }
        }
        Some(Action::Add { path, .. }) if context.global.dry_run => {
            let full = std::fs::canonicalize(path).map_err(|error| LibraryError::reading(path, error))?;
            foretell(context, "watch", &full)?;
        }
        Some(Action::Remove { path }) if context.global.dry_run => {
            foretell(context, "watch no longer", path)?;
        }
        Some(Action::Add { path, link, remove_after_proof }) => {
            let source = Source {
                path: path.clone(),
                link: *link,
                remove_after_proof: *remove_after_proof,
                online: true,
            };
            let added = library.add_source(&source)?;
            if context.output.json() {
                context.output.print_json(&added)?;
            } else {
                let path = printable(&added.path);
                context.output.talk(&format!("Watching {path}; safelight import looks through it."));
            }
        }
        Some(Action::Remove { path }) => {
            library.remove_source(path)?;
            if context.output.json() {
                context.output.print_json(&serde_json::json!({ "removed": path.to_string_lossy() }))?;
            } else {
                context.output.talk("No longer watched. What was imported stays.");
            }
        }
    }
    Ok(library.close()?)
}

fn foretell(context: &Context, verb: &str, path: &Path) -> Result<(), Failure> {
    let path = printable(path);
    if context.output.json() {
        return Ok(context.output.print_json(&serde_json::json!({ "would": verb, "path": path }))?);
    }
    context.output.talk(&format!("Would {verb}: {path}"));
    Ok(())
}

fn line(source: &Source) -> String {
    let mut notes = Vec::new();
    if source.link {
        notes.push("linked");
    }
    if source.remove_after_proof {
        notes.push("removed after proof");
    }
    if !source.online {
        notes.push("offline");
    }
    let notes = if notes.is_empty() { String::new() } else { format!("  ({})", notes.join(", ")) };
    format!("{}{notes}", printable(&source.path))
}
