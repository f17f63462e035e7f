//! `safelight status`: how many photos are safe, and where.

use clap::Args;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, size};

/// Say how many photos are safe, and what waits or failed
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Exit with 1 when something has failed
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    let status = library.status()?;
    library.close()?;
    if context.output.json() {
        context.output.print_json(&status)?;
    } else {
        context.output.data(&format!(
            "{} safe in {}, {} waiting, {} failed",
            counted(status.assets, "photo", "photos"),
            counted(status.places, "place", "places"),
            status.waiting,
            status.failed
        ))?;
        let rows = [
            ("library", status.library.clone()),
            ("folder", crate::output::printable(status.folder.as_ref())),
            ("photos", format!("{}, {} videos", status.photos, status.videos)),
            ("originals", format!("{} sealed here, {} linked", size(status.original_bytes), status.linked)),
            ("previews", format!("{} waiting", status.previews_pending)),
            ("not decoded", status.undecodable.to_string()),
            ("sources", counted(status.sources, "watched folder", "watched folders")),
            ("history", format!("{} operations in {} segments", status.operations, status.segments)),
        ];
        for (name, value) in rows {
            context.output.data(&format!("{name:>14}  {value}"))?;
        }
        for failed in &status.failures {
            context.output.data(&format!("{:>14}  {}: {}", "failed", failed.path, failed.reason))?;
        }
    }
    if arguments.check && status.failed > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}
