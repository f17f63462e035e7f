//! `safelight key recovery`: the recovery words on paper, tried out, and shared among people.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use safelight_library::{KitSecret, Library, LibraryError, RecoveryKit, RecoveryWords, WordsStanding};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{is_there, new_private_file, printable};
use crate::prompt;

#[derive(Debug, Subcommand)]
pub(super) enum Recovery {
    /// Make a page to print: the words, where the photos rest, and how to bring them back
    ///
    /// Without the words, which the library does not keep, it has lines to write them on by hand: that page is no secret.
    Print {
        /// The PDF to make
        file: PathBuf,
        /// Ask for the words and print them too: whoever has that file has the photos
        #[arg(long)]
        with_words: bool,
        /// The same with the words from this file
        #[arg(long, value_name = "FILE")]
        words_file: Option<PathBuf>,
    },
    /// Try out what you wrote down: the words, or as many shares as are needed
    Test {
        /// The words from this file, instead of asking for them
        #[arg(long, value_name = "FILE")]
        words_file: Option<PathBuf>,
    },
    /// Put new words in force instead of those that are, which sign them
    ///
    /// Shows 24 new words and asks some of them back before anything changes; a script passes --new-recovery-file, and the words
    /// in force with --words-file. What is sealed from then on the old words do not open any more; what was sealed before they
    /// do. Interrupted, the same command with the same file goes on.
    Replace {
        /// The words in force from this file, instead of asking for them
        #[arg(long, value_name = "FILE")]
        words_file: Option<PathBuf>,
        /// Write the new words to this file; one that is there holds them already
        #[arg(long, value_name = "FILE")]
        new_recovery_file: Option<PathBuf>,
    },
    /// Split the words into shares for several people, so many of whom bring the library back together
    ///
    /// Each share is a page of its own, share-1.pdf and on. The words go on working, too. Who has fewer shares than are needed
    /// knows nothing of the words.
    Split {
        /// The folder for the pages
        folder: PathBuf,
        /// How many shares
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=15))]
        shares: u8,
        /// How many of them are needed
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=15))]
        threshold: u8,
        /// The words from this file, instead of asking for them
        #[arg(long, value_name = "FILE")]
        words_file: Option<PathBuf>,
    },
}

pub(super) fn run(context: &Context, action: &Recovery) -> Result<(), Failure> {
    if !matches!(action, Recovery::Replace { .. }) {
        context.refuse_dry_run("key recovery", "it changes nothing of the library")?;
    }
    match action {
        Recovery::Replace { words_file, new_recovery_file } => {
            super::key_replace::run(context, words_file.as_deref(), new_recovery_file.as_deref())
        }
        Recovery::Print { file, with_words, words_file } => {
            print(context, file, *with_words, words_file.as_deref())
        }
        Recovery::Test { words_file } => test(context, words_file.as_deref()),
        Recovery::Split { folder, shares, threshold, words_file } => {
            split(context, folder, (*shares, *threshold), words_file.as_deref())
        }
    }
}

/// The words as somebody types them or has them in a file; `flag` names the file otherwise.
pub(super) fn typed_words(file: Option<&Path>, flag: &str) -> Result<RecoveryWords, Failure> {
    let typed = match file {
        Some(file) => Zeroizing::new(std::fs::read_to_string(file).map_err(|error| {
            Failure::new(Exit::NotFound, format!("{} cannot be read: {error}", printable(file)))
        })?),
        None if prompt::someone_is_there() => prompt::passphrase("The 24 recovery words, or shares of them")?,
        None => {
            return Err(Failure::usage("there is no terminal to ask for the recovery words")
                .hint(format!("pass {flag} FILE")));
        }
    };
    Ok(RecoveryWords::parse(typed.trim()).map_err(LibraryError::from)?)
}

/// What is said of words that are not in force: such as were replaced, or those of another library, or of none.
pub(super) fn not_in_force(standing: &WordsStanding) -> Failure {
    let others = "these are not the recovery words of this library".to_owned();
    match standing {
        WordsStanding::Replaced(since) => {
            Failure::new(Exit::Locked, format!("these recovery words were replaced by others on {since}"))
                .hint("use the newer ones, and destroy these: they still open what was sealed before")
        }
        _ => Failure::new(Exit::Locked, others).hint("type those that init showed, or that replaced them"),
    }
}

/// Refuses words that are not those in force.
pub(super) fn require_in_force(library: &Library, words: &RecoveryWords) -> Result<(), Failure> {
    match library.words_standing(words)? {
        WordsStanding::InForce => Ok(()),
        standing => Err(not_in_force(&standing)),
    }
}

fn print(context: &Context, file: &Path, with_words: bool, words_file: Option<&Path>) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    let words = match (with_words, words_file) {
        (false, None) => None,
        _ => Some(typed_words(words_file, "--words-file")?),
    };
    if let Some(words) = &words {
        require_in_force(&library, words)?;
    }
    let kit = library.recovery_kit()?;
    library.close()?;
    write(file, &kit, words.as_ref().map_or(KitSecret::Lines, KitSecret::Words))?;
    if context.output.json() {
        return Ok(context.output.print_json(&serde_json::json!({
            "file": printable(file), "words": words.is_some(), "remotes": kit.remotes.len(), "six_words": kit.six_words,
        }))?);
    }
    let shown = printable(file);
    context.output.talk(&match words {
        Some(_) => format!("{shown} has the words: print it, and delete it. Whoever has it has your photos."),
        None => format!("{shown} has lines for the words: print it, and write them on by hand."),
    });
    if kit.remotes.is_empty() {
        context.output.warn(
            "the photos rest on this device alone: without a second place the words bring nothing back",
        );
    }
    Ok(())
}

fn test(context: &Context, words_file: Option<&Path>) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let words = typed_words(words_file, "--words-file")?;
    let standing = library.test_recovery(&words)?;
    library.close()?;
    if standing != WordsStanding::InForce {
        return Err(not_in_force(&standing));
    }
    if context.output.json() {
        return Ok(context.output.print_json(&serde_json::json!({ "opens": true }))?);
    }
    context.output.talk("These words bring this library back.");
    Ok(())
}

fn split(
    context: &Context,
    folder: &Path,
    (count, threshold): (u8, u8),
    words_file: Option<&Path>,
) -> Result<(), Failure> {
    if threshold > count {
        return Err(Failure::usage(format!("{threshold} of {count} shares cannot be needed"))
            .hint("--threshold is at most what --shares says"));
    }
    let library = context.open_library_to_read()?;
    let words = typed_words(words_file, "--words-file")?;
    require_in_force(&library, &words)?;
    let kit = library.recovery_kit()?;
    library.close()?;
    let shares = words.split(count, threshold, &mut context.entropy()).map_err(LibraryError::from)?;
    std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    let page = |number: u8| folder.join(format!("share-{number}.pdf"));
    // All or none: half of a splitting and half of another one do not fit together.
    if let Some(there) = shares.iter().map(|share| page(share.number())).find(|file| file.exists()) {
        return Err(is_there(&there));
    }
    let mut files = Vec::new();
    for share in &shares {
        let file = page(share.number());
        if let Err(failure) = write(&file, &kit, KitSecret::Share { share, count }) {
            files.iter().for_each(|file| drop(std::fs::remove_file(file)));
            return Err(failure);
        }
        files.push(file);
    }
    if context.output.json() {
        let files: Vec<String> = files.iter().map(|file| printable(file)).collect();
        let made = serde_json::json!({ "files": files, "shares": count, "threshold": threshold });
        return Ok(context.output.print_json(&made)?);
    }
    context.output.talk(&format!(
        "{count} shares are in {}, of which any {threshold} bring the library back: print each, give it away, and delete them.",
        printable(folder)
    ));
    context
        .output
        .talk("Whoever made shares before keeps them: shares of two splittings do not fit together.");
    Ok(())
}

fn write(file: &Path, kit: &RecoveryKit, secret: KitSecret<'_>) -> Result<(), Failure> {
    let mut output = new_private_file(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => is_there(file),
        _ => cannot_write(file, &error),
    })?;
    let page = kit.to_pdf(secret);
    output.write_all(&page).and_then(|()| output.sync_all()).map_err(|error| {
        drop(std::fs::remove_file(file));
        cannot_write(file, &error)
    })
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Incomplete, format!("{} cannot be written: {error}", printable(path)))
}
