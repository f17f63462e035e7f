//! Freeing the local bytes of an original: only against a proof that this device took itself, and that is young
//! (sl1-history §10.4).
//!
//! Invariants: bytes go only by consuming a [`Proof`], which only [`ReadyToFree`] makes, which only comes to be after
//! every op of this device was published at that place and everything there was read. The place is asked once more for
//! every part just before. Before the first byte goes, `device.db` says that the original is in the cloud only: a kill at
//! any moment leaves all of its bytes, or that. Linked files are never touched. Marks and removals exclude each other by
//! the lock under which a sync, a verification and a removal run.

use std::fmt;

use safelight_catalog::{Archived, HowKnown, RemoteId, Replica, SyncState};
use safelight_crypto::{ContentHash, Standing};
use safelight_model::{Original, Storage};
use safelight_store::{Body, Capability, ObjectPath, StoreError, Tier};

use super::find::{InFolder, Opened, Part, parts_of, read_here};
use super::path_of_part;
use crate::brake::is_braked;
use crate::collect::{Arrival, DAY_MILLIS, arrive, hides_history, is_away, object_of};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::history::{HistoryReport, is_published, publish_more};
use crate::place::place_id;
use crate::policy::{AwaitedElsewhere, came_here};
use crate::problem::Problem;

/// The setting of this device that says that it freed an original once: not everything need be here any more, whatever
/// places it is connected with later.
pub const HAS_FREED: &str = "has-freed";

/// A proof lives at most so long (sl1-history §10.6).
pub const OLDEST_PROOF_MILLIS: i64 = 30 * DAY_MILLIS;

/// What freeing may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeOptions {
    /// How old a proof may be; [`OLDEST_PROOF_MILLIS`] at most counts.
    pub proof_millis: i64,
    /// Whether what is not proven is downloaded and opened.
    pub download: bool,
    /// Whether this place is enough, although another one still waits to be sent the original.
    pub is_enough: bool,
}

/// Why the local bytes of an original stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum WhyNot {
    /// There are none.
    NotHere,
    /// It is linked.
    Linked,
    /// It lies in a pack of small originals.
    Small,
    /// A later version of the program stores it in a way that this one does not know.
    Newer,
    /// It is pinned.
    Pinned,
    /// A preview of it is still to be made.
    RenditionToMake,
    /// It is damaged here, and a whole one must come first.
    DamagedHere,
    /// The place does not hold it, as far as is known.
    NotThere,
    /// Another remote waits to be sent it.
    StillWaited,
    /// Nothing but the place's acknowledgement says that it is there.
    NoProof,
    /// The proof is too old.
    StaleProof,
    /// It is not proven, and cannot be downloaded before it is thawed.
    ArchivedUnproven,
    /// The place was just seen not to hold it, or not whole.
    FoundBad,
    /// The place may overwrite objects, and another device may write there.
    MayBeOverwritten,
    /// Not all that this device did is published there.
    Unpublished,
    /// Which place the remote is cannot be told, or it is another one: no mark can be looked up.
    UnknownPlace,
    /// The place shows less history than others have seen, or two of one device: a mark may be hidden.
    HistoryHidden,
    /// This device was away and could not come back.
    Away,
    /// The brake is on.
    Braked,
    /// The catalogue is what a checkpoint says and was not proven by history yet: marks may be missing.
    Provisional,
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHere => "not on this device",
            Self::Linked => "linked: the file is yours and stays where it is",
            Self::Small => "small: it lies in a pack with others, and a pack is not written anew for one",
            Self::Newer => "stored by a newer version of Safelight",
            Self::Pinned => "pinned",
            Self::RenditionToMake => "its preview is still to be made",
            Self::DamagedHere => "damaged here: fetch it first",
            Self::NotThere => "not in the remote",
            Self::StillWaited => "another remote still waits for it",
            Self::NoProof => "no proof that the remote holds it",
            Self::StaleProof => "the proof that the remote holds it is too old",
            Self::ArchivedUnproven => {
                "archived there without a proof, and it cannot be read before it is thawed"
            }
            Self::FoundBad => "missing or damaged in the remote: the next sync sends it again",
            Self::MayBeOverwritten => {
                "the remote cannot refuse to overwrite, and another device may write there"
            }
            Self::Unpublished => "not everything that this device did is published there yet",
            Self::UnknownPlace => {
                "it is not known which place the remote is, or it is another one than before: run a sync"
            }
            Self::HistoryHidden => {
                "the remote withholds history or shows two histories of one device: run a sync to see which"
            }
            Self::Away => "this device was away for long and could not come back yet: run a sync",
            Self::Braked => "the brake is on: safelight brake says why",
            Self::Provisional => "history was not read to its end on this device yet: run a sync",
        })
    }
}

/// What is known here, without a request, about freeing an original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is proven since this moment, in milliseconds since 1970.
    Proven(i64),
    /// The place keeps checksums of its own: one will be asked for.
    ByChecksum,
    /// It will be downloaded and opened first.
    ByDownload,
    /// It stays.
    No(WhyNot),
}

/// What freeing at one place stands on, as far as it is known without a request: enough for a plan.
#[derive(Clone, Debug)]
pub struct Freeing {
    options: FreeOptions,
    refuses: Option<WhyNot>,
    vouches: bool,
    awaited: Option<AwaitedElsewhere>,
}

impl Freeing {
    /// Looks at what is known of a place.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn plan(here: &Here<'_>, at: &RemotePlace, options: FreeOptions) -> Result<Self> {
        let capabilities = at.store.capabilities();
        let own = here.catalog.device();
        // A device that was revoked may have kept the credential.
        let has_left = |standing| matches!(standing, Standing::Retired { .. });
        let others = here.roster()?.is_none_or(|roster| {
            roster.members().iter().any(|(id, member)| *id != own && !has_left(member.standing))
        });
        let refuses = if here.catalog.begun_with()?.is_some() {
            Some(WhyNot::Provisional)
        } else if is_braked(here.device)? {
            Some(WhyNot::Braked)
        } else if here.device.place_id(at.id)?.is_none() {
            Some(WhyNot::UnknownPlace)
        } else {
            (others && !capabilities.has(Capability::PutIfAbsent)).then_some(WhyNot::MayBeOverwritten)
        };
        let vouches = capabilities.has(Capability::ProviderChecksum);
        let is_this = |id| id == at.id;
        let awaited = match options.is_enough {
            true => None,
            false => Some(AwaitedElsewhere::of(here.catalog, here.device, is_this, here.now_millis())?),
        };
        Ok(Self { options, refuses, vouches, awaited })
    }

    /// Tells what would become of an original.
    ///
    /// # Errors
    /// Those of the databases and of the folder.
    pub fn judge(&self, here: &Here<'_>, at: &RemotePlace, original: &Original) -> Result<Judgement> {
        match original.storage {
            Storage::Copied => {}
            // A sealed copy of what is linked on another device may go; the file never does.
            Storage::Linked if count_here(here, original)? > 0 => {}
            Storage::Linked => return Ok(Judgement::No(WhyNot::Linked)),
            Storage::Packed => return Ok(Judgement::No(WhyNot::Small)),
            Storage::Unknown(_) => return Ok(Judgement::No(WhyNot::Newer)),
        }
        if count_here(here, original)? == 0 {
            return Ok(Judgement::No(WhyNot::NotHere));
        }
        if here.device.has_rendition_to_make(&original.content)? {
            return Ok(Judgement::No(WhyNot::RenditionToMake));
        }
        let held = here.device.original_at_remotes(&original.content)?;
        let state_here = held.iter().find(|(id, _)| *id == at.id).map(|(_, row)| row.state);
        if !matches!(state_here, Some(SyncState::Synced | SyncState::CloudOnly | SyncState::Thawing)) {
            return Ok(Judgement::No(WhyNot::NotThere));
        }
        if let Some(awaited) = &self.awaited
            && awaited.awaits(here.device, &original.content)?
        {
            return Ok(Judgement::No(WhyNot::StillWaited));
        }
        if let Some(why) = self.refuses {
            return Ok(Judgement::No(why));
        }
        let mut oldest = Some(i64::MAX);
        let mut was_proven = true;
        for part in parts_of(original) {
            let Some(replica) = usable_replica(here, at, part)? else {
                return Ok(Judgement::No(WhyNot::NotThere));
            };
            was_proven &= replica.proven_millis.is_some();
            oldest = oldest.zip(self.fresh(here, &replica)).map(|(oldest, proven)| oldest.min(proven));
        }
        Ok(match oldest {
            Some(since) => Judgement::Proven(since),
            None if self.vouches => Judgement::ByChecksum,
            None if self.options.download => Judgement::ByDownload,
            None if was_proven => Judgement::No(WhyNot::StaleProof),
            None => Judgement::No(WhyNot::NoProof),
        })
    }

    /// When an object was proven, if that is not too long ago, nor in a future that a clock has left.
    fn fresh(&self, here: &Here<'_>, replica: &Replica) -> Option<i64> {
        let now = here.now_millis();
        let age = self.options.proof_millis.clamp(0, OLDEST_PROOF_MILLIS);
        replica.proven_millis.filter(|proven| (now.saturating_sub(age)..=now).contains(proven))
    }

    /// Publishes what this device did and reads what others did, so that bytes may go; comes back first where this
    /// device was away. Where the place or this device does not stand so that a proof means anything
    /// (sl1-history §10.5), nothing can be proven, and every original is told why.
    ///
    /// # Errors
    /// As a sync of history: without the place nothing is freed.
    pub async fn begin(
        here: &mut Here<'_>,
        at: &RemotePlace,
        options: FreeOptions,
        problems: &mut Vec<Problem>,
    ) -> Result<ReadyToFree> {
        let mut history = HistoryReport::default();
        let arrival = arrive(here, at, &mut history).await?;
        let hides_history = hides_history(here, &history)?;
        let own_history_waits = history.own_history_waits;
        problems.append(&mut history.problems);
        let is_same_place = is_same_place(here, at, problems).await?;
        let mut freeing = Self::plan(here, at, options)?;
        let refuses = if freeing.refuses == Some(WhyNot::Provisional) {
            Some(WhyNot::Provisional)
        } else if arrival == Arrival::StaysAway || is_away(here, at)? {
            Some(WhyNot::Away)
        } else if is_braked(here.device)? {
            Some(WhyNot::Braked)
        } else if hides_history {
            Some(WhyNot::HistoryHidden)
        } else if !is_same_place {
            Some(WhyNot::UnknownPlace)
        } else if own_history_waits || !is_published(here, at)? {
            Some(WhyNot::Unpublished)
        } else {
            None
        };
        freeing.refuses = refuses.or(freeing.refuses);
        Ok(ReadyToFree(freeing))
    }
}

/// Whether the place is the one that this device's proofs and everybody's marks speak of.
async fn is_same_place(here: &mut Here<'_>, at: &RemotePlace, problems: &mut Vec<Problem>) -> Result<bool> {
    let known = here.device.place_id(at.id)?;
    match place_id(here, at, problems).await {
        Ok(Some(found)) => {
            if known.is_some_and(|known| known != found) {
                // Proofs that were taken at the other place say nothing of this one.
                here.device.forget_proofs(at.id)?;
            }
            Ok(true)
        }
        Ok(None) | Err(SyncError::AnotherPlace { .. } | SyncError::CopiedPlace { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// How many parts of an original rest in the folder.
fn count_here(here: &Here<'_>, original: &Original) -> Result<usize> {
    let mut count = 0;
    for part in &original.parts {
        count += usize::from(here.place.contains(&ObjectPath::original(part.name))?);
    }
    Ok(count)
}

/// What is known of a part in a place. What is marked is void from when the mark was read, acknowledged or not; where
/// no mark can be looked up nothing is known.
pub(super) fn usable_replica(here: &Here<'_>, at: &RemotePlace, part: Part<'_>) -> Result<Option<Replica>> {
    let path = path_of_part(part.part, 0)?;
    let Some(replica) = here.device.replica_in_any_generation(at.id, path.as_str())? else { return Ok(None) };
    let object = ObjectPath::parse(&replica.object).ok().and_then(|path| object_of(&path));
    let (Some(place), Some(object)) = (here.device.place_id(at.id)?, object) else { return Ok(None) };
    let is_void = here.catalog.is_marked(place, &object)? || here.device.is_bad(at.id, &replica.object)?;
    Ok(Some(replica).filter(|_| !is_void))
}

/// Everything is published and read: proofs may be taken, and bytes freed against them.
#[must_use = "it was made to free something"]
#[derive(Clone, Debug)]
pub struct ReadyToFree(Freeing);

/// A place holds an original whole and reachable: this device knows it by itself, since a moment ago or since a proof
/// that is young enough.
#[must_use = "a proof is there to be used: it frees the bytes"]
#[derive(Debug)]
pub struct Proof<'a> {
    original: &'a Original,
    remote: RemoteId,
    is_archived: bool,
}

/// What asking a place about one part came to.
enum Asked {
    Proven { is_archived: bool },
    No(WhyNot),
}

impl ReadyToFree {
    /// Takes, or finds, the proof that a place holds an original.
    ///
    /// # Errors
    /// What concerns the whole place, and the databases; the inner error says why the bytes stay.
    pub async fn prove<'a>(
        &self,
        here: &mut Here<'_>,
        at: &RemotePlace,
        original: &'a Original,
        problems: &mut Vec<Problem>,
    ) -> Result<std::result::Result<Proof<'a>, WhyNot>> {
        if let Judgement::No(why) = self.0.judge(here, at, original)? {
            return Ok(Err(why));
        }
        // Freeing takes hours, and others write meanwhile: what they said goes out before any bytes go.
        if !is_published(here, at)? {
            let mut history = HistoryReport::default();
            publish_more(here, at, &mut history).await?;
            problems.append(&mut history.problems);
            if !is_published(here, at)? {
                return Ok(Err(WhyNot::Unpublished));
            }
        }
        let mut proof = Proof { original, remote: at.id, is_archived: false };
        for part in parts_of(original) {
            here.stop.check()?;
            match self.ask(here, at, part, problems).await? {
                Asked::Proven { is_archived } => proof.is_archived |= is_archived,
                Asked::No(why) => return Ok(Err(why)),
            }
        }
        // Asking took its time, and what somebody wrote meanwhile has to be readable elsewhere before any bytes go.
        Ok(if is_published(here, at)? { Ok(proof) } else { Err(WhyNot::Unpublished) })
    }

    /// Asks a place about one part: is it there, of its size; and if no young proof is known, for one.
    async fn ask(
        &self,
        here: &mut Here<'_>,
        at: &RemotePlace,
        part: Part<'_>,
        problems: &mut Vec<Problem>,
    ) -> Result<Asked> {
        let Some(replica) = usable_replica(here, at, part)? else { return Ok(Asked::No(WhyNot::NotThere)) };
        let path = ObjectPath::parse(&replica.object).map_err(StoreError::from)?;
        let info = match at.store.head(&path).await {
            Ok(info) => info,
            Err(StoreError::NotFound { .. }) => {
                let problem = Problem::Missing { object: path.to_string() };
                return lost(here, at, part, &path, problem, problems);
            }
            Err(error) => return Err(error.into()),
        };
        if info.length_bytes != part.part.sealed_bytes {
            let reason = format!("it has {} bytes instead of {}", info.length_bytes, part.part.sealed_bytes);
            let problem = Problem::Damaged { object: path.to_string(), reason };
            return lost(here, at, part, &path, problem, problems);
        }
        let is_archived = info.tier == Some(Tier::Archive);
        let is_fresh = self.0.fresh(here, &replica).is_some();
        if is_fresh && replica.how != HowKnown::Vouched {
            return Ok(Asked::Proven { is_archived });
        }
        // What is compared must itself be whole, or damage here would vouch for damage there.
        let local = match read_here(here.place, here.library(), here.keys.keyring(), part)? {
            InFolder::Whole(local) => Some(local),
            // A removal that was cut short has taken it.
            InFolder::Absent => None,
            InFolder::Damaged => return Ok(Asked::No(WhyNot::DamagedHere)),
        };
        if is_fresh {
            return Ok(Asked::Proven { is_archived });
        }
        if let (Some(checksum), Some(local), true) = (info.checksum, &local, self.0.vouches) {
            let is_it = checksum.is_of(&Body::from(local.sealed.clone())).unwrap_or(false);
            // Another device's twin has other sealed bytes: only reading it tells.
            if is_it {
                remember(here, at, &path, part, HowKnown::Vouched)?;
                return Ok(Asked::Proven { is_archived });
            }
        }
        if is_archived {
            return Ok(Asked::No(WhyNot::ArchivedUnproven));
        }
        if !self.0.options.download {
            let why = if replica.proven_millis.is_some() { WhyNot::StaleProof } else { WhyNot::NoProof };
            return Ok(Asked::No(why));
        }
        // What the way there damaged is whole the second time.
        let mut reason = String::new();
        for _ in 0..2 {
            match read_back(here, at, &path, part, local.as_ref()).await? {
                Ok(()) => {
                    remember(here, at, &path, part, HowKnown::Opened)?;
                    return Ok(Asked::Proven { is_archived });
                }
                Err(wrong) => reason = wrong,
            }
        }
        lost(here, at, part, &path, Problem::Damaged { object: path.to_string(), reason }, problems)
    }
}

/// Downloads a part, opens it, and compares it with what is here.
async fn read_back(
    here: &Here<'_>,
    at: &RemotePlace,
    path: &ObjectPath,
    part: Part<'_>,
    local: Option<&Opened>,
) -> Result<std::result::Result<(), String>> {
    let sealed = match at.store.get(path, part.part.sealed_bytes).await {
        Ok(sealed) => sealed,
        Err(
            error @ (StoreError::NotFound { .. } | StoreError::TooLarge { .. } | StoreError::Damaged { .. }),
        ) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    if local.is_some_and(|local| local.sealed == *sealed) {
        return Ok(Ok(()));
    }
    Ok(part.open(here.library(), here.keys.keyring(), &sealed).and_then(|content| match local {
        Some(local) if local.content != content => Err("its content is another one".to_owned()),
        _ => Ok(()),
    }))
}

fn remember(
    here: &mut Here<'_>,
    at: &RemotePlace,
    path: &ObjectPath,
    part: Part<'_>,
    how: HowKnown,
) -> Result<()> {
    let now = here.now_millis();
    let replica = Replica {
        object: path.to_string(),
        sealed_bytes: part.part.sealed_bytes,
        placed_millis: now,
        proven_millis: Some(now),
        how,
    };
    Ok(here.device.record_replicas(at.id, [&replica])?)
}

/// The place does not hold what it should: named, forgotten, and to be sent again from the bytes that stay here.
fn lost(
    here: &mut Here<'_>,
    at: &RemotePlace,
    part: Part<'_>,
    path: &ObjectPath,
    problem: Problem,
    problems: &mut Vec<Problem>,
) -> Result<Asked> {
    let was = if matches!(problem, Problem::Missing { .. }) { "missing" } else { "damaged" };
    here.note(problems, problem);
    // What is damaged lies there all the same, and its size stays known for that.
    if was == "damaged" {
        here.device.mark_bad(at.id, path.as_str())?;
    } else {
        here.device.forget_replicas(at.id, [path.as_str()])?;
    }
    let content = part.original.content;
    here.device.set_original_states(at.id, [(&content, SyncState::Waiting, Some(was))])?;
    Ok(Asked::No(WhyNot::FoundBad))
}

impl Proof<'_> {
    /// Frees the local bytes. Killed anywhere, the original is here whole, or in the cloud only. Answers the bytes that
    /// went.
    ///
    /// # Errors
    /// Those of the databases and of the folder.
    pub fn free(self, here: &mut Here<'_>) -> Result<u64> {
        let content = self.original.content;
        if self.is_archived {
            here.device.set_archived(&Archived { remote: self.remote, content, asked_millis: None })?;
        } else {
            here.device.set_thawed(self.remote, &content)?;
        }
        if here.device.setting(HAS_FREED)?.is_none() {
            here.device.set_setting(HAS_FREED, Some(b"yes"))?;
        }
        here.device.begin_freeing(&content)?;
        if self.is_archived {
            here.device.set_original_states(
                self.remote,
                [(&content, SyncState::CloudOnly, Some(super::fetch::ARCHIVED))],
            )?;
        }
        let mut freed_bytes = 0;
        for part in self.original.parts.iter().rev() {
            let path = ObjectPath::original(part.name);
            match here.place.open_object(&path) {
                Ok(object) => {
                    let length = object.length_bytes();
                    here.place.remove_object(&path)?;
                    freed_bytes += length;
                }
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        here.device.finish_freeing(&content)?;
        Ok(freed_bytes)
    }
}

/// Looks after removals that were cut short: where nothing went, all is as before; where all went, that is recorded.
/// Answers the contents that are half gone: they are in the cloud, and what is left of them goes by the same way as all.
///
/// # Errors
/// Those of the databases and of the folder.
pub fn finish_freeing(here: &mut Here<'_>) -> Result<Vec<ContentHash>> {
    let mut halves = Vec::new();
    for content in here.device.freeing()? {
        let original = here.catalog.original_of(&content)?;
        let count = match &original {
            Some(original) => count_here(here, original)?,
            None => 0,
        };
        match original {
            Some(original) if count == original.parts.len() => {
                came_here(here.device, &content, &original.parts)?;
                here.device.finish_freeing(&content)?;
            }
            Some(_) if count > 0 => halves.push(content),
            _ => here.device.finish_freeing(&content)?,
        }
    }
    Ok(halves)
}
