//! `device.db`: what only this device needs to remember.
//!
//! Watched sources, the stat cache that makes a second scan cheap, previews still to be made, where
//! renditions lie in the local packs, remotes and what is known to rest in them, and this device's settings. It is never rebuilt from history and
//! never synced; losing it costs a re-scan, never a photo.
//!
//! Invariant: nothing here decides whether a photo exists. A source whose mount is missing is *offline*,
//! and its cached files stay as they are.

mod brake;
mod files;
mod jobs;
mod leftovers;
mod local;
mod originals;
mod packed;
mod packs;
mod places;
mod plans;
mod policies;
mod remotes;
mod renditions;
mod replicas;
mod settings;
mod shards;
mod sources;

pub use brake::{BrakeCause, RecentLoss};
pub use files::{FileRecord, FileStamp, FileState, compare_entries};
pub use jobs::{RenderJob, RenderQueue};
pub use leftovers::Leftover;
pub use local::{Archived, Pin, Visitor};
pub use originals::{OriginalAtRemote, PURGED, StateReason, SyncState, SyncTotals};
pub use packed::PackedEntry;
pub use packs::{PackLocation, PackUse};
pub use places::{Presence, Silence};
pub use plans::{Exposure, NEEDS_CONSENT, Renditions, SWITCHED_OFF, Wanted};
pub use policies::{AgeBy, EXPOSE_DEFAULT, OLDER_DEFAULT_DAYS, PolicyKind, RemotePolicy, Switched};
pub use remotes::{NewRemote, RemoteId, RemoteRow};
pub use replicas::{HowKnown, Replica, SmallOriginal};
pub use shards::RememberedShard;
pub use sources::{NewSource, Source, SourceId};

use std::path::Path;

use rusqlite::Connection;

use crate::database::{Access, CatalogKey, CheckDepth, Database, Exclusive, Role};
use crate::error::{CatalogError, Result};

/// The schema of `device.db`, step by step.
const STEPS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("remotes.sql"),
    include_str!("policies.sql"),
    include_str!("linked.sql"),
    include_str!("local.sql"),
    include_str!("places.sql"),
    include_str!("lost.sql"),
    include_str!("leftovers.sql"),
    include_str!("kept.sql"),
    include_str!("leaving.sql"),
    include_str!("unsure.sql"),
    include_str!("shards.sql"),
    include_str!("renditions.sql"),
    include_str!("brake.sql"),
];

/// This device's own database.
#[derive(Debug)]
pub struct DeviceDb {
    database: Database,
}

impl DeviceDb {
    /// Makes a new device database.
    ///
    /// # Errors
    /// [`CatalogError::Exists`] if there is one already.
    pub fn create(path: &Path, key: &CatalogKey) -> Result<Self> {
        Database::create(path, key, Role::Device, STEPS).map(|database| Self { database })
    }

    /// Makes a new device database in memory, as [`Catalog::create_in_memory`](crate::Catalog::create_in_memory).
    ///
    /// # Errors
    /// Those of the database.
    pub fn create_in_memory() -> Result<Self> {
        Self::start_in_memory(Database::create_in_memory(STEPS)?)
    }

    /// Opens a device database in memory again, as a process does that starts after this one was killed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn reopen_in_memory(self) -> Result<Self> {
        self.database.killed_in_memory().map(|database| Self { database })
    }

    /// Opens a copy of a device database in memory, with everything that was committed, and nothing else.
    ///
    /// # Errors
    /// [`CatalogError::Sqlite`] if this database is in a file.
    pub fn open_copy_in_memory(&self) -> Result<Self> {
        Self::start_in_memory(self.database.copy_in_memory()?)
    }

    /// Opens the device database.
    ///
    /// # Errors
    /// [`CatalogError::Missing`], [`CatalogError::WrongKey`], [`CatalogError::Damaged`] or
    /// [`CatalogError::NewerSchema`] say why it cannot be opened.
    pub fn open(path: &Path, key: &CatalogKey) -> Result<Self> {
        Self::open_as(path, key, Access::ReadWrite)
    }

    /// Opens the device database, perhaps only to read.
    ///
    /// # Errors
    /// As [`DeviceDb::open`].
    pub fn open_as(path: &Path, key: &CatalogKey, access: Access) -> Result<Self> {
        Database::open(path, key, Role::Device, STEPS, access).map(|database| Self { database })
    }

    fn start_in_memory(database: Database) -> Result<Self> {
        // A table that is made later has all statements prepared again.
        database.read(|connection| connection.execute_batch(plans::TEMPORARY))?;
        Ok(Self { database })
    }

    /// Looks for damage; every finding is one sentence, none means that none was found.
    ///
    /// # Errors
    /// Fails only if the check itself cannot be made.
    pub fn check(&self, key: &CatalogKey, depth: CheckDepth) -> Result<Vec<String>> {
        self.database.check(key, Role::Device, depth)
    }

    /// Writes the log back into the database file, as far as other readers allow.
    ///
    /// # Errors
    /// Those of the database.
    pub fn checkpoint(&self) -> Result<()> {
        self.database.checkpoint()
    }

    /// Writes everything back into the file and closes it; no log stays behind.
    ///
    /// # Errors
    /// [`CatalogError::DiskFull`] and the like; what was acknowledged is safe in the log all the same.
    pub fn close(self) -> Result<()> {
        self.database.close()
    }

    /// Begins to remember as one: all that follows until [`DeviceDb::end_as_one`], or none of it should the process be
    /// killed. Other writers wait.
    ///
    /// # Errors
    /// Those of the database, also when this was begun already.
    pub fn begin_as_one(&mut self) -> Result<()> {
        self.turn("BEGIN IMMEDIATE")
    }

    /// Keeps what was remembered since [`DeviceDb::begin_as_one`] if `outcome` is good, and forgets it if it is not.
    ///
    /// # Errors
    /// That of `outcome`, or else those of the database.
    pub fn end_as_one<T, E: From<CatalogError>>(
        &mut self,
        outcome: std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let kept = outcome.and_then(|value| Ok(self.turn("COMMIT").map(|()| value)?));
        if !self.database.connection.is_autocommit() {
            // What went wrong first is the answer; should this fail too, the next that begins as one says so.
            drop(self.turn("ROLLBACK"));
        }
        kept
    }

    fn turn(&self, statement: &str) -> Result<()> {
        let turned = self.database.connection.prepare_cached(statement).and_then(|mut turn| turn.execute([]));
        turned.map(drop).map_err(|source| CatalogError::from_sqlite(self.database.path(), source))
    }

    /// Runs `change` in one transaction that excludes other writers, or in the one of [`DeviceDb::begin_as_one`].
    fn write<T>(&mut self, change: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let path = self.database.path().to_path_buf();
        let run = || {
            if !self.database.connection.is_autocommit() {
                return change(&self.database.connection);
            }
            let transaction = Exclusive::begin(&self.database.connection)?;
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|source| CatalogError::from_sqlite(&path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many steps lead to the schema before `lost.sql`.
    const BEFORE_LOST: usize = 6;

    #[test]
    fn what_a_remote_lost_before_there_was_a_word_for_it_is_lost_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("device.db"), CatalogKey::from_bytes([7; 32]));
        let old = Database::create(&path, &key, Role::Device, &STEPS[..BEFORE_LOST]).unwrap();
        let rows = [
            (1_u8, 3, Some("missing"), SyncState::Lost),
            (2, 3, Some("damaged"), SyncState::Lost),
            (3, 3, None, SyncState::Elsewhere),
            (4, 3, Some("another word"), SyncState::Elsewhere),
            (5, 0, Some("missing"), SyncState::Waiting),
            (6, 2, Some("damaged"), SyncState::CloudOnly),
        ];
        for (number, state, reason, _) in &rows {
            let row = ([*number; 32], state, reason);
            old.connection
                .execute(
                    "INSERT INTO remote_originals (remote, content, position, size_bytes, state, reason)
                     VALUES (1, ?1, 0, 9, ?2, ?3)",
                    row,
                )
                .unwrap();
        }
        old.close().unwrap();
        let device = DeviceDb::open(&path, &key).unwrap();
        for (number, _, reason, state) in rows {
            let content = safelight_crypto::ContentHash::from_bytes([number; 32]);
            let found = device.original_at_remotes(&content).unwrap();
            assert_eq!((found[0].1.state, found[0].1.reason.as_deref()), (state, reason), "{number}");
        }
    }
}
