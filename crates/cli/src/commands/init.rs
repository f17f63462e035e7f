//! `safelight init`: makes a library, its keys and its recovery words.

use std::io::Write as _;
use std::path::Path;

use clap::Args;
use safelight_library::folder::LibraryFolder;
use safelight_library::keys::{NewSlot, check_new_passphrase};
use safelight_library::{Library, RecoveryWords};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{new_private_file, printable};
use crate::prompt;

/// Which words are asked back, so that they are on paper and not just glanced at.
const ASKED_WORDS: usize = 2;
/// What is said above the words of a new library.
const SHOWN: &str = "These 24 words bring your library back if everything else is lost.";
/// What is said to who typed another word, and what helps.
const NOT_MADE: (&str, &str) =
    ("that is another word; no library was made", "run safelight init again and write the words down");

/// Make a new library
///
/// Shows the 24 recovery words once; they alone bring everything back. A script passes --recovery-file.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to call the passphrase in `safelight key list`
    #[arg(long, value_name = "NAME", default_value = "passphrase")]
    label: String,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let path = context.library_path()?;
    if context.existing_library()?.is_some() {
        return Err(Failure::new(Exit::Refused, format!("{} is a library already", printable(&path)))
            .hint("name another folder with --library, or use this one"));
    }
    if context.global.recovery_file.is_none() && !prompt::someone_is_there() {
        return Err(Failure::new(
            Exit::Refused,
            "the recovery words have nowhere to go: there is no terminal to show them on",
        )
        .hint("pass --recovery-file FILE; whoever has that file can open the library"));
    }
    if let Some(file) = &context.global.recovery_file {
        context.refuse_in_library(file)?;
    }
    let words = Words::of(context, &path)?;
    if context.global.dry_run {
        // Before anything is asked or made, a key file too.
        if context.output.json() {
            return Ok(context.output.print_json(&serde_json::json!({ "would_make": printable(&path) }))?);
        }
        context.output.talk(&format!("Would make a library in {}", printable(&path)));
        return Ok(());
    }
    let slots = slots(context, &arguments.label)?;
    if words.are_instead_of_others {
        context.output.say(
            "An earlier init was interrupted here. The words that it wrote or showed open nothing: destroy them.",
        );
    }
    // The words come first: a library without them must not exist.
    if context.global.recovery_file.is_none() {
        show_words(&words.words, SHOWN, NOT_MADE)?;
    }
    let id = Library::create(&path, &words.words, &slots, &context.library_options(), || {
        match &context.global.recovery_file {
            Some(file) if !words.are_kept => write_words(file, &words.words),
            _ => Ok(()),
        }
    })?;
    if context.output.json() {
        context.output.print_json(&serde_json::json!({
            "library": id.to_string(),
            "folder": printable(&path),
            "recovery_file": context.global.recovery_file.as_deref().map(printable),
        }))?;
    } else {
        context.output.talk(&format!("Made a library in {}", printable(&path)));
        if let Some(file) = &context.global.recovery_file {
            context.output.talk(&format!(
                "The recovery words are in {}: print them, then delete that file.",
                printable(file)
            ));
        }
        context.output.talk("Next: safelight import ~/Pictures");
    }
    Ok(())
}

/// The words of the library that is to be made.
struct Words {
    words: RecoveryWords,
    /// Whether the recovery file holds them already.
    are_kept: bool,
    /// Whether an interrupted attempt had shown or written others.
    are_instead_of_others: bool,
}

impl Words {
    /// Draws words; but those that an interrupted init in the same folder wrote to the same file are used again, so
    /// that what is in the file opens the library.
    fn of(context: &Context, path: &Path) -> Result<Self, Failure> {
        let begun = LibraryFolder::begun(path);
        if let Some(file) = context.global.recovery_file.as_deref().filter(|file| file.exists()) {
            let kept = context.given_words().ok().flatten();
            return match kept.filter(|words| begun == Some(words.library_id())) {
                Some(words) => Ok(Self { words, are_kept: true, are_instead_of_others: false }),
                None => Err(exists_already(file)),
            };
        }
        let words = Library::draw_words();
        Ok(Self { words, are_kept: false, are_instead_of_others: begun.is_some() })
    }
}

fn exists_already(file: &Path) -> Failure {
    Failure::new(Exit::Refused, format!("{} exists already and is not overwritten", printable(file)))
        .hint("name a new file for the recovery words; one that an init left which never ended opens nothing")
}

/// The ways to unlock that flags give or a person types.
pub(crate) fn slots(context: &Context, label: &str) -> Result<Vec<NewSlot>, Failure> {
    let mut slots = Vec::new();
    if let Some(file) = &context.global.key_file {
        slots.push(context.new_key_file_slot(file, "key file")?);
    }
    if let Some(passphrase) = context.given_passphrase()? {
        require_length(&passphrase)?;
        slots.push(NewSlot::passphrase(label, passphrase));
    } else if slots.is_empty() {
        if !prompt::someone_is_there() {
            return Err(Failure::new(Exit::Refused, "there is no passphrase and no terminal to ask for one")
                .hint("pass --passphrase-file FILE, --passphrase-fd N or --key-file FILE"));
        }
        slots.push(NewSlot::passphrase(label, prompt::new_passphrase()?));
    }
    Ok(slots)
}

/// Refuses a new passphrase that is too short, also from a script.
pub(super) fn require_length(passphrase: &str) -> Result<(), Failure> {
    check_new_passphrase(passphrase).map_err(|reason| {
        Failure::new(Exit::Refused, reason)
            .hint("write a longer one; for a secret that nobody types use a key file: --key-file FILE")
    })
}

pub(super) fn write_words(file: &Path, words: &RecoveryWords) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return exists_already(file);
        }
        Failure::new(Exit::Incomplete, format!("{} cannot be written: {error}", printable(file)))
    };
    let mut output = new_private_file(file).map_err(failed)?;
    let text = zeroize::Zeroizing::new(format!("{}\n", words.words().join(" ")));
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.sync_all())
        .and_then(|()| std::fs::File::open(folder)?.sync_all());
    written.map_err(|error| {
        // Half of the words open nothing, and would be in the way of the next attempt.
        drop(std::fs::remove_file(file));
        failed(error)
    })
}

/// Shows words alone on the screen, below a line that says what they are, and asks some of them back; `refusal` is what is said to
/// who types another word, and what helps.
pub(super) fn show_words(
    words: &RecoveryWords,
    what: &str,
    refusal: (&'static str, &'static str),
) -> Result<(), Failure> {
    let list = words.words();
    let mut text = zeroize::Zeroizing::new(format!(
        "{what}\nWrite them on paper. Whoever has them has your photos.\n\n"
    ));
    for (index, row) in list.chunks(4).enumerate() {
        for (column, word) in row.iter().enumerate() {
            text.push_str(&format!("  {:>2} {word:<10}", index * 4 + column + 1));
        }
        text.push('\n');
    }
    prompt::show_alone(&text)?;
    for position in Library::draw_positions(list.len(), ASKED_WORDS) {
        let Some(expected) = list.get(position) else { continue };
        let answer = prompt::line(&format!("Word number {}: ", position + 1))?;
        if answer.trim().to_lowercase() != *expected {
            return Err(Failure::new(Exit::Refused, refusal.0).hint(refusal.1));
        }
    }
    Ok(())
}
