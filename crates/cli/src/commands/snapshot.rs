//! `safelight snapshot`: moments with a name.

use clap::{Args, Subcommand, ValueEnum};
use safelight_library::{ShownSnapshot, SnapshotKeep, SnapshotSchedule};

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{counted, printable_text};

/// Give moments of the library a name, and keep what they show
///
/// A snapshot is used wherever a moment is: list, show and export --at NAME, restore --to NAME. It takes no room of its own;
/// but what it shows is not removed for good while it is there. Without a subcommand this lists them.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List snapshots, newest first
    List,
    /// Make one of what the library is now
    Add {
        /// What it is called; without a name, after the minute
        name: Option<String>,
    },
    /// Remove one: what only it held may then be removed for good
    Remove {
        /// Its name
        name: String,
    },
    /// Make them by themselves, with the first sync or import of a day
    Schedule {
        /// How often
        often: Often,
        /// How many of those are kept: the newest of so many days, weeks and months
        #[arg(long, value_name = "7d,4w,12m", value_parser = keep)]
        keep: Option<SnapshotKeep>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Often {
    Daily,
    Weekly,
    Off,
}

fn keep(words: &str) -> Result<SnapshotKeep, String> {
    SnapshotKeep::parse(words)
        .ok_or_else(|| "such as 7d,4w,12m: days, weeks and months, each once".to_owned())
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        None | Some(Action::List) => list(context),
        Some(Action::Add { name }) => {
            let mut library = context.open_library()?;
            let made = library.add_snapshot(name.as_deref())?;
            library.close()?;
            answer(context, &made, "made")
        }
        Some(Action::Remove { name }) => {
            let mut library = context.open_library()?;
            let gone = library.remove_snapshot(name)?;
            library.close()?;
            answer(context, &gone, "removed")
        }
        Some(Action::Schedule { often, keep }) => schedule(context, *often, *keep),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    let (snapshots, schedule) = (library.snapshots()?, library.snapshot_schedule()?);
    library.close()?;
    if context.output.json() {
        return Ok(context
            .output
            .print_json(&serde_json::json!({ "snapshots": snapshots, "schedule": schedule }))?);
    }
    for snapshot in &snapshots {
        let name = printable_text(&snapshot.name);
        let arriving = if snapshot.is_here { "" } else { "  (its history is still arriving)" };
        context.output.data(&format!("{}Z  {name}{arriving}", snapshot.made))?;
    }
    context.output.talk(&counted(snapshots.len() as u64, "snapshot", "snapshots"));
    if let Some(schedule) = schedule {
        context.output.talk(&format!("Made {}; of those {} are kept", schedule.word(), schedule.keep));
    }
    Ok(())
}

fn answer(context: &Context, snapshot: &ShownSnapshot, verb: &str) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(snapshot)?);
    }
    context.output.talk(&format!("Snapshot {} {verb}", printable_text(&snapshot.name)));
    Ok(())
}

fn schedule(context: &Context, often: Often, keep: Option<SnapshotKeep>) -> Result<(), Failure> {
    let keep = keep.unwrap_or_default();
    let wanted = match often {
        Often::Off => None,
        Often::Daily | Often::Weekly => Some(SnapshotSchedule { weekly: often == Often::Weekly, keep }),
    };
    let mut library = context.open_library()?;
    library.schedule_snapshots(wanted)?;
    library.close()?;
    if context.output.json() {
        return Ok(context.output.print_json(&wanted)?);
    }
    context.output.talk(&match wanted {
        Some(schedule) => {
            format!("Snapshots are made {}; of those {} are kept", schedule.word(), schedule.keep)
        }
        None => "Snapshots are no longer made by themselves".to_owned(),
    });
    Ok(())
}
