//! `safelight device quarantine`: what devices wrote after they had left.

use safelight_library::ShownQuarantined;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable_text, size};

/// Lists the pieces, and what each would do.
pub(super) fn list(context: &Context) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let found = library.quarantined(&context.surroundings());
    library.close()?;
    let found = found?;
    let wrong: Vec<&String> = found.problems.iter().chain(&found.unreached).collect();
    if context.output.json() {
        context.output.print_json(&found)?;
    } else {
        for piece in &found.pieces {
            context.output.data(&line(piece))?;
        }
        for said in &wrong {
            context.output.talk(&printable_text(said));
        }
        if found.pieces.is_empty() && wrong.is_empty() {
            context.output.talk("Nothing rests in the remotes that a device wrote after it had left.");
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::silent(Exit::Incomplete)) }
}

/// Takes the next piece of a device over.
pub(super) fn accept(context: &Context, device: &str, piece: &str) -> Result<(), Failure> {
    context.refuse_dry_run("device quarantine accept", "device quarantine lists what each piece would do")?;
    let mut library = context.open_library()?;
    let taken = library.take_over(device, piece, context.global.yes, &context.surroundings());
    library.close()?;
    let taken = taken?;
    if context.output.json() {
        return Ok(context.output.print_json(&taken)?);
    }
    context.output.talk(&format!(
        "Taken over: {}. Of it {} new here; other devices hear of it with the next sync.",
        line(&taken.piece),
        counted(taken.new_operations, "operation was", "operations were")
    ));
    Ok(())
}

/// `42-9f3c21ab of Kitchen tablet, 2026-05-14 10:11:12: adds 3 photos, takes 1 photo, 2 other changes (12 kB, in nas)`
fn line(piece: &ShownQuarantined) -> String {
    let device = piece.device_name.as_deref().unwrap_or(&piece.device);
    let when = piece.when.as_deref().map(|when| format!(", {when}")).unwrap_or_default();
    let ahead = if piece.is_ahead { "; builds on history that is not here: sync first" } else { "" };
    let settings = match piece.settings {
        0 => String::new(),
        some => format!(", {} of the whole library", counted(some, "setting", "settings")),
    };
    let unreadable = match piece.unreadable {
        0 => String::new(),
        some => format!(", {some} that this version cannot read"),
    };
    format!(
        "{} of {}{when}: adds {}, takes {}, {}{settings}{unreadable} ({}, in {}){ahead}",
        piece.piece,
        printable_text(device),
        counted(piece.adds, "photo", "photos"),
        counted(piece.takes, "photo", "photos"),
        counted(piece.changes, "other change", "other changes"),
        size(piece.bytes),
        printable_text(&piece.remote)
    )
}
