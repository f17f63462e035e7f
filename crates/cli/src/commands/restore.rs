//! `safelight restore`: photos and albums as they were.

use std::collections::BTreeSet;

use clap::Args;
use safelight_library::{Among, Part, RestoreReport, RestoreRequest};

use super::brake::agreeing;
use super::set::{agree_if_many, select};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::counted;
use crate::prompt;

/// Make photos and albums say again what they said at a moment
///
/// Captions, ratings, dates, places, tags, albums, the trash, what is hidden, turned and stacked; --only names some of them.
/// Photos that came since stay. What was removed for good comes back only where its bytes are still on this device, as
/// they are while the brake is on. It is a change like any other: it is in
/// history, and safelight undo takes it back. --dry-run says what would change.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// As of when: 2026-05-14 (the end of that day), "2026-05-14 10:30", yesterday, "3 hours ago", or a snapshot
    #[arg(long, value_name = "WHEN")]
    to: String,
    /// Which photos: ids, paths or a query; the whole library without any
    items: Vec<String>,
    /// Only these parts
    #[arg(long, value_name = "PART", value_delimiter = ',', value_parser = part)]
    only: Vec<Part>,
}

fn part(word: &str) -> Result<Part, String> {
    Part::of_word(word).ok_or_else(|| {
        let words: Vec<_> = Part::ALL.into_iter().map(Part::word).collect();
        format!("the parts are {}", words.join(", "))
    })
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let moment = context.moment(&arguments.to);
    let dry_run = context.global.dry_run;
    let mut library = if dry_run { context.open_library_to_read()? } else { context.open_library()? };
    let selection = match arguments.items.as_slice() {
        [] => None,
        items => Some(select(&library, items, Among::Everywhere)?),
    };
    if let Some(selection) = &selection {
        agree_if_many(context, selection, "make as they were")?;
    }
    let parts: BTreeSet<_> =
        if arguments.only.is_empty() { Part::ALL.into() } else { arguments.only.iter().copied().collect() };
    let mut request = RestoreRequest { moment: &moment, selection: selection.as_ref(), parts, dry_run };
    if selection.is_none() && !context.global.yes && !dry_run {
        request.dry_run = true;
        let trial = library.restore_to(&request)?;
        if !trial.changed.is_empty() || !trial.brought_back.is_empty() || trial.albums > 0 {
            agree(&trial, &moment.to_string())?;
        }
        request.dry_run = false;
    }
    let report = agreeing(context, &mut library, |library| library.restore_to(&request))?;
    library.close()?;
    if context.output.json() {
        return Ok(context.output.print_json(&report)?);
    }
    tell(context, &report, &moment.to_string())
}

/// Asks before the whole library is made as it was.
fn agree(report: &RestoreReport, moment: &str) -> Result<(), Failure> {
    let as_before = if is_one(report) { "as it was" } else { "as they were" };
    let message = format!("this would make {} {as_before} at {moment}", things(report));
    if prompt::someone_is_there() && prompt::agree(&format!("{message}. Go on?"))? {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, message).hint("--dry-run says which parts, --yes does it"))
}

fn is_one(report: &RestoreReport) -> bool {
    photos(report) + report.albums == 1
}

fn photos(report: &RestoreReport) -> u64 {
    (report.changed.len() + report.brought_back.len()) as u64
}

fn things(report: &RestoreReport) -> String {
    let photos = counted(photos(report), "photo", "photos");
    match report.albums {
        0 => photos,
        albums => format!("{photos} and {}", counted(albums, "album", "albums")),
    }
}

fn tell(context: &Context, report: &RestoreReport, moment: &str) -> Result<(), Failure> {
    for (part, photos) in &report.parts {
        context.output.data(&format!("{part:>9}  {}", counted(*photos, "photo", "photos")))?;
    }
    let verb = match (report.dry_run, is_one(report)) {
        (true, true) => "would be as it was at",
        (true, false) => "would be as they were at",
        (false, true) => "is as it was at",
        (false, false) => "are as they were at",
    };
    context.output.talk(&format!("{} {verb} {moment}", things(report)));
    if report.since > 0 {
        context.output.talk(&format!("{} came since and stay", counted(report.since, "photo", "photos")));
    }
    let back = report.brought_back.len() as u64;
    if back > 0 {
        let photos = counted(back, "photo", "photos");
        let verb = match (report.dry_run, back) {
            (true, _) => "would come back",
            (false, 1) => "is back",
            (false, _) => "are back",
        };
        context
            .output
            .talk(&format!("{photos} {verb}, removed for good since: the bytes were still on this device"));
    }
    if report.pictures_lost > 0 {
        context.output.warn(&format!(
            "{} replaced by another version since, and of the one before no bytes are left on this device or in a remote: what              is shown stays",
            counted(report.pictures_lost, "photo was", "photos were")
        ));
    }
    if report.removed_since > 0 {
        context.output.warn(&format!(
            "{} removed for good since: nothing in this library brings them back",
            counted(report.removed_since, "photo was", "photos were")
        ));
    }
    Ok(())
}
