//! Root cards and keys files: small, never changed, the first things in a place and the first that are read.

use std::collections::BTreeSet;

use bytes::Bytes;
use safelight_catalog::HowKnown;
use safelight_crypto::{
    Epoch, EpochId, LibraryId, Recipient, RootCard, Roster, names, open_keys_file, sha256,
};
use safelight_model::history::SealedSegment;
use safelight_store::{Area, FolderPlace, ObjectPath, Sealed, SealedRemote, StoreError};

use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::{Inbox, Taken, look_twice, replace_damaged};
use crate::place::place_id;
use crate::problem::Problem;

/// More than a root card or any keys file has: 48 bytes for each epoch that ever was.
pub(crate) const SMALL_BYTES: u64 = 4 << 20;

/// Epochs of others that are looked at; a listing may be made up.
const MOST_EPOCHS: usize = 4096;

/// The setting of a remote that says when it was looked last whether the keys that were put there still are.
const LOOKED: &str = "keys-looked-millis";
/// That is looked so often: whoever finds them gone can do no more than say so.
const LOOK_AGAIN_MILLIS: i64 = 86_400_000;

/// Forgets that keys rest in a place which it does not have any more, once a day.
async fn look_for_keys(here: &mut Here<'_>, at: &RemotePlace) -> Result<()> {
    let now = here.now_millis();
    let last = here.device.remote_setting(at.id, LOOKED)?.and_then(|text| text.parse::<i64>().ok());
    if last.is_some_and(|last| (last..last.saturating_add(LOOK_AGAIN_MILLIS)).contains(&now)) {
        return Ok(());
    }
    // Who looks for the first time has just put them there, or hears of it the day after.
    if last.is_some() {
        for area in [Area::Root, Area::Keys] {
            for path in paths_of(here, area)? {
                if here.device.replica(at.id, path.as_str())?.is_none() {
                    continue;
                }
                here.stop.check()?;
                match at.store.head(&path).await {
                    Ok(_) => {}
                    Err(StoreError::NotFound { .. }) => {
                        here.device.forget_replicas(at.id, [path.as_str()])?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(here.device.set_remote_setting(at.id, LOOKED, Some(&now.to_string()))?)
}

/// Puts the root cards and keys files of the library folder into a place that is not known to hold them.
pub(crate) async fn send_keys(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    look_for_keys(here, at).await?;
    let roster = here.roster()?;
    for area in [Area::Root, Area::Keys] {
        for path in paths_of(here, area)? {
            // Ended before it was said, an epoch is one that nobody ever hears of.
            if area == Area::Keys && roster.as_ref().is_some_and(|roster| !knows_epoch_of(roster, &path)) {
                continue;
            }
            if here.device.replica(at.id, path.as_str())?.is_some() {
                continue;
            }
            here.stop.check()?;
            let bytes: Bytes = here.place.open_object(&path)?.read_all(SMALL_BYTES)?.into();
            let Some(sealed) = as_sealed(area, &bytes) else {
                let reason = "the copy on this device is not what it should be".to_owned();
                here.note(problems, Problem::Damaged { object: path.to_string(), reason });
                continue;
            };
            match at.store.put(&path, &sealed, None).await {
                Ok(_) => {}
                Err(StoreError::AlreadyExists { .. }) => {
                    if let Err(problem) = settle_existing(here, at, &path, &bytes, &sealed, problems).await? {
                        here.note(problems, problem);
                        continue;
                    }
                }
                Err(error) => return Err(error.into()),
            }
            here.record_replica(at, &path, bytes.len() as u64, HowKnown::Acknowledged)?;
        }
    }
    Ok(())
}

/// Whether a statement announces the epoch of a keys file, to whomever.
fn knows_epoch_of(roster: &Roster, path: &ObjectPath) -> bool {
    let named = path.as_str().split('/').nth(1).and_then(|epoch| epoch.parse::<EpochId>().ok());
    named.is_some_and(|named| roster.epochs().iter().any(|known| known.epoch == named))
}

/// Something lies under the name already: ours, a valid twin, or bytes that nobody vouches for. Those make room
/// for what somebody does vouch for: there are no generations of these names, and without them nobody joins.
async fn settle_existing(
    here: &mut Here<'_>,
    at: &RemotePlace,
    path: &ObjectPath,
    ours: &Bytes,
    sealed: &Sealed,
    problems: &mut Vec<Problem>,
) -> Result<std::result::Result<(), Problem>> {
    let roster = here.roster()?;
    let check = |here: &Here<'_>, there: &Bytes| {
        if there == ours { Ok(()) } else { check_small(here, roster.as_ref(), path, there) }
    };
    let reason = match look_twice(&at.store, path, SMALL_BYTES, |there| check(here, there)).await {
        Ok(Taken::Good(_)) => return Ok(Ok(())),
        Ok(Taken::Bad(reason)) => reason,
        Err(StoreError::Damaged { object, reason, .. }) => {
            return Ok(Err(Problem::Damaged { object, reason }));
        }
        Err(error) => return Err(error.into()),
    };
    let damaged = |reason: String| Ok(Err(Problem::Damaged { object: path.to_string(), reason }));
    if let Err(own) = check_small(here, roster.as_ref(), path, ours) {
        return damaged(format!("{reason}; and the copy on this device is not right either: {own}"));
    }
    // Nothing is deleted in a place that may be another one.
    if place_id(here, at, problems).await?.is_none() {
        return damaged(reason);
    }
    match replace_damaged(&at.store, path, sealed).await {
        Ok(()) => {
            here.monitor.problem(&Problem::Repaired { object: path.to_string(), was: "damaged" });
            Ok(Ok(()))
        }
        // A reply that was lost: what lies there is what was put, or another device repaired it.
        Err(StoreError::AlreadyExists { .. })
            if matches!(
                look_twice(&at.store, path, SMALL_BYTES, |there| check(here, there)).await,
                Ok(Taken::Good(_))
            ) =>
        {
            Ok(Ok(()))
        }
        Err(
            StoreError::Denied { .. } | StoreError::Unsupported { .. } | StoreError::AlreadyExists { .. },
        ) => damaged(format!("{reason}; and it cannot be replaced with this credential")),
        Err(error) => Err(error.into()),
    }
}

/// The objects of one area in the library folder.
pub(crate) fn paths_of(here: &Here<'_>, area: Area) -> Result<Vec<ObjectPath>> {
    paths_in(here.place, area)
}

/// The same, for who has nothing but the folder.
pub(crate) fn paths_in(folder: &FolderPlace, area: Area) -> Result<Vec<ObjectPath>> {
    let mut paths = Vec::new();
    for found in folder.walk_below(area.as_str())? {
        let found = found?;
        if let Some(path) = found.relative.to_str().and_then(|path| ObjectPath::parse(path).ok()) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

pub(crate) fn as_sealed(area: Area, bytes: &Bytes) -> Option<Sealed> {
    match area {
        Area::Root => Sealed::from_root_card(bytes.clone()).ok(),
        _ => Sealed::from_bytes(bytes.clone()).ok(),
    }
}

/// The path of a logical name in an area without shards.
pub(crate) fn path_of(logical: &str) -> Result<ObjectPath> {
    Ok(ObjectPath::parse(logical).map_err(StoreError::from)?)
}

/// What came of asking for the secret of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is here now.
    Learnt,
    /// No keys file opens for this device.
    NotThere,
    /// One does, and no statement that was read so far vouches for it.
    NotAnnounced,
}

/// Fetches a keys file for this device that holds the secret of an epoch, and keeps its secrets, if a statement vouches for
/// it: that of the epoch, or of a later one, where this device came to the library after the epoch was started. The
/// statement may itself be sealed under that epoch: then it is looked for in `sealed` and in what waits.
pub(crate) async fn fetch_keys(
    here: &mut Here<'_>,
    store: &SealedRemote,
    epoch: &EpochId,
    inbox: &mut Inbox,
    sealed: &[u8],
) -> Result<Asked> {
    let asked = fetch_keys_file(here, store, epoch, epoch, inbox, sealed).await?;
    if asked != Asked::NotThere {
        return Ok(asked);
    }
    let own = here.keys.keyring().device().id().to_string();
    for other in epochs_with_keys(store, &own).await? {
        let is_known = other == *epoch || here.keys.keyring().epoch_by_id(&other).is_some();
        if !is_known {
            let asked = fetch_keys_file(here, store, &other, epoch, inbox, sealed).await?;
            if asked != Asked::NotThere {
                return Ok(asked);
            }
        }
    }
    Ok(Asked::NotThere)
}

/// What a place lists of keys files.
#[derive(Debug, Default)]
pub(crate) struct ListedKeys {
    /// The epochs of which one for a recipient is listed.
    pub(crate) own: BTreeSet<EpochId>,
    /// Those of which one for anybody is, as far as anybody looks.
    pub(crate) all: BTreeSet<EpochId>,
}

/// The epochs of which a place lists a keys file for a recipient, and for anybody.
pub(crate) async fn listed_keys(store: &SealedRemote, recipient: &str) -> Result<ListedKeys> {
    let mut found = ListedKeys::default();
    let mut after = None;
    loop {
        let page = store.list(Area::Keys, after.as_ref()).await?;
        for object in &page.objects {
            let mut parts = object.key.as_str().split('/').skip(1);
            let (Some(epoch), Some(listed)) = (parts.next(), parts.next()) else { continue };
            let Ok(epoch) = epoch.parse::<EpochId>() else { continue };
            if listed == recipient {
                found.own.insert(epoch);
            }
            if found.all.len() < MOST_EPOCHS {
                found.all.insert(epoch);
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

/// The epochs of which a place lists a keys file for a recipient.
pub(crate) async fn epochs_with_keys(store: &SealedRemote, recipient: &str) -> Result<BTreeSet<EpochId>> {
    Ok(listed_keys(store, recipient).await?.own)
}

/// The keys file of an epoch for this device as it lies in a place, with what it opens to; none where nothing lies there
/// that opens. Nobody has vouched for it yet.
pub(crate) async fn own_keys_file(
    here: &Here<'_>,
    store: &SealedRemote,
    epoch: &EpochId,
) -> Result<Option<(Bytes, Vec<Epoch>)>> {
    let keyring = here.keys.keyring();
    let device = keyring.device();
    let recipient = Recipient::Device(device.id());
    let bytes = match store.get(&path_of(&names::keys_file(epoch, &recipient))?, SMALL_BYTES).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. } | StoreError::TooLarge { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let opened = open_keys_file(&bytes, keyring.library(), epoch, recipient, device.kem_secret());
    Ok(opened.ok().map(|epochs| (bytes, epochs)))
}

/// The same from the keys file of one epoch, `named`.
async fn fetch_keys_file(
    here: &mut Here<'_>,
    store: &SealedRemote,
    named: &EpochId,
    wanted: &EpochId,
    inbox: &mut Inbox,
    sealed: &[u8],
) -> Result<Asked> {
    let Some((bytes, epochs)) = own_keys_file(here, store, named).await? else { return Ok(Asked::NotThere) };
    let library = here.library();
    let recipient = Recipient::Device(here.keys.keyring().device().id());
    let path = path_of(&names::keys_file(named, &recipient))?;
    if epochs.iter().all(|epoch| epoch.id() != *wanted) {
        return Ok(Asked::NotThere);
    }
    let hash = sha256(&[&bytes]);
    if !is_announced(inbox.roster(), named, &recipient, &hash) {
        inbox.harvest_waiting(here, epochs.as_slice());
        if let Ok(sealed) = SealedSegment::parse(sealed)
            && let Ok(statements) = sealed.peek_statements(library, epochs.as_slice())
        {
            inbox.harvest_from(here, &sealed, statements);
        }
    }
    if !is_announced(inbox.roster(), named, &recipient, &hash) {
        return Ok(Asked::NotAnnounced);
    }
    if let Some(sealed) = as_sealed(Area::Keys, &bytes) {
        // The folder keeps it too, so that a second place gets it; one that is there is the same.
        if here.place.put_new(&path, &sealed)? == safelight_store::Outcome::Existed {
            tracing::debug!(%path, "the keys file was here already");
        }
    }
    here.keys.learn(&epochs).map_err(|reason| crate::error::SyncError::Keys { reason })?;
    Ok(Asked::Learnt)
}

/// Whether a statement vouches for a keys file.
pub(crate) fn is_announced(
    roster: Option<&Roster>,
    epoch: &EpochId,
    recipient: &Recipient,
    hash: &[u8; 32],
) -> bool {
    let announced = roster.and_then(|roster| roster.epochs().iter().find(|known| known.epoch == *epoch));
    announced.is_some_and(|announced| announced.files.get(recipient) == Some(hash))
}

/// Checks the bytes of a root card or keys file as they lie in a place.
pub(crate) fn check_small(
    here: &Here<'_>,
    roster: Option<&Roster>,
    path: &ObjectPath,
    bytes: &[u8],
) -> std::result::Result<(), String> {
    if path.area() == Area::Root {
        let words: LibraryId = path.name().parse().map_err(|_| "its name is no id of words".to_owned())?;
        let card = RootCard::open(bytes, &words).map_err(|error| error.to_string())?;
        return if card.library() == here.library() {
            Ok(())
        } else {
            Err("it is of another library".into())
        };
    }
    let hash = sha256(&[bytes]);
    let vouched = roster.into_iter().flat_map(Roster::epochs).any(|epoch| {
        let is_it = path.as_str().split('/').nth(1) == Some(epoch.epoch.to_string().as_str());
        // Each recipient has a file of its own: a good one under another's name opens for nobody.
        is_it
            && epoch.files.iter().any(|(recipient, known)| {
                *known == hash && names::keys_file(&epoch.epoch, recipient) == path.as_str()
            })
    });
    if vouched { Ok(()) } else { Err("no statement vouches for these bytes".to_owned()) }
}
