//! Takes uploads in through the door of every import, and removes them once they are safe.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use safelight_catalog::{Access, DeviceDb, RemoteRow};
use safelight_crypto::{
    CryptoError, InboxManifest, InboxName, Keyring, LibraryId, MOST_INBOX_OBJECT, SignedInboxHead, names,
    sha256,
};
use safelight_media::pool::Pool;
use safelight_model::{DeviceId, OpBody, SetName, TakenUpload};
use safelight_store::{SealedRemote, StoreError};
use safelight_sync::SyncError;
use tokio::runtime::Runtime;

use super::item::{OpenedItem, SealedPieces};
use super::look::{ItemStanding, ListedItem};
use super::{InboxReport, KnownUploader, damaged};
use crate::error::{LibraryError, Result};
use crate::import::received::stamp_of_received;
use crate::import::rendition::Sealer;
use crate::import::take::{Intake, Taking};
use crate::import::write::Writer;
use crate::import::{Kept, Workroom};
use crate::library::{Library, device_key};
use crate::monitor::{Monitor, Problem, Task};
use crate::remote::{Surroundings, reconnect};
use crate::scan::Candidate;
use crate::upload::path_of;

/// So many items are taken in before what was is made durable.
const AT_ONCE: usize = 256;

/// Where items are fetched from, and what opens them.
struct Fetching<'a> {
    runtime: &'a Runtime,
    store: &'a SealedRemote,
    library: LibraryId,
    keyring: &'a Keyring,
    uploaders: &'a BTreeMap<DeviceId, KnownUploader>,
    /// Where sealed pieces rest meanwhile.
    temporary: PathBuf,
}

/// An item that is verified and open.
struct Received {
    listed: ListedItem,
    manifest: InboxManifest,
    head: [u8; 32],
    item: OpenedItem,
}

/// What became of an item that was due.
enum Outcome {
    Taken {
        head: [u8; 32],
    },
    Aside(String),
    /// It is not there any more: another device took it.
    Gone,
}

impl Library {
    /// Takes in what is due in a remote's inbox. Its history was just read, so that what others took is known.
    pub(crate) fn take_uploads(
        &mut self,
        row: &RemoteRow,
        insists: bool,
        runtime: &Runtime,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<InboxReport> {
        let uploaders = self.uploaders()?;
        let mut report = InboxReport::default();
        if uploaders.is_empty() || self.is_read_only() || self.require_membership().is_err() {
            return Ok(report);
        }
        self.settle_epoch()?;
        let (at, _) = runtime.block_on(reconnect(row, self.keeper(row)?, surroundings))?;
        let mut due = Vec::new();
        for (item, standing) in self.look_at_inbox(runtime, &at.store, insists)? {
            match standing {
                ItemStanding::Due => due.push(item),
                ItemStanding::Incomplete | ItemStanding::OverQuota(_) => report.waiting += 1,
                ItemStanding::Taken(_) => report.kept += 1,
                ItemStanding::Aside { reason, is_known } => {
                    report.aside += 1;
                    if !is_known {
                        self.put_aside(&item, &reason, monitor)?;
                    }
                }
            }
        }
        if due.is_empty() {
            return Ok(report);
        }
        monitor.begin(Task::Import, Some(due.len() as u64), None);
        let keyring = self.keyring().clone();
        let fetching = Fetching {
            runtime,
            store: &at.store,
            library: self.id(),
            keyring: &keyring,
            uploaders: &uploaders,
            temporary: self.path().join("tmp"),
        };
        let mut outcomes = Vec::new();
        let taken = self.take_due(due, &fetching, &mut outcomes, &mut report, monitor);
        monitor.end();
        // What was taken is so, also when something failed after it.
        let mut today = BTreeMap::new();
        for (item, outcome) in outcomes {
            match outcome {
                Outcome::Taken { head } => {
                    let device = item.name.device;
                    // What a damaged object in its way held up is not said to be taken, and comes again.
                    if self.taken_upload(device, item.name.counter)?.is_none() {
                        report.waiting += 1;
                        continue;
                    }
                    report.kept += 1;
                    self.remember_head(&item, Some(head))?;
                    self.remember_aside(&item, None)?;
                    let used = match today.get_mut(&device) {
                        Some(used) => used,
                        None => today.entry(device).or_insert(self.taken_today(device)?),
                    };
                    used.add(item.bytes());
                }
                Outcome::Aside(reason) => {
                    report.aside += 1;
                    self.put_aside(&item, &reason, monitor)?;
                }
                Outcome::Gone => {}
            }
        }
        for (device, used) in today {
            self.remember_today(device, used)?;
        }
        taken.map(|()| report)
    }

    fn put_aside(&mut self, item: &ListedItem, reason: &str, monitor: &dyn Monitor) -> Result<()> {
        let name = names::inbox(&item.name);
        monitor.problem(&Problem::failure(&name, format!("it is not taken in: {reason}")));
        self.remember_aside(item, Some(reason))
    }

    fn take_due(
        &mut self,
        due: Vec<ListedItem>,
        fetching: &Fetching<'_>,
        outcomes: &mut Vec<(ListedItem, Outcome)>,
        report: &mut InboxReport,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let (pool, mut queue, mut held) = (self.pool()?, due.into_iter(), None);
        loop {
            let first = match held.take() {
                Some(received) => Some(received),
                None => fetching.next(&mut queue, outcomes, monitor)?,
            };
            let Some(first) = first else { return Ok(()) };
            let mut batch = Batch { fetching, pool: &pool, queue: &mut queue, outcomes, held: &mut held };
            self.take_batch(first, &mut batch, report, monitor)?;
        }
    }

    /// Takes items of one device and folder in, until another comes.
    fn take_batch(
        &mut self,
        first: Received,
        batch: &mut Batch<'_>,
        report: &mut InboxReport,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let (claimed, large) = (Mutex::new(HashSet::new()), Mutex::new(()));
        let (keyring, place) = (batch.fetching.keyring, self.place.clone());
        let (library, here) = (self.id(), keyring.device().id());
        let known = DeviceDb::open_as(&self.folder.device_path(), &device_key(keyring), Access::ReadOnly)?;
        let known = Mutex::new(known);
        let Self { catalog, device, place: folder, packs, damaged, .. } = self;
        let (catalog, damaged) = (&*catalog, &*damaged);
        let kept = Kept { catalog, damaged, known: &known, place: &place, here, link: false };
        let room = Workroom {
            catalog,
            device,
            place: folder,
            packs,
            keyring,
            device_id: here,
            claimed: &claimed,
            damaged,
            kept: &kept,
        };
        let intake = Intake {
            library,
            epoch: keyring.epoch(),
            place: &place,
            pool: batch.pool,
            sealer: Sealer::new(library, keyring.epoch()),
            link: false,
            all_files: false,
            settle: Duration::ZERO,
            claimed: &claimed,
            large: &large,
            kept: &kept,
        };
        let owner = first.listed.name.device;
        let root = PathBuf::from(OsString::from_vec(first.manifest.root.clone()));
        let mut writer = Writer::new(room, None, owner, &root, monitor);
        let (mut next, mut count) = (Some(first), 0);
        let mut run = || {
            while let Some(received) = next.take() {
                if received.listed.name.device != owner
                    || Path::new(&OsString::from_vec(received.manifest.root.clone())) != root
                    || count == AT_ONCE
                {
                    *batch.held = Some(received);
                    return Ok(());
                }
                count += 1;
                let listed = received.listed.clone();
                let outcome = take_one(&intake, &mut writer, received)?;
                batch.outcomes.push((listed, outcome));
                next = batch.fetching.next(batch.queue, batch.outcomes, monitor)?;
            }
            Ok(())
        };
        let ran = run();
        let (imported, _again) = writer.finish()?;
        report.taken += imported.imported + imported.repaired;
        report.known += imported.known;
        ran
    }

    /// Removes what was taken in, once the remote's history says so and a remote holds the originals.
    pub(crate) fn clear_taken_uploads(
        &mut self,
        row: &RemoteRow,
        report: &mut InboxReport,
        runtime: &Runtime,
        surroundings: &Surroundings,
    ) -> Result<()> {
        if report.kept == 0 || self.require_unbraked().is_err() {
            return Ok(());
        }
        let (at, _) = runtime.block_on(reconnect(row, self.keeper(row)?, surroundings))?;
        report.kept = 0;
        let mut may_remove = true;
        for (item, standing) in self.look_at_inbox(runtime, &at.store, false)? {
            let ItemStanding::Taken(taken) = standing else { continue };
            // One that was removed from the library since is wanted nowhere.
            let is_safe = self.device.count_remotes_holding(&taken.content)? > 0
                || self.catalog().find_content(taken.content)?.is_none();
            if !is_safe || !may_remove {
                report.kept += 1;
                continue;
            }
            // The head goes first: whoever is fetching the item just now then finds that it is gone, and not cut.
            let mut names: Vec<InboxName> = item.head_bytes.map(|_| item.name).into_iter().collect();
            names.extend(item.pieces.keys().map(|piece| item.name.piece(*piece)));
            for name in names {
                match runtime.block_on(at.store.delete(&path_of(&name)?)) {
                    Ok(()) | Err(StoreError::NotFound { .. }) => {}
                    Err(
                        StoreError::Denied { .. }
                        | StoreError::Unsupported { .. }
                        | StoreError::Refused { .. }
                        | StoreError::ReadOnly { .. },
                    ) => may_remove = false,
                    Err(error) => return Err(SyncError::from(error).into()),
                }
            }
            if may_remove {
                report.removed += 1;
                self.remember_head(&item, None)?;
            } else {
                report.kept += 1;
            }
        }
        Ok(())
    }
}

/// What a batch takes its items from, and tells of them.
struct Batch<'a> {
    fetching: &'a Fetching<'a>,
    pool: &'a Pool,
    queue: &'a mut std::vec::IntoIter<ListedItem>,
    outcomes: &'a mut Vec<(ListedItem, Outcome)>,
    /// One that belongs to the next batch.
    held: &'a mut Option<Received>,
}

fn take_one(intake: &Intake<'_>, writer: &mut Writer<'_>, mut received: Received) -> Result<Outcome> {
    let name = received.listed.name;
    let manifest = &received.manifest;
    let taken = TakenUpload { counter: name.counter, head: received.head, content: manifest.content };
    let candidate = Candidate {
        path: PathBuf::from(OsString::from_vec(manifest.relative.clone())),
        below: manifest.relative.clone(),
        stamp: stamp_of_received(manifest.size_bytes, manifest.modified_millis),
        remembered: None,
        sighting: None,
        taken: Some(OpBody::AddTo {
            target: TakenUpload::target(name.device, name.counter),
            set: SetName::TAKEN_IN,
            element: taken.to_value(),
        }),
    };
    let taking = match intake.take_received(&candidate, &mut received.item, manifest.content) {
        Ok(Taking::Refused(reason, _)) => return Ok(Outcome::Aside(reason.to_string())),
        Ok(Taking::Unsettled(reason)) => return Ok(Outcome::Aside(reason)),
        Ok(taking) => taking,
        // Reading it opens it: what does not open is its own fault.
        Err(LibraryError::Io { path, source, .. }) if path == candidate.path => {
            return Ok(Outcome::Aside(source.to_string()));
        }
        Err(error) => return Err(error),
    };
    writer.accept(candidate, taking)?;
    Ok(Outcome::Taken { head: received.head })
}

impl Fetching<'_> {
    /// The next item that can be opened; those that cannot are put aside on the way.
    fn next(
        &self,
        queue: &mut std::vec::IntoIter<ListedItem>,
        outcomes: &mut Vec<(ListedItem, Outcome)>,
        monitor: &dyn Monitor,
    ) -> Result<Option<Received>> {
        for listed in queue.by_ref() {
            if monitor.cancelled() {
                return Err(LibraryError::Cancelled);
            }
            match self.fetch(&listed) {
                Ok(Some(received)) => return Ok(Some(received)),
                Ok(None) => outcomes.push((listed, Outcome::Gone)),
                Err(LibraryError::Damaged { reason, .. }) => outcomes.push((listed, Outcome::Aside(reason))),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn fetch(&self, listed: &ListedItem) -> Result<Option<Received>> {
        let name = listed.name;
        let object = names::inbox(&name);
        let broken = |error: CryptoError| {
            damaged(&object, error.fault().map_or_else(|| error.to_string(), ToString::to_string))
        };
        let Some(bytes) = self.get(&name)? else { return Ok(None) };
        let known =
            self.uploaders.get(&name.device).ok_or_else(|| damaged(&object, "its device is unknown"))?;
        let key = known.uploader.card.verifying_key();
        let signed = SignedInboxHead::verify(self.library, name, key, &bytes).map_err(broken)?;
        let epoch = signed.epoch().map_err(broken)?;
        let epoch = self.keyring.epoch_by_id(&epoch).ok_or_else(|| {
            damaged(&object, format!("this device does not hold the keys of its epoch {epoch}"))
        })?;
        let (manifest, first) = signed.open(epoch).map_err(broken)?;
        let mut further = SealedPieces::default();
        for (number, due) in (1..).zip(&manifest.pieces) {
            let Some(piece) = self.get(&name.piece(number))? else {
                // Another device may have taken it in, and be removing it.
                if self.get(&name)?.is_none() {
                    return Ok(None);
                }
                return Err(damaged(&object, format!("piece {number} of it is missing")));
            };
            if sha256(&[&piece]) != *due {
                return Err(damaged(&object, format!("piece {number} of it is not the one that it names")));
            }
            further.push(&self.temporary, &piece).map_err(|source| LibraryError::Io {
                path: self.temporary.clone(),
                action: "written",
                source,
            })?;
        }
        let head = sha256(&[&bytes]);
        let item = OpenedItem::new((self.library, name, epoch.clone()), manifest.size_bytes, first, further);
        Ok(Some(Received { listed: listed.clone(), manifest, head, item }))
    }

    fn get(&self, name: &InboxName) -> Result<Option<Vec<u8>>> {
        match self.runtime.block_on(self.store.get(&path_of(name)?, MOST_INBOX_OBJECT)) {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(StoreError::Damaged { reason, .. }) => Err(damaged(&names::inbox(name), reason)),
            Err(StoreError::TooLarge { .. }) => {
                Err(damaged(&names::inbox(name), "it is larger than any upload"))
            }
            Err(error) => Err(SyncError::from(error).into()),
        }
    }
}
