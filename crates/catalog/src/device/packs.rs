//! Where renditions lie in the local append-only packs.
//!
//! This is an index, not the truth: a scan of the packs recovers it.

use rusqlite::OptionalExtension;
use safelight_crypto::ContentHash;
use safelight_model::RenditionKind;

use super::DeviceDb;
use crate::error::Result;
use crate::rows::{hash_column, kind_code, kind_column};

/// One rendition in a local pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackLocation {
    /// The original's content.
    pub content: ContentHash,
    /// Which rendition of it.
    pub kind: RenditionKind,
    /// By which recipe it was made.
    pub recipe: u16,
    /// The pack's file name below the library folder.
    pub pack: String,
    /// Where the entry begins in the file.
    pub position: u64,
    /// Bytes of the sealed entry.
    pub length: u64,
}

/// How much of a pack is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackUse {
    /// The pack's file name.
    pub pack: String,
    /// Entries that the index points to.
    pub entries: u64,
    /// Their bytes.
    pub used_bytes: u64,
    /// Where the last of them ends.
    pub end: u64,
}

impl DeviceDb {
    /// Records where renditions were written, in one transaction; a newer place replaces an older.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_packed<'a>(&mut self, locations: impl IntoIterator<Item = &'a PackLocation>) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT OR REPLACE INTO packs (content, kind, recipe, pack, position, length)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for location in locations {
                statement.execute((
                    location.content.as_bytes(),
                    kind_code(location.kind),
                    location.recipe,
                    &location.pack,
                    location.position,
                    location.length,
                ))?;
            }
            Ok(())
        })
    }

    /// Finds a rendition; of several recipes the newest.
    ///
    /// # Errors
    /// Those of the database.
    pub fn packed(&self, content: &ContentHash, kind: RenditionKind) -> Result<Option<PackLocation>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT content, kind, recipe, pack, position, length FROM packs
                     WHERE content = ?1 AND kind = ?2 ORDER BY recipe DESC LIMIT 1",
                )?
                .query_row((content.as_bytes(), kind_code(kind)), read_location)
                .optional()
        })
    }

    /// Lists all entries of a pack in the order in which they lie there.
    ///
    /// # Errors
    /// Those of the database.
    pub fn entries_of_pack(&self, pack: &str) -> Result<Vec<PackLocation>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT content, kind, recipe, pack, position, length FROM packs
                     WHERE pack = ?1 ORDER BY position",
                )?
                .query_map([pack], read_location)?
                .collect()
        })
    }

    /// Where the last entry of a pack ends that the index points to; none if it points to none.
    ///
    /// # Errors
    /// Those of the database.
    pub fn end_of_pack(&self, pack: &str) -> Result<Option<u64>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT position + length FROM packs WHERE pack = ?1 ORDER BY position DESC LIMIT 1",
                )?
                .query_row([pack], |row| row.get(0))
                .optional()
        })
    }

    /// Sums up every pack that the index points to. Goes through all entries.
    ///
    /// # Errors
    /// Those of the database.
    pub fn packs(&self) -> Result<Vec<PackUse>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT pack, count(*), sum(length), max(position + length) FROM packs GROUP BY pack",
                )?
                .query_map([], |row| {
                    Ok(PackUse {
                        pack: row.get(0)?,
                        entries: row.get(1)?,
                        used_bytes: row.get(2)?,
                        end: row.get(3)?,
                    })
                })?
                .collect()
        })
    }

    /// Forgets entries, because their pack is gone or their photo was purged.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget_packed<'a>(&mut self, contents: impl IntoIterator<Item = &'a ContentHash>) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached("DELETE FROM packs WHERE content = ?1")?;
            for content in contents {
                statement.execute([content.as_bytes()])?;
            }
            Ok(())
        })
    }

    /// Forgets everything about one pack, as before its scan.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget_pack(&mut self, pack: &str) -> Result<()> {
        self.write(|transaction| {
            transaction.prepare_cached("DELETE FROM packs WHERE pack = ?1")?.execute([pack]).map(drop)
        })
    }
}

pub(super) fn read_location(row: &rusqlite::Row<'_>) -> rusqlite::Result<PackLocation> {
    Ok(PackLocation {
        content: hash_column(row, 0)?,
        kind: kind_column(row, 1)?,
        recipe: row.get(2)?,
        pack: row.get(3)?,
        position: row.get(4)?,
        length: row.get(5)?,
    })
}
