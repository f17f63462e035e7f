//! `safelight azphotosync`: a drop-in for azphotosync, with its settings, names and messages.

use std::path::PathBuf;

use clap::Args;
use safelight_plain::{PushRequest, RemoteAddress, Tier};

use super::plain_place::{DROP_IN_FOLDER, Reach, to};
use super::plain_push::{open, send};
use super::remote::given_credential;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::printable_text;

/// Send photos and videos of a folder to a container of Azure Blob Storage, unencrypted
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder whose photos and videos are sent
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// Remember what was sent in this folder [default: ~/.azphotosync]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The account, for example https://account.blob.core.windows.net
    #[arg(long, value_name = "URL", env = "AZURE_STORAGE_ACCOUNT_URL", hide_env_values = true)]
    account_url: Option<String>,
    /// The container
    #[arg(long, value_name = "NAME", env = "AZURE_STORAGE_CONTAINER", hide_env_values = true)]
    container: Option<String>,
    /// What the names of blobs begin with
    #[arg(long, value_name = "PREFIX", default_value = "photos")]
    prefix: String,
    /// Files on their way at once, 1 to 32
    #[arg(long, value_name = "N", default_value = "4")]
    max_workers: String,
    /// The tier to write into: hot, cool, cold or archive
    #[arg(long, value_name = "TIER", default_value = "cool")]
    access_tier: String,
    /// A file with a SAS or an account key; without one the identity of this machine is used
    #[arg(long, value_name = "FILE")]
    credential_file: Option<PathBuf>,
    /// Make the container if it is not there
    #[arg(long)]
    create_container: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let settings = Settings::of(context, arguments)?;
    let credential = given_credential(context, Some("azure:"), arguments.credential_file.as_deref())?;
    let reach = Reach { state_dir: None, credential_file: None, workers: settings.workers, limit: None };
    let destination = to(settings.address, credential, &reach, arguments.create_container);
    let copy = open(context, destination, settings.state_folder)?;
    let request = PushRequest {
        source: settings.source,
        tier: Some(settings.tier),
        only_media: true,
        dedupe: false,
        adds_source: context.global.yes,
        dry_run: context.global.dry_run,
        names_blobs: true,
    };
    send(context, &copy, &request)
}

/// The settings, each checked.
struct Settings {
    source: PathBuf,
    state_folder: PathBuf,
    address: RemoteAddress,
    workers: u32,
    tier: Tier,
}

impl Settings {
    fn of(context: &Context, arguments: &Arguments) -> Result<Self, Failure> {
        let source = arguments.source.clone().ok_or_else(|| missing("source", "--source DIR"))?;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let account = given(&arguments.account_url)
            .ok_or_else(|| missing("account URL", "--account-url URL or AZURE_STORAGE_ACCOUNT_URL"))?;
        let container = given(&arguments.container)
            .ok_or_else(|| missing("container", "--container NAME or AZURE_STORAGE_CONTAINER"))?;
        let workers =
            arguments.max_workers.trim().parse::<u32>().ok().filter(|workers| (1..=32).contains(workers));
        let workers = workers
            .ok_or_else(|| wrong("max workers", "must be between 1 and 32", &arguments.max_workers))?;
        let tier = Tier::from_word(&arguments.access_tier.trim().to_ascii_lowercase());
        let tier = tier.ok_or_else(|| {
            wrong("access tier", "must be hot, cool, cold or archive", &arguments.access_tier)
        })?;
        if !source.is_dir() {
            let source = crate::output::printable(&source);
            return Err(Failure::usage(format!("setting source: is not a directory: {source}")));
        }
        let address = address(&account, &container, &arguments.prefix)?;
        let state_folder = match (&arguments.state_dir, context.home()) {
            (Some(folder), _) => std::path::absolute(folder)?,
            (None, Some(home)) => home.join(DROP_IN_FOLDER),
            (None, None) => return Err(missing("state dir", "--state-dir DIR, because there is no home")),
        };
        Ok(Self { source, state_folder, address, workers, tier })
    }
}

fn missing(setting: &str, how: &str) -> Failure {
    Failure::usage(format!("setting {setting}: is missing")).hint(format!("pass {how}"))
}

fn wrong(setting: &str, rule: &str, given: &str) -> Failure {
    Failure::usage(format!("setting {setting}: {rule}, not {}", printable_text(given)))
}

fn address(account: &str, container: &str, prefix: &str) -> Result<RemoteAddress, Failure> {
    if account.contains('?') {
        return Err(Failure::usage("setting account URL: holds a SAS, which others on this machine can see")
            .hint("put the SAS into a file, and pass --credential-file FILE"));
    }
    let (account, prefix) = (account.trim().trim_end_matches('/'), prefix.trim_matches('/'));
    let refused =
        |setting: &str, error: &dyn std::fmt::Display| Failure::usage(format!("setting {setting}: {error}"));
    let azure_at = |setting: &str, text: &str| match RemoteAddress::parse(text) {
        Ok((RemoteAddress::Azure(azure), _)) => Ok(azure),
        Ok(_) => Err(refused(setting, &"is no address of Azure Blob Storage")),
        Err(error) => Err(refused(setting, &error)),
    };
    // With a container that is fine, only the account can be wrong.
    azure_at("account URL", &format!("{account}/photos"))?;
    let mut azure = azure_at("container", &format!("{account}/{container}"))?;
    if azure.container != container || !azure.prefix.is_empty() {
        return Err(refused("container", &"is no name of a container"));
    }
    prefix.clone_into(&mut azure.prefix);
    // Read again, so that the prefix follows the rules of names.
    let read = azure_at("prefix", &RemoteAddress::Azure(azure).to_string())?;
    if read.prefix != prefix {
        return Err(refused("prefix", &"is no beginning of names"));
    }
    Ok(RemoteAddress::Azure(read))
}
