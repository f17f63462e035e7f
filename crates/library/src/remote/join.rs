//! Joining: a place and the recovery words become a library on an empty machine.
//!
//! The folder carries the mark of an unfinished library until the history is taken in and this device admitted, so
//! a join that was killed is cleared by the next one. A device that was admitted and never came to be harms nothing.

use std::path::Path;

use safelight_crypto::{Keyring, LibraryId, OsEntropy, RecoveryWords};
use safelight_store::RemoteCredential;
use safelight_sync::{RemotePlace, Stop, SyncError, admit_by_words, find_library};

use super::at::{Surroundings, connect_to, parse_address, runtime};
use super::keeper::Keeper;
use super::run::{Told, here, until_stopped};
use crate::birth;
use crate::error::{LibraryError, Result};
use crate::keys::{NewSlot, UnfinishedLibrary};
use crate::library::{Library, LibraryOptions};
use crate::monitor::{Monitor, Task};

/// A library to be joined.
#[derive(Debug, Clone, Copy)]
pub struct JoinRequest<'a> {
    /// The new folder.
    pub path: &'a Path,
    /// Where the library rests.
    pub address: &'a str,
    /// What opens that place.
    pub credential: Option<&'a RemoteCredential>,
    /// What the place shall be called.
    pub name: &'a str,
    /// The recovery words.
    pub words: &'a RecoveryWords,
    /// The ways to unlock the library on this device, besides the words.
    pub slots: &'a [NewSlot],
}

impl Library {
    /// Makes this machine a device of a library that rests in a remote: keys, history, and its admission by the
    /// words. Thumbnails and the rest come with the first [`sync`](Library::sync).
    ///
    /// # Errors
    /// When the folder is not empty, the words have no library there, or what they find cannot be believed; then
    /// the folder holds no library.
    pub fn join(
        request: &JoinRequest<'_>,
        options: &LibraryOptions,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<LibraryId> {
        let address = parse_address(request.address)?;
        let runtime = runtime()?;
        let stop = Stop::default();
        let keeper = Keeper::new(request.credential.cloned());
        monitor.begin(Task::Sync, None, None);
        let (connected, joining) = runtime.block_on(async {
            let connected = connect_to(&address, keeper.clone(), surroundings, None).await?;
            let joining =
                until_stopped(find_library(&connected.store, request.words), &stop, monitor).await?;
            Ok::<_, LibraryError>((connected, joining))
        })?;
        let keyring =
            Keyring::join(joining.library, joining.words.clone(), joining.epochs.clone(), &mut OsEntropy)?;
        let mut begun = UnfinishedLibrary::begin_with(
            request.path,
            keyring,
            request.words,
            request.slots,
            &mut OsEntropy,
        )?;
        let filled = (|| {
            let (folder, keys) = (begun.folder().clone(), begun.keys().clone());
            birth::create_databases(&folder, &keys.keyring)?;
            let mut library = Self::assemble_new(folder, keys, options)?;
            let capabilities = connected.store.capabilities().clone();
            let id = library.keep_remote(request.name, &address, &keeper, &capabilities)?;
            let at = RemotePlace { id, store: connected.store };
            runtime.block_on(async {
                let (told, mut keys) = (Told(monitor), None);
                let mut entropy = OsEntropy;
                let mut here = here(&mut library, &mut keys, &mut entropy, &told, &stop);
                let work = async {
                    joining.take_in(&mut here, &at).await?;
                    admit_by_words(&mut here, &at, request.words).await?;
                    Ok::<_, SyncError>(())
                };
                until_stopped(work, &stop, monitor).await
            })?;
            let keys = library.keys.clone();
            library.close()?;
            Ok::<_, LibraryError>(keys)
        })();
        monitor.end();
        let keys = match filled {
            Ok(keys) => keys,
            Err(error) => {
                begun.abandon()?;
                return Err(error);
            }
        };
        begun.replace_keys(keys);
        begun.write_keys(&mut OsEntropy)?;
        Ok(begun.finish()?.folder.library())
    }
}
