//! A library that is open: its keys, its databases, its folder of sealed objects.
//!
//! Invariant: every change to the library is recorded as operations, in one transaction, and an operation that
//! speaks of an object is recorded only after that object is durable. Closing leaves no log of a database
//! behind, and every operation in a segment of history.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use safelight_catalog::{Access, Catalog, CatalogError, CatalogKey, DeviceDb, sweep_unfinished_rebuild};
use safelight_crypto::{ContentHash, Entropy as _, Keyring, LibraryId, OsEntropy, RecoveryWords};
use safelight_media::pool::{Pool, PoolOptions};
use safelight_model::{OpBody, OpId};
use safelight_store::{FolderPlace, ObjectPath};
use safelight_sync::Problem;

use crate::birth;
use crate::concealed::Concealment;
use crate::doctor::WorkerProgram;
use crate::edit::Made;
use crate::effects::{draw_positions, now_stamp_millis};
use crate::error::{LibraryError, Result};
use crate::folder::LibraryFolder;
use crate::folder_lock::FolderLock;
use crate::import::locked;
use crate::import::rendition::{LocalPacks, reconcile_packs};
use crate::keys::{NewSlot, UnfinishedLibrary, UnlockedKeys};
use crate::monitor::Unwatched;
use crate::past::PastFile;

/// Prefix of the settings that name damaged originals.
const DAMAGED: &str = "damaged/";

/// The setting that says that `device.db` was lost and made anew.
pub(crate) const MADE_ANEW: &str = "device/made-anew";
/// What is then said.
pub(crate) const DEVICE_WAS_LOST: &str = "device.db was gone and is made anew: no photo is lost, but the watched folders, \
     the remotes with their sign-ins, what was pinned, and which files are already imported are forgotten";
/// And what to do about it.
pub(crate) const DEVICE_WAS_LOST_HINT: &str = "give them again: safelight source add PATH, safelight remote add NAME ADDRESS; \
     safelight doctor --fix then ends this notice";

/// How a library is opened.
#[derive(Debug, Clone)]
pub struct LibraryOptions {
    /// The program that decodes pictures.
    pub worker: WorkerProgram,
}

/// An open library.
#[derive(Debug)]
pub struct Library {
    pub(crate) folder: LibraryFolder,
    pub(crate) keys: UnlockedKeys,
    pub(crate) catalog: Mutex<Catalog>,
    /// The file of the catalogue, where that is of a moment gone by.
    past: Option<PastFile>,
    pub(crate) device: DeviceDb,
    pub(crate) place: FolderPlace,
    pub(crate) packs: LocalPacks,
    pub(crate) damaged: Damaged,
    /// The folder, held while the library is open for writing.
    pub(crate) lock: Option<FolderLock>,
    /// Whether hidden photos are kept back.
    pub(crate) concealment: Concealment,
    /// The operations of the change that was made last.
    pub(crate) made: Made,
    /// Whether somebody agreed to what is being changed.
    pub(crate) agreed: bool,
    /// Operations that taking something back wrote: what they say is what was there before somebody changed it.
    pub(crate) put_back: HashSet<OpId>,
    purpose: Purpose,
    /// Whether `device.db` was missing and was made just now.
    has_new_device: bool,
    /// What to say of the folder of objects, which was missing and was made just now.
    lost_objects: Option<String>,
    options: LibraryOptions,
}

/// What a library is open for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    Change,
}

impl Library {
    /// Draws recovery words for a new library.
    #[must_use]
    pub fn draw_words() -> RecoveryWords {
        RecoveryWords::generate(&mut OsEntropy)
    }

    /// Fills `bytes` with fresh randomness: a new key file.
    pub fn draw_bytes(bytes: &mut [u8]) {
        OsEntropy.fill(bytes);
    }

    /// Draws `count` different positions below `below`: which words to ask back.
    #[must_use]
    pub fn draw_positions(below: usize, count: usize) -> Vec<usize> {
        draw_positions(below, count)
    }

    /// Makes a library in a new or empty folder, with its first device and the beginning of its history.
    ///
    /// `keep_words` is called when the folder is known to be fit and before anything can be opened: it puts the
    /// recovery words where they last. Killed at any moment this leaves a whole library, or what another call clears
    /// ([`LibraryFolder::begun`] then says with whose words it had begun).
    ///
    /// # Errors
    /// When the folder is not empty or cannot be written, and what `keep_words` answers; then nothing is left.
    pub fn create<E: From<LibraryError>>(
        path: &Path,
        words: &RecoveryWords,
        slots: &[NewSlot],
        options: &LibraryOptions,
        keep_words: impl FnOnce() -> Result<(), E>,
    ) -> Result<LibraryId, E> {
        let begun =
            UnfinishedLibrary::begin(path, words, slots, &mut OsEntropy).map_err(LibraryError::from)?;
        if let Err(error) = keep_words() {
            begun.abandon().map_err(LibraryError::from)?;
            return Err(error);
        }
        Ok(Self::fill(begun, words, options)?)
    }

    /// Puts keys, databases and the beginning of history into a folder, and makes it a library.
    fn fill(begun: UnfinishedLibrary, words: &RecoveryWords, options: &LibraryOptions) -> Result<LibraryId> {
        begun.write_keys(&mut OsEntropy)?;
        let (folder, keys) = (begun.folder().clone(), begun.keys().clone());
        birth::create_databases(&folder, &keys.keyring)?;
        let mut library = Self::assemble(folder, keys, options, Purpose::Change)?;
        birth::begin_history(&mut library, words)?;
        library.close()?;
        Ok(begun.finish()?.folder.library())
    }

    /// Assembles a library that is being joined and has no description yet.
    pub(crate) fn assemble_new(
        folder: LibraryFolder,
        keys: UnlockedKeys,
        options: &LibraryOptions,
    ) -> Result<Self> {
        Self::assemble(folder, keys, options, Purpose::Change)
    }

    /// Opens a library whose keys are unlocked, to change it. Sweeps what killed processes left in `tmp/`, and takes
    /// into history what a killed process had recorded.
    ///
    /// # Errors
    /// When a database is damaged or the folder is not what the keys belong to.
    pub fn open(folder: LibraryFolder, keys: UnlockedKeys, options: &LibraryOptions) -> Result<Self> {
        let mut library = Self::assemble(folder, keys, options, Purpose::Change)?;
        library.doubt_description();
        if !library.is_read_only() {
            let swept = library.folder.sweep(std::time::SystemTime::now())?;
            // This process shares the folder, so nobody, who would have it alone, is rebuilding.
            sweep_unfinished_rebuild(&library.folder.catalog_path())?;
            tracing::debug!(?swept, "unfinished files of earlier runs swept");
            reconcile_packs(&library.place, &library.keys.keyring, &mut library.device)?;
            library.note_failed_attempts()?;
            library.settle_epoch()?;
            library.close_segment()?;
            library.finish_reclaiming()?;
            if library.folder.is_made_anew() {
                library.look_for_lost(&Unwatched)?;
                library.lost_objects = Some(library.say_lost_objects()?);
            }
        }
        Ok(library)
    }

    /// Opens a library to look at it: nothing of earlier runs is tidied, and closing writes nothing.
    ///
    /// # Errors
    /// As [`Library::open`].
    pub fn open_to_read(folder: LibraryFolder, keys: UnlockedKeys, options: &LibraryOptions) -> Result<Self> {
        let library = Self::assemble(folder, keys, options, Purpose::Read)?;
        library.doubt_description();
        Ok(library)
    }

    /// Whether this library still is the device that it was opened as: who went on as another one signs nothing more as the
    /// one before.
    #[must_use]
    pub fn is_same_device(&self) -> bool {
        let kept = self.folder.keys().open_keyring(&self.keys.unlock_key);
        kept.map_or(true, |kept| kept.keyring.device().id() == self.keyring().device().id())
    }

    fn doubt_description(&self) {
        if let Err(error) = self.folder.authenticate(self.keyring()) {
            tracing::warn!(%error, "library.toml is not as it was written");
        }
    }

    fn assemble(
        folder: LibraryFolder,
        keys: UnlockedKeys,
        options: &LibraryOptions,
        purpose: Purpose,
    ) -> Result<Self> {
        let access = if folder.is_writable() { Access::ReadWrite } else { Access::ReadOnly };
        let lock = if folder.is_writable() { Some(FolderLock::share(&folder)?) } else { None };
        let keys = folder.keys().refreshed(keys);
        let keyring = &keys.keyring;
        let catalog = Catalog::open_as(
            &folder.catalog_path(),
            &catalog_key(keyring),
            keyring.device().id(),
            &mut OsEntropy,
            access,
        )?;
        let (device, has_new_device) = open_device(&folder, keyring, access)?;
        let place = folder.objects().clone();
        let damaged = Damaged::read(&device)?;
        let packs = LocalPacks::new(place.clone());
        Ok(Self {
            folder,
            keys,
            catalog: Mutex::new(catalog),
            past: None,
            device,
            place,
            packs,
            damaged,
            lock,
            concealment: Concealment::default(),
            made: Made::default(),
            agreed: false,
            put_back: HashSet::new(),
            purpose,
            has_new_device,
            lost_objects: None,
            options: options.clone(),
        })
    }

    /// Closes the library: history into its last segment, databases into their files.
    ///
    /// # Errors
    /// A full disk and the like; what was reported is safe all the same.
    pub fn close(mut self) -> Result<()> {
        if self.folder.is_writable() && self.purpose == Purpose::Change {
            self.close_segment()?;
        }
        let Self { catalog, device, .. } = self;
        let catalog = catalog.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        catalog.close()?;
        Ok(device.close()?)
    }

    /// What was noticed when the library was opened and must be said once.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        let device = self.has_new_device.then(|| format!("{DEVICE_WAS_LOST}; {DEVICE_WAS_LOST_HINT}"));
        let said: Vec<String> = device.into_iter().chain(self.lost_objects.clone()).collect();
        (!said.is_empty()).then(|| said.join(". Also: "))
    }

    /// The library's id.
    #[must_use]
    pub fn id(&self) -> LibraryId {
        self.keys.keyring.library()
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its folder and keys, for work on key slots.
    #[must_use]
    pub fn keys(&self) -> (&LibraryFolder, &UnlockedKeys) {
        (&self.folder, &self.keys)
    }

    /// Whether nothing may be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        !self.folder.is_writable()
    }

    /// Looks at another catalogue from now on: that of a moment gone by.
    pub(crate) fn look_back(&mut self, catalog: Catalog, file: Option<PastFile>) {
        self.catalog = Mutex::new(catalog);
        self.past = file;
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keys.keyring
    }

    pub(crate) fn catalog(&self) -> MutexGuard<'_, Catalog> {
        locked(&self.catalog)
    }

    /// Bytes free where the library lies.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        self.folder.free_bytes().ok()
    }

    pub(crate) fn pool(&self) -> Result<Pool> {
        start_pool(self.options.worker.pool_options(self.workers()?))
    }

    /// A pool for nothing but thumbnails.
    pub(crate) fn pool_for_thumbnails(&self) -> Result<Pool> {
        let options = self.options.worker.pool_options(self.workers()?);
        start_pool(PoolOptions { only_small: true, ..options })
    }

    /// Records operations, in one transaction.
    pub(crate) fn record(&mut self, bodies: Vec<OpBody>) -> Result<()> {
        record(&mut self.catalog(), bodies)
    }

    /// Closes what was recorded into segments, and puts them where history rests.
    pub(crate) fn close_segment(&mut self) -> Result<()> {
        close_segment(&mut self.catalog(), &self.keys.keyring, &self.place)
    }

    /// Signs failed unlocks into history, and forgets them outside of it.
    fn note_failed_attempts(&mut self) -> Result<()> {
        let log = self.folder.keys().attempts()?;
        let bodies: Vec<OpBody> = log
            .attempts
            .iter()
            .map(|attempt| OpBody::Note {
                event: "failed unlock".into(),
                details: vec![
                    ("by".into(), attempt.way.as_str().into()),
                    ("at_millis".into(), i64::try_from(attempt.at_millis).unwrap_or(i64::MAX).into()),
                    ("slot".into(), attempt.slot.map(|slot| slot.to_string()).unwrap_or_default().into()),
                ],
            })
            .collect();
        self.record(bodies)?;
        Ok(self.folder.keys().forget_attempts(&log)?)
    }
}

pub(crate) fn catalog_key(keyring: &Keyring) -> CatalogKey {
    CatalogKey::from_bytes(*keyring.catalog_key().as_bytes())
}

pub(crate) fn device_key(keyring: &Keyring) -> CatalogKey {
    CatalogKey::from_bytes(*keyring.device_database_key().as_bytes())
}

fn start_pool(options: PoolOptions) -> Result<Pool> {
    Pool::start(options).map_err(|error| LibraryError::Refused {
        reason: error.to_string(),
        hint: "safelight doctor says what is missing".into(),
    })
}

/// Records operations, in one transaction.
pub(crate) fn record(catalog: &mut Catalog, bodies: Vec<OpBody>) -> Result<()> {
    if !bodies.is_empty() {
        catalog.append(now_stamp_millis(), bodies)?;
    }
    Ok(())
}

/// Closes open operations into segments until there are none, and writes every segment that is in the outbox to
/// the folder, in the order in which they were closed.
pub(crate) fn close_segment(catalog: &mut Catalog, keyring: &Keyring, place: &FolderPlace) -> Result<()> {
    loop {
        let closed =
            catalog.close_segment(keyring.library(), keyring.device(), keyring.epoch(), &mut OsEntropy)?;
        if closed.is_none() {
            break;
        }
    }
    for problem in safelight_sync::place_outbox(catalog, place, keyring)? {
        match problem {
            Problem::Forked { device, seq, .. } if device == keyring.device().id() => {
                return Err(LibraryError::Refused {
                    reason: format!(
                        "{} is another part of this device's history: the catalogue is older than it",
                        ObjectPath::segment(device, seq).as_str()
                    ),
                    hint: "safelight doctor --fix catalog makes the catalogue anew from history".into(),
                });
            }
            Problem::Damaged { object, reason } => return Err(LibraryError::Damaged { object, reason }),
            other => tracing::warn!(?other, "a segment could not be placed in the folder"),
        }
    }
    Ok(())
}

/// Opens this device's database; one that is gone is made anew, since no photo depends on it. Says whether it was.
fn open_device(folder: &LibraryFolder, keyring: &Keyring, access: Access) -> Result<(DeviceDb, bool)> {
    match DeviceDb::open_as(&folder.device_path(), &device_key(keyring), access) {
        Err(CatalogError::Missing { .. }) if folder.is_writable() => {
            tracing::warn!("device.db is missing and is made anew; sources are scanned in full next time");
            let mut device = DeviceDb::create(&folder.device_path(), &device_key(keyring))?;
            birth::keep_private(&folder.device_path())?;
            reconcile_packs(folder.objects(), keyring, &mut device)?;
            device.set_setting(MADE_ANEW, Some(&now_stamp_millis().to_be_bytes()))?;
            Ok((device, true))
        }
        other => Ok((other?, false)),
    }
}

/// Originals that a verification found damaged and that no import has repaired yet.
#[derive(Debug, Default)]
pub(crate) struct Damaged(Mutex<HashSet<ContentHash>>);

impl Damaged {
    fn read(device: &DeviceDb) -> Result<Self> {
        let damaged = Self::default();
        damaged.read_again(device)?;
        Ok(damaged)
    }

    /// Another process may have found more, or repaired some.
    pub(crate) fn read_again(&self, device: &DeviceDb) -> Result<()> {
        let contents = device.settings(DAMAGED)?.into_iter();
        let contents = contents.filter_map(|(_, value)| value.try_into().ok()).map(ContentHash::from_bytes);
        *locked(&self.0) = contents.collect();
        Ok(())
    }

    pub(crate) fn has(&self, content: &ContentHash) -> bool {
        locked(&self.0).contains(content)
    }

    pub(crate) fn contents(&self) -> Vec<ContentHash> {
        let mut contents: Vec<_> = locked(&self.0).iter().copied().collect();
        contents.sort_unstable();
        contents
    }

    pub(crate) fn note(&self, device: &mut DeviceDb, content: &ContentHash) -> Result<()> {
        locked(&self.0).insert(*content);
        Ok(device.set_setting(&format!("{DAMAGED}{content}"), Some(content.as_bytes()))?)
    }

    pub(crate) fn forget(&self, device: &mut DeviceDb, content: &ContentHash) -> Result<()> {
        if locked(&self.0).remove(content) {
            device.set_setting(&format!("{DAMAGED}{content}"), None)?;
        }
        Ok(())
    }
}
