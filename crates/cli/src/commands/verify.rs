//! `safelight verify`: reads everything back and says what is damaged.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use clap::Args;
use safelight_library::{
    Comparison, Damage, Monitor, Problem, Task, VerifyDepth, VerifyReport, VerifyRequest,
};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable, printable_text, size};
use crate::progress::Progress;

/// Read everything back and compare it with what was recorded
///
/// Names every damaged or missing file of the library folder. Exit code 6 when there is one. Linked originals that
/// are not there are named too; exit code 1 when there are any. Damaged
/// previews are fetched or made again by the next sync or import, or at once by safelight doctor --fix.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Look only whether every object is there and has its size
    #[arg(long)]
    quick: bool,
    /// Check what rests in a remote instead; in all of them when none is named
    #[arg(long, value_name = "NAME", num_args = 0..=1, conflicts_with_all = ["quick", "export"])]
    remote: Option<Option<String>>,
    /// Also download and open everything that rests there
    #[arg(long, requires = "remote", conflicts_with = "sample")]
    all: bool,
    /// Also download and open this share, for example 1%; repeated runs reach everything
    #[arg(long, requires = "remote", value_name = "PERCENT", value_parser = share)]
    sample: Option<f64>,
    /// Compare the history here with six words that another device shows in safelight status, or that were written down
    #[arg(long, value_name = "WORDS", conflicts_with_all = ["quick", "export", "remote"])]
    six_words: Option<String>,
    /// Restore so many originals, drawn at random, in memory, and compare their hashes
    #[arg(long, requires = "remote", value_name = "ORIGINALS", num_args = 0..=1, default_missing_value = "10",
          conflicts_with_all = ["all", "sample"], value_parser = clap::value_parser!(u32).range(1..=10_000))]
    drill: Option<u32>,
    /// Check an exported folder instead; needs no library and no key
    #[arg(long, value_name = "DIR", conflicts_with = "quick")]
    export: Option<PathBuf>,
}

/// `1%` or `0.01`.
fn share(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let share = match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| percent / 100.0),
        None => number(text),
    };
    share
        .filter(|share| *share > 0.0 && *share <= 1.0)
        .ok_or_else(|| "a share is 1% or 0.01, above nothing and up to everything".to_owned())
}

fn compare(context: &Context, words: &str) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let compared = library.compare_six_words(words);
    library.close()?;
    let compared = compared?;
    if context.output.json() {
        return Ok(context.output.print_json(&serde_json::json!({ "six_words": compared }))?);
    }
    context.output.talk(match compared {
        Comparison::Same => "Both have read the same history",
        Comparison::Earlier => "The words are of an earlier moment, which this history contains",
    });
    Ok(())
}

/// Keeps what goes wrong to itself until the report says it better: each finding is told once.
struct LateProblems<'a> {
    progress: &'a Progress,
    problems: Mutex<Vec<Problem>>,
}

impl<'a> LateProblems<'a> {
    fn of(progress: &'a Progress) -> Self {
        Self { progress, problems: Mutex::default() }
    }

    /// Tells what no report names: of a remote that could not be looked at to its end there is none.
    fn tell_but(self, named: &HashSet<&str>) {
        let problems = self.problems.into_inner().unwrap_or_else(PoisonError::into_inner);
        for problem in problems.iter().filter(|problem| !named.contains(problem.reason.as_str())) {
            self.progress.problem(problem);
        }
    }
}

impl Monitor for LateProblems<'_> {
    fn begin(&self, task: Task, total: Option<u64>, total_bytes: Option<u64>) {
        self.progress.begin(task, total, total_bytes);
    }

    fn advance(&self, items: u64, bytes: u64) {
        self.progress.advance(items, bytes);
    }

    fn end(&self) {
        self.progress.end();
    }

    fn problem(&self, problem: &Problem) {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).push(problem.clone());
    }

    fn cancelled(&self) -> bool {
        self.progress.cancelled()
    }
}

fn verify_remotes(context: &Context, name: Option<&str>, arguments: &Arguments) -> Result<(), Failure> {
    context.refuse_dry_run("verify --remote", "it puts again what it finds missing")?;
    let depth = match arguments.sample {
        Some(share) => VerifyDepth::Sample(share),
        None if arguments.all => VerifyDepth::All,
        None => VerifyDepth::Presence,
    };
    let mut library = context.open_library()?;
    let late = LateProblems::of(&context.progress);
    let reports = library.verify_remote(name, depth, &context.surroundings(), &late);
    library.close()?;
    let named = reports.iter().flatten().flat_map(|report| report.damaged.iter().chain(&report.notices));
    late.tell_but(&named.map(String::as_str).collect());
    let reports = reports?;
    if context.output.json() {
        context.output.print_json(&reports)?;
    } else {
        for report in &reports {
            if let Some(error) = &report.error {
                context.output.warn(&format!(
                    "{} was not verified: {}",
                    report.remote,
                    printable_text(error)
                ));
                continue;
            }
            for problem in &report.damaged {
                context.output.data(&format!("damaged  {}  {problem}", report.remote))?;
            }
            for notice in &report.notices {
                context.output.talk(&format!("note     {}  {notice}", report.remote));
            }
            let repaired = match report.repaired_objects {
                0 => String::new(),
                repaired => format!(", {repaired} whole again"),
            };
            context.output.talk(&format!(
                "{}: {} of {} there, {} opened ({}); {} damaged or missing{repaired}",
                report.remote,
                report.present_objects,
                counted(report.expected_objects, "object", "objects"),
                report.proven_objects,
                size(report.downloaded_bytes),
                report.damaged.len()
            ));
            if let Some(reason) = &report.not_repaired {
                context.output.warn(&format!(
                    "{}: nothing could be put there again: {}",
                    report.remote,
                    printable_text(reason)
                ));
            }
        }
    }
    if reports.iter().any(|report| !report.damaged.is_empty()) {
        let mut hints: Vec<&str> = reports.iter().filter_map(|report| report.hint.as_deref()).collect();
        hints.dedup();
        let hint = match hints.as_slice() {
            [] => "all of it is whole again, put from what this device holds".to_owned(),
            hints => hints.join("; "),
        };
        return Err(Failure::new(Exit::Damaged, "damage was found; it is named above").hint(hint));
    }
    let failed = reports.iter().filter(|report| report.error.is_some()).count();
    if failed > 0 {
        let of = counted(reports.len() as u64, "remote", "remotes");
        let is_damage = reports.iter().any(|report| report.is_refused_as_damaged);
        let exit = if is_damage { Exit::Damaged } else { Exit::Incomplete };
        return Err(Failure::new(exit, format!("{failed} of {of} were not verified")));
    }
    Ok(())
}

fn drill(context: &Context, name: Option<&str>, originals: usize) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let late = LateProblems::of(&context.progress);
    let outcomes = library.drill(name, originals, &context.surroundings(), &late);
    library.close()?;
    late.tell_but(
        &outcomes.iter().flatten().flat_map(|outcome| &outcome.damaged).map(String::as_str).collect(),
    );
    let outcomes = outcomes?;
    if context.output.json() {
        context.output.print_json(&outcomes)?;
    } else {
        for outcome in &outcomes {
            if let Some(error) = &outcome.error {
                context.output.data(&format!(
                    "not drilled  {}  {}",
                    outcome.remote,
                    printable_text(error)
                ))?;
                continue;
            }
            for problem in &outcome.damaged {
                context.output.data(&format!("damaged  {}  {problem}", outcome.remote))?;
            }
            context.output.talk(&format!(
                "{}: {} of {} came back bit for bit ({} downloaded, {:.1} s); {} must be thawed first",
                outcome.remote,
                outcome.restored_originals,
                counted(outcome.drawn_originals, "original", "originals"),
                size(outcome.downloaded_bytes),
                outcome.seconds,
                outcome.archived_originals
            ));
        }
    }
    if outcomes.iter().any(|outcome| !outcome.damaged.is_empty()) {
        return Err(Failure::new(Exit::Damaged, "some originals did not come back; they are named above")
            .hint("safelight verify --remote names everything; sync and remote replicate heal it"));
    }
    if context.interrupted() {
        return Err(Failure::new(Exit::Incomplete, "interrupted before the drill was over"));
    }
    if outcomes.iter().all(|outcome| outcome.restored_originals == 0)
        && outcomes.iter().any(|outcome| outcome.archived_originals > 0)
    {
        return Err(Failure::new(Exit::Incomplete, "nothing was restored: all that was drawn is archived")
            .hint("safelight local thaw ITEMS asks for some; the drill after that restores them"));
    }
    let failed = outcomes.iter().filter(|outcome| outcome.error.is_some()).count();
    if failed > 0 {
        let of = counted(outcomes.len() as u64, "remote", "remotes");
        return Err(Failure::new(Exit::Incomplete, format!("{failed} of {of} were not drilled")));
    }
    Ok(())
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(words) = &arguments.six_words {
        return compare(context, words);
    }
    if let (Some(name), Some(originals)) = (&arguments.remote, arguments.drill) {
        return drill(context, name.as_deref(), originals as usize);
    }
    if let Some(name) = &arguments.remote {
        return verify_remotes(context, name.as_deref(), arguments);
    }
    let report = if let Some(directory) = &arguments.export {
        safelight_library::verify_export(directory, &context.progress)?
    } else {
        let mut library = context.open_library_to_check()?;
        let request = VerifyRequest { quick: arguments.quick };
        let report = library.verify(&request, &context.progress)?;
        library.close()?;
        report
    };
    let mend = match &arguments.export {
        Some(_) => "an export is a copy: export again into a new folder".to_owned(),
        None => mend(&report),
    };
    answer(context, &report, &mend)
}

/// What to do about the damage of a library: each thing that helps some of it, once.
fn mend(report: &VerifyReport) -> String {
    let mut mends: Vec<&str> = Vec::new();
    for mend in report.damaged.iter().map(|damage| damage.hint(report.has_remotes)) {
        if !mends.contains(&mend) {
            mends.push(mend);
        }
    }
    mends.join("; also, ")
}

/// Prints what was found; `mend` is what to do about damage.
fn answer(context: &Context, report: &VerifyReport, mend: &str) -> Result<(), Failure> {
    let absent = report.absent.len() as u64;
    if context.output.json() {
        context.output.print_json(report)?;
    } else {
        for damage in Damage::together(&report.damaged) {
            let photos = damage.photos_in_words().map(|photos| format!("  ({})", printable_text(&photos)));
            context.output.data(&format!(
                "damaged  {}  {}{}",
                printable(damage.path.as_ref()),
                damage.reason,
                photos.unwrap_or_default()
            ))?;
        }
        for absent in &report.absent {
            context.output.data(&format!(
                "absent   {}  {}",
                printable(absent.path.as_ref()),
                absent.reason
            ))?;
        }
        for notice in &report.notices {
            context.output.talk(&format!("note     {}  {}", printable(notice.path.as_ref()), notice.reason));
        }
        context.output.talk(&format!(
            "{} and {} checked, {}; {} damaged{}",
            counted(report.originals - absent, "original", "originals"),
            counted(report.objects, "other object", "other objects"),
            size(report.bytes),
            report.damaged.len(),
            if absent > 0 { format!(", {absent} linked and not there") } else { String::new() }
        ));
        if let Some(signer) = &report.signer {
            context.output.talk(&format!("Signed by {signer}"));
        }
    }
    if !report.damaged.is_empty() {
        return Err(Failure::new(Exit::Damaged, "damage was found; it is named above").hint(mend));
    }
    if absent > 0 {
        let files = counted(absent, "linked original is", "linked originals are");
        return Err(Failure::new(Exit::Incomplete, format!("{files} not there and could not be checked"))
            .hint(
                "connect the disk that they are on, or import copies of them, which the library then keeps",
            ));
    }
    if context.interrupted() {
        return Err(Failure::new(Exit::Incomplete, "interrupted before everything was checked"));
    }
    Ok(())
}
