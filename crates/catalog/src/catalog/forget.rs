//! What was forgotten: which ops it covers, and taking what they say out of the catalogue.
//!
//! Invariant: an op that was taken out keeps its number and its id, as a note that says nothing, so that nothing that counts
//! ops or waits for one is misled, and the op is known when it comes again from a place that still holds it. Which ops are
//! covered follows from the ops that forget alone (`safelight_model::Forgotten`).
//!
//! Specified in sl1-history §7.8.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _};
use safelight_model::{EntityId, EntityState, Forgotten, Op, OpBody};

use super::Catalog;
use super::fold::in_transaction;
use super::labels::{LabelKind, drop_unused};
use crate::error::{CatalogError, Result};

/// What the note in place of an op is called.
const EVENT: &str = "forgotten";

impl Catalog {
    /// The ops that forget something, with their numbers, in the order in which they came.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forgets(&self) -> Result<Vec<(i64, Op)>> {
        self.read_ops("SELECT number, bytes FROM ops WHERE kind = 18 ORDER BY number")
    }

    /// Everything that was forgotten.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forgotten(&self) -> Result<Forgotten> {
        let mut forgotten = Forgotten::default();
        self.forgets()?.iter().for_each(|(_, op)| forgotten.add(op));
        Ok(forgotten)
    }

    /// The ops behind op number `after` that still say what was forgotten, with their numbers.
    ///
    /// # Errors
    /// Those of the database.
    pub fn covered_ops(&self, forgotten: &Forgotten, after: i64) -> Result<Vec<(i64, Op)>> {
        let assets = forgotten.assets().map(|(asset, _)| EntityId::Asset(asset));
        let contents = forgotten.contents().map(|(content, _)| EntityId::Content(content));
        let keys: Vec<Vec<u8>> = assets.chain(contents).map(|entity| entity.to_bytes()).collect();
        let numbers: Vec<i64> = self.database.read(|connection| {
            let mut entity = connection.prepare_cached("SELECT id FROM entities WHERE key = ?1")?;
            let mut entities: HashSet<i64> = HashSet::new();
            for key in &keys {
                let mut rows = entity.query([key])?;
                if let Some(row) = rows.next()? {
                    entities.insert(row.get(0)?);
                }
            }
            let mut numbers = Vec::new();
            let mut ops = connection.prepare_cached(
                "SELECT number, entity FROM ops WHERE number > ?1 AND entity IS NOT NULL AND kind <> 18
                 ORDER BY number",
            )?;
            let mut rows = ops.query([after])?;
            while let Some(row) = rows.next()? {
                if entities.contains(&row.get(1)?) {
                    numbers.push(row.get(0)?);
                }
            }
            Ok(numbers)
        })?;
        let mut covered = Vec::new();
        for number in numbers {
            let found = self.read_ops(&format!("SELECT number, bytes FROM ops WHERE number = {number}"))?;
            covered.extend(found.into_iter().filter(|(_, op)| forgotten.covers(op)));
        }
        Ok(covered)
    }

    /// Takes what these ops say out of the catalogue, and names that only they used; all or nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub fn take_out(&mut self, forgotten: &Forgotten, ops: &[(i64, Op)]) -> Result<()> {
        self.within(|connection, labels, _| {
            let mut blank = connection
                .prepare_cached(
                    "UPDATE ops SET kind = 7, entity = NULL, listed = 0, bytes = ?2 WHERE number = ?1",
                )
                .map_err(in_transaction)?;
            for (number, op) in ops {
                let note = OpBody::Note { event: EVENT.into(), details: Vec::new() };
                let bytes = Op::new(op.id, op.stamp, note).to_bytes()?;
                blank.execute((number, bytes)).map_err(in_transaction)?;
            }
            drop_traces(connection, forgotten)?;
            labels.forget();
            Ok::<_, CatalogError>(())
        })?;
        // What was overwritten must not stay in the log beside the database.
        self.checkpoint()
    }

    /// Puts other bytes of the same segment into the outbox in the place of those that wait there.
    ///
    /// # Errors
    /// Those of the database.
    pub fn replace_waiting_segment(
        &mut self,
        device: safelight_model::DeviceId,
        seq: safelight_model::SegmentSeq,
        bytes: &[u8],
    ) -> Result<()> {
        self.within(|connection, _, _| {
            connection
                .prepare_cached(
                    "UPDATE segments SET bytes = ?3 WHERE seq = ?2 AND bytes IS NOT NULL
                     AND device = (SELECT id FROM devices WHERE device = ?1)",
                )
                .and_then(|mut update| update.execute((device.as_bytes(), seq.0, bytes)))
                .map(drop)
                .map_err(in_transaction)
        })
    }

    fn read_ops(&self, statement: &str) -> Result<Vec<(i64, Op)>> {
        let rows: Vec<(i64, Vec<u8>)> = self.database.read(|connection| {
            connection
                .prepare_cached(statement)?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        Ok(rows
            .into_iter()
            .filter_map(|(number, bytes)| Some((number, Op::from_bytes(&bytes).ok()?)))
            .collect())
    }
}

/// Removes what was kept to find an asset by, and the names of tags that no photo has any more: a name can tell what was
/// forgotten.
fn drop_traces(connection: &Connection, forgotten: &Forgotten) -> Result<()> {
    for (asset, _) in forgotten.assets() {
        let key = EntityId::Asset(asset).to_bytes();
        let row: Option<(i64, Vec<u8>)> = connection
            .prepare_cached("SELECT id, state FROM entities WHERE key = ?1")
            .and_then(|mut select| select.query_row([&key], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .map_err(in_transaction)?;
        let Some((entity, state)) = row else { continue };
        let state = EntityState::from_bytes(&state)?;
        let is_back =
            state.as_asset().is_some_and(|state| !state.current().contents().additions().is_empty());
        if is_back {
            continue;
        }
        for table in ["path_keys", "stack_keys", "versions"] {
            connection
                .execute(&format!("DELETE FROM {table} WHERE entity = ?1"), [entity])
                .map_err(in_transaction)?;
        }
    }
    drop_unused(connection, LabelKind::Tag).map_err(in_transaction)
}
