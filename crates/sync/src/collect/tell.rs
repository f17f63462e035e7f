//! Telling history what rests in a remote, in batches: ranges of the ops that added it (sl1-history §10.2, §10.3).
//!
//! Invariant: history is told of an object only after it was seen there whole: acknowledged by a place that vouches
//! for what it acknowledges, or read back and opened. It is never told of an object that it marks.

use std::collections::BTreeSet;

use safelight_catalog::HowKnown;
use safelight_crypto::ContentHash;
use safelight_model::{
    MAX_PLACED, OpBody, OpId, OpRange, Original, PlaceId, PlacedObject, Replicas, Storage,
};
use safelight_store::{Capability, ObjectPath};

use super::objects::object_of;
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::originals::path_of_part;
use crate::place::place_id;
use crate::problem::Problem;

/// Originals that are looked at together.
const AT_ONCE: usize = 1024;

/// What is to be told.
#[derive(Default)]
struct News {
    additions: BTreeSet<OpId>,
    objects: BTreeSet<PlacedObject>,
}

/// Records in history what was put or proven since the last time. Answers whether anything was.
pub(crate) async fn tell(here: &mut Here<'_>, at: &RemotePlace, problems: &mut Vec<Problem>) -> Result<bool> {
    let packs = here.device.packs_to_tell(at.id)?;
    if packs.is_empty() && here.device.originals_to_tell(at.id, None, 1)?.is_empty() {
        return Ok(false);
    }
    let Some(place) = place_id(here, at, problems).await? else { return Ok(false) };
    let mut wrote = tell_packs(here, at, place, &packs)?;
    let mut after = None;
    loop {
        let contents = here.device.originals_to_tell(at.id, after, AT_ONCE)?;
        let Some(last) = contents.last() else { return Ok(wrote) };
        after = Some(*last);
        wrote |= tell_originals(here, at, place, &contents)?;
    }
}

fn tell_packs(here: &mut Here<'_>, at: &RemotePlace, place: PlaceId, packs: &[String]) -> Result<bool> {
    let (mut news, mut sure, mut unsure) = (News::default(), Vec::new(), Vec::new());
    for pack in packs {
        let object = ObjectPath::parse(pack).ok().and_then(|path| object_of(&path));
        let is_sure = is_sure(here, at, pack)?;
        match object.filter(|_| is_sure) {
            Some(object) if !here.catalog.is_marked(place, &object)? => {
                news.objects.insert(object);
                sure.push(pack.as_str());
            }
            _ => unsure.push(pack.as_str()),
        }
    }
    let wrote = write(here, place, news)?;
    here.device.set_told(at.id, true, [], sure)?;
    here.device.set_told(at.id, false, [], unsure)?;
    Ok(wrote)
}

fn tell_originals(
    here: &mut Here<'_>,
    at: &RemotePlace,
    place: PlaceId,
    contents: &[ContentHash],
) -> Result<bool> {
    let (mut news, mut sure, mut unsure) = (News::default(), Vec::new(), Vec::new());
    for content in contents {
        if consider(here, at, place, content, &mut news)? { &mut sure } else { &mut unsure }.push(*content);
    }
    let wrote = write(here, place, news)?;
    here.device.set_told(at.id, true, &sure, [])?;
    here.device.set_told(at.id, false, &unsure, [])?;
    Ok(wrote)
}

/// Adds what is to be told of one original; answers whether it is sure to be there.
fn consider(
    here: &Here<'_>,
    at: &RemotePlace,
    place: PlaceId,
    content: &ContentHash,
    news: &mut News,
) -> Result<bool> {
    let Some(used) = here.catalog.content_use(content)? else { return Ok(false) };
    let mut is_sure = false;
    for (op, original) in &used.additions {
        if original.storage == Storage::Packed {
            // Tiny originals are told of by their pack.
            is_sure = true;
        }
        let Some(objects) = sure_parts(here, at, place, original)? else { continue };
        is_sure = true;
        if objects.iter().all(|object| object.generation == 0) {
            news.additions.insert(*op);
        } else {
            news.objects.extend(objects);
        }
    }
    Ok(is_sure)
}

/// The objects that hold an original there, if each of them is sure to be there, whole and unmarked.
fn sure_parts(
    here: &Here<'_>,
    at: &RemotePlace,
    place: PlaceId,
    original: &Original,
) -> Result<Option<Vec<PlacedObject>>> {
    let mut objects = Vec::with_capacity(original.parts.len());
    for part in &original.parts {
        let first = path_of_part(part, 0)?;
        let replica = here.device.replica_in_any_generation(at.id, first.as_str())?;
        let Some(replica) = replica else { return Ok(None) };
        let object = ObjectPath::parse(&replica.object).ok().and_then(|path| object_of(&path));
        let Some(object) = object else { return Ok(None) };
        if !vouches(at, replica.how) || here.catalog.is_marked(place, &object)? {
            return Ok(None);
        }
        objects.push(object);
    }
    Ok(Some(objects).filter(|objects| !objects.is_empty()))
}

fn is_sure(here: &Here<'_>, at: &RemotePlace, object: &str) -> Result<bool> {
    Ok(here.device.replica(at.id, object)?.is_some_and(|replica| vouches(at, replica.how)))
}

/// Whether what is known of an object proves that it rests there whole. What others put proves nothing before it is
/// read back, and neither does the word of a folder or of a server that does not vouch for bytes.
fn vouches(at: &RemotePlace, how: HowKnown) -> bool {
    match how {
        HowKnown::Opened | HowKnown::Vouched => true,
        HowKnown::Acknowledged => at.store.capabilities().has(Capability::ProviderChecksum),
        HowKnown::Found => false,
    }
}

fn write(here: &mut Here<'_>, place: PlaceId, news: News) -> Result<bool> {
    let ranges = here.catalog.ranges_over(&news.additions)?;
    let objects: Vec<PlacedObject> = news.objects.into_iter().collect();
    let mut bodies = Vec::new();
    let replicas = |additions: &[OpRange], objects: &[PlacedObject]| {
        let (additions, objects) = (additions.to_vec(), objects.to_vec());
        OpBody::Replicas(Replicas { place, additions, except: Default::default(), objects })
    };
    bodies.extend(ranges.chunks(MAX_PLACED).map(|ranges| replicas(ranges, &[])));
    bodies.extend(objects.chunks(MAX_PLACED).map(|objects| replicas(&[], objects)));
    if bodies.is_empty() {
        return Ok(false);
    }
    let now = (here.now)();
    here.catalog.append(now, bodies)?;
    Ok(true)
}
