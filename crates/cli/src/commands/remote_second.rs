//! `safelight remote replicate` and `safelight remote compare`: a second place beside the first.

use safelight_library::{ComparedKind, Counted, ReplicateRequest, is_link_unmetered};

use crate::commands::sync::refuse_held_at;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, size};

pub(crate) fn replicate(context: &Context, from: &str, to: &str) -> Result<(), Failure> {
    if context.global.dry_run {
        return compare(context, from, Some(to));
    }
    let mut library = context.open_library()?;
    let request =
        ReplicateRequest { from, to, consent: context.global.yes, is_unmetered: is_link_unmetered() };
    let outcome = library.replicate_remote(&request, &context.surroundings(), &context.progress);
    library.close()?;
    let outcome = outcome?;
    if context.output.json() {
        context.output.print_json(&outcome)?;
    } else {
        context.output.talk(&format!(
            "{} copied from {from} to {to} ({}), {} there already, {} missing in {from}",
            counted(outcome.copied.objects, "object", "objects"),
            size(outcome.copied.bytes),
            outcome.present_objects,
            outcome.missing_objects
        ));
        if outcome.archived_objects > 0 {
            context.output.talk(&format!(
                "{} archived in {from} and must be thawed first",
                counted(outcome.archived_objects, "object is", "objects are")
            ));
        }
        if outcome.kept_objects > 0 {
            context.output.talk(&format!(
                "{} kept away from {to} by its policy",
                counted(outcome.kept_objects, "object was", "objects were")
            ));
        }
    }
    if context.interrupted() {
        return Err(Failure::new(Exit::Incomplete, "interrupted; the same command goes on from here"));
    }
    if outcome.missing_objects > 0 {
        return Err(Failure::new(Exit::Incomplete, format!("{from} does not hold everything"))
            .hint(format!("safelight sync {to} sends what only this device holds")));
    }
    if outcome.archived_objects > 0 {
        return Err(Failure::new(Exit::Incomplete, format!("what is archived in {from} was not copied"))
            .hint(format!(
                "safelight local thaw brings it back to this device; the next safelight sync {to} sends it"
            )));
    }
    if let Some(capped) = &outcome.capped {
        return Err(Failure::new(Exit::Incomplete, format!("{to}: {}", capped.reason()))
            .hint("the same command goes on then"));
    }
    refuse_held_at(&[(to, outcome.held)], "the same command with --yes sends them")
}

pub(crate) fn compare(context: &Context, first: &str, second: Option<&str>) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let found = library.compare_remotes(first, second, &context.surroundings(), &context.progress);
    library.close()?;
    let found = found?;
    if context.output.json() {
        return Ok(context.output.print_json(&found)?);
    }
    for (kind, compared) in [("originals", &found.originals), ("packs", &found.packs)] {
        show(context, kind, compared, first, second)?;
    }
    for (what, counts) in [("marked to leave", found.marked), ("nothing speaks of", found.strangers)] {
        for (name, held) in [Some(first), second].into_iter().flatten().zip(counts) {
            if held.objects > 0 {
                context.output.data(&line(&format!("{name}: {what}"), held))?;
            }
        }
    }
    Ok(())
}

fn show(
    context: &Context,
    kind: &str,
    compared: &ComparedKind,
    first: &str,
    second: Option<&str>,
) -> Result<(), Failure> {
    context.output.data(&line(&format!("{kind}: expected"), compared.expected))?;
    context.output.data(&line(&format!("{kind}: in {first}"), compared.in_first))?;
    let Some(second) = second else {
        return Ok(context.output.data(&line(&format!("{kind}: missing"), compared.in_neither))?);
    };
    context.output.data(&line(&format!("{kind}: in {second}"), compared.in_second))?;
    context.output.data(&line(&format!("{kind}: only in {first}"), compared.only_first))?;
    context.output.data(&line(&format!("{kind}: only in {second}"), compared.only_second))?;
    Ok(context.output.data(&line(&format!("{kind}: in neither"), compared.in_neither))?)
}

fn line(what: &str, held: Counted) -> String {
    format!("{what:<32}  {} ({})", counted(held.objects, "object", "objects"), size(held.bytes))
}
