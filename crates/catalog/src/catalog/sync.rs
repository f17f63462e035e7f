//! What syncing asks of the catalogue: statements, segments in their causal order, packs, what was added.
//!
//! The order of `segments.id` is causal, unless the catalogue was rebuilt: a segment is recorded after everything
//! that its author had seen. Whoever publishes checks that, and is mostly done in one pass.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};
use safelight_crypto::{LibraryId, Roster, Statement};
use safelight_model::history::Tip;
use safelight_model::{
    ContentHash, DeviceId, EpochId, ObjectName, Op, OpBody, OpId, OpKind, Original, PackKind, Packed,
    SegmentRoot, SegmentSeq,
};

use super::Catalog;
use super::fold::in_transaction;
use crate::error::{CatalogError, Result};
use crate::rows::bytes_column;

/// Which statements a roster came of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatementCount {
    library: LibraryId,
    statements: i64,
    last: i64,
    begun: i64,
}

/// A segment that was taken in or closed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredSegment {
    /// Its place in the order in which segments were recorded here.
    pub number: i64,
    /// Whose it is.
    pub device: DeviceId,
    /// Its number in that device's chain, and its root.
    pub tip: Tip,
}

/// A content that some op added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedOriginal {
    /// The op's number: ask for what came after it.
    pub number: i64,
    /// Where the asset stands in the timeline now, smaller is newer; none if it is not shown.
    pub position: Option<i64>,
    /// What was added.
    pub original: Original,
}

impl Catalog {
    /// Which catalogue this is: another number after a rebuild, when numbers of ops mean something else.
    ///
    /// # Errors
    /// Those of the database.
    pub fn instance(&self) -> Result<i64> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT value FROM facts WHERE name = 'instance'")?
                .query_row([], |row| row.get(0))
        })
    }

    /// All statements that history carries, as they were signed; also those of the checkpoint that this catalogue
    /// began with.
    ///
    /// # Errors
    /// Those of the database.
    pub fn statements(&self) -> Result<Vec<Vec<u8>>> {
        self.database.read(statements_in)
    }

    /// What all statements together say; none before the library's birth is known. Replayed once for each new one.
    ///
    /// # Errors
    /// Those of the database.
    pub fn roster(&self, library: LibraryId) -> Result<Option<Arc<Roster>>> {
        let count: StatementCount = self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(*), ifnull(max(number), 0), (SELECT count(*) FROM begun_statements)
                     FROM ops WHERE kind = 16",
                )?
                .query_row([], |row| {
                    let (statements, last, begun) = (row.get(0)?, row.get(1)?, row.get(2)?);
                    Ok(StatementCount { library, statements, last, begun })
                })
        })?;
        if let Some((known, roster)) = &*self.roster.borrow()
            && *known == count
        {
            return Ok(Some(Arc::clone(roster)));
        }
        let bytes = self.statements()?;
        let statements: Vec<Statement> =
            bytes.iter().filter_map(|bytes| Statement::from_bytes(bytes).ok()).collect();
        let roster = Roster::replay(library, &statements).map(Arc::new);
        *self.roster.borrow_mut() = roster.clone().map(|roster| (count, roster));
        Ok(roster)
    }

    /// All segments that are known here, in the order in which they were recorded: causal, unless a rebuild took
    /// them in device by device.
    ///
    /// # Errors
    /// Those of the database.
    pub fn segments(&self) -> Result<Vec<StoredSegment>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT s.id, d.device, s.seq, s.root FROM segments AS s
                     JOIN devices AS d ON d.id = s.device ORDER BY s.id",
                )?
                .query_map([], |row| {
                    let tip = Tip { seq: SegmentSeq(row.get(2)?), root: SegmentRoot(bytes_column(row, 3)?) };
                    let device = DeviceId::from_bytes(bytes_column(row, 1)?);
                    Ok(StoredSegment { number: row.get(0)?, device, tip })
                })?
                .collect()
        })
    }

    /// The root of one segment, if it was taken in.
    ///
    /// # Errors
    /// Those of the database.
    pub fn segment_root(&self, device: DeviceId, seq: SegmentSeq) -> Result<Option<SegmentRoot>> {
        self.database.read(|connection| segment_root(connection, device, seq))
    }

    /// The bytes of a segment that still waits in the outbox.
    ///
    /// # Errors
    /// Those of the database.
    pub fn segment_bytes(&self, device: DeviceId, seq: SegmentSeq) -> Result<Option<Vec<u8>>> {
        self.database.read(|connection| {
            let bytes: Option<Option<Vec<u8>>> = connection
                .prepare_cached(
                    "SELECT s.bytes FROM segments AS s JOIN devices AS d ON d.id = s.device
                     WHERE d.device = ?1 AND s.seq = ?2",
                )?
                .query_row((device.as_bytes(), seq.0), |row| row.get(0))
                .optional()?;
            Ok(bytes.flatten())
        })
    }

    /// Takes this device's segments from `from` on apart again: their ops are open once more and go, under
    /// their own ids, into the next segments that are closed. For a device that was restored or cloned and
    /// finds other segments of its own under these numbers. Answers how many segments were taken apart.
    ///
    /// Only for segments that were never published anywhere: others may have seen the rest.
    ///
    /// # Errors
    /// Those of the database.
    pub fn reopen_unpublished(&mut self, from: SegmentSeq) -> Result<u64> {
        let device = self.device();
        self.within(|connection, _, _| {
            let run = || {
                let own: Vec<i64> = connection
                    .prepare_cached(
                        "SELECT s.id FROM segments AS s JOIN devices AS d ON d.id = s.device
                         WHERE d.device = ?1 AND s.seq >= ?2",
                    )?
                    .query_map((device.as_bytes(), from.0), |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()?;
                let mut reopen =
                    connection.prepare_cached("UPDATE ops SET segment = NULL WHERE segment = ?1")?;
                let mut remove = connection.prepare_cached("DELETE FROM segments WHERE id = ?1")?;
                for number in &own {
                    reopen.execute([number])?;
                    remove.execute([number])?;
                }
                Ok(own.len() as u64)
            };
            run().map_err(in_transaction)
        })
    }

    /// Whether every one of these ops is in the catalogue, open or closed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn knows_ops(&self, ops: impl IntoIterator<Item = OpId>) -> Result<bool> {
        self.database.read(|connection| {
            let mut find =
                connection.prepare_cached("SELECT 1 FROM ops WHERE session = ?1 AND counter = ?2")?;
            for op in ops {
                if !find.exists((op.session.cast_signed(), op.counter))? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// The packs that history says rest in remotes, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remote_packs(&self, tier: Option<PackKind>) -> Result<Vec<Packed>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT tier, name, epoch, sealed_bytes, index_sha256 FROM remote_packs
                     WHERE ?1 IS NULL OR tier = ?1 ORDER BY stamp DESC, number DESC",
                )?
                .query_map([tier.map(PackKind::code)], |row| {
                    Ok(Packed {
                        tier: PackKind::from_code(row.get(0)?),
                        name: ObjectName::from_bytes(bytes_column(row, 1)?),
                        epoch: EpochId::from_bytes(bytes_column(row, 2)?),
                        sealed_bytes: row.get(3)?,
                        index_sha256: bytes_column(row, 4)?,
                    })
                })?
                .collect()
        })
    }

    /// How many packs history knows: to see whether there are new ones.
    ///
    /// # Errors
    /// Those of the database.
    pub fn count_remote_packs(&self) -> Result<u64> {
        self.database.read(|connection| {
            connection.prepare_cached("SELECT count(*) FROM remote_packs")?.query_row([], |row| row.get(0))
        })
    }

    /// The originals that ops after number `after`, up to `until`, added, in the order in which they were recorded here, and
    /// the number of the last op that was looked at. Begin with 0; ask again until nothing comes.
    ///
    /// # Errors
    /// Those of the database; [`CatalogError::Model`] for an op that cannot be read.
    pub fn added_originals(&self, after: i64, until: i64, limit: usize) -> Result<(Vec<AddedOriginal>, i64)> {
        let [first, second] = [OpKind::AddAsset, OpKind::AddVersion].map(|kind| kind.number().0);
        // Before the ops are read: what another process adds meanwhile comes with the next call.
        let end = after.max(until.min(self.database.read(last_number)?));
        let rows: Vec<(i64, Vec<u8>, Option<i64>)> = self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT o.number, o.bytes, e.place FROM ops AS o LEFT JOIN entities AS e ON e.id = o.entity
                     WHERE o.number > ?1 AND o.number <= ?2 AND o.kind IN (?3, ?4) ORDER BY o.number LIMIT ?5",
                )?
                .query_map((after, end, first, second, limit), |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect()
        })?;
        let last = match rows.last() {
            Some((number, ..)) if rows.len() == limit => *number,
            _ => end,
        };
        let mut added = Vec::with_capacity(rows.len());
        for (number, bytes, position) in rows {
            let op = Op::from_bytes(&bytes).map_err(CatalogError::Model)?;
            if let OpBody::AddAsset { original, .. } | OpBody::AddVersion { original, .. } = op.body {
                added.push(AddedOriginal { number, position, original });
            }
        }
        Ok((added, last))
    }

    /// The number of the last op before the first that is open, or in one of these segments: up to it all ops are
    /// in the others.
    ///
    /// # Errors
    /// Those of the database.
    pub fn last_op_before(&self, segments: &[StoredSegment]) -> Result<i64> {
        self.database.read(|connection| {
            let mut first: Option<i64> = connection
                .prepare_cached("SELECT min(number) FROM ops WHERE segment IS NULL")?
                .query_row([], |row| row.get(0))?;
            let mut find = connection.prepare_cached("SELECT min(number) FROM ops WHERE segment = ?1")?;
            for segment in segments {
                let found: Option<i64> = find.query_row([segment.number], |row| row.get(0))?;
                first = match (first, found) {
                    (Some(first), Some(found)) => Some(first.min(found)),
                    (first, found) => first.or(found),
                };
            }
            Ok(first.map_or(i64::MAX, |first| first - 1))
        })
    }

    /// What history records of a content that an asset has or had, as it was said last; none if every asset with it was purged.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn original_of(&self, content: &ContentHash) -> Result<Option<Original>> {
        let Some(asset) = self.find_content(*content)? else { return Ok(None) };
        let Some(state) = self.asset_state(asset)? else { return Ok(None) };
        let additions = state.current().contents().of_content(*content);
        let newest = additions.max_by_key(|addition| (addition.stamp, addition.op));
        Ok(newest.map(|addition| addition.value.original.clone()))
    }
}

pub(super) fn segment_root(
    connection: &Connection,
    device: DeviceId,
    seq: SegmentSeq,
) -> rusqlite::Result<Option<SegmentRoot>> {
    connection
        .prepare_cached(
            "SELECT s.root FROM segments AS s JOIN devices AS d ON d.id = s.device
             WHERE d.device = ?1 AND s.seq = ?2",
        )?
        .query_row((device.as_bytes(), seq.0), |row| bytes_column(row, 0).map(SegmentRoot))
        .optional()
}

pub(super) fn statements_in(connection: &Connection) -> rusqlite::Result<Vec<Vec<u8>>> {
    let ops: Vec<Vec<u8>> = connection
        .prepare_cached("SELECT bytes FROM ops WHERE kind = 16 ORDER BY number")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let statement = |bytes: &Vec<u8>| match Op::from_bytes(bytes).ok()?.body {
        OpBody::Statement(statement) => Some(statement),
        _ => None,
    };
    let mut statements: Vec<Vec<u8>> = ops.iter().filter_map(statement).collect();
    let begun: Vec<Vec<u8>> = connection
        .prepare_cached("SELECT bytes FROM begun_statements ORDER BY rowid")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for statement in begun {
        if !statements.contains(&statement) {
            statements.push(statement);
        }
    }
    Ok(statements)
}

fn last_number(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT ifnull(max(number), 0) FROM ops")?.query_row([], |row| row.get(0))
}
