//! `safelight remote`: the other places that hold the library.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use safelight_library::{
    CapabilityFinding, CheckedRow, Library, PolicyChange, RemoteCredential, RemoteRequest, ShownPolicy,
    ShownRemote, TierCost,
};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable, printable_text, size};
use crate::{prompt, sign_in};

/// Connect other places: add, list, show, change, check, collect or forget them
///
/// ADDRESS is azure://account/container[/prefix], https://host/container (Azure), s3://bucket[/prefix]?endpoint=URL,
/// webdavs://host/path, sftp://user@host/path, dropbox:/path, gdrive:/path, onedrive:/path or folder:/path. Secrets are
/// asked for or come from --credential-file, never from the command line. Everything that goes there is sealed first.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

/// Who signs in to Dropbox, Google Drive or OneDrive, and how.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Client {
    /// The id of your own client at Dropbox, Google or Microsoft (docs/guide/clouds.md)
    #[arg(long, value_name = "ID", conflicts_with = "credential_file")]
    client_id: Option<String>,
    /// Sign in by a code that is typed on another device (Google Drive and OneDrive)
    #[arg(long)]
    device_code: bool,
}

impl Client {
    pub(crate) const fn is_given(&self) -> bool {
        self.client_id.is_some()
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the remotes
    List,
    /// Connect a place and try what it can do
    Add {
        /// What to call it
        name: String,
        /// Where it is
        address: String,
        /// What goes there: full (the default), selective, on-demand or archive-only
        #[arg(long, value_name = "POLICY")]
        policy: Option<String>,
        /// Settings of the policy, as for remote set: only=QUERY, older=2y, tier=cold
        settings: Vec<String>,
        /// A file with the SAS, keys, password or client
        #[arg(long, value_name = "FILE")]
        credential_file: Option<PathBuf>,
        #[command(flatten)]
        client: Client,
    },
    /// Show one remote and what it can do
    Show {
        /// The remote
        name: String,
    },
    /// Change what goes to a remote, or its credential
    ///
    /// policy=full sends everything. policy=selective sends what only=QUERY finds (album: means the albums in it too,
    /// albumsize:<10GB albums of that size) and what sync on names. policy=on-demand sends thumbnails and previews, and originals when asked
    /// (unmetered=yes: and all others while the link costs nothing). policy=archive-only sends originals that are
    /// older=2y, by=captured or by=added. tier=hot|cool|cold|archive is where originals are written; price.cool.month=0.009 and the like are your own prices; expose=N is how
    /// many originals may newly go without --yes. limit=2MB/s, or limit=500kB/s@08:00-18:00 at some hours, is how fast it is used at most;
    /// quiet=22:00-07:00 are hours at which sync leaves it alone; daily=20GB is how much of photos goes there within 24 hours; none takes each away. What is there stays there, whatever the policy says.
    Set {
        /// The remote
        name: String,
        /// Settings: policy= only= older= by= unmetered= expose= tier= limit= quiet= daily=
        settings: Vec<String>,
        /// A file with the new SAS, keys, password or client
        #[arg(long, value_name = "FILE")]
        credential_file: Option<PathBuf>,
        /// Sign in again to Dropbox, Google Drive or OneDrive
        #[arg(long)]
        sign_in: bool,
        #[command(flatten)]
        client: Client,
        /// It was emptied or restored on purpose: let the next sync fill it again
        #[arg(long)]
        accept_rollback: bool,
    },
    /// Show what is not in a remote and why, what needs you first
    Waiting {
        /// The remote
        name: String,
    },
    /// Show what whoever keeps a remote can see there: counts, sizes, devices; never what is in it
    ///
    /// From what this device knows to rest there; no request is made.
    Privacy {
        /// The remote; all of them when none is named
        name: Option<String>,
    },
    /// Estimate what remotes cost: by the month, for the next sync, and for getting everything back
    ///
    /// From public list prices of one region, or your own: remote set NAME price.cool.month=0.009 price.out=0. Nobody
    /// but the provider knows exactly.
    Cost {
        /// The remote; all of them when none is named
        name: Option<String>,
    },
    /// Try again what a remote can do and whether it keeps what a library relies on
    ///
    /// Writes some thousand small objects below probe/ in the remote, and removes them where that is permitted.
    Check {
        /// The remote
        name: String,
    },
    /// Delete what is marked to leave a remote, once every device has agreed and 30 days have passed
    ///
    /// Shows first what may go, what waits and for which device. --dry-run only shows it.
    Collect {
        /// The remote
        name: String,
    },
    /// Compare what a remote holds with what history expects, and with another remote
    ///
    /// Reads listings only: safelight verify --remote looks whether it is whole.
    Compare {
        /// The remote
        first: String,
        /// Another one
        second: Option<String>,
    },
    /// Fill a remote with what another one holds, through this machine and past its disk
    ///
    /// Sealed objects are copied as they are; each is opened first, so damage does not travel. --dry-run only compares.
    Replicate {
        /// Where it comes from
        from: String,
        /// Where it goes
        to: String,
    },
    /// Forget a remote; what rests there stays there
    Remove {
        /// The remote
        name: String,
    },
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match arguments.action.as_ref().unwrap_or(&Action::List) {
        Action::List => list(context),
        Action::Show { name } => show(context, name),
        Action::Waiting { name } => super::remote_waiting::run(context, name),
        Action::Privacy { name } => super::remote_privacy::run(context, name.as_deref()),
        Action::Cost { name } => cost(context, name.as_deref()),
        Action::Collect { name } => super::remote_collect::run(context, name),
        Action::Compare { first, second } => super::remote_second::compare(context, first, second.as_deref()),
        Action::Replicate { from, to } => super::remote_second::replicate(context, from, to),
        action => change(context, action),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    let remotes = library.remotes()?;
    library.close()?;
    if context.output.json() {
        return Ok(context.output.print_json(&remotes)?);
    }
    for remote in &remotes {
        let (name, policy) = (&remote.name, remote.policy.kind);
        context.output.data(&format!("{name:<16}  {}  {policy}: {}", remote.address, standing(remote)))?;
    }
    if remotes.is_empty() {
        context.output.talk("There is no remote; safelight remote add NAME ADDRESS connects one.");
    }
    Ok(())
}

fn standing(remote: &ShownRemote) -> String {
    let mut text = format!(
        "{} there, {} waiting, {} local only, {} failed",
        counted(remote.safe_originals, "original", "originals"),
        remote.waiting_originals,
        remote.local_originals,
        remote.failed_originals
    );
    if remote.held_originals > 0 {
        text.push_str(&format!("; {} wait for your consent: safelight sync --yes", remote.held_originals));
    }
    if let Some(error) = &remote.last_error {
        text.push_str(&format!("; the last sync failed: {}", printable_text(error)));
    } else if remote.synced_millis.is_none() {
        text.push_str("; never synced");
    }
    text
}

fn show(context: &Context, name: &str) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    let remote = library.remote(name)?;
    library.close()?;
    if context.output.json() {
        return Ok(context.output.print_json(&remote)?);
    }
    let mut rows = vec![
        ("name", remote.name.clone()),
        ("address", remote.address.clone()),
        ("credential", credential_in_use(&remote)),
    ];
    rows.extend(policy_rows(&remote.policy));
    rows.extend(remote.limit.clone().map(|limit| ("limit", limit)));
    rows.extend(remote.quiet.clone().map(|quiet| ("quiet hours", quiet)));
    rows.extend(daily(&remote).map(|daily| ("daily cap", daily)));
    rows.push(("standing", standing(&remote)));
    for (name, value) in rows {
        context.output.data(&format!("{name:>18}  {}", printable_text(&value)))?;
    }
    print_capabilities(context, &remote.capabilities)
}

/// `20GB, 3.4 GB of it within the last 24 hours; more goes from 2026-05-14 10:00 on`
fn daily(remote: &ShownRemote) -> Option<String> {
    let (cap, sent) = remote.daily.as_ref().zip(remote.daily_sent_bytes)?;
    let mut text = format!("{cap}, {} of it within the last 24 hours", size(sent));
    if let Some(capped) = &remote.capped {
        text.push_str(&format!("; more goes from {} on", capped.until));
    }
    Some(text)
}

fn cost(context: &Context, name: Option<&str>) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let costs = library.remote_costs(name, &context.surroundings());
    library.close()?;
    let costs = costs?;
    if context.output.json() {
        return Ok(context.output.print_json(&costs)?);
    }
    for cost in &costs {
        let prices =
            cost.prices.as_deref().unwrap_or("no prices are known: remote set NAME price.hot.month=N");
        context.output.data(&format!("{} (estimated; {prices})", cost.remote))?;
        for (what, tiers) in [("there", &cost.resting), ("next sync", &cost.next_sync)] {
            for tier in tiers {
                context.output.data(&format!("{what:>14}  {}", cost_line(tier, cost.prices.is_some())))?;
            }
        }
    }
    Ok(())
}

/// `cool: 1200 objects, 3.4 GB; about $0.01 to write; about $0.03 a month, …`
pub(crate) fn cost_line(cost: &TierCost, is_priced: bool) -> String {
    let mut line = cost.tier.map(|tier| format!("{tier}: ")).unwrap_or_default();
    line.push_str(&format!("{}, {}", counted(cost.objects, "object", "objects"), size(cost.bytes)));
    if !is_priced {
        return line;
    }
    if cost.write_usd > 0.0 {
        line.push_str(&format!("; {} to write", usd(cost.write_usd)));
    }
    line.push_str(&format!("; {} a month, {} to get back", usd(cost.month_usd), usd(cost.return_usd)));
    if cost.least_days > 0 {
        line.push_str(&format!(", charged for at least {} days", cost.least_days));
    }
    line
}

/// About so many dollars: what is less than a cent is said so.
pub(crate) fn usd(amount: f64) -> String {
    match amount {
        amount if amount <= 0.0 => "$0".to_owned(),
        amount if amount < 0.01 => "less than $0.01".to_owned(),
        amount => format!("about ${amount:.2}"),
    }
}

fn policy_rows(policy: &ShownPolicy) -> Vec<(&'static str, String)> {
    let mut rows = vec![("policy", policy.kind.to_owned())];
    if policy.kind == "selective" {
        let nothing = "nothing but what sync on names".to_owned();
        rows.push(("only", policy.only.clone().unwrap_or(nothing)));
    }
    if let Some((days, by)) = policy.older_days.zip(policy.by) {
        rows.push(("older", format!("{}, by the date it was {by}", counted(days.into(), "day", "days"))));
    }
    if let Some(unmetered) = policy.unmetered {
        let what =
            if unmetered { "all originals while the link costs nothing" } else { "only what is asked for" };
        rows.push(("unmetered", what.to_owned()));
    }
    if policy.switches > 0 {
        rows.push(("switches", format!("{} by hand", policy.switches)));
    }
    if let Some(tier) = policy.tier {
        rows.push(("tier", format!("{tier}, for originals")));
    }
    rows
}

/// What kind of credential is kept, and which proof was in use when it was last tried.
fn credential_in_use(remote: &ShownRemote) -> String {
    match (remote.credential, &remote.proof) {
        (None, Some(proof)) => printable_text(&format!("none kept; in use: {proof}")),
        (None, None) => "none".to_owned(),
        (Some(kept), Some(proof)) if proof != kept => printable_text(proof),
        (Some(kept), _) => kept.to_owned(),
    }
}

fn print_rows(context: &Context, rows: &[CheckedRow]) -> Result<(), Failure> {
    for row in rows {
        let reason = row.reason.as_deref().map(|reason| format!(": {}", printable_text(reason)));
        let line =
            format!("{:>4}  {:<8} {}{}", row.code, row.verdict, row.guarantee, reason.unwrap_or_default());
        context.output.data(&line)?;
    }
    Ok(())
}

fn print_capabilities(context: &Context, capabilities: &[CapabilityFinding]) -> Result<(), Failure> {
    for found in capabilities {
        let value = match &found.reason {
            None => "works".to_owned(),
            Some(reason) => format!("no: {}", printable_text(reason)),
        };
        context.output.data(&format!("{:>18}  {value}", found.capability))?;
    }
    Ok(())
}

fn change(context: &Context, action: &Action) -> Result<(), Failure> {
    match action {
        Action::Add { .. } => context.refuse_dry_run("remote add", "trying a place out writes to it")?,
        Action::Check { .. } => context.refuse_dry_run("remote check", "trying a place out writes to it")?,
        Action::Set { accept_rollback: false, .. } => {
            context.refuse_dry_run("remote set", "remote show says what is set now")?;
        }
        _ => {}
    }
    // Secrets are asked for before the library is opened: nothing is held while a person types.
    let credential = match action {
        Action::Add { address, credential_file, client, .. } => {
            credential(context, Some(address), credential_file.as_deref(), client)?
        }
        Action::Set { name, credential_file, sign_in, client, .. } => {
            new_credential(context, name, credential_file.as_deref(), *sign_in, client)?
        }
        _ => None,
    };
    let mut library = context.open_library()?;
    let outcome = act(context, &mut library, action, credential.as_ref());
    library.close()?;
    outcome
}

/// What `remote set` puts in the place of the kept credential, if anything.
fn new_credential(
    context: &Context,
    name: &str,
    file: Option<&Path>,
    sign_in: bool,
    client: &Client,
) -> Result<Option<RemoteCredential>, Failure> {
    if file.is_none() && !sign_in && client.client_id.is_none() {
        return Ok(None);
    }
    let library = context.open_library_to_read()?;
    let found = library.client_of_remote(name);
    library.close()?;
    let (address, kept) = found?;
    if file.is_some() || client.client_id.is_some() {
        return credential(context, Some(&address), file, client);
    }
    match kept {
        Some(kept) => sign_in::sign_in(context, &address, kept, client.device_code).map(Some),
        None => Err(Failure::new(Exit::Refused, format!("{name} is not opened by signing in"))
            .hint("pass --credential-file FILE, or --client-id ID for Dropbox, Google Drive and OneDrive")),
    }
}

fn act(
    context: &Context,
    library: &mut Library,
    action: &Action,
    credential: Option<&RemoteCredential>,
) -> Result<(), Failure> {
    let surroundings = context.surroundings();
    let probed = match action {
        Action::Add { name, address, policy, settings, .. } => {
            let settings: Vec<String> = policy
                .iter()
                .map(|policy| format!("policy={policy}"))
                .chain(settings.iter().cloned())
                .collect();
            let request = RemoteRequest { name, address, credential };
            library.connect_remote(&request, &settings, context.global.yes, &surroundings)?
        }
        Action::Check { name } => return check(context, library, name),
        Action::Set { name, settings, accept_rollback, .. } => {
            if *accept_rollback && !accept(context, library, name)? {
                // Not agreed to, or only to be shown: nothing else is changed either.
                return Ok(());
            }
            if !settings.is_empty() {
                let change = library.set_remote(name, settings, context.global.yes)?;
                report_change(context, &change)?;
            }
            if credential.is_none() {
                return Ok(());
            }
            {
                let reconnected = library.reconnect_remote(name, credential, &surroundings);
                reconnected.map_err(|error| Failure::at(name, error))?
            }
        }
        Action::Remove { name } => {
            if !may_forget(context, library, name)? {
                return Ok(());
            }
            library.remove_remote(name)?;
            if context.output.json() {
                return Ok(context.output.print_json(&serde_json::json!({ "removed": name }))?);
            }
            context.output.talk(&format!("Forgot {name}. What rests there stays there."));
            return Ok(());
        }
        Action::List
        | Action::Show { .. }
        | Action::Cost { .. }
        | Action::Collect { .. }
        | Action::Compare { .. }
        | Action::Replicate { .. }
        | Action::Waiting { .. }
        | Action::Privacy { .. } => return Ok(()),
    };
    if context.output.json() {
        return Ok(context.output.print_json(&probed)?);
    }
    if let Some(proof) = &probed.proof {
        context.output.talk(&format!("Opened with {}", printable_text(proof)));
    }
    print_capabilities(context, &probed.capabilities)?;
    if let Action::Add { name, address, .. } = action {
        if address.starts_with("folder:") {
            context.output.talk(
                "A folder cannot prove that it keeps what it was given; safelight verify --remote reads it back.",
            );
        }
        if is_cloud(address) {
            context.output.talk(&format!(
                "Safelight's makers never ran it against the real service; safelight remote check {name} tries it out."
            ));
        }
        context.output.talk(&format!("Next: safelight sync {name}"));
    }
    Ok(())
}

/// Shows what it means that a place lost what it had, and forgets it with --yes or a person's word.
fn accept(context: &Context, library: &mut Library, name: &str) -> Result<bool, Failure> {
    let (only_there, bytes) = library.resting_only_in(name)?;
    context.output.talk(&format!(
        "{name} counts as empty from now on; the next sync gives it everything that is here. Not here, and gone if \
         {name} lost them: {} ({})",
        counted(only_there, "original", "originals"),
        size(bytes)
    ));
    if context.global.dry_run {
        return Ok(false);
    }
    let agreed = context.global.yes
        || (prompt::someone_is_there() && prompt::agree("Was it emptied or restored on purpose?")?);
    if !agreed {
        return Err(Failure::new(Exit::Refused, format!("{name} stays as it is"))
            .hint("pass --yes if it was emptied or restored on purpose"));
    }
    library.accept_rollback(name)?;
    context.output.talk(&format!("Next: safelight sync {name}"));
    Ok(true)
}

/// Shows what no other place that is known here holds, and asks before that is forgotten.
fn may_forget(context: &Context, library: &Library, name: &str) -> Result<bool, Failure> {
    let (only_there, bytes) = library.resting_only_in(name)?;
    let originals = counted(only_there, "original", "originals");
    if only_there > 0 {
        context.output.talk(&format!(
            "{originals} ({}) rest in {name} only: they stay there, and this device forgets where",
            size(bytes)
        ));
    }
    if context.global.dry_run {
        if context.output.json() {
            context.output.print_json(&serde_json::json!({
                "would_remove": name, "only_there_originals": only_there, "only_there_bytes": bytes
            }))?;
        }
        context.output.talk(&format!("Would forget {name}. What rests there stays there."));
        return Ok(false);
    }
    let agreed = only_there == 0
        || context.global.yes
        || (prompt::someone_is_there() && prompt::agree(&format!("Forget {name}?"))?);
    if agreed {
        return Ok(true);
    }
    Err(Failure::new(Exit::Refused, format!("{name} stays: {originals} rest there only"))
        .hint("safelight local fetch brings them here first; --yes forgets the remote all the same"))
}

/// Says what a change of policy came to.
pub(crate) fn report_change(context: &Context, change: &PolicyChange) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(change)?);
    }
    context.output.talk(&format!(
        "{}: {}; {} more than before may go ({}), {} waiting",
        change.remote,
        change.policy,
        counted(change.newly_exposed, "original", "originals"),
        size(change.newly_exposed_bytes),
        change.waiting_originals
    ));
    Ok(())
}

fn check(context: &Context, library: &mut Library, name: &str) -> Result<(), Failure> {
    let checked =
        library.check_remote(name, &context.surroundings()).map_err(|error| Failure::at(name, error))?;
    let broken = checked.rows.iter().filter(|row| row.verdict == "broken").count();
    if context.output.json() {
        context.output.print_json(&checked)?;
    } else {
        if let Some(proof) = &checked.remote.proof {
            context.output.talk(&format!("Opened with {}", printable_text(proof)));
        }
        print_capabilities(context, &checked.remote.capabilities)?;
        print_rows(context, &checked.rows)?;
        if let Some(notice) = checked.notice {
            context.output.talk(notice);
        }
    }
    match broken {
        0 => Ok(()),
        broken => Err(Failure::new(
            Exit::Incomplete,
            format!("{name} does not keep {}", counted(broken as u64, "guarantee", "guarantees")),
        )
        .hint("do not rely on this place alone; please report what stands above")),
    }
}

/// Whether somebody signs in to this kind of place.
fn is_cloud(address: &str) -> bool {
    ["dropbox:", "gdrive:", "onedrive:"].iter().any(|kind| address.starts_with(kind))
}

/// The credential from a file or, where the place needs one and somebody is there, from a person. With a client that
/// nobody has signed in with, somebody does.
pub(crate) fn credential(
    context: &Context,
    address: Option<&str>,
    file: Option<&Path>,
    client: &Client,
) -> Result<Option<RemoteCredential>, Failure> {
    let given = match &client.client_id {
        None => given_credential(context, address, file)?,
        Some(id) => {
            let client = RemoteCredential::oauth_client(id, None);
            Some(client.map_err(|error| Failure::usage(error.to_string()))?)
        }
    };
    match (given, address) {
        (Some(given), Some(address)) if given.needs_sign_in() && !context.global.dry_run => {
            sign_in::sign_in(context, address, given, client.device_code).map(Some)
        }
        (None, Some(address)) if is_cloud(address) => {
            Err(Failure::new(Exit::Refused, "this kind of place needs your own client at the provider").hint(
                "pass --client-id ID or --credential-file FILE; docs/guide/clouds.md says how to get one",
            ))
        }
        (given, _) => Ok(given),
    }
}

pub(super) fn given_credential(
    context: &Context,
    address: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<RemoteCredential>, Failure> {
    if let Some(file) = file {
        let text = Zeroizing::new(std::fs::read_to_string(file).map_err(|error| {
            Failure::new(Exit::NotFound, format!("{} cannot be read: {error}", printable(file)))
        })?);
        let parsed = RemoteCredential::parse(&text);
        return parsed
            .map(Some)
            .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", printable(file))));
    }
    let kind = address.and_then(|address| address.split_once(':')).map_or("", |(kind, _)| kind);
    if !prompt::someone_is_there() || context.global.json {
        return Ok(None);
    }
    let text = match kind {
        "s3" => {
            let id = prompt::line("Access key id (empty for none): ")?;
            if id.trim().is_empty() {
                return Ok(None);
            }
            let secret = prompt::passphrase("Secret access key")?;
            Zeroizing::new(format!("access_key_id = {}\nsecret_access_key = {}\n", id.trim(), secret.trim()))
        }
        "webdav" | "webdavs" => {
            let user = prompt::line("User (empty for none): ")?;
            if user.trim().is_empty() {
                return Ok(None);
            }
            let password = prompt::passphrase("Password")?;
            Zeroizing::new(format!("user = {}\npassword = {}\n", user.trim(), password.trim()))
        }
        _ => return Ok(None),
    };
    let parsed = RemoteCredential::parse(&text);
    parsed.map(Some).map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}
