//! `safelight local`: which originals rest on this device.

use clap::{Args, Subcommand};
use safelight_library::Among;

use crate::commands::list::joined;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, size};

/// Bring originals to this device
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch originals from the remotes; each is opened and proven before it counts
    Fetch {
        /// Ids, paths or a query
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        items: Vec<String>,
        /// All originals, hidden and trashed ones too
        #[arg(long)]
        all: bool,
    },
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let Action::Fetch { items, all } = &arguments.action;
    let among = if *all { Among::Everywhere } else { Among::WhatIsAsked };
    let mut library = context.open_library()?;
    let report = if *all { library.select_all(among) } else { library.select(items, &joined(items), among) }
        .and_then(|selection| library.fetch(&selection, &context.surroundings(), &context.progress));
    library.close()?;
    let report = report?;
    if context.output.json() {
        context.output.print_json(&report)?;
    } else {
        context.output.talk(&format!(
            "{} fetched ({}), {} here already, {} failed",
            counted(report.fetched_originals, "original", "originals"),
            size(report.fetched_bytes),
            report.present_originals,
            report.failed_originals
        ));
    }
    if report.failed_originals > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}
