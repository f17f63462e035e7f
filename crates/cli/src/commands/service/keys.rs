//! What opens a library while nobody is there; tried before anything is written.

use std::time::SystemTime;

use safelight_library::folder::LibraryFolder;
use safelight_library::keys::UnlockedKeys;
use safelight_library::unlock::{self, UnlockError, UnlockSources, UnlockedBy};
use safelight_library::{LibraryError, SlotKind};

use super::units::Key;
use crate::arguments::StoreKind;
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// What is to be passed on, and the keys that it opened just now. Neither an agent nor a person is asked.
pub(super) fn unattended(
    context: &Context,
    folder: &LibraryFolder,
    is_system: bool,
) -> Result<(Key, UnlockedKeys), Failure> {
    let global = &context.global;
    if matches!(global.by, Some(StoreKind::Pkcs11 | StoreKind::Vault)) {
        return Err(Failure::new(Exit::Refused, "a token or a vault is not passed on by install").hint(
            "--write DIR writes the files; add the option to their ExecStart= lines, or use --key-file",
        ));
    }
    let pin = context.pin_source();
    let stores = context.key_stores(&pin);
    let is_given = global.key_file.is_some() || global.by.is_some();
    let sources = UnlockSources {
        key_file: global.key_file.clone().filter(|_| global.by.is_none()),
        named_store: global.by.map(|kind| stores.of(kind)),
        stores: if is_given { Vec::new() } else { vec![&stores.keystore, &stores.tpm] },
        ..UnlockSources::default()
    };
    let unlocked = unlock::unlock(folder, sources, SystemTime::now(), &mut context.entropy());
    let unlocked = unlocked.map_err(|error| match error {
        UnlockError::Locked { .. } => nothing_opens(),
        other => Failure::from(LibraryError::from(other)),
    })?;
    for warning in &unlocked.warnings {
        context.output.warn(&warning.to_string());
    }
    let key = match (&global.key_file, unlocked.by) {
        (Some(file), UnlockedBy::Slot { kind: SlotKind::KeyFile, .. }) => {
            Key::File(std::path::absolute(file)?)
        }
        (_, UnlockedBy::Slot { kind: SlotKind::Tpm, .. }) => Key::Tpm(stores.tpm.device.clone()),
        (_, UnlockedBy::Slot { kind: SlotKind::Keystore, .. }) if !is_system => Key::Keystore,
        (_, UnlockedBy::Slot { kind: SlotKind::Keystore, .. }) => {
            return Err(Failure::new(
                Exit::Refused,
                "the keystore is a user's, and a service of the machine does not reach it",
            )
            .hint("leave --system out, or pass --key-file FILE"));
        }
        _ => return Err(nothing_opens()),
    };
    Ok((key, unlocked.keys))
}

fn nothing_opens() -> Failure {
    Failure::new(Exit::Locked, "nothing opens this library while nobody is there").hint(
        "safelight key add --new-key-file FILE makes a key file; then safelight --key-file FILE service install \
         (or safelight key add --store tpm, and --by tpm)",
    )
}
