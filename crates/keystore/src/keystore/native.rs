//! The keystores of macOS and Windows. Compiled there; this project's tests run on Linux and do not reach it.

use std::sync::Arc;

use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error};
use safelight_crypto::StoreError;

use super::{Holder, no_entry};

/// What our entries are filed under.
const SERVICE: &str = "safelight";

pub(super) fn put(holder: Holder, name: &str, text: &str) -> Result<(), StoreError> {
    entry(holder, name)?.set_password(text).map_err(|error| told(holder, error))
}

pub(super) fn get(holder: Holder, name: &str) -> Result<Vec<u8>, StoreError> {
    entry(holder, name)?.get_password().map(String::into_bytes).map_err(|error| told(holder, error))
}

pub(super) fn remove(holder: Holder, name: &str) -> Result<(), StoreError> {
    match entry(holder, name)?.delete_credential() {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(told(holder, error)),
    }
}

fn entry(holder: Holder, name: &str) -> Result<Entry, StoreError> {
    store().and_then(|store| store.build(SERVICE, name, None)).map_err(|error| told(holder, error))
}

#[cfg(target_os = "macos")]
fn store() -> keyring_core::Result<Arc<impl CredentialStoreApi>> {
    apple_native_keyring_store::keychain::Store::new()
}

#[cfg(windows)]
fn store() -> keyring_core::Result<Arc<impl CredentialStoreApi>> {
    windows_native_keyring_store::Store::new()
}

fn told(holder: Holder, error: Error) -> StoreError {
    match error {
        Error::NoEntry => no_entry(holder),
        Error::NoStorageAccess(why) => StoreError::Denied(format!("the {} is locked: {why}", holder.name())),
        other => StoreError::Failed(format!("the {} failed: {other}", holder.name())),
    }
}
