//! `safelight device`: who belongs to the library, and how one leaves it.

use clap::{Args, Subcommand};
use safelight_library::{Departure, ShownDevice};

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
    /// Give a device a name; an empty one takes its name away
    Rename {
        /// The device
        device: String,
        /// What to call it
        name: String,
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

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        None | Some(Action::List) => list(context),
        Some(Action::Rename { device, name }) => rename(context, device, name),
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    Retire,
    Revoke,
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
    let talk = |line: String| context.output.talk(&line);
    let (called, photos) = (
        printable_text(left.device.called()),
        counted(left.still_readable, "photo or video", "photos and videos"),
    );
    let done = match (how, is_plan) {
        (Leaving::Retire, true) => "would leave the library",
        (Leaving::Retire, false) => "has left the library",
        (Leaving::Revoke, true) => "would not be trusted any more",
        (Leaving::Revoke, false) => "is not trusted any more",
    };
    talk(format!("{called} {done}. Of its history, parts 1 to {} count.", left.last_segment));
    if left.device.is_this {
        talk(
            "This device writes nothing any more. Its last word goes out with one more safelight sync."
                .to_owned(),
        );
        return Ok(());
    }
    talk(format!(
        "What is sealed from now on it cannot open. What was there until now it still can, where it has it or reaches it: \
         {photos}, and their history."
    ));
    for storage in &left.storage {
        talk(format!("  {} ({}): {}", storage.remote, printable_text(&storage.address), storage.next));
    }
    if !is_plan {
        talk("The other devices hear of it with their next sync, after one here: safelight sync".to_owned());
    }
    Ok(())
}
