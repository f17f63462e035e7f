//! `safelight plain tier` and `lifecycle`: where what was sent rests, now and as it ages.

use std::path::PathBuf;

use clap::Args;
use safelight_plain::{Lifecycle as Rule, RemoteAddress, Tier as Wanted, TierRequest};

use super::plain_place::{At, Watch, json};
use super::plain_push::tier as parse_tier;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, new_private_file, printable, size};

#[derive(Debug, Args)]
pub(crate) struct Tier {
    /// hot, cool, cold or archive
    #[arg(value_parser = parse_tier)]
    tier: Wanted,
    /// Only files at or below these paths of the copy
    paths: Vec<PathBuf>,
    #[command(flatten)]
    at: At,
}

pub(super) fn tier(context: &Context, tier: &Tier) -> Result<(), Failure> {
    let copy = if context.global.dry_run { tier.at.to_read(context) } else { tier.at.to_write(context) }?;
    let request = TierRequest {
        tier: tier.tier,
        paths: tier.paths.clone(),
        dry_run: context.global.dry_run,
        may_archive: context.global.yes,
    };
    let report = copy.change_tiers(&request, &Watch::of(context))?;
    if context.output.json() {
        let value = json(context, &copy.destination().name(), &report)?;
        context.output.print_json(&value)?;
    } else {
        let would = if context.global.dry_run { "would be moved" } else { "moved" };
        context.output.talk(&format!(
            "{} {would} to {} ({}), {} there already, {} failed",
            counted(report.moved, "blob", "blobs"),
            tier.tier.word(),
            size(report.bytes),
            report.there,
            report.failed
        ));
    }
    if report.failed > 0 || report.is_interrupted {
        return Err(Failure::new(Exit::Incomplete, "not everything was moved")
            .hint("the same command tries the rest again"));
    }
    Ok(())
}

#[derive(Debug, Args)]
pub(crate) struct Lifecycle {
    /// To the cool tier after so many days
    #[arg(long, value_name = "DAYS", value_parser = days)]
    cool_after: Option<u32>,
    /// To the cold tier after so many days
    #[arg(long, value_name = "DAYS", value_parser = days)]
    cold_after: Option<u32>,
    /// To the archive after so many days; from there files must be thawed before they can be read
    #[arg(long, value_name = "DAYS", value_parser = days)]
    archive_after: Option<u32>,
    /// Write it to this new file instead of printing it
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    at: At,
}

fn days(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('d').unwrap_or(text).parse::<u32>().ok();
    number.filter(|days| (1..=36_500).contains(days)).ok_or_else(|| "days are 30 or 30d".to_owned())
}

pub(super) fn lifecycle(context: &Context, lifecycle: &Lifecycle) -> Result<(), Failure> {
    let address = lifecycle.at.address(context)?;
    let (address, _) = RemoteAddress::parse(&address).map_err(|error| Failure::usage(error.to_string()))?;
    let rule = Rule {
        cool_after_days: lifecycle.cool_after,
        cold_after_days: lifecycle.cold_after,
        archive_after_days: lifecycle.archive_after,
    };
    let document = rule.document(&address).map_err(|error| Failure::usage(error.to_string()))?;
    let file = lifecycle.output.as_deref().filter(|_| !context.global.dry_run);
    match file {
        Some(file) => {
            let text = format!("{document:#}\n");
            let written = new_private_file(file)
                .and_then(|mut made| std::io::Write::write_all(&mut made, text.as_bytes()));
            written.map_err(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => crate::output::is_there(file),
                _ => {
                    Failure::new(Exit::Incomplete, format!("{} cannot be written: {error}", printable(file)))
                }
            })?;
        }
        None => context.output.print_json(&document)?,
    }
    let name = file.map_or_else(|| "FILE".to_owned(), printable);
    let command = match &address {
        RemoteAddress::Azure(azure) => format!(
            "az storage account management-policy create --account-name {} --resource-group GROUP --policy @{name}",
            azure.account
        ),
        RemoteAddress::S3(s3) => format!(
            "aws s3api put-bucket-lifecycle-configuration --bucket {} --lifecycle-configuration file://{name}",
            s3.bucket
        ),
        _ => return Ok(()),
    };
    context.output.talk("Nothing was set. This replaces all rules that are there now:");
    context.output.talk(&format!("  {command}"));
    Ok(())
}
