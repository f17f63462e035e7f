//! Finding single things: an asset by id, content, path or name; states; counts; names of tags and albums.

use rusqlite::{OptionalExtension, Row};
use safelight_model::view::AssetView;
use safelight_model::{
    AlbumId, AssetId, AssetState, ContentHash, ContentState, EntityId, EntityState, MediaKind, Record,
    SourcePath, StateHash, StateHasher,
};

use super::Catalog;
use super::fold::{holds, unreadable, version_holders};
use super::labels::{LabelKind, find as find_label};
use super::project::{name_hash, path_hash};
use super::rows::{AssetRow, Month, ROW_COLUMNS, ShelfTotals, read_row};
use super::timeline::{KeyRange, Shelf};
use crate::error::{CatalogError, Result};
use crate::rows::hash_column;

/// The fewest hexadecimal digits that may stand for an id.
const FEWEST_ID_DIGITS: usize = 4;

/// What a person's word for an asset stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemLookup {
    /// Nothing.
    None,
    /// This asset.
    One(AssetId),
    /// Several; more than these if the list is as long as was allowed.
    Many(Vec<AssetId>),
}

/// A tag or an album, with how many shown assets are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The name as it is compared and searched; for an album as people wrote it.
    pub name: String,
    /// The album, if it is one.
    pub album: Option<AlbumId>,
    /// Assets in the timeline that have it.
    pub assets: u64,
}

impl Catalog {
    /// Reads the state of an asset.
    ///
    /// # Errors
    /// Those of the database; [`CatalogError::Row`] for a state that cannot be read.
    pub fn asset_state(&self, asset: AssetId) -> Result<Option<AssetState>> {
        let state = self.state(&EntityId::Asset(asset))?;
        Ok(state.and_then(|state| if let EntityState::Asset(state) = state { Some(state) } else { None }))
    }

    /// Reads the state of a content.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn content_state(&self, content: ContentHash) -> Result<Option<ContentState>> {
        let state = self.state(&EntityId::Content(content))?;
        Ok(state.and_then(|state| if let EntityState::Content(state) = state { Some(state) } else { None }))
    }

    /// Reads the record of the library, an album or a thing of another kind.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn record(&self, entity: &EntityId) -> Result<Option<Record>> {
        let state = self.state(entity)?;
        Ok(state.and_then(|state| if let EntityState::Record(state) = state { Some(state) } else { None }))
    }

    fn state(&self, entity: &EntityId) -> Result<Option<EntityState>> {
        let bytes: Option<Vec<u8>> = self.database.read(|connection| {
            connection
                .prepare_cached("SELECT state FROM entities WHERE key = ?1")?
                .query_row([entity.to_bytes()], |row| row.get(0))
                .optional()
        })?;
        bytes
            .map(|bytes| {
                EntityState::from_bytes(&bytes).map_err(|error| unreadable(entity, &error.to_string()))
            })
            .transpose()
    }

    /// Reads an asset's row, as listings show it; `None` if it is not listed (purged, merged, unknown).
    ///
    /// # Errors
    /// Those of the database.
    pub fn asset(&self, asset: AssetId) -> Result<Option<AssetRow>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {ROW_COLUMNS} FROM entities AS e JOIN timeline AS t ON t.key = e.place
                     WHERE e.key = ?1"
                ))?
                .query_row([EntityId::Asset(asset).to_bytes()], read_row)
                .optional()
        })
    }

    /// Finds the asset that has, or had, a content, unless it was purged; also in the trash.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn find_content(&self, content: ContentHash) -> Result<Option<AssetId>> {
        let mut candidates = vec![AssetId(content)];
        candidates.extend(self.database.read(|connection| version_holders(connection, &content))?);
        for asset in candidates {
            if self.asset_state(asset)?.is_some_and(|state| holds(&state, &content)) {
                return Ok(Some(asset));
            }
        }
        Ok(None)
    }

    /// Finds what a person means: an asset's id, a content's hash, or the beginning of either, a whole path, the
    /// end of a path, or a file's name. The first of these that finds anything counts.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn find_item(&self, item: &[u8], limit: usize) -> Result<ItemLookup> {
        let text = std::str::from_utf8(item).unwrap_or_default();
        let mut found = self.by_id_prefix(text, limit)?;
        if found.is_empty() {
            found = self.by_content_prefix(text, limit)?;
        }
        if found.is_empty() {
            found = self.by_path(item, limit)?;
        }
        if found.is_empty() {
            found = self.by_path_end(item, limit)?;
        }
        Ok(match found.as_slice() {
            [] => ItemLookup::None,
            [asset] => ItemLookup::One(*asset),
            _ => ItemLookup::Many(found),
        })
    }

    /// Finds assets whose ids begin with these hexadecimal digits, at least four.
    ///
    /// # Errors
    /// Those of the database.
    pub fn by_id_prefix(&self, digits: &str, limit: usize) -> Result<Vec<AssetId>> {
        let Some([first, last]) = prefix_bounds(digits) else { return Ok(Vec::new()) };
        let [first, last] = [first, last].map(|asset| EntityId::Asset(asset).to_bytes());
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT key FROM entities WHERE key BETWEEN ?1 AND ?2 AND place IS NOT NULL
                     ORDER BY key LIMIT ?3",
                )?
                .query_map((first, last, limit), asset_key)?
                .collect()
        })
    }

    /// Finds assets that have, or had, a content other than their first whose hash begins with these digits.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn by_content_prefix(&self, digits: &str, limit: usize) -> Result<Vec<AssetId>> {
        let Some([AssetId(first), AssetId(last)]) = prefix_bounds(digits) else { return Ok(Vec::new()) };
        let contents: Vec<ContentHash> = self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT DISTINCT content FROM versions WHERE content BETWEEN ?1 AND ?2
                     ORDER BY content LIMIT ?3",
                )?
                .query_map((first.as_bytes(), last.as_bytes(), limit), |row| hash_column(row, 0))?
                .collect()
        })?;
        let mut found = Vec::new();
        for content in contents {
            if let Some(asset) = self.find_content(content)?
                && !found.contains(&asset)
            {
                found.push(asset);
            }
        }
        Ok(found)
    }

    /// Finds assets with a content that was found at exactly this path.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn by_path(&self, path: &[u8], limit: usize) -> Result<Vec<AssetId>> {
        self.by_path_hash(path_hash(path), limit, |source| source.whole() == path)
    }

    /// Finds assets with a content that was found at a path that ends so: a file's name, perhaps with
    /// folders before it.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn by_path_end(&self, end: &[u8], limit: usize) -> Result<Vec<AssetId>> {
        let name = end.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        self.by_path_hash(name_hash(name), limit, |source| {
            let path = source.whole();
            path.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with(b"/"))
        })
    }

    /// Follows a hash and keeps those assets with a source that really is the one.
    fn by_path_hash(
        &self,
        hash: i64,
        limit: usize,
        is_meant: impl Fn(&SourcePath) -> bool,
    ) -> Result<Vec<AssetId>> {
        let candidates: Vec<AssetId> = self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT e.key FROM path_keys AS p JOIN entities AS e ON e.id = p.entity
                     WHERE p.hash = ?1 AND e.place IS NOT NULL ORDER BY e.key",
                )?
                .query_map([hash], asset_key)?
                .collect()
        })?;
        let mut found = Vec::new();
        for asset in candidates {
            if found.len() == limit {
                break;
            }
            let state = self.asset_state(asset)?;
            let view = state.as_ref().map(|state| AssetView::new(asset, state, None));
            if view.is_some_and(|view| view.sources().into_iter().any(&is_meant)) {
                found.push(asset);
            }
        }
        Ok(found)
    }

    /// The stack that an asset lies in: its cover, and what lies under it. `None` if it is in none.
    ///
    /// # Errors
    /// Those of the database.
    pub fn stack_of(&self, asset: AssetId) -> Result<Option<(AssetId, Vec<AssetId>)>> {
        let (cover, under): (Option<AssetId>, Vec<AssetId>) = self.database.read(|connection| {
            let cover: Option<(i64, AssetId)> = connection
                .prepare_cached(
                    "SELECT c.key, c.id FROM entities AS e JOIN timeline AS t ON t.key = e.place
                     JOIN entities AS c ON c.id = ifnull(t.cover, t.entity) WHERE e.key = ?1",
                )?
                .query_row([EntityId::Asset(asset).to_bytes()], |row| Ok((row.get(1)?, asset_key(row)?)))
                .optional()?;
            let Some((number, cover)) = cover else { return Ok((None, Vec::new())) };
            let under = connection
                .prepare_cached(
                    "SELECT e.key FROM timeline AS t JOIN entities AS e ON e.id = t.entity
                     WHERE t.cover = ?1 ORDER BY t.key",
                )?
                .query_map([number], asset_key)?
                .collect::<rusqlite::Result<_>>()?;
            Ok((Some(cover), under))
        })?;
        Ok(cover.filter(|_| !under.is_empty()).map(|cover| (cover, under)))
    }

    /// How many assets of the timeline lie under each of these.
    ///
    /// # Errors
    /// Those of the database.
    pub fn stacked_under(&self, covers: &[AssetId]) -> Result<Vec<u64>> {
        let shown = KeyRange::of_shelf(Shelf::Shown);
        self.database.read(|connection| {
            let mut count = connection.prepare_cached(
                "SELECT count(*) FROM entities AS e JOIN timeline AS t ON t.cover = e.id
                 WHERE e.key = ?1 AND t.key BETWEEN ?2 AND ?3",
            )?;
            let under = |cover: &AssetId| {
                let key = EntityId::Asset(*cover).to_bytes();
                count.query_row((key, shown.first, shown.last), |row| row.get(0))
            };
            covers.iter().map(under).collect()
        })
    }

    /// Assets that may belong to an asset by themselves: the other half of a Live Photo, RAW and JPEG; stacked or not, on
    /// any shelf. Those that it lies in a stack with by hand are not among them.
    ///
    /// # Errors
    /// Those of the database.
    pub fn companions_of(&self, asset: AssetId) -> Result<Vec<AssetId>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT DISTINCT other.key FROM entities AS e JOIN stack_keys AS mine ON mine.entity = e.id
                     JOIN stack_keys AS theirs ON theirs.hash = mine.hash AND theirs.entity != e.id
                     JOIN entities AS other ON other.id = theirs.entity
                     WHERE e.key = ?1 ORDER BY other.key LIMIT 1000",
                )?
                .query_map([EntityId::Asset(asset).to_bytes()], asset_key)?
                .collect()
        })
    }

    /// Goes through all assets in the order of their ids, listed or not, `limit` at a time: call again with
    /// the last id. For export and verify: whatever is added meanwhile, no asset is met twice or missed.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn assets_after(&self, after: Option<AssetId>, limit: usize) -> Result<Vec<(AssetId, AssetState)>> {
        let first = after.map_or(vec![1], |asset| EntityId::Asset(asset).to_bytes());
        let mut assets = Vec::new();
        for (entity, state) in self.states_between(&first, &[2], limit)? {
            if let (EntityId::Asset(asset), EntityState::Asset(state)) = (entity, state) {
                assets.push((asset, state));
            }
        }
        Ok(assets)
    }

    /// Goes through all contents in the order of their hashes, as [`Catalog::assets_after`] does.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn contents_after(
        &self,
        after: Option<ContentHash>,
        limit: usize,
    ) -> Result<Vec<(ContentHash, ContentState)>> {
        let first = after.map_or(vec![3], |content| EntityId::Content(content).to_bytes());
        let mut contents = Vec::new();
        for (entity, state) in self.states_between(&first, &[4], limit)? {
            if let (EntityId::Content(content), EntityState::Content(state)) = (entity, state) {
                contents.push((content, state));
            }
        }
        Ok(contents)
    }

    /// Lists all albums that ops speak of, removed ones too, with their records.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn albums(&self) -> Result<Vec<(AlbumId, Record)>> {
        let mut albums = Vec::new();
        for (entity, state) in self.states_between(&[2], &[3], usize::MAX)? {
            if let (EntityId::Album(album), EntityState::Record(record)) = (entity, state) {
                albums.push((album, record));
            }
        }
        Ok(albums)
    }

    fn states_between(
        &self,
        after: &[u8],
        before: &[u8],
        limit: usize,
    ) -> Result<Vec<(EntityId, EntityState)>> {
        let rows: Vec<(Vec<u8>, Vec<u8>)> = self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT key, state FROM entities WHERE key > ?1 AND key < ?2 ORDER BY key LIMIT ?3",
                )?
                .query_map((after, before, i64::try_from(limit).unwrap_or(i64::MAX)), |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect()
        })?;
        rows.iter()
            .filter_map(|(key, state)| {
                let entity = EntityId::from_bytes(key)?;
                let state =
                    EntityState::from_bytes(state).map_err(|error| unreadable(&entity, &error.to_string()));
                Some(state.map(|state| (entity, state)))
            })
            .collect()
    }

    /// The hash over all states: equal on all devices that folded the same ops, and after a rebuild.
    ///
    /// # Errors
    /// Those of the database.
    pub fn state_hash(&self) -> Result<StateHash> {
        let mut hasher = StateHasher::new();
        let mut failure = None;
        self.database.read(|connection| {
            let mut statement = connection.prepare("SELECT key, state FROM entities ORDER BY key")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (key, state) = (row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
                if let Err(error) = hasher.add(key, state) {
                    failure = Some(error);
                }
            }
            Ok(())
        })?;
        failure.map_or_else(|| Ok(hasher.finish()), |error| Err(CatalogError::Model(error)))
    }

    /// What is in one part of the library; counted as changes are made, so it costs nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub fn totals(&self, shelf: Shelf) -> Result<ShelfTotals> {
        self.database.read(|connection| {
            let mut totals = ShelfTotals::default();
            let mut statement = connection.prepare_cached(
                "SELECT media, sum(assets), sum(bytes), sum(linked), sum(undecodable) FROM totals
                 WHERE shelf = ?1 GROUP BY media",
            )?;
            let mut rows = statement.query([shelf.code()])?;
            while let Some(row) = rows.next()? {
                let assets: u64 = row.get(1)?;
                match MediaKind::from_code(row.get(0)?) {
                    MediaKind::Photo => totals.photos += assets,
                    MediaKind::Raw => totals.raws += assets,
                    MediaKind::Video => totals.videos += assets,
                    MediaKind::Other | MediaKind::Unknown(_) => totals.others += assets,
                }
                totals.bytes += row.get::<_, u64>(2)?;
                totals.linked += row.get::<_, u64>(3)?;
                totals.undecodable += row.get::<_, u64>(4)?;
            }
            Ok(totals)
        })
    }

    /// The months of a shelf that hold anything, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn months(&self, shelf: Shelf) -> Result<Vec<Month>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT month, sum(assets) AS held FROM totals WHERE shelf = ?1 GROUP BY month
                     HAVING held > 0 ORDER BY month DESC",
                )?
                .query_map([shelf.code()], |row| {
                    let month: i64 = row.get(0)?;
                    Ok(Month {
                        year: i16::try_from(month.div_euclid(12)).unwrap_or(i16::MAX),
                        month: u8::try_from(month.rem_euclid(12) + 1).unwrap_or(1),
                        assets: row.get(1)?,
                    })
                })?
                .collect()
        })
    }

    /// Lists the tags (folded, nested ones with all that they lie in) in the order of their names.
    ///
    /// # Errors
    /// Those of the database.
    pub fn tags(&self) -> Result<Vec<Label>> {
        self.tags_called(|_| true, usize::MAX)
    }

    /// The first tags whose names are wanted, at most so many; none but those are counted.
    ///
    /// # Errors
    /// Those of the database.
    pub fn tags_called(&self, is_wanted: impl Fn(&str) -> bool, most: usize) -> Result<Vec<Label>> {
        let labels = self.labels_of(LabelKind::Tag)?;
        let wanted = labels.into_iter().filter(|(_, _, name)| is_wanted(name));
        wanted
            .map(|(number, _, name)| Ok(Label { name, album: None, assets: self.count_label(number)? }))
            .filter(|label| label.as_ref().map_or(true, |label| label.assets > 0))
            .take(most)
            .collect()
    }

    /// How many shown assets were put into an album.
    ///
    /// # Errors
    /// Those of the database.
    pub fn count_album(&self, album: AlbumId) -> Result<u64> {
        let label = self.database.read(|connection| find_label(connection, LabelKind::Album, &album.0))?;
        label.map_or(Ok(0), |number| self.count_label(number))
    }

    /// Lists the albums that have a name and were not removed, in the order of their names.
    ///
    /// # Errors
    /// Those of the database.
    pub fn named_albums(&self) -> Result<Vec<Label>> {
        let labels = self.labels_of(LabelKind::Album)?;
        labels
            .into_iter()
            .map(|(number, identity, name)| {
                let album = identity.try_into().ok().map(AlbumId);
                Ok(Label { name, album, assets: self.count_label(number)? })
            })
            .collect()
    }

    fn labels_of(&self, kind: LabelKind) -> Result<Vec<(i64, Vec<u8>, String)>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT id, identity, name FROM labels WHERE kind = ?1 AND folded IS NOT NULL
                     ORDER BY folded, identity",
                )?
                .query_map([kind.code()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })
    }
}

fn asset_key(row: &Row<'_>) -> rusqlite::Result<AssetId> {
    let key = row.get_ref(0)?.as_blob()?;
    match EntityId::from_bytes(key) {
        Some(EntityId::Asset(asset)) => Ok(asset),
        _ => Err(rusqlite::Error::InvalidQuery),
    }
}

/// The least and the greatest hash that begin with these hexadecimal digits; nothing for fewer than four.
fn prefix_bounds(digits: &str) -> Option<[AssetId; 2]> {
    let is_prefix = (FEWEST_ID_DIGITS..=64).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bound = |filler: &str| {
        AssetId::parse(&format!("{digits}{}", filler.repeat(64_usize.saturating_sub(digits.len()))))
    };
    if is_prefix { Some([bound("0")?, bound("f")?]) } else { None }
}
