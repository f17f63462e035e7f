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
    let plan = planned.map_err(|error| Failure::at(name, error))?;
    if context.global.dry_run {
        return show(context, &plan, true);
    }
    // Whoever deletes is shown first what goes, asked or not; JSON has stdout for itself.
    show_plan(context, &plan, true)?;
    if !plan.hindrances.is_empty() {
        if context.output.json() {
            context.output.print_json(&plan)?;
        }
        return Err(hindered(&plan));
    }
    if !context.global.yes {
        let question = format!(
            "Mark {} in {} that nothing needs any more, and delete {} ({})?",
            counted(plan.newly_marked, "object", "objects"),
            plan.remote,
            counted(plan.ready_objects, "object", "objects"),
            size(plan.ready_bytes)
        );
        if !(prompt::someone_is_there() && prompt::agree(&question)?) {
            return Err(Failure::new(Exit::Refused, "nothing was marked or deleted")
                .hint("--yes does what the plan says; --dry-run only shows it"));
        }
    }
    let mut library = context.open_library()?;
    let collected = library.collect(&plan, &context.surroundings(), &context.progress);
    library.close()?;
    let outcome = collected.map_err(|error| Failure::at(name, error))?;
    show(context, &outcome, false)?;
    if context.interrupted() {
        return Err(Failure::new(Exit::Incomplete, "interrupted; the next collection goes on from here"));
    }
    if !outcome.hindrances.is_empty() {
        return Err(hindered(&outcome));
    }
    if context.progress.failures() > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

/// Nothing is deleted as long as something stands in the way, whoever agrees.
fn hindered(outcome: &CollectOutcome) -> Failure {
    let failure = Failure::new(Exit::Refused, "nothing was deleted, for the reasons above");
    match &outcome.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn show(context: &Context, outcome: &CollectOutcome, is_plan: bool) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(outcome)?);
    }
    show_plan(context, outcome, is_plan)
}

fn show_plan(context: &Context, outcome: &CollectOutcome, is_plan: bool) -> Result<(), Failure> {
    let print = |line: &str| {
        if context.output.json() {
            context.output.say(line);
            return Ok(());
        }
        context.output.data(line)
    };
    let line = |what: &str, objects: u64, bytes: u64| {
        format!("{what:>14}  {} ({})", counted(objects, "object", "objects"), size(bytes))
    };
    if outcome.deleted_objects > 0 {
        print(&line("deleted", outcome.deleted_objects, outcome.deleted_bytes))?;
    } else {
        print(&line("may go now", outcome.ready_objects, outcome.ready_bytes))?;
    }
    for wait in &outcome.waiting {
        let text = line("waits", wait.objects, wait.bytes);
        print(&format!("{text}: {}", reason(wait, &outcome.remote)))?;
    }
    print(&line("stays", outcome.kept_objects, outcome.kept_bytes))?;
    if outcome.newly_marked > 0 && (is_plan || outcome.hindrances.is_empty()) {
        let marked = counted(outcome.newly_marked, "object", "objects");
        let when = if is_plan { "would be marked" } else { "marked now" };
        context.output.talk(&format!("{marked} {when}: nothing needs them any more"));
    }
    for called in &outcome.lapsed_called {
        let device = printable_text(called);
        context.output.talk(&format!("device {device} was silent for 90 days and is no longer waited for"));
    }
    for hindrance in &outcome.hindrances {
        context.output.warn(&format!("nothing can be deleted: {}", printable_text(hindrance)));
    }
    Ok(())
}

fn reason(wait: &CollectWait, remote: &str) -> String {
    let devices = printable_text(&wait.called.join(", "));
    match wait.waits_for {
        "devices" => format!("not agreed yet: device {devices}; safelight sync there does it"),
        "history" => format!("the last history of device {devices} was not read here yet"),
        "time" => format!("until {}", wait.until.as_deref().unwrap_or_default()),
        "proof" => {
            let remotes = wait.remotes.join(", ");
            let commands: Vec<String> =
                wait.remotes.iter().map(|name| format!("safelight verify --remote {name} --all")).collect();
            format!(
                "still needed: {} was not read back here within 30 days; {}",
                printable_text(&remotes),
                printable_text(&commands.join(" or "))
            )
        }
        "showing" => "it may go since the plan was shown; the next collection shows it".to_owned(),
        _ => format!(
            "still needed: nothing else connected here is known to hold it; safelight remote replicate {} OTHER",
            printable_text(remote)
        ),
    }
}
