//! The keystore of the operating system: whoever is logged in may read it, and nobody else.
//!
//! A keystore keeps, it does not wrap: the slot holds the entry's name and which of the keystores has it.
//!
//! ```text
//! u8(1) ‖ u8(holder) ‖ entry (16)
//! ```

#[cfg(target_os = "linux")]
mod kernel;
#[cfg(any(target_os = "macos", windows))]
mod native;
#[cfg(target_os = "linux")]
mod secret_service;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use safelight_crypto::{KeyWrap, SecretBytes, SlotKind, StoreError};
use zeroize::{Zeroize as _, Zeroizing};

use crate::entropy::draw;
use crate::{WRAPPED_VERSION, check_version, foreign_bytes};

/// Which keystore of a system keeps an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Holder {
    /// The keyring of the Linux kernel, of this user: until the machine restarts.
    Kernel = 1,
    /// The Secret Service on the session's D-Bus: GNOME Keyring, `KWallet`, `KeePassXC`.
    SecretService = 2,
    /// The login keychain of macOS.
    Keychain = 3,
    /// The Credential Manager of Windows.
    CredentialManager = 4,
}

impl Holder {
    const ALL: [Self; 4] = [Self::Kernel, Self::SecretService, Self::Keychain, Self::CredentialManager];

    /// The one that keeps an entry over a restart, on this system.
    #[must_use]
    pub const fn lasting() -> Self {
        if cfg!(target_os = "macos") {
            Self::Keychain
        } else if cfg!(windows) {
            Self::CredentialManager
        } else {
            Self::SecretService
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel keyring",
            Self::SecretService => "Secret Service",
            Self::Keychain => "macOS keychain",
            Self::CredentialManager => "Windows Credential Manager",
        }
    }

    /// The holder of what a slot of the kind `keystore` holds.
    #[must_use]
    pub fn of(wrapped: &[u8]) -> Option<Self> {
        parse(wrapped).ok().map(|(holder, _)| holder)
    }
}

/// The operating system's keystore, as a key store. `holder` is where new secrets go; each slot says where its own is.
#[derive(Debug, Clone, Copy)]
pub struct Keystore {
    /// Where a new secret is kept.
    pub holder: Holder,
}

impl KeyWrap for Keystore {
    fn kind(&self) -> SlotKind {
        SlotKind::Keystore
    }

    fn wrap(&self, secret: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
        let entry = draw::<16>();
        let text = Zeroizing::new(HEXLOWER.encode(secret));
        put(self.holder, &name_of(&entry), &text)?;
        Ok([&[WRAPPED_VERSION, self.holder as u8], entry.as_slice()].concat())
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, StoreError> {
        let (holder, entry) = parse(wrapped)?;
        let mut text = get(holder, &name_of(&entry))?;
        let bytes = HEXLOWER.decode(&text);
        text.zeroize();
        bytes.map(SecretBytes::new).map_err(|_| {
            StoreError::Foreign(format!("the entry in the {} is not what was put there", holder.name()))
        })
    }

    fn forget(&self, wrapped: &[u8]) -> Result<(), StoreError> {
        let (holder, entry) = parse(wrapped)?;
        remove(holder, &name_of(&entry))
    }
}

fn parse(wrapped: &[u8]) -> Result<(Holder, [u8; 16]), StoreError> {
    let (&holder, entry) = check_version(wrapped)?.split_first().ok_or_else(foreign_bytes)?;
    let holder = Holder::ALL.into_iter().find(|known| *known as u8 == holder).ok_or_else(foreign_bytes)?;
    Ok((holder, entry.try_into().map_err(|_| foreign_bytes())?))
}

/// An entry's name in its store.
fn name_of(entry: &[u8; 16]) -> String {
    BASE32_NOPAD.encode(entry).to_ascii_lowercase()
}

fn not_here(holder: Holder) -> StoreError {
    StoreError::Absent(format!("this system has no {}", holder.name()))
}

/// The entry is not where its slot says: another machine's or user's, or removed.
fn no_entry(holder: Holder) -> StoreError {
    let why = match holder {
        Holder::Kernel => {
            "it was made on another machine or by another user, or this one was restarted since"
        }
        _ => "it was made on another machine or by another user, or was removed there",
    };
    StoreError::Foreign(format!("the {} has no entry for it: {why}", holder.name()))
}

#[cfg(target_os = "linux")]
fn put(holder: Holder, name: &str, text: &str) -> Result<(), StoreError> {
    match holder {
        Holder::Kernel => kernel::put(name, text),
        Holder::SecretService => secret_service::put(name, text),
        other => Err(not_here(other)),
    }
}

#[cfg(target_os = "linux")]
fn get(holder: Holder, name: &str) -> Result<Vec<u8>, StoreError> {
    match holder {
        Holder::Kernel => kernel::get(name),
        Holder::SecretService => secret_service::get(name),
        other => Err(not_here(other)),
    }
}

#[cfg(target_os = "linux")]
fn remove(holder: Holder, name: &str) -> Result<(), StoreError> {
    match holder {
        Holder::Kernel => kernel::remove(name),
        Holder::SecretService => secret_service::remove(name),
        other => Err(not_here(other)),
    }
}

#[cfg(any(target_os = "macos", windows))]
fn put(holder: Holder, name: &str, text: &str) -> Result<(), StoreError> {
    if holder == Holder::lasting() { native::put(holder, name, text) } else { Err(not_here(holder)) }
}

#[cfg(any(target_os = "macos", windows))]
fn get(holder: Holder, name: &str) -> Result<Vec<u8>, StoreError> {
    if holder == Holder::lasting() { native::get(holder, name) } else { Err(not_here(holder)) }
}

#[cfg(any(target_os = "macos", windows))]
fn remove(holder: Holder, name: &str) -> Result<(), StoreError> {
    if holder == Holder::lasting() { native::remove(holder, name) } else { Err(not_here(holder)) }
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn put(holder: Holder, _: &str, _: &str) -> Result<(), StoreError> {
    Err(not_here(holder))
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn get(holder: Holder, _: &str) -> Result<Vec<u8>, StoreError> {
    Err(not_here(holder))
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn remove(holder: Holder, _: &str) -> Result<(), StoreError> {
    Err(not_here(holder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_slot_holds_is_read_strictly() {
        let good = [&[1, 2], [7; 16].as_slice()].concat();
        assert_eq!(parse(&good), Ok((Holder::SecretService, [7; 16])));
        assert_eq!(Holder::of(&good), Some(Holder::SecretService));
        for bad in [&good[..17], &[good.as_slice(), &[0]].concat(), &[], &[1]] {
            assert!(matches!(parse(bad), Err(StoreError::Foreign(_))), "{bad:?}");
        }
        for (place, value) in [(0, 2), (1, 0), (1, 5)] {
            let mut altered = good.clone();
            altered[place] = value;
            assert!(parse(&altered).is_err(), "byte {place} = {value}");
        }
    }

    #[test]
    fn another_system_s_keystore_is_absent_and_not_wrong() {
        let elsewhere = if cfg!(target_os = "macos") { 4 } else { 3 };
        let wrapped = [&[1, elsewhere], [7; 16].as_slice()].concat();
        let error = Keystore { holder: Holder::lasting() }.unwrap(&wrapped).expect_err("not here");
        assert!(matches!(error, StoreError::Absent(_)), "{error:?}");
    }
}
