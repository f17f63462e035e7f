//! Which place a remote is: the id that rests there, the same for every device (sl1-history §8.9).
//!
//! Invariant: nothing names a remote in history, and nothing is deleted there, before the id was read at the place
//! in this process. It is drawn once, put if absent, and what then rests there is taken.

use safelight_catalog::{DeviceDb, RemoteId};
use safelight_crypto::{Fault, LibraryId, RootCard, names};
use safelight_model::history::{open_place_id, seal_place_id};
use safelight_model::{ModelError, PlaceId};
use safelight_store::{Area, FolderPlace, ObjectPath, Sealed, SealedRemote, StoreError};

use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::history::{Judged, SEGMENT_BYTES, close_anyway, judge_segment, replace_damaged, segment_path};
use crate::keys::{SMALL_BYTES, path_of, paths_in};
use crate::problem::Problem;

/// Root cards that are read; each library has one for each set of words that it ever had.
const MOST_CARDS: usize = 64;
/// More than any id has.
const ID_BYTES: u64 = 64 << 10;
/// So often another writer may come between a look and a put.
const MOST_ROUNDS: usize = 4;

/// So often an id that does not open is read before the place is given up for this time.
const MOST_READS: usize = 4;

/// What rests under the name of the id.
enum Found {
    Id(PlaceId),
    Nothing,
    /// Bytes that do not open; `is_for_nobody`: with no key that there ever was, as far as is known here.
    Garbage {
        reason: String,
        is_for_nobody: bool,
    },
}

/// Reads the id of the place, and gives it one if it has none. None where something unreadable rests under its
/// name, which is noted: then nothing may name the remote.
///
/// # Errors
/// [`SyncError::AnotherPlace`], [`SyncError::CopiedPlace`]; what the place and the databases answer.
pub async fn place_id(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<Option<PlaceId>> {
    let path = path_of(&names::remote_id(&here.library()))?;
    let known = here.device.place_id(at.id)?;
    let mut wanted = known;
    for _ in 0..MOST_ROUNDS {
        match look(here, at).await? {
            Found::Id(found) => return settle(here, at, known, found).map(Some),
            Found::Nothing => {
                if known.is_some() {
                    let (object, was) = (path.to_string(), "missing");
                    here.note(problems, Problem::Repaired { object, was });
                }
                let sealed = sealed_id(here, &mut wanted)?;
                match at.store.put(&path, &sealed, None).await {
                    // What rests there now is read back: another device may have been as fast.
                    Ok(_) | Err(StoreError::AlreadyExists { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Found::Garbage { reason, is_for_nobody } => {
                if known.is_none() && (!is_for_nobody || may_be_known_to_others(here)?) {
                    here.note(problems, Problem::Damaged { object: path.to_string(), reason });
                    return Ok(None);
                }
                let sealed = sealed_id(here, &mut wanted)?;
                match replace_damaged(&at.store, &path, &sealed).await {
                    Ok(()) => {
                        let (object, was) = (path.to_string(), "damaged");
                        here.monitor.problem(&Problem::Repaired { object, was });
                    }
                    Err(StoreError::AlreadyExists { .. }) => {}
                    Err(StoreError::Denied { .. } | StoreError::Unsupported { .. }) => {
                        here.note(problems, Problem::Damaged { object: path.to_string(), reason });
                        return Ok(known);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Err(SyncError::Overtaken { place: at.store.label().to_owned() })
}

/// Under this name, with the number of a remote, rests the id of a place that its owner knows to have lost what it held.
const LOST: &str = "lost-place.";
/// Under this name, with the number of a remote, rest the ends of the other chains there when its id was read last.
const CONFIRMED: &str = "confirmed-place.";

/// Remembers that a remote lost what it held, and forgets all that is known of it: the next sync gives it another id and
/// fills it again.
///
/// # Errors
/// Those of the database.
pub fn start_over(device: &mut DeviceDb, remote: RemoteId) -> Result<()> {
    if let Some(lost) = device.place_id(remote)? {
        device.set_setting(&format!("{LOST}{}", remote.number()), Some(&lost.0))?;
    }
    Ok(device.forget_contents(remote)?)
}

/// Gives a place that lost what it held, as its owner knows, another id: this device fills it again, history of the others
/// too, and they would see nothing missing and go on holding it to have what it lost. By the other id they know.
///
/// # Errors
/// What the place and the databases answer.
pub(crate) async fn renew_place(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let lost = format!("{LOST}{}", at.id.number());
    let Some(id) = here.device.setting(&lost)? else { return Ok(()) };
    // Where another id rests already, another device was told before.
    if let Found::Id(found) = look(here, at).await?
        && found.0.as_slice() == id.as_slice()
    {
        let path = path_of(&names::remote_id(&here.library()))?;
        let sealed = sealed_id(here, &mut None)?;
        match replace_damaged(&at.store, &path, &sealed).await {
            Ok(()) | Err(StoreError::AlreadyExists { .. }) => {}
            Err(StoreError::Denied { .. } | StoreError::Unsupported { .. }) => {
                let reason = "it still has the id from before it was emptied or went back, and this credential may not \
                              delete: on every other device run safelight verify --remote once"
                    .to_owned();
                here.note(problems, Problem::Damaged { object: path.to_string(), reason });
            }
            Err(error) => return Err(error.into()),
        }
    }
    // Others look at the id where they find something new.
    close_anyway(here)?;
    Ok(here.device.set_setting(&lost, None)?)
}

/// Makes sure that a remote is still the place that is known under it, wherever another device has put history since the last
/// time: one that fills a lost place again does. False where what is known of it was forgotten, and history is to be
/// read anew.
///
/// # Errors
/// [`SyncError::AnotherPlace`]; what the place and the databases answer.
pub(crate) async fn confirm_place(
    here: &mut Here<'_>,
    at: &RemotePlace,
    problems: &mut Vec<Problem>,
) -> Result<bool> {
    let Some(known) = here.device.place_id(at.id)? else {
        return match place_id(here, at, problems).await {
            // A copy of another remote stays unknown, and nothing is relied on there.
            Ok(_) | Err(SyncError::CopiedPlace { .. }) => Ok(true),
            Err(error) => Err(error),
        };
    };
    let own = here.catalog.device();
    let mut heads = here.device.remote_heads(at.id)?;
    heads.retain(|(device, _)| *device != own);
    let heads: String = heads.iter().map(|(device, tip)| format!("{device} {}\n", tip.seq.0)).collect();
    let confirmed = format!("{CONFIRMED}{}", at.id.number());
    if here.device.setting(&confirmed)?.is_some_and(|before| before == heads.as_bytes()) {
        return Ok(true);
    }
    match look(here, at).await? {
        Found::Id(found) if found != known => {
            if here.catalog.names_place(known)? {
                return Err(SyncError::AnotherPlace { place: at.store.label().to_owned(), known, found });
            }
            // Nobody speaks of the one before: two wrote it at once, or somebody filled the place again. What it holds is
            // looked for anew.
            here.device.forget_contents(at.id)?;
            settle(here, at, None, found)?;
            Ok(false)
        }
        // One that has none is given one again where it matters.
        Found::Id(_) | Found::Nothing | Found::Garbage { .. } => {
            here.device.set_setting(&confirmed, Some(heads.as_bytes()))?;
            Ok(true)
        }
    }
}

/// Reads the id of a place before something damaged is deleted there, and writes nothing. An id that is itself gone or
/// unreadable is no other place's.
///
/// # Errors
/// [`SyncError::AnotherPlace`], [`SyncError::CopiedPlace`]; what the place and the databases answer.
pub(crate) async fn is_the_known_place(here: &mut Here<'_>, at: &RemotePlace) -> Result<bool> {
    let known = here.device.place_id(at.id)?;
    match look(here, at).await? {
        Found::Id(found) => settle(here, at, known, found).map(|_| true),
        Found::Nothing | Found::Garbage { .. } => Ok(known.is_some()),
    }
}

/// Reads which place a remote is, where this device does not know it yet, and writes nothing there. A copy of another
/// remote stays unknown.
///
/// # Errors
/// What the place and the databases answer.
pub(crate) async fn learn_place_id(here: &mut Here<'_>, at: &RemotePlace) -> Result<()> {
    if here.device.place_id(at.id)?.is_none()
        && let Found::Id(found) = look(here, at).await?
        && here.device.remote_at(found)?.is_none()
    {
        settle(here, at, None, found)?;
    }
    Ok(())
}

/// Reads the id. What does not open is read until it comes twice the same: what was hurt on its way only would
/// otherwise be replaced by another id, and the place be another one to all who know it.
async fn look(here: &Here<'_>, at: &RemotePlace) -> Result<Found> {
    let path = path_of(&names::remote_id(&here.library()))?;
    let mut before = None;
    for _ in 0..MOST_READS {
        let bytes = match at.store.get(&path, ID_BYTES).await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. }) => return Ok(Found::Nothing),
            Err(error @ (StoreError::TooLarge { .. } | StoreError::Damaged { .. })) => {
                return Ok(Found::Garbage { reason: error.to_string(), is_for_nobody: true });
            }
            Err(error) => return Err(error.into()),
        };
        let error = match open_place_id(&bytes, here.library(), here.keys.keyring()) {
            Ok(id) => return Ok(Found::Id(id)),
            Err(error) => error,
        };
        if before.as_ref() == Some(&bytes) {
            let is_for_nobody = !matches!(&error, ModelError::Sealed(error)
                if matches!(error.fault(), Some(Fault::UnknownKey { .. })));
            return Ok(Found::Garbage { reason: error.to_string(), is_for_nobody });
        }
        before = Some(bytes);
    }
    let (place, object) = (at.store.label().to_owned(), path.to_string());
    Err(StoreError::Damaged { place, object, reason: "it is read differently every time".to_owned() }.into())
}

/// Whether history names a remote that is none of this device's: it may be this one, and its id come back.
fn may_be_known_to_others(here: &Here<'_>) -> Result<bool> {
    for place in here.catalog.places()? {
        if here.device.remote_at(place)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes over what was found, unless it contradicts what is known.
fn settle(here: &mut Here<'_>, at: &RemotePlace, known: Option<PlaceId>, found: PlaceId) -> Result<PlaceId> {
    let place = || at.store.label().to_owned();
    if let Some(known) = known.filter(|known| *known != found)
        && here.catalog.names_place(known)?
    {
        return Err(SyncError::AnotherPlace { place: place(), known, found });
    }
    if here.device.remote_at(found)?.is_some_and(|other| other != at.id) {
        return Err(SyncError::CopiedPlace { place: place() });
    }
    if known != Some(found) {
        here.device.set_place_id(at.id, found)?;
    }
    meet(here, found)?;
    Ok(found)
}

/// Under this name, with the id of a place, it is kept that this device was there.
const MET: &str = "met.";

/// Remembers that this device was at a place; answers whether it was the first time.
fn meet(here: &mut Here<'_>, place: PlaceId) -> Result<bool> {
    let name = format!("{MET}{place}");
    let is_first = here.device.setting(&name)?.is_none();
    if is_first {
        here.device.set_setting(&name, Some(&[]))?;
    }
    Ok(is_first)
}

/// Remembers that this device was at a place: whatever it shows from now on may have come from here.
///
/// # Errors
/// What the place and the databases answer.
pub async fn remember_place(here: &mut Here<'_>, at: &RemotePlace) -> Result<()> {
    if let Found::Id(place) = look(here, at).await? {
        meet(here, place)?;
    }
    Ok(())
}

/// Whether a place witnesses the history that is known here: before this device put anything there it shows the end of
/// every other chain. Only at the first meeting, under whatever name the place goes; later it may show what came from here.
///
/// # Errors
/// What the place and the databases answer.
pub async fn witnesses_history(here: &mut Here<'_>, at: &RemotePlace) -> Result<bool> {
    if !here.device.remote_heads(at.id)?.is_empty() {
        return Ok(false);
    }
    // A place without an id was never used by anybody, and of an unreadable id nobody knows whose it is.
    let Found::Id(place) = look(here, at).await? else { return Ok(false) };
    if !meet(here, place)? {
        return Ok(false);
    }
    let own = here.catalog.device();
    let mut others = here.catalog.tips()?;
    others.retain(|(device, tip)| *device != own && tip.seq.0 > 0);
    for (device, tip) in &others {
        let bytes = match at.store.get(&segment_path(*device, tip.seq.0), SEGMENT_BYTES).await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. } | StoreError::TooLarge { .. } | StoreError::Damaged { .. }) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        if !matches!(judge_segment(here, &bytes, *device, tip.seq.0, tip.root)?, Judged::Same(_)) {
            return Ok(false);
        }
    }
    Ok(!others.is_empty())
}

/// Refuses a place in which another library rests and this one does not. Nothing is written. Where the place may not be
/// listed nobody can tell, and it is not refused; nor is a place that holds this library too, because whoever may write
/// there could keep it away from its own by planting a card. `folder` is that of the library, which holds its cards.
///
/// # Errors
/// [`SyncError::AnotherLibrary`], and what the place and the folder answer.
pub async fn refuse_another_library(
    library: LibraryId,
    folder: &FolderPlace,
    store: &SealedRemote,
) -> Result<()> {
    let own = paths_in(folder, Area::Root)?;
    let (mut after, mut asked, mut is_anothers) = (None, 0, false);
    loop {
        let page = match store.list(Area::Root, after.as_ref()).await {
            Ok(page) => page,
            Err(StoreError::Denied { .. } | StoreError::Unsupported { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for object in page.objects {
            let Ok(path) = ObjectPath::parse(object.key.as_str()) else { continue };
            if own.contains(&path) {
                return Ok(());
            }
            let Ok(words) = path.name().parse::<LibraryId>() else { continue };
            asked += 1;
            if asked > MOST_CARDS {
                break;
            }
            let bytes = match store.get(&path, SMALL_BYTES).await {
                Ok(bytes) => bytes,
                Err(error @ (StoreError::Throttled { .. } | StoreError::Vanished { .. })) => {
                    return Err(error.into());
                }
                Err(error) if error.is_network() => return Err(error.into()),
                Err(_) => continue,
            };
            match RootCard::open(&bytes, &words) {
                Ok(card) if card.library() == library => return Ok(()),
                Ok(_) => is_anothers = true,
                // What nobody vouches for is nobody's.
                Err(_) => {}
            }
        }
        match page.next {
            Some(next) if asked <= MOST_CARDS => after = Some(next),
            _ if is_anothers => {
                return Err(SyncError::AnotherLibrary { place: store.label().to_owned() });
            }
            _ => return Ok(()),
        }
    }
}

/// Before this device puts its first object into a place: refuses one that is another library's.
pub(crate) async fn before_the_first_put(here: &Here<'_>, at: &RemotePlace) -> Result<()> {
    let holds_card = !here.device.replicas_after(at.id, "root/", "", 1)?.is_empty();
    if holds_card || !here.device.remote_heads(at.id)?.is_empty() {
        return Ok(());
    }
    refuse_another_library(here.library(), here.place, &at.store).await
}

fn sealed_id(here: &mut Here<'_>, wanted: &mut Option<PlaceId>) -> Result<Sealed> {
    let entropy = &mut *here.entropy;
    let id = *wanted.get_or_insert_with(|| {
        let mut id = [0; 16];
        entropy.fill(&mut id);
        PlaceId(id)
    });
    let keyring = here.keys.keyring();
    let bytes = seal_place_id(keyring.library(), id, keyring.epoch(), here.entropy)?;
    Ok(Sealed::from_bytes(bytes).map_err(|error| StoreError::Damaged {
        place: "this device".to_owned(),
        object: names::remote_id(&keyring.library()),
        reason: error.to_string(),
    })?)
}
