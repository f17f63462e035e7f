//! `safelight man`: manual pages made from the argument definitions.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use crate::context::Context;
use crate::failure::Failure;

/// Write the manual pages into a folder, or print the main one
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder to write one page a command into
    directory: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let command = crate::arguments::Arguments::command();
    if let Some(directory) = &arguments.directory {
        std::fs::create_dir_all(directory)?;
        clap_mangen::generate_to(command, directory)?;
        if context.output.json() {
            let directory = crate::output::printable(directory);
            context.output.print_json(&serde_json::json!({ "directory": directory }))?;
        }
    } else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        if context.output.json() {
            let page = String::from_utf8_lossy(&page);
            context.output.print_json(&serde_json::json!({ "page": page }))?;
        } else {
            std::io::Write::write_all(&mut std::io::stdout().lock(), &page)?;
        }
    }
    Ok(())
}
