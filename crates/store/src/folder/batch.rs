//! Many objects made durable with few waits.
//!
//! Invariant: when [`Batch::commit`] reports an object, its bytes and its name survive a power cut; when it
//! reports an error, nothing visible was left under the name by this batch, except where the sync of the
//! folder itself failed, which is said.
//!
//! A sync waits for the disk, and most of what it waits for (the journal, the disk's own cache) is shared.
//! So the bytes are sent to the disk while the next object is being sealed, the syncs are then issued by a
//! few threads at once so that the file system can join them in one commit, names are given only to synced
//! files, and each touched folder is synced once. Measured in `examples/durable_batch.rs`.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Operation, StoreError};
use crate::folder::temp::sync_directory;
use crate::folder::{FolderPlace, ObjectFile, Outcome};
use crate::name::ObjectPath;

/// Syncs under way at once: enough for the journal to join them, few enough for a small machine.
const SYNC_THREADS: usize = 8;

/// Objects that become durable together. Each holds an open file until then, so a batch of more than a few
/// hundred meets the limit of open files; 32 is where the gain flattens.
///
/// Dropped without being committed it leaves nothing behind.
#[derive(Debug)]
#[must_use = "nothing is durable until the batch is committed"]
pub struct Batch {
    place: FolderPlace,
    pending: Vec<(ObjectPath, ObjectFile)>,
    pending_bytes: u64,
}

/// What became of one object of a batch.
#[derive(Debug)]
#[must_use = "an object that failed or existed must be dealt with"]
pub struct BatchEntry {
    /// Its name.
    pub path: ObjectPath,
    /// Created, existed already, or why not.
    pub result: Result<Outcome, StoreError>,
}

impl Batch {
    pub(crate) const fn new(place: FolderPlace) -> Self {
        Self { place, pending: Vec::new(), pending_bytes: 0 }
    }

    /// Takes a written object and starts sending its bytes to the disk.
    pub fn add(&mut self, object: ObjectFile, path: ObjectPath) {
        object.start_writing_back();
        self.pending_bytes += object.length_bytes();
        self.pending.push((path, object));
    }

    /// How many objects wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many bytes wait.
    #[must_use]
    pub const fn pending_bytes(&self) -> u64 {
        self.pending_bytes
    }

    /// Makes everything durable and gives the objects their names; one entry for each, in the order added.
    pub fn commit(self) -> Vec<BatchEntry> {
        let Self { place, pending, .. } = self;
        let synced = in_parallel(&pending, threads(&place), |(_, object)| object.sync());
        let mut folders = BTreeMap::new();
        let mut entries: Vec<BatchEntry> = Vec::with_capacity(pending.len());
        for ((path, object), synced) in pending.into_iter().zip(synced) {
            let result = synced.and_then(|()| publish(&place, object, path.as_str(), &mut folders));
            entries.push(BatchEntry { path, result });
            if folders.len() >= OPEN_FOLDERS {
                sync_folders(&place, std::mem::take(&mut folders), &mut entries);
            }
        }
        sync_folders(&place, folders, &mut entries);
        entries
    }
}

/// So many folders are held open before they are synced: a process may have few descriptors.
const OPEN_FOLDERS: usize = 12;

/// Gives a synced object its name, and notes the folders that must be synced for it to last.
///
/// Folders are noted for a name that was taken, too: whoever wrote it may not have synced them yet.
pub(crate) fn publish(
    place: &FolderPlace,
    object: ObjectFile,
    path: &str,
    folders: &mut BTreeMap<String, OwnedFd>,
) -> Result<Outcome, StoreError> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if !folders.contains_key(folder) {
        let opened = place
            .open_for_writing(folder)
            .map_err(|error| place.error(Operation::Put, path, error.into()))?;
        for (parent, directory) in opened.parents {
            folders.entry(parent).or_insert(directory);
        }
        folders.insert(folder.to_owned(), opened.directory);
    }
    let Some(directory) = folders.get(folder) else {
        return Err(StoreError::Vanished { place: place.label().to_owned() });
    };
    let mut temporary = object.into_temporary();
    match place.temporary().publish(&mut temporary, directory.as_fd(), name) {
        Ok(()) => Ok(Outcome::Created),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(Outcome::Existed),
        Err(error) => Err(place.error(Operation::Put, path, error)),
    }
}

/// Syncs each touched folder once; an object whose folder could not be synced is not durable.
fn sync_folders(place: &FolderPlace, folders: BTreeMap<String, OwnedFd>, entries: &mut [BatchEntry]) {
    let folders: Vec<(String, OwnedFd)> = folders.into_iter().collect();
    let synced = in_parallel(&folders, threads(place), |(_, directory)| sync_directory(directory.as_fd()));
    let mut failed = Vec::new();
    for ((folder, _), result) in folders.iter().zip(synced) {
        match result {
            Ok(()) => {}
            Err(error) => failed.push((folder.as_str(), error)),
        }
    }
    for (folder, _) in &folders {
        if !failed.iter().any(|(bad, _)| is_at_or_above(bad, folder)) {
            place.settle(folder);
        }
    }
    for entry in entries {
        if entry.result.is_ok()
            && let Some((_, error)) = failed.iter().find(|(bad, _)| is_at_or_above(bad, entry.path.folder()))
        {
            let copy = std::io::Error::from(error.kind());
            entry.result = Err(place.error(Operation::Sync, entry.path.as_str(), copy));
        }
    }
}

fn is_at_or_above(above: &str, folder: &str) -> bool {
    above.is_empty()
        || folder.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How many threads may sync at once: where there is no disk to wait for, a thread takes longer than a sync.
fn threads(place: &FolderPlace) -> usize {
    if place.is_in_memory() { 1 } else { SYNC_THREADS }
}

/// Runs a blocking step for all items on a few threads; results in the order of the items.
fn in_parallel<Item: Sync, Out: Send>(
    items: &[Item],
    most_threads: usize,
    step: impl Fn(&Item) -> Out + Sync,
) -> Vec<Out> {
    if items.len().min(most_threads) <= 1 {
        return items.iter().map(step).collect();
    }
    let next = AtomicUsize::new(0);
    let mut indexed = std::thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else { return done };
                done.push((index, step(item)));
            }
        };
        let threads: Vec<_> = (1..most_threads.min(items.len())).map(|_| scope.spawn(worker)).collect();
        let mut all = worker();
        for thread in threads {
            match thread.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    indexed.sort_unstable_by_key(|(index, _)| *index);
    indexed.into_iter().map(|(_, out)| out).collect()
}
