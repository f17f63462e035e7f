//! `safelight set`: changes what is known of photos.

use clap::Args;
use safelight_library::{Among, Changes, EditReport, Library, Selection};

use super::list::joined;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::counted;
use crate::prompt;

/// More photos than this are changed only after a person agreed.
const FEW_PHOTOS: usize = 100;

/// So many ids of what would change are shown.
const SHOWN_PHOTOS: usize = 10;

/// Change what is known of photos: captions, ratings, dates, tags, albums
///
/// Photos are named by ids, paths or file names, or by one query. Changes follow:
///
///   caption=TEXT title=TEXT          nothing behind the = hides what the file says
///   rating=0..5                      -1 is rejected
///   favourite=yes|no hidden=yes|no
///   date='2023-05-14 10:11 +02:00'   also 2023, 2023-05, a zone such as Europe/Lisbon, or none
///   date+=1h30m date-=2d             moves dates of a clock that was wrong: d, h, m and s
///   zone=Europe/Lisbon               where that clock hung: a name, +02:00 or none
///   place='38.71,-9.14 Alfama'       latitude,longitude, perhaps a name; or a name alone
///   tag+=sea tag-=sea album+=Trips/Iceland album-=Iceland
///   rotate=0|90|180|270              clockwise; rotate+=90 and rotate-=90 turn further
///   stack=ITEM                       lies under that photo; stack=none under none
///
/// --clear FIELD takes back what was typed, so that what the file says shows again. The files
/// themselves are never changed.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Photos, then changes
    #[arg(required = true, value_name = "ITEMS… CHANGES")]
    words: Vec<String>,
    /// Take back what was typed into this field
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    clear: Vec<String>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let (changes, items): (Vec<String>, Vec<String>) =
        arguments.words.iter().cloned().partition(|word| Changes::is_one(word));
    let changes = Changes::parse(&changes, &arguments.clear)?;
    if changes.is_empty() {
        return Err(Failure::usage("nothing is to change").hint(
            "name a field: safelight set ITEMS caption='At the harbour'; safelight set --help lists them",
        ));
    }
    if items.is_empty() {
        return Err(Failure::usage("no photo is named")
            .hint("put ids, paths or a query before the changes: safelight set tag:sea rating=4"));
    }
    let mut library = context.open_library()?;
    let selection = select(&library, &items, Among::WhatIsAsked)?;
    agree_if_many(context, &selection, "change")?;
    let report = library.edit(&selection, &changes, context.global.dry_run)?;
    library.close()?;
    tell(context, &report, "changed", "would change", "were so already")
}

/// The photos that items name.
pub(crate) fn select(library: &Library, items: &[String], among: Among) -> Result<Selection, Failure> {
    Ok(library.select(items, &joined(items), among)?)
}

/// Asks before many photos are changed at once.
pub(crate) fn agree_if_many(context: &Context, selection: &Selection, verb: &str) -> Result<(), Failure> {
    if selection.len() <= FEW_PHOTOS || context.global.yes || context.global.dry_run {
        return Ok(());
    }
    let message = format!("this would {verb} {}", counted(selection.len() as u64, "photo", "photos"));
    if prompt::someone_is_there() && prompt::agree(&format!("{message}. Go on?"))? {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, message).hint("--dry-run shows which, --yes does it"))
}

/// Says what was done.
pub(crate) fn tell(
    context: &Context,
    report: &EditReport,
    done: &str,
    would: &str,
    already: &str,
) -> Result<(), Failure> {
    if context.output.json() {
        context.output.print_json(report)?;
        return Ok(());
    }
    let changed = counted(report.changed.len() as u64, "photo", "photos");
    if report.dry_run {
        for id in report.changed.iter().take(SHOWN_PHOTOS) {
            context.output.data(id.get(..10).unwrap_or(id))?;
        }
        let more = report.changed.len().saturating_sub(SHOWN_PHOTOS) as u64;
        if more > 0 {
            context.output.talk(&format!("and {} more", counted(more, "photo", "photos")));
        }
        context.output.talk(&format!("{changed} {would}"));
    } else {
        context.output.talk(&format!("{changed} {done}"));
    }
    if report.unchanged > 0 {
        context.output.talk(&format!("{} {already}", crate::output::grouped(report.unchanged)));
    }
    for notice in &report.notices {
        context.output.warn(&crate::output::printable_text(notice));
    }
    Ok(())
}
