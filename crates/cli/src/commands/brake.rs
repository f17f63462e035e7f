//! `safelight brake`: why nothing is let go, and letting it go on.

use clap::{Args, Subcommand};
use safelight_library::{Brake, Library, LibraryError, ShownBrake};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, grouped, printable_text};
use crate::prompt;

/// See why nothing is let go, and let it go on
///
/// When another device trashes, removes or replaces many photos within a day, or many files of a watched folder change at
/// once, the brake comes on: what the others wrote is taken in, and what changed in the folder is left where it is; nothing
/// leaves this device or its remotes until you have looked. Without a subcommand this says why it is on.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say why the brake is on
    List,
    /// Let things go on: it was meant, or you have taken it back
    Release,
    /// Say from when on the brake comes on: more than both of these at once
    Set {
        /// A share of all photos, in percent; 100 never
        #[arg(long, value_name = "PERCENT", required_unless_present = "photos")]
        share: Option<u64>,
        /// So many photos, or files of a watched folder
        #[arg(long, value_name = "N")]
        photos: Option<u64>,
    },
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        None | Some(Action::List) => list(context),
        Some(Action::Release) => release(context),
        Some(Action::Set { share, photos }) => {
            let mut library = context.open_library()?;
            let brake = library.set_brake(*share, *photos)?;
            library.close()?;
            tell(context, &brake)
        }
    }
}

/// Does what may take much at once; where it does, only after a person agreed.
pub(crate) fn agreeing<T>(
    context: &Context,
    library: &mut Library,
    run: impl Fn(&mut Library) -> Result<T, LibraryError>,
) -> Result<T, Failure> {
    if context.global.yes {
        return Ok(library.agreeing(run)?);
    }
    match run(library) {
        Err(error @ LibraryError::TakesMuch(_))
            if prompt::someone_is_there() && prompt::agree(&format!("{error}. Go on?"))? =>
        {
            Ok(library.agreeing(run)?)
        }
        done => Ok(done?),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    let brake = library.brake()?;
    library.close()?;
    tell(context, &brake)
}

fn tell(context: &Context, brake: &Brake) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(brake)?);
    }
    for cause in &brake.causes {
        context.output.data(&format!("{}Z  {}", cause.since, self::cause(cause)))?;
    }
    if brake.causes.is_empty() {
        context.output.talk("The brake is off");
    }
    for cause in &brake.causes {
        context.output.talk(&next(cause));
    }
    context.output.talk(&match brake.share_percent {
        100.. => "It never comes on: safelight brake set --share 5".to_owned(),
        share => format!(
            "It comes on when more than {share} % of all photos, and more than {}, are lost at once",
            grouped(brake.photos)
        ),
    });
    Ok(())
}

/// What put the brake on.
pub(crate) fn cause(cause: &ShownBrake) -> String {
    let (lost, known) = (grouped(cause.lost), grouped(cause.known));
    match (&cause.device, &cause.folder) {
        (Some(device), _) => {
            format!("{} trashed, removed or replaced {lost} of {known} photos", printable_text(device))
        }
        (None, folder) => {
            let folder = printable_text(folder.as_deref().unwrap_or_default());
            format!("{lost} of {known} files in {folder} changed at once and are held back")
        }
    }
}

/// What a person can do about it.
fn next(cause: &ShownBrake) -> String {
    match &cause.device {
        Some(device) => format!(
            "If that was not meant: safelight restore --to {}, then safelight brake release; if {device} is not yours \
             any more, safelight device revoke. If it was: safelight brake release",
            cause.before
        ),
        None => "If you changed them: safelight brake release, then safelight import. If not, look for what did; what the \
                 library holds of them is as it was, and safelight export writes it out"
            .to_owned(),
    }
}

fn release(context: &Context) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let brake = library.brake()?;
    if brake.causes.is_empty() {
        library.close()?;
        return tell(context, &brake);
    }
    if !context.global.yes && !context.global.dry_run {
        let message: Vec<String> = brake.causes.iter().map(cause).collect();
        let message = message.join("; ");
        if !(prompt::someone_is_there() && prompt::agree(&format!("{message}. Let it go on?"))?) {
            return Err(Failure::new(Exit::Refused, message)
                .hint("--yes lets it go on; safelight brake says how to take it back"));
        }
    }
    if !context.global.dry_run {
        library.release_brake()?;
    }
    library.close()?;
    if context.output.json() {
        return Ok(context.output.print_json(&brake)?);
    }
    let causes = counted(brake.causes.len() as u64, "cause", "causes");
    let verb = if context.global.dry_run { "would be released" } else { "is released" };
    context.output.talk(&format!("The brake {verb} ({causes})"));
    Ok(())
}
