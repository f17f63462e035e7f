//! Beginning with a checkpoint: states without their ops, merged in, and proven by the ops later.
//!
//! Invariant: what a checkpoint says is merged as states are (sl1-history §7), and no op counts as known because a
//! checkpoint holds its effect; so every op is still folded when it arrives, and changes nothing if the checkpoint was
//! right. Until all ops up to its heads are here and give the very same states, the catalogue is *provisional*.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension};
use safelight_model::checkpoint::{Bucket, Checkpoint, Page, PageRef};
use safelight_model::history::{Seen, Segment, Tip};
use safelight_model::{DeviceId, EntityId, EntityState, EpochId, Op, OpBody, SegmentRoot, SegmentSeq};

use super::Catalog;
use super::fold::{Folder, in_transaction, remember_pack, unreadable};
use crate::error::Result;
use crate::rows::bytes_column;

/// Entities whose states are folded anew at once.
const AT_ONCE: i64 = 32_768;

/// The checkpoint that a catalogue began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Who signed it.
    pub signer: DeviceId,
    /// As of which heads it was, with what was folded on top of it.
    pub heads: Seen,
}

/// What the ops say of the checkpoint that a catalogue began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// There is none, or none any more.
    Nothing,
    /// Not all ops that it covers are here.
    Waits,
    /// It said what the ops say: the catalogue is as if it had replayed them, and forgets the checkpoint.
    Right,
    /// It said something else about so many things; the catalogue is to be made anew from history.
    Wrong(u64),
}

impl Catalog {
    /// Begins with a checkpoint whose signature was checked. Its pages are then taken in, in any order.
    ///
    /// # Errors
    /// Those of the database. A catalogue that began with one already, or holds history, changes nothing.
    pub fn begin_with(&mut self, signer: DeviceId, checkpoint: &Checkpoint) -> Result<bool> {
        self.within(|connection, _, _| begin(connection, signer, checkpoint).map_err(in_transaction))
    }

    /// The checkpoint that this catalogue began with, while it is not proven.
    ///
    /// # Errors
    /// Those of the database.
    pub fn begun_with(&self) -> Result<Option<Begun>> {
        self.database.read(|connection| {
            let signer = connection
                .prepare_cached("SELECT signer FROM begun_with")?
                .query_row([], |row| bytes_column(row, 0))
                .optional()?;
            let Some(signer) = signer.map(DeviceId::from_bytes) else { return Ok(None) };
            let heads: Vec<(DeviceId, Tip)> = connection
                .prepare_cached("SELECT device, seq, root FROM begun_heads")?
                .query_map([], |row| {
                    let root = SegmentRoot(bytes_column(row, 2)?);
                    let device = DeviceId::from_bytes(bytes_column(row, 0)?);
                    Ok((device, Tip { seq: SegmentSeq(row.get(1)?), root }))
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Some(Begun { signer, heads: Seen::new(heads) }))
        })
    }

    /// The pages that are still to be taken in: packs and albums first, then photos, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn waiting_pages(&self) -> Result<Vec<PageRef>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT bucket, sha256, entries, body_bytes, epoch FROM begun_pages
                     ORDER BY bucket >= 2, bucket DESC, sha256",
                )?
                .query_map([], |row| {
                    Ok(PageRef {
                        bucket: Bucket(row.get(0)?),
                        sha256: bytes_column(row, 1)?,
                        entries: row.get(2)?,
                        body_bytes: row.get(3)?,
                        epoch: EpochId::from_bytes(bytes_column(row, 4)?),
                    })
                })?
                .collect()
        })
    }

    /// Merges a page in; one that does not wait changes nothing.
    ///
    /// # Errors
    /// [`CatalogError::Model`] for a page that holds what it must not; then nothing of it is taken in.
    pub fn take_page(&mut self, expected: &PageRef, page: &Page) -> Result<()> {
        let (states, packs) = match page.bucket() {
            Bucket::PACKS => (Vec::new(), page.packs()?),
            _ => (page.states()?, Vec::new()),
        };
        self.within(|connection, labels, _| {
            let removed = connection
                .prepare_cached("DELETE FROM begun_pages WHERE sha256 = ?1")
                .and_then(|mut delete| delete.execute([&expected.sha256]))
                .map_err(in_transaction)?;
            if removed == 0 {
                return Ok(());
            }
            for (stamp, pack) in &packs {
                remember_pack(connection, pack, *stamp, None).map_err(in_transaction)?;
            }
            let mut folder = Folder::new(connection, labels, 0);
            for (entity, state) in states {
                folder.merge(&entity, state)?;
            }
            folder.finish()
        })
    }

    /// Gives up a page that cannot be had: what it holds comes with the ops.
    ///
    /// # Errors
    /// Those of the database.
    pub fn give_up_page(&mut self, page: &PageRef) -> Result<()> {
        self.within(|connection, _, _| {
            connection
                .prepare_cached("DELETE FROM begun_pages WHERE sha256 = ?1")
                .and_then(|mut delete| delete.execute([&page.sha256]))
                .map(drop)
                .map_err(in_transaction)
        })
    }

    /// Folds a verified segment's ops into the states that a checkpoint gave, without taking the segment in: what
    /// came after the checkpoint shows at once, and is taken in with everything before it.
    ///
    /// # Errors
    /// An op that must be understood and is not refuses the segment.
    pub fn fold_ahead(&mut self, segment: &Segment) -> Result<()> {
        self.within(|connection, labels, _| {
            let mut folder = Folder::new(connection, labels, 0);
            for op in segment.ops().filter_map(std::result::Result::ok) {
                match &op.body {
                    OpBody::Packed(pack) => {
                        remember_pack(connection, pack, op.stamp, None).map_err(in_transaction)?;
                    }
                    OpBody::Statement(bytes) => {
                        remember_statement(connection, bytes).map_err(in_transaction)?;
                    }
                    _ => folder.fold_unrecorded(&op)?,
                }
            }
            let clear = segment.clear();
            remember_head(connection, clear.device, clear.tip()).map_err(in_transaction)?;
            folder.finish()
        })
    }

    /// Whether all ops that the checkpoint covers are here, and say what it said. If they do, the checkpoint is
    /// forgotten.
    ///
    /// # Errors
    /// Those of the database; [`CatalogError::Model`] for an op that cannot be folded.
    pub fn prove_beginning(&mut self) -> Result<Proof> {
        let Some(begun) = self.begun_with()? else { return Ok(Proof::Nothing) };
        let tips: HashMap<DeviceId, Tip> = self.tips()?.into_iter().collect();
        let mut is_wrong = false;
        for (device, head) in begun.heads.iter() {
            // The ops of another branch of a forked chain come in other chains (§8.9).
            if self.is_carried(device, head)? {
                continue;
            }
            if tips.get(&device).is_none_or(|tip| tip.seq < head.seq) {
                return Ok(Proof::Waits);
            }
            is_wrong |= self.segment_root(device, head.seq)? != Some(head.root);
        }
        if !self.waiting_pages()?.is_empty() {
            return Ok(Proof::Waits);
        }
        if is_wrong {
            return Ok(Proof::Wrong(1));
        }
        self.within(|connection, _, _| {
            let wrong = count_wrong(connection)? + count_unspoken(connection)?;
            if wrong > 0 {
                return Ok(Proof::Wrong(wrong));
            }
            connection
                .execute_batch(
                    "DELETE FROM begun_with; DELETE FROM begun_heads; DELETE FROM begun_statements;
                     DELETE FROM begun_pages;",
                )
                .map_err(in_transaction)?;
            Ok(Proof::Right)
        })
    }
}

fn begin(connection: &Connection, signer: DeviceId, checkpoint: &Checkpoint) -> rusqlite::Result<bool> {
    let may_not: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM begun_with) OR EXISTS (SELECT 1 FROM entities)",
        [],
        |row| row.get(0),
    )?;
    if may_not {
        return Ok(false);
    }
    connection.execute("INSERT INTO begun_with (signer) VALUES (?1)", [signer.as_bytes()])?;
    for (device, tip) in checkpoint.heads.iter() {
        remember_head(connection, device, tip)?;
    }
    for statement in &checkpoint.statements {
        remember_statement(connection, statement)?;
    }
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO begun_pages (sha256, bucket, entries, body_bytes, epoch)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for page in &checkpoint.pages {
        let PageRef { bucket, sha256, entries, body_bytes, epoch } = page;
        insert.execute((sha256, bucket.0, entries, body_bytes, epoch.as_bytes()))?;
    }
    Ok(true)
}

fn remember_head(connection: &Connection, device: DeviceId, tip: Tip) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO begun_heads (device, seq, root) VALUES (?1, ?2, ?3)
             ON CONFLICT (device) DO UPDATE SET seq = excluded.seq, root = excluded.root
             WHERE excluded.seq > seq",
        )?
        .execute((device.as_bytes(), tip.seq.0, tip.root.0))
        .map(drop)
}

fn remember_statement(connection: &Connection, bytes: &[u8]) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO begun_statements (bytes) VALUES (?1)")?.execute([bytes]).map(drop)
}

/// Folds every entity anew from the ops alone, and counts those whose state is another.
fn count_wrong(connection: &Connection) -> Result<u64> {
    let last: i64 = connection
        .query_row("SELECT ifnull(max(id), 0) FROM entities", [], |row| row.get(0))
        .map_err(in_transaction)?;
    let mut wrong = 0;
    let mut from = 1;
    while from <= last {
        wrong += count_wrong_in(connection, from, from + AT_ONCE)?;
        from += AT_ONCE;
    }
    Ok(wrong)
}

fn count_wrong_in(connection: &Connection, from: i64, until: i64) -> Result<u64> {
    let mut states: HashMap<i64, (EntityId, Vec<u8>, EntityState)> = HashMap::new();
    let mut statement = connection
        .prepare_cached("SELECT id, key, state FROM entities WHERE id >= ?1 AND id < ?2")
        .map_err(in_transaction)?;
    let mut rows = statement.query((from, until)).map_err(in_transaction)?;
    while let Some(row) = rows.next().map_err(in_transaction)? {
        let read = || Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let (id, key, state): (i64, Vec<u8>, Vec<u8>) = read().map_err(in_transaction)?;
        let entity = EntityId::from_bytes(&key)
            .ok_or_else(|| unreadable(&EntityId::Library, "its key names nothing"))?;
        let empty = EntityState::new(&entity);
        states.insert(id, (entity, state, empty));
    }
    let mut touched = BTreeSet::new();
    let mut statement = connection
        .prepare_cached("SELECT entity, bytes FROM ops WHERE entity >= ?1 AND entity < ?2")
        .map_err(in_transaction)?;
    let mut rows = statement.query((from, until)).map_err(in_transaction)?;
    while let Some(row) = rows.next().map_err(in_transaction)? {
        let read = || Ok((row.get(0)?, row.get(1)?));
        let (id, bytes): (i64, Vec<u8>) = read().map_err(in_transaction)?;
        if let Some((_, _, state)) = states.get_mut(&id) {
            state.fold(&Op::from_bytes(&bytes)?);
            touched.insert(id);
        }
    }
    // An op that forgets changes several entities, and stands in the row of one.
    let numbers: HashMap<EntityId, i64> =
        states.iter().map(|(id, (entity, ..))| (entity.clone(), *id)).collect();
    let mut statement =
        connection.prepare_cached("SELECT bytes FROM ops WHERE kind = 18").map_err(in_transaction)?;
    let mut rows = statement.query([]).map_err(in_transaction)?;
    while let Some(row) = rows.next().map_err(in_transaction)? {
        let bytes: Vec<u8> = row.get(0).map_err(in_transaction)?;
        let op = Op::from_bytes(&bytes)?;
        for entity in op.targets()? {
            if let Some(id) = numbers.get(&entity)
                && let Some((_, _, state)) = states.get_mut(id)
            {
                state.fold(&op);
                touched.insert(*id);
            }
        }
    }
    let is_wrong = |(id, (_, stored, folded)): &(&i64, &(EntityId, Vec<u8>, EntityState))| {
        !touched.contains(*id) || folded.to_bytes() != *stored
    };
    Ok(states.iter().filter(is_wrong).count() as u64)
}

/// Counts statements and packs that no op speaks of.
fn count_unspoken(connection: &Connection) -> Result<u64> {
    let mut spoken = BTreeSet::new();
    let mut statement =
        connection.prepare_cached("SELECT bytes FROM ops WHERE kind = 16").map_err(in_transaction)?;
    let mut rows = statement.query([]).map_err(in_transaction)?;
    while let Some(row) = rows.next().map_err(in_transaction)? {
        let bytes: Vec<u8> = row.get(0).map_err(in_transaction)?;
        if let OpBody::Statement(bytes) = Op::from_bytes(&bytes)?.body {
            spoken.insert(bytes);
        }
    }
    let begun: Vec<Vec<u8>> = connection
        .prepare_cached("SELECT bytes FROM begun_statements")
        .and_then(|mut select| select.query_map([], |row| row.get(0))?.collect())
        .map_err(in_transaction)?;
    let unspoken: u64 = connection
        .query_row("SELECT count(*) FROM remote_packs WHERE number < 0", [], |row| row.get(0))
        .map_err(in_transaction)?;
    Ok(unspoken + begun.iter().filter(|statement| !spoken.contains(*statement)).count() as u64)
}
