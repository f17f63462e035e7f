//! Filling the search index again after a schema step emptied it.
//!
//! Invariant: a catalogue that is open has every listed asset in the index. The step that empties it leaves a
//! mark; opening fills it from the states in order of the timeline, a transaction for some thousand assets, and
//! a kill, or another process that opens the catalogue meanwhile, goes on behind the mark.

use rusqlite::{Connection, OptionalExtension};
use safelight_model::AssetId;

use super::Catalog;
use super::fold::{Folder, in_transaction};
use super::labels::Labels;
use super::timeline::TimelineKey;
use crate::database::Access;
use crate::error::{CatalogError, Result};
use crate::rows::hash_column;

/// Under this name the last key of the timeline that is in the index again is stored, until all are.
const WORDS_UP_TO: &str = "words up to";
/// Assets to a transaction.
const AT_ONCE: usize = 4096;

impl Catalog {
    /// Fills the search index, if there is anything left to fill.
    pub(super) fn finish_reindex(&mut self, access: Access) -> Result<()> {
        while self.database.read(words_up_to)?.is_some() {
            if access == Access::ReadOnly {
                return Err(CatalogError::ReadOnly { path: self.path().to_path_buf() });
            }
            self.within(|connection, labels, _| reindex_some(connection, labels))?;
        }
        Ok(())
    }
}

fn words_up_to(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT value FROM facts WHERE name = ?1")?
        .query_row([WORDS_UP_TO], |row| row.get(0))
        .optional()
}

/// Puts the assets behind the mark into the index and moves the mark; removes it at the end.
fn reindex_some(connection: &Connection, labels: &mut Labels) -> Result<()> {
    let Some(mark) = words_up_to(connection).map_err(in_transaction)? else { return Ok(()) };
    let assets = assets_behind(connection, mark).map_err(in_transaction)?;
    let mut folder = Folder::new(connection, labels, 0);
    for (key, asset) in &assets {
        folder.reindex(*key, *asset)?;
    }
    let moved = match assets.last() {
        Some((key, _)) => {
            connection.execute("UPDATE facts SET value = ?2 WHERE name = ?1", (WORDS_UP_TO, key.0))
        }
        None => connection.execute("DELETE FROM facts WHERE name = ?1", [WORDS_UP_TO]),
    };
    moved.map(drop).map_err(in_transaction)
}

fn assets_behind(connection: &Connection, key: i64) -> rusqlite::Result<Vec<(TimelineKey, AssetId)>> {
    connection
        .prepare_cached("SELECT key, asset FROM timeline WHERE key > ?1 ORDER BY key LIMIT ?2")?
        .query_map((key, AT_ONCE), |row| Ok((TimelineKey(row.get(0)?), AssetId(hash_column(row, 1)?))))?
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use safelight_crypto::{DeviceId, SeededEntropy};
    use safelight_model::{
        ContentHash, EpochId, Facts, Field, Life, OpBody, OpIds, Original, PlaceName, Position, ProbeKind,
        SetName, SourcePath, Storage, Target, Value,
    };

    use super::super::STEPS;
    use super::*;
    use crate::database::{CatalogKey, Database, Role};
    use crate::{ListOptions, Query};

    const DEVICE: DeviceId = DeviceId::from_bytes([9; 16]);
    const QUERIES: [&str; 10] = [
        "beach",
        "be*",
        "beac*",
        "beaches*",
        "tag:sea",
        "place:lisbon",
        "size:>2MB -beach",
        "img_00012",
        "has:place",
        "has:gps -has:place",
    ];

    fn key() -> CatalogKey {
        CatalogKey::from_bytes([7; 32])
    }

    /// A catalogue as it was before the step: of the first two schemas' statements, with 5,000 assets.
    fn before_the_step(path: &Path) {
        let database = Database::create(path, &key(), Role::Catalog, STEPS.get(..2).unwrap()).unwrap();
        let mut catalog = Catalog::start(database, DEVICE, &mut SeededEntropy::new(1));
        catalog.fold_version(Access::ReadWrite).unwrap();
        catalog.append(1_700_000_000_000, (0..5_000).flat_map(asset).collect()).unwrap();
        assert_eq!(schema(&catalog), 2);
        catalog.close().unwrap();
    }

    fn asset(number: u32) -> Vec<OpBody> {
        let content = ContentHash::from_bytes(safelight_crypto::sha256(&[&number.to_be_bytes()]));
        let target = Target::Asset(AssetId(content), Life(0));
        let original = Original {
            content,
            size_bytes: 1_000_000 + u64::from(number % 3) * 1_000_000,
            media_type: "image/jpeg".into(),
            epoch: EpochId::from_bytes([3; 16]),
            parts: Vec::new(),
            storage: Storage::Copied,
            source: SourcePath {
                device: DEVICE,
                root: b"/home".to_vec(),
                relative: format!("IMG_{number:05}.jpg").into_bytes(),
            },
            modified_millis: 1_600_000_000_000 + i64::from(number) * 60_000,
            unread: Default::default(),
        };
        let place = PlaceName { city: Some("Lisbon".into()), region: None, country: None };
        let position = Position::from_degrees(38.7, -9.1, None);
        let facts = Facts { position, place: number.is_multiple_of(5).then_some(place), ..Facts::default() };
        let caption = if number.is_multiple_of(7) { "beaches" } else { "the beach" };
        let mut bodies = vec![
            OpBody::AddAsset { asset: AssetId(content), life: Life(0), original },
            OpBody::Derive { life: Life(0), content, probe: ProbeKind::Metadata, version: 1, facts },
        ];
        if number.is_multiple_of(2) {
            bodies.push(OpBody::Set {
                target: target.clone(),
                field: Field::CAPTION.into(),
                value: Value::Text(caption.into()),
                supersedes: OpIds::new(),
            });
            bodies.push(OpBody::AddTo { target, set: SetName::TAGS, element: Value::Text("sea".into()) });
        }
        bodies
    }

    fn schema(catalog: &Catalog) -> i64 {
        catalog
            .database
            .read(|connection| connection.query_row("PRAGMA user_version", [], |row| row.get(0)))
            .unwrap()
    }

    fn answers(catalog: &Catalog) -> Vec<crate::AssetPage> {
        let options = ListOptions { limit: 5_000, ..ListOptions::default() };
        QUERIES.iter().map(|text| catalog.list(&Query::parse(text).unwrap(), &options).unwrap()).collect()
    }

    #[test]
    fn a_catalogue_of_the_schema_before_answers_alike_once_it_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        before_the_step(&path);
        let migrated = Catalog::open(&path, &key(), DEVICE, &mut SeededEntropy::new(2)).unwrap();
        assert_eq!(usize::try_from(schema(&migrated)), Ok(STEPS.len()));

        let fresh_path = folder.path().join("fresh.db");
        let mut fresh = Catalog::create(&fresh_path, &key(), DEVICE, &mut SeededEntropy::new(1)).unwrap();
        fresh.append(1_700_000_000_000, (0..5_000).flat_map(asset).collect()).unwrap();
        let expected = answers(&fresh);
        assert!(expected.iter().all(|page| !page.rows.is_empty()));
        assert_eq!(answers(&migrated), expected);
    }

    #[test]
    fn filling_goes_on_where_it_was_stopped_and_changes_meanwhile_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        before_the_step(&path);
        let database = Database::open(&path, &key(), Role::Catalog, STEPS, Access::ReadWrite).unwrap();
        let mut catalog = Catalog::start(database, DEVICE, &mut SeededEntropy::new(3));
        catalog.within(|connection, labels, _| reindex_some(connection, labels)).unwrap();
        assert!(catalog.database.read(words_up_to).unwrap().is_some());
        // One asset on each side of the mark.
        for number in [4_999, 1] {
            let content = ContentHash::from_bytes(safelight_crypto::sha256(&[&u32::to_be_bytes(number)]));
            let body = OpBody::Set {
                target: Target::Asset(AssetId(content), Life(0)),
                field: Field::CAPTION.into(),
                value: Value::Text("typed meanwhile".into()),
                supersedes: OpIds::new(),
            };
            catalog.append(1_700_000_000_000, vec![body]).unwrap();
        }
        catalog.close().unwrap();

        let read_only = Catalog::open_as(&path, &key(), DEVICE, &mut SeededEntropy::new(4), Access::ReadOnly);
        assert!(matches!(read_only, Err(CatalogError::ReadOnly { .. })));
        let catalog = Catalog::open(&path, &key(), DEVICE, &mut SeededEntropy::new(4)).unwrap();
        assert_eq!(catalog.database.read(words_up_to).unwrap(), None);
        let count = |text: &str| {
            catalog.count(&Query::parse(text).unwrap(), &ListOptions::default(), 10_000).unwrap()
        };
        assert_eq!(count("meanwhile"), crate::MatchCount::Exactly(2));
        assert_eq!(count("img*"), crate::MatchCount::Exactly(5_000));
        assert_eq!(count("tag:sea"), crate::MatchCount::Exactly(2_500));
        assert_eq!(count("has:place"), crate::MatchCount::Exactly(1_000));
        assert_eq!(count("has:gps -has:place"), crate::MatchCount::Exactly(4_000));
    }
}
