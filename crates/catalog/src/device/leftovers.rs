//! What is left in remotes of segments of forked chains, which nobody can read.
//!
//! Invariant: what is remembered here was told to a person once. It is forgotten as soon as the remote shows something
//! else under the name.

use super::DeviceDb;
use super::remotes::RemoteId;
use crate::error::Result;

/// What is left of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Its full name.
    pub object: String,
    /// Why it cannot be read.
    pub reason: String,
    /// How the remote marks the bytes that were read; empty if it marks none.
    pub mark: String,
    /// Whether the segment that is held here was refused in their place.
    pub is_refused: bool,
}

impl DeviceDb {
    /// What is left of segments in a remote, by name.
    ///
    /// # Errors
    /// Those of the database.
    pub fn leftovers(&self, remote: RemoteId) -> Result<Vec<Leftover>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT object, reason, mark, is_refused FROM leftovers WHERE remote = ?1 ORDER BY object",
                )?
                .query_map([remote.0], |row| {
                    let (object, reason, mark) = (row.get(0)?, row.get(1)?, row.get(2)?);
                    Ok(Leftover { object, reason, mark, is_refused: row.get(3)? })
                })?
                .collect()
        })
    }

    /// Remembers what is left of a segment.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_leftover(&mut self, remote: RemoteId, leftover: &Leftover) -> Result<()> {
        let Leftover { object, reason, mark, is_refused } = leftover;
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO leftovers (remote, object, reason, mark, is_refused)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((remote.0, object, reason, mark, is_refused))
                .map(drop)
        })
    }

    /// Forgets what was left of a segment, because something else is there now.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget_leftover(&mut self, remote: RemoteId, object: &str) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached("DELETE FROM leftovers WHERE remote = ?1 AND object = ?2")?
                .execute((remote.0, object))
                .map(drop)
        })
    }
}
