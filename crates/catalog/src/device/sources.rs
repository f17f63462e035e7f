//! The folders that photos come from.

use rusqlite::{OptionalExtension, Row, named_params};

use super::DeviceDb;
use crate::error::Result;

/// Names a source on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub(super) i64);

impl SourceId {
    /// The number, for output.
    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }
}

/// A folder, or a single file, that was imported from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name on this device.
    pub id: SourceId,
    /// The absolute path, as bytes.
    pub path: Vec<u8>,
    /// Whether it is scanned again by itself (`source add`), or was imported once.
    pub watched: bool,
    /// Whether originals stay where they are.
    pub link: bool,
    /// Whether a file may be removed here once the library has proven that it holds it.
    pub remove_after_proof: bool,
    /// Whether it was missing at the last look. Its files are then offline, never deleted.
    pub offline: bool,
    /// When it was added, in milliseconds since 1970.
    pub added_millis: i64,
    /// When a scan of it last came to its end.
    pub scanned_millis: Option<i64>,
}

impl Source {
    /// A source that nobody remembers: with no file in the stat cache, for a look where nothing may be written.
    #[must_use]
    pub fn unremembered(new: &NewSource<'_>) -> Self {
        Self {
            // SQLite numbers rows from one.
            id: SourceId(0),
            path: new.path.to_vec(),
            watched: new.watched,
            link: new.link,
            remove_after_proof: new.remove_after_proof,
            offline: false,
            added_millis: new.now_millis,
            scanned_millis: None,
        }
    }
}

/// What to remember about a source that is added, or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewSource<'a> {
    /// The absolute path, as bytes.
    pub path: &'a [u8],
    /// See [`Source::watched`]. Once watched, a later import of the same path does not change that.
    pub watched: bool,
    /// See [`Source::link`].
    pub link: bool,
    /// See [`Source::remove_after_proof`].
    pub remove_after_proof: bool,
    /// The time now.
    pub now_millis: i64,
}

const COLUMNS: &str = "id, path, watched, link, remove_after_proof, offline, added_millis, scanned_millis";

fn read_source(row: &Row<'_>) -> rusqlite::Result<Source> {
    Ok(Source {
        id: SourceId(row.get(0)?),
        path: row.get(1)?,
        watched: row.get(2)?,
        link: row.get(3)?,
        remove_after_proof: row.get(4)?,
        offline: row.get(5)?,
        added_millis: row.get(6)?,
        scanned_millis: row.get(7)?,
    })
}

impl DeviceDb {
    /// Remembers a source and returns it; a path that is known keeps its id and its stat cache.
    ///
    /// # Errors
    /// Those of the database.
    pub fn add_source(&mut self, new: &NewSource<'_>) -> Result<Source> {
        self.write(|transaction| {
            transaction
                .prepare_cached(&format!(
                    "INSERT INTO sources (path, watched, link, remove_after_proof, added_millis)
                     VALUES (:path, :watched, :link, :remove, :now)
                     ON CONFLICT (path) DO UPDATE SET watched = max(watched, excluded.watched),
                         link = excluded.link, remove_after_proof = excluded.remove_after_proof, offline = 0
                     RETURNING {COLUMNS}"
                ))?
                .query_row(
                    named_params! { ":path": new.path, ":watched": new.watched, ":link": new.link,
                    ":remove": new.remove_after_proof, ":now": new.now_millis },
                    read_source,
                )
        })
    }

    /// Lists all sources in the order of their paths.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sources(&self) -> Result<Vec<Source>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM sources ORDER BY path"))?
                .query_map([], read_source)?
                .collect()
        })
    }

    /// Finds the source with exactly this path.
    ///
    /// # Errors
    /// Those of the database.
    pub fn source_by_path(&self, path: &[u8]) -> Result<Option<Source>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM sources WHERE path = ?1"))?
                .query_row([path], read_source)
                .optional()
        })
    }

    /// Forgets a source and its stat cache. The library keeps what was imported from it.
    ///
    /// Returns whether there was such a source.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remove_source(&mut self, source: SourceId) -> Result<bool> {
        self.write(|transaction| {
            transaction.prepare_cached("DELETE FROM files WHERE source = ?1")?.execute([source.0])?;
            Ok(transaction.prepare_cached("DELETE FROM sources WHERE id = ?1")?.execute([source.0])? > 0)
        })
    }

    /// Records whether a source could be reached. Its cached files are not touched.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_source_offline(&mut self, source: SourceId, offline: bool) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached("UPDATE sources SET offline = ?2 WHERE id = ?1")?
                .execute((source.0, offline))
                .map(drop)
        })
    }

    /// Records that a scan of a source came to its end.
    ///
    /// # Errors
    /// Those of the database.
    pub fn finish_scan(&mut self, source: SourceId, now_millis: i64) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached("UPDATE sources SET scanned_millis = ?2, offline = 0 WHERE id = ?1")?
                .execute((source.0, now_millis))
                .map(drop)
        })
    }
}
