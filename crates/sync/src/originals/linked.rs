//! Sending linked originals: files that stay where they are and are sealed on their way out. One that is no longer where
//! it was linked is read from another file in which it was found.
//!
//! Invariants: a file is hashed whole before anything of it is sealed, and each part again when it is read to be sealed,
//! so nothing goes out under a hash that is not its own, whoever writes into the file meanwhile. Nothing is written to
//! the disk; in memory are the parts under way, [`MOST_BYTES`] at most, or one part. What was placed is recorded part
//! by part. The op that names the parts (sl1-history §4.4: *linked, with parts*) follows the parts, and the original
//! counts as synced when that op is in the place: before, nobody could find them.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;

use futures_util::StreamExt as _;
use futures_util::future::poll_fn;
use safelight_catalog::{FileState, SyncState};
use safelight_crypto::{
    ContentHash, Epoch, HEADER_LEN, Kind, ObjectContext, PART_LEN, Sha256, names, original_part_names,
};
use safelight_model::{Addition, AssetId, Contents, Life, OpBody, Original, PartRef, Storage, Write};

use safelight_store::Sealed;

use super::path_of_part;
use super::send::{PartJob, Sender, Transfers, send_part};
use crate::daily::{did_not_go, is_full, may_go};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace, Stop};
use crate::policy::rests_whole;
use crate::problem::Problem;

/// Sealed bytes under way at once, unless one part alone is more.
const MOST_BYTES: u64 = 64 << 20;
/// Ops that name parts are recorded in batches of so many.
const OPS_AT_ONCE: usize = 256;
/// How much is read at once while a file is hashed.
const STRETCH_BYTES: usize = 1 << 20;

/// A file that was read from end to end and is what history says.
struct Proven {
    file: File,
    path: PathBuf,
    /// The hash of each part's bytes.
    parts: Vec<[u8; 32]>,
}

/// A linked original on its way.
struct Going {
    original: Original,
    epoch: Epoch,
    /// The op that will name its parts; none where history names them already.
    op: Option<OpBody>,
}

/// Why a file cannot go.
enum Refused {
    /// Its disk is not connected, or it is gone.
    Absent(String),
    /// It is another one now.
    Changed(String),
    /// Somebody wants to stop.
    Stopped,
}

/// Where an original was linked, if this is the device that linked it.
pub(crate) fn linked_path(here: &Here<'_>, original: &Original) -> Option<PathBuf> {
    if original.source.device != here.keys.keyring().device().id() {
        return None;
    }
    let root = Path::new(OsStr::from_bytes(&original.source.root));
    Some(root.join(OsStr::from_bytes(&original.source.relative)))
}

/// The files in which this device, if it linked an original, found its content: the one that was linked first. What they
/// hold by now, whoever reads them finds out.
fn linked_files(here: &Here<'_>, original: &Original) -> Result<Vec<PathBuf>> {
    let Some(linked) = linked_path(here, original) else { return Ok(Vec::new()) };
    let mut files = vec![linked];
    let known = here.device.files_of_content(&original.content)?;
    let sources = if known.is_empty() { Vec::new() } else { here.device.sources()? };
    for (id, record) in known {
        let Some(source) = sources.iter().find(|source| source.id == id) else { continue };
        let mut path = PathBuf::from(OsStr::from_bytes(&source.path));
        if !record.path.is_empty() {
            path.push(OsStr::from_bytes(&record.path));
        }
        if record.state == FileState::Imported && !files.contains(&path) {
            files.push(path);
        }
    }
    Ok(files)
}

/// Sends linked originals, in the order in which they are given. Answers those whose parts rest in the place; they
/// are synced once history with the ops that this recorded is published there.
pub(super) async fn send_linked(
    here: &mut Here<'_>,
    at: &RemotePlace,
    sender: &mut Sender<'_>,
    contents: &[ContentHash],
    concurrency: usize,
    problems: &mut Vec<Problem>,
) -> Result<Vec<ContentHash>> {
    let mut transfers: Transfers<'_> = futures_util::stream::FuturesUnordered::new();
    let mut under_way_bytes = 0;
    let (mut placed, mut ops, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for content in contents {
        here.stop.check()?;
        if sender.is_capped || is_full(here, at)? {
            break;
        }
        let Some(going) = look_up(here, at, content)? else { continue };
        let files = linked_files(here, &going.original)?;
        let proven = match prove_any(files, &going.original, here.stop).await {
            Ok(proven) => proven,
            Err(Refused::Stopped) => return Err(SyncError::Stopped),
            Err(Refused::Absent(reason)) => {
                absent.push((*content, reason));
                continue;
            }
            Err(Refused::Changed(reason)) => {
                fail(here, at, &going.original, &reason, problems)?;
                continue;
            }
        };
        let mut is_whole = true;
        for (number, part) in (0_u32..).zip(&going.original.parts) {
            let path = path_of_part(part, 0)?;
            if here.device.replica_in_any_generation(at.id, path.as_str())?.is_some() {
                continue;
            }
            while !transfers.is_empty()
                && (transfers.len() >= concurrency || under_way_bytes + part.sealed_bytes > MOST_BYTES)
            {
                let settled = settle(here, sender, &mut transfers, problems).await?;
                under_way_bytes = u64::saturating_sub(under_way_bytes, settled);
            }
            here.stop.check()?;
            if !may_go(here, at, part.sealed_bytes)? {
                sender.is_capped = true;
                is_whole = false;
                break;
            }
            let mut job = match seal(here, &going, &proven, number, part) {
                Ok(job) => job,
                Err(reason) => {
                    did_not_go(here, at, part.sealed_bytes)?;
                    fail(here, at, &going.original, &reason, problems)?;
                    is_whole = false;
                    break;
                }
            };
            job.generations = sender.generations(here, part)?;
            job.may_be_there = job.is_repair();
            *sender.open.entry(*content).or_insert(0) += 1;
            under_way_bytes += part.sealed_bytes;
            let (store, epochs) = (at.store.clone(), Arc::clone(&sender.epochs));
            transfers.push(Box::pin(send_part(store, sender.library, epochs, job, sender.tier)));
        }
        if is_whole {
            placed.push(*content);
            ops.extend(going.op.map(|op| (*content, op)));
        }
        if ops.len() >= OPS_AT_ONCE {
            finish(here, at, sender, &mut transfers, &mut placed, &mut ops, problems).await?;
            under_way_bytes = 0;
        }
    }
    finish(here, at, sender, &mut transfers, &mut placed, &mut ops, problems).await?;
    say_absent(here, at, &absent)?;
    Ok(placed)
}

/// Says why absent files wait, in one transaction; what was said by an earlier sync is not written again. The disk of a
/// whole library may not be connected.
fn say_absent(here: &mut Here<'_>, at: &RemotePlace, absent: &[(ContentHash, String)]) -> Result<()> {
    let mut news = Vec::new();
    for (content, reason) in absent {
        let known = here.device.original_at_remotes(content)?;
        let is_said = known.iter().any(|(remote, row)| {
            *remote == at.id
                && row.state == SyncState::Waiting
                && row.reason.as_deref() == Some(reason.as_str())
        });
        if !is_said {
            news.push((content, SyncState::Waiting, Some(reason.as_str())));
        }
    }
    if !news.is_empty() {
        here.device.set_original_states(at.id, news)?;
    }
    Ok(())
}

/// Waits for everything under way, and records the ops of those originals that are whole there.
async fn finish(
    here: &mut Here<'_>,
    at: &RemotePlace,
    sender: &mut Sender<'_>,
    transfers: &mut Transfers<'_>,
    placed: &mut Vec<ContentHash>,
    ops: &mut Vec<(ContentHash, OpBody)>,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    while !transfers.is_empty() {
        settle(here, sender, transfers, problems).await?;
    }
    sender.record_replicas(here)?;
    let mut whole = Vec::with_capacity(placed.len());
    for content in placed.drain(..) {
        if rests_there(here, at, &content, ops)? {
            whole.push(content);
        }
    }
    *placed = whole;
    let bodies = ops.drain(..).filter(|(content, _)| placed.contains(content)).map(|(_, body)| body);
    let bodies: Vec<OpBody> = bodies.collect();
    if !bodies.is_empty() {
        let now = (here.now)();
        here.catalog.append(now, bodies)?;
    }
    Ok(())
}

/// Whether every part of an original is known to rest in the place.
fn rests_there(
    here: &Here<'_>,
    at: &RemotePlace,
    content: &ContentHash,
    ops: &[(ContentHash, OpBody)],
) -> Result<bool> {
    let planned = ops.iter().find(|(other, _)| other == content).and_then(|(_, body)| match body {
        OpBody::AddAsset { original, .. } | OpBody::AddVersion { original, .. } => {
            Some(original.parts.clone())
        }
        _ => None,
    });
    let parts = match planned {
        Some(parts) => parts,
        None => here.catalog.original_of(content)?.map(|original| original.parts).unwrap_or_default(),
    };
    rests_whole(here.device, at.id, content, &parts)
}

/// Takes over what became of one part; answers how many bytes are no longer under way.
async fn settle(
    here: &mut Here<'_>,
    sender: &mut Sender<'_>,
    transfers: &mut Transfers<'_>,
    problems: &mut Vec<Problem>,
) -> Result<u64> {
    let Some(done) = transfers.next().await else { return Ok(0) };
    let bytes = done.sealed_bytes;
    if let Some(fatal) = sender.accept(here, done, problems)? {
        sender.record_replicas(here)?;
        return Err(fatal.into());
    }
    // What the sender counts as finished is synced only once its op is published.
    sender.finished.clear();
    if sender.is_due(here) {
        sender.record_replicas(here)?;
    }
    Ok(bytes)
}

/// What is to go of a linked original: the parts that history names, or those that it will have.
fn look_up(here: &mut Here<'_>, at: &RemotePlace, content: &ContentHash) -> Result<Option<Going>> {
    let Some(asset) = here.catalog.find_content(*content)? else { return Ok(None) };
    let Some(state) = here.catalog.asset_state(asset)? else { return Ok(None) };
    let life = state.life();
    let contents = state.current().contents();
    let Some(linked) = newest(contents, content).cloned() else { return Ok(None) };
    if !contents.heads().any(|head| head.value.original.content == *content) {
        let replaced =
            [(content, SyncState::LocalOnly, Some("its file was edited since; the edit goes instead"))];
        here.device.set_original_states(at.id, replaced)?;
        return Ok(None);
    }
    let keyring = here.keys.keyring();
    // Another device that holds a sealed copy has named the parts already.
    let named = contents.of_content(*content).map(|addition| &addition.value.original);
    let named = named.filter(|original| !original.parts.is_empty()).last();
    if let Some(named) = named
        && let Some(epoch) = keyring.epoch_by_id(&named.epoch).cloned()
    {
        let original = Original { parts: named.parts.clone(), epoch: named.epoch, ..linked.value.original };
        return Ok(Some(Going { original, epoch, op: None }));
    }
    let epoch = keyring.epoch().clone();
    let mut original = linked.value.original.clone();
    original.epoch = epoch.id();
    original.parts = original_part_names(&epoch, content, original.size_bytes)
        .into_iter()
        .map(|(name, sealed_bytes)| PartRef { name, sealed_bytes, tags: None })
        .collect();
    let op = Some(naming(asset, life, &linked, original.clone()));
    Ok(Some(Going { original, epoch, op }))
}

/// The newest way in which history says that a content rests.
fn newest<'a>(contents: &'a Contents, content: &ContentHash) -> Option<&'a Write<Addition>> {
    contents.of_content(*content).max_by_key(|addition| (addition.stamp, addition.op))
}

/// The op that says the same of the original once more, with its parts: an edit in place stays one.
fn naming(asset: AssetId, life: Life, linked: &Write<Addition>, original: Original) -> OpBody {
    if linked.value.is_version {
        OpBody::AddVersion { asset, life, original, supersedes: std::iter::once(linked.op).collect() }
    } else {
        OpBody::AddAsset { asset, life, original }
    }
}

/// Opens without waiting, so that a pipe in the place of a photo cannot stop the sync.
fn open_plain(path: &Path) -> io::Result<File> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    File::options().read(true).custom_flags(nonblocking).open(path)
}

/// Lets whoever drives this sync look up, once.
async fn give_way() {
    let mut has_given_way = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_given_way, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Takes the first file that is what was imported. Where none is, the first one tells why.
async fn prove_any(
    files: Vec<PathBuf>,
    original: &Original,
    stop: &Stop,
) -> std::result::Result<Proven, Refused> {
    let mut first = None;
    for path in files {
        match prove(path, original, stop).await {
            Ok(proven) => return Ok(proven),
            Err(Refused::Stopped) => return Err(Refused::Stopped),
            Err(refused) => drop(first.get_or_insert(refused)),
        }
    }
    Err(first.unwrap_or_else(|| Refused::Absent("it is linked on another device".to_owned())))
}

/// Reads the file from end to end: it must be what was imported. Gives way after each stretch: it may be large, and on
/// a slow disk.
async fn prove(path: PathBuf, original: &Original, stop: &Stop) -> std::result::Result<Proven, Refused> {
    let absent = |error: &io::Error| {
        Refused::Absent(format!("{} cannot be read: {error}; connect its disk or folder", path.display()))
    };
    let changed = || {
        let path = path.display();
        Refused::Changed(format!("{path} is no longer the file that was imported; import it again"))
    };
    let file = open_plain(&path).map_err(|error| absent(&error))?;
    let metadata = file.metadata().map_err(|error| absent(&error))?;
    if !metadata.is_file() || metadata.len() != original.size_bytes {
        return Err(changed());
    }
    let (mut whole, mut part) = (Sha256::new(), Sha256::new());
    let (mut parts, mut at) = (Vec::new(), 0_u64);
    let mut stretch = vec![0; STRETCH_BYTES];
    while at < original.size_bytes {
        if stop.is_asked() {
            return Err(Refused::Stopped);
        }
        give_way().await;
        // No stretch crosses the end of a part.
        let left = (original.size_bytes - at).min(PART_LEN - at % PART_LEN).min(STRETCH_BYTES as u64);
        let stretch = stretch.get_mut(..usize::try_from(left).unwrap_or(STRETCH_BYTES)).unwrap_or_default();
        match file.read_exact_at(stretch, at) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(changed()),
            Err(error) => return Err(absent(&error)),
        }
        whole.update(stretch);
        part.update(stretch);
        at += left;
        if at % PART_LEN == 0 {
            parts.push(std::mem::replace(&mut part, Sha256::new()).finish());
        }
    }
    parts.push(part.finish());
    if ContentHash::from_bytes(whole.finish()) != original.content {
        return Err(changed());
    }
    Ok(Proven { file, path, parts })
}

/// Reads one part once more, and seals it if it is still what was hashed.
fn seal(
    here: &mut Here<'_>,
    going: &Going,
    proven: &Proven,
    number: u32,
    part: &PartRef,
) -> std::result::Result<PartJob, String> {
    let original = &going.original;
    let start = u64::from(number) * PART_LEN;
    let length = original.size_bytes.saturating_sub(start).min(PART_LEN);
    let mut plain = vec![0; usize::try_from(length).unwrap_or_default()];
    proven
        .file
        .read_exact_at(&mut plain, start)
        .map_err(|error| format!("{} cannot be read: {error}", proven.path.display()))?;
    let mut hasher = Sha256::new();
    hasher.update(&plain);
    if proven.parts.get(number as usize) != Some(&hasher.finish()) {
        return Err(format!(
            "{} changed while it was being sealed; it is tried again",
            proven.path.display()
        ));
    }
    let logical = names::original(&part.name);
    let context = ObjectContext::original_part(here.library(), &logical, number, original.size_bytes);
    let object = safelight_crypto::seal(Kind::OriginalPart, &going.epoch, &context, &plain, here.entropy)
        .map_err(|error| error.to_string())?;
    drop(plain);
    let header = object.as_bytes().first_chunk::<HEADER_LEN>().copied().ok_or("it is too short")?;
    let sealed = Sealed::from(object);
    if sealed.length_bytes() != part.sealed_bytes {
        return Err("history names another size for its parts".to_owned());
    }
    let (content, size_bytes) = (original.content, original.size_bytes);
    let (generations, may_be_there) = (Vec::new(), false);
    Ok(PartJob { content, part: *part, number, size_bytes, sealed, header, generations, may_be_there })
}

fn fail(
    here: &mut Here<'_>,
    at: &RemotePlace,
    original: &Original,
    reason: &str,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    here.device.fail_original(at.id, &original.content, reason, here.now_millis())?;
    let object = original.source.display();
    here.note(problems, Problem::Damaged { object, reason: reason.to_owned() });
    Ok(())
}

/// Whether a linked original can be sent from here: its file is where it was, or another one in which its content was
/// found.
pub(crate) fn is_linked_here(here: &Here<'_>, original: &Original) -> Result<bool> {
    if original.storage != Storage::Linked {
        return Ok(false);
    }
    let Some(linked) = linked_path(here, original) else { return Ok(false) };
    Ok(linked.exists() || linked_files(here, original)?.iter().any(|path| path.exists()))
}

#[cfg(test)]
mod tests {
    use safelight_crypto::{DeviceId, EpochId};
    use safelight_model::SourcePath;

    use super::*;

    fn linked(content: &[u8]) -> Original {
        Original {
            content: ContentHash::of(content),
            size_bytes: content.len() as u64,
            media_type: "image/jpeg".into(),
            epoch: EpochId::from_bytes([0; 16]),
            parts: Vec::new(),
            storage: Storage::Linked,
            source: SourcePath {
                device: DeviceId::from_bytes([1; 16]),
                root: b"/photos".to_vec(),
                relative: b"one.jpg".to_vec(),
            },
            modified_millis: 0,
            unread: Default::default(),
        }
    }

    /// Polls once and again until it is ready; answers how often it gave way.
    fn run<T>(work: impl Future<Output = T>, mut each: impl FnMut(usize)) -> T {
        let mut work = std::pin::pin!(work);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for round in 0.. {
            if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
                return done;
            }
            each(round);
        }
        unreachable!("rounds do not end");
    }

    #[test]
    fn a_large_linked_file_is_read_in_stretches_and_stops_between_two() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.jpg");
        let content = vec![7; 5 * STRETCH_BYTES];
        std::fs::write(&path, &content).unwrap();
        let original = linked(&content);
        let mut rounds = 0;
        let stop = Stop::default();
        let proven = run(prove(path.clone(), &original, &stop), |_| rounds += 1);
        assert!(proven.is_ok_and(|proven| proven.parts.len() == 1));
        assert_eq!(rounds, 5);

        let mut last = 0;
        let stopped = run(prove(path, &original, &stop), |round| {
            last = round;
            if round == 1 {
                stop.ask();
            }
        });
        assert!(matches!(stopped, Err(Refused::Stopped)));
        assert_eq!(last, 1, "nothing is read behind the stretch in which somebody wants to stop");
    }

    #[test]
    fn a_pipe_in_the_place_of_a_linked_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.jpg");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        let proven = run(prove(path, &linked(b""), &Stop::default()), |_| ());
        assert!(matches!(proven, Err(Refused::Changed(_))));
    }
}
