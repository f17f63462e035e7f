//! Reads what photos and videos say about themselves, in pure Rust.
//!
//! Invariant: no file, however broken or hostile, makes a probe panic, hang, or use more memory than a
//! small multiple of the metadata that it returns. Keys, catalogue and network are unknown here.
//!
//! * [`sniff`] says what a file is by its content, and whether a library wants it.
//! * [`probe`] and [`probe_reader`] read size, orientation, dates, position, camera and words.
//! * [`sidecar`] reads an XMP file beside a photo.
//! * [`raw_preview`], [`exif_thumbnail`] and [`heif_thumbnail`] locate smaller pictures inside a file.
//! * [`places`] names the place and the time zone of a position, offline.

mod error;
mod facts;
mod format;

pub use error::MediaError;
pub use facts::{
    DateSource, Gps, GpsSource, Motion, MotionSource, PROBE_VERSION, Probe, Sidecar, Taken, VideoTrack, Words,
};
pub use format::{Format, MediaKind};
