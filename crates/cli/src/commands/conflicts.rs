//! `safelight conflicts`: what two devices changed at the same time, and which value to keep.

use clap::{Args, Subcommand};
use safelight_library::{Among, Changes, Resolution, ShownConflict};

use super::set::{select, tell};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, device_in_column, printable_text};

/// Show what devices disagree about, and settle it
///
/// When two devices change the same field before they hear of each other, one value shows and the other
/// is kept. Nothing is lost by waiting.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them
    List,
    /// Settle one: by a value of your own, or by the number of one that is there
    Resolve {
        /// A photo (id, path or query), album:NAME, or library
        item: String,
        /// A field to settle by --keep, or changes as safelight set takes them
        changes: Vec<String>,
        /// Keep the value with this number
        #[arg(long, value_name = "N")]
        keep: Option<usize>,
    },
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        None | Some(Action::List) => list(context),
        Some(Action::Resolve { item, changes, keep: Some(keep) }) => match changes.as_slice() {
            [] => settle(context, item, Resolution { field: None, keep: *keep }),
            [field] if !Changes::is_one(field) => {
                settle(context, item, Resolution { field: Some(field), keep: *keep })
            }
            _ => Err(Failure::usage("--keep settles one field").hint("name it, and no other change")),
        },
        Some(Action::Resolve { item, changes, keep: None }) => write(context, item, changes),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let library = context.open_library_to_check()?;
    let conflicts = library.list_conflicts()?;
    library.close()?;
    if context.output.json() {
        context.output.print_json(&conflicts)?;
        return Ok(());
    }
    for conflict in &conflicts {
        for line in lines(conflict) {
            context.output.data(&line)?;
        }
    }
    if conflicts.is_empty() {
        context.output.talk("No devices disagree about anything.");
    } else {
        context.output.talk(&format!(
            "{}; safelight conflicts resolve ITEM FIELD --keep N settles one",
            counted(conflicts.len() as u64, "conflict", "conflicts")
        ));
    }
    Ok(())
}

fn lines(conflict: &ShownConflict) -> Vec<String> {
    let name = printable_text(&conflict.name);
    let mut lines = vec![format!(
        "{} {}  {name}  {}",
        conflict.kind,
        conflict.short_id(),
        printable_text(&conflict.field)
    )];
    let is_copied = conflict.values.iter().filter(|value| value.here).count() > 1;
    for value in &conflict.values {
        let shows = if value.shows { "shows" } else { "" };
        let device = device_in_column(&value.device, value.device_name.as_deref());
        let device = match (value.here, is_copied) {
            (true, true) => "this device or its copy".to_owned(),
            (true, false) => "this device".to_owned(),
            (false, _) => format!("device {device}"),
        };
        lines.push(format!(
            "  {}  {shows:5}  {}  {device}  {}",
            value.number,
            value.when,
            printable_text(&value.value)
        ));
    }
    lines
}

fn settle(context: &Context, item: &str, resolution: Resolution<'_>) -> Result<(), Failure> {
    if context.global.dry_run {
        context.output.talk("Would settle it; safelight conflicts shows the values.");
        return Ok(());
    }
    let mut library = context.open_library()?;
    let kept = library.resolve(item, resolution)?;
    library.close()?;
    if context.output.json() {
        context.output.print_json(&serde_json::json!({ "kept": kept }))?;
    } else {
        context.output.talk(&format!("Kept {}", printable_text(&kept)));
    }
    Ok(())
}

fn write(context: &Context, item: &str, words: &[String]) -> Result<(), Failure> {
    let changes = Changes::parse(words, &[])?;
    if changes.is_empty() {
        return Err(Failure::usage("it is not said which value to keep")
            .hint("safelight conflicts resolve ITEM --keep 2, or … ITEM caption='another one'"));
    }
    if item == "library" || item.starts_with("album:") {
        return Err(Failure::usage("an album's conflict is settled by --keep")
            .hint("safelight conflicts shows the numbers; safelight album rename gives a new name"));
    }
    let mut library = context.open_library()?;
    let selection = select(&library, std::slice::from_ref(&item.to_owned()), Among::Everywhere)?;
    if selection.len() != 1 {
        let message = format!("{item} finds {}", counted(selection.len() as u64, "photo", "photos"));
        return Err(Failure::new(Exit::Usage, message).hint("name one photo by its id"));
    }
    let report = library.edit(&selection, &changes, context.global.dry_run)?;
    library.close()?;
    tell(context, &report, "settled", "would be settled", "had no conflict about it, and say so already")
}

#[cfg(test)]
mod tests {
    use safelight_library::ConflictingValue;

    use super::*;

    fn value(number: usize, value: &str, here: bool) -> ConflictingValue {
        ConflictingValue {
            number,
            value: value.into(),
            shows: number == 1,
            device: "9be1c07a55555555".into(),
            device_name: None,
            here,
            when: "2026-05-14 10:11:12".into(),
        }
    }

    #[test]
    fn a_conflict_names_both_values_with_their_devices_and_times() {
        let conflict = ShownConflict {
            kind: "photo",
            id: "3f9a22c1aa0000000000".into(),
            name: "2021/IMG.jpg".into(),
            field: "caption".into(),
            values: vec![value(1, "At the\nharbour", false), value(2, "Noon", true)],
        };
        assert_eq!(
            lines(&conflict),
            [
                "photo 3f9a22c1aa  2021/IMG.jpg  caption",
                "  1  shows  2026-05-14 10:11:12  device 9be1c07a  At the\\nharbour",
                "  2         2026-05-14 10:11:12  this device  Noon",
            ]
        );
    }

    #[test]
    fn a_device_with_a_name_is_called_by_it_and_a_copy_of_this_one_is_said_to_be_one() {
        let mut values = vec![value(1, "a", true), value(2, "b", true), value(3, "c", false)];
        for value in &mut values {
            value.device_name = (!value.here).then(|| "Laptop".into());
        }
        let (kind, id, name, field) = ("photo", "3f9a22c1aa".into(), "x.jpg".into(), "title".into());
        let shown = lines(&ShownConflict { kind, id, name, field, values });
        assert!(shown[1].contains("  this device or its copy  a"), "{shown:?}");
        assert!(shown[2].contains("  this device or its copy  b"), "{shown:?}");
        assert!(shown[3].contains("  device Laptop  c"), "{shown:?}");
    }
}
