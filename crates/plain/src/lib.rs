//! The plain copy: folders to any remote, **unencrypted**, each file under the hash of its content.
//!
//! Nothing here is sealed: whoever keeps the place can read all of it. That is the point of a plain copy (any other tool can
//! read it, too), and why it is asked for in so many words. It knows no library and no keys, and needs neither.
//!
//! * A file `2024/05/a.jpg` becomes `<prefix>/<sha[0:2]>/<sha256>/2024/05/a.jpg` ([`BlobName`] says what becomes of names that
//!   a place cannot hold), with its media type, and its SHA-256, capture date and time of change as metadata.
//! * What is there is never written over: a blob is made or *existing*.
//! * [`Index`] remembers what was sent, in an ordinary SQLite file without a secret: `index.db` in the state folder. It makes
//!   the next run short and says nothing that the place would not say too: without it everything is found there again.
//! * A run that is killed at any moment is repaired by the next one. Large files go in blocks, and blocks that arrived are not
//!   sent again: the place itself names them.
//! * Of each upload is known that the place took exactly the bytes that were hashed: it compared their MD5 itself, or, where
//!   it cannot, they were read back.
//!
//! [`PlainCopy`] is the front door; [`Monitor`] hears of files and problems. Nothing prints, nothing reads the environment.

#![forbid(unsafe_code)]

mod adopt;
mod content;
mod copy;
mod error;
mod guard;
mod index;
mod lifecycle;
mod link;
mod listing;
mod manifest;
mod monitor;
mod name;
mod place;
mod push;
mod restore;
mod state;
mod target;
mod tiers;
mod upload;
mod verify;
mod walk;

pub use adopt::{AdoptReport, AdoptRequest};
pub use copy::{PlainCopy, check_workers};
pub use error::{Kind, PlainError};
pub use index::{Entry, Index, Sha256};
pub use lifecycle::{Lifecycle, LifecycleError};
pub use link::{Link, LinkRecord};
pub use monitor::{Done, Monitor, Problem, Task, Unwatched, Weight};
pub use name::{BlobName, NameRefusal};
pub use place::Destination;
pub use push::{PushReport, PushRequest};
pub use restore::{RestoreReport, RestoreRequest};
pub use state::{INDEX_FILE, StateFolder};
pub use tiers::{TierReport, TierRequest};
pub use verify::{VerifyReport, VerifyRequest};
pub use walk::{MEDIA_EXTENSIONS, is_media};

/// Addresses, credentials, tiers and what decides which identity is used, as `safelight-store` has them.
pub use safelight_store::{AzureEnvironment, RemoteAddress, RemoteCredential, SecretText, StoreError, Tier};
