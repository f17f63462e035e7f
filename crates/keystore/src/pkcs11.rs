//! A PKCS#11 token: an HSM, a smart card, SoftHSM. An AES key that never leaves the token encrypts the slot's secret.
//!
//! ```text
//! u8(1) ‖ u32(length) ‖ serial number of the token ‖ CKA_ID of the key (16) ‖ iv (12) ‖ AES-256-GCM(secret) (48)
//! ```
//! The additional data of the cipher is `safelight/1 pkcs11`. The module comes from whoever runs the program.

use std::path::{Path, PathBuf};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use safelight_crypto::{KeyWrap, SecretBytes, SlotKind, StoreError};
use zeroize::Zeroizing;

use crate::entropy::draw;
use crate::{WRAPPED_VERSION, check_version, foreign_bytes};

const CONTEXT: &[u8] = b"safelight/1 pkcs11";
/// What our keys are called on the token.
const KEY_LABEL: &[u8] = b"safelight";
const KEY_BYTES: std::ffi::c_ulong = 32;
const IV_BYTES: usize = 12;
const SEALED_BYTES: usize = 48;
/// The longest serial number that a token may have (PKCS#11: 16 bytes).
const SERIAL_BYTES: usize = 64;

/// Where p11-kit puts the module that speaks to all that are configured.
const USUAL_MODULES: [&str; 6] = [
    "/usr/lib/x86_64-linux-gnu/p11-kit-proxy.so",
    "/usr/lib/aarch64-linux-gnu/p11-kit-proxy.so",
    "/usr/lib64/p11-kit-proxy.so",
    "/usr/lib/p11-kit-proxy.so",
    "/opt/homebrew/lib/p11-kit-proxy.dylib",
    "/usr/local/lib/p11-kit-proxy.dylib",
];

/// The module that a system has for all of its tokens, if it has one.
#[must_use]
pub fn usual_module() -> Option<PathBuf> {
    USUAL_MODULES.into_iter().map(PathBuf::from).find(|path| path.is_file())
}

/// Asks for a token's PIN, named by its label; `None` when there is nobody to ask.
pub type PinSource<'a> = dyn Fn(&str) -> Result<Option<Zeroizing<String>>, StoreError> + 'a;

/// A token, as a key store.
pub struct Pkcs11Token<'a> {
    /// The module that speaks to tokens.
    pub module: Option<PathBuf>,
    /// The label of the token that a new slot goes to; not needed where there is one token.
    pub token: Option<String>,
    /// Who is asked for the PIN.
    pub pin: &'a PinSource<'a>,
}

impl std::fmt::Debug for Pkcs11Token<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Pkcs11Token")
            .field("module", &self.module)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl KeyWrap for Pkcs11Token<'_> {
    fn kind(&self) -> SlotKind {
        SlotKind::Pkcs11
    }

    fn wrap(&self, secret: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
        let module = Module::open(self.module.as_deref())?;
        let token = self.chosen(&module)?;
        let session = token.log_in(&module, self.pin)?;
        let id = draw::<16>();
        let key = session.generate_key(&Mechanism::AesKeyGen, &key_template(id)).map_err(told)?;
        let mut iv = draw::<IV_BYTES>();
        let sealed = gcm(&mut iv).and_then(|mechanism| session.encrypt(&mechanism, key, secret));
        // A token may insist on drawing the iv itself, and then writes it over ours.
        match sealed {
            Ok(sealed) if sealed.len() == SEALED_BYTES => {
                let serial = token.serial.as_bytes();
                let length = u32::try_from(serial.len()).map_err(|_| foreign_bytes())?.to_be_bytes();
                Ok([&[WRAPPED_VERSION], length.as_slice(), serial, &id, &iv, &sealed].concat())
            }
            other => {
                // A key that wraps nothing must not stay there.
                drop(session.destroy_object(key));
                Err(other.map_or_else(told, |_| StoreError::Failed("the token encrypted oddly".to_owned())))
            }
        }
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, StoreError> {
        let Wrapped { serial, id, mut iv, sealed } = Wrapped::parse(wrapped)?;
        let module = Module::open(self.module.as_deref())?;
        let session = module.token_by_serial(&serial)?.log_in(&module, self.pin)?;
        let key = find_key(&session, id)?.ok_or_else(no_key)?;
        let mechanism = gcm(&mut iv).map_err(told)?;
        session.decrypt(&mechanism, key, &sealed).map(SecretBytes::new).map_err(|error| match error {
            Error::Pkcs11(
                RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange | RvError::GeneralError,
                _,
            ) => StoreError::Foreign(
                "the token's key does not open what the slot holds: it is damaged".to_owned(),
            ),
            other => told(other),
        })
    }

    fn forget(&self, wrapped: &[u8]) -> Result<(), StoreError> {
        let Wrapped { serial, id, .. } = Wrapped::parse(wrapped)?;
        let module = Module::open(self.module.as_deref())?;
        let session = module.token_by_serial(&serial)?.log_in(&module, self.pin)?;
        find_key(&session, id)?.map_or(Ok(()), |key| session.destroy_object(key).map_err(told))
    }
}

impl Pkcs11Token<'_> {
    fn chosen(&self, module: &Module) -> Result<Token, StoreError> {
        let mut tokens = module.tokens()?;
        if let Some(wanted) = &self.token {
            tokens.retain(|token| token.label == *wanted);
        }
        match (tokens.pop(), tokens.is_empty(), &self.token) {
            (Some(token), true, _) => Ok(token),
            (Some(_), false, None) => {
                Err(StoreError::Absent("there are several tokens: name one with --token LABEL".to_owned()))
            }
            (Some(_), false, Some(wanted)) => {
                Err(StoreError::Absent(format!("several tokens are called {wanted}: leave one in")))
            }
            (None, _, Some(wanted)) => Err(StoreError::Absent(format!("no token is called {wanted}"))),
            (None, _, None) => Err(StoreError::Absent("no token is there".to_owned())),
        }
    }
}

/// What a slot of this kind holds.
struct Wrapped {
    serial: String,
    id: [u8; 16],
    iv: [u8; IV_BYTES],
    sealed: [u8; SEALED_BYTES],
}

impl Wrapped {
    fn parse(wrapped: &[u8]) -> Result<Self, StoreError> {
        let (length, rest) = check_version(wrapped)?.split_first_chunk::<4>().ok_or_else(foreign_bytes)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| foreign_bytes())?;
        if length > SERIAL_BYTES {
            return Err(foreign_bytes());
        }
        let (serial, rest) = rest.split_at_checked(length).ok_or_else(foreign_bytes)?;
        let (id, rest) = rest.split_first_chunk().ok_or_else(foreign_bytes)?;
        let (iv, sealed) = rest.split_first_chunk().ok_or_else(foreign_bytes)?;
        Ok(Self {
            serial: String::from_utf8(serial.to_vec()).map_err(|_| foreign_bytes())?,
            id: *id,
            iv: *iv,
            sealed: sealed.try_into().map_err(|_| foreign_bytes())?,
        })
    }
}

/// A module that is loaded and initialised; it ends with the value.
struct Module(Pkcs11);

struct Token {
    slot: Slot,
    label: String,
    serial: String,
    /// Whether the token has a keypad of its own, and wants no PIN from here.
    asks_itself: bool,
}

impl Module {
    fn open(path: Option<&Path>) -> Result<Self, StoreError> {
        let Some(path) = path else {
            return Err(StoreError::Absent(
                "no PKCS#11 module is named: pass --pkcs11-module FILE".to_owned(),
            ));
        };
        let failed = |error: Error| {
            StoreError::Absent(format!("the PKCS#11 module {} cannot be used: {error}", path.display()))
        };
        let module = Pkcs11::new(path).map_err(failed)?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(Self(module)),
            Err(error) => Err(failed(error)),
        }
    }

    fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let mut tokens = Vec::new();
        for slot in self.0.get_slots_with_initialized_token().map_err(told)? {
            // One that is pulled out just now is not there.
            let Ok(info) = self.0.get_token_info(slot) else { continue };
            tokens.push(Token {
                slot,
                label: info.label().trim_end().to_owned(),
                serial: info.serial_number().trim_end().to_owned(),
                asks_itself: info.protected_authentication_path(),
            });
        }
        Ok(tokens)
    }

    fn token_by_serial(&self, serial: &str) -> Result<Token, StoreError> {
        let found = self.tokens()?.into_iter().find(|token| token.serial == serial);
        found.ok_or_else(|| {
            StoreError::Absent(format!("the token with the serial number {serial} is not there"))
        })
    }
}

impl Token {
    fn log_in(&self, module: &Module, pin: &PinSource<'_>) -> Result<Session, StoreError> {
        let session = module.0.open_rw_session(self.slot).map_err(told)?;
        let given = if self.asks_itself {
            None
        } else {
            let Some(pin) = pin(&self.label)? else {
                return Err(StoreError::Absent(format!(
                    "the PIN of the token {} is not given: pass --pin-file FILE",
                    self.label
                )));
            };
            Some(AuthPin::new(pin.as_str().into()))
        };
        match session.login(UserType::User, given.as_ref()) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
                Err(StoreError::Denied(format!("that is not the PIN of the token {}", self.label)))
            }
            Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(StoreError::Denied(format!(
                "the token {} is locked after too many wrong PINs: its own tool unlocks it",
                self.label
            ))),
            Err(error) => Err(told(error)),
        }
    }
}

fn key_template(id: [u8; 16]) -> [Attribute; 11] {
    [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::ValueLen(KEY_BYTES.into()),
        Attribute::Label(KEY_LABEL.to_vec()),
        Attribute::Id(id.to_vec()),
    ]
}

fn find_key(session: &Session, id: [u8; 16]) -> Result<Option<ObjectHandle>, StoreError> {
    let template = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Id(id.to_vec())];
    Ok(session.find_objects(&template).map_err(told)?.into_iter().next())
}

fn gcm(iv: &mut [u8; IV_BYTES]) -> Result<Mechanism<'_>, Error> {
    Ok(Mechanism::AesGcm(GcmParams::new(iv, CONTEXT, 128.into())?))
}

fn no_key() -> StoreError {
    StoreError::Foreign(
        "the token does not have the key any more: it was removed or the token set up anew".to_owned(),
    )
}

fn told(error: Error) -> StoreError {
    match error {
        Error::Pkcs11(RvError::TokenNotPresent | RvError::DeviceRemoved, _) => {
            StoreError::Absent("the token was pulled out".to_owned())
        }
        Error::Pkcs11(RvError::MechanismInvalid, _) => {
            StoreError::Failed("the token has no AES-GCM, which a key slot needs".to_owned())
        }
        other => StoreError::Failed(format!("the token failed: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_slot_holds_is_read_strictly() {
        let good = [&[1], [0, 0, 0, 2].as_slice(), b"ab", &[1; 16], &[2; 12], &[3; 48]].concat();
        let wrapped = Wrapped::parse(&good).expect("parses");
        assert_eq!((wrapped.serial.as_str(), wrapped.id, wrapped.iv), ("ab", [1; 16], [2; 12]));
        for bad in
            [&good[..good.len() - 1], &[good.as_slice(), &[0]].concat(), &[2], &[1, 255, 255, 255, 255]]
        {
            assert!(Wrapped::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn without_a_module_nothing_is_tried() {
        let token = Pkcs11Token { module: None, token: None, pin: &|_| Ok(None) };
        assert!(matches!(token.wrap(&[1; 32]), Err(StoreError::Absent(_))));
        let token = Pkcs11Token { module: Some("/nowhere.so".into()), token: None, pin: &|_| Ok(None) };
        let error = token.wrap(&[1; 32]).expect_err("not there");
        assert!(matches!(&error, StoreError::Absent(text) if text.contains("/nowhere.so")), "{error}");
    }
}
