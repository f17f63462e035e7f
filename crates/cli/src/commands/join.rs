//! `safelight join`: a place, and the recovery words or a code, become the library on this machine.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use safelight_library::{
    CodeToJoin, GivenCode, JoinBy, JoinRequest, Library, LibraryError, RecoveryWords, SyncRequest,
    UploadFolder, UploadJoin, is_lan_address, machine_name,
};
use zeroize::Zeroizing;

use crate::commands::pairing::{Opening, Screen, given_code};
use crate::commands::{init, remote};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, device_in_column, printable, printable_text};
use crate::prompt;

/// Where an address stands, for the device that invites: it is found on the local network.
const FOUND_NEAR: &str = "lan:";

/// Join a library from a place that holds it
///
/// Asks for the 24 recovery words, or takes them from --recovery-file, and makes a new device of the library in a
/// new or empty folder. With --code it needs no words: a device of the library lets it in, where safelight device invite
/// shows the code; on the same network it needs no address either. The newest thumbnails come first, then all of them and the history, originals with safelight
/// local fetch. After Ctrl-C, safelight sync goes on. A place can hide what is newest: six words that were written
/// down, or that another device shows in safelight status, tell.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the library rests, as in safelight remote add; a picture of safelight device invite says it too, and so does the
    /// device that invites where both are on one network (lan:HOST:PORT where it is not found there)
    #[arg(required_unless_present_any = ["code", "code_file"])]
    address: Option<String>,
    /// Come in by a code that another device shows, asked for here or read as a line of stdin
    #[arg(long)]
    code: bool,
    /// A file with that code
    #[arg(long, value_name = "FILE")]
    code_file: Option<PathBuf>,
    /// What to call this device; without it, what the machine is called
    #[arg(long, value_name = "NAME")]
    device_name: Option<String>,
    /// Let the code alone decide: nobody compares the six words
    #[arg(long)]
    without_comparing: bool,
    /// Only upload: the folder holds this device's own key and nothing that opens anything (safelight device invite
    /// --upload-only); safelight import then sends files
    #[arg(long)]
    upload_only: bool,
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
    /// Six words that this history must contain, as they were written down with the recovery words
    #[arg(long, value_name = "WORDS")]
    six_words: Option<String>,
    /// Leave the other thumbnails for the first sync
    #[arg(long)]
    no_sync: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let path = context.library_path()?;
    if context.existing_library()?.is_some() {
        return Err(Failure::new(Exit::Refused, format!("{} is a library already", printable(&path)))
            .hint("name another folder with --library"));
    }
    let invited = if arguments.code || arguments.code_file.is_some() {
        Some(given_code(context, arguments.code_file.as_deref())?)
    } else {
        None
    };
    let address = address(arguments, invited.as_ref())?;
    let words = if invited.is_some() { None } else { Some(words(context)?) };
    let lent = invited.as_ref().and_then(|given| given.credential.clone());
    let credential = match (&arguments.credential_file, lent) {
        (None, Some(lent)) => Some(lent),
        // Which place it is, is told on the way; what opens it is asked for, read or signed in with then.
        (file, _) if is_lan_address(address) => {
            check_opening(context, arguments, file.as_deref())?;
            None
        }
        (file, _) => remote::credential(context, Some(address), file.as_deref(), &arguments.client)?,
    };
    if arguments.upload_only {
        let given = invited.as_ref().ok_or_else(|| {
            Failure::usage("a device that only uploads comes in by a code")
                .hint("safelight join --code --upload-only")
        })?;
        return join_to_upload(context, arguments, &path, (address, credential.as_ref()), given);
    }
    let slots = init::slots(context, &arguments.label)?;
    let floor = floor(arguments, invited.is_some())?;
    if context.global.dry_run {
        context.output.talk(&format!("Would join {} in {}", shown(address), printable(&path)));
        return Ok(());
    }
    let screen = screen(context, arguments);
    let device_name = arguments.device_name.clone().unwrap_or_else(machine_name);
    let by = match (&words, &invited) {
        (Some(words), _) => JoinBy::Words(words),
        (None, Some(given)) => {
            JoinBy::Code(CodeToJoin { code: &given.code, device_name: &device_name, talk: &screen })
        }
        (None, None) => return Err(Failure::usage("there are neither recovery words nor a code")),
    };
    let request = JoinRequest {
        path: &path,
        address,
        credential: credential.as_ref(),
        name: &arguments.name,
        by,
        slots: &slots,
        sync_follows: !arguments.no_sync,
    };
    let surroundings = context.surroundings();
    let started = Instant::now();
    let joined = Library::join(&request, &context.library_options(), &surroundings, &context.progress)?;
    let first_page = started.elapsed();
    context.output.talk(&format!(
        "{} of the newest photos after {:.1} s; the rest follows (after Ctrl-C with safelight sync)",
        counted(joined.first_thumbnails, "thumbnail", "thumbnails"),
        first_page.as_secs_f64()
    ));
    let (mut outcomes, mut is_whole) = (Vec::new(), true);
    let mut library = context.open_library()?;
    // Before this device says anything its history is the very one that the device that invited saw: a witness.
    let is_witnessed =
        joined.history.as_ref().is_some_and(|history| library.compare_six_words(history).is_ok());
    if !arguments.no_sync {
        let synced = library.sync(&SyncRequest::default(), &surroundings, &context.progress);
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
    // What the device that invited saw is a floor as well.
    if let Some(history) = &joined.history
        && !is_witnessed
        && is_whole
        && !arguments.no_sync
        && !library.is_provisional()?
        && let Err(error) = library.compare_six_words(history)
    {
        let more = "the device that invited saw more than this place shows";
        context.output.warn(&format!("{error}; {more}"));
        is_whole = false;
    }
    let compared = floor.as_deref().map(|floor| library.compare_six_words(floor));
    let (devices, six_words) = (library.device_activity()?, library.six_words()?);
    let (unwitnessed, provisional) = (library.is_unwitnessed()?, library.is_provisional()?);
    library.close()?;
    if context.output.json() {
        let mut report = serde_json::json!({
            "library": joined.library.to_string(),
            "folder": printable(&path),
            "began_with_checkpoint": joined.began_with_checkpoint,
            "first_thumbnails": joined.first_thumbnails,
            "first_page_millis": u64::try_from(first_page.as_millis()).unwrap_or(u64::MAX),
            "provisional": provisional,
            "unwitnessed": unwitnessed,
            "six_words": six_words,
            "devices": devices,
            "sync": outcomes,
        });
        if invited.is_some() {
            report["event"] = "joined".into();
            context.output.data(&report.to_string())?;
        } else {
            context.output.print_json(&report)?;
        }
    } else {
        context.output.talk(&format!("Joined the library in {}", printable(&path)));
        for device in devices.iter().filter(|device| !device.is_this) {
            let last = device.last_active.as_deref().unwrap_or("never");
            let called = device_in_column(&device.device, device.name.as_deref());
            context.output.talk(&format!("  device {called} was last active {last}"));
        }
        if unwitnessed {
            context.output.talk(&format!(
                "Only this place has shown that history. When another device has synced, compare: {six_words}"
            ));
        }
        context.output.talk("Next: safelight list; safelight local fetch ITEMS brings originals here");
    }
    if let Some(Err(error)) = compared {
        let is_read = is_whole && !arguments.no_sync && !provisional && !context.interrupted();
        if matches!(error, LibraryError::BelowFloor) && !is_read {
            return Err(Failure::new(
                Exit::Incomplete,
                "cannot tell yet whether this history holds what the six words were written down for: it was not read to its end",
            )
            .hint("safelight sync, then safelight verify --six-words WORDS"));
        }
        return Err(error.into());
    }
    if !is_whole || !arguments.no_sync && context.progress.failures() > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

fn join_to_upload(
    context: &Context,
    arguments: &Arguments,
    path: &Path,
    (address, credential): (&str, Option<&safelight_library::RemoteCredential>),
    given: &GivenCode,
) -> Result<(), Failure> {
    if context.global.dry_run {
        context.output.talk(&format!("Would upload to {} from {}", shown(address), printable(path)));
        return Ok(());
    }
    let screen = screen(context, arguments);
    let device_name = arguments.device_name.clone().unwrap_or_else(machine_name);
    let code = CodeToJoin { code: &given.code, device_name: &device_name, talk: &screen };
    let request = UploadJoin { path, address, credential, code };
    UploadFolder::join(&request, &context.surroundings(), &context.progress)?;
    let folder = UploadFolder::open(path)?;
    if context.output.json() {
        let joined = serde_json::json!({
            "event": "joined",
            "upload_only": true,
            "library": folder.library(),
            "device": folder.device(),
            "folder": printable(path),
        });
        return Ok(context.output.data(&joined.to_string())?);
    }
    context.output.talk(&format!(
        "This device may upload to {}, and opens nothing. Next: safelight --library {} import PATH",
        printable_text(folder.address()),
        printable(path)
    ));
    Ok(())
}

fn screen<'a>(context: &'a Context, arguments: &'a Arguments) -> Screen<'a> {
    let opening = Opening { file: arguments.credential_file.as_deref(), client: &arguments.client };
    Screen { context, without_comparing: arguments.without_comparing, opening: Some(opening) }
}

/// Where the library rests, as far as it is known.
fn shown(address: &str) -> String {
    if is_lan_address(address) {
        "what the device on the local network invites to".into()
    } else {
        printable_text(address)
    }
}

/// Finds out before anybody is let in what would only fail after it: what opens a place that the other device names is sent
/// there if a person agrees, or --yes does.
fn check_opening(context: &Context, arguments: &Arguments, file: Option<&Path>) -> Result<(), Failure> {
    if (file.is_some() || arguments.client.is_given()) && !context.global.yes && !prompt::someone_is_there() {
        let reason =
            "the other device names the place, and nobody is here to agree that what opens it is sent there";
        return Err(Failure::new(Exit::Refused, reason)
            .hint("--yes agrees; or name the place: safelight join ADDRESS --code --credential-file FILE"));
    }
    remote::given_credential(context, None, file).map(drop)
}

/// Where the library rests: what is typed counts, for one place may have several addresses. Eight words say nothing of it,
/// and are enough on the network of the device that invites.
fn address<'a>(arguments: &'a Arguments, invited: Option<&'a GivenCode>) -> Result<&'a str, Failure> {
    match (arguments.address.as_deref(), invited) {
        (Some(address), None) if is_lan_address(address) => {
            Err(Failure::usage("on the local network a device comes in by a code")
                .hint("safelight device invite there, and here safelight join --code"))
        }
        (Some(address), _) => Ok(address),
        (None, invited) => Ok(invited.and_then(|given| given.address.as_deref()).unwrap_or(FOUND_NEAR)),
    }
}

/// The words that the history must contain: given, or asked for where somebody is there to answer.
fn floor(arguments: &Arguments, is_invited: bool) -> Result<Option<String>, Failure> {
    let typed = match &arguments.six_words {
        Some(words) => words.clone(),
        None if !is_invited && prompt::someone_is_there() => {
            prompt::line("Six words that were written down with the recovery words (Enter for none): ")?
                .trim()
                .to_owned()
        }
        None => String::new(),
    };
    if typed.is_empty() {
        return Ok(None);
    }
    if !Library::are_six_words(&typed) {
        return Err(Failure::new(Exit::Usage, "these are not six words of the list")
            .hint("type them as safelight status shows them, or leave them out"));
    }
    Ok(Some(typed))
}

fn words(context: &Context) -> Result<RecoveryWords, Failure> {
    if let Some(words) = context.given_words_to_join()? {
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
