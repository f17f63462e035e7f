//! `safelight doctor`: looks whether this machine and this library are well, and mends what it may.

use clap::Args;
use safelight_library::{DoctorRequest, Finding, Repair};

use crate::context::Context;
use crate::failure::{Exit, Failure};

/// Look whether this machine and the library are well
///
/// With --fix, sweeps what interrupted runs left behind and makes damaged previews again; with --fix catalog, rebuilds the catalogue from the
/// signed history.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Mend what can be mended without loss; `catalog` rebuilds the catalogue from history
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "all")]
    fix: Option<What>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// Leftovers of interrupted runs
    All,
    /// The catalogue, from history
    Catalog,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let repair = arguments.fix.map(|what| match what {
        What::All => Repair::Leftovers,
        What::Catalog => Repair::Catalog,
    });
    let foretells = repair.is_some() && context.global.dry_run;
    if foretells {
        let what = match repair {
            Some(Repair::Catalog) => "the catalogue would be made anew from history; this is how it stands",
            _ => "this is what would be looked at again and mended",
        };
        context.output.talk(&format!("Nothing is mended in a dry run: {what}."));
    }
    // What would be mended is what is found to be unwell.
    let repair = repair.filter(|_| !foretells);
    let agreed = context.global.yes;
    let mut findings = safelight_library::examine_machine(&context.worker());
    if context.existing_library()?.is_some() {
        if repair.is_some() {
            findings.extend(context.mend_description()?);
        }
        if matches!(repair, Some(Repair::Catalog)) {
            findings.extend(context.rebuild_catalog()?);
        }
        let mut library = match repair {
            Some(_) => context.open_library()?,
            None => context.open_library_to_check()?,
        };
        findings.extend(library.doctor(&DoctorRequest { repair, agreed }, &context.progress)?);
        library.close()?;
    } else {
        context.output.talk("There is no library here yet; only the machine was looked at.");
    }
    answer(context, &findings)
}

fn answer(context: &Context, findings: &[Finding]) -> Result<(), Failure> {
    if context.output.json() {
        context.output.print_json(findings)?;
    } else {
        for finding in findings {
            let mark = if finding.well { "ok" } else { "!!" };
            context.output.data(&format!("{mark}  {:<18}  {}", finding.what, finding.says))?;
            if let Some(hint) = &finding.hint {
                context.output.data(&format!("    {:<18}  {hint}", ""))?;
            }
        }
    }
    if findings.iter().any(|finding| finding.damaged) {
        return Err(Failure::silent(Exit::Damaged));
    }
    if findings.iter().any(|finding| !finding.well) {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}
