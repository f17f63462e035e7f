//! Which originals stay on this device, which were asked for, which are only visiting, which are on their way out, which are archived.
//!
//! Invariant: an original is in `freeing` before the first byte of it is removed, in the transaction that says that it is
//! in the cloud only. So whoever finds a half removed one finds it named there, and nobody takes it for damaged.

use std::collections::HashSet;

use rusqlite::OptionalExtension;
use safelight_crypto::ContentHash;
use safelight_model::{AlbumId, AssetId};

use super::originals::SyncState;
use super::{DeviceDb, RemoteId};
use crate::error::Result;
use crate::rows::{bytes_column, hash_column};

/// What is pinned: its originals stay on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pin {
    /// One photo, with all of its versions.
    Asset(AssetId),
    /// All photos of an album, those that come later too.
    Album(AlbumId),
}

impl Pin {
    fn columns(&self) -> (i64, &[u8]) {
        match self {
            Self::Asset(asset) => (1, asset.0.as_bytes()),
            Self::Album(album) => (2, &album.0),
        }
    }
}

/// An original that was fetched because somebody opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Its content.
    pub content: ContentHash,
    /// Its size.
    pub size_bytes: u64,
    /// When it was opened last.
    pub opened_millis: i64,
}

/// An original that a remote holds in its archive tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archived {
    /// The remote.
    pub remote: RemoteId,
    /// The content.
    pub content: ContentHash,
    /// When a thaw was asked for; none before.
    pub asked_millis: Option<i64>,
}

impl DeviceDb {
    /// Pins, or takes pins back. Answers how many changed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_pins<'a>(&mut self, pins: impl IntoIterator<Item = &'a Pin>, pinned: bool) -> Result<u64> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(if pinned {
                "INSERT OR IGNORE INTO pins (kind, name) VALUES (?1, ?2)"
            } else {
                "DELETE FROM pins WHERE kind = ?1 AND name = ?2"
            })?;
            pins.into_iter()
                .try_fold(0, |changed, pin| Ok(changed + statement.execute(pin.columns())? as u64))
        })
    }

    /// Everything that is pinned.
    ///
    /// # Errors
    /// Those of the database.
    pub fn pins(&self) -> Result<Vec<Pin>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT kind, name FROM pins ORDER BY kind, name")?
                .query_map([], |row| {
                    Ok(match row.get::<_, i64>(0)? {
                        1 => Pin::Asset(AssetId(hash_column(row, 1)?)),
                        _ => Pin::Album(AlbumId(bytes_column(row, 1)?)),
                    })
                })?
                .collect()
        })
    }

    /// Records that an original was opened: one that was fetched for it, or that is visiting since before.
    ///
    /// # Errors
    /// Those of the database.
    pub fn visit(&mut self, visitor: &Visitor) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO visiting (content, size_bytes, opened_millis) VALUES (?1, ?2, ?3)
                     ON CONFLICT (content) DO UPDATE SET opened_millis = max(opened_millis, excluded.opened_millis)",
                )?
                .execute((visitor.content.as_bytes(), visitor.size_bytes, visitor.opened_millis))
                .map(drop)
        })
    }

    /// Whether an original is only visiting.
    ///
    /// # Errors
    /// Those of the database.
    pub fn is_visiting(&self, content: &ContentHash) -> Result<bool> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT 1 FROM visiting WHERE content = ?1")?
                .exists([content.as_bytes()])
        })
    }

    /// Keeps originals that somebody asked to have here: no policy frees them, until they are freed by hand. Visits end.
    ///
    /// # Errors
    /// Those of the database.
    pub fn keep_here<'a>(&mut self, contents: impl IntoIterator<Item = &'a ContentHash>) -> Result<()> {
        self.write(|transaction| {
            let mut visiting = transaction.prepare_cached("DELETE FROM visiting WHERE content = ?1")?;
            let mut kept = transaction.prepare_cached("INSERT OR IGNORE INTO kept (content) VALUES (?1)")?;
            contents.into_iter().try_for_each(|content| {
                visiting.execute([content.as_bytes()])?;
                kept.execute([content.as_bytes()]).map(drop)
            })
        })
    }

    /// Whether somebody asked to have an original here, by fetching or thawing it, or by opening it a while ago.
    ///
    /// # Errors
    /// Those of the database.
    pub fn is_asked_for(&self, content: &ContentHash) -> Result<bool> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT 1 FROM kept WHERE content = ?1 UNION ALL SELECT 1 FROM visiting WHERE content = ?1",
                )?
                .exists([content.as_bytes()])
        })
    }

    /// Those that are visiting, the longest unopened first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn visitors(&self) -> Result<Vec<Visitor>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT content, size_bytes, opened_millis FROM visiting ORDER BY opened_millis, content",
                )?
                .query_map([], |row| {
                    Ok(Visitor {
                        content: hash_column(row, 0)?,
                        size_bytes: row.get(1)?,
                        opened_millis: row.get(2)?,
                    })
                })?
                .collect()
        })
    }

    /// Records that the local bytes of an original are about to be removed: where a remote holds it, it is now in the
    /// cloud only; where one does not, it is elsewhere.
    ///
    /// # Errors
    /// Those of the database.
    pub fn begin_freeing(&mut self, content: &ContentHash) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO freeing (content) VALUES (?1)")?
                .execute([content.as_bytes()])?;
            for forgotten in
                ["DELETE FROM visiting WHERE content = ?1", "DELETE FROM kept WHERE content = ?1"]
            {
                transaction.prepare_cached(forgotten)?.execute([content.as_bytes()])?;
            }
            transaction
                .prepare_cached(
                    "UPDATE remote_originals SET state = iif(state IN (?2, ?3), ?3, ?4), reason = NULL
                     WHERE content = ?1 AND state NOT IN (?5, ?6, ?7)",
                )?
                .execute((
                    content.as_bytes(),
                    SyncState::Synced.code(),
                    SyncState::CloudOnly.code(),
                    SyncState::Elsewhere.code(),
                    SyncState::LocalOnly.code(),
                    SyncState::Thawing.code(),
                    SyncState::Lost.code(),
                ))
                .map(drop)
        })
    }

    /// Originals whose removal was begun and whose end was not recorded.
    ///
    /// # Errors
    /// Those of the database.
    pub fn freeing(&self) -> Result<Vec<ContentHash>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT content FROM freeing ORDER BY content")?
                .query_map([], |row| hash_column(row, 0))?
                .collect()
        })
    }

    /// Records that a removal ended.
    ///
    /// # Errors
    /// Those of the database.
    pub fn finish_freeing(&mut self, content: &ContentHash) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached("DELETE FROM freeing WHERE content = ?1")?
                .execute([content.as_bytes()])
                .map(drop)
        })
    }

    /// Forgets all proofs of a remote; what is known to rest there stays known.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget_proofs(&mut self, remote: RemoteId) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached("UPDATE replicas SET proven_millis = NULL WHERE remote = ?1")?
                .execute([remote.0])
                .map(drop)
        })
    }

    /// Whether a rendition of this content is still to be made, for which its original must be here.
    ///
    /// # Errors
    /// Those of the database.
    pub fn has_rendition_to_make(&self, content: &ContentHash) -> Result<bool> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT 1 FROM render_jobs WHERE content = ?1 AND given_up = 0")?
                .exists([content.as_bytes()])
        })
    }

    /// Records that a remote holds an original archived; since when a thaw is under way, if one is.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_archived(&mut self, archived: &Archived) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO archived (remote, content, asked_millis) VALUES (?1, ?2, ?3)
                     ON CONFLICT (remote, content) DO UPDATE SET
                         asked_millis = ifnull(asked_millis, excluded.asked_millis)",
                )?
                .execute((archived.remote.0, archived.content.as_bytes(), archived.asked_millis))
                .map(drop)
        })
    }

    /// Records that a remote does not hold an original archived, or not any more.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_thawed(&mut self, remote: RemoteId, content: &ContentHash) -> Result<()> {
        let known: bool = self.database.read(|connection| {
            connection
                .prepare_cached("SELECT 1 FROM archived WHERE remote = ?1 AND content = ?2")?
                .exists((remote.0, content.as_bytes()))
        })?;
        if !known {
            return Ok(());
        }
        self.write(|transaction| {
            transaction
                .prepare_cached("DELETE FROM archived WHERE remote = ?1 AND content = ?2")?
                .execute((remote.0, content.as_bytes()))
                .map(drop)
        })
    }

    /// The originals that are being thawed at a remote, the first asked for first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn thawing(&self, remote: RemoteId) -> Result<Vec<Archived>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT remote, content, asked_millis FROM archived
                     WHERE remote = ?1 AND asked_millis IS NOT NULL ORDER BY asked_millis, content",
                )?
                .query_map([remote.0], read_archived)?
                .collect()
        })
    }

    /// The remotes that hold an original archived.
    ///
    /// # Errors
    /// Those of the database.
    pub fn archived_at(&self, content: &ContentHash) -> Result<Vec<Archived>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT remote, content, asked_millis FROM archived WHERE content = ?1 ORDER BY remote",
                )?
                .query_map([content.as_bytes()], read_archived)?
                .collect()
        })
    }

    /// How many originals are archived somewhere, and how many of them are being thawed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn count_archived(&self) -> Result<(u64, u64)> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(DISTINCT content), count(DISTINCT iif(asked_millis IS NULL, NULL, content))
                     FROM archived",
                )?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
                .map(Option::unwrap_or_default)
        })
    }
}

impl DeviceDb {
    /// How many originals rest somewhere and not here, and their bytes; those of some contents aside, which are of no photo.
    ///
    /// # Errors
    /// Those of the database.
    pub fn count_away(&self, aside: &HashSet<ContentHash>) -> Result<(u64, u64)> {
        let (mut originals, mut bytes) = (0, 0);
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT content, max(size_bytes) FROM remote_originals WHERE state IN (2, 3, 8) GROUP BY content",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if aside.is_empty() || !aside.contains(&hash_column(row, 0)?) {
                    originals += 1;
                    bytes += row.get::<_, u64>(1)?;
                }
            }
            Ok((originals, bytes))
        })
    }
}

fn read_archived(row: &rusqlite::Row<'_>) -> rusqlite::Result<Archived> {
    Ok(Archived { remote: RemoteId(row.get(0)?), content: hash_column(row, 1)?, asked_millis: row.get(2)? })
}
