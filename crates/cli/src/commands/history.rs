//! `safelight history`: who changed what, when, on which device.

use clap::Args;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, device_in_column, printable_text};

/// Show the changes of the library or of one photo, newest first
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only what happened to this photo: an id or the beginning of one, a path, or a query that finds one
    #[arg(conflicts_with = "verify")]
    item: Option<String>,
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
    let entries = library.history(arguments.item.as_deref(), arguments.limit)?;
    library.close()?;
    if context.output.json() {
        context.output.print_json(&entries)?;
    } else {
        for entry in &entries {
            let what = printable_text(&entry.what);
            let device = device_in_column(&entry.device, entry.device_name.as_deref());
            context.output.data(&format!("{}Z  {device:8}  {what}", entry.when))?;
        }
    }
    Ok(())
}
