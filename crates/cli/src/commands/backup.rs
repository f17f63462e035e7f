//! `safelight backup`: a complete sealed copy of the library on a drive, in a folder or, with `export --sealed`, in one file.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use safelight_library::{BackupReport, BackupSchedule, ShownBackup};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable_text, size};

/// Make a complete sealed copy of the library on a drive, and prove it
///
/// The first run copies everything, the next ones what is new. The drive and the recovery words alone give the
/// library back: safelight join folder:PATH. Without a path, lists the backups, when each was made and last proven; also
/// those in one file, which safelight export FILE --sealed makes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A folder on the drive, or a sealed copy in one file that was made from here
    path: Option<PathBuf>,
    /// Read everything back that is there, open it, and say what is damaged or missing
    #[arg(long, requires = "path")]
    verify: bool,
    /// Make it by itself, with the first sync that finds it due and the drive there
    #[arg(long, value_name = "WHEN", requires = "path", conflicts_with = "verify")]
    schedule: Option<When>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    Off,
    Daily,
    Weekly,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.path {
        None => list(context),
        Some(path) if arguments.verify => verify(context, path),
        Some(path) => match arguments.schedule {
            Some(when) => schedule(context, path, when),
            None => make(context, path),
        },
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    let backups = library.backups()?;
    library.close()?;
    if context.output.json() {
        return Ok(context.output.print_json(&backups)?);
    }
    for backup in &backups {
        context.output.data(&line(backup))?;
    }
    Ok(())
}

/// `/media/drive: made 2026-05-14 10:11:12, proven never, weekly (due), not connected`
pub(crate) fn line(backup: &ShownBackup) -> String {
    let never = || "never".to_owned();
    let schedule = match (backup.schedule, backup.is_due) {
        (BackupSchedule::Off, _) => "",
        (BackupSchedule::Daily, false) => ", daily",
        (BackupSchedule::Daily, true) => ", daily (due)",
        (BackupSchedule::Weekly, false) => ", weekly",
        (BackupSchedule::Weekly, true) => ", weekly (due)",
    };
    let missing = match backup.missing {
        0 => String::new(),
        some => format!(", {} not there yet", counted(some, "original", "originals")),
    };
    let connected = if backup.is_connected { "" } else { ", not connected" };
    format!(
        "{}: made {}, proven {}{schedule}{missing}{connected}",
        printable_text(&backup.path),
        backup.made.clone().unwrap_or_else(never),
        backup.proven.clone().unwrap_or_else(never)
    )
}

fn make(context: &Context, path: &Path) -> Result<(), Failure> {
    context.refuse_dry_run(
        "backup",
        "safelight backup lists what each lacks; sync NAME --dry-run says what would go",
    )?;
    let mut library = context.open_library()?;
    let report = library.back_up(path, &context.surroundings(), &context.progress);
    library.close()?;
    answer_made(context, &report?)
}

/// Makes a sealed copy in one file, or brings it up to date; proves it if that is asked for.
pub(super) fn seal_into_file(context: &Context, path: &Path, is_proven: bool) -> Result<(), Failure> {
    context.refuse_dry_run(
        "export --sealed",
        "safelight backup lists what each lacks; sync NAME --dry-run says what would go",
    )?;
    let mut library = context.open_library()?;
    let report = library.back_up_into_file(path, &context.surroundings(), &context.progress);
    library.close()?;
    let report = report?;
    if is_proven && report.backup.missing == 0 && !context.interrupted() {
        return verify(context, path);
    }
    answer_made(context, &report)
}

fn answer_made(context: &Context, report: &BackupReport) -> Result<(), Failure> {
    if context.output.json() {
        context.output.print_json(report)?;
    } else {
        context.output.talk(&format!(
            "{}; {} written",
            line(&report.backup),
            size(report.sync.traffic.up_bytes)
        ));
    }
    if context.interrupted() {
        return Err(Failure::new(Exit::Incomplete, "interrupted; the same command goes on from here"));
    }
    if report.backup.missing == 0 && !report.sync.problems.is_empty() {
        return Err(Failure::new(
            Exit::Incomplete,
            "the backup holds every original, but not all is as it should be",
        )
        .hint("what is not is named above"));
    }
    if report.backup.missing > 0 {
        return Err(Failure::new(Exit::Incomplete, "the backup does not hold everything yet")
            .hint("what is missing is named above, or rests in remotes that did not answer; run it again"));
    }
    Ok(())
}

fn verify(context: &Context, path: &Path) -> Result<(), Failure> {
    context.refuse_dry_run("backup --verify", "it puts again what it finds missing")?;
    let mut library = context.open_library()?;
    let report = library.verify_backup(path, &context.surroundings(), &context.progress);
    library.close()?;
    let report = report?;
    if context.output.json() {
        context.output.print_json(&report)?;
    } else {
        for problem in &report.damaged {
            context.output.data(&format!("damaged  {}  {problem}", report.remote))?;
        }
        context.output.talk(&format!(
            "{} of {} there, {} opened ({}); {} damaged or missing",
            report.present_objects,
            counted(report.expected_objects, "object", "objects"),
            report.proven_objects,
            size(report.downloaded_bytes),
            report.damaged.len()
        ));
    }
    if !report.damaged.is_empty() {
        return Err(Failure::new(Exit::Damaged, "damage was found; it is named above").hint(
            report.hint.unwrap_or_else(|| "all of it is whole again, put from what this device holds".into()),
        ));
    }
    if context.interrupted() {
        return Err(Failure::new(Exit::Incomplete, "interrupted before everything was checked"));
    }
    Ok(())
}

fn schedule(context: &Context, path: &Path, when: When) -> Result<(), Failure> {
    context.refuse_dry_run("backup --schedule", "safelight backup lists when each is due")?;
    let mut library = context.open_library()?;
    let schedule = match when {
        When::Off => BackupSchedule::Off,
        When::Daily => BackupSchedule::Daily,
        When::Weekly => BackupSchedule::Weekly,
    };
    let shown = library.schedule_backup(path, schedule);
    library.close()?;
    let shown = shown?;
    if context.output.json() {
        return Ok(context.output.print_json(&shown)?);
    }
    context.output.talk(&line(&shown));
    Ok(())
}
