//! One device: real databases in memory, a real library folder, real keys; killed, restored and cloned.
//!
//! A kill drops whatever runs; the next start finds in the databases what was committed, as a process finds what
//! the one before it left on the disk.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

mod pair;
mod silence;
mod trust;

use safelight_catalog::{Catalog, DeviceDb, NewRemote, PackLocation, SyncState};
use safelight_crypto::{
    Author, ContentHash, Device, DeviceId, Entropy as _, EntryName, Epoch, EpochId, Keyring,
    LOCAL_PACK_HEADER, Recipient, RecoveryWords, RootCard, SeededEntropy, Statement, StatementBody,
    StatementId, WordsCard, base32, names, seal_entry, seal_keys_file, seal_original, sha256,
    statements_hash,
};
use safelight_model::history::SealedSegment;
use safelight_model::{
    AssetId, Branch, Field, Life, MarkReason, OpBody, Original, PartRef, PlacedObject, Rendition,
    RenditionKind, SegmentRoot, SegmentSeq, SourcePath, Storage,
};
use safelight_store::{Area, FolderPlace, ObjectPath, PathPart, Sealed, SealedRemote};
use safelight_sync::{
    CollectReport, Depth, FreeOptions, Freeing, Here, KeyStore, Problem, RemotePlace, Silent, Stop,
    SyncError, SyncOptions, admit_by_words, collect, fetch_original, find_library, finish_freeing, is_away,
    mark, prepare_admission, settle_epoch_here, sync, verify_remote,
};

use crate::chance::Chance;
use crate::place::{Bug, segment_named};

pub(crate) use pair::{Newcomer, Stepped};
pub(crate) use trust::{Death, Leaving};

/// No device is started so often in one run: what a copy holds in memory is not what the other holds.
const MOST_LIVES: u64 = 1 << 20;

/// What goes wrong with a device itself ends the run.
pub(crate) type Broken = Box<dyn std::error::Error>;

/// The keys, as a file keeps them.
struct Keys {
    keyring: Keyring,
    /// Writes of the keys until the device is killed at one.
    crash_in: Option<u64>,
    bug: Option<Bug>,
}

impl Keys {
    fn write(&mut self) -> Result<(), String> {
        match &mut self.crash_in {
            Some(0) => Err("killed".to_owned()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn keeps_first_epoch(&self) -> bool {
        self.bug == Some(Bug::FirstEpochKept)
    }
}

impl KeyStore for Keys {
    fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    fn learn(&mut self, epochs: &[Epoch]) -> Result<(), String> {
        self.write()?;
        for epoch in epochs.iter().cloned() {
            if self.keeps_first_epoch() {
                self.keyring.hold_epoch(epoch);
            } else {
                self.keyring.add_epoch(epoch);
            }
        }
        Ok(())
    }

    fn hold(&mut self, epoch: &Epoch) -> Result<(), String> {
        self.write()?;
        self.keyring.hold_epoch(epoch.clone());
        Ok(())
    }

    fn seal_under(&mut self, epoch: &EpochId) -> Result<(), String> {
        self.write()?;
        if self.keeps_first_epoch() || self.keyring.seal_under(epoch) {
            Ok(())
        } else {
            Err("its secret is not here".into())
        }
    }

    fn take_words(&mut self, words: &WordsCard) -> Result<(), String> {
        self.write()?;
        self.keyring.set_words(words.clone());
        Ok(())
    }

    fn succeed(&mut self, device: Device) -> Result<(), String> {
        self.write()?;
        self.keyring.go_on_as(device);
        Ok(())
    }
}

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

/// Runs a future to its end, or drops it after so many polls: the device was killed there.
fn drive<T>(future: impl Future<Output = T>, most_polls: Option<u64>) -> Option<T> {
    let waker = Waker::from(Arc::new(Nobody));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let mut polls = 0;
    loop {
        if most_polls.is_some_and(|most| polls >= most) {
            return None;
        }
        polls += 1;
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
    }
}

/// A device.
pub(crate) struct SimDevice {
    pub(crate) name: String,
    folder: tempfile::TempDir,
    keyring: Keyring,
    /// The databases while no process has them open.
    disk: Option<Databases>,
    open: Option<Opened>,
    entropy: SeededEntropy,
    pub(crate) now: u64,
    is_copy: bool,
    /// Whether another device has its name.
    pub(crate) has_copies: bool,
    /// How often it was started.
    pub(crate) life: u64,
    /// Places with which it synced since it is.
    met: BTreeSet<String>,
    /// Writes of the keys until it is killed at one.
    crash_in: Option<u64>,
    pub(crate) bug: Option<Bug>,
    /// What it imported, and its disk was not lost since.
    pub(crate) imported: BTreeSet<ContentHash>,
}

struct Databases {
    catalog: Catalog,
    device: DeviceDb,
}

struct Opened {
    keys: Keys,
    catalog: Catalog,
    device: DeviceDb,
    place: FolderPlace,
}

impl Databases {
    /// Databases in which nothing is yet: copies of the first ones, for the schema takes longer to make than all
    /// that most devices do.
    fn empty(id: DeviceId, entropy: &mut SeededEntropy) -> Result<Self, Broken> {
        static EMPTY: OnceLock<Mutex<Databases>> = OnceLock::new();
        let empty = match EMPTY.get() {
            Some(empty) => empty,
            None => {
                let catalog = Catalog::create_in_memory(id, &mut SeededEntropy::new(0))?;
                let made = Self { catalog, device: DeviceDb::create_in_memory()? };
                EMPTY.get_or_init(|| Mutex::new(made))
            }
        };
        empty.lock().unwrap_or_else(PoisonError::into_inner).copy(id, entropy)
    }

    fn copy(&self, id: DeviceId, entropy: &mut SeededEntropy) -> Result<Self, Broken> {
        Ok(Self {
            catalog: self.catalog.open_copy_in_memory(id, entropy)?,
            device: self.device.open_copy_in_memory()?,
        })
    }
}

fn remote_of(device: &mut DeviceDb, store: &SealedRemote) -> Result<RemotePlace, Broken> {
    if let Some(known) = device.remote(store.label())? {
        return Ok(RemotePlace { id: known.id, store: store.clone() });
    }
    let new = NewRemote {
        name: store.label(),
        address: store.label(),
        credential: None,
        policy: "full",
        capabilities: None,
        now_millis: 1,
    };
    Ok(RemotePlace { id: device.put_remote(&new)?, store: store.clone() })
}

impl fmt::Display for SimDevice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.name, self.keyring.device().id())
    }
}

impl SimDevice {
    fn make(name: String, keyring: Keyring, entropy: SeededEntropy, now: u64) -> Result<Self, Broken> {
        let folder = folder_in_memory()?;
        let id = keyring.device().id();
        let mut device = Self {
            name,
            folder,
            keyring,
            disk: None,
            open: None,
            entropy,
            now,
            is_copy: false,
            has_copies: false,
            life: 0,
            met: BTreeSet::new(),
            crash_in: None,
            bug: None,
            imported: BTreeSet::new(),
        };
        device.disk = Some(Databases::empty(id, &mut device.entropy)?);
        device.start()?;
        Ok(device)
    }

    /// Opens the databases, as a process does that starts.
    fn start(&mut self) -> Result<(), Broken> {
        if self.open.is_some() {
            return Ok(());
        }
        self.life += 1;
        let path = self.folder.path();
        let id = self.keyring.device().id();
        let disk = self.disk.take().ok_or("the device has no databases")?;
        let catalog = disk.catalog.reopen_in_memory(id, &mut self.entropy)?;
        let device = disk.device.reopen_in_memory()?;
        let place = FolderPlace::create(&path.join("objects"), &path.join("tmp"))?;
        let keys = Keys { keyring: self.keyring.clone(), crash_in: None, bug: self.bug };
        self.open = Some(Opened { keys, catalog, device, place });
        Ok(())
    }

    /// The same device with a mistake in it.
    pub(crate) fn with_bug(self, bug: Option<Bug>) -> Self {
        Self { bug, ..self }
    }

    /// The process is killed: what it held in memory is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(open) = self.open.take() {
            self.disk = Some(Databases { catalog: open.catalog, device: open.device });
        }
    }

    fn opened(&mut self) -> Result<&mut Opened, Broken> {
        self.start()?;
        self.open.as_mut().ok_or_else(|| "the device is not open".into())
    }

    /// Runs something with this device's databases, folder and keys.
    fn here<T>(&mut self, run: impl FnOnce(&mut Here<'_>) -> T) -> Result<T, Broken> {
        self.start()?;
        self.now += 40_000;
        let now = self.now;
        let clock = move || now;
        let stop = Stop::default();
        let Some(open) = self.open.as_mut() else { return Err("the device is not open".into()) };
        open.keys.crash_in = self.crash_in.take();
        let mut here = Here {
            catalog: &mut open.catalog,
            device: &mut open.device,
            place: &open.place,
            keys: &mut open.keys,
            entropy: &mut self.entropy,
            now: &clock,
            monitor: &Silent,
            stop: &stop,
        };
        let result = run(&mut here);
        open.keys.crash_in = None;
        // It may have learnt an epoch, or go on as another device: both are on its disk.
        self.keyring = open.keys.keyring.clone();
        Ok(result)
    }

    /// As the library does before each change: whatever a sync that was killed had heard of, it is acted on first.
    fn settle_epoch(&mut self) -> Result<(), Broken> {
        Ok(self.here(settle_epoch_here)??)
    }

    /// Runs something with this device's side of a sync, perhaps killed after so many polls.
    fn with<T>(
        &mut self,
        store: &SealedRemote,
        most_polls: Option<u64>,
        run: impl AsyncFnOnce(&mut Here<'_>, &RemotePlace) -> T,
    ) -> Result<Option<T>, Broken> {
        let result = self.here(|here| {
            let at = remote_of(here.device, store)?;
            Ok::<_, Broken>(drive(run(here, &at), most_polls))
        })??;
        if result.is_none() {
            self.kill();
        }
        Ok(result)
    }

    /// The first device of a new library.
    pub(crate) fn founder(seed: u64, now: u64) -> Result<(Self, RecoveryWords), Broken> {
        let mut entropy = SeededEntropy::new(seed);
        let words = RecoveryWords::generate(&mut entropy);
        let keyring = Keyring::create(&words, &mut entropy);
        let mut device = Self::make("founder".to_owned(), keyring.clone(), entropy, now)?;
        let (id, own, epoch) = (keyring.library(), keyring.device(), keyring.epoch());
        let recipients = [
            (Recipient::Words(words.library_id()), words.kem_key().public().clone()),
            (Recipient::Device(own.id()), own.card().kem_public().clone()),
        ];
        let mut files = Vec::new();
        for (recipient, key) in recipients {
            let sealed = seal_keys_file(id, keyring.epochs(), recipient, &key, &mut device.entropy)?;
            files.push((recipient, sha256(&[sealed.as_bytes()])));
            device.put(&names::keys_file(&epoch.id(), &recipient), &sealed.into())?;
        }
        files.sort_unstable_by_key(|(recipient, _)| *recipient);
        let state = |author, after: &[StatementId], body| Statement::sign(author, id, now, after, &body);
        let root = state(Author::Words(&words), &[], StatementBody::Root(words.card()))?;
        let admit = state(Author::Words(&words), &[root.id()], StatementBody::Admit(own.card().clone()))?;
        let body = StatementBody::Epoch { epoch: epoch.id(), files };
        let announce = state(Author::Device(own), &[admit.id()], body)?;
        let statements = [root, admit, announce];
        let card = RootCard::sign(&words, id, statements_hash(statements.iter().map(Statement::id)), now);
        device.put(&names::root_card(&id), &Sealed::from_root_card(card)?)?;
        let bodies = statements.iter().map(|one| OpBody::Statement(one.as_bytes().to_vec())).collect();
        device.record(bodies)?;
        Ok((device, words))
    }

    fn put(&mut self, name: &str, sealed: &Sealed) -> Result<(), Broken> {
        let path = ObjectPath::parse(name)?;
        let _outcome = self.opened()?.place.put_new(&path, sealed)?;
        Ok(())
    }

    /// A device that has nothing but the words; none if the place does not let it join now.
    pub(crate) fn join(
        store: &SealedRemote,
        words: &RecoveryWords,
        seed: u64,
        now: u64,
    ) -> Result<Option<Self>, Broken> {
        let Some(Ok(joining)) = drive(find_library(store, words), None) else { return Ok(None) };
        let mut entropy = SeededEntropy::new(seed);
        let keyring =
            Keyring::join(joining.library, joining.words.clone(), joining.epochs.clone(), &mut entropy)?;
        let mut device = Self::make(format!("joined {seed}"), keyring, entropy, now)?;
        let has_begun = joining.has_checkpoint();
        let joined = device.with(store, None, async |here: &mut Here<'_>, at: &RemotePlace| {
            joining.take_in(here, at).await?;
            if has_begun {
                // It is used at once; its admission goes out with its first sync.
                return prepare_admission(here, at, words).await;
            }
            admit_by_words(here, at, words).await.map(drop)
        })?;
        Ok(joined.is_some_and(|result| result.is_ok()).then_some(device))
    }

    /// Whether it began with a checkpoint that its ops have not proven yet.
    pub(crate) fn is_provisional(&mut self) -> Result<bool, Broken> {
        Ok(self.opened()?.catalog.begun_with()?.is_some())
    }

    /// A copy of the folder, as a backup or a cloned machine holds it.
    pub(crate) fn copy(&mut self, name: &str, seed: u64) -> Result<Self, Broken> {
        self.kill();
        let folder = folder_in_memory()?;
        copy_all(self.folder.path(), folder.path())?;
        let mut entropy = SeededEntropy::new(seed);
        let disk = self.disk.as_ref().ok_or("the device has no databases")?;
        let disk = disk.copy(self.keyring.device().id(), &mut entropy)?;
        Ok(Self {
            name: name.to_owned(),
            folder,
            keyring: self.keyring.clone(),
            disk: Some(disk),
            open: None,
            entropy,
            now: self.now + 50_000,
            is_copy: true,
            has_copies: false,
            life: self.life + MOST_LIVES,
            met: BTreeSet::new(),
            crash_in: None,
            bug: self.bug,
            imported: self.imported.clone(),
        })
    }

    fn record(&mut self, bodies: Vec<OpBody>) -> Result<(), Broken> {
        self.now += 10;
        let now = self.now;
        self.opened()?.catalog.append(now, bodies)?;
        Ok(())
    }

    /// Imports a tiny photo with its thumbnail: sealed first, then recorded. What is here already, or rests in some place, is
    /// not sealed again.
    pub(crate) fn import(&mut self, content: &[u8]) -> Result<ContentHash, Broken> {
        self.settle_epoch()?;
        let known = ContentHash::of(content);
        if self.has(&known)? || self.is_held_somewhere(&known)? {
            self.imported.insert(known);
            return Ok(known);
        }
        let keyring = self.keyring.clone();
        let (sealed, bodies) = seal_original(keyring.epoch(), keyring.library(), content, &mut self.entropy)?;
        let mut parts = Vec::new();
        for (part, body) in sealed.parts.iter().zip(bodies) {
            self.put(&ObjectPath::original(part.name).to_string(), &body.into())?;
            parts.push(PartRef { name: part.name, sealed_bytes: part.sealed_bytes, tags: None });
        }
        let thumbnail = sha256(&[content]);
        self.pack(sealed.content, &thumbnail)?;
        let original = Original {
            content: sealed.content,
            size_bytes: sealed.size_bytes,
            media_type: "image/jpeg".to_owned(),
            epoch: sealed.epoch,
            parts,
            storage: Storage::Copied,
            source: SourcePath {
                device: keyring.device().id(),
                root: b"/planted".to_vec(),
                relative: format!("planted {}.jpg", self.now).into_bytes(),
            },
            modified_millis: 0,
            unread: safelight_model::Unread::default(),
        };
        let rendition = Rendition {
            kind: RenditionKind::Thumbnail,
            recipe: 1,
            sha256: sha256(&[&thumbnail]),
            length_bytes: 32,
            width: 1,
            height: 1,
        };
        let asset = AssetId(sealed.content);
        // After a purge it begins another life.
        let add = match self.opened()?.catalog.asset_state(asset)? {
            Some(state) => state.add(asset, original),
            None => OpBody::AddAsset { asset, life: Life(0), original },
        };
        self.record(vec![
            add,
            OpBody::Render { life: Life(0), content: sealed.content, renditions: vec![rendition] },
        ])?;
        self.imported.insert(sealed.content);
        Ok(sealed.content)
    }

    fn pack(&mut self, content: ContentHash, bytes: &[u8]) -> Result<(), Broken> {
        let keyring = self.keyring.clone();
        let name = EntryName { content, kind: 1, recipe: 1 };
        let entry = seal_entry(keyring.epoch(), keyring.library(), name, bytes, &mut self.entropy)?;
        let mut id = [0; 16];
        self.entropy.fill(&mut id);
        let path = ObjectPath::flat(Area::Local, &PathPart::parse(&base32(&id))?)?;
        let open = self.opened()?;
        let mut file = open.place.create_append(&path)?;
        file.append(&LOCAL_PACK_HEADER)?;
        let frame = entry.frame(keyring.library(), keyring.epoch());
        let bytes = [frame.as_slice(), entry.as_bytes()].concat();
        let position = file.append(&bytes)?;
        let location = PackLocation {
            content,
            kind: RenditionKind::Thumbnail,
            recipe: 1,
            pack: path.to_string(),
            position,
            length: bytes.len() as u64,
        };
        open.device.record_packed([&location])?;
        Ok(())
    }

    /// Types something about some photo that it knows. Only where others wait for it does it touch the trash: a photo that
    /// is thrown away again, or taken out, is not purged by whoever had not heard of that.
    pub(crate) fn edit(&mut self, chance: &mut Chance, is_waited_for: bool) -> Result<(), Broken> {
        let assets = self.opened()?.catalog.assets_after(None, 100)?;
        let Some((asset, state)) = assets.get(chance.index(assets.len())) else { return Ok(()) };
        let body = match chance.below(3) {
            0 => state.write_field(*asset, Field::RATING, i64::try_from(chance.below(6))?),
            1 if is_waited_for => state.write_field(*asset, Field::TRASHED, chance.once_in(2)),
            _ => state.write_field(*asset, Field::CAPTION, format!("planted caption {}", chance.below(9))),
        };
        self.record(vec![body])
    }

    /// Throws some photo away and empties the trash.
    pub(crate) fn purge(&mut self, chance: &mut Chance) -> Result<(), Broken> {
        let assets = self.opened()?.catalog.assets_after(None, 100)?;
        let Some((asset, state)) = assets.get(chance.index(assets.len())) else { return Ok(()) };
        self.record(vec![state.write_field(*asset, Field::TRASHED, true)])?;
        let state = self.opened()?.catalog.asset_state(*asset)?;
        self.record(state.and_then(|state| state.purge(*asset)).into_iter().collect())
    }

    /// Marks an original that rests in a place: it is to leave it. Answers which, if this device may.
    pub(crate) fn drop_from(
        &mut self,
        store: &SealedRemote,
        chance: &mut Chance,
    ) -> Result<Option<ContentHash>, Broken> {
        let held = self.synced(store)?;
        let Some(original) = held.get(chance.index(held.len())) else { return Ok(None) };
        let marked = self.with(store, None, async |here: &mut Here<'_>, at: &RemotePlace| {
            let Some(place) = here.device.place_id(at.id)? else { return Ok(None) };
            let mut objects = Vec::new();
            for part in &original.parts {
                let first = ObjectPath::original(part.name);
                let replica = here.device.replica_in_any_generation(at.id, first.as_str())?;
                let path = replica.and_then(|replica| ObjectPath::parse(&replica.object).ok());
                objects.extend(path.map(|path| PlacedObject::original(part.name, path.generation().0)));
            }
            match mark(here, at, place, MarkReason::Dropped, objects) {
                Ok(marked) => Ok((marked > 0).then_some(original.content)),
                Err(SyncError::Away { .. }) => Ok(None),
                Err(error) => Err::<_, Broken>(error.into()),
            }
        })?;
        marked.unwrap_or(Ok(None))
    }

    /// Frees the bytes here of all that may be freed against a place, perhaps killed after so many polls. An error of
    /// the place is no failure of the run.
    pub(crate) fn free(
        &mut self,
        store: &SealedRemote,
        most_polls: Option<u64>,
    ) -> Result<Option<Result<u64, SyncError>>, Broken> {
        let originals = self.synced(store)?;
        self.with(store, most_polls, async |here: &mut Here<'_>, at: &RemotePlace| {
            // Each proof is a new one: bits rot here sooner than in thirty days.
            let options = FreeOptions { proof_millis: 0, download: true, is_enough: true };
            let (mut problems, mut freed) = (Vec::new(), 0);
            let _halves = finish_freeing(here)?;
            let ready = Freeing::begin(here, at, options, &mut problems).await?;
            for original in &originals {
                if let Ok(proof) = ready.prove(here, at, original, &mut problems).await? {
                    proof.free(here)?;
                    freed += 1;
                }
            }
            Ok(freed)
        })
    }

    /// Deletes in a place what everybody has acknowledged, perhaps killed after so many polls.
    pub(crate) fn collect(
        &mut self,
        store: &SealedRemote,
        others: &[SealedRemote],
        most_polls: Option<u64>,
    ) -> Result<Option<Result<CollectReport, SyncError>>, Broken> {
        self.with(store, most_polls, async |here: &mut Here<'_>, at: &RemotePlace| {
            let places = others.iter().map(|other| remote_of(here.device, other));
            let places = places.collect::<Result<Vec<_>, Broken>>().unwrap_or_default();
            collect(here, at, &places, None).await
        })
    }

    /// The mistake: deletes what is marked and this device can do without, and asks nobody.
    pub(crate) fn collect_unasked(
        &mut self,
        store: &SealedRemote,
        names: &[String],
        without: impl Fn(&str) -> bool,
    ) -> Result<(), Broken> {
        let mut doomed = Vec::new();
        for path in names.iter().filter_map(|name| ObjectPath::parse(name).ok()) {
            let open = self.opened()?;
            let at = remote_of(&mut open.device, store)?;
            let Some(place) = open.device.place_id(at.id)? else { return Ok(()) };
            let Ok(name) = path.name().parse() else { continue };
            let object = PlacedObject::original(name, path.generation().0);
            if open.catalog.is_marked(place, &object)?
                && (self.holds(path.as_str()) || without(path.as_str()))
            {
                doomed.push(path);
            }
        }
        let _deleted = drive(
            async {
                for path in &doomed {
                    let _outcome = store.delete(path).await;
                }
            },
            None,
        );
        Ok(())
    }

    /// Whether what it says of a place is no older than what it did there: neither a copy that was not there since,
    /// nor away for so long that others may have stopped waiting for it.
    pub(crate) fn speaks_for_itself(&mut self, store: &SealedRemote) -> Result<bool, Broken> {
        if self.is_copy && !self.met.contains(store.label()) {
            return Ok(false);
        }
        let away = self.with(store, None, async |here: &mut Here<'_>, at: &RemotePlace| is_away(here, at))?;
        Ok(matches!(away, Some(Ok(false))))
    }

    /// Whether some asset that was not purged has this content; none if nothing speaks of it.
    pub(crate) fn references(&mut self, content: &ContentHash) -> Result<Option<bool>, Broken> {
        Ok(self.opened()?.catalog.content_use(content)?.map(|used| used.is_referenced))
    }

    pub(crate) fn id(&self) -> DeviceId {
        self.keyring.device().id()
    }

    /// Whether the library folder holds this object.
    pub(crate) fn holds(&self, name: &str) -> bool {
        let first = name.rsplit_once('-').map_or(name, |(first, _)| first);
        self.folder.path().join("objects").join(first).exists()
    }

    fn holds_exactly(&self, name: &str, bytes: &[u8]) -> bool {
        std::fs::read(self.folder.path().join("objects").join(name)).is_ok_and(|held| held == bytes)
    }

    /// Whether the library folder holds exactly these bytes of a segment and goes on holding them: until it has
    /// heard that its own arrived, a device may number them anew.
    pub(crate) fn keeps_segment(&self, name: &str, bytes: &[u8]) -> bool {
        let own = self.keyring.device().id();
        let is_settled =
            segment_named(name).is_some_and(|(device, seq)| device != own || self.has_published(own) >= seq);
        is_settled && self.holds_exactly(name, bytes)
    }

    /// Whether it holds a segment of this number that comes after the one with this root.
    pub(crate) fn holds_segment_after(
        &mut self,
        device: DeviceId,
        seq: SegmentSeq,
        before: SegmentRoot,
    ) -> bool {
        let path = self.folder.path().join("objects").join(ObjectPath::segment(device, seq.0).to_string());
        let in_outbox =
            self.opened().ok().and_then(|open| open.catalog.segment_bytes(device, seq).ok().flatten());
        let bytes = in_outbox.or_else(|| std::fs::read(path).ok()).unwrap_or_default();
        SealedSegment::parse(&bytes).is_ok_and(|sealed| sealed.clear().prev == before)
    }

    fn has_published(&self, own: DeviceId) -> SegmentSeq {
        let on_disk = self.disk.as_ref().map(|disk| &disk.device);
        let device = self.open.as_ref().map(|open| &open.device).or(on_disk);
        device.and_then(|device| device.published(own).ok()).unwrap_or_default()
    }

    /// Whether the library folder holds all of an original.
    pub(crate) fn has(&mut self, content: &ContentHash) -> Result<bool, Broken> {
        let Some(original) = self.opened()?.catalog.original_of(content)? else { return Ok(false) };
        let paths = original.parts.iter().map(|part| ObjectPath::original(part.name).to_string());
        Ok(paths.into_iter().all(|path| self.holds(&path)))
    }

    /// Whether some place is known to hold an original that was not purged.
    fn is_held_somewhere(&mut self, content: &ContentHash) -> Result<bool, Broken> {
        let open = self.opened()?;
        let is_known = open.catalog.original_of(content)?.is_some();
        Ok(is_known && open.device.count_remotes_holding(content)? > 0)
    }

    /// The names of the parts of an original, as this device knows them.
    pub(crate) fn parts_of(&mut self, content: &ContentHash) -> Result<Vec<String>, Broken> {
        let original = self.opened()?.catalog.original_of(content)?;
        Ok(original.iter().flat_map(|original| &original.parts).map(|part| part.name.to_string()).collect())
    }

    /// Closes a segment, as the library does now and then without a sync.
    pub(crate) fn close_segment(&mut self) -> Result<(), Broken> {
        self.settle_epoch()?;
        let keyring = self.keyring.clone();
        let Some(open) = self.open.as_mut() else { return Ok(()) };
        let (library, epoch) = (keyring.library(), keyring.epoch());
        let _closed = open.catalog.close_segment(library, keyring.device(), epoch, &mut self.entropy)?;
        Ok(())
    }

    /// One sync, perhaps killed after so many polls, with a checkpoint after so many ops. An error of the place is no failure of the run.
    pub(crate) fn sync(
        &mut self,
        store: &SealedRemote,
        most_polls: Option<u64>,
        checkpoint_after_ops: u64,
    ) -> Result<Option<Result<safelight_sync::SyncReport, SyncError>>, Broken> {
        let options = SyncOptions { checkpoint_after_ops, ..SyncOptions::default() };
        let sync_now = |device: &mut Self| {
            device.with(store, most_polls, async |here: &mut Here<'_>, at: &RemotePlace| {
                sync(here, at, &options).await
            })
        };
        let synced = match self.bug {
            Some(Bug::AcknowledgedWhileBraked) => self.without_brake(sync_now)?,
            _ => sync_now(self)?,
        };
        if matches!(synced, Some(Ok(_))) {
            self.met.insert(store.label().to_owned());
            if self.bug == Some(Bug::QuarantineTakenIn) {
                self.take_in_what_left(store)?;
            }
        }
        Ok(synced)
    }

    pub(crate) fn verify(&mut self, store: &SealedRemote) -> Result<Vec<Problem>, Broken> {
        let result = self.with(store, None, async |here: &mut Here<'_>, at: &RemotePlace| {
            verify_remote(here, at, Depth::All).await
        })?;
        match result {
            Some(Ok(report)) => Ok(report.problems),
            Some(Err(error)) => Err(error.into()),
            None => Err("a verification does not end".into()),
        }
    }

    pub(crate) fn hash(&mut self) -> Result<String, Broken> {
        Ok(format!("{:?}", self.opened()?.catalog.state_hash()?))
    }

    /// What its six words are made of.
    pub(crate) fn ends(&mut self) -> Result<BTreeSet<Branch>, Broken> {
        Ok(self.opened()?.catalog.ends()?)
    }

    /// The contents that this device says rest whole in the place.
    pub(crate) fn synced(&mut self, store: &SealedRemote) -> Result<Vec<Original>, Broken> {
        let open = self.opened()?;
        let at = remote_of(&mut open.device, store)?;
        let mut originals = Vec::new();
        for state in [SyncState::Synced, SyncState::CloudOnly] {
            for row in open.device.originals_in(at.id, state, None, 1000)? {
                originals.extend(open.catalog.original_of(&row.content)?);
            }
        }
        Ok(originals)
    }

    /// Whether an original is here, or comes from a place whole.
    pub(crate) fn resolve(&mut self, stores: &[SealedRemote], content: &ContentHash) -> Result<(), Broken> {
        let original = self.opened()?.catalog.original_of(content)?.ok_or("nothing speaks of it")?;
        let Some(first) = stores.first() else { return Err("there is no place".into()) };
        let result = self.with(first, None, async |here: &mut Here<'_>, _: &RemotePlace| {
            let places: Result<Vec<_>, Broken> =
                stores.iter().map(|store| remote_of(here.device, store)).collect();
            fetch_original(here, &places?, &original, &mut Vec::new()).await?;
            Ok::<_, Broken>(())
        })?;
        result.unwrap_or_else(|| Err("a fetch does not end".into()))
    }
}

/// Where a sync to the disk costs nothing: kills are simulated here, power cuts are not.
fn folder_in_memory() -> std::io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir(&target)?;
            copy_all(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
