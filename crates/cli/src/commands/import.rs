//! `safelight import`: takes photos and videos in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use safelight_library::{
    ImportPlan, ImportReport, ImportRequest, Library, SETTLE, UploadFolder, UploadRequest, is_sealed_copy,
};
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable, printable_lines, size};
use crate::prompt;

/// Take photos and videos into the library
///
/// Copies are sealed into the library; the files themselves are left as they are. Files seen before
/// and unchanged are not opened. Without a path, the watched folders are imported (safelight source);
/// with --wait, previews that failed before are tried once more. On a device that only uploads (safelight join
/// --upload-only), the files are sealed to the library's inbox and put there. A sealed copy (safelight export FILE --sealed)
/// gives back what is missing or damaged here.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Files and folders
    paths: Vec<PathBuf>,
    /// Import the watched folders; that there is none is no mistake
    #[arg(long, conflicts_with_all = ["paths", "link"])]
    watched: bool,
    /// Leave the originals where they are; only what the library makes of them is sealed into it
    #[arg(long)]
    link: bool,
    /// Take every file, not only photos and videos
    #[arg(long)]
    all_files: bool,
    /// Make all previews before returning, instead of leaving slow ones to the background
    #[arg(long)]
    wait: bool,
    /// How long a file must have stood still to be taken: one that changed within this time is looked at again at
    /// the end, and left to the next import while it goes on changing
    #[arg(long, value_name = "SECONDS", default_value_t = SETTLE.as_secs())]
    settle: u64,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    report: &'a ImportReport,
    problems: Vec<Named>,
}

#[derive(Serialize)]
struct Named {
    path: String,
    reason: String,
    failure: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(folder) = context.upload_folder()? {
        return upload(context, arguments, &folder);
    }
    if let Some(copy) = arguments.paths.iter().find(|path| is_sealed_copy(path)) {
        return bring_back(context, arguments, copy);
    }
    let mut library = context.open_library()?;
    let requests = requests(context, &library, arguments)?;
    let mut report = ImportReport::default();
    for request in &requests {
        let mut plan = library.plan_import(request, &context.progress)?;
        tell_plan(context, &plan);
        if context.global.dry_run {
            report.absorb(&plan.foretell());
            continue;
        }
        ask_about_space(context, &plan)?;
        ask_about_changes(&mut plan)?;
        report.absorb(&library.import(plan, &context.progress)?);
        if context.interrupted() {
            break;
        }
    }
    if arguments.wait && !context.global.dry_run && !context.interrupted() {
        library.retry_renditions()?;
        let rendered = library.render_pending(&context.progress)?;
        report.previews_pending = rendered.still_pending;
    } else if !context.global.dry_run && library.has_renditions_to_make()? {
        super::background::start(context, &library);
    }
    library.close()?;
    answer(context, &report)
}

/// Imports the watched folders, with all previews, before a sync. How it ended is told at once, and counts once the sync is done.
pub(super) fn before_sync(context: &Context) -> Result<Result<(), Failure>, Failure> {
    if context.output.json() {
        return Err(Failure::usage("sync --import would have two answers, and --json is one")
            .hint("safelight --json import --watched, then safelight --json sync"));
    }
    let imported = run(
        context,
        &Arguments {
            paths: Vec::new(),
            watched: true,
            link: false,
            all_files: false,
            wait: true,
            settle: SETTLE.as_secs(),
        },
    );
    if context.interrupted() {
        return imported.map(Ok);
    }
    Ok(imported.map_err(|failure| {
        if !failure.message.is_empty() {
            context.output.warn(&format!("not all was imported: {}", printable_lines(&failure.message)));
        }
        Failure::silent(failure.exit)
    }))
}

/// From a sealed copy of this library: what is missing or damaged here.
fn bring_back(context: &Context, arguments: &Arguments, copy: &Path) -> Result<(), Failure> {
    if arguments.paths.len() > 1 || arguments.link {
        let copy = printable(copy);
        return Err(Failure::usage(format!("{copy} is a sealed copy of a library: it is imported alone")));
    }
    if context.existing_library()?.is_none() {
        let whole = std::path::absolute(copy).unwrap_or_else(|_| copy.to_owned());
        let said = format!(
            "{} is a sealed copy of a whole library, and there is no library here to bring anything back to",
            printable(copy)
        );
        return Err(Failure::new(Exit::Refused, said)
            .hint(format!("with the recovery words: safelight join file:{}", printable(&whole))));
    }
    context.refuse_dry_run("import of a sealed copy", "what is here already is passed over by itself")?;
    let mut library = context.open_library()?;
    let report = library.bring_back_from_file(copy, &context.surroundings(), &context.progress);
    library.close()?;
    let report = report?;
    if context.output.json() {
        context.output.print_json(&report)?;
    } else {
        context.output.talk(&format!(
            "{} of history taken in; {} whole again, {} brought back ({}), {} here already, {} failed",
            counted(report.sync.taken_segments, "segment", "segments"),
            counted(report.sync.local.healed_originals, "original", "originals"),
            counted(report.fetch.fetched_originals, "original", "originals"),
            size(report.fetch.fetched_bytes),
            report.fetch.present_originals,
            report.fetch.failed_originals
        ));
    }
    if report.fetch.failed_originals + report.fetch.archived_originals > 0 || !report.sync.problems.is_empty()
    {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

/// On a device that only uploads: what is named is sealed to the library's inbox, and put there.
fn upload(context: &Context, arguments: &Arguments, folder: &UploadFolder) -> Result<(), Failure> {
    context.refuse_dry_run(
        "import",
        "on a device that only uploads, what was sent before is passed over by itself",
    )?;
    if arguments.paths.is_empty() || arguments.link {
        return Err(Failure::usage("this device only uploads: name the files and folders, without --link")
            .hint("safelight import ~/DCIM"));
    }
    let request = UploadRequest { paths: arguments.paths.clone(), all_files: arguments.all_files };
    let report = folder.upload(&request, &context.surroundings(), &context.progress)?;
    if context.output.json() {
        context.output.print_json(&report)?;
    } else {
        context.output.talk(&format!(
            "{} uploaded ({}), {} known, {} refused, {} failed. They are in the library once one of its devices has synced",
            counted(report.uploaded, "file", "files"),
            size(report.uploaded_bytes),
            report.known,
            report.refused,
            report.failed
        ));
    }
    if report.failed > 0 { Err(Failure::silent(Exit::Incomplete)) } else { Ok(()) }
}

fn requests(
    context: &Context,
    library: &Library,
    arguments: &Arguments,
) -> Result<Vec<ImportRequest>, Failure> {
    if !arguments.paths.is_empty() {
        return Ok(vec![ImportRequest {
            paths: arguments.paths.clone(),
            link: arguments.link,
            all_files: arguments.all_files,
            remove_after_proof: false,
            settle: Duration::from_secs(arguments.settle),
        }]);
    }
    let mut sources = library.sources()?;
    // A linked file that was moved into a folder that is copied is kept before it is missed where it was.
    sources.sort_by_key(|source| source.link);
    if sources.is_empty() && !arguments.wait && !arguments.watched {
        return Err(Failure::usage("no path was given and no folder is watched")
            .hint("name one (safelight import ~/Pictures) or watch one (safelight source add ~/Pictures)"));
    }
    if context.output.verbose() {
        context.output.talk(&format!(
            "Importing {}",
            counted(sources.len() as u64, "watched folder", "watched folders")
        ));
    }
    Ok(sources
        .into_iter()
        .map(|source| ImportRequest {
            paths: vec![source.path],
            link: source.link,
            all_files: arguments.all_files,
            remove_after_proof: source.remove_after_proof,
            settle: Duration::from_secs(arguments.settle),
        })
        .collect())
}

fn tell_plan(context: &Context, plan: &ImportPlan) {
    if plan.files() == 0 {
        return;
    }
    let free = plan.free_bytes().map(|free| format!(", {} free", size(free))).unwrap_or_default();
    context.output.talk(&format!(
        "{} to look at, {}{free}",
        counted(plan.files(), "file", "files"),
        size(plan.bytes())
    ));
}

fn ask_about_space(context: &Context, plan: &ImportPlan) -> Result<(), Failure> {
    let Some(free) = plan.fills_most_of().filter(|_| !context.global.yes) else { return Ok(()) };
    let message =
        format!("copying {} would fill most of the {} that are free", size(plan.bytes()), size(free));
    if prompt::someone_is_there() && prompt::agree(&format!("{message}. Copy all the same?"))? {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, message)
        .hint("use --link to leave the originals where they are, or --yes to copy all the same"))
}

/// Asks whether files that changed all at once come in as new versions. Where nobody is there they are left out, and the brake
/// comes on.
fn ask_about_changes(plan: &mut ImportPlan) -> Result<(), Failure> {
    let files = plan.held_back();
    if files == 0 || !prompt::someone_is_there() {
        return Ok(());
    }
    let changed = counted(files, "file", "files");
    let question = format!(
        "{changed} changed at once since they were imported. Was that you, and shall they come in as new versions?"
    );
    if prompt::agree(&question)? {
        plan.take_what_changed();
    }
    Ok(())
}

fn answer(context: &Context, report: &ImportReport) -> Result<(), Failure> {
    let problems = context.progress.problems();
    if context.output.json() {
        let problems = problems
            .iter()
            .map(|problem| Named {
                path: printable(&problem.path),
                reason: problem.reason.clone(),
                failure: problem.weight == safelight_library::Weight::Failure,
            })
            .collect();
        context.output.print_json(&Answer { report, problems })?;
    } else {
        for line in report.lines() {
            context.output.talk(&line);
        }
    }
    if context.interrupted() {
        return Err(Failure::new(Exit::Incomplete, "interrupted; what was taken in is safe")
            .hint("the same command goes on where this one stopped"));
    }
    if report.failed > 0 || report.held_back > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}
