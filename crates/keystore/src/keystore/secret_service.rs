//! The Secret Service of the desktop's session: GNOME Keyring, `KWallet`, `KeePassXC`, over D-Bus.
//!
//! Nobody is asked: a keyring that is locked is said to be locked. Prompts belong to the desktop, and a program that
//! may run from a timer would wait for one that nobody sees. So does a bus that does not answer: every question has an end.

use std::collections::HashMap;
use std::sync::mpsc;
use std::time::Duration;

use safelight_crypto::StoreError;
use secret_service::EncryptionType;
use secret_service::blocking::SecretService;
use zeroize::Zeroizing;

use super::{Holder, no_entry};

/// How long the service may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What marks our entries among those of other programs.
const APPLICATION: (&str, &str) = ("application", "safelight");

pub(super) fn put(name: &str, text: &str) -> Result<(), StoreError> {
    let (name, text) = (name.to_owned(), Zeroizing::new(text.to_owned()));
    within_patience(move |service| {
        let collection = service.get_default_collection().map_err(told)?;
        if collection.is_locked().map_err(told)? {
            return Err(locked());
        }
        // Text and not bytes: KWallet keeps nothing else.
        collection
            .create_item("Safelight library", attributes(&name), text.as_bytes(), true, "text/plain")
            .map(drop)
            .map_err(told)
    })
}

pub(super) fn get(name: &str) -> Result<Vec<u8>, StoreError> {
    let name = name.to_owned();
    within_patience(move |service| {
        let found = service.search_items(attributes(&name)).map_err(told)?;
        match (found.unlocked.first(), found.locked.is_empty()) {
            (Some(item), _) => item.get_secret().map_err(told),
            (None, false) => Err(locked()),
            (None, true) => Err(no_entry(Holder::SecretService)),
        }
    })
}

pub(super) fn remove(name: &str) -> Result<(), StoreError> {
    let name = name.to_owned();
    within_patience(move |service| {
        let found = service.search_items(attributes(&name)).map_err(told)?;
        if !found.locked.is_empty() {
            return Err(locked());
        }
        found.unlocked.iter().try_for_each(|item| item.delete().map_err(told))
    })
}

fn attributes(name: &str) -> HashMap<&str, &str> {
    HashMap::from([APPLICATION, ("entry", name)])
}

/// Asks in a thread of its own: the connection brings its own runtime, which must not meet another one.
fn within_patience<T: Send + 'static>(
    ask: impl FnOnce(&SecretService<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (sender, answer) = mpsc::channel();
    std::thread::spawn(move || {
        // The secret is encrypted on the bus too, as the specification foresees.
        let told = SecretService::connect(EncryptionType::Dh).map_err(told).and_then(|service| ask(&service));
        // Nobody waits any more when patience was over.
        drop(sender.send(told));
    });
    answer.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        Err(StoreError::Failed(format!(
            "the Secret Service did not answer within {} seconds",
            PATIENCE.as_secs()
        )))
    })
}

fn locked() -> StoreError {
    StoreError::Denied(
        "the keyring of the Secret Service is locked: unlock it on the desktop first".to_owned(),
    )
}

/// Whether there is no bus at the address, or the bus knows nobody of that name and nobody to start for it.
fn is_nobody_there(said: &str) -> bool {
    said.contains("DBus.Error.ServiceUnknown") || said.contains("Failed to connect to address")
}

fn told(error: secret_service::Error) -> StoreError {
    use secret_service::Error;
    let nobody = || {
        StoreError::Absent(
            "there is no Secret Service here: no session bus, or nothing on it that keeps secrets".to_owned(),
        )
    };
    match error {
        Error::Unavailable => nobody(),
        Error::Zbus(ref error) if is_nobody_there(&error.to_string()) => nobody(),
        Error::Locked | Error::Prompt | Error::PromptDisconnected => locked(),
        Error::NoResult => StoreError::Absent(
            "the Secret Service has no default keyring: make one on the desktop first".to_owned(),
        ),
        other => StoreError::Failed(format!("the Secret Service failed: {other}")),
    }
}
