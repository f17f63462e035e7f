//! What places hold of what history expects, and what one of them lacks that the other has. Only listings are read.
//!
//! A listing is a witness, not a judge: what it does not name may still be there; `verify` asks by name.

use std::collections::HashMap;

use safelight_model::{ObjectName, PlacedObject};
use safelight_store::{Area, ObjectPath, StoreError};

use crate::collect::{Held, object_of};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::packs::tier_of;

/// Assets that are read together.
const ASSETS_AT_ONCE: usize = 512;

/// What was found of one kind of objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// What history expects somewhere.
    pub expected: Held,
    /// What the first place holds of it, with the right size.
    pub in_first: Held,
    /// What the second place holds of it.
    pub in_second: Held,
    /// What only the first holds.
    pub only_first: Held,
    /// What only the second holds.
    pub only_second: Held,
    /// What neither holds.
    pub in_neither: Held,
}

/// How two places, or one and history, stand to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Parts of originals.
    pub originals: Compared,
    /// Packs of thumbnails, previews and tiny originals.
    pub packs: Compared,
    /// Objects of each place that are marked and wait to be collected.
    pub marked: [Held; 2],
    /// Objects of each place that nothing speaks of.
    pub strangers: [Held; 2],
}

/// Names that a place lists, unmarked ones, with their sizes: whichever generation is of the wanted size counts.
struct Listing {
    sizes: HashMap<(u8, ObjectName), Vec<u64>>,
    /// Those that were asked for.
    asked: u64,
    asked_bytes: u64,
    all: Held,
}

/// Compares a place with history, and with another place.
///
/// # Errors
/// What the places answer to a listing, and those of the databases.
pub async fn compare(
    here: &Here<'_>,
    first: &RemotePlace,
    second: Option<&RemotePlace>,
) -> Result<Comparison> {
    let mut comparison = Comparison::default();
    let [marked_first, marked_second] = &mut comparison.marked;
    let mut one = list(here, first, marked_first).await?;
    let mut other = match second {
        Some(second) => Some(list(here, second, marked_second).await?),
        None => None,
    };
    let mut after = None;
    loop {
        here.stop.check()?;
        let assets = here.catalog.assets_after(after, ASSETS_AT_ONCE)?;
        let Some((last, _)) = assets.last() else { break };
        after = Some(*last);
        let lives = assets.iter().flat_map(|(_, state)| state.lives()).filter(|(_, life)| !life.is_purged());
        for write in lives.flat_map(|(_, life)| life.contents().additions()) {
            for part in &write.value.original.parts {
                let key = (b'o', part.name);
                comparison.originals.count(&mut one, other.as_mut(), key, part.sealed_bytes);
            }
        }
    }
    for pack in here.catalog.remote_packs(None)? {
        let Some((_, area)) = tier_of(pack.tier) else { continue };
        let class = area.as_str().as_bytes().first().copied().unwrap_or_default();
        comparison.packs.count(&mut one, other.as_mut(), (class, pack.name), pack.sealed_bytes);
    }
    for (listing, strangers) in [Some(&one), other.as_ref()].into_iter().zip(&mut comparison.strangers) {
        if let Some(listing) = listing {
            strangers.objects = listing.all.objects.saturating_sub(listing.asked);
            strangers.bytes = listing.all.bytes.saturating_sub(listing.asked_bytes);
        }
    }
    Ok(comparison)
}

impl Compared {
    fn count(
        &mut self,
        one: &mut Listing,
        other: Option<&mut Listing>,
        key: (u8, ObjectName),
        sealed_bytes: u64,
    ) {
        // Two assets may have one content: it is expected once.
        let Some(in_first) = one.ask(key, sealed_bytes) else { return };
        let in_second = other.and_then(|other| other.ask(key, sealed_bytes)).unwrap_or_default();
        self.expected.add(sealed_bytes);
        let found = match (in_first, in_second) {
            (true, true) => None,
            (true, false) => Some(&mut self.only_first),
            (false, true) => Some(&mut self.only_second),
            (false, false) => Some(&mut self.in_neither),
        };
        if let Some(found) = found {
            found.add(sealed_bytes);
        }
        if in_first {
            self.in_first.add(sealed_bytes);
        }
        if in_second {
            self.in_second.add(sealed_bytes);
        }
    }
}

/// The size under which an answered question is remembered; no object has it.
const ASKED: u64 = u64::MAX;

impl Listing {
    /// Whether an object of this size is listed; none if that was asked before.
    fn ask(&mut self, key: (u8, ObjectName), sealed_bytes: u64) -> Option<bool> {
        let sizes = self.sizes.entry(key).or_default();
        if sizes.contains(&ASKED) {
            return None;
        }
        let is_there = sizes.contains(&sealed_bytes);
        self.asked += sizes.len() as u64;
        self.asked_bytes += sizes.iter().sum::<u64>();
        *sizes = vec![ASKED];
        Some(is_there)
    }
}

async fn list(here: &Here<'_>, at: &RemotePlace, marked: &mut Held) -> Result<Listing> {
    let place = here.device.place_id(at.id)?;
    let mut listing = Listing { sizes: HashMap::new(), asked: 0, asked_bytes: 0, all: Held::default() };
    for area in [Area::Original, Area::Thumbnails, Area::Previews, Area::Small] {
        let mut after = None;
        loop {
            here.stop.check()?;
            let page = match at.store.list(area, after.as_ref()).await {
                Ok(page) => page,
                Err(StoreError::NotFound { .. }) => break,
                Err(error) => return Err(error.into()),
            };
            for info in page.objects {
                let object = ObjectPath::parse(info.key.as_str()).ok().and_then(|path| object_of(&path));
                let Some(object) = object else { continue };
                if is_marked(here, place, &object)? {
                    marked.add(info.length_bytes);
                } else {
                    listing.all.add(info.length_bytes);
                    listing.sizes.entry((object.class, object.name)).or_default().push(info.length_bytes);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    Ok(listing)
}

fn is_marked(
    here: &Here<'_>,
    place: Option<safelight_model::PlaceId>,
    object: &PlacedObject,
) -> Result<bool> {
    match place {
        Some(place) => Ok(here.catalog.is_marked(place, object)?),
        None => Ok(false),
    }
}
