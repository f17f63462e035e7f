//! Reads what photos and videos say about themselves, in pure Rust.
//!
//! Invariant: no file, however broken or hostile, makes a probe panic, hang, or use more memory than a
//! small multiple of the metadata that it returns. Keys, catalogue and network are unknown here.
//!
//! * [`sniff`] says what a file is by its content, and whether a library wants it.
//! * [`probe`] and [`probe_reader`] read size, orientation, dates, position, camera and words.
//! * [`sidecar`] reads an XMP file beside a photo.
//! * [`places`] names the place and the time zone of a position, offline.
//! * [`raw_preview`], [`exif_thumbnail`] and [`heif_thumbnails`] locate smaller pictures inside a file.

#![forbid(unsafe_code)]

mod boxes;
mod camcorder;
mod crw;
mod dates;
mod error;
mod exif;
mod facts;
mod flir;
mod format;
mod heif;
mod iptc;
mod jpeg;
mod jxl;
mod locate;
mod makernote;
mod matroska;
mod motion;
mod movie;
mod mpeg;
pub mod places;
mod plain;
mod png;
pub mod pool;
mod probe;
mod raw;
mod riff;
mod settle;
mod sniff;
mod source;
mod tiff;
mod turn;
mod xmp;

pub use error::MediaError;
pub use facts::{
    DateSource, Gps, GpsSource, Motion, MotionSource, PROBE_VERSION, Probe, Sidecar, Taken, VideoTrack, Words,
};
pub use format::{Format, MediaKind};
pub use locate::{CodedItem, EmbeddedJpeg, exif_thumbnail, heif_thumbnails, raw_preview};
pub use probe::{probe, probe_reader};
pub use sniff::{NotMedia, SNIFF_BYTES, Sniffed, by_name, sniff};
pub use xmp::sidecar;
