//! Which assets look alike, as the library found out on this device.
//!
//! This is not history: it is found again from fingerprints, and a rebuild forgets it. Exact copies are
//! history: the same content seen at several paths.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _};
use safelight_model::{AssetId, ContentState, EntityId, EntityState, Facts};

use super::fold::{Folder, in_transaction, unreadable};
use super::{AssetRow, Catalog, KeyRange, ROW_COLUMNS, Shelf, read_row};
use crate::error::Result;
use crate::rows::hash_column;

/// One asset of the timeline, with what tells whether another one shows the same.
#[derive(Clone, Debug)]
pub struct Comparable {
    /// Its row.
    pub row: AssetRow,
    /// The stack that it lies in: the same number for all that lie in one. An asset in no stack has a number of its own.
    pub stack: i64,
    /// The state of its current content, as it is recorded.
    state: Option<Vec<u8>>,
}

impl Comparable {
    /// What programs found in its current content. To read that takes as long as to fetch it, and needs no database: another
    /// thread may do it.
    ///
    /// # Errors
    /// [`CatalogError::Row`](crate::CatalogError::Row) for a state that cannot be read.
    pub fn facts(&self) -> Result<Facts> {
        let Some(bytes) = &self.state else { return Ok(Facts::default()) };
        let state = EntityState::from_bytes(bytes)
            .map_err(|error| unreadable(&EntityId::Content(self.row.content), &error.to_string()))?;
        Ok(state.as_content().map(ContentState::facts).unwrap_or_default())
    }
}

impl Catalog {
    /// Meets every asset of a shelf with what programs found in it, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn each_comparable(&self, shelf: Shelf, mut meet: impl FnMut(Comparable)) -> Result<()> {
        let range = KeyRange::of_shelf(shelf);
        self.database.read(|connection| {
            let mut listed = connection.prepare_cached(&format!(
                "SELECT {ROW_COLUMNS}, ifnull(t.cover, t.entity) FROM timeline AS t
                 WHERE t.key BETWEEN ?1 AND ?2 ORDER BY t.key"
            ))?;
            let stack = listed.column_count() - 1;
            let mut known = connection.prepare_cached("SELECT state FROM entities WHERE key = ?1")?;
            let mut rows = listed.query((range.first, range.last))?;
            while let Some(listed) = rows.next()? {
                let (row, stack) = (read_row(listed)?, listed.get(stack)?);
                let content = EntityId::Content(row.content);
                let state: Option<Vec<u8>> =
                    known.query_row([content.to_bytes()], |state| state.get(0)).optional()?;
                meet(Comparable { row, stack, state });
            }
            Ok(())
        })
    }

    /// Replaces what is known of assets that look alike: clusters of two or more each.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_alike(&mut self, clusters: &[Vec<AssetId>]) -> Result<()> {
        let mut wanted = BTreeMap::new();
        for (number, cluster) in (0_i64..).zip(clusters.iter().filter(|cluster| cluster.len() > 1)) {
            wanted.extend(cluster.iter().map(|asset| (*asset, number)));
        }
        self.within(|connection, labels, _| {
            let known = all_alike(connection).map_err(in_transaction)?;
            let changed: BTreeSet<AssetId> = known
                .keys()
                .filter(|asset| !wanted.contains_key(asset))
                .chain(wanted.keys().filter(|asset| !known.contains_key(asset)))
                .copied()
                .collect();
            replace(connection, &wanted).map_err(in_transaction)?;
            let changed: Vec<_> = changed.into_iter().map(EntityId::Asset).collect();
            for some in changed.chunks(4096) {
                Folder::new(connection, labels, 0).refresh_entities(some)?;
            }
            Ok(())
        })
    }

    /// The clusters of assets that look alike.
    ///
    /// # Errors
    /// Those of the database.
    pub fn alike(&self) -> Result<Vec<Vec<AssetId>>> {
        let mut clusters = BTreeMap::<i64, Vec<AssetId>>::new();
        for (asset, cluster) in self.database.read(all_alike)? {
            clusters.entry(cluster).or_default().push(asset);
        }
        Ok(clusters.into_values().collect())
    }
}

fn all_alike(connection: &Connection) -> rusqlite::Result<BTreeMap<AssetId, i64>> {
    connection
        .prepare_cached("SELECT asset, cluster FROM alike")?
        .query_map([], |row| Ok((AssetId(hash_column(row, 0)?), row.get(1)?)))?
        .collect()
}

fn replace(connection: &Connection, wanted: &BTreeMap<AssetId, i64>) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM alike")?.execute([])?;
    let mut insert = connection.prepare_cached("INSERT INTO alike (asset, cluster) VALUES (?1, ?2)")?;
    wanted.iter().try_for_each(|(asset, cluster)| insert.execute((asset.0.as_bytes(), cluster)).map(drop))
}

/// Whether an asset is in a cluster.
pub(super) fn is_alike(connection: &Connection, asset: &AssetId) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM alike WHERE asset = ?1")?.exists([asset.0.as_bytes()])
}
