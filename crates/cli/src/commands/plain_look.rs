//! `safelight plain list`, `verify` and `link`: what is there, whether it is whole, and showing one file to somebody.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use safelight_plain::{Entry, VerifyRequest};
use serde_json::json;

use super::plain_place::{At, Known, Watch, copies_in, json as with_place, state_folder};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable, printable_text, size};

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only files at or below these paths
    paths: Vec<PathBuf>,
    /// List the copies that are known instead of files
    #[arg(long, conflicts_with = "paths")]
    copies: bool,
    #[command(flatten)]
    at: At,
}

pub(super) fn list(context: &Context, list: &List) -> Result<(), Failure> {
    if list.copies {
        return list_copies(context, list);
    }
    let copy = list.at.to_read(context)?;
    let entries = copy.entries_below(&list.paths)?;
    if context.output.json() {
        let files: Vec<_> = entries.iter().map(file).collect();
        return Ok(context
            .output
            .print_json(&json!({ "place": copy.destination().name(), "files": files }))?);
    }
    for entry in &entries {
        let tier = entry.tier.map_or("-", safelight_plain::Tier::word);
        let line = format!("{:>10}  {tier:<7}  {}", size(entry.size), printable(&entry.path));
        context.output.data(&line)?;
    }
    let bytes = entries.iter().map(|entry| entry.size).sum();
    context.output.talk(&format!("{}, {}", counted(entries.len() as u64, "file", "files"), size(bytes)));
    Ok(())
}

fn file(entry: &Entry) -> serde_json::Value {
    json!({
        "path": printable(&entry.path),
        "size": entry.size,
        "mtime_ns": entry.mtime_ns,
        "sha256": entry.sha256.to_string(),
        "blob": entry.blob,
        "etag": entry.etag,
        "tier": entry.tier,
        "uploaded": entry.uploaded,
    })
}

fn list_copies(context: &Context, list: &List) -> Result<(), Failure> {
    let folder = state_folder(context, &list.at.reach)?;
    let copies = copies_in(&folder)?;
    if context.output.json() {
        let copies: Vec<_> = copies
            .iter()
            .map(|Known { place, files, source }| {
                let source = source.as_deref().map(printable);
                json!({ "place": place, "files": files, "source": source, "encrypted": false })
            })
            .collect();
        return Ok(context.output.print_json(&json!({ "copies": copies }))?);
    }
    for Known { place, files, source } in &copies {
        let from = source.as_deref().map(|source| format!(" from {}", printable(source)));
        let files = counted(*files, "file", "files");
        let line = format!("{}  {files}{}", printable_text(place), from.unwrap_or_default());
        context.output.data(&line)?;
    }
    match copies.is_empty() {
        true => context.output.talk("There is no plain copy; safelight plain push SOURCE ADDRESS makes one."),
        false => context.output.talk("None of this is encrypted: whoever keeps a place can read its copy."),
    }
    Ok(())
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Only look whether every blob is there and has its size
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    at: At,
}

pub(super) fn verify(context: &Context, verify: &Verify) -> Result<(), Failure> {
    let copy = verify.at.to_read(context)?;
    let request = VerifyRequest { quick: verify.quick, dry_run: context.global.dry_run };
    let report = copy.verify(request, &Watch::of(context))?;
    let problems = context.progress.failures() as u64;
    if context.output.json() {
        let value = with_place(context, &copy.destination().name(), &report)?;
        context.output.print_json(&value)?;
    } else {
        let read = if verify.quick { "not read back".to_owned() } else { format!("{} whole", report.whole) };
        context.output.talk(&format!(
            "{} there, {read} ({}); {} damaged or missing, {} could not be read, {} archived",
            counted(report.blobs, "blob", "blobs"),
            size(report.bytes),
            report.damaged,
            report.unread,
            report.archived
        ));
        if report.forgotten > 0 {
            let files = counted(report.forgotten, "file is", "files are");
            context.output.talk(&format!(
                "{files} not there any more; the next push sends what the source has of that"
            ));
        }
        if report.strangers > 0 {
            let others = counted(report.strangers, "object", "objects");
            context.output.talk(&format!("{others} there are laid out otherwise and were not looked at"));
        }
    }
    if report.damaged > 0 || problems > report.unread {
        return Err(Failure::new(Exit::Damaged, "damage was found; it is named above").hint(
            "what is missing is sent again by the next push; delete a damaged blob and verify again, then that is, too",
        ));
    }
    if report.unread > 0 || report.is_interrupted {
        return Err(Failure::new(Exit::Incomplete, "not everything was verified"));
    }
    Ok(())
}

#[derive(Debug, Args)]
pub(crate) struct Link {
    /// The file: its path in the copy or on this machine, or the name of its blob; without one, lists the links made
    file: Option<PathBuf>,
    /// How long it can be read, for example 12h or 7d, the longest
    #[arg(long = "for", value_name = "TIME", value_parser = time, default_value = "24h")]
    valid_for: Duration,
    #[command(flatten)]
    at: At,
}

fn time(text: &str) -> Result<Duration, String> {
    const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];
    let found =
        UNITS.into_iter().find_map(|(unit, seconds)| Some((text.trim().strip_suffix(unit)?, seconds)));
    let seconds = found.and_then(|(number, seconds)| number.parse::<u64>().ok()?.checked_mul(seconds));
    let seconds = seconds.filter(|seconds| (60..=7 * 86_400).contains(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "a time is 30m, 12h or 7d, and seven days at most".to_owned())
}

pub(super) fn link(context: &Context, link: &Link) -> Result<(), Failure> {
    let copy = match &link.file {
        Some(_) => link.at.to_write(context)?,
        None => link.at.to_read(context)?,
    };
    let Some(file) = &link.file else {
        let (links, unreadable) = copy.links()?;
        if unreadable > 0 {
            let lines = counted(unreadable, "line", "lines");
            context.output.warn(&format!("{lines} of links.jsonl cannot be read: links may be missing here"));
        }
        if context.output.json() {
            return Ok(context.output.print_json(&json!({ "links": links, "unreadable": unreadable }))?);
        }
        for made in &links {
            context.output.data(&format!(
                "{}  until {}  {}",
                made.made,
                made.ends,
                printable_text(&made.path)
            ))?;
        }
        return Ok(());
    };
    context.refuse_dry_run("plain link", "safelight plain list names what can be linked to")?;
    let made = copy.link(file, link.valid_for)?;
    if context.output.json() {
        let answer = json!({ "url": made.url.expose(), "link": made.record });
        return Ok(context.output.print_json(&answer)?);
    }
    context.output.data(made.url.expose())?;
    let ends = &made.record.ends;
    context
        .output
        .talk(&format!("Whoever has this link can read the file until {ends}; it was written down"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_ends_after_seven_days_at_the_latest() {
        assert_eq!(time("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(time("90m"), Ok(Duration::from_secs(5400)));
        for wrong in ["8d", "0h", "", "d", "1w", "99999999999999999999d", "1"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
