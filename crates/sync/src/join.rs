//! A place and the recovery words become a library on an empty machine.
//!
//! Round trips: the root card beside the names of keys files, heads and checkpoints; the keys files beside the heads and
//! the newest checkpoints; the first pages of the checkpoint beside what came after it, or without one all segments
//! that the heads name. Nothing is believed before the card proved to be that of the words, the statements were
//! replayed from it, and each segment, or the checkpoint, was verified by the keys that they give.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{join, join3, join4};
use futures_util::stream::iter;
use safelight_crypto::{
    Author, DeviceId, Epoch, EpochId, LibraryId, Recipient, RecoveryWords, RootCard, Statement,
    StatementBody, WordsCard, names, open_keys_file, seal_keys_file, sha256,
};
use safelight_model::history::{HeadHint, Tip};
use safelight_model::{OpBody, SegmentSeq};
use safelight_store::{Area, Outcome, Sealed, SealedRemote, StoreError};

use crate::checkpoint::{Beginning, choose, fetch_beginning, get_roots, list_roots};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::history::{
    HEAD_BYTES, HistoryReport, Inbox, fetch_segments, head_path, listed_chains, listed_devices, sync_history,
};
use crate::keys::{SMALL_BYTES, as_sealed, is_announced, path_of};
use crate::problem::Problem;

/// Requests under way at once.
const CONCURRENCY: usize = 8;

/// What the words found in a place: enough to make a keyring, a folder and databases for a new device.
#[derive(Debug)]
#[must_use = "a library is joined only after its history was taken in and the device admitted"]
pub struct Joining {
    /// The library.
    pub library: LibraryId,
    /// The public halves of the words.
    pub words: WordsCard,
    /// All epochs that the words may hold, the newest last.
    pub epochs: Vec<Epoch>,
    card: Bytes,
    files: Vec<(EpochId, Bytes)>,
    segments: Vec<((DeviceId, u32), Bytes)>,
    beginning: Option<Beginning>,
}

impl Joining {
    /// Whether a checkpoint was found to begin with.
    #[must_use]
    pub fn has_checkpoint(&self) -> bool {
        self.beginning.is_some()
    }
}

/// Looks for the library of these words in a place. Nothing is written anywhere.
///
/// # Errors
/// [`SyncError::NoLibrary`] when there is none; [`SyncError::Unbelievable`] when its card or keys are not right.
pub async fn find_library(store: &SealedRemote, words: &RecoveryWords) -> Result<Joining> {
    let id = words.library_id();
    let path = path_of(&names::root_card(&id))?;
    let (card, epochs, (devices, chains), roots) = join4(
        store.get(&path, SMALL_BYTES),
        epochs_with_keys(store, &id),
        join(listed_devices(store), listed_chains(store)),
        list_roots(store),
    )
    .await;
    let card = match card {
        Ok(card) => card,
        Err(StoreError::NotFound { .. }) => {
            return Err(SyncError::NoLibrary { place: store.label().to_owned() });
        }
        Err(error) => return Err(error.into()),
    };
    let unbelievable = |object: &str, reason: String| SyncError::Unbelievable {
        object: object.to_owned(),
        place: store.label().to_owned(),
        reason,
    };
    let opened =
        RootCard::open(&card, &id).map_err(|error| unbelievable(path.as_str(), error.to_string()))?;
    let library = opened.library();
    let chains = chains?;
    // Heads are hints, and some places have none: whoever has segments there is a device as well.
    let mut devices = devices?.unwrap_or_default();
    devices.extend(chains.keys().copied());
    let devices: Vec<DeviceId> = devices.into_iter().collect();
    let recipient = Recipient::Words(id);
    let keys = iter(epochs?)
        .map(|epoch| async move {
            let path = path_of(&names::keys_file(&epoch, &recipient))?;
            Ok::<_, SyncError>((epoch, store.get(&path, SMALL_BYTES).await))
        })
        .buffered(CONCURRENCY)
        .collect::<Vec<_>>();
    let heads = iter(devices.clone())
        .map(|device| async move { (device, get_head(store, device).await) })
        .buffered(CONCURRENCY)
        .collect::<Vec<_>>();
    let (keys, heads, roots) = join3(keys, heads, get_roots(store, roots)).await;
    let mut files = Vec::new();
    let mut epochs: Vec<Epoch> = Vec::new();
    for file in keys {
        let (epoch, bytes) = file?;
        let bytes = bytes?;
        let Ok(found) = open_keys_file(&bytes, library, &epoch, recipient, &words.kem_key()) else {
            continue;
        };
        // The file with the most epochs is the newest: each holds all that came before it.
        if found.len() > epochs.len() {
            epochs = found;
        }
        files.push((epoch, bytes));
    }
    if epochs.is_empty() {
        return Err(unbelievable("keys/", "no keys file opens with these words".to_owned()));
    }
    let claims = claims(library, &epochs, heads, &chains);
    let (mut segments, mut beginning) = (Vec::new(), None);
    match choose(library, &epochs, &roots) {
        Some(chosen) => {
            beginning = Some(fetch_beginning(store, library, &epochs, chosen, &claims).await);
        }
        None => segments = all_segments(store, &claims).await?,
    }
    Ok(Joining { library, words: opened.words().clone(), epochs, card, files, segments, beginning })
}

/// The epochs that have a keys file for these words.
async fn epochs_with_keys(store: &SealedRemote, words: &LibraryId) -> Result<Vec<EpochId>> {
    let mut epochs = BTreeSet::new();
    let mut after = None;
    loop {
        let page = store.list(Area::Keys, after.as_ref()).await?;
        for object in &page.objects {
            let mut parts = object.key.as_str().split('/').skip(1);
            if let (Some(epoch), Some(recipient)) = (parts.next(), parts.next())
                && recipient == words.to_string()
            {
                epochs.extend(epoch.parse::<EpochId>().ok());
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(epochs.into_iter().collect()),
        }
    }
}

async fn get_head(store: &SealedRemote, device: DeviceId) -> Option<Bytes> {
    store.get(&head_path(device).ok()?, HEAD_BYTES).await.ok()
}

/// How far each listed device's chain goes, as its head says; a head that cannot be read says that there is one
/// segment. Nothing is believed for it.
fn claims(
    library: LibraryId,
    epochs: &[Epoch],
    heads: Vec<(DeviceId, Option<Bytes>)>,
    chains: &BTreeMap<DeviceId, u32>,
) -> BTreeMap<DeviceId, Tip> {
    let claim = |(device, head): (DeviceId, Option<Bytes>)| {
        let hint = head.and_then(|bytes| HeadHint::open(&bytes, library, device, epochs).ok());
        // Without a head what is listed says how far to ask.
        let listed = || chains.get(&device).copied().unwrap_or_default();
        let mut tip = hint.map(|hint| hint.claimed()).unwrap_or_default();
        if tip.seq.0 == 0 {
            tip.seq.0 = listed().max(1);
        }
        (device, tip)
    };
    heads.into_iter().map(claim).collect()
}

/// All segments that the heads speak of, beside each other. What is missing or later comes with the first sync.
async fn all_segments(
    store: &SealedRemote,
    claims: &BTreeMap<DeviceId, Tip>,
) -> Result<Vec<((DeviceId, u32), Bytes)>> {
    let mut wanted = Vec::new();
    for (device, claim) in claims {
        wanted.extend((1..=claim.seq.0).map(|seq| (*device, seq)));
    }
    let mut segments = Vec::new();
    let mut ended = BTreeSet::new();
    // A claim is not believed further than there are segments.
    for stretch in wanted.chunks(64) {
        let stretch: Vec<_> = stretch.iter().copied().filter(|(device, _)| !ended.contains(device)).collect();
        for ((device, seq), result) in fetch_segments(store, &stretch).await {
            match result {
                Ok(bytes) if !ended.contains(&device) => segments.push(((device, seq), bytes)),
                Ok(_) => {}
                Err(
                    StoreError::NotFound { .. } | StoreError::TooLarge { .. } | StoreError::Damaged { .. },
                ) => {
                    ended.insert(device);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(segments)
}

impl Joining {
    /// Takes the history in, into the empty catalogue of the new device, and keeps the card and the keys files of
    /// the words in its folder.
    ///
    /// # Errors
    /// [`SyncError::NoBirth`] when no statement is the library's birth; [`SyncError::Unbelievable`] when no
    /// statement vouches for the keys.
    pub async fn take_in(self, here: &mut Here<'_>, at: &RemotePlace) -> Result<HistoryReport> {
        let mut report = HistoryReport::default();
        let mut inbox = Inbox::new(here, BTreeMap::new())?;
        for ((device, seq), bytes) in self.segments {
            inbox.push(device, SegmentSeq(seq), bytes);
        }
        if let Some(beginning) = &self.beginning {
            for ((device, seq), bytes) in beginning.ahead() {
                inbox.push(device, SegmentSeq(seq), bytes);
            }
            inbox.harvest(here, beginning.statements());
        }
        inbox.harvest_waiting(here, self.epochs.as_slice());
        let place = || at.store.label().to_owned();
        let roster = inbox.roster().ok_or_else(|| SyncError::NoBirth { place: place() })?;
        let words = Recipient::Words(self.words.id());
        for (epoch, bytes) in &self.files {
            if !is_announced(Some(roster), epoch, &words, &sha256(&[bytes])) {
                return Err(SyncError::Unbelievable {
                    object: names::keys_file(epoch, &words),
                    place: place(),
                    reason: "no statement vouches for it".to_owned(),
                });
            }
        }
        if roster.words().id() != self.words.id() {
            return Err(SyncError::Unbelievable {
                object: names::root_card(&self.words.id()),
                place: place(),
                reason: "these recovery words were replaced by others".to_owned(),
            });
        }
        keep(here, Area::Root, &names::root_card(&self.words.id()), &self.card)?;
        for (epoch, bytes) in &self.files {
            keep(here, Area::Keys, &names::keys_file(epoch, &words), bytes)?;
        }
        if let Some(beginning) = self.beginning {
            // If it is not to be believed after all, all history comes with the first sync.
            report.began_with_checkpoint = beginning.take_in(here, &inbox, &mut report.problems)?;
            return Ok(report);
        }
        inbox.settle(here, &at.store, &mut report).await?;
        inbox.record_heads(here, at)?;
        crate::history::place_waiting(here, &mut report.problems)?;
        Ok(report)
    }
}

fn keep(here: &Here<'_>, area: Area, name: &str, bytes: &Bytes) -> Result<()> {
    let Some(sealed) = as_sealed(area, bytes) else { return Ok(()) };
    if here.place.put_new(&path_of(name)?, &sealed)? == Outcome::Existed {
        tracing::debug!(name, "it was in the folder already");
    }
    Ok(())
}

/// Admits this device by the words, gives it a keys file, and publishes both as its first segment, after all history
/// was read.
///
/// # Errors
/// As [`prepare_admission`]; what the place and the databases answer.
pub async fn admit_by_words(
    here: &mut Here<'_>,
    at: &RemotePlace,
    words: &RecoveryWords,
) -> Result<HistoryReport> {
    prepare_admission(here, at, words).await?;
    let mut problems: Vec<Problem> = Vec::new();
    crate::keys::send_keys(here, at, &mut problems).await?;
    let mut report = sync_history(here, at).await?;
    report.problems.extend(problems);
    Ok(report)
}

/// Admits this device by the words and gives it a keys file; both wait in the catalogue and the folder for the next
/// sync, which publishes them.
///
/// # Errors
/// [`SyncError::NoBirth`] when the place holds no beginning of the history; [`SyncError::NeedsNewerVersion`].
pub async fn prepare_admission(here: &mut Here<'_>, at: &RemotePlace, words: &RecoveryWords) -> Result<()> {
    let no_birth = || SyncError::NoBirth { place: at.store.label().to_owned() };
    if here.roster()?.is_none() {
        // The checkpoint that was found is not to be believed.
        sync_history(here, at).await?;
    }
    let roster = here.roster()?.ok_or_else(no_birth)?;
    if let Some(feature) = crate::here::newer_version_needed(&roster) {
        return Err(SyncError::NeedsNewerVersion { feature });
    }
    let keyring = here.keys.keyring().clone();
    let (library, device) = (keyring.library(), keyring.device());
    let mut bodies = Vec::new();
    let mut heads = roster.heads();
    if roster.member(&device.id()).is_none() {
        let body = StatementBody::Admit(device.card().clone());
        let admit = Statement::sign(Author::Words(words), library, (here.now)(), &heads, &body)?;
        heads = vec![admit.id()];
        bodies.push(OpBody::Statement(admit.as_bytes().to_vec()));
    }
    let epoch = roster.sealing_epoch().map_or(keyring.epoch().id(), |announced| announced.epoch);
    let recipient = Recipient::Device(device.id());
    let is_recipient = roster
        .epochs()
        .iter()
        .any(|announced| announced.epoch == epoch && announced.files.contains_key(&recipient));
    if !is_recipient {
        // The epoch that is named comes last, as in every keys file.
        let mut epochs = keyring.epochs().to_vec();
        epochs.sort_by_key(|known| known.id() == epoch);
        let sealed = seal_keys_file(library, &epochs, recipient, device.card().kem_public(), here.entropy)?;
        let files = vec![(recipient, sha256(&[sealed.as_bytes()]))];
        let path = path_of(&names::keys_file(&epoch, &recipient))?;
        if here.place.put_new(&path, &Sealed::from(sealed))? == Outcome::Existed {
            // A join that was killed here: what is there was never announced and never leaves.
            here.place.remove_object(&path)?;
            return Err(SyncError::Keys { reason: "an unfinished join was cleared: join again".to_owned() });
        }
        let body = StatementBody::Epoch { epoch, files };
        let announce = Statement::sign(Author::Words(words), library, (here.now)(), &heads, &body)?;
        bodies.push(OpBody::Statement(announce.as_bytes().to_vec()));
    }
    if !bodies.is_empty() {
        let now = (here.now)();
        here.catalog.append(now, bodies)?;
    }
    Ok(())
}
