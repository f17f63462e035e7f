//! `safelight undo`: what was changed here is taken back.

use clap::Args;
use safelight_library::{ShownChange, WhichChanges};

use super::brake::agreeing;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable_text};

/// Take back what was changed last on this device
///
/// Fields show again what they showed, tags and albums are as they were, photos leave the trash. What anybody changed since
/// stays as it is. Undo again goes one change further back; --redo takes the last undo back. What was removed from the trash
/// for good does not come back.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Take back so many changes
    #[arg(value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=500))]
    count: u32,
    /// List the changes that were made on this device, newest first, and change nothing
    #[arg(long, conflicts_with_all = ["count", "redo", "change"])]
    list: bool,
    /// Take back what was taken back last
    #[arg(long, conflicts_with_all = ["count", "change"])]
    redo: bool,
    /// Take back the change that --list calls so
    #[arg(long, value_name = "ID", conflicts_with = "count")]
    change: Option<String>,
    /// With --list: stop after this many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, requires = "list")]
    limit: usize,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    if arguments.list {
        let changes = library.changes_made(arguments.limit)?;
        library.close()?;
        return list(context, &changes);
    }
    let which = if arguments.redo {
        WhichChanges::LastUndo
    } else if let Some(id) = &arguments.change {
        WhichChanges::Called(id.clone())
    } else {
        WhichChanges::Last(arguments.count as usize)
    };
    let changes = library.changes_to_undo(&which)?;
    if context.global.dry_run {
        library.close()?;
        return list(context, &changes);
    }
    let reports = agreeing(context, &mut library, |library| library.undo_changes(&which))?;
    library.close()?;
    if context.output.json() {
        context.output.print_json(&reports)?;
    } else {
        for (report, change) in reports.iter().zip(&changes) {
            let photos = counted(report.changed.len() as u64, "thing", "things");
            context.output.talk(&format!("Taken back: {} ({photos})", told(change)));
            for notice in &report.notices {
                context.output.warn(&printable_text(notice));
            }
        }
    }
    if reports.len() < changes.len() {
        let left = counted((changes.len() - reports.len()) as u64, "change", "changes");
        return Err(Failure::new(
            Exit::Incomplete,
            format!("{left} could not be taken back: they were written over since"),
        )
        .hint("safelight undo --list shows them"));
    }
    Ok(())
}

fn list(context: &Context, changes: &[ShownChange]) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(&changes)?);
    }
    for change in changes {
        let mark = match (change.is_undo, change.taken_back) {
            (true, _) => "undo  ",
            (false, true) => "undone",
            (false, false) => "      ",
        };
        context.output.data(&format!("{:>5}  {}Z  {mark}  {}", change.id, change.when, told(change)))?;
    }
    context.output.talk(&counted(changes.len() as u64, "change", "changes"));
    Ok(())
}

fn told(change: &ShownChange) -> String {
    let what = printable_text(&change.what);
    match change.more {
        0 => what,
        more => format!("{what} and {} more", crate::output::grouped(more)),
    }
}
