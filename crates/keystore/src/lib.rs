//! Key stores that keep the secret of a key slot outside of the library's folder: the system's keystore, a
//! PKCS#11 token, the TPM of this machine, a key vault in Azure. Each implements [`KeyWrap`].
//!
//! Invariants: what a slot holds is enough to *find* the secret in the store that made it, and useless without
//! that store; no secret, and no PIN, stands in an argument, the environment, a file or a log; nothing that a slot
//! says is run or opened — which PKCS#11 module, which TPM device, comes from whoever runs the program, because a slot
//! can be read before it can be believed. A vault is named by its slot, and only Azure's own are asked. A store that is not here is told apart from one that says no
//! ([`StoreError`]).
//!
//! Spec: sl1.md §1.9, *What a key store wraps*.

mod entropy;
mod keystore;
mod pkcs11;
mod tpm;
mod vault;

pub use keystore::{Holder, Keystore};
pub use pkcs11::{PinSource, Pkcs11Token, usual_module};
pub use safelight_crypto::{KeyWrap, StoreError};
pub use safelight_store::VaultKey;
pub use tpm::{DEFAULT_TPM, Tpm};
pub use vault::Vault;

/// The only version of what a store wraps.
const WRAPPED_VERSION: u8 = 1;

/// The same for all stores: their first byte says how the rest is to be read.
fn check_version(wrapped: &[u8]) -> Result<&[u8], StoreError> {
    match wrapped.split_first() {
        Some((&WRAPPED_VERSION, rest)) => Ok(rest),
        _ => Err(foreign_bytes()),
    }
}

fn foreign_bytes() -> StoreError {
    StoreError::Foreign(
        "what the slot holds was written by a later version of Safelight, or is damaged".to_owned(),
    )
}
