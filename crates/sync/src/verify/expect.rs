//! What should lie in a remote, by everything that this device knows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use safelight_crypto::{ContentHash, DeviceId, names};
use safelight_model::history::Tip;
use safelight_model::{OpId, Original, Packed, PlaceId, Stamp, Storage};
use safelight_store::{Area, ObjectPath};

use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::segment_path;
use crate::keys::{path_of, paths_of};
use crate::originals::path_of_part;
use crate::packs::{path_of_pack, tier_of};

/// What should lie under a name.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    Small,
    PlaceId(PlaceId),
    Segment(DeviceId, Tip),
    /// The part of this number of an original, as one of its additions says.
    Part(Arc<Original>, u32),
    Pack(Packed),
}

/// Everything that history and this device's memory expect, by the name of its first generation.
pub(super) struct Expectation {
    pub(super) objects: BTreeMap<String, (Expected, Option<u64>)>,
    /// Of each content the addition that was made last: the one that is sent and fetched.
    pub(super) originals: HashMap<ContentHash, Arc<Original>>,
}

impl Expectation {
    /// Whether what an addition says of its content is what is sent and fetched. Devices that seal one photo under two epochs
    /// give its parts two names, and a place may hold both.
    pub(super) fn is_last(&self, original: &Arc<Original>) -> bool {
        self.originals.get(&original.content).is_some_and(|last| Arc::ptr_eq(last, original))
    }
}

/// Whether an object is the keys file of another device, of which this one keeps a copy.
fn is_of_another(here: &Here<'_>, path: &ObjectPath) -> bool {
    let device = path.name().parse::<DeviceId>().ok();
    path.area() == Area::Keys && device.is_some_and(|device| device != here.catalog.device())
}

/// Reads what should lie in a remote: history, keys, and every object that this device knows of.
pub(super) fn expect(here: &Here<'_>, at: &RemotePlace) -> Result<Expectation> {
    let mut objects = BTreeMap::new();
    for area in [Area::Root, Area::Keys] {
        for path in paths_of(here, area)? {
            // What is kept for another device, and was not put there yet, waits for the next sync.
            if is_of_another(here, &path) && here.device.replica(at.id, path.as_str())?.is_none() {
                continue;
            }
            let length = here.place.open_object(&path)?.length_bytes();
            objects.insert(path.to_string(), (Expected::Small, Some(length)));
        }
    }
    if let Some(id) = here.device.place_id(at.id)? {
        let path = path_of(&names::remote_id(&here.library()))?;
        objects.insert(path.to_string(), (Expected::PlaceId(id), None));
    }
    let heads: HashMap<_, _> = here.device.remote_heads(at.id)?.into_iter().collect();
    for stored in here.catalog.segments()? {
        if heads.get(&stored.device).is_some_and(|head| stored.tip.seq <= head.seq) {
            let path = segment_path(stored.device, stored.tip.seq.0).to_string();
            objects.insert(path, (Expected::Segment(stored.device, stored.tip), None));
        }
    }
    for pack in here.catalog.remote_packs(None)? {
        if let Some((_, area)) = tier_of(pack.tier) {
            let path = path_of_pack(area, &pack, 0)?.to_string();
            objects.insert(path, (Expected::Pack(pack), Some(pack.sealed_bytes)));
        }
    }
    let mut originals: HashMap<ContentHash, (Stamp, OpId, Arc<Original>)> = HashMap::new();
    let mut after = None;
    loop {
        let assets = here.catalog.assets_after(after, 500)?;
        let Some((last, _)) = assets.last() else { break };
        after = Some(*last);
        for (_, state) in &assets {
            if state.current().is_purged() {
                continue;
            }
            for write in state.current().contents().additions() {
                let original = &write.value.original;
                // A linked one has parts in the additions that were made when it was sent, and in no others.
                if !matches!(original.storage, Storage::Copied | Storage::Linked) || original.parts.is_empty()
                {
                    continue;
                }
                let original = Arc::new(original.clone());
                for (number, part) in (0..).zip(&original.parts) {
                    let path = path_of_part(part, 0)?.to_string();
                    let expected = Expected::Part(Arc::clone(&original), number);
                    objects.insert(path, (expected, Some(part.sealed_bytes)));
                }
                let last = originals.get(&original.content);
                if last.is_none_or(|(stamp, op, _)| (*stamp, *op) < (write.stamp, write.op)) {
                    originals.insert(original.content, (write.stamp, write.op, original));
                }
            }
        }
    }
    let originals = originals.into_iter().map(|(content, (_, _, original))| (content, original)).collect();
    Ok(Expectation { objects, originals })
}
