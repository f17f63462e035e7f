//! This device's side of a sync: databases, folder, keys, and the effects that enter from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use safelight_catalog::{Catalog, DeviceDb, HowKnown, RemoteId, Replica};
use safelight_crypto::{
    Device, DeviceId, Entropy, Epoch, EpochId, Keyring, LibraryId, Roster, Statement, VerifyingKey, WordsCard,
};
use safelight_store::{FolderPlace, ObjectPath, SealedRemote};

use crate::error::{Result, SyncError};
use crate::problem::{Monitor, Problem};

/// Where this device keeps its keys.
pub trait KeyStore {
    /// The keys as they are.
    fn keyring(&self) -> &Keyring;

    /// Keeps epochs that arrived, durably, the newest last; those that are known change nothing.
    ///
    /// # Errors
    /// Why they could not be kept.
    fn learn(&mut self, epochs: &[Epoch]) -> Result<(), String>;

    /// Keeps an epoch that nothing is sealed under yet, durably.
    ///
    /// # Errors
    /// Why it could not be kept.
    fn hold(&mut self, epoch: &Epoch) -> Result<(), String>;

    /// Seals what is new under this epoch, which is held, from now on; durably.
    ///
    /// # Errors
    /// Why it could not be kept.
    fn seal_under(&mut self, epoch: &EpochId) -> Result<(), String>;

    /// Takes note of the recovery words in force, durably: epochs are wrapped to them from now on, and the words that were
    /// known before open nothing that is newer.
    ///
    /// # Errors
    /// Why it could not be kept.
    fn take_words(&mut self, words: &WordsCard) -> Result<(), String>;

    /// Goes on as another device, durably: from the moment on that this is kept, the device before is never signed
    /// with again.
    ///
    /// # Errors
    /// Why it could not be kept; then the device before goes on.
    fn succeed(&mut self, device: Device) -> Result<(), String>;
}

/// A flag that asks a sync to stop between two actions. What is under way then is finished and recorded.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks to stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Stops here if somebody asked.
    ///
    /// # Errors
    /// [`SyncError::Stopped`].
    pub fn check(&self) -> Result<()> {
        if self.is_asked() { Err(SyncError::Stopped) } else { Ok(()) }
    }
}

/// A connected remote and its number on this device.
#[derive(Clone, Debug)]
pub struct RemotePlace {
    /// Its number in `device.db`.
    pub id: RemoteId,
    /// The place.
    pub store: SealedRemote,
}

/// Everything on this device that a sync works with. Only the driving task uses it; transfers touch places.
pub struct Here<'a> {
    /// `catalog.db`.
    pub catalog: &'a mut Catalog,
    /// `device.db`.
    pub device: &'a mut DeviceDb,
    /// The sealed objects of the library folder.
    pub place: &'a FolderPlace,
    /// The keys.
    pub keys: &'a mut dyn KeyStore,
    /// Randomness.
    pub entropy: &'a mut dyn Entropy,
    /// The wall clock, in milliseconds since 1970.
    pub now: &'a dyn Fn() -> u64,
    /// Who is told.
    pub monitor: &'a dyn Monitor,
    /// Whether to stop.
    pub stop: &'a Stop,
}

impl Here<'_> {
    /// The library.
    #[must_use]
    pub fn library(&self) -> LibraryId {
        self.keys.keyring().library()
    }

    /// The wall clock as the databases want it.
    #[must_use]
    pub fn now_millis(&self) -> i64 {
        i64::try_from((self.now)()).unwrap_or(i64::MAX)
    }

    /// What all statements in the catalogue together say; none before the library's birth is known.
    ///
    /// # Errors
    /// Those of the database.
    pub fn roster(&self) -> Result<Option<Roster>> {
        Ok(self.catalog.roster(self.library())?.map(|roster| (*roster).clone()))
    }

    pub(crate) fn statements(&self) -> Result<Vec<Statement>> {
        statements_of(self.catalog)
    }

    /// The key that a device signs with: this device's own, or what the roster says.
    pub(crate) fn key_of(&self, device: &DeviceId) -> Result<Option<VerifyingKey>> {
        key_of(self.catalog, self.keys.keyring(), device)
    }

    /// An object as it is known from this moment on: put, found, or downloaded and opened, which alone proves it.
    pub(crate) fn replica(&self, object: impl Into<String>, sealed_bytes: u64, how: HowKnown) -> Replica {
        let now_millis = self.now_millis();
        Replica {
            object: object.into(),
            sealed_bytes,
            placed_millis: now_millis,
            proven_millis: (how == HowKnown::Opened).then_some(now_millis),
            how,
        }
    }

    /// Records such an object of a place.
    pub(crate) fn record_replica(
        &mut self,
        at: &RemotePlace,
        path: &ObjectPath,
        sealed_bytes: u64,
        how: HowKnown,
    ) -> Result<()> {
        let replica = self.replica(path.as_str(), sealed_bytes, how);
        Ok(self.device.record_replicas(at.id, [&replica])?)
    }

    pub(crate) fn note(&self, problems: &mut Vec<Problem>, problem: Problem) {
        if !problems.contains(&problem) {
            self.monitor.problem(&problem);
            problems.push(problem);
        }
    }
}

impl std::fmt::Debug for Here<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Here").field("place", &self.place).finish_non_exhaustive()
    }
}

fn statements_of(catalog: &Catalog) -> Result<Vec<Statement>> {
    let bytes = catalog.statements()?;
    Ok(bytes.iter().filter_map(|bytes| Statement::from_bytes(bytes).ok()).collect())
}

/// The key that a device signs with: this device's own, or what the roster says.
pub(crate) fn key_of(
    catalog: &Catalog,
    keyring: &Keyring,
    device: &DeviceId,
) -> Result<Option<VerifyingKey>> {
    let own = keyring.device();
    if own.id() == *device {
        return Ok(Some(*own.card().verifying_key()));
    }
    let roster = catalog.roster(keyring.library())?;
    Ok(roster.and_then(|roster| Some(*roster.member(device)?.card.verifying_key())))
}

/// What a statement demands that this version does not know; while there is anything it may only read.
pub(crate) fn newer_version_needed(roster: &Roster) -> Option<String> {
    let feature = roster.features().iter().next().cloned();
    feature.or_else(|| roster.unknown_kinds().iter().next().map(|kind| format!("statements of kind {kind}")))
}
