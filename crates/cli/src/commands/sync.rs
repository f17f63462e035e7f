//! `safelight sync`: makes this device and its remotes hold what the other has.

use std::time::{Duration, Instant};

use clap::Args;
use safelight_library::{ErrorKind, SyncOutcome, SyncPlan};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, size};

/// How often --watch looks whether somebody wants to stop.
const NAP: Duration = Duration::from_millis(200);

/// Sync with one remote, or with all
///
/// History goes first, then thumbnails, then originals, newest first. Ctrl-C ends it between two steps; the
/// next sync goes on from there. Originals of other devices stay where they are until safelight local fetch.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The remote; all of them when none is named
    remote: Option<String>,
    /// Go on syncing: look for news again and again until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Seconds between two looks of --watch
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "watch",
          value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let remote = arguments.remote.as_deref();
    if context.global.dry_run {
        return dry_run(context, remote);
    }
    if arguments.watch {
        return watch(context, arguments);
    }
    let outcomes = once(context, remote)?;
    report(context, &outcomes)?;
    if context.interrupted() {
        return Err(Failure::new(Exit::Incomplete, "interrupted; the next sync goes on from here"));
    }
    if context.progress.failures() > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

fn once(context: &Context, remote: Option<&str>) -> Result<Vec<SyncOutcome>, Failure> {
    let mut library = context.open_library()?;
    let result = library.sync(remote, &context.surroundings(), &context.progress);
    library.close()?;
    Ok(result?)
}

fn report(context: &Context, outcomes: &[SyncOutcome]) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(outcomes)?);
    }
    for outcome in outcomes {
        context.output.talk(&format!(
            "{}: {} and {} sent, {} taken in; {} up, {} down",
            outcome.remote,
            counted(outcome.synced_originals, "original", "originals"),
            counted(outcome.sent_packs, "pack of previews", "packs of previews"),
            counted(outcome.taken_segments, "segment of history", "segments of history"),
            size(outcome.traffic.up_bytes),
            size(outcome.traffic.down_bytes),
        ));
    }
    Ok(())
}

fn dry_run(context: &Context, remote: Option<&str>) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let plans = library.plan_sync(remote, &context.surroundings());
    library.close()?;
    let plans = plans?;
    if context.output.json() {
        return Ok(context.output.print_json(&plans)?);
    }
    for plan in &plans {
        context.output.data(&line(plan))?;
    }
    Ok(())
}

fn line(plan: &SyncPlan) -> String {
    format!(
        "{}: {}, {} ({}), {} ({}{}); about {}",
        plan.remote,
        counted(plan.segments, "segment of history", "segments of history"),
        counted(plan.small_objects, "small object", "small objects"),
        size(plan.small_bytes),
        counted(plan.originals, "original", "originals"),
        size(plan.original_bytes),
        plan.tier.map(|tier| format!(", {tier} tier")).unwrap_or_default(),
        counted(plan.requests, "request", "requests"),
    )
}

/// Syncs, waits, and syncs again. What passes by itself does not end it; what needs a person does.
fn watch(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let every = Duration::from_secs(arguments.every);
    let mut failed_in_a_row = 0_u32;
    while !context.interrupted() {
        let mut library = context.open_library()?;
        let result = library.sync(arguments.remote.as_deref(), &context.surroundings(), &context.progress);
        library.close()?;
        match result {
            Ok(outcomes) => {
                failed_in_a_row = 0;
                let news: Vec<SyncOutcome> = outcomes.into_iter().filter(is_news).collect();
                if !news.is_empty() {
                    report(context, &news)?;
                }
            }
            Err(_) if context.interrupted() => break,
            Err(error) if error.kind() == ErrorKind::Network => {
                failed_in_a_row = (failed_in_a_row + 1).min(5);
                context.output.talk(&format!("{error}; tried again later"));
            }
            Err(error) => return Err(error.into()),
        }
        // After failures the wait doubles, up to 32 times the usual one.
        let until = Instant::now() + every * 2_u32.pow(failed_in_a_row);
        while Instant::now() < until && !context.interrupted() {
            std::thread::sleep(NAP);
        }
    }
    Ok(())
}

fn is_news(outcome: &SyncOutcome) -> bool {
    outcome.sent_segments + outcome.taken_segments + outcome.sent_packs + outcome.synced_originals > 0
}
