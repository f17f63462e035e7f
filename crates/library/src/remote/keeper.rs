//! Keeps the credential of a remote, because some providers replace it while it is used.
//!
//! Invariant: a replaced sign-in is durable in `device.db` before the answer that brought it is used, and only one
//! process at a time replaces one: whoever waited reads what the other kept. So two processes never use up the same
//! refresh token, and a process that is killed loses at most the answer that it had not kept yet.
//!
//! While a remote is being added there is no row yet: then the credential is kept in memory, and comes to rest with
//! the row.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use safelight_catalog::{CatalogKey, DeviceDb, RemoteId};
use safelight_store::{CredentialKeeper, KeptCredential, RemoteCredential};

use super::terms::Terms;
use crate::flock::{self, Ask};
use crate::folder::LibraryFolder;

/// Where a credential rests.
#[derive(Debug, Clone)]
struct Rest {
    /// The folder that is locked while a credential is replaced.
    lock: PathBuf,
    database: PathBuf,
    key: CatalogKey,
    remote: RemoteId,
}

#[derive(Debug)]
struct State {
    credential: Option<RemoteCredential>,
    rest: Option<Rest>,
}

/// Keeps the credential of one remote.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    state: Arc<Mutex<State>>,
    /// On which terms the remote is used with it.
    terms: Terms,
}

impl Keeper {
    pub(crate) fn new(credential: Option<RemoteCredential>) -> Self {
        Self { state: Arc::new(Mutex::new(State { credential, rest: None })), terms: Terms::default() }
    }

    /// The same for a remote that is used on some terms.
    pub(super) fn on(self, terms: Terms) -> Self {
        Self { terms, ..self }
    }

    pub(super) fn terms(&self) -> Terms {
        self.terms
    }

    /// From now on the credential rests in the row of a remote.
    pub(super) fn rest_in(&self, folder: &LibraryFolder, key: CatalogKey, remote: RemoteId) {
        let (lock, database) = (folder.keys_path(), folder.device_path());
        self.state().rest = Some(Rest { lock, database, key, remote });
    }

    /// The credential as it was last seen or replaced here.
    pub(crate) fn credential(&self) -> Option<RemoteCredential> {
        self.state().credential.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CredentialKeeper for Keeper {
    fn take(&self) -> io::Result<Box<dyn KeptCredential>> {
        let rest = self.state().rest.clone();
        let held = match &rest {
            None => None,
            Some(rest) => {
                let held = File::open(&rest.lock)?;
                flock::lock(&held, Ask::Alone)?;
                Some(held)
            }
        };
        Ok(Box::new(Taken { keeper: self.clone(), rest, _held: held }))
    }
}

/// The credential, while nobody else replaces it.
struct Taken {
    keeper: Keeper,
    rest: Option<Rest>,
    _held: Option<File>,
}

impl Rest {
    fn open(&self) -> io::Result<DeviceDb> {
        DeviceDb::open(&self.database, &self.key).map_err(io::Error::other)
    }
}

impl KeptCredential for Taken {
    fn current(&self) -> io::Result<Option<RemoteCredential>> {
        let Some(rest) = &self.rest else { return Ok(self.keeper.credential()) };
        let rows = rest.open()?.remotes().map_err(io::Error::other)?;
        let row = rows.into_iter().find(|row| row.id == rest.remote);
        let Some(bytes) = row.and_then(|row| row.credential) else { return Ok(None) };
        RemoteCredential::from_bytes(&bytes).map(Some).map_err(io::Error::other)
    }

    fn replace(&mut self, credential: &RemoteCredential) -> io::Result<()> {
        if let Some(rest) = &self.rest {
            let mut device = rest.open()?;
            device
                .set_remote_credential(rest.remote, &credential.to_bytes())
                .and_then(|()| device.close())
                .map_err(io::Error::other)?;
        }
        self.keeper.state().credential = Some(credential.clone());
        Ok(())
    }
}
