//! What the commands of plain copies share: where one is, what opens it, who watches.

use std::path::{Path, PathBuf};

use clap::Args;
use safelight_plain::{
    AzureEnvironment, Destination, Done, Index, Monitor, PlainCopy, Problem, RemoteAddress, RemoteCredential,
    Task, Weight,
};

use super::remote::given_credential;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{printable, printable_text};
use crate::progress::Progress;

/// The state folder of the drop-in for azphotosync, below the home.
pub(super) const DROP_IN_FOLDER: &str = ".azphotosync";

/// How a plain copy is reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct Reach {
    /// Remember what was sent in this folder [default: safelight/plain in the data folder]
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// A file with the SAS, keys or password; without one Azure takes the identity of this machine
    #[arg(long, value_name = "FILE")]
    pub(super) credential_file: Option<PathBuf>,
    /// Files on their way at once, 1 to 32
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(super) workers: u32,
    /// Use the connection no faster, for example 2MB/s
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(super) limit: Option<u64>,
}

/// A plain copy that is there already.
#[derive(Debug, Clone, Args)]
pub(crate) struct At {
    /// Where the copy is; needed only where the state folder knows of several
    #[arg(long = "at", value_name = "ADDRESS")]
    pub(super) address: Option<String>,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// `2MB/s` or `500kB/s`.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 4] = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0)];
    let bare = text.trim().strip_suffix("/s").unwrap_or(text.trim());
    let found = UNITS.into_iter().find_map(|(unit, scale)| Some((bare.strip_suffix(unit)?, scale)));
    let rate = found.and_then(|(number, scale)| Some(number.trim().parse::<f64>().ok()? * scale));
    match rate.filter(|rate| (1e3..1e15).contains(rate)) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1e3 and 1e15")]
        Some(rate) => Ok(rate as u64),
        None => Err("a rate is 2MB/s or 500kB/s, from 1kB/s on".to_owned()),
    }
}

/// The state folder that is named, or the usual one.
pub(super) fn state_folder(context: &Context, reach: &Reach) -> Result<PathBuf, Failure> {
    match &reach.state_dir {
        Some(folder) => Ok(std::path::absolute(folder)?),
        None => context.plain_folder(),
    }
}

/// A destination by its address.
pub(super) fn destination(
    context: &Context,
    address: &str,
    reach: &Reach,
    may_create: bool,
) -> Result<Destination, Failure> {
    let (parsed, in_address) =
        RemoteAddress::parse(address).map_err(|error| Failure::usage(error.to_string()))?;
    if in_address.is_some() {
        return Err(Failure::usage("the address holds a SAS, which others on this machine can see")
            .hint("put it into a file, and pass --credential-file FILE"));
    }
    let credential = given_credential(context, Some(address), reach.credential_file.as_deref())?;
    Ok(to(parsed, credential, reach, may_create))
}

pub(super) fn to(
    address: RemoteAddress,
    credential: Option<RemoteCredential>,
    reach: &Reach,
    may_create: bool,
) -> Destination {
    Destination {
        address,
        credential,
        azure: AzureEnvironment::from_lookup(|name| std::env::var_os(name)),
        bytes_per_second: reach.limit,
        workers: reach.workers,
        may_create,
    }
}

impl At {
    /// The address that is named, or the only one that the state folder knows.
    pub(super) fn address(&self, context: &Context) -> Result<String, Failure> {
        if let Some(address) = &self.address {
            return Ok(address.clone());
        }
        let folder = state_folder(context, &self.reach)?;
        let copies = copies_in(&folder)?;
        match copies.as_slice() {
            [only] => Ok(only.place.clone()),
            [] => Err(Failure::new(Exit::NotFound, format!("{} knows of no plain copy", printable(&folder)))
                .hint("safelight plain push SOURCE ADDRESS makes one; --at ADDRESS names one that is there")),
            several => Err(Failure::usage("there are several plain copies: say which with --at ADDRESS")
                .hint(several.iter().map(|copy| printable_text(&copy.place)).collect::<Vec<_>>().join(", "))),
        }
    }

    /// The copy, to look at.
    pub(super) fn to_read(&self, context: &Context) -> Result<PlainCopy, Failure> {
        let destination = destination(context, &self.address(context)?, &self.reach, false)?;
        Ok(PlainCopy::to_read(destination, state_folder(context, &self.reach)?)?)
    }

    /// The copy, to change what is known of it or there.
    pub(super) fn to_write(&self, context: &Context) -> Result<PlainCopy, Failure> {
        let destination = destination(context, &self.address(context)?, &self.reach, false)?;
        Ok(PlainCopy::open(destination, state_folder(context, &self.reach)?)?)
    }
}

/// A plain copy that this machine remembers.
pub(super) struct Known {
    pub(super) place: String,
    pub(super) files: u64,
    /// Where its files came from last.
    pub(super) source: Option<PathBuf>,
}

/// The copies that a state folder remembers.
pub(super) fn copies_in(folder: &Path) -> Result<Vec<Known>, Failure> {
    let path = folder.join(safelight_plain::INDEX_FILE);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let index = Index::open_to_read(&path)?;
    let mut copies = Vec::new();
    for place in index.places()? {
        let (files, source) = (index.count(&place)?, index.source(&place)?);
        copies.push(Known { place, files, source });
    }
    Ok(copies)
}

/// The copies that the usual state folders remember; others are known only to who named them.
pub(super) fn copies_known_here(context: &Context) -> Vec<Known> {
    let folders =
        context.plain_folder().ok().into_iter().chain(context.home().map(|home| home.join(DROP_IN_FOLDER)));
    let mut copies = Vec::new();
    for folder in folders {
        match copies_in(&folder) {
            Ok(known) => copies.extend(known),
            Err(failure) => context.output.warn(&failure.message),
        }
    }
    copies
}

/// Whoever keeps the place can read it: said whenever a copy is begun.
pub(super) fn say_who_can_read(context: &Context, copy: &PlainCopy) -> Result<(), Failure> {
    if copy.known_files()? == 0 {
        let place = printable_text(&copy.destination().name());
        context.output.warn(&format!("Nothing is encrypted: whoever keeps {place} can read this copy."));
    }
    Ok(())
}

/// Shows what a plain copy does.
pub(super) struct Watch<'a> {
    progress: &'a Progress,
    is_verbose: bool,
    /// Whether lines are data: those of a dry run.
    print: Option<crate::output::Output>,
}

impl<'a> Watch<'a> {
    pub(super) fn of(context: &'a Context) -> Self {
        let is_verbose = context.output.verbose();
        let print = (context.global.dry_run && !context.output.json()).then_some(context.output);
        Self { progress: &context.progress, is_verbose, print }
    }
}

impl Monitor for Watch<'_> {
    fn begin(&self, task: Task, total: Option<u64>) {
        let verb = match task {
            Task::Push => "Sending",
            Task::Verify => "Verifying",
            Task::Restore => "Restoring",
            Task::Tier => "Moving",
            _ => "Looking",
        };
        self.progress.begin_as(verb, total, false);
    }

    fn advance(&self, items: u64, bytes: u64) {
        safelight_library::Monitor::advance(self.progress, items, bytes);
    }

    fn end(&self) {
        safelight_library::Monitor::end(self.progress);
    }

    fn done(&self, path: &Path, done: Done<'_>) {
        if let (Some(output), Done::WouldUpload { blob }) = (self.print, done) {
            let blob = blob.map(|blob| format!("  {}", printable_text(blob))).unwrap_or_default();
            // A reader that is gone is told by what follows.
            let _gone = output.data(&format!("would upload  {}{blob}", printable(path)));
            return;
        }
        if !self.is_verbose {
            return;
        }
        let (word, blob) = match done {
            Done::Uploaded { blob } => ("uploaded", Some(blob)),
            Done::Existing { blob } => ("existing", Some(blob)),
            Done::Duplicate { blob } => ("duplicate", Some(blob)),
            Done::Restored => ("restored", None),
            _ => ("unchanged", None),
        };
        let blob = blob.map(|blob| format!("  {}", printable_text(blob))).unwrap_or_default();
        self.progress.tell(&format!("{word}  {}{blob}", printable(path)));
    }

    fn problem(&self, problem: &Problem) {
        let (path, reason) = (problem.path.clone(), problem.reason.clone());
        let told = match problem.weight {
            Weight::Failure => safelight_library::Problem::failure(path, reason),
            Weight::Omission => safelight_library::Problem::omission(path, reason),
            Weight::Notice => safelight_library::Problem::notice(path, reason),
        };
        safelight_library::Monitor::problem(self.progress, &told);
    }

    fn cancelled(&self) -> bool {
        safelight_library::Monitor::cancelled(self.progress)
    }
}

/// What went wrong, for `--json`.
pub(super) fn problems(context: &Context) -> Vec<serde_json::Value> {
    let problems = context.progress.problems();
    let told = problems.iter().filter(|problem| problem.weight != safelight_library::Weight::Notice);
    told.map(|problem| {
        serde_json::json!({ "path": printable(&problem.path), "reason": printable_text(&problem.reason) })
    })
    .collect()
}

/// A report as `--json` prints it: its own fields, the place, and what went wrong.
pub(super) fn json(
    context: &Context,
    place: &str,
    report: &impl serde::Serialize,
) -> Result<serde_json::Value, Failure> {
    let mut value = serde_json::to_value(report)
        .map_err(|error| Failure::new(Exit::Incomplete, format!("the report cannot be written: {error}")))?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("place".to_owned(), place.into());
        fields.insert("dry_run".to_owned(), context.global.dry_run.into());
        fields.insert("problems".to_owned(), problems(context).into());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_and_a_unit() {
        assert_eq!(rate("2MB/s"), Ok(2_000_000));
        assert_eq!(rate("500kB"), Ok(500_000));
        assert_eq!(rate("1.5 GB/s"), Ok(1_500_000_000));
        for wrong in ["", "2", "MB/s", "-1MB/s", "1B/s", "2 apples"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
