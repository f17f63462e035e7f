//! Whether the checkpoints of a place are there and whole.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use safelight_catalog::HowKnown;
use safelight_crypto::{Fault, ObjectName};
use safelight_model::ModelError;
use safelight_model::checkpoint::{Checkpoint, MAX_ROOT_BYTES, Page, PageRef};
use safelight_store::{Area, ObjectPath, StoreError};

use super::read::{choose, list_roots};
use super::write::write_now;
use super::{path_of_page, path_of_root};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::place::is_the_known_place;
use crate::problem::{Problem, Transfer};
use crate::verify::VerifyReport;

/// What was found wrong with checkpoints: the next one puts pages again, and makes roots unneeded.
pub(crate) type WrongCheckpoints = BTreeMap<String, WrongCheckpoint>;

/// What is wrong with a root or a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrongCheckpoint {
    /// In a word.
    was: &'static str,
    /// Whether it is a root that nobody can open any more, and that a later version could not either.
    is_dead_root: bool,
}

/// Replicas that are looked at between two questions whether to stop.
const AT_ONCE: usize = 1000;

/// Looks for roots and pages that this device knows to have been put. One that is gone, or of another size, is named and
/// forgotten, so that the next checkpoint puts it again.
pub(crate) async fn forget_missing(
    here: &mut Here<'_>,
    at: &RemotePlace,
    report: &mut VerifyReport,
) -> Result<()> {
    for area in [Area::Checkpoint, Area::Page] {
        let Some(listed) = list(at, area).await? else { continue };
        let (prefix, mut after) = (format!("{}/", area.as_str()), String::new());
        loop {
            here.stop.check()?;
            let replicas = here.device.replicas_after(at.id, &prefix, &after, AT_ONCE)?;
            let Some(last) = replicas.last() else { break };
            after.clone_from(&last.object);
            for replica in replicas {
                report.expected_objects += 1;
                let found = match listed.get(&replica.object) {
                    Some(length) => Some(*length),
                    // Listings may be stale.
                    None => length_of(at, &replica.object).await?,
                };
                let object = replica.object.clone();
                let problem = match found {
                    Some(length) if length == replica.sealed_bytes => {
                        report.present_objects += 1;
                        continue;
                    }
                    Some(length) => {
                        let reason = format!("it has {length} bytes instead of {}", replica.sealed_bytes);
                        Problem::Damaged { object, reason }
                    }
                    None => Problem::Missing { object },
                };
                // It was whole under this name once.
                let is_dead_root = area == Area::Checkpoint && matches!(problem, Problem::Damaged { .. });
                name_wrong(here, at, problem, is_dead_root, report)?;
            }
        }
    }
    Ok(())
}

/// Opens what a device that joins now would begin with: the newest roots, and every page of the one that it would choose.
/// What does not open is named and forgotten.
pub(crate) async fn open_newest(
    here: &mut Here<'_>,
    at: &RemotePlace,
    report: &mut VerifyReport,
) -> Result<()> {
    let (library, epochs) = (here.library(), here.keys.keyring().epochs().to_vec());
    let mut roots = Vec::new();
    for name in list_roots(&at.store).await {
        here.stop.check()?;
        let path = path_of_root(&name)?;
        if is_named(report, &path) {
            continue;
        }
        let open = |bytes: &Bytes| Checkpoint::open(bytes, library, &name, epochs.as_slice()).map(drop);
        match get_whole(at, &path, 2 * MAX_ROOT_BYTES as u64, open).await? {
            Some(Ok(bytes)) => {
                prove(here, at, &path, bytes.len() as u64, report)?;
                roots.push((name, bytes));
            }
            // It is of a time that this device has not heard of yet.
            Some(Err(Wrong::Opening(error))) if fault(&error).is_some_and(is_unknown_key) => {}
            Some(Err(wrong)) => {
                // What was whole under this name once is no root of a later version.
                let was_whole = here.device.replica(at.id, path.as_str())?.is_some();
                let is_dead = was_whole || wrong.is_beyond_any_version();
                let problem = Problem::Damaged { object: path.to_string(), reason: wrong.to_string() };
                name_wrong(here, at, problem, is_dead, report)?;
            }
            None => {}
        }
    }
    let Some((_, checkpoint)) = choose(library, &epochs, &roots) else {
        // Nothing says which pages count: whoever writes the next checkpoint looks at each that it finds.
        return if report.wrong.checkpoints.is_empty() { Ok(()) } else { forget_pages(here, at) };
    };
    drop(roots);
    for page in &checkpoint.pages {
        here.stop.check()?;
        let Some(epoch) = epochs.iter().find(|epoch| epoch.id() == page.epoch) else { continue };
        let name = epoch.naming_key().page(&page.sha256);
        let path = path_of_page(&name)?;
        if is_named(report, &path) {
            continue;
        }
        let problem =
            match get_whole(at, &path, page.most_sealed_bytes(), opens(library, &name, page, &epochs)).await?
            {
                Some(Ok(bytes)) => {
                    prove(here, at, &path, bytes.len() as u64, report)?;
                    continue;
                }
                Some(Err(wrong)) => Problem::Damaged { object: path.to_string(), reason: wrong.to_string() },
                None => Problem::Missing { object: path.to_string() },
            };
        name_wrong(here, at, problem, false, report)?;
    }
    Ok(())
}

/// Writes a checkpoint because one was found damaged or incomplete; what it makes whole or unneeded is named as repaired.
///
/// # Errors
/// Those of the databases; what the place answers leaves it to the next verification.
pub(crate) async fn write_again(
    here: &mut Here<'_>,
    at: &RemotePlace,
    wrong: &WrongCheckpoints,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    if wrong.is_empty() || write_now(here, at).await?.is_none() {
        return Ok(());
    }
    for (object, WrongCheckpoint { was, is_dead_root }) in wrong {
        let path = ObjectPath::parse(object).map_err(StoreError::from)?;
        let is_mended = match path.area() {
            // It was put again, or the new root needs it no more.
            Area::Page => true,
            _ if here.device.replica(at.id, object)?.is_some() => true,
            // Another took its place: what nobody can open is in the way of whoever looks.
            // Nothing is deleted in a place that may be another one.
            _ if *is_dead_root && is_the_known_place(here, at).await? => match at.store.delete(&path).await {
                Ok(()) => true,
                Err(error) => {
                    tracing::info!(%error, object, "a root that opens for nobody stays");
                    false
                }
            },
            _ => *was == MISSING,
        };
        if is_mended {
            here.note(problems, Problem::Repaired { object: object.clone(), was });
        }
    }
    Ok(())
}

const MISSING: &str = "missing";

fn forget_pages(here: &mut Here<'_>, at: &RemotePlace) -> Result<()> {
    let prefix = format!("{}/", Area::Page.as_str());
    loop {
        let replicas = here.device.replicas_after(at.id, &prefix, "", AT_ONCE)?;
        if replicas.is_empty() {
            return Ok(());
        }
        here.device.forget_replicas(at.id, replicas.iter().map(|replica| replica.object.as_str()))?;
    }
}

/// Names what is wrong with an object of a checkpoint, and forgets that it is there.
fn name_wrong(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problem: Problem,
    is_dead_root: bool,
    report: &mut VerifyReport,
) -> Result<()> {
    let (object, was) = match &problem {
        Problem::Missing { object } => (object.clone(), MISSING),
        Problem::Damaged { object, .. } => (object.clone(), "damaged"),
        _ => return Ok(()),
    };
    here.note(&mut report.problems, problem);
    here.device.forget_replicas(at.id, [object.as_str()])?;
    report.wrong.checkpoints.insert(object, WrongCheckpoint { was, is_dead_root });
    Ok(())
}

fn is_named(report: &VerifyReport, path: &ObjectPath) -> bool {
    report.wrong.checkpoints.contains_key(path.as_str())
}

/// An object of a checkpoint is there and opens. One that another device put counts as found here from now on.
fn prove(
    here: &mut Here<'_>,
    at: &RemotePlace,
    path: &ObjectPath,
    sealed_bytes: u64,
    report: &mut VerifyReport,
) -> Result<()> {
    if here.device.replica(at.id, path.as_str())?.is_none() {
        report.expected_objects += 1;
        report.present_objects += 1;
    }
    report.proven_objects += 1;
    report.downloaded_bytes += sealed_bytes;
    here.monitor.advance(Transfer::Verified, sealed_bytes);
    here.record_replica(at, path, sealed_bytes, HowKnown::Opened)
}

/// What is wrong with bytes that were got.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error(transparent)]
    Opening(ModelError),
    #[error(transparent)]
    Reading(StoreError),
}

impl Wrong {
    /// Whether no version of this program opens it. What is merely not known may be newer than this one.
    fn is_beyond_any_version(&self) -> bool {
        match self {
            Self::Reading(_) => false,
            Self::Opening(error) => fault(error).is_some_and(|fault| {
                matches!(
                    fault,
                    Fault::WrongContext
                        | Fault::CommitmentMismatch
                        | Fault::SegmentDamaged { .. }
                        | Fault::Truncated
                        | Fault::TrailingBytes
                )
            }),
        }
    }
}

fn fault(error: &ModelError) -> Option<&Fault> {
    match error {
        ModelError::Sealed(error) => error.fault(),
        _ => None,
    }
}

fn is_unknown_key(fault: &Fault) -> bool {
    matches!(fault, Fault::UnknownKey { .. })
}

fn opens(
    library: safelight_crypto::LibraryId,
    name: &ObjectName,
    page: &PageRef,
    epochs: &[safelight_crypto::Epoch],
) -> impl Fn(&Bytes) -> std::result::Result<(), ModelError> {
    move |bytes| Page::open(bytes, library, name, page, epochs).map(drop)
}

/// Gets an object and opens it, twice if need be: what was hurt on its way is whole the second time. Nothing if it is not
/// there.
async fn get_whole(
    at: &RemotePlace,
    path: &ObjectPath,
    most_bytes: u64,
    open: impl Fn(&Bytes) -> std::result::Result<(), ModelError>,
) -> Result<Option<std::result::Result<Bytes, Wrong>>> {
    let look = async || match at.store.get(path, most_bytes).await {
        Ok(bytes) => Ok(Some(open(&bytes).map(|()| bytes).map_err(Wrong::Opening))),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error @ (StoreError::TooLarge { .. } | StoreError::Damaged { .. })) => {
            Ok(Some(Err(Wrong::Reading(error))))
        }
        Err(error) => Err(error),
    };
    match look().await? {
        whole @ Some(Ok(_)) => Ok(whole),
        _ => Ok(look().await?),
    }
}

/// The names and lengths in an area; nothing where the credential may not list.
async fn list(at: &RemotePlace, area: Area) -> Result<Option<HashMap<String, u64>>> {
    let (mut listed, mut after) = (HashMap::new(), None);
    loop {
        let page = match at.store.list(area, after.as_ref()).await {
            Ok(page) => page,
            Err(StoreError::Denied { .. } | StoreError::Unsupported { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        listed.extend(page.objects.iter().map(|one| (one.key.as_str().to_owned(), one.length_bytes)));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(Some(listed)),
        }
    }
}

async fn length_of(at: &RemotePlace, object: &str) -> Result<Option<u64>> {
    let path = ObjectPath::parse(object).map_err(StoreError::from)?;
    match at.store.head(&path).await {
        Ok(info) => Ok(Some(info.length_bytes)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
