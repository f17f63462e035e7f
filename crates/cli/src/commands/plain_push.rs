//! `safelight plain push`: sends what a place does not hold yet.

use std::path::PathBuf;

use clap::Args;
use safelight_plain::{PlainCopy, PushReport, PushRequest, Tier};

use super::plain_place::{Reach, Watch, destination, json, say_who_can_read, state_folder};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, size};

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The folder whose files are sent
    source: PathBuf,
    /// Where they go, with the prefix of their names: azure://account/container/photos, s3://…, webdavs://…, folder:/path
    address: String,
    /// The tier to write into: hot, cool (the default), cold or archive
    #[arg(long, value_name = "TIER", value_parser = tier)]
    tier: Option<Tier>,
    /// Send photos and videos of well-known kinds only, by their extensions
    #[arg(long)]
    media: bool,
    /// Send each content once; other paths of it are recorded here and in a manifest there
    #[arg(long)]
    dedupe: bool,
    /// Make the container, bucket or folder if it is not there
    #[arg(long)]
    create_container: bool,
    #[command(flatten)]
    reach: Reach,
}

pub(super) fn tier(word: &str) -> Result<Tier, String> {
    Tier::from_word(word).ok_or_else(|| "a tier is hot, cool, cold or archive".to_owned())
}

pub(super) fn run(context: &Context, push: &Push) -> Result<(), Failure> {
    let destination = destination(context, &push.address, &push.reach, push.create_container)?;
    let folder = state_folder(context, &push.reach)?;
    let copy = open(context, destination, folder)?;
    let request = PushRequest {
        source: push.source.clone(),
        tier: push.tier,
        only_media: push.media,
        dedupe: push.dedupe,
        adds_source: context.global.yes,
        dry_run: context.global.dry_run,
        names_blobs: context.output.verbose(),
    };
    send(context, &copy, &request)
}

/// A copy to send to; a dry run makes nothing.
pub(super) fn open(
    context: &Context,
    destination: safelight_plain::Destination,
    folder: PathBuf,
) -> Result<PlainCopy, Failure> {
    let opened = if context.global.dry_run {
        PlainCopy::to_read(destination, folder)
    } else {
        PlainCopy::open(destination, folder)
    };
    Ok(opened?)
}

/// Sends, and says how it ended.
pub(super) fn send(context: &Context, copy: &PlainCopy, request: &PushRequest) -> Result<(), Failure> {
    say_who_can_read(context, copy)?;
    let pushed = copy.push(request, &Watch::of(context));
    let report = pushed?;
    if context.output.json() {
        let value = json(context, &copy.destination().name(), &report)?;
        context.output.print_json(&value)?;
    } else {
        context.output.data(&report.summary())?;
        tell_more(context, &report);
    }
    if report.is_interrupted {
        return Err(Failure::new(Exit::Incomplete, "interrupted; the same command goes on from here"));
    }
    if report.failed > 0 {
        let files = counted(report.failed, "file was not sent", "files were not sent");
        return Err(Failure::new(Exit::Incomplete, format!("{files}; they are named above"))
            .hint("the same command tries them again, and sends nothing twice"));
    }
    Ok(())
}

fn tell_more(context: &Context, report: &PushReport) {
    if report.uploaded_bytes > 0 {
        context.output.talk(&format!("{} sent", size(report.uploaded_bytes)));
    }
    if report.existing > 0 {
        let blobs = counted(report.existing, "file was there already", "files were there already");
        context.output.talk(&format!("{blobs}; nothing was written over"));
    }
    if report.duplicates > 0 {
        let files = counted(report.duplicates, "file lies", "files lie");
        context.output.talk(&format!("{files} in the blob of the same content"));
    }
}
