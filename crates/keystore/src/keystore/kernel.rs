//! The kernel's keyring of this user: in memory that is not swapped, gone when the machine restarts.

use linux_keyutils::{Key, KeyError, KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, Permission};
use safelight_crypto::StoreError;

use super::{Holder, no_entry};

/// `ENOSYS`.
const NO_SUCH_CALL: i32 = 38;

/// Entries are many programs' in one keyring; their descriptions keep them apart.
fn description(name: &str) -> String {
    format!("safelight:{name}")
}

pub(super) fn put(name: &str, text: &str) -> Result<(), StoreError> {
    let ring = ring()?;
    let key = ring.add_key(&description(name), text).map_err(|error| told("take the entry", error))?;
    // Whoever is this user may read it, from whatever session: a timer's, or one after the next login.
    let permissions =
        KeyPermissionsBuilder::builder().posessor(Permission::ALL).user(Permission::ALL).build();
    key.set_perms(permissions).map_err(|error| told("keep the entry", error))
}

pub(super) fn get(name: &str) -> Result<Vec<u8>, StoreError> {
    find(name)?.read_to_vec().map_err(|error| told("read the entry", error))
}

pub(super) fn remove(name: &str) -> Result<(), StoreError> {
    match find(name) {
        Ok(key) => key.invalidate().map_err(|error| told("remove the entry", error)),
        Err(StoreError::Foreign(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn ring() -> Result<KeyRing, StoreError> {
    KeyRing::from_special_id(KeyRingIdentifier::User, true).map_err(|error| told("open the keyring", error))
}

fn find(name: &str) -> Result<Key, StoreError> {
    ring()?.search(&description(name)).map_err(|error| told("find the entry", error))
}

fn told(what: &str, error: KeyError) -> StoreError {
    match error {
        KeyError::KeyDoesNotExist | KeyError::KeyRevoked | KeyError::KeyExpired => no_entry(Holder::Kernel),
        // A container's filter forbids the calls altogether, or the kernel is built without them.
        KeyError::OperationNotSupported | KeyError::PermissionDenied | KeyError::Unknown(NO_SUCH_CALL) => {
            StoreError::Absent("the kernel keyring may not be used here".to_owned())
        }
        KeyError::AccessDenied => {
            StoreError::Denied("the kernel keyring refuses this session the entry".to_owned())
        }
        KeyError::QuotaExceeded => StoreError::Failed("the kernel keyring of this user is full".to_owned()),
        other => StoreError::Failed(format!("the kernel keyring could not {what}: {other}")),
    }
}
