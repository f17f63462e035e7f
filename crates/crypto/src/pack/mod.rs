//! Packs: many small things — thumbnails, previews, tiny originals — in one object, so that a provider sees
//! neither how many there are nor how large each is. An entry is sealed for itself and bound to what it is
//! (content hash, rendition kind, recipe), never to a pack, so entries move between packs as they are.
//!
//! Spec: sl1.md §3.3 (entries), §3.4 (remote packs), §3.5 (local packs).

mod entry;
mod local;
mod remote;

pub use entry::{EntryName, EntryRecord, SealedEntry, entry_sealed_len, open_entry, seal_entry};
pub use local::{
    FRAME_LEN, FRAME_PROBE_LEN, LOCAL_PACK_HEADER, LocalEntry, LocalPackScan, frame_of_stored, read_frame,
    scan_local_pack,
};
pub use remote::{
    PACK_TAIL_LEN, PackEntryPlace, PackIndex, PackTier, PackWriter, SealedPack, pack_index_range,
};

#[cfg(test)]
mod tests;
