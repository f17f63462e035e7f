//! `safelight local`: which originals rest on this device.

use std::time::Duration;

use clap::{Args, Subcommand};
use safelight_library::{
    Among, FetchReport, FreePlan, FreeReport, FreeRequest, Library, LibraryError, LocalStanding, Originals,
    PinReport, Staying, ThawReport, ThawWait, Urgency,
};

use super::list::joined;
use super::remote::usd;
use super::set::select;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, grouped, printable_text, size};
use crate::prompt;

/// How often `thaw --wait` looks.
const USUAL_NAP_SECONDS: u64 = 300;

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
        /// How soon: standard within hours, high as soon as the provider can, at its higher price
        #[arg(long, value_name = "WHEN", default_value = "standard", value_parser = ["standard", "high"])]
        priority: String,
        /// Wait until all can be read, and fetch them
        #[arg(long)]
        wait: bool,
        /// Seconds between two looks of --wait
        #[arg(long, value_name = "SECONDS", default_value_t = USUAL_NAP_SECONDS, requires = "wait",
              value_parser = clap::value_parser!(u64).range(1..))]
        every: u64,
    },
    /// Set this device's rules: budget=50GB, proof-age=7d, originals=on-demand or keep-all
    Set {
        /// budget=SIZE or none · proof-age=DAYS, 30d at most · originals=on-demand or keep-all
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
        Some(Action::Thaw { items, all, priority, wait, every }) => {
            let wait = match (context.global.dry_run, wait) {
                (true, _) => ThawWait::Look,
                (false, false) => ThawWait::Ask,
                (false, true) => ThawWait::Until(Duration::from_secs(*every)),
            };
            let urgency = if priority == "high" { Urgency::High } else { Urgency::Standard };
            thaw(context, items, *all, wait, urgency)
        }
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
    lines.push(("rules", format!("budget={budget} proof-age={age} originals={originals}")));
    lines
}

fn age_text(seconds: u64) -> String {
    if seconds.is_multiple_of(86_400) {
        format!("{}d", seconds / 86_400)
    } else {
        format!("{}h", seconds / 3600)
    }
}

fn sized(originals: u64, bytes: u64) -> String {
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

fn tell_fetched(context: &Context, report: &FetchReport) -> Result<(), Failure> {
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
    if report.staying.is_empty() {
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

fn tell_plan(context: &Context, plan: &FreePlan) {
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
    for staying in staying {
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

fn thaw(
    context: &Context,
    items: &[String],
    all: bool,
    wait: ThawWait,
    urgency: Urgency,
) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let outcome = thaw_in(context, &mut library, items, all, wait, urgency);
    library.close()?;
    outcome
}

fn thaw_in(
    context: &Context,
    library: &mut Library,
    items: &[String],
    all: bool,
    wait: ThawWait,
    urgency: Urgency,
) -> Result<(), Failure> {
    let surroundings = context.surroundings();
    let selection = if all {
        library.select_all(Among::Everywhere)?
    } else {
        library.select(items, &joined(items), Among::WhatIsAsked)?
    };
    if all && wait != ThawWait::Look {
        let plan = library.thaw(&selection, ThawWait::Look, urgency, &surroundings, &context.progress)?;
        agree_to_thaw(context, &plan)?;
    }
    let report = library.thaw(&selection, wait, urgency, &surroundings, &context.progress)?;
    let fetched = match wait {
        ThawWait::Until(_) => Some(library.fetch(&selection, &surroundings, &context.progress)?),
        _ => None,
    };
    if context.output.json() {
        context.output.print_json(&ThawedAndFetched { thaw: &report, fetched: fetched.as_ref() })?;
    } else {
        tell_thaw(context, &report);
        if let Some(fetched) = &fetched {
            tell_fetched(context, fetched)?;
        }
    }
    let not_fetched = fetched.map_or(0, |fetched| fetched.failed_originals + fetched.archived_originals);
    if report.missing_originals + report.unanswered_originals + not_fetched > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

/// Shows what asking for everything that is archived comes to, and wants to be told to go on.
fn agree_to_thaw(context: &Context, plan: &ThawReport) -> Result<(), Failure> {
    tell_costs(context, plan);
    if plan.archived_originals == 0 || context.global.yes {
        return Ok(());
    }
    let originals = counted(plan.archived_originals, "original", "originals");
    let question = format!("Ask for {originals}? The provider charges for that.");
    if prompt::someone_is_there() && prompt::agree(&question)? {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "nothing was asked for")
        .hint("--yes asks for what the plan above says; --dry-run shows only the plan"))
}

fn tell_costs(context: &Context, report: &ThawReport) {
    for cost in &report.costs {
        let price = match (cost.usd, &cost.prices) {
            (Some(amount), Some(prices)) => format!(
                "{} to bring back at standard priority (estimated; {})",
                usd(amount),
                printable_text(prices)
            ),
            _ => "no prices are known: remote set NAME price.archive.retrieval=N".to_owned(),
        };
        context.output.talk(&format!(
            "{}: {} archived, {} ({}); {price}",
            cost.remote,
            counted(cost.originals, "original", "originals"),
            counted(cost.objects, "object", "objects"),
            size(cost.bytes)
        ));
    }
}

/// What a thaw came to and, where it was waited for, the fetch after it.
#[derive(serde::Serialize)]
struct ThawedAndFetched<'a> {
    #[serde(flatten)]
    thaw: &'a ThawReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<&'a FetchReport>,
}

fn tell_thaw(context: &Context, report: &ThawReport) {
    let waiting = report.archived_originals + report.thawing_originals;
    context.output.talk(&format!(
        "{} thawing, {} archived, {} readable, {} here, {} in no remote",
        counted(report.thawing_originals, "original", "originals"),
        grouped(report.archived_originals),
        grouped(report.readable_originals),
        grouped(report.here_originals),
        grouped(report.missing_originals),
    ));
    if report.unanswered_originals > 0 {
        context.output.warn(&format!(
            "{} may rest in a remote that did not answer",
            counted(report.unanswered_originals, "original", "originals")
        ));
    }
    tell_costs(context, report);
    if waiting > 0 {
        context.output.talk(&format!(
            "The provider charges for {} read back from the archive tier and for {}; it may take 15 hours. \
             safelight sync fetches what is ready.",
            size(report.thawing_bytes),
            counted(report.asked_parts.max(waiting), "request", "requests"),
        ));
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
    let mut library = context.open_library()?;
    let outcome = parsed.iter().try_for_each(|setting| match setting {
        Setting::Budget(bytes) => library.set_local_budget(*bytes),
        Setting::ProofAge(age) => library.set_proof_age(*age),
        Setting::Originals(originals) => library.set_local_originals(*originals),
    });
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
            _ => Err(wrong("budget=SIZE, proof-age=DAYS and originals=on-demand or keep-all can be set")),
        }
    }
}

/// `50GB`, `500MB`, `1.5TB`, `0`.
fn bytes(text: &str) -> Option<u64> {
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
        for text in ["budget", "budget=lots", "proof-age=7", "originals=some", "colour=red"] {
            assert!(Setting::parse(text).is_err(), "{text}");
        }
    }
}
