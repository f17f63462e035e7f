//! The key stores that this command may ask, as its flags say. Which module and which device is used is never read out of a
//! key slot: it can be read before it can be believed.

use safelight_keystore::{
    DEFAULT_TPM, Holder, KeyWrap, Keystore, PinSource, Pkcs11Token, StoreError, Tpm, Vault, usual_module,
};
use safelight_library::SlotKind;
use zeroize::Zeroizing;

use crate::arguments::{Global, StoreKind};
use crate::context::Context;
use crate::prompt;

/// One store of each kind.
pub(crate) struct KeyStores<'a> {
    pub(crate) keystore: Keystore,
    pub(crate) pkcs11: Pkcs11Token<'a>,
    pub(crate) tpm: Tpm,
    pub(crate) vault: Vault,
}

impl KeyStores<'_> {
    pub(crate) fn of(&self, kind: StoreKind) -> &dyn KeyWrap {
        match kind {
            StoreKind::Keystore => &self.keystore,
            StoreKind::Pkcs11 => &self.pkcs11,
            StoreKind::Tpm => &self.tpm,
            StoreKind::Vault => &self.vault,
        }
    }

    /// The store of a slot's kind, if this version has one.
    pub(crate) fn of_slot(&self, kind: SlotKind) -> Option<&dyn KeyWrap> {
        match kind {
            SlotKind::Keystore => Some(&self.keystore),
            SlotKind::Pkcs11 => Some(&self.pkcs11),
            SlotKind::Tpm => Some(&self.tpm),
            SlotKind::Vault => Some(&self.vault),
            _ => None,
        }
    }

    /// Those that are tried before a person is asked. A token is, if its PIN is given: a wrong guess is counted by it. A vault
    /// is, if it is named: a slot alone must not make this machine ask one.
    pub(crate) fn that_ask_nobody(&self, global: &Global) -> Vec<&dyn KeyWrap> {
        let mut stores: Vec<&dyn KeyWrap> = vec![&self.keystore, &self.tpm];
        if global.pin_file.is_some() {
            stores.push(&self.pkcs11);
        }
        if global.vault.is_some() {
            stores.push(&self.vault);
        }
        stores
    }
}

impl Context {
    /// The stores, with whoever is asked for a PIN.
    pub(crate) fn key_stores<'a>(&self, pin: &'a PinSource<'a>) -> KeyStores<'a> {
        let module = self.global.pkcs11_module.clone().or_else(usual_module);
        let device = self.global.tpm.clone().unwrap_or_else(|| DEFAULT_TPM.into());
        KeyStores {
            keystore: Keystore { holder: Holder::lasting() },
            pkcs11: Pkcs11Token { module, token: None, pin },
            tpm: Tpm { device },
            vault: Vault { key: self.global.vault.clone(), environment: self.surroundings().azure },
        }
    }

    /// The PIN from the file that is named, else from a person.
    pub(crate) fn pin_source(
        &self,
    ) -> impl Fn(&str) -> Result<Option<Zeroizing<String>>, StoreError> + use<> {
        let file = self.global.pin_file.clone();
        let output = self.output;
        move |token: &str| {
            if let Some(file) = &file {
                let mut warnings = Vec::new();
                let pin = safelight_library::unlock::read_passphrase_file(file, &mut warnings);
                warnings.iter().for_each(|warning| output.warn(&warning.to_string()));
                return pin.map(Some).map_err(|error| StoreError::Absent(error.to_string()));
            }
            if !prompt::someone_is_there() {
                return Ok(None);
            }
            let token = crate::output::printable_text(token);
            let typed = prompt::passphrase(&format!("PIN of the token {token}"));
            typed.map(Some).map_err(|error| StoreError::Absent(error.to_string()))
        }
    }
}
