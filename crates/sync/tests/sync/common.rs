//! A device in miniature, and a place that counts and fails.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use safelight_catalog::{Catalog, CatalogKey, DeviceDb, NewRemote, PackLocation, Rescued};
use safelight_crypto::{
    Author, ContentHash, Device, Entropy, EntryName, Epoch, EpochId, Keyring, LOCAL_PACK_HEADER,
    OriginalSealer, Recipient, RecoveryWords, RootCard, SeededEntropy, Statement, StatementBody, StatementId,
    WordsCard, base32, names, seal_entry, seal_keys_file, sha256, statements_hash,
};
use safelight_model::{
    AssetId, Life, OpBody, Original, PartRef, Rendition, RenditionKind, SourcePath, Storage,
};
use safelight_store::{
    Area, Body, Capabilities, Capability, Finding, Folder, FolderPlace, GrantRequest, Key, ListPage,
    ObjectInfo, ObjectPath, PageToken, PathPart, Prefix, PutOptions, Remote, Sealed, SealedRemote,
    StoreError, Stored, Tier, UploadGrant,
};
use safelight_sync::{
    Here, HistoryReport, Joining, KeyStore, Problem, RemotePlace, Result, Silent, Stop, SyncOptions,
    SyncReport, admit_by_words, find_library, sync, sync_history,
};

pub(crate) const NOW: u64 = 1_795_000_000_000;

/// The keys, and whether keeping them fails.
pub(crate) struct Keys(pub(crate) Keyring, pub(crate) bool);

impl KeyStore for Keys {
    fn keyring(&self) -> &Keyring {
        &self.0
    }

    fn learn(&mut self, epochs: &[Epoch]) -> Result<(), String> {
        epochs.iter().for_each(|epoch| self.0.add_epoch(epoch.clone()));
        Ok(())
    }

    fn hold(&mut self, epoch: &Epoch) -> Result<(), String> {
        self.0.hold_epoch(epoch.clone());
        Ok(())
    }

    fn seal_under(&mut self, epoch: &EpochId) -> Result<(), String> {
        if self.0.seal_under(epoch) { Ok(()) } else { Err("its secret is not here".into()) }
    }

    fn take_words(&mut self, words: &WordsCard) -> Result<(), String> {
        if self.1 {
            return Err("the disk is full".into());
        }
        self.0.set_words(words.clone());
        Ok(())
    }

    fn succeed(&mut self, device: Device) -> Result<(), String> {
        if self.1 {
            return Err("the disk is full".into());
        }
        self.0.go_on_as(device);
        Ok(())
    }
}

/// One device with its library folder.
pub(crate) struct Phone {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) keys: Keys,
    pub(crate) catalog: Catalog,
    pub(crate) device: DeviceDb,
    pub(crate) place: FolderPlace,
    pub(crate) entropy: SeededEntropy,
    pub(crate) stop: Stop,
    pub(crate) now: u64,
}

fn key() -> CatalogKey {
    CatalogKey::from_bytes([7; 32])
}

fn open_place(folder: &Path) -> FolderPlace {
    FolderPlace::create(&folder.join("objects"), &folder.join("tmp")).unwrap()
}

impl Phone {
    pub(crate) fn with(keyring: Keyring, mut entropy: SeededEntropy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let id = keyring.device().id();
        let catalog = Catalog::create(&folder.path().join("catalog.db"), &key(), id, &mut entropy).unwrap();
        let device = DeviceDb::create(&folder.path().join("device.db"), &key()).unwrap();
        let place = open_place(folder.path());
        let stop = Stop::default();
        Self { folder, keys: Keys(keyring, false), catalog, device, place, entropy, stop, now: NOW }
    }

    /// The first device of a new library, born as the library crate does it.
    pub(crate) fn founder(seed: u64) -> (Self, RecoveryWords) {
        let mut entropy = SeededEntropy::new(seed);
        let words = RecoveryWords::generate(&mut entropy);
        let keyring = Keyring::create(&words, &mut entropy);
        let mut phone = Self::with(keyring, entropy);
        let keyring = phone.keys.0.clone();
        let (id, device, epoch) = (keyring.library(), keyring.device(), keyring.epoch());
        let recipients = [
            (Recipient::Words(words.library_id()), words.kem_key().public().clone()),
            (Recipient::Device(device.id()), device.card().kem_public().clone()),
        ];
        let mut files = Vec::new();
        for (recipient, key) in recipients {
            let sealed = seal_keys_file(id, keyring.epochs(), recipient, &key, &mut phone.entropy).unwrap();
            files.push((recipient, sha256(&[sealed.as_bytes()])));
            let path = ObjectPath::parse(&names::keys_file(&epoch.id(), &recipient)).unwrap();
            let _created = phone.place.put_new(&path, &sealed.into()).unwrap();
        }
        files.sort_unstable_by_key(|(recipient, _)| *recipient);
        let state = |author, after: &[StatementId], body| Statement::sign(author, id, NOW, after, &body);
        let root = state(Author::Words(&words), &[], StatementBody::Root(words.card())).unwrap();
        let admit =
            state(Author::Words(&words), &[root.id()], StatementBody::Admit(device.card().clone())).unwrap();
        let body = StatementBody::Epoch { epoch: epoch.id(), files };
        let announce = state(Author::Device(device), &[admit.id()], body).unwrap();
        let statements = [root, admit, announce];
        let card = RootCard::sign(&words, id, statements_hash(statements.iter().map(Statement::id)), NOW);
        let path = ObjectPath::parse(&names::root_card(&id)).unwrap();
        let _created = phone.place.put_new(&path, &Sealed::from_root_card(card).unwrap()).unwrap();
        let bodies = statements.iter().map(|one| OpBody::Statement(one.as_bytes().to_vec())).collect();
        phone.record(bodies);
        (phone, words)
    }

    /// A new device that has nothing but the words.
    pub(crate) async fn join(store: &SealedRemote, words: &RecoveryWords, seed: u64) -> Result<Self> {
        let joining = find_library(store, words).await?;
        let mut phone = Self::new_joined(&joining, seed);
        let at = phone.at(store);
        let mut taken = joining.take_in(&mut phone.here(), &at).await?;
        let is_worse = |problem: &Problem| !matches!(problem, Problem::Quarantined { .. });
        taken.problems.retain(is_worse);
        assert_eq!(taken.problems, []);
        let mut admitted = admit_by_words(&mut phone.here(), &at, words).await?;
        admitted.problems.retain(is_worse);
        assert_eq!(admitted.problems, []);
        Ok(phone)
    }

    /// An empty device that has the keys which the words found.
    pub(crate) fn new_joined(joining: &Joining, seed: u64) -> Self {
        let mut entropy = SeededEntropy::new(seed);
        let (library, words, epochs) = (joining.library, joining.words.clone(), joining.epochs.clone());
        let keyring = Keyring::join(library, words, epochs, &mut entropy).unwrap();
        Self::with(keyring, entropy)
    }

    pub(crate) fn here(&mut self) -> Here<'_> {
        // Leaked clocks of a test: eight bytes each.
        let now = self.now;
        Here {
            catalog: &mut self.catalog,
            device: &mut self.device,
            place: &self.place,
            keys: &mut self.keys,
            entropy: &mut self.entropy,
            now: Box::leak(Box::new(move || now)),
            monitor: &Silent,
            stop: &self.stop,
        }
    }

    pub(crate) fn at(&mut self, store: &SealedRemote) -> RemotePlace {
        let new = NewRemote {
            name: store.label(),
            address: store.label(),
            credential: None,
            policy: "full",
            capabilities: None,
            now_millis: 1,
        };
        RemotePlace { id: self.device.put_remote(&new).unwrap(), store: store.clone() }
    }

    pub(crate) fn record(&mut self, bodies: Vec<OpBody>) {
        self.now += 1;
        self.catalog.append(self.now, bodies).unwrap();
    }

    /// Lets the device state something.
    pub(crate) fn state(&mut self, body: &StatementBody) {
        let heads = self.here().roster().unwrap().unwrap().heads();
        let keyring = self.keys.0.clone();
        let author = Author::Device(keyring.device());
        let statement = Statement::sign(author, keyring.library(), self.now, &heads, body).unwrap();
        self.record(vec![OpBody::Statement(statement.as_bytes().to_vec())]);
    }

    /// Many photos whose objects are elsewhere, each with a thumbnail that is packed already.
    pub(crate) fn add_many(&mut self, first: u64, count: u64) {
        let (mut bodies, mut locations, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for number in first..first + count {
            let content = number.to_be_bytes();
            let part = PartRef {
                name: self.keys.0.epoch().naming_key().original(&ContentHash::of(&content), 0),
                sealed_bytes: 3_000_000,
                tags: None,
            };
            let name = format!("2026/IMG_{number:06}.jpg");
            let original = self.original(&name, &content, vec![part], Storage::Copied);
            locations.push(PackLocation {
                content: original.content,
                kind: RenditionKind::Thumbnail,
                recipe: 1,
                pack: "local/aaaa".into(),
                position: number * 20_000,
                length: 15_000,
            });
            entries.push(safelight_catalog::PackedEntry {
                content: original.content,
                kind: RenditionKind::Thumbnail,
                recipe: 1,
            });
            let asset = AssetId(original.content);
            bodies.push(OpBody::AddAsset { asset, life: Life(0), original });
        }
        self.record(bodies);
        self.device.record_packed(&locations).unwrap();
        self.device.record_packed_entries(&format!("t/pack{first}"), &entries).unwrap();
    }

    /// Makes the catalogue anew from the folder, device by device, as `doctor` does.
    pub(crate) fn rebuild(&mut self, other: &Device) {
        let own = self.keys.0.device().card().clone();
        self.rebuild_from(&[own, other.card().clone()]);
    }

    /// The same, of all devices that the statements admit.
    pub(crate) fn rebuild_all(&mut self) {
        let roster = self.here().roster().unwrap().unwrap();
        let cards: Vec<_> = roster.members().values().map(|member| member.card.clone()).collect();
        self.rebuild_from(&cards);
    }

    fn rebuild_from(&mut self, cards: &[safelight_crypto::DeviceCard]) {
        let keyring = self.keys.0.clone();
        let mut segments = Vec::new();
        for card in cards {
            for seq in 1.. {
                let path = ObjectPath::segment(card.id(), seq);
                let Ok(object) = self.place.open_object(&path) else { break };
                let bytes = object.read_all(1 << 20).unwrap();
                let sealed = safelight_model::history::SealedSegment::parse(&bytes).unwrap();
                let signed = sealed.verify(keyring.library(), card.verifying_key()).unwrap();
                segments.push(signed.open(&keyring).unwrap());
            }
        }
        let path = self.folder.path().join("rebuilt.db");
        let id = keyring.device().id();
        let (catalog, rebuilt) =
            Catalog::rebuild(&path, &key(), id, &mut self.entropy, segments, Rescued::default(), self.now)
                .unwrap();
        assert_eq!(rebuilt.left_out, Vec::<String>::new());
        self.catalog = catalog;
    }

    /// Closes a segment without a sync.
    pub(crate) fn close(&mut self) {
        let keyring = self.keys.0.clone();
        let (library, epoch) = (keyring.library(), keyring.epoch());
        let closed = self.catalog.close_segment(library, keyring.device(), epoch, &mut self.entropy);
        assert!(closed.unwrap().is_some());
    }

    /// Puts what is closed into the folder.
    pub(crate) fn place_all(&mut self) {
        let problems = safelight_sync::place_outbox(&mut self.catalog, &self.place, &self.keys.0).unwrap();
        assert_eq!(problems, []);
    }

    /// Puts this device's own segments into a place, as if it had published them without reading anything first.
    pub(crate) fn put_segments(&mut self, place: &TestPlace) {
        let own = self.catalog.device();
        for found in self.place.walk_below(&format!("log/{own}")).unwrap() {
            let relative = found.unwrap().relative;
            let to = place.remote.root.join(&relative);
            if !to.exists() {
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::copy(self.folder.path().join("objects").join(&relative), to).unwrap();
            }
        }
    }

    pub(crate) async fn history(&mut self, store: &SealedRemote) -> Result<HistoryReport> {
        let at = self.at(store);
        sync_history(&mut self.here(), &at).await
    }

    pub(crate) async fn sync(&mut self, store: &SealedRemote) -> Result<SyncReport> {
        let at = self.at(store);
        sync(&mut self.here(), &at, &SyncOptions::default()).await
    }

    /// Imports a photo as the library does: sealed, then recorded.
    pub(crate) fn import(&mut self, name: &str, content: &[u8]) -> Original {
        let original = self.import_unrecorded(name, content);
        self.add(&original);
        original
    }

    /// Seals a photo, and leaves it to the caller to record it.
    pub(crate) fn import_unrecorded(&mut self, name: &str, content: &[u8]) -> Original {
        let keyring = self.keys.0.clone();
        let mut bodies: Vec<Vec<u8>> = Vec::new();
        let mut sink = |part: u32, bytes: &[u8]| {
            if bodies.len() == part as usize {
                bodies.push(Vec::new());
            }
            bodies.last_mut().unwrap().extend_from_slice(bytes);
            Ok(())
        };
        let mut sealer =
            OriginalSealer::new(keyring.epoch(), keyring.library(), name.as_bytes(), &mut self.entropy);
        sealer.push(content, &mut sink).unwrap();
        let sealed = sealer.finish(&mut sink).unwrap();
        let mut parts = Vec::new();
        for (part, body) in sealed.parts.iter().zip(bodies) {
            let bytes = [part.header.as_slice(), &body].concat();
            let _outcome = self
                .place
                .put_new(&ObjectPath::original(part.name), &Sealed::from_bytes(bytes).unwrap())
                .unwrap();
            parts.push(PartRef { name: part.name, sealed_bytes: part.sealed_bytes, tags: None });
        }
        self.original(name, content, parts, Storage::Copied)
    }

    fn original(&self, name: &str, content: &[u8], parts: Vec<PartRef>, storage: Storage) -> Original {
        Original {
            content: ContentHash::of(content),
            size_bytes: content.len() as u64,
            media_type: "image/jpeg".into(),
            epoch: self.keys.0.epoch().id(),
            parts,
            storage,
            source: SourcePath {
                device: self.catalog.device(),
                root: b"/photos".to_vec(),
                relative: name.as_bytes().to_vec(),
            },
            modified_millis: i64::try_from(self.now).unwrap(),
            unread: Default::default(),
        }
    }

    /// What is recorded of a photo whose bytes are nowhere.
    pub(crate) fn described(&self, name: &str, content: &[u8], modified_millis: i64) -> Original {
        let original = self.original(name, content, Vec::new(), Storage::Linked);
        Original { modified_millis, ..original }
    }

    fn add(&mut self, original: &Original) {
        let asset = AssetId(original.content);
        self.record(vec![OpBody::AddAsset { asset, life: Life(0), original: original.clone() }]);
    }

    /// Imports a tiny original, which goes into the local pack.
    pub(crate) fn import_tiny(&mut self, name: &str, content: &[u8]) -> Original {
        self.pack(ContentHash::of(content), RenditionKind::Original, 0, content);
        let original = self.original(name, content, Vec::new(), Storage::Packed);
        self.add(&original);
        original
    }

    /// Makes a thumbnail of a photo.
    pub(crate) fn render(&mut self, original: &Original, kind: RenditionKind, bytes: &[u8]) {
        self.pack(original.content, kind, 1, bytes);
        let rendition = Rendition {
            kind,
            recipe: 1,
            sha256: sha256(&[bytes]),
            length_bytes: u32::try_from(bytes.len()).unwrap(),
            width: 320,
            height: 240,
        };
        self.record(vec![OpBody::Render {
            life: Life(0),
            content: original.content,
            renditions: vec![rendition],
        }]);
    }

    fn pack(&mut self, content: ContentHash, kind: RenditionKind, recipe: u16, bytes: &[u8]) {
        let keyring = self.keys.0.clone();
        let name = EntryName { content, kind: u8::try_from(kind.code()).unwrap(), recipe };
        let entry = seal_entry(keyring.epoch(), keyring.library(), name, bytes, &mut self.entropy).unwrap();
        let mut id = [0; 16];
        self.entropy.fill(&mut id);
        let path = ObjectPath::flat(Area::Local, &PathPart::parse(&base32(&id)).unwrap()).unwrap();
        let mut file = self.place.create_append(&path).unwrap();
        file.append(&LOCAL_PACK_HEADER).unwrap();
        let frame = entry.frame(keyring.library(), keyring.epoch());
        let bytes = [frame.as_slice(), entry.as_bytes()].concat();
        let position = file.append(&bytes).unwrap();
        file.sync().unwrap();
        let location = PackLocation {
            content,
            kind,
            recipe,
            pack: path.to_string(),
            position,
            length: bytes.len() as u64,
        };
        self.device.record_packed([&location]).unwrap();
    }

    /// What a backup of the whole library folder holds.
    pub(crate) fn back_up(&self) -> Backup {
        self.catalog.checkpoint().unwrap();
        let folder = tempfile::tempdir().unwrap();
        copy_all(self.folder.path(), folder.path());
        Backup { folder, keyring: self.keys.0.clone() }
    }

    pub(crate) fn hash(&self) -> String {
        format!("{:?}", self.catalog.state_hash().unwrap())
    }

    pub(crate) fn caption(&mut self, asset: AssetId, caption: &str) {
        let state = self.catalog.asset_state(asset).unwrap().unwrap_or_default();
        self.record(vec![state.write_field(asset, safelight_model::Field::CAPTION, caption)]);
    }

    /// All captions that stand side by side, the shown one first.
    pub(crate) fn captions(&self, asset: AssetId) -> Vec<String> {
        let state = self.catalog.asset_state(asset).unwrap().unwrap();
        let record = state.current().record();
        let register = record.field(safelight_model::Field::CAPTION).unwrap();
        register
            .winner()
            .into_iter()
            .chain(register.conflicts())
            .map(|write| format!("{:?}", write.value))
            .collect()
    }
}

/// A copy of a library folder.
pub(crate) struct Backup {
    folder: tempfile::TempDir,
    keyring: Keyring,
}

impl Backup {
    /// Opens it as if it were the device: a restored disk, or a clone.
    pub(crate) fn open(self, seed: u64) -> Phone {
        let mut entropy = SeededEntropy::new(seed);
        let path = self.folder.path();
        let id = self.keyring.device().id();
        let catalog = Catalog::open(&path.join("catalog.db"), &key(), id, &mut entropy).unwrap();
        let device = DeviceDb::open(&path.join("device.db"), &key()).unwrap();
        let place = open_place(path);
        let stop = Stop::default();
        Phone {
            folder: self.folder,
            keys: Keys(self.keyring, false),
            catalog,
            device,
            place,
            entropy,
            stop,
            now: NOW + 1_000_000,
        }
    }
}

pub(crate) fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A folder that is a place, with everything that was asked of it.
#[derive(Debug)]
pub(crate) struct Counting {
    folder: Folder,
    capabilities: Capabilities,
    pub(crate) root: PathBuf,
    requests: Mutex<Vec<String>>,
    /// After so many more puts, all puts fail.
    pub(crate) puts_left: Mutex<Option<u32>>,
    /// Bytes that ranges gave.
    pub(crate) range_bytes: Mutex<u64>,
    /// Puts that are done and answered with an error, by a part of their name.
    pub(crate) lose_reply: Mutex<Option<String>>,
    /// What is hurt on its way when it is read next, by a part of its name.
    pub(crate) hurt_once: Mutex<Option<String>>,
    /// What comes only after it was asked for once, by a part of its name.
    pub(crate) late_once: Mutex<Option<String>>,
    /// What becomes of deletions.
    pub(crate) deletes: Mutex<Deletes>,
    /// What cannot be read before it is thawed, by the start of its name.
    pub(crate) archived: Mutex<Option<String>>,
    /// What listings do not name, by a part of its name.
    /// Every page of a listing names itself as the next.
    pub(crate) lists_endlessly: Mutex<bool>,
    pub(crate) hidden: Mutex<Option<String>>,
    /// Puts of originals take a moment: how many were under way at once at most, and how many are, by whether they
    /// have more than 16 MB.
    pub(crate) under_way: Mutex<Option<[(usize, usize); 2]>>,
    /// What cannot be put because the place is too busy, by the start of its name.
    pub(crate) refused: Mutex<Option<String>>,
    /// What cannot be read because the network is away, by the start of its name.
    pub(crate) unreachable: Mutex<Option<String>>,
}

/// What a place does when it is asked to delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Deletes {
    /// It does.
    #[default]
    Done,
    /// It says that it did.
    Pretended,
    /// It refuses.
    Denied,
}

#[derive(Clone)]
pub(crate) struct TestPlace {
    pub(crate) remote: Arc<Counting>,
    pub(crate) store: SealedRemote,
    _folder: Arc<tempfile::TempDir>,
}

impl TestPlace {
    pub(crate) fn new() -> Self {
        Self::with(|capabilities| capabilities.set(Capability::PutIfAbsent, Finding::Works))
    }

    /// A place that nobody has asked yet whether its word proves an upload.
    pub(crate) fn unasked() -> Self {
        Self::with(|capabilities| {
            capabilities.set(Capability::PutIfAbsent, Finding::Works);
            capabilities.set(Capability::ProviderChecksum, Finding::Untried);
        })
    }

    /// A place with every tier.
    pub(crate) fn tiered() -> Self {
        Self::with(|capabilities| {
            capabilities.set(Capability::PutIfAbsent, Finding::Works);
            capabilities.tiers = vec![Tier::Hot, Tier::Cool, Tier::Cold, Tier::Archive];
        })
    }

    /// A place that overwrites whatever it is told to.
    pub(crate) fn lax() -> Self {
        Self::with(|_| ())
    }

    /// A place whose word proves an upload, as that of an object store does.
    pub(crate) fn vouching() -> Self {
        Self::with(|capabilities| {
            capabilities.set(Capability::PutIfAbsent, Finding::Works);
            capabilities.set(Capability::ProviderChecksum, Finding::Works);
        })
    }

    fn with(change: impl FnOnce(&mut Capabilities)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let inner = Folder::open(&root).unwrap();
        let mut capabilities = inner.capabilities().clone();
        capabilities.tiers = vec![Tier::Hot, Tier::Cool];
        change(&mut capabilities);
        let remote = Arc::new(Counting {
            folder: inner,
            capabilities,
            root,
            requests: Mutex::default(),
            puts_left: Mutex::default(),
            range_bytes: Mutex::default(),
            lose_reply: Mutex::default(),
            late_once: Mutex::default(),
            hurt_once: Mutex::default(),
            deletes: Mutex::default(),
            archived: Mutex::default(),
            hidden: Mutex::default(),
            lists_endlessly: Mutex::default(),
            unreachable: Mutex::default(),
            refused: Mutex::default(),
            under_way: Mutex::default(),
        });
        let store = SealedRemote::new(Arc::<Counting>::clone(&remote));
        Self { remote, store, _folder: Arc::new(folder) }
    }

    /// What was asked since the last time, by verb.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.remote.requests.lock().unwrap())
    }

    pub(crate) fn count(&self, verb: &str) -> usize {
        self.requests().iter().filter(|request| request.starts_with(verb)).count()
    }

    /// The names that it holds below a folder, with their sizes.
    pub(crate) fn objects(&self, below: &str) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.remote.root.join(below)];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries.map(|entry| entry.unwrap()) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    let name = entry.path().strip_prefix(&self.remote.root).unwrap().to_owned();
                    found.insert(name.to_str().unwrap().to_owned(), entry.metadata().unwrap().len());
                }
            }
        }
        found.retain(|name, _| !name.starts_with(".safelight-tmp"));
        found
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.remote.root.join(name)
    }

    pub(crate) fn flip(&self, name: &str, at: usize) {
        let mut bytes = std::fs::read(self.path(name)).unwrap();
        bytes[at] ^= 0x10;
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) -> Vec<u8> {
        let bytes = std::fs::read(self.path(name)).unwrap();
        std::fs::remove_file(self.path(name)).unwrap();
        bytes
    }
}

impl Counting {
    fn ask(&self, verb: &str, what: &str) {
        self.requests.lock().unwrap().push(format!("{verb} {what}"));
    }

    fn must_be_thawed(&self, key: &Key) -> Result<(), StoreError> {
        match self.archived.lock().unwrap().as_deref() {
            Some(start) if key.as_str().starts_with(start) => {
                Err(StoreError::Archived { place: "test".into(), object: key.as_str().into() })
            }
            _ => Ok(()),
        }
    }

    /// Counts a put that begins or ends; false where nobody wants to know.
    fn moves(&self, class: usize, begins: bool) -> bool {
        let mut under_way = self.under_way.lock().unwrap();
        let Some(counts) = under_way.as_mut() else { return false };
        let (most, now) = &mut counts[class];
        *now = if begins { *now + 1 } else { *now - 1 };
        *most = (*most).max(*now);
        true
    }

    fn must_be_reached(&self, key: &Key) -> Result<(), StoreError> {
        match self.unreachable.lock().unwrap().as_deref() {
            Some(start) if key.as_str().starts_with(start) => Err(StoreError::Network {
                place: "test".into(),
                operation: safelight_store::Operation::Get,
                object: key.as_str().into(),
                source: std::io::Error::other("nobody answers"),
            }),
            _ => Ok(()),
        }
    }

    fn fail(&self) -> StoreError {
        StoreError::Throttled { place: "test".into(), wait: None }
    }

    fn may_put(&self) -> Result<(), StoreError> {
        match &mut *self.puts_left.lock().unwrap() {
            Some(0) => Err(StoreError::Vanished { place: "test".into() }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn reply_is_lost(&self, key: &Key) -> bool {
        let mut lost = self.lose_reply.lock().unwrap();
        let is_lost = lost.as_deref().is_some_and(|part| key.as_str().contains(part));
        if is_lost {
            *lost = None;
        }
        is_lost
    }
}

#[async_trait]
impl Remote for Counting {
    fn label(&self) -> &str {
        self.folder.label()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn put(&self, key: &Key, body: Body, _options: &PutOptions) -> Result<Stored, StoreError> {
        self.ask("PUT", key.as_str());
        self.may_put()?;
        self.folder.put(key, body, &PutOptions::default()).await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.ask(&format!("CREATE {:?}", options.tier), key.as_str());
        self.may_put()?;
        if self.refused.lock().unwrap().as_deref().is_some_and(|start| key.as_str().starts_with(start)) {
            return Err(self.fail());
        }
        let class = usize::from(body.length_bytes() > 16_000_000);
        if key.as_str().starts_with("o/") && self.moves(class, true) {
            // Until as many were under way at once as should be, however slow the machine is.
            let begun = std::time::Instant::now();
            loop {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                let most = self.under_way.lock().unwrap().map_or(usize::MAX, |counts| counts[class].0);
                if most >= [6, 2][class] || begun.elapsed() > std::time::Duration::from_secs(5) {
                    break;
                }
            }
            self.moves(class, false);
        }
        let stored = self.folder.put_if_absent(key, body, &PutOptions::default()).await?;
        if self.reply_is_lost(key) { Err(self.fail()) } else { Ok(stored) }
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        self.ask("GET", key.as_str());
        self.must_be_reached(key)?;
        self.must_be_thawed(key)?;
        if self.late_once.lock().unwrap().take_if(|part| key.as_str().contains(part.as_str())).is_some() {
            return Err(StoreError::NotFound { place: "test".into(), object: key.to_string() });
        }
        let bytes = self.folder.get(key, at_most_bytes).await?;
        let hurt = self.hurt_once.lock().unwrap().take_if(|part| key.as_str().contains(part.as_str()));
        Ok(match hurt {
            Some(_) => {
                let mut bytes = bytes.to_vec();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x10;
                bytes.into()
            }
            None => bytes,
        })
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.ask("RANGE", key.as_str());
        self.must_be_reached(key)?;
        self.must_be_thawed(key)?;
        let bytes = self.folder.get_range(key, range).await?;
        *self.range_bytes.lock().unwrap() += bytes.len() as u64;
        Ok(bytes)
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.ask("HEAD", key.as_str());
        self.folder.head(key).await
    }

    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        self.ask("LIST", prefix.as_str());
        if *self.lists_endlessly.lock().unwrap() {
            return Ok(ListPage { next: Some(PageToken::new("again".into())), ..ListPage::default() });
        }
        let mut page = self.folder.list(prefix, after).await?;
        if let Some(hidden) = &*self.hidden.lock().unwrap() {
            page.objects.retain(|object| !object.key.as_str().contains(hidden.as_str()));
        }
        Ok(page)
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.ask("DELETE", key.as_str());
        let deletes = *self.deletes.lock().unwrap();
        match deletes {
            Deletes::Done => self.folder.delete(key).await,
            Deletes::Pretended => Ok(()),
            Deletes::Denied => Err(StoreError::Denied {
                place: "test".into(),
                operation: safelight_store::Operation::Delete,
                object: key.as_str().to_owned(),
                source: std::io::Error::other("no permission"),
            }),
        }
    }

    async fn set_tier(&self, key: &Key, tier: Tier) -> Result<(), StoreError> {
        self.folder.set_tier(key, tier).await
    }

    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        self.folder.grant_upload(request).await
    }
}

pub(crate) fn asset(original: &Original) -> AssetId {
    AssetId(original.content)
}

/// Bytes that look like nothing, the same for one seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SeededEntropy::new(seed).fill(&mut bytes);
    bytes
}

pub(crate) fn is_damaged(problem: &Problem) -> bool {
    matches!(problem, Problem::Damaged { .. })
}

pub(crate) fn size_of(path: &Path) -> u64 {
    File::open(path).unwrap().metadata().unwrap().len()
}
