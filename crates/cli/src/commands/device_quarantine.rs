//! `safelight device quarantine`: what devices wrote after they had left.

use safelight_library::ShownQuarantined;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{counted, printable_text, size};

/// Lists the pieces, and what each would do.
pub(super) fn list(context: &Context) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let found = library.quarantined(None, &context.surroundings(), &context.progress);
    library.close()?;
    let found = found?;
    if context.output.json() {
        return Ok(context.output.print_json(&found)?);
    }
    for segment in &found {
        context.output.data(&line(segment))?;
    }
    if found.is_empty() {
        context.output.talk("Nothing rests in the remotes that a device wrote after it had left.");
    }
    Ok(())
}

/// Takes the next piece of a device over.
pub(super) fn accept(context: &Context, device: &str, number: u32) -> Result<(), Failure> {
    context.refuse_dry_run("device quarantine accept", "device quarantine lists what each piece would do")?;
    let mut library = context.open_library()?;
    let consent = context.global.yes;
    let taken = library.take_over(device, number, consent, &context.surroundings(), &context.progress);
    library.close()?;
    let taken = taken?;
    if context.output.json() {
        return Ok(context.output.print_json(&taken)?);
    }
    context.output.talk(&format!(
        "Taken over: {}. Of it {} new here; other devices hear of it with the next sync.",
        line(&taken.segment),
        counted(taken.new_operations, "operation was", "operations were")
    ));
    Ok(())
}

/// `7 of Kitchen tablet, 2026-05-14 10:11:12: adds 3 photos, takes 1 photo, 2 other changes (12 kB, in nas)`
fn line(segment: &ShownQuarantined) -> String {
    let device = segment.device_name.as_deref().unwrap_or(&segment.device);
    let when = segment.when.as_deref().map(|when| format!(", {when}")).unwrap_or_default();
    let ahead = if segment.is_ahead { "; builds on history that is not here: sync first" } else { "" };
    let unreadable = match segment.unreadable {
        0 => String::new(),
        some => format!(", {some} that this version cannot read"),
    };
    format!(
        "{} of {}{when}: adds {}, takes {}, {}{unreadable} ({}, in {}){ahead}",
        segment.segment,
        printable_text(device),
        counted(segment.adds, "photo", "photos"),
        counted(segment.takes, "photo", "photos"),
        counted(segment.changes, "other change", "other changes"),
        size(segment.bytes),
        printable_text(&segment.remote)
    )
}
