//! The history as people read it, newest first, a page at a time.

use rusqlite::{OptionalExtension, Row};
use safelight_model::{AssetId, DeviceId, EntityId, ModelError, Op, OpId, SegmentSeq};

use super::Catalog;
use super::fold::stamp_of;
use crate::error::{CatalogError, Result};
use crate::rows::bytes_column;

/// Where a page of the history ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryCursor {
    stamp: i64,
    number: i64,
}

/// One op in the history.
#[derive(Debug)]
pub struct HistoryEntry {
    /// The op, or why it cannot be read; the others stand.
    pub op: Result<Op, ModelError>,
    /// Whose it is.
    pub device: DeviceId,
    /// The segment that it was closed into; `None` while it waits for one.
    pub segment: Option<SegmentSeq>,
    /// Where it stands: what comes after this is older.
    pub cursor: HistoryCursor,
}

/// A page of the history.
#[derive(Debug)]
pub struct HistoryPage {
    /// The entries, newest first.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<HistoryCursor>,
}

impl Catalog {
    /// Lists ops that people are shown — not what programs derived —, newest first; of one entity only, if
    /// one is given.
    ///
    /// # Errors
    /// Those of the database.
    pub fn history(
        &self,
        of: Option<&EntityId>,
        after: Option<HistoryCursor>,
        limit: usize,
    ) -> Result<HistoryPage> {
        let after = after.unwrap_or(HistoryCursor { stamp: i64::MAX, number: i64::MAX });
        let filter = if of.is_some() { "AND o.entity = ?4" } else { "AND ?4 IS NULL" };
        let entity = match of {
            None => None,
            Some(entity) => match self.entity_number(entity)? {
                Some(number) => Some(number),
                None => return Ok(HistoryPage { entries: Vec::new(), next: None }),
            },
        };
        let entries = self.database.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "{SELECT_ENTRY} WHERE o.listed = 1 {filter} AND (o.stamp, o.number) < (?1, ?2)
                     ORDER BY o.stamp DESC, o.number DESC LIMIT ?3"
                ))?
                .query_map((after.stamp, after.number, limit, entity), read_entry)?
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let next = entries.last().map(|last| last.cursor).filter(|_| entries.len() == limit);
        Ok(HistoryPage { entries, next })
    }

    /// Lists the ops before a point of the history that say where files of an asset were found or are no longer, newest
    /// first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sightings_before(
        &self,
        asset: AssetId,
        before: HistoryCursor,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        let Some(entity) = self.entity_number(&EntityId::Asset(asset))? else { return Ok(Vec::new()) };
        // Kinds as numbers (AddAsset, AddVersion and Presence; Seen), so that both indexes are found.
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT * FROM (
                         SELECT * FROM ({SELECT_ENTRY}
                             WHERE o.listed = 1 AND o.entity = ?4 AND o.kind IN (2, 4, 29)
                                 AND (o.stamp, o.number) < (?1, ?2)
                             ORDER BY o.stamp DESC, o.number DESC LIMIT ?3)
                         UNION ALL
                         SELECT * FROM ({SELECT_ENTRY}
                             WHERE o.kind = 5 AND o.entity = ?4 AND (o.stamp, o.number) < (?1, ?2)
                             ORDER BY o.stamp DESC, o.number DESC LIMIT ?3))
                     ORDER BY stamp DESC, number DESC LIMIT ?3"
                ))?
                .query_map((before.stamp, before.number, limit, entity), read_entry)?
                .collect()
        })
    }

    /// When a device made its last change, by its own clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// Those of the database.
    pub fn last_op_millis(&self, device: DeviceId) -> Result<Option<u64>> {
        let stamp: Option<i64> = self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT max(o.stamp) FROM ops AS o JOIN segments AS s ON s.id = o.segment
                     WHERE o.segment = (SELECT t.id FROM segments AS t JOIN devices AS d ON d.id = t.device
                                        WHERE d.device = ?1 AND EXISTS (SELECT 1 FROM ops WHERE segment = t.id)
                                        ORDER BY t.seq DESC LIMIT 1)",
                )?
                .query_row([device.as_bytes()], |row| row.get(0))
        })?;
        Ok(stamp.map(|stamp| stamp_of(stamp).millis))
    }

    /// How many ops the history holds, derived ones too.
    ///
    /// # Errors
    /// Those of the database.
    pub fn count_ops(&self) -> Result<u64> {
        // Numbers are given out without gaps, and no op is ever deleted.
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT ifnull(max(number), 0) FROM ops")?
                .query_row([], |row| row.get(0))
        })
    }

    /// The ops behind number `after` that may take something from a photo — a field that is set, a content that is replaced, a
    /// purge —, with their numbers and whose they are; at most `limit`, in the order in which they came here. What cannot be
    /// read is passed over.
    ///
    /// # Errors
    /// Those of the database.
    pub fn taking_ops_after(&self, after: i64, limit: usize) -> Result<Vec<(i64, DeviceId, Op)>> {
        let mut taking = Vec::new();
        self.database.read(|connection| {
            // Kinds as numbers: AddVersion, Set, Purge, Forget.
            let mut select = connection.prepare_cached(
                "SELECT o.number, d.device, o.bytes FROM ops AS o JOIN devices AS d ON d.id = o.device
                 WHERE o.number > ?1 AND o.kind IN (4, 8, 14, 18) ORDER BY o.number LIMIT ?2",
            )?;
            let mut rows = select.query((after, limit))?;
            while let Some(row) = rows.next()? {
                if let Ok(op) = Op::from_bytes(row.get_ref(2)?.as_blob()?) {
                    taking.push((row.get(0)?, DeviceId::from_bytes(bytes_column(row, 1)?), op));
                }
            }
            Ok(())
        })?;
        Ok(taking)
    }

    /// The segment that an op lies in, and whose it is; `None` for one that is not closed yet, or not known.
    ///
    /// # Errors
    /// Those of the database.
    pub fn segment_of(&self, op: OpId) -> Result<Option<(DeviceId, SegmentSeq)>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT d.device, s.seq FROM ops AS o JOIN devices AS d ON d.id = o.device
                     JOIN segments AS s ON s.id = o.segment WHERE o.session = ?1 AND o.counter = ?2",
                )?
                .query_row((op.session.cast_signed(), op.counter), |row| {
                    Ok((DeviceId::from_bytes(bytes_column(row, 0)?), SegmentSeq(row.get(1)?)))
                })
                .optional()
        })
    }

    fn entity_number(&self, entity: &EntityId) -> Result<Option<i64>, CatalogError> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT id FROM entities WHERE key = ?1")?
                .query_row([entity.to_bytes()], |row| row.get(0))
                .optional()
        })
    }
}

/// The columns of an entry, and the tables that they come from.
const SELECT_ENTRY: &str = "SELECT o.stamp, o.number, o.bytes, d.device, s.seq FROM ops AS o
    JOIN devices AS d ON d.id = o.device LEFT JOIN segments AS s ON s.id = o.segment";

fn read_entry(row: &Row<'_>) -> rusqlite::Result<HistoryEntry> {
    Ok(HistoryEntry {
        cursor: HistoryCursor { stamp: row.get(0)?, number: row.get(1)? },
        op: Op::from_bytes(row.get_ref(2)?.as_blob()?),
        device: DeviceId::from_bytes(bytes_column(row, 3)?),
        segment: row.get::<_, Option<u32>>(4)?.map(SegmentSeq),
    })
}
