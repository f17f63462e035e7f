//! `safelight local`: which originals rest on this device.

use std::time::Duration;

use clap::{Args, Subcommand};
use safelight_library::{
    Among, FetchReport, FreePlan, FreeReport, FreeRequest, Library, LibraryError, LocalChange, LocalStanding,
    Originals, PinReport, Staying,
};

use super::list::joined;
use super::local_thaw::HowSoon;
use super::set::select;
use super::{local_basket, local_map, local_storage, local_thaw, unlock};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, grouped, printable_text, size};
use crate::prompt;

/// Make room on this device, and bring originals back
///
/// Without a word this shows what rests here. Originals that were opened are kept within a budget; what is
/// pinned stays in any case. Nothing is freed without a fresh proof that a remote holds it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch originals from the remotes, to stay here; each is opened and proven before it counts
    Fetch {
        /// Ids, paths or a query
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        items: Vec<String>,
        /// All originals, hidden and trashed ones too
        #[arg(long)]
        all: bool,
    },
    /// Remove originals from this device that a remote is freshly proven to hold
    Free {
        /// Ids, paths or a query
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        items: Vec<String>,
        /// All originals
        #[arg(long)]
        all: bool,
        /// Only against this remote; it is then enough, although others may still wait
        #[arg(long, value_name = "NAME")]
        remote: Option<String>,
        /// Download and open first what is not proven
        #[arg(long)]
        prove: bool,
    },
    /// Keep originals on this device, whatever budgets and policies say, and fetch those that are not here
    Pin {
        /// Ids, paths, a query, or album:NAME for an album and all that comes into it
        #[arg(required = true)]
        items: Vec<String>,
    },
    /// Take pins back; nothing is removed by that
    Unpin {
        /// Ids, paths, a query, or album:NAME
        #[arg(required = true)]
        items: Vec<String>,
    },
    /// Ask for archived originals; until they can be read they are shown as thawing
    ///
    /// --all shows first how many that are and about what it costs, and asks for them with --yes; --dry-run only shows it.
    Thaw {
        /// Ids, paths or a query
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        items: Vec<String>,
        /// All originals, hidden and trashed ones too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        how: HowSoon,
    },
    /// Collect archived photos and thaw them together: list, add, remove, thaw, fetch
    Basket(local_basket::Arguments),
    /// Show what takes space on this device, and what could be freed against which proof
    Storage,
    /// Show a map of your own beneath the photos: one PMTiles file of this machine, which stays where it is
    ///
    /// Without a word this says which one it is. Nothing is ever fetched from elsewhere.
    Map(local_map::Arguments),
    /// Set this device's rules: budget=50GB, proof-age=7d, originals=keep-all, lock-after=15m, workers=2
    ///
    /// lock-after is when a gallery (safelight serve) locks itself without use; a running one follows within a second.
    /// workers is how many pictures are decoded at once, from the next import on.
    Set {
        /// budget=SIZE or none · proof-age=DAYS, 30d at most · originals=on-demand or keep-all · lock-after=TIME,
        /// from 1m to 24h · workers=N, from 1 to 64, or auto
        #[arg(required = true)]
        settings: Vec<String>,
    },
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        None => show(context),
        Some(Action::Fetch { items, all }) => fetch(context, items, *all),
        Some(Action::Free { items, all, remote, prove }) => {
            let request = FreeRequest { remote: remote.as_deref(), prove: *prove };
            free(context, items, *all, &request)
        }
        Some(Action::Pin { items }) => pin(context, items, true),
        Some(Action::Unpin { items }) => pin(context, items, false),
        Some(Action::Thaw { items, all, how }) => local_thaw::run(context, items, *all, how),
        Some(Action::Basket(arguments)) => local_basket::run(context, arguments),
        Some(Action::Storage) => local_storage::run(context),
        Some(Action::Map(arguments)) => local_map::run(context, arguments),
        Some(Action::Set { settings }) => set(context, settings),
    }
}

fn show(context: &Context) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    let standing = library.local_standing()?;
    library.close()?;
    if context.output.json() {
        return Ok(context.output.print_json(&standing)?);
    }
    for (name, value) in lines(&standing) {
        context.output.data(&format!("{name:>12}  {value}"))?;
    }
    Ok(())
}

fn lines(standing: &LocalStanding) -> Vec<(&'static str, String)> {
    let objects = counted(standing.here_objects, "sealed part", "sealed parts");
    let mut lines = vec![
        ("here", format!("{}, {objects}", size(standing.here_bytes))),
        (
            "visiting",
            format!(
                "{} of them opened and not kept",
                sized(standing.visiting_originals, standing.visiting_bytes)
            ),
        ),
        ("away", sized(standing.away_originals, standing.away_bytes)),
    ];
    if standing.archived_originals > 0 {
        lines.push((
            "archived",
            format!(
                "{}, {} being thawed",
                counted(standing.archived_originals, "original", "originals"),
                grouped(standing.thawing_originals)
            ),
        ));
    }
    let photos = counted(standing.pinned_photos, "photo", "photos");
    let pinned =
        std::iter::once(photos).chain(standing.pinned_albums.iter().map(|album| format!("album {album}")));
    lines.push(("pinned", pinned.collect::<Vec<_>>().join(", ")));
    let settings = &standing.settings;
    let budget = settings.budget_bytes.map_or("none".to_owned(), size);
    let originals = match settings.originals {
        Originals::OnDemand => "on-demand",
        Originals::KeepAll => "keep-all",
    };
    let age = age_text(settings.proof_age_seconds);
    let lock_after = lock_after_text(settings.lock_after_seconds);
    let workers = settings.workers.map_or("auto".to_owned(), |workers| workers.to_string());
    lines.push(("rules", format!("budget={budget} proof-age={age} originals={originals}")));
    lines.push(("", format!("lock-after={lock_after} workers={workers}")));
    lines
}

fn lock_after_text(seconds: u64) -> String {
    [(3600, 'h'), (60, 'm')]
        .into_iter()
        .find(|(unit, _)| seconds.is_multiple_of(*unit))
        .map_or_else(|| format!("{seconds}s"), |(unit, letter)| format!("{}{letter}", seconds / unit))
}

fn age_text(seconds: u64) -> String {
    if seconds.is_multiple_of(86_400) {
        format!("{}d", seconds / 86_400)
    } else {
        format!("{}h", seconds / 3600)
    }
}

pub(super) fn sized(originals: u64, bytes: u64) -> String {
    format!("{} ({})", counted(originals, "original", "originals"), size(bytes))
}

fn fetch(context: &Context, items: &[String], all: bool) -> Result<(), Failure> {
    context.refuse_dry_run("local fetch", "safelight local says how many originals are elsewhere")?;
    let mut library = context.open_library()?;
    let fetched = fetch_into(context, &mut library, items, all);
    library.close()?;
    let report = fetched?;
    tell_fetched(context, &report)?;
    if report.failed_originals + report.archived_originals > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

fn fetch_into(
    context: &Context,
    library: &mut Library,
    items: &[String],
    all: bool,
) -> Result<FetchReport, LibraryError> {
    let among = if all { Among::Everywhere } else { Among::WhatIsAsked };
    let selection =
        if all { library.select_all(among) } else { library.select(items, &joined(items), among) }?;
    library.fetch(&selection, &context.surroundings(), &context.progress)
}

pub(super) fn tell_fetched(context: &Context, report: &FetchReport) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(report)?);
    }
    let mut text = format!(
        "{} fetched ({}), {} here already, {} failed",
        counted(report.fetched_originals, "original", "originals"),
        size(report.fetched_bytes),
        report.present_originals,
        report.failed_originals
    );
    if report.archived_originals > 0 {
        text.push_str(&format!(
            ", {} archived: safelight local thaw asks for them",
            grouped(report.archived_originals)
        ));
    }
    context.output.talk(&text);
    if !report.kept_by.is_empty() {
        context.output.talk(&format!(
            "{} found in no remote; kept by device {}, as far as the history tells: safelight sync there sends it, and \
             one here learns of small ones",
            grouped(report.not_held_originals),
            printable_text(&report.kept_by.join(", "))
        ));
    }
    for remote in &report.unreached {
        context.output.warn(&format!("{remote} was not asked: it could not be reached"));
    }
    Ok(())
}

fn free(context: &Context, items: &[String], all: bool, request: &FreeRequest<'_>) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let outcome = free_in(context, &mut library, items, all, request);
    library.close()?;
    outcome
}

fn free_in(
    context: &Context,
    library: &mut Library,
    items: &[String],
    all: bool,
    request: &FreeRequest<'_>,
) -> Result<(), Failure> {
    let surroundings = context.surroundings();
    let selection = if all {
        library.select_all(Among::Everywhere)?
    } else {
        library.select(items, &joined(items), Among::WhatIsAsked)?
    };
    let plan = library.plan_free(&selection, request, &surroundings)?;
    if context.global.dry_run {
        if context.output.json() {
            context.output.print_json(&plan)?;
        } else {
            tell_plan(context, &plan);
        }
        return Ok(());
    }
    if plan.is_empty() {
        let report = FreeReport { staying: plan.staying.clone(), ..FreeReport::default() };
        return refused(context, &report);
    }
    tell_plan(context, &plan);
    if !context.global.yes {
        let question = format!("Free {}? Remotes keep them.", sized(plan.originals, plan.bytes));
        if !(prompt::someone_is_there() && prompt::agree(&question)?) {
            return Err(Failure::new(Exit::Refused, "nothing was freed")
                .hint("--yes frees what the plan above says; --dry-run shows only the plan"));
        }
    }
    let report = library.free(plan, &surroundings, &context.progress)?;
    if context.output.json() && report.freed_originals > 0 {
        context.output.print_json(&report)?;
    }
    for problem in &report.problems {
        context.output.warn(problem);
    }
    if report.freed_originals == 0 {
        return refused(context, &report);
    }
    let freed = counted(report.freed_originals, "original", "originals");
    context.output.talk(&format!("{freed} freed, {}", size(report.freed_bytes)));
    // What was freed before, or never was here, does not stay.
    if report.staying.iter().all(Staying::is_absent) {
        return Ok(());
    }
    tell_staying(context, &report.staying);
    Err(Failure::silent(Exit::Incomplete))
}

fn refused(context: &Context, report: &FreeReport) -> Result<(), Failure> {
    if context.output.json() {
        context.output.print_json(report)?;
    }
    tell_staying(context, &report.staying);
    Err(Failure::new(Exit::Refused, "nothing was freed").hint(
        "safelight verify --remote --all proves what remotes hold; local free --prove does it for these alone",
    ))
}

pub(super) fn tell_plan(context: &Context, plan: &FreePlan) {
    for against in &plan.against {
        let mut proofs = Vec::new();
        if against.proven_originals > 0 {
            let since = against.proven_since.as_deref().unwrap_or("a moment ago");
            proofs.push(format!("{} proven since {since} or later", grouped(against.proven_originals)));
        }
        if against.checksum_originals > 0 {
            proofs.push(format!("{} by the remote's own checksum", grouped(against.checksum_originals)));
        }
        if against.download_originals > 0 {
            proofs.push(format!(
                "{} to be downloaded and opened first ({})",
                grouped(against.download_originals),
                size(against.download_bytes)
            ));
        }
        context.output.talk(&format!(
            "{}: {}; {}",
            against.remote,
            sized(against.originals, against.bytes),
            proofs.join(", ")
        ));
    }
    tell_staying(context, &plan.staying);
}

fn tell_staying(context: &Context, staying: &[Staying]) {
    for staying in staying.iter().filter(|staying| !staying.is_absent()) {
        let originals = counted(staying.originals, "original stays", "originals stay");
        context.output.talk(&format!("{originals}: {}", staying.reason));
    }
}

fn pin(context: &Context, items: &[String], pinned: bool) -> Result<(), Failure> {
    let command = if pinned { "local pin" } else { "local unpin" };
    context.refuse_dry_run(command, "safelight local says what is pinned")?;
    let mut library = context.open_library()?;
    let outcome = pin_in(context, &mut library, items, pinned);
    library.close()?;
    outcome
}

fn pin_in(context: &Context, library: &mut Library, items: &[String], pinned: bool) -> Result<(), Failure> {
    let album = match items {
        [item] => item.strip_prefix("album:").map(|name| name.trim_matches('"')),
        _ => None,
    };
    let selection = match album {
        Some(_) if !pinned => None,
        // The album may be empty yet.
        Some(_) => library.select(items, &joined(items), Among::Everywhere).ok(),
        None => Some(select(library, items, Among::WhatIsAsked)?),
    };
    let report = match (album, &selection) {
        (Some(name), _) => library.pin_album(name, pinned)?,
        (None, Some(selection)) => library.pin(selection, pinned)?,
        (None, None) => PinReport::default(),
    };
    let what = if album.is_some() { ("album", "albums") } else { ("photo", "photos") };
    let (done, before) = if pinned { ("pinned", "before") } else { ("unpinned", "not pinned") };
    context.output.talk(&format!(
        "{} {done}, {} {before}",
        counted(report.changed, what.0, what.1),
        grouped(report.unchanged)
    ));
    let has_remotes = !library.remotes()?.is_empty();
    let fetched = match selection.filter(|_| pinned && has_remotes) {
        Some(selection) => Some(library.fetch(&selection, &context.surroundings(), &context.progress)?),
        None => None,
    };
    if context.output.json() {
        context.output.print_json(&serde_json::json!({ "pins": report, "fetched": fetched }))?;
    } else if let Some(fetched) = &fetched {
        tell_fetched(context, fetched)?;
    }
    match fetched {
        Some(report) if report.failed_originals + report.archived_originals > 0 => {
            Err(Failure::silent(Exit::Incomplete))
        }
        _ => Ok(()),
    }
}

fn set(context: &Context, settings: &[String]) -> Result<(), Failure> {
    let mut parsed = Vec::new();
    for setting in settings {
        parsed.push(Setting::parse(setting)?);
    }
    if context.global.dry_run {
        if context.output.json() {
            return Ok(context.output.print_json(&serde_json::json!({ "would_set": settings }))?);
        }
        context.output.talk(&format!("Would set {}", settings.join(" ")));
        return Ok(());
    }
    let mut change = LocalChange::default();
    for setting in parsed {
        match setting {
            Setting::Budget(bytes) => change.budget_bytes = Some(bytes),
            Setting::ProofAge(age) => change.proof_age = Some(age),
            Setting::Originals(originals) => change.originals = Some(originals),
            Setting::LockAfter(after) => change.lock_after = Some(after),
            Setting::Workers(workers) => change.workers = Some(workers),
        }
    }
    let mut library = context.open_library()?;
    let outcome = library.change_local_settings(&change);
    library.close()?;
    outcome?;
    if context.output.json() {
        context.output.print_json(&serde_json::json!({ "set": settings }))?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Setting {
    Budget(Option<u64>),
    ProofAge(Duration),
    Originals(Originals),
    LockAfter(Duration),
    Workers(Option<u64>),
}

impl Setting {
    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |rule: &str| Failure::usage(format!("{text}: {rule}"));
        match text.split_once('=') {
            Some(("budget", "none")) => Ok(Self::Budget(None)),
            Some(("budget", value)) => bytes(value)
                .map(|bytes| Self::Budget(Some(bytes)))
                .ok_or_else(|| wrong("a budget is a size such as 50GB, or none")),
            Some(("proof-age", value)) => value
                .strip_suffix('d')
                .and_then(|days| days.parse::<u64>().ok())
                .and_then(|days| days.checked_mul(86_400))
                .map(|seconds| Self::ProofAge(Duration::from_secs(seconds)))
                .ok_or_else(|| wrong("an age is a number of days such as 7d")),
            Some(("originals", "on-demand")) => Ok(Self::Originals(Originals::OnDemand)),
            Some(("originals", "keep-all")) => Ok(Self::Originals(Originals::KeepAll)),
            Some(("originals", _)) => Err(wrong("originals is on-demand or keep-all")),
            Some(("lock-after", value)) => unlock::duration(value)
                .map(Self::LockAfter)
                .map_err(|rule| wrong(&format!("a time is {rule}"))),
            Some(("workers", "auto")) => Ok(Self::Workers(None)),
            Some(("workers", value)) => value
                .parse()
                .map(|workers| Self::Workers(Some(workers)))
                .map_err(|_| wrong("workers is a number, or auto for as many as the machine has cores")),
            _ => Err(wrong(
                "budget=SIZE, proof-age=DAYS, originals=on-demand or keep-all, lock-after=TIME and workers=N can be set",
            )),
        }
    }
}

/// `50GB`, `500MB`, `1.5TB`, `0`.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let split = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim().to_ascii_uppercase().as_str() {
        "" | "B" => 1.0,
        "KB" | "K" => 1e3,
        "MB" | "M" => 1e6,
        "GB" | "G" => 1e9,
        "TB" | "T" => 1e12,
        _ => return None,
    };
    let value = number.parse::<f64>().ok()? * factor;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    (0.0..1e18).contains(&value).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_a_unit() {
        assert_eq!(bytes("50GB"), Some(50_000_000_000));
        assert_eq!(bytes("1.5tb"), Some(1_500_000_000_000));
        assert_eq!(bytes("0"), Some(0));
        for text in ["", "GB", "50 gigs", "-1GB", "1e30GB", "1..2GB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn rules_are_read_as_they_are_shown() {
        assert_eq!(Setting::parse("budget=none").ok(), Some(Setting::Budget(None)));
        assert_eq!(
            Setting::parse("proof-age=7d").ok(),
            Some(Setting::ProofAge(Duration::from_secs(7 * 86_400)))
        );
        assert_eq!(Setting::parse("originals=keep-all").ok(), Some(Setting::Originals(Originals::KeepAll)));
        for (text, seconds) in [("90s", 90), ("15m", 900), ("24h", 86_400)] {
            let read = Setting::parse(&format!("lock-after={text}"));
            assert_eq!(read.ok(), Some(Setting::LockAfter(Duration::from_secs(seconds))));
            assert_eq!(lock_after_text(seconds), text);
        }
        assert_eq!(Setting::parse("workers=auto").ok(), Some(Setting::Workers(None)));
        assert_eq!(Setting::parse("workers=3").ok(), Some(Setting::Workers(Some(3))));
        for text in [
            "budget",
            "budget=lots",
            "proof-age=7",
            "originals=some",
            "colour=red",
            "lock-after=15",
            "lock-after=",
            "workers=many",
            "workers=-1",
        ] {
            assert!(Setting::parse(text).is_err(), "{text}");
        }
    }
}
