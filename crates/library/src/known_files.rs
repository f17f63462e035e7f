//! What this device remembers of the files in the user's own folders, and what a look at one says of it.
//!
//! Invariant: memory never claims more than history says. What is about to be said is doubted first ([`Mark::Doubted`]),
//! and remembered only once it was said; a kill in between leaves files that the next scan reads. Sources around one
//! another remember a file each, and what one of them has found changed or gone does not count for the others any more.

use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use safelight_catalog::{DeviceDb, FileRecord, FileState, Source, SourceId};
use safelight_crypto::ContentHash;
use safelight_model::{DeviceId, SourcePath};

use crate::error::Result;
use crate::import::take::open_plain;
use crate::scan::trust::{Trust, judge, sampled_fingerprint, stamp_of};

/// Why a file is read again of which an import was saying something when it ended.
const CUT_SHORT: &str = "an import was cut short before it was recorded where the photo is";

/// A path as history records it: the source's folder, and what is below it. A source that is one file lies in the
/// folder around it.
pub(crate) fn source_path(device: DeviceId, root: &Path, below: &[u8]) -> SourcePath {
    let (root, relative) = match root.file_name().filter(|_| below.is_empty()) {
        Some(name) => (root.parent().unwrap_or(root), name.as_bytes().to_vec()),
        None => (root, below.to_vec()),
    };
    SourcePath { device, root: root.as_os_str().as_bytes().to_vec(), relative }
}

/// Where a file lies on its device.
pub(crate) fn whole_path(source: &SourcePath) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(source.whole()))
}

/// What this device remembers of its files, its sources listed once.
pub(crate) struct KnownFiles<'a> {
    device: &'a DeviceDb,
    here: DeviceId,
    sources: Vec<Source>,
}

impl<'a> KnownFiles<'a> {
    pub(crate) fn of(device: &'a DeviceDb, here: DeviceId) -> Result<Self> {
        Ok(Self { device, here, sources: device.sources()? })
    }

    /// The device whose files these are.
    pub(crate) fn here(&self) -> DeviceId {
        self.here
    }

    /// What is remembered of a path, by every source that holds it.
    pub(crate) fn rows(&self, path: &SourcePath) -> Result<Vec<(SourceId, FileRecord)>> {
        rows_of(self.device, &self.sources, &path.whole())
    }

    /// Looks at a path, by samples where its stamp alone does not tell ([`judge`]).
    pub(crate) fn look(&self, path: &SourcePath) -> Result<Holding> {
        let rows = self.rows(path)?;
        Ok(look(&whole_path(path), &rows).unwrap_or_else(Holding::Unseen))
    }

    /// The content at a path, if the file there is as it was when it was last read.
    pub(crate) fn content_at(&self, path: &SourcePath) -> Result<Option<ContentHash>> {
        Ok(match self.look(path)? {
            Holding::Read(content) => content,
            Holding::Unread { .. } | Holding::Unseen(_) => None,
        })
    }

    /// Another file than the one at a path that has a content, with the time when it was last changed.
    pub(crate) fn other_file(
        &self,
        content: ContentHash,
        path: &SourcePath,
    ) -> Result<Option<(SourcePath, i64)>> {
        for (other, record) in self.other_paths(content, path)? {
            if self.content_at(&other)? == Some(content) {
                return Ok(Some((other, record.stamp.modified_nanos.div_euclid(1_000_000))));
            }
        }
        Ok(None)
    }

    /// Where else than at a path a content was found, whatever lies there now.
    pub(crate) fn other_paths(
        &self,
        content: ContentHash,
        path: &SourcePath,
    ) -> Result<Vec<(SourcePath, FileRecord)>> {
        let known = self.device.files_of_content(&content)?;
        let placed = known.into_iter().filter_map(|(id, record)| {
            let source = self.sources.iter().find(|source| source.id == id)?;
            let root = Path::new(std::ffi::OsStr::from_bytes(&source.path));
            let other = source_path(self.here, root, &record.path);
            (!other.is_same_file(path)).then_some((other, record))
        });
        Ok(placed.collect())
    }
}

/// What a look at a path says of what is remembered of it.
#[derive(Debug)]
pub(crate) enum Holding {
    /// The content that was read there, and the file is as it was then; `None` of one that was refused.
    Read(Option<ContentHash>),
    /// Something that nobody has read as it is.
    Unread {
        /// Its size, if it is a file.
        size_bytes: Option<u64>,
        /// Whether anything was known of the path.
        is_known: bool,
    },
    /// It is not there, or nobody may look at it: what it held it may hold still.
    Unseen(std::io::Error),
}

fn look(path: &Path, rows: &[(SourceId, FileRecord)]) -> std::io::Result<Holding> {
    let found = std::fs::metadata(path)?;
    let now = stamp_of(&found);
    let mut refused = false;
    for (_, record) in rows {
        let content = match record.state {
            FileState::Imported | FileState::Purged => record.content,
            FileState::Refused(_) => None,
            FileState::Unsettled(_) | FileState::Gone => continue,
        };
        let is_as_it_was = match judge(&record.stamp, &now) {
            Trust::Unchanged => true,
            Trust::Read => false,
            Trust::Compare => {
                record.sampled == Some(sampled_fingerprint(&open_plain(path)?, now.size_bytes)?)
            }
        };
        match content {
            Some(_) if is_as_it_was => return Ok(Holding::Read(content)),
            // A source that takes every file may have taken it.
            _ => refused |= is_as_it_was,
        }
    }
    if refused {
        return Ok(Holding::Read(None));
    }
    let size_bytes = found.is_file().then_some(now.size_bytes);
    Ok(Holding::Unread { size_bytes, is_known: !rows.is_empty() })
}

/// How files are marked of which something else is known than what was read of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    /// History is about to say something of them: the next scan reads them, unless another mark follows.
    Doubted,
    /// They are not there, or hold something else: the next scan says if they are back.
    Gone,
}

impl Mark {
    /// Marks files, those of each source at once.
    pub(crate) fn put(self, device: &mut DeviceDb, mut rows: Vec<(SourceId, FileRecord)>) -> Result<()> {
        rows.sort_by_key(|(source, _)| *source);
        for rows in rows.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((source, _)) = rows.first() else { continue };
            let paths = rows.iter().map(|(_, record)| record.path.as_slice());
            match self {
                Self::Doubted => device.mark_unsettled(*source, paths, CUT_SHORT)?,
                Self::Gone => device.mark_gone(*source, paths)?,
            }
        }
        Ok(())
    }
}

/// Files of one source hold something else than before, or are gone: what other sources around or within it remember
/// of them counts as gone until they are looked at by those again.
pub(crate) fn outdate_elsewhere<'a>(
    device: &mut DeviceDb,
    source: SourceId,
    root: &Path,
    files: impl Iterator<Item = (&'a [u8], Option<ContentHash>)>,
) -> Result<()> {
    let root = root.as_os_str().as_bytes();
    let mut others = device.sources()?;
    others.retain(|other| {
        other.id != source
            && (below_source(root, &other.path).is_some() || below_source(&other.path, root).is_some())
    });
    if others.is_empty() {
        return Ok(());
    }
    let mut outdated = Vec::new();
    for (below, now) in files {
        let whole = if below.is_empty() { root.to_vec() } else { [root, below].join(&b'/') };
        let rows = rows_of(device, &others, &whole)?.into_iter();
        outdated.extend(rows.filter(|(_, known)| known.state == FileState::Imported && known.content != now));
    }
    Mark::Gone.put(device, outdated)
}

fn rows_of(device: &DeviceDb, sources: &[Source], whole: &[u8]) -> Result<Vec<(SourceId, FileRecord)>> {
    let mut rows = Vec::new();
    for source in sources {
        if let Some(below) = below_source(whole, &source.path) {
            rows.extend(device.file(source.id, below)?.map(|record| (source.id, record)));
        }
    }
    Ok(rows)
}

fn below_source<'a>(whole: &'a [u8], source: &[u8]) -> Option<&'a [u8]> {
    match whole.strip_prefix(source)? {
        [] => Some(&[]),
        [b'/', below @ ..] => Some(below),
        below if source.ends_with(b"/") => Some(below),
        _ => None,
    }
}
