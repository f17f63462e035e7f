//! `safelight device`: who belongs to the library, and how one leaves it.

use clap::{Args, Subcommand};
use safelight_library::{Departure, Leaving, ShownDevice, machine_name};

use crate::commands::pairing::Screen;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable_text};
use crate::prompt;

/// Show the devices of the library, name them, and let one leave
///
/// A device is named by its name, its id, or the beginning of its id.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the devices, and when each was last active
    List,
    /// Let a new device in by a code that it types or reads
    ///
    /// Shows eight words and a picture (QR code) that let one device in, for ten minutes, through a remote that both reach.
    /// The new device runs safelight join --code. Then both show six words: say yes when they are the same. In a script a
    /// line of stdin has to be the words that the other device shows. With --json each step is a line.
    Invite {
        /// The remote that the new device reaches as well; not needed where there is only one
        #[arg(long, value_name = "NAME")]
        remote: Option<String>,
        /// Let the code alone decide: nobody compares the six words
        #[arg(long)]
        without_comparing: bool,
        /// Give the new device a SAS of its own for a year, which deletes nothing; the picture then holds one for half an hour
        #[arg(long)]
        with_storage: bool,
    },
    /// Give a device a name; an empty one takes its name away
    Rename {
        /// The device
        device: String,
        /// What to call it
        name: String,
    },
    /// Wait no longer for a device that was silent for 90 days
    ///
    /// What leaves a remote does not wait for its word any more. It belongs to the library as before, and
    /// comes back by syncing.
    Lapse {
        /// The device
        device: String,
    },
    /// Let a device leave in peace: it was sold, or is no longer used
    ///
    /// What is sealed from then on it cannot open. Let this device itself leave with its own id: it says
    /// so with its last word, and writes nothing any more.
    Retire {
        /// The device
        device: String,
    },
    /// Stop trusting a device: it was lost, or stolen
    ///
    /// Nothing counts that it says after what is known of it here, and what is sealed from then on it
    /// cannot open. What it could open until then it still can: this says what, and which storage it
    /// may still reach.
    Revoke {
        /// The device
        device: String,
    },
}

/// What is asked where the storage can lend.
const LEND: &str = "Give the new device a key (SAS) of its own to the storage, for a year, which cannot delete? The picture then opens the \
     storage too, for half an hour.";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        None | Some(Action::List) => list(context),
        Some(Action::Invite { remote, without_comparing, with_storage }) => {
            invite(context, remote.as_deref(), *without_comparing, *with_storage)
        }
        Some(Action::Rename { device, name }) => rename(context, device, name),
        Some(Action::Lapse { device }) => lapse(context, device),
        Some(Action::Retire { device }) => leave(context, device, Leaving::Retire),
        Some(Action::Revoke { device }) => leave(context, device, Leaving::Revoke),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    let devices = library.devices()?;
    library.close()?;
    if context.output.json() {
        return Ok(context.output.print_json(&devices)?);
    }
    for device in &devices {
        context.output.data(&line(device))?;
    }
    Ok(())
}

fn line(device: &ShownDevice) -> String {
    let active = device.last_active.as_deref().unwrap_or("never active");
    let this = if device.is_this { "  this device" } else { "" };
    let name = printable_text(device.name.as_deref().unwrap_or("-"));
    format!("{}  {:<8}  {active:<19}  {name}{this}", device.id, device.standing.word())
}

fn invite(
    context: &Context,
    remote: Option<&str>,
    without_comparing: bool,
    with_storage: bool,
) -> Result<(), Failure> {
    context.refuse_dry_run("device invite", "nobody is let in before the words were compared")?;
    let mut library = context.open_library()?;
    let own = library.devices()?.into_iter().find(|device| device.is_this).and_then(|device| device.name);
    let own = own.unwrap_or_else(machine_name);
    let screen = Screen { context, without_comparing };
    let is_asked = !with_storage && prompt::someone_is_there() && library.can_lend_storage(remote)?;
    let lends = with_storage || is_asked && prompt::agree(LEND)?;
    let paired = library.invite(remote, &own, lends, &screen, &context.surroundings(), &context.progress);
    library.close()?;
    let paired = paired?;
    if context.output.json() {
        let mut event = serde_json::to_value(&paired).map_err(std::io::Error::from)?;
        event["event"] = "admitted".into();
        return Ok(context.output.data(&event.to_string())?);
    }
    let called = printable_text(paired.name.as_deref().unwrap_or(&paired.device));
    context.output.talk(&format!(
        "{called} belongs to the library now. It was given the secrets of {}, in {} bytes.",
        counted(paired.epochs as u64, "epoch", "epochs"),
        paired.keys_file_bytes
    ));
    Ok(())
}

fn rename(context: &Context, device: &str, name: &str) -> Result<(), Failure> {
    context.refuse_dry_run("device rename", "device list shows the names that there are")?;
    let mut library = context.open_library()?;
    let renamed = library.rename_device(device, name);
    library.close()?;
    let renamed = renamed?;
    if context.output.json() {
        return Ok(context.output.print_json(&renamed)?);
    }
    context.output.talk(&match &renamed.name {
        Some(name) => format!(
            "{} is called {}, on the other devices as well once they have synced",
            renamed.id,
            printable_text(name)
        ),
        None => format!("{} has no name any more", renamed.id),
    });
    Ok(())
}

fn lapse(context: &Context, device: &str) -> Result<(), Failure> {
    context.refuse_dry_run("device lapse", "device list shows when each device was last active")?;
    let mut library = context.open_library()?;
    let lapsed = library.lapse_device(device);
    library.close()?;
    let lapsed = lapsed?;
    if context.output.json() {
        return Ok(context.output.print_json(&lapsed)?);
    }
    let called = printable_text(lapsed.called());
    context.output.talk(&format!(
        "Nobody waits for {called} any more, on the other devices as well once they have synced"
    ));
    Ok(())
}

fn leave(context: &Context, device: &str, how: Leaving) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let plan = library.plan_departure(device)?;
    if context.global.dry_run {
        library.close()?;
        return tell(context, &plan, how, true);
    }
    if !context.global.yes && !context.output.json() {
        tell(context, &plan, how, true)?;
    }
    if !agreed(context, &plan, how)? {
        library.close()?;
        return Err(Failure::new(Exit::Refused, "nothing was done").hint("--yes agrees in a script"));
    }
    let left = match how {
        Leaving::Retire => library.retire_device(device),
        Leaving::Revoke => library.revoke_device(device),
    };
    library.close()?;
    tell(context, &left?, how, false)
}

/// There is no way back for a device but to join again, as another one.
fn agreed(context: &Context, plan: &Departure, how: Leaving) -> Result<bool, Failure> {
    if context.global.yes {
        return Ok(true);
    }
    let called = printable_text(plan.device.called());
    let question = match how {
        Leaving::Retire => format!("Let {called} leave the library? It comes back only by joining again."),
        Leaving::Revoke => format!("Stop trusting {called}? It comes back only by joining again."),
    };
    Ok(prompt::someone_is_there() && prompt::agree(&question)?)
}

fn tell(context: &Context, left: &Departure, how: Leaving, is_plan: bool) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(left)?);
    }
    for said in left.told(how, is_plan) {
        let at = said.remote.as_ref().and_then(|name| left.storage.iter().find(|one| one.remote == *name));
        context.output.talk(&match at {
            Some(at) => {
                format!("  {} ({}): {}", at.remote, printable_text(&at.address), printable_text(&said.reason))
            }
            None => printable_text(&said.reason),
        });
    }
    Ok(())
}
