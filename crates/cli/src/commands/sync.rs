//! `safelight sync`: makes this device and its remotes hold what the other has.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use safelight_library::{
    ErrorKind, HeldBack, InboxReport, Library, LibraryError, LinkCost, LocalNews, PolicyChange,
    SwitchStanding, SyncOutcome, SyncPlan, SyncRequest, SyncRun, Turn, is_link_unmetered, link_cost,
};

use crate::commands::import;
use crate::commands::list::joined;
use crate::commands::remote::{cost_line, report_change};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable_text, size};

/// How often --watch looks whether somebody wants to stop.
const NAP: Duration = Duration::from_millis(200);

/// Sync with one remote, or with all
///
/// History goes first, then thumbnails, then originals, newest first. Ctrl-C ends it between two steps; the
/// next sync goes on from there. Originals of other devices stay where they are until safelight local fetch.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    switch: Option<Switch>,
    /// The remote; all of them when none is named
    remote: Option<String>,
    /// Import the watched folders first; what cannot be taken in keeps nothing from being synced
    #[arg(long, conflicts_with = "watch")]
    import: bool,
    /// Go on syncing until Ctrl-C: at once when something changed here, and again and again for what changed elsewhere
    #[arg(long)]
    watch: bool,
    /// Seconds between two looks of --watch for what changed elsewhere
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "watch",
          value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Sync only over a link that costs nothing by the byte; where this system cannot tell, nothing is synced
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Always)]
    when: When,
    /// Sync in quiet hours too
    #[arg(long)]
    now: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum When {
    Always,
    Unmetered,
}

/// Photos that are switched by hand.
#[derive(Debug, Args)]
struct Switched {
    /// Ids, paths, a query, or album:NAME for the album as a whole, whatever comes into it
    #[arg(required = true)]
    items: Vec<String>,
    /// The remote; may be left out while there is only one
    #[arg(long)]
    remote: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Switch {
    /// Send photos or an album to a remote, whatever its policy says
    On(Switched),
    /// Keep photos or an album away from a remote; what is there already stays
    Off(Switched),
    /// Leave photos or an album to the policy again
    Auto(Switched),
    /// Say how photos or an album are switched, and what becomes of them
    Switches(Switched),
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(switch) = &arguments.switch {
        return turn(context, switch);
    }
    if arguments.import {
        context
            .refuse_dry_run("sync --import", "import --dry-run and sync --dry-run say what each would do")?;
    }
    if context.global.dry_run {
        return dry_run(context, arguments);
    }
    if arguments.watch {
        return watch(context, arguments);
    }
    if let Some(failure) = costly(arguments) {
        return Err(failure);
    }
    let imported = if arguments.import { import::before_sync(context)? } else { Ok(()) };
    sync_once(context, arguments)?;
    imported
}

fn sync_once(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let run = once(context, arguments)?;
    report(context, &run.outcomes)?;
    if context.interrupted() {
        return Err(Failure::new(Exit::Incomplete, "interrupted; the next sync goes on from here"));
    }
    if let Some(error) = run.first_error {
        return Err(failed(&run.outcomes, error));
    }
    if context.progress.failures() > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    refuse_held(&run.outcomes)
}

/// Everything else was done: what waits for consent is a safeguard's no.
fn refuse_held(outcomes: &[SyncOutcome]) -> Result<(), Failure> {
    let held: Vec<_> = outcomes.iter().map(|outcome| (outcome.remote.as_str(), outcome.held)).collect();
    refuse_held_at(&held, "safelight sync --yes sends them")
}

/// The same for remotes and what waits there, with what sends it.
pub(crate) fn refuse_held_at(remotes: &[(&str, Option<HeldBack>)], remedy: &str) -> Result<(), Failure> {
    let held: Vec<String> =
        remotes.iter().filter_map(|(remote, held)| held.map(|held| in_words(remote, held))).collect();
    if held.is_empty() {
        return Ok(());
    }
    let hint = format!("{remedy}; remote set NAME expose=N changes how many may newly go without it");
    Err(Failure::new(Exit::Refused, held.join("; ")).hint(hint))
}

/// What waits for consent, in words.
fn held(outcome: &SyncOutcome) -> Option<String> {
    outcome.held.map(|held| in_words(&outcome.remote, held))
}

fn in_words(remote: &str, held: HeldBack) -> String {
    let originals = counted(held.originals, "original", "originals");
    format!(
        "{remote}: {originals} ({}) came to be exposed at once and wait for your consent",
        size(held.bytes)
    )
}

fn turn(context: &Context, switch: &Switch) -> Result<(), Failure> {
    let (word, switched, turn) = match switch {
        Switch::On(switched) => ("sync on", switched, Turn::On),
        Switch::Off(switched) => ("sync off", switched, Turn::Off),
        Switch::Auto(switched) => ("sync auto", switched, Turn::Auto),
        Switch::Switches(switched) => return look(context, switched),
    };
    context.refuse_dry_run(word, "sync switches says how they stand, and sync --dry-run what is to go")?;
    let mut library = context.open_library()?;
    let result = switch_in(&mut library, context, switched, turn);
    library.close()?;
    report_change(context, &result?)
}

fn switch_in(
    library: &mut Library,
    context: &Context,
    switched: &Switched,
    turn: Turn,
) -> Result<PolicyChange, Failure> {
    let remote = match &switched.remote {
        Some(remote) => remote.clone(),
        None => match library.remotes()?.as_slice() {
            [only] => only.name.clone(),
            [] => return Err(LibraryError::NoRemote.into()),
            _ => return Err(Failure::usage("there are several remotes").hint("say which: --remote NAME")),
        },
    };
    let subject = library.switch_subject(&switched.items, &joined(&switched.items))?;
    Ok(library.switch_sync(&remote, &subject, turn, context.global.yes)?.change)
}

fn look(context: &Context, switched: &Switched) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    if let Some(remote) = &switched.remote {
        library.remote(remote)?;
    }
    let subject = library.switch_subject(&switched.items, &joined(&switched.items))?;
    let mut standings = library.look_at_switches(&subject)?;
    library.close()?;
    standings.retain(|standing| switched.remote.as_ref().is_none_or(|remote| standing.remote == *remote));
    if context.output.json() {
        return Ok(context.output.print_json(&standings)?);
    }
    if standings.is_empty() {
        return Err(LibraryError::NoRemote.into());
    }
    for standing in &standings {
        context.output.data(&switch_line(standing))?;
    }
    Ok(())
}

/// `nas (selective): on, by the album Trips; 3 photos: 2 there or on their way, 1 stays here`
fn switch_line(standing: &SwitchStanding) -> String {
    let decides = match (standing.because, &standing.because_album) {
        ("album", Some(path)) => format!(", by the album {}", printable_text(path)),
        ("album", None) => ", by an album".to_owned(),
        ("policy", _) => ", by the policy".to_owned(),
        _ => String::new(),
    };
    format!(
        "{} ({}): {}{decides}; {}: {} there or on their way, {} not",
        standing.remote,
        standing.policy,
        standing.switch,
        counted(standing.photos, "photo", "photos"),
        standing.goes,
        standing.stays + standing.elsewhere
    )
}

fn request<'a>(context: &Context, arguments: &'a Arguments) -> SyncRequest<'a> {
    SyncRequest {
        remote: arguments.remote.as_deref(),
        consent: context.global.yes,
        is_unmetered: is_link_unmetered(),
        despite_quiet: arguments.now,
        is_repeated: false,
        insists_on_uploads: false,
    }
}

/// Why nothing is synced over this link; nothing when it may be.
fn costly(arguments: &Arguments) -> Option<Failure> {
    let (message, hint) = match link_cost(Path::new("/")) {
        _ if arguments.when == When::Always => return None,
        LinkCost::Unmetered(_) => return None,
        LinkCost::Metered(why) => (
            format!("this link costs by the byte: {why}; nothing was synced"),
            "sync over another link, or with --when always",
        ),
        LinkCost::Unknown(why) => (
            format!("whether this link costs by the byte is not known: {why}; nothing was synced"),
            "where you know it, sync with --when always",
        ),
    };
    Some(Failure::new(Exit::Refused, message).hint(hint))
}

/// What failed was named while it happened. The code is that of the failure where nothing else was done.
pub(crate) fn failed(outcomes: &[SyncOutcome], error: LibraryError) -> Failure {
    let failed = outcomes.iter().filter(|outcome| outcome.error.is_some()).count();
    let mut failure = Failure::from(error);
    if let Some(outcome) = outcomes.iter().find(|outcome| outcome.error.is_some()) {
        // It names the remote.
        failure.hint.clone_from(&outcome.hint);
    }
    if outcomes.len() == 1 {
        return failure;
    }
    let exit = if failed == outcomes.len() { failure.exit } else { Exit::Incomplete };
    let message =
        format!("{failed} of {} were not synced", counted(outcomes.len() as u64, "remote", "remotes"));
    match failure.hint {
        Some(hint) => Failure::new(exit, message).hint(hint),
        None => Failure::new(exit, message),
    }
}

fn once(context: &Context, arguments: &Arguments) -> Result<SyncRun, Failure> {
    let mut library = context.open_library()?;
    let result = library.sync(&request(context, arguments), &context.surroundings(), &context.progress);
    library.close()?;
    Ok(result?)
}

fn report(context: &Context, outcomes: &[SyncOutcome]) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(outcomes)?);
    }
    for outcome in outcomes.iter().filter(|outcome| outcome.error.is_none()) {
        for notice in &outcome.notices {
            context.output.talk(&format!("{}: {notice}", outcome.remote));
        }
        if let Some(until) = &outcome.quiet_until {
            context.output.talk(&format!(
                "{}: quiet until {until}; safelight sync --now passes over that",
                outcome.remote
            ));
            continue;
        }
        context.output.talk(&format!(
            "{}: {}; {} up, {} down",
            outcome.remote,
            went(outcome),
            size(outcome.traffic.up_bytes),
            size(outcome.traffic.down_bytes),
        ));
        if let Some(capped) = &outcome.capped {
            context.output.talk(&format!(
                "{}: {}; safelight remote waiting {} says what waits",
                outcome.remote,
                capped.reason(),
                outcome.remote
            ));
        }
        for text in local(outcome).into_iter().chain(uploads(&outcome.uploads)) {
            context.output.talk(&format!("{}: {text}", outcome.remote));
        }
    }
    Ok(())
}

/// What went up and what came down, where anything did.
fn went(outcome: &SyncOutcome) -> String {
    let history = |segments| (segments, "segment of history", "segments of history");
    let sent = listed([
        (outcome.synced_originals, "original", "originals"),
        (outcome.sent_original_packs, "pack of small originals", "packs of small originals"),
        (
            outcome.sent_packs.saturating_sub(outcome.sent_original_packs),
            "pack of previews",
            "packs of previews",
        ),
        history(outcome.sent_segments),
    ]);
    let taken = listed([
        (outcome.taken_packs, "pack of previews", "packs of previews"),
        history(outcome.taken_segments),
    ]);
    match (sent, taken) {
        (None, None) => "nothing new".to_owned(),
        (Some(sent), None) => format!("{sent} sent"),
        (None, Some(taken)) => format!("{taken} taken in"),
        (Some(sent), Some(taken)) => format!("{sent} sent, {taken} taken in"),
    }
}

/// `4 originals, 1 pack of small originals and 2 packs of previews`; none where all of it is nothing.
fn listed<const KINDS: usize>(kinds: [(u64, &str, &str); KINDS]) -> Option<String> {
    let mut told: Vec<String> = kinds
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, several)| counted(count, one, several))
        .collect();
    let last = told.pop()?;
    Some(if told.is_empty() { last } else { format!("{} and {last}", told.join(", ")) })
}

/// `4 originals fetched, 1 original still thawing`; none where all of it is nothing.
fn became<const FATES: usize>(fates: [(u64, &str); FATES], one: &str, several: &str) -> Option<String> {
    let told: Vec<String> = fates
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", counted(count, one, several)))
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// What became of what devices that only upload left there, if they left anything.
pub(crate) fn uploads(report: &InboxReport) -> Option<String> {
    let parts = [
        (report.taken, "taken in"),
        (report.known, "known already"),
        (report.removed, "removed there"),
        (report.aside, "put aside: safelight device inbox"),
        (report.waiting, "still waiting"),
    ];
    became(parts, "upload", "uploads")
}

/// What the sync did for the originals of this device, if it did anything.
fn local(outcome: &SyncOutcome) -> Option<String> {
    let local = &outcome.local;
    let parts = [
        (local.healed_originals, "whole here again"),
        (local.fetched_originals, "fetched"),
        (local.freed_originals, "freed here against a proof"),
        (local.thawing_originals, "still thawing"),
    ];
    became(parts, "original", "originals")
}

fn dry_run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let plans = library.plan_sync(&request(context, arguments), &context.surroundings());
    library.close()?;
    let plans = plans?;
    let failed = plans.iter().filter(|plan| plan.error.is_some()).count();
    if context.output.json() {
        context.output.print_json(&plans)?;
    }
    for plan in plans.iter().filter(|_| !context.output.json()) {
        if let Some(error) = &plan.error {
            context.output.warn(&format!("{}: {}", plan.remote, printable_text(error)));
            continue;
        }
        context.output.data(&line(plan))?;
        if let Some(prices) = &plan.prices {
            for cost in &plan.costs {
                context.output.data(&format!("    {}", cost_line(cost, true)))?;
            }
            context.output.data(&format!("    estimated; {prices}"))?;
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::silent(Exit::Incomplete)),
    }
}

fn line(plan: &SyncPlan) -> String {
    let leaving = if plan.leaving_originals > 0 {
        let originals = counted(plan.leaving_originals, "original", "originals");
        format!("; {originals} ({}) would then leave this device against a proof", size(plan.leaving_bytes))
    } else {
        String::new()
    };
    let held = plan.held.map_or_else(String::new, |held| {
        let originals = counted(held.originals, "original", "originals");
        format!("; {originals} ({}) wait for your consent: --yes counts them", size(held.bytes))
    });
    format!(
        "{}: {}, {} ({}), {} ({}{}); about {}{leaving}{held}",
        plan.remote,
        counted(plan.segments, "segment of history", "segments of history"),
        counted(plan.small_objects, "small object", "small objects"),
        size(plan.small_bytes),
        counted(plan.originals, "original", "originals"),
        size(plan.original_bytes),
        plan.tier.map(|tier| format!(", {tier} tier")).unwrap_or_default(),
        counted(plan.requests, "request", "requests"),
    )
}

/// Syncs, waits until something changed here or it is time to look what changed elsewhere, and syncs again. What passes by itself does not end it, nor what keeps one remote back while another is synced; what needs a person does.
fn watch(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let every = Duration::from_secs(arguments.every);
    let mut failed_in_a_row = 0_u32;
    let mut told = Vec::new();
    let (mut costs, mut is_waiting) = (None, false);
    let news = match LocalNews::listen(&context.library_path()?) {
        Ok(news) => Some(news),
        Err(error) => {
            context.output.talk(&format!("{error}; changes made here wait for the next look"));
            None
        }
    };
    let wait = |until: Instant| {
        let is_enough = || context.interrupted();
        match &news {
            Some(news) => {
                news.wait(until, &is_enough);
            }
            None => {
                while Instant::now() < until && !is_enough() {
                    std::thread::sleep(NAP);
                }
            }
        }
    };
    let mut is_repeated = false;
    while !context.interrupted() {
        // A link that costs is waited out; another may come.
        if let Some(failure) = costly(arguments) {
            if costs.as_ref() != Some(&failure.message) {
                context.output.talk(&failure.message);
            }
            costs = Some(failure.message);
            wait(Instant::now() + every);
            continue;
        }
        costs = None;
        let mut library = context.open_library()?;
        let request = SyncRequest { is_repeated, ..request(context, arguments) };
        is_repeated = true;
        let result = library.sync(&request, &context.surroundings(), &context.progress);
        library.close()?;
        let run = match result {
            // It does what this one would have done.
            Err(LibraryError::AnotherSync) => {
                if !std::mem::replace(&mut is_waiting, true) {
                    context.output.talk("another sync of this library is running; waiting for its end");
                }
                wait(Instant::now() + every);
                continue;
            }
            other => other?,
        };
        is_waiting = false;
        let held: Vec<String> = run.outcomes.iter().filter_map(held).collect();
        if held != told {
            held.iter().for_each(|held| context.output.talk(&format!("{held}: safelight sync --yes")));
            told = held;
        }
        let news: Vec<SyncOutcome> =
            run.outcomes.iter().filter(|outcome| is_news(outcome)).cloned().collect();
        if !news.is_empty() {
            report(context, &news)?;
        }
        match run.first_error {
            None => failed_in_a_row = 0,
            Some(_) if context.interrupted() => break,
            Some(error) if passes(&error) || run.outcomes.iter().any(|one| one.error.is_none()) => {
                failed_in_a_row = (failed_in_a_row + 1).min(5);
                context.output.talk(&format!("{error}; tried again later"));
            }
            Some(error) => return Err(failed(&run.outcomes, error)),
        }
        // After failures the wait doubles, up to 32 times the usual one.
        wait(Instant::now() + every * 2_u32.pow(failed_in_a_row));
    }
    Ok(())
}

/// Whether a failure may pass by itself: a network that is away, a disk that is not connected.
fn passes(error: &LibraryError) -> bool {
    matches!(error.kind(), ErrorKind::Network | ErrorKind::NotFound)
}

fn is_news(outcome: &SyncOutcome) -> bool {
    let local = &outcome.local;
    let here = local.healed_originals + local.fetched_originals + local.freed_originals;
    outcome.sent_segments
        + outcome.taken_segments
        + outcome.sent_packs
        + outcome.taken_packs
        + outcome.synced_originals
        + here
        + outcome.uploads.taken
        + outcome.uploads.known
        > 0
}
