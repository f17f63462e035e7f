//! `safelight verify`: reads everything back and says what is damaged.

use std::path::PathBuf;

use clap::Args;
use safelight_library::{VerifyReport, VerifyRequest};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable, size};

/// Read everything back and compare it with what was recorded
///
/// Names every damaged or missing file of the library folder. Exit code 6 when there is one. Damaged
/// previews are made again by the next import, or at once by safelight doctor --fix.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Look only whether every object is there and has its size
    #[arg(long)]
    quick: bool,
    /// Check an exported folder instead; needs no library and no key
    #[arg(long, value_name = "DIR", conflicts_with = "quick")]
    export: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let report = if let Some(directory) = &arguments.export {
        safelight_library::verify_export(directory, &context.progress)?
    } else {
        let mut library = context.open_library()?;
        let request = VerifyRequest { quick: arguments.quick };
        let report = library.verify(&request, &context.progress)?;
        library.close()?;
        report
    };
    answer(context, &report)
}

fn answer(context: &Context, report: &VerifyReport) -> Result<(), Failure> {
    if context.output.json() {
        context.output.print_json(report)?;
    } else {
        for damage in &report.damaged {
            context.output.data(&format!(
                "damaged  {}  {}",
                printable(damage.path.as_ref()),
                damage.reason
            ))?;
        }
        for notice in &report.notices {
            context.output.talk(&format!("note     {}  {}", printable(notice.path.as_ref()), notice.reason));
        }
        context.output.talk(&format!(
            "{} and {} checked, {}; {} damaged",
            counted(report.originals, "original", "originals"),
            counted(report.objects, "other object", "other objects"),
            size(report.bytes),
            report.damaged.len()
        ));
        if let Some(signer) = &report.signer {
            context.output.talk(&format!("Signed by {signer}"));
        }
    }
    if !report.damaged.is_empty() {
        return Err(Failure::new(Exit::Damaged, "damage was found; it is named above")
            .hint("keep the library as it is and restore the named originals from another copy by importing them again"));
    }
    if context.interrupted() {
        return Err(Failure::new(Exit::Incomplete, "interrupted before everything was checked"));
    }
    Ok(())
}
