//! Checkpoints: the state of a library as of some heads, so that a device can begin without replaying all ops.
//!
//! ```text
//! ckpt/<name>        the root: signer, heads, statements, the list of pages; signed
//! page/<hh>/<name>   states of one month's photos, sorted
//! ```
//!
//! Invariant: the pages are a function of the state alone. Two devices in one state make the same pages, byte for
//! byte before they are packed, and so the same names; what did not change since an earlier checkpoint is there
//! already. A checkpoint replaces nothing: states merge, so whoever began with one folds the same ops later and
//! comes to the same state as whoever never saw it. Specified in sl1-history §8.7.

mod bucket;
mod page;
mod root;

pub use bucket::{Bucket, MAX_PAGE_WEIGHT, SplitKey, split};
pub use page::{Page, PageRef, SealedPage};
pub use root::{Checkpoint, MAX_PAGES, MAX_ROOT_BYTES, OpenedCheckpoint};
