//! The library as a history of signed operations, and how they merge.
//!
//! Everything that changes a library is an [`Op`]. Ops are folded into one [`EntityState`] per asset, album,
//! content and the library itself; the fold gives the same state in any order and however often an op comes,
//! so devices that never meet agree. Ops travel in signed segments ([`history`]); what a photo *shows* is a
//! view of its state ([`view`]).
//!
//! Pure: no clock, no randomness, no disk, no network but through arguments. Also builds for wasm32.
//! Specified byte by byte in `docs/spec/sl1-history.md`.

#![forbid(unsafe_code)]

mod cbor;
pub mod checkpoint;
pub mod clock;
mod error;
pub mod facts;
mod field;
mod forget;
pub mod history;
mod ids;
mod inbox;
mod op;
mod original;
mod placed;
mod snapshot;
mod state;
mod value;
pub mod view;

pub use cbor::{Malformed, Unread};
pub use clock::{HybridClock, Stamp};
pub use error::ModelError;
pub use facts::{
    Facts, Keywords, MAX_KEYWORDS, MAX_PLACEHOLDER_BYTES, MediaKind, MotionPhoto, PlaceName, Placeholder,
    ProbeKind, Ratio, Taken, TakenSource,
};
pub use field::{Field, FieldCode, MAX_FIELD_KEY_BYTES, SetName, Target};
pub use forget::{Forget, Forgotten, MAX_FORGOTTEN};
pub use history::{Segment, SegmentBuilder};
pub use ids::{
    AlbumId, AssetId, ContentHash, DeviceId, EntityId, EpochId, LibraryId, Life, MAX_ENTITY_NAME_BYTES,
    MAX_OP_IDS, ObjectName, OpId, OpIds, PlaceId, SegmentRoot, SegmentSeq,
};
pub use inbox::{TakenUpload, Uploader};
pub use op::{Author, KindNumber, MAX_NOTE_DETAILS, MAX_OP_BYTES, MAX_RENDITIONS, Op, OpBody, OpKind};
pub use original::{
    Branch, MAX_BRANCHES, MAX_MEDIA_TYPE_BYTES, MAX_PARTS, MAX_PATH_BYTES, Original, PackKind, Packed,
    PartRef, Rendition, RenditionKind, SourcePath, Storage,
};
pub use placed::{Lapse, MAX_PLACED, Mark, MarkReason, OpRange, PlacedObject, Replicas};
pub use snapshot::Snapshot;
pub use state::{
    Addition, AssetState, ContentState, Contents, EntityState, FOLD_VERSION, Finding, LifeState, ObservedSet,
    Record, Register, SeenAt, StateHash, StateHasher, Write,
};
pub use value::{DatePrecision, MAX_TEXT_BYTES, Position, TypedDate, TypedPlace, Value};
