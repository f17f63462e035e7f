//! Joining: a place, and the recovery words or a code that another device shows, become a library on an empty machine.
//!
//! The folder carries the mark of an unfinished library until the history is taken in and this device admitted, so
//! a join that was killed is cleared by the next one. A device that was admitted and never came to be harms nothing.

use std::path::Path;

use safelight_crypto::{Keyring, LibraryId, OsEntropy, RecoveryWords};
use safelight_store::RemoteCredential;
use safelight_sync::{
    RemotePlace, Stop, SyncError, admit_by_words, confirm_admission, fetch_first_thumbnails, find_library,
    prepare_admission, remember_place, sync_history,
};
use serde::Serialize;

use super::at::{Surroundings, check_remote_name, connect_to, runtime};
use super::coming::{CodeToJoin, Entered, Way, come_in, lent_credential};
use super::keeper::Keeper;
use super::run::{Told, here, until_stopped};
use crate::birth;
use crate::error::{LibraryError, Result};
use crate::keys::{NewSlot, UnfinishedLibrary};
use crate::library::{Library, LibraryOptions};
use crate::monitor::{Monitor, Task};

/// What lets a device into a library.
#[derive(Debug, Clone, Copy)]
pub enum JoinBy<'a> {
    /// The recovery words: they admit it themselves.
    Words(&'a RecoveryWords),
    /// A code: the device that shows it admits it.
    Code(CodeToJoin<'a>),
}

/// A library to be joined.
#[derive(Debug, Clone, Copy)]
pub struct JoinRequest<'a> {
    /// The new folder.
    pub path: &'a Path,
    /// Where the library rests. By a code also `lan:HOST:PORT`, the device that invites on the local network, or `lan:`, where
    /// it is to be found there: it then tells where the library rests.
    pub address: &'a str,
    /// What opens that place.
    pub credential: Option<&'a RemoteCredential>,
    /// What the place shall be called.
    pub name: &'a str,
    /// What lets this device in.
    pub by: JoinBy<'a>,
    /// The ways to unlock the library on this device, besides the words, if those are there.
    pub slots: &'a [NewSlot],
    /// Whether a sync follows at once: it replays history and publishes the admission of this device.
    pub sync_follows: bool,
}

/// What a join found before the first sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Joined {
    /// The library.
    pub library: LibraryId,
    /// Whether it began with a checkpoint instead of the whole history.
    pub began_with_checkpoint: bool,
    /// Thumbnails of the newest photos that are here already.
    pub first_thumbnails: u64,
    /// The six words of the history as the device that invited saw it; none after a join by the recovery words.
    pub history: Option<String>,
}

/// Photos that a person sees first.
const FIRST_PAGE: usize = 100;

impl Library {
    /// Makes this machine a device of a library that rests in a remote: keys, a checkpoint or all history, its admission
    /// by the words, and the newest thumbnails. The rest comes with the first [`sync`](Library::sync). What the place
    /// can do is found out last, so that nobody waits for it.
    ///
    /// # Errors
    /// When the folder is not empty, the words have no library there, or what they find cannot be believed; then
    /// the folder holds no library.
    pub fn join(
        request: &JoinRequest<'_>,
        options: &LibraryOptions,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<Joined> {
        check_remote_name(request.name)?;
        let runtime = runtime()?;
        let stop = Stop::default();
        monitor.begin(Task::Sync, None, None);
        let (entered, joining, invited) = match &request.by {
            JoinBy::Words(words) => runtime.block_on(async {
                let credential = request.credential.cloned();
                let entered = Entered::connect(request.address, credential, surroundings).await?;
                let found = until_stopped(find_library(&entered.store, words), &stop, monitor).await?;
                Ok::<_, LibraryError>((entered, found, None))
            })?,
            JoinBy::Code(code) => {
                let (address, credential) = (request.address, request.credential);
                let way = Way { address, credential, surroundings, monitor };
                let (entered, joining, asking, welcome) = come_in(&runtime, &way, code)?;
                (entered, joining, Some((asking, welcome)))
            }
        };
        let Entered { address, keeper, store } = entered;
        let (id, card, epochs) = (joining.library, joining.words.clone(), joining.epochs.clone());
        let keyring = match &invited {
            None => Keyring::join(id, card, epochs, &mut OsEntropy)?,
            Some((asking, _)) => Keyring::join_as(id, card, asking.device().clone(), epochs, &mut OsEntropy)?,
        };
        let words = match request.by {
            JoinBy::Words(words) => Some(words),
            JoinBy::Code(_) => None,
        };
        // What opened the place on the way in gives way to a credential of this device's own.
        let storage =
            invited.as_ref().map(|(_, welcome)| welcome.storage.as_slice()).filter(|bytes| !bytes.is_empty());
        let keeper = match storage.map(lent_credential).transpose()? {
            None => keeper,
            own => Keeper::new(own),
        };
        let mut begun =
            UnfinishedLibrary::begin_with(request.path, keyring, words, request.slots, &mut OsEntropy)?;
        let filled = (|| {
            let (folder, keys) = (begun.folder().clone(), begun.keys().clone());
            birth::create_databases(&folder, &keys.keyring)?;
            let mut library = Self::assemble_new(folder, keys, options)?;
            let capabilities = store.capabilities().clone();
            let id = library.keep_remote(request.name, &address, &keeper, &capabilities)?;
            let at = RemotePlace { id, store };
            let found = runtime.block_on(async {
                let (told, mut keys) = (Told(monitor), None);
                let mut entropy = OsEntropy;
                let mut here = here(&mut library, &mut keys, &mut entropy, &told, &stop);
                let work = async {
                    let taken = joining.take_in(&mut here, &at).await?;
                    let mut problems = Vec::new();
                    let first_thumbnails =
                        fetch_first_thumbnails(&mut here, &at, FIRST_PAGE, &mut problems).await?;
                    // From now on this place shows what came from here, under whatever name it is added again.
                    remember_place(&mut here, &at).await?;
                    match words {
                        Some(words) if request.sync_follows => {
                            prepare_admission(&mut here, &at, words).await?;
                        }
                        Some(_) => {}
                        None => confirm_admission(&mut here, &at).await?,
                    }
                    Ok::<_, SyncError>((taken.began_with_checkpoint, first_thumbnails))
                };
                until_stopped(work, &stop, monitor).await
            })?;
            let probed = runtime.block_on(connect_to(&address, keeper.clone(), surroundings, None))?;
            let capabilities = probed.store.capabilities().clone();
            library.keep_remote(request.name, &address, &keeper, &capabilities)?;
            if !request.sync_follows {
                let at = RemotePlace { id, store: probed.store };
                runtime.block_on(async {
                    let (told, mut keys) = (Told(monitor), None);
                    let mut entropy = OsEntropy;
                    let mut here = here(&mut library, &mut keys, &mut entropy, &told, &stop);
                    let work = async {
                        match words {
                            Some(words) => admit_by_words(&mut here, &at, words).await,
                            None => sync_history(&mut here, &at).await,
                        }
                    };
                    until_stopped(work, &stop, monitor).await
                })?;
            }
            library.mark_unwitnessed(request.name)?;
            let keys = library.keys.clone();
            library.close()?;
            Ok::<_, LibraryError>((keys, found))
        })();
        monitor.end();
        let (keys, (began_with_checkpoint, first_thumbnails)) = match filled {
            Ok(filled) => filled,
            Err(error) => {
                begun.abandon()?;
                return Err(error);
            }
        };
        begun.replace_keys(keys);
        begun.write_keys(&mut OsEntropy)?;
        let library = begun.finish()?.folder.library();
        let history = invited.map(|(_, welcome)| welcome.history);
        Ok(Joined { library, began_with_checkpoint, first_thumbnails, history })
    }
}
