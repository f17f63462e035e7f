//! `safelight remote collect`: deletes what everybody agreed may leave a remote.

use safelight_library::{CollectOutcome, CollectWait};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable_text, size};
use crate::prompt;

pub(crate) fn run(context: &Context, name: &str) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let planned = library.plan_collection(name, &context.surroundings(), &context.progress);
    library.close()?;
    let plan = planned?;
    if context.global.dry_run {
        return show(context, &plan);
    }
    // What counts as another good copy is still a record of any age: nothing is deleted on that alone.
    if plan.ready_objects > 0 {
        show_plan(context, &plan)?;
        return Err(Failure::new(Exit::Refused, "this version marks what may go, and deletes nothing").hint(
            "--dry-run shows the plan; a later version deletes against a fresh proof of another copy",
        ));
    }
    if !context.global.yes {
        show_plan(context, &plan)?;
        let question = format!("Mark in {} what nothing needs any more?", plan.remote);
        if !(prompt::someone_is_there() && prompt::agree(&question)?) {
            return Err(Failure::new(Exit::Refused, "nothing was marked")
                .hint("--yes does what the plan says; --dry-run only shows it"));
        }
    }
    let mut library = context.open_library()?;
    let collected = library.collect(name, &context.surroundings(), &context.progress);
    library.close()?;
    let outcome = collected?;
    show(context, &outcome)?;
    if context.interrupted() {
        return Err(Failure::new(Exit::Incomplete, "interrupted; the next collection goes on from here"));
    }
    if !outcome.hindrances.is_empty() {
        return Err(Failure::new(Exit::Refused, "nothing was deleted, for the reasons above"));
    }
    if context.progress.failures() > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

fn show(context: &Context, outcome: &CollectOutcome) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(outcome)?);
    }
    show_plan(context, outcome)
}

fn show_plan(context: &Context, outcome: &CollectOutcome) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(());
    }
    let line = |what: &str, objects: u64, bytes: u64| {
        format!("{what:>14}  {} ({})", counted(objects, "object", "objects"), size(bytes))
    };
    if outcome.deleted_objects > 0 {
        context.output.data(&line("deleted", outcome.deleted_objects, outcome.deleted_bytes))?;
    } else {
        context.output.data(&line("may go now", outcome.ready_objects, outcome.ready_bytes))?;
    }
    for wait in &outcome.waiting {
        let text = line("waits", wait.objects, wait.bytes);
        context.output.data(&format!("{text}: {}", reason(wait)))?;
    }
    context.output.data(&line("stays", outcome.kept_objects, outcome.kept_bytes))?;
    if outcome.newly_marked > 0 {
        let marked = counted(outcome.newly_marked, "object", "objects");
        context.output.talk(&format!("{marked} marked now: nothing needs them any more"));
    }
    for device in &outcome.lapsed_devices {
        context.output.talk(&format!("device {device} was silent for 90 days and is no longer waited for"));
    }
    for hindrance in &outcome.hindrances {
        context.output.warn(&format!("nothing can be deleted: {}", printable_text(hindrance)));
    }
    Ok(())
}

fn reason(wait: &CollectWait) -> String {
    let devices = wait.devices.join(", ");
    match wait.waits_for {
        "devices" => format!("not agreed yet: device {devices}; safelight sync there does it"),
        "history" => format!("the last history of device {devices} was not read here yet"),
        "time" => format!("until {}", wait.until.as_deref().unwrap_or_default()),
        _ => "still needed: nothing else is known to hold it".to_owned(),
    }
}
