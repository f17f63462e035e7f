//! Making the pages of a checkpoint: which states lie in which page, and the page of each.
//!
//! Invariant: pages are a function of the states and packs alone (`safelight_model::checkpoint`), and a plan is made
//! in one read transaction in which no op is open: what the heads cover is exactly what the pages say. Memory holds
//! a number for each entity and the states of one page. Specified in sl1-history §8.7.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use safelight_crypto::sha256;
use safelight_model::checkpoint::{Bucket, Page, SplitKey, split};
use safelight_model::history::Seen;
use safelight_model::{EntityId, EntityState, EpochId, ObjectName, PackKind, Packed};

use super::Catalog;
use super::fold::{in_transaction, stamp_of, unreadable};
use super::segments::tips;
use super::sync::statements_in;
use crate::error::Result;
use crate::rows::bytes_column;

/// A page as it would be now.
#[derive(Clone, Debug)]
pub struct PlannedPage {
    /// What lies in it.
    pub bucket: Bucket,
    /// SHA-256 of its body.
    pub sha256: [u8; 32],
    /// How long its body is.
    pub body_bytes: u64,
    /// The rows that it is made of: entities, or packs.
    rows: Vec<i64>,
}

impl PlannedPage {
    /// How many entries it has.
    #[must_use]
    pub fn entries(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }
}

/// Everything that a checkpoint would say now.
#[derive(Clone, Debug)]
pub struct CheckpointPlan {
    /// The ends of all chains.
    pub heads: Seen,
    /// All statements.
    pub statements: Vec<Vec<u8>>,
    /// Its pages.
    pub pages: Vec<PlannedPage>,
}

/// An entity or pack on its way into a page.
struct Entry {
    bucket: Bucket,
    row: i64,
    weight: u64,
}

impl Catalog {
    /// Plans a checkpoint of what is here; `None` while ops are in no segment yet, or this catalogue itself began
    /// with a checkpoint that the ops have not proven.
    ///
    /// # Errors
    /// Those of the database; [`CatalogError::Row`](crate::CatalogError::Row) for a state that cannot be read.
    pub fn plan_checkpoint(&self) -> Result<Option<CheckpointPlan>> {
        let transaction =
            Transaction::new_unchecked(&self.database.connection, TransactionBehavior::Deferred)
                .map_err(in_transaction)?;
        let may_not: bool = transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM ops WHERE segment IS NULL) OR EXISTS (SELECT 1 FROM begun_with)",
            )
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .map_err(in_transaction)?;
        let heads = Seen::new(tips(&transaction).map_err(in_transaction)?);
        if may_not || heads.iter().next().is_none() {
            return Ok(None);
        }
        let mut entries = photos(&transaction)?;
        records(&transaction, &mut entries).map_err(in_transaction)?;
        packs(&transaction, &mut entries).map_err(in_transaction)?;
        entries.sort_unstable_by_key(|entry| (entry.bucket, entry.row));
        let mut pages = Vec::new();
        for bucket in entries.chunk_by(|one, other| one.bucket == other.bucket) {
            plan_bucket(&transaction, bucket, &mut pages)?;
        }
        let statements = statements_in(&transaction).map_err(in_transaction)?;
        Ok(Some(CheckpointPlan { heads, statements, pages }))
    }

    /// The page that was planned; `None` if something in it has changed since.
    ///
    /// # Errors
    /// Those of the database.
    pub fn checkpoint_page(&self, planned: &PlannedPage) -> Result<Option<Page>> {
        let page = self.database.read(|connection| page_of(connection, planned.bucket, &planned.rows))?;
        Ok(Some(page).filter(|page| sha256(&[&page.body()]) == planned.sha256))
    }
}

const STATES_BETWEEN: &str = "SELECT id, key, state FROM entities WHERE key >= ?1 AND key < ?2 ORDER BY key";
const STATE_OF: &str = "SELECT id, key, state FROM entities WHERE key = ?1";

/// Assets, each with the content of its name, and contents without an asset.
fn photos(connection: &Connection) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    assets(connection, &mut entries)?;
    lone_contents(connection, &mut entries)?;
    Ok(entries)
}

fn assets(connection: &Connection, entries: &mut Vec<Entry>) -> Result<()> {
    let mut all = connection.prepare_cached(STATES_BETWEEN).map_err(in_transaction)?;
    let mut one = connection.prepare_cached(STATE_OF).map_err(in_transaction)?;
    let mut rows = all.query(([1_u8], [2_u8])).map_err(in_transaction)?;
    while let Some(row) = rows.next().map_err(in_transaction)? {
        let asset = stored(row).map_err(in_transaction)?;
        let content = one.query_row([asset.as_kind(3)], stored).optional().map_err(in_transaction)?;
        let asset_state = asset.state()?;
        let content_state = content.as_ref().map(Stored::state).transpose()?;
        let bucket = Bucket::of_photo(
            asset_state.as_asset(),
            content_state.as_ref().and_then(EntityState::as_content),
        );
        entries.push(asset.entry(bucket));
        entries.extend(content.map(|content| content.entry(bucket)));
    }
    Ok(())
}

fn lone_contents(connection: &Connection, entries: &mut Vec<Entry>) -> Result<()> {
    let mut all = connection.prepare_cached(STATES_BETWEEN).map_err(in_transaction)?;
    let mut one = connection.prepare_cached(STATE_OF).map_err(in_transaction)?;
    let mut rows = all.query(([3_u8], [4_u8])).map_err(in_transaction)?;
    while let Some(row) = rows.next().map_err(in_transaction)? {
        let content = stored(row).map_err(in_transaction)?;
        let asset = one.query_row([content.as_kind(1)], stored).optional().map_err(in_transaction)?;
        if asset.is_none() {
            let bucket = Bucket::of_photo(None, content.state()?.as_content());
            entries.push(content.entry(bucket));
        }
    }
    Ok(())
}

struct Stored {
    row: i64,
    key: Vec<u8>,
    state: Vec<u8>,
}

fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored { row: row.get(0)?, key: row.get(1)?, state: row.get(2)? })
}

impl Stored {
    fn state(&self) -> Result<EntityState> {
        EntityState::from_bytes(&self.state).map_err(|error| {
            let entity = EntityId::from_bytes(&self.key).unwrap_or(EntityId::Library);
            unreadable(&entity, &error.to_string())
        })
    }

    /// The key of the entity of another kind that has the same name.
    fn as_kind(&self, kind: u8) -> Vec<u8> {
        [&[kind], self.key.get(1..).unwrap_or_default()].concat()
    }

    fn entry(&self, bucket: Bucket) -> Entry {
        Entry { bucket, row: self.row, weight: (self.key.len() + self.state.len()) as u64 }
    }
}

fn records(connection: &Connection, entries: &mut Vec<Entry>) -> rusqlite::Result<()> {
    let mut rows = connection.prepare_cached(
        "SELECT id, length(key) + length(state) FROM entities
         WHERE key < ?1 OR (key >= ?2 AND key < ?3) OR key >= ?4",
    )?;
    let rows = rows.query_map(([1_u8], [2_u8], [3_u8], [4_u8]), |row| {
        Ok(Entry { bucket: Bucket::RECORDS, row: row.get(0)?, weight: row.get(1)? })
    })?;
    for row in rows {
        entries.push(row?);
    }
    Ok(())
}

fn packs(connection: &Connection, entries: &mut Vec<Entry>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&format!("SELECT {PACK_COLUMNS} FROM remote_packs"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (key, value) = read_pack(row)?;
        let weight = (key.len() + value.len()) as u64;
        entries.push(Entry { bucket: Bucket::PACKS, row: row.get(0)?, weight });
    }
    Ok(())
}

const PACK_COLUMNS: &str = "number, tier, name, epoch, sealed_bytes, index_sha256, stamp";

fn read_pack(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Vec<u8>, Vec<u8>)> {
    let pack = Packed {
        tier: PackKind::from_code(row.get(1)?),
        name: ObjectName::from_bytes(bytes_column(row, 2)?),
        epoch: EpochId::from_bytes(bytes_column(row, 3)?),
        sealed_bytes: row.get(4)?,
        index_sha256: bytes_column(row, 5)?,
    };
    Ok(Page::pack_entry(stamp_of(row.get(6)?), &pack))
}

/// Cuts a bucket into pages, and makes each once to know its hash.
fn plan_bucket(connection: &Connection, entries: &[Entry], pages: &mut Vec<PlannedPage>) -> Result<()> {
    let Some(bucket) = entries.first().map(|entry| entry.bucket) else { return Ok(()) };
    let mut keyed = Vec::with_capacity(entries.len());
    for entry in entries {
        let key = key_of(connection, bucket, entry.row).map_err(in_transaction)?;
        keyed.push((SplitKey::of(&key), entry.weight, entry.row));
    }
    keyed.sort_unstable();
    let weights: Vec<(SplitKey, u64)> = keyed.iter().map(|(key, weight, _)| (*key, *weight)).collect();
    let mut rest = keyed.as_slice();
    for length in split(&weights) {
        let (these, others) = rest.split_at(length);
        rest = others;
        let rows: Vec<i64> = these.iter().map(|(.., row)| *row).collect();
        let body = page_of(connection, bucket, &rows).map_err(in_transaction)?.body();
        pages.push(PlannedPage { bucket, sha256: sha256(&[&body]), body_bytes: body.len() as u64, rows });
    }
    Ok(())
}

fn key_of(connection: &Connection, bucket: Bucket, row: i64) -> rusqlite::Result<Vec<u8>> {
    if bucket == Bucket::PACKS {
        return pack_of(connection, row).map(|(key, _)| key);
    }
    connection.prepare_cached("SELECT key FROM entities WHERE id = ?1")?.query_row([row], |row| row.get(0))
}

fn pack_of(connection: &Connection, number: i64) -> rusqlite::Result<(Vec<u8>, Vec<u8>)> {
    connection
        .prepare_cached(&format!("SELECT {PACK_COLUMNS} FROM remote_packs WHERE number = ?1"))?
        .query_row([number], read_pack)
}

fn page_of(connection: &Connection, bucket: Bucket, rows: &[i64]) -> rusqlite::Result<Page> {
    let mut entries = Vec::with_capacity(rows.len());
    let mut state = connection.prepare_cached("SELECT key, state FROM entities WHERE id = ?1")?;
    for row in rows {
        let found = if bucket == Bucket::PACKS {
            pack_of(connection, *row)
        } else {
            state.query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))
        };
        // One that is gone makes another page than the planned one.
        entries.extend(found.optional()?);
    }
    Ok(Page::new(bucket, entries))
}
