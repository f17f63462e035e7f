//! A place and the recovery words become a library on an empty machine.
//!
//! Round trips: the root card beside the names of keys files, heads and checkpoints; the keys files beside the heads and
//! the newest checkpoints; the first pages of the checkpoint beside what came after it, or without one all segments
//! that the heads name. Nothing is believed before the card proved to be that of the words, the statements were
//! replayed from it, and each segment, or the checkpoint, was verified by the keys that they give.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{join, join3, join4};
use futures_util::stream::iter;
use safelight_crypto::{
    Author, DeviceId, Epoch, EpochId, KemSecret, LibraryId, ObjectName, Offer, Recipient, RecoveryWords,
    RootCard, Roster, Statement, StatementBody, Welcome, WordsCard, names, open_keys_file, seal_keys_file,
    sha256,
};
use safelight_model::history::{HeadHint, SealedSegment, Tip};
use safelight_model::{OpBody, SegmentSeq};
use safelight_store::{Area, Outcome, Sealed, SealedRemote, StoreError};

use crate::checkpoint::{Beginning, choose, fetch_beginning, get_roots, list_roots, statements_in};
use crate::epochs::newest_held;
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::history::{
    HEAD_BYTES, HistoryReport, Inbox, fetch_segments, head_path, listed_chains, listed_devices, sync_history,
};
use crate::keys::{SMALL_BYTES, as_sealed, is_announced, listed_keys, path_of};
use crate::pairing::{Asking, PairingRefusal, not_for_us};
use crate::problem::Problem;
use crate::words::require_in_force;

/// Requests under way at once.
const CONCURRENCY: usize = 8;
/// Segments of a history without a checkpoint that are kept in memory until there is a library to take them in.
const MOST_KEPT_BYTES: usize = 64 << 20;
/// Segments that are asked for before it is known whether there are any.
const STRETCH: usize = 64;

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
    recipient: Recipient,
    card: Bytes,
    files: Vec<(EpochId, Bytes)>,
    problems: Vec<Problem>,
    segments: Vec<((DeviceId, u32), Bytes)>,
    /// Whether those are all that were found.
    has_all: bool,
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
/// [`SyncError::NoLibrary`] when there is none; [`SyncError::WordsReplaced`] when others are in force;
/// [`SyncError::Unbelievable`] when its card is not right, or no keys file opens that a statement vouches for.
pub async fn find_library(store: &SealedRemote, words: &RecoveryWords) -> Result<Joining> {
    let id = words.library_id();
    find(store, &id, Recipient::Words(id), &words.kem_key(), None).await
}

/// The same for a device that was let in by another one: it finds what its own keys file opens.
///
/// # Errors
/// As [`find_library`]; [`PairingRefusal::InviterLeft`] when the device that invited does not belong to the library,
/// [`PairingRefusal::NotForUs`] when the library there is another one, or the keys file not that of the welcome.
pub async fn find_library_as(store: &SealedRemote, asking: &Asking, welcome: &Welcome) -> Result<Joining> {
    let (offer, device) = (asking.offer(), asking.device());
    let recipient = Recipient::Device(device.id());
    find(store, &offer.words, recipient, device.kem_secret(), Some((offer, welcome))).await
}

async fn find(
    store: &SealedRemote,
    id: &LibraryId,
    recipient: Recipient,
    key: &KemSecret,
    invited: Option<(&Offer, &Welcome)>,
) -> Result<Joining> {
    let path = path_of(&names::root_card(id))?;
    let listed_as = recipient.to_string();
    let (card, listed, (devices, chains), roots) = join4(
        store.get(&path, SMALL_BYTES),
        listed_keys(store, &listed_as),
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
    let opened =
        RootCard::open(&card, id).map_err(|error| unbelievable(store, path.as_str(), error.to_string()))?;
    let library = opened.library();
    if invited.is_some_and(|(offer, _)| offer.library != library) {
        return Err(not_for_us(store.label(), path.to_string(), "it is of another library".to_owned()));
    }
    let chains = chains?;
    // Heads are hints, and some places have none: whoever has segments there is a device as well.
    let mut devices = devices?.unwrap_or_default();
    devices.extend(chains.keys().copied());
    let devices: Vec<DeviceId> = devices.into_iter().collect();
    let listed = listed?;
    let keys = iter(listed.own)
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
    let mut found = FoundKeys::open(store, library, recipient, key, keys)?;
    let claims = found.claims(heads, &chains);
    found.harvest_roots(&roots);
    let (mut segments, mut beginning) = (Segments { kept: Vec::new(), is_all: true }, None);
    let believed = found.believed();
    if let Some(chosen) = choose(library, &believed, &roots) {
        let begun = fetch_beginning(store, library, &believed, chosen, &claims).await;
        let ahead: Vec<Bytes> = begun.ahead().map(|(_, bytes)| bytes).collect();
        found.harvest_segments(ahead.iter());
        beginning = Some(begun);
    }
    // Whoever speaks for a keys file may have done so further on than a checkpoint and the next segments; and of an epoch
    // that these words do not open it may be said there that others are in force.
    let is_told_less = invited.is_none() && listed.all.iter().any(|epoch| !found.holds(epoch));
    if beginning.is_none() || found.strange().next().is_some() || is_told_less {
        beginning = None;
        segments = all_segments(store, &claims, &mut found).await?;
    }
    match invited {
        Some((offer, welcome)) => found.require_invited(store, offer, welcome)?,
        None => found.roster.iter().try_for_each(|roster| require_in_force(roster, id, store.label()))?,
    }
    let (epochs, files, problems) = found.settle(store)?;
    let words = opened.words().clone();
    let Segments { kept, is_all } = segments;
    Ok(Joining {
        library,
        words,
        epochs,
        recipient,
        card,
        files,
        problems,
        segments: kept,
        has_all: is_all,
        beginning,
    })
}

/// A keys file that opens with the words. Whoever may write to the place may have put it there.
struct KeysFile {
    epoch: EpochId,
    bytes: Bytes,
    epochs: Vec<Epoch>,
}

/// The keys files that open, and the statements that were found with what is in them: those tell which of the files
/// count. Until then each is tried by itself, so that none stands in the light of another.
struct FoundKeys {
    library: LibraryId,
    recipient: Recipient,
    files: Vec<KeysFile>,
    statements: Vec<Statement>,
    roster: Option<Roster>,
    problems: Vec<Problem>,
}

impl FoundKeys {
    /// Opens all that open, and takes note of the others.
    fn open(
        store: &SealedRemote,
        library: LibraryId,
        recipient: Recipient,
        key: &KemSecret,
        got: Vec<Result<(EpochId, Result<Bytes, StoreError>)>>,
    ) -> Result<Self> {
        let (mut files, mut problems, mut refused) = (Vec::<KeysFile>::new(), Vec::new(), None);
        for file in got {
            let (epoch, bytes) = file?;
            let object = names::keys_file(&epoch, &recipient);
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(error) if error.is_transient() || matches!(error, StoreError::Vanished { .. }) => {
                    return Err(error.into());
                }
                Err(error) => {
                    problems.push(Problem::Damaged { object, reason: error.to_string() });
                    refused.get_or_insert(error);
                    continue;
                }
            };
            match open_keys_file(&bytes, library, &epoch, recipient, key) {
                Ok(epochs) => files.push(KeysFile { epoch, bytes, epochs }),
                Err(error) => problems.push(Problem::Damaged { object, reason: error.to_string() }),
            }
        }
        // Each holds all that came before it: the one with most opens most.
        files.sort_by_key(|file| std::cmp::Reverse(file.epochs.len()));
        match (files.is_empty(), refused) {
            (false, _) => {
                Ok(Self { library, recipient, files, statements: Vec::new(), roster: None, problems })
            }
            (true, Some(error)) => Err(error.into()),
            (true, None) => {
                let whom = match recipient {
                    Recipient::Words(_) => "with these words",
                    Recipient::Device(_) => "for this device",
                };
                Err(unbelievable(store, "keys/", format!("no keys file opens {whom}")))
            }
        }
    }

    /// How far each listed device's chain goes, as its head says; a head that cannot be read says that there is one
    /// segment. Nothing is believed for it.
    fn claims(
        &self,
        heads: Vec<(DeviceId, Option<Bytes>)>,
        chains: &BTreeMap<DeviceId, u32>,
    ) -> BTreeMap<DeviceId, Tip> {
        let claim = |(device, head): (DeviceId, Option<Bytes>)| {
            let open = |file: &KeysFile| {
                let hint =
                    HeadHint::open(head.as_deref()?, self.library, device, file.epochs.as_slice()).ok()?;
                Some(hint.claimed())
            };
            let head: Tip = self.files.iter().find_map(open).unwrap_or_default();
            // A head is late where it may not be replaced, and a listing where it is stale: the longer one says how
            // far to ask.
            let listed = chains.get(&device).copied().unwrap_or_default().max(1);
            if listed <= head.seq.0 {
                return (device, head);
            }
            (device, Tip { seq: SegmentSeq(listed), ..Tip::default() })
        };
        heads.into_iter().map(claim).collect()
    }

    /// Adds the statements of roots and segments that the secrets of any file open; each is signed for itself.
    fn harvest_roots(&mut self, roots: &[(ObjectName, Bytes)]) {
        let found = self.files.iter().flat_map(|file| statements_in(self.library, &file.epochs, roots));
        self.statements.extend(found);
        self.roster = Roster::replay(self.library, &self.statements);
    }

    fn harvest_segments<'a>(&mut self, segments: impl Iterator<Item = &'a Bytes>) {
        let peek = |bytes: &Bytes| {
            let sealed = SealedSegment::parse(bytes).ok()?;
            let mut files = self.files.iter();
            files.find_map(|file| sealed.peek_statements(self.library, file.epochs.as_slice()).ok())
        };
        let found = segments.filter_map(peek).flatten();
        let found: Vec<Statement> = found.filter_map(|bytes| Statement::from_bytes(&bytes).ok()).collect();
        self.statements.extend(found);
        self.roster = Roster::replay(self.library, &self.statements);
    }

    fn is_believed(&self, file: &KeysFile) -> bool {
        is_announced(self.roster.as_ref(), &file.epoch, &self.recipient, &sha256(&[&file.bytes]))
    }

    /// Whether some file holds the secret of an epoch.
    fn holds(&self, epoch: &EpochId) -> bool {
        self.files.iter().any(|file| file.epochs.iter().any(|held| held.id() == *epoch))
    }

    /// The files that no statement vouches for, as far as is known.
    fn strange(&self) -> impl Iterator<Item = &KeysFile> {
        self.files.iter().filter(|file| !self.is_believed(file))
    }

    /// The epochs of all files that statements vouch for, in the order in which they were announced.
    fn believed(&self) -> Vec<Epoch> {
        let mut epochs: Vec<Epoch> = Vec::new();
        for file in self.files.iter().filter(|file| self.is_believed(file)) {
            for epoch in &file.epochs {
                if !epochs.iter().any(|known| known.id() == epoch.id()) {
                    epochs.push(epoch.clone());
                }
            }
        }
        let announced = self.roster.as_ref().map(Roster::epochs).unwrap_or_default();
        epochs.sort_by_key(|epoch| announced.iter().position(|known| known.epoch == epoch.id()));
        epochs
    }

    /// Whoever invited must belong to the library by what is read there, and the keys must be those that it spoke of.
    fn require_invited(&self, store: &SealedRemote, offer: &Offer, welcome: &Welcome) -> Result<()> {
        let device = offer.inviter.id();
        let inviter = self.roster.as_ref().and_then(|roster| roster.member(&device));
        if !inviter.is_some_and(|member| member.standing.belongs()) {
            return Err(PairingRefusal::InviterLeft { device }.into());
        }
        if self.files.iter().all(|file| sha256(&[&file.bytes]) != welcome.keys_file) {
            let object = names::keys_file(&welcome.epoch, &self.recipient);
            return Err(not_for_us(
                store.label(),
                object,
                "it is not the one that the invitation spoke of".to_owned(),
            ));
        }
        Ok(())
    }

    /// The epochs and the files that count, and what is to be told of the others.
    #[expect(clippy::type_complexity, reason = "three parts of one value, taken apart at once")]
    fn settle(mut self, store: &SealedRemote) -> Result<(Vec<Epoch>, Vec<(EpochId, Bytes)>, Vec<Problem>)> {
        if self.roster.is_none() {
            // There is no birth, and whoever goes on is told so.
            let epochs = self.files.pop().map(|file| file.epochs).unwrap_or_default();
            return Ok((epochs, Vec::new(), self.problems));
        }
        let epochs = self.believed();
        let name = |file: &KeysFile| names::keys_file(&file.epoch, &self.recipient);
        let strange: Vec<String> = self.strange().map(name).collect();
        if let (true, Some(object)) = (epochs.is_empty(), strange.first()) {
            return Err(unbelievable(store, object, "no statement vouches for it".to_owned()));
        }
        let mut problems = std::mem::take(&mut self.problems);
        problems.extend(strange.into_iter().map(|object| Problem::Stranger { object }));
        let files = self.files.iter().filter(|file| self.is_believed(file));
        let files = files.map(|file| (file.epoch, file.bytes.clone())).collect();
        Ok((epochs, files, problems))
    }
}

fn unbelievable(store: &SealedRemote, object: &str, reason: String) -> SyncError {
    SyncError::Unbelievable { object: object.to_owned(), place: store.label().to_owned(), reason }
}

async fn get_head(store: &SealedRemote, device: DeviceId) -> Option<Bytes> {
    store.get(&head_path(device).ok()?, HEAD_BYTES).await.ok()
}

/// The segments of all chains from their beginnings on, as far as there was room for them.
struct Segments {
    kept: Vec<((DeviceId, u32), Bytes)>,
    is_all: bool,
}

/// Reads all segments that the heads speak of, beside each other, for the statements in them. As many as there is room
/// for are kept; the others, and what is missing or later, come with the first sync.
async fn all_segments(
    store: &SealedRemote,
    claims: &BTreeMap<DeviceId, Tip>,
    found: &mut FoundKeys,
) -> Result<Segments> {
    // A claim is not believed further than there are segments, and may be any number.
    let mut chains: BTreeMap<_, _> =
        claims.iter().map(|(device, claim)| (*device, 1..=claim.seq.0)).collect();
    let (mut kept, mut kept_bytes, mut is_all) = (Vec::new(), 0, true);
    loop {
        let each = chains.iter().flat_map(|(device, seqs)| seqs.clone().map(|seq| (*device, seq)));
        let stretch: Vec<_> = each.take(STRETCH).collect();
        if stretch.is_empty() {
            return Ok(Segments { kept, is_all });
        }
        let mut arrived = Vec::with_capacity(stretch.len());
        for ((device, seq), result) in fetch_segments(store, &stretch).await {
            let Some(seqs) = chains.get_mut(&device) else { continue };
            match result {
                Ok(bytes) if is_named(&bytes, device, seq) => {
                    arrived.push(((device, seq), bytes));
                    // Nothing is left behind the last.
                    seqs.next();
                }
                // What follows stands on it: whoever syncs names it.
                Ok(_)
                | Err(
                    StoreError::NotFound { .. } | StoreError::TooLarge { .. } | StoreError::Damaged { .. },
                ) => {
                    chains.remove(&device);
                }
                Err(error) => return Err(error.into()),
            }
        }
        found.harvest_segments(arrived.iter().map(|(_, bytes)| bytes));
        kept_bytes += arrived.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        is_all &= kept_bytes <= MOST_KEPT_BYTES;
        if is_all {
            kept.append(&mut arrived);
        }
    }
}

/// Whether bytes are a segment of the name under which they lie; nobody has vouched for it yet.
fn is_named(bytes: &[u8], device: DeviceId, seq: u32) -> bool {
    SealedSegment::parse(bytes).is_ok_and(|sealed| {
        let clear = sealed.clear();
        clear.device == device && clear.seq.0 == seq
    })
}

impl Joining {
    /// Takes the history in, into the empty catalogue of the new device, and keeps the card and the keys files of
    /// the words in its folder.
    ///
    /// # Errors
    /// [`SyncError::NoBirth`] when no statement is the library's birth; [`SyncError::WordsReplaced`] when other words are in
    /// force.
    pub async fn take_in(self, here: &mut Here<'_>, at: &RemotePlace) -> Result<HistoryReport> {
        let mut report = HistoryReport::default();
        self.problems.into_iter().for_each(|problem| here.note(&mut report.problems, problem));
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
        require_in_force(roster, &self.words.id(), at.store.label())?;
        keep(here, Area::Root, &names::root_card(&self.words.id()), &self.card)?;
        for (epoch, bytes) in &self.files {
            keep(here, Area::Keys, &names::keys_file(epoch, &self.recipient), bytes)?;
        }
        if let Some(beginning) = self.beginning {
            // If it is not to be believed after all, all history comes with the first sync.
            report.began_with_checkpoint = beginning.take_in(here, &inbox, &mut report.problems)?;
            return Ok(report);
        }
        inbox.settle(here, &at.store, &mut report).await?;
        inbox.record_heads(here, at)?;
        if !self.has_all {
            // What there was no room for is fetched again, and taken in as it comes.
            report.join(sync_history(here, at).await?);
            return Ok(report);
        }
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
/// [`SyncError::NoBirth`] when the place holds no beginning of the history; [`SyncError::WordsReplaced`] when others were put
/// in force meanwhile; [`SyncError::NeedsNewerVersion`].
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
    require_in_force(&roster, &words.library_id(), at.store.label())?;
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
    let epoch = newest_held(&roster, &keyring);
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

/// Makes sure that the device that invited this one has let it in, by what the place shows. Nothing is written: the
/// admission is in the history already.
///
/// # Errors
/// [`PairingRefusal::NotAdmitted`]; what the place and the databases answer.
pub async fn confirm_admission(here: &mut Here<'_>, at: &RemotePlace) -> Result<()> {
    let own = here.keys.keyring().device().id();
    for is_last in [false, true] {
        if let Some(roster) = here.roster()? {
            if let Some(feature) = crate::here::newer_version_needed(&roster) {
                return Err(SyncError::NeedsNewerVersion { feature });
            }
            if roster.member(&own).is_some_and(|member| member.standing.belongs()) {
                return Ok(());
            }
        }
        if !is_last {
            // The checkpoint that was found is not to be believed, or is older than the admission.
            sync_history(here, at).await?;
        }
    }
    Err(PairingRefusal::NotAdmitted.into())
}
