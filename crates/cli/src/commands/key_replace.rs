//! `safelight key recovery replace`: new recovery words, which those in force sign.
//!
//! The person has the new words on paper, or the file has them, before anything changes.

use std::path::Path;

use safelight_library::{Library, NewWords, RecoveryWords, WordsStanding};
use serde::Serialize;

use super::init::{show_words, write_words};
use super::key_recovery::{not_in_force, require_in_force, typed_words};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable, printable_text};
use crate::prompt;

/// What is said above new words.
const SHOWN: &str =
    "These 24 words will bring your library back instead of the old ones, once two of them were typed again.";
/// What is said to who typed another word, and what helps.
const NOT_REPLACED: (&str, &str) = (
    "that is another word; the old recovery words stay in force",
    "destroy what was written down just now, and run safelight key recovery replace again",
);

#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    told: &'a NewWords,
    recovery_file: Option<String>,
}

pub(super) fn run(
    context: &Context,
    words_file: Option<&Path>,
    new_file: Option<&Path>,
) -> Result<(), Failure> {
    if new_file.is_none() && !prompt::someone_is_there() {
        return Err(Failure::new(
            Exit::Refused,
            "the new recovery words have nowhere to go: there is no terminal to show them on",
        )
        .hint("pass --new-recovery-file FILE; whoever has that file can open the library"));
    }
    if let Some(file) = new_file {
        context.refuse_in_library(file)?;
    }
    if context.global.dry_run {
        return foretell(context, words_file);
    }
    let mut library = context.open_library()?;
    let kept = new_file.filter(|file| file.exists()).map(kept_words).transpose()?;
    let begun = kept.as_ref().map(|words| library.words_standing(words)).transpose()?;
    let told = match (kept, begun) {
        (Some(new), Some(WordsStanding::InForce)) => library.replace_words(None, &new)?,
        (Some(_), Some(standing @ WordsStanding::Replaced(_))) => return Err(not_in_force(&standing)),
        (kept, _) => {
            let old = typed_words(words_file, "--words-file")?;
            require_in_force(&library, &old)?;
            let new = match (kept, new_file) {
                (Some(kept), _) => kept,
                (None, file) => new_words(file)?,
            };
            library.replace_words(Some(&old), &new)?
        }
    };
    library.close()?;
    tell(context, &told, new_file)
}

fn foretell(context: &Context, words_file: Option<&Path>) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    if let Some(file) = words_file {
        require_in_force(&library, &typed_words(Some(file), "--words-file")?)?;
    }
    library.close()?;
    if context.output.json() {
        return Ok(context
            .output
            .print_json(&serde_json::json!({ "would": "replace the recovery words" }))?);
    }
    context.output.talk("Would put new recovery words in force instead of those that are");
    Ok(())
}

/// The words of an earlier attempt, which nobody may know yet.
fn kept_words(file: &Path) -> Result<RecoveryWords, Failure> {
    let read = typed_words(Some(file), "--new-recovery-file");
    read.map_err(|failure| failure.hint("name a new file for the new recovery words"))
}

/// Draws words, and sees to it that somebody has them.
fn new_words(file: Option<&Path>) -> Result<RecoveryWords, Failure> {
    let words = Library::draw_words();
    match file {
        Some(file) => write_words(file, &words)?,
        None => show_words(&words, SHOWN, NOT_REPLACED)?,
    }
    Ok(words)
}

fn tell(context: &Context, told: &NewWords, file: Option<&Path>) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(&Told { told, recovery_file: file.map(printable) })?);
    }
    let since = &told.since;
    context.output.talk(&match told.is_new {
        true => format!("New recovery words are in force since {since} (UTC)."),
        false => {
            format!("These recovery words are in force since {since} (UTC): nothing more was to be replaced.")
        }
    });
    if told.is_new {
        context.output.talk(&format!(
            "Whoever has the old words, and a copy of what rests here or in a remote, still reads {} of before; what comes from \
             now on they do not open. Destroy them, and shares of them.",
            counted(told.still_readable, "photo", "photos")
        ));
    }
    if let Some(file) = file {
        context.output.talk(&format!(
            "The new words are in {}: print them (safelight key recovery print FILE --with-words), then delete that file.",
            printable(file)
        ));
    }
    if !told.remotes.is_empty() {
        let remotes: Vec<String> = told.remotes.iter().map(|name| printable_text(name)).collect();
        context.output.talk(&format!(
            "Next: safelight sync: until then the new words bring nothing back from {}. On other devices safelight key add \
             --recovery-words lets them unlock.",
            remotes.join(", ")
        ));
    }
    Ok(())
}
