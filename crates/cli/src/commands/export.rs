//! `safelight export`: everything out again, in the open; or sealed, in one file.

use std::path::PathBuf;

use clap::Args;
use safelight_library::{ExportReport, ExportRequest, LibraryError, Weight};
use serde::Serialize;

use super::list::joined;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable, size};

/// Write originals out with their paths and times, XMP sidecars, and a signed list of what was written
///
/// The folder can be checked later without any library: safelight verify --export DIR. With --sealed, everything goes into one
/// file instead, sealed as it rests here: the file and the recovery words alone give the library back (safelight join file:PATH).
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder to write into; it must be empty, or hold an export that is to go on. With --sealed, the file
    directory: Option<PathBuf>,
    /// Which photos: ids, paths or a query; all without any
    #[arg(value_name = "ITEMS")]
    items: Vec<String>,
    /// Write one original to stdout instead: - is the only value
    #[arg(long, value_name = "-")]
    to: Option<String>,
    /// With --to: write the thumbnail or the preview instead of the original
    #[arg(long, value_name = "KIND", requires = "to", value_parser = ["thumbnail", "preview"])]
    rendition: Option<String>,
    /// As the library was then: 2026-05-14 (the end of that day), "2026-05-14 10:30", yesterday, "3 hours ago", or a snapshot
    #[arg(long, value_name = "WHEN")]
    at: Option<String>,
    /// Write no XMP sidecars
    #[arg(long)]
    no_sidecars: bool,
    /// Make one file that holds the whole library, sealed, or bring it up to date
    #[arg(long, requires = "directory", conflicts_with_all = ["items", "to", "at", "no_sidecars"])]
    sealed: bool,
    /// With --sealed: read everything back that is in it and open it, once it is made
    #[arg(long, requires = "sealed")]
    verify: bool,
}

/// More failures than this are counted, not named, in a result.
const NAMED_FAILURES: usize = 100;

/// What an export came to, and what of it failed.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    report: &'a ExportReport,
    failures: Vec<Named>,
}

#[derive(Serialize)]
struct Named {
    path: String,
    reason: String,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(target) = &arguments.to {
        return to_stdout(context, arguments, target);
    }
    let Some(directory) = &arguments.directory else {
        return Err(Failure::usage("export needs a folder to write into")
            .hint("safelight export DIR [ITEMS], or safelight export --to - ITEM"));
    };
    if arguments.sealed {
        return super::backup::seal_into_file(context, directory, arguments.verify);
    }
    let library = context.open_library_at(arguments.at.as_deref())?;
    let request = ExportRequest {
        directory: directory.clone(),
        items: arguments.items.clone(),
        query: joined(&arguments.items),
        sidecars: !arguments.no_sidecars,
        dry_run: context.global.dry_run,
    };
    let report = library.export(&request, &context.surroundings(), &context.progress)?;
    library.close()?;
    if context.output.json() {
        let problems = context.progress.problems();
        let failed = problems.iter().filter(|problem| problem.weight == Weight::Failure);
        let failures = failed
            .take(NAMED_FAILURES)
            .map(|problem| Named { path: printable(&problem.path), reason: problem.reason.clone() });
        context.output.print_json(&Answer { report: &report, failures: failures.collect() })?;
    } else {
        context.output.talk(&format!(
            "{} {}, {}",
            if context.global.dry_run { "Would export" } else { "Exported" },
            counted(report.files, "file", "files"),
            size(report.bytes)
        ));
        if report.written_over > 0 {
            context.output.warn(&format!(
                "{} linked and written over since: there is nothing of them to export",
                counted(report.written_over, "original was", "originals were")
            ));
        }
        if !context.global.dry_run {
            context.output.talk("Check it without a library at any time: safelight verify --export DIR");
        }
    }
    if report.files == 0 && report.failed == 0 {
        context.output.warn("nothing was exported: the library holds no photos");
    }
    if context.interrupted() {
        return Err(Failure::new(Exit::Incomplete, "interrupted")
            .hint("the same command goes on where this one stopped"));
    }
    if report.archived > 0 {
        context.output.talk(&format!(
            "{} archived and named above; safelight local thaw asks for them, and the same export goes on later",
            counted(report.archived, "original is", "originals are")
        ));
        if report.failed == 0 {
            return Err(Failure::silent(Exit::Incomplete));
        }
    }
    if report.failed > 0 {
        let files = counted(report.failed, "original", "originals");
        return Err(Failure::new(Exit::Incomplete, format!("{files} could not be exported; each is named above"))
            .hint(
                "what is damaged comes back from another copy: import that again, or run safelight sync where a remote holds it; \
                 a linked original needs its disk, one in a remote safelight local fetch; then export again",
            ));
    }
    Ok(())
}

fn to_stdout(context: &Context, arguments: &Arguments, target: &str) -> Result<(), Failure> {
    if target != "-" {
        return Err(Failure::usage("--to takes only -, which is stdout"));
    }
    let item: Vec<String> = arguments
        .directory
        .iter()
        .map(|directory| directory.to_string_lossy().into_owned())
        .chain(arguments.items.iter().cloned())
        .collect();
    let [item] = item.as_slice() else {
        return Err(
            Failure::usage("--to - writes exactly one item").hint("safelight export --to - ITEM > FILE")
        );
    };
    let mut library = context.open_library_at(arguments.at.as_deref())?;
    let mut stdout = std::io::stdout().lock();
    match arguments.rendition.as_deref() {
        Some(kind) => library.write_rendition(item, kind, &mut stdout)?,
        None => {
            library.write_original(item, &mut stdout, &context.surroundings(), &context.progress)?;
        }
    }
    std::io::Write::flush(&mut stdout).map_err(LibraryError::writing_output)?;
    Ok(library.close()?)
}
