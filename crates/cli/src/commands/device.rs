//! `safelight device`: who belongs to the library, and how one leaves it.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use safelight_library::{
    Departure, InviteAs, Lan, Leaving, PairedDevice, ShownDevice, Surroundings, SyncRequest, UploadState,
    machine_name,
};

use crate::commands::device_quarantine as quarantine;
use crate::commands::pairing::Screen;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable_text, size};
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
    /// Shows eight words and a picture (QR code) that let one device in, for ten minutes, through a remote that both reach, or
    /// over the local network that both are on. The new device runs safelight join --code. Then both show six words: say yes when they are the same. In a script a
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
        /// Let it only upload: it gets the public inbox key and opens nothing (there: safelight join --code --upload-only).
        /// With --with-storage its SAS creates objects, and reads, lists, replaces and deletes none
        #[arg(long)]
        upload_only: bool,
        /// Wait in the remote only; without it a new device on the same network needs nothing but the words
        #[arg(long, conflicts_with = "lan_address")]
        no_lan: bool,
        /// On the local network listen at this address of this device only, which has to be a private one; else at all of those
        #[arg(long, value_name = "ADDRESS")]
        lan_address: Option<IpAddr>,
        /// Of one that only uploads, take in so many files on one day
        #[arg(long, value_name = "COUNT", default_value_t = 5_000, requires = "upload_only")]
        files_a_day: u64,
        /// Of one that only uploads, take in so much on one day, as 100GB
        #[arg(long, value_name = "SIZE", default_value = "100GB", requires = "upload_only")]
        size_a_day: String,
    },
    /// Show what devices that only upload have sent, or take it in now
    ///
    /// Every sync takes it in. What is wrong with an upload is said, and it stays aside; take looks at it again, and with
    /// --yes takes more than a day's quota.
    Inbox {
        #[command(subcommand)]
        action: Option<InboxAction>,
        /// The remote; all of them when none is named
        #[arg(long, value_name = "NAME", global = true)]
        remote: Option<String>,
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
    /// Show what devices wrote after they were revoked or retired, or take it over piece by piece
    ///
    /// It counts for nobody, and stays where it is. Who believes some of it takes it over: then it counts as said by this
    /// device, for all who stay, with the next sync. Pieces of one device come in their order.
    Quarantine {
        #[command(subcommand)]
        action: Option<QuarantineAction>,
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

#[derive(Debug, Subcommand)]
enum InboxAction {
    /// List the uploads that rest in the remotes
    List,
    /// Take them in, as every sync does
    Take,
}

#[derive(Debug, Subcommand)]
enum QuarantineAction {
    /// List the pieces that rest in the remotes, and what each would do
    List,
    /// Take the next piece of a device over; one that trashes or replaces many photos needs --yes
    Accept {
        /// The device
        device: String,
        /// The piece, as the list calls it: 42-9f3c21ab
        piece: String,
    },
}

/// What is asked where the storage can lend.
const LEND: &str = "Give the new device a key (SAS) of its own to the storage, for a year, which cannot delete? The picture then opens the \
     storage too, for half an hour.";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        None | Some(Action::List) => list(context),
        Some(Action::Invite {
            remote,
            without_comparing,
            with_storage,
            upload_only,
            no_lan,
            lan_address,
            files_a_day,
            size_a_day,
        }) => {
            let invite_as = if *upload_only {
                let bytes_a_day = super::local::bytes(size_a_day).ok_or_else(|| {
                    Failure::usage(format!("{size_a_day} is no size")).hint("write it as 500MB or 100GB")
                })?;
                InviteAs::Uploader { items_a_day: *files_a_day, bytes_a_day }
            } else {
                InviteAs::Member
            };
            let lan = match (no_lan, lan_address) {
                (true, _) => Lan::Off,
                (false, Some(address)) => Lan::Only(*address),
                (false, None) => Lan::Near,
            };
            let how = (invite_as, *with_storage, *without_comparing);
            invite(context, remote.as_deref(), how, lan)
        }
        Some(Action::Inbox { action: Some(InboxAction::Take), remote }) => take(context, remote.as_deref()),
        Some(Action::Inbox { remote, .. }) => inbox(context, remote.as_deref()),
        Some(Action::Rename { device, name }) => rename(context, device, name),
        Some(Action::Lapse { device }) => lapse(context, device),
        Some(Action::Quarantine { action: Some(QuarantineAction::Accept { device, piece }) }) => {
            quarantine::accept(context, device, piece)
        }
        Some(Action::Quarantine { .. }) => quarantine::list(context),
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
    let this = match device {
        device if device.is_this => "  this device",
        device if device.upload_only => "  only uploads",
        _ => "",
    };
    let name = printable_text(device.name.as_deref().unwrap_or("-"));
    format!("{}  {:<8}  {active:<19}  {name}{this}", device.id, device.standing.word())
}

fn invite(
    context: &Context,
    remote: Option<&str>,
    (invite_as, with_storage, without_comparing): (InviteAs, bool, bool),
    lan: Lan,
) -> Result<(), Failure> {
    context.refuse_dry_run("device invite", "nobody is let in before the words were compared")?;
    let mut library = context.open_library()?;
    let own = library.devices()?.into_iter().find(|device| device.is_this).and_then(|device| device.name);
    let own = own.unwrap_or_else(machine_name);
    let screen = Screen { context, without_comparing, opening: None };
    let is_asked = !with_storage && prompt::someone_is_there() && library.can_lend_storage(remote)?;
    let lends = with_storage || is_asked && prompt::agree(LEND)?;
    let surroundings = Surroundings { lan, ..context.surroundings() };
    let paired = library.invite(remote, &own, (invite_as, lends), &screen, &surroundings, &context.progress);
    library.close()?;
    let paired = paired?;
    if context.output.json() {
        let mut event = serde_json::to_value(&paired).map_err(std::io::Error::from)?;
        event["event"] = "admitted".into();
        event["upload_only"] = (invite_as != InviteAs::Member).into();
        context.output.data(&event.to_string())?;
        return if paired.heard { Ok(()) } else { Err(unheard(&paired)) };
    }
    if !paired.heard {
        return Err(unheard(&paired));
    }
    let called = printable_text(paired.name.as_deref().unwrap_or(&paired.device));
    if invite_as != InviteAs::Member {
        context.output.talk(&format!(
            "{called} may upload now, and opens nothing. What it sends comes in with every sync: safelight device inbox"
        ));
        if !lends {
            context.output.talk(
                "It uses the credential that you give it there; one that may only create objects is enough \
                 (on Azure a SAS with sp=c)",
            );
        }
        return Ok(());
    }
    context.output.talk(&format!(
        "{called} belongs to the library now. It was given the secrets of {}, in {} bytes.",
        counted(paired.epochs as u64, "epoch", "epochs"),
        paired.keys_file_bytes
    ));
    Ok(())
}

/// It stands in the library, and will never know.
fn unheard(paired: &PairedDevice) -> Failure {
    let called = printable_text(paired.name.as_deref().unwrap_or(&paired.device));
    let reason = format!("{called} was let in, and did not hear of it");
    Failure::new(Exit::Incomplete, reason)
        .hint(format!("safelight device retire {}, then safelight device invite again", paired.device))
}

fn inbox(context: &Context, remote: Option<&str>) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let uploads = library.inbox(remote, &context.surroundings());
    library.close()?;
    let uploads = uploads?;
    if context.output.json() {
        return Ok(context.output.print_json(&uploads)?);
    }
    for upload in &uploads {
        let state = match upload.state {
            UploadState::Waiting => "waiting",
            UploadState::Incomplete => "incomplete",
            UploadState::Aside => "aside",
            UploadState::Taken => "taken in",
        };
        let device = printable_text(upload.device_name.as_deref().unwrap_or(&upload.device));
        let reason = upload.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        context.output.data(&format!(
            "{state:<10}  {:>9}  {device}  {}  {}{}",
            size(upload.bytes),
            upload.remote,
            upload.object,
            printable_text(&reason)
        ))?;
    }
    Ok(())
}

fn take(context: &Context, remote: Option<&str>) -> Result<(), Failure> {
    context.refuse_dry_run("device inbox take", "device inbox lists what there is")?;
    let mut library = context.open_library()?;
    let request = SyncRequest { remote, insists_on_uploads: context.global.yes, ..SyncRequest::default() };
    let run = library.sync(&request, &context.surroundings(), &context.progress);
    library.close()?;
    let run = run?;
    if context.output.json() {
        context.output.print_json(&run.outcomes)?;
    }
    for outcome in run.outcomes.iter().filter(|_| !context.output.json()) {
        let told = super::sync::uploads(&outcome.uploads).unwrap_or_else(|| "no uploads".to_owned());
        context.output.talk(&format!("{}: {told}", outcome.remote));
    }
    let outcomes = run.outcomes;
    if let Some(error) = run.first_error {
        return Err(super::sync::failed(&outcomes, error));
    }
    if context.progress.failures() > 0 { Err(Failure::silent(Exit::Incomplete)) } else { Ok(()) }
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
