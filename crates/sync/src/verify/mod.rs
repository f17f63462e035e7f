//! Trust in the copy: is everything that should rest in a remote there, of the right size, and whole?
//!
//! A listing is a witness, not a judge: what it does not name is asked for by name before it counts as missing,
//! and what it names counts as found and never as placed. What is missing or damaged is forgotten, so that it waits to be sent
//! again; nothing is deleted. A sweep of samples goes through all objects in the order of their names, so that
//! everything is proven in 1/p runs.

mod expect;
mod lost;
mod others;
mod owed;
mod prove;

use std::collections::{BTreeMap, HashMap, HashSet};

use safelight_catalog::{HowKnown, Replica};
use safelight_crypto::ContentHash;
use safelight_model::PlacedObject;
use safelight_store::{Area, ObjectPath, StoreError};

use self::expect::{Expectation, Expected, expect};
use self::lost::{lost, mark_found};
use self::others::look_at_others;
use self::owed::{best_generation, is_gone, last_marked, length_of, owed_as, packs_found, was_damaged};
use self::prove::{Proof, prove};
use crate::checkpoint::{WrongCheckpoints, forget_missing, open_newest};
use crate::collect::{mark_damaged, object_of};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::{leftovers_at, refuse_what_went_back};
use crate::place::{place_id, refuse_another_library};
use crate::problem::{Problem, Transfer};

/// So many objects are proven between two transactions that record it.
const RECORDED_AT_ONCE: usize = 64;

/// How thoroughly a remote is verified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Depth {
    /// Presence and sizes.
    Presence,
    /// Also downloads and opens this share of the objects, going on where the last run stopped.
    Sample(f64),
    /// Also downloads and opens everything.
    All,
}

/// What a verification found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Objects that should be there.
    pub expected_objects: u64,
    /// Those that are, with the right size.
    pub present_objects: u64,
    /// Those that were downloaded and opened.
    pub proven_objects: u64,
    /// Bytes that were downloaded.
    pub downloaded_bytes: u64,
    /// What is missing, damaged or strange.
    pub problems: Vec<Problem>,
    /// Why something of history that is damaged there could not be replaced.
    pub not_replaced: Option<String>,
    /// What of that may be put there again from what is held here.
    pub(crate) wrong: Wrong,
}

/// What was found missing or damaged, and which it was.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    /// Root cards and keys files.
    pub(crate) small: BTreeMap<String, &'static str>,
    /// Parts of originals that are here.
    pub(crate) parts: BTreeMap<String, (ContentHash, &'static str)>,
    /// Packs, with their logical names.
    pub(crate) packs: BTreeMap<String, (String, &'static str)>,
    /// Roots and pages of checkpoints.
    pub(crate) checkpoints: WrongCheckpoints,
}

impl VerifyReport {
    /// Whether something was found wrong that may be put again from here.
    #[must_use]
    pub fn may_be_repaired(&self) -> bool {
        let Wrong { small, parts, packs, checkpoints } = &self.wrong;
        !(small.is_empty() && parts.is_empty() && packs.is_empty() && checkpoints.is_empty())
    }
}

/// What was found in its place or proven there, and is not recorded yet: a transaction waits for the disk, and one for
/// each object would take longer than the objects do.
#[derive(Default)]
struct Unrecorded {
    replicas: Vec<Replica>,
    /// Contents of which something was proven.
    proven: Vec<ContentHash>,
    /// The last object of the sample that was looked at.
    last: Option<String>,
}

impl Unrecorded {
    fn push(&mut self, here: &Here<'_>, path: &str, sealed_bytes: u64, how: HowKnown) {
        self.replicas.push(here.replica(path, sealed_bytes, how));
    }

    fn record(&mut self, here: &mut Here<'_>, at: &RemotePlace) -> Result<()> {
        let (replicas, proven) = (std::mem::take(&mut self.replicas), std::mem::take(&mut self.proven));
        if !replicas.is_empty() {
            here.device.record_replicas(at.id, &replicas)?;
        }
        if !proven.is_empty() {
            here.device.tell_again(at.id, &proven)?;
        }
        Ok(())
    }
}

/// Verifies a remote. What is found missing or damaged waits to be sent again: [`repair`](crate::repair), or the next
/// sync, puts what is held here. Segments of history are repaired at once, where the credential may delete.
///
/// # Errors
/// What the place and the databases answer; findings are in the report.
pub async fn verify_remote(here: &mut Here<'_>, at: &RemotePlace, depth: Depth) -> Result<VerifyReport> {
    // History that is missing is put again at once: not into another library's place, nor into one that was emptied, or
    // where a disk is not mounted.
    refuse_another_library(here.library(), here.place, &at.store).await?;
    refuse_what_went_back(here, at).await?;
    let mut report = VerifyReport::default();
    let expectation = expect(here, at)?;
    let listed = list_all(here, at, &expectation, &mut report).await?;
    let share = match depth {
        Depth::Presence => 0.0,
        Depth::Sample(share) => share.clamp(0.0, 1.0),
        Depth::All => 1.0,
    };
    let (chosen, last) = choose(here, at, &expectation, share)?;
    let mut unrecorded = Unrecorded::default();
    let looked = look(here, at, &expectation, &listed, &chosen, &mut unrecorded, &mut report).await;
    // What was proven before the place went away stays proven.
    unrecorded.record(here, at)?;
    // The next run goes on behind what this one looked at, also where it was cut.
    let position = if looked.is_ok() { last } else { unrecorded.last };
    if let Some(position) = position
        && share < 1.0
        && (looked.is_ok() || position > here.device.sweep_position(at.id)?)
    {
        here.device.set_sweep_position(at.id, &position)?;
    }
    let Looked { mut damaged, mut gone } = looked?;
    report.problems.extend(leftovers_at(here, at)?);
    look_at_others(here, at, &listed, depth, &mut report).await?;
    mark_found(here, at, &expectation)?;
    // What was not there when it was asked for may have come since: the next sync asks again.
    here.device.forget_absent_packs(at.id)?;
    forget_missing(here, at, &mut report).await?;
    if depth == Depth::All {
        open_newest(here, at, &mut report).await?;
    }
    let is_id_right = here.device.place_id(at.id)?.is_none()
        || !report.problems.iter().any(|problem| match problem {
            Problem::Damaged { object, .. } | Problem::Missing { object } => object.starts_with("remote/"),
            _ => false,
        });
    // Others may rely on what is bad there, or gone. What is missing and held here is put again under its own name. A
    // place that does not even show its id may be a disk that is not mounted: nothing is gone for that.
    if is_id_right {
        damaged.append(&mut gone);
    }
    if (!damaged.is_empty() || !is_id_right)
        && let Some(place) = place_id(here, at, &mut report.problems).await?
    {
        mark_damaged(here, at, place, damaged)?;
    }
    Ok(report)
}

/// What looking at every object came to, besides what is in the report.
#[derive(Default)]
struct Looked {
    damaged: Vec<PlacedObject>,
    /// What is missing and not held here.
    gone: Vec<PlacedObject>,
}

/// Looks at every object that should be there, and opens those that were chosen.
async fn look(
    here: &mut Here<'_>,
    at: &RemotePlace,
    expectation: &Expectation,
    listed: &HashMap<String, u64>,
    chosen: &HashSet<String>,
    unrecorded: &mut Unrecorded,
    report: &mut VerifyReport,
) -> Result<Looked> {
    let roster = here.roster()?;
    let packs = packs_found(here, at, expectation, listed)?;
    let Looked { mut damaged, mut gone } = Looked::default();
    for (name, (expected, size)) in &expectation.objects {
        here.stop.check()?;
        if unrecorded.replicas.len() >= RECORDED_AT_ONCE {
            unrecorded.record(here, at)?;
        }
        let known = here.device.replica_in_any_generation(at.id, name)?;
        let is_ours = known.is_some()
            || matches!(expected, Expected::Segment(..) | Expected::Small | Expected::PlaceId(_));
        let path = match &known {
            Some(known) => known.object.clone(),
            None => match best_generation(here, at, name, listed)? {
                Some(path) => path,
                None if is_ours => name.clone(),
                None => match owed_as(here, at, name, expected, &packs, expectation)? {
                    Some(path) => path,
                    None => continue,
                },
            },
        };
        let is_owed = !is_ours && !listed.contains_key(&path);
        let found = match listed.get(&path) {
            Some(found) => Some(*found),
            // Listings may be stale: only the place's own word for this name counts.
            None => length_of(at, &path).await?,
        };
        let found = match found {
            Some(listed) if size.is_some_and(|size| size != listed) => length_of(at, &path).await?,
            found => found,
        };
        report.expected_objects += 1;
        let Some(found) = found else {
            if !(is_owed && was_damaged(here, at, &path)?) && is_gone(here, at, expected, &path).await? {
                gone.extend(ObjectPath::parse(&path).ok().and_then(|path| object_of(&path)));
            }
            // What nobody has put again yet is named as what was lost, and that is marked already.
            let object = if is_owed { last_marked(here, at, &path)? } else { None }.unwrap_or(path.clone());
            let problem = Problem::Missing { object };
            unrecorded.record(here, at)?;
            lost(here, at, expected, &path, problem, expectation, report).await?;
            continue;
        };
        if let Some(size) = size
            && *size != found
        {
            let reason = format!("it has {found} bytes instead of {size}");
            damaged.extend(ObjectPath::parse(&path).ok().and_then(|path| object_of(&path)));
            let problem = Problem::Damaged { object: path.clone(), reason };
            unrecorded.record(here, at)?;
            lost(here, at, expected, &path, problem, expectation, report).await?;
            continue;
        }
        report.present_objects += 1;
        if known.is_none() {
            unrecorded.push(here, &path, found, HowKnown::Found);
        }
        let is_chosen = chosen.contains(name);
        if !(is_chosen || is_another_length(here, expected, found)) {
            continue;
        }
        let mut proof = prove(here, at, expected, &path, roster.as_ref(), report).await?;
        if matches!(proof, Proof::Bad(_) | Proof::Missing) {
            // What the way there damaged is whole the second time.
            proof = prove(here, at, expected, &path, roster.as_ref(), report).await?;
        }
        if is_chosen {
            unrecorded.last = Some(name.clone());
        }
        match proof {
            Proof::Unopened => {}
            Proof::Whole => {
                report.proven_objects += 1;
                here.monitor.advance(Transfer::Verified, found);
                unrecorded.push(here, &path, found, HowKnown::Opened);
                if let Expected::Part(original, _) = expected {
                    unrecorded.proven.push(original.content);
                }
            }
            // Listed, and not to be had, twice.
            Proof::Missing => {
                if is_gone(here, at, expected, &path).await? {
                    gone.extend(ObjectPath::parse(&path).ok().and_then(|path| object_of(&path)));
                }
                let problem = Problem::Missing { object: path.clone() };
                unrecorded.record(here, at)?;
                lost(here, at, expected, &path, problem, expectation, report).await?;
            }
            Proof::Bad(reason) => {
                damaged.extend(ObjectPath::parse(&path).ok().and_then(|path| object_of(&path)));
                let problem = Problem::Damaged { object: path.clone(), reason };
                unrecorded.record(here, at)?;
                lost(here, at, expected, &path, problem, expectation, report).await?;
            }
        }
    }
    Ok(Looked { damaged, gone })
}

/// Whether a segment has another length in a place than here: it may be cut, or sealed anew by its device.
fn is_another_length(here: &Here<'_>, expected: &Expected, found_bytes: u64) -> bool {
    let Expected::Segment(device, tip) = expected else { return false };
    let held = here.place.open_object(&ObjectPath::segment(*device, tip.seq.0));
    held.is_ok_and(|object| object.length_bytes() != found_bytes)
}

/// Lists what is there, by name; names that nothing speaks of are strangers.
async fn list_all(
    here: &Here<'_>,
    at: &RemotePlace,
    expectation: &Expectation,
    report: &mut VerifyReport,
) -> Result<HashMap<String, u64>> {
    let mut listed = HashMap::new();
    let place = here.device.place_id(at.id)?;
    let areas = [
        Area::Root,
        Area::Keys,
        Area::Log,
        Area::RemoteId,
        Area::Original,
        Area::Thumbnails,
        Area::Previews,
        Area::Small,
    ];
    for area in areas {
        let mut after = None;
        loop {
            let page = match at.store.list(area, after.as_ref()).await {
                Ok(page) => page,
                Err(StoreError::Denied { .. } | StoreError::Unsupported { .. }) => break,
                Err(error) => return Err(error.into()),
            };
            for stranger in page.strangers {
                here.note(&mut report.problems, Problem::Stranger { object: stranger });
            }
            for object in page.objects {
                let name = object.key.as_str();
                let placed = ObjectPath::parse(name).ok().and_then(|path| object_of(&path));
                // What is marked waits to be collected.
                if let Some((place, placed)) = place.zip(placed)
                    && here.catalog.is_marked(place, &placed)?
                {
                    continue;
                }
                let is_known = ObjectPath::parse(name).is_ok_and(|path| {
                    let first = name.rsplit_once('-').map_or(name, |(first, _)| first);
                    // Segments, keys and cards that are not known here yet come with the next sync.
                    matches!(path.area(), Area::Log | Area::Keys | Area::Root | Area::RemoteId)
                        || expectation.objects.contains_key(first)
                });
                if is_known {
                    listed.insert(name.to_owned(), object.length_bytes);
                } else {
                    here.note(&mut report.problems, Problem::Stranger { object: name.to_owned() });
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    Ok(listed)
}

/// The objects of this run's sample, and the last of them: the next one begins behind it.
fn choose(
    here: &Here<'_>,
    at: &RemotePlace,
    expectation: &Expectation,
    share: f64,
) -> Result<(HashSet<String>, Option<String>)> {
    let names: Vec<&String> = expectation.objects.keys().collect();
    if share >= 1.0 {
        return Ok((names.into_iter().cloned().collect(), None));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a count, rounded up"
    )]
    let count = ((names.len() as f64 * share).ceil() as usize).min(names.len());
    let position = here.device.sweep_position(at.id)?;
    let start = names.partition_point(|name| **name <= position);
    let chosen: Vec<String> =
        names.iter().cycle().skip(start).take(count).map(|name| (*name).clone()).collect();
    let last = chosen.last().cloned();
    Ok((chosen.into_iter().collect(), last))
}
