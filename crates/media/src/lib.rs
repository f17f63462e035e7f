//! Reads what photos and videos say about themselves, in pure Rust.
//!
//! Invariant: no file, however broken or hostile, makes a probe panic, hang, or use more memory than a
//! small multiple of the metadata that it returns. Keys, catalogue and network are unknown here.
//!
//! * [`sniff`] says what a file is by its content, and whether a library wants it.
//! * [`probe`] and [`probe_reader`] read size, orientation, dates, position, camera and words.

mod error;
mod facts;
mod format;
mod probe;
mod sniff;
mod source;
mod tiff;

pub use error::MediaError;
pub use facts::{
    DateSource, Gps, GpsSource, Motion, MotionSource, PROBE_VERSION, Probe, Sidecar, Taken, VideoTrack, Words,
};
pub use format::{Format, MediaKind};
pub use probe::{probe, probe_reader};
pub use sniff::{NotMedia, SNIFF_BYTES, Sniffed, by_name, sniff};
