//! Checkpoints in a place: written now and then after a sync, read by whoever joins.
//!
//! Invariants: a checkpoint covers only what the place holds as segments already; a page that is known to be there is
//! never put again; what is wrong with a checkpoint costs time and nothing else, because segments stay. Specified in
//! sl1-history §8.7.

mod check;
mod read;
mod write;

pub(crate) use check::{WrongCheckpoints, forget_missing, open_newest, write_again};
pub use read::take_waiting_pages;
pub(crate) use read::{
    Beginning, choose, fetch_beginning, get_roots, hold_to_beginning, list_roots, statements_in,
};
pub(crate) use write::{write_if_due, write_now};

use safelight_crypto::ObjectName;
use safelight_store::{Area, Generation, ObjectPath, PathPart, StoreError};

use crate::error::Result;

/// The full name of a page.
pub(crate) fn path_of_page(name: &ObjectName) -> Result<ObjectPath> {
    let name = PathPart::from(*name);
    Ok(ObjectPath::sharded(Area::Page, &name, Generation(0)).map_err(StoreError::from)?)
}

/// The full name of a root.
pub(crate) fn path_of_root(name: &ObjectName) -> Result<ObjectPath> {
    Ok(ObjectPath::flat(Area::Checkpoint, &PathPart::from(*name)).map_err(StoreError::from)?)
}
