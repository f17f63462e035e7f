//! The stat cache: what each file of a source looked like when it was last read.
//!
//! Invariant: rows come out in the byte order of their paths, which is the order of a directory walk that
//! compares entries with [`compare_entries`]. So a scan is one merge of two sorted streams, and an unchanged
//! file costs one `stat` and one row.

use std::cmp::Ordering;

use rusqlite::{Connection, OptionalExtension, Row};
use safelight_crypto::ContentHash;

use super::{DeviceDb, SourceId, SyncState};
use crate::error::Result;
use crate::rows::optional_hash_column;

/// What the file system says about a file without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    /// Length of the file.
    pub size_bytes: u64,
    /// Modification time in nanoseconds since 1970.
    pub modified_nanos: i64,
    /// Inode change time in nanoseconds since 1970.
    pub changed_nanos: i64,
    /// Inode number.
    pub inode: u64,
    /// Number of the file system.
    pub device: u64,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Its content is in the library.
    Imported,
    /// It was not taken, for this reason; not looked at again until it changes.
    Refused(String),
    /// It changed while it was read, or could not be read; tried again at the next scan.
    Unsettled(String),
    /// It was not there at the last complete scan of its source. The library keeps the photo.
    Gone,
    /// Its content was in the library, and was purged from it; not taken again until it changes.
    Purged,
}

impl FileState {
    fn code(&self) -> i64 {
        match self {
            Self::Imported => 0,
            Self::Refused(_) => 1,
            Self::Unsettled(_) => 2,
            Self::Gone => 3,
            Self::Purged => 4,
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused(reason) | Self::Unsettled(reason) => Some(reason),
            Self::Imported | Self::Gone | Self::Purged => None,
        }
    }

    fn read(code: i64, reason: Option<String>) -> Self {
        match code {
            0 => Self::Imported,
            1 => Self::Refused(reason.unwrap_or_default()),
            3 => Self::Gone,
            4 => Self::Purged,
            _ => Self::Unsettled(reason.unwrap_or_default()),
        }
    }
}

/// One row of the stat cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// The path below its source, as bytes, parts joined by `/`. Empty if the source is the file itself.
    pub path: Vec<u8>,
    /// What `stat` said when the file was read.
    pub stamp: FileStamp,
    /// What became of it.
    pub state: FileState,
    /// A hash over samples of the content, compared when only inode or change time moved.
    pub sampled: Option<[u8; 32]>,
    /// The SHA-256 of the whole content, once known.
    pub content: Option<ContentHash>,
}

/// Compares two entries of one directory in the order of the stat cache.
///
/// A directory sorts as if its name ended in `/`, so that a walk yields whole paths in byte order.
#[must_use]
pub fn compare_entries(one: (&[u8], bool), other: (&[u8], bool)) -> Ordering {
    fn bytes((name, is_directory): (&[u8], bool)) -> impl Iterator<Item = u8> + '_ {
        name.iter().copied().chain(is_directory.then_some(b'/'))
    }
    bytes(one).cmp(bytes(other))
}

const COLUMNS: &str =
    "path, size_bytes, modified_nanos, changed_nanos, inode, device, state, reason, sampled, content";

fn read_file(row: &Row<'_>) -> rusqlite::Result<FileRecord> {
    Ok(FileRecord {
        path: row.get(0)?,
        stamp: FileStamp {
            size_bytes: row.get::<_, i64>(1)?.cast_unsigned(),
            modified_nanos: row.get(2)?,
            changed_nanos: row.get(3)?,
            inode: row.get::<_, i64>(4)?.cast_unsigned(),
            device: row.get::<_, i64>(5)?.cast_unsigned(),
        },
        state: FileState::read(row.get(6)?, row.get(7)?),
        sampled: row.get(8)?,
        content: optional_hash_column(row, 9)?,
    })
}

impl DeviceDb {
    /// Streams the cached files of a source after a path, in path order, at most `limit` of them.
    ///
    /// Call again with the last path for the next stretch; a few thousand rows a call keep memory small and
    /// let other writers in between.
    ///
    /// # Errors
    /// Those of the database.
    pub fn files_after(
        &self,
        source: SourceId,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<FileRecord>> {
        // The empty path is a file of its own (a source that is a file), so "from the start" is `>=`.
        let comparison = if after.is_some() { ">" } else { ">=" };
        let mut files = Vec::with_capacity(limit.min(8192));
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM files WHERE source = ?1 AND path {comparison} ?2 ORDER BY path LIMIT ?3"
            ))?;
            let mut rows = statement.query((source.0, after.unwrap_or_default(), limit))?;
            while let Some(row) = rows.next()? {
                files.push(read_file(row)?);
            }
            Ok(())
        })?;
        Ok(files)
    }

    /// Finds one cached file.
    ///
    /// # Errors
    /// Those of the database.
    pub fn file(&self, source: SourceId, path: &[u8]) -> Result<Option<FileRecord>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM files WHERE source = ?1 AND path = ?2"))?
                .query_row((source.0, path), read_file)
                .optional()
        })
    }

    /// Records files as they were read, in one transaction, replacing what was known about their paths.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_files<'a>(
        &mut self,
        source: SourceId,
        files: impl IntoIterator<Item = &'a FileRecord>,
    ) -> Result<()> {
        self.write(|transaction| {
            for file in files {
                record(transaction, source, file)?;
            }
            Ok(())
        })
    }

    /// Marks files that a complete scan of a reachable source did not meet.
    ///
    /// # Errors
    /// Those of the database.
    pub fn mark_gone<'a>(
        &mut self,
        source: SourceId,
        paths: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<()> {
        self.mark(source, paths, &FileState::Gone)
    }

    /// Marks files that the next scan must read, for this reason, whatever is known of them.
    ///
    /// # Errors
    /// Those of the database.
    pub fn mark_unsettled<'a>(
        &mut self,
        source: SourceId,
        paths: impl IntoIterator<Item = &'a [u8]>,
        reason: &str,
    ) -> Result<()> {
        self.mark(source, paths, &FileState::Unsettled(reason.to_owned()))
    }

    fn mark<'a>(
        &mut self,
        source: SourceId,
        paths: impl IntoIterator<Item = &'a [u8]>,
        state: &FileState,
    ) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction
                .prepare_cached("UPDATE files SET state = ?3, reason = ?4 WHERE source = ?1 AND path = ?2")?;
            for path in paths {
                statement.execute((source.0, path, state.code(), state.reason()))?;
            }
            Ok(())
        })
    }

    /// Lists where on this device a content was seen: the path of the source, and the path below it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn files_of_content(&self, content: &ContentHash) -> Result<Vec<(SourceId, FileRecord)>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS}, source FROM files WHERE content = ?1 ORDER BY source, path"
                ))?
                .query_map([content.as_bytes()], |row| Ok((SourceId(row.get(10)?), read_file(row)?)))?
                .collect()
        })
    }

    /// Records that contents were purged: the files that held them are not in the library any more, no rendition of
    /// them is wanted, none is kept here, and what a remote holds of them is there only. For another device may have restored one before it
    /// heard of the purge.
    ///
    /// # Errors
    /// Those of the database.
    pub fn mark_purged<'a>(&mut self, contents: impl IntoIterator<Item = &'a ContentHash>) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "UPDATE files SET state = ?2, reason = NULL WHERE content = ?1 AND state IN (?3, ?4)",
            )?;
            let mut forget = transaction.prepare_cached("DELETE FROM render_jobs WHERE content = ?1")?;
            let mut let_go = transaction.prepare_cached("DELETE FROM kept WHERE content = ?1")?;
            let mut leave = transaction
                .prepare_cached("UPDATE remote_originals SET state = ?2 WHERE content = ?1 AND state = ?3")?;
            for content in contents {
                statement.execute((
                    content.as_bytes(),
                    FileState::Purged.code(),
                    FileState::Imported.code(),
                    FileState::Gone.code(),
                ))?;
                forget.execute([content.as_bytes()])?;
                let_go.execute([content.as_bytes()])?;
                leave.execute((content.as_bytes(), SyncState::CloudOnly.code(), SyncState::Synced.code()))?;
            }
            Ok(())
        })
    }

    /// Removes what was remembered of contents and assets that are forgotten. Of a file in a folder that is watched it stays
    /// known that it is not wanted, or it would come back by itself.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget_traces<'a>(
        &mut self,
        contents: impl IntoIterator<Item = &'a ContentHash>,
        assets: impl IntoIterator<Item = &'a ContentHash>,
    ) -> Result<()> {
        self.write(|transaction| {
            for content in contents {
                transaction
                    .prepare_cached("UPDATE files SET state = ?2, reason = NULL WHERE content = ?1")?
                    .execute((content.as_bytes(), FileState::Purged.code()))?;
                for statement in [
                    "DELETE FROM files WHERE content = ?1
                         AND source NOT IN (SELECT id FROM sources WHERE watched = 1)",
                    "DELETE FROM render_jobs WHERE content = ?1",
                    "DELETE FROM kept WHERE content = ?1",
                    "DELETE FROM visiting WHERE content = ?1",
                    "DELETE FROM freeing WHERE content = ?1",
                    "DELETE FROM archived WHERE content = ?1",
                    "DELETE FROM lost_renditions WHERE content = ?1",
                    "DELETE FROM remote_originals WHERE content = ?1",
                ] {
                    transaction.prepare_cached(statement)?.execute([content.as_bytes()])?;
                }
            }
            for asset in assets {
                for statement in [
                    "DELETE FROM pins WHERE kind = 1 AND name = ?1",
                    "DELETE FROM sync_switches WHERE kind = 1 AND name = ?1",
                    "DELETE FROM recent_losses WHERE asset = ?1",
                ] {
                    transaction.prepare_cached(statement)?.execute([asset.as_bytes()])?;
                }
            }
            Ok(())
        })
    }

    /// Counts cached files by what became of them: imported, refused, unsettled, gone.
    ///
    /// # Errors
    /// Those of the database.
    pub fn count_files(&self, source: SourceId) -> Result<[u64; 4]> {
        self.database.read(|connection| {
            let mut counts = [0; 4];
            let mut statement = connection
                .prepare_cached("SELECT state, count(*) FROM files WHERE source = ?1 GROUP BY state")?;
            let mut rows = statement.query([source.0])?;
            while let Some(row) = rows.next()? {
                let state: usize = row.get(0)?;
                if let Some(count) = counts.get_mut(state) {
                    *count = row.get(1)?;
                }
            }
            Ok(counts)
        })
    }

    /// Streams the files of a source that could not be taken and are tried again, after a path, in path order.
    ///
    /// # Errors
    /// Those of the database.
    pub fn unsettled_files(
        &self,
        source: SourceId,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<FileRecord>> {
        let comparison = if after.is_some() { ">" } else { ">=" };
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM files WHERE source = ?1 AND state = 2 AND path {comparison} ?2
                     ORDER BY path LIMIT ?3"
                ))?
                .query_map((source.0, after.unwrap_or_default(), limit), read_file)?
                .collect()
        })
    }
}

fn record(transaction: &Connection, source: SourceId, file: &FileRecord) -> rusqlite::Result<()> {
    let stamp = &file.stamp;
    transaction
        .prepare_cached(
            "INSERT INTO files (source, path, size_bytes, modified_nanos, changed_nanos, inode, device,
                 state, reason, sampled, content)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (source, path) DO UPDATE SET size_bytes = excluded.size_bytes,
                 modified_nanos = excluded.modified_nanos, changed_nanos = excluded.changed_nanos,
                 inode = excluded.inode, device = excluded.device, state = excluded.state,
                 reason = excluded.reason, sampled = excluded.sampled, content = excluded.content",
        )?
        .execute((
            source.0,
            &file.path,
            stamp.size_bytes.cast_signed(),
            stamp.modified_nanos,
            stamp.changed_nanos,
            stamp.inode.cast_signed(),
            stamp.device.cast_signed(),
            file.state.code(),
            file.state.reason(),
            file.sampled.as_ref().map(<[u8; 32]>::as_slice),
            file.content.as_ref().map(|content| content.as_bytes().as_slice()),
        ))
        .map(drop)
}
