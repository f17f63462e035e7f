//! The encrypted databases of one library, and what is found in them.
//!
//! [`Catalog`] (`catalog.db`) holds history — ops, segments, the outbox — and everything that it folds into:
//! entity states and the projections that answer queries. It can be rebuilt from history at any time.
//! [`DeviceDb`] (`device.db`) holds what only this device needs to remember, and is never rebuilt.
//! [`query`] is the language in which people ask.
//!
//! Invariant: nothing but the fold of an op writes what the catalogue shows, in the transaction that records
//! the op.

#![forbid(unsafe_code)]

mod catalog;
mod database;
mod descriptor;
mod device;
mod error;
mod migrate;
pub mod query;
mod rows;
mod search;

pub use catalog::{
    AddedOriginal, AssetRow, Begun, Catalog, Change, CheckpointPlan, Comparable, ContentUse, Durability,
    HistoryCursor, HistoryEntry, HistoryPage, ItemLookup, Label, Month, OpenOps, Past, PlacedSegment,
    PlannedPage, Proof, Rebuilt, Rescued, RescuedSegment, Shelf, ShelfTotals, StoredMark, StoredSegment,
    TakenIn, Until, sweep_unfinished_rebuild,
};
pub use database::{Access, CatalogKey, CheckDepth, remove_database};
pub use device::{
    AgeBy, Archived, BrakeCause, DeviceDb, EXPOSE_DEFAULT, Exposure, FileRecord, FileStamp, FileState,
    HowKnown, Leftover, NEEDS_CONSENT, NewRemote, NewSource, OLDER_DEFAULT_DAYS, OriginalAtRemote, PURGED,
    PackLocation, PackUse, PackedEntry, Pin, PolicyKind, Presence, RecentLoss, RememberedShard, RemoteId,
    RemotePolicy, RemoteRow, RenderJob, RenderQueue, Renditions, Replica, SWITCHED_OFF, Silence,
    SmallOriginal, Source, SourceId, StateReason, Switched, SyncState, SyncTotals, Visitor, Wanted,
    compare_entries,
};
pub use error::{CatalogError, Result};
pub use query::{Query, QueryError};
pub use search::{
    AlbumTree, AssetPage, CurrentContent, Cursor, ListOptions, LiveHalves, MapPoint, MatchCount, NotACursor,
    Place,
};
