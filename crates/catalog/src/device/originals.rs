//! How each original stands to each remote: the queue of what is to be sent, and what people are shown.
//!
//! Invariant: an original is *synced* only once every one of its sealed parts is a replica there; what is
//! found missing or damaged later waits again. New originals enter by the numbers of the ops that added them, so looking for
//! work costs what is new and not what is there.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row};
use safelight_crypto::ContentHash;

use super::{DeviceDb, RemoteId};
use crate::error::Result;
use crate::rows::hash_column;

/// How an original stands to a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncState {
    /// It is here and is to be sent.
    Waiting,
    /// It is here, and the remote acknowledged all of it.
    Synced,
    /// It is not here, and the remote was seen to hold all of it.
    CloudOnly,
    /// It is not here and was not seen in the remote: another device or another remote has it.
    Elsewhere,
    /// It is here and cannot be sent, for the reason that is given.
    LocalOnly,
    /// Sending it failed, for the reason that is given; it is tried again.
    Failed,
    /// It is here, and the policy does not ask for it; with a reason: it was switched off by hand.
    Off,
    /// It is here and asked for, and so many came to be exposed at once that a person must consent first.
    Held,
    /// It is not here, and the remote was asked to thaw it.
    Thawing,
    /// It is not here, and the remote lost what it held of it, or holds it damaged.
    Lost,
}

impl SyncState {
    /// All states.
    pub const ALL: [Self; 10] = [
        Self::Waiting,
        Self::Synced,
        Self::CloudOnly,
        Self::Elsewhere,
        Self::LocalOnly,
        Self::Failed,
        Self::Off,
        Self::Held,
        Self::Thawing,
        Self::Lost,
    ];

    /// The word that people are shown.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting | Self::Held => "waiting",
            Self::Synced => "synced",
            Self::CloudOnly => "cloud-only",
            Self::Elsewhere => "elsewhere",
            Self::LocalOnly | Self::Off => "local-only",
            Self::Failed | Self::Lost => "failed",
            Self::Thawing => "thawing",
        }
    }

    pub(super) fn code(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Synced => 1,
            Self::CloudOnly => 2,
            Self::Elsewhere => 3,
            Self::LocalOnly => 4,
            Self::Failed => 5,
            Self::Off => 6,
            Self::Held => 7,
            Self::Thawing => 8,
            Self::Lost => 9,
        }
    }

    fn from_code(code: i64) -> Self {
        Self::ALL.into_iter().find(|state| state.code() == code).unwrap_or(Self::Waiting)
    }
}

/// One original and one remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalAtRemote {
    /// The content.
    pub content: ContentHash,
    /// Its place in the timeline when it was added: smaller is newer.
    pub position: i64,
    /// Its size.
    pub size_bytes: u64,
    /// How it stands.
    pub state: SyncState,
    /// Why it waits or failed.
    pub reason: Option<String>,
    /// How often sending it failed.
    pub attempts: u32,
    /// When it is tried again.
    pub next_try_millis: i64,
}

/// How many originals are in one state, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncTotals {
    /// Originals.
    pub originals: u64,
    /// Bytes of their contents.
    pub bytes: u64,
}

/// How many originals are in one state for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateReason {
    /// The state.
    pub state: SyncState,
    /// The reason, where one was recorded.
    pub reason: Option<String>,
    /// How many, and their bytes.
    pub totals: SyncTotals,
    /// When the first of them that failed is tried again.
    pub next_try_millis: i64,
}

/// Why an original stays: it was purged. One that is imported again is looked at anew.
pub const PURGED: &str = "it was purged";

/// The wait after the first failure; it doubles with each, up to [`LONGEST_WAIT_MILLIS`].
const FIRST_WAIT_MILLIS: i64 = 30_000;
const LONGEST_WAIT_MILLIS: i64 = 6 * 3_600_000;

const COLUMNS: &str = "content, position, size_bytes, state, reason, attempts, next_try_millis";

fn read_original(row: &Row<'_>) -> rusqlite::Result<OriginalAtRemote> {
    Ok(OriginalAtRemote {
        content: hash_column(row, 0)?,
        position: row.get(1)?,
        size_bytes: row.get(2)?,
        state: SyncState::from_code(row.get(3)?),
        reason: row.get(4)?,
        attempts: row.get(5)?,
        next_try_millis: row.get(6)?,
    })
}

impl DeviceDb {
    /// Up to which op of this catalogue originals were looked at for a remote; 0 for another catalogue, whose
    /// ops have other numbers.
    ///
    /// # Errors
    /// Those of the database.
    pub fn looked_at(&self, remote: RemoteId, catalog: i64) -> Result<i64> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT looked_at FROM remotes WHERE id = ?1 AND catalog = ?2")?
                .query_row((remote.0, catalog), |row| row.get(0))
                .optional()
                .map(Option::unwrap_or_default)
        })
    }

    /// Takes in originals that ops up to number `looked_at` added, in one transaction with that number. One
    /// that is known keeps its state.
    ///
    /// # Errors
    /// Those of the database.
    pub fn queue_originals<'a>(
        &mut self,
        remote: RemoteId,
        catalog: i64,
        looked_at: i64,
        originals: impl IntoIterator<Item = &'a OriginalAtRemote>,
    ) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO remote_originals (remote, content, position, size_bytes, state, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (remote, content) DO UPDATE SET position = excluded.position,
                     state = excluded.state, reason = excluded.reason, attempts = 0, next_try_millis = 0, told = 0
                 WHERE remote_originals.state = 4 AND remote_originals.reason = ?7",
            )?;
            for original in originals {
                statement.execute((
                    remote.0,
                    original.content.as_bytes(),
                    original.position,
                    original.size_bytes,
                    original.state.code(),
                    &original.reason,
                    PURGED,
                ))?;
            }
            transaction
                .prepare_cached(
                    "UPDATE remotes SET purges_until = iif(catalog IS ?2, purges_until, 0), catalog = ?2,
                         looked_at = ?3 WHERE id = ?1",
                )?
                .execute((remote.0, catalog, looked_at))
                .map(drop)
        })
    }

    /// Lists originals in one state, newest first, behind `(position, content)`, at most `limit`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn originals_in(
        &self,
        remote: RemoteId,
        state: SyncState,
        after: Option<(i64, ContentHash)>,
        limit: usize,
    ) -> Result<Vec<OriginalAtRemote>> {
        let (position, content) = after
            .map_or((i64::MIN, Vec::new()), |(position, content)| (position, content.as_bytes().to_vec()));
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM remote_originals
                     WHERE remote = ?1 AND state = ?2 AND (position, content) > (?3, ?4)
                     ORDER BY position, content LIMIT ?5"
                ))?
                .query_map((remote.0, state.code(), position, content, limit), read_original)?
                .collect()
        })
    }

    /// Counts the originals in each state, in the order of [`SyncState::ALL`], without reading them.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sync_totals(&self, remote: RemoteId) -> Result<Vec<(SyncState, SyncTotals)>> {
        let mut totals = SyncState::ALL.map(|state| (state, SyncTotals::default()));
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT state, count(*), sum(size_bytes) FROM remote_originals WHERE remote = ?1
                 GROUP BY state",
            )?;
            let mut rows = statement.query([remote.0])?;
            while let Some(row) = rows.next()? {
                let state = SyncState::from_code(row.get(0)?);
                if let Some((_, found)) = totals.iter_mut().find(|(known, _)| *known == state) {
                    *found = SyncTotals { originals: row.get(1)?, bytes: row.get(2)? };
                }
            }
            Ok(())
        })?;
        Ok(totals.to_vec())
    }

    /// Counts the originals of a remote by their state and the reason that was recorded for it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sync_reasons(&self, remote: RemoteId) -> Result<Vec<StateReason>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT state, reason, count(*), sum(size_bytes), min(next_try_millis) FROM remote_originals
                     WHERE remote = ?1 GROUP BY state, reason ORDER BY count(*) DESC",
                )?
                .query_map([remote.0], |row| {
                    Ok(StateReason {
                        state: SyncState::from_code(row.get(0)?),
                        reason: row.get(1)?,
                        totals: SyncTotals { originals: row.get(2)?, bytes: row.get(3)? },
                        next_try_millis: row.get(4)?,
                    })
                })?
                .collect()
        })
    }

    /// The newest originals in one state for one reason.
    ///
    /// # Errors
    /// Those of the database.
    pub fn originals_because(
        &self,
        remote: RemoteId,
        state: SyncState,
        reason: Option<&str>,
        limit: usize,
    ) -> Result<Vec<OriginalAtRemote>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM remote_originals
                     WHERE remote = ?1 AND state = ?2 AND reason IS ?3 ORDER BY position, content LIMIT ?4"
                ))?
                .query_map((remote.0, state.code(), reason, limit), read_original)?
                .collect()
        })
    }

    /// The sizes of the originals in a state, those of some contents aside.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sizes_in(
        &self,
        remote: RemoteId,
        state: SyncState,
        aside: &HashSet<ContentHash>,
    ) -> Result<Vec<u64>> {
        let mut sizes = Vec::new();
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT content, size_bytes FROM remote_originals WHERE remote = ?1 AND state = ?2",
            )?;
            let mut rows = statement.query((remote.0, state.code()))?;
            while let Some(row) = rows.next()? {
                if !aside.contains(&hash_column(row, 0)?) {
                    sizes.push(row.get(1)?);
                }
            }
            Ok(())
        })?;
        Ok(sizes)
    }

    /// The contents in these states.
    ///
    /// # Errors
    /// Those of the database.
    pub fn contents_in(&self, remote: RemoteId, states: &[SyncState]) -> Result<Vec<ContentHash>> {
        let mut found = Vec::new();
        self.database.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT content FROM remote_originals WHERE remote = ?1 AND state = ?2")?;
            for state in states {
                let mut rows = statement.query((remote.0, state.code()))?;
                while let Some(row) = rows.next()? {
                    found.push(hash_column(row, 0)?);
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// How one original stands to every remote.
    ///
    /// # Errors
    /// Those of the database.
    pub fn original_at_remotes(&self, content: &ContentHash) -> Result<Vec<(RemoteId, OriginalAtRemote)>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS}, remote FROM remote_originals WHERE content = ?1 ORDER BY remote"
                ))?
                .query_map([content.as_bytes()], |row| Ok((RemoteId(row.get(7)?), read_original(row)?)))?
                .collect()
        })
    }

    /// In how many remotes an original is known to rest whole.
    ///
    /// # Errors
    /// Those of the database.
    pub fn count_remotes_holding(&self, content: &ContentHash) -> Result<u64> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(*) FROM remote_originals WHERE content = ?1 AND state IN (1, 2, 8)",
                )?
                .query_row([content.as_bytes()], |row| row.get(0))
        })
    }

    /// Sets how originals stand to a remote, with the reason if there is one; failures are forgotten.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_original_states<'a>(
        &mut self,
        remote: RemoteId,
        states: impl IntoIterator<Item = (&'a ContentHash, SyncState, Option<&'a str>)>,
    ) -> Result<()> {
        self.write(|transaction| {
            states.into_iter().try_for_each(|(content, state, reason)| {
                set_state(transaction, remote, content, state, reason)
            })
        })
    }

    /// Records that sending an original failed; it is tried again after a wait that doubles.
    ///
    /// # Errors
    /// Those of the database.
    pub fn fail_original(
        &mut self,
        remote: RemoteId,
        content: &ContentHash,
        reason: &str,
        now_millis: i64,
    ) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "UPDATE remote_originals SET state = 5, reason = ?3, attempts = attempts + 1,
                         next_try_millis = ?4 + min(?6, ?5 << min(attempts, 16))
                     WHERE remote = ?1 AND content = ?2",
                )?
                .execute((
                    remote.0,
                    content.as_bytes(),
                    reason,
                    now_millis,
                    FIRST_WAIT_MILLIS,
                    LONGEST_WAIT_MILLIS,
                ))
                .map(drop)
        })
    }

    /// Lets failed originals wait again whose time has come. Answers how many.
    ///
    /// # Errors
    /// Those of the database.
    pub fn retry_originals(&mut self, remote: RemoteId, now_millis: i64) -> Result<u64> {
        let due: bool = self.database.read(|connection| {
            connection
                .prepare_cached("SELECT 1 FROM remote_originals WHERE remote = ?1 AND state = 5 LIMIT 1")?
                .exists([remote.0])
        })?;
        if !due {
            return Ok(0);
        }
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "UPDATE remote_originals SET state = 0 WHERE remote = ?1 AND state = 5
                     AND next_try_millis <= ?2",
                )?
                .execute((remote.0, now_millis))
                .map(|count| count as u64)
        })
    }
}

pub(super) fn set_state(
    transaction: &Connection,
    remote: RemoteId,
    content: &ContentHash,
    state: SyncState,
    reason: Option<&str>,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE remote_originals SET state = ?3, reason = ?4, attempts = 0, next_try_millis = 0,
                 told = iif(?3 IN (1, 2, 8) AND state IN (1, 2, 8), told, 0)
             WHERE remote = ?1 AND content = ?2",
        )?
        .execute((remote.0, content.as_bytes(), state.code(), reason))
        .map(drop)
}
