//! The remotes that this device knows, and how far each device's chain was seen in each.
//!
//! Invariant: a head is recorded only after the segment that it names was verified in that remote, or put
//! there with success; it never goes back. So it says both what need not be sent again and what a place that
//! offers less has lost.

use rusqlite::{OptionalExtension, Row};
use safelight_model::history::Tip;
use safelight_model::{DeviceId, SegmentRoot, SegmentSeq};

use super::DeviceDb;
use crate::error::Result;
use crate::rows::bytes_column;

/// The number of a remote on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteId(pub(super) i64);

impl RemoteId {
    /// The number, never given out twice: for the names of settings about one remote.
    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }
}

/// A remote to be remembered.
#[derive(Clone, Copy, Debug)]
pub struct NewRemote<'a> {
    /// What people call it.
    pub name: &'a str,
    /// Where it is; without anything secret.
    pub address: &'a str,
    /// What opens it, as its owner understands it.
    pub credential: Option<&'a [u8]>,
    /// What goes there, as its owner understands it.
    pub policy: &'a str,
    /// What it was found to be able to do, as its owner understands it.
    pub capabilities: Option<&'a [u8]>,
    /// When it was connected.
    pub now_millis: i64,
}

/// A remote as it is remembered. Its `Debug` form shows no credential.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteRow {
    /// Its number.
    pub id: RemoteId,
    /// What people call it.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// What opens it.
    pub credential: Option<Vec<u8>>,
    /// What goes there.
    pub policy: String,
    /// What it was found to be able to do.
    pub capabilities: Option<Vec<u8>>,
    /// When it was connected.
    pub added_millis: i64,
    /// When the last sync ended well.
    pub synced_millis: Option<i64>,
    /// Why the last sync failed, if it did.
    pub last_error: Option<String>,
}

impl std::fmt::Debug for RemoteRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteRow")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("address", &self.address)
            .field("policy", &self.policy)
            .field("synced_millis", &self.synced_millis)
            .field("last_error", &self.last_error)
            .finish_non_exhaustive()
    }
}

/// The tables of what is known to rest in remotes.
const CONTENTS: &[&str] =
    &["replicas", "bad_objects", "remote_heads", "remote_originals", "absent_packs", "archived", "leftovers"];

const COLUMNS: &str =
    "id, name, address, credential, policy, capabilities, added_millis, synced_millis, last_error";

fn read_remote(row: &Row<'_>) -> rusqlite::Result<RemoteRow> {
    Ok(RemoteRow {
        id: RemoteId(row.get(0)?),
        name: row.get(1)?,
        address: row.get(2)?,
        credential: row.get(3)?,
        policy: row.get(4)?,
        capabilities: row.get(5)?,
        added_millis: row.get(6)?,
        synced_millis: row.get(7)?,
        last_error: row.get(8)?,
    })
}

impl DeviceDb {
    /// Remembers a remote; one of that name is changed, and what is known to rest there and what goes there stays.
    ///
    /// # Errors
    /// Those of the database.
    pub fn put_remote(&mut self, new: &NewRemote<'_>) -> Result<RemoteId> {
        self.write(|transaction| {
            // Another credential may be allowed more.
            transaction
                .prepare_cached(
                    "UPDATE leftovers SET is_refused = 0 WHERE remote =
                         (SELECT id FROM remotes WHERE name = ?1 AND credential IS NOT ?2)",
                )?
                .execute((new.name, new.credential))?;
            transaction
                .prepare_cached(
                    "INSERT INTO remotes (name, address, credential, policy, capabilities, added_millis)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (name) DO UPDATE SET address = excluded.address,
                         credential = excluded.credential, capabilities = excluded.capabilities
                     RETURNING id",
                )?
                .query_row(
                    (new.name, new.address, new.credential, new.policy, new.capabilities, new.now_millis),
                    |row| row.get(0).map(RemoteId),
                )
        })
    }

    /// Lists the remotes in the order in which they were connected.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remotes(&self) -> Result<Vec<RemoteRow>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM remotes ORDER BY id"))?
                .query_map([], read_remote)?
                .collect()
        })
    }

    /// The names of the remotes and what goes to each, without what opens them.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remote_policies(&self) -> Result<Vec<(String, String)>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT name, policy FROM remotes ORDER BY id")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// Finds a remote by its name.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remote(&self, name: &str) -> Result<Option<RemoteRow>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM remotes WHERE name = ?1"))?
                .query_row([name], read_remote)
                .optional()
        })
    }

    /// Forgets a remote and everything that is known about it. What rests there stays there.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remove_remote(&mut self, remote: RemoteId) -> Result<()> {
        self.write(|transaction| {
            for table in CONTENTS.iter().chain(&["remote_settings", "sync_switches"]) {
                transaction.execute(&format!("DELETE FROM {table} WHERE remote = ?1"), [remote.0])?;
            }
            transaction.execute("DELETE FROM remotes WHERE id = ?1", [remote.0]).map(drop)
        })
    }

    /// Forgets what is known to rest in a remote, which was lost or replaced by an empty one: all of it waits
    /// to be sent again.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget_contents(&mut self, remote: RemoteId) -> Result<()> {
        self.write(|transaction| {
            for table in CONTENTS {
                transaction.execute(&format!("DELETE FROM {table} WHERE remote = ?1"), [remote.0])?;
            }
            transaction
                .execute(
                    "UPDATE remotes SET looked_at = 0, sweep = '', planned = NULL, packed = NULL, place = NULL,
                         published_millis = NULL, is_present = 0, purges_until = 0 WHERE id = ?1",
                    [remote.0],
                )
                .map(drop)
        })
    }

    /// Records how a sync ended: well, or with a reason.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_sync(&mut self, remote: RemoteId, now_millis: i64, error: Option<&str>) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "UPDATE remotes SET last_error = ?3, synced_millis = iif(?3 IS NULL, ?2, synced_millis)
                     WHERE id = ?1",
                )?
                .execute((remote.0, now_millis, error))
                .map(drop)
        })
    }

    /// How far each device's chain is known to rest in a remote, the newest knowledge first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remote_heads(&self, remote: RemoteId) -> Result<Vec<(DeviceId, Tip)>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT device, seq, root FROM remote_heads WHERE remote = ?1 ORDER BY learnt DESC",
                )?
                .query_map([remote.0], |row| {
                    let tip = Tip { seq: SegmentSeq(row.get(1)?), root: SegmentRoot(bytes_column(row, 2)?) };
                    Ok((DeviceId::from_bytes(bytes_column(row, 0)?), tip))
                })?
                .collect()
        })
    }

    /// How far one device's chain is known to rest in any remote at all.
    ///
    /// # Errors
    /// Those of the database.
    pub fn published(&self, device: DeviceId) -> Result<SegmentSeq> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT ifnull(max(seq), 0) FROM remote_heads WHERE device = ?1")?
                .query_row([device.as_bytes()], |row| row.get(0).map(SegmentSeq))
        })
    }

    /// Records how far a chain rests in a remote, after its segments were verified there or put there. What
    /// is known to go farther stays; another root under the same number is another branch of a forked chain.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_remote_head(&mut self, remote: RemoteId, device: DeviceId, tip: Tip) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO remote_heads (remote, device, seq, root, learnt)
                     VALUES (?1, ?2, ?3, ?4, (SELECT ifnull(max(learnt), 0) + 1 FROM remote_heads))
                     ON CONFLICT (remote, device) DO UPDATE SET seq = excluded.seq, root = excluded.root,
                         learnt = excluded.learnt
                         WHERE excluded.seq > seq OR excluded.seq = seq AND excluded.root <> root",
                )?
                .execute((remote.0, device.as_bytes(), tip.seq.0, tip.root.0.as_slice()))
                .map(drop)
        })
    }

    /// Takes back that a remote holds more of a device's chain than up to `last`; with number 0 all of it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn lower_remote_head(&mut self, remote: RemoteId, device: DeviceId, last: Tip) -> Result<()> {
        self.write(|transaction| {
            let (seq, root) = (last.seq.0, last.root.0.as_slice());
            let changed = if seq == 0 {
                transaction
                    .prepare_cached("DELETE FROM remote_heads WHERE remote = ?1 AND device = ?2")?
                    .execute((remote.0, device.as_bytes()))
            } else {
                transaction
                    .prepare_cached(
                        "UPDATE remote_heads SET seq = ?3, root = ?4
                         WHERE remote = ?1 AND device = ?2 AND seq > ?3",
                    )?
                    .execute((remote.0, device.as_bytes(), seq, root))
            };
            changed.map(drop)
        })
    }

    /// Replaces what opens a remote; durable when this answers.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_remote_credential(&mut self, remote: RemoteId, credential: &[u8]) -> Result<()> {
        self.write(|transaction| {
            transaction
                .execute("UPDATE remotes SET credential = ?2 WHERE id = ?1", (remote.0, credential))
                .map(drop)
        })
    }

    /// Replaces what a remote was found to be able to do, and nothing else: what opens it may be being replaced by
    /// another process.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_remote_capabilities(&mut self, remote: RemoteId, capabilities: &[u8]) -> Result<()> {
        self.write(|transaction| {
            transaction
                .execute("UPDATE remotes SET capabilities = ?2 WHERE id = ?1", (remote.0, capabilities))
                .map(drop)
        })
    }

    /// Where the next sample of a verification begins: after this object.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sweep_position(&self, remote: RemoteId) -> Result<String> {
        self.database.read(|connection| {
            connection.query_row("SELECT sweep FROM remotes WHERE id = ?1", [remote.0], |row| row.get(0))
        })
    }

    /// Remembers how far a verification came.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_sweep_position(&mut self, remote: RemoteId, object: &str) -> Result<()> {
        self.write(|transaction| {
            transaction.execute("UPDATE remotes SET sweep = ?2 WHERE id = ?1", (remote.0, object)).map(drop)
        })
    }
}
