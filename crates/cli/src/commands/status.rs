//! `safelight status`: how many photos are safe, and where.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use safelight_library::Status;

use super::{backup, brake, status_metrics};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, grouped, printable_text, size};
use crate::{span, whole};

/// Say how many photos are safe, and what waits or failed
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Exit with 1 when something has failed, a photo is whole in no place and waits for none, or a watched folder could not be reached
    #[arg(long)]
    check: bool,
    /// With --check: exit with 1 as well when there is no remote, or one was not synced within this time, as 36h or 3d
    #[arg(long, value_name = "TIME", requires = "check", value_parser = span::parse)]
    synced_within: Option<Duration>,
    /// Write counts into this file for the textfile collector of Prometheus' node_exporter
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    let status = library.status()?;
    let (remotes, sources) = (library.remotes()?, library.sources()?);
    library.close()?;
    let now = Timestamp::now();
    if let Some(path) = &arguments.prometheus {
        whole::write(path, &status_metrics::document(&status, &remotes, now.as_second()))?;
    }
    if context.output.json() {
        context.output.print_json(&status)?;
    } else {
        context.output.data(&format!(
            "{} safe in {}, {} waiting, {} failed{}",
            safe(&status),
            counted(status.places, "place", "places"),
            status.waiting,
            status.failed,
            if status.linked_absent > 0 {
                format!(", {} absent", status.linked_absent)
            } else {
                String::new()
            }
        ))?;
        let rows = [
            ("library", status.library.clone()),
            ("folder", crate::output::printable(status.folder.as_ref())),
            ("photos", kinds(&status)),
            ("originals", originals(&status)),
            ("previews", format!("{} waiting", status.previews_pending)),
            ("not decoded", status.undecodable.to_string()),
            ("sources", counted(status.sources, "watched folder", "watched folders")),
            (
                "history",
                format!(
                    "{} in {}",
                    counted(status.operations, "operation", "operations"),
                    counted(status.segments, "segment", "segments")
                ),
            ),
        ];
        for (name, value) in rows {
            context.output.data(&format!("{name:>14}  {value}"))?;
        }
        if let Some(few) = status.in_fewer_than_two_places {
            let text = match few {
                0 => "every photo in two or more".to_owned(),
                few => format!(
                    "{} in fewer than two; safelight list 'places:<2' names them",
                    counted(few, "photo", "photos")
                ),
            };
            context.output.data(&format!("{:>14}  {text}", "places"))?;
        }
        context.output.data(&format!("{:>14}  {}", "six words", status.six_words))?;
        if status.recovery_tested.is_none() {
            let says = match status.recovery_words_since.as_deref() {
                Some(since) => format!("replaced on {since}, not tried out on this device since"),
                None => "not tried out on this device yet".to_owned(),
            };
            context.output.data(&format!("{:>14}  {says}: safelight key recovery test", "recovery words"))?;
        }
        if status.provisional {
            context.output.talk("The history is not replayed yet: safelight sync goes on with it");
        }
        if status.unwitnessed {
            context.output.talk(
                "Nobody but the place that this library was joined from has shown its history: compare the six words \
                 with another device's after a sync of both (safelight verify --six-words \"…\")",
            );
        }
        for made in &status.backups {
            context.output.data(&format!("{:>14}  {}", "backup", backup::line(made)))?;
        }
        for remote in &status.forgetting_waits_for {
            let remote = printable_text(remote);
            let says = "may still hold what was forgotten; safelight sync, with a credential that may delete, takes it out";
            context.output.data(&format!("{:>14}  {remote}: {says}", "forgetting"))?;
        }
        for capped in &status.capped {
            let remote = printable_text(&capped.remote);
            context.output.data(&format!("{:>14}  {remote}: {}", "daily cap", capped.reason()))?;
        }
        for cause in &status.brake {
            context.output.data(&format!("{:>14}  {}: safelight brake", "brake on", brake::cause(cause)))?;
        }
        for failed in &status.failures {
            let path = crate::output::printable(failed.path.as_ref());
            context.output.data(&format!("{:>14}  {path}: {}", "failed", failed.reason))?;
        }
        for path in &status.absent {
            let path = crate::output::printable(path.as_ref());
            context.output.data(&format!("{:>14}  {path}: linked, and not there now", "absent"))?;
        }
        for left in &status.leftovers {
            let reason = printable_text(&left.reason);
            context
                .output
                .data(&format!("{:>14}  {}: nobody can read it: {reason}", "left over", left.path))?;
        }
        for path in &status.replaced {
            let path = crate::output::printable(path.as_ref());
            let says = "linked, and something else lies there now; trash the photo, or import a copy of it";
            context.output.data(&format!("{:>14}  {path}: {says}", "absent"))?;
        }
        let unnamed = status.linked_absent - (status.absent.len() + status.replaced.len()) as u64;
        if unnamed > 0 {
            context
                .output
                .data(&format!("{:>14}  and {unnamed} more; safelight verify names them", "absent"))?;
        }
    }
    let synced: Vec<_> = remotes.iter().map(|remote| (remote.name.as_str(), remote.synced_millis)).collect();
    let late = arguments.synced_within.map(|within| late(&synced, within, now)).unwrap_or_default();
    for text in &late {
        context.output.warn(text);
    }
    let mut is_any_offline = false;
    for source in sources.iter().filter(|source| arguments.check && !source.online) {
        is_any_offline = true;
        let path = crate::output::printable(&source.path);
        context.output.warn(&format!("{path}: watched, and could not be reached at the last look"));
    }
    let is_any_nowhere = status.safe + status.waiting + status.linked_absent < status.assets;
    if arguments.check
        && (status.failed > 0
            || !late.is_empty()
            || is_any_nowhere
            || is_any_offline
            || !status.brake.is_empty()
            || !status.forgetting_waits_for.is_empty())
    {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

/// What was not synced within a time, in words; of each remote its name, and when the last sync ended well, in milliseconds.
fn late(remotes: &[(&str, Option<i64>)], within: Duration, now: Timestamp) -> Vec<String> {
    if remotes.is_empty() {
        return vec!["there is no remote to sync with: safelight remote add connects one".to_owned()];
    }
    let mut told = Vec::new();
    for (name, synced) in remotes {
        let since = match synced.and_then(|millis| Timestamp::from_millisecond(millis).ok()) {
            // Where the clock was set back the sync lies ahead, and is no older than anything.
            Some(synced) if !Duration::try_from(now.duration_since(synced)).is_ok_and(|age| age > within) => {
                continue;
            }
            Some(synced) => format!("the last sync that ended well was at {}", synced.strftime("%F %T")),
            None => "it was never synced".to_owned(),
        };
        let name = printable_text(name);
        told.push(format!("{name}: nothing synced within {}; {since}", span::in_words(within)));
    }
    told
}

/// What is safe: photos, and videos where there are any.
fn safe(status: &Status) -> String {
    if status.photos == status.assets {
        return counted(status.safe, "photo", "photos");
    }
    format!("{} photos and videos", grouped(status.safe))
}

/// How many of each kind; what is neither photo nor video is kept all the same, and said.
fn kinds(status: &Status) -> String {
    let mut text = format!("{}, {}", grouped(status.photos), counted(status.videos, "video", "videos"));
    if status.others > 0 {
        text.push_str(&format!(", {} of no known kind", counted(status.others, "file", "files")));
    }
    text
}

/// How much is sealed, and how much only linked: of that the library holds no copy.
fn originals(status: &Status) -> String {
    let sealed = format!("{} sealed", size(status.original_bytes.saturating_sub(status.linked_bytes)));
    if status.linked == 0 {
        return sealed;
    }
    let linked = counted(status.linked, "file", "files");
    let mut text = format!("{sealed}, {} linked in {linked}", size(status.linked_bytes));
    if status.linked_absent > 0 {
        text.push_str(&format!(", {} of them not there now", status.linked_absent));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_late_once_more_time_has_gone_by_than_was_named() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let ago = |seconds: i64| Some((1_800_000_000 - seconds) * 1000);
        let day = Duration::from_secs(86_400);
        let late_after = |synced| late(&[("nas", synced)], day, now);
        assert!(late_after(ago(86_400)).is_empty());
        assert_eq!(
            late_after(ago(86_401)),
            ["nas: nothing synced within 1 day; the last sync that ended well was at 2027-01-14 07:59:59"]
        );
        assert!(late_after(ago(-3600)).is_empty(), "a clock that was set back is no reason");
        assert_eq!(late_after(None), ["nas: nothing synced within 1 day; it was never synced"]);
        assert_eq!(late(&[], day, now).len(), 1);
    }
}
