//! A device that may only upload: it holds the public inbox key of a library, its own signing key, and nothing that opens
//! anything. Whoever takes the device can upload in its name until it is revoked, and that is all.
//!
//! Invariant: an item exists once its head rests in the place, and the head is put last; what is put is written down here
//! before, so that a kill at any moment repeats bytes and never sends two items for one file. Specified in sl1.md §1.15.

mod folder;
mod journal;
mod send;

pub use folder::{UploadFolder, UploadJoin};
pub(crate) use send::path_of;
pub use send::{UploadReport, UploadRequest};
