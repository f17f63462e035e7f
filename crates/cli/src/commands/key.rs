//! `safelight key`: the ways to unlock the library.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use safelight_keystore::{Holder, VaultKey};
use safelight_library::folder::LibraryFolder;
use safelight_library::keys::NewSlot;
use safelight_library::unlock::UnlockError;
use safelight_library::{LibraryError, Slot, SlotKind};
use serde::Serialize;

use super::key_recovery::{Recovery, not_in_force, typed_words};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{printable, printable_text};
use crate::prompt;

/// List, add, remove and test ways to unlock, and replace the key behind them
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the ways to unlock
    List,
    /// Add a passphrase, a key file, a key store, or the library's recovery words where a device came in without them
    Add {
        /// What to call it
        #[arg(long, value_name = "NAME")]
        label: Option<String>,
        /// Add this key file, made if it does not exist, instead of a passphrase
        #[arg(long, value_name = "FILE")]
        new_key_file: Option<PathBuf>,
        /// Take the new passphrase from this file
        #[arg(long, value_name = "FILE", conflicts_with = "new_key_file")]
        new_passphrase_file: Option<PathBuf>,
        /// Let the recovery words of the library unlock it here, asked for
        #[arg(long, conflicts_with_all = ["new_key_file", "new_passphrase_file"])]
        recovery_words: bool,
        /// The same, from this file
        #[arg(long, value_name = "FILE", conflicts_with_all = ["new_key_file", "new_passphrase_file"])]
        new_recovery_file: Option<PathBuf>,
        /// Let this key store of the machine unlock it
        #[arg(
            long,
            value_name = "STORE",
            conflicts_with_all = ["new_key_file", "new_passphrase_file", "recovery_words", "new_recovery_file"]
        )]
        store: Option<Place>,
        /// Which PKCS#11 token, by its label, where there are several
        #[arg(long, value_name = "LABEL", requires = "store")]
        token: Option<String>,
        /// Let an RSA key of Azure Key Vault unlock it: https://VAULT.vault.azure.net/keys/NAME
        #[arg(
            long,
            value_name = "KEY",
            value_parser = VaultKey::parse,
            conflicts_with_all = ["new_key_file", "new_passphrase_file", "recovery_words", "new_recovery_file", "store"]
        )]
        key_vault: Option<VaultKey>,
    },
    /// Remove a way to unlock; the last one that works stays, and the last that a person can open
    Remove {
        /// Its id, the beginning of it, or its name
        slot: String,
    },
    /// Test which ways still open the library, and say of the others why not
    Test {
        /// Only this one, by its id, the beginning of it, or its name
        slot: Option<String>,
    },
    /// The recovery words on paper: print a page for them, try them out, split them into shares
    Recovery {
        #[command(subcommand)]
        action: Recovery,
    },
    /// Replace the unlock key; every way to unlock goes on working, and none is asked for
    Rotate,
}

/// Where a key store's secret is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Place {
    /// The keystore of this system, for whoever is logged in as you
    Keystore,
    /// The kernel's keyring, until this machine restarts
    KernelKeyring,
    /// A PKCS#11 token: --pkcs11-module, --token, --pin-file
    Pkcs11,
    /// The TPM of this machine
    Tpm,
}

#[derive(Serialize)]
pub(super) struct ListedSlot {
    id: String,
    kind: String,
    label: String,
    /// Which of the keystores of a system has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<&'static str>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        None | Some(Action::List) => list(context),
        Some(Action::Add { label, recovery_words, new_recovery_file, .. })
            if *recovery_words || new_recovery_file.is_some() =>
        {
            add_words(context, label.as_deref(), new_recovery_file.as_deref())
        }
        Some(Action::Add { label, store: Some(place), token, .. }) => {
            super::key_store::add(context, label.as_deref(), *place, token.as_deref())
        }
        Some(Action::Add { label, key_vault: Some(key), .. }) => {
            super::key_store::add_vault(context, label.as_deref(), key)
        }
        Some(Action::Add { label, new_key_file, new_passphrase_file, .. }) => {
            add(context, label.as_deref(), new_key_file.as_deref(), new_passphrase_file.as_deref())
        }
        Some(Action::Remove { slot }) => remove(context, slot),
        Some(Action::Test { slot }) => super::key_test::run(context, slot.as_deref()),
        Some(Action::Recovery { action }) => super::key_recovery::run(context, action),
        Some(Action::Rotate) => super::key_store::rotate(context),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let folder = context.folder()?;
    require_slots(&folder)?;
    let list = folder.keys().slots().map_err(LibraryError::from)?;
    let slots: Vec<ListedSlot> = list.slots.iter().map(listed).collect();
    if context.output.json() {
        context.output.print_json(&slots)?;
    } else {
        for slot in &slots {
            let holder = slot.holder.map(|holder| format!(" ({holder})")).unwrap_or_default();
            let label = printable_text(&slot.label);
            context.output.data(&format!("{:.10}  {:<10}  {label}{holder}", slot.id, slot.kind))?;
        }
    }
    for damaged in &list.damaged {
        context.output.warn(&format!("{}: {}", printable(&damaged.path), printable_text(&damaged.reason)));
    }
    if list.damaged.is_empty() { Ok(()) } else { Err(Failure::silent(Exit::Damaged)) }
}

/// Tells that the slots' files are gone, where none is left.
pub(super) fn require_slots(folder: &LibraryFolder) -> Result<(), Failure> {
    if folder.keys().has_no_slots().map_err(LibraryError::from)? {
        return Err(LibraryError::from(UnlockError::NoSlots { path: folder.keys().slots_path() }).into());
    }
    Ok(())
}

pub(super) fn listed(slot: &Slot) -> ListedSlot {
    let is_keystore = slot.kind() == SlotKind::Keystore;
    let holder = slot.wrapped_secret().filter(|_| is_keystore).and_then(Holder::of);
    ListedSlot {
        holder: holder.map(Holder::name),
        id: slot.id().to_string(),
        kind: kind_word(slot.kind()).to_owned(),
        label: slot.label().to_owned(),
    }
}

pub(super) fn kind_word(kind: SlotKind) -> &'static str {
    match kind {
        SlotKind::KeyFile => "key file",
        other => other.as_str(),
    }
}

fn add(
    context: &Context,
    label: Option<&str>,
    key_file: Option<&std::path::Path>,
    passphrase_file: Option<&std::path::Path>,
) -> Result<(), Failure> {
    let folder = context.folder()?;
    if context.global.dry_run {
        let kind = if key_file.is_some() { "key file" } else { "passphrase" };
        return foretell(context, "add", kind, label.unwrap_or(kind));
    }
    let keys = context.unlock(&folder)?;
    folder.require_writable().map_err(LibraryError::from)?;
    let made = key_file.filter(|file| !file.exists());
    let new = match (key_file, passphrase_file) {
        (Some(file), _) => context.new_key_file_slot(file, label.unwrap_or("key file"))?,
        (None, Some(file)) => {
            let mut warnings = Vec::new();
            let passphrase = safelight_library::unlock::read_passphrase_file(file, &mut warnings)
                .map_err(LibraryError::from)?;
            super::init::require_length(&passphrase)?;
            NewSlot::passphrase(label.unwrap_or("passphrase"), passphrase)
        }
        (None, None) if prompt::someone_is_there() => {
            NewSlot::passphrase(label.unwrap_or("passphrase"), prompt::new_passphrase()?)
        }
        (None, None) => {
            return Err(Failure::usage("there is no terminal to ask for the new passphrase")
                .hint("pass --new-passphrase-file FILE or --new-key-file FILE"));
        }
    };
    let slot = folder
        .keys()
        .add_slot(&keys, new.label(), &new.secret(), new.cost(), &mut context.entropy())
        .map_err(|error| {
            // A file that opens nothing would be taken for a key.
            if let Some(made) = made {
                drop(std::fs::remove_file(made));
            }
            LibraryError::from(error)
        })?;
    if context.output.json() {
        context.output.print_json(&listed(&slot))?;
    } else {
        context.output.talk(&format!("Added {}.", in_words(&slot)));
    }
    Ok(())
}

/// Lets the recovery words unlock a library that joined without them, or where another device replaced them. Others than those
/// in force would open it and nothing else.
fn add_words(context: &Context, label: Option<&str>, file: Option<&std::path::Path>) -> Result<(), Failure> {
    if context.global.dry_run {
        return foretell(context, "add", kind_word(SlotKind::Recovery), label.unwrap_or("recovery words"));
    }
    let mut library = context.open_library()?;
    let words = typed_words(file, "--new-recovery-file")?;
    let (standing, slot) = library.let_words_unlock(label, &words)?;
    library.close()?;
    let slot = slot.ok_or_else(|| not_in_force(&standing))?;
    if context.output.json() {
        context.output.print_json(&listed(&slot))?;
    } else {
        context.output.talk(&format!("Added {}.", in_words(&slot)));
    }
    Ok(())
}

/// A slot by its label and the beginning of its id.
pub(super) fn in_words(slot: &Slot) -> String {
    format!("{} ({:.10})", printable_text(slot.label()), slot.id().to_string())
}

/// Says what would be done to a way to unlock.
pub(super) fn foretell(context: &Context, verb: &str, kind: &str, label: &str) -> Result<(), Failure> {
    if context.output.json() {
        let would = serde_json::json!({ "would": verb, "kind": kind, "label": label });
        return Ok(context.output.print_json(&would)?);
    }
    context.output.talk(&format!("Would {verb} the {kind} {}", printable_text(label)));
    Ok(())
}

fn remove(context: &Context, wanted: &str) -> Result<(), Failure> {
    let folder = context.folder()?;
    let slot = folder.keys().find_slot(wanted).map_err(LibraryError::from)?;
    let what = in_words(&slot);
    if context.global.dry_run {
        return foretell(context, "remove", kind_word(slot.kind()), slot.label());
    }
    let question = format!("Remove {what}? It will no longer unlock this library.");
    let agreed = context.global.yes || (prompt::someone_is_there() && prompt::agree(&question)?);
    if !agreed {
        return Err(Failure::new(Exit::Refused, format!("{what} was not removed"))
            .hint("--yes removes it without asking"));
    }
    let keys = context.unlock(&folder)?;
    folder.keys().remove_slot(&keys, slot.id()).map_err(LibraryError::from)?;
    super::key_store::forget(context, &slot);
    if context.output.json() {
        return Ok(context.output.print_json(&serde_json::json!({ "removed": listed(&slot) }))?);
    }
    context.output.talk(&format!("Removed {what}."));
    if slot.kind() == SlotKind::Passkey {
        context.output.talk("The passkey itself stays where it is kept, and opens nothing; delete it there.");
    }
    Ok(())
}
