//! `safelight key add --store` and `key rotate`: key stores as ways to unlock, and a new unlock key for all ways.

use safelight_keystore::{Holder, KeyWrap, Keystore, Pkcs11Token, Vault, VaultKey};
use safelight_library::keys::UnlockedKeys;
use safelight_library::unlock::agent;
use safelight_library::{LibraryError, PassphraseCost, Slot, SlotSecret};

use crate::arguments::StoreKind;
use crate::commands::key::{Place, foretell, in_words, kind_word, listed};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::counted;

/// Lets a key store unlock the library, and proves at once that it does.
pub(super) fn add(
    context: &Context,
    label: Option<&str>,
    place: Place,
    token: Option<&str>,
) -> Result<(), Failure> {
    let pin = context.pin_source();
    let mut stores = context.key_stores(&pin);
    let kind = match place {
        Place::Keystore => StoreKind::Keystore,
        Place::KernelKeyring => {
            stores.keystore = Keystore { holder: Holder::Kernel };
            StoreKind::Keystore
        }
        Place::Pkcs11 => {
            stores.pkcs11 = Pkcs11Token { token: token.map(str::to_owned), ..stores.pkcs11 };
            StoreKind::Pkcs11
        }
        Place::Tpm => StoreKind::Tpm,
    };
    if token.is_some() && kind != StoreKind::Pkcs11 {
        return Err(Failure::usage("--token names a PKCS#11 token").hint("pass --store pkcs11 with it"));
    }
    let usual = match place {
        Place::Keystore => Holder::lasting().name(),
        Place::KernelKeyring => Holder::Kernel.name(),
        Place::Pkcs11 => token.unwrap_or("token"),
        Place::Tpm => "TPM",
    };
    prove_and_add(context, stores.of(kind), label.unwrap_or(usual))?;
    if place == Place::KernelKeyring && !context.global.dry_run && !context.output.json() {
        context.output.talk("The kernel keeps it until this machine restarts.");
    }
    Ok(())
}

/// Lets a key of a vault unlock the library, and proves at once that it does.
pub(super) fn add_vault(context: &Context, label: Option<&str>, key: &VaultKey) -> Result<(), Failure> {
    let vault = Vault { key: Some(key.clone()), environment: context.surroundings().azure };
    prove_and_add(context, &vault, label.unwrap_or(key.name()))
}

fn prove_and_add(context: &Context, store: &dyn KeyWrap, label: &str) -> Result<(), Failure> {
    let folder = context.folder()?;
    if context.global.dry_run {
        return foretell(context, "add", kind_word(store.kind()), label);
    }
    let keys = context.unlock(&folder)?;
    let secret = SlotSecret::Store(store);
    let mut entropy = context.entropy();
    let slot = folder
        .keys()
        .add_slot(&keys, label, &secret, PassphraseCost::DESKTOP, &mut entropy)
        .map_err(LibraryError::from)?;
    if let Err(error) = folder.keys().test_slot(slot.id(), &secret) {
        // A way that does not open would be taken for one that does.
        folder.keys().remove_slot(&keys, slot.id()).map_err(LibraryError::from)?;
        forget(context, &slot);
        return Err(LibraryError::from(error).into());
    }
    if context.output.json() {
        return Ok(context.output.print_json(&listed(&slot))?);
    }
    context.output.talk(&format!("Added {}; it opens the library.", in_words(&slot)));
    Ok(())
}

/// Removes what a store keeps for a slot that is no more. The slot is gone whatever the store says.
pub(super) fn forget(context: &Context, slot: &Slot) {
    let pin = context.pin_source();
    let stores = context.key_stores(&pin);
    if let (Some(store), Some(wrapped)) = (stores.of_slot(slot.kind()), slot.wrapped_secret())
        && let Err(error) = store.forget(wrapped)
    {
        let kind = kind_word(slot.kind());
        context.output.warn(&format!("what the {kind} kept for it stays there, and opens nothing: {error}"));
    }
}

/// Replaces the unlock key. The agent, if it has the old one, gets the new one for the rest of its time.
pub(super) fn rotate(context: &Context) -> Result<(), Failure> {
    let folder = context.folder()?;
    if context.global.dry_run {
        let slots = folder.keys().slots().map_err(LibraryError::from)?.slots;
        if context.output.json() {
            let slots: Vec<_> = slots.iter().map(listed).collect();
            return Ok(context
                .output
                .print_json(&serde_json::json!({ "would": "rotate", "slots": slots }))?);
        }
        let ways = counted(slots.len() as u64, "way", "ways");
        context
            .output
            .talk(&format!("Would replace the unlock key and seal the new one for {ways} to unlock."));
        return Ok(());
    }
    let keys = context.unlock(&folder)?;
    let new = folder.keys().replace_unlock_key(&keys, &mut context.entropy()).map_err(LibraryError::from)?;
    tell_agent(context, folder.library(), &new);
    let slots = folder.keys().slots().map_err(LibraryError::from)?.slots;
    if context.output.json() {
        let slots: Vec<_> = slots.iter().map(listed).collect();
        return Ok(context.output.print_json(&serde_json::json!({ "rotated": slots }))?);
    }
    let ways = counted(slots.len() as u64, "way", "ways");
    context.output.talk(&format!("Replaced the unlock key; {ways} to unlock open the library as before."));
    Ok(())
}

fn tell_agent(context: &Context, library: safelight_library::LibraryId, new: &UnlockedKeys) {
    let Ok(agents) = context.agent_folder() else { return };
    let address = agent::Address::new(&agents, library);
    if let Err(error) = agent::replace(&address, &new.unlock_key) {
        context.output.warn(&format!("the agent still has the old key: {error}; run safelight unlock again"));
    }
}
