//! `safelight plain restore` and `adopt`: out of a copy again, and a copy of somebody else taken over.

use std::path::PathBuf;

use clap::Args;
use safelight_plain::{AdoptRequest, PlainCopy, RestoreRequest};

use super::plain_place::{At, Reach, Watch, destination, json, say_who_can_read, state_folder};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, size};

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The folder to write into
    target: PathBuf,
    /// Only files at or below these paths of the copy
    paths: Vec<PathBuf>,
    /// Go by what the remote holds, even where this machine remembers what was sent
    #[arg(long)]
    without_index: bool,
    #[command(flatten)]
    at: At,
}

pub(super) fn restore(context: &Context, restore: &Restore) -> Result<(), Failure> {
    let copy = restore.at.to_read(context)?;
    let request = RestoreRequest {
        target: restore.target.clone(),
        paths: restore.paths.clone(),
        without_index: restore.without_index,
        dry_run: context.global.dry_run,
    };
    let report = copy.restore(&request, &Watch::of(context))?;
    if context.output.json() {
        let value = json(context, &copy.destination().name(), &report)?;
        context.output.print_json(&value)?;
    } else {
        let would = if context.global.dry_run { "would be restored" } else { "restored" };
        context.output.talk(&format!(
            "{} {would} ({}), {} there already, {} failed",
            counted(report.restored, "file", "files"),
            size(report.bytes),
            report.there,
            report.failed
        ));
    }
    if report.is_interrupted {
        return Err(Failure::new(Exit::Incomplete, "interrupted; the same command goes on from here"));
    }
    if report.failed > 0 {
        let files = counted(report.failed, "file was not restored", "files were not restored");
        return Err(Failure::new(Exit::Incomplete, format!("{files}; they are named above")));
    }
    Ok(())
}

#[derive(Debug, Args)]
pub(crate) struct Adopt {
    /// Where the copy is, with the prefix of its names
    address: String,
    /// The index of the tool that made it (SQLite), for the times of files
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

pub(super) fn adopt(context: &Context, adopt: &Adopt) -> Result<(), Failure> {
    let destination = destination(context, &adopt.address, &adopt.reach, false)?;
    let folder = state_folder(context, &adopt.reach)?;
    let copy = if context.global.dry_run {
        PlainCopy::to_read(destination, folder)?
    } else {
        PlainCopy::open(destination, folder)?
    };
    say_who_can_read(context, &copy)?;
    let request = AdoptRequest { index: adopt.index.clone(), dry_run: context.global.dry_run };
    let report = copy.adopt(&request, &Watch::of(context))?;
    if context.output.json() {
        let value = json(context, &copy.destination().name(), &report)?;
        context.output.print_json(&value)?;
    } else {
        let would = if context.global.dry_run { "would be taken over" } else { "taken over" };
        context.output.talk(&format!(
            "{} {would}, {} known before; of {} the time is known, the others are read once by the next push",
            counted(report.adopted, "file", "files"),
            report.known,
            report.with_times
        ));
        if report.without_blob > 0 {
            let rows = counted(report.without_blob, "row", "rows");
            context.output.warn(&format!("{rows} of that index name a blob that is not there"));
        }
        if report.strangers > 0 {
            let others = counted(report.strangers, "object", "objects");
            context.output.talk(&format!("{others} there are laid out otherwise and were left alone"));
        }
    }
    if context.progress.failures() > 0 {
        return Err(Failure::new(Exit::Incomplete, "some of it was left out; it is named above"));
    }
    Ok(())
}
