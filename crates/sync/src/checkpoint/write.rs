//! Writing a checkpoint, when enough has happened since the last one in this place.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::future::try_join_all;
use safelight_catalog::{HowKnown, PlannedPage};
use safelight_crypto::Standing;
use safelight_model::checkpoint::{Checkpoint, Page, PageRef, SealedPage};
use safelight_store::{ObjectPath, Sealed, SealedRemote, StoreError};

use super::{path_of_page, path_of_root};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::history::{Taken, look_twice, replace_damaged};
use crate::place::place_id;

/// Pages that are put at once; each is held in memory.
const CONCURRENCY: usize = 4;
/// After so long any news is reason enough for the next checkpoint, once there was one.
const MOST_MILLIS: i64 = 30 * 86_400_000;

/// What writing a checkpoint came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WrittenCheckpoint {
    /// Pages that were put.
    pub(crate) sent_pages: u64,
}

/// A page that is in the place now.
struct Put {
    path: ObjectPath,
    sealed_bytes: u64,
    /// Whether it was not there before.
    is_new: bool,
    /// What is to take the place of bad bytes under the name.
    instead: Option<Sealed>,
}

/// Up to where the last checkpoint of this device in a place went.
struct Last {
    catalog: i64,
    ops: u64,
    millis: i64,
}

/// Writes a checkpoint if so many ops were recorded since the last one, and the place holds all history. Whatever the
/// place answers, a sync does not fail by it: the next one tries again.
pub(crate) async fn write_if_due(
    here: &mut Here<'_>,
    at: &RemotePlace,
    after_ops: u64,
) -> Result<Option<WrittenCheckpoint>> {
    if !is_due(here, at, here.catalog.count_ops()?, after_ops)? {
        return Ok(None);
    }
    write_now(here, at).await
}

/// Writes a checkpoint if the place holds all history. Whatever the place answers, nothing fails by it.
pub(crate) async fn write_now(here: &mut Here<'_>, at: &RemotePlace) -> Result<Option<WrittenCheckpoint>> {
    if !is_all_there(here, at)? || !may_write(here)? {
        return Ok(None);
    }
    let ops = here.catalog.count_ops()?;
    match write(here, at).await {
        Ok(Some(written)) => {
            let last = Last { catalog: here.catalog.instance()?, ops, millis: here.now_millis() };
            here.device.set_setting(&setting(at), Some(&last.to_bytes()))?;
            Ok(Some(written))
        }
        Ok(None) => Ok(None),
        Err(SyncError::Store(error)) => {
            tracing::info!(%error, "the checkpoint waits for the next sync");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn setting(at: &RemotePlace) -> String {
    format!("checkpoint.{}", at.id.number())
}

impl Last {
    fn to_bytes(&self) -> Vec<u8> {
        [self.catalog.to_be_bytes(), self.ops.to_be_bytes(), self.millis.to_be_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (catalog, rest) = bytes.split_first_chunk()?;
        let (ops, millis) = rest.split_first_chunk()?;
        Some(Self {
            catalog: i64::from_be_bytes(*catalog),
            ops: u64::from_be_bytes(*ops),
            millis: i64::from_be_bytes(millis.try_into().ok()?),
        })
    }
}

fn is_due(here: &Here<'_>, at: &RemotePlace, ops: u64, after_ops: u64) -> Result<bool> {
    let last = here.device.setting(&setting(at))?.and_then(|bytes| Last::from_bytes(&bytes));
    // A catalogue that was made anew counts its ops anew.
    let instance = here.catalog.instance()?;
    // Its root may have been lost with the place.
    let is_there = !here.device.replicas_after(at.id, "ckpt/", "", 1)?.is_empty();
    let last = last.filter(|last| last.catalog == instance && is_there);
    let Some(last) = last else { return Ok(ops >= after_ops) };
    let new = ops.saturating_sub(last.ops);
    Ok(new >= after_ops.max(1) || (new > 0 && here.now_millis().saturating_sub(last.millis) >= MOST_MILLIS))
}

/// Whether the place is known to hold every segment that is here.
fn is_all_there(here: &Here<'_>, at: &RemotePlace) -> Result<bool> {
    let there: HashMap<_, _> = here.device.remote_heads(at.id)?.into_iter().collect();
    let is_there = |(device, tip): &(_, safelight_model::history::Tip)| {
        there.get(device).is_some_and(|known| known.seq >= tip.seq)
    };
    Ok(here.catalog.tips()?.iter().all(is_there))
}

/// Only an active device's checkpoint is believed.
fn may_write(here: &Here<'_>) -> Result<bool> {
    let own = here.catalog.device();
    let standing = here.roster()?.and_then(|roster| Some(roster.member(&own)?.standing));
    Ok(standing == Some(Standing::Active))
}

async fn write(here: &mut Here<'_>, at: &RemotePlace) -> Result<Option<WrittenCheckpoint>> {
    let Some(plan) = here.catalog.plan_checkpoint()? else { return Ok(None) };
    let mut written = WrittenCheckpoint::default();
    let mut pages = Vec::with_capacity(plan.pages.len());
    let mut missing = Vec::new();
    for planned in &plan.pages {
        match known_page(here, at, planned)? {
            Some(page) => pages.push(page),
            None => missing.push(planned),
        }
    }
    for some in missing.chunks(CONCURRENCY) {
        here.stop.check()?;
        let mut sealed = Vec::with_capacity(some.len());
        for planned in some {
            // Another process changed it meanwhile: this checkpoint is of the past already.
            let Some(page) = here.catalog.checkpoint_page(planned)? else { return Ok(None) };
            let keyring = here.keys.keyring();
            sealed.push(page.seal(keyring.library(), keyring.epoch(), here.entropy)?);
        }
        let library = here.library();
        let epochs = here.keys.keyring().epochs().to_vec();
        let puts = sealed.iter().map(|page| put_page(&at.store, page, library, &epochs));
        for put in try_join_all(puts).await? {
            if let Some(instead) = &put.instead {
                // Nothing is deleted in a place that may be another one.
                if place_id(here, at, &mut Vec::new()).await?.is_none() {
                    return Ok(None);
                }
                replace_damaged(&at.store, &put.path, instead).await?;
            }
            here.record_replica(at, &put.path, put.sealed_bytes, HowKnown::Acknowledged)?;
            written.sent_pages += u64::from(put.is_new);
        }
        pages.extend(sealed.iter().map(|page| page.page));
    }
    let root = Checkpoint::new(plan.heads, plan.statements, pages, (here.now)());
    let keyring = here.keys.keyring();
    let (name, bytes) = root.seal(keyring.library(), keyring.device(), keyring.epoch(), here.entropy)?;
    let (path, length) = (path_of_root(&name)?, bytes.len() as u64);
    let Ok(sealed) = Sealed::from_bytes(bytes) else { return Ok(None) };
    match at.store.put(&path, &sealed, None).await {
        Ok(_) => {}
        // This very root was put before, in the same millisecond: it may have been hurt since.
        Err(StoreError::AlreadyExists { .. }) => {
            let (library, epochs) = (here.library(), here.keys.keyring().epochs().to_vec());
            let check = |bytes: &Bytes| {
                let opened = Checkpoint::open(bytes, library, &name, epochs.as_slice());
                opened.map(drop).map_err(|error| error.to_string())
            };
            if let Taken::Bad(_) = look_twice(&at.store, &path, length, check).await? {
                if place_id(here, at, &mut Vec::new()).await?.is_none() {
                    return Ok(None);
                }
                replace_damaged(&at.store, &path, &sealed).await?;
            }
        }
        Err(error) => return Err(error.into()),
    }
    here.record_replica(at, &path, length, HowKnown::Acknowledged)?;
    Ok(Some(written))
}

/// A page that is known to be in the place, under whichever epoch it was sealed.
fn known_page(here: &Here<'_>, at: &RemotePlace, planned: &PlannedPage) -> Result<Option<PageRef>> {
    let keyring = here.keys.keyring();
    let epochs = std::iter::once(keyring.epoch()).chain(keyring.epochs().iter().rev());
    for epoch in epochs {
        let path = path_of_page(&epoch.naming_key().page(&planned.sha256))?;
        if here.device.replica(at.id, path.as_str())?.is_some() {
            return Ok(Some(PageRef {
                bucket: planned.bucket,
                sha256: planned.sha256,
                entries: planned.entries(),
                body_bytes: u32::try_from(planned.body_bytes).unwrap_or(u32::MAX),
                epoch: epoch.id(),
            }));
        }
    }
    Ok(None)
}

/// Puts a page, unless its name is taken: by another device's twin, or by what must make room first.
async fn put_page(
    store: &SealedRemote,
    page: &SealedPage,
    library: safelight_crypto::LibraryId,
    epochs: &[safelight_crypto::Epoch],
) -> Result<Put> {
    let path = path_of_page(&page.name)?;
    let sealed = Sealed::from_bytes(page.bytes.clone()).map_err(|error| SyncError::Unbelievable {
        object: path.to_string(),
        place: "this device".to_owned(),
        reason: error.to_string(),
    })?;
    match store.put(&path, &sealed, None).await {
        Ok(_) => {
            let sealed_bytes = sealed.length_bytes();
            return Ok(Put { path, sealed_bytes, is_new: true, instead: None });
        }
        Err(StoreError::AlreadyExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let check = |bytes: &Bytes| {
        let opened = Page::open(bytes, library, &page.name, &page.page, epochs);
        opened.map(drop).map_err(|error| error.to_string())
    };
    match look_twice(store, &path, page.page.most_sealed_bytes(), check).await? {
        Taken::Good(sealed_bytes) => Ok(Put { path, sealed_bytes, is_new: false, instead: None }),
        Taken::Bad(_) => {
            let sealed_bytes = sealed.length_bytes();
            Ok(Put { path, sealed_bytes, is_new: true, instead: Some(sealed) })
        }
    }
}
