//! What a caller may watch of long work, and how it asks for an end.

use std::path::{Path, PathBuf};

/// A stretch of long work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Sending files; counts files and their bytes.
    Push,
    /// Reading blobs back; counts blobs and their bytes.
    Verify,
    /// Writing files out; counts files and their bytes.
    Restore,
    /// Changing tiers; counts blobs.
    Tier,
    /// Listing the place; counts blobs.
    List,
}

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Done<'a> {
    /// It was sent.
    Uploaded {
        /// The blob's name.
        blob: &'a str,
    },
    /// Its blob was there already.
    Existing {
        /// The blob's name.
        blob: &'a str,
    },
    /// Its content is there under another path of this copy.
    Duplicate {
        /// The blob that holds it.
        blob: &'a str,
    },
    /// The index knows it, and it has not changed.
    Unchanged,
    /// It would be sent.
    WouldUpload {
        /// The blob's name, where it was asked for.
        blob: Option<&'a str>,
    },
    /// It was written out.
    Restored,
}

/// One thing that went wrong while the rest went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or blob it is about.
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
    pub(crate) fn new(path: impl Into<PathBuf>, reason: impl Into<String>, weight: Weight) -> Self {
        Self { path: path.into(), reason: reason.into(), weight }
    }
}

/// Watches long work. All methods may be called from several threads.
pub trait Monitor: Send + Sync {
    /// A task begins; `total` is how many items it has, where known.
    fn begin(&self, task: Task, total: Option<u64>) {
        let _ = (task, total);
    }

    /// `items` more items and `bytes` more bytes are done.
    fn advance(&self, items: u64, bytes: u64) {
        let _ = (items, bytes);
    }

    /// The task that began last has ended.
    fn end(&self) {}

    /// A file was dealt with; `path` is relative to the source.
    fn done(&self, path: &Path, done: Done<'_>) {
        let _ = (path, done);
    }

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
