//! What may be typed: the one definition from which help, completions and man pages come.
//!
//! The flags before the command mean the same everywhere (commands.md).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use safelight_keystore::VaultKey;

use crate::commands;
use crate::output::LogFormat;

/// An encrypted photo library without a server.
///
/// Photos are sealed as they come in and stay sealed wherever they rest. Only your passphrase,
/// your recovery words or a key file opens them.
#[derive(Debug, Parser)]
#[command(name = "safelight", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 done but something failed (named), 2 usage, 3 locked or wrong key,\n\
    4 not found, 5 refused by a safeguard, 6 damaged data found, 7 network."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Use the library in this folder
    #[arg(long, global = true, value_name = "DIR", env = "SAFELIGHT_LIBRARY", hide_env_values = true)]
    pub(crate) library: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How the lines on stderr are written
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        env = "SAFELIGHT_LOG_FORMAT",
        hide_env_values = true
    )]
    pub(crate) log_format: LogFormat,
    /// Say nothing but errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say more of what happens
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Agree to what would be asked
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
    /// Show what would be done, and do nothing
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Unlock with the passphrase in this file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "SAFELIGHT_PASSPHRASE_FILE",
        hide_env_values = true
    )]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Unlock with the passphrase read from this open descriptor
    #[arg(long, global = true, value_name = "N")]
    pub(crate) passphrase_fd: Option<i32>,
    /// Unlock with this key file
    #[arg(long, global = true, value_name = "FILE", env = "SAFELIGHT_KEY_FILE", hide_env_values = true)]
    pub(crate) key_file: Option<PathBuf>,
    /// Unlock with the recovery words in this file; init writes them to it
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) recovery_file: Option<PathBuf>,
    /// Unlock with a key slot of this kind: keystore, pkcs11, tpm or vault
    #[arg(long, global = true, value_name = "KIND")]
    pub(crate) by: Option<StoreKind>,
    /// Speak to PKCS#11 tokens through this module
    #[arg(long, global = true, value_name = "FILE", env = "SAFELIGHT_PKCS11_MODULE", hide_env_values = true)]
    pub(crate) pkcs11_module: Option<PathBuf>,
    /// Take a token's PIN from this file
    #[arg(long, global = true, value_name = "FILE", env = "SAFELIGHT_PIN_FILE", hide_env_values = true)]
    pub(crate) pin_file: Option<PathBuf>,
    /// Use the TPM at this device or socket
    #[arg(long, global = true, value_name = "DEVICE", env = "SAFELIGHT_TPM", hide_env_values = true)]
    pub(crate) tpm: Option<PathBuf>,
    /// Ask this key vault unasked, and no other: https://VAULT.vault.azure.net/keys/NAME
    #[arg(long, global = true, value_name = "KEY", env = "SAFELIGHT_VAULT", hide_env_values = true,
          value_parser = VaultKey::parse)]
    pub(crate) vault: Option<VaultKey>,
}

/// The kinds of key stores that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum StoreKind {
    Keystore,
    Pkcs11,
    Tpm,
    Vault,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(commands::init::Arguments),
    Join(commands::join::Arguments),
    Unlock(commands::unlock::Arguments),
    Lock(commands::lock::Arguments),
    Status(commands::status::Arguments),
    Service(commands::service::Arguments),
    Doctor(commands::doctor::Arguments),
    Import(commands::import::Arguments),
    Source(commands::source::Arguments),
    #[command(visible_alias = "search")]
    List(commands::list::Arguments),
    Searches(commands::searches::Arguments),
    Show(commands::show::Arguments),
    Set(commands::set::Arguments),
    Album(commands::album::Arguments),
    Dedupe(commands::dedupe::Arguments),
    Trash(commands::trash::Arguments),
    Conflicts(commands::conflicts::Arguments),
    Export(commands::export::Arguments),
    Serve(commands::serve::Arguments),
    Remote(commands::remote::Arguments),
    Sync(commands::sync::Arguments),
    Local(commands::local::Arguments),
    Verify(commands::verify::Arguments),
    Backup(commands::backup::Arguments),
    History(commands::history::Arguments),
    Undo(commands::undo::Arguments),
    Restore(commands::restore::Arguments),
    Snapshot(commands::snapshot::Arguments),
    Audit(commands::audit::Arguments),
    Brake(commands::brake::Arguments),
    Device(commands::device::Arguments),
    Key(commands::key::Arguments),
    Plain(commands::plain::Arguments),
    Gateway(commands::gateway::Arguments),
    #[command(hide = true)]
    Azphotosync(commands::azphotosync::Arguments),
    #[command(hide = true)]
    Worker(commands::worker::Arguments),
    #[command(hide = true)]
    Background(commands::background::Arguments),
    #[command(hide = true)]
    Agent(commands::agent::Arguments),
    #[command(hide = true)]
    Completions(commands::completions::Arguments),
    #[command(hide = true)]
    Man(commands::man::Arguments),
}
