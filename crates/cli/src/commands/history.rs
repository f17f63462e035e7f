//! `safelight history`: who changed what, when, on which device.

use clap::Args;
use safelight_library::{HistoryEntry, HistoryFilter, HistorySort};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, device_in_column, printable_text};

/// Show the changes of the library or of one photo, newest first
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only what happened to this photo: an id or the beginning of one, a path, or a query that finds one
    #[arg(conflicts_with = "verify")]
    item: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// Check every signature and link of the recorded history
    #[arg(long)]
    verify: bool,
    /// Stop after this many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let library = context.open_library_to_check()?;
    if arguments.verify {
        let report = library.verify_history(&context.progress)?;
        library.close()?;
        if context.output.json() {
            context.output.print_json(&report)?;
        } else {
            context.output.talk(&format!(
                "{} of {} checked, {}; {} damaged",
                counted(report.segments, "segment", "segments"),
                counted(report.devices, "device", "devices"),
                counted(report.operations, "operation", "operations"),
                report.damaged.len()
            ));
            context.output.talk(&format!("State {}", report.state_hash));
            for damage in &report.damaged {
                context.output.data(&format!("damaged  {}  {}", damage.path, damage.reason))?;
            }
        }
        if !report.damaged.is_empty() {
            return Err(Failure::silent(Exit::Damaged));
        }
        return Ok(());
    }
    let filter = arguments.filter.read(context)?;
    let entries = library.history(arguments.item.as_deref(), &filter, arguments.limit)?;
    library.close()?;
    print(context, &entries)
}

/// Which changes are asked for.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Only those that this device made: its name, or the beginning of its id
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Only those made after this moment: 2026-05-14, "2026-05-14 10:30", yesterday, "3 hours ago"
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only those made until this moment
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Only these sorts: import, edit, trash, device, remote, event, derived
    #[arg(long, value_name = "SORT", value_delimiter = ',', value_parser = sort)]
    sort: Vec<HistorySort>,
}

fn sort(word: &str) -> Result<HistorySort, String> {
    HistorySort::of_word(word).ok_or_else(|| {
        let words: Vec<_> = HistorySort::ALL.into_iter().map(HistorySort::word).collect();
        format!("the sorts are {}", words.join(", "))
    })
}

impl Filter {
    pub(crate) fn read(&self, context: &Context) -> Result<HistoryFilter, Failure> {
        let millis = |when: &Option<String>| when.as_deref().map(|when| context.time(when)).transpose();
        Ok(HistoryFilter {
            device: self.device.clone(),
            since_millis: millis(&self.since)?,
            until_millis: millis(&self.until)?,
            sorts: self.sort.iter().copied().collect(),
        })
    }
}

/// Prints changes, each on a line.
pub(crate) fn print(context: &Context, entries: &[HistoryEntry]) -> Result<(), Failure> {
    if context.output.json() {
        context.output.print_json(&entries)?;
    } else {
        for entry in entries {
            let what = printable_text(&entry.what);
            let device = device_in_column(&entry.device, entry.device_name.as_deref());
            context.output.data(&format!("{}Z  {device:8}  {what}", entry.when))?;
        }
    }
    Ok(())
}
