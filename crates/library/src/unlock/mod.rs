//! Unlocking: from what a person, a file or an agent offers to the keys of a library.
//!
//! The sources are asked in one order, and the first that is there decides: the agent, which a command that names another
//! way leaves out; the passphrase file, the
//! descriptor, the key file and the recovery words that were named with the command; the passphrase file that
//! the environment names; the credentials of systemd; a person. Only an agent that has nothing, or nothing that
//! fits any more, is passed over silently. Nothing is read from the environment here and nothing is printed.
//!
//! Invariants: a wrong passphrase costs the time of one Argon2 run for each passphrase slot, and of one if there
//! is none, so that time does not tell whether a slot exists; every failed try is written to `keys/attempts`.

pub mod agent;
mod error;
mod secret;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use safelight_crypto::{
    Entropy, KeyWrap, RecoveryWords, Slot, SlotId, SlotKind, SlotSecret, StoreError, UnlockKey,
};
use zeroize::Zeroizing;

pub use error::UnlockError;
pub use secret::{UnlockWarning, forbid_core_dumps, read_key_file, read_passphrase, read_passphrase_file};

use crate::folder::{FolderError, LibraryFolder};
use crate::keys::{
    AttemptWay, FailedAttempt, KeyringSource, KeysError, SUSPECT, UnlockedKeys, finish_replacement,
    spend_time_of_a_slot,
};

/// How often a person may mistype.
const PROMPTS: u32 = 3;
/// A passphrase among the credentials of a systemd service.
const PASSPHRASE_CREDENTIAL: &str = "safelight.passphrase";
/// A key file among the credentials of a systemd service.
const KEY_CREDENTIAL: &str = "safelight.key";

/// What a person is asked.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The library's folder.
    pub library: &'a Path,
    /// Whether the answer before was wrong.
    pub is_repeated: bool,
}

/// Asks a person for a passphrase; `None` when they would rather not.
pub type Prompt<'a> = dyn FnMut(&Question<'_>) -> io::Result<Option<Zeroizing<String>>> + 'a;

/// What there is to unlock with. What is not there is `None`.
#[derive(Default)]
pub struct UnlockSources<'a> {
    /// The folder of the agents' sockets.
    pub agent_folder: Option<PathBuf>,
    /// `--passphrase-file`.
    pub passphrase_file: Option<PathBuf>,
    /// `--passphrase-fd`, opened.
    pub passphrase_descriptor: Option<OwnedFd>,
    /// `--key-file`.
    pub key_file: Option<PathBuf>,
    /// The recovery words.
    pub recovery: Option<&'a RecoveryWords>,
    /// A key store that the command named.
    pub named_store: Option<&'a dyn KeyWrap>,
    /// Key stores that ask nobody: tried before a person is asked, and passed over where they do not open.
    pub stores: Vec<&'a dyn KeyWrap>,
    /// The value of `SAFELIGHT_PASSPHRASE_FILE`.
    pub environment_passphrase_file: Option<PathBuf>,
    /// The value of `CREDENTIALS_DIRECTORY`.
    pub credentials_folder: Option<PathBuf>,
    /// A person.
    pub prompt: Option<&'a mut Prompt<'a>>,
}

impl std::fmt::Debug for UnlockSources<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("UnlockSources")
            .field("agent_folder", &self.agent_folder)
            .finish_non_exhaustive()
    }
}

/// By what a library was unlocked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnlockedBy {
    /// The agent.
    Agent,
    /// A key slot.
    Slot {
        /// Its id.
        id: SlotId,
        /// Its label.
        label: String,
        /// What kind of secret opens it.
        kind: SlotKind,
        /// Whether a person was asked.
        was_prompted: bool,
    },
}

/// An unlocked library.
#[derive(Debug)]
pub struct Unlocked {
    /// Its keys.
    pub keys: UnlockedKeys,
    /// By what.
    pub by: UnlockedBy,
    /// What was noticed on the way.
    pub warnings: Vec<UnlockWarning>,
}

/// Unlocks a library by the first source that is there.
///
/// # Errors
/// [`UnlockError::Locked`] when there is no source, [`UnlockError::WrongSecret`], [`UnlockError::NoSlots`],
/// [`UnlockError::SecretFile`],
/// and damage of `keys/` or of `library.toml`.
pub fn unlock(
    folder: &LibraryFolder,
    sources: UnlockSources<'_>,
    now: SystemTime,
    entropy: &mut dyn Entropy,
) -> Result<Unlocked, UnlockError> {
    if folder.is_writable() {
        finish_replacement(folder)?;
    }
    let mut door = Door { folder, now, entropy, warnings: Vec::new() };
    if folder.is_suspect() {
        door.warnings.push(UnlockWarning::DescriptionDamaged);
    }
    let (keys, by) = door.open(sources)?;
    Ok(Unlocked { keys, by, warnings: door.warnings })
}

/// A library that is being unlocked.
struct Door<'a> {
    folder: &'a LibraryFolder,
    now: SystemTime,
    entropy: &'a mut dyn Entropy,
    warnings: Vec<UnlockWarning>,
}

type Opened = (UnlockedKeys, UnlockedBy);

impl Door<'_> {
    fn open(&mut self, sources: UnlockSources<'_>) -> Result<Opened, UnlockError> {
        if let Some(agents) = &sources.agent_folder
            && let Some(opened) = self.by_agent(agents)?
        {
            return Ok(opened);
        }
        let keys = self.folder.keys();
        if keys.has_no_slots()? {
            return Err(UnlockError::NoSlots { path: keys.slots_path() });
        }
        if let Some(path) = &sources.passphrase_file {
            return self.by_passphrase_file(path);
        }
        if let Some(descriptor) = sources.passphrase_descriptor {
            let passphrase = read_passphrase(File::from(descriptor))?;
            return self.by_secret(&SlotSecret::Passphrase(&passphrase));
        }
        if let Some(path) = &sources.key_file {
            return self.by_key_file(path);
        }
        if let Some(words) = sources.recovery {
            return self.by_secret(&SlotSecret::Recovery(words));
        }
        if let Some(store) = sources.named_store {
            return self.by_store(store);
        }
        if let Some(path) = &sources.environment_passphrase_file {
            return self.by_passphrase_file(path);
        }
        if let Some(credentials) = &sources.credentials_folder
            && let Some(opened) = self.by_credentials(credentials)?
        {
            return Ok(opened);
        }
        let mut refusal = None;
        for store in &sources.stores {
            match self.by_store(*store) {
                Ok(opened) => return Ok(opened),
                // What is not here cannot be asked, which is no news where there are other ways.
                Err(
                    UnlockError::NoStoreSlot { .. }
                    | UnlockError::StoreSlot { reason: StoreError::Absent(_), .. },
                ) => {}
                Err(UnlockError::StoreSlot { path, label, kind, reason }) => {
                    let slot = format!("{label} ({})", kind.as_str());
                    self.warnings.push(UnlockWarning::SlotUnusable { slot, reason: reason.to_string() });
                    refusal.get_or_insert(UnlockError::StoreSlot { path, label, kind, reason });
                }
                Err(error) => return Err(error),
            }
        }
        match sources.prompt {
            Some(prompt) => self.by_prompt(prompt),
            // Where nobody can be asked, what a store said is all there is to say.
            None => Err(refusal.unwrap_or_else(|| self.locked())),
        }
    }

    fn locked(&self) -> UnlockError {
        UnlockError::Locked { path: self.folder.path().to_owned() }
    }

    fn by_agent(&mut self, agents: &Path) -> Result<Option<Opened>, UnlockError> {
        let address = agent::Address::new(agents, self.folder.library());
        let key = match agent::fetch(&address) {
            Ok(Some(key)) => key,
            Ok(None) => return Ok(None),
            // An agent is a convenience: one that cannot be used must not stop those who bring a passphrase.
            Err(error) => {
                tracing::debug!(%error, "no key from the agent");
                return Ok(None);
            }
        };
        match self.keyring(key) {
            Ok(keys) => Ok(Some((keys, UnlockedBy::Agent))),
            Err(UnlockError::Keys(KeysError::WrongKey)) => {
                self.warnings.push(UnlockWarning::StaleAgent);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn by_passphrase_file(&mut self, path: &Path) -> Result<Opened, UnlockError> {
        let passphrase = read_passphrase_file(path, &mut self.warnings)?;
        self.by_secret(&SlotSecret::Passphrase(&passphrase))
    }

    fn by_key_file(&mut self, path: &Path) -> Result<Opened, UnlockError> {
        let bytes = read_key_file(path, &mut self.warnings)?;
        self.by_secret(&SlotSecret::KeyFile(&bytes))
    }

    /// systemd makes the folder for this service alone, so its permissions are its own affair.
    fn by_credentials(&mut self, credentials: &Path) -> Result<Option<Opened>, UnlockError> {
        let mut ignored = Vec::new();
        let passphrase = credentials.join(PASSPHRASE_CREDENTIAL);
        if passphrase.exists() {
            let passphrase = read_passphrase_file(&passphrase, &mut ignored)?;
            return self.by_secret(&SlotSecret::Passphrase(&passphrase)).map(Some);
        }
        let key = credentials.join(KEY_CREDENTIAL);
        if key.exists() {
            let bytes = read_key_file(&key, &mut ignored)?;
            return self.by_secret(&SlotSecret::KeyFile(&bytes)).map(Some);
        }
        Ok(None)
    }

    fn by_prompt(&mut self, prompt: &mut Prompt<'_>) -> Result<Opened, UnlockError> {
        let mut tries = 0;
        loop {
            let question = Question { library: self.folder.path(), is_repeated: tries > 0 };
            let Some(passphrase) = prompt(&question).map_err(UnlockError::Prompt)? else {
                return Err(self.locked());
            };
            tries += 1;
            // No slot has an empty one: it says nothing of any slot.
            if passphrase.is_empty() {
                if tries < PROMPTS {
                    continue;
                }
                return Err(self.locked());
            }
            let warnings_before = self.warnings.len();
            match self.by_secret(&SlotSecret::Passphrase(&passphrase)) {
                Ok((keys, UnlockedBy::Slot { id, label, kind, .. })) => {
                    return Ok((keys, UnlockedBy::Slot { id, label, kind, was_prompted: true }));
                }
                Err(UnlockError::WrongSecret { .. }) if tries < PROMPTS => {
                    self.warnings.truncate(warnings_before);
                }
                other => return other,
            }
        }
    }

    /// Tries a secret on every slot of its kind.
    fn by_secret(&mut self, secret: &SlotSecret<'_>) -> Result<Opened, UnlockError> {
        let warnings_before = self.warnings.len();
        let list = self.folder.keys().slots()?;
        for damaged in list.damaged {
            let slot = damaged.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.warnings.push(UnlockWarning::SlotUnusable { slot, reason: damaged.reason });
        }
        let mut damaged = self.warnings.len() > warnings_before;
        let slots: Vec<Slot> = list.slots.into_iter().filter(|slot| slot.kind() == secret.kind()).collect();
        for slot in &slots {
            match slot.open(self.folder.library(), secret) {
                Ok(unlock_key) => match self.keyring(unlock_key) {
                    Ok(keys) => return Ok((keys, opened_by(slot))),
                    Err(UnlockError::Keys(KeysError::WrongKey)) => {
                        self.note_slot(slot, "it belongs to an earlier unlock key".to_owned());
                    }
                    Err(error) => return Err(error),
                },
                Err(_) if list.suspect.contains(&slot.id()) => {
                    self.note_slot(slot, SUSPECT.to_owned());
                    damaged = true;
                }
                Err(error) if error.is_wrong_key() => {}
                Err(error) => {
                    self.note_slot(slot, error.to_string());
                    damaged = true;
                }
            }
        }
        if slots.is_empty() && secret.kind() == SlotKind::Passphrase {
            spend_time_of_a_slot(self.folder.library(), secret, self.entropy);
        }
        let wrong = self.wrong(secret, &slots);
        Err(if damaged { self.damaged_slot().unwrap_or(wrong) } else { wrong })
    }

    /// Asks a store for the slots of its kind. What the first one said that was not merely absent is what is told.
    fn by_store(&mut self, store: &dyn KeyWrap) -> Result<Opened, UnlockError> {
        let path = || self.folder.path().to_owned();
        let kind = store.kind();
        let secret = SlotSecret::Store(store);
        let mut slots = self.folder.keys().slots()?.slots;
        slots.retain(|slot| slot.kind() == kind);
        let mut refusal: Option<UnlockError> = None;
        for slot in &slots {
            let error = match slot.open(self.folder.library(), &secret) {
                Ok(unlock_key) => match self.keyring(unlock_key) {
                    Ok(keys) => return Ok((keys, opened_by(slot))),
                    Err(UnlockError::Keys(KeysError::WrongKey)) => {
                        self.note_slot(slot, "it belongs to an earlier unlock key".to_owned());
                        continue;
                    }
                    Err(error) => return Err(error),
                },
                Err(error) => error,
            };
            let Some(reason) = error.store_error().cloned() else {
                self.note_slot(slot, error.to_string());
                continue;
            };
            let is_news = !matches!(reason, StoreError::Absent(_));
            if refusal.is_none() || is_news {
                refusal = Some(UnlockError::StoreSlot {
                    label: slot.label().to_owned(),
                    kind,
                    path: path(),
                    reason,
                });
            }
        }
        if let Some(refusal) = refusal {
            if let UnlockError::StoreSlot { reason: StoreError::Denied(_), .. } = &refusal {
                self.note_attempt(&secret, &slots);
            }
            return Err(refusal);
        }
        match self.damaged_slot() {
            Some(damaged) if !slots.is_empty() => Err(damaged),
            _ if slots.is_empty() => Err(UnlockError::NoStoreSlot { kind, path: path() }),
            _ => Err(self.wrong(&secret, &slots)),
        }
    }

    fn note_slot(&mut self, slot: &Slot, reason: String) {
        self.warnings.push(UnlockWarning::SlotUnusable { slot: format!("{}.toml", slot.id()), reason });
    }

    /// A secret that opens nothing may be right, and its slot damaged: the damage is what must be known.
    fn damaged_slot(&self) -> Option<UnlockError> {
        self.warnings.iter().find_map(|warning| match warning {
            UnlockWarning::SlotUnusable { slot, reason } => {
                let path = self.folder.keys_path().join("slots").join(slot);
                Some(KeysError::Damaged { path, reason: reason.clone() }.into())
            }
            _ => None,
        })
    }

    /// Writes the failure down and names it.
    fn wrong(&self, secret: &SlotSecret<'_>, slots: &[Slot]) -> UnlockError {
        let way = AttemptWay::of(secret);
        let is_id_by_words =
            matches!(secret, SlotSecret::Recovery(words) if words.library_id() == self.folder.library());
        if self.folder.is_suspect() && is_id_by_words {
            // The words name the library themselves, so nothing else can be wrong than that they are of another one.
            return UnlockError::WrongSecret { way, path: self.folder.path().to_owned() };
        }
        if self.folder.is_suspect() {
            // A wrong id in it makes every right secret look wrong, and would go into what is written down.
            let reason = "it does not fit its own checksum, so no secret can be tried".to_owned();
            return FolderError::Damaged { path: self.folder.path().join("library.toml"), reason }.into();
        }
        self.note_attempt(secret, slots);
        UnlockError::WrongSecret { way, path: self.folder.path().to_owned() }
    }

    fn note_attempt(&self, secret: &SlotSecret<'_>, slots: &[Slot]) {
        let millis = self.now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let at_millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let slot = if let [only] = slots { Some(only.id()) } else { None };
        self.folder.keys().record_attempt(&FailedAttempt { at_millis, way: AttemptWay::of(secret), slot });
    }

    fn keyring(&mut self, unlock_key: UnlockKey) -> Result<UnlockedKeys, UnlockError> {
        let opened = self.folder.keys().open_keyring(&unlock_key)?;
        if let KeyringSource::Previous { damage } = opened.source {
            self.warnings.push(UnlockWarning::PreviousKeyring { damage });
        }
        Ok(UnlockedKeys { keyring: opened.keyring, unlock_key })
    }
}

fn opened_by(slot: &Slot) -> UnlockedBy {
    UnlockedBy::Slot { id: slot.id(), label: slot.label().to_owned(), kind: slot.kind(), was_prompted: false }
}

#[cfg(test)]
mod tests;
