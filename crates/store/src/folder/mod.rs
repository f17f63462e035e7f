//! A folder on a disk as a place: the library's own `objects/`, an external drive, a synced folder.
//!
//! Invariants:
//! * a name in the folder holds a whole object, durable before it is visible, or nothing;
//! * an existing name is never overwritten by anything but [`Remote::put`](crate::Remote::put) of a head;
//! * no symbolic link inside the place is followed, in reading, writing or walking: folders are opened one
//!   by one relative to the root's descriptor;
//! * a drive that was pulled is *vanished*, not empty.
//!
//! SL1 §3 fixes the names; [`TempSpace`] keeps what is not finished.

mod append;
mod batch;
mod object;
mod place;
mod read;
mod remote;
mod shards;
mod temp;
mod walk;

pub use append::AppendFile;
pub use batch::{Batch, BatchEntry};
pub use object::{ObjectFile, Outcome};
pub use place::FolderPlace;
pub use read::ObjectReader;
pub use remote::Folder;
pub use shards::Shard;
pub use temp::{SweepReport, TempFile, TempName, TempSpace, sync_directory};
pub use walk::{Found, FoundKind, Walk};
