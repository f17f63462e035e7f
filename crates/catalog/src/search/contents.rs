//! Everything that a query, a switch or an age means, as contents: what a policy asks for.
//!
//! A policy is about the whole of an asset: its versions go with it. Hidden photos are in the library like others, the
//! trash is not. Unlike in searches, an album means the albums in it as well.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;
use safelight_crypto::ContentHash;
use safelight_model::view::{AlbumView, album_path};
use safelight_model::{AlbumId, AssetId, MediaKind, OpKind};

use super::ListOptions;
use super::plan::Plan;
use super::run::Next;
use crate::catalog::{Catalog, Flag, KeyRange, Shelf, folded};
use crate::error::Result;
use crate::query::{Condition, DateRange, Query};
use crate::rows::{hash_column, optional_hash_column};

/// The shelves that a policy looks at.
const SHELVES: [Shelf; 2] = [Shelf::Shown, Shelf::Hidden];

/// What an asset shows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentContent {
    /// The content.
    pub content: ContentHash,
    /// Which part of the library the asset is in.
    pub shelf: Shelf,
    /// Whether its original stays outside of the library.
    pub is_linked: bool,
}

/// A Live Photo: what the picture shows, and the contents of its video half, all versions included.
#[derive(Debug)]
struct LiveHalf {
    photo: Vec<ContentHash>,
    half: Vec<ContentHash>,
}

/// The video halves of the Live Photos that there are.
#[derive(Debug)]
pub struct LiveHalves(Vec<LiveHalf>);

impl LiveHalves {
    /// Adds the halves of those whose picture is among these contents.
    pub fn add_to(&self, contents: &mut HashSet<ContentHash>) {
        let of_these = |live: &&LiveHalf| live.photo.iter().any(|content| contents.contains(content));
        let halves: Vec<ContentHash> =
            self.0.iter().filter(of_these).flat_map(|live| live.half.iter().copied()).collect();
        contents.extend(halves);
    }
}

/// The albums that there are, each with its name and those that it lies in, nearest first.
#[derive(Debug, Default)]
pub struct AlbumTree {
    albums: HashMap<AlbumId, (String, Vec<AlbumId>)>,
}

impl AlbumTree {
    /// An album and all that lie in it, at whatever depth.
    #[must_use]
    pub fn with_nested(&self, album: AlbumId) -> Vec<AlbumId> {
        let mut found: Vec<AlbumId> = self
            .albums
            .iter()
            .filter(|(id, (_, above))| **id == album || above.contains(&album))
            .map(|(id, _)| *id)
            .collect();
        found.sort_unstable();
        found
    }

    /// The album whose switch applies to one: itself, or else the nearest that it lies in.
    #[must_use]
    pub fn deciding(&self, switches: &HashMap<AlbumId, bool>, album: AlbumId) -> Option<AlbumId> {
        let (_, above) = self.albums.get(&album)?;
        std::iter::once(&album).chain(above).find(|album| switches.contains_key(album)).copied()
    }

    /// The albums to which a switch applies: each has its own, or else that of the nearest album that it lies in.
    #[must_use]
    pub fn switched(&self, switches: &HashMap<AlbumId, bool>, on: bool) -> Vec<AlbumId> {
        let nearest = |album: &AlbumId, above: &[AlbumId]| {
            std::iter::once(album).chain(above).find_map(|album| switches.get(album)).copied()
        };
        let is_it =
            |(album, (_, above)): &(&AlbumId, &(String, Vec<AlbumId>))| nearest(album, above) == Some(on);
        self.albums.iter().filter(is_it).map(|(album, _)| *album).collect()
    }

    /// `trips/iceland`, without case.
    fn path(&self, album: AlbumId) -> String {
        let name = |album: &AlbumId| self.albums.get(album).map_or("", |(name, _)| name.as_str());
        let above = self.albums.get(&album).map_or(&[][..], |(_, above)| above.as_slice());
        let mut names: Vec<&str> = above.iter().rev().map(name).collect();
        names.push(name(&album));
        names.join("/")
    }

    fn named(&self, wanted: &str, prefix: bool) -> Vec<AlbumId> {
        let wanted = folded(wanted);
        let is_it = |text: &str| if prefix { text.starts_with(&wanted) } else { text == wanted };
        let named = |(album, (name, _)): &(&AlbumId, &(String, Vec<AlbumId>))| {
            is_it(name) || is_it(&self.path(**album))
        };
        self.albums.iter().filter(named).map(|(album, _)| *album).collect()
    }
}

impl Catalog {
    /// The albums that there are: named and not removed.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn album_tree(&self) -> Result<AlbumTree> {
        let records = self.albums()?;
        let views: HashMap<AlbumId, AlbumView> = records
            .iter()
            .map(|(album, record)| (*album, AlbumView::new(record)))
            .filter(|(_, view)| !view.deleted && view.name.is_some())
            .collect();
        let parent = |album: AlbumId| views.get(&album)?.parent.filter(|parent| views.contains_key(parent));
        let albums = views.iter().map(|(album, view)| {
            let name = folded(view.name.as_deref().unwrap_or_default());
            (*album, (name, album_path(*album, parent)))
        });
        Ok(AlbumTree { albums: albums.collect() })
    }

    /// The query in which an album, by its name or path, means those that lie in it as well.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn nested(&self, query: &Query) -> Result<Query> {
        let mut query = query.clone();
        if !query.terms.iter().any(|term| matches!(term.condition, Condition::Album { .. })) {
            return Ok(query);
        }
        let tree = self.album_tree()?;
        for term in &mut query.terms {
            if let Condition::Album { name, prefix } = &term.condition {
                let found: HashSet<AlbumId> =
                    tree.named(name, *prefix).into_iter().flat_map(|album| tree.with_nested(album)).collect();
                let mut found: Vec<AlbumId> = found.into_iter().collect();
                found.sort_unstable();
                term.condition = Condition::InAlbums(found);
            }
        }
        Ok(query)
    }

    /// The contents, all versions included, of the assets that a query finds; the trash aside.
    ///
    /// # Errors
    /// Those of the database.
    pub fn contents_matching(&self, query: &Query) -> Result<HashSet<ContentHash>> {
        let query = self.nested(query)?;
        let options = ListOptions { shelves: Some(SHELVES.to_vec()), ..ListOptions::default() };
        let mut contents = HashSet::new();
        let mut entities = HashSet::new();
        self.database.read(|connection| {
            for shelf in SHELVES {
                let Some(plan) = Plan::new(connection, &query, shelf)? else { continue };
                plan.walk(connection, "t.entity, t.asset, t.content", &options, usize::MAX, |row| {
                    entities.insert(row.get(0)?);
                    contents.insert(hash_column(row, 1)?);
                    contents.extend(optional_hash_column(row, 2)?);
                    Ok(Next::More)
                })?;
            }
            add_versions(connection, &entities, &mut contents)
        })?;
        Ok(contents)
    }

    /// The contents of assets, all versions included.
    ///
    /// # Errors
    /// Those of the database.
    pub fn contents_of(&self, assets: impl IntoIterator<Item = AssetId>) -> Result<HashSet<ContentHash>> {
        let mut contents = HashSet::new();
        self.database.read(|connection| {
            let mut find = connection.prepare_cached(
                "SELECT v.content FROM versions AS v JOIN entities AS e ON e.id = v.entity WHERE e.key = ?1",
            )?;
            for asset in assets {
                contents.insert(asset.0);
                let key = safelight_model::EntityId::Asset(asset).to_bytes();
                for content in find.query_map([key], |row| hash_column(row, 0))? {
                    contents.insert(content?);
                }
            }
            Ok(())
        })?;
        Ok(contents)
    }

    /// The video halves of all Live Photos, the trash aside: a half is a part of its photo, and goes where that goes. One walk,
    /// however many lists of contents they are added to.
    ///
    /// # Errors
    /// Those of the database.
    pub fn live_halves(&self) -> Result<LiveHalves> {
        let trash = KeyRange::of_shelf(Shelf::Trashed);
        let mut halves = Vec::new();
        self.database.read(|connection| {
            let mut find = connection.prepare_cached(
                "SELECT half.entity, half.asset, half.content, photo.asset, photo.content FROM timeline AS half
                 JOIN stack_keys AS mine ON mine.entity = half.entity
                 JOIN stack_keys AS theirs ON theirs.hash = mine.hash AND theirs.entity != half.entity
                 JOIN entities AS e ON e.id = theirs.entity JOIN timeline AS photo ON photo.key = e.place
                 WHERE half.media = ?1 AND half.flags & ?2 != 0 AND photo.media != ?1
                 AND half.key NOT BETWEEN ?3 AND ?4",
            )?;
            let mut rows =
                find.query((MediaKind::Video.code(), Flag::Live.bit(), trash.first, trash.last))?;
            let mut of_entity: HashMap<i64, Vec<usize>> = HashMap::new();
            while let Some(row) = rows.next()? {
                of_entity.entry(row.get(0)?).or_default().push(halves.len());
                let photo = std::iter::once(hash_column(row, 3)?).chain(optional_hash_column(row, 4)?);
                let half = std::iter::once(hash_column(row, 1)?).chain(optional_hash_column(row, 2)?);
                halves.push(LiveHalf { photo: photo.collect(), half: half.collect() });
            }
            if halves.is_empty() {
                return Ok(());
            }
            let mut versions = connection.prepare_cached("SELECT content, entity FROM versions")?;
            let mut rows = versions.query([])?;
            while let Some(row) = rows.next()? {
                for at in of_entity.get(&row.get(1)?).into_iter().flatten() {
                    if let Some(half) = halves.get_mut(*at) {
                        half.half.push(hash_column(row, 0)?);
                    }
                }
            }
            Ok(())
        })?;
        Ok(LiveHalves(halves))
    }

    /// The contents, all versions included, of the assets that were taken before a moment, as the timeline has it; the
    /// trash aside.
    ///
    /// # Errors
    /// Those of the database.
    pub fn contents_taken_before(&self, millis: i64) -> Result<HashSet<ContentHash>> {
        let until = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MIN);
        let until = Some(jiff::tz::Offset::UTC.to_datetime(until));
        self.contents_matching(&Query::default().and(Condition::Date(DateRange { from: None, until })))
    }

    /// The contents of the assets that came into the library before a moment; the trash aside.
    ///
    /// # Errors
    /// Those of the database.
    pub fn contents_added_before(&self, millis: u64) -> Result<HashSet<ContentHash>> {
        let [first, second] = [OpKind::AddAsset, OpKind::AddVersion].map(|kind| kind.number().0);
        let before = ((millis << 16) ^ (1 << 63)).cast_signed();
        let mut contents = HashSet::new();
        let mut entities = HashSet::new();
        self.database.read(|connection| {
            let mut old: HashSet<i64> = HashSet::new();
            let mut statement = connection.prepare_cached(
                "SELECT entity FROM ops WHERE kind IN (?1, ?2) AND stamp < ?3 AND entity IS NOT NULL",
            )?;
            for entity in statement.query_map((first, second, before), |row| row.get(0))? {
                old.insert(entity?);
            }
            let mut statement = connection
                .prepare_cached("SELECT entity, asset, content FROM timeline WHERE key BETWEEN ?1 AND ?2")?;
            for shelf in SHELVES {
                let range = KeyRange::of_shelf(shelf);
                let mut rows = statement.query((range.first, range.last))?;
                while let Some(row) = rows.next()? {
                    let entity: i64 = row.get(0)?;
                    if old.contains(&entity) {
                        entities.insert(entity);
                        contents.insert(hash_column(row, 1)?);
                        contents.extend(optional_hash_column(row, 2)?);
                    }
                }
            }
            add_versions(connection, &entities, &mut contents)
        })?;
        Ok(contents)
    }

    /// The current content of every asset that is not in the trash, and its size.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sizes_of_contents(&self) -> Result<Vec<(ContentHash, u64)>> {
        let mut found = Vec::new();
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT ifnull(content, asset), size_bytes FROM timeline WHERE key BETWEEN ?1 AND ?2",
            )?;
            for shelf in SHELVES {
                let range = KeyRange::of_shelf(shelf);
                let mut rows = statement.query((range.first, range.last))?;
                while let Some(row) = rows.next()? {
                    found.push((hash_column(row, 0)?, row.get(1)?));
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The current content of every asset, the trash included: the shelf, and whether its original stays outside of the
    /// library.
    ///
    /// # Errors
    /// Those of the database.
    pub fn current_contents(&self) -> Result<Vec<CurrentContent>> {
        let mut found = Vec::new();
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT ifnull(content, asset), flags FROM timeline WHERE key BETWEEN ?1 AND ?2",
            )?;
            for shelf in [Shelf::Shown, Shelf::Hidden, Shelf::Trashed] {
                let range = KeyRange::of_shelf(shelf);
                let mut rows = statement.query((range.first, range.last))?;
                while let Some(row) = rows.next()? {
                    let is_linked = row.get::<_, i64>(1)? & Flag::Linked.bit() != 0;
                    found.push(CurrentContent { content: hash_column(row, 0)?, shelf, is_linked });
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The number of the newest op: a plan that was made at another one is old.
    ///
    /// # Errors
    /// Those of the database.
    pub fn last_op(&self) -> Result<i64> {
        self.database.read(last_op)
    }
}

/// The number of the newest op, those of the transaction that is open included.
pub(crate) fn last_op(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT ifnull(max(number), 0) FROM ops")?.query_row([], |row| row.get(0))
}

fn add_versions(
    connection: &Connection,
    entities: &HashSet<i64>,
    contents: &mut HashSet<ContentHash>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("SELECT content, entity FROM versions")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if entities.contains(&row.get(1)?) {
            contents.insert(hash_column(row, 0)?);
        }
    }
    Ok(())
}
