//! `safelight local thaw`: asking for what remotes hold archived.

use std::time::Duration;

use clap::Args;
use safelight_library::{Among, FetchReport, Library, Selection, ThawCost, ThawReport, ThawWait, Urgency};

use super::list::joined;
use super::local::tell_fetched;
use super::remote::usd;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, grouped, printable_text, size};
use crate::prompt;

/// How often `--wait` looks.
const USUAL_NAP_SECONDS: u64 = 300;

/// How soon what is archived is wanted, and whether it is waited for.
#[derive(Debug, Args)]
pub(super) struct HowSoon {
    /// How soon: standard within hours, high as soon as the provider can, at its higher price
    #[arg(long, value_name = "WHEN", default_value = "standard", value_parser = ["standard", "high"])]
    priority: String,
    /// Wait until all can be read, and fetch them
    #[arg(long)]
    wait: bool,
    /// Seconds between two looks of --wait
    #[arg(long, value_name = "SECONDS", default_value_t = USUAL_NAP_SECONDS, requires = "wait",
          value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
}

impl HowSoon {
    fn wait(&self, context: &Context) -> ThawWait {
        match (context.global.dry_run, self.wait) {
            (true, _) => ThawWait::Look,
            (false, false) => ThawWait::Ask,
            (false, true) => ThawWait::Until(Duration::from_secs(self.every)),
        }
    }

    fn urgency(&self) -> Urgency {
        if self.priority == "high" { Urgency::High } else { Urgency::Standard }
    }
}

pub(super) fn run(context: &Context, items: &[String], all: bool, how: &HowSoon) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let outcome = thaw(context, &mut library, items, all, how);
    library.close()?;
    outcome
}

fn thaw(
    context: &Context,
    library: &mut Library,
    items: &[String],
    all: bool,
    how: &HowSoon,
) -> Result<(), Failure> {
    let selection = if all {
        library.select_all(Among::Everywhere)?
    } else {
        library.select(items, &joined(items), Among::WhatIsAsked)?
    };
    thaw_selected(context, library, &selection, all, how)
}

/// Asks for what is archived of a selection; where that may be much, its cost is shown and agreed to first.
pub(super) fn thaw_selected(
    context: &Context,
    library: &mut Library,
    selection: &Selection,
    shows_cost: bool,
    how: &HowSoon,
) -> Result<(), Failure> {
    let surroundings = context.surroundings();
    let (wait, urgency) = (how.wait(context), how.urgency());
    if shows_cost && wait != ThawWait::Look {
        let plan = library.thaw(selection, ThawWait::Look, urgency, &surroundings, &context.progress)?;
        agree_to_thaw(context, &plan)?;
    }
    let report = library.thaw(selection, wait, urgency, &surroundings, &context.progress)?;
    let fetched = match wait {
        ThawWait::Until(_) => Some(library.fetch(selection, &surroundings, &context.progress)?),
        _ => None,
    };
    if context.output.json() {
        context.output.print_json(&ThawedAndFetched { thaw: &report, fetched: fetched.as_ref() })?;
    } else {
        tell_thaw(context, &report);
        if let Some(fetched) = &fetched {
            tell_fetched(context, fetched)?;
        }
    }
    let not_fetched = fetched.map_or(0, |fetched| fetched.failed_originals + fetched.archived_originals);
    if report.missing_originals + report.unanswered_originals + not_fetched > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

/// Shows what asking for everything that is archived comes to, and wants to be told to go on.
fn agree_to_thaw(context: &Context, plan: &ThawReport) -> Result<(), Failure> {
    tell_costs(context, &plan.costs);
    if plan.archived_originals == 0 || context.global.yes {
        return Ok(());
    }
    let originals = counted(plan.archived_originals, "original", "originals");
    let question = format!("Ask for {originals}? The provider charges for that.");
    if prompt::someone_is_there() && prompt::agree(&question)? {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "nothing was asked for")
        .hint("--yes asks for what the plan above says; --dry-run shows only the plan"))
}

pub(super) fn tell_costs(context: &Context, costs: &[ThawCost]) {
    for cost in costs {
        let price = match (cost.usd, &cost.prices) {
            (Some(amount), Some(prices)) => format!(
                "{} to bring back at standard priority (estimated; {})",
                usd(amount),
                printable_text(prices)
            ),
            _ => "no prices are known: remote set NAME price.archive.retrieval=N".to_owned(),
        };
        context.output.talk(&format!(
            "{}: {} archived, {} ({}); {price}",
            cost.remote,
            counted(cost.originals, "original", "originals"),
            counted(cost.objects, "object", "objects"),
            size(cost.bytes)
        ));
    }
}

/// What a thaw came to and, where it was waited for, the fetch after it.
#[derive(serde::Serialize)]
struct ThawedAndFetched<'a> {
    #[serde(flatten)]
    thaw: &'a ThawReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<&'a FetchReport>,
}

fn tell_thaw(context: &Context, report: &ThawReport) {
    let waiting = report.archived_originals + report.thawing_originals;
    context.output.talk(&format!(
        "{} thawing, {} archived, {} readable, {} here, {} in no remote",
        counted(report.thawing_originals, "original", "originals"),
        grouped(report.archived_originals),
        grouped(report.readable_originals),
        grouped(report.here_originals),
        grouped(report.missing_originals),
    ));
    if report.unanswered_originals > 0 {
        context.output.warn(&format!(
            "{} may rest in a remote that did not answer",
            counted(report.unanswered_originals, "original", "originals")
        ));
    }
    tell_costs(context, &report.costs);
    if waiting > 0 {
        context.output.talk(&format!(
            "The provider charges for {} read back from the archive tier and for {}; it may take 15 hours. \
             safelight sync fetches what is ready.",
            size(report.thawing_bytes),
            counted(report.asked_parts.max(waiting), "request", "requests"),
        ));
    }
}
