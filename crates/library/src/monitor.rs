//! What a caller may watch of long work, and how it asks for an end.
//!
//! The library never prints. It tells a [`Monitor`] what it is doing and which single things went
//! wrong without stopping the whole; the command line draws a bar from that, a test counts.

use std::path::PathBuf;

/// A stretch of long work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Looking through folders; counts files.
    Scan,
    /// Taking photos in; counts files and the bytes of their originals.
    Import,
    /// Waiting until files that were written just now stand still; counts them.
    Settle,
    /// Making thumbnails and previews that an import left for later.
    Render,
    /// Reading everything back; counts objects and sealed bytes.
    Verify,
    /// Writing originals out; counts files and bytes.
    Export,
    /// Syncing with a remote; counts objects and sealed bytes.
    Sync,
    /// Fetching originals back; counts objects and sealed bytes.
    Fetch,
    /// Removing local originals that remotes are proven to hold; counts originals and their bytes.
    Free,
    /// Waiting for archived originals; counts originals.
    Thaw,
    /// Folding history into a fresh catalogue; counts operations.
    Rebuild,
    /// Looking at photos that may be alike; counts them.
    Compare,
    /// Reading back the originals that stay when their copies go; counts them and their bytes.
    Prove,
}

/// One thing that went wrong while the rest went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or object it is about.
    pub path: PathBuf,
    /// What happened, in a sentence without a full stop.
    pub reason: String,
    /// How grave it is.
    pub weight: Weight,
}

/// How grave a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Worth knowing; nothing is missing because of it.
    Notice,
    /// It was left out by rule, and somebody may miss it.
    Omission,
    /// This one thing was not done.
    Failure,
}

impl Problem {
    /// Something that was not done.
    #[must_use]
    pub fn failure(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), weight: Weight::Failure }
    }

    /// Something that was left out, and that a person should hear of.
    #[must_use]
    pub fn omission(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), weight: Weight::Omission }
    }

    /// Something worth knowing.
    #[must_use]
    pub fn notice(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), weight: Weight::Notice }
    }
}

/// Watches long work. All methods may be called from several threads.
pub trait Monitor: Send + Sync {
    /// A task begins; `total` is how many items it has and `total_bytes` how large they are, where known.
    fn begin(&self, task: Task, total: Option<u64>, total_bytes: Option<u64>) {
        let _ = (task, total, total_bytes);
    }

    /// `items` more items and `bytes` more bytes are done.
    fn advance(&self, items: u64, bytes: u64) {
        let _ = (items, bytes);
    }

    /// The task that began last has ended.
    fn end(&self) {}

    /// One thing went wrong; the work goes on.
    fn problem(&self, problem: &Problem) {
        let _ = problem;
    }

    /// Whether the user has asked to stop. Work stops at the next point from which it can resume.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Monitor for Unwatched {}
