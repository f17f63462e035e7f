//! `safelight audit`: the history for whoever has to prove something with it.

use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use safelight_library::{AuditReport, AuditShape, Library, LibraryError};

use super::history::{Filter, print};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, is_there, new_private_file};

/// Show the history, or write it out so that anybody can check it
///
/// audit export writes JSON, an object a line: the signature and the hashes of every segment of every device, and each entry
/// that is asked for in full. docs/guide/audit.md says how it is checked with SHA-256 and Ed25519 alone.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List changes, newest first
    List {
        #[command(flatten)]
        filter: Filter,
        /// Stop after this many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Write the history out, signed
    Export {
        /// A new file; without one it goes to stdout
        file: Option<PathBuf>,
        #[command(flatten)]
        filter: Filter,
        /// A table for people instead: its signature goes into a file beside it
        #[arg(long, requires = "file")]
        csv: bool,
    },
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::List { filter, limit } => {
            let library = context.open_library_to_read()?;
            let entries = library.history(None, &filter.read(context)?, *limit)?;
            library.close()?;
            print(context, &entries)
        }
        Action::Export { file, filter, csv } => {
            let library = context.open_library_to_check()?;
            let shape = if *csv { AuditShape::Table } else { AuditShape::Lines };
            let filter = filter.read(context)?;
            let report = match file {
                Some(file) => write_to(&library, &filter, shape, file)?,
                None => library.export_audit(&filter, shape, &mut BufWriter::new(io::stdout().lock()))?,
            };
            library.close()?;
            answer(context, &report, file.as_deref())
        }
    }
}

fn write_to(
    library: &Library,
    filter: &safelight_library::HistoryFilter,
    shape: AuditShape,
    file: &Path,
) -> Result<AuditReport, Failure> {
    let new = |path: &Path| {
        new_private_file(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => is_there(path),
            _ => LibraryError::writing(path, error).into(),
        })
    };
    let beside = file.with_added_extension("signature");
    if shape == AuditShape::Table && beside.exists() {
        return Err(is_there(&beside));
    }
    let mut output = BufWriter::new(new(file)?);
    let report = library.export_audit(filter, shape, &mut output)?;
    let output = output.into_inner().map_err(|error| LibraryError::writing(file, error.into_error()))?;
    output.sync_all().map_err(|error| LibraryError::writing(file, error))?;
    if let Some(signature) = &report.signature {
        let written = new(&beside)?.write_all(signature.as_bytes());
        written.map_err(|error| LibraryError::writing(&beside, error))?;
    }
    Ok(report)
}

fn answer(context: &Context, report: &AuditReport, file: Option<&Path>) -> Result<(), Failure> {
    if file.is_some() && context.output.json() {
        context.output.print_json(report)?;
    } else {
        context.output.talk(&format!(
            "{} of {}, {} of them in full",
            counted(report.operations + report.left_out, "operation", "operations"),
            counted(report.devices, "device", "devices"),
            crate::output::grouped(report.operations)
        ));
    }
    for damage in &report.damaged {
        context.output.warn(&format!("{} is damaged and missing in it: {}", damage.path, damage.reason));
    }
    if report.damaged.is_empty() { Ok(()) } else { Err(Failure::silent(Exit::Damaged)) }
}
