//! `safelight show`: everything known of one photo, or of files that are in no library.

use std::path::PathBuf;

use clap::Args;
use safelight_library::{FileFacts, ShownAsset};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{printable, printable_text, size};

/// Show everything known of a photo
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// An id or the beginning of one, a path, or a query that finds one photo
    item: Option<String>,
    /// As the library was then: 2026-05-14 (the end of that day), "2026-05-14 10:30", yesterday, "3 hours ago", or a snapshot
    #[arg(long, value_name = "WHEN", conflicts_with = "file")]
    at: Option<String>,
    /// Probe files or folders directly; needs no library
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with = "item")]
    file: Vec<PathBuf>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    if !arguments.file.is_empty() {
        return show_files(context, &arguments.file);
    }
    let Some(item) = &arguments.item else {
        return Err(
            Failure::usage("show needs an item").hint("safelight show ID, or safelight show --file PATH")
        );
    };
    let library = context.open_library_at(arguments.at.as_deref())?;
    let shown = library.show(item)?;
    if context.output.json() {
        context.output.print_json(&shown)?;
    } else {
        print_asset(context, &shown)?;
    }
    Ok(library.close()?)
}

fn print_asset(context: &Context, shown: &ShownAsset) -> Result<(), Failure> {
    for (name, value) in shown.lines() {
        context.output.data(&format!("{name:>14}  {}", printable_text(&value)))?;
    }
    Ok(())
}

fn show_files(context: &Context, paths: &[PathBuf]) -> Result<(), Failure> {
    let files = safelight_library::probe_files(paths, &context.progress)?;
    if context.output.json() {
        context.output.print_json(&files)?;
    } else {
        for (index, file) in files.iter().enumerate() {
            if index > 0 {
                context.output.data("")?;
            }
            print_file(context, file)?;
        }
    }
    if context.progress.failures() > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

fn print_file(context: &Context, file: &FileFacts) -> Result<(), Failure> {
    context.output.data(&format!("{}  {}", printable(&file.path), size(file.size)))?;
    for (name, value) in file.lines() {
        context.output.data(&format!("{name:>14}  {}", printable_text(&value)))?;
    }
    Ok(())
}
