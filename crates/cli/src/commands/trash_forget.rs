//! `safelight trash forget`: photos and every trace of them.

use std::io::{self, Write as _};
use std::path::Path;

use safelight_library::{Among, ForgetPlan, ForgetReport, LibraryError};

use super::set::select;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, is_there, new_private_file, printable_text, size};
use crate::prompt;

pub(crate) fn run(context: &Context, items: &[String], receipt: Option<&Path>) -> Result<(), Failure> {
    if let Some(file) = receipt.filter(|file| file.symlink_metadata().is_ok()) {
        return Err(is_there(file));
    }
    let mut library = context.open_library()?;
    let plan = match items.is_empty() {
        true => ForgetPlan::default(),
        false => {
            let selection = select(&library, items, Among::Everywhere)?;
            library.plan_forget(&selection)?
        }
    };
    if context.global.dry_run {
        if context.output.json() {
            context.output.print_json(&plan)?;
        }
        context.output.talk(&told(&plan));
        return Ok(library.close()?);
    }
    if plan.photos > 0 && !context.global.yes {
        let message = told(&plan);
        let question = format!("{message}. There is no way back. Go on?");
        if !(prompt::someone_is_there() && prompt::agree(&question)?) {
            return Err(Failure::new(Exit::Refused, message).hint("there is no way back; --yes does it"));
        }
    }
    let report = library.forget(&plan, &context.surroundings(), &context.progress)?;
    library.close()?;
    if let Some(file) = receipt {
        write(file, &report.receipt)?;
    }
    show(context, &report, receipt)
}

pub(crate) fn receipts(context: &Context) -> Result<(), Failure> {
    let library = context.open_library_to_check()?;
    let receipts = library.receipts()?;
    library.close()?;
    for receipt in &receipts {
        context.output.data(receipt.trim_end())?;
    }
    context.output.talk(&counted(receipts.len() as u64, "receipt", "receipts"));
    Ok(())
}

fn write(file: &Path, receipt: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => is_there(file),
        _ => Failure::from(LibraryError::writing(file, error))
            .hint("the photos are forgotten, and the receipt is kept: safelight trash receipts shows it"),
    };
    let mut new = new_private_file(file).map_err(failed)?;
    new.write_all(receipt.as_bytes()).and_then(|()| new.sync_all()).map_err(failed)
}

fn told(plan: &ForgetPlan) -> String {
    let mut message = format!(
        "{} ({}) would be forgotten: bytes, renditions and all that history says of them, on this device and in {}",
        counted(plan.photos, "photo", "photos"),
        size(plan.bytes),
        counted(plan.remotes.len() as u64, "remote", "remotes")
    );
    if plan.linked > 0 {
        message.push_str(&format!("; {} of them linked, whose files stay where they are", plan.linked));
    }
    if plan.shared_contents > 0 {
        message.push_str(&format!(
            "; of {} the bytes stay, because another photo has the same",
            plan.shared_contents
        ));
    }
    if !plan.snapshots.is_empty() {
        let names: Vec<String> = plan.snapshots.iter().map(|name| printable_text(name)).collect();
        message.push_str(&format!("; snapshots lose them too: {}", names.join(", ")));
    }
    if plan.other_devices > 0 {
        let devices = counted(plan.other_devices, "other device", "other devices");
        message.push_str(&format!("; on {devices} with the next sync there"));
    }
    if !plan.devices_that_left.is_empty() {
        let names: Vec<String> = plan.devices_that_left.iter().map(|name| printable_text(name)).collect();
        message.push_str(&format!("; devices that left keep what they held: {}", names.join(", ")));
    }
    message
}

fn show(context: &Context, report: &ForgetReport, receipt: Option<&Path>) -> Result<(), Failure> {
    if context.output.json() {
        context.output.print_json(report)?;
    } else {
        let forgotten = counted(report.forgotten, "photo", "photos");
        context.output.talk(&format!("{forgotten} forgotten here, {} freed", size(report.freed_bytes)));
        if report.stayed > 0 {
            let stayed = counted(report.stayed, "photo was", "photos were");
            context.output.talk(&format!("{stayed} taken out of the trash meanwhile, and stay"));
        }
        for place in &report.places {
            let remote = printable_text(&place.remote);
            match place.is_done {
                true => context.output.talk(&format!("{remote}: holds nothing of them any more")),
                false => context.output.warn(&format!("{remote}: waiting: {}", place.waits.join("; "))),
            }
            context.output.talk(&format!("{remote}: the provider may keep: {}", place.may_keep));
        }
        for device in &report.devices {
            context
                .output
                .talk(&format!("{}: has to sync before it has forgotten them too", printable_text(device)));
        }
        for place in &report.elsewhere {
            context.output.talk(&format!("may still be elsewhere: {place}"));
        }
        if let Some(file) = receipt {
            context.output.talk(&format!("the receipt is in {}", file.display()));
        }
    }
    if let Some(reason) = &report.bytes_left {
        context.output.warn(&format!(
            "their bytes are still on this disk: {reason}. safelight trash forget, or the next opening of the library, removes them"
        ));
    }
    if report.is_done() { Ok(()) } else { Err(Failure::silent(Exit::Incomplete)) }
}
