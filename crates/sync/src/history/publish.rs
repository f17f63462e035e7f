//! Putting into a place what it lacks of history: exactly the bytes that its devices wrote, in causal order.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use safelight_catalog::StoredSegment;
use safelight_crypto::{DeviceId, Fault, Roster};
use safelight_model::history::{HeadHint, SealedSegment, Seen, Tip};
use safelight_model::{Branch, ModelError, SegmentRoot};
use safelight_store::{ObjectPath, Sealed, SealedRemote, StoreError};

use super::HistoryReport;
use super::leftover::{Leftovers, is_kept};
use super::outbox::SEGMENT_BYTES;
use super::pull::{OwnChain, Pulled, head_path};
use super::renumber::renumber_lost;
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::place::place_id;
use crate::problem::{Problem, Transfer};

/// The full name of a segment.
pub(crate) fn segment_path(device: DeviceId, seq: u32) -> ObjectPath {
    ObjectPath::segment(device, seq)
}

/// What bytes under the name of a segment are, as against the segment that is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// That segment, whole, and what its device had seen.
    Same(Seen),
    /// Nothing that its device signed, or not whole.
    Damaged(String),
    /// Another segment, signed by the device.
    Other,
    /// What is left of another segment that the device signed. What it said only who wrote or read it can tell.
    OtherDamaged(String),
    /// What ends like another segment, under no signature that holds: garbage, or one whose signature was hurt.
    OtherUnsigned(String),
    /// It cannot be told: a key is not here.
    Unknown,
}

impl Judged {
    /// Whether nobody can read it.
    pub(crate) fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::OtherDamaged(_) | Self::OtherUnsigned(_))
    }
}

/// Judges bytes that lie under the name of a segment with this root.
pub(crate) fn judge_segment(
    here: &Here<'_>,
    bytes: &[u8],
    device: DeviceId,
    seq: u32,
    root: SegmentRoot,
) -> Result<Judged> {
    let Some(key) = here.key_of(&device)? else { return Ok(Judged::Unknown) };
    let sealed = match SealedSegment::parse(bytes) {
        Ok(sealed) if sealed.clear().device == device && sealed.clear().seq.0 == seq => sealed,
        Ok(_) => return Ok(Judged::Damaged("it is another segment than its name says".to_owned())),
        Err(error) => return Ok(Judged::Damaged(error.to_string())),
    };
    let is_same = sealed.clear().root == root;
    let signed = match sealed.verify(here.library(), &key) {
        Ok(signed) => signed,
        Err(error) if is_same => return Ok(Judged::Damaged(error.to_string())),
        Err(error) => return Ok(Judged::OtherUnsigned(error.to_string())),
    };
    // The signature is over the root: a signed root that is not ours is another segment, whole or not.
    Ok(match signed.open(here.keys.keyring()) {
        Ok(segment) if is_same => Judged::Same(segment.seen().clone()),
        Ok(_) => Judged::Other,
        Err(error) if is_of_unheard_epoch(here, &sealed, &error)? => {
            if is_same {
                Judged::Unknown
            } else {
                Judged::Other
            }
        }
        Err(error) if is_same => Judged::Damaged(error.to_string()),
        Err(error) => Judged::OtherDamaged(error.to_string()),
    })
}

/// Whether a segment was sealed anew under an epoch that was not heard of here; one that nobody announced is no epoch.
fn is_of_unheard_epoch(here: &Here<'_>, sealed: &SealedSegment<'_>, error: &ModelError) -> Result<bool> {
    let ModelError::Sealed(error) = error else { return Ok(false) };
    if !matches!(error.fault(), Some(Fault::UnknownKey { .. })) {
        return Ok(false);
    }
    let roster = here.roster()?;
    let mut announced = roster.iter().flat_map(Roster::epochs).map(|known| known.epoch);
    Ok(sealed.epoch().is_some_and(|epoch| announced.any(|known| known == epoch)))
}

/// The bytes of a segment as they rest on this device, if they are whole, and what its device had seen.
pub(crate) fn whole_segment(
    here: &Here<'_>,
    device: DeviceId,
    tip: Tip,
) -> Result<std::result::Result<(Vec<u8>, Seen), String>> {
    let bytes = match here.catalog.segment_bytes(device, tip.seq)? {
        Some(bytes) => bytes,
        None => match here
            .place
            .open_object(&segment_path(device, tip.seq.0))
            .and_then(|object| object.read_all(SEGMENT_BYTES))
        {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error.to_string())),
        },
    };
    Ok(match judge_segment(here, &bytes, device, tip.seq.0, tip.root)? {
        Judged::Same(seen) => Ok((bytes, seen)),
        Judged::Damaged(reason) => Err(reason),
        Judged::Other | Judged::OtherDamaged(_) | Judged::OtherUnsigned(_) => {
            Err("it is another segment than the catalogue knows".to_owned())
        }
        Judged::Unknown => Err("its device or epoch is not known here".to_owned()),
    })
}

/// The setting of a remote that says that it does not let this device write how far its chain goes.
pub const NO_HEADS: &str = "no-heads";

/// What became of one segment.
enum Put {
    Sent(u64),
    WasThere,
    /// A copy of this device published under this number first.
    Overtaken,
    /// The place does not let what nobody can read be replaced.
    Kept(Problem),
    Refused(Problem),
}

/// Publishes what the place is not known to hold. False if a copy of this device was faster, or if own segments were lost
/// and are numbered anew: pull first.
pub(super) async fn publish(
    here: &mut Here<'_>,
    at: &RemotePlace,
    pulled: Pulled,
    report: &mut HistoryReport,
) -> Result<bool> {
    let mut known: BTreeMap<DeviceId, Tip> = here.device.remote_heads(at.id)?.into_iter().collect();
    let tips = here.catalog.tips()?;
    let is_known = |(device, tip): &(DeviceId, Tip)| known.get(device).is_some_and(|k| k.seq >= tip.seq);
    let own = here.catalog.device();
    // Killed before it wrote its head, this device would be found by nobody.
    let mut own_tip = known.get(&own).copied().filter(|_| pulled.lacks_own_head);
    if own_tip.is_none() && tips.iter().all(is_known) {
        return Ok(true);
    }
    let mut blocked = BTreeSet::new();
    if pulled.own != OwnChain::Read {
        blocked.insert(own);
        own_tip = None;
    }
    let carried = here.catalog.carried()?;
    let mut leftovers = Leftovers::of(here, at)?;
    let mut carried_on = BTreeSet::new();
    // In the order in which they were taken in, which is causal; after a rebuild, from device to device: then what
    // builds on others is passed over until they are there.
    let mut waiting: Vec<StoredSegment> = here.catalog.segments()?;
    loop {
        let mut passed = Vec::new();
        let before = waiting.len();
        for stored in std::mem::take(&mut waiting) {
            let (device, tip) = (stored.device, stored.tip);
            let last = known.get(&device).copied().unwrap_or_default();
            if tip.seq <= last.seq || blocked.contains(&device) {
                continue;
            }
            here.stop.check()?;
            let object = segment_path(device, tip.seq.0).to_string();
            if tip.seq.0 != last.seq.0 + 1 {
                passed.push(stored);
                continue;
            }
            if !is_kept(here, device, last)? {
                // The place has another branch of this chain; the ops of this one are carried by other chains.
                blocked.insert(device);
                continue;
            }
            if leftovers.is_refused(&object) {
                blocked.insert(device);
                continue;
            }
            let name = object.clone();
            let put = match whole_segment(here, device, tip)? {
                Ok((_, seen)) if builds_on_more(&known, &seen, &carried) => {
                    passed.push(stored);
                    continue;
                }
                Ok((bytes, _)) => put_segment(here, at, device, tip, bytes, &mut report.problems).await?,
                Err(_) if device == own && renumber_lost(here, tip, report)? => return Ok(false),
                Err(reason) => Put::Refused(Problem::Damaged { object, reason }),
            };
            match put {
                Put::Sent(bytes) => {
                    if device == own {
                        report.sent_own_segments += 1;
                    } else {
                        carried_on.insert(device);
                    }
                    report.sent_segments += 1;
                    here.monitor.advance(Transfer::SegmentSent, bytes);
                }
                Put::WasThere => {}
                Put::Overtaken => return Ok(false),
                Put::Kept(problem) => {
                    let told = leftovers.refuse(here, &at.store, (device, tip.seq), problem).await?;
                    told.into_iter().for_each(|problem| here.note(&mut report.problems, problem));
                    blocked.insert(device);
                    continue;
                }
                Put::Refused(problem) => {
                    here.note(&mut report.problems, problem);
                    blocked.insert(device);
                    continue;
                }
            }
            leftovers.forget(here, &name)?;
            here.device.record_remote_head(at.id, device, tip)?;
            known.insert(device, tip);
            if device == own {
                own_tip = Some(tip);
            }
        }
        // What is left builds on a chain that is blocked, which was named.
        if passed.is_empty() || passed.len() == before {
            break;
        }
        waiting = passed;
    }
    if let Some(tip) = own_tip {
        publish_head(here, at, tip).await?;
    }
    for device in carried_on {
        name_in_its_stead(here, &at.store, device).await?;
    }
    Ok(true)
}

/// Whether a segment builds on others that the place is not known to hold, and that no chain carries.
fn builds_on_more(known: &BTreeMap<DeviceId, Tip>, seen: &Seen, carried: &BTreeSet<Branch>) -> bool {
    seen.iter().any(|(device, tip)| {
        let is_there = known.get(&device).is_some_and(|known| known.seq >= tip.seq);
        !is_there && !carried.contains(&Branch { device, seq: tip.seq, root: tip.root })
    })
}

async fn put_segment(
    here: &mut Here<'_>,
    at: &RemotePlace,
    device: DeviceId,
    tip: Tip,
    bytes: Vec<u8>,
    problems: &mut Vec<Problem>,
) -> Result<Put> {
    let store = &at.store;
    let path = segment_path(device, tip.seq.0);
    let length = bytes.len() as u64;
    let damaged = |reason: String| Problem::Damaged { object: path.to_string(), reason };
    let sealed = match Sealed::from_bytes(bytes) {
        Ok(sealed) => sealed,
        Err(error) => return Ok(Put::Refused(damaged(error.to_string()))),
    };
    match store.put(&path, &sealed, None).await {
        Ok(_) => return Ok(Put::Sent(length)),
        Err(StoreError::AlreadyExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    // Ours after a lost reply, a copy by another device, another branch of a copied device, or garbage.
    let there = judge_there(here, store, &path, device, tip).await?;
    match there {
        Judged::Same(_) => Ok(Put::WasThere),
        Judged::Unknown => Ok(Put::Refused(damaged("it cannot be told whether it is right".to_owned()))),
        Judged::Other => {
            let may_renumber = device == here.catalog.device() && here.device.published(device)? < tip.seq;
            Ok(if may_renumber {
                Put::Overtaken
            } else {
                Put::Refused(Problem::Forked { device, seq: tip.seq.0, missing: None })
            })
        }
        // Reading it again tells what to do about a copy of this device.
        Judged::OtherDamaged(_) if device == here.catalog.device() => Ok(Put::Overtaken),
        // What it says may be readable, and nobody but a copy may have it: nothing of this device was read instead.
        Judged::OtherUnsigned(reason)
            if device == here.catalog.device() && here.device.published(device)? < tip.seq =>
        {
            Ok(Put::Refused(damaged(format!("{reason}; a copy of this device may have written it"))))
        }
        Judged::Damaged(reason) | Judged::OtherDamaged(reason) | Judged::OtherUnsigned(reason) => {
            // Nothing is deleted in a place that may be another one.
            if place_id(here, at, problems).await?.is_none() {
                return Ok(Put::Refused(damaged(reason)));
            }
            match replace_damaged(store, &path, &sealed).await {
                Ok(()) => {
                    here.monitor.problem(&Problem::Repaired { object: path.to_string(), was: "damaged" });
                    Ok(Put::Sent(length))
                }
                // A reply that was lost: what lies there is what was put, or another device repaired it.
                Err(StoreError::AlreadyExists { .. })
                    if matches!(judge_there(here, store, &path, device, tip).await?, Judged::Same(_)) =>
                {
                    Ok(Put::WasThere)
                }
                Err(
                    StoreError::Denied { .. }
                    | StoreError::Unsupported { .. }
                    | StoreError::AlreadyExists { .. },
                ) => Ok(Put::Kept(damaged(format!(
                    "{reason}; and it cannot be replaced with this credential"
                )))),
                Err(error) => Err(error.into()),
            }
        }
    }
}

/// Judges what a place holds under the name of a segment. What seems damaged is read once more: what was hurt on its
/// way only is never replaced.
pub(crate) async fn judge_there(
    here: &Here<'_>,
    store: &SealedRemote,
    path: &ObjectPath,
    device: DeviceId,
    tip: Tip,
) -> Result<Judged> {
    let look = async || match store.get(path, SEGMENT_BYTES).await {
        Ok(bytes) => Ok((judge_segment(here, &bytes, device, tip.seq.0, tip.root)?, Some(bytes))),
        Err(StoreError::TooLarge { .. } | StoreError::Damaged { .. }) => {
            Ok((Judged::Damaged("it cannot be read".to_owned()), None))
        }
        Err(error) => Err(SyncError::from(error)),
    };
    let (judged, first) = look().await?;
    if !judged.is_damaged() {
        return Ok(judged);
    }
    let (judged, second) = look().await?;
    Ok(if first == second || !judged.is_damaged() { judged } else { Judged::Unknown })
}

/// What lies under a name that was taken.
pub(crate) enum Taken {
    /// It is right, and has so many bytes.
    Good(u64),
    /// It is not, for this reason, and came twice the same.
    Bad(String),
}

/// Checks what lies under a name that was taken. What is not right is read once more: what was hurt on its way only is
/// never replaced.
pub(crate) async fn look_twice(
    store: &SealedRemote,
    path: &ObjectPath,
    at_most_bytes: u64,
    check: impl Fn(&Bytes) -> std::result::Result<(), String>,
) -> Result<Taken, StoreError> {
    let look = async || match store.get(path, at_most_bytes).await {
        Ok(bytes) => match check(&bytes) {
            Ok(()) => Ok(Ok(bytes.len() as u64)),
            Err(reason) => Ok(Err((reason, Some(bytes)))),
        },
        Err(error @ (StoreError::TooLarge { .. } | StoreError::Damaged { .. })) => {
            Ok(Err((error.to_string(), None)))
        }
        Err(error) => Err(error),
    };
    let (first, second) = match look().await? {
        Ok(length) => return Ok(Taken::Good(length)),
        Err((_, first)) => (first, look().await?),
    };
    match second {
        Ok(length) => Ok(Taken::Good(length)),
        Err((reason, second)) if second == first => Ok(Taken::Bad(reason)),
        Err(_) => Err(StoreError::Damaged {
            place: store.label().to_owned(),
            object: path.to_string(),
            reason: "it is read differently every time".to_owned(),
        }),
    }
}

/// Puts a whole segment in the place of bytes that nobody signed, or that are no whole segment any more. Segments
/// have no generations.
pub(crate) async fn replace_damaged(
    store: &SealedRemote,
    path: &ObjectPath,
    sealed: &Sealed,
) -> Result<(), StoreError> {
    store.delete(path).await?;
    store.put(path, sealed, None).await.map(drop)
}

/// Makes a device known to whoever lists heads, where it may never have been itself: a head that opens for nobody says
/// that there is a chain, and nothing else. Its own takes that one's place once it comes.
async fn name_in_its_stead(here: &mut Here<'_>, store: &SealedRemote, device: DeviceId) -> Result<()> {
    let keyring = here.keys.keyring();
    let tip = here.catalog.tip(here.catalog.device())?;
    // Sealed under this device's name, and put under the other one's.
    let bytes = HeadHint::seal(keyring.library(), keyring.device(), tip, keyring.epoch(), here.entropy)?;
    let Ok(sealed) = Sealed::from_bytes(bytes) else { return Ok(()) };
    match store.put(&head_path(device)?, &sealed, None).await {
        Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(()),
        Err(error) => {
            tracing::debug!(%error, "the head of another device was not written");
            Ok(())
        }
    }
}

/// Writes the hint of this device anew, which was hurt. Answers whether it could be.
pub(crate) async fn write_head_again(here: &mut Here<'_>, at: &RemotePlace) -> Result<bool> {
    let own = here.catalog.device();
    let Some((_, tip)) = here.device.remote_heads(at.id)?.into_iter().find(|(device, _)| *device == own)
    else {
        return Ok(false);
    };
    publish_head(here, at, tip).await?;
    Ok(here.device.remote_setting(at.id, NO_HEADS)?.is_none())
}

/// Writes the hint of how far this device's chain goes; a place that does not let heads be replaced is fine.
async fn publish_head(here: &mut Here<'_>, at: &RemotePlace, tip: Tip) -> Result<()> {
    let keyring = here.keys.keyring();
    let bytes = HeadHint::seal(keyring.library(), keyring.device(), tip, keyring.epoch(), here.entropy)?;
    let Ok(sealed) = Sealed::from_bytes(bytes) else { return Ok(()) };
    let is_written = match at.store.replace_head(&head_path(here.catalog.device())?, &sealed).await {
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(%error, "the head hint was not written");
            !matches!(error, StoreError::Denied { .. } | StoreError::Unsupported { .. })
        }
    };
    if here.device.remote_setting(at.id, NO_HEADS)?.is_some() == is_written {
        here.device.set_remote_setting(at.id, NO_HEADS, (!is_written).then_some("yes"))?;
    }
    Ok(())
}
