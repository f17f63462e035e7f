//! `safelight dedupe`: photos that are there more than once, which of them to keep, and settling that.

use clap::Args;
use safelight_library::{
    ChosenGroup, ChosenStack, DedupeReport, DuplicateKind, Duplicates, Library, ShownGroup,
};
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, grouped, printable_text, size};
use crate::prompt;

use super::set::tell;

/// More photos than this go to the trash only after a person agreed.
const FEW_PHOTOS: u64 = 100;
/// Groups are shown so many at a time.
const PAGE_GROUPS: usize = 500;

/// Find photos that are there more than once, and settle them
///
/// The same bytes in several places are one photo already. This finds other bytes that show the same: exact
/// copies, and near ones that were saved again, resized, retouched or cut. It says which one to keep and why.
///
/// --apply gives the one to keep what the others have and it lacks (albums, tags, a rating, words, a date, a
/// place), reads its original back, and only then puts the others into the trash. Without --group it settles
/// what is safe: where nothing but the number of copies is lost. --undo takes the last time back.
///
/// Several shots of one moment are never put away: --stack shows them as one.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Show what there is and what would be done; so without any flag
    #[arg(long)]
    plan: bool,
    /// Settle all safe groups, or those that --group names
    #[arg(long, conflicts_with_all = ["plan", "undo"])]
    apply: bool,
    /// Stack the shots of one moment
    #[arg(long, conflicts_with_all = ["plan", "undo"])]
    stack: bool,
    /// Only this group, by its number in the plan
    #[arg(long, value_name = "GROUP", conflicts_with = "undo")]
    group: Vec<String>,
    /// Take back what --apply did last on this device
    #[arg(long, conflicts_with = "plan")]
    undo: bool,
}

/// What `--json` prints of a plan.
#[derive(Serialize)]
struct Plan<'a> {
    exact: u64,
    near: u64,
    burst: u64,
    safe: u64,
    freed_bytes: u64,
    groups: &'a [ShownGroup],
}

/// What `--json` prints when groups were settled or stacked.
#[derive(Default, Serialize)]
struct Done {
    #[serde(flatten)]
    settled: DedupeReport,
    stacked: u64,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.undo {
        return undo(context);
    }
    let mut library = if arguments.apply || arguments.stack {
        context.open_library()?
    } else {
        context.open_library_to_check()?
    };
    let found = library.find_duplicates(None, &context.progress)?;
    let groups = chosen(all(&library, &found)?, &arguments.group)?;
    if !(arguments.apply || arguments.stack) {
        library.close()?;
        return plan(context, &found, &groups);
    }
    if !context.global.dry_run {
        library.remember_alike(&found)?;
    }
    let mut done = Done::default();
    if arguments.apply {
        done.settled = apply(context, &mut library, &found, &groups, !arguments.group.is_empty())?;
    }
    if arguments.stack {
        done.stacked = stack(context, &mut library, &groups)?;
    }
    library.close()?;
    report(context, arguments, &done)
}

fn all(library: &Library, found: &Duplicates) -> Result<Vec<ShownGroup>, Failure> {
    let mut groups = Vec::new();
    loop {
        let page = library.show_duplicates(found, None, groups.len()..groups.len() + PAGE_GROUPS)?;
        if page.is_empty() {
            return Ok(groups);
        }
        groups.extend(page);
    }
}

/// The groups whose numbers begin so; all without any.
fn chosen(groups: Vec<ShownGroup>, wanted: &[String]) -> Result<Vec<ShownGroup>, Failure> {
    if wanted.is_empty() {
        return Ok(groups);
    }
    for number in wanted {
        let count = groups.iter().filter(|group| !number.is_empty() && group.id.starts_with(number)).count();
        if count != 1 {
            let message =
                format!("{} groups have the number {}", counted_or_no(count), printable_text(number));
            return Err(Failure::new(Exit::NotFound, message).hint("safelight dedupe shows the numbers"));
        }
    }
    let is_wanted = |group: &ShownGroup| wanted.iter().any(|number| group.id.starts_with(number));
    Ok(groups.into_iter().filter(is_wanted).collect())
}

fn counted_or_no(count: usize) -> String {
    if count == 0 { "no".into() } else { grouped(count as u64) }
}

fn plan(context: &Context, found: &Duplicates, groups: &[ShownGroup]) -> Result<(), Failure> {
    let counts = found.counts();
    if context.output.json() {
        context.output.print_json(&Plan {
            exact: counts.exact,
            near: counts.near,
            burst: counts.burst,
            safe: found.safe_groups(),
            freed_bytes: found.safe_bytes(),
            groups,
        })?;
        return Ok(());
    }
    for group in groups {
        for line in lines(group) {
            context.output.data(&line)?;
        }
    }
    let told = [(counts.exact, "exact"), (counts.near, "near"), (counts.burst, "burst")];
    let told: Vec<String> = told.iter().map(|(count, kind)| format!("{} {kind}", grouped(*count))).collect();
    context.output.talk(&format!("Groups: {}", told.join(", ")));
    if found.safe_groups() > 0 {
        context.output.talk(&format!(
            "safelight dedupe --apply settles {}: {} would go to the trash",
            counted(found.safe_groups(), "safe group", "safe groups"),
            size(found.safe_bytes())
        ));
    }
    if counts.burst > 0 {
        context.output.talk("safelight dedupe --stack stacks the bursts");
    }
    Ok(())
}

/// A group in lines: its number and what stands behind the proposal, then its photos.
fn lines(group: &ShownGroup) -> Vec<String> {
    let kind = match group.kind {
        DuplicateKind::Exact => "exact",
        DuplicateKind::Near => "near",
        DuplicateKind::Burst => "burst",
    };
    let doubt = match &group.unsafe_because {
        Some(doubt) if group.kind != DuplicateKind::Burst => format!("; look first: {doubt}"),
        _ => String::new(),
    };
    let mut lines = vec![format!("{}  {kind}{doubt}", group.id.get(..8).unwrap_or(&group.id))];
    for item in &group.items {
        let is_kept = item.id == group.keep;
        let mark = match (is_kept, group.kind) {
            (true, DuplicateKind::Burst) => "show",
            (true, _) => "keep",
            (false, DuplicateKind::Burst) => "    ",
            (false, _) => "drop",
        };
        let why = if is_kept { format!("  ({})", group.reason) } else { String::new() };
        lines.push(format!(
            "  {mark}  {}  {:>5} × {:<5} {:>9}  {}{why}",
            item.id.get(..10).unwrap_or(&item.id),
            item.width,
            item.height,
            size(item.bytes),
            printable_text(&item.name)
        ));
    }
    lines
}

fn apply(
    context: &Context,
    library: &mut Library,
    found: &Duplicates,
    groups: &[ShownGroup],
    is_chosen: bool,
) -> Result<DedupeReport, Failure> {
    let wanted: Vec<ChosenGroup> = groups
        .iter()
        .filter(|group| group.kind != DuplicateKind::Burst && (is_chosen || group.safe))
        .map(|group| {
            let others = group.items.iter().map(|item| &item.id).filter(|id| **id != group.keep);
            ChosenGroup { keep: group.keep.clone(), drop: others.cloned().collect() }
        })
        .collect();
    let going = wanted.iter().map(|chosen| chosen.drop.len() as u64).sum();
    agree(context, going)?;
    // Of what nobody chose, each group is looked at once more, and those that are not what they seemed stay.
    let wanted = is_chosen.then_some(wanted.as_slice());
    Ok(library.settle_duplicates(found, wanted, context.global.dry_run, &context.progress)?)
}

/// Asks before many photos go at once.
fn agree(context: &Context, going: u64) -> Result<(), Failure> {
    if going <= FEW_PHOTOS || context.global.yes || context.global.dry_run {
        return Ok(());
    }
    let message = format!("this would put {} into the trash", counted(going, "photo", "photos"));
    if prompt::someone_is_there() && prompt::agree(&format!("{message}. Go on?"))? {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, message).hint("safelight dedupe shows which, --yes does it"))
}

fn stack(context: &Context, library: &mut Library, groups: &[ShownGroup]) -> Result<u64, Failure> {
    let bursts = groups.iter().filter(|group| group.kind == DuplicateKind::Burst);
    let stacks: Vec<ChosenStack> = bursts
        .map(|group| ChosenStack {
            cover: group.keep.clone(),
            items: group.items.iter().map(|item| item.id.clone()).collect(),
        })
        .collect();
    if !context.global.dry_run && !stacks.is_empty() {
        library.stack_duplicates(&stacks)?;
    }
    Ok(stacks.len() as u64)
}

fn report(context: &Context, arguments: &Arguments, done: &Done) -> Result<(), Failure> {
    if context.output.json() {
        context.output.print_json(done)?;
        return ended(done);
    }
    let would = if context.global.dry_run { "would be " } else { "" };
    if arguments.apply {
        let settled = &done.settled;
        context.output.talk(&format!(
            "{} {would}put into the trash ({}), {} {would}kept",
            counted(settled.trashed, "photo", "photos"),
            size(settled.freed_bytes),
            counted(settled.kept, "photo", "photos"),
        ));
        if settled.trashed > 0 && !context.global.dry_run {
            context
                .output
                .talk("safelight dedupe --undo takes it back; safelight trash empty frees the space");
        }
        for notice in &settled.notices {
            context.output.warn(&printable_text(notice));
        }
    }
    if arguments.stack {
        context.output.talk(&format!("{} {would}stacked", counted(done.stacked, "burst", "bursts")));
    }
    ended(done)
}

fn ended(done: &Done) -> Result<(), Failure> {
    if done.settled.damaged > 0 { Err(Failure::silent(Exit::Damaged)) } else { Ok(()) }
}

fn undo(context: &Context) -> Result<(), Failure> {
    context.refuse_dry_run("dedupe --undo", "safelight trash lists what it would take out of the trash")?;
    let mut library = context.open_library()?;
    let report = library.undo_settling()?;
    library.close()?;
    tell(context, &report, "as before", "would be as before", "were so already")
}
