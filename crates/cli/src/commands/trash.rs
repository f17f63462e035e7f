//! `safelight trash`: what is put away, taken back, or gone for good.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use safelight_library::{Among, PurgePlan, TrashedAsset};

use super::brake::agreeing;
use super::list::joined;
use super::set::{agree_if_many, select, tell};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable_bytes, size};
use crate::prompt;

/// Put photos into the trash, list it, take photos back, or empty it
///
/// Without an item this lists the trash. What lies in it shows nowhere else and can be taken back at
/// any time; only empty removes anything. A file that is called list, restore, empty, forget or receipts is named
/// ./list.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Photos to put into the trash: ids, paths, or a query
    items: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the trash
    List {
        /// Only what this query finds
        query: Vec<String>,
    },
    /// Take photos out of the trash
    Restore {
        /// Ids, paths, or a query in the trash
        #[arg(required_unless_present = "all")]
        items: Vec<String>,
        /// Everything that lies in it
        #[arg(long, conflicts_with = "items")]
        all: bool,
    },
    /// Remove what is in the trash for good: their sealed bytes go, linked files stay where they are
    Empty {
        /// Only these: ids, paths, or a query in the trash
        items: Vec<String>,
        /// Only what has lain there for longer than this: 30d, 12h
        #[arg(long, value_name = "AGE", value_parser = age)]
        older_than: Option<Duration>,
    },
    /// Remove photos and every trace of them: bytes, renditions, and what history says of them, here and in all remotes
    ///
    /// It waits for nobody and keeps nothing for snapshots. A signed receipt says what went, and where something may still be and
    /// until when. Without an item it goes on with what waits.
    Forget {
        /// Ids, paths, or a query; in the trash or not
        items: Vec<String>,
        /// Write the receipt into a new file
        #[arg(long, value_name = "FILE")]
        receipt: Option<PathBuf>,
    },
    /// Show the receipts of what was forgotten on this device
    Receipts,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        None if arguments.items.is_empty() => list(context, &[]),
        None => put(context, &arguments.items),
        Some(Action::List { query }) => list(context, query),
        Some(Action::Restore { items, all }) => restore(context, items, *all),
        Some(Action::Empty { items, older_than }) => empty(context, items, *older_than),
        Some(Action::Forget { items, receipt }) => {
            super::trash_forget::run(context, items, receipt.as_deref())
        }
        Some(Action::Receipts) => super::trash_forget::receipts(context),
    }
}

/// What is said when there is not even room to write down what goes.
const ROOM_TO_RECORD: &str = "what goes is recorded before it goes, which needs 1 MB of room on the library's disk: free that much and \
     run the same command again";

fn list(context: &Context, query: &[String]) -> Result<(), Failure> {
    let library = context.open_library_to_check()?;
    let trashed = library.list_trash(&joined(query))?;
    library.close()?;
    if context.output.json() {
        context.output.print_json(&trashed)?;
        return Ok(());
    }
    for asset in &trashed {
        context.output.data(&line(asset))?;
    }
    context.output.talk(&format!("{} in the trash", counted(trashed.len() as u64, "photo", "photos")));
    Ok(())
}

fn line(trashed: &TrashedAsset) -> String {
    let asset = &trashed.asset;
    let path = printable_bytes(asset.path.as_bytes());
    format!("{}  since {}  {:>9}  {path}", asset.short_id(), trashed.trashed, size(asset.size))
}

fn put(context: &Context, items: &[String]) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let selection = select(&library, items, Among::WhatIsAsked)?;
    agree_if_many(context, &selection, "put into the trash")?;
    let report =
        agreeing(context, &mut library, |library| library.trash(&selection, true, context.global.dry_run))?;
    library.close()?;
    tell(context, &report, "put into the trash", "would go into the trash", "were in the trash already")
}

fn restore(context: &Context, items: &[String], all: bool) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let selection =
        if all { library.everything_in_the_trash()? } else { select(&library, items, Among::Trashed)? };
    agree_if_many(context, &selection, "take out of the trash")?;
    let report = library.trash(&selection, false, context.global.dry_run)?;
    library.close()?;
    tell(context, &report, "taken out of the trash", "would come out of the trash", "were not in the trash")
}

fn empty(context: &Context, items: &[String], older_than: Option<Duration>) -> Result<(), Failure> {
    remove_for_good(context, items, older_than).map_err(|failure| match failure.is_full {
        true => failure.hint(ROOM_TO_RECORD),
        false => failure,
    })
}

fn remove_for_good(context: &Context, items: &[String], older_than: Option<Duration>) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let selection = if items.is_empty() { None } else { Some(select(&library, items, Among::Trashed)?) };
    let plan = library.plan_purge(selection.as_ref(), older_than)?;
    if context.global.dry_run {
        if context.output.json() {
            context.output.print_json(&plan)?;
        }
        context.output.talk(&told(&plan));
        return Ok(library.close()?);
    }
    if !plan.is_empty() && !context.global.yes {
        let message = told(&plan);
        let question = format!("{message}. There is no way back. Go on?");
        if !(prompt::someone_is_there() && prompt::agree(&question)?) {
            return Err(Failure::new(Exit::Refused, message).hint(
                "there is no way back; --yes does it, safelight trash restore takes photos back first",
            ));
        }
    }
    // Also with nothing to purge: an emptying that was cut short may have left bytes.
    let (staying, in_snapshots) = (plan.staying, plan.in_snapshots);
    let report = library.purge(plan, &context.progress)?;
    library.close()?;
    if context.output.json() {
        context.output.print_json(&report)?;
    } else {
        let purged = counted(report.purged, "photo", "photos");
        context.output.talk(&format!("{purged} removed for good, {} freed", size(report.freed_bytes)));
        if let Some(stay) = that_stay(staying, in_snapshots) {
            context.output.talk(&stay);
        }
        if report.restored_meanwhile > 0 {
            let stayed = counted(report.restored_meanwhile, "photo", "photos");
            context.output.talk(&format!("{stayed} stayed: taken out of the trash meanwhile"));
        }
    }
    if let Some(reason) = &report.bytes_left {
        context.output.warn(&format!(
            "their bytes are still on this disk: {reason}. safelight trash empty removes them later"
        ));
    }
    Ok(())
}

fn told(plan: &PurgePlan) -> String {
    let mut message = format!(
        "{} ({}) would be removed for good",
        counted(plan.photos, "photo", "photos"),
        size(plan.bytes)
    );
    if plan.linked > 0 {
        message.push_str(&format!(
            "; of {} of them the file is linked and stays where it is",
            crate::output::grouped(plan.linked)
        ));
    }
    if plan.staying > 0 {
        message.push_str(&format!("; {} in the trash would stay", crate::output::grouped(plan.staying)));
        message.push_str(&held_by_snapshots(plan.in_snapshots));
    }
    message
}

/// How many stay, and why, after an emptying.
fn that_stay(staying: u64, in_snapshots: u64) -> Option<String> {
    let stay = counted(staying, "photo stays in the trash", "photos stay in the trash");
    (staying > 0).then(|| format!("{stay}{}", held_by_snapshots(in_snapshots)))
}

/// The rest of a sentence about photos that stay.
fn held_by_snapshots(count: u64) -> String {
    match count {
        0 => String::new(),
        held => format!(
            ", {} of them because snapshots hold them (safelight snapshot)",
            crate::output::grouped(held)
        ),
    }
}

/// `30d`, `12h`, `90m`.
fn age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is no age; an age is a number with d, h or m, such as 30d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let minutes: u64 = match unit {
        "d" => 24 * 60,
        "h" => 60,
        "m" => 1,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(minutes * 60).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_numbers_with_a_unit() {
        assert_eq!(age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(age("0h"), Ok(Duration::ZERO));
        for text in ["", "d", "30", "30 days", "-1d", "1é", "99999999999999999999d", "18446744073709551615d"]
        {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
