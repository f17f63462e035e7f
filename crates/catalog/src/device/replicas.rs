//! Which sealed objects rest in which remote, and when that was proven.
//!
//! Invariant: a row is written only after the place acknowledged the object, answered for its size, or gave it
//! back whole. *Proven* means that this device downloaded and opened it, or compared a checksum that the place computed
//! over the sealed bytes with its own; an acknowledgement is no proof.

use rusqlite::{Connection, OptionalExtension, Row};
use safelight_crypto::ContentHash;
use safelight_model::RenditionKind;

use super::{DeviceDb, RemoteId};
use crate::error::Result;
use crate::rows::kind_code;

/// How it is known that an object rests in a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HowKnown {
    /// This device put it there, and the place acknowledged it.
    Acknowledged,
    /// The place answered for its name and size; somebody else put it there.
    Found,
    /// It was read back and opened.
    Opened,
    /// A checksum that the place computed over what it holds is that of the sealed bytes.
    Vouched,
}

impl HowKnown {
    fn code(self) -> i64 {
        match self {
            Self::Acknowledged => 1,
            Self::Found => 2,
            Self::Opened => 3,
            Self::Vouched => 4,
        }
    }

    fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Acknowledged,
            3 => Self::Opened,
            4 => Self::Vouched,
            _ => Self::Found,
        }
    }
}

/// A sealed object in a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its full name there, generation and all.
    pub object: String,
    /// Its size.
    pub sealed_bytes: u64,
    /// When it was put or found there.
    pub placed_millis: i64,
    /// When it was last proven.
    pub proven_millis: Option<i64>,
    /// How it is known.
    pub how: HowKnown,
}

/// Where a small original rests: in packs with others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmallOriginal {
    /// Whether the index has it in a pack of this device.
    pub is_here: bool,
    /// The packs with it that rest in remotes.
    pub packs: Vec<(RemoteId, Replica)>,
}

/// Of the generations of one object in one remote, which follow each other, the last.
fn newest_generations(rows: Vec<(RemoteId, usize, Replica)>) -> Vec<(RemoteId, usize, Replica)> {
    let mut newest: Vec<(RemoteId, usize, Replica)> = Vec::with_capacity(rows.len());
    for row in rows {
        match newest.last_mut() {
            Some(last) if (last.0, last.1) == (row.0, row.1) => *last = row,
            _ => newest.push(row),
        }
    }
    newest
}

const COLUMNS: &str = "object, sealed_bytes, placed_millis, proven_millis, how";

/// The objects that lie in the remote `?1`: what rests there, and what is marked to leave it.
const LYING: &str = "SELECT object, sealed_bytes FROM replicas WHERE remote = ?1
    UNION ALL SELECT object, leaving_bytes FROM bad_objects WHERE remote = ?1 AND leaving_bytes IS NOT NULL";

/// A name is no replica any more, and never becomes one again; how large it was stays known while it lies there.
pub(super) fn refuse(transaction: &Connection, remote: RemoteId, object: &str) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO bad_objects (remote, object, leaving_bytes)
             VALUES (?1, ?2, (SELECT sealed_bytes FROM replicas WHERE remote = ?1 AND object = ?2))
             ON CONFLICT (remote, object) DO UPDATE SET leaving_bytes = ifnull(leaving_bytes, excluded.leaving_bytes)",
        )?
        .execute((remote.0, object))?;
    transaction
        .prepare_cached("DELETE FROM replicas WHERE remote = ?1 AND object = ?2")?
        .execute((remote.0, object))
        .map(drop)
}

fn read_replica(row: &Row<'_>) -> rusqlite::Result<Replica> {
    Ok(Replica {
        object: row.get(0)?,
        sealed_bytes: row.get(1)?,
        placed_millis: row.get(2)?,
        proven_millis: row.get(3)?,
        how: HowKnown::from_code(row.get(4)?),
    })
}

impl DeviceDb {
    /// Records objects in a remote, in one transaction. A proof that is known stays unless a newer one comes; what
    /// was found bad, or is marked, is left out.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_replicas<'a>(
        &mut self,
        remote: RemoteId,
        replicas: impl IntoIterator<Item = &'a Replica>,
    ) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO replicas (remote, object, sealed_bytes, placed_millis, proven_millis, how)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6
                     WHERE NOT EXISTS (SELECT 1 FROM bad_objects WHERE remote = ?1 AND object = ?2)
                 ON CONFLICT (remote, object) DO UPDATE SET sealed_bytes = excluded.sealed_bytes,
                     placed_millis = excluded.placed_millis,
                     proven_millis = ifnull(excluded.proven_millis, proven_millis),
                     how = iif(excluded.how = 2, how, excluded.how), told = iif(told = 1, 1, 0)",
            )?;
            for replica in replicas {
                statement.execute((
                    remote.0,
                    &replica.object,
                    replica.sealed_bytes,
                    replica.placed_millis,
                    replica.proven_millis,
                    replica.how.code(),
                ))?;
            }
            Ok(())
        })
    }

    /// What is known of one object in a remote.
    ///
    /// # Errors
    /// Those of the database.
    pub fn replica(&self, remote: RemoteId, object: &str) -> Result<Option<Replica>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM replicas WHERE remote = ?1 AND object = ?2"))?
                .query_row((remote.0, object), read_replica)
                .optional()
        })
    }

    /// What is known of an object in a remote under any of its generations: the name itself, or it and `-<n>`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn replica_in_any_generation(&self, remote: RemoteId, object: &str) -> Result<Option<Replica>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM replicas WHERE remote = ?1
                     AND object >= ?2 AND object < ?2 || '.' AND (object = ?2 OR object > ?2 || '-')
                     ORDER BY length(object) DESC, object DESC LIMIT 1"
                ))?
                .query_row((remote.0, object), read_replica)
                .optional()
        })
    }

    /// What is known of objects in all remotes, each under its newest generation: the number of the name among `names`,
    /// and the replica. One statement, however many names.
    ///
    /// # Errors
    /// Those of the database.
    pub fn replicas_of_objects(&self, names: &[&str]) -> Result<Vec<(RemoteId, usize, Replica)>> {
        let list: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS}, r.remote, n.key FROM json_each(?1) AS n CROSS JOIN remotes AS m
                     JOIN replicas AS r ON r.remote = m.id AND r.object >= n.value AND r.object < n.value || '.'
                     ORDER BY r.remote, n.key, length(object), object"
                ))?
                .query_map([format!("[{}]", list.join(","))], |row| {
                    Ok((RemoteId(row.get(5)?), row.get(6)?, read_replica(row)?))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
                .map(newest_generations)
        })
    }

    /// The packs with a small original that are known to rest in remotes, each under its newest generation, and whether
    /// it lies in a pack of this device, by the index.
    ///
    /// # Errors
    /// Those of the database.
    pub fn small_original(&self, content: &ContentHash) -> Result<SmallOriginal> {
        let mut found = SmallOriginal::default();
        let mut replicas = Vec::new();
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS}, remote, number FROM (
                     SELECT {COLUMNS}, r.remote, n.number FROM
                         (SELECT pack, row_number() OVER (ORDER BY pack) AS number,
                              substr(pack, 1, 4) || '/' || substr(pack, 3) AS first
                          FROM packed_entries WHERE content = ?1 AND kind = ?2 GROUP BY pack) AS n
                         CROSS JOIN remotes AS m JOIN replicas AS r
                             ON r.remote = m.id AND r.object >= n.first AND r.object < n.first || '.'
                     UNION ALL SELECT '', 0, 0, NULL, 0, -1, 0 FROM packs WHERE content = ?1 AND kind = ?2)
                 ORDER BY remote, number, length(object), object"
            ))?;
            let mut rows = statement.query((content.as_bytes(), kind_code(RenditionKind::Original)))?;
            while let Some(row) = rows.next()? {
                match row.get(5)? {
                    -1 => found.is_here = true,
                    remote => replicas.push((RemoteId(remote), row.get(6)?, read_replica(row)?)),
                }
            }
            Ok(())
        })?;
        found.packs =
            newest_generations(replicas).into_iter().map(|(remote, _, pack)| (remote, pack)).collect();
        Ok(found)
    }

    /// Goes through the objects of a remote whose names begin with `prefix` in the order of their names,
    /// `limit` at a time: call again with the last name.
    ///
    /// # Errors
    /// Those of the database.
    pub fn replicas_after(
        &self,
        remote: RemoteId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Replica>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM replicas WHERE remote = ?1 AND object > ?2
                     AND substr(object, 1, length(?3)) = ?3 ORDER BY object LIMIT ?4"
                ))?
                .query_map((remote.0, after, prefix, limit), read_replica)?
                .collect()
        })
    }

    /// How many objects are known to rest in a remote, and their bytes.
    ///
    /// # Errors
    /// Those of the database.
    pub fn count_replicas(&self, remote: RemoteId) -> Result<(u64, u64)> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(*), ifnull(sum(sealed_bytes), 0) FROM replicas WHERE remote = ?1",
                )?
                .query_row([remote.0], |row| Ok((row.get(0)?, row.get(1)?)))
        })
    }

    /// Counts what is known to rest in a remote, and its bytes: originals, whole ones and packs of small ones; and
    /// the rest.
    ///
    /// # Errors
    /// Those of the database.
    pub fn replica_totals(&self, remote: RemoteId) -> Result<[(u64, u64); 2]> {
        let mut totals = [(0, 0); 2];
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                &format!("SELECT substr(object, 1, 2) NOT IN ('o/', 's/'), count(*), sum(sealed_bytes) FROM ({LYING}) GROUP BY 1"),
            )?;
            let mut rows = statement.query([remote.0])?;
            while let Some(row) = rows.next()? {
                totals[usize::from(row.get::<_, bool>(0)?)] = (row.get(1)?, row.get(2)?);
            }
            Ok(())
        })?;
        Ok(totals)
    }

    /// Counts what is known to lie in a remote, and its bytes, by the folder that it lies in there: `o`, `t`, `keys`. What
    /// is marked lies there until it is deleted.
    ///
    /// # Errors
    /// Those of the database.
    pub fn replicas_by_folder(&self, remote: RemoteId) -> Result<Vec<(String, u64, u64)>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT substr(object, 1, instr(object, '/') - 1), count(*), sum(sealed_bytes)
                         FROM ({LYING}) GROUP BY 1 ORDER BY 1"
                ))?
                .query_map([remote.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })
    }

    /// Forgets objects that were found missing or damaged: they do not count as held there any more.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget_replicas<'a>(
        &mut self,
        remote: RemoteId,
        objects: impl IntoIterator<Item = &'a str>,
    ) -> Result<()> {
        self.write(|transaction| {
            let mut statement =
                transaction.prepare_cached("DELETE FROM replicas WHERE remote = ?1 AND object = ?2")?;
            objects.into_iter().try_for_each(|object| statement.execute((remote.0, object)).map(drop))
        })
    }

    /// Marks a name under which something bad rests: it is no replica, and never becomes one again.
    ///
    /// # Errors
    /// Those of the database.
    pub fn mark_bad(&mut self, remote: RemoteId, object: &str) -> Result<()> {
        self.write(|transaction| refuse(transaction, remote, object))
    }

    /// Counts what was marked and, as far as is known here, still lies in a remote, and its bytes.
    ///
    /// # Errors
    /// Those of the database.
    pub fn leaving(&self, remote: RemoteId) -> Result<(u64, u64)> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(*), ifnull(sum(leaving_bytes), 0) FROM bad_objects
                     WHERE remote = ?1 AND leaving_bytes IS NOT NULL",
                )?
                .query_row([remote.0], |row| Ok((row.get(0)?, row.get(1)?)))
        })
    }

    /// The folders of a remote in which something may still lie that was marked before its size was remembered.
    ///
    /// # Errors
    /// Those of the database.
    pub fn folders_unsure(&self, remote: RemoteId) -> Result<Vec<String>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT DISTINCT substr(object, 1, instr(object, '/') - 1) FROM bad_objects
                     WHERE remote = ?1 AND is_unsure = 1",
                )?
                .query_map([remote.0], |row| row.get(0))?
                .collect()
        })
    }

    /// Remembers that something which was marked does not lie there any more.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_left<'a>(
        &mut self,
        remote: RemoteId,
        objects: impl IntoIterator<Item = &'a str>,
    ) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "UPDATE bad_objects SET leaving_bytes = NULL, is_unsure = 0 WHERE remote = ?1 AND object = ?2",
            )?;
            objects.into_iter().try_for_each(|object| statement.execute((remote.0, object)).map(drop))
        })
    }

    /// The names under which something bad, or marked to leave, was found.
    ///
    /// # Errors
    /// Those of the database.
    pub fn bad_objects(&self, remote: RemoteId) -> Result<Vec<String>> {
        self.database.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT object FROM bad_objects WHERE remote = ?1 ORDER BY object")?;
            let names = statement.query_map([remote.0], |row| row.get(0))?;
            names.collect()
        })
    }

    /// Whether something bad was found under this name.
    ///
    /// # Errors
    /// Those of the database.
    pub fn is_bad(&self, remote: RemoteId, object: &str) -> Result<bool> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT 1 FROM bad_objects WHERE remote = ?1 AND object = ?2")?
                .exists((remote.0, object))
        })
    }
}
