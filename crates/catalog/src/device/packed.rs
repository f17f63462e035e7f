//! Which entries lie in which remote pack, and which local ones are in none yet.
//!
//! Invariant: rows of a pack are written all at once, from its index: one that this device sealed or one that it opened. So a
//! pack that has rows is known whole.

use rusqlite::OptionalExtension;
use safelight_crypto::ContentHash;
use safelight_model::RenditionKind;

use super::{DeviceDb, PackLocation, RemoteId};
use crate::error::Result;
use crate::rows::{hash_column, kind_code, kind_column};

/// One entry of a remote pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackedEntry {
    /// The original's content.
    pub content: ContentHash,
    /// Which rendition of it.
    pub kind: RenditionKind,
    /// By which recipe it was made.
    pub recipe: u16,
}

impl DeviceDb {
    /// Records what a remote pack holds, in the order of its index.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_packed_entries(&mut self, pack: &str, entries: &[PackedEntry]) -> Result<()> {
        self.write(|transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO packed_entries (pack, position, content, kind, recipe)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            let mut mark = transaction.prepare_cached(
                "UPDATE packs SET is_packed = 1 WHERE content = ?1 AND kind = ?2 AND recipe = ?3",
            )?;
            for (position, entry) in (0_i64..).zip(entries) {
                let (content, kind) = (entry.content.as_bytes(), kind_code(entry.kind));
                insert.execute((pack, position, content, kind, entry.recipe))?;
                mark.execute((content, kind, entry.recipe))?;
            }
            transaction
                .prepare_cached("INSERT OR REPLACE INTO known_packs (pack, entries) VALUES (?1, ?2)")?
                .execute((pack, entries.len() as u64))
                .map(drop)
        })
    }

    /// Records that a remote pack is known to hold a local entry.
    ///
    /// # Errors
    /// Those of the database.
    pub fn mark_packed(&mut self, entry: &PackedEntry) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "UPDATE packs SET is_packed = 1 WHERE content = ?1 AND kind = ?2 AND recipe = ?3",
                )?
                .execute((entry.content.as_bytes(), kind_code(entry.kind), entry.recipe))
                .map(drop)
        })
    }

    /// The remote packs whose entries are known.
    ///
    /// # Errors
    /// Those of the database.
    pub fn known_packs(&self) -> Result<Vec<String>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT pack FROM known_packs ORDER BY pack")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// What a remote pack holds, in the order of its index; nothing if its index was never read.
    ///
    /// # Errors
    /// Those of the database.
    pub fn entries_of_remote_pack(&self, pack: &str) -> Result<Vec<PackedEntry>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT content, kind, recipe FROM packed_entries WHERE pack = ?1 ORDER BY position",
                )?
                .query_map([pack], |row| {
                    Ok(PackedEntry {
                        content: hash_column(row, 0)?,
                        kind: kind_column(row, 1)?,
                        recipe: row.get(2)?,
                    })
                })?
                .collect()
        })
    }

    /// The remote packs that hold an entry, as far as their indexes were read.
    ///
    /// # Errors
    /// Those of the database.
    pub fn packs_with(&self, content: &ContentHash, kind: RenditionKind) -> Result<Vec<String>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT DISTINCT pack FROM packed_entries WHERE content = ?1 AND kind = ?2 ORDER BY pack",
                )?
                .query_map((content.as_bytes(), kind_code(kind)), |row| row.get(0))?
                .collect()
        })
    }

    /// Where exactly this rendition lies in the local packs.
    ///
    /// # Errors
    /// Those of the database.
    pub fn packed_as(&self, entry: &PackedEntry) -> Result<Option<PackLocation>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT content, kind, recipe, pack, position, length FROM packs
                     WHERE content = ?1 AND kind = ?2 AND recipe = ?3",
                )?
                .query_row(
                    (entry.content.as_bytes(), kind_code(entry.kind), entry.recipe),
                    super::packs::read_location,
                )
                .optional()
        })
    }

    /// Local entries of this kind that no remote pack is known to hold, in the order in which the originals
    /// of a remote are sent, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn entries_to_pack(&self, remote: RemoteId, kind: RenditionKind) -> Result<Vec<PackLocation>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT p.content, p.kind, p.recipe, p.pack, p.position, p.length FROM packs AS p
                     LEFT JOIN remote_originals AS o ON o.remote = ?1 AND o.content = p.content
                     WHERE p.is_packed = 0 AND p.kind = ?2 AND NOT EXISTS (SELECT 1 FROM packed_entries AS e
                         WHERE e.content = p.content AND e.kind = p.kind AND e.recipe = p.recipe)
                     ORDER BY ifnull(o.position, 9223372036854775807), p.content",
                )?
                .query_map((remote.0, kind_code(kind)), super::packs::read_location)?
                .collect()
        })
    }
}
