//! Originals on their way: what is to be sent, sending it part by part, fetching one back, reading one where it is,
//! freeing the local bytes of one that a place was proven to hold.

mod fetch;
mod find;
mod free;
mod linked;
mod look;
mod queue;
mod read;
mod send;
mod thaw;

pub use fetch::{fetch_from, fetch_missing, fetch_original};
pub(crate) use fetch::{open_part, opens_as_part};
pub use find::Living;
pub use free::{
    FreeOptions, Freeing, HAS_FREED, Judgement, OLDEST_PROOF_MILLIS, Proof, ReadyToFree, WhyNot,
    finish_freeing,
};
pub(crate) use look::{is_look_due, look_for_absent};
pub(crate) use queue::{is_here, not_queued, published_until, queue_new};
pub use read::OriginalReader;
pub(crate) use send::send_originals;
pub use thaw::{ThawStep, look_at_thaw, thaw_original};

use safelight_model::PartRef;
use safelight_store::{Area, Generation, ObjectPath, PathPart, StoreError};

use crate::error::Result;

/// Repairs of one part that are tried or looked for.
pub(crate) const MOST_GENERATIONS: u32 = 8;

/// More than any part has: 32 MiB of content, and what seals it.
pub(crate) const MOST_PART_BYTES: u64 = 40 << 20;

/// The full name of a part of an original.
pub(crate) fn path_of_part(part: &PartRef, generation: u32) -> Result<ObjectPath> {
    let name = PathPart::from(part.name);
    Ok(ObjectPath::sharded(Area::Original, &name, Generation(generation)).map_err(StoreError::from)?)
}
