//! Which assets look alike, as the library found out on this device.
//!
//! This is not history: it is found again from fingerprints, and a rebuild forgets it. Exact copies are
//! history: the same content seen at several paths.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use safelight_model::{AssetId, ContentHash, EntityId, MediaKind};

use super::Catalog;
use super::fold::{Folder, in_transaction};
use crate::error::Result;
use crate::rows::hash_column;

/// What is compared to find assets that look alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The content that was fingerprinted; the asset has the same name unless it has several versions.
    pub content: ContentHash,
    /// What it is.
    pub media: Option<MediaKind>,
    /// A 64-bit perceptual hash.
    pub phash64: Option<[u8; 8]>,
    /// A 256-bit perceptual hash.
    pub pdq256: Option<[u8; 32]>,
}

impl Catalog {
    /// Goes through the fingerprints of all contents that have any, `limit` contents at a time. Returns the
    /// fingerprints and where to go on, `None` at the end.
    ///
    /// # Errors
    /// Those of the database.
    pub fn fingerprints_after(
        &self,
        after: Option<ContentHash>,
        limit: usize,
    ) -> Result<(Vec<Fingerprint>, Option<ContentHash>)> {
        let contents = self.contents_after(after, limit)?;
        let next = contents.last().map(|(content, _)| *content);
        let fingerprints = contents.into_iter().filter_map(|(content, state)| {
            let facts = state.facts();
            let found = facts.phash64.is_some() || facts.pdq256.is_some();
            found.then_some(Fingerprint {
                content,
                media: facts.media,
                phash64: facts.phash64,
                pdq256: facts.pdq256,
            })
        });
        Ok((fingerprints.collect(), next))
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
