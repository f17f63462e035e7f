//! Reading checkpoints: choosing one to begin with, and taking its pages in, newest first.
//!
//! A root is believed when a device signed it that the statements — its own, and those of everything later that the
//! place shows — name as active, lapsed or retired. What it says stays provisional until the ops have proven it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::iter;
use safelight_catalog::Proof;
use safelight_crypto::{DeviceId, Epoch, LibraryId, ObjectName, Roster, Standing, Statement};
use safelight_model::FOLD_VERSION;
use safelight_model::checkpoint::{Checkpoint, MAX_ROOT_BYTES, OpenedCheckpoint, Page, PageRef};
use safelight_model::history::{SealedSegment, Tip};
use safelight_store::{Area, SealedRemote, StoreError};

use super::{path_of_page, path_of_root};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::{Inbox, fetch_segments};
use crate::problem::{Problem, Transfer};

/// Roots that are looked at.
const MOST_ROOTS: usize = 4;
/// Names that are looked at to find the newest; a listing may be made up.
const MOST_NAMES: usize = 4096;
/// Pages that are fetched at once; each is held in memory.
const CONCURRENCY: usize = 8;
/// Entries of photos that make a first page: an asset and its content each.
const FIRST_ENTRIES: u32 = 400;
/// Pages that are fetched at once before anything is shown, and about how many bytes.
const MOST_FIRST_PAGES: usize = 32;
const FIRST_BYTES: u64 = 24 << 20;
/// Segments behind the checkpoint that are folded ahead.
const MOST_AHEAD: usize = 256;

/// A checkpoint to begin with, with its first pages and what came after it.
#[derive(Debug)]
pub(crate) struct Beginning {
    signer: DeviceId,
    checkpoint: Checkpoint,
    pages: Vec<(PageRef, Result<Page, String>)>,
    ahead: Vec<((DeviceId, u32), Bytes)>,
}

/// The names of the newest roots, by the place's clock: a hint of which to look at.
pub(crate) async fn list_roots(store: &SealedRemote) -> Vec<ObjectName> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let Ok(page) = store.list(Area::Checkpoint, after.as_ref()).await else { break };
        for object in page.objects {
            let name = object.key.as_str().strip_prefix("ckpt/").and_then(|name| name.parse().ok());
            found.extend(name.map(|name: ObjectName| (object.modified, name)));
        }
        match page.next {
            Some(next) if found.len() < MOST_NAMES => after = Some(next),
            _ => break,
        }
    }
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().take(MOST_ROOTS).map(|(_, name)| name).collect()
}

/// Gets the roots of these names; to be made beside other requests.
pub(crate) async fn get_roots(store: &SealedRemote, names: Vec<ObjectName>) -> Vec<(ObjectName, Bytes)> {
    let get = |name: ObjectName| async move {
        let bytes = store.get(&path_of_root(&name).ok()?, 2 * MAX_ROOT_BYTES as u64).await.ok()?;
        Some((name, bytes))
    };
    join_all(names.into_iter().map(get)).await.into_iter().flatten().collect()
}

/// The statements in the roots that open under these epochs, each signed for itself.
pub(crate) fn statements_in(
    library: LibraryId,
    epochs: &[Epoch],
    roots: &[(ObjectName, Bytes)],
) -> Vec<Statement> {
    let open = |(name, bytes): &(ObjectName, Bytes)| Checkpoint::open(bytes, library, name, epochs).ok();
    let opened: Vec<OpenedCheckpoint> = roots.iter().filter_map(open).collect();
    let all = opened.iter().flat_map(OpenedCheckpoint::statements);
    all.filter_map(|bytes| Statement::from_bytes(bytes).ok()).collect()
}

/// Chooses the root that covers most, of those that are to be believed as far as the roots themselves tell.
pub(crate) fn choose(
    library: LibraryId,
    epochs: &[Epoch],
    roots: &[(ObjectName, Bytes)],
) -> Option<(DeviceId, Checkpoint)> {
    let open = |(name, bytes): &(ObjectName, Bytes)| Checkpoint::open(bytes, library, name, epochs).ok();
    let opened: Vec<OpenedCheckpoint> = roots.iter().filter_map(open).collect();
    let statements = statements_in(library, epochs, roots);
    let roster = Roster::replay(library, &statements)?;
    let believed = opened.into_iter().filter_map(|root| {
        let signer = root.signer();
        let member = roster.member(&signer).filter(|member| is_believed(member.standing))?;
        Some((signer, root.verify(member.card.verifying_key()).ok()?))
    });
    believed.filter(|(_, root)| root.fold_version == FOLD_VERSION).max_by_key(|(_, root)| {
        let covered: u64 = root.heads.iter().map(|(_, tip)| u64::from(tip.seq.0)).sum();
        (covered, root.written_millis)
    })
}

/// A revoked device may have written anything since.
fn is_believed(standing: Standing) -> bool {
    !matches!(standing, Standing::Revoked { .. })
}

/// Whether what a root covers can be proven: one who left has written nothing since, and whoever stays carries what it had read of
/// others that does not count in their own chains.
fn counts(roster: &Roster, signer: DeviceId, checkpoint: &Checkpoint) -> bool {
    let covered = |device: DeviceId, tip: Tip| match roster.member(&device).map(|member| member.standing) {
        Some(Standing::Retired { last_seq } | Standing::Revoked { last_seq, .. }) => tip.seq.0 <= last_seq,
        Some(Standing::Active | Standing::Lapsed) => true,
        None => false,
    };
    match roster.member(&signer).map(|member| member.standing) {
        Some(Standing::Active | Standing::Lapsed) => true,
        Some(Standing::Retired { .. }) => checkpoint.heads.iter().all(|(device, tip)| covered(device, tip)),
        Some(Standing::Revoked { .. }) | None => false,
    }
}

/// Fetches what is shown first, beside what heads claim to have come after the checkpoint.
pub(crate) async fn fetch_beginning(
    store: &SealedRemote,
    library: LibraryId,
    epochs: &[Epoch],
    (signer, checkpoint): (DeviceId, Checkpoint),
    claims: &BTreeMap<DeviceId, Tip>,
) -> Beginning {
    let mut behind = Vec::new();
    for (device, claim) in claims {
        let from = checkpoint.heads.of(*device).map_or(0, |tip| tip.seq.0);
        behind.extend((from..claim.seq.0).map(|seq| (*device, seq + 1)).take(MOST_AHEAD));
    }
    behind.truncate(MOST_AHEAD);
    let first = first_pages(&checkpoint.pages);
    let pages = iter(
        first.into_iter().map(|page| async move { (page, fetch_page(store, library, epochs, &page).await) }),
    )
    .buffered(MOST_FIRST_PAGES)
    .collect::<Vec<_>>();
    let (pages, ahead) = futures_util::future::join(pages, fetch_segments(store, &behind)).await;
    let pages = pages.into_iter().filter_map(|(page, result)| Some((page, result.ok()?))).collect();
    let ahead = ahead.into_iter().filter_map(|(name, result)| Some((name, result.ok()?))).collect();
    Beginning { signer, checkpoint, pages, ahead }
}

/// Packs and records, then the newest photos.
fn first_pages(pages: &[PageRef]) -> Vec<PageRef> {
    let (mut photos, mut first): (Vec<PageRef>, Vec<PageRef>) =
        pages.iter().copied().partition(|page| page.bucket.holds_photos());
    photos.sort_by_key(|page| std::cmp::Reverse((page.bucket, page.sha256)));
    let (mut entries, mut bytes) = (0, 0);
    for page in photos {
        if entries >= FIRST_ENTRIES || bytes >= FIRST_BYTES {
            break;
        }
        entries += page.entries;
        bytes += u64::from(page.body_bytes);
        first.push(page);
    }
    first.truncate(MOST_FIRST_PAGES);
    first
}

/// Gets a page and opens it; what is wrong with it in words, what the place answers as an error.
async fn fetch_page(
    store: &SealedRemote,
    library: LibraryId,
    epochs: &[Epoch],
    page: &PageRef,
) -> Result<Result<Page, String>, StoreError> {
    let Some(epoch) = epochs.iter().find(|epoch| epoch.id() == page.epoch) else {
        return Ok(Err("it is sealed under an epoch for which this device has no key".to_owned()));
    };
    let name = epoch.naming_key().page(&page.sha256);
    let Ok(path) = path_of_page(&name) else { return Ok(Err("it has no name".to_owned())) };
    match store.get(&path, page.most_sealed_bytes()).await {
        Ok(bytes) => Ok(Page::open(&bytes, library, &name, page, epochs).map_err(|error| error.to_string())),
        Err(StoreError::NotFound { .. }) => Ok(Err("it is missing".to_owned())),
        Err(StoreError::TooLarge { .. } | StoreError::Damaged { .. }) => {
            Ok(Err("it is longer than its root says, or cannot be read".to_owned()))
        }
        Err(error) => Err(error),
    }
}

impl Beginning {
    /// The statements that it carries, each signed for itself.
    pub(crate) fn statements(&self) -> &[Vec<u8>] {
        &self.checkpoint.statements
    }

    /// What lies behind it in the place, for the statements in it.
    pub(crate) fn ahead(&self) -> impl Iterator<Item = ((DeviceId, u32), Bytes)> {
        self.ahead.iter().map(|(name, bytes)| (*name, bytes.clone()))
    }

    /// Takes it into an empty catalogue: what it says, its first pages, and what came after it. False if it is not
    /// to be believed after all; then nothing is taken in.
    pub(crate) fn take_in(
        self,
        here: &mut Here<'_>,
        inbox: &Inbox,
        problems: &mut Vec<Problem>,
    ) -> Result<bool> {
        let is_believed = inbox.roster().is_some_and(|roster| counts(roster, self.signer, &self.checkpoint));
        if !is_believed || !here.catalog.begin_with(self.signer, &self.checkpoint)? {
            return Ok(false);
        }
        for (expected, page) in self.pages {
            take_page(here, &expected, page, problems)?;
        }
        let mut tips: BTreeMap<DeviceId, Tip> = self.checkpoint.heads.iter().collect();
        let mut stopped = BTreeSet::new();
        for ((device, seq), bytes) in self.ahead {
            if stopped.contains(&device) {
                continue;
            }
            let tip = tips.get(&device).copied().unwrap_or_default();
            match next_segment(here, inbox, device, seq, tip, &bytes) {
                Some(segment) => {
                    here.catalog.fold_ahead(&segment)?;
                    tips.insert(device, segment.clear().tip());
                }
                // What is wrong with it is named when its chain is read.
                None => drop(stopped.insert(device)),
            }
        }
        Ok(true)
    }
}

/// The segment in these bytes, if it is the next of its device's chain and to be believed.
fn next_segment(
    here: &Here<'_>,
    inbox: &Inbox,
    device: DeviceId,
    seq: u32,
    tip: Tip,
    bytes: &[u8],
) -> Option<safelight_model::Segment> {
    let member = inbox.roster()?.member(&device)?;
    if let Standing::Retired { last_seq } | Standing::Revoked { last_seq, .. } = member.standing
        && seq > last_seq
    {
        return None;
    }
    let sealed = SealedSegment::parse(bytes).ok()?;
    let clear = *sealed.clear();
    let is_next =
        clear.device == device && clear.seq.0 == seq && seq == tip.seq.0 + 1 && clear.prev == tip.root;
    if !is_next {
        return None;
    }
    sealed.verify(here.library(), member.card.verifying_key()).ok()?.open(here.keys.keyring()).ok()
}

fn take_page(
    here: &mut Here<'_>,
    expected: &PageRef,
    page: Result<Page, String>,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let taken = match page {
        Ok(page) => here.catalog.take_page(expected, &page).map_err(|error| error.to_string()),
        Err(reason) => Err(reason),
    };
    if let Err(reason) = taken {
        let epoch = here.keys.keyring().epoch_by_id(&expected.epoch);
        let object = match epoch {
            Some(epoch) => path_of_page(&epoch.naming_key().page(&expected.sha256))?.to_string(),
            None => "a page of the checkpoint".to_owned(),
        };
        here.note(problems, Problem::Damaged { object, reason });
        here.catalog.give_up_page(expected)?;
    }
    Ok(())
}

/// Takes in the pages of the checkpoint that this device began with and that still wait, newest photos first. Dropped or
/// killed at any moment it goes on from there.
///
/// # Errors
/// What the place and the databases answer; a page that is not right is named, and its ops come with the log.
pub async fn take_waiting_pages(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<u64> {
    let waiting = here.catalog.waiting_pages()?;
    let (library, epochs) = (here.library(), here.keys.keyring().epochs().to_vec());
    let (store, epochs) = (&at.store, epochs.as_slice());
    let requests = waiting
        .into_iter()
        .map(|page| async move { (page, fetch_page(store, library, epochs, &page).await) });
    let mut fetched = iter(requests).buffered(CONCURRENCY);
    let mut count = 0;
    while let Some((expected, page)) = fetched.next().await {
        here.stop.check()?;
        take_page(here, &expected, page?, problems)?;
        here.monitor.advance(Transfer::PageTaken, u64::from(expected.body_bytes));
        count += 1;
    }
    Ok(count)
}

/// After history was read: compares what this device began with with what the ops say, and names what is withheld of
/// what it covers.
pub(crate) fn hold_to_beginning(here: &mut Here<'_>, problems: &mut Vec<Problem>) -> Result<()> {
    let Some(begun) = here.catalog.begun_with()? else { return Ok(()) };
    match here.catalog.prove_beginning()? {
        Proof::Nothing | Proof::Right => {}
        Proof::Wrong(things) => {
            here.note(problems, Problem::WrongCheckpoint { signer: begun.signer, things });
        }
        Proof::Waits => {
            for (device, head) in begun.heads.iter() {
                let tip = here.catalog.tip(device)?;
                if tip.seq < head.seq && !here.catalog.is_carried(device, head)? {
                    let (seq, named_by) = (tip.seq.0 + 1, "the checkpoint".to_owned());
                    here.note(problems, Problem::Withheld { device, seq, until: head, named_by });
                }
            }
        }
    }
    Ok(())
}
