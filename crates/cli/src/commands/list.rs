//! `safelight list` (alias `search`): what is in the library, newest first.

use clap::Args;
use safelight_library::{ListRequest, ListedAsset};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable_bytes, printable_text, size};

/// How many assets one page from the catalogue holds.
const PAGE_ASSETS: usize = 500;

/// List photos and videos, newest first
///
/// A query is words and filters, all of which must hold: camera: lens: date:2023-05..2023-07
/// near:48.85,2.35,10km place:Paris type:video format:heic size:>5MB rating:>=4 tag: album: name: path: albumsize:<10GB
/// sync:local-only|waiting|synced|cloud-only|elsewhere|thawing|failed sync:REMOTE=waiting places:<2 proven:<30d
/// is:duplicate|favourite|hidden|undecodable|live|motion|raw|linked|trashed|undated has:gps|place.
/// A ~ marks the time of the file itself, where nothing says when the photo was taken.
/// A minus before a word or filter excludes; quotes keep words together. Put -- before a query that
/// begins with a minus.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Words and filters
    query: Vec<String>,
    /// Stop after this many
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// Print only how many there are
    #[arg(long)]
    count: bool,
    /// As the library was then: 2026-05-14 (the end of that day), "2026-05-14 10:30", yesterday, "3 hours ago", or a snapshot
    #[arg(long, value_name = "WHEN")]
    at: Option<String>,
    /// Print what was searched for last in the gallery on this device
    #[arg(long, conflicts_with_all = ["query", "limit", "count", "at", "forget_recent"])]
    recent: bool,
    /// Forget what was searched for last in the gallery
    #[arg(long, conflicts_with_all = ["query", "limit", "count", "at"])]
    forget_recent: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.recent || arguments.forget_recent {
        return recent(context, arguments.forget_recent);
    }
    let library = context.open_library_at(arguments.at.as_deref())?;
    let query = joined(&arguments.query);
    if arguments.count {
        let count = library.count(&query)?;
        if context.output.json() {
            context.output.print_json(&serde_json::json!({ "count": count }))?;
        } else {
            context.output.data(&count.to_string())?;
        }
        return Ok(library.close()?);
    }
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    let mut after = None;
    let mut listed = 0_u64;
    let mut array = JsonArray::default();
    while left > 0 && !context.interrupted() {
        let page = library.list(&ListRequest { query: &query, after, limit: left.min(PAGE_ASSETS) })?;
        for asset in &page.assets {
            if context.output.json() {
                array.push(asset)?;
            } else {
                context.output.data(&line(asset))?;
            }
        }
        listed += page.assets.len() as u64;
        left -= page.assets.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let is_cut_short = context.interrupted() && left > 0 && (listed == 0 || after.is_some());
    if context.output.json() {
        array.finish()?;
    } else {
        context.output.talk(&counted(listed, "item", "items"));
    }
    library.close()?;
    if is_cut_short {
        return Err(Failure::new(Exit::Incomplete, "interrupted; there are more than were listed"));
    }
    Ok(())
}

/// What was searched for last, or what is left of it once it is forgotten.
fn recent(context: &Context, forget: bool) -> Result<(), Failure> {
    if forget {
        context.refuse_dry_run("list --forget-recent", "list --recent says what would be forgotten")?;
    }
    let mut library = if forget { context.open_library()? } else { context.open_library_to_read()? };
    let searches = if forget { library.forget_searches(None) } else { library.recent_searches() };
    library.close()?;
    let searches = searches?;
    if context.output.json() {
        return Ok(context.output.print_json(&searches)?);
    }
    for search in &searches {
        context.output.data(&printable_text(search))?;
    }
    Ok(())
}

/// Words that the shell has taken apart; one with a space in it was quoted there, so it is quoted again.
pub(crate) fn joined(words: &[String]) -> String {
    if let [only] = words {
        return only.clone();
    }
    let quoted = words.iter().map(|word| {
        if !word.contains(' ') || word.contains('"') {
            return word.clone();
        }
        match word.split_once(':') {
            Some((key, value)) if !key.contains(' ') => format!("{key}:\"{value}\""),
            _ => format!("\"{word}\""),
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn line(asset: &ListedAsset) -> String {
    // Without a date of its own a photo stands where its file's time puts it, and the mark says so.
    let (mark, time) = match (&asset.taken, &asset.file_time) {
        (Some(taken), _) => (' ', taken.replace('T', " ")),
        (None, Some(file_time)) => ('~', file_time.replace('T', " ")),
        (None, None) => (' ', "undated".to_owned()),
    };
    let mut marks = asset.marks().join(" ");
    if let Some(reason) = &asset.reason {
        marks.push_str(&format!(": {}", printable_bytes(reason.as_bytes())));
    }
    format!(
        "{} {mark}{time:19.19}  {:>9}  {}{}{marks}",
        asset.short_id(),
        size(asset.size),
        printable_bytes(asset.path.as_bytes()),
        if marks.is_empty() { "" } else { "  " },
    )
}

/// Writes a JSON array one element at a time, so that a million assets need no memory.
#[derive(Default)]
struct JsonArray {
    begun: bool,
}

impl JsonArray {
    fn push(&mut self, asset: &ListedAsset) -> std::io::Result<()> {
        use std::io::Write as _;
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(if self.begun { b",\n " } else { b"[\n " })?;
        self.begun = true;
        serde_json::to_writer(&mut stdout, asset)?;
        Ok(())
    }

    fn finish(self) -> std::io::Result<()> {
        use std::io::Write as _;
        std::io::stdout().lock().write_all(if self.begun { b"\n]\n" } else { b"[]\n" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_unquoted_is_quoted_again() {
        let words = ["place:New York".to_owned(), "two words".to_owned(), "-cat".to_owned()];
        assert_eq!(joined(&words), "place:\"New York\" \"two words\" -cat");
    }
}
