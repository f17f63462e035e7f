//! Azure Key Vault, or a managed HSM: an RSA key that never leaves it wraps the slot's secret.
//!
//! ```text
//! u8(1) ‖ lp(vault) ‖ lp(name of the key) ‖ lp(version of the key) ‖ lp(RSA-OAEP-256(secret))
//! ```
//! `lp` is a length of four bytes and so many bytes. Who asks proves itself by the machine's own identity, as at Azure
//! storage; so a server unlocks its library without a person, and a copy of its folder elsewhere opens nothing.
//!
//! A slot names its vault, and nothing else could find the key. Azure's own vaults alone are asked, and unasked only the one
//! that whoever runs the program has named: else a planted slot would tell its owner who unlocks a library, and when.

use safelight_crypto::{KeyWrap, SecretBytes, SlotKind, StoreError};
use safelight_store::{AzureEnvironment, KeyVault, VaultError, VaultKey};

use crate::{WRAPPED_VERSION, check_version, foreign_bytes};

/// The most that one part takes: a host's name, a key's, what RSA with 4,096 bits wraps.
const PART_BYTES: usize = 1 << 10;

/// A key vault, as a key store.
#[derive(Debug, Clone, Default)]
pub struct Vault {
    /// The key that a new slot goes to. Where it is given, slots of other vaults are not asked about.
    pub key: Option<VaultKey>,
    /// What decides which identity asks.
    pub environment: AzureEnvironment,
}

impl KeyWrap for Vault {
    fn kind(&self) -> SlotKind {
        SlotKind::Vault
    }

    fn wrap(&self, secret: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
        let key = self.key.as_ref().ok_or_else(|| {
            StoreError::Absent(
                "no key was named: --key-vault https://VAULT.vault.azure.net/keys/NAME".to_owned(),
            )
        })?;
        let (key, wrapped) = ask(async { self.client()?.wrap(key, secret).await })?;
        let version = key.version().unwrap_or_default();
        let parts = [key.vault().as_bytes(), key.name().as_bytes(), version.as_bytes(), &wrapped];
        let mut bytes = vec![WRAPPED_VERSION];
        for part in parts {
            let length = u32::try_from(part.len()).map_err(|_| foreign_bytes())?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(part);
        }
        Ok(bytes)
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, StoreError> {
        let (key, wrapped) = parse(wrapped)?;
        if let Some(named) = &self.key
            && (named.vault(), named.name()) != (key.vault(), key.name())
        {
            return Err(StoreError::Absent(format!("it is of {key}, and {named} was named")));
        }
        ask(async { self.client()?.unwrap(&key, wrapped).await })
    }
}

impl Vault {
    fn client(&self) -> Result<KeyVault, VaultError> {
        KeyVault::new(self.environment.clone())
    }
}

/// Runs a request to its end on a thread of its own: whoever unlocks may be on a runtime already.
fn ask<Out: Send>(request: impl Future<Output = Result<Out, VaultError>> + Send) -> Result<Out, StoreError> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Failed(error.to_string()))?;
        runtime.block_on(request).map_err(|error| match error {
            VaultError::Unasked(said) => StoreError::Absent(said),
            VaultError::Denied(said) => StoreError::Denied(said),
            VaultError::Foreign(said) => StoreError::Foreign(said),
            other => StoreError::Failed(other.to_string()),
        })
    };
    match std::thread::scope(|scope| scope.spawn(run).join()) {
        Ok(answer) => answer,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The key with its version, and what it wrapped.
fn parse(wrapped: &[u8]) -> Result<(VaultKey, &[u8]), StoreError> {
    let rest = check_version(wrapped)?;
    let (vault, rest) = take_text(rest)?;
    let (name, rest) = take_text(rest)?;
    let (version, rest) = take_text(rest)?;
    let (sealed, rest) = take(rest)?;
    if !rest.is_empty() || sealed.is_empty() {
        return Err(foreign_bytes());
    }
    let key = VaultKey::of(vault.to_owned(), name.to_owned(), Some(version.to_owned()));
    key.map(|key| (key, sealed))
        .map_err(|rule| StoreError::Foreign(format!("what the slot names is no key: {rule}")))
}

fn take_text(bytes: &[u8]) -> Result<(&str, &[u8]), StoreError> {
    let (part, rest) = take(bytes)?;
    std::str::from_utf8(part).map(|text| (text, rest)).map_err(|_| foreign_bytes())
}

fn take(bytes: &[u8]) -> Result<(&[u8], &[u8]), StoreError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(foreign_bytes)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| foreign_bytes())?;
    if length > PART_BYTES {
        return Err(foreign_bytes());
    }
    rest.split_at_checked(length).ok_or_else(foreign_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(parts: [&[u8]; 4]) -> Vec<u8> {
        let lengths = parts.map(|part| u32::try_from(part.len()).expect("short").to_be_bytes());
        let parts = lengths.iter().zip(parts).flat_map(|(length, part)| [length.as_slice(), part]);
        std::iter::once([1].as_slice()).chain(parts).collect::<Vec<_>>().concat()
    }

    #[test]
    fn what_a_slot_holds_is_read_strictly() {
        let parts: [&[u8]; 4] = [b"https://mine.vault.azure.net", b"photos", b"0abc", &[7; 256]];
        let good = slot(parts);
        let (key, sealed) = parse(&good).expect("good");
        assert_eq!(key.to_string(), "https://mine.vault.azure.net/keys/photos/0abc");
        assert_eq!(sealed, [7; 256]);
        for cut in 0..good.len() {
            assert!(parse(&good[..cut]).is_err(), "{cut}");
        }
        assert!(parse(&[good.as_slice(), &[0]].concat()).is_err());
        assert!(parse(&[&[2], &good[1..]].concat()).is_err());
        for (number, bad) in [
            (0, b"https://evil.example".as_slice()),
            (0, b"http://mine.vault.azure.net"),
            (0, b"https://mine.vault.azure.net/"),
            (0, b"\xff"),
            (1, b"../secrets"),
            (1, b""),
            (2, b""),
            (2, b"1?x"),
            (3, b""),
        ] {
            let mut parts = parts;
            parts[number] = bad;
            assert!(parse(&slot(parts)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_slot_of_another_vault_than_the_named_one_is_not_asked_about() {
        let key = VaultKey::parse("https://mine.vault.azure.net/keys/photos").expect("a key");
        let vault = Vault { key: Some(key), ..Vault::default() };
        let other = slot([b"https://other.vault.azure.net", b"photos", b"0abc", &[7; 256]]);
        let error = vault.unwrap(&other).expect_err("is not asked");
        assert!(matches!(&error, StoreError::Absent(said) if said.contains("other.vault")), "{error}");
    }
}
