//! A sealed copy in one file: a tar that only grows, for offline keeping.
//!
//! Any `tar` lists it, and unpacks it into the layout of a folder that is a place. Its first entry says in plain words what it is;
//! behind it stand the objects, each under its path, in the order in which they came (`docs/spec/sl1.md` §3.1).
//!
//! Invariants:
//! * an entry is there once its header is, and a header is written only when the bytes behind it are durable: whoever is killed
//!   while writing, or finds the disk full, leaves what the next entry takes the place of;
//! * nothing that was whole is ever written over; of two entries with one name the later counts, so a head is replaced by
//!   another entry, and nothing can be deleted;
//! * a block that should begin an entry and does not is passed over to the next that does, so that one damaged sector hides
//!   one object, and not all behind it;
//! * links, folders and names that are no names of objects are strangers: never followed, never given out.

mod entry;
mod index;
mod lock;
mod remote;
mod sealed_file;

pub use sealed_file::SealedFile;
