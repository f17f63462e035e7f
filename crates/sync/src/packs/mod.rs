//! Packs of thumbnails, previews and tiny originals: built from local entries as they are, found through
//! history and not through listings, taken apart into the local pack.
//!
//! Invariants: an op says that a pack is there only after the place acknowledged it; an entry is opened before
//! it goes into a pack and after it came out of one.

mod first;
mod local;
mod look;
mod mend;
mod missed;
mod receive;
mod rewrite;
mod send;

pub use first::fetch_first_thumbnails;
pub(crate) use local::read_entry as read_local_entry;
pub(crate) use look::{look_for_packs, settle_entries};
pub use mend::mend_renditions;
pub(crate) use missed::is_all_elsewhere;
pub use receive::{FoundEntry, ask_again_for_small_originals, fetch_entry, keep_entry, read_entry};
pub(crate) use receive::{PACK_BYTES, entry_without_key, learn_packs, learn_thumbnails_early, prove_pack};
pub(crate) use rewrite::{Rewritten, rewrite_pack};
pub(crate) use send::{
    entries_to_send, is_needed, packs_there, packs_to_replicate, readable, replicate_packs, send_packs,
};

use safelight_catalog::PackedEntry;
use safelight_crypto::{EntryRecord, PackTier};
use safelight_model::{PackKind, Packed, RenditionKind};
use safelight_store::{Area, Generation, ObjectPath, PathPart, StoreError};

use crate::error::Result;

/// The kinds of entries that go into packs of one kind.
pub(crate) fn kinds_of(kind: PackKind) -> &'static [RenditionKind] {
    match kind {
        PackKind::Thumbnails => &[RenditionKind::Thumbnail],
        PackKind::Previews => &[RenditionKind::Preview, RenditionKind::Poster, RenditionKind::Proxy],
        PackKind::TinyOriginals => &[RenditionKind::Original],
        PackKind::Unknown(_) => &[],
    }
}

/// The tier and area of a kind of pack; none for kinds of a later version.
pub(crate) fn tier_of(kind: PackKind) -> Option<(PackTier, Area)> {
    match kind {
        PackKind::Thumbnails => Some((PackTier::Thumbnails, Area::Thumbnails)),
        PackKind::Previews => Some((PackTier::Previews, Area::Previews)),
        PackKind::TinyOriginals => Some((PackTier::TinyOriginals, Area::Small)),
        PackKind::Unknown(_) => None,
    }
}

/// The full name of a pack.
pub(crate) fn path_of_pack(area: Area, pack: &Packed, generation: u32) -> Result<ObjectPath> {
    let name = PathPart::from(pack.name);
    Ok(ObjectPath::sharded(area, &name, Generation(generation)).map_err(StoreError::from)?)
}

/// What this device remembers of an entry of a pack.
pub(crate) fn entry_of(record: &EntryRecord) -> PackedEntry {
    PackedEntry {
        content: record.name.content,
        kind: RenditionKind::from_code(u16::from(record.name.kind)),
        recipe: record.name.recipe,
    }
}
