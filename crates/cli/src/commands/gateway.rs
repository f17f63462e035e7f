//! `safelight gateway`: lends phones the right to upload, and says which phones may ask.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use safelight_gateway::{Limits, NewToken, Scope, SecretText, TokenEntry, TokenFile};
use serde_json::json;
use zeroize::Zeroizing;

use super::{gateway_grants, gateway_serve};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, is_there, new_private_file, printable, printable_text};

/// Give paired phones addresses that one file can be uploaded to, for ten minutes
///
/// Needs no library and opens nothing. Phones ask with a token; what they get creates one object and can do nothing else, and
/// every grant is written down, signed, before the phone hears of it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Answer phones until Ctrl-C
    Serve(Box<gateway_serve::Serve>),
    /// List what was granted, and check that it is signed and all there
    Grants(gateway_grants::Grants),
    /// Make, list or revoke the tokens that phones ask with
    Token(Token),
}

#[derive(Debug, Args)]
struct Token {
    #[command(subcommand)]
    action: TokenAction,
}

#[derive(Debug, Subcommand)]
enum TokenAction {
    /// Make a token, and print it: it is kept nowhere
    Add(Add),
    /// List the tokens, revoked ones too
    List(List),
    /// End a token; gateways that run hear of it within a second
    Revoke(Revoke),
}

/// Which token file it is about.
#[derive(Debug, Clone, Args)]
pub(crate) struct Tokens {
    /// The file with the tokens' hashes, which all gateways share [default: safelight/gateway/tokens.json in the data folder]
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
}

impl Tokens {
    pub(super) fn file(&self, context: &Context) -> Result<TokenFile, Failure> {
        let path = match &self.tokens {
            Some(path) => std::path::absolute(path)?,
            None => context.gateway_folder()?.join("tokens.json"),
        };
        Ok(TokenFile::at(path))
    }
}

#[derive(Debug, Args)]
struct Add {
    /// What to call it, for example the phone's name
    name: String,
    /// Only for plain files of this user; without it, of any
    #[arg(long, value_name = "USER", conflicts_with = "device")]
    user: Option<String>,
    /// For sealed uploads of this device, which safelight device invite --upload-only let in
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Take over the token in this file, which phones have already
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Write the token into this new file, which only you can read, instead of printing it
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    into: Option<PathBuf>,
    /// Objects that may be asked for in a minute
    #[arg(long, value_name = "N", default_value_t = Limits::default().per_minute)]
    per_minute: u32,
    /// Objects that may be asked for on one day
    #[arg(long, value_name = "N", default_value_t = Limits::default().files_a_day)]
    files_a_day: u64,
    /// Bytes that may be declared, or go through the gateway undeclared, on one day, for example 20GB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    size_a_day: Option<u64>,
    #[command(flatten)]
    at: Tokens,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    at: Tokens,
}

#[derive(Debug, Args)]
struct Revoke {
    /// Its name, or its id
    name: String,
    #[command(flatten)]
    at: Tokens,
}

fn size(text: &str) -> Result<u64, String> {
    super::local::bytes(text).ok_or_else(|| "a size is 500MB or 100GB".to_owned())
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Serve(serve) => gateway_serve::run(context, serve),
        Action::Grants(grants) => gateway_grants::run(context, grants),
        Action::Token(token) => match &token.action {
            TokenAction::Add(add) => add_token(context, add),
            TokenAction::List(list) => list_tokens(context, list),
            TokenAction::Revoke(revoke) => revoke_token(context, revoke),
        },
    }
}

fn add_token(context: &Context, add: &Add) -> Result<(), Failure> {
    context.refuse_dry_run("gateway token add", "safelight gateway token list shows what there is")?;
    if let Some(path) = add.into.as_deref().filter(|path| path.exists()) {
        return Err(is_there(path));
    }
    let scope = match &add.device {
        Some(device) => Scope::Sealed { device: device.clone() },
        None => Scope::Plain { user: add.user.clone() },
    };
    let usual = Limits::default();
    let limits = Limits {
        per_minute: add.per_minute,
        files_a_day: add.files_a_day,
        bytes_a_day: add.size_a_day.unwrap_or(usual.bytes_a_day),
    };
    let taken_over = add.token_file.as_deref().map(read_token).transpose()?;
    let is_new = taken_over.is_none();
    let file = add.at.file(context)?;
    let (entry, token) = file.add(NewToken { name: add.name.clone(), scope, limits, taken_over })?;
    if let Some(path) = &add.into {
        use std::io::Write as _;
        new_private_file(path)
            .and_then(|mut into| writeln!(into, "{}", token.expose()).and_then(|()| into.sync_all()))
            .map_err(|error| unwritten(path, &entry, &error))?;
    }
    let shown = is_new && add.into.is_none();
    if context.output.json() {
        let token = shown.then(|| token.expose());
        return Ok(context.output.print_json(&json!({ "token": token, "entry": entry_json(&entry) }))?);
    }
    if shown {
        context.output.data(token.expose())?;
        context.output.talk(
            "This is the only time that it is shown. Whoever has it can ask for uploads until it is revoked.",
        );
    }
    context.output.talk(&format!(
        "{} is {} in {}",
        printable_text(&entry.name),
        entry.id,
        printable(file.path())
    ));
    Ok(())
}

/// A token that nobody got is good for nothing: it is named, so that it can be revoked.
fn unwritten(path: &std::path::Path, entry: &TokenEntry, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Incomplete, format!("{} cannot be written: {error}", printable(path)))
        .hint(format!("safelight gateway token revoke {}, and add it again", entry.id))
}

fn read_token(path: &std::path::Path) -> Result<SecretText, Failure> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| {
        Failure::new(Exit::NotFound, format!("{} cannot be read: {error}", printable(path)))
    })?;
    Ok(SecretText::new(text.trim()))
}

fn list_tokens(context: &Context, list: &List) -> Result<(), Failure> {
    let file = list.at.file(context)?;
    let (tokens, key) = (file.list()?, file.verifying_key()?);
    if context.output.json() {
        let tokens: Vec<_> = tokens.iter().map(entry_json).collect();
        return Ok(context.output.print_json(&json!({ "gateway": key, "tokens": tokens }))?);
    }
    for entry in &tokens {
        let state = match &entry.revoked {
            Some(when) => format!("revoked {when}"),
            None => format!("since {}", entry.created),
        };
        let (id, name, scope) = (&entry.id, printable_text(&entry.name), described(&entry.scope));
        context.output.data(&format!("{id}  {state:<28}  {scope:<34}  {name}"))?;
    }
    let holding = tokens.iter().filter(|entry| entry.revoked.is_none()).count() as u64;
    let counted = counted(holding, "token holds", "tokens hold");
    context.output.talk(&format!("{counted}; what is granted is signed by {key}"));
    Ok(())
}

fn described(scope: &Scope) -> String {
    match scope {
        Scope::Plain { user: None } => "plain files of any user".to_owned(),
        Scope::Plain { user: Some(user) } => format!("plain files of {user}"),
        Scope::Sealed { device } => format!("sealed, {device}"),
    }
}

fn entry_json(entry: &TokenEntry) -> serde_json::Value {
    json!({
        "id": entry.id,
        "name": entry.name,
        "created": entry.created,
        "revoked": entry.revoked,
        "scope": entry.scope,
        "limits": entry.limits,
    })
}

fn revoke_token(context: &Context, revoke: &Revoke) -> Result<(), Failure> {
    context.refuse_dry_run("gateway token revoke", "safelight gateway token list shows what there is")?;
    let entry = revoke.at.file(context)?.revoke(&revoke.name)?;
    if context.output.json() {
        return Ok(context.output.print_json(&json!({ "entry": entry_json(&entry) }))?);
    }
    let name = printable_text(&entry.name);
    context
        .output
        .talk(&format!("{name} ({}) is revoked; what it was lent before ends by itself.", entry.id));
    Ok(())
}
