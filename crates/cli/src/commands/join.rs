//! `safelight join`: a place and the recovery words become the library on this machine.

use std::path::PathBuf;

use clap::Args;
use safelight_library::{JoinRequest, Library, RecoveryWords, SyncRequest};
use zeroize::Zeroizing;

use crate::commands::{init, remote};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::printable;
use crate::prompt;

/// Join a library from a place that holds it
///
/// Asks for the 24 recovery words, or takes them from --recovery-file, and makes a new device of the library in a
/// new or empty folder. Thumbnails come at once, originals with safelight local fetch.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the library rests, as in safelight remote add
    address: String,
    /// What to call that place here
    #[arg(long, value_name = "NAME", default_value = "origin")]
    name: String,
    /// A file with the SAS, keys, password or client of that place
    #[arg(long, value_name = "FILE")]
    credential_file: Option<PathBuf>,
    #[command(flatten)]
    client: remote::Client,
    /// What to call the passphrase in `safelight key list`
    #[arg(long, value_name = "NAME", default_value = "passphrase")]
    label: String,
    /// Leave thumbnails for the first sync
    #[arg(long)]
    no_sync: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let path = context.library_path()?;
    if context.existing_library()?.is_some() {
        return Err(Failure::new(Exit::Refused, format!("{} is a library already", printable(&path)))
            .hint("name another folder with --library"));
    }
    let words = words(context)?;
    let credential = remote::credential(
        context,
        Some(&arguments.address),
        arguments.credential_file.as_deref(),
        &arguments.client,
    )?;
    let slots = init::slots(context, &arguments.label)?;
    if context.global.dry_run {
        context.output.talk(&format!("Would join {} in {}", arguments.address, printable(&path)));
        return Ok(());
    }
    let request = JoinRequest {
        path: &path,
        address: &arguments.address,
        credential: credential.as_ref(),
        name: &arguments.name,
        words: &words,
        slots: &slots,
    };
    let surroundings = context.surroundings();
    let id = Library::join(&request, &context.library_options(), &surroundings, &context.progress)?;
    let (mut outcomes, mut is_whole) = (Vec::new(), true);
    if !arguments.no_sync {
        let mut library = context.open_library()?;
        let synced = library.sync(&SyncRequest::default(), &surroundings, &context.progress);
        library.close()?;
        let error = match synced {
            Ok(run) => {
                outcomes = run.outcomes;
                run.first_error
            }
            Err(error) => Some(error),
        };
        if let Some(error) = error {
            // The library is joined; what is missing comes with the next sync.
            context.output.warn(&format!("joined, but the first sync failed: {error}"));
            is_whole = false;
        }
    }
    if context.output.json() {
        context.output.print_json(&serde_json::json!({
            "library": id.to_string(),
            "folder": printable(&path),
            "sync": outcomes,
        }))?;
    } else {
        context.output.talk(&format!("Joined the library in {}", printable(&path)));
        context.output.talk("Next: safelight list; safelight local fetch ITEMS brings originals here");
    }
    if !is_whole {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

fn words(context: &Context) -> Result<RecoveryWords, Failure> {
    if let Some(words) = context.given_words()? {
        return Ok(words);
    }
    if !prompt::someone_is_there() {
        return Err(Failure::new(Exit::Refused, "there is no terminal to ask for the recovery words on")
            .hint("pass --recovery-file FILE"));
    }
    loop {
        let typed: Zeroizing<String> = prompt::passphrase("The 24 recovery words")?;
        match RecoveryWords::parse(typed.trim()) {
            Ok(words) => return Ok(words),
            Err(error) => context.output.say(&error.to_string()),
        }
    }
}
